//! Reliable provisional responses (RFC 3262), on either side of a leg.
//!
//! As the side that is called: one reliable response at a time is on its way; what
//! the call says meanwhile waits for the PRACK. As the side that calls: each early
//! dialog (a fork may answer from several phones) has its own count; a PRACK goes out
//! at once, unless the response carried an offer whose answer has to come from the
//! call.

use super::client::ClientTransaction;
use super::description::direction;
use super::dialog::{Dialog, allows};
use super::leg::{AwaitedAck, LegState};
use super::server::Answer;
use super::stack::{Action, Counted, Cx, Stack};
use crate::base::flow::{Destination, Outbound};
use crate::base::id::Slot;
use crate::base::leg::{Body, Cause, LegCommand, LegEvent};
use crate::base::limits::{FORK_WIDTH_MAX, TRANSACTION_TIMEOUT};
use crate::sip::message::{HeaderId, Message, Method};
use std::collections::VecDeque;

/// What a call may say while a PRACK is awaited.
const QUEUED_MAX: usize = 8;

/// A reliable response that waits for its PRACK.
#[derive(Clone, Debug)]
pub(super) struct AwaitedPrack {
    pub(super) rseq: u32,
    /// Whether it carries a description.
    pub(super) described: bool,
    /// Whether that is our offer, so that the PRACK brings the answer.
    pub(super) offers: bool,
    pub(super) sent: AwaitedAck,
}

/// An early dialog of a leg that calls (RFC 3261 12.1.2).
#[derive(Clone, Debug)]
pub(super) struct EarlyDialog {
    pub(super) dialog: Dialog,
    pub(super) rseq: u32,
    /// What the far end last said of the session in a finished exchange: its answer,
    /// once that came reliably, or what an UPDATE made of it.
    pub(super) answer: Option<Body>,
    /// Whether offer and answer have gone both ways.
    pub(super) negotiated: bool,
    pub(super) takes_update: bool,
    /// The PRACK that was sent last.
    pub(super) pracking: Option<Slot>,
}

/// A PRACK that waits for the answer of the call.
#[derive(Clone, Debug)]
pub(super) struct WantedPrack {
    pub(super) tag: Box<[u8]>,
    pub(super) rseq: u32,
    pub(super) cseq: u32,
}

/// What the call has said while a PRACK was awaited.
#[derive(Clone, Debug)]
pub(super) enum Queued {
    Progress { code: u16, body: Option<Body>, reliable: bool },
    Answer { body: Option<Body> },
}

/// What is needed until the first INVITE of a leg is answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Early {
    /// The far end, which called, takes reliable responses.
    pub(super) supported: bool,
    /// It takes no others.
    pub(super) required: bool,
    pub(super) rseq: u32,
    pub(super) awaited: Option<AwaitedPrack>,
    pub(super) queued: VecDeque<Queued>,
    /// A description of ours has gone out reliably.
    pub(super) described: bool,
    pub(super) dialogs: Vec<EarlyDialog>,
    pub(super) wanted: Option<WantedPrack>,
}

impl Early {
    /// Of a leg whose far end calls and takes reliable responses, or no others.
    pub(super) fn of_caller(supported: bool, required: bool) -> Self {
        Self { supported, required, ..Self::default() }
    }

    /// The early dialog with the far end's tag.
    pub(super) fn dialog(&self, tag: &[u8]) -> Option<&EarlyDialog> {
        self.dialogs.iter().find(|found| &*found.dialog.remote_tag == tag)
    }

    pub(super) fn dialog_mut(&mut self, tag: &[u8]) -> Option<&mut EarlyDialog> {
        self.dialogs.iter_mut().find(|found| &*found.dialog.remote_tag == tag)
    }

    /// The last phone with which offer and answer have gone both ways.
    pub(super) fn negotiated(&self) -> Option<&EarlyDialog> {
        self.dialogs.iter().rfind(|found| found.negotiated)
    }

    /// Whether offer and answer have gone both ways with the caller: it knows our
    /// description and has said so.
    pub(super) fn is_negotiated(&self) -> bool {
        self.described && self.awaited.is_none()
    }

