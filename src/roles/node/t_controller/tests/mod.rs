//! The T-Controller's machine, stepped by hand with clients that read their frames.

mod agents;
mod calls;
mod clients;
mod log;
mod mesh;
mod no_answer;
mod operator;
mod service;
mod smart;
mod supervision;

use super::core::{Action, Core, Cx, Event, Wake};
use super::inbox::Phone;
use super::operator::OPERATOR;
use super::settings::{DnKind, Settings};
use crate::base::frames::{FrameReader, LENGTH_BYTES};
use crate::base::id::{ConnId, Ids, NodeId, Slot};
use crate::base::outbox::Outbox;
use crate::base::ownership::DnWord;
use crate::base::time::{Duration, Instant, WallTime};
use crate::call::facts::Order;
use crate::cti::agent;
use crate::cti::tlib::{
    self, Attributes, ClientRegistration, ErrorCode, EventType, Frame, RegisterMode, Request,
    RequestType, frame,
};
use crate::modules::t_library::port::{ClientId, Heard};
use bytes::Bytes;
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// DNs of the switch besides the phones 7001 to 7003.
const OWNED: usize = 300;

/// An event as a client sees it.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    kind: EventType,
    reference_id: u32,
    seq: u64,
    attributes: Attributes,
}

struct World {
    core: Core,
    ids: Ids,
    now: Instant,
    out: Outbox<Action>,
    seen: BTreeMap<ClientId, Vec<Seen>>,
    polls: Vec<(ClientId, u64)>,
    ended: BTreeSet<ClientId>,
    armed: Vec<(Wake, Instant)>,
    /// The most actions that one event has caused.
    most: usize,
    next_reference: u32,
    /// Answers to operators.
    operated: Vec<(u64, tlib::Event)>,
    /// What is wanted of calls.
    orders: Vec<Order>,
    /// What every thread reads of DNs.
    words: BTreeMap<String, DnWord>,
}

fn settings() -> Settings {
    let phones = (7001..7004).map(|dn| (dn.to_string().into(), DnKind::SipBased));
    let owned = (0..OWNED).map(|dn| (format!("{}", 8000 + dn).into(), DnKind::TLibraryBased));
    let others = [("5000".into(), DnKind::RoutingPoint), ("1".into(), DnKind::CommunicationDn)];
    Settings {
        name: "SIPS_dc1_1".to_owned(),
        node: NodeId::new(1).expect("in range"),
        geo_location: "dc1".into(),
        dns: phones.chain(owned).chain(others).collect(),
        persons: [("alice".into(), None), ("bob".into(), Some("secret".into()))].into(),
        owners: ["desktop".into()].into(),
        agents: agent::Options::default(),
        admission: Arc::default(),
        no_answer: super::no_answer::Options::default(),
        auto_restore: false,
        logout_on_disconnect: true,
        addp: crate::roles::node::t_controller::addp::Addp::default(),
        latency_poll: Duration::ZERO,
        reconnect: Duration::ZERO,
        move_delay: Duration::from_secs(3),
        proxies: BTreeSet::new(),
        peers: Vec::new(),
        bulk: false,
    }
}

fn dn(name: &str) -> Attributes {
    Attributes { this_dn: Some(name.into()), ..Attributes::default() }
}

impl World {
    fn new() -> Self {
        Self::with(settings())
    }

    fn with(settings: Settings) -> Self {
        Self {
            core: Core::new(Arc::new(settings), 7, WallTime(1_000)),
            ids: Ids::new(1),
            now: Instant(0) + Duration::from_secs(1_000),
            out: Outbox::new(1 << 20),
            seen: BTreeMap::new(),
            polls: Vec::new(),
            ended: BTreeSet::new(),
            armed: Vec::new(),
            most: 0,
            next_reference: 100,
            operated: Vec::new(),
            orders: Vec::new(),
            words: BTreeMap::new(),
        }
    }

    fn on(&mut self, event: Event) {
        let (now, wall, ids, out) = (self.now, WallTime(5_000), &mut self.ids, &mut self.out);
        self.core.on(event, &mut Cx { now, wall, ids, out });
        self.most = self.most.max(self.out.len());
        let actions: Vec<Action> = self.out.drain().collect();
        for action in actions {
            match action {
                Action::Send(OPERATOR, bytes) => self.on(Event::OperatorFrame(bytes)),
                Action::Order(order) => self.orders.push(order),
                Action::Operated(ask, event) => self.operated.push((ask, *event)),
                Action::Send(id, bytes) => self.read(id, &bytes),
                Action::End(id) => {
                    self.ended.insert(id);
                }
                Action::Arm(wake, at) => self.armed.push((wake, at)),
                Action::Note(index, word) => {
                    self.words.insert(self.core.dns[index].name.to_string(), word);
                }
                Action::SendLink(..) | Action::EndLink(_) | Action::Dial(..) => {
                    panic!("there is nobody")
                }
            }
        }
    }

