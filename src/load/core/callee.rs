//! The called end of a call: 180, 200, BYE (RFC 3261 13.3, 15.1, 17.2.1).

use core::net::SocketAddr;

use super::super::plan::Side;
use super::Context;
use super::attempt::{Attempt, Due};
use super::dialog::Dialog;
use super::out::End;
use super::read::Read;
use super::setup::{NO_BODY, echo, response};
use super::tally::{Cause, Failure};
use crate::base::limits::{TIMER_T1, TIMER_T2, TRANSACTION_TIMEOUT};
use crate::base::time::{Duration, Instant};
use crate::sip::message::Method;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// 180 was sent; 200 follows at the time.
    Ringing { until: Instant },
    /// 200 was sent and is sent again until ACK comes (13.3.1.4).
    Answered { repeat: Instant, interval: Duration, over: Instant },
    /// Acknowledged; ends at the time, if this side ends it.
    Up { until: Instant },
    /// BYE waits for its final answer.
    Ending,
    /// Counted; what comes again is answered until the time (timers H and J).
    Ended { until: Instant },
}

/// A call to this side.
#[derive(Debug)]
pub struct Callee {
    /// Which of the sockets it came to.
    end: End,
    source: SocketAddr,
    /// By what a repeated INVITE, and CANCEL, find the call.
    pub key: u64,
    state: State,
    /// The last response to INVITE; zero is none.
    status: u16,
    /// What each response to INVITE repeats.
    echo: Box<[u8]>,
    /// Ready for our BYE, if we send one.
    dialog: Option<Box<Dialog>>,
    attempt: Option<Attempt>,
}

impl Callee {
    /// A call from its INVITE; [`Self::start`] answers it.
    #[must_use]
    pub fn new(end: End, source: SocketAddr, key: u64, read: &Read<'_>, cx: &Context<'_>) -> Self {
        let mut text = Vec::with_capacity(1024);
        echo(read, source, &mut text);
        let mut tag = Vec::with_capacity(32);
        cx.id.write(cx.setup.run, &mut tag);
        Self {
            end,
            source,
            key,
            state: State::Ringing { until: cx.now + cx.setup.plan.ring },
            status: 0,
            echo: text.as_slice().into(),
            dialog: Some(Box::new(Dialog::of_callee(read, source, &tag))),
            attempt: None,
        }
    }

    /// When to wake it.
    #[must_use]
    pub fn due(&self) -> Instant {
        match self.state {
            State::Answered { repeat, over, .. } => repeat.min(over),
            State::Ending => self.attempt.map_or(Instant::NEVER, |attempt| attempt.due()),
            State::Ringing { until } | State::Up { until } | State::Ended { until } => until,
        }
    }

    /// Whether nothing more is expected.
    #[must_use]
    pub fn is_gone(&self, now: Instant) -> bool {
        matches!(self.state, State::Ended { until } if until <= now)
    }

    /// Sends 180, and 200 at once if the phone does not ring.
    pub fn start(&mut self, cx: &mut Context<'_>) {
        self.respond(180, cx);
        self.on_time(cx);
    }

    fn respond(&mut self, status: u16, cx: &mut Context<'_>) {
        self.status = status;
        cx.send(self.end, self.source, |cx, out| {
            response(status, &self.echo, Some((cx.id, cx.setup.run)), out);
            if status < 300 {
                cx.setup.contact(self.end, &cx.setup.plan.numbers, 0, out);
                out.extend_from_slice(b"\r\n");
            }
            if status == 200 { cx.setup.body(out) } else { out.extend_from_slice(NO_BODY) }
        });
    }

    /// The INVITE came again: so does its last response, but for a 200 that has been acknowledged.
    pub fn on_invite_again(&mut self, cx: &mut Context<'_>) {
        cx.tally.seen_again += 1;
        if matches!(self.state, State::Ringing { .. } | State::Answered { .. })
            || self.status >= 300
        {
            self.respond(self.status, cx);
        }
    }

    /// ACK.
    pub fn on_ack(&mut self, cx: &mut Context<'_>) {
        if matches!(self.state, State::Answered { .. }) {
            let ends = cx.setup.plan.hang_up == Side::Callee;
            let until = if ends { cx.now + cx.setup.plan.hold } else { Instant::NEVER };
            self.state = State::Up { until };
            self.on_time(cx);
        } else {
            cx.tally.seen_again += 1;
        }
    }

