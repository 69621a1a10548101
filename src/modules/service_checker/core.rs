//! The checker's machine.
//!
//! ```text
//!  idle ──every oos-check──▶ probing ──any answer──▶ idle, in service
//!                               └──oos-force without one──▶ idle, out of service
//! ```
//!
//! A node that says that it drains keeps its calls: it is there for them, and out of service for
//! all that is new.

use crate::base::flow::{Destination, Outbound, Sender};
use crate::base::id::{Ids, NodeId, Shard, Slot};
use crate::base::outbox::Outbox;
use crate::base::seal::{Kind, Sealer};
use crate::base::time::{Duration, Instant, WallTime};
use crate::sip::message::{HeaderId, Message, Method, Writer};
use crate::sip::transaction::{Action as Step, ClientNonInvite};
use bytes::Bytes;
use core::net::SocketAddr;
use std::sync::Arc;

/// How it stands with a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// In service.
    In,
    /// There for what it has, and for nothing new.
    Draining,
    /// Out of service.
    Out,
    /// No longer checked.
    Gone,
}

impl Standing {
    /// In service or out of it.
    const fn of(in_service: bool) -> Self {
        if in_service { Self::In } else { Self::Out }
    }

    fn is_in(self) -> bool {
        self == Self::In
    }
}

impl core::fmt::Display for Standing {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::In => "in service",
            Self::Draining => "draining",
            Self::Out => "out of service",
            Self::Gone => "no longer checked",
        })
    }
}

/// Who is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What the owner of this checker calls it; several targets may share a name
    /// (the members of a pair).
    pub name: Box<str>,
    /// Where OPTIONS goes.
    pub to: Destination,
    /// Request-URI.
    pub uri: String,
    /// For what lies behind the proxies: the next hop in `X-Genesys-Route`.
    /// OPTIONS then goes to a proxy in service instead of `to`.
    pub hop: Option<String>,
    /// `oos-check`.
    pub check: Duration,
    /// `oos-force`.
    pub force: Duration,
    /// `oos-error-check`: only a 2xx counts as life.
    pub error_check: bool,
    /// `recovery-timeout`: interval of checks while out of service.
    pub recovery: Duration,
    /// `oos-options-max-forwards`.
    pub max_forwards: u8,
    /// Whether it counts as in service before its first answer.
    pub presumed: bool,
    /// Whether requests to other targets may go by it.
    pub is_proxy: bool,
}

/// Role of a node that takes no new work, as it says in the answer to OPTIONS.
pub const DRAINING: &str = "draining";

/// What the checker is told.
#[derive(Debug)]
pub enum Event {
    /// It starts.
    Start,
    /// A response to a probe came.
    Response(Box<Message>),
    /// A probe could not be sent.
    SendFailed(Sender),
    /// A target stayed silent to somebody else: by its address.
    Suspect(SocketAddr),
    /// A deadline of a target has come.
    Wake(usize),
    /// The configuration was changed: who is checked from now on.
    Targets(Vec<Target>),
}

/// What the checker wants done.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a message.
    Send(Outbound),
    /// Wake the target at that time.
    Arm(usize, Instant),
    /// A target went in or out of service.
    State {
        /// Index of the target.
        target: usize,
        /// How it stands with it.
        standing: Standing,
        /// Why, for the log.
        reason: String,
    },
    /// A target is no longer checked.
    Gone(Box<Target>),
}

/// Inputs of a turn besides the event.
#[derive(Debug)]
pub struct Cx<'a> {
    /// The time.
    pub now: Instant,
    /// The time that is sealed into a probe's next hop.
    pub wall: WallTime,
    /// Random bits.
    pub ids: &'a mut Ids,
    /// Where actions go.
    pub out: &'a mut Outbox<Action>,
}

#[derive(Debug)]
struct Probe {
    client: ClientNonInvite,
    to: Destination,
    bytes: Bytes,
    give_up_at: Instant,
}

#[derive(Debug)]
struct Watched {
    target: Target,
    standing: Standing,
    probe: Option<Probe>,
    next_probe: Instant,
    sequence: u32,
}

/// The checker of one application.
#[derive(Debug)]
pub struct Core {
    watched: Vec<Watched>,
    sealer: Arc<Sealer>,
    address: SocketAddr,
    node: NodeId,
}

impl Core {
    /// A checker of these targets, for the application with that address and id.
    #[must_use]
    pub fn new(
        targets: Vec<Target>,
        sealer: Arc<Sealer>,
        address: SocketAddr,
        node: NodeId,
    ) -> Self {
        let watched = targets
            .into_iter()
            .map(|target| Watched {
                standing: Standing::of(target.presumed),
                target,
                probe: None,
                next_probe: Instant::NEVER,
                sequence: 0,
            })
            .collect();
        Self { watched, sealer, address, node }
    }

