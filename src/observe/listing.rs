//! Lists of what stands – calls, registrations – that are made only while somebody asks.
//!
//! A reader raises a question, which is a number that all parts see. With its next publication a part that finds
//! a question it has not answered makes its rows, once for all who ask, and drops them when nobody has asked for a
//! while: what an application shows of itself costs nothing for each call that it holds.

use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::base::time::{Duration, Instant};

/// How often a thread publishes what it knows, and for how long one question stands for all who ask.
pub const PUBLISH_INTERVAL: Duration = Duration::from_millis(250);
/// Time after a question in which its rows are kept.
pub const ROWS_KEPT_TIME: Duration = Duration::from_secs(3);
/// Calls or registrations of one part that are shown; the total tells how many there are.
pub const ROWS_PER_PART_MAX: usize = 10_000;

/// The number of a question: when it was asked, in nanoseconds. Zero is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question(u64);

/// Rows of one part at one moment.
#[derive(Debug)]
struct Rows<T> {
    total: u64,
    list: Vec<T>,
}

/// What one part last answered; no rows before the first question and after the time that they are kept.
#[derive(Debug)]
struct Part<T> {
    answered: Question,
    rows: Option<Rows<T>>,
}

/// Name of an application, and name of its part.
pub(super) type Key = (String, String);

/// The parts of one list, by application and part.
type Parts<T> = BTreeMap<Key, Arc<Part<T>>>;

/// One list of a process, in parts. Neither readers nor writers wait for each other here.
#[derive(Debug)]
pub struct Listing<T> {
    asked: AtomicU64,
    parts: ArcSwap<Parts<T>>,
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self { asked: AtomicU64::new(0), parts: ArcSwap::default() }
    }
}

impl<T> Listing<T> {
    /// Enters a part that will answer questions from now on.
    #[must_use]
    pub fn part(self: &Arc<Self>, app: &str, part: &str) -> Lister<T> {
        let key = (app.to_owned(), part.to_owned());
        let lister = Lister { listing: Arc::clone(self), key, answered: Question(0), holds: false };
        lister.show(None);
        lister
    }

    /// Asks for rows that are no older than [`PUBLISH_INTERVAL`]. Whoever asks so soon after another shares the
    /// other's question, and the rows that are made for it.
    #[must_use]
    pub fn ask(&self, now: Instant) -> Question {
        let fresh = now.0.max(1);
        let stands = |asked| asked != 0 && now.since(Instant(asked)) < PUBLISH_INTERVAL;
        let renewed = |asked| if stands(asked) { None } else { Some(fresh) };
        match self.asked.fetch_update(Ordering::Relaxed, Ordering::Relaxed, renewed) {
            Ok(_) => Question(fresh),
            Err(asked) => Question(asked),
        }
    }

    /// Whether every part has made its rows for this question or a later one.
    #[must_use]
    pub fn is_answered(&self, question: Question) -> bool {
        self.parts.load().values().all(|part| part.answered >= question)
    }

    /// The rows that are there. For a part without rows, `total` tells how many it has.
    pub(super) fn shown(&self, total: impl Fn(&Key) -> u64) -> Vec<Shown<T>> {
        let mut shown: Vec<Shown<T>> = Vec::new();
        for (key, part) in &**self.parts.load() {
            let total = part.rows.as_ref().map_or_else(|| total(key), |rows| rows.total);
            let part = Arc::clone(part);
            match shown.last_mut() {
                Some(app) if app.app == key.0 => {
                    app.total += total;
                    app.parts.push(part);
                }
                Some(_) | None => {
                    shown.push(Shown { app: key.0.clone(), total, parts: vec![part] });
                }
            }
        }
        shown
    }
}

/// One list of one application, its parts put together.
#[derive(Debug)]
pub struct Shown<T> {
    /// Name of the application.
    pub app: String,
    /// How many there are, shown or not.
    pub total: u64,
    parts: Vec<Arc<Part<T>>>,
}

impl<T> Shown<T> {
    /// Its rows, part by part: at most [`ROWS_PER_PART_MAX`] of each.
    pub fn rows(&self) -> impl Iterator<Item = &T> {
        self.parts.iter().filter_map(|part| part.rows.as_ref()).flat_map(|rows| &rows.list)
    }
}

/// By which one thread answers.
#[derive(Debug)]
pub struct Lister<T> {
    listing: Arc<Listing<T>>,
    key: Key,
    answered: Question,
    /// Whether rows are shown.
    holds: bool,
}

impl<T> Lister<T> {
    /// To be called whenever the thread publishes. Takes from `rows` only if somebody has asked since: as many as are
    /// shown of the `total` that there are.
    pub fn publish(&mut self, now: Instant, total: usize, rows: impl Iterator<Item = T>) {
        let asked = Question(self.listing.asked.load(Ordering::Relaxed));
        if asked > self.answered {
            let len = total.min(ROWS_PER_PART_MAX);
            let mut list = Vec::with_capacity(len);
            list.extend(rows.take(len));
            let total = u64::try_from(total).unwrap_or(u64::MAX);
            (self.answered, self.holds) = (asked, true);
            self.show(Some(Rows { total, list }));
        } else if self.holds && now.since(Instant(asked.0)) >= ROWS_KEPT_TIME {
            self.holds = false;
            self.show(None);
        }
    }

