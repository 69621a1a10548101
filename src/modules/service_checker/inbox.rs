//! What the Service Checker is told.

use super::core::Target;
use crate::modules::transport::core::Event as TransportEvent;
use core::net::SocketAddr;

/// One message to the Service Checker.
#[derive(Debug)]
pub enum Inbox {
    /// From the transport.
    Transport(TransportEvent),
    /// A target stayed silent to a shard.
    Suspect(SocketAddr),
    /// The configuration was changed: who is checked from now on.
    Targets(Vec<Target>),
}

impl From<TransportEvent> for Inbox {
    fn from(event: TransportEvent) -> Self {
        Self::Transport(event)
    }
}
