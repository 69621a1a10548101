//! The clients of a port. A turn looks only at those that have something to read, or
//! something that waits to be written, however many there are.

use super::connection::{Closed, Connection};
use crate::base::limits::{
    ACCEPT_BATCH_LEN, ACCEPT_PAUSE, CLIENTS_MAX, REFUSED_LOG_INTERVAL, TURN_BATCH_LEN,
};
use crate::base::time::Instant;
use crate::runtime::mailbox::{Inbox, Mail, mailbox};
use crate::runtime::tls::{Session, Tls};
use crate::runtime::waker::ThreadWaker;
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use core::task::{Context, Poll};
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};

/// Bytes that one read takes.
const READ_LEN: usize = 16 * 1024;

/// Handshakes of TLS that one turn goes on with.
const HANDSHAKES_PER_TURN: usize = 16;

/// Why a connection that was dialled is gone when nobody listens there.
pub const REFUSED: &str = "nobody listens there";

/// A connection of a port; never the same twice in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u64);

/// What a port tells its module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A client has connected.
    Connected(SocketAddr),
    /// It has sent a frame.
    Frame(Bytes),
    /// It is gone, and why. Nothing more is heard of it.
    Gone(&'static str),
}

enum Listener {
    Bound(socket2::Socket),
    Running(TcpListener),
    Gone,
}

/// A port with its clients, and with those whose client it is itself.
pub struct Port {
    name: String,
    listener: Listener,
    /// On what terms connections are made.
    tls: Tls,
    /// Whom the next connection is tried without TLS, where both are allowed.
    plain_next: BTreeSet<SocketAddr>,
    /// Connections that came to nothing, untold, and when that may be told.
    refused: u64,
    refused_log_at: Instant,
    /// When the last turn began.
    now: Instant,
    clients: BTreeMap<ClientId, Connection>,
    next: u64,
    list: Mail<ClientId>,
    listed: Inbox<ClientId>,
    taken: Vec<ClientId>,
    /// Those with something to write.
    dirty: Vec<ClientId>,
    /// Those that are to be closed if nothing happens, by the time.
    pressed: BTreeSet<(Instant, ClientId)>,
    /// Those that are gone, which the next turn tells.
    gone: Vec<(ClientId, &'static str)>,
    /// Bytes that those were not written who are told of as gone in this turn.
    unwritten: BTreeMap<ClientId, usize>,
    accepted: Vec<(TcpStream, SocketAddr)>,
    /// Set while the system has no room for another connection.
    accept_after: Option<Instant>,
    /// Why the last one could not be accepted, until the next turn.
    accept_error: Option<std::io::Error>,
    buffer: Vec<u8>,
}

impl Port {
    /// Takes an address.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn bind(name: &str, address: SocketAddr) -> std::io::Result<Self> {
        let domain = socket2::Domain::for_address(address);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(1_024)?;
        Ok(Self::over(name, socket))
    }

    /// A port over a socket that listens and does not block.
    #[must_use]
    pub fn over(name: &str, socket: socket2::Socket) -> Self {
        Self::with(name, Listener::Bound(socket))
    }

    /// A port that only dials.
    #[must_use]
    pub fn dialling(name: &str) -> Self {
        Self::with(name, Listener::Gone)
    }

