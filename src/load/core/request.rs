//! REGISTER and OPTIONS: one request, with credentials after a challenge.

use core::net::SocketAddr;

use super::attempt::{Attempt, Due};
use super::out::End;
use super::read::Read;
use super::setup::{Credentials, NO_BODY, Setup, put};
use super::tally::{Cause, Failure};
use super::{Context, TRIES_MAX};
use crate::base::time::Instant;
use crate::sip::message::Method;

/// Which request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A binding at this side.
    Bind(End),
    /// No binding at all.
    Unbind,
    /// OPTIONS.
    Ask,
}

/// One REGISTER or OPTIONS.
#[derive(Debug)]
pub struct Request {
    wish: Wish,
    /// Index of the number.
    index: u64,
    target: SocketAddr,
    started: Instant,
    attempt: Attempt,
    tries: u8,
    credentials: Option<Box<Credentials>>,
    /// Whether the final answer came, or none will.
    is_gone: bool,
}

impl Request {
    /// A request that [`Self::start`] sends.
    #[must_use]
    pub fn new(wish: Wish, index: u64, target: SocketAddr, setup: &Setup, now: Instant) -> Self {
        let attempt = Attempt::new(0, false, setup.plan.transport.is_reliable(), now);
        Self {
            wish,
            index,
            target,
            started: now,
            attempt,
            tries: 0,
            credentials: None,
            is_gone: false,
        }
    }

    fn method(&self) -> Method {
        match self.wish {
            Wish::Bind(_) | Wish::Unbind => Method::Register,
            Wish::Ask => Method::Options,
        }
    }

    fn end(&self) -> End {
        match self.wish {
            Wish::Bind(end) => end,
            Wish::Unbind | Wish::Ask => End::Calling,
        }
    }

    /// When to wake it.
    #[must_use]
    pub fn due(&self) -> Instant {
        self.attempt.due()
    }

    /// Whether nothing more is expected.
    #[must_use]
    pub fn is_gone(&self, _: Instant) -> bool {
        self.is_gone
    }

    /// Sends the request.
    pub fn start(&mut self, cx: &mut Context<'_>) {
        self.tries += 1;
        let is_reliable = cx.setup.plan.transport.is_reliable();
        self.attempt = Attempt::new(self.tries, false, is_reliable, cx.now);
        self.send(cx);
    }

    fn send(&self, cx: &mut Context<'_>) {
        let end = self.end();
        cx.send(end, self.target, |cx, out| {
            let (setup, id, method) = (cx.setup, cx.id, self.method());
            let numbers = &setup.plan.numbers;
            put(out, &[method.as_str().as_bytes(), b" "]);
            self.uri(setup, out);
            out.extend_from_slice(b" SIP/2.0\r\n");
            setup.via(end, id, self.attempt.step, out);
            setup.address(b"From: ", numbers, self.index, out);
            out.extend_from_slice(b";tag=");
            id.write(setup.run, out);
            out.extend_from_slice(b"\r\n");
            setup.address(b"To: ", numbers, self.index, out);
            out.extend_from_slice(b"\r\n");
            setup.call_id(id, self.tries.into(), method, out);
            match self.wish {
                Wish::Bind(end) => {
                    setup.contact(end, numbers, self.index, out);
                    let expires = setup.plan.expires;
                    out.extend_from_slice(format!("\r\nExpires: {expires}\r\n").as_bytes());
                }
                Wish::Unbind => out.extend_from_slice(b"Contact: *\r\nExpires: 0\r\n"),
                Wish::Ask => out.extend_from_slice(b"Accept: application/sdp\r\n"),
            }
            out.extend_from_slice(&setup.headers);
            if let Some(credentials) = &self.credentials {
                credentials.write(out);
            }
            out.extend_from_slice(NO_BODY);
        });
    }

    fn uri(&self, setup: &Setup, out: &mut Vec<u8>) {
        match &setup.plan.request_uri {
            Some(template) => template.write(setup.filling(self.index, self.target), out),
            None => put(out, &[b"sip:", setup.domain.as_bytes()]),
        }
    }

    /// A response with one of its branches.
    pub fn on_response(&mut self, read: &Read<'_>, step: u8, cx: &mut Context<'_>) {
        if step != self.attempt.step {
            cx.tally.seen_again += 1;
            return;
        }
        match read.status {
            100..200 => self.attempt.on_provisional(cx.now),
            200..300 => {
                let taken = cx.now.since(self.started);
                match self.wish {
                    Wish::Bind(_) | Wish::Unbind => cx.tally.register.record(taken),
                    Wish::Ask => cx.tally.options.record(taken),
                }
                self.finish(Ok(()), cx);
            }
            status => {
                if !self.answer_challenge(read, cx) {
                    self.finish(Err(Cause::Status(status)), cx);
                }
            }
        }
    }

    /// The first challenge is answered, and a second one that says the nonce was too old.
    fn answer_challenge(&mut self, read: &Read<'_>, cx: &mut Context<'_>) -> bool {
        let mut uri = Vec::new();
        self.uri(cx.setup, &mut uri);
        let number = (&cx.setup.plan.numbers, self.index);
        let found = cx.setup.credentials(read, number, self.target, (self.method(), &uri));
        let Some(credentials) = found else { return false };
        if self.tries > 1 && !(credentials.stale && self.tries < TRIES_MAX) {
            return false;
        }
        self.credentials = Some(Box::new(credentials));
        self.start(cx);
        true
    }

    /// A wake-up.
    pub fn on_time(&mut self, cx: &mut Context<'_>) {
        match self.attempt.on_time(cx.now) {
            Due::Nothing => {}
            Due::Repeat => {
                cx.tally.repeated += 1;
                self.send(cx);
            }
            Due::Over => self.finish(Err(Cause::Timeout), cx),
        }
    }

    fn finish(&mut self, result: Result<(), Cause>, cx: &mut Context<'_>) {
        self.is_gone = true;
        cx.tally.units.end(result.map_err(|cause| Failure::new(self.method(), cause)));
    }
}
