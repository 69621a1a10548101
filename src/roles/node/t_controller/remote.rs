//! DNs of other nodes, as the clients here see them, and clients of other nodes, as the
//! DNs here see them. A client's request goes to the owner of its DN; an event of a DN
//! crosses a link once, and only where somebody is registered for it.

use super::core::{Action, Asked, Core, Cx, Look, Party};
use super::inbox::Phone;
use super::links::PART_LEN;
use super::log::Since;
use super::order::Pending;
use super::owners::Ownership;
use super::settings::DnKind;
use super::settling::Early;
use super::shown::Shown;
use crate::base::id::{CallUuid, ConnId, NodeId, Slot};
use crate::base::limits::{CONTACT_SECONDS_MAX, FORWARDS_MAX, PENDING_REQUESTS_MAX};
use crate::call::facts::{CallFact, EndedBy, Party as CallParty, Step};
use crate::cti::agent;
use crate::cti::refusal::Refusal;
use crate::cti::tlib::{
    Attributes, EncodedEvent, ErrorCode, Event, EventType, RegisterMode, Request, RequestType,
};
use crate::mesh::wire::{Body, proto};
use crate::modules::t_library::port::ClientId;
use crate::modules::t_library::session::subject;
use bytes::Bytes;
use prost::Message as _;
use std::collections::BTreeSet;

/// A client of another node that is registered here, or asks here.
#[derive(Clone, Debug)]
pub(super) struct Remote {
    /// ApplicationName.
    pub(super) name: Box<str>,
    /// Indices of the DNs that it is registered for.
    pub(super) dns: BTreeSet<usize>,
    /// Bytes of events that it has missed and been told.
    pub(super) replayed: usize,
}

impl Core {
    /// The other node that owns the DN that a request is about, if it can be reached. If it
    /// cannot, clients here hear that before the request is worked on.
    pub(super) fn wanted_elsewhere(
        &mut self,
        kind: RequestType,
        given: &Attributes,
        cx: &mut Cx<'_>,
    ) -> Option<NodeId> {
        let is_about_dn = is_about_dn(kind);
        let index = self.dn_of(kind, given).filter(|_| is_about_dn)?;
        let owner = self.owner_elsewhere(index);
        if owner.is_none() && !self.is_own(index) {
            self.look_at_owner(index, cx);
        }
        owner
    }

