//! What a thread sees of a module.

use super::waker::ThreadWaker;
use crate::base::time::Instant;
use core::task::{Context, Poll};
use std::sync::Arc;

/// A part of an application with a state of its own that is turned by a thread.
/// It never blocks and never waits: what it hears of lies in its mailbox and its
/// sockets, what it waits for is a deadline.
pub trait Module: Send {
    /// Its name in logs and statistics.
    fn name(&self) -> &str;

    /// Hands over the waker of the thread, before [`Module::start`]; modules give it
    /// to their mailboxes.
    fn set_waker(&mut self, waker: &Arc<ThreadWaker>);

    /// Called once, on the module's own thread and inside its runtime.
    fn start(&mut self) {}

    /// Does a bounded piece of what is there to do and says how much that was;
    /// zero when nothing is left. `now` is the time of the whole turn.
    fn turn(&mut self, now: Instant) -> usize;

    /// Whether it wants a turn for what neither a deadline nor a socket tells of: mail,
    /// and what the last turn left. Cheap: asked before each turn and each sleep.
    fn has_work(&self) -> bool;

    /// When it wants a turn even if nothing happens; may be too early.
    fn next_deadline(&self) -> Instant {
        Instant::NEVER
    }

    /// Asked before the thread sleeps: ready when a socket has work for the next
    /// turn, otherwise the context is woken as soon as one has.
    fn poll_io(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    /// Called once, after the last turn. Flushes what goes without waiting.
    fn stop(&mut self) {}
}
