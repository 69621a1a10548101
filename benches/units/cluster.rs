//! A proxy shard and a node shard with the parties around them, in virtual time.
//!
//! The whole is played once, and what each shard hears is recorded. Played to a
//! fresh shard, which draws the same ids, the record has the same effect: what is
//! measured then is the shard alone, reading included, and not the parties.

use bytes::Bytes;
use core::net::SocketAddr;
use sipcluster::base::flow::{ConnectionId, Destination, Flow, Outbound, Protocol};
use sipcluster::base::id::Slot;
use sipcluster::base::leg::Body;
use sipcluster::base::limits::OUTBOX_LEN_MAX;
use sipcluster::base::outbox::Outbox;
use sipcluster::base::seal::Sealer;
use sipcluster::base::time::{Duration, Instant, WallTime};
use sipcluster::roles::node::call_manager::core as node;
use sipcluster::roles::sip_proxy::proxy::core as proxy;
use sipcluster::runtime::timer_wheel::TimerWheel;
use sipcluster::sim::cluster;
use sipcluster::sip::message::{HeaderId, Message, Method, Writer, response_to, scan};
use sipcluster::sip::packet::Packet;
use std::collections::VecDeque;
use std::sync::Arc;

/// Time between the beginnings of two rounds.
const STEP: Duration = Duration::from_millis(250);
/// Rounds after which transactions end as fast as they begin: 32 s.
pub(crate) const WARM_UP: usize = 140;
/// Phones that register in turn.
const PHONES: usize = 50;
/// The phone that is called.
const CALLED: usize = 49;

/// What a round is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Play {
    /// A phone refreshes its registration; the node's part is played by hand.
    Register,
    /// The trunk calls a phone through proxy, node and proxy, and hangs up.
    Call,
}

/// One message that a shard heard.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// Method, or status and method, and whom it is from.
    pub(crate) label: String,
    flow: Flow,
    bytes: Vec<u8>,
}

/// What a shard heard in one round.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    at: Instant,
    heard: Vec<Heard>,
}

/// A shard that a record can be played to.
pub(crate) trait Shard {
    /// One that has heard nothing.
    fn fresh() -> Self;
    /// Time has come to `now`: deadlines are due.
    fn tick(&mut self, now: Instant);
    /// A message comes; it is read first.
    fn turn(&mut self, flow: Flow, bytes: Vec<u8>, now: Instant);
    /// What it has sent since it was asked last.
    fn sent(&mut self) -> &mut Vec<Outbound>;
}

/// Plays one round; `around` is called with each message's name and its turn. Gives
/// the number of messages that the shard sent.
pub(crate) fn play(
    shard: &mut impl Shard,
    round: &Round,
    mut around: impl FnMut(&str, &mut dyn FnMut()),
) -> usize {
    let mut sent = 0;
    shard.tick(round.at);
    for heard in &round.heard {
        let mut bytes = heard.bytes.clone();
        around(&heard.label, &mut || {
            shard.turn(heard.flow, core::mem::take(&mut bytes), round.at);
        });
        sent += shard.sent().len();
        shard.sent().clear();
    }
    sent
}

/// What the proxy and the node heard in so many rounds.
pub(crate) fn record(what: Play, rounds: usize) -> (Vec<Round>, Vec<Round>) {
    let mut world = World::new();
    if what == Play::Call {
        world.round(0, |world| world.register(CALLED, 1));
    }
    for number in 1..=rounds {
        world.round(number, |world| match what {
            Play::Register => world.register(number % PHONES, number),
            Play::Call => world.call(number),
        });
    }
    (world.proxy_heard, world.node_heard)
}

fn start() -> Instant {
    Instant::ZERO + Duration::from_secs(1000)
}

fn wall(now: Instant) -> WallTime {
    WallTime(cluster::WALL_START.0 + now.as_millis() - start().as_millis())
}

fn sealer() -> Arc<Sealer> {
    Arc::new(Sealer::of(b"a key of measurements"))
}

/// A proxy shard whose one node is in service.
pub(crate) struct Proxy {
    application: cluster::Application<proxy::Core>,
    out: Outbox<proxy::Action>,
    wheel: TimerWheel<Slot>,
    due: Vec<Slot>,
    next_second: Instant,
    sent: Vec<Outbound>,
}

