//! How calls go, and what each party does in them.

use crate::base::time::Duration;

/// One of the two parties of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who calls.
    Caller,
    /// Who is called.
    Callee,
}

impl Side {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }
}

/// What a party does in a call that is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Puts the other on hold by a re-INVITE.
    Hold,
    /// Takes the other back.
    Resume,
    /// Asks by a re-INVITE for the other's offer.
    AskOffer,
    /// Puts the other on hold by an UPDATE.
    UpdateHold,
    /// Takes the other back by an UPDATE.
    UpdateResume,
    /// Sends an INFO.
    Info,
    /// Sends a MESSAGE.
    Message,
    /// Registers again.
    Register,
    /// Registers a second contact, or takes it away.
    SecondContact(bool),
    /// Unregisters.
    Unregister,
    /// Neither sends nor hears anything of the call any more.
    Vanish,
    /// Hangs up.
    Bye,
}

/// How a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Answered, and ended by this side.
    Talk(Side),
    /// Answered, and ended by both at the same time.
    CrossedByes,
    /// Held and resumed by this side, which then hangs up.
    Hold(Side),
    /// This side asks for an offer in the middle of the call.
    LateHold(Side),
    /// Both sides hold at the same time (RFC 3261 14.1).
    Glare,
    /// This side holds while the other hangs up.
    HoldMeetsBye(Side),
    /// This side sends an INFO and hangs up.
    Info(Side),
    /// This side sends a MESSAGE and hangs up.
    Message(Side),
    /// Early media that nobody acknowledges, then ringing.
    EarlyMedia,
    /// 486.
    Busy,
    /// 603.
    Decline,
    /// A refusal of the trunk that `sip-error-conversion` changes.
    Converted,
    /// The caller gives up while the phone rings.
    Cancel,
    /// The caller gives up at once.
    CancelEarly,
    /// The caller gives up just when the phone answers.
    CancelRace,
    /// Nobody answers and nobody gives up.
    NoAnswer,
    /// A number that does not exist.
    Unknown,
    /// An extension without a phone.
    Unregistered,
    /// The caller does not know its password.
    WrongPassword,
    /// Two phones ring, one answers.
    Fork,
    /// Two phones ring and answer at once.
    ForkBoth,
    /// The first phone is busy, the second one answers.
    ForkSerial,
    /// The callee registers anew, elsewhere and nowhere during the call.
    Moves,
    /// This side holds and resumes by UPDATE (RFC 3311).
    Update(Side),
    /// Ringing that is acknowledged (RFC 3262).
    ReliableRinging,
    /// Early media that is acknowledged and holds the answer.
    ReliableMedia,
    /// The caller will have nothing but reliable responses.
    ReliableRequired,
    /// The offer comes in a reliable response, the answer in its PRACK.
    ReliableOffer,
    /// The caller changes the session before the answer.
    EarlyUpdate,
    /// A long call that this side keeps alive (RFC 4028).
    Refreshed(Side),
    /// This side asks for less time than the other allows.
    TooSmall,
    /// This side goes silent, and the timer ends the call.
    Vanished(Side),
}

/// Every way in which a call of a drawn world goes.
pub const BEHAVIOURS: [Behaviour; 41] = [
    Behaviour::Talk(Side::Caller),
    Behaviour::Talk(Side::Callee),
    Behaviour::CrossedByes,
    Behaviour::Hold(Side::Caller),
    Behaviour::Hold(Side::Callee),
    Behaviour::LateHold(Side::Caller),
    Behaviour::LateHold(Side::Callee),
    Behaviour::Glare,
    Behaviour::HoldMeetsBye(Side::Caller),
    Behaviour::HoldMeetsBye(Side::Callee),
    Behaviour::Info(Side::Caller),
    Behaviour::Info(Side::Callee),
    Behaviour::Message(Side::Caller),
    Behaviour::Message(Side::Callee),
    Behaviour::EarlyMedia,
    Behaviour::Busy,
    Behaviour::Decline,
    Behaviour::Converted,
    Behaviour::Cancel,
    Behaviour::CancelEarly,
    Behaviour::CancelRace,
    Behaviour::NoAnswer,
    Behaviour::Unknown,
    Behaviour::Unregistered,
    Behaviour::WrongPassword,
    Behaviour::Fork,
    Behaviour::ForkBoth,
    Behaviour::ForkSerial,
    Behaviour::Moves,
    Behaviour::Update(Side::Caller),
    Behaviour::Update(Side::Callee),
    Behaviour::ReliableRinging,
    Behaviour::ReliableMedia,
    Behaviour::ReliableRequired,
    Behaviour::ReliableOffer,
    Behaviour::EarlyUpdate,
    Behaviour::Refreshed(Side::Caller),
    Behaviour::Refreshed(Side::Callee),
    Behaviour::TooSmall,
    Behaviour::Vanished(Side::Caller),
    Behaviour::Vanished(Side::Callee),
];

