//! One registration as proxies tell each other of it.

use crate::base::contact::ContactBlock;
use crate::base::id::NodeId;
use crate::base::time::Instant;

/// What a REGISTER said of one contact of one address-of-record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Which contact, and how it is reached if it is bound and was not removed.
    pub contact: ContactBlock,
    /// Number of the REGISTER's CSeq.
    pub cseq: u32,
    /// The proxy that took the REGISTER.
    pub proxy: NodeId,
    /// Lamport time of the change; the machine sets it for local changes.
    pub version: u64,
    /// End of the binding, or of the memory of its removal, on the local clock.
    pub expires: Instant,
}
