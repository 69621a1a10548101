//! The Session Controller's machine, stepped by hand with routers that read their frames.

use super::core::{Core, Mail, SUPPORTED, Settings};
use crate::base::id::{ConnId, Ids, NodeId, Slot};
use crate::base::time::{Duration, WallTime};
use crate::call::facts::{CallFact, EndedBy, Order, Party, Step, Wish};
use crate::cti::tlib::kv_pair::Value;
use crate::cti::tlib::{
    AddressStatus, AddressType, Attributes, ClientRegistration, Cursor, ErrorCode, EventType,
    KvList, RegisterMode, RequestType,
};
use crate::modules::t_library::bench::{Bench, admission};
use crate::modules::t_library::clients::{Event, Server};
use crate::modules::t_library::port::ClientId;
use std::sync::Arc;

const OVER: Step = Step::Ended { by: EndedBy::Caller, code: 200, was_connected: true };
const REGISTER: RequestType = RequestType::TRegisterAddress;

fn settings(dns: &[&str]) -> Settings {
    let phones = dns.iter().map(|dn| ((*dn).into(), AddressType::Dn));
    let others = [("5000".into(), AddressType::RouteDn)];
    Settings {
        admission: Arc::default(),
        geo_location: "dc1".into(),
        dns: phones.chain(others).collect(),
    }
}

fn bench() -> Bench<Core> {
    let server = Server {
        name: "SIPS_dc1_1".to_owned(),
        node: NodeId::new(1).expect("in range"),
        epoch: 7,
        started: WallTime(1_000),
        supported: &SUPPORTED,
        admission: Arc::default(),
    };
    Bench::new(Core::new(server, settings(&["7001", "7002"])))
}

fn fact(number: u64, step: Step) -> CallFact {
    CallFact {
        conn_id: ConnId(number),
        uuid: Ids::new(number).call_uuid(),
        caller: "7001".into(),
        dialled: "7002".into(),
        destination: "7002".into(),
        trunk: "".into(),
        is_inbound: false,
        slot: Slot { index: 5, generation: 6 },
        step,
    }
}

fn told(bench: &mut Bench<Core>, fact: CallFact) {
    bench.on(Event::Mail(Mail::Fact(Box::new(fact))));
}

fn router(bench: &mut Bench<Core>, id: u64) -> ClientId {
    let application_name = "urs".to_owned();
    bench.client(id, ClientRegistration { application_name, ..ClientRegistration::default() })
}

fn dn(name: &str) -> Attributes {
    Attributes { this_dn: Some(name.to_owned()), ..Attributes::default() }
}

fn of_call(name: &str, number: u64) -> Attributes {
    Attributes { conn_id: Some(number), ..dn(name) }
}

/// The keys of a list that is an extension.
fn keys(given: &Attributes, name: &str) -> Vec<String> {
    match given.extensions.as_ref().and_then(|list| list.find(name)) {
        Some(Value::List(KvList { pairs })) => pairs.iter().map(|pair| pair.key.clone()).collect(),
        Some(_) | None => Vec::new(),
    }
}

