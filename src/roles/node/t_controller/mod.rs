//! The T-Controller (the guide's thread 1280): T-Library clients of the TCport, and the
//! DNs and agents of this node.
//!
//! `core.rs` is what it is told and wants done; `clients.rs` registers clients and keeps
//! them alive, `addresses.rs` says who hears of a DN, `agents.rs` works on requests of
//! agents and on what is set at a DN, `service.rs` on what brings a DN into service,
//! `calls.rs` on what happens in calls, `running.rs` on what an owner has missed of them,
//! `settling.rs` on requests that wait for it, `release.rs` on their end by request, `no_answer.rs` on agents who do not answer, `publish.rs` numbers events and hands them out.
//! `links.rs` keeps the links to the other T-Controllers, `addp.rs` says how they are kept alive, `owners.rs` says which of them
//! owns a DN, `remote.rs` works for clients here on DNs of others and the other way round,
//! `order.rs` keeps their requests in order,
//! `shown.rs` is what clients here know of such a DN, `log.rs` keeps events for who comes back. `operator.rs` works for operators, `smart.rs` for
//! clients that hear of all that this node owns, `smart_proxy.rs` is what a Smart Proxy does otherwise,
//! `supervision.rs` is who wants to watch whom,
//! `view.rs` is what they see.

pub mod addp;
mod addresses;
mod agents;
pub(in crate::roles::node) mod assemble;
mod calls;
mod clients;
pub mod core;
pub mod handle;
pub mod inbox;
mod links;
mod log;
pub mod module;
pub mod no_answer;
pub mod operator;
mod order;
mod owners;
mod publish;
mod release;
mod remote;
mod running;
mod service;
pub mod settings;
mod settling;
mod shown;
mod smart;
pub mod smart_proxy;
mod standing;
mod supervision;
mod view;

#[cfg(test)]
mod tests;
