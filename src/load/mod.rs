//! A load generator: registers, calls and answers at a rate, and reports what became of it and what it cost.
//!
//! ```text
//!  plan ──▶ module (sockets, clock, pace) ──▶ core (machines, pure) ──▶ report
//!                    │                                                    ▲
//!                    └── usage: CPU time and memory of processes ─────────┘
//! ```
//!
//! It is a SIP element of its own: what it says is written from templates and what it hears is read as far as needed, so
//! that it takes a few microseconds for a message and can share a machine with what it measures. It knows nothing of
//! clusters, nodes or DNs.

pub mod core;
pub mod plan;

mod module;
mod net;
mod report;
mod usage;

pub use module::{LoadError, run};
pub use plan::Plan;
pub use report::{Measured, Report};
