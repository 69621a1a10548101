//! Requests inside a dialog (RFC 3261 12.2.2, 14.2, 15.1.2).

use super::dialog::contact_uri;
use super::incoming::ALLOW;
use super::leg::LegState;
use super::server::Answer;
use super::stack::{Cx, Stack};
use crate::base::id::Slot;
use crate::base::leg::{Cause, InfoKind, LegEvent};
use crate::sip::message::{HeaderId, Message, Method};
use crate::sip::packet::Packet;
use crate::sip::transaction::TransactionKey;

/// Requests that wait at one leg for the other side's word.
const INFOS_WAITING_MAX: usize = 16;

impl Stack {
    pub(super) fn on_within(&mut self, packet: Packet, key: TransactionKey, cx: &mut Cx<'_>) {
        let leg = self.leg_of(&packet.message).filter(|leg| {
            self.legs.get(*leg).is_some_and(|found| found.dialog.matches(&packet.message))
        });
        let Some(leg) = leg else {
            self.no_dialog(packet.message, key, packet.flow, cx);
            return;
        };
        self.touch_leg(leg);
        let method = packet.message.method();
        if method == Method::Ack {
            self.on_ack(leg, &packet.message, cx);
            return;
        }
        let Some(found) = self.legs.get_mut(leg) else { return };
        let (tag, last) = (found.dialog.local_tag.clone(), found.dialog.remote_cseq);
        let fresh = last == 0 || packet.message.cseq() > last;
        if fresh {
            found.dialog.remote_cseq = packet.message.cseq();
        }
        let message = packet.message.clone();
        let Some(server) = self.open_server(key, packet.message, packet.flow) else { return };
        if let Some(opened) = self.servers.get_mut(server) {
            opened.leg = Some(leg);
        }
        self.hold_leg(leg);
        if !fresh {
            let answer =
                Answer { status: 500, reason: "CSeq Out Of Order", tag: &tag, ..Answer::default() };
            self.respond(server, &answer, cx);
            return;
        }
        let require: Vec<String> = message
            .values(HeaderId::Require)
            .map(|value| String::from_utf8_lossy(value).into_owned())
            .collect();
        if !require.is_empty() {
            let headers = [(HeaderId::Unsupported, require.join(", "))];
            let answer = Answer { status: 420, tag: &tag, headers: &headers, ..Answer::default() };
            self.respond(server, &answer, cx);
            return;
        }
        self.dispatch(leg, server, &message, &tag, cx);
    }

    fn dispatch(&mut self, leg: Slot, server: Slot, message: &Message, tag: &str, cx: &mut Cx<'_>) {
        match message.method() {
            Method::Bye => self.on_bye(leg, server, message, tag, cx),
            Method::Invite | Method::Update => self.on_update(leg, server, message, tag, cx),
            Method::Info => self.on_info(leg, server, InfoKind::Info, message, cx),
            Method::Message => self.on_info(leg, server, InfoKind::Message, message, cx),
            Method::Options => {
                let headers = [(HeaderId::Allow, ALLOW.to_owned())];
                self.respond(
                    server,
                    &Answer { status: 200, tag, headers: &headers, ..Answer::default() },
                    cx,
                );
            }
            Method::Ack
            | Method::Cancel
            | Method::Register
            | Method::Prack
            | Method::Subscribe
            | Method::Notify
            | Method::Refer
            | Method::Publish
            | Method::Other => {
                let headers = [(HeaderId::Allow, ALLOW.to_owned())];
                self.respond(
                    server,
                    &Answer { status: 405, tag, headers: &headers, ..Answer::default() },
                    cx,
                );
            }
        }
    }

    fn on_ack(&mut self, leg: Slot, message: &Message, cx: &mut Cx<'_>) {
        let Some(found) = self.legs.get_mut(leg) else { return };
        if found.awaited_ack.as_ref().is_some_and(|awaited| awaited.cseq == message.cseq()) {
            found.awaited_ack = None;
            if found.state == LegState::Established {
                cx.up(leg, LegEvent::Confirmed { body: message.typed_body() });
            }
        }
        self.settle_leg(leg, cx);
    }

