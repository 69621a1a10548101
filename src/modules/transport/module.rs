//! The turn of a transport: mailbox, sockets, connections.

use super::connections::Connections;
use super::core::{
    Event, Kind, framing_answer, no_room, peek_starts, shard_of, starts_something,
    without_connection,
};
use super::inbox::Inbox;
use super::layer::Layer;
use super::listeners::{Accepted, Listeners};
use super::local::LocalPorts;
use super::names::{Known, Names, Waits};
use super::quiet::Quiet;
use super::sockets::{BindError, bind_udp, concerns_one_connection, connect_tcp, send_datagram};
use super::stream::{Closed, Fault, is_way_to_phone};
use crate::base::flow::{ConnectionId, Destination, Flow, Outbound, Protocol, Sender};
use crate::base::id::{Shard, Slot};
use crate::base::limits::{
    ACCEPT_BATCH_LEN, ACCEPT_PAUSE, CONNECTIONS_MAX, DATAGRAM_BACKLOG_LEN_MAX, HANDSHAKES_PER_TURN,
    LOOKUP_TIME, MAILBOX_LEN_MAX, MESSAGE_LEN_MAX, SOCKET_BATCH_LEN, TURN_BATCH_LEN,
};
use crate::base::time::Instant;
use crate::observe::families::{Direction, Families};
use crate::runtime::mailbox::{Class, Inbox as Mailbox, Mail};
use crate::runtime::module::Module;
use crate::runtime::tls::Tls;
use crate::runtime::waker::ThreadWaker;
use crate::sip::message::{ScanError, scan};
use crate::sip::packet::Packet;
use crate::sip::web_socket::Ended;
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use core::task::{Context, Poll, Waker};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::Arc;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

/// Where messages go: the shards' mailboxes and the Service Checker's.
#[derive(Debug)]
pub struct Receivers<S, C> {
    /// One per shard.
    pub shards: Vec<Mail<S>>,
    /// The Service Checker.
    pub checker: Mail<C>,
}

enum Datagrams {
    Bound(socket2::Socket),
    Running(UdpSocket),
    Gone,
}

/// A datagram that waits for room in the socket buffer.
pub(super) struct Datagram {
    pub(super) remote: SocketAddr,
    pub(super) bytes: Bytes,
    pub(super) sender: Option<Sender>,
}

/// A message on its way to another application of the process.
struct Handed {
    /// Whether it may be refused with an answer.
    starts: bool,
    /// As the other side sees it.
    flow: Flow,
    bytes: Bytes,
    sender: Option<Sender>,
}

type Resolved = (Box<str>, Option<IpAddr>);

/// Warnings that the outside can cause.
#[derive(Default)]
struct Warnings {
    no_room: Quiet,
    too_many: Quiet,
    not_accepted: Quiet,
    no_address: Quiet,
}

/// The transport of one application.
pub struct TransportModule<S, C> {
    name: String,
    address: SocketAddr,
    datagrams: Datagrams,
    listeners: Listeners,
    tls: Tls,
    inbox: Mailbox<Inbox>,
    receivers: Receivers<S, C>,
    local: Arc<LocalPorts>,
    families: Arc<Families>,
    pending: Vec<Inbox>,
    buffer: Vec<u8>,
    to_shards: Vec<Vec<(bool, Event)>>,
    to_checker: Vec<C>,
    /// One list for each of `local`.
    to_local: Vec<Vec<Handed>>,
    unsent: VecDeque<Datagram>,
    connections: Connections,
    pub(super) connections_max: usize,
    /// Set while the system has no room for another connection.
    accept_after: Option<Instant>,
    names: Names,
    lookups: JoinSet<Resolved>,
    resolved: Vec<Resolved>,
    warnings: Warnings,
    /// Time of the last turn.
    now: Instant,
}

