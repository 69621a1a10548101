//! What became of the units of a run.

use core::fmt;
use std::collections::BTreeMap;

use super::histogram::Histogram;
use crate::sip::message::Method;

/// Why a unit failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    /// The request that failed.
    pub method: &'static str,
    /// What happened to it.
    pub cause: Cause,
}

/// What happened to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A final answer that is no success.
    Status(u16),
    /// No final answer in time.
    Timeout,
    /// It came before it was due.
    Early,
    /// It never came.
    Missing,
    /// There was no room or no way to send it.
    NotSent,
}

impl Failure {
    /// A failure of a request.
    #[must_use]
    pub fn new(method: Method, cause: Cause) -> Self {
        Self { method: method.as_str(), cause }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            Cause::Status(code) => write!(f, "{} {code}", self.method),
            Cause::Timeout => write!(f, "{} timeout", self.method),
            Cause::Early => write!(f, "{} too early", self.method),
            Cause::Missing => write!(f, "{} missing", self.method),
            Cause::NotSent => write!(f, "{} not sent", self.method),
        }
    }
}

/// Units of one side.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    /// Begun.
    pub attempted: u64,
    /// Ended well.
    pub succeeded: u64,
    /// Ended otherwise.
    pub failed: BTreeMap<Failure, u64>,
}

impl Sums {
    /// All that failed.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Begun and not ended.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.attempted.saturating_sub(self.succeeded + self.failures())
    }

    /// A unit ends.
    pub fn end(&mut self, result: Result<(), Failure>) {
        match result {
            Ok(()) => self.succeeded += 1,
            Err(failure) => *self.failed.entry(failure).or_default() += 1,
        }
    }
}

/// All counts of a run.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Units that this side started.
    pub units: Sums,
    /// Calls that came to the answering side.
    pub answered: Sums,
    /// Messages sent, repeated ones too.
    pub sent: u64,
    /// Messages received.
    pub received: u64,
    /// Requests and responses that a timer sent again.
    pub repeated: u64,
    /// Messages that came again.
    pub seen_again: u64,
    /// Messages that belong to nothing.
    pub strays: u64,
    /// REGISTER to 200, the challenge included.
    pub register: Histogram,
    /// INVITE to the first response above 100 and below 200.
    pub ringing: Histogram,
    /// INVITE to 200, the challenge included.
    pub answer: Histogram,
    /// BYE to 200.
    pub bye: Histogram,
    /// OPTIONS to 200.
    pub options: Histogram,
}

impl Tally {
    /// The histograms that hold something, with their names.
    pub fn latencies(&self) -> impl Iterator<Item = (&'static str, &Histogram)> {
        let all = [
            ("REGISTER to 200", &self.register),
            ("INVITE to 180", &self.ringing),
            ("INVITE to 200", &self.answer),
            ("BYE to 200", &self.bye),
            ("OPTIONS to 200", &self.options),
        ];
        all.into_iter().filter(|(_, histogram)| histogram.count() > 0)
    }
}
