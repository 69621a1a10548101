//! Responses, silence and failure (RFC 3261 16.7 to 16.9).

use super::core::{Action, Core, Counted, Cx};
use super::forward::{sent_request, slot_and_branch};
use super::transaction::Branch;
use crate::base::flow::{Outbound, Sender};
use crate::base::id::{NodeId, Slot};
use crate::base::limits::{
    LAST_NODE_SILENCE, MOVED_PER_STEP_MAX, NODE_TRIES_MAX, TRANSACTION_TIMEOUT,
};
use crate::base::seal::Kind;
use crate::base::time::Instant;
use crate::sip::message::{Edits, HeaderId, Message, Method, hop_request};
use crate::sip::packet::Packet;
use crate::sip::transaction::{Action as Step, Client};

/// Stands for no answer within the time that a node has for one.
const SILENT: u16 = 0;

/// What a step of a branch leaves to be done.
enum After {
    Nothing,
    /// Pass the response back.
    Deliver,
    /// The branch has no answer of its own: as if this status had come.
    Gone(u16),
}

impl Core {
    pub(super) fn on_response(&mut self, packet: &Packet, cx: &mut Cx<'_>) {
        let message = &packet.message;
        if let Some(remote) = self.other_proxy(message) {
            // Phones that answer to where the call came from, not to the Via.
            let to =
                crate::base::flow::Destination::Address { protocol: packet.flow.protocol, remote };
            cx.out.push(Action::Send(Outbound {
                to,
                bytes: message.bytes().clone(),
                sender: None,
            }));
            return;
        }
        let word = message
            .top_via()
            .and_then(|via| self.sealer.open(Kind::Branch, via.branch().get(9..)?));
        // Only the answer to a CANCEL of ours has no Via behind ours (RFC 3261 16.7 step 3).
        let has_way_back = message.cseq_method() == Method::Cancel
            || message.values(HeaderId::Via).nth(1).is_some();
        let (Some(word), None, true) = (word, message.fault(), has_way_back) else {
            cx.count(Counted::StrayResponse);
            return;
        };
        let (slot, number) = slot_and_branch(word);
        self.touched = Some(slot);
        let now = cx.now;
        let Some(branch) =
            self.transactions.get_mut(slot).and_then(|found| found.branches.get_mut(number))
        else {
            cx.count(Counted::StrayResponse);
            return;
        };
        if message.cseq_method() == Method::Cancel {
            if let Some((client, _)) = &mut branch.cancel {
                client.on_response(message.status(), now);
            }
            self.settle(slot, cx);
            return;
        }
        let steps = branch.client.on_response(message.status(), now);
        let mut after = After::Nothing;
        for step in steps {
            match step {
                Step::SendAck => self.send_ack(slot, number, message, cx),
                Step::Deliver => after = After::Deliver,
                Step::SendRequest
                | Step::SendResponse
                | Step::TimedOut
                | Step::NoAck
                | Step::Terminated => {}
            }
        }
        if matches!(after, After::Deliver) {
            self.on_delivered(slot, number, message, cx);
        }
        self.settle(slot, cx);
    }

    /// The proxy of this cluster that a response is really for.
    fn other_proxy(&self, message: &Message) -> Option<core::net::SocketAddr> {
        let via = message.top_via()?;
        let address = core::net::SocketAddr::new(via.host_ip()?, via.port_or_default());
        (address != self.settings.address && self.settings.proxies.contains(&address))
            .then_some(address)
    }

    fn send_ack(&mut self, slot: Slot, number: usize, response: &Message, cx: &mut Cx<'_>) {
        let Some(branch) = self.transactions.get(slot).and_then(|found| found.branches.get(number))
        else {
            return;
        };
        let Some(sent) = sent_request(branch) else { return };
        let bytes = hop_request(&sent, Method::Ack, response);
        cx.out.push(Action::Send(Outbound { to: branch.to.clone(), bytes, sender: None }));
    }

