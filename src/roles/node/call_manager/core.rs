//! The shard's machine: the stack's events become calls' events, calls' actions
//! become the stack's commands.

use super::settings::Settings;
use crate::base::flow::Outbound;
use crate::base::flow::Sender;
use crate::base::id::{CallUuid, ConnId, Ids, Shard, Slot};
use crate::base::leg::{Cause, LegCommand, LegEvent};
use crate::base::limits::CALLS_PER_SHARD_MAX;
use crate::base::outbox::Outbox;
use crate::base::ownership::{DnIndex, DnWord};
use crate::base::seal::Sealer;
use crate::base::slab::Slab;
use crate::base::time::{Instant, WallTime};
use crate::call::facts::{CallFact, Order, Step, Wish};
use crate::call::record::CallRecord;
use crate::call::two_party::{Action as CallAction, Call, Party, State};
use crate::roles::node::t_controller::inbox::Phone;
use crate::sip::auth::Authenticator;
use crate::sip::packet::Packet;
use crate::sip::user_agent::{self, Counted, Stack, Wake as StackWake};
use core::net::SocketAddr;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What a shard is told.
#[derive(Debug)]
pub enum Event {
    /// A message came.
    Packet(Packet),
    /// A message could not be sent.
    SendFailed(Sender),
    /// A deadline has come.
    Wake(Wake),
    /// The Service Checker's word on a trunk.
    Trunk(Box<str>, bool),
    /// The Service Checker's word on a proxy.
    Proxy(SocketAddr, bool),
    /// The node takes calls, or drains.
    Ready(bool),
    /// Somebody wants something of a call.
    Order(Order),
    /// The configuration was changed: settings of calls and of the stack.
    Settings(Arc<Settings>, Arc<user_agent::Settings>),
}

/// What is to wake up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Something of the stack.
    Stack(StackWake),
    /// A call that nobody answers.
    NoAnswer(Slot),
}

/// What a shard wants done.
#[derive(Debug)]
pub enum Action {
    /// Send a message.
    Send(Outbound),
    /// Wake it at that time.
    Arm(Wake, Instant),
    /// A call is over.
    Record(Box<CallRecord>),
    /// Have the Service Checker look at a proxy that stayed silent.
    Suspect(SocketAddr),
    /// Count something.
    Count(Counted),
    /// A REGISTER was accepted, for who asked to hear of it.
    Phone(Box<Phone>),
    /// Something has happened in a call, for who asked to hear of it.
    Fact(Box<CallFact>),
}

/// Inputs of a turn besides the event.
pub struct Cx<'a> {
    /// The time.
    pub now: Instant,
    /// The time for people and nonces.
    pub wall: WallTime,
    /// Random bits.
    pub ids: &'a mut Ids,
    /// Where actions go.
    pub out: &'a mut Outbox<Action>,
    /// What is known of a DN, owned here or elsewhere.
    pub dns: &'a dyn Fn(DnIndex) -> DnWord,
}

/// A call with its legs.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) call: Call,
    pub(super) caller: Slot,
    pub(super) callee: Option<Slot>,
    pub(super) error_conversion: Vec<(u16, u16)>,
    /// When it is given up that nobody answers.
    pub(super) no_answer_at: Instant,
    /// Whether it came by a trunk.
    pub(super) is_inbound: bool,
    /// The state that others have heard of.
    pub(super) told: State,
}

impl Entry {
    fn fact(&self, slot: Slot, step: Step) -> CallFact {
        CallFact {
            slot,
            conn_id: self.call.conn_id,
            uuid: self.call.uuid,
            caller: self.call.caller.clone(),
            dialled: self.call.dialled.clone(),
            destination: self.call.destination.clone(),
            trunk: self.call.trunk.clone(),
            is_inbound: self.is_inbound,
            step,
        }
    }
}

/// One Call Manager shard.
#[derive(Debug)]
pub struct Core {
    pub(super) settings: Arc<Settings>,
    pub(super) stack: Stack,
    pub(super) stack_out: Outbox<user_agent::Action>,
    /// Room for what the stack wants done.
    room: Vec<user_agent::Action>,
    pub(super) calls: Slab<Entry>,
    pub(super) by_leg: HashMap<Slot, (Slot, Party)>,
    pub(super) authenticator: Authenticator,
    pub(super) trunks_down: HashSet<Box<str>>,
    pub(super) ready: bool,
    pub(super) sealer: Arc<Sealer>,
    /// The call whose own timer the turn is about: the stack has touched no leg.
    timed: Option<Slot>,
    shard: Shard,
    epoch: u32,
    counter: u32,
}

