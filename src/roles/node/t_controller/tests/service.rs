//! Registration for DNs, and what brings them into service.

use super::*;

#[test]
fn a_registration_tells_how_the_dn_is() {
    let mut world = World::new();
    let id = world.client(1, "a");
    let answer = world.register_dn(id, "7001", RegisterMode::Share);
    assert_eq!((answer.kind, answer.seq), (EventType::EventRegistered, 0));
    let shown = answer.attributes;
    assert_eq!((shown.this_dn.as_deref(), shown.is_in_service), (Some("7001"), Some(false)));
    assert_eq!(shown.address_type(), tlib::AddressType::Dn);
    assert_eq!(shown.extensions.and_then(|list| list.number("AgentStatus")), Some(0));
    let point = world.register_dn(id, "5000", RegisterMode::Share).attributes;
    assert_eq!(point.address_type(), tlib::AddressType::RouteDn);
    assert_eq!(point.is_in_service, Some(true));
}

#[test]
fn a_registration_that_cannot_be() {
    let mut world = World::new();
    let id = world.client(1, "a");
    let kind = RequestType::TRegisterAddress;
    assert_eq!(world.refused(id, kind, dn("9999")), ErrorCode::ErrorNotConfigured);
    assert_eq!(world.refused(id, kind, dn("")), ErrorCode::ErrorInvalidAttribute);
    let nameless = world.ask(id, kind, Attributes::default()).attributes;
    assert_eq!(nameless.error_code(), ErrorCode::ErrorInvalidAttribute);
    assert!(nameless.error_message.is_some_and(|text| text.contains("AttributeThisDN")));
    let odd = Attributes { register_mode: Some(77), ..dn("7001") };
    assert_eq!(world.refused(id, kind, odd), ErrorCode::ErrorInvalidAttribute);
    let kind = RequestType::TUnregisterAddress;
    assert_eq!(world.refused(id, kind, dn("7001")), ErrorCode::ErrorNotRegistered);
    world.share(id, "7001");
    assert_eq!(world.ask(id, kind, dn("7001")).kind, EventType::EventUnregistered);
    assert_eq!(world.refused(id, kind, dn("7001")), ErrorCode::ErrorNotRegistered);
}

#[test]
fn share_private_monitor() {
    use RegisterMode::{Monitor, Private, Share};
    let cases = [
        (Share, Share, true),
        (Share, Private, false),
        (Share, Monitor, true),
        (Private, Share, false),
        (Private, Private, false),
        (Private, Monitor, true),
        (Monitor, Share, true),
        (Monitor, Private, true),
        (Monitor, Monitor, true),
    ];
    for (first, second, is_taken) in cases {
        let mut world = World::new();
        let (one, other) = (world.client(1, "a"), world.client(2, "b"));
        assert_eq!(world.register_dn(one, "7001", first).kind, EventType::EventRegistered);
        let answer = world.register_dn(other, "7001", second);
        if is_taken {
            assert_eq!(answer.kind, EventType::EventRegistered, "{first:?} {second:?}");
        } else {
            let code = answer.attributes.error_code();
            assert_eq!(code, ErrorCode::ErrorResourceSeized, "{first:?} {second:?}");
        }
        let again = world.register_dn(one, "7001", first);
        assert_eq!(again.kind, EventType::EventRegistered, "its own registration again");
    }
}

#[test]
fn a_phone_brings_its_dn_into_service_while_it_is_registered() {
    let mut world = World::new();
    let id = world.client(1, "a");
    world.share(id, "7001");
    world.phone("7001", "sip:one", 60);
    world.phone("7001", "sip:two", 120);
    world.phone("7002", "sip:three", 60);
    let seen = world.take(id);
    assert_eq!(seen.len(), 1, "once, and of its own DN only");
    // The first number is that of the change of ownership, which is for smart clients.
    assert_eq!((seen[0].kind, seen[0].seq), (EventType::EventDnBackInService, 2));
    world.phone("7001", "sip:one", 0);
    assert!(world.take(id).is_empty(), "the other contact is there");
    world.after(Duration::from_secs(100));
    world.phone("7001", "sip:two", 60);
    world.after(Duration::from_secs(59));
    assert!(world.take(id).is_empty());
    world.after(Duration::from_secs(1));
    assert_eq!(world.kinds(id), [EventType::EventDnOutOfService], "when it has run out");
    world.phone("7001", "sip:one", 60);
    let all = Phone { dn: "7001".into(), contacts: Vec::new(), removes_all: true };
    world.on(Event::Phone(Box::new(all)));
    let kinds = [EventType::EventDnBackInService, EventType::EventDnOutOfService];
    assert_eq!(world.kinds(id), kinds);
    world.phone("none", "sip:one", 60);
}

