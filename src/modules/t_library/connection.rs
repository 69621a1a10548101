//! One client's connection: frames in, frames out.

use super::port::{ClientId, REFUSED};
use crate::base::frames::FrameReader;
use crate::base::limits::{
    CLIENT_BACKLOG_LEN_MAX, CLIENT_GREETING_TIME, CONNECT_TIME, STREAM_LINGER_TIME,
    STREAM_MESSAGE_TIME, TLS_HANDSHAKE_TIME,
};
use crate::base::time::{Duration, Instant};
use crate::runtime::mailbox::{Class, Mail};
use crate::runtime::tls::{FIRST_BYTE, Session, Terms};
use bytes::{Buf as _, Bytes};
use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Waker};
use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice};
use std::net::Shutdown;
use std::sync::Arc;
use std::task::Wake;
use tokio::net::TcpStream;

/// Reads of one client in one turn.
const READS_PER_TURN: usize = 4;
/// Frames that one system call writes.
const SLICES_PER_WRITE: usize = 64;
/// What a waiting frame takes besides its bytes, which it may share with others.
const ENTRY_LEN: usize = size_of::<Bytes>();

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed(pub(super) &'static str);

/// Notes on the list of clients with work that this one has some.
struct Bell {
    id: ClientId,
    is_rung: AtomicBool,
    list: Mail<ClientId>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_rung.swap(true, Ordering::AcqRel) {
            // The list has room for all clients, each of which is on it once.
            let _ = self.list.send(Class::Internal, self.id);
        }
    }
}

/// What is between the socket and the frames.
enum Layer {
    Plain,
    /// The first byte says.
    Unknown(Arc<Terms>),
    Tls(Box<Session>),
}

pub(super) struct Connection {
    socket: TcpStream,
    layer: Layer,
    /// Since when both agree on TLS.
    securing_since: Option<Instant>,
    /// Why TLS came to nothing.
    pub(super) refused: Option<std::io::Error>,
    pub(super) remote: Option<SocketAddr>,
    /// Whether the module has heard of it, or had it made.
    pub(super) is_known: bool,
    /// Since when it is being made, from here.
    dialling_since: Option<Instant>,
    reader: FrameReader,
    frame_since: Option<Instant>,
    backlog: VecDeque<Bytes>,
    backlog_len: usize,
    /// Bytes that TLS has taken since it last had written all.
    handed_len: usize,
    /// Since when it only writes what waits, to be closed then.
    ending_since: Option<Instant>,
    /// Whether the client was told that nothing more comes.
    is_shut: bool,
    /// Whether it is on the port's list of those with something to write.
    pub(super) is_dirty: bool,
    /// Its place in the port's order of deadlines.
    pub(super) pressed_at: Instant,
    bell: Arc<Bell>,
    waker: Waker,
}

impl Connection {
    pub(super) fn new(socket: TcpStream, id: ClientId, list: Mail<ClientId>) -> Self {
        let _ = socket.set_nodelay(true);
        let bell = Arc::new(Bell { id, is_rung: AtomicBool::new(false), list });
        let waker = Waker::from(Arc::clone(&bell));
        Self {
            socket,
            layer: Layer::Plain,
            securing_since: None,
            refused: None,
            remote: None,
            is_known: false,
            dialling_since: None,
            reader: FrameReader::new(),
            frame_since: None,
            backlog: VecDeque::new(),
            backlog_len: 0,
            handed_len: 0,
            ending_since: None,
            is_shut: false,
            is_dirty: false,
            pressed_at: Instant::NEVER,
            bell,
            waker,
        }
    }

    /// One that is being made.
    pub(super) fn dialling(mut self, session: Option<Session>, now: Instant) -> Self {
        self.dialling_since = Some(now);
        self.is_known = true;
        if let Some(session) = session {
            self.layer = Layer::Tls(Box::new(session));
        }
        self
    }

    /// One that was accepted on those terms.
    pub(super) fn accepted(mut self, remote: SocketAddr, terms: Arc<Terms>, now: Instant) -> Self {
        self.remote = Some(remote);
        if !terms.has_tls() {
            return self;
        }
        let session = terms.accept().filter(|_| !terms.takes_plain());
        self.layer = match session {
            Some(session) => Layer::Tls(Box::new(session)),
            None => Layer::Unknown(terms),
        };
        if !self.is_secured() {
            self.securing_since = Some(now);
        }
        self
    }

