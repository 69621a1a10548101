//! One shard in virtual time, and messages as short texts.

use super::super::core::{Action, Core, Counted, Cx, Event};
use super::super::settings::{NodeSettings, Settings};
use crate::base::flow::{ConnectionId, Destination, Flow, Protocol, Sender};
use crate::base::id::{Ids, LegWord, NodeId, Shard, Slot};
use crate::base::limits::OUTBOX_LEN_MAX;
use crate::base::outbox::Outbox;
use crate::base::seal::{Kind, Sealer};
use crate::base::time::{Duration, Instant, WallTime};
use crate::sip::message::{HeaderId, Message, scan};
use crate::sip::packet::Packet;
use crate::sip::registrar::Entry;
use core::net::SocketAddr;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const PROXY: &str = "127.0.0.1:5060";
pub(super) const OTHER_PROXY: &str = "127.0.0.2:5060";
pub(super) const PHONE: &str = "127.0.0.50:5061";
pub(super) const PHONE_2: &str = "127.0.0.51:5061";
/// Nodes 1, 2 and 3 of the own data centre, node 4 of another.
pub(super) const NODES: [&str; 4] =
    ["127.0.0.11:5070", "127.0.0.12:5070", "127.0.0.13:5070", "127.0.0.14:5070"];
pub(super) const WALL: WallTime = WallTime(1_795_209_494_000);

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

pub(super) fn node_id(id: u16) -> NodeId {
    NodeId::new(id).expect("in range")
}

/// A message as lines.
#[derive(Clone, Debug)]
pub(super) struct Text {
    start: String,
    lines: Vec<(String, String)>,
}

impl Text {
    /// A request from a phone whose Call-ID, branch and From tag are `id`.
    pub(super) fn request(method: &str, uri: &str, id: &str) -> Self {
        let lines = [
            ("Via", format!("SIP/2.0/UDP {PHONE};branch=z9hG4bK{id};rport")),
            ("Max-Forwards", "70".to_owned()),
            ("From", format!("<sip:7001@example.com>;tag={id}")),
            ("To", "<sip:7002@example.com>".to_owned()),
            ("Call-ID", id.to_owned()),
            ("CSeq", format!("1 {method}")),
            ("Contact", format!("<sip:7001@{PHONE}>")),
        ];
        let lines = lines.map(|(name, value)| (name.to_owned(), value)).into();
        Self { start: format!("{method} {uri} SIP/2.0"), lines }
    }

    pub(super) fn invite(id: &str) -> Self {
        Self::request("INVITE", "sip:7002@example.com", id)
    }

    /// A REGISTER of 7001 under one Call-ID.
    pub(super) fn register(cseq: u32) -> Self {
        Self::request("REGISTER", "sip:example.com", "reg")
            .with("To", "<sip:7001@example.com>")
            .with("Via", &format!("SIP/2.0/UDP {PHONE};branch=z9hG4bKreg{cseq};rport"))
            .with("CSeq", &format!("{cseq} REGISTER"))
    }

    /// The answer of a peer to what it was sent.
    pub(super) fn response(to: &Message, status: u16, tag: &str) -> Self {
        let mut lines = Vec::new();
        for id in [HeaderId::Via, HeaderId::From, HeaderId::To, HeaderId::CallId, HeaderId::CSeq] {
            for value in to.header_lines(id) {
                let mut value = String::from_utf8_lossy(value).into_owned();
                if id == HeaderId::To && !tag.is_empty() && to.to_tag().is_empty() {
                    value = format!("{value};tag={tag}");
                }
                lines.push((id.name().to_owned(), value));
            }
        }
        Self { start: format!("SIP/2.0 {status} Why"), lines }
    }

    /// One header, in place of the one of that name if there is one.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        match self.lines.iter_mut().find(|(found, _)| found == name) {
            Some((_, held)) => value.clone_into(held),
            None => self.lines.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    /// One header more.
    pub(super) fn add(mut self, name: &str, value: &str) -> Self {
        self.lines.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.lines.retain(|(found, _)| found != name);
        self
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let lines: String =
            self.lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("{}\r\n{lines}Content-Length: 0\r\n\r\n", self.start).into_bytes()
    }

    pub(super) fn message(&self) -> Message {
        scan(self.bytes()).expect("a message")
    }
}

/// One message that the shard sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) to: Destination,
    pub(super) message: Message,
}

