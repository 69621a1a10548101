//! Time as a value: machines are given `now`, they never read a clock.

use core::fmt;
use core::ops::{Add, Sub};
pub use core::time::Duration;

/// A point on the monotonic clock of one process, in nanoseconds since an
/// arbitrary start. In a simulation it starts at zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub u64);

impl Instant {
    /// The start of the clock.
    pub const ZERO: Self = Self(0);
    /// A point that no clock reaches: a deadline that is not armed.
    pub const NEVER: Self = Self(u64::MAX);

    /// The span from `earlier` to `self`, zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Whole milliseconds since the start of the clock.
    #[must_use]
    pub fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl Sub for Instant {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000_000, self.0 / 1_000 % 1_000_000)
    }
}

/// Wall-clock time in milliseconds since 1970-01-01 UTC. Used in stamps, nonces
/// and `Date`, never to decide when a timer fires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(pub u64);

impl WallTime {
    /// Whole seconds since 1970-01-01 UTC.
    #[must_use]
    pub fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// ISO 8601 in UTC with milliseconds, as in `2026-11-20T21:18:14.000Z`.
    #[must_use]
    pub fn to_iso8601(self) -> String {
        let (days, ms_of_day) = (self.0 / 86_400_000, self.0 % 86_400_000);
        let (year, month, day) = civil_from_days(days);
        let seconds = ms_of_day / 1000;
        format!(
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60,
            ms_of_day % 1000
        )
    }
}

/// Civil date of a day count since 1970-01-01 (Gregorian, from the usual
/// 400-year-era arithmetic).
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_prints_known_dates() {
        assert_eq!(WallTime(0).to_iso8601(), "1970-01-01T00:00:00.000Z");
        assert_eq!(WallTime(951_782_399_999).to_iso8601(), "2000-02-28T23:59:59.999Z");
        assert_eq!(WallTime(951_782_400_000).to_iso8601(), "2000-02-29T00:00:00.000Z");
        assert_eq!(WallTime(1_795_209_494_000).to_iso8601(), "2026-11-20T21:18:14.000Z");
    }

    #[test]
    fn a_deadline_never_wraps() {
        assert_eq!(Instant::NEVER + Duration::from_secs(1), Instant::NEVER);
        assert_eq!(Instant(5).since(Instant(9)), Duration::ZERO);
    }
}
