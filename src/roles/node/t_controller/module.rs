//! The T-Controller's turn.

use super::core::{Action, Core, Cx, Event, Wake};
use super::inbox::Inbox;
use crate::base::id::Ids;
use crate::base::limits::{CLIENTS_MAX, DNS_PER_EVENT_MAX, TURN_BATCH_LEN};
use crate::base::outbox::Outbox;
use crate::base::time::Instant;
use crate::modules::t_library::port::{ClientId, Heard, Port};
use crate::runtime::clock::Clock;
use crate::runtime::guard::{Panics, caught};
use crate::runtime::mailbox::Inbox as Mailbox;
use crate::runtime::module::Module;
use crate::runtime::pause::Deadlines;
use crate::runtime::waker::ThreadWaker;
use core::task::{Context, Poll};
use std::sync::Arc;

/// Actions of one event: two events at each DN that is looked at, for every client.
const EVENT_ACTIONS_LEN_MAX: usize = 3 * DNS_PER_EVENT_MAX * CLIENTS_MAX;

/// The T-Controller of a node, with its port.
pub struct TControllerModule {
    name: String,
    core: Core,
    port: Port,
    ids: Ids,
    clock: Clock,
    inbox: Mailbox<Inbox>,
    deadlines: Deadlines<Wake>,
    out: Outbox<Action>,
    panics: Panics,
    /// Room for what the turn hears.
    heard: Vec<(ClientId, Heard)>,
}

impl TControllerModule {
    /// A T-Controller between a mailbox and a port.
    #[must_use]
    pub fn new(
        application: &str,
        core: Core,
        port: Port,
        ids: Ids,
        clock: Clock,
        inbox: Mailbox<Inbox>,
    ) -> Self {
        Self {
            name: format!("{application}-1280"),
            core,
            port,
            ids,
            clock,
            inbox,
            deadlines: Deadlines::default(),
            out: Outbox::new(EVENT_ACTIONS_LEN_MAX),
            panics: Panics::default(),
            heard: Vec::new(),
        }
    }

    fn on(&mut self, event: Event, now: Instant) {
        let wall = self.clock.wall();
        let client = match &event {
            Event::Heard(client, _) => Some(*client),
            Event::Phone(_) | Event::Fact(_) | Event::Wake(_) | Event::Settings(_) => None,
        };
        let mut cx = Cx { now, wall, ids: &mut self.ids, out: &mut self.out };
        if let Err(panicked) = caught(|| self.core.on(event, &mut cx)) {
            tracing::error!(node = %self.name, client = client.map(|client| client.0), %panicked, "a turn panicked: the client that it worked for is ended");
            self.core.on_panic();
            self.panics.note(&panicked, now);
            if let Some(client) = client {
                self.port.end(client, now);
            }
        }
        for action in self.out.drain() {
            match action {
                Action::Send(client, frame) => self.port.send(client, frame),
                Action::End(client) => self.port.end(client, now),
                Action::Arm(wake, at) => self.deadlines.arm(at, wake),
            }
        }
    }
}

impl Module for TControllerModule {
    fn name(&self) -> &str {
        &self.name
    }

    fn start(&mut self) {
        self.port.start();
    }

    fn turn(&mut self, now: Instant) -> usize {
        let due = self.deadlines.expire(now);
        let mut heard = core::mem::take(&mut self.heard);
        let mut work = due.len() + self.port.read(now, &mut heard);
        for (client, what) in heard.drain(..) {
            self.on(Event::Heard(client, what), now);
        }
        self.heard = heard;
        let mut batch = Vec::new();
        work += self.inbox.take(&mut batch, TURN_BATCH_LEN);
        for message in batch {
            let event = match message {
                Inbox::Phone(phone) => Event::Phone(phone),
                Inbox::Fact(fact) => Event::Fact(fact),
                Inbox::Settings(settings) => Event::Settings(settings),
            };
            self.on(event, now);
        }
        for wake in due {
            self.on(Event::Wake(wake), now);
        }
        self.port.flush();
        work
    }

    fn has_work(&self) -> bool {
        !self.inbox.is_empty() || self.port.has_work()
    }

    fn next_deadline(&self) -> Instant {
        self.deadlines.next().min(self.port.next_deadline())
    }

    fn set_waker(&mut self, waker: &Arc<ThreadWaker>) {
        self.inbox.set_waker(waker.clone());
        self.port.set_waker(waker.clone());
    }

    fn poll_io(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.port.poll(context)
    }

    fn stop(&mut self) {
        self.port.flush();
    }
}
