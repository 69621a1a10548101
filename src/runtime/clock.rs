//! The clocks and the randomness of the operating system, read here and nowhere else.

use crate::base::time::{Instant, WallTime};
use std::time::SystemTime;

/// The clock of one process. Copies of one clock agree; two clocks that were
/// started apart do not.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: std::time::Instant,
}

impl Clock {
    /// Starts the clock at [`Instant::ZERO`].
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the reader of the monotonic clock")]
    pub fn start() -> Self {
        Self { start: std::time::Instant::now() }
    }

    /// Monotonic time, in nanoseconds since the start of the clock.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the reader of the monotonic clock")]
    pub fn now(&self) -> Instant {
        Instant::ZERO + std::time::Instant::now().saturating_duration_since(self.start)
    }

    /// Wall-clock time; zero on a machine that believes to be before 1970.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the reader of the wall clock")]
    pub fn wall(&self) -> WallTime {
        let span = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        WallTime(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    }
}

/// 64 random bits of the operating system, to seed an [`crate::base::id::Ids`] or a key.
///
/// # Panics
/// When the system gives none: nothing that is made without them could be trusted.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the source of randomness")]
pub fn random_u64() -> u64 {
    match getrandom::u64() {
        Ok(bits) => bits,
        Err(error) => panic!("the operating system gives no random bits: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_a_clock_agree_and_never_run_backwards() {
        let clock = Clock::start();
        let copy = clock;
        let readings: Vec<Instant> =
            (0..100).map(|turn| if turn % 2 == 0 { clock.now() } else { copy.now() }).collect();
        assert!(readings.is_sorted());
        assert!(clock.wall() > WallTime(1_700_000_000_000));
    }

    #[test]
    fn random_words_differ() {
        assert_ne!(random_u64(), random_u64());
    }
}
