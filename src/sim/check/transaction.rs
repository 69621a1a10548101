//! Rules for INVITE transactions: a final answer for each, an ACK for each final
//! answer, repetition until the ACK (RFC 3261 13, 17).

use super::{Finding, View};
use crate::base::time::{Duration, Instant};
use crate::sim::ladder::summary;
use crate::sim::trace::{Sent, branch_of, call_of, via_count};
use crate::sip::message::{Message, Method};
use core::net::SocketAddr;
use std::collections::BTreeMap;

/// 64·T1.
const GIVE_UP: Duration = Duration::from_secs(32);

/// One INVITE transaction between two neighbours, the client first.
type Key = (SocketAddr, SocketAddr, Vec<u8>);

#[derive(Default)]
struct Hop {
    call: Option<u32>,
    /// First time the INVITE reached the server.
    came: Option<Instant>,
    /// When the server first sent a final answer.
    answered: Option<Instant>,
    /// First time a final answer reached the client, and its status.
    heard: Option<(Instant, u16)>,
    /// Final statuses that the server sent, in their order, each once.
    finals: Vec<u16>,
    /// ACKs of the client in this transaction.
    acks: Vec<Instant>,
}

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for (key, hop) in hops(view) {
        finals(view, &key, &hop, findings);
        one_final(view, &key, &hop, findings);
        acks_of_refusals(view, &key, &hop, findings);
    }
    acks_of_successes(view, findings);
    repetitions(view, findings);
    requests_are_repeated(view, findings);
}

fn hops(view: &View<'_>) -> BTreeMap<Key, Hop> {
    let mut hops: BTreeMap<Key, Hop> = BTreeMap::new();
    for (_, sent, message) in view.trace.messages() {
        let branch = branch_of(message);
        let earliest = |known: Option<Instant>, at: Option<Instant>| match (known, at) {
            (Some(known), Some(at)) => Some(known.min(at)),
            (known, at) => known.or(at),
        };
        if message.is_request() && message.method() == Method::Invite {
            let hop = hops.entry((sent.from, sent.to, branch)).or_default();
            hop.call = call_of(message);
            hop.came = earliest(hop.came, sent.arrived());
        } else if message.is_request() && message.method() == Method::Ack {
            if let Some(hop) = hops.get_mut(&(sent.from, sent.to, branch)) {
                hop.acks.push(sent.at);
            }
        } else if message.cseq_method() == Method::Invite && message.status() >= 200 {
            let Some(hop) = hops.get_mut(&(sent.to, sent.from, branch)) else { continue };
            hop.answered = earliest(hop.answered, Some(sent.at));
            if !hop.finals.contains(&message.status()) {
                hop.finals.push(message.status());
            }
            if let (Some(at), true) = (sent.arrived(), hop.heard.is_none()) {
                hop.heard = Some((at, message.status()));
            }
        }
    }
    hops
}

fn finals(view: &View<'_>, key: &Key, hop: &Hop, findings: &mut Vec<Finding>) {
    let (Some(came), None, None) = (hop.came, hop.answered, view.died(key.1)) else { return };
    if view.vanished(key.1, hop.call) {
        return;
    }
    let what = format!(
        "{} never answers the INVITE of {} with a final response",
        view.name(key.1),
        view.name(key.0)
    );
    findings.push(Finding::new("final", hop.call, came, what));
}

/// A user agent decides once; a proxy may pass on a 2xx that comes later
/// (RFC 3261 16.7 step 5).
fn one_final(view: &View<'_>, key: &Key, hop: &Hop, findings: &mut Vec<Finding>) {
    let refusals = hop.finals.iter().filter(|status| **status >= 300).count();
    let both = view.is_user_agent(key.1) && hop.finals.len() > 1;
    if both || refusals > 1 {
        let at = hop.answered.unwrap_or_default();
        let what = format!("{} answers an INVITE with {:?}", view.name(key.1), hop.finals);
        findings.push(Finding::new("second-final", hop.call, at, what));
    }
}

