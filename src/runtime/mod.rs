//! What modules stand on: the clock, mailboxes, timers, threads. The only folder
//! that reads a clock, holds a lock or starts a thread. It knows no protocol.

pub(crate) mod atomic;
pub mod clock;
pub mod event_log;
pub mod file;
pub mod guard;
pub mod journal;
pub mod mailbox;
pub mod module;
pub mod ownership_table;
pub mod pause;
pub mod runner;
pub mod timer_wheel;
pub mod tls;
pub mod waker;

#[cfg(test)]
mod tests;