    /// The targets with their state.
    pub fn states(&self) -> impl Iterator<Item = (&Target, bool)> {
        self.watched.iter().map(|watched| (&watched.target, watched.standing.is_in()))
    }

    /// One event.
    pub fn on(&mut self, event: Event, cx: &mut Cx<'_>) {
        match event {
            Event::Start => {
                for index in 0..self.watched.len() {
                    self.probe(index, cx);
                }
            }
            Event::Response(message) => self.on_response(&message, cx),
            Event::SendFailed(sender) => {
                let (_, slot) = Slot::from_word(sender.0);
                self.on_failure(slot, "could not be reached", cx);
            }
            Event::Suspect(address) => self.on_suspect(address, cx),
            Event::Wake(index) => self.on_wake(index, cx),
            Event::Targets(targets) => self.on_targets(targets, cx),
        }
    }

    /// A target that stays keeps its state; a new one is looked at once.
    fn on_targets(&mut self, targets: Vec<Target>, cx: &mut Cx<'_>) {
        let mut old = core::mem::take(&mut self.watched);
        let same = |one: &Target, other: &Target| {
            (&one.name, &one.to, &one.hop) == (&other.name, &other.to, &other.hop)
        };
        let mut fresh = Vec::new();
        for target in targets {
            let known = old.iter().position(|watched| same(&watched.target, &target));
            // Another start of the count: answers to earlier probes count for nobody.
            let sequence = cx.ids.next_u64() as u32 & crate::base::id::GENERATION_MASK;
            let standing = match known.map(|index| old.swap_remove(index)) {
                Some(watched) => watched.standing,
                None => {
                    fresh.push(self.watched.len());
                    Standing::of(target.presumed)
                }
            };
            let next_probe = Instant::NEVER;
            self.watched.push(Watched { target, standing, probe: None, next_probe, sequence });
        }
        for watched in old {
            cx.out.push(Action::Gone(Box::new(watched.target)));
        }
        for index in fresh {
            let Some(watched) = self.watched.get(index) else { continue };
            let (standing, reason) = (watched.standing, "configured".to_owned());
            cx.out.push(Action::State { target: index, standing, reason });
        }
        for index in 0..self.watched.len() {
            self.probe(index, cx);
        }
    }

    /// By which way a probe goes, `None` while no proxy is in service.
    fn way(&self, index: usize, sequence: u32) -> Option<Destination> {
        let target = &self.watched.get(index)?.target;
        if target.hop.is_none() {
            return Some(target.to.clone());
        }
        let proxies: Vec<&Destination> = self
            .watched
            .iter()
            .filter(|watched| watched.target.is_proxy && watched.standing.is_in())
            .map(|watched| &watched.target.to)
            .collect();
        proxies.get(sequence as usize % proxies.len().max(1)).map(|to| (*to).clone())
    }

    fn probe(&mut self, index: usize, cx: &mut Cx<'_>) {
        let Some(watched) = self.watched.get_mut(index) else { return };
        watched.sequence = (watched.sequence + 1) & crate::base::id::GENERATION_MASK;
        let sequence = watched.sequence;
        let is_out = watched.standing == Standing::Out && !watched.target.recovery.is_zero();
        let interval = if is_out { watched.target.recovery } else { watched.target.check };
        watched.next_probe = cx.now + interval;
        let at = watched.next_probe;
        let Some(to) = self.way(index, sequence) else {
            cx.out.push(Action::Arm(index, at));
            return;
        };
        let bytes = self.options(index, sequence, &to, cx);
        let Some(watched) = self.watched.get_mut(index) else { return };
        let (client, _) = ClientNonInvite::new(cx.now, to.protocol().is_reliable());
        let give_up_at = cx.now + watched.target.force;
        watched.probe = Some(Probe { client, to: to.clone(), bytes: bytes.clone(), give_up_at });
        cx.out.push(Action::Send(Outbound { to, bytes, sender: Some(sender(index, sequence)) }));
        self.arm(index, cx);
    }

    fn options(&self, index: usize, sequence: u32, to: &Destination, cx: &mut Cx<'_>) -> Bytes {
        let Some(watched) = self.watched.get(index) else { return Bytes::new() };
        let target = &watched.target;
        let word = sender(index, sequence).0;
        let branch = self.sealer.seal(Kind::Branch, word);
        let mut writer = Writer::request(b"OPTIONS", target.uri.as_bytes());
        writer.header(
            HeaderId::Via,
            format!(
                "SIP/2.0/{} {};branch=z9hG4bKff{branch};rport",
                to.protocol().via_name(),
                self.address
            ),
        );
        writer.header(HeaderId::MaxForwards, target.max_forwards.to_string());
        writer
            .header(HeaderId::From, format!("<sip:{}>;tag={:x}", self.address, cx.ids.next_u64()));
        writer.header(HeaderId::To, format!("<{}>", target.uri));
        writer.header(HeaderId::CallId, format!("check-{:016x}", cx.ids.next_u64()));
        writer.header(HeaderId::CSeq, format!("{} OPTIONS", sequence.max(1)));
        if let Some(hop) = &target.hop {
            writer.header(HeaderId::XGenesysRoute, self.sealer.seal_hop(self.node, hop, cx.wall));
        }
        writer.body(None)
    }

