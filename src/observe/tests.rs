//! Cells, the page, the board and log lines. Not tested here: standard error, and the set-up of the process's log,
//! of which a process has one.

use std::sync::Arc;

use serde_json::Value;
use tracing::Level;
use tracing_subscriber::layer::SubscriberExt as _;

use super::board::{AppState, Board, TrunkView};
use super::counter::Histogram;
use super::families::{Build, Direction, Families};
use super::log::{Fields, Form, Lines, Sink, json_line, module_of, text_line, thread_span};
use super::prometheus::{Form as PageForm, Registry, Sheet};
use crate::base::flow::Protocol;
use crate::base::time::{Duration, WallTime};

const BOUNDS: &[f64] = &[0.1, 1.0];

#[test]
fn cells_with_equal_labels_are_summed() {
    let mut registry = Registry::new();
    let first = registry.counter("x", "An x", &[("node", "a")]);
    let second = registry.counter("x", "An x", &[("node", "a")]);
    registry.counter("x", "An x", &[("node", "b")]).add(5);
    first.increment();
    second.add(2);
    let page = registry.render();
    assert!(page.contains("# TYPE sipcluster_x counter\n"), "{page}");
    assert!(page.contains("sipcluster_x_total{node=\"a\"} 3\n"), "{page}");
    assert!(page.contains("sipcluster_x_total{node=\"b\"} 5\n"), "{page}");
    assert_eq!(page.matches("# HELP").count(), 1);
}

#[test]
fn the_two_forms_differ_in_counters_and_the_end() {
    let mut registry = Registry::new();
    registry.counter("x", "An x", &[]);
    registry.gauge("y", "A y", &[]).set(-4);
    let old = registry.render_as(PageForm::Text, &|_| {});
    assert!(old.contains("# TYPE sipcluster_x_total counter\nsipcluster_x_total 0\n"), "{old}");
    assert!(old.contains("# TYPE sipcluster_y gauge\nsipcluster_y -4\n"), "{old}");
    assert!(!old.contains("EOF"));
    assert!(registry.render().ends_with("# EOF\n"));
    assert_eq!(PageForm::accepted("*/*"), PageForm::Text);
    assert_eq!(
        PageForm::accepted("application/openmetrics-text; version=1.0.0"),
        PageForm::OpenMetrics
    );
}

#[test]
fn labels_cannot_break_out_of_a_line() {
    let mut registry = Registry::new();
    registry.gauge("y", "A y", &[("trunk", "a\"b\\c\nd")]).set(1);
    assert!(registry.render().contains("sipcluster_y{trunk=\"a\\\"b\\\\c\\nd\"} 1\n"));
}

#[test]
fn histogram_buckets_are_cumulated_and_merge() {
    let mut registry = Registry::new();
    for spans in [[100, 500], [1_000, 9_000]] {
        let cell = registry.histogram("h_seconds", "An h", &[("node", "a")], BOUNDS);
        spans.iter().for_each(|ms| cell.observe(Duration::from_millis(*ms)));
    }
    let page = registry.render();
    for line in [
        "sipcluster_h_seconds_bucket{node=\"a\",le=\"0.1\"} 1\n",
        "sipcluster_h_seconds_bucket{node=\"a\",le=\"1.0\"} 3\n",
        "sipcluster_h_seconds_bucket{node=\"a\",le=\"+Inf\"} 4\n",
        "sipcluster_h_seconds_sum{node=\"a\"} 10.6\n",
        "sipcluster_h_seconds_count{node=\"a\"} 4\n",
    ] {
        assert!(page.contains(line), "{line} in {page}");
    }
}

#[test]
fn histograms_with_other_bounds_do_not_mix() {
    let mut spread = Histogram::new(BOUNDS).spread();
    let other = Histogram::new(&[5.0]);
    other.observe(Duration::from_secs(1));
    spread.merge(&other.spread());
    assert_eq!(spread.counts, [0, 0, 0]);
}

#[test]
fn samples_of_a_family_are_bounded() {
    let mut registry = Registry::new();
    let flood = |sheet: &mut Sheet| {
        for at in 0..20_003 {
            sheet.gauge("y", "A y", &[("trunk", &at.to_string())], 1.0);
        }
    };
    registry.add(Arc::new(flood));
    let page = registry.render();
    assert!(page.contains("sipcluster_metrics_left_out 3\n"));
    assert_eq!(page.matches("sipcluster_y{").count(), 20_000);
}