    const fn is_tls(&self) -> bool {
        matches!(self.layer, Layer::Tls(_))
    }

    /// Whether frames can pass.
    pub(super) fn is_secured(&self) -> bool {
        match &self.layer {
            Layer::Plain => true,
            Layer::Unknown(_) => false,
            Layer::Tls(session) => !session.is_handshaking(),
        }
    }

    pub(super) const fn is_dialling(&self) -> bool {
        self.dialling_since.is_some()
    }

    /// Whether it has been made by now: the peer's address when it has.
    pub(super) fn dialled(&mut self, now: Instant) -> Result<Option<SocketAddr>, Closed> {
        match self.socket.take_error().ok().flatten() {
            Some(error) if error.kind() == ErrorKind::ConnectionRefused => {
                return Err(Closed(REFUSED));
            }
            Some(_) => return Err(Closed("it cannot be reached")),
            None => {}
        }
        let remote = self.socket.peer_addr().ok();
        if remote.is_some() {
            self.dialling_since = None;
            self.remote = remote;
            self.securing_since = (!self.is_secured()).then_some(now);
        }
        Ok(remote)
    }

    /// Queues a frame; the socket is written in the turn of the port.
    pub(super) fn queue(&mut self, frame: Bytes) -> Result<(), Closed> {
        if self.ending_since.is_some() {
            return Ok(());
        }
        self.backlog_len += frame.len() + ENTRY_LEN;
        self.backlog.push_back(frame);
        if self.backlog_len > CLIENT_BACKLOG_LEN_MAX {
            return Err(Closed("it reads too slowly: too much waits for it"));
        }
        Ok(())
    }

    /// Takes no more; the connection closes when the client has what waits.
    pub(super) fn end(&mut self, now: Instant) {
        self.ending_since.get_or_insert(now);
    }

    /// Bytes that wait for the client to read.
    pub(super) const fn backlog_len(&self) -> usize {
        self.backlog_len + self.handed_len
    }

