//! Everything in one thread, in virtual time.

use super::behaviour::{BEHAVIOURS, Behaviour};
use super::check::{self, Finding};
use super::cluster::{self, Application, WALL_START};
use super::ladder::{self, Names};
use super::mischief::{Meddler, Mischief, Packet as Meddled};
use super::network::{Network, Profile};
use super::party;
use super::phone::{Outcome, Phone};
use super::plan::{self, Drawing, Numbers, Plan};
use super::trace::{Sent, Trace, call_of};
use crate::base::flow::{ConnectionId, Destination, Flow, Outbound, Protocol, Sender};
use crate::base::id::{CallUuid, Ids, Shard, Slot};
use crate::base::limits::OUTBOX_LEN_MAX;
use crate::base::outbox::Outbox;
use crate::base::seal::Sealer;
use crate::base::time::{Duration, Instant, WallTime};
use crate::roles::node::call_manager::core as node;
use crate::roles::sip_proxy::proxy::core as proxy;
use crate::runtime::guard::caught;
use crate::sip::message::scan;
use crate::sip::packet::Packet;
use crate::sip::registrar::Entry;
use crate::sip::user_agent;
use bytes::Bytes;
use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Extensions with one phone, which call and are called.
const PHONES: usize = 6;
/// Calls of a drawn world.
const CALLS: u32 = 44;
/// Calls of a drawn world begin within this span.
const SPAN: Duration = Duration::from_secs(60);
/// A run that is not quiet by then never will be.
const TIME_MAX: Duration = Duration::from_secs(1_500);
/// Events of one run; more means that something goes round.
const EVENTS_MAX: u32 = 2_000_000;

/// Something that is to happen.
#[derive(Debug)]
enum Due {
    Arrival(usize),
    Unreachable(SocketAddr, Sender),
    ProxyWake(usize, Slot),
    NodeWake(usize, node::Wake),
    Phone(usize),
    Share(usize, Box<Entry>),
    NodeState(usize, usize),
    ProxyState(usize, usize),
    Kill(SocketAddr),
    Dial(usize),
    Register(usize, bool),
    Expire,
}

/// How a world is made.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What everything is drawn from.
    pub seed: u64,
    /// The network.
    pub profile: Profile,
    /// The calls.
    pub plans: Vec<Plan>,
    /// Who dies, and when.
    pub kills: Vec<(Instant, SocketAddr)>,
    /// Whether a host tells senders that a dead application's port is closed.
    pub refuses: bool,
    /// Phones that speak TCP, by index.
    pub streams: Vec<usize>,
    /// One turn in this many panics after a few actions; zero for none.
    pub breaks: u64,
    /// A bug that one application has.
    pub mischief: Option<Mischief>,
    /// Phones call each other without a cluster.
    pub direct: bool,
    /// After one event in this many another process goes on with what a node has; zero
    /// for none.
    pub replaces: u64,
    /// Whether that process gives the same names as the earlier one would have.
    pub keeps_names: bool,
}

impl Setup {
    /// A clean network, phones on UDP, nobody dies.
    #[must_use]
    pub fn quiet(seed: u64, plans: Vec<Plan>) -> Self {
        Self {
            seed,
            profile: Profile::Clean,
            plans,
            kills: Vec::new(),
            refuses: false,
            streams: Vec::new(),
            breaks: 0,
            mischief: None,
            direct: false,
            replaces: 0,
            keeps_names: false,
        }
    }

    /// Everything drawn from the seed: calls of all kinds, the network's faults,
    /// in one world of four the death of a node or proxy, and in another one of four
    /// nodes whose calls move from process to process.
    #[must_use]
    pub fn drawn(seed: u64) -> Self {
        Self::drawn_of(seed, BEHAVIOURS.to_vec())
    }

