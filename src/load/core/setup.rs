//! What all messages of a run have in common, written once.

use core::net::SocketAddr;

use super::super::plan::{Filling, HeaderLine, Numbers, Plan, decimal};
use super::out::{End, Id};
use super::read::{Line, Read, lines, param};
use crate::base::limits::MAX_FORWARDS_INITIAL;
use crate::sip::auth::{Account, Request, choose_challenge, respond};
use crate::sip::message::status::reason_phrase;
use crate::sip::message::{HeaderId, Method};

/// A plan with the addresses that it got, and the texts that follow from them.
#[derive(Debug)]
pub struct Setup {
    /// The plan.
    pub plan: Plan,
    /// Tells one run from another at the same address.
    pub run: u32,
    /// Host of From, To and request URIs.
    pub domain: String,
    calling: Place,
    answering: Option<Place>,
    /// Header lines that the plan adds, with their ends.
    pub headers: Vec<u8>,
    /// The same inside the caller's dialogs.
    pub dialog_headers: Vec<u8>,
    sdp: Vec<u8>,
}

#[derive(Debug)]
struct Place {
    /// Via up to the branch.
    via: Vec<u8>,
    /// Contact from the `@` on, without the end of the line.
    contact: Vec<u8>,
}

impl Place {
    fn new(plan: &Plan, at: SocketAddr) -> Self {
        let transport = plan.transport;
        Self {
            via: format!("Via: SIP/2.0/{} {at};branch=", transport.via_name()).into_bytes(),
            contact: format!("@{at};transport={transport}>").into_bytes(),
        }
    }
}

/// Credentials for a request, from a challenge.
#[derive(Debug)]
pub struct Credentials {
    header: HeaderId,
    value: String,
    /// The password was right and the nonce too old: RFC 7616 3.3.
    pub stale: bool,
}

impl Credentials {
    /// Writes the header line.
    pub fn write(&self, out: &mut Vec<u8>) {
        put(out, &[self.header.name().as_bytes(), b": ", self.value.as_bytes(), b"\r\n"]);
    }
}

/// Writes texts one behind the other.
pub fn put(out: &mut Vec<u8>, texts: &[&[u8]]) {
    for text in texts {
        out.extend_from_slice(text);
    }
}

impl Setup {
    /// The texts of a plan; `calling` and `answering` are the addresses of its sockets.
    #[must_use]
    pub fn new(plan: Plan, run: u32, calling: SocketAddr, answering: Option<SocketAddr>) -> Self {
        let target = plan.targets.first().copied().unwrap_or(calling);
        let domain = plan.domain.clone().unwrap_or_else(|| match target {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(address) => format!("[{}]", address.ip()),
        });
        let (family, ip) = (if calling.is_ipv4() { "IP4" } else { "IP6" }, calling.ip());
        let sdp = format!(
            "v=0\r\no=- 0 0 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
             m=audio 6000 RTP/AVP 8 0\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
        );
        let joined = |lines: &[HeaderLine]| {
            lines.iter().flat_map(|line| [line.as_str(), "\r\n"]).collect::<String>().into_bytes()
        };
        Self {
            run,
            domain,
            headers: joined(&plan.headers),
            dialog_headers: joined(&plan.dialog_headers),
            calling: Place::new(&plan, calling),
            answering: answering.map(|at| Place::new(&plan, at)),
            sdp: sdp.into_bytes(),
            plan,
        }
    }

    fn place(&self, end: End) -> &Place {
        match (end, &self.answering) {
            (End::Answering, Some(place)) => place,
            (End::Answering, None) | (End::Calling, _) => &self.calling,
        }
    }

