//! Requests inside a dialog (RFC 3261 12.2.2, 14.2, 15.1.2).

use super::description::direction;
use super::incoming::ALLOW;
use super::leg::LegState;
use super::server::Answer;
use super::stack::{Cx, Stack, Wake};
use crate::base::id::Slot;
use crate::base::leg::{Cause, InfoKind, LegEvent};
use crate::sip::message::{HeaderId, Message, Method};
use crate::sip::packet::Packet;
use crate::sip::transaction::TransactionKey;

/// Requests that wait at one leg for the other side's word.
const INFOS_WAITING_MAX: usize = 16;

impl Stack {
    pub(super) fn on_within(&mut self, packet: Packet, key: TransactionKey, cx: &mut Cx<'_>) {
        let leg = self
            .leg_of(&packet.message)
            .filter(|leg| self.legs.get(*leg).is_some_and(|found| found.matches(&packet.message)));
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
        let tag = found.dialog.local_tag.clone();
        let early = found.early.as_mut();
        let early = early.and_then(|early| early.dialog_mut(packet.message.from_tag()));
        let last = match early {
            Some(early) => &mut early.dialog.remote_cseq,
            None => &mut found.dialog.remote_cseq,
        };
        let fresh = *last == 0 || packet.message.cseq() > *last;
        if fresh {
            *last = packet.message.cseq();
        }
        let message = packet.message.clone();
        let Some(server) = self.open_server(key, packet.message, packet.flow) else { return };
        if let Some(opened) = self.servers.get_mut(server) {
            opened.leg = Some(leg);
        }
        self.hold_leg(leg, Wake::Server(server));
        if !fresh {
            let answer =
                Answer { status: 500, reason: "CSeq Out Of Order", tag: &tag, ..Answer::default() };
            self.respond(server, &answer, cx);
            return;
        }
        let unknown = self.unknown_extensions(&message);
        if !unknown.is_empty() {
            let headers = [(HeaderId::Unsupported, unknown)];
            let answer = Answer { status: 420, tag: &tag, headers: &headers, ..Answer::default() };
            self.respond(server, &answer, cx);
            return;
        }
        self.dispatch(leg, server, &message, &tag, cx);
    }

    fn dispatch(&mut self, leg: Slot, server: Slot, message: &Message, tag: &str, cx: &mut Cx<'_>) {
        match message.method() {
            Method::Bye => self.on_bye(leg, server, message, tag, cx),
            Method::Invite => self.on_reinvite(leg, server, message, tag, cx),
            Method::Update => self.on_update(leg, server, message, tag, cx),
            Method::Prack => self.on_prack(leg, server, message, tag, cx),
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
                let body = message.typed_body();
                let direction = body.as_ref().and_then(direction);
                cx.up(leg, LegEvent::Confirmed { body, direction });
                self.offer_again(leg, cx);
            }
        } else if found.state == LegState::Ending {
            self.on_stray_ack(leg, message, cx);
        }
        self.settle_leg(leg, cx);
    }

    /// A BYE ends the leg; what waits on it is answered with 487.
    fn on_bye(&mut self, leg: Slot, server: Slot, message: &Message, tag: &str, cx: &mut Cx<'_>) {
        self.respond(server, &Answer { status: 200, tag, ..Answer::default() }, cx);
        self.refuse_offered(leg, &Cause::code(487), cx);
        self.refuse_asked(leg, &Cause::code(487), cx);
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
