//! The server over connections in memory: paths, codes and bodies. Not tested here: the socket itself.

use core::cell::RefCell;
use core::future::pending;
use core::iter;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use axum::serve::Listener;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::yield_now;

use super::limits::ROWS_TIME;
use super::serve::{Bounded, serve};
use super::{Command, Sources, routes};
use crate::base::contact::{Bound, ContactBlock, Parts};
use crate::base::flow::{ConnectionId, Flow, Protocol};
use crate::base::id::{CallUuid, ConnId, NodeId};
use crate::base::time::{Instant, WallTime};
use crate::cti::tlib::{Attributes, ErrorCode, Event, EventType, RequestType};
use crate::observe::board::{
    AgentView, AppState, Board, CallView, ClientView, DnState, DnView, LinkView, NodeView,
    RegistrationView, TrunkView,
};
use crate::observe::prometheus::Registry;
use crate::runtime::clock::Clock;
use crate::runtime::mailbox::{Class, Mail, MailboxStats, mailbox};
use crate::runtime::runner::StopSignal;

/// Gives one connection.
struct Once(Option<DuplexStream>);

impl Listener for Once {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        match self.0.take() {
            Some(io) => (io, ()),
            None => pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

struct Bench {
    board: Arc<Board>,
    sources: Arc<Sources>,
    told: Box<dyn Fn() -> Option<Command>>,
    turn: RefCell<Box<dyn FnMut(Instant)>>,
}

impl Bench {
    /// `room`: commands that fit into the queue.
    fn new(room: usize) -> Self {
        let (commands, orders) = std::sync::mpsc::sync_channel(room);
        let board = Arc::new(Board::new());
        let mailbox = || MailboxStats {
            name: "shard-001".to_owned(),
            len: 3,
            len_max: 10,
            sent: 40,
            refused: [2, 1, 0],
        };
        let sources = Arc::new(Sources {
            board: Arc::clone(&board),
            registry: Arc::new(Registry::new()),
            mailboxes: Box::new(move || vec![mailbox()]),
            desks: BTreeMap::new(),
            commands,
            clock: Clock::start(),
            version: "1.2.3",
        });
        let told = Box::new(move || orders.try_recv().ok());
        Self { board, sources, told, turn: RefCell::new(Box::new(|_| {})) }
    }

    /// What other threads do over and over while a request is under way.
    fn turn(&mut self, turn: impl FnMut(Instant) + 'static) {
        self.turn = RefCell::new(Box::new(turn));
    }

    fn ready(self) -> Self {
        let mut app = AppState::of("SIPS_1", "");
        app.role = "node".to_owned();
        app.node_id = 7;
        self.board.publish(app);
        self
    }

    /// Status code, head and body of the answer.
    fn ask(&self, method: &str, path: &str, headers: &str) -> (u16, String, String) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().expect("runtime");
        let (ours, theirs) = duplex(1 << 16);
        let stop = StopSignal::new();
        let router = routes::router(Arc::clone(&self.sources));
        let turns = async {
            loop {
                (self.turn.borrow_mut())(self.sources.clock.now());
                yield_now().await;
            }
        };
        let asked = async {
            let server =
                tokio::spawn(serve(Bounded::new(Once(Some(theirs))), router, stop.clone()));
            let mut ours = ours;
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n"
            );
            ours.write_all(request.as_bytes()).await.expect("written");
            let mut text = String::new();
            ours.read_to_string(&mut text).await.expect("read");
            stop.stop();
            server.await.expect("the server ends");
            text
        };
        let text = runtime.block_on(async {
            tokio::select! {
                text = asked => text,
                () = turns => unreachable!("turns go on"),
            }
        });
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let code =
            head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status code");
        (code, head.to_lowercase(), body.to_owned())
    }

    fn get(&self, path: &str) -> (u16, Value) {
        let (code, _, body) = self.ask("GET", path, "");
        (code, serde_json::from_str(&body).expect("JSON"))
    }
}

#[test]
fn alive_is_told_whatever_the_state() {
    let (code, _, body) = Bench::new(1).ask("GET", "/livez", "");
    assert_eq!((code, body.as_str()), (200, "ok"));
}

