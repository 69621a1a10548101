//! What every message must hold (RFC 3261 8.1.1, 8.2.6, 16.3): checked once, at
//! the border.

use super::places::{AddressPlaces, Places, UriPlaces, ViaPlaces};
use super::text::{Params, decimal, is_token};
use super::uri::{Scheme, Uri};
use super::{HeaderId, Message, Method, NameAddr, Span, Start, Via};
use crate::base::limits::HEADER_VALUES_MAX;
use std::sync::Arc;

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

/// Reads CSeq into the message, notes where the parts of the headers stand that
/// everybody reads, and the first fault.
pub(super) fn check(message: &mut Message) {
    let cseq = read_cseq(message);
    // Nobody shares the index yet.
    if let (Some((number, method, token)), Some(index)) = (cseq, Arc::get_mut(&mut message.index)) {
        index.cseq = number;
        index.cseq_method = method;
        index.cseq_token = token;
    }
    if message.index.fault.is_none() {
        let mut places = Places::default();
        let fault = find_fault(message, cseq.is_some(), &mut places).err();
        if let Some(index) = Arc::get_mut(&mut message.index) {
            index.places = places;
            index.fault = fault;
        }
    }
}

fn read_cseq(message: &Message) -> Option<(u32, Method, Span)> {
    let line = message.index.lines.iter().find(|line| line.id == HeaderId::CSeq)?;
    let value = line.value.of(&message.buffer);
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number =
        u32::try_from(decimal(&value[..digits])?).ok().filter(|&number| number < 1 << 31)?;
    let token = value[digits..].trim_ascii();
    if value[digits..].len() == token.len() || !is_token(token) {
        return None;
    }
    let end = line.value.end;
    let start = end - u16::try_from(token.len()).ok()?;
    Some((number, Method::from_token(token), Span { start, end }))
}

fn find_fault(message: &Message, cseq_is_good: bool, places: &mut Places) -> Result<(), Fault> {
    let (mut seen, mut twice) = (0_u64, None);
    for line in &message.index.lines {
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
    check_vias(message, places)?;
    places.from = Some(check_address(message, HeaderId::From)?);
    places.to = Some(check_address(message, HeaderId::To)?);
    check_targets(message)?;
    if let Start::Request { token, .. } = message.index.start {
        places.uri = Some(check_request(message, token)?);
    }
    Ok(())
}

fn check_vias(message: &Message, places: &mut Places) -> Result<(), Fault> {
    let vias = message.values(HeaderId::Via).take(HEADER_VALUES_MAX + 1);
    for (count, value) in vias.enumerate() {
        let Some(via) = Via::parse(value).ok().filter(|_| count < HEADER_VALUES_MAX) else {
            return Err(Fault::Value(HeaderId::Via));
        };
        if count == 0 {
            places.via = Some(ViaPlaces::of(&via, value, &message.buffer));
        }
    }
    Ok(())
}

/// From or To, with at most one tag, which is not empty.
fn check_address(message: &Message, id: HeaderId) -> Result<AddressPlaces, Fault> {
    let value = message.header(id).unwrap_or_default();
    let parsed = NameAddr::parse(value).map_err(|_| Fault::Value(id))?;
    let mut tag = None;
    for (name, value) in Params::new(parsed.params) {
        if name.eq_ignore_ascii_case(b"tag") {
            let value = value.filter(|value| !value.is_empty()).ok_or(Fault::Value(id))?;
            if tag.replace(value).is_some() {
                return Err(Fault::Value(id));
            }
        }
    }
    Ok(AddressPlaces::of(&parsed, tag.unwrap_or_default(), &message.buffer))
}

/// Headers that say where to send something.
fn check_targets(message: &Message) -> Result<(), Fault> {
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

fn check_request(message: &Message, token: Span) -> Result<UriPlaces, Fault> {
    let uri = Uri::parse(message.request_uri()).map_err(|_| Fault::RequestUri)?;
    if matches!(uri.scheme, Scheme::Sip | Scheme::Sips)
        && (uri.host.is_empty() || !uri.headers.is_empty())
    {
        return Err(Fault::RequestUri);
    }
    if token.of(&message.buffer) != message.index.cseq_token.of(&message.buffer) {
        return Err(Fault::Mismatch);
    }
    for (id, limit) in [(HeaderId::MaxForwards, 255), (HeaderId::Expires, u64::from(u32::MAX))] {
        if let Some(value) = message.header(id)
            && decimal(value).is_none_or(|number| number > limit)
        {
            return Err(Fault::Value(id));
        }
    }
    Ok(UriPlaces::of(&uri, &message.buffer))
}