impl Sent {
    pub(super) fn remote(&self) -> String {
        match &self.to {
            Destination::Flow(flow) => flow.remote.to_string(),
            Destination::Address { remote, .. } => remote.to_string(),
            Destination::Host { host, port, .. } => format!("{host}:{port}"),
        }
    }

    /// Method or status, and the peer.
    pub(super) fn words(&self) -> String {
        let what = match self.message.status() {
            0 => String::from_utf8_lossy(self.message.method_token()).into_owned(),
            status => status.to_string(),
        };
        format!("{what} {}", self.remote())
    }

    pub(super) fn header(&self, id: HeaderId) -> String {
        String::from_utf8_lossy(self.message.header(id).unwrap_or_default()).into_owned()
    }

    /// The number of the node it went to, zero for anybody else.
    pub(super) fn node(&self) -> u16 {
        let remote = self.remote();
        NODES.iter().zip(1..).find(|(at, _)| **at == remote).map_or(0, |(_, id)| id)
    }
}

/// The shard and everything around it.
pub(super) struct World {
    pub(super) core: Core,
    pub(super) sealer: Arc<Sealer>,
    pub(super) now: Instant,
    ids: Ids,
    out: Outbox<Action>,
    wakes: BTreeMap<Slot, Instant>,
    sent: Vec<Sent>,
    /// By which the transport says that it could not send.
    pub(super) senders: Vec<Sender>,
    pub(super) shared: Vec<Entry>,
    pub(super) suspects: Vec<NodeId>,
    pub(super) counted: Vec<Counted>,
}

