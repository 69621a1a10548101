//! A short list whose first element lies in the list itself: nearly every
//! address-of-record has one contact, and a heap block for it would be the larger
//! part of what it costs.

use core::mem;
use core::ops::{Deref, DerefMut};

/// A list without a heap block while it has at most one element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Few<T> {
    /// Nothing.
    #[default]
    None,
    /// One element.
    One(T),
    /// Any number.
    Many(Vec<T>),
}

impl<T> Few<T> {
    /// Adds an element behind all others.
    pub fn push(&mut self, value: T) {
        self.insert(self.len(), value);
    }

    /// Puts an element in front of that at `at`; behind all others where there is
    /// none.
    pub fn insert(&mut self, at: usize, value: T) {
        *self = match mem::take(self) {
            Self::None => Self::One(value),
            Self::One(held) if at == 0 => Self::Many(vec![value, held]),
            Self::One(held) => Self::Many(vec![held, value]),
            Self::Many(mut list) => {
                list.reserve_exact(1);
                list.insert(at.min(list.len()), value);
                Self::Many(list)
            }
        };
    }

    /// Takes the element at `at` out; `None` where there is none.
    pub fn take(&mut self, at: usize) -> Option<T> {
        let (rest, taken) = match mem::take(self) {
            Self::One(value) if at == 0 => (Self::None, Some(value)),
            Self::Many(mut list) if at < list.len() => {
                let taken = list.remove(at);
                (Self::from(list), Some(taken))
            }
            held @ (Self::None | Self::One(_) | Self::Many(_)) => (held, None),
        };
        *self = rest;
        taken
    }
}

impl<T> From<Vec<T>> for Few<T> {
    fn from(mut list: Vec<T>) -> Self {
        if list.len() > 1 {
            return Self::Many(list);
        }
        list.pop().map_or(Self::None, Self::One)
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut values = values.into_iter();
        match (values.next(), values.next()) {
            (None, _) => Self::None,
            (Some(one), None) => Self::One(one),
            (Some(one), Some(two)) => Self::Many([one, two].into_iter().chain(values).collect()),
        }
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        match self {
            Self::None => &[],
            Self::One(value) => core::slice::from_ref(value),
            Self::Many(list) => list,
        }
    }
}

impl<T> DerefMut for Few<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Self::None => &mut [],
            Self::One(value) => core::slice::from_mut(value),
            Self::Many(list) => list,
        }
    }
}

impl<T> IntoIterator for Few<T> {
    type Item = T;
    type IntoIter = core::iter::Chain<core::option::IntoIter<T>, std::vec::IntoIter<T>>;

    fn into_iter(self) -> Self::IntoIter {
        let (one, many) = match self {
            Self::None => (None, Vec::new()),
            Self::One(value) => (Some(value), Vec::new()),
            Self::Many(list) => (None, list),
        };
        one.into_iter().chain(many)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_same_list_as_a_vector(steps in prop::collection::vec((0..3_u8, 0..5_usize, any::<u8>()), 0..40)) {
            let (mut few, mut list) = (Few::None, Vec::new());
            for (step, at, value) in steps {
                match step {
                    0 => {
                        few.push(value);
                        list.push(value);
                    }
                    1 => {
                        few.insert(at, value);
                        list.insert(at.min(list.len()), value);
                    }
                    _ => {
                        let taken = (at < list.len()).then(|| list.remove(at));
                        prop_assert_eq!(few.take(at), taken);
                    }
                }
                prop_assert_eq!(&few[..], &list[..]);
                prop_assert!(list.len() > 1 || !matches!(few, Few::Many(_)), "one needs no block");
            }
            prop_assert_eq!(&list.iter().copied().collect::<Few<_>>()[..], &list[..]);
            prop_assert_eq!(few.into_iter().collect::<Vec<_>>(), list);
        }
    }
}
