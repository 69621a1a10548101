//! A node that got a request for a call that lives elsewhere answers 302 with a
//! sealed `X-Genesys-Route: hop=node:<id>`. The proxy follows it inside the
//! transaction, and nobody outside sees it.

use super::core::{Core, Counted, Cx};
use super::transaction::Target;
use crate::base::flow::Flow;
use crate::base::id::{NodeId, Slot};
use crate::base::limits::NODE_TRIES_MAX;
use crate::base::seal::Hop;
use crate::base::time::Instant;
use crate::sip::message::text::decimal;
use crate::sip::message::{HeaderId, Message};

/// What stands before the `node-id` in a hop.
const NODE: &[u8] = b"node:";

impl Core {
    /// An `X-Genesys-Route` that this cluster sealed not long ago.
    pub(super) fn fresh_hop<'v>(&self, value: &'v [u8], now: Instant) -> Option<Hop<'v>> {
        let hop = self.sealer.open_hop(value)?;
        let wall = self.wall.map(|(told_at, wall)| {
            wall.0.saturating_add(u64::try_from((now - told_at).as_millis()).unwrap_or(u64::MAX))
        });
        match wall {
            Some(wall) => hop.is_fresh(crate::base::time::WallTime(wall)).then_some(hop),
            // The clock was not told yet.
            None => Some(hop),
        }
    }

    /// The node that a 302 sends a request on to: only a node that was asked can
    /// say so, from its own address, under the cluster's seal.
    pub(super) fn told_node(
        &self,
        asked: Option<NodeId>,
        message: &Message,
        flow: &Flow,
        cx: &mut Cx<'_>,
    ) -> Option<NodeId> {
        let value = message.header(HeaderId::XGenesysRoute).filter(|_| message.status() == 302)?;
        let told = self.fresh_hop(value, cx.now).filter(|hop| {
            let sender = self.settings.node(hop.node);
            asked == Some(hop.node)
                && sender.is_some_and(|node| node.sends_from(flow.remote, flow.protocol))
        });
        let id = told
            .and_then(|hop| decimal(hop.hop.strip_prefix(NODE)?))
            .and_then(|id| NodeId::new(u16::try_from(id).ok()?));
        if id.is_none() {
            cx.count(Counted::ForeignRoute);
        }
        id
    }

    /// Sends the request to the node that `asked` has named. One that takes nothing now, or was
    /// asked already, is passed by: another one takes the request, or `asked` after all. Where
    /// there is none the caller hears 503 and may try again.
    pub(super) fn follow(&mut self, slot: Slot, asked: NodeId, id: NodeId, cx: &mut Cx<'_>) {
        let Some(found) = self.transactions.get(slot) else { return };
        let is_open = !found.cancelled && found.server.is_open();
        let is_new = |node: &NodeId| !found.nodes_tried.contains(node);
        let named = Some(id).filter(is_new).filter(|_| found.nodes_tried.len() < NODE_TRIES_MAX);
        let named = named.and_then(|id| Some((id, self.nodes.taking(id, cx.now)?)));
        let next = named.or_else(|| self.next_node(found, cx.now)).or_else(|| {
            let of_asked = found.branches.iter().filter(|branch| branch.node == Some(asked));
            let is_first = of_asked.count() == 1;
            Some((asked, self.nodes.taking(asked, cx.now)?)).filter(|_| is_first)
        });
        match next.filter(|_| is_open) {
            Some((id, remote)) => {
                let target = self.node_target(id, remote);
                let target = Target { may_fail_over: true, is_further: true, ..target };
                self.start_branches(slot, [target], cx);
            }
            None => {
                if !found.cancelled {
                    self.keep_made(slot, 503, cx);
                }
                self.on_branch_final(slot, cx);
            }
        }
    }
}