    /// CANCEL, which has been answered: the INVITE is, too, unless it was before (9.2).
    pub fn on_cancel(&mut self, cx: &mut Context<'_>) {
        if matches!(self.state, State::Ringing { .. }) {
            self.respond(487, cx);
            self.finish(Ok(()), cx);
        }
    }

    /// A BYE of the other side, which has been answered.
    pub fn on_bye(&mut self, cx: &mut Context<'_>) {
        match self.state {
            State::Answered { .. } | State::Up { .. } => self.finish(Ok(()), cx),
            State::Ringing { .. } => {
                self.respond(487, cx);
                self.finish(Err(Failure::new(Method::Bye, Cause::Early)), cx);
            }
            State::Ending => {}
            State::Ended { .. } => cx.tally.seen_again += 1,
        }
    }

    /// A response to our BYE.
    pub fn on_response(&mut self, read: &Read<'_>, cx: &mut Context<'_>) {
        let (State::Ending, Some(attempt)) = (self.state, &mut self.attempt) else {
            cx.tally.seen_again += 1;
            return;
        };
        match read.status {
            100..200 => attempt.on_provisional(cx.now),
            200..300 => {
                cx.tally.bye.record(cx.now.since(attempt.sent));
                self.finish(Ok(()), cx);
            }
            status => self.finish(Err(Failure::new(Method::Bye, Cause::Status(status))), cx),
        }
    }

    /// A wake-up.
    pub fn on_time(&mut self, cx: &mut Context<'_>) {
        match self.state {
            State::Ringing { until } if until <= cx.now => {
                let (repeat, over) = (cx.now + TIMER_T1, cx.now + TRANSACTION_TIMEOUT);
                self.state = State::Answered { repeat, interval: TIMER_T1, over };
                self.respond(200, cx);
            }
            State::Answered { over, .. } if over <= cx.now => {
                cx.tally.answered.end(Err(Failure::new(Method::Ack, Cause::Missing)));
                self.send_bye(cx);
                self.state = State::Ended { until: cx.now + TRANSACTION_TIMEOUT };
            }
            State::Answered { repeat, interval, over } if repeat <= cx.now => {
                let interval = (interval * 2).min(TIMER_T2);
                self.state = State::Answered { repeat: cx.now + interval, interval, over };
                cx.tally.repeated += 1;
                self.respond(200, cx);
            }
            State::Up { until } if until <= cx.now => {
                let is_reliable = cx.setup.plan.transport.is_reliable();
                self.attempt = Some(Attempt::new(1, false, is_reliable, cx.now));
                self.state = State::Ending;
                self.send_bye(cx);
            }
            State::Ending => match self.attempt.as_mut().map(|attempt| attempt.on_time(cx.now)) {
                Some(Due::Repeat) => {
                    cx.tally.repeated += 1;
                    self.send_bye(cx);
                }
                Some(Due::Over) => {
                    self.finish(Err(Failure::new(Method::Bye, Cause::Timeout)), cx);
                }
                Some(Due::Nothing) | None => {}
            },
            State::Ringing { .. }
            | State::Answered { .. }
            | State::Up { .. }
            | State::Ended { .. } => {}
        }
    }

    fn send_bye(&self, cx: &mut Context<'_>) {
        let Some(dialog) = &self.dialog else { return };
        cx.send(self.end, dialog.hop, |cx, out| {
            dialog.request(cx.setup, self.end, (cx.id, 1), (Method::Bye, 1), None, out);
        });
    }

    /// Counts the call and keeps what is needed to answer what comes again.
    fn finish(&mut self, result: Result<(), Failure>, cx: &mut Context<'_>) {
        let linger = match cx.setup.plan.transport.is_reliable() {
            true => Duration::ZERO,
            false => TRANSACTION_TIMEOUT,
        };
        self.state = State::Ended { until: cx.now + linger };
        self.dialog = None;
        if self.status < 300 {
            self.echo = Box::default();
        }
        cx.tally.answered.end(result);
    }
}
