//! The turn of the link: listener, connections, the machine.

use super::home_links::HomeLinks;
use super::inbox::Inbox;
use crate::base::frames::framed;
use crate::base::id::NodeId;
use crate::base::limits::TURN_BATCH_LEN;
use crate::base::outbox::Outbox;
use crate::base::time::{Duration, Instant};
use crate::mesh::homes::{Event as HomeEvent, Settings as HomeSettings};
use crate::mesh::registrations::{
    ACTIONS_PER_EVENT_LEN_MAX, Action, Event, LinkId, Options, Registration, Registrations,
    SnapshotFile, read_snapshot_file,
};
use crate::modules::t_library::port::{ClientId, Heard, Port};
use crate::runtime::clock::Clock;
use crate::runtime::file::Keeper;
use crate::runtime::mailbox::Inbox as Mailbox;
use crate::runtime::module::Module;
use crate::runtime::tls::Tls;
use crate::runtime::waker::ThreadWaker;
use crate::sip::registrar::{Binding, Entry};
use core::net::SocketAddr;
use core::task::{Context, Poll};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

/// Time between two tries to reach a peer.
const REDIAL: Duration = Duration::from_millis(500);
/// Time between two snapshots on disk.
const SNAPSHOT_INTERVAL: Duration = Duration::from_secs(20);
/// Parts of a snapshot that one turn makes, each of at most 128 registrations.
const SNAPSHOT_PARTS_PER_TURN: usize = 4;
/// Bytes that may wait on one link before it is cut.
const BACKLOG_LEN_MAX: usize = 8 << 20;

/// The registrations on disk: read at the start, written now and then and at the end.
pub struct Snapshot {
    keeper: Keeper,
    clock: Clock,
    changed: bool,
    next: Instant,
    /// What is being made, over many turns.
    under_way: Option<SnapshotFile>,
}

impl Snapshot {
    /// Kept in that file.
    #[must_use]
    pub fn new(path: &Path, clock: Clock) -> Self {
        let next = clock.now() + SNAPSHOT_INTERVAL;
        Self { keeper: Keeper::new(path), clock, changed: false, next, under_way: None }
    }

    /// What an earlier process has left. A file that cannot be read is put aside.
    fn read(&self) -> Vec<Registration> {
        let path = self.keeper.path();
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "registrations of before cannot be read");
                return Vec::new();
            }
        };
        match read_snapshot_file(&bytes, self.clock.now(), self.clock.wall()) {
            Ok(entries) => entries,
            Err(error) => {
                let aside = path.with_extension("bad");
                let _ = std::fs::rename(path, &aside);
                tracing::warn!(file = %aside.display(), %error, "registrations of before are not whole and were put aside");
                Vec::new()
            }
        }
    }

    /// Goes on with a file, or begins one where it is time; gives whether there is more
    /// to do at once.
    fn write(&mut self, machine: &Registrations, now: Instant) -> bool {
        if self.under_way.is_none() && self.changed && now >= self.next && !self.keeper.is_writing()
        {
            self.next = now + SNAPSHOT_INTERVAL;
            self.changed = false;
            self.under_way = Some(SnapshotFile::default());
        }
        let Some(file) = &mut self.under_way else { return false };
        let wall = self.clock.wall();
        let is_whole = (0..SNAPSHOT_PARTS_PER_TURN).any(|_| machine.snapshot_part(file, now, wall));
        if let Some(file) = self.under_way.take_if(|_| is_whole) {
            self.changed |= !self.keeper.keep(file.into_parts());
        }
        !is_whole
    }
}

/// Another proxy.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its node-id.
    pub id: NodeId,
    /// Its cluster port.
    pub address: SocketAddr,
}

/// Another proxy, the connection to it that is being made or stands, and when the next may be
/// tried.
struct Dialled {
    peer: Peer,
    link: Option<ClientId>,
    next: Instant,
}

impl From<Peer> for Dialled {
    fn from(peer: Peer) -> Self {
        Self { peer, link: None, next: Instant::ZERO }
    }
}

/// Takes what the machine decided into the registrar.
pub type Apply = Box<dyn FnMut(Entry) + Send>;

/// Hears whether the proxy has all that its peers know, and why not.
pub type Readiness = Box<dyn FnMut(bool, String) + Send>;

