//! Messages out of a byte stream (RFC 3261 18.3): headers up to the empty line, then
//! as many bytes as Content-Length says. Strict, for whoever disagrees with
//! a peer about where a message ends reads the next one out of a body.

use super::message::HeaderId;
use super::message::text::{decimal, is_token_byte, trim};
use crate::base::limits::MESSAGE_LEN_MAX;

/// Bytes of start line and headers on a stream.
pub const HEAD_LEN_MAX: usize = 32_768;
/// Bytes of room that an empty framer keeps.
const ROOM_KEPT: usize = 4_096;

/// What a stream carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// One message, whole.
    Message(Vec<u8>),
    /// A keep-alive that wants a CRLF in return (RFC 5626 4.4.1).
    Ping,
}

/// Why a stream can be read no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingFault {
    /// What begins cannot be a start line.
    #[error("Not SIP")]
    NotSip,
    /// The headers do not end within [`HEAD_LEN_MAX`].
    #[error("Headers Too Long")]
    HeadTooLong,
    /// No Content-Length, which a stream must have (RFC 3261 20.14).
    #[error("Missing Content-Length")]
    NoLength,
    /// Content-Length twice, or no number.
    #[error("Bad Content-Length")]
    BadLength,
    /// Headers and body exceed [`MESSAGE_LEN_MAX`].
    #[error("Message Too Large")]
    TooLong,
}

impl FramingFault {
    /// The status code that answers a request with this fault.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::NotSip | Self::NoLength | Self::BadLength => 400,
            Self::HeadTooLong | Self::TooLong => 513,
        }
    }
}

/// A fault, with the message's head if that came whole, so that a request can be
/// answered before the connection closes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct FramingError {
    /// What is wrong.
    pub fault: FramingFault,
    /// Start line and headers with the empty line behind them, or nothing.
    pub head: Vec<u8>,
}

/// Cuts the bytes of one connection into frames. After a fault it gives nothing more.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    /// Start of what has not been given out.
    at: usize,
    /// Bytes behind `at` that hold no end of headers.
    searched: usize,
    /// Bytes behind `at` of head and of the whole message, once known.
    found: Option<(usize, usize)>,
    is_broken: bool,
}

impl Framer {
    /// A framer at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes that were read. Take all frames out before adding more: what waits
    /// here is at most one incomplete message.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.is_broken {
            return;
        }
        self.buffer.drain(..self.at);
        self.at = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Gives back what a burst took, once all of it was taken out: a process holds
    /// thousands of framers, most of them idle.
    pub fn give_room_back(&mut self) {
        if self.at == self.buffer.len() && self.buffer.capacity() > ROOM_KEPT {
            self.buffer = Vec::new();
            self.at = 0;
        }
    }

    /// Whether a message has begun and is not complete. Line ends between messages
    /// are none.
    #[must_use]
    pub fn is_inside_message(&self) -> bool {
        self.rest().iter().any(|&byte| byte != b'\r' && byte != b'\n')
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.at..).unwrap_or_default()
    }

    fn advance(&mut self, count: usize) {
        self.at += count;
        self.searched = 0;
        self.found = None;
    }

    fn broken(&mut self, fault: FramingFault, head_len: usize) -> FramingError {
        let head = self.rest().get(..head_len).unwrap_or_default().to_vec();
        *self = Self { is_broken: true, ..Self::default() };
        FramingError { fault, head }
    }

    /// Passes line ends before a message (RFC 3261 7.5); two of them are a ping. A
    /// line end that may become a ping is left until more has come.
    fn skip_line_ends(&mut self) -> LineEnds {
        loop {
            match self.rest() {
                [b'\r', b'\n', b'\r', b'\n', ..] => {
                    self.advance(4);
                    return LineEnds::Ping;
                }
                [] | [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return LineEnds::Open,
                [b'\r', b'\n', ..] => self.advance(2),
                [_, ..] => return LineEnds::Message,
            }
        }
    }

    /// Finds the lengths of head and message; `None` while more must come.
    fn find(&mut self) -> Result<Option<(usize, usize)>, FramingError> {
        if let Some(found) = self.found {
            return Ok(Some(found));
        }
        if !self.rest().first().is_some_and(|&byte| is_token_byte(byte)) {
            return Err(self.broken(FramingFault::NotSip, 0));
        }
        let from = self.searched.saturating_sub(3);
        let end = memchr::memmem::find(&self.rest()[from..], b"\r\n\r\n").map(|at| from + at + 4);
        let Some(head_len) = end else {
            self.searched = self.rest().len();
            return if self.searched > HEAD_LEN_MAX {
                Err(self.broken(FramingFault::HeadTooLong, 0))
            } else {
                Ok(None)
            };
        };
        if head_len > HEAD_LEN_MAX {
            return Err(self.broken(FramingFault::HeadTooLong, 0));
        }
        match content_length(&self.rest()[..head_len]) {
            Ok(body_len) if body_len <= MESSAGE_LEN_MAX - head_len => {
                self.found = Some((head_len, head_len + body_len));
                Ok(self.found)
            }
            Ok(_) => Err(self.broken(FramingFault::TooLong, head_len)),
            Err(fault) => Err(self.broken(fault, head_len)),
        }
    }
}

