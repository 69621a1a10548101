//! What brings a DN into service, and out of it.

use super::core::{Action, Asked, Core, Cx, Wake};
use super::inbox::Phone;
use super::settings::DnKind;
use crate::base::time::{Duration, Instant};
use crate::cti::agent;
use crate::cti::tlib::{Attributes, EventType, RegisterMode};

impl Core {
    /// The node has accepted a REGISTER.
    pub(super) fn on_phone(&mut self, phone: &Phone, cx: &mut Cx<'_>) {
        let Some(index) = self.names.get(&phone.dn).copied() else { return };
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
        self.look_at_service(index, cx);
    }

    /// A deadline of a DN may have come: its agent's, or its phone's.
    pub(super) fn wake_dn(&mut self, index: usize, cx: &mut Cx<'_>) {
        if cx.now < self.dns[index].armed {
            return;
        }
        self.dns[index].armed = Instant::NEVER;
        self.look_at_service(index, cx);
        self.turn_agent(index, agent::Event::Wake, cx);
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
        self.look_at_service(index, cx);
        let entry = &self.dns[index];
        let is_place = entry.is_configured && entry.kind.is_phone();
        let event = if is_place { agent::Event::Wake } else { agent::Event::ClientLost };
        self.turn_agent(index, event, cx);
    }

    /// Whether a DN is in service by what is known now; tells it if that is news.
    pub(super) fn look_at_service(&mut self, index: usize, cx: &mut Cx<'_>) {
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
                DnKind::TLibraryBased => self.has_owner(index),
                DnKind::RoutingPoint | DnKind::CommunicationDn => true,
            };
        if !self.dns[index].dn.set_in_service(is_in_service) {
            return;
        }
        let kind = if is_in_service {
            EventType::EventDnBackInService
        } else {
            EventType::EventDnOutOfService
        };
        self.publish(index, kind, Attributes::default(), &mut Asked::default(), cx);
        if !is_in_service {
            self.turn_agent(index, agent::Event::OutOfService, cx);
        }
    }

    /// Whether an application that may own DNs is registered for this one.
    fn has_owner(&self, index: usize) -> bool {
        self.dns[index].registrants.iter().any(|(id, mode)| {
            let name = self.clients.get(id).and_then(|client| client.name.as_ref());
            *mode != RegisterMode::Monitor
                && name.is_some_and(|name| self.settings.owners.contains(name))
        })
    }
}
