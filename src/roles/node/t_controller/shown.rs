//! What the clients here have been told of a DN, whoever owns it: what they have to hear
//! when its owner changes, or is out of reach.

use crate::cti::tlib::{Attributes, EventType, ForwardMode, KvList};

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

/// A DN as it was told.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Shown {
    pub(super) is_in_service: bool,
    pub(super) dnd: bool,
    pub(super) forward: Option<(i32, String)>,
    agent: Option<ShownAgent>,
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
        }
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
        match (self.is_in_service, then.is_in_service) {
            (true, false) => tell(EventType::EventDnOutOfService, Attributes::default()),
            (false, true) => tell(EventType::EventDnBackInService, Attributes::default()),
            (true, true) | (false, false) => {}
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
