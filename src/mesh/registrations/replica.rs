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

use super::Registration;
use crate::base::contact::ContactBlock;
use crate::base::expiry::Expiries;
use crate::base::id::NodeId;
use crate::base::table::{Hasher, Keyed, Table};
use crate::base::time::Instant;
use siphasher::sip::SipHasher13;
use std::collections::BTreeSet;
use std::hash::Hasher as _;

/// Parts of the digest; a contact belongs to the bucket that the top bits of its
/// hash say.
pub(crate) const BUCKETS_LEN: usize = 256;
/// Call-IDs that one contact remembers; the lowest ranked is dropped beyond.
pub(crate) const CALL_IDS_PER_CONTACT_LEN_MAX: usize = 8;
/// Contacts that one replica holds, removed ones included.
pub(crate) const CONTACTS_LEN_MAX: usize = 4_000_000;
/// Contacts that one part of a walk looks at: a walk over few buckets passes most by.
pub(crate) const CONTACTS_PER_PART_MAX: usize = 65_536;
/// Deadlines that one turn of the timer looks at.
pub(crate) const DEADLINES_PER_TURN_MAX: usize = 1_024;

/// Changes that one start epoch counts before it runs into the next.
const EPOCH_SHIFT: u32 = 32;
const EPOCH_MAX: u64 = 1 << 30;

const _: () = assert!(BUCKETS_LEN == 1 << u8::BITS, "a bucket is a byte");

/// Which contact of which address-of-record: the same in every process and every
/// release, for digests compare it.
fn hash_of_contact(contact: &ContactBlock) -> u64 {
    hash_of(&[contact.aor().as_bytes(), contact.key().as_bytes()])
}

fn hash_of(parts: &[&[u8]]) -> u64 {
    let mut hasher = SipHasher13::new();
    for part in parts {
        hasher.write(&(part.len() as u64).to_le_bytes());
        hasher.write(part);
    }
    hasher.finish()
}

const fn bucket_of(hash: u64) -> u8 {
    hash.to_be_bytes()[0]
}

fn is_same_contact(one: &ContactBlock, other: &ContactBlock) -> bool {
    if one.is_same_block(other) {
        return true;
    }
    one.key() == other.key() && one.aor() == other.aor()
}

/// All that tells two entries of one Call-ID apart; that a removal is above a
/// binding matters for nothing but a total order.
fn rank_in_call(entry: &Registration) -> (u32, u64, NodeId, bool) {
    (entry.cseq, entry.version, entry.proxy, !entry.contact.is_bound())
}

fn rank(entry: &Registration) -> (u64, NodeId, &str) {
    (entry.version, entry.proxy, entry.contact.call_id())
}

fn is_live(entry: &Registration, now: Instant) -> bool {
    entry.expires > now && entry.contact.is_bound()
}

/// Expiry and content stay out: the one is local, the other follows from the
/// request that these name. `hash` is that of the contact.
fn digest_of(entry: &Registration, hash: u64) -> u64 {
    hash_of(&[
        &hash.to_le_bytes(),
        entry.contact.call_id().as_bytes(),
        &entry.cseq.to_le_bytes(),
        &entry.version.to_le_bytes(),
        &entry.proxy.get().to_le_bytes(),
    ])
}

/// The records of one contact.
#[derive(Clone, Debug)]
struct Cell {
    winner: Registration,
    /// One per other Call-ID, best first; nearly always there is none.
    #[expect(clippy::box_collection, reason = "nearly always absent: 8 bytes, not 24")]
    beaten: Option<Box<Vec<Registration>>>,
    /// Whether the digest counts the winner: it was live when last looked at.
    counted: bool,
    bucket: u8,
}

impl Keyed for Cell {
    fn hash(&self, hasher: &Hasher) -> u64 {
        hasher.of(&hash_of_contact(&self.winner.contact).to_le_bytes())
    }
}

impl Cell {
    fn beaten(&self) -> &[Registration] {
        self.beaten.as_ref().map_or(&[], |list| list)
    }