#[test]
fn calls_of_this_node_are_told_at_their_dns() {
    let mut bench = bench();
    let (one, both) = (router(&mut bench, 1), router(&mut bench, 2));
    bench.ask(one, REGISTER, dn("7002"));
    for name in ["7001", "7002", "5000"] {
        let answer = bench.ask(both, REGISTER, dn(name));
        let kind = if name == "5000" { AddressType::RouteDn } else { AddressType::Dn };
        assert_eq!(answer.given().address_type(), kind);
        assert_eq!(answer.given().address_status(), AddressStatus::Idle);
    }
    let inbound = |step| CallFact {
        caller: "0123".into(),
        trunk: "Trunk_SBC".into(),
        is_inbound: true,
        ..fact(1, step)
    };
    told(&mut bench, inbound(Step::Dialing));
    told(&mut bench, inbound(Step::Alerting));
    let ringing = bench.take(one).remove(0);
    let extensions = ringing.given().extensions.clone().expect("extensions");
    assert_eq!(extensions.text("geo-location"), Some("dc1"));
    assert_eq!(extensions.text("OtherTrunkName"), Some("Trunk_SBC"));
    told(&mut bench, inbound(OVER));
    assert_eq!(bench.read(both), ["Ringing 7002", "Abandoned 7002"].map(|it| it.to_owned()));
    for step in [Step::Dialing, Step::Alerting, Step::Connected] {
        told(&mut bench, fact(2, step));
    }
    let expected = ["Dialing 7001", "Ringing 7002", "Established 7001", "Established 7002"];
    assert_eq!(bench.read(both), expected);
    let late = router(&mut bench, 3);
    let answer = bench.ask(late, REGISTER, dn("7001"));
    assert_eq!(answer.given().address_status(), AddressStatus::Talking);
    assert_eq!(keys(answer.given(), "Calls"), ["0000000000000002"]);
}

