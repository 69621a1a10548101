//! The Interaction Proxy's machine, stepped by hand with collectors that read their
//! frames.

mod left;

use super::core::{Core, Mail, SUPPORTED, Settings};
use crate::base::event_stream::Stream;
use crate::base::id::{CallUuid, ConnId, Ids, NodeId, Slot};
use crate::base::limits::{
    RECIPIENT_KEPT_LEN_MAX, RECIPIENT_KEPT_TIME, RECIPIENT_QUEUE_LEN_MAX, RECIPIENT_STALL_TIME,
    RECIPIENTS_MAX,
};
use crate::base::time::{Duration, WallTime};
use crate::call::facts::{CallFact, EndedBy, Step};
use crate::cti::tlib::{
    Attributes, ClientRegistration, Cursor, ErrorCode, EventType, RequestType, mask_of,
};
use crate::modules::t_library::bench::{Bench, Seen, admission};
use crate::modules::t_library::clients::{Event, Server};
use crate::modules::t_library::port::ClientId;
use prost::Message as _;
use std::collections::HashSet;
use std::sync::Arc;

const START: RequestType = RequestType::TStartCallMonitoring;
const OVER: Step = Step::Ended { by: EndedBy::Caller, code: 200, was_connected: true };

fn bench() -> Bench<Core> {
    started(7, Vec::new())
}

/// A node of that start epoch, with what an earlier one has left.
fn started(epoch: u32, left: Vec<Stream>) -> Bench<Core> {
    let server = Server {
        name: "SIPS_dc1_1".to_owned(),
        node: NodeId::new(1).expect("in range"),
        epoch,
        started: WallTime(1_000),
        supported: &SUPPORTED,
        admission: Arc::default(),
    };
    let dns = ["7001".into(), "7002".into()].into();
    Bench::new(Core::new(
        server,
        Settings { admission: Arc::default(), geo_location: "dc1".into(), dns },
        &left,
    ))
}

fn who(cluster: &str, node: &str) -> ClientRegistration {
    ClientRegistration {
        application_name: "ICON".to_owned(),
        cluster_role: "I-Proxy".to_owned(),
        cluster_name: cluster.to_owned(),
        cluster_node: node.to_owned(),
        ..ClientRegistration::default()
    }
}

fn back(cluster: &str, node: &str, epoch: u32, seq: u64) -> ClientRegistration {
    let cursors = vec![Cursor { source: 1, epoch, seq }, Cursor { source: 2, epoch: 1, seq: 9 }];
    ClientRegistration { cursors, ..who(cluster, node) }
}

fn fact(number: u64, step: Step) -> Event<Mail> {
    Event::Mail(Mail::Fact(Box::new(CallFact {
        conn_id: ConnId(number),
        uuid: uuid(number),
        caller: "7001".into(),
        dialled: "7002".into(),
        destination: "7002".into(),
        trunk: "".into(),
        is_inbound: false,
        slot: Slot { index: 0, generation: 0 },
        step,
    })))
}

/// Bytes of a name that is far too long, so that a test need not have many calls.
const LONG: usize = 50_000;

/// A call of somebody with such a name, which is over at once.
fn long(number: u64) -> Event<Mail> {
    let Event::Mail(Mail::Fact(fact)) = fact(number, OVER) else { unreachable!() };
    let caller = "7".repeat(LONG).into();
    Event::Mail(Mail::Fact(Box::new(CallFact { caller, ..*fact })))
}

fn uuid(number: u64) -> CallUuid {
    Ids::new(number).call_uuid()
}

