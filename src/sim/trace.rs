//! Every packet of a run, with what became of it.

use super::coverage::Fault;
use crate::base::flow::Protocol;
use crate::base::time::Instant;
use crate::sip::message::{HeaderId, Message, Via};
use bytes::Bytes;
use core::net::SocketAddr;

/// One packet as it left its sender.
#[derive(Clone, Debug)]
pub struct Sent {
    /// When it left.
    pub at: Instant,
    /// Who sent it.
    pub from: SocketAddr,
    /// Who was to get it.
    pub to: SocketAddr,
    /// By which protocol.
    pub protocol: Protocol,
    /// The message, `None` if the bytes are none.
    pub message: Option<Message>,
    /// The bytes as they left.
    pub bytes: Bytes,
    /// When it reached somebody alive: not at all, once, or twice.
    pub arrivals: Vec<Instant>,
    /// What the network did to it.
    pub fault: Option<Fault>,
}

impl Sent {
    /// The first arrival.
    #[must_use]
    pub fn arrived(&self) -> Option<Instant> {
        self.arrivals.iter().min().copied()
    }
}

/// The packets of a run in the order in which they left.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// All packets.
    pub packets: Vec<Sent>,
}

impl Trace {
    /// The packets that are messages, each with its place in the trace.
    pub fn messages(&self) -> impl Iterator<Item = (usize, &Sent, &Message)> {
        self.packets
            .iter()
            .enumerate()
            .filter_map(|(place, sent)| Some((place, sent, sent.message.as_ref()?)))
    }

    /// The packets that belong to one call of the plan.
    pub fn of_call(&self, call: u32) -> impl Iterator<Item = &Sent> {
        self.packets
            .iter()
            .filter(move |sent| sent.message.as_ref().and_then(call_of) == Some(call))
    }
}

/// The call of the plan that a message belongs to. The caller writes it into its
/// Call-ID and into the display name of From, and the cluster passes the display
/// name on.
#[must_use]
pub fn call_of(message: &Message) -> Option<u32> {
    number_in(message.call_id())
        .or_else(|| number_in(message.from()?.display))
        .or_else(|| number_in(message.to()?.display))
}

fn number_in(text: &[u8]) -> Option<u32> {
    let start = memchr::memmem::find(text, b"call-")? + 5;
    let digits = text.get(start..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
    core::str::from_utf8(&text[start..start + digits]).ok()?.parse().ok()
}

/// The branch of the top Via, empty if there is none.
#[must_use]
pub fn branch_of(message: &Message) -> Vec<u8> {
    message.top_via().map(|via| via.branch().to_vec()).unwrap_or_default()
}

/// sent-by and branch of a Via: what a server tells transactions apart by
/// (RFC 3261 17.2.3).
pub type Hop = (Vec<u8>, Vec<u8>);

/// sent-by and branch of the top Via.
#[must_use]
pub fn hop_of(message: &Message) -> Hop {
    message.top_via().map(|via| (via.sent_by.to_vec(), via.branch().to_vec())).unwrap_or_default()
}

/// sent-by and branch of the Via below the top one: the transaction that a proxy
/// was in when it sent the message.
#[must_use]
pub fn inner_hop(message: &Message) -> Option<Hop> {
    let value = message.values(HeaderId::Via).nth(1)?;
    let via = Via::parse(value).ok()?;
    Some((via.sent_by.to_vec(), via.branch().to_vec()))
}

/// How many hops a message has behind it.
#[must_use]
pub fn via_count(message: &Message) -> usize {
    message.values(HeaderId::Via).count()
}
