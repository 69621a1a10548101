//! The turn of a transport: mailbox, sockets, connections.

use super::core::{Event, shard_of, starts_something};
use super::inbox::Inbox;
use super::local::LocalPorts;
use super::stream::Stream;
use crate::base::flow::{ConnectionId, Destination, Flow, Outbound, Protocol, Sender};
use crate::base::id::{Shard, Slot};
use crate::base::limits::{
    CONNECTIONS_MAX, MESSAGE_LEN_MAX, NAME_TTL, SOCKET_BATCH_LEN, TURN_BATCH_LEN,
};
use crate::base::time::{Duration, Instant};
use crate::runtime::mailbox::{Class, Inbox as Mailbox, Mail};
use crate::runtime::module::Module;
use crate::runtime::waker::ThreadWaker;
use crate::sip::message::{HeaderId, Method, ScanError, response_to, scan};
use crate::sip::packet::Packet;
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Poll};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::ErrorKind;
use std::sync::Arc;
use tokio::net::{TcpListener, UdpSocket};

/// Datagrams that wait for a full socket buffer.
const UNSENT_LEN_MAX: usize = 4_096;
/// Messages that wait for one host name.
const RESOLVING_LEN_MAX: usize = 1_024;
/// Receive buffer asked of the operating system.
const RECEIVE_BUFFER_LEN: usize = 4 << 20;

/// What a transport counts; read by anybody.
#[derive(Debug, Default)]
pub struct Counters {
    /// Messages received.
    pub received: AtomicU64,
    /// Messages sent by a socket.
    pub sent: AtomicU64,
    /// Messages handed over inside the process.
    pub handed_over: AtomicU64,
    /// Bytes that are no SIP message.
    pub malformed: AtomicU64,
    /// Requests refused because a shard had no room.
    pub refused: AtomicU64,
    /// Messages that could not be sent.
    pub failed: AtomicU64,
}

impl Counters {
    fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Where messages go: the shards' mailboxes and the Service Checker's.
#[derive(Debug)]
pub struct Receivers<S, C> {
    /// One per shard.
    pub shards: Vec<Mail<S>>,
    /// The Service Checker.
    pub checker: Mail<C>,
}

/// A socket that cannot be had; the text says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{application} cannot listen on {address}/{protocol}: {cause}; {advice}")]
pub struct BindError {
    application: String,
    address: SocketAddr,
    protocol: Protocol,
    cause: std::io::Error,
    advice: &'static str,
}

impl BindError {
    fn new(
        application: &str,
        address: SocketAddr,
        protocol: Protocol,
        cause: std::io::Error,
    ) -> Self {
        let kind = cause.kind();
        let advice = if kind == ErrorKind::AddrInUse {
            "stop the program that uses it, or change ports.sip"
        } else if kind == ErrorKind::AddrNotAvailable {
            "this host has no such address: change host"
        } else if kind == ErrorKind::PermissionDenied {
            "ports below 1024 need the right to use them"
        } else {
            "see the system's message"
        };
        Self { application: application.to_owned(), address, protocol, cause, advice }
    }
}

enum Sockets {
    Bound(socket2::Socket, socket2::Socket),
    Running(UdpSocket, TcpListener),
    Gone,
}

/// The transport of one application.
pub struct TransportModule<S, C> {
    name: String,
    address: SocketAddr,
    sockets: Sockets,
    inbox: Mailbox<Inbox>,
    own_mail: Mail<Inbox>,
    receivers: Receivers<S, C>,
    local: Arc<LocalPorts>,
    counters: Arc<Counters>,
    pending: Vec<Inbox>,
    buffer: Vec<u8>,
    to_shards: Vec<Vec<(bool, Event)>>,
    to_checker: Vec<C>,
    unsent: VecDeque<Outbound>,
    streams: BTreeMap<ConnectionId, Stream>,
    by_remote: HashMap<SocketAddr, ConnectionId>,
    next_connection: u64,
    accepted: Vec<(tokio::net::TcpStream, SocketAddr)>,
    names: HashMap<Box<str>, (IpAddr, Instant)>,
    resolving: HashMap<Box<str>, Vec<Outbound>>,
    next_look: Instant,
}

impl<S: From<Event> + Send, C: From<Event> + Send> TransportModule<S, C> {
    /// Takes the application's address for both protocols.
    ///
    /// # Errors
    /// When a socket cannot be had.
    pub fn bind(
        application: &str,
        address: SocketAddr,
        (own_mail, inbox): (Mail<Inbox>, Mailbox<Inbox>),
        receivers: Receivers<S, C>,
        counters: Arc<Counters>,
    ) -> Result<Self, BindError> {
        let udp = bind_udp(address)
            .map_err(|error| BindError::new(application, address, Protocol::Udp, error))?;
        let tcp = bind_tcp(address)
            .map_err(|error| BindError::new(application, address, Protocol::Tcp, error))?;
        let shards = receivers.shards.len();
        Ok(Self {
            name: format!("{application}-768"),
            address,
            sockets: Sockets::Bound(udp, tcp),
            inbox,
            own_mail,
            receivers,
            local: Arc::new(LocalPorts::default()),
            counters,
            pending: Vec::new(),
            buffer: vec![0; MESSAGE_LEN_MAX + 1],
            to_shards: (0..shards).map(|_| Vec::new()).collect(),
            to_checker: Vec::new(),
            unsent: VecDeque::new(),
            streams: BTreeMap::new(),
            by_remote: HashMap::new(),
            next_connection: 1,
            accepted: Vec::new(),
            names: HashMap::new(),
            resolving: HashMap::new(),
            next_look: Instant::ZERO,
        })
    }

