//! sipcluster: a contact-centre SIP cluster.
//!
//! The modules stand in the order of their dependencies; `src/README.md` draws
//! them. Protocols and calls are state machines that take `(event, now)` and
//! push actions; threads, sockets and clocks live in `runtime` and in the
//! `module.rs` files.

pub mod base;

pub mod sip;

pub mod config;

pub mod mesh;

pub mod call;

pub mod cti;

pub mod observe;

pub mod runtime;

pub mod load;

pub mod modules;

pub mod roles;

pub mod cli;

#[cfg(any(test, feature = "sim"))]
pub mod sim;
