//! Objects addressed by (index, generation): a stale reference finds nothing.

use super::id::{GENERATION_MASK, Slot};

#[derive(Clone, Debug)]
struct Place<T> {
    generation: u32,
    value: Option<T>,
}

/// A bounded table of `T`. Freed places are used again, oldest first, under a
/// new generation.
#[derive(Clone, Debug)]
pub struct Slab<T> {
    places: Vec<Place<T>>,
    free: std::collections::VecDeque<u32>,
    len: usize,
    len_max: usize,
}

impl<T> Slab<T> {
    /// An empty table that never holds more than `len_max` objects.
    #[must_use]
    pub fn new(len_max: usize) -> Self {
        Self { places: Vec::new(), free: std::collections::VecDeque::new(), len: 0, len_max }
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
        let index = match self.free.pop_front() {
            Some(index) => index,
            None => {
                let index = u32::try_from(self.places.len()).ok()?;
                self.places.push(Place { generation: 1, value: None });
                index
            }
        };
        let place = self.places.get_mut(index as usize)?;
        let slot = Slot { index, generation: place.generation };
        place.value = Some(make(slot));
        self.len += 1;
        Some(slot)
    }

    /// The object, if the reference is not stale.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&T> {
        let place = self.places.get(slot.index as usize)?;
        if place.generation == slot.generation { place.value.as_ref() } else { None }
    }

    /// The object, if the reference is not stale.
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        let place = self.places.get_mut(slot.index as usize)?;
        if place.generation == slot.generation { place.value.as_mut() } else { None }
    }

    /// Takes the object out and makes every reference to it stale.
    pub fn remove(&mut self, slot: Slot) -> Option<T> {
        let place = self.places.get_mut(slot.index as usize)?;
        if place.generation != slot.generation {
            return None;
        }
        let value = place.value.take()?;
        place.generation = (place.generation + 1) & GENERATION_MASK;
        if place.generation == 0 {
            place.generation = 1;
        }
        self.free.push_back(slot.index);
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
        self.places.iter().enumerate().filter_map(|(index, place)| {
            let index = u32::try_from(index).ok()?;
            Some((Slot { index, generation: place.generation }, place.value.as_ref()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
