//! Courses of events of several nodes, played step by step.

use super::*;

/// What a client has heard since.
fn heard(mesh: &mut Mesh, number: NodeNumber, id: ClientId) -> Vec<EventType> {
    let node = mesh.nodes.get_mut(&number).expect("there");
    core::mem::take(&mut node.desks.get_mut(&id).expect("there").heard)
}

/// `tc-reconnect-timeout`: what one side does meanwhile, the other hears when the link is
/// back, and nothing else; without it the DN is out of service and its agent out.
#[test]
fn a_link_that_is_back_in_time_is_not_missed() {
    use EventType::{
        EventAgentLogin, EventAgentLogout, EventAgentNotReady, EventAgentReady,
        EventDnBackInService, EventDnOutOfService, EventDndOn,
    };
    for (seed, cut_ms, expected) in [
        (1, 1_000, &[EventAgentReady, EventDndOn][..]),
        (1, 5_000, &[EventDnOutOfService, EventAgentLogout, EventDnBackInService, EventDndOn]),
        (2, 1_000, &[EventDnOutOfService, EventAgentLogout, EventDnBackInService, EventDndOn]),
    ] {
        let mut mesh = Mesh::new(seed);
        mesh.pass(Duration::from_secs(2));
        mesh.phone(1, "7001", 3_600);
        mesh.pass(Duration::from_secs(1));
        let worker = mesh.connect(1, "desktop").expect("there");
        let desktop = mesh.connect(3, "desktop").expect("there");
        for (number, id) in [(1, worker), (3, desktop)] {
            mesh.ask(number, id, RequestType::TRegisterAddress, dn("7001"));
        }
        mesh.pass(Duration::from_secs(1));
        let login = Attributes { agent_id: Some("alice".to_owned()), ..dn("7001") };
        mesh.ask(3, desktop, RequestType::TAgentLogin, login);
        mesh.pass(Duration::from_secs(1));
        assert_eq!(heard(&mut mesh, 3, desktop), [EventAgentNotReady]);
        assert_eq!(heard(&mut mesh, 1, worker), [EventAgentLogin, EventAgentNotReady]);
        mesh.cut_between(1, 3, true);
        mesh.ask(1, worker, RequestType::TAgentSetReady, dn("7001"));
        mesh.ask(1, worker, RequestType::TSetDndOn, dn("7001"));
        mesh.pass(Duration::from_millis(cut_ms));
        mesh.heal();
        mesh.pass(Duration::from_secs(3));
        assert_eq!(heard(&mut mesh, 3, desktop), expected, "{seed} {cut_ms}");
        let gaps = [(1, worker), (3, desktop)].map(|(node, id)| mesh.nodes[&node].desks[&id].gaps);
        assert_eq!(gaps, [0, 1], "what was told meanwhile is lost, and said to be");
        assert_eq!(mesh.findings, Vec::<String>::new());
    }
}

