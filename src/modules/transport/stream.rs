//! One connection: being set up, open, or ending.

use super::core::Kind;
use super::layer::Layer;
use crate::base::flow::{ConnectionId, Flow, Protocol, Sender};
use crate::base::limits::{
    CONNECT_TIME, CONNECTION_BACKLOG_LEN_MAX, FIRST_MESSAGE_TIME, FLOW_IDLE_TIME,
    FLOW_PROBE_INTERVAL, FLOW_PROBE_TIME, FLOW_PROBES, STREAM_IDLE_TIME, STREAM_LINGER_TIME,
    STREAM_MESSAGE_TIME, STREAM_WRITE_TIME, TLS_HANDSHAKE_TIME,
};
use crate::base::time::Instant;
use crate::observe::families::{Direction, Families};
use crate::runtime::mailbox::{Class, Mail};
use crate::sip::framing::{Frame, Framer, FramingError};
use crate::sip::web_socket::{Given, Session};
use bytes::{Buf, Bytes};
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Waker};
use socket2::{SockRef, TcpKeepalive};
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

/// Why nothing behind the last message can be read.
#[derive(Debug)]
pub(super) enum Fault {
    /// The stream can be followed no further.
    Framing(FramingError),
    /// A `WebSocket` is over; what is to be said of it waits to be written.
    WebSocket(crate::sip::web_socket::Ended),
}

/// What a turn has read.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// Reads that gave something.
    pub(super) work: usize,
    /// Why nothing behind the last message can be read.
    pub(super) fault: Option<Fault>,
}

/// How messages are told apart.
enum Framing {
    /// By their length (RFC 3261 18.3).
    Stream(Framer),
    /// Each is one of a `WebSocket` (RFC 7118).
    WebSocket(Box<Session>),
}

/// One connection.
pub(super) struct Stream {
    socket: TcpStream,
    layer: Layer,
    pub(super) flow: Flow,
    state: State,
    /// When the state was entered.
    since: Instant,
    framing: Framing,
    backlog: VecDeque<Waiting>,
    backlog_len: usize,
    /// Senders of messages that TLS has taken since it last had written all.
    handed: Vec<Option<Sender>>,
    /// Whether a turn has left something that the socket has given.
    may_have_more: bool,
    /// When bytes last went either way.
    used: Instant,
    message_since: Option<Instant>,
    stalled_since: Option<Instant>,
    /// Whether a message has come.
    has_heard: bool,
    bell: Arc<Bell>,
    waker: Waker,
}

impl Stream {
    pub(super) fn new(
        socket: TcpStream,
        layer: Layer,
        flow: Flow,
        is_connected: bool,
        list: Mail<ConnectionId>,
        now: Instant,
    ) -> Self {
        let _ = socket.set_nodelay(true);
        if is_way_to_phone(flow.protocol) {
            // Nobody else says that a phone which has nothing to say is still there.
            let keep = TcpKeepalive::new().with_time(FLOW_PROBE_TIME);
            let keep = keep.with_interval(FLOW_PROBE_INTERVAL).with_retries(FLOW_PROBES);
            let _ = SockRef::from(&socket).set_tcp_keepalive(&keep);
        }
        let bell = Arc::new(Bell { id: flow.connection, is_rung: AtomicBool::new(false), list });
        Self {
            socket,
            layer,
            flow,
            state: if is_connected { State::Open } else { State::Connecting },
            since: now,
            framing: if flow.protocol.is_web_socket() {
                Framing::WebSocket(Box::default())
            } else {
                Framing::Stream(Framer::default())
            },
            backlog: VecDeque::new(),
            backlog_len: 0,
            handed: Vec::new(),
            may_have_more: false,
            used: now,
            message_since: None,
            stalled_since: None,
            has_heard: false,
            waker: Waker::from(Arc::clone(&bell)),
            bell,
        }
    }

    /// Queues a message; `false` when too much waits.
    pub(super) fn send(&mut self, bytes: Bytes, sender: Option<Sender>) -> bool {
        let kind = Some(Kind::peek(&bytes));
        let bytes = match &mut self.framing {
            Framing::Stream(_) => Some(bytes),
            Framing::WebSocket(session) => session.wrap(&bytes),
        };
        bytes.is_some_and(|bytes| self.queue(Waiting { bytes, kind, sender }))
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
        if let Framing::WebSocket(session) = &mut self.framing
            && let Some(bytes) = session.close()
        {
            self.queue(Waiting { bytes, kind: None, sender: None });
        }
        self.state = State::Ending { is_shut: false };
        self.since = now;
    }

    /// Whether it is to be set up or open, so that messages may go by it.
    pub(super) fn is_usable(&self) -> bool {
        !matches!(self.state, State::Ending { .. })
    }

    /// Senders of what waits, one entry for each message.
    pub(super) fn unsent(&self) -> impl Iterator<Item = Option<Sender>> {
        let waiting = self.backlog.iter().filter(|waiting| waiting.kind.is_some());
        self.handed.iter().copied().chain(waiting.map(|waiting| waiting.sender))
    }

