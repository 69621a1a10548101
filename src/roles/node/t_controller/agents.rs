//! Requests of agents, and what is set at a DN.

use super::core::{Asked, Core, Cx, Look, Party};
use crate::base::id::NodeId;
use crate::base::time::Duration;
use crate::cti::agent::{self, Agent, Former, Own, Request, Told, WRAP_UP_TIME, What};
use crate::cti::refusal::{Refusal, named};
use crate::cti::tlib::{
    AgentWorkMode, Attributes, ErrorCode, EventType, ForwardMode, KvList, KvPair, kv_pair,
};
use crate::mesh::wire::{Body, proto};
use crate::modules::t_library::port::ClientId;
use prost::Message as _;

/// Extensions of TAgentLogin that hold for the login in place of the application's options.
const OWN_WRAP_UP_TIME: &str = "wrap-up-time";
const OWN_LEGAL_GUARD_TIME: &str = "legal-guard-time";
const OWN_LOGOUT_ON_DISCONNECT: &str = "logout-on-disconnect";
/// Key of the reason that names the data centre of an agent.
const SITE: &str = "site";
/// Longest span that an extension may ask for, a day.
const SECONDS_MAX: u64 = 86_400;

impl Core {
    /// TAgentLogin.
    pub(super) fn agent_login(
        &mut self,
        id: Party,
        given: &Attributes,
        asked: Asked,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let work_mode = work_mode(given)?;
        let agent_id = given.agent_id.as_deref().filter(|id| !id.is_empty());
        let agent_id = agent_id.ok_or_else(|| Refusal::attribute("AgentID"))?;
        let index = self.own_dn(id, given)?;
        if !self.dns[index].kind.is_phone() {
            let text = "no agent can log in at a DN of this type";
            return Err(Refusal::new(ErrorCode::ErrorBadDnType, text));
        }
        if !self.dns[index].dn.is_in_service {
            let text = "the DN is out of service";
            return Err(Refusal::new(ErrorCode::ErrorOutOfService, text));
        }
        if !self.dns[index].calls.is_idle() {
            let text = "no agent can log in while the DN has a call";
            return Err(Refusal::new(ErrorCode::ErrorWrongState, text));
        }
        let agent_id = self.person(agent_id, given.password.as_deref())?;
        let is_elsewhere = self.elsewhere.contains_key(&agent_id);
        if is_elsewhere || self.agents.get(&agent_id).is_some_and(|other| *other != index) {
            let text = "the agent is logged in at another DN";
            return Err(Refusal::new(ErrorCode::ErrorResourceSeized, text));
        }
        let logout_on_disconnect = flag_of(given, OWN_LOGOUT_ON_DISCONNECT)?;
        let login = Request::Login {
            agent_id: agent_id.clone(),
            work_mode,
            reasons: given.reasons.clone().unwrap_or_default(),
            own: Own {
                wrap_up: seconds_of(given, OWN_WRAP_UP_TIME)?,
                legal_guard: seconds_of(given, OWN_LEGAL_GUARD_TIME)?,
            },
        };
        self.ask_agent(index, login, asked, cx)?;
        self.dns[index].logout_on_disconnect = logout_on_disconnect;
        self.tell_where(&agent_id, Some(index), cx);
        self.agents.insert(agent_id, index);
        self.dns[index].desktop = Some(id);
        if self.dns[index].is_deserted && id.node != self.settings.node {
            self.dns[index].move_at = Some(cx.now + self.settings.move_delay);
            self.looks.push_back(Look::Service(index));
        }
        Ok(())
    }

    /// The agent of a DN that goes to another node, if he is to be logged in there again
    /// (`agent-state-auto-restore`).
    pub(super) fn restorable(&self, index: usize) -> Option<proto::RestoredAgent> {
        let entry = &self.dns[index];
        let status = entry.agent.status().filter(|status| !status.is_manual_acw())?;
        let own = entry.agent.own();
        let seconds = |span: Duration| u32::try_from(span.as_secs()).unwrap_or(u32::MAX);
        self.settings.auto_restore.then(|| proto::RestoredAgent {
            wrap_up_time: own.wrap_up.map(seconds),
            legal_guard_time: own.legal_guard.map(seconds),
            logout_on_disconnect: entry.logout_on_disconnect,
            agent_id: status.agent_id.into(),
            is_ready: status.is_ready,
            work_mode: status.work_mode.into(),
            reasons: status.reasons.encode_to_vec(),
            desktop_node: entry.desktop.map_or(0, |party| u32::from(party.node.get())),
            desktop_client: entry.desktop.map_or(0, |party| party.client.0),
        })
    }

