//! A call runs on while the owner of its DN is lost, or the link to it.

use super::*;
use EventType::{
    EventDnBackInService, EventDnOutOfService, EventEstablished, EventHeld, EventReleased,
    EventRinging,
};

const END: Step = Step::Ended { by: EndedBy::Caller, code: 200, was_connected: true };

fn step(mesh: &mut Mesh, node: NodeNumber, step: Step) {
    mesh.on(node, Event::Fact(Box::new(fact(node, 7, "7001", step))));
}

/// What a client has heard since.
fn heard(mesh: &mut Mesh, (number, id): (NodeNumber, ClientId)) -> Vec<EventType> {
    mesh.pass(Duration::from_secs(1));
    let node = mesh.nodes.get_mut(&number).expect("there");
    core::mem::take(&mut node.desks.get_mut(&id).expect("there").heard)
}

/// Node 2 owns 7001, a client of node 4 is registered for it, a call of node 1 rings at it.
fn ringing() -> (Mesh, (NodeNumber, ClientId)) {
    let mut mesh = Mesh::new(8);
    mesh.pass(Duration::from_secs(2));
    mesh.phone(2, "7001", 3_600);
    mesh.pass(Duration::from_secs(1));
    let client = (4, mesh.connect(4, "stat-server").expect("there"));
    mesh.ask(4, client.1, RequestType::TRegisterAddress, dn("7001"));
    mesh.pass(Duration::from_secs(1));
    step(&mut mesh, 1, Step::Dialing);
    step(&mut mesh, 1, Step::Alerting);
    assert_eq!(heard(&mut mesh, client), [EventRinging]);
    (mesh, client)
}

/// The DN goes to the node of the call, to one that has nothing to do with it, to its owner
/// that has started anew: the call is not ended for anybody, and its end is heard.
#[test]
fn a_call_outlives_the_owner_of_its_dn() {
    for (then, is_back) in [(1, false), (3, false), (2, true)] {
        let (mut mesh, client) = ringing();
        step(&mut mesh, 1, Step::Connected);
        step(&mut mesh, 1, Step::Held(CallParty::Callee));
        assert_eq!(heard(&mut mesh, client), [EventEstablished, EventHeld]);
        mesh.kill(2);
        if is_back {
            mesh.pass(Duration::from_millis(300));
            mesh.begin(2, 2);
        }
        mesh.pass(Duration::from_secs(3));
        mesh.phone(then, "7001", 3_600);
        mesh.pass(Duration::from_secs(1));
        let told = heard(&mut mesh, client);
        assert_eq!(told, [EventDnOutOfService, EventDnBackInService], "{then}");
        let owner = &mesh.nodes[&then].core;
        let conn_id = fact(1, 7, "7001", END).conn_id;
        let known = Shown::of_registered(&owner.known(0)).call(conn_id);
        assert_eq!(known, Some((true, true)), "{then}");
        assert_eq!(mesh.words[&(then, 0)].calls_at.map(NodeId::get), (then < 3).then_some(1));
        step(&mut mesh, 1, END);
        assert_eq!(heard(&mut mesh, client), [EventReleased], "{then}");
        assert!(mesh.nodes[&then].core.dns[0].calls.is_empty());
        assert_eq!(mesh.findings, Vec::<String>::new());
    }
}

/// Where nobody comes to own the DN, the call is over for its clients after a while.
#[test]
fn a_call_of_a_dn_that_nobody_comes_for_is_not_shown_for_ever() {
    let (mut mesh, client) = ringing();
    mesh.kill(2);
    mesh.pass(Duration::from_millis(300));
    mesh.begin(2, 2);
    mesh.pass(Duration::from_secs(20));
    assert_eq!(heard(&mut mesh, client), [EventDnOutOfService]);
    mesh.pass(Duration::from_secs(15));
    assert_eq!(heard(&mut mesh, client), [EventReleased]);
    step(&mut mesh, 1, END);
    assert_eq!(heard(&mut mesh, client), []);
    assert_eq!(mesh.findings, Vec::<String>::new());
}

/// Who talks when the owner of his DN is lost cannot log in there as if he did not.
#[test]
fn who_talks_is_known_to_talk_at_the_next_owner() {
    let (mut mesh, client) = ringing();
    step(&mut mesh, 1, Step::Connected);
    mesh.kill(2);
    mesh.pass(Duration::from_secs(3));
    mesh.phone(3, "7001", 3_600);
    mesh.pass(Duration::from_secs(2));
    heard(&mut mesh, client);
    let status = mesh.nodes[&3].core.dns[0].calls.status();
    assert_eq!(status, tlib::AddressStatus::Talking);
}

/// What has happened in a call while there was no way to the owner of its DN, the owner hears
/// with the link; of a call that has begun meanwhile, too.
#[test]
fn what_a_break_has_kept_comes_with_the_link() {
    for (begun_before, reconnect_ms) in [(true, 0), (false, 0), (true, 20_000)] {
        let (mut mesh, client) = ringing();
        if !begun_before {
            step(&mut mesh, 1, END);
            heard(&mut mesh, client);
        }
        mesh.reconnect = Duration::from_millis(reconnect_ms);
        for number in 1..=NODES {
            let settings = Arc::new(settings_of(number, &mesh));
            mesh.on(number, Event::Settings(settings));
        }
        mesh.cut_between(1, 2, true);
        mesh.pass(Duration::from_secs(2));
        step(&mut mesh, 1, Step::Dialing);
        step(&mut mesh, 1, Step::Alerting);
        step(&mut mesh, 1, Step::Connected);
        assert_eq!(heard(&mut mesh, client), [], "there is no way");
        mesh.heal();
        mesh.pass(Duration::from_secs(5));
        let first: &[EventType] = if begun_before { &[] } else { &[EventRinging] };
        let told = heard(&mut mesh, client);
        assert_eq!(told, [first, &[EventEstablished]].concat(), "{begun_before} {reconnect_ms}");
        step(&mut mesh, 1, END);
        assert_eq!(heard(&mut mesh, client), [EventReleased]);
        assert!(mesh.nodes[&2].core.dns[0].calls.is_empty());
        assert!(mesh.nodes[&1].core.running.is_empty());
        assert_eq!(mesh.findings, Vec::<String>::new());
    }
}

