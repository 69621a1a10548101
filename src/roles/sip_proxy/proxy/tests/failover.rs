//! Nodes that are silent, refuse, rest, or are gone.

use super::super::core::{Counted, Event};
use super::world::{NODES, PHONE, Sent, Text, World, address, node_id};
use crate::base::limits::{NODE_REST_MAX, SWITCHOVER_TIME};
use crate::sip::message::HeaderId;

fn others(sent: Vec<Sent>, node: u16) -> Vec<Sent> {
    sent.into_iter().filter(|sent| sent.node() != node).collect()
}

/// An INVITE at node 1, which its Call-ID leads to.
fn calling() -> (World, Sent) {
    let mut world = World::new();
    let id = world.call_id_for(1, "c");
    let sent = world.one(PHONE, &Text::invite(&id));
    assert_eq!(sent.node(), 1);
    (world, sent)
}

/// A node says 503 with this Retry-After to a MESSAGE.
fn refuse(world: &mut World, node: u16, retry_after: &str) {
    let id = world.call_id_for(node, &format!("refuse-{node}-{}-", world.now));
    let sent = world.one(PHONE, &Text::request("MESSAGE", "sip:7002@example.com", &id));
    assert_eq!(sent.node(), node);
    let text = Text::response(&sent.message, 503, "n").with("Retry-After", retry_after);
    world.receive(&sent.remote(), &text);
    world.take();
}

#[test]
fn silence_moves_a_request_through_the_nodes_and_ends_in_503() {
    let (mut world, first) = calling();
    world.pass_ms(999);
    let sent = others(world.take(), 1);
    assert!(sent.iter().all(|sent| sent.message.status() == 100), "the phone hears 100");
    world.pass_ms(2);
    let second = others(world.take(), 1).remove(0);
    assert_eq!(second.words(), format!("INVITE {}", NODES[usize::from(second.node()) - 1]));
    assert_eq!(world.suspects, [node_id(1)]);
    world.pass_ms(1000);
    let third = others(others(world.take(), 1), second.node()).remove(0);
    assert!(![0, 1, 4, second.node()].contains(&third.node()), "{}", third.words());
    world.pass_ms(1000 + 3998);
    let sent = world.take();
    assert!(sent.iter().all(|sent| sent.message.is_request()), "the last one gets 4 s more");
    world.pass_ms(10);
    let sent = world.take();
    let answer = sent.iter().find(|sent| !sent.message.is_request()).expect("an answer");
    assert_eq!(answer.words(), format!("503 {PHONE}"));
    assert!(answer.message.number(HeaderId::RetryAfter).is_some());
    assert_eq!(world.counted.iter().filter(|&&what| what == Counted::NodeFailover).count(), 2);
    drop(first);
}

#[test]
fn the_last_node_may_take_its_time() {
    let mut world = World::new();
    world.node(2, false);
    world.node(3, false);
    let sent = world.one(PHONE, &Text::invite("a"));
    world.pass_ms(4900);
    world.take();
    assert_eq!(world.answer(&sent, 180), [format!("180 {PHONE}")]);
    world.pass_ms(60_000);
    assert!(world.words().is_empty(), "it rings");
}

#[test]
fn a_101_binds_and_a_100_does_not() {
    for (status, moves) in [(100, true), (101, false), (180, false), (183, false)] {
        let (mut world, first) = calling();
        world.answer(&first, status);
        world.node(1, false);
        let moved = world.words().iter().any(|word| word.starts_with("INVITE"));
        assert_eq!(moved, moves, "{status}");
    }
}

#[test]
fn a_node_that_says_503_with_retry_after_rests() {
    let mut world = World::new();
    refuse(&mut world, 1, "10 (full);duration=60");
    for number in 0..30 {
        let sent = world.one(PHONE, &Text::invite(&format!("new-{number}")));
        assert_ne!(sent.node(), 1);
        world.answer(&sent, 486);
    }
    // Its dialogs go on.
    let info = Text::request("INFO", "sip:01leg@example.com", "in")
        .with("To", "<sip:7002@example.com>;tag=there")
        .with("Route", &world.route(1));
    assert_eq!(world.one(PHONE, &info).node(), 1);
    world.pass_ms(10_001);
    world.take();
    assert_eq!(world.by_call_id(&world.call_id_for(1, "back")), 1);
}

