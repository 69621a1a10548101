//! A message together with the flow that it came by.

use super::message::Message;
use crate::base::flow::Flow;

/// One message from the wire.
#[derive(Clone, Debug)]
pub struct Packet {
    /// The five-tuple.
    pub flow: Flow,
    /// The message.
    pub message: Message,
}
