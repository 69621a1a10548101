//! What the clients here have been told of a DN, whoever owns it: what they have to hear
//! when its owner changes, or is out of reach.

use crate::base::id::ConnId;
use crate::cti::calls::{CALL_TYPE, CALL_UUID, CALLS, OTHER_DN, PARTY_STATE, THIS_DN_ROLE};
use crate::cti::tlib::{
    Attributes, CallState, DnRole, EventType, ForwardMode, KvList, KvPair, PartyState, kv_pair,
};
use std::collections::BTreeMap;

/// Extension of EventRegistered with the state of the agent.
pub(super) const AGENT_STATUS: &str = "AgentStatus";
/// Extension of EventRegistered that says whether DND is on.
pub(super) const DND: &str = "dnd";
/// AgentStatus of an agent who is ready.
pub(super) const AGENT_READY: i32 = 2;

/// An agent as it was told.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ShownAgent {
    agent_id: String,
    session: String,
    is_ready: bool,
    work_mode: i32,
    reasons: Option<KvList>,
}

/// The bits of a `PartyState` that are a number.
const PARTY_STATE_MASK: i32 = 15;

/// How far a call was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Reached {
    #[default]
    Nothing,
    Begun,
    Established,
}

/// A call as it was told. By its ConnID alone it is told from others.
#[derive(Clone, Debug, Default)]
struct ShownCall {
    reached: Reached,
    is_held: bool,
    uuid: Option<String>,
    kind: Option<i32>,
    role: Option<i32>,
    other_dn: Option<String>,
    other_role: Option<i32>,
}

impl PartialEq for ShownCall {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// A DN as it was told.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Shown {
    pub(super) is_in_service: bool,
    pub(super) dnd: bool,
    pub(super) forward: Option<(i32, String)>,
    agent: Option<ShownAgent>,
    calls: BTreeMap<u64, ShownCall>,
}

impl Shown {
    /// Before anything is told.
    pub(super) fn untold(is_in_service: bool) -> Self {
        Self { is_in_service, ..Self::default() }
    }

    /// As EventRegistered tells it.
    pub(super) fn of_registered(given: &Attributes) -> Self {
        let number = |key| given.extensions.as_ref().and_then(|list| list.number(key));
        let forward = given.forward_mode.filter(|mode| *mode != ForwardMode::None as i32);
        Self {
            is_in_service: given.is_in_service.unwrap_or_default(),
            dnd: number(DND) == Some(1),
            forward: forward.zip(given.other_dn.clone()),
            agent: agent_of(given, number(AGENT_STATUS) == Some(AGENT_READY)),
            calls: given.extensions.as_ref().map(calls_of).unwrap_or_default(),
        }
    }

    /// With the calls that others were told of besides: an answer leaves out those whose node is
    /// out of reach.
    pub(super) fn with_calls_of(mut self, other: &Self) -> Self {
        self.calls.extend(other.calls.iter().map(|(conn_id, call)| (*conn_id, call.clone())));
        self
    }

    /// Without calls.
    pub(super) fn forget_calls(&mut self) {
        self.calls.clear();
    }

    /// The calls, as EventRegistered lists them.
    pub(super) fn listed(&self) -> KvList {
        let pairs = self.calls.iter().map(|(conn_id, call)| {
            let list = Some(kv_pair::Value::List(KvList { pairs: call.listed() }));
            KvPair { key: ConnId(*conn_id).to_string(), value: list }
        });
        KvList { pairs: pairs.collect() }
    }

    /// Whether a call was told to be answered, and to be on hold.
    #[cfg(test)]
    pub(super) fn call(&self, conn_id: ConnId) -> Option<(bool, bool)> {
        let call = self.calls.get(&conn_id.0)?;
        Some((call.reached == Reached::Established, call.is_held))
    }

