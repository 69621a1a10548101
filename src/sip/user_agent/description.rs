//! Session descriptions on their way through a leg: every line but `o=` passes
//! byte for byte; `o=` is ours, with its version raised exactly when the
//! description changes (RFC 3264 8).

use crate::base::leg::{Body, Direction};
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
        if !is_description(body) {
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

fn is_description(body: &Body) -> bool {
    body.content_type.trim().to_ascii_lowercase().starts_with("application/sdp")
}

/// Which way the audio of a description goes (RFC 3264 5.1 and 8.4), or all media where
/// there is no audio; `None` where nothing goes at all. Of several streams the most open
/// one counts. An address of zeros is how hold was said before (RFC 2543 B.5).
pub(super) fn direction(body: &Body) -> Option<Direction> {
    if !is_description(body) {
        return None;
    }
    let text = core::str::from_utf8(&body.content).ok()?;
    let mut streams: Vec<Stream> = Vec::new();
    let mut session = Stream { is_audio: false, is_used: true, direction: None, is_null: None };
    for line in text.lines().map(str::trim_end) {
        let current = streams.last_mut().unwrap_or(&mut session);
        match line.split_once('=') {
            Some(("m", media)) => {
                let mut words = media.split_ascii_whitespace();
                let is_audio = words.next().is_some_and(|kind| kind.eq_ignore_ascii_case("audio"));
                let is_used = words.next() != Some("0");
                streams.push(Stream { is_audio, is_used, ..session });
            }
            Some(("c", address)) => {
                let address = address.split_ascii_whitespace().nth(2).unwrap_or_default();
                current.is_null = Some(matches!(address, "0.0.0.0" | "::"));
            }
            Some(("a", "sendrecv")) => current.direction = Some(Direction::Both),
            Some(("a", "sendonly")) => current.direction = Some(Direction::SendOnly),
            Some(("a", "recvonly")) => current.direction = Some(Direction::ReceiveOnly),
            Some(("a", "inactive")) => current.direction = Some(Direction::Neither),
            Some(_) | None => {}
        }
    }
    let has_audio = streams.iter().any(|stream| stream.is_audio && stream.is_used);
    let counts = |stream: &&Stream| stream.is_used && (stream.is_audio || !has_audio);
    streams.iter().filter(counts).map(Stream::direction).min_by_key(|direction| match direction {
        Direction::Both => 0,
        Direction::ReceiveOnly => 1,
        Direction::SendOnly => 2,
        Direction::Neither => 3,
    })
}

/// A stream of a description, or what its session says for all that say nothing else.
#[derive(Clone, Copy)]
struct Stream {
    is_audio: bool,
    is_used: bool,
    direction: Option<Direction>,
    is_null: Option<bool>,
}

impl Stream {
    fn direction(&self) -> Direction {
        let is_null = self.is_null.unwrap_or_default();
        match self.direction.unwrap_or_default() {
            Direction::Both if is_null => Direction::SendOnly,
            Direction::ReceiveOnly if is_null => Direction::Neither,
            direction @ (Direction::Both
            | Direction::SendOnly
            | Direction::ReceiveOnly
            | Direction::Neither) => direction,
        }
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

    #[test]
    fn the_direction_of_the_audio_counts() {
        use Direction::{Both, Neither, ReceiveOnly, SendOnly};
        let head = "v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\n";
        for (lines, wanted) in [
            ("c=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n", Some(Both)),
            ("m=audio 4000 RTP/AVP 0\r\na=sendonly\r\n", Some(SendOnly)),
            ("m=audio 4000 RTP/AVP 0\na=inactive\n", Some(Neither)),
            ("a=sendonly\r\nm=audio 4000 RTP/AVP 0\r\n", Some(SendOnly)),
            ("a=sendonly\r\nm=audio 4000 RTP/AVP 0\r\na=recvonly\r\n", Some(ReceiveOnly)),
            ("c=IN IP4 0.0.0.0\r\nm=audio 4000 RTP/AVP 0\r\n", Some(SendOnly)),
            ("c=IN IP4 0.0.0.0\r\nm=audio 4000 RTP/AVP 0\r\nc=IN IP4 10.0.0.1\r\n", Some(Both)),
            ("c=IN IP6 ::\r\nm=audio 4000 RTP/AVP 0\r\na=recvonly\r\n", Some(Neither)),
            ("m=audio 0 RTP/AVP 0\r\na=sendonly\r\n", None),
            ("m=audio 4000 RTP/AVP 0\r\na=sendonly\r\nm=audio 4002 RTP/AVP 0\r\n", Some(Both)),
            ("m=video 4000 RTP/AVP 31\r\nm=audio 4002 RTP/AVP 0\r\na=sendonly\r\n", Some(SendOnly)),
            ("m=audio 0 RTP/AVP 0\r\nm=video 4000 RTP/AVP 31\r\na=inactive\r\n", Some(Neither)),
            ("a=SENDONLY\r\nm=audio 4000 RTP/AVP 0\r\na=sendonly:x\r\n", Some(Both)),
            ("", None),
        ] {
            assert_eq!(direction(&body(&format!("{head}{lines}"))), wanted, "{lines}");
        }
        let other = Body { content_type: "application/isup".into(), ..body("m=audio 1 x 0\r\n") };
        assert_eq!(direction(&other), None);
    }
}
