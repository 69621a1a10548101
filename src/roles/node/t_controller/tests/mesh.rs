//! T-Controllers that are linked, under faults: a world of four nodes in two data
//! centres, drawn from a seed.
//!
//! `SEED=7 cargo test --lib mesh` replays one world and prints what happens in it;
//! `MESH_SEEDS=100000` runs so many, with `FROM=50001` the second half of them.

use super::*;
use crate::base::id::{ConnId, Slot};
use crate::base::ownership::DnWord;
use crate::call::facts::{CallFact, EndedBy, Party as CallParty, Step, Wish};
use crate::mesh::wire::{self, Body, proto};
use crate::roles::node::t_controller::addp::Addp;
use crate::roles::node::t_controller::core::Party;
use crate::roles::node::t_controller::owners::Ownership;
use crate::roles::node::t_controller::settings::Peer;
use crate::roles::node::t_controller::shown::Shown;
use std::collections::VecDeque;

mod calls;
mod check;
mod course;
mod running;
mod smart_proxy;
mod standing;

const NODES: u16 = 4;
/// The nodes that have a Smart Proxy; its number is this much greater.
const SMART: [u16; 2] = [1, 4];
const SMART_PROXY: u16 = 4_096;
const PHONES: [&str; 4] = ["7001", "7002", "7003", "7004"];
const OWNED: [&str; 2] = ["8000", "8001"];
const PERSONS: [&str; 3] = ["alice", "bob", "carol"];
/// Node-id of a SIP Proxy.
const PROXY: u16 = 100;
/// Longest time that a frame is under way.
const DELAY_MAX: u64 = 200;

type NodeNumber = u16;

/// One direction of a connection.
#[derive(Debug, Default)]
struct Pipe {
    frames: VecDeque<(Instant, Heard)>,
    last: Instant,
}

/// A connection between two nodes; its ends by node and number there.
#[derive(Debug)]
struct Wire {
    ends: [(NodeNumber, ClientId); 2],
    pipes: [Pipe; 2],
    /// Nothing gets through, and nobody says so.
    is_dead: bool,
}

/// A client, with its view of each DN that it is registered for.
#[derive(Debug, Default)]
struct Desk {
    views: BTreeMap<String, Shown>,
    /// As the owner tells them when it is asked.
    fresh: BTreeMap<String, Shown>,
    /// DNs of requests that wait for an answer.
    asked: BTreeMap<u32, (RequestType, String)>,
    next_reference: u32,
    /// What it was told without having asked.
    heard: Vec<EventType>,
    /// How often it was told that events are lost.
    gaps: usize,
    /// What it was refused.
    refusals: Vec<ErrorCode>,
    /// DNs for which it has registered while some node was out of another's reach: what cannot be
    /// heard of it was not told of.
    late: BTreeSet<String>,
}

struct Node {
    core: Core,
    ids: Ids,
    armed: Vec<(Wake, Instant)>,
    desks: BTreeMap<ClientId, Desk>,
    epoch: u32,
}

struct Mesh {
    random: Ids,
    now: Instant,
    nodes: BTreeMap<NodeNumber, Node>,
    wires: Vec<Wire>,
    /// Pairs between which nothing gets through.
    cut: BTreeSet<(NodeNumber, NodeNumber)>,
    next_id: u64,
    next_call: u64,
    calls: Vec<(NodeNumber, CallFact)>,
    /// Those of them that the called DN has put on hold.
    held: BTreeSet<ConnId>,
    /// Since when two nodes in contact both act as owner.
    both: BTreeMap<(usize, NodeNumber, NodeNumber), Instant>,
    findings: Vec<String>,
    /// `tc-reconnect-timeout`.
    reconnect: Duration,
    /// `agent-state-auto-restore`.
    auto_restore: bool,
    /// `smart-proxy-enabled`.
    is_bulk: bool,
    /// Operators who wait for an answer.
    operators: BTreeSet<(NodeNumber, u64)>,
    next_operator: u64,
    /// Connections of SIP Proxies.
    proxies: BTreeSet<(NodeNumber, ClientId)>,
    /// What the threads of each node read of a DN.
    words: BTreeMap<(NodeNumber, usize), DnWord>,
    /// Owners that a replay has told.
    said: BTreeMap<(NodeNumber, String), Ownership>,
    is_told: bool,
}

