//! What phones are to do: calls drawn from all behaviours.

use crate::base::id::Ids;
use crate::base::time::{Duration, Instant};

/// One of the two parties of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who calls.
    Caller,
    /// Who is called.
    Callee,
}

/// What a party does in a call that is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Puts the other on hold by a re-INVITE.
    Hold,
    /// Takes the other back.
    Resume,
    /// Sends an INFO.
    Info,
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
    /// Both sides hold at the same time (RFC 3261 14.1).
    Glare,
    /// This side sends an INFO and hangs up.
    Info(Side),
    /// 486.
    Busy,
    /// 603.
    Decline,
    /// The caller gives up while the phone rings.
    Cancel,
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
}

impl Behaviour {
    /// Every behaviour.
    pub const ALL: [Self; 17] = [
        Self::Talk(Side::Caller),
        Self::Talk(Side::Callee),
        Self::CrossedByes,
        Self::Hold(Side::Caller),
        Self::Hold(Side::Callee),
        Self::Glare,
        Self::Info(Side::Caller),
        Self::Info(Side::Callee),
        Self::Busy,
        Self::Decline,
        Self::Cancel,
        Self::CancelRace,
        Self::NoAnswer,
        Self::Unknown,
        Self::Unregistered,
        Self::WrongPassword,
        // Drawn twice as often: most calls of a day are like this one.
        Self::Talk(Side::Caller),
    ];

    /// The final statuses that the caller may hear on an undisturbed network.
    #[must_use]
    pub const fn expected(self) -> &'static [u16] {
        match self {
            Self::Talk(_) | Self::CrossedByes | Self::Hold(_) | Self::Glare | Self::Info(_) => {
                &[200]
            }
            Self::Busy => &[486],
            Self::Decline => &[603],
            Self::Cancel => &[487],
            Self::CancelRace => &[200, 487],
            Self::NoAnswer | Self::Unregistered => &[480],
            Self::Unknown => &[404],
            Self::WrongPassword => &[401, 403],
        }
    }
}

/// One call.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its number in the run, which the caller writes into its messages.
    pub id: u32,
    /// When the caller dials.
    pub at: Instant,
    /// Index of the caller among the phones.
    pub caller: usize,
    /// What it dials.
    pub dialled: String,
    /// How the call goes.
    pub behaviour: Behaviour,
    /// The caller leaves the offer to the callee (RFC 3261 13.2.1).
    pub late_offer: bool,
    /// From the INVITE to the ringing.
    pub ring_after: Duration,
    /// From the ringing to the answer, the refusal or the caller's change of mind.
    pub answer_after: Duration,
    /// Between the steps of the call that is up.
    pub pause: Duration,
}

impl Plan {
    /// What a side does once the call is up, with the time since then.
    #[must_use]
    pub fn steps(&self, side: Side) -> Vec<(Duration, Step)> {
        let pause = self.pause;
        let mine = |actor: Side, steps: Vec<(Duration, Step)>| {
            if actor == side { steps } else { Vec::new() }
        };
        match self.behaviour {
            Behaviour::Talk(actor) => mine(actor, vec![(pause, Step::Bye)]),
            Behaviour::CrossedByes => vec![(pause, Step::Bye)],
            Behaviour::Hold(actor) => mine(
                actor,
                vec![(pause, Step::Hold), (pause * 2, Step::Resume), (pause * 3, Step::Bye)],
            ),
            Behaviour::Glare => {
                let mut steps = vec![(pause, Step::Hold)];
                steps.extend(mine(Side::Caller, vec![(pause * 4, Step::Bye)]));
                steps
            }
            Behaviour::Info(actor) => {
                mine(actor, vec![(pause, Step::Info), (pause * 2, Step::Bye)])
            }
            Behaviour::CancelRace => mine(Side::Caller, vec![(pause, Step::Bye)]),
            Behaviour::Busy
            | Behaviour::Decline
            | Behaviour::Cancel
            | Behaviour::NoAnswer
            | Behaviour::Unknown
            | Behaviour::Unregistered
            | Behaviour::WrongPassword => Vec::new(),
        }
    }
}

/// Numbers that plans name.
#[derive(Clone, Debug)]
pub struct Numbers {
    /// Numbers of the phones, by index; the last index is the trunk.
    pub phones: Vec<String>,
    /// Index of the trunk among the parties.
    pub trunk: usize,
    /// An extension that nobody registers.
    pub unregistered: String,
}

/// Draws calls over a span of time.
#[must_use]
pub fn draw(numbers: &Numbers, count: u32, span: Duration, random: &mut Ids) -> Vec<Plan> {
    let span_ms = u64::try_from(span.as_millis()).unwrap_or(60_000).max(1);
    (1..=count)
        .map(|id| {
            let choice = random.below(Behaviour::ALL.len() as u64) as usize;
            let behaviour = Behaviour::ALL.get(choice).copied().unwrap_or(Behaviour::Busy);
            let caller = random.below(numbers.phones.len() as u64) as usize;
            // A trunk has no password to get wrong, and what it dials is inside.
            let caller = if behaviour == Behaviour::WrongPassword {
                caller.min(numbers.trunk.saturating_sub(1))
            } else {
                caller
            };
            let callee = other_than(caller, numbers.phones.len(), random);
            let dialled = if behaviour == Behaviour::Unknown {
                "8888".to_owned()
            } else if behaviour == Behaviour::Unregistered {
                numbers.unregistered.clone()
            } else if callee == numbers.trunk {
                format!("9{}", 1000 + random.below(1000))
            } else {
                numbers.phones.get(callee).cloned().unwrap_or_default()
            };
            Plan {
                id,
                at: Instant::ZERO + Duration::from_secs(5) + ms(random.below(span_ms)),
                caller,
                dialled,
                behaviour,
                late_offer: random.below(6) == 0,
                ring_after: ms(random.below(1_500)),
                answer_after: ms(random.below(6_000)),
                pause: ms(100 + random.below(6_000)),
            }
        })
        .collect()
}

fn other_than(party: usize, count: usize, random: &mut Ids) -> usize {
    let drawn = random.below(count.saturating_sub(1).max(1) as u64) as usize;
    if drawn >= party { drawn + 1 } else { drawn }
}

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}
