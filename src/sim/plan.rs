//! What phones are to do: calls drawn from all behaviours.

use super::ability::Ability;
use super::behaviour::{Behaviour, Side, Step};
use crate::base::id::Ids;
use crate::base::time::{Duration, Instant};

/// Calls of a world in which somebody dies begin this close to it, every second.
const CROWD_MS: u64 = 3_000;

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
    /// What the caller can.
    pub caller_can: Ability,
    /// What the callee can.
    pub callee_can: Ability,
}

impl Plan {
    /// Call 1: 7001 dials 7002 five seconds after the start.
    #[must_use]
    pub fn plain(behaviour: Behaviour) -> Self {
        Self {
            id: 1,
            at: Instant::ZERO + Duration::from_secs(5),
            caller: 0,
            dialled: "7002".to_owned(),
            behaviour,
            late_offer: behaviour == Behaviour::ReliableOffer,
            ring_after: ms(50),
            answer_after: Duration::from_secs(2),
            pause: Duration::from_secs(3),
            caller_can: Ability::needed(behaviour, Side::Caller),
            callee_can: Ability::needed(behaviour, Side::Callee),
        }
    }

    /// What a side does once the call is up, with the time since then.
    #[must_use]
    pub fn steps(&self, side: Side) -> Vec<(Duration, Step)> {
        self.behaviour.steps(side, self.pause)
    }

    /// When the caller gives up after it has dialled, if it does.
    #[must_use]
    pub fn cancel_after(&self) -> Option<Duration> {
        let ringing = matches!(self.behaviour, Behaviour::Cancel | Behaviour::CancelRace);
        let early = self.behaviour == Behaviour::CancelEarly;
        // Late enough for a challenge to be over, where the phone is to ring.
        let after = if early {
            self.ring_after / 4
        } else if self.behaviour == Behaviour::Cancel {
            self.ring_after + self.answer_after + ms(500)
        } else {
            self.ring_after + self.answer_after
        };
        (ringing || early).then_some(after)
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
    /// An extension with two phones that ring together.
    pub together: String,
    /// An extension with two phones that ring one after the other.
    pub serial: String,
    /// An extension whose phone moves.
    pub moving: String,
}

impl Numbers {
    /// What is dialled for a behaviour by somebody, if the behaviour says so.
    #[must_use]
    pub fn of(&self, behaviour: Behaviour) -> Option<String> {
        let numbers = [
            (Behaviour::Unknown, "8888"),
            (Behaviour::Unregistered, &self.unregistered),
            (Behaviour::Fork, &self.together),
            (Behaviour::ForkBoth, &self.together),
            (Behaviour::ForkSerial, &self.serial),
            (Behaviour::Moves, &self.moving),
            (Behaviour::Converted, "91000"),
        ];
        let found = numbers.iter().find(|(known, _)| *known == behaviour);
        found.map(|(_, number)| (*number).to_owned())
    }
}

/// What calls are drawn from.
#[derive(Clone, Debug)]
pub struct Drawing {
    /// How calls go; each as often as the others.
    pub behaviours: Vec<Behaviour>,
    /// How many.
    pub count: u32,
    /// They begin within this span.
    pub span: Duration,
    /// When somebody dies, if anybody does: calls crowd around it.
    pub death: Option<Instant>,
}

/// Draws calls over a span of time.
#[must_use]
pub fn draw(numbers: &Numbers, drawing: &Drawing, random: &mut Ids) -> Vec<Plan> {
    let mut deck: Vec<Behaviour> = Vec::new();
    (1..=drawing.count)
        .map(|id| {
            if deck.is_empty() {
                deck.clone_from(&drawing.behaviours);
            }
            let card = random.below(deck.len() as u64) as usize;
            let behaviour = deck.swap_remove(card.min(deck.len().saturating_sub(1)));
            one(numbers, drawing, id, behaviour, random)
        })
        .collect()
}

fn one(
    numbers: &Numbers,
    drawing: &Drawing,
    id: u32,
    behaviour: Behaviour,
    random: &mut Ids,
) -> Plan {
    let span_ms = u64::try_from(drawing.span.as_millis()).unwrap_or(60_000).max(1);
    let caller = random.below(numbers.phones.len() as u64) as usize;
    // A trunk has no password to get wrong, and what it dials is inside.
    let inside = matches!(behaviour, Behaviour::WrongPassword | Behaviour::Converted);
    let caller = if inside { caller.min(numbers.trunk.saturating_sub(1)) } else { caller };
    let callee = other_than(caller, numbers.phones.len(), random);
    let dialled = numbers.of(behaviour).unwrap_or_else(|| {
        if callee == numbers.trunk {
            format!("9{}", 1000 + random.below(1000))
        } else {
            numbers.phones.get(callee).cloned().unwrap_or_default()
        }
    });
    let anywhere = Duration::from_secs(5) + ms(random.below(span_ms));
    let near = random.below(CROWD_MS);
    let at = match drawing.death {
        Some(death) if id.is_multiple_of(2) => before(death) + ms(near),
        _ => Instant::ZERO + anywhere,
    };
    let late_offer = random.below(6) == 0;
    Plan {
        id,
        at,
        caller,
        dialled,
        behaviour,
        // What is changed early has been offered by the caller.
        late_offer: behaviour == Behaviour::ReliableOffer
            || (late_offer
                && !matches!(behaviour, Behaviour::ReliableMedia | Behaviour::EarlyUpdate)),
        ring_after: ms(random.below(1_500)),
        answer_after: ms(random.below(6_000)),
        pause: ms(100 + random.below(6_000)),
        caller_can: Ability::drawn(behaviour, Side::Caller, random),
        callee_can: Ability::drawn(behaviour, Side::Callee, random),
    }
}

/// When the crowd begins.
const fn before(death: Instant) -> Instant {
    Instant(death.0.saturating_sub(CROWD_MS * 1_000_000 / 2))
}

fn other_than(party: usize, count: usize, random: &mut Ids) -> usize {
    let drawn = random.below(count.saturating_sub(1).max(1) as u64) as usize;
    if drawn >= party { drawn + 1 } else { drawn }
}

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}
