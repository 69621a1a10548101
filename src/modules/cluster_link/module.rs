//! The turn of the link: listener, connections, the machine.

use super::home_links::HomeLinks;
use super::inbox::Inbox;
use crate::base::frames::{FrameReader, length_prefix};
use crate::base::id::NodeId;
use crate::base::limits::{CONNECT_TIME, TURN_BATCH_LEN};
use crate::base::outbox::Outbox;
use crate::base::time::{Duration, Instant};
use crate::mesh::homes::{Event as HomeEvent, Settings as HomeSettings};
use crate::mesh::registrations::{
    ACTIONS_PER_EVENT_LEN_MAX, Action, Event, LinkId, Options, Registration, Registrations,
    SnapshotFile, read_snapshot_file,
};
use crate::runtime::clock::Clock;
use crate::runtime::file::Keeper;
use crate::runtime::mailbox::Inbox as Mailbox;
use crate::runtime::module::Module;
use crate::runtime::waker::ThreadWaker;
use crate::sip::registrar::{Binding, Entry};
use bytes::{Buf, BytesMut};
use core::net::SocketAddr;
use core::task::{Context, Poll};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};

/// Time between two tries to reach a peer.
const REDIAL: Duration = Duration::from_millis(500);
/// Time between two snapshots on disk.
const SNAPSHOT_INTERVAL: Duration = Duration::from_secs(20);
/// Parts of a snapshot that one turn makes, each of at most 128 registrations.
const SNAPSHOT_PARTS_PER_TURN: usize = 4;
/// Bytes that may wait on one link before it is cut.
const BACKLOG_LEN_MAX: usize = 8 << 20;
/// Bytes that one read takes.
const READ_LEN: usize = 16 * 1024;

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