    /// Whether the final answer to the INVITE must wait (RFC 3262 3).
    fn holds_answer(&self) -> bool {
        !self.queued.is_empty() || self.awaited.as_ref().is_some_and(|awaited| awaited.described)
    }
}

/// RSeq, CSeq and method of a RAck (RFC 3262 7.2).
fn rack(message: &Message) -> Option<(u32, u32)> {
    let text = core::str::from_utf8(message.header(HeaderId::RAck)?).ok()?;
    let mut words = text.split_ascii_whitespace();
    let (rseq, cseq) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    (words.next()? == "INVITE" && words.next().is_none()).then_some((rseq, cseq))
}

impl Stack {
    /// Tells the caller of progress.
    pub(super) fn progress(
        &mut self,
        leg: Slot,
        (code, reliable): (u16, bool),
        body: Option<&Body>,
        cx: &mut Cx<'_>,
    ) {
        let contact = self.contact(leg);
        let random = cx.ids.next_u64() as u32;
        let Some(found) = self.legs.get_mut(leg) else { return };
        let (Some(server), LegState::Incoming) = (found.offered, found.state) else { return };
        let Some(early) = &mut found.early else { return };
        if code > 100 && early.awaited.is_some() {
            if early.queued.len() < QUEUED_MAX {
                let body = body.cloned();
                early.queued.push_back(Queued::Progress { code, body, reliable });
            }
            return;
        }
        let reliably = code > 100 && (early.required || (early.supported && reliable));
        // An answer is given once; whoever heard it reliably needs no other.
        let body = body.filter(|_| !early.described);
        let body = body.map(|body| found.origin.rewrite(body, &self.settings.origin_host));
        let mut headers = Vec::new();
        if reliably {
            early.rseq = if early.rseq == 0 { (random >> 2) + 1 } else { early.rseq + 1 };
            headers.push((HeaderId::Require, "100rel".to_owned()));
            headers.push((HeaderId::RSeq, early.rseq.to_string()));
        }
        if code > 100 {
            headers.push((HeaderId::Allow, super::incoming::ALLOW.to_owned()));
        }
        let (rseq, tag) = (early.rseq, found.dialog.local_tag.clone());
        let answer = Answer {
            status: code,
            tag: &tag,
            contact: Some(contact),
            body: body.as_ref(),
            headers: &headers,
            ..Answer::default()
        };
        let sent = self.respond(server, &answer, cx).filter(|_| reliably);
        let (Some(bytes), Some(transaction)) = (sent, self.servers.get(server)) else { return };
        let Some(request) = &transaction.request else { return };
        let offers = body.is_some() && request.body().is_empty();
        let sent = AwaitedAck::new(request.cseq(), bytes, transaction.flow, cx.now);
        if let Some(early) = self.legs.get_mut(leg).and_then(|found| found.early.as_mut()) {
            early.described |= body.is_some();
            early.awaited = Some(AwaitedPrack { rseq, described: body.is_some(), offers, sent });
        }
    }

    /// Whether an answer must wait for a PRACK; it is kept then.
    pub(super) fn keeps_answer(&mut self, leg: Slot, body: Option<&Body>) -> bool {
        let Some(found) = self.legs.get_mut(leg) else { return false };
        let Some(early) = found.early.as_mut().filter(|_| found.state == LegState::Incoming) else {
            return false;
        };
        if !early.holds_answer() {
            return false;
        }
        early.queued.push_back(Queued::Answer { body: body.cloned() });
        true
    }

    /// What of a description goes into the 2xx: nothing when the caller has it already;
    /// another one than it has is offered once the call is up.
    pub(super) fn answer_body(&mut self, leg: Slot, body: Option<Body>) -> Option<Body> {
        let found = self.legs.get_mut(leg)?;
        let described = found.early.as_ref().is_some_and(|early| early.described);
        if !described {
            return body;
        }
        found.reoffer = body.filter(|body| !found.origin.is_last(body));
        None
    }

