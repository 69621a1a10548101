//! One leg.

use super::description::Origin;
use super::dialog::Dialog;
use super::reliable::Early;
use super::session_timer::SessionTimer;
use super::stack::Wake;
use crate::base::id::Slot;
use crate::base::leg::Body;
use crate::base::limits::{TIMER_T1, TRANSACTION_TIMEOUT};
use crate::base::time::{Duration, Instant};
use crate::sip::message::Message;
use bytes::Bytes;
use std::collections::VecDeque;

/// Where a leg stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegState {
    /// The far end called and has no final answer.
    Incoming,
    /// We call and have no final answer.
    Calling,
    /// We gave the call up and wait for its final answer.
    Cancelling,
    /// Answered.
    Established,
    /// A BYE is on its way, or a refusal has been sent.
    Ending,
}

/// How a new leg is made.
#[derive(Clone, Debug)]
pub struct NewLeg {
    /// From, without tag.
    pub from: String,
    /// To, without tag.
    pub to: String,
    /// Request-URI.
    pub uri: String,
    /// Next hop behind the proxy: `registrar` or a URI.
    pub hop: String,
    /// Offer, if there is one.
    pub offer: Option<Body>,
    /// Whether reliable provisional responses are asked for.
    pub reliable: bool,
    /// Max-Forwards.
    pub hops_left: u8,
    /// Further headers as name and value.
    pub headers: Vec<(&'static str, String)>,
}

/// A response of ours that is sent again until it is acknowledged: a 2xx until its
/// ACK (RFC 3261 13.3.1.4), a reliable 1xx until its PRACK (RFC 3262 3).
#[derive(Clone, Debug)]
pub(super) struct AwaitedAck {
    pub(super) cseq: u32,
    /// Whether it carries our offer, so that the ACK brings the answer.
    pub(super) offers: bool,
    pub(super) bytes: Bytes,
    pub(super) flow: crate::base::flow::Flow,
    pub(super) at: Instant,
    pub(super) interval: Duration,
    pub(super) give_up_at: Instant,
}

impl AwaitedAck {
    pub(super) fn new(
        cseq: u32,
        bytes: Bytes,
        flow: crate::base::flow::Flow,
        now: Instant,
    ) -> Self {
        Self {
            cseq,
            offers: false,
            bytes,
            flow,
            at: now + TIMER_T1,
            interval: TIMER_T1,
            give_up_at: now + TRANSACTION_TIMEOUT,
        }
    }

    pub(super) fn due(&self) -> Instant {
        self.at.min(self.give_up_at)
    }

    /// The next repetition is due after twice the interval, at most `interval_max`.
    pub(super) fn repeat(&mut self, now: Instant, interval_max: Duration) {
        self.interval = (self.interval * 2).min(interval_max);
        self.at = now + self.interval;
    }
}

/// An ACK for a 2xx, kept to be sent again when the 2xx is.
#[derive(Clone, Debug)]
pub(super) enum SentAck {
    None,
    /// The 2xx carried an offer: the answer has to come from the call.
    Wanted(u32),
    Sent(u32, Bytes),
}

/// Changes before the last one whose answers may still be repeated.
const PAST_ACKS_MAX: usize = 4;

/// One leg.
#[derive(Clone, Debug)]
pub(super) struct Leg {
    pub(super) dialog: Dialog,
    pub(super) state: LegState,
    pub(super) origin: Origin,
    /// The INVITE of the far end that waits for our final answer.
    pub(super) offered: Option<Slot>,
    /// Its UPDATE or PRACK with an offer that waits for our answer.
    pub(super) asked: Option<Slot>,
    /// Our UPDATE with an offer that waits for its answer.
    pub(super) updating: Option<Slot>,
    /// Our request that does nothing but refresh the session.
    pub(super) refreshing: Option<Slot>,
    /// What is needed until the first INVITE is answered.
    pub(super) early: Option<Box<Early>>,
    pub(super) session: Option<SessionTimer>,
    /// Whether the far end takes UPDATE.
    pub(super) takes_update: bool,
    /// The next description for the far end, which heard another one before the answer.
    pub(super) reoffer: Option<Body>,
    /// When the leg is woken next.
    pub(super) armed: Instant,
    /// Our INVITE that waits for its final answer.
    pub(super) inviting: Option<Slot>,
    pub(super) awaited_ack: Option<AwaitedAck>,
    pub(super) sent_ack: SentAck,
    /// ACKs of changes before the last one, by CSeq.
    pub(super) past_acks: VecDeque<(u32, Bytes)>,
    /// Tags of forks that were answered too late, each with the ACK that it got.
    pub(super) refused_forks: Vec<(Box<[u8]>, Bytes)>,
    /// Whether our first INVITE asks for reliable provisional responses.
    pub(super) asks_reliable: bool,
    /// Whether the INVITE that we sent last carried an offer.
    pub(super) offer_sent: bool,
    /// Requests passed on that wait for an answer of the other side.
    pub(super) infos: VecDeque<Slot>,
    /// Transactions of any kind that still refer to the leg.
    pub(super) transactions: Vec<Wake>,
    /// The call has been told of the end.
    pub(super) reported: bool,
    /// Fields of its stored state that this release does not know.
    pub(super) unknown: Box<[u8]>,
}

impl Leg {
    pub(super) fn new(dialog: Dialog, state: LegState, origin_id: u64) -> Self {
        Self {
            dialog,
            state,
            origin: Origin::new(origin_id),
            offered: None,
            asked: None,
            updating: None,
            refreshing: None,
            early: Some(Box::default()),
            session: None,
            takes_update: false,
            reoffer: None,
            armed: Instant::NEVER,
            inviting: None,
            awaited_ack: None,
            sent_ack: SentAck::None,
            past_acks: VecDeque::new(),
            refused_forks: Vec::new(),
            asks_reliable: false,
            offer_sent: false,
            infos: VecDeque::new(),
            transactions: Vec::new(),
            reported: false,
            unknown: Box::default(),
        }
    }

