//! The changes that this proxy has taken from phones, for peers to catch up by.

use super::entry::Registration;
use std::collections::VecDeque;

/// Own changes by number, the oldest dropped when full.
#[derive(Debug, Default)]
pub(super) struct Log {
    entries: VecDeque<Registration>,
    last: u64,
}

impl Log {
    pub(super) fn push(&mut self, entry: Registration, len_max: usize) {
        if self.entries.len() >= len_max {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
        self.last += 1;
    }

    /// Counts a change that nobody will ask for, nor for those before it.
    pub(super) fn skip(&mut self) {
        self.entries.clear();
        self.last += 1;
    }

    pub(super) const fn last(&self) -> u64 {
        self.last
    }

    /// Number of the oldest entry, or of the next one if there is none.
    pub(super) fn first(&self) -> u64 {
        self.last + 1 - self.entries.len() as u64
    }

    pub(super) fn from(&self, sequence: u64) -> impl Iterator<Item = &Registration> {
        let skip = sequence.saturating_sub(self.first());
        self.entries.iter().skip(usize::try_from(skip).unwrap_or(usize::MAX))
    }
}