#[test]
fn messages_are_counted_by_their_labels() {
    let mut registry = Registry::new();
    let shards =
        [Families::register(&mut registry, "SIPS_1"), Families::register(&mut registry, "SIPS_1")];
    for families in &shards {
        families.request("INVITE", Direction::In, Protocol::Udp);
        families.response("INVITE", 180, Direction::Out);
        families.call("answered");
    }
    shards[0].request("INVITE", Direction::Out, Protocol::Tcp);
    shards[1].retransmissions.increment();
    shards[1].send_failures.add(3);
    shards[0].connections.set(2);
    shards[1].connections.set(5);
    let page = registry.render();
    for line in [
        "sip_requests_total{node=\"SIPS_1\",method=\"INVITE\",direction=\"in\",transport=\"udp\"} 2\n",
        "sip_requests_total{node=\"SIPS_1\",method=\"INVITE\",direction=\"out\",transport=\"tcp\"} 1\n",
        "sip_responses_total{node=\"SIPS_1\",method=\"INVITE\",code=\"180\",direction=\"out\"} 2\n",
        "sip_retransmissions_total{node=\"SIPS_1\"} 1\n",
        "calls_total{node=\"SIPS_1\",result=\"answered\"} 2\n",
        "calls_total{node=\"SIPS_1\",result=\"busy\"} 0\n",
        "sip_send_failures_total{node=\"SIPS_1\"} 3\n",
        "sip_handovers_total{node=\"SIPS_1\"} 0\n",
        "sip_messages_refused_total{node=\"SIPS_1\"} 0\n",
        "sip_connections_refused_total{node=\"SIPS_1\"} 0\n",
        "sip_connections_open{node=\"SIPS_1\"} 7\n",
        "call_setup_seconds_count{node=\"SIPS_1\"} 0\n",
    ] {
        assert!(page.contains(&format!("sipcluster_{line}")), "{line} in {page}");
    }
}

#[test]
fn words_from_outside_make_no_labels() {
    let mut registry = Registry::new();
    let families = Families::register(&mut registry, "SIPS_1");
    families.request("HACKED", Direction::In, Protocol::Udp);
    families.request("invite", Direction::In, Protocol::Udp);
    families.call("abducted");
    for code in [0, 99, 700, u16::MAX] {
        families.response("OPTIONS", code, Direction::In);
    }
    families.response("OPTIONS", 699, Direction::In);
    let page = registry.render();
    assert!(page.contains("method=\"UNKNOWN\",direction=\"in\",transport=\"udp\"} 2\n"), "{page}");
    assert!(page.contains("result=\"other\"} 1\n"), "{page}");
    assert!(page.contains("method=\"OPTIONS\",code=\"100\",direction=\"in\"} 4\n"), "{page}");
    assert!(page.contains("method=\"OPTIONS\",code=\"699\",direction=\"in\"} 1\n"), "{page}");
    assert!(!page.contains("HACKED") && !page.contains("abducted"));
}

#[test]
fn the_build_is_on_the_page() {
    let mut registry = Registry::new();
    Build::register(&mut registry, "1.2.3").config_generation.add(1);
    let page = registry.render();
    for line in ["build_info{version=\"1.2.3\"} 1\n", "config_generation 2\n"] {
        assert!(page.contains(&format!("sipcluster_{line}")), "{line} in {page}");
    }
}

#[test]
fn parts_of_an_application_are_read_as_one() {
    let board = Board::new();
    let mut whole = AppState::of("SIPS_1", "");
    whole.role = "node".to_owned();
    whole.node_id = 1;
    board.publish(whole);
    for (part, calls) in [("001", 1), ("002", 2)] {
        let mut shard = AppState::of("SIPS_1", part);
        shard.counts.calls = calls;
        board.publish(shard);
    }
    board.publish(AppState::of("SIPS_2", ""));
    let apps = board.apps();
    assert_eq!(apps.len(), 2);
    assert_eq!((apps[0].role.as_str(), apps[0].node_id, apps[0].counts.calls), ("node", 1, 3));
    assert!(board.has("SIPS_2") && !board.has("SIPS_3"));
    board.publish(AppState::of("SIPS_1", "002"));
    assert_eq!(board.apps()[0].counts.calls, 1);
}

#[test]
fn one_part_that_is_not_ready_is_enough() {
    let board = Board::new();
    assert_eq!(board.unready().len(), 1);
    board.publish(AppState::of("SIPS_1", "001"));
    assert!(board.unready().is_empty());
    let mut checker = AppState::of("SIPS_1", "512");
    checker.ready = false;
    board.publish(checker.clone());
    assert_eq!(board.unready(), ["SIPS_1 is not ready"]);
    assert!(!board.apps()[0].ready);
    checker.ready = true;
    board.publish(checker);
    assert!(board.unready().is_empty());
}

#[test]
fn the_board_is_a_source_of_gauges() {
    let board = Arc::new(Board::new());
    let mut app = AppState::of("SIPS_1", "");
    app.role = "node".to_owned();
    app.trunks = vec![TrunkView { name: "Trunk_SBC".to_owned(), in_service: true }];
    app.counts.registrations = 9;
    board.publish(app);
    let mut late = AppState::of("SIPS_1", "001");
    late.counts.calls = 1;
    late.ready = false;
    board.publish(late);
    let mut registry = Registry::new();
    registry.add(board);
    let page = registry.render();
    for line in [
        "node_role{node=\"SIPS_1\",role=\"node\"} 1\n",
        "calls_active{node=\"SIPS_1\"} 1\n",
        "sip_registrations{node=\"SIPS_1\"} 9\n",
        "trunks_in_service{node=\"SIPS_1\",trunk=\"Trunk_SBC\"} 1\n",
        "ready{node=\"SIPS_1\"} 0\n",
    ] {
        assert!(page.contains(&format!("sipcluster_{line}")), "{line} in {page}");
    }
}