    /// The agent of a DN that has come here from another node is logged in as he was there.
    /// One whose desktop is gone meanwhile stays logged out.
    pub(super) fn restore(&mut self, index: usize, was: proto::RestoredAgent, cx: &mut Cx<'_>) {
        let node = u16::try_from(was.desktop_node).ok().and_then(NodeId::new);
        let desktop = node.map(|node| Party { node, client: ClientId(was.desktop_client) });
        let is_gone = desktop.is_some_and(|party| {
            if party.node == self.settings.node {
                !self.clients.contains_key(&party.client)
            } else {
                !self.is_linked(party.node)
            }
        });
        let agent_id: Box<str> = was.agent_id.into();
        let Ok(work_mode) = AgentWorkMode::try_from(was.work_mode) else { return };
        let Ok(reasons) = KvList::decode(&*was.reasons) else { return };
        let is_free = !self.elsewhere.contains_key(&agent_id)
            && !self.agents.contains_key(&agent_id)
            && self.settings.persons.contains_key(&agent_id);
        let entry = &self.dns[index];
        let can_be = entry.dn.is_in_service && entry.agent.status().is_none();
        if is_gone || !is_free || !can_be || !self.settings.auto_restore {
            return;
        }
        let is_ready = was.is_ready;
        let span = |seconds: u32| Duration::from_secs(seconds.into());
        let own = Own {
            wrap_up: was.wrap_up_time.map(span),
            legal_guard: was.legal_guard_time.map(span),
        };
        self.dns[index].logout_on_disconnect = was.logout_on_disconnect;
        let was = Former { agent_id: agent_id.clone(), is_ready, work_mode, reasons, own };
        self.with_agent(index, Asked::default(), cx, |agent, cx| agent.restore(was, cx));
        self.tell_where(&agent_id, Some(index), cx);
        self.agents.insert(agent_id, index);
        self.dns[index].desktop = desktop;
    }

    /// The other nodes hear where an agent is.
    fn tell_where(&self, agent_id: &str, at: Option<usize>, cx: &mut Cx<'_>) {
        let dn = at.map(|index| self.dns[index].name.to_string()).unwrap_or_default();
        let agents = vec![proto::LoggedIn { agent_id: agent_id.to_owned(), dn }];
        self.send_all(Body::Agents(proto::Agents { agents }), cx);
    }

    /// AgentID of a person who may log in.
    fn person(&self, agent_id: &str, given: Option<&str>) -> Result<Box<str>, Refusal> {
        let Some(password) = self.settings.persons.get(agent_id) else {
            let text = format!("no person {agent_id} is configured");
            return Err(Refusal::new(ErrorCode::ErrorInvalidAgentId, text));
        };
        match password {
            Some(password) if given != Some(&**password) => {
                Err(Refusal::new(ErrorCode::ErrorBadPassword, "the password is wrong"))
            }
            Some(_) | None => Ok(agent_id.into()),
        }
    }

    /// TAgentLogout.
    pub(super) fn agent_logout(
        &mut self,
        id: Party,
        given: &Attributes,
        asked: Asked,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let index = self.own_dn(id, given)?;
        let reasons = given.reasons.clone().unwrap_or_default();
        self.ask_agent(index, Request::Logout { reasons }, asked, cx)
    }

    /// TAgentSetReady.
    pub(super) fn agent_ready(
        &mut self,
        id: Party,
        given: &Attributes,
        asked: Asked,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let work_mode = work_mode(given)?;
        let index = self.own_dn(id, given)?;
        let reasons = given.reasons.clone().unwrap_or_default();
        let ready = Request::Ready { work_mode, reasons };
        self.ask_agent(index, ready, asked, cx)
    }

    /// TAgentSetNotReady.
    pub(super) fn agent_not_ready(
        &mut self,
        id: Party,
        given: &Attributes,
        asked: Asked,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let work_mode = work_mode(given)?;
        let index = self.own_dn(id, given)?;
        let wrap_up = seconds_of(given, WRAP_UP_TIME)?;
        let not_ready = Request::NotReady {
            work_mode,
            reasons: given.reasons.clone().unwrap_or_default(),
            wrap_up,
        };
        self.ask_agent(index, not_ready, asked, cx)
    }