impl Proxy {
    fn on(&mut self, event: proxy::Event, now: Instant) {
        let mut cx = proxy::Cx { now, ids: &mut self.application.ids, out: &mut self.out };
        self.application.core.on(event, &mut cx);
        for action in self.out.drain() {
            match action {
                proxy::Action::Send(outbound) => self.sent.push(outbound),
                proxy::Action::Arm(slot, at) => self.wheel.arm(at, slot),
                proxy::Action::Share(_) | proxy::Action::Suspect(_) | proxy::Action::Count(_) => {}
            }
        }
    }
}

impl Shard for Proxy {
    fn fresh() -> Self {
        let mut proxy = Self {
            application: cluster::make_proxies(&sealer(), 1).remove(0),
            out: Outbox::new(OUTBOX_LEN_MAX),
            wheel: TimerWheel::new(),
            due: Vec::new(),
            next_second: Instant::ZERO,
            sent: Vec::new(),
        };
        proxy.tick(start());
        if let Some(id) = cluster::node_id(0) {
            proxy.on(proxy::Event::Node(id, Some(cluster::nodes()[0])), start());
        }
        proxy
    }

    fn tick(&mut self, now: Instant) {
        if now >= self.next_second {
            self.next_second = now + Duration::from_secs(1);
            self.on(proxy::Event::Wall(wall(now)), now);
            self.on(proxy::Event::Expire, now);
        }
        let mut due = core::mem::take(&mut self.due);
        self.wheel.expire(now, &mut due);
        for slot in due.drain(..) {
            self.on(proxy::Event::Wake(slot), now);
        }
        self.due = due;
    }

    fn turn(&mut self, flow: Flow, bytes: Vec<u8>, now: Instant) {
        self.on(proxy::Event::Packet(Packet { flow, message: read(bytes) }), now);
    }

    fn sent(&mut self) -> &mut Vec<Outbound> {
        &mut self.sent
    }
}

/// A node shard whose one proxy is in service.
pub(crate) struct Node {
    application: cluster::Application<node::Core>,
    out: Outbox<node::Action>,
    wheel: TimerWheel<node::Wake>,
    due: Vec<node::Wake>,
    sent: Vec<Outbound>,
}

impl Node {
    fn on(&mut self, event: node::Event, now: Instant) {
        let ids = &mut self.application.ids;
        let mut cx =
            node::Cx { now, wall: wall(now), ids, out: &mut self.out, dns: &cluster::unknown };
        self.application.core.on(event, &mut cx);
        for action in self.out.drain() {
            match action {
                node::Action::Send(outbound) => self.sent.push(outbound),
                node::Action::Arm(wake, at) => self.wheel.arm(at, wake),
                node::Action::Record(_)
                | node::Action::Suspect(_)
                | node::Action::Count(_)
                | node::Action::Phone(_)
                | node::Action::Fact(_) => {}
            }
        }
    }
}

impl Shard for Node {
    fn fresh() -> Self {
        let mut node = Self {
            application: cluster::make_nodes(&sealer(), 2).remove(0),
            out: Outbox::new(OUTBOX_LEN_MAX),
            wheel: TimerWheel::new(),
            due: Vec::new(),
            sent: Vec::new(),
        };
        node.on(node::Event::Proxy(cluster::proxies()[1], false), start());
        node
    }

    fn tick(&mut self, now: Instant) {
        let mut due = core::mem::take(&mut self.due);
        self.wheel.expire(now, &mut due);
        for wake in due.drain(..) {
            self.on(node::Event::Wake(wake), now);
        }
        self.due = due;
    }

    fn turn(&mut self, flow: Flow, bytes: Vec<u8>, now: Instant) {
        self.on(node::Event::Packet(Packet { flow, message: read(bytes) }), now);
    }

    fn sent(&mut self) -> &mut Vec<Outbound> {
        &mut self.sent
    }
}

fn read(bytes: Vec<u8>) -> Message {
    match scan(bytes) {
        Ok(message) => message,
        Err(error) => panic!("a message that cannot be read: {error}"),
    }
}

fn phone(index: usize) -> SocketAddr {
    cluster::phone(index)
}

fn name_of(address: SocketAddr) -> &'static str {
    if address == cluster::proxies()[0] {
        "proxy"
    } else if address == cluster::nodes()[0] {
        "node"
    } else if address == cluster::trunk() {
        "trunk"
    } else {
        "phone"
    }
}