/// A DN that is to go elsewhere goes as soon as its agent has ended after-call work, and not
/// while he is in the legal guard, in which nobody could restore him.
#[test]
fn a_dn_goes_when_after_call_work_has_ended() {
    use crate::cti::tlib::{AgentWorkMode, KvPair};
    for ends_by_hand in [true, false] {
        let mut mesh = Mesh { auto_restore: true, ..Mesh::new(8) };
        for number in 1..=NODES {
            mesh.begin(number, 5);
        }
        mesh.pass(Duration::from_secs(2));
        mesh.phone(1, "7001", 3_600);
        let desktop = mesh.connect(1, "desktop").expect("there");
        mesh.ask(1, desktop, RequestType::TRegisterAddress, dn("7001"));
        mesh.pass(Duration::from_secs(1));
        let guard = if ends_by_hand { 0 } else { 3 };
        let extensions = vec![
            KvPair::integer("wrap-up-time", if ends_by_hand { 60 } else { 1 }),
            KvPair::integer("legal-guard-time", guard),
        ];
        let login = Attributes {
            agent_id: Some("alice".to_owned()),
            agent_work_mode: Some(AgentWorkMode::ManualIn.into()),
            extensions: Some(extensions.into()),
            ..dn("7001")
        };
        mesh.ask(1, desktop, RequestType::TAgentLogin, login);
        mesh.ask(1, desktop, RequestType::TAgentSetReady, dn("7001"));
        let end = Step::Ended { by: EndedBy::Caller, code: 200, was_connected: true };
        mesh.on(1, Event::Fact(Box::new(fact(1, 9, "7001", Step::Connected))));
        mesh.phone(3, "7001", 3_600);
        mesh.pass(Duration::from_secs(1));
        mesh.on(1, Event::Fact(Box::new(fact(1, 9, "7001", end))));
        if ends_by_hand {
            mesh.pass(Duration::from_secs(2));
            assert!(mesh.nodes[&1].core.is_own(0), "after-call work goes on");
            mesh.ask(1, desktop, RequestType::TAgentSetReady, dn("7001"));
            mesh.pass(Duration::from_secs(1));
        } else {
            mesh.pass(Duration::from_secs(3));
            assert!(mesh.nodes[&1].core.is_own(0), "the legal guard goes on");
            mesh.pass(Duration::from_secs(3));
        }
        let owner = &mesh.nodes[&3].core;
        assert!(owner.is_own(0), "it has moved: {ends_by_hand}");
        let status = owner.dns[0].agent.status().expect("restored");
        assert!(status.is_ready, "{status:?}");
        assert_eq!(mesh.findings, Vec::<String>::new());
    }
}

/// `agent-state-auto-restore`: a phone registers in the other data centre, and its agent
/// goes there with it, as he was, or is logged out.
#[test]
fn an_agent_goes_with_the_phone_by_option() {
    use EventType::{
        EventAgentLogin, EventAgentLogout, EventAgentReady, EventDnBackInService,
        EventDnOutOfService,
    };
    for (auto_restore, then) in [(true, &[EventAgentLogin, EventAgentReady][..]), (false, &[])] {
        let mut mesh = Mesh { auto_restore, ..Mesh::new(8) };
        for number in 1..=NODES {
            mesh.begin(number, 5);
        }
        mesh.pass(Duration::from_secs(2));
        mesh.phone(1, "7001", 3_600);
        mesh.pass(Duration::from_secs(1));
        let desktop = mesh.connect(3, "desktop").expect("there");
        mesh.ask(3, desktop, RequestType::TRegisterAddress, dn("7001"));
        mesh.pass(Duration::from_secs(1));
        let login = Attributes { agent_id: Some("alice".to_owned()), ..dn("7001") };
        mesh.ask(3, desktop, RequestType::TAgentLogin, login);
        mesh.ask(3, desktop, RequestType::TAgentSetReady, dn("7001"));
        mesh.pass(Duration::from_secs(1));
        heard(&mut mesh, 3, desktop);
        mesh.phone(4, "7001", 3_600);
        mesh.pass(Duration::from_secs(3));
        let told = heard(&mut mesh, 3, desktop);
        let told: Vec<EventType> = told
            .into_iter()
            .filter(|kind| !matches!(kind, EventDnOutOfService | EventDnBackInService))
            .collect();
        assert_eq!(told[0], EventAgentLogout);
        assert_eq!(told[1..], *then, "{auto_restore}");
        let owner = &mesh.nodes[&4].core;
        assert!(owner.is_own(0), "it has moved");
        let is_there = owner.dns[0].agent.status().is_some();
        assert_eq!(is_there, !then.is_empty());
        // His desktop is his desktop still.
        mesh.nodes.get_mut(&3).expect("there").desks.remove(&desktop);
        mesh.on(3, Event::Heard(desktop, Heard::Gone("test")));
        mesh.pass(Duration::from_secs(1));
        assert!(mesh.nodes[&4].core.dns[0].agent.status().is_none(), "logged out with it");
        assert_eq!(mesh.findings, Vec::<String>::new());
    }
}
