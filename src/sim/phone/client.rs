//! Requests of a phone and what their answers mean (RFC 3261 17.1, 13.2.2).

use super::call::Call;
use super::registration::Binding;
use super::text::Request;
use super::{CallState, Out, Outcome, Phone, Timer};
use crate::base::time::Duration;
use crate::sim::behaviour::Behaviour;
use crate::sip::auth::{self, choose_challenge, respond};
use crate::sip::message::{HeaderId, Message, NameAddr};

/// RFC 3261 17.1.1.1, written down here again on purpose.
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// Challenges that a phone answers in one attempt.
pub(super) const AUTHORIZATIONS_MAX: u32 = 4;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Register {
        binding: Binding,
        authorizations: u32,
    },
    Invite(usize),
    /// A re-INVITE.
    Update(usize),
    /// An UPDATE.
    Change(usize),
    Prack(usize),
    Info(usize),
    Bye(usize),
    Cancel,
    /// Ends a dialog that another branch made.
    Loser,
}

impl Purpose {
    /// The call that it belongs to.
    pub(super) const fn call(self) -> Option<usize> {
        match self {
            Self::Invite(call)
            | Self::Update(call)
            | Self::Change(call)
            | Self::Prack(call)
            | Self::Info(call)
            | Self::Bye(call) => Some(call),
            Self::Register { .. } | Self::Cancel | Self::Loser => None,
        }
    }
}

/// A client transaction.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) branch: String,
    pub(super) method: &'static str,
    pub(super) cseq: u32,
    pub(super) sent: Out,
    pub(super) purpose: Purpose,
    /// It carried a description.
    pub(super) offered: bool,
    interval: Duration,
    heard: bool,
    waited: bool,
    /// The final answer has come.
    done: bool,
    /// The ACK of a refusal, to be sent again.
    ack: Option<Out>,
}

impl Client {
    /// Whether it is for this and has no final answer.
    pub(super) fn is_open(&self, purpose: Purpose) -> bool {
        self.purpose == purpose && !self.done
    }
}

impl Phone {
    /// Sends a request and looks after it.
    pub(super) fn start(
        &mut self,
        method: &'static str,
        cseq: u32,
        branch: String,
        sent: Out,
        purpose: Purpose,
    ) -> u64 {
        let serial = self.next_serial();
        self.send(sent.clone());
        if !sent.protocol.is_reliable() {
            self.arm(T1, Timer::Repeat(serial));
        }
        self.arm(T1 * 64, Timer::GiveUp(serial));
        let offered = memchr::memmem::find(&sent.bytes, b"application/sdp").is_some();
        let client = Client {
            offered,
            branch,
            method,
            cseq,
            sent,
            purpose,
            interval: T1,
            heard: false,
            waited: false,
            done: false,
            ack: None,
        };
        self.clients.insert(serial, client);
        serial
    }

    pub(super) fn repeat(&mut self, serial: u64) {
        let Some(client) = self.clients.get_mut(&serial) else { return };
        let invite = client.method == "INVITE";
        if client.done || (invite && client.heard) {
            return;
        }
        client.interval = if invite {
            client.interval * 2
        } else if client.heard {
            T2
        } else {
            (client.interval * 2).min(T2)
        };
        let (sent, interval) = (client.sent.clone(), client.interval);
        self.send(sent);
        self.arm(interval, Timer::Repeat(serial));
    }

    /// Timer B or F: nobody answers.
    pub(super) fn give_up(&mut self, serial: u64) {
        let Some(client) = self.clients.get(&serial) else { return };
        if client.done {
            return;
        }
        if client.method == "INVITE" && client.heard && !client.waited {
            self.wait_longer(serial);
            return;
        }
        let purpose = client.purpose;
        self.clients.remove(&serial);
        self.fail(serial, purpose, 408, true);
    }

    /// A provisional response puts Timer B off; a caller has its own patience, a
    /// change of a call that is up waits as long as a proxy does (Timer C).
    fn wait_longer(&mut self, serial: u64) {
        let Some(client) = self.clients.get_mut(&serial) else { return };
        client.waited = true;
        if matches!(client.purpose, Purpose::Update(_)) {
            self.arm(Duration::from_secs(200), Timer::GiveUp(serial));
        }
    }

