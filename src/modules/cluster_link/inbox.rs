//! What the link is told.

use crate::sip::registrar::Entry;

/// One message to the link.
#[derive(Debug)]
pub enum Inbox {
    /// The local registrar has taken a change.
    Changed(Entry),
}
