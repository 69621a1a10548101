//! Rules for dialogs: numbers that rise, ACKs that fit, tags that stay, legs that
//! are told apart (RFC 3261 12).

use super::{Finding, View};
use crate::sim::ladder::summary;
use crate::sim::trace::{Hop, branch_of, call_of, hop_of};
use crate::sip::message::{Message, Method};
use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet};

/// One direction of a dialog: sender, Call-ID, From tag, To tag.
type Direction = (SocketAddr, Vec<u8>, Vec<u8>, Vec<u8>);

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    numbers(view, findings);
    acks(view, findings);
    tags_of_responses(view, findings);
    tags_of_requests(view, findings);
    legs(view, findings);
}

fn direction(from: SocketAddr, message: &Message) -> Direction {
    let tags = (message.from_tag().to_vec(), message.to_tag().to_vec());
    (from, message.call_id().to_vec(), tags.0, tags.1)
}

/// New requests of one sender in one dialog have numbers that rise by one
/// (RFC 3261 12.2.1.1), and each is one transaction.
fn numbers(view: &View<'_>, findings: &mut Vec<Finding>) {
    let mut seen: BTreeMap<Direction, BTreeMap<u32, (Method, Vec<u8>)>> = BTreeMap::new();
    for (_, sent, message) in view.trace.messages() {
        let outside = matches!(message.method(), Method::Ack | Method::Cancel);
        if !message.is_request() || outside || !view.is_user_agent(sent.from) {
            continue;
        }
        let key = direction(sent.from, message);
        let (number, method) = (message.cseq(), message.method());
        let this = (method, branch_of(message));
        let known = seen.get(&key).and_then(|known| known.get(&number));
        if known == Some(&this) {
            continue;
        }
        let what = if let Some((method, _)) = known {
            // A leg that broke forgets that it has hung up already.
            let again = view.world.setup().breaks > 0 && method == &Method::Bye;
            (!again)
                .then(|| format!("gives number {number} to {method} and to {}", summary(message)))
        } else if follows(view, &seen, &key, number) {
            None
        } else {
            let before = seen.get(&key).and_then(|known| known.keys().last());
            Some(format!("sends {} with {number} after {before:?}", summary(message)))
        };
        if let Some(what) = what {
            let what = format!("{} {what}", view.name(sent.from));
            findings.push(Finding::new("cseq", call_of(message), sent.at, what));
        }
        seen.entry(key).or_default().insert(number, this);
    }
}

/// Whether a number is the next one. Dialogs that one INVITE has made may share
/// their numbers: what one of them leaves out another one has.
fn follows(
    view: &View<'_>,
    seen: &BTreeMap<Direction, BTreeMap<u32, (Method, Vec<u8>)>>,
    key: &Direction,
    number: u32,
) -> bool {
    // A request whose turn panicked had its number.
    let gaps = view.world.setup().breaks > 0;
    let own = seen.get(key).and_then(|known| known.keys().last()).copied().unwrap_or_default();
    let mut first = key.clone();
    first.3.clear();
    let mut others = seen
        .range(first..)
        .take_while(|(other, _)| (other.0, &other.1, &other.2) == (key.0, &key.1, &key.2));
    let alone = others.clone().next().is_none();
    alone
        || (number > own
            && others.any(|(_, known)| {
                known.keys().any(|before| number == before + 1 || (gaps && number > *before))
            }))
}

/// An ACK has the number of an INVITE of its sender.
fn acks(view: &View<'_>, findings: &mut Vec<Finding>) {
    let mut invites: BTreeSet<(SocketAddr, Vec<u8>, Vec<u8>, u32)> = BTreeSet::new();
    for (_, sent, message) in view.trace.messages() {
        if !message.is_request() || !view.is_user_agent(sent.from) {
            continue;
        }
        let (_, call_id, tag, _) = direction(sent.from, message);
        let key = (sent.from, call_id, tag, message.cseq());
        if message.method() == Method::Invite {
            invites.insert(key);
        } else if message.method() == Method::Ack && !invites.contains(&key) {
            let what = format!("{} sends an ACK {}", view.name(sent.from), message.cseq());
            findings.push(Finding::new("ack-number", call_of(message), sent.at, what));
        }
    }
}

