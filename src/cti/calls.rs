//! The calls at a DN: from the facts of a call to the events of its party
//! (`genesys/tlib.md` 6.1 and 6.2).

use super::tlib::{
    AddressStatus, Attributes, CallState, CallType, DnRole, EventType, KvList, KvPair, PartyState,
    kv_pair,
};
use crate::base::id::{ConnId, NodeId};
use crate::call::facts::{CallFact, EndedBy, Party, Step};
use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

/// Extension with the calls of a DN, a list for each by its ConnID.
pub const CALLS: &str = "Calls";
/// What a list of it has.
pub const CALL_UUID: &str = "CallUUID";
/// What a list of it has.
pub const CALL_TYPE: &str = "CallType";
/// What a list of it has: bits of `PartyState`.
pub const PARTY_STATE: &str = "PartyState";
/// What a list of it has.
pub const THIS_DN_ROLE: &str = "ThisDNRole";
/// What a list of it has, where the other party is known.
pub const OTHER_DN: &str = "OtherDN";

/// Which party of a call a DN is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who calls.
    Caller,
    /// Who is called.
    Called,
}

impl Side {
    /// As the call names it.
    #[must_use]
    pub const fn party(self) -> Party {
        match self {
            Self::Caller => Party::Caller,
            Self::Called => Party::Callee,
        }
    }
}

/// How the DN's part in a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It calls.
    Dialing,
    /// It rings.
    Ringing,
    /// It talks.
    Talking,
}

/// What a fact means to a DN.
#[derive(Clone, Debug, PartialEq)]
pub enum Meaning {
    /// An event.
    Tell(EventType, Box<Attributes>),
    /// The agent has begun to talk.
    Begun {
        /// Whether the call counts as business.
        is_business: bool,
    },
    /// The agent has stopped to talk; stands before the event, for after-call work is
    /// told first.
    Stopped {
        /// Whether the call counted as business.
        is_business: bool,
    },
    /// The phone has refused the call as busy.
    Busy,
}

#[derive(Clone, Debug)]
struct OnCall {
    side: Side,
    phase: Phase,
    /// The DN has put the other party on hold.
    is_held: bool,
    /// Its node is out of reach: who comes now does not hear of it.
    is_cut: bool,
    fact: CallFact,
}

/// A call that a DN has had.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its part in it.
    pub side: Side,
    /// How far it was.
    pub fact: CallFact,
    /// Whether it had put the other party on hold.
    pub is_held: bool,
}

/// The calls of one DN.
#[derive(Clone, Debug, Default)]
pub struct Calls {
    calls: BTreeMap<ConnId, OnCall>,
}

impl Calls {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// How many can be heard of.
    #[must_use]
    pub fn len(&self) -> usize {
        self.calls.values().filter(|call| !call.is_cut).count()
    }

