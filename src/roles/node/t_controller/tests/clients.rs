//! Clients: who they are, what they may ask, how long they may be silent.

use super::*;

#[test]
fn a_client_says_first_who_it_is() {
    let mut world = World::new();
    let id = world.connect(1);
    world.register(id, "desktop", 0);
    let seen = world.take(id);
    let kinds: Vec<_> = seen.iter().map(|seen| (seen.kind, seen.reference_id)).collect();
    assert_eq!(kinds, [(EventType::EventServerConnected, 1), (EventType::EventLinkConnected, 0)]);
    let server = &seen[0].attributes;
    assert_eq!(server.server_start_time, Some(1_000_000));
    assert_eq!(server.session_id.as_ref().map(String::len), Some(32));
    let mask = server.server_capability_mask.as_deref().unwrap_or_default();
    assert!(tlib::is_in_mask(mask, RequestType::TAgentLogin.into()));
    assert!(!tlib::is_in_mask(mask, RequestType::TMakeCall.into()));
    world.register(id, "desktop", 0);
    let again = world.take(id).remove(0).attributes;
    assert_eq!(again.error_code(), ErrorCode::ErrorAlreadyRegistered);
    assert!(world.ended.is_empty());
}

#[test]
fn a_client_that_does_not_is_ended() {
    let mut world = World::new();
    let request = |kind: RequestType, registration| Request {
        r#type: kind.into(),
        reference_id: 5,
        attributes: None,
        registration,
    };
    let registration = |application_name: &str, protocol_version| {
        Some(ClientRegistration {
            application_name: application_name.to_owned(),
            protocol_version,
            ..ClientRegistration::default()
        })
    };
    let cases = [
        (request(RequestType::TQueryServer, None), ErrorCode::ErrorWrongState),
        (request(RequestType::TRegisterClient, None), ErrorCode::ErrorProtocolVersion),
        (
            request(RequestType::TRegisterClient, registration("x", 2)),
            ErrorCode::ErrorProtocolVersion,
        ),
        (
            request(RequestType::TRegisterClient, registration("", 1)),
            ErrorCode::ErrorInvalidAttribute,
        ),
    ];
    for (number, (request, code)) in (1..).zip(cases) {
        let id = world.connect(number);
        world.send(id, request);
        let seen = world.take(id);
        assert_eq!((seen.len(), seen[0].reference_id), (1, 5));
        assert_eq!(seen[0].attributes.error_code(), code);
        assert!(world.ended.contains(&id), "{code:?}");
    }
    let silent = world.connect(99);
    world.after(Duration::from_secs(9));
    assert!(!world.ended.contains(&silent));
    world.after(Duration::from_secs(2));
    assert!(world.ended.contains(&silent));
}

#[test]
fn what_is_no_frame_ends_the_client_and_no_other() {
    let mut world = World::new();
    let (one, other) = (world.client(1, "a"), world.client(2, "b"));
    world.on(Event::Heard(one, frame_of(b"\xff\xff")));
    assert_eq!(world.ended, [one].into());
    // A kind of frame that a later version has.
    world.on(Event::Heard(other, frame_of(b"\xa2\x06\x01x")));
    world.on(Event::Heard(ClientId(77), frame_of(b"")));
    assert_eq!(world.ended, [one].into());
}

