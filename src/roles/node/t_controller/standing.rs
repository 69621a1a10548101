//! What every node knows of a DN before a call of it begins (`decisions.md` 7): its owner tells
//! the other T-Controllers where its calls are and whether it takes calls, and each writes that
//! where its Call Manager reads it. It is a hint, as old as the way from there.

use super::core::{Action, Core, Cx, Wake};
use super::links::PART_LEN;
use crate::base::id::NodeId;
use crate::base::ownership::DnWord;
use crate::base::time::Duration;
use crate::mesh::wire::{Body, proto};

/// How long changes are gathered: calls that come and go meanwhile are not told of, and those
/// of many DNs go together.
pub(super) const GATHER_TIME: Duration = Duration::from_millis(20);

/// What the owner of a DN tells of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// The node where its calls are.
    pub(super) calls_at: Option<NodeId>,
    /// Do not disturb.
    pub(super) dnd: bool,
}

impl Core {
    /// Somebody else owns the DN, or by another claim: nothing is told under that one yet.
    pub(super) fn note_owner(&mut self, index: usize) {
        self.dns[index].standing = Standing::default();
        self.noted.push(index);
    }

    /// Something may have changed at a DN that other nodes are to know.
    pub(super) fn look_at_standing(&mut self, index: usize, cx: &mut Cx<'_>) {
        let is_own = self.is_own(index);
        let entry = &mut self.dns[index];
        let standing = Standing { calls_at: entry.calls.node(), dnd: entry.dn.dnd };
        if !is_own || entry.standing == standing {
            return;
        }
        entry.standing = standing;
        self.noted.push(index);
        if self.untold.is_empty() {
            cx.out.push(Action::Arm(Wake::Standings, cx.now + GATHER_TIME));
        }
        self.untold.insert(index);
    }

    /// Tells the other nodes what has changed.
    pub(super) fn tell_standings(&mut self, cx: &mut Cx<'_>) {
        let untold = core::mem::take(&mut self.untold);
        let own: Vec<usize> = untold.into_iter().filter(|index| self.is_own(*index)).collect();
        for part in own.chunks(PART_LEN) {
            let standings = part.iter().map(|index| self.standing(*index)).collect();
            let told = proto::Standings { standings, all: false };
            self.send_nodes(Body::Standings(told), cx);
        }
    }

    /// With which a link begins.
    pub(super) fn send_standings(&self, to: NodeId, cx: &mut Cx<'_>) {
        if to.is_smart_proxy() || self.is_smart_proxy() {
            return;
        }
        let is_one =
            |index: &usize| self.is_own(*index) && self.dns[*index].standing != Standing::default();
        let own: Vec<usize> = (0..self.dns.len()).filter(is_one).collect();
        for part in 0..own.len().div_ceil(PART_LEN).max(1) {
            let end = own.len().min((part + 1) * PART_LEN);
            let standings = own[part * PART_LEN..end].iter().map(|index| self.standing(*index));
            let told = proto::Standings { standings: standings.collect(), all: part == 0 };
            self.send_to(to, Body::Standings(told), cx);
        }
    }

    fn standing(&self, index: usize) -> proto::Standing {
        let entry = &self.dns[index];
        proto::Standing {
            dn: entry.name.to_string(),
            epoch: entry.owner.epoch,
            calls_at: entry.standing.calls_at.map_or(0, |node| u32::from(node.get())),
            dnd: entry.standing.dnd,
        }
    }

    /// Another node tells of DNs that it owns; of others, or by another claim, it is too late.
    pub(super) fn on_standings(&mut self, from: NodeId, given: &proto::Standings) {
        if given.all {
            self.forget_standings(from);
        }
        for said in &given.standings {
            let Some(index) = self.names.get(&*said.dn).copied() else { continue };
            let entry = &mut self.dns[index];
            if (entry.owner.node, entry.owner.epoch) != (Some(from), said.epoch) {
                continue;
            }
            let calls_at = u16::try_from(said.calls_at).ok().and_then(NodeId::new);
            entry.standing = Standing { calls_at, dnd: said.dnd };
            self.noted.push(index);
        }
    }

    /// What a node has told is old.
    pub(super) fn forget_standings(&mut self, of: NodeId) {
        for (index, entry) in self.dns.iter_mut().enumerate() {
            if entry.owner.node == Some(of) && entry.standing != Standing::default() {
                entry.standing = Standing::default();
                self.noted.push(index);
            }
        }
    }

    /// Other nodes than before may be in this data centre.
    pub(super) fn note_all(&mut self) {
        let dns = self.dns.iter().enumerate();
        let told = dns.filter(|(_, entry)| entry.standing.calls_at.is_some());
        self.noted.extend(told.map(|(index, _)| index));
    }

    /// Has what is known of DNs written where every thread reads it.
    pub(super) fn note_words(&mut self, cx: &mut Cx<'_>) {
        for index in core::mem::take(&mut self.noted) {
            if self.is_smart_proxy() {
                continue;
            }
            // What an earlier claim has told, or a hand-over has brought.
            self.look_at_standing(index, cx);
            let entry = &self.dns[index];
            let word = DnWord {
                owner: entry.owner.node,
                epoch: entry.owner.epoch,
                calls_at: entry.standing.calls_at.filter(|node| self.is_here(*node)),
                dnd: entry.standing.dnd,
            };
            cx.out.push(Action::Note(index, word));
        }
        self.noted.clear();
    }

    /// Whether the proxies of this data centre can bring a call to that node.
    fn is_here(&self, node: NodeId) -> bool {
        node == self.settings.node || self.location_of(node) == Some(&*self.settings.geo_location)
    }

    /// Name of the DN at an index.
    #[must_use]
    pub fn dn_name(&self, index: usize) -> Option<&str> {
        self.dns.get(index).map(|entry| &*entry.name)
    }
}
