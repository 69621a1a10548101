//! Session timers (RFC 4028) of one leg: who refreshes, when, and when a silent
//! far end counts as gone.
//!
//! ```text
//!  2xx ──▶ running ──half of it, ours──▶ refreshing ──2xx──▶ running
//!             └── a third (at most 32 s) before its end, theirs ──▶ expired
//! ```

use crate::base::limits::{SESSION_GRACE, SESSION_INTERVAL_MIN_S};
use crate::base::time::{Duration, Instant};
use crate::sip::message::text::Params;
use crate::sip::message::{HeaderId, Message};

/// What a request or response says in Session-Expires (RFC 4028 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SessionExpires {
    /// Interval, in seconds.
    pub(super) seconds: u32,
    /// Whether the UAC refreshes; `None` where nobody is named.
    pub(super) by_uac: Option<bool>,
}

impl SessionExpires {
    /// Reads it; `None` when it is absent or cannot be read.
    pub(super) fn of(message: &Message) -> Option<Self> {
        let value = message.header(HeaderId::SessionExpires)?;
        let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
        let seconds = core::str::from_utf8(value[..end].trim_ascii()).ok()?.parse().ok()?;
        let by_uac = Params::new(&value[end..]).get(b"refresher").map(|who| {
            // A role that is none leaves the choice to us.
            who.eq_ignore_ascii_case(b"uac")
        });
        Some(Self { seconds, by_uac })
    }

    pub(super) fn text(self) -> String {
        match self.by_uac {
            Some(true) => format!("{};refresher=uac", self.seconds),
            Some(false) => format!("{};refresher=uas", self.seconds),
            None => self.seconds.to_string(),
        }
    }
}

/// Min-SE of a message, in seconds; RFC 4028 5: 90 where it is absent.
pub(super) fn min_se(message: &Message) -> u32 {
    let told = message.number(HeaderId::MinSe).and_then(|seconds| u32::try_from(seconds).ok());
    told.unwrap_or(SESSION_INTERVAL_MIN_S).max(SESSION_INTERVAL_MIN_S)
}

/// The timer of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SessionTimer {
    /// Interval agreed on, in seconds.
    pub(super) seconds: u32,
    /// Whether we refresh.
    pub(super) ours: bool,
    pub(super) refresh_at: Instant,
    pub(super) expires_at: Instant,
}

impl SessionTimer {
    /// Starts anew with a 2xx (RFC 4028 10).
    pub(super) fn start(seconds: u32, ours: bool, now: Instant) -> Self {
        let interval = Duration::from_secs(u64::from(seconds));
        let (refresh_at, expires_at) = if ours {
            (now + interval / 2, now + interval)
        } else {
            (Instant::NEVER, now + (interval - (interval / 3).min(SESSION_GRACE)))
        };
        Self { seconds, ours, refresh_at, expires_at }
    }

    pub(super) fn next_deadline(&self) -> Instant {
        self.refresh_at.min(self.expires_at)
    }

    /// What a request of ours says: the role stays what it is.
    pub(super) fn proposal(&self) -> SessionExpires {
        SessionExpires { seconds: self.seconds, by_uac: Some(self.ours) }
    }
}

/// What we answer to a request of the far end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agreement {
    /// Its interval is too small: 422 with ours (RFC 4028 6).
    TooSmall,
    /// No session timer.
    None,
    /// This in the 2xx; `required` when the far end must know the extension.
    Runs { value: SessionExpires, required: bool },
}

/// Answers an INVITE or UPDATE (RFC 4028 9). `wish` is the interval that we ask for
/// by ourselves, zero for none.
pub(super) fn agree(request: &Message, wish: u32) -> Agreement {
    let knows = request.has_option_tag(HeaderId::Supported, b"timer")
        || request.has_option_tag(HeaderId::Require, b"timer");
    match SessionExpires::of(request) {
        Some(asked) if asked.seconds < SESSION_INTERVAL_MIN_S && knows => Agreement::TooSmall,
        Some(asked) => {
            // We take it upon us unless the far end wants it, or a proxy has asked for
            // one who does not know how.
            let by_uac = knows && asked.by_uac == Some(true);
            let seconds = asked.seconds.max(SESSION_INTERVAL_MIN_S);
            let value = SessionExpires { seconds, by_uac: Some(by_uac) };
            Agreement::Runs { value, required: by_uac }
        }
        None if wish == 0 => Agreement::None,
        None => {
            let seconds = wish.max(min_se(request));
            let value = SessionExpires { seconds, by_uac: Some(false) };
            Agreement::Runs { value, required: false }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::scan;

    fn invite(headers: &str) -> Message {
        let text = format!(
            "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:c@d>;tag=1\r\nTo: \
             <sip:a@b>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n{headers}Content-Length: 0\r\n\r\n"
        );
        scan(text.into_bytes()).expect("a message")
    }

    fn runs(seconds: u32, by_uac: bool) -> Agreement {
        let value = SessionExpires { seconds, by_uac: Some(by_uac) };
        Agreement::Runs { value, required: by_uac }
    }

    #[test]
    fn the_answer_follows_the_table_of_rfc_4028_9() {
        for (headers, wish, wanted) in [
            ("", 0, Agreement::None),
            ("", 1800, runs(1800, false)),
            ("Min-SE: 3600\r\n", 1800, runs(3600, false)),
            ("Supported: timer\r\nSession-Expires: 60\r\n", 1800, Agreement::TooSmall),
            // Put in by a proxy: the caller could make nothing of a 422.
            ("Session-Expires: 60\r\n", 1800, runs(90, false)),
            ("Supported: timer\r\nSession-Expires: 600\r\n", 0, runs(600, false)),
            ("k: 100rel, timer\r\nx: 600;refresher=uac\r\n", 1800, runs(600, true)),
            (
                "Supported: timer\r\nSession-Expires: 600 ; refresher=UAS\r\n",
                1800,
                runs(600, false),
            ),
            ("Session-Expires: 600;refresher=uac\r\n", 1800, runs(600, false)),
            ("Supported: timer\r\nSession-Expires: often\r\n", 0, Agreement::None),
        ] {
            assert_eq!(agree(&invite(headers), wish), wanted, "{headers:?} {wish}");
        }
    }

    #[test]
    fn the_deadlines_are_those_of_rfc_4028_10() {
        let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);
        let ours = SessionTimer::start(1800, true, at(10));
        assert_eq!((ours.refresh_at, ours.expires_at), (at(910), at(1810)));
        let theirs = SessionTimer::start(1800, false, at(10));
        assert_eq!((theirs.refresh_at, theirs.expires_at), (Instant::NEVER, at(1778)));
        assert_eq!(SessionTimer::start(90, false, at(0)).expires_at, at(60));
    }
}
