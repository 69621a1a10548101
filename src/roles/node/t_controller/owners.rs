//! Who owns a DN (`decisions.md` 7): claims, what becomes of a DN that is gained or lost,
//! and hand-over.
//!
//! ```text
//!            REGISTER or privileged TRegisterAddress here
//!   nobody ------------------------------------------------> this node
//!     ^   <------------------------------------------------    |   ^
//!     |      out of service, no agent, no call                 |   | HandOver
//!     |                                                        v   |
//!     +----------------- another node <-------------------------+--+
//!        it releases, or restarts      a greater claim; a REGISTER there from another
//!                                      data centre; the last privileged client is there
//! ```
//!
//! A claim is (epoch, node): the greater one counts everywhere. Who hears a smaller one
//! answers with what it knows.

use super::core::{Asked, Core, Cx, Entry, Look};
use super::links::PART_LEN;
use super::settings::DnKind;
use crate::base::id::NodeId;
use crate::base::limits::{CLAIM_EPOCH_MAX, CLAIM_PAUSE, CONTACT_SECONDS_MAX, HAND_OVER_TIME};
use crate::base::time::{Duration, Instant};
use crate::cti::agent;
use crate::cti::dn::Dn;
use crate::cti::tlib::{ForwardMode, RegisterMode};
use crate::mesh::wire::{Body, proto};

/// Who owns a DN, since which claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ownership {
    pub(super) epoch: u32,
    pub(super) node: Option<NodeId>,
}

impl Core {
    /// Whether this node owns the DN.
    pub(super) fn is_own(&self, index: usize) -> bool {
        self.dns[index].owner.node == Some(self.settings.node)
    }

    /// Whether this T-Controller works on the DN: it owns it, or it is one that nobody does.
    pub(super) fn is_served(&self, index: usize) -> bool {
        self.is_own(index) || !self.dns[index].kind.is_phone() && !self.is_smart_proxy()
    }

    /// The other node that owns the DN, if there is a link to it, or may be one soon.
    pub(super) fn owner_elsewhere(&self, index: usize) -> Option<NodeId> {
        let owner = self.dns[index].owner.node.filter(|owner| *owner != self.settings.node)?;
        (self.is_linked(owner) || self.is_awaited(owner)).then_some(owner)
    }

    fn set_owner(&mut self, index: usize, owner: Ownership) {
        let own = Some(self.settings.node);
        let entry = &mut self.dns[index];
        if (owner.node == own) != (entry.owner.node == own) {
            self.owner_changes.push((index, owner.node == own));
        }
        self.owned += usize::from(owner.node == own);
        self.owned -= usize::from(entry.owner.node == own);
        if owner.node == own && entry.owner.node != own {
            // What an earlier owner has told is not known here.
            let is_first = entry.owner == Ownership::default();
            entry.log.gained = if is_first { 0 } else { self.seq + 1 };
        }
        self.owners_sum ^= hash(&entry.name, entry.owner) ^ hash(&entry.name, owner);
        if owner.node.is_some() && owner.node != own {
            entry.bereft = None;
        }
        if owner.node.is_some() {
            self.owed.insert(index);
        }
        entry.owner = owner;
        entry.is_attached = false;
        self.note_owner(index);
    }

    /// Another node's sum over all owners. One that differs twice is helped by all that
    /// this node knows: whatever was lost between three of them, they agree soon.
    pub(super) fn on_sum(&mut self, from: NodeId, sum: Option<u64>, cx: &mut Cx<'_>) {
        if !self.note_sum(from, sum == Some(self.owners_sum)) {
            return;
        }
        let known = |index: &usize| {
            let entry = &self.dns[*index];
            entry.kind.is_phone() && entry.owner != Ownership::default()
        };
        let known: Vec<usize> = (0..self.dns.len()).filter(known).collect();
        for part in known.chunks(PART_LEN) {
            let dns = part.iter().map(|index| self.ownership(*index)).collect();
            self.send_to(from, news(dns), cx);
        }
    }

