//! What operators ask for, as they and desktops see it.

use super::*;

impl World {
    /// Asks, and gives the one answer: which event, and the code of a refusal.
    fn operate(
        &mut self,
        ask: u64,
        kind: RequestType,
        given: Attributes,
    ) -> (EventType, ErrorCode) {
        self.on(Event::Operate(ask, kind, Box::new(given)));
        self.settle();
        let answers: Vec<_> = self.operated.extract_if(.., |(known, _)| *known == ask).collect();
        assert_eq!(answers.len(), 1, "one answer: {answers:?}");
        let event = &answers[0].1;
        let attributes = event.attributes.as_ref().expect("attributes");
        (event.r#type(), attributes.error_code())
    }
}

fn login(agent_id: &str) -> Attributes {
    Attributes { agent_id: Some(agent_id.into()), ..dn("7001") }
}

#[test]
fn an_agent_is_logged_in_made_ready_and_logged_out() {
    let mut world = World::new();
    let desktop = world.client(1, "desktop");
    world.share(desktop, "7001");
    let refused = world.operate(1, RequestType::TAgentLogin, login("alice"));
    assert_eq!(refused, (EventType::EventError, ErrorCode::ErrorOutOfService));
    world.phone("7001", "sip:one", 3_600);
    world.take(desktop);
    for (ask, kind, told) in [
        (2, RequestType::TAgentLogin, EventType::EventAgentLogin),
        (3, RequestType::TAgentSetReady, EventType::EventAgentReady),
        (4, RequestType::TAgentSetNotReady, EventType::EventAgentNotReady),
        (5, RequestType::TAgentLogout, EventType::EventAgentLogout),
    ] {
        let given = if kind == RequestType::TAgentLogin { login("alice") } else { dn("7001") };
        assert_eq!(world.operate(ask, kind, given), (told, ErrorCode::ErrorNone), "{kind:?}");
        assert_eq!(world.core.clients[&OPERATOR].dns.len(), 0, "it stays registered for nothing");
    }
    let seen = world.kinds(desktop);
    let expected = [
        EventType::EventAgentLogin,
        EventType::EventAgentNotReady,
        EventType::EventAgentReady,
        EventType::EventAgentNotReady,
        EventType::EventAgentLogout,
    ];
    assert_eq!(seen, expected, "as if a desktop had asked");
    let refused = world.operate(6, RequestType::TAgentLogout, dn("7001"));
    assert_eq!(refused, (EventType::EventError, ErrorCode::ErrorAgentLoggedOff));
    let refused = world.operate(7, RequestType::TAgentLogout, dn("9999"));
    assert_eq!(refused, (EventType::EventError, ErrorCode::ErrorNotConfigured));
}

#[test]
fn a_dn_that_a_client_has_for_itself_is_left_to_it() {
    let mut world = World::new();
    let desktop = world.client(1, "desktop");
    world.phone("7001", "sip:one", 3_600);
    world.register_dn(desktop, "7001", RegisterMode::Private);
    let refused = world.operate(1, RequestType::TAgentLogin, login("alice"));
    assert_eq!(refused, (EventType::EventError, ErrorCode::ErrorResourceSeized));
}

/// Nobody is behind the operator's client that could be gone: who it has logged in stays.
#[test]
fn an_agent_stays_when_desktops_go() {
    let mut world = World::new();
    let desktop = world.client(1, "desktop");
    world.phone("7001", "sip:one", 3_600);
    world.share(desktop, "7001");
    world.operate(1, RequestType::TAgentLogin, login("alice"));
    world.gone(desktop);
    let watcher = world.client(2, "watcher");
    let view = world.register_dn(watcher, "7001", RegisterMode::Monitor);
    assert_eq!(view.attributes.agent_id.as_deref(), Some("alice"));
    assert_eq!(world.core.clients_len(), 1, "and operators are no client for people");
}
