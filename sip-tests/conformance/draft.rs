//! Messages written as text, so that a test shows what goes in and owes nothing to the writer
//! that it tests.

use sipcluster::sip::message::{HeaderId, Message, scan};

/// A message in the making.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    start_line: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Draft {
    /// A request from the phone of 7001 at 127.0.0.50:5061 to 7002; the branch, the From tag and
    /// the Call-ID follow from `id`.
    pub(crate) fn request(method: &str, uri: &str, id: &str) -> Self {
        let headers = [
            ("Via", format!("SIP/2.0/UDP 127.0.0.50:5061;branch=z9hG4bK{id}{method};rport")),
            ("Max-Forwards", "70".to_owned()),
            ("From", format!("<sip:7001@cluster.example.com>;tag=from-{id}")),
            ("To", "<sip:7002@cluster.example.com>".to_owned()),
            ("Call-ID", format!("{id}@127.0.0.50")),
            ("CSeq", format!("1 {method}")),
        ];
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let start_line = format!("{method} {uri} SIP/2.0");
        Self { start_line, headers, body: String::new() }
    }

    /// An INVITE from that phone to 7002, with its Contact and an offer.
    pub(crate) fn invite(id: &str) -> Self {
        Self::request("INVITE", "sip:7002@cluster.example.com", id)
            .add("Contact", "<sip:7001@127.0.0.50:5061>")
            .body("application/sdp", "v=0\r\no=- 1 1 IN IP4 127.0.0.50\r\ns=-\r\n")
    }

    /// A response to a request as it was received: all its Via, From, To, Call-ID and CSeq.
    pub(crate) fn response(request: &Message, status: u16, to_tag: &str) -> Self {
        let mut headers: Vec<(String, String)> = Vec::new();
        for (id, _, value) in request.all_headers() {
            let copied = [
                HeaderId::Via,
                HeaderId::RecordRoute,
                HeaderId::From,
                HeaderId::To,
                HeaderId::CallId,
                HeaderId::CSeq,
            ];
            if !copied.contains(&id) {
                continue;
            }
            let mut text = String::from_utf8_lossy(value).into_owned();
            if id == HeaderId::To && !text.contains("tag=") && !to_tag.is_empty() {
                text.push_str(&format!(";tag={to_tag}"));
            }
            headers.push((id.name().to_owned(), text));
        }
        Self { start_line: format!("SIP/2.0 {status} Phrase"), headers, body: String::new() }
    }

    /// The first line of a header with another value, or a line more.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        match self.headers.iter_mut().find(|(found, _)| found == name) {
            Some(header) => {
                value.clone_into(&mut header.1);
                self
            }
            None => self.add(name, value),
        }
    }

    /// A line more.
    pub(crate) fn add(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// All lines of a header left out.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(found, _)| found != name);
        self
    }

    /// Another Request-URI.
    pub(crate) fn uri(mut self, uri: &str) -> Self {
        let method = self.start_line.split(' ').next().unwrap_or_default().to_owned();
        self.start_line = format!("{method} {uri} SIP/2.0");
        self
    }

    /// A body with its type.
    pub(crate) fn body(mut self, content_type: &str, body: &str) -> Self {
        self = self.set("Content-Type", content_type);
        body.clone_into(&mut self.body);
        self
    }

    /// No body.
    pub(crate) fn without_body(mut self) -> Self {
        self.body.clear();
        self.without("Content-Type")
    }

    /// The text as it goes over the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.start_line);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n{}", self.body.len(), self.body));
        text.into_bytes()
    }

    /// The message as it is received.
    pub(crate) fn message(&self) -> Message {
        scan(self.bytes()).unwrap_or_else(|error| panic!("{}: {error}", self.start_line))
    }
}

/// The first value of a header as text, empty when there is none.
pub(crate) fn header(message: &Message, id: HeaderId) -> String {
    message.header(id).map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
}

/// All values of a header as text.
pub(crate) fn values(message: &Message, id: HeaderId) -> Vec<String> {
    message.values(id).map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

#[test]
fn a_draft_is_a_message_without_fault() {
    let invite = Draft::invite("x");
    assert_eq!(invite.message().fault(), None);
    let answer = Draft::response(&invite.message(), 180, "there").message();
    assert_eq!((answer.status(), answer.fault()), (180, None));
    assert_eq!(answer.to_tag(), b"there");
    assert_eq!(header(&answer, HeaderId::Via), header(&invite.message(), HeaderId::Via));
    let other = invite.set("CSeq", "2 INVITE").without("Contact").uri("tel:+1").message();
    assert_eq!((other.cseq(), other.request_uri()), (2, &b"tel:+1"[..]));
    assert_eq!(other.header(HeaderId::Contact), None);
}
