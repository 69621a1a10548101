//! Server transactions of the stack.

use super::stack::{Action, Counted, Cx, Stack, Wake};
use crate::base::flow::{Destination, Flow, Outbound};
use crate::base::id::Slot;
use crate::base::leg::Body;
use crate::base::time::Instant;
use crate::sip::message::{HeaderId, Message, Method, Writer, response_to};
use crate::sip::transaction::{Action as Step, Actions, Server, TransactionKey};
use bytes::Bytes;

/// One server transaction.
#[derive(Debug)]
pub(super) struct ServerTransaction {
    pub(super) key: TransactionKey,
    /// What it has in common with the same INVITE by another proxy; `None` for every
    /// other request.
    pub(super) merged: Option<TransactionKey>,
    pub(super) machine: Server,
    /// Gone after the final answer where no leg holds the transaction and only that
    /// answer is needed any more.
    pub(super) request: Option<Message>,
    pub(super) flow: Flow,
    pub(super) response: Option<Bytes>,
    /// The leg that it belongs to.
    pub(super) leg: Option<Slot>,
    /// Fields of its stored state that this release does not know.
    pub(super) unknown: Box<[u8]>,
}

impl ServerTransaction {
    fn new(
        key: TransactionKey,
        merged: Option<TransactionKey>,
        request: Message,
        flow: Flow,
    ) -> Self {
        let machine = Server::new(request.method(), flow.protocol.is_reliable());
        Self {
            key,
            merged,
            machine,
            request: Some(request),
            flow,
            response: None,
            leg: None,
            unknown: Box::default(),
        }
    }

    /// Status of the last response.
    pub(super) fn status(&self) -> Option<u16> {
        let line = self.response.as_ref()?.get(8..11)?;
        core::str::from_utf8(line).ok()?.parse().ok()
    }

    /// Whether no final response was sent.
    pub(super) fn is_open(&self) -> bool {
        self.machine.is_open()
    }

    /// Whether all that may happen yet is that the request comes again (RFC 3261
    /// 17.2.2), and the answer has its key.
    fn only_repeats(&self) -> bool {
        matches!(self.machine, Server::NonInvite(_))
            && !self.is_open()
            && self.leg.is_none()
            && self.request.as_ref().is_some_and(TransactionKey::is_in_answer)
    }

    fn next_deadline(&self) -> Instant {
        self.machine.next_deadline()
    }
}

/// A response's status with what it carries.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    pub(super) reason: &'a str,
    pub(super) tag: &'a str,
    pub(super) contact: Option<String>,
    pub(super) body: Option<&'a Body>,
    pub(super) headers: &'a [(HeaderId, String)],
}

impl Stack {
    /// Makes a server transaction; `None` when the table is full.
    pub(super) fn open_server(
        &mut self,
        key: TransactionKey,
        request: Message,
        flow: Flow,
    ) -> Option<Slot> {
        let merged = TransactionKey::of_first_invite(&request, self.seed);
        let slot = self.servers.insert(ServerTransaction::new(key, merged, request, flow))?;
        self.enter_keys(slot, key, merged);
        self.touch(Wake::Server(slot));
        Some(slot)
    }

    /// Makes a server transaction known by its keys. Among several ways of one INVITE the
    /// last one counts: it is the one that waits for the answer.
    pub(super) fn enter_keys(
        &mut self,
        server: Slot,
        key: TransactionKey,
        merged: Option<TransactionKey>,
    ) {
        self.by_key.insert(key, server);
        if let Some(merged) = merged {
            self.by_key.insert(merged, server);
        }
    }

    /// Answers a request outside a dialog.
    pub fn answer(
        &mut self,
        server: Slot,
        status: u16,
        headers: &[(HeaderId, String)],
        cx: &mut Cx<'_>,
    ) {
        let tag = self.tag_for(server);
        self.respond(server, &Answer { status, tag: &tag, headers, ..Answer::default() }, cx);
    }

    pub(super) fn tag_for(&self, server: Slot) -> String {
        let request = self.servers.get(server).and_then(|found| found.request.as_ref());
        let Some(request) = request else { return String::new() };
        let tag = self.sealer.stateless_tag(request.call_id(), request.top_via_value());
        String::from_utf8_lossy(&tag).into_owned()
    }

    /// Writes a response, gives it to the machine and sends it. Gives the bytes
    /// back when they were sent.
    pub(super) fn respond(
        &mut self,
        server: Slot,
        answer: &Answer<'_>,
        cx: &mut Cx<'_>,
    ) -> Option<Bytes> {
        self.touch(Wake::Server(server));
        let found = self.servers.get(server)?;
        let tag = if answer.status == 100 { "" } else { answer.tag };
        let (reason, tag) = (answer.reason.as_bytes(), tag.as_bytes());
        let request = found.request.as_ref()?;
        let mut writer = routed_response(request, answer.status, reason, tag);
        if let Some(contact) = &answer.contact {
            writer.header(HeaderId::Contact, contact);
        }
        for (id, value) in answer.headers {
            writer.header(*id, value);
        }
        let bytes = writer.body(answer.body);
        let sent = self.send_response(server, answer.status, bytes.clone(), cx);
        if sent {
            self.respond_to_merged(server, &bytes, cx);
        }
        sent.then_some(bytes)
    }

