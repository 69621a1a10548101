//! What others may say to a proxy shard.

use super::inbox::Inbox;
use super::settings::Settings;
use crate::base::id::NodeId;
use crate::runtime::mailbox::{Class, Mail};
use crate::sip::registrar::Entry;
use core::net::SocketAddr;
use std::sync::Arc;

/// A proxy shard, from outside.
#[derive(Clone, Debug)]
pub struct Proxy {
    mail: Mail<Inbox>,
}

impl Proxy {
    /// The shard behind this mailbox.
    #[must_use]
    pub const fn new(mail: Mail<Inbox>) -> Self {
        Self { mail }
    }

    /// The address of a node's primary, `None` when it has none in service.
    pub fn node(&self, id: NodeId, primary: Option<SocketAddr>) {
        let _ = self.mail.send(Class::Internal, Inbox::Node(id, primary));
    }

    /// A node keeps its calls and takes nothing new, or takes new work again.
    pub fn draining(&self, id: NodeId, is_draining: bool) {
        let _ = self.mail.send(Class::Internal, Inbox::Draining(id, is_draining));
    }

    /// Gives the shard other settings.
    pub fn settings(&self, settings: Arc<Settings>) {
        let _ = self.mail.send(Class::Internal, Inbox::Settings(settings));
    }

    /// What another proxy has registered or removed.
    pub fn binding(&self, entry: Entry) {
        let _ = self.mail.send(Class::Internal, Inbox::Binding(Box::new(entry)));
    }
}