    /// Has another node work on a request of a client here.
    ///
    /// # Errors
    /// When too many are waiting, or it has been passed round too often.
    pub(super) fn forward(
        &mut self,
        id: ClientId,
        request: Request,
        (to, tries): (NodeId, u8),
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let reference_id = request.reference_id;
        if tries >= FORWARDS_MAX || self.pending.len() >= PENDING_REQUESTS_MAX {
            let text = "the node that owns the DN cannot work on it now";
            return Err(Refusal::new(ErrorCode::ErrorServiceUnavailable, text));
        }
        if self.pending.get(&(id, reference_id)).is_some() {
            // It is free again when it is answered.
            return Err(Refusal::attribute("ReferenceID"));
        }
        let party = Party { node: self.settings.node, client: id };
        let application = self.application(party).map(str::to_owned);
        let kind = RequestType::try_from(request.r#type).unwrap_or_default();
        let attributes = request.attributes.as_deref();
        let since = attributes.and_then(|attributes| self.since_of(kind, id, attributes));
        let is_bulk = self.is_asked_in_bulk(kind, id, attributes)?;
        let index = attributes.and_then(|attributes| self.dn_of(kind, attributes));
        let index = index.ok_or_else(|| Refusal::attribute("ThisDN"))?;
        self.attach_first(index, id, cx);
        let forwarded = proto::Forwarded {
            node: u32::from(self.settings.node.get()),
            client: id.0,
            application: application.unwrap_or_default(),
            request: request.encode_to_vec(),
            since_epoch: since.map(|since| since.epoch),
            since_seq: since.map_or(0, |since| since.seq),
            bulk: is_bulk,
        };
        self.pending.insert(
            (id, reference_id),
            Pending { to, request, index, tries: tries + 1, is_overtaken: false, is_bulk },
        );
        self.send_to(to, Body::Forwarded(forwarded), cx);
        Ok(())
    }

    /// A request of another node's client, for a DN that is owned here.
    pub(super) fn on_forwarded(
        &mut self,
        from: NodeId,
        given: proto::Forwarded,
        cx: &mut Cx<'_>,
    ) -> Result<(), &'static str> {
        if given.node != u32::from(from.get()) || given.client == 0 {
            return Err("a request of a client that is not its own");
        }
        let request = Request::decode(&*given.request).map_err(|_| "a request is none")?;
        let party = Party { node: from, client: ClientId(given.client) };
        let source = u32::from(self.settings.node.get());
        let since = given.since_epoch.map(|epoch| Since { source, epoch, seq: given.since_seq });
        let by = Some((party, request.reference_id));
        let asked = Asked { by, since, is_bulk: given.bulk };
        let attributes = request.attributes.map(|attributes| *attributes).unwrap_or_default();
        let kind = RequestType::try_from(request.r#type).map_err(|_| "a request is none")?;
        if !is_about_dn(kind) {
            return Err("a request that is about no DN");
        }
        let index = self.dn_of(kind, &attributes);
        if !index.is_some_and(|index| self.is_served(index)) {
            if let Some(index) = index {
                self.send_to(from, self.owner_news(index), cx);
            }
            let (client, reference_id) = (given.client, request.reference_id);
            self.send_to(from, Body::Bounced(proto::Bounced { client, reference_id }), cx);
            return Ok(());
        }
        if let Some(index) = self.settling_dn(kind, &attributes) {
            let node = from;
            if let Err(refusal) = self.wait_to_settle(index, Early::Of(node, given)) {
                self.refuse(asked, &refusal, subject(&attributes), cx);
            }
            return Ok(());
        }
        let fresh = Remote { name: given.application.into(), dns: BTreeSet::new(), replayed: 0 };
        self.remotes.entry(party).or_insert(fresh);
        let subject = subject(&attributes);
        if let Err(refusal) = self.work_on(kind, party, &attributes, asked, cx) {
            self.refuse(asked, &refusal, subject, cx);
        }
        Ok(())
    }

    /// From where on a client that has come back is to hear of the DN that it registers for.
    pub(super) fn since_of(
        &self,
        kind: RequestType,
        id: ClientId,
        given: &Attributes,
    ) -> Option<Since> {
        if kind != RequestType::TRegisterAddress {
            return None;
        }
        let index = self.dn_of(kind, given)?;
        let since = self.since(id, index)?;
        // One that is under way brings what was missed.
        let mut waiting = self.pending.of(id, index);
        let is_under_way = waiting.any(|pending| pending.request.r#type == i32::from(kind));
        (!is_under_way).then_some(since)
    }

    /// The DN that a request is about.
    pub(super) fn dn_of(&self, kind: RequestType, given: &Attributes) -> Option<usize> {
        let is_name = |name: &&str| !name.is_empty();
        let other = given.communication_dn.as_deref().filter(is_name);
        let other = other.filter(|_| kind == RequestType::TSendUserEvent);
        let name = other.or(given.this_dn.as_deref().filter(is_name))?;
        self.names.get(name).copied()
    }

    /// Its receiver does not own the DN; who does was said before.
    pub(super) fn on_bounced(&mut self, from: NodeId, given: &proto::Bounced, cx: &mut Cx<'_>) {
        let key = (ClientId(given.client), given.reference_id);
        if self.pending.get(&key).is_none_or(|pending| pending.to != from) {
            return;
        }
        if let Some(pending) = self.pending.take(&key) {
            self.on_own_request(key.0, pending.request, pending.tries, cx);
            self.go_on(key.0, pending.index, cx);
        }
    }

    /// Requests that wait for a node to which there is no link: they are worked on here,
    /// where the DN is out of service, or owned by now.
    pub(super) fn look_at_pending(&mut self, lost: NodeId, cx: &mut Cx<'_>) {
        let mut places = BTreeSet::new();
        for key in self.pending.of_node(lost) {
            if let Some(pending) = self.pending.take(&key) {
                places.insert((key.0, pending.index));
                self.on_own_request(key.0, pending.request, pending.tries, cx);
            }
        }
        for (client, index) in places {
            self.go_on(client, index, cx);
        }
    }

    /// An event of a DN that another node owns, or its answer.
    pub(super) fn on_told(
        &mut self,
        from: NodeId,
        told: &proto::Told,
        cx: &mut Cx<'_>,
    ) -> Result<(), &'static str> {
        let event = Event::decode(&*told.event).map_err(|_| "an event is none")?;
        let kind = event.r#type();
        self.note_seq(from, event.seq);
        let attributes = event.attributes.map(|attributes| *attributes).unwrap_or_default();
        let encoded = EncodedEvent::of_bytes(&told.event);
        let index = self.names.get(&*told.dn).copied();
        let own = self.settings.node;
        let mut asker = None;
        if told.client != 0 && told.reference_id == 0 {
            let id = ClientId(told.client);
            if self.clients.contains_key(&id) && self.wants(id, kind) {
                cx.out.push(Action::Send(id, encoded.shared()));
            }
            return Ok(());
        }
        if told.client != 0 {
            let key = (ClientId(told.client), told.reference_id);
            let is_theirs = |pending: &Pending| pending.to == from;
            if self.pending.get(&key).is_some_and(is_theirs)
                && let Some(pending) = self.pending.take(&key)
            {
                let is_of_registration =
                    matches!(kind, EventType::EventRegistered | EventType::EventUnregistered);
                let is_past = |index: usize| {
                    told.shared && !self.hears_of(index, from)
                        || is_of_registration && self.dns[index].owner.node != Some(from)
                        || pending.is_overtaken
                };
                if index.is_some_and(is_past) {
                    // What it has done went with the DN.
                    self.on_own_request(key.0, pending.request, pending.tries, cx);
                    self.go_on(key.0, pending.index, cx);
                    return Ok(());
                }
                asker = Some((key, pending.index));
                if let Some(index) = index {
                    self.note_answer(index, key.0, &pending, (kind, &attributes), cx);
                }
            }
        }
        // What a node says of a DN that it does not own any more is news of yesterday.
        let index = index.filter(|index| told.shared && self.hears_of(*index, from));
        if let Some(index) = index {
            self.dns[index].shown.note(kind, &attributes);
            for (party, _) in &self.dns[index].registrants {
                let is_asker = asker.is_some_and(|((id, _), _)| id == party.client);
                if party.node == own && !is_asker && self.wants(party.client, kind) {
                    cx.out.push(Action::Send(party.client, encoded.shared()));
                }
            }
        }
        if let Some(((id, reference_id), asked_of)) = asker {
            cx.out.push(Action::Send(id, encoded.answering(reference_id)));
            self.go_on(id, asked_of, cx);
        }
        Ok(())
    }

    fn note_answer(
        &mut self,
        index: usize,
        id: ClientId,
        pending: &Pending,
        (kind, attributes): (EventType, &Attributes),
        cx: &mut Cx<'_>,
    ) {
        let party = Party { node: self.settings.node, client: id };
        if kind == EventType::EventRegistered {
            self.note_served(id, index);
            self.dns[index].registrants.retain(|(other, _)| *other != party);
            let mut then = Shown::of_registered(attributes);
            if !self.dns[index].registrants.is_empty() {
                // The others may not have come to it yet.
                then = then.with_calls_of(&self.dns[index].shown);
            }
            self.tell_until(index, &then, cx);
            self.dns[index].is_attached = true;
        }
        let Some(client) = self.clients.get_mut(&id) else { return };
        let entry = &mut self.dns[index];
        if kind == EventType::EventRegistered {
            let asked = pending.request.attributes.as_ref();
            let mode = asked.and_then(|asked| asked.register_mode).unwrap_or_default();
            let mode = RegisterMode::try_from(mode).unwrap_or_default();
            entry.registrants.push((party, mode));
            client.dns.insert(index);
            if pending.is_bulk && !self.settings.bulk {
                self.note_unknown(index, id);
            }
        } else if kind == EventType::EventUnregistered {
            entry.registrants.retain(|(other, _)| *other != party);
            client.dns.remove(&index);
        }
    }

    /// Whether a node's events of a DN go on from what clients here know.
    fn hears_of(&self, index: usize, from: NodeId) -> bool {
        let entry = &self.dns[index];
        entry.owner.node == Some(from) && (entry.is_attached || entry.registrants.is_empty())
    }

    /// The clients here of a DN go to its owner.
    pub(super) fn attach(&mut self, index: usize, owner: NodeId, cx: &mut Cx<'_>) {
        let is_bulk = self.settings.bulk;
        let is_known = |mode: RegisterMode| !is_bulk || mode == RegisterMode::Private;
        let registrants: Vec<proto::Registrant> = self.dns[index]
            .registrants
            .iter()
            .filter(|(_, mode)| is_known(*mode))
            .map(|(party, mode)| {
                let application = self.application(*party).unwrap_or_default().to_owned();
                let (client, mode) = (party.client.0, i32::from(*mode));
                proto::Registrant { client, mode, application }
            })
            .collect();
        for registrant in &registrants {
            let client = ClientId(registrant.client);
            self.unknown.remove(&(index, client));
            self.pending.overtake(client, index);
        }
        if !self.dns[index].registrants.is_empty() {
            let dn = self.dns[index].name.to_string();
            let epoch = self.dns[index].owner.epoch;
            self.send_to(owner, Body::Attach(proto::Attach { dn, registrants, epoch }), cx);
        }
    }

    /// Clients of another node come to a DN that is owned here by now.
    pub(super) fn on_attach(&mut self, from: NodeId, given: proto::Attach, cx: &mut Cx<'_>) {
        let Some(index) = self.names.get(&*given.dn).copied() else { return };
        if !self.is_served(index) || self.is_settling(index) {
            // By a claim of this node that it may have to hear of yet.
            let claim = Ownership { epoch: given.epoch, node: Some(self.settings.node) };
            if claim >= self.dns[index].owner {
                self.early.entry(index).or_default().insert(from, given);
                return;
            }
            self.send_to(from, self.owner_news(index), cx);
            return;
        }
        for registrant in given.registrants {
            let party = Party { node: from, client: ClientId(registrant.client) };
            let Ok(mode) = RegisterMode::try_from(registrant.mode) else { continue };
            let fresh =
                Remote { name: registrant.application.into(), dns: BTreeSet::new(), replayed: 0 };
            self.remotes.entry(party).or_insert(fresh).dns.insert(index);
            self.dns[index].registrants.retain(|(other, _)| *other != party);
            self.dns[index].registrants.push((party, mode));
        }
        self.look_at_service(index, cx);
        if self.is_served(index) {
            let attributes = self.known(index).encode_to_vec();
            self.send_to(from, Body::Attached(proto::Attached { dn: given.dn, attributes }), cx);
        }
    }

    /// The DN is owned here by now: who has come too early comes in.
    pub(super) fn let_in(&mut self, index: usize, cx: &mut Cx<'_>) {
        for (from, attach) in self.early.remove(&index).unwrap_or_default() {
            // By another claim they come again.
            if self.is_linked(from) && attach.epoch == self.dns[index].owner.epoch {
                self.on_attach(from, attach, cx);
            }
        }
    }

    /// How a DN is whose owner has changed, or is in reach again: clients here hear what
    /// is other than they know.
    pub(super) fn on_attached(
        &mut self,
        from: NodeId,
        given: &proto::Attached,
        cx: &mut Cx<'_>,
    ) -> Result<(), &'static str> {
        let attributes = Attributes::decode(&*given.attributes).map_err(|_| "a DN is none")?;
        let index = self.names.get(&*given.dn).copied();
        if let Some(index) = index.filter(|index| self.dns[*index].owner.node == Some(from)) {
            self.tell_until(index, &Shown::of_registered(&attributes), cx);
            self.dns[index].is_attached = true;
        }
        Ok(())
    }