    /// Gives a response to the machine and sends it; whether it was sent.
    pub(super) fn send_response(
        &mut self,
        server: Slot,
        status: u16,
        bytes: Bytes,
        cx: &mut Cx<'_>,
    ) -> bool {
        let Some(found) = self.servers.get_mut(server) else { return false };
        let steps = found.machine.on_answer(status, cx.now);
        let sent = steps != Actions::none();
        if sent {
            found.response = Some(bytes);
        }
        self.carry_out(server, steps, cx);
        self.settle_server(server, cx);
        if let Some(found) = self.servers.get_mut(server)
            && found.only_repeats()
        {
            found.request = None;
        }
        sent
    }

    /// A request of a transaction that stands: a repetition or an ACK.
    pub(super) fn on_known(&mut self, server: Slot, method: Method, cx: &mut Cx<'_>) {
        self.touch(Wake::Server(server));
        let Some(found) = self.servers.get_mut(server) else { return };
        let is_ack = method == Method::Ack;
        let steps =
            if is_ack { found.machine.on_ack(cx.now) } else { found.machine.on_retransmission() };
        if !is_ack {
            cx.count(Counted::Retransmission);
        }
        self.carry_out(server, steps, cx);
        self.settle_server(server, cx);
    }

    pub(super) fn wake_server(&mut self, server: Slot, cx: &mut Cx<'_>) {
        let Some(found) = self.servers.get_mut(server) else { return };
        let steps = found.machine.on_time(cx.now);
        if steps == Actions::of(&[Step::SendResponse]) {
            cx.count(Counted::Repeated);
        }
        self.carry_out(server, steps, cx);
        self.settle_server(server, cx);
    }

    fn carry_out(&mut self, server: Slot, steps: Actions, cx: &mut Cx<'_>) {
        for step in steps {
            match step {
                Step::SendResponse => {
                    let Some(found) = self.servers.get(server) else { return };
                    if let Some(bytes) = &found.response {
                        let to = Destination::Flow(found.flow);
                        cx.out.push(Action::Send(Outbound {
                            to,
                            bytes: bytes.clone(),
                            sender: None,
                        }));
                    }
                }
                Step::Terminated => {
                    let Some(found) = self.servers.remove(server) else { return };
                    self.by_key.remove(&found.key);
                    if let Some(merged) = found.merged
                        && self.by_key.get(&merged) == Some(server)
                    {
                        self.by_key.remove(&merged);
                    }
                    if let Some(leg) = found.leg {
                        self.release_leg(leg, Wake::Server(server), cx);
                    }
                }
                Step::SendRequest
                | Step::SendAck
                | Step::Deliver
                | Step::TimedOut
                | Step::NoAck => {}
            }
        }
    }

    pub(super) fn settle_server(&mut self, server: Slot, cx: &mut Cx<'_>) {
        let Some(found) = self.servers.get(server) else { return };
        let at = found.next_deadline();
        if at != Instant::NEVER {
            cx.out.push(Action::Arm(Wake::Server(server), at));
        }
    }

    pub(super) fn repeat_response(&mut self, server: Slot, cx: &mut Cx<'_>) {
        if self.servers.get(server).is_some_and(|found| !found.machine.is_terminated()) {
            self.carry_out(server, Actions::of(&[Step::SendResponse]), cx);
        }
    }

    /// After a turn that panicked: armed anew, or freed.
    pub(super) fn mend_server(&mut self, server: Slot, cx: &mut Cx<'_>) {
        let over = self.servers.get(server).is_some_and(|found| found.machine.is_terminated());
        if over {
            self.carry_out(server, Actions::of(&[Step::Terminated]), cx);
        }
        self.settle_server(server, cx);
    }

    /// One transaction less refers to a leg.
    pub(super) fn release_leg(&mut self, leg: Slot, transaction: Wake, cx: &mut Cx<'_>) {
        if let Some(found) = self.legs.get_mut(leg) {
            found.transactions.retain(|held| *held != transaction);
        }
        self.settle_leg(leg, cx);
    }

    /// One transaction more refers to a leg.
    pub(super) fn hold_leg(&mut self, leg: Slot, transaction: Wake) {
        if let Some(found) = self.legs.get_mut(leg) {
            found.transactions.push(transaction);
        }
    }
}

/// The start of a response, with the Record-Route that makes its route set (RFC 3261
/// 12.1.1).
pub(super) fn routed_response(request: &Message, status: u16, reason: &[u8], tag: &[u8]) -> Writer {
    let mut writer = response_to(request, status, reason, tag, None);
    if request.method() == Method::Invite && (101..300).contains(&status) {
        writer.copy(request, HeaderId::RecordRoute);
    }
    writer
}
