//! Rules for session descriptions: what one phone sends the other gets, every line
//! but `o=` byte for byte; the version in `o=` rises exactly when the rest
//! changes (RFC 3264 8).

use super::{Finding, View};
use crate::sim::trace::call_of;
use crate::sip::message::{HeaderId, Message};
use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    contents(view, findings);
    versions(view, findings);
}

/// The version of a description, and the description without its `o=` line.
fn description(message: &Message) -> Option<(u64, Vec<u8>)> {
    let content_type = message.header(HeaderId::ContentType)?;
    if !content_type.eq_ignore_ascii_case(b"application/sdp") {
        return None;
    }
    description_of(&message.body())
}

/// The version in a body, and the body without its `o=` line.
pub(in crate::sim) fn description_of(body: &[u8]) -> Option<(u64, Vec<u8>)> {
    let mut version = None;
    let mut rest = Vec::with_capacity(body.len());
    for line in body.split_inclusive(|&byte| byte == b'\n') {
        if line.starts_with(b"o=") {
            let word = line.split(|&byte| byte == b' ').nth(2)?;
            version = core::str::from_utf8(word).ok()?.parse().ok();
        } else {
            rest.extend_from_slice(line);
        }
    }
    Some((version?, rest))
}

fn contents(view: &View<'_>, findings: &mut Vec<Finding>) {
    let mut sent_by: BTreeMap<(u32, Vec<u8>), BTreeSet<SocketAddr>> = BTreeMap::new();
    for (_, sent, message) in view.trace.messages() {
        let (Some(call), Some((_, rest))) = (call_of(message), description(message)) else {
            continue;
        };
        if view.is_phone(sent.from) {
            sent_by.entry((call, rest)).or_default().insert(sent.from);
        } else if view.is_phone(sent.to)
            && !sent_by
                .get(&(call, rest))
                .is_some_and(|senders| senders.iter().any(|sender| *sender != sent.to))
        {
            let what = format!("{} gets a description that nobody sent", view.name(sent.to));
            findings.push(Finding::new("description", Some(call), sent.at, what));
        }
    }
}

fn versions(view: &View<'_>, findings: &mut Vec<Finding>) {
    let mut known: BTreeMap<Vec<u8>, Vec<(u64, Vec<u8>)>> = BTreeMap::new();
    for (_, sent, message) in view.trace.messages().filter(|(_, sent, _)| view.is_node(sent.from)) {
        let Some((version, rest)) = description(message) else { continue };
        let leg = known.entry(message.call_id().to_vec()).or_default();
        if let Some((_, before)) = leg.iter().find(|(known, _)| *known == version) {
            if *before != rest {
                let what = format!("version {version} stands for two descriptions");
                findings.push(Finding::new("version", call_of(message), sent.at, what));
            }
            continue;
        }
        if let Some((last, before)) = leg.last()
            && (version != last + 1 || *before == rest)
        {
            let what = format!("version {version} after {last}");
            findings.push(Finding::new("version", call_of(message), sent.at, what));
        }
        leg.push((version, rest));
    }
}
