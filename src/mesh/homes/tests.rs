//! What a proxy does about nodes that die, start anew, or seem to have died.

use super::*;
use crate::base::contact::{Bound, ContactBlock, Parts};
use crate::base::flow::{ConnectionId, Flow, Protocol};
use crate::base::outbox::Outbox;
use crate::mesh::registrations::{
    ACTIONS_PER_EVENT_LEN_MAX, Event as RegistrationsEvent, Options, Registration,
};
use std::collections::BTreeSet;

const PROXY: u16 = 100;

fn id(number: u16) -> NodeId {
    NodeId::new(number).expect("in range")
}

fn settings() -> Settings {
    let node = |number: u16| Node {
        id: id(number),
        address: SocketAddr::from(([127, 0, 0, 1], 7000 + number)),
        is_local: number < 10,
        has_standby: number == 4,
    };
    Settings {
        node: id(PROXY),
        name: "SIPProxy_1".into(),
        epoch: 9,
        rehoming: Duration::from_secs(2),
        nodes: [1, 2, 3, 4, 11].map(node).into(),
    }
}

struct World {
    homes: Homes,
    registrations: Registrations,
    now: Instant,
    next_link: u64,
    links: BTreeMap<LinkId, NodeId>,
    /// Nodes that cannot be reached, and whether they say so.
    dead: BTreeMap<NodeId, bool>,
    /// Nodes that close what they have taken at once.
    refusing: BTreeSet<NodeId>,
    dials: usize,
    epochs: BTreeMap<NodeId, u32>,
    /// DNs that each node was told of.
    told: BTreeMap<NodeId, BTreeSet<String>>,
    moved: Vec<(u16, usize, bool)>,
    closed: Vec<&'static str>,
    pings: usize,
    is_full: bool,
    /// The most phones that one event has told of.
    most: usize,
}

impl World {
    /// `phones` of each of the nodes 1, 2 and 11.
    fn new(phones: usize) -> Self {
        let options = Options {
            node: id(PROXY),
            name: "SIPProxy_1".into(),
            epoch: 1,
            peers: vec![],
            started: Instant::ZERO,
        };
        let mut registrations = Registrations::new(options);
        let mut out = Outbox::new(ACTIONS_PER_EVENT_LEN_MAX);
        for number in 0..phones {
            for node in [1, 2, 11] {
                let event = RegistrationsEvent::LocalChange(registration(node, number));
                registrations.on(event, Instant::ZERO, &mut out);
                out.drain();
            }
        }
        let mut world = Self {
            homes: Homes::new(settings()),
            registrations,
            now: Instant::ZERO + Duration::from_secs(10),
            next_link: 1,
            links: BTreeMap::new(),
            dead: BTreeMap::new(),
            refusing: BTreeSet::new(),
            dials: 0,
            epochs: BTreeMap::new(),
            told: BTreeMap::new(),
            moved: Vec::new(),
            closed: Vec::new(),
            pings: 0,
            is_full: false,
            most: 0,
        };
        for node in settings().nodes {
            world.epochs.insert(node.id, 1);
            world.on(Event::InService(node.id, true));
        }
        world.pass(2_000);
        world
    }

    fn on(&mut self, event: Event) {
        let mut out = Vec::new();
        let is_full = self.is_full;
        self.homes.on(event, self.now, &self.registrations, &|_| !is_full, &mut out);
        let phones = out.iter().filter(|action| matches!(action, Action::Send(..))).count();
        self.most = self.most.max(phones);
        for action in out {
            self.act(action);
        }
    }

