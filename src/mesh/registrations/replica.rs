//! What one proxy knows of all registrations, in a form that comes out equal at
//! every proxy whatever the order in which entries arrive.
//!
//! Per (address-of-record, contact) there is one record for each Call-ID:
//!
//! - of two entries of one Call-ID the higher CSeq stays (then the higher Lamport
//!   version, then the higher proxy), as RFC 3261 10.3 step 7 has it;
//! - among the Call-IDs the record of the highest version counts (then proxy,
//!   then Call-ID): the winner.
//!
//! Both are maxima of total orders, so merging is commutative, associative and
//! idempotent. One rule for both, "CSeq if the Call-IDs are equal, else version",
//! would not be: it can go round in a circle of three.
//!
//! A record that has lost is kept until its own time is up, and the winner as long
//! as any of them, also when it has expired or says *removed*: else a record that
//! it has beaten would count again.

use super::{Registration, State};
use crate::base::id::NodeId;
use crate::base::time::Instant;
use siphasher::sip::SipHasher13;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher as _;
use std::ops::Bound as Limit;
use std::sync::Arc;

/// Parts of the digest; a key belongs to the bucket that the top bits of its hash
/// say.
pub(crate) const BUCKETS_LEN: usize = 256;
/// Call-IDs that one contact remembers; the lowest ranked is dropped beyond.
pub(crate) const CALL_IDS_PER_CONTACT_LEN_MAX: usize = 8;
/// Contacts that one replica holds, removed ones included.
pub(crate) const CONTACTS_LEN_MAX: usize = 4_000_000;
/// Deadlines that one turn of the timer looks at.
pub(crate) const DEADLINES_PER_TURN_MAX: usize = 1_024;

/// Changes that one start epoch counts before it runs into the next.
const EPOCH_SHIFT: u32 = 32;
const EPOCH_MAX: u64 = 1 << 30;
const BUCKET_SHIFT: u32 = u64::BITS - BUCKETS_LEN.trailing_zeros();

/// Which contact of which address-of-record. Ordered by hash, so by bucket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    hash: u64,
    aor: Arc<str>,
    contact: Arc<str>,
}

impl Key {
    fn of(entry: &Registration) -> Self {
        let hash = hash_of(&[entry.aor.as_bytes(), entry.contact.as_bytes()]);
        Self { hash, aor: entry.aor.clone(), contact: entry.contact.clone() }
    }

    /// Not after any key of this hash or a higher one.
    fn first_of(hash: u64) -> Self {
        Self { hash, aor: Arc::default(), contact: Arc::default() }
    }

    const fn bucket(&self) -> usize {
        (self.hash >> BUCKET_SHIFT) as usize
    }
}

/// The same in every process and every release: digests compare it.
fn hash_of(parts: &[&[u8]]) -> u64 {
    let mut hasher = SipHasher13::new();
    for part in parts {
        hasher.write(&(part.len() as u64).to_le_bytes());
        hasher.write(part);
    }
    hasher.finish()
}

#[derive(Clone, Debug)]
struct Record {
    call_id: Arc<str>,
    cseq: u32,
    proxy: NodeId,
    version: u64,
    expires: Instant,
    state: State,
}

impl Record {
    /// All that tells two entries of one Call-ID apart; that a removal is above a
    /// binding matters for nothing but a total order.
    fn rank_in_call(&self) -> (u32, u64, NodeId, bool) {
        (self.cseq, self.version, self.proxy, matches!(self.state, State::Removed))
    }

    fn rank(&self) -> (u64, NodeId, &str) {
        (self.version, self.proxy, &self.call_id)
    }

    fn entry(&self, key: &Key) -> Registration {
        Registration {
            aor: key.aor.clone(),
            contact: key.contact.clone(),
            call_id: self.call_id.clone(),
            cseq: self.cseq,
            version: self.version,
            proxy: self.proxy,
            expires: self.expires,
            state: self.state.clone(),
        }
    }

    fn is_live(&self, now: Instant) -> bool {
        match self.state {
            State::Bound(_) => self.expires > now,
            State::Removed => false,
        }
    }

    /// Expiry and content stay out: the one is local, the other follows from the
    /// request that these name.
    fn digest(&self, key: &Key) -> u64 {
        hash_of(&[
            &key.hash.to_le_bytes(),
            self.call_id.as_bytes(),
            &self.cseq.to_le_bytes(),
            &self.version.to_le_bytes(),
            &self.proxy.get().to_le_bytes(),
        ])
    }
}