/// A node that drains keeps what it has, also an INVITE that it has not answered yet.
#[test]
fn a_node_that_drains_keeps_its_calls() {
    let (mut world, first) = calling();
    world.answer(&first, 100);
    let (new, next) = (world.call_id_for(1, "new"), world.call_id_for(1, "x"));
    world.on(Event::Draining(node_id(1), true));
    assert!(world.words().is_empty(), "it is not moved");
    assert_eq!(world.answer(&first, 180), [format!("180 {PHONE}")]);
    let info = Text::request("INFO", "sip:01leg@example.com", "in")
        .with("To", "<sip:7002@example.com>;tag=there")
        .with("Route", &world.route(1));
    assert_eq!(world.one(PHONE, &info).node(), 1);
    assert_ne!(world.by_call_id(&new), 1);
    assert_eq!((world.core.nodes_in_service(), world.core.node_in_service(node_id(1))), (2, false));
    world.on(Event::Draining(node_id(1), false));
    assert_eq!(world.by_call_id(&next), 1);
    world.on(Event::Draining(node_id(1), true));
    world.node(1, false);
    let bye = Text::request("BYE", "sip:01leg@example.com", "in")
        .with("To", "<sip:7002@example.com>;tag=there")
        .with("Route", &world.route(1));
    world.take();
    assert_eq!(world.exchange(PHONE, &bye)[0].words(), format!("481 {PHONE}"), "it is gone");
}

#[test]
fn without_retry_after_or_with_nonsense_a_node_does_not_rest() {
    for value in ["", "soon", "-5", "0"] {
        let mut world = World::new();
        refuse(&mut world, 1, value);
        let id = world.call_id_for(1, "next");
        assert_eq!(world.one(PHONE, &Text::invite(&id)).node(), 1, "{value}");
    }
}

#[test]
fn a_rest_is_bounded_and_ends_when_the_node_starts_again() {
    let mut world = World::new();
    refuse(&mut world, 1, "99999999");
    world.pass_ms(u64::try_from(NODE_REST_MAX.as_millis()).expect("small") + 1);
    world.take();
    assert_eq!(world.by_call_id(&world.call_id_for(1, "x")), 1);
    refuse(&mut world, 1, "50");
    world.node(1, false);
    world.node(1, true);
    assert_eq!(world.by_call_id(&world.call_id_for(1, "x")), 1);
}

/// A refusal of the phone that a node called is not a word of the node.
#[test]
fn a_phone_puts_no_node_to_rest() {
    let mut world = World::new();
    world.register_by(1);
    let text = Text::request("INVITE", "sip:7001@example.com", "in");
    let text = world.of_node(1, "registrar", text);
    let sent = world.one(NODES[0], &text);
    let refusal = Text::response(&sent.message, 503, "p").with("Retry-After", "60");
    world.receive(PHONE, &refusal);
    world.take();
    assert_eq!(world.core.nodes_in_service(), 3);
    assert_eq!(world.by_call_id(&world.call_id_for(1, "x")), 1);
}

#[test]
fn when_all_nodes_rest_the_caller_hears_so() {
    let mut world = World::new();
    for node in 1..=3 {
        refuse(&mut world, node, "30");
    }
    let answer = world.one(PHONE, &Text::invite("a"));
    assert_eq!(answer.words(), format!("503 {PHONE}"));
    assert!(answer.message.number(HeaderId::RetryAfter).is_some());
}

#[test]
fn every_node_says_503_and_that_goes_back() {
    let (mut world, first) = calling();
    let mut sent = first;
    for _ in 0..2 {
        world.receive(&sent.remote(), &Text::response(&sent.message, 503, "n"));
        let mut out = world.take();
        assert_eq!(out.len(), 2, "an ACK and the next node");
        sent = out.remove(1);
    }
    let words = world.answer(&sent, 503);
    assert_eq!(words[1], format!("503 {PHONE}"));
}

/// A pair that switches over asks for patience, then and for any other node that
/// died its dialogs are over.
#[test]
fn a_dialog_of_a_lost_node() {
    let pair = |world: &mut World, at: Option<&str>| {
        world.on(Event::Node(node_id(2), at.map(address)));
    };
    let backup = "127.0.0.22:5070";
    let mut world = World::with(|settings| settings.nodes[1].addresses.push(address(backup)));
    let bye = |world: &World, id: &str, node: u16| {
        Text::request("BYE", "sip:01leg@example.com", id)
            .with("To", "<sip:7002@example.com>;tag=there")
            .with("Route", &world.route(node))
    };
    pair(&mut world, None);
    world.node(1, false);
    let text = bye(&world, "a", 2);
    let answer = world.one(PHONE, &text);
    assert_eq!(answer.message.status(), 503);
    assert!(answer.message.number(HeaderId::RetryAfter).is_some());
    let text = bye(&world, "b", 1);
    assert_eq!(world.one(PHONE, &text).message.status(), 481);
    pair(&mut world, Some(backup));
    let text = bye(&world, "c", 2);
    assert_eq!(world.one(PHONE, &text).remote(), backup);
    pair(&mut world, None);
    world.pass_ms(u64::try_from(SWITCHOVER_TIME.as_millis()).expect("small") + 1);
    world.take();
    let text = bye(&world, "d", 2);
    assert_eq!(world.one(PHONE, &text).message.status(), 481);
}

#[test]
fn only_local_nodes_get_new_calls_and_none_is_503() {
    let mut world = World::new();
    for node in 1..=3 {
        world.node(node, false);
    }
    let answer = world.one(PHONE, &Text::invite("a"));
    assert_eq!(answer.words(), format!("503 {PHONE}"), "node 4 is elsewhere");
}