#[test]
fn a_call_can_be_looked_at_and_ended() {
    let mut bench = bench();
    let (one, other) = (router(&mut bench, 1), router(&mut bench, 2));
    bench.ask(one, REGISTER, dn("7002"));
    bench.ask(other, REGISTER, dn("7002"));
    told(&mut bench, fact(2, Step::Dialing));
    told(&mut bench, fact(2, Step::Connected));
    let query = Attributes { conn_id: Some(2), ..Attributes::default() };
    let answer = bench.ask(other, RequestType::TQueryCall, query.clone());
    assert_eq!(keys(answer.given(), "Parties"), ["7001", "7002"]);
    bench.take(one);
    bench.take(other);
    let release = RequestType::TReleaseCall;
    for (client, given, code) in [
        (one, of_call("7001", 2), ErrorCode::ErrorNotRegistered),
        (one, of_call("7002", 3), ErrorCode::ErrorInvalidConnId),
        (one, dn("7002"), ErrorCode::ErrorInvalidAttribute),
        (one, of_call("nobody", 2), ErrorCode::ErrorNotConfigured),
    ] {
        assert_eq!(bench.refused(client, release, given.clone()), code, "{given:?}");
    }
    let monitor = Attributes { register_mode: Some(RegisterMode::Monitor.into()), ..dn("7001") };
    bench.ask(one, REGISTER, monitor);
    assert_eq!(bench.refused(one, release, of_call("7001", 2)), ErrorCode::ErrorNotRegistered);
    // It is answered by the event that ends the call.
    let request = |bench: &mut Bench<Core>| bench.request(one, release, of_call("7002", 2));
    let reference_id = request(&mut bench);
    let (call, conn_id) = (Slot { index: 5, generation: 6 }, ConnId(2));
    let wish = Wish::Release;
    assert_eq!(bench.own, [Order { call, conn_id, party: Party::Callee, wish }]);
    assert_eq!(bench.refused(one, release, of_call("7002", 2)), ErrorCode::ErrorWrongState);
    bench.pass(Duration::from_secs(6));
    told(&mut bench, fact(2, OVER));
    let seen = bench.take(one);
    assert_eq!(seen[0].reference_id, 0, "at 7001, which it monitors");
    assert_eq!(
        (seen[1].reference_id, seen[1].event.r#type()),
        (reference_id, EventType::EventReleased)
    );
    let seen = bench.take(other);
    assert_eq!((seen.len(), seen[0].reference_id), (1, 0));
    let gone = bench.refused(one, RequestType::TQueryCall, query);
    assert_eq!(gone, ErrorCode::ErrorInvalidConnId);
}

#[test]
fn what_is_refused() {
    let mut bench = bench();
    let one = router(&mut bench, 1);
    for kind in [RequestType::TGetAccessNumber, RequestType::TCancelReqGetAccessNumber] {
        assert_eq!(bench.refused(one, kind, dn("7001")), ErrorCode::ErrorNoLink);
    }
    for kind in [RequestType::TAgentLogin, RequestType::TSetDndOn, RequestType::TRegisterAll] {
        let code = bench.refused(one, kind, dn("7001"));
        assert_eq!(code, ErrorCode::ErrorUnsupportedOperation);
    }
    assert_eq!(bench.refused(one, REGISTER, dn("nobody")), ErrorCode::ErrorNotConfigured);
    assert_eq!(bench.refused(one, REGISTER, dn("")), ErrorCode::ErrorInvalidAttribute);
    let leave = RequestType::TUnregisterAddress;
    assert_eq!(bench.refused(one, leave, dn("7001")), ErrorCode::ErrorNotRegistered);
    assert_eq!(bench.refused(one, leave, dn("nobody")), ErrorCode::ErrorNotConfigured);
    let private = Attributes { register_mode: Some(RegisterMode::Private.into()), ..dn("7001") };
    bench.ask(one, REGISTER, private);
    let other = router(&mut bench, 2);
    assert_eq!(bench.refused(other, REGISTER, dn("7001")), ErrorCode::ErrorResourceSeized);
    bench.lose(one);
    bench.ask(other, REGISTER, dn("7001"));
}

#[test]
fn a_dn_that_is_configured_no_more_can_be_left_and_its_call_ends() {
    let mut bench = bench();
    let one = router(&mut bench, 1);
    bench.ask(one, REGISTER, dn("7002"));
    told(&mut bench, fact(1, Step::Alerting));
    bench.on(Event::Mail(Mail::Settings(Box::new(settings(&["7001"])))));
    told(&mut bench, fact(1, OVER));
    assert_eq!(bench.read(one), ["Ringing 7002", "Abandoned 7002"]);
    told(&mut bench, fact(2, Step::Alerting));
    assert!(bench.read(one).is_empty());
    bench.ask(one, RequestType::TUnregisterAddress, dn("7002"));
}

#[test]
fn who_comes_back_with_a_cursor_hears_that_events_are_lost() {
    let mut bench = bench();
    let one = router(&mut bench, 1);
    bench.ask(one, REGISTER, dn("7002"));
    told(&mut bench, fact(1, Step::Alerting));
    let cursors = |seq| {
        let cursors = vec![Cursor { source: 1, epoch: 7, seq }];
        ClientRegistration { application_name: "urs".to_owned(), cursors, ..Default::default() }
    };
    for (id, seq, expected) in [(2, 1, 2), (3, 0, 3)] {
        let id = bench.connect(id);
        bench.register(id, cursors(seq));
        let seen = bench.take(id);
        assert_eq!(seen.len() + 1, expected, "cursor {seq} of 1: {seen:?}");
    }
}

#[test]
fn a_client_with_rights_to_some_dns_sees_their_calls_alone() {
    let mut bench = bench();
    let admission = Arc::new(admission("clients: [{name: urs, dns: [\"7001\"]}]\n"));
    let settings = Settings { admission, ..settings(&["7001", "7002", "7003", "7004"]) };
    bench.on(Event::Mail(Mail::Settings(Box::new(settings))));
    let one = router(&mut bench, 1);
    told(&mut bench, fact(1, Step::Connected));
    let others = |step| CallFact {
        caller: "7003".into(),
        dialled: "7004".into(),
        destination: "7004".into(),
        ..fact(2, step)
    };
    told(&mut bench, others(Step::Connected));
    let query = |conn_id| Attributes { conn_id: Some(conn_id), ..Attributes::default() };
    let answer = bench.ask(one, RequestType::TQueryCall, query(1));
    assert_eq!(answer.event.r#type(), EventType::EventPartyInfo);
    let refused = bench.refused(one, RequestType::TQueryCall, query(2));
    assert_eq!(refused, ErrorCode::ErrorInvalidConnId);
    assert_eq!(bench.refused(one, REGISTER, dn("7002")), ErrorCode::ErrorNotConfigured);
}