    /// Names the other applications of this process.
    #[must_use]
    pub fn with_local(mut self, local: Arc<LocalPorts>) -> Self {
        self.local = local;
        self
    }

    fn take_mail(&mut self, now: Instant) -> usize {
        let mut pending = core::mem::take(&mut self.pending);
        let work = self.inbox.take(&mut pending, TURN_BATCH_LEN);
        for message in pending.drain(..) {
            match message {
                Inbox::Send(outbound) => self.send(outbound, now),
                Inbox::Delivered { flow, bytes } => self.receive(flow, bytes.to_vec()),
                Inbox::Resolved { host, address } => self.on_resolved(&host, address, now),
            }
        }
        self.pending = pending;
        work
    }

    fn send(&mut self, outbound: Outbound, now: Instant) {
        match outbound.to.clone() {
            Destination::Flow(flow) => match flow.protocol {
                Protocol::Tcp if self.streams.contains_key(&flow.connection) => {
                    self.send_on(flow.connection, outbound, now);
                }
                Protocol::Udp | Protocol::Tcp => {
                    self.send_to(flow.protocol, flow.remote, outbound, now)
                }
            },
            Destination::Address { protocol, remote } => {
                self.send_to(protocol, remote, outbound, now)
            }
            Destination::Host { protocol, host, port } => match self.names.get(&host) {
                Some((ip, until)) if now < *until => {
                    let remote = SocketAddr::new(*ip, port);
                    self.send_to(protocol, remote, outbound, now);
                }
                Some(_) | None => self.resolve(host, outbound),
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
        if let Some(mail) = self.local.find(protocol, remote) {
            let flow = Flow {
                protocol,
                local: remote,
                remote: self.address,
                connection: ConnectionId::default(),
            };
            let class =
                if self.unimportant(&outbound.bytes) { Class::New } else { Class::Continuing };
            let delivered = Inbox::Delivered { flow, bytes: outbound.bytes };
            Counters::count(&self.counters.handed_over);
            if mail.send(class, delivered).is_err() {
                self.failed(outbound.sender);
            }
            return;
        }
        match protocol {
            Protocol::Udp => self.send_datagram(remote, outbound),
            Protocol::Tcp => match self.by_remote.get(&remote).copied() {
                Some(id) => self.send_on(id, outbound, now),
                None => self.connect(remote, outbound, now),
            },
        }
    }

    /// Whether a hand-over may be refused first: only what starts an INVITE or
    /// REGISTER.
    fn unimportant(&self, bytes: &Bytes) -> bool {
        bytes.starts_with(b"INVITE ") || bytes.starts_with(b"REGISTER ")
    }

    fn send_datagram(&mut self, remote: SocketAddr, outbound: Outbound) {
        let Sockets::Running(udp, _) = &self.sockets else { return };
        if !self.unsent.is_empty() {
            self.queue_datagram(remote, outbound);
            return;
        }
        match udp.try_send_to(&outbound.bytes, remote) {
            Ok(_) => Counters::count(&self.counters.sent),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.queue_datagram(remote, outbound)
            }
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                // The report of an earlier datagram; this one was not sent.
                let again = udp.try_send_to(&outbound.bytes, remote);
                if again.is_err() {
                    self.failed(outbound.sender);
                }
            }
            Err(_) => self.failed(outbound.sender),
        }
    }

