//! What a Call Manager shard is told.

use crate::modules::transport::core::Event as TransportEvent;
use core::net::SocketAddr;

/// One message to a Call Manager shard.
#[derive(Debug)]
pub enum Inbox {
    /// From the transport.
    Transport(Box<TransportEvent>),
    /// The Service Checker's word on a trunk.
    Trunk(Box<str>, bool),
    /// The Service Checker's word on a proxy.
    Proxy(SocketAddr, bool),
    /// The node takes calls, or drains.
    Ready(bool),
    /// The configuration was changed.
    Settings(std::sync::Arc<super::settings::Settings>),
}

impl From<TransportEvent> for Inbox {
    fn from(event: TransportEvent) -> Self {
        Self::Transport(Box::new(event))
    }
}