    /// A DN is nobody's, or its owner is out of reach.
    pub(super) fn tell_lost(&mut self, index: usize, cx: &mut Cx<'_>) {
        if self.dns[index].kind.is_phone() {
            let is_nobodys = self.dns[index].owner.node.is_none();
            let shown = &self.dns[index].shown;
            let may_go_on = self.dns[index].bereft.is_some();
            // Calls of this node are heard of here whoever owns the DN.
            let here = || Shown::default().with_calls_of(&Shown::of_registered(&self.known(index)));
            let then = match (is_nobodys, may_go_on) {
                (true, false) => here(),
                (true, true) => here().with_calls_of(shown),
                (false, _) => shown.out_of_reach(),
            };
            self.tell_until(index, &then, cx);
        }
    }

    /// A DN is owned here by now.
    pub(super) fn tell_gained(&mut self, index: usize, cx: &mut Cx<'_>) {
        let then = Shown::of_registered(&self.known(index));
        self.tell_until(index, &then, cx);
    }

    fn tell_until(&mut self, index: usize, then: &Shown, cx: &mut Cx<'_>) {
        for (kind, attributes) in self.dns[index].shown.until(then) {
            self.publish(index, kind, attributes, &mut Asked::default(), cx);
        }
        self.dns[index].shown = then.clone();
    }