    /// The PRACK of a reliable response of ours (RFC 3262 3).
    pub(super) fn on_prack(
        &mut self,
        leg: Slot,
        server: Slot,
        message: &Message,
        tag: &str,
        cx: &mut Cx<'_>,
    ) {
        let Some(found) = self.legs.get_mut(leg) else { return };
        let early = found.early.as_mut().filter(|_| found.state == LegState::Incoming);
        let fits =
            |awaited: &mut AwaitedPrack| rack(message) == Some((awaited.rseq, awaited.sent.cseq));
        let awaited = early.and_then(|early| early.awaited.take_if(fits));
        let Some(awaited) = awaited else {
            self.respond(server, &Answer { status: 481, tag, ..Answer::default() }, cx);
            return;
        };
        let body = message.typed_body();
        if awaited.offers || body.is_none() {
            self.respond(server, &Answer { status: 200, tag, ..Answer::default() }, cx);
            if awaited.offers {
                cx.up(leg, LegEvent::ProgressConfirmed { body });
            }
        } else {
            // A new offer: the answer to it is the call's.
            found.asked = Some(server);
            let direction = body.as_ref().and_then(direction);
            cx.up(leg, LegEvent::Update { offer: body, direction });
        }
        self.say_queued(leg, cx);
    }

    fn say_queued(&mut self, leg: Slot, cx: &mut Cx<'_>) {
        while let Some(early) = self.legs.get_mut(leg).and_then(|found| found.early.as_mut()) {
            if early.awaited.is_some() {
                return;
            }
            let Some(queued) = early.queued.pop_front() else { return };
            let command = match queued {
                Queued::Progress { code, body, reliable } => {
                    LegCommand::Progress { code, body, reliable }
                }
                Queued::Answer { body } => LegCommand::Answer { body },
            };
            self.command(leg, command, cx);
        }
    }

    /// A reliable response waits for its PRACK: it is sent again, or the call is
    /// given up (RFC 3262 3).
    pub(super) fn wake_prack(&mut self, leg: Slot, cx: &mut Cx<'_>) {
        let Some(found) = self.legs.get_mut(leg) else { return };
        let incoming = found.state == LegState::Incoming;
        let Some(early) = &mut found.early else { return };
        let Some(awaited) = &mut early.awaited else { return };
        if !incoming {
            early.awaited = None;
        } else if cx.now >= awaited.sent.give_up_at {
            early.awaited = None;
            let cause = Cause::with_q850(504, 102, "No PRACK");
            self.hang_up(leg, &cause, cx);
            if let Some(found) = self.legs.get_mut(leg) {
                found.reported = false;
            }
            self.report(leg, LegEvent::Ended(cause), cx);
        } else if cx.now >= awaited.sent.at {
            awaited.sent.repeat(cx.now, TRANSACTION_TIMEOUT);
            let to = Destination::Flow(awaited.sent.flow);
            let bytes = awaited.sent.bytes.clone();
            cx.count(Counted::Repeated);
            cx.out.push(Action::Send(Outbound { to, bytes, sender: None }));
        }
    }

    /// A provisional response to our INVITE above 100.
    pub(super) fn on_progress(&mut self, leg: Slot, message: &Message, cx: &mut Cx<'_>) {
        let code = message.status();
        let rseq = message.number(HeaderId::RSeq).and_then(|rseq| u32::try_from(rseq).ok());
        let reliable = message.has_option_tag(HeaderId::Require, b"100rel");
        let mut body = message.typed_body();
        if let (Some(rseq), true) = (rseq.filter(|_| !message.to_tag().is_empty()), reliable) {
            let Some(fresh) = self.on_reliable(leg, rseq, message, cx) else { return };
            body = body.filter(|_| fresh);
        }
        cx.up(leg, LegEvent::Progress { code, body, reliable });
    }