    /// A response that the branch's machine lets through.
    fn on_delivered(&mut self, slot: Slot, number: usize, message: &Message, cx: &mut Cx<'_>) {
        let status = message.status();
        let Some(transaction) = self.transactions.get_mut(slot) else { return };
        let method = transaction.method;
        let open = transaction.server.is_open();
        let Some(branch) = transaction.branches.get_mut(number) else { return };
        if status < 200 {
            branch.on_provisional(status, cx.now, method);
            if branch.cancel_wanted || branch.abandoned {
                self.send_cancel(slot, number, cx);
            } else if status > 100 && open {
                let bytes = passed_back(message);
                self.respond(slot, status, bytes, cx);
            }
            return;
        }
        branch.final_status = status;
        let abandoned = branch.abandoned;
        match status {
            200..=299 => self.on_success(slot, number, message, cx),
            _ if abandoned => {}
            503 if branch.may_fail_over && branch.provisional <= 100 && !transaction.cancelled => {
                transaction.best.get_or_insert_with(|| (status, message.clone()));
                cx.count(Counted::NodeFailover);
                self.try_node(slot, None, cx);
            }
            _ => {
                if matches!(status, 401 | 407) {
                    for id in [HeaderId::WwwAuthenticate, HeaderId::ProxyAuthenticate] {
                        let lines = message.header_lines(id).map(|value| (id, value.to_vec()));
                        transaction.challenges.extend(lines);
                    }
                }
                if transaction.best.as_ref().is_none_or(|(best, _)| is_better(status, *best)) {
                    transaction.best = Some((status, message.clone()));
                }
                if status >= 600 {
                    transaction.waiting.clear();
                    self.cancel_branches(slot, false, cx);
                }
                self.on_branch_final(slot, cx);
            }
        }
    }

    fn on_success(&mut self, slot: Slot, number: usize, message: &Message, cx: &mut Cx<'_>) {
        let Some(transaction) = self.transactions.get_mut(slot) else { return };
        transaction.waiting.clear();
        if transaction.registration.is_some() && transaction.server.is_open() {
            self.on_registered(slot, message, cx);
            return;
        }
        let won_before = transaction.branches.iter().enumerate().any(|(index, branch)| {
            index != number && !branch.abandoned && (200..300).contains(&branch.final_status)
        });
        let abandoned = transaction.branches.get(number).is_some_and(|branch| branch.abandoned);
        if abandoned && won_before {
            self.refuse_late_success(slot, number, message, cx);
            return;
        }
        let status = message.status();
        self.respond(slot, status, passed_back(message), cx);
        self.cancel_branches(slot, false, cx);
    }

    /// A node that was given up answered after another one had: its call is
    /// acknowledged and ended at once (`decisions.md` 9).
    fn refuse_late_success(
        &mut self,
        slot: Slot,
        number: usize,
        message: &Message,
        cx: &mut Cx<'_>,
    ) {
        let Some(branch) = self.transactions.get(slot).and_then(|found| found.branches.get(number))
        else {
            return;
        };
        let Some(sent) = sent_request(branch) else { return };
        let target = message
            .values(HeaderId::Contact)
            .next()
            .and_then(|value| crate::sip::message::NameAddr::parse(value).ok())
            .map_or_else(|| sent.request_uri().to_vec(), |contact| contact.uri.to_vec());
        for (method, offset) in [(Method::Ack, 0), (Method::Bye, 1)] {
            let mut writer =
                crate::sip::message::Writer::request(method.as_str().as_bytes(), &target);
            let via = format!(
                "SIP/2.0/{} {};branch=z9hG4bK{:02x}late{:016x}",
                branch.to.protocol().via_name(),
                self.settings.address,
                self.settings.shard.0,
                cx.ids.next_u64()
            );
            writer.header(HeaderId::Via, via);
            writer.copy(&sent, HeaderId::From);
            writer.header(HeaderId::To, message.header(HeaderId::To).unwrap_or_default());
            writer.copy(&sent, HeaderId::CallId);
            writer.header(HeaderId::CSeq, format!("{} {method}", sent.cseq() + offset));
            writer.header(HeaderId::MaxForwards, "70");
            let bytes = writer.body(None);
            cx.out.push(Action::Send(Outbound { to: branch.to.clone(), bytes, sender: None }));
        }
    }

