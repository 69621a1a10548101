//! The connections of one transport: found by id and by remote address, with a list
//! of those that have work and an order of those whose time will be up. A turn
//! looks at these two only, however many connections are idle.

use super::layer::Layer;
use super::stream::{Closed, Fault, Read, Stream};
use crate::base::flow::{ConnectionId, Flow, Protocol, Sender};
use crate::base::limits::{CONNECTIONS_MAX, TURN_BATCH_LEN};
use crate::base::time::Instant;
use crate::observe::families::Families;
use crate::runtime::mailbox::{Inbox as Mailbox, Mail, mailbox};
use crate::runtime::waker::ThreadWaker;
use bytes::Bytes;
use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tokio::net::TcpStream;

/// What one connection had in one turn.
#[derive(Debug)]
pub(super) struct Turned {
    /// By which its messages came.
    pub(super) flow: Flow,
    /// What was done.
    pub(super) work: usize,
    /// Why nothing more can be read from it.
    pub(super) fault: Option<Fault>,
    /// Why it is to be closed.
    pub(super) closed: Option<Closed>,
}

struct Entry {
    stream: Stream,
    /// Its place in the order of deadlines; its own deadline may be later.
    looked_at: Instant,
}

/// The connections of one transport.
pub(super) struct Connections {
    entries: BTreeMap<ConnectionId, Entry>,
    by_remote: HashMap<(Protocol, SocketAddr), ConnectionId>,
    next: u64,
    list: Mail<ConnectionId>,
    listed: Mailbox<ConnectionId>,
    taken: Vec<ConnectionId>,
    deadlines: BTreeSet<(Instant, ConnectionId)>,
}

impl Connections {
    /// No connections.
    pub(super) fn new() -> Self {
        // Twice as many as there are at a time: an entry outlives its connection until
        // the next turns.
        let (list, listed) = mailbox("connections with work", 2 * CONNECTIONS_MAX);
        Self {
            entries: BTreeMap::new(),
            by_remote: HashMap::new(),
            next: 1,
            list,
            listed,
            taken: Vec::new(),
            deadlines: BTreeSet::new(),
        }
    }

