//! The machines of a load generator, pure: messages and the time in, messages and wake-ups out.
//!
//! ```text
//!  start, message, wake-up ──▶ Core ──▶ Request · Caller · Callee ──▶ Out (sends, arms)
//!                               │ branch and tag name the machine        Tally
//! ```
//!
//! An answer finds its machine by the branch, a request inside a dialog by its To tag: both were written by
//! [`out::Id`]. Only an INVITE that comes again is looked up in a table.

pub mod attempt;
pub mod callee;
pub mod caller;
pub mod dialog;
pub mod histogram;
pub mod out;
pub mod pace;
pub mod read;
pub mod request;
pub mod setup;
pub mod tally;

#[cfg(test)]
mod tests;

use core::hash::Hasher as _;
use core::net::SocketAddr;
use std::collections::{HashMap, VecDeque};
use std::hash::DefaultHasher;

use super::plan::Scenario;
use crate::base::id::Slot;
use crate::base::slab::Slab;
use crate::base::time::Instant;
use crate::sip::message::{Method, scan};
use callee::Callee;
use caller::Caller;
use out::{End, Id, Kind, Out, Send};
use read::{Read, ReadError, param, read, tag};
use request::{Request, Wish};
use setup::{NO_BODY, Setup, echo, response};
use tally::{Cause, Failure, Tally};

/// Machines of one kind: what a second of the fastest run leaves behind, for as long as it may come again.
const MACHINES_MAX: usize = 1 << 22;
/// Sends of one request with and without credentials, when every nonce is too old.
const TRIES_MAX: u8 = 3;

/// What a machine sees of its surroundings.
#[derive(Debug)]
pub struct Context<'a> {
    /// What all messages have in common.
    pub setup: &'a Setup,
    /// Counts.
    pub tally: &'a mut Tally,
    /// Actions.
    pub out: &'a mut Out,
    /// The time.
    pub now: Instant,
    /// The machine itself.
    pub id: Id,
}

impl Context<'_> {
    /// Sends what `write` writes.
    pub fn send(
        &mut self,
        from: End,
        to: SocketAddr,
        write: impl FnOnce(&Context<'_>, &mut Vec<u8>),
    ) {
        let mut bytes = core::mem::take(&mut self.out.bytes);
        let start = bytes.len();
        write(self, &mut bytes);
        self.out.sends.push(Send { from, to, start, end: bytes.len() });
        self.out.bytes = bytes;
        self.tally.sent += 1;
    }
}

/// What all machines are to their table.
trait Machine {
    /// When to wake it.
    fn due(&self) -> Instant;
    /// Whether it can be forgotten.
    fn is_gone(&self, now: Instant) -> bool;
}

macro_rules! machine {
    ($($name:ident),+) => {
        $(impl Machine for $name {
            fn due(&self) -> Instant {
                Self::due(self)
            }
            fn is_gone(&self, now: Instant) -> bool {
                Self::is_gone(self, now)
            }
        })+
    };
}

machine!(Request, Caller, Callee);

/// Machines of one kind, each with the time for which it is armed.
#[derive(Debug)]
struct Table<M> {
    slab: Slab<(M, Instant)>,
}

impl<M: Machine> Table<M> {
    fn new() -> Self {
        Self { slab: Slab::new(MACHINES_MAX) }
    }

    fn insert(&mut self, machine: M) -> Option<Slot> {
        self.slab.insert((machine, Instant::NEVER))
    }

    /// Lets a machine act and arms it anew; `None` when there is none. A machine that is gone comes out.
    fn with<R>(
        &mut self,
        mut cx: Context<'_>,
        act: impl FnOnce(&mut M, &mut Context<'_>) -> R,
    ) -> Option<(R, Option<M>)> {
        let (machine, armed) = self.slab.get_mut(cx.id.slot)?;
        let result = act(machine, &mut cx);
        if machine.is_gone(cx.now) {
            return Some((result, self.slab.remove(cx.id.slot).map(|(machine, _)| machine)));
        }
        let due = machine.due();
        if due < *armed {
            *armed = due;
            cx.out.arms.push((due, cx.id));
        }
        Some((result, None))
    }

    /// As [`Self::with`], for the wake-up that the machine was armed for.
    fn wake(&mut self, cx: Context<'_>, act: impl FnOnce(&mut M, &mut Context<'_>)) -> Option<M> {
        if let Some((_, armed)) = self.slab.get_mut(cx.id.slot)
            && *armed <= cx.now
        {
            *armed = Instant::NEVER;
        }
        self.with(cx, act).and_then(|(_, gone)| gone)
    }
}

