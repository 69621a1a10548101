//! What responses to our requests mean to a leg (RFC 3261 13.2.2, 14.1).

use super::client::cause_of;
use super::dialog::{Dialog, allows};
use super::leg::{Leg, LegState, SentAck};
use super::stack::{Cx, Stack, Wake};
use crate::base::id::Slot;
use crate::base::leg::{Cause, LegEvent};
use crate::base::limits::FORK_WIDTH_MAX;
use crate::sip::message::{HeaderId, Message, Method, NameAddr};
use bytes::Bytes;

impl Stack {
    pub(super) fn on_invite_response(
        &mut self,
        leg: Slot,
        client: Slot,
        message: &Message,
        cx: &mut Cx<'_>,
    ) {
        let Some(found) = self.legs.get_mut(leg) else { return };
        let status = message.status();
        match (found.state, status) {
            (LegState::Calling, 101..=199) => {
                self.on_progress(leg, message, cx);
            }
            (_, 100..=199) => {}
            (_, 200..=299) => self.on_invite_accepted(leg, client, message, cx),
            (LegState::Calling, _) => {
                found.inviting = None;
                found.state = LegState::Ending;
                let event = if (300..400).contains(&status) {
                    LegEvent::Redirected(contacts(message))
                } else {
                    LegEvent::Failed(cause_of(message))
                };
                self.report(leg, event, cx);
            }
            (LegState::Cancelling, _) => {
                found.inviting = None;
                found.state = LegState::Ending;
            }
            (LegState::Established, _) => {
                found.inviting = None;
                if found.refreshing == Some(client) {
                    self.on_refreshed(leg, message, cx);
                } else if matches!(status, 408 | 481) {
                    self.hang_up(leg, &Cause::code(status), cx);
                    self.report(leg, LegEvent::Ended(cause_of(message)), cx);
                } else {
                    cx.up(leg, LegEvent::UpdateFailed(cause_of(message)));
                }
            }
            (LegState::Incoming | LegState::Ending, _) => {}
        }
        self.settle_leg(leg, cx);
    }

    fn on_invite_accepted(&mut self, leg: Slot, client: Slot, message: &Message, cx: &mut Cx<'_>) {
        let Some(found) = self.legs.get_mut(leg) else { return };
        let cseq = message.cseq();
        let known = &*found.dialog.remote_tag;
        if !known.is_empty() && found.state != LegState::Calling && message.to_tag() != known {
            return self.refuse_fork(leg, message, cx);
        }
        if !found.is_new_answer(cseq) {
            // Answers to changes before the last one are repeated as well.
            if let Some(ack) = found.ack_of(cseq) {
                self.send_in_dialog_ack(leg, ack, cx);
            }
            return;
        }
        found.keep_ack();
        // A leg that broke may be ending before it knows its dialog.
        let first = matches!(found.state, LegState::Calling | LegState::Cancelling)
            || found.dialog.remote_tag.is_empty();
        let (early_answer, negotiated) = self.early_answer(leg, message.to_tag());
        let Some(found) = self.legs.get_mut(leg) else { return };
        if first {
            let early = found.early.take();
            let early = early.as_ref().and_then(|early| early.dialog(message.to_tag()));
            found.dialog.remote_cseq = early.map_or(0, |early| early.dialog.remote_cseq);
            found.dialog.learn(message);
        } else if let Some(target) = super::dialog::contact_uri(message) {
            found.dialog.target = target;
        }
        if found.inviting == Some(client) {
            found.inviting = None;
        }
        found.takes_update |= allows(message, Method::Update);
        let (state, offer_sent) = (found.state, found.offer_sent);
        let body = message.typed_body().or(early_answer);
        if state == LegState::Calling || state == LegState::Established {
            found.state = LegState::Established;
            found.sent_ack = SentAck::Wanted(cseq);
            if offer_sent || negotiated {
                self.confirm(leg, None, cx);
            }
            self.start_session(leg, message, cx);
            let Some(found) = self.legs.get_mut(leg) else { return };
            if first {
                cx.up(leg, LegEvent::Answered { body });
            } else if found.refreshing == Some(client) {
                self.on_refreshed(leg, message, cx);
            } else {
                cx.up(leg, LegEvent::Updated { body });
            }
        } else {
            // The far end answered while the CANCEL was on its way: RFC 3261 9.1.
            found.sent_ack = SentAck::Wanted(cseq);
            found.state = LegState::Established;
            self.confirm(leg, None, cx);
            self.hang_up(leg, &Cause::code(487), cx);
        }
    }

