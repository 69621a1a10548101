//! A new call that belongs to one which lives at another node: the proxy is told
//! to take it there, so that related calls stay together (`decisions.md` 3).

use super::arrive::Origin;
use super::core::{Core, Cx};
use crate::base::id::NodeId;
use crate::sip::message::Message;
use crate::sip::named_dialog::named_leg;

impl Core {
    /// Word of where a DN's calls live; there are no more words than DNs.
    pub(super) fn on_elsewhere(&mut self, dn: Box<str>, node: Option<NodeId>) {
        match node.filter(|node| *node != self.settings.node) {
            Some(node) if self.settings.dns.contains_key(&dn) => {
                self.elsewhere.insert(dn, node);
            }
            Some(_) | None => {
                self.elsewhere.remove(&dn);
            }
        }
    }

    /// The other node that a new call belongs to: that of the dialog it names
    /// (RFC 3891, RFC 3911), or of the call that the calling DN has.
    pub(super) fn lives_at(&self, origin: &Origin, message: &Message) -> Option<NodeId> {
        if let Some(leg) = named_leg(message, &self.sealer) {
            return Some(leg.node).filter(|node| *node != self.settings.node);
        }
        match origin {
            Origin::Extension(dn) => self.elsewhere.get(dn.as_str()).copied(),
            Origin::Trunk { .. } | Origin::Unknown => None,
        }
    }

    /// What the proxy is told with the 302.
    pub(super) fn told(&self, node: NodeId, cx: &Cx<'_>) -> String {
        self.sealer.seal_hop(self.settings.node, &format!("node:{node}"), cx.wall)
    }
}