impl<S: From<Event> + Send, C: From<Event> + Send> TransportModule<S, C> {
    /// Takes the application's address for both protocols. `families` are cells that
    /// nobody else counts in.
    ///
    /// # Errors
    /// When a socket cannot be had.
    pub fn bind(
        application: &str,
        address: SocketAddr,
        inbox: Mailbox<Inbox>,
        receivers: Receivers<S, C>,
        families: Arc<Families>,
    ) -> Result<Self, BindError> {
        let udp = bind_udp(address)
            .map_err(|error| BindError::new(application, address, Protocol::Udp, error))?;
        let mut listeners = Listeners::default();
        listeners.bind(application, Protocol::Tcp, address)?;
        let shards = receivers.shards.len();
        Ok(Self {
            name: format!("{application}-768"),
            address,
            datagrams: Datagrams::Bound(udp),
            listeners,
            tls: Tls::default(),
            inbox,
            receivers,
            local: Arc::default(),
            families,
            pending: Vec::new(),
            buffer: vec![0; MESSAGE_LEN_MAX + 1],
            to_shards: (0..shards).map(|_| Vec::new()).collect(),
            to_checker: Vec::new(),
            to_local: Vec::new(),
            unsent: VecDeque::new(),
            connections: Connections::new(),
            connections_max: CONNECTIONS_MAX,
            accept_after: None,
            names: Names::default(),
            lookups: JoinSet::new(),
            resolved: Vec::new(),
            warnings: Warnings::default(),
            now: Instant::ZERO,
        })
    }

    /// Takes more addresses, on which other protocols are spoken, those with TLS on these terms.
    ///
    /// # Errors
    /// When one cannot be had.
    pub fn listening(
        mut self,
        application: &str,
        ports: &[(Protocol, SocketAddr)],
        tls: Tls,
    ) -> Result<Self, BindError> {
        for (protocol, address) in ports {
            self.listeners.bind(application, *protocol, *address)?;
        }
        self.tls = tls;
        Ok(self)
    }

    /// Names the other applications of this process.
    #[must_use]
    pub fn with_local(mut self, local: Arc<LocalPorts>) -> Self {
        self.know(local);
        self
    }

    pub(super) fn know(&mut self, local: Arc<LocalPorts>) {
        self.to_local = (0..local.len()).map(|_| Vec::new()).collect();
        self.local = local;
    }

    fn take_mail(&mut self, now: Instant) -> usize {
        let mut pending = core::mem::take(&mut self.pending);
        let work = self.inbox.take(&mut pending, TURN_BATCH_LEN);
        for message in pending.drain(..) {
            match message {
                Inbox::Send(outbound) => self.send(outbound, now),
                Inbox::Delivered { flow, bytes } => self.receive(flow, bytes),
            }
        }
        self.pending = pending;
        work
    }

    fn send(&mut self, outbound: Outbound, now: Instant) {
        tracing::trace!(node = %self.name, to = %outbound.to, bytes = %String::from_utf8_lossy(&outbound.bytes), "sent");
        match &outbound.to {
            Destination::Flow(flow) => {
                let flow = *flow;
                let is_gone = flow.connection != ConnectionId::default();
                if self.connections.is_usable(flow.connection) {
                    self.send_on(flow.connection, outbound, now);
                } else if is_way_to_phone(flow.protocol) {
                    // Its address may be another phone's by now.
                    self.failed(outbound.sender);
                } else if is_gone && self.connections.find(flow.protocol, flow.remote).is_none() {
                    let remote = without_connection(&outbound.bytes, flow.remote);
                    self.send_to(flow.protocol, remote, outbound, now);
                } else {
                    self.send_to(flow.protocol, flow.remote, outbound, now);
                }
            }
            Destination::Address { protocol, remote } => {
                let (protocol, remote) = (*protocol, *remote);
                self.send_to(protocol, remote, outbound, now);
            }
            Destination::Host { protocol, host, port } => match self.names.find(host, now) {
                Known::Address(ip) => {
                    let (protocol, remote) = (*protocol, SocketAddr::new(ip, *port));
                    self.send_to(protocol, remote, outbound, now);
                }
                Known::None => self.failed(outbound.sender),
                Known::Unknown => {
                    let host = host.clone();
                    self.resolve(host, outbound);
                }
            },
        }
    }

    fn send_to(
        &mut self,
        protocol: Protocol,
        remote: SocketAddr,
        outbound: Outbound,
        now: Instant,
    ) {
        let place = self.local.find(remote).filter(|_| is_of_sip_address(protocol));
        if let Some(place) = place {
            let connection = ConnectionId::default();
            let flow = Flow { protocol, local: remote, remote: self.address, connection };
            let Outbound { bytes, sender, .. } = outbound;
            Kind::peek(&bytes).count(&self.families, Direction::Out, protocol);
            self.to_local[place].push(Handed { starts: peek_starts(&bytes), flow, bytes, sender });
            return;
        }
        match protocol {
            Protocol::Udp => self.send_datagram(Datagram {
                remote,
                bytes: outbound.bytes,
                sender: outbound.sender,
            }),
            Protocol::Tcp | Protocol::Tls | Protocol::Ws | Protocol::Wss => {
                match self.connections.find(protocol, remote) {
                    Some(id) => self.send_on(id, outbound, now),
                    None if protocol == Protocol::Tcp => self.connect(remote, outbound, now),
                    // Never by something less than what was asked for.
                    None => self.failed(outbound.sender),
                }
            }
        }
    }

