//! What requests inside a dialog are made of (RFC 3261 12).

use core::net::SocketAddr;

use super::out::{End, Id, Kind};
use super::read::{Read, lines};
use super::setup::{Credentials, NO_BODY, Setup, put, sequence};
use crate::sip::message::text::{Values, trim};
use crate::sip::message::{HeaderId, Method, Uri};

/// One side of a dialog.
#[derive(Debug)]
pub struct Dialog {
    /// Where its requests go.
    pub hop: SocketAddr,
    /// The remote target, then the lines Route, From, To and Call-ID.
    text: Box<[u8]>,
    target_len: usize,
}

impl Dialog {
    /// The caller's side, from the 2xx. `from` is the From line as it was sent; without a Contact that can be read the
    /// requests go where the INVITE went.
    #[must_use]
    pub fn of_caller(read: &Read<'_>, from: &[u8], entry: SocketAddr, target: &[u8]) -> Self {
        let mut routes: Vec<&[u8]> = routes(read.head).collect();
        routes.reverse();
        let mut tail = Vec::with_capacity(256);
        put(&mut tail, &[from, b"To: ", read.to, b"\r\n"]);
        Self::new(read, target, entry, &routes, &tail)
    }

    /// The called side, from the INVITE and the tag that the answer to it gave.
    #[must_use]
    pub fn of_callee(read: &Read<'_>, source: SocketAddr, tag: &[u8]) -> Self {
        let routes: Vec<&[u8]> = routes(read.head).collect();
        let mut tail = Vec::with_capacity(256);
        put(&mut tail, &[b"From: ", read.to, b";tag=", tag, b"\r\nTo: ", read.from, b"\r\n"]);
        Self::new(read, uri(read.from), source, &routes, &tail)
    }

    fn new(
        read: &Read<'_>,
        fallback: &[u8],
        entry: SocketAddr,
        routes: &[&[u8]],
        tail: &[u8],
    ) -> Self {
        let target = if read.contact.is_empty() { fallback } else { uri(read.contact) };
        let next = routes.first().map_or(target, |route| uri(route));
        let mut text = Vec::with_capacity(512);
        text.extend_from_slice(target);
        for route in routes {
            put(&mut text, &[b"Route: ", route, b"\r\n"]);
        }
        put(&mut text, &[tail, b"Call-ID: ", read.call_id, b"\r\n"]);
        Self { hop: hop(next).unwrap_or(entry), target_len: target.len(), text: text.into() }
    }

    /// The remote target.
    #[must_use]
    pub fn target(&self) -> &[u8] {
        self.text.get(..self.target_len).unwrap_or_default()
    }

    /// Writes a request without a body.
    pub fn request(
        &self,
        setup: &Setup,
        end: End,
        (id, step): (Id, u8),
        (method, cseq): (Method, u32),
        credentials: Option<&Credentials>,
        out: &mut Vec<u8>,
    ) {
        put(out, &[method.as_str().as_bytes(), b" ", self.target(), b" SIP/2.0\r\n"]);
        setup.via(end, id, step, out);
        out.extend_from_slice(self.text.get(self.target_len..).unwrap_or_default());
        sequence(cseq, method, out);
        if id.kind == Kind::Caller {
            out.extend_from_slice(&setup.dialog_headers);
        }
        if let Some(credentials) = credentials {
            credentials.write(out);
        }
        out.extend_from_slice(NO_BODY);
    }
}

fn routes(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let recorded = lines(head).filter(|line| line.id == HeaderId::RecordRoute);
    recorded.flat_map(|line| Values::new(line.value)).filter(|value| !value.is_empty())
}

/// The URI of an address value: what stands in brackets, or what comes before the parameters.
fn uri(value: &[u8]) -> &[u8] {
    let inner = match memchr::memchr(b'<', value) {
        Some(angle) => value.get(angle + 1..).unwrap_or_default(),
        None => return trim(value.split(|&byte| byte == b';').next().unwrap_or_default()),
    };
    inner.split(|&byte| byte == b'>').next().unwrap_or_default()
}

/// Where a URI leads, if its host is an address: names are not looked up.
fn hop(uri: &[u8]) -> Option<SocketAddr> {
    let uri = Uri::parse(uri).ok()?;
    let host = core::str::from_utf8(uri.host).ok()?.parse().ok()?;
    Some(SocketAddr::new(host, uri.port.unwrap_or(5060)))
}
