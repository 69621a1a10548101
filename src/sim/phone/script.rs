//! A phone does what the plan says.

use super::call::{Call, NewCall};
use super::client::{Client, Purpose};
use super::{CallState, Outcome, PATIENCE, Phone, Timer};
use crate::base::time::{Duration, Instant};
use crate::sim::behaviour::{Behaviour, Side, Step};
use crate::sim::cluster;
use crate::sim::plan::Plan;

/// A call that nobody has ended by then is ended by either party.
const CALL_TIME_MAX: Duration = Duration::from_secs(60);

impl Phone {
    /// Dials.
    pub fn dial(&mut self, now: Instant, plan: &Plan) {
        self.now = now;
        let (proxy, protocol) = self.usual_proxy();
        let number = &self.account.number;
        let host = if self.account.password.is_some() {
            "example.com".to_owned()
        } else {
            self.account.address.to_string()
        };
        let suffix = if protocol.is_reliable() { ";transport=tcp" } else { "" };
        let peers = &self.account.peers;
        let peer = peers.iter().find(|(number, _)| *number == plan.dialled);
        let target = match peer {
            _ if peers.is_empty() => format!("sip:{}@{proxy}{suffix}", plan.dialled),
            Some((_, address)) => format!("sip:{}@{address}", plan.dialled),
            None => format!("sip:{}@{}", plan.dialled, cluster::trunk()),
        };
        let call = Call::new(NewCall {
            plan: Some(plan.clone()),
            id: plan.id,
            is_caller: true,
            call_id: format!("call-{}-{:08x}", plan.id, self.random.next_u64() >> 32),
            local_tag: format!("a{:012x}", self.random.next_u64() >> 16),
            remote_tag: Vec::new(),
            local: format!("\"call-{}\" <sip:{number}@{host}>", plan.id),
            remote: format!("<sip:{}@example.com>", plan.dialled),
            target,
            routes: Vec::new(),
        });
        let index = self.calls.len();
        self.calls.push(call);
        self.invite(index, "");
        self.arm(PATIENCE, Timer::Patience(index));
        if let Some(after) = plan.cancel_after() {
            self.arm(after, Timer::Cancel(index));
        }
    }

    /// The call is up: its steps begin.
    pub(super) fn up(&mut self, call: usize) {
        let Some(found) = self.calls.get_mut(call) else { return };
        if found.stepping || matches!(found.state, CallState::Over | CallState::Ending) {
            return;
        }
        found.state = CallState::Up;
        found.stepping = true;
        let side = if found.is_caller { Side::Caller } else { Side::Callee };
        let steps = found.plan.as_ref().map(|plan| plan.steps(side)).unwrap_or_default();
        let longest = found.plan.as_ref().map(|plan| plan.behaviour.time_max());
        for (after, step) in steps {
            self.arm(after, Timer::Step(call, step));
        }
        self.arm(longest.unwrap_or(CALL_TIME_MAX), Timer::HangUp(call));
    }

    /// Answers, or refuses, or lets it ring.
    pub(super) fn decide(&mut self, call: usize) {
        let device = self.account.device;
        let Some(found) = self.calls.get(call) else { return };
        let Some(serial) = found.invited.filter(|_| found.state == CallState::Early) else {
            return;
        };
        match (found.plan.as_ref().map(|plan| plan.behaviour), device) {
            (Some(Behaviour::Busy), _) | (Some(Behaviour::ForkSerial), 0) => {
                self.refuse(call, serial, 486)
            }
            (Some(Behaviour::Decline), _) => self.refuse(call, serial, 603),
            (Some(Behaviour::Converted), _) => self.refuse(call, serial, cluster::CONVERSION.0),
            (Some(Behaviour::NoAnswer | Behaviour::Cancel | Behaviour::CancelEarly), _)
            | (Some(Behaviour::Fork), 1) => {}
            _ => self.answer_call(call, serial),
        }
    }

    fn answer_call(&mut self, call: usize, serial: u64) {
        if self.waits_for_prack(call) {
            return;
        }
        let Some(request) = self.servers.get(&serial).map(|server| server.request.clone()) else {
            return;
        };
        let agreed = self.calls.get(call).is_some_and(|found| found.agreed);
        let body = if agreed { String::new() } else { self.describe(call) };
        let extra = self.answer_lines(call) + &self.answer_session(call, &request);
        if let Some(found) = self.calls.get_mut(call) {
            found.invited = None;
            found.state = CallState::Up;
            found.offered_late = !agreed && request.body().is_empty();
        }
        self.answer(serial, 200, &extra, &body);
    }

