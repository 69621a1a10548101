//! A proxy shard: RFC 3261 16 between the outside and the cluster's nodes.
//!
//! ```text
//!  outside ──new request──▶ node of what it relates to (related.rs), else by Call-ID
//!  outside ──REGISTER─────▶ owner of the DN, else as above (register.rs)
//!  outside ──in a dialog──▶ node by sealed token
//!  node ──X-Genesys-Route──▶ registrar look-up, trunk
//!  node ──in a dialog──────▶ the phone's or trunk's contact
//! ```
//!
//! `core.rs` is the table of contents; each file beside it holds one step.

pub mod core;
mod farewell;
mod flows;
mod forward;
pub mod handle;
mod held;
pub mod hints;
pub mod inbox;
mod loops;
mod mend;
pub mod module;
pub mod nodes;
mod redirect;
mod register;
mod related;
mod request;
mod response;
mod route;
pub mod settings;
mod transaction;

#[cfg(test)]
mod tests;
