//! The checker's turn.

use super::core::{Action, Core, Cx, Event, Standing, Target};
use super::inbox::Inbox;
use crate::base::flow::Outbound;
use crate::base::id::Ids;
use crate::base::limits::{OUTBOX_LEN_MAX, TURN_BATCH_LEN};
use crate::base::outbox::Outbox;
use crate::base::time::Instant;
use crate::modules::transport::core::Event as TransportEvent;
use crate::modules::transport::handle::Transport;
use crate::runtime::clock::Clock;
use crate::runtime::mailbox::Inbox as Mailbox;
use crate::runtime::module::Module;
use crate::runtime::pause::Deadlines;
use crate::runtime::waker::ThreadWaker;
use std::sync::Arc;

/// Hears of every change of a target's state.
pub type Listener = Box<dyn FnMut(&Target, Standing) + Send>;

/// The Service Checker of one application.
pub struct ServiceCheckerModule {
    name: String,
    core: Core,
    ids: Ids,
    inbox: Mailbox<Inbox>,
    transport: Transport,
    listener: Listener,
    clock: Clock,
    deadlines: Deadlines<usize>,
    out: Outbox<Action>,
    started: bool,
}

impl ServiceCheckerModule {
    /// A checker that tells `listener` of every change.
    #[must_use]
    pub fn new(
        application: &str,
        core: Core,
        ids: Ids,
        inbox: Mailbox<Inbox>,
        transport: Transport,
        listener: Listener,
        clock: Clock,
    ) -> Self {
        Self {
            name: format!("{application}-512"),
            core,
            ids,
            inbox,
            transport,
            listener,
            clock,
            deadlines: Deadlines::default(),
            out: Outbox::new(OUTBOX_LEN_MAX),
            started: false,
        }
    }

    fn on(&mut self, event: Event, now: Instant) {
        let wall = self.clock.wall();
        self.core.on(event, &mut Cx { now, wall, ids: &mut self.ids, out: &mut self.out });
    }

    fn apply(&mut self) {
        let mut sends: Vec<Outbound> = Vec::new();
        for action in self.out.drain() {
            match action {
                Action::Send(outbound) => sends.push(outbound),
                Action::Arm(index, at) => self.deadlines.arm(at, index),
                Action::State { target, standing, reason } => {
                    let Some((found, _)) = self.core.states().nth(target) else { continue };
                    let destination = &found.to;
                    tracing::info!(node = %self.name, target = %found.name, %destination, %reason, "{standing}");
                    (self.listener)(found, standing);
                }
                Action::Gone(target) => {
                    tracing::info!(node = %self.name, target = %target.name, "no longer checked");
                    (self.listener)(&target, Standing::Gone);
                }
            }
        }
        self.transport.send(&mut sends);
    }
}

impl Module for ServiceCheckerModule {
    fn name(&self) -> &str {
        &self.name
    }

    fn turn(&mut self, now: Instant) -> usize {
        if !self.started {
            self.started = true;
            let presumed: Vec<Target> = self
                .core
                .states()
                .filter(|(_, state)| *state)
                .map(|(target, _)| target.clone())
                .collect();
            for target in &presumed {
                (self.listener)(target, Standing::In);
            }
            self.on(Event::Start, now);
        }
        let due = self.deadlines.expire(now);
        let mut batch = Vec::new();
        let work = due.len() + self.inbox.take(&mut batch, TURN_BATCH_LEN);
        for message in batch {
            match message {
                Inbox::Suspect(address) => self.on(Event::Suspect(address), now),
                Inbox::Targets(targets) => self.on(Event::Targets(targets), now),
                Inbox::Transport(event) => match event {
                    TransportEvent::Packet(packet) => {
                        self.on(Event::Response(Box::new(packet.message)), now)
                    }
                    TransportEvent::SendFailed(sender) => self.on(Event::SendFailed(sender), now),
                },
            }
        }
        for index in due {
            self.on(Event::Wake(index), now);
        }
        self.apply();
        work
    }

    fn has_work(&self) -> bool {
        !self.inbox.is_empty()
    }

    fn next_deadline(&self) -> Instant {
        self.deadlines.next()
    }

    fn set_waker(&mut self, waker: &Arc<ThreadWaker>) {
        self.inbox.set_waker(waker.clone());
    }
}
