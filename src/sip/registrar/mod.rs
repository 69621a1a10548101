//! The registrar's rules and its store, RFC 3261 10.3 steps 6 to 8.
//!
//! It holds the bindings of every address-of-record and decides which REGISTER
//! may change them. It knows no message type, no authentication and no 423:
//! whoever reads the REGISTER has dealt with those (steps 1 to 5) and has the
//! serving node's grant in hand.
//!
//! ```text
//!  REGISTER ──check──▶ forward to a node ──200──▶ update ──▶ Outcome
//!                                                   │          ├─ bindings: for the 200
//!  other proxies ◀─────────────── entries ──────────┼──────────┘
//!  other proxies ────────────────── apply ─────────▶│
//!                                       on_timer ──▶ expired bindings
//! ```
//!
//! Invariants:
//! - a REGISTER changes all of its contacts or none;
//! - under one Call-ID the CSeq of a contact never goes back, also for a while
//!   after the binding was removed, so that a request that overtook its
//!   successor does not bring a phone back;
//! - a contact is listed once, by the comparison of [`contact_key`].

mod contact;
mod store;

#[cfg(test)]
mod tests;

pub use contact::contact_key;
pub use store::Registrar;

use crate::base::contact::ContactBlock;
use crate::base::few::Few;
use crate::base::flow::Flow;
use crate::base::id::NodeId;
use crate::base::time::{Duration, Instant};

/// Contacts that one address-of-record may have through one proxy.
pub(crate) const CONTACTS_PER_AOR_LEN_MAX: usize = 10;
/// Addresses-of-record of one registrar.
pub(crate) const AORS_LEN_MAX: usize = 2_000_000;
/// Bytes of an address-of-record (a DN's number).
pub(crate) const AOR_BYTES_MAX: usize = 256;
/// Bytes of a contact URI.
pub(crate) const CONTACT_URI_BYTES_MAX: usize = 1_024;
/// Bytes of a contact's header parameters.
pub(crate) const CONTACT_PARAMS_BYTES_MAX: usize = 1_024;
/// Bytes of a Call-ID.
pub(crate) const CALL_ID_BYTES_MAX: usize = 256;
/// Removed or superseded (contact, Call-ID) pairs that one address-of-record
/// remembers the last CSeq of.
pub(crate) const GONE_PER_AOR_LEN_MAX: usize = 16;
/// Shortest time for which the CSeq of a removed binding is remembered.
pub(crate) const GONE_HOLD_MIN_MS: u64 = 60_000;
/// Longest time for which the CSeq of a removed binding is remembered.
pub(crate) const GONE_HOLD_MAX_MS: u64 = 7_200_000;
/// Addresses-of-record that one turn of the timer looks at.
pub(crate) const EXPIRIES_PER_TURN_MAX: usize = 512;

/// One value of a REGISTER's Contact header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// The URI as the phone wrote it, without angle brackets.
    pub uri: Box<str>,
    /// The `q` parameter in thousandths, 0 to 1000; 1000 where absent.
    pub q: u16,
    /// Lifetime asked for; zero removes the binding.
    pub expires: Duration,
    /// The other header parameters, verbatim with their semicolons
    /// (`;+sip.instance="<urn:uuid:…>";reg-id=1`); empty where there are none.
    pub params: Box<str>,
}

/// What a REGISTER asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// No Contact: only list the bindings (RFC 3261 10.2.3).
    Fetch,
    /// `Contact: *` with `Expires: 0` (RFC 3261 10.2.2).
    RemoveAll,
    /// Contacts to add, refresh or remove.
    Contacts(Vec<Contact>),
}

/// A REGISTER that a node has accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The address-of-record: the DN's number.
    pub aor: Box<str>,
    /// Call-ID of the REGISTER.
    pub call_id: Box<str>,
    /// Number of its CSeq.
    pub cseq: u32,
    /// What it asks for.
    pub change: Change,
    /// Longest lifetime that the node granted; a contact gets the smaller of
    /// this and what it asked for.
    pub granted: Duration,
    /// The node that accepted: the hint for who owns the DN.
    pub node: NodeId,
    /// The flow that the REGISTER came by, on which requests go back.
    pub source: Flow,
    /// The proxy that received the REGISTER.
    pub proxy: NodeId,
}

/// One contact that an address-of-record is reached at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The address-of-record, the contact and how it is reached, and the Call-ID of
    /// the REGISTER that made or last refreshed it. A refresh that says the same
    /// keeps the block.
    pub contact: ContactBlock,
    /// CSeq of that REGISTER.
    pub cseq: u32,
    /// The proxy that received the REGISTER.
    pub proxy: NodeId,
    /// When it ends, on the local clock.
    pub expires: Instant,
    /// When this registrar last took it, on the local clock.
    pub updated: Instant,
}

/// One change that other proxies must hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A binding was made or refreshed.
    Put(Binding),
    /// A binding was removed by a REGISTER. Expiry needs no word of it: each
    /// proxy lets a binding expire by itself.
    Remove {
        /// Which contact of which address-of-record, and the Call-ID of the REGISTER
        /// that removed it.
        contact: ContactBlock,
        /// CSeq of that REGISTER.
        cseq: u32,
        /// The proxy that received that REGISTER.
        proxy: NodeId,
        /// Until when the removal must be remembered, on the local clock.
        hold_until: Instant,
    },
}

/// One line of the list in a 200 (RFC 3261 10.3 step 8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The contact as it is bound.
    pub contact: ContactBlock,
    /// The `expires` parameter: whole seconds left, rounded up.
    pub expires_s: u64,
}

/// What became of an [`Update`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// All current bindings, best first.
    pub bindings: Few<Listed>,
    /// What changed, for the other proxies; empty for a fetch and for a request
    /// that was received before.
    pub entries: Few<Entry>,
    /// Version of the store after the change; equal versions mean equal bindings.
    pub version: u64,
}

/// What [`Registrar::check`] says of a REGISTER that is in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It asks for no change.
    Fetch,
    /// It would change bindings.
    Fresh,
    /// It is the repetition of one that has taken effect.
    Repeated,
}

/// Why a REGISTER changes nothing. The status to answer with is
/// [`Refusal::status`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// RFC 3261 10.3 step 7: a REGISTER of the same Call-ID and at least this
    /// CSeq has already been taken.
    #[error("CSeq {cseq} does not follow CSeq {held} of the same Call-ID")]
    OutOfOrder {
        /// CSeq of the request.
        cseq: u32,
        /// CSeq that was taken.
        held: u32,
    },
    /// The address-of-record has its full number of contacts.
    #[error("more than {CONTACTS_PER_AOR_LEN_MAX} contacts for one address-of-record")]
    TooManyContacts,
    /// The registrar is full.
    #[error("more than {AORS_LEN_MAX} addresses-of-record")]
    StoreFull,
    /// A contact URI cannot be read.
    #[error("contact URI cannot be read")]
    BadContact,
    /// A text is longer than the registrar keeps.
    #[error("{what} is longer than {bytes_max} bytes")]
    TooLong {
        /// Which text.
        what: &'static str,
        /// Its bound.
        bytes_max: usize,
    },
}

impl Refusal {
    /// The status of the response: 500 for a request out of order (10.3 steps 6
    /// and 7: "the update MUST be aborted and the request fails"), 403 for too
    /// many contacts, 503 for a full store, 400 for what cannot be read or kept.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::OutOfOrder { .. } => 500,
            Self::TooManyContacts => 403,
            Self::StoreFull => 503,
            Self::BadContact | Self::TooLong { .. } => 400,
        }
    }
}
