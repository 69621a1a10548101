//! What of a message is looked at: one pass over the lines, views into the buffer.
//!
//! A generator shares its machine with what it measures, so it does not build the index of
//! [`crate::sip::message`]; a message with folded lines (RFC 3261 7.3.1) goes through that once to be unfolded.

use crate::sip::message::text::{decimal, trim};
use crate::sip::message::{HeaderId, Method};

/// Why bytes are not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No SIP message, or one without Via, Call-ID or CSeq.
    #[error("not a SIP message")]
    NotSip,
    /// A header line goes on in the next one.
    #[error("a line is folded")]
    Folded,
}

/// The parts of a message that a load generator needs.
#[derive(Clone, Copy, Debug)]
pub struct Read<'a> {
    /// Status code, zero for a request.
    pub status: u16,
    /// Method of the request, or that of CSeq.
    pub method: Method,
    /// First line of Via.
    pub via: &'a [u8],
    /// From as it stands.
    pub from: &'a [u8],
    /// To as it stands.
    pub to: &'a [u8],
    /// Call-ID.
    pub call_id: &'a [u8],
    /// First line of Contact, empty if there is none.
    pub contact: &'a [u8],
    /// Number of CSeq.
    pub cseq: u32,
    /// The header lines.
    pub head: &'a [u8],
}

impl<'a> Read<'a> {
    /// Where the first value of a header is kept.
    fn place(&mut self, id: HeaderId) -> Option<&mut &'a [u8]> {
        if id == HeaderId::Via {
            Some(&mut self.via)
        } else if id == HeaderId::From {
            Some(&mut self.from)
        } else if id == HeaderId::To {
            Some(&mut self.to)
        } else if id == HeaderId::CallId {
            Some(&mut self.call_id)
        } else {
            (id == HeaderId::Contact).then_some(&mut self.contact)
        }
    }
}

/// Reads one message.
///
/// # Errors
/// When it is none, or must be unfolded first.
pub fn read(bytes: &[u8]) -> Result<Read<'_>, ReadError> {
    let line_end = memchr::memchr(b'\n', bytes).ok_or(ReadError::NotSip)?;
    let (start, head) = bytes.split_at(line_end + 1);
    let (status, method) = match start.strip_prefix(b"SIP/2.0 ") {
        Some(rest) => {
            let code = rest.get(..3).and_then(decimal).and_then(|code| u16::try_from(code).ok());
            (code.filter(|code| (100..700).contains(code)).ok_or(ReadError::NotSip)?, None)
        }
        None => {
            let space = memchr::memchr(b' ', start).ok_or(ReadError::NotSip)?;
            (0, Some(Method::from_token(&start[..space])))
        }
    };
    let mut read = Read {
        status,
        method: method.unwrap_or(Method::Other),
        via: b"",
        from: b"",
        to: b"",
        call_id: b"",
        contact: b"",
        cseq: 0,
        head,
    };
    let mut has_cseq = false;
    for line in lines(head) {
        if matches!(line.whole.first(), Some(b' ' | b'\t')) {
            return Err(ReadError::Folded);
        }
        if line.id == HeaderId::CSeq {
            let (number, token) = cseq(line.value).ok_or(ReadError::NotSip)?;
            (read.cseq, has_cseq) = (number, true);
            read.method = method.unwrap_or(Method::from_token(token));
        } else if let Some(place) = read.place(line.id)
            && place.is_empty()
        {
            *place = line.value;
        }
    }
    let is_whole = has_cseq && !read.via.is_empty() && !read.call_id.is_empty();
    if is_whole { Ok(read) } else { Err(ReadError::NotSip) }
}

fn cseq(value: &[u8]) -> Option<(u32, &[u8])> {
    let space = memchr::memchr2(b' ', b'\t', value)?;
    let number = decimal(&value[..space]).and_then(|number| u32::try_from(number).ok())?;
    Some((number, trim(&value[space..])))
}

/// One header line.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Which header, [`HeaderId::Other`] for those that nobody here asks for.
    pub id: HeaderId,
    /// Name to line end.
    pub whole: &'a [u8],
    /// The value without white space around it.
    pub value: &'a [u8],
}

