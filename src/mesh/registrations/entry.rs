//! One registration as proxies tell each other of it.

use crate::base::flow::Flow;
use crate::base::id::NodeId;
use crate::base::time::Instant;
use std::sync::Arc;

/// What a REGISTER said of one contact of one address-of-record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The address-of-record.
    pub aor: Arc<str>,
    /// The contact in the registrar's normal form, equal for equal contacts.
    pub contact: Arc<str>,
    /// Call-ID of the REGISTER.
    pub call_id: Arc<str>,
    /// Number of its CSeq.
    pub cseq: u32,
    /// Lamport time of the change; the machine sets it for local changes.
    pub version: u64,
    /// The proxy that took the REGISTER.
    pub proxy: NodeId,
    /// End of the binding, or of the memory of its removal, on the local clock.
    pub expires: Instant,
    /// What became of the contact.
    pub state: State,
}

/// What became of a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is bound.
    Bound(Arc<Bound>),
    /// A REGISTER removed it.
    Removed,
}

/// What reaching a contact takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The URI as the phone wrote it.
    pub uri: Arc<str>,
    /// Other header parameters, verbatim.
    pub params: Arc<str>,
    /// Preference in thousandths, 0 to 1000.
    pub q: u16,
    /// The node that accepted the REGISTER.
    pub node: NodeId,
    /// The flow that it came by; the connection is known at the proxy that took it
    /// only, and not after that has restarted.
    pub source: Flow,
}
