//! The turn of a module that is a machine over the clients of one port.

use super::clients::{Action, Cx, Event};
use super::port::{ClientId, Port};
use crate::base::id::Ids;
use crate::base::limits::{CLIENTS_MAX, TURN_BATCH_LEN};
use crate::base::outbox::Outbox;
use crate::base::time::Instant;
use crate::observe::listing::PUBLISH_INTERVAL;
use crate::runtime::clock::Clock;
use crate::runtime::guard::{Panics, caught};
use crate::runtime::mailbox::Inbox;
use crate::runtime::module::Module;
use crate::runtime::pause::Deadlines;
use crate::runtime::waker::ThreadWaker;
use core::task::{Context, Poll};
use std::sync::Arc;

/// Actions of one event: a few frames for every client.
const EVENT_ACTIONS_LEN_MAX: usize = 64 * CLIENTS_MAX;

/// A machine over the clients of one port.
pub trait Core: Send {
    /// What other modules can tell it.
    type Mail: Send;
    /// What only it can want done.
    type Own: Send;

    /// Takes one event.
    fn on(&mut self, event: Event<Self::Mail>, cx: &mut Cx<'_, Self::Own>);
}

/// Shows a machine and its port on the board.
pub type Publish<C> = Box<dyn FnMut(&C, &Port, Instant) + Send>;

/// What a module tells others.
pub struct Listeners<C: Core> {
    /// The board, now and then.
    pub publish: Publish<C>,
    /// What only this machine can want done.
    pub own: Box<dyn FnMut(C::Own) + Send>,
}

/// A port with its machine.
pub struct PortModule<C: Core> {
    name: String,
    core: C,
    port: Port,
    ids: Ids,
    clock: Clock,
    inbox: Inbox<C::Mail>,
    deadlines: Deadlines<ClientId>,
    out: Outbox<Action<C::Own>>,
    panics: Panics,
    listeners: Listeners<C>,
    next_publish: Instant,
}

impl<C: Core> PortModule<C> {
    /// A machine between a mailbox and a port; `name` is that of the application with the
    /// number of the thread.
    #[must_use]
    pub fn new(
        name: String,
        (core, port): (C, Port),
        ids: Ids,
        clock: Clock,
        inbox: Inbox<C::Mail>,
        listeners: Listeners<C>,
    ) -> Self {
        Self {
            name,
            core,
            port,
            ids,
            clock,
            inbox,
            deadlines: Deadlines::default(),
            out: Outbox::new(EVENT_ACTIONS_LEN_MAX),
            panics: Panics::default(),
            listeners,
            next_publish: Instant::ZERO,
        }
    }

    fn on(&mut self, event: Event<C::Mail>, now: Instant) {
        let client = match &event {
            Event::Heard(id, _) | Event::Wake(id) => Some(*id),
            Event::Mail(_) => None,
        };
        let port = &self.port;
        let mut cx = Cx {
            now,
            wall: self.clock.wall(),
            ids: &mut self.ids,
            out: &mut self.out,
            backlog: &|id| port.backlog_len(id),
        };
        let turn = caught(|| self.core.on(event, &mut cx));
        if let Err(panicked) = turn {
            tracing::error!(node = %self.name, client = client.map(|client| client.0), %panicked, "a turn panicked: the client that it worked for is ended");
            self.panics.note(&panicked, now);
            if let Some(id) = client {
                self.port.end(id, now);
            }
        }
        for action in self.out.drain() {
            match action {
                Action::Send(id, frame) => self.port.send(id, frame),
                Action::End(id) => self.port.end(id, now),
                Action::Arm(id, at) => self.deadlines.arm(at, id),
                Action::Own(own) => (self.listeners.own)(own),
            }
        }
    }
}

impl<C: Core> Module for PortModule<C> {
    fn name(&self) -> &str {
        &self.name
    }

    fn start(&mut self) {
        self.port.start();
    }

    fn turn(&mut self, now: Instant) -> usize {
        let due = self.deadlines.expire(now);
        let mut heard = Vec::new();
        let mut work = due.len() + self.port.read(now, &mut heard);
        for (client, what) in heard {
            self.on(Event::Heard(client, what), now);
        }
        let mut batch = Vec::new();
        work += self.inbox.take(&mut batch, TURN_BATCH_LEN);
        for mail in batch {
            self.on(Event::Mail(mail), now);
        }
        for client in due {
            self.on(Event::Wake(client), now);
        }
        self.port.flush();
        if now >= self.next_publish {
            self.next_publish = now + PUBLISH_INTERVAL;
            (self.listeners.publish)(&self.core, &self.port, now);
        }
        work
    }

    fn has_work(&self) -> bool {
        !self.inbox.is_empty() || self.port.has_work()
    }

    fn next_deadline(&self) -> Instant {
        self.deadlines.next().min(self.next_publish).min(self.port.next_deadline())
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