    /// Whether there is none that can be heard of.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.calls.values().all(|call| call.is_cut)
    }

    /// The node of calls is out of reach, or in reach again.
    pub fn cut(&mut self, node: NodeId, is_cut: bool) {
        for (conn_id, call) in &mut self.calls {
            if conn_id.node() == Some(node) {
                call.is_cut = is_cut;
            }
        }
    }

    /// A call of the DN as it was last heard of, and whether its node is out of reach.
    #[must_use]
    pub fn find(&self, conn_id: ConnId) -> Option<(Side, &CallFact, bool)> {
        let call = self.calls.get(&conn_id)?;
        Some((call.side, &call.fact, call.is_cut))
    }

    /// AddressStatus by the call that is furthest; one on hold counts where there is no other.
    #[must_use]
    pub fn status(&self) -> AddressStatus {
        let active = self.calls.values().filter(|call| !call.is_held && !call.is_cut);
        match active.map(|call| call.phase).max() {
            Some(Phase::Talking) => AddressStatus::Talking,
            Some(Phase::Ringing) => AddressStatus::Ringing,
            Some(Phase::Dialing) => AddressStatus::Dialing,
            None if self.is_idle() => AddressStatus::Idle,
            None => AddressStatus::Held,
        }
    }

    /// The calls as Extension `Calls` of EventRegistered: a list for each, from which a
    /// client builds its view.
    #[must_use]
    pub fn shown(&self) -> KvList {
        Self::listed(self.calls.iter().filter(|(_, call)| !call.is_cut))
    }

    /// The same with those whose node is out of reach.
    #[must_use]
    pub fn known(&self) -> KvList {
        Self::listed(self.calls.iter())
    }

    fn listed<'a>(calls: impl Iterator<Item = (&'a ConnId, &'a OnCall)>) -> KvList {
        let pairs = calls.map(|(conn_id, call)| {
            let role = role(call.side);
            let state = match call.phase {
                Phase::Dialing => PartyState::Initiated as i32 | PartyState::Dialing as i32,
                Phase::Ringing => PartyState::Alerting as i32,
                Phase::Talking if call.is_held => PartyState::Held as i32,
                Phase::Talking => PartyState::Connected as i32,
            };
            let mut pairs = vec![
                KvPair::text(CALL_UUID, call.fact.uuid.as_str()),
                KvPair::integer(CALL_TYPE, call_type(&call.fact).into()),
                KvPair::integer(PARTY_STATE, state),
                KvPair::integer(THIS_DN_ROLE, role.into()),
            ];
            if let Some(other) = other(call.side, call.phase, &call.fact) {
                pairs.push(KvPair::text(OTHER_DN, other));
            }
            let list = kv_pair::Value::List(KvList { pairs });
            KvPair { key: conn_id.to_string(), value: Some(list) }
        });
        KvList { pairs: pairs.collect() }
    }

    /// Whether a call rings at the DN.
    #[must_use]
    pub fn is_ringing(&self, conn_id: ConnId) -> bool {
        self.calls.get(&conn_id).is_some_and(|call| call.phase == Phase::Ringing)
    }

    /// The node of the call that the DN is in, of those that can be heard of: one that it talks
    /// in before one that it makes. What rings at it has no part in what it begins.
    #[must_use]
    pub fn node(&self) -> Option<NodeId> {
        let of =
            |phase| self.calls.iter().find(move |(_, call)| !call.is_cut && call.phase == phase);
        of(Phase::Talking).or_else(|| of(Phase::Dialing))?.0.node()
    }

    /// All calls, as they are.
    pub fn into_held(self) -> impl Iterator<Item = Held> {
        self.calls.into_values().map(|call| {
            let step = match call.phase {
                Phase::Dialing => Step::Dialing,
                Phase::Ringing => Step::Alerting,
                Phase::Talking => Step::Connected,
            };
            let fact = CallFact { step, ..call.fact };
            Held { side: call.side, fact, is_held: call.is_held }
        })
    }

    /// Whether a call is one of the DN's.
    #[must_use]
    pub fn knows(&self, conn_id: ConnId) -> bool {
        self.calls.contains_key(&conn_id)
    }

    /// The ends of all calls that ran on a node, which is not there any more.
    #[must_use]
    pub fn of_node(&self, node: NodeId) -> Vec<(Side, CallFact)> {
        let calls = self.calls.iter().filter(|(conn_id, _)| conn_id.node() == Some(node));
        let ended = calls.map(|(_, call)| {
            let was_connected = call.phase == Phase::Talking;
            let step = Step::Ended { by: EndedBy::Cluster, code: 503, was_connected };
            (call.side, CallFact { step, ..call.fact.clone() })
        });
        ended.collect()
    }

    /// Takes a step of a call in which the DN is that party.
    pub fn on_fact(&mut self, side: Side, fact: &CallFact) -> Vec<Meaning> {
        let mut told = Vec::new();
        if let Some(call) = self.calls.get_mut(&fact.conn_id) {
            call.is_cut = false;
        }
        match (fact.step, side) {
            (Step::Dialing, Side::Caller) => self.reach(Phase::Dialing, side, fact, &mut told),
            (Step::Alerting, Side::Called) => self.reach(Phase::Ringing, side, fact, &mut told),
            (Step::Dialing, Side::Called) | (Step::Alerting, Side::Caller) => {}
            (Step::Connected, _) => {
                let first = if side == Side::Called { Phase::Ringing } else { Phase::Dialing };
                // Who answers without having rung has rung all the same.
                self.reach(first, side, fact, &mut told);
                self.reach(Phase::Talking, side, fact, &mut told);
            }
            (Step::Held(by), _) if by == side.party() => self.hold(true, side, fact, &mut told),
            (Step::Retrieved(by), _) if by == side.party() => {
                self.hold(false, side, fact, &mut told);
            }
            // Who is held is not told.
            (Step::Held(_) | Step::Retrieved(_), _) => {}
            (Step::Ended { by, code, .. }, _) => self.end(side, fact, (by, code), &mut told),
        }
        told
    }

    /// Moves on to a phase and tells it, unless the DN is as far already.
    fn reach(&mut self, phase: Phase, side: Side, fact: &CallFact, told: &mut Vec<Meaning>) {
        let known = self.calls.get_mut(&fact.conn_id);
        if known.as_ref().is_some_and(|call| call.phase >= phase) {
            return;
        }
        match known {
            Some(call) => call.phase = phase,
            None => {
                let call =
                    OnCall { side, phase, is_held: false, is_cut: false, fact: fact.clone() };
                self.calls.insert(fact.conn_id, call);
            }
        }
        let (kind, state) = match phase {
            Phase::Dialing => (EventType::EventDialing, None),
            Phase::Ringing => (EventType::EventRinging, Some(CallState::Ok)),
            Phase::Talking => (EventType::EventEstablished, None),
        };
        if phase == Phase::Talking {
            told.push(Meaning::Begun { is_business: fact.is_business() });
        }
        told.push(Meaning::Tell(kind, Box::new(attributes(side, phase, fact, state))));
    }

    /// The DN puts the other party on hold, or takes it back (`genesys/tlib.md` 6.5).
    fn hold(&mut self, is_held: bool, side: Side, fact: &CallFact, told: &mut Vec<Meaning>) {
        let Some(call) = self.calls.get_mut(&fact.conn_id) else { return };
        if call.phase != Phase::Talking || call.is_held == is_held {
            return;
        }
        call.is_held = is_held;
        let (kind, state) = if is_held {
            (EventType::EventHeld, None)
        } else {
            (EventType::EventRetrieved, Some(CallState::Ok))
        };
        let attributes = attributes(side, Phase::Talking, fact, state);
        told.push(Meaning::Tell(kind, Box::new(attributes)));
    }

    fn end(
        &mut self,
        side: Side,
        fact: &CallFact,
        (by, code): (EndedBy, u16),
        told: &mut Vec<Meaning>,
    ) {
        let is_busy = by == EndedBy::Callee && matches!(code, 486 | 600);
        let Some(call) = self.calls.remove(&fact.conn_id) else {
            // A busy phone does not ring.
            if side == Side::Called && is_busy {
                told.push(Meaning::Busy);
            }
            return;
        };
        let mut tell = |kind, state| {
            let attributes = attributes(side, call.phase, fact, Some(state));
            told.push(Meaning::Tell(kind, Box::new(attributes)));
        };
        match (call.phase, by) {
            (Phase::Talking, _) => {
                tell(EventType::EventReleased, CallState::Ok);
                let stopped = Meaning::Stopped { is_business: fact.is_business() };
                told.insert(0, stopped);
            }
            (Phase::Dialing, EndedBy::Caller) => tell(EventType::EventReleased, CallState::Ok),
            (Phase::Dialing, EndedBy::Callee | EndedBy::Cluster) => {
                let state = failure(code);
                if state != CallState::NoAnswer {
                    tell(EventType::EventDestinationBusy, state);
                }
                tell(EventType::EventReleased, state);
            }
            (Phase::Ringing, EndedBy::Caller) => tell(EventType::EventAbandoned, CallState::Ok),
            (Phase::Ringing, EndedBy::Callee) => {
                tell(EventType::EventReleased, failure(code));
                if is_busy {
                    told.push(Meaning::Busy);
                }
            }
            (Phase::Ringing, EndedBy::Cluster) => {
                tell(EventType::EventReleased, CallState::NoAnswer);
            }
        }
    }
}

