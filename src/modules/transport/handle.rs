//! What others may say to a transport.

use super::inbox::Inbox;
use crate::base::flow::Outbound;
use crate::runtime::mailbox::{Class, Mail};

/// A transport, from outside.
#[derive(Clone, Debug)]
pub struct Transport {
    mail: Mail<Inbox>,
}

impl Transport {
    /// The transport behind this mailbox.
    #[must_use]
    pub const fn new(mail: Mail<Inbox>) -> Self {
        Self { mail }
    }

    /// Sends a turn's messages, in order. What finds no room is lost as on the
    /// wire, and counted by the mailbox.
    pub fn send(&self, batch: &mut Vec<Outbound>) {
        let mut messages: Vec<Inbox> = batch.drain(..).map(Inbox::Send).collect();
        self.mail.send_batch(Class::Internal, &mut messages);
    }
}
