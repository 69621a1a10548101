//! Links to the other T-Controllers of the switch: who dials, who is there, and what
//! becomes of what lies behind a link that is lost.
//!
//! ```text
//!   smaller node-id                 greater node-id
//!     |------- connect, NodeHello ---->|
//!     |<------ NodeHello, Owned …, Agents
//!     |------- Owned …, Agents ------->|     all that each owns
//!     |<------ Attach ---------------->|     clients of what the other owns
//!     |<------ Attached -------------->|     how that is
//!     |           …                    |     changes; Ping in silence
//! ```
//!
//! A Smart Proxy is the other side of T-Controllers alone: it dials, owns nothing, and is not
//! looked for.
//!
//! Of T-Controllers the greater one dials as well while there is no link, and closes what it gets: where
//! nobody listens a node is dead and its calls are over, else only the link is lost.

use super::core::{Action, Client, Core, Cx, Look, Wake};
use super::operator::OPERATOR;
use super::settings::Peer;
use crate::base::frames;
use crate::base::id::{ConnId, NodeId};
use crate::base::limits::{LINK_HELLO_TIME, LINK_PROBE_TIME, LINK_SILENCE_MAX, LINK_TICK};
use crate::base::time::{Duration, Instant, WallTime};
use crate::cti::tlib::Cursor;
use crate::mesh::wire::{self, Body, proto};
use crate::modules::t_library::port::{ClientId, Heard, REFUSED};
use bytes::Bytes;
use core::net::SocketAddr;
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};

/// Version of what T-Controllers say to each other.
const PROTOCOL_VERSION: u32 = 1;
/// Looks at the links between two sums over owners.
const TICKS_PER_SUM: u64 = 3;
/// Sums running that may differ: something may be under way.
const SUM_DIFFERENCES_MAX: u8 = 2;
/// DNs of one frame.
pub(super) const PART_LEN: usize = 2_048;

/// A link over which both have said who they are.
#[derive(Clone, Debug)]
struct Link {
    id: ClientId,
    heard: Instant,
    is_pinged: bool,
    /// What the other has listed as its own, until the list is complete.
    listed: BTreeSet<usize>,
    /// Its calls that go on, until it has listed all of them.
    live: BTreeSet<ConnId>,
    /// How often running its sum over owners has differed.
    differences: u8,
    since: WallTime,
    /// What polls have measured.
    delays: Delays,
    /// When the next poll is due.
    poll_at: Instant,
    /// It hears of every DN that is owned here.
    is_bulk: bool,
}

impl Link {
    fn new(id: ClientId, cx: &Cx<'_>) -> Self {
        Self {
            id,
            heard: cx.now,
            is_pinged: false,
            listed: BTreeSet::new(),
            live: BTreeSet::new(),
            differences: 0,
            since: cx.wall,
            delays: Delays::default(),
            poll_at: Instant::ZERO,
            is_bulk: false,
        }
    }
}

/// How long messages take between two T-Controllers (guide, "Troubleshooting
/// T-Controllers communication issues").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delays {
    /// RTT: from a poll to its answer.
    pub round_trip: Option<Duration>,
    /// TXT: from the poll's way out to its arrival, in milliseconds, by two wall clocks:
    /// it can be negative where they differ.
    pub request_ms: Option<i64>,
    /// RXT: the same for the answer.
    pub response_ms: Option<i64>,
    /// LAST_TS: when the last answer came.
    pub last: Option<WallTime>,
}

/// A node of the switch as its T-Controller is seen from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkState {
    /// Its node-id.
    pub node: NodeId,
    /// Its cluster port.
    pub address: SocketAddr,
    /// Its data centre.
    pub geo_location: Box<str>,
    /// Start epoch of the last link; zero before the first one.
    pub epoch: u32,
    /// The connection and since when there is a link over it.
    pub link: Option<(ClientId, WallTime)>,
    /// Whether this side makes the connection.
    pub is_dialled: bool,
    /// What polls have measured over it.
    pub delays: Delays,
}

