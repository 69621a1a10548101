//! One stack in virtual time: what goes in, what comes out, and the wake-ups in between.
//! After every second turn another stack, with another seed of hashes, goes on with what
//! the first one has: whatever the RFC wants, it wants of both together.

use crate::draft::{Draft, header, values};
use core::net::SocketAddr;
use sipcluster::base::flow::{ConnectionId, Flow, Protocol};
use sipcluster::base::id::{Ids, NodeId, Shard, Slot};
use sipcluster::base::leg::{Body, LegCommand, LegEvent};
use sipcluster::base::limits::OUTBOX_LEN_MAX;
use sipcluster::base::outbox::Outbox;
use sipcluster::base::seal::Sealer;
use sipcluster::base::time::{Duration, Instant};
use sipcluster::sip::message::{HeaderId, Message, scan};
use sipcluster::sip::packet::Packet;
use sipcluster::sip::user_agent::state::Pieces;
use sipcluster::sip::user_agent::{Action, Cx, Event, NewLeg, Settings, Stack, Wake};
use std::sync::Arc;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The proxy, by whose flow everything comes and goes.
pub(super) fn proxy_flow() -> Flow {
    Flow {
        protocol: Protocol::Udp,
        local: address("127.0.0.11:5070"),
        remote: address("127.0.0.1:5060"),
        connection: ConnectionId(0),
    }
}

/// A description.
pub(super) fn sdp(version: u32) -> Body {
    let text = format!(
        "v=0\r\no=- 1 {version} IN IP4 127.0.0.50\r\ns=-\r\nm=audio {version} RTP/AVP 0\r\n"
    );
    Body { content_type: "application/sdp".into(), content: text.into_bytes().into() }
}

/// One message that the stack sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    /// When.
    pub(super) at: Instant,
    /// By which protocol.
    pub(super) protocol: Protocol,
    /// What.
    pub(super) message: Message,
}

impl Sent {
    /// Status of a response, method of a request.
    pub(super) fn what(&self) -> String {
        if self.message.is_request() {
            String::from_utf8_lossy(self.message.method_token()).into_owned()
        } else {
            self.message.status().to_string()
        }
    }

    /// The first value of a header.
    pub(super) fn header(&self, id: HeaderId) -> String {
        header(&self.message, id)
    }

    /// All values of a header.
    pub(super) fn values(&self, id: HeaderId) -> Vec<String> {
        values(&self.message, id)
    }
}

/// The stack and everything around it.
pub(super) struct World {
    stack: Stack,
    settings: Arc<Settings>,
    sealer: Arc<Sealer>,
    turns: u64,
    pub(super) now: Instant,
    ids: Ids,
    out: Outbox<Action>,
    wakes: Vec<(Wake, Instant)>,
    sent: Vec<Sent>,
    heard: Vec<LegEvent>,
    incoming: Vec<Slot>,
    requests: Vec<Slot>,
}

impl World {
    /// A stack of node 1 that asks for no session timer.
    pub(super) fn new() -> Self {
        Self::with_session(0)
    }

    /// A stack that asks for that session interval, in seconds.
    pub(super) fn with_session(session_seconds: u32) -> Self {
        let Some(sealer) = Sealer::new(&[b"conformance"]) else { panic!("one key is a key") };
        let Some(node) = NodeId::new(1) else { panic!("1 is a node-id") };
        let settings = Settings {
            node,
            shard: Shard(1),
            address: address("127.0.0.11:5070"),
            access: "cluster.example.com:5060".to_owned(),
            origin_host: "127.0.0.11".to_owned(),
            proxies: vec![address("127.0.0.1:5060")],
            proxy_protocol: Protocol::Udp,
            direct: false,
            reliable: true,
            session_seconds,
        };
        let (settings, sealer) = (Arc::new(settings), Arc::new(sealer));
        Self {
            stack: Stack::new(settings.clone(), sealer.clone(), 7),
            settings,
            sealer,
            turns: 0,
            now: Instant::ZERO + Duration::from_secs(1000),
            ids: Ids::new(7),
            out: Outbox::new(OUTBOX_LEN_MAX),
            wakes: Vec::new(),
            sent: Vec::new(),
            heard: Vec::new(),
            incoming: Vec::new(),
            requests: Vec::new(),
        }
    }

