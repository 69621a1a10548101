//! A hierarchical timer wheel: four levels of 256 slots, one tick a millisecond.
//!
//! An entry lies on the level of the highest byte in which its tick differs from
//! the wheel's; a slot of an upper level is spread over the lower ones when the
//! wheel reaches it. So every entry of a level is due before every entry of the
//! level above, and the next deadline is found in the first level that has one.
//!
//! There is no cancel: owners compare the deadline that they want with the time,
//! and ignore a wake-up that is early or stale. An entry never fires early, and
//! at most two ticks late (its own rounding and that of the caller's clock).

use crate::base::time::Instant;

const LEVELS: usize = 4;
const SLOTS: usize = 256;
const SLOT_BITS: u32 = 8;
/// Ticks that the levels span; what is later waits in the overflow.
const SPAN_BITS: u32 = SLOT_BITS * LEVELS as u32;
const TICK_NS: u64 = 1_000_000;
/// A slot that grew beyond this in a burst gives its room back when it empties.
const SLOT_CAPACITY_KEPT: usize = 1_024;

#[derive(Clone, Copy, Debug)]
struct Entry<K> {
    tick: u64,
    key: K,
}

/// Keys with deadlines.
#[derive(Debug)]
pub struct TimerWheel<K> {
    /// Every entry up to this tick has fired or lies in `due`.
    current: u64,
    slots: Vec<Vec<Entry<K>>>,
    /// One bit per slot that holds something.
    occupied: [[u64; SLOTS / 64]; LEVELS],
    /// Armed for a time that had passed.
    due: Vec<K>,
    overflow: Vec<Entry<K>>,
    len: usize,
}

impl<K: Copy> Default for TimerWheel<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Copy> TimerWheel<K> {
    /// An empty wheel at the start of the clock.
    #[must_use]
    pub fn new() -> Self {
        Self {
            current: 0,
            slots: (0..LEVELS * SLOTS).map(|_| Vec::new()).collect(),
            occupied: [[0; SLOTS / 64]; LEVELS],
            due: Vec::new(),
            overflow: Vec::new(),
            len: 0,
        }
    }

    /// Adds an entry. One for [`Instant::NEVER`] is none.
    pub fn arm(&mut self, at: Instant, key: K) {
        if at == Instant::NEVER {
            return;
        }
        self.len += 1;
        let tick = at.0.div_ceil(TICK_NS);
        if tick <= self.current {
            self.due.push(key);
        } else {
            self.place(Entry { tick, key });
        }
    }

    /// Appends the keys of all entries that are due, in the order of their ticks and
    /// of arming.
    pub fn expire(&mut self, now: Instant, into: &mut Vec<K>) {
        self.len -= self.due.len();
        into.append(&mut self.due);
        let target = now.0 / TICK_NS;
        while let Some((tick, place)) = self.next_place() {
            if tick > target {
                break;
            }
            self.current = tick;
            let entries = match place {
                Some((level, slot)) => self.empty_slot(level, slot),
                None => core::mem::take(&mut self.overflow),
            };
            self.spread(entries, place, into);
        }
        self.current = self.current.max(target);
    }

    /// A time before which nothing is due, [`Instant::NEVER`] when nothing is armed.
    #[must_use]
    pub fn next(&self) -> Instant {
        if !self.due.is_empty() {
            return Instant(self.current * TICK_NS);
        }
        match self.next_place() {
            Some((tick, _)) => Instant(tick.saturating_mul(TICK_NS)),
            None => Instant::NEVER,
        }
    }

