//! Which node the last known call of a DN lives at: hints, so that what a DN
//! starts next goes to the same node (`decisions.md` 3).
//!
//! A table of fixed size, 16 bytes per DN and no allocation after the first use:
//! a DN has [`HINT_WAYS`] places, and where all are taken the one not seen for
//! longest gives way. A wrong or lost hint costs one redirect by a node, never a
//! call, so hints are neither shared between proxies nor kept over a restart.

use crate::base::id::NodeId;
use crate::base::limits::{HINT_LIFETIME, HINT_WAYS, HINTS_MAX};
use crate::base::time::Instant;
use core::num::NonZeroU64;

/// Key of a DN: a keyed hash of its number.
pub type DnKey = NonZeroU64;

/// One place: the key, zero for none, and node 16, dialogs 16, seconds 32 bits.
type Place = [u64; 2];

/// The table.
#[derive(Debug)]
pub struct Hints {
    places: Vec<Place>,
    len: usize,
    len_max: usize,
}

impl Default for Hints {
    fn default() -> Self {
        Self::new(HINTS_MAX)
    }
}

impl Hints {
    /// An empty table of at most `len_max` DNs, a power of two. Its memory is
    /// taken at the first hint and not touched before it is used.
    #[must_use]
    pub const fn new(len_max: usize) -> Self {
        assert!(len_max.is_power_of_two() && len_max >= HINT_WAYS);
        Self { places: Vec::new(), len: 0, len_max }
    }

    /// DNs that are remembered.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether no DN is remembered.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A DN has one dialog more. The node of a call that it has already stays,
    /// until the new one is answered ([`Hints::seen`]).
    pub fn begin(&mut self, dn: DnKey, node: NodeId, now: Instant) {
        let place = self.place(dn, now);
        let (held, dialogs, seen) = unpack(place[1]);
        *place = if dialogs == 0 || is_over(seen, now) {
            [dn.get(), pack(node.get(), 1, secs(now))]
        } else {
            [dn.get(), pack(held, dialogs.saturating_add(1), secs(now))]
        };
    }

    /// A call of a DN lives at this node for certain.
    pub fn seen(&mut self, dn: DnKey, node: NodeId, now: Instant) {
        let place = self.place(dn, now);
        let (_, dialogs, _) = unpack(place[1]);
        *place = [dn.get(), pack(node.get(), dialogs.max(1), secs(now))];
    }

    /// A dialog of a DN is over; with the last one the DN is forgotten.
    pub fn end(&mut self, dn: DnKey) {
        let Some(place) = self.set(dn).and_then(|set| set.iter_mut().find(|at| at[0] == dn.get()))
        else {
            return;
        };
        let (node, dialogs, seen) = unpack(place[1]);
        if dialogs > 1 {
            place[1] = pack(node, dialogs - 1, seen);
        } else {
            *place = [0; 2];
            self.len -= 1;
        }
    }

    /// The node of a DN's last known call.
    #[must_use]
    pub fn node(&self, dn: DnKey, now: Instant) -> Option<NodeId> {
        let start = self.start(dn);
        let set = self.places.get(start..start + HINT_WAYS)?;
        let (node, _, seen) = unpack(set.iter().find(|place| place[0] == dn.get())?[1]);
        NodeId::new(node).filter(|_| !is_over(seen, now))
    }

    /// Bytes that the table takes when it is full, for each DN in it.
    #[must_use]
    pub const fn bytes_per_dn() -> usize {
        size_of::<Place>()
    }

    const fn start(&self, dn: DnKey) -> usize {
        (dn.get() as usize & (self.len_max - 1)) & !(HINT_WAYS - 1)
    }

    fn set(&mut self, dn: DnKey) -> Option<&mut [Place]> {
        let start = self.start(dn);
        self.places.get_mut(start..start + HINT_WAYS)
    }

    /// The place of a DN: its own, a free one, or that of the one not seen for
    /// longest.
    fn place(&mut self, dn: DnKey, now: Instant) -> &mut Place {
        if self.places.is_empty() {
            self.places = vec![[0; 2]; self.len_max];
        }
        let start = self.start(dn);
        let set = &self.places[start..start + HINT_WAYS];
        let rank = |place: &Place| match place[0] {
            key if key == dn.get() => (0, 0),
            0 => (1, 0),
            _ => (2, u64::MAX - age(place, now)),
        };
        let mut at = start;
        let mut best = (3, 0);
        for (index, place) in set.iter().enumerate() {
            if rank(place) < best {
                (at, best) = (start + index, rank(place));
            }
        }
        if best.0 == 1 {
            self.len += 1;
        }
        let place = &mut self.places[at];
        if best.0 != 0 {
            *place = [0; 2];
        }
        place
    }
}

fn pack(node: u16, dialogs: u16, seen: u32) -> u64 {
    u64::from(node) << 48 | u64::from(dialogs) << 32 | u64::from(seen)
}

const fn unpack(word: u64) -> (u16, u16, u32) {
    ((word >> 48) as u16, (word >> 32) as u16, word as u32)
}

/// Whole seconds of the clock, which wrap after 136 years.
const fn secs(now: Instant) -> u32 {
    (now.0 / 1_000_000_000) as u32
}

fn age(place: &Place, now: Instant) -> u64 {
    u64::from(secs(now).wrapping_sub(unpack(place[1]).2))
}

fn is_over(seen: u32, now: Instant) -> bool {
    u64::from(secs(now).wrapping_sub(seen)) >= HINT_LIFETIME.as_secs()
}
