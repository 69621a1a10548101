//! Related calls stay together: Replaces, Join, and the hints that calls leave.

use super::register::credentials;
use super::world::{NODES, PHONE, PHONE_2, Sent, Text, World, node_id};
use crate::base::limits::HINT_LIFETIME;
use crate::base::seal::{Kind, Sealer};
use crate::sip::message::HeaderId;

/// The node that a new INVITE of 7001 goes to whose Call-ID alone leads to node 1.
fn next_of_7001(world: &mut World, hint: &str) -> u16 {
    let id = world.call_id_for(1, hint);
    let sent = world.one(PHONE, &Text::invite(&id));
    let node = sent.node();
    // It fails, so that it leaves nothing behind.
    world.answer(&sent, 486);
    node
}

/// 7001, a DN known here, is called by node `node`, which is answered.
fn called_by(world: &mut World, node: u16, id: &str, answered: bool) -> Sent {
    let text = Text::request("INVITE", "sip:7001@example.com", id)
        .with("To", "<sip:7001@example.com>")
        .with("From", &format!("<sip:7002@example.com>;tag={id}"));
    let text = world.of_node(node, "registrar", text);
    let sent = world.one(NODES[usize::from(node) - 1], &text);
    assert_eq!(sent.remote(), PHONE);
    if answered {
        world.answer(&sent, 200);
    }
    sent
}

/// A request of 7001 inside its dialog with a node.
fn within(world: &World, method: &str, node: u16, id: &str) -> Text {
    Text::request(method, "sip:01leg@example.com", id)
        .with("To", "<sip:7002@example.com>;tag=there")
        .with("Via", &format!("SIP/2.0/UDP {PHONE};branch=z9hG4bK{method}{id}"))
        .with("Route", &world.route(node))
}

#[test]
fn an_invite_that_names_a_dialog_goes_to_its_node() {
    let mut world = World::new();
    for node in [2, 3, 4] {
        let tag = world.leg(Kind::Tag, node);
        let call_id = world.leg(Kind::CallId, node);
        for (number, (name, value)) in [
            ("Replaces", format!("x@h;to-tag={tag};from-tag=a")),
            ("Replaces", format!("x@h;from-tag={tag};to-tag=a;early-only")),
            ("Replaces", format!("{call_id};to-tag=a;from-tag=b")),
            ("Join", format!("x@h;to-tag={tag};from-tag=a")),
        ]
        .into_iter()
        .enumerate()
        {
            let id = world.call_id_for(1, &format!("{name}{node}{number}-"));
            let sent = world.one(PHONE, &Text::invite(&id).with(name, &value));
            assert_eq!(sent.node(), node, "{name}: {value}");
            assert_eq!(
                sent.message.header(HeaderId::from_name(name.as_bytes())),
                Some(value.as_bytes())
            );
        }
    }
}

#[test]
fn a_dialog_that_is_not_ours_means_nothing() {
    let mut world = World::new();
    let foreign = Sealer::of(b"other").seal(Kind::Tag, 0x0040_0000_0000_0000);
    let leg = world.leg(Kind::Leg, 3);
    let unknown = world.leg(Kind::Tag, 9);
    for (number, value) in [
        "x@h;to-tag=a;from-tag=b".to_owned(),
        format!("x@h;to-tag={foreign};from-tag=b"),
        format!("x@h;to-tag={leg};from-tag=b"),
        format!("x@h;to-tag={unknown};from-tag=b"),
        ";;;".to_owned(),
    ]
    .into_iter()
    .enumerate()
    {
        let id = world.call_id_for(2, &format!("odd{number}-"));
        let sent = world.one(PHONE, &Text::invite(&id).with("Replaces", &value));
        assert_eq!(sent.node(), 2, "{value}");
    }
}

/// The answer to a challenge goes to the node that made it, if that is near.
#[test]
fn the_retry_of_an_invite_goes_to_the_node_that_challenged() {
    for (issuer, nc, expected) in [(3, 1, 3), (2, 1, 2), (3, 2, 1), (4, 1, 1), (9, 1, 1)] {
        let mut world = World::new();
        let value = credentials(&world, issuer, Some(nc));
        let id = world.call_id_for(1, "c");
        let sent = world.one(PHONE, &Text::invite(&id).with("Authorization", &value));
        assert_eq!(sent.node(), expected, "issuer {issuer}, nc {nc}");
    }
}

#[test]
fn the_node_of_a_named_dialog_is_gone() {
    let mut world = World::new();
    world.node(3, false);
    let value = format!("x@h;to-tag={};from-tag=a", world.leg(Kind::Tag, 3));
    let id = world.call_id_for(1, "x");
    assert_eq!(world.one(PHONE, &Text::invite(&id).with("Replaces", &value)).node(), 1);
}

#[test]
fn a_dn_with_a_call_stays_at_its_node() {
    let mut world = World::new();
    world.register_by(1);
    assert_eq!(next_of_7001(&mut world, "before"), 1);
    called_by(&mut world, 3, "in", true);
    assert_eq!(next_of_7001(&mut world, "during"), 3);
    assert_eq!(next_of_7001(&mut world, "again"), 3, "a failed call does not end the first");
    let bye = within(&world, "BYE", 3, "in");
    let sent = world.one(PHONE, &bye);
    assert_eq!(sent.node(), 3);
    world.answer(&sent, 200);
    assert_eq!(next_of_7001(&mut world, "after"), 1);
    assert!(world.core.hints.is_empty());
}

