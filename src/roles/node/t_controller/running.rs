//! Calls of this node that DNs of other nodes are in, as they are now: an owner that comes to
//! such a DN later, or is in reach again, is told what has happened before.
//!
//! ```text
//!  call's node                       a new owner of its DN
//!     |<---- Owned (its claim) -----------|   its clients wait CALLS_TIME for what is known of the DN
//!     |----- CallFact … ----------------->|   what has happened, as if it did now
//!     |                                   |   in service; clients hear what they have not been told
//! ```

use super::core::{Core, Cx};
use crate::base::id::{ConnId, NodeId};
use crate::base::time::{Duration, Instant};
use crate::call::facts::{CallFact, Party, Step};
use crate::cti::calls::{Held, Side};
use smallvec::SmallVec;

/// How long the owner of a DN whose last one was lost waits for calls of it before it tells its
/// clients: the way to the other data centre and back.
pub(super) const CALLS_TIME: Duration = Duration::from_millis(500);

/// How long clients take the calls of a DN that nobody owns for calls that go on.
const OWNERLESS_TIME: Duration = Duration::from_secs(30);

/// A DN has lost its owner.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bereft {
    /// Nobody has claimed it; somebody may, until then.
    Lost(Instant),
    /// This node has, and waits until then for what is known of its calls.
    Settling(Instant),
}

/// A call of this node.
#[derive(Clone, Debug)]
pub(super) struct Running {
    /// Its last step is how far it is.
    fact: CallFact,
    held_by: [bool; 2],
    /// Nodes that hear of it to its end.
    pub(super) told: SmallVec<[NodeId; 2]>,
}

const PARTIES: [Party; 2] = [Party::Caller, Party::Callee];

impl Running {
    fn new(fact: &CallFact) -> Self {
        let mut running =
            Self { fact: fact.clone(), held_by: [false; 2], told: SmallVec::default() };
        running.step(fact.step);
        running
    }

    fn step(&mut self, step: Step) {
        let mut hold = |party: Party, is_held: bool| {
            for (known, is_held_by) in PARTIES.iter().zip(&mut self.held_by) {
                if *known == party {
                    *is_held_by = is_held;
                }
            }
        };
        match step {
            Step::Held(party) => hold(party, true),
            Step::Retrieved(party) => hold(party, false),
            Step::Dialing | Step::Alerting | Step::Connected | Step::Ended { .. } => {
                // What one DN knows of the call may be less than another does.
                if reached(step) >= reached(self.fact.step) {
                    self.fact.step = step;
                }
            }
        }
    }

    /// What has happened, as far as it still holds.
    fn facts(&self) -> Vec<CallFact> {
        let steps: &[Step] = match self.fact.step {
            Step::Dialing => &[Step::Dialing],
            Step::Alerting => &[Step::Dialing, Step::Alerting],
            Step::Connected | Step::Held(_) | Step::Retrieved(_) => &[Step::Connected],
            Step::Ended { .. } => &[],
        };
        let is_connected = reached(self.fact.step) == reached(Step::Connected);
        let held = PARTIES.iter().zip(self.held_by).filter(|_| is_connected);
        let held = held.map(
            |(party, is_held)| {
                if is_held { Step::Held(*party) } else { Step::Retrieved(*party) }
            },
        );
        let of = |step| CallFact { step, ..self.fact.clone() };
        steps.iter().copied().chain(held).map(of).collect()
    }
}

const fn reached(step: Step) -> u8 {
    match step {
        Step::Dialing => 0,
        Step::Alerting => 1,
        Step::Connected | Step::Held(_) | Step::Retrieved(_) => 2,
        Step::Ended { .. } => 3,
    }
}

impl Core {
    /// A call of this node has gone on, of which others may have to hear.
    pub(super) fn note_running(&mut self, fact: &CallFact, is_of_others: bool) {
        if let Some(running) = self.running.get_mut(&fact.conn_id) {
            running.step(fact.step);
        } else if is_of_others && !fact.is_end() {
            self.running.insert(fact.conn_id, Running::new(fact));
            for (_, index) in self.parties(fact) {
                self.running_at.entry(index).or_default().push(fact.conn_id);
            }
        }
    }

    /// A call of this node is over.
    pub(super) fn end_running(&mut self, conn_id: ConnId) {
        let Some(running) = self.running.remove(&conn_id) else { return };
        for dn in [running.fact.caller_dn(), running.fact.called_dn()].into_iter().flatten() {
            let Some(index) = self.names.get(dn) else { continue };
            if let Some(calls) = self.running_at.get_mut(index) {
                calls.retain(|other| *other != conn_id);
                if calls.is_empty() {
                    self.running_at.remove(index);
                }
            }
        }
    }