    fn records(&self) -> impl Iterator<Item = &Registration> {
        core::iter::once(&self.winner).chain(self.beaten())
    }

    /// Takes a record in; false if it changes nothing.
    fn merge(&mut self, record: &Registration) -> bool {
        let is_same_call = |held: &Registration| {
            let is_same_block = held.contact.is_same_block(&record.contact);
            is_same_block || held.contact.call_id() == record.contact.call_id()
        };
        if self.beaten.is_none() && is_same_call(&self.winner) {
            let taken = rank_in_call(&self.winner) < rank_in_call(record);
            if taken {
                self.winner = record.clone();
            }
            return taken;
        }
        let mut all = self.beaten.take().map_or_else(Vec::new, |list| *list);
        all.insert(0, self.winner.clone());
        let mut taken = true;
        match all.iter_mut().find(|held| is_same_call(held)) {
            Some(held) if rank_in_call(held) < rank_in_call(record) => *held = record.clone(),
            Some(_) => taken = false,
            None => all.push(record.clone()),
        }
        all.sort_unstable_by(|one, other| rank(other).cmp(&rank(one)));
        all.truncate(CALL_IDS_PER_CONTACT_LEN_MAX);
        self.winner = all.remove(0);
        all.shrink_to_fit();
        self.beaten = (!all.is_empty()).then(|| Box::new(all));
        taken
    }

    fn last_expiry(&self) -> Instant {
        self.beaten().iter().map(|record| record.expires).fold(self.winner.expires, Instant::max)
    }
}

/// A walk over the replica, whole or over some buckets, in parts.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    /// Index of the contact to go on with.
    next: u32,
    buckets: Option<BTreeSet<u8>>,
}

impl Walk {
    /// Over everything.
    pub(super) const fn full() -> Self {
        Self { next: 0, buckets: None }
    }

    /// Over these buckets.
    pub(super) const fn buckets(buckets: BTreeSet<u8>) -> Self {
        Self { next: 0, buckets: Some(buckets) }
    }

    pub(super) const fn is_full(&self) -> bool {
        self.buckets.is_none()
    }

    fn covers(&self, cell: &Cell) -> bool {
        self.buckets.as_ref().is_none_or(|buckets| buckets.contains(&cell.bucket))
    }
}

/// How far somebody is who looks at all live registrations, a part at a time.
#[derive(Clone, Debug, Default)]
pub struct LivePart {
    next: u32,
}

/// All registrations of the cluster as one proxy knows them.
#[derive(Debug)]
pub(super) struct Replica {
    cells: Table<Cell>,
    expiries: Expiries,
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
            cells: Table::new(),
            expiries: Expiries::default(),
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

    fn find(&self, contact: &ContactBlock, hash: u64) -> Option<u32> {
        let is_wanted = |cell: &Cell| is_same_contact(&cell.winner.contact, contact);
        self.cells.find(self.cells.hash_of(&hash.to_le_bytes()), is_wanted)
    }

    /// Takes an entry in and tells whether another record counts for its contact
    /// than before.
    pub(super) fn merge(&mut self, entry: &Registration, now: Instant) -> bool {
        self.observe_clock(entry.version);
        let hash = hash_of_contact(&entry.contact);
        let found = self.find(&entry.contact, hash);
        let Some(index) = found else { return self.add(entry.clone(), hash, now) };
        let Some(cell) = self.cells.get_mut(index) else { return false };
        let before = digest_of(&cell.winner, hash);
        if !cell.merge(entry) {
            return false;
        }
        let after = digest_of(&cell.winner, hash);
        if cell.counted
            && let Some(sum) = self.digest.get_mut(usize::from(cell.bucket))
        {
            *sum = sum.wrapping_sub(before).wrapping_add(after);
        }
        self.settle(index, now);
        before != after
    }

