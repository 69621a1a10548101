//! A whole cluster in one thread: proxies, nodes, phones and a trunk are stepped
//! in virtual time over a network that delays, loses, repeats, reorders and
//! parts, all drawn from one seed. The proxies and nodes are the cores that
//! ship; the phones are written from the RFC alone, so that the two sides check
//! each other.
//!
//! ```text
//!  plan ─▶ world ──packet──▶ network ──arrivals──▶ world ─▶ proxy · node · phone
//!            └─▶ trace ─▶ check (RFC 3261, secrets, descriptions, leaks) ─▶ findings
//!                  └────▶ ladder
//! ```

pub mod ability;
pub mod behaviour;
pub mod check;
pub mod cluster;
pub mod coverage;
pub mod ladder;
pub mod mischief;
pub mod network;
mod party;
pub mod phone;
pub mod plan;
mod replace;
pub mod trace;
pub mod world;
