//! How the proxies of a cluster come to know each other's registrations.
//!
//! Each proxy numbers the changes that it takes from phones and feeds them to
//! every other proxy over one link, forwarded once and never onward. A proxy that
//! joins gets a snapshot in parts, paced by its acknowledgements; one that was cut
//! off gets what it missed, as long as the bounded log has it. Digests find what
//! went wrong all the same. What counts when entries meet is in `replica.rs`; the
//! course of a link is drawn in `link.rs`.
//!
//! The machine knows no socket: the shell dials whom [`Registrations::should_dial`]
//! names, and turns connections into events.

mod entry;
mod event;
mod file;
mod link;
mod log;
mod replica;

#[cfg(test)]
mod convergence;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;

pub use entry::Registration;
pub use event::{Action, CloseReason, Event, LinkId};
pub use file::{SnapshotFile, read_snapshot_file};

use super::wire::{self, Body, Timebase, WireError, proto};
use crate::base::frames::{FRAME_BYTES_MAX, FrameTooLong};
use crate::base::id::NodeId;
use crate::base::outbox::Outbox;
use crate::base::time::{Duration, Instant, WallTime};
use bytes::Bytes;
use link::{Cursor, Link, Session};
use log::Log;
pub use replica::LivePart;
use replica::Replica;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Version of the protocol; links between different ones are closed.
pub(crate) const PROTOCOL_VERSION: u32 = 1;
/// Silence after which a Ping is sent (ADDP's local time-out).
pub(crate) const PING_AFTER_MS: u64 = 7_000;
/// Silence after which a link is closed (ADDP's remote time-out).
pub(crate) const SILENCE_MAX_MS: u64 = 11_000;
/// Time that the other side's Hello may take.
pub(crate) const HELLO_TIME_MAX_MS: u64 = 5_000;
/// Between two digests on a link.
pub(crate) const DIGEST_INTERVAL_MS: u64 = 10_000;
/// Digests running that a bucket may differ in before it is asked for.
pub(crate) const DIGEST_DIFFERENCES_MAX: u8 = 2;
/// How long a proxy waits for peers before it is ready on its own.
pub(crate) const READY_WAIT_MS: u64 = 3_000;
/// Longest delay of an acknowledgement of live entries.
pub(crate) const ACK_DELAY_MS: u64 = 1_000;
/// Own changes that are kept for peers that were cut off.
pub(crate) const LOG_ENTRIES_LEN_MAX: usize = 16_384;
/// Live entries on their way to one peer without an acknowledgement.
pub(crate) const ENTRIES_IN_FLIGHT_MAX: u64 = 1_024;
/// Live entries that are acknowledged at once.
pub(crate) const ENTRIES_PER_ACK: u64 = 256;
/// Snapshot parts on their way to one peer without an acknowledgement.
pub(crate) const PARTS_IN_FLIGHT_MAX: u64 = 4;
/// Other proxies of a cluster.
pub(crate) const PEERS_LEN_MAX: usize = 63;
/// Connections at a time; an incoming one beyond is closed.
pub(crate) const LINKS_LEN_MAX: usize = 2 * PEERS_LEN_MAX;
/// Bytes of an application's name in a Hello.
pub(crate) const NAME_BYTES_MAX: usize = 256;
/// Actions of one event: the entries of a frame, and for each link a handful of
/// frames.
pub const ACTIONS_PER_EVENT_LEN_MAX: usize = 4_096;

const FRAMES_PER_LINK_MAX: usize = PARTS_IN_FLIGHT_MAX as usize
    + ENTRIES_IN_FLIGHT_MAX as usize / wire::ENTRIES_PER_FRAME_LEN_MAX
    + 1;
const _: () = assert!(
    wire::ENTRIES_PER_FRAME_LEN_MAX + LINKS_LEN_MAX * (FRAMES_PER_LINK_MAX + 8)
        < ACTIONS_PER_EVENT_LEN_MAX
);
const _: () = assert!(PING_AFTER_MS < SILENCE_MAX_MS && ENTRIES_PER_ACK <= ENTRIES_IN_FLIGHT_MAX);
const _: () = assert!(ENTRIES_IN_FLIGHT_MAX < LOG_ENTRIES_LEN_MAX as u64);