fn acks_of_refusals(view: &View<'_>, key: &Key, hop: &Hop, findings: &mut Vec<Finding>) {
    let Some((at, status)) = hop.heard.filter(|(_, status)| *status >= 300) else { return };
    // The turn of the ACK may be the one that panicked; on a stream the refusal does
    // not come again.
    let broken = view.world.setup().breaks > 0;
    let gave_up = view.is_phone(key.0) && view.gave_up(hop.call);
    let vanished = view.vanished(key.0, hop.call);
    let excused = view.died(key.0).is_some() || gave_up || broken || vanished;
    if !excused && !hop.acks.iter().any(|&ack| ack >= at) {
        let what =
            format!("{} hears {status} of {} and sends no ACK", view.name(key.0), view.name(key.1));
        findings.push(Finding::new("ack", hop.call, at, what));
    }
}

/// What names a 2xx and its ACK end to end: Call-ID, CSeq and the tag of To.
type Success = (Vec<u8>, u32, Vec<u8>);

fn success(message: &Message) -> Success {
    (message.call_id().to_vec(), message.cseq(), message.to_tag().to_vec())
}

fn is_success(message: &Message) -> bool {
    !message.is_request()
        && message.cseq_method() == Method::Invite
        && (200..300).contains(&message.status())
}

/// The user agent that a 2xx reaches acknowledges it. A proxy that was given one
/// which nobody waits for any more acknowledges in the client's place.
fn acks_of_successes(view: &View<'_>, findings: &mut Vec<Finding>) {
    let mut acks: BTreeMap<Success, Vec<(SocketAddr, Instant)>> = BTreeMap::new();
    for (_, sent, message) in view.trace.messages() {
        if message.is_request() && message.method() == Method::Ack {
            acks.entry(success(message)).or_default().push((sent.from, sent.at));
        }
    }
    for (_, sent, message) in view.trace.messages().filter(|(_, _, m)| is_success(m)) {
        let Some(at) = sent.arrived() else { continue };
        let call = call_of(message);
        let last_hop = via_count(message) == 1 && view.is_user_agent(sent.to);
        let excused =
            view.died(sent.to).is_some() || view.gave_up(call) || view.vanished(sent.to, call);
        if !last_hop || excused {
            continue;
        }
        let known = acks.get(&success(message));
        let answered =
            known.is_some_and(|acks| acks.iter().any(|&(from, ack)| from == sent.to && ack >= at));
        if !answered && !gave_up_waiting(view, sent, message) {
            let what =
                format!("{} hears {} and sends no ACK", view.name(sent.to), summary(message));
            findings.push(Finding::new("ack", call, at, what));
        }
    }
}

/// Whether the far end gave up waiting for the answer to its late offer, which who
/// owes it has not got either.
fn gave_up_waiting(view: &View<'_>, sent: &Sent, message: &Message) -> bool {
    let of_call = || view.trace.messages().filter(|(_, _, m)| m.call_id() == message.call_id());
    let mut successes = of_call().filter(|(_, _, other)| {
        is_success(other) && other.cseq() == message.cseq() && other.to_tag() == message.to_tag()
    });
    let first = successes.next().map_or(sent.at, |(_, first, _)| first.at);
    !message.body().is_empty()
        && of_call().any(|(_, bye, request)| {
            let is_bye = request.is_request() && request.method() == Method::Bye;
            is_bye && bye.to == sent.to && bye.at >= first + GIVE_UP
        })
}