struct Link {
    socket: TcpStream,
    dialled: Option<NodeId>,
    connected: bool,
    opened: Instant,
    reader: FrameReader,
    backlog: BytesMut,
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
    listener: Result<TcpListener, Option<socket2::Socket>>,
    peers: Vec<(Peer, Instant)>,
    links: BTreeMap<LinkId, Link>,
    next_link: u64,
    inbox: Mailbox<Inbox>,
    accepted: Vec<TcpStream>,
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
        listener: socket2::Socket,
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
            machine: Registrations::new(options),
            homes: HomeLinks::new(homes, from),
            tells_more: false,
            listener: Err(Some(listener)),
            peers: peers.into_iter().map(|peer| (peer, Instant::ZERO)).collect(),
            links: BTreeMap::new(),
            next_link: 1,
            inbox,
            accepted: Vec::new(),
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
                Action::Send { link, payload } => self.send(link, &payload),
                Action::Apply(registration) => {
                    self.snapshot.changed = true;
                    (self.apply)(entry_of(registration, now));
                }
                Action::CloseLink { link, reason } => {
                    if self.links.remove(&link).is_some() {
                        tracing::info!(node = %self.name, %reason, "link to a proxy closed");
                    }
                }
                Action::Arm(at) => self.timer = at,
            }
        }
    }

    fn send(&mut self, link: LinkId, payload: &[u8]) {
        let Some(found) = self.links.get_mut(&link) else { return };
        if found.backlog.len() + payload.len() > BACKLOG_LEN_MAX {
            // The machine hears of it when the connection is cut at the next turn.
            found.opened = Instant::ZERO;
            found.connected = false;
            return;
        }
        found.backlog.extend_from_slice(&length_prefix(payload.len()));
        found.backlog.extend_from_slice(payload);
    }

    fn add(&mut self, socket: TcpStream, dialled: Option<NodeId>, now: Instant) {
        let id = LinkId(self.next_link);
        self.next_link += 1;
        let _ = socket.set_nodelay(true);
        let connected = dialled.is_none();
        let link = Link {
            socket,
            dialled,
            connected,
            opened: now,
            reader: FrameReader::new(),
            backlog: BytesMut::new(),
        };
        self.links.insert(id, link);
        if connected {
            self.on(Event::LinkUp { link: id, dialled: None }, now);
        }
    }

    fn dial(&mut self, now: Instant) {
        for index in 0..self.peers.len() {
            let (peer, next) = self.peers[index];
            let dialling = self.links.iter().any(|(_, link)| link.dialled == Some(peer.id));
            if now < next || dialling || !self.machine.should_dial(peer.id) {
                continue;
            }
            self.peers[index].1 = now + REDIAL;
            if let Ok(socket) = connect(peer.address) {
                self.add(socket, Some(peer.id), now);
            }
        }
    }

    fn turn_links(&mut self, now: Instant) -> usize {
        let ids: Vec<LinkId> = self.links.keys().copied().collect();
        let mut work = 0;
        for id in ids {
            match self.turn_link(id, now) {
                Some(done) => work += done,
                None => {
                    let known = self
                        .links
                        .remove(&id)
                        .is_some_and(|link| link.connected || link.dialled.is_none());
                    if known {
                        self.on(Event::LinkDown { link: id }, now);
                    }
                }
            }
        }
        work
    }

    /// Work done, or `None` when the connection is over.
    fn turn_link(&mut self, id: LinkId, now: Instant) -> Option<usize> {
        let link = self.links.get_mut(&id)?;
        let mut work = 0;
        if !link.connected {
            if link.socket.take_error().ok().flatten().is_some()
                || now.since(link.opened) > CONNECT_TIME
            {
                return None;
            }
            if link.socket.peer_addr().is_err() {
                return Some(0);
            }
            link.connected = true;
            let dialled = link.dialled;
            self.on(Event::LinkUp { link: id, dialled }, now);
            work += 1;
        }
        let mut frames = Vec::new();
        let link = self.links.get_mut(&id)?;
        let mut buffer = [0; READ_LEN];
        loop {
            match link.socket.try_read(&mut buffer) {
                Ok(0) => return None,
                Ok(length) => {
                    work += 1;
                    link.reader.push(&buffer[..length]);
                    while let Some(frame) = link.reader.next_frame().ok()? {
                        frames.push(frame);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return None,
            }
        }
        for payload in frames {
            self.on(Event::Frame { link: id, payload }, now);
        }
        Some(work)
    }

    fn flush(&mut self) -> usize {
        let mut work = 0;
        for link in self.links.values_mut() {
            while link.connected && !link.backlog.is_empty() {
                match link.socket.try_write(&link.backlog) {
                    Ok(written) => {
                        work += 1;
                        link.backlog.advance(written);
                    }
                    Err(_) => break,
                }
            }
        }
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
        if let Err(Some(listener)) = core::mem::replace(&mut self.listener, Err(None)) {
            match TcpListener::from_std(listener.into()) {
                Ok(listener) => self.listener = Ok(listener),
                Err(error) => {
                    tracing::error!(node = %self.name, %error, "cluster port cannot be used")
                }
            }
        }
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
        let mut work = self.accepted.len();
        for socket in core::mem::take(&mut self.accepted) {
            self.add(socket, None, now);
        }
        let mut batch = Vec::new();
        work += self.inbox.take(&mut batch, TURN_BATCH_LEN);
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
                    self.peers = peers.into_iter().map(|peer| (peer, Instant::ZERO)).collect();
                }
            }
        }
        self.dial(now);
        work += self.turn_links(now);
        work += self.homes.turn(now, &self.machine);
        self.tells_more = self.homes.has_work(now);
        if now >= self.timer {
            self.timer = now + Duration::from_secs(1);
            self.on(Event::Timer, now);
        }
        work += self.flush();
        self.report(now);
        work += usize::from(self.snapshot.write(&self.machine, now));
        self.next_look = now + Duration::from_millis(100);
        work
    }

    fn has_work(&self) -> bool {
        !self.inbox.is_empty()
            || !self.accepted.is_empty()
            || self.snapshot.under_way.is_some()
            || self.tells_more
    }

    fn next_deadline(&self) -> Instant {
        self.timer.min(self.next_look).min(self.homes.next_deadline())
    }

    fn set_waker(&mut self, waker: &Arc<ThreadWaker>) {
        self.inbox.set_waker(waker.clone());
        self.homes.set_waker(waker.clone());
    }

    fn poll_io(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut ready = self.homes.poll(context).is_ready();
        if let Ok(listener) = &self.listener {
            while let Poll::Ready(Ok((socket, _))) = listener.poll_accept(context) {
                self.accepted.push(socket);
                ready = true;
            }
        }
        for link in self.links.values() {
            ready |= link.connected && link.socket.poll_read_ready(context).is_ready();
            let wants = !link.connected || !link.backlog.is_empty();
            ready |= wants && link.socket.poll_write_ready(context).is_ready();
        }
        if ready { Poll::Ready(()) } else { Poll::Pending }
    }
}

fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket =
        socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // The connection is made while others work; its outcome is seen later.
    let _ = socket.connect(&address.into());
    TcpStream::from_std(socket.into())
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
