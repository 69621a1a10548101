//! Requests that a phone answers (RFC 3261 17.2, 13.3, 12.2.2).

use super::call::{Call, NewCall};
use super::client::{routes_of, target_of};
use super::text::response;
use super::{CallState, Out, Phone, Timer};
use crate::base::flow::Protocol;
use crate::base::time::Duration;
use crate::sim::trace::{Hop, call_of, hop_of};
use crate::sip::message::{HeaderId, Message, Method, NameAddr};
use core::net::SocketAddr;

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// A phone that is neither answered nor cancelled stops ringing.
const RING_TIME_MAX: Duration = Duration::from_secs(240);

/// A server transaction.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) request: Message,
    from: SocketAddr,
    protocol: Protocol,
    pub(super) last: Option<Out>,
    status: u16,
    pub(super) call: Option<usize>,
    acknowledged: bool,
    interval: Duration,
    repeats: u32,
}

impl Phone {
    pub(super) fn on_request(&mut self, message: &Message, from: SocketAddr, protocol: Protocol) {
        let method = message.method();
        let branch = hop_of(message);
        if method == Method::Ack {
            self.on_ack(message, &branch);
            return;
        }
        let known = self
            .servers
            .values()
            .find(|server| server.request.method() == method && hop_of(&server.request) == branch);
        if let Some(server) = known {
            if let Some(last) = server.last.clone().filter(|_| server.repeats_on_request()) {
                self.send(last);
            }
            return;
        }
        let merged = self.is_merged(message);
        let serial = self.next_serial();
        let server = Server {
            request: message.clone(),
            from,
            protocol,
            last: None,
            status: 0,
            call: None,
            acknowledged: false,
            interval: T1,
            repeats: 0,
        };
        self.servers.insert(serial, server);
        if method == Method::Cancel {
            self.on_cancel(serial, &branch);
        } else if !message.to_tag().is_empty() {
            self.on_within(serial, message);
        } else if merged {
            self.answer(serial, 482, "", "");
        } else if method == Method::Invite {
            self.on_invite(serial, message);
        } else {
            let status = if method == Method::Options { 200 } else { 405 };
            self.answer(serial, status, "", "");
        }
    }

    /// The same request on a second way (RFC 3261 8.2.2.2).
    fn is_merged(&self, message: &Message) -> bool {
        message.to_tag().is_empty()
            && self.servers.values().any(|server| {
                server.request.method() == message.method()
                    && server.request.call_id() == message.call_id()
                    && server.request.from_tag() == message.from_tag()
                    && server.request.cseq() == message.cseq()
            })
    }

    fn on_ack(&mut self, message: &Message, branch: &Hop) {
        let call = self.call_of_dialog(message);
        let found = self.servers.values_mut().find(|server| {
            server.request.method() == Method::Invite
                && server.request.cseq() == message.cseq()
                && match server.status {
                    200..=299 => server.call.is_some() && server.call == call,
                    _ => hop_of(&server.request) == *branch,
                }
        });
        let Some(server) = found.filter(|server| !server.acknowledged) else { return };
        server.acknowledged = true;
        let status = server.status;
        let first = server.request.to_tag().is_empty() && server.status < 300;
        if let Some(found) = call.and_then(|call| self.calls.get_mut(call))
            && status < 300
        {
            found.offered_late = false;
        }
        if let Some(call) = call.filter(|_| first) {
            self.up(call);
        }
    }

    fn call_of_dialog(&self, message: &Message) -> Option<usize> {
        self.calls.iter().position(|call| {
            call.call_id.as_bytes() == message.call_id()
                && call.local_tag.as_bytes() == message.to_tag()
                && (call.remote_tag == message.from_tag()
                    || call.early.contains_key(message.from_tag()))
        })
    }

    /// Sends an answer; a final one to an INVITE is repeated until its ACK.
    pub(super) fn answer(&mut self, serial: u64, status: u16, extra: &str, body: &str) {
        let Some(server) = self.servers.get_mut(&serial) else { return };
        if server.status >= 200 {
            return;
        }
        let tag = server
            .call
            .and_then(|call| self.calls.get(call))
            .map_or_else(|| format!("s{serial}"), |call| call.local_tag.clone());
        let bytes = response(&server.request, status, &tag, extra, body);
        let out = Out { to: server.from, protocol: server.protocol, bytes };
        server.last = Some(out.clone());
        server.status = status;
        let invite = server.request.method() == Method::Invite;
        let repeats = invite && (status < 300 || !server.protocol.is_reliable());
        self.send(out);
        if status >= 200 {
            self.arm(T1 * 65, Timer::Forget(serial));
            if repeats {
                self.arm(T1, Timer::RepeatAnswer(serial));
            }
        }
    }

    pub(super) fn repeat_answer(&mut self, serial: u64) {
        let Some(server) = self.servers.get_mut(&serial) else { return };
        if server.acknowledged {
            return;
        }
        server.repeats += 1;
        server.interval = (server.interval * 2).min(T2);
        let (interval, call, status) = (server.interval, server.call, server.status);
        // 0.5 + 1 + 2 + 4 · 7 seconds, and then 0.5 more, are 64·T1.
        let interval = if server.repeats == 10 { T1 } else { interval };
        if server.repeats > 10 {
            server.acknowledged = true;
            if let (Some(call), 200..=299) = (call, status) {
                self.bye(call);
            }
            return;
        }
        // A dialog that has ended wants no more of its 2xx.
        let over = call
            .and_then(|call| self.calls.get(call))
            .is_some_and(|call| matches!(call.state, CallState::Over | CallState::Ending));
        if let Some(last) = server.last.clone().filter(|_| status >= 300 || !over) {
            self.send(last);
            self.arm(interval, Timer::RepeatAnswer(serial));
        }
    }