    fn show(&self, rows: Option<Rows<T>>) {
        let part = Arc::new(Part { answered: self.answered, rows });
        self.listing.parts.rcu(|parts| {
            let mut parts = Parts::clone(parts);
            parts.insert(self.key.clone(), Arc::clone(&part));
            parts
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    const fn ms(ms: u64) -> Instant {
        Instant(ms * 1_000_000)
    }

    /// A part whose rows are numbers, and how many were made.
    struct Thread {
        lister: Lister<usize>,
        made: Cell<usize>,
    }

    impl Thread {
        fn of(listing: &Arc<Listing<usize>>, app: &str, part: &str) -> Self {
            Self { lister: listing.part(app, part), made: Cell::new(0) }
        }

        fn publish(&mut self, now: Instant, total: usize) {
            let made = &self.made;
            let rows = (0..total).inspect(|_| made.set(made.get() + 1));
            self.lister.publish(now, total, rows);
        }
    }

    /// Application, total, rows.
    fn shown(listing: &Listing<usize>) -> Vec<(String, u64, Vec<usize>)> {
        let shown = listing.shown(|_| 77);
        shown
            .iter()
            .map(|app| (app.app.clone(), app.total, app.rows().copied().collect()))
            .collect()
    }

    #[test]
    fn no_rows_are_made_while_nobody_asks() {
        let listing = Arc::new(Listing::default());
        let mut shard = Thread::of(&listing, "SIPS_1", "001");
        for at in (0..60_000).step_by(250) {
            shard.publish(ms(at), 30_000);
        }
        assert_eq!(shard.made.get(), 0);
        assert_eq!(shown(&listing), [("SIPS_1".to_owned(), 77, vec![])]);
    }

    #[test]
    fn a_question_is_answered_by_the_next_publication_of_each_part_and_once() {
        let listing = Arc::new(Listing::default());
        let mut first = Thread::of(&listing, "SIPS_1", "001");
        let mut second = Thread::of(&listing, "SIPS_1", "002");
        let mut other = Thread::of(&listing, "SIPS_2", "001");
        // At the start of the clock as well.
        let question = listing.ask(ms(0));
        assert!(!listing.is_answered(question));
        first.publish(ms(1), 2);
        second.publish(ms(100), 1);
        assert!(!listing.is_answered(question), "one is missing");
        other.publish(ms(240), 0);
        assert!(listing.is_answered(question));
        first.publish(ms(251), 3);
        assert_eq!(first.made.get(), 2, "nobody has asked again");
        let expected = [("SIPS_1".to_owned(), 3, vec![0, 1, 0]), ("SIPS_2".to_owned(), 0, vec![])];
        assert_eq!(shown(&listing), expected);
    }

    #[test]
    fn rows_are_not_answers_to_later_questions() {
        let listing = Arc::new(Listing::default());
        let mut shard = Thread::of(&listing, "SIPS_1", "001");
        let before = listing.ask(ms(1_000));
        shard.publish(ms(1_100), 1);
        let question = listing.ask(ms(1_250));
        assert!(listing.is_answered(before) && !listing.is_answered(question));
        shard.publish(ms(1_350), 2);
        assert!(listing.is_answered(before) && listing.is_answered(question));
        assert_eq!(shown(&listing)[0].2, [0, 1]);
    }

    #[test]
    fn a_dashboard_that_asks_all_the_time_costs_four_publications_a_second() {
        let listing = Arc::new(Listing::default());
        let mut shard = Thread::of(&listing, "SIPS_1", "001");
        let mut late = 0;
        for at in (1_000..11_000).step_by(10) {
            let question = listing.ask(ms(at));
            // Even of a thread that publishes more often than it need.
            if at % 50 == 0 {
                shard.publish(ms(at), 1);
            }
            late += u64::from(!listing.is_answered(question));
        }
        assert!((30..=40).contains(&shard.made.get()), "{}", shard.made.get());
        assert!(late <= 40 * 5, "{late}");
    }

    #[test]
    fn rows_are_dropped_when_nobody_asks_any_more() {
        let listing = Arc::new(Listing::default());
        let mut shard = Thread::of(&listing, "SIPS_1", "001");
        let _ = listing.ask(ms(1_000));
        shard.publish(ms(1_200), 2);
        shard.publish(ms(3_999), 2);
        assert_eq!(shown(&listing)[0].2, [0, 1]);
        shard.publish(ms(4_000), 3);
        assert_eq!(shown(&listing), [("SIPS_1".to_owned(), 77, vec![])], "the count stays");
        let question = listing.ask(ms(60_000));
        shard.publish(ms(60_100), 3);
        assert!(listing.is_answered(question));
        assert_eq!(shown(&listing)[0].2, [0, 1, 2]);
    }

    #[test]
    fn a_part_that_has_died_answers_nothing_and_hides_nobody() {
        let listing = Arc::new(Listing::default());
        let mut alive = Thread::of(&listing, "SIPS_1", "001");
        let dead = Thread::of(&listing, "SIPS_2", "001");
        let question = listing.ask(ms(1_000));
        for at in (1_000..3_000).step_by(250) {
            alive.publish(ms(at), 1);
        }
        assert!(!listing.is_answered(question));
        assert_eq!(dead.made.get(), 0);
        let expected = [("SIPS_1".to_owned(), 1, vec![0]), ("SIPS_2".to_owned(), 77, vec![])];
        assert_eq!(shown(&listing), expected);
    }

    #[test]
    fn without_parts_there_is_nothing_to_wait_for() {
        let listing: Arc<Listing<usize>> = Arc::default();
        assert!(listing.is_answered(listing.ask(ms(1_000))));
        assert!(shown(&listing).is_empty());
    }

    #[test]
    fn long_lists_are_cut_and_the_total_stays() {
        let listing = Arc::new(Listing::default());
        let mut shard = Thread::of(&listing, "SIPS_1", "001");
        let _ = listing.ask(ms(1_000));
        shard.publish(ms(1_000), ROWS_PER_PART_MAX + 1);
        assert_eq!(shard.made.get(), ROWS_PER_PART_MAX);
        assert_eq!((shown(&listing)[0].1, shown(&listing)[0].2.len()), (10_001, 10_000));
    }
}