/// Sizes of the exchange, in a value so that tests can make them small.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) log_entries_max: usize,
    pub(crate) entries_in_flight_max: u64,
    pub(crate) entries_per_frame_max: usize,
    pub(crate) entries_per_ack: u64,
    pub(crate) parts_in_flight_max: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            log_entries_max: LOG_ENTRIES_LEN_MAX,
            entries_in_flight_max: ENTRIES_IN_FLIGHT_MAX,
            entries_per_frame_max: wire::ENTRIES_PER_FRAME_LEN_MAX,
            entries_per_ack: ENTRIES_PER_ACK,
            parts_in_flight_max: PARTS_IN_FLIGHT_MAX,
        }
    }
}

/// Who this proxy is and whom it shares registrations with.
#[derive(Clone, Debug)]
pub struct Options {
    /// This proxy's node-id.
    pub node: NodeId,
    /// Its name in the configuration.
    pub name: Box<str>,
    /// Its start epoch, above zero, higher than at any start before.
    pub epoch: u64,
    /// The other proxies.
    pub peers: Vec<NodeId>,
    /// The time of the start, from which readiness counts.
    pub started: Instant,
}

/// Whether the proxy may take traffic, for `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Whether it may. Once it may, it may until it stops.
    pub ready: bool,
    /// Why, in one sentence.
    pub reason: Cow<'static, str>,
    /// No peer could be reached: worth a WARN.
    pub alone: bool,
}

/// How it stands with one peer, for status pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// Its node-id.
    pub peer: NodeId,
    /// Whether there is a link.
    pub linked: bool,
    /// Whether this proxy has all that the peer had when they linked.
    pub caught_up: bool,
    /// Own changes that the peer has not confirmed.
    pub unconfirmed: u64,
}

/// What outlives the links with one peer.
#[derive(Debug, Default)]
struct Peer {
    cursor: Option<Cursor>,
    session: Option<LinkId>,
}

/// The machine of one proxy.
#[derive(Debug)]
pub struct Registrations {
    options: Options,
    bounds: Bounds,
    replica: Replica,
    log: Log,
    peers: BTreeMap<NodeId, Peer>,
    links: BTreeMap<LinkId, Link>,
    armed: Instant,
    was_ready: bool,
}

