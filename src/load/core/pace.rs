//! When the next unit starts.

use core::time::Duration;

use super::super::plan::Pace;
use crate::base::time::Instant;

/// Units that one turn may start, so that answers are read in between.
const BURST_MAX: u64 = 64;
/// A generator that falls further behind its rate does not make up for it: the report shows the rate that was reached.
const LAG_MAX: Duration = Duration::from_millis(100);

/// The start of units over time.
#[derive(Clone, Debug)]
pub struct Pacer {
    pace: Pace,
    /// Units that are still to be started.
    left: u64,
    /// When no more are started.
    until: Instant,
    /// When the next one is due, under a rate.
    next: Instant,
}

impl Pacer {
    /// Starts at `now`, with at most `count` units until `until`.
    #[must_use]
    pub fn new(pace: Pace, count: Option<u64>, until: Instant, now: Instant) -> Self {
        Self { pace, left: count.unwrap_or(u64::MAX), until, next: now }
    }

    /// How many units start now, with `open` under way. What it gives counts as started.
    pub fn due(&mut self, now: Instant, open: usize) -> u64 {
        if now >= self.until {
            self.left = 0;
        }
        let due = match self.pace {
            Pace::InFlight(limit) => limit.saturating_sub(open) as u64,
            Pace::Rate(rate) => self.due_by_rate(now, rate),
        };
        let due = due.min(self.left).min(BURST_MAX);
        self.left -= due;
        due
    }

    fn due_by_rate(&mut self, now: Instant, rate: u32) -> u64 {
        let interval = Duration::from_secs(1) / rate.max(1);
        if now.since(self.next) > LAG_MAX {
            self.next = now;
        }
        let mut due = 0;
        while self.next <= now && due < BURST_MAX.min(self.left) {
            self.next = self.next + interval;
            due += 1;
        }
        due
    }

    /// Starts no more.
    pub fn stop(&mut self) {
        self.left = 0;
    }

    /// Whether no more are started.
    #[must_use]
    pub fn is_over(&self, now: Instant) -> bool {
        self.left == 0 || now >= self.until
    }

    /// When to ask again, [`Instant::NEVER`] while only the end of a unit can bring the next.
    #[must_use]
    pub fn next(&self) -> Instant {
        match self.pace {
            _ if self.left == 0 => Instant::NEVER,
            Pace::Rate(_) => self.next.min(self.until),
            Pace::InFlight(_) => self.until,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Instant {
        Instant(ms * 1_000_000)
    }

    #[test]
    fn a_rate_is_kept_over_a_second() {
        let mut pacer = Pacer::new(Pace::Rate(300), None, Instant::NEVER, ms(0));
        let started: u64 = (0..1000).map(|at| pacer.due(ms(at), 0)).sum();
        assert!((299..=301).contains(&started), "{started}");
    }

    #[test]
    fn a_lag_is_not_made_up_for() {
        let mut pacer = Pacer::new(Pace::Rate(1000), None, Instant::NEVER, ms(0));
        assert_eq!(pacer.due(ms(0), 0), 1);
        assert_eq!(pacer.due(ms(5000), 0), 1);
    }

    #[test]
    fn a_closed_loop_fills_up_and_ends_with_its_count() {
        let mut pacer = Pacer::new(Pace::InFlight(8), Some(10), Instant::NEVER, ms(0));
        assert_eq!((pacer.due(ms(0), 0), pacer.due(ms(0), 8)), (8, 0));
        assert_eq!((pacer.due(ms(1), 2), pacer.is_over(ms(1))), (2, true));
        let mut bounded = Pacer::new(Pace::InFlight(8), None, ms(10), ms(0));
        assert_eq!((bounded.next(), bounded.due(ms(10), 0)), (ms(10), 0));
        assert!(bounded.is_over(ms(10)));
    }
}
