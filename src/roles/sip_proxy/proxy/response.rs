//! Responses, silence and failure (RFC 3261 16.7 to 16.9).

use super::core::{Action, Core, Counted, Cx};
use super::flows::is_by_flow;
use super::forward::{add_length, sent_request, slot_and_branch};
use super::loops::token_of;
use super::request::retry_after;
use super::transaction::{Branch, Tag};
use crate::base::flow::{Destination, Outbound, Sender};
use crate::base::id::{NodeId, Slot};
use crate::base::limits::{LAST_NODE_SILENCE, MOVED_PER_STEP_MAX, TRANSACTION_TIMEOUT};
use crate::base::seal::Kind;
use crate::base::time::{Duration, Instant};
use crate::sip::message::text::decimal;
use crate::sip::message::{Edits, HeaderId, Message, Method, hop_request};
use crate::sip::packet::Packet;
use crate::sip::transaction::{Action as Step, Actions, Client};

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
            let to = Destination::Address { protocol: packet.flow.protocol, remote };
            cx.out.push(Action::Send(Outbound {
                to,
                bytes: message.bytes().clone(),
                sender: None,
            }));
            return;
        }
        let word =
            token_of(message.branch()).and_then(|token| self.sealer.open(Kind::Branch, token));
        let (Some(word), None) = (word, message.fault()) else {
            cx.count(Counted::StrayResponse);
            return;
        };
        let (slot, number) = slot_and_branch(word);
        self.touched = Some(slot);
        let now = cx.now;
        if self.transactions.answered(slot).is_some() {
            self.on_repeated_answer(slot, number, message, cx);
            return;
        }
        let found = self.transactions.get_mut(slot).and_then(|found| {
            let is_cancel = found.method != Method::Cancel;
            let is_cancel = is_cancel && message.cseq_method() == Method::Cancel;
            found.branches.get_mut(number).map(|branch| (branch, is_cancel))
        });
        let Some((branch, is_our_cancel)) = found else {
            cx.count(Counted::StrayResponse);
            return;
        };
        if is_our_cancel {
            if let Some((client, _)) = &mut branch.cancel {
                client.on_response(message.status(), now);
            }
            self.settle(slot, cx);
            return;
        }
        if branch.is_farewell {
            branch.client.on_response(message.status(), now);
            self.settle(slot, cx);
            return;
        }
        // Only answers to requests of our own have no Via behind ours (RFC 3261 16.7 step 3).
        if message.values(HeaderId::Via).nth(1).is_none() {
            cx.count(Counted::StrayResponse);
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
            self.on_delivered(slot, number, packet, cx);
        }
        self.settle(slot, cx);
    }

    /// A response to a request that is answered: each 2xx to an INVITE goes back, by
    /// whichever phone it is and however often it comes (RFC 3261 16.7 step 10).
    fn on_repeated_answer(
        &mut self,
        slot: Slot,
        number: usize,
        message: &Message,
        cx: &mut Cx<'_>,
    ) {
        let Some(answered) = self.transactions.answered(slot) else { return };
        let is_for_branch = number == 0 && message.cseq_method() == Method::Invite;
        if let Some(client) = answered.branch.as_mut().filter(|_| is_for_branch)
            && message.values(HeaderId::Via).nth(1).is_some()
            && client
                .on_response(message.status(), cx.now)
                .into_iter()
                .any(|step| step == Step::Deliver)
            && answered.server.on_answer(message.status(), cx.now) != Actions::none()
        {
            let to = Destination::Flow(answered.flow);
            let bytes = passed_back(message);
            cx.out.push(Action::Send(Outbound { to, bytes, sender: None }));
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
    fn on_delivered(&mut self, slot: Slot, number: usize, packet: &Packet, cx: &mut Cx<'_>) {
        let message = &packet.message;
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
        let (abandoned, asked) = (branch.abandoned, branch.node);
        let fails_over = branch.may_fail_over && branch.provisional <= 100;
        if let (503, Some(node), Some(span)) = (status, asked, retry_after_of(message)) {
            self.nodes.rest(node, span, cx.now);
        }
        match status {
            200..=299 => self.on_success(slot, number, message, cx),
            _ if abandoned => {}
            503 if fails_over && !transaction.cancelled => {
                transaction.best.get_or_insert_with(|| (status, message.clone()));
                cx.count(Counted::NodeFailover);
                self.try_node(slot, cx);
            }
            _ => match asked.zip(self.told_node(asked, message, &packet.flow, cx)) {
                Some((asked, node)) => self.follow(slot, asked, node, cx),
                // A phone speaks for itself: its 503 is no word about this proxy, which
                // a node would leave for another one (RFC 3261 16.7 step 6).
                None if status == 503 && asked.is_none() => {
                    self.on_refused(slot, &without_retry_after(message), cx)
                }
                None => self.on_refused(slot, message, cx),
            },
        }
    }

    /// A branch was refused: its answer may be the best, and a 6xx ends the search.
    fn on_refused(&mut self, slot: Slot, message: &Message, cx: &mut Cx<'_>) {
        let status = message.status();
        let Some(transaction) = self.transactions.get_mut(slot) else { return };
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

    fn on_success(&mut self, slot: Slot, number: usize, message: &Message, cx: &mut Cx<'_>) {
        let Some(transaction) = self.transactions.get_mut(slot) else { return };
        transaction.waiting.clear();
        if transaction.registration.is_some() && transaction.server.is_open() {
            self.on_registered(slot, number, message, cx);
            return;
        }
        // The caller has heard another answer, or another branch has won already.
        let refused = transaction.answered >= 300;
        let won_before = transaction.branches.iter().enumerate().any(|(index, branch)| {
            index != number && !branch.abandoned && (200..300).contains(&branch.final_status)
        });
        // Phones may all answer; of the nodes that were tried one takes the request.
        let is_node = transaction.branches.get(number).is_some_and(|branch| branch.node.is_some());
        if refused || is_node && won_before {
            if let Some(branch) = transaction.branches.get_mut(number) {
                branch.abandoned = true;
            }
            self.refuse_late_success(slot, number, message, cx);
            return;
        }
        let status = message.status();
        if let Some(branch) = transaction.branches.get_mut(number) {
            branch.abandoned = false;
        }
        if let Some(transaction) = self.transactions.get_mut(slot)
            && transaction.method == Method::Invite
        {
            transaction.accepted_tag = Tag::from_slice(message.to_tag());
        }
        self.respond(slot, status, passed_back(message), cx);
        self.cancel_branches(slot, false, cx);
    }

    /// One branch has its final answer: the next list is tried, or, when no
    /// branch is pending, the best answer goes back.
    pub(super) fn on_branch_final(&mut self, slot: Slot, cx: &mut Cx<'_>) {
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
                    self.start_branch(slot, *target, true, cx);
                }
                Some(_) | None => {
                    let status = self.status_unsent(slot, number);
                    self.on_branch_gone(slot, number, status, cx);
                }
            }
        }
        self.settle(slot, cx);
    }

    /// What it means that a request could not be sent: a phone whose only connection is lost is
    /// not there (RFC 5626 5.3).
    fn status_unsent(&self, slot: Slot, number: usize) -> u16 {
        let Some(found) = self.transactions.get(slot) else { return 503 };
        match found.branches.get(number).map(|branch| &branch.to) {
            Some(Destination::Flow(flow)) if is_by_flow(flow.protocol) => {
                if found.request.to_tag().is_empty() { 480 } else { 430 }
            }
            Some(_) | None => 503,
        }
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
        let may_go_on = branch.may_fail_over && branch.provisional <= 100 && !cancelled;
        let Some(transaction) = self.transactions.get(slot) else { return };
        let goes_on = may_go_on && self.next_node(transaction, cx.now).is_some();
        let Some(branch) =
            self.transactions.get_mut(slot).and_then(|found| found.branches.get_mut(number))
        else {
            return;
        };
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
            self.try_node(slot, cx);
            return;
        }
        let status = if cancelled { 487 } else { status };
        branch.final_status = status;
        branch.done = true;
        self.keep_made(slot, status, cx);
        self.on_branch_final(slot, cx);
    }

    /// Makes an answer in place of one that does not come; it takes the way of a
    /// real one, which starts with a Via of ours.
    pub(super) fn keep_made(&mut self, slot: Slot, status: u16, cx: &mut Cx<'_>) {
        let retry = retry_after(cx);
        let made = self.transactions.get(slot).map(|transaction| {
            let tag = self.stateless_tag(&transaction.request);
            let (request, flow) = (&transaction.request, &transaction.flow);
            let mut writer = super::request::start_response(request, flow, status, b"", &tag);
            if status == 503 {
                writer.header(HeaderId::RetryAfter, retry);
            }
            writer.body(None)
        });
        if let (Some(transaction), Some(Ok(message))) =
            (self.transactions.get_mut(slot), made.map(crate::sip::message::scan))
            && transaction.best.as_ref().is_none_or(|(best, _)| is_better(status, *best))
            && let Some(message) = with_own_via(&message)
        {
            transaction.best = Some((status, message));
        }
    }

    pub(super) fn on_wake(&mut self, slot: Slot, cx: &mut Cx<'_>) {
        self.touched = Some(slot);
        let now = cx.now;
        self.transactions.woken(slot, now);
        if let Some(answered) = self.transactions.answered(slot) {
            answered.on_time(now);
            self.settle(slot, cx);
            return;
        }
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
                        let to = Destination::Flow(transaction.flow);
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
                let is_lost = branch.is_held_elsewhere && branch.provisional == 0;
                after = After::Gone(if is_lost { 480 } else { 408 });
            }
        }
        if let After::Gone(status) = after {
            self.on_branch_gone(slot, number, status, cx);
        }
    }
}