    /// Owns the DN from now on.
    pub(super) fn claim(&mut self, index: usize, cx: &mut Cx<'_>) {
        tracing::debug!(node = %self.settings.name, dn = %self.dns[index].name, "DN owned");
        self.write_owner(index, Some(self.settings.node), cx);
        self.settle(index, cx);
    }

    fn write_owner(&mut self, index: usize, node: Option<NodeId>, cx: &mut Cx<'_>) {
        let entry = &mut self.dns[index];
        let said = entry.said_own.take().map_or(0, |(epoch, _)| epoch);
        let epoch = entry.owner.epoch.max(said).saturating_add(1);
        self.set_owner(index, Ownership { epoch, node });
        self.send_all(self.owner_news(index), cx);
    }

    /// Who owns a DN, for somebody who does not know it.
    pub(super) fn owner_news(&self, index: usize) -> Body {
        news(vec![self.ownership(index)])
    }

    fn ownership(&self, index: usize) -> proto::Ownership {
        let entry = &self.dns[index];
        proto::Ownership {
            dn: entry.name.to_string(),
            epoch: entry.owner.epoch,
            node: entry.owner.node.map_or(0, |node| u32::from(node.get())),
        }
    }

    /// All DNs that this node owns, with which a link begins.
    pub(super) fn send_owned(&mut self, to: NodeId, cx: &mut Cx<'_>) {
        let own: Vec<usize> = (0..self.dns.len()).filter(|index| self.is_own(*index)).collect();
        let parts = own.len().div_ceil(PART_LEN).max(1);
        for part in 0..parts {
            let end = own.len().min((part + 1) * PART_LEN);
            let dns = own[part * PART_LEN..end].iter().map(|index| self.ownership(*index));
            let owned = proto::Owned { dns: dns.collect(), all: true, last: part + 1 == parts };
            self.send_to(to, Body::Owned(owned), cx);
        }
    }

    /// What another node says of who owns what.
    pub(super) fn on_owned(&mut self, from: NodeId, owned: &proto::Owned, cx: &mut Cx<'_>) {
        for said in &owned.dns {
            let Some(index) = self.names.get(&*said.dn).copied() else { continue };
            if !self.dns[index].kind.is_phone() {
                continue;
            }
            let node = u16::try_from(said.node).ok().and_then(NodeId::new);
            if owned.all {
                self.note_listed(from, index);
            }
            self.hear_owner(index, Ownership { epoch: said.epoch, node }, from, cx);
        }
        if owned.all && owned.last {
            self.all_listed(from, cx);
        }
    }

    /// The list is complete: what else it has owned, in an earlier life, it does not. Its
    /// DNs that somebody here listens to are asked for.
    fn all_listed(&mut self, from: NodeId, cx: &mut Cx<'_>) {
        let listed = self.take_listed(from);
        let mut freed = Vec::new();
        for index in 0..self.dns.len() {
            let entry = &self.dns[index];
            if entry.owner.node != Some(from) {
                continue;
            }
            if !listed.contains(&index) && entry.kind.is_phone() {
                let epoch = entry.owner.epoch.saturating_add(1);
                self.bereave(index, cx);
                self.set_owner(index, Ownership { epoch, node: None });
                freed.push(self.ownership(index));
            }
            self.looks.push_back(Look::Owner(index));
        }
        // A hand-over to it may have been lost, which others have heard of.
        for part in freed.chunks(PART_LEN) {
            self.send_all(news(part.to_vec()), cx);
        }
    }

