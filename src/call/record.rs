//! The call-detail record: what remains of a call.

use crate::base::id::{CallUuid, ConnId};
use crate::base::leg::Cause;
use crate::base::time::{Duration, WallTime};

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// The calling party.
    Caller,
    /// The called party.
    Callee,
    /// The cluster: nobody answered in time, or nobody could be called.
    Cluster,
}

impl EndedBy {
    /// As written in the record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Callee => "callee",
            Self::Cluster => "cluster",
        }
    }
}

/// How a call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallResult {
    /// It was answered.
    Answered,
    /// The called party was busy.
    Busy,
    /// The caller gave up, or nobody answered in time.
    NoAnswer,
    /// Any other refusal.
    Failed,
}

impl CallResult {
    /// As written in the record and as the label of `calls_total`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::Failed => "failed",
        }
    }
}

/// One call, settled once when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRecord {
    /// CallUUID.
    pub uuid: CallUuid,
    /// ConnID.
    pub conn_id: ConnId,
    /// DN or number of the caller.
    pub caller: Box<str>,
    /// What was dialled.
    pub dialled: Box<str>,
    /// DN or trunk that was called; empty if the call got nowhere.
    pub destination: Box<str>,
    /// Trunk that the call came or went by, if any.
    pub trunk: Box<str>,
    /// When the call came.
    pub started: WallTime,
    /// From there to the first ringing.
    pub rang_after: Option<Duration>,
    /// From there to the answer.
    pub answered_after: Option<Duration>,
    /// From there to the end.
    pub ended_after: Duration,
    /// How it went.
    pub result: CallResult,
    /// Who ended it.
    pub ended_by: EndedBy,
    /// Why, in the signalling's words.
    pub cause: Cause,
    /// Changes of the session by either party while it was answered.
    pub updates: u32,
}