    /// The same with calls that go in these ways.
    #[must_use]
    pub fn drawn_of(seed: u64, behaviours: Vec<Behaviour>) -> Self {
        let mut random = Ids::new(seed ^ 0x5eed);
        let choice = (seed % Profile::ALL.len() as u64) as usize;
        let profile = Profile::ALL.get(choice).copied().unwrap_or(Profile::Clean);
        let mut kills = Vec::new();
        if random.below(4) == 0 {
            let mut victims = cluster::nodes();
            victims.extend(cluster::proxies());
            let victim = random.below(victims.len() as u64) as usize;
            let at = Instant::ZERO + Duration::from_millis(8_000 + random.below(57_000));
            kills.extend(victims.get(victim).map(|&victim| (at, victim)));
        }
        let death = kills.first().map(|(at, _)| *at);
        let drawing = Drawing { behaviours, count: CALLS, span: SPAN, death };
        let plans = plan::draw(&numbers(), &drawing, &mut random);
        let streams = (0..PHONES).filter(|_| random.below(3) == 0).collect();
        let refuses = random.below(2) == 0;
        let breaks = if random.below(6) == 0 { 30 + random.below(120) } else { 0 };
        let replaces = if random.below(4) == 0 { 50 } else { 0 };
        Self { profile, kills, refuses, streams, breaks, replaces, ..Self::quiet(seed, plans) }
    }
}

/// Numbers of the parties: extensions, then the trunk.
#[must_use]
pub fn numbers() -> Numbers {
    let mut phones: Vec<String> = (0..PHONES).map(|index| (7001 + index).to_string()).collect();
    phones.push("15550100".to_owned());
    Numbers {
        phones,
        trunk: PHONES,
        unregistered: "7050".to_owned(),
        together: "7011".to_owned(),
        serial: "7012".to_owned(),
        moving: "7013".to_owned(),
    }
}

/// A record that a node gave out.
#[derive(Clone, Debug)]
pub struct Settled {
    /// Index of the node.
    pub node: usize,
    /// CallUUID.
    pub uuid: CallUuid,
}

/// A world.
#[derive(Debug)]
pub struct World {
    setup: Setup,
    pub(super) now: Instant,
    random: Ids,
    pub(super) replacing: Ids,
    pub(super) sealer: Arc<Sealer>,
    network: Network,
    due: BTreeMap<(Instant, u64), Due>,
    serial: u64,
    pub(super) armed: BTreeSet<(usize, u8, Slot, Instant)>,
    phones_armed: BTreeSet<(usize, Instant)>,
    pub(super) proxies: Vec<Application<proxy::Core>>,
    pub(super) nodes: Vec<Application<node::Core>>,
    /// Whether each node believes each proxy to be alive.
    pub(super) told: BTreeMap<(usize, usize), bool>,
    phones: Vec<Phone>,
    dead: BTreeMap<SocketAddr, Instant>,
    names: Names,
    trace: Trace,
    settled: Vec<Settled>,
    pub(super) findings: Vec<Finding>,
    broken: u32,
    broken_calls: BTreeSet<u32>,
    meddler: Option<Meddler>,
    pub(super) moves: Vec<(Instant, SocketAddr)>,
}

