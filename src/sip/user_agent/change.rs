//! Changes of a session by the far end: re-INVITE (RFC 3261 14.2) and UPDATE
//! (RFC 3311), and the answers of the call to them.

use super::description::direction;
use super::dialog::{allows, contact_uri};
use super::leg::{Leg, LegState};
use super::refresh;
use super::server::Answer;
use super::stack::{Cx, Stack};
use crate::base::id::Slot;
use crate::base::leg::{Body, Cause, LegEvent};
use crate::base::limits::SESSION_INTERVAL_MIN_S;
use crate::sip::message::{HeaderId, Message, Method};

/// What stands in the way of another offer in an answered call (RFC 3261 14.2,
/// RFC 3311 5.2).
fn established_refusal(leg: &Leg, message: &Message) -> Option<u16> {
    // Our offer in a 2xx waits for the answer in its ACK (RFC 6337 4.3).
    let offers = leg.awaited_ack.as_ref().is_some_and(|awaited| awaited.offers);
    if leg.offered.is_some() || leg.asked.is_some() {
        Some(500)
    } else if leg.inviting.is_some() || leg.updating.is_some() || offers {
        Some(491)
    } else {
        Stack::asks_too_little(message).then_some(422)
    }
}

impl Stack {
    /// Refuses with a code of our own; a 500 says when to come again (RFC 3261 14.2).
    fn refuse_change(&mut self, server: Slot, status: u16, tag: &str, cx: &mut Cx<'_>) {
        let headers = match status {
            500 => vec![(HeaderId::RetryAfter, cx.ids.below(10).to_string())],
            422 => vec![(HeaderId::MinSe, SESSION_INTERVAL_MIN_S.to_string())],
            _ => Vec::new(),
        };
        let answer = Answer { status, tag, headers: &headers, ..Answer::default() };
        self.respond(server, &answer, cx);
    }

    pub(super) fn on_reinvite(
        &mut self,
        leg: Slot,
        server: Slot,
        message: &Message,
        tag: &str,
        cx: &mut Cx<'_>,
    ) {
        let Some(found) = self.legs.get_mut(leg) else { return };
        let refusal = match found.state {
            LegState::Ending => Some(481),
            LegState::Incoming => Some(500),
            LegState::Calling | LegState::Cancelling => Some(491),
            LegState::Established => established_refusal(found, message),
        };
        if let Some(status) = refusal {
            return self.refuse_change(server, status, tag, cx);
        }
        if let Some(target) = contact_uri(message) {
            found.dialog.target = target;
        }
        found.takes_update |= allows(message, Method::Update);
        found.offered = Some(server);
        self.respond(server, &Answer { status: 100, tag, ..Answer::default() }, cx);
        let offer = message.typed_body();
        let direction = offer.as_ref().and_then(direction);
        cx.up(leg, LegEvent::Update { offer, direction });
    }

    pub(super) fn on_update(
        &mut self,
        leg: Slot,
        server: Slot,
        message: &Message,
        tag: &str,
        cx: &mut Cx<'_>,
    ) {
        let offer = message.typed_body();
        if let Some(status) = self.update_refusal(leg, message, offer.is_some()) {
            return self.refuse_change(server, status, tag, cx);
        }
        let Some(found) = self.legs.get_mut(leg) else { return };
        if let Some(target) = contact_uri(message) {
            let early = found.early.as_mut();
            match early.and_then(|early| early.dialog_mut(message.from_tag())) {
                Some(early) => early.dialog.target = target,
                None => found.dialog.target = target,
            }
        }
        found.asked = Some(server);
        if offer.is_some() {
            let direction = offer.as_ref().and_then(direction);
            cx.up(leg, LegEvent::Update { offer, direction });
        } else {
            // It only refreshes: the call has no part in it.
            self.accept_asked(leg, None, cx);
        }
    }