    /// Another node works on the DN: what this one has known of its calls it tells that one, or
    /// it is another's to tell.
    pub(super) fn leave_calls(&mut self, index: usize, cx: &mut Cx<'_>) {
        if self.dns[index].calls.is_empty() {
            return;
        }
        let calls = core::mem::take(&mut self.dns[index].calls);
        for Held { side, fact, is_held } in calls.into_held() {
            self.refuse_release(fact.conn_id, index, cx);
            if fact.conn_id.node() != Some(self.settings.node) {
                continue;
            }
            let party = side.party();
            self.note_running(&fact, true);
            if is_held {
                self.note_running(&CallFact { step: Step::Held(party), ..fact }, true);
            }
            self.owed.insert(index);
        }
        self.tell_running(cx);
    }

    /// Tells the owners of these DNs of the calls here that those are in, be it this node.
    pub(super) fn tell_running(&mut self, cx: &mut Cx<'_>) {
        let owed = core::mem::take(&mut self.owed);
        if owed.is_empty() || self.running.is_empty() {
            return;
        }
        let mut due: Vec<(ConnId, Side, usize)> = Vec::new();
        for index in owed {
            for conn_id in self.running_at.get(&index).into_iter().flatten() {
                let Some(running) = self.running.get(conn_id) else { continue };
                let parties = self.parties(&running.fact).into_iter();
                let parties = parties.filter(|(_, other)| *other == index);
                due.extend(parties.map(|(side, _)| (*conn_id, side, index)));
            }
        }
        for (conn_id, side, index) in due {
            let Some(running) = self.running.get_mut(&conn_id) else { continue };
            let facts = running.facts();
            if self.is_own(index) {
                for fact in &facts {
                    self.on_side(side, index, fact, cx);
                }
            } else if let Some(owner) = self.linked_owner(index) {
                self.note_told(conn_id, owner);
                for fact in &facts {
                    self.send_fact(owner, fact, cx);
                }
            }
        }
    }

    /// A node hears of a call to its end.
    pub(super) fn note_told(&mut self, conn_id: ConnId, node: NodeId) {
        if let Some(running) = self.running.get_mut(&conn_id)
            && !running.told.contains(&node)
        {
            running.told.push(node);
        }
    }

    fn linked_owner(&self, index: usize) -> Option<NodeId> {
        self.owner_elsewhere(index).filter(|owner| self.is_linked(*owner))
    }

    /// A node is in reach: it hears what has happened in calls that its DNs are in.
    pub(super) fn owe_calls(&mut self, node: NodeId) {
        let theirs = self.running_at.keys().copied();
        let theirs = theirs.filter(|index| self.dns[*index].owner.node == Some(node));
        self.owed.extend(theirs);
    }

    // ---- the owner's side

    /// The owner of a DN is lost: its calls may go on.
    pub(super) fn bereave(&mut self, index: usize, cx: &mut Cx<'_>) {
        let entry = &mut self.dns[index];
        if entry.kind.is_phone() {
            let until = cx.now + OWNERLESS_TIME;
            if entry.registrants.is_empty() {
                // Nobody here has heard whether they have ended.
                entry.shown.forget_calls();
            }
            entry.bereft = Some(Bereft::Lost(until));
            self.arm_dn(index, until, cx);
        }
    }

    /// Whether nobody has come to own the DN in time.
    pub(super) fn is_given_up(&mut self, index: usize, cx: &mut Cx<'_>) -> bool {
        let entry = &mut self.dns[index];
        let Some(Bereft::Lost(until)) = entry.bereft else { return false };
        if until > cx.now {
            self.arm_dn(index, until, cx);
            return false;
        }
        entry.bereft = entry.bereft.filter(|_| entry.owner.node.is_some());
        entry.bereft.is_none()
    }

    /// Whether a DN that is owned here since its last owner was lost waits to hear of its calls.
    pub(super) fn is_settling(&self, index: usize) -> bool {
        self.is_own(index) && self.dns[index].bereft.is_some()
    }

    /// Waits to hear of the calls of a DN whose last owner was lost, unless that is under way.
    pub(super) fn settle(&mut self, index: usize, cx: &mut Cx<'_>) {
        let until = match self.dns[index].bereft {
            None => return,
            Some(Bereft::Settling(until)) => until,
            Some(Bereft::Lost(_)) => {
                self.owed.insert(index);
                cx.now + CALLS_TIME
            }
        };
        self.dns[index].bereft = Some(Bereft::Settling(until));
        self.arm_dn(index, until, cx);
    }

    /// Whether the DN's clients can be told how it is; if not, that is done in a while.
    pub(super) fn has_settled(&mut self, index: usize, cx: &mut Cx<'_>) -> bool {
        let bereft = &mut self.dns[index].bereft;
        if matches!(bereft, Some(Bereft::Settling(until)) if *until <= cx.now) {
            *bereft = None;
        }
        self.settle(index, cx);
        self.dns[index].bereft.is_none()
    }
}