/// Another T-Controller.
#[derive(Clone, Debug)]
struct State {
    peer: Peer,
    link: Option<Link>,
    /// A connection that is being made, or on which it has not said who it is.
    dialled: Option<ClientId>,
    /// When it is dialled next.
    dial_at: Instant,
    /// Nobody listens there.
    is_dead: bool,
    /// Until when the link may come back before anybody hears that it was lost.
    lost_until: Option<Instant>,
    /// Start epoch of the last link.
    epoch: u32,
    /// The last event that was heard of it in that epoch.
    last_seq: u64,
}

/// A SIP Proxy, and when something was last heard of it.
type Since = (NodeId, Instant);

/// All others.
#[derive(Clone, Debug, Default)]
pub(super) struct Links {
    peers: BTreeMap<NodeId, State>,
    by_id: BTreeMap<ClientId, NodeId>,
    /// SIP Proxies, and when something was last heard of each.
    proxies: BTreeMap<ClientId, Since>,
    /// Connections of those who have not said who they are, since when.
    nameless: BTreeMap<ClientId, Instant>,
    pub(super) is_ticking: bool,
    ticks: u64,
    /// Those whose link is bulk.
    bulk: SmallVec<[NodeId; 4]>,
}

impl Links {
    fn note_bulk(&mut self) {
        let is_bulk = |state: &State| state.link.as_ref().is_some_and(|link| link.is_bulk);
        let bulk = self.peers.iter().filter(|(_, state)| is_bulk(state));
        self.bulk = bulk.map(|(node, _)| *node).collect();
    }
}

impl Core {
    /// Whether there is a link to a node.
    pub(super) fn is_linked(&self, node: NodeId) -> bool {
        self.links.peers.get(&node).is_some_and(|state| state.link.is_some())
    }

    /// Whether a lost link to a node may be back before anybody hears of it
    /// (`tc-reconnect-timeout`).
    pub(super) fn is_awaited(&self, node: NodeId) -> bool {
        self.links.peers.get(&node).is_some_and(|state| state.lost_until.is_some())
    }

    /// Start epoch of a node that there is a link to.
    pub(super) fn epoch_of(&self, node: NodeId) -> Option<u32> {
        self.links.peers.get(&node).filter(|state| state.link.is_some()).map(|state| state.epoch)
    }

    /// The data centre of a node.
    pub(super) fn location_of(&self, node: NodeId) -> Option<&str> {
        self.links.peers.get(&node).map(|state| &*state.peer.geo_location)
    }

    /// The other nodes of the configuration are these from now on.
    pub(super) fn know_peers(&mut self, cx: &mut Cx<'_>) {
        let settings = self.settings.clone();
        let gone = |node: &NodeId| settings.peers.iter().all(|peer| peer.node != *node);
        let gone: Vec<NodeId> = self.links.peers.keys().copied().filter(gone).collect();
        for node in gone {
            let dialled = self.links.peers.get(&node).and_then(|state| state.dialled);
            self.drop_link(node, "not configured any more", cx);
            self.give_up(node, cx);
            if let Some(id) = dialled {
                cx.out.push(Action::EndLink(id));
            }
            self.links.peers.remove(&node);
        }
        for peer in &settings.peers {
            let fresh = State {
                peer: peer.clone(),
                link: None,
                dialled: None,
                dial_at: Instant::ZERO,
                is_dead: false,
                lost_until: None,
                epoch: 0,
                last_seq: 0,
            };
            self.links.peers.entry(peer.node).or_insert(fresh).peer = peer.clone();
        }
        if !self.links.is_ticking && self.has_links() {
            self.tick_links(cx);
        }
    }

    /// Whether anybody is to be linked with.
    fn has_links(&self) -> bool {
        !self.links.peers.is_empty() || !self.settings.proxies.is_empty()
    }

