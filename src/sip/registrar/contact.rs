//! Comparison of contact URIs, RFC 3261 19.1.4, as equality of a normal form.
//!
//! A store needs an equality that is transitive; that of 19.1.4 is not (a
//! parameter that only one side has is ignored there). So the normal form keeps
//! every URI parameter, and supplies the default port and transport, which 19.1.4
//! counts as different from stating them: phones vary in what they state from one
//! REGISTER to the next and mean the same socket.

use super::CONTACT_URI_BYTES_MAX;
use crate::base::flow::Protocol;

/// The normal form of a contact URI; `None` for what is not a URI.
///
/// `sip` and `sips`: scheme, host and parameters in lower case, user and password
/// as written save that escapes of unreserved characters are undone, port always
/// stated, `transport` stated unless it is the scheme's default (UDP, or TCP for
/// `sips`), parameters sorted. Other schemes: scheme in lower case, the rest
/// verbatim.
#[must_use]
pub fn contact_key(uri: &str) -> Option<String> {
    let legal = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'"');
    if uri.len() > CONTACT_URI_BYTES_MAX || !uri.bytes().all(legal) {
        return None;
    }
    let (scheme, rest) = uri.split_once(':')?;
    let scheme_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    if rest.is_empty()
        || !scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        || !scheme.bytes().all(scheme_legal)
    {
        return None;
    }
    let scheme = scheme.to_ascii_lowercase();
    match scheme.as_str() {
        "sip" => sip_key(&scheme, rest, "udp"),
        "sips" => sip_key(&scheme, rest, "tcp"),
        _ => Some(format!("{scheme}:{rest}")),
    }
}

fn sip_key(scheme: &str, rest: &str, transport_default: &str) -> Option<String> {
    let (user, rest) = match rest.split_once('@') {
        Some(("", _)) => return None,
        Some((user, rest)) => (Some(user), rest),
        None => (None, rest),
    };
    let (rest, headers) = match rest.split_once('?') {
        Some((rest, headers)) => (rest, Some(headers)),
        None => (rest, None),
    };
    let mut parts = rest.split(';');
    let (host, port) = host_and_port(parts.next()?)?;
    let mut parameters = Vec::new();
    let mut transport = transport_default.to_owned();
    for part in parts {
        let part = part.to_ascii_lowercase();
        match part.strip_prefix("transport=") {
            Some(name) => name.clone_into(&mut transport),
            None if part.is_empty() || part.starts_with('=') => return None,
            None => parameters.push(part),
        }
    }
    let port_default = match (scheme, transport.as_str()) {
        ("sips", "ws" | "wss") | (_, "wss") => Protocol::Wss,
        (_, "ws") => Protocol::Ws,
        ("sips", _) | (_, "tls") => Protocol::Tls,
        (_, _) => Protocol::Udp,
    }
    .default_port();
    if transport != transport_default {
        parameters.push(format!("transport={transport}"));
    }
    parameters.sort_unstable();
    let mut key = format!("{scheme}:");
    if let Some(user) = user {
        push_unescaped(user, &mut key)?;
        key.push('@');
    }
    key.push_str(&host);
    key.push(':');
    key.push_str(&port.unwrap_or(port_default).to_string());
    for parameter in &parameters {
        key.push(';');
        key.push_str(parameter);
    }
    if let Some(headers) = headers {
        key.push('?');
        key.push_str(headers);
    }
    Some(key)
}

/// Host in lower case, an IPv6 reference in its brackets, and the port if stated.
fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = if text.starts_with('[') {
        let end = text.find(']')?;
        let (host, rest) = text.split_at(end + 1);
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => return None,
        }
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let host_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
    if host.is_empty() || !host.bytes().all(host_legal) {
        return None;
    }
    let port = match port {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().ok()?)
        }
        Some(_) => return None,
        None => None,
    };
    Some((host.to_ascii_lowercase(), port))
}

/// Undoes the escapes of unreserved characters, which 19.1.4 counts as equal to
/// the characters, and writes the others in upper case.
fn push_unescaped(text: &str, key: &mut String) -> Option<()> {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        key.push_str(before);
        let digits = after.get(..2)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let byte = u8::from_str_radix(digits, 16).ok()?;
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            key.push(char::from(byte));
        } else {
            key.push('%');
            key.push_str(&digits.to_ascii_uppercase());
        }
        rest = after.get(2..)?;
    }
    key.push_str(rest);
    Some(())
}