/// A response without our Via and without what belongs inside the cluster.
fn passed_back(message: &Message) -> bytes::Bytes {
    way_back(message).write()
}

/// What every response loses on its way back.
pub(super) fn way_back(message: &Message) -> Edits<'_> {
    let mut edits = Edits::new(message);
    edits.remove_values(HeaderId::Via, 1).remove_all(HeaderId::is_internal);
    add_length(&mut edits, message);
    edits
}

/// A challenge with those of all branches, so that the caller can answer each.
fn with_challenges(message: &Message, challenges: &[(HeaderId, Vec<u8>)]) -> bytes::Bytes {
    let passed = passed_back(message);
    let Ok(message) = crate::sip::message::scan(passed.clone()) else { return passed };
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
    crate::sip::message::scan(edits.write()).ok()
}

fn without_retry_after(message: &Message) -> Message {
    let mut edits = Edits::new(message);
    edits.remove(HeaderId::RetryAfter);
    crate::sip::message::scan(edits.write()).unwrap_or_else(|_| message.clone())
}

/// The time of a Retry-After; what stands behind the number is not looked at.
fn retry_after_of(message: &Message) -> Option<Duration> {
    let value = message.header(HeaderId::RetryAfter)?.trim_ascii_start();
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    decimal(&value[..digits]).map(Duration::from_secs)
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
