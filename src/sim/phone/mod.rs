//! A phone, or an SBC behind a trunk: a small user agent written from RFC 3261
//! alone. It shares nothing with the stack of the nodes but the scanner and the
//! digest, so that a misreading on one side shows on the other.
//!
//! `text.rs` writes messages, `client.rs` sends requests and reads their answers,
//! `server.rs` answers, `early.rs` is about what comes before the answer,
//! `change.rs` and `session.rs` about what comes after it, `script.rs` does what
//! the plan says.

mod call;
mod change;
mod client;
mod early;
mod registration;
mod script;
mod server;
mod session;
mod text;

use super::behaviour::Step;
use super::check::Finding;
use super::plan::Plan;
use crate::base::flow::Protocol;
use crate::base::id::Ids;
use crate::base::time::{Duration, Instant};
use crate::sip::message::{Message, Uri};
use bytes::Bytes;
use call::Call;
pub use call::CallState;
use client::Client;
use core::net::SocketAddr;
use server::Server;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

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
    /// Preference of its contact.
    pub q: Option<&'static str>,
    /// Which of the phones of its number it is.
    pub device: usize,
    /// Where everybody is when there is no cluster.
    pub peers: Vec<(String, SocketAddr)>,
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
    Progress(usize),
    RepeatReliable(usize, u64),
    Step(usize, Step),
    Refresh(usize, u64),
    Expire(usize, u64),
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
    /// Call-IDs of calls from which it has vanished.
    silent: BTreeSet<String>,
    vanished: BTreeMap<u32, Instant>,
    accusations: Vec<Finding>,
    out: Vec<Out>,
}

impl Phone {
    /// A phone that knows the plans of all calls, as caller or callee.
    #[must_use]
    pub fn new(account: Account, plans: Arc<Vec<Plan>>, seed: u64) -> Self {
        Self {
            register_call_id: format!("register-{}-{}", account.number, account.device),
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
            silent: BTreeSet::new(),
            vanished: BTreeMap::new(),
            accusations: Vec::new(),
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

    /// From which calls it has vanished, and when.
    #[must_use]
    pub const fn vanished(&self) -> &BTreeMap<u32, Instant> {
        &self.vanished
    }

    /// What others have done to it that they must not.
    pub fn take_accusations(&mut self) -> Vec<Finding> {
        core::mem::take(&mut self.accusations)
    }

    fn accuse(&mut self, rule: &'static str, call: usize, what: &str) {
        let id = self.calls.get(call).map(|found| found.id);
        let what = format!("{} {what}", self.account.number);
        self.accusations.push(Finding::new(rule, id, self.now, what));
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
        let call_id = String::from_utf8_lossy(message.call_id());
        if message.fault().is_some() || self.silent.contains(&*call_id) {
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
            Timer::Progress(call) => self.progress(call),
            Timer::RepeatReliable(call, rseq) => self.repeat_reliable(call, rseq),
            Timer::Step(call, step) => self.step(call, step),
            Timer::Refresh(call, generation) => self.refresh(call, generation),
            Timer::Expire(call, generation) => self.expire(call, generation),
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

    /// Where a request goes: the first Route; without one the usual proxy, or the
    /// target itself where there is no cluster.
    fn next_hop(&self, call: &Call) -> (SocketAddr, Protocol) {
        let routed = call.routes.first().and_then(|route| hop_of(route));
        let direct =
            (!self.account.peers.is_empty()).then(|| hop_of(&format!("<{}>", call.target)));
        routed.or(direct.flatten()).unwrap_or_else(|| self.usual_proxy())
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
