//! Edits laid over the index of a message: what a proxy changes on its way.

use super::{HeaderId, Message};
use bytes::Bytes;
use smallvec::SmallVec;

/// New text of the edits to one message; a longer one takes room of its own.
const TEXT_LEN_INLINE: usize = 768;
/// Edits to one message that need no room of their own.
const EDITS_INLINE: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Lines put in front of a line; in front of none, behind all of them.
    Before,
    /// A line in place of another.
    Replace,
    /// A line left out.
    Remove,
}

/// One edit; its text lies between two offsets.
#[derive(Clone, Copy, Debug)]
struct Edit {
    line: usize,
    kind: Kind,
    start: usize,
    end: usize,
}

/// Changes to one message. They are noted in any order and written in one pass;
/// the message itself stays as it is.
#[derive(Debug)]
pub struct Edits<'m> {
    message: &'m Message,
    start_line: Option<(usize, usize)>,
    text: SmallVec<[u8; TEXT_LEN_INLINE]>,
    list: SmallVec<[Edit; EDITS_INLINE]>,
}

impl<'m> Edits<'m> {
    /// No changes yet.
    #[must_use]
    pub fn new(message: &'m Message) -> Self {
        Self { message, start_line: None, text: SmallVec::new(), list: SmallVec::new() }
    }

    /// Another Request-URI.
    pub fn request_uri(&mut self, uri: &[u8]) -> &mut Self {
        let start = self.text.len();
        for part in [self.message.method_token(), b" ", uri, b" SIP/2.0\r\n"] {
            self.text.extend_from_slice(part);
        }
        self.start_line = Some((start, self.text.len()));
        self
    }

    fn note(&mut self, line: usize, kind: Kind, id: HeaderId, value: &[&[u8]]) -> &mut Self {
        let start = self.text.len();
        self.text.extend_from_slice(id.name().as_bytes());
        self.text.extend_from_slice(b": ");
        for part in value {
            self.text.extend_from_slice(part);
        }
        self.text.extend_from_slice(b"\r\n");
        self.list.push(Edit { line, kind, start, end: self.text.len() });
        self
    }

    fn leave_out(&mut self, line: usize) {
        self.list.push(Edit { line, kind: Kind::Remove, start: 0, end: 0 });
    }

    fn first_line(&self, id: HeaderId) -> Option<usize> {
        self.message.index.lines.iter().position(|line| line.id == id)
    }

    /// A line in front of the first one of its header, or of all headers.
    pub fn prepend(&mut self, id: HeaderId, value: &[u8]) -> &mut Self {
        let line = self.first_line(id).unwrap_or(0);
        self.note(line, Kind::Before, id, &[value])
    }

    /// Another first value of a header, the others on that line kept.
    pub fn replace_first_value(&mut self, id: HeaderId, value: &[u8]) -> &mut Self {
        let Some(line) = self.first_line(id) else {
            return self;
        };
        let whole = self.message.index.lines[line].value.of(&self.message.buffer);
        match super::text::find_outside(whole, b',') {
            Some(comma) => self.note(line, Kind::Replace, id, &[value, &whole[comma..]]),
            None => self.note(line, Kind::Replace, id, &[value]),
        }
    }

    /// The first `count` values of a header left out.
    pub fn remove_values(&mut self, id: HeaderId, mut count: usize) -> &mut Self {
        for index in 0..self.message.index.lines.len() {
            if count == 0 {
                break;
            }
            if self.message.index.lines[index].id != id {
                continue;
            }
            let mut rest = self.message.index.lines[index].value.of(&self.message.buffer);
            let mut is_left = true;
            while count > 0 && is_left {
                count -= 1;
                match super::text::find_outside(rest, b',') {
                    Some(comma) => rest = rest[comma + 1..].trim_ascii_start(),
                    None => is_left = false,
                }
            }
            if is_left {
                self.note(index, Kind::Replace, id, &[rest]);
            } else {
                self.leave_out(index);
            }
        }
        self
    }

    /// All lines of a header left out.
    pub fn remove(&mut self, id: HeaderId) -> &mut Self {
        self.remove_all(|found| found == id)
    }

    /// All lines of those headers left out.
    pub fn remove_all(&mut self, is_meant: impl Fn(HeaderId) -> bool) -> &mut Self {
        for (index, line) in self.message.index.lines.iter().enumerate() {
            if is_meant(line.id) {
                self.leave_out(index);
            }
        }
        self
    }

    /// The only line of a header with another value, added if it is not there.
    pub fn set(&mut self, id: HeaderId, value: &[u8]) -> &mut Self {
        match self.first_line(id) {
            Some(line) => self.note(line, Kind::Replace, id, &[value]),
            None => self.add(id, value),
        }
    }

    /// A line behind all others.
    pub fn add(&mut self, id: HeaderId, value: &[u8]) -> &mut Self {
        self.add_parts(id, &[value])
    }

    /// Like [`Edits::add`], the value given in parts.
    pub fn add_parts(&mut self, id: HeaderId, value: &[&[u8]]) -> &mut Self {
        self.note(self.message.index.lines.len(), Kind::Before, id, value)
    }

    /// The message with its changes, lossless in everything else.
    #[must_use]
    pub fn write(mut self) -> Bytes {
        self.list.sort_by_key(|edit| edit.line);
        let mut len = 0;
        self.each_part(|part| len += part.len());
        // Not a byte more: it may be kept for half a minute.
        let mut out = Vec::with_capacity(len);
        self.each_part(|part| out.extend_from_slice(part));
        Bytes::from(out)
    }

    fn each_part(&self, mut put: impl FnMut(&[u8])) {
        let (buffer, index) = (&self.message.buffer, &self.message.index);
        let headers_at = usize::from(index.headers_at);
        match self.start_line {
            Some((start, end)) => put(&self.text[start..end]),
            None => put(&buffer[..headers_at]),
        }
        let headers_end = usize::from(index.body_at) - 2;
        let start_of = |line: usize| {
            index.lines.get(line).map_or(headers_end, |line| usize::from(line.name.start))
        };
        let mut at = headers_at;
        for edit in &self.list {
            let start = start_of(edit.line);
            if start > at {
                put(&buffer[at..start]);
                at = start;
            }
            put(&self.text[edit.start..edit.end]);
            if edit.kind != Kind::Before {
                at = at.max(start_of(edit.line + 1));
            }
        }
        put(&buffer[at..]);
    }
}
