//! The Smart Proxy (the guide's thread 1792): a module with a port of its own for monitors of
//! many DNs and for diallers, which see every DN, whoever owns it. It is a T-Controller without
//! calls and DNs, linked with all T-Controllers, whose clients ask for less: no agents, no
//! supervision, and they own no DN.
//!
//! With `smart-proxy-enabled` it is a bulk registrar: a T-Controller sends it every event of
//! what it owns and does not know for whom.
//!
//! ```text
//!   Smart Proxy                       T-Controller
//!     |---- NodeHello, Bulk -------------->|
//!     |---- TRegisterAddress, bulk ------->|   answers, notes nobody
//!     |<--- EventRegistered ---------------|
//!     |<--- events of all that it owns ----|
//!     |---- Attach (nobody) -------------->|   the DN is another's since
//!     |<--- Attached ----------------------|   how it is there
//! ```

use super::core::{Core, Cx, Look, Party};
use super::owners::Ownership;
use super::settings::{DnKind, Settings};
use crate::base::id::NodeId;
use crate::cti::refusal::Refusal;
use crate::cti::tlib::{Attributes, RegisterMode, RequestType};
use crate::mesh::wire::{Body, proto};
use crate::modules::t_library::port::ClientId;
use crate::modules::t_library::session::unsupported;
use std::collections::BTreeSet;

/// Requests that its port works on.
pub(super) const SUPPORTED: [RequestType; 8] = [
    RequestType::TRegisterClient,
    RequestType::TQueryServer,
    RequestType::TQueryAddress,
    RequestType::TRegisterAddress,
    RequestType::TUnregisterAddress,
    RequestType::TSetInputMask,
    RequestType::TSendUserEvent,
    RequestType::TReleaseCall,
];

impl Core {
    /// Whether this is a Smart Proxy.
    pub(super) fn is_smart_proxy(&self) -> bool {
        self.settings.node.is_smart_proxy()
    }

    /// Whether a client of its port may ask for that.
    ///
    /// # Errors
    /// When the port is not for it.
    pub(super) fn check_port(&self, kind: RequestType) -> Result<(), Refusal> {
        if self.is_smart_proxy() && !SUPPORTED.contains(&kind) {
            return Err(unsupported(kind));
        }
        Ok(())
    }

    /// Who owns a DN that nobody has claimed: what is no phone is, for a Smart Proxy, its
    /// node's.
    pub(super) fn first_owner(settings: &Settings, kind: DnKind) -> Ownership {
        let node = settings.node;
        let is_its_nodes = node.is_smart_proxy() && !kind.is_phone();
        Ownership { epoch: 0, node: is_its_nodes.then(|| node.application()) }
    }

    /// A Smart Proxy hears of every DN, or no longer.
    pub(super) fn on_bulk(&mut self, from: NodeId, is_on: bool) {
        self.note_bulk(from, is_on);
        if !is_on {
            return;
        }
        let (remotes, dns) = (&mut self.remotes, &mut self.dns);
        for (party, remote) in remotes.iter_mut().filter(|(party, _)| party.node == from) {
            remote.dns.retain(|index| {
                let registrants = &mut dns[*index].registrants;
                registrants
                    .retain(|(other, mode)| other != party || *mode == RegisterMode::Private);
                registrants.iter().any(|(other, _)| other == party)
            });
        }
    }

    /// Whether a Smart Proxy whose link is bulk hears of a DN from here.
    pub(super) fn hears_bulk(&self, node: NodeId, index: usize) -> bool {
        let is_shared = self.dns[index].kind.is_phone() || node.application() == self.settings.node;
        self.is_served(index) && is_shared
    }

    /// `smart-proxy-enabled` may be another than before. What it was ends when every owner
    /// knows whom it has to tell.
    pub(super) fn change_bulk(&mut self, was_bulk: bool, cx: &mut Cx<'_>) {
        if self.settings.bulk == was_bulk {
            return;
        }
        if self.settings.bulk {
            self.is_bulk = true;
            self.unknown.clear();
            self.send_all(Body::Bulk(proto::Bulk { on: true }), cx);
            return;
        }
        let own = self.settings.node;
        for (index, entry) in self.dns.iter().enumerate() {
            let registrants = entry
                .registrants
                .iter()
                .filter(|(party, mode)| party.node == own && *mode != RegisterMode::Private);
            self.unknown.extend(registrants.map(|(party, _)| (index, party.client)));
        }
        let indices: BTreeSet<usize> = self.unknown.iter().map(|(index, _)| *index).collect();
        self.looks.extend(indices.into_iter().map(Look::Attach));
    }