enum LineEnds {
    /// A ping was taken out.
    Ping,
    /// Nothing else is there.
    Open,
    /// A message begins.
    Message,
}

impl Iterator for Framer {
    type Item = Result<Frame, FramingError>;

    /// The next whole frame; `None` until more bytes come. A fault comes once.
    fn next(&mut self) -> Option<Self::Item> {
        match self.skip_line_ends() {
            LineEnds::Ping => return Some(Ok(Frame::Ping)),
            LineEnds::Open => return None,
            LineEnds::Message => {}
        }
        match self.find() {
            Ok(Some((_, len))) => {
                let message = self.rest().get(..len)?.to_vec();
                self.advance(len);
                Some(Ok(Frame::Message(message)))
            }
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

/// The length that the head states. A folded value is read as one.
fn content_length(head: &[u8]) -> Result<usize, FramingFault> {
    let mut stated = None;
    let mut rest = head;
    while let Some(end) = memchr::memmem::find(rest, b"\r\n") {
        let mut line_end = end;
        while matches!(rest.get(line_end + 2), Some(b' ' | b'\t')) {
            let folded = memchr::memmem::find(&rest[line_end + 2..], b"\r\n");
            line_end = folded.map_or(rest.len(), |at| line_end + 2 + at);
        }
        let line = &rest[..line_end];
        rest = rest.get(line_end + 2..).unwrap_or_default();
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        if HeaderId::from_name(line[..colon].trim_ascii_end()) != HeaderId::ContentLength {
            continue;
        }
        let length =
            decimal(trim(&line[colon + 1..])).and_then(|value| usize::try_from(value).ok());
        match (length, stated) {
            (Some(length), None) => stated = Some(length),
            (None, _) | (Some(_), Some(_)) => return Err(FramingFault::BadLength),
        }
    }
    stated.ok_or(FramingFault::NoLength)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OPTIONS: &[u8] = b"OPTIONS sip:a SIP/2.0\r\nl: 4\r\n\r\nbody";
    const OK: &[u8] = b"SIP/2.0 200 OK\r\nContent-Length : 0\r\n\r\n";

    fn frames(bytes: &[u8]) -> Vec<Result<Frame, FramingError>> {
        let mut framer = Framer::new();
        framer.push(bytes);
        framer.by_ref().collect()
    }

    fn fault(bytes: &[u8]) -> Option<(FramingFault, usize)> {
        let mut all = frames(bytes);
        let last = all.pop()?.err()?;
        assert!(all.is_empty());
        Some((last.fault, last.head.len()))
    }

    #[test]
    fn messages_and_pings_in_one_read() {
        let bytes = [OPTIONS, b"\r\n\r\n", OK, b"\r\n", OPTIONS, b"\r\n\r\n\r\n\r\n"].concat();
        let message = |bytes: &[u8]| Ok(Frame::Message(bytes.to_vec()));
        assert_eq!(
            frames(&bytes),
            [
                message(OPTIONS),
                Ok(Frame::Ping),
                message(OK),
                message(OPTIONS),
                Ok(Frame::Ping),
                Ok(Frame::Ping)
            ]
        );
    }

    #[test]
    fn byte_by_byte_gives_the_same() {
        let mut framer = Framer::new();
        let mut seen = Vec::new();
        for (at, byte) in [b"\r\n\r\n", OPTIONS, OK].concat().iter().enumerate() {
            framer.push(&[*byte]);
            seen.extend(framer.by_ref());
            let whole = [3, 3 + OPTIONS.len(), 3 + OPTIONS.len() + OK.len()].contains(&at);
            assert_eq!(framer.is_inside_message(), at > 3 && !whole, "after byte {at}");
        }
        assert_eq!(seen.len(), 3);
        assert!(seen.iter().all(Result::is_ok));
    }

    #[test]
    fn a_lone_line_end_is_no_message_and_no_ping() {
        let mut framer = Framer::new();
        framer.push(b"\r\n");
        assert_eq!(framer.next(), None);
        assert!(!framer.is_inside_message());
        framer.push(OK);
        assert_eq!(framer.next(), Some(Ok(Frame::Message(OK.to_vec()))));
    }

    #[test]
    fn room_goes_back_when_all_is_taken_and_nothing_is_lost() {
        let mut framer = Framer::new();
        framer.push(&[&OPTIONS.repeat(1_000), &b"\r\n"[..]].concat());
        assert_eq!(framer.by_ref().count(), 1_000);
        framer.give_room_back();
        framer.push(b"\r\n");
        assert_eq!(framer.next(), Some(Ok(Frame::Ping)), "the first half was still there");
        framer.give_room_back();
        assert!(framer.buffer.capacity() <= ROOM_KEPT);
        framer.push(OK);
        assert_eq!(framer.next(), Some(Ok(Frame::Message(OK.to_vec()))));
    }

    #[test]
    fn a_folded_length_counts() {
        let bytes = b"OPTIONS sip:a SIP/2.0\r\nContent-Length:\r\n 2\r\nSubject: a\r\n b\r\n\r\nhi";
        assert_eq!(frames(bytes), [Ok(Frame::Message(bytes.to_vec()))]);
    }

    #[test]
    fn lengths_that_cannot_be_trusted() {
        for (lines, expected) in [
            ("", FramingFault::NoLength),
            ("Subject: Content-Length: 3\r\n", FramingFault::NoLength),
            ("Content-Length: \r\n", FramingFault::BadLength),
            ("Content-Length: -1\r\n", FramingFault::BadLength),
            ("Content-Length: +1\r\n", FramingFault::BadLength),
            ("Content-Length: 0x1\r\n", FramingFault::BadLength),
            ("Content-Length: 1 1\r\n", FramingFault::BadLength),
            ("Content-Length: 3, 3\r\n", FramingFault::BadLength),
            ("Content-Length: 3\r\nl: 3\r\n", FramingFault::BadLength),
            ("Content-Length: 99999999999999999999\r\n", FramingFault::BadLength),
            ("Content-Length: 65535\r\n", FramingFault::TooLong),
            ("Content-Length: 9999999999999999999\r\n", FramingFault::TooLong),
        ] {
            let bytes = format!("OPTIONS sip:a SIP/2.0\r\n{lines}\r\n");
            assert_eq!(fault(bytes.as_bytes()), Some((expected, bytes.len())), "{lines}");
        }
    }

    #[test]
    fn what_is_not_sip_is_seen_at_once() {
        for bytes in [&b"\x16\x03\x01"[..], b" OPTIONS", b"\0", b"\n\n", b"\rx", b"\r\n\nGET"] {
            assert_eq!(fault(bytes), Some((FramingFault::NotSip, 0)), "{bytes:?}");
        }
    }

    #[test]
    fn endless_headers_stop_at_the_limit() {
        let mut framer = Framer::new();
        framer.push(b"OPTIONS sip:a SIP/2.0\r\n");
        let line = [b"X: ".to_vec(), vec![b'a'; 1_000], b"\r\n".to_vec()].concat();
        let pushed = (0..100)
            .take_while(|_| {
                framer.push(&line);
                framer.next().is_none()
            })
            .count();
        assert_eq!(pushed, HEAD_LEN_MAX / line.len());
        let in_one = [b"OPTIONS sip:a SIP/2.0\r\n".to_vec(), line.repeat(40), b"\r\n".to_vec()];
        assert_eq!(fault(&in_one.concat()), Some((FramingFault::HeadTooLong, 0)));
    }

    #[test]
    fn nothing_comes_after_a_fault() {
        let mut framer = Framer::new();
        framer.push(&[OPTIONS, b"?", OK].concat());
        assert!(framer.next().is_some_and(|frame| frame.is_ok()));
        assert!(framer.next().is_some_and(|frame| frame.is_err()));
        framer.push(OK);
        assert_eq!(framer.next(), None);
        assert!(!framer.is_inside_message());
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(cuts in prop::collection::vec(1..40_usize, 0..20), seed in any::<u8>()) {
            let mut all = [OPTIONS, b"\r\n\r\n", OK, b"\r\n", OPTIONS].concat();
            if seed < 64 {
                let at = usize::from(seed) % all.len();
                all[at] = seed;
            }
            let mut framer = Framer::new();
            let mut seen = Vec::new();
            let mut rest = &all[..];
            for cut in cuts {
                let (part, behind) = rest.split_at(cut.min(rest.len()));
                framer.push(part);
                seen.extend(framer.by_ref());
                rest = behind;
            }
            framer.push(rest);
            seen.extend(framer.by_ref());
            prop_assert_eq!(seen, frames(&all));
        }

        #[test]
        fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(frames(&bytes).len() <= bytes.len());
        }
    }
}
