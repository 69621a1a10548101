//! What a call tells its legs.

use super::client::{Draft, address_of};
use super::dialog::Dialog;
use super::leg::{AwaitedAck, Leg, LegState, NewLeg, SentAck};
use super::server::Answer;
use super::stack::{Action, Cx, Stack};
use crate::base::flow::{Destination, Outbound};
use crate::base::id::Slot;
use crate::base::leg::{Body, Cause, InfoKind, LegCommand, LegEvent};
use crate::base::limits::MAX_FORWARDS_INITIAL;
use crate::base::seal::Kind;
use crate::sip::message::{HeaderId, Method, Writer};
use bytes::Bytes;

/// Methods of a dialog that a node takes part in.
const ALLOW: &str = super::incoming::ALLOW;

impl Stack {
    /// Calls somebody: a new leg with its INVITE on the way. `None` when there is
    /// no room or no proxy.
    pub fn call(&mut self, new: &NewLeg, cx: &mut Cx<'_>) -> Option<Slot> {
        let random = cx.ids.next_u64();
        let leg =
            self.legs.insert_with(|_| Leg::new(Dialog::default(), LegState::Calling, random))?;
        self.touch_leg(leg);
        let word = self.leg_word(leg);
        let dialog = Dialog {
            call_id: self.sealer.seal(Kind::CallId, word).as_str().into(),
            local_tag: self.sealer.seal(Kind::Tag, word).as_str().into(),
            local: new.from.as_bytes().into(),
            remote: new.to.as_bytes().into(),
            target: new.uri.as_bytes().into(),
            ..Dialog::default()
        };
        let found = self.legs.get_mut(leg)?;
        found.dialog = dialog;
        let body =
            new.offer.as_ref().map(|offer| found.origin.rewrite(offer, &self.settings.origin_host));
        found.offer_sent = body.is_some();
        found.asks_reliable = new.reliable && self.settings.reliable;
        let mut headers: Vec<(HeaderId, String)> = Vec::new();
        if !self.settings.direct {
            let route = self.sealer.seal_hop(self.settings.node, &new.hop, self.wall);
            headers.push((HeaderId::XGenesysRoute, route));
        }
        let draft = self.draft_from(
            leg,
            None,
            Method::Invite,
            new.hops_left,
            &headers,
            &new.headers,
            body.as_ref(),
        )?;
        let client = self.request(Some(leg), draft, cx);
        let found = self.legs.get_mut(leg)?;
        found.inviting = client;
        if client.is_none() {
            found.reported = true;
            found.state = LegState::Ending;
            self.settle_leg(leg, cx);
            return None;
        }
        Some(leg)
    }

    /// A request inside a leg's dialog, or inside an early one of it.
    pub(super) fn draft_in(
        &mut self,
        leg: Slot,
        early: Option<&Dialog>,
        method: Method,
        headers: &[(HeaderId, String)],
        body: Option<&Body>,
    ) -> Option<Draft> {
        self.draft_from(leg, early, method, MAX_FORWARDS_INITIAL, headers, &[], body)
    }

