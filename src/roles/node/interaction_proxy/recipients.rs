//! Who has which events: recipients of calls, what each has had, and what is kept for it.

use super::kept::{Head, Life, Restored};
use crate::base::limits::{
    RECIPIENT_HAD_LEN_MAX, RECIPIENT_KEPT_LEN_MAX, RECIPIENT_KEPT_TIME, RECIPIENT_QUEUE_LEN_MAX,
    RECIPIENTS_KEPT_LEN_MAX, RECIPIENTS_MAX,
};
use crate::base::time::{Duration, Instant, WallTime};
use crate::cti::refusal::Refusal;
use crate::cti::tlib::{Cursor, EncodedEvent, ErrorCode, EventType};
use crate::modules::t_library::port::ClientId;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A recipient, for as long as the process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RecipientId(pub(super) u32);

/// Who a client is there for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Collector {
    /// ClusterName: each has every call.
    pub(super) cluster: Box<str>,
    /// ClusterNode: of one name, one has it.
    pub(super) node: Box<str>,
}

/// An event of a recipient that is kept.
#[derive(Clone, Debug)]
struct Kept {
    at: Instant,
    kind: EventType,
    event: EncodedEvent,
    /// Its connection did not want it, when it was to be given.
    is_masked: bool,
}

/// Numbers between two words about what is not kept any more.
const TRIM_STEP: u64 = 16_384;

/// One that has calls.
#[derive(Clone, Debug)]
pub(super) struct Recipient {
    pub(super) collector: Collector,
    /// ApplicationName: no other takes its place.
    application: Box<str>,
    /// Its connection, while it is there and monitors.
    pub(super) client: Option<ClientId>,
    /// When it is looked at again whether its connection has room.
    pub(super) look_at: Option<Instant>,
    /// Since when its connection has had no room.
    pub(super) stalled: Option<Instant>,
    /// Since when it is away.
    away: Option<Instant>,
    /// Number of its last event.
    seq: u64,
    /// Number of the last event that its connection was given.
    given: u64,
    kept: VecDeque<Kept>,
    kept_len: usize,
    /// Earlier starts of the node in which it was there.
    lives: Vec<Life>,
    /// What was told of the first number that is kept.
    trimmed: u64,
    /// What the disk knows of what it was given.
    given_on_disk: Option<u64>,
    /// Number of the last event of earlier starts.
    restored: u64,
}

/// What a connection is to be given next.
#[derive(Clone, Debug)]
pub(super) enum Next {
    /// An event.
    Event(EventType, EncodedEvent),
    /// The events from the one after this number on are not kept any more; whether all
    /// that has been since this process began is.
    Gap(u64, bool),
    /// Nothing.
    Nothing,
}

impl Recipient {
    /// The number of its last event.
    pub(super) const fn last_seq(&self) -> u64 {
        self.seq
    }

    /// The number of its next event.
    pub(super) const fn next_seq(&self) -> u64 {
        self.seq + 1
    }

    /// Keeps its next event; gives by how much more bytes are kept, or less.
    fn keep(
        &mut self,
        kind: EventType,
        event: EncodedEvent,
        now: Instant,
        room_len: usize,
    ) -> isize {
        let before = self.kept_len;
        self.seq += 1;
        self.kept_len += kept_len(&event);
        self.kept.push_back(Kept { at: now, kind, event, is_masked: false });
        while let Some(first) = self.kept.front() {
            let is_old = now.since(first.at) >= RECIPIENT_KEPT_TIME;
            // What it has had is kept for a cursor that comes with the next connection.
            let is_had = self.first() <= self.given && self.kept_len > RECIPIENT_HAD_LEN_MAX;
            let is_much = self.kept_len > RECIPIENT_KEPT_LEN_MAX.min(before + room_len);
            if !is_old && !is_had && !is_much {
                break;
            }
            self.kept_len -= kept_len(&first.event);
            self.kept.pop_front();
        }
        self.kept_len.cast_signed() - before.cast_signed()
    }

    /// Its number up to which a cursor says that it has had everything; `None` where the
    /// cursor is of another time.
    pub(super) fn position_of(&self, cursor: &Cursor, epoch: u32) -> Option<u64> {
        if cursor.epoch == epoch {
            return Some(cursor.seq).filter(|seq| *seq <= self.seq);
        }
        let life = self.lives.iter().find(|life| life.epoch == cursor.epoch)?;
        // What it has had beyond what was kept is not told again.
        Some(cursor.seq.min(life.last))
    }

