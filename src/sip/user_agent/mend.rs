//! After a turn that panicked: what it has touched may be half done.

use super::leg::{Leg, LegState};
use super::stack::{Action, Cx, Stack, Wake};
use crate::base::id::Slot;
use crate::base::leg::Cause;
use crate::base::time::Instant;

impl Stack {
    /// Notes what this turn works on.
    pub(super) fn touch(&mut self, wake: Wake) {
        self.touched.push(wake);
    }

    /// Forgets what the last turn worked on.
    pub(super) fn begin(&mut self) {
        self.touched.clear();
    }

    /// Notes a leg that the layer above works on.
    pub fn touch_leg(&mut self, leg: Slot) {
        self.touch(Wake::Leg(leg));
    }

    /// The legs that this turn has worked on, each once.
    #[must_use]
    pub fn touched_legs(&self) -> Vec<Slot> {
        let leg = |wake: &Wake| match wake {
            Wake::Leg(leg) => Some(*leg),
            Wake::Client(slot) => self.clients.get(*slot)?.leg,
            Wake::Server(slot) => self.servers.get(*slot)?.leg,
        };
        let mut legs: Vec<Slot> = self.touched.iter().filter_map(leg).collect();
        legs.sort_unstable();
        legs.dedup();
        legs
    }

    /// Ends a leg whose call is over. An ACK of it may not have left, of its own answer
    /// or of that of another phone: all go again.
    pub fn end_leg(&mut self, leg: Slot, cause: &Cause, cx: &mut Cx<'_>) {
        let acks = self.legs.get(leg).map(Leg::acks).unwrap_or_default();
        for ack in acks {
            self.send_in_dialog_ack(leg, ack, cx);
        }
        self.hang_up(leg, cause, cx);
        self.settle_leg(leg, cx);
    }

    /// Arms anew, or frees, what this turn has touched and what belongs to `legs`;
    /// requests outside a dialog that wait for an answer get a 500.
    pub fn mend(&mut self, legs: &[Slot], cx: &mut Cx<'_>) {
        let of_legs = |leg: Option<Slot>| leg.is_some_and(|leg| legs.contains(&leg));
        let clients: Vec<Slot> = self
            .clients
            .iter()
            .filter(|(slot, found)| {
                of_legs(found.leg) || self.touched.contains(&Wake::Client(*slot))
            })
            .map(|(slot, _)| slot)
            .collect();
        let servers: Vec<Slot> = self
            .servers
            .iter()
            .filter(|(slot, found)| {
                of_legs(found.leg) || self.touched.contains(&Wake::Server(*slot))
            })
            .map(|(slot, _)| slot)
            .collect();
        for slot in clients {
            self.mend_client(slot, cx);
        }
        for slot in servers {
            let unanswered =
                self.servers.get(slot).is_some_and(|found| found.is_open() && found.leg.is_none());
            if unanswered {
                self.answer(slot, 500, &[], cx);
            } else if self.touched.contains(&Wake::Server(slot)) {
                // The last response may not have left; twice does no harm.
                self.repeat_response(slot, cx);
            }
            self.mend_server(slot, cx);
        }
        for &leg in legs {
            if let Some(found) = self.legs.get_mut(leg) {
                found.reported = true;
            }
            self.settle_leg(leg, cx);
        }
    }

    fn mend_client(&mut self, slot: Slot, cx: &mut Cx<'_>) {
        let Some(found) = self.clients.get(slot) else { return };
        let at = found.next_deadline();
        let leg = found.leg.and_then(|leg| self.legs.get_mut(leg));
        // One that may not have left: what follows it must not overtake it.
        let unsent = found.is_unheard()
            && self.touched.contains(&Wake::Client(slot))
            && leg.as_ref().is_some_and(|leg| leg.inviting != Some(slot));
        if unsent
            && let Some(leg) = leg
            && matches!(leg.state, LegState::Calling | LegState::Cancelling)
        {
            leg.state = LegState::Ending;
        }
        if !unsent && !found.is_terminated() {
            // One that waits for nothing but a response still ends some time.
            if at != Instant::NEVER {
                cx.out.push(Action::Arm(Wake::Client(slot), at.max(cx.now)));
            }
        } else if let Some(leg) = self.clients.remove(slot).and_then(|found| found.leg) {
            self.release_leg(leg, Wake::Client(slot), cx);
        }
    }
}