    /// A request has failed, with an answer or without one.
    fn fail(&mut self, serial: u64, purpose: Purpose, status: u16, gave_up: bool) {
        match purpose {
            Purpose::Register { binding, .. } if binding.second => {}
            Purpose::Register { .. } => self.register_failed(gave_up),
            Purpose::Invite(call) => {
                if gave_up {
                    self.proxy += 1;
                }
                self.end_early(call, serial, status, gave_up);
            }
            Purpose::Update(call) | Purpose::Change(call) => {
                if let Some(found) = self.calls.get_mut(call) {
                    found.inviting.take_if(|known| *known == serial);
                    found.updating.take_if(|known| *known == serial);
                }
                match status {
                    408 | 481 => self.bye(call),
                    491 | 500..=599 => self.change_later(call),
                    _ => {}
                }
            }
            Purpose::Bye(call) => self.over(call),
            Purpose::Info(call) | Purpose::Prack(call) => {
                if matches!(status, 408 | 481) {
                    self.bye(call);
                }
            }
            Purpose::Cancel | Purpose::Loser => {}
        }
    }

    fn end_early(&mut self, call: usize, serial: u64, status: u16, gave_up: bool) {
        let at = self.now;
        let Some(found) = self.calls.get_mut(call) else { return };
        if found.inviting != Some(serial) || found.state != CallState::Early {
            return;
        }
        found.inviting = None;
        let id = found.id;
        self.outcomes.entry(id).or_insert(Outcome { status, at, gave_up });
        self.over(call);
    }

    pub(super) fn over(&mut self, call: usize) {
        if let Some(found) = self.calls.get_mut(call) {
            found.state = CallState::Over;
        }
    }

    pub(super) fn on_response(&mut self, message: &Message) {
        let branch = super::super::trace::branch_of(message);
        let found = self.clients.iter().find(|(_, client)| {
            client.branch.as_bytes() == branch
                && message.cseq_method().as_str() == client.method
                && message.cseq() == client.cseq
        });
        let Some((&serial, client)) = found else { return };
        let (status, done, purpose) = (message.status(), client.done, client.purpose);
        let offered = client.offered;
        if status < 200 {
            self.on_provisional(serial);
            if let (Purpose::Invite(call), 101..) = (purpose, status) {
                self.on_progress(call, serial, message);
            }
            return;
        }
        if client.method == "INVITE" {
            self.on_invite_final(serial, message);
            return;
        }
        if done {
            return;
        }
        self.finish(serial);
        if status >= 300 && !matches!(purpose, Purpose::Register { .. }) {
            self.fail(serial, purpose, status, false);
            return;
        }
        match purpose {
            Purpose::Register { binding, authorizations } => {
                self.on_registered(message, binding, authorizations)
            }
            Purpose::Bye(call) => self.over(call),
            Purpose::Change(call) => self.on_changed(call, offered, message),
            Purpose::Prack(call) => self.on_pracked(call),
            Purpose::Invite(_)
            | Purpose::Update(_)
            | Purpose::Info(_)
            | Purpose::Cancel
            | Purpose::Loser => {}
        }
    }

    fn on_provisional(&mut self, serial: u64) {
        let Some(client) = self.clients.get_mut(&serial) else { return };
        let first = !client.heard;
        client.heard = true;
        if let (Purpose::Invite(call), true) = (client.purpose, first)
            && self.calls.get(call).is_some_and(|found| found.cancelled)
        {
            self.send_cancel(serial);
        }
    }

    /// The transaction stays for a while to absorb repetitions (Timers D, K, M).
    fn finish(&mut self, serial: u64) {
        if let Some(client) = self.clients.get_mut(&serial) {
            client.done = true;
            client.heard = true;
        }
        self.arm(T1 * 64, Timer::Forget(serial));
    }

    fn on_invite_final(&mut self, serial: u64, message: &Message) {
        let Some(client) = self.clients.get(&serial) else { return };
        let (done, status) = (client.done, message.status());
        let (Purpose::Invite(call) | Purpose::Update(call)) = client.purpose else { return };
        if !done {
            self.finish(serial);
        }
        if status < 300 {
            self.on_accepted(call, serial, message, done);
            return;
        }
        self.ack_refusal(serial, message);
        if done {
            return;
        }
        let purpose = self.clients.get(&serial).map(|client| client.purpose);
        if matches!(status, 401 | 407) && self.authorize(call, serial, message) {
            return;
        }
        if status == 422 && self.ask_for_more(call, serial, message) {
            return;
        }
        if let Some(purpose) = purpose {
            self.fail(serial, purpose, status, false);
        }
    }

