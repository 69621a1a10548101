//! Requests (RFC 3261 16.3 to 16.6, 16.10).

use super::core::{Action, Core, Counted, Cx};
use super::route::{Route, TopRoutes};
use super::transaction::{Tag, Target, Transaction, Wanted};
use crate::base::flow::{Destination, Flow, Outbound};
use crate::base::id::{NodeId, Slot};
use crate::base::limits::{NODE_TRIES_MAX, TRYING_DELAY};
use crate::base::seal::Kind;
use crate::base::short::Short;
use crate::base::time::Instant;
use crate::sip::message::via::amended_via;
use crate::sip::message::{Edits, HeaderId, Message, Method, NameAddr, Writer, response_to};
use crate::sip::packet::Packet;
use crate::sip::transaction::{Action as Step, Server, TransactionKey};
use core::net::SocketAddr;
use smallvec::SmallVec;
use std::collections::VecDeque;

/// Methods that the cluster understands, as in Allow.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, INFO, MESSAGE, UPDATE, PRACK, SUBSCRIBE, NOTIFY, REFER";

impl Core {
    pub(super) fn on_request(&mut self, packet: Packet, cx: &mut Cx<'_>) {
        let Packet { flow, message } = packet;
        let method = message.method();
        if let Some(fault) = message.fault() {
            if method != Method::Ack {
                self.answer_statelessly(
                    &message,
                    &flow,
                    fault.status(),
                    fault.to_string().as_bytes(),
                    cx,
                );
            }
            return;
        }
        let message = self.undo_strict_route(&message).unwrap_or(message);
        let Some(key) = TransactionKey::of(&message, method, self.seed) else { return };
        if let Some(slot) = self.by_key.get(&key) {
            self.on_known(slot, method, cx);
            return;
        }
        if method == Method::Cancel && self.on_cancel(&message, &flow, cx) {
            return;
        }
        let from_node = self.sending_node(&message, &flow, cx.now);
        let routes = self.top_routes(&message, from_node.is_some());
        let is_loop = self.is_loop(&message);
        if method == Method::Ack {
            if !is_loop {
                self.on_ack(&message, &flow, from_node, routes, cx);
            }
            return;
        }
        let unknown = unsupported(&message, HeaderId::ProxyRequire);
        if !unknown.is_empty() {
            let tag = self.stateless_tag(&message);
            let mut writer = response_to(&message, 420, b"", &tag, None);
            writer.header(HeaderId::Unsupported, unknown);
            send_back(&flow, writer, cx);
            return;
        }
        let route =
            if is_loop { Route::Answer(482) } else { self.route(&message, from_node, routes, cx) };
        self.start(key, message, flow, from_node, routes.ours, route, cx);
    }

    /// A strict router before us has put our Record-Route value into the
    /// Request-URI and the real one at the end of Route (RFC 3261 16.4).
    fn undo_strict_route(&self, message: &Message) -> Option<Message> {
        let uri = message.uri().ok()?;
        self.sealer.open(Kind::Route, uri.param(b"t")?)?;
        let mut routes: Vec<&[u8]> = message.values(HeaderId::Route).collect();
        let target = NameAddr::parse(routes.pop()?).ok()?.uri;
        let mut edits = Edits::new(message);
        edits.request_uri(target).remove(HeaderId::Route);
        edits.add(HeaderId::Route, &[b"<", message.request_uri(), b">"].concat());
        for route in routes {
            edits.add(HeaderId::Route, route);
        }
        crate::sip::message::scan(edits.write()).ok()
    }

    /// A request whose transaction stands: a repetition, or the ACK of a refusal.
    fn on_known(&mut self, slot: Slot, method: Method, cx: &mut Cx<'_>) {
        self.touched = Some(slot);
        cx.count(Counted::Retransmission);
        let Some((server, response, flow)) = self.transactions.server(slot) else { return };
        if method == Method::Ack {
            server.on_ack(cx.now);
        } else {
            for step in server.on_retransmission() {
                if let (Step::SendResponse, Some(bytes)) = (step, response) {
                    let to = Destination::Flow(flow);
                    cx.out.push(Action::Send(Outbound { to, bytes: bytes.clone(), sender: None }));
                }
            }
        }
        self.settle(slot, cx);
    }

    fn on_ack(
        &mut self,
        message: &Message,
        flow: &Flow,
        from_node: Option<NodeId>,
        routes: TopRoutes,
        cx: &mut Cx<'_>,
    ) {
        let target = match self.route(message, from_node, routes, cx) {
            Route::Targets(lists) => lists.into_iter().flatten().next(),
            Route::NewAtNode => self
                .nodes
                .choose(message.call_id(), &[], cx.now)
                .map(|(id, remote)| self.node_target(id, remote)),
            Route::Answer(_) | Route::Register => None,
        };
        if let Some(target) = target {
            self.forward_ack(message, flow, from_node, routes.ours, &target, cx);
        }
    }

