//! The Interaction Proxy (the guide's thread 1024): T-Library clients of the IPport, to
//! which each call of this node goes with all that happens in it (`tlib.proto`, CALL
//! STREAMS).
//!
//! `core.rs` is what it is told and wants done, `recipients.rs` who has which events, `kept.rs`
//! what an earlier process has left of that on disk.

pub mod core;
mod kept;
mod passing;
mod recipients;

#[cfg(test)]
mod tests;