/// The records of one contact.
#[derive(Clone, Debug)]
struct Cell {
    winner: Record,
    /// One per other Call-ID, best first.
    beaten: Vec<Record>,
    /// What the digest counts for it; zero while nothing is live.
    counted: u64,
    due: Instant,
}

impl Cell {
    fn records(&self) -> impl Iterator<Item = &Record> {
        core::iter::once(&self.winner).chain(&self.beaten)
    }

    /// Takes a record in; false if it changes nothing.
    fn merge(&mut self, record: Record) -> bool {
        if self.beaten.is_empty() && self.winner.call_id == record.call_id {
            let taken = self.winner.rank_in_call() < record.rank_in_call();
            if taken {
                self.winner = record;
            }
            return taken;
        }
        let mut all = core::mem::take(&mut self.beaten);
        all.insert(0, self.winner.clone());
        let mut taken = true;
        match all.iter_mut().find(|held| held.call_id == record.call_id) {
            Some(held) if held.rank_in_call() < record.rank_in_call() => *held = record,
            Some(_) => taken = false,
            None => all.push(record),
        }
        all.sort_unstable_by(|one, other| other.rank().cmp(&one.rank()));
        all.truncate(CALL_IDS_PER_CONTACT_LEN_MAX);
        self.winner = all.remove(0);
        self.beaten = all;
        taken
    }

    fn last_expiry(&self) -> Instant {
        self.beaten.iter().map(|record| record.expires).fold(self.winner.expires, Instant::max)
    }
}

/// A walk over the replica, whole or over some buckets, in parts.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    after: Option<Key>,
    buckets: Option<BTreeSet<u8>>,
}

impl Walk {
    /// Over everything.
    pub(super) const fn full() -> Self {
        Self { after: None, buckets: None }
    }

    /// Over these buckets.
    pub(super) const fn buckets(buckets: BTreeSet<u8>) -> Self {
        Self { after: None, buckets: Some(buckets) }
    }

    pub(super) const fn is_full(&self) -> bool {
        self.buckets.is_none()
    }

    /// Where a key at `at` that is not walked over sends the walk on to.
    fn skip(&self, at: &Key) -> Skip {
        let Some(buckets) = &self.buckets else { return Skip::Here };
        let Ok(bucket) = u8::try_from(at.bucket()) else { return Skip::End };
        match buckets.range(bucket..).next() {
            Some(next) if *next == bucket => Skip::Here,
            Some(next) => Skip::To(Key::first_of(u64::from(*next) << BUCKET_SHIFT)),
            None => Skip::End,
        }
    }
}

enum Skip {
    Here,
    To(Key),
    End,
}

/// All registrations of the cluster as one proxy knows them.
#[derive(Debug)]
pub(super) struct Replica {
    cells: BTreeMap<Key, Cell>,
    /// By (when, hash): hashes rather than keys, for their size.
    deadlines: BTreeSet<(Instant, u64)>,
    digest: Vec<u64>,
    clock: u64,
}

impl Replica {
    /// An empty replica of a proxy in this start epoch. The Lamport clock starts
    /// above all that an earlier start counted alone: a proxy that restarts and
    /// reaches nobody must not fall behind itself.
    pub(super) fn new(epoch: u64) -> Self {
        let clock = epoch.min(EPOCH_MAX) << EPOCH_SHIFT;
        Self {
            cells: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            digest: vec![0; BUCKETS_LEN],
            clock,
        }
    }

    /// The Lamport clock: not below any version seen.
    pub(super) const fn clock(&self) -> u64 {
        self.clock
    }

    pub(super) fn observe_clock(&mut self, clock: u64) {
        self.clock = self.clock.max(clock);
    }

