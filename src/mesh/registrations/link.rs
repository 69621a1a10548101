//! One connection with another proxy: what has been sent, what has arrived.
//!
//! ```text
//!   dialler                         the other
//!      │── Hello(cursor) ──────────────▶│      cursor: what I have of you
//!      │◀─────────────── Hello(cursor) ─│
//!      │◀─ Resume, or Snapshot parts ──▶│      each side feeds the other
//!      │◀─ Live … ─────────────── Ack ─▶│
//!      │◀─ Digest every 10 s ──────────▶│      differs twice: Repair → Snapshot of buckets
//!      │◀─ Ping after 7 s of silence ──▶│      11 s of silence: closed
//! ```

use super::event::{Action, CloseReason, LinkId};
use super::log::Log;
use super::replica::{BUCKETS_LEN, Replica, Walk};
use super::{Bounds, DIGEST_INTERVAL_MS};
use crate::base::id::NodeId;
use crate::base::outbox::Outbox;
use crate::base::time::{Duration, Instant};
use crate::mesh::wire::{self, Body, Timebase, proto};
use std::collections::BTreeSet;

/// What one side has of the other: its changes of this epoch up to this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) epoch: u64,
    pub(super) sequence: u64,
}

/// A connection, from its start to its end.
#[derive(Debug)]
pub(super) struct Link {
    /// Whom we dialled; `None` where the other side dialled.
    pub(super) dialled: Option<NodeId>,
    pub(super) opened: Instant,
    /// When anything arrived last.
    pub(super) heard: Instant,
    /// Whether a Ping is out that nothing has arrived after.
    pub(super) pinged: bool,
    /// The cursor in our Hello.
    pub(super) offered: Option<Cursor>,
    /// What there is after both Hellos.
    pub(super) session: Option<Session>,
}

/// A connection whose two sides know each other.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) peer: NodeId,
    /// The peer's start epoch.
    pub(super) epoch: u64,
    pub(super) feed: Feed,
    pub(super) intake: Intake,
    pub(super) digest_due: Instant,
}

impl Session {
    pub(super) fn new(peer: NodeId, epoch: u64, now: Instant) -> Self {
        Self {
            peer,
            epoch,
            feed: Feed::default(),
            intake: Intake::new(),
            digest_due: now + Duration::from_millis(DIGEST_INTERVAL_MS),
        }
    }

    /// The other's digest; what is to be asked for, if anything.
    pub(super) fn on_digest(
        &mut self,
        theirs: &[u64],
        ours: &[u64],
    ) -> Result<Option<Body>, CloseReason> {
        let is_sending = self.feed.is_sending_snapshot();
        self.intake.on_digest(theirs, ours, is_sending)
    }
}

/// A snapshot on its way out.
#[derive(Debug)]
struct Outgoing {
    walk: Walk,
    baseline: u64,
    parts_sent: u64,
    parts_acked: u64,
}

/// What this side sends.
#[derive(Debug, Default)]
pub(super) struct Feed {
    /// Number of the live entry to send next.
    next: u64,
    /// Last live entry that the peer has.
    acked: u64,
    snapshot: Option<Outgoing>,
    snapshots: u64,
}

impl Feed {
    /// Starts after the Hellos: from the peer's cursor if the log still has all
    /// that follows it, else with a full snapshot.
    pub(super) fn start(&mut self, cursor: Option<Cursor>, epoch: u64, log: &Log) -> Option<Body> {
        let resumable = |cursor: &Cursor| {
            cursor.epoch == epoch
                && cursor.sequence <= log.last()
                && cursor.sequence + 1 >= log.first()
        };
        match cursor.filter(resumable) {
            Some(Cursor { sequence, .. }) => {
                self.next = sequence + 1;
                self.acked = sequence;
                Some(Body::Resume(proto::Resume { from: sequence, to: log.last() }))
            }
            None => {
                self.start_snapshot(Walk::full(), log);
                None
            }
        }
    }

    fn start_snapshot(&mut self, walk: Walk, log: &Log) {
        if walk.is_full() {
            self.next = log.last() + 1;
            self.acked = log.last();
        }
        self.snapshots += 1;
        self.snapshot =
            Some(Outgoing { walk, baseline: log.last(), parts_sent: 0, parts_acked: 0 });
    }

