//! Warnings that the outside can cause at will.

use crate::base::limits::WARN_INTERVAL;
use crate::base::time::Instant;

/// Lets one kind of warning through per [`WARN_INTERVAL`].
#[derive(Debug, Default)]
pub(super) struct Quiet {
    until: Instant,
    unsaid: u64,
}

impl Quiet {
    /// Notes so many occurrences; says how many there were since the last warning if
    /// it is time for another.
    pub(super) fn speak(&mut self, count: u64, now: Instant) -> Option<u64> {
        self.unsaid += count;
        if self.unsaid == 0 || now < self.until {
            return None;
        }
        self.until = now + WARN_INTERVAL;
        Some(core::mem::take(&mut self.unsaid))
    }
}