    /// A client of another node is gone, or the link to it.
    pub(super) fn remote_gone(&mut self, node: NodeId, client: ClientId) {
        let party = Party { node, client };
        self.settling.forget_remote(node, client);
        for attach in self.early.values_mut().filter_map(|early| early.get_mut(&node)) {
            attach.registrants.retain(|registrant| registrant.client != client.0);
        }
        let Some(remote) = self.remotes.remove(&party) else { return };
        self.forget_party(party, remote.dns);
    }

    /// ApplicationName of a client, by which it may own DNs; clients of a Smart Proxy own
    /// none.
    pub(super) fn application(&self, party: Party) -> Option<&str> {
        if party.node.is_smart_proxy() {
            return None;
        }
        if party.node == self.settings.node {
            self.clients.get(&party.client)?.session.name.as_deref()
        } else {
            self.remotes.get(&party).map(|remote| &*remote.name)
        }
    }

    /// Another node has accepted a REGISTER of a phone.
    pub(super) fn on_remote_phone(
        &mut self,
        from: NodeId,
        given: proto::PhoneRegistered,
        cx: &mut Cx<'_>,
    ) {
        let known_before = given.known_before;
        let Some((index, phone)) = self.phone_of(given) else { return };
        if !self.is_own(index) {
            match self.owner_elsewhere(index) {
                // A hand-over may be under way, in which it is not.
                Some(owner) if owner == from => self.note_contacts(index, &phone, cx),
                Some(owner) => {
                    self.send_to(from, self.owner_news(index), cx);
                    self.send_phone(owner, &phone, known_before, cx);
                }
                None => self.on_phone(&phone, !known_before, cx),
            }
            return;
        }
        let is_elsewhere = self.location_of(from) != Some(&*self.settings.geo_location);
        let is_there = phone.contacts.iter().any(|(_, seconds)| *seconds > 0);
        if is_there && !known_before {
            self.dns[index].leaving = is_elsewhere.then_some(from);
        }
        self.note_contacts(index, &phone, cx);
        self.look_at_service(index, cx);
        self.look_at_leaving(index, cx);
    }

