//! A SIP message: one buffer, one scan into an index of header lines, views that
//! read a value where it stands, and edits that are laid over the index.
//!
//! A message that is broken but can still be answered is kept with its first
//! [`Fault`]; the layers above answer it with the RFC's code or drop it. Folded
//! lines are unfolded in place, byte for byte (RFC 3261 7.3.1).

mod check;
mod edit;
pub mod header;
pub mod method;
pub mod name_addr;
mod places;
mod scan;
pub mod status;
pub mod text;
pub mod uri;
pub mod via;
mod write;

#[cfg(test)]
mod tests;

pub use check::Fault;
pub use edit::Edits;
pub use header::HeaderId;
pub use method::Method;
pub use name_addr::NameAddr;
pub use scan::{ScanError, scan};
pub use uri::Uri;
pub use via::Via;
pub use write::{Writer, hop_request, response_to};

use bytes::Bytes;
use places::Places;
use smallvec::SmallVec;
use std::sync::Arc;
use text::{Values, decimal};
use uri::UriError;

/// Header lines of an index that need no room of their own.
const LINES_INLINE: usize = 16;

/// A part of the buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Span {
    start: u16,
    end: u16,
}

impl Span {
    fn of(self, buffer: &[u8]) -> &[u8] {
        buffer.get(usize::from(self.start)..usize::from(self.end)).unwrap_or_default()
    }

    /// The place of a part of the buffer; that of an empty part says nothing.
    fn of_part(part: &[u8], buffer: &[u8]) -> Self {
        let start = part.as_ptr().addr().wrapping_sub(buffer.as_ptr().addr());
        match (u16::try_from(start), u16::try_from(start.wrapping_add(part.len()))) {
            (Ok(start), Ok(end)) if start < end => Self { start, end },
            (Ok(_) | Err(_), Ok(_) | Err(_)) => Self::default(),
        }
    }
}

/// One header line in the index.
#[derive(Clone, Copy, Debug)]
struct Line {
    id: HeaderId,
    name: Span,
    value: Span,
}

/// First line of a message.
#[derive(Clone, Copy, Debug)]
enum Start {
    Request { method: Method, token: Span, uri: Span },
    Response { status: u16, reason: Span },
}

/// What the scan has found in a message.
#[derive(Clone, Debug)]
struct Index {
    start: Start,
    lines: SmallVec<[Line; LINES_INLINE]>,
    /// Start of the header lines.
    headers_at: u16,
    body_at: u16,
    cseq: u32,
    cseq_method: Method,
    cseq_token: Span,
    /// Complete in a message without a fault.
    places: Places,
    fault: Option<Fault>,
}

/// A scanned message. Clones share the text and its index.
#[derive(Clone, Debug)]
pub struct Message {
    buffer: Bytes,
    index: Arc<Index>,
}

