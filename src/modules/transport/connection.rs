//! One stream connection: connecting, open, or closing after a fault.
//!
//! A closing connection writes what it owes, ends its direction, and reads what the
//! other end still sends to nowhere, so that its last answer is not lost to a reset.

use super::core::{Core, Parcel, SendError};
use crate::base::flow::{ConnectionId, Flow, Protocol};
use crate::base::limits::{
    CONNECT_TIME, CONNECTION_BACKLOG_LEN_MAX, STREAM_IDLE_TIME, STREAM_MESSAGE_TIME,
};
use crate::base::time::Instant;
use crate::runtime::mailbox::{Class, Mail};
use crate::sip::framing::{Frame, Framer};
use bytes::Bytes;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::Wake;
use tokio::net::TcpStream;

/// Reads of one connection in one turn.
const READS_PER_TURN: usize = 4;
/// Messages that one system call writes.
const SLICES_PER_WRITE: usize = 16;

/// A connection being set up.
pub(super) type Connecting = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

enum Stream {
    Connecting(Connecting),
    Open(TcpStream),
}

/// Puts the connection on the list of those that have something to do, once.
struct Signal {
    id: ConnectionId,
    is_listed: AtomicBool,
    ready: Mail<ConnectionId>,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        Self::wake_by_ref(&self);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_listed.swap(true, Ordering::AcqRel)
            && self.ready.send(Class::Internal, self.id).is_err()
        {
            self.is_listed.store(false, Ordering::Release);
        }
    }
}

pub(super) struct Connection {
    flow: Flow,
    stream: Stream,
    framer: Framer,
    queue: VecDeque<Parcel>,
    /// Bytes in the queue.
    queued_len: usize,
    /// Bytes of its first parcel that are written.
    written_len: usize,
    is_closing: bool,
    is_shut: bool,
    signal: Arc<Signal>,
    waker: Waker,
    used_at: Instant,
    /// By when the connection must stand, the started message be complete, or the
    /// closing be over.
    hurry: Instant,
    /// When the wheel calls for this connection next.
    pub(super) armed: Instant,
}

impl Connection {
    fn new(flow: Flow, stream: Stream, ready: Mail<ConnectionId>, now: Instant) -> Self {
        let signal =
            Arc::new(Signal { id: flow.connection, is_listed: AtomicBool::new(false), ready });
        let connection = Self {
            flow,
            stream,
            framer: Framer::new(),
            queue: VecDeque::new(),
            queued_len: 0,
            written_len: 0,
            is_closing: false,
            is_shut: false,
            waker: Waker::from(Arc::clone(&signal)),
            signal,
            used_at: now,
            hurry: Instant::NEVER,
            armed: Instant::NEVER,
        };
        connection.waker.wake_by_ref();
        connection
    }

    pub(super) fn accepted(
        flow: Flow,
        stream: TcpStream,
        ready: Mail<ConnectionId>,
        now: Instant,
    ) -> Self {
        Self::new(flow, Stream::Open(stream), ready, now)
    }

    pub(super) fn connecting(
        flow: Flow,
        connecting: Connecting,
        ready: Mail<ConnectionId>,
        now: Instant,
    ) -> Self {
        let hurry = now + CONNECT_TIME;
        Self { hurry, ..Self::new(flow, Stream::Connecting(connecting), ready, now) }
    }

    pub(super) fn flow(&self) -> &Flow {
        &self.flow
    }

    pub(super) fn is_connecting(&self) -> bool {
        matches!(self.stream, Stream::Connecting(_))
    }

    /// Whether it takes new messages.
    pub(super) fn is_usable(&self) -> bool {
        !self.is_closing
    }

    /// When it has to be closed if nothing happens.
    pub(super) fn deadline(&self) -> Instant {
        self.hurry.min(self.used_at + STREAM_IDLE_TIME)
    }

    /// Puts a message behind those that wait; gives it back when too much does.
    pub(super) fn push(&mut self, parcel: Parcel) -> Result<(), Parcel> {
        if self.queued_len + parcel.bytes.len() > CONNECTION_BACKLOG_LEN_MAX {
            return Err(parcel);
        }
        self.queued_len += parcel.bytes.len();
        self.queue.push_back(parcel);
        self.waker.wake_by_ref();
        Ok(())
    }

    /// What was never written in full.
    pub(super) fn into_unsent(self) -> VecDeque<Parcel> {
        self.queue
    }

