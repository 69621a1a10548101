//! The calling end of a call: INVITE, ACK, BYE (RFC 3261 13.2, 15.1.1, 17.1).

use core::net::SocketAddr;
use core::time::Duration;

use super::super::plan::Side;
use super::attempt::{Attempt, Due};
use super::dialog::Dialog;
use super::out::End;
use super::read::Read;
use super::setup::{Credentials, NO_BODY, Setup, put, sequence};
use super::tally::{Cause, Failure};
use super::{Context, TRIES_MAX};
use crate::base::limits::TRANSACTION_TIMEOUT;
use crate::base::time::Instant;
use crate::sip::message::Method;

/// Added to the step of an INVITE: the branch of the ACK to its 2xx, which is a request of its own.
const ACK_STEP: u8 = 0x80;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// INVITE waits for its final answer.
    Inviting,
    /// Answered; ends at the time, if this side ends it.
    Up { until: Instant },
    /// BYE waits for its final answer.
    Ending,
    /// Counted; what comes again is answered until the time (timers D and J).
    Ended { until: Instant },
}

/// A call from this side.
#[derive(Debug)]
pub struct Caller {
    /// Indices of the called and the calling number.
    called: u64,
    calling: u64,
    target: SocketAddr,
    state: State,
    started: Instant,
    attempt: Attempt,
    invite_step: u8,
    cseq: u32,
    tries: u8,
    is_ringing: bool,
    credentials: Option<Box<Credentials>>,
    dialog: Option<Box<Dialog>>,
}

impl Caller {
    /// A call that [`Self::start`] begins; `index` counts the calls of a run.
    #[must_use]
    pub fn new(index: u64, target: SocketAddr, setup: &Setup, now: Instant) -> Self {
        Self {
            called: index,
            calling: index,
            target,
            state: State::Inviting,
            started: now,
            attempt: Attempt::new(0, true, setup.plan.transport.is_reliable(), now),
            invite_step: 0,
            cseq: 0,
            tries: 0,
            is_ringing: false,
            credentials: None,
            dialog: None,
        }
    }

    /// When to wake it.
    #[must_use]
    pub fn due(&self) -> Instant {
        match self.state {
            State::Inviting | State::Ending => self.attempt.due(),
            State::Up { until } | State::Ended { until } => until,
        }
    }

    /// Whether nothing more is expected.
    #[must_use]
    pub fn is_gone(&self, now: Instant) -> bool {
        matches!(self.state, State::Ended { until } if until <= now)
    }

