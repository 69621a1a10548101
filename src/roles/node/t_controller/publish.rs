//! Events: numbered, encoded once, handed to everybody who is to hear them.

use super::core::{Action, Asked, Core, Cx, Party};
use super::remote::told;
use crate::base::id::NodeId;
use crate::cti::tlib::{Attributes, Cursor, EncodedEvent, Event, EventType};
use crate::mesh::wire::Body;
use crate::modules::t_library::port::ClientId;
use smallvec::SmallVec;

impl Core {
    /// To all who are registered for a DN, and to who has asked if that is another. The
    /// client's own request is answered with the first event of its turn: `asked` is
    /// empty afterwards.
    pub(super) fn publish(
        &mut self,
        index: usize,
        kind: EventType,
        attributes: Attributes,
        asked: &mut Asked,
        cx: &mut Cx<'_>,
    ) {
        self.tell_ownership(cx);
        self.seq += 1;
        self.dns[index].shown.note(kind, &attributes);
        let this_dn = self.dns[index].name.to_string();
        let attributes = Attributes { this_dn: Some(this_dn), ..attributes };
        let encoded = EncodedEvent::new(&self.event(kind, self.seq, attributes, cx));
        self.keep(index, (self.seq, kind), &encoded, cx.now);
        let asked = core::mem::take(&mut asked.by);
        let own = self.settings.node;
        let mut is_answered = false;
        let mut nodes: SmallVec<[NodeId; 4]> = SmallVec::new();
        for (party, _) in &self.dns[index].registrants {
            let id = party.client;
            match asked {
                _ if party.node != own => {
                    if !nodes.contains(&party.node) {
                        nodes.push(party.node);
                    }
                }
                Some((by, reference_id)) if by == *party => {
                    is_answered = true;
                    cx.out.push(Action::Send(id, encoded.answering(reference_id)));
                }
                Some(_) | None if self.wants(id, kind) => {
                    cx.out.push(Action::Send(id, encoded.shared()));
                }
                Some(_) | None => {}
            }
        }
        if !self.smart.is_empty() && self.is_own(index) {
            self.tell_smart(index, kind, &encoded, cx);
        }
        for node in self.bulk_peers() {
            if self.hears_bulk(*node, index) && !nodes.contains(node) {
                nodes.push(*node);
            }
        }
        let asked = asked.filter(|_| !is_answered);
        for node in &nodes {
            let asked = asked.filter(|(by, _)| by.node == *node);
            let asked = asked.map(|(by, reference_id)| (by.client, reference_id));
            let told = told(&self.dns[index].name, &encoded.event(), true, asked);
            self.send_to(*node, Body::Told(told), cx);
        }
        if let Some((by, reference_id)) = asked.filter(|(by, _)| !nodes.contains(&by.node)) {
            self.send_answer(by, reference_id, Some(index), &encoded, cx);
        }
    }

    /// An answer that is nobody else's.
    fn send_answer(
        &self,
        by: Party,
        reference_id: u32,
        about: Option<usize>,
        encoded: &EncodedEvent,
        cx: &mut Cx<'_>,
    ) {
        if by.node == self.settings.node {
            cx.out.push(Action::Send(by.client, encoded.answering(reference_id)));
        } else {
            let dn = about.map(|index| &*self.dns[index].name).unwrap_or_default();
            let told = told(dn, &encoded.event(), false, Some((by.client, reference_id)));
            self.send_to(by.node, Body::Told(told), cx);
        }
    }

    /// To who has asked alone, without a number; how a DN is says up to which event that is
    /// so, for the client's cursor.
    pub(super) fn answer(
        &mut self,
        asked: Asked,
        kind: EventType,
        attributes: Attributes,
        cx: &mut Cx<'_>,
    ) {
        let Some((by, reference_id)) = asked.by else { return };
        let about = attributes.this_dn.as_deref().and_then(|name| self.names.get(name).copied());
        let last_seq = (kind == EventType::EventRegistered).then_some(self.seq);
        let attributes = Attributes { last_seq, ..attributes };
        let encoded = EncodedEvent::new(&self.event(kind, 0, attributes, cx));
        self.send_answer(by, reference_id, about, &encoded, cx);
    }

    /// To one client, which has not asked.
    pub(super) fn tell(
        &mut self,
        id: ClientId,
        kind: EventType,
        attributes: Attributes,
        cx: &mut Cx<'_>,
    ) {
        let encoded = EncodedEvent::new(&self.event(kind, 0, attributes, cx));
        cx.out.push(Action::Send(id, encoded.shared()));
    }

    /// EventGap: what a source has told after that is lost.
    pub(super) fn tell_gap(&mut self, id: ClientId, cursor: &Cursor, cx: &mut Cx<'_>) {
        let event = Event {
            source: cursor.source,
            epoch: cursor.epoch,
            seq: cursor.seq,
            ..self.event(EventType::EventGap, 0, Attributes::default(), cx)
        };
        cx.out.push(Action::Send(id, EncodedEvent::new(&event).shared()));
    }

    pub(super) fn event(
        &self,
        kind: EventType,
        seq: u64,
        attributes: Attributes,
        cx: &Cx<'_>,
    ) -> Event {
        Event {
            r#type: kind.into(),
            source: u32::from(self.settings.node.get()),
            epoch: self.epoch,
            seq,
            timeinu_secs: cx.wall.0.saturating_mul(1_000),
            attributes: Some(Box::new(attributes)),
        }
    }

    pub(super) fn wants(&self, id: ClientId, kind: EventType) -> bool {
        self.clients.get(&id).is_none_or(|client| client.session.wants(kind))
    }
}