    /// The ACK of a refusal stays in the INVITE's transaction (RFC 3261 17.1.1.3).
    fn ack_refusal(&mut self, serial: u64, message: &Message) {
        let Some(client) = self.clients.get(&serial) else { return };
        let (Purpose::Invite(call) | Purpose::Update(call)) = client.purpose else { return };
        let Some(found) = self.calls.get(call) else { return };
        let out = client.ack.clone().unwrap_or_else(|| {
            let mut copy = found.clone();
            copy.remote_tag = message.to_tag().to_vec();
            if matches!(client.purpose, Purpose::Invite(_)) {
                copy.routes = Vec::new();
            }
            let request = Request {
                method: "ACK",
                cseq: client.cseq,
                branch: &client.branch,
                extra: String::new(),
                body: "",
                body_type: "",
            };
            let out = self.call_request(&copy, &request);
            Out { to: client.sent.to, protocol: client.sent.protocol, ..out }
        });
        if let Some(client) = self.clients.get_mut(&serial) {
            client.ack = Some(out.clone());
        }
        self.send(out);
    }

    /// Answers a challenge with a new INVITE of the same call.
    fn authorize(&mut self, call: usize, serial: u64, message: &Message) -> bool {
        let Some(found) = self.calls.get_mut(call) else { return false };
        found.authorizations += 1;
        let wrong =
            found.plan.as_ref().is_some_and(|plan| plan.behaviour == Behaviour::WrongPassword);
        if found.inviting != Some(serial)
            || found.cancelled
            || found.authorizations > AUTHORIZATIONS_MAX
            || (wrong && found.authorizations > 1)
        {
            return false;
        }
        let target = found.target.clone();
        let Some(value) = self.credentials(message, "INVITE", &target, wrong) else { return false };
        self.invite(call, &format!("Authorization: {value}\r\n"));
        true
    }

    pub(super) fn credentials(
        &mut self,
        message: &Message,
        method: &str,
        uri: &str,
        wrong: bool,
    ) -> Option<String> {
        let challenge = choose_challenge(message.header_lines(HeaderId::WwwAuthenticate))?;
        let password = self.account.password.as_deref()?;
        let password = if wrong { "guess" } else { password };
        let account = auth::Account { username: &self.account.number, password };
        let request = auth::Request { method, uri: uri.as_bytes(), body: b"" };
        let cnonce = format!("{:08x}", self.random.next_u64() >> 32);
        Some(respond(&challenge, &account, &request, 1, &cnonce))
    }

    /// A 2xx: the dialog stands, and each repetition is acknowledged again
    /// (RFC 3261 13.2.2.4).
    fn on_accepted(&mut self, call: usize, serial: u64, message: &Message, again: bool) {
        let tag = message.to_tag().to_vec();
        let key = (message.cseq(), tag.clone());
        let Some(found) = self.calls.get(call) else { return };
        if let Some(ack) = found.acks.get(&key) {
            self.send(ack.clone());
            return;
        }
        let ours = found.inviting == Some(serial) && !again;
        if !ours {
            self.end_loser(call, message);
            return;
        }
        let first = found.state == CallState::Early;
        let offered = self.clients.get(&serial).is_some_and(|client| client.offered);
        let described = !message.body().is_empty();
        let agreed = first && found.agreed;
        let answers_late = described && !offered && !agreed;
        let mut found = found.clone();
        found.peer.learn(message);
        found.inviting = None;
        if first {
            found.remote_tag = tag;
            found.routes = routes_of(message);
            found.routes.reverse();
        }
        if let Some(target) = target_of(message) {
            found.target = target;
        }
        let (id, cancelled) = (found.id, found.cancelled);
        if let Some(place) = self.calls.get_mut(call) {
            *place = found;
        }
        if !described && !agreed {
            self.accuse("offer-answer", call, "a 2xx without a description");
        }
        self.on_session(call, message);
        let body = if answers_late { self.describe(call) } else { String::new() };
        self.ack_success(call, key, &body);
        if first {
            let at = self.now;
            self.outcomes.entry(id).or_insert(Outcome { status: 200, at, gave_up: false });
            self.up(call);
            if cancelled {
                self.bye(call);
            }
        }
    }

    fn ack_success(&mut self, call: usize, key: (u32, Vec<u8>), body: &str) {
        let branch = self.new_branch();
        let Some(found) = self.calls.get(call) else { return };
        let request = Request {
            method: "ACK",
            cseq: key.0,
            branch: &branch,
            extra: String::new(),
            body,
            body_type: "application/sdp",
        };
        let out = self.call_request(found, &request);
        if let Some(found) = self.calls.get_mut(call) {
            found.acks.insert(key, out.clone());
        }
        self.send(out);
    }

