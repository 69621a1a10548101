//! Which shard a message belongs to, and whether it starts something.

use crate::base::flow::Sender;
use crate::base::id::Shard;
use crate::base::seal::TOKEN_LEN;
use crate::sip::message::{Message, Method, Uri};
use crate::sip::packet::Packet;
use core::hash::Hasher;
use siphasher::sip::SipHasher13;

/// What shards and the Service Checker hear from a transport.
#[expect(
    clippy::large_enum_variant,
    reason = "moved once per message; a box would cost each an allocation"
)]
#[derive(Debug)]
pub enum Event {
    /// A message.
    Packet(Packet),
    /// A message could not be sent.
    SendFailed(Sender),
}

/// The shard of a message: a response names it in its branch, a request inside a
/// dialog in its Request-URI, any other by its Call-ID.
#[must_use]
pub fn shard_of(message: &Message, shards: u8) -> Shard {
    let named = if message.is_request() {
        Uri::parse(message.request_uri())
            .ok()
            .filter(|uri| uri.user.len() == TOKEN_LEN + 2)
            .and_then(|uri| two_digits(uri.user))
    } else {
        message.top_via().and_then(|via| two_digits(via.branch().strip_prefix(b"z9hG4bK")?))
    };
    match named {
        Some(shard) if shard < shards => Shard(shard),
        Some(shard) if Shard(shard) == Shard::SERVICE_CHECKER && !message.is_request() => {
            Shard::SERVICE_CHECKER
        }
        Some(_) | None => by_call_id(message.call_id(), shards),
    }
}

fn by_call_id(call_id: &[u8], shards: u8) -> Shard {
    let mut hasher = SipHasher13::new_with_keys(1, 2);
    hasher.write(call_id);
    let hash = hasher.finish() % u64::from(shards.max(1));
    Shard(u8::try_from(hash).unwrap_or(0))
}

fn two_digits(text: &[u8]) -> Option<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16);
    let value = digit(*text.first()?)? * 16 + digit(*text.get(1)?)?;
    u8::try_from(value).ok()
}

/// Whether a message starts something that may be refused.
#[must_use]
pub fn starts_something(message: &Message) -> bool {
    message.is_request()
        && !matches!(message.method(), Method::Ack | Method::Cancel | Method::Bye)
        && message.to_tag().is_empty()
}