    /// A Repair: not while a snapshot is under way, the peer will ask again.
    pub(super) fn repair(&mut self, buckets: BTreeSet<u8>, log: &Log) {
        if self.snapshot.is_none() && !buckets.is_empty() {
            self.start_snapshot(Walk::buckets(buckets), log);
        }
    }

    pub(super) const fn is_sending_snapshot(&self) -> bool {
        self.snapshot.is_some()
    }

    /// Entries of the log that the peer has not confirmed.
    pub(super) const fn behind(&self, log: &Log) -> u64 {
        log.last().saturating_sub(self.acked)
    }

    pub(super) fn on_ack(&mut self, ack: &proto::Ack) -> Result<(), CloseReason> {
        if ack.sequence >= self.next {
            return Err(CloseReason::Sequence);
        }
        self.acked = self.acked.max(ack.sequence);
        if let Some(snapshot) = self.snapshot.as_mut().filter(|_| ack.snapshot == self.snapshots) {
            if ack.parts > snapshot.parts_sent {
                return Err(CloseReason::Sequence);
            }
            snapshot.parts_acked = snapshot.parts_acked.max(ack.parts);
        }
        Ok(())
    }

    /// Sends what the peer has room for.
    pub(super) fn pump(
        &mut self,
        link: LinkId,
        replica: &Replica,
        log: &Log,
        bounds: &Bounds,
        now: Instant,
        out: &mut Outbox<Action>,
    ) {
        if self.next < log.first() {
            // So far behind that the log has lost what comes next.
            self.start_snapshot(Walk::full(), log);
        }
        let mut send = |body| out.push(Action::Send { link, payload: wire::encode(body) });
        while let Some(snapshot) = &mut self.snapshot {
            if snapshot.parts_sent - snapshot.parts_acked >= bounds.parts_in_flight_max {
                break;
            }
            let (entries, last) = replica.walk(&mut snapshot.walk, bounds.entries_per_frame_max);
            let timebase = Timebase::Link { now };
            send(Body::Snapshot(proto::Snapshot {
                number: self.snapshots,
                part: snapshot.parts_sent,
                last,
                full: snapshot.walk.is_full(),
                baseline: snapshot.baseline,
                entries: entries.iter().map(|entry| wire::to_proto(entry, timebase)).collect(),
            }));
            snapshot.parts_sent += 1;
            if last {
                self.snapshot = None;
            }
        }
        loop {
            let in_flight = (self.next - 1).saturating_sub(self.acked);
            let room = usize::try_from(bounds.entries_in_flight_max.saturating_sub(in_flight))
                .unwrap_or(usize::MAX);
            let timebase = Timebase::Link { now };
            let entries: Vec<_> = log
                .from(self.next)
                .take(room.min(bounds.entries_per_frame_max))
                .map(|entry| wire::to_proto(entry, timebase))
                .collect();
            if entries.is_empty() {
                break;
            }
            let first_sequence = self.next;
            self.next += entries.len() as u64;
            send(Body::Live(proto::Live { first_sequence, entries }));
        }
    }
}

/// A snapshot on its way in.
#[derive(Clone, Copy, Debug)]
struct Incoming {
    number: u64,
    parts: u64,
    full: bool,
}

/// What arrives at this side.
#[derive(Debug)]
pub(super) struct Intake {
    /// Last live entry that has arrived; `None` before Resume or Snapshot.
    sequence: Option<u64>,
    /// The live entry that completes a Resume.
    target: Option<u64>,
    snapshot: Option<Incoming>,
    /// Snapshot and parts for the next Ack.
    received: (u64, u64),
    pub(super) caught_up: bool,
    unacked: u64,
    pub(super) ack_due: Instant,
    /// Per bucket: how many times running it has differed.
    differed: Vec<u8>,
}

impl Intake {
    fn new() -> Self {
        Self {
            sequence: None,
            target: None,
            snapshot: None,
            received: (0, 0),
            caught_up: false,
            unacked: 0,
            ack_due: Instant::NEVER,
            differed: vec![0; BUCKETS_LEN],
        }
    }

    /// What a later link may resume from; nothing while a full snapshot is not
    /// complete.
    pub(super) fn cursor(&self, epoch: u64) -> Option<Cursor> {
        if self.snapshot.is_some_and(|snapshot| snapshot.full) {
            return None;
        }
        self.sequence.map(|sequence| Cursor { epoch, sequence })
    }

