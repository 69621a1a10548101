//! Before the answer: progress that is acknowledged or not (RFC 3262), and changes
//! of the session that is not up yet (RFC 3311).

use super::client::{Purpose, routes_of, target_of};
use super::{CallState, Out, Phone, Timer};
use crate::base::time::Duration;
use crate::sim::behaviour::{Behaviour, Step};
use crate::sip::message::{HeaderId, Message};

/// RFC 3262 3: first interval of repetition; it doubles without a bound.
const T1: Duration = Duration::from_millis(500);

/// An early dialog of a caller.
#[derive(Clone, Debug)]
pub(super) struct Early {
    pub(super) routes: Vec<String>,
    pub(super) target: String,
    rseq: u64,
}

/// Progress that is to be told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    code: u16,
    described: bool,
    reliable: bool,
}

/// A reliable response without its PRACK.
#[derive(Clone, Debug)]
pub(super) struct Reliable {
    rseq: u64,
    out: Out,
    described: bool,
    offers: bool,
    interval: Duration,
    waited: Duration,
}

impl Phone {
    /// A provisional response above 100 to the INVITE of a call.
    pub(super) fn on_progress(&mut self, call: usize, serial: u64, message: &Message) {
        let offered = self.clients.get(&serial).is_some_and(|client| client.offered);
        let Some(found) = self.calls.get_mut(call) else { return };
        if found.state != CallState::Early || found.inviting != Some(serial) {
            return;
        }
        found.peer.learn(message);
        let required = message.has_option_tag(HeaderId::Require, b"100rel");
        let Some(rseq) = message.number(HeaderId::RSeq).filter(|_| required) else {
            if found.can.requires {
                self.accuse("100rel", call, "a response that is not reliable");
            }
            return;
        };
        let tag = message.to_tag().to_vec();
        if !found.can.reliable {
            return self.accuse("100rel", call, "a reliable response that nobody asked for");
        }
        if found.early.get(&tag).is_some_and(|known| rseq != known.rseq + 1) {
            return;
        }
        let mut routes = routes_of(message);
        routes.reverse();
        let target = target_of(message).unwrap_or_else(|| found.target.clone());
        found.early.insert(tag.clone(), Early { routes, target, rseq });
        let described = !message.body().is_empty();
        let again = described && found.agreed;
        let answers = described && !found.agreed && !offered;
        found.agreed |= described;
        if again {
            self.accuse("offer-answer", call, "a description after the answer");
        }
        let body = if answers { self.describe(call) } else { String::new() };
        let extra = format!("RAck: {rseq} {} INVITE\r\n", message.cseq());
        let body = ("application/sdp", body.as_str());
        self.within_early(call, Some(&tag), ("PRACK", &extra), body, Purpose::Prack(call));
    }

    /// The PRACK of a caller was accepted.
    pub(super) fn on_pracked(&mut self, call: usize) {
        let Some(found) = self.calls.get_mut(call) else { return };
        let wanted = found.plan.as_ref().map(|plan| plan.behaviour) == Some(Behaviour::EarlyUpdate);
        let ready = found.agreed && found.can.update && found.peer.update && !found.held;
        if wanted && ready && found.state == CallState::Early {
            self.change_by_update(call, Step::UpdateHold);
        }
    }

    /// The phone rings: what it tells of it.
    pub(super) fn ring(&mut self, call: usize) {
        let Some(found) = self.calls.get_mut(call) else { return };
        if found.invited.is_none() || found.state != CallState::Early {
            return;
        }
        let behaviour = found.plan.as_ref().map(|plan| plan.behaviour);
        let after = found.plan.as_ref().map_or(Duration::ZERO, |plan| plan.answer_after);
        let step = |code, described, reliable| Progress { code, described, reliable };
        let early = matches!(
            behaviour,
            Some(Behaviour::ReliableMedia | Behaviour::EarlyUpdate | Behaviour::ReliableOffer)
        );
        found.progress = if behaviour == Some(Behaviour::EarlyMedia) {
            [step(183, true, false), step(180, false, false)].into()
        } else if early {
            [step(183, true, true), step(180, false, true)].into()
        } else {
            let reliable = behaviour == Some(Behaviour::ReliableRinging);
            [step(180, false, reliable)].into()
        };
        self.arm(after, Timer::Answer(call));
        self.progress(call);
    }