    /// An event is told.
    #[expect(clippy::wildcard_enum_match_arm, reason = "most events change nothing of this")]
    pub(super) fn note(&mut self, kind: EventType, given: &Attributes) {
        match kind {
            EventType::EventDnBackInService => self.is_in_service = true,
            EventType::EventDnOutOfService => self.is_in_service = false,
            EventType::EventAgentLogin | EventType::EventAgentNotReady => {
                self.agent = agent_of(given, false);
            }
            EventType::EventAgentReady => self.agent = agent_of(given, true),
            EventType::EventAgentLogout => self.agent = None,
            EventType::EventDndOn => self.dnd = true,
            EventType::EventDndOff => self.dnd = false,
            EventType::EventForwardSet => {
                self.forward = given.forward_mode.zip(given.other_dn.clone());
            }
            EventType::EventForwardCancel => self.forward = None,
            EventType::EventDialing
            | EventType::EventRinging
            | EventType::EventEstablished
            | EventType::EventHeld
            | EventType::EventRetrieved => {
                if let Some(conn_id) = given.conn_id {
                    let call = self.calls.entry(conn_id).or_insert_with(|| ShownCall {
                        uuid: given.call_uuid.clone(),
                        kind: given.call_type,
                        role: given.this_dn_role,
                        other_dn: given.other_dn.clone(),
                        other_role: given.other_dn_role,
                        ..ShownCall::default()
                    });
                    let is_begun =
                        matches!(kind, EventType::EventDialing | EventType::EventRinging);
                    let reached = if is_begun { Reached::Begun } else { Reached::Established };
                    call.reached = call.reached.max(reached);
                    call.is_held = kind == EventType::EventHeld;
                }
            }
            EventType::EventReleased | EventType::EventAbandoned => {
                if let Some(conn_id) = given.conn_id {
                    self.calls.remove(&conn_id);
                }
            }
            _ => {}
        }
    }

    /// The same DN when nobody can reach it; what is set at it may be so still.
    pub(super) fn out_of_reach(&self) -> Self {
        Self { is_in_service: false, agent: None, ..self.clone() }
    }

    /// The events that lead from here to there.
    pub(super) fn until(&self, then: &Self) -> Vec<(EventType, Attributes)> {
        let mut told = Vec::new();
        let mut tell = |kind, attributes| told.push((kind, attributes));
        // How they have ended nobody knows here.
        for (conn_id, call) in &self.calls {
            if !then.calls.contains_key(conn_id) {
                tell(EventType::EventReleased, call.attributes(*conn_id, CallState::Unknown));
            }
        }
        match (self.is_in_service, then.is_in_service) {
            (true, false) => tell(EventType::EventDnOutOfService, Attributes::default()),
            (false, true) => tell(EventType::EventDnBackInService, Attributes::default()),
            (true, true) | (false, false) => {}
        }
        for (conn_id, call) in &then.calls {
            for kind in call.since(self.calls.get(conn_id)) {
                tell(kind, call.attributes(*conn_id, CallState::Ok));
            }
        }
        let session =
            |agent: &Option<ShownAgent>| agent.as_ref().map(|found| found.session.clone());
        let is_same = session(&self.agent) == session(&then.agent);
        if let Some(gone) = self.agent.as_ref().filter(|_| !is_same) {
            tell(EventType::EventAgentLogout, gone.attributes());
        }
        if let Some(agent) = &then.agent {
            if !is_same {
                tell(EventType::EventAgentLogin, agent.attributes());
            }
            let kind = if agent.is_ready {
                EventType::EventAgentReady
            } else {
                EventType::EventAgentNotReady
            };
            if self.agent.as_ref() != Some(agent) {
                tell(kind, agent.attributes());
            }
        }
        if self.dnd != then.dnd {
            let kind = if then.dnd { EventType::EventDndOn } else { EventType::EventDndOff };
            tell(kind, Attributes::default());
        }
        if self.forward != then.forward {
            let mode = |forward: &Option<(i32, String)>| forward.as_ref().map(|(mode, _)| *mode);
            match &then.forward {
                Some((mode, to)) => {
                    let other_dn = Some(to.clone());
                    let forward_mode = Some(*mode);
                    let set = Attributes { forward_mode, other_dn, ..Attributes::default() };
                    tell(EventType::EventForwardSet, set);
                }
                None => {
                    let forward_mode = mode(&self.forward);
                    let cancelled = Attributes { forward_mode, ..Attributes::default() };
                    tell(EventType::EventForwardCancel, cancelled);
                }
            }
        }
        told
    }
}

