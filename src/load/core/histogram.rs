//! Durations in buckets whose width grows with the value: 64 of equal width for each power of two, so that a value read
//! back is at most 1.6 % too large.

use core::time::Duration;

const STEPS_BITS: u32 = 6;
const STEPS: u64 = 1 << STEPS_BITS;
/// Powers of two of nanoseconds above the first bucket: up to 18 minutes, and more counts as that.
const POWERS: u64 = 35;

/// Counts of durations.
#[derive(Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    count: u64,
    max: u64,
}

impl core::fmt::Debug for Histogram {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Histogram({} up to {:?})", self.count, self.max())
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; (STEPS * POWERS) as usize], count: 0, max: 0 }
    }
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&mut self, span: Duration) {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        let last = self.counts.len() - 1;
        self.counts[bucket(nanos).min(last)] += 1;
        self.count += 1;
        self.max = self.max.max(nanos);
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest.
    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max)
    }

    /// A duration that `share` of all do not exceed; zero when nothing was counted.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        let wanted = (share * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_nanos(upper(index as u64).min(self.max));
            }
        }
        Duration::from_nanos(self.max)
    }
}

/// Values below 64 have a bucket each; above, the highest bit names the power and the next six the step.
fn bucket(nanos: u64) -> usize {
    if nanos < STEPS {
        return nanos as usize;
    }
    let power = nanos.ilog2() - STEPS_BITS;
    (u64::from(power + 1) * STEPS + (nanos >> power) % STEPS) as usize
}

/// The largest value of a bucket.
fn upper(index: u64) -> u64 {
    let (power, step) = (index / STEPS, index % STEPS);
    match power.checked_sub(1) {
        None => step,
        Some(shift) => ((STEPS + step + 1) << shift) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lies_in_its_bucket_and_is_read_back_closely() {
        for nanos in (0..200).chain((1..40).map(|power| (1_u64 << power) + 3)) {
            let last = upper(bucket(nanos) as u64);
            assert!(last >= nanos && last <= nanos + nanos / STEPS, "{nanos} -> {last}");
            assert_eq!(bucket(last + 1), bucket(nanos) + 1, "{nanos}");
        }
    }

    #[test]
    fn quantiles_of_a_thousand() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.99), Duration::ZERO);
        for micros in 1..=1000 {
            histogram.record(Duration::from_micros(micros));
        }
        for (share, micros) in [(0.5, 500.0), (0.9, 900.0), (0.99, 990.0), (1.0, 1000.0)] {
            let read = histogram.quantile(share).as_secs_f64() * 1e6;
            assert!(read >= micros && read <= micros * 1.016, "{share}: {read}");
        }
        histogram.record(Duration::from_secs(1 << 20));
        assert_eq!(histogram.max(), Duration::from_secs(1 << 20));
        assert_eq!(histogram.count(), 1001);
    }
}