    /// Ends the INVITE that a CANCEL names. One without an INVITE here goes on like
    /// any request, if it is not from a node: its INVITE may have come by a proxy
    /// that died (RFC 3261 16.10). Tells whether it is dealt with.
    fn on_cancel(&mut self, message: &Message, flow: &Flow, cx: &mut Cx<'_>) -> bool {
        let slot = TransactionKey::of(message, Method::Invite, self.seed)
            .and_then(|key| self.by_key.get(&key));
        let Some(slot) = slot.filter(|slot| self.transactions.is_invite(*slot)) else {
            let is_from_node = self.settings.is_node(flow.remote, flow.protocol);
            if is_from_node {
                self.answer_statelessly(message, flow, 481, b"", cx);
            }
            return is_from_node;
        };
        self.touched = Some(slot);
        // The tag of what the caller has heard of the INVITE (RFC 3261 9.2).
        let heard = self.transactions.tag(slot);
        if heard.is_empty() {
            self.answer_statelessly(message, flow, 200, b"", cx);
        } else {
            send_back(flow, start_response(message, flow, 200, b"", &heard), cx);
        }
        self.cancel_branches(slot, true, cx);
        self.settle(slot, cx);
        true
    }

    /// Makes the transaction and carries the route out.
    #[expect(clippy::too_many_arguments, reason = "the parts of one request, each of its own kind")]
    fn start(
        &mut self,
        key: TransactionKey,
        message: Message,
        flow: Flow,
        from_node: Option<NodeId>,
        routes_ours: usize,
        route: Route,
        cx: &mut Cx<'_>,
    ) {
        let method = message.method();
        let trying_at =
            if method == Method::Invite { cx.now + TRYING_DELAY } else { Instant::NEVER };
        let transaction = Transaction {
            key,
            method,
            flow,
            request: message,
            from_node,
            server: Server::new(method, flow.protocol.is_reliable()),
            response: None,
            accepted_tag: Tag::new(),
            routes_ours,
            branches: SmallVec::new(),
            waiting: VecDeque::new(),
            nodes_tried: SmallVec::new(),
            wanted: Wanted::default(),
            dn: None,
            is_counted: false,
            best: None,
            cancelled: false,
            challenges: Vec::new(),
            trying_at,
            registration: None,
            server_done: false,
            answered: 0,
            armed: Instant::NEVER,
        };
        let Some(slot) = self.transactions.insert(transaction) else {
            return;
        };
        self.touched = Some(slot);
        self.by_key.insert(key, slot);
        match route {
            Route::Targets(lists) => {
                let node = lists.iter().flatten().find_map(|target| target.node);
                self.note_request(slot, from_node.or(node), cx);
                if let Some(transaction) = self.transactions.get_mut(slot) {
                    transaction.waiting = lists.into();
                }
                self.try_next(slot, cx);
            }
            Route::NewAtNode => {
                self.note_request(slot, None, cx);
                if let Some(found) = self.transactions.get(slot) {
                    let wanted = self.wanted_nodes(found, cx.now);
                    self.want(slot, wanted);
                }
                self.try_node(slot, cx);
            }
            Route::Answer(status) => self.answer(slot, status, b"", &[], cx),
            Route::Register => self.on_register(slot, cx),
        }
        self.settle(slot, cx);
    }

    /// Sends to the next list of targets; without one the best answer goes back.
    pub(super) fn try_next(&mut self, slot: Slot, cx: &mut Cx<'_>) {
        let Some(transaction) = self.transactions.get_mut(slot) else { return };
        match transaction.waiting.pop_front() {
            Some(targets) => self.start_branches(slot, targets, cx),
            None => self.answer_best(slot, cx),
        }
    }

    /// Notes which nodes a request should go to.
    pub(super) fn want(&mut self, slot: Slot, wanted: Wanted) {
        if let Some(found) = self.transactions.get_mut(slot) {
            found.wanted = wanted;
        }
    }

    /// Sends to the next node: the first of those wanted that takes requests, else
    /// the one that the Call-ID chooses.
    pub(super) fn try_node(&mut self, slot: Slot, cx: &mut Cx<'_>) {
        let Some(found) = self.transactions.get(slot) else { return };
        let next = self.next_node(found, cx.now);
        if let Some((id, remote)) = next {
            let target = Target { may_fail_over: true, ..self.node_target(id, remote) };
            self.start_branches(slot, [target], cx);
        } else if found.best.is_some() {
            self.answer_best(slot, cx);
        } else {
            self.answer(slot, 503, b"No Node In Service", &[], cx);
        }
    }

