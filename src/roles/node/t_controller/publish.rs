//! Events: numbered, encoded once, handed to everybody who is to hear them.

use super::core::{Action, Asked, Core, Cx};
use crate::cti::tlib::{Attributes, Cursor, EncodedEvent, Event, EventType, is_in_mask};
use crate::modules::t_library::port::ClientId;

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
        self.seq += 1;
        let this_dn = self.dns[index].name.to_string();
        let attributes = Attributes { this_dn: Some(this_dn), ..attributes };
        let encoded = EncodedEvent::new(&self.event(kind, self.seq, attributes, cx));
        let asked = core::mem::take(&mut asked.by);
        let mut is_answered = false;
        for (id, _) in &self.dns[index].registrants {
            match asked {
                Some((by, reference_id)) if by == *id => {
                    is_answered = true;
                    cx.out.push(Action::Send(*id, encoded.answering(reference_id)));
                }
                Some(_) | None if self.wants(*id, kind) => {
                    cx.out.push(Action::Send(*id, encoded.shared()));
                }
                Some(_) | None => {}
            }
        }
        if let Some((by, reference_id)) = asked.filter(|_| !is_answered) {
            cx.out.push(Action::Send(by, encoded.answering(reference_id)));
        }
    }

    /// To who has asked alone, without a number.
    pub(super) fn answer(
        &mut self,
        asked: Asked,
        kind: EventType,
        attributes: Attributes,
        cx: &mut Cx<'_>,
    ) {
        let Some((id, reference_id)) = asked.by else { return };
        let encoded = EncodedEvent::new(&self.event(kind, 0, attributes, cx));
        cx.out.push(Action::Send(id, encoded.answering(reference_id)));
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

    /// EventGap, unless the client has had the last event of this node.
    pub(super) fn tell_gap(&mut self, id: ClientId, cursor: &Cursor, cx: &mut Cx<'_>) {
        let own = (u32::from(self.settings.node.get()), self.epoch, self.seq);
        if (cursor.source, cursor.epoch, cursor.seq) == own {
            return;
        }
        let event = Event {
            source: cursor.source,
            epoch: cursor.epoch,
            seq: cursor.seq,
            ..self.event(EventType::EventGap, 0, Attributes::default(), cx)
        };
        cx.out.push(Action::Send(id, EncodedEvent::new(&event).shared()));
    }

    fn event(&self, kind: EventType, seq: u64, attributes: Attributes, cx: &Cx<'_>) -> Event {
        Event {
            r#type: kind.into(),
            source: u32::from(self.settings.node.get()),
            epoch: self.epoch,
            seq,
            timeinu_secs: cx.wall.0.saturating_mul(1_000),
            attributes: Some(Box::new(attributes)),
        }
    }

    fn wants(&self, id: ClientId, kind: EventType) -> bool {
        let mask = self.clients.get(&id).and_then(|client| client.mask.as_ref());
        mask.is_none_or(|mask| is_in_mask(mask, kind.into()))
    }
}
