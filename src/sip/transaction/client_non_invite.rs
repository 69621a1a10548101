//! Client transaction of every request but INVITE and ACK, RFC 3261 17.1.2.
//!
//! ```text
//!  Trying ──1xx──▶ Proceeding ──2xx-6xx──▶ Completed ──Timer K──▶ Terminated
//!     └───────────2xx-6xx────────────────────▲
//!  Trying, Proceeding: Timer E sends again, Timer F gives up
//! ```

use super::{Action, Actions, Backoff};
use crate::base::limits::{TIMER_T1, TIMER_T2, TIMER_T4, TRANSACTION_TIMEOUT};
use crate::base::state::{StateError, remaining};
use crate::base::time::{Duration, Instant};
use crate::sip::state::{due, proto};
use proto::ClientNonInviteState as Stored;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Trying { give_up_at: Instant },
    Proceeding { give_up_at: Instant },
    Completed { until: Instant },
    Terminated,
}

/// The machine.
#[derive(Clone, Copy, Debug)]
pub struct ClientNonInvite {
    state: State,
    retransmit: Backoff,
    reliable: bool,
}

impl ClientNonInvite {
    /// A request that is sent at `now`.
    #[must_use]
    pub fn new(now: Instant, reliable: bool) -> (Self, Actions) {
        let machine = Self {
            state: State::Trying { give_up_at: now + TRANSACTION_TIMEOUT },
            retransmit: Backoff::start(now, TIMER_T1, reliable),
            reliable,
        };
        (machine, Actions::of(&[Action::SendRequest]))
    }

    /// What it knows, as seen at `now`.
    pub(in crate::sip) fn to_state(self, now: Instant) -> proto::ClientNonInvite {
        let (state, until) = match self.state {
            State::Trying { give_up_at } => (Stored::Trying, Some(give_up_at)),
            State::Proceeding { give_up_at } => (Stored::Proceeding, Some(give_up_at)),
            State::Completed { until } => (Stored::Completed, Some(until)),
            State::Terminated => (Stored::Terminated, None),
        };
        proto::ClientNonInvite {
            state: state.into(),
            until_ns: until.and_then(|until| remaining(until, now)),
            retransmit: self.is_open().then(|| self.retransmit.to_state(now)),
            reliable: self.reliable,
        }
    }

    /// The inverse of `to_state`.
    pub(in crate::sip) fn from_state(
        stored: &proto::ClientNonInvite,
        now: Instant,
    ) -> Result<Self, StateError> {
        let until = due(stored.until_ns, now);
        let state = match Stored::try_from(stored.state) {
            Ok(Stored::Trying) => State::Trying { give_up_at: until? },
            Ok(Stored::Proceeding) => State::Proceeding { give_up_at: until? },
            Ok(Stored::Completed) => State::Completed { until: until? },
            Ok(Stored::Terminated) => State::Terminated,
            Ok(Stored::Unspecified) | Err(_) => return Err(StateError::Field("state")),
        };
        let retransmit =
            stored.retransmit.map_or(Backoff::OVER, |stored| Backoff::from_state(stored, now));
        Ok(Self { state, retransmit, reliable: stored.reliable })
    }

    /// Whether nothing at all was heard yet.
    #[must_use]
    pub const fn is_silent(&self) -> bool {
        matches!(self.state, State::Trying { .. })
    }

    /// Whether a final answer is still to come.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Trying { .. } | State::Proceeding { .. })
    }

    /// Whether it is over.
    #[must_use]
    pub const fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    /// When `on_time` must be called next.
    #[must_use]
    pub fn next_deadline(&self) -> Instant {
        match self.state {
            State::Trying { give_up_at } | State::Proceeding { give_up_at } => {
                give_up_at.min(self.retransmit.at)
            }
            State::Completed { until } => until,
            State::Terminated => Instant::NEVER,
        }
    }

    /// A response with this status came.
    pub fn on_response(&mut self, status: u16, now: Instant) -> Actions {
        match self.state {
            State::Trying { give_up_at } | State::Proceeding { give_up_at } => {
                if status < 200 {
                    self.state = State::Proceeding { give_up_at };
                    return Actions::of(&[Action::Deliver]);
                }
                let wait = if self.reliable { Duration::ZERO } else { TIMER_T4 };
                self.state = State::Completed { until: now + wait };
                Actions::of(&[Action::Deliver])
            }
            State::Completed { .. } | State::Terminated => Actions::none(),
        }
    }

    /// Time has come to `now`.
    pub fn on_time(&mut self, now: Instant) -> Actions {
        match self.state {
            State::Trying { give_up_at } | State::Proceeding { give_up_at }
                if now >= give_up_at =>
            {
                self.state = State::Terminated;
                Actions::of(&[Action::TimedOut, Action::Terminated])
            }
            State::Trying { .. } if self.retransmit.fire(now, TIMER_T2) => {
                Actions::of(&[Action::SendRequest])
            }
            State::Proceeding { .. } if now >= self.retransmit.at => {
                self.retransmit.at = now + TIMER_T2;
                Actions::of(&[Action::SendRequest])
            }
            State::Completed { until } if now >= until => {
                self.state = State::Terminated;
                Actions::of(&[Action::Terminated])
            }
            State::Trying { .. }
            | State::Proceeding { .. }
            | State::Completed { .. }
            | State::Terminated => Actions::none(),
        }
    }
}
