//! Rules for session timers (RFC 4028): what a 2xx says is complete, a 422 says how
//! much is enough, and a session that nobody refreshes is ended.

use super::{Finding, View};
use crate::base::time::{Duration, Instant};
use crate::sim::ladder::summary;
use crate::sim::trace::{call_of, hop_of};
use crate::sip::message::{HeaderId, Message, Method};
use core::net::SocketAddr;
use std::collections::BTreeMap;

/// What a turn and a network may take.
const SLACK: Duration = Duration::from_secs(2);

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    let mut asked: BTreeMap<(SocketAddr, crate::sim::trace::Hop), (bool, Option<u64>)> =
        BTreeMap::new();
    for (_, sent, message) in view.trace.messages() {
        if !concerns_session(message) {
            continue;
        }
        if message.is_request() {
            let knows = message.has_option_tag(HeaderId::Supported, b"timer");
            let seconds = expires(message).map(|(seconds, _)| seconds);
            asked.entry((sent.to, hop_of(message))).or_insert((knows, seconds));
            continue;
        }
        if !view.is_user_agent(sent.from) {
            continue;
        }
        let request = asked.get(&(sent.from, hop_of(message))).copied().unwrap_or_default();
        if let Some(what) = wrong(message, request) {
            let what = format!("{} sends {} {what}", view.name(sent.from), summary(message));
            findings.push(Finding::new("session", call_of(message), sent.at, what));
        }
    }
    expiries(view, findings);
}

fn concerns_session(message: &Message) -> bool {
    matches!(message.cseq_method(), Method::Invite | Method::Update)
}

/// Seconds and refresher of Session-Expires.
fn expires(message: &Message) -> Option<(u64, Option<bool>)> {
    let value = String::from_utf8_lossy(message.header(HeaderId::SessionExpires)?).into_owned();
    let mut parts = value.split(';').map(str::trim);
    let seconds = parts.next()?.parse().ok()?;
    let refresher = parts.find_map(|part| part.strip_prefix("refresher="));
    Some((seconds, refresher.map(|name| name == "uac")))
}

/// What is wrong with a response, given whether its request knew the extension and
/// what it asked for.
fn wrong(message: &Message, (knows, asked): (bool, Option<u64>)) -> Option<String> {
    if message.status() == 422 {
        let least = message.number(HeaderId::MinSe);
        let enough = least.is_some_and(|least| asked.is_none_or(|asked| asked < least));
        return (!enough).then(|| format!("with Min-SE {least:?} to {asked:?}"));
    }
    if !(200..300).contains(&message.status()) {
        return None;
    }
    let (seconds, by_uac) = expires(message)?;
    let required = message.has_option_tag(HeaderId::Require, b"timer");
    if by_uac.is_none() {
        Some("without a refresher".to_owned())
    } else if by_uac == Some(true) && !required {
        Some("and does not require the refreshes".to_owned())
    } else if by_uac == Some(true) && !knows {
        Some("and lets refresh who knows nothing of it".to_owned())
    } else if seconds < 90 || asked.is_some_and(|asked| knows && seconds > asked) {
        Some(format!("with {seconds} seconds for {asked:?}"))
    } else {
        None
    }
}

/// A node has refreshed, or heard a refresh, or ended the dialog before the session
/// is over.
fn expiries(view: &View<'_>, findings: &mut Vec<Finding>) {
    if view.world.setup().breaks > 0 {
        return;
    }
    // When a session began or was refreshed, how long it is to last then.
    type Sessions = BTreeMap<Instant, (u64, Option<u32>)>;
    let mut sessions: BTreeMap<(SocketAddr, Vec<u8>), Sessions> = BTreeMap::new();
    let mut ends: BTreeMap<(SocketAddr, Vec<u8>), Instant> = BTreeMap::new();
    for (_, sent, message) in view.trace.messages() {
        let call_id = message.call_id().to_vec();
        let nodes = [(sent.from, Some(sent.at)), (sent.to, sent.arrived())];
        for (node, at) in nodes.into_iter().filter(|(address, _)| view.is_node(*address)) {
            let Some(at) = at else { continue };
            let key = (node, call_id.clone());
            // An early dialog ends by a CANCEL.
            let is_end = matches!(message.method(), Method::Bye | Method::Cancel);
            if message.is_request() && is_end {
                let end = ends.entry(key).or_insert(at);
                *end = at.min(*end);
            } else if concerns_session(message)
                && (200..300).contains(&message.status())
                && let Some((seconds, _)) = expires(message)
            {
                let session = (seconds, call_of(message));
                sessions.entry(key).or_default().insert(at, session);
            }
        }
    }
    for (key, times) in sessions {
        let end = ends.get(&key).copied().unwrap_or(Instant::NEVER);
        let died = view.died(key.0).unwrap_or(Instant::NEVER);
        let mut starts = times.iter().peekable();
        while let Some((&at, &(seconds, call))) = starts.next() {
            let next = starts.peek().map_or(Instant::NEVER, |(next, _)| **next);
            let due = at + Duration::from_secs(seconds) + SLACK;
            if next.min(end).min(died) > due {
                let what = format!("{} lets a session of {seconds} s expire", view.name(key.0));
                findings.push(Finding::new("session", call, at, what));
            }
        }
    }
}
