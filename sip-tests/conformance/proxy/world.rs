//! One proxy shard in virtual time: what goes in, what comes out, and the wake-ups in between.

use crate::draft::{Draft, header, values};
use core::net::SocketAddr;
use sipcluster::base::contact::{Bound, ContactBlock, Parts};
use sipcluster::base::flow::{ConnectionId, Destination, Flow, Protocol, Sender};
use sipcluster::base::id::{Ids, NodeId, Shard, Slot};
use sipcluster::base::limits::OUTBOX_LEN_MAX;
use sipcluster::base::outbox::Outbox;
use sipcluster::base::seal::{Kind, Sealer};
use sipcluster::base::time::{Duration, Instant};
use sipcluster::roles::sip_proxy::proxy::core::{Action, Core, Counted, Cx, Event};
use sipcluster::roles::sip_proxy::proxy::settings::{NodeSettings, Settings};
use sipcluster::sip::message::{HeaderId, Message, scan};
use sipcluster::sip::packet::Packet;
use sipcluster::sip::registrar::{Binding, Entry, contact_key};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Own address of the proxy.
pub(super) const PROXY: &str = "127.0.0.1:5060";
/// The phone of 7001.
pub(super) const PHONE: &str = "127.0.0.50:5061";
/// Nodes 1 and 2 of the own data centre, node 3 of another.
pub(super) const NODES: [&str; 3] = ["127.0.0.11:5070", "127.0.0.12:5070", "127.0.0.13:5070"];

/// An address from its text.
pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A node-id.
pub(super) fn node_id(id: u16) -> NodeId {
    NodeId::new(id).unwrap_or_else(|| panic!("{id} is no node-id"))
}

/// The UDP flow from a peer to the proxy.
pub(super) fn udp(remote: &str) -> Flow {
    Flow {
        protocol: Protocol::Udp,
        local: address(PROXY),
        remote: address(remote),
        connection: ConnectionId(0),
    }
}

/// One message that the proxy sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    /// When.
    pub(super) at: Instant,
    /// Where to.
    pub(super) to: Destination,
    /// What.
    pub(super) message: Message,
}

impl Sent {
    /// The peer's address.
    pub(super) fn remote(&self) -> String {
        match &self.to {
            Destination::Flow(flow) => flow.remote.to_string(),
            Destination::Address { remote, .. } => remote.to_string(),
            Destination::Host { host, port, .. } => format!("{host}:{port}"),
        }
    }

    /// Status of a response, method of a request.
    pub(super) fn what(&self) -> String {
        if self.message.is_request() {
            String::from_utf8_lossy(self.message.method_token()).into_owned()
        } else {
            self.message.status().to_string()
        }
    }

    /// The first value of a header.
    pub(super) fn header(&self, id: HeaderId) -> String {
        header(&self.message, id)
    }

    /// All values of a header.
    pub(super) fn values(&self, id: HeaderId) -> Vec<String> {
        values(&self.message, id)
    }
}

/// The shard and everything around it.
pub(super) struct World {
    core: Core,
    pub(super) sealer: Arc<Sealer>,
    pub(super) now: Instant,
    ids: Ids,
    out: Outbox<Action>,
    wakes: BTreeMap<Slot, Instant>,
    sent: Vec<Sent>,
    last_sender: Option<Sender>,
    pub(super) shared: Vec<Entry>,
    pub(super) suspects: Vec<NodeId>,
    pub(super) counted: Vec<Counted>,
}

impl World {
    /// A shard whose nodes 1 and 2 are in service.
    pub(super) fn new() -> Self {
        let mut world = Self::without_nodes();
        world.node(1, true);
        world.node(2, true);
        world
    }

