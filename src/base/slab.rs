//! Objects addressed by (index, generation): a stale reference finds nothing.
//!
//! A table can be filled with the objects of another process, each in its own slot
//! ([`Slab::restore`]). Between and behind them lie places of which this process
//! does not know what they were used for, while references to that may still come:
//! an answer that is late, a phone that ends a call of yesterday. So a place that
//! this process has not used itself has the generation zero, which no reference
//! has, and when it is used for the first time it takes one that is higher than
//! all that the earlier process has given ([`Slab::start_above`]), or exactly the
//! next one of that place where the earlier process has listed it ([`Slab::resume`]).
//! A generation that has run over, after 16 million uses of one place, keeps only
//! the promise that generations make anyway: what is 16 million uses old is gone.

use super::id::{GENERATION_MARGIN, GENERATION_MASK, Slot};
use super::pages::Pages;
use std::collections::VecDeque;

#[derive(Clone, Debug)]
struct Place<T> {
    /// Of the object, or of the next one; zero before the first.
    generation: u32,
    value: Option<T>,
}

/// The free places of a table, in the order in which they will be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vacant {
    /// Each with its next generation, zero where that is not decided.
    pub free: Vec<Slot>,
    /// How many places the table has in all; those behind were never used.
    pub places: u32,
}

/// A bounded table of `T`. Freed places are used again, oldest first, under a
/// new generation.
#[derive(Clone, Debug)]
pub struct Slab<T> {
    places: Pages<Place<T>>,
    /// Free places with their generations. An entry whose place has meanwhile got
    /// another generation, or an object, counts for nothing.
    free: VecDeque<Slot>,
    len: usize,
    len_max: usize,
    /// Generation of a place that is used for the first time, and that an earlier
    /// process may have used.
    first: u32,
    /// Places from here on no earlier process has used.
    fresh_from: u32,
    /// The highest generation that was given.
    newest: u32,
}

impl<T> Slab<T> {
    /// An empty table that never holds more than `len_max` objects.
    #[must_use]
    pub fn new(len_max: usize) -> Self {
        Self {
            places: Pages::default(),
            free: VecDeque::new(),
            len: 0,
            len_max,
            first: 1,
            fresh_from: 0,
            newest: 0,
        }
    }

    /// Stores a value; `None` (and the value is dropped) when the table is full.
    pub fn insert(&mut self, value: T) -> Option<Slot> {
        self.insert_with(|_| value)
    }

    /// Stores a value that wants to know its own slot.
    pub fn insert_with(&mut self, make: impl FnOnce(Slot) -> T) -> Option<Slot> {
        if self.len >= self.len_max {
            return None;
        }
        let index = match self.pop_free() {
            Some(index) => index,
            None => {
                let index = u32::try_from(self.places.len()).ok()?;
                self.places.push(Place { generation: 0, value: None });
                index
            }
        };
        let place = self.places.get_mut(index)?;
        if place.generation == 0 {
            place.generation = if index >= self.fresh_from { 1 } else { self.first };
        }
        self.newest = self.newest.max(place.generation);
        let slot = Slot { index, generation: place.generation };
        place.value = Some(make(slot));
        self.len += 1;
        Some(slot)
    }

    fn pop_free(&mut self) -> Option<u32> {
        while let Some(slot) = self.free.pop_front() {
            if self.is_free(slot) {
                return Some(slot.index);
            }
        }
        None
    }

    fn is_free(&self, slot: Slot) -> bool {
        let place = self.places.get(slot.index);
        place.is_some_and(|place| place.value.is_none() && place.generation == slot.generation)
    }