    /// Twice a second: dials who is not there, and looks who is silent.
    pub(super) fn tick_links(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now;
        let (own, poll) = (self.settings.node, self.settings.latency_poll);
        let (mut silent, mut ping) = (Vec::new(), Vec::new());
        for (node, state) in &mut self.links.peers {
            let Some(link) = &mut state.link else {
                if node.is_smart_proxy() {
                    continue;
                }
                // The other side of one with a smaller node-id only looks whether anybody listens.
                if state.dialled.is_none() && state.dial_at <= now {
                    state.dial_at = if dials(own, *node) { now } else { now + LINK_PROBE_TIME };
                    cx.out.push(Action::Dial(*node, state.peer.address));
                }
                continue;
            };
            let is_polled = !poll.is_zero() && link.poll_at <= now;
            let (poll_time, silence_max) = self.settings.addp.times(dials(own, *node));
            if now.since(link.heard) >= silence_max {
                silent.push(*node);
            } else if is_polled || now.since(link.heard) >= poll_time && !link.is_pinged {
                link.is_pinged = true;
                link.poll_at = now + poll;
                ping.push(*node);
            }
        }
        for node in silent {
            self.drop_link(node, "silent", cx);
        }
        let is_late = |state: &State| state.lost_until.is_some_and(|until| until <= now);
        let late = self.links.peers.iter().filter(|(_, state)| is_late(state));
        let late: Vec<NodeId> = late.map(|(node, _)| *node).collect();
        for node in late {
            self.give_up(node, cx);
        }
        for node in ping {
            let ping = proto::Ping { token: now.0, sent_ms: cx.wall.0 };
            self.send_to(node, Body::Ping(ping), cx);
            self.trace_own_poll(node, "poll sent");
        }
        let late = |(_, since): &(&ClientId, &Instant)| now.since(**since) >= LINK_HELLO_TIME;
        let late: Vec<ClientId> =
            self.links.nameless.iter().filter(late).map(|(id, _)| *id).collect();
        for id in late {
            self.close_nameless(id, cx);
        }
        let is_silent = |(_, at): &Since| now.since(*at) >= LINK_SILENCE_MAX;
        for (id, _) in self.links.proxies.extract_if(.., |_, since| is_silent(since)) {
            cx.out.push(Action::EndLink(id));
        }
        self.leave_for_operators(cx);
        self.links.ticks += 1;
        if self.links.ticks.is_multiple_of(TICKS_PER_SUM) {
            self.send_all(Body::Digest(proto::Digest { buckets: vec![self.owners_sum] }), cx);
        }
        self.links.is_ticking = self.has_links();
        if self.links.is_ticking {
            cx.out.push(Action::Arm(Wake::Links, now + LINK_TICK));
        }
    }

    fn say_link(&self, node: NodeId, reason: &'static str, is_up: bool) {
        let (name, peer) = (&self.settings.name, node.application().get());
        let what = match (node.is_smart_proxy(), self.is_smart_proxy()) {
            (true, _) => "link to a Smart Proxy",
            (false, true) => "link of the Smart Proxy to a node",
            (false, false) => "link to a T-Controller",
        };
        if is_up {
            tracing::info!(node = %name, peer, "{what} is up");
        } else {
            tracing::info!(node = %name, peer, reason, "{what} is down");
        }
    }

    fn close_nameless(&mut self, id: ClientId, cx: &mut Cx<'_>) {
        self.links.nameless.remove(&id);
        for state in self.links.peers.values_mut() {
            if state.dialled == Some(id) {
                state.dialled = None;
            }
        }
        cx.out.push(Action::EndLink(id));
    }

    /// A connection to that node is being made, or cannot be.
    pub(super) fn on_dialled(
        &mut self,
        node: NodeId,
        id: Option<ClientId>,
        is_refused: bool,
        cx: &mut Cx<'_>,
    ) {
        if let Some(state) = self.links.peers.get_mut(&node) {
            state.dialled = id;
        }
        if is_refused {
            self.note_dead(node, cx);
        }
        if let Some(id) = id {
            self.links.nameless.insert(id, cx.now);
        }
    }