/// The machine of a T-Controller or a Smart Proxy.
fn host(node: NodeNumber) -> NodeNumber {
    node % SMART_PROXY
}

fn members() -> impl Iterator<Item = NodeNumber> {
    (1..=NODES).chain(SMART.iter().map(|node| node + SMART_PROXY))
}

fn settings_of(number: NodeNumber, mesh: &Mesh) -> Settings {
    let node = host(number);
    let is_smart_proxy = number != node;
    let location = |node: NodeNumber| if node <= NODES / 2 { "dc1" } else { "dc2" };
    let phones = PHONES.iter().map(|dn| ((*dn).into(), DnKind::SipBased));
    let owned = OWNED.iter().map(|dn| ((*dn).into(), DnKind::TLibraryBased));
    let is_peer = |other: &NodeNumber| *other != number && !(is_smart_proxy && *other > NODES);
    let peers = members().filter(is_peer).map(|other| Peer {
        node: NodeId::of_member(other).expect("in range"),
        address: format!("127.0.0.{}:7014", host(other)).parse().expect("an address"),
        geo_location: location(host(other)).into(),
    });
    Settings {
        name: format!("node{number}"),
        node: NodeId::of_member(number).expect("in range"),
        geo_location: location(node).into(),
        dns: phones.chain(owned).collect(),
        persons: PERSONS.iter().map(|id| ((*id).into(), None)).collect(),
        owners: ["desktop".into()].into(),
        agents: agent::Options { wrap_up: Duration::from_secs(2), ..agent::Options::default() },
        admission: Arc::default(),
        no_answer: no_answer::ALL,
        auto_restore: mesh.auto_restore,
        logout_on_disconnect: true,
        addp: Addp::default(),
        latency_poll: Duration::from_secs(10),
        reconnect: mesh.reconnect,
        move_delay: Duration::from_secs(3),
        proxies: NodeId::new(PROXY).into_iter().collect(),
        peers: peers.collect(),
        bulk: is_smart_proxy && mesh.is_bulk,
    }
}

fn watched(supervisor: &str, target: &str) -> Attributes {
    let calls = Some(tlib::MonitorNextCallType::MonitorAllCalls.into());
    let other_dn = Some(target.to_owned());
    Attributes { other_dn, monitor_next_call_type: calls, ..dn(supervisor) }
}

fn pair(one: NodeNumber, other: NodeNumber) -> (NodeNumber, NodeNumber) {
    let (one, other) = (host(one), host(other));
    (one.min(other), one.max(other))
}

/// A step of call `number` of a node, from the trunk to a DN.
fn fact(node: NodeNumber, number: u64, dn: &str, step: Step) -> CallFact {
    CallFact {
        conn_id: ConnId(u64::from(node) << 52 | number),
        uuid: Ids::new(number).call_uuid(),
        caller: "0123".into(),
        dialled: dn.into(),
        destination: dn.into(),
        trunk: "Trunk_SBC".into(),
        is_inbound: true,
        slot: Slot { index: 1, generation: 1 },
        step,
    }
}

impl Mesh {
    fn new(seed: u64) -> Self {
        let mut mesh = Self {
            random: Ids::new(seed),
            now: Instant(0) + Duration::from_secs(1_000),
            nodes: BTreeMap::new(),
            wires: Vec::new(),
            cut: BTreeSet::new(),
            next_id: 1,
            next_call: 1,
            calls: Vec::new(),
            held: BTreeSet::new(),
            both: BTreeMap::new(),
            findings: Vec::new(),
            reconnect: Duration::from_secs(if seed % 3 == 1 { 2 } else { 0 }),
            auto_restore: seed.is_multiple_of(2),
            is_bulk: seed % 5 < 2,
            operators: BTreeSet::new(),
            next_operator: 1,
            proxies: BTreeSet::new(),
            words: BTreeMap::new(),
            said: BTreeMap::new(),
            is_told: std::env::var_os("SEED").is_some(),
        };
        for node in 1..=NODES {
            mesh.begin(node, 1);
        }
        mesh
    }