#[test]
fn ready_needs_every_application() {
    let bench = Bench::new(1);
    assert_eq!(bench.get("/readyz").0, 503);
    let bench = bench.ready();
    assert_eq!(bench.get("/readyz"), (200, json!({"ready": true, "reasons": []})));
    let mut late = AppState::of("SIPProxy_1", "registrar");
    late.ready = false;
    late.reasons = vec!["waits for SIPProxy_2".to_owned()];
    bench.board.publish(late);
    let reasons = json!(["SIPProxy_1: waits for SIPProxy_2"]);
    assert_eq!(bench.get("/readyz"), (503, json!({"ready": false, "reasons": reasons})));
}

#[test]
fn status_names_the_applications() {
    let (code, status) = Bench::new(1).ready().get("/api/v1/status");
    assert_eq!(code, 200);
    assert_eq!(status["version"], "1.2.3");
    assert_eq!(status["applications"][0]["name"], "SIPS_1");
    assert_eq!(status["applications"][0]["node_id"], 7);
    assert_eq!(status["applications"][0]["in_service"], true);
}

#[test]
fn nodes_are_shown_as_each_application_sees_them() {
    let bench = Bench::new(1).ready();
    let mut proxy = AppState::of("SIPProxy_1", "");
    proxy.nodes = vec![
        NodeView { node_id: 7, address: "127.0.0.1:5070".to_owned(), in_service: true },
        NodeView { node_id: 8, address: "127.0.0.2:5070".to_owned(), in_service: false },
    ];
    proxy.trunks = vec![TrunkView { name: "Trunk_SBC".to_owned(), in_service: false }];
    bench.board.publish(proxy);
    let (_, view) = bench.get("/api/v1/nodes");
    assert_eq!(view["nodes"][0]["name"], "SIPS_1");
    assert_eq!(view["nodes"][1]["name"], Value::Null);
    assert_eq!(view["nodes"][1]["in_service"], false);
    assert_eq!(view["nodes"][1]["seen_by"], "SIPProxy_1");
    assert_eq!(
        view["trunks"],
        json!([{"name": "Trunk_SBC", "in_service": false, "seen_by": "SIPProxy_1"}])
    );
}

fn call_view(caller: &str) -> CallView {
    let uuid = CallUuid::from_text(b"0123456789ABCDEFGHIJKLMNOPQRSTUV").expect("a CallUUID");
    CallView {
        uuid,
        conn_id: ConnId(0x0070_0000_0000_0001),
        caller: caller.into(),
        dialled: "7002".into(),
        destination: "".into(),
        state: "alerting",
        started: WallTime(1_795_209_494_123),
    }
}

#[test]
fn calls_that_stand_are_shown_within_a_second_with_their_node() {
    let row = json!({
        "uuid": "0123456789ABCDEFGHIJKLMNOPQRSTUV", "conn_id": "0070000000000001", "node": "SIPS_1",
        "caller": "7001", "dialled": "7002", "destination": "", "state": "alerting",
        "started": "2026-11-20T21:18:14.123Z",
    });
    for rows in [vec![row], vec![]] {
        let mut bench = Bench::new(1).ready();
        let mut shard = bench.board.calls.part("SIPS_1", "001");
        let total = rows.len();
        bench.turn(move |now| shard.publish(now, total, (0..total).map(|_| call_view("7001"))));
        let asked = bench.sources.clock.now();
        assert_eq!(bench.get("/api/v1/calls").1, json!({"calls": rows, "total": total}));
        assert!(bench.sources.clock.now().since(asked) < ROWS_TIME);
    }
}

#[test]
fn other_pages_ask_for_no_rows() {
    let mut bench = Bench::new(1).ready();
    let mut calls = bench.board.calls.part("SIPS_1", "001");
    let mut registrations = bench.board.registrations.part("SIPS_1", "001");
    bench.turn(move |now| {
        calls.publish(now, 1, iter::from_fn(|| panic!("nobody has asked for calls")));
        let none = iter::from_fn(|| panic!("nobody has asked for registrations"));
        registrations.publish(now, 1, none);
    });
    for path in ["/livez", "/readyz", "/metrics", "/api/v1/status", "/api/v1/nodes"] {
        assert_eq!(bench.ask("GET", path, "").0, 200, "{path}");
    }
}