    /// One branch has its final answer: the next list is tried, or, when no
    /// branch is pending, the best answer goes back.
    fn on_branch_final(&mut self, slot: Slot, cx: &mut Cx<'_>) {
        let Some(transaction) = self.transactions.get(slot) else { return };
        if transaction.branches.iter().any(Branch::is_pending) || !transaction.server.is_open() {
            return;
        }
        if transaction.cancelled {
            self.answer_best(slot, cx);
        } else {
            self.try_next(slot, cx);
        }
    }

    pub(super) fn answer_best(&mut self, slot: Slot, cx: &mut Cx<'_>) {
        let Some(transaction) = self.transactions.get_mut(slot) else { return };
        if !transaction.server.is_open() {
            return;
        }
        match transaction.best.take() {
            Some((status, message)) => {
                let bytes = match status {
                    401 | 407 => with_challenges(&message, &transaction.challenges),
                    _ => passed_back(&message),
                };
                self.respond(slot, status, bytes, cx);
            }
            None => {
                let status = if transaction.cancelled { 487 } else { 408 };
                self.answer(slot, status, b"", &[], cx);
            }
        }
    }

    /// Cancels what is pending, because the caller did (`by_caller`) or because
    /// another branch has won.
    pub(super) fn cancel_branches(&mut self, slot: Slot, by_caller: bool, cx: &mut Cx<'_>) {
        let Some(transaction) = self.transactions.get_mut(slot) else { return };
        if transaction.method != Method::Invite {
            return;
        }
        if by_caller {
            transaction.cancelled = true;
            transaction.waiting.clear();
        }
        for number in 0..transaction.branches.len() {
            self.send_cancel(slot, number, cx);
        }
    }

    /// Sends the CANCEL of a branch, or notes that it is wanted (RFC 3261 9.1).
    fn send_cancel(&mut self, slot: Slot, number: usize, cx: &mut Cx<'_>) {
        let sender = self.sender(slot, number);
        let Some(branch) =
            self.transactions.get_mut(slot).and_then(|found| found.branches.get_mut(number))
        else {
            return;
        };
        if branch.final_status != 0 || branch.cancelled {
            return;
        }
        if branch.provisional == 0 {
            branch.cancel_wanted = true;
            return;
        }
        let Some(sent) = sent_request(branch) else { return };
        let bytes = hop_request(&sent, Method::Cancel, &sent);
        let reliable = branch.to.protocol().is_reliable();
        branch.cancel = Some((Client::new(Method::Cancel, cx.now, reliable), bytes.clone()));
        branch.cancelled = true;
        branch.on_cancelled(cx.now);
        cx.out.push(Action::Send(Outbound { to: branch.to.clone(), bytes, sender: Some(sender) }));
    }

    pub(super) fn on_send_failed(&mut self, sender: Sender, cx: &mut Cx<'_>) {
        let (slot, number) = slot_and_branch(sender.0);
        self.touched = Some(slot);
        let Some(branch) =
            self.transactions.get_mut(slot).and_then(|found| found.branches.get_mut(number))
        else {
            return;
        };
        if branch.final_status == 0 && branch.provisional == 0 && !branch.abandoned {
            branch.done = true;
            match branch.datagram.take() {
                Some(target) if !branch.cancel_wanted => {
                    branch.abandoned = true;
                    self.start_branch(slot, &target, true, cx);
                }
                Some(_) | None => self.on_branch_gone(slot, number, 503, cx),
            }
        }
        self.settle(slot, cx);
    }

