//! The turn of a transport: what it was told, what the sockets have, what is late.

use super::core::{Core, Event, Parcel, SendError};
use super::counters::TransportCounters;
use super::handle::Transport;
use super::handover::Handover;
use super::inbox::Inbox;
use super::ports::{BindError, LocalPorts, Opened, open};
use super::resolve::{Names, Wait};
use super::shards::Shards;
use super::tcp::Streams;
use super::udp::Datagrams;
use crate::base::flow::{ConnectionId, Destination, Outbound, Protocol};
use crate::base::limits::{MAILBOX_LEN_MAX, TURN_BATCH_LEN};
use crate::base::time::Instant;
use crate::runtime::mailbox::{self, Class, Mail, Mailboxes};
use crate::runtime::module::Module;
use crate::runtime::waker::ThreadWaker;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::task::{Context, Poll};
use std::sync::Arc;

/// The transport of one application. `I` is what its shards can be told.
pub struct TransportModule<I> {
    name: String,
    addresses: Vec<SocketAddr>,
    /// Bound and not yet registered with a reactor.
    opened: Vec<Opened>,
    mail: Mail<Inbox>,
    inbox: mailbox::Inbox<Inbox>,
    batch: Vec<Inbox>,
    answers: Vec<Outbound>,
    shards: Shards<I>,
    core: Core,
    datagrams: Datagrams,
    streams: Streams,
    names: Names,
    handover: Handover,
    local_ports: Arc<LocalPorts>,
    is_shut: bool,
    now: Instant,
}

impl<I> fmt::Debug for TransportModule<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransportModule({}, {:?})", self.name, self.addresses)
    }
}

impl<I: From<Event> + Send> TransportModule<I> {
    /// Opens a UDP and a TCP socket on each address for the application `name` and
    /// puts the addresses on the list of the process. Gives the addresses with the
    /// ports that stand for zeros. With `handover` off, messages to transports of
    /// this process go through sockets too.
    ///
    /// # Errors
    /// When an address cannot be opened; nothing stays open then.
    pub fn bind(
        name: &str,
        listen: &[SocketAddr],
        shards: Shards<I>,
        local_ports: Arc<LocalPorts>,
        handover: bool,
        mailboxes: &Mailboxes,
    ) -> Result<(Self, Vec<SocketAddr>), BindError> {
        let opened =
            listen.iter().map(|&address| open(address, name)).collect::<Result<Vec<_>, _>>()?;
        let addresses: Vec<SocketAddr> = opened.iter().map(|opened| opened.address).collect();
        let (mail, inbox) = mailboxes.mailbox(&format!("{name} transport"), MAILBOX_LEN_MAX);
        for &address in &addresses {
            local_ports.add(address, &mail);
        }
        let shard_count = u8::try_from(shards.shards.len()).unwrap_or(u8::MAX);
        let module = Self {
            name: format!("{name} transport"),
            addresses: addresses.clone(),
            opened,
            mail,
            inbox,
            batch: Vec::new(),
            answers: Vec::new(),
            shards,
            core: Core::new(name, shard_count),
            datagrams: Datagrams::new(),
            streams: Streams::new(),
            names: Names::default(),
            handover: Handover::new(handover, Arc::clone(&local_ports)),
            local_ports,
            is_shut: false,
            now: Instant::ZERO,
        };
        Ok((module, addresses))
    }

    /// The way to this transport.
    #[must_use]
    pub fn handle(&self) -> Transport {
        Transport::new(self.mail.clone())
    }

    /// What it counts.
    #[must_use]
    pub fn counters(&self) -> Arc<TransportCounters> {
        Arc::clone(&self.core.counters)
    }

    fn take_inbox(&mut self) -> usize {
        let mut batch = core::mem::take(&mut self.batch);
        let work = self.inbox.take(&mut batch, TURN_BATCH_LEN);
        for entry in batch.drain(..) {
            match entry {
                Inbox::Send(outbound) => self.send(outbound),
                Inbox::Delivered { flow, bytes } => {
                    // What is no message is counted there; its sender hears as little as on a wire.
                    let _ = self.core.receive(flow, Vec::from(bytes));
                }
                Inbox::Resolved { host, addresses } => self.on_resolved(&host, addresses),
                Inbox::Stop => self.shut(),
            }
        }
        self.batch = batch;
        work
    }

    fn send(&mut self, outbound: Outbound) {
        if self.is_shut {
            self.core.fail(outbound.sender, SendError::Closed);
            return;
        }
        let Outbound { to, bytes, sender } = outbound;
        match to {
            Destination::Flow(flow) => {
                let connection = Some(flow.connection).filter(|id| *id != ConnectionId(0));
                let parcel = Parcel { bytes, sender };
                self.send_to(flow.protocol, Some(flow.local), flow.remote, connection, parcel);
            }
            Destination::Address { protocol, remote } => {
                self.send_to(protocol, None, remote, None, Parcel { bytes, sender });
            }
            Destination::Host { protocol, host, port } => {
                self.send_to_host(protocol, host, port, Parcel { bytes, sender });
            }
        }
    }

    fn send_to(
        &mut self,
        protocol: Protocol,
        local: Option<SocketAddr>,
        remote: SocketAddr,
        connection: Option<ConnectionId>,
        parcel: Parcel,
    ) {
        if connection.is_none()
            && self.handover.reaches(protocol, remote)
            && let Some(local) = self.local_address(local, remote)
        {
            self.handover.push(protocol, local, remote, parcel, &mut self.core);
            return;
        }
        match protocol {
            Protocol::Udp => self.datagrams.send(local, remote, parcel, &mut self.core),
            Protocol::Tcp => {
                self.streams.send(connection, local, remote, parcel, self.now, &mut self.core);
            }
        }
    }

