//! Bytes to index: one pass over the header lines.

use super::check::{self, Fault};
use super::places::Places;
use super::text::{is_token, token_len, trim};
use super::{HeaderId, Index, LINES_INLINE, Line, Message, Method, Span, Start};
use crate::base::limits::{HEADER_COUNT_MAX, HEADER_VALUE_LEN_MAX, MESSAGE_LEN_MAX};
use bytes::{Buf as _, Bytes};
use smallvec::SmallVec;
use std::sync::Arc;

type Lines = SmallVec<[Line; LINES_INLINE]>;

/// Why bytes are not even a message that could be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// Nothing but line ends: a keep-alive (RFC 5626 4.4.1).
    #[error("empty")]
    Empty,
    /// Longer than a message may be.
    #[error("longer than {MESSAGE_LEN_MAX} bytes")]
    TooLong,
    /// The first line is that of no SIP message.
    #[error("not SIP")]
    NotSip,
    /// No empty line ends the headers, or there are too many of them.
    #[error("headers do not end")]
    Headers,
}

/// Reads one message that fills the buffer, as a datagram does. On a stream the
/// framing gives exactly one message at a time. The text is copied only if it has
/// folded lines.
///
/// # Errors
/// When the bytes cannot be answered at all.
pub fn scan(text: impl Into<Bytes>) -> Result<Message, ScanError> {
    let mut buffer = text.into();
    let leading = buffer.iter().take_while(|&&byte| byte == b'\r' || byte == b'\n').count();
    if leading == buffer.len() {
        return Err(ScanError::Empty);
    }
    buffer.advance(leading);
    if buffer.len() > MESSAGE_LEN_MAX {
        return Err(ScanError::TooLong);
    }
    let start_end = line_end(&buffer, 0).ok_or(ScanError::NotSip)?;
    let mut fault = None;
    let start = read_start(&buffer[..start_end], &mut fault)?;
    let headers_at = start_end + 2;
    let (lines, body_at) = read_headers(&mut buffer, headers_at, &mut fault)?;
    let content_length = content_length(&buffer, &lines, &mut fault);
    let available = buffer.len() - body_at;
    match content_length {
        Some(length) if length <= available => buffer.truncate(body_at + length),
        Some(_) => note(&mut fault, Fault::ContentLength),
        None => {}
    }
    let index = Index {
        start,
        lines,
        headers_at: to_u16(headers_at),
        body_at: to_u16(body_at),
        cseq: 0,
        cseq_method: Method::Other,
        cseq_token: Span::default(),
        places: Places::default(),
        fault,
    };
    let mut message = Message { buffer, index: Arc::new(index) };
    check::check(&mut message);
    Ok(message)
}

fn note(fault: &mut Option<Fault>, found: Fault) {
    fault.get_or_insert(found);
}

/// Offsets fit because the length of the message was checked before.
fn to_u16(offset: usize) -> u16 {
    u16::try_from(offset).unwrap_or(u16::MAX)
}

/// The position of the CRLF that ends the line which starts at `from`.
fn line_end(buffer: &[u8], from: usize) -> Option<usize> {
    // Lines are short: looking for one byte beats the set-up of a search for two.
    let mut at = from;
    loop {
        let feed = at + memchr::memchr(b'\n', buffer.get(at..)?)?;
        if feed > from && buffer[feed - 1] == b'\r' {
            return Some(feed - 1);
        }
        at = feed + 1;
    }
}

fn read_start(line: &[u8], fault: &mut Option<Fault>) -> Result<Start, ScanError> {
    if line.len() >= 8 && line[..4].eq_ignore_ascii_case(b"SIP/") {
        return read_status_line(line, fault);
    }
    let first = memchr::memchr(b' ', line).ok_or(ScanError::NotSip)?;
    let trimmed = line.trim_ascii_end();
    let last = memchr::memrchr(b' ', trimmed).ok_or(ScanError::NotSip)?;
    let version = &trimmed[last + 1..];
    if !version.get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"SIP/")) {
        return Err(ScanError::NotSip);
    }
    if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        note(fault, Fault::Version);
    }
    let method = &line[..first];
    if !is_token(method) || first >= last || trimmed.len() != line.len() {
        note(fault, Fault::StartLine);
    }
    let uri = if first < last { first + 1..last } else { last..last };
    if line[uri.clone()].iter().any(|&byte| byte <= b' ') || uri.is_empty() {
        note(fault, Fault::StartLine);
    }
    Ok(Start::Request {
        method: Method::from_token(method),
        token: Span { start: 0, end: to_u16(first) },
        uri: Span { start: to_u16(uri.start), end: to_u16(uri.end) },
    })
}

