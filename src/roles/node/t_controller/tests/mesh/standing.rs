//! What a node's threads read of a DN that another node owns.

use super::*;
use crate::roles::node::t_controller::standing::GATHER_TIME;

/// A step of call `number` of a node at a DN.
fn step(mesh: &mut Mesh, node: NodeNumber, number: u64, dn: &str, step: Step) {
    mesh.on(node, Event::Fact(Box::new(fact(node, number, dn, step))));
}

const END: Step = Step::Ended { by: EndedBy::Caller, code: 200, was_connected: true };

/// Node 1 owns 7001, of whose word the nodes of a world without faults read this.
fn quiet() -> Mesh {
    let mut mesh = Mesh::new(8);
    mesh.pass(Duration::from_secs(2));
    mesh.phone(1, "7001", 3_600);
    mesh.pass(Duration::from_secs(1));
    mesh
}

/// Owner, node of its calls and DND, as each node reads them.
fn read(mesh: &Mesh) -> [(u16, u16, bool); 4] {
    let number = |node: Option<NodeId>| node.map_or(0, NodeId::get);
    [1, 2, 3, 4].map(|node| {
        let word = mesh.words.get(&(node, 0)).copied().unwrap_or_default();
        (number(word.owner), number(word.calls_at), word.dnd)
    })
}

/// The proxies of the other data centre cannot bring a call to node 2.
#[test]
fn every_node_of_the_data_centre_knows_where_the_calls_are() {
    let mut mesh = quiet();
    assert_eq!(read(&mesh), [(1, 0, false); 4]);
    step(&mut mesh, 2, 1, "7001", Step::Connected);
    mesh.pass(Duration::from_secs(1));
    assert_eq!(read(&mesh), [(1, 2, false), (1, 2, false), (1, 0, false), (1, 0, false)]);
    step(&mut mesh, 1, 2, "7001", Step::Connected);
    step(&mut mesh, 2, 1, "7001", END);
    mesh.pass(Duration::from_secs(1));
    assert_eq!(read(&mesh)[..2], [(1, 1, false); 2], "the one that is left");
    step(&mut mesh, 1, 2, "7001", END);
    mesh.pass(Duration::from_secs(1));
    assert_eq!(read(&mesh), [(1, 0, false); 4]);
    assert_eq!(mesh.findings, Vec::<String>::new());
}

/// The call that the DN is in counts, not one that rings at it meanwhile.
#[test]
fn what_rings_is_no_call_to_come_to() {
    let mut mesh = quiet();
    step(&mut mesh, 1, 1, "7001", Step::Alerting);
    mesh.pass(Duration::from_secs(1));
    assert_eq!(read(&mesh)[..2], [(1, 0, false); 2]);
    step(&mut mesh, 2, 2, "7001", Step::Connected);
    mesh.pass(Duration::from_secs(1));
    assert_eq!(read(&mesh)[..2], [(1, 2, false); 2]);
    step(&mut mesh, 2, 2, "7001", Step::Held(CallParty::Callee));
    step(&mut mesh, 1, 1, "7001", END);
    mesh.pass(Duration::from_secs(1));
    assert_eq!(read(&mesh)[..2], [(1, 2, false); 2]);
}

/// What is set at a DN goes with it out of the configuration.
#[test]
fn the_next_phone_of_a_number_may_be_disturbed() {
    let mut mesh = quiet();
    let desktop = mesh.connect(1, "desktop").expect("there");
    mesh.ask(1, desktop, RequestType::TRegisterAddress, dn("7001"));
    mesh.ask(1, desktop, RequestType::TSetDndOn, dn("7001"));
    mesh.pass(Duration::from_secs(1));
    assert_eq!(read(&mesh), [(1, 0, true); 4]);
    for with_phone in [false, true] {
        for node in 1..=NODES {
            let mut settings = settings_of(node, &mesh);
            settings.dns.retain(|(name, _)| with_phone || &**name != "7001");
            mesh.on(node, Event::Settings(Arc::new(settings)));
        }
        mesh.pass(Duration::from_secs(2));
    }
    assert!(mesh.nodes[&1].desks[&desktop].heard.contains(&EventType::EventDndOff));
    mesh.phone(2, "7001", 3_600);
    mesh.pass(Duration::from_secs(2));
    assert!(read(&mesh).iter().all(|(_, _, dnd)| !dnd), "{:?}", read(&mesh));
}