    fn send_datagram(&mut self, datagram: Datagram) {
        // What waits goes first: messages to one destination leave in order.
        if !self.unsent.is_empty() {
            self.queue_datagram(datagram);
        } else if let Err(full) = self.write_datagram(datagram) {
            self.queue_datagram(full);
        }
    }

    /// Gives the datagram back when the socket buffer is full.
    fn write_datagram(&mut self, datagram: Datagram) -> Result<(), Datagram> {
        let Datagrams::Running(udp) = &self.datagrams else {
            self.failed(datagram.sender);
            return Ok(());
        };
        match send_datagram(udp, &datagram.bytes, datagram.remote) {
            Ok(()) => {
                Kind::peek(&datagram.bytes).count(&self.families, Direction::Out, Protocol::Udp);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(datagram),
            Err(error) => {
                tracing::debug!(node = %self.name, to = %datagram.remote, %error, "not sent");
                self.failed(datagram.sender);
            }
        }
        Ok(())
    }

    pub(super) fn queue_datagram(&mut self, datagram: Datagram) {
        if self.unsent.len() >= DATAGRAM_BACKLOG_LEN_MAX {
            self.failed(datagram.sender);
        } else {
            self.unsent.push_back(datagram);
        }
    }

    fn flush_datagrams(&mut self) -> usize {
        let mut work = 0;
        while let Some(datagram) = self.unsent.pop_front() {
            if let Err(full) = self.write_datagram(datagram) {
                self.unsent.push_front(full);
                break;
            }
            work += 1;
        }
        work
    }

    fn send_on(&mut self, id: ConnectionId, outbound: Outbound, now: Instant) {
        let Outbound { bytes, sender, .. } = outbound;
        match self.connections.send(id, bytes, sender, now, &self.families) {
            Ok(true) => {}
            Ok(false) => self.failed(sender),
            Err((is_queued, closed)) => {
                if !is_queued {
                    self.failed(sender);
                }
                self.close(id, closed);
            }
        }
    }

    fn connect(&mut self, remote: SocketAddr, outbound: Outbound, now: Instant) {
        if self.connections.len() >= self.connections_max {
            self.failed(outbound.sender);
            return;
        }
        match connect_tcp(self.address.ip(), remote) {
            Ok(socket) => {
                let ends = (Protocol::Tcp, self.address, remote);
                let id = self.connections.add(socket, Layer::Plain, ends, false, now);
                self.count_connections();
                self.send_on(id, outbound, now);
            }
            Err(error) => {
                tracing::debug!(node = %self.name, to = %remote, %error, "cannot connect");
                self.failed(outbound.sender);
            }
        }
    }

    fn close(&mut self, id: ConnectionId, closed: Closed) {
        let Some((flow, unsent)) = self.connections.close(id) else { return };
        self.count_connections();
        tracing::debug!(node = %self.name, %flow, reason = closed.0, "connection closed");
        for sender in unsent {
            self.failed(sender);
        }
    }

    fn count_connections(&self) {
        self.families.connections.set(i64::try_from(self.connections.len()).unwrap_or(i64::MAX));
    }

    fn failed(&mut self, sender: Option<Sender>) {
        self.families.send_failures.increment();
        let Some(sender) = sender else { return };
        let (shard, _) = Slot::from_word(sender.0);
        self.put(shard, false, Event::SendFailed(sender));
    }

    fn put(&mut self, shard: Shard, starts: bool, event: Event) {
        if shard == Shard::SERVICE_CHECKER {
            self.to_checker.push(event.into());
        } else if let Some(batch) = self.to_shards.get_mut(usize::from(shard.0)) {
            batch.push((starts, event));
        }
    }

    /// A name is looked up on a thread of the runtime's own pool; what is sent to it
    /// meanwhile waits.
    fn resolve(&mut self, host: Box<str>, outbound: Outbound) {
        match self.names.wait(&host, outbound) {
            Waits::Behind => {}
            Waits::NoRoom(sender) => self.failed(sender),
            Waits::LookUp => {
                let is_ipv4 = self.address.is_ipv4();
                self.lookups.spawn(async move {
                    let look_up = tokio::net::lookup_host((&*host, 0));
                    let found = tokio::time::timeout(LOOKUP_TIME, look_up).await;
                    let address = found.ok().and_then(Result::ok).and_then(|mut found| {
                        // An address of the other family cannot be reached from our socket.
                        found.find(|address| address.is_ipv4() == is_ipv4)
                    });
                    (host, address.map(|address| address.ip()))
                });
            }
        }
    }

    fn take_resolved(&mut self, now: Instant) -> usize {
        if self.lookups.is_empty() && self.resolved.is_empty() {
            return 0;
        }
        while let Some(joined) = self.lookups.try_join_next() {
            self.resolved.extend(joined);
        }
        let resolved = core::mem::take(&mut self.resolved);
        let work = resolved.len();
        for (host, address) in resolved {
            if address.is_none() {
                tracing::debug!(node = %self.name, host, "name does not resolve");
                if let Some(count) = self.warnings.no_address.speak(1, now) {
                    tracing::warn!(node = %self.name, count, "host names do not resolve: check the DNS, or the contacts that use them (DEBUG names them)");
                }
            }
            for outbound in self.names.answered(&host, address, now) {
                self.send(outbound, now);
            }
        }
        work
    }

    fn receive(&mut self, flow: Flow, bytes: Bytes) {
        let message = match scan(bytes) {
            Ok(message) => message,
            Err(ScanError::Empty) => return,
            Err(error) => {
                self.families.malformed.increment();
                tracing::debug!(node = %self.name, %flow, %error, "no SIP message");
                return;
            }
        };
        Kind::of(&message).count(&self.families, Direction::In, flow.protocol);
        if message.fault().is_some() {
            self.families.malformed.increment();
        }
        tracing::trace!(node = %self.name, %flow, call_id = %String::from_utf8_lossy(message.call_id()), bytes = %String::from_utf8_lossy(message.bytes()), "received");
        let shards = u8::try_from(self.receivers.shards.len()).unwrap_or(1);
        let shard = shard_of(&message, shards);
        let starts = starts_something(&message);
        self.put(shard, starts, Event::Packet(Packet { flow, message }));
    }

    fn read_datagrams(&mut self) -> usize {
        let mut work = 0;
        let mut buffer = core::mem::take(&mut self.buffer);
        while work < SOCKET_BATCH_LEN {
            let Datagrams::Running(udp) = &self.datagrams else { break };
            match udp.try_recv_from(&mut buffer) {
                Ok((length, remote)) => {
                    let flow = Flow {
                        protocol: Protocol::Udp,
                        local: self.address,
                        remote,
                        connection: ConnectionId::default(),
                    };
                    self.receive(flow, Bytes::copy_from_slice(&buffer[..length]));
                    work += 1;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // An ICMP error of something sent before: read on.
                Err(_) => work += 1,
            }
        }
        self.buffer = buffer;
        work
    }

    fn turn_connections(&mut self, now: Instant) -> usize {
        let mut due = Vec::new();
        self.connections.take_due(now, &mut due);
        // An entry on the list counts as work: there may be more than one turn takes.
        let mut work = due.len();
        let mut messages = Vec::new();
        let mut buffer = core::mem::take(&mut self.buffer);
        let mut handshakes = 0;
        for id in due {
            if self.connections.is_in_handshake(id) {
                handshakes += 1;
                if handshakes > HANDSHAKES_PER_TURN {
                    self.connections.put_off(id);
                    continue;
                }
            }
            let turned = self.connections.turn(id, now, &mut buffer, &mut messages, &self.families);
            let Some(turned) = turned else { continue };
            work += turned.work;
            for bytes in messages.drain(..) {
                self.receive(turned.flow, bytes.into());
            }
            if let Some(closed) = turned.closed {
                self.close(id, closed);
            } else if let Some(error) = turned.fault {
                self.end(turned.flow, &error, now);
            }
        }
        self.buffer = buffer;
        work
    }

    /// Answers what makes a stream unreadable, if that is a request, and ends the
    /// stream: nobody knows where the next message would begin.
    fn end(&mut self, flow: Flow, fault: &Fault, now: Instant) {
        let answer = match fault {
            Fault::Framing(error) => {
                self.families.malformed.increment();
                tracing::debug!(node = %self.name, %flow, %error, "the stream can be followed no further");
                framing_answer(error, &flow)
            }
            Fault::WebSocket(ended) => {
                if *ended != Ended::Closed {
                    self.families.malformed.increment();
                }
                tracing::debug!(node = %self.name, %flow, %ended, "a WebSocket is over");
                None
            }
        };
        if let Err(closed) = self.connections.end(flow.connection, answer, now, &self.families) {
            self.close(flow.connection, closed);
        }
    }

    /// Hands the turn's messages over, one batch per shard, in the order they came. A
    /// new request that finds no room is answered with 503.
    fn hand_over(&mut self, now: Instant) {
        let mut answers = Vec::new();
        let mut all_refused = 0;
        for (mail, batch) in self.receivers.shards.iter().zip(&mut self.to_shards) {
            let class =
                |entry: &(bool, Event)| if entry.0 { Class::New } else { Class::Continuing };
            all_refused += mail.send_each(batch, class, |(_, event)| S::from(event));
            answers.extend(batch.drain(..).filter_map(|(_, event)| match event {
                Event::Packet(Packet { flow, message }) => {
                    let to = Destination::Flow(flow);
                    let bytes = no_room(&message, &flow)?;
                    Some(Outbound { to, bytes, sender: None })
                }
                Event::SendFailed(_) => None,
            }));
        }
        all_refused += self.receivers.checker.send_batch(Class::Internal, &mut self.to_checker);
        self.note_refused(all_refused, now);
        for answer in answers {
            self.send(answer, now);
        }
    }

    fn note_refused(&mut self, count: usize, now: Instant) {
        if count > 0 {
            self.families.messages_refused.add(count as u64);
            if let Some(count) = self.warnings.no_room.speak(count as u64, now) {
                tracing::warn!(node = %self.name, count, "overload: messages found no room, new requests are answered with 503");
            }
        }
    }

    /// Hands over what goes to other applications of the process, in the order it was
    /// sent. A new request that finds no room there is answered as if by them.
    fn hand_over_locally(&mut self, now: Instant) {
        let mut all_refused = Vec::new();
        for (mail, batch) in self.local.mails().zip(&mut self.to_local) {
            if batch.is_empty() {
                continue;
            }
            let count = batch.len();
            let class =
                |handed: &Handed| if handed.starts { Class::New } else { Class::Continuing };
            let refused = mail.send_each(batch, class, |Handed { flow, bytes, .. }| {
                Inbox::Delivered { flow, bytes }
            });
            self.families.handovers.add((count - refused) as u64);
            all_refused.append(batch);
        }
        self.note_refused(all_refused.len(), now);
        for Handed { starts, flow, bytes, sender } in all_refused {
            let request = if starts { scan(bytes.clone()).ok() } else { None };
            match request.and_then(|request| no_room(&request, &flow)) {
                Some(answer) => {
                    let flow = Flow { local: flow.remote, remote: flow.local, ..flow };
                    self.receive(flow, answer);
                }
                None => self.failed(sender),
            }
        }
    }

    /// Takes the connections that wait at the listener.
    fn accept(&mut self, now: Instant) -> usize {
        if self.accept_after.is_some_and(|after| now >= after) {
            self.accept_after = None;
            self.listeners.is_paused = false;
        }
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..ACCEPT_BATCH_LEN {
            if self.listeners.poll(&mut context).is_pending() {
                break;
            }
        }
        let accepted = self.listeners.take();
        let work = accepted.len();
        for Accepted { protocol, local, result } in accepted {
            match result {
                Ok((socket, remote)) if self.connections.len() < self.room_for(protocol) => {
                    let Some(layer) = self.layer(protocol) else { continue };
                    self.connections.add(socket, layer, (protocol, local, remote), true, now);
                    self.count_connections();
                }
                Ok(_) => {
                    self.families.connections_refused.increment();
                    if let Some(count) = self.warnings.too_many.speak(1, now) {
                        tracing::warn!(node = %self.name, count, limit = self.connections_max, "connections refused: too many are open");
                    }
                }
                Err(error) => self.not_accepted(&error, now),
            }
        }
        work
    }

    /// Connections that there may be when one more of that protocol comes: phones from outside
    /// leave room for those of the cluster.
    const fn room_for(&self, protocol: Protocol) -> usize {
        if is_way_to_phone(protocol) {
            self.connections_max - self.connections_max / 10
        } else {
            self.connections_max
        }
    }

    /// What lies over a connection that was accepted; `None` where there are no terms for it.
    fn layer(&self, protocol: Protocol) -> Option<Layer> {
        if !protocol.is_secure() {
            return Some(Layer::Plain);
        }
        Some(Layer::Tls(Box::new(self.tls.terms().accept()?)))
    }

    /// Waits before it accepts again if the system has no more of something: the
    /// listener stays ready, and asking it again at once would be all that the
    /// thread does.
    pub(super) fn not_accepted(&mut self, error: &std::io::Error, now: Instant) {
        if concerns_one_connection(error) {
            return;
        }
        self.accept_after = Some(now + ACCEPT_PAUSE);
        self.listeners.is_paused = true;
        if let Some(count) = self.warnings.not_accepted.speak(1, now) {
            tracing::warn!(node = %self.name, count, %error, "connections cannot be accepted: raise the limit of open files if it is about that");
        }
    }

    /// Sends what there is to send, and hands over what is known of it.
    fn send_all(&mut self, now: Instant) -> usize {
        let work = self.take_mail(now) + self.flush_datagrams();
        self.hand_over_locally(now);
        self.hand_over(now);
        // Answers to what the shards refused.
        self.hand_over_locally(now);
        // What those leave for the shards wants another turn.
        work + self.left_for_others()
    }

    /// Messages for the shards and the Service Checker that wait for the next turn.
    fn left_for_others(&self) -> usize {
        self.to_checker.len() + self.to_shards.iter().map(Vec::len).sum::<usize>()
    }
}

impl<S: From<Event> + Send, C: From<Event> + Send> Module for TransportModule<S, C> {
    fn name(&self) -> &str {
        &self.name
    }

    fn start(&mut self) {
        let Datagrams::Bound(udp) = core::mem::replace(&mut self.datagrams, Datagrams::Gone) else {
            return;
        };
        match UdpSocket::from_std(udp.into()).and_then(|udp| Ok((udp, self.listeners.start()?))) {
            Ok((udp, ())) => self.datagrams = Datagrams::Running(udp),
            Err(error) => tracing::error!(node = %self.name, %error, "sockets cannot be used"),
        }
    }

    fn turn(&mut self, now: Instant) -> usize {
        self.now = now;
        let mut work = self.read_datagrams() + self.accept(now);
        work += self.turn_connections(now) + self.take_resolved(now);
        self.hand_over(now);
        work + self.send_all(now)
    }

    fn has_work(&self) -> bool {
        !self.inbox.is_empty()
            || self.connections.has_work()
            || self.listeners.has_accepted()
            || !self.resolved.is_empty()
            || self.left_for_others() > 0
    }

    fn next_deadline(&self) -> Instant {
        self.connections.next_deadline().min(self.accept_after.unwrap_or(Instant::NEVER))
    }

    fn set_waker(&mut self, waker: &Arc<ThreadWaker>) {
        self.inbox.set_waker(waker.clone());
        self.connections.set_waker(waker.clone());
    }

    fn poll_io(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut ready = self.listeners.poll(context).is_ready();
        if !self.lookups.is_empty()
            && let Poll::Ready(Some(joined)) = self.lookups.poll_join_next(context)
        {
            self.resolved.extend(joined);
            ready = true;
        }
        let Datagrams::Running(udp) = &self.datagrams else { return Poll::Pending };
        ready |= udp.poll_recv_ready(context).is_ready();
        if !self.unsent.is_empty() {
            ready |= udp.poll_send_ready(context).is_ready();
        }
        if ready { Poll::Ready(()) } else { Poll::Pending }
    }

    fn stop(&mut self) {
        // Whoever still writes while the process ends must not hold it up.
        for _ in 0..MAILBOX_LEN_MAX / TURN_BATCH_LEN {
            if self.send_all(self.now) == 0 {
                break;
            }
        }
    }
}

/// Whether that is spoken at an application's SIP address, by which others of the process are known.
const fn is_of_sip_address(protocol: Protocol) -> bool {
    match protocol {
        Protocol::Udp | Protocol::Tcp => true,
        Protocol::Tls | Protocol::Ws | Protocol::Wss => false,
    }
}