    fn phone_of(&self, given: proto::PhoneRegistered) -> Option<(usize, Phone)> {
        let index = self.names.get(&*given.dn).copied()?;
        if self.dns[index].kind != DnKind::SipBased {
            return None;
        }
        let seconds = |contact: &proto::PhoneContact| contact.seconds.min(CONTACT_SECONDS_MAX);
        let contacts = given.contacts.into_iter();
        let contacts = contacts.map(|contact| {
            let seconds = seconds(&contact);
            (contact.contact.into(), seconds)
        });
        let (contacts, removes_all) = (contacts.collect(), given.removes_all);
        Some((index, Phone { dn: given.dn.into(), contacts, removes_all }))
    }

    /// A SIP Proxy has a phone whose DN this node has owned before it started anew, or
    /// another node that is dead. Who is linked with its owner leaves it there.
    pub(super) fn on_known_phone(&mut self, given: proto::PhoneRegistered, cx: &mut Cx<'_>) {
        let Some((index, mut phone)) = self.phone_of(given) else { return };
        if self.is_own(index) {
            // What it knows of itself is newer.
            let known = &self.dns[index].contacts;
            phone.contacts.retain(|(contact, _)| !known.contains_key(contact));
            self.note_contacts(index, &phone, cx);
            self.look_at_service(index, cx);
        } else if self.owner_elsewhere(index).is_none() {
            self.on_phone(&phone, false, cx);
        }
    }

