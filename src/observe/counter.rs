//! Cells that a thread writes and the System Monitor reads, without a lock.

use core::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use core::time::Duration;

/// Something that only rises.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// A counter at zero.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Counts one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Counts several.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// What it stands at.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Something that rises and falls.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// A gauge at zero.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicI64::new(0))
    }

    /// Puts it to a value.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Moves it up, or down by a negative step.
    pub fn add(&self, step: i64) {
        self.0.fetch_add(step, Ordering::Relaxed);
    }

    /// What it stands at.
    #[must_use]
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many spans were how long. Bounds are seconds, rising, and fixed.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One cell per bound, and one for what is longer than the last.
    cells: Box<[AtomicU64]>,
    sum_ns: AtomicU64,
}

impl Histogram {
    /// An empty histogram. `bounds` are the upper ends of its buckets in seconds, rising.
    #[must_use]
    pub fn new(bounds: &'static [f64]) -> Self {
        debug_assert!(bounds.is_sorted(), "bounds of a histogram rise");
        let cells = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, cells, sum_ns: AtomicU64::new(0) }
    }

    /// Counts one span.
    pub fn observe(&self, span: Duration) {
        let seconds = span.as_secs_f64();
        let at = self.bounds.partition_point(|bound| *bound < seconds);
        if let Some(cell) = self.cells.get(at) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_ns.fetch_add(nanoseconds(span), Ordering::Relaxed);
    }

    /// What was counted so far.
    #[must_use]
    pub fn spread(&self) -> Spread {
        let counts = self.cells.iter().map(|cell| cell.load(Ordering::Relaxed)).collect();
        let sum = Duration::from_nanos(self.sum_ns.load(Ordering::Relaxed));
        Spread { bounds: self.bounds, counts, sum_seconds: sum.as_secs_f64() }
    }
}

/// A histogram as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Spread {
    /// Upper ends of the buckets, seconds.
    pub bounds: &'static [f64],
    /// Spans per bucket, not cumulated; the last counts what is longer than the last bound.
    pub counts: Vec<u64>,
    /// Sum of all spans, seconds.
    pub sum_seconds: f64,
}

impl Spread {
    /// Adds what another cell counted; one with other bounds is left out.
    pub fn merge(&mut self, other: &Self) {
        if self.bounds != other.bounds {
            return;
        }
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.sum_seconds += other.sum_seconds;
    }
}

fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