    fn ask_agent(
        &mut self,
        index: usize,
        request: Request,
        asked: Asked,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let result = self.with_agent(index, asked, cx, |agent, cx| agent.on_request(request, cx));
        if self.dns[index].leaving.is_some() {
            // After-call work that he has ended may have been all that was in the way.
            self.looks.push_back(Look::Service(index));
        }
        result
    }

    /// Something has happened to the agent at a DN, if there is one.
    pub(super) fn turn_agent(&mut self, index: usize, event: agent::Event, cx: &mut Cx<'_>) {
        self.with_agent(index, Asked::default(), cx, |agent, cx| agent.on(event, cx));
    }

    /// Turns the agent of a DN, and tells what has become of him.
    fn with_agent<R>(
        &mut self,
        index: usize,
        mut asked: Asked,
        cx: &mut Cx<'_>,
        turn: impl FnOnce(&mut Agent, &mut agent::Cx<'_>) -> R,
    ) -> R {
        let mut agent_cx = agent::Cx {
            now: cx.now,
            ids: cx.ids,
            options: &self.settings.agents,
            out: &mut self.agent_out,
        };
        let result = turn(&mut self.dns[index].agent, &mut agent_cx);
        let actions: Vec<agent::Action> = self.agent_out.drain().collect();
        for action in actions {
            match action {
                agent::Action::Arm(at) => self.arm_dn(index, at, cx),
                agent::Action::Tell(told) => self.tell_state(index, told, &mut asked, cx),
            }
        }
        result
    }

    fn tell_state(&mut self, index: usize, told: Told, asked: &mut Asked, cx: &mut Cx<'_>) {
        let kind = match told.what {
            What::Login => EventType::EventAgentLogin,
            What::Logout => EventType::EventAgentLogout,
            What::Ready => EventType::EventAgentReady,
            What::NotReady => EventType::EventAgentNotReady,
        };
        self.dns[index].agent_since = cx.wall;
        if told.what == What::Logout {
            self.agents.remove(&told.agent_id);
            self.dns[index].desktop = None;
            self.tell_where(&told.agent_id, None, cx);
            self.looks.push_back(Look::Service(index));
        }
        let reasons = self.with_site(told.reasons);
        let seconds = |span: Duration| i32::try_from(span.as_secs()).unwrap_or(i32::MAX);
        let wrap_up = told.wrap_up.map(|span| KvPair::integer(WRAP_UP_TIME, seconds(span)));
        let attributes = Attributes {
            agent_id: Some(told.agent_id.into()),
            agent_session_id: Some(told.session.to_string()),
            agent_work_mode: Some(told.work_mode.into()),
            reasons: Some(reasons),
            extensions: wrap_up.map(|pair| KvList { pairs: vec![pair] }),
            ..Attributes::default()
        };
        self.publish(index, kind, attributes, asked, cx);
        match told.what {
            What::Login => self.tell_supervisor(index, cx),
            What::Logout => self.end_supervision(index, Asked::default(), cx),
            What::Ready | What::NotReady => {}
        }
    }

    /// Reasons of an agent's event, with the data centre in which the agent is to be found.
    pub(super) fn with_site(&self, mut reasons: KvList) -> KvList {
        reasons.update(&vec![KvPair::text(SITE, &self.settings.geo_location)].into());
        reasons
    }

    /// TSetDNDOn and TSetDNDOff.
    pub(super) fn set_dnd(
        &mut self,
        id: Party,
        dnd: bool,
        given: &Attributes,
        mut asked: Asked,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let index = self.owned_phone(id, given, cx)?;
        self.dns[index].dn.set_dnd(dnd)?;
        self.look_at_standing(index, cx);
        self.looks.push_back(Look::Service(index));
        let kind = if dnd { EventType::EventDndOn } else { EventType::EventDndOff };
        let attributes = Attributes { reasons: given.reasons.clone(), ..Attributes::default() };
        self.publish(index, kind, attributes, &mut asked, cx);
        Ok(())
    }

    /// TCallSetForward.
    pub(super) fn set_forward(
        &mut self,
        id: Party,
        given: &Attributes,
        mut asked: Asked,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let mode = given.forward_mode.unwrap_or(ForwardMode::Unconditional.into());
        let mode = ForwardMode::try_from(mode).map_err(|_| Refusal::attribute("ForwardMode"))?;
        let to = named(given.other_dn.as_deref(), "OtherDN")?;
        let index = self.owned_phone(id, given, cx)?;
        self.dns[index].dn.set_forward(mode, to)?;
        let attributes = Attributes {
            other_dn: Some(to.to_owned()),
            forward_mode: Some(mode.into()),
            ..Attributes::default()
        };
        self.publish(index, EventType::EventForwardSet, attributes, &mut asked, cx);
        Ok(())
    }

    /// TCallCancelForward.
    pub(super) fn cancel_forward(
        &mut self,
        id: Party,
        given: &Attributes,
        mut asked: Asked,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let index = self.owned_phone(id, given, cx)?;
        let mode = self.dns[index].dn.cancel_forward()?;
        self.looks.push_back(Look::Service(index));
        let attributes = Attributes { forward_mode: Some(mode.into()), ..Attributes::default() };
        self.publish(index, EventType::EventForwardCancel, attributes, &mut asked, cx);
        Ok(())
    }

    /// What is set at a DN its owner keeps: one that has none is this node's from now on.
    fn owned_phone(
        &mut self,
        id: Party,
        given: &Attributes,
        cx: &mut Cx<'_>,
    ) -> Result<usize, Refusal> {
        let index = self.own_phone(id, given)?;
        if self.dns[index].owner.node.is_some_and(|owner| owner != self.settings.node) {
            let text = "the node that owns the DN is out of reach";
            return Err(Refusal::new(ErrorCode::ErrorOutOfService, text));
        }
        if !self.is_own(index) {
            self.claim(index, cx);
            // It stays so if anything comes to be set.
            self.looks.push_back(Look::Service(index));
        }
        Ok(index)
    }

    pub(super) fn own_phone(&self, id: Party, given: &Attributes) -> Result<usize, Refusal> {
        let index = self.own_dn(id, given)?;
        if self.dns[index].kind.is_phone() {
            Ok(index)
        } else {
            Err(Refusal::new(ErrorCode::ErrorBadDnType, "the DN is no phone"))
        }
    }
}

fn work_mode(given: &Attributes) -> Result<Option<AgentWorkMode>, Refusal> {
    given
        .agent_work_mode
        .map(AgentWorkMode::try_from)
        .transpose()
        .map_err(|_| Refusal::attribute("AgentWorkMode"))
}

/// A span in seconds of the Extensions.
///
/// # Errors
/// When it is no number, or less than nothing.
fn seconds_of(given: &Attributes, key: &str) -> Result<Option<Duration>, Refusal> {
    let Some(value) = given.extensions.as_ref().and_then(|list| list.find(key)) else {
        return Ok(None);
    };
    let seconds = match value {
        kv_pair::Value::Integer(number) => u64::try_from(*number).ok(),
        kv_pair::Value::Text(text) => text.trim().parse().ok(),
        kv_pair::Value::Binary(_) | kv_pair::Value::List(_) => None,
    };
    let seconds = seconds.filter(|seconds| *seconds <= SECONDS_MAX);
    let seconds = seconds.ok_or_else(|| no_extension(key))?;
    Ok(Some(Duration::from_secs(seconds)))
}

/// Yes or no of the Extensions.
///
/// # Errors
/// When it is neither.
fn flag_of(given: &Attributes, key: &str) -> Result<Option<bool>, Refusal> {
    let Some(value) = given.extensions.as_ref().and_then(|list| list.find(key)) else {
        return Ok(None);
    };
    let is_set = match value {
        kv_pair::Value::Integer(number) => Some(*number != 0),
        kv_pair::Value::Text(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Some(true),
            "false" | "off" | "no" | "0" => Some(false),
            _ => None,
        },
        kv_pair::Value::Binary(_) | kv_pair::Value::List(_) => None,
    };
    is_set.map(Some).ok_or_else(|| no_extension(key))
}

fn no_extension(key: &str) -> Refusal {
    let text = format!("a value of Extension {key} that it cannot have");
    Refusal::new(ErrorCode::ErrorInvalidAttribute, text)
}