    /// Makes and takes connections on those terms.
    #[must_use]
    pub fn secured(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    fn with(name: &str, listener: Listener) -> Self {
        // Twice as many as there are at a time: an entry outlives its client until the
        // next turns.
        let (list, listed) = mailbox("clients with work", 2 * CLIENTS_MAX);
        Self {
            name: name.to_owned(),
            listener,
            tls: Tls::default(),
            plain_next: BTreeSet::new(),
            refused: 0,
            refused_log_at: Instant::ZERO,
            now: Instant::ZERO,
            clients: BTreeMap::new(),
            next: 1,
            list,
            listed,
            taken: Vec::new(),
            dirty: Vec::new(),
            pressed: BTreeSet::new(),
            gone: Vec::new(),
            unwritten: BTreeMap::new(),
            accepted: Vec::new(),
            accept_after: None,
            accept_error: None,
            buffer: vec![0; READ_LEN],
        }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn local_addr(&self) -> std::io::Result<Option<SocketAddr>> {
        match &self.listener {
            Listener::Bound(socket) => Ok(socket.local_addr()?.as_socket()),
            Listener::Running(listener) => listener.local_addr().map(Some),
            Listener::Gone => Ok(None),
        }
    }

    /// Whom a client that gets work wakes.
    pub fn set_waker(&self, waker: Arc<ThreadWaker>) {
        self.listed.set_waker(waker);
    }

    /// Called on the module's thread, inside its runtime.
    pub fn start(&mut self) {
        let Listener::Bound(socket) = core::mem::replace(&mut self.listener, Listener::Gone) else {
            return;
        };
        match TcpListener::from_std(socket.into()) {
            Ok(listener) => self.listener = Listener::Running(listener),
            Err(error) => {
                tracing::error!(node = %self.name, %error, "T-Library port cannot be used");
            }
        }
    }

    /// Takes clients and reads those that have sent something; what is heard goes to
    /// `heard`, in order for each client.
    pub fn read(&mut self, now: Instant, heard: &mut Vec<(ClientId, Heard)>) -> usize {
        self.now = now;
        let before = heard.len();
        self.take_accepted(now, heard);
        let mut taken = core::mem::take(&mut self.taken);
        self.listed.take(&mut taken, TURN_BATCH_LEN);
        let (mut frames, mut handshakes) = (Vec::new(), 0);
        for id in taken.drain(..) {
            let Some(connection) = self.clients.get_mut(&id) else { continue };
            connection.taken_off_the_list();
            if !connection.is_secured() && !connection.is_dialling() {
                handshakes += 1;
                if handshakes > HANDSHAKES_PER_TURN {
                    // Each costs a signature: the rest is for the next turns.
                    connection.ring();
                    continue;
                }
            }
            if connection.is_dialling() {
                match connection.dialled(now) {
                    Ok(Some(remote)) => {
                        if connection.is_secured() {
                            heard.push((id, Heard::Connected(remote)));
                        }
                        connection.ring();
                    }
                    Ok(None) => connection.watch(),
                    Err(closed) => self.close(id, closed),
                }
                self.press(id);
                continue;
            }
            let was_secured = connection.is_secured();
            let read = connection.read(now, &mut self.buffer, &mut frames);
            if !was_secured
                && connection.is_secured()
                && let Some(remote) = connection.remote
            {
                connection.is_known = true;
                self.plain_next.remove(&remote);
                heard.push((id, Heard::Connected(remote)));
            }
            heard.extend(frames.drain(..).map(|frame| (id, Heard::Frame(frame))));
            match read.and_then(|has_more| connection.flush().map(|()| has_more)) {
                Ok(true) => connection.ring(),
                Ok(false) => connection.watch(),
                Err(closed) => self.close(id, closed),
            }
            self.press(id);
        }
        self.taken = taken;
        self.close_late(now);
        self.unwritten.retain(|id, _| self.gone.iter().any(|(gone, _)| gone == id));
        heard.extend(self.gone.drain(..).map(|(id, reason)| (id, Heard::Gone(reason))));
        heard.len() - before
    }

    fn take_accepted(&mut self, now: Instant, heard: &mut Vec<(ClientId, Heard)>) {
        if self.accept_after.is_some_and(|after| now >= after) {
            self.accept_after = None;
        }
        if let Some(error) = self.accept_error.take() {
            tracing::warn!(node = %self.name, %error, "a T-Library client cannot be accepted");
            self.accept_after = Some(now + ACCEPT_PAUSE);
        }
        for (socket, remote) in core::mem::take(&mut self.accepted) {
            if self.clients.len() >= CLIENTS_MAX {
                tracing::warn!(node = %self.name, limit = CLIENTS_MAX, "a T-Library client is refused: too many are connected");
                continue;
            }
            let terms = self.tls.terms();
            if !terms.takes_from(remote.ip()) {
                self.note_refused(
                    Some(remote),
                    None,
                    "only those of this machine are served without TLS",
                );
                continue;
            }
            let id = ClientId(self.next);
            self.next += 1;
            let connection = Connection::new(socket, id, self.list.clone());
            let mut connection = connection.accepted(remote, terms, now);
            connection.is_known = connection.is_secured();
            if connection.is_known {
                heard.push((id, Heard::Connected(remote)));
            }
            // The first turn reads what came with the connection and sets the watch.
            connection.ring();
            self.clients.insert(id, connection);
        }
    }

    /// Begins a connection to somebody else's port from an address of this machine, its own
    /// port chosen by the system; [`Heard::Connected`] tells when it is
    /// made, [`Heard::Gone`] when it cannot be. Called on the module's thread.
    ///
    /// # Errors
    /// When the system gives no socket, or knows no way there.
    pub fn dial(
        &mut self,
        from: Option<IpAddr>,
        address: SocketAddr,
        now: Instant,
    ) -> std::io::Result<ClientId> {
        let domain = socket2::Domain::for_address(address);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        if let Some(from) = from.filter(|from| from.is_ipv4() == address.is_ipv4()) {
            socket.bind(&SocketAddr::new(from, 0).into())?;
        }
        // It is made while others work; its outcome is seen later, unless it fails at once.
        if let Err(error) = socket.connect(&address.into())
            && matches!(
                error.kind(),
                ErrorKind::AddrNotAvailable
                    | ErrorKind::AddrInUse
                    | ErrorKind::NetworkUnreachable
                    | ErrorKind::NetworkDown
                    | ErrorKind::HostUnreachable
                    | ErrorKind::ConnectionRefused
                    | ErrorKind::PermissionDenied
                    | ErrorKind::InvalidInput
                    | ErrorKind::Unsupported
            )
        {
            return Err(error);
        }
        let socket = TcpStream::from_std(socket.into())?;
        let id = ClientId(self.next);
        self.next += 1;
        let session = self.session(address);
        let connection = Connection::new(socket, id, self.list.clone()).dialling(session, now);
        connection.ring();
        self.clients.insert(id, connection);
        self.press(id);
        Ok(id)
    }

    /// TLS for a connection to that address; where both are allowed, every other time.
    fn session(&mut self, address: SocketAddr) -> Option<Session> {
        let terms = self.tls.terms();
        let session = terms.dial(address.ip())?;
        if !terms.takes_plain() {
            self.plain_next.clear();
            return Some(session);
        }
        let is_plain = self.plain_next.remove(&address);
        if !is_plain {
            self.plain_next.insert(address);
        }
        (!is_plain).then_some(session)
    }

    fn close(&mut self, id: ClientId, Closed(reason): Closed) {
        if let Some(connection) = self.clients.remove(&id) {
            self.pressed.remove(&(connection.pressed_at, id));
            if !connection.is_secured() && !connection.is_dialling() {
                self.note_refused(connection.remote, connection.refused.as_ref(), reason);
            }
            if !connection.is_known {
                return;
            }
            self.unwritten.insert(id, connection.backlog_len());
            self.gone.push((id, reason));
        }
    }

    /// Says that a connection came to nothing, but not of each of very many.
    fn note_refused(
        &mut self,
        remote: Option<SocketAddr>,
        error: Option<&std::io::Error>,
        reason: &'static str,
    ) {
        self.refused += 1;
        if self.now < self.refused_log_at {
            return;
        }
        let error = error.map(ToString::to_string);
        let peer = remote.map(|remote| remote.to_string());
        tracing::warn!(node = %self.name, peer, reason, error, count = self.refused, "a connection came to nothing");
        (self.refused, self.refused_log_at) = (0, self.now + REFUSED_LOG_INTERVAL);
    }

    fn press(&mut self, id: ClientId) {
        let Some(connection) = self.clients.get_mut(&id) else { return };
        let at = connection.deadline().map_or(Instant::NEVER, |(at, _)| at);
        if at == connection.pressed_at {
            return;
        }
        self.pressed.remove(&(connection.pressed_at, id));
        connection.pressed_at = at;
        if at != Instant::NEVER {
            self.pressed.insert((at, id));
        }
    }

    fn close_late(&mut self, now: Instant) {
        while let Some(&(at, id)) = self.pressed.first().filter(|(at, _)| *at <= now) {
            self.pressed.remove(&(at, id));
            let deadline = self.clients.get(&id).and_then(Connection::deadline);
            if let Some((_, closed)) = deadline {
                self.close(id, closed);
            }
        }
    }

    /// Queues a frame for a client, which may be gone by now; [`Port::flush`] writes it. A
    /// client for which too much waits is closed.
    pub fn send(&mut self, id: ClientId, frame: Bytes) {
        let Some(connection) = self.clients.get_mut(&id) else { return };
        match connection.queue(frame) {
            Ok(()) => self.mark(id),
            Err(closed) => {
                tracing::info!(node = %self.name, client = id.0, reason = closed.0, "T-Library client cut");
                self.close(id, closed);
            }
        }
    }

    /// Closes a client when it has what waits for it.
    pub fn end(&mut self, id: ClientId, now: Instant) {
        if let Some(connection) = self.clients.get_mut(&id) {
            connection.end(now);
            self.press(id);
            self.mark(id);
        }
    }

    fn mark(&mut self, id: ClientId) {
        if let Some(connection) = self.clients.get_mut(&id)
            && !core::mem::replace(&mut connection.is_dirty, true)
        {
            self.dirty.push(id);
        }
    }

    /// Writes what the turn has queued; what the sockets do not take leaves when they do.
    pub fn flush(&mut self) {
        for id in core::mem::take(&mut self.dirty) {
            let Some(connection) = self.clients.get_mut(&id) else { continue };
            connection.is_dirty = false;
            match connection.flush() {
                Ok(()) => connection.watch(),
                Err(closed) => self.close(id, closed),
            }
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Whether nobody is connected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Bytes that wait for a client to read; those that it was not written while it is
    /// told of as gone.
    #[must_use]
    pub fn backlog_len(&self, id: ClientId) -> usize {
        let gone = || self.unwritten.get(&id).copied().unwrap_or_default();
        self.clients.get(&id).map_or_else(gone, Connection::backlog_len)
    }

    /// Whether a turn would find something now.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.listed.is_empty()
            || !self.accepted.is_empty()
            || !self.gone.is_empty()
            || self.accept_error.is_some()
    }

    /// When a client's time is up if nothing happens.
    #[must_use]
    pub fn next_deadline(&self) -> Instant {
        let pressed = self.pressed.first().map(|(at, _)| *at);
        pressed.into_iter().chain(self.accept_after).min().unwrap_or(Instant::NEVER)
    }

    /// Asked before the thread sleeps.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Listener::Running(listener) = &self.listener else {
            return if self.has_work() { Poll::Ready(()) } else { Poll::Pending };
        };
        let is_open = self.accept_after.is_none() && self.accept_error.is_none();
        while is_open && self.accepted.len() < ACCEPT_BATCH_LEN {
            match listener.poll_accept(context) {
                Poll::Ready(Ok(accepted)) => self.accepted.push(accepted),
                Poll::Ready(Err(error)) => {
                    // Looked at in the next turn, which says how long to wait.
                    self.accept_error = Some(error);
                    break;
                }
                Poll::Pending => break,
            }
        }
        if self.has_work() { Poll::Ready(()) } else { Poll::Pending }
    }
}
