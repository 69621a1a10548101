//! Transactions by their keys.

use super::TransactionKey;
use crate::base::id::Slot;
use hashbrown::HashTable;

/// Parts of the index.
const SEGMENTS_LEN: usize = 64;
/// Transactions for which a part has room from the start.
const SEGMENT_ROOM: usize = 28;

/// An index of slots by key, in parts that grow each by itself: none of
/// them makes a turn wait for the rest. A key is a digest under a seed that nobody
/// outside knows, and serves as its own hash.
#[derive(Debug)]
pub struct TransactionIndex {
    segments: Box<[HashTable<(TransactionKey, Slot)>]>,
}

impl Default for TransactionIndex {
    fn default() -> Self {
        Self {
            segments: (0..SEGMENTS_LEN).map(|_| HashTable::with_capacity(SEGMENT_ROOM)).collect(),
        }
    }
}

impl TransactionIndex {
    /// The slot of a transaction.
    #[must_use]
    pub fn get(&self, key: &TransactionKey) -> Option<Slot> {
        let found = self.segments[key.segment()].find(key.hash(), |(held, _)| held == key);
        found.map(|(_, slot)| *slot)
    }

    /// Notes a slot, in place of an earlier one of the same key.
    pub fn insert(&mut self, key: TransactionKey, slot: Slot) {
        let segment = &mut self.segments[key.segment()];
        let hash_of = |(held, _): &(TransactionKey, Slot)| held.hash();
        match segment.find_mut(key.hash(), |(held, _)| *held == key) {
            Some((_, held)) => *held = slot,
            None => {
                segment.insert_unique(key.hash(), (key, slot), hash_of);
            }
        }
    }

    /// Forgets a key.
    pub fn remove(&mut self, key: &TransactionKey) {
        let segment = &mut self.segments[key.segment()];
        if let Ok(entry) = segment.find_entry(key.hash(), |(held, _)| held == key) {
            entry.remove();
        }
    }
}

impl TransactionKey {
    const fn hash(&self) -> u64 {
        self.0
    }

    const fn segment(&self) -> usize {
        self.1 as usize % SEGMENTS_LEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Insert(TransactionKey, u32),
        Remove(TransactionKey),
    }

    fn step() -> impl Strategy<Value = Step> {
        // Few keys, so that they meet; with equal hashes and in equal segments too.
        let key = (0..3_u64, 0..520_u64).prop_map(|(hash, rest)| TransactionKey(hash, rest));
        prop_oneof![
            (key.clone(), any::<u32>()).prop_map(|(key, index)| Step::Insert(key, index)),
            key.prop_map(Step::Remove),
        ]
    }

    proptest! {
        #[test]
        fn it_is_a_map(steps in proptest::collection::vec(step(), 0..400)) {
            let (mut index, mut model) = (TransactionIndex::default(), HashMap::new());
            for step in steps {
                match step {
                    Step::Insert(key, at) => {
                        let slot = Slot { index: at, generation: 1 };
                        index.insert(key, slot);
                        model.insert(key, slot);
                    }
                    Step::Remove(key) => {
                        index.remove(&key);
                        model.remove(&key);
                    }
                }
                for first in 0..3 {
                    let key = TransactionKey(first, 7);
                    prop_assert_eq!(index.get(&key), model.get(&key).copied());
                }
            }
            prop_assert_eq!(index.segments.iter().map(HashTable::len).sum::<usize>(), model.len());
            for (key, slot) in model {
                prop_assert_eq!(index.get(&key), Some(slot));
            }
        }
    }
}
