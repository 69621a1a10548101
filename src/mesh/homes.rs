//! Homes of DNs, as a SIP Proxy keeps them: phones that have registered are told to the
//! T-Controller that owns their DN when it has started anew, and to other ones of the
//! data centre when it is dead (`decisions.md` 8: a claim message, never a made-up
//! REGISTER).
//!
//! ```text
//!              NodeHello of an epoch not seen before
//!   linked ───────────────────────────────────────────▶ its phones go there
//!     │ ▲
//!     │ └─ linked again in time: nothing has happened
//!     ▼
//!   lost ── `dn-rehoming-time`, and no answer to OPTIONS either, or nobody listens ──▶
//!              its phones go to the others, each to the one that the DN's hash says
//! ```
//!
//! All proxies of a data centre hold all registrations and do the same: whoever comes
//! second finds the DN owned. A T-Controller that still has a link to the owner takes
//! nothing, so that a proxy which alone has lost a node moves no DN.

use super::registrations::{LinkId, LivePart, Registrations};
use super::wire::{self, Body, WireError, proto};
use crate::base::id::NodeId;
use crate::base::limits::{LINK_HELLO_TIME, LINK_PING_TIME, LINK_SILENCE_MAX};
use crate::base::time::{Duration, Instant};
use bytes::Bytes;
use core::hash::Hasher as _;
use core::net::SocketAddr;
use siphasher::sip::SipHasher13;
use std::collections::{BTreeMap, VecDeque};

#[cfg(test)]
mod tests;

/// Version of what a proxy says to a T-Controller.
pub const PROTOCOL_VERSION: u32 = 1;
/// How often the phones of a node that stays dead are told, and how long after its loss
/// besides `dn-rehoming-time`: a T-Controller that has not seen yet that it is dead takes
/// none.
const TRIES: [Duration; 3] = [Duration::ZERO, Duration::from_secs(5), Duration::from_secs(30)];
/// Time that a node has to be there after the start of the proxy.
const COLD_START_TIME: Duration = Duration::from_secs(60);
/// Time between two tries to reach a node.
const REDIAL: Duration = Duration::from_millis(500);
/// Time that a node has after its start to hear from others what they own.
const SETTLE_TIME: Duration = Duration::from_secs(1);
/// Time after which it is looked again whether somebody takes phones.
const JOB_PAUSE: Duration = Duration::from_millis(100);
/// Registrations that one turn tells of.
pub const PHONES_PER_TURN_MAX: usize = 128;

/// A node as the configuration has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its node-id.
    pub id: NodeId,
    /// Its cluster port.
    pub address: SocketAddr,
    /// Whether it is in the proxy's data centre.
    pub is_local: bool,
    /// Whether another process stands by to take over: then nobody else does.
    pub has_standby: bool,
}

/// What the machine works by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// This proxy's node-id.
    pub node: NodeId,
    /// Its name in the configuration.
    pub name: Box<str>,
    /// Its start epoch.
    pub epoch: u32,
    /// `dn-rehoming-time`; zero waits for the phones' next REGISTER.
    pub rehoming: Duration,
    /// The nodes that have a T-Controller.
    pub nodes: Vec<Node>,
}

/// What the machine is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// The configuration was changed.
    Settings(Settings),
    /// The Service Checker's word on a node.
    InService(NodeId, bool),
    /// A connection to that node is being made, or cannot be, perhaps because nobody
    /// listens there.
    Dialled(NodeId, Option<LinkId>, bool),
    /// It is made.
    Up(LinkId),
    /// A frame has arrived, its length taken off.
    Frame(LinkId, Bytes),
    /// It is gone, or could not be made, perhaps because nobody listens there.
    Down(LinkId, bool),
    /// The time that was armed last has come, or there is time for more.
    Timer,
}

/// What the machine wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Connect to a node, and say so.
    Dial(NodeId, SocketAddr),
    /// Send a frame, its length before it.
    Send(LinkId, Bytes),
    /// Close a connection; the machine has forgotten it.
    Close(LinkId, &'static str),
    /// Phones of that node go to others, or to itself.
    Moved {
        /// Whose phones.
        node: NodeId,
        /// How many have been told of.
        count: usize,
        /// Whether it has died, so that others have them.
        is_dead: bool,
    },
}