    /// The wanted address if it is ours, else our first of the family of `remote`.
    fn local_address(&self, wanted: Option<SocketAddr>, remote: SocketAddr) -> Option<SocketAddr> {
        wanted
            .filter(|wanted| self.addresses.contains(wanted))
            .or_else(|| self.addresses.iter().copied().find(|own| own.is_ipv4() == remote.is_ipv4()))
    }

    fn send_to_host(&mut self, protocol: Protocol, host: Box<str>, port: u16, parcel: Parcel) {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&host);
        if let Ok(address) = bare.parse::<IpAddr>() {
            self.send_to(protocol, None, SocketAddr::new(address, port), None, parcel);
            return;
        }
        let name = host.to_ascii_lowercase();
        let Some(addresses) = self.names.find(&name, self.now) else {
            let Parcel { bytes, sender } = parcel;
            let to = Destination::Host { protocol, host, port };
            match self.names.wait(&name, Outbound { to, bytes, sender }, self.now) {
                Wait::LookUp => self.look_up(name),
                Wait::Queued => {}
                Wait::Full(outbound) => self.core.fail(outbound.sender, SendError::Congested),
            }
            return;
        };
        let mut addresses = addresses.iter().map(|&address| SocketAddr::new(address, port));
        match addresses.find(|&remote| self.local_address(None, remote).is_some()) {
            Some(remote) => self.send_to(protocol, None, remote, None, parcel),
            None => self.core.fail(parcel.sender, SendError::HostNotFound),
        }
    }

    /// Asks the system for a name, off this thread.
    fn look_up(&self, host: String) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let mail = self.mail.clone();
        runtime.spawn(async move {
            let addresses = match tokio::net::lookup_host((host.as_str(), 0)).await {
                Ok(found) => found.map(|address| address.ip()).collect(),
                Err(error) => {
                    tracing::debug!(host, %error, "a name has no address");
                    Vec::new()
                }
            };
            // A lost answer ends like one that takes too long.
            let _ = mail.send(Class::Internal, Inbox::Resolved { host: host.into(), addresses });
        });
    }

    fn on_resolved(&mut self, host: &str, addresses: Vec<IpAddr>) {
        for outbound in self.names.resolved(host, addresses, self.now) {
            self.send(outbound);
        }
    }

    fn expire(&mut self) {
        self.streams.expire(self.now, &mut self.core);
        for outbound in self.names.expire(self.now) {
            self.core.fail(outbound.sender, SendError::HostNotFound);
        }
    }

    /// Hands over what has gathered. Answers to what shards refused have no sender,
    /// so nothing is laid into a batch behind its flush.
    fn flush(&mut self) {
        self.handover.flush(&mut self.core);
        let mut answers = core::mem::take(&mut self.answers);
        self.shards.flush(&mut self.core, &mut answers);
        for answer in answers.drain(..) {
            self.send(answer);
        }
        self.answers = answers;
        self.handover.flush(&mut self.core);
    }

    fn shut(&mut self) {
        if !self.is_shut {
            self.leave_local_ports();
            self.datagrams.close(&mut self.core);
            self.streams.close(&mut self.core);
            self.is_shut = true;
        }
    }
}

impl<I> TransportModule<I> {
    fn leave_local_ports(&self) {
        for &address in &self.addresses {
            self.local_ports.remove(address);
        }
    }
}

impl<I> Drop for TransportModule<I> {
    fn drop(&mut self) {
        if !self.is_shut {
            self.leave_local_ports();
        }
    }
}

impl<I: From<Event> + Send> Module for TransportModule<I> {
    fn name(&self) -> &str {
        &self.name
    }

    fn set_waker(&mut self, waker: &Arc<ThreadWaker>) {
        self.inbox.set_waker(Arc::clone(waker));
        self.streams.set_waker(waker);
    }

    /// # Panics
    /// When the reactor does not take a socket: without it the application is deaf,
    /// and the end of the thread ends the process.
    fn start(&mut self) {
        for Opened { address, udp, tcp } in core::mem::take(&mut self.opened) {
            let added =
                self.datagrams.add(address, udp).and_then(|()| self.streams.add(address, tcp));
            if let Err(error) = added {
                panic!("{}: {address} cannot be watched: {error}", self.name);
            }
        }
    }

    fn turn(&mut self, now: Instant) -> usize {
        self.now = now;
        let mut work = self.take_inbox();
        work += self.datagrams.flush(&mut self.core);
        work += self.datagrams.receive(&mut self.core);
        work += self.streams.accept(now, &self.core);
        work += self.streams.serve(now, &mut self.core);
        self.expire();
        self.flush();
        work
    }

    fn next_deadline(&self) -> Instant {
        self.streams.next_deadline().min(self.names.next_deadline())
    }

    fn poll_io(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.streams.is_ready() {
            return Poll::Ready(());
        }
        self.datagrams.poll(cx)
    }

    fn stop(&mut self) {
        while self.take_inbox() > 0 {}
        self.datagrams.flush(&mut self.core);
        while self.streams.is_ready() && self.streams.serve(self.now, &mut self.core) > 0 {
            if !self.streams.has_unsent() {
                break;
            }
        }
        self.flush();
        self.shut();
    }
}
