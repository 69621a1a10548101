//! Streams: who listens, who is connected, who has something to do.
//!
//! The reactor lists the connections that are ready, so that a turn costs as
//! much as there is to do, whatever number of connections stand idle.

use super::connection::Connection;
use super::core::{Core, Parcel, SendError};
use crate::base::flow::{ConnectionId, Flow, Protocol};
use crate::base::limits::{CONNECTIONS_MAX, SOCKET_BATCH_LEN, TURN_BATCH_LEN};
use crate::base::time::{Duration, Instant};
use crate::runtime::mailbox::{Inbox, Mail, mailbox};
use crate::runtime::timer_wheel::TimerWheel;
use crate::runtime::waker::ThreadWaker;
use core::net::SocketAddr;
use core::task::{Context, Poll, Waker};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Bytes of one read.
const READ_LEN: usize = 65_536;
/// Time for which nothing is accepted after the system refused to.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug)]
struct Listener {
    local: SocketAddr,
    socket: TcpListener,
}

/// The listeners and connections of a transport.
pub(super) struct Streams {
    listeners: Vec<Listener>,
    connections: BTreeMap<ConnectionId, Connection>,
    /// The connection that messages to an address take.
    by_remote: HashMap<SocketAddr, ConnectionId>,
    last_id: u64,
    ready: Mail<ConnectionId>,
    ready_inbox: Inbox<ConnectionId>,
    batch: Vec<ConnectionId>,
    wheel: TimerWheel<ConnectionId>,
    accept_waker: Waker,
    /// Nothing is accepted before, zero where there is no such time.
    accept_at: Instant,
    scratch: Vec<u8>,
}

impl Streams {
    pub(super) fn new() -> Self {
        // A connection is listed once, and at most one more time after it closed.
        let (ready, ready_inbox) = mailbox("ready connections", 2 * CONNECTIONS_MAX);
        Self {
            listeners: Vec::new(),
            connections: BTreeMap::new(),
            by_remote: HashMap::new(),
            last_id: 0,
            ready,
            ready_inbox,
            batch: Vec::new(),
            wheel: TimerWheel::new(),
            accept_waker: Waker::noop().clone(),
            accept_at: Instant::ZERO,
            scratch: vec![0; READ_LEN],
        }
    }

    pub(super) fn set_waker(&mut self, waker: &Arc<ThreadWaker>) {
        self.ready_inbox.set_waker(Arc::clone(waker));
        self.accept_waker = Waker::from(Arc::clone(waker));
    }

    /// Registers a listening socket with the reactor of this thread.
    pub(super) fn add(&mut self, local: SocketAddr, socket: socket2::Socket) -> io::Result<()> {
        let socket = TcpListener::from_std(socket.into())?;
        self.listeners.push(Listener { local, socket });
        Ok(())
    }

    /// Closes everything.
    pub(super) fn close(&mut self, core: &mut Core) {
        self.listeners.clear();
        while let Some((&id, _)) = self.connections.first_key_value() {
            self.remove(id, SendError::Closed, core);
        }
    }

    /// Whether something is to be done.
    pub(super) fn is_ready(&self) -> bool {
        !self.ready_inbox.is_empty()
    }

    pub(super) fn next_deadline(&self) -> Instant {
        let accept_at =
            if self.accept_at == Instant::ZERO { Instant::NEVER } else { self.accept_at };
        self.wheel.next().min(accept_at)
    }

    /// Sends on the connection if it stands, else on one to `remote`, else on a new
    /// one that comes from the address `local`.
    pub(super) fn send(
        &mut self,
        connection: Option<ConnectionId>,
        local: Option<SocketAddr>,
        remote: SocketAddr,
        parcel: Parcel,
        now: Instant,
        core: &mut Core,
    ) {
        let is_usable = |id: &ConnectionId| {
            self.connections.get(id).is_some_and(|connection| connection.is_usable())
        };
        let standing = connection
            .filter(is_usable)
            .or_else(|| self.by_remote.get(&remote).copied().filter(is_usable));
        let id = match standing.map_or_else(|| self.connect(local, remote, now, core), Ok) {
            Ok(id) => id,
            Err(reason) => {
                core.fail(parcel.sender, reason);
                return;
            }
        };
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let bytes = parcel.bytes.clone();
        match connection.push(parcel) {
            Ok(()) => core.note_outgoing(Protocol::Tcp, remote, &bytes),
            Err(parcel) => core.fail(parcel.sender, SendError::Congested),
        }
    }

    fn connect(
        &mut self,
        local: Option<SocketAddr>,
        remote: SocketAddr,
        now: Instant,
        core: &Core,
    ) -> Result<ConnectionId, SendError> {
        if self.connections.len() >= CONNECTIONS_MAX {
            return Err(SendError::Congested);
        }
        let mut locals = self.listeners.iter().map(|listener| listener.local);
        let local = local
            .filter(|wanted| locals.clone().any(|local| local == *wanted))
            .or_else(|| locals.find(|local| local.is_ipv4() == remote.is_ipv4()))
            .ok_or(SendError::NoSocket)?;
        let socket = open_socket(local).map_err(|error| SendError::of(&error))?;
        let flow = self.next_flow(local, remote);
        let connecting = Box::pin(socket.connect(remote));
        let connection = Connection::connecting(flow, connecting, self.ready.clone(), now);
        Ok(self.insert(connection, core))
    }

