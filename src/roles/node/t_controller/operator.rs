//! What operators ask for: an agent is logged in, made ready, logged out, as a desktop
//! does it. For that they are one client of the node, which is never gone, and is
//! registered for a DN while it is asked about.
//!
//! ```text
//!  operator          OPERATOR, a client of this node            owner of the DN
//!    │ Operate(TAgentSetReady) │ TRegisterAddress                     │
//!    ├────────────────────────▶├─────────────────────────────────────▶│
//!    │                         │ EventRegistered                      │
//!    │                         │◀─────────────────────────────────────┤
//!    │                         │ TAgentSetReady, TUnregisterAddress   │
//!    │ Operated(EventAgentReady)├────────────────────────────────────▶│
//!    │◀────────────────────────┤                                      │
//! ```

use super::core::{Action, Client, Core, Cx};
use super::log::Cursors;
use crate::base::frames::LENGTH_BYTES;
use crate::base::limits::OPERATORS_MAX;
use crate::base::time::{Duration, Instant};
use crate::cti::refusal::Refusal;
use crate::cti::tlib::{
    Attributes, ErrorCode, Event, EventType, Frame, Request, RequestType, frame,
};
use crate::modules::t_library::port::ClientId;
use crate::modules::t_library::session::Session;
use bytes::Bytes;
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};

/// The client that operators are: no connection has its number.
pub const OPERATOR: ClientId = ClientId(u64::MAX);
/// Time after which an answer is not waited for any more.
const OPERATOR_TIME: Duration = Duration::from_secs(60);
/// Its ApplicationName.
const NAME: &str = "operator";

/// An operator who waits.
#[derive(Clone, Debug)]
struct Waiting {
    ask: u64,
    since: Instant,
    follows: Option<Request>,
}

/// What operators wait for.
#[derive(Clone, Debug, Default)]
pub(super) struct Operators {
    /// By ReferenceID of what is under way: the operator's number and what is to follow.
    asked: BTreeMap<u32, Waiting>,
    last_reference: u32,
    /// DNs that it could not leave yet.
    stays: BTreeSet<usize>,
}

impl Core {
    /// An operator asks something about a DN.
    pub(super) fn on_operate(
        &mut self,
        ask: u64,
        kind: RequestType,
        given: Attributes,
        cx: &mut Cx<'_>,
    ) {
        // Nobody waits so long; a turn that has panicked owes an answer.
        let is_new = |waiting: &Waiting| cx.now.since(waiting.since) < OPERATOR_TIME;
        self.operators.asked.retain(|_, waiting| is_new(waiting));
        if self.operators.asked.len() >= OPERATORS_MAX {
            let text = "too many operators wait for an answer";
            return refuse(ask, &Refusal::new(ErrorCode::ErrorServiceUnavailable, text), cx);
        }
        let session = cx.ids.call_uuid();
        self.clients.entry(OPERATOR).or_insert_with(|| Client {
            session: Session::local(NAME, session, cx.now, cx.wall),
            dns: BTreeSet::new(),
            cursors: Cursors::default(),
            is_smart: false,
        });
        let this_dn = given.this_dn.clone();
        let follows = Request {
            r#type: kind.into(),
            attributes: Some(Box::new(given)),
            ..Request::default()
        };
        self.ask_for_operator(ask, RequestType::TRegisterAddress, this_dn, Some(follows), cx);
    }

    fn ask_for_operator(
        &mut self,
        ask: u64,
        kind: RequestType,
        this_dn: Option<String>,
        follows: Option<Request>,
        cx: &mut Cx<'_>,
    ) {
        let attributes = Some(Box::new(Attributes { this_dn, ..Attributes::default() }));
        let request = Request { r#type: kind.into(), attributes, ..Request::default() };
        self.send_for_operator(ask, request, follows, cx);
    }

    fn send_for_operator(
        &mut self,
        ask: u64,
        request: Request,
        follows: Option<Request>,
        cx: &mut Cx<'_>,
    ) {
        let operators = &mut self.operators;
        operators.last_reference = operators.last_reference.wrapping_add(1).max(1);
        let reference_id = operators.last_reference;
        operators.asked.insert(reference_id, Waiting { ask, since: cx.now, follows });
        self.on_own_request(OPERATOR, Request { reference_id, ..request }, 0, cx);
    }

    /// A frame for the client that operators are.
    pub(super) fn on_operator_frame(&mut self, bytes: &Bytes, cx: &mut Cx<'_>) {
        let payload = bytes.get(LENGTH_BYTES..).unwrap_or_default();
        let Ok(Frame { body: Some(frame::Body::Event(event)), reference_id }) =
            Frame::decode(payload)
        else {
            return;
        };
        let Some(waiting) = self.operators.asked.remove(&reference_id) else { return };
        let Waiting { ask, follows, .. } = waiting;
        let is_registered = event.r#type == i32::from(EventType::EventRegistered);
        let dn = follows.as_ref().and_then(|request| request.attributes.as_ref()?.this_dn.clone());
        if ask == 0 && event.r#type == i32::from(EventType::EventError) {
            // Their owner is just changing: the links' next tick tries again.
            let name = event.attributes.as_ref().and_then(|given| given.this_dn.as_deref());
            let index = name.and_then(|name| self.names.get(name).copied());
            self.operators.stays.extend(index);
            return;
        }
        match follows {
            Some(request) if is_registered => self.send_for_operator(ask, request, None, cx),
            Some(_) | None if ask != 0 => cx.out.push(Action::Operated(ask, Box::new(event))),
            Some(_) | None => {}
        }
        // Another operator may need the DN as well, and may have been refused it.
        let index = dn.as_ref().and_then(|name| self.names.get(&**name).copied());
        if let Some(index) = index {
            self.leave_for_operator(index, cx);
        }
    }

    /// DNs for which the operators' client is registered and need not be.
    pub(super) fn leave_for_operators(&mut self, cx: &mut Cx<'_>) {
        for index in core::mem::take(&mut self.operators.stays) {
            self.leave_for_operator(index, cx);
        }
    }

    fn leave_for_operator(&mut self, index: usize, cx: &mut Cx<'_>) {
        let dns = self.clients.get(&OPERATOR).map(|client| &client.dns);
        let is_there = dns.is_some_and(|dns| dns.contains(&index));
        let dn = Some(self.dns[index].name.to_string());
        if is_there && !self.operators.wants(dn.as_deref()) {
            self.ask_for_operator(0, RequestType::TUnregisterAddress, dn, None, cx);
        }
    }
}

impl Operators {
    /// Whether an operator is about to ask something of a DN.
    fn wants(&self, dn: Option<&str>) -> bool {
        let follows = self.asked.values().filter_map(|waiting| waiting.follows.as_ref());
        let mut dns = follows.filter_map(|request| request.attributes.as_ref()?.this_dn.as_deref());
        dns.any(|name| Some(name) == dn)
    }
}

fn refuse(ask: u64, refusal: &Refusal, cx: &mut Cx<'_>) {
    let attributes = Attributes {
        error_code: Some(refusal.code.into()),
        error_message: Some(refusal.text.to_string()),
        ..Attributes::default()
    };
    let event = Event {
        r#type: EventType::EventError.into(),
        attributes: Some(Box::new(attributes)),
        ..Event::default()
    };
    cx.out.push(Action::Operated(ask, Box::new(event)));
}
