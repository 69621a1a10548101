//! Requests for a DN that waits to hear of its calls (`running`): what they are answered depends
//! on those, so they wait as well. When the DN goes elsewhere meanwhile, they go there.

use super::core::{Action, Core, Cx, Wake};
use super::remote::is_about_dn;
use crate::base::id::NodeId;
use crate::base::limits::{DNS_PER_EVENT_MAX, PENDING_REQUESTS_MAX};
use crate::cti::refusal::Refusal;
use crate::cti::tlib::{Attributes, ErrorCode, Request, RequestType};
use crate::mesh::wire::proto;
use crate::modules::t_library::port::ClientId;
use std::collections::{BTreeMap, VecDeque};

/// A request that waits, and whose it is.
#[derive(Clone, Debug)]
pub(super) enum Early {
    /// A client's here, which has been sent to other nodes so often.
    Own(ClientId, Request, u8),
    /// One that another node has sent.
    Of(NodeId, proto::Forwarded),
}

/// Requests for DNs that settle, by the DN, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Settling {
    waiting: BTreeMap<usize, VecDeque<Early>>,
    len: usize,
}

impl Settling {
    fn retain(&mut self, is_wanted: impl Fn(&Early) -> bool) {
        if self.len == 0 {
            return;
        }
        for early in self.waiting.values_mut() {
            early.retain(&is_wanted);
        }
        self.waiting.retain(|_, early| !early.is_empty());
        self.len = self.waiting.values().map(VecDeque::len).sum();
    }

    /// A client here is gone.
    pub(super) fn forget(&mut self, id: ClientId) {
        self.retain(|early| !matches!(early, Early::Own(client, ..) if *client == id));
    }

    /// A client of another node is gone.
    pub(super) fn forget_remote(&mut self, node: NodeId, id: ClientId) {
        self.retain(|early| {
            !matches!(early, Early::Of(from, given) if *from == node && given.client == id.0)
        });
    }

    /// The link to a node is lost, which asks again where it can.
    pub(super) fn forget_node(&mut self, node: NodeId) {
        self.retain(|early| !matches!(early, Early::Of(from, _) if *from == node));
    }
}

impl Core {
    /// The DN that a request has to wait for.
    pub(super) fn settling_dn(&self, kind: RequestType, given: &Attributes) -> Option<usize> {
        let index = self.dn_of(kind, given).filter(|_| is_about_dn(kind))?;
        // One that comes while earlier ones are given out comes behind them.
        (self.is_settling(index) || self.settling.waiting.contains_key(&index)).then_some(index)
    }

    /// Has a request wait until its DN has settled.
    ///
    /// # Errors
    /// When too many do.
    pub(super) fn wait_to_settle(&mut self, index: usize, early: Early) -> Result<(), Refusal> {
        if self.settling.len >= PENDING_REQUESTS_MAX {
            let text = "too many requests wait for DNs whose owners were lost";
            return Err(Refusal::new(ErrorCode::ErrorServiceUnavailable, text));
        }
        self.settling.len += 1;
        self.settling.waiting.entry(index).or_default().push_back(early);
        Ok(())
    }

    /// Goes on with what has waited for DNs that have settled, or are not owned here any more;
    /// with some of it in one turn, for each may be heard by thousands.
    pub(super) fn go_on_settled(&mut self, cx: &mut Cx<'_>) {
        if self.settling.len == 0 {
            return;
        }
        let done = self.settling.waiting.keys().copied().filter(|index| !self.is_settling(*index));
        let mut left = DNS_PER_EVENT_MAX;
        for index in done.take(DNS_PER_EVENT_MAX).collect::<Vec<_>>() {
            let mut waiting = self.settling.waiting.remove(&index).unwrap_or_default();
            while left > 0
                && let Some(early) = waiting.pop_front()
            {
                (left, self.settling.len) = (left - 1, self.settling.len - 1);
                match early {
                    Early::Own(id, request, tries) => self.on_own_request(id, request, tries, cx),
                    Early::Of(from, given) => {
                        // It was looked at when it came.
                        let _ = self.on_forwarded(from, given, cx);
                    }
                }
            }
            if !waiting.is_empty() {
                waiting.extend(self.settling.waiting.remove(&index).unwrap_or_default());
                self.settling.waiting.insert(index, waiting);
            }
        }
        if left == 0 {
            cx.out.push(Action::Arm(Wake::Rest, cx.now));
        }
        if left < DNS_PER_EVENT_MAX {
            self.look_at_some(cx);
        }
    }
}
