//! Rules for reliable provisional responses (RFC 3262): their numbers rise by one,
//! one at a time waits for its PRACK, it is sent again until that comes, and each
//! that is heard in its turn gets one.

use super::{Finding, View};
use crate::base::time::{Duration, Instant};
use crate::sim::trace::{Sent, call_of, via_count};
use crate::sip::message::{HeaderId, Message, Method};
use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet};

/// 64·T1.
const GIVE_UP: Duration = Duration::from_secs(32);
const SLACK: Duration = Duration::from_millis(20);

/// What numbers belong to: Call-ID, CSeq of the INVITE, To tag.
type Dialog = (Vec<u8>, u32, Vec<u8>);

/// A PRACK's Call-ID with what it names: RSeq and CSeq.
type Named = (Vec<u8>, u64, u32);

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    let pracks = pracks(view);
    named(view, findings);
    for ((server, dialog), sends) in sends(view) {
        numbers(view, server, &dialog, &sends, &pracks, findings);
        repetitions(view, server, &dialog, &sends, &pracks, findings);
    }
    confirmed(view, &pracks, findings);
}

/// The number of a reliable response.
fn rseq(message: &Message) -> Option<u64> {
    let reliable = !message.is_request()
        && (101..200).contains(&message.status())
        && message.has_option_tag(HeaderId::Require, b"100rel");
    message.number(HeaderId::RSeq).filter(|_| reliable)
}

/// RSeq and CSeq that a PRACK names.
fn rack(message: &Message) -> Option<(u64, u32)> {
    let text = core::str::from_utf8(message.header(HeaderId::RAck)?).ok()?;
    let mut words = text.split_ascii_whitespace();
    let found = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    (words.next() == Some("INVITE")).then_some(found)
}

fn dialog(message: &Message) -> Dialog {
    (message.call_id().to_vec(), message.cseq(), message.to_tag().to_vec())
}

fn is_prack(message: &Message) -> bool {
    message.is_request() && message.method() == Method::Prack
}

/// When PRACKs reached somebody, and when they were sent.
#[derive(Default)]
struct Pracks {
    came: BTreeMap<(SocketAddr, Named), Instant>,
    sent: BTreeSet<(SocketAddr, Named)>,
}

fn pracks(view: &View<'_>) -> Pracks {
    let mut found = Pracks::default();
    for (_, sent, message) in view.trace.messages().filter(|(_, _, m)| is_prack(m)) {
        let Some((rseq, cseq)) = rack(message) else { continue };
        let named = (message.call_id().to_vec(), rseq, cseq);
        if let Some(at) = sent.arrived() {
            let first = found.came.entry((sent.to, named.clone())).or_insert(at);
            *first = at.min(*first);
        }
        found.sent.insert((sent.from, named));
    }
    found
}

/// A PRACK names a response that has come.
fn named(view: &View<'_>, findings: &mut Vec<Finding>) {
    let mut heard: BTreeSet<(SocketAddr, Named)> = BTreeSet::new();
    for (_, sent, message) in view.trace.messages() {
        if let (Some(rseq), Some(_)) = (rseq(message), sent.arrived()) {
            heard.insert((sent.to, (message.call_id().to_vec(), rseq, message.cseq())));
        }
    }
    let by_agents = |sent: &Sent| view.is_user_agent(sent.from);
    for (_, sent, message) in view.trace.messages().filter(|(_, s, m)| is_prack(m) && by_agents(s))
    {
        let known = rack(message).is_some_and(|(rseq, cseq)| {
            heard.contains(&(sent.from, (message.call_id().to_vec(), rseq, cseq)))
        });
        if !known {
            let value = String::from_utf8_lossy(message.header(HeaderId::RAck).unwrap_or_default());
            let what = format!("{} sends a PRACK that names {value}", view.name(sent.from));
            findings.push(Finding::new("rack", call_of(message), sent.at, what));
        }
    }
}

type Sends<'a> = Vec<(u64, &'a Sent)>;

fn sends<'a>(view: &View<'a>) -> BTreeMap<(SocketAddr, Dialog), Sends<'a>> {
    let mut found: BTreeMap<(SocketAddr, Dialog), Sends<'a>> = BTreeMap::new();
    for (_, sent, message) in view.trace.messages() {
        if let (Some(rseq), true) = (rseq(message), view.is_user_agent(sent.from)) {
            found.entry((sent.from, dialog(message))).or_default().push((rseq, sent));
        }
    }
    found
}

fn call(sent: &Sent) -> Option<u32> {
    sent.message.as_ref().and_then(call_of)
}

fn numbers(
    view: &View<'_>,
    server: SocketAddr,
    dialog: &Dialog,
    sends: &Sends<'_>,
    pracks: &Pracks,
    findings: &mut Vec<Finding>,
) {
    for pair in sends.windows(2) {
        let [(before, _), (number, sent)] = pair else { continue };
        if number == before {
            continue;
        }
        let named = (dialog.0.clone(), *before, dialog.1);
        let came = pracks.came.get(&(server, named)).is_some_and(|&at| at <= sent.at);
        if *number != before + 1 {
            let what = format!("{} sends RSeq {number} after {before}", view.name(server));
            findings.push(Finding::new("rseq", call(sent), sent.at, what));
        } else if !came && view.world.setup().breaks == 0 {
            let what = format!("{} sends RSeq {number} before the PRACK", view.name(server));
            findings.push(Finding::new("rseq", call(sent), sent.at, what));
        }
    }
}