    /// Something was heard of a connection with another node.
    pub(super) fn on_link(&mut self, id: ClientId, heard: Heard, cx: &mut Cx<'_>) {
        match heard {
            Heard::Connected(_) => {
                self.links.nameless.insert(id, cx.now);
                let mut peers = self.links.peers.iter();
                match peers.find(|(_, state)| state.dialled == Some(id)).map(|(node, _)| *node) {
                    Some(node) if dials(self.settings.node, node) => {
                        cx.out.push(Action::SendLink(id, self.hello()));
                    }
                    // Somebody does: it will dial.
                    Some(_) => self.close_nameless(id, cx),
                    None => {}
                }
            }
            Heard::Frame(payload) => {
                if let Err(reason) = self.on_link_frame(id, payload, cx) {
                    tracing::warn!(node = %self.settings.name, peer = self.links.by_id.get(&id).map(|node| node.get()), reason, "link of a member closed");
                    self.links.proxies.remove(&id);
                    match self.links.by_id.get(&id).copied() {
                        Some(node) => self.drop_link(node, reason, cx),
                        None => self.close_nameless(id, cx),
                    }
                }
            }
            Heard::Gone(reason) => {
                self.links.nameless.remove(&id);
                self.links.proxies.remove(&id);
                let mut peers = self.links.peers.iter_mut();
                if let Some((node, state)) = peers.find(|(_, state)| state.dialled == Some(id)) {
                    state.dialled = None;
                    let node = *node;
                    if reason == REFUSED {
                        self.note_dead(node, cx);
                    }
                }
                if let Some(node) = self.links.by_id.get(&id).copied() {
                    self.link_down(node, reason, cx);
                }
            }
        }
    }

    /// Nobody listens at a node's cluster port: its process is gone, and its calls with it.
    fn note_dead(&mut self, node: NodeId, cx: &mut Cx<'_>) {
        let Some(state) = self.links.peers.get_mut(&node) else { return };
        if !core::mem::replace(&mut state.is_dead, true) {
            self.give_up(node, cx);
            self.end_calls_of(node);
        }
    }

    fn hello(&self) -> Bytes {
        framed(Body::NodeHello(proto::NodeHello {
            protocol: PROTOCOL_VERSION,
            node_id: u32::from(self.settings.node.get()),
            name: self.settings.name.clone(),
            epoch: self.epoch,
        }))
    }