    /// `offered` is the cursor of our Hello, if it was of the peer's epoch.
    pub(super) fn on_resume(
        &mut self,
        resume: &proto::Resume,
        offered: Option<Cursor>,
    ) -> Result<(), CloseReason> {
        let expected = self.sequence.is_none()
            && offered.is_some_and(|cursor| cursor.sequence == resume.from)
            && resume.to >= resume.from;
        if !expected {
            return Err(CloseReason::Sequence);
        }
        self.sequence = Some(resume.from);
        self.target = Some(resume.to);
        self.check_target();
        Ok(())
    }

    fn check_target(&mut self) {
        if self.target.is_some_and(|target| self.sequence >= Some(target)) {
            self.target = None;
            self.caught_up = true;
        }
    }

    /// Numbers must follow each other; `len` entries are then to be merged.
    pub(super) fn on_live(
        &mut self,
        first_sequence: u64,
        len: usize,
        bounds: &Bounds,
        now: Instant,
    ) -> Result<(), CloseReason> {
        let Some(sequence) =
            self.sequence.filter(|sequence| sequence.checked_add(1) == Some(first_sequence))
        else {
            return Err(CloseReason::Sequence);
        };
        let Some(sequence) = sequence.checked_add(len as u64).filter(|_| len > 0) else {
            return Err(CloseReason::Sequence);
        };
        self.sequence = Some(sequence);
        self.unacked += len as u64;
        let was_behind = !self.caught_up;
        self.check_target();
        if self.unacked >= bounds.entries_per_ack || was_behind {
            self.ack_due = now;
        } else if self.ack_due == Instant::NEVER {
            self.ack_due = now + Duration::from_millis(super::ACK_DELAY_MS);
        }
        Ok(())
    }

    pub(super) fn on_snapshot(
        &mut self,
        part: &proto::Snapshot,
        now: Instant,
    ) -> Result<(), CloseReason> {
        let replaces_full = self.snapshot.is_some_and(|held| held.full) && !part.full;
        let follows = |held: &Incoming| {
            held.number == part.number && held.parts == part.part && held.full == part.full
        };
        match self.snapshot {
            _ if part.part == 0 && !replaces_full => {
                if part.full {
                    self.sequence = Some(part.baseline);
                    self.target = None;
                    self.unacked = 0;
                    self.caught_up = false;
                }
                self.snapshot = Some(Incoming { number: part.number, parts: 1, full: part.full });
            }
            Some(held) if follows(&held) => {
                self.snapshot = Some(Incoming { parts: held.parts + 1, ..held })
            }
            Some(_) | None => return Err(CloseReason::Sequence),
        }
        self.received = (part.number, part.part.saturating_add(1));
        self.ack_due = now;
        if part.last {
            self.snapshot = None;
            self.caught_up |= part.full;
        }
        Ok(())
    }

    /// The Ack that is due by `now`, if any.
    pub(super) fn ack(&mut self, now: Instant) -> Option<Body> {
        if self.ack_due > now {
            return None;
        }
        self.ack_due = Instant::NEVER;
        self.unacked = 0;
        let (snapshot, parts) = self.received;
        Some(Body::Ack(proto::Ack { sequence: self.sequence.unwrap_or(0), snapshot, parts }))
    }

    /// Compares digests. A bucket that a change is under way to differs once; one
    /// that differs [`super::DIGEST_DIFFERENCES_MAX`] times running is asked for.
    pub(super) fn on_digest(
        &mut self,
        theirs: &[u64],
        ours: &[u64],
        is_sending_snapshot: bool,
    ) -> Result<Option<Body>, CloseReason> {
        if theirs.len() != ours.len() {
            return Err(CloseReason::Unusable(wire::WireError::Field("buckets")));
        }
        if !self.caught_up || self.snapshot.is_some() || is_sending_snapshot {
            self.differed.fill(0);
            return Ok(None);
        }
        let mut buckets = Vec::new();
        for (bucket, differed) in (0..).zip(&mut self.differed) {
            let at = bucket as usize;
            *differed = if theirs.get(at) == ours.get(at) { 0 } else { *differed + 1 };
            if *differed >= super::DIGEST_DIFFERENCES_MAX {
                *differed = 0;
                buckets.push(bucket);
            }
        }
        Ok((!buckets.is_empty()).then_some(Body::Repair(proto::Repair { buckets })))
    }
}
