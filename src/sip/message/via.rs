//! One Via value (RFC 3261 20.42, RFC 3581).

use super::text::{Params, decimal, is_token, trim};
use super::uri::parse_hostport;
use crate::base::flow::{Flow, Protocol};
use crate::base::short;
use core::net::{IpAddr, SocketAddr};
use smallvec::SmallVec;

/// A Via as it was amended.
pub type Amended = SmallVec<[u8; 192]>;

/// A Via value, as slices of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Via<'a> {
    /// Transport token, such as `UDP`.
    pub transport: &'a [u8],
    /// Host of sent-by, without brackets.
    pub host: &'a [u8],
    /// Port of sent-by, if given.
    pub port: Option<u16>,
    /// sent-by as written.
    pub sent_by: &'a [u8],
    /// Parameters, starting with `;`, or empty.
    pub params: &'a [u8],
}

/// A Via value that does not follow the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad Via")]
pub struct ViaError;

impl<'a> Via<'a> {
    /// Takes the value apart.
    ///
    /// # Errors
    /// When it does not follow the grammar.
    pub fn parse(text: &'a [u8]) -> Result<Self, ViaError> {
        let slash = memchr::memchr(b'/', text).ok_or(ViaError)?;
        if !trim(&text[..slash]).eq_ignore_ascii_case(b"SIP") {
            return Err(ViaError);
        }
        let rest = &text[slash + 1..];
        let slash = memchr::memchr(b'/', rest).ok_or(ViaError)?;
        if trim(&rest[..slash]) != b"2.0" {
            return Err(ViaError);
        }
        let rest = rest[slash + 1..].trim_ascii_start();
        let end = rest.iter().position(u8::is_ascii_whitespace).ok_or(ViaError)?;
        let (transport, rest) = (&rest[..end], &rest[end..]);
        if !is_token(transport) {
            return Err(ViaError);
        }
        let end = memchr::memchr(b';', rest).unwrap_or(rest.len());
        let (sent_by, params) = (trim(&rest[..end]), &rest[end..]);
        let (host, port) = match parse_hostport(sent_by) {
            Ok(parts) => parts,
            Err(_) => parse_spaced_hostport(sent_by)?,
        };
        Ok(Self { transport, host, port, sent_by, params })
    }

    /// Transport protocol, if it is one spoken here.
    #[must_use]
    pub fn protocol(&self) -> Option<Protocol> {
        Protocol::from_name(self.transport)
    }

    /// The branch, empty if there is none.
    #[must_use]
    pub fn branch(&self) -> &'a [u8] {
        Params::new(self.params).get(b"branch").unwrap_or_default()
    }

    /// Whether the sender asks for the answer at its source port (RFC 3581 3).
    #[must_use]
    pub fn wants_rport(&self) -> bool {
        Params::new(self.params).get(b"rport").is_some()
    }

    /// The source port that we or another hop wrote down.
    #[must_use]
    pub fn rport(&self) -> Option<u16> {
        Params::new(self.params)
            .get(b"rport")
            .and_then(decimal)
            .and_then(|port| u16::try_from(port).ok())
    }

    /// The source address that we or another hop wrote down.
    #[must_use]
    pub fn received(&self) -> Option<IpAddr> {
        let text = Params::new(self.params).get(b"received")?;
        let text = text.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).unwrap_or(text);
        core::str::from_utf8(text).ok()?.parse().ok()
    }

    /// The host of sent-by as an address, if it is one.
    #[must_use]
    pub fn host_ip(&self) -> Option<IpAddr> {
        core::str::from_utf8(self.host).ok()?.parse().ok()
    }

    /// Port of sent-by, that of the protocol when none is given (RFC 3261 18.1.1).
    #[must_use]
    pub fn port_or_default(&self) -> u16 {
        let port = || self.protocol().unwrap_or(Protocol::Udp).default_port();
        self.port.unwrap_or_else(port)
    }

    /// Where a response goes if there is no flow for it (RFC 3261 18.2.2 as
    /// amended by RFC 3581 4): `received` with `rport`, or else sent-by.
    #[must_use]
    pub fn response_address(&self) -> Option<SocketAddr> {
        let host = self.received().or_else(|| self.host_ip())?;
        let port = match (self.received(), self.rport()) {
            (_, Some(port)) => port,
            (_, None) => self.port_or_default(),
        };
        Some(SocketAddr::new(host, port))
    }
}

