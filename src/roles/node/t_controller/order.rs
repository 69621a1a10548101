//! Requests of a client for a DN are worked on in the order in which they came, wherever that
//! is: one that would go another way than an earlier one waits until that is answered.

use super::core::Core;
use super::core::Cx;
use super::remote::is_about_dn;
use crate::base::id::NodeId;
use crate::base::limits::PENDING_REQUESTS_MAX;
use crate::cti::refusal::Refusal;
use crate::cti::tlib::{Attributes, ErrorCode, Request, RequestType};
use crate::modules::t_library::port::ClientId;

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
        if self.held.contains_key(&(id, index)) {
            return true;
        }
        // What becomes of a registration decides what is done next, where its owner does not
        // know of it.
        let is_next = kind != RequestType::TRegisterAddress;
        let mut earlier = self.pending_for(id, index);
        earlier
            .any(|(node, is_bulk)| Some(node) != to || is_next && (is_bulk || self.settings.bulk))
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
        if self.held.values().map(std::collections::VecDeque::len).sum::<usize>()
            >= PENDING_REQUESTS_MAX
        {
            let text = "too many requests wait for earlier ones of their clients";
            return Err(Refusal::new(ErrorCode::ErrorServiceUnavailable, text));
        }
        self.held.entry((id, index)).or_default().push_back((request, tries));
        Ok(())
    }

    /// Goes on with what waited for a request of a client that is answered, or comes anew.
    pub(super) fn go_on(&mut self, id: ClientId, cx: &mut Cx<'_>) {
        let keys: Vec<(ClientId, usize)> =
            self.held.range((id, 0)..=(id, usize::MAX)).map(|(key, _)| *key).collect();
        for key in keys {
            if self.pending_for(id, key.1).next().is_some() {
                continue;
            }
            for (request, tries) in self.held.remove(&key).unwrap_or_default() {
                self.on_own_request(id, request, tries, cx);
            }
        }
    }

    /// Where a client's requests for a DN are that wait for an answer, and whether they went in
    /// the name of all.
    fn pending_for(&self, id: ClientId, index: usize) -> impl Iterator<Item = (NodeId, bool)> {
        let waiting = self.pending.range((id, 0)..=(id, u32::MAX));
        let own = waiting.filter(move |(_, pending)| {
            let kind = RequestType::try_from(pending.request.r#type).unwrap_or_default();
            let given = pending.request.attributes.as_deref();
            given.and_then(|given| self.dn_of(kind, given)) == Some(index)
        });
        own.map(|(_, pending)| (pending.to, pending.is_bulk))
    }
}