    /// Whom a connection that gets work wakes.
    pub(super) fn set_waker(&self, waker: Arc<ThreadWaker>) {
        self.listed.set_waker(waker);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is that connection and messages may go by it.
    pub(super) fn is_usable(&self, id: ConnectionId) -> bool {
        self.entries.get(&id).is_some_and(|entry| entry.stream.is_usable())
    }

    /// A connection with that other end, by which that is spoken.
    pub(super) fn find(&self, protocol: Protocol, remote: SocketAddr) -> Option<ConnectionId> {
        self.by_remote.get(&(protocol, remote)).copied()
    }

    /// Takes a connection in; the newest with an address is the one that is found.
    pub(super) fn add(
        &mut self,
        socket: TcpStream,
        layer: Layer,
        (protocol, local, remote): (Protocol, SocketAddr, SocketAddr),
        is_connected: bool,
        now: Instant,
    ) -> ConnectionId {
        let id = ConnectionId(self.next);
        self.next += 1;
        let flow = Flow { protocol, local, remote, connection: id };
        let stream = Stream::new(socket, layer, flow, is_connected, self.list.clone(), now);
        // The first turn reads what came with the connection and sets the watch.
        stream.ring();
        let looked_at = stream.deadline().0;
        self.deadlines.insert((looked_at, id));
        self.entries.insert(id, Entry { stream, looked_at });
        self.by_remote.insert((protocol, remote), id);
        id
    }

    /// Whether both ends have not agreed on a key yet.
    pub(super) fn is_in_handshake(&self, id: ConnectionId) -> bool {
        self.entries.get(&id).is_some_and(|entry| !entry.stream.is_secured())
    }

    /// Leaves it for the next turn.
    pub(super) fn put_off(&self, id: ConnectionId) {
        if let Some(entry) = self.entries.get(&id) {
            entry.stream.ring();
        }
    }

    /// Queues a message and writes what the socket takes; `false` when too much waits.
    ///
    /// # Errors
    /// Why the connection is to be closed, and whether the message was queued.
    pub(super) fn send(
        &mut self,
        id: ConnectionId,
        bytes: Bytes,
        sender: Option<Sender>,
        now: Instant,
        families: &Families,
    ) -> Result<bool, (bool, Closed)> {
        let Some(Entry { stream, .. }) = self.entries.get_mut(&id) else { return Ok(false) };
        let is_queued = stream.send(bytes, sender);
        stream.flush(now, families).map_err(|closed| (is_queued, closed))?;
        stream.watch();
        self.order(id);
        Ok(is_queued)
    }

    /// Lets a connection read no more and close after its last message, if it has one.
    pub(super) fn end(
        &mut self,
        id: ConnectionId,
        last: Option<Bytes>,
        now: Instant,
        families: &Families,
    ) -> Result<(), Closed> {
        let Some(Entry { stream, .. }) = self.entries.get_mut(&id) else { return Ok(()) };
        if let Some(bytes) = last {
            stream.send(bytes, None);
        }
        stream.end(now);
        let flow = stream.flow;
        stream.flush(now, families)?;
        stream.watch();
        self.forget_remote(&flow);
        self.order(id);
        Ok(())
    }

    /// The connections that have work, oldest first, and those whose time may be up;
    /// some of them when there are many.
    pub(super) fn take_due(&mut self, now: Instant, into: &mut Vec<ConnectionId>) {
        self.listed.take(&mut self.taken, TURN_BATCH_LEN);
        for id in self.taken.drain(..) {
            if let Some(entry) = self.entries.get(&id) {
                entry.stream.taken_off_the_list();
                into.push(id);
            }
        }
        for _ in 0..TURN_BATCH_LEN {
            match self.deadlines.first() {
                Some(&(at, id)) if at <= now => {
                    self.deadlines.pop_first();
                    if let Some(entry) = self.entries.get_mut(&id) {
                        entry.looked_at = Instant::NEVER;
                        into.push(id);
                    }
                }
                Some(_) | None => break,
            }
        }
    }

    /// Writes and reads one connection; messages go to `messages`.
    pub(super) fn turn(
        &mut self,
        id: ConnectionId,
        now: Instant,
        buffer: &mut [u8],
        messages: &mut Vec<Vec<u8>>,
        families: &Families,
    ) -> Option<Turned> {
        let stream = &mut self.entries.get_mut(&id)?.stream;
        let flow = stream.flow;
        let result = stream.flush(now, families).and_then(|written| {
            let Read { work, fault } = stream.read(now, buffer, messages)?;
            // Keep-alives are answered at once.
            Ok((written + work + stream.flush(now, families)?, fault))
        });
        let (at, reason) = stream.deadline();
        let turned = match result {
            Ok((work, fault)) => {
                let closed = (at <= now).then_some(reason);
                Turned { flow, work, fault, closed }
            }
            Err(closed) => Turned { flow, work: 1, fault: None, closed: Some(closed) },
        };
        if turned.closed.is_none() {
            stream.watch();
            self.order(id);
        }
        Some(turned)
    }

    /// Moves a connection forward in the order of deadlines. One whose deadline has
    /// become later stays where it is and is looked at once more than needed, which
    /// costs less than moving it with each message.
    fn order(&mut self, id: ConnectionId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let at = entry.stream.deadline().0;
        if at < entry.looked_at {
            self.deadlines.remove(&(entry.looked_at, id));
            self.deadlines.insert((at, id));
            entry.looked_at = at;
        }
    }

    /// Whether there is work for a turn now.
    pub(super) fn has_work(&self) -> bool {
        !self.listed.is_empty()
    }

    /// When a connection must be looked at although nothing has happened to it.
    pub(super) fn next_deadline(&self) -> Instant {
        self.deadlines.first().map_or(Instant::NEVER, |(at, _)| *at)
    }

    /// Closes a connection: its flow, and the senders of what was not sent, one entry
    /// for each message.
    pub(super) fn close(&mut self, id: ConnectionId) -> Option<(Flow, Vec<Option<Sender>>)> {
        let Entry { stream, looked_at } = self.entries.remove(&id)?;
        self.deadlines.remove(&(looked_at, id));
        self.forget_remote(&stream.flow);
        Some((stream.flow, stream.unsent().collect()))
    }

    fn forget_remote(&mut self, flow: &Flow) {
        let key = (flow.protocol, flow.remote);
        if self.by_remote.get(&key) == Some(&flow.connection) {
            self.by_remote.remove(&key);
        }
    }
}