    fn queue_datagram(&mut self, remote: SocketAddr, outbound: Outbound) {
        if self.unsent.len() >= UNSENT_LEN_MAX {
            self.failed(outbound.sender);
            return;
        }
        let to = Destination::Address { protocol: Protocol::Udp, remote };
        self.unsent.push_back(Outbound { to, ..outbound });
    }

    fn flush_datagrams(&mut self) -> usize {
        let Sockets::Running(udp, _) = &self.sockets else { return 0 };
        let mut work = 0;
        while let Some(outbound) = self.unsent.front() {
            let Destination::Address { remote, .. } = outbound.to else { break };
            match udp.try_send_to(&outbound.bytes, remote) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Ok(_) | Err(_) => {
                    work += 1;
                    self.unsent.pop_front();
                }
            }
        }
        work
    }

    fn send_on(&mut self, id: ConnectionId, outbound: Outbound, now: Instant) {
        let Some(stream) = self.streams.get_mut(&id) else { return self.failed(outbound.sender) };
        let sender = outbound.sender;
        let good = stream.send(outbound.bytes, sender, now);
        let flushed = stream.flush();
        if good {
            Counters::count(&self.counters.sent);
        } else {
            self.failed(sender);
        }
        if let Err(closed) = flushed {
            self.close(id, closed.0);
        }
    }

    fn connect(&mut self, remote: SocketAddr, outbound: Outbound, now: Instant) {
        if self.streams.len() >= CONNECTIONS_MAX {
            self.failed(outbound.sender);
            return;
        }
        match connect_tcp(self.address.ip(), remote) {
            Ok(socket) => {
                let id = self.add_stream(socket, remote, false, now);
                self.send_on(id, outbound, now);
            }
            Err(_) => self.failed(outbound.sender),
        }
    }

    fn add_stream(
        &mut self,
        socket: tokio::net::TcpStream,
        remote: SocketAddr,
        connected: bool,
        now: Instant,
    ) -> ConnectionId {
        let id = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let flow = Flow { protocol: Protocol::Tcp, local: self.address, remote, connection: id };
        self.streams.insert(id, Stream::new(socket, flow, connected, now));
        self.by_remote.insert(remote, id);
        id
    }

    fn close(&mut self, id: ConnectionId, reason: &'static str) {
        let Some(stream) = self.streams.remove(&id) else { return };
        if self.by_remote.get(&stream.flow.remote) == Some(&id) {
            self.by_remote.remove(&stream.flow.remote);
        }
        tracing::debug!(node = %self.name, flow = %stream.flow, reason, "connection closed");
        let unsent: Vec<Sender> = stream.unsent().collect();
        for sender in unsent {
            self.failed(Some(sender));
        }
    }

    fn failed(&mut self, sender: Option<Sender>) {
        Counters::count(&self.counters.failed);
        let Some(sender) = sender else { return };
        let (shard, _) = Slot::from_word(sender.0);
        let event = Event::SendFailed(sender);
        if shard == Shard::SERVICE_CHECKER {
            self.to_checker.push(event.into());
        } else if let Some(batch) = self.to_shards.get_mut(usize::from(shard.0)) {
            batch.push((false, event));
        }
    }