    /// Notes a reliable response and confirms it; says whether its description is the
    /// first of its dialog, or nothing when it came before or too early.
    fn on_reliable(
        &mut self,
        leg: Slot,
        rseq: u32,
        message: &Message,
        cx: &mut Cx<'_>,
    ) -> Option<bool> {
        let found = self.legs.get_mut(leg)?;
        let (offer_sent, base) = (found.offer_sent, found.dialog.clone());
        let early = found.early.as_mut()?;
        let tag: Box<[u8]> = message.to_tag().into();
        if early.dialog(&tag).is_none() {
            if early.dialogs.len() >= FORK_WIDTH_MAX {
                return None;
            }
            let mut dialog = base;
            dialog.learn(message);
            early.dialogs.push(EarlyDialog {
                dialog,
                rseq: rseq.checked_sub(1)?,
                answer: None,
                negotiated: false,
                takes_update: false,
                pracking: None,
            });
        }
        let wanted = early.wanted.is_some();
        let dialog = early.dialog_mut(&tag)?;
        if rseq != dialog.rseq.wrapping_add(1) {
            return None;
        }
        dialog.rseq = rseq;
        dialog.takes_update |= allows(message, Method::Update);
        let body = message.typed_body();
        let fresh = body.is_some() && !dialog.negotiated && !wanted;
        if fresh && offer_sent {
            dialog.answer = body;
            dialog.negotiated = true;
        } else if fresh {
            early.wanted = Some(WantedPrack { tag, rseq, cseq: message.cseq() });
            return Some(true);
        }
        self.send_prack(leg, &WantedPrack { tag, rseq, cseq: message.cseq() }, None, cx);
        Some(fresh)
    }

    /// The PRACK that waits for our answer.
    pub(super) fn confirm_progress(&mut self, leg: Slot, body: Option<&Body>, cx: &mut Cx<'_>) {
        let Some(found) = self.legs.get_mut(leg) else { return };
        let Some(early) = &mut found.early else { return };
        let Some(wanted) = early.wanted.take() else { return };
        let body = body.map(|body| found.origin.rewrite(body, &self.settings.origin_host));
        if let Some(dialog) = early.dialog_mut(&wanted.tag) {
            dialog.negotiated = body.is_some();
        }
        self.send_prack(leg, &wanted, body.as_ref(), cx);
    }

    fn send_prack(
        &mut self,
        leg: Slot,
        wanted: &WantedPrack,
        body: Option<&Body>,
        cx: &mut Cx<'_>,
    ) {
        let rack = format!("{} {} INVITE", wanted.rseq, wanted.cseq);
        let headers = [(HeaderId::RAck, rack)];
        let early = self.legs.get(leg).and_then(|found| found.early.as_ref());
        let dialog = early.and_then(|early| early.dialog(&wanted.tag));
        let Some(dialog) = dialog.map(|found| found.dialog.clone()) else { return };
        let draft = self.draft_in(leg, Some(&dialog), Method::Prack, &headers, body);
        let client = draft.and_then(|draft| self.request(Some(leg), draft, cx));
        let early = self.legs.get_mut(leg).and_then(|found| found.early.as_mut());
        if let Some(dialog) = early.and_then(|early| early.dialog_mut(&wanted.tag)) {
            dialog.pracking = client;
        }
    }

    /// An UPDATE of either side gave an early dialog another description (RFC 3311 5).
    pub(super) fn note_early_description(&mut self, leg: Slot, tag: &[u8], body: Option<Body>) {
        let early = self.legs.get_mut(leg).and_then(|found| found.early.as_mut());
        let dialog = early.and_then(|early| early.dialog_mut(tag));
        if let (Some(dialog), Some(body)) = (dialog, body) {
            dialog.answer = Some(body);
        }
    }

    /// Whether a PRACK of an early dialog is under way: a request that overtakes it
    /// makes it out of order for the far end (RFC 3261 12.2.2).
    pub(super) fn awaits_prack_answer(&self, dialog: &EarlyDialog) -> bool {
        let client = dialog.pracking.and_then(|client| self.clients.get(client));
        client.is_some_and(ClientTransaction::is_unheard)
    }

    /// The description that belongs to a 2xx of this dialog which has none, and
    /// whether offer and answer are complete without it.
    pub(super) fn early_answer(&self, leg: Slot, tag: &[u8]) -> (Option<Body>, bool) {
        let early = self.legs.get(leg).and_then(|found| found.early.as_ref());
        early
            .and_then(|early| early.dialog(tag))
            .map_or((None, false), |found| (found.answer.clone(), found.negotiated))
    }
}
