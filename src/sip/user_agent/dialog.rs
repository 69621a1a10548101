//! A dialog, RFC 3261 12: what requests inside it are made from.

use crate::sip::message::{HeaderId, Message, Method, NameAddr};

/// One dialog as seen from our side.
#[derive(Clone, Debug, Default)]
pub struct Dialog {
    /// Call-ID.
    pub call_id: Box<str>,
    /// Our tag.
    pub local_tag: Box<str>,
    /// The far end's tag, empty until it is known.
    pub remote_tag: Box<[u8]>,
    /// Our From or To without its tag, as on the wire.
    pub local: Box<[u8]>,
    /// The far end's From or To without its tag, as on the wire.
    pub remote: Box<[u8]>,
    /// URI of the far end's Contact.
    pub target: Box<[u8]>,
    /// Route values, nearest first.
    pub routes: Vec<Box<[u8]>>,
    /// Last CSeq number that we used.
    pub local_cseq: u32,
    /// Last CSeq number of the far end, zero before its first request.
    pub remote_cseq: u32,
}

/// URI of the first Contact.
pub(super) fn contact_uri(message: &Message) -> Option<Box<[u8]>> {
    let value = message.values(HeaderId::Contact).next()?;
    Some(NameAddr::parse(value).ok()?.uri.into())
}

/// A From or To value without its tag.
pub(super) fn without_tag(value: &[u8]) -> Box<[u8]> {
    let Ok(parsed) = NameAddr::parse(value) else { return value.into() };
    let mut text = Vec::with_capacity(value.len() + 2);
    if !parsed.display.is_empty() {
        text.extend_from_slice(parsed.display);
        text.push(b' ');
    }
    text.push(b'<');
    text.extend_from_slice(parsed.uri);
    text.push(b'>');
    text.into()
}

impl Dialog {
    /// The side of a UAS (RFC 3261 12.1.1).
    #[must_use]
    pub fn from_request(request: &Message, local_tag: &str) -> Self {
        Self {
            call_id: String::from_utf8_lossy(request.call_id()).into(),
            local_tag: local_tag.into(),
            remote_tag: request.from_tag().into(),
            local: without_tag(request.header(HeaderId::To).unwrap_or_default()),
            remote: without_tag(request.header(HeaderId::From).unwrap_or_default()),
            target: contact_uri(request).unwrap_or_default(),
            routes: request.values(HeaderId::RecordRoute).map(Into::into).collect(),
            local_cseq: 0,
            remote_cseq: request.cseq(),
        }
    }

    /// The side of a UAC learns the rest from a response (RFC 3261 12.1.2).
    pub fn learn(&mut self, response: &Message) {
        self.remote_tag = response.to_tag().into();
        if let Some(target) = contact_uri(response) {
            self.target = target;
        }
        self.routes = response.values(HeaderId::RecordRoute).map(Into::into).collect();
        self.routes.reverse();
    }

    /// Whether a request carries this dialog's identifiers.
    #[must_use]
    pub fn matches(&self, request: &Message) -> bool {
        request.call_id() == self.call_id.as_bytes()
            && request.to_tag() == self.local_tag.as_bytes()
            && request.from_tag() == &*self.remote_tag
    }
}

/// Whether a message says in Allow that its sender takes a method.
pub(super) fn allows(message: &Message, method: Method) -> bool {
    message
        .values(HeaderId::Allow)
        .any(|value| value.eq_ignore_ascii_case(method.as_str().as_bytes()))
}
