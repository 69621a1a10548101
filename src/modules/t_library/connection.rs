//! One client's connection: frames in, frames out.

use super::port::{ClientId, REFUSED};
use crate::base::frames::FrameReader;
use crate::base::limits::{
    CLIENT_BACKLOG_LEN_MAX, CONNECT_TIME, STREAM_LINGER_TIME, STREAM_MESSAGE_TIME,
};
use crate::base::time::Instant;
use crate::runtime::mailbox::{Class, Mail};
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

pub(super) struct Connection {
    socket: TcpStream,
    /// Since when it is being made, from here.
    dialling_since: Option<Instant>,
    reader: FrameReader,
    frame_since: Option<Instant>,
    backlog: VecDeque<Bytes>,
    backlog_len: usize,
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
            dialling_since: None,
            reader: FrameReader::new(),
            frame_since: None,
            backlog: VecDeque::new(),
            backlog_len: 0,
            ending_since: None,
            is_shut: false,
            is_dirty: false,
            pressed_at: Instant::NEVER,
            bell,
            waker,
        }
    }

    /// One that is being made.
    pub(super) fn dialling(mut self, now: Instant) -> Self {
        self.dialling_since = Some(now);
        self
    }

    pub(super) const fn is_dialling(&self) -> bool {
        self.dialling_since.is_some()
    }

    /// Whether it has been made by now: the peer's address when it has.
    pub(super) fn dialled(&mut self) -> Result<Option<SocketAddr>, Closed> {
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
        self.backlog_len
    }

    /// Writes what the socket takes.
    pub(super) fn flush(&mut self) -> Result<(), Closed> {
        if self.is_dialling() {
            return Ok(());
        }
        while !self.backlog.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
            let count = self.backlog.len().min(SLICES_PER_WRITE);
            for (slice, frame) in slices.iter_mut().zip(&self.backlog) {
                *slice = IoSlice::new(frame);
            }
            match self.socket.try_write_vectored(&slices[..count]) {
                Ok(written) => self.written(written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(Closed("write failed")),
            }
        }
        if self.ending_since.is_some() && !self.is_shut {
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
            match self.socket.try_read(buffer) {
                Ok(0) => return Err(Closed("closed by the client")),
                Ok(_) if self.ending_since.is_some() => {}
                Ok(length) => {
                    self.reader.push(&buffer[..length]);
                    self.take_frames(now, frames)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(_) => return Err(Closed("read failed")),
            }
        }
        Ok(true)
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

    /// When it is to be closed if nothing happens, and why then.
    pub(super) fn deadline(&self) -> Option<(Instant, Closed)> {
        let ending = self.ending_since.map(|since| (since + STREAM_LINGER_TIME, Closed("ended")));
        let late = self
            .frame_since
            .map(|since| (since + STREAM_MESSAGE_TIME, Closed("a frame did not arrive in full")));
        let unreached =
            self.dialling_since.map(|since| (since + CONNECT_TIME, Closed("it does not answer")));
        ending.into_iter().chain(late).chain(unreached).min_by_key(|(at, _)| *at)
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
        let wants_room = self.is_dialling() || !self.backlog.is_empty();
        let writable = wants_room && self.socket.poll_write_ready(&mut context).is_ready();
        if readable || writable {
            self.ring();
        }
    }
}
