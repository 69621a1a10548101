//! Tokens that name things of ours to the outside, and that outsiders can
//! neither read, guess nor forge.
//!
//! A token is one AES-128 block over (kind, 64-bit value, zeroes), written as 26
//! characters of `a-z2-7`. A block that does not decrypt to four zero bytes
//! and the expected kind was not made by this cluster: the chance of a forgery
//! is 2^-40 per try. Three more bytes hold the salt of the application and its
//! start, so that equal words of two applications, or of one before and after a
//! restart, give different tokens. Longer texts (`X-Genesys-Route`) carry an HMAC-SHA256
//! of 128 bits instead.

use super::id::NodeId;
use super::limits::HOP_AGE_MAX;
use super::short::{self, Short};
use super::time::WallTime;
use aes::Aes128;
use aes::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use core::fmt;
use core::hash::Hasher as _;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use siphasher::sip::SipHasher24;

/// Length of a token in characters.
pub const TOKEN_LEN: usize = 26;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// What a token names; a token of one kind never opens as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// `t=` in Record-Route and Route: the node that holds the dialog.
    Route = 1,
    /// User part of a node's Contact: node, shard and leg.
    Leg = 2,
    /// Branch of a Via of ours.
    Branch = 3,
    /// Tag of a leg of ours.
    Tag = 4,
    /// Call-ID of a leg of ours.
    CallId = 5,
    /// `f=` in Record-Route and Route: a connection of the proxy that it names.
    Flow = 6,
}

/// A sealed word as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token([u8; TOKEN_LEN]);

impl Token {
    /// The characters.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an `X-Genesys-Route` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop<'v> {
    /// The node that sealed it.
    pub node: NodeId,
    /// When, in seconds since 1970-01-01 UTC.
    pub at_s: u64,
    /// The next hop.
    pub hop: &'v [u8],
}

impl<'v> Hop<'v> {
    fn read(text: &'v [u8]) -> Option<Self> {
        // The hop comes last: a URI may hold anything.
        let start = memchr::memmem::find(text, b";hop=")?;
        let mut fields = text[..start].split(|&byte| byte == b';');
        let number = |field: &[u8]| core::str::from_utf8(field).ok()?.parse::<u64>().ok();
        let node = number(fields.next()?.strip_prefix(b"node=")?)?;
        let at_s = number(fields.next()?.strip_prefix(b"time=")?)?;
        let node = NodeId::new(u16::try_from(node).ok()?)?;
        Some(Self { node, at_s, hop: &text[start + 5..] })
    }

    /// Whether it was sealed not too far from `now`, clocks of hosts differing.
    #[must_use]
    pub fn is_fresh(&self, now: WallTime) -> bool {
        self.at_s.abs_diff(now.as_secs()) <= HOP_AGE_MAX.as_secs()
    }
}

#[derive(Clone)]
struct Keys {
    block: Aes128,
    text: Hmac<Sha256>,
    /// For texts that only must not meet by chance.
    tag: SipHasher24,
    raw: [u8; 32],
}

impl Keys {
    fn new(secret: &[u8]) -> Self {
        let block = derive(secret, b"sipcluster token");
        let text = derive(secret, b"sipcluster text");
        let (mut key, mut tag) = ([0; 16], [0; 16]);
        key.copy_from_slice(&block[..16]);
        tag.copy_from_slice(&derive(secret, b"sipcluster tag")[..16]);
        let mac = <Hmac<Sha256> as KeyInit>::new(&Array::from(pad(&text)));
        Self {
            block: Aes128::new(&Array::from(key)),
            text: mac,
            tag: SipHasher24::new_with_key(&tag),
            raw: derive(secret, b"sipcluster nonce"),
        }
    }
}

fn pad(key: &[u8; 32]) -> [u8; 64] {
    let mut padded = [0; 64];
    padded[..32].copy_from_slice(key);
    padded
}

fn derive(secret: &[u8], label: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(label).chain_update([0]).chain_update(secret).finalize().into()
}

/// Seals and opens under the cluster key. During a rotation two keys open and
/// the first of them seals.
#[derive(Clone)]
pub struct Sealer {
    keys: Vec<Keys>,
    salt: [u8; 3],
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({} keys)", self.keys.len())
    }
}

impl Sealer {
    /// Keys in order of preference; each is any secret text of the configuration.
    /// `None` when there is none.
    #[must_use]
    pub fn new(secrets: &[&[u8]]) -> Option<Self> {
        if secrets.is_empty() {
            return None;
        }
        Some(Self { keys: secrets.iter().map(|secret| Keys::new(secret)).collect(), salt: [0; 3] })
    }

