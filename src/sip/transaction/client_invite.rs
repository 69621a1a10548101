//! INVITE client transaction, RFC 3261 17.1.1 with RFC 6026 7.2.
//!
//! ```text
//!  Calling ──1xx──▶ Proceeding ──2xx──▶ Accepted ──Timer M──▶ Terminated
//!     │  │              │                 ▲  2xx again: deliver
//!     │  └──────2xx─────┼─────────────────┘
//!     │ 300-699         │ 300-699: ACK
//!     └──────────────▶ Completed ──Timer D──▶ Terminated
//!  Calling: Timer A sends again, Timer B gives up
//! ```

use super::{Action, Actions, Backoff};
use crate::base::limits::{TIMER_T1, TRANSACTION_TIMEOUT};
use crate::base::state::{StateError, remaining};
use crate::base::time::{Duration, Instant};
use crate::sip::state::{due, proto};
use proto::ClientInviteState as Stored;

/// States with what each one knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Sent, nothing heard.
    Calling {
        /// Timer B.
        give_up_at: Instant,
    },
    /// A provisional response was heard.
    Proceeding,
    /// A 2xx was heard; more may come from other branches.
    Accepted {
        /// Timer M.
        until: Instant,
    },
    /// A final response other than 2xx was heard and acknowledged.
    Completed {
        /// Timer D.
        until: Instant,
    },
    /// Over.
    Terminated,
}

/// The machine.
#[derive(Clone, Copy, Debug)]
pub struct ClientInvite {
    state: State,
    retransmit: Backoff,
    reliable: bool,
}

impl ClientInvite {
    /// A request that is sent at `now`.
    #[must_use]
    pub fn new(now: Instant, reliable: bool) -> (Self, Actions) {
        let machine = Self {
            state: State::Calling { give_up_at: now + TRANSACTION_TIMEOUT },
            retransmit: Backoff::start(now, TIMER_T1, reliable),
            reliable,
        };
        (machine, Actions::of(&[Action::SendRequest]))
    }

    /// What it knows, as seen at `now`.
    pub(in crate::sip) fn to_state(self, now: Instant) -> proto::ClientInvite {
        let (state, until) = match self.state {
            State::Calling { give_up_at } => (Stored::Calling, Some(give_up_at)),
            State::Proceeding => (Stored::Proceeding, None),
            State::Accepted { until } => (Stored::Accepted, Some(until)),
            State::Completed { until } => (Stored::Completed, Some(until)),
            State::Terminated => (Stored::Terminated, None),
        };
        let calling = matches!(self.state, State::Calling { .. });
        proto::ClientInvite {
            state: state.into(),
            until_ns: until.and_then(|until| remaining(until, now)),
            retransmit: calling.then(|| self.retransmit.to_state(now)),
            reliable: self.reliable,
        }
    }

    /// The inverse of `to_state`.
    pub(in crate::sip) fn from_state(
        stored: &proto::ClientInvite,
        now: Instant,
    ) -> Result<Self, StateError> {
        let until = due(stored.until_ns, now);
        let state = match Stored::try_from(stored.state) {
            Ok(Stored::Calling) => State::Calling { give_up_at: until? },
            Ok(Stored::Proceeding) => State::Proceeding,
            Ok(Stored::Accepted) => State::Accepted { until: until? },
            Ok(Stored::Completed) => State::Completed { until: until? },
            Ok(Stored::Terminated) => State::Terminated,
            Ok(Stored::Unspecified) | Err(_) => return Err(StateError::Field("state")),
        };
        let retransmit =
            stored.retransmit.map_or(Backoff::OVER, |stored| Backoff::from_state(stored, now));
        Ok(Self { state, retransmit, reliable: stored.reliable })
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Whether a final answer is still missing.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Calling { .. } | State::Proceeding)
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
            State::Calling { give_up_at } => give_up_at.min(self.retransmit.at),
            State::Accepted { until } | State::Completed { until } => until,
            State::Proceeding | State::Terminated => Instant::NEVER,
        }
    }

    /// A response with this status came.
    pub fn on_response(&mut self, status: u16, now: Instant) -> Actions {
        match self.state {
            State::Calling { .. } | State::Proceeding => self.on_first(status, now),
            State::Accepted { .. } => match status {
                200..=299 => Actions::of(&[Action::Deliver]),
                _ => Actions::none(),
            },
            State::Completed { .. } => match status {
                300..=699 => Actions::of(&[Action::SendAck]),
                _ => Actions::none(),
            },
            State::Terminated => Actions::none(),
        }
    }

    fn on_first(&mut self, status: u16, now: Instant) -> Actions {
        match status {
            100..=199 => {
                self.state = State::Proceeding;
                Actions::of(&[Action::Deliver])
            }
            200..=299 => {
                self.state = State::Accepted { until: now + TRANSACTION_TIMEOUT };
                Actions::of(&[Action::Deliver])
            }
            _ => {
                let wait = if self.reliable { Duration::ZERO } else { TRANSACTION_TIMEOUT };
                self.state = State::Completed { until: now + wait };
                Actions::of(&[Action::SendAck, Action::Deliver])
            }
        }
    }

    /// Time has come to `now`.
    pub fn on_time(&mut self, now: Instant) -> Actions {
        match self.state {
            State::Calling { give_up_at } if now >= give_up_at => {
                self.state = State::Terminated;
                Actions::of(&[Action::TimedOut, Action::Terminated])
            }
            State::Calling { .. } if self.retransmit.fire(now, TRANSACTION_TIMEOUT) => {
                Actions::of(&[Action::SendRequest])
            }
            State::Accepted { until } | State::Completed { until } if now >= until => {
                self.state = State::Terminated;
                Actions::of(&[Action::Terminated])
            }
            State::Calling { .. }
            | State::Proceeding
            | State::Accepted { .. }
            | State::Completed { .. }
            | State::Terminated => Actions::none(),
        }
    }
}
