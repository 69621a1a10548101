//! A new call that belongs to one which lives at another node: the proxy is told
//! to take it there, so that related calls stay together (`decisions.md` 3).

use super::arrive::Origin;
use super::core::{Core, Cx};
use super::settings::DnKind;
use crate::base::id::NodeId;
use crate::base::ownership::DnWord;
use crate::sip::message::{HeaderId, Message};
use crate::sip::named_dialog::named_leg;

impl Core {
    /// What is known of a DN.
    pub(super) fn known(&self, dn: &str, cx: &Cx<'_>) -> DnWord {
        match self.settings.dns.get(dn) {
            Some(DnKind::Extension { place, .. }) => (cx.dns)(*place),
            Some(DnKind::RoutingPoint { .. }) | None => DnWord::default(),
        }
    }

    /// The other node that a new call belongs to: that of the dialog it names
    /// (RFC 3891, RFC 3911), or of the call that the calling DN has.
    pub(super) fn lives_at(
        &self,
        origin: &Origin,
        message: &Message,
        cx: &Cx<'_>,
    ) -> Option<NodeId> {
        if let Some(leg) = named_leg(message, &self.sealer) {
            return Some(leg.node).filter(|node| *node != self.settings.node);
        }
        match origin {
            // What is known may be old: one node is sent on by it, once.
            Origin::Extension(_) if message.header(HeaderId::XSipclusterFurther).is_some() => None,
            Origin::Extension(dn) => {
                self.known(dn, cx).calls_at.filter(|node| *node != self.settings.node)
            }
            Origin::Trunk { .. } | Origin::Unknown => None,
        }
    }

    /// What the proxy is told with the 302.
    pub(super) fn told(&self, node: NodeId, cx: &Cx<'_>) -> String {
        self.sealer.seal_hop(self.settings.node, &format!("node:{node}"), cx.wall)
    }
}
