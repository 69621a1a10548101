//! A phone, or an SBC behind a trunk: a small user agent written from RFC 3261
//! alone. It shares nothing with the stack of the nodes but the scanner and the
//! digest, so that a misreading on one side shows on the other.
//!
//! `text.rs` writes messages, `client.rs` sends requests and reads their answers,
//! `server.rs` answers, `script.rs` does what the plan says.

mod client;
mod script;
mod server;
mod text;

use super::plan::Plan;
use crate::base::flow::Protocol;
use crate::base::id::Ids;
use crate::base::time::{Duration, Instant};
use crate::sip::message::{Message, Uri};
use bytes::Bytes;
use client::Client;
use core::net::SocketAddr;
use server::Server;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A call that nobody has ended by then is ended by either party.
const CALL_TIME_MAX: Duration = Duration::from_secs(60);
/// A caller that hears no final answer gives up.
const PATIENCE: Duration = Duration::from_secs(50);
/// What a phone asks the registrar for.
const EXPIRES_S: u32 = 120;

/// How a phone is set up.
#[derive(Clone, Debug)]
pub struct Account {
    /// Number of the extension, or what the trunk shows as its caller.
    pub number: String,
    /// Password; `None` for a trunk, which does not register.
    pub password: Option<String>,
    /// Where it is.
    pub address: SocketAddr,
    /// How it speaks to proxies.
    pub protocol: Protocol,
    /// Proxies, the usual one first.
    pub proxies: Vec<SocketAddr>,
}

/// A message that a phone wants sent.
#[derive(Clone, Debug)]
pub struct Out {
    /// Where to.
    pub to: SocketAddr,
    /// How.
    pub protocol: Protocol,
    /// The message.
    pub bytes: Bytes,
}

/// Where a call of a phone stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallState {
    /// No final answer yet.
    Early,
    /// Answered.
    Up,
    /// BYE sent, its answer awaited.
    Ending,
    /// Over.
    Over,
}

/// What a caller heard in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Final status of the INVITE; 408 when the caller gave up by its own timer.
    pub status: u16,
    /// When.
    pub at: Instant,
    /// Whether the status is the phone's own.
    pub gave_up: bool,
}

/// One side of one call: the dialog and the script.
#[derive(Clone, Debug)]
struct Call {
    plan: Option<Plan>,
    /// Number of the plan, zero for a call that no plan names.
    id: u32,
    is_caller: bool,
    state: CallState,
    call_id: String,
    local_tag: String,
    remote_tag: Vec<u8>,
    local: String,
    remote: String,
    target: String,
    routes: Vec<String>,
    local_cseq: u32,
    remote_cseq: u32,
    /// The INVITE or re-INVITE of ours without a final answer.
    inviting: Option<u64>,
    /// The INVITE or re-INVITE of the other side without a final answer.
    invited: Option<u64>,
    cancelled: bool,
    /// ACKs for 2xx by CSeq and To tag, to be sent again with each repetition.
    acks: BTreeMap<(u32, Vec<u8>), Out>,
    authorizations: u32,
    held: bool,
    description_version: u32,
    description: String,
    stepping: bool,
}

/// What a deadline is for.
#[derive(Clone, Copy, Debug)]
enum Timer {
    Repeat(u64),
    GiveUp(u64),
    Forget(u64),
    RepeatAnswer(u64),
    Ring(usize),
    Answer(usize),
    Cancel(usize),
    Patience(usize),
    Step(usize, super::plan::Step),
    HangUp(usize),
    Register,
}

/// A phone or an SBC.
#[derive(Debug)]
pub struct Phone {
    account: Account,
    plans: Arc<Vec<Plan>>,
    random: Ids,
    now: Instant,
    serial: u64,
    clients: BTreeMap<u64, Client>,
    servers: BTreeMap<u64, Server>,
    calls: Vec<Call>,
    timers: BTreeMap<(Instant, u64), Timer>,
    proxy: usize,
    register_call_id: String,
    register_cseq: u32,
    registers_until: Instant,
    outcomes: BTreeMap<u32, Outcome>,
    registered: bool,
    out: Vec<Out>,
}