    fn on_link_frame(
        &mut self,
        id: ClientId,
        payload: Bytes,
        cx: &mut Cx<'_>,
    ) -> Result<(), &'static str> {
        let body = wire::decode(payload).map_err(|_| "a frame cannot be decoded")?;
        if self.links.proxies.contains_key(&id) {
            return self.on_proxy_frame(id, body, cx);
        }
        let Some(from) = self.links.by_id.get(&id).copied() else {
            if !self.links.nameless.contains_key(&id) {
                // Under way when it was closed.
                return Ok(());
            }
            let Some(Body::NodeHello(hello)) = body else {
                return Err("the first frame is no NodeHello");
            };
            return self.on_hello(id, &hello, cx);
        };
        if let Some(link) = self.links.peers.get_mut(&from).and_then(|state| state.link.as_mut()) {
            link.heard = cx.now;
            link.is_pinged = false;
        }
        match body {
            // A kind of a later release, or nothing but a sign of life.
            None => {}
            Some(Body::Pong(pong)) => {
                self.on_pong(from, &pong, cx);
                self.trace_own_poll(from, "poll answered");
            }
            Some(Body::Ping(ping)) => {
                let (token, pinged_ms, sent_ms) = (ping.token, ping.sent_ms, cx.wall.0);
                let heard = proto::Pong { token, pinged_ms, sent_ms };
                self.send_to(from, Body::Pong(heard), cx);
                self.trace_poll(from);
            }
            Some(Body::Digest(sum)) => self.on_sum(from, sum.buckets.first().copied(), cx),
            Some(Body::Owned(owned)) => self.on_owned(from, &owned, cx),
            Some(Body::Agents(agents)) => self.on_agents(from, agents, cx),
            Some(Body::Attach(attach)) => self.on_attach(from, attach, cx),
            Some(Body::Attached(attached)) => self.on_attached(from, &attached, cx)?,
            Some(Body::Forwarded(forwarded)) => self.on_forwarded(from, forwarded, cx)?,
            Some(Body::Bounced(bounced)) => self.on_bounced(from, &bounced, cx),
            Some(Body::Told(told)) => self.on_told(from, &told, cx)?,
            Some(Body::ClientGone(gone)) => self.remote_gone(from, ClientId(gone.client)),
            Some(Body::PhoneRegistered(phone)) => self.on_remote_phone(from, phone, cx),
            Some(Body::HandOver(given)) => self.on_hand_over(from, given, cx),
            Some(Body::LiveCalls(live)) => self.on_live(from, live, cx),
            Some(Body::CallFact(fact)) => self.on_remote_fact(&fact, cx)?,
            Some(Body::LiveClients(live)) => self.on_live_clients(from, live),
            Some(Body::CallOrder(order)) => self.on_call_order(&order, cx),
            Some(Body::Supervisors(given)) => self.on_supervisors(from, given)?,
            Some(Body::Standings(given)) => self.on_standings(from, &given),
            Some(Body::Bulk(bulk)) => self.on_bulk(from, bulk.on),
            Some(
                Body::NodeHello(_)
                | Body::Hello(_)
                | Body::Resume(_)
                | Body::Live(_)
                | Body::Snapshot(_)
                | Body::Ack(_)
                | Body::Repair(_)
                | Body::FileHeader(_)
                | Body::FileChunk(_),
            ) => return Err("a frame that has no place here"),
        }
        Ok(())
    }

    /// A SIP Proxy tells of phones, and is otherwise silent.
    fn on_proxy_frame(
        &mut self,
        id: ClientId,
        body: Option<Body>,
        cx: &mut Cx<'_>,
    ) -> Result<(), &'static str> {
        if let Some((_, heard)) = self.links.proxies.get_mut(&id) {
            *heard = cx.now;
        }
        match body {
            None | Some(Body::Pong(_)) => Ok(()),
            Some(Body::Ping(ping)) => {
                let pong = proto::Pong { token: ping.token, ..proto::Pong::default() };
                cx.out.push(Action::SendLink(id, framed(Body::Pong(pong))));
                Ok(())
            }
            Some(Body::PhoneRegistered(phone)) => {
                self.on_known_phone(phone, cx);
                Ok(())
            }
            Some(_) => Err("a frame that a SIP Proxy does not send"),
        }
    }

    fn on_hello(
        &mut self,
        id: ClientId,
        hello: &proto::NodeHello,
        cx: &mut Cx<'_>,
    ) -> Result<(), &'static str> {
        if hello.protocol != PROTOCOL_VERSION {
            return Err("another version of the protocol");
        }
        let node = wire::member(hello.node_id, "node_id").map_err(|_| "no node-id")?;
        if self.settings.proxies.contains(&node) {
            self.links.nameless.remove(&id);
            self.links.proxies.insert(id, (node, cx.now));
            cx.out.push(Action::SendLink(id, self.hello()));
            return Ok(());
        }
        let Some(state) = self.links.peers.get(&node) else {
            return Err("no application of this switch");
        };
        let dialled = self.links.peers.iter().find(|(_, state)| state.dialled == Some(id));
        match dialled.map(|(node, _)| *node) {
            Some(wanted) if wanted != node => return Err("another node than was dialled"),
            Some(_) => {}
            None if dials(self.settings.node, node) => return Err("this side dials"),
            None => {}
        }
        let is_dialled = dialled.is_some();
        let has_restarted = state.epoch != 0 && state.epoch != hello.epoch;
        // An earlier link that has not been found dead yet.
        self.drop_link(node, "there is another one", cx);
        if has_restarted {
            self.give_up(node, cx);
        }
        let mut was_awaited = false;
        self.links.nameless.remove(&id);
        self.links.by_id.insert(id, node);
        if let Some(state) = self.links.peers.get_mut(&node) {
            state.dialled = None;
            state.is_dead = false;
            was_awaited = state.lost_until.take().is_some();
            if state.epoch != hello.epoch {
                (state.epoch, state.last_seq) = (hello.epoch, 0);
            }
            state.link = Some(Link::new(id, cx));
        }
        if !is_dialled {
            cx.out.push(Action::SendLink(id, self.hello()));
        }
        self.say_link(node, "", true);
        self.cut_calls(node, false, cx);
        if has_restarted {
            self.end_calls_of(node);
        }
        self.begin_link(node, was_awaited, cx);
        if was_awaited {
            self.order_again(node, cx);
            self.tell_break(node, cx);
            // What it has not answered is asked again.
            self.look_at_pending(node, cx);
        }
        Ok(())
    }

    /// What a link begins with.
    fn begin_link(&mut self, node: NodeId, was_awaited: bool, cx: &mut Cx<'_>) {
        if self.is_bulk {
            self.send_to(node, Body::Bulk(proto::Bulk { on: true }), cx);
        }
        // Who has given the other up comes anew, with clients that may have left DNs since.
        let clients = self.clients.keys().filter(|_| was_awaited);
        let clients = clients.map(|client| client.0).collect();
        self.send_to(node, Body::LiveClients(proto::LiveClients { clients }), cx);
        self.send_owned(node, cx);
        self.send_standings(node, cx);
        self.owe_calls(node);
        self.tell_running(cx);
        self.send_agents(node, cx);
        self.send_live(node, cx);
        self.send_supervisors(node, cx);
    }

    /// The answer to a poll: a turn answers at once, so one time stands for its arrival
    /// there and for its way back.
    fn on_pong(&mut self, from: NodeId, pong: &proto::Pong, cx: &Cx<'_>) {
        let link = self.links.peers.get_mut(&from).and_then(|state| state.link.as_mut());
        let Some(link) = link.filter(|_| pong.token <= cx.now.0) else { return };
        let after = |late: u64, early: u64| {
            let both = i64::try_from(late).ok().zip(i64::try_from(early).ok());
            both.filter(|_| late != 0 && early != 0).map(|(late, early)| late - early)
        };
        link.delays = Delays {
            round_trip: Some(cx.now.since(Instant(pong.token))),
            request_ms: after(pong.sent_ms, pong.pinged_ms),
            response_ms: after(cx.wall.0, pong.sent_ms),
            last: Some(cx.wall),
        };
    }

    /// The other T-Controllers, for operators.
    pub fn links(&self) -> impl Iterator<Item = LinkState> {
        self.links.peers.iter().map(|(node, state)| LinkState {
            node: *node,
            address: state.peer.address,
            geo_location: state.peer.geo_location.clone(),
            epoch: state.epoch,
            link: state.link.as_ref().map(|link| (link.id, link.since)),
            is_dialled: dials(self.settings.node, *node),
            delays: state.link.as_ref().map(|link| link.delays).unwrap_or_default(),
        })
    }

    fn drop_link(&mut self, node: NodeId, reason: &'static str, cx: &mut Cx<'_>) {
        let link = self.links.peers.get(&node).and_then(|state| state.link.as_ref());
        if let Some(id) = link.map(|link| link.id) {
            cx.out.push(Action::EndLink(id));
            self.link_down(node, reason, cx);
        }
    }

    fn link_down(&mut self, node: NodeId, reason: &'static str, cx: &mut Cx<'_>) {
        let Some(link) = self.links.peers.get_mut(&node).and_then(|state| state.link.take()) else {
            return;
        };
        self.links.by_id.remove(&link.id);
        self.links.note_bulk();
        self.settling.forget_node(node);
        self.say_link(node, reason, false);
        for entry in self.dns.iter_mut().filter(|entry| entry.owner.node == Some(node)) {
            entry.is_attached = false;
        }
        let wait = self.settings.reconnect;
        let state = self.links.peers.get_mut(&node).filter(|_| !wait.is_zero());
        match state {
            Some(state) => state.lost_until = Some(cx.now + wait),
            None => self.lose(node, cx),
        }
    }

    /// The link is not back in time, or another process is.
    fn give_up(&mut self, node: NodeId, cx: &mut Cx<'_>) {
        let state = self.links.peers.get_mut(&node);
        if state.and_then(|state| state.lost_until.take()).is_some() {
            self.lose(node, cx);
        }
    }

    /// What lies behind the link to a node is out of reach.
    fn lose(&mut self, node: NodeId, cx: &mut Cx<'_>) {
        self.tell_break(node, cx);
        self.elsewhere.retain(|_, at| *at != node);
        self.waiting.leave_all_of(node);
        self.cut_calls(node, true, cx);
        for early in self.early.values_mut() {
            early.remove(&node);
        }
        self.early.retain(|_, early| !early.is_empty());
        for client in self.clients_of(node) {
            self.remote_gone(node, client);
        }
        for index in 0..self.dns.len() {
            if self.dns[index].owner.node == Some(node) {
                self.looks.push_back(Look::Owner(index));
                self.bereave(index, cx);
            }
        }
        self.forget_standings(node);
        self.look_at_pending(node, cx);
    }

    /// What a node tells of its DNs from here on is lost to the clients of those.
    fn tell_break(&mut self, node: NodeId, cx: &mut Cx<'_>) {
        let Some(state) = self.links.peers.get(&node) else { return };
        let source = u32::from(node.get());
        let cursor = Cursor { source, epoch: state.epoch, seq: state.last_seq };
        let own = self.settings.node;
        let theirs = self.dns.iter().filter(|entry| entry.owner.node == Some(node));
        let hearers = theirs.flat_map(|entry| &entry.registrants);
        let hearers: BTreeSet<ClientId> = hearers
            .filter(|(party, _)| party.node == own && party.client != OPERATOR)
            .map(|(party, _)| party.client)
            .collect();
        for id in hearers {
            self.tell_gap(id, &cursor, cx);
        }
    }

    /// Something in calls of this node is not known: the clients here that hear of DNs are
    /// told that events are lost.
    pub(super) fn on_short(&mut self, cx: &mut Cx<'_>) {
        let source = u32::from(self.settings.node.get());
        let cursor = Cursor { source, epoch: self.epoch, seq: self.seq };
        let hears = |id: &ClientId, client: &Client| {
            client.session.address.is_some()
                && (!client.dns.is_empty() || self.smart.contains_key(id))
        };
        let hearers = self.clients.iter().filter(|(id, client)| hears(id, client));
        let hearers: Vec<ClientId> = hearers.map(|(id, _)| *id).collect();
        for id in hearers {
            self.tell_gap(id, &cursor, cx);
        }
    }

    /// Notes the number of an event of a node.
    pub(super) fn note_seq(&mut self, from: NodeId, seq: u64) {
        if let Some(state) = self.links.peers.get_mut(&from) {
            state.last_seq = state.last_seq.max(seq);
        }
    }

    fn clients_of(&self, node: NodeId) -> Vec<ClientId> {
        let theirs = self.remotes.keys().filter(|party| party.node == node);
        theirs.map(|party| party.client).collect()
    }

    /// Clients of another node that are there: others went while there was no link.
    fn on_live_clients(&mut self, from: NodeId, given: proto::LiveClients) {
        let live: BTreeSet<u64> = given.clients.into_iter().collect();
        for client in self.clients_of(from) {
            if !live.contains(&client.0) {
                self.remote_gone(from, client);
            }
        }
    }

    /// Notes whether a Smart Proxy hears of every DN; who does.
    pub(super) fn note_bulk(&mut self, from: NodeId, is_bulk: bool) {
        if let Some(link) = self.links.peers.get_mut(&from).and_then(|state| state.link.as_mut()) {
            link.is_bulk = is_bulk;
        }
        self.links.note_bulk();
    }

    /// The Smart Proxies that hear of every DN that is owned here.
    pub(super) fn bulk_peers(&self) -> &[NodeId] {
        &self.links.bulk
    }

    pub(super) fn note_listed(&mut self, from: NodeId, index: usize) {
        if let Some(link) = self.links.peers.get_mut(&from).and_then(|state| state.link.as_mut()) {
            link.listed.insert(index);
        }
    }

    /// Notes calls of another node that go on; all of them when it has listed them.
    pub(super) fn note_live(
        &mut self,
        from: NodeId,
        given: proto::LiveCalls,
    ) -> Option<BTreeSet<ConnId>> {
        let link = self.links.peers.get_mut(&from).and_then(|state| state.link.as_mut())?;
        link.live.extend(given.conn_ids.into_iter().map(ConnId));
        given.last.then(|| core::mem::take(&mut link.live))
    }

    /// Notes whether another node's sum is this one's; whether it has differed too often.
    pub(super) fn note_sum(&mut self, from: NodeId, is_same: bool) -> bool {
        let link = self.links.peers.get_mut(&from).and_then(|state| state.link.as_mut());
        let Some(link) = link else { return false };
        link.differences = if is_same { 0 } else { link.differences + 1 };
        if link.differences < SUM_DIFFERENCES_MAX {
            return false;
        }
        link.differences = 0;
        true
    }

    pub(super) fn take_listed(&mut self, from: NodeId) -> BTreeSet<usize> {
        let link = self.links.peers.get_mut(&from).and_then(|state| state.link.as_mut());
        link.map(|link| core::mem::take(&mut link.listed)).unwrap_or_default()
    }

    pub(super) fn send_to(&self, node: NodeId, body: Body, cx: &mut Cx<'_>) {
        let link = self.links.peers.get(&node).and_then(|state| state.link.as_ref());
        if let Some(link) = link {
            cx.out.push(Action::SendLink(link.id, framed(body)));
        }
    }

    pub(super) fn send_all(&self, body: Body, cx: &mut Cx<'_>) {
        self.send_all_but(self.settings.node, body, cx);
    }

    pub(super) fn send_all_but(&self, node: NodeId, body: Body, cx: &mut Cx<'_>) {
        self.send_those(|peer| peer != node, body, cx);
    }

    /// To the other T-Controllers.
    pub(super) fn send_nodes(&self, body: Body, cx: &mut Cx<'_>) {
        self.send_those(|peer| !peer.is_smart_proxy(), body, cx);
    }

    fn send_those(&self, is_one: impl Fn(NodeId) -> bool, body: Body, cx: &mut Cx<'_>) {
        let mut links = self.links.by_id.iter().filter(|(_, peer)| is_one(**peer)).peekable();
        if links.peek().is_none() {
            return;
        }
        let bytes = framed(body);
        for (id, _) in links {
            cx.out.push(Action::SendLink(*id, bytes.clone()));
        }
    }
}

/// Whether a member dials the other.
fn dials(own: NodeId, other: NodeId) -> bool {
    (own.is_smart_proxy() || own < other) && !other.is_smart_proxy()
}

fn framed(body: Body) -> Bytes {
    frames::framed(&wire::encode(body))
}
