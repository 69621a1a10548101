//! What a leg and its call say to each other: the trade's nine words, in both
//! directions. A call hears these and never a word of SIP, a leg hears these
//! and never a word about other parties.

use bytes::Bytes;

/// A body that passes through a call unread: a session description, or what an
/// INFO or MESSAGE carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// Media type, as in Content-Type.
    pub content_type: Box<str>,
    /// The content.
    pub content: Bytes,
}

/// Which way media may go, as the far end of a leg wants it (RFC 4566 6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// It sends and receives.
    #[default]
    Both,
    /// It sends, and wants to receive nothing: the other side is on hold.
    SendOnly,
    /// It receives only.
    ReceiveOnly,
    /// Nothing goes either way.
    Neither,
}

impl Direction {
    /// Whether it puts the other side on hold.
    #[must_use]
    pub const fn holds(self) -> bool {
        match self {
            Self::SendOnly | Self::Neither => true,
            Self::Both | Self::ReceiveOnly => false,
        }
    }
}

/// Why something ended or was refused, in the words of the signalling: a status
/// code and the text for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// SIP status code (RFC 3261 21), the lingua franca of causes here.
    pub code: u16,
    /// Reason phrase or text; empty means the code's usual phrase.
    pub text: Box<str>,
    /// Reason header values that travel with it (RFC 3326), if any.
    pub reason: Option<Box<str>>,
}

impl Cause {
    /// A cause with the code's usual phrase.
    #[must_use]
    pub fn code(code: u16) -> Self {
        Self { code, text: "".into(), reason: None }
    }

    /// A cause with its Q.850 value for the other side (RFC 3326 2).
    #[must_use]
    pub fn with_q850(code: u16, q850: u8, text: &str) -> Self {
        Self {
            code,
            text: "".into(),
            reason: Some(format!("Q.850;cause={q850};text=\"{text}\"").into()),
        }
    }
}

/// A message inside an established leg that means nothing to the call itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InfoKind {
    /// INFO, RFC 6086.
    Info,
    /// MESSAGE, RFC 3428.
    Message,
}

/// From a leg to its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegEvent {
    /// The far end makes progress; a body is early media (183) or an early answer.
    Progress {
        /// 101 to 199.
        code: u16,
        /// Early description, if any.
        body: Option<Body>,
        /// Whether it came so that it cannot be lost (RFC 3262).
        reliable: bool,
    },
    /// The far end confirmed our reliable progress, with its answer to the offer in it.
    ProgressConfirmed {
        /// Answer to a late offer.
        body: Option<Body>,
    },
    /// The far end answered.
    Answered {
        /// Answer, or an offer if none was sent to it.
        body: Option<Body>,
    },
    /// The far end confirmed our answer; carries its answer when ours was an offer.
    Confirmed {
        /// Answer to a late offer.
        body: Option<Body>,
        /// What the answer says of its media.
        direction: Option<Direction>,
    },
    /// The far end wants to change the session.
    Update {
        /// Its offer; none asks for ours.
        offer: Option<Body>,
        /// What the offer says of its media.
        direction: Option<Direction>,
    },
    /// The far end accepted the change asked for.
    Updated {
        /// Answer, or an offer if none was sent.
        body: Option<Body>,
    },
    /// The far end refused the change asked for; the session stays as it was.
    UpdateFailed(Cause),
    /// Something to pass on.
    Info {
        /// Which kind.
        kind: InfoKind,
        /// What it carries.
        body: Option<Body>,
        /// Package or other headers that must pass with it, as name and value.
        headers: Vec<(Box<str>, Box<str>)>,
    },
    /// The far end's word on what was passed on.
    InfoDone(Cause),
    /// The far end says to call elsewhere.
    Redirected(Vec<Box<str>>),
    /// The far end refused, or could not be reached.
    Failed(Cause),
    /// The leg is over after it was answered, or the caller gave up before.
    Ended(Cause),
}

/// From a call to one of its legs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegCommand {
    /// Tell the far end of progress.
    Progress {
        /// 101 to 199.
        code: u16,
        /// Early description, if any.
        body: Option<Body>,
        /// Whether it must not be lost, if the far end has a way for that (RFC 3262).
        reliable: bool,
    },
    /// Confirm the far end's reliable progress, with our answer to the offer in it.
    ConfirmProgress {
        /// Answer to a late offer.
        body: Option<Body>,
    },
    /// Answer the far end.
    Answer {
        /// Answer, or an offer if the far end made none.
        body: Option<Body>,
    },
    /// Confirm the far end's answer, with our answer when its answer was an offer.
    Confirm {
        /// Answer to a late offer.
        body: Option<Body>,
    },
    /// Ask the far end to change the session.
    Update {
        /// Offer; none asks for the far end's.
        offer: Option<Body>,
    },
    /// Accept the change that the far end asked for.
    AcceptUpdate {
        /// Answer, or an offer if the far end made none.
        body: Option<Body>,
    },
    /// Refuse the change that the far end asked for.
    RefuseUpdate(Cause),
    /// Pass something on.
    Info {
        /// Which kind.
        kind: InfoKind,
        /// What it carries.
        body: Option<Body>,
        /// Headers that pass with it.
        headers: Vec<(Box<str>, Box<str>)>,
    },
    /// The word on what was passed on.
    AnswerInfo(Cause),
    /// End the leg, whatever its state: refuse, cancel or hang up.
    End(Cause),
}
