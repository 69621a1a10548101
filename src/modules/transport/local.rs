//! Applications of one process: what one sends to another's listening address
//! needs no socket (`decisions.md` 3).

use super::inbox::Inbox;
use crate::base::flow::Protocol;
use crate::runtime::mailbox::Mail;
use core::net::SocketAddr;

/// Listening addresses of this process with the mailbox behind each.
#[derive(Clone, Debug, Default)]
pub struct LocalPorts {
    ports: Vec<(Protocol, SocketAddr, Mail<Inbox>)>,
}

impl LocalPorts {
    /// Adds an application's address, for both protocols.
    pub fn add(&mut self, address: SocketAddr, mail: &Mail<Inbox>) {
        for protocol in [Protocol::Udp, Protocol::Tcp] {
            self.ports.push((protocol, address, mail.clone()));
        }
    }

    /// The mailbox behind an address of this process.
    #[must_use]
    pub fn find(&self, protocol: Protocol, address: SocketAddr) -> Option<&Mail<Inbox>> {
        let found = self.ports.iter().find(|(known, at, _)| *known == protocol && *at == address);
        found.map(|(_, _, mail)| mail)
    }
}
