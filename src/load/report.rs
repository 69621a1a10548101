//! What a run shows: a line a second, and a page or JSON at the end.

use core::fmt::{self, Write as _};
use core::time::Duration;

use serde_json::{Value, json};

use super::core::histogram::Histogram;
use super::core::tally::{Sums, Tally};
use super::plan::{Plan, Scenario};

/// A measured process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// The process; its children are counted with it.
    pub pid: u32,
    /// CPU time from the first unit to the last look.
    pub cpu: Duration,
    /// Bytes before the first unit.
    pub memory_before: u64,
    /// Bytes at the last look, or while the calls stand.
    pub memory_after: u64,
}

/// The outcome of a run.
#[derive(Clone, Debug)]
pub struct Report {
    scenario: Scenario,
    tally: Tally,
    elapsed: Duration,
    own: Duration,
    processes: Vec<Measured>,
    standing: u64,
    /// Whether calls were left standing.
    left: u64,
    /// What memory is divided by.
    kept: u64,
    unsent: u64,
}

impl Report {
    /// Puts the outcome together.
    pub(super) fn new(
        plan: &Plan,
        tally: Tally,
        elapsed: Duration,
        own: Duration,
        processes: Vec<Measured>,
        standing: u64,
        unsent: u64,
    ) -> Self {
        let kept = match plan.scenario {
            // A number that registers again adds no binding, and its transactions would be taken for one.
            Scenario::Register if tally.units.attempted <= plan.numbers.len() => {
                tally.units.succeeded
            }
            _ if plan.standing.is_some() => standing,
            Scenario::Register
            | Scenario::Unregister
            | Scenario::Call
            | Scenario::Options
            | Scenario::Answer => 0,
        };
        let left = if plan.leave { standing } else { 0 };
        let scenario = plan.scenario;
        Self { scenario, tally, elapsed, own, processes, standing, left, kept, unsent }
    }

    fn sums(&self) -> &Sums {
        match self.scenario {
            Scenario::Answer => &self.tally.answered,
            Scenario::Register | Scenario::Unregister | Scenario::Call | Scenario::Options => {
                &self.tally.units
            }
        }
    }

