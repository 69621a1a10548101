//! TReleaseCall: the DN's owner has the call's node end it; a call whose node is out of
//! reach is only shown any more, and that ends here (guide, "TC-layer between DC1 and DC2
//! fails").

use super::core::{Action, Asked, Core, Cx, Party};
use crate::base::id::{ConnId, NodeId, Slot};
use crate::base::time::Duration;
use crate::call::facts::{CallFact, EndedBy, Party as CallParty, Step};
use crate::cti::calls::Side;
use crate::cti::refusal::Refusal;
use crate::cti::tlib::{Attributes, ErrorCode};
use crate::mesh::wire::{Body, proto};

/// Time in which a call that is asked to end does so; it may be asked again then.
const RELEASE_TIME: Duration = Duration::from_secs(5);

impl Core {
    /// TReleaseCall. Its answer is the EventReleased of the DN, when the call is over.
    pub(super) fn release_call(
        &mut self,
        id: Party,
        given: &Attributes,
        asked: Asked,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let conn_id = given.conn_id.ok_or_else(|| Refusal::attribute("ConnID"))?;
        let conn_id = ConnId(conn_id);
        let index = self.own_dn(id, given)?;
        let Some((side, fact, is_cut)) = self.dns[index].calls.find(conn_id) else {
            let text = "the DN has no call of that ConnID";
            return Err(Refusal::new(ErrorCode::ErrorInvalidConnId, text));
        };
        let asked_before = self.releases.get(&(conn_id, index));
        if asked_before.is_some_and(|(_, at)| cx.now.since(*at) < RELEASE_TIME) {
            let text = "the call is being released already";
            return Err(Refusal::new(ErrorCode::ErrorWrongState, text));
        }
        let (slot, party) = (fact.slot, party(side));
        let step = Step::Ended { by: EndedBy::Cluster, code: 503, was_connected: true };
        let over = is_cut.then(|| CallFact { step, ..fact.clone() });
        self.releases.insert((conn_id, index), (asked, cx.now));
        match (over, conn_id.node()) {
            (Some(over), _) => self.on_side(side, index, &over, cx),
            (None, Some(node)) if node != self.settings.node => {
                let release = proto::ReleaseCall {
                    conn_id: conn_id.0,
                    slot: slot.index,
                    generation: slot.generation,
                    by_callee: party == CallParty::Callee,
                };
                self.send_to(node, Body::ReleaseCall(release), cx);
            }
            (None, _) => cx.out.push(Action::Release(slot, conn_id, party)),
        }
        Ok(())
    }

    /// Another node owns the DN whose client wants a call of this one ended.
    pub(super) fn on_release_call(&self, given: &proto::ReleaseCall, cx: &mut Cx<'_>) {
        let slot = Slot { index: given.slot, generation: given.generation };
        let party = if given.by_callee { CallParty::Callee } else { CallParty::Caller };
        cx.out.push(Action::Release(slot, ConnId(given.conn_id), party));
    }

    /// Who has asked for the end of the call at that DN.
    pub(super) fn released(&mut self, conn_id: ConnId, index: usize) -> Asked {
        self.releases.remove(&(conn_id, index)).map(|(asked, _)| asked).unwrap_or_default()
    }

    /// Calls of a node that is out of reach are not heard of before it is in reach again.
    pub(super) fn cut_calls(&mut self, node: NodeId, is_cut: bool, cx: &mut Cx<'_>) {
        for entry in &mut self.dns {
            if !entry.calls.is_empty() {
                entry.calls.cut(node, is_cut);
            }
        }
        let is_one = |(conn_id, _): &(ConnId, usize)| conn_id.node() == Some(node);
        let waiting: Vec<(ConnId, usize)> =
            self.releases.keys().copied().filter(is_one).filter(|_| is_cut).collect();
        for (conn_id, index) in waiting {
            let asked = self.released(conn_id, index);
            let text = "the node of the call is out of reach: ask again to clear it here";
            let refusal = Refusal::new(ErrorCode::ErrorOutOfService, text);
            let this_dn = Some(self.dns[index].name.to_string());
            let subject = Attributes { this_dn, conn_id: Some(conn_id.0), ..Attributes::default() };
            self.refuse(asked, &refusal, subject, cx);
        }
    }
}

const fn party(side: Side) -> CallParty {
    match side {
        Side::Caller => CallParty::Caller,
        Side::Called => CallParty::Callee,
    }
}
