//! What the program tells about itself: counters, log lines, and snapshots for operators.
//!
//! Each number has one writer and is read when somebody asks: a thread registers its own cells, and cells of equal
//! name and labels are summed when the page is written. State (roles, calls, registrations) is not counted twice:
//! modules publish a snapshot on the [`board::Board`], and both the API and the gauges are read from it. What would
//! grow with calls and registrations is made only when somebody asks ([`listing::Listing`]).
//!
//! ```text
//!  module threads ──▶ counter cells ─┐
//!               └───▶ board ─────────┼──▶ prometheus::Registry ──▶ /metrics
//!                        └───────────┴──▶ /api/v1/…
//! ```
//!
//! Nothing here decides anything, and nothing here knows a protocol: methods and results come as words.

pub mod board;
pub mod counter;
pub mod families;
pub mod listing;
pub mod log;
pub mod prometheus;

#[cfg(test)]
mod tests;