fn description() -> Body {
    let text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
                m=audio 6000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n";
    Body { content_type: "application/sdp".into(), content: Bytes::from_static(text.as_bytes()) }
}

/// A message on its way.
struct Letter {
    from: SocketAddr,
    to: SocketAddr,
    bytes: Bytes,
}

/// The shards, the parties and what is on its way between them.
struct World {
    now: Instant,
    proxy: Proxy,
    node: Node,
    proxy_heard: Vec<Round>,
    node_heard: Vec<Round>,
    way: VecDeque<Letter>,
    /// What the trunk was last answered with: the 200 of its INVITE or of its BYE.
    trunk_heard: Option<Message>,
    registered: usize,
}

impl World {
    fn new() -> Self {
        Self {
            now: start(),
            proxy: Proxy::fresh(),
            node: Node::fresh(),
            proxy_heard: Vec::new(),
            node_heard: Vec::new(),
            way: VecDeque::new(),
            trunk_heard: None,
            registered: 0,
        }
    }

    fn round(&mut self, number: usize, plays: impl FnOnce(&mut Self)) {
        self.now = start() + STEP * u32::try_from(number).unwrap_or(u32::MAX);
        self.proxy_heard.push(Round { at: self.now, heard: Vec::new() });
        self.node_heard.push(Round { at: self.now, heard: Vec::new() });
        self.proxy.tick(self.now);
        self.node.tick(self.now);
        let late = self.proxy.sent.len() + self.node.sent.len();
        assert_eq!(late, 0, "nothing is sent again: every request was answered");
        plays(self);
    }

    /// Phone `index` registers; the request is its `cseq`th.
    fn register(&mut self, index: usize, cseq: usize) {
        let (dn, address) = (7001 + index, phone(index));
        let mut request = Writer::request(b"REGISTER", b"sip:example.com");
        request
            .header(
                HeaderId::Via,
                format!("SIP/2.0/UDP {address};branch=z9hG4bKreg{cseq:08};rport"),
            )
            .header(HeaderId::MaxForwards, "70")
            .header(HeaderId::From, format!("<sip:{dn}@example.com>;tag=r{dn}"))
            .header(HeaderId::To, format!("<sip:{dn}@example.com>"))
            .header(HeaderId::CallId, format!("reg-{dn}@{address}"))
            .header(HeaderId::CSeq, format!("{cseq} REGISTER"))
            .header(HeaderId::Contact, format!("<sip:{dn}@{address}>"))
            .header(HeaderId::Expires, "3600");
        let before = self.registered;
        self.send(address, request.body(None));
        assert_eq!(self.registered, before + 1, "the phone has its 200");
    }

    /// The trunk calls the phone, hears it answer, and hangs up.
    fn call(&mut self, number: usize) {
        let invite = self.of_trunk("INVITE", number, None).body(Some(&description()));
        self.send(cluster::trunk(), invite);
        let Some(answer) = self.trunk_heard.take() else { panic!("the phone does not answer") };
        for method in ["ACK", "BYE"] {
            let bytes = self.of_trunk(method, number, Some(&answer)).body(None);
            self.send(cluster::trunk(), bytes);
        }
        let ended = self.trunk_heard.take();
        assert!(ended.is_some_and(|heard| heard.cseq_method() == Method::Bye), "no end");
    }

    /// A request of the trunk, outside the dialog or after the answer to its INVITE.
    fn of_trunk(&self, method: &str, number: usize, answer: Option<&Message>) -> Writer {
        let (trunk, proxy) = (cluster::trunk(), cluster::proxies()[0]);
        let callee = format!("sip:{}@{proxy}", 7001 + CALLED);
        let target = answer.and_then(|answer| {
            let contact = answer.header(HeaderId::Contact)?;
            contact.split(|byte| matches!(byte, b'<' | b'>')).nth(1)
        });
        let mut request = Writer::request(method.as_bytes(), target.unwrap_or(callee.as_bytes()));
        let to = answer.and_then(|answer| answer.header(HeaderId::To));
        let cseq = if method == "BYE" { 2 } else { 1 };
        request
            .header(
                HeaderId::Via,
                format!("SIP/2.0/UDP {trunk};branch=z9hG4bK{method}{number:08};rport"),
            )
            .header(HeaderId::MaxForwards, "70")
            .header(HeaderId::From, format!("\"Caller\" <sip:0012345678@{trunk}>;tag=t{number:08}"))
            .header(HeaderId::To, to.unwrap_or(format!("<{callee}>").as_bytes()))
            .header(HeaderId::CallId, format!("call-{number:08}@{trunk}"))
            .header(HeaderId::CSeq, format!("{cseq} {method}"))
            .header(HeaderId::Contact, format!("<sip:{trunk}>"));
        let mut routes: Vec<&[u8]> = Vec::new();
        routes.extend(answer.into_iter().flat_map(|answer| answer.values(HeaderId::RecordRoute)));
        for route in routes.iter().rev() {
            request.header(HeaderId::Route, route);
        }
        request
    }

