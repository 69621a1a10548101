//! Rules for CANCEL: who has answered an INVITE with a refusal wants nothing more
//! of what it was passed on to (RFC 3261 9.1, 16.10).

use super::{Finding, View};
use crate::base::time::{Duration, Instant};
use crate::sim::trace::{Hop, call_of, hop_of, inner_hop};
use crate::sip::message::{Message, Method};
use core::net::SocketAddr;
use std::collections::BTreeMap;

/// What a turn may take.
const SLACK: Duration = Duration::from_millis(20);

/// An INVITE that a proxy or node sent.
struct Passed {
    call: Option<u32>,
    from: SocketAddr,
    /// The INVITE that it was made of.
    origin: Origin,
    /// First provisional and first final response that arrived.
    provisional: Option<Instant>,
    answered: Option<Instant>,
    cancelled: Option<Instant>,
}

/// What an INVITE was made of: where that came, and its transaction.
type Origin = (SocketAddr, Hop);

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    // The turn that was to send the CANCEL may be the one that panicked.
    if view.world.setup().breaks > 0 {
        return;
    }
    let refused = refused(view);
    for passed in passed(view) {
        let Some(&at) = refused.get(&passed.origin) else { continue };
        // Only what has been heard of can be cancelled, and only while it is open.
        let Some(provisional) = passed.provisional else { continue };
        let due = at.max(provisional) + SLACK;
        let over = passed.answered.is_some_and(|answered| answered <= due);
        let died = view.died(passed.from).is_some_and(|died| died <= due);
        if !over && !died && passed.cancelled.is_none_or(|cancelled| cancelled > due) {
            let what = format!("{} does not cancel what it refused", view.name(passed.from));
            findings.push(Finding::new("cancel", passed.call, due, what));
        }
    }
}

fn is_new_call(message: &Message) -> bool {
    message.is_request() && message.method() == Method::Invite && message.to_tag().is_empty()
}

fn passed(view: &View<'_>) -> Vec<Passed> {
    let mut found: BTreeMap<(SocketAddr, SocketAddr, Hop), Passed> = BTreeMap::new();
    let came = came(view);
    let sooner = |known: Option<Instant>, at: Option<Instant>| match (known, at) {
        (Some(known), Some(at)) => Some(known.min(at)),
        (known, at) => known.or(at),
    };
    for (_, sent, message) in view.trace.messages() {
        if is_new_call(message) {
            let (call, from) = (call_of(message), sent.from);
            let before = if view.is_node(from) {
                came.get(&(from, call, sent.at)).cloned()
            } else {
                inner_hop(message)
            };
            let Some(before) = before else { continue };
            let (key, origin) = ((from, sent.to, hop_of(message)), (from, before));
            found.entry(key).or_insert(Passed {
                call,
                from,
                origin,
                provisional: None,
                answered: None,
                cancelled: None,
            });
        } else if message.is_request() && message.method() == Method::Cancel {
            let key = (sent.from, sent.to, hop_of(message));
            if let Some(passed) = found.get_mut(&key) {
                passed.cancelled = sooner(passed.cancelled, Some(sent.at));
            }
        } else if !message.is_request() && message.cseq_method() == Method::Invite {
            let key = (sent.to, sent.from, hop_of(message));
            let Some(passed) = found.get_mut(&key) else { continue };
            if message.status() < 200 {
                passed.provisional = sooner(passed.provisional, sent.arrived());
            } else {
                passed.answered = sooner(passed.answered, sent.arrived());
            }
        }
    }
    found.into_values().collect()
}

/// The INVITE of a call that reached somebody at a time: a node calls on in the
/// same turn.
fn came(view: &View<'_>) -> BTreeMap<(SocketAddr, Option<u32>, Instant), Hop> {
    let mut found = BTreeMap::new();
    for (_, sent, message) in view.trace.messages().filter(|(_, _, m)| is_new_call(m)) {
        if let Some(at) = sent.arrived() {
            found.insert((sent.to, call_of(message), at), hop_of(message));
        }
    }
    found
}

/// When a node refused an INVITE, or its CANCEL reached a proxy.
fn refused(view: &View<'_>) -> BTreeMap<Origin, Instant> {
    let mut found = BTreeMap::new();
    for (_, sent, message) in view.trace.messages() {
        if message.is_request() && message.method() == Method::Cancel {
            if let (Some(at), false) = (sent.arrived(), view.is_user_agent(sent.to)) {
                found.entry((sent.to, hop_of(message))).or_insert(at);
            }
        } else if !message.is_request()
            && message.cseq_method() == Method::Invite
            && message.status() >= 300
            && view.is_node(sent.from)
        {
            found.entry((sent.from, hop_of(message))).or_insert(sent.at);
        }
    }
    found
}