    /// What the placeholders of a template stand for.
    #[must_use]
    pub fn filling(&self, index: u64, target: SocketAddr) -> Filling<'_> {
        Filling { number: (&self.plan.numbers, index), domain: &self.domain, target }
    }

    /// Via and Max-Forwards. `rport` as in RFC 3581.
    pub fn via(&self, end: End, id: Id, step: u8, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.place(end).via);
        id.write_branch(self.run, step, out);
        out.extend_from_slice(b";rport\r\nMax-Forwards: ");
        decimal(MAX_FORWARDS_INITIAL.into(), 1, out);
        out.extend_from_slice(b"\r\n");
    }

    /// `<sip:NUMBER@DOMAIN>` behind a header name.
    pub fn address(&self, name: &[u8], numbers: &Numbers, index: u64, out: &mut Vec<u8>) {
        put(out, &[name, b"<sip:"]);
        numbers.write(index, out);
        put(out, &[b"@", self.domain.as_bytes(), b">"]);
    }

    /// Call-ID and CSeq.
    pub fn call_id(&self, id: Id, cseq: u32, method: Method, out: &mut Vec<u8>) {
        out.extend_from_slice(b"Call-ID: ");
        id.write(self.run, out);
        out.extend_from_slice(b"\r\n");
        sequence(cseq, method, out);
    }

    /// Contact with a user of a list, without the end of the line.
    pub fn contact(&self, end: End, numbers: &Numbers, index: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(b"Contact: <sip:");
        numbers.write(index, out);
        out.extend_from_slice(&self.place(end).contact);
    }

    /// The end of a message with a session description.
    pub fn body(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"Content-Type: application/sdp\r\nContent-Length: ");
        decimal(self.sdp.len() as u64, 1, out);
        put(out, &[b"\r\n\r\n", &self.sdp]);
    }

    /// Credentials for the request `method uri` of a number, if the answer holds a challenge that the plan has a
    /// password for.
    #[must_use]
    pub fn credentials(
        &self,
        read: &Read<'_>,
        number: (&Numbers, u64),
        target: SocketAddr,
        (method, uri): (Method, &[u8]),
    ) -> Option<Credentials> {
        let template = self.plan.password.as_ref()?;
        let (asks, header) = match read.status {
            401 => (HeaderId::WwwAuthenticate, HeaderId::Authorization),
            407 => (HeaderId::ProxyAuthenticate, HeaderId::ProxyAuthorization),
            _ => return None,
        };
        let asking = lines(read.head).filter(|line| line.id == asks).map(|line| line.value);
        let challenge = choose_challenge(asking)?;
        let mut password = Vec::new();
        template.write(Filling { number, ..self.filling(0, target) }, &mut password);
        let (username, password) = (number.0.text(number.1), String::from_utf8_lossy(&password));
        let account = Account { username: &username, password: &password };
        let request = Request { method: method.as_str(), uri, body: b"" };
        let cnonce = String::from_utf8_lossy(read.call_id);
        let value = respond(&challenge, &account, &request, 1, &cnonce);
        Some(Credentials { header, value, stale: challenge.stale })
    }
}

/// CSeq.
pub fn sequence(cseq: u32, method: Method, out: &mut Vec<u8>) {
    out.extend_from_slice(b"CSeq: ");
    decimal(cseq.into(), 1, out);
    put(out, &[b" ", method.as_str().as_bytes(), b"\r\n"]);
}

/// The headers of a request that every response to it repeats (RFC 3261 8.2.6.2, 12.1.1). To comes last and without the
/// end of its line, so that a tag can follow. The first Via tells where the request came from (18.2.1, RFC 3581 4).
pub fn echo(read: &Read<'_>, from: SocketAddr, out: &mut Vec<u8>) {
    let mut is_first = true;
    for line in lines(read.head) {
        if line.id == HeaderId::Via && is_first {
            is_first = false;
            seen_via(&line, from, out);
        } else if matches!(
            line.id,
            HeaderId::Via
                | HeaderId::RecordRoute
                | HeaderId::From
                | HeaderId::CallId
                | HeaderId::CSeq
        ) {
            out.extend_from_slice(line.whole);
        }
    }
    put(out, &[b"To: ", read.to]);
}

fn seen_via(line: &Line<'_>, from: SocketAddr, out: &mut Vec<u8>) {
    let value = line.value;
    let end = memchr::memchr(b',', value).unwrap_or(value.len());
    let (first, others) = value.split_at(end);
    let wants = memchr::memmem::find(first, b";rport").map(|at| at + b";rport".len());
    let bare = wants.filter(|&at| first.get(at) != Some(&b'='));
    let Some(at) = bare else { return out.extend_from_slice(line.whole) };
    put(out, &[b"Via: ", &first[..at], b"="]);
    decimal(from.port().into(), 1, out);
    out.extend_from_slice(&first[at..]);
    if param(first, b";received=").is_none() {
        put(out, &[b";received=", from.ip().to_string().as_bytes()]);
    }
    put(out, &[others, b"\r\n"]);
}

/// Start line, the echoed headers and the tag of our side, if the response gives one.
pub fn response(status: u16, echo: &[u8], tag: Option<(Id, u32)>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"SIP/2.0 ");
    decimal(status.into(), 3, out);
    put(out, &[b" ", reason_phrase(status).as_bytes(), b"\r\n", echo]);
    if let Some((id, run)) = tag {
        out.extend_from_slice(b";tag=");
        id.write(run, out);
    }
    out.extend_from_slice(b"\r\n");
}

/// The end of a message without a body.
pub const NO_BODY: &[u8] = b"Content-Length: 0\r\n\r\n";