/// A collector that monitors.
fn collector(bench: &mut Bench<Core>, id: u64, who: ClientRegistration) -> ClientId {
    let id = bench.client(id, who);
    let answer = bench.ask(id, START, Attributes::default());
    assert_eq!(answer.event.r#type(), EventType::EventAck, "{answer:?}");
    id
}

fn seqs(seen: &[Seen]) -> Vec<u64> {
    seen.iter().map(|seen| seen.event.seq).collect()
}

fn conn_ids(seen: &[Seen]) -> Vec<u64> {
    let mut all: Vec<u64> = seen.iter().filter_map(|seen| seen.given().conn_id).collect();
    all.sort_unstable();
    all.dedup();
    all
}

#[test]
fn each_cluster_name_has_every_call_and_its_nodes_take_turns() {
    let mut bench = bench();
    let nodes = [1, 2, 3].map(|id| collector(&mut bench, id, who("A", &id.to_string())));
    let other = collector(&mut bench, 4, who("", ""));
    for number in 1..=30 {
        for step in [Step::Dialing, Step::Alerting, Step::Connected, OVER] {
            bench.on(fact(number, step));
        }
    }
    let mut had = Vec::new();
    for node in nodes {
        let seen = bench.take(node);
        let own = conn_ids(&seen);
        assert_eq!(own.len(), 10, "evenly");
        assert_eq!(seen.len(), 140, "each call wholly");
        assert_eq!(seqs(&seen), (1..=140).collect::<Vec<u64>>(), "without a hole");
        had.extend(own);
    }
    had.sort_unstable();
    assert_eq!(had, (1..=30).collect::<Vec<u64>>(), "each call once");
    assert_eq!(bench.take(other).len(), 420);
}

#[test]
fn what_happens_while_a_collector_is_away_is_kept_for_it() {
    let mut bench = bench();
    let first = collector(&mut bench, 1, who("A", "1"));
    let second = collector(&mut bench, 2, who("A", "2"));
    bench.on(fact(1, Step::Dialing));
    assert_eq!(bench.read(first), ["CallCreated", "CallPartyAdded 7001", "Dialing 7001"]);
    bench.lose(first);
    bench.on(fact(1, Step::Alerting));
    // New calls are for who is there.
    for number in 2..6 {
        bench.on(fact(number, Step::Dialing));
    }
    assert_eq!(conn_ids(&bench.take(second)), [2, 3, 4, 5]);
    bench.lose(second);
    // Nobody is there: turns go on.
    for number in 6..10 {
        bench.on(fact(number, OVER));
    }
    let first = collector(&mut bench, 3, who("A", "1"));
    let seen = bench.take(first);
    assert_eq!(seqs(&seen), (4..=13).collect::<Vec<u64>>());
    assert_eq!(conn_ids(&seen).len(), 3);
    // The cursor counts, where there is one.
    let second = collector(&mut bench, 4, back("A", "2", 7, 11));
    assert_eq!(seqs(&bench.take(second)), (12..=20).collect::<Vec<u64>>());
    bench.on(fact(2, OVER));
    assert_eq!(seqs(&bench.take(second)), [21, 22, 23]);
}

#[test]
fn who_cannot_go_on_hears_of_a_gap_and_of_its_calls_anew() {
    let mut bench = bench();
    let first = collector(&mut bench, 1, who("A", "1"));
    bench.on(fact(1, Step::Dialing));
    bench.on(fact(2, Step::Dialing));
    bench.on(fact(2, OVER));
    assert_eq!(bench.take(first).len(), 9);
    for (id, epoch, seq) in [(2, 6, 100), (3, 7, 500)] {
        bench.lose(ClientId(id - 1));
        let again = collector(&mut bench, id, back("A", "1", epoch, seq));
        let seen = bench.take(again);
        let gap = &seen[0].event;
        assert_eq!((gap.source, gap.epoch, gap.seq), (1, epoch, seq), "its own cursor");
        let told: Vec<String> = seen.iter().map(Seen::shortly).collect();
        assert_eq!(told, ["Gap", "CallCreated", "CallPartyAdded 7001"]);
        assert_eq!(conn_ids(&seen), [1]);
    }
    // An hour is too long.
    bench.lose(ClientId(3));
    bench.pass(RECIPIENT_KEPT_TIME);
    let again = collector(&mut bench, 4, back("A", "1", 7, 13));
    assert_eq!(bench.read(again), ["Gap", "CallCreated", "CallPartyAdded 7001"]);
}

#[test]
fn the_first_of_a_cluster_name_gets_the_calls_that_run() {
    let mut bench = bench();
    bench.on(fact(1, Step::Dialing));
    bench.on(fact(1, Step::Alerting));
    bench.on(fact(1, Step::Connected));
    let begun = ["CallCreated", "CallPartyAdded 7001", "CallPartyAdded 7002"];
    let first = collector(&mut bench, 1, who("A", "1"));
    assert_eq!(bench.read(first), begun);
    let second = collector(&mut bench, 2, who("A", "2"));
    let other = collector(&mut bench, 3, who("B", "1"));
    assert_eq!((bench.read(second), bench.read(other)), (vec![], begun.map(str::to_owned).into()));
    bench.on(fact(1, OVER));
    assert_eq!((bench.take(first).len(), bench.take(second).len()), (5, 0));
    assert_eq!(bench.take(other).len(), 5);
}

#[test]
fn one_connection_at_a_time_and_none_after_the_end() {
    let mut bench = bench();
    let first = collector(&mut bench, 1, who("A", "1"));
    bench.on(fact(1, Step::Dialing));
    let second = collector(&mut bench, 2, who("A", "1"));
    assert!(bench.ended.contains(&first), "the first is ended");
    bench.lose(first);
    bench.on(fact(1, OVER));
    assert_eq!((bench.take(first).len(), seqs(&bench.take(second))), (3, vec![4, 5, 6]));
    // Asked again it is answered again.
    let again = bench.ask(second, START, Attributes::default());
    assert_eq!(again.event.r#type(), EventType::EventAck);
    bench.on(fact(2, Step::Dialing));
    bench.take(second);
    bench.ask(second, RequestType::TStopCallMonitoring, Attributes::default());
    bench.on(fact(2, OVER));
    bench.on(fact(3, Step::Dialing));
    assert!(bench.take(second).is_empty());
    // It begins anew, as the first of its name; numbers go on, so that no cursor fits twice.
    bench.ask(second, START, Attributes::default());
    let seen = bench.take(second);
    assert_eq!((seqs(&seen), conn_ids(&seen)), (vec![10, 11], vec![3]));
}

#[test]
fn what_a_connection_does_not_take_waits_where_it_is_kept() {
    let mut bench = bench();
    let slow = collector(&mut bench, 1, who("A", "1"));
    bench.backlog.insert(slow, RECIPIENT_QUEUE_LEN_MAX);
    let before = bench.armed(slow);
    for number in 1..20 {
        bench.on(fact(number, OVER));
    }
    assert_eq!(bench.armed(slow), before + 1, "one wake-up, however much waits");
    bench.backlog.insert(slow, 0);
    bench.pass(Duration::from_millis(20));
    assert_eq!(bench.take(slow).len(), 19 * 4);
    bench.backlog.insert(slow, RECIPIENT_QUEUE_LEN_MAX);
    bench.on(fact(1, Step::Dialing));
    bench.pass(Duration::from_secs(1));
    assert!(bench.take(slow).is_empty());
    bench.backlog.insert(slow, 0);
    bench.pass(Duration::from_millis(20));
    assert_eq!(seqs(&bench.take(slow)), [77, 78, 79]);
    // One that never reads loses what is too much, and is told.
    bench.backlog.insert(slow, RECIPIENT_QUEUE_LEN_MAX);
    for number in 2..2 + RECIPIENT_KEPT_LEN_MAX as u64 / LONG as u64 {
        bench.on(long(number));
    }
    bench.backlog.insert(slow, 0);
    bench.pass(Duration::from_millis(20));
    let seen = bench.take(slow);
    let gap = &seen[0].event;
    assert_eq!((gap.r#type(), gap.source, gap.epoch, gap.seq), (EventType::EventGap, 1, 7, 79));
    let told: Vec<String> = seen[1..].iter().map(Seen::shortly).collect();
    assert_eq!(told, ["CallCreated", "CallPartyAdded 7001"], "the call that still runs");
}

/// Of its events it wants those with which calls begin and end.
fn mask_all_but_ends(bench: &mut Bench<Core>, id: ClientId) {
    let kinds = [EventType::EventCallCreated, EventType::EventCallDeleted].map(i32::from);
    let mask = Some(mask_of(kinds.into_iter()));
    let given = Attributes { input_mask: mask, ..Attributes::default() };
    bench.ask(id, RequestType::TSetInputMask, given);
}

#[test]
fn a_mask_hides_events_and_their_numbers_go_on() {
    let mut bench = bench();
    let own = collector(&mut bench, 1, who("A", "1"));
    mask_all_but_ends(&mut bench, own);
    bench.on(fact(1, Step::Dialing));
    bench.on(fact(1, OVER));
    let seen = bench.take(own);
    assert_eq!(seqs(&seen), [1, 6]);
}

/// What it does not want it was given without being written anything: of a connection that is
/// lost it has what was not written, however much lies between.
#[test]
fn a_mask_does_not_hide_what_was_not_written() {
    let mut bench = bench();
    let own = collector(&mut bench, 1, who("A", "1"));
    mask_all_but_ends(&mut bench, own);
    for number in 1..=4 {
        bench.on(fact(number, Step::Dialing));
        bench.on(fact(number, OVER));
    }
    let seen = bench.take(own);
    assert_eq!(seqs(&seen), [1, 6, 7, 12, 13, 18, 19, 24]);
    // The last three, at least.
    let len: usize = 3 * (seen[7].event.encoded_len() + size_of::<bytes::Bytes>());
    bench.backlog.insert(own, len);
    bench.lose(own);
    let again = collector(&mut bench, 2, who("A", "1"));
    let first = bench.take(again).first().expect("events").event.seq;
    assert!((12..=18).contains(&first), "{first}");
}

#[test]
fn what_is_refused() {
    let mut bench = bench();
    for registration in [
        ClientRegistration { cluster_role: "T-Controller".to_owned(), ..who("A", "1") },
        ClientRegistration { cluster_name: "a\nb".to_owned(), ..who("A", "1") },
        ClientRegistration { cluster_node: "x".repeat(300), ..who("A", "1") },
        ClientRegistration { application_name: String::new(), ..who("A", "1") },
    ] {
        let id = bench.connect(50);
        let answer = bench.register(id, registration.clone());
        let code = answer.given().error_code();
        assert_eq!(code, ErrorCode::ErrorInvalidAttribute, "{registration:?}");
        assert!(bench.ended.remove(&id), "and ended");
    }
    let id = bench.connect(51);
    let early = bench.refused(id, START, Attributes::default());
    assert_eq!(early, ErrorCode::ErrorWrongState);
    let id = bench.client(52, who("A", "1"));
    for kind in [RequestType::TRegisterAddress, RequestType::TAgentLogin, RequestType::TMakeCall] {
        let code = bench.refused(id, kind, Attributes::default());
        assert_eq!(code, ErrorCode::ErrorUnsupportedOperation, "{kind:?}");
    }
    // Not monitoring yet.
    bench.on(fact(1, Step::Dialing));
    assert!(bench.read(id).is_empty());
}

#[test]
fn there_are_only_so_many_collectors() {
    let mut bench = bench();
    let count = u64::try_from(RECIPIENTS_MAX).expect("a few");
    for id in 0..count {
        collector(&mut bench, id, who("A", &id.to_string()));
    }
    let late = bench.client(count, who("A", "late"));
    assert_eq!(bench.refused(late, START, Attributes::default()), ErrorCode::ErrorNoLicense);
}

#[test]
fn one_that_takes_nothing_is_ended_and_has_later_what_it_was_not_written() {
    let mut bench = bench();
    let (slow, other) =
        (collector(&mut bench, 1, who("A", "1")), collector(&mut bench, 2, who("A", "2")));
    bench.on(fact(1, Step::Dialing));
    let len: usize = bench.take(slow).len();
    assert_eq!(len, 3);
    bench.backlog.insert(slow, RECIPIENT_QUEUE_LEN_MAX);
    bench.on(fact(1, Step::Alerting));
    bench.pass(RECIPIENT_STALL_TIME - Duration::from_secs(1));
    assert!(!bench.ended.contains(&slow));
    bench.pass(Duration::from_secs(2));
    assert!(bench.ended.contains(&slow));
    // Of what it was given the last was not written.
    bench.backlog.insert(slow, 1);
    bench.lose(slow);
    for number in 2..6 {
        bench.on(fact(number, Step::Dialing));
    }
    assert_eq!(conn_ids(&bench.take(other)).len(), 4, "new calls are for the other");
    let again = collector(&mut bench, 3, who("A", "1"));
    assert_eq!(seqs(&bench.take(again)), [3, 4, 5]);
}

#[test]
fn nobody_takes_the_place_of_another_application() {
    let mut bench = bench();
    collector(&mut bench, 1, who("A", "1"));
    let named = ClientRegistration { application_name: "spy".to_owned(), ..who("A", "1") };
    let spy = bench.client(2, named);
    assert_eq!(bench.refused(spy, START, Attributes::default()), ErrorCode::ErrorResourceSeized);
    assert!(bench.ended.is_empty());
}

#[test]
fn who_has_other_rights_after_a_reload_is_ended() {
    let mut bench = bench();
    let dns: HashSet<Box<str>> = ["7001".into(), "7002".into()].into();
    let settings = |clients: &str| {
        let admission = Arc::new(admission(clients));
        let settings = Settings { admission, geo_location: "dc1".into(), dns: dns.clone() };
        Event::Mail(Mail::Settings(Box::new(settings)))
    };
    let named = "clients: [{name: ICON}, {name: B}]\n";
    bench.on(settings(named));
    let id = collector(&mut bench, 1, who("A", "1"));
    bench.on(settings("clients: [{name: ICON}, {name: B, access: monitor}]\n"));
    assert!(bench.ended.is_empty());
    bench.on(settings("clients: [{name: ICON, dns: [\"7001\"]}]\n"));
    assert!(bench.ended.contains(&id));
}

#[test]
fn calls_pass_to_others_by_configuration_alone() {
    let settings = |clients: &str| {
        let dns = ["7001".into(), "7002".into()].into();
        let admission = Arc::new(admission(clients));
        let settings = Settings { admission, geo_location: "dc1".into(), dns };
        Event::Mail(Mail::Settings(Box::new(settings)))
    };
    let application = |name: &str, node: &str| ClientRegistration {
        application_name: name.to_owned(),
        ..who("A", node)
    };
    let mut bench = bench();
    bench.on(settings("clients: [{name: ICON_1}, {name: ICON_2}]\n"));
    let one = collector(&mut bench, 1, application("ICON_1", "1"));
    let other = collector(&mut bench, 2, application("ICON_2", "2"));
    // Calls 1 and 3 are the first one's; it goes before 3 has begun to ring.
    for number in 1..=3 {
        bench.on(fact(number, Step::Dialing));
    }
    bench.take(one);
    bench.take(other);
    bench.lose(one);
    bench.on(fact(1, OVER));
    bench.on(fact(3, Step::Alerting));
    bench.pass(Duration::from_secs(600));
    assert!(bench.take(other).is_empty(), "not because it is away");
    bench.on(settings("clients: [{name: ICON_2}]\n"));
    let seen = bench.take(other);
    let told: Vec<(Option<u64>, String)> =
        seen.iter().map(|seen| (seen.given().conn_id, seen.shortly())).collect();
    assert_eq!(told[0], (Some(3), "CallCreated".to_owned()), "what runs comes anew");
    let ended = told.iter().rfind(|(conn_id, _)| *conn_id == Some(1));
    assert_eq!(ended, Some(&(Some(1), "CallDeleted".to_owned())), "and what it has not had");
    let numbers = seqs(&seen);
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{numbers:?}");
    bench.on(fact(3, OVER));
    assert_eq!(conn_ids(&bench.take(other)), [3]);
    assert!(
        bench.own.iter().any(|write| matches!(write, crate::base::event_stream::Write::Remove(1)))
    );
    // Nobody is left: what is kept stays, for who comes back with the next configuration.
    bench.on(settings("clients: [{name: ICON_3}]\n"));
    assert!(
        !bench.own.iter().any(|write| matches!(write, crate::base::event_stream::Write::Remove(2)))
    );
}

#[test]
fn what_was_not_told_for_want_of_room_is_a_gap_for_all() {
    let mut bench = bench();
    let here = collector(&mut bench, 1, who("A", "1"));
    let away = collector(&mut bench, 2, who("B", "1"));
    bench.on(fact(1, Step::Dialing));
    bench.take(here);
    bench.lose(away);
    bench.on(Event::Mail(Mail::Short));
    let seen = bench.take(here);
    let told: Vec<String> = seen.iter().map(Seen::shortly).collect();
    assert_eq!(told, ["Gap", "CallCreated", "CallPartyAdded 7001"]);
    assert_eq!(seqs(&seen), [3, 5, 6]);
    bench.on(fact(1, OVER));
    let away = collector(&mut bench, 3, who("B", "1"));
    let told = bench.read(away);
    assert_eq!(told[..2], ["Gap", "CallCreated"]);
    assert_eq!(told.last().map(String::as_str), Some("CallDeleted"));
}