    /// A node begins, with its Smart Proxy if it has one.
    fn begin(&mut self, number: NodeNumber, epoch: u32) {
        self.words.retain(|(node, _), _| *node != number);
        for number in members().filter(|member| host(*member) == number) {
            let core = Core::new(Arc::new(settings_of(number, self)), epoch, WallTime(1_000));
            let ids = Ids::new(self.random.next_u64());
            let node = Node { core, ids, armed: Vec::new(), desks: BTreeMap::new(), epoch };
            self.nodes.insert(number, node);
            self.on(number, Event::Wake(Wake::Links));
        }
    }

    /// `smart-proxy-enabled` is another from now on: each node hears of it in its own time.
    fn change_bulk(&mut self) {
        self.is_bulk = !self.is_bulk;
        self.say(|| format!("smart-proxy-enabled: {}", self.is_bulk));
        for node in SMART {
            let number = node + SMART_PROXY;
            let span = self.draw(500);
            self.pass(Duration::from_millis(span));
            let settings = Arc::new(settings_of(number, self));
            self.on(number, Event::Settings(settings));
        }
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.random.next_u64() % below
    }

    fn say(&self, text: impl FnOnce() -> String) {
        if self.is_told {
            println!("{:>9} {}", self.now.as_millis(), text());
        }
    }

    fn find(&mut self, text: String) {
        self.say(|| format!("FINDING {text}"));
        self.findings.push(format!("{} ms: {text}", self.now.as_millis()));
    }

    fn on(&mut self, number: NodeNumber, event: Event) {
        let Some(node) = self.nodes.get_mut(&number) else { return };
        let mut out = Outbox::new(1 << 16);
        let (now, ids) = (self.now, &mut node.ids);
        node.core.on(event, &mut Cx { now, wall: WallTime(5_000), ids, out: &mut out });
        let actions: Vec<Action> = out.drain().collect();
        if self.is_told {
            self.say_owners(number);
        }
        let mut for_operators = Vec::new();
        for action in actions {
            if let Action::Send(OPERATOR, bytes) = action {
                for_operators.push(bytes);
            } else {
                self.act(number, action);
            }
        }
        // As the module does it: what others hear of the turn comes before.
        for bytes in for_operators {
            self.read(number, OPERATOR, &bytes);
            self.on(number, Event::OperatorFrame(bytes));
        }
    }

    fn say_owners(&mut self, number: NodeNumber) {
        let node = &self.nodes[&number];
        let now = node.core.dns.iter().map(|entry| (entry.name.to_string(), entry.owner));
        for (name, owner) in now.collect::<Vec<_>>() {
            let before = self.said.insert((number, name.clone()), owner);
            if before.unwrap_or_default() != owner {
                let node = owner.node.map_or(0, NodeId::get);
                self.say(|| format!("    node {number}: {name} owned by {node} ({})", owner.epoch));
            }
        }
    }

