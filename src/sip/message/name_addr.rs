//! `name-addr` and `addr-spec` with parameters: From, To, Contact, Route,
//! Record-Route, Refer-To (RFC 3261 20.10, 25.1).

use super::text::{Params, find_outside, is_token_byte, quoted_end, trim, unquote};
use super::uri::{Uri, UriError};

/// One address value, as slices of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameAddr<'a> {
    /// Display name as written, with quotes if it has them; may be empty.
    pub display: &'a [u8],
    /// URI without brackets.
    pub uri: &'a [u8],
    /// Header parameters, starting with `;`, or empty.
    pub params: &'a [u8],
}

/// Why a text is no address value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameAddrError {
    /// A quoted string without its end.
    #[error("a quoted string does not end")]
    Quote,
    /// Brackets that do not pair.
    #[error("angle brackets do not pair")]
    Bracket,
    /// Something else than parameters behind the address.
    #[error("text behind the address")]
    Trailer,
    /// A display name that is neither tokens nor quoted.
    #[error("bad display name")]
    Display,
    /// The URI.
    #[error("{0}")]
    Uri(#[from] UriError),
}

impl<'a> NameAddr<'a> {
    /// Takes the value apart and checks its URI.
    ///
    /// # Errors
    /// When it does not follow the grammar.
    pub fn parse(text: &'a [u8]) -> Result<Self, NameAddrError> {
        let text = trim(text);
        let (display, rest) = if text.first() == Some(&b'"') {
            let end = quoted_end(text).ok_or(NameAddrError::Quote)?;
            (&text[..end], trim(&text[end..]))
        } else {
            match memchr::memchr(b'<', text) {
                Some(angle) if !text[..angle].contains(&b';') => {
                    let display = trim(&text[..angle]);
                    let is_display_byte = |&byte: &u8| {
                        is_token_byte(byte) || byte == b' ' || byte == b'\t' || byte >= 0x80
                    };
                    if !display.iter().all(is_display_byte) {
                        return Err(NameAddrError::Display);
                    }
                    (display, &text[angle..])
                }
                _ => return Self::parse_addr_spec(text),
            }
        };
        let inner = rest.strip_prefix(b"<").ok_or(NameAddrError::Bracket)?;
        let end = memchr::memchr(b'>', inner).ok_or(NameAddrError::Bracket)?;
        let params = trim(&inner[end + 1..]);
        if !params.is_empty() && params[0] != b';' {
            return Err(NameAddrError::Trailer);
        }
        let uri = &inner[..end];
        Uri::parse(uri)?;
        check_quotes(params)?;
        Ok(Self { display, uri, params })
    }

    /// Without brackets everything behind the first `;` is a header parameter
    /// (RFC 3261 20.10).
    fn parse_addr_spec(text: &'a [u8]) -> Result<Self, NameAddrError> {
        let end = memchr::memchr(b';', text).unwrap_or(text.len());
        let uri = trim(&text[..end]);
        Uri::parse(uri)?;
        check_quotes(&text[end..])?;
        Ok(Self { display: b"", uri, params: &text[end..] })
    }

    /// The URI taken apart; it was checked when the value was parsed.
    ///
    /// # Errors
    /// When the value was put together by hand around a bad URI.
    pub fn parsed_uri(&self) -> Result<Uri<'a>, UriError> {
        Uri::parse(self.uri)
    }

    /// The value of a header parameter.
    #[must_use]
    pub fn param(&self, name: &[u8]) -> Option<&'a [u8]> {
        Params::new(self.params).get(name)
    }

    /// The tag, if there is one.
    #[must_use]
    pub fn tag(&self) -> Option<&'a [u8]> {
        self.param(b"tag").filter(|tag| !tag.is_empty())
    }

    /// The display name without quotes and escapes, if there is one.
    #[must_use]
    pub fn display_name(&self) -> Option<String> {
        if self.display.is_empty() {
            return None;
        }
        Some(String::from_utf8_lossy(&unquote(self.display)).into_owned())
    }
}

fn check_quotes(params: &[u8]) -> Result<(), NameAddrError> {
    if memchr::memchr2(b'"', b'>', params).is_none() {
        return Ok(());
    }
    let mut rest = params;
    while let Some(quote) = memchr::memchr(b'"', rest) {
        let end = quoted_end(&rest[quote..]).ok_or(NameAddrError::Quote)?;
        rest = &rest[quote + end..];
    }
    if find_outside(params, b'>').is_some() {
        return Err(NameAddrError::Bracket);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_shapes_of_an_address() {
        let value = NameAddr::parse(br#""A \"B\" <x>" <sip:a@b;lr>;tag=1;x="y;z""#).expect("good");
        assert_eq!(value.uri, b"sip:a@b;lr");
        assert_eq!(value.tag(), Some(&b"1"[..]));
        assert_eq!(value.display_name().as_deref(), Some(r#"A "B" <x>"#));
        let value = NameAddr::parse(b"sip:a@b;tag=2").expect("good");
        assert_eq!((value.uri, value.tag()), (&b"sip:a@b"[..], Some(&b"2"[..])));
        let value = NameAddr::parse(b"Bob Smith<tel:+1>").expect("good");
        assert_eq!((value.display, value.uri), (&b"Bob Smith"[..], &b"tel:+1"[..]));
    }

    #[test]
    fn what_is_no_address() {
        for (text, error) in [
            (&br#""Mr. J. User <sip:j@e>"#[..], NameAddrError::Quote),
            (b"<sip:a@b", NameAddrError::Bracket),
            (b"<sip:a@b> x", NameAddrError::Trailer),
            (b"A, B <sip:a@b>", NameAddrError::Display),
            (br#"<sip:a@b>;x="y"#, NameAddrError::Quote),
            (b"<sip:a@b>;x=1>", NameAddrError::Bracket),
            (b"\"x\" sip:a@b", NameAddrError::Bracket),
            (b"< sip:a@b>", NameAddrError::Uri(UriError::Character)),
            (b"", NameAddrError::Uri(UriError::Scheme)),
        ] {
            assert_eq!(NameAddr::parse(text), Err(error), "{}", String::from_utf8_lossy(text));
        }
    }
}
