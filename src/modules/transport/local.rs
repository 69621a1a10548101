//! Applications of one process: what one sends to another's listening address
//! needs no socket (`decisions.md` 3).

use super::inbox::Inbox;
use crate::runtime::mailbox::Mail;
use core::net::SocketAddr;

/// Listening addresses of this process with the mailbox behind each.
#[derive(Clone, Debug, Default)]
pub struct LocalPorts {
    ports: Vec<(SocketAddr, Mail<Inbox>)>,
}

impl LocalPorts {
    /// Adds an application's address, which it has for both protocols.
    pub fn add(&mut self, address: SocketAddr, mail: &Mail<Inbox>) {
        self.ports.push((address, mail.clone()));
    }

    /// The place in the list of an address of this process.
    #[must_use]
    pub(super) fn find(&self, address: SocketAddr) -> Option<usize> {
        self.ports.iter().position(|(at, _)| *at == address)
    }

    /// The mailboxes, in the order of the list.
    pub(super) fn mails(&self) -> impl Iterator<Item = &Mail<Inbox>> {
        self.ports.iter().map(|(_, mail)| mail)
    }

    /// How many there are.
    #[must_use]
    pub(super) fn len(&self) -> usize {
        self.ports.len()
    }
}