    /// Writes what the socket takes.
    pub(super) fn flush(&mut self) -> Result<(), Closed> {
        const FAILED: Closed = Closed("write failed");
        if self.is_dialling() {
            return Ok(());
        }
        loop {
            if let Layer::Tls(session) = &mut self.layer {
                if !session.flush(&self.socket).map_err(|_| FAILED)? {
                    return Ok(());
                }
                self.handed_len = 0;
            }
            if self.backlog.is_empty() || !self.is_secured() {
                break;
            }
            let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
            let count = self.backlog.len().min(SLICES_PER_WRITE);
            for (slice, frame) in slices.iter_mut().zip(&self.backlog) {
                *slice = IoSlice::new(frame);
            }
            let written = match &mut self.layer {
                Layer::Plain | Layer::Unknown(_) => {
                    self.socket.try_write_vectored(&slices[..count])
                }
                Layer::Tls(session) => session.write(&slices[..count]),
            };
            match written {
                Ok(written) => {
                    self.handed_len += if self.is_tls() { written } else { 0 };
                    self.written(written);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(FAILED),
            }
        }
        if self.ending_since.is_some() && !self.is_shut {
            if let Layer::Tls(session) = &mut self.layer {
                session.end();
                // It is a courtesy: what was to be written has been.
                let _ = session.flush(&self.socket);
            }
            // A socket that is closed with unread bytes in it throws away what the client
            // has not read yet: so only this direction is closed, and reading goes on.
            let _ = socket2::SockRef::from(&self.socket).shutdown(Shutdown::Write);
            self.is_shut = true;
        }
        Ok(())
    }

    fn written(&mut self, mut count: usize) {
        while let Some(first) = self.backlog.front_mut() {
            let taken = count.min(first.len());
            self.backlog_len -= taken;
            count -= taken;
            if taken < first.len() {
                first.advance(taken);
                return;
            }
            self.backlog_len -= ENTRY_LEN;
            self.backlog.pop_front();
        }
    }

    /// Reads what the socket has; whether there may be more.
    pub(super) fn read(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
        frames: &mut Vec<Bytes>,
    ) -> Result<bool, Closed> {
        for _ in 0..READS_PER_TURN {
            let read = match &mut self.layer {
                Layer::Plain | Layer::Unknown(_) => self.socket.try_read(buffer),
                Layer::Tls(session) => session.read(&self.socket, buffer),
            };
            match read {
                Ok(0) => return Err(Closed("closed by the client")),
                Ok(length) => {
                    let is_frames = self.learn(&buffer[..length], now)?;
                    if is_frames && self.ending_since.is_none() {
                        self.reader.push(&buffer[..length]);
                        self.take_frames(now, frames)?;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if self.is_secured() {
                        self.securing_since = None;
                    }
                    return Ok(false);
                }
                Err(error) => return Err(self.fail(error)),
            }
        }
        Ok(true)
    }

    /// Sees by its first bytes whether an unknown peer speaks TLS; whether they belong to
    /// frames.
    fn learn(&mut self, first: &[u8], now: Instant) -> Result<bool, Closed> {
        let Layer::Unknown(terms) = &self.layer else {
            self.securing_since = None;
            return Ok(true);
        };
        let session = terms.accept().filter(|_| first.first() == Some(&FIRST_BYTE));
        let Some(mut session) = session else {
            if !terms.takes_plain() {
                return Err(Closed("no TLS came about"));
            }
            (self.layer, self.securing_since) = (Layer::Plain, None);
            return Ok(true);
        };
        let taken = session.take(first);
        self.securing_since = Some(now);
        self.layer = Layer::Tls(Box::new(session));
        taken.map(|()| false).map_err(|error| self.fail(error))
    }

    fn fail(&mut self, error: std::io::Error) -> Closed {
        if self.is_secured() {
            return Closed("read failed");
        }
        if let Layer::Tls(session) = &mut self.layer {
            // The alert tells the other end why.
            let _ = session.flush(&self.socket);
        }
        self.refused = Some(error);
        Closed("no TLS came about")
    }

    fn take_frames(&mut self, now: Instant, frames: &mut Vec<Bytes>) -> Result<(), Closed> {
        loop {
            match self.reader.next_frame() {
                Ok(Some(frame)) => {
                    self.frame_since = None;
                    frames.push(frame);
                }
                Ok(None) if self.reader.is_empty() => return Ok(()),
                Ok(None) => {
                    self.frame_since.get_or_insert(now);
                    return Ok(());
                }
                Err(_) => return Err(Closed("a frame is too long")),
            }
        }
    }

    /// How long it may be before frames can pass: who need not speak TLS has the time of
    /// who speaks none.
    const fn patience(&self) -> Duration {
        match self.layer {
            Layer::Unknown(_) => CLIENT_GREETING_TIME,
            Layer::Plain | Layer::Tls(_) => TLS_HANDSHAKE_TIME,
        }
    }

    /// When it is to be closed if nothing happens, and why then.
    pub(super) fn deadline(&self) -> Option<(Instant, Closed)> {
        let ending = self.ending_since.map(|since| (since + STREAM_LINGER_TIME, Closed("ended")));
        let cut = self
            .frame_since
            .map(|since| (since + STREAM_MESSAGE_TIME, Closed("a frame did not arrive in full")));
        let unreached =
            self.dialling_since.map(|since| (since + CONNECT_TIME, Closed("it does not answer")));
        let late = Closed("no TLS came about");
        let unsecured = self.securing_since.map(|since| (since + self.patience(), late));
        let all = ending.into_iter().chain(cut).chain(unreached).chain(unsecured);
        all.min_by_key(|(at, _)| *at)
    }

    pub(super) fn taken_off_the_list(&self) {
        self.bell.is_rung.store(false, Ordering::Release);
    }

    pub(super) fn ring(&self) {
        self.waker.wake_by_ref();
    }

    /// Has the reactor put it on the list as soon as there is something to read, or room
    /// for what waits; at once if there is already.
    pub(super) fn watch(&self) {
        let mut context = Context::from_waker(&self.waker);
        let readable = self.socket.poll_read_ready(&mut context).is_ready();
        let waits = match &self.layer {
            Layer::Plain => !self.backlog.is_empty(),
            Layer::Unknown(_) => false,
            Layer::Tls(session) => {
                session.wants_write() || self.is_secured() && !self.backlog.is_empty()
            }
        };
        let wants_room = self.is_dialling() || waits;
        let writable = wants_room && self.socket.poll_write_ready(&mut context).is_ready();
        if readable || writable {
            self.ring();
        }
    }
}
