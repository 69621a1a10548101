//! TReleaseCall: the DN's owner has the call's node end it; a call whose node is out of
//! reach is only shown any more, and that ends here (guide, "TC-layer between DC1 and DC2
//! fails").

use super::core::{Action, Asked, Core, Cx, Party};
use crate::base::id::{ConnId, NodeId, Slot};
use crate::base::time::Duration;
use crate::call::facts::{CallFact, EndedBy, Order, Party as CallParty, Step, Wish};
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
        let index = if asked.is_bulk { self.this_dn(given)? } else { self.own_dn(id, given)? };
        let Some((side, fact, is_cut)) = self.dns[index].calls.find(conn_id) else {
            let text = "the DN has no call of that ConnID";
            return Err(Refusal::new(ErrorCode::ErrorInvalidConnId, text));
        };
        let asked_before = self.releases.get(&(conn_id, index));
        if asked_before.is_some_and(|(_, at)| cx.now.since(*at) < RELEASE_TIME) {
            let text = "the call is being released already";
            return Err(Refusal::new(ErrorCode::ErrorWrongState, text));
        }
        let order = Order { call: fact.slot, conn_id, party: side.party(), wish: Wish::Release };
        let step = Step::Ended { by: EndedBy::Cluster, code: 503, was_connected: true };
        let over = is_cut.then(|| CallFact { step, ..fact.clone() });
        self.releases.insert((conn_id, index), (asked, cx.now));
        match over {
            Some(over) => self.on_side(side, index, &over, cx),
            None => self.order(order, cx),
        }
        Ok(())
    }

    /// A node is in reach again: what it was asked to end it may not have heard of.
    pub(super) fn order_again(&mut self, node: NodeId, cx: &mut Cx<'_>) {
        let theirs = self.releases.keys().filter(|(conn_id, _)| conn_id.node() == Some(node));
        let orders = theirs.filter_map(|(conn_id, index)| {
            let (side, fact, _) = self.dns[*index].calls.find(*conn_id)?;
            let (call, party) = (fact.slot, side.party());
            Some(Order { call, conn_id: *conn_id, party, wish: Wish::Release })
        });
        for order in orders.collect::<Vec<_>>() {
            self.order(order, cx);
        }
    }

    /// Wants something of a call, wherever it is.
    pub(super) fn order(&mut self, order: Order, cx: &mut Cx<'_>) {
        match order.conn_id.node() {
            Some(node) if node != self.settings.node => {
                let wish = match order.wish {
                    Wish::Release => proto::CallWish::Release,
                    Wish::NoAnswer => proto::CallWish::NoAnswer,
                    Wish::Supervised(_) => proto::CallWish::Supervised,
                };
                let until = match order.wish {
                    Wish::Supervised(until) => until.map(|span| span.as_millis()),
                    Wish::Release | Wish::NoAnswer => None,
                };
                let order = proto::CallOrder {
                    conn_id: order.conn_id.0,
                    slot: order.call.index,
                    generation: order.call.generation,
                    by_callee: order.party == CallParty::Callee,
                    wish: wish.into(),
                    until_ms: until.map(|ms| u32::try_from(ms).unwrap_or(u32::MAX)),
                };
                self.send_to(node, Body::CallOrder(order), cx);
            }
            Some(_) | None => cx.out.push(Action::Order(order)),
        }
    }

    /// Another node wants something of a call of this one. A wish of a later release is
    /// passed over.
    pub(super) fn on_call_order(&self, given: &proto::CallOrder, cx: &mut Cx<'_>) {
        let wish = match proto::CallWish::try_from(given.wish) {
            Ok(proto::CallWish::Release) => Wish::Release,
            Ok(proto::CallWish::NoAnswer) => Wish::NoAnswer,
            Ok(proto::CallWish::Supervised) => {
                let until = given.until_ms.map(|ms| Duration::from_millis(ms.into()));
                Wish::Supervised(until)
            }
            Err(_) => return,
        };
        let call = Slot { index: given.slot, generation: given.generation };
        let party = if given.by_callee { CallParty::Callee } else { CallParty::Caller };
        cx.out.push(Action::Order(Order { call, conn_id: ConnId(given.conn_id), party, wish }));
    }

    /// Who has asked for the end of the call at that DN.
    pub(super) fn released(&mut self, conn_id: ConnId, index: usize) -> Asked {
        self.releases.remove(&(conn_id, index)).map(|(asked, _)| asked).unwrap_or_default()
    }

    /// Calls of a node that is out of reach are not heard of before it is in reach again.
    pub(super) fn cut_calls(&mut self, node: NodeId, is_cut: bool, cx: &mut Cx<'_>) {
        for index in 0..self.dns.len() {
            if !self.dns[index].calls.is_empty() {
                self.dns[index].calls.cut(node, is_cut);
                self.look_at_standing(index, cx);
            }
        }
        let is_one = |(conn_id, _): &(ConnId, usize)| conn_id.node() == Some(node);
        let waiting: Vec<(ConnId, usize)> =
            self.releases.keys().copied().filter(is_one).filter(|_| is_cut).collect();
        for (conn_id, index) in waiting {
            self.refuse_release(conn_id, index, cx);
        }
    }

    /// Who has asked for the end of a call at a DN is not going to hear of it here.
    pub(super) fn refuse_release(&mut self, conn_id: ConnId, index: usize, cx: &mut Cx<'_>) {
        let Some((asked, _)) = self.releases.remove(&(conn_id, index)) else { return };
        let text =
            "the node of the call, or the owner of its DN, is another or out of reach: ask again";
        let refusal = Refusal::new(ErrorCode::ErrorOutOfService, text);
        let this_dn = Some(self.dns[index].name.to_string());
        let subject = Attributes { this_dn, conn_id: Some(conn_id.0), ..Attributes::default() };
        self.refuse(asked, &refusal, subject, cx);
    }
}
