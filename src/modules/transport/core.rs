//! What a transport decides by the bytes of a message: which shard it belongs to,
//! whether it starts something, how it is counted, and what is answered to one
//! that goes no further.

use crate::base::flow::{Flow, Protocol, Sender};
use crate::base::id::Shard;
use crate::base::seal::TOKEN_LEN;
use crate::observe::families::{Direction, Families};
use crate::sip::framing::FramingError;
use crate::sip::message::via::amended_via;
use crate::sip::message::{HeaderId, Message, Method, Writer, response_to, scan};
use crate::sip::packet::Packet;
use bytes::Bytes;
use core::hash::Hasher;
use core::net::SocketAddr;
use siphasher::sip::SipHasher13;

/// When a refused request may come again, in seconds (RFC 3261 20.33).
const RETRY_AFTER_S: &str = "5";
/// To tag of what a transport answers. It keeps no state, so the tag is the same
/// for a request that comes again, as RFC 3261 8.2.7 wants it.
const TAG: &[u8] = b"768";

/// What shards and the Service Checker hear from a transport.
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
        message
            .uri()
            .ok()
            .filter(|uri| uri.user.len() == TOKEN_LEN + 2)
            .and_then(|uri| two_digits(uri.user))
    } else {
        message.branch().strip_prefix(b"z9hG4bK").and_then(two_digits)
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
    message.is_request() && may_start(message.method()) && message.to_tag().is_empty()
}

const fn may_start(method: Method) -> bool {
    !matches!(method, Method::Ack | Method::Cancel | Method::Bye)
}

/// What kind of message some bytes are, as counters tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A request.
    Request(Method),
    /// A response: method of its CSeq, status code.
    Response(Method, u16),
}

impl Kind {
    /// Of a message that was scanned.
    #[must_use]
    pub fn of(message: &Message) -> Self {
        if message.is_request() {
            Self::Request(message.method())
        } else {
            Self::Response(message.method(), message.status())
        }
    }

    /// Of a message that one of our own modules has written: no more of it is read
    /// than that takes.
    #[must_use]
    pub fn peek(bytes: &[u8]) -> Self {
        let Some(rest) = bytes.strip_prefix(b"SIP/2.0 ") else {
            let token = bytes.split(|&byte| byte == b' ').next().unwrap_or_default();
            return Self::Request(Method::from_token(token));
        };
        let status = rest
            .iter()
            .take(3)
            .fold(0, |code, byte| code * 10 + u16::from(byte.wrapping_sub(b'0').min(9)));
        let cseq = header(bytes, b"CSeq", b"CSeq").trim_ascii_end();
        let method = cseq.rsplit(u8::is_ascii_whitespace).next().unwrap_or_default();
        Self::Response(Method::from_token(method), status)
    }

    /// Counts one message of this kind.
    pub fn count(self, families: &Families, direction: Direction, protocol: Protocol) {
        match self {
            Self::Request(method) => families.request(method.as_str(), direction, protocol),
            Self::Response(method, status) => families.response(method.as_str(), status, direction),
        }
    }
}

/// Like [`starts_something`], for a message that one of our own modules has written.
#[must_use]
pub fn peek_starts(bytes: &[u8]) -> bool {
    match Kind::peek(bytes) {
        Kind::Request(method) if may_start(method) => {
            !header(bytes, b"To", b"t").windows(5).any(|part| part.eq_ignore_ascii_case(b";tag="))
        }
        Kind::Request(_) | Kind::Response(..) => false,
    }
}

/// The value of the first header line of that name, as written on its first line.
fn header<'b>(bytes: &'b [u8], name: &[u8], compact: &[u8]) -> &'b [u8] {
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', bytes) {
        let line = &bytes[start..end];
        start = end + 1;
        if line.len() <= 1 {
            break;
        }
        if !line[0].eq_ignore_ascii_case(&name[0]) {
            continue;
        }
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let found = line[..colon].trim_ascii_end();
        if found.eq_ignore_ascii_case(name) || found.eq_ignore_ascii_case(compact) {
            return &line[colon + 1..];
        }
    }
    b""
}

/// The answer to a request that found no room (RFC 3261 21.5.4). An ACK has none;
/// nor has, where it will come again by itself, what ends or continues something:
/// the next copy may find room, and a refusal would be final.
#[must_use]
pub fn no_room(request: &Message, flow: &Flow) -> Option<Bytes> {
    if !starts_something(request) && !flow.protocol.is_reliable() {
        return None;
    }
    let mut writer = answer(request, flow, 503, b"")?;
    writer.header(HeaderId::RetryAfter, RETRY_AFTER_S);
    Some(writer.body(None))
}

/// The answer to the request whose head a stream could still read.
#[must_use]
pub fn framing_answer(error: &FramingError, flow: &Flow) -> Option<Bytes> {
    let request = scan(error.head.clone()).ok()?;
    let reason = error.fault.to_string();
    Some(answer(&request, flow, error.fault.status(), reason.as_bytes())?.body(None))
}

fn answer(request: &Message, flow: &Flow, status: u16, reason: &[u8]) -> Option<Writer> {
    if !request.is_request() || request.method() == Method::Ack {
        return None;
    }
    let amended = amended_via(&request.top_via()?, request.top_via_value(), flow);
    Some(response_to(request, status, reason, TAG, amended.as_deref()))
}

/// Where a response goes whose connection is gone: to the address that the request
/// came from, at the port where its sender listens (RFC 3261 18.2.2). Requests go
/// where they were to go.
#[must_use]
pub fn without_connection(bytes: &Bytes, remote: SocketAddr) -> SocketAddr {
    if !bytes.starts_with(b"SIP/2.0 ") {
        return remote;
    }
    let message = scan(bytes.clone()).ok();
    let port = message.as_ref().and_then(Message::top_via).map(|via| via.port_or_default());
    SocketAddr::new(remote.ip(), port.unwrap_or(remote.port()))
}
