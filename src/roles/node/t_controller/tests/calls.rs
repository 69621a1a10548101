//! Calls of the node, as clients see them.

use super::*;
use crate::call::facts::EndedBy;
use crate::call::facts::{CallFact, Order, Party as CallParty, Step, Wish};

pub(super) fn fact(conn_id: u64, caller: &str, called: &str, step: Step) -> Event {
    Event::Fact(Box::new(CallFact {
        conn_id: ConnId(conn_id),
        uuid: Ids::new(conn_id).call_uuid(),
        caller: caller.into(),
        dialled: called.into(),
        destination: called.into(),
        trunk: if caller.starts_with('0') { "Trunk_SBC".into() } else { "".into() },
        is_inbound: caller.starts_with('0'),
        slot: Slot { index: 3, generation: 4 },
        step,
    }))
}

const OVER: Step = Step::Ended { by: EndedBy::Caller, code: 200, was_connected: true };

#[test]
fn each_dn_of_a_call_tells_its_own_clients() {
    let mut world = World::new();
    let (one, other) = (world.client(1, "a"), world.client(2, "b"));
    world.share(one, "7001");
    world.share(other, "7002");
    for step in [Step::Dialing, Step::Alerting, Step::Connected, OVER] {
        world.on(fact(5, "7001", "7002", step));
    }
    let seen = world.take(one);
    let kinds: Vec<_> = seen.iter().map(|seen| seen.kind).collect();
    let expected = [EventType::EventDialing, EventType::EventEstablished, EventType::EventReleased];
    assert_eq!(kinds, expected);
    assert!(seen.iter().all(|seen| seen.attributes.this_dn.as_deref() == Some("7001")));
    assert!(seen.iter().all(|seen| seen.attributes.conn_id == Some(5)));
    let expected = [EventType::EventRinging, EventType::EventEstablished, EventType::EventReleased];
    assert_eq!(world.kinds(other), expected);
}

#[test]
fn calls_of_others_are_nobodys_affair() {
    let mut world = World::new();
    let one = world.client(1, "a");
    for dn in ["7001", "5000"] {
        world.share(one, dn);
    }
    world.on(fact(5, "0123", "5000", Step::Alerting));
    world.on(fact(6, "9999", "8888", Step::Dialing));
    assert!(world.take(one).is_empty(), "a routing point is no phone");
}

#[test]
fn after_call_work_is_told_before_the_release() {
    let mut settings = settings();
    settings.agents.wrap_up = Duration::from_secs(10);
    let mut world = World::with(settings);
    let one = world.client(1, "a");
    world.phone("7001", "sip:one", 3_600);
    world.share(one, "7001");
    let login = Attributes { agent_id: Some("alice".into()), ..dn("7001") };
    world.ask(one, RequestType::TAgentLogin, login.clone());
    world.ask(one, RequestType::TAgentSetReady, dn("7001"));
    world.take(one);
    world.on(fact(5, "0123", "7001", Step::Connected));
    assert_eq!(world.kinds(one), [EventType::EventRinging, EventType::EventEstablished]);
    world.on(fact(5, "0123", "7001", OVER));
    let seen = world.take(one);
    assert_eq!(seen[0].kind, EventType::EventAgentNotReady);
    assert_eq!(seen[0].attributes.agent_work_mode(), tlib::AgentWorkMode::AfterCallWork);
    assert_eq!(seen[1].kind, EventType::EventReleased);
    world.after(Duration::from_secs(10));
    assert_eq!(world.kinds(one), [EventType::EventAgentReady]);
    // An internal call is no business.
    world.on(fact(6, "7002", "7001", Step::Connected));
    world.take(one);
    world.on(fact(6, "7002", "7001", OVER));
    assert_eq!(world.kinds(one), [EventType::EventReleased]);
}

#[test]
fn no_agent_logs_in_during_a_call() {
    let mut world = World::new();
    let one = world.client(1, "a");
    world.phone("7001", "sip:one", 3_600);
    world.share(one, "7001");
    world.on(fact(5, "0123", "7001", Step::Alerting));
    let login = Attributes { agent_id: Some("alice".into()), ..dn("7001") };
    let code = world.refused(one, RequestType::TAgentLogin, login.clone());
    assert_eq!(code, ErrorCode::ErrorWrongState);
    let view = world.register_dn(one, "7001", RegisterMode::Share).attributes;
    assert_eq!(view.address_status(), tlib::AddressStatus::Ringing);
    world.on(fact(5, "0123", "7001", OVER));
    let answer = world.ask(one, RequestType::TAgentLogin, login);
    assert_eq!(answer.kind, EventType::EventAgentLogin);
}

#[test]
fn a_busy_phone_is_an_agent_not_ready_by_option() {
    for (by_option, code) in [(true, 486), (true, 480), (false, 486)] {
        let mut settings = settings();
        settings.agents.set_notready_on_busy = by_option;
        let mut world = World::with(settings);
        let one = world.client(1, "a");
        world.phone("7001", "sip:one", 3_600);
        world.share(one, "7001");
        let login = Attributes { agent_id: Some("alice".into()), ..dn("7001") };
        world.ask(one, RequestType::TAgentLogin, login);
        world.ask(one, RequestType::TAgentSetReady, dn("7001"));
        world.take(one);
        // A busy phone answers without ringing.
        world.on(fact(5, "0123", "7001", Step::Dialing));
        let by = EndedBy::Callee;
        world.on(fact(5, "0123", "7001", Step::Ended { by, code, was_connected: false }));
        let expected = by_option && code == 486;
        let expected = if expected { vec![EventType::EventAgentNotReady] } else { vec![] };
        assert_eq!(world.kinds(one), expected, "{by_option} {code}");
    }
}

fn release(conn_id: u64) -> Attributes {
    Attributes { conn_id: Some(conn_id), ..dn("7002") }
}

#[test]
fn a_client_ends_a_call_and_is_answered_when_it_is_over() {
    let mut world = World::new();
    let (one, other) = (world.client(1, "a"), world.client(2, "b"));
    world.share(one, "7002");
    world.share(other, "7002");
    world.on(fact(5, "7001", "7002", Step::Connected));
    let kind = RequestType::TReleaseCall;
    assert_eq!(world.refused(one, kind, dn("7002")), ErrorCode::ErrorInvalidAttribute);
    assert_eq!(world.refused(one, kind, release(6)), ErrorCode::ErrorInvalidConnId);
    let elsewhere = Attributes { conn_id: Some(5), ..dn("7003") };
    assert_eq!(world.refused(one, kind, elsewhere), ErrorCode::ErrorNotRegistered);
    world.take(one);
    world.take(other);
    let attributes = Some(Box::new(release(5)));
    let asked = Request { r#type: kind.into(), reference_id: 9, attributes, registration: None };
    world.send(one, asked);
    let slot = Slot { index: 3, generation: 4 };
    let (conn_id, party, wish) = (ConnId(5), CallParty::Callee, Wish::Release);
    assert_eq!(world.orders, [Order { call: slot, conn_id, party, wish }]);
    assert!(world.take(one).is_empty(), "not before it is over");
    assert_eq!(world.refused(other, kind, release(5)), ErrorCode::ErrorWrongState);
    world.on(fact(5, "7001", "7002", OVER));
    let seen = world.take(one);
    assert_eq!((seen[0].kind, seen[0].reference_id), (EventType::EventReleased, 9));
    let seen = world.take(other);
    assert_eq!((seen[0].kind, seen[0].reference_id), (EventType::EventReleased, 0));
    assert_eq!(world.refused(other, kind, release(5)), ErrorCode::ErrorInvalidConnId);
}
