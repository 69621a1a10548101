//! Edits laid over the index of a message: what a proxy changes on its way.

use super::{HeaderId, Message};
use bytes::Bytes;
use core::ops::Range;

#[derive(Clone, Debug)]
enum Edit {
    /// Lines put in front of a line.
    Before(usize, Range<usize>),
    /// A line in place of another.
    Replace(usize, Range<usize>),
    /// A line left out.
    Remove(usize),
}

impl Edit {
    const fn line(&self) -> usize {
        match self {
            Self::Before(line, _) | Self::Replace(line, _) | Self::Remove(line) => *line,
        }
    }
}

/// Changes to one message. They are noted in any order and written in one pass;
/// the message itself stays as it is.
#[derive(Debug)]
pub struct Edits<'m> {
    message: &'m Message,
    start_line: Option<Vec<u8>>,
    text: Vec<u8>,
    list: Vec<Edit>,
    append: Vec<u8>,
}

impl<'m> Edits<'m> {
    /// No changes yet.
    #[must_use]
    pub fn new(message: &'m Message) -> Self {
        Self {
            message,
            start_line: None,
            text: Vec::with_capacity(256),
            list: Vec::with_capacity(8),
            append: Vec::new(),
        }
    }

    /// Another Request-URI.
    pub fn request_uri(&mut self, uri: &[u8]) -> &mut Self {
        self.start_line = Some([self.message.method_token(), b" ", uri, b" SIP/2.0\r\n"].concat());
        self
    }

    fn store(&mut self, name: &[u8], value: &[u8]) -> Range<usize> {
        let start = self.text.len();
        for part in [name, b": ", value, b"\r\n"] {
            self.text.extend_from_slice(part);
        }
        start..self.text.len()
    }

    fn first_line(&self, id: HeaderId) -> Option<usize> {
        self.message.index.lines.iter().position(|line| line.id == id)
    }

    /// A line in front of the first one of its header, or of all headers.
    pub fn prepend(&mut self, id: HeaderId, value: &[u8]) -> &mut Self {
        let line = self.first_line(id).unwrap_or(0);
        let range = self.store(id.name().as_bytes(), value);
        self.list.push(Edit::Before(line, range));
        self
    }

    /// Another first value of a header, the others on that line kept.
    pub fn replace_first_value(&mut self, id: HeaderId, value: &[u8]) -> &mut Self {
        let Some(line) = self.first_line(id) else {
            return self;
        };
        let mut values =
            super::text::Values::new(self.message.index.lines[line].value.of(&self.message.buffer));
        values.next();
        let whole = values.fold(value.to_vec(), |mut whole, rest| {
            whole.extend_from_slice(b", ");
            whole.extend_from_slice(rest);
            whole
        });
        let range = self.store(id.name().as_bytes(), &whole);
        self.list.push(Edit::Replace(line, range));
        self
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
            let line = self.message.index.lines[index].value.of(&self.message.buffer);
            let values: Vec<&[u8]> = super::text::Values::new(line).collect();
            if values.len() <= count {
                count -= values.len();
                self.list.push(Edit::Remove(index));
            } else {
                let rest = values[count..].join(&b", "[..]);
                count = 0;
                let range = self.store(id.name().as_bytes(), &rest);
                self.list.push(Edit::Replace(index, range));
            }
        }
        self
    }

    /// All lines of a header left out.
    pub fn remove(&mut self, id: HeaderId) -> &mut Self {
        for (index, line) in self.message.index.lines.iter().enumerate() {
            if line.id == id {
                self.list.push(Edit::Remove(index));
            }
        }
        self
    }

    /// The only line of a header with another value, added if it is not there.
    pub fn set(&mut self, id: HeaderId, value: &[u8]) -> &mut Self {
        match self.first_line(id) {
            Some(line) => {
                let range = self.store(id.name().as_bytes(), value);
                self.list.push(Edit::Replace(line, range));
                self
            }
            None => self.add(id, value),
        }
    }

    /// A line behind all others.
    pub fn add(&mut self, id: HeaderId, value: &[u8]) -> &mut Self {
        for part in [id.name().as_bytes(), b": ", value, b"\r\n"] {
            self.append.extend_from_slice(part);
        }
        self
    }

    /// The message with its changes, lossless in everything else.
    #[must_use]
    pub fn write(mut self) -> Bytes {
        self.list.sort_by_key(Edit::line);
        let buffer = &self.message.buffer;
        let mut out = Vec::with_capacity(buffer.len() + self.text.len() + self.append.len() + 64);
        let headers_at = usize::from(self.message.index.headers_at);
        match &self.start_line {
            Some(line) => out.extend_from_slice(line),
            None => out.extend_from_slice(&buffer[..headers_at]),
        }
        let headers_end = usize::from(self.message.index.body_at) - 2;
        let mut at = headers_at;
        for edit in &self.list {
            let start = self
                .message
                .index
                .lines
                .get(edit.line())
                .map_or(headers_end, |line| usize::from(line.name.start));
            if start > at {
                out.extend_from_slice(&buffer[at..start]);
                at = start;
            }
            let next = self
                .message
                .index
                .lines
                .get(edit.line() + 1)
                .map_or(headers_end, |line| usize::from(line.name.start));
            match edit {
                Edit::Before(_, range) => out.extend_from_slice(&self.text[range.clone()]),
                Edit::Replace(_, range) => {
                    out.extend_from_slice(&self.text[range.clone()]);
                    at = at.max(next);
                }
                Edit::Remove(_) => at = at.max(next),
            }
        }
        out.extend_from_slice(&buffer[at..headers_end]);
        out.extend_from_slice(&self.append);
        out.extend_from_slice(&buffer[headers_end..]);
        Bytes::from(out)
    }
}