fn read_status_line(line: &[u8], fault: &mut Option<Fault>) -> Result<Start, ScanError> {
    if !line[..7].eq_ignore_ascii_case(b"SIP/2.0") || line[7] != b' ' {
        note(fault, Fault::Version);
    }
    let digits = line.get(8..11).ok_or(ScanError::NotSip)?;
    let code = super::text::decimal(digits).and_then(|code| u16::try_from(code).ok());
    let code = code.filter(|code| (100..700).contains(code));
    let separator = line.get(11).copied();
    let Some(status) = code.filter(|_| matches!(separator, None | Some(b' '))) else {
        note(fault, Fault::StartLine);
        return Ok(Start::Response { status: 0, reason: Span::default() });
    };
    let reason = Span { start: to_u16(line.len().min(12)), end: to_u16(line.len()) };
    Ok(Start::Response { status, reason })
}

/// The header lines and the start of the body.
fn read_headers(
    buffer: &mut Bytes,
    at: usize,
    fault: &mut Option<Fault>,
) -> Result<(Lines, usize), ScanError> {
    let before = *fault;
    if let Some((lines, body_at)) = read_lines(buffer, at, fault, false)?
        && !has_stray_ends(&buffer[at..body_at], lines.len())
    {
        return Ok((lines, body_at));
    }
    *fault = before;
    let mut text = buffer.to_vec();
    unfold(&mut text, at);
    *buffer = Bytes::from(text);
    read_lines(buffer, at, fault, true)?.ok_or(ScanError::Headers)
}

/// Reads header lines up to the empty line; nothing when one of them is folded.
/// `strictly` looks for line ends inside a line, where there are any.
fn read_lines(
    buffer: &[u8],
    mut at: usize,
    fault: &mut Option<Fault>,
    strictly: bool,
) -> Result<Option<(Lines, usize)>, ScanError> {
    let mut lines = Lines::new();
    loop {
        let end = line_end(buffer, at).ok_or(ScanError::Headers)?;
        if end == at {
            return Ok(Some((lines, at + 2)));
        }
        if is_folded(buffer, end) {
            return Ok(None);
        }
        if lines.len() == HEADER_COUNT_MAX {
            return Err(ScanError::Headers);
        }
        let is_whole = !strictly || memchr::memchr2(b'\r', b'\n', &buffer[at..end]).is_none();
        match read_line(buffer, at, end).filter(|_| is_whole) {
            Some(line) => {
                if usize::from(line.value.end - line.value.start) > HEADER_VALUE_LEN_MAX {
                    note(fault, Fault::TooLarge);
                }
                lines.push(line);
            }
            None => note(fault, Fault::HeaderLine),
        }
        at = end + 2;
    }
}

/// Whether the line that ends here goes on in the next one (RFC 3261 7.3.1).
fn is_folded(buffer: &[u8], end: usize) -> bool {
    matches!(buffer.get(end + 2), Some(b' ' | b'\t'))
}

/// Puts blanks for the line ends inside header lines.
fn unfold(buffer: &mut [u8], mut at: usize) {
    while let Some(end) = line_end(buffer, at).filter(|&end| end != at) {
        at = end + 2;
        if is_folded(buffer, end) {
            buffer[end..at].fill(b' ');
            at = end;
        }
    }
}

/// Whether there are more CRs or LFs in the header lines than end them. A line that
/// is none was not counted: then it may seem so, and a second look tells.
fn has_stray_ends(headers: &[u8], lines: usize) -> bool {
    let count = |byte| memchr::memchr_iter(byte, headers).count();
    count(b'\r') != lines + 1 || count(b'\n') != lines + 1
}

fn read_line(buffer: &[u8], at: usize, end: usize) -> Option<Line> {
    let line = &buffer[at..end];
    let name = token_len(line);
    let blanks = line[name..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    if name == 0 || line.get(name + blanks) != Some(&b':') {
        return None;
    }
    let after = &line[name + blanks + 1..];
    let value_at = end - after.trim_ascii_start().len();
    let value = trim(after).len();
    Some(Line {
        id: HeaderId::from_name(&line[..name]),
        name: Span { start: to_u16(at), end: to_u16(at + name) },
        value: Span { start: to_u16(value_at), end: to_u16(value_at + value) },
    })
}

/// The length that the sender states; two different ones, or one that is no
/// number, are a fault (RFC 3261 20.14).
fn content_length(buffer: &[u8], lines: &[Line], fault: &mut Option<Fault>) -> Option<usize> {
    let mut stated = None;
    for line in lines.iter().filter(|line| line.id == HeaderId::ContentLength) {
        let length = super::text::decimal(line.value.of(buffer))
            .and_then(|value| usize::try_from(value).ok());
        match (length, stated) {
            (Some(length), None) => stated = Some(length),
            (None, _) | (Some(_), Some(_)) => note(fault, Fault::ContentLength),
        }
    }
    stated
}
