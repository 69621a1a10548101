//! The small pieces of SIP's grammar (RFC 3261 25.1): tokens, quoted strings,
//! comma-separated values, parameters.

/// Whether a byte may stand in a token.
#[must_use]
pub const fn is_token_byte(byte: u8) -> bool {
    TOKEN_BYTES[byte as usize]
}

const TOKEN_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < table.len() {
        let byte = at as u8;
        let other =
            matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
        table[at] = byte.is_ascii_alphanumeric() || other;
        at += 1;
    }
    table
};

/// How many bytes of a token a text starts with.
#[must_use]
pub fn token_len(text: &[u8]) -> usize {
    text.iter().position(|&byte| !is_token_byte(byte)).unwrap_or(text.len())
}

/// Whether all of a non-empty text is a token.
#[must_use]
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| is_token_byte(byte))
}

/// Without white space at both ends.
#[must_use]
pub fn trim(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

/// A number of decimal digits, `None` when empty, too large or with anything else in it.
#[must_use]
pub fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 19 {
        return None;
    }
    text.iter().try_fold(0_u64, |value, &byte| {
        byte.is_ascii_digit().then(|| value * 10 + u64::from(byte - b'0'))
    })
}

/// The end of a quoted string that starts at `text[0] == '"'`: the index behind
/// the closing quote.
#[must_use]
pub fn quoted_end(text: &[u8]) -> Option<usize> {
    let mut index = 1;
    while index < text.len() {
        match text[index] {
            b'\\' => index += 2,
            b'"' => return Some(index + 1),
            _ => index += 1,
        }
    }
    None
}

/// The first position of `stop` outside quoted strings and angle brackets.
#[must_use]
pub fn find_outside(text: &[u8], stop: u8) -> Option<usize> {
    let mut at = 0;
    loop {
        let found = at + memchr::memchr3(stop, b'"', b'<', text.get(at..)?)?;
        at = match text[found] {
            byte if byte == stop => return Some(found),
            b'"' => found + quoted_end(&text[found..])?,
            // What stands in angle brackets is a URI, where a quote means nothing.
            _ => found + memchr::memchr(b'>', &text[found..])?,
        };
    }
}

/// Splits a header value at commas outside quotes and angle brackets. Empty
/// values (`a,,b`) are given as empty slices.
#[derive(Clone, Debug)]
pub struct Values<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Values<'a> {
    /// The values of one header line.
    #[must_use]
    pub const fn new(line: &'a [u8]) -> Self {
        Self { rest: Some(line) }
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        match find_outside(rest, b',') {
            Some(comma) => {
                self.rest = Some(&rest[comma + 1..]);
                Some(trim(&rest[..comma]))
            }
            None => {
                self.rest = None;
                Some(trim(rest))
            }
        }
    }
}

/// `;name=value` parameters. The value keeps its quotes; a parameter without a
/// value gives `None`.
#[derive(Clone, Debug)]
pub struct Params<'a> {
    rest: &'a [u8],
}

impl<'a> Params<'a> {
    /// Parameters of a text that is empty or starts with `;`.
    #[must_use]
    pub const fn new(text: &'a [u8]) -> Self {
        Self { rest: text }
    }

    /// The value of a parameter (empty if it has none), `None` if it is not there.
    #[must_use]
    pub fn get(self, name: &[u8]) -> Option<&'a [u8]> {
        self.into_iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.unwrap_or_default())
    }
}

impl<'a> Iterator for Params<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        // It is mostly the first byte.
        let semicolon = self.rest.iter().position(|&byte| byte == b';')?;
        let start = &self.rest[semicolon + 1..];
        let end = find_outside(start, b';').unwrap_or(start.len());
        let param = &start[..end];
        self.rest = &start[end..];
        match memchr::memchr(b'=', param) {
            Some(equals) => Some((trim(&param[..equals]), Some(trim(&param[equals + 1..])))),
            None => Some((trim(param), None)),
        }
    }
}

/// A quoted string without its quotes and escapes, any other text as it is.
#[must_use]
pub fn unquote(text: &[u8]) -> Vec<u8> {
    let Some(inner) = text.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else {
        return text.to_vec();
    };
    let mut plain = Vec::with_capacity(inner.len());
    let mut escaped = false;
    for &byte in inner {
        if byte == b'\\' && !escaped {
            escaped = true;
        } else {
            plain.push(byte);
            escaped = false;
        }
    }
    plain
}

/// Percent escapes decoded once (RFC 3261 19.1.2); a broken escape stays.
#[must_use]
pub fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut index = 0;
    while index < text.len() {
        let pair = text.get(index + 1..index + 3).and_then(hex_pair);
        match (text[index], pair) {
            (b'%', Some(byte)) => {
                plain.push(byte);
                index += 3;
            }
            (byte, _) => {
                plain.push(byte);
                index += 1;
            }
        }
    }
    plain
}

fn hex_pair(pair: &[u8]) -> Option<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16);
    let value = digit(*pair.first()?)? * 16 + digit(*pair.get(1)?)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commas_inside_quotes_and_brackets_do_not_split() {
        let line = br#""Bell, A\"x," <sip:a,b@c>;q=1 , <sip:d>"#;
        let values: Vec<_> = Values::new(line).collect();
        assert_eq!(values, [&br#""Bell, A\"x," <sip:a,b@c>;q=1"#[..], b"<sip:d>"]);
    }

    #[test]
    fn parameters_keep_quotes_and_order() {
        let params: Vec<_> = Params::new(br#" ;a=1; b ;c="x;y" "#).collect();
        assert_eq!(
            params,
            [(&b"a"[..], Some(&b"1"[..])), (b"b", None), (b"c", Some(br#""x;y""#)),]
        );
        assert_eq!(Params::new(b";LR").get(b"lr"), Some(&b""[..]));
        assert_eq!(Params::new(b";lrx").get(b"lr"), None);
    }

    #[test]
    fn broken_quotes_and_escapes_do_not_run_away() {
        assert_eq!(quoted_end(br#""abc"#), None);
        assert_eq!(quoted_end(br#""abc\"#), None);
        assert_eq!(find_outside(br#""a,b"#, b','), None);
        assert_eq!(unescape(b"%41%4"), b"A%4");
        assert_eq!(unescape(b"value%2541"), b"value%41");
        assert_eq!(unquote(br#""a\"b""#), br#"a"b"#);
    }

    #[test]
    fn decimals_are_digits_only() {
        assert_eq!(decimal(b"0042"), Some(42));
        assert_eq!(decimal(b"+1"), None);
        assert_eq!(decimal(b""), None);
        assert_eq!(decimal(b"99999999999999999999"), None);
    }

    /// [`find_outside`] as its documentation has it, a byte at a time.
    fn find_slowly(text: &[u8], stop: u8) -> Option<usize> {
        let (mut quoted, mut escaped, mut in_angle) = (false, false, false);
        for (at, &byte) in text.iter().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' if !in_angle => quoted = !quoted,
                _ if quoted => {}
                b'>' => in_angle = false,
                b'<' => in_angle = true,
                _ if byte == stop && !in_angle => return Some(at),
                _ => {}
            }
        }
        None
    }

    proptest! {
        #[test]
        fn a_stop_is_found_outside_quotes_and_brackets_alone(text in r#"[a,;"<>\\]{0,40}"#) {
            for stop in [b',', b';'] {
                prop_assert_eq!(
                    find_outside(text.as_bytes(), stop),
                    find_slowly(text.as_bytes(), stop)
                );
            }
        }
    }
}
