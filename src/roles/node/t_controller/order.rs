//! Requests of a client for a DN are worked on in the order in which they came, wherever that
//! is: one that would go another way than an earlier one waits until that is answered.

use super::core::{Core, Cx};
use super::remote::is_about_dn;
use crate::base::id::NodeId;
use crate::base::limits::PENDING_REQUESTS_MAX;
use crate::cti::refusal::Refusal;
use crate::cti::tlib::{Attributes, ErrorCode, Request, RequestType};
use crate::modules::t_library::port::ClientId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A client's request that another node works on.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) to: NodeId,
    pub(super) request: Request,
    /// The DN that it is about.
    pub(super) index: usize,
    /// How often it has been sent.
    pub(super) tries: u8,
    /// It is to leave a DN to which the client has come again since.
    pub(super) is_overtaken: bool,
    /// Its node does not note who is registered.
    pub(super) is_bulk: bool,
}

/// A client's request, by its ReferenceID.
type Key = (ClientId, u32);
/// A client and a DN.
type Place = (ClientId, usize);

/// Requests of clients here that are not worked on yet. A client may send thousands without
/// waiting: what is asked of one DN is found without looking at the others.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests {
    sent: BTreeMap<Key, Pending>,
    /// The same by the DN.
    places: BTreeSet<(ClientId, usize, u32)>,
    /// Those that come after one of these, and how often each was sent.
    held: BTreeMap<Place, VecDeque<(Request, u8)>>,
    held_len: usize,
}

impl Requests {
    /// Whether no other node works on any.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_empty() && self.held.is_empty()
    }

    /// How many other nodes work on.
    pub(super) fn len(&self) -> usize {
        self.sent.len()
    }

    /// One that another node works on.
    pub(super) fn get(&self, key: &Key) -> Option<&Pending> {
        self.sent.get(key)
    }

    /// Another node works on it from now on.
    pub(super) fn insert(&mut self, key: Key, pending: Pending) {
        self.places.insert((key.0, pending.index, key.1));
        self.sent.insert(key, pending);
    }

    /// It is answered, or comes anew.
    pub(super) fn take(&mut self, key: &Key) -> Option<Pending> {
        let pending = self.sent.remove(key)?;
        self.places.remove(&(key.0, pending.index, key.1));
        Some(pending)
    }

    /// Those that a node works on.
    pub(super) fn of_node(&self, node: NodeId) -> Vec<Key> {
        let own = self.sent.iter().filter(|(_, pending)| pending.to == node);
        own.map(|(key, _)| *key).collect()
    }

    /// Those of a client for a DN.
    pub(super) fn of(&self, id: ClientId, index: usize) -> impl Iterator<Item = &Pending> {
        let places = self.places.range((id, index, 0)..=(id, index, u32::MAX));
        places.filter_map(|(id, _, reference_id)| self.sent.get(&(*id, *reference_id)))
    }

    /// The client has come to the DN again: it does not leave it by what it has asked before.
    pub(super) fn overtake(&mut self, id: ClientId, index: usize) {
        for (id, _, reference_id) in self.places.range((id, index, 0)..=(id, index, u32::MAX)) {
            if let Some(pending) = self.sent.get_mut(&(*id, *reference_id)) {
                let leaves = pending.request.r#type == i32::from(RequestType::TUnregisterAddress);
                pending.is_overtaken |= leaves;
            }
        }
    }

    /// Whether one went in the name of all clients.
    pub(super) fn has_bulk(&self) -> bool {
        self.sent.values().any(|pending| pending.is_bulk)
    }

    /// A client is gone.
    pub(super) fn forget(&mut self, id: ClientId) {
        self.sent.retain(|(client, _), _| *client != id);
        self.places.retain(|(client, ..)| *client != id);
        self.held.retain(|(client, _), _| *client != id);
        self.held_len = self.held.values().map(VecDeque::len).sum();
    }

    fn release(&mut self, place: Place) -> VecDeque<(Request, u8)> {
        let released = self.held.remove(&place).unwrap_or_default();
        self.held_len -= released.len();
        released
    }
}

impl Core {
    /// Whether a request for a DN that goes to that node, or is worked on here, has to wait.
    pub(super) fn has_to_wait(
        &self,
        id: ClientId,
        kind: RequestType,
        given: &Attributes,
        to: Option<NodeId>,
    ) -> bool {
        let Some(index) = self.dn_of(kind, given).filter(|_| is_about_dn(kind)) else {
            return false;
        };
        if self.pending.held.contains_key(&(id, index)) {
            return true;
        }
        // What becomes of a registration decides what is done next, where its owner does not
        // know of it.
        let is_next = kind != RequestType::TRegisterAddress;
        let is_other = |earlier: &Pending| {
            Some(earlier.to) != to || is_next && (earlier.is_bulk || self.settings.bulk)
        };
        self.pending.of(id, index).any(is_other)
    }

    /// Has a request wait.
    ///
    /// # Errors
    /// When too many do.
    pub(super) fn hold(
        &mut self,
        id: ClientId,
        request: Request,
        (kind, given): (RequestType, &Attributes),
        tries: u8,
    ) -> Result<(), Refusal> {
        let Some(index) = self.dn_of(kind, given) else { return Ok(()) };
        if self.pending.held_len >= PENDING_REQUESTS_MAX {
            let text = "too many requests wait for earlier ones of their clients";
            return Err(Refusal::new(ErrorCode::ErrorServiceUnavailable, text));
        }
        self.pending.held_len += 1;
        self.pending.held.entry((id, index)).or_default().push_back((request, tries));
        Ok(())
    }

    /// Goes on with what waited for a request of a client for a DN that is answered, or comes
    /// anew.
    pub(super) fn go_on(&mut self, id: ClientId, index: usize, cx: &mut Cx<'_>) {
        if self.pending.of(id, index).next().is_some() {
            return;
        }
        for (request, tries) in self.pending.release((id, index)) {
            self.on_own_request(id, request, tries, cx);
        }
    }
}
