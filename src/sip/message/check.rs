//! What every message must hold (RFC 3261 8.1.1, 8.2.6, 16.3): checked once, at
//! the border.

use super::text::{decimal, is_token_byte};
use super::uri::{Scheme, Uri};
use super::{HeaderId, Message, Method, NameAddr, Span, Start, Via};
use crate::base::limits::HEADER_VALUES_MAX;

/// The first thing that is wrong with a message that can still be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not SIP/2.0.
    #[error("Version Not Supported")]
    Version,
    /// Start line.
    #[error("Bad Start Line")]
    StartLine,
    /// Request-URI.
    #[error("Bad Request-URI")]
    RequestUri,
    /// A header line without name or colon, or with stray line ends.
    #[error("Bad Header Line")]
    HeaderLine,
    /// Something longer than its limit.
    #[error("Header Too Long")]
    TooLarge,
    /// Missing, twice, no number, or larger than what came.
    #[error("Bad Content-Length")]
    ContentLength,
    /// A mandatory header is not there.
    #[error("Missing {}", .0.name())]
    Missing(HeaderId),
    /// A header that may stand once stands twice.
    #[error("Multiple {}", .0.name())]
    Multiple(HeaderId),
    /// A header's value does not follow the grammar.
    #[error("Bad {}", .0.name())]
    Value(HeaderId),
    /// CSeq names another method than the request line.
    #[error("CSeq Method Mismatch")]
    Mismatch,
}

impl Fault {
    /// The status code that answers a request with this fault.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Version => 505,
            Self::TooLarge => 513,
            Self::StartLine
            | Self::RequestUri
            | Self::HeaderLine
            | Self::ContentLength
            | Self::Missing(_)
            | Self::Multiple(_)
            | Self::Value(_)
            | Self::Mismatch => 400,
        }
    }
}

/// Reads CSeq into the message and notes the first fault.
pub(super) fn check(message: &mut Message) {
    let cseq = read_cseq(message);
    if let Some((number, method, token)) = cseq {
        message.cseq = number;
        message.cseq_method = method;
        message.cseq_token = token;
    }
    if message.fault.is_none() {
        message.fault = find_fault(message, cseq.is_some()).err();
    }
}

fn read_cseq(message: &Message) -> Option<(u32, Method, Span)> {
    let line = message.lines.iter().find(|line| line.id == HeaderId::CSeq)?;
    let value = line.value.of(&message.buffer);
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number =
        u32::try_from(decimal(&value[..digits])?).ok().filter(|&number| number < 1 << 31)?;
    let token = value[digits..].trim_ascii();
    if token.is_empty()
        || value[digits..].len() == token.len()
        || !token.iter().all(|&b| is_token_byte(b))
    {
        return None;
    }
    let end = line.value.end;
    let start = end - u16::try_from(token.len()).ok()?;
    Some((number, Method::from_token(token), Span { start, end }))
}

fn find_fault(message: &Message, cseq_is_good: bool) -> Result<(), Fault> {
    let (mut seen, mut twice) = (0_u64, None);
    for line in &message.lines {
        let bit = 1_u64 << (line.id as u8);
        if seen & bit != 0 && line.id.is_single() {
            twice = twice.or(Some(line.id));
        }
        seen |= bit;
    }
    for id in [HeaderId::Via, HeaderId::From, HeaderId::To, HeaderId::CallId, HeaderId::CSeq] {
        if seen & 1 << (id as u8) == 0 {
            return Err(Fault::Missing(id));
        }
    }
    if let Some(id) = twice {
        return Err(Fault::Multiple(id));
    }
    if !cseq_is_good {
        return Err(Fault::Value(HeaderId::CSeq));
    }
    if message.call_id().is_empty() || message.call_id().contains(&b' ') {
        return Err(Fault::Value(HeaderId::CallId));
    }
    check_addresses(message)?;
    if let Start::Request { token, .. } = message.start {
        check_request(message, token)?;
    }
    Ok(())
}

fn check_addresses(message: &Message) -> Result<(), Fault> {
    let vias = message.values(HeaderId::Via).take(HEADER_VALUES_MAX + 1);
    for (count, via) in vias.enumerate() {
        if count == HEADER_VALUES_MAX || Via::parse(via).is_err() {
            return Err(Fault::Value(HeaderId::Via));
        }
    }
    for id in [HeaderId::From, HeaderId::To] {
        let value = message.header(id).unwrap_or_default();
        let Ok(parsed) = NameAddr::parse(value) else {
            return Err(Fault::Value(id));
        };
        let mut tags = super::text::Params::new(parsed.params)
            .filter(|(name, _)| name.eq_ignore_ascii_case(b"tag"));
        let first = tags.next();
        if tags.next().is_some() || first.is_some_and(|(_, tag)| tag.is_none_or(<[u8]>::is_empty)) {
            return Err(Fault::Value(id));
        }
    }
    for id in [HeaderId::Contact, HeaderId::Route, HeaderId::RecordRoute] {
        for value in message.values(id).filter(|value| !value.is_empty()) {
            let is_star =
                id == HeaderId::Contact && value == b"*" && message.method() == Method::Register;
            if !is_star && NameAddr::parse(value).is_err() {
                return Err(Fault::Value(id));
            }
        }
    }
    Ok(())
}

fn check_request(message: &Message, token: Span) -> Result<(), Fault> {
    let uri = Uri::parse(message.request_uri()).map_err(|_| Fault::RequestUri)?;
    if matches!(uri.scheme, Scheme::Sip | Scheme::Sips)
        && (uri.host.is_empty() || !uri.headers.is_empty())
    {
        return Err(Fault::RequestUri);
    }
    if token.of(&message.buffer) != message.cseq_token.of(&message.buffer) {
        return Err(Fault::Mismatch);
    }
    for (id, limit) in [(HeaderId::MaxForwards, 255), (HeaderId::Expires, u64::from(u32::MAX))] {
        if let Some(value) = message.header(id)
            && decimal(value).is_none_or(|number| number > limit)
        {
            return Err(Fault::Value(id));
        }
    }
    Ok(())
}