    /// Whether it was answered and has not begun to end.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    fn begin(&mut self, is_invite: bool, cx: &Context<'_>) {
        (self.cseq, self.tries) = (self.cseq + 1, self.tries + 1);
        let step = self.attempt.step + 1;
        let is_reliable = cx.setup.plan.transport.is_reliable();
        self.attempt = Attempt::new(step, is_invite, is_reliable, cx.now);
    }

    /// Sends INVITE.
    pub fn start(&mut self, cx: &mut Context<'_>) {
        self.begin(true, cx);
        self.invite_step = self.attempt.step;
        self.send_invite(cx);
    }

    fn uri(&self, setup: &Setup, out: &mut Vec<u8>) {
        match &setup.plan.request_uri {
            Some(template) => template.write(setup.filling(self.called, self.target), out),
            None => {
                out.extend_from_slice(b"sip:");
                setup.plan.numbers.write(self.called, out);
                put(out, &[b"@", setup.domain.as_bytes()]);
            }
        }
    }

    fn caller_line(&self, cx: &Context<'_>, out: &mut Vec<u8>) {
        cx.setup.address(b"From: ", &cx.setup.plan.callers, self.calling, out);
        out.extend_from_slice(b";tag=");
        cx.id.write(cx.setup.run, out);
        out.extend_from_slice(b"\r\n");
    }

    /// Request line to From of an INVITE, or of the ACK that belongs to it.
    fn head(&self, method: Method, step: u8, cx: &Context<'_>, out: &mut Vec<u8>) {
        put(out, &[method.as_str().as_bytes(), b" "]);
        self.uri(cx.setup, out);
        out.extend_from_slice(b" SIP/2.0\r\n");
        cx.setup.via(End::Calling, cx.id, step, out);
        self.caller_line(cx, out);
    }

    fn send_invite(&self, cx: &mut Context<'_>) {
        cx.send(End::Calling, self.target, |cx, out| {
            let setup = cx.setup;
            self.head(Method::Invite, self.attempt.step, cx, out);
            setup.address(b"To: ", &setup.plan.numbers, self.called, out);
            out.extend_from_slice(b"\r\n");
            setup.call_id(cx.id, self.cseq, Method::Invite, out);
            setup.contact(End::Calling, &setup.plan.callers, self.calling, out);
            out.extend_from_slice(b"\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\n");
            out.extend_from_slice(&setup.headers);
            if let Some(credentials) = &self.credentials {
                credentials.write(out);
            }
            setup.body(out);
        });
    }

    /// ACK to a final answer that is no 2xx: part of the transaction (17.1.1.3).
    fn acknowledge_refusal(&self, read: &Read<'_>, step: u8, cx: &mut Context<'_>) {
        cx.send(End::Calling, self.target, |cx, out| {
            self.head(Method::Ack, step, cx, out);
            put(out, &[b"To: ", read.to, b"\r\nCall-ID: ", read.call_id, b"\r\n"]);
            sequence(read.cseq, Method::Ack, out);
            out.extend_from_slice(NO_BODY);
        });
    }

    /// ACK to a 2xx, with the credentials of the INVITE (22.1), or BYE.
    fn send_in_dialog(&self, method: Method, step: u8, cseq: u32, cx: &mut Context<'_>) {
        let Some(dialog) = &self.dialog else { return };
        cx.send(End::Calling, dialog.hop, |cx, out| {
            let credentials = self.credentials.as_deref();
            dialog.request(cx.setup, End::Calling, (cx.id, step), (method, cseq), credentials, out);
        });
    }

    /// A response with one of its branches.
    pub fn on_response(&mut self, read: &Read<'_>, step: u8, cx: &mut Context<'_>) {
        let is_current = step == self.attempt.step;
        match (read.method, self.state) {
            (Method::Invite, State::Inviting) if is_current => self.on_invite_response(read, cx),
            (Method::Invite, _) => self.on_repeated(read, step, cx),
            (Method::Bye, State::Ending) if is_current => self.on_bye_response(read, cx),
            _ => cx.tally.seen_again += 1,
        }
    }

    fn on_invite_response(&mut self, read: &Read<'_>, cx: &mut Context<'_>) {
        match read.status {
            100..200 => {
                self.attempt.on_provisional(cx.now);
                if read.status > 100 && !self.is_ringing {
                    self.is_ringing = true;
                    cx.tally.ringing.record(cx.now.since(self.started));
                }
            }
            200..300 => {
                cx.tally.answer.record(cx.now.since(self.started));
                let (mut from, mut target) = (Vec::with_capacity(96), Vec::with_capacity(64));
                self.caller_line(cx, &mut from);
                self.uri(cx.setup, &mut target);
                let mut dialog = Dialog::of_caller(read, &from, self.target, &target);
                if cx.setup.plan.outbound {
                    dialog.hop = self.target;
                }
                self.dialog = Some(Box::new(dialog));
                self.send_in_dialog(Method::Ack, self.invite_step | ACK_STEP, self.cseq, cx);
                self.state = State::Up { until: cx.now + hold(cx.setup) };
                if cx.setup.plan.standing.is_none() && self.due() <= cx.now {
                    self.hang_up(cx);
                }
            }
            status => {
                self.acknowledge_refusal(read, self.attempt.step, cx);
                let mut uri = Vec::new();
                self.uri(cx.setup, &mut uri);
                if self.take_credentials(read, (Method::Invite, &uri), cx) {
                    self.start(cx);
                } else {
                    self.finish(Err(Failure::new(Method::Invite, Cause::Status(status))), cx);
                }
            }
        }
    }

    /// Whether a challenge can be answered: the first one of a request, and a second one that says that the nonce was
    /// too old.
    fn take_credentials(
        &mut self,
        read: &Read<'_>,
        what: (Method, &[u8]),
        cx: &Context<'_>,
    ) -> bool {
        let number = (&cx.setup.plan.callers, self.calling);
        let found = cx.setup.credentials(read, number, self.target, what);
        let good = |found: &Credentials| self.tries <= 1 || (found.stale && self.tries < TRIES_MAX);
        match found.filter(good) {
            Some(found) => {
                self.credentials = Some(Box::new(found));
                true
            }
            None => false,
        }
    }

    /// Something that was answered before: the other side did not get the ACK.
    fn on_repeated(&mut self, read: &Read<'_>, step: u8, cx: &mut Context<'_>) {
        cx.tally.seen_again += 1;
        match read.status {
            200..300 if step == self.invite_step => {
                self.send_in_dialog(Method::Ack, step | ACK_STEP, read.cseq, cx);
            }
            300.. => self.acknowledge_refusal(read, step, cx),
            _ => {}
        }
    }

    fn on_bye_response(&mut self, read: &Read<'_>, cx: &mut Context<'_>) {
        match read.status {
            100..200 => self.attempt.on_provisional(cx.now),
            200..300 => {
                cx.tally.bye.record(cx.now.since(self.attempt.sent));
                self.finish(Ok(()), cx);
            }
            status => {
                let target = self.dialog.as_ref().map(|dialog| dialog.target().to_vec());
                let uri = target.unwrap_or_default();
                if self.take_credentials(read, (Method::Bye, &uri), cx) {
                    self.send_bye(cx);
                } else {
                    self.finish(Err(Failure::new(Method::Bye, Cause::Status(status))), cx);
                }
            }
        }
    }

    /// Ends the call, if it is up.
    pub fn hang_up(&mut self, cx: &mut Context<'_>) {
        if self.is_up() {
            self.tries = 0;
            self.credentials = None;
            self.send_bye(cx);
        }
    }

    fn send_bye(&mut self, cx: &mut Context<'_>) {
        self.begin(false, cx);
        self.state = State::Ending;
        self.send_in_dialog(Method::Bye, self.attempt.step, self.cseq, cx);
    }

    /// A BYE of the other side, which has been answered.
    pub fn on_bye(&mut self, cx: &mut Context<'_>) {
        match self.state {
            State::Up { .. } if cx.setup.plan.hang_up == Side::Callee => self.finish(Ok(()), cx),
            State::Up { .. } | State::Inviting => {
                self.finish(Err(Failure::new(Method::Bye, Cause::Early)), cx);
            }
            // Both hang up at once, and each BYE has its answer.
            State::Ending => {}
            State::Ended { .. } => cx.tally.seen_again += 1,
        }
    }

    /// A wake-up.
    pub fn on_time(&mut self, cx: &mut Context<'_>) {
        match self.state {
            State::Inviting | State::Ending => match self.attempt.on_time(cx.now) {
                Due::Nothing => {}
                Due::Repeat => {
                    cx.tally.repeated += 1;
                    if self.state == State::Inviting {
                        self.send_invite(cx);
                    } else {
                        self.send_in_dialog(Method::Bye, self.attempt.step, self.cseq, cx);
                    }
                }
                Due::Over => {
                    let is_bye = self.state == State::Ending;
                    let method = if is_bye { Method::Bye } else { Method::Invite };
                    self.finish(Err(Failure::new(method, Cause::Timeout)), cx);
                }
            },
            State::Up { until } if until <= cx.now => match cx.setup.plan.hang_up {
                Side::Caller => self.hang_up(cx),
                Side::Callee => self.finish(Err(Failure::new(Method::Bye, Cause::Missing)), cx),
            },
            State::Up { .. } | State::Ended { .. } => {}
        }
    }

    /// Counts the call. What may still come again wants an answer, except behind our own BYE and on a stream.
    fn finish(&mut self, result: Result<(), Failure>, cx: &mut Context<'_>) {
        let needs_memory = !cx.setup.plan.transport.is_reliable() && self.state != State::Ending;
        let linger = if needs_memory { TRANSACTION_TIMEOUT } else { Duration::ZERO };
        self.state = State::Ended { until: cx.now + linger };
        (self.dialog, self.credentials) = (None, None);
        cx.tally.units.end(result);
    }
}

/// How long an answered call is left alone: for ever while it stands, and long enough for the other side's BYE.
fn hold(setup: &Setup) -> Duration {
    match setup.plan.hang_up {
        _ if setup.plan.standing.is_some() => Duration::MAX,
        Side::Caller => setup.plan.hold,
        Side::Callee => setup.plan.hold + TRANSACTION_TIMEOUT,
    }
}