    /// Does what can be done without waiting.
    ///
    /// # Errors
    /// When the connection is over; the reason is for those whose messages wait.
    pub(super) fn serve(
        &mut self,
        scratch: &mut [u8],
        now: Instant,
        core: &mut Core,
    ) -> Result<(), SendError> {
        self.signal.is_listed.store(false, Ordering::Release);
        if !self.finish_connecting(now)? {
            return Ok(());
        }
        let read = self.read(scratch, now, core);
        self.write(now, core)?;
        read?;
        if self.is_closing && self.queue.is_empty() {
            self.shut();
        }
        self.watch();
        Ok(())
    }

    /// Whether it is open.
    fn finish_connecting(&mut self, now: Instant) -> Result<bool, SendError> {
        let Stream::Connecting(connecting) = &mut self.stream else { return Ok(true) };
        match connecting.as_mut().poll(&mut Context::from_waker(&self.waker)) {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(stream)) => {
                self.stream = Stream::Open(stream);
                self.hurry = Instant::NEVER;
                self.used_at = now;
                Ok(true)
            }
            Poll::Ready(Err(error)) => {
                tracing::debug!(flow = %self.flow, %error, "no connection");
                Err(SendError::of(&error))
            }
        }
    }

    fn read(&mut self, scratch: &mut [u8], now: Instant, core: &mut Core) -> Result<(), SendError> {
        for _ in 0..READS_PER_TURN {
            let Stream::Open(stream) = &self.stream else { return Ok(()) };
            match stream.try_read(scratch) {
                Ok(0) => return Err(SendError::Closed),
                Ok(_) if self.is_closing => {}
                Ok(len) => {
                    core.counters.bytes_in.add(len as u64);
                    self.used_at = now;
                    self.framer.push(&scratch[..len]);
                    self.take_frames(now, core);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(SendError::of(&error)),
            }
        }
        Ok(())
    }

    fn take_frames(&mut self, now: Instant, core: &mut Core) {
        let mut is_new_message = self.hurry == Instant::NEVER;
        while let Some(frame) = self.framer.next() {
            is_new_message = true;
            match frame {
                Ok(Frame::Message(bytes)) => {
                    if core.receive(self.flow, bytes).is_err() {
                        self.is_closing = true;
                        break;
                    }
                }
                Ok(Frame::Ping) => self.push_own(Bytes::from_static(b"\r\n")),
                Err(error) => {
                    if let Some(answer) = core.on_framing_error(&self.flow, error) {
                        core.note_outgoing(Protocol::Tcp, self.flow.remote, &answer.bytes);
                        self.push_own(answer.bytes);
                    }
                    self.is_closing = true;
                }
            }
        }
        if self.is_closing {
            self.hurry = now + STREAM_MESSAGE_TIME;
        } else if !self.framer.is_inside_message() {
            self.hurry = Instant::NEVER;
        } else if is_new_message {
            self.hurry = now + STREAM_MESSAGE_TIME;
        }
    }

    /// What the transport itself says is left out when too much waits already.
    fn push_own(&mut self, bytes: Bytes) {
        let _ = self.push(Parcel { bytes, sender: None });
    }

    fn write(&mut self, now: Instant, core: &Core) -> Result<(), SendError> {
        let Stream::Open(stream) = &self.stream else { return Ok(()) };
        while !self.queue.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
            let mut skipped = self.written_len;
            for (slice, parcel) in slices.iter_mut().zip(&self.queue) {
                *slice = IoSlice::new(parcel.bytes.get(skipped..).unwrap_or_default());
                skipped = 0;
            }
            match stream.try_write_vectored(&slices) {
                Ok(0) => return Err(SendError::Closed),
                Ok(len) => {
                    core.counters.bytes_out.add(len as u64);
                    self.used_at = now;
                    self.written_len += len;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(SendError::of(&error)),
            }
            while let Some(first) = self.queue.front()
                && self.written_len >= first.bytes.len()
            {
                self.written_len -= first.bytes.len();
                self.queued_len -= first.bytes.len();
                self.queue.pop_front();
            }
        }
        Ok(())
    }

    fn shut(&mut self) {
        let Stream::Open(stream) = &self.stream else { return };
        if !self.is_shut {
            self.is_shut = true;
            // One that is closed at the other end needs no end from us.
            let _ = socket2::SockRef::from(stream).shutdown(std::net::Shutdown::Write);
        }
    }

    /// Asks to be listed again as soon as there is more to do.
    fn watch(&self) {
        let Stream::Open(stream) = &self.stream else { return };
        let mut cx = Context::from_waker(&self.waker);
        let can_read = stream.poll_read_ready(&mut cx).is_ready();
        let can_write = !self.queue.is_empty() && stream.poll_write_ready(&mut cx).is_ready();
        if can_read || can_write {
            self.waker.wake_by_ref();
        }
    }
}