    fn turn<T>(&mut self, turn: impl FnOnce(&mut Stack, &mut Cx<'_>) -> T) -> T {
        let mut cx = Cx { now: self.now, ids: &mut self.ids, out: &mut self.out };
        let result = turn(&mut self.stack, &mut cx);
        for action in self.out.drain() {
            match action {
                Action::Send(outbound) => {
                    let message = scan(outbound.bytes.to_vec());
                    let message =
                        message.unwrap_or_else(|error| panic!("sent no message: {error}"));
                    assert_eq!(message.fault(), None, "sent {message:?}");
                    let protocol = outbound.to.protocol();
                    self.sent.push(Sent { at: self.now, protocol, message });
                }
                Action::Arm(wake, at) => {
                    self.wakes.retain(|(armed, _)| *armed != wake);
                    self.wakes.push((wake, at));
                }
                Action::Up(Event::Leg(_, event)) => self.heard.push(event),
                Action::Up(Event::Incoming(leg, _)) => self.incoming.push(leg),
                Action::Up(Event::Request(server, _)) => self.requests.push(server),
                Action::Up(Event::Freed(_)) | Action::Suspect(_) | Action::Count(_) => {}
            }
        }
        self.turns += 1;
        if self.turns.is_multiple_of(2) {
            let (pieces, free) = (self.pieces(), self.stack.free());
            let newest = self.stack.newest();
            self.stack = Stack::new(self.settings.clone(), self.sealer.clone(), self.turns);
            self.go_on(&pieces);
            self.stack.start_above(newest);
            self.stack.resume(&free);
            assert_eq!(self.pieces(), pieces, "what is written is what was read");
            assert_eq!((self.stack.free(), self.stack.newest()), (free, newest));
        }
        result
    }

    /// Everything that the stack has, as bytes.
    pub(super) fn pieces(&self) -> Pieces {
        let mut pieces = Pieces::default();
        for leg in self.stack.leg_slots() {
            self.stack.leg_pieces(leg, self.now, &mut pieces);
        }
        for loose in self.stack.loose_pieces(self.now) {
            pieces.clients.extend(loose.clients);
            pieces.servers.extend(loose.servers);
        }
        pieces
    }

    /// Whether these pieces can be read here.
    pub(super) fn reads(&self, pieces: &Pieces) -> bool {
        self.stack.read(pieces, self.now).is_ok()
    }

    /// The stack, which has nothing, goes on with what another one had.
    pub(super) fn go_on(&mut self, pieces: &Pieces) {
        let restored = self.stack.read(pieces, self.now);
        let restored = restored.unwrap_or_else(|error| panic!("own state: {error}"));
        let mut cx = Cx { now: self.now, ids: &mut self.ids, out: &mut self.out };
        self.stack.restore(restored, &mut cx);
        self.wakes.clear();
        for action in self.out.drain() {
            match action {
                Action::Arm(wake, at) => self.wakes.push((wake, at)),
                Action::Send(_) | Action::Up(_) | Action::Suspect(_) | Action::Count(_) => {
                    panic!("going on wants {action:?}")
                }
            }
        }
    }

    /// A message comes.
    pub(super) fn receive(&mut self, draft: &Draft) {
        let packet = Packet { flow: proxy_flow(), message: draft.message() };
        self.turn(|stack, cx| stack.packet(packet, cx));
    }

    /// The far end answers what it was sent.
    pub(super) fn answer(&mut self, to: &Sent, status: u16, tag: &str) {
        let draft = Draft::response(&to.message, status, tag);
        self.receive(&draft.add("Contact", "<sip:7002@127.0.0.60:5060>"));
    }

    /// The call says something to a leg.
    pub(super) fn command(&mut self, leg: Slot, command: LegCommand) {
        self.turn(|stack, cx| stack.command(leg, command, cx));
    }

    /// The layer above answers a request outside a dialog.
    pub(super) fn answer_request(&mut self, server: Slot, status: u16) {
        self.turn(|stack, cx| stack.answer(server, status, &[], cx));
    }

    /// A leg to 7002 with an offer, and its INVITE.
    pub(super) fn call(&mut self) -> (Slot, Sent) {
        self.call_with(Some(sdp(1)))
    }

    /// The same without an offer.
    pub(super) fn call_without_offer(&mut self) -> (Slot, Sent) {
        self.call_with(None)
    }

    pub(super) fn call_with(&mut self, offer: Option<Body>) -> (Slot, Sent) {
        let new = NewLeg {
            reliable: true,
            from: "<sip:7001@cluster.example.com>".to_owned(),
            to: "<sip:7002@cluster.example.com>".to_owned(),
            uri: "sip:7002@cluster.example.com".to_owned(),
            hop: "registrar".to_owned(),
            offer,
            hops_left: 70,
            headers: Vec::new(),
        };
        let leg = self.turn(|stack, cx| stack.call(&new, cx)).expect("room and a proxy");
        let sent = self.only();
        assert_eq!(sent.what(), "INVITE");
        (leg, sent)
    }

    /// The leg of an INVITE that comes.
    pub(super) fn incoming(&mut self, draft: &Draft) -> Slot {
        self.receive(draft);
        self.incoming.pop().expect("an INVITE makes a leg")
    }

    /// Legs of INVITEs that nobody has looked at.
    pub(super) fn incoming_len(&self) -> usize {
        self.incoming.len()
    }

    /// The last request outside a dialog.
    pub(super) fn request(&mut self) -> Option<Slot> {
        self.requests.pop()
    }

    /// An answered and confirmed call from `Draft::invite(id)`: the leg and our 200.
    pub(super) fn established(&mut self, id: &str) -> (Slot, Sent) {
        let leg = self.incoming(&Draft::invite(id));
        self.command(leg, LegCommand::Answer { body: Some(sdp(1)) });
        let ok = self.only();
        assert_eq!(ok.what(), "200");
        self.receive(&within(&ok, "ACK", 1, id));
        assert_eq!(self.take_words(), Vec::<String>::new());
        self.take_heard();
        (leg, ok)
    }

    /// Time goes by; everything that was to wake up does, in order.
    pub(super) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(next) = self.wakes.iter().copied().min_by_key(|(_, at)| *at) {
            if next.1 > end {
                break;
            }
            self.wakes.retain(|wake| *wake != next);
            self.now = self.now.max(next.1);
            self.turn(|stack, cx| stack.wake(next.0, cx));
        }
        self.now = end;
    }

