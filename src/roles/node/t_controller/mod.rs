//! The T-Controller (the guide's thread 1280): T-Library clients of the TCport, and the
//! DNs and agents of this node.
//!
//! `core.rs` is what it is told and wants done; `clients.rs` registers clients and keeps
//! them alive, `addresses.rs` says who hears of a DN, `agents.rs` works on requests of
//! agents and on what is set at a DN, `service.rs` on what brings a DN into service,
//! `calls.rs` on what happens in calls, `publish.rs` numbers events and hands them out.

mod addresses;
mod agents;
pub(in crate::roles::node) mod assemble;
mod calls;
mod clients;
pub mod core;
pub mod handle;
pub mod inbox;
pub mod module;
mod publish;
mod service;
pub mod settings;

#[cfg(test)]
mod tests;