    /// Whether a request carries the identifiers of this leg's dialog, or of an early one.
    pub(super) fn matches(&self, request: &Message) -> bool {
        let early = self.early.as_ref();
        let early = early.and_then(|early| early.dialog(request.from_tag()));
        self.dialog.matches(request) || early.is_some_and(|early| early.dialog.matches(request))
    }

    pub(super) fn next_deadline(&self) -> Instant {
        let ack = self.awaited_ack.as_ref().map_or(Instant::NEVER, |awaited| awaited.due());
        let prack = self.early.as_ref().and_then(|early| early.awaited.as_ref());
        let prack = prack.map_or(Instant::NEVER, |awaited| awaited.sent.due());
        let running = self.session.filter(|_| self.state == LegState::Established);
        let session = running.map_or(Instant::NEVER, |session| session.next_deadline());
        ack.min(prack).min(session)
    }

    /// Whether a 2xx to an INVITE of ours with this number is the first one.
    pub(super) fn is_new_answer(&self, cseq: u32) -> bool {
        match self.sent_ack {
            SentAck::None => true,
            SentAck::Wanted(last) | SentAck::Sent(last, _) => cseq > last,
        }
    }

    /// The ACK that a 2xx with this number has got.
    pub(super) fn ack_of(&self, cseq: u32) -> Option<Bytes> {
        if let SentAck::Sent(last, ack) = &self.sent_ack
            && *last == cseq
        {
            return Some(ack.clone());
        }
        self.past_acks.iter().find(|(past, _)| *past == cseq).map(|(_, ack)| ack.clone())
    }

    /// Every ACK that it has sent and still knows, oldest first.
    pub(super) fn acks(&self) -> Vec<Bytes> {
        let past = self.past_acks.iter().map(|(_, ack)| ack);
        let forks = self.refused_forks.iter().map(|(_, ack)| ack);
        let last = match &self.sent_ack {
            SentAck::Sent(_, ack) => Some(ack),
            SentAck::None | SentAck::Wanted(_) => None,
        };
        past.chain(forks).chain(last).cloned().collect()
    }

    /// Keeps the last ACK while another one is due.
    pub(super) fn keep_ack(&mut self) {
        if let SentAck::Sent(cseq, ack) = core::mem::replace(&mut self.sent_ack, SentAck::None) {
            self.past_acks.push_back((cseq, ack));
            if self.past_acks.len() > PAST_ACKS_MAX {
                self.past_acks.pop_front();
            }
        }
    }

    /// Whether nothing refers to it any more.
    pub(super) fn is_over(&self) -> bool {
        self.state == LegState::Ending
            && self.transactions.is_empty()
            && self.awaited_ack.is_none()
            && self.early.as_ref().is_none_or(|early| early.awaited.is_none())
    }
}
