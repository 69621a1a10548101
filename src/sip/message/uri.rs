//! URIs (RFC 3261 19.1), read where they stand.

use super::text::{Params, decimal, unescape};
use crate::base::flow::Protocol;
use core::net::IpAddr;

/// What kind of URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:` (RFC 3966).
    Tel,
    /// Any other.
    Other,
}

/// The parts of a URI, as slices of the text. For `tel:` and other schemes
/// everything behind the colon up to the first parameter is `user`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uri<'a> {
    /// Scheme.
    pub scheme: Scheme,
    /// User part without password, escaped as on the wire; empty if there is none.
    pub user: &'a [u8],
    /// Host without brackets.
    pub host: &'a [u8],
    /// Port, if given.
    pub port: Option<u16>,
    /// Parameters, starting with `;`, or empty.
    pub params: &'a [u8],
    /// Headers, starting with `?`, or empty.
    pub headers: &'a [u8],
}

/// Why a text is no URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// No scheme and colon.
    #[error("no scheme")]
    Scheme,
    /// White space, brackets or control characters inside.
    #[error("a character that no URI holds")]
    Character,
    /// No host, or one that is none.
    #[error("bad host")]
    Host,
    /// A port outside 1 to 65535.
    #[error("bad port")]
    Port,
}

impl<'a> Uri<'a> {
    /// Takes the text apart.
    ///
    /// # Errors
    /// When the text is not a URI that SIP can carry.
    pub fn parse(text: &'a [u8]) -> Result<Self, UriError> {
        // All bytes in any case: a loop without an early end is one for vectors.
        let is_bad = |byte: u8| byte <= b' ' || byte == b'<' || byte == b'>' || byte == 0x7f;
        if text.iter().fold(false, |found, &byte| found | is_bad(byte)) {
            return Err(UriError::Character);
        }
        let starts = |scheme: &[u8]| {
            text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        };
        let (scheme, rest) = if starts(b"sip:") {
            (Scheme::Sip, &text[4..])
        } else if starts(b"sips:") {
            (Scheme::Sips, &text[5..])
        } else {
            return Self::parse_opaque(text);
        };
        let (user, rest) = match memchr::memchr(b'@', rest) {
            Some(at) => {
                let user = &rest[..at];
                let end = memchr::memchr(b':', user).unwrap_or(user.len());
                if end == 0 {
                    return Err(UriError::Character);
                }
                (&user[..end], &rest[at + 1..])
            }
            None => (&b""[..], rest),
        };
        let (host, port, rest) = take_hostport(rest)?;
        let (params, headers) = match rest.first() {
            Some(b';') => rest.split_at(memchr::memchr(b'?', rest).unwrap_or(rest.len())),
            Some(b'?') => (&b""[..], rest),
            Some(_) => return Err(UriError::Host),
            None => (&b""[..], &b""[..]),
        };
        Ok(Self { scheme, user, host, port, params, headers })
    }

    /// A URI of which no more is read than its scheme and parameters.
    fn parse_opaque(text: &'a [u8]) -> Result<Self, UriError> {
        let colon = memchr::memchr(b':', text).ok_or(UriError::Scheme)?;
        let (scheme, rest) = (&text[..colon], &text[colon + 1..]);
        if !scheme.first().is_some_and(u8::is_ascii_alphabetic)
            || !scheme.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        {
            return Err(UriError::Scheme);
        }
        if rest.is_empty() {
            return Err(UriError::Host);
        }
        let (user, params, headers) = split_params(rest);
        let tel = scheme.eq_ignore_ascii_case(b"tel");
        if tel && user.is_empty() {
            return Err(UriError::Host);
        }
        let scheme = if tel { Scheme::Tel } else { Scheme::Other };
        Ok(Self { scheme, user, host: b"", port: None, params, headers })
    }

    /// The user part decoded, as a name of a DN. Parameters inside the user part
    /// (`+1234;phone-context=x@host`) do not belong to the number.
    #[must_use]
    pub fn user_name(&self) -> String {
        let end = memchr::memchr(b';', self.user).unwrap_or(self.user.len());
        String::from_utf8_lossy(&unescape(&self.user[..end])).into_owned()
    }

    /// The value of a URI parameter.
    #[must_use]
    pub fn param(&self, name: &[u8]) -> Option<&'a [u8]> {
        Params::new(self.params).get(name)
    }

    /// The host as text.
    #[must_use]
    pub fn host_str(&self) -> &'a str {
        core::str::from_utf8(self.host).unwrap_or_default()
    }

    /// The host as an address, if it is one.
    #[must_use]
    pub fn host_ip(&self) -> Option<IpAddr> {
        self.host_str().parse().ok()
    }

    /// The protocol that `transport=` asks for; `None` if it names one that is
    /// not spoken here, UDP when it is absent (RFC 3263 4.1 for numeric hosts). Under
    /// `sips` each is the one with TLS (RFC 3261 19.1.2, RFC 7118 5.4), TLS when it is absent.
    #[must_use]
    pub fn protocol(&self) -> Option<Protocol> {
        let named = self.param(b"transport").map(Protocol::from_name);
        match (self.scheme, named) {
            (_, Some(None)) | (Scheme::Sips, Some(Some(Protocol::Udp))) => None,
            (Scheme::Sips, Some(Some(Protocol::Tcp | Protocol::Tls)) | None) => Some(Protocol::Tls),
            (Scheme::Sips, Some(Some(Protocol::Ws | Protocol::Wss))) => Some(Protocol::Wss),
            (Scheme::Sip | Scheme::Tel | Scheme::Other, named) => {
                named.unwrap_or(Some(Protocol::Udp))
            }
        }
    }

    /// The port, that of the protocol when none is given (RFC 3261 19.1.2).
    #[must_use]
    pub fn port_or_default(&self) -> u16 {
        let by_scheme = match self.scheme {
            Scheme::Sips => Protocol::Tls,
            Scheme::Sip | Scheme::Tel | Scheme::Other => Protocol::Udp,
        };
        let port = || self.protocol().unwrap_or(by_scheme).default_port();
        self.port.unwrap_or_else(port)
    }
}