/// A 2xx is sent again, at first after T1, until its ACK comes, the dialog ends
/// or 64·T1 are over (RFC 3261 13.3.1.4).
fn repetitions(view: &View<'_>, findings: &mut Vec<Finding>) {
    let mut sends: BTreeMap<(SocketAddr, Success), Vec<&Sent>> = BTreeMap::new();
    for (_, sent, message) in view.trace.messages().filter(|(_, _, m)| is_success(m)) {
        if view.is_user_agent(sent.from) {
            sends.entry((sent.from, success(message))).or_default().push(sent);
        }
    }
    for ((server, key), sent) in sends {
        let Some(first) = sent.first() else { continue };
        let stop = stop_of(view, server, &key, first.at);
        let mut gap = Duration::from_millis(500);
        let mut last = first.at;
        for next in sent.iter().skip(1).map(|sent| sent.at).chain([Instant::NEVER]) {
            let due = last + gap + Duration::from_millis(20);
            let call = first.message.as_ref().and_then(call_of);
            let excused = view.world.setup().breaks > 0 || view.vanished(server, call);
            if due < stop && next > due && !excused {
                let what = format!("{} does not repeat its 2xx of {}", view.name(server), first.at);
                findings.push(Finding::new("repeat", call, last, what));
                break;
            }
            last = next;
            gap = (gap * 2).min(Duration::from_secs(4));
        }
    }
}

fn stop_of(view: &View<'_>, server: SocketAddr, key: &Success, start: Instant) -> Instant {
    let mut stop = start + GIVE_UP;
    if let Some(died) = view.died(server) {
        stop = stop.min(died);
    }
    for (_, sent, message) in view.trace.messages().filter(|(_, _, m)| m.is_request()) {
        if message.call_id() != key.0 {
            continue;
        }
        let is_ack = message.method() == Method::Ack && message.cseq() == key.1;
        let is_bye = message.method() == Method::Bye;
        // Who asks for the next change has heard the answer to the last one.
        let is_next = message.method() == Method::Invite && message.cseq() > key.1;
        if sent.to == server && (is_ack || is_bye || is_next) {
            stop = sent.arrived().map_or(stop, |at| stop.min(at));
        }
        if sent.from == server && is_bye {
            stop = stop.min(sent.at);
        }
    }
    stop
}

/// A request that nothing answers within T1 is sent again (RFC 3261 17.1.1.2,
/// 17.1.2.2); an ACK is not, streams repeat by themselves, and who is known to be
/// dead is not asked again.
fn requests_are_repeated(view: &View<'_>, findings: &mut Vec<Finding>) {
    type Request = (SocketAddr, SocketAddr, Vec<u8>, &'static str);
    let mut sends: BTreeMap<Request, Vec<&Sent>> = BTreeMap::new();
    let mut heard: BTreeMap<Request, Instant> = BTreeMap::new();
    for (_, sent, message) in view.trace.messages() {
        let (branch, method) = (branch_of(message), message.method().as_str());
        if sent.protocol.is_reliable() || message.method() == Method::Ack {
            continue;
        }
        if message.is_request() {
            sends.entry((sent.from, sent.to, branch, method)).or_default().push(sent);
        } else if let Some(at) = sent.arrived() {
            let first = heard.entry((sent.to, sent.from, branch, method)).or_insert(at);
            *first = at.min(*first);
        }
    }
    for (key, sent) in sends {
        let Some(first) = sent.first() else { continue };
        let due = first.at + Duration::from_millis(520);
        let in_time = heard.get(&key).is_some_and(|&at| at <= due);
        let cut_short = view.died(key.0).is_some_and(|died| died <= due)
            || view.died(key.1).is_some_and(|died| died <= due);
        let again = sent.get(1).is_some_and(|again| again.at <= due);
        // A repetition whose turn panicked is one that got lost.
        let broken = view.world.setup().breaks > 0;
        let call = first.message.as_ref().and_then(call_of);
        if !in_time && !cut_short && !again && !broken && !view.vanished(key.0, call) {
            let what =
                format!("{} sends {} to {} once only", view.name(key.0), key.3, view.name(key.1));
            findings.push(Finding::new("repeat", call, first.at, what));
        }
    }
}
