//! What the link is told.

use super::module::Peer;
use crate::sip::registrar::Entry;

/// One message to the link.
#[derive(Debug)]
pub enum Inbox {
    /// The local registrar has taken a change.
    Changed(Entry),
    /// The configuration was changed: the other proxies.
    Peers(Vec<Peer>),
}