    fn act(&mut self, number: NodeNumber, action: Action) {
        match action {
            Action::Order(order) if matches!(order.wish, Wish::Supervised(_)) => {}
            Action::Order(order) => self.end_call(order.conn_id),
            Action::Operated(ask, _) => {
                if !self.operators.remove(&(number, ask)) {
                    self.find(format!("an operator of node {number} is answered twice"));
                }
            }
            Action::Note(index, word) => {
                self.words.insert((number, index), word);
            }
            Action::Send(id, bytes) => self.read(number, id, &bytes),
            Action::End(id) => self.find(format!("node {number} ends client {}", id.0)),
            Action::Arm(wake, at) => {
                self.nodes.get_mut(&number).expect("it acts").armed.push((wake, at));
            }
            Action::SendLink(id, _) if self.proxies.contains(&(number, id)) => {}
            Action::EndLink(id) if self.proxies.contains(&(number, id)) => {
                self.find("a proxy's link is closed".to_owned());
            }
            Action::SendLink(id, bytes) => {
                self.post(number, id, Heard::Frame(bytes.slice(LENGTH_BYTES..)));
            }
            Action::EndLink(id) => self.cut_wire(number, id, "ended"),
            Action::Dial(to, _) => {
                let to = to.get();
                let id = ClientId(self.next_id);
                self.next_id += 1;
                let there = ClientId(self.next_id);
                self.next_id += 1;
                let reached = self.nodes.contains_key(&to) && !self.cut.contains(&pair(number, to));
                if !reached {
                    let is_dead = !self.nodes.contains_key(&to);
                    self.on(
                        number,
                        Event::Dialled(NodeId::of_member(to).expect("one"), None, is_dead),
                    );
                    return;
                }
                let ends = [(number, id), (to, there)];
                self.wires.push(Wire { ends, pipes: Default::default(), is_dead: false });
                self.on(number, Event::Dialled(NodeId::new(to).expect("one"), Some(id), false));
                let remote = "127.0.0.1:1".parse().expect("an address");
                self.post(number, id, Heard::Connected(remote));
                self.post(to, there, Heard::Connected(remote));
            }
        }
    }

    /// Something is on its way to the other end of a connection.
    fn post(&mut self, from: NodeNumber, id: ClientId, heard: Heard) {
        let delay = Duration::from_millis(1 + self.random.next_u64() % DELAY_MAX);
        let now = self.now;
        let wires = self.wires.iter_mut().filter(|wire| !wire.is_dead);
        for wire in wires {
            let Some(end) = wire.ends.iter().position(|end| *end == (from, id)) else { continue };
            let pipe = &mut wire.pipes[1 - end];
            let at = (now + delay).max(pipe.last);
            pipe.last = at;
            pipe.frames.push_back((at, heard));
            return;
        }
    }

    fn cut_wire(&mut self, from: NodeNumber, id: ClientId, reason: &'static str) {
        // What was sent before arrives before.
        self.post(from, id, Heard::Gone(reason));
        for wire in &mut self.wires {
            if let Some(end) = wire.ends.iter().position(|end| *end == (from, id)) {
                wire.pipes[end].frames.clear();
                wire.ends[end] = (0, ClientId(0));
            }
        }
    }

    /// Bytes for a client: its view follows.
    fn read(&mut self, number: NodeNumber, id: ClientId, bytes: &[u8]) {
        let mut reader = FrameReader::new();
        reader.push(bytes);
        let frame = reader.next_frame().expect("short").expect("whole");
        let Frame { body, reference_id } = Frame::decode(frame).expect("of the language");
        let Some(frame::Body::Event(event)) = body else { return };
        let kind = event.r#type();
        let attributes = *event.attributes.expect("attributes");
        let name = attributes.this_dn.clone().unwrap_or_default();
        self.say(|| format!("    {number}/{} hears {kind:?} {name} {reference_id}", id.0));
        let others =
            |one| members().filter(move |other| *other > one).map(move |other| (one, other));
        let mut pairs = (1..=NODES).flat_map(others);
        let is_whole = pairs.all(|(one, other)| self.in_contact(one, other));
        let desk = self.nodes.get_mut(&number).and_then(|node| node.desks.get_mut(&id));
        let Some(desk) = desk else { return };
        if reference_id == 0 && !name.is_empty() {
            desk.heard.push(kind);
        }
        desk.gaps += usize::from(kind == EventType::EventGap);
        let mut problem = None;
        if reference_id != 0 {
            let asked = desk.asked.remove(&reference_id);
            if asked.is_none() {
                problem = Some(format!("an answer to nothing: {kind:?}"));
            }
            if kind == EventType::EventError {
                desk.refusals.push(attributes.error_code());
            } else if kind == EventType::EventRegistered {
                desk.views.insert(name.clone(), Shown::of_registered(&attributes));
                if is_whole {
                    desk.late.remove(&name)
                } else {
                    desk.late.insert(name.clone())
                };
            } else if kind == EventType::EventUnregistered {
                desk.views.remove(&name);
            } else if kind == EventType::EventAddressInfo {
                desk.fresh.insert(name.clone(), Shown::of_registered(&attributes));
                return;
            }
        }
        if let Some(view) = desk.views.get_mut(&name) {
            let before = view.clone();
            view.note(kind, &attributes);
            let is_news = matches!(
                kind,
                EventType::EventDnBackInService
                    | EventType::EventDnOutOfService
                    | EventType::EventAgentLogin
                    | EventType::EventAgentLogout
                    | EventType::EventDndOn
                    | EventType::EventDndOff
            );
            if is_news && before == *view {
                problem = Some(format!("{kind:?} of {name} is no news"));
            }
        } else if reference_id == 0 && !name.is_empty() {
            problem = Some(format!("{kind:?} of {name}, for which it is not registered"));
        }
        if let Some(problem) = problem {
            self.find(format!("client {} of node {number} hears {problem}", id.0));
        }
    }

