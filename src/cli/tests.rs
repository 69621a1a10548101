//! Reading the command line, reading answers, and what people see. Not tested here: sockets.

use core::time::Duration;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use clap::{CommandFactory as _, Parser as _};
use serde_json::{Value, json};

use super::http::{self, Answer, Asked, HttpError, exchange, read_answer, segment};
use super::operate::{duration, request, shown};
use super::table::{Table, cell};
use super::{At, Check, Cli, Command, Drain, Operate, Run};
use crate::load::plan::{Called, Pace, Scenario, Side};

fn cli(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

fn get(place: &str) -> Asked {
    let (at, path) = (place.to_owned(), "/livez".to_owned());
    Asked { at, method: "GET", path, body: String::new() }
}

fn at(place: &str) -> At {
    At { at: place.to_owned() }
}

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn commands_are_read() {
    let run = |file: &str, apps: &[&str]| {
        Command::Run(Run {
            file: PathBuf::from(file),
            apps: apps.iter().map(|app| (*app).to_owned()).collect(),
        })
    };
    for (line, json, command) in [
        ("sipcluster run", false, run("sipcluster.yaml", &[])),
        ("sipcluster run a.yaml --app X --app Y", false, run("a.yaml", &["X", "Y"])),
        ("sipcluster check a.yaml", false, Command::Check(Check { file: PathBuf::from("a.yaml") })),
        ("sipcluster schema", false, Command::Schema),
        ("sipcluster version --json", true, Command::Version),
        ("sipcluster --json status", true, Command::Operate(Operate::Status(at("127.0.0.1:8080")))),
        (
            "sipcluster nodes --at 127.0.0.1:8091",
            false,
            Command::Operate(Operate::Nodes(at("127.0.0.1:8091"))),
        ),
        ("sipcluster calls --json", true, Command::Operate(Operate::Calls(at("127.0.0.1:8080")))),
        ("sipcluster dns", false, Command::Operate(Operate::Dns(at("127.0.0.1:8080")))),
        (
            "sipcluster drain SIPS_1",
            false,
            Command::Operate(Operate::Drain(Drain {
                app: "SIPS_1".to_owned(),
                at: at("127.0.0.1:8080"),
            })),
        ),
    ] {
        let read = cli(line).expect(line);
        assert_eq!((read.json, read.command), (json, command), "{line}");
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    for line in [
        "sipcluster",
        "sipcluster top",
        "sipcluster check",
        "sipcluster drain",
        "sipcluster agent 7001",
        "sipcluster agent 7001 login",
        "sipcluster agent 7001 dance",
        "sipcluster agents 7001",
        "sipcluster status extra",
        "sipcluster run --at 127.0.0.1:1",
        "sipcluster run a.yaml b.yaml",
        "sipcluster load",
        "sipcluster load talk",
        "sipcluster load register --rate 5 --in-flight 5",
        "sipcluster load register --rate 0",
        "sipcluster load register --numbers 9-7",
        "sipcluster load call --trunk",
        "sipcluster load call --password {dm}",
        "sipcluster load answer",
        "sipcluster load options --header X",
    ] {
        assert_eq!(cli(line).expect_err(line).exit_code(), 2, "{line}");
    }
    assert_eq!(cli("sipcluster --help").expect_err("help").exit_code(), 0);
}

#[test]
fn load_becomes_a_plan() {
    let plan = |line: &str| {
        let Command::Load(load) = cli(line).expect(line).command else { panic!("{line}") };
        load.plan()
    };
    let read = plan("sipcluster load register --to 127.0.0.1:5060,127.0.0.2:5060 --for 9");
    assert_eq!((read.scenario, read.targets.len()), (Scenario::Register, 2));
    assert_eq!((read.pace, read.count), (Pace::Rate(10), None));
    assert_eq!(read.time, Some(Duration::from_secs(9)));
    let read = plan("sipcluster load register --password secret-{dn} --auth none --in-flight 64");
    assert_eq!((read.password, read.pace), (None, Pace::InFlight(64)));
    assert_eq!(read.count, Some(99), "each number once");
    let read = plan("sipcluster load call --uas 127.0.0.1:1 --trunk --standing 5 --bye callee");
    assert_eq!((read.called, read.standing), (Called::Trunk, Some(5)));
    assert_eq!(read.hang_up, Side::Caller, "standing calls end from this side");
    let read = plan("sipcluster load answer --bind 127.0.0.1:5080 --bye callee --count 3");
    assert_eq!(
        (read.scenario, read.hang_up, read.count),
        (Scenario::Answer, Side::Callee, Some(3))
    );
}

#[test]
fn a_name_stays_one_segment_of_the_path() {
    let drain = Drain { app: "a b/../c?".to_owned(), at: at("x:1") };
    let asked = request(&Operate::Drain(drain)).expect("sound");
    assert_eq!(
        (asked.at.as_str(), asked.method, asked.path.as_str()),
        ("x:1", "POST", "/api/v1/drain/a%20b%2F..%2Fc%3F")
    );
    assert_eq!(segment("SIPS_dc1_1"), "SIPS_dc1_1");
}

/// A connection that takes what is written and gives what it was made with.
struct Wire {
    written: Vec<u8>,
    answer: io::Cursor<Vec<u8>>,
}

impl Read for Wire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.answer.read(into)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_request_is_written_whole() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_vec();
    let mut wire = Wire { written: Vec::new(), answer: io::Cursor::new(answer.clone()) };
    assert_eq!(exchange(&mut wire, &get("127.0.0.1:8080")).expect("an answer"), answer);
    let request = String::from_utf8(wire.written).expect("text");
    assert!(request.starts_with("GET /livez HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"), "{request}");
    assert!(request.contains("\r\nConnection: close\r\n") && request.ends_with("\r\n\r\n"));
    let mut wire = Wire { written: Vec::new(), answer: io::Cursor::new(answer) };
    exchange(&mut wire, &Asked { body: "{}".to_owned(), ..get("x:1") }).expect("an answer");
    let request = String::from_utf8(wire.written).expect("text");
    assert!(request.contains("\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"));
    assert!(request.ends_with("\r\n\r\n{}"));
}

#[test]
fn agents_are_operated() {
    let asked = |line: &str| match cli(line).expect(line).command {
        Command::Operate(command) => request(&command),
        Command::Run(_)
        | Command::Check(_)
        | Command::Schema
        | Command::Load(_)
        | Command::Version => {
            panic!("{line}")
        }
    };
    let login =
        asked("sipcluster agent 70/1 login alice --work-mode aux-work --reason a=b --at x:1")
            .expect("sound");
    assert_eq!((login.at.as_str(), login.method), ("x:1", "POST"));
    assert_eq!(login.path, "/api/v1/agents/70%2F1/login");
    let body: Value = serde_json::from_str(&login.body).expect("JSON");
    assert_eq!(body, json!({"agent_id": "alice", "work_mode": "aux-work", "reasons": {"a": "b"}}));
    for (what, path) in [("ready", "ready"), ("not-ready", "not-ready"), ("logout", "logout")] {
        let asked = asked(&format!("sipcluster agent 7001 {what}")).expect("sound");
        assert_eq!(asked.path, format!("/api/v1/agents/7001/{path}"));
    }
    let refused = asked("sipcluster agent 7001 ready --reason =b").expect_err("no key");
    assert_eq!((refused.code, refused.line.as_str()), (2, "\"=b\" is no KEY=VALUE"));
    let refused = asked("sipcluster agent 7001 login a --password-file /nowhere/x");
    assert!(refused.expect_err("no file").line.contains("/nowhere/x"));
    let folder = std::env::temp_dir().join(format!("sipcluster-cli-{}", std::process::id()));
    std::fs::write(&folder, "secret\nmore\n").expect("written");
    let line = format!("sipcluster agent 7001 login a --password-file {}", folder.display());
    let body = asked(&line).expect("sound").body;
    std::fs::remove_file(&folder).expect("removed");
    assert!(body.contains(r#""password":"secret""#), "{body}");
}

#[test]
fn dns_and_agents_are_tables() {
    let at = at("127.0.0.1:8080");
    let dn = |dn: &str, owner: Value, in_service: Value| {
        json!({"dn": dn, "type": "sip", "owner": owner, "epoch": 3, "in_service": in_service,
            "status": "idle", "dnd": false, "forward": null, "calls": 0, "clients": 1, "agent_id": null})
    };
    let view = json!({
        "dns": [dn("7001", json!(2), json!(true)), dn("7002", Value::Null, Value::Null)],
        "dns_total": 5, "registrations": [], "total": 0,
    });
    let text = given(&Operate::Dns(at.clone()), 200, &view).expect("a table");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("DN    TYPE  OWNER  EPOCH  IN SERVICE"), "{text}");
    assert!(lines[1].starts_with("7001  sip   2      3      yes"), "{text}");
    assert_eq!(lines[2..4], ["1 DNs that no node owns", "2 of 5"], "{text}");
    assert_eq!(lines.last(), Some(&"no DN is registered"));
    let view = json!({"agents": [], "total": 0});
    let text = given(&Operate::Agents(at), 200, &view).expect("a table");
    assert_eq!(text, "no agent is logged in\n");
}

#[test]
fn answers_are_read_by_length_by_chunks_and_to_the_end() {
    for text in [
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbodyrest",
        "HTTP/1.1 503 X\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nbod\r\n1\r\ny\r\n0\r\n\r\n",
        "HTTP/1.0 503\r\n\r\nbody",
    ] {
        let answer = read_answer(text.as_bytes());
        assert_eq!(answer, Some(Answer { code: 503, body: b"body".to_vec() }), "{text}");
    }
}

#[test]
fn broken_answers_are_refused() {
    for text in [
        "",
        "SIP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 two OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbod",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nbody",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nbody\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbodyXX0\r\n\r\n",
    ] {
        assert_eq!(read_answer(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn places_that_are_none_are_wrong_usage() {
    for place in ["", "localhost", ":8080", "127.0.0.1:http", "127.0.0.1:70000", "a\r\nb:80"] {
        let answer = http::ask(&get(place));
        assert!(matches!(&answer, Err(HttpError::NoAddress(_))), "{place}");
        assert_eq!(shown(&Operate::Calls(at(place)), answer, false).expect_err(place).code, 2);
    }
}

fn given(command: &Operate, code: u16, body: &Value) -> Result<String, super::operate::Failure> {
    shown(command, Ok(Answer { code, body: body.to_string().into_bytes() }), false)
}

#[test]
fn failures_are_one_line_that_says_what_to_do() {
    let calls = Operate::Calls(at("127.0.0.1:8080"));
    let refused = shown(&calls, Err(HttpError::Refused("127.0.0.1:8080".to_owned())), false)
        .expect_err("refused");
    assert_eq!(refused.code, 1);
    assert!(
        refused.line.starts_with("nothing listens on 127.0.0.1:8080: start it with sipcluster run")
    );
    let problem = given(&calls, 404, &json!({"detail": "no application x\n in this process"}))
        .expect_err("404");
    assert_eq!((problem.code, problem.line.as_str()), (1, "no application x. in this process"));
    for (code, body) in [(404, json!({})), (200, json!([])), (200, json!({"nodes": []}))] {
        let line = given(&calls, code, &body).expect_err("strange").line;
        assert!(line.contains("check --at"), "{line}");
    }
    let html = shown(&calls, Ok(Answer { code: 200, body: b"<html>".to_vec() }), true);
    assert_eq!(html.expect_err("no JSON").code, 1);
}

#[test]
fn json_is_passed_on() {
    let answer = Ok(Answer { code: 200, body: b"{\"calls\": [], \"new\": 1}".to_vec() });
    let text = shown(&Operate::Calls(at("x:1")), answer, true);
    assert_eq!(text, Ok("{\"calls\":[],\"new\":1}\n".to_owned()));
}

#[test]
fn status_is_a_table_with_reasons_above() {
    let view = json!({
        "version": "1.2.3", "uptime_s": 3_725, "ready": false, "reasons": ["SIPS_1: starts"],
        "applications": [
            {"name": "SIPS_1", "role": "node", "node_id": 1, "geo_location": "", "listen": ["127.0.0.1:5070/udp",
             "127.0.0.1:5070/tcp"], "in_service": false},
        ],
    });
    let text = given(&Operate::Status(at("x:1")), 200, &view).expect("a table");
    assert_eq!(
        text,
        "sipcluster 1.2.3, up 1 h 2 min, not ready\n  SIPS_1: starts\n\n\
         APPLICATION  ROLE  NODE-ID  LOCATION  IN SERVICE  LISTENS ON\n\
         SIPS_1       node  1        -         no          127.0.0.1:5070/udp, 127.0.0.1:5070/tcp\n"
    );
}

#[test]
fn lists_say_when_they_are_empty_or_cut() {
    let calls = Operate::Calls(at("x:1"));
    assert_eq!(given(&calls, 200, &json!({"calls": [], "total": 0})), Ok("no calls\n".to_owned()));
    let one = json!({"calls": [{"caller": "7001", "dialled": "7002"}], "total": 20});
    let text = given(&calls, 200, &one).expect("a table");
    assert!(
        text.starts_with("CALLER  DIALLED  DESTINATION") && text.ends_with("1 of 20\n"),
        "{text}"
    );
    let dns = Operate::Dns(at("x:1"));
    let none = json!({"registrations": [], "total": 0});
    assert_eq!(given(&dns, 200, &none), Ok("no DN is registered\n".to_owned()));
    let nodes = Operate::Nodes(at("x:1"));
    let trunks = json!({"nodes": [], "proxies": [], "trunks": [{"name": "T", "in_service": true, "seen_by": "N"}]});
    let text = given(&nodes, 200, &trunks).expect("a table");
    assert_eq!(text, "TRUNK  IN SERVICE  SEEN BY\nT      yes         N\n");
}

#[test]
fn what_a_phone_sent_stays_in_its_cell() {
    let list = json!([{"a": "x\u{1b}[2J\ny", "b": 1}, {"b": "Ägypten"}]);
    let table = Table::of(&list, &["A", "B"], &["a", "b"]);
    assert_eq!(table.text(), "A        B\nx.[2J.y  1\n-        Ägypten\n");
    assert!(Table::of(&json!("no list"), &["A"], &["a"]).is_empty());
    assert_eq!(cell(&json!(["a", 2])), "a, 2");
}

#[test]
fn durations_are_short() {
    for (seconds, text) in
        [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3_600, "1 h 0 min"), (90_000, "1 d 1 h")]
    {
        assert_eq!(duration(seconds), text);
    }
}
