//! Who hears of a DN: TRegisterAddress and its kin, and what can be asked of a DN.

use super::core::{Asked, Core, Cx, Party};
use super::shown::{AGENT_READY, AGENT_STATUS, DND};
use crate::cti::calls::CALLS;
use crate::cti::dn::is_seized;
use crate::cti::refusal::{Refusal, asked_for, named};
use crate::cti::tlib::{
    AddressInfoType, Attributes, ErrorCode, EventType, KvList, KvPair, RegisterMode, kv_pair,
};
use std::collections::BTreeSet;

impl Core {
    /// The DN that a request is about.
    ///
    /// # Errors
    /// When it names none, or none that is configured.
    pub(super) fn this_dn(&self, given: &Attributes) -> Result<usize, Refusal> {
        let name = named(given.this_dn.as_deref(), "ThisDN")?;
        self.find_dn(name)
    }

    pub(super) fn find_dn(&self, name: &str) -> Result<usize, Refusal> {
        let found = self.names.get(name).copied();
        found.filter(|index| self.dns[*index].is_configured).ok_or_else(|| {
            Refusal::new(ErrorCode::ErrorNotConfigured, format!("no DN {name} is configured"))
        })
    }

    /// The DN that a request is about, if the client is registered for it other than to
    /// hear.
    ///
    /// # Errors
    /// When it is not, or there is no such DN.
    pub(super) fn own_dn(&self, id: Party, given: &Attributes) -> Result<usize, Refusal> {
        let index = self.this_dn(given)?;
        let mut registrants = self.dns[index].registrants.iter();
        match registrants.find(|(registrant, _)| *registrant == id) {
            Some((_, RegisterMode::Share | RegisterMode::Private)) => Ok(index),
            Some((_, RegisterMode::Monitor)) => {
                let text = "the client is registered for the DN to hear only";
                Err(Refusal::new(ErrorCode::ErrorNotRegistered, text))
            }
            None => {
                let text = "the client is not registered for the DN";
                Err(Refusal::new(ErrorCode::ErrorNotRegistered, text))
            }
        }
    }

    /// TRegisterAddress. Asked again it answers again, in the mode that is asked for.
    pub(super) fn register_address(
        &mut self,
        id: Party,
        given: &Attributes,
        asked: Asked,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let index = self.this_dn(given)?;
        let mode = RegisterMode::try_from(given.register_mode.unwrap_or_default())
            .map_err(|_| Refusal::attribute("RegisterMode"))?;
        let entry = &mut self.dns[index];
        let others = entry.registrants.iter().filter(|(registrant, _)| *registrant != id);
        if is_seized(mode, others.map(|(_, mode)| *mode)) {
            let text =
                "another client is registered for the DN, privately or against a private one";
            return Err(Refusal::new(ErrorCode::ErrorResourceSeized, text));
        }
        entry.registrants.retain(|(registrant, _)| *registrant != id);
        if !asked.is_bulk {
            entry.registrants.push((id, mode));
            if let Some(dns) = self.dns_of(id) {
                dns.insert(index);
            }
        }
        if let Some(since) = asked.since {
            self.replay(index, id, since, cx);
        }
        if id.node == self.settings.node {
            self.note_served(id.client, index);
        }
        let attributes = self.registered(index);
        self.answer(asked, EventType::EventRegistered, attributes, cx);
        if self.dns[index].owner.node.is_none() {
            // The first that may own it.
            self.look_at_owner(index, cx);
        } else {
            self.look_at_service(index, cx);
        }
        Ok(())
    }

    /// What a client is registered for.
    fn dns_of(&mut self, id: Party) -> Option<&mut BTreeSet<usize>> {
        if id.node == self.settings.node {
            Some(&mut self.clients.get_mut(&id.client)?.dns)
        } else {
            Some(&mut self.remotes.get_mut(&id)?.dns)
        }
    }

    /// TUnregisterAddress.
    pub(super) fn unregister_address(
        &mut self,
        id: Party,
        given: &Attributes,
        asked: Asked,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let name = named(given.this_dn.as_deref(), "ThisDN")?;
        // One that is not configured any more can be left all the same.
        let known = self.names.get(name).copied();
        let index = known.map_or_else(|| self.find_dn(name), Ok)?;
        let before = self.dns[index].registrants.len();
        self.dns[index].registrants.retain(|(registrant, _)| *registrant != id);
        if self.dns[index].registrants.len() == before && !asked.is_bulk {
            let text = "the client is not registered for the DN";
            return Err(Refusal::new(ErrorCode::ErrorNotRegistered, text));
        }
        if let Some(dns) = self.dns_of(id) {
            dns.remove(&index);
        }
        let this_dn = Some(self.dns[index].name.to_string());
        let attributes = Attributes { this_dn, ..Attributes::default() };
        self.answer(asked, EventType::EventUnregistered, attributes, cx);
        self.look_at_service(index, cx);
        Ok(())
    }