    /// It needs nothing any more up to that number; gives the bytes that are free.
    fn acknowledge(&mut self, seq: u64) -> usize {
        let before = self.kept_len;
        while self.first() <= seq.min(self.given)
            && let Some(first) = self.kept.pop_front()
        {
            self.kept_len -= kept_len(&first.event);
        }
        before - self.kept_len
    }

    /// The first number that is kept, where that is worth telling.
    pub(super) fn trim(&mut self) -> Option<u64> {
        let first = self.first();
        if first < self.trimmed + TRIM_STEP {
            return None;
        }
        self.trimmed = first;
        Some(first)
    }

    /// What is left of it on disk besides its events.
    pub(super) fn head(&self, epoch: u32) -> Head {
        Head {
            collector: self.collector.clone(),
            application: self.application.clone(),
            epoch,
            lives: self.lives.clone(),
        }
    }

    /// Its connection is gone with so many bytes that it has not been written: these were
    /// not given.
    pub(super) fn take_back(&mut self, mut len: usize) {
        while len > 0 && self.given >= self.first() && self.given > 0 {
            let place = usize::try_from(self.given - self.first()).unwrap_or(usize::MAX);
            let Some(kept) = self.kept.get(place) else { return };
            if !kept.is_masked {
                // As the port counts what waits.
                len = len.saturating_sub(kept.event.len() + size_of::<Bytes>());
            }
            self.given -= 1;
        }
    }

    /// Whether its connection has wanted what it was to be given last.
    pub(super) fn note_wanted(&mut self, is_wanted: bool) {
        let place = usize::try_from(self.given.saturating_sub(self.first())).ok();
        if let Some(kept) = place.and_then(|place| self.kept.get_mut(place)) {
            kept.is_masked = !is_wanted;
        }
    }

    /// What is kept of what its connection was not given.
    pub(super) fn not_given(&self) -> impl Iterator<Item = &EncodedEvent> {
        let first = self.first();
        let numbered = self.kept.iter().zip(first..);
        numbered.filter(|(_, number)| *number > self.given).map(|(kept, _)| &kept.event)
    }

    /// Number of the first event that is kept.
    fn first(&self) -> u64 {
        self.seq + 1 - self.kept.len() as u64
    }

    /// What its connection is to be given next; it counts as given.
    pub(super) fn next(&mut self) -> Next {
        if self.given >= self.seq {
            return Next::Nothing;
        }
        let first = self.first();
        if self.given + 1 < first {
            // What is not kept is lost to it, with all that was before what comes anew.
            let gap = self.given;
            let is_of_before = gap < self.restored && first <= self.restored + 1;
            self.given = if is_of_before { self.restored } else { self.seq };
            return Next::Gap(gap, is_of_before);
        }
        let place = usize::try_from(self.given + 1 - first).unwrap_or(usize::MAX);
        let Some(kept) = self.kept.get(place) else { return Next::Nothing };
        self.given += 1;
        Next::Event(kept.kind, kept.event.clone())
    }

    /// What the disk is to know anew of what it was given.
    #[expect(clippy::option_option, reason = "that it was given all is something to know")]
    pub(super) fn given_anew(&mut self) -> Option<Option<u64>> {
        let given = (self.client.is_none() || self.has_more()).then_some(self.given);
        (core::mem::replace(&mut self.given_on_disk, given) != given).then_some(given)
    }

    /// Whether its connection has not been given all.
    pub(super) const fn has_more(&self) -> bool {
        self.given < self.seq
    }

    /// The client comes back, with the number of the last event that it has had.
    pub(super) fn go_on_from(&mut self, seq: u64) {
        self.given = seq.min(self.seq);
    }
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Recipients {
    all: BTreeMap<RecipientId, Recipient>,
    by_name: BTreeMap<Collector, RecipientId>,
    /// Calls that each ClusterName has had, for the turns of its ClusterNodes.
    turns: BTreeMap<Box<str>, usize>,
    last: u32,
    /// Bytes that are kept for all of them.
    kept_len: usize,
    /// The greatest number of those that are forgotten: a cursor of an earlier life is
    /// none of a later one.
    floor: u64,
}

impl Recipients {
    /// One by its number.
    pub(super) fn get(&mut self, id: RecipientId) -> Option<&mut Recipient> {
        self.all.get_mut(&id)
    }

