//! The T-Controller's turn.

use super::core::{Action, Core, Cx, Event, Wake};
use super::inbox::{Inbox, Operate};
use super::operator::OPERATOR;
use crate::base::id::Ids;
use crate::base::limits::{CLIENTS_MAX, DNS_PER_EVENT_MAX, TURN_BATCH_LEN};
use crate::base::outbox::Outbox;
use crate::base::ownership::{DnIndex, DnWord};
use crate::base::time::Instant;
use crate::call::facts::Order;
use crate::cti::tlib;
use crate::modules::t_library::port::{ClientId, Heard, Port};
use crate::observe::listing::PUBLISH_INTERVAL;
use crate::runtime::clock::Clock;
use crate::runtime::guard::{Panics, caught};
use crate::runtime::mailbox::Inbox as Mailbox;
use crate::runtime::module::Module;
use crate::runtime::ownership_table::OwnershipTable;
use crate::runtime::pause::Deadlines;
use crate::runtime::waker::ThreadWaker;
use core::net::IpAddr;
use core::task::{Context, Poll};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Actions of one event: two events at each DN that is looked at, for every client.
const EVENT_ACTIONS_LEN_MAX: usize = 3 * DNS_PER_EVENT_MAX * CLIENTS_MAX;

/// Shows the core, its port and its links on the board.
pub type Publish = Box<dyn FnMut(&Core, Option<&Port>, Option<&Port>, Instant) + Send>;

/// Wants something of a call.
pub type Tell = Box<dyn FnMut(Order) + Send>;

/// Who hears from a T-Controller besides its clients.
pub struct Listeners {
    /// The board, now and then.
    pub publish: Publish,
    /// The Call Manager.
    pub order: Tell,
}

/// Where it listens.
pub struct Ports {
    /// The TCport, where there is one; the port of a Smart Proxy.
    pub port: Option<Port>,
    /// The cluster port, where there is one.
    pub mesh: Option<Port>,
    /// From where others are dialled.
    pub host: IpAddr,
}

/// The T-Controller of a node, or its Smart Proxy, with its ports.
pub struct TControllerModule {
    name: String,
    core: Core,
    /// The TCport, where there is one.
    port: Option<Port>,
    /// The cluster port, by which it is linked with other T-Controllers.
    mesh: Option<Port>,
    /// From where it dials.
    from: Option<IpAddr>,
    ids: Ids,
    clock: Clock,
    inbox: Mailbox<Inbox>,
    deadlines: Deadlines<Wake>,
    out: Outbox<Action>,
    panics: Panics,
    /// Operators who wait for an answer.
    operators: BTreeMap<u64, oneshot::Sender<tlib::Event>>,
    next_operator: u64,
    listeners: Listeners,
    next_publish: Instant,
    /// Room for what the turn hears.
    heard: Vec<(ClientId, Heard)>,
    /// What every thread reads of its DNs, with the place of each there; a Smart Proxy has none.
    table: Option<Arc<OwnershipTable>>,
    places: Vec<DnIndex>,
}

impl TControllerModule {
    /// A T-Controller between a mailbox and a port.
    #[must_use]
    pub fn new(
        name: String,
        core: Core,
        ports: Ports,
        ids: Ids,
        clock: Clock,
        inbox: Mailbox<Inbox>,
        listeners: Listeners,
    ) -> Self {
        let Ports { port, mesh, host } = ports;
        Self {
            name,
            core,
            port,
            mesh,
            from: Some(host).filter(|host| !host.is_unspecified()),
            ids,
            clock,
            inbox,
            deadlines: Deadlines::default(),
            out: Outbox::new(EVENT_ACTIONS_LEN_MAX),
            panics: Panics::default(),
            operators: BTreeMap::new(),
            next_operator: 1,
            listeners,
            next_publish: Instant::ZERO,
            heard: Vec::new(),
            table: None,
            places: Vec::new(),
        }
    }

    /// Writes what is known of its DNs there.
    #[must_use]
    pub fn with_table(mut self, table: Arc<OwnershipTable>) -> Self {
        self.table = Some(table);
        self
    }

    fn note(&mut self, index: usize, word: DnWord) {
        let Some(table) = &self.table else { return };
        while let Some(name) = self.core.dn_name(self.places.len()) {
            self.places.push(table.index(name));
        }
        let Some(place) = self.places.get_mut(index) else { return };
        if *place == DnIndex::NONE {
            // It was no phone when it was first looked up.
            *place = self.core.dn_name(index).map_or(DnIndex::NONE, |name| table.index(name));
        }
        table.write(*place, word);
    }

    fn on(&mut self, event: Event, now: Instant) {
        let wall = self.clock.wall();
        let (client, link) = match &event {
            Event::Heard(client, _) => (Some(*client), None),
            Event::Link(link, _) => (None, Some(*link)),
            Event::Phone(_)
            | Event::Fact(_)
            | Event::Short
            | Event::Wake(_)
            | Event::Settings(_)
            | Event::Dialled(..)
            | Event::Operate(..)
            | Event::OperatorFrame(_) => (None, None),
        };
        let mut cx = Cx { now, wall, ids: &mut self.ids, out: &mut self.out };
        if let Err(panicked) = caught(|| self.core.on(event, &mut cx)) {
            tracing::error!(node = %self.name, client = client.map(|client| client.0), %panicked, "a turn panicked: the client that it worked for is ended");
            self.core.on_panic();
            self.panics.note(&panicked, now);
            for (port, id) in [(&mut self.port, client), (&mut self.mesh, link)] {
                if let (Some(port), Some(id)) = (port, id) {
                    port.end(id, now);
                }
            }
        }
        self.act(now);
    }

