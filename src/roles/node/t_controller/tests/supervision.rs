//! Supervisors of one node.

use super::*;
use crate::cti::tlib::{KvList, KvPair, MonitorNextCallType};

fn monitor(this: &str, other: &str) -> Attributes {
    Attributes {
        other_dn: Some(other.into()),
        monitor_next_call_type: Some(MonitorNextCallType::MonitorAllCalls.into()),
        ..dn(this)
    }
}

fn login(name: &str) -> Attributes {
    Attributes { agent_id: Some("alice".to_owned()), ..dn(name) }
}

/// A supervisor's desktop at 7001, where alice is logged in, and somebody who watches it.
fn desks() -> (World, ClientId, ClientId) {
    let mut world = World::new();
    world.phone("7001", "sip:1", 3_600);
    let (desktop, witness) = (world.client(1, "desktop"), world.client(2, "watcher"));
    world.share(desktop, "7001");
    world.share(witness, "7001");
    world.ask(desktop, RequestType::TAgentLogin, login("7001"));
    world.take(desktop);
    world.take(witness);
    (world, desktop, witness)
}

fn waiting(world: &World, target: &str) -> Vec<String> {
    let waiting = world.core.waiting.of(target).iter();
    waiting.map(|one| format!("{}@{}", one.agent_id, one.dn)).collect()
}

#[test]
fn a_supervisor_waits_for_calls_of_a_routing_point_until_cancelled() {
    let (mut world, desktop, witness) = desks();
    let answer = world.ask(desktop, RequestType::TMonitorNextCall, monitor("7001", "5000"));
    assert_eq!(answer.kind, EventType::EventMonitoringNextCall);
    let given = answer.attributes.clone();
    assert_eq!((given.this_dn.as_deref(), given.other_dn.as_deref()), (Some("7001"), Some("5000")));
    assert_eq!(given.monitor_next_call_type(), MonitorNextCallType::MonitorAllCalls);
    let extensions = given.extensions.expect("extensions");
    let texts = ["MonitorMode", "MonitorScope"].map(|key| extensions.text(key));
    assert_eq!(texts, [Some("silent"), Some("call")]);
    assert_eq!(waiting(&world, "5000"), ["alice@7001"]);
    // Asked again it is answered again; another target is one too many.
    world.ask(desktop, RequestType::TMonitorNextCall, monitor("7001", "5000"));
    assert_eq!(waiting(&world, "5000"), ["alice@7001"]);
    let kind = RequestType::TMonitorNextCall;
    let refused = world.refused(desktop, kind, monitor("7001", "7002"));
    assert_eq!(refused, ErrorCode::ErrorWrongState);
    let kind = RequestType::TCancelMonitoring;
    let wrong = world.refused(desktop, kind, monitor("7001", "7002"));
    assert_eq!(wrong, ErrorCode::ErrorWrongState);
    let answer = world.ask(desktop, kind, monitor("7001", "5000"));
    assert_eq!(answer.kind, EventType::EventMonitoringCancelled);
    assert_eq!(answer.attributes.other_dn.as_deref(), Some("5000"));
    assert_eq!(waiting(&world, "5000"), Vec::<String>::new());
    let told = [
        EventType::EventMonitoringNextCall,
        EventType::EventMonitoringNextCall,
        EventType::EventMonitoringCancelled,
    ];
    assert_eq!(world.kinds(witness), told, "all who hear of the DN do");
    assert_eq!(world.refused(desktop, kind, monitor("7001", "5000")), ErrorCode::ErrorWrongState);
}