    /// RFC 3311 5.2: what stands in the way of an UPDATE.
    fn update_refusal(&self, leg: Slot, message: &Message, offers: bool) -> Option<u16> {
        let found = self.legs.get(leg)?;
        if matches!(found.state, LegState::Ending | LegState::Cancelling) {
            return Some(481);
        }
        if found.asked.is_some() {
            return Some(500);
        }
        if !offers {
            return Self::asks_too_little(message).then_some(422);
        }
        let early = found.early.as_ref();
        match found.state {
            // The caller's own offer waits for our answer, or ours for the caller's.
            LegState::Incoming if !early.is_some_and(|early| early.is_negotiated()) => {
                let ours = early.is_some_and(|early| early.awaited.is_some());
                Some(if ours { 491 } else { 500 })
            }
            LegState::Calling => {
                let dialog = early.and_then(|early| early.dialog(message.from_tag()));
                let ready = dialog.is_some_and(|dialog| dialog.negotiated);
                (found.updating.is_some() || !ready).then_some(491)
            }
            LegState::Established => established_refusal(found, message),
            LegState::Incoming | LegState::Cancelling | LegState::Ending => {
                found.updating.is_some().then_some(491)
            }
        }
    }

    /// A 200 to the UPDATE or PRACK that waits on the leg; `false` when none does.
    pub(super) fn accept_asked(&mut self, leg: Slot, body: Option<&Body>, cx: &mut Cx<'_>) -> bool {
        let Some(found) = self.legs.get_mut(leg) else { return false };
        let Some(server) = found.asked.take() else { return false };
        let (tag, established) =
            (found.dialog.local_tag.clone(), found.state == LegState::Established);
        let body = body.map(|body| found.origin.rewrite(body, &self.settings.origin_host));
        let request = self.servers.get(server).and_then(|found| found.request.as_ref());
        let update = request.filter(|request| request.method() == Method::Update);
        let told = update.map(|update| (update.from_tag().to_vec(), update.typed_body()));
        let is_update = told.is_some();
        let mut headers = Vec::new();
        if let Some((from_tag, description)) = told {
            self.note_early_description(leg, &from_tag, description);
            if established {
                headers = self.agree_session(leg, server, cx);
            }
            headers.push((HeaderId::Allow, super::incoming::ALLOW.to_owned()));
        }
        let answer = Answer {
            status: 200,
            tag: &tag,
            contact: is_update.then(|| self.contact(leg)),
            body: body.as_ref(),
            headers: &headers,
            ..Answer::default()
        };
        self.respond(server, &answer, cx);
        true
    }

    /// Refuses the UPDATE or PRACK that waits on the leg; `false` when none does.
    pub(super) fn refuse_asked(&mut self, leg: Slot, cause: &Cause, cx: &mut Cx<'_>) -> bool {
        let Some(found) = self.legs.get_mut(leg) else { return false };
        let (Some(server), tag) = (found.asked.take(), found.dialog.local_tag.clone()) else {
            return false;
        };
        let answer =
            Answer { status: cause.code, reason: &cause.text, tag: &tag, ..Answer::default() };
        self.respond(server, &answer, cx);
        true
    }

    /// Asks the far end to change the session: by re-INVITE once the leg is answered,
    /// by UPDATE before.
    pub(super) fn update(&mut self, leg: Slot, offer: Option<&Body>, cx: &mut Cx<'_>) {
        let refusal = self.change_refusal(leg);
        if let Some(status) = refusal {
            return cx.up(leg, LegEvent::UpdateFailed(Cause::code(status)));
        }
        let Some(found) = self.legs.get_mut(leg) else { return };
        let body = offer.map(|offer| found.origin.rewrite(offer, &self.settings.origin_host));
        let client = if found.state == LegState::Established {
            self.reinvite(leg, body.as_ref(), cx)
        } else {
            let early = found.early.as_ref().filter(|_| found.state == LegState::Calling);
            let dialog = early.and_then(|early| early.negotiated());
            let dialog = dialog.map(|found| found.dialog.clone());
            let draft = self.draft_in(leg, dialog.as_ref(), Method::Update, &[], body.as_ref());
            let client = draft.and_then(|draft| self.request(Some(leg), draft, cx));
            if let Some(found) = self.legs.get_mut(leg) {
                found.updating = client;
            }
            client
        };
        if client.is_none() {
            cx.up(leg, LegEvent::UpdateFailed(Cause::code(503)));
        }
    }

