//! Mailboxes between modules: bounded, named, counted, handed over in batches.
//!
//! A mailbox has three classes of service. New work is refused while a fifth of
//! the room is left, so that what has begun can be ended; continuing work is
//! refused close to the end; what modules tell each other about themselves is
//! refused by a full mailbox only.
//!
//! The queue is a deque under a lock that is held for a copy and never across a
//! wait. One lock per batch is what makes it cheap.

use super::waker::ThreadWaker;
use core::fmt;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::collections::VecDeque;
use std::sync::{Arc, MutexGuard, OnceLock, PoisonError};

#[expect(clippy::disallowed_types, reason = "the one lock between modules, held for a copy")]
type Lock<T> = std::sync::Mutex<T>;

/// What a message is to its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Begins something: refused above 80 % of the room.
    New,
    /// Belongs to something that has begun: refused above 95 % of the room.
    Continuing,
    /// From module to module about themselves: refused when the room is full.
    Internal,
}

impl Class {
    const fn index(self) -> usize {
        match self {
            Self::New => 0,
            Self::Continuing => 1,
            Self::Internal => 2,
        }
    }

    /// Entries up to which the class is taken; at least one.
    fn len_limit(self, len_max: usize) -> usize {
        let percent = match self {
            Self::New => 80,
            Self::Continuing => 95,
            Self::Internal => 100,
        };
        len_max.saturating_mul(percent).div_ceil(100).max(1)
    }
}

/// A message that a mailbox did not take: it is full for this class, or its
/// owner is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the mailbox takes no more of this class")]
pub struct Refused<T>(pub T);

/// Numbers of one mailbox, read while others write to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxStats {
    /// Name.
    pub name: String,
    /// Entries that wait.
    pub len: usize,
    /// Entries that fit.
    pub len_max: usize,
    /// Entries taken since the start.
    pub sent: u64,
    /// Entries refused since the start: new, continuing, internal.
    pub refused: [u64; 3],
}

struct Queue<T> {
    entries: VecDeque<T>,
    is_closed: bool,
}

struct Shared<T> {
    name: Box<str>,
    len_max: usize,
    limits: [usize; 3],
    queue: Lock<Queue<T>>,
    /// Length of the queue, written under its lock.
    len: AtomicUsize,
    sent: AtomicU64,
    refused: [AtomicU64; 3],
    waker: OnceLock<Arc<ThreadWaker>>,
}

impl<T> Shared<T> {
    /// A holder that panicked was copying values: the queue is whole.
    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stats(&self) -> MailboxStats {
        MailboxStats {
            name: self.name.to_string(),
            len: self.len.load(Ordering::Relaxed),
            len_max: self.len_max,
            sent: self.sent.load(Ordering::Relaxed),
            refused: [0, 1, 2].map(|class| self.refused[class].load(Ordering::Relaxed)),
        }
    }

    fn note_sent(&self, count: u64) {
        if count > 0 {
            self.sent.fetch_add(count, Ordering::Relaxed);
            if let Some(waker) = self.waker.get() {
                waker.wake();
            }
        }
    }
}

/// Makes a mailbox that holds at most `len_max` entries (at least one).
#[must_use]
pub fn mailbox<T>(name: &str, len_max: usize) -> (Mail<T>, Inbox<T>) {
    let len_max = len_max.max(1);
    let shared = Arc::new(Shared {
        name: name.into(),
        len_max,
        limits: [Class::New, Class::Continuing, Class::Internal]
            .map(|class| class.len_limit(len_max)),
        queue: Lock::new(Queue { entries: VecDeque::new(), is_closed: false }),
        len: AtomicUsize::new(0),
        sent: AtomicU64::new(0),
        refused: [const { AtomicU64::new(0) }; 3],
        waker: OnceLock::new(),
    });
    (Mail { shared: Arc::clone(&shared) }, Inbox { shared })
}

/// The sending end.
pub struct Mail<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Clone for Mail<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> fmt::Debug for Mail<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mail({})", self.shared.name)
    }
}

impl<T> Mail<T> {
    /// Sends one message.
    ///
    /// # Errors
    /// Gives the message back when the mailbox is full for its class or its owner is gone.
    pub fn send(&self, class: Class, value: T) -> Result<(), Refused<T>> {
        let mut queue = self.shared.lock();
        if queue.is_closed || queue.entries.len() >= self.shared.limits[class.index()] {
            drop(queue);
            self.shared.refused[class.index()].fetch_add(1, Ordering::Relaxed);
            return Err(Refused(value));
        }
        queue.entries.push_back(value);
        self.shared.len.store(queue.entries.len(), Ordering::Release);
        drop(queue);
        self.shared.note_sent(1);
        Ok(())
    }

