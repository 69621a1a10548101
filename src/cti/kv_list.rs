//! Key-value lists: ordered, a key may stand in them more than once, and keys are
//! compared without regard to case (`tlib.proto`).

use super::tlib::kv_pair::Value;
use super::tlib::{KvList, KvPair};

impl KvPair {
    /// A pair with a text.
    #[must_use]
    pub fn text(key: &str, text: &str) -> Self {
        Self { key: key.to_owned(), value: Some(Value::Text(text.to_owned())) }
    }

    /// A pair with a number.
    #[must_use]
    pub fn integer(key: &str, number: i32) -> Self {
        Self { key: key.to_owned(), value: Some(Value::Integer(number)) }
    }
}

impl KvList {
    /// The first value of a key.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<&Value> {
        let pair = self.pairs.iter().find(|pair| pair.key.eq_ignore_ascii_case(key))?;
        pair.value.as_ref()
    }

    /// The first value of a key as a number: an integer, or a text of digits.
    #[must_use]
    pub fn number(&self, key: &str) -> Option<i32> {
        match self.find(key)? {
            Value::Integer(number) => Some(*number),
            Value::Text(text) => text.parse().ok(),
            Value::Binary(_) | Value::List(_) => None,
        }
    }

    /// The first value of a key, if it is a text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.find(key)? {
            Value::Text(text) => Some(text),
            Value::Integer(_) | Value::Binary(_) | Value::List(_) => None,
        }
    }

    /// Adds pairs behind those that are there: TAttachUserData.
    pub fn attach(&mut self, pairs: &Self) {
        self.pairs.extend_from_slice(&pairs.pairs);
    }

    /// Replaces the pairs of the keys that `pairs` has, the first of each where it
    /// stands, and adds the others behind: TUpdateUserData.
    pub fn update(&mut self, pairs: &Self) {
        for pair in &pairs.pairs {
            let mut places = self.pairs.iter().enumerate();
            let first = places.find(|(_, old)| old.key.eq_ignore_ascii_case(&pair.key));
            match first.map(|(place, _)| place) {
                Some(place) => {
                    let behind = self.pairs.split_off(place + 1);
                    let others = |old: &KvPair| !old.key.eq_ignore_ascii_case(&pair.key);
                    self.pairs.extend(behind.into_iter().filter(others));
                    self.pairs[place] = pair.clone();
                }
                None => self.pairs.push(pair.clone()),
            }
        }
    }

    /// Takes away every pair of a key and says whether there was one: TDeleteUserData.
    pub fn delete(&mut self, key: &str) -> bool {
        let before = self.pairs.len();
        self.pairs.retain(|pair| !pair.key.eq_ignore_ascii_case(key));
        self.pairs.len() != before
    }
}

impl From<Vec<KvPair>> for KvList {
    fn from(pairs: Vec<KvPair>) -> Self {
        Self { pairs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(pairs: &[(&str, i32)]) -> KvList {
        pairs.iter().map(|(key, number)| KvPair::integer(key, *number)).collect::<Vec<_>>().into()
    }

    #[test]
    fn attach_adds_even_what_is_there() {
        let mut data = list(&[("a", 1)]);
        data.attach(&list(&[("A", 2), ("b", 3)]));
        assert_eq!(data, list(&[("a", 1), ("A", 2), ("b", 3)]));
        assert_eq!(data.number("A"), Some(1), "the first one, whatever its case");
    }

    #[test]
    fn update_replaces_all_of_a_key_in_the_place_of_the_first() {
        let mut data = list(&[("x", 0), ("a", 1), ("b", 2), ("A", 3)]);
        data.update(&list(&[("a", 9), ("c", 4)]));
        assert_eq!(data, list(&[("x", 0), ("a", 9), ("b", 2), ("c", 4)]));
        data.update(&KvList::default());
        assert_eq!(data.pairs.len(), 4);
    }

    #[test]
    fn of_two_updates_of_a_key_in_one_list_the_last_counts() {
        let mut data = list(&[("a", 1)]);
        data.update(&list(&[("a", 2), ("a", 3)]));
        assert_eq!(data, list(&[("a", 3)]));
    }

    #[test]
    fn delete_takes_all_of_a_key() {
        let mut data = list(&[("a", 1), ("b", 2), ("A", 3)]);
        assert!(data.delete("a"));
        assert!(!data.delete("a"), "nothing is left of it");
        assert_eq!(data, list(&[("b", 2)]));
    }

    #[test]
    fn a_number_may_stand_as_text_and_other_kinds_are_none() {
        let binary = KvPair { key: "d".into(), value: Some(Value::Binary(vec![1])) };
        let none = KvPair { key: "e".into(), value: None };
        let data: KvList =
            vec![KvPair::text("a", "12"), KvPair::text("b", "x"), binary, none].into();
        assert_eq!(data.number("a"), Some(12));
        assert_eq!(["b", "c", "d", "e"].map(|key| data.number(key)), [None; 4]);
        assert_eq!((data.text("b"), data.text("d")), (Some("x"), None));
    }
}