/// The header lines up to the empty one.
pub fn lines(head: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut rest = head;
    core::iter::from_fn(move || {
        let end = memchr::memchr(b'\n', rest)? + 1;
        let (whole, behind) = rest.split_at(end);
        if whole.len() <= 2 && trim(whole).is_empty() {
            return None;
        }
        rest = behind;
        let colon = memchr::memchr(b':', whole).unwrap_or(whole.len() - 1);
        let (name, value) = (whole[..colon].trim_ascii_end(), &whole[colon + 1..]);
        Some(Line { id: id(name), whole, value: trim(value) })
    })
}

/// The names that are looked for have these lengths; the others need no comparison.
fn id(name: &[u8]) -> HeaderId {
    match name.len() {
        1..=4 | 7 | 12 | 16 | 18 => HeaderId::from_name(name),
        _ => HeaderId::Other,
    }
}

/// The value of a parameter of a Via, From or To value, up to the next delimiter. `name` comes with `;` and `=`.
#[must_use]
pub fn param<'a>(value: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let at = memchr::memmem::find(value, name)? + name.len();
    let rest = &value[at..];
    let end = rest.iter().position(|byte| matches!(byte, b';' | b',' | b' ' | b'\t' | b'>'));
    Some(&rest[..end.unwrap_or(rest.len())])
}

/// The tag of a From or To value, empty if there is none. A `tag` inside the URI's brackets is not one.
#[must_use]
pub fn tag(value: &[u8]) -> &[u8] {
    let params = memchr::memrchr(b'>', value).map_or(value, |angle| &value[angle..]);
    param(params, b";tag=").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYE: &[u8] = b"BYE sip:a@192.0.2.1 SIP/2.0\r\nv: SIP/2.0/UDP h:1;branch=z9hG4bKx;rport\r\n\
        Via: SIP/2.0/UDP g;branch=z9hG4bKy\r\nf: <sip:b@h;tag=no>;tag=1\r\nTo: sip:a@h;tag=2;x=y\r\n\
        Call-ID : c@h\r\nCSeq: 7 BYE\r\nX: \r\nContent-Length: 3\r\n\r\na:b";

    #[test]
    fn a_request_and_its_parts() {
        let read = read(BYE).expect("good");
        assert_eq!((read.status, read.method, read.cseq), (0, Method::Bye, 7));
        assert_eq!(param(read.via, b";branch="), Some(&b"z9hG4bKx"[..]));
        assert_eq!((tag(read.from), tag(read.to)), (&b"1"[..], &b"2"[..]));
        assert_eq!((read.call_id, read.contact), (&b"c@h"[..], &b""[..]));
        assert_eq!(lines(read.head).count(), 8);
        assert_eq!(lines(read.head).filter(|line| line.id == HeaderId::Via).count(), 2);
    }

    #[test]
    fn a_response_has_the_method_of_its_cseq() {
        let text = b"SIP/2.0 486 Busy Here\nVia: x\nCall-ID: c\nCSeq: 2 INVITE\nTo: <sip:a@h>\n\n";
        let read = read(text).expect("good");
        assert_eq!((read.status, read.method), (486, Method::Invite));
        assert_eq!(tag(read.to), b"");
    }

    #[test]
    fn what_is_not_read() {
        let folded = b"SIP/2.0 200 OK\r\nVia: x\r\n ;branch=y\r\nCall-ID: c\r\nCSeq: 1 BYE\r\n\r\n";
        assert_eq!(read(folded).err(), Some(ReadError::Folded));
        for text in [
            &b""[..],
            b"\r\n\r\n",
            b"SIP/2.0 99 x\r\n\r\n",
            b"SIP/2.0 200 OK\r\nVia: x\r\nCall-ID: c\r\n\r\n",
            b"BYE x SIP/2.0\r\nVia: x\r\nCSeq: x BYE\r\nCall-ID: c\r\n\r\n",
            b"BYE x SIP/2.0\r\nCSeq: 1 BYE\r\nCall-ID: c\r\n\r\n",
        ] {
            assert_eq!(
                read(text).err(),
                Some(ReadError::NotSip),
                "{}",
                String::from_utf8_lossy(text)
            );
        }
    }
}