    fn next_flow(&mut self, local: SocketAddr, remote: SocketAddr) -> Flow {
        self.last_id += 1;
        Flow { protocol: Protocol::Tcp, local, remote, connection: ConnectionId(self.last_id) }
    }

    fn insert(&mut self, connection: Connection, core: &Core) -> ConnectionId {
        let id = connection.flow().connection;
        core.counters.connections_opened.add(1);
        core.counters.connections_open.add(1);
        self.by_remote.insert(connection.flow().remote, id);
        self.connections.insert(id, connection);
        self.arm(id);
        id
    }

    fn remove(&mut self, id: ConnectionId, reason: SendError, core: &mut Core) {
        let Some(connection) = self.connections.remove(&id) else { return };
        core.counters.connections_open.sub(1);
        if connection.is_connecting() {
            core.counters.connections_refused.add(1);
        }
        let remote = connection.flow().remote;
        if self.by_remote.get(&remote) == Some(&id) {
            self.by_remote.remove(&remote);
        }
        for parcel in connection.into_unsent() {
            core.fail(parcel.sender, reason);
        }
    }

    fn arm(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let deadline = connection.deadline();
        if deadline < connection.armed {
            connection.armed = deadline;
            self.wheel.arm(deadline, id);
        }
    }

    /// Takes in who wants to connect.
    pub(super) fn accept(&mut self, now: Instant, core: &Core) -> usize {
        if now < self.accept_at {
            return 0;
        }
        self.accept_at = Instant::ZERO;
        let mut work = 0;
        for at in 0..self.listeners.len() {
            for _ in 0..SOCKET_BATCH_LEN {
                let mut cx = Context::from_waker(&self.accept_waker);
                let listener = &self.listeners[at];
                match listener.socket.poll_accept(&mut cx) {
                    Poll::Pending => break,
                    Poll::Ready(Ok((stream, remote))) => {
                        self.on_accepted(listener.local, stream, remote, now, core);
                    }
                    Poll::Ready(Err(error)) if is_of_one_connection(&error) => {}
                    Poll::Ready(Err(error)) => {
                        tracing::warn!(local = %listener.local, %error, "accepts no connections");
                        self.accept_at = now + ACCEPT_PAUSE;
                        break;
                    }
                }
                work += 1;
            }
        }
        work
    }

    fn on_accepted(
        &mut self,
        local: SocketAddr,
        stream: TcpStream,
        remote: SocketAddr,
        now: Instant,
        core: &Core,
    ) {
        if self.connections.len() >= CONNECTIONS_MAX {
            core.counters.connections_refused.add(1);
            return;
        }
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%remote, %error, "small writes may be delayed");
        }
        let flow = self.next_flow(local, remote);
        let connection = Connection::accepted(flow, stream, self.ready.clone(), now);
        self.insert(connection, core);
    }

    /// Reads and writes the connections that are ready.
    pub(super) fn serve(&mut self, now: Instant, core: &mut Core) -> usize {
        let mut batch = core::mem::take(&mut self.batch);
        let work = self.ready_inbox.take(&mut batch, TURN_BATCH_LEN);
        for id in batch.drain(..) {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            match connection.serve(&mut self.scratch, now, core) {
                Ok(()) => self.arm(id),
                Err(reason) => self.remove(id, reason, core),
            }
        }
        self.batch = batch;
        work
    }

    /// Closes what is late. Wake-ups of deadlines that have moved are passed over.
    pub(super) fn expire(&mut self, now: Instant, core: &mut Core) {
        if self.wheel.next() > now {
            return;
        }
        let mut due = core::mem::take(&mut self.batch);
        self.wheel.expire(now, &mut due);
        for id in due.drain(..) {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            if now < connection.armed {
                continue;
            }
            connection.armed = Instant::NEVER;
            if now < connection.deadline() {
                self.arm(id);
            } else {
                core.counters.connections_timed_out.add(1);
                self.remove(id, SendError::TimedOut, core);
            }
        }
        self.batch = due;
    }
}

/// A socket that connects from the address that it is told, with a port of the system's choice.
fn open_socket(local: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if local.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_nodelay(true)?;
    if !local.ip().is_unspecified() {
        socket.bind(SocketAddr::new(local.ip(), 0))?;
    }
    Ok(socket)
}

/// Errors of accept(2) that concern the one who wanted to connect, not us.
fn is_of_one_connection(error: &io::Error) -> bool {
    let kind = error.kind();
    kind == io::ErrorKind::ConnectionAborted
        || kind == io::ErrorKind::ConnectionReset
        || kind == io::ErrorKind::Interrupted
}
