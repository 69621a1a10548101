//! The Smart Proxy: one connection shows every DN.

use super::*;
use EventType::{
    EventAgentLogin, EventAgentNotReady, EventDnBackInService, EventDnOutOfService, EventDndOff,
    EventDndOn, EventEstablished, EventReleased,
};

/// The Smart Proxy of node 1.
const PROXY_1: NodeNumber = 1 + SMART_PROXY;

/// A world without faults in which node 1 owns 7001 and node 3 owns 7002.
fn quiet(is_bulk: bool) -> Mesh {
    let mut mesh = Mesh { is_bulk, ..Mesh::new(8) };
    for number in 1..=NODES {
        mesh.begin(number, 5);
    }
    mesh.pass(Duration::from_secs(2));
    mesh.phone(1, "7001", 3_600);
    mesh.phone(3, "7002", 3_600);
    mesh.pass(Duration::from_secs(1));
    mesh
}

fn told(mesh: &mut Mesh, number: NodeNumber, id: ClientId) -> Vec<EventType> {
    let node = mesh.nodes.get_mut(&number).expect("there");
    core::mem::take(&mut node.desks.get_mut(&id).expect("there").heard)
}

fn refusals(mesh: &mut Mesh, number: NodeNumber, id: ClientId) -> Vec<ErrorCode> {
    let node = mesh.nodes.get_mut(&number).expect("there");
    core::mem::take(&mut node.desks.get_mut(&id).expect("there").refusals)
}

fn register(mesh: &mut Mesh, number: NodeNumber, id: ClientId, name: &str, mode: RegisterMode) {
    let register_mode = Some(mode.into());
    let given = Attributes { register_mode, ..dn(name) };
    mesh.ask(number, id, RequestType::TRegisterAddress, given);
    mesh.pass(Duration::from_secs(1));
}

/// How many of the registrants that an owner knows are clients of Smart Proxies.
fn noted(mesh: &Mesh, owner: NodeNumber, name: &str) -> usize {
    let entry = mesh.nodes[&owner].core.dns.iter().find(|entry| &*entry.name == name);
    let registrants = &entry.expect("configured").registrants;
    registrants.iter().filter(|(party, _)| party.node.is_smart_proxy()).count()
}

/// A call at a DN, with node 2.
fn call(mesh: &mut Mesh, dn: &str) -> ConnId {
    mesh.next_call += 1;
    let fact = fact(2, mesh.next_call, dn, Step::Connected);
    let conn_id = fact.conn_id;
    mesh.calls.push((2, fact.clone()));
    mesh.on(2, Event::Fact(Box::new(fact)));
    mesh.pass(Duration::from_secs(1));
    conn_id
}

#[test]
fn one_connection_shows_every_dn() {
    for is_bulk in [false, true] {
        let mut mesh = quiet(is_bulk);
        let watcher = mesh.connect(PROXY_1, "desktop").expect("there");
        for name in ["7001", "7002", "8000"] {
            register(&mut mesh, PROXY_1, watcher, name, RegisterMode::Share);
        }
        let views = &mesh.nodes[&PROXY_1].desks[&watcher].views;
        let in_service = views.values().map(|view| view.is_in_service).collect::<Vec<_>>();
        assert_eq!(in_service, [true, true, false], "an owner of DNs owns none by this port");
        let desktop = mesh.connect(4, "desktop").expect("there");
        for name in ["7001", "8000"] {
            register(&mut mesh, 4, desktop, name, RegisterMode::Share);
        }
        assert_eq!(told(&mut mesh, PROXY_1, watcher), [EventDnBackInService]);
        let login = Attributes { agent_id: Some("alice".to_owned()), ..dn("7001") };
        mesh.ask(4, desktop, RequestType::TAgentLogin, login);
        mesh.pass(Duration::from_secs(1));
        assert_eq!(told(&mut mesh, PROXY_1, watcher), [EventAgentLogin, EventAgentNotReady]);
        let conn_id = call(&mut mesh, "7002");
        let last = told(&mut mesh, PROXY_1, watcher).last().copied();
        assert_eq!(last, Some(EventEstablished));
        // Who watches may end a call.
        let given = Attributes { conn_id: Some(conn_id.0), ..dn("7002") };
        mesh.ask(PROXY_1, watcher, RequestType::TReleaseCall, given);
        mesh.pass(Duration::from_secs(1));
        assert_eq!(mesh.calls.len(), 0);
        assert_eq!(refusals(&mut mesh, PROXY_1, watcher), []);
        for kind in [
            RequestType::TAgentLogin,
            RequestType::TAgentSetReady,
            RequestType::TMonitorNextCall,
            RequestType::TRegisterAll,
            RequestType::TSetDndOn,
        ] {
            mesh.ask(PROXY_1, watcher, kind, dn("7001"));
            let refused = refusals(&mut mesh, PROXY_1, watcher);
            assert_eq!(refused, [ErrorCode::ErrorUnsupportedOperation], "{kind:?}");
        }
        assert_eq!(noted(&mesh, 1, "7001"), usize::from(!is_bulk));
        mesh.ask(PROXY_1, watcher, RequestType::TUnregisterAddress, dn("7001"));
        mesh.pass(Duration::from_secs(1));
        mesh.ask(4, desktop, RequestType::TSetDndOn, dn("7001"));
        mesh.pass(Duration::from_secs(1));
        assert_eq!(told(&mut mesh, PROXY_1, watcher), [], "it has left the DN");
        let given = Attributes { conn_id: Some(conn_id.0), ..dn("7001") };
        mesh.ask(PROXY_1, watcher, RequestType::TReleaseCall, given);
        mesh.ask(PROXY_1, watcher, RequestType::TUnregisterAddress, dn("7001"));
        mesh.pass(Duration::from_secs(1));
        let not_registered = [ErrorCode::ErrorNotRegistered; 2];
        assert_eq!(refusals(&mut mesh, PROXY_1, watcher), not_registered);
        assert_eq!(mesh.findings, Vec::<String>::new());
    }
}

