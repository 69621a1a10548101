//! A phone does what the plan says.

use super::client::Purpose;
use super::{CALL_TIME_MAX, Call, CallState, Outcome, PATIENCE, Phone, Timer};
use crate::base::time::{Duration, Instant};
use crate::sim::plan::{Behaviour, Plan, Side, Step};
use std::collections::BTreeMap;

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
        let call = Call {
            id: plan.id,
            is_caller: true,
            state: CallState::Early,
            call_id: format!("call-{}-{:08x}", plan.id, self.random.next_u64() >> 32),
            local_tag: format!("a{:012x}", self.random.next_u64() >> 16),
            remote_tag: Vec::new(),
            local: format!("\"call-{}\" <sip:{number}@{host}>", plan.id),
            remote: format!("<sip:{}@example.com>", plan.dialled),
            target: format!("sip:{}@{proxy}{suffix}", plan.dialled),
            routes: Vec::new(),
            local_cseq: 0,
            remote_cseq: 0,
            inviting: None,
            invited: None,
            cancelled: false,
            acks: BTreeMap::new(),
            authorizations: 0,
            held: false,
            description_version: 0,
            description: String::new(),
            stepping: false,
            plan: Some(plan.clone()),
        };
        let index = self.calls.len();
        self.calls.push(call);
        self.invite(index, "");
        self.arm(PATIENCE, Timer::Patience(index));
        if matches!(plan.behaviour, Behaviour::Cancel | Behaviour::CancelRace) {
            self.arm(plan.ring_after + plan.answer_after, Timer::Cancel(index));
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
        for (after, step) in steps {
            self.arm(after, Timer::Step(call, step));
        }
        self.arm(CALL_TIME_MAX, Timer::HangUp(call));
    }

    pub(super) fn ring(&mut self, call: usize) {
        let Some(found) = self.calls.get(call) else { return };
        let Some(serial) = found.invited.filter(|_| found.state == CallState::Early) else {
            return;
        };
        let after = found.plan.as_ref().map_or(Duration::ZERO, |plan| plan.answer_after);
        let contact = self.contact_line();
        self.answer(serial, 180, &contact, "");
        self.arm(after, Timer::Answer(call));
    }

    /// Answers, or refuses, or lets it ring.
    pub(super) fn decide(&mut self, call: usize) {
        let Some(found) = self.calls.get(call) else { return };
        let Some(serial) = found.invited.filter(|_| found.state == CallState::Early) else {
            return;
        };
        match found.plan.as_ref().map(|plan| plan.behaviour) {
            Some(Behaviour::Busy) => self.refuse(call, serial, 486),
            Some(Behaviour::Decline) => self.refuse(call, serial, 603),
            Some(Behaviour::NoAnswer | Behaviour::Cancel) => {}
            Some(
                Behaviour::Talk(_)
                | Behaviour::CrossedByes
                | Behaviour::Hold(_)
                | Behaviour::Glare
                | Behaviour::Info(_)
                | Behaviour::CancelRace
                | Behaviour::Unknown
                | Behaviour::Unregistered
                | Behaviour::WrongPassword,
            )
            | None => {
                let body = self.describe(call);
                let contact = self.contact_line();
                if let Some(found) = self.calls.get_mut(call) {
                    found.invited = None;
                    found.state = CallState::Up;
                }
                self.answer(serial, 200, &contact, &body);
            }
        }
    }

    fn refuse(&mut self, call: usize, serial: u64, status: u16) {
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
        let at = self.now;
        let Some(found) = self.calls.get_mut(call) else { return };
        if found.state != CallState::Early {
            return;
        }
        if !found.cancelled {
            self.cancel(call);
            self.arm(Duration::from_secs(33), Timer::Patience(call));
            return;
        }
        found.inviting = None;
        let id = found.id;
        self.outcomes.entry(id).or_insert(Outcome { status: 408, at, gave_up: true });
        let waiting: Vec<u64> = self
            .clients
            .iter()
            .filter(|(_, client)| client.purpose == Purpose::Invite(call))
            .map(|(&serial, _)| serial)
            .collect();
        for serial in waiting {
            self.clients.remove(&serial);
        }
        self.over(call);
    }

    pub(super) fn step(&mut self, call: usize, step: Step) {
        let Some(found) = self.calls.get_mut(call) else { return };
        if found.state != CallState::Up {
            return;
        }
        match step {
            Step::Bye => self.bye(call),
            Step::Info => {
                let body = ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n");
                self.within(call, "INFO", body, Purpose::Info(call));
            }
            Step::Hold | Step::Resume if found.inviting.is_some() => {}
            Step::Hold | Step::Resume => {
                found.held = step == Step::Hold;
                let body = self.describe(call);
                let serial =
                    self.within(call, "INVITE", ("application/sdp", &body), Purpose::Update(call));
                if let Some(found) = self.calls.get_mut(call) {
                    found.inviting = serial;
                }
            }
        }
    }

    /// Hangs up a call that is up; a call that still rings is refused.
    pub(super) fn bye(&mut self, call: usize) {
        let Some(found) = self.calls.get_mut(call) else { return };
        match (found.state, found.invited) {
            (CallState::Up, _) => {
                found.state = CallState::Ending;
                self.within(call, "BYE", ("", ""), Purpose::Bye(call));
            }
            (CallState::Early, Some(serial)) => self.refuse(call, serial, 480),
            (CallState::Early | CallState::Ending | CallState::Over, _) => {}
        }
    }
}