/// What is asked of a DN while it settles is worked on when it has: a client that comes then is
/// told of the call once, as it is, and one that asks for its end gets that.
#[test]
fn who_asks_while_a_dn_settles_waits() {
    let (mut mesh, client) = ringing();
    step(&mut mesh, 1, Step::Connected);
    heard(&mut mesh, client);
    mesh.calls.push((1, fact(1, 7, "7001", Step::Connected)));
    mesh.kill(2);
    mesh.pass(Duration::from_secs(3));
    let late = (3, mesh.connect(3, "stat-server").expect("there"));
    mesh.phone(3, "7001", 3_600);
    mesh.pass(Duration::from_millis(250));
    mesh.ask(3, late.1, RequestType::TRegisterAddress, dn("7001"));
    let conn_id = fact(1, 7, "7001", END).conn_id;
    let given = Attributes { conn_id: Some(conn_id.0), ..dn("7001") };
    mesh.ask(4, client.1, RequestType::TReleaseCall, given);
    mesh.pass(Duration::from_millis(200));
    assert!(mesh.nodes[&3].core.is_settling(0));
    for (number, id) in [late, client] {
        assert_eq!(mesh.nodes[&number].desks[&id].asked.len(), 1, "it waits");
    }
    assert_eq!(heard(&mut mesh, late), [EventReleased]);
    assert_eq!(heard(&mut mesh, client), [EventDnOutOfService, EventDnBackInService]);
    let desk = &mesh.nodes[&4].desks[&client.1];
    assert!(desk.asked.is_empty() && desk.refusals.is_empty(), "EventReleased is its answer");
    assert!(mesh.nodes[&3].core.dns[0].calls.is_empty());
    assert_eq!(mesh.findings, Vec::<String>::new());
}

/// What waits for a DN that settles goes where the DN does.
#[test]
fn who_waits_for_a_dn_that_goes_elsewhere_is_answered_there() {
    let (mut mesh, client) = ringing();
    step(&mut mesh, 1, Step::Connected);
    heard(&mut mesh, client);
    mesh.kill(2);
    mesh.pass(Duration::from_secs(3));
    let late = (3, mesh.connect(3, "stat-server").expect("there"));
    // Both claim it, which others have to tell them; the greater one has it.
    mesh.cut_between(3, 4, true);
    mesh.phone(3, "7001", 3_600);
    mesh.ask(3, late.1, RequestType::TRegisterAddress, dn("7001"));
    mesh.phone(4, "7001", 3_600);
    assert!(mesh.nodes[&3].core.is_settling(0) && mesh.nodes[&4].core.is_own(0));
    mesh.pass(Duration::from_millis(450));
    assert!(!mesh.nodes[&3].core.is_own(0));
    mesh.heal();
    mesh.pass(Duration::from_secs(10));
    for (number, id) in [late, client] {
        let desk = &mesh.nodes[&number].desks[&id];
        assert!(desk.asked.is_empty(), "{:?}", desk.asked);
        assert_eq!(desk.refusals, []);
        assert_eq!(desk.views["7001"].call(fact(1, 7, "7001", END).conn_id), Some((true, false)));
    }
    assert_eq!(mesh.findings, Vec::<String>::new());
}

/// Many who wait for one DN are answered some in a turn, in their order, and who comes meanwhile
/// after them.
#[test]
fn many_who_wait_for_a_dn_that_settles_are_answered_in_their_order() {
    use EventType::{EventDndOff, EventDndOn, EventError};
    let (mut mesh, client) = ringing();
    mesh.kill(2);
    mesh.pass(Duration::from_secs(3));
    let late = (3, mesh.connect(3, "stat-server").expect("there"));
    mesh.phone(3, "7001", 3_600);
    mesh.ask(3, late.1, RequestType::TRegisterAddress, dn("7001"));
    for number in 0..150 {
        let kind = if number % 2 == 0 { RequestType::TSetDndOn } else { RequestType::TSetDndOff };
        mesh.ask(3, late.1, kind, dn("7001"));
    }
    assert!(mesh.nodes[&3].core.is_settling(0));
    heard(&mut mesh, client);
    mesh.pass(Duration::from_secs(1));
    let desk = &mesh.nodes[&3].desks[&late.1];
    assert!(desk.asked.is_empty(), "{} wait", desk.asked.len());
    assert_eq!(desk.refusals, [], "each found what the one before has set");
    let told = &mesh.nodes[&4].desks[&client.1].heard;
    assert!(!told.contains(&EventError));
    let count = |kind| told.iter().filter(|told| **told == kind).count();
    assert!(count(EventDndOn) <= 75 && count(EventDndOff) <= 75);
    assert_eq!(mesh.findings, Vec::<String>::new());
}
