//! What others may say to the link.

use super::inbox::Inbox;
use super::module::Peer;
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

    /// The other proxies from now on.
    pub fn peers(&self, peers: Vec<Peer>) {
        let _ = self.mail.send(Class::Internal, Inbox::Peers(peers));
    }

    /// Shares the changes of a turn with the other proxies, and leaves the list empty.
    /// One that finds no room is found again by the digests that proxies compare.
    pub fn share(&self, changes: &mut Vec<Entry>) {
        self.mail.send_each(changes, |_| Class::Internal, Inbox::Changed);
        changes.clear();
    }
}