    /// A version higher than all seen.
    pub(super) const fn next_version(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// Takes an entry in and tells whether another record counts for its contact
    /// than before.
    pub(super) fn merge(&mut self, entry: &Registration, now: Instant) -> bool {
        self.observe_clock(entry.version);
        let key = Key::of(entry);
        let record = Record {
            call_id: entry.call_id.clone(),
            cseq: entry.cseq,
            proxy: entry.proxy,
            version: entry.version,
            expires: entry.expires,
            state: entry.state.clone(),
        };
        let is_full = self.cells.len() >= CONTACTS_LEN_MAX;
        let changed = match self.cells.get_mut(&key) {
            Some(cell) => {
                let before = cell.winner.digest(&key);
                if !cell.merge(record) {
                    return false;
                }
                before != cell.winner.digest(&key)
            }
            None if is_full => return false,
            None => {
                let cell =
                    Cell { winner: record, beaten: Vec::new(), counted: 0, due: Instant::NEVER };
                self.cells.insert(key.clone(), cell);
                true
            }
        };
        self.settle(&key, now);
        changed
    }

    /// The record that counts for the contact of `entry`.
    pub(super) fn winner(&self, entry: &Registration) -> Option<Registration> {
        let key = Key::of(entry);
        self.cells.get(&key).map(|cell| cell.winner.entry(&key))
    }

    /// Lets records go whose time is up, a bounded part per call.
    pub(super) fn on_timer(&mut self, now: Instant) {
        for _ in 0..DEADLINES_PER_TURN_MAX {
            let Some((due, hash)) = self.deadlines.first().copied().filter(|(due, _)| *due <= now)
            else {
                break;
            };
            self.deadlines.remove(&(due, hash));
            let keys: Vec<Key> = self
                .of_hash(hash)
                .filter(|(_, cell)| cell.due <= now)
                .map(|(key, _)| key.clone())
                .collect();
            for key in keys {
                self.settle(&key, now);
            }
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadlines.first().map_or(Instant::NEVER, |(due, _)| *due)
    }

    /// One sum per bucket over what is live.
    pub(super) fn digest(&self) -> &[u64] {
        &self.digest
    }

    pub(super) fn contacts_len(&self) -> usize {
        self.cells.len()
    }

    pub(super) fn records_len(&self) -> usize {
        self.cells.values().map(|cell| 1 + cell.beaten.len()).sum()
    }

    /// The next entries of a walk, whole contacts, at most `len_max` but at least
    /// one contact; the walk is over when the second value says so.
    pub(super) fn walk(&self, walk: &mut Walk, len_max: usize) -> (Vec<Registration>, bool) {
        let mut entries: Vec<Registration> = Vec::new();
        let mut from = match walk.after.take() {
            Some(key) => Limit::Excluded(key),
            None => Limit::Unbounded,
        };
        while let Some((key, cell)) = self.cells.range((from, Limit::Unbounded)).next() {
            from = match walk.skip(key) {
                Skip::End => break,
                Skip::To(next) => Limit::Included(next),
                Skip::Here => {
                    let records_len = 1 + cell.beaten.len();
                    if !entries.is_empty() && entries.len() + records_len > len_max {
                        return (entries, false);
                    }
                    entries.extend(cell.records().map(|record| record.entry(key)));
                    walk.after = Some(key.clone());
                    Limit::Excluded(key.clone())
                }
            };
        }
        (entries, true)
    }

    /// Everything that is live.
    pub(super) fn live(&self, now: Instant) -> impl Iterator<Item = Registration> {
        self.cells
            .iter()
            .filter(move |(_, cell)| cell.winner.is_live(now))
            .map(|(key, cell)| cell.winner.entry(key))
    }

    fn of_hash(&self, hash: u64) -> impl Iterator<Item = (&Key, &Cell)> {
        let from = Limit::Included(Key::first_of(hash));
        self.cells.range((from, Limit::Unbounded)).take_while(move |(key, _)| key.hash == hash)
    }

    /// Brings digest and deadline of a contact in line with its records, and lets
    /// it go when the time of all of them is up.
    fn settle(&mut self, key: &Key, now: Instant) {
        let Some(cell) = self.cells.get_mut(key) else { return };
        let last_expiry = cell.last_expiry();
        let is_live = cell.winner.is_live(now);
        let counted = if is_live { cell.winner.digest(key) } else { 0 };
        if let Some(sum) = self.digest.get_mut(key.bucket()) {
            *sum = sum.wrapping_sub(cell.counted).wrapping_add(counted);
        }
        let old_due = cell.due;
        cell.counted = counted;
        cell.due = if is_live { cell.winner.expires } else { last_expiry };
        let due = cell.due;
        if last_expiry <= now {
            self.cells.remove(key);
        } else {
            self.deadlines.insert((due, key.hash));
        }
        // Two keys of one hash may share a deadline.
        let shared = self.of_hash(key.hash).any(|(_, cell)| cell.due == old_due);
        if !shared {
            self.deadlines.remove(&(old_due, key.hash));
        }
    }
}
