//! A trace for people: one line for each packet.

use super::trace::{Sent, Trace};
use crate::sip::message::{HeaderId, Message};
use core::fmt::Write as _;
use core::net::SocketAddr;
use std::collections::BTreeMap;

/// What parties are called.
#[derive(Clone, Debug, Default)]
pub struct Names(pub BTreeMap<SocketAddr, String>);

impl Names {
    /// The name of a party, its address if it has none.
    #[must_use]
    pub fn of(&self, address: SocketAddr) -> String {
        self.0.get(&address).cloned().unwrap_or_else(|| address.to_string())
    }
}

/// Method or status, with what tells transactions apart.
#[must_use]
pub fn summary(message: &Message) -> String {
    let method = String::from_utf8_lossy(message.method_token()).into_owned();
    if message.is_request() { method } else { format!("{} ({method})", message.status()) }
}

/// `from > to METHOD`, the form in which scenarios are asserted.
#[must_use]
pub fn step(names: &Names, sent: &Sent) -> String {
    let what = sent.message.as_ref().map_or_else(|| "not SIP".to_owned(), summary);
    format!("{} > {} {what}", names.of(sent.from), names.of(sent.to))
}

fn line(names: &Names, sent: &Sent) -> String {
    let mut text = format!("{:>12}  {:<44}", sent.at.to_string(), step(names, sent));
    if let Some(message) = &sent.message {
        let branch = super::trace::branch_of(message);
        let tail = branch.len().saturating_sub(6);
        let _ = write!(
            text,
            " cseq={} branch=..{} id={}",
            message.cseq(),
            String::from_utf8_lossy(branch.get(tail..).unwrap_or_default()),
            String::from_utf8_lossy(message.call_id().get(..10).unwrap_or(message.call_id())),
        );
        if !message.body().is_empty() && message.header(HeaderId::ContentType).is_some() {
            text.push_str(" +body");
        }
    }
    match sent.arrivals.as_slice() {
        [] => text.push_str("  LOST"),
        [at] => {
            let _ = write!(text, "  ({} ms)", at.since(sent.at).as_millis());
        }
        _ => text.push_str("  TWICE"),
    }
    text
}

/// The ladder of one call, all of its legs together.
#[must_use]
pub fn of_call(trace: &Trace, names: &Names, call: u32) -> String {
    trace.of_call(call).map(|sent| line(names, sent) + "\n").collect()
}

/// The packets between two points of time, of whatever kind.
#[must_use]
pub fn all(trace: &Trace, names: &Names) -> String {
    trace.packets.iter().map(|sent| line(names, sent) + "\n").collect()
}
