//! Wakes a module thread that sleeps, at no cost while it is awake.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::task::Wake;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// Wakes one module thread. A thread announces its sleep and looks at all its
/// mailboxes once more before it sleeps; who fills a mailbox looks for the
/// announcement afterwards. The two fences make sure that one of them sees the other.
#[derive(Debug, Default)]
pub struct ThreadWaker {
    asleep: AtomicBool,
    notify: Notify,
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
            self.notify.notify_one();
        }
    }

    /// Announces sleep: from here on every [`ThreadWaker::wake`] leaves a mark that
    /// [`ThreadWaker::woken`] finds.
    pub fn announce_sleep(&self) {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The thread is awake.
    pub fn announce_awake(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Ends when somebody woke the thread since it announced its sleep; it may
    /// end without a reason.
    pub fn woken(&self) -> Notified<'_> {
        self.notify.notified()
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
    use core::pin::pin;
    use core::task::{Context, Waker};

    fn is_woken(waker: &ThreadWaker) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        pin!(waker.woken()).poll(&mut cx).is_ready()
    }

    #[test]
    fn only_an_announced_sleep_is_disturbed_and_only_once() {
        let waker = ThreadWaker::new();
        ThreadWaker::wake(&waker);
        assert!(!is_woken(&waker), "it was awake");
        waker.announce_sleep();
        assert!(!is_woken(&waker), "nobody called");
        ThreadWaker::wake(&waker);
        ThreadWaker::wake(&waker);
        assert!(is_woken(&waker));
        assert!(!is_woken(&waker), "one mark for two calls");
    }

    #[test]
    fn a_sleep_taken_back_is_not_disturbed() {
        let waker = ThreadWaker::new();
        waker.announce_sleep();
        waker.announce_awake();
        Waker::from(Arc::clone(&waker)).wake();
        assert!(!is_woken(&waker));
    }
}
