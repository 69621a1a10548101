//! Messages as a phone writes them.

use super::call::Call;
use super::{Out, Phone};
use crate::sip::message::{HeaderId, Message};
use bytes::Bytes;
use core::fmt::Write as _;

/// A request that is to be written.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) cseq: u32,
    pub(super) branch: &'a str,
    /// Further header lines, each with its line end.
    pub(super) extra: String,
    pub(super) body: &'a str,
    pub(super) body_type: &'a str,
}

impl Phone {
    pub(super) fn new_branch(&mut self) -> String {
        format!("z9hG4bKp{:016x}", self.random.next_u64())
    }

    pub(super) fn contact(&self) -> String {
        let transport = if self.account.protocol.is_reliable() { ";transport=tcp" } else { "" };
        format!("<sip:{}@{}{transport}>", self.account.number, self.account.address)
    }

    pub(super) fn via(&self, branch: &str) -> String {
        let (address, name) = (self.account.address, self.account.protocol.via_name());
        format!("Via: SIP/2.0/{name} {address};branch={branch};rport\r\n")
    }

    /// A request of a call, with the place it goes to.
    pub(super) fn call_request(&self, call: &Call, request: &Request<'_>) -> Out {
        let mut text = format!("{} {} SIP/2.0\r\n", request.method, call.target);
        text.push_str(&self.via(request.branch));
        for route in &call.routes {
            let _ = write!(text, "Route: {route}\r\n");
        }
        let _ = write!(text, "Max-Forwards: 70\r\nFrom: {};tag={}\r\n", call.local, call.local_tag);
        if call.remote_tag.is_empty() {
            let _ = write!(text, "To: {}\r\n", call.remote);
        } else {
            let tag = String::from_utf8_lossy(&call.remote_tag);
            let _ = write!(text, "To: {};tag={tag}\r\n", call.remote);
        }
        let _ = write!(text, "Call-ID: {}\r\n", call.call_id);
        let _ = write!(text, "CSeq: {} {}\r\n", request.cseq, request.method);
        text.push_str(&request.extra);
        finish(&mut text, request.body_type, request.body);
        let (to, protocol) = self.next_hop(call);
        Out { to, protocol, bytes: Bytes::from(text) }
    }

    /// The header line that names this phone as the target of a dialog.
    pub(super) fn contact_line(&self) -> String {
        format!("Contact: {}\r\n", self.contact())
    }

    /// The methods that this phone takes in a call.
    pub(super) fn allow_line(&self, call: usize) -> String {
        let can = self.calls.get(call).map(|found| found.can).unwrap_or_default();
        let prack = if can.reliable { ", PRACK" } else { "" };
        let update = if can.update { ", UPDATE" } else { "" };
        format!("Allow: INVITE, ACK, CANCEL, BYE, INFO, MESSAGE{prack}{update}\r\n")
    }

    /// Contact, Allow and Supported of a response.
    pub(super) fn answer_lines(&self, call: usize) -> String {
        let can = self.calls.get(call).map(|found| found.can).unwrap_or_default();
        let tags = [("100rel", can.reliable), ("timer", can.timer.is_some())];
        let tags: Vec<&str> = tags.iter().filter(|(_, can)| *can).map(|(tag, _)| *tag).collect();
        let supported = if tags.is_empty() {
            String::new()
        } else {
            format!("Supported: {}\r\n", tags.join(", "))
        };
        format!("{}{}{supported}", self.contact_line(), self.allow_line(call))
    }

    /// The same for an INVITE or UPDATE, with what it says of the session.
    pub(super) fn request_lines(&self, call: usize) -> String {
        self.answer_lines(call) + &self.session_lines(call)
    }

    /// A description for the call in its present state; its version rises when it
    /// changes (RFC 3264 8).
    pub(super) fn describe(&mut self, call: usize) -> String {
        let address = self.account.address;
        let number = self.account.number.clone();
        let device = self.account.device;
        let Some(call) = self.calls.get_mut(call) else { return String::new() };
        let direction = if call.held { "sendonly" } else { "sendrecv" };
        let port = 20_000 + call.id * 2;
        let rest = format!(
            "s=call {}\r\nc=IN IP4 {}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n\
             a=rtpmap:101 telephone-event/8000\r\na=x-of-{number}{device}:  two  spaces, \u{e4}\u{a0} end \r\n\
             a={direction}\r\n",
            call.id,
            address.ip(),
        );
        if call.description != rest {
            call.description.clone_from(&rest);
            call.description_version += 1;
        }
        let version = call.description_version;
        format!("v=0\r\no={number} {} {version} IN IP4 {}\r\n{rest}", port * 7, address.ip())
    }
}

/// Length, type and body at the end of a message.
fn finish(text: &mut String, body_type: &str, body: &str) {
    if !body.is_empty() {
        let _ = write!(text, "Content-Type: {body_type}\r\n");
    }
    let _ = write!(text, "Content-Length: {}\r\n\r\n{body}", body.len());
}

/// A response to a request; `tag` goes to To if there is none.
pub(super) fn response(
    request: &Message,
    status: u16,
    tag: &str,
    extra: &str,
    body: &str,
) -> Bytes {
    let mut text = format!("SIP/2.0 {status} {}\r\n", phrase(status));
    let mut line = |id: HeaderId, value: &[u8], suffix: &str| {
        let _ = write!(text, "{}: {}{suffix}\r\n", id.name(), String::from_utf8_lossy(value));
    };
    for via in request.header_lines(HeaderId::Via) {
        line(HeaderId::Via, via, "");
    }
    if status > 100 {
        for route in request.header_lines(HeaderId::RecordRoute) {
            line(HeaderId::RecordRoute, route, "");
        }
    }
    for id in [HeaderId::From, HeaderId::To, HeaderId::CallId, HeaderId::CSeq] {
        let add = id == HeaderId::To && status > 100 && request.to_tag().is_empty();
        let suffix = if add { format!(";tag={tag}") } else { String::new() };
        line(id, request.header(id).unwrap_or_default(), &suffix);
    }
    text.push_str(extra);
    finish(&mut text, "application/sdp", body);
    Bytes::from(text)
}

const fn phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        405 => "Method Not Allowed",
        420 => "Bad Extension",
        422 => "Session Interval Too Small",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        486 => "Busy Here",
        487 => "Request Terminated",
        491 => "Request Pending",
        500 => "Server Internal Error",
        603 => "Decline",
        _ => "Whatever",
    }
}
