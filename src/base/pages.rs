//! A list that grows by a page at a time: with a million records nothing is ever
//! moved, no turn waits for it, and what is not in use is less than a page.

use core::array;

/// Values on a page.
const PAGE_LEN: usize = 1 << PAGE_BITS;
const PAGE_BITS: u32 = 8;

/// Values by a dense index.
#[derive(Clone, Debug)]
pub(super) struct Pages<T> {
    pages: Vec<Box<[T; PAGE_LEN]>>,
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self { pages: Vec::new() }
    }
}

impl<T> Pages<T> {
    pub(super) fn get(&self, index: u32) -> Option<&T> {
        let (page, at) = place(index);
        self.pages.get(page)?.get(at)
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        let (page, at) = place(index);
        self.pages.get_mut(page)?.get_mut(at)
    }

    /// All values from an index on, with their indices.
    pub(super) fn from(&self, index: u32) -> impl Iterator<Item = (u32, &T)> {
        let (page, at) = place(index);
        let pages = self.pages.get(page..).unwrap_or_default();
        pages
            .iter()
            .flat_map(|page| page.iter())
            .skip(at)
            .zip(index..)
            .map(|(value, index)| (index, value))
    }
}

impl<T: Default> Pages<T> {
    /// The value at an index, with all pages up to it.
    pub(super) fn get_or_grow(&mut self, index: u32) -> &mut T {
        let (page, at) = place(index);
        while self.pages.len() <= page {
            self.pages.push(Box::new(array::from_fn(|_| T::default())));
        }
        &mut self.pages[page][at]
    }
}

const fn place(index: u32) -> (usize, usize) {
    ((index >> PAGE_BITS) as usize, index as usize & (PAGE_LEN - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_where_it_was_put() {
        let mut pages: Pages<u32> = Pages::default();
        assert!(pages.get(0).is_none() && pages.get(u32::MAX).is_none());
        assert!(pages.get_mut(u32::MAX).is_none());
        for index in [0, 255, 256, 5_000] {
            *pages.get_or_grow(index) = index + 1;
        }
        for index in [0, 255, 256, 5_000] {
            assert_eq!(pages.get(index), Some(&(index + 1)));
            assert_eq!(pages.get_mut(index), Some(&mut (index + 1)));
        }
        assert_eq!(pages.get(4_999), Some(&0), "between them nothing was put");
        assert_eq!(pages.get(5_120), None, "a whole page ends there");
    }

    #[test]
    fn a_walk_starts_at_any_index() {
        let mut pages: Pages<u32> = Pages::default();
        for index in 0..600 {
            *pages.get_or_grow(index) = index;
        }
        for start in [0, 1, 255, 256, 300, 767] {
            let walked: Vec<u32> = pages.from(start).map(|(index, _)| index).collect();
            assert_eq!(walked, (start..768).collect::<Vec<_>>(), "the last page to its end");
        }
        assert!(pages.from(599).take(1).all(|(index, value)| index == *value));
        assert_eq!((pages.from(768).count(), pages.from(u32::MAX).count()), (0, 0));
    }
}