    fn hear_owner(&mut self, index: usize, said: Ownership, from: NodeId, cx: &mut Cx<'_>) {
        let known = self.dns[index].owner;
        if said < known {
            self.send_to(from, self.owner_news(index), cx);
        }
        if said == known && said.node == Some(from) {
            // It may not have known so when it was told of calls here.
            self.owed.insert(index);
        }
        if said <= known || said.epoch > CLAIM_EPOCH_MAX {
            return;
        }
        let own = Some(self.settings.node);
        let is_needed = self.has_reason(index, cx.now) || self.is_in_use(index);
        if known.node == own && said.node.is_none() && is_needed {
            // Somebody has missed that it is owned: it is, by a greater claim from now on.
            self.dns[index].said_own = Some((said.epoch, cx.now));
            self.write_owner(index, own, cx);
            self.let_in(index, cx);
            return;
        }
        match (known.node == own, said.node == own) {
            (true, true) => {
                self.set_owner(index, said);
                self.send_all_but(from, self.owner_news(index), cx);
            }
            (true, false) => {
                let peer = said.node.map_or(0, NodeId::get);
                tracing::info!(node = %self.settings.name, dn = %self.dns[index].name, peer, "DN lost to a greater claim");
                self.let_go(index, said, cx);
                if said.node.is_some_and(|node| !self.is_linked(node)) {
                    self.dns[index].claim_after = cx.now + CLAIM_PAUSE;
                }
                // Not everybody has a link to who has said so.
                self.send_all_but(from, self.owner_news(index), cx);
            }
            (false, false) => {
                // Others say that its owner is lost, or it was before this node began.
                if said.node.is_none() && known.node != Some(from) {
                    self.bereave(index, cx);
                }
                self.set_owner(index, said);
                if let Some(before) = known.node.filter(|node| *node != from) {
                    // It may have no link to who has said so.
                    self.send_to(before, self.owner_news(index), cx);
                }
                self.looks.push_back(Look::Owner(index));
            }
            (false, true) => {
                // A hand-over that is under way, or an earlier life of this node.
                let until = cx.now + HAND_OVER_TIME;
                let before = self.dns[index].said_own.filter(|(epoch, _)| *epoch == said.epoch);
                let until = before.map_or(until, |(_, until)| until);
                self.dns[index].said_own = Some((said.epoch, until));
                self.arm_dn(index, until, cx);
            }
        }
    }

    /// What others said of this node, and no hand-over has come.
    pub(super) fn look_at_said(&mut self, index: usize, cx: &mut Cx<'_>) {
        let entry = &mut self.dns[index];
        let Some((epoch, until)) = entry.said_own else { return };
        if until > cx.now {
            self.arm_dn(index, until, cx);
            return;
        }
        entry.said_own = None;
        let said = Ownership { epoch, node: Some(self.settings.node) };
        if said > entry.owner {
            self.set_owner(index, said);
            self.send_all(self.owner_news(index), cx);
            self.looks.push_back(Look::Owner(index));
        }
    }

    /// The DN is another node's: its agent is logged out, with all that follows; the
    /// clients of other nodes go to the new owner by themselves.
    fn let_go(&mut self, index: usize, then: Ownership, cx: &mut Cx<'_>) {
        self.turn_agent(index, agent::Event::ClientLost, cx);
        self.end_supervision(index, Asked::default(), cx);
        self.set_owner(index, then);
        self.forget_events(index);
        let entry = &mut self.dns[index];
        entry.dn = Dn { is_in_service: !entry.kind.is_phone(), ..Dn::default() };
        entry.desktop = None;
        (entry.leaving, entry.is_deserted, entry.move_at) = (None, false, None);
        entry.restored = None;
        self.part_from_others(index);
        self.looks.push_back(Look::Owner(index));
    }

