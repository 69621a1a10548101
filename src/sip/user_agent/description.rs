//! Session descriptions on their way through a leg: every line but `o=` passes
//! byte for byte; `o=` is ours, with its version raised exactly when the
//! description changes (RFC 3264 8).

use crate::base::leg::Body;
use bytes::Bytes;
use core::hash::Hasher;
use siphasher::sip::SipHasher13;

/// What a leg remembers of the descriptions it sent.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    id: u64,
    version: u64,
    digest: Option<u64>,
    /// What was sent last, to offer the same again.
    last: Option<Body>,
}

impl Origin {
    /// Session id of the leg, kept below 2^62 so that every peer can read it.
    pub(super) fn new(id: u64) -> Self {
        Self { id: id >> 2, version: 0, digest: None, last: None }
    }

    /// As it was in another process.
    pub(super) fn of_state(id: u64, version: u64, last: Option<Body>) -> Self {
        let lines = last.as_ref().and_then(|last| Some((last, origin_line(&last.content)?)));
        let digest = lines.map(|(last, (start, end))| digest_of(last, start, end));
        Self { id, version, digest, last }
    }

    /// Session id and version.
    pub(super) const fn numbers(&self) -> (u64, u64) {
        (self.id, self.version)
    }

    /// The body as this leg sends it.
    pub(super) fn rewrite(&mut self, body: &Body, address: &str) -> Body {
        if !body.content_type.trim().to_ascii_lowercase().starts_with("application/sdp") {
            return body.clone();
        }
        let Some((start, end)) = origin_line(&body.content) else { return body.clone() };
        let digest = digest_of(body, start, end);
        if self.digest != Some(digest) {
            self.digest = Some(digest);
            self.version += 1;
        }
        let family = if address.contains(':') { "IP6" } else { "IP4" };
        let line = format!("o=- {} {} IN {family} {address}", self.id, self.version);
        let content = [&body.content[..start], line.as_bytes(), &body.content[end..]].concat();
        let rewritten =
            Body { content_type: body.content_type.clone(), content: Bytes::from(content) };
        self.last = Some(rewritten.clone());
        rewritten
    }

    /// Whether the body says what was sent last.
    pub(super) fn is_last(&self, body: &Body) -> bool {
        origin_line(&body.content)
            .is_some_and(|(start, end)| self.digest == Some(digest_of(body, start, end)))
    }

    /// What was sent last.
    pub(super) fn last(&self) -> Option<Body> {
        self.last.clone()
    }
}

/// A hash of everything but the `o=` line.
fn digest_of(body: &Body, start: usize, end: usize) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(&body.content[..start]);
    hasher.write(&body.content[end..]);
    hasher.finish()
}

/// Start and end of the `o=` line, without its line end.
fn origin_line(content: &[u8]) -> Option<(usize, usize)> {
    let start =
        if content.starts_with(b"o=") { 0 } else { memchr::memmem::find(content, b"\no=")? + 1 };
    let length = content[start..].iter().position(|&byte| byte == b'\r' || byte == b'\n');
    Some((start, length.map_or(content.len(), |length| start + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> Body {
        Body {
            content_type: "application/sdp".into(),
            content: Bytes::copy_from_slice(text.as_bytes()),
        }
    }

    #[test]
    fn only_the_origin_changes_and_its_version_follows_the_rest() {
        let mut origin = Origin::new(40);
        let first = origin.rewrite(&body("v=0\r\no=a 1 1 IN IP4 10.0.0.1\r\ns=x\r\n"), "127.0.0.1");
        assert_eq!(&first.content[..], b"v=0\r\no=- 10 1 IN IP4 127.0.0.1\r\ns=x\r\n");
        let same = origin.rewrite(&body("v=0\r\no=a 1 2 IN IP4 10.0.0.1\r\ns=x\r\n"), "127.0.0.1");
        assert_eq!(same, first);
        let changed = origin.rewrite(&body("v=0\no=a 1 3 IN IP4 10.0.0.1\ns=y\n"), "::1");
        assert_eq!(&changed.content[..], b"v=0\no=- 10 2 IN IP6 ::1\ns=y\n");
        let (id, version) = origin.numbers();
        let mut moved = Origin::of_state(id, version, origin.last());
        assert!(moved.is_last(&body("v=0\no=b 9 9 IN IP4 10.0.0.9\ns=y\n")));
        let same = moved.rewrite(&body("v=0\no=a 1 3 IN IP4 10.0.0.1\ns=y\n"), "::1");
        assert_eq!(same, changed);
    }

    #[test]
    fn what_is_no_description_passes_untouched() {
        let mut origin = Origin::new(1);
        let plain = Body { content_type: "text/plain".into(), content: Bytes::from_static(b"o=x") };
        assert_eq!(origin.rewrite(&plain, "h"), plain);
        let broken = body("v=0\r\n");
        assert_eq!(origin.rewrite(&broken, "h"), broken);
    }
}