    /// The object, if the reference is not stale.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&T> {
        let place = self.places.get(slot.index)?;
        if place.generation == slot.generation { place.value.as_ref() } else { None }
    }

    /// The object, if the reference is not stale.
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        let place = self.places.get_mut(slot.index)?;
        if place.generation == slot.generation { place.value.as_mut() } else { None }
    }

    /// Takes the object out and makes every reference to it stale.
    pub fn remove(&mut self, slot: Slot) -> Option<T> {
        let place = self.places.get_mut(slot.index)?;
        if place.generation != slot.generation {
            return None;
        }
        let value = place.value.take()?;
        place.generation = (place.generation + 1) & GENERATION_MASK;
        if place.generation == 0 {
            place.generation = 1;
        }
        self.free.push_back(Slot { generation: place.generation, ..slot });
        self.len -= 1;
        Some(value)
    }

    /// How many objects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All objects in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, &T)> {
        self.places.from(0).filter_map(|(index, place)| {
            Some((Slot { index, generation: place.generation }, place.value.as_ref()?))
        })
    }

    /// Whether an object of another process can have that slot here: the place is
    /// empty, and no reference that this process gave has that generation.
    #[must_use]
    pub fn can_restore(&self, slot: Slot) -> bool {
        let place = self.places.get(slot.index);
        self.is_slot(slot)
            && place
                .is_none_or(|place| place.value.is_none() && place.generation <= slot.generation)
    }

    /// Whether a table of this size has such a slot.
    fn is_slot(&self, slot: Slot) -> bool {
        (1..=GENERATION_MASK).contains(&slot.generation) && (slot.index as usize) < self.len_max
    }

    /// Stores an object in the slot that it had in another process; the value comes
    /// back if it cannot have that.
    ///
    /// # Errors
    /// Where [`Slab::can_restore`] is `false`.
    pub fn restore(&mut self, slot: Slot, value: T) -> Result<(), T> {
        if !self.can_restore(slot) {
            return Err(value);
        }
        self.reach(slot.index);
        if let Some(place) = self.places.get_mut(slot.index) {
            *place = Place { generation: slot.generation, value: Some(value) };
        }
        self.newest = self.newest.max(slot.generation);
        self.len += 1;
        self.tidy_free();
        Ok(())
    }

    /// Makes places up to that index.
    fn reach(&mut self, index: u32) {
        while let Ok(next) = u32::try_from(self.places.len())
            && next <= index
        {
            self.places.push(Place { generation: 0, value: None });
            self.free.push_back(Slot { index: next, generation: 0 });
        }
    }

    /// Drops entries that count for nothing once they are more than the others can be.
    fn tidy_free(&mut self) {
        if self.free.len() > 2 * self.places.len() {
            let mut free = core::mem::take(&mut self.free);
            free.retain(|slot| self.is_free(*slot));
            self.free = free;
        }
    }

    /// The highest generation that this table has given to any place.
    #[must_use]
    pub const fn newest(&self) -> u32 {
        self.newest
    }

    /// The process that the objects come from has given generations up to `newest`,
    /// and perhaps some more that nobody has heard of. Places that this process uses
    /// for the first time start above them.
    pub fn start_above(&mut self, newest: u32) {
        self.newest = self.newest.max(newest.min(GENERATION_MASK));
        let above = self.newest.saturating_add(GENERATION_MARGIN);
        self.first = if above > GENERATION_MASK { 1 } else { above };
        self.fresh_from = u32::MAX;
    }

    /// The free places.
    #[must_use]
    pub fn vacant(&self) -> Vacant {
        Vacant {
            free: self.free.iter().copied().filter(|slot| self.is_free(*slot)).collect(),
            places: u32::try_from(self.places.len()).unwrap_or(u32::MAX),
        }
    }

    /// The free places of another process. Where that one has told of all its objects
    /// too, this table goes on exactly where it has stopped.
    pub fn resume(&mut self, vacant: &Vacant) {
        let mut listed = Vec::new();
        let len_max = self.len_max;
        for slot in vacant.free.iter().filter(|slot| (slot.index as usize) < len_max) {
            self.reach(slot.index);
            let Some(place) = self.places.get_mut(slot.index) else { continue };
            if place.value.is_none() && place.generation <= slot.generation {
                place.generation = slot.generation & GENERATION_MASK;
                listed.push(*slot);
            }
        }
        let mut is_listed = vec![false; self.places.len()];
        for slot in &listed {
            is_listed[slot.index as usize] = true;
        }
        let others = core::mem::take(&mut self.free);
        let others = others.into_iter().filter(|slot| !is_listed[slot.index as usize]);
        self.free = listed.iter().copied().chain(others).collect();
        self.fresh_from = vacant.places;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn slot(index: u32, generation: u32) -> Slot {
        Slot { index, generation }
    }

    #[test]
    fn a_stale_reference_finds_nothing() {
        let mut slab = Slab::new(2);
        let first = slab.insert('a').expect("room");
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert('b').expect("room");
        assert_eq!(second.index, first.index);
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(second), Some(&'b'));
    }

    #[test]
    fn a_full_table_refuses() {
        let mut slab = Slab::new(1);
        assert!(slab.insert(1).is_some());
        assert!(slab.insert(2).is_none());
        assert_eq!(slab.len(), 1);
    }

    #[test]
    fn an_object_returns_to_its_slot_and_to_no_other() {
        let mut slab = Slab::new(8);
        assert_eq!(slab.restore(slot(5, 9), 'a'), Ok(()));
        assert_eq!(slab.get(slot(5, 9)), Some(&'a'));
        for taken in [slot(5, 9), slot(5, 10), slot(8, 1), slot(1, 0), slot(1, GENERATION_MASK + 1)]
        {
            assert!(!slab.can_restore(taken), "{taken:?}");
            assert_eq!(slab.restore(taken, 'b'), Err('b'));
        }
        assert_eq!(slab.remove(slot(5, 9)), Some('a'));
        assert!(!slab.can_restore(slot(5, 9)), "this process knew it");
        assert_eq!(slab.restore(slot(5, 10), 'c'), Ok(()));
        assert_eq!(slab.len(), 1);
    }

    /// What the earlier process has freed is never taken for something of this one.
    #[test]
    fn gaps_start_above_every_generation_of_the_earlier_process() {
        let mut slab = Slab::new(8);
        slab.start_above(9);
        slab.restore(slot(3, 2), 'a').expect("free");
        let new: Vec<Slot> = core::iter::from_fn(|| slab.insert('n')).collect();
        assert_eq!(new.len(), 7);
        for slot in new {
            assert!(slot.index != 3 && slot.generation > 9, "{slot:?}");
            assert_eq!(slab.remove(slot), Some('n'));
        }
        slab.start_above(GENERATION_MASK);
        assert!(slab.insert('n').is_some_and(|slot| slot.generation <= GENERATION_MASK));
    }

    /// A table that was handed over as a whole gives the same slots as the other would.
    #[test]
    fn a_resumed_table_goes_on_where_the_other_stopped() {
        let mut old = Slab::new(16);
        let slots: Vec<Slot> = (0..9).filter_map(|value| old.insert(value)).collect();
        for index in [4, 1, 7, 2] {
            old.remove(slots[index]);
        }
        let again = old.insert(20).expect("room");
        old.remove(again);
        let mut new = Slab::new(16);
        for (slot, value) in old.iter() {
            new.start_above(old.newest());
            new.restore(slot, *value).expect("free");
        }
        new.resume(&old.vacant());
        assert_eq!(old.vacant(), new.vacant());
        for value in 30..40 {
            assert_eq!(old.insert(value), new.insert(value));
        }
        assert_eq!(old.newest(), new.newest());
    }

    /// An object that did not arrive leaves a gap, and not a place that was never used.
    #[test]
    fn what_is_neither_listed_nor_restored_starts_above() {
        let mut old = Slab::new(16);
        let slots: Vec<Slot> = (0..4).filter_map(|value| old.insert(value)).collect();
        old.remove(slots[1]);
        let mut new = Slab::new(16);
        new.start_above(old.newest());
        new.restore(slots[2], 2).expect("free");
        new.resume(&old.vacant());
        let given: Vec<Slot> = (0..4).filter_map(|value| new.insert(value)).collect();
        assert_eq!(given[0], slot(1, 2), "listed");
        assert!(given[1].index == 0 && given[1].generation > 1);
        assert!(given[2].index == 3 && given[2].generation > 1);
        assert_eq!(given[3], slot(4, 1), "never used");
    }

    #[test]
    fn places_that_come_and_go_leave_no_trail() {
        let mut slab = Slab::new(8);
        for generation in 1..1000 {
            slab.restore(slot(2, generation), 'a').expect("free");
            assert_eq!(slab.remove(slot(2, generation)), Some('a'));
        }
        assert!(slab.free.len() <= 7, "{}", slab.free.len());
        assert_eq!(slab.vacant().free.len(), 3);
    }
}