    /// A request of a leg, without its Via; raises the leg's CSeq.
    #[expect(clippy::too_many_arguments, reason = "the parts of one request, each of its own kind")]
    fn draft_from(
        &mut self,
        leg: Slot,
        early: Option<&Dialog>,
        method: Method,
        hops_left: u8,
        headers: &[(HeaderId, String)],
        named: &[(&'static str, String)],
        body: Option<&Body>,
    ) -> Option<Draft> {
        // A new call names its next hop itself.
        let named_hop = headers.iter().any(|(id, _)| *id == HeaderId::XGenesysRoute);
        let in_dialog = (!named_hop && !self.settings.direct)
            .then(|| self.sealer.seal_hop(self.settings.node, "dialog", self.wall));
        let changes = matches!(method, Method::Invite | Method::Update);
        let contact = changes.then(|| self.contact(leg));
        let session = self
            .legs
            .get(leg)
            .filter(|_| changes)
            .map(|found| self.session_headers(found, method))
            .unwrap_or_default();
        let found = self.legs.get_mut(leg)?;
        found.dialog.local_cseq += 1;
        let cseq = found.dialog.local_cseq;
        let dialog = early.unwrap_or(&found.dialog);
        let mut writer = Writer::default();
        for route in &dialog.routes {
            writer.header(HeaderId::Route, route);
        }
        writer.header(HeaderId::MaxForwards, hops_left.to_string());
        writer.header(
            HeaderId::From,
            [&*dialog.local, b";tag=", dialog.local_tag.as_bytes()].concat(),
        );
        if dialog.remote_tag.is_empty() {
            writer.header(HeaderId::To, &dialog.remote);
        } else {
            writer.header(HeaderId::To, [&*dialog.remote, b";tag=", &dialog.remote_tag].concat());
        }
        writer.header(HeaderId::CallId, dialog.call_id.as_bytes());
        if let Some(contact) = contact {
            writer.header(HeaderId::Contact, contact).header(HeaderId::Allow, ALLOW);
        }
        for (id, value) in session {
            writer.header(id, value);
        }
        if let Some(hop) = in_dialog {
            writer.header(HeaderId::XGenesysRoute, hop);
        }
        for (id, value) in headers {
            writer.header(*id, value);
        }
        for (name, value) in named {
            writer.named(name.as_bytes(), value.as_bytes());
        }
        Some(Draft {
            method,
            uri: dialog.target.to_vec(),
            route: dialog.routes.first().cloned(),
            cseq,
            rest: writer.body(body),
        })
    }

    /// Carries out one command of the call.
    pub fn command(&mut self, leg: Slot, command: LegCommand, cx: &mut Cx<'_>) {
        self.touch_leg(leg);
        match command {
            LegCommand::Progress { code, body, reliable } => {
                self.progress(leg, (code, reliable), body.as_ref(), cx)
            }
            LegCommand::ConfirmProgress { body } => self.confirm_progress(leg, body.as_ref(), cx),
            LegCommand::Answer { body } => {
                if !self.keeps_answer(leg, body.as_ref()) {
                    let body = self.answer_body(leg, body);
                    self.accept(leg, body.as_ref(), cx);
                }
            }
            LegCommand::AcceptUpdate { body } => {
                if !self.accept_asked(leg, body.as_ref(), cx) {
                    self.accept(leg, body.as_ref(), cx);
                }
            }
            LegCommand::Confirm { body } => self.confirm(leg, body.as_ref(), cx),
            LegCommand::Update { offer } => self.update(leg, offer.as_ref(), cx),
            LegCommand::RefuseUpdate(cause) => {
                if !self.refuse_asked(leg, &cause, cx) {
                    self.refuse_change_offered(leg, &cause, cx);
                }
            }
            LegCommand::Info { kind, body, headers } => {
                self.info(leg, kind, body.as_ref(), &headers, cx)
            }
            LegCommand::AnswerInfo(cause) => self.answer_info(leg, &cause, cx),
            LegCommand::End(cause) => self.hang_up(leg, &cause, cx),
        }
        self.settle_leg(leg, cx);
    }

    /// A 2xx to what waits on the leg: the first INVITE, or a change.
    fn accept(&mut self, leg: Slot, body: Option<&Body>, cx: &mut Cx<'_>) {
        let contact = self.contact(leg);
        let Some(found) = self.legs.get_mut(leg) else { return };
        let Some(server) = found.offered.take() else { return };
        found.state = LegState::Established;
        found.early = None;
        let body = body.map(|body| found.origin.rewrite(body, &self.settings.origin_host));
        let tag = found.dialog.local_tag.clone();
        let mut headers = self.agree_session(leg, server, cx);
        headers.push((HeaderId::Allow, ALLOW.to_owned()));
        let answer = Answer {
            status: 200,
            tag: &tag,
            contact: Some(contact),
            body: body.as_ref(),
            headers: &headers,
            ..Answer::default()
        };
        let sent = self.respond(server, &answer, cx);
        let (Some(bytes), Some(transaction)) = (sent, self.servers.get(server)) else { return };
        if let Some(request) = &transaction.request
            && request.method() == Method::Invite
        {
            let offers = request.body().is_empty() && body.is_some();
            let awaited = AwaitedAck {
                offers,
                ..AwaitedAck::new(request.cseq(), bytes, transaction.flow, cx.now)
            };
            if let Some(found) = self.legs.get_mut(leg) {
                found.awaited_ack = Some(awaited);
            }
        }
    }

    /// The ACK of the 2xx that waits for one (RFC 3261 13.2.2.4).
    pub(super) fn confirm(&mut self, leg: Slot, body: Option<&Body>, cx: &mut Cx<'_>) {
        let Some(found) = self.legs.get_mut(leg) else { return };
        let SentAck::Wanted(cseq) = found.sent_ack else { return };
        let body = body.map(|body| found.origin.rewrite(body, &self.settings.origin_host));
        let bytes = self.acknowledge(leg, cseq, body.as_ref(), cx);
        if let Some(found) = self.legs.get_mut(leg) {
            found.sent_ack = SentAck::Sent(cseq, bytes);
        }
    }

    /// Sends an ACK inside a leg's dialog.
    pub(super) fn acknowledge(
        &mut self,
        leg: Slot,
        cseq: u32,
        body: Option<&Body>,
        cx: &mut Cx<'_>,
    ) -> Bytes {
        let in_dialog = (!self.settings.direct)
            .then(|| self.sealer.seal_hop(self.settings.node, "dialog", self.wall));
        let Some(found) = self.legs.get(leg) else { return Bytes::new() };
        let dialog = &found.dialog;
        let mut writer = Writer::request(b"ACK", &dialog.target);
        let via = format!(
            "SIP/2.0/{} {};branch=z9hG4bK{:02x}ack{:016x};rport",
            self.settings.proxy_protocol.via_name(),
            self.settings.address,
            self.settings.shard.0,
            cx.ids.next_u64()
        );
        writer.header(HeaderId::Via, via);
        for route in &dialog.routes {
            writer.header(HeaderId::Route, route);
        }
        writer.header(HeaderId::MaxForwards, "70");
        writer.header(
            HeaderId::From,
            [&*dialog.local, b";tag=", dialog.local_tag.as_bytes()].concat(),
        );
        writer.header(HeaderId::To, [&*dialog.remote, b";tag=", &dialog.remote_tag].concat());
        writer.header(HeaderId::CallId, dialog.call_id.as_bytes());
        writer.header(HeaderId::CSeq, format!("{cseq} ACK"));
        if let Some(hop) = in_dialog {
            writer.header(HeaderId::XGenesysRoute, hop);
        }
        let bytes = writer.body(body);
        self.send_in_dialog_ack(leg, bytes.clone(), cx);
        bytes
    }

    /// An ACK goes to the proxy that its first Route names.
    pub(super) fn send_in_dialog_ack(&mut self, leg: Slot, bytes: Bytes, cx: &mut Cx<'_>) {
        let dialog = self.legs.get(leg).map(|found| &found.dialog);
        let route = dialog.and_then(|dialog| dialog.routes.first());
        let remote = if self.settings.direct {
            route.or(dialog.map(|dialog| &dialog.target)).and_then(|hop| address_of(hop))
        } else {
            route.and_then(|route| self.proxy_in_service(route)).or_else(|| self.any_proxy())
        };
        let Some(remote) = remote else { return };
        let to = Destination::Address { protocol: self.settings.proxy_protocol, remote };
        cx.out.push(Action::Send(Outbound { to, bytes, sender: None }));
    }

    /// The first proxy in service: requests of one dialog keep their order.
    fn any_proxy(&self) -> Option<core::net::SocketAddr> {
        let proxies = &self.settings.proxies;
        proxies.iter().find(|proxy| !self.proxies_down.contains(proxy)).or(proxies.first()).copied()
    }

    fn info(
        &mut self,
        leg: Slot,
        kind: InfoKind,
        body: Option<&Body>,
        headers: &[(Box<str>, Box<str>)],
        cx: &mut Cx<'_>,
    ) {
        let method = match kind {
            InfoKind::Info => Method::Info,
            InfoKind::Message => Method::Message,
        };
        let kept: Vec<(HeaderId, String)> = headers
            .iter()
            .map(|(name, value)| {
                (HeaderId::from_name(name.as_bytes()), value.clone().into_string())
            })
            .collect();
        let established = self.leg_state(leg) == Some(LegState::Established);
        let draft = established.then(|| self.draft_in(leg, None, method, &kept, body)).flatten();
        if draft.and_then(|draft| self.request(Some(leg), draft, cx)).is_none() {
            cx.up(leg, LegEvent::InfoDone(Cause::code(481)));
        }
    }

    fn answer_info(&mut self, leg: Slot, cause: &Cause, cx: &mut Cx<'_>) {
        let Some(found) = self.legs.get_mut(leg) else { return };
        let (Some(server), tag) = (found.infos.pop_front(), found.dialog.local_tag.clone()) else {
            return;
        };
        let answer =
            Answer { status: cause.code, reason: &cause.text, tag: &tag, ..Answer::default() };
        self.respond(server, &answer, cx);
    }

    /// Ends a leg whatever its state: refuses, cancels or hangs up.
    pub(super) fn hang_up(&mut self, leg: Slot, cause: &Cause, cx: &mut Cx<'_>) {
        let Some(found) = self.legs.get_mut(leg) else { return };
        match found.state {
            LegState::Incoming => {
                found.state = LegState::Ending;
                found.reported = true;
                found.early = None;
                self.refuse_asked(leg, &Cause::code(487), cx);
                self.refuse_offered(leg, cause, cx);
            }
            LegState::Calling => {
                found.state = LegState::Cancelling;
                found.reported = true;
                self.refuse_asked(leg, &Cause::code(487), cx);
                let Some(found) = self.legs.get_mut(leg) else { return };
                if let Some(client) = found.inviting {
                    self.cancel_client(client, cx);
                }
            }
            LegState::Established => {
                if let Some(client) = found.inviting.take() {
                    self.limit_client(client, cx);
                }
                let Some(found) = self.legs.get_mut(leg) else { return };
                let waits = matches!(found.sent_ack, SentAck::Wanted(_));
                if waits {
                    self.confirm(leg, None, cx);
                }
                self.refuse_offered(leg, &Cause::code(487), cx);
                self.refuse_asked(leg, &Cause::code(487), cx);
                self.drop_infos(leg, cx);
                let reason: Vec<_> = cause
                    .reason
                    .iter()
                    .map(|reason| (HeaderId::Reason, reason.clone().into_string()))
                    .collect();
                let draft = self.draft_in(leg, None, Method::Bye, &reason, None);
                if let Some(found) = self.legs.get_mut(leg) {
                    found.state = LegState::Ending;
                    found.awaited_ack = None;
                }
                if let Some(draft) = draft {
                    self.request(Some(leg), draft, cx);
                }
            }
            LegState::Cancelling | LegState::Ending => {}
        }
    }
}
