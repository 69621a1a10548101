//! After a pause – the machine was busy, or stopped – a thread hears what has come
//! meanwhile before any deadline counts: an answer that waits in a socket is no
//! silence.

use super::timer_wheel::TimerWheel;
use crate::base::time::{Duration, Instant};

/// A deadline seen this much too late is the sign of a pause.
const LATE: Duration = Duration::from_millis(50);
/// Time in which the other threads hand over what has come.
const GRACE: Duration = Duration::from_millis(20);

/// What part of its time a deadline may be late by.
const SLACK_PART: u64 = 32;
/// How late a deadline may be at most, in milliseconds; a power of two.
const SLACK_MS_MAX: u64 = 128;

/// The deadlines of a module, which wait a little after a pause, and for each other:
/// most belong to what has been answered long ago, and a thread that sleeps is not to
/// be woken for each of them.
#[derive(Debug)]
pub struct Deadlines<K> {
    wheel: TimerWheel<K>,
    pause: Pause,
    /// Time of the last turn.
    now: Instant,
}

impl<K: Copy> Default for Deadlines<K> {
    fn default() -> Self {
        Self { wheel: TimerWheel::new(), pause: Pause::default(), now: Instant::ZERO }
    }
}

impl<K: Copy> Deadlines<K> {
    /// Adds a deadline, which may be late by a 32nd of the time until then.
    /// [`Instant::NEVER`] is none.
    pub fn arm(&mut self, at: Instant, key: K) {
        self.wheel.arm(shared(at, self.now), key);
    }

    /// The keys whose deadlines have come and count in this turn.
    pub fn expire(&mut self, now: Instant) -> Vec<K> {
        self.now = now;
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

/// The next time after `at` that deadlines as far away as it share.
fn shared(at: Instant, now: Instant) -> Instant {
    let slack_ms = (at.since(now).as_millis() as u64 / SLACK_PART).min(SLACK_MS_MAX);
    if at == Instant::NEVER || slack_ms < 2 {
        return at;
    }
    // The largest power of two in it: times of one length are times of the shorter ones.
    let step = (1 << slack_ms.ilog2()) * 1_000_000;
    at.0.checked_next_multiple_of(step).map_or(at, Instant)
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
    fn deadlines_wait_for_each_other_by_a_small_part_of_their_time() {
        let now = ms(1_000_003);
        for (after, late_max) in
            [(0, 0), (1, 0), (63, 0), (64, 1), (500, 7), (4_000, 63), (32_000, 127)]
        {
            let mut met = std::collections::BTreeSet::new();
            for more in 0..1_000 {
                let at = Instant(now.0 + (after * 1_000 + more) * 1_000);
                let then = shared(at, now);
                assert!(
                    then >= at && then.since(at) <= Duration::from_millis(late_max + 1),
                    "{at:?} {then:?}"
                );
                met.insert(then);
            }
            // A millisecond of them shares one time or two.
            assert_eq!(met.len() <= 2, after >= 64, "{after}");
        }
        assert_eq!(shared(Instant::NEVER, now), Instant::NEVER);
        assert_eq!(shared(Instant(u64::MAX - 1), now), Instant(u64::MAX - 1));
        assert_eq!(shared(ms(1), now), ms(1), "the past is not moved");
    }

    #[test]
    fn the_slack_counts_from_the_last_turn() {
        let mut deadlines = Deadlines::default();
        assert!(deadlines.expire(ms(10_001)).is_empty());
        deadlines.arm(ms(10_501), 1);
        deadlines.arm(ms(10_011), 2);
        deadlines.arm(ms(10_503), 3);
        assert_eq!(deadlines.expire(ms(10_011)), [2], "a near one is exact");
        assert!(deadlines.expire(ms(10_503)).is_empty());
        assert_eq!(deadlines.next(), ms(10_504));
        assert_eq!(deadlines.expire(ms(10_504)), [1, 3]);
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
