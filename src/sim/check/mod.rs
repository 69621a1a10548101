//! The audit of a run: every packet against RFC 3261 and our own promises, every
//! application against what it may keep, every call against its plan.
//!
//! A rule says nothing about a party that died, and nothing about a packet that
//! did not arrive; what it says about the others holds on any network.

mod cancel;
mod description;
mod dialog;
mod leftover;
mod offer;
mod reliable;
mod route;
mod session;
mod transaction;
mod wire;

pub(super) use description::description_of;

use super::trace::Trace;
use super::world::World;
use crate::base::time::Instant;
use core::fmt;
use core::net::SocketAddr;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: &'static str,
    /// The call of the plan, if one is concerned.
    pub call: Option<u32>,
    /// When.
    pub at: Instant,
    /// What.
    pub what: String,
}

impl Finding {
    /// A finding.
    #[must_use]
    pub fn new(rule: &'static str, call: Option<u32>, at: Instant, what: String) -> Self {
        Self { rule, call, at, what }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.at, self.rule)?;
        if let Some(call) = self.call {
            write!(f, " call {call}")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// What the rules look at.
pub(super) struct View<'a> {
    pub(super) trace: &'a Trace,
    pub(super) world: &'a World,
}

impl View<'_> {
    /// Whether a party makes and ends dialogs: everybody but the proxies.
    pub(super) fn is_user_agent(&self, address: SocketAddr) -> bool {
        self.is_phone(address) || self.is_node(address)
    }

    pub(super) fn is_phone(&self, address: SocketAddr) -> bool {
        self.world.phones().iter().any(|phone| phone.address() == address)
    }

    pub(super) fn is_node(&self, address: SocketAddr) -> bool {
        self.world.nodes().iter().any(|node| node.address == address)
    }

    pub(super) fn died(&self, address: SocketAddr) -> Option<Instant> {
        self.world.dead().get(&address).copied()
    }

    pub(super) fn name(&self, address: SocketAddr) -> String {
        self.world.names().of(address)
    }

    /// Whether a phone has vanished from a call.
    pub(super) fn vanished(&self, address: SocketAddr, call: Option<u32>) -> bool {
        let phone = self.world.phones().iter().find(|phone| phone.address() == address);
        phone.zip(call).is_some_and(|(phone, call)| phone.vanished().contains_key(&call))
    }

    /// Whether the caller stopped waiting for the final answer of its INVITE.
    pub(super) fn gave_up(&self, call: Option<u32>) -> bool {
        call.and_then(|call| self.world.outcome(call)).is_some_and(|outcome| outcome.gave_up)
    }
}

/// Everything that is wrong with a run.
#[must_use]
pub fn check(world: &World) -> Vec<Finding> {
    check_trace(world, world.trace())
}

/// The same for another trace in place of the world's own: what the audit would
/// have said, had the packets been these.
#[must_use]
pub fn check_trace(world: &World, trace: &Trace) -> Vec<Finding> {
    let view = View { trace, world };
    let mut findings = Vec::new();
    wire::check(&view, &mut findings);
    transaction::check(&view, &mut findings);
    cancel::check(&view, &mut findings);
    route::check(&view, &mut findings);
    dialog::check(&view, &mut findings);
    description::check(&view, &mut findings);
    offer::check(&view, &mut findings);
    reliable::check(&view, &mut findings);
    session::check(&view, &mut findings);
    leftover::check(&view, &mut findings);
    findings
}