    /// Sends all of `values` in order and leaves it empty; says how many were
    /// refused, which are dropped and counted.
    pub fn send_batch(&self, class: Class, values: &mut Vec<T>) -> usize {
        let refused = self.send_each(values, |_| class, |value| value);
        values.clear();
        refused
    }

    /// Sends `values` in order, each in its own class and turned into an entry, and
    /// leaves in `values` what was refused. Says how many those are. The two
    /// functions run under the lock: they only sort and wrap.
    pub fn send_each<U>(
        &self,
        values: &mut Vec<U>,
        class_of: impl Fn(&U) -> Class,
        mut wrap: impl FnMut(U) -> T,
    ) -> usize {
        if values.is_empty() {
            return 0;
        }
        let mut refused = Vec::new();
        let mut refused_by_class = [0; 3];
        let mut sent = 0;
        let mut queue = self.shared.lock();
        for value in values.drain(..) {
            let class = class_of(&value).index();
            if queue.is_closed || queue.entries.len() >= self.shared.limits[class] {
                refused_by_class[class] += 1;
                refused.push(value);
            } else {
                queue.entries.push_back(wrap(value));
                sent += 1;
            }
        }
        self.shared.len.store(queue.entries.len(), Ordering::Release);
        drop(queue);
        for (counter, count) in self.shared.refused.iter().zip(refused_by_class) {
            if count > 0 {
                counter.fetch_add(count, Ordering::Relaxed);
            }
        }
        self.shared.note_sent(sent);
        values.append(&mut refused);
        values.len()
    }

    /// Whether the owner of the mailbox is gone, so that everything is refused.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.lock().is_closed
    }

    /// Its numbers.
    #[must_use]
    pub fn stats(&self) -> MailboxStats {
        self.shared.stats()
    }
}

/// The receiving end. When it is dropped the mailbox refuses everything.
pub struct Inbox<T> {
    shared: Arc<Shared<T>>,
}

impl<T> fmt::Debug for Inbox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inbox({})", self.shared.name)
    }
}

impl<T> Inbox<T> {
    /// Appends up to `max` entries to `into`, oldest first, and says how many.
    pub fn take(&self, into: &mut Vec<T>, max: usize) -> usize {
        if self.is_empty() {
            return 0;
        }
        let mut queue = self.shared.lock();
        let count = queue.entries.len().min(max);
        into.extend(queue.entries.drain(..count));
        self.shared.len.store(queue.entries.len(), Ordering::Release);
        count
    }

    /// Whether nothing waits. A message that is being sent at this moment may be missed;
    /// its sender wakes the thread.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shared.len.load(Ordering::Acquire) == 0
    }

    /// Whom every sender wakes. A mailbox stays with its thread: only the first call counts.
    pub fn set_waker(&self, waker: Arc<ThreadWaker>) {
        let _ = self.shared.waker.set(waker);
    }

    /// Its numbers.
    #[must_use]
    pub fn stats(&self) -> MailboxStats {
        self.shared.stats()
    }
}

impl<T> Drop for Inbox<T> {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.is_closed = true;
        let left = core::mem::take(&mut queue.entries);
        self.shared.len.store(0, Ordering::Release);
        drop(queue);
        drop(left);
    }
}

trait Counted: Send + Sync {
    fn stats(&self) -> MailboxStats;
}

impl<T: Send> Counted for Shared<T> {
    fn stats(&self) -> MailboxStats {
        Self::stats(self)
    }
}

/// The list of all mailboxes of a process, made by its start and passed on; clones share it.
#[derive(Clone, Default)]
pub struct Mailboxes {
    all: Arc<Lock<Vec<Arc<dyn Counted>>>>,
}

impl fmt::Debug for Mailboxes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.stats()).finish()
    }
}

