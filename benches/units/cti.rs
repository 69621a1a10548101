//! The T-Controller's turn: an event of a DN, encoded once and queued for every client
//! that is registered there.

use sipcluster::base::frames::LENGTH_BYTES;
use sipcluster::base::id::{CallUuid, ConnId, Ids, NodeId, Slot};
use sipcluster::base::outbox::Outbox;
use sipcluster::base::time::{Duration, Instant, WallTime};
use sipcluster::call::facts::{CallFact, Party, Step};
use sipcluster::cti::tlib::{self, Attributes, ClientRegistration, Request, RequestType, frame};
use sipcluster::modules::t_library::port::{ClientId, Heard};
use sipcluster::roles::node::t_controller::core::{Action, Core, Cx, Event};
use sipcluster::roles::node::t_controller::settings::{DnKind, Settings};
use std::hint::black_box;
use std::sync::Arc;

const DN: &str = "7001";
const OUTBOX_LEN: usize = 100_000;

struct Bench {
    core: Core,
    ids: Ids,
    out: Outbox<Action>,
    now: Instant,
}

impl Bench {
    fn on(&mut self, event: Event) {
        let (now, wall) = (self.now, WallTime(1_800_000_000_000));
        self.core.on(event, &mut Cx { now, wall, ids: &mut self.ids, out: &mut self.out });
        self.out.drain().for_each(|action| drop(black_box(action)));
    }

    fn request(&mut self, id: ClientId, request: Request) {
        let bytes = tlib::encode_frame(frame::Body::Request(request)).slice(LENGTH_BYTES..);
        self.on(Event::Heard(id, Heard::Frame(bytes)));
    }
}

fn settings(node: NodeId) -> Settings {
    Settings {
        name: "node".to_owned(),
        node,
        geo_location: "dc1".into(),
        dns: vec![(DN.into(), DnKind::TLibraryBased)],
        persons: [].into(),
        owners: ["desktop".into()].into(),
        agents: Default::default(),
        admission: Arc::default(),
        no_answer: Default::default(),
        auto_restore: false,
        logout_on_disconnect: true,
        addp: Default::default(),
        latency_poll: Duration::ZERO,
        reconnect: Duration::ZERO,
        move_delay: Duration::ZERO,
        proxies: [].into(),
        peers: Vec::new(),
        bulk: false,
    }
}

/// One party of a call at the DN holds and retrieves in turns: each is one event.
fn events(clients: u64) -> Box<dyn FnMut()> {
    let node = NodeId::new(1).expect("in range");
    let core = Core::new(Arc::new(settings(node)), 1, WallTime(0));
    let now = Instant(1_000_000_000_000);
    let mut bench = Bench { core, ids: Ids::new(1), out: Outbox::new(OUTBOX_LEN), now };
    for id in (1..=clients).map(ClientId) {
        let remote = "127.0.0.1:4000".parse().expect("an address");
        bench.on(Event::Heard(id, Heard::Connected(remote)));
        let registration = ClientRegistration {
            application_name: "desktop".to_owned(),
            protocol_version: 1,
            ..ClientRegistration::default()
        };
        let kind = RequestType::TRegisterClient.into();
        let registration = Some(registration);
        bench
            .request(id, Request { r#type: kind, reference_id: 1, attributes: None, registration });
        let kind = RequestType::TRegisterAddress.into();
        let this_dn = Some(DN.to_owned());
        let attributes = Some(Box::new(Attributes { this_dn, ..Attributes::default() }));
        bench
            .request(id, Request { r#type: kind, reference_id: 2, attributes, registration: None });
    }
    let fact = |step| CallFact {
        conn_id: ConnId(1),
        uuid: CallUuid::from_random([1, 2, 3]),
        caller: "0123".into(),
        dialled: DN.into(),
        destination: DN.into(),
        trunk: "Trunk".into(),
        is_inbound: true,
        slot: Slot { index: 1, generation: 1 },
        step,
    };
    bench.on(Event::Fact(Box::new(fact(Step::Connected))));
    let steps = [fact(Step::Held(Party::Callee)), fact(Step::Retrieved(Party::Callee))];
    let mut turn = 0;
    Box::new(move || {
        turn += 1;
        // The log forgets by time as in a day of work.
        bench.now = bench.now + Duration::from_millis(1);
        bench.on(Event::Fact(Box::new(steps[turn % 2].clone())));
    })
}

pub(crate) fn to_one(_: usize) -> Box<dyn FnMut()> {
    events(1)
}

pub(crate) fn to_ten(_: usize) -> Box<dyn FnMut()> {
    events(10)
}

pub(crate) fn to_hundred(_: usize) -> Box<dyn FnMut()> {
    events(100)
}
