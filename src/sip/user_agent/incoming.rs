//! Requests that start something (RFC 3261 8.2, 13.3).

use super::dialog::{Dialog, allows};
use super::leg::{Leg, LegState};
use super::reliable::Early;
use super::server::Answer;
use super::stack::{Action, Counted, Cx, Event, Stack, Wake};
use crate::base::flow::{Destination, Outbound};
use crate::base::id::Slot;
use crate::base::leg::{Cause, LegEvent};
use crate::base::limits::SESSION_INTERVAL_MIN_S;
use crate::base::seal::Kind;
use crate::sip::message::{HeaderId, Message, Method, response_to};
use crate::sip::packet::Packet;
use crate::sip::transaction::TransactionKey;

/// Methods that a node understands, as in Allow.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, MESSAGE, UPDATE, PRACK";

impl Stack {
    pub(super) fn on_request(&mut self, packet: Packet, cx: &mut Cx<'_>) {
        let method = packet.message.method();
        if let Some(fault) = packet.message.fault() {
            if method != Method::Ack {
                let writer = response_to(
                    &packet.message,
                    fault.status(),
                    fault.to_string().as_bytes(),
                    b"",
                    None,
                );
                let to = Destination::Flow(packet.flow);
                cx.out.push(Action::Send(Outbound { to, bytes: writer.body(None), sender: None }));
            }
            return;
        }
        let Some(key) = TransactionKey::of(&packet.message, method, self.seed) else { return };
        if let Some(server) = self.by_key.get(&key) {
            self.on_known(server, method, cx);
            return;
        }
        if method == Method::Cancel {
            self.on_cancel(packet, key, cx);
        } else if !packet.message.to_tag().is_empty() {
            self.on_within(packet, key, cx);
        } else if method == Method::Ack {
            cx.count(Counted::NoDialog);
        } else if method == Method::Invite {
            match self.merged(&packet.message) {
                Some(earlier) => self.on_merged(earlier, packet, key, cx),
                None => self.on_invite(packet, key, cx),
            }
        } else if let Some(server) = self.open_server(key, packet.message.clone(), packet.flow) {
            cx.out.push(Action::Up(Event::Request(server, Box::new(packet))));
        }
    }

    /// A CANCEL is answered by itself; the INVITE it names is ended with 487
    /// (RFC 3261 9.2), also when it comes by another proxy than the INVITE did.
    fn on_cancel(&mut self, packet: Packet, key: TransactionKey, cx: &mut Cx<'_>) {
        let invite = TransactionKey::of(&packet.message, Method::Invite, self.seed)
            .and_then(|key| self.by_key.get(&key))
            .or_else(|| self.merged(&packet.message));
        let reason = packet
            .message
            .header(HeaderId::Reason)
            .map(|value| String::from_utf8_lossy(value).into());
        let Some(server) = self.open_server(key, packet.message, packet.flow) else { return };
        // The tag is that of the INVITE's answers.
        let tag = invite
            .and_then(|invite| self.legs.get(self.servers.get(invite)?.leg?))
            .map_or_else(|| self.tag_for(server), |leg| leg.dialog.local_tag.to_string());
        let status = if invite.is_some() { 200 } else { 481 };
        self.respond(server, &Answer { status, tag: &tag, ..Answer::default() }, cx);
        let Some(found) = invite.and_then(|invite| self.servers.get(invite)) else { return };
        let (Some(leg), true) = (found.leg, found.is_open()) else { return };
        self.touch_leg(leg);
        self.refuse_offered(leg, &Cause::code(487), cx);
        let cause = Cause { code: 487, text: "".into(), reason };
        if let Some(found) = self.legs.get_mut(leg)
            && found.state == LegState::Incoming
        {
            found.state = LegState::Ending;
            self.report(leg, LegEvent::Ended(cause), cx);
        }
        self.settle_leg(leg, cx);
    }