impl Phone {
    /// A phone that knows the plans of all calls, as caller or callee.
    #[must_use]
    pub fn new(account: Account, plans: Arc<Vec<Plan>>, seed: u64) -> Self {
        Self {
            register_call_id: format!("register-{}", account.number),
            account,
            plans,
            random: Ids::new(seed),
            now: Instant::ZERO,
            serial: 0,
            clients: BTreeMap::new(),
            servers: BTreeMap::new(),
            calls: Vec::new(),
            timers: BTreeMap::new(),
            proxy: 0,
            register_cseq: 0,
            registers_until: Instant::ZERO,
            outcomes: BTreeMap::new(),
            registered: false,
            out: Vec::new(),
        }
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.account.address
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> &str {
        &self.account.number
    }

    /// What the caller of each call heard.
    #[must_use]
    pub fn outcomes(&self) -> &BTreeMap<u32, Outcome> {
        &self.outcomes
    }

    /// Whether the last REGISTER with a contact was accepted.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.registered
    }

    /// Numbers of calls that are not over, transactions that still run.
    #[must_use]
    pub fn leftovers(&self) -> (Vec<u32>, usize, usize) {
        let calls =
            self.calls.iter().filter(|call| call.state != CallState::Over).map(|call| call.id);
        (calls.collect(), self.clients.len(), self.servers.len())
    }

    /// What it wants sent.
    pub fn take_out(&mut self) -> Vec<Out> {
        core::mem::take(&mut self.out)
    }

    /// When it wants to be woken.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.keys().next().map(|(at, _)| *at)
    }

    /// A message came.
    pub fn on_packet(
        &mut self,
        now: Instant,
        message: &Message,
        from: SocketAddr,
        protocol: Protocol,
    ) {
        self.now = now;
        if message.fault().is_some() {
            return;
        }
        if message.is_request() {
            self.on_request(message, from, protocol);
        } else {
            self.on_response(message);
        }
    }

    /// Time has come to `now`.
    pub fn on_time(&mut self, now: Instant) {
        self.now = now;
        while let Some((&key, &timer)) = self.timers.iter().next() {
            if key.0 > now {
                return;
            }
            self.timers.remove(&key);
            self.on_timer(timer);
        }
    }

    fn on_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Repeat(client) => self.repeat(client),
            Timer::GiveUp(client) => self.give_up(client),
            Timer::Forget(serial) => {
                self.clients.remove(&serial);
                self.servers.remove(&serial);
            }
            Timer::RepeatAnswer(server) => self.repeat_answer(server),
            Timer::Ring(call) => self.ring(call),
            Timer::Answer(call) => self.decide(call),
            Timer::Cancel(call) => self.cancel(call),
            Timer::Patience(call) => self.lose_patience(call),
            Timer::Step(call, step) => self.step(call, step),
            Timer::HangUp(call) => self.bye(call),
            Timer::Register => self.register_again(),
        }
    }

    fn arm(&mut self, after: Duration, timer: Timer) {
        self.serial += 1;
        self.timers.insert((self.now + after, self.serial), timer);
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn send(&mut self, out: Out) {
        self.out.push(out);
    }

    /// Where a request goes: the first Route, the usual proxy without one.
    fn next_hop(&self, routes: &[String]) -> (SocketAddr, Protocol) {
        routes.first().and_then(|route| hop_of(route)).unwrap_or_else(|| self.usual_proxy())
    }

    fn usual_proxy(&self) -> (SocketAddr, Protocol) {
        let proxies = &self.account.proxies;
        let proxy = proxies.get(self.proxy % proxies.len().max(1)).copied();
        (proxy.unwrap_or(self.account.address), self.account.protocol)
    }
}

/// Address and protocol of a Route value.
fn hop_of(route: &str) -> Option<(SocketAddr, Protocol)> {
    let start = route.find('<')? + 1;
    let end = route.find('>')?;
    let uri = Uri::parse(route.get(start..end)?.as_bytes()).ok()?;
    Some((SocketAddr::new(uri.host_ip()?, uri.port_or_default()), uri.protocol()?))
}
