//! The shard's turn.

use super::core::{Action, Core, Counted, Cx, Event};
use super::inbox::Inbox;
use crate::base::flow::Outbound;
use crate::base::id::{Ids, Slot};
use crate::base::limits::{OUTBOX_LEN_MAX, TURN_BATCH_LEN};
use crate::base::outbox::Outbox;
use crate::base::time::{Duration, Instant};
use crate::modules::cluster_link::handle::ClusterLink;
use crate::modules::transport::core::Event as TransportEvent;
use crate::modules::transport::handle::Transport;
use crate::observe::listing::PUBLISH_INTERVAL;
use crate::runtime::clock::Clock;
use crate::runtime::guard::{Panics, caught};
use crate::runtime::mailbox::Inbox as Mailbox;
use crate::runtime::module::Module;
use crate::runtime::pause::Deadlines;
use crate::runtime::waker::ThreadWaker;
use crate::sip::registrar::Entry;
use core::net::SocketAddr;
use std::sync::Arc;

/// Shows the shard's state.
pub type Publish = Box<dyn FnMut(&Core, Instant) + Send>;

/// What the shard's surroundings hear from it, and tell it.
pub struct Listeners {
    /// A node stayed silent, by the address of its primary or backup.
    pub suspect: Box<dyn FnMut(SocketAddr) + Send>,
    /// Something to count.
    pub count: Box<dyn FnMut(Counted) + Send>,
    /// The state to be shown, now and then.
    pub publish: Publish,
    /// What the wall clock shows.
    pub clock: Clock,
}

/// One proxy shard.
pub struct ProxyModule {
    name: String,
    core: Core,
    ids: Ids,
    inbox: Mailbox<Inbox>,
    transport: Transport,
    link: Option<ClusterLink>,
    listeners: Listeners,
    deadlines: Deadlines<Slot>,
    out: Outbox<Action>,
    /// What the other proxies are to hear of, until the end of the turn.
    changes: Vec<Entry>,
    panics: Panics,
    /// Room for the mail of a turn.
    batch: Vec<Inbox>,
    /// Room for what a turn sends.
    sends: Vec<Outbound>,
    next_publish: Instant,
    next_expiry: Instant,
}

impl ProxyModule {
    /// A shard between a mailbox and a transport.
    #[must_use]
    pub fn new(
        application: &str,
        core: Core,
        ids: Ids,
        inbox: Mailbox<Inbox>,
        transport: Transport,
        link: Option<ClusterLink>,
        listeners: Listeners,
    ) -> Self {
        Self {
            name: format!("{application}-001"),
            core,
            ids,
            inbox,
            transport,
            link,
            listeners,
            deadlines: Deadlines::default(),
            out: Outbox::new(OUTBOX_LEN_MAX),
            changes: Vec::new(),
            panics: Panics::default(),
            batch: Vec::new(),
            sends: Vec::new(),
            next_publish: Instant::ZERO,
            next_expiry: Instant::ZERO,
        }
    }

    fn on(&mut self, event: Event, now: Instant, sends: &mut Vec<Outbound>) {
        let mut cx = Cx { now, ids: &mut self.ids, out: &mut self.out };
        if let Err(panicked) = caught(|| self.core.on(event, &mut cx)) {
            let call_id = self.core.on_panic(&mut cx);
            tracing::error!(node = %self.name, ?call_id, %panicked, "a turn panicked: the request that it worked on is ended");
            self.panics.note(&panicked, now);
        }
        for action in self.out.drain() {
            match action {
                Action::Send(outbound) => sends.push(outbound),
                Action::Arm(slot, at) => self.deadlines.arm(at, slot),
                Action::Share(entry) => self.changes.push(entry),
                Action::Suspect(id) => {
                    let known = self.core.settings().node(id);
                    for address in known.into_iter().flat_map(|node| &node.addresses) {
                        (self.listeners.suspect)(*address);
                    }
                }
                Action::Count(counted) => (self.listeners.count)(counted),
            }
        }
    }
}

impl Module for ProxyModule {
    fn name(&self) -> &str {
        &self.name
    }

    fn turn(&mut self, now: Instant) -> usize {
        let mut sends = core::mem::take(&mut self.sends);
        let mut batch = core::mem::take(&mut self.batch);
        let due = self.deadlines.expire(now);
        if now >= self.next_expiry {
            self.next_expiry = now + Duration::from_secs(1);
            self.on(Event::Wall(self.listeners.clock.wall()), now, &mut sends);
            self.on(Event::Expire, now, &mut sends);
            // What a turn has no time for is the next one's.
            if self.core.registrar().deadline().is_some_and(|due| due <= now) {
                self.next_expiry = now;
            }
        }
        let work = due.len() + self.inbox.take(&mut batch, TURN_BATCH_LEN);
        for message in batch.drain(..) {
            let event = match message {
                Inbox::Transport(event) => match event {
                    TransportEvent::Packet(packet) => Event::Packet(packet),
                    TransportEvent::SendFailed(sender) => Event::SendFailed(sender),
                },
                Inbox::Node(id, primary) => Event::Node(id, primary),
                Inbox::Draining(id, is_draining) => Event::Draining(id, is_draining),
                Inbox::Binding(entry) => Event::Binding(*entry),
                Inbox::Settings(settings) => Event::Settings(settings),
            };
            self.on(event, now, &mut sends);
        }
        for slot in due {
            self.on(Event::Wake(slot), now, &mut sends);
        }
        match &self.link {
            Some(link) => link.share(&mut self.changes),
            None => self.changes.clear(),
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
        self.deadlines.next().min(self.next_expiry).min(self.next_publish)
    }

    fn set_waker(&mut self, waker: &Arc<ThreadWaker>) {
        self.inbox.set_waker(waker.clone());
    }
}
