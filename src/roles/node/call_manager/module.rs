//! The shard's turn.

use super::core::{Action, Core, Cx, Event, Wake};
use super::inbox::Inbox;
use crate::base::flow::Outbound;
use crate::base::id::Ids;
use crate::base::limits::{OUTBOX_LEN_MAX, TURN_BATCH_LEN};
use crate::base::outbox::Outbox;
use crate::base::time::Instant;
use crate::call::facts::CallFact;
use crate::call::record::CallRecord;
use crate::modules::transport::core::Event as TransportEvent;
use crate::modules::transport::handle::Transport;
use crate::observe::listing::PUBLISH_INTERVAL;
use crate::roles::node::t_controller::inbox::Phone;
use crate::runtime::clock::Clock;
use crate::runtime::guard::{Panics, caught};
use crate::runtime::mailbox::Inbox as Mailbox;
use crate::runtime::module::Module;
use crate::runtime::ownership_table::OwnershipTable;
use crate::runtime::pause::Deadlines;
use crate::runtime::waker::ThreadWaker;
use crate::sip::user_agent::Counted;
use core::net::SocketAddr;
use std::sync::Arc;

/// Shows the shard's state.
pub type Publish = Box<dyn FnMut(&Core, Instant) + Send>;

/// What the shard's surroundings hear from it.
pub struct Listeners {
    /// A proxy stayed silent.
    pub suspect: Box<dyn FnMut(SocketAddr) + Send>,
    /// Something to count.
    pub count: Box<dyn FnMut(Counted) + Send>,
    /// A call is over.
    pub record: Box<dyn FnMut(Box<CallRecord>) + Send>,
    /// A phone has registered.
    pub phone: Box<dyn FnMut(Box<Phone>) + Send>,
    /// Something has happened in a call.
    pub fact: Box<dyn FnMut(Box<CallFact>) + Send>,
    /// The state to be shown, now and then.
    pub publish: Publish,
    /// What is known of DNs.
    pub dns: Arc<OwnershipTable>,
}

/// One Call Manager shard.
pub struct CallManagerModule {
    name: String,
    core: Core,
    ids: Ids,
    clock: Clock,
    inbox: Mailbox<Inbox>,
    transport: Transport,
    listeners: Listeners,
    deadlines: Deadlines<Wake>,
    out: Outbox<Action>,
    panics: Panics,
    /// Room for the mail of a turn.
    batch: Vec<Inbox>,
    /// Room for what a turn sends.
    sends: Vec<Outbound>,
    next_publish: Instant,
}

impl CallManagerModule {
    /// A shard between a mailbox and a transport.
    #[must_use]
    pub fn new(
        application: &str,
        core: Core,
        ids: Ids,
        clock: Clock,
        inbox: Mailbox<Inbox>,
        transport: Transport,
        listeners: Listeners,
    ) -> Self {
        Self {
            name: format!("{application}-001"),
            core,
            ids,
            clock,
            inbox,
            transport,
            listeners,
            deadlines: Deadlines::default(),
            out: Outbox::new(OUTBOX_LEN_MAX),
            panics: Panics::default(),
            batch: Vec::new(),
            sends: Vec::new(),
            next_publish: Instant::ZERO,
        }
    }

    fn on(&mut self, event: Event, now: Instant, sends: &mut Vec<Outbound>) {
        let wall = self.clock.wall();
        let dns = |place| self.listeners.dns.read(place);
        let mut cx = Cx { now, wall, ids: &mut self.ids, out: &mut self.out, dns: &dns };
        if let Err(panicked) = caught(|| self.core.on(event, &mut cx)) {
            let interaction_id = self.core.on_panic(&mut cx).map(|uuid| uuid.to_string());
            tracing::error!(node = %self.name, interaction_id, %panicked, "a turn panicked: the call that it worked on is ended");
            self.panics.note(&panicked, now);
        }
        for action in self.out.drain() {
            match action {
                Action::Send(outbound) => sends.push(outbound),
                Action::Arm(wake, at) => self.deadlines.arm(at, wake),
                Action::Record(record) => (self.listeners.record)(record),
                Action::Suspect(proxy) => (self.listeners.suspect)(proxy),
                Action::Count(counted) => (self.listeners.count)(counted),
                Action::Phone(phone) => (self.listeners.phone)(phone),
                Action::Fact(fact) => (self.listeners.fact)(fact),
            }
        }
    }
}

impl Module for CallManagerModule {
    fn name(&self) -> &str {
        &self.name
    }

    fn turn(&mut self, now: Instant) -> usize {
        let mut sends = core::mem::take(&mut self.sends);
        let mut batch = core::mem::take(&mut self.batch);
        let due = self.deadlines.expire(now);
        let work = due.len() + self.inbox.take(&mut batch, TURN_BATCH_LEN);
        for message in batch.drain(..) {
            let event = match message {
                Inbox::Transport(event) => match event {
                    TransportEvent::Packet(packet) => Event::Packet(packet),
                    TransportEvent::SendFailed(sender) => Event::SendFailed(sender),
                },
                Inbox::Trunk(name, in_service) => Event::Trunk(name, in_service),
                Inbox::Proxy(address, in_service) => Event::Proxy(address, in_service),
                Inbox::Ready(ready) => Event::Ready(ready),
                Inbox::Order(order) => Event::Order(order),
                Inbox::Settings(settings, stack) => Event::Settings(settings, stack),
            };
            self.on(event, now, &mut sends);
        }
        for wake in due {
            self.on(Event::Wake(wake), now, &mut sends);
        }
        self.transport.send(&mut sends);
        self.sends = sends;
        self.batch = batch;
        if now >= self.next_publish {
            self.next_publish = now + PUBLISH_INTERVAL;
            (self.listeners.publish)(&self.core, now);
        }
        work
    }

    fn has_work(&self) -> bool {
        !self.inbox.is_empty()
    }

    fn next_deadline(&self) -> Instant {
        self.deadlines.next().min(self.next_publish)
    }

    fn set_waker(&mut self, waker: &Arc<ThreadWaker>) {
        self.inbox.set_waker(waker.clone());
    }
}
