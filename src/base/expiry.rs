//! Deadlines of very many records, to the second, of which none moves when its record
//! is refreshed.
//!
//! A record is entered once, for a second that is not after the one it is due in.
//! When that second comes, its owner looks at the record and enters it again if it
//! has been given more time meanwhile. Only a deadline that comes nearer has to be
//! moved at once.
//!
//! The records of a second are a ring of indices, so that one of them is taken out
//! without a look at the others, however many share the second.

use super::pages::Pages;
use super::time::Instant;
use core::iter;
use std::collections::BTreeMap;

const SECOND_NS: u64 = 1_000_000_000;

/// The second that a record is entered for, counted on the clock of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Second(u32);

impl Second {
    /// Not entered.
    const NEVER: Self = Self(u32::MAX);

    /// The first whole second that is not before `at`; the last one that is counted
    /// (136 years) for what is later.
    fn not_before(at: Instant) -> Self {
        u32::try_from(at.0.div_ceil(SECOND_NS))
            .map_or(Self(u32::MAX - 1), |second| Self(second.min(u32::MAX - 1)))
    }

    const fn instant(self) -> Instant {
        Instant(self.0 as u64 * SECOND_NS)
    }
}

/// Where a record stands: its second, and its neighbours in the ring of that second.
#[derive(Clone, Copy, Debug)]
struct Place {
    second: Second,
    before: u32,
    after: u32,
}

impl Default for Place {
    fn default() -> Self {
        Self { second: Second::NEVER, before: 0, after: 0 }
    }
}

/// Records by their index, by the second that they are entered for.
#[derive(Debug, Default)]
pub struct Expiries {
    /// One record of each ring.
    by_second: BTreeMap<Second, u32>,
    places: Pages<Place>,
    len: usize,
}

impl Expiries {
    /// Sees to it that record `index` is looked at when it is due at `at`.
    pub fn enter(&mut self, index: u32, at: Instant) {
        let wanted = Second::not_before(at);
        if self.second_of(index) <= wanted {
            return;
        }
        self.withdraw(index);
        let first = *self.by_second.entry(wanted).or_insert(index);
        let before = if first == index { index } else { self.place(first).before };
        *self.places.get_or_grow(index) = Place { second: wanted, before, after: first };
        self.change(before, |place| place.after = index);
        self.change(first, |place| place.before = index);
        self.len += 1;
    }

    /// Takes a record out, if it is entered.
    pub fn withdraw(&mut self, index: u32) {
        let Place { second, before, after } = self.place(index);
        if second == Second::NEVER {
            return;
        }
        if after == index {
            self.by_second.remove(&second);
        } else {
            if let Some(first) = self.by_second.get_mut(&second).filter(|first| **first == index) {
                *first = after;
            }
            self.change(before, |place| place.after = after);
            self.change(after, |place| place.before = before);
        }
        self.change(index, |place| *place = Place::default());
        self.len -= 1;
    }

    /// Takes one record out whose second has come.
    pub fn pop(&mut self, now: Instant) -> Option<u32> {
        let (second, index) = self.by_second.first_key_value()?;
        if second.instant() > now {
            return None;
        }
        let index = *index;
        self.withdraw(index);
        Some(index)
    }

    /// When the next record is to be looked at: not before any is due that is due
    /// earlier, to the second.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.by_second.first_key_value().map(|(second, _)| second.instant())
    }

    /// All records, the first to be looked at first.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        let after = |index: &u32| Some(self.places.get(*index)?.after);
        self.by_second.values().flat_map(move |&first| {
            iter::successors(Some(first), move |index| after(index).filter(|after| *after != first))
        })
    }

    /// How many records are entered.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether none is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn place(&self, index: u32) -> Place {
        self.places.get(index).copied().unwrap_or_default()
    }

    fn second_of(&self, index: u32) -> Second {
        self.place(index).second
    }

    fn change(&mut self, index: u32, change: impl FnOnce(&mut Place)) {
        if let Some(place) = self.places.get_mut(index) {
            change(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn ms(ms: u64) -> Instant {
        Instant(ms * 1_000_000)
    }

    #[test]
    fn a_record_comes_when_its_second_has_come_and_not_before() {
        let mut expiries = Expiries::default();
        expiries.enter(7, ms(1_001));
        assert_eq!((expiries.next(), expiries.len()), (Some(ms(2_000)), 1));
        assert_eq!(expiries.pop(ms(1_999)), None);
        expiries.enter(7, ms(9_000));
        assert_eq!(expiries.next(), Some(ms(2_000)), "more time moves nothing");
        assert_eq!(expiries.pop(ms(2_000)), Some(7));
        assert!(expiries.is_empty() && expiries.next().is_none());
    }

    #[test]
    fn less_time_moves_the_record_at_once() {
        let mut expiries = Expiries::default();
        expiries.enter(7, ms(9_000));
        expiries.enter(7, ms(2_000));
        assert_eq!((expiries.len(), expiries.next()), (1, Some(ms(2_000))));
        expiries.withdraw(7);
        assert!(expiries.is_empty());
        assert_eq!(expiries.pop(Instant::NEVER), None);
        expiries.withdraw(7);
        expiries.withdraw(8_000);
        assert_eq!(expiries.len(), 0, "what is not there is not taken out");
    }

    #[test]
    fn a_time_beyond_all_counting_is_the_last_second() {
        let mut expiries = Expiries::default();
        expiries.enter(1, Instant::NEVER);
        expiries.enter(2, Instant::ZERO);
        assert_eq!(expiries.iter().collect::<Vec<_>>(), [2, 1]);
        assert_eq!(expiries.pop(ms(0)), Some(2));
        assert_eq!(expiries.pop(ms(1_000_000_000)), None);
        assert_eq!(expiries.pop(Instant::NEVER), Some(1));
    }

    proptest! {
        #[test]
        fn it_is_the_same_as_a_set(steps in prop::collection::vec((0..4_u8, 0..9_u32, 0..6_u64), 0..200)) {
            let mut expiries = Expiries::default();
            let mut entered: BTreeMap<u32, u64> = BTreeMap::new();
            for (step, index, second) in steps {
                match step {
                    0 | 1 => {
                        expiries.enter(index, ms(second * 1_000));
                        let held = entered.entry(index).or_insert(second);
                        *held = second.min(*held);
                    }
                    2 => {
                        expiries.withdraw(index);
                        entered.remove(&index);
                    }
                    _ => {
                        let popped = expiries.pop(ms(second * 1_000));
                        let first = entered.values().min().copied().filter(|first| *first <= second);
                        prop_assert_eq!(popped.and_then(|index| entered.remove(&index)), first);
                        prop_assert_eq!(popped.is_some(), first.is_some());
                    }
                }
                let seconds: Vec<u64> = expiries.iter().map(|index| entered[&index]).collect();
                prop_assert!(seconds.is_sorted(), "{seconds:?}");
                prop_assert_eq!((seconds.len(), expiries.len()), (entered.len(), entered.len()));
                prop_assert_eq!(expiries.next(), entered.values().min().map(|first| ms(first * 1_000)));
            }
        }
    }
}