/// What a client may do next it may do before it has the answer.
#[test]
fn a_client_does_not_wait_for_answers() {
    for is_bulk in [false, true] {
        let mut mesh = quiet(is_bulk);
        let conn_id = call(&mut mesh, "7002");
        let watcher = mesh.connect(PROXY_1, "watcher").expect("there");
        mesh.ask(PROXY_1, watcher, RequestType::TRegisterAddress, dn("7001"));
        mesh.ask(PROXY_1, watcher, RequestType::TUnregisterAddress, dn("7001"));
        mesh.ask(PROXY_1, watcher, RequestType::TRegisterAddress, dn("7002"));
        let given = Attributes { conn_id: Some(conn_id.0), ..dn("7002") };
        mesh.ask(PROXY_1, watcher, RequestType::TReleaseCall, given);
        mesh.pass(Duration::from_secs(2));
        assert_eq!(refusals(&mut mesh, PROXY_1, watcher), []);
        assert_eq!(mesh.calls.len(), 0);
        let views = &mesh.nodes[&PROXY_1].desks[&watcher].views;
        assert_eq!(views.keys().collect::<Vec<_>>(), ["7002"]);
    }
}

/// A private registration is checked where it counts, in either mode.
#[test]
fn who_has_a_dn_alone_is_known_to_its_owner() {
    for is_bulk in [false, true] {
        let mut mesh = quiet(is_bulk);
        let [one, other] = [(); 2].map(|()| mesh.connect(PROXY_1, "watcher").expect("there"));
        register(&mut mesh, PROXY_1, one, "7002", RegisterMode::Private);
        assert_eq!(noted(&mesh, 3, "7002"), 1);
        register(&mut mesh, PROXY_1, other, "7002", RegisterMode::Share);
        assert_eq!(refusals(&mut mesh, PROXY_1, other), [ErrorCode::ErrorResourceSeized]);
        mesh.ask(PROXY_1, one, RequestType::TUnregisterAddress, dn("7002"));
        mesh.pass(Duration::from_secs(1));
        assert_eq!(noted(&mesh, 3, "7002"), 0);
        register(&mut mesh, PROXY_1, other, "7002", RegisterMode::Share);
        assert_eq!(refusals(&mut mesh, PROXY_1, other), []);
    }
}

/// Switched on and off, and on again before it was off everywhere, it misses nothing that
/// a client of a TCport hears.
#[test]
fn nothing_is_lost_while_the_mode_changes() {
    let mut mesh = quiet(false);
    let at_port = mesh.connect(2, "watcher").expect("there");
    let at_proxy = mesh.connect(PROXY_1, "watcher").expect("there");
    for (number, id) in [(2, at_port), (PROXY_1, at_proxy)] {
        for name in ["7001", "7002"] {
            register(&mut mesh, number, id, name, RegisterMode::Share);
        }
    }
    let worker = mesh.connect(3, "desktop").expect("there");
    register(&mut mesh, 3, worker, "7002", RegisterMode::Share);
    let mut expected = Vec::new();
    for step in 0..200_u64 {
        if step % 7 == 0 {
            mesh.is_bulk = !mesh.is_bulk;
            let settings = Arc::new(settings_of(PROXY_1, &mesh));
            mesh.on(PROXY_1, Event::Settings(settings));
        }
        let (kind, then) = if step % 2 == 0 {
            (RequestType::TSetDndOn, EventDndOn)
        } else {
            (RequestType::TSetDndOff, EventDndOff)
        };
        mesh.ask(3, worker, kind, dn("7002"));
        expected.push(then);
        let span = mesh.draw(150);
        mesh.pass(Duration::from_millis(span));
    }
    mesh.pass(Duration::from_secs(2));
    assert_eq!(told(&mut mesh, 2, at_port), expected);
    assert_eq!(told(&mut mesh, PROXY_1, at_proxy), expected);
    assert_eq!(noted(&mesh, 3, "7002"), usize::from(!mesh.is_bulk));
    assert_eq!(mesh.findings, Vec::<String>::new());
}

/// The owner dies, and the phone registers elsewhere: a bulk registrar hears what others do.
#[test]
fn a_dn_whose_owner_dies_is_seen_where_it_is_next() {
    for is_bulk in [false, true] {
        let mut mesh = quiet(is_bulk);
        let watcher = mesh.connect(PROXY_1, "watcher").expect("there");
        register(&mut mesh, PROXY_1, watcher, "7002", RegisterMode::Share);
        mesh.crash(3);
        mesh.pass(Duration::from_secs(1));
        assert_eq!(told(&mut mesh, PROXY_1, watcher), [EventDnOutOfService]);
        mesh.phone(2, "7002", 3_600);
        mesh.pass(Duration::from_secs(1));
        assert_eq!(told(&mut mesh, PROXY_1, watcher), [EventDnBackInService]);
        let conn_id = call(&mut mesh, "7002");
        mesh.end_call(conn_id);
        mesh.pass(Duration::from_secs(1));
        let kinds = told(&mut mesh, PROXY_1, watcher);
        assert_eq!(kinds.last(), Some(&EventReleased), "{kinds:?}");
        assert_eq!(mesh.nodes[&PROXY_1].desks[&watcher].gaps, 1);
        assert_eq!(mesh.findings, Vec::<String>::new());
    }
}
