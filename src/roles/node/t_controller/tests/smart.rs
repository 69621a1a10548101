//! Smart clients.

use super::*;
use crate::cti::tlib::{Capability, Cursor};
use crate::modules::t_library::bench::admission;

/// A client that says it is one.
fn smart(world: &mut World, id: u64, cursors: Vec<Cursor>) -> ClientId {
    let id = world.connect(id);
    let registration = ClientRegistration {
        application_name: "icon".to_owned(),
        protocol_version: 1,
        capabilities: vec![Capability::SmartClient.into()],
        cursors,
        ..ClientRegistration::default()
    };
    let request = Request {
        r#type: RequestType::TRegisterClient.into(),
        reference_id: 1,
        attributes: None,
        registration: Some(registration),
    };
    world.send(id, request);
    id
}

fn kinds(seen: &[Seen]) -> Vec<String> {
    let shortly = |seen: &Seen| {
        let kind = seen.kind.as_str_name().trim_start_matches("Event").to_owned();
        let dn = seen.attributes.this_dn.clone().unwrap_or_default();
        [kind, dn].join(" ").trim_end().to_owned()
    };
    seen.iter().map(shortly).collect()
}

/// A smart client that has asked for all; what it was told before is read.
fn all(world: &mut World, id: u64, cursors: Vec<Cursor>) -> ClientId {
    let id = smart(world, id, cursors);
    world.take(id);
    let answer = world.ask(id, RequestType::TRegisterAll, Attributes::default());
    assert_eq!(answer.kind, EventType::EventRegisteredAll);
    id
}

#[test]
fn it_hears_of_every_phone_of_this_node_and_of_no_other() {
    let mut world = World::new();
    world.phone("7001", "sip:1", 60);
    let desktop = world.client(1, "desktop");
    for number in 0..OWNED {
        world.share(desktop, &(8000 + number).to_string());
    }
    let id = all(&mut world, 2, Vec::new());
    let told = kinds(&world.take(id));
    assert_eq!(told[0], "Registered 7001");
    assert_eq!(told.len(), 1 + OWNED, "each once");
    // What it is not told of yet is not told twice.
    world.phone("7002", "sip:2", 60);
    assert_eq!(kinds(&world.take(id)), ["DNOwnershipTaken 7002", "DNBackInService 7002"]);
    world.take(desktop);
    let login = Attributes { agent_id: Some("alice".to_owned()), ..dn("8001") };
    world.ask(desktop, RequestType::TAgentLogin, login);
    assert_eq!(kinds(&world.take(id)), ["AgentLogin 8001", "AgentNotReady 8001"]);
    // One who is registered for a DN as well hears of it once.
    world.share(id, "8001");
    world.take(id);
    world.ask(desktop, RequestType::TAgentSetReady, dn("8001"));
    assert_eq!(kinds(&world.take(id)), ["AgentReady 8001"]);
    // What is nobody's any more.
    world.ask(desktop, RequestType::TUnregisterAddress, dn("8005"));
    assert_eq!(kinds(&world.take(id)), ["DNOutOfService 8005", "DNOwnershipLost 8005"]);
    let answer = world.ask(id, RequestType::TUnregisterAll, Attributes::default());
    assert_eq!(answer.kind, EventType::EventUnregisteredAll);
    world.phone("7003", "sip:3", 60);
    assert!(world.take(id).is_empty());
}

#[test]
fn it_goes_on_where_it_left_off() {
    let mut world = World::new();
    let id = all(&mut world, 1, Vec::new());
    world.phone("7001", "sip:1", 60);
    let seq = world.take(id).last().expect("an event").seq;
    world.gone(id);
    world.phone("7002", "sip:2", 60);
    let cursor = Cursor { source: 1, epoch: 7, seq };
    let id = all(&mut world, 2, vec![cursor]);
    assert_eq!(
        kinds(&world.take(id)),
        ["DNOwnershipTaken 7002", "DNBackInService 7002", "Registered 7001", "Registered 7002",]
    );
    // Asked again it is answered again, without what it has had.
    world.ask(id, RequestType::TRegisterAll, Attributes::default());
    assert_eq!(kinds(&world.take(id)), ["Registered 7001", "Registered 7002"]);
    // A number that was never given.
    let id = smart(&mut world, 3, vec![Cursor { seq: 1_000, ..cursor }]);
    let told = kinds(&world.take(id));
    assert_eq!(told, ["ServerConnected", "LinkConnected", "Gap"]);
    world.ask(id, RequestType::TRegisterAll, Attributes::default());
    assert_eq!(kinds(&world.take(id)), ["Registered 7001", "Registered 7002"]);
}

#[test]
fn what_a_phone_has_told_before_it_was_lost_is_not_lost_and_nothing_comes_twice() {
    let mut world = World::new();
    let desktop = world.client(9, "desktop");
    world.phone("7001", "sip:1", 3_600);
    let id = all(&mut world, 1, Vec::new());
    let seq = world.core.seq;
    world.take(id);
    world.gone(id);
    world.share(desktop, "8000");
    world.ask(desktop, RequestType::TUnregisterAddress, dn("8000"));
    world.share(desktop, "7001");
    world.ask(desktop, RequestType::TSetDndOn, dn("7001"));
    let id = smart(&mut world, 2, vec![Cursor { source: 1, epoch: 7, seq }]);
    world.take(id);
    // What it registers for first it gets first, and not again.
    world.share(id, "7001");
    assert_eq!(kinds(&world.take(id)), ["DNDOn 7001"]);
    world.ask(id, RequestType::TRegisterAll, Attributes::default());
    assert_eq!(
        kinds(&world.take(id)),
        [
            "DNOwnershipTaken 8000",
            "DNBackInService 8000",
            "DNOutOfService 8000",
            "DNOwnershipLost 8000",
            "Registered 7001",
        ]
    );
    world.phone("7002", "sip:2", 60);
    world.take(id);
    world.share(id, "7002");
    assert!(world.take(id).is_empty(), "it has had all of it");
}

#[test]
fn a_reload_brings_dns_and_ends_who_has_other_rights() {
    let mut world = World::new();
    let (id, named) = (all(&mut world, 1, Vec::new()), world.client(2, "team"));
    let more = |clients: &str| {
        let mut settings = settings();
        settings.dns.push(("7999".into(), DnKind::SipBased));
        settings.admission = Arc::new(admission(clients));
        Event::Settings(Arc::new(settings))
    };
    world.on(more(""));
    world.settle();
    world.phone("7999", "sip:1", 60);
    assert_eq!(kinds(&world.take(id)), ["DNOwnershipTaken 7999", "DNBackInService 7999"]);
    assert!(world.ended.is_empty());
    world.on(more("clients: [{name: icon}, {name: team, dns: [\"7001\"]}]\n"));
    assert!(world.ended.contains(&named) && world.ended.contains(&id), "all are asked now");
}

#[test]
fn who_has_not_said_so_is_none() {
    let mut world = World::new();
    let id = world.client(1, "icon");
    let all = [RequestType::TRegisterAll, RequestType::TUnregisterAll];
    let codes = all.map(|kind| world.refused(id, kind, Attributes::default()));
    assert_eq!(codes, [ErrorCode::ErrorWrongState, ErrorCode::ErrorNotRegistered]);
}