    /// Under one key.
    #[must_use]
    pub fn of(secret: &[u8]) -> Self {
        Self { keys: vec![Keys::new(secret)], salt: [0; 3] }
    }

    /// The same keys with a salt of 24 bits: one per application and start.
    #[must_use]
    pub fn salted(&self, salt: u32) -> Self {
        let [_, first, second, third] = salt.to_be_bytes();
        Self { salt: [first, second, third], ..self.clone() }
    }

    /// Keys of 32 bytes for nonces, in the same order as the secrets.
    pub fn nonce_keys(&self) -> impl Iterator<Item = [u8; 32]> + '_ {
        self.keys.iter().map(|keys| keys.raw)
    }

    /// Seals one word.
    #[must_use]
    pub fn seal(&self, kind: Kind, value: u64) -> Token {
        let mut block = [0; 16];
        block[0] = kind as u8;
        block[1..9].copy_from_slice(&value.to_be_bytes());
        block[9..12].copy_from_slice(&self.salt);
        let mut block = Array::from(block);
        if let Some(keys) = self.keys.first() {
            keys.block.encrypt_block(&mut block);
        }
        Token(to_base32(u128::from_be_bytes(block.into())))
    }

    /// Opens a token, `None` if this cluster did not make it for this purpose.
    #[must_use]
    pub fn open(&self, kind: Kind, text: &[u8]) -> Option<u64> {
        let sealed = from_base32(text)?.to_be_bytes();
        self.keys.iter().find_map(|keys| {
            let mut block = Array::from(sealed);
            keys.block.decrypt_block(&mut block);
            let block: [u8; 16] = block.into();
            if block[0] != kind as u8 || block[12..] != [0; 4] {
                return None;
            }
            let mut value = [0; 8];
            value.copy_from_slice(&block[1..9]);
            Some(u64::from_be_bytes(value))
        })
    }

    /// A seal over a text, 32 hexadecimal digits.
    #[must_use]
    pub fn seal_text(&self, text: &[u8]) -> String {
        let seal = self.keys.first().map(|keys| mac_hex(keys, text)).unwrap_or_default();
        seal.iter().map(|&digit| char::from(digit)).collect()
    }

    /// Value of `X-Genesys-Route`: the sending node, the time and the next hop,
    /// sealed (`decisions.md` 5).
    #[must_use]
    pub fn seal_hop(&self, node: NodeId, hop: &str, at: WallTime) -> String {
        self.sealed(format!("node={node};time={};hop={hop}", at.as_secs()))
    }

    fn sealed(&self, text: String) -> String {
        let seal = self.seal_text(text.as_bytes());
        text + ";seal=" + &seal
    }

    /// What an `X-Genesys-Route` says, if this cluster sealed it. Whoever trusts it
    /// asks [`Hop::is_fresh`] as well.
    #[must_use]
    pub fn open_hop<'v>(&self, value: &'v [u8]) -> Option<Hop<'v>> {
        let separator = memchr::memrchr(b';', value)?;
        let (text, seal) = (&value[..separator], value[separator + 1..].strip_prefix(b"seal=")?);
        if self.opens_text(text, seal) { Hop::read(text) } else { None }
    }

    /// A To tag that is the same whenever the same request is answered
    /// (RFC 3261 8.2.7), made from its Call-ID and top Via.
    #[must_use]
    pub fn stateless_tag(&self, call_id: &[u8], via: &[u8]) -> Short {
        let Some(keys) = self.keys.first() else { return Short::new() };
        let mut tag = keys.tag;
        tag.write(call_id);
        tag.write_u8(0);
        tag.write(via);
        short::hex(&tag.finish().to_be_bytes())
    }

    /// Whether the seal belongs to the text, in constant time per key.
    fn opens_text(&self, text: &[u8], seal: &[u8]) -> bool {
        self.keys.iter().any(|keys| {
            let expected = mac_hex(keys, text);
            let difference = expected
                .iter()
                .zip(seal.iter())
                .fold(0_u8, |difference, (ours, theirs)| difference | (ours ^ theirs));
            expected.len() == seal.len() && difference == 0
        })
    }
}

fn mac_hex(keys: &Keys, text: &[u8]) -> Short {
    let mac = keys.text.clone().chain_update(text).finalize().into_bytes();
    short::hex(&mac[..16])
}

fn to_base32(mut value: u128) -> [u8; TOKEN_LEN] {
    let mut text = [0; TOKEN_LEN];
    for place in text.iter_mut().rev() {
        *place = ALPHABET[(value & 31) as usize];
        value >>= 5;
    }
    text
}