    /// A shard that has not heard of any node yet.
    pub(super) fn without_nodes() -> Self {
        let Some(sealer) = Sealer::new(&[b"conformance"]) else { panic!("one key is a key") };
        let sealer = Arc::new(sealer);
        let nodes = NODES.iter().zip(1_u16..).map(|(remote, id)| NodeSettings {
            id: node_id(id),
            addresses: vec![address(remote)],
            is_local: id != 3,
        });
        let settings = Settings {
            name: "SIPProxy_1".to_owned(),
            id: node_id(101),
            shard: Shard(1),
            address: address(PROXY),
            access: "cluster.example.com:5060".to_owned(),
            domains: vec!["cluster.example.com".to_owned(), "example.com".to_owned()],
            proxies: vec![address(PROXY), address("127.0.0.2:5060")],
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
        Self {
            core: Core::new(Arc::new(settings), Arc::clone(&sealer), 7),
            sealer,
            now: Instant::ZERO + Duration::from_secs(1000),
            ids: Ids::new(7),
            out: Outbox::new(OUTBOX_LEN_MAX),
            wakes: BTreeMap::new(),
            sent: Vec::new(),
            last_sender: None,
            shared: Vec::new(),
            suspects: Vec::new(),
            counted: Vec::new(),
        }
    }

    /// The Service Checker's word on a node.
    pub(super) fn node(&mut self, id: u16, in_service: bool) {
        let primary = NODES.get(usize::from(id) - 1).map(|remote| address(remote));
        self.on(Event::Node(node_id(id), primary.filter(|_| in_service)));
    }

    /// One turn of the core; its actions are carried out.
    pub(super) fn on(&mut self, event: Event) {
        let mut cx = Cx { now: self.now, ids: &mut self.ids, out: &mut self.out };
        self.core.on(event, &mut cx);
        for action in self.out.drain() {
            match action {
                Action::Send(outbound) => {
                    let message = scan(outbound.bytes.to_vec());
                    let message =
                        message.unwrap_or_else(|error| panic!("sent no message: {error}"));
                    self.last_sender = outbound.sender.or(self.last_sender);
                    self.sent.push(Sent { at: self.now, to: outbound.to, message });
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

    /// A message comes by a flow.
    pub(super) fn receive(&mut self, flow: Flow, message: Message) {
        self.on(Event::Packet(Packet { flow, message }));
    }

    /// A request comes from a peer by UDP.
    pub(super) fn request(&mut self, from: &str, draft: &Draft) {
        self.receive(udp(from), draft.message());
    }

    /// A peer answers what it was sent.
    pub(super) fn answer(&mut self, to: &Sent, status: u16, tag: &str) {
        self.answer_with(to, Draft::response(&to.message, status, tag));
    }

    /// A peer answers what it was sent with a response of the test's own.
    pub(super) fn answer_with(&mut self, to: &Sent, draft: Draft) {
        self.receive(udp(&to.remote()), draft.message());
    }

    /// What was sent last could not be sent.
    pub(super) fn fail(&mut self) {
        let sender = self.last_sender.unwrap_or_else(|| panic!("nothing was sent"));
        self.on(Event::SendFailed(sender));
    }

    /// Time goes by; everything that was to wake up does, in order.
    pub(super) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
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

    /// Milliseconds go by.
    pub(super) fn pass_ms(&mut self, span_ms: u64) {
        self.pass(Duration::from_millis(span_ms));
    }

    /// What was sent since the last time.
    pub(super) fn take(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.sent)
    }

    /// The one message that was sent since the last time.
    pub(super) fn only(&mut self) -> Sent {
        let mut sent = self.take();
        let what: Vec<_> = sent.iter().map(|sent| (sent.remote(), sent.what())).collect();
        assert_eq!(sent.len(), 1, "one message was expected: {what:?}");
        sent.remove(0)
    }

    /// What was sent since the last time, each as method or status with its peer.
    pub(super) fn take_words(&mut self) -> Vec<String> {
        self.take().iter().map(|sent| format!("{} {}", sent.what(), sent.remote())).collect()
    }

    /// A request, and the answer that the proxy itself gives at once.
    pub(super) fn answered(&mut self, from: &str, draft: &Draft) -> Sent {
        self.request(from, draft);
        let sent = self.only();
        assert!(!sent.message.is_request(), "{} went on to {}", sent.what(), sent.remote());
        assert_eq!(sent.remote(), from);
        sent
    }

    /// Another proxy's word that a DN is at a contact.
    pub(super) fn bind(&mut self, dn: &str, uri: &str, q: u16) {
        let key = contact_key(uri).unwrap_or_else(|| panic!("{uri} is no contact"));
        let source = udp("127.0.0.60:5060");
        let bound = Some(Bound { uri, params: "", q, node: node_id(1), source });
        let call_id = format!("reg-{uri}");
        let parts = Parts { aor: dn, key: &key, call_id: &call_id, bound };
        let binding = Binding {
            contact: ContactBlock::new(&parts),
            cseq: 1,
            proxy: node_id(102),
            expires: self.now + Duration::from_secs(600),
            updated: self.now,
        };
        self.on(Event::Binding(Entry::Put(binding)));
    }

    /// The sealed next hop that node 1 puts into a request.
    pub(super) fn route_header(&self, hop: &str) -> String {
        let text = format!("node=1;time=0;hop={hop}");
        let seal = self.sealer.seal_text(text.as_bytes());
        format!("{text};seal={seal}")
    }

    /// An INVITE of node 1 for a DN at its phones.
    pub(super) fn invite_of_node(&self, dn: &str, id: &str) -> Draft {
        Draft::invite(id)
            .uri(&format!("sip:{dn}@cluster.example.com"))
            .set("Via", &format!("SIP/2.0/UDP {};branch=z9hG4bK{id};rport", NODES[0]))
            .set("Contact", "<sip:01leg@cluster.example.com>")
            .add("X-Genesys-Route", &self.route_header("registrar"))
    }

    /// The Route that names a node, as the proxy's Record-Route does.
    pub(super) fn dialog_route(&self, node: u16) -> String {
        let token = self.sealer.seal(Kind::Route, u64::from(node));
        format!("<sip:cluster.example.com:5060;lr;t={token}>")
    }

    /// The name under which the last request with one hears that it could not be sent.
    pub(super) fn sender_of_last(&self) -> Option<Sender> {
        self.last_sender
    }

    /// Transactions in progress.
    pub(super) fn transactions_len(&self) -> usize {
        self.core.transactions_len()
    }

    /// Contact URIs of a DN, best first.
    pub(super) fn contacts(&self, dn: &str) -> Vec<String> {
        let bound = self.core.registrar().lookup(dn, self.now);
        bound.filter_map(|binding| Some(binding.contact.bound()?.uri.to_owned())).collect()
    }
}