fn split_params(rest: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let question = memchr::memchr(b'?', rest).unwrap_or(rest.len());
    let (rest, headers) = rest.split_at(question);
    let semicolon = memchr::memchr(b';', rest).unwrap_or(rest.len());
    let (main, params) = rest.split_at(semicolon);
    (main, params, headers)
}

/// Bytes of a host name or an IPv4 address; domains of the field have underscores.
const HOST_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < table.len() {
        let byte = at as u8;
        table[at] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        at += 1;
    }
    table
};

/// Reads `host[:port]`, with brackets around IPv6 references.
///
/// # Errors
/// When the host is empty or holds what no host holds, or the port is bad.
pub fn parse_hostport(text: &[u8]) -> Result<(&[u8], Option<u16>), UriError> {
    match take_hostport(text)? {
        (host, port, b"") => Ok((host, port)),
        (_, None, _) => Err(UriError::Host),
        (_, Some(_), _) => Err(UriError::Port),
    }
}

/// Host, port, and what follows them.
type HostPort<'a> = (&'a [u8], Option<u16>, &'a [u8]);

/// Reads `host[:port]` up to what follows it: the end, parameters or headers.
fn take_hostport(text: &[u8]) -> Result<HostPort<'_>, UriError> {
    let (host, rest) = if let Some(inner) = text.strip_prefix(b"[") {
        let end = memchr::memchr(b']', inner).ok_or(UriError::Host)?;
        let host = &inner[..end];
        if !host.iter().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(byte)) {
            return Err(UriError::Host);
        }
        (host, &inner[end + 1..])
    } else {
        let is_end = |&byte: &u8| !HOST_BYTES[usize::from(byte)];
        text.split_at(text.iter().position(is_end).unwrap_or(text.len()))
    };
    if host.is_empty() {
        return Err(UriError::Host);
    }
    let Some(digits) = rest.strip_prefix(b":") else {
        return Ok((host, None, rest));
    };
    let is_end = |&byte: &u8| byte == b';' || byte == b'?';
    let (digits, rest) = digits.split_at(digits.iter().position(is_end).unwrap_or(digits.len()));
    let port = decimal(digits).and_then(|port| u16::try_from(port).ok()).filter(|&port| port != 0);
    Ok((host, Some(port.ok_or(UriError::Port)?), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_sip_uri() {
        let uri =
            Uri::parse(b"sip:alice:secret@[2001:db8::10]:5070;transport=TCP;lr?x=y").expect("good");
        assert_eq!(uri.user, b"alice");
        assert_eq!(uri.host, b"2001:db8::10");
        assert_eq!(uri.port, Some(5070));
        assert_eq!(uri.protocol(), Some(Protocol::Tcp));
        assert_eq!(uri.param(b"LR"), Some(&b""[..]));
        assert_eq!(uri.headers, b"?x=y");
    }

    #[test]
    fn users_with_parameters_and_escapes() {
        let uri = Uri::parse(b"sip:user;par=u%40example.net@example.com").expect("good");
        assert_eq!(uri.user, b"user;par=u%40example.net");
        assert_eq!(uri.user_name(), "user");
        let uri = Uri::parse(b"sip:%37001@example.com").expect("good");
        assert_eq!(uri.user_name(), "7001");
        assert_eq!(uri.port_or_default(), 5060);
    }

    #[test]
    fn tel_and_foreign_schemes() {
        let uri = Uri::parse(b"tel:+7-495-1;phone-context=x").expect("good");
        assert_eq!((uri.scheme, uri.user), (Scheme::Tel, &b"+7-495-1"[..]));
        assert_eq!(Uri::parse(b"urn:service:sos").expect("good").scheme, Scheme::Other);
    }

    #[test]
    fn what_is_no_uri() {
        for (text, error) in [
            (&b"7001"[..], UriError::Scheme),
            (b"sip:", UriError::Host),
            (b"sip:@h", UriError::Character),
            (b"sip:a b@h", UriError::Character),
            (b"sip:a@<h>", UriError::Character),
            (b"sip:a@h:0", UriError::Port),
            (b"sip:a@h:65536", UriError::Port),
            (b"sip:a@h:50x", UriError::Port),
            (b"sip:a@[::1", UriError::Host),
            (b"sip:a@h/", UriError::Host),
            (b"tel:", UriError::Host),
            (b"?sip:a@h", UriError::Scheme),
        ] {
            assert_eq!(Uri::parse(text), Err(error), "{}", String::from_utf8_lossy(text));
        }
    }
}