    fn add(&mut self, winner: Registration, hash: u64, now: Instant) -> bool {
        if self.cells.len() >= CONTACTS_LEN_MAX {
            return false;
        }
        let cell = Cell { winner, beaten: None, counted: false, bucket: bucket_of(hash) };
        let Ok(index) = self.cells.insert(cell) else { return false };
        self.settle(index, now);
        true
    }

    /// The record that counts for the contact of `entry`.
    pub(super) fn winner(&self, entry: &Registration) -> Option<Registration> {
        let index = self.find(&entry.contact, hash_of_contact(&entry.contact))?;
        self.cells.get(index).map(|cell| cell.winner.clone())
    }

    /// Lets records go whose time is up, a bounded part per call.
    pub(super) fn on_timer(&mut self, now: Instant) {
        for _ in 0..DEADLINES_PER_TURN_MAX {
            let Some(index) = self.expiries.pop(now) else { break };
            self.settle(index, now);
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.expiries.next().unwrap_or(Instant::NEVER)
    }

    /// One sum per bucket over what is live, or was until the last whole second: a
    /// bucket that differs for that is equal again in the digest after.
    pub(super) fn digest(&self) -> &[u64] {
        &self.digest
    }

    pub(super) fn contacts_len(&self) -> usize {
        self.cells.len()
    }

    /// The next entries of a walk, whole contacts, at most `len_max` but at least
    /// one contact; none where the next [`CONTACTS_PER_PART_MAX`] are all passed by.
    /// The walk is over when the second value says so.
    pub(super) fn walk(&self, walk: &mut Walk, len_max: usize) -> (Vec<Registration>, bool) {
        let mut entries: Vec<Registration> = Vec::new();
        for (passed, (index, cell)) in self.cells.from(walk.next).enumerate() {
            if passed >= CONTACTS_PER_PART_MAX {
                walk.next = index;
                return (entries, false);
            }
            if !walk.covers(cell) {
                continue;
            }
            if !entries.is_empty() && entries.len() + cell.records().count() > len_max {
                walk.next = index;
                return (entries, false);
            }
            entries.extend(cell.records().cloned());
        }
        (entries, true)
    }

    /// The next contacts that are live, and whether they were the last; the part goes on
    /// behind them.
    pub(super) fn live_part(
        &self,
        part: &mut LivePart,
        now: Instant,
        len_max: usize,
    ) -> (Vec<Registration>, bool) {
        let mut entries = Vec::new();
        for (passed, (index, cell)) in self.cells.from(part.next).enumerate() {
            if passed >= CONTACTS_PER_PART_MAX || entries.len() >= len_max {
                part.next = index;
                return (entries, false);
            }
            if is_live(&cell.winner, now) {
                entries.push(cell.winner.clone());
            }
        }
        (entries, true)
    }

    /// Everything that is live.
    pub(super) fn live(&self, now: Instant) -> impl Iterator<Item = Registration> {
        let winners = self.cells.from(0).map(|(_, cell)| &cell.winner);
        winners.filter(move |winner| is_live(winner, now)).cloned()
    }

    /// Brings digest and deadline of a contact in line with its records, and lets
    /// it go when the time of all of them is up.
    fn settle(&mut self, index: u32, now: Instant) {
        let Some(cell) = self.cells.get_mut(index) else { return };
        let is_live = is_live(&cell.winner, now);
        let last_expiry = cell.last_expiry();
        if cell.counted != is_live
            && let Some(sum) = self.digest.get_mut(usize::from(cell.bucket))
        {
            let share = digest_of(&cell.winner, hash_of_contact(&cell.winner.contact));
            *sum = if is_live { sum.wrapping_add(share) } else { sum.wrapping_sub(share) };
            cell.counted = is_live;
        }
        if last_expiry > now {
            let due = if is_live { cell.winner.expires } else { last_expiry };
            self.expiries.enter(index, due);
            return;
        }
        self.expiries.withdraw(index);
        let hash = hash_of_contact(&cell.winner.contact);
        self.cells.remove(index, self.cells.hash_of(&hash.to_le_bytes()));
    }
}