    /// The numbers of all.
    pub(super) fn ids(&self) -> Vec<RecipientId> {
        self.all.keys().copied().collect()
    }

    /// That number is taken.
    pub(super) fn reserve(&mut self, id: u32) {
        self.last = self.last.max(id);
    }

    /// One that an earlier process has left: it is away, and what was kept for it is.
    pub(super) fn restore(&mut self, left: Restored, now: Instant, wall: WallTime) -> RecipientId {
        let Restored { id, head, seq, given, events, ends: _ } = left;
        self.last = self.last.max(id);
        let id = RecipientId(id);
        let age = |at_ms: u64| Duration::from_millis(wall.0.saturating_sub(at_ms));
        let kept: VecDeque<Kept> = events
            .into_iter()
            .map(|old| Kept {
                at: before(now, age(old.at_ms)),
                kind: old.kind,
                event: old.event,
                is_masked: false,
            })
            .collect();
        let kept_len = kept.iter().map(|kept| kept_len(&kept.event)).sum();
        self.kept_len += kept_len;
        self.by_name.insert(head.collector.clone(), id);
        self.turns.entry(head.collector.cluster.clone()).or_default();
        let recipient = Recipient {
            collector: head.collector,
            application: head.application,
            client: None,
            look_at: None,
            stalled: None,
            away: Some(now),
            seq,
            given,
            kept,
            kept_len,
            lives: head.lives,
            trimmed: 0,
            given_on_disk: None,
            restored: seq,
        };
        self.all.insert(id, recipient);
        id
    }

    /// One needs nothing any more up to that number.
    pub(super) fn acknowledge(&mut self, id: RecipientId, seq: u64) {
        let freed = self.all.get_mut(&id).map_or(0, |recipient| recipient.acknowledge(seq));
        self.kept_len = self.kept_len.saturating_sub(freed);
    }

    /// Keeps the next event of one.
    pub(super) fn keep(
        &mut self,
        id: RecipientId,
        (kind, event): (EventType, EncodedEvent),
        now: Instant,
    ) {
        let room_len = RECIPIENTS_KEPT_LEN_MAX.saturating_sub(self.kept_len);
        if let Some(recipient) = self.all.get_mut(&id) {
            let more = recipient.keep(kind, event, now, room_len);
            self.kept_len = self.kept_len.saturating_add_signed(more);
        }
    }

    /// The recipient that a collector is, if it is known.
    pub(super) fn find(&self, collector: &Collector) -> Option<RecipientId> {
        self.by_name.get(collector).copied()
    }

    /// Whether nobody of that ClusterName is known.
    pub(super) fn is_first(&self, cluster: &str) -> bool {
        !self.turns.contains_key(cluster)
    }

    /// A collector begins to monitor: its recipient, and the connection that had it until
    /// now.
    ///
    /// # Errors
    /// When there are too many.
    pub(super) fn begin(
        &mut self,
        collector: &Collector,
        application: &str,
        client: ClientId,
    ) -> Result<(RecipientId, Option<ClientId>), Refusal> {
        let known = self.find(collector);
        let is_anothers =
            |id| self.all.get(&id).is_some_and(|one| *one.application != *application);
        if known.is_some_and(is_anothers) {
            let text = "another application is that ClusterNode of that ClusterName";
            return Err(Refusal::new(ErrorCode::ErrorResourceSeized, text));
        }
        let id = match known {
            Some(id) => id,
            None if self.all.len() >= RECIPIENTS_MAX => {
                let text = format!("{RECIPIENTS_MAX} collectors are known, which is the limit");
                return Err(Refusal::new(ErrorCode::ErrorNoLicense, text));
            }
            None => {
                self.last += 1;
                let id = RecipientId(self.last);
                let recipient = Recipient {
                    collector: collector.clone(),
                    application: application.into(),
                    client: None,
                    look_at: None,
                    stalled: None,
                    away: None,
                    seq: self.floor,
                    given: self.floor,
                    kept: VecDeque::new(),
                    kept_len: 0,
                    lives: Vec::new(),
                    trimmed: self.floor,
                    given_on_disk: None,
                    restored: 0,
                };
                self.all.insert(id, recipient);
                self.by_name.insert(collector.clone(), id);
                self.turns.entry(collector.cluster.clone()).or_default();
                id
            }
        };
        let before = self.all.get_mut(&id).and_then(|recipient| {
            (recipient.away, recipient.look_at, recipient.stalled) = (None, None, None);
            recipient.client.replace(client)
        });
        Ok((id, before.filter(|before| *before != client)))
    }