#[test]
fn a_call_that_the_dn_made_counts_as_well() {
    let mut world = World::new();
    world.register_by(1);
    let id = world.call_id_for(2, "out");
    let sent = world.one(PHONE, &Text::invite(&id));
    assert_eq!(sent.node(), 2);
    world.answer(&sent, 180);
    assert_eq!(next_of_7001(&mut world, "ringing"), 2);
    world.answer(&sent, 200);
    assert_eq!(next_of_7001(&mut world, "talking"), 2);
    // The node ends it.
    let bye = Text::request("BYE", &format!("sip:7001@{PHONE}"), "bye")
        .with("From", "<sip:7002@example.com>;tag=there")
        .with("To", &format!("<sip:7001@example.com>;tag={id}"));
    let bye = world.of_node(2, "dialog", bye);
    let sent = world.one(NODES[1], &bye);
    assert_eq!(sent.remote(), PHONE);
    world.answer(&sent, 200);
    assert_eq!(next_of_7001(&mut world, "after"), 1);
}

/// Failover: the hint is the node that answered, not the one asked first.
#[test]
fn the_node_that_took_the_call_is_the_hint() {
    let mut world = World::new();
    world.register_by(1);
    let id = world.call_id_for(2, "out");
    let first = world.one(PHONE, &Text::invite(&id));
    world.pass_ms(1001);
    let second = world.take().into_iter().find(|sent| sent.node() != 2 && sent.node() != 0);
    let second = second.expect("the next node");
    world.answer(&second, 200);
    assert_eq!(next_of_7001(&mut world, "during"), second.node());
    assert_ne!(first.node(), second.node());
    assert_eq!(world.core.hints.len(), 1);
}

#[test]
fn calls_that_end_without_an_answer_leave_nothing() {
    for status in [302, 404, 486, 487, 500, 603] {
        let mut world = World::new();
        world.register_by(1);
        let sent = called_by(&mut world, 3, "in", false);
        assert_eq!(next_of_7001(&mut world, "ringing"), 3);
        world.answer(&sent, status);
        assert_eq!(next_of_7001(&mut world, "after"), 1, "{status}");
        assert!(world.core.hints.is_empty(), "{status}");
    }
}

/// A second call from another node rings: what the DN does belongs to the first,
/// until it takes the second.
#[test]
fn a_waiting_call_moves_nothing_until_it_is_answered() {
    let mut world = World::new();
    world.register_by(1);
    called_by(&mut world, 3, "first", true);
    let waiting = called_by(&mut world, 2, "second", false);
    assert_eq!(next_of_7001(&mut world, "ringing"), 3);
    world.answer(&waiting, 200);
    assert_eq!(next_of_7001(&mut world, "taken"), 2);
    let bye = within(&world, "BYE", 2, "second");
    let bye = world.one(PHONE, &bye);
    world.answer(&bye, 200);
    assert!(!world.core.hints.is_empty(), "the first goes on");
}

/// Calls that began by another proxy are seen by what passes inside them.
#[test]
fn a_request_inside_a_dialog_is_a_sight_of_it() {
    for method in ["INVITE", "INFO", "UPDATE", "REFER"] {
        let mut world = World::new();
        world.register_by(1);
        let text = within(&world, method, 3, "there");
        let sent = world.one(PHONE, &text);
        world.answer(&sent, 200);
        assert_eq!(next_of_7001(&mut world, "during"), 3, "{method}");
    }
}

#[test]
fn what_leaves_no_hint() {
    // A caller with no phone registered: all anonymous ones would share it.
    let mut world = World::new();
    let id = world.call_id_for(2, "out");
    let sent = world.one(PHONE, &Text::invite(&id));
    world.answer(&sent, 200);
    assert!(world.core.hints.is_empty());
    // Requests that make no dialog, and those that the proxy refuses itself.
    let mut world = World::new();
    world.register_by(1);
    for (number, text) in [
        Text::request("MESSAGE", "sip:7002@example.com", "m"),
        Text::request("OPTIONS", "sip:7002@example.com", "o"),
        Text::invite("hops").with("Max-Forwards", "0"),
        Text::invite("away").with("From", "<tel:7001>;tag=1"),
        Text::request("INFO", "sip:01x@example.com", "i").with("To", "<sip:7002@h>;tag=1"),
    ]
    .into_iter()
    .enumerate()
    {
        for sent in world.exchange(PHONE, &text) {
            world.answer(&sent, 200);
        }
        assert!(world.core.hints.is_empty(), "request {number}");
    }
}

#[test]
fn a_hint_that_leads_nowhere_does_no_harm() {
    let mut world = World::new();
    world.register_by(1);
    called_by(&mut world, 3, "in", true);
    world.node(3, false);
    assert_eq!(next_of_7001(&mut world, "gone"), 1);
    world.node(3, true);
    assert_eq!(next_of_7001(&mut world, "back"), 3);
    world.pass_ms(u64::try_from(HINT_LIFETIME.as_millis()).expect("small"));
    world.take();
    world.register_by(1);
    assert_eq!(next_of_7001(&mut world, "old"), 1);
}

#[test]
fn a_spoofed_bye_for_no_dialog_ends_no_hint() {
    let mut world = World::new();
    world.register_by(1);
    called_by(&mut world, 3, "in", true);
    let bye = within(&world, "BYE", 3, "in").without("Route");
    assert_eq!(world.exchange(PHONE_2, &bye)[0].message.status(), 481);
    assert_eq!(next_of_7001(&mut world, "during"), 3);
    assert_eq!(world.core.hints.len(), 1);
    assert!(world.suspects.is_empty() && node_id(3).get() == 3);
}
