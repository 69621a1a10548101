//! Server transaction of every request but INVITE and ACK, RFC 3261 17.2.2.
//!
//! ```text
//!  Trying ──1xx──▶ Proceeding ──2xx-6xx──▶ Completed ──Timer J──▶ Terminated
//! ```

use super::{Action, Actions};
use crate::base::limits::TRANSACTION_TIMEOUT;
use crate::base::state::{StateError, remaining};
use crate::base::time::{Duration, Instant};
use crate::sip::state::{due, proto};
use proto::ServerNonInviteState as Stored;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Trying,
    Proceeding,
    Completed { until: Instant },
    Terminated,
}

/// The machine.
#[derive(Clone, Copy, Debug)]
pub struct ServerNonInvite {
    state: State,
    reliable: bool,
}

impl ServerNonInvite {
    /// A request that has come in.
    #[must_use]
    pub const fn new(reliable: bool) -> Self {
        Self { state: State::Trying, reliable }
    }

    /// What it knows, as seen at `now`.
    pub(in crate::sip) fn to_state(self, now: Instant) -> proto::ServerNonInvite {
        let (state, until) = match self.state {
            State::Trying => (Stored::Trying, None),
            State::Proceeding => (Stored::Proceeding, None),
            State::Completed { until } => (Stored::Completed, remaining(until, now)),
            State::Terminated => (Stored::Terminated, None),
        };
        proto::ServerNonInvite { state: state.into(), until_ns: until, reliable: self.reliable }
    }

    /// The inverse of `to_state`.
    pub(in crate::sip) fn from_state(
        stored: &proto::ServerNonInvite,
        now: Instant,
    ) -> Result<Self, StateError> {
        let state = match Stored::try_from(stored.state) {
            Ok(Stored::Trying) => State::Trying,
            Ok(Stored::Proceeding) => State::Proceeding,
            Ok(Stored::Completed) => State::Completed { until: due(stored.until_ns, now)? },
            Ok(Stored::Terminated) => State::Terminated,
            Ok(Stored::Unspecified) | Err(_) => return Err(StateError::Field("state")),
        };
        Ok(Self { state, reliable: stored.reliable })
    }

    /// Whether no final response was sent.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Trying | State::Proceeding)
    }

    /// Whether it is over.
    #[must_use]
    pub const fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    /// When `on_time` must be called next.
    #[must_use]
    pub const fn next_deadline(&self) -> Instant {
        match self.state {
            State::Completed { until } => until,
            State::Trying | State::Proceeding | State::Terminated => Instant::NEVER,
        }
    }

    /// The same request came again.
    pub fn on_retransmission(&mut self) -> Actions {
        match self.state {
            State::Proceeding | State::Completed { .. } => Actions::of(&[Action::SendResponse]),
            State::Trying | State::Terminated => Actions::none(),
        }
    }

    /// The user of the transaction answers; the response becomes the last one.
    pub fn on_answer(&mut self, status: u16, now: Instant) -> Actions {
        match self.state {
            State::Trying | State::Proceeding => {
                let wait = if self.reliable { Duration::ZERO } else { TRANSACTION_TIMEOUT };
                self.state = if status < 200 {
                    State::Proceeding
                } else {
                    State::Completed { until: now + wait }
                };
                Actions::of(&[Action::SendResponse])
            }
            State::Completed { .. } | State::Terminated => Actions::none(),
        }
    }

    /// Time has come to `now`.
    pub fn on_time(&mut self, now: Instant) -> Actions {
        match self.state {
            State::Completed { until } if now >= until => {
                self.state = State::Terminated;
                Actions::of(&[Action::Terminated])
            }
            State::Trying | State::Proceeding | State::Completed { .. } | State::Terminated => {
                Actions::none()
            }
        }
    }
}
