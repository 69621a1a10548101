//! One side of one call: the dialog, the session and the script.

use super::Out;
use super::early::{Early, Progress, Reliable};
use super::session::Session;
use crate::sim::ability::{Ability, SESSION_MIN_S};
use crate::sim::behaviour::Step;
use crate::sim::plan::Plan;
use crate::sip::message::{HeaderId, Message};
use std::collections::{BTreeMap, VecDeque};

/// Where a call of a phone stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallState {
    /// No final answer yet.
    Early,
    /// Answered.
    Up,
    /// BYE sent, its answer awaited.
    Ending,
    /// Over.
    Over,
}

/// What the other side has said that it can.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Peer {
    pub(super) reliable: bool,
    pub(super) requires: bool,
    pub(super) update: bool,
}

impl Peer {
    /// Reads what a message says of its sender.
    pub(super) fn learn(&mut self, message: &Message) {
        self.requires |= message.has_option_tag(HeaderId::Require, b"100rel");
        self.reliable |= self.requires || message.has_option_tag(HeaderId::Supported, b"100rel");
        self.update |=
            message.values(HeaderId::Allow).any(|value| value.eq_ignore_ascii_case(b"UPDATE"));
    }
}

/// What a call begins with.
pub(super) struct NewCall {
    pub(super) plan: Option<Plan>,
    pub(super) id: u32,
    pub(super) is_caller: bool,
    pub(super) call_id: String,
    pub(super) local_tag: String,
    pub(super) remote_tag: Vec<u8>,
    pub(super) local: String,
    pub(super) remote: String,
    pub(super) target: String,
    pub(super) routes: Vec<String>,
}

/// One side of one call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) plan: Option<Plan>,
    /// Number of the plan, zero for a call that no plan names.
    pub(super) id: u32,
    pub(super) is_caller: bool,
    pub(super) state: CallState,
    pub(super) call_id: String,
    pub(super) local_tag: String,
    pub(super) remote_tag: Vec<u8>,
    pub(super) local: String,
    pub(super) remote: String,
    pub(super) target: String,
    pub(super) routes: Vec<String>,
    pub(super) local_cseq: u32,
    pub(super) remote_cseq: u32,
    /// Number of the INVITE that came.
    pub(super) invite_cseq: u32,
    /// The INVITE or re-INVITE of ours without a final answer.
    pub(super) inviting: Option<u64>,
    /// The INVITE of the other side without a final answer.
    pub(super) invited: Option<u64>,
    /// The UPDATE of ours without an answer.
    pub(super) updating: Option<u64>,
    /// Our offer in a 2xx waits for the answer in its ACK.
    pub(super) offered_late: bool,
    pub(super) cancelled: bool,
    /// ACKs for 2xx by CSeq and To tag, to be sent again with each repetition.
    pub(super) acks: BTreeMap<(u32, Vec<u8>), Out>,
    pub(super) authorizations: u32,
    pub(super) held: bool,
    pub(super) last_change: Option<Step>,
    pub(super) description_version: u32,
    pub(super) description: String,
    pub(super) stepping: bool,
    pub(super) can: Ability,
    pub(super) peer: Peer,
    /// Offer and answer have gone both ways before the 2xx.
    pub(super) agreed: bool,
    /// Early dialogs of a caller by the other's tag.
    pub(super) early: BTreeMap<Vec<u8>, Early>,
    /// The reliable response that waits for its PRACK.
    pub(super) reliable: Option<Reliable>,
    pub(super) rseq: u64,
    pub(super) progress: VecDeque<Progress>,
    /// The answer waits for a PRACK.
    pub(super) answer_due: bool,
    pub(super) session: Option<Session>,
    pub(super) session_min_s: u32,
}

impl Call {
    pub(super) fn new(new: NewCall) -> Self {
        let can = new
            .plan
            .as_ref()
            .map(|plan| if new.is_caller { plan.caller_can } else { plan.callee_can });
        Self {
            plan: new.plan,
            id: new.id,
            is_caller: new.is_caller,
            state: CallState::Early,
            call_id: new.call_id,
            local_tag: new.local_tag,
            remote_tag: new.remote_tag,
            local: new.local,
            remote: new.remote,
            target: new.target,
            routes: new.routes,
            local_cseq: 0,
            remote_cseq: 0,
            invite_cseq: 0,
            inviting: None,
            invited: None,
            updating: None,
            offered_late: false,
            cancelled: false,
            acks: BTreeMap::new(),
            authorizations: 0,
            held: false,
            last_change: None,
            description_version: 0,
            description: String::new(),
            stepping: false,
            can: can.unwrap_or_default(),
            peer: Peer::default(),
            agreed: false,
            early: BTreeMap::new(),
            reliable: None,
            rseq: 0,
            progress: VecDeque::new(),
            answer_due: false,
            session: None,
            session_min_s: SESSION_MIN_S,
        }
    }

    /// The call as it is inside an early dialog.
    pub(super) fn within(&self, tag: Option<&[u8]>) -> Self {
        let mut copy = self.clone();
        if let Some((tag, early)) = tag.and_then(|tag| Some((tag, self.early.get(tag)?))) {
            copy.remote_tag = tag.to_vec();
            copy.routes.clone_from(&early.routes);
            copy.target.clone_from(&early.target);
        }
        copy
    }
}