#[test]
fn a_part_that_has_died_holds_the_answer_up_for_a_second() {
    let mut bench = Bench::new(1).ready();
    let mut alive = bench.board.calls.part("SIPS_1", "001");
    let _dead = bench.board.calls.part("SIPS_2", "001");
    let mut last = AppState::of("SIPS_2", "001");
    last.counts.calls = 5;
    bench.board.publish(last);
    bench.turn(move |now| alive.publish(now, 1, iter::once(call_view("7001"))));
    let asked = bench.sources.clock.now();
    let (code, view) = bench.get("/api/v1/calls");
    assert!(bench.sources.clock.now().since(asked) >= ROWS_TIME);
    assert_eq!(
        (code, &view["calls"][0]["node"], &view["total"]),
        (200, &json!("SIPS_1"), &json!(6))
    );
    // Nor does anybody wait for it who does not ask for calls.
    let (_, view) = bench.get("/api/v1/dns");
    assert_eq!(view, json!({"dns": [], "dns_total": 0, "registrations": [], "total": 0}));
}

#[test]
fn a_binding_that_two_proxies_hold_is_shown_once() {
    let mut bench = Bench::new(1);
    let (node, proxy) = (NodeId::new(1).expect("in range"), NodeId::new(101).expect("in range"));
    let address = "127.0.0.1:5060".parse().expect("an address");
    let source = Flow {
        protocol: Protocol::Udp,
        local: address,
        remote: address,
        connection: ConnectionId::default(),
    };
    let binding = |dn: &str, expires_s| {
        let uri = format!("sip:{dn}@127.0.0.12:5062");
        let bound = Some(Bound { uri: &uri, params: "", q: 700, node, source });
        let parts = Parts { aor: dn, key: &uri, call_id: "reg", bound };
        RegistrationView { contact: ContactBlock::new(&parts), expires_s, proxy }
    };
    let mut proxies = [
        ("SIPProxy_1", vec![binding("7001", 118)]),
        ("SIPProxy_2", vec![binding("7001", 120), binding("7002", 5)]),
    ]
    .map(|(name, rows)| (bench.board.registrations.part(name, "001"), rows));
    bench.turn(move |now| {
        for (proxy, rows) in &mut proxies {
            proxy.publish(now, rows.len(), rows.iter().cloned());
        }
    });
    let (_, view) = bench.get("/api/v1/dns");
    let rows = view["registrations"].as_array().expect("a list");
    let rows: Vec<_> =
        rows.iter().map(|row| (row["dn"].as_str(), row["expires_s"].as_u64())).collect();
    assert_eq!(rows, [(Some("7001"), Some(120)), (Some("7002"), Some(5))]);
    assert_eq!(
        view["registrations"][1],
        json!({
            "dn": "7002", "contact": "sip:7002@127.0.0.12:5062", "q": "0.700", "expires_s": 5,
            "proxy": "101", "node": "1",
        })
    );
    assert_eq!(view["total"], 2);
}

fn agent_view() -> AgentView {
    AgentView {
        agent_id: "alice".into(),
        session: CallUuid::from_text(b"0123456789ABCDEFGHIJKLMNOPQRSTUV").expect("a CallUUID"),
        state: "not-ready",
        work_mode: "AgentWorkModeAuxWork",
        reasons: vec!["break=lunch".to_owned()],
        since: WallTime(1_795_209_494_123),
        desktop: NodeId::new(3).map(|node| ("desktop".into(), node)),
    }
}

/// A DN as its owner has it, or as another node does.
fn dn_view(dn: &str, owner: u16, epoch: u32, is_owner: bool) -> DnView {
    let agent = (dn == "7001").then(|| Box::new(agent_view()));
    let state = DnState {
        in_service: true,
        status: "idle",
        dnd: false,
        forward: None,
        calls: 0,
        clients: 2,
        agent,
        monitors: Some("5000".into()),
        supervisors: vec!["7003".into()],
    };
    let owner = NodeId::new(owner);
    DnView { dn: dn.into(), kind: "sip", owner, epoch, state: is_owner.then_some(state) }
}

