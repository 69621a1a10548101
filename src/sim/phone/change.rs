//! Changes of a session by re-INVITE and UPDATE (RFC 3261 14, RFC 3311).

use super::client::{Purpose, target_of};
use super::{CallState, Phone, Timer};
use crate::base::time::Duration;
use crate::sim::behaviour::Step;
use crate::sip::message::Message;

impl Phone {
    /// Sends a re-INVITE, with an offer or without.
    pub(super) fn reinvite(&mut self, call: usize, offers: bool) {
        let body = if offers { self.describe(call) } else { String::new() };
        let extra = self.request_lines(call);
        let body = ("application/sdp", body.as_str());
        let serial = self.within(call, ("INVITE", &extra), body, Purpose::Update(call));
        if let Some(found) = self.calls.get_mut(call) {
            found.inviting = serial;
        }
    }

    /// Whether a change of ours may begin.
    fn may_change(&self, call: usize) -> bool {
        self.calls.get(call).is_some_and(|found| {
            found.inviting.is_none() && found.updating.is_none() && !found.offered_late
        })
    }

    /// A change of a session that is up.
    pub(super) fn change(&mut self, call: usize, step: Step) {
        if !self.may_change(call) {
            return;
        }
        if let Some(found) = self.calls.get_mut(call) {
            found.last_change = Some(step);
            if step != Step::AskOffer {
                found.held = step == Step::Hold;
            }
        }
        self.reinvite(call, step != Step::AskOffer);
    }

    /// The same by UPDATE, where the other takes it.
    pub(super) fn change_by_update(&mut self, call: usize, step: Step) {
        let Some(found) = self.calls.get_mut(call) else { return };
        let early = found.state == CallState::Early;
        if found.updating.is_some() || (!early && found.inviting.is_some()) || found.offered_late {
            return;
        }
        if self.clients.values().any(|client| client.is_open(Purpose::Prack(call))) {
            // What overtakes a PRACK makes it out of order.
            self.arm(Duration::from_millis(200), Timer::Step(call, step));
            return;
        }
        let Some(found) = self.calls.get_mut(call) else { return };
        if !found.can.update || !found.peer.update {
            let step = if step == Step::UpdateHold { Step::Hold } else { Step::Resume };
            if !early {
                self.change(call, step);
            }
            return;
        }
        found.held = step == Step::UpdateHold;
        found.last_change = Some(step);
        let body = self.describe(call);
        let extra = self.request_lines(call);
        let tag = self.calls.get(call).and_then(|found| found.early.keys().next().cloned());
        let tag = tag.filter(|_| early);
        let body = ("application/sdp", body.as_str());
        let purpose = Purpose::Change(call);
        let serial = self.within_early(call, tag.as_deref(), ("UPDATE", &extra), body, purpose);
        if let Some(found) = self.calls.get_mut(call) {
            found.updating = serial;
        }
    }

    /// A change was refused for now: it is tried again (RFC 3261 14.1).
    pub(super) fn change_later(&mut self, call: usize) {
        let random = Duration::from_millis(self.random.below(1_900));
        let Some(found) = self.calls.get(call) else { return };
        let after = if found.is_caller { Duration::from_millis(2_100) + random } else { random };
        let step = found.last_change;
        if self.refresh_later(call, after) {
            return;
        }
        if let Some(step) = step {
            self.arm(after, Timer::Step(call, step));
        }
    }

    /// A 2xx to an UPDATE of ours.
    pub(super) fn on_changed(&mut self, call: usize, offered: bool, message: &Message) {
        if let Some(found) = self.calls.get_mut(call) {
            found.updating = None;
            found.peer.learn(message);
            if let Some(target) = target_of(message).filter(|_| found.state == CallState::Up) {
                found.target = target;
            }
        }
        if offered && message.body().is_empty() {
            self.accuse("offer-answer", call, "an UPDATE's offer without its answer");
        }
        self.on_session(call, message);
    }

    /// The other side's re-INVITE.
    pub(super) fn on_reinvite(&mut self, serial: u64, call: usize, message: &Message) {
        let Some(found) = self.calls.get_mut(call) else { return };
        if found.inviting.is_some() || found.updating.is_some() || found.offered_late {
            self.answer(serial, 491, "", "");
            return;
        }
        if self.refuses_session(serial, call, message) {
            return;
        }
        let Some(found) = self.calls.get_mut(call) else { return };
        found.peer.learn(message);
        if let Some(target) = target_of(message) {
            found.target = target;
        }
        found.offered_late = message.body().is_empty();
        let extra = self.answer_lines(call) + &self.answer_session(call, message);
        let body = self.describe(call);
        self.answer(serial, 200, &extra, &body);
    }

    /// The other side's UPDATE (RFC 3311 5.2).
    pub(super) fn on_update(&mut self, serial: u64, call: usize, message: &Message) {
        let Some(found) = self.calls.get_mut(call) else { return };
        if !found.can.update {
            let allow = self.allow_line(call);
            self.answer(serial, 405, &allow, "");
            return;
        }
        let offers = !message.body().is_empty();
        let early = found.state == CallState::Early;
        if offers && early && !found.agreed && !found.is_caller {
            self.answer(serial, 500, "Retry-After: 3\r\n", "");
            return;
        }
        let ours = found.updating.is_some()
            || found.offered_late
            || (early && !found.agreed)
            || (!early && found.inviting.is_some());
        if offers && ours {
            self.answer(serial, 491, "", "");
            return;
        }
        if self.refuses_session(serial, call, message) {
            return;
        }
        let Some(found) = self.calls.get_mut(call) else { return };
        if let Some(target) = target_of(message).filter(|_| !early || !found.is_caller) {
            found.target = target;
        }
        let session = if early { String::new() } else { self.answer_session(call, message) };
        let extra = self.answer_lines(call) + &session;
        let body = if offers { self.describe(call) } else { String::new() };
        self.answer(serial, 200, &extra, &body);
    }
}
