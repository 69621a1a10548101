//! The four transaction machines of RFC 3261 17 with RFC 6026.
//!
//! A machine knows states, timers and when to send what; it holds no bytes.
//! Its owner keeps the bytes, carries the actions out and frees the machine on
//! [`Action::Terminated`]. Timers are deadlines inside the machine: whoever owns
//! it arms a wake-up for [`next_deadline`](ClientInvite::next_deadline) and calls
//! `on_time`; a wake-up that comes too early does nothing.

mod client_invite;
mod client_non_invite;
mod either;
mod index;
mod key;
mod server_invite;
mod server_non_invite;

#[cfg(test)]
mod tests;

pub use client_invite::{ClientInvite, State as ClientInviteState};
pub use client_non_invite::ClientNonInvite;
pub use either::{Client, Server};
pub use index::TransactionIndex;
pub use key::TransactionKey;
pub use server_invite::ServerInvite;
pub use server_non_invite::ServerNonInvite;

use crate::base::limits::TIMER_T1;
use crate::base::state::{deadline, nanos, remaining};
use crate::base::time::{Duration, Instant};
use crate::sip::state::{interval, proto};

/// What a machine wants done, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send the request, or send it again.
    SendRequest,
    /// Send the ACK for a final response other than 2xx.
    SendAck,
    /// Send the last response again.
    SendResponse,
    /// Give the response that was the input to the user of the transaction.
    Deliver,
    /// No answer came in time (Timers B, F).
    TimedOut,
    /// No ACK came for a final response (Timer H).
    NoAck,
    /// The machine is done; nothing refers to it any more.
    Terminated,
}

/// Actions of one step; a step never has more than four.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Actions {
    list: [Option<Action>; 4],
    len: usize,
}

impl Actions {
    /// Nothing to do.
    #[must_use]
    pub const fn none() -> Self {
        Self { list: [None; 4], len: 0 }
    }

    /// These, in order.
    #[must_use]
    pub fn of(actions: &[Action]) -> Self {
        let mut list = Self::none();
        for action in actions {
            list.list[list.len] = Some(*action);
            list.len += 1;
        }
        list
    }
}

impl IntoIterator for Actions {
    type Item = Action;
    type IntoIter = core::iter::Flatten<core::array::IntoIter<Option<Action>, 4>>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter().flatten()
    }
}

/// A retransmission timer whose interval doubles up to a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Backoff {
    at: Instant,
    interval: Duration,
}

impl Backoff {
    /// Fires first after `interval`; never on a reliable transport.
    fn start(now: Instant, interval: Duration, reliable: bool) -> Self {
        let at = if reliable { Instant::NEVER } else { now + interval };
        Self { at, interval }
    }

    /// Whether it is due; arms it again with the doubled interval.
    fn fire(&mut self, now: Instant, limit: Duration) -> bool {
        if now < self.at {
            return false;
        }
        self.interval = (self.interval * 2).min(limit);
        self.at = now + self.interval;
        true
    }

    fn to_state(self, now: Instant) -> proto::Backoff {
        proto::Backoff { at_ns: remaining(self.at, now), interval_ns: nanos(self.interval) }
    }

    fn from_state(state: proto::Backoff, now: Instant) -> Self {
        Self { at: deadline(state.at_ns, now), interval: interval(state.interval_ns) }
    }

    /// Of a machine that sends nothing again.
    const OVER: Self = Self { at: Instant::NEVER, interval: TIMER_T1 };
}
