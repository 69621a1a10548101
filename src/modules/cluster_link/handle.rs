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

    /// Shares a change with the other proxies. One that finds no room is found
    /// again by the digests that proxies compare.
    pub fn share(&self, entry: Entry) {
        let _ = self.mail.send(Class::Internal, Inbox::Changed(entry));
    }
}
