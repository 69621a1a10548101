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
use text::{Values, decimal};

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

/// A scanned message.
#[derive(Clone, Debug)]
pub struct Message {
    buffer: Bytes,
    start: Start,
    lines: Vec<Line>,
    /// Start of the header lines.
    headers_at: u16,
    body_at: u16,
    cseq: u32,
    cseq_method: Method,
    cseq_token: Span,
    fault: Option<Fault>,
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
        matches!(self.start, Start::Request { .. })
    }

    /// Method of a request, method of the CSeq of a response.
    #[must_use]
    pub fn method(&self) -> Method {
        match self.start {
            Start::Request { method, .. } => method,
            Start::Response { .. } => self.cseq_method,
        }
    }

    /// The method's token as written.
    #[must_use]
    pub fn method_token(&self) -> &[u8] {
        match self.start {
            Start::Request { token, .. } => token.of(&self.buffer),
            Start::Response { .. } => self.cseq_token.of(&self.buffer),
        }
    }

    /// Request-URI as written; empty for a response.
    #[must_use]
    pub fn request_uri(&self) -> &[u8] {
        match self.start {
            Start::Request { uri, .. } => uri.of(&self.buffer),
            Start::Response { .. } => b"",
        }
    }

    /// Status code of a response, zero for a request.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self.start {
            Start::Request { .. } => 0,
            Start::Response { status, .. } => status,
        }
    }

    /// Reason phrase of a response.
    #[must_use]
    pub fn reason(&self) -> &[u8] {
        match self.start {
            Start::Request { .. } => b"",
            Start::Response { reason, .. } => reason.of(&self.buffer),
        }
    }

    /// The first thing that is wrong with it.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Sequence number.
    #[must_use]
    pub fn cseq(&self) -> u32 {
        self.cseq
    }

    /// Method in CSeq.
    #[must_use]
    pub fn cseq_method(&self) -> Method {
        self.cseq_method
    }

    /// Value of the first line of a header.
    #[must_use]
    pub fn header(&self, id: HeaderId) -> Option<&[u8]> {
        self.lines.iter().find(|line| line.id == id).map(|line| line.value.of(&self.buffer))
    }

    /// Values of all lines of a header, unsplit.
    pub fn header_lines(&self, id: HeaderId) -> impl Iterator<Item = &[u8]> {
        self.lines.iter().filter(move |line| line.id == id).map(|line| line.value.of(&self.buffer))
    }

    /// All values of a header, split at commas.
    pub fn values(&self, id: HeaderId) -> impl Iterator<Item = &[u8]> {
        self.header_lines(id).flat_map(Values::new)
    }

    /// All headers as (id, name, value).
    pub fn all_headers(&self) -> impl Iterator<Item = (HeaderId, &[u8], &[u8])> {
        self.lines
            .iter()
            .map(|line| (line.id, line.name.of(&self.buffer), line.value.of(&self.buffer)))
    }

    /// Topmost Via.
    #[must_use]
    pub fn top_via(&self) -> Option<Via<'_>> {
        Via::parse(self.values(HeaderId::Via).next()?).ok()
    }

    /// Call-ID; empty in a message with a fault.
    #[must_use]
    pub fn call_id(&self) -> &[u8] {
        self.header(HeaderId::CallId).unwrap_or_default()
    }

    /// From.
    #[must_use]
    pub fn from(&self) -> Option<NameAddr<'_>> {
        NameAddr::parse(self.header(HeaderId::From)?).ok()
    }

    /// To.
    #[must_use]
    pub fn to(&self) -> Option<NameAddr<'_>> {
        NameAddr::parse(self.header(HeaderId::To)?).ok()
    }

    /// Tag of From, empty if there is none.
    #[must_use]
    pub fn from_tag(&self) -> &[u8] {
        self.from().and_then(|value| value.tag()).unwrap_or_default()
    }

    /// Tag of To, empty if there is none.
    #[must_use]
    pub fn to_tag(&self) -> &[u8] {
        self.to().and_then(|value| value.tag()).unwrap_or_default()
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
        self.buffer.slice(usize::from(self.body_at)..)
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
