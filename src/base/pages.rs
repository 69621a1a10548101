//! A list that grows by a page at a time: with a million records nothing is ever
//! moved, no turn waits for it, and what is not in use is less than a page.

/// Values on a page.
const PAGE_LEN: usize = 1 << PAGE_BITS;
const PAGE_BITS: u32 = 8;

/// Values by a dense index.
#[derive(Clone, Debug)]
pub(super) struct Pages<T> {
    /// All are full but the last.
    pages: Vec<Vec<T>>,
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self { pages: Vec::new() }
    }
}

impl<T> Pages<T> {
    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.pages.last().map_or(0, |last| (self.pages.len() - 1) * PAGE_LEN + last.len())
    }

    pub(super) fn get(&self, index: u32) -> Option<&T> {
        let (page, at) = place(index);
        self.pages.get(page)?.get(at)
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        let (page, at) = place(index);
        self.pages.get_mut(page)?.get_mut(at)
    }

    /// Puts a value behind all others.
    pub(super) fn push(&mut self, value: T) {
        match self.pages.last_mut().filter(|last| last.len() < PAGE_LEN) {
            Some(last) => last.push(value),
            None => {
                let mut page = Vec::with_capacity(PAGE_LEN);
                page.push(value);
                self.pages.push(page);
            }
        }
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
    /// The value at an index, with all up to it.
    pub(super) fn get_or_grow(&mut self, index: u32) -> &mut T {
        while self.len() <= index as usize {
            self.push(T::default());
        }
        let (page, at) = place(index);
        &mut self.pages[page][at]
    }
}

const fn place(index: u32) -> (usize, usize) {
    ((index >> PAGE_BITS) as usize, index as usize & (PAGE_LEN - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(len: u32) -> Pages<u32> {
        let mut pages = Pages::default();
        for index in 0..len {
            assert_eq!(pages.len(), index as usize);
            pages.push(index);
        }
        pages
    }

    #[test]
    fn a_value_stays_where_it_was_put() {
        let mut pages = filled(0);
        assert!(pages.get(0).is_none() && pages.get_mut(u32::MAX).is_none());
        pages = filled(5_000);
        for index in [0, 255, 256, 4_999] {
            assert_eq!(pages.get(index), Some(&index));
            assert_eq!(pages.get_mut(index).copied(), Some(index));
        }
        assert_eq!((pages.get(5_000), pages.get(u32::MAX), pages.len()), (None, None, 5_000));
    }

    #[test]
    fn what_lies_before_a_value_is_there_as_well() {
        let mut pages: Pages<u32> = Pages::default();
        *pages.get_or_grow(700) = 7;
        *pages.get_or_grow(3) = 3;
        assert_eq!((pages.len(), pages.get(700), pages.get(3)), (701, Some(&7), Some(&3)));
        assert_eq!(pages.get(699), Some(&0));
    }

    #[test]
    fn a_walk_starts_at_any_index() {
        let pages = filled(600);
        for start in [0, 1, 255, 256, 300, 599, 600, 601, 768, u32::MAX] {
            let walked: Vec<u32> = pages.from(start).map(|(_, value)| *value).collect();
            assert_eq!(walked, (start..600).collect::<Vec<_>>());
            assert!(pages.from(start).all(|(index, value)| index == *value));
        }
    }
}
