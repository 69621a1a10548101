//! What others may say to a Service Checker.

use super::core::Target;
use super::inbox::Inbox;
use crate::runtime::mailbox::{Class, Mail};
use core::net::SocketAddr;

/// A Service Checker, from outside.
#[derive(Clone, Debug)]
pub struct ServiceChecker {
    mail: Mail<Inbox>,
}

impl ServiceChecker {
    /// The checker behind this mailbox.
    #[must_use]
    pub const fn new(mail: Mail<Inbox>) -> Self {
        Self { mail }
    }

    /// Checks these from now on.
    pub fn targets(&self, targets: Vec<Target>) {
        let _ = self.mail.send(Class::Internal, Inbox::Targets(targets));
    }

    /// A target stayed silent: look at it. A word lost is said again by the next
    /// silence.
    pub fn suspect(&self, address: SocketAddr) {
        let _ = self.mail.send(Class::Internal, Inbox::Suspect(address));
    }
}