impl Registrations {
    /// A proxy that knows nothing yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self::with_bounds(options, Bounds::default())
    }

    pub(crate) fn with_bounds(mut options: Options, bounds: Bounds) -> Self {
        let peers = core::mem::take(&mut options.peers);
        let mut machine = Self {
            replica: Replica::new(options.epoch),
            options,
            bounds,
            log: Log::default(),
            peers: BTreeMap::new(),
            links: BTreeMap::new(),
            armed: Instant::NEVER,
            was_ready: false,
        };
        machine.set_peers(&peers);
        machine
    }

    /// The one entry of the machine.
    pub fn on(&mut self, event: Event, now: Instant, out: &mut Outbox<Action>) {
        self.replica.on_timer(now);
        match event {
            Event::LinkUp { link, dialled } => self.on_link_up(link, dialled, now, out),
            Event::LinkDown { link } => self.forget(link),
            Event::Frame { link, payload } => {
                if let Err(reason) = self.on_frame(link, payload, now, out) {
                    self.close(link, reason, out);
                }
            }
            Event::LocalChange(entry) => self.on_local_change(entry, now, out),
            Event::Restored(entry) => self.merge(&entry, now, out),
            Event::Peers(peers) => self.on_peers(&peers, out),
            Event::Timer => {
                self.armed = Instant::NEVER;
                self.on_timer(now, out);
            }
        }
        if !self.was_ready {
            self.was_ready = self.readiness(now).ready;
        }
        // A deadline that moves back needs no word: the timer comes too early,
        // finds nothing to do and is armed again.
        let deadline = self.deadline(now);
        if deadline < self.armed {
            self.armed = deadline;
            out.push(Action::Arm(deadline));
        }
    }

    /// Whether the shell should open a connection to `peer`: there is none, and
    /// none is being opened by the machine's knowledge.
    #[must_use]
    pub fn should_dial(&self, peer: NodeId) -> bool {
        self.peers.get(&peer).is_some_and(|held| held.session.is_none())
            && !self.links.values().any(|link| link.dialled == Some(peer))
    }

    /// Whether the proxy may take traffic: every peer that is linked has caught it
    /// up and all are linked, or 3 s have passed since the start. A proxy that has
    /// been ready stays so: what it misses afterwards is one cut's worth.
    #[must_use]
    pub fn ready(&self, now: Instant) -> Readiness {
        let mut readiness = self.readiness(now);
        readiness.ready |= self.was_ready;
        readiness
    }

    /// How it stands with each peer, by node-id.
    pub fn peers(&self) -> impl Iterator<Item = PeerStatus> {
        self.peers.iter().map(|(peer, held)| {
            let session = held
                .session
                .and_then(|link| self.links.get(&link))
                .and_then(|link| link.session.as_ref());
            PeerStatus {
                peer: *peer,
                linked: session.is_some(),
                caught_up: session.is_some_and(|session| session.intake.caught_up),
                unconfirmed: session
                    .map_or(self.log.last(), |session| session.feed.behind(&self.log)),
            }
        })
    }

    /// All bindings that count and have not expired, in an order of no meaning.
    pub fn live(&self, now: Instant) -> impl Iterator<Item = Registration> {
        self.replica.live(now)
    }

    /// The next bindings that count and have not expired, and whether they were the last.
    #[must_use]
    pub fn live_part(
        &self,
        part: &mut LivePart,
        now: Instant,
        len_max: usize,
    ) -> (Vec<Registration>, bool) {
        self.replica.live_part(part, now, len_max)
    }

    /// Contacts that are held, removed ones included.
    #[must_use]
    pub fn contacts_len(&self) -> usize {
        self.replica.contacts_len()
    }

    /// The next part of what is known, for the snapshot file; `wall` is the wall-clock
    /// time at `now`. Gives whether it was the last. [`read_snapshot_file`] is the inverse.
    pub fn snapshot_part(&self, file: &mut SnapshotFile, now: Instant, wall: WallTime) -> bool {
        file.write(&self.replica, self.options.node, now, wall)
    }

    /// All that is known, as parts of the snapshot file.
    #[must_use]
    pub fn snapshot_file(&self, now: Instant, wall: WallTime) -> Vec<Vec<u8>> {
        let mut file = SnapshotFile::default();
        while !self.snapshot_part(&mut file, now, wall) {}
        file.into_parts()
    }

    fn readiness(&self, now: Instant) -> Readiness {
        let is_ready = |ready, alone, reason: &'static str| Readiness {
            ready,
            reason: Cow::Borrowed(reason),
            alone,
        };
        let is_waiting =
            |reason: String| Readiness { ready: false, reason: Cow::Owned(reason), alone: false };
        let statuses: Vec<PeerStatus> = self.peers().collect();
        if statuses.is_empty() {
            return is_ready(true, false, "no other proxy is configured");
        }
        if let Some(behind) = statuses.iter().find(|status| status.linked && !status.caught_up) {
            return is_waiting(format!("catching up with proxy {}", behind.peer));
        }
        let Some(missing) = statuses.iter().find(|status| !status.linked) else {
            return is_ready(true, false, "caught up with every proxy");
        };
        if now.since(self.options.started) < Duration::from_millis(READY_WAIT_MS) {
            return is_waiting(format!("waiting for proxy {}", missing.peer));
        }
        if statuses.iter().any(|status| status.linked) {
            return is_ready(true, false, "caught up with every reachable proxy");
        }
        is_ready(true, true, "no other proxy is reachable, own snapshot in use")
    }

    fn set_peers(&mut self, peers: &[NodeId]) {
        let own = self.options.node;
        let wanted: BTreeSet<NodeId> =
            peers.iter().copied().filter(|peer| *peer != own).take(PEERS_LEN_MAX).collect();
        self.peers.retain(|peer, _| wanted.contains(peer));
        for peer in wanted {
            self.peers.entry(peer).or_default();
        }
    }

    fn on_peers(&mut self, peers: &[NodeId], out: &mut Outbox<Action>) {
        self.set_peers(peers);
        let is_known = |peer: NodeId| self.peers.contains_key(&peer);
        let peer_of =
            |link: &Link| link.session.as_ref().map(|session| session.peer).or(link.dialled);
        let gone = |(id, link): (&LinkId, &Link)| {
            peer_of(link).filter(|peer| !is_known(*peer)).map(|_| *id)
        };
        let gone: Vec<LinkId> = self.links.iter().filter_map(gone).collect();
        for link in gone {
            self.close(link, CloseReason::Unconfigured, out);
        }
    }

    fn on_link_up(
        &mut self,
        id: LinkId,
        dialled: Option<NodeId>,
        now: Instant,
        out: &mut Outbox<Action>,
    ) {
        if self.links.len() >= LINKS_LEN_MAX {
            out.push(Action::CloseLink { link: id, reason: CloseReason::TooManyLinks });
            return;
        }
        let mut link =
            Link { dialled, opened: now, heard: now, pinged: false, offered: None, session: None };
        if let Some(peer) = dialled {
            link.offered = self.peers.get(&peer).and_then(|peer| peer.cursor);
            self.send_hello(id, link.offered, out);
        }
        self.links.insert(id, link);
    }

    fn send_hello(&self, link: LinkId, offered: Option<Cursor>, out: &mut Outbox<Action>) {
        let hello = proto::Hello {
            protocol: PROTOCOL_VERSION,
            node_id: u32::from(self.options.node.get()),
            name: self.options.name.to_string(),
            epoch: self.options.epoch,
            clock: self.replica.clock(),
            resume_epoch: offered.map_or(0, |cursor| cursor.epoch),
            resume_sequence: offered.map_or(0, |cursor| cursor.sequence),
        };
        out.push(Action::Send { link, payload: wire::encode(Body::Hello(hello)) });
    }

    fn on_frame(
        &mut self,
        id: LinkId,
        payload: Bytes,
        now: Instant,
        out: &mut Outbox<Action>,
    ) -> Result<(), CloseReason> {
        // A frame that was under way when the link was closed.
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        link.heard = now;
        link.pinged = false;
        let has_session = link.session.is_some();
        if payload.len() > FRAME_BYTES_MAX {
            return Err(WireError::from(FrameTooLong(payload.len())).into());
        }
        match wire::decode(payload)? {
            Some(Body::Hello(hello)) if !has_session => self.on_hello(id, &hello, now, out)?,
            Some(Body::Ping(ping)) => {
                let pong = wire::encode(Body::Pong(proto::Pong {
                    token: ping.token,
                    ..proto::Pong::default()
                }));
                out.push(Action::Send { link: id, payload: pong });
            }
            // A kind of a later release, or nothing but a sign of life.
            None | Some(Body::Pong(_)) => {}
            Some(Body::Hello(_) | Body::FileHeader(_) | Body::FileChunk(_)) => {
                return Err(CloseReason::Unexpected);
            }
            // Of T-Controllers: whoever says that is no proxy.
            Some(
                Body::NodeHello(_)
                | Body::Owned(_)
                | Body::Agents(_)
                | Body::Attach(_)
                | Body::Attached(_)
                | Body::Forwarded(_)
                | Body::Bounced(_)
                | Body::Told(_)
                | Body::ClientGone(_)
                | Body::PhoneRegistered(_)
                | Body::HandOver(_)
                | Body::CallFact(_)
                | Body::LiveCalls(_)
                | Body::LiveClients(_)
                | Body::Bulk(_)
                | Body::Supervisors(_)
                | Body::Standings(_)
                | Body::CallOrder(_),
            ) => return Err(CloseReason::Unexpected),
            Some(body) if has_session => self.on_session_frame(id, body, now, out)?,
            Some(_) => return Err(CloseReason::Unexpected),
        }
        self.serve(id, now, out);
        Ok(())
    }

    fn on_session_frame(
        &mut self,
        id: LinkId,
        body: Body,
        now: Instant,
        out: &mut Outbox<Action>,
    ) -> Result<(), CloseReason> {
        let timebase = Timebase::Link { now };
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let Some(session) = &mut link.session else { return Err(CloseReason::Unexpected) };
        let entries = match body {
            Body::Resume(resume) => {
                let epoch = session.epoch;
                session
                    .intake
                    .on_resume(&resume, link.offered.filter(|cursor| cursor.epoch == epoch))?;
                Vec::new()
            }
            Body::Live(live) => {
                let entries = wire::entries(&live.entries, timebase)?;
                session.intake.on_live(live.first_sequence, entries.len(), &self.bounds, now)?;
                entries
            }
            Body::Snapshot(part) => {
                let entries = wire::entries(&part.entries, timebase)?;
                session.intake.on_snapshot(&part, now)?;
                entries
            }
            Body::Ack(ack) => {
                session.feed.on_ack(&ack)?;
                Vec::new()
            }
            Body::Digest(digest) => {
                let repair = session.on_digest(&digest.buckets, self.replica.digest())?;
                out_of(repair, id, out);
                Vec::new()
            }
            Body::Repair(repair) => {
                session.feed.repair(buckets_of(repair)?, &self.log);
                Vec::new()
            }
            Body::Hello(_) | Body::Ping(_) | Body::Pong(_) => return Err(CloseReason::Unexpected),
            Body::FileHeader(_) | Body::FileChunk(_) => return Err(CloseReason::Unexpected),
            // Of T-Controllers.
            Body::NodeHello(_)
            | Body::Owned(_)
            | Body::Agents(_)
            | Body::HandOver(_)
            | Body::Attach(_)
            | Body::Attached(_)
            | Body::Forwarded(_)
            | Body::Bounced(_)
            | Body::Told(_)
            | Body::ClientGone(_)
            | Body::PhoneRegistered(_)
            | Body::CallFact(_)
            | Body::LiveCalls(_)
            | Body::LiveClients(_)
            | Body::Bulk(_)
            | Body::Supervisors(_)
            | Body::Standings(_)
            | Body::CallOrder(_) => return Err(CloseReason::Unexpected),
        };
        let (peer, cursor) = (session.peer, session.intake.cursor(session.epoch));
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.cursor = cursor;
        }
        entries.iter().for_each(|entry| self.merge(entry, now, out));
        Ok(())
    }

    fn on_hello(
        &mut self,
        id: LinkId,
        hello: &proto::Hello,
        now: Instant,
        out: &mut Outbox<Action>,
    ) -> Result<(), CloseReason> {
        if hello.protocol != PROTOCOL_VERSION {
            return Err(CloseReason::Protocol(hello.protocol));
        }
        if hello.clock > wire::CLOCK_MAX || hello.epoch == 0 || hello.name.len() > NAME_BYTES_MAX {
            return Err(WireError::Field("hello").into());
        }
        let peer = wire::node_id(hello.node_id, "node_id")?;
        let Some(held) = self.peers.get(&peer) else {
            return Err(CloseReason::NotAPeer(hello.node_id));
        };
        let (known, dialled) = (held.cursor, self.links.get(&id).and_then(|link| link.dialled));
        if let Some(dialled) = dialled.filter(|dialled| *dialled != peer) {
            return Err(CloseReason::WrongPeer { dialled, reached: peer });
        }
        self.keep_one_link(id, peer, hello.epoch, out)?;
        self.replica.observe_clock(hello.clock);
        let theirs = Cursor { epoch: hello.resume_epoch, sequence: hello.resume_sequence };
        let mut session = Session::new(peer, hello.epoch, now);
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        if dialled.is_none() {
            link.offered = known;
        }
        let offered = link.offered;
        if dialled.is_none() {
            self.send_hello(id, offered, out);
        }
        let resume = session.feed.start(
            Some(theirs).filter(|cursor| cursor.epoch != 0),
            self.options.epoch,
            &self.log,
        );
        if let Some(resume) = resume {
            out.push(Action::Send { link: id, payload: wire::encode(resume) });
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.session = Some(session);
        }
        if let Some(held) = self.peers.get_mut(&peer) {
            held.session = Some(id);
        }
        Ok(())
    }

    /// Both may have dialled each other: the link that the smaller node-id dialled
    /// stays, of two by the same dialler the later one. A link with an earlier life
    /// of the peer does not count.
    fn keep_one_link(
        &mut self,
        id: LinkId,
        peer: NodeId,
        epoch: u64,
        out: &mut Outbox<Action>,
    ) -> Result<(), CloseReason> {
        let own = self.options.node;
        let dialler = |link: &Link| if link.dialled.is_some() { own } else { peer };
        let Some(this) = self.links.get(&id).map(dialler) else { return Ok(()) };
        let mut worse = Vec::new();
        for (other_id, other) in self.links.iter().filter(|(other_id, _)| **other_id != id) {
            let same_life = match &other.session {
                Some(session) if session.peer == peer => session.epoch == epoch,
                None if other.dialled == Some(peer) => true,
                Some(_) | None => continue,
            };
            if same_life && dialler(other) < this {
                return Err(CloseReason::Duplicate);
            }
            worse.push(*other_id);
        }
        for other in worse {
            self.close(other, CloseReason::Duplicate, out);
        }
        Ok(())
    }

    fn on_local_change(&mut self, mut entry: Registration, now: Instant, out: &mut Outbox<Action>) {
        // No peer would take it; the registrar's own bounds are not wider.
        if wire::check(&entry.contact.parts()).is_err() {
            return;
        }
        entry.version = self.replica.next_version();
        if self.replica.merge(&entry, now) {
            if self.peers.is_empty() {
                // Whoever comes to be a peer begins with a snapshot.
                self.log.skip();
                return;
            }
            self.log.push(entry, self.bounds.log_entries_max);
            let links: Vec<LinkId> = self.links.keys().copied().collect();
            for link in links {
                self.serve(link, now, out);
            }
        } else if let Some(winner) = self.replica.winner(&entry) {
            // Another proxy has taken a later REGISTER of the same Call-ID.
            out.push(Action::Apply(winner));
        }
    }

    fn merge(&mut self, entry: &Registration, now: Instant, out: &mut Outbox<Action>) {
        if self.replica.merge(entry, now)
            && let Some(winner) = self.replica.winner(entry)
        {
            out.push(Action::Apply(winner));
        }
    }

    fn on_timer(&mut self, now: Instant, out: &mut Outbox<Action>) {
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for id in links {
            let Some(link) = self.links.get_mut(&id) else { continue };
            if link.session.is_none()
                && now.since(link.opened) >= Duration::from_millis(HELLO_TIME_MAX_MS)
            {
                self.close(id, CloseReason::NoHello, out);
                continue;
            }
            let silence = now.since(link.heard);
            if silence >= Duration::from_millis(SILENCE_MAX_MS) {
                self.close(id, CloseReason::Silent, out);
                continue;
            }
            if silence >= Duration::from_millis(PING_AFTER_MS) && !link.pinged {
                link.pinged = true;
                let ping =
                    wire::encode(Body::Ping(proto::Ping { token: now.as_millis(), sent_ms: 0 }));
                out.push(Action::Send { link: id, payload: ping });
            }
            if let Some(session) = link.session.as_mut().filter(|session| session.digest_due <= now)
            {
                session.digest_due = now + Duration::from_millis(DIGEST_INTERVAL_MS);
                let digest = proto::Digest { buckets: self.replica.digest().to_vec() };
                out.push(Action::Send { link: id, payload: wire::encode(Body::Digest(digest)) });
            }
            self.serve(id, now, out);
        }
    }

    /// Sends what a link has to say: acknowledgements, then what the peer has room
    /// for.
    fn serve(&mut self, id: LinkId, now: Instant, out: &mut Outbox<Action>) {
        let Some(session) = self.links.get_mut(&id).and_then(|link| link.session.as_mut()) else {
            return;
        };
        if let Some(ack) = session.intake.ack(now) {
            out.push(Action::Send { link: id, payload: wire::encode(ack) });
        }
        session.feed.pump(id, &self.replica, &self.log, &self.bounds, now, out);
    }

    fn close(&mut self, link: LinkId, reason: CloseReason, out: &mut Outbox<Action>) {
        self.forget(link);
        out.push(Action::CloseLink { link, reason });
    }

    fn forget(&mut self, id: LinkId) {
        let Some(session) = self.links.remove(&id).and_then(|link| link.session) else { return };
        if let Some(peer) =
            self.peers.get_mut(&session.peer).filter(|peer| peer.session == Some(id))
        {
            peer.session = None;
        }
    }

    fn deadline(&self, now: Instant) -> Instant {
        let mut deadline = self.replica.deadline();
        let ready_at = self.options.started + Duration::from_millis(READY_WAIT_MS);
        if !self.was_ready && ready_at > now {
            deadline = deadline.min(ready_at);
        }
        for link in self.links.values() {
            let silence_ms = if link.pinged { SILENCE_MAX_MS } else { PING_AFTER_MS };
            deadline = deadline.min(link.heard + Duration::from_millis(silence_ms));
            deadline = deadline.min(match &link.session {
                Some(session) => session.digest_due.min(session.intake.ack_due),
                None => link.opened + Duration::from_millis(HELLO_TIME_MAX_MS),
            });
        }
        deadline
    }
}

fn buckets_of(repair: proto::Repair) -> Result<BTreeSet<u8>, WireError> {
    let buckets: Result<_, _> = repair.buckets.into_iter().map(u8::try_from).collect();
    buckets.map_err(|_| WireError::Field("buckets"))
}

fn out_of(body: Option<Body>, link: LinkId, out: &mut Outbox<Action>) {
    if let Some(body) = body {
        out.push(Action::Send { link, payload: wire::encode(body) });
    }
}