    /// A name is resolved on a thread of the runtime's own pool; what is sent to
    /// it meanwhile waits.
    fn resolve(&mut self, host: Box<str>, outbound: Outbound) {
        if let Some(waiting) = self.resolving.get_mut(&host) {
            if waiting.len() < RESOLVING_LEN_MAX {
                waiting.push(outbound);
            } else {
                self.failed(outbound.sender);
            }
            return;
        }
        self.resolving.insert(host.clone(), vec![outbound]);
        let mail = self.own_mail.clone();
        tokio::spawn(async move {
            let found = tokio::net::lookup_host((&*host, 0)).await;
            let address = found.ok().and_then(|mut found| found.next()).map(|found| found.ip());
            let _ = mail.send(Class::Internal, Inbox::Resolved { host, address });
        });
    }

    fn on_resolved(&mut self, host: &str, address: Option<IpAddr>, now: Instant) {
        let waiting = self.resolving.remove(host).unwrap_or_default();
        if let Some(ip) = address {
            self.names.insert(host.into(), (ip, now + NAME_TTL));
        } else {
            tracing::warn!(node = %self.name, host, "name does not resolve: check the DNS or the contact that uses it");
        }
        for outbound in waiting {
            match (address, &outbound.to) {
                (Some(_), Destination::Host { .. }) => self.send(outbound, now),
                (
                    _,
                    Destination::Flow(_) | Destination::Address { .. } | Destination::Host { .. },
                ) => {
                    self.failed(outbound.sender);
                }
            }
        }
    }

    fn receive(&mut self, flow: Flow, bytes: Vec<u8>) {
        let message = match scan(bytes) {
            Ok(message) => message,
            Err(ScanError::Empty) => return,
            Err(error) => {
                Counters::count(&self.counters.malformed);
                tracing::debug!(node = %self.name, %flow, %error, "no SIP message");
                return;
            }
        };
        Counters::count(&self.counters.received);
        tracing::trace!(node = %self.name, %flow, call_id = %String::from_utf8_lossy(message.call_id()), bytes = %String::from_utf8_lossy(message.bytes()), "received");
        let shards = u8::try_from(self.receivers.shards.len()).unwrap_or(1);
        let shard = shard_of(&message, shards);
        let starts = starts_something(&message);
        let event = Event::Packet(Packet { flow, message });
        if shard == Shard::SERVICE_CHECKER {
            self.to_checker.push(event.into());
        } else if let Some(batch) = self.to_shards.get_mut(usize::from(shard.0)) {
            batch.push((starts, event));
        }
    }