/// All machines of a run.
#[derive(Debug)]
pub struct Core {
    setup: Setup,
    tally: Tally,
    requests: Table<Request>,
    callers: Table<Caller>,
    callees: Table<Callee>,
    /// Calls to this side by branch and Call-ID of their INVITE.
    invites: HashMap<u64, Slot>,
    /// Units of the scenario, and bindings, that were started.
    started: (u64, u64),
    /// Answered calls that stand, in the order of their answers.
    standing: VecDeque<Slot>,
}

impl Core {
    /// A run that has not begun.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        Self {
            setup,
            tally: Tally::default(),
            requests: Table::new(),
            callers: Table::new(),
            callees: Table::new(),
            invites: HashMap::new(),
            started: (0, 0),
            standing: VecDeque::new(),
        }
    }

    /// What all messages have in common.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// What became of the units.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Takes the counts and begins new ones.
    pub fn take_tally(&mut self) -> Tally {
        core::mem::take(&mut self.tally)
    }

    /// Calls that stand.
    #[must_use]
    pub fn standing(&self) -> usize {
        self.standing.len()
    }

    /// Whether no machine is left, not even for what may come again.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let tables = [self.requests.slab.len(), self.callers.slab.len(), self.callees.slab.len()];
        tables == [0; 3] && self.invites.is_empty()
    }

    /// Starts one unit of the scenario.
    pub fn start(&mut self, now: Instant, out: &mut Out) {
        let index = self.started.0;
        self.started.0 += 1;
        match self.setup.plan.scenario {
            Scenario::Register => self.start_request(Wish::Bind(End::Calling), index, now, out),
            Scenario::Unregister => self.start_request(Wish::Unbind, index, now, out),
            Scenario::Options => self.start_request(Wish::Ask, index, now, out),
            Scenario::Call => self.start_call(index, now, out),
            Scenario::Answer => {}
        }
    }

    /// Registers the next number at the answering side.
    pub fn start_binding(&mut self, now: Instant, out: &mut Out) {
        let index = self.started.1;
        self.started.1 += 1;
        self.start_request(Wish::Bind(End::Answering), index, now, out);
    }

    fn target(&self, index: u64) -> Option<SocketAddr> {
        let targets = &self.setup.plan.targets;
        targets.get(index.checked_rem(targets.len() as u64)? as usize).copied()
    }

    fn start_request(&mut self, wish: Wish, index: u64, now: Instant, out: &mut Out) {
        self.tally.units.attempted += 1;
        let made = self.target(index).and_then(|target| {
            self.requests.insert(Request::new(wish, index, target, &self.setup, now))
        });
        let Some(slot) = made else {
            let method = if wish == Wish::Ask { Method::Options } else { Method::Register };
            return self.tally.units.end(Err(Failure::new(method, Cause::NotSent)));
        };
        let id = Id { kind: Kind::Request, slot };
        let cx = Context { setup: &self.setup, tally: &mut self.tally, out, now, id };
        self.requests.with(cx, Request::start);
    }

    fn start_call(&mut self, index: u64, now: Instant, out: &mut Out) {
        self.tally.units.attempted += 1;
        let made = self
            .target(index)
            .and_then(|target| self.callers.insert(Caller::new(index, target, &self.setup, now)));
        let Some(slot) = made else {
            return self.tally.units.end(Err(Failure::new(Method::Invite, Cause::NotSent)));
        };
        let id = Id { kind: Kind::Caller, slot };
        let cx = Context { setup: &self.setup, tally: &mut self.tally, out, now, id };
        self.callers.with(cx, Caller::start);
    }

    /// Ends the call that has stood longest; whether there was one.
    pub fn end_standing(&mut self, now: Instant, out: &mut Out) -> bool {
        let Some(slot) = self.standing.pop_front() else { return false };
        let id = Id { kind: Kind::Caller, slot };
        let cx = Context { setup: &self.setup, tally: &mut self.tally, out, now, id };
        self.callers.with(cx, Caller::hang_up);
        true
    }

    /// A wake-up that was armed.
    pub fn on_time(&mut self, id: Id, now: Instant, out: &mut Out) {
        let cx = Context { setup: &self.setup, tally: &mut self.tally, out, now, id };
        match id.kind {
            Kind::Request => drop(self.requests.wake(cx, Request::on_time)),
            Kind::Caller => drop(self.callers.wake(cx, Caller::on_time)),
            Kind::Callee => {
                let gone = self.callees.wake(cx, Callee::on_time);
                self.forget(gone);
            }
        }
    }

    fn forget(&mut self, gone: Option<Callee>) {
        if let Some(callee) = gone {
            self.invites.remove(&callee.key);
        }
    }

    /// A message that came to one of the sides.
    pub fn on_message(
        &mut self,
        end: End,
        from: SocketAddr,
        bytes: &[u8],
        now: Instant,
        out: &mut Out,
    ) {
        self.tally.received += 1;
        match read(bytes) {
            Ok(read) => self.on_read(end, from, &read, now, out),
            Err(ReadError::Folded) => match scan(bytes.to_vec()) {
                Ok(message) => match read(message.bytes()) {
                    Ok(read) => self.on_read(end, from, &read, now, out),
                    Err(_) => self.tally.strays += 1,
                },
                Err(_) => self.tally.strays += 1,
            },
            Err(ReadError::NotSip) => self.tally.strays += 1,
        }
    }

    fn on_read(
        &mut self,
        end: End,
        from: SocketAddr,
        read: &Read<'_>,
        now: Instant,
        out: &mut Out,
    ) {
        if read.status > 0 {
            self.on_response(read, now, out);
        } else {
            self.on_request(end, from, read, now, out);
        }
    }

    fn on_response(&mut self, read: &Read<'_>, now: Instant, out: &mut Out) {
        let branch = param(read.via, b";branch=").unwrap_or_default();
        let Some((id, step)) = Id::read_branch(branch, self.setup.run) else {
            self.tally.strays += 1;
            return;
        };
        let cx = Context { setup: &self.setup, tally: &mut self.tally, out, now, id };
        let known = match id.kind {
            Kind::Request => {
                let heard =
                    self.requests.with(cx, |request, cx| request.on_response(read, step, cx));
                heard.is_some()
            }
            Kind::Caller => {
                let heard = self.callers.with(cx, |caller, cx| {
                    let was_up = caller.is_up();
                    caller.on_response(read, step, cx);
                    caller.is_up() && !was_up
                });
                if self.setup.plan.standing.is_some() && matches!(heard, Some((true, _))) {
                    self.standing.push_back(id.slot);
                }
                heard.is_some()
            }
            Kind::Callee => {
                match self.callees.with(cx, |callee, cx| callee.on_response(read, cx)) {
                    Some((_, gone)) => {
                        self.forget(gone);
                        true
                    }
                    None => false,
                }
            }
        };
        if !known {
            self.tally.strays += 1;
        }
    }

    fn on_request(
        &mut self,
        end: End,
        from: SocketAddr,
        read: &Read<'_>,
        now: Instant,
        out: &mut Out,
    ) {
        let to_tag = tag(read.to);
        let id = Id::read(to_tag, self.setup.run);
        match (read.method, id) {
            (Method::Invite, _) if to_tag.is_empty() => self.on_invite(end, from, read, now, out),
            (Method::Ack, Some(id)) if id.kind == Kind::Callee => {
                let cx = Context { setup: &self.setup, tally: &mut self.tally, out, now, id };
                let heard = self.callees.with(cx, Callee::on_ack);
                self.forget(heard.and_then(|(_, gone)| gone));
            }
            (Method::Ack, _) => self.tally.strays += 1,
            (Method::Cancel, _) => self.on_cancel(end, from, read, now, out),
            (Method::Bye, Some(id)) => self.on_bye(end, from, read, id, now, out),
            // A change of the session is refused, which leaves the session as it is (RFC 3261 14.2).
            (Method::Invite, Some(_)) => self.answer(488, end, from, read, now, out),
            (Method::Options, _) | (Method::Info | Method::Message | Method::Update, Some(_)) => {
                self.answer(200, end, from, read, now, out);
            }
            _ if to_tag.is_empty() => self.answer(405, end, from, read, now, out),
            _ => {
                self.tally.strays += 1;
                self.answer(481, end, from, read, now, out);
            }
        }
    }

    fn on_invite(
        &mut self,
        end: End,
        from: SocketAddr,
        read: &Read<'_>,
        now: Instant,
        out: &mut Out,
    ) {
        let key = transaction_key(read);
        if let Some(&slot) = self.invites.get(&key) {
            let id = Id { kind: Kind::Callee, slot };
            let cx = Context { setup: &self.setup, tally: &mut self.tally, out, now, id };
            self.callees.with(cx, Callee::on_invite_again);
            return;
        }
        let answers = self.setup.plan.uas.is_some() || self.setup.plan.scenario == Scenario::Answer;
        if !answers {
            self.tally.strays += 1;
            return self.answer(480, end, from, read, now, out);
        }
        let (setup, tally) = (&self.setup, &mut self.tally);
        let made = self.callees.slab.insert_with(|slot| {
            let cx = Context { setup, tally, out, now, id: Id { kind: Kind::Callee, slot } };
            (Callee::new(end, from, key, read, &cx), Instant::NEVER)
        });
        let Some(slot) = made else { return self.answer(503, end, from, read, now, out) };
        self.tally.answered.attempted += 1;
        self.invites.insert(key, slot);
        let id = Id { kind: Kind::Callee, slot };
        let cx = Context { setup: &self.setup, tally: &mut self.tally, out, now, id };
        self.callees.with(cx, Callee::start);
    }

    fn on_cancel(
        &mut self,
        end: End,
        from: SocketAddr,
        read: &Read<'_>,
        now: Instant,
        out: &mut Out,
    ) {
        let slot = self.invites.get(&transaction_key(read)).copied();
        let status = if slot.is_some() { 200 } else { 481 };
        self.answer(status, end, from, read, now, out);
        if let Some(slot) = slot {
            let id = Id { kind: Kind::Callee, slot };
            let cx = Context { setup: &self.setup, tally: &mut self.tally, out, now, id };
            let heard = self.callees.with(cx, Callee::on_cancel);
            self.forget(heard.and_then(|(_, gone)| gone));
        }
    }

    fn on_bye(
        &mut self,
        end: End,
        from: SocketAddr,
        read: &Read<'_>,
        id: Id,
        now: Instant,
        out: &mut Out,
    ) {
        let known = match id.kind {
            Kind::Request => false,
            Kind::Caller => self.callers.slab.get(id.slot).is_some(),
            Kind::Callee => self.callees.slab.get(id.slot).is_some(),
        };
        self.answer(if known { 200 } else { 481 }, end, from, read, now, out);
        let cx = Context { setup: &self.setup, tally: &mut self.tally, out, now, id };
        match id.kind {
            Kind::Request => {}
            Kind::Caller => drop(self.callers.with(cx, Caller::on_bye)),
            Kind::Callee => {
                let heard = self.callees.with(cx, Callee::on_bye);
                self.forget(heard.and_then(|(_, gone)| gone));
            }
        }
    }

    /// A response that no machine remembers: one that comes again gets the same.
    fn answer(
        &mut self,
        status: u16,
        end: End,
        from: SocketAddr,
        read: &Read<'_>,
        now: Instant,
        out: &mut Out,
    ) {
        let id = Id { kind: Kind::Callee, slot: Slot { index: u32::MAX, generation: 0 } };
        let mut cx = Context { setup: &self.setup, tally: &mut self.tally, out, now, id };
        cx.send(end, from, |cx, out| {
            let mut text = Vec::with_capacity(512);
            echo(read, from, &mut text);
            let tag = tag(read.to).is_empty().then_some((cx.id, cx.setup.run));
            response(status, &text, tag, out);
            out.extend_from_slice(NO_BODY);
        });
    }
}

/// Branch and Call-ID: what an INVITE has in common with its repetitions and its CANCEL (RFC 3261 17.2.3, 9.2).
fn transaction_key(read: &Read<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(param(read.via, b";branch=").unwrap_or(read.via));
    hasher.write(read.call_id);
    hasher.finish()
}
