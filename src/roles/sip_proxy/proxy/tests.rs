//! The shard's machine stepped by hand: events in, actions out.
//!
//! What RFC 3261 16 asks of any proxy is shown once more, from outside and with
//! other words, in `sip-tests/conformance/proxy`; here are the cluster's own rules
//! and what goes wrong around them.

mod branches;
mod failover;
mod flows;
mod hints;
mod loops;
mod redirect;
mod register;
mod related;
mod route;
mod world;
