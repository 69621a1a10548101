//! Agents as clients see them.

use super::*;
use crate::cti::tlib::AgentWorkMode;

fn login(agent_id: &str) -> Attributes {
    Attributes { agent_id: Some(agent_id.into()), ..dn("7001") }
}

/// A world in which 7001 and 7002 are in service, and two clients are registered for both.
fn desks() -> (World, ClientId, ClientId) {
    let mut world = World::new();
    let (one, other) = (world.client(1, "a"), world.client(2, "b"));
    for name in ["7001", "7002"] {
        world.phone(name, "sip:one", 3_600);
        world.share(one, name);
        world.share(other, name);
    }
    (world, one, other)
}

#[test]
fn everybody_sees_the_same_and_the_requester_its_answer() {
    let (mut world, one, other) = desks();
    let answer = world.ask(one, RequestType::TAgentLogin, login("alice"));
    assert_eq!(answer.kind, EventType::EventAgentLogin);
    let mut seen = world.take(one);
    seen.insert(0, Seen { reference_id: 0, ..answer });
    assert_eq!(seen, world.take(other), "the same events with the same numbers");
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[1].kind, EventType::EventAgentNotReady);
    assert_eq!(seen[0].seq + 1, seen[1].seq);
    for seen in seen {
        let shown = seen.attributes;
        assert_eq!(shown.agent_id.as_deref(), Some("alice"));
        assert_eq!(shown.agent_session_id.map(|id| id.len()), Some(32));
        assert_eq!(shown.reasons.as_ref().and_then(|reasons| reasons.text("site")), Some("dc1"));
    }
}

#[test]
fn a_login_that_cannot_be() {
    let (mut world, one, _) = desks();
    let kind = RequestType::TAgentLogin;
    let at = |name: &str| Attributes { this_dn: Some(name.into()), ..login("alice") };
    assert_eq!(world.refused(one, kind, at("7003")), ErrorCode::ErrorNotRegistered);
    world.share(one, "7003");
    assert_eq!(world.refused(one, kind, at("7003")), ErrorCode::ErrorOutOfService);
    world.share(one, "5000");
    assert_eq!(world.refused(one, kind, at("5000")), ErrorCode::ErrorBadDnType);
    assert_eq!(world.refused(one, kind, login("nobody")), ErrorCode::ErrorInvalidAgentId);
    assert_eq!(world.refused(one, kind, dn("7001")), ErrorCode::ErrorInvalidAttribute);
    for password in [None, Some("wrong".to_owned())] {
        let attributes = Attributes { password, ..login("bob") };
        assert_eq!(world.refused(one, kind, attributes), ErrorCode::ErrorBadPassword);
    }
    let odd = Attributes { agent_work_mode: Some(99), ..login("alice") };
    assert_eq!(world.refused(one, kind, odd), ErrorCode::ErrorInvalidAttribute);
    let right = Attributes { password: Some("secret".to_owned()), ..login("bob") };
    assert_eq!(world.ask(one, kind, right).kind, EventType::EventAgentLogin);
    let watcher = world.client(9, "watcher");
    world.register_dn(watcher, "7001", RegisterMode::Monitor);
    assert_eq!(world.refused(watcher, kind, login("alice")), ErrorCode::ErrorNotRegistered);
}

#[test]
fn an_agent_is_at_one_dn_and_a_dn_has_one_agent() {
    let (mut world, one, _) = desks();
    let kind = RequestType::TAgentLogin;
    world.ask(one, kind, login("alice"));
    assert_eq!(world.refused(one, kind, login("alice")), ErrorCode::ErrorAlreadyInState);
    let second = Attributes { password: Some("secret".to_owned()), ..login("bob") };
    assert_eq!(world.refused(one, kind, second), ErrorCode::ErrorResourceSeized);
    let elsewhere = Attributes { this_dn: Some("7002".into()), ..login("alice") };
    assert_eq!(world.refused(one, kind, elsewhere.clone()), ErrorCode::ErrorResourceSeized);
    let out = world.ask(one, RequestType::TAgentLogout, dn("7001"));
    assert_eq!(out.kind, EventType::EventAgentLogout);
    assert_eq!(world.ask(one, kind, elsewhere).kind, EventType::EventAgentLogin);
    assert_eq!(
        world.refused(one, RequestType::TAgentLogout, dn("7001")),
        ErrorCode::ErrorAgentLoggedOff
    );
}