    /// Whether nothing failed and nothing is left that was to end.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let calls = [&self.tally.units, &self.tally.answered];
        calls.iter().all(|sums| sums.failures() == 0) && self.tally.units.open() <= self.left
    }

    fn rate(&self) -> f64 {
        let ended = self.sums().attempted.saturating_sub(self.sums().failures());
        ended as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    fn each(&self, span: Duration) -> f64 {
        span.as_secs_f64() * 1e6 / self.sums().attempted.max(1) as f64
    }

    fn messages(&self) -> u64 {
        self.tally.sent + self.tally.received
    }

    /// All of it as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let sums = |sums: &Sums| {
            let failed = sums.failed.iter().map(|(why, count)| (why.to_string(), json!(count)));
            json!({
                "attempted": sums.attempted,
                "succeeded": sums.succeeded,
                "failed": sums.failures(),
                "open": sums.open(),
                "failures": failed.collect::<serde_json::Map<_, _>>(),
            })
        };
        let latency = |histogram: &Histogram| {
            json!({
                "count": histogram.count(),
                "p50_us": micros(histogram.quantile(0.5)),
                "p90_us": micros(histogram.quantile(0.9)),
                "p99_us": micros(histogram.quantile(0.99)),
                "max_us": micros(histogram.max()),
            })
        };
        let latencies = self.tally.latencies().map(|(name, all)| (name.to_owned(), latency(all)));
        let process = |process: &Measured| {
            json!({
                "pid": process.pid,
                "cpu_us_per_unit": tenth(self.each(process.cpu)),
                "memory_before": process.memory_before,
                "memory_after": process.memory_after,
                "memory_each": self.memory_each(process),
            })
        };
        json!({
            "units": sums(&self.tally.units),
            "answered": sums(&self.tally.answered),
            "elapsed_s": self.elapsed.as_secs_f64(),
            "rate": tenth(self.rate()),
            "standing": self.standing,
            "messages": {
                "sent": self.tally.sent,
                "received": self.tally.received,
                "sent_again": self.tally.repeated,
                "seen_again": self.tally.seen_again,
                "strays": self.tally.strays,
                "unsent": self.unsent,
            },
            "latencies": latencies.collect::<serde_json::Map<_, _>>(),
            "own_cpu_us_per_unit": tenth(self.each(self.own)),
            "own_cpu_us_per_message": tenth(per(self.own, self.messages())),
            "processes": self.processes.iter().map(process).collect::<Vec<_>>(),
        })
    }

    /// Bytes for each binding, or for each standing call.
    fn memory_each(&self, process: &Measured) -> Option<i64> {
        let kept = i64::try_from(self.kept).ok().filter(|&kept| kept > 0)?;
        let before = i64::try_from(process.memory_before).ok()?;
        Some((i64::try_from(process.memory_after).ok()? - before) / kept)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sums, unit) = (self.sums(), unit(self.scenario));
        let elapsed = self.elapsed.as_secs_f64();
        writeln!(f, "{} {unit}s in {elapsed:.2} s: {:.0} a second", sums.attempted, self.rate())?;
        failures(f, sums)?;
        if self.scenario == Scenario::Call && self.tally.answered.failures() > 0 {
            writeln!(f, "of the {} calls that were answered here:", self.tally.answered.attempted)?;
            failures(f, &self.tally.answered)?;
        }
        if self.standing > 0 {
            writeln!(f, "  {} calls stood together", self.standing)?;
        }
        let tally = &self.tally;
        writeln!(
            f,
            "  {} messages sent, {} received; {} sent again, {} seen again, {} strays, {} unsent",
            tally.sent, tally.received, tally.repeated, tally.seen_again, tally.strays, self.unsent
        )?;
        if tally.latencies().next().is_some() {
            writeln!(f, "  {:<16} {:>9} {:>9} {:>9} {:>9} ms", "", "p50", "p90", "p99", "max")?;
        }
        for (name, all) in tally.latencies() {
            let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|share| millis(all.quantile(share)));
            let max = millis(all.max());
            writeln!(f, "  {name:<16} {p50:>9.3} {p90:>9.3} {p99:>9.3} {max:>9.3}")?;
        }
        let (each, message) = (self.each(self.own), per(self.own, self.messages()));
        write!(f, "  CPU here {each:.1} µs per {unit}, {message:.1} µs per message")?;
        for process in &self.processes {
            let cpu = self.each(process.cpu);
            let mega = |bytes: u64| bytes as f64 / 1e6;
            let (before, after) = (mega(process.memory_before), mega(process.memory_after));
            write!(f, "\n  process {}: CPU {cpu:.1} µs per {unit}", process.pid)?;
            write!(f, "; memory {before:.1} MB before, {after:.1} MB after")?;
            if let Some(each) = self.memory_each(process) {
                write!(f, ", {each} bytes each")?;
            }
        }
        Ok(())
    }
}

fn failures(f: &mut fmt::Formatter<'_>, sums: &Sums) -> fmt::Result {
    write!(f, "  {} succeeded, {} failed", sums.succeeded, sums.failures())?;
    for (why, count) in &sums.failed {
        write!(f, "; {why}: {count}")?;
    }
    if sums.open() > 0 {
        write!(f, "; {} not ended", sums.open())?;
    }
    writeln!(f)
}

fn unit(scenario: Scenario) -> &'static str {
    match scenario {
        Scenario::Register | Scenario::Unregister => "registration",
        Scenario::Call | Scenario::Answer => "call",
        Scenario::Options => "request",
    }
}

/// One second of a run.
pub(super) fn line(tally: &Tally, elapsed: Duration, standing: usize) -> String {
    let sums = if tally.units.attempted > 0 { &tally.units } else { &tally.answered };
    let open = (sums.open() as usize).saturating_sub(standing);
    let mut text = format!(
        "{:>5.0} s  {} started  {} ok  {} failed  {open} open",
        elapsed.as_secs_f64(),
        sums.attempted,
        sums.succeeded,
        sums.failures(),
    );
    if standing > 0 {
        // Writing into a String cannot fail.
        let _ = write!(text, "  {standing} stand");
    }
    if let Some((name, all)) = tally.latencies().find(|(name, _)| !name.contains("180")) {
        let (p50, p99) = (millis(all.quantile(0.5)), millis(all.quantile(0.99)));
        let _ = write!(text, "  {name} p50 {p50:.2} p99 {p99:.2} ms");
    }
    let _ = write!(text, "  {} sent again", tally.repeated);
    text
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

fn micros(span: Duration) -> f64 {
    tenth(span.as_secs_f64() * 1e6)
}

fn per(span: Duration, count: u64) -> f64 {
    span.as_secs_f64() * 1e6 / count.max(1) as f64
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