/// All responses of a user agent to one request carry one tag, and the tags of
/// the request where it has them.
fn tags_of_responses(view: &View<'_>, findings: &mut Vec<Finding>) {
    let mut requests: BTreeMap<Transaction, (Vec<u8>, Vec<u8>)> = BTreeMap::new();
    let mut given: BTreeMap<Transaction, Vec<u8>> = BTreeMap::new();
    for (_, sent, message) in view.trace.messages() {
        let method = message.method().as_str();
        if message.is_request() {
            let tags = (message.from_tag().to_vec(), message.to_tag().to_vec());
            requests.insert((sent.to, hop_of(message), method), tags);
            continue;
        }
        let key = (sent.from, hop_of(message), method);
        let Some((from_tag, to_tag)) = requests.get(&key) else { continue };
        let tag = message.to_tag();
        let mut wrong = message.from_tag() != from_tag.as_slice();
        if message.status() > 100 {
            wrong |= tag.is_empty() || (!to_tag.is_empty() && tag != to_tag.as_slice());
            if view.is_user_agent(sent.from) {
                let known = given.entry(key).or_insert_with(|| tag.to_vec());
                wrong |= known.as_slice() != tag;
            }
        }
        if wrong {
            let what =
                format!("{} sends {} with other tags", view.name(sent.from), summary(message));
            findings.push(Finding::new("tags", call_of(message), sent.at, what));
        }
    }
}

/// A server with what it tells its transactions apart by: hop and method.
type Transaction = (SocketAddr, Hop, &'static str);

/// A request inside a dialog has the two tags that a response has made known.
fn tags_of_requests(view: &View<'_>, findings: &mut Vec<Finding>) {
    let mut known: BTreeSet<(Vec<u8>, Vec<u8>, Vec<u8>)> = BTreeSet::new();
    for (_, sent, message) in view.trace.messages() {
        let (call_id, from_tag, to_tag) =
            (message.call_id().to_vec(), message.from_tag().to_vec(), message.to_tag().to_vec());
        if !message.is_request() {
            known.insert((call_id, from_tag, to_tag));
            continue;
        }
        if to_tag.is_empty() {
            continue;
        }
        let there = (call_id.clone(), from_tag.clone(), to_tag.clone());
        let back = (call_id, to_tag, from_tag);
        // A leg that broke hangs up before it repeats what it has answered.
        let broken = view.world.setup().breaks > 0 && message.method() == Method::Bye;
        if !broken && !known.contains(&there) && !known.contains(&back) {
            let what =
                format!("{} sends {} with other tags", view.name(sent.from), summary(message));
            findings.push(Finding::new("tags", call_of(message), sent.at, what));
        }
    }
}

/// The callee's leg is a dialog of its own.
fn legs(view: &View<'_>, findings: &mut Vec<Finding>) {
    let mut outside: BTreeSet<Vec<u8>> = BTreeSet::new();
    let mut inside: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    for (_, sent, message) in view.trace.messages() {
        let first = message.is_request()
            && message.method() == Method::Invite
            && message.to_tag().is_empty();
        if !first {
            continue;
        }
        let call_id = message.call_id().to_vec();
        if view.is_phone(sent.from) {
            outside.insert(call_id);
        } else if view.is_node(sent.from) {
            let tag = message.from_tag().to_vec();
            let other = inside.get(&call_id).is_some_and(|known| *known != tag);
            if other || outside.contains(&call_id) {
                let what = format!("{} uses a Call-ID again", view.name(sent.from));
                findings.push(Finding::new("legs", call_of(message), sent.at, what));
            }
            inside.insert(call_id, tag);
        }
    }
}
