//! What a proxy shard is told.

use super::settings::Settings;
use crate::base::id::NodeId;
use crate::modules::transport::core::Event as TransportEvent;
use crate::sip::registrar::Entry;
use core::net::SocketAddr;
use std::sync::Arc;

/// One message to a proxy shard.
#[derive(Debug)]
pub enum Inbox {
    /// From the transport.
    Transport(TransportEvent),
    /// The Service Checker's word on a node: the address of its primary.
    Node(NodeId, Option<SocketAddr>),
    /// Whether a node keeps its calls and takes nothing new.
    Draining(NodeId, bool),
    /// What another proxy has registered or removed.
    Binding(Box<Entry>),
    /// The configuration was changed.
    Settings(Arc<Settings>),
}

impl From<TransportEvent> for Inbox {
    fn from(event: TransportEvent) -> Self {
        Self::Transport(event)
    }
}