/// From T1 on, doubled each time, until the PRACK, the end of the INVITE or 64·T1.
fn repetitions(
    view: &View<'_>,
    server: SocketAddr,
    dialog: &Dialog,
    sends: &Sends<'_>,
    pracks: &Pracks,
    findings: &mut Vec<Finding>,
) {
    let over = end_of_invite(view, server, dialog);
    let mut by_number: BTreeMap<u64, Vec<&Sent>> = BTreeMap::new();
    for (number, sent) in sends {
        by_number.entry(*number).or_default().push(sent);
    }
    for (number, sent) in by_number {
        let Some(first) = sent.first() else { continue };
        let named = (dialog.0.clone(), number, dialog.1);
        let came = pracks.came.get(&(server, named)).copied().unwrap_or(Instant::NEVER);
        let stop = over.min(came).min(first.at + GIVE_UP);
        let (mut gap, mut last) = (Duration::from_millis(500), first.at);
        for next in sent.iter().skip(1).map(|sent| sent.at).chain([Instant::NEVER]) {
            let due = last + gap + SLACK;
            let excused = view.world.setup().breaks > 0;
            if due < stop && next > due && !excused {
                let what = format!("{} does not repeat RSeq {number}", view.name(server));
                findings.push(Finding::new("repeat", call(first), last, what));
                break;
            }
            (last, gap) = (next, gap * 2);
        }
    }
}

/// When the server answered the INVITE, or heard or did what ends it.
fn end_of_invite(view: &View<'_>, server: SocketAddr, dialog: &Dialog) -> Instant {
    let mut end = view.died(server).unwrap_or(Instant::NEVER);
    for (_, sent, message) in view.trace.messages().filter(|(_, _, m)| m.call_id() == dialog.0) {
        let answers = !message.is_request()
            && message.cseq_method() == Method::Invite
            && message.status() >= 200
            && message.cseq() == dialog.1
            && sent.from == server;
        let ends = message.is_request()
            && matches!(message.method(), Method::Cancel | Method::Bye)
            && sent.to == server;
        if answers {
            end = end.min(sent.at);
        } else if ends {
            end = sent.arrived().map_or(end, |at| end.min(at));
        }
    }
    end
}

/// When clients heard the final answer to their INVITE, or cancelled it.
fn ends_heard(view: &View<'_>) -> BTreeMap<(SocketAddr, Vec<u8>, u32), Instant> {
    let mut over: BTreeMap<(SocketAddr, Vec<u8>, u32), Instant> = BTreeMap::new();
    for (_, sent, message) in view.trace.messages() {
        let cancels = message.is_request() && message.method() == Method::Cancel;
        let answers = !message.is_request()
            && message.cseq_method() == Method::Invite
            && message.status() >= 200;
        let (client, at) =
            if cancels { (sent.from, Some(sent.at)) } else { (sent.to, sent.arrived()) };
        if let Some(at) = at.filter(|_| cancels || answers) {
            let key = (client, message.call_id().to_vec(), message.cseq());
            let end = over.entry(key).or_insert(at);
            *end = at.min(*end);
        }
    }
    over
}

/// Who hears a reliable response in its turn sends the PRACK. One that holds an
/// offer waits for the answer of somebody else.
fn confirmed(view: &View<'_>, pracks: &Pracks, findings: &mut Vec<Finding>) {
    let setup = view.world.setup();
    if setup.breaks > 0 || !setup.kills.is_empty() {
        return;
    }
    let mut first: BTreeMap<(SocketAddr, Dialog), u64> = BTreeMap::new();
    let mut late: BTreeSet<(Vec<u8>, u32)> = BTreeSet::new();
    let over = ends_heard(view);
    for (_, sent, message) in view.trace.messages() {
        let invite = (message.call_id().to_vec(), message.cseq());
        if message.is_request() {
            if message.method() == Method::Invite && message.body().is_empty() {
                late.insert(invite);
            }
            continue;
        }
        let (Some(rseq), Some(at)) = (rseq(message), sent.arrived()) else { continue };
        if via_count(message) > 1 || !view.is_user_agent(sent.to) {
            continue;
        }
        let key = (sent.to, dialog(message));
        let is_first = *first.entry(key).or_insert(rseq) == rseq;
        let waits = late.contains(&invite) && !message.body().is_empty();
        let named = (invite.0.clone(), rseq, invite.1);
        let done = pracks.sent.contains(&(sent.to, named));
        let end = over.get(&(sent.to, invite.0, invite.1)).copied();
        if is_first && !waits && !done && end.is_none_or(|end| end > at) {
            let what = format!("{} sends no PRACK for RSeq {rseq}", view.name(sent.to));
            findings.push(Finding::new("prack", call_of(message), sent.at, what));
        }
    }
}
