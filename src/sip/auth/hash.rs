//! Hashes of RFC 7616 3.4: hexadecimal digests over parts joined by colons.

use core::fmt;
use md5::Md5;
use sha2::{Digest, Sha256};

const DIGITS: &[u8; 16] = b"0123456789abcdef";
/// Hexadecimal digits of the longest digest.
const HEX_LEN_MAX: usize = 64;

/// The hash function of an algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hash {
    /// RFC 1321, 128 bits.
    Md5,
    /// FIPS 180-4, 256 bits.
    Sha256,
}

/// The `algorithm` parameter, RFC 7616 3.3 and RFC 8760 2.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// `MD5`, also meant where the parameter is absent.
    #[default]
    Md5,
    /// `MD5-sess`: the secret is bound to nonce and cnonce.
    Md5Sess,
    /// `SHA-256`.
    Sha256,
    /// `SHA-256-sess`.
    Sha256Sess,
}

impl Algorithm {
    /// As in a header.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Sess => "MD5-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha256Sess => "SHA-256-sess",
        }
    }

    /// Reads a name in any case, `None` for an algorithm that is not supported.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Md5, Self::Md5Sess, Self::Sha256, Self::Sha256Sess]
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// The hash function behind it.
    #[must_use]
    pub const fn hash(self) -> Hash {
        match self {
            Self::Md5 | Self::Md5Sess => Hash::Md5,
            Self::Sha256 | Self::Sha256Sess => Hash::Sha256,
        }
    }

    /// Whether the secret is bound to nonce and cnonce (RFC 7616 3.4.2).
    #[must_use]
    pub const fn is_session(self) -> bool {
        match self {
            Self::Md5Sess | Self::Sha256Sess => true,
            Self::Md5 | Self::Sha256 => false,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A digest as lower-case hexadecimal digits.
#[derive(Clone, Copy)]
pub(super) struct HexDigest {
    text: [u8; HEX_LEN_MAX],
    len: usize,
}

impl HexDigest {
    /// The hash of `parts` with a colon between each two of them.
    pub(super) fn joined(hash: Hash, parts: &[&[u8]]) -> Self {
        match hash {
            Hash::Md5 => Self::of(&digest::<Md5>(parts)),
            Hash::Sha256 => Self::of(&digest::<Sha256>(parts)),
        }
    }

    fn of(bytes: &[u8]) -> Self {
        let mut text = [0; HEX_LEN_MAX];
        for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        Self { text, len: (bytes.len() * 2).min(HEX_LEN_MAX) }
    }

    /// The digits.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.text[..self.len]
    }

    /// The digits.
    pub(super) fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Whether `text` is this digest in either case of letters, in a time that
    /// depends on lengths only.
    pub(super) fn equals(&self, text: &[u8]) -> bool {
        let difference =
            self.as_bytes().iter().zip(text).fold(0_u8, |difference, (ours, theirs)| {
                difference | (ours ^ theirs.to_ascii_lowercase())
            });
        (core::hint::black_box(difference) == 0) & (self.len == text.len())
    }
}

fn digest<D: Digest>(parts: &[&[u8]]) -> sha2::digest::Output<D> {
    let mut hasher = D::new();
    for (position, part) in parts.iter().enumerate() {
        if position > 0 {
            hasher.update(b":");
        }
        hasher.update(part);
    }
    hasher.finalize()
}

/// HA1 of RFC 7616 3.4.2: the hash of `user:realm:password`. Whoever has it can
/// authenticate as the user in that realm, so it is as secret as the password;
/// `Debug` does not show it.
#[derive(Clone, Copy)]
pub struct Ha1 {
    hash: Hash,
    digest: HexDigest,
}

impl Ha1 {
    /// Hashes a password.
    #[must_use]
    pub fn new(hash: Hash, user: &str, realm: &str, password: &str) -> Self {
        let parts = [user.as_bytes(), realm.as_bytes(), password.as_bytes()];
        Self { hash, digest: HexDigest::joined(hash, &parts) }
    }

    /// Reads a stored HA1: 32 hexadecimal digits are MD5, 64 are SHA-256.
    /// `None` for anything else.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let hash = match text.len() {
            32 => Hash::Md5,
            64 => Hash::Sha256,
            _ => return None,
        };
        if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let mut digest = HexDigest { text: [0; HEX_LEN_MAX], len: text.len() };
        for (place, byte) in digest.text.iter_mut().zip(text.bytes()) {
            *place = byte.to_ascii_lowercase();
        }
        Some(Self { hash, digest })
    }

    /// The hash function that made it.
    #[must_use]
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// Lower-case hexadecimal digits, for storage.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.digest.as_str()
    }

    /// Whether both are the same secret, in constant time.
    pub(super) fn equals(&self, other: &Self) -> bool {
        (self.hash == other.hash) & self.digest.equals(other.digest.as_bytes())
    }
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ha1({:?})", self.hash)
    }
}