    /// Sends a party's message to the proxy, and everything that follows from it.
    fn send(&mut self, from: SocketAddr, bytes: Bytes) {
        self.way.push_back(Letter { from, to: cluster::proxies()[0], bytes });
        while let Some(letter) = self.way.pop_front() {
            self.deliver(&letter);
        }
    }

    fn deliver(&mut self, letter: &Letter) {
        let message = read(letter.bytes.to_vec());
        let registers = message.cseq_method() == Method::Register;
        match name_of(letter.to) {
            "proxy" => {
                let heard = heard_of(letter, &message);
                turned(&mut self.proxy, letter.to, &heard, self.now, &mut self.way);
                self.proxy_heard
                    .last_mut()
                    .into_iter()
                    .for_each(|round| round.heard.push(heard.clone()));
            }
            "node" if registers => {
                let mut ok = response_to(&message, 200, b"", b"n", None);
                ok.header(HeaderId::Expires, "3600");
                self.answer(letter, ok.body(None));
            }
            "node" => {
                let heard = heard_of(letter, &message);
                turned(&mut self.node, letter.to, &heard, self.now, &mut self.way);
                self.node_heard
                    .last_mut()
                    .into_iter()
                    .for_each(|round| round.heard.push(heard.clone()));
            }
            "trunk" if message.status() >= 200 => {
                assert_eq!(message.status(), 200, "the call is refused");
                self.trunk_heard = Some(message);
            }
            "trunk" => {}
            _ if registers => self.registered += usize::from(message.status() == 200),
            _ => self.phone(letter, &message),
        }
    }

    /// The phone rings and answers, and accepts its BYE.
    fn phone(&mut self, letter: &Letter, request: &Message) {
        if request.method() == Method::Bye {
            return self.answer(letter, response_to(request, 200, b"", b"", None).body(None));
        }
        if request.method() != Method::Invite {
            return;
        }
        for status in [180, 200] {
            let mut response = response_to(request, status, b"", b"phone", None);
            response
                .copy(request, HeaderId::RecordRoute)
                .header(HeaderId::Contact, format!("<sip:{}>", letter.to));
            let body = description();
            let bytes = response.body((status == 200).then_some(&body));
            self.answer(letter, bytes);
        }
    }

    fn answer(&mut self, letter: &Letter, bytes: Bytes) {
        self.way.push_back(Letter { from: letter.to, to: letter.from, bytes });
    }
}

fn heard_of(letter: &Letter, message: &Message) -> Heard {
    let method = message.cseq_method().as_str();
    let from = name_of(letter.from);
    let label = match message.status() {
        0 => format!("{method} of the {from}"),
        status => format!("{status} of the {from} to {method}"),
    };
    let flow = Flow {
        protocol: Protocol::Udp,
        local: letter.to,
        remote: letter.from,
        connection: ConnectionId(0),
    };
    Heard { label, flow, bytes: letter.bytes.to_vec() }
}

/// Gives a shard what it hears and puts on the way what it sends.
fn turned(
    shard: &mut impl Shard,
    at: SocketAddr,
    heard: &Heard,
    now: Instant,
    way: &mut VecDeque<Letter>,
) {
    shard.turn(heard.flow, heard.bytes.clone(), now);
    for outbound in shard.sent().drain(..) {
        let to = match outbound.to {
            Destination::Flow(flow) => flow.remote,
            Destination::Address { protocol: Protocol::Udp, remote } => remote,
            Destination::Address { .. } | Destination::Host { .. } => {
                panic!("{} is sent to {}", heard.label, outbound.to)
            }
        };
        way.push_back(Letter { from: at, to, bytes: outbound.bytes });
    }
}