#[test]
fn only_an_owner_brings_a_dn_without_a_phone_into_service() {
    let mut world = World::new();
    let (watcher, desktop) = (world.client(1, "watcher"), world.client(2, "desktop"));
    let second = world.client(3, "desktop");
    world.share(watcher, "8000");
    assert_eq!(
        world.register_dn(desktop, "8000", RegisterMode::Monitor).kind,
        EventType::EventRegistered
    );
    assert!(world.take(watcher).is_empty(), "who only hears owns nothing");
    world.share(desktop, "8000");
    assert_eq!(world.kinds(watcher), [EventType::EventDnBackInService]);
    assert_eq!(world.kinds(desktop), [EventType::EventDnBackInService], "after EventRegistered");
    world.share(second, "8000");
    world.gone(desktop);
    assert!(world.take(watcher).is_empty(), "another owner is there");
    world.ask(second, RequestType::TUnregisterAddress, dn("8000"));
    assert_eq!(world.kinds(watcher), [EventType::EventDnOutOfService]);
    world.phone("8000", "sip:one", 60);
    assert!(world.take(watcher).is_empty(), "a phone is nothing to it");
}

#[test]
fn all_dns_of_a_client_that_is_gone_are_looked_at_some_at_a_time() {
    let mut world = World::new();
    let (watcher, desktop) = (world.client(1, "watcher"), world.client(2, "desktop"));
    for number in 0..OWNED {
        let name = (8000 + number).to_string();
        world.share(watcher, &name);
        world.share(desktop, &name);
    }
    world.take(watcher);
    world.most = 0;
    world.gone(desktop);
    let seen = world.take(watcher);
    assert_eq!(seen.len(), OWNED);
    assert!(seen.iter().all(|seen| seen.kind == EventType::EventDnOutOfService));
    // Between them each DN is owned no more, which smart clients hear.
    let (first, last) = (seen[0].seq, seen[OWNED - 1].seq);
    assert!(seen.is_sorted_by(|one, next| one.seq < next.seq), "in order");
    assert!(last - first < 2 * OWNED as u64, "no other number is left out");
    assert!(world.most < OWNED / 2, "{} actions in one event", world.most);
}

#[test]
fn another_configuration_takes_dns_away_and_brings_others() {
    let mut world = World::new();
    let id = world.client(1, "a");
    world.share(id, "5000");
    let mut other = settings();
    other.dns.retain(|(name, _)| &**name != "5000");
    other.dns.push(("5001".into(), DnKind::RoutingPoint));
    world.on(Event::Settings(Arc::new(other)));
    world.settle();
    assert_eq!(world.kinds(id), [EventType::EventDnOutOfService]);
    let kind = RequestType::TRegisterAddress;
    assert_eq!(world.refused(id, kind, dn("5000")), ErrorCode::ErrorNotConfigured);
    world.share(id, "5001");
    world.on(Event::Settings(Arc::new(settings())));
    world.settle();
    let kinds = [EventType::EventDnOutOfService, EventType::EventDnBackInService];
    let mut seen = world.kinds(id);
    seen.sort_by_key(|kind| *kind as i32);
    assert_eq!(seen, kinds, "each its own");
}

#[test]
fn a_phone_that_registers_again_and_again_has_one_wake_up() {
    let mut world = World::new();
    let id = world.client(1, "a");
    world.share(id, "7001");
    for _ in 0..1_000 {
        world.phone("7001", "sip:one", 60);
        world.after(Duration::from_secs(1));
    }
    assert!(world.armed.len() <= 2, "{} wake-ups", world.armed.len());
    world.take(id);
    for _ in 0..10 {
        world.on(Event::Wake(Wake::Dn(0)));
    }
    assert!(world.armed.len() <= 2, "a wake-up of no one arms nothing");
    world.after(Duration::from_secs(60));
    assert_eq!(world.kinds(id), [EventType::EventDnOutOfService], "and it is the right one");
}

#[test]
fn a_dn_that_is_taken_out_of_the_configuration_can_be_left() {
    let mut world = World::new();
    let id = world.client(1, "a");
    world.share(id, "5000");
    let mut other = settings();
    other.dns.retain(|(name, _)| &**name != "5000");
    world.on(Event::Settings(Arc::new(other)));
    world.settle();
    let kind = RequestType::TUnregisterAddress;
    assert_eq!(world.ask(id, kind, dn("5000")).kind, EventType::EventUnregistered);
    assert_eq!(world.refused(id, kind, dn("5000")), ErrorCode::ErrorNotRegistered);
    assert_eq!(world.refused(id, kind, dn("nowhere")), ErrorCode::ErrorNotConfigured);
}