    /// What was accepted here for a DN that another node owns.
    pub(super) fn send_phone(
        &self,
        owner: NodeId,
        phone: &Phone,
        known_before: bool,
        cx: &mut Cx<'_>,
    ) {
        let contact = |(contact, seconds): &(Box<str>, u64)| proto::PhoneContact {
            contact: contact.to_string(),
            seconds: *seconds,
        };
        let phone = proto::PhoneRegistered {
            dn: phone.dn.to_string(),
            contacts: phone.contacts.iter().map(contact).collect(),
            removes_all: phone.removes_all,
            known_before,
        };
        self.send_to(owner, Body::PhoneRegistered(phone), cx);
    }

    /// Agents of the DNs that are owned here, with which a link begins.
    pub(super) fn send_agents(&self, to: NodeId, cx: &mut Cx<'_>) {
        let agents = self.agents.iter().map(|(agent_id, index)| proto::LoggedIn {
            agent_id: agent_id.to_string(),
            dn: self.dns[*index].name.to_string(),
        });
        let agents: Vec<proto::LoggedIn> = agents.collect();
        for part in agents.chunks(PART_LEN) {
            self.send_to(to, Body::Agents(proto::Agents { agents: part.to_vec() }), cx);
        }
    }

    /// Agents of the DNs of another node. Who is logged in here as well, because both
    /// have not known of each other, stays with the greater node-id.
    pub(super) fn on_agents(&mut self, from: NodeId, given: proto::Agents, cx: &mut Cx<'_>) {
        for said in given.agents {
            let agent_id = said.agent_id.into_boxed_str();
            if !said.dn.is_empty() {
                if let Some(index) = self.agents.get(&agent_id).copied()
                    && self.settings.node < from
                {
                    self.turn_agent(index, agent::Event::ClientLost, cx);
                }
                self.elsewhere.insert(agent_id, from);
            } else if self.elsewhere.get(&agent_id) == Some(&from) {
                self.elsewhere.remove(&agent_id);
            }
        }
    }

    /// A step of a call of this node, for a DN that another node owns.
    pub(super) fn send_fact(&self, to: NodeId, fact: &CallFact, cx: &mut Cx<'_>) {
        self.send_to(to, Body::CallFact(told_fact(fact)), cx);
    }