#[test]
fn reasons_and_work_modes_come_back() {
    let (mut world, one, other) = desks();
    world.ask(one, RequestType::TAgentLogin, login("alice"));
    world.take(other);
    let lunch: tlib::KvList = vec![tlib::KvPair::text("ReasonCode", "Lunch")].into();
    let attributes = Attributes {
        agent_work_mode: Some(AgentWorkMode::AuxWork.into()),
        reasons: Some(lunch),
        ..dn("7001")
    };
    world.ask(one, RequestType::TAgentSetNotReady, attributes);
    let shown = world.take(other).remove(0).attributes;
    assert_eq!(shown.agent_work_mode(), AgentWorkMode::AuxWork);
    let reasons = shown.reasons.expect("reasons");
    assert_eq!((reasons.text("ReasonCode"), reasons.text("site")), (Some("Lunch"), Some("dc1")));
    let view = world.register_dn(other, "7001", RegisterMode::Share).attributes;
    assert_eq!(view.reasons, Some(reasons), "a view is built anew from the registration");
    assert_eq!(view.agent_id.as_deref(), Some("alice"));
    assert_eq!(view.agent_session_id, shown.agent_session_id);
    assert_eq!(view.extensions.and_then(|list| list.number("AgentStatus")), Some(3));
    let ready = world.ask(other, RequestType::TAgentSetReady, dn("7001"));
    assert_eq!(ready.kind, EventType::EventAgentReady, "any registrant may ask");
    let asked = Attributes {
        address_info_type: Some(tlib::AddressInfoType::AddressInfoAgentStatus.into()),
        ..dn("7001")
    };
    let info = world.ask(other, RequestType::TQueryAddress, asked).attributes;
    assert_eq!(info.extensions.and_then(|list| list.number("AgentStatus")), Some(2));
}

/// What a login asks for by Extensions holds for it alone.
#[test]
fn a_login_has_options_of_its_own() {
    let with = |key: &str, pair: tlib::KvPair| {
        assert_eq!(pair.key, key);
        Attributes { extensions: Some(vec![pair].into()), ..login("alice") }
    };
    for (pair, expected) in [
        (tlib::KvPair::text("logout-on-disconnect", "false"), vec![]),
        (tlib::KvPair::integer("logout-on-disconnect", 0), vec![]),
        (tlib::KvPair::text("logout-on-disconnect", "True"), vec![EventType::EventAgentLogout]),
    ] {
        let (mut world, one, other) = desks();
        world.ask(one, RequestType::TAgentLogin, with("logout-on-disconnect", pair));
        world.take(other);
        world.gone(one);
        assert_eq!(world.kinds(other), expected);
        // The next one has said nothing of it.
        if expected.is_empty() {
            world.ask(other, RequestType::TAgentLogout, dn("7001"));
            world.ask(other, RequestType::TAgentLogin, login("alice"));
            let third = world.client(3, "c");
            world.share(third, "7001");
            world.gone(other);
            assert_eq!(world.kinds(third), [EventType::EventAgentLogout]);
        }
    }
    let (mut world, one, _) = desks();
    for (key, value) in [("logout-on-disconnect", "perhaps"), ("wrap-up-time", "soon")] {
        let given = with(key, tlib::KvPair::text(key, value));
        let refused = world.refused(one, RequestType::TAgentLogin, given);
        assert_eq!(refused, ErrorCode::ErrorInvalidAttribute, "{key}");
    }
    let given = with("legal-guard-time", tlib::KvPair::integer("legal-guard-time", -1));
    let refused = world.refused(one, RequestType::TAgentLogin, given);
    assert_eq!(refused, ErrorCode::ErrorInvalidAttribute);
}

#[test]
fn the_desktop_that_logged_in_takes_its_agent_along_by_option() {
    for logs_out in [true, false] {
        let mut settings = settings();
        settings.logout_on_disconnect = logs_out;
        let mut world = World::with(settings);
        let (one, other) = (world.client(1, "a"), world.client(2, "b"));
        let third = world.client(3, "c");
        world.phone("7001", "sip:one", 3_600);
        for id in [one, other, third] {
            world.share(id, "7001");
        }
        world.ask(one, RequestType::TAgentLogin, login("alice"));
        world.take(other);
        world.gone(third);
        assert!(world.take(other).is_empty(), "it was not the one");
        world.gone(one);
        let expected = if logs_out { vec![EventType::EventAgentLogout] } else { vec![] };
        assert_eq!(world.kinds(other), expected);
    }
}