/// The link of one proxy.
pub struct ClusterLinkModule {
    name: String,
    machine: Registrations,
    homes: HomeLinks,
    /// Whether there are phones to tell of at once.
    tells_more: bool,
    port: Port,
    /// What the turn hears.
    heard: Vec<(ClientId, Heard)>,
    peers: Vec<Dialled>,
    inbox: Mailbox<Inbox>,
    out: Outbox<Action>,
    snapshot: Snapshot,
    timer: Instant,
    next_look: Instant,
    apply: Apply,
    readiness: Readiness,
    reported: Option<(bool, String)>,
}

impl ClusterLinkModule {
    /// A link that listens on a socket taken before.
    #[must_use]
    pub fn new(
        (options, homes): (Options, HomeSettings),
        (listener, tls): (socket2::Socket, Tls),
        peers: Vec<Peer>,
        inbox: Mailbox<Inbox>,
        snapshot: Snapshot,
        apply: Apply,
        readiness: Readiness,
    ) -> Self {
        let from = listener.local_addr().ok().and_then(|address| address.as_socket());
        let from = from.map(|address| address.ip()).filter(|ip| !ip.is_unspecified());
        Self {
            name: format!("{}-cluster", options.name),
            port: Port::over(&options.name, listener).secured(tls.clone()),
            heard: Vec::new(),
            machine: Registrations::new(options),
            homes: HomeLinks::new(homes, from, tls),
            tells_more: false,
            peers: peers.into_iter().map(Dialled::from).collect(),
            inbox,
            out: Outbox::new(ACTIONS_PER_EVENT_LEN_MAX),
            snapshot,
            timer: Instant::ZERO,
            next_look: Instant::ZERO,
            apply,
            readiness,
            reported: None,
        }
    }

    fn on(&mut self, event: Event, now: Instant) {
        self.machine.on(event, now, &mut self.out);
        let actions: Vec<Action> = self.out.drain().collect();
        for action in actions {
            match action {
                Action::Send { link, payload } => self.send(ClientId(link.0), &payload, now),
                Action::Apply(registration) => {
                    self.snapshot.changed = true;
                    (self.apply)(entry_of(registration, now));
                }
                Action::CloseLink { link, reason } => {
                    tracing::info!(node = %self.name, %reason, "link to a proxy closed");
                    self.port.end(ClientId(link.0), now);
                }
                Action::Arm(at) => self.timer = at,
            }
        }
    }

    /// A proxy that reads too slowly is cut; the machine hears of it in the next turn.
    fn send(&mut self, link: ClientId, payload: &[u8], now: Instant) {
        if self.port.backlog_len(link) + payload.len() > BACKLOG_LEN_MAX {
            return self.port.end(link, now);
        }
        self.port.send(link, framed(payload));
    }

    /// The other proxies from now on; what stands with one that stays, stays.
    fn know(&mut self, peers: Vec<Peer>) {
        let known = core::mem::take(&mut self.peers);
        let link_of = |id| known.iter().find(|dialled| dialled.peer.id == id)?.link;
        self.peers = peers
            .into_iter()
            .map(|peer| Dialled { link: link_of(peer.id), ..Dialled::from(peer) })
            .collect();
    }

    fn dial(&mut self, now: Instant) {
        for dialled in &mut self.peers {
            let Dialled { peer, link, next } = dialled;
            if now >= *next && link.is_none() && self.machine.should_dial(peer.id) {
                *next = now + REDIAL;
                *link = self.port.dial(None, peer.address, now).ok();
            }
        }
    }

    fn hear(&mut self, now: Instant) -> usize {
        let mut heard = core::mem::take(&mut self.heard);
        let work = self.port.read(now, &mut heard);
        for (id, what) in heard.drain(..) {
            let link = LinkId(id.0);
            let mut peers = self.peers.iter_mut();
            let dialled = peers.find(|dialled| dialled.link == Some(id));
            let event = match what {
                Heard::Connected(_) => {
                    Event::LinkUp { link, dialled: dialled.map(|dialled| dialled.peer.id) }
                }
                Heard::Frame(payload) => Event::Frame { link, payload },
                Heard::Gone(_) => {
                    if let Some(dialled) = dialled {
                        dialled.link = None;
                    }
                    Event::LinkDown { link }
                }
            };
            self.on(event, now);
        }
        self.heard = heard;
        work
    }