impl Behaviour {
    /// The final statuses that the caller may hear on an undisturbed network.
    #[must_use]
    pub const fn expected(self) -> &'static [u16] {
        match self {
            Self::Talk(_)
            | Self::CrossedByes
            | Self::Hold(_)
            | Self::LateHold(_)
            | Self::Glare
            | Self::HoldMeetsBye(_)
            | Self::Info(_)
            | Self::Message(_)
            | Self::EarlyMedia
            | Self::Fork
            | Self::ForkBoth
            | Self::ForkSerial
            | Self::Update(_)
            | Self::ReliableRinging
            | Self::ReliableMedia
            | Self::ReliableRequired
            | Self::ReliableOffer
            | Self::EarlyUpdate
            | Self::Refreshed(_)
            | Self::TooSmall
            | Self::Vanished(_) => &[200],
            Self::Busy => &[486],
            Self::Decline => &[603],
            Self::Converted => &[404],
            Self::Cancel => &[487],
            // A caller that is challenged after it gave up does not ask again.
            Self::CancelEarly => &[487, 401],
            Self::CancelRace => &[200, 487, 401],
            Self::NoAnswer | Self::Unregistered => &[480],
            Self::Unknown => &[404],
            Self::WrongPassword => &[401, 403],
            // While another call has unregistered the phone.
            Self::Moves => &[200, 480],
        }
    }

    /// Whether it needs the cluster: a number nobody has, a password, a fork.
    #[must_use]
    pub const fn needs_cluster(self) -> bool {
        matches!(
            self,
            Self::Converted
                | Self::NoAnswer
                | Self::Unknown
                | Self::Unregistered
                | Self::WrongPassword
                | Self::Fork
                | Self::ForkBoth
                | Self::ForkSerial
                | Self::Moves
        )
    }

    /// What a side does once the call is up, with the time since then.
    #[must_use]
    pub fn steps(self, side: Side, pause: Duration) -> Vec<(Duration, Step)> {
        let mine = |actor: Side, steps: Vec<(Duration, Step)>| {
            if actor == side { steps } else { Vec::new() }
        };
        let changes = |actor: Side, first: Step, second: Step| {
            mine(actor, vec![(pause, first), (pause * 2, second), (pause * 3, Step::Bye)])
        };
        match self {
            Self::Talk(actor) => mine(actor, vec![(pause, Step::Bye)]),
            Self::CrossedByes => vec![(pause, Step::Bye)],
            Self::Hold(actor) => changes(actor, Step::Hold, Step::Resume),
            Self::LateHold(actor) => changes(actor, Step::AskOffer, Step::AskOffer),
            Self::Update(actor) => changes(actor, Step::UpdateHold, Step::UpdateResume),
            Self::Glare => {
                let mut steps = vec![(pause, Step::Hold)];
                steps.extend(mine(Side::Caller, vec![(pause * 4, Step::Bye)]));
                steps
            }
            Self::HoldMeetsBye(actor) => {
                let step = if actor == side { Step::Hold } else { Step::Bye };
                vec![(pause, step)]
            }
            Self::Info(actor) => mine(actor, vec![(pause, Step::Info), (pause * 2, Step::Bye)]),
            Self::Message(actor) => {
                mine(actor, vec![(pause, Step::Message), (pause * 2, Step::Bye)])
            }
            Self::Moves => moves(side, pause),
            Self::Vanished(actor) => mine(actor, vec![(pause, Step::Vanish)]),
            Self::Refreshed(_) => mine(Side::Caller, vec![(LONG_CALL, Step::Bye)]),
            Self::CancelRace
            | Self::EarlyMedia
            | Self::Fork
            | Self::ForkBoth
            | Self::ForkSerial
            | Self::ReliableRinging
            | Self::ReliableMedia
            | Self::ReliableRequired
            | Self::ReliableOffer
            | Self::EarlyUpdate
            | Self::TooSmall => mine(Side::Caller, vec![(pause, Step::Bye)]),
            Self::Busy
            | Self::Decline
            | Self::Converted
            | Self::Cancel
            | Self::CancelEarly
            | Self::NoAnswer
            | Self::Unknown
            | Self::Unregistered
            | Self::WrongPassword => Vec::new(),
        }
    }

    /// How long such a call may last before a party ends it in any case.
    #[must_use]
    pub const fn time_max(self) -> Duration {
        // Long enough for a timer to have ended it before.
        let long = matches!(self, Self::Refreshed(_) | Self::Vanished(_));
        Duration::from_secs(if long { 600 } else { 60 })
    }
}

/// How long a refreshed call lasts.
const LONG_CALL: Duration = Duration::from_secs(330);

fn moves(side: Side, pause: Duration) -> Vec<(Duration, Step)> {
    if side == Side::Caller {
        return vec![(pause * 6, Step::Bye)];
    }
    vec![
        (pause, Step::Register),
        (pause * 2, Step::SecondContact(true)),
        (pause * 3, Step::SecondContact(false)),
        (pause * 4, Step::Unregister),
        (pause * 5, Step::Register),
    ]
}
