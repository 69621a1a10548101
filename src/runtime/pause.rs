//! After a pause – the machine was busy, or stopped – a thread hears what has come
//! meanwhile before any deadline counts: an answer that waits in a socket is no
//! silence.

use super::timer_wheel::TimerWheel;
use crate::base::time::{Duration, Instant};

/// A deadline seen this much too late is the sign of a pause.
const LATE: Duration = Duration::from_millis(50);
/// Time in which the other threads hand over what has come.
const GRACE: Duration = Duration::from_millis(20);

/// The deadlines of a module, which wait a little after a pause.
#[derive(Debug)]
pub struct Deadlines<K> {
    wheel: TimerWheel<K>,
    pause: Pause,
}

impl<K: Copy> Default for Deadlines<K> {
    fn default() -> Self {
        Self { wheel: TimerWheel::new(), pause: Pause::default() }
    }
}

impl<K: Copy> Deadlines<K> {
    /// Adds a deadline. [`Instant::NEVER`] is none.
    pub fn arm(&mut self, at: Instant, key: K) {
        self.wheel.arm(at, key);
    }

    /// The keys whose deadlines have come and count in this turn.
    pub fn expire(&mut self, now: Instant) -> Vec<K> {
        let mut due = Vec::new();
        if self.pause.lets_expire(now, self.wheel.next()) {
            self.wheel.expire(now, &mut due);
        }
        due
    }

    /// When the module wants its next turn for their sake.
    #[must_use]
    pub fn next(&self) -> Instant {
        self.pause.next(self.wheel.next())
    }
}

/// Puts deadlines off after a pause, once for each.
#[derive(Clone, Copy, Debug, Default)]
struct Pause {
    until: Instant,
}

impl Pause {
    /// Whether deadlines count in this turn; `planned` is the earliest of them.
    fn lets_expire(&mut self, now: Instant, planned: Instant) -> bool {
        if planned != Instant::NEVER && now.since(planned) > LATE && self.until < planned {
            self.until = now + GRACE;
        }
        now >= self.until
    }

    /// When the thread wants its next turn for the sake of `planned`.
    fn next(&self, planned: Instant) -> Instant {
        if planned == Instant::NEVER { planned } else { planned.max(self.until) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Instant {
        Instant(ms * 1_000_000)
    }

    #[test]
    fn a_deadline_in_time_counts_at_once_and_a_late_one_after_the_grace() {
        let mut pause = Pause::default();
        assert!(pause.lets_expire(ms(1_010), ms(1_000)));
        assert!(!pause.lets_expire(ms(3_000), ms(2_000)));
        assert_eq!(pause.next(ms(2_000)), ms(3_020));
        assert!(!pause.lets_expire(ms(3_019), ms(2_000)));
        assert!(pause.lets_expire(ms(3_020), ms(2_000)), "put off once only");
        assert!(pause.lets_expire(ms(3_500), ms(2_001)), "one that waited beside it");
        assert!(!pause.lets_expire(ms(9_000), ms(4_000)), "another pause");
        assert_eq!(pause.next(Instant::NEVER), Instant::NEVER);
    }
}
