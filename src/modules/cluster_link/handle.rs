//! What others may say to the link.

use super::inbox::Inbox;
use super::module::Peer;
use crate::base::id::NodeId;
use crate::mesh::homes::Settings as Homes;
use crate::runtime::mailbox::{Class, Mail};
use crate::sip::registrar::Entry;

/// The link, from outside.
#[derive(Clone, Debug)]
pub struct ClusterLink {
    mail: Mail<Inbox>,
}

impl ClusterLink {
    /// The link behind this mailbox.
    #[must_use]
    pub const fn new(mail: Mail<Inbox>) -> Self {
        Self { mail }
    }

    /// The other proxies and the nodes from now on.
    pub fn peers(&self, peers: Vec<Peer>, homes: Homes) {
        let _ = self.mail.send(Class::Internal, Inbox::Peers(peers, homes));
    }

    /// A node answers OPTIONS, or does not any more.
    pub fn node(&self, id: NodeId, in_service: bool) {
        let _ = self.mail.send(Class::Internal, Inbox::Node(id, in_service));
    }

    /// Shares the changes of a turn with the other proxies, and leaves the list empty.
    /// One that finds no room is found again by the digests that proxies compare.
    pub fn share(&self, changes: &mut Vec<Entry>) {
        self.mail.send_each(changes, |_| Class::Internal, Inbox::Changed);
        changes.clear();
    }
}