    /// A client is gone, with bytes that it was not written: they are kept for it, and what
    /// happens now. Gives the recipient that it was.
    pub(super) fn lose(
        &mut self,
        collector: &Collector,
        client: ClientId,
        unwritten_len: usize,
        now: Instant,
    ) -> Option<RecipientId> {
        let id = self.find(collector)?;
        let recipient = self.all.get_mut(&id)?;
        if recipient.client != Some(client) {
            return None;
        }
        recipient.client = None;
        recipient.away = Some(now);
        recipient.take_back(unwritten_len);
        Some(id)
    }

    /// A collector wants no more of it.
    pub(super) fn leave(&mut self, collector: &Collector) -> Option<RecipientId> {
        let id = self.by_name.remove(collector)?;
        if let Some(gone) = self.all.remove(&id) {
            self.kept_len = self.kept_len.saturating_sub(gone.kept_len);
            self.floor = self.floor.max(gone.seq);
        }
        let is_last = !self.by_name.keys().any(|other| other.cluster == collector.cluster);
        if is_last {
            self.turns.remove(&collector.cluster);
        }
        Some(id)
    }

    /// Those who have stayed away too long.
    pub(super) fn away_too_long(&self, now: Instant) -> Vec<Collector> {
        let is_gone = |recipient: &&Recipient| {
            recipient.away.is_some_and(|since| now.since(since) >= RECIPIENT_KEPT_TIME)
        };
        let gone = self.all.values().filter(is_gone);
        gone.map(|recipient| recipient.collector.clone()).collect()
    }

    /// Whose a new call is: one of each ClusterName, in turn; one that is connected, if any
    /// is.
    pub(super) fn choose(&mut self) -> Vec<RecipientId> {
        let (all, turns) = (&self.all, &mut self.turns);
        turns.iter_mut().filter_map(|(cluster, turn)| next_of(all, cluster, turn)).collect()
    }

    /// Whose the next call is among those of a ClusterName.
    pub(super) fn choose_of(&mut self, cluster: &str) -> Option<RecipientId> {
        next_of(&self.all, cluster, self.turns.get_mut(cluster)?)
    }

    /// Those whose application is not served any more, where another of their ClusterName is.
    pub(super) fn unserved(&self, is_served: impl Fn(&str) -> bool) -> Vec<RecipientId> {
        let is_one = |one: &&Recipient| is_served(&one.application);
        let served: BTreeSet<&str> =
            self.all.values().filter(is_one).map(|one| &*one.collector.cluster).collect();
        let unserved = self.all.iter().filter(|(_, one)| {
            !is_served(&one.application) && served.contains(&*one.collector.cluster)
        });
        unserved.map(|(id, _)| *id).collect()
    }
}

fn next_of(
    all: &BTreeMap<RecipientId, Recipient>,
    cluster: &str,
    turn: &mut usize,
) -> Option<RecipientId> {
    let of_cluster = || {
        let own = all.iter().filter(|(_, one)| *one.collector.cluster == *cluster);
        own.map(|(id, one)| (*id, one.client.is_some()))
    };
    let here = of_cluster().filter(|(_, is_here)| *is_here).count();
    let count = if here > 0 { here } else { of_cluster().count() };
    let mut fit = of_cluster().filter(|(_, is_here)| *is_here || here == 0);
    let place = turn.checked_rem(count)?;
    *turn = turn.wrapping_add(1);
    fit.nth(place).map(|(id, _)| id)
}

/// That long ago, or as long ago as the clock goes.
fn before(now: Instant, age: Duration) -> Instant {
    Instant(now.0.saturating_sub(u64::try_from(age.as_nanos()).unwrap_or(u64::MAX)))
}

/// Bytes that an event takes where it is kept.
fn kept_len(event: &EncodedEvent) -> usize {
    event.len() + size_of::<Kept>()
}

/// Whether so much may wait for a connection that more is to wait there.
pub(super) const fn has_room(backlog_len: usize) -> bool {
    backlog_len < RECIPIENT_QUEUE_LEN_MAX
}