    /// What was sent since the last time.
    pub(super) fn take(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.sent)
    }

    /// The one message that was sent since the last time.
    pub(super) fn only(&mut self) -> Sent {
        let mut sent = self.take();
        let what: Vec<_> = sent.iter().map(Sent::what).collect();
        assert_eq!(sent.len(), 1, "one message was expected: {what:?}");
        sent.remove(0)
    }

    /// What was sent since the last time, each as method or status.
    pub(super) fn take_words(&mut self) -> Vec<String> {
        self.take().iter().map(Sent::what).collect()
    }

    /// What the call heard since the last time.
    pub(super) fn take_heard(&mut self) -> Vec<LegEvent> {
        std::mem::take(&mut self.heard)
    }

    /// Legs, client and server transactions in being.
    pub(super) fn lens(&self) -> (usize, usize, usize) {
        self.stack.lens()
    }
}

/// A request of the far end inside the dialog that our 200 made.
pub(super) fn within(ok: &Sent, method: &str, cseq: u32, id: &str) -> Draft {
    let contact = ok.header(HeaderId::Contact);
    let uri = contact.trim_start_matches('<').trim_end_matches('>');
    Draft::request(method, uri, id)
        .set("Via", &format!("SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK{id}{method}{cseq};rport"))
        .set("To", &ok.header(HeaderId::To))
        .set("From", &ok.header(HeaderId::From))
        .set("CSeq", &format!("{cseq} {method}"))
}

/// A request of the far end inside the dialog that our INVITE made and a 2xx with `tag` answered.
pub(super) fn within_ours(invite: &Sent, tag: &str, method: &str, cseq: u32, id: &str) -> Draft {
    let contact = invite.header(HeaderId::Contact);
    let uri = contact.trim_start_matches('<').trim_end_matches('>');
    Draft::request(method, uri, id)
        .set("Via", &format!("SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK{id}{method}{cseq};rport"))
        .set("From", &format!("{};tag={tag}", invite.header(HeaderId::To)))
        .set("To", &invite.header(HeaderId::From))
        .set("Call-ID", &invite.header(HeaderId::CallId))
        .set("CSeq", &format!("{cseq} {method}"))
}
