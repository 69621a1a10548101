//! How often each nonce was used, at the node that issued it (RFC 7616 3.4,
//! `nc`): every count once, and no nonce that the table has forgotten.

use super::nonce::{NonceId, secs};
use crate::base::time::{Duration, WallTime};
use std::collections::BTreeMap;

/// Counts behind the highest one that may still come, each once: requests that
/// overtake each other on the way.
const WINDOW_LEN: u32 = 64;
/// Entries that one use removes at most when their lifetime has passed. More
/// than one, so that the table shrinks; few, so that no turn becomes long.
const EXPIRED_PER_USE: usize = 8;

/// What became of one use of a nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonceUse {
    /// The first request with this nonce and count.
    New,
    /// This count was there before, or is too far behind to tell.
    Replayed,
    /// The nonce is not in the table and the count is above 1, or the nonce is
    /// older than what the table remembers.
    Unknown,
}

/// The highest count of a nonce, and which of those just below it were there.
#[derive(Clone, Copy, Debug)]
struct Window {
    highest: u32,
    /// Bit `n` stands for `highest - n`.
    seen: u64,
}

impl Window {
    const FIRST: Self = Self { highest: 1, seen: 1 };

    fn take(&mut self, count: u32) -> bool {
        if count > self.highest {
            self.seen = self.seen.checked_shl(count - self.highest).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        let behind = self.highest - count;
        if behind >= WINDOW_LEN || self.seen >> behind & 1 == 1 {
            return false;
        }
        self.seen |= 1 << behind;
        true
    }
}

/// A bounded table of the nonces in use. When it is full the oldest nonce goes,
/// and from then on that nonce and every older unknown one are stale: what has
/// been forgotten can never be replayed.
///
/// An entry is to be made only after the response has been found right, so that
/// strangers cannot fill the table.
#[derive(Debug)]
pub struct NonceCounts {
    windows: BTreeMap<NonceId, Window>,
    /// Nonces up to here are used only if they are in the table.
    floor: NonceId,
    len_max: usize,
}

impl NonceCounts {
    /// An empty table for `len_max` nonces (at least one). What an earlier
    /// process issued until `started` is stale.
    #[must_use]
    pub fn new(len_max: usize, started: WallTime) -> Self {
        Self {
            windows: BTreeMap::new(),
            floor: NonceId::last_of(secs(started)),
            len_max: len_max.max(1),
        }
    }

    /// Forgets everything and makes all nonces up to `now` stale. For a backup
    /// that takes over: it has not seen what its primary counted.
    pub fn forget(&mut self, now: WallTime) {
        self.windows.clear();
        self.floor = self.floor.max(NonceId::last_of(secs(now)));
    }

    /// The time to issue a nonce with: `now`, or later where that would be a
    /// nonce the table takes for a forgotten one, as after a clock was set back.
    #[must_use]
    pub fn issue_time(&self, now: WallTime) -> WallTime {
        let earliest = (u64::from(self.floor.issued_secs()) + 1) * 1000;
        WallTime(now.0.max(earliest))
    }

    /// Counts one use of a fresh nonce. `count` is `nc`; the form without qop
    /// has none and counts as 1, so such a client needs a nonce per request.
    pub fn take(
        &mut self,
        nonce: NonceId,
        count: u32,
        now: WallTime,
        lifetime: Duration,
    ) -> NonceUse {
        self.expire(now, lifetime);
        if let Some(window) = self.windows.get_mut(&nonce) {
            return if window.take(count) { NonceUse::New } else { NonceUse::Replayed };
        }
        if count != 1 || nonce <= self.floor {
            return NonceUse::Unknown;
        }
        if self.windows.len() >= self.len_max {
            if self.windows.first_key_value().is_some_and(|(oldest, _)| nonce < *oldest) {
                return NonceUse::Unknown;
            }
            self.drop_oldest();
        }
        self.windows.insert(nonce, Window::FIRST);
        NonceUse::New
    }

    /// Nonces in the table.
    #[must_use]
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// Whether the table holds no nonce.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    fn expire(&mut self, now: WallTime, lifetime: Duration) {
        for _ in 0..EXPIRED_PER_USE {
            let Some((oldest, _)) = self.windows.first_key_value() else {
                return;
            };
            if u64::from(secs(now).saturating_sub(oldest.issued_secs())) <= lifetime.as_secs() {
                return;
            }
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((oldest, _)) = self.windows.pop_first() {
            self.floor = self.floor.max(oldest);
        }
    }
}
