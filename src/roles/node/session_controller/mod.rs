//! The Session Controller's T-Library (the guide's main thread): clients of the default
//! port, which hear of the calls of this node alone (`tlib.proto`, LOCAL CALLS).
//!
//! `core.rs` is what it is told and wants done.

pub mod core;

#[cfg(test)]
mod tests;
