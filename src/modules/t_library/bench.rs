//! A machine over the clients of a port, stepped by hand: clients send requests and read
//! their frames.

use super::admission::Admission;
use super::clients::{Action, Cx, Event};
use super::port::{ClientId, Heard};
use super::turn::Core;
use crate::base::frames::LENGTH_BYTES;
use crate::base::id::Ids;
use crate::base::outbox::Outbox;
use crate::base::time::{Duration, Instant, WallTime};
use crate::config;
use crate::cti::tlib::{
    self, Attributes, ClientRegistration, EventType, Frame, Request, RequestType, frame,
};
use bytes::Bytes;
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};

/// A frame as a client reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The client's own request.
    pub reference_id: u32,
    /// The event.
    pub event: tlib::Event,
}

impl Seen {
    /// Its attributes.
    pub fn given(&self) -> &Attributes {
        self.event.attributes.as_ref().expect("attributes")
    }

    /// Its type's name without `Event`, and its DN.
    pub fn shortly(&self) -> String {
        let kind = self.event.r#type().as_str_name().trim_start_matches("Event").to_owned();
        [kind, self.given().this_dn.clone().unwrap_or_default()].join(" ").trim_end().to_owned()
    }
}

/// The machine and its world.
pub struct Bench<C: Core> {
    /// The machine.
    pub core: C,
    /// The time.
    pub now: Instant,
    /// What waits for each client, as the machine is told.
    pub backlog: BTreeMap<ClientId, usize>,
    /// What only this machine wants.
    pub own: Vec<C::Own>,
    /// Clients that were ended.
    pub ended: BTreeSet<ClientId>,
    ids: Ids,
    out: Outbox<Action<C::Own>>,
    seen: BTreeMap<ClientId, Vec<Seen>>,
    armed: Vec<(Instant, ClientId)>,
    reference_id: u32,
}

impl<C: Core> Bench<C> {
    /// A machine that has heard of nothing.
    pub fn new(core: C) -> Self {
        Self {
            core,
            now: Instant::ZERO + Duration::from_secs(1_000),
            backlog: BTreeMap::new(),
            own: Vec::new(),
            ended: BTreeSet::new(),
            ids: Ids::new(3),
            out: Outbox::new(1 << 20),
            seen: BTreeMap::new(),
            armed: Vec::new(),
            reference_id: 0,
        }
    }

    /// One event.
    pub fn on(&mut self, event: Event<C::Mail>) {
        let backlog = &self.backlog;
        let mut cx = Cx {
            now: self.now,
            wall: WallTime(5_000),
            ids: &mut self.ids,
            out: &mut self.out,
            backlog: &|id| backlog.get(&id).copied().unwrap_or_default(),
        };
        self.core.on(event, &mut cx);
        for action in self.out.drain() {
            match action {
                Action::Send(id, bytes) => {
                    let frame = Frame::decode(&bytes[LENGTH_BYTES..]).expect("a frame");
                    let Some(frame::Body::Event(event)) = frame.body else { continue };
                    let reference_id = frame.reference_id;
                    self.seen.entry(id).or_default().push(Seen { reference_id, event });
                }
                Action::End(id) => {
                    self.ended.insert(id);
                }
                Action::Arm(id, at) => self.armed.push((at, id)),
                Action::Own(own) => self.own.push(own),
            }
        }
    }