    fn act(&mut self, now: Instant) {
        let (mut dials, mut frames, mut notes) = (Vec::new(), Vec::new(), Vec::new());
        for action in self.out.drain() {
            match (action, &mut self.port, &mut self.mesh) {
                (Action::Send(OPERATOR, frame), ..) => frames.push(frame),
                (Action::Order(order), ..) => (self.listeners.order)(order),
                (Action::Note(index, word), ..) => notes.push((index, word)),
                (Action::Operated(ask, event), ..) => {
                    if let Some(answer) = self.operators.remove(&ask) {
                        // Who has asked may be gone.
                        let _ = answer.send(*event);
                    }
                }
                (Action::Send(client, frame), Some(port), _) => port.send(client, frame),
                (Action::End(client), Some(port), _) => port.end(client, now),
                (Action::SendLink(link, frame), _, Some(mesh)) => mesh.send(link, frame),
                (Action::EndLink(link), _, Some(mesh)) => mesh.end(link, now),
                (Action::Dial(node, address), _, Some(mesh)) => {
                    dials.push((node, mesh.dial(self.from, address, now)));
                }
                (Action::Arm(wake, at), ..) => self.deadlines.arm(at, wake),
                (
                    Action::Send(..)
                    | Action::End(_)
                    | Action::SendLink(..)
                    | Action::EndLink(_)
                    | Action::Dial(..),
                    ..,
                ) => {}
            }
        }
        for (index, word) in notes {
            self.note(index, word);
        }
        for (node, dialled) in dials {
            if let Err(error) = &dialled {
                tracing::debug!(node = %self.name, peer = node.get(), %error, "another T-Controller cannot be dialled");
            }
            let is_refused = dialled
                .as_ref()
                .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused);
            self.on(Event::Dialled(node, dialled.ok(), is_refused), now);
        }
        for frame in frames {
            self.on(Event::OperatorFrame(frame), now);
        }
    }

    fn operate(&mut self, asked: Operate) -> Event {
        // Some have not waited, or a turn for them has panicked.
        self.operators.retain(|_, answer| !answer.is_closed());
        let number = self.next_operator;
        self.next_operator += 1;
        self.operators.insert(number, asked.answer);
        Event::Operate(number, asked.kind, Box::new(asked.given))
    }

    fn ports(&mut self) -> impl Iterator<Item = &mut Port> {
        self.port.iter_mut().chain(self.mesh.iter_mut())
    }

    fn has_io_work(&self) -> bool {
        self.port.iter().chain(&self.mesh).any(Port::has_work)
    }
}

impl Module for TControllerModule {
    fn name(&self) -> &str {
        &self.name
    }

    fn start(&mut self) {
        self.ports().for_each(Port::start);
        self.on(Event::Wake(Wake::Links), self.clock.now());
    }

    fn turn(&mut self, now: Instant) -> usize {
        let due = self.deadlines.expire(now);
        let mut heard = core::mem::take(&mut self.heard);
        let mut work = due.len();
        if let Some(port) = &mut self.port {
            work += port.read(now, &mut heard);
        }
        for (client, what) in heard.drain(..) {
            self.on(Event::Heard(client, what), now);
        }
        if let Some(mesh) = &mut self.mesh {
            work += mesh.read(now, &mut heard);
        }
        for (link, what) in heard.drain(..) {
            self.on(Event::Link(link, what), now);
        }
        self.heard = heard;
        let mut batch = Vec::new();
        work += self.inbox.take(&mut batch, TURN_BATCH_LEN);
        for message in batch {
            let event = match message {
                Inbox::Phone(phone) => Event::Phone(phone),
                Inbox::Fact(fact) => Event::Fact(fact),
                Inbox::Short => Event::Short,
                Inbox::Settings(settings) => Event::Settings(settings),
                Inbox::Operate(operate) => self.operate(*operate),
            };
            self.on(event, now);
        }
        for wake in due {
            self.on(Event::Wake(wake), now);
        }
        self.ports().for_each(Port::flush);
        if now >= self.next_publish {
            self.next_publish = now + PUBLISH_INTERVAL;
            (self.listeners.publish)(&self.core, self.port.as_ref(), self.mesh.as_ref(), now);
        }
        work
    }

    fn has_work(&self) -> bool {
        !self.inbox.is_empty() || self.has_io_work()
    }

    fn next_deadline(&self) -> Instant {
        self.port
            .iter()
            .chain(&self.mesh)
            .map(Port::next_deadline)
            .fold(self.deadlines.next().min(self.next_publish), Ord::min)
    }

    fn set_waker(&mut self, waker: &Arc<ThreadWaker>) {
        self.inbox.set_waker(waker.clone());
        self.ports().for_each(|port| port.set_waker(waker.clone()));
    }

    fn poll_io(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut is_ready = false;
        for port in self.ports() {
            is_ready |= port.poll(context).is_ready();
        }
        if is_ready { Poll::Ready(()) } else { Poll::Pending }
    }

    fn stop(&mut self) {
        self.ports().for_each(Port::flush);
    }
}
