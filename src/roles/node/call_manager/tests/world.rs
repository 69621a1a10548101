//! One node in virtual time.

use super::super::core::{Action, Core, Cx, Event};
use crate::base::flow::{ConnectionId, Flow, Protocol};
use crate::base::id::{Ids, LegWord, NodeId, Shard, Slot};
use crate::base::limits::OUTBOX_LEN_MAX;
use crate::base::outbox::Outbox;
use crate::base::ownership::{DnIndex, DnWord};
use crate::base::seal::{Kind, Sealer};
use crate::base::time::Instant;
use crate::runtime::guard::caught;
use crate::sim::cluster::{self, WALL_START};
use crate::sip::message::{Message, scan};
use crate::sip::packet::Packet;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const PHONE: &str = "127.0.1.1:5060";
pub(super) const TRUNK: &str = "127.0.0.1:5080";

/// Node 1 of the simulator's cluster.
pub(super) struct Node {
    pub(super) core: Core,
    pub(super) now: Instant,
    ids: Ids,
    pub(super) sealer: Arc<Sealer>,
    /// What is known of DNs.
    dns: BTreeMap<DnIndex, DnWord>,
}

pub(super) fn id(number: u16) -> NodeId {
    NodeId::new(number).expect("in range")
}

impl Node {
    pub(super) fn new() -> Self {
        let sealer = Arc::new(Sealer::of(b"key"));
        let node = cluster::make_nodes(&sealer, 7).remove(0);
        Self {
            core: node.core,
            now: Instant(1_000_000_000),
            ids: node.ids,
            sealer,
            dns: BTreeMap::new(),
        }
    }

    /// Something is known of a DN of 7001 to 7099 from now on.
    pub(super) fn know(&mut self, dn: u32, word: DnWord) {
        self.dns.insert(DnIndex(dn), word);
    }

    pub(super) fn on(&mut self, event: Event) -> Vec<Action> {
        let mut out = Outbox::new(OUTBOX_LEN_MAX);
        let dns = |place: DnIndex| self.dns.get(&place).copied().unwrap_or_default();
        let mut cx =
            Cx { now: self.now, wall: WALL_START, ids: &mut self.ids, out: &mut out, dns: &dns };
        self.core.on(event, &mut cx);
        out.drain().collect()
    }

    /// A turn that breaks at its first action, and what is done about it.
    pub(super) fn broken(&mut self, event: Event) -> Vec<Action> {
        let mut out = Outbox::new(0);
        let dns = |place: DnIndex| self.dns.get(&place).copied().unwrap_or_default();
        let mut cx =
            Cx { now: self.now, wall: WALL_START, ids: &mut self.ids, out: &mut out, dns: &dns };
        let result = caught(|| self.core.on(event, &mut cx));
        assert!(result.is_err(), "the turn has no action");
        let mut out = Outbox::new(OUTBOX_LEN_MAX);
        let dns = |place: DnIndex| self.dns.get(&place).copied().unwrap_or_default();
        let mut cx =
            Cx { now: self.now, wall: WALL_START, ids: &mut self.ids, out: &mut out, dns: &dns };
        self.core.on_panic(&mut cx);
        out.drain().collect()
    }

    /// An INVITE that a proxy got from this source; the node's answer.
    pub(super) fn invite(&mut self, caller: &str, source: &str, more: &str) -> Message {
        let sent = self.invited(caller, source, more);
        sent.into_iter().find(|sent| !sent.is_request() && sent.status() != 100).expect("an answer")
    }

    /// An INVITE that a proxy got from this source, and what the node sends.
    pub(super) fn invited(&mut self, caller: &str, source: &str, more: &str) -> Vec<Message> {
        let actions = self.on(Self::packet(caller, source, more));
        actions.into_iter().filter_map(sent).collect()
    }

    /// An INVITE that a proxy got from this source; Call-ID and branch name the caller.
    pub(super) fn packet(caller: &str, source: &str, more: &str) -> Event {
        let proxy = cluster::proxies()[0];
        let text = format!(
            "INVITE sip:7002@{proxy} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {proxy};branch=z9hG4bK{caller}\r\n\
             Max-Forwards: 69\r\n\
             From: <sip:{caller}@{proxy}>;tag=a\r\n\
             To: <sip:7002@{proxy}>\r\n\
             Call-ID: {caller}\r\n\
             CSeq: 1 INVITE\r\n\
             Contact: <sip:{caller}@{source}>\r\n\
             X-Sipcluster-Source: udp:{source}\r\n\
             {more}Content-Length: 0\r\n\r\n"
        );
        let flow = Flow {
            protocol: Protocol::Udp,
            local: cluster::nodes()[0],
            remote: proxy,
            connection: ConnectionId(0),
        };
        let message = scan(text.into_bytes()).expect("a message");
        Event::Packet(Packet { flow, message })
    }

    pub(super) fn tag_of(&self, node: u16) -> String {
        let slot = Slot { index: 1, generation: 1 };
        let word = LegWord { node: id(node), shard: Shard(1), slot }.word();
        self.sealer.seal(Kind::Tag, word).to_string()
    }
}

/// The message that an action sends.
pub(super) fn sent(action: Action) -> Option<Message> {
    match action {
        Action::Send(outbound) => Some(scan(outbound.bytes.to_vec()).expect("a message")),
        Action::Arm(..)
        | Action::Record(_)
        | Action::Suspect(_)
        | Action::Count(_)
        | Action::Phone(_)
        | Action::Fact(_) => None,
    }
}