    /// A CANCEL ends the INVITE of the same branch (RFC 3261 9.2).
    fn on_cancel(&mut self, serial: u64, branch: &Hop) {
        let invite = self
            .servers
            .iter()
            .find(|(_, server)| {
                server.request.method() == Method::Invite && hop_of(&server.request) == *branch
            })
            .map(|(&invite, server)| (invite, server.status, server.call));
        let Some((invite, status, call)) = invite else {
            self.answer(serial, 481, "", "");
            return;
        };
        self.answer(serial, 200, "", "");
        if status < 200 {
            self.answer(invite, 487, "", "");
            if let Some(call) = call {
                self.over(call);
            }
        }
    }

    fn on_invite(&mut self, serial: u64, message: &Message) {
        let id = call_of(message).unwrap_or_default();
        let plan = self.plans.iter().find(|plan| plan.id == id).cloned();
        let text = |id: HeaderId| {
            String::from_utf8_lossy(message.header(id).unwrap_or_default()).into_owned()
        };
        let ring_after = plan.as_ref().map_or(Duration::ZERO, |plan| plan.ring_after);
        let mut call = Call::new(NewCall {
            plan,
            id,
            is_caller: false,
            call_id: text(HeaderId::CallId),
            local_tag: format!("c{:012x}", self.random.next_u64() >> 16),
            remote_tag: message.from_tag().to_vec(),
            local: text(HeaderId::To),
            remote: untagged(&text(HeaderId::From)),
            target: target_of(message).unwrap_or_default(),
            routes: routes_of(message),
        });
        call.remote_cseq = message.cseq();
        call.invite_cseq = message.cseq();
        call.invited = Some(serial);
        call.peer.learn(message);
        let unknown = unknown_options(&call, message);
        let index = self.calls.len();
        self.calls.push(call);
        if let Some(server) = self.servers.get_mut(&serial) {
            server.call = Some(index);
        }
        if !unknown.is_empty() {
            self.answer(serial, 420, &format!("Unsupported: {unknown}\r\n"), "");
            self.over(index);
            return;
        }
        if self.refuses_session(serial, index, message) {
            self.over(index);
            return;
        }
        if ring_after > Duration::from_millis(200) {
            self.answer(serial, 100, "", "");
        }
        self.arm(ring_after, Timer::Ring(index));
        self.arm(RING_TIME_MAX, Timer::HangUp(index));
    }

    fn on_within(&mut self, serial: u64, message: &Message) {
        let Some(call) = self.call_of_dialog(message) else {
            self.answer(serial, 481, "", "");
            return;
        };
        if let Some(server) = self.servers.get_mut(&serial) {
            server.call = Some(call);
        }
        let Some(found) = self.calls.get_mut(call) else { return };
        if message.cseq() <= found.remote_cseq {
            self.answer(serial, 500, "", "");
            return;
        }
        found.remote_cseq = message.cseq();
        let state = found.state;
        if message.method() == Method::Bye {
            let status = if state == CallState::Over { 481 } else { 200 };
            let waiting = found.invited.take();
            self.answer(serial, status, "", "");
            if let Some(invite) = waiting {
                self.answer(invite, 487, "", "");
            }
            self.missed(call);
            self.over(call);
        } else if message.method() == Method::Prack {
            self.on_prack(serial, call, message);
        } else if message.method() == Method::Update
            && matches!(state, CallState::Early | CallState::Up)
        {
            self.on_update(serial, call, message);
        } else if state != CallState::Up {
            self.answer(serial, 481, "", "");
        } else if message.method() == Method::Invite {
            self.on_reinvite(serial, call, message);
        } else {
            self.answer(serial, 200, "", "");
        }
    }
}

impl Server {
    /// Whether the request carried a description.
    pub(super) fn offered(&self) -> bool {
        !self.request.body().is_empty()
    }

    /// A repeated INVITE gets its last answer again, except a 2xx, which the
    /// user agent repeats by itself (RFC 6026 7.1).
    fn repeats_on_request(&self) -> bool {
        self.request.method() != Method::Invite || !(200..300).contains(&self.status)
    }
}

/// A From or To without its tag, its display name kept.
fn untagged(value: &str) -> String {
    match NameAddr::parse(value.as_bytes()) {
        Ok(parsed) => {
            let display = String::from_utf8_lossy(parsed.display);
            let space = if display.is_empty() { "" } else { " " };
            format!("{display}{space}<{}>", String::from_utf8_lossy(parsed.uri))
        }
        Err(_) => value.to_owned(),
    }
}

/// Option tags that a caller requires and the phone has not.
fn unknown_options(call: &Call, message: &Message) -> String {
    let known = |tag: &[u8]| {
        (tag == b"100rel" && call.can.reliable) || (tag == b"timer" && call.can.timer.is_some())
    };
    let tags = message.values(HeaderId::Require).filter(|tag| !known(tag));
    let tags: Vec<String> = tags.map(|tag| String::from_utf8_lossy(tag).into_owned()).collect();
    tags.join(", ")
}
