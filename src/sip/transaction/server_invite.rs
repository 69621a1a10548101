//! INVITE server transaction, RFC 3261 17.2.1 with RFC 6026 7.1.
//!
//! ```text
//!  Proceeding ──2xx──▶ Accepted ──Timer L──▶ Terminated
//!      │ 300-699          INVITE again: absorbed
//!      ▼
//!  Completed ──ACK──▶ Confirmed ──Timer I──▶ Terminated
//!   Timer G sends the response again, Timer H gives up waiting for the ACK
//! ```
//!
//! A 2xx is sent again by the user agent core, not here (RFC 3261 13.3.1.4); a
//! proxy passes every 2xx of its branches on.

use super::{Action, Actions, Backoff};
use crate::base::limits::{TIMER_T1, TIMER_T2, TIMER_T4, TRANSACTION_TIMEOUT};
use crate::base::state::{StateError, remaining};
use crate::base::time::{Duration, Instant};
use crate::sip::state::{due, proto};
use proto::ServerInviteState as Stored;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Proceeding { answered: bool },
    Accepted { until: Instant },
    Completed { give_up_at: Instant, retransmit: Backoff },
    Confirmed { until: Instant },
    Terminated,
}

/// The machine.
#[derive(Clone, Copy, Debug)]
pub struct ServerInvite {
    state: State,
    reliable: bool,
}

impl ServerInvite {
    /// A request that has come in.
    #[must_use]
    pub const fn new(reliable: bool) -> Self {
        Self { state: State::Proceeding { answered: false }, reliable }
    }

    /// What it knows, as seen at `now`.
    pub(in crate::sip) fn to_state(self, now: Instant) -> proto::ServerInvite {
        let (state, until, retransmit) = match self.state {
            State::Proceeding { answered: false } => (Stored::Silent, None, None),
            State::Proceeding { answered: true } => (Stored::Proceeding, None, None),
            State::Accepted { until } => (Stored::Accepted, Some(until), None),
            State::Completed { give_up_at, retransmit } => {
                (Stored::Completed, Some(give_up_at), Some(retransmit))
            }
            State::Confirmed { until } => (Stored::Confirmed, Some(until), None),
            State::Terminated => (Stored::Terminated, None, None),
        };
        proto::ServerInvite {
            state: state.into(),
            until_ns: until.and_then(|until| remaining(until, now)),
            retransmit: retransmit.map(|retransmit| retransmit.to_state(now)),
            reliable: self.reliable,
        }
    }

    /// The inverse of `to_state`.
    pub(in crate::sip) fn from_state(
        stored: &proto::ServerInvite,
        now: Instant,
    ) -> Result<Self, StateError> {
        let until = due(stored.until_ns, now);
        let state = match Stored::try_from(stored.state) {
            Ok(Stored::Silent) => State::Proceeding { answered: false },
            Ok(Stored::Proceeding) => State::Proceeding { answered: true },
            Ok(Stored::Accepted) => State::Accepted { until: until? },
            Ok(Stored::Completed) => {
                let retransmit = stored.retransmit.ok_or(StateError::Field("retransmit"))?;
                let retransmit = Backoff::from_state(retransmit, now);
                State::Completed { give_up_at: until?, retransmit }
            }
            Ok(Stored::Confirmed) => State::Confirmed { until: until? },
            Ok(Stored::Terminated) => State::Terminated,
            Ok(Stored::Unspecified) | Err(_) => return Err(StateError::Field("state")),
        };
        Ok(Self { state, reliable: stored.reliable })
    }

    /// Whether no final response was sent.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
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
            State::Accepted { until } | State::Confirmed { until } => until,
            State::Completed { give_up_at, retransmit } => give_up_at.min(retransmit.at),
            State::Proceeding { .. } | State::Terminated => Instant::NEVER,
        }
    }

    /// The same INVITE came again.
    pub fn on_retransmission(&mut self) -> Actions {
        match self.state {
            State::Proceeding { answered: true } | State::Completed { .. } => {
                Actions::of(&[Action::SendResponse])
            }
            State::Proceeding { answered: false }
            | State::Accepted { .. }
            | State::Confirmed { .. }
            | State::Terminated => Actions::none(),
        }
    }

    /// The user of the transaction answers; the response becomes the last one.
    pub fn on_answer(&mut self, status: u16, now: Instant) -> Actions {
        match self.state {
            State::Proceeding { .. } => {
                self.state = match status {
                    100..=199 => State::Proceeding { answered: true },
                    200..=299 => State::Accepted { until: now + TRANSACTION_TIMEOUT },
                    _ => State::Completed {
                        give_up_at: now + TRANSACTION_TIMEOUT,
                        retransmit: Backoff::start(now, TIMER_T1, self.reliable),
                    },
                };
                Actions::of(&[Action::SendResponse])
            }
            State::Accepted { .. } if (200..300).contains(&status) => {
                Actions::of(&[Action::SendResponse])
            }
            State::Accepted { .. }
            | State::Completed { .. }
            | State::Confirmed { .. }
            | State::Terminated => Actions::none(),
        }
    }

    /// The ACK for a final response other than 2xx came.
    pub fn on_ack(&mut self, now: Instant) -> Actions {
        match self.state {
            State::Completed { .. } => {
                let wait = if self.reliable { Duration::ZERO } else { TIMER_T4 };
                self.state = State::Confirmed { until: now + wait };
                Actions::none()
            }
            State::Proceeding { .. }
            | State::Accepted { .. }
            | State::Confirmed { .. }
            | State::Terminated => Actions::none(),
        }
    }

    /// Time has come to `now`.
    pub fn on_time(&mut self, now: Instant) -> Actions {
        match &mut self.state {
            State::Completed { give_up_at, .. } if now >= *give_up_at => {
                self.state = State::Terminated;
                Actions::of(&[Action::NoAck, Action::Terminated])
            }
            State::Completed { retransmit, .. } => {
                if retransmit.fire(now, TIMER_T2) {
                    return Actions::of(&[Action::SendResponse]);
                }
                Actions::none()
            }
            State::Accepted { until } | State::Confirmed { until } if now >= *until => {
                self.state = State::Terminated;
                Actions::of(&[Action::Terminated])
            }
            State::Proceeding { .. }
            | State::Accepted { .. }
            | State::Confirmed { .. }
            | State::Terminated => Actions::none(),
        }
    }
}