impl World {
    /// A shard that knows the time and whose nodes are all in service.
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    /// The same with other settings.
    pub(super) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let nodes = NODES.iter().zip(1_u16..).map(|(remote, id)| NodeSettings {
            id: node_id(id),
            addresses: vec![address(remote)],
            is_local: id != 4,
        });
        let mut settings = Settings {
            name: "SIPProxy_1".to_owned(),
            id: node_id(101),
            shard: Shard(1),
            address: address(PROXY),
            access: "example.com".to_owned(),
            domains: vec!["example.com".to_owned()],
            proxies: vec![address(PROXY), address(OTHER_PROXY)],
            ports: Vec::new(),
            ports_of_all: Vec::new(),
            holders: Vec::new(),
            nodes: nodes.collect(),
            node_protocol: Protocol::Udp,
            expires_default: Duration::from_secs(120),
            expires_min: Duration::from_secs(60),
            expires_max: Duration::from_secs(3600),
            feature_server: None,
        };
        change(&mut settings);
        let sealer = Arc::new(Sealer::of(b"key"));
        let mut world = Self {
            core: Core::new(Arc::new(settings), Arc::clone(&sealer), 7),
            sealer,
            now: Instant::ZERO + Duration::from_secs(1000),
            ids: Ids::new(7),
            out: Outbox::new(OUTBOX_LEN_MAX),
            wakes: BTreeMap::new(),
            sent: Vec::new(),
            senders: Vec::new(),
            shared: Vec::new(),
            suspects: Vec::new(),
            counted: Vec::new(),
        };
        world.on(Event::Wall(WALL));
        for id in 1..=4 {
            world.node(id, true);
        }
        world
    }

    /// The Service Checker's word on a node.
    pub(super) fn node(&mut self, id: u16, in_service: bool) {
        let remote = address(NODES[usize::from(id) - 1]);
        self.on(Event::Node(node_id(id), Some(remote).filter(|_| in_service)));
    }

    pub(super) fn on(&mut self, event: Event) {
        let mut cx = Cx { now: self.now, ids: &mut self.ids, out: &mut self.out };
        self.core.on(event, &mut cx);
        for action in self.out.drain() {
            match action {
                Action::Send(outbound) => {
                    let message = scan(outbound.bytes.to_vec()).expect("sent a message");
                    self.senders.extend(outbound.sender);
                    self.sent.push(Sent { to: outbound.to, message });
                }
                Action::Arm(slot, at) => {
                    self.wakes.insert(slot, at);
                }
                Action::Share(entry) => self.shared.push(entry),
                Action::Suspect(node) => self.suspects.push(node),
                Action::Count(counted) => self.counted.push(counted),
            }
        }
    }

    /// A message comes by UDP.
    pub(super) fn receive(&mut self, from: &str, text: &Text) {
        self.receive_bytes(from, text.bytes());
    }

    pub(super) fn receive_bytes(&mut self, from: &str, bytes: Vec<u8>) {
        let flow = Flow {
            protocol: Protocol::Udp,
            local: address(PROXY),
            remote: address(from),
            connection: ConnectionId(0),
        };
        let message = scan(bytes).expect("a message");
        self.on(Event::Packet(Packet { flow, message }));
    }

    /// A message comes, and what was sent on it.
    pub(super) fn exchange(&mut self, from: &str, text: &Text) -> Vec<Sent> {
        self.receive(from, text);
        self.take()
    }

    /// A message comes, and the one that was sent on it.
    pub(super) fn one(&mut self, from: &str, text: &Text) -> Sent {
        let mut sent = self.exchange(from, text);
        let words: Vec<_> = sent.iter().map(Sent::words).collect();
        assert_eq!(sent.len(), 1, "one message was expected: {words:?}");
        sent.remove(0)
    }

    /// A peer answers what it was sent; what was sent on that, as words.
    pub(super) fn answer(&mut self, to: &Sent, status: u16) -> Vec<String> {
        self.answer_as(to, &Text::response(&to.message, status, "peer"))
    }

    pub(super) fn answer_as(&mut self, to: &Sent, text: &Text) -> Vec<String> {
        self.receive(&to.remote(), text);
        self.words()
    }

    /// Time goes by; everything that was to wake up does, in order.
    pub(super) fn pass_ms(&mut self, span_ms: u64) {
        let end = self.now + Duration::from_millis(span_ms);
        while let Some((slot, at)) =
            self.wakes.iter().map(|(slot, at)| (*slot, *at)).min_by_key(|(_, at)| *at)
        {
            if at > end {
                break;
            }
            self.wakes.remove(&slot);
            self.now = self.now.max(at);
            self.on(Event::Wake(slot));
        }
        self.now = end;
    }

    pub(super) fn take(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.sent)
    }

    pub(super) fn words(&mut self) -> Vec<String> {
        self.take().iter().map(Sent::words).collect()
    }

    /// The node that a Call-ID alone leads to.
    pub(super) fn by_call_id(&self, call_id: &str) -> u16 {
        let chosen = self.core.nodes.choose(call_id.as_bytes(), &[], self.now);
        chosen.map_or(0, |(id, _)| id.get())
    }

    /// A Call-ID that leads to this node of the own data centre.
    pub(super) fn call_id_for(&self, node: u16, hint: &str) -> String {
        let mut ids = (0..).map(|index| format!("{hint}{index}"));
        ids.find(|id| self.by_call_id(id) == node).expect("one of many")
    }

    /// 7001 registers by `node` and so is a DN that the proxy knows.
    pub(super) fn register_by(&mut self, node: u16) {
        let id = self.call_id_for(node, "r");
        let text = Text::register(1)
            .with("Call-ID", &id)
            .with("Via", &format!("SIP/2.0/UDP {PHONE};branch=z9hG4bK{id}"));
        let sent = self.one(PHONE, &text);
        assert_eq!(sent.node(), node);
        assert_eq!(self.answer(&sent, 200), [format!("200 {PHONE}")]);
    }

    /// The word of a leg at a node, sealed.
    pub(super) fn leg(&self, kind: Kind, node: u16) -> String {
        let slot = Slot { index: 3, generation: 5 };
        let word = LegWord { node: node_id(node), shard: Shard(1), slot }.word();
        self.sealer.seal(kind, word).to_string()
    }

    /// The Route that names a node, as Record-Route does.
    pub(super) fn route(&self, node: u16) -> String {
        format!("<sip:example.com;lr;t={}>", self.sealer.seal(Kind::Route, u64::from(node)))
    }

    /// What a node seals into X-Genesys-Route, so many seconds from now.
    pub(super) fn hop(&self, node: u16, hop: &str, offset_s: i64) -> String {
        let at = WALL.0 + (self.now.0 - 1_000_000_000_000) / 1_000_000;
        let at = WallTime(at.saturating_add_signed(offset_s * 1000));
        self.sealer.seal_hop(node_id(node), hop, at)
    }

    /// A request of a node, sealed now.
    pub(super) fn of_node(&self, node: u16, hop: &str, text: Text) -> Text {
        let id = String::from_utf8_lossy(text.message().call_id()).into_owned();
        let remote = NODES[usize::from(node) - 1];
        text.with("Via", &format!("SIP/2.0/UDP {remote};branch=z9hG4bK{id};rport"))
            .with("X-Genesys-Route", &self.hop(node, hop, 0))
    }
}
