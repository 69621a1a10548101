//! What the transport is told.

use crate::base::flow::{Flow, Outbound};
use bytes::Bytes;

/// One message to the transport.
#[derive(Debug)]
pub enum Inbox {
    /// Send this.
    Send(Outbound),
    /// Another application of this process hands a message over.
    Delivered {
        /// As this side sees it.
        flow: Flow,
        /// The message.
        bytes: Bytes,
    },
}
