//! Smart clients: one request, and they hear of every phone that this node owns, and of
//! every change of that (`tlib.proto`, SMART CLIENTS; guide, "T-Controller").

use super::core::{Action, Asked, Core, Cx, Look};
use super::log::OwnerKept;
use crate::base::limits::DNS_PER_EVENT_MAX;
use crate::cti::refusal::Refusal;
use crate::cti::tlib::{Attributes, Cursor, EncodedEvent, ErrorCode, EventType};
use crate::modules::t_library::port::ClientId;

impl Core {
    /// TRegisterAll.
    pub(super) fn register_all(
        &mut self,
        id: ClientId,
        asked: Asked,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let Some(client) = self.clients.get(&id) else { return Ok(()) };
        if !client.is_smart {
            let text = "the client has not asked for CapabilitySmartClient when it registered";
            return Err(Refusal::new(ErrorCode::ErrorWrongState, text));
        }
        let own = u32::from(self.settings.node.get());
        // Once on a connection: from then on it has had all.
        let since = client.cursors.of(own).filter(|_| !self.smart.contains_key(&id));
        if let Some(since) = since {
            let served = client.cursors.served.clone();
            let events = self.missed(since.epoch, since.seq, &served);
            match events {
                Some(events) => {
                    for (kind, event) in events {
                        if self.wants(id, kind) {
                            cx.out.push(Action::Send(id, event.shared()));
                        }
                    }
                }
                None => {
                    let cursor = Cursor { source: own, epoch: since.epoch, seq: since.seq };
                    self.tell_gap(id, &cursor, cx);
                }
            }
        }
        if let Some(client) = self.clients.get_mut(&id) {
            // It has had all, also of a DN that it registers for from now on.
            client.cursors.lost.insert(own);
        }
        self.answer(asked, EventType::EventRegisteredAll, Attributes::default(), cx);
        self.smart.insert(id, 0);
        self.looks.push_back(Look::Bulk(id));
        Ok(())
    }

    /// TUnregisterAll.
    pub(super) fn unregister_all(
        &mut self,
        id: ClientId,
        asked: Asked,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        if self.smart.remove(&id).is_none() {
            let text = "the client is not registered for all DNs";
            return Err(Refusal::new(ErrorCode::ErrorNotRegistered, text));
        }
        self.answer(asked, EventType::EventUnregisteredAll, Attributes::default(), cx);
        Ok(())
    }

    /// Tells a smart client of the next phones that this node owns.
    pub(super) fn look_at_bulk(&mut self, id: ClientId, cx: &mut Cx<'_>) {
        self.tell_ownership(cx);
        let Some(told) = self.smart.get(&id).copied() else { return };
        let end = self.dns.len().min(told + DNS_PER_EVENT_MAX);
        // One that settles is told when it has.
        let is_one = |index: &usize| self.is_own(*index) && !self.is_settling(*index);
        let own: Vec<usize> = (told..end).filter(is_one).collect();
        for index in own {
            let last_seq = Some(self.seq);
            let attributes = Attributes { last_seq, ..self.registered(index) };
            self.tell(id, EventType::EventRegistered, attributes, cx);
        }
        self.smart.insert(id, end);
        if end < self.dns.len() {
            self.looks.push_back(Look::Bulk(id));
        }
    }

    /// Smart clients hear of phones that this node owns since, or no longer; of one whose calls
    /// are not known yet when they are.
    pub(super) fn tell_ownership(&mut self, cx: &mut Cx<'_>) {
        for (index, is_gained) in core::mem::take(&mut self.owner_changes) {
            if is_gained && self.is_settling(index) {
                self.untaken.insert(index);
                continue;
            }
            if !is_gained && self.untaken.remove(&index) {
                // Nobody has heard that it was.
                continue;
            }
            let (kind, attributes) = if is_gained {
                (EventType::EventDnOwnershipTaken, self.registered(index))
            } else {
                let this_dn = Some(self.dns[index].name.to_string());
                let lost = Attributes { this_dn, ..Attributes::default() };
                (EventType::EventDnOwnershipLost, lost)
            };
            self.seq += 1;
            let event = EncodedEvent::new(&self.event(kind, self.seq, attributes, cx));
            self.tell_smart(index, kind, &event, cx);
            self.log.keep_owner(OwnerKept { seq: self.seq, kind, event });
        }
    }

    /// An event of a phone, for the smart clients that do not hear of it otherwise.
    pub(super) fn tell_smart(
        &self,
        index: usize,
        kind: EventType,
        event: &EncodedEvent,
        cx: &mut Cx<'_>,
    ) {
        for id in self.smart.keys() {
            let is_registered = || {
                let client = self.clients.get(id);
                client.is_some_and(|client| client.dns.contains(&index))
            };
            let is_owner_news =
                matches!(kind, EventType::EventDnOwnershipTaken | EventType::EventDnOwnershipLost);
            if self.wants(*id, kind) && (is_owner_news || !is_registered()) {
                cx.out.push(Action::Send(*id, event.shared()));
            }
        }
    }
}