    fn ask(&mut self, number: NodeNumber, id: ClientId, kind: RequestType, given: Attributes) {
        let desk = self.nodes.get_mut(&number).and_then(|node| node.desks.get_mut(&id));
        let Some(desk) = desk else { return };
        desk.next_reference += 1;
        let reference_id = desk.next_reference;
        let name = given.this_dn.clone().unwrap_or_default();
        desk.asked.insert(reference_id, (kind, name.clone()));
        self.say(|| format!("{number}/{} asks {kind:?} {name} {reference_id}", id.0));
        let attributes = Some(Box::new(given));
        let request = Request { r#type: kind.into(), reference_id, attributes, registration: None };
        let bytes = tlib::encode_frame(frame::Body::Request(request)).slice(LENGTH_BYTES..);
        self.on(number, Event::Heard(id, Heard::Frame(bytes)));
    }

    fn connect(&mut self, number: NodeNumber, name: &str) -> Option<ClientId> {
        let id = ClientId(self.next_id);
        self.next_id += 1;
        self.nodes
            .get_mut(&number)?
            .desks
            .insert(id, Desk { next_reference: 1, ..Desk::default() });
        self.nodes.get_mut(&number)?.desks.get_mut(&id)?.asked.insert(1, Default::default());
        let remote = "127.0.0.1:1".parse().expect("an address");
        self.on(number, Event::Heard(id, Heard::Connected(remote)));
        let registration = ClientRegistration {
            application_name: name.to_owned(),
            protocol_version: 1,
            ..ClientRegistration::default()
        };
        let request = Request {
            r#type: RequestType::TRegisterClient.into(),
            reference_id: 1,
            attributes: None,
            registration: Some(registration),
        };
        let bytes = tlib::encode_frame(frame::Body::Request(request)).slice(LENGTH_BYTES..);
        self.on(number, Event::Heard(id, Heard::Frame(bytes)));
        Some(id)
    }

    fn phone(&mut self, number: NodeNumber, dn: &str, seconds: u64) {
        self.say(|| format!("node {number} accepts a REGISTER of {dn} for {seconds} s"));
        let contacts = vec![("sip:one".into(), seconds)];
        let phone = Phone { dn: dn.into(), contacts, removes_all: false };
        self.on(number, Event::Phone(Box::new(phone)));
    }

    /// Whether two nodes know of a link to each other.
    fn in_contact(&self, one: NodeNumber, other: NodeNumber) -> bool {
        let linked = |from: NodeNumber, to: NodeNumber| {
            let to = NodeId::of_member(to).expect("one");
            self.nodes.get(&from).is_some_and(|node| node.core.is_linked(to))
        };
        let joins = |wire: &Wire| {
            let ends = wire.ends.map(|(node, _)| node);
            !wire.is_dead && ends.contains(&one) && ends.contains(&other)
        };
        self.wires.iter().any(joins) && linked(one, other) && linked(other, one)
    }

    /// Lets time pass, event by event.
    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let frames = self.wires.iter().flat_map(|wire| &wire.pipes);
            let frames = frames.filter_map(|pipe| pipe.frames.front()).map(|(at, _)| *at);
            let wakes = self.nodes.values().flat_map(|node| &node.armed).map(|(_, at)| *at);
            let Some(next) = frames.chain(wakes).min().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            self.step();
            self.check_owners();
            if self.findings.len() > 3 {
                return;
            }
        }
        self.now = end;
    }

    fn step(&mut self) {
        let now = self.now;
        for at in 0..self.wires.len() {
            for end in 0..2 {
                let wire = &mut self.wires[at];
                let (number, id) = wire.ends[end];
                let pipe = &mut wire.pipes[end];
                if pipe.frames.front().is_none_or(|(at, _)| *at > now) {
                    continue;
                }
                let Some((_, heard)) = pipe.frames.pop_front() else { continue };
                if matches!(heard, Heard::Gone(_)) {
                    self.cut_silently(number, id);
                }
                self.on(number, Event::Link(id, heard));
                return;
            }
        }
        let due = self.nodes.iter_mut().find_map(|(number, node)| {
            let at = node.armed.iter().position(|(_, at)| *at <= now)?;
            Some((*number, node.armed.remove(at).0))
        });
        if let Some((number, wake)) = due {
            self.on(number, Event::Wake(wake));
        }
    }

    /// The other end is gone: nothing goes there any more.
    fn cut_silently(&mut self, number: NodeNumber, id: ClientId) {
        self.wires.retain(|wire| !wire.ends.contains(&(number, id)));
    }

    /// The network between two nodes is cut; they may be told, or find out by silence.
    fn cut(&mut self, one: NodeNumber, other: NodeNumber) {
        let is_told = self.draw(2) == 0;
        self.cut_between(one, other, is_told);
    }

    /// `one` and `other` are machines.
    fn cut_between(&mut self, one: NodeNumber, other: NodeNumber, is_told: bool) {
        self.say(|| format!("cut {one} {other}, told: {is_told}"));
        self.cut.insert(pair(one, other));
        let is_theirs = |wire: &Wire| {
            let nodes = wire.ends.map(|(node, _)| host(node));
            nodes.contains(&one) && nodes.contains(&other)
        };
        let mut told = Vec::new();
        for wire in self.wires.iter_mut().filter(|wire| is_theirs(wire)) {
            wire.is_dead = true;
            wire.pipes = Default::default();
            told.extend(wire.ends);
        }
        if is_told {
            self.wires.retain(|wire| !is_theirs(wire));
            for (number, id) in told {
                self.on(number, Event::Link(id, Heard::Gone("cut")));
            }
        }
    }

    fn crash(&mut self, number: NodeNumber) {
        let Some(epoch) = self.kill(number) else { return };
        let back_in = self.draw(8_000);
        self.pass(Duration::from_millis(back_in));
        self.say(|| format!("node {number} is back"));
        self.begin(number, epoch + 1);
    }

    /// A node is gone; gives its start epoch.
    fn kill(&mut self, number: NodeNumber) -> Option<u32> {
        let node = self.nodes.remove(&number)?;
        self.nodes.remove(&(number + SMART_PROXY));
        self.say(|| format!("node {number} dies"));
        self.calls.retain(|(at, _)| *at != number);
        self.operators.retain(|(at, _)| *at != number);
        let ends: Vec<_> = self
            .wires
            .iter()
            .filter(|wire| wire.ends.iter().any(|(at, _)| host(*at) == number))
            .flat_map(|wire| wire.ends)
            .filter(|(at, _)| host(*at) != number)
            .collect();
        self.wires.retain(|wire| wire.ends.iter().all(|(at, _)| host(*at) != number));
        for (other, id) in ends {
            self.on(other, Event::Link(id, Heard::Gone("died")));
        }
        Some(node.epoch)
    }

    fn any_desk(&mut self) -> Option<(NodeNumber, ClientId)> {
        let all: Vec<_> = self
            .nodes
            .iter()
            .flat_map(|(number, node)| node.desks.keys().map(|id| (*number, *id)))
            .collect();
        let at = self.draw(all.len().max(1) as u64) as usize;
        all.get(at).copied()
    }

    fn any_dn(&mut self) -> &'static str {
        let at = self.draw((PHONES.len() + OWNED.len()) as u64) as usize;
        PHONES.iter().chain(&OWNED).nth(at).copied().expect("one")
    }

    fn any_node(&mut self) -> NodeNumber {
        1 + self.draw(u64::from(NODES)) as NodeNumber
    }

    /// Something happens.
    fn happen(&mut self, with_faults: bool) {
        let node = self.any_node();
        match self.draw(if with_faults { 25 } else { 21 }) {
            0..3 => {
                let (dn, seconds) = (self.draw(PHONES.len() as u64), 5 + self.draw(60));
                self.phone(node, PHONES[dn as usize], seconds);
            }
            3 => {
                let dn = self.draw(PHONES.len() as u64);
                self.phone(node, PHONES[dn as usize], 0);
            }
            4 => {
                let name = if self.draw(2) == 0 { "desktop" } else { "watcher" };
                let is_watcher = SMART.contains(&node) && self.draw(2) == 0;
                self.connect(if is_watcher { node + SMART_PROXY } else { node }, name);
            }
            5 => {
                if let Some((number, id)) =
                    self.any_desk().filter(|_| self.random.next_u64().is_multiple_of(3))
                {
                    self.say(|| format!("{number}/{} goes", id.0));
                    self.nodes.get_mut(&number).expect("there").desks.remove(&id);
                    self.on(number, Event::Heard(id, Heard::Gone("test")));
                }
            }
            6 => {
                let (dn, seconds) = (self.draw(PHONES.len() as u64), 5 + self.draw(60));
                self.proxy_tells(node, PHONES[dn as usize], seconds);
            }
            7..16 => self.somebody_asks(),
            16..20 => self.call(node),
            20 if self.draw(3) == 0 => self.change_bulk(),
            20 => self.somebody_asks(),
            21 => {
                let other = self.any_node();
                if other != node {
                    self.cut(node, other);
                }
            }
            22 | 23 => self.heal(),
            _ => self.crash(node),
        }
    }

    /// A SIP Proxy takes a node for the one that is to have a phone.
    fn proxy_tells(&mut self, number: NodeNumber, dn: &str, seconds: u64) {
        self.say(|| format!("a proxy tells {number} of {dn}"));
        let id = ClientId(self.next_id);
        self.next_id += 1;
        let contact = proto::PhoneContact { contact: "sip:told".to_owned(), seconds };
        let hello = proto::NodeHello {
            protocol: 1,
            node_id: u32::from(PROXY),
            name: "SIPProxy_1".to_owned(),
            epoch: 1,
        };
        let phone = proto::PhoneRegistered {
            dn: dn.to_owned(),
            contacts: vec![contact],
            removes_all: false,
            known_before: true,
        };
        let remote = "127.0.0.1:1".parse().expect("an address");
        self.proxies.insert((number, id));
        for heard in [
            Heard::Connected(remote),
            Heard::Frame(wire::encode(Body::NodeHello(hello))),
            Heard::Frame(wire::encode(Body::PhoneRegistered(phone))),
            Heard::Gone("test"),
        ] {
            self.on(number, Event::Link(id, heard));
        }
    }

    fn heal(&mut self) {
        self.say(|| "heal".to_owned());
        self.cut.clear();
    }

    fn somebody_asks(&mut self) {
        let Some((number, id)) = self.any_desk() else { return };
        let name = self.any_dn();
        let person = PERSONS[self.draw(PERSONS.len() as u64) as usize];
        let calls: Vec<u64> = self.calls.iter().map(|(_, fact)| fact.conn_id.0).collect();
        let (kind, given) = match self.draw(13) {
            11 => (RequestType::TMonitorNextCall, watched(name, self.any_dn())),
            12 => (RequestType::TCancelMonitoring, watched(name, self.any_dn())),
            10 if !calls.is_empty() => {
                let conn_id = Some(calls[self.draw(calls.len() as u64) as usize]);
                (RequestType::TReleaseCall, Attributes { conn_id, ..dn(name) })
            }
            0..4 => {
                let mode = [RegisterMode::Share, RegisterMode::Monitor][self.draw(2) as usize];
                let mode = Some(mode.into());
                (RequestType::TRegisterAddress, Attributes { register_mode: mode, ..dn(name) })
            }
            4 => (RequestType::TUnregisterAddress, dn(name)),
            5 | 6 => {
                let agent_id = Some(person.to_owned());
                (RequestType::TAgentLogin, Attributes { agent_id, ..dn(name) })
            }
            7 => (RequestType::TAgentLogout, dn(name)),
            8 => (RequestType::TAgentSetReady, dn(name)),
            _ => (RequestType::TSetDndOn, dn(name)),
        };
        if number <= NODES && self.draw(8) == 0 {
            return self.operate(number, kind, given);
        }
        self.ask(number, id, kind, given);
    }

    fn operate(&mut self, number: NodeNumber, kind: RequestType, given: Attributes) {
        let of_agents = [
            RequestType::TAgentLogin,
            RequestType::TAgentLogout,
            RequestType::TAgentSetReady,
            RequestType::TAgentSetNotReady,
        ];
        if of_agents.contains(&kind) {
            let ask = self.next_operator;
            self.next_operator += 1;
            self.operators.insert((number, ask));
            self.say(|| format!("operator {ask} of {number} asks {kind:?} {:?}", given.this_dn));
            self.on(number, Event::Operate(ask, kind, Box::new(given)));
        }
    }

    fn run(seed: u64) -> Vec<String> {
        let mut mesh = Self::new(seed);
        mesh.pass(Duration::from_secs(2));
        let with_faults = !seed.is_multiple_of(4);
        for _ in 0..150 {
            mesh.happen(with_faults);
            let span = mesh.draw(600);
            mesh.pass(Duration::from_millis(span));
            if !mesh.findings.is_empty() {
                return mesh.findings;
            }
        }
        mesh.heal();
        // Links are found dead and made anew, phones' times run out.
        mesh.pass(Duration::from_secs(90));
        mesh.check_standings();
        mesh.check_calls();
        for (node, fact) in core::mem::take(&mut mesh.calls) {
            let step = Step::Ended { by: EndedBy::Caller, code: 200, was_connected: true };
            mesh.on(node, Event::Fact(Box::new(CallFact { step, ..fact })));
        }
        for (number, dn) in [(1, PHONES[0]), (4, PHONES[1])] {
            mesh.phone(number, dn, 3_600);
        }
        mesh.pass(Duration::from_secs(10));
        mesh.check_end();
        for (index, dn) in PHONES[..2].iter().enumerate() {
            let owners = mesh.nodes.values().filter(|node| node.core.is_own(index)).count();
            if owners != 1 {
                mesh.find(format!("{dn} has a phone, and {owners} owners"));
            }
        }
        mesh.findings
    }
}

#[test]
fn seeds() {
    let number = |name| std::env::var(name).ok().and_then(|text: String| text.parse().ok());
    let seeds: Vec<u64> = match number("SEED") {
        Some(seed) => vec![seed],
        None => (number("FROM").unwrap_or(1)..=number("MESH_SEEDS").unwrap_or(200)).collect(),
    };
    let mut bad = Vec::new();
    for seed in seeds {
        let findings = Mesh::run(seed);
        if !findings.is_empty() {
            bad.push(format!("SEED={seed}\n  {}", findings.join("\n  ")));
        }
    }
    let shown = &bad[..bad.len().min(5)];
    assert!(bad.is_empty(), "{} bad worlds\n{}", bad.len(), shown.join("\n"));
}
