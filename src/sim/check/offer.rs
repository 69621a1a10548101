//! Rules for offers and answers (RFC 3264, 6337): each offer has one answer, where
//! the answer has been given nothing more is described, and nobody asks for a
//! change while one is under way (RFC 3311 5.1).

use super::{Finding, View, description_of};
use crate::sim::ladder::summary;
use crate::sim::trace::{Hop, call_of, hop_of};
use crate::sip::message::{HeaderId, Message, Method};
use core::net::SocketAddr;
use std::collections::BTreeMap;

/// What a server has described in one INVITE or UPDATE.
#[derive(Default)]
struct Answered {
    offered: bool,
    /// By a reliable response.
    reliably: bool,
    /// The first description by a response, without its origin.
    first: Option<Vec<u8>>,
}

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    answers(view, findings);
    confirmations(view, findings);
    pending(view, findings);
}

fn described(message: &Message) -> Option<Vec<u8>> {
    description_of(&message.body()).map(|(_, rest)| rest)
}

fn answers(view: &View<'_>, findings: &mut Vec<Finding>) {
    let mut known: BTreeMap<(SocketAddr, Hop, MethodName), Answered> = BTreeMap::new();
    for (_, sent, message) in view.trace.messages() {
        let method = message.cseq_method();
        if !matches!(method, Method::Invite | Method::Update) {
            continue;
        }
        let rest = described(message);
        if message.is_request() {
            if message.method() != method {
                continue;
            }
            let offered = rest.is_some();
            let key = (sent.to, hop_of(message), method.as_str());
            known.entry(key).or_insert(Answered { offered, ..Answered::default() });
            continue;
        }
        if !view.is_user_agent(sent.from) || message.status() >= 300 {
            continue;
        }
        let key = (sent.from, hop_of(message), method.as_str());
        let Some(found) = known.get_mut(&key) else { continue };
        let success = message.status() >= 200;
        let what = match (&rest, &found.first) {
            (None, _) if success && method == Method::Invite && !found.reliably => {
                Some("without a description")
            }
            (None, _) if success && method == Method::Update && found.offered => {
                Some("without an answer")
            }
            (Some(rest), Some(first)) if rest != first => Some("with another answer"),
            (Some(_), _) if success && method == Method::Update && !found.offered => {
                Some("with an answer to no offer")
            }
            _ => None,
        };
        if let Some(what) = what {
            let what = format!("{} sends {} {what}", view.name(sent.from), summary(message));
            findings.push(Finding::new("offer-answer", call_of(message), sent.at, what));
        }
        if let Some(rest) = rest {
            found.first.get_or_insert(rest);
            found.reliably |= message.has_option_tag(HeaderId::Require, b"100rel");
        }
    }
}

/// The name of a method.
type MethodName = &'static str;

/// An ACK or PRACK describes nothing where the offer was in the INVITE; an ACK that
/// owes the answer has it, unless its sender hangs up.
fn confirmations(view: &View<'_>, findings: &mut Vec<Finding>) {
    let mut late: BTreeMap<(SocketAddr, Vec<u8>, u32), bool> = BTreeMap::new();
    for (_, sent, message) in view.trace.messages().filter(|(_, _, m)| m.is_request()) {
        if !view.is_user_agent(sent.from) {
            continue;
        }
        let key = (sent.from, message.call_id().to_vec(), message.cseq());
        if message.method() == Method::Invite {
            late.insert(key, message.body().is_empty());
        } else if message.method() == Method::Ack
            && late.get(&key) == Some(&false)
            && !message.body().is_empty()
        {
            let what = format!("{} answers its own offer", view.name(sent.from));
            findings.push(Finding::new("offer-answer", call_of(message), sent.at, what));
        }
    }
}

/// A request with an offer leaves while no other one of its sender waits for an
/// answer in the dialog.
fn pending(view: &View<'_>, findings: &mut Vec<Finding>) {
    if view.world.setup().breaks > 0 {
        return;
    }
    // Sender, next hop, Call-ID and To tag, with the transaction that waits.
    type Way = (SocketAddr, SocketAddr, Vec<u8>, Vec<u8>);
    let mut waiting: BTreeMap<Way, Hop> = BTreeMap::new();
    let mut due: BTreeMap<(crate::base::time::Instant, usize), Way> = BTreeMap::new();
    for (place, sent, message) in view.trace.messages() {
        while let Some(first) = due.first_entry().filter(|first| first.key().0 <= sent.at) {
            waiting.remove(first.get());
            first.remove();
        }
        if message.is_request() && message.method() == Method::Cancel {
            // What is cancelled waits for nothing more.
            let hop = hop_of(message);
            waiting.retain(|way, known| (way.0, way.1) != (sent.from, sent.to) || *known != hop);
        }
        let changes = matches!(message.cseq_method(), Method::Invite | Method::Update);
        if !changes || message.to_tag().is_empty() {
            continue;
        }
        let (call_id, tag) = (message.call_id().to_vec(), message.to_tag().to_vec());
        if !message.is_request() {
            let way = (sent.to, sent.from, call_id, tag);
            let ours = waiting.get(&way) == Some(&hop_of(message));
            if let (Some(at), true) = (sent.arrived(), ours && message.status() >= 200) {
                due.insert((at, place), way);
            }
            continue;
        }
        let offers = message.method() == message.cseq_method() && described(message).is_some();
        if !offers || !view.is_user_agent(sent.from) || message.method() == Method::Ack {
            continue;
        }
        let (way, hop) = ((sent.from, sent.to, call_id, tag), hop_of(message));
        if waiting.get(&way).is_some_and(|known| *known != hop) {
            let what = format!("{} offers again before it is answered", view.name(sent.from));
            findings.push(Finding::new("offer-pending", call_of(message), sent.at, what));
        }
        waiting.insert(way, hop);
    }
}