/// The top Via of a request as whoever received it by that flow amends it
/// (RFC 3261 18.2.1, RFC 3581 4); `None` when it may stay. `original` is the text of `via`.
#[must_use]
pub fn amended_via(via: &Via<'_>, original: &[u8], flow: &Flow) -> Option<Amended> {
    let differs = via.host_ip() != Some(flow.remote.ip());
    let asks_rport = via.wants_rport();
    if !differs && (!asks_rport || via.rport().is_some()) {
        return None;
    }
    let mut text = Amended::new();
    for (index, part) in original.split(|&byte| byte == b';').enumerate() {
        let is_ours =
            index > 0 && [&b"received"[..], b"rport"].iter().any(|name| names(part, name));
        if is_ours {
            continue;
        }
        if index > 0 {
            text.push(b';');
        }
        text.extend_from_slice(part);
    }
    text.extend_from_slice(b";received=");
    text.extend_from_slice(&short::ip(flow.remote.ip()));
    if asks_rport {
        text.extend_from_slice(b";rport=");
        text.extend_from_slice(&short::decimal(flow.remote.port().into()));
    }
    Some(text)
}

/// Whether a parameter has that name.
fn names(param: &[u8], name: &[u8]) -> bool {
    let param = param.trim_ascii_start();
    param.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
        && matches!(param[name.len()..].trim_ascii_start().first(), None | Some(b'='))
}

/// `host : port` with white space around the colon, which the grammar allows.
fn parse_spaced_hostport(text: &[u8]) -> Result<(&[u8], Option<u16>), ViaError> {
    let colon = memchr::memrchr(b':', text).ok_or(ViaError)?;
    let (host, port) = (trim(&text[..colon]), trim(&text[colon + 1..]));
    let (host, inner) = parse_hostport(host).map_err(|_| ViaError)?;
    let port = decimal(port).and_then(|port| u16::try_from(port).ok()).filter(|&port| port != 0);
    if inner.is_some() || port.is_none() {
        return Err(ViaError);
    }
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_via() {
        let via = Via::parse(
            b"SIP / 2.0 / UDP  [2001:db8::9]:5062 ;branch=z9hG4bKx;rport;received=192.0.2.1",
        )
        .expect("good");
        assert_eq!(via.protocol(), Some(Protocol::Udp));
        assert_eq!((via.host, via.port), (&b"2001:db8::9"[..], Some(5062)));
        assert_eq!(via.branch(), b"z9hG4bKx");
        assert!(via.wants_rport());
        assert_eq!(via.rport(), None);
        assert_eq!(via.response_address(), "192.0.2.1:5062".parse().ok());
        let via =
            Via::parse(b"SIP/2.0/TCP h.example.com;rport=7;branch=z9hG4bK1;received=127.0.0.1")
                .expect("good");
        assert_eq!(via.response_address(), "127.0.0.1:7".parse().ok());
        let spaced = Via::parse(b"SIP/2.0/UDP host : 5070;branch=a").expect("good");
        assert_eq!(spaced.port, Some(5070));
    }

    #[test]
    fn what_is_no_via() {
        for text in [
            &b""[..],
            b"SIP/2.0/UDP",
            b"SIP/3.0/UDP h",
            b"HTTP/2.0/UDP h",
            b"SIP/2.0/UDP ;branch=x",
            b"SIP/2.0/UDP h:0",
            b"SIP/2.0/UDP h:99999",
            b"SIP/2.0/U{P h",
        ] {
            assert_eq!(Via::parse(text), Err(ViaError), "{}", String::from_utf8_lossy(text));
        }
    }
}
