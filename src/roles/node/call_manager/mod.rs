//! Call Manager: the one place where signalling meets calls.
//!
//! ```text
//!  packet ─▶ sip::user_agent ─▶ LegEvent ─▶ core ─▶ call ─▶ LegCommand ─▶ sip::user_agent ─▶ packet
//! ```
//!
//! `core.rs` is the table of contents; `arrive.rs` takes new calls, `route.rs`
//! decides where they go, `elsewhere.rs` knows those of other nodes, `requests.rs`
//! answers REGISTER and OPTIONS, `bundle.rs` hands calls over to another process.

mod arrive;
pub mod bundle;
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