    fn read(&mut self, id: ClientId, bytes: &[u8]) {
        let mut reader = FrameReader::new();
        reader.push(bytes);
        let frame = reader.next_frame().expect("short").expect("whole");
        assert!(reader.is_empty() && frame.len() + LENGTH_BYTES == bytes.len());
        let Frame { body, reference_id } = Frame::decode(frame).expect("of the language");
        match body.expect("a known body") {
            frame::Body::Event(event) => {
                let kind = EventType::try_from(event.r#type).expect("known");
                let from = (event.source, event.epoch, event.timeinu_secs);
                // A gap names the cursor that it is about.
                assert!(from == (1, 7, 5_000_000) || kind == EventType::EventGap, "{from:?}");
                let attributes = *event.attributes.expect("attributes");
                let seen = Seen { kind, reference_id, seq: event.seq, attributes };
                self.seen.entry(id).or_default().push(seen);
            }
            frame::Body::Poll(number) | frame::Body::PollAnswer(number) => {
                self.polls.push((id, number));
            }
            frame::Body::Request(_) | frame::Body::Acknowledged(_) => {
                panic!("a request to a client")
            }
        }
    }

    /// Lets time pass and fires what was armed for it, until nothing is due.
    fn after(&mut self, span: Duration) {
        self.now = self.now + span;
        self.settle();
    }

    fn settle(&mut self) {
        loop {
            let now = self.now;
            let due: Vec<_> = self.armed.extract_if(.., |(_, at)| *at <= now).collect();
            if due.is_empty() {
                return;
            }
            for (wake, _) in due {
                self.on(Event::Wake(wake));
            }
        }
    }

    fn connect(&mut self, id: u64) -> ClientId {
        let id = ClientId(id);
        let remote = "127.0.0.1:40000".parse().expect("an address");
        self.on(Event::Heard(id, Heard::Connected(remote)));
        id
    }

    /// A registered client of that name.
    fn client(&mut self, id: u64, name: &str) -> ClientId {
        let id = self.connect(id);
        self.register(id, name, 0);
        self.take(id);
        id
    }

    fn register(&mut self, id: ClientId, name: &str, addp_remote_timeout_ms: u32) {
        let registration = ClientRegistration {
            application_name: name.to_owned(),
            protocol_version: 1,
            addp_remote_timeout_ms,
            ..ClientRegistration::default()
        };
        self.send(
            id,
            Request {
                r#type: RequestType::TRegisterClient.into(),
                reference_id: 1,
                attributes: None,
                registration: Some(registration),
            },
        );
    }

    fn send(&mut self, id: ClientId, request: Request) {
        let bytes = tlib::encode_frame(frame::Body::Request(request)).slice(LENGTH_BYTES..);
        self.on(Event::Heard(id, Heard::Frame(bytes)));
    }

    fn gone(&mut self, id: ClientId) {
        self.on(Event::Heard(id, Heard::Gone("test")));
        self.settle();
    }

    /// Asks, and gives the one answer.
    fn ask(&mut self, id: ClientId, kind: RequestType, attributes: Attributes) -> Seen {
        self.next_reference += 1;
        let reference_id = self.next_reference;
        let attributes = Some(Box::new(attributes));
        self.send(
            id,
            Request { r#type: kind.into(), reference_id, attributes, registration: None },
        );
        self.settle();
        let seen = self.seen.entry(id).or_default();
        let mut answers: Vec<Seen> =
            seen.extract_if(.., |seen| seen.reference_id == reference_id).collect();
        assert_eq!(answers.len(), 1, "one answer to {kind:?}: {answers:?}");
        answers.remove(0)
    }

    fn refused(&mut self, id: ClientId, kind: RequestType, attributes: Attributes) -> ErrorCode {
        let answer = self.ask(id, kind, attributes);
        assert_eq!(answer.kind, EventType::EventError, "{answer:?}");
        assert_eq!(answer.seq, 0, "nobody else hears of it");
        answer.attributes.error_code()
    }

    fn register_dn(&mut self, id: ClientId, name: &str, mode: RegisterMode) -> Seen {
        let attributes = Attributes { register_mode: Some(mode.into()), ..dn(name) };
        self.ask(id, RequestType::TRegisterAddress, attributes)
    }

    /// Registers to share.
    fn share(&mut self, id: ClientId, name: &str) {
        let answer = self.register_dn(id, name, RegisterMode::Share);
        assert_eq!(answer.kind, EventType::EventRegistered);
    }

    fn phone(&mut self, name: &str, contact: &str, seconds: u64) {
        let contacts = vec![(contact.into(), seconds)];
        self.on(Event::Phone(Box::new(Phone { dn: name.into(), contacts, removes_all: false })));
    }

    /// What a client has seen and has not asked for, since this was asked last.
    fn take(&mut self, id: ClientId) -> Vec<Seen> {
        self.seen.remove(&id).unwrap_or_default()
    }

    fn kinds(&mut self, id: ClientId) -> Vec<EventType> {
        self.take(id).into_iter().map(|seen| seen.kind).collect()
    }
}

fn frame_of(bytes: &'static [u8]) -> Heard {
    Heard::Frame(Bytes::from_static(bytes))
}
