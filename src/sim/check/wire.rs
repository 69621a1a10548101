//! Rules for single packets and single hops.

use super::{Finding, View};
use crate::base::time::Instant;
use crate::sim::ladder::summary;
use crate::sim::trace::{Hop as ViaHop, branch_of, call_of, hop_of, inner_hop};
use crate::sip::message::{HeaderId, Message, Method};
use core::net::SocketAddr;
use std::collections::BTreeMap;

/// What names a request on one hop.
type Hop = (SocketAddr, SocketAddr, Vec<u8>, u32, String);

fn hop(from: SocketAddr, to: SocketAddr, message: &Message) -> Hop {
    let method = String::from_utf8_lossy(message.method_token()).into_owned();
    (from, to, branch_of(message), message.cseq(), method)
}

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    well_formed(view, findings);
    secrets(view, findings);
    responses(view, findings);
    hops(view, findings);
    branches(view, findings);
}

/// No message leaves that our own border would refuse.
fn well_formed(view: &View<'_>, findings: &mut Vec<Finding>) {
    for sent in &view.trace.packets {
        let who = view.name(sent.from);
        let what = match &sent.message {
            None => format!("{who} sends what is not SIP"),
            Some(message) => match message.fault() {
                Some(fault) => format!("{who} sends {}: {fault}", summary(message)),
                None => continue,
            },
        };
        let call = sent.message.as_ref().and_then(call_of);
        findings.push(Finding::new("well-formed", call, sent.at, what));
    }
}

/// A branch is unique across space and time (RFC 3261 8.1.1.7): one sender, one
/// receiver, one request; CANCEL and the ACK of a refusal share their INVITE's. The
/// ACK of a 2xx is the same message by whatever proxy it is sent again.
fn branches(view: &View<'_>, findings: &mut Vec<Finding>) {
    type Use = (SocketAddr, SocketAddr, Vec<u8>, u32);
    let mut uses: BTreeMap<Vec<u8>, Use> = BTreeMap::new();
    for (_, sent, message) in view.trace.messages().filter(|(_, _, m)| m.is_request()) {
        let mut this = (sent.from, sent.to, message.call_id().to_vec(), message.cseq());
        let branch = branch_of(message);
        let known = uses.entry(branch.clone()).or_insert_with(|| this.clone());
        if message.method() == Method::Ack {
            this.1 = known.1;
        }
        if *known != this {
            let what = format!(
                "{} sends {} with branch {}, which {} used before",
                view.name(sent.from),
                summary(message),
                String::from_utf8_lossy(&branch),
                view.name(known.0)
            );
            findings.push(Finding::new("branch", call_of(message), sent.at, what));
        }
    }
}

/// Headers of the cluster's inside never reach a phone or trunk.
fn secrets(view: &View<'_>, findings: &mut Vec<Finding>) {
    for (_, sent, message) in view.trace.messages().filter(|(_, sent, _)| view.is_phone(sent.to)) {
        for (id, name, _) in message.all_headers().filter(|(id, _, _)| id.is_internal()) {
            let _ = id;
            let what = format!(
                "{} in {} to {}",
                String::from_utf8_lossy(name),
                summary(message),
                view.name(sent.to)
            );
            findings.push(Finding::new("secrets", call_of(message), sent.at, what));
        }
    }
}

/// Each response answers a request that has come, and goes to its sender, whom
/// the top Via names (RFC 3261 8.2.6, 18.2.2).
fn responses(view: &View<'_>, findings: &mut Vec<Finding>) {
    let mut arrived: BTreeMap<Hop, Instant> = BTreeMap::new();
    for (_, sent, message) in view.trace.messages().filter(|(_, _, m)| m.is_request()) {
        if let Some(at) = sent.arrived() {
            let known = arrived.entry(hop(sent.from, sent.to, message)).or_insert(at);
            *known = at.min(*known);
        }
    }
    for (_, sent, message) in view.trace.messages().filter(|(_, _, m)| !m.is_request()) {
        let asked = arrived.get(&hop(sent.to, sent.from, message));
        if asked.is_none_or(|&at| at > sent.at) {
            let what = format!(
                "{} sends {} to {}, which did not ask",
                view.name(sent.from),
                summary(message),
                view.name(sent.to)
            );
            findings.push(Finding::new("response", call_of(message), sent.at, what));
        }
        let named = message
            .top_via()
            .and_then(|via| Some(SocketAddr::new(via.host_ip()?, via.port_or_default())));
        if named != Some(sent.to) {
            let what = format!("{} to {} with a top Via of {named:?}", summary(message), sent.to);
            findings.push(Finding::new("via", call_of(message), sent.at, what));
        }
    }
}

/// Max-Forwards is at most 70, and falls by one at each proxy (RFC 3261 16.6
/// step 3); a proxy that forwards does so for a request that has come.
fn hops(view: &View<'_>, findings: &mut Vec<Finding>) {
    let mut came: BTreeMap<(SocketAddr, ViaHop, Kind), u8> = BTreeMap::new();
    for (_, sent, message) in view.trace.messages().filter(|(_, _, m)| m.is_request()) {
        let (call, hops) = (call_of(message), message.max_forwards());
        let who = view.name(sent.from);
        let Some(hops) = hops.filter(|&hops| hops <= 70) else {
            let what = format!("{who} sends {} with Max-Forwards {hops:?}", summary(message));
            findings.push(Finding::new("max-forwards", call, sent.at, what));
            continue;
        };
        if sent.arrived().is_some() {
            came.entry((sent.to, hop_of(message), kind(message))).or_insert(hops);
        }
        if view.is_user_agent(sent.from) {
            continue;
        }
        let Some(inner) = inner_hop(message) else { continue };
        let before = came.get(&(sent.from, inner, kind(message)));
        if before.map(|before| before.saturating_sub(1)) != Some(hops) {
            let what =
                format!("{who} sends {} with {hops}, it came with {before:?}", summary(message));
            findings.push(Finding::new("max-forwards", call, sent.at, what));
        }
    }
    callee_legs(view, findings);
}

/// The name of a method: CANCEL and ACK share the branch of their INVITE.
type Kind = &'static str;

fn kind(message: &Message) -> Kind {
    message.method().as_str()
}

/// A node's INVITE for the callee has fewer hops left than the caller's.
fn callee_legs(view: &View<'_>, findings: &mut Vec<Finding>) {
    let mut came: BTreeMap<(SocketAddr, u32), u8> = BTreeMap::new();
    for (_, sent, message) in view.trace.messages() {
        let invite = message.is_request()
            && message.method() == Method::Invite
            && message.to_tag().is_empty();
        let (Some(call), Some(hops), true) = (call_of(message), message.max_forwards(), invite)
        else {
            continue;
        };
        if view.is_node(sent.to) && sent.arrived().is_some() {
            came.insert((sent.to, call), hops);
        }
        if !view.is_node(sent.from) {
            continue;
        }
        if came.get(&(sent.from, call)).is_none_or(|&before| hops >= before) {
            let what = format!("callee leg with Max-Forwards {hops}");
            findings.push(Finding::new("max-forwards", Some(call), sent.at, what));
        }
        if message.header(HeaderId::XGenesysRoute).is_none() {
            let what = "callee leg without X-Genesys-Route".to_owned();
            findings.push(Finding::new("route", Some(call), sent.at, what));
        }
    }
}