/// What a shard is made from.
#[derive(Debug)]
pub struct Parts {
    /// Calls' settings.
    pub settings: Arc<Settings>,
    /// The stack's settings.
    pub stack: Arc<user_agent::Settings>,
    /// Seals tokens.
    pub sealer: Arc<Sealer>,
    /// Digest.
    pub authenticator: Authenticator,
    /// Start epoch, for ConnIDs.
    pub epoch: u32,
    /// Seed of hashes.
    pub seed: u64,
}

impl Core {
    /// A shard without calls.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self {
            settings: parts.settings,
            shard: parts.stack.shard,
            stack: Stack::new(parts.stack, parts.sealer.clone(), parts.seed),
            stack_out: Outbox::new(crate::base::limits::OUTBOX_LEN_MAX),
            room: Vec::new(),
            calls: Slab::new(CALLS_PER_SHARD_MAX),
            by_leg: HashMap::new(),
            authenticator: parts.authenticator,
            trunks_down: HashSet::new(),
            ready: true,
            sealer: parts.sealer,
            timed: None,
            epoch: parts.epoch,
            counter: 0,
        }
    }

    /// One event.
    pub fn on(&mut self, event: Event, cx: &mut Cx<'_>) {
        self.timed = None;
        match event {
            Event::Packet(packet) => self.with_stack(cx, |stack, cx| stack.packet(packet, cx)),
            Event::SendFailed(sender) => {
                self.with_stack(cx, |stack, cx| stack.send_failed(sender, cx))
            }
            Event::Wake(Wake::Stack(wake)) => self.with_stack(cx, |stack, cx| stack.wake(wake, cx)),
            Event::Wake(Wake::NoAnswer(call)) => self.on_no_answer(call, cx),
            Event::Trunk(name, true) => {
                self.trunks_down.remove(&name);
            }
            Event::Trunk(name, false) => {
                self.trunks_down.insert(name);
            }
            Event::Proxy(proxy, in_service) => self.stack.proxy(proxy, in_service),
            Event::Ready(ready) => self.ready = ready,
            Event::Order(order) => self.on_order(order, cx),
            Event::Settings(settings, stack) => {
                self.settings = settings;
                self.stack.settings(stack);
            }
        }
        self.drain(cx);
    }

    /// Turns the stack once; its actions wait in `stack_out`.
    pub(super) fn with_stack(
        &mut self,
        cx: &mut Cx<'_>,
        turn: impl FnOnce(&mut Stack, &mut user_agent::Cx<'_>),
    ) {
        self.stack.wall(cx.wall);
        let mut inner = user_agent::Cx { now: cx.now, ids: cx.ids, out: &mut self.stack_out };
        turn(&mut self.stack, &mut inner);
    }

    /// Carries out what the stack wants, until it wants nothing more.
    pub(super) fn drain(&mut self, cx: &mut Cx<'_>) {
        let mut batch = core::mem::take(&mut self.room);
        while !self.stack_out.is_empty() {
            self.stack_out.swap(&mut batch);
            for action in batch.drain(..) {
                match action {
                    user_agent::Action::Send(outbound) => cx.out.push(Action::Send(outbound)),
                    user_agent::Action::Arm(wake, at) => {
                        cx.out.push(Action::Arm(Wake::Stack(wake), at))
                    }
                    user_agent::Action::Suspect(proxy) => cx.out.push(Action::Suspect(proxy)),
                    user_agent::Action::Count(counted) => cx.out.push(Action::Count(counted)),
                    user_agent::Action::Up(event) => self.on_stack(event, cx),
                }
            }
        }
        self.room = batch;
    }

    fn on_stack(&mut self, event: user_agent::Event, cx: &mut Cx<'_>) {
        match event {
            user_agent::Event::Incoming(leg, packet) => self.on_incoming(leg, &packet, cx),
            user_agent::Event::Request(server, packet) => self.on_request(server, &packet, cx),
            user_agent::Event::Leg(leg, event) => {
                self.stack.touch_leg(leg);
                self.on_leg(leg, event, cx);
            }
            user_agent::Event::Freed(leg) => {
                self.by_leg.remove(&leg);
            }
        }
    }

    fn on_leg(&mut self, leg: Slot, event: LegEvent, cx: &mut Cx<'_>) {
        let Some(&(call, party)) = self.by_leg.get(&leg) else { return };
        let Some(entry) = self.calls.get_mut(call) else { return };
        let event = converted(event, &entry.error_conversion);
        let mut actions = Vec::new();
        entry.call.on_leg(party, event, cx.now, &mut actions);
        self.apply(call, actions, cx);
    }

    fn on_order(&mut self, order: Order, cx: &mut Cx<'_>) {
        let Order { call, conn_id, party, wish } = order;
        let found = self.calls.get_mut(call).filter(|entry| entry.call.conn_id == conn_id);
        let Some(entry) = found else { return };
        self.timed = Some(call);
        let mut actions = Vec::new();
        match wish {
            Wish::Release => entry.call.on_party_release(party, cx.now, &mut actions),
            Wish::NoAnswer if entry.call.state() != State::Connected => {
                entry.call.on_release(no_answer(), cx.now, &mut actions);
            }
            Wish::NoAnswer => {}
            // An agent's time counts, not that of the Extension.
            Wish::Supervised(until) => {
                entry.no_answer_at = until.map_or(Instant::NEVER, |span| cx.now + span);
                cx.out.push(Action::Arm(Wake::NoAnswer(call), entry.no_answer_at));
            }
        }
        self.apply(call, actions, cx);
    }

    fn on_no_answer(&mut self, call: Slot, cx: &mut Cx<'_>) {
        let Some(entry) = self.calls.get_mut(call) else { return };
        if cx.now < entry.no_answer_at {
            return;
        }
        entry.no_answer_at = Instant::NEVER;
        self.timed = Some(call);
        if entry.call.state() != State::Connected {
            let mut actions = Vec::new();
            entry.call.on_release(no_answer(), cx.now, &mut actions);
            self.apply(call, actions, cx);
        }
    }

    /// Actions of a call, in their order; the record settles what it owes.
    pub(super) fn apply(&mut self, call: Slot, actions: Vec<CallAction>, cx: &mut Cx<'_>) {
        self.tell_state(call, cx);
        for action in actions {
            match action {
                CallAction::ToLeg(party, command) => self.tell_leg(call, party, command, cx),
                CallAction::Held(party) => self.tell_step(call, Step::Held(party), cx),
                CallAction::Retrieved(party) => self.tell_step(call, Step::Retrieved(party), cx),
                CallAction::Ended(record) => {
                    self.tell_end(call, &record, cx);
                    cx.out.push(Action::Record(record));
                    self.calls.remove(call);
                }
            }
        }
    }

    /// Tells others how far a call is, if that is news.
    pub(super) fn tell_state(&mut self, call: Slot, cx: &mut Cx<'_>) {
        let Some(entry) = self.calls.get_mut(call) else { return };
        let state = entry.call.state();
        if core::mem::replace(&mut entry.told, state) == state || !self.settings.tells_clients {
            return;
        }
        let step = match state {
            State::Calling => Step::Dialing,
            State::Alerting => Step::Alerting,
            State::Connected => Step::Connected,
            // The end is told with its record.
            State::Routing | State::Ended => return,
        };
        self.tell_step(call, step, cx);
    }

    fn tell_end(&self, call: Slot, record: &CallRecord, cx: &mut Cx<'_>) {
        let step = Step::Ended {
            by: record.ended_by,
            code: record.cause.code,
            was_connected: record.answered_after.is_some(),
        };
        self.tell_step(call, step, cx);
    }

    fn tell_step(&self, call: Slot, step: Step, cx: &mut Cx<'_>) {
        if let Some(entry) = self.calls.get(call).filter(|_| self.settings.tells_clients) {
            cx.out.push(Action::Fact(Box::new(entry.fact(call, step))));
        }
    }

    fn tell_leg(&mut self, call: Slot, party: Party, command: LegCommand, cx: &mut Cx<'_>) {
        let Some(entry) = self.calls.get(call) else { return };
        let leg = match party {
            Party::Caller => Some(entry.caller),
            Party::Callee => entry.callee,
        };
        if let Some(leg) = leg {
            self.with_stack(cx, |stack, cx| stack.command(leg, command, cx));
        }
    }

    /// After a turn that panicked: the call that it worked on is ended and its debts
    /// are settled, everything else goes on. Gives its CallUUID.
    pub fn on_panic(&mut self, cx: &mut Cx<'_>) -> Option<CallUuid> {
        cx.out.push(Action::Count(Counted::Panicked));
        self.keep_decided(cx);
        // What the stack touched belongs to an earlier turn where a call's own timer came.
        let (mut legs, call) = match self.timed.take() {
            Some(call) => (Vec::new(), Some(call)),
            None => {
                let legs = self.stack.touched_legs();
                let call = legs.iter().find_map(|leg| Some(self.by_leg.get(leg)?.0));
                (legs, call)
            }
        };
        let mut uuid = None;
        if let Some((slot, entry)) = call.and_then(|call| Some((call, self.calls.get_mut(call)?))) {
            uuid = Some(entry.call.uuid);
            legs.extend([Some(entry.caller), entry.callee].into_iter().flatten());
            let mut actions = Vec::new();
            entry.call.on_broken(cx.now, &mut actions);
            self.apply(slot, actions, cx);
        }
        let cause = Cause::code(500);
        self.with_stack(cx, |stack, cx| {
            for leg in &legs {
                stack.end_leg(*leg, &cause, cx);
            }
            stack.mend(&legs, cx);
        });
        self.drain(cx);
        for leg in legs {
            if self.stack.leg_state(leg).is_none() {
                self.by_leg.remove(&leg);
            }
        }
        uuid
    }

    /// What the stack had decided before the panic goes out, except what is for a
    /// call.
    fn keep_decided(&mut self, cx: &mut Cx<'_>) {
        for action in self.stack_out.drain() {
            match action {
                user_agent::Action::Send(outbound) => cx.out.push(Action::Send(outbound)),
                user_agent::Action::Arm(wake, at) => {
                    cx.out.push(Action::Arm(Wake::Stack(wake), at))
                }
                user_agent::Action::Suspect(proxy) => cx.out.push(Action::Suspect(proxy)),
                user_agent::Action::Count(counted) => cx.out.push(Action::Count(counted)),
                user_agent::Action::Up(user_agent::Event::Freed(leg)) => {
                    self.by_leg.remove(&leg);
                }
                user_agent::Action::Up(_) => {}
            }
        }
    }

    /// The next ConnID; a full counter takes the next epoch.
    pub(super) fn next_conn_id(&mut self) -> ConnId {
        self.counter += 1;
        if self.counter > 0xff_ffff {
            self.counter = 1;
            self.epoch += 1;
        }
        ConnId::new(self.settings.node, self.epoch, self.shard, self.counter)
    }

    /// Epoch and number of the last ConnID.
    pub(super) const fn conn_ids(&self) -> (u32, u32) {
        (self.epoch, self.counter)
    }

    /// No ConnID up to that one is given out any more.
    pub(super) fn pass_conn_ids(&mut self, epoch: u32, counter: u32) {
        (self.epoch, self.counter) = (self.epoch, self.counter).max((epoch, counter));
    }

    pub(super) const fn shard(&self) -> Shard {
        self.shard
    }

    /// Calls in progress.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().map(|(_, entry)| &entry.call)
    }

    /// Calls, legs, client and server transactions in being.
    #[must_use]
    pub fn lens(&self) -> (usize, usize, usize, usize) {
        let (legs, clients, servers) = self.stack.lens();
        (self.calls.len(), legs, clients, servers)
    }
}

/// Nobody has answered in time.
fn no_answer() -> Cause {
    Cause::with_q850(480, 19, "no answer")
}

/// `sip-error-conversion` of the destination.
fn converted(event: LegEvent, conversion: &[(u16, u16)]) -> LegEvent {
    if let LegEvent::Failed(cause) = &event
        && let Some((_, code)) = conversion.iter().find(|(from, _)| *from == cause.code)
    {
        return LegEvent::Failed(Cause {
            code: *code,
            text: "".into(),
            reason: cause.reason.clone(),
        });
    }
    event
}