    pub(super) fn refuse(&mut self, call: usize, serial: u64, status: u16) {
        self.answer(serial, status, "", "");
        if let Some(found) = self.calls.get_mut(call) {
            found.invited = None;
        }
        self.over(call);
    }

    /// The caller gives up.
    pub(super) fn cancel(&mut self, call: usize) {
        let Some(found) = self.calls.get_mut(call) else { return };
        let Some(serial) = found.inviting.filter(|_| found.state == CallState::Early) else {
            return;
        };
        if !found.cancelled {
            found.cancelled = true;
            self.send_cancel(serial);
        }
    }

    /// No final answer: give up, and later believe that none will come.
    pub(super) fn lose_patience(&mut self, call: usize) {
        let Some(found) = self.calls.get_mut(call) else { return };
        if found.state != CallState::Early {
            return;
        }
        if !found.cancelled {
            self.cancel(call);
            self.arm(Duration::from_secs(33), Timer::Patience(call));
            return;
        }
        self.forget_invite(call, 408);
        self.over(call);
    }

    /// The other hangs up what it has answered, and the answer has not come.
    pub(super) fn missed(&mut self, call: usize) {
        let early = |found: &Call| found.is_caller && found.state == CallState::Early;
        if self.calls.get(call).is_some_and(early) {
            self.forget_invite(call, 487);
        }
    }

    /// The caller waits no longer for the end of its INVITE.
    fn forget_invite(&mut self, call: usize, status: u16) {
        let at = self.now;
        let Some(found) = self.calls.get_mut(call) else { return };
        found.inviting = None;
        let id = found.id;
        self.outcomes.entry(id).or_insert(Outcome { status, at, gave_up: true });
        let invites = |client: &Client| client.purpose == Purpose::Invite(call);
        self.clients.retain(|_, client| !invites(client));
    }

    pub(super) fn step(&mut self, call: usize, step: Step) {
        // Where it is registered has nothing to do with the call.
        if let Step::SecondContact(there) = step {
            return self.bind(there, true);
        } else if matches!(step, Step::Register | Step::Unregister) {
            return self.bind(step == Step::Register, false);
        }
        let state = self.calls.get(call).map(|found| found.state);
        if (state, step) == (Some(CallState::Early), Step::UpdateHold) {
            return self.change_by_update(call, step);
        }
        if state != Some(CallState::Up) {
            return;
        }
        match step {
            Step::Bye => self.bye(call),
            Step::Info => {
                let body = ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n");
                self.within(call, ("INFO", ""), body, Purpose::Info(call));
            }
            Step::Message => {
                let body = ("text/plain", "good morning");
                self.within(call, ("MESSAGE", ""), body, Purpose::Info(call));
            }
            Step::Hold | Step::Resume | Step::AskOffer => self.change(call, step),
            Step::UpdateHold | Step::UpdateResume => self.change_by_update(call, step),
            Step::Vanish => self.vanish(call),
            Step::Register | Step::Unregister | Step::SecondContact(_) => {}
        }
    }

    /// Neither hears nor says anything of the call from here on.
    fn vanish(&mut self, call: usize) {
        let now = self.now;
        let Some(found) = self.calls.get_mut(call) else { return };
        found.state = CallState::Over;
        self.silent.insert(found.call_id.clone());
        self.vanished.insert(found.id, now);
        self.clients.retain(|_, client| client.purpose.call() != Some(call));
        self.servers.retain(|_, server| server.call != Some(call));
    }

    /// Hangs up a call that is up; a call that still rings is refused.
    pub(super) fn bye(&mut self, call: usize) {
        let Some(found) = self.calls.get_mut(call) else { return };
        match (found.state, found.invited) {
            (CallState::Up, _) => {
                found.state = CallState::Ending;
                self.within(call, ("BYE", ""), ("", ""), Purpose::Bye(call));
            }
            (CallState::Early, Some(serial)) => self.refuse(call, serial, 480),
            (CallState::Early | CallState::Ending | CallState::Over, _) => {}
        }
    }
}