#[derive(Clone, Copy, Debug)]
struct Link {
    id: LinkId,
    is_made: bool,
    is_greeted: bool,
    heard: Instant,
    is_pinged: bool,
}

#[derive(Clone, Debug)]
struct State {
    node: Node,
    /// Whether it answers OPTIONS.
    in_service: bool,
    link: Option<Link>,
    /// Nobody has listened when it was last dialled.
    is_refused: bool,
    dial_at: Instant,
    /// Start epoch that has been told of its phones.
    epoch: Option<u32>,
    /// Whether there has ever been a link.
    was_linked: bool,
    /// Since when there is no link.
    lost: Option<Instant>,
    /// How often its phones were told to others since then.
    tries: usize,
    /// Its phones have gone to others of this data centre: they may still be registered by it.
    is_rehomed: bool,
}

impl State {
    fn takes(&self) -> bool {
        self.link.is_some_and(|link| link.is_greeted)
    }
}

/// Phones of a node that are told of, a part at a time.
#[derive(Clone, Debug)]
struct Job {
    node: NodeId,
    /// Start epoch of the node that has come back; `None` when it is dead.
    epoch: Option<u32>,
    not_before: Instant,
    part: LivePart,
    count: usize,
}

/// The machine of one proxy.
#[derive(Debug)]
pub struct Homes {
    settings: Settings,
    states: BTreeMap<NodeId, State>,
    jobs: VecDeque<Job>,
}

