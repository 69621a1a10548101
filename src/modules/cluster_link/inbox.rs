//! What the link is told.

use super::module::Peer;
use crate::base::id::NodeId;
use crate::mesh::homes::Settings as Homes;
use crate::sip::registrar::Entry;

/// One message to the link.
#[derive(Debug)]
pub enum Inbox {
    /// The local registrar has taken a change.
    Changed(Entry),
    /// The configuration was changed: the other proxies, and the nodes.
    Peers(Vec<Peer>, Homes),
    /// The Service Checker's word on a node.
    Node(NodeId, bool),
}
