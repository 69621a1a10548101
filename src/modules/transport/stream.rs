//! One TCP connection: being set up, open, or ending.

use super::core::Kind;
use crate::base::flow::{ConnectionId, Flow, Protocol, Sender};
use crate::base::limits::{
    CONNECT_TIME, CONNECTION_BACKLOG_LEN_MAX, STREAM_IDLE_TIME, STREAM_LINGER_TIME,
    STREAM_MESSAGE_TIME, STREAM_WRITE_TIME,
};
use crate::base::time::Instant;
use crate::observe::families::{Direction, Families};
use crate::runtime::mailbox::{Class, Mail};
use crate::sip::framing::{Frame, Framer, FramingError};
use bytes::{Buf, Bytes};
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Waker};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::Shutdown;
use std::sync::Arc;
use std::task::Wake;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Reads of one connection in one turn, each of up to the longest message.
const READS_PER_TURN: usize = 2;
/// Waiting messages whose room is kept when all have left.
const BACKLOG_CAPACITY_KEPT: usize = 16;
/// Bytes that a waiting message takes besides its own: without them, a peer that
/// sends pings and reads no answer would fill the memory with small ones.
const ENTRY_LEN: usize = size_of::<Waiting>();

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed(pub(super) &'static str);

/// Notes on the list of connections with work that its connection has some.
struct Bell {
    id: ConnectionId,
    is_rung: AtomicBool,
    list: Mail<ConnectionId>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_rung.swap(true, Ordering::AcqRel) {
            // The list has room for all connections, each of which is on it once.
            let _ = self.list.send(Class::Internal, self.id);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Connecting,
    Open,
    /// Its last message is queued, nothing more is read as SIP.
    Ending {
        /// Whether the other end was told that nothing more comes.
        is_shut: bool,
    },
}

/// A message, or what is left of it, that waits to be written.
#[derive(Debug)]
struct Waiting {
    bytes: Bytes,
    /// `None` for an answer to a keep-alive.
    kind: Option<Kind>,
    sender: Option<Sender>,
}

/// What a turn has read.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// Reads that gave something.
    pub(super) work: usize,
    /// Why nothing behind the last message can be read.
    pub(super) fault: Option<FramingError>,
}

/// One connection.
pub(super) struct Stream {
    socket: TcpStream,
    pub(super) flow: Flow,
    state: State,
    /// When the state was entered.
    since: Instant,
    framer: Framer,
    backlog: VecDeque<Waiting>,
    backlog_len: usize,
    /// When bytes last went either way.
    used: Instant,
    message_since: Option<Instant>,
    stalled_since: Option<Instant>,
    bell: Arc<Bell>,
    waker: Waker,
}

impl Stream {
    pub(super) fn new(
        socket: TcpStream,
        flow: Flow,
        is_connected: bool,
        list: Mail<ConnectionId>,
        now: Instant,
    ) -> Self {
        let _ = socket.set_nodelay(true);
        let bell = Arc::new(Bell { id: flow.connection, is_rung: AtomicBool::new(false), list });
        Self {
            socket,
            flow,
            state: if is_connected { State::Open } else { State::Connecting },
            since: now,
            framer: Framer::default(),
            backlog: VecDeque::new(),
            backlog_len: 0,
            used: now,
            message_since: None,
            stalled_since: None,
            waker: Waker::from(Arc::clone(&bell)),
            bell,
        }
    }

    /// Queues a message; `false` when too much waits.
    pub(super) fn send(&mut self, bytes: Bytes, sender: Option<Sender>) -> bool {
        let kind = Some(Kind::peek(&bytes));
        self.queue(Waiting { bytes, kind, sender })
    }

    fn queue(&mut self, waiting: Waiting) -> bool {
        let len = waiting.bytes.len() + ENTRY_LEN;
        let is_room = self.backlog_len + len <= CONNECTION_BACKLOG_LEN_MAX;
        if is_room {
            self.backlog_len += len;
            self.backlog.push_back(waiting);
        }
        is_room
    }

    /// Reads no more; the connection closes when what waits is written and the other
    /// end has had time to read it.
    pub(super) fn end(&mut self, now: Instant) {
        self.state = State::Ending { is_shut: false };
        self.since = now;
    }

    /// Whether it is to be set up or open, so that messages may go by it.
    pub(super) fn is_usable(&self) -> bool {
        !matches!(self.state, State::Ending { .. })
    }

    /// Senders of what waits, one entry for each message.
    pub(super) fn unsent(&self) -> impl Iterator<Item = Option<Sender>> {
        self.backlog.iter().filter(|waiting| waiting.kind.is_some()).map(|waiting| waiting.sender)
    }

    /// Writes what the socket takes, and counts the messages that have left.
    pub(super) fn flush(&mut self, now: Instant, families: &Families) -> Result<usize, Closed> {
        if self.state == State::Connecting && !self.has_connected(now)? {
            return Ok(0);
        }
        let mut work = 0;
        while let Some(waiting) = self.backlog.front_mut() {
            match self.socket.try_write(&waiting.bytes) {
                Ok(written) => {
                    work += 1;
                    self.used = now;
                    self.stalled_since = None;
                    self.backlog_len -= written;
                    waiting.bytes.advance(written);
                    if !waiting.bytes.is_empty() {
                        continue;
                    }
                    if let Some(kind) = waiting.kind {
                        kind.count(families, Direction::Out, Protocol::Tcp);
                    }
                    self.backlog_len -= ENTRY_LEN;
                    self.backlog.pop_front();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return Err(Closed("write failed")),
            }
        }
        if !self.backlog.is_empty() {
            self.stalled_since.get_or_insert(now);
            return Ok(work);
        }
        self.backlog.shrink_to(BACKLOG_CAPACITY_KEPT);
        if self.state == (State::Ending { is_shut: false }) {
            // A socket that is closed with unread bytes in it throws away what the other
            // end has not read yet: so only this direction is closed, and reading goes on.
            let _ = socket2::SockRef::from(&self.socket).shutdown(Shutdown::Write);
            self.state = State::Ending { is_shut: true };
        }
        Ok(work)
    }

    fn has_connected(&mut self, now: Instant) -> Result<bool, Closed> {
        match self.socket.take_error() {
            Ok(None) => {}
            Ok(Some(_)) | Err(_) => return Err(Closed("cannot connect")),
        }
        if self.socket.peer_addr().is_err() {
            // Woken before the end: what the reactor noted is wrong and must not be
            // found again at once.
            let _ = self.socket.try_io(Interest::WRITABLE, || -> std::io::Result<()> {
                Err(ErrorKind::WouldBlock.into())
            });
            return Ok(false);
        }
        self.state = State::Open;
        self.since = now;
        self.used = now;
        Ok(true)
    }

    /// Reads what the socket has and gives out whole messages.
    pub(super) fn read(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
        messages: &mut Vec<Vec<u8>>,
    ) -> Result<Read, Closed> {
        let mut read = Read::default();
        if self.state == State::Connecting {
            return Ok(read);
        }
        while read.work < READS_PER_TURN && read.fault.is_none() {
            match self.socket.try_read(buffer) {
                Ok(0) => return Err(Closed("closed by the other end")),
                Ok(length) => {
                    read.work += 1;
                    self.used = now;
                    if self.is_usable() {
                        self.framer.push(&buffer[..length]);
                        read.fault = self.take_frames(now, messages).err();
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return Err(Closed("read failed")),
            }
        }
        Ok(read)
    }

    fn take_frames(
        &mut self,
        now: Instant,
        messages: &mut Vec<Vec<u8>>,
    ) -> Result<(), FramingError> {
        while let Some(frame) = self.framer.next() {
            match frame? {
                Frame::Message(bytes) => {
                    self.message_since = None;
                    messages.push(bytes);
                }
                Frame::Ping => {
                    let bytes = Bytes::from_static(b"\r\n");
                    self.queue(Waiting { bytes, kind: None, sender: None });
                }
            }
        }
        self.framer.give_room_back();
        if self.framer.is_inside_message() {
            self.message_since.get_or_insert(now);
        } else {
            self.message_since = None;
        }
        Ok(())
    }

    /// When its time is up if nothing happens, and why then.
    pub(super) fn deadline(&self) -> (Instant, Closed) {
        let state = match self.state {
            State::Connecting => (self.since + CONNECT_TIME, Closed("connect timed out")),
            State::Ending { .. } => (self.since + STREAM_LINGER_TIME, Closed("answered")),
            State::Open => (self.used + STREAM_IDLE_TIME, Closed("idle")),
        };
        let message = self
            .message_since
            .map(|since| (since + STREAM_MESSAGE_TIME, Closed("a message did not arrive in full")));
        let write = self
            .stalled_since
            .map(|since| (since + STREAM_WRITE_TIME, Closed("the other end reads nothing")));
        [message, write]
            .into_iter()
            .flatten()
            .fold(state, |first, other| if other.0 < first.0 { other } else { first })
    }

    /// Its entry on the list of connections with work was taken off.
    pub(super) fn taken_off_the_list(&self) {
        self.bell.is_rung.store(false, Ordering::Release);
    }

    /// Has it put on the list of connections with work.
    pub(super) fn ring(&self) {
        self.waker.wake_by_ref();
    }

    /// Has the reactor put it on the list as soon as there is something to read, or
    /// room for what waits; at once if there is already.
    pub(super) fn watch(&self) {
        let mut context = Context::from_waker(&self.waker);
        let is_connecting = self.state == State::Connecting;
        let readable = !is_connecting && self.socket.poll_read_ready(&mut context).is_ready();
        let writable = (is_connecting || !self.backlog.is_empty())
            && self.socket.poll_write_ready(&mut context).is_ready();
        if readable || writable {
            self.ring();
        }
    }
}