    /// Somebody else may own the DN, or nobody: what this node has of it goes there, and
    /// its clients hear what has changed.
    pub(super) fn look_at_owner(&mut self, index: usize, cx: &mut Cx<'_>) {
        if self.is_own(index) {
            if self.has_reason(index, cx.now) || self.is_in_use(index) {
                self.gain(index, cx);
            } else {
                // Others remember an earlier life, and calls of it may go on.
                self.release(index, cx);
                self.bereave(index, cx);
            }
            return;
        }
        if let Some(owner) = self.owner_elsewhere(index) {
            if self.is_linked(owner) {
                self.dns[index].bereft = None;
                self.leave_calls(index, cx);
                self.send_contacts(index, owner, cx);
                self.attach(index, owner, cx);
            }
            return;
        }
        let entry = &self.dns[index];
        let after = entry.owner.node.map_or(Instant::ZERO, |_| entry.claim_after);
        let has_reason = self.has_reason(index, cx.now);
        if after <= cx.now {
            self.dns[index].claim_after = Instant::ZERO;
        }
        if has_reason && after <= cx.now {
            self.claim(index, cx);
            self.gain(index, cx);
        } else {
            if has_reason {
                self.arm_dn(index, after, cx);
            }
            self.tell_lost(index, cx);
        }
    }

    /// The DN is owned here, since now or since an earlier claim.
    pub(super) fn gain(&mut self, index: usize, cx: &mut Cx<'_>) {
        if !self.has_settled(index, cx) {
            return;
        }
        if self.untaken.remove(&index) {
            self.owner_changes.push((index, true));
        }
        self.tell_ownership(cx);
        self.look_at_service(index, cx);
        self.tell_gained(index, cx);
        self.let_in(index, cx);
        if let Some(agent) = self.dns[index].restored.take() {
            self.restore(index, *agent, cx);
        }
    }

    /// Whether anything would be lost if nobody owned the DN: what is set at it, its agent
    /// or a call of it.
    pub(super) fn is_in_use(&self, index: usize) -> bool {
        let Entry { dn, agent, calls, .. } = &self.dns[index];
        dn.dnd || dn.forward.is_some() || agent.status().is_some() || !calls.is_empty()
    }

    /// Whether there is a phone here, or a client that may own the DN.
    fn has_reason(&self, index: usize, now: Instant) -> bool {
        let entry = &self.dns[index];
        entry.is_configured
            && !self.is_smart_proxy()
            && match entry.kind {
                DnKind::SipBased => entry.contacts.values().any(|until| *until > now),
                DnKind::TLibraryBased => self.privileged(index).is_some(),
                DnKind::RoutingPoint | DnKind::CommunicationDn => false,
            }
    }

    /// Where a client is connected that keeps the DN in service; here if there is one.
    pub(super) fn privileged(&self, index: usize) -> Option<NodeId> {
        let own = self.settings.node;
        let mut nodes = self.dns[index].registrants.iter().filter_map(|(party, mode)| {
            let name = self.application(*party)?;
            let is_one = *mode != RegisterMode::Monitor && self.settings.owners.contains(name);
            is_one.then_some(party.node)
        });
        let first = nodes.next()?;
        if first == own || nodes.any(|node| node == own) { Some(own) } else { Some(first) }
    }

    /// Nobody owns the DN any more.
    pub(super) fn release(&mut self, index: usize, cx: &mut Cx<'_>) {
        self.end_supervision(index, Asked::default(), cx);
        self.dns[index].leaving = None;
        (self.dns[index].restored, self.dns[index].bereft) = (None, None);
        self.part_from_others(index);
        self.forget_events(index);
        self.write_owner(index, None, cx);
    }

    /// Clients of other nodes are not registered for the DN here any more.
    fn part_from_others(&mut self, index: usize) {
        let (own, remotes) = (self.settings.node, &mut self.remotes);
        self.dns[index].registrants.retain(|(party, _)| {
            if let Some(remote) = remotes.get_mut(party) {
                remote.dns.remove(&index);
            }
            party.node == own
        });
    }

