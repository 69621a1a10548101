//! Very many records in one list, found by a hash of their own contents: no key is
//! kept beside a record, and its index stays the same as long as it is there.
//!
//! The index of hashes is in [`SEGMENTS_LEN`] parts that grow each by itself, so
//! that with a million records none makes a turn wait for all of them.

use super::pages::Pages;
use core::array;
use core::hash::BuildHasher as _;
use hashbrown::HashTable;
use siphasher::sip::SipHasher13;
use std::hash::RandomState;

const SEGMENT_BITS: u32 = 8;
/// Parts of the index of hashes.
pub const SEGMENTS_LEN: usize = 1 << SEGMENT_BITS;

/// Hashes under a secret of their own table: nobody outside sees one, and so nobody can
/// choose keys with equal ones.
///
/// Short keys, which DNs are, are two words: both hidden, multiplied, and the halves of
/// the product laid over each other. Longer ones go through SipHash.
#[derive(Clone, Debug)]
pub struct Hasher {
    secret: [u64; 2],
    of_long: SipHasher13,
}

impl Default for Hasher {
    fn default() -> Self {
        let random = RandomState::new();
        Self::with_secret([0, 1, 2, 3].map(|number: u64| random.hash_one(number)))
    }
}

impl Hasher {
    /// One whose hashes are the same in every process: for what is counted, and for nothing
    /// that a stranger fills.
    #[must_use]
    pub fn with_secret(secret: [u64; 4]) -> Self {
        let [one, other, of_long @ ..] = secret;
        Self { secret: [one, other], of_long: SipHasher13::new_with_keys(of_long[0], of_long[1]) }
    }

    /// The hash of a key.
    #[must_use]
    pub fn of(&self, key: &[u8]) -> u64 {
        let Some([one, other]) = words(key) else { return self.of_long.hash(key) };
        let product = u128::from(one ^ self.secret[0]) * u128::from(other ^ self.secret[1]);
        product as u64 ^ (product >> 64) as u64
    }
}

/// A key of at most 15 bytes as two words, other words for every other key: the length
/// is in them.
fn words(key: &[u8]) -> Option<[u64; 2]> {
    let (start, rest) = key.split_at(key.len().min(8));
    (rest.len() < 8).then(|| [word(start), word(rest) | (key.len() as u64) << 56])
}

/// At most 8 bytes as a word, other words for other bytes of the same length; less than
/// 8 leave its highest byte empty.
fn word(bytes: &[u8]) -> u64 {
    match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(start), Some(end)) => {
            let [start, end] = [start, end].map(|half| u64::from(u32::from_le_bytes(*half)));
            start | end << (8 * (bytes.len() - 4))
        }
        (None, _) | (_, None) => bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// A record that holds its own key.
pub trait Keyed {
    /// The hash of the key: equal keys of a table have equal hashes.
    fn hash(&self, hasher: &Hasher) -> u64;
}

/// Records with an index each, and an index of their hashes.
#[derive(Debug)]
pub struct Table<T> {
    records: Pages<Option<T>>,
    /// Places that were ever used: the next one has this index.
    used: u32,
    free: Vec<u32>,
    segments: Box<[HashTable<u32>; SEGMENTS_LEN]>,
    hasher: Hasher,
}

impl<T: Keyed> Default for Table<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Keyed> Table<T> {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::with_hasher(Hasher::default())
    }

    /// An empty table that hashes so.
    #[must_use]
    pub fn with_hasher(hasher: Hasher) -> Self {
        Self {
            records: Pages::default(),
            used: 0,
            free: Vec::new(),
            segments: Box::new(array::from_fn(|_| HashTable::new())),
            hasher,
        }
    }

    /// How many records there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.used as usize - self.free.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The hash of a key in this table.
    #[must_use]
    pub fn hash_of(&self, key: &[u8]) -> u64 {
        self.hasher.of(key)
    }

    /// The record of that hash for which `is_wanted` says yes.
    pub fn find(&self, hash: u64, mut is_wanted: impl FnMut(&T) -> bool) -> Option<u32> {
        let wanted = |index: &u32| self.get(*index).is_some_and(&mut is_wanted);
        self.segments[segment(hash)].find(hash, wanted).copied()
    }

    /// As [`Table::find`], the record itself.
    pub fn find_record(&self, hash: u64, is_wanted: impl Fn(&T) -> bool) -> Option<&T> {
        let mut found = None;
        self.segments[segment(hash)].find(hash, |index| {
            found = self.get(*index).filter(|record| is_wanted(record));
            found.is_some()
        });
        found
    }

    /// A record by its index.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<&T> {
        self.records.get(index)?.as_ref()
    }

    /// A record by its index, to change; its key must stay the same.
    pub fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.records.get_mut(index)?.as_mut()
    }

    /// Takes a record in that is not there yet, and gives its index; the record
    /// itself where 2^32 - 1 are there.
    ///
    /// # Errors
    /// When the table is full.
    pub fn insert(&mut self, record: T) -> Result<u32, T> {
        let hash = record.hash(&self.hasher);
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.used == u32::MAX => return Err(record),
            None => {
                self.used += 1;
                self.used - 1
            }
        };
        *self.records.get_or_grow(index) = Some(record);
        let (records, hasher) = (&self.records, &self.hasher);
        let hash_at = |index: &u32| {
            let record = records.get(*index).and_then(Option::as_ref);
            record.map_or(0, |record| record.hash(hasher))
        };
        self.segments[segment(hash)].insert_unique(hash, index, hash_at);
        Ok(index)
    }

    /// Takes a record out, whose key is still what it was found by.
    pub fn remove(&mut self, index: u32, hash: u64) -> Option<T> {
        let record = self.records.get_mut(index)?.take()?;
        self.free.push(index);
        if let Ok(entry) = self.segments[segment(hash)].find_entry(hash, |held| *held == index) {
            entry.remove();
        }
        Some(record)
    }

    /// All records from an index on, in the order of their indices. One that is
    /// there all the while is met exactly once by a walk that goes on where it
    /// stopped.
    pub fn from(&self, index: u32) -> impl Iterator<Item = (u32, &T)> {
        self.records.from(index).filter_map(|(index, record)| Some((index, record.as_ref()?)))
    }
}

