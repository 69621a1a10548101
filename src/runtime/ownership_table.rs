//! One word for each DN of an application, which every thread reads without waiting: who owns
//! the DN and what its owner has told of it. The T-Controller's thread alone writes.
//!
//! A chunk, once made, stays where it is: growing moves nothing under a reader.

use crate::base::ownership::{DnIndex, DnWord};
use crate::runtime::atomic::{AtomicU64, CHUNK_LEN, Ordering};
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::sync::OnceLock;

/// Chunks of a table.
const CHUNKS: usize = 256;
/// DNs that a table has room for.
pub const DNS_MAX: usize = CHUNKS * CHUNK_LEN;

type Chunk = Box<[AtomicU64]>;

/// The table of one application.
#[derive(Debug)]
pub struct OwnershipTable {
    chunks: Box<[OnceLock<Chunk>]>,
    /// Written by the thread that reads configurations; looked up with a new one, never for a
    /// call.
    names: ArcSwap<HashMap<Box<str>, DnIndex>>,
}

impl Default for OwnershipTable {
    fn default() -> Self {
        Self { chunks: (0..CHUNKS).map(|_| OnceLock::new()).collect(), names: ArcSwap::default() }
    }
}

impl OwnershipTable {
    /// Gives those DNs a place each that have none, as far as there is room. Gives whether there
    /// was for all. Only one thread does.
    pub fn enter<'a>(&self, dns: impl Iterator<Item = &'a str>) -> bool {
        let mut names = HashMap::clone(&self.names.load());
        let mut is_full = false;
        for dn in dns {
            if names.contains_key(dn) {
                continue;
            }
            let Some(chunk) = self.chunks.get(names.len() / CHUNK_LEN) else {
                is_full = true;
                break;
            };
            chunk.get_or_init(|| (0..CHUNK_LEN).map(|_| AtomicU64::new(0)).collect());
            names.insert(dn.into(), DnIndex(names.len() as u32));
        }
        self.names.store(names.into());
        !is_full
    }

    /// The place of a DN; [`DnIndex::NONE`] when it has none.
    #[must_use]
    pub fn index(&self, dn: &str) -> DnIndex {
        self.names.load().get(dn).copied().unwrap_or(DnIndex::NONE)
    }

    fn word(&self, index: DnIndex) -> Option<&AtomicU64> {
        let index = index.0 as usize;
        self.chunks.get(index / CHUNK_LEN)?.get()?.get(index % CHUNK_LEN)
    }

    /// What was written last of a DN. Who reads it sees what its writer had written of other
    /// DNs before.
    #[must_use]
    pub fn read(&self, index: DnIndex) -> DnWord {
        self.word(index)
            .map_or_else(DnWord::default, |word| DnWord::unpack(word.load(Ordering::Acquire)))
    }

    /// Writes a DN's word. Only one thread does.
    pub fn write(&self, index: DnIndex, word: DnWord) {
        if let Some(place) = self.word(index) {
            place.store(word.pack(), Ordering::Release);
        }
    }
}