#[test]
fn a_dn_is_shown_as_its_owner_knows_it() {
    let mut bench = Bench::new(1).ready();
    let mut nodes = [
        ("SIPS_1", vec![dn_view("7001", 2, 4, false), dn_view("7002", 0, 0, false)]),
        ("SIPS_2", vec![dn_view("7001", 2, 4, true), dn_view("7002", 3, 1, false)]),
    ]
    .map(|(name, rows)| {
        (bench.board.dns.part(name, "1280"), bench.board.agents.part(name, "1280"), rows)
    });
    bench.turn(move |now| {
        for (dns, agents, rows) in &mut nodes {
            dns.publish(now, rows.len(), rows.iter().cloned());
            let has_one = |row: &&DnView| row.state.as_ref().is_some_and(|own| own.agent.is_some());
            agents.publish(now, 1, rows.iter().filter(has_one).cloned());
        }
    });
    let (_, view) = bench.get("/api/v1/dns");
    assert_eq!(
        view["dns"][0],
        json!({
            "dn": "7001", "type": "sip", "owner": 2, "epoch": 4, "in_service": true, "status": "idle",
            "dnd": false, "forward": null, "calls": 0, "clients": 2, "agent_id": "alice",
            "monitors": "5000", "supervisors": ["7003"],
        })
    );
    let other = &view["dns"][1];
    assert_eq!((&other["owner"], &other["in_service"]), (&json!(3), &Value::Null), "not here");
    assert_eq!(view["dns_total"], 2);
    let (_, view) = bench.get("/api/v1/agents");
    assert_eq!(
        view["agents"],
        json!([{
            "agent_id": "alice", "dn": "7001", "state": "not-ready",
            "work_mode": "AgentWorkModeAuxWork", "reasons": ["break=lunch"],
            "since": "2026-11-20T21:18:14.123Z", "session": "0123456789ABCDEFGHIJKLMNOPQRSTUV",
            "node": "SIPS_2", "desktop": "desktop at 3",
        }])
    );
}

#[test]
fn t_controllers_are_shown_with_their_links_and_clients() {
    let mut bench = Bench::new(1).ready();
    let mut part = AppState::of("SIPS_1", "1280");
    part.epoch = 9;
    part.counts.owned_dns = 5;
    let down = LinkView {
        node_id: 2,
        address: "127.0.0.2:7014".parse().expect("an address"),
        geo_location: "dc2".into(),
        epoch: 0,
        since: None,
        round_trip: None,
        request_ms: None,
        response_ms: None,
        last: None,
        tx_queue_len: 0,
        rx_queue_len: 0,
    };
    let up = LinkView {
        node_id: 3,
        epoch: 8,
        since: Some(WallTime(1_795_209_494_123)),
        round_trip: Some(core::time::Duration::from_micros(1_500)),
        request_ms: Some(-3),
        response_ms: Some(4),
        last: Some(WallTime(1_795_209_494_123)),
        tx_queue_len: 77,
        rx_queue_len: 5,
        ..down.clone()
    };
    part.links = vec![down, up];
    bench.board.publish(part);
    let mut clients = bench.board.clients.part("SIPS_1", "1280");
    let client = ClientView {
        port: "TCport",
        application: "desktop".into(),
        session: CallUuid::from_text(b"0123456789ABCDEFGHIJKLMNOPQRSTUV").expect("a CallUUID"),
        address: "127.0.0.9:40000".parse().expect("an address"),
        dns: 12,
        lag_len: 640,
        connected: WallTime(1_795_209_494_123),
    };
    bench.turn(move |now| clients.publish(now, 1, iter::once(client.clone())));
    let (_, view) = bench.get("/api/v1/nodes");
    assert_eq!(view["t_controllers"][0]["dns_owned"], 5);
    assert_eq!(
        (&view["links"][0]["up"], &view["links"][0]["RTT_ms"]),
        (&json!(false), &Value::Null)
    );
    let up = &view["links"][1];
    assert_eq!((&up["RTT_ms"], &up["TXT_ms"], &up["RXT_ms"]), (&json!(1.5), &json!(-3), &json!(4)));
    assert_eq!((&up["TX_QUEUE_LEN"], &up["RX_QUEUE_LEN"]), (&json!(77), &json!(5)));
    assert_eq!(up["epoch"], 8);
    let client = &view["clients"][0];
    assert_eq!((&client["lag_bytes"], &client["dns"]), (&json!(640), &json!(12)));
    assert_eq!(client["port"], "TCport");
    let (_, _, page) = bench.ask("GET", "/metrics", "");
    for line in [
        "sipcluster_dns_owned{node=\"SIPS_1\"} 5\n",
        "sipcluster_tc_link_up{node=\"SIPS_1\",peer=\"2\"} 0\n",
        "sipcluster_tc_rtt_seconds{node=\"SIPS_1\",peer=\"3\"} 0.0015\n",
        "sipcluster_tc_txt_seconds{node=\"SIPS_1\",peer=\"3\"} -0.003\n",
        "sipcluster_tc_tx_queue_bytes{node=\"SIPS_1\",peer=\"3\"} 77\n",
        "sipcluster_tc_rx_queue_bytes{node=\"SIPS_1\",peer=\"3\"} 5\n",
    ] {
        assert!(page.contains(line), "{line}: {page}");
    }
}