    /// Sends a re-INVITE with a description as it goes on the wire, or without one.
    pub(super) fn reinvite(
        &mut self,
        leg: Slot,
        body: Option<&Body>,
        cx: &mut Cx<'_>,
    ) -> Option<Slot> {
        let draft = self.draft_in(leg, None, Method::Invite, &[], body)?;
        let client = self.request(Some(leg), draft, cx);
        let found = self.legs.get_mut(leg)?;
        found.inviting = client;
        found.offer_sent = body.is_some();
        client
    }

    /// What stands in the way of a change that we ask for.
    fn change_refusal(&self, leg: Slot) -> Option<u16> {
        let found = self.legs.get(leg)?;
        let busy = found.updating.is_some() || found.asked.is_some();
        let early = found.early.as_ref();
        match found.state {
            LegState::Established => {
                let busy = busy || found.inviting.is_some() || found.offered.is_some();
                busy.then_some(491)
            }
            LegState::Incoming if !found.takes_update => Some(488),
            LegState::Incoming => {
                let ready = early.is_some_and(|early| early.is_negotiated());
                (busy || !ready).then_some(491)
            }
            LegState::Calling => match early.and_then(|early| early.negotiated()) {
                Some(dialog) if dialog.takes_update => {
                    (busy || self.awaits_prack_answer(dialog)).then_some(491)
                }
                Some(_) => Some(488),
                None => Some(491),
            },
            LegState::Cancelling | LegState::Ending => Some(491),
        }
    }

    /// The final answer to our UPDATE or to a refresh by it.
    pub(super) fn on_update_response(
        &mut self,
        leg: Slot,
        client: Slot,
        message: &Message,
        cx: &mut Cx<'_>,
    ) {
        let success = (200..300).contains(&message.status());
        if success {
            self.start_session(leg, message, cx);
            self.note_early_description(leg, message.to_tag(), message.typed_body());
        }
        let Some(found) = self.legs.get_mut(leg) else { return };
        if let Some(target) = contact_uri(message).filter(|_| success) {
            found.dialog.target = target;
        }
        if found.refreshing == Some(client) {
            return self.on_refreshed(leg, message, cx);
        }
        if found.updating.take_if(|updating| *updating == client).is_none() {
            return;
        }
        if success {
            cx.up(leg, LegEvent::Updated { body: message.typed_body() });
        } else {
            cx.up(leg, LegEvent::UpdateFailed(super::client::cause_of(message)));
        }
    }

    /// The caller heard one phone's description before the answer, and another phone
    /// answered: what that one says is offered now.
    pub(super) fn offer_again(&mut self, leg: Slot, cx: &mut Cx<'_>) {
        let offer = self.legs.get_mut(leg).and_then(|found| found.reoffer.take());
        let Some(offer) = offer else { return };
        let Some(found) = self.legs.get_mut(leg) else { return };
        let body = found.origin.rewrite(&offer, &self.settings.origin_host);
        let client = self.reinvite(leg, Some(&body), cx);
        if let Some(found) = self.legs.get_mut(leg) {
            // Its answer is for nobody: the phone has the caller's description.
            found.refreshing = client;
        }
    }

    /// Sends an INVITE again that was refused for its session interval.
    pub(super) fn try_longer_session(
        &mut self,
        client: Slot,
        message: &Message,
        cx: &mut Cx<'_>,
    ) -> bool {
        let Some((sent, head_len)) = self.sent_request(client) else { return false };
        match refresh::with_interval(&sent, message) {
            Some(longer) => {
                self.send_changed(client, longer.slice(head_len..), cx);
                true
            }
            None => false,
        }
    }
}