const AT: WallTime = WallTime(1_795_209_494_123);

fn fields(list: &[(&'static str, Value)]) -> Fields {
    let mut fields = Fields::default();
    list.iter().for_each(|(name, value)| fields.set(name, value.clone()));
    fields
}

#[test]
fn a_line_for_people_reads_like_the_guide() {
    let line = text_line(
        AT,
        Level::INFO,
        &fields(&[
            ("node", "SIPS_dc1_1".into()),
            ("thread", "001".into()),
            ("message", "call ended".into()),
            ("result", "answered".into()),
            ("reason", "went well".into()),
            ("calls", 3.into()),
        ]),
    );
    assert_eq!(
        line,
        "2026-11-20T21:18:14.123 INFO  SIPS_dc1_1-001 Call Manager  call ended result=answered \
         reason=\"went well\" calls=3\n"
    );
    let line = text_line(AT, Level::WARN, &fields(&[("message", "no cluster-key".into())]));
    assert_eq!(line, "2026-11-20T21:18:14.123 WARN  sipcluster  no cluster-key\n");
}

#[test]
fn nothing_from_outside_begins_a_line() {
    let hostile = fields(&[
        ("message", "a\nb\r\u{1b}[2J".into()),
        ("contact", "x\ny".into()),
        ("empty", "".into()),
    ]);
    let line = text_line(AT, Level::INFO, &hostile);
    assert_eq!(line.matches('\n').count(), 1);
    assert!(!line.contains(['\r', '\u{1b}']), "{line:?}");
    assert!(line.ends_with(" contact=\"x\\ny\" empty=\"\"\n"), "{line:?}");
    let json = json_line(AT, Level::INFO, "t", &hostile);
    assert_eq!(json.matches('\n').count(), 1);
}

#[test]
fn a_json_line_has_its_fields_once() {
    let line = json_line(
        AT,
        Level::ERROR,
        "sipcluster::sip",
        &fields(&[
            ("level", 3.into()),
            ("message", "m".into()),
            ("node", "SIPS_1".into()),
            ("ok", true.into()),
        ]),
    );
    assert_eq!(
        line,
        "{\"ts\":\"2026-11-20T21:18:14.123Z\",\"level\":\"ERROR\",\"target\":\"sipcluster::sip\",\
         \"node\":\"SIPS_1\",\"message\":\"m\",\"level_\":3,\"ok\":true}\n"
    );
}

#[test]
fn tags_of_the_guide_name_their_modules() {
    for (tag, module) in [
        ("main", "Session Controller"),
        ("001", "Call Manager"),
        ("012", "Call Manager"),
        ("512", "Service Checker"),
        ("768", "Transport"),
        ("1280", "T-Controller"),
        ("1536", "System Monitor"),
        ("", ""),
        ("1x2", ""),
        ("4711", ""),
    ] {
        assert_eq!(module_of(tag), module, "{tag}");
    }
}

#[test]
fn an_event_takes_the_fields_of_its_thread() {
    let path = std::env::temp_dir().join(format!("sipcluster-log-{}.jsonl", std::process::id()));
    let sink = Sink::open(&path).expect("a log file");
    let lines = Lines { form: Form::Json, sink, clock: || AT };
    tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
        let _thread = thread_span("SIPS_1", "512", "Service Checker").entered();
        tracing::info!(trunk = "Trunk_SBC", module = "other", "in service");
        tracing::warn!(count = 2_u64, "out of service");
    });
    let text = std::fs::read_to_string(&path).expect("the log");
    std::fs::remove_file(&path).expect("removed");
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["node"], "SIPS_1");
    assert_eq!(lines[0]["thread"], "512");
    assert_eq!(lines[0]["module"], "other");
    assert_eq!(lines[0]["trunk"], "Trunk_SBC");
    assert_eq!(lines[1]["message"], "out of service");
    assert_eq!(lines[1]["count"], 2);
    assert_eq!(lines[1]["module"], "Service Checker");
}

#[test]
fn levels_are_read_strictly() {
    for good in ["info", "TRACE", "off", "info,sipcluster::sip=trace", "warn, sipcluster=debug"] {
        assert!(super::log::filter_of(good).is_ok(), "{good}");
    }
    for bad in ["", "loud", "info,loud", "sipcluster=loud", "info,,debug"] {
        let error = super::log::filter_of(bad).map(|_| ()).expect_err(bad).to_string();
        assert!(error.starts_with(&format!("log level \"{bad}\": write error, warn")), "{error}");
    }
}

#[test]
fn a_log_file_that_cannot_be_written_is_named() {
    let path = std::env::temp_dir().join("no-such-folder").join("x.log");
    let error = Sink::open(&path).expect_err("no folder").to_string();
    assert!(error.starts_with("log file ") && error.contains("no-such-folder"), "{error}");
}