    /// Time goes on, and wakes what is due.
    pub fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        loop {
            self.armed.sort();
            let Some((at, id)) = self.armed.first().copied().filter(|(at, _)| *at <= until) else {
                break;
            };
            self.armed.remove(0);
            self.now = self.now.max(at);
            self.on(Event::Wake(id));
        }
        self.now = until;
    }

    /// A client connects.
    pub fn connect(&mut self, id: u64) -> ClientId {
        let remote = "127.0.0.1:4000".parse().expect("an address");
        self.on(Event::Heard(ClientId(id), Heard::Connected(remote)));
        ClientId(id)
    }

    /// A client connects and says who it is; its answers are read.
    pub fn client(&mut self, id: u64, registration: ClientRegistration) -> ClientId {
        let id = self.connect(id);
        let answer = self.register(id, registration);
        assert_eq!(answer.event.r#type(), EventType::EventServerConnected);
        assert_eq!(self.read(id), ["LinkConnected"]);
        id
    }

    /// TRegisterClient; gives the answer.
    pub fn register(&mut self, id: ClientId, registration: ClientRegistration) -> Seen {
        let registration = ClientRegistration { protocol_version: 1, ..registration };
        self.send(id, RequestType::TRegisterClient, Attributes::default(), Some(registration));
        self.seen.get_mut(&id).expect("an answer").remove(0)
    }

    /// A request; gives its answer.
    pub fn ask(&mut self, id: ClientId, kind: RequestType, given: Attributes) -> Seen {
        let reference_id = self.send(id, kind, given, None);
        let seen = self.seen.get_mut(&id).expect("an answer");
        let place = seen.iter().position(|seen| seen.reference_id == reference_id);
        seen.remove(place.expect("an answer"))
    }

    /// The error code of a request that is refused.
    pub fn refused(
        &mut self,
        id: ClientId,
        kind: RequestType,
        given: Attributes,
    ) -> tlib::ErrorCode {
        let answer = self.ask(id, kind, given);
        assert_eq!(answer.event.r#type(), EventType::EventError, "{answer:?}");
        answer.given().error_code()
    }

    /// A request whose answer is read later; gives its ReferenceID.
    pub fn request(&mut self, id: ClientId, kind: RequestType, given: Attributes) -> u32 {
        self.send(id, kind, given, None)
    }

    fn send(
        &mut self,
        id: ClientId,
        kind: RequestType,
        given: Attributes,
        registration: Option<ClientRegistration>,
    ) -> u32 {
        self.reference_id += 1;
        let request = Request {
            r#type: kind.into(),
            reference_id: self.reference_id,
            attributes: Some(Box::new(given)),
            registration,
        };
        let frame = tlib::encode_frame(frame::Body::Request(request));
        self.on(Event::Heard(id, Heard::Frame(Bytes::copy_from_slice(&frame[LENGTH_BYTES..]))));
        self.reference_id
    }

    /// Wake-ups of a client that are under way.
    pub fn armed(&self, id: ClientId) -> usize {
        self.armed.iter().filter(|(_, armed)| *armed == id).count()
    }

    /// What a client has read since, shortly.
    pub fn read(&mut self, id: ClientId) -> Vec<String> {
        self.take(id).iter().map(Seen::shortly).collect()
    }

    /// What a client has read since.
    pub fn take(&mut self, id: ClientId) -> Vec<Seen> {
        self.seen.remove(&id).unwrap_or_default()
    }

    /// A client is gone.
    pub fn lose(&mut self, id: ClientId) {
        self.on(Event::Heard(id, Heard::Gone("closed by the client")));
    }
}

/// The clients of a configuration that has nothing else of its own.
pub fn admission(clients: &str) -> Admission {
    let text = format!(
        "{clients}switches:\n- name: S\n  type: sip-switch\n  dns:\n  - {{name: C, type: voip-service, options: \
         {{service-type: sip-cluster-nodes, applications: [N], siproxy-applications: [P]}}}}\n  - {{name: O, type: \
         voip-service, options: {{service-type: sip-outbound-proxy}}}}\napplications:\n- {{name: N, role: node, switch: S, \
         geo-location: dc1, host: 127.0.0.1, ports: {{sip: 5070, TCport: 7011}}}}\n- {{name: P, role: sip-proxy, \
         switch: S, geo-location: dc1, host: 127.0.0.1, ports: {{sip: 5060}}}}\n"
    );
    let loaded = config::load_text(&text, "cluster.yaml", &|_| None);
    let config = loaded.unwrap_or_else(|report| panic!("{report}")).config;
    Admission::of(&config)
}
