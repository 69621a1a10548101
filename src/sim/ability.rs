//! What a phone can beyond RFC 3261, in one call.

use super::behaviour::{Behaviour, Side};
use crate::base::id::Ids;

/// Who keeps a session alive (RFC 4028 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresher {
    /// Who sent the request.
    Uac,
    /// Who answered it.
    Uas,
}

impl Refresher {
    /// As the parameter has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uac => "uac",
            Self::Uas => "uas",
        }
    }
}

/// Session timers as a phone wants them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimer {
    /// What it asks for, in seconds.
    pub interval_s: u32,
    /// What it takes at least, in seconds.
    pub min_s: u32,
    /// Whom it names when it calls or when the caller leaves it to it.
    pub refresher: Option<Refresher>,
}

/// RFC 4028 5: no interval is shorter.
pub const SESSION_MIN_S: u32 = 90;

/// What a phone can in one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ability {
    /// RFC 3262.
    pub reliable: bool,
    /// As a caller it requires what it can.
    pub requires: bool,
    /// RFC 3311.
    pub update: bool,
    /// RFC 4028.
    pub timer: Option<SessionTimer>,
}

impl Ability {
    /// What a side must be able to for a behaviour.
    #[must_use]
    pub fn needed(behaviour: Behaviour, side: Side) -> Self {
        let timer = |refresher: Refresher| {
            Some(SessionTimer {
                interval_s: SESSION_MIN_S,
                min_s: SESSION_MIN_S,
                refresher: Some(refresher),
            })
        };
        let none = Self::default();
        match (behaviour, side) {
            (
                Behaviour::ReliableRinging | Behaviour::ReliableMedia | Behaviour::ReliableOffer,
                _,
            ) => Self { reliable: true, ..none },
            (Behaviour::ReliableRequired, _) => {
                Self { reliable: true, requires: side == Side::Caller, ..none }
            }
            (Behaviour::EarlyUpdate, _) => Self { reliable: true, update: true, ..none },
            (Behaviour::Update(_), _) => Self { update: true, ..none },
            (Behaviour::Refreshed(Side::Caller), _) => {
                Self { timer: timer(Refresher::Uac), ..none }
            }
            (Behaviour::Refreshed(Side::Callee), _) => {
                Self { timer: timer(Refresher::Uas), ..none }
            }
            (Behaviour::Vanished(actor), _) if actor != side => {
                Self { timer: timer(Refresher::Uac), ..none }
            }
            (Behaviour::TooSmall, _) => {
                let min_s = if side == Side::Callee { 2 * SESSION_MIN_S } else { SESSION_MIN_S };
                let timer = timer(Refresher::Uac).map(|timer| SessionTimer { min_s, ..timer });
                Self { timer, ..none }
            }
            _ => none,
        }
    }

    /// What a behaviour needs, with more drawn.
    #[must_use]
    pub fn drawn(behaviour: Behaviour, side: Side, random: &mut Ids) -> Self {
        let dice = [random.below(3), random.below(3), random.below(3), random.below(3)];
        let mut ability = Self::needed(behaviour, side);
        ability.reliable |= dice[0] == 0;
        ability.update |= dice[1] == 0;
        if ability.timer.is_none() && dice[2] == 0 {
            let refresher = match dice[3] {
                0 => None,
                1 => Some(Refresher::Uac),
                _ => Some(Refresher::Uas),
            };
            let interval_s = SESSION_MIN_S + 30 * u32::try_from(dice[3]).unwrap_or_default();
            let min_s = SESSION_MIN_S;
            ability.timer = Some(SessionTimer { interval_s, min_s, refresher });
        }
        ability
    }
}