    /// A node went out of service: requests that it has only said 100 to, or
    /// nothing, go to the next one.
    pub(super) fn on_node_lost(&mut self, id: NodeId, cx: &mut Cx<'_>) {
        let waiting: Vec<(Slot, usize)> = self
            .transactions
            .iter()
            .flat_map(|(slot, found)| {
                found.branches.iter().enumerate().filter_map(move |(number, branch)| {
                    let lost =
                        branch.node == Some(id) && branch.is_pending() && branch.provisional <= 100;
                    lost.then_some((slot, number))
                })
            })
            .take(MOVED_PER_STEP_MAX)
            .collect();
        for (slot, number) in waiting {
            self.touched = Some(slot);
            self.on_branch_gone(slot, number, 408, cx);
            self.settle(slot, cx);
        }
    }

    /// A branch will not answer: the next node, or as if `status` had come.
    fn on_branch_gone(&mut self, slot: Slot, number: usize, status: u16, cx: &mut Cx<'_>) {
        let Some(transaction) = self.transactions.get_mut(slot) else { return };
        let cancelled = transaction.cancelled;
        let Some(branch) = transaction.branches.get_mut(number) else { return };
        if !branch.is_pending() {
            return;
        }
        let tried = &transaction.nodes_tried;
        let goes_on = branch.may_fail_over
            && branch.provisional <= 100
            && !cancelled
            && tried.len() < NODE_TRIES_MAX
            && self.nodes.choose(transaction.request.call_id(), tried).is_some();
        if !goes_on && status == SILENT && !branch.last_wait {
            // Nobody else to ask: the last one may have been slow, or the way to it bad.
            branch.last_wait = true;
            branch.patience = cx.now + LAST_NODE_SILENCE;
            return;
        }
        let status = if status == SILENT { 503 } else { status };
        if goes_on {
            branch.abandoned = true;
            // One that has said 100 may still answer; its end is waited for, not for ever.
            branch.patience =
                if branch.provisional > 0 { cx.now + TRANSACTION_TIMEOUT } else { Instant::NEVER };
            if let Some(node) = branch.node {
                cx.out.push(Action::Suspect(node));
            }
            cx.count(Counted::NodeFailover);
            self.try_node(slot, None, cx);
            return;
        }
        let status = if cancelled { 487 } else { status };
        branch.final_status = status;
        branch.done = true;
        let retry = (2 + cx.ids.below(4)).to_string();
        let made = self.transactions.get(slot).map(|transaction| {
            let tag = self.stateless_tag(&transaction.request);
            let (request, flow) = (&transaction.request, &transaction.flow);
            let mut writer = super::request::start_response(request, flow, status, b"", &tag);
            if status == 503 {
                writer.header(HeaderId::RetryAfter, retry);
            }
            writer.body(None)
        });
        // The made-up answer takes the way of a real one, which starts with a Via of ours.
        if let (Some(transaction), Some(Ok(message))) = (
            self.transactions.get_mut(slot),
            made.map(|bytes| crate::sip::message::scan(bytes.to_vec())),
        ) && transaction.best.as_ref().is_none_or(|(best, _)| is_better(status, *best))
            && let Some(message) = with_own_via(&message)
        {
            transaction.best = Some((status, message));
        }
        self.on_branch_final(slot, cx);
    }

    pub(super) fn on_wake(&mut self, slot: Slot, cx: &mut Cx<'_>) {
        self.touched = Some(slot);
        let now = cx.now;
        let Some(transaction) = self.transactions.get_mut(slot) else { return };
        if now >= transaction.trying_at {
            transaction.trying_at = Instant::NEVER;
            self.answer(slot, 100, b"", &[], cx);
        }
        let Some(transaction) = self.transactions.get_mut(slot) else { return };
        let steps = transaction.server.on_time(now);
        for step in steps {
            match step {
                Step::SendResponse => {
                    if let Some(bytes) = transaction.response.clone() {
                        let to = crate::base::flow::Destination::Flow(transaction.flow);
                        cx.out.push(Action::Send(Outbound { to, bytes, sender: None }));
                    }
                }
                Step::Terminated => transaction.server_done = true,
                Step::SendRequest
                | Step::SendAck
                | Step::Deliver
                | Step::TimedOut
                | Step::NoAck => {}
            }
        }
        for number in 0..transaction.branches.len() {
            self.wake_branch(slot, number, cx);
        }
        self.settle(slot, cx);
    }