impl Message {
    /// The whole message as it came (folds apart).
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.buffer
    }

    /// Whether it is a request.
    #[must_use]
    pub fn is_request(&self) -> bool {
        matches!(self.index.start, Start::Request { .. })
    }

    /// Method of a request, method of the CSeq of a response.
    #[must_use]
    pub fn method(&self) -> Method {
        match self.index.start {
            Start::Request { method, .. } => method,
            Start::Response { .. } => self.index.cseq_method,
        }
    }

    /// The method's token as written.
    #[must_use]
    pub fn method_token(&self) -> &[u8] {
        match self.index.start {
            Start::Request { token, .. } => token.of(&self.buffer),
            Start::Response { .. } => self.index.cseq_token.of(&self.buffer),
        }
    }

    /// Request-URI as written; empty for a response.
    #[must_use]
    pub fn request_uri(&self) -> &[u8] {
        match self.index.start {
            Start::Request { uri, .. } => uri.of(&self.buffer),
            Start::Response { .. } => b"",
        }
    }

    /// Status code of a response, zero for a request.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self.index.start {
            Start::Request { .. } => 0,
            Start::Response { status, .. } => status,
        }
    }

    /// Reason phrase of a response.
    #[must_use]
    pub fn reason(&self) -> &[u8] {
        match self.index.start {
            Start::Request { .. } => b"",
            Start::Response { reason, .. } => reason.of(&self.buffer),
        }
    }

    /// The first thing that is wrong with it.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.index.fault
    }

    /// Sequence number.
    #[must_use]
    pub fn cseq(&self) -> u32 {
        self.index.cseq
    }

    /// Method in CSeq.
    #[must_use]
    pub fn cseq_method(&self) -> Method {
        self.index.cseq_method
    }

    /// Value of the first line of a header.
    #[must_use]
    pub fn header(&self, id: HeaderId) -> Option<&[u8]> {
        self.index.lines.iter().find(|line| line.id == id).map(|line| line.value.of(&self.buffer))
    }

    /// Values of all lines of a header, unsplit.
    pub fn header_lines(&self, id: HeaderId) -> impl Iterator<Item = &[u8]> {
        self.index
            .lines
            .iter()
            .filter(move |line| line.id == id)
            .map(|line| line.value.of(&self.buffer))
    }

    /// All values of a header, split at commas.
    pub fn values(&self, id: HeaderId) -> impl Iterator<Item = &[u8]> {
        self.header_lines(id).flat_map(Values::new)
    }

    /// All headers as (id, name, value).
    pub fn all_headers(&self) -> impl Iterator<Item = (HeaderId, &[u8], &[u8])> {
        self.index
            .lines
            .iter()
            .map(|line| (line.id, line.name.of(&self.buffer), line.value.of(&self.buffer)))
    }

    /// Topmost Via.
    #[must_use]
    pub fn top_via(&self) -> Option<Via<'_>> {
        match self.index.places.via {
            Some(places) => Some(places.read(&self.buffer)),
            None => Via::parse(self.values(HeaderId::Via).next()?).ok(),
        }
    }

    /// Topmost Via as it is written, empty if there is none.
    #[must_use]
    pub fn top_via_value(&self) -> &[u8] {
        match self.index.places.via {
            Some(places) => places.value(&self.buffer),
            None => self.values(HeaderId::Via).next().unwrap_or_default(),
        }
    }

    /// Branch of the topmost Via, empty if there is none.
    #[must_use]
    pub fn branch(&self) -> &[u8] {
        match self.index.places.via {
            Some(places) => places.branch(&self.buffer),
            None => self.top_via().map(|via| via.branch()).unwrap_or_default(),
        }
    }

    /// The Request-URI taken apart.
    ///
    /// # Errors
    /// When it is none, which is a fault of the message, and in a response.
    pub fn uri(&self) -> Result<Uri<'_>, UriError> {
        match self.index.places.uri {
            Some(places) => Ok(places.read(&self.buffer)),
            None => Uri::parse(self.request_uri()),
        }
    }

    /// Call-ID; empty in a message with a fault.
    #[must_use]
    pub fn call_id(&self) -> &[u8] {
        self.header(HeaderId::CallId).unwrap_or_default()
    }

    /// From.
    #[must_use]
    pub fn from(&self) -> Option<NameAddr<'_>> {
        match self.index.places.from {
            Some(places) => Some(places.read(&self.buffer)),
            None => NameAddr::parse(self.header(HeaderId::From)?).ok(),
        }
    }

    /// To.
    #[must_use]
    pub fn to(&self) -> Option<NameAddr<'_>> {
        match self.index.places.to {
            Some(places) => Some(places.read(&self.buffer)),
            None => NameAddr::parse(self.header(HeaderId::To)?).ok(),
        }
    }

    /// Tag of From, empty if there is none.
    #[must_use]
    pub fn from_tag(&self) -> &[u8] {
        match self.index.places.from {
            Some(places) => places.tag(&self.buffer),
            None => self.from().and_then(|value| value.tag()).unwrap_or_default(),
        }
    }

    /// Tag of To, empty if there is none.
    #[must_use]
    pub fn to_tag(&self) -> &[u8] {
        match self.index.places.to {
            Some(places) => places.tag(&self.buffer),
            None => self.to().and_then(|value| value.tag()).unwrap_or_default(),
        }
    }

    /// A header whose value is one number.
    #[must_use]
    pub fn number(&self, id: HeaderId) -> Option<u64> {
        decimal(self.header(id)?)
    }

    /// Max-Forwards, if given.
    #[must_use]
    pub fn max_forwards(&self) -> Option<u8> {
        self.number(HeaderId::MaxForwards).and_then(|hops| u8::try_from(hops).ok())
    }

    /// The body, empty if there is none.
    #[must_use]
    pub fn body(&self) -> Bytes {
        self.buffer.slice(usize::from(self.index.body_at)..)
    }

    /// The body with its type, if there is one.
    #[must_use]
    pub fn typed_body(&self) -> Option<crate::base::leg::Body> {
        let content = self.body();
        if content.is_empty() {
            return None;
        }
        let content_type =
            self.header(HeaderId::ContentType).unwrap_or(b"application/octet-stream");
        Some(crate::base::leg::Body {
            content_type: String::from_utf8_lossy(content_type).into(),
            content,
        })
    }

    /// Whether an option tag stands in a header such as Require or Supported.
    #[must_use]
    pub fn has_option_tag(&self, id: HeaderId, tag: &[u8]) -> bool {
        self.values(id).any(|value| value.eq_ignore_ascii_case(tag))
    }
}