#[test]
fn what_cannot_be_watched_is_refused() {
    let (mut world, desktop, witness) = desks();
    let kind = RequestType::TMonitorNextCall;
    let extensions = |mode: &str| Some(KvList { pairs: vec![KvPair::text("MonitorMode", mode)] });
    for (given, code) in [
        (dn("7001"), ErrorCode::ErrorInvalidAttribute),
        (
            Attributes { monitor_next_call_type: None, ..monitor("7001", "5000") },
            ErrorCode::ErrorInvalidAttribute,
        ),
        (
            Attributes { extensions: extensions("coach"), ..monitor("7001", "5000") },
            ErrorCode::ErrorInvalidAttribute,
        ),
        (
            Attributes { extensions: extensions("loud"), ..monitor("7001", "7002") },
            ErrorCode::ErrorInvalidAttribute,
        ),
        (monitor("7001", "7001"), ErrorCode::ErrorInvalidAttribute),
        (monitor("7001", "9999"), ErrorCode::ErrorNotConfigured),
        (monitor("7001", "1"), ErrorCode::ErrorBadDnType),
        (monitor("7002", "5000"), ErrorCode::ErrorNotRegistered),
    ] {
        assert_eq!(world.refused(desktop, kind, given.clone()), code, "{given:?}");
    }
    world.share(desktop, "5000");
    assert_eq!(world.refused(desktop, kind, monitor("5000", "7002")), ErrorCode::ErrorBadDnType);
    world.share(desktop, "7002");
    assert_eq!(world.refused(desktop, kind, monitor("7002", "7001")), ErrorCode::ErrorOutOfService);
    // An agent may be watched by who is not logged in, a Routing Point not.
    world.phone("7002", "sip:2", 3_600);
    assert_eq!(
        world.refused(desktop, kind, monitor("7002", "5000")),
        ErrorCode::ErrorAgentLoggedOff
    );
    let coach = Attributes { extensions: extensions("coach"), ..monitor("7002", "7001") };
    let answer = world.ask(desktop, kind, coach);
    assert_eq!(answer.kind, EventType::EventMonitoringNextCall);
    assert_eq!(waiting(&world, "7001"), ["@7002"]);
    assert!(world.take(witness).is_empty());
}

#[test]
fn a_subscription_ends_with_what_it_rests_on() {
    let cancelled = EventType::EventMonitoringCancelled;
    for what in 0..4 {
        let (mut world, desktop, witness) = desks();
        world.ask(desktop, RequestType::TMonitorNextCall, monitor("7001", "5000"));
        world.take(witness);
        match what {
            0 => {
                world.ask(desktop, RequestType::TAgentLogout, dn("7001"));
            }
            1 => world.gone(desktop),
            2 => {
                // Who stays logged in waits for the phone to be back, who is not does not.
                world.phone("7001", "sip:1", 0);
                assert_eq!(waiting(&world, "5000"), ["alice@7001"]);
                world.ask(desktop, RequestType::TAgentLogout, dn("7001"));
            }
            _ => {
                let without = |settings: Settings| {
                    let dns = settings.dns.into_iter().filter(|(name, _)| &**name != "5000");
                    Settings { dns: dns.collect(), ..settings }
                };
                world.on(Event::Settings(Arc::new(without(settings()))));
            }
        }
        world.settle();
        assert_eq!(waiting(&world, "5000"), Vec::<String>::new(), "{what}");
        let kinds = world.kinds(witness);
        assert_eq!(kinds.iter().filter(|kind| **kind == cancelled).count(), 1, "{what} {kinds:?}");
    }
}

#[test]
fn who_logs_in_is_known_to_who_waits() {
    let mut world = World::new();
    world.phone("7001", "sip:1", 3_600);
    let desktop = world.client(1, "desktop");
    world.share(desktop, "7001");
    world.ask(desktop, RequestType::TMonitorNextCall, monitor("7001", "7002"));
    assert_eq!(waiting(&world, "7002"), ["@7001"]);
    world.ask(desktop, RequestType::TAgentLogin, login("7001"));
    assert_eq!(waiting(&world, "7002"), ["alice@7001"]);
    world.ask(desktop, RequestType::TAgentLogout, dn("7001"));
    world.ask(desktop, RequestType::TMonitorNextCall, monitor("7001", "7002"));
    world.phone("7001", "sip:1", 0);
    assert_eq!(waiting(&world, "7002"), Vec::<String>::new(), "nobody and no phone");
}
