//! The Interaction Proxy (the guide's thread 1024): T-Library clients of the IPport, to
//! which each call of this node goes with all that happens in it (`tlib.proto`, CALL
//! STREAMS).
//!
//! `core.rs` is what it is told and wants done, `recipients.rs` who has which events.

pub mod core;
mod recipients;

#[cfg(test)]
mod tests;