#[test]
fn an_agent_leaves_with_the_dn_by_option() {
    for logs_out in [true, false] {
        let mut settings = settings();
        settings.agents.logout_on_out_of_service = logs_out;
        let mut world = World::with(settings);
        let one = world.client(1, "a");
        world.phone("7001", "sip:one", 3_600);
        world.share(one, "7001");
        world.ask(one, RequestType::TAgentLogin, login("alice"));
        world.take(one);
        world.phone("7001", "sip:one", 0);
        let mut expected = vec![EventType::EventDnOutOfService];
        expected.extend(logs_out.then_some(EventType::EventAgentLogout));
        assert_eq!(world.kinds(one), expected);
    }
}

#[test]
fn after_call_work_by_hand_ends_by_itself() {
    let mut settings = settings();
    settings.agents.wrap_up = Duration::from_secs(10);
    settings.agents.timed_acw_in_idle = true;
    settings.agents.acw_in_idle_force_ready = true;
    let mut world = World::with(settings);
    let one = world.client(1, "a");
    world.phone("7001", "sip:one", 3_600);
    world.share(one, "7001");
    world.ask(one, RequestType::TAgentLogin, login("alice"));
    let mode = Some(AgentWorkMode::AfterCallWork.into());
    let after = world.ask(
        one,
        RequestType::TAgentSetNotReady,
        Attributes { agent_work_mode: mode, ..dn("7001") },
    );
    let shown = after.attributes;
    assert_eq!(shown.extensions.and_then(|list| list.number("WrapUpTime")), Some(10));
    assert_eq!(shown.reasons.and_then(|list| list.number("ManualSetACWPeriod")), Some(10));
    world.take(one);
    world.after(Duration::from_secs(9));
    assert!(world.take(one).is_empty());
    world.after(Duration::from_secs(1));
    assert_eq!(world.kinds(one), [EventType::EventAgentReady]);
}

#[test]
fn do_not_disturb_and_forwarding() {
    let (mut world, one, other) = desks();
    assert_eq!(world.ask(one, RequestType::TSetDndOn, dn("7001")).kind, EventType::EventDndOn);
    let code = world.refused(one, RequestType::TSetDndOn, dn("7001"));
    assert_eq!(code, ErrorCode::ErrorAlreadyInState);
    let code = world.refused(one, RequestType::TCallSetForward, dn("7001"));
    assert_eq!(code, ErrorCode::ErrorInvalidAttribute, "to whom");
    let to = Attributes { other_dn: Some("7002".into()), ..dn("7001") };
    let set = world.ask(one, RequestType::TCallSetForward, to);
    assert_eq!(set.attributes.forward_mode(), tlib::ForwardMode::Unconditional);
    let cancelled = world.ask(other, RequestType::TCallCancelForward, dn("7001"));
    assert_eq!(cancelled.kind, EventType::EventForwardCancel);
    let code = world.refused(other, RequestType::TCallCancelForward, dn("7001"));
    assert_eq!(code, ErrorCode::ErrorAlreadyInState);
    let kinds = [EventType::EventDndOn, EventType::EventForwardSet];
    assert_eq!(world.kinds(other), kinds);
    world.share(one, "5000");
    let code = world.refused(one, RequestType::TSetDndOn, dn("5000"));
    assert_eq!(code, ErrorCode::ErrorBadDnType);
}

#[test]
fn no_agent_stays_at_a_dn_that_is_taken_out_of_the_configuration() {
    let mut before = settings();
    before.agents.logout_on_out_of_service = false;
    before.logout_on_disconnect = false;
    let mut world = World::with(before.clone());
    let one = world.client(1, "a");
    world.phone("7001", "sip:one", 3_600);
    world.share(one, "7001");
    world.ask(one, RequestType::TAgentLogin, login("alice"));
    world.take(one);
    let mut after = before;
    after.dns.retain(|(name, _)| &**name != "7001");
    world.on(Event::Settings(Arc::new(after)));
    world.settle();
    let kinds = [EventType::EventDnOutOfService, EventType::EventAgentLogout];
    assert_eq!(world.kinds(one), kinds);
    world.phone("7002", "sip:one", 3_600);
    world.share(one, "7002");
    let elsewhere = Attributes { this_dn: Some("7002".into()), ..login("alice") };
    assert_eq!(
        world.ask(one, RequestType::TAgentLogin, elsewhere).kind,
        EventType::EventAgentLogin,
        "the person is free"
    );
}

#[test]
fn another_time_of_idling_counts_from_the_reload() {
    let (mut world, one, other) = desks();
    world.ask(one, RequestType::TAgentLogin, login("alice"));
    world.take(other);
    let mut settings = settings();
    settings.agents.auto_logout = Duration::from_secs(60);
    world.on(Event::Settings(Arc::new(settings)));
    world.settle();
    world.after(Duration::from_secs(60));
    assert_eq!(world.kinds(other), [EventType::EventAgentLogout]);
}
