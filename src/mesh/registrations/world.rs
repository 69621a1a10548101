//! Proxies and the connections between them, stepped by hand: frames wait in
//! queues until they are delivered, connections break with what is in them.

use super::*;
use crate::base::contact::{Bound, ContactBlock, Parts};
use crate::base::flow::{ConnectionId, Flow, Protocol};
use core::net::{Ipv4Addr, SocketAddr};
use std::collections::VecDeque;

/// Sizes small enough that every bound is met.
pub(super) const SMALL: Bounds = Bounds {
    log_entries_max: 6,
    entries_in_flight_max: 4,
    entries_per_frame_max: 2,
    entries_per_ack: 2,
    parts_in_flight_max: 2,
};

/// What a view holds of a contact: Call-ID, CSeq, proxy.
pub(super) type Held = (String, u32, NodeId);
/// Live contacts by address-of-record and contact.
pub(super) type View = BTreeMap<(String, String), Held>;

#[derive(Debug)]
enum Item {
    Frame(Bytes),
    Close,
}

#[derive(Debug)]
struct Wire {
    ends: [usize; 2],
    /// Which end still has the connection.
    open: [bool; 2],
    /// Towards each end.
    queues: [VecDeque<Item>; 2],
}

pub(super) struct Proxy {
    pub(super) machine: Registrations,
    /// What the proxy's registrar holds: local changes and what was applied.
    registrar: BTreeMap<(String, String), Registration>,
    armed: Instant,
    epoch: u64,
    pub(super) closed: Vec<CloseReason>,
}

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) proxies: Vec<Proxy>,
    wires: BTreeMap<LinkId, Wire>,
    bounds: Bounds,
    links: u64,
}

pub(super) fn node(index: usize) -> NodeId {
    u16::try_from(101 + index).ok().and_then(NodeId::new).expect("in range")
}

/// An entry as the registrar of a proxy makes it.
pub(super) fn entry(
    proxy: usize,
    aor: &str,
    contact: &str,
    call_id: &str,
    cseq: u32,
    expires: Instant,
) -> Registration {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 5060));
    let source = Flow {
        protocol: Protocol::Udp,
        local: address,
        remote: address,
        connection: ConnectionId::default(),
    };
    let bound = Some(Bound { uri: contact, params: "", q: 1000, node: node(0), source });
    let parts = Parts { aor, key: contact, call_id, bound };
    Registration {
        contact: ContactBlock::new(&parts),
        cseq,
        proxy: node(proxy),
        version: 0,
        expires,
    }
}

/// The removal of what an entry binds.
pub(super) fn removal(entry: Registration) -> Registration {
    let contact = ContactBlock::new(&Parts { bound: None, ..entry.contact.parts() });
    Registration { contact, ..entry }
}

fn key(entry: &Registration) -> (String, String) {
    (entry.contact.aor().to_owned(), entry.contact.key().to_owned())
}

fn live(entries: impl Iterator<Item = Registration>, now: Instant) -> View {
    let is_live = |entry: &Registration| entry.expires > now && entry.contact.bound().is_some();
    entries
        .filter(is_live)
        .map(|entry| {
            let held = (entry.contact.call_id().to_owned(), entry.cseq, entry.proxy);
            (key(&entry), held)
        })
        .collect()
}

impl World {
    pub(super) fn new(len: usize, bounds: Bounds) -> Self {
        let mut world = Self {
            now: Instant::ZERO,
            proxies: Vec::new(),
            wires: BTreeMap::new(),
            bounds,
            links: 0,
        };
        for index in 0..len {
            let proxy = world.start(index, len, 1);
            world.proxies.push(proxy);
        }
        world
    }

    fn start(&self, index: usize, len: usize, epoch: u64) -> Proxy {
        let options = Options {
            node: node(index),
            name: format!("SIPProxy_{index}").into(),
            epoch,
            peers: (0..len).map(node).collect(),
            started: self.now,
        };
        Proxy {
            machine: Registrations::with_bounds(options, self.bounds),
            registrar: BTreeMap::new(),
            armed: Instant::NEVER,
            epoch,
            closed: Vec::new(),
        }
    }

    /// A new life of a proxy, with its snapshot file or with nothing.
    pub(super) fn restart(&mut self, index: usize, with_file: bool) {
        let links: Vec<LinkId> = self.wires.keys().copied().collect();
        for link in links {
            if self.wires[&link].ends.contains(&index) {
                self.break_link(link);
            }
        }
        let wall = WallTime(1_000_000);
        let file = self.proxies[index].machine.snapshot_file(self.now, wall).concat();
        let epoch = self.proxies[index].epoch + 1;
        self.proxies[index] = self.start(index, self.proxies.len(), epoch);
        if with_file {
            for entry in read_snapshot_file(&file, self.now, wall).expect("whole") {
                self.event(index, Event::Restored(entry));
            }
        }
    }

    pub(super) fn event(&mut self, index: usize, event: Event) {
        let mut out = Outbox::new(ACTIONS_PER_EVENT_LEN_MAX);
        let proxy = &mut self.proxies[index];
        proxy.machine.on(event, self.now, &mut out);
        for action in out.drain() {
            match action {
                Action::Send { link, payload } => {
                    assert!(payload.len() <= FRAME_BYTES_MAX);
                    self.wires
                        .get_mut(&link)
                        .expect("a link of ours")
                        .send(index, Item::Frame(payload));
                }
                Action::Apply(entry) => {
                    proxy.registrar.insert(key(&entry), entry);
                }
                Action::CloseLink { link, reason } => {
                    proxy.closed.push(reason);
                    self.wires.get_mut(&link).expect("a link of ours").close(index);
                }
                Action::Arm(at) => proxy.armed = at,
            }
        }
    }

