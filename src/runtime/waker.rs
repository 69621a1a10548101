//! Wakes a module thread that sleeps, at no cost while it is awake.

use atomic_waker::AtomicWaker;
use core::future::poll_fn;
use core::task::{Context, Poll};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::task::Wake;

/// Wakes one module thread. A thread announces its sleep and looks at all its
/// mailboxes once more before it sleeps; who fills a mailbox looks for the
/// announcement afterwards. The two fences make sure that one of them sees the other.
#[derive(Debug, Default)]
pub struct ThreadWaker {
    asleep: AtomicBool,
    sleeper: AtomicWaker,
}

impl ThreadWaker {
    /// The waker of a thread that is awake.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Wakes the thread if it sleeps or is about to. Call it after the work is in place.
    pub fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::AcqRel) {
            self.sleeper.wake();
        }
    }

    /// Announces sleep: from here on the first [`ThreadWaker::wake`] takes that back,
    /// which [`ThreadWaker::poll_woken`] finds.
    pub fn announce_sleep(&self) {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The thread is awake.
    pub fn announce_awake(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Ready when somebody woke the thread since it announced its sleep, and while it
    /// has announced none.
    pub fn poll_woken(&self, cx: &mut Context<'_>) -> Poll<()> {
        // Who wakes between the two leaves what the second finds.
        self.sleeper.register(cx.waker());
        if self.asleep.load(Ordering::Acquire) { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Ends when [`ThreadWaker::poll_woken`] is ready.
    pub async fn woken(&self) {
        poll_fn(|cx| self.poll_woken(cx)).await;
    }
}

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        Self::wake(&self);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        Self::wake(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicUsize;
    use core::task::Waker;

    fn is_woken(waker: &ThreadWaker) -> bool {
        waker.poll_woken(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Sleeper(AtomicUsize);

    impl Wake for Sleeper {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn only_an_announced_sleep_is_disturbed_and_only_once() {
        let (waker, sleeper) = (ThreadWaker::new(), Arc::new(Sleeper::default()));
        ThreadWaker::wake(&waker);
        assert!(is_woken(&waker), "it is awake");
        waker.announce_sleep();
        assert!(!is_woken(&waker), "nobody called");
        let task = Waker::from(Arc::clone(&sleeper));
        assert!(waker.poll_woken(&mut Context::from_waker(&task)).is_pending());
        ThreadWaker::wake(&waker);
        ThreadWaker::wake(&waker);
        assert!(is_woken(&waker));
        assert_eq!(sleeper.0.load(Ordering::SeqCst), 1, "the second found it awake");
    }

    #[test]
    fn a_call_between_the_announcement_and_the_sleep_is_found() {
        let waker = ThreadWaker::new();
        waker.announce_sleep();
        Waker::from(Arc::clone(&waker)).wake_by_ref();
        assert!(is_woken(&waker));
    }

    #[test]
    fn a_sleep_taken_back_is_not_disturbed() {
        let waker = ThreadWaker::new();
        waker.announce_sleep();
        waker.announce_awake();
        Waker::from(Arc::clone(&waker)).wake();
        waker.announce_sleep();
        assert!(!is_woken(&waker), "nobody called since");
    }
}