    /// A BYE ends the leg; what waits on it is answered with 487.
    fn on_bye(&mut self, leg: Slot, server: Slot, message: &Message, tag: &str, cx: &mut Cx<'_>) {
        self.respond(server, &Answer { status: 200, tag, ..Answer::default() }, cx);
        self.refuse_offered(leg, &Cause::code(487), cx);
        let reason =
            message.header(HeaderId::Reason).map(|value| String::from_utf8_lossy(value).into());
        if let Some(found) = self.legs.get_mut(leg) {
            found.state = LegState::Ending;
            found.awaited_ack = None;
        }
        if let Some(client) = self.legs.get_mut(leg).and_then(|found| found.inviting.take()) {
            self.limit_client(client, cx);
        }
        self.drop_infos(leg, cx);
        self.report(leg, LegEvent::Ended(Cause { code: 200, text: "".into(), reason }), cx);
        self.settle_leg(leg, cx);
    }

    fn on_update(
        &mut self,
        leg: Slot,
        server: Slot,
        message: &Message,
        tag: &str,
        cx: &mut Cx<'_>,
    ) {
        let contact = self.contact(leg);
        let Some(found) = self.legs.get_mut(leg) else { return };
        if found.state == LegState::Incoming && found.offered.is_some() {
            let headers = [(HeaderId::RetryAfter, cx.ids.below(10).to_string())];
            self.respond(
                server,
                &Answer { status: 500, tag, headers: &headers, ..Answer::default() },
                cx,
            );
            return;
        }
        if found.state != LegState::Established {
            let status = if found.state == LegState::Ending { 481 } else { 491 };
            self.respond(server, &Answer { status, tag, ..Answer::default() }, cx);
            return;
        }
        if found.offered.is_some() {
            let headers = [(HeaderId::RetryAfter, cx.ids.below(10).to_string())];
            self.respond(
                server,
                &Answer { status: 500, tag, headers: &headers, ..Answer::default() },
                cx,
            );
            return;
        }
        // Our offer in a 2xx waits for the answer in its ACK (RFC 6337 4.3).
        if found.inviting.is_some()
            || found.awaited_ack.as_ref().is_some_and(|awaited| awaited.offers)
        {
            self.respond(server, &Answer { status: 491, tag, ..Answer::default() }, cx);
            return;
        }
        if let Some(target) = contact_uri(message) {
            found.dialog.target = target;
        }
        let offer = message.typed_body();
        if message.method() == Method::Update && offer.is_none() {
            let answer = Answer { status: 200, tag, contact: Some(contact), ..Answer::default() };
            self.respond(server, &answer, cx);
            return;
        }
        found.offered = Some(server);
        if message.method() == Method::Invite {
            self.respond(server, &Answer { status: 100, tag, ..Answer::default() }, cx);
        }
        cx.up(leg, LegEvent::Update { offer });
    }

    fn on_info(
        &mut self,
        leg: Slot,
        server: Slot,
        kind: InfoKind,
        message: &Message,
        cx: &mut Cx<'_>,
    ) {
        let Some(found) = self.legs.get_mut(leg) else { return };
        if found.infos.len() >= INFOS_WAITING_MAX || found.state != LegState::Established {
            let (status, tag) = (
                if found.state == LegState::Established { 503 } else { 481 },
                found.dialog.local_tag.clone(),
            );
            self.respond(server, &Answer { status, tag: &tag, ..Answer::default() }, cx);
            return;
        }
        found.infos.push_back(server);
        let headers = [HeaderId::InfoPackage, HeaderId::ContentDisposition]
            .iter()
            .filter_map(|id| {
                Some((id.name().into(), String::from_utf8_lossy(message.header(*id)?).into()))
            })
            .collect();
        cx.up(leg, LegEvent::Info { kind, body: message.typed_body(), headers });
    }

    /// Requests passed on whose answer can no longer come.
    pub(super) fn drop_infos(&mut self, leg: Slot, cx: &mut Cx<'_>) {
        while let Some(found) = self.legs.get_mut(leg) {
            let (Some(server), tag) = (found.infos.pop_front(), found.dialog.local_tag.clone())
            else {
                return;
            };
            self.respond(server, &Answer { status: 481, tag: &tag, ..Answer::default() }, cx);
        }
    }
}
