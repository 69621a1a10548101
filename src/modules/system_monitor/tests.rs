//! The server over connections in memory: paths, codes and bodies. Not tested here: the socket itself.

use core::cell::RefCell;
use core::future::pending;
use core::iter;
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
use crate::observe::board::{AppState, Board, CallView, NodeView, RegistrationView, TrunkView};
use crate::observe::prometheus::Registry;
use crate::runtime::clock::Clock;
use crate::runtime::mailbox::MailboxStats;
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
    assert_eq!(view, json!({"registrations": [], "total": 0}));
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
    let (code, problem) = bench.get("/api/v1/agents");
    assert_eq!(code, 404);
    assert_eq!(problem["title"], "Not Found");
    assert_eq!(problem["status"], 404);
    assert_eq!(bench.get("/api/v1/reload").0, 405);
    assert_eq!(bench.ask("POST", "/api/v1/status", "").0, 405);
    assert_eq!((bench.told)(), None);
}
