//! What others may say to a Call Manager shard.

use super::inbox::Inbox;
use super::settings::Settings;
use crate::call::facts::Order;
use crate::runtime::mailbox::{Class, Mail};
use crate::sip::user_agent::Settings as StackSettings;
use core::net::SocketAddr;
use std::sync::Arc;

/// A Call Manager shard, from outside.
#[derive(Clone, Debug)]
pub struct CallManager {
    mail: Mail<Inbox>,
}

impl CallManager {
    /// The shard behind this mailbox.
    #[must_use]
    pub const fn new(mail: Mail<Inbox>) -> Self {
        Self { mail }
    }

    /// A trunk went in or out of service.
    pub fn trunk(&self, name: &str, in_service: bool) {
        let _ = self.mail.send(Class::Internal, Inbox::Trunk(name.into(), in_service));
    }

    /// A proxy went in or out of service.
    pub fn proxy(&self, address: SocketAddr, in_service: bool) {
        let _ = self.mail.send(Class::Internal, Inbox::Proxy(address, in_service));
    }

    /// The node takes new calls, or drains.
    pub fn ready(&self, ready: bool) {
        let _ = self.mail.send(Class::Internal, Inbox::Ready(ready));
    }

    /// Somebody wants something of a call.
    pub fn order(&self, order: Order) {
        let _ = self.mail.send(Class::Continuing, Inbox::Order(order));
    }

    /// Gives the shard other settings; calls in progress keep what they have.
    pub fn settings(&self, settings: Arc<Settings>, stack: Arc<StackSettings>) {
        let _ = self.mail.send(Class::Internal, Inbox::Settings(settings, stack));
    }
}
