//! Nonces that carry their own proof, so that issuing one costs no memory.
//!
//! ```text
//!  seconds:4  node-id:2  salt:4  |  HMAC-SHA256(cluster key, those and the realm):16
//! ```
//!
//! written as 52 lower-case hexadecimal digits. Any node and any proxy under the
//! same cluster key can tell who issued a nonce, when, and for which realm.

use crate::base::id::{Ids, NodeId};
use crate::base::time::{Duration, WallTime};
use core::fmt;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const PREFIX_LEN: usize = 10;
const TAG_LEN: usize = 16;
/// Length of a nonce in characters.
pub const NONCE_LEN: usize = (PREFIX_LEN + TAG_LEN) * 2;

/// What a MAC is for; the two can never be taken for each other.
const LABEL_NONCE: u8 = b'n';
const LABEL_SALT: u8 = b's';

/// A nonce as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce([u8; NONCE_LEN]);

impl Nonce {
    /// The characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Issue time and salt of a nonce: one nonce of a node, ordered by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NonceId(u64);

impl NonceId {
    /// Puts the parts together.
    #[must_use]
    pub const fn new(issued_secs: u32, salt: u32) -> Self {
        Self((issued_secs as u64) << 32 | salt as u64)
    }

    /// The youngest id that a nonce issued in this second can have.
    #[must_use]
    pub const fn last_of(issued_secs: u32) -> Self {
        Self::new(issued_secs, u32::MAX)
    }

    /// Seconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn issued_secs(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// What is known of a nonce that a client has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonceState {
    /// Issued by this cluster for this realm, and young enough.
    Fresh {
        /// Names it in [`super::NonceCounts`].
        id: NonceId,
        /// When it was issued, to the second.
        issued: WallTime,
        /// Who issued it and counts its uses.
        node: NodeId,
    },
    /// Issued by this cluster for this realm, too long ago.
    Stale {
        /// Who issued it.
        node: NodeId,
    },
    /// Not a nonce of this cluster for this realm.
    Forged,
}

/// Signs and verifies nonces under the cluster key. During a rotation the first
/// key signs and both verify.
#[derive(Clone)]
pub struct NonceKeys {
    first: Hmac<Sha256>,
    second: Option<Hmac<Sha256>>,
}

impl fmt::Debug for NonceKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NonceKeys({})", 1 + usize::from(self.second.is_some()))
    }
}

impl NonceKeys {
    /// `first` signs, `second` verifies as well while a key is being replaced.
    #[must_use]
    pub fn new(first: [u8; 32], second: Option<[u8; 32]>) -> Self {
        Self { first: keyed(&first), second: second.as_ref().map(keyed) }
    }

    /// Makes a nonce. The salt is no secret but `ids` is, so it goes through the
    /// key before an outsider sees it.
    #[must_use]
    pub fn issue(&self, now: WallTime, realm: &str, node: NodeId, ids: &mut Ids) -> Nonce {
        let salt_mac = self
            .first
            .clone()
            .chain_update([LABEL_SALT])
            .chain_update(ids.next_u64().to_be_bytes());
        let mut bytes = [0; PREFIX_LEN + TAG_LEN];
        bytes[..4].copy_from_slice(&secs(now).to_be_bytes());
        bytes[4..6].copy_from_slice(&node.get().to_be_bytes());
        bytes[6..PREFIX_LEN].copy_from_slice(&salt_mac.finalize().into_bytes()[..4]);
        let tag = over(&self.first, &bytes[..PREFIX_LEN], realm).finalize().into_bytes();
        bytes[PREFIX_LEN..].copy_from_slice(&tag[..TAG_LEN]);
        Nonce(to_hex(&bytes))
    }

    /// Looks at a nonce that a client has sent. One dated after `now` counts as
    /// fresh: it is signed, so a clock was set back or two clocks differ.
    #[must_use]
    pub fn verify(
        &self,
        nonce: &str,
        realm: &str,
        now: WallTime,
        lifetime: Duration,
    ) -> NonceState {
        let Some(parts) = self.open(nonce, realm) else {
            return NonceState::Forged;
        };
        let node = parts.node;
        let issued_secs = parts.id.issued_secs();
        if u64::from(secs(now).saturating_sub(issued_secs)) > lifetime.as_secs() {
            return NonceState::Stale { node };
        }
        NonceState::Fresh { id: parts.id, issued: WallTime(u64::from(issued_secs) * 1000), node }
    }

    /// Who issued a nonce of any age; `None` if it is not one of this cluster
    /// for this realm.
    #[must_use]
    pub fn issuing_node(&self, nonce: &str, realm: &str) -> Option<NodeId> {
        self.open(nonce, realm).map(|parts| parts.node)
    }

    fn open(&self, nonce: &str, realm: &str) -> Option<Parts> {
        let bytes = from_hex(nonce)?;
        let (prefix, tag) = bytes.split_at(PREFIX_LEN);
        let signed =
            |key: &Hmac<Sha256>| over(key, prefix, realm).verify_truncated_left(tag).is_ok();
        if signed(&self.first) || self.second.as_ref().is_some_and(signed) {
            Parts::read(&bytes)
        } else {
            None
        }
    }
}

/// Who a nonce says has issued it, without any proof: good enough to choose the
/// node that a request is sent to, where the proof is made.
#[must_use]
pub fn issuing_node(nonce: &str) -> Option<NodeId> {
    Parts::read(&from_hex(nonce)?).map(|parts| parts.node)
}

struct Parts {
    id: NonceId,
    node: NodeId,
}

impl Parts {
    fn read(bytes: &[u8; PREFIX_LEN + TAG_LEN]) -> Option<Self> {
        let [s0, s1, s2, s3, n0, n1, r0, r1, r2, r3, ..] = *bytes;
        let id = NonceId::new(
            u32::from_be_bytes([s0, s1, s2, s3]),
            u32::from_be_bytes([r0, r1, r2, r3]),
        );
        Some(Self { id, node: NodeId::new(u16::from_be_bytes([n0, n1]))? })
    }
}

/// Seconds as they are written into a nonce.
pub(super) fn secs(time: WallTime) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

/// HMAC pads a key shorter than a block with zeroes.
fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    Hmac::new(&block.into())
}

fn over(key: &Hmac<Sha256>, prefix: &[u8], realm: &str) -> Hmac<Sha256> {
    key.clone().chain_update([LABEL_NONCE]).chain_update(prefix).chain_update(realm)
}

fn to_hex(bytes: &[u8; PREFIX_LEN + TAG_LEN]) -> [u8; NONCE_LEN] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; NONCE_LEN];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

/// Capitals are refused, so that a nonce has one spelling.
fn from_hex(text: &str) -> Option<[u8; PREFIX_LEN + TAG_LEN]> {
    if text.len() != NONCE_LEN {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; PREFIX_LEN + TAG_LEN];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}