    fn dial(&mut self, node: NodeId) {
        let link = LinkId(self.next_link);
        self.next_link += 1;
        self.dials += 1;
        if self.refusing.contains(&node) {
            self.on(Event::Dialled(node, Some(link), false));
            self.links.insert(link, node);
            self.on(Event::Up(link));
            return self.on(Event::Down(link, false));
        }
        match self.dead.get(&node) {
            Some(true) => self.on(Event::Dialled(node, None, true)),
            Some(false) => self.on(Event::Dialled(node, Some(link), false)),
            None => {
                self.links.insert(link, node);
                self.on(Event::Dialled(node, Some(link), false));
                self.on(Event::Up(link));
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Dial(node, _) => self.dial(node),
            Action::Send(link, payload) => {
                let node = self.links[&link];
                match wire::decode(payload).expect("a frame").expect("known") {
                    Body::NodeHello(hello) => {
                        assert_eq!((hello.node_id, hello.epoch), (u32::from(PROXY), 9));
                        if self.refusing.contains(&node) {
                            self.links.remove(&link);
                            return;
                        }
                        self.greet(link, node);
                    }
                    Body::PhoneRegistered(phone) => {
                        assert!(phone.known_before && phone.contacts[0].seconds > 0);
                        self.told.entry(node).or_default().insert(phone.dn);
                    }
                    Body::Ping(_) => self.pings += 1,
                    other @ (Body::Hello(_)
                    | Body::Resume(_)
                    | Body::Live(_)
                    | Body::Snapshot(_)
                    | Body::Ack(_)
                    | Body::Digest(_)
                    | Body::Repair(_)
                    | Body::Pong(_)
                    | Body::FileHeader(_)
                    | Body::FileChunk(_)
                    | Body::Owned(_)
                    | Body::Agents(_)
                    | Body::Attach(_)
                    | Body::Attached(_)
                    | Body::Forwarded(_)
                    | Body::Bounced(_)
                    | Body::Told(_)
                    | Body::ClientGone(_)
                    | Body::HandOver(_)
                    | Body::CallFact(_)
                    | Body::LiveCalls(_)
                    | Body::LiveClients(_)
                    | Body::Bulk(_)
                    | Body::Supervisors(_)
                    | Body::Standings(_)
                    | Body::CallOrder(_)) => panic!("{other:?}"),
                }
            }
            Action::Close(link, reason) => {
                self.links.remove(&link);
                self.closed.push(reason);
            }
            Action::Moved { node, count, is_dead } => {
                self.moved.push((node.get(), count, is_dead));
            }
        }
    }

    fn greet(&mut self, link: LinkId, node: NodeId) {
        let hello = proto::NodeHello {
            protocol: PROTOCOL_VERSION,
            node_id: u32::from(node.get()),
            name: "SIPS".to_owned(),
            epoch: self.epochs[&node],
        };
        self.on(Event::Frame(link, wire::encode(Body::NodeHello(hello))));
    }

    /// All nodes that are there answer pings as time goes on.
    fn pass(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        while self.now < until {
            self.now = self.now + Duration::from_millis(100);
            let alive: Vec<LinkId> = self
                .links
                .iter()
                .filter(|(_, node)| !self.dead.contains_key(node))
                .map(|(link, _)| *link)
                .collect();
            for link in alive {
                let pong = wire::encode(Body::Pong(proto::Pong::default()));
                self.on(Event::Frame(link, pong));
            }
            self.on(Event::Timer);
            for _ in 0..1_000 {
                if self.homes.has_work(self.now) {
                    self.on(Event::Timer);
                }
            }
            assert!(!self.homes.has_work(self.now), "it would not sleep");
        }
    }

    fn link_of(&self, number: u16) -> LinkId {
        let found = self.links.iter().find(|(_, node)| **node == id(number));
        *found.expect("a link").0
    }

    /// Its process is gone: connections are closed, and nobody listens.
    fn die(&mut self, number: u16) {
        self.dead.insert(id(number), true);
        let link = self.link_of(number);
        self.links.remove(&link);
        self.on(Event::Down(link, false));
    }

    fn again(&mut self, number: u16) {
        self.dead.remove(&id(number));
        *self.epochs.get_mut(&id(number)).expect("known") += 1;
    }

    fn take_told(&mut self) -> BTreeMap<u16, usize> {
        let told = core::mem::take(&mut self.told);
        told.into_iter().map(|(node, dns)| (node.get(), dns.len())).collect()
    }
}

fn registration(node: u16, number: usize) -> Registration {
    let aor = format!("{node}-{number}");
    let uri = format!("sip:{aor}@10.0.0.1:5060");
    let address = "10.0.0.1:5060".parse().expect("an address");
    let source = Flow {
        protocol: Protocol::Udp,
        local: address,
        remote: address,
        connection: ConnectionId::default(),
    };
    let bound = Some(Bound { uri: &uri, params: "", q: 1_000, node: id(node), source });
    let parts = Parts { aor: &aor, key: &uri, call_id: "c", bound };
    Registration {
        contact: ContactBlock::new(&parts),
        cseq: 1,
        proxy: id(PROXY),
        version: 0,
        expires: Instant::ZERO + Duration::from_secs(3_600),
    }
}

#[test]
fn a_node_is_told_of_its_phones_when_it_has_started() {
    let mut world = World::new(300);
    assert_eq!(world.take_told(), [(1, 300), (2, 300), (11, 300)].into());
    assert!(world.most <= PHONES_PER_TURN_MAX + 1, "{}", world.most);
    world.pass(60_000);
    assert!(world.take_told().is_empty(), "once");
    // A connection that broke is no new start.
    let link = world.link_of(1);
    world.links.remove(&link);
    world.on(Event::Down(link, false));
    world.pass(3_000);
    assert!(world.take_told().is_empty() && world.links.len() == 5);
}

#[test]
fn a_dead_nodes_phones_go_to_the_others_of_the_data_centre_evenly() {
    let mut world = World::new(1_000);
    world.take_told();
    world.die(1);
    world.on(Event::InService(id(1), false));
    world.pass(1_500);
    assert!(world.take_told().is_empty(), "it may be back soon");
    world.pass(2_000);
    let told = world.take_told();
    assert_eq!(told.values().sum::<usize>(), 1_000, "{told:?}");
    assert_eq!(told.keys().copied().collect::<Vec<_>>(), [2, 3, 4], "not those of elsewhere");
    assert!(told.values().all(|count| (250..420).contains(count)), "{told:?}");
    assert_eq!(world.moved.last(), Some(&(1, 1_000, true)));
    world.pass(60_000);
    assert_eq!(world.moved.iter().filter(|moved| moved.2).count(), TRIES.len(), "not for ever");
    world.take_told();
    world.again(1);
    world.pass(10_000);
    assert_eq!(world.take_told(), [(1, 1_000)].into(), "what nobody has taken");
    // Those who have its phones now are told of them too, as long as it has not registered
    // them itself.
    world.die(2);
    world.pass(4_000);
    assert_eq!(world.take_told().values().sum::<usize>(), 2_000);
}

#[test]
fn a_link_that_breaks_before_all_is_told_is_told_again() {
    let mut world = World::new(300);
    world.take_told();
    world.die(1);
    world.pass(500);
    world.again(1);
    world.pass(700);
    let link = world.link_of(1);
    world.links.remove(&link);
    world.on(Event::Down(link, false));
    world.pass(3_000);
    assert_eq!(world.take_told(), [(1, 300)].into());
}

#[test]
fn a_node_that_was_never_there_is_dead_after_a_while() {
    let mut world = World::new(0);
    world.homes = Homes::new(settings());
    world.links.clear();
    let mut out = Outbox::new(ACTIONS_PER_EVENT_LEN_MAX);
    for number in 0..10 {
        let event = RegistrationsEvent::LocalChange(registration(1, number));
        world.registrations.on(event, Instant::ZERO, &mut out);
        out.drain();
    }
    world.dead.insert(id(1), true);
    world.pass(COLD_START_TIME.as_millis() as u64 - 2_000);
    assert!(world.take_told().is_empty());
    world.pass(5_000);
    assert_eq!(world.take_told().values().sum::<usize>(), 10);
}

#[test]
fn a_node_that_is_back_in_time_gets_its_phones_again() {
    let mut world = World::new(10);
    world.take_told();
    world.die(2);
    world.pass(1_000);
    world.again(2);
    world.pass(5_000);
    assert_eq!(world.take_told(), [(2, 10)].into());
    assert_eq!(world.moved.last(), Some(&(2, 10, false)));
}

#[test]
fn who_only_seems_to_be_dead_keeps_its_phones() {
    // Not reachable at its cluster port, without saying so; OPTIONS are answered.
    let mut world = World::new(10);
    world.take_told();
    world.dead.insert(id(1), false);
    world.pass(5_000);
    assert_eq!(world.closed, Vec::<&str>::new());
    world.pass(2_000);
    assert_eq!(world.closed, ["silent"]);
    world.pass(30_000);
    assert!(world.take_told().is_empty(), "it answers OPTIONS");
    world.on(Event::InService(id(1), false));
    world.pass(1_000);
    assert_eq!(world.take_told().values().sum::<usize>(), 10);
}

#[test]
fn nobody_takes_the_phones_of_a_pair_or_of_another_data_centre() {
    let mut world = World::new(10);
    world.take_told();
    for number in [4, 11] {
        world.die(number);
        world.on(Event::InService(id(number), false));
    }
    world.pass(60_000);
    assert!(world.take_told().is_empty());
    let mut waits = World::new(10);
    waits.take_told();
    waits.on(Event::Settings(Settings { rehoming: Duration::ZERO, ..settings() }));
    waits.die(1);
    waits.pass(60_000);
    assert!(waits.take_told().is_empty(), "by option");
}

/// A node of another data centre starts anew after one of this has died: it is told of its own
/// phones, or it would take others when their owner is lost a moment later.
#[test]
fn who_starts_anew_elsewhere_gets_no_phones_of_this_data_centre() {
    let mut world = World::new(10);
    world.die(1);
    world.on(Event::InService(id(1), false));
    world.pass(4_000);
    world.again(1);
    world.pass(4_000);
    world.take_told();
    world.die(11);
    world.pass(1_000);
    world.again(11);
    world.pass(4_000);
    assert_eq!(world.take_told(), [(11, 10)].into());
}

#[test]
fn phones_wait_until_somebody_takes_them() {
    let mut world = World::new(10);
    world.take_told();
    for number in [1, 2, 3, 4] {
        world.die(number);
    }
    world.pass(30_000);
    assert!(world.take_told().is_empty());
    world.again(3);
    world.pass(5_000);
    assert_eq!(world.take_told(), [(3, 20)].into());
    world.is_full = true;
    world.die(3);
    world.again(2);
    world.pass(5_000);
    assert!(world.take_told().is_empty(), "nothing of node 3 was registered");
}

#[test]
fn who_refuses_a_connection_that_was_made_is_not_dialled_without_a_pause() {
    let mut world = World::new(1);
    world.refusing.insert(id(1));
    let link = world.link_of(1);
    world.links.remove(&link);
    let before = world.dials;
    world.on(Event::Down(link, false));
    world.pass(5_000);
    let dials = world.dials - before;
    assert!((8..=11).contains(&dials), "{dials} in five seconds");
    world.refusing.clear();
    world.pass(1_000);
    world.link_of(1);
}

#[test]
fn a_full_connection_takes_no_more_until_it_has_room() {
    let mut world = World::new(300);
    world.take_told();
    world.is_full = true;
    world.die(1);
    world.pass(10_000);
    assert!(world.take_told().is_empty());
    world.is_full = false;
    world.pass(1_000);
    assert_eq!(world.take_told().values().sum::<usize>(), 300);
}

#[test]
fn what_a_node_says_is_looked_at() {
    for (frame, reason) in [
        (Bytes::from_static(b"\xff\xff"), "a frame cannot be decoded"),
        (wire::encode(Body::Pong(proto::Pong::default())), "the first frame is no NodeHello"),
        (hello(1, 7), "another version of the protocol"),
        (hello(2, 1), "another node than was dialled"),
    ] {
        let mut world = World::new(1);
        let link = LinkId(77);
        world.die(1);
        world.on(Event::Dialled(id(1), Some(link), false));
        world.links.insert(link, id(1));
        world.on(Event::Frame(link, frame));
        assert_eq!(world.closed, [reason]);
    }
    let mut world = World::new(1);
    let link = world.link_of(1);
    world.on(Event::Frame(link, Bytes::from_static(b"\xa2\x06\x01x")));
    world.on(Event::Frame(LinkId(999), Bytes::from_static(b"\xff\xff")));
    assert!(world.closed.is_empty(), "a later release, and what was closed");
    let mut moved = settings();
    moved.nodes[0].address.set_port(9);
    world.on(Event::Settings(moved));
    assert_eq!(world.closed, ["at another address now"]);
    world.pass(1_000);
    world.on(Event::Settings(Settings { nodes: vec![], ..settings() }));
    assert_eq!(world.closed.len(), 6, "not configured any more");
}

fn hello(node_id: u32, protocol: u32) -> Bytes {
    let name = "x".to_owned();
    wire::encode(Body::NodeHello(proto::NodeHello { protocol, node_id, name, epoch: 1 }))
}