    /// How many entries are armed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none is armed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn place(&mut self, entry: Entry<K>) {
        let level = (entry.tick ^ self.current).ilog2() / SLOT_BITS;
        if level as usize >= LEVELS {
            self.overflow.push(entry);
            return;
        }
        let slot = (entry.tick >> (level * SLOT_BITS)) as usize % SLOTS;
        let level = level as usize;
        self.slots[level * SLOTS + slot].push(entry);
        self.occupied[level][slot / 64] |= 1 << (slot % 64);
    }

    /// The tick at which something is to be done next, and its place; no place
    /// stands for the overflow.
    fn next_place(&self) -> Option<(u64, Option<(usize, usize)>)> {
        for (level, words) in self.occupied.iter().enumerate() {
            let Some(word) = words.iter().position(|&word| word != 0) else { continue };
            let slot = word * 64 + words[word].trailing_zeros() as usize;
            let shift = SLOT_BITS * level as u32;
            let above = self.current >> (shift + SLOT_BITS) << (shift + SLOT_BITS);
            return Some((above | (slot as u64) << shift, Some((level, slot))));
        }
        (!self.overflow.is_empty())
            .then_some((((self.current >> SPAN_BITS) + 1) << SPAN_BITS, None))
    }

    fn empty_slot(&mut self, level: usize, slot: usize) -> Vec<Entry<K>> {
        self.occupied[level][slot / 64] &= !(1 << (slot % 64));
        core::mem::take(&mut self.slots[level * SLOTS + slot])
    }

    /// Fires what is due at the current tick and places the rest anew. The room of
    /// the emptied slot is kept where it is modest.
    fn spread(
        &mut self,
        mut entries: Vec<Entry<K>>,
        place: Option<(usize, usize)>,
        into: &mut Vec<K>,
    ) {
        for entry in entries.drain(..) {
            if entry.tick <= self.current {
                self.len -= 1;
                into.push(entry.key);
            } else {
                self.place(entry);
            }
        }
        if let Some((level, slot)) = place
            && entries.capacity() <= SLOT_CAPACITY_KEPT
        {
            self.slots[level * SLOTS + slot] = entries;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const fn ms(ms: u64) -> Instant {
        Instant(ms * TICK_NS)
    }

    fn fired(wheel: &mut TimerWheel<u64>, now: Instant) -> Vec<u64> {
        let mut keys = Vec::new();
        wheel.expire(now, &mut keys);
        keys
    }

    #[test]
    fn entries_fire_in_order_and_once() {
        let mut wheel = TimerWheel::new();
        for at in [70_000, 5, 5, 256, 255, 66_000_000] {
            wheel.arm(ms(at), at);
        }
        assert_eq!(wheel.len(), 6);
        assert_eq!(wheel.next(), ms(5));
        assert!(fired(&mut wheel, ms(4)).is_empty());
        assert_eq!(fired(&mut wheel, ms(300)), [5, 5, 255, 256]);
        assert!(fired(&mut wheel, ms(300)).is_empty());
        assert!(fired(&mut wheel, ms(69_999)).is_empty());
        assert_eq!(fired(&mut wheel, ms(70_000)), [70_000]);
        assert!(wheel.next() <= ms(66_000_000) && wheel.next() > ms(70_000));
        assert_eq!(fired(&mut wheel, Instant(u64::MAX - 1)), [66_000_000]);
        assert!(wheel.is_empty());
        assert_eq!(wheel.next(), Instant::NEVER);
    }

    #[test]
    fn a_fraction_of_a_tick_is_never_early() {
        let mut wheel = TimerWheel::new();
        wheel.arm(Instant(TICK_NS + 1), 1);
        assert!(fired(&mut wheel, Instant(2 * TICK_NS - 1)).is_empty());
        assert_eq!(fired(&mut wheel, Instant(2 * TICK_NS)), [1]);
    }

    #[test]
    fn what_has_passed_fires_at_once_and_never_does_not() {
        let mut wheel = TimerWheel::new();
        assert!(fired(&mut wheel, ms(1_000)).is_empty());
        wheel.arm(ms(3), 3);
        wheel.arm(Instant::NEVER, 9);
        assert_eq!(wheel.len(), 1);
        assert!(wheel.next() <= ms(1_000));
        assert_eq!(fired(&mut wheel, ms(1)), [3], "even when the clock was read earlier");
        assert_eq!(wheel.next(), Instant::NEVER);
    }

    #[test]
    fn months_ahead_wait_in_the_overflow() {
        let month = 1_u64 << SPAN_BITS;
        let mut wheel = TimerWheel::new();
        wheel.arm(ms(month + 7), 7);
        wheel.arm(ms(3 * month), 3);
        assert!(wheel.next() <= ms(month + 7));
        assert!(fired(&mut wheel, ms(month + 6)).is_empty());
        assert_eq!(fired(&mut wheel, ms(month + 7)), [7]);
        assert!(fired(&mut wheel, ms(3 * month - 1)).is_empty());
        assert_eq!(fired(&mut wheel, ms(3 * month)), [3]);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Arm(u64),
        Advance(u64),
    }

    fn span() -> impl Strategy<Value = u64> {
        prop_oneof![0..5_u64, 0..600_u64, 0..200_000_u64, 0..(1_u64 << 34)]
            .prop_flat_map(|ms| (ms * TICK_NS)..((ms + 1) * TICK_NS))
    }

    proptest! {
        #[test]
        fn a_wheel_is_a_sorted_map(steps in prop::collection::vec(
            prop_oneof![3 => span().prop_map(Step::Arm), 1 => span().prop_map(Step::Advance)],
            1..80,
        )) {
            let mut wheel = TimerWheel::new();
            let mut model: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
            let mut now = 0;
            for (key, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Arm(ahead) => {
                        wheel.arm(Instant(now + ahead), key as u64);
                        model.entry(now + ahead).or_default().push(key as u64);
                    }
                    Step::Advance(by) => {
                        now += by;
                        let mut got = fired(&mut wheel, Instant(now));
                        let later = model.split_off(&(now + 1));
                        let due: Vec<(u64, u64)> = model
                            .iter()
                            .flat_map(|(&at, keys)| keys.iter().map(move |&key| (at, key)))
                            .collect();
                        let must: Vec<u64> = due.iter()
                            .filter(|(at, _)| at + 2 * TICK_NS <= now)
                            .map(|&(_, key)| key)
                            .collect();
                        prop_assert!(must.iter().all(|key| got.contains(key)), "late");
                        prop_assert!(
                            got.iter().all(|key| due.iter().any(|(_, known)| known == key)), "early"
                        );
                        model = later;
                        for (at, key) in due {
                            match got.iter().position(|&fired| fired == key) {
                                Some(at) => { got.swap_remove(at); }
                                None => model.entry(at).or_default().push(key),
                            }
                        }
                        prop_assert!(got.is_empty(), "twice");
                    }
                }
                prop_assert_eq!(wheel.len(), model.values().map(Vec::len).sum::<usize>());
                match model.keys().next() {
                    Some(&first) => prop_assert!(wheel.next().0 <= first.next_multiple_of(TICK_NS)),
                    None => prop_assert_eq!(wheel.next(), Instant::NEVER),
                }
            }
        }
    }
}