/// What comes and goes within the time in which changes are gathered is not shown to others.
#[test]
fn the_owner_knows_at_once() {
    let mut mesh = quiet();
    step(&mut mesh, 1, 1, "7001", Step::Connected);
    assert_eq!(read(&mesh)[..2], [(1, 1, false), (1, 0, false)]);
    step(&mut mesh, 1, 1, "7001", END);
    mesh.pass(GATHER_TIME + Duration::from_millis(DELAY_MAX));
    assert_eq!(read(&mesh), [(1, 0, false); 4]);
}

#[test]
fn do_not_disturb_is_known_everywhere_and_goes_with_the_dn() {
    let mut mesh = quiet();
    let desktop = mesh.connect(3, "desktop").expect("there");
    mesh.ask(3, desktop, RequestType::TRegisterAddress, dn("7001"));
    mesh.ask(3, desktop, RequestType::TSetDndOn, dn("7001"));
    mesh.pass(Duration::from_secs(1));
    assert_eq!(read(&mesh), [(1, 0, true); 4]);
    mesh.phone(4, "7001", 3_600);
    mesh.pass(Duration::from_secs(3));
    assert_eq!(read(&mesh), [(4, 0, true); 4], "handed over");
    mesh.ask(3, desktop, RequestType::TSetDndOff, dn("7001"));
    mesh.pass(Duration::from_secs(1));
    assert_eq!(read(&mesh), [(4, 0, false); 4]);
    assert_eq!(mesh.findings, Vec::<String>::new());
}

/// Without a link nothing is known but the last owner; with it everything again, also of what
/// has changed meanwhile.
#[test]
fn a_broken_link_is_made_good() {
    let mut mesh = quiet();
    let desktop = mesh.connect(1, "desktop").expect("there");
    mesh.ask(1, desktop, RequestType::TRegisterAddress, dn("7001"));
    mesh.ask(1, desktop, RequestType::TSetDndOn, dn("7001"));
    step(&mut mesh, 1, 1, "7001", Step::Connected);
    mesh.pass(Duration::from_secs(1));
    assert_eq!(read(&mesh)[..2], [(1, 1, true); 2]);
    mesh.cut_between(1, 2, true);
    assert_eq!(read(&mesh)[1], (1, 0, false), "nobody knows");
    mesh.ask(1, desktop, RequestType::TSetDndOff, dn("7001"));
    mesh.pass(Duration::from_secs(1));
    mesh.heal();
    mesh.pass(Duration::from_secs(20));
    assert_eq!(read(&mesh)[..2], [(1, 1, false); 2]);
    mesh.crash(1);
    mesh.pass(Duration::from_secs(20));
    assert_eq!(read(&mesh)[1].1, 0, "its calls are over");
}

/// Words of an earlier claim, or of who owns the DN no more, count for nothing.
#[test]
fn who_owns_it_no_more_is_not_heard() {
    let mut mesh = quiet();
    for (from, epoch) in [(3, 1), (1, 0), (1, 9)] {
        let said = proto::Standing { dn: "7001".to_owned(), epoch, calls_at: 3, dnd: true };
        let unknown = proto::Standing { dn: "4711".to_owned(), ..said.clone() };
        let given = proto::Standings { standings: vec![unknown, said], all: false };
        let core = &mut mesh.nodes.get_mut(&2).expect("there").core;
        core.on_standings(NodeId::new(from).expect("one"), &given);
        mesh.on(2, Event::Wake(Wake::Rest));
        assert_eq!(read(&mesh)[1], (1, 0, false), "{from} {epoch}");
    }
    let core = &mesh.nodes[&1].core;
    assert_eq!(core.dns[0].owner.epoch, 1, "the others were no claims of it");
}