    /// Tells the T-Controllers that they have to tell of what clients are registered for alone,
    /// once they know that.
    pub(super) fn end_bulk(&mut self, cx: &mut Cx<'_>) {
        if self.is_bulk
            && !self.settings.bulk
            && self.unknown.is_empty()
            && !self.pending.has_bulk()
        {
            self.is_bulk = false;
            self.send_all(Body::Bulk(proto::Bulk { on: false }), cx);
        }
    }

    /// Its owner does not know of a registration here, and is to.
    pub(super) fn note_unknown(&mut self, index: usize, id: ClientId) {
        self.unknown.insert((index, id));
        self.looks.push_back(Look::Attach(index));
    }

    /// The owner of a DN is to know who is registered here.
    pub(super) fn look_at_attach(&mut self, index: usize, cx: &mut Cx<'_>) {
        let unknown = self.unknown.range((index, ClientId(0))..=(index, ClientId(u64::MAX)));
        let unknown: Vec<ClientId> = unknown.map(|(_, id)| *id).collect();
        for id in unknown {
            self.attach_first(index, id, cx);
        }
    }

    /// An owner that does not know who is registered is told before it is asked for something.
    pub(super) fn attach_first(&mut self, index: usize, id: ClientId, cx: &mut Cx<'_>) {
        if !self.unknown.remove(&(index, id)) {
            return;
        }
        let own = Party { node: self.settings.node, client: id };
        let entry = &self.dns[index];
        let mut registrants = entry.registrants.iter();
        let mode = registrants.find(|(party, _)| *party == own).map(|(_, mode)| *mode);
        // Who has no link comes with all when it is there.
        let owner = self.owner_elsewhere(index).filter(|owner| self.is_linked(*owner));
        if let (Some(mode), Some(owner)) = (mode, owner) {
            let registrant =
                proto::Registrant { client: id.0, mode: mode.into(), application: String::new() };
            let (dn, epoch) = (entry.name.to_string(), entry.owner.epoch);
            let attach = proto::Attach { dn, registrants: vec![registrant], epoch };
            self.send_to(owner, Body::Attach(attach), cx);
        }
    }

    /// Whether a request goes to the node that owns its DN in the name of all clients here.
    ///
    /// # Errors
    /// When its client is not registered for the DN: the owner would not know.
    pub(super) fn is_asked_in_bulk(
        &self,
        kind: RequestType,
        id: ClientId,
        given: Option<&Attributes>,
    ) -> Result<bool, Refusal> {
        let Some(given) = given.filter(|_| self.settings.bulk) else { return Ok(false) };
        let asked = given.register_mode.filter(|_| kind == RequestType::TRegisterAddress);
        let mode = asked.map_or_else(|| self.mode_of(id, given), |mode| mode.try_into().ok());
        let is_private = mode == Some(RegisterMode::Private);
        if kind == RequestType::TReleaseCall && !is_private {
            let party = Party { node: self.settings.node, client: id };
            self.own_dn(party, given)?;
        }
        Ok(!is_private)
    }

    /// Whether a client leaves a DN that it is not registered for, of which the owner would know
    /// nothing.
    pub(super) fn leaves_bulk(&self, kind: RequestType, id: ClientId, given: &Attributes) -> bool {
        kind == RequestType::TUnregisterAddress
            && self.settings.bulk
            && self.mode_of(id, given).is_none()
    }

    fn mode_of(&self, id: ClientId, given: &Attributes) -> Option<RegisterMode> {
        let index = self.names.get(given.this_dn.as_deref()?)?;
        let party = Party { node: self.settings.node, client: id };
        let mut registrants = self.dns[*index].registrants.iter();
        registrants.find(|(other, _)| *other == party).map(|(_, mode)| *mode)
    }
}