impl ShownCall {
    /// The events that lead here from what was told of the call, if anything was.
    fn since(&self, before: Option<&Self>) -> Vec<EventType> {
        let reached = before.map_or(Reached::Nothing, |call| call.reached);
        let was_held = before.is_some_and(|call| call.is_held);
        let mut told = Vec::new();
        if reached < Reached::Begun && self.reached >= Reached::Begun {
            let is_caller = self.role == Some(DnRole::Origination.into());
            let (dialing, ringing) = (EventType::EventDialing, EventType::EventRinging);
            told.push(if is_caller { dialing } else { ringing });
        }
        if reached < Reached::Established && self.reached == Reached::Established {
            told.push(EventType::EventEstablished);
        }
        match (was_held, self.is_held) {
            (false, true) => told.push(EventType::EventHeld),
            (true, false) => told.push(EventType::EventRetrieved),
            (true, true) | (false, false) => {}
        }
        told
    }

    fn listed(&self) -> Vec<KvPair> {
        let is_caller = self.role == Some(DnRole::Origination.into());
        let state = match (self.reached, self.is_held) {
            (_, true) => PartyState::Held as i32,
            (Reached::Established, false) => PartyState::Connected as i32,
            (Reached::Nothing | Reached::Begun, false) if is_caller => {
                PartyState::Initiated as i32 | PartyState::Dialing as i32
            }
            (Reached::Nothing | Reached::Begun, false) => PartyState::Alerting as i32,
        };
        let text = |key, value: &Option<String>| Some(KvPair::text(key, value.as_deref()?));
        let number = |key, value: Option<i32>| Some(KvPair::integer(key, value?));
        let all = [
            text(CALL_UUID, &self.uuid),
            number(CALL_TYPE, self.kind),
            number(PARTY_STATE, Some(state)),
            number(THIS_DN_ROLE, self.role),
            text(OTHER_DN, &self.other_dn),
        ];
        all.into_iter().flatten().collect()
    }

    fn attributes(&self, conn_id: u64, state: CallState) -> Attributes {
        Attributes {
            conn_id: Some(conn_id),
            call_uuid: self.uuid.clone(),
            call_type: self.kind,
            this_dn_role: self.role,
            other_dn: self.other_dn.clone(),
            other_dn_role: self.other_role,
            call_state: Some(state.into()),
            ..Attributes::default()
        }
    }
}

/// The calls of EventRegistered.
fn calls_of(extensions: &KvList) -> BTreeMap<u64, ShownCall> {
    let Some(kv_pair::Value::List(calls)) = extensions.find(CALLS) else { return BTreeMap::new() };
    let calls = calls.pairs.iter().filter_map(|pair| {
        let Some(kv_pair::Value::List(own)) = &pair.value else { return None };
        let text = |key| own.text(key).map(str::to_owned);
        let state = own.number(PARTY_STATE).unwrap_or_default();
        // Bits lie above what is a number.
        let is = |wanted: PartyState| state & PARTY_STATE_MASK == wanted as i32;
        let is_held = is(PartyState::Held);
        let is_established = is_held || is(PartyState::Connected);
        let call = ShownCall {
            reached: if is_established { Reached::Established } else { Reached::Begun },
            is_held,
            uuid: text(CALL_UUID),
            kind: own.number(CALL_TYPE),
            role: own.number(THIS_DN_ROLE),
            other_dn: text(OTHER_DN),
            other_role: None,
        };
        Some((u64::from_str_radix(&pair.key, 16).ok()?, call))
    });
    calls.collect()
}

impl ShownAgent {
    fn attributes(&self) -> Attributes {
        Attributes {
            agent_id: Some(self.agent_id.clone()),
            agent_session_id: Some(self.session.clone()),
            agent_work_mode: Some(self.work_mode),
            reasons: self.reasons.clone(),
            ..Attributes::default()
        }
    }
}

fn agent_of(given: &Attributes, is_ready: bool) -> Option<ShownAgent> {
    Some(ShownAgent {
        agent_id: given.agent_id.clone()?,
        session: given.agent_session_id.clone().unwrap_or_default(),
        is_ready,
        work_mode: given.agent_work_mode.unwrap_or_default(),
        reasons: given.reasons.clone(),
    })
}