/// Inside a segment the lowest and the highest bits of the hash count; these are
/// others.
const fn segment(hash: u64) -> usize {
    (hash >> 32) as usize & (SEGMENTS_LEN - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Entry(u16, u32);

    impl Keyed for Entry {
        fn hash(&self, hasher: &Hasher) -> u64 {
            hasher.of(&self.0.to_le_bytes())
        }
    }

    fn find(table: &Table<Entry>, key: u16) -> Option<u32> {
        table.find(table.hash_of(&key.to_le_bytes()), |entry| entry.0 == key)
    }

    proptest! {
        #[test]
        fn short_keys_that_differ_are_words_that_differ(
            [one, other] in prop::array::uniform2(prop::collection::vec(0..3_u8, 0..=17)),
        ) {
            prop_assert_eq!(words(&one).is_some(), one.len() <= 15);
            if let (Some(words_of_one), Some(words_of_other)) = (words(&one), words(&other)) {
                prop_assert_eq!(words_of_one == words_of_other, one == other);
            }
        }

        #[test]
        fn equal_keys_have_equal_hashes_in_one_table(key: Vec<u8>) {
            let (here, there) = (Hasher::default(), Hasher::default());
            prop_assert_eq!(here.of(&key), here.of(&key.clone()));
            prop_assert_ne!(here.of(&key), there.of(&key), "each table has its secret");
        }

        #[test]
        fn it_is_the_same_as_a_map(steps in prop::collection::vec((any::<bool>(), 0..40_u16), 0..400)) {
            let (mut table, mut map) = (Table::new(), BTreeMap::new());
            for (number, (inserts, key)) in (0..).zip(steps) {
                let found = find(&table, key);
                prop_assert_eq!(found.and_then(|at| table.get(at)).map(|entry| entry.1), map.get(&key).copied());
                match (inserts, found) {
                    (true, Some(at)) => table.get_mut(at).expect("found").1 = number,
                    (true, None) => drop(table.insert(Entry(key, number)).expect("room")),
                    (false, Some(at)) => {
                        prop_assert_eq!(table.remove(at, table.hash_of(&key.to_le_bytes())).map(|entry| entry.0), Some(key));
                        prop_assert!(table.get(at).is_none() && find(&table, key).is_none());
                    }
                    (false, None) => {}
                }
                if inserts { map.insert(key, number) } else { map.remove(&key) };
                prop_assert_eq!(table.len(), map.len());
            }
            let held: BTreeMap<u16, u32> = table.from(0).map(|(_, entry)| (entry.0, entry.1)).collect();
            prop_assert_eq!(held, map);
        }
    }

    #[test]
    fn numbers_in_a_row_are_spread() {
        let hasher = Hasher::default();
        for (shift, len) in [(0, 256_u64), (32, 256), (57, 128)] {
            let mut counts = vec![0; 256];
            for number in 100_000..110_000_u64 {
                let hash = hasher.of(number.to_string().as_bytes());
                counts[(hash >> shift & (len - 1)) as usize] += 1;
            }
            let most = counts.iter().max().copied().unwrap_or(0);
            assert!(most < 4 * 10_000 / len, "{most} of 10,000 in one place of {len}");
        }
    }

    #[test]
    fn a_walk_goes_on_where_it_stopped_and_past_what_is_gone() {
        let mut table = Table::new();
        for key in 0..1_000 {
            table.insert(Entry(key, 0)).expect("room");
        }
        assert!((0..1_000).all(|key| find(&table, key).is_some()));
        let hash = table.hash_of(&5_u16.to_le_bytes());
        assert!(table.remove(5, hash).is_some() && table.remove(5, hash).is_none());
        assert_eq!(table.from(4).map(|(index, _)| index).take(2).collect::<Vec<_>>(), [4, 6]);
        assert_eq!((table.from(1_000).count(), table.from(u32::MAX).count()), (0, 0));
        assert_eq!(table.insert(Entry(2_000, 0)), Ok(5), "its place is used again");
    }
}