#[test]
fn requests_that_cannot_be_worked_on() {
    let mut world = World::new();
    let id = world.client(1, "a");
    for r#type in [9_999, 0, -1] {
        let attributes = Some(Box::new(dn("7001")));
        world.send(id, Request { r#type, reference_id: 3, attributes, registration: None });
        let seen = world.take(id).remove(0);
        assert_eq!(seen.attributes.error_code(), ErrorCode::ErrorUnknownOperation);
        assert_eq!(seen.attributes.this_dn.as_deref(), Some("7001"), "what it was about");
    }
    world.send(id, Request { r#type: RequestType::TQueryServer.into(), ..Request::default() });
    let seen = world.take(id).remove(0);
    assert_eq!(
        (seen.reference_id, seen.attributes.error_code()),
        (0, ErrorCode::ErrorInvalidAttribute)
    );
    for kind in [
        RequestType::TAgentSetIdleReason,
        RequestType::TNetworkConsult,
        RequestType::TGetAccessNumber,
    ] {
        let code = world.refused(id, kind, Attributes::default());
        assert_eq!(code, ErrorCode::ErrorUnsupportedOperation);
    }
    assert!(world.ended.is_empty());
    let info = world.ask(id, RequestType::TQueryServer, Attributes::default());
    assert_eq!(info.kind, EventType::EventServerInfo);
}

#[test]
fn a_silent_client_is_polled_and_then_ended() {
    let mut world = World::new();
    let id = world.connect(1);
    world.register(id, "a", 2_000);
    world.after(Duration::from_millis(1_900));
    assert!(world.polls.is_empty());
    world.after(Duration::from_millis(100));
    assert_eq!(world.polls.len(), 1);
    let (_, number) = world.polls.remove(0);
    let answer = tlib::encode_frame(frame::Body::PollAnswer(number)).slice(LENGTH_BYTES..);
    world.on(Event::Heard(id, Heard::Frame(answer)));
    world.after(Duration::from_millis(2_000));
    assert_eq!((world.polls.len(), world.ended.len()), (1, 0), "polled again");
    world.after(Duration::from_millis(1_999));
    assert!(world.ended.is_empty());
    world.after(Duration::from_millis(1));
    assert!(world.ended.contains(&id));
    assert_eq!(world.polls.len(), 1, "one poll for one silence");
}

#[test]
fn a_clients_own_poll_is_answered() {
    let mut world = World::new();
    let id = world.client(1, "a");
    let poll = tlib::encode_frame(frame::Body::Poll(42)).slice(LENGTH_BYTES..);
    world.on(Event::Heard(id, Heard::Frame(poll)));
    assert_eq!(world.polls, [(id, 42)]);
    world.after(Duration::from_secs(3_600));
    assert!(world.ended.is_empty(), "who has named no timeout may be silent");
}

#[test]
fn an_input_mask_is_about_events_of_others() {
    let mut world = World::new();
    let (one, other) = (world.client(1, "a"), world.client(2, "b"));
    world.share(one, "7001");
    world.share(other, "7001");
    assert_eq!(
        world.refused(one, RequestType::TSetInputMask, Attributes::default()),
        ErrorCode::ErrorInvalidAttribute
    );
    let mask = tlib::mask_of([EventType::EventDndOn.into()].into_iter());
    let attributes = Attributes { input_mask: Some(mask), ..Attributes::default() };
    let answer = world.ask(one, RequestType::TSetInputMask, attributes);
    assert_eq!(answer.kind, EventType::EventAck);
    world.ask(other, RequestType::TSetDndOn, dn("7001"));
    world.ask(other, RequestType::TSetDndOff, dn("7001"));
    assert_eq!(world.kinds(one), [EventType::EventDndOn]);
    world.ask(one, RequestType::TSetDndOn, dn("7001"));
    let off = world.ask(one, RequestType::TSetDndOff, dn("7001"));
    assert_eq!(off.kind, EventType::EventDndOff, "an answer is never masked");
}

#[test]
fn user_events_go_to_those_who_are_registered() {
    let mut world = World::new();
    let (one, other) = (world.client(1, "a"), world.client(2, "b"));
    world.share(other, "1");
    let data: tlib::KvList =
        vec![tlib::KvPair::text("k", "v"), tlib::KvPair::integer("k", 2)].into();
    let event = |to: &str| Attributes {
        communication_dn: Some(to.into()),
        user_data: Some(data.clone()),
        ..Attributes::default()
    };
    assert_eq!(world.ask(one, RequestType::TSendUserEvent, event("1")).kind, EventType::EventAck);
    let seen = world.take(other);
    assert_eq!((seen.len(), seen[0].kind), (1, EventType::EventUserEvent));
    assert_eq!(seen[0].attributes.user_data.as_ref(), Some(&data));
    assert!(world.take(one).is_empty());
    let code = world.refused(one, RequestType::TSendUserEvent, event("2"));
    assert_eq!(code, ErrorCode::ErrorNotConfigured);
    let code = world.refused(one, RequestType::TSendUserEvent, Attributes::default());
    assert_eq!(code, ErrorCode::ErrorInvalidAttribute);
}

#[test]
fn polls_are_no_greeting() {
    let mut world = World::new();
    let id = world.connect(1);
    for number in 0..20 {
        let poll = tlib::encode_frame(frame::Body::Poll(number)).slice(LENGTH_BYTES..);
        world.on(Event::Heard(id, Heard::Frame(poll)));
        world.after(Duration::from_secs(1));
    }
    assert!(world.polls.is_empty(), "nobody is answered before he says who he is");
    assert!(world.ended.contains(&id), "and he has ten seconds for that");
}

#[test]
fn nothing_is_heard_of_a_client_behind_its_end() {
    let mut world = World::new();
    let id = world.connect(1);
    let server =
        Request { r#type: RequestType::TQueryServer.into(), reference_id: 5, ..Request::default() };
    world.send(id, server.clone());
    assert!(world.ended.contains(&id));
    world.take(id);
    world.register(id, "desktop", 0);
    world.send(id, server);
    assert!(world.take(id).is_empty());
    let registered = world.client(2, "a");
    world.on(Event::Heard(registered, frame_of(b"\xff\xff")));
    world.send(registered, Request { reference_id: 9, ..Request::default() });
    assert!(world.take(registered).is_empty());
}

#[test]
fn what_is_too_long_is_refused_by_name() {
    let mut world = World::new();
    let id = world.client(1, "a");
    world.share(id, "7001");
    let long = || "x".repeat(256);
    let list = |pairs: usize, len: usize| -> Option<tlib::KvList> {
        let value = "v".repeat(len);
        let pairs = (0..pairs).map(|_| tlib::KvPair::text("k", &value));
        Some(pairs.collect::<Vec<_>>().into())
    };
    let cases = [
        ("ThisDN", Attributes { this_dn: Some(long()), ..Attributes::default() }),
        ("OtherDN", Attributes { other_dn: Some(long()), ..dn("7001") }),
        ("AgentID", Attributes { agent_id: Some(long()), ..dn("7001") }),
        ("Password", Attributes { password: Some(long()), ..dn("7001") }),
        ("CommunicationDN", Attributes { communication_dn: Some(long()), ..dn("7001") }),
        ("UserData", Attributes { user_data: list(1, 65_536), ..dn("7001") }),
        ("Extensions", Attributes { extensions: list(1_025, 0), ..dn("7001") }),
        ("Reasons", Attributes { reasons: list(1_000, 100), ..dn("7001") }),
        ("InputMask", Attributes { input_mask: Some(vec![0; 256]), ..dn("7001") }),
    ];
    for (name, attributes) in cases {
        let answer = world.ask(id, RequestType::TQueryServer, attributes).attributes;
        assert_eq!(answer.error_code(), ErrorCode::ErrorInvalidAttribute, "{name}");
        let text = answer.error_message.expect("a message");
        assert!(text.contains(&format!("Attribute{name}")), "{text}");
        assert!(answer.this_dn.is_none_or(|name| name.len() < 256), "nothing long comes back");
    }
    let fits = Attributes {
        this_dn: Some("x".repeat(255)),
        user_data: list(1_024, 40),
        extensions: list(1, 65_000),
        ..Attributes::default()
    };
    let info = world.ask(id, RequestType::TQueryServer, fits);
    assert_eq!(info.kind, EventType::EventServerInfo);
}

#[test]
fn a_name_is_a_text_of_one_line() {
    for name in ["a\nb", "\u{1b}[31m", &"x".repeat(256)] {
        let mut world = World::new();
        let id = world.connect(1);
        world.register(id, name, 0);
        let refusal = world.take(id).remove(0).attributes;
        assert_eq!(refusal.error_code(), ErrorCode::ErrorInvalidAttribute);
        assert!(world.ended.contains(&id));
    }
}

#[test]
fn a_silence_is_watched_by_one_wake_up() {
    let mut world = World::new();
    let id = world.connect(1);
    world.register(id, "a", 2_000);
    let poll = tlib::encode_frame(frame::Body::PollAnswer(1)).slice(LENGTH_BYTES..);
    for _ in 0..1_000 {
        world.on(Event::Heard(id, Heard::Frame(poll.clone())));
        world.after(Duration::from_millis(100));
    }
    assert!(world.armed.len() <= 2, "{:?}", world.armed);
    world.on(Event::Wake(Wake::Client(id)));
    world.on(Event::Wake(Wake::Client(id)));
    assert!(world.armed.len() <= 2 && world.ended.is_empty(), "a wake-up of no one is nothing");
}