    /// Calls of this node that another one knows of, with which a link begins.
    pub(super) fn send_live(&self, to: NodeId, cx: &mut Cx<'_>) {
        let told = self.running.iter().filter(|(_, running)| running.told.contains(&to));
        let conn_ids: Vec<u64> = told.map(|(conn_id, _)| conn_id.0).collect();
        let parts = conn_ids.len().div_ceil(PART_LEN).max(1);
        for part in 0..parts {
            let end = conn_ids.len().min((part + 1) * PART_LEN);
            let live = proto::LiveCalls {
                conn_ids: conn_ids[part * PART_LEN..end].to_vec(),
                last: part + 1 == parts,
            };
            self.send_to(to, Body::LiveCalls(live), cx);
        }
    }

    /// The other calls of that node ended while there was no link.
    pub(super) fn on_live(&mut self, from: NodeId, given: proto::LiveCalls, cx: &mut Cx<'_>) {
        let Some(live) = self.note_live(from, given) else { return };
        for index in 0..self.dns.len() {
            for (side, fact) in self.dns[index].calls.of_node(from) {
                if !live.contains(&fact.conn_id) {
                    self.on_side(side, index, &fact, cx);
                }
            }
        }
    }

    pub(super) fn on_remote_fact(
        &mut self,
        given: &proto::CallFact,
        cx: &mut Cx<'_>,
    ) -> Result<(), &'static str> {
        if proto::CallStep::try_from(given.step).is_err() {
            // Of a later release: a step more, which the DN's clients do without.
            return Ok(());
        }
        let fact = fact_of(given).ok_or("a step of a call is none")?;
        for (side, index) in self.parties(&fact) {
            if self.is_own(index) || self.dns[index].calls.knows(fact.conn_id) {
                self.on_side(side, index, &fact, cx);
            }
        }
        Ok(())
    }

    /// A node is another process than it was: its calls are over.
    pub(super) fn end_calls_of(&mut self, node: NodeId) {
        for (index, entry) in self.dns.iter().enumerate() {
            if !entry.calls.is_empty() {
                self.looks.push_back(Look::Calls(index, node));
            }
        }
    }

    pub(super) fn end_calls(&mut self, index: usize, node: NodeId, cx: &mut Cx<'_>) {
        for (side, fact) in self.dns[index].calls.of_node(node) {
            self.on_side(side, index, &fact, cx);
        }
    }

    /// DNs that a client was registered for, and agents that it logged in, are looked at.
    pub(super) fn forget_party(&mut self, party: Party, dns: BTreeSet<usize>) {
        let is_one = |index: &usize| self.dns[*index].desktop == Some(party);
        let desktops: BTreeSet<usize> = self.agents.values().copied().filter(is_one).collect();
        for index in &dns {
            let was_kept = self.privileged(*index) == Some(self.settings.node);
            self.dns[*index].registrants.retain(|(registrant, _)| *registrant != party);
            // A client of another node has no part in where it is.
            self.dns[*index].is_deserted |= was_kept && party.node == self.settings.node;
        }
        for index in desktops {
            let own = self.dns[index].logout_on_disconnect;
            if own.unwrap_or(self.settings.logout_on_disconnect) {
                self.looks.push_back(Look::LostDesktop(index, party));
            } else {
                self.dns[index].desktop = None;
            }
        }
        self.looks.extend(dns.into_iter().map(Look::Service));
    }
}

pub(super) const fn is_about_dn(kind: RequestType) -> bool {
    matches!(
        kind,
        RequestType::TRegisterAddress
            | RequestType::TUnregisterAddress
            | RequestType::TQueryAddress
            | RequestType::TAgentLogin
            | RequestType::TAgentLogout
            | RequestType::TAgentSetReady
            | RequestType::TAgentSetNotReady
            | RequestType::TSetDndOn
            | RequestType::TSetDndOff
            | RequestType::TCallSetForward
            | RequestType::TCallCancelForward
            | RequestType::TSendUserEvent
            | RequestType::TReleaseCall
            | RequestType::TMonitorNextCall
            | RequestType::TCancelMonitoring
    )
}

