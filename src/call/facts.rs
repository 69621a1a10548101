//! What happened in a call, for everyone outside it.

pub use super::record::EndedBy;
pub use super::two_party::Party;
use crate::base::id::{CallUuid, ConnId, Slot};
use crate::base::time::Duration;

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The destination is being called.
    Dialing,
    /// It rings.
    Alerting,
    /// It has answered.
    Connected,
    /// That party has put the other on hold.
    Held(Party),
    /// That party has taken the other back from hold.
    Retrieved(Party),
    /// The call is over.
    Ended {
        /// Who ended it.
        by: EndedBy,
        /// Why, as a status code of SIP (RFC 3261 21).
        code: u16,
        /// Whether it had been answered.
        was_connected: bool,
    },
}

/// What somebody outside a call wants of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// It is to end: that party's desktop has hung up.
    Release,
    /// It is to end: that party has rung long enough.
    NoAnswer,
    /// It is watched elsewhere how long that party rings. It ends by itself after that
    /// time, where nothing more is heard; `None` lets it ring on.
    Supervised(Option<Duration>),
}

/// A word to a call from outside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Where its node holds it.
    pub call: Slot,
    /// ConnID.
    pub conn_id: ConnId,
    /// The party that it is about.
    pub party: Party,
    /// What is wanted.
    pub wish: Wish,
}

/// A step of a call, with its parties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFact {
    /// ConnID.
    pub conn_id: ConnId,
    /// CallUUID.
    pub uuid: CallUuid,
    /// DN or number of the caller.
    pub caller: Box<str>,
    /// What was dialled.
    pub dialled: Box<str>,
    /// DN or trunk that is called.
    pub destination: Box<str>,
    /// Trunk that the call came or goes by, empty for none.
    pub trunk: Box<str>,
    /// Whether it came by that trunk.
    pub is_inbound: bool,
    /// Where its node holds it.
    pub slot: Slot,
    /// What has happened.
    pub step: Step,
}

impl CallFact {
    /// Whether the call is over.
    #[must_use]
    pub const fn is_end(&self) -> bool {
        matches!(self.step, Step::Ended { .. })
    }

    /// Whether it counts as business: it came from outside.
    #[must_use]
    pub const fn is_business(&self) -> bool {
        self.is_inbound
    }

    /// The caller's DN, unless the call came from outside.
    #[must_use]
    pub fn caller_dn(&self) -> Option<&str> {
        (!self.is_inbound).then_some(&*self.caller)
    }

    /// The called DN, unless the call goes outside.
    #[must_use]
    pub fn called_dn(&self) -> Option<&str> {
        let goes_out = !self.trunk.is_empty() && self.destination == self.trunk;
        (!goes_out && !self.destination.is_empty()).then_some(&*self.destination)
    }
}