    pub(super) fn register(&mut self, index: usize, entry: Registration) {
        self.proxies[index].registrar.insert(key(&entry), entry.clone());
        self.event(index, Event::LocalChange(entry));
    }

    pub(super) fn dial(&mut self, from: usize, to: usize) -> LinkId {
        self.links += 1;
        let link = LinkId(self.links);
        let wire =
            Wire { ends: [from, to], open: [true; 2], queues: [VecDeque::new(), VecDeque::new()] };
        self.wires.insert(link, wire);
        self.event(to, Event::LinkUp { link, dialled: None });
        self.event(from, Event::LinkUp { link, dialled: Some(node(to)) });
        link
    }

    /// What a shell does: everyone dials whom it has no link with.
    pub(super) fn dial_missing(&mut self) {
        for from in 0..self.proxies.len() {
            for to in 0..self.proxies.len() {
                if self.proxies[from].machine.should_dial(node(to)) {
                    self.dial(from, to);
                }
            }
        }
    }

    /// Both ends lose a connection and what is under way on it.
    pub(super) fn break_link(&mut self, link: LinkId) {
        let Some(wire) = self.wires.remove(&link) else { return };
        for (end, open) in wire.ends.into_iter().zip(wire.open) {
            if open {
                self.event(end, Event::LinkDown { link });
            }
        }
    }

    pub(super) fn links(&self) -> Vec<LinkId> {
        self.wires.keys().copied().collect()
    }

    pub(super) fn link_between(&self, one: usize, other: usize) -> LinkId {
        let joins = |wire: &Wire| {
            wire.open == [true; 2] && wire.ends.contains(&one) && wire.ends.contains(&other)
        };
        let found = self.wires.iter().find(|(_, wire)| joins(wire)).map(|(link, _)| *link);
        found.expect("linked")
    }

    /// Delivers the next frame towards one end of a link; false if there is none.
    pub(super) fn deliver(&mut self, link: LinkId, towards: usize) -> bool {
        let Some(wire) = self.wires.get_mut(&link) else { return false };
        let Some(item) = wire.queues[towards].pop_front() else { return false };
        let (end, open) = (wire.ends[towards], wire.open[towards]);
        match item {
            Item::Frame(payload) if open => self.event(end, Event::Frame { link, payload }),
            Item::Close if open => {
                wire.open[towards] = false;
                self.event(end, Event::LinkDown { link });
            }
            Item::Frame(_) | Item::Close => {}
        }
        true
    }

    pub(super) fn deliver_all(&mut self) {
        let mut steps = 0;
        loop {
            let mut delivered = false;
            for link in self.links() {
                for towards in 0..2 {
                    delivered |= self.deliver(link, towards);
                }
            }
            steps += 1;
            assert!(steps < 100_000, "frames without end");
            if !delivered {
                return;
            }
        }
    }

    /// Lets time pass and fires what is armed, without delivering anything.
    pub(super) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let first = (0..self.proxies.len())
                .min_by_key(|index| self.proxies[*index].armed)
                .expect("proxies");
            let armed = self.proxies[first].armed;
            if armed > end {
                break;
            }
            self.now = self.now.max(armed);
            self.proxies[first].armed = Instant::NEVER;
            self.event(first, Event::Timer);
        }
        self.now = end;
    }

    /// Lets time pass on working links.
    pub(super) fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.dial_missing();
            self.deliver_all();
            self.pass(Duration::from_secs(1));
            self.deliver_all();
        }
    }

    /// What one machine holds; its registrar must hold the same.
    pub(super) fn view(&self, index: usize) -> View {
        let proxy = &self.proxies[index];
        let view = live(proxy.machine.live(self.now), self.now);
        assert_eq!(view, live(proxy.registrar.values().cloned(), self.now), "registrar of {index}");
        view
    }

    pub(super) fn assert_equal(&self) -> View {
        let view = self.view(0);
        for index in 1..self.proxies.len() {
            assert_eq!(self.view(index), view, "proxy {index}");
        }
        view
    }

    /// Pairs of ends with an open connection, each counted.
    pub(super) fn open_links(&self) -> usize {
        self.wires.values().filter(|wire| wire.open == [true; 2]).count()
    }

    /// The dialler of the only link.
    pub(super) fn only_dialler(&self) -> usize {
        let open: Vec<usize> = self
            .wires
            .values()
            .filter(|wire| wire.open == [true; 2])
            .map(|wire| wire.ends[0])
            .collect();
        assert_eq!(open.len(), 1, "one link");
        open[0]
    }

    /// Frames under way towards an end, decoded.
    pub(super) fn under_way(&self, link: LinkId, towards: usize) -> Vec<Body> {
        let decoded = |item: &Item| match item {
            Item::Frame(payload) => wire::decode(payload.clone()).expect("ours"),
            Item::Close => None,
        };
        self.wires[&link].queues[towards].iter().filter_map(decoded).collect()
    }
}

impl Wire {
    fn send(&mut self, from: usize, item: Item) {
        let towards = usize::from(self.ends[0] == from);
        self.queues[towards].push_back(item);
    }

    fn close(&mut self, from: usize) {
        let end = usize::from(self.ends[0] != from);
        self.open[end] = false;
        self.send(from, Item::Close);
    }
}