impl World {
    /// A cluster with its phones, all services seen by each other, phones about
    /// to register.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let mut random = Ids::new(setup.seed);
        let key = format!("key of world {}", setup.seed);
        let sealer = Arc::new(Sealer::of(key.as_bytes()));
        let proxies = cluster::make_proxies(&sealer, random.next_u64());
        let nodes = cluster::make_nodes(&sealer, random.next_u64());
        let phones = party::make_phones(&setup, &mut random);
        let mut parties: Vec<SocketAddr> = phones.iter().map(Phone::address).collect();
        parties.extend(proxies.iter().map(|proxy| proxy.address));
        parties.extend(nodes.iter().map(|node| node.address));
        let network = Network::new(setup.profile, &parties, SPAN * 2, random.next_u64());
        let names = party::names_of(&phones);
        let mut world = Self {
            now: Instant::ZERO,
            random,
            replacing: Ids::new(setup.seed ^ 0x4e3c),
            sealer,
            network,
            due: BTreeMap::new(),
            serial: 0,
            armed: BTreeSet::new(),
            phones_armed: BTreeSet::new(),
            proxies,
            nodes,
            told: BTreeMap::new(),
            phones,
            dead: BTreeMap::new(),
            names,
            trace: Trace::default(),
            settled: Vec::new(),
            findings: Vec::new(),
            broken: 0,
            broken_calls: BTreeSet::new(),
            meddler: setup.mischief.map(|mischief| Meddler::new(mischief, setup.seed)),
            moves: Vec::new(),
            setup,
        };
        world.open();
        world
    }

    fn open(&mut self) {
        for proxy in 0..self.proxies.len() {
            for node in 0..self.nodes.len() {
                self.after(Duration::ZERO, Due::NodeState(proxy, node));
                self.after(Duration::ZERO, Due::ProxyState(node, proxy));
            }
        }
        let registering = (0..self.phones.len()).filter(|_| !self.setup.direct);
        for phone in registering.filter(|phone| *phone != PHONES).collect::<Vec<_>>() {
            let after = Duration::from_millis(10 + self.random.below(1_000));
            self.after(after, Due::Register(phone, true));
        }
        for index in 0..self.setup.plans.len() {
            let at = self.setup.plans.get(index).map_or(Instant::ZERO, |plan| plan.at);
            self.at(at, Due::Dial(index));
        }
        for (at, victim) in self.setup.kills.clone() {
            self.at(at, Due::Kill(victim));
        }
    }

    fn at(&mut self, at: Instant, due: Due) {
        self.serial += 1;
        self.due.insert((at.max(self.now), self.serial), due);
    }

    /// Deadlines of a node that come at the same time do so in the order of what they
    /// are for, and after everything else: the order in which they were armed means
    /// nothing.
    pub(super) fn wake_node(&mut self, index: usize, wake: node::Wake, at: Instant) {
        let (kind, slot) = key_of(wake);
        let place = (index as u64 & 7) << 60 | u64::from(kind) << 56 | slot.with_shard(Shard(0));
        self.due.insert((at.max(self.now), 1 << 63 | place), Due::NodeWake(index, wake));
    }

    fn after(&mut self, span: Duration, due: Due) {
        self.at(self.now + span, due);
    }

    pub(super) fn wall(&self) -> WallTime {
        WallTime(WALL_START.0 + self.now.as_millis())
    }

    /// Turns that panicked.
    #[must_use]
    pub const fn broken(&self) -> u32 {
        self.broken
    }

    /// Calls of the plan whose turns panicked.
    #[must_use]
    pub const fn broken_calls(&self) -> &BTreeSet<u32> {
        &self.broken_calls
    }

    /// When another process has gone on with what a node had.
    #[must_use]
    pub fn moves(&self) -> &[(Instant, SocketAddr)] {
        &self.moves
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Runs until a point of time; `run` goes on from there.
    pub fn run_until(&mut self, end: Instant) {
        while let Some((&(at, serial), _)) = self.due.first_key_value()
            && at <= end
        {
            self.now = at;
            if let Some(due) = self.due.remove(&(at, serial)) {
                self.happen(due);
            }
        }
        self.now = end;
    }

    /// Runs until nothing is due any more and gives everything that is wrong.
    pub fn run(&mut self) -> Vec<Finding> {
        let mut events = 0;
        while let Some(((at, _), due)) = self.due.pop_first() {
            events += 1;
            if at > Instant::ZERO + TIME_MAX || events > EVENTS_MAX {
                let what = format!("never quiet: {due:?} after {events} events");
                self.findings.push(Finding::new("quiet", None, at, what));
                break;
            }
            self.now = at;
            self.happen(due);
        }
        self.happen(Due::Expire);
        let mut findings = core::mem::take(&mut self.findings);
        for phone in &mut self.phones {
            findings.extend(phone.take_accusations());
        }
        findings.extend(check::check(self));
        findings
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Arrival(place) => self.arrive(place),
            Due::Unreachable(who, sender) => self.unreachable(who, sender),
            Due::ProxyWake(index, slot) => {
                if self.armed.remove(&(index, 0, slot, self.now)) && !self.swallows_of_proxy(index)
                {
                    self.turn_proxy(index, proxy::Event::Wake(slot));
                }
            }
            Due::NodeWake(index, wake) => {
                let (kind, slot) = key_of(wake);
                if self.armed.remove(&(index, kind, slot, self.now)) && !self.swallows(index, wake)
                {
                    self.turn_node(index, node::Event::Wake(wake));
                }
            }
            Due::Phone(index) => {
                self.phones_armed.remove(&(index, self.now));
                let now = self.now;
                self.with_phone(index, |phone| phone.on_time(now));
            }
            Due::Share(index, entry) => self.turn_proxy(index, proxy::Event::Binding(*entry)),
            Due::NodeState(proxy, node) => {
                let address = self.nodes.get(node).map(|node| node.address);
                let alive = address.filter(|address| !self.dead.contains_key(address));
                if let Some(id) = cluster::node_id(node) {
                    self.turn_proxy(proxy, proxy::Event::Node(id, alive));
                }
            }
            Due::ProxyState(node, proxy) => {
                if let Some(address) = self.proxies.get(proxy).map(|proxy| proxy.address) {
                    let alive = !self.dead.contains_key(&address);
                    self.told.insert((node, proxy), alive);
                    self.turn_node(node, node::Event::Proxy(address, alive));
                }
            }
            Due::Kill(victim) => self.kill(victim),
            Due::Dial(index) => self.dial(index),
            Due::Register(index, register) => {
                let (now, until) = (self.now, self.registered_until());
                self.with_phone(index, |phone| phone.register(now, register, until));
            }
            Due::Expire => {
                for index in 0..self.proxies.len() {
                    self.turn_proxy(index, proxy::Event::Expire);
                }
            }
        }
    }

    /// Phones stay registered while calls are made.
    fn registered_until(&self) -> Instant {
        let last = self.setup.plans.iter().map(|plan| plan.at).max().unwrap_or_default();
        last + Duration::from_secs(60)
    }

    fn dial(&mut self, index: usize) {
        let Some(plan) = self.setup.plans.get(index).cloned() else { return };
        let now = self.now;
        self.with_phone(plan.caller, |phone| phone.dial(now, &plan));
    }

    /// An application dies; the Service Checkers of the others notice within one
    /// to two seconds.
    fn kill(&mut self, victim: SocketAddr) {
        self.dead.insert(victim, self.now);
        for (proxy, node) in self.pairs() {
            let after = Duration::from_millis(1_000 + self.random.below(1_000));
            if self.nodes.get(node).is_some_and(|node| node.address == victim) {
                self.after(after, Due::NodeState(proxy, node));
            }
            if self.proxies.get(proxy).is_some_and(|proxy| proxy.address == victim) {
                self.after(after, Due::ProxyState(node, proxy));
            }
        }
    }

    fn pairs(&self) -> Vec<(usize, usize)> {
        let nodes = self.nodes.len();
        (0..self.proxies.len())
            .flat_map(|proxy| (0..nodes).map(move |node| (proxy, node)))
            .collect()
    }

    fn is_dead(&self, address: SocketAddr) -> bool {
        self.dead.contains_key(&address)
    }

    /// Puts a message on the wire.
    fn send(
        &mut self,
        from: SocketAddr,
        (to, protocol): (SocketAddr, Protocol),
        bytes: Bytes,
        sender: Option<Sender>,
    ) {
        let message = scan(bytes.to_vec()).ok();
        let place = self.trace.packets.len();
        let at = self.now;
        self.trace.packets.push(Sent {
            at,
            from,
            to,
            protocol,
            message,
            bytes,
            arrivals: Vec::new(),
            fault: None,
        });
        let refused = self.is_dead(to) && (self.setup.refuses || protocol.is_reliable());
        if let (true, Some(sender)) = (refused, sender) {
            self.after(Duration::from_millis(1), Due::Unreachable(from, sender));
            return;
        }
        let fate = self.network.fate(self.now, from, to, protocol);
        if let Some(sent) = self.trace.packets.get_mut(place) {
            sent.fault = fate.fault;
        }
        for arrival in fate.arrivals {
            self.at(arrival, Due::Arrival(place));
        }
    }

    fn arrive(&mut self, place: usize) {
        let now = self.now;
        let Some(sent) = self.trace.packets.get(place) else { return };
        let (from, to, protocol) = (sent.from, sent.to, sent.protocol);
        if self.dead.contains_key(&to) {
            return;
        }
        let Some(message) = sent.message.clone() else { return };
        if let Some(sent) = self.trace.packets.get_mut(place) {
            sent.arrivals.push(now);
        }
        let connection = ConnectionId(u64::from(protocol.is_reliable()));
        let flow = Flow { protocol, local: to, remote: from, connection };
        if let Some(index) = self.proxies.iter().position(|proxy| proxy.address == to) {
            self.turn_proxy(index, proxy::Event::Packet(Packet { flow, message }));
        } else if let Some(index) = self.nodes.iter().position(|node| node.address == to) {
            self.turn_node(index, node::Event::Packet(Packet { flow, message }));
        } else if let Some(index) = self.phones.iter().position(|phone| phone.address() == to) {
            self.with_phone(index, |phone| phone.on_packet(now, &message, from, protocol));
        } else {
            let what = format!("a packet to nobody at {to}");
            self.findings.push(Finding::new("address", call_of(&message), now, what));
        }
    }

    fn unreachable(&mut self, who: SocketAddr, sender: Sender) {
        if let Some(index) = self.proxies.iter().position(|proxy| proxy.address == who) {
            self.turn_proxy(index, proxy::Event::SendFailed(sender));
        } else if let Some(index) = self.nodes.iter().position(|node| node.address == who) {
            self.turn_node(index, node::Event::SendFailed(sender));
        }
    }

    fn turn_proxy(&mut self, index: usize, event: proxy::Event) {
        let now = self.now;
        let mut out = Outbox::new(OUTBOX_LEN_MAX);
        let Some(found) = self.proxies.get_mut(index) else { return };
        let address = found.address;
        if self.dead.contains_key(&address) {
            return;
        }
        let mut call = None;
        if let proxy::Event::Packet(packet) = &event {
            call = call_of(&packet.message);
        }
        let mut actions = Vec::new();
        if let Some(mut small) = small_outbox(&mut self.random, self.setup.breaks) {
            let mut cx = proxy::Cx { now, ids: &mut found.ids, out: &mut small };
            let result = caught(|| found.core.on(event, &mut cx));
            actions.extend(small.drain());
            if result.is_err() {
                self.broken += 1;
                self.broken_calls.extend(call);
                found.core.on_panic(&mut proxy::Cx { now, ids: &mut found.ids, out: &mut out });
            }
        } else {
            found.core.on(event, &mut proxy::Cx { now, ids: &mut found.ids, out: &mut out });
        }
        actions.extend(out.drain());
        for action in actions {
            match action {
                proxy::Action::Send(outbound) => self.send_outbound(address, outbound),
                proxy::Action::Arm(slot, at) => {
                    if self.armed.insert((index, 0, slot, at.max(now))) {
                        self.at(at, Due::ProxyWake(index, slot));
                    }
                }
                proxy::Action::Share(entry) => self.share(index, &entry),
                proxy::Action::Suspect(id) => {
                    let node =
                        (0..self.nodes.len()).find(|&node| cluster::node_id(node) == Some(id));
                    if let Some(node) = node {
                        self.after(Duration::from_millis(100), Due::NodeState(index, node));
                    }
                }
                proxy::Action::Count(_) => {}
            }
        }
    }

    /// The link between proxies is a stream: late at times, never lost.
    fn share(&mut self, from: usize, entry: &Entry) {
        for index in (0..self.proxies.len()).filter(|&index| index != from) {
            let after = Duration::from_millis(1 + self.random.below(20));
            self.after(after, Due::Share(index, Box::new(entry.clone())));
        }
    }

    fn turn_node(&mut self, index: usize, event: node::Event) {
        let (now, wall, dns) = (self.now, self.wall(), &cluster::unknown);
        let mut out = Outbox::new(OUTBOX_LEN_MAX);
        let Some(found) = self.nodes.get_mut(index) else { return };
        let address = found.address;
        if self.dead.contains_key(&address) {
            return;
        }
        let mut call = None;
        if let node::Event::Packet(packet) = &event {
            call = call_of(&packet.message);
        }
        let mut actions = Vec::new();
        if let Some(mut small) = small_outbox(&mut self.random, self.setup.breaks) {
            let mut cx = node::Cx { now, wall, ids: &mut found.ids, out: &mut small, dns };
            let result = caught(|| found.core.on(event, &mut cx));
            actions.extend(small.drain());
            if result.is_err() {
                self.broken += 1;
                self.broken_calls.extend(call);
                let mut cx = node::Cx { now, wall, ids: &mut found.ids, out: &mut out, dns };
                found.core.on_panic(&mut cx);
            }
        } else {
            found
                .core
                .on(event, &mut node::Cx { now, wall, ids: &mut found.ids, out: &mut out, dns });
        }
        actions.extend(out.drain());
        for action in actions {
            match action {
                node::Action::Send(outbound) => self.send_outbound(address, outbound),
                node::Action::Arm(wake, at) => {
                    let (kind, slot) = key_of(wake);
                    if self.armed.insert((index, kind, slot, at.max(now))) {
                        self.wake_node(index, wake, at);
                    }
                }
                node::Action::Record(record) => {
                    let count = self.meddler.as_mut().map_or(1, |bug| bug.records(address));
                    let settled = Settled { node: index, uuid: record.uuid };
                    self.settled.extend(core::iter::repeat_n(settled, count));
                }
                node::Action::Suspect(address) => {
                    let proxy = self.proxies.iter().position(|proxy| proxy.address == address);
                    if let Some(proxy) = proxy {
                        self.after(Duration::from_millis(100), Due::ProxyState(index, proxy));
                    }
                }
                node::Action::Count(_) | node::Action::Phone(_) | node::Action::Fact(_) => {}
            }
        }
        self.maybe_replace(index);
    }

    fn send_outbound(&mut self, from: SocketAddr, outbound: Outbound) {
        let to = match outbound.to {
            Destination::Flow(flow) => (flow.remote, flow.protocol),
            Destination::Address { protocol, remote } => (remote, protocol),
            Destination::Host { host, .. } => {
                let what =
                    format!("a packet to the host {host}, and every host here is an address");
                self.findings.push(Finding::new("address", None, self.now, what));
                return;
            }
        };
        let Some(meddler) = &mut self.meddler else {
            return self.send(from, to, outbound.bytes, outbound.sender);
        };
        for packet in meddler.packets(from, Meddled { to, bytes: outbound.bytes }) {
            self.send(from, packet.to, packet.bytes, outbound.sender);
        }
    }

    /// Whether the planted bug takes a wake of a node away.
    fn swallows(&mut self, node: usize, wake: node::Wake) -> bool {
        let address = self.nodes.get(node).map(|node| node.address);
        let meddler = self.meddler.as_mut().zip(address);
        meddler.is_some_and(|(meddler, address)| meddler.swallows(address, wake))
    }

    /// Whether the planted bug takes a wake of a proxy away.
    fn swallows_of_proxy(&mut self, proxy: usize) -> bool {
        let address = self.proxies.get(proxy).map(|proxy| proxy.address);
        let meddler = self.meddler.as_mut().zip(address);
        meddler.is_some_and(|(meddler, address)| meddler.swallows_of_proxy(address))
    }

    fn with_phone(&mut self, index: usize, turn: impl FnOnce(&mut Phone)) {
        let Some(phone) = self.phones.get_mut(index) else { return };
        turn(phone);
        let (address, out, next) = (phone.address(), phone.take_out(), phone.next_deadline());
        for packet in out {
            self.send(address, (packet.to, packet.protocol), packet.bytes, None);
        }
        if let Some(at) = next
            && self.phones_armed.insert((index, at))
        {
            self.at(at, Due::Phone(index));
        }
    }

    /// The packets so far.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// What parties are called.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// How the world was made.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Who died, and when.
    #[must_use]
    pub fn dead(&self) -> &BTreeMap<SocketAddr, Instant> {
        &self.dead
    }

    /// The phones, the trunk last.
    #[must_use]
    pub fn phones(&self) -> &[Phone] {
        &self.phones
    }

    /// Records that nodes gave out.
    #[must_use]
    pub fn settled(&self) -> &[Settled] {
        &self.settled
    }

    /// The proxies.
    #[must_use]
    pub fn proxies(&self) -> &[Application<proxy::Core>] {
        &self.proxies
    }

    /// The nodes.
    #[must_use]
    pub fn nodes(&self) -> &[Application<node::Core>] {
        &self.nodes
    }

    /// What the caller of a call heard.
    #[must_use]
    pub fn outcome(&self, call: u32) -> Option<Outcome> {
        self.phones.iter().find_map(|phone| phone.outcomes().get(&call).copied())
    }

    /// The packets of a call as `from > to METHOD`, in order.
    #[must_use]
    pub fn steps(&self, call: u32) -> Vec<String> {
        self.trace.of_call(call).map(|sent| ladder::step(&self.names, sent)).collect()
    }

    /// The ladder of a call.
    #[must_use]
    pub fn ladder(&self, call: u32) -> String {
        ladder::of_call(&self.trace, &self.names, call)
    }
}

pub(super) fn key_of(wake: node::Wake) -> (u8, Slot) {
    match wake {
        node::Wake::Stack(user_agent::Wake::Leg(slot)) => (1, slot),
        node::Wake::Stack(user_agent::Wake::Client(slot)) => (2, slot),
        node::Wake::Stack(user_agent::Wake::Server(slot)) => (3, slot),
        node::Wake::NoAnswer(slot) => (4, slot),
    }
}

/// Now and then an outbox that is too small for what a turn wants, so that the turn
/// panics at any of its actions.
fn small_outbox<A>(random: &mut Ids, breaks: u64) -> Option<Outbox<A>> {
    if breaks == 0 || random.below(breaks) > 0 {
        return None;
    }
    usize::try_from(random.below(6)).ok().map(Outbox::new)
}
