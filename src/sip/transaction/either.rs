//! The machine that a method asks for: INVITE has its own, on either side.

use super::{Actions, ClientInvite, ClientNonInvite, ServerInvite, ServerNonInvite};
use crate::base::state::StateError;
use crate::base::time::Instant;
use crate::sip::message::Method;
use crate::sip::state::proto;
use proto::client_machine::Kind as ClientKind;
use proto::server_machine::Kind as ServerKind;

/// Server side of either kind.
#[derive(Clone, Copy, Debug)]
pub enum Server {
    /// RFC 3261 17.2.1.
    Invite(ServerInvite),
    /// RFC 3261 17.2.2.
    NonInvite(ServerNonInvite),
}

impl Server {
    /// A request that has come in.
    #[must_use]
    pub fn new(method: Method, reliable: bool) -> Self {
        if method == Method::Invite {
            Self::Invite(ServerInvite::new(reliable))
        } else {
            Self::NonInvite(ServerNonInvite::new(reliable))
        }
    }

    /// What it knows, as seen at `now`.
    pub(in crate::sip) fn to_state(self, now: Instant) -> proto::ServerMachine {
        let kind = match self {
            Self::Invite(machine) => ServerKind::Invite(machine.to_state(now)),
            Self::NonInvite(machine) => ServerKind::NonInvite(machine.to_state(now)),
        };
        proto::ServerMachine { kind: Some(kind) }
    }

    /// The inverse of `to_state`; the machine must be of the kind that the method
    /// asks for, and not be over.
    pub(in crate::sip) fn from_state(
        stored: Option<&proto::ServerMachine>,
        method: Method,
        now: Instant,
    ) -> Result<Self, StateError> {
        let invite = method == Method::Invite;
        let machine = match stored.and_then(|stored| stored.kind.as_ref()) {
            Some(ServerKind::Invite(stored)) if invite => {
                Self::Invite(ServerInvite::from_state(stored, now)?)
            }
            Some(ServerKind::NonInvite(stored)) if !invite => {
                Self::NonInvite(ServerNonInvite::from_state(stored, now)?)
            }
            Some(_) | None => return Err(StateError::Field("machine")),
        };
        if machine.is_terminated() { Err(StateError::Field("machine")) } else { Ok(machine) }
    }

    /// Whether no final response was sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.is_open(),
            Self::NonInvite(machine) => machine.is_open(),
        }
    }

    /// The same request came again.
    pub fn on_retransmission(&mut self) -> Actions {
        match self {
            Self::Invite(machine) => machine.on_retransmission(),
            Self::NonInvite(machine) => machine.on_retransmission(),
        }
    }

    /// The user of the transaction answers; the response becomes the last one.
    pub fn on_answer(&mut self, status: u16, now: Instant) -> Actions {
        match self {
            Self::Invite(machine) => machine.on_answer(status, now),
            Self::NonInvite(machine) => machine.on_answer(status, now),
        }
    }

    /// The ACK for a final response other than 2xx came; meaningless for any
    /// request but INVITE.
    pub fn on_ack(&mut self, now: Instant) -> Actions {
        match self {
            Self::Invite(machine) => machine.on_ack(now),
            Self::NonInvite(_) => Actions::none(),
        }
    }

    /// Time has come to `now`.
    pub fn on_time(&mut self, now: Instant) -> Actions {
        match self {
            Self::Invite(machine) => machine.on_time(now),
            Self::NonInvite(machine) => machine.on_time(now),
        }
    }

    /// Whether it is over.
    #[must_use]
    pub const fn is_terminated(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.is_terminated(),
            Self::NonInvite(machine) => machine.is_terminated(),
        }
    }

    /// When `on_time` must be called next.
    #[must_use]
    pub fn next_deadline(&self) -> Instant {
        match self {
            Self::Invite(machine) => machine.next_deadline(),
            Self::NonInvite(machine) => machine.next_deadline(),
        }
    }
}

/// Client side of either kind.
#[derive(Clone, Copy, Debug)]
pub enum Client {
    /// RFC 3261 17.1.1.
    Invite(ClientInvite),
    /// RFC 3261 17.1.2.
    NonInvite(ClientNonInvite),
}

impl Client {
    /// A request that is sent at `now`; its first sending is the caller's.
    #[must_use]
    pub fn new(method: Method, now: Instant, reliable: bool) -> Self {
        if method == Method::Invite {
            Self::Invite(ClientInvite::new(now, reliable).0)
        } else {
            Self::NonInvite(ClientNonInvite::new(now, reliable).0)
        }
    }

    /// What it knows, as seen at `now`.
    pub(in crate::sip) fn to_state(self, now: Instant) -> proto::ClientMachine {
        let kind = match self {
            Self::Invite(machine) => ClientKind::Invite(machine.to_state(now)),
            Self::NonInvite(machine) => ClientKind::NonInvite(machine.to_state(now)),
        };
        proto::ClientMachine { kind: Some(kind) }
    }

    /// The inverse of `to_state`; the machine must be of the kind that the method
    /// asks for, and not be over.
    pub(in crate::sip) fn from_state(
        stored: Option<&proto::ClientMachine>,
        method: Method,
        now: Instant,
    ) -> Result<Self, StateError> {
        let invite = method == Method::Invite;
        let machine = match stored.and_then(|stored| stored.kind.as_ref()) {
            Some(ClientKind::Invite(stored)) if invite => {
                Self::Invite(ClientInvite::from_state(stored, now)?)
            }
            Some(ClientKind::NonInvite(stored)) if !invite => {
                Self::NonInvite(ClientNonInvite::from_state(stored, now)?)
            }
            Some(_) | None => return Err(StateError::Field("machine")),
        };
        if machine.is_terminated() { Err(StateError::Field("machine")) } else { Ok(machine) }
    }

    /// Whether a final answer is still missing.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.is_open(),
            Self::NonInvite(machine) => machine.is_open(),
        }
    }

    /// A response with this status came.
    pub fn on_response(&mut self, status: u16, now: Instant) -> Actions {
        match self {
            Self::Invite(machine) => machine.on_response(status, now),
            Self::NonInvite(machine) => machine.on_response(status, now),
        }
    }

    /// Time has come to `now`.
    pub fn on_time(&mut self, now: Instant) -> Actions {
        match self {
            Self::Invite(machine) => machine.on_time(now),
            Self::NonInvite(machine) => machine.on_time(now),
        }
    }

    /// Whether it is over.
    #[must_use]
    pub const fn is_terminated(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.is_terminated(),
            Self::NonInvite(machine) => machine.is_terminated(),
        }
    }

    /// When `on_time` must be called next.
    #[must_use]
    pub fn next_deadline(&self) -> Instant {
        match self {
            Self::Invite(machine) => machine.next_deadline(),
            Self::NonInvite(machine) => machine.next_deadline(),
        }
    }
}