impl Mailboxes {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a mailbox and puts it on the list, where it stays.
    #[must_use]
    pub fn mailbox<T: Send + 'static>(&self, name: &str, len_max: usize) -> (Mail<T>, Inbox<T>) {
        let (mail, inbox) = mailbox(name, len_max);
        let counted: Arc<dyn Counted> = Arc::clone(&mail.shared) as Arc<dyn Counted>;
        self.all.lock().unwrap_or_else(PoisonError::into_inner).push(counted);
        (mail, inbox)
    }

    /// The numbers of all, in the order of making.
    #[must_use]
    pub fn stats(&self) -> Vec<MailboxStats> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|counted| counted.stats()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(mail: &Mail<usize>, class: Class) -> usize {
        (0..).take_while(|&value| mail.send(class, value).is_ok()).count()
    }

    #[test]
    fn each_class_is_refused_at_its_bar() {
        let (mail, _inbox) = mailbox("calls", 100);
        assert_eq!(fill(&mail, Class::New), 80);
        assert_eq!(fill(&mail, Class::Continuing), 15);
        assert_eq!(fill(&mail, Class::Internal), 5);
        assert_eq!(mail.send(Class::Internal, 7), Err(Refused(7)));
        let stats = mail.stats();
        assert_eq!((stats.name.as_str(), stats.len, stats.len_max), ("calls", 100, 100));
        assert_eq!((stats.sent, stats.refused), (100, [1, 1, 2]));
    }

    #[test]
    fn the_smallest_mailbox_takes_one_of_any_class() {
        let (mail, inbox) = mailbox("one", 0);
        assert_eq!(fill(&mail, Class::New), 1);
        let mut out = Vec::new();
        assert_eq!(inbox.take(&mut out, 10), 1);
        assert_eq!(fill(&mail, Class::Internal), 1);
    }

    #[test]
    fn a_batch_arrives_in_order_and_its_refused_end_is_counted() {
        let (mail, inbox) = mailbox("batch", 10);
        let mut batch: Vec<usize> = (0..12).collect();
        assert_eq!(mail.send_batch(Class::Continuing, &mut batch), 2);
        assert!(batch.is_empty());
        let mut out = Vec::new();
        assert_eq!(inbox.take(&mut out, 4), 4);
        assert_eq!(inbox.take(&mut out, 100), 6);
        assert_eq!(out, (0..10).collect::<Vec<_>>());
        assert!(inbox.is_empty());
        assert_eq!(inbox.take(&mut out, 1), 0);
        assert_eq!(mail.stats().refused, [0, 2, 0]);
    }

    #[test]
    fn a_mixed_batch_gives_back_what_was_refused() {
        let (mail, inbox) = mailbox("mixed", 10);
        assert_eq!(mail.send_batch(Class::New, &mut (0..7).collect()), 0);
        let mut batch = vec![(Class::New, 1), (Class::New, 2), (Class::Continuing, 3)];
        assert_eq!(mail.send_each(&mut batch, |entry| entry.0, |entry| entry.1), 1);
        assert_eq!(batch, [(Class::New, 2)]);
        let mut out = Vec::new();
        inbox.take(&mut out, 100);
        assert_eq!(out[7..], [1, 3]);
    }

    #[test]
    fn nobody_can_send_to_an_owner_that_is_gone() {
        let (mail, inbox) = mailbox("gone", 10);
        let kept = Arc::new(());
        assert!(mail.send(Class::New, Arc::clone(&kept)).is_ok());
        assert!(!mail.is_closed());
        drop(inbox);
        assert_eq!(Arc::strong_count(&kept), 1, "the queue holds nothing back");
        assert!(mail.is_closed());
        assert!(mail.send(Class::Internal, Arc::clone(&kept)).is_err());
        assert_eq!(mail.send_batch(Class::Internal, &mut vec![kept]), 1);
        assert_eq!(mail.stats().len, 0);
    }

    #[test]
    fn the_list_knows_all_mailboxes() {
        let all = Mailboxes::new();
        let (first, _first) = all.clone().mailbox::<u8>("first", 4);
        let (_second, _second_inbox) = all.mailbox::<String>("second", 8);
        assert!(first.send(Class::New, 1).is_ok());
        let stats = all.stats();
        let seen: Vec<_> = stats.iter().map(|s| (s.name.as_str(), s.len, s.len_max)).collect();
        assert_eq!(seen, [("first", 1, 4), ("second", 0, 8)]);
    }

    #[test]
    fn nothing_is_lost_or_reordered_between_threads() {
        let (mail, inbox) = mailbox::<(usize, usize)>("threads", 64);
        let senders: Vec<_> = (0..3)
            .map(|sender| {
                let mail = mail.clone();
                let send = move || {
                    for number in 0..1_000 {
                        while mail.send(Class::Internal, (sender, number)).is_err() {
                            std::thread::yield_now();
                        }
                    }
                };
                std::thread::Builder::new().spawn(send).expect("a thread")
            })
            .collect();
        let mut next = [0; 3];
        let mut batch = Vec::new();
        while next != [1_000; 3] {
            inbox.take(&mut batch, 16);
            for (sender, number) in batch.drain(..) {
                assert_eq!(number, next[sender]);
                next[sender] += 1;
            }
        }
        for sender in senders {
            sender.join().expect("ended well");
        }
        assert_eq!(mail.stats().sent, 3_000);
    }
}
