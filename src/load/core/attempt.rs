//! The timers of one client transaction (RFC 3261 17.1).

use core::time::Duration;

use crate::base::limits::{TIMER_T1, TIMER_T2, TRANSACTION_TIMEOUT};
use crate::base::time::Instant;

/// How long a call may ring: longer than any server's Timer C, which ends it with a final answer.
const PATIENCE: Duration = Duration::from_secs(240);

/// A request that was sent and waits for its final answer.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// Tells the requests of one machine apart, in their branches.
    pub step: u8,
    /// When it was sent first.
    pub sent: Instant,
    is_invite: bool,
    /// Timer A or E.
    repeat: Instant,
    interval: Duration,
    /// Timer B or F.
    over: Instant,
}

/// What an attempt wants of its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing yet.
    Nothing,
    /// To be sent again.
    Repeat,
    /// To be given up.
    Over,
}

impl Attempt {
    /// A request that is sent now.
    #[must_use]
    pub fn new(step: u8, is_invite: bool, is_reliable: bool, now: Instant) -> Self {
        Self {
            step,
            sent: now,
            is_invite,
            repeat: if is_reliable { Instant::NEVER } else { now + TIMER_T1 },
            interval: TIMER_T1,
            over: now + TRANSACTION_TIMEOUT,
        }
    }

    /// When to ask [`Self::on_time`] again.
    #[must_use]
    pub fn due(&self) -> Instant {
        self.repeat.min(self.over)
    }

    /// What is to be done by now.
    pub fn on_time(&mut self, now: Instant) -> Due {
        if now >= self.over {
            return Due::Over;
        }
        if now < self.repeat {
            return Due::Nothing;
        }
        self.interval *= 2;
        if !self.is_invite {
            self.interval = self.interval.min(TIMER_T2);
        }
        self.repeat = now + self.interval;
        Due::Repeat
    }

    /// A 1xx: an INVITE is not repeated any more and has no Timer B, another request is repeated every T2.
    pub fn on_provisional(&mut self, now: Instant) {
        if self.is_invite {
            (self.repeat, self.over) = (Instant::NEVER, now + PATIENCE);
        } else if self.interval < TIMER_T2 && self.repeat != Instant::NEVER {
            (self.repeat, self.interval) = (now + TIMER_T2, TIMER_T2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeats(mut attempt: Attempt, provisional: bool) -> Vec<u64> {
        let mut at = Vec::new();
        if provisional {
            attempt.on_provisional(Instant::ZERO);
        }
        loop {
            let now = attempt.due();
            match attempt.on_time(now) {
                Due::Nothing => panic!("woken for nothing"),
                Due::Repeat => at.push(now.as_millis()),
                Due::Over => {
                    at.push(now.as_millis());
                    return at;
                }
            }
        }
    }

    #[test]
    fn intervals_are_those_of_the_rfc() {
        let new = |is_invite, reliable| Attempt::new(1, is_invite, reliable, Instant::ZERO);
        assert_eq!(
            repeats(new(true, false), false),
            [500, 1500, 3500, 7500, 15_500, 31_500, 32_000]
        );
        let others =
            [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500, 32_000];
        assert_eq!(repeats(new(false, false), false), others);
        assert_eq!(
            repeats(new(false, false), true),
            [4000, 8000, 12_000, 16_000, 20_000, 24_000, 28_000, 32_000]
        );
        assert_eq!(repeats(new(true, false), true), [240_000]);
        assert_eq!(repeats(new(false, true), false), [32_000]);
    }
}