    /// Tells what comes next, unless a PRACK is awaited.
    pub(super) fn progress(&mut self, call: usize) {
        let Some(found) = self.calls.get_mut(call) else { return };
        let Some(serial) = found.invited.filter(|_| found.state == CallState::Early) else {
            return;
        };
        if found.reliable.is_some() {
            return;
        }
        let Some(next) = found.progress.pop_front() else { return };
        let more = !found.progress.is_empty();
        let after = found.plan.as_ref().map_or(Duration::ZERO, |plan| plan.answer_after);
        let reliable =
            found.can.reliable && found.peer.reliable && (next.reliable || found.peer.requires);
        let offered = self.servers.get(&serial).is_some_and(|server| server.offered());
        // Without an offer a description is one, and that wants to be reliable.
        let described = next.described && !found.agreed && (reliable || offered);
        let body = if described { self.describe(call) } else { String::new() };
        let mut extra = self.answer_lines(call);
        let rseq = self.calls.get(call).map_or(0, |found| found.rseq) + 1;
        if reliable {
            extra.push_str(&format!("Require: 100rel\r\nRSeq: {rseq}\r\n"));
        }
        self.answer(serial, next.code, &extra, &body);
        if !reliable {
            if more {
                self.arm(after / 2, Timer::Progress(call));
            }
            return;
        }
        let Some(out) = self.servers.get(&serial).and_then(|server| server.last.clone()) else {
            return;
        };
        let Some(found) = self.calls.get_mut(call) else { return };
        found.rseq = rseq;
        let (interval, waited, offers) = (T1, Duration::ZERO, described && !offered);
        found.reliable = Some(Reliable { rseq, out, described, offers, interval, waited });
        self.arm(T1, Timer::RepeatReliable(call, rseq));
    }

    pub(super) fn repeat_reliable(&mut self, call: usize, rseq: u64) {
        let Some(found) = self.calls.get_mut(call) else { return };
        let (early, invited) = (found.state == CallState::Early, found.invited);
        let Some(reliable) = found.reliable.as_mut().filter(|known| known.rseq == rseq) else {
            return;
        };
        reliable.waited += reliable.interval;
        reliable.interval *= 2;
        let (interval, waited, out) = (reliable.interval, reliable.waited, reliable.out.clone());
        let Some(serial) = invited.filter(|_| early) else { return };
        if waited >= T1 * 64 {
            found.reliable = None;
            self.refuse(call, serial, 504);
            return;
        }
        self.send(out);
        self.arm(interval.min(T1 * 64 - waited), Timer::RepeatReliable(call, rseq));
    }

    /// Whether the answer has to wait for the PRACK of a description.
    pub(super) fn waits_for_prack(&mut self, call: usize) -> bool {
        let Some(found) = self.calls.get_mut(call) else { return false };
        let waits = found.reliable.as_ref().is_some_and(|reliable| reliable.described);
        found.answer_due |= waits;
        waits
    }

    /// A PRACK (RFC 3262 3).
    pub(super) fn on_prack(&mut self, serial: u64, call: usize, message: &Message) {
        let Some(found) = self.calls.get_mut(call) else { return };
        let invite = found.reliable.as_ref().map(|known| format!("{} ", known.rseq));
        let rack = String::from_utf8_lossy(message.header(HeaderId::RAck).unwrap_or_default());
        let fits = invite.is_some_and(|start| rack.starts_with(&start))
            && rack.ends_with(&format!(" {} INVITE", found.invite_cseq));
        let Some(reliable) = found.reliable.take_if(|_| fits) else {
            // One that waits for no PRACK gets none, unless the call is just over.
            if found.state == CallState::Early && found.rseq == 0 {
                self.accuse("rack", call, &format!("a PRACK with {rack}"));
            }
            self.answer(serial, 481, "", "");
            return;
        };
        found.agreed |= reliable.described;
        let due = found.answer_due;
        let described = !message.body().is_empty();
        if reliable.offers && !described {
            self.accuse("offer-answer", call, "a PRACK without the answer");
        }
        let answers = described && !reliable.offers;
        let body = if answers { self.describe(call) } else { String::new() };
        self.answer(serial, 200, "", &body);
        if due {
            self.decide(call);
        } else {
            self.progress(call);
        }
    }
}