    fn on_invite(&mut self, packet: Packet, key: TransactionKey, cx: &mut Cx<'_>) {
        let Some(server) = self.open_server(key, packet.message.clone(), packet.flow) else {
            return;
        };
        let unknown = self.unknown_extensions(&packet.message);
        if !unknown.is_empty() {
            self.answer(server, 420, &[(HeaderId::Unsupported, unknown)], cx);
            return;
        }
        if Self::asks_too_little(&packet.message) {
            let ours = [(HeaderId::MinSe, SESSION_INTERVAL_MIN_S.to_string())];
            self.answer(server, 422, &ours, cx);
            return;
        }
        let early = Early::of_caller(
            self.settings.reliable && takes_reliable(&packet.message),
            packet.message.has_option_tag(HeaderId::Require, b"100rel"),
        );
        let random = cx.ids.next_u64();
        let leg = self.legs.insert_with(|_| {
            let dialog = Dialog::from_request(&packet.message, "");
            Leg {
                offered: Some(server),
                transactions: vec![Wake::Server(server)],
                early: Some(Box::new(early)),
                takes_update: allows(&packet.message, Method::Update),
                ..Leg::new(dialog, LegState::Incoming, random)
            }
        });
        let Some(leg) = leg else {
            self.answer(server, 503, &[(HeaderId::RetryAfter, "5".to_owned())], cx);
            return;
        };
        let tag = self.sealer.seal(Kind::Tag, self.leg_word(leg));
        if let Some(found) = self.legs.get_mut(leg) {
            found.dialog.local_tag = tag.as_str().into();
        }
        if let Some(found) = self.servers.get_mut(server) {
            found.leg = Some(leg);
        }
        cx.out.push(Action::Up(Event::Incoming(leg, Box::new(packet))));
    }

    /// Challenges or refuses a new call with headers of its own; the leg ends
    /// without a word to the call, which does not exist yet.
    pub fn refuse(
        &mut self,
        leg: Slot,
        status: u16,
        headers: &[(HeaderId, String)],
        cx: &mut Cx<'_>,
    ) {
        let Some(found) = self.legs.get_mut(leg) else { return };
        found.state = LegState::Ending;
        found.reported = true;
        let (server, tag) = (found.offered.take(), found.dialog.local_tag.clone());
        if let Some(server) = server {
            self.respond(server, &Answer { status, tag: &tag, headers, ..Answer::default() }, cx);
        }
        self.settle_leg(leg, cx);
    }

    /// Option tags of Require that we do not understand.
    pub(super) fn unknown_extensions(&self, message: &Message) -> String {
        let known = |tag: &&[u8]| {
            tag.eq_ignore_ascii_case(b"timer")
                || (self.settings.reliable && tag.eq_ignore_ascii_case(b"100rel"))
        };
        let tags: Vec<String> = message
            .values(HeaderId::Require)
            .filter(|tag| !known(tag))
            .map(|tag| String::from_utf8_lossy(tag).into_owned())
            .collect();
        tags.join(", ")
    }

    /// Refuses a change of the session, and nothing that comes before it.
    pub(super) fn refuse_change_offered(&mut self, leg: Slot, cause: &Cause, cx: &mut Cx<'_>) {
        if self.leg_state(leg) == Some(LegState::Established) {
            self.refuse_offered(leg, cause, cx);
        }
    }

    /// Refuses the INVITE that waits on a leg.
    pub(super) fn refuse_offered(&mut self, leg: Slot, cause: &Cause, cx: &mut Cx<'_>) {
        let Some(found) = self.legs.get_mut(leg) else { return };
        let (Some(server), tag) = (found.offered.take(), found.dialog.local_tag.clone()) else {
            return;
        };
        let headers: Vec<_> = cause
            .reason
            .iter()
            .map(|reason| (HeaderId::Reason, reason.clone().into_string()))
            .collect();
        let answer = Answer {
            status: cause.code,
            reason: &cause.text,
            tag: &tag,
            headers: &headers,
            ..Answer::default()
        };
        self.respond(server, &answer, cx);
    }

    /// A request that no leg here knows.
    pub(super) fn no_dialog(
        &mut self,
        message: Message,
        key: TransactionKey,
        flow: crate::base::flow::Flow,
        cx: &mut Cx<'_>,
    ) {
        cx.count(Counted::NoDialog);
        if message.method() == Method::Ack {
            return;
        }
        if let Some(server) = self.open_server(key, message, flow) {
            self.answer(server, 481, &[], cx);
        }
    }
}

/// Whether the sender of an INVITE takes reliable provisional responses.
#[must_use]
pub fn takes_reliable(message: &Message) -> bool {
    message.has_option_tag(HeaderId::Supported, b"100rel")
        || message.has_option_tag(HeaderId::Require, b"100rel")
}