    fn report(&mut self, now: Instant) {
        let readiness = self.machine.ready(now);
        let is_reported = |(ready, reason): &(bool, String)| {
            *ready == readiness.ready && *reason == readiness.reason
        };
        if !self.reported.as_ref().is_some_and(is_reported) {
            let state = (readiness.ready, readiness.reason.into_owned());
            if readiness.ready && readiness.alone {
                tracing::warn!(node = %self.name, "no other proxy can be reached: serving from own registrations");
            }
            (self.readiness)(state.0, state.1.clone());
            self.reported = Some(state);
        }
    }
}

impl Module for ClusterLinkModule {
    fn name(&self) -> &str {
        &self.name
    }

    fn start(&mut self) {
        self.port.start();
        let entries = self.snapshot.read();
        if !entries.is_empty() {
            tracing::info!(node = %self.name, count = entries.len(), "registrations of before are back");
        }
        let now = self.snapshot.clock.now();
        for entry in entries {
            self.on(Event::Restored(entry), now);
        }
        self.snapshot.changed = false;
    }

    fn stop(&mut self) {
        if self.snapshot.changed || self.snapshot.under_way.is_some() {
            let (now, wall) = (self.snapshot.clock.now(), self.snapshot.clock.wall());
            self.snapshot.keeper.keep_now(&self.machine.snapshot_file(now, wall));
        }
    }

    fn turn(&mut self, now: Instant) -> usize {
        let mut batch = Vec::new();
        let mut work = self.inbox.take(&mut batch, TURN_BATCH_LEN);
        for message in batch {
            match message {
                Inbox::Changed(entry) => {
                    self.snapshot.changed = true;
                    self.on(Event::LocalChange(registration_of(entry)), now);
                }
                Inbox::Node(id, in_service) => {
                    let event = HomeEvent::InService(id, in_service);
                    self.homes.on(event, now, &self.machine);
                }
                Inbox::Peers(peers, homes) => {
                    self.homes.on(HomeEvent::Settings(homes), now, &self.machine);
                    self.on(Event::Peers(peers.iter().map(|peer| peer.id).collect()), now);
                    self.know(peers);
                }
            }
        }
        self.dial(now);
        work += self.hear(now);
        work += self.homes.turn(now, &self.machine);
        self.tells_more = self.homes.has_work(now);
        if now >= self.timer {
            self.timer = now + Duration::from_secs(1);
            self.on(Event::Timer, now);
        }
        self.port.flush();
        self.report(now);
        work += usize::from(self.snapshot.write(&self.machine, now));
        self.next_look = now + Duration::from_millis(100);
        work
    }

    fn has_work(&self) -> bool {
        !self.inbox.is_empty()
            || self.port.has_work()
            || self.snapshot.under_way.is_some()
            || self.tells_more
    }

    fn next_deadline(&self) -> Instant {
        let own = self.timer.min(self.next_look).min(self.port.next_deadline());
        own.min(self.homes.next_deadline())
    }

    fn set_waker(&mut self, waker: &Arc<ThreadWaker>) {
        self.inbox.set_waker(waker.clone());
        self.port.set_waker(waker.clone());
        self.homes.set_waker(waker.clone());
    }

    fn poll_io(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let ready = self.homes.poll(context).is_ready() | self.port.poll(context).is_ready();
        if ready { Poll::Ready(()) } else { Poll::Pending }
    }
}

fn registration_of(entry: Entry) -> Registration {
    let (contact, cseq, proxy, expires) = match entry {
        Entry::Put(Binding { contact, cseq, proxy, expires, .. }) => {
            (contact, cseq, proxy, expires)
        }
        Entry::Remove { contact, cseq, proxy, hold_until } => (contact, cseq, proxy, hold_until),
    };
    Registration { contact, cseq, proxy, version: 0, expires }
}

fn entry_of(registration: Registration, now: Instant) -> Entry {
    let Registration { contact, cseq, proxy, expires, .. } = registration;
    if contact.is_bound() {
        Entry::Put(Binding { contact, cseq, proxy, expires, updated: now })
    } else {
        Entry::Remove { contact, cseq, proxy, hold_until: expires }
    }
}