fn told_fact(fact: &CallFact) -> proto::CallFact {
    let (step, ended) = match fact.step {
        Step::Dialing => (proto::CallStep::Dialing, None),
        Step::Alerting => (proto::CallStep::Alerting, None),
        Step::Connected => (proto::CallStep::Connected, None),
        Step::Held(CallParty::Caller) => (proto::CallStep::HeldByCaller, None),
        Step::Held(CallParty::Callee) => (proto::CallStep::HeldByCallee, None),
        Step::Retrieved(CallParty::Caller) => (proto::CallStep::RetrievedByCaller, None),
        Step::Retrieved(CallParty::Callee) => (proto::CallStep::RetrievedByCallee, None),
        Step::Ended { by, code, was_connected } => {
            (proto::CallStep::Ended, Some((by, code, was_connected)))
        }
    };
    let by = match ended.map(|(by, ..)| by) {
        Some(EndedBy::Caller) => proto::CallEndedBy::Caller,
        Some(EndedBy::Callee) => proto::CallEndedBy::Callee,
        Some(EndedBy::Cluster) => proto::CallEndedBy::Cluster,
        None => proto::CallEndedBy::Unspecified,
    };
    proto::CallFact {
        conn_id: fact.conn_id.0,
        uuid: fact.uuid.as_str().to_owned(),
        caller: fact.caller.to_string(),
        dialled: fact.dialled.to_string(),
        destination: fact.destination.to_string(),
        trunk: fact.trunk.to_string(),
        is_inbound: fact.is_inbound,
        slot: fact.slot.index,
        generation: fact.slot.generation,
        step: step.into(),
        by: by.into(),
        code: ended.map_or(0, |(_, code, _)| u32::from(code)),
        was_connected: ended.is_some_and(|(.., was_connected)| was_connected),
    }
}

fn fact_of(given: &proto::CallFact) -> Option<CallFact> {
    let by = match proto::CallEndedBy::try_from(given.by).ok()? {
        proto::CallEndedBy::Caller => EndedBy::Caller,
        proto::CallEndedBy::Callee => EndedBy::Callee,
        proto::CallEndedBy::Cluster | proto::CallEndedBy::Unspecified => EndedBy::Cluster,
    };
    let step = match proto::CallStep::try_from(given.step).ok()? {
        proto::CallStep::Dialing => Step::Dialing,
        proto::CallStep::Alerting => Step::Alerting,
        proto::CallStep::Connected => Step::Connected,
        proto::CallStep::HeldByCaller => Step::Held(CallParty::Caller),
        proto::CallStep::HeldByCallee => Step::Held(CallParty::Callee),
        proto::CallStep::RetrievedByCaller => Step::Retrieved(CallParty::Caller),
        proto::CallStep::RetrievedByCallee => Step::Retrieved(CallParty::Callee),
        proto::CallStep::Ended => Step::Ended {
            by,
            code: u16::try_from(given.code).ok()?,
            was_connected: given.was_connected,
        },
        proto::CallStep::Unspecified => return None,
    };
    Some(CallFact {
        conn_id: ConnId(given.conn_id),
        uuid: CallUuid::from_text(given.uuid.as_bytes())?,
        caller: given.caller.as_str().into(),
        dialled: given.dialled.as_str().into(),
        destination: given.destination.as_str().into(),
        trunk: given.trunk.as_str().into(),
        is_inbound: given.is_inbound,
        slot: Slot { index: given.slot, generation: given.generation },
        step,
    })
}

/// The frame of an event for the clients of another node, one of whom may have asked.
pub(super) fn told(
    dn: &str,
    event: &Bytes,
    shared: bool,
    asked: Option<(ClientId, u32)>,
) -> proto::Told {
    let (client, reference_id) = asked.map_or((0, 0), |(client, reference)| (client.0, reference));
    proto::Told { dn: dn.to_owned(), event: event.to_vec(), shared, client, reference_id }
}
