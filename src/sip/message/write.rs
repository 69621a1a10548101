//! Messages written afresh.

use super::status::reason_phrase;
use super::{HeaderId, Message, Method};
use crate::base::leg::Body;
use crate::base::limits::MAX_FORWARDS_INITIAL;
use bytes::Bytes;
use smallvec::SmallVec;

/// Length of a message that is written without room of its own.
const LEN_INLINE: usize = 1024;

/// Writes one message, top to bottom.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    buffer: SmallVec<[u8; LEN_INLINE]>,
}

impl Writer {
    /// Starts a request.
    #[must_use]
    pub fn request(method: &[u8], uri: &[u8]) -> Self {
        let mut writer = Self { buffer: SmallVec::new() };
        writer.parts(&[method, b" ", uri, b" SIP/2.0\r\n"]);
        writer
    }

    /// Starts a response; an empty reason stands for the usual phrase.
    #[must_use]
    pub fn response(status: u16, reason: &[u8]) -> Self {
        let mut writer = Self { buffer: SmallVec::new() };
        let reason = if reason.is_empty() { reason_phrase(status).as_bytes() } else { reason };
        let code = [
            b'0' + (status / 100 % 10) as u8,
            b'0' + (status / 10 % 10) as u8,
            b'0' + (status % 10) as u8,
        ];
        writer.parts(&[b"SIP/2.0 ", &code, b" ", reason, b"\r\n"]);
        writer
    }

    fn parts(&mut self, parts: &[&[u8]]) {
        for part in parts {
            self.buffer.extend_from_slice(part);
        }
    }

    /// Adds a header line.
    pub fn header(&mut self, id: HeaderId, value: impl AsRef<[u8]>) -> &mut Self {
        self.named(id.name().as_bytes(), value.as_ref())
    }

    /// Adds a header line with a name that is not known here.
    pub fn named(&mut self, name: &[u8], value: &[u8]) -> &mut Self {
        let safe =
            value.iter().position(|&byte| byte == b'\r' || byte == b'\n').unwrap_or(value.len());
        self.parts(&[name, b": ", &value[..safe], b"\r\n"]);
        self
    }

    /// Copies all lines of a header from another message.
    pub fn copy(&mut self, from: &Message, id: HeaderId) -> &mut Self {
        for value in from.header_lines(id) {
            self.header(id, value);
        }
        self
    }

    /// Ends the message with its length and body.
    #[must_use]
    pub fn body(mut self, body: Option<&Body>) -> Bytes {
        match body {
            Some(body) => {
                self.header(HeaderId::ContentType, body.content_type.as_bytes());
                self.header(HeaderId::ContentLength, body.content.len().to_string());
                self.parts(&[b"\r\n", &body.content]);
            }
            None => self.parts(&[b"Content-Length: 0\r\n\r\n"]),
        }
        // Not a byte more: it may be kept for half a minute.
        Bytes::copy_from_slice(&self.buffer)
    }
}

/// Starts the response to a request: Via, From, To, Call-ID and CSeq as in
/// RFC 3261 8.2.6.2, with the tag added to To if it has none and `tag` is given.
/// A request with a fault is answered with what it has of these.
#[must_use]
pub fn response_to(
    request: &Message,
    status: u16,
    reason: &[u8],
    tag: &[u8],
    top_via: Option<&[u8]>,
) -> Writer {
    let mut writer = Writer::response(status, reason);
    for (index, value) in request.values(HeaderId::Via).enumerate() {
        match top_via {
            Some(via) if index == 0 => writer.header(HeaderId::Via, via),
            _ => writer.header(HeaderId::Via, value),
        };
    }
    for id in [HeaderId::From, HeaderId::To, HeaderId::CallId, HeaderId::CSeq] {
        let Some(value) = request.header(id) else {
            continue;
        };
        if id == HeaderId::To && !tag.is_empty() && request.to_tag().is_empty() {
            writer.header(id, [value, b";tag=", tag].concat());
        } else {
            writer.header(id, value);
        }
    }
    writer
}

/// The ACK for a final response other than 2xx (RFC 3261 17.1.1.3), or the CANCEL
/// (9.1), of a request as it was sent; To comes from `to`: the response, or the
/// request itself.
#[must_use]
pub fn hop_request(sent: &Message, method: Method, to: &Message) -> Bytes {
    let mut writer = Writer::request(method.as_str().as_bytes(), sent.request_uri());
    if let Some(via) = sent.values(HeaderId::Via).next() {
        writer.header(HeaderId::Via, via);
    }
    writer.copy(sent, HeaderId::Route).copy(sent, HeaderId::From).copy(to, HeaderId::To);
    writer.copy(sent, HeaderId::CallId);
    writer.header(HeaderId::CSeq, format!("{} {method}", sent.cseq()));
    writer.header(HeaderId::MaxForwards, MAX_FORWARDS_INITIAL.to_string());
    writer.body(None)
}