    /// A second phone answered the same INVITE: it gets its ACK and a BYE
    /// (RFC 3261 13.2.2.4), as a leg of its own that no call hears of.
    pub(super) fn refuse_fork(&mut self, leg: Slot, message: &Message, cx: &mut Cx<'_>) {
        let Some(found) = self.legs.get(leg) else { return };
        let tag = message.to_tag();
        let known = found.refused_forks.iter().find(|(known, _)| **known == *tag);
        if let Some((_, ack)) = known {
            // It comes again until it hears the ACK; its BYE is on the way already.
            let ack = ack.clone();
            return self.send_in_dialog_ack(leg, ack, cx);
        }
        let mut dialog = found.dialog.clone();
        dialog.learn(message);
        let ack = self.end_stranger(dialog, message.cseq(), cx);
        if let (Some(ack), Some(found)) = (ack, self.legs.get_mut(leg))
            && found.refused_forks.len() < FORK_WIDTH_MAX
        {
            found.refused_forks.push((tag.into(), ack));
        }
    }

    /// Acknowledges an answer that nobody wants and hangs up. Gives the ACK.
    pub(super) fn end_stranger(
        &mut self,
        dialog: Dialog,
        cseq: u32,
        cx: &mut Cx<'_>,
    ) -> Option<Bytes> {
        let random = cx.ids.next_u64();
        let stranger = self.legs.insert_with(|_| Leg {
            sent_ack: SentAck::Wanted(cseq),
            reported: true,
            ..Leg::new(dialog, LegState::Established, random)
        })?;
        self.touch(Wake::Leg(stranger));
        self.hang_up(stranger, &Cause::code(487), cx);
        let ack = match self.legs.get(stranger).map(|found| found.sent_ack.clone()) {
            Some(SentAck::Sent(_, bytes)) => Some(bytes),
            Some(SentAck::None | SentAck::Wanted(_)) | None => None,
        };
        self.settle_leg(stranger, cx);
        ack
    }

    pub(super) fn on_other_response(
        &mut self,
        leg: Slot,
        (client, method): (Slot, Method),
        message: &Message,
        cx: &mut Cx<'_>,
    ) {
        if message.status() < 200 {
            return;
        }
        match method {
            Method::Info | Method::Message => cx.up(leg, LegEvent::InfoDone(cause_of(message))),
            Method::Update => self.on_update_response(leg, client, message, cx),
            Method::Invite
            | Method::Ack
            | Method::Cancel
            | Method::Bye
            | Method::Register
            | Method::Options
            | Method::Prack
            | Method::Subscribe
            | Method::Notify
            | Method::Refer
            | Method::Publish
            | Method::Other => {}
        }
        self.settle_leg(leg, cx);
    }

    /// Our UPDATE got no answer.
    pub(super) fn on_update_lost(&mut self, leg: Slot, client: Slot, status: u16, cx: &mut Cx<'_>) {
        let Some(found) = self.legs.get_mut(leg) else { return };
        if found.updating.take_if(|updating| *updating == client).is_some() {
            cx.up(leg, LegEvent::UpdateFailed(Cause::code(status)));
        } else if found.refreshing.take_if(|refreshing| *refreshing == client).is_some()
            && status == 408
        {
            // RFC 4028 10: a refresh that nobody answers ends the session.
            self.hang_up(leg, &Cause::code(status), cx);
            self.report(leg, LegEvent::Ended(Cause::code(status)), cx);
        }
    }
}

fn contacts(message: &Message) -> Vec<Box<str>> {
    message
        .values(HeaderId::Contact)
        .filter_map(|value| NameAddr::parse(value).ok())
        .map(|contact| String::from_utf8_lossy(contact.uri).into())
        .collect()
}