/// What a call's failure is to its parties.
pub(super) const fn failure(code: u16) -> CallState {
    match code {
        486 | 600 | 603 => CallState::Busy,
        404 | 410 | 484 | 485 | 604 => CallState::SitInvalidnum,
        408 | 480 | 487 => CallState::NoAnswer,
        503 => CallState::AllTrunksBusy,
        _ => CallState::GeneralError,
    }
}

/// What a call is to the switch.
#[must_use]
pub fn call_type(fact: &CallFact) -> CallType {
    if fact.is_inbound {
        CallType::Inbound
    } else if fact.called_dn().is_none() {
        CallType::Outbound
    } else {
        CallType::Internal
    }
}

pub(super) const fn role(side: Side) -> DnRole {
    match side {
        Side::Caller => DnRole::Origination,
        Side::Called => DnRole::Destination,
    }
}

/// The other party: what was dialled until it has answered.
fn other(side: Side, phase: Phase, fact: &CallFact) -> Option<&str> {
    let name = match side {
        Side::Called => &fact.caller,
        Side::Caller if phase == Phase::Talking => {
            fact.called_dn().map_or(&fact.dialled, |_| &fact.destination)
        }
        Side::Caller => &fact.dialled,
    };
    (!name.is_empty()).then_some(&**name)
}

fn attributes(
    side: Side,
    phase: Phase,
    fact: &CallFact,
    call_state: Option<CallState>,
) -> Attributes {
    let other_role = match side {
        Side::Caller => DnRole::Destination,
        Side::Called => DnRole::Origination,
    };
    let other_is_trunk = match side {
        Side::Caller => fact.called_dn().is_none() && !fact.trunk.is_empty(),
        Side::Called => fact.is_inbound,
    };
    let other = other(side, phase, fact).map(str::to_owned);
    Attributes {
        conn_id: Some(fact.conn_id.0),
        call_uuid: Some(fact.uuid.to_string()),
        call_type: Some(call_type(fact).into()),
        call_state: call_state.map(Into::into),
        ani: (fact.is_inbound && !fact.caller.is_empty()).then(|| fact.caller.to_string()),
        dnis: Some(fact.dialled.to_string()),
        this_dn_role: Some(role(side).into()),
        other_dn_role: other.as_ref().map(|_| other_role.into()),
        other_dn: other,
        other_trunk: other_is_trunk.then(|| fact.trunk.to_string()),
        ..Attributes::default()
    }
}