fn from_base32(text: &[u8]) -> Option<u128> {
    if text.len() != TOKEN_LEN {
        return None;
    }
    let mut value: u128 = 0;
    for &character in text {
        let digit = match character {
            b'a'..=b'z' => character - b'a',
            b'A'..=b'Z' => character - b'A',
            b'2'..=b'7' => character - b'2' + 26,
            _ => return None,
        };
        if value >> 123 != 0 {
            return None;
        }
        value = value << 5 | u128::from(digit);
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(secrets: &[&[u8]]) -> Sealer {
        Sealer::new(secrets).expect("a key")
    }

    #[test]
    fn a_token_opens_for_its_purpose_only() {
        let sealer = sealer(&[b"one"]);
        let token = sealer.seal(Kind::Leg, 0x0123_4567_89ab_cdef);
        assert_eq!(sealer.open(Kind::Leg, token.as_str().as_bytes()), Some(0x0123_4567_89ab_cdef));
        assert_eq!(
            sealer.open(Kind::Leg, token.as_str().to_uppercase().as_bytes()),
            Some(0x0123_4567_89ab_cdef)
        );
        assert_eq!(sealer.open(Kind::Route, token.as_str().as_bytes()), None);
    }

    #[test]
    fn changed_or_foreign_tokens_stay_shut() {
        let ours = sealer(&[b"one"]);
        let token = ours.seal(Kind::Tag, 7).as_str().to_owned();
        for position in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[position] = if changed[position] == b'a' { b'b' } else { b'a' };
            assert_eq!(ours.open(Kind::Tag, &changed), None, "position {position}");
        }
        assert_eq!(sealer(&[b"two"]).open(Kind::Tag, token.as_bytes()), None);
        assert_eq!(ours.open(Kind::Tag, b""), None);
        assert_eq!(ours.open(Kind::Tag, &[b'7'; TOKEN_LEN]), None);
    }

    #[test]
    fn both_keys_open_during_a_rotation() {
        let old = sealer(&[b"old"]).seal(Kind::Route, 5);
        let rotating = sealer(&[b"new", b"old"]);
        assert_eq!(rotating.open(Kind::Route, old.as_str().as_bytes()), Some(5));
        let new = rotating.seal(Kind::Route, 5);
        assert_eq!(sealer(&[b"old"]).open(Kind::Route, new.as_str().as_bytes()), None);
    }

    #[test]
    fn a_salt_changes_the_token_and_not_what_opens_it() {
        let sealer = sealer(&[b"one"]);
        let salted = sealer.salted(7);
        let token = salted.seal(Kind::Branch, 9);
        assert_ne!(token, sealer.seal(Kind::Branch, 9));
        assert_eq!(sealer.open(Kind::Branch, token.as_str().as_bytes()), Some(9));
    }

    #[test]
    fn texts_are_sealed_too() {
        let sealer = sealer(&[b"one"]);
        let seal = sealer.seal_text(b"node=1");
        assert!(sealer.opens_text(b"node=1", seal.as_bytes()));
        assert!(!sealer.opens_text(b"node=2", seal.as_bytes()));
        assert!(!sealer.opens_text(b"node=1", &seal.as_bytes()[..31]));
    }

    #[test]
    fn a_hop_says_who_when_and_where() {
        let sealer = sealer(&[b"one"]);
        let node = NodeId::new(7).expect("good");
        let now = WallTime(1_795_209_494_000);
        let uri = "sip:9@h;transport=tcp;hop=x;time=1";
        let value = sealer.seal_hop(node, uri, now);
        let hop = sealer.open_hop(value.as_bytes()).expect("ours");
        assert_eq!(hop, Hop { node, at_s: 1_795_209_494, hop: uri.as_bytes() });
        let changed = value.replace("node=7", "node=8");
        assert_eq!(sealer.open_hop(changed.as_bytes()), None);
        for text in [
            "",
            ";",
            "seal=",
            "hop=x",
            "node=0;time=1;hop=x",
            "node=1;time=x;hop=y",
            "node=1;hop=y",
        ] {
            let value = format!("{text};seal={}", sealer.seal_text(text.as_bytes()));
            assert_eq!(sealer.open_hop(value.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_hop_wears_off_and_clocks_may_differ() {
        let sealer = sealer(&[b"one"]);
        let node = NodeId::new(7).expect("good");
        let at = WallTime(1_795_209_494_000);
        let value = sealer.seal_hop(node, "dialog", at);
        let hop = sealer.open_hop(value.as_bytes()).expect("ours");
        for (offset_s, fresh) in
            [(-61_i64, false), (-60, true), (-5, true), (0, true), (60, true), (61, false)]
        {
            let now = WallTime(at.0.saturating_add_signed(offset_s * 1000));
            assert_eq!(hop.is_fresh(now), fresh, "{offset_s} s");
        }
    }
}
