//! What brings a DN into service, and out of it.

use super::core::{Action, Asked, Core, Cx, Wake};
use super::inbox::Phone;
use super::settings::DnKind;
use crate::base::time::{Duration, Instant};
use crate::cti::agent;
use crate::cti::tlib::{Attributes, EventType};

impl Core {
    /// The node has accepted a REGISTER, just now or, as others know, before. The first to do so owns the DN; a later one of
    /// its data centre tells it.
    pub(super) fn on_phone(&mut self, phone: &Phone, is_news: bool, cx: &mut Cx<'_>) {
        let Some(index) = self.names.get(&phone.dn).copied() else { return };
        if self.dns[index].kind != DnKind::SipBased {
            return;
        }
        if let Some(owner) = self.owner_elsewhere(index) {
            if self.is_linked(owner) {
                return self.send_phone(owner, phone, false, cx);
            }
            // The owner hears of it when it is back.
            return self.note_contacts(index, phone, cx);
        }
        self.note_contacts(index, phone, cx);
        if self.is_own(index) {
            if phone.contacts.iter().any(|(_, seconds)| *seconds > 0) {
                // It is back, if it was elsewhere.
                self.dns[index].leaving = None;
            }
            self.look_at_service(index, cx);
        } else {
            if is_news {
                self.dns[index].claim_after = Instant::ZERO;
            }
            self.look_at_owner(index, cx);
        }
    }

    pub(super) fn note_contacts(&mut self, index: usize, phone: &Phone, cx: &Cx<'_>) {
        let contacts = &mut self.dns[index].contacts;
        if phone.removes_all {
            contacts.clear();
        }
        for (contact, seconds) in &phone.contacts {
            if *seconds == 0 {
                contacts.remove(contact);
            } else {
                contacts.insert(contact.clone(), cx.now + Duration::from_secs(*seconds));
            }
        }
    }

    /// A deadline of a DN may have come: its agent's, or its phone's.
    pub(super) fn wake_dn(&mut self, index: usize, cx: &mut Cx<'_>) {
        if cx.now < self.dns[index].armed {
            return;
        }
        self.dns[index].armed = Instant::NEVER;
        self.look_at_said(index, cx);
        let after = self.dns[index].claim_after;
        if after != Instant::ZERO && !self.is_own(index) {
            self.look_at_owner(index, cx);
        }
        if self.is_settling(index) {
            self.gain(index, cx);
        } else if self.is_given_up(index, cx) {
            self.tell_lost(index, cx);
        }
        self.look_at_service(index, cx);
        self.turn_agent(index, agent::Event::Wake, cx);
        self.look_at_rings(index, cx);
        self.look_at_leaving(index, cx);
    }

    /// Has a DN woken, unless it will be before that.
    pub(super) fn arm_dn(&mut self, index: usize, at: Instant, cx: &mut Cx<'_>) {
        if at < self.dns[index].armed {
            self.dns[index].armed = at;
            cx.out.push(Action::Arm(Wake::Dn(index), at));
        }
    }

    /// What another configuration makes of a DN: no agent stays where none can sit, and
    /// times of agents may be others.
    pub(super) fn look_at_configuration(&mut self, index: usize, cx: &mut Cx<'_>) {
        let entry = &mut self.dns[index];
        let is_place = entry.is_configured && entry.kind.is_phone();
        if !is_place {
            // The next phone of that number has nothing of it.
            let (dnd, forward) = (entry.dn.dnd, entry.dn.forward.take());
            entry.dn.dnd = false;
            self.look_at_standing(index, cx);
            let forward_mode = forward.map(|(mode, _)| mode.into());
            let set = [
                (EventType::EventDndOff, dnd, None),
                (EventType::EventForwardCancel, forward_mode.is_some(), forward_mode),
            ];
            for (kind, _, forward_mode) in set.into_iter().filter(|(_, was_set, _)| *was_set) {
                let attributes = Attributes { forward_mode, ..Attributes::default() };
                self.publish(index, kind, attributes, &mut Asked::default(), cx);
            }
        }
        self.look_at_service(index, cx);
        let event = if is_place { agent::Event::Wake } else { agent::Event::ClientLost };
        self.turn_agent(index, event, cx);
        self.look_at_supervision(index, cx);
    }

    /// Whether a DN is in service by what is known now; tells it if that is news.
    pub(super) fn look_at_service(&mut self, index: usize, cx: &mut Cx<'_>) {
        if !self.is_served(index) || self.is_settling(index) {
            return;
        }
        let now = cx.now;
        let entry = &mut self.dns[index];
        entry.contacts.retain(|_, until| *until > now);
        let last = entry.contacts.values().copied().max().unwrap_or(Instant::NEVER);
        if last != Instant::NEVER {
            self.arm_dn(index, last, cx);
        }
        let entry = &self.dns[index];
        let is_in_service = entry.is_configured
            && match entry.kind {
                DnKind::SipBased => !entry.contacts.is_empty(),
                DnKind::TLibraryBased => self.privileged(index).is_some(),
                DnKind::RoutingPoint | DnKind::CommunicationDn => true,
            };
        if entry.kind == DnKind::TLibraryBased {
            self.look_where_to(index, cx);
        }
        if self.dns[index].dn.set_in_service(is_in_service)
            && (!is_in_service || !self.dns[index].shown.is_in_service)
        {
            self.tell_service(index, is_in_service, cx);
        }
        let entry = &self.dns[index];
        if entry.kind.is_phone() && !entry.dn.is_in_service && !self.is_in_use(index) {
            self.release(index, cx);
        } else {
            self.look_at_leaving(index, cx);
        }
    }

    /// Where a DN without a phone goes when the last client that kept it here has left it,
    /// and another node has one (`decisions.md` 7): at once, but for one that was lost and
    /// not unregistered, when its agent has logged in from the other data centre, and then
    /// some time after that.
    fn look_where_to(&mut self, index: usize, cx: &mut Cx<'_>) {
        let elsewhere = self.privileged(index).filter(|node| *node != self.settings.node);
        let Some(node) = elsewhere else {
            let entry = &mut self.dns[index];
            (entry.leaving, entry.is_deserted, entry.move_at) = (None, false, None);
            return;
        };
        let is_far = self.location_of(node) != Some(&*self.settings.geo_location);
        let entry = &self.dns[index];
        let may_go = match entry.move_at {
            Some(at) if at > cx.now => {
                self.arm_dn(index, at, cx);
                false
            }
            Some(_) => true,
            None => !(entry.is_deserted && is_far),
        };
        self.dns[index].leaving = may_go.then_some(node);
    }

    fn tell_service(&mut self, index: usize, is_in_service: bool, cx: &mut Cx<'_>) {
        let kind = if is_in_service {
            EventType::EventDnBackInService
        } else {
            EventType::EventDnOutOfService
        };
        self.publish(index, kind, Attributes::default(), &mut Asked::default(), cx);
        if !is_in_service {
            self.turn_agent(index, agent::Event::OutOfService, cx);
            if self.dns[index].agent.status().is_none() {
                self.end_supervision(index, Asked::default(), cx);
            }
        }
    }
}