    fn wake_branch(&mut self, slot: Slot, number: usize, cx: &mut Cx<'_>) {
        let now = cx.now;
        let sender = self.sender(slot, number);
        let Some(branch) =
            self.transactions.get_mut(slot).and_then(|found| found.branches.get_mut(number))
        else {
            return;
        };
        let mut after = After::Nothing;
        if !branch.done {
            for step in branch.client.on_time(now) {
                match step {
                    Step::SendRequest => {
                        let bytes = branch.bytes.clone();
                        cx.out.push(Action::Send(Outbound {
                            to: branch.to.clone(),
                            bytes,
                            sender: Some(sender),
                        }));
                    }
                    Step::TimedOut => after = After::Gone(408),
                    Step::Terminated => branch.done = true,
                    Step::SendAck | Step::SendResponse | Step::Deliver | Step::NoAck => {}
                }
            }
        }
        if let Some((client, bytes)) = &mut branch.cancel {
            for step in client.on_time(now) {
                match step {
                    Step::SendRequest => {
                        let outbound =
                            Outbound { to: branch.to.clone(), bytes: bytes.clone(), sender: None };
                        cx.out.push(Action::Send(outbound));
                    }
                    Step::SendAck
                    | Step::SendResponse
                    | Step::Deliver
                    | Step::NoAck
                    | Step::TimedOut
                    | Step::Terminated => {}
                }
            }
            if client.next_deadline() == Instant::NEVER {
                branch.cancel = None;
            }
        }
        if now >= branch.patience && branch.final_status == 0 {
            branch.patience = Instant::NEVER;
            if branch.may_fail_over && branch.provisional == 0 {
                after = After::Gone(SILENT);
            } else if !branch.cancelled && branch.provisional > 0 && !branch.cancel_wanted {
                self.send_cancel(slot, number, cx);
            } else {
                branch.done = true;
                after = After::Gone(408);
            }
        }
        if let After::Gone(status) = after {
            self.on_branch_gone(slot, number, status, cx);
        }
    }
}

/// A response without our Via and without what belongs inside the cluster.
fn passed_back(message: &Message) -> bytes::Bytes {
    let mut edits = Edits::new(message);
    edits.remove_values(HeaderId::Via, 1);
    for (id, _, _) in message.all_headers() {
        if id.is_internal() {
            edits.remove(id);
        }
    }
    edits.write()
}

/// A challenge with those of all branches, so that the caller can answer each.
fn with_challenges(message: &Message, challenges: &[(HeaderId, Vec<u8>)]) -> bytes::Bytes {
    let passed = passed_back(message);
    let Ok(message) = crate::sip::message::scan(passed.to_vec()) else { return passed };
    let mut edits = Edits::new(&message);
    edits.remove(HeaderId::WwwAuthenticate).remove(HeaderId::ProxyAuthenticate);
    for (id, value) in challenges {
        edits.add(*id, value);
    }
    edits.write()
}

fn with_own_via(message: &Message) -> Option<Message> {
    let mut edits = Edits::new(message);
    edits.prepend(HeaderId::Via, b"SIP/2.0/UDP cluster.invalid;branch=z9hG4bK0");
    crate::sip::message::scan(edits.write().to_vec()).ok()
}

/// Whether a final status is preferred to another (RFC 3261 16.7 step 6): 6xx,
/// then the lowest class, and inside 4xx what helps the caller to go on.
fn is_better(status: u16, than: u16) -> bool {
    let rank = |status: u16| match status {
        600..=699 => 0,
        401 | 407 | 415 | 420 | 484 => status / 100 * 10,
        503 => 59,
        408 => 49,
        _ => status / 100 * 10 + 5,
    };
    rank(status) < rank(than)
}