    /// Writes what the socket takes, and counts the messages that have left.
    pub(super) fn flush(&mut self, now: Instant, families: &Families) -> Result<usize, Closed> {
        if self.state == State::Connecting && !self.has_connected(now)? {
            return Ok(0);
        }
        let mut work = 0;
        loop {
            if !self.layer.flush(&self.socket).map_err(|_| Closed("write failed"))? {
                break;
            }
            self.handed.clear();
            let Some(waiting) = self.backlog.front_mut().filter(|_| self.layer.is_secured()) else {
                break;
            };
            match self.layer.write(&self.socket, &waiting.bytes) {
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
                        kind.count(families, Direction::Out, self.flow.protocol);
                        if self.layer.keeps_bytes() {
                            self.handed.push(waiting.sender);
                        }
                    }
                    self.backlog_len -= ENTRY_LEN;
                    self.backlog.pop_front();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return Err(Closed("write failed")),
            }
        }
        if !self.layer.is_secured() {
            // The time for that is another.
            return Ok(work);
        }
        if !self.backlog.is_empty() || self.layer.wants_write() {
            self.stalled_since.get_or_insert(now);
            return Ok(work);
        }
        self.stalled_since = None;
        self.backlog.shrink_to(BACKLOG_CAPACITY_KEPT);
        if self.state == (State::Ending { is_shut: false }) {
            self.layer.end(&self.socket);
            // A socket that is closed with unread bytes in it throws away what the other
            // end has not read yet: so only this direction is closed, and reading goes on.
            let _ = SockRef::from(&self.socket).shutdown(Shutdown::Write);
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
        self.may_have_more = self.layer.keeps_bytes();
        while read.work < READS_PER_TURN && read.fault.is_none() {
            match self.layer.read(&self.socket, buffer) {
                Ok(0) => return Err(Closed("closed by the other end")),
                Ok(length) => {
                    read.work += 1;
                    self.used = now;
                    if self.is_usable() {
                        read.fault = self.take_frames(&buffer[..length], now, messages).err();
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.may_have_more = false;
                    break;
                }
                Err(error) => return Err(self.failed(&error)),
            }
        }
        Ok(read)
    }

    fn failed(&mut self, error: &std::io::Error) -> Closed {
        if self.layer.is_secured() {
            return Closed("read failed");
        }
        // The alert tells the other end why.
        let _ = self.layer.flush(&self.socket);
        tracing::debug!(flow = %self.flow, %error, "no TLS came about");
        Closed("no TLS came about")
    }

    fn take_frames(
        &mut self,
        read: &[u8],
        now: Instant,
        messages: &mut Vec<Vec<u8>>,
    ) -> Result<(), Fault> {
        let before = messages.len();
        let mut replies = Vec::new();
        let (result, is_inside) = match &mut self.framing {
            Framing::Stream(framer) => {
                framer.push(read);
                let mut pings = 0;
                let result = take_messages(framer, messages, &mut pings);
                framer.give_room_back();
                replies.resize(pings, Bytes::from_static(b"\r\n"));
                (result.map_err(Fault::Framing), framer.is_inside_message())
            }
            Framing::WebSocket(session) => {
                let mut given = Vec::new();
                let result = session.push(read, &mut given).map_err(Fault::WebSocket);
                for given in given {
                    match given {
                        Given::Message(bytes) => messages.push(bytes),
                        Given::Reply(bytes) => replies.push(bytes),
                    }
                }
                (result, session.is_inside_message())
            }
        };
        for bytes in replies {
            self.queue(Waiting { bytes, kind: None, sender: None });
        }
        self.has_heard |= messages.len() > before;
        if messages.len() > before || !is_inside {
            self.message_since = None;
        }
        if is_inside {
            self.message_since.get_or_insert(now);
        }
        result
    }

    /// Whether bytes of messages can pass.
    pub(super) fn is_secured(&self) -> bool {
        self.layer.is_secured()
    }

    /// Whether both ends have agreed on how messages pass.
    fn is_agreed(&self) -> bool {
        let is_opening = match &self.framing {
            Framing::Stream(_) => false,
            Framing::WebSocket(session) => session.is_opening(),
        };
        !is_opening && self.layer.is_secured()
    }

    /// When its time is up if nothing happens, and why then.
    pub(super) fn deadline(&self) -> (Instant, Closed) {
        let state = match self.state {
            State::Connecting => (self.since + CONNECT_TIME, Closed("connect timed out")),
            State::Ending { .. } => (self.since + STREAM_LINGER_TIME, Closed("answered")),
            State::Open if !self.is_agreed() => {
                (self.since + TLS_HANDSHAKE_TIME, Closed("no TLS or WebSocket came about"))
            }
            State::Open if is_way_to_phone(self.flow.protocol) => {
                if self.has_heard {
                    (self.used + FLOW_IDLE_TIME, Closed("idle"))
                } else {
                    (self.since + FIRST_MESSAGE_TIME, Closed("it says nothing"))
                }
            }
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
        let waits = !self.backlog.is_empty() && self.layer.is_secured();
        let writable = (is_connecting || waits || self.layer.wants_write())
            && self.socket.poll_write_ready(&mut context).is_ready();
        if readable || writable || self.may_have_more {
            self.ring();
        }
    }
}

fn take_messages(
    framer: &mut Framer,
    messages: &mut Vec<Vec<u8>>,
    pings: &mut usize,
) -> Result<(), FramingError> {
    for frame in framer.by_ref() {
        match frame? {
            Frame::Message(bytes) => messages.push(bytes),
            Frame::Ping => *pings += 1,
        }
    }
    Ok(())
}

/// Whether phones that come by it are reached by the connection that they have made, and by
/// nothing else.
pub(super) const fn is_way_to_phone(protocol: Protocol) -> bool {
    match protocol {
        Protocol::Udp | Protocol::Tcp => false,
        Protocol::Tls | Protocol::Ws | Protocol::Wss => true,
    }
}