impl Homes {
    /// A proxy that is linked with nobody.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let mut homes =
            Self { settings: settings.clone(), states: BTreeMap::new(), jobs: VecDeque::new() };
        homes.configure(settings, &mut Vec::new());
        homes
    }

    /// The one entry of the machine. `has_room` tells whether a connection takes more now.
    pub fn on(
        &mut self,
        event: Event,
        now: Instant,
        registrations: &Registrations,
        has_room: &dyn Fn(LinkId) -> bool,
        out: &mut Vec<Action>,
    ) {
        match event {
            Event::Settings(settings) => self.configure(settings, out),
            Event::InService(id, in_service) => {
                if let Some(state) = self.states.get_mut(&id) {
                    state.in_service = in_service;
                }
            }
            Event::Dialled(id, link, is_refused) => {
                if let Some(state) = self.states.get_mut(&id) {
                    state.is_refused |= is_refused;
                }
                self.on_dialled(id, link, now);
            }
            Event::Up(id) => self.on_up(id, now, out),
            Event::Frame(id, payload) => {
                if let Err(reason) = self.on_frame(id, payload, now) {
                    self.drop_link(id, now);
                    out.push(Action::Close(id, reason));
                }
            }
            Event::Down(id, is_refused) => {
                if let Some(state) = self.by_link(id) {
                    state.is_refused |= is_refused;
                }
                self.drop_link(id, now);
            }
            Event::Timer => self.look(now, out),
        }
        self.work(now, registrations, has_room, out);
    }

    /// Whether there is more to tell at once.
    #[must_use]
    pub fn has_work(&self, now: Instant) -> bool {
        self.jobs.iter().any(|job| job.not_before <= now)
    }

    fn configure(&mut self, settings: Settings, out: &mut Vec<Action>) {
        let mut before = core::mem::take(&mut self.states);
        for node in &settings.nodes {
            let mut known = before.remove(&node.id);
            let has_moved = |state: &mut State| state.node.address != node.address;
            let moved = known.take_if(has_moved).and_then(|state| state.link);
            out.extend(moved.map(|link| Action::Close(link.id, "at another address now")));
            let fresh = State {
                node: node.clone(),
                in_service: false,
                link: None,
                is_refused: false,
                dial_at: Instant::ZERO,
                epoch: None,
                was_linked: false,
                lost: None,
                tries: 0,
                is_rehomed: false,
            };
            self.states.insert(node.id, State { node: node.clone(), ..known.unwrap_or(fresh) });
        }
        let gone = before.into_values().filter_map(|state| state.link);
        out.extend(gone.map(|link| Action::Close(link.id, "not configured any more")));
        let states = &self.states;
        self.jobs.retain(|job| states.contains_key(&job.node));
        self.settings = settings;
    }

    fn on_dialled(&mut self, id: NodeId, link: Option<LinkId>, now: Instant) {
        let Some(state) = self.states.get_mut(&id) else { return };
        state.link = link.map(|id| Link {
            id,
            is_made: false,
            is_greeted: false,
            heard: now,
            is_pinged: false,
        });
    }

    fn by_link(&mut self, id: LinkId) -> Option<&mut State> {
        let has = |state: &&mut State| state.link.is_some_and(|link| link.id == id);
        self.states.values_mut().find(has)
    }

    fn on_up(&mut self, id: LinkId, now: Instant, out: &mut Vec<Action>) {
        let hello = proto::NodeHello {
            protocol: PROTOCOL_VERSION,
            node_id: u32::from(self.settings.node.get()),
            name: self.settings.name.to_string(),
            epoch: self.settings.epoch,
        };
        let Some(state) = self.by_link(id) else { return };
        state.is_refused = false;
        if let Some(link) = &mut state.link {
            (link.is_made, link.heard) = (true, now);
        }
        out.push(Action::Send(id, wire::encode(Body::NodeHello(hello))));
    }

    fn on_frame(&mut self, id: LinkId, payload: Bytes, now: Instant) -> Result<(), &'static str> {
        let Some(state) = self.by_link(id) else { return Ok(()) };
        let body = wire::decode(payload).map_err(|_: WireError| "a frame cannot be decoded")?;
        let Some(link) = &mut state.link else { return Ok(()) };
        (link.heard, link.is_pinged) = (now, false);
        let Some(Body::NodeHello(hello)) = body else {
            // Answers to pings, and what a later release says besides.
            return if link.is_greeted { Ok(()) } else { Err("the first frame is no NodeHello") };
        };
        if hello.protocol != PROTOCOL_VERSION {
            return Err("another version of the protocol");
        }
        if hello.node_id != u32::from(state.node.id.get()) {
            return Err("another node than was dialled");
        }
        link.is_greeted = true;
        (state.was_linked, state.lost, state.tries) = (true, None, 0);
        let node = state.node.id;
        let is_new = state.epoch != Some(hello.epoch);
        // It is back: what others have not been told of yet is its own again.
        self.jobs.retain(|job| job.node != node);
        if is_new {
            // It hears first from the others what they own, and leaves them that.
            self.begin(node, Some(hello.epoch), now + SETTLE_TIME);
        }
        Ok(())
    }

    fn begin(&mut self, node: NodeId, epoch: Option<u32>, not_before: Instant) {
        if self.jobs.iter().all(|job| job.node != node) {
            let part = LivePart::default();
            self.jobs.push_back(Job { node, epoch, not_before, part, count: 0 });
        }
    }

    fn drop_link(&mut self, id: LinkId, now: Instant) {
        let redial = now + REDIAL;
        let Some(state) = self.by_link(id) else { return };
        // One that was closed before it said who it is would be closed again.
        let was_greeted = state.link.take().is_some_and(|link| link.is_greeted);
        state.dial_at = if was_greeted { now } else { redial };
        state.lost.get_or_insert(now);
    }

    /// Dials who is not there, looks who is silent and who is dead.
    fn look(&mut self, now: Instant, out: &mut Vec<Action>) {
        let mut silent = Vec::new();
        let mut dead = Vec::new();
        let can_move = !self.settings.rehoming.is_zero()
            && self.states.values().any(|state| state.node.is_local && state.takes());
        for (id, state) in &mut self.states {
            match &mut state.link {
                None if state.dial_at <= now => {
                    state.dial_at = now + REDIAL;
                    out.push(Action::Dial(*id, state.node.address));
                }
                None => {}
                Some(link) => {
                    let silence = now.since(link.heard);
                    let bound = if link.is_greeted { LINK_SILENCE_MAX } else { LINK_HELLO_TIME };
                    if silence >= bound {
                        silent.push(link.id);
                    } else if link.is_greeted && silence >= LINK_PING_TIME && !link.is_pinged {
                        link.is_pinged = true;
                        let ping = proto::Ping { token: now.as_millis(), sent_ms: 0 };
                        out.push(Action::Send(link.id, wire::encode(Body::Ping(ping))));
                    }
                }
            }
            if state.link.is_none() {
                state.lost.get_or_insert(now);
            }
            let cold = if state.was_linked { Duration::ZERO } else { COLD_START_TIME };
            // The nodes give up one that only says nothing when they have heard nothing for as
            // long; here it may have been heard last by as much earlier as lies between pings.
            let unsure = if state.is_refused { Duration::ZERO } else { LINK_PING_TIME };
            let after = TRIES
                .get(state.tries)
                .map(|more| self.settings.rehoming.max(cold) + unsure + *more);
            let is_late =
                state.lost.zip(after).is_some_and(|(since, after)| now.since(since) >= after);
            let is_silent = !state.in_service || state.is_refused;
            if can_move && is_late && is_silent && state.node.is_local && !state.node.has_standby {
                state.tries += 1;
                state.is_rehomed = true;
                dead.push(*id);
            }
        }
        for id in silent {
            self.drop_link(id, now);
            out.push(Action::Close(id, "silent"));
        }
        for node in dead {
            self.begin(node, None, now);
        }
    }

    /// Goes on with what is to be told.
    fn work(
        &mut self,
        now: Instant,
        registrations: &Registrations,
        has_room: &dyn Fn(LinkId) -> bool,
        out: &mut Vec<Action>,
    ) {
        let Some(at) = self.jobs.iter().position(|job| job.not_before <= now) else { return };
        let Some(mut job) = self.jobs.remove(at) else { return };
        let is_dead = job.epoch.is_none();
        let takes = |state: &&State| match (state.takes(), is_dead) {
            (true, true) => state.node.is_local && state.node.id != job.node,
            (true, false) => state.node.id == job.node,
            (false, _) => false,
        };
        let links: Vec<(NodeId, LinkId)> = self
            .states
            .values()
            .filter(takes)
            .filter_map(|state| Some((state.node.id, state.link?.id)))
            .collect();
        if links.is_empty() {
            if is_dead {
                // Until one is there.
                job.not_before = now + JOB_PAUSE;
                self.jobs.push_back(job);
            }
            return;
        }
        if !links.iter().all(|(_, link)| has_room(*link)) {
            job.not_before = now + JOB_PAUSE;
            self.jobs.push_front(job);
            return;
        }
        let is_near = self.states.get(&job.node).is_some_and(|state| state.node.is_local);
        let (entries, is_last) = registrations.live_part(&mut job.part, now, PHONES_PER_TURN_MAX);
        for entry in entries {
            let parts = entry.contact.parts();
            // What another dead node had may have come to this one since, in their data centre.
            let is_rehomed = |node| self.states.get(&node).is_some_and(|state| state.is_rehomed);
            let is_of = |node| node == job.node || is_near && is_rehomed(node);
            if !parts.bound.is_some_and(|bound| is_of(bound.node)) {
                continue;
            }
            let best = links.iter().max_by_key(|(node, _)| weight(parts.aor, *node));
            let Some((_, link)) = best else { continue };
            let contact = proto::PhoneContact {
                contact: parts.key.to_owned(),
                seconds: entry.expires.since(now).as_secs().max(1),
            };
            let phone = proto::PhoneRegistered {
                dn: parts.aor.to_owned(),
                contacts: vec![contact],
                removes_all: false,
                known_before: true,
            };
            job.count += 1;
            out.push(Action::Send(*link, wire::encode(Body::PhoneRegistered(phone))));
        }
        if is_last {
            let Job { node, count, epoch, .. } = job;
            if let Some(state) = self.states.get_mut(&node).filter(|_| !is_dead) {
                state.epoch = epoch;
            }
            out.push(Action::Moved { node, count, is_dead });
        } else {
            self.jobs.push_front(job);
        }
    }
}

/// Which node gets a DN: the greatest counts, so that each has its share and all proxies
/// say the same.
fn weight(dn: &str, node: NodeId) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(0x686f_6d65, 0x646e_7321);
    hasher.write(dn.as_bytes());
    hasher.write_u16(node.get());
    hasher.finish()
}
