//! What a Call Manager shard is told.

use super::settings::Settings;
use crate::call::facts::Order;
use crate::modules::transport::core::Event as TransportEvent;
use crate::sip::user_agent::Settings as StackSettings;
use core::net::SocketAddr;
use std::sync::Arc;

/// One message to a Call Manager shard.
#[derive(Debug)]
pub enum Inbox {
    /// From the transport.
    Transport(TransportEvent),
    /// The Service Checker's word on a trunk.
    Trunk(Box<str>, bool),
    /// The Service Checker's word on a proxy.
    Proxy(SocketAddr, bool),
    /// The node takes calls, or drains.
    Ready(bool),
    /// Somebody wants something of a call.
    Order(Order),
    /// The configuration was changed: settings of calls and of the stack.
    Settings(Arc<Settings>, Arc<StackSettings>),
}

impl From<TransportEvent> for Inbox {
    fn from(event: TransportEvent) -> Self {
        Self::Transport(event)
    }
}