    fn on_response(&mut self, message: &Message, cx: &mut Cx<'_>) {
        let token = message.branch().get(9..);
        let word = token.and_then(|token| self.sealer.open(Kind::Branch, token));
        let Some((_, slot)) = word.map(Slot::from_word) else { return };
        if message.fault().is_some()
            || message.method() != Method::Options
            || message.status() < 200
        {
            return;
        }
        let index = slot.index as usize;
        let Some(watched) = self.watched.get_mut(index) else { return };
        if watched.sequence != slot.generation || watched.probe.is_none() {
            return;
        }
        let status = message.status();
        let role = message.header(HeaderId::XSipclusterRole);
        let standing = match status {
            200..=299 => Standing::In,
            503 if role == Some(DRAINING.as_bytes()) => Standing::Draining,
            408 | 503 => Standing::Out,
            _ => Standing::of(!watched.target.error_check),
        };
        watched.probe = None;
        self.set(index, standing, &format!("answered {status}"), cx);
        self.arm(index, cx);
    }

    /// A probe that failed by itself.
    fn on_failure(&mut self, slot: Slot, reason: &str, cx: &mut Cx<'_>) {
        let index = slot.index as usize;
        let Some(watched) = self.watched.get_mut(index) else { return };
        if watched.sequence != slot.generation || watched.probe.take().is_none() {
            return;
        }
        self.set(index, Standing::Out, reason, cx);
        self.arm(index, cx);
    }

    /// Silence towards somebody else counts as out of service until an OPTIONS is
    /// answered, which is sent at once.
    fn on_suspect(&mut self, address: SocketAddr, cx: &mut Cx<'_>) {
        let found = self.watched.iter().position(|watched| {
            matches!(&watched.target.to, Destination::Address { remote, .. } if *remote == address)
        });
        let Some(index) = found else { return };
        if self.watched.get(index).is_some_and(|watched| watched.standing != Standing::Out) {
            self.set(index, Standing::Out, "stayed silent", cx);
            self.probe(index, cx);
        }
    }

    fn on_wake(&mut self, index: usize, cx: &mut Cx<'_>) {
        let Some(watched) = self.watched.get_mut(index) else { return };
        if let Some(probe) = &mut watched.probe {
            if cx.now >= probe.give_up_at {
                watched.probe = None;
                self.set(index, Standing::Out, "did not answer OPTIONS", cx);
            } else {
                for step in probe.client.on_time(cx.now) {
                    if step == Step::SendRequest {
                        let (to, bytes) = (probe.to.clone(), probe.bytes.clone());
                        cx.out.push(Action::Send(Outbound { to, bytes, sender: None }));
                    }
                }
            }
        }
        if self
            .watched
            .get(index)
            .is_some_and(|watched| watched.probe.is_none() && cx.now >= watched.next_probe)
        {
            self.probe(index, cx);
        } else {
            self.arm(index, cx);
        }
    }

    fn arm(&self, index: usize, cx: &mut Cx<'_>) {
        let Some(watched) = self.watched.get(index) else { return };
        let at = match &watched.probe {
            Some(probe) => probe.give_up_at.min(probe.client.next_deadline()),
            None => watched.next_probe,
        };
        cx.out.push(Action::Arm(index, at));
    }

    /// Notes a state. What lies behind the proxies is not put out of service
    /// while no proxy is in service (`sipp-oos-recheck`).
    fn set(&mut self, index: usize, standing: Standing, reason: &str, cx: &mut Cx<'_>) {
        let a_proxy_is_up =
            self.watched.iter().any(|watched| watched.target.is_proxy && watched.standing.is_in());
        let Some(watched) = self.watched.get_mut(index) else { return };
        if watched.standing == standing
            || (!standing.is_in() && watched.target.hop.is_some() && !a_proxy_is_up)
        {
            return;
        }
        watched.standing = standing;
        cx.out.push(Action::State { target: index, standing, reason: reason.to_owned() });
    }
}

fn sender(index: usize, sequence: u32) -> Sender {
    let index = u32::try_from(index).unwrap_or(u32::MAX);
    Sender(Slot { index, generation: sequence }.with_shard(Shard::SERVICE_CHECKER))
}