    /// TQueryAddress.
    pub(super) fn query_address(
        &mut self,
        given: &Attributes,
        asked: Asked,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let index = self.this_dn(given)?;
        let known = [
            AddressInfoType::AddressInfoAddressStatus,
            AddressInfoType::AddressInfoDnStatus,
            AddressInfoType::AddressInfoAgentStatus,
            AddressInfoType::AddressInfoAddressType,
            AddressInfoType::AddressInfoCallForwardingStatus,
            AddressInfoType::AddressInfoSendAllCallsStatus,
        ];
        let kind = asked_for(given, &known)?;
        let attributes = Attributes { address_info_type: Some(kind), ..self.registered(index) };
        self.answer(asked, EventType::EventAddressInfo, attributes, cx);
        Ok(())
    }

    /// TSendUserEvent: to all who are registered for a DN.
    pub(super) fn send_user_event(
        &mut self,
        given: &Attributes,
        asked: Asked,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let is_name = |name: &&str| !name.is_empty();
        let name = given.communication_dn.as_deref().filter(is_name);
        let name = name.or(given.this_dn.as_deref().filter(is_name));
        let index = self.find_dn(name.ok_or_else(|| Refusal::attribute("CommunicationDN"))?)?;
        self.answer(asked, EventType::EventAck, Attributes::default(), cx);
        let attributes = Attributes {
            user_data: given.user_data.clone(),
            reasons: given.reasons.clone(),
            extensions: given.extensions.clone(),
            ..Attributes::default()
        };
        self.publish(index, EventType::EventUserEvent, attributes, &mut Asked::default(), cx);
        Ok(())
    }

    /// How a DN is, as EventRegistered and EventAddressInfo tell it. A client builds its view
    /// of the DN from it.
    pub(super) fn registered(&self, index: usize) -> Attributes {
        self.described(index, self.dns[index].calls.shown())
    }

    /// The same for another node, also with the calls whose node is out of reach: its clients
    /// know them.
    pub(super) fn known(&self, index: usize) -> Attributes {
        self.described(index, self.dns[index].calls.known())
    }

    fn described(&self, index: usize, calls: KvList) -> Attributes {
        let entry = &self.dns[index];
        let agent = entry.agent.status();
        // As T-Servers number them: logged out, (logged in,) ready, not ready, after-call work.
        let number = match &agent {
            None => 0,
            Some(status) if status.is_ready => AGENT_READY,
            Some(status) if status.is_after_call_work() => 4,
            Some(_) => 3,
        };
        let mut extensions = Vec::new();
        // What is set at a DN its owner knows, and here is what he said last.
        let is_kept = !entry.kind.is_phone() || self.is_own(index);
        let mut calls = calls;
        if !is_kept && entry.bereft.is_some() {
            // They may go on: who was told of them before is told that they have ended, if so.
            let told = entry.shown.listed().pairs.into_iter();
            let is_there = |key: &str| calls.find(key).is_some();
            let told: Vec<KvPair> = told.filter(|pair| !is_there(&pair.key)).collect();
            calls.pairs.extend(told);
        }
        if entry.kind.is_phone() {
            extensions.push(KvPair::integer(AGENT_STATUS, number));
            let dnd = if is_kept { entry.dn.dnd } else { entry.shown.dnd };
            extensions.push(KvPair::integer(DND, i32::from(dnd)));
            if !calls.pairs.is_empty() {
                let calls = Some(kv_pair::Value::List(calls));
                extensions.push(KvPair { key: CALLS.to_owned(), value: calls });
            }
        }
        let mut attributes = Attributes {
            this_dn: Some(entry.name.to_string()),
            address_type: Some(entry.kind.address_type().into()),
            address_status: Some(entry.calls.status().into()),
            is_in_service: Some(entry.dn.is_in_service),
            extensions: Some(KvList { pairs: extensions }),
            ..Attributes::default()
        };
        let own = entry.dn.forward.as_ref().map(|(mode, to)| (i32::from(*mode), to.clone()));
        if let Some((mode, to)) = if is_kept { own } else { entry.shown.forward.clone() } {
            attributes.forward_mode = Some(mode);
            attributes.other_dn = Some(to);
        }
        if let Some(status) = agent {
            attributes.agent_id = Some(status.agent_id.into());
            attributes.agent_work_mode = Some(status.work_mode.into());
            attributes.agent_session_id = Some(status.session.to_string());
            attributes.reasons = Some(self.with_site(status.reasons));
        }
        attributes
    }
}