    /// The node that a request goes to next, if one more may be tried.
    pub(super) fn next_node(
        &self,
        found: &Transaction,
        now: Instant,
    ) -> Option<(NodeId, SocketAddr)> {
        let tried = &found.nodes_tried;
        if tried.len() >= NODE_TRIES_MAX {
            return None;
        }
        let wanted = found.wanted.iter().flatten().filter(|id| !tried.contains(id));
        wanted
            .filter_map(|&id| Some((id, self.nodes.taking(id, now)?)))
            .next()
            .or_else(|| self.nodes.choose(found.request.call_id(), tried, now))
    }

    /// A node as a target.
    pub(super) fn node_target(&self, id: NodeId, remote: SocketAddr) -> Target {
        let to = Destination::Address { protocol: self.settings.node_protocol, remote };
        Target { node: Some(id), ..Target::new(to, None) }
    }

    /// Answers a request from here, inside its transaction.
    pub(super) fn answer(
        &mut self,
        slot: Slot,
        status: u16,
        reason: &[u8],
        headers: &[(HeaderId, String)],
        cx: &mut Cx<'_>,
    ) {
        let Some(transaction) = self.transactions.get(slot) else { return };
        let tag =
            if status == 100 { Short::new() } else { self.stateless_tag(&transaction.request) };
        let mut writer =
            start_response(&transaction.request, &transaction.flow, status, reason, &tag);
        for (id, value) in headers {
            writer.header(*id, value);
        }
        if status == 503 && headers.iter().all(|(id, _)| *id != HeaderId::RetryAfter) {
            writer.header(HeaderId::RetryAfter, retry_after(cx));
        }
        if status == 405 || (status == 200 && transaction.method == Method::Options) {
            writer.header(HeaderId::Allow, ALLOW);
        }
        if status == 489 {
            let mailboxes = self.settings.feature_server.is_some();
            writer.named(b"Allow-Events", if mailboxes { b"message-summary" } else { b"" });
        }
        let bytes = writer.body(None);
        self.respond(slot, status, bytes, cx);
    }

    /// Gives a response to the server side and sends it.
    pub(super) fn respond(
        &mut self,
        slot: Slot,
        status: u16,
        bytes: bytes::Bytes,
        cx: &mut Cx<'_>,
    ) {
        let Some(transaction) = self.transactions.get_mut(slot) else { return };
        if status >= 101 {
            transaction.trying_at = Instant::NEVER;
        }
        let is_first_final = status >= 200 && transaction.answered == 0;
        if is_first_final {
            transaction.answered = status;
        }
        let steps = transaction.server.on_answer(status, cx.now);
        for step in steps {
            if step == Step::SendResponse {
                // Kept before it is sent: a turn that panics here still can repeat it.
                transaction.response = Some(bytes.clone());
                let to = Destination::Flow(transaction.flow);
                cx.out.push(Action::Send(Outbound { to, bytes: bytes.clone(), sender: None }));
            }
        }
        if is_first_final {
            self.note_final(slot, status, cx);
        }
    }

    fn answer_statelessly(
        &mut self,
        message: &Message,
        flow: &Flow,
        status: u16,
        reason: &[u8],
        cx: &mut Cx<'_>,
    ) {
        let tag = self.stateless_tag(message);
        let writer = start_response(message, flow, status, reason, &tag);
        send_back(flow, writer, cx);
    }

    /// A To tag that is the same whenever the same request is answered
    /// (RFC 3261 8.2.7).
    pub(super) fn stateless_tag(&self, message: &Message) -> Short {
        self.sealer.stateless_tag(message.call_id(), message.top_via_value())
    }
}

/// Sends an answer that no transaction keeps.
fn send_back(flow: &Flow, writer: Writer, cx: &mut Cx<'_>) {
    let bytes = writer.body(None);
    cx.out.push(Action::Send(Outbound { to: Destination::Flow(*flow), bytes, sender: None }));
}

/// A response with the top Via amended for the way back.
pub(super) fn start_response(
    request: &Message,
    flow: &Flow,
    status: u16,
    reason: &[u8],
    tag: &[u8],
) -> Writer {
    let amended =
        request.top_via().and_then(|via| amended_via(&via, request.top_via_value(), flow));
    response_to(request, status, reason, tag, amended.as_deref())
}

/// When a refused request may be tried again: not all at the same time.
pub(super) fn retry_after(cx: &mut Cx<'_>) -> String {
    (2 + cx.ids.below(4)).to_string()
}

/// Option tags of a header that nobody here understands.
pub(super) fn unsupported(message: &Message, id: HeaderId) -> String {
    let tags: Vec<String> =
        message.values(id).map(|tag| String::from_utf8_lossy(tag).into_owned()).collect();
    tags.join(", ")
}
