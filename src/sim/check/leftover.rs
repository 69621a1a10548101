//! At the end nothing is left over: no transaction, no leg, no call; every call
//! has given out its record once, and every caller has heard how it went.

use super::{Finding, View};
use crate::base::id::CallUuid;
use crate::base::time::Instant;
use crate::sim::network::Profile;
use crate::sim::trace::call_of;
use crate::sip::message::Method;
use std::collections::BTreeMap;

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    applications(view, findings);
    phones(view, findings);
    records(view, findings);
    outcomes(view, findings);
}

fn end(view: &View<'_>) -> Instant {
    view.trace.packets.last().map(|sent| sent.at).unwrap_or_default()
}

fn applications(view: &View<'_>, findings: &mut Vec<Finding>) {
    for proxy in view.world.proxies() {
        let left = proxy.core.transactions_len();
        if left > 0 && view.died(proxy.address).is_none() {
            let what = format!("{} keeps {left} transactions", view.name(proxy.address));
            findings.push(Finding::new("left-over", None, end(view), what));
        }
    }
    for node in view.world.nodes() {
        let left = node.core.lens();
        if left != (0, 0, 0, 0) && view.died(node.address).is_none() {
            let what = format!(
                "{} keeps {left:?} calls, legs, client and server transactions",
                view.name(node.address)
            );
            findings.push(Finding::new("left-over", None, end(view), what));
            for call in node.core.calls() {
                let what = format!("{} keeps {call:?}", view.name(node.address));
                findings.push(Finding::new("left-over", None, end(view), what));
            }
        }
    }
}

fn phones(view: &View<'_>, findings: &mut Vec<Finding>) {
    for phone in view.world.phones() {
        let (calls, clients, servers) = phone.leftovers();
        for call in calls {
            let what = format!("{} still has the call", phone.number());
            findings.push(Finding::new("left-over", Some(call), end(view), what));
        }
        if (clients, servers) != (0, 0) {
            let what = format!("{} keeps {clients} and {servers} transactions", phone.number());
            findings.push(Finding::new("left-over", None, end(view), what));
        }
    }
}

/// A call that went out was started, and is settled once.
fn records(view: &View<'_>, findings: &mut Vec<Finding>) {
    let mut settled: BTreeMap<String, u32> = BTreeMap::new();
    for record in view.world.settled() {
        let uuid: CallUuid = record.uuid;
        *settled.entry(uuid.to_string()).or_default() += 1;
    }
    let mut started: BTreeMap<String, (Instant, Option<u32>)> = BTreeMap::new();
    for (_, sent, message) in view.trace.messages() {
        let ours = message.is_request()
            && message.method() == Method::Invite
            && view.is_node(sent.from)
            && view.died(sent.from).is_none();
        let uuid = message
            .all_headers()
            .find(|(_, name, _)| name.eq_ignore_ascii_case(b"X-Genesys-CallUUID"))
            .map(|(_, _, value)| String::from_utf8_lossy(value).into_owned());
        if let (true, Some(uuid)) = (ours, uuid) {
            started.entry(uuid).or_insert((sent.at, call_of(message)));
        }
    }
    for (uuid, (at, call)) in &started {
        if settled.get(uuid) != Some(&1) {
            let what = format!("call {uuid} has {:?} records", settled.get(uuid));
            findings.push(Finding::new("record", *call, *at, what));
        }
    }
    for (uuid, count) in settled.iter().filter(|(_, count)| **count > 1) {
        let what = format!("call {uuid} has {count} records");
        findings.push(Finding::new("record", None, end(view), what));
    }
}

/// Every caller hears how its call went, and where the network does no harm it
/// hears what the plan says.
fn outcomes(view: &View<'_>, findings: &mut Vec<Finding>) {
    let setup = view.world.setup();
    let harmless =
        matches!(setup.profile, Profile::Clean | Profile::Duplicating | Profile::Reordering)
            && setup.kills.is_empty()
            && setup.breaks == 0;
    for plan in &setup.plans {
        let outcome = view.world.outcome(plan.id);
        let what = match outcome {
            None => "the caller never hears how it went".to_owned(),
            Some(outcome) if harmless && !plan.behaviour.expected().contains(&outcome.status) => {
                format!("{:?} ends with {}", plan.behaviour, outcome.status)
            }
            Some(_) => continue,
        };
        findings.push(Finding::new("outcome", Some(plan.id), plan.at, what));
    }
}