    fn read_datagrams(&mut self) -> usize {
        let mut work = 0;
        let mut buffer = core::mem::take(&mut self.buffer);
        while work < SOCKET_BATCH_LEN {
            let Sockets::Running(udp, _) = &self.sockets else { break };
            match udp.try_recv_from(&mut buffer) {
                Ok((length, remote)) => {
                    let flow = Flow {
                        protocol: Protocol::Udp,
                        local: self.address,
                        remote,
                        connection: ConnectionId::default(),
                    };
                    self.receive(flow, buffer[..length].to_vec());
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

    fn turn_streams(&mut self, now: Instant) -> usize {
        let mut work = self.accepted.len();
        for (socket, remote) in core::mem::take(&mut self.accepted) {
            if self.streams.len() < CONNECTIONS_MAX {
                self.add_stream(socket, remote, true, now);
            }
        }
        let ids: Vec<ConnectionId> = self.streams.keys().copied().collect();
        let mut messages = Vec::new();
        for id in ids {
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            let flow = stream.flow;
            let result =
                stream.flush().and_then(|written| Ok(written + stream.read(now, &mut messages)?));
            let expired = stream.expired(now);
            for bytes in messages.drain(..) {
                self.receive(flow, bytes);
            }
            match (result, expired) {
                (Ok(_), Some(reason)) => self.close(id, reason),
                (Ok(done), None) => work += done,
                (Err(closed), _) => self.close(id, closed.0),
            }
        }
        work
    }

    /// Hands the turn's messages over, one batch per shard, in the order they
    /// came. A new request that finds no room is answered with 503.
    fn hand_over(&mut self, now: Instant) {
        let mut answers = Vec::new();
        for (mail, batch) in self.receivers.shards.iter().zip(&mut self.to_shards) {
            let class =
                |entry: &(bool, Event)| if entry.0 { Class::New } else { Class::Continuing };
            let refused = mail.send_each(batch, class, |(_, event)| S::from(event));
            self.counters.refused.fetch_add(refused as u64, Ordering::Relaxed);
            answers.extend(batch.drain(..).filter_map(|(_, event)| no_room(&event)));
        }
        self.receivers.checker.send_batch(Class::Internal, &mut self.to_checker);
        for answer in answers {
            self.send(answer, now);
        }
    }

    /// Takes the connections that wait at the listener.
    fn accept(&mut self) {
        let Sockets::Running(_, tcp) = &self.sockets else { return };
        let mut context = Context::from_waker(core::task::Waker::noop());
        while let Poll::Ready(Ok(accepted)) = tcp.poll_accept(&mut context) {
            self.accepted.push(accepted);
        }
    }
}

impl<S: From<Event> + Send, C: From<Event> + Send> Module for TransportModule<S, C> {
    fn name(&self) -> &str {
        &self.name
    }

    fn start(&mut self) {
        let Sockets::Bound(udp, tcp) = core::mem::replace(&mut self.sockets, Sockets::Gone) else {
            return;
        };
        match (UdpSocket::from_std(udp.into()), TcpListener::from_std(tcp.into())) {
            (Ok(udp), Ok(tcp)) => self.sockets = Sockets::Running(udp, tcp),
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(node = %self.name, %error, "sockets cannot be used")
            }
        }
    }

    fn turn(&mut self, now: Instant) -> usize {
        let mut work = self.read_datagrams();
        self.accept();
        if !self.streams.is_empty() || !self.accepted.is_empty() {
            work += self.turn_streams(now);
        }
        self.hand_over(now);
        work += self.take_mail(now) + self.flush_datagrams();
        self.hand_over(now);
        self.next_look = now + Duration::from_millis(250);
        work
    }

    fn next_deadline(&self) -> Instant {
        if self.streams.is_empty() { Instant::NEVER } else { self.next_look }
    }

    fn set_waker(&mut self, waker: &Arc<ThreadWaker>) {
        self.inbox.set_waker(waker.clone());
    }

    fn poll_io(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Sockets::Running(udp, tcp) = &self.sockets else { return Poll::Pending };
        let mut ready = udp.poll_recv_ready(context).is_ready();
        if !self.unsent.is_empty() {
            ready |= udp.poll_send_ready(context).is_ready();
        }
        while let Poll::Ready(accepted) = tcp.poll_accept(context) {
            ready = true;
            match accepted {
                Ok(accepted) => self.accepted.push(accepted),
                Err(_) => break,
            }
        }
        for stream in self.streams.values() {
            ready |= stream.poll(context).is_ready();
        }
        if ready { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// The answer to a request that found no room (RFC 3261 21.5.4).
fn no_room(event: &Event) -> Option<Outbound> {
    let Event::Packet(packet) = event else { return None };
    if packet.message.method() == Method::Ack || !packet.message.is_request() {
        return None;
    }
    let mut writer = response_to(&packet.message, 503, b"", b"full", None);
    writer.header(HeaderId::RetryAfter, "5");
    Some(Outbound { to: Destination::Flow(packet.flow), bytes: writer.body(None), sender: None })
}

fn bind_udp(address: SocketAddr) -> std::io::Result<socket2::Socket> {
    let socket =
        socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::DGRAM, None)?;
    // A smaller buffer than asked for is no reason not to start.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_LEN);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn bind_tcp(address: SocketAddr) -> std::io::Result<socket2::Socket> {
    let socket =
        socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(socket)
}

/// Starts to connect, from our own address and any port.
fn connect_tcp(from: IpAddr, remote: SocketAddr) -> std::io::Result<tokio::net::TcpStream> {
    let socket =
        socket2::Socket::new(socket2::Domain::for_address(remote), socket2::Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    if from.is_ipv4() == remote.is_ipv4() && !from.is_unspecified() {
        socket.bind(&SocketAddr::new(from, 0).into())?;
    }
    match socket.connect(&remote.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(libc_in_progress()) => {}
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Err(error) => return Err(error),
    }
    tokio::net::TcpStream::from_std(socket.into())
}

/// `EINPROGRESS` on Linux: the connection is being made.
const fn libc_in_progress() -> i32 {
    115
}