    /// A second dialog of one INVITE is acknowledged and ended at once.
    fn end_loser(&mut self, call: usize, message: &Message) {
        let Some(found) = self.calls.get(call) else { return };
        let key = (message.cseq(), message.to_tag().to_vec());
        let mut other = found.clone();
        other.remote_tag.clone_from(&key.1);
        other.routes = routes_of(message);
        other.routes.reverse();
        if let Some(target) = target_of(message) {
            other.target = target;
        }
        let (ack_branch, bye_branch) = (self.new_branch(), self.new_branch());
        let mut request = Request {
            method: "ACK",
            cseq: key.0,
            branch: &ack_branch,
            extra: String::new(),
            body: "",
            body_type: "",
        };
        let ack = self.call_request(&other, &request);
        request.method = "BYE";
        request.branch = &bye_branch;
        request.cseq = key.0 + 1;
        let cseq = request.cseq;
        let bye = self.call_request(&other, &request);
        if let Some(found) = self.calls.get_mut(call) {
            found.acks.insert(key, ack.clone());
        }
        self.send(ack);
        self.start("BYE", cseq, bye_branch, bye, Purpose::Loser);
    }

    /// Sends the INVITE of a call, with credentials after a challenge.
    pub(super) fn invite(&mut self, call: usize, authorization: &str) {
        let branch = self.new_branch();
        let late =
            self.calls.get(call).and_then(|call| call.plan.as_ref()).is_some_and(|p| p.late_offer);
        let body = if late { String::new() } else { self.describe(call) };
        let require = match self.calls.get(call).is_some_and(|found| found.can.requires) {
            true => "Require: 100rel\r\n",
            false => "",
        };
        let extra = format!("{}{require}{authorization}", self.request_lines(call));
        let Some(found) = self.calls.get_mut(call) else { return };
        found.early.clear();
        found.local_cseq += 1;
        let cseq = found.local_cseq;
        let found = found.clone();
        let request = Request {
            method: "INVITE",
            cseq,
            branch: &branch,
            extra,
            body: &body,
            body_type: "application/sdp",
        };
        let out = self.call_request(&found, &request);
        let serial = self.start("INVITE", cseq, branch, out, Purpose::Invite(call));
        if let Some(found) = self.calls.get_mut(call) {
            found.inviting = Some(serial);
        }
    }

    /// Sends a request inside a call that is up.
    pub(super) fn within(
        &mut self,
        call: usize,
        head: (&'static str, &str),
        body: (&str, &str),
        purpose: Purpose,
    ) -> Option<u64> {
        self.within_early(call, None, head, body, purpose)
    }

    /// Sends a request inside an early dialog, or inside the call.
    pub(super) fn within_early(
        &mut self,
        call: usize,
        tag: Option<&[u8]>,
        (method, extra): (&'static str, &str),
        (body_type, body): (&str, &str),
        purpose: Purpose,
    ) -> Option<u64> {
        let branch = self.new_branch();
        let found = self.calls.get_mut(call)?;
        found.local_cseq += 1;
        let cseq = found.local_cseq;
        let found = found.within(tag);
        let extra = extra.to_owned();
        let request = Request { method, cseq, branch: &branch, extra, body, body_type };
        let out = self.call_request(&found, &request);
        Some(self.start(method, cseq, branch, out, purpose))
    }

    /// The CANCEL of an INVITE that has been heard of (RFC 3261 9.1).
    pub(super) fn send_cancel(&mut self, serial: u64) {
        let Some(client) = self.clients.get(&serial).cloned() else { return };
        if !client.heard || client.done {
            return;
        }
        let Purpose::Invite(call) = client.purpose else { return };
        let Some(found) = self.calls.get(call) else { return };
        let request = Request {
            method: "CANCEL",
            cseq: client.cseq,
            branch: &client.branch,
            extra: String::new(),
            body: "",
            body_type: "",
        };
        let mut copy: Call = found.clone();
        copy.remote_tag = Vec::new();
        let out = self.call_request(&copy, &request);
        let out = Out { to: client.sent.to, protocol: client.sent.protocol, ..out };
        self.start("CANCEL", client.cseq, client.branch, out, Purpose::Cancel);
        self.arm(T1 * 64, Timer::Patience(call));
    }
}

pub(super) fn routes_of(message: &Message) -> Vec<String> {
    message
        .values(HeaderId::RecordRoute)
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .collect()
}

pub(super) fn target_of(message: &Message) -> Option<String> {
    let value = message.values(HeaderId::Contact).next()?;
    Some(String::from_utf8_lossy(NameAddr::parse(value).ok()?.uri).into_owned())
}
