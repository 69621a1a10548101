//! One TCP connection.

use crate::base::flow::{Flow, Sender};
use crate::base::limits::{
    CONNECT_TIME, CONNECTION_BACKLOG_LEN_MAX, STREAM_IDLE_TIME, STREAM_MESSAGE_TIME,
};
use crate::base::time::Instant;
use crate::sip::framing::{Frame, Framer};
use bytes::{Buf, Bytes};
use core::task::{Context, Poll};
use std::collections::VecDeque;
use std::io::ErrorKind;
use tokio::net::TcpStream;

/// Bytes that one read takes.
const READ_LEN: usize = 16 * 1024;
/// Reads of one connection in one turn.
const READS_PER_TURN: usize = 8;

/// One connection.
#[derive(Debug)]
pub(super) struct Stream {
    socket: TcpStream,
    pub(super) flow: Flow,
    framer: Framer,
    backlog: VecDeque<(Bytes, Option<Sender>)>,
    backlog_len: usize,
    connected: bool,
    opened: Instant,
    used: Instant,
    message_since: Option<Instant>,
}

/// Why a connection ends.
#[derive(Debug)]
pub(super) struct Closed(pub(super) &'static str);

impl Stream {
    pub(super) fn new(socket: TcpStream, flow: Flow, connected: bool, now: Instant) -> Self {
        let _ = socket.set_nodelay(true);
        Self {
            socket,
            flow,
            framer: Framer::default(),
            backlog: VecDeque::new(),
            backlog_len: 0,
            connected,
            opened: now,
            used: now,
            message_since: None,
        }
    }

    /// Queues a message; `false` when too much waits.
    pub(super) fn send(&mut self, bytes: Bytes, sender: Option<Sender>, now: Instant) -> bool {
        if self.backlog_len + bytes.len() > CONNECTION_BACKLOG_LEN_MAX {
            return false;
        }
        self.used = now;
        self.backlog_len += bytes.len();
        self.backlog.push_back((bytes, sender));
        true
    }

    /// Senders whose messages have not left.
    pub(super) fn unsent(&self) -> impl Iterator<Item = Sender> {
        self.backlog.iter().filter_map(|(_, sender)| *sender)
    }

    /// Writes what the socket takes.
    pub(super) fn flush(&mut self) -> Result<usize, Closed> {
        if !self.connected {
            match self.socket.take_error() {
                Ok(None) => {}
                Ok(Some(_)) | Err(_) => return Err(Closed("cannot connect")),
            }
            if self.socket.peer_addr().is_err() {
                return Ok(0);
            }
            self.connected = true;
        }
        let mut work = 0;
        while let Some((bytes, _)) = self.backlog.front_mut() {
            match self.socket.try_write(bytes) {
                Ok(written) => {
                    work += 1;
                    self.backlog_len -= written;
                    bytes.advance(written);
                    if bytes.is_empty() {
                        self.backlog.pop_front();
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return Err(Closed("write failed")),
            }
        }
        Ok(work)
    }

    /// Reads what the socket has and gives out whole messages.
    pub(super) fn read(
        &mut self,
        now: Instant,
        messages: &mut Vec<Vec<u8>>,
    ) -> Result<usize, Closed> {
        if !self.connected {
            return Ok(0);
        }
        let mut work = 0;
        let mut buffer = [0; READ_LEN];
        for _ in 0..READS_PER_TURN {
            match self.socket.try_read(&mut buffer) {
                Ok(0) => return Err(Closed("closed by the other end")),
                Ok(length) => {
                    work += 1;
                    self.used = now;
                    self.framer.push(&buffer[..length]);
                    self.take_frames(now, messages)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return Err(Closed("read failed")),
            }
        }
        Ok(work)
    }

    fn take_frames(&mut self, now: Instant, messages: &mut Vec<Vec<u8>>) -> Result<(), Closed> {
        loop {
            match self.framer.next() {
                Some(Ok(Frame::Message(bytes))) => {
                    self.message_since = None;
                    messages.push(bytes);
                }
                Some(Ok(Frame::Ping)) => {
                    self.send(Bytes::from_static(b"\r\n"), None, now);
                }
                None => break,
                Some(Err(_)) => return Err(Closed("cannot be followed")),
            }
        }
        if self.framer.is_inside_message() {
            self.message_since.get_or_insert(now);
        } else {
            self.message_since = None;
        }
        Ok(())
    }

    /// Whether its time is up.
    pub(super) fn expired(&self, now: Instant) -> Option<&'static str> {
        if !self.connected && now.since(self.opened) >= CONNECT_TIME {
            return Some("connect timed out");
        }
        if self.message_since.is_some_and(|since| now.since(since) >= STREAM_MESSAGE_TIME) {
            return Some("a message did not arrive in full");
        }
        (now.since(self.used) >= STREAM_IDLE_TIME).then_some("idle")
    }

    /// Whether there is something to read, or room for what waits.
    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        let readable = self.connected && self.socket.poll_read_ready(context).is_ready();
        let writable = (!self.connected || !self.backlog.is_empty())
            && self.socket.poll_write_ready(context).is_ready();
        if readable || writable { Poll::Ready(()) } else { Poll::Pending }
    }
}