/// A T-Controller that answers as the DN says.
fn desk(asked: Mail<(RequestType, Attributes)>) -> super::Desk {
    Box::new(move |kind, given| {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let (dn, code) = match given.this_dn.as_deref() {
            Some("busy") => return None,
            Some("silent") => return Some(receiver),
            Some("9999") => (None, Some(ErrorCode::ErrorNotConfigured)),
            Some("7009") => (None, Some(ErrorCode::ErrorWrongState)),
            other => (other.map(str::to_owned), None),
        };
        let attributes = Attributes {
            this_dn: dn,
            agent_id: Some("alice".to_owned()),
            error_code: code.map(Into::into),
            error_message: code.map(|_| "no".to_owned()),
            ..Attributes::default()
        };
        let kind_of_event =
            if code.is_some() { EventType::EventError } else { EventType::EventAgentReady };
        let event = Event {
            r#type: kind_of_event.into(),
            source: 3,
            attributes: Some(Box::new(attributes)),
            ..Event::default()
        };
        asked.send(Class::New, (kind, given)).expect("room");
        sender.send(event).expect("somebody waits");
        Some(receiver)
    })
}

#[test]
fn operators_have_agents_do_something() {
    let (sender, inbox) = mailbox("asked", 8);
    let asked = || {
        let mut taken = Vec::new();
        inbox.take(&mut taken, 8);
        taken
    };
    let mut bench = Bench::new(1).ready();
    assert_eq!(bench.ask("POST", "/api/v1/agents/7001/ready", "").0, 404, "nobody is there");
    let sources = Arc::get_mut(&mut bench.sources).expect("not shared yet");
    sources.desks.insert("SIPS_1".to_owned(), desk(sender.clone()));
    sources.desks.insert("SIPS_2".to_owned(), desk(sender));
    let post = |path: &str, body: &str| {
        let length = format!("Content-Length: {}\r\n\r\n{body}", body.len());
        let (code, _, body) = bench.ask("POST", path, &length);
        (code, serde_json::from_str::<Value>(&body).unwrap_or_default())
    };
    let body =
        r#"{"agent_id":"alice","password":"x","work_mode":"aux-work","reasons":{"a":"b","n":4}}"#;
    let (code, view) = post("/api/v1/agents/7001/login", body);
    assert_eq!(
        (code, &view["event"], &view["node_id"]),
        (200, &json!("EventAgentReady"), &json!(3))
    );
    let (kind, given) = asked().remove(0);
    assert_eq!(kind, RequestType::TAgentLogin);
    assert_eq!((given.agent_id.as_deref(), given.password.as_deref()), (Some("alice"), Some("x")));
    let reasons = given.reasons.expect("reasons");
    assert_eq!((reasons.text("a"), reasons.number("n")), (Some("b"), Some(4)));
    assert_eq!(post("/api/v1/agents/7001/ready", "").0, 200);
    let [(kind, _)] = &asked()[..] else { panic!("the first that knows the DN works on it") };
    assert_eq!(*kind, RequestType::TAgentSetReady);
    let (code, problem) = post("/api/v1/agents/9999/logout", "");
    assert_eq!((code, asked().len()), (404, 2), "each was asked: {problem}");
    let (code, problem) = post("/api/v1/agents/7009/not-ready", "{}");
    assert_eq!(code, 409);
    assert_eq!(problem["detail"], "ErrorWrongState (185): no");
    assert_eq!(post("/api/v1/agents/busy/ready", "").0, 503);
    for (path, body, said) in [
        ("/api/v1/agents/7001/dance", "", "not dance"),
        ("/api/v1/agents/7001/ready", "{", "the body"),
        ("/api/v1/agents/7001/ready", r#"{"agentid":"x"}"#, "agentid"),
        ("/api/v1/agents/7001/ready", r#"{"work_mode":"x"}"#, "manual-in"),
        ("/api/v1/agents/7001/ready", r#"{"reasons":{"a":[]}}"#, "reason a"),
    ] {
        let (code, problem) = post(path, body);
        assert!(code == 400 || code == 404, "{path} {body}");
        assert!(problem["detail"].as_str().is_some_and(|text| text.contains(said)), "{problem}");
    }
    let origin = "Origin: http://example.com\r\n";
    assert_eq!(bench.ask("POST", "/api/v1/agents/7001/ready", origin).0, 403);
    assert_eq!(bench.ask("GET", "/api/v1/agents/7001/ready", "").0, 405);
}

#[test]
fn mailboxes_stand_in_the_api_and_among_the_metrics() {
    let bench = Bench::new(1).ready();
    let (_, view) = bench.get("/api/v1/mailboxes");
    assert_eq!(view["mailboxes"][0]["refused"], json!({"new": 2, "continuing": 1, "internal": 0}));
    let (code, head, page) = bench.ask("GET", "/metrics", "");
    assert_eq!(code, 200);
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert!(page.contains("sipcluster_mailbox_len{mailbox=\"shard-001\"} 3\n"), "{page}");
    assert!(
        page.contains("sipcluster_mailbox_refused_total{mailbox=\"shard-001\",class=\"new\"} 2\n")
    );
    assert!(page.contains("sipcluster_node_role{node=\"SIPS_1\",role=\"node\"} 1\n"));
    let (_, head, page) =
        bench.ask("GET", "/metrics", "Accept: application/openmetrics-text; version=1.0.0\r\n");
    assert!(head.contains("content-type: application/openmetrics-text"), "{head}");
    assert!(page.ends_with("# EOF\n"), "{page}");
}

#[test]
fn commands_are_passed_on() {
    let bench = Bench::new(2).ready();
    assert_eq!(bench.ask("POST", "/api/v1/drain/SIPS_1", "").0, 202);
    assert_eq!(bench.ask("POST", "/api/v1/reload", "").0, 202);
    assert_eq!((bench.told)(), Some(Command::Drain("SIPS_1".to_owned())));
    assert_eq!((bench.told)(), Some(Command::Reload));
    assert_eq!((bench.told)(), None);
}

#[test]
fn commands_that_cannot_be_carried_out_are_refused() {
    let bench = Bench::new(1).ready();
    let (code, head, body) = bench.ask("POST", "/api/v1/drain/nobody", "");
    assert_eq!(code, 404);
    assert!(head.contains("content-type: application/problem+json"), "{head}");
    assert!(body.contains("no application nobody"), "{body}");
    assert_eq!(bench.ask("POST", "/api/v1/reload", "Origin: http://example.com\r\n").0, 403);
    assert_eq!((bench.told)(), None);
    assert_eq!(bench.ask("POST", "/api/v1/reload", "").0, 202);
    let (code, head, _) = bench.ask("POST", "/api/v1/reload", "");
    assert_eq!(code, 503);
    assert!(head.contains("retry-after: 1"), "{head}");
}

#[test]
fn other_paths_and_methods_are_problems() {
    let bench = Bench::new(1).ready();
    let (code, problem) = bench.get("/api/v1/nobody");
    assert_eq!(code, 404);
    assert_eq!(problem["title"], "Not Found");
    assert_eq!(problem["status"], 404);
    assert_eq!(bench.get("/api/v1/reload").0, 405);
    assert_eq!(bench.ask("POST", "/api/v1/status", "").0, 405);
    assert_eq!((bench.told)(), None);
}