    /// A DN that another node is to have goes there when no call and no after-call work
    /// is in the way.
    pub(super) fn look_at_leaving(&mut self, index: usize, cx: &mut Cx<'_>) {
        let entry = &self.dns[index];
        let Some(to) = entry.leaving else { return };
        let works = entry.agent.status().is_some_and(|status| status.is_after_call_work())
            || entry.agent.is_guarded();
        // What is not known yet may be in the way.
        let is_idle = entry.calls.is_idle() && !self.is_settling(index);
        if !self.is_own(index) || !is_idle || works || !self.is_linked(to) {
            return;
        }
        let peer = to.get();
        tracing::info!(node = %self.settings.name, dn = %entry.name, peer, "DN handed over");
        let then = Ownership { epoch: entry.owner.epoch.saturating_add(1), node: Some(to) };
        let (dnd, forward) = (entry.dn.dnd, entry.dn.forward.clone());
        let contacts = self.contacts(index, cx.now);
        let agent = self.restorable(index);
        self.dns[index].contacts.clear();
        self.let_go(index, then, cx);
        self.send_all_but(to, self.owner_news(index), cx);
        let (forward_mode, forward_to) = forward.unzip();
        let hand_over = proto::HandOver {
            ownership: Some(self.ownership(index)),
            dnd,
            forward_mode: forward_mode.map_or(0, Into::into),
            forward_to: forward_to.unwrap_or_default(),
            contacts,
            agent,
        };
        self.send_to(to, Body::HandOver(hand_over), cx);
    }

    /// This node is to own a DN.
    pub(super) fn on_hand_over(&mut self, from: NodeId, given: proto::HandOver, cx: &mut Cx<'_>) {
        let Some(said) = given.ownership else { return };
        let Some(index) = self.names.get(&*said.dn).copied() else { return };
        let then = Ownership { epoch: said.epoch, node: Some(self.settings.node) };
        if said.epoch > CLAIM_EPOCH_MAX {
            return;
        }
        if then <= self.dns[index].owner {
            self.hear_owner(index, then, from, cx);
            return;
        }
        self.set_owner(index, then);
        let entry = &mut self.dns[index];
        entry.said_own = None;
        entry.restored = given.agent.map(Box::new);
        entry.dn.dnd = given.dnd;
        let mode = ForwardMode::try_from(given.forward_mode).unwrap_or_default();
        entry.dn.forward = (mode != ForwardMode::None)
            .then_some((mode, given.forward_to))
            .filter(|(_, to)| !to.is_empty());
        for contact in given.contacts {
            let seconds = contact.seconds.min(CONTACT_SECONDS_MAX);
            let until = cx.now + Duration::from_secs(seconds);
            entry.contacts.insert(contact.contact.into(), until);
        }
        // Who was linked to this node alone has not heard of it.
        self.send_all_but(from, self.owner_news(index), cx);
        self.looks.push_back(Look::Owner(index));
    }

    fn contacts(&self, index: usize, now: Instant) -> Vec<proto::PhoneContact> {
        let contacts = self.dns[index].contacts.iter().filter(|(_, until)| **until > now);
        contacts
            .map(|(contact, until)| proto::PhoneContact {
                contact: contact.to_string(),
                seconds: until.since(now).as_secs().max(1),
            })
            .collect()
    }

    /// A phone of a DN that is another's: the owner counts its time.
    fn send_contacts(&mut self, index: usize, owner: NodeId, cx: &mut Cx<'_>) {
        let contacts = self.contacts(index, cx.now);
        self.dns[index].contacts.clear();
        if contacts.is_empty() {
            return;
        }
        let phone = proto::PhoneRegistered {
            dn: self.dns[index].name.to_string(),
            contacts,
            removes_all: false,
            known_before: true,
        };
        self.send_to(owner, Body::PhoneRegistered(phone), cx);
    }
}

/// Who owns DNs, which is no complete list.
const fn news(dns: Vec<proto::Ownership>) -> Body {
    Body::Owned(proto::Owned { dns, all: false, last: false })
}

/// A word for who owns a DN, the same on every node; zero for one that was never owned
/// (FNV-1a).
fn hash(dn: &str, owner: Ownership) -> u64 {
    if owner == Ownership::default() {
        return 0;
    }
    let node = owner.node.map_or(0, NodeId::get);
    let bytes = dn.bytes().chain([0]).chain(owner.epoch.to_be_bytes()).chain(node.to_be_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
