//! Call Manager: the one place where signalling meets calls.
//!
//! ```text
//!  packet ─▶ sip::user_agent ─▶ LegEvent ─▶ core ─▶ call ─▶ LegCommand ─▶ sip::user_agent ─▶ packet
//! ```
//!
//! `core.rs` is the table of contents; `arrive.rs` takes new calls, `route.rs`
//! decides where they go, `elsewhere.rs` knows those of other nodes, `requests.rs` answers REGISTER and OPTIONS.

mod arrive;
pub mod core;
mod elsewhere;
pub mod handle;
pub mod inbox;
pub mod module;
mod requests;
pub mod route;
pub mod settings;

#[cfg(test)]
mod tests;
