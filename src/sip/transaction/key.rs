//! By what a server transaction is found again (RFC 3261 17.2.3).

use crate::sip::message::{Message, Method};
use core::hash::Hasher;
use siphasher::sip128::{Hasher128, SipHasher13};

/// A keyed 128-bit digest of what identifies a server transaction: branch,
/// sent-by and method, ACK and CANCEL counting as INVITE on demand; for a
/// request of RFC 2543 the fields that the RFC lists instead of the branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionKey(pub(super) u64, pub(super) u64);

impl TransactionKey {
    /// Key of the transaction that a request belongs to. `method` is the
    /// request's own, or INVITE to find what an ACK or CANCEL refers to.
    #[must_use]
    pub fn of(request: &Message, method: Method, seed: u64) -> Option<Self> {
        let via = request.top_via()?;
        let branch = request.branch();
        let mut hasher = SipHasher13::new_with_keys(seed, !seed);
        if is_unique(branch) {
            hasher.write(branch);
            hasher.write_u8(0);
            hasher.write(via.sent_by);
        } else {
            for part in
                [request.request_uri(), request.from_tag(), request.call_id(), via.sent_by, branch]
            {
                hasher.write(part);
                hasher.write_u8(0);
            }
            hasher.write_u32(request.cseq());
        }
        match method {
            Method::Ack => hasher.write(b"INVITE"),
            Method::Other => hasher.write(request.method_token()),
            Method::Invite
            | Method::Cancel
            | Method::Bye
            | Method::Register
            | Method::Options
            | Method::Info
            | Method::Message
            | Method::Update
            | Method::Prack
            | Method::Subscribe
            | Method::Notify
            | Method::Refer
            | Method::Publish => hasher.write(method.as_str().as_bytes()),
        }
        let digest = hasher.finish128();
        Some(Self(digest.h1, digest.h2))
    }

    /// Whether an answer to the request has all that its key is made from.
    #[must_use]
    pub fn is_in_answer(request: &Message) -> bool {
        is_unique(request.branch())
    }

    /// Key of what the same INVITE by two ways, and the CANCEL of it, have in common
    /// (RFC 3261 8.2.2.2, 9.1): Call-ID, From tag, CSeq number and Request-URI. A fork
    /// upstream that means two numbers here differs in the last.
    #[must_use]
    pub fn merged(request: &Message, seed: u64) -> Self {
        let mut hasher = SipHasher13::new_with_keys(seed, seed.rotate_left(32));
        for part in [request.call_id(), request.from_tag(), request.request_uri()] {
            hasher.write(part);
            hasher.write_u8(0);
        }
        hasher.write_u32(request.cseq());
        let digest = hasher.finish128();
        Self(digest.h1, digest.h2)
    }

    /// [`Self::merged`] of an INVITE outside a dialog.
    #[must_use]
    pub fn of_first_invite(request: &Message, seed: u64) -> Option<Self> {
        let first = request.method() == Method::Invite && request.to_tag().is_empty();
        first.then(|| Self::merged(request, seed))
    }
}

/// Whether a branch names its transaction alone: it has the magic cookie of RFC 3261
/// (8.1.1.7).
fn is_unique(branch: &[u8]) -> bool {
    branch.len() > 7 && branch[..7].eq_ignore_ascii_case(b"z9hG4bK")
}
