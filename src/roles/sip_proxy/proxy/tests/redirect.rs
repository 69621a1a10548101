//! A node's private redirect: followed inside the transaction, shown to nobody.

use super::super::core::Counted;
use super::world::{NODES, PHONE, Sent, Text, World, node_id};
use crate::base::time::Duration;
use crate::sip::message::HeaderId;

/// The 302 by which `node` sends a request on.
fn told(world: &World, sent: &Sent, node: u16, hop: &str) -> Text {
    Text::response(&sent.message, 302, "n").with("X-Genesys-Route", &world.hop(node, hop, 0))
}

/// An INVITE of a phone at the node that its Call-ID leads to.
fn calling(node: u16) -> (World, Sent) {
    let mut world = World::new();
    let id = world.call_id_for(node, "c");
    let sent = world.one(PHONE, &Text::invite(&id));
    assert_eq!(sent.node(), node);
    (world, sent)
}

#[test]
fn a_redirect_is_followed_and_not_shown() {
    for to in [2_u16, 3, 4] {
        let (mut world, first) = calling(1);
        let text = told(&world, &first, 1, &format!("node:{to}"));
        world.receive(NODES[0], &text);
        let sent = world.take();
        let words: Vec<_> = sent.iter().map(Sent::words).collect();
        let next = NODES[usize::from(to) - 1];
        assert_eq!(words, [format!("ACK {}", NODES[0]), format!("INVITE {next}")]);
        let second = &sent[1];
        assert_eq!(second.message.call_id(), first.message.call_id());
        assert!(second.header(HeaderId::XGenesysRoute).is_empty());
        assert_ne!(
            second.header(HeaderId::RecordRoute),
            first.header(HeaderId::RecordRoute),
            "the token names the node that has the call"
        );
        assert_eq!(world.answer(second, 180), [format!("180 {PHONE}")]);
        assert_eq!(world.answer(second, 200), [format!("200 {PHONE}")]);
        world.pass_ms(200_000);
        assert_eq!(world.core.transactions_len(), 0);
        assert!(world.words().is_empty());
    }
}

#[test]
fn any_request_can_be_sent_on() {
    for text in [
        Text::register(1),
        Text::request("MESSAGE", "sip:7002@example.com", "m"),
        Text::request("REFER", "sip:7002@example.com", "f"),
    ] {
        let mut world = World::new();
        let first = world.one(PHONE, &text);
        let other = if first.node() == 2 { 3 } else { 2 };
        let redirect = told(&world, &first, first.node(), &format!("node:{other}"));
        let second = world.one(&first.remote(), &redirect);
        assert_eq!(second.node(), other);
        assert_eq!(world.answer(&second, 200), [format!("200 {PHONE}")]);
        if let Some(found) = world.core.registrar.lookup("7001", world.now).next() {
            assert_eq!(
                found.contact.bound().map(|bound| bound.node),
                Some(node_id(other)),
                "the node that accepted"
            );
        }
    }
}

#[test]
fn the_second_node_stays_silent_or_refuses() {
    let (mut world, first) = calling(1);
    let text = told(&world, &first, 1, "node:2");
    world.receive(NODES[0], &text);
    world.take();
    world.pass_ms(1001);
    let words = world.words();
    assert!(words.contains(&format!("INVITE {}", NODES[2])), "{words:?}");
    let (mut world, first) = calling(1);
    let text = told(&world, &first, 1, "node:2");
    world.receive(NODES[0], &text);
    let second = world.take().remove(1);
    assert_eq!(world.answer(&second, 486), [format!("ACK {}", NODES[1]), format!("486 {PHONE}")]);
}

/// The node that is named may be out of service, at rest, unknown, or the very one that says so:
/// another one takes the request, and is told that it is not the first.
#[test]
fn a_redirect_that_leads_nowhere_goes_to_another_node() {
    for (hop, rests) in [("node:1", false), ("node:9", false), ("node:2", false), ("node:2", true)]
    {
        let (mut world, first) = calling(1);
        assert!(first.header(HeaderId::XSipclusterFurther).is_empty());
        if rests {
            world.core.nodes.rest(node_id(2), Duration::from_secs(30), world.now);
        } else {
            world.node(2, false);
        }
        let text = told(&world, &first, 1, hop);
        let sent = world.exchange(NODES[0], &text);
        let second = &sent[1];
        assert!([3, 4].contains(&second.node()), "{hop}: {}", second.words());
        assert_eq!(second.header(HeaderId::XSipclusterFurther), "1", "{hop}");
        assert_eq!(world.answer(second, 200), [format!("200 {PHONE}")], "{hop}");
    }
}

/// With nobody else there who has named another takes the request itself; once.
#[test]
fn who_has_named_nobody_that_is_there_is_asked_again() {
    let (mut world, first) = calling(1);
    (2..=4).for_each(|node| world.node(node, false));
    let text = told(&world, &first, 1, "node:2");
    let second = world.exchange(NODES[0], &text).remove(1);
    assert_eq!((second.node(), second.header(HeaderId::XSipclusterFurther)), (1, "1".to_owned()));
    let text = told(&world, &second, 1, "node:2");
    let sent = world.exchange(NODES[0], &text);
    assert_eq!(sent[1].words(), format!("503 {PHONE}"), "a dialog that is nowhere");
    assert!(sent[1].message.number(HeaderId::RetryAfter).is_some());
}

#[test]
fn nodes_that_point_at_each_other_are_asked_once() {
    let (mut world, first) = calling(1);
    let text = told(&world, &first, 1, "node:2");
    let second = world.exchange(NODES[0], &text).remove(1);
    assert_eq!(second.header(HeaderId::XSipclusterFurther), "1");
    let text = told(&world, &second, 2, "node:1");
    let third = world.exchange(NODES[1], &text).remove(1);
    assert!([3, 4].contains(&third.node()));
    // Three nodes in a row are as many as one request may ask, and the last once more.
    let last = third.node();
    let text = told(&world, &third, last, &format!("node:{}", 7 - last));
    let again = world.exchange(NODES[usize::from(last) - 1], &text).remove(1);
    assert_eq!(again.node(), last);
    let text = told(&world, &again, last, "node:1");
    let sent = world.exchange(NODES[usize::from(last) - 1], &text);
    assert_eq!(sent[1].words(), format!("503 {PHONE}"));
}

/// A node that is lost before it has answered is not the first any more either.
#[test]
fn who_takes_over_is_told_that_it_is_not_the_first() {
    let (mut world, first) = calling(1);
    assert!(first.header(HeaderId::XSipclusterFurther).is_empty());
    world.pass_ms(1001);
    let second = world.take().pop().expect("another node");
    assert_ne!(second.node(), 1);
    assert_eq!(second.header(HeaderId::XSipclusterFurther), "1");
}

/// A phone's own word of that name goes nowhere.
#[test]
fn what_comes_from_outside_says_nothing_of_nodes() {
    let mut world = World::new();
    let id = world.call_id_for(1, "c");
    let sent = world.one(PHONE, &Text::invite(&id).with("X-Sipcluster-Further", "1"));
    assert!(sent.header(HeaderId::XSipclusterFurther).is_empty());
}

#[test]
fn after_a_cancel_nothing_is_followed() {
    let (mut world, first) = calling(1);
    world.answer(&first, 100);
    let id = String::from_utf8_lossy(first.message.call_id()).into_owned();
    let cancel = Text::invite(&id);
    let cancel = Text::request("CANCEL", "sip:7002@example.com", &id).with(
        "Via",
        &String::from_utf8_lossy(cancel.message().header(HeaderId::Via).expect("one")),
    );
    let words: Vec<_> = world.exchange(PHONE, &cancel).iter().map(Sent::words).collect();
    assert_eq!(words, [format!("200 {PHONE}"), format!("CANCEL {}", NODES[0])]);
    let text = told(&world, &first, 1, "node:2");
    let words: Vec<_> = world.exchange(NODES[0], &text).iter().map(Sent::words).collect();
    assert_eq!(words, [format!("ACK {}", NODES[0]), format!("487 {PHONE}")]);
}

/// A 302 is an answer like any other where the header is not what it claims to be.
#[test]
fn a_forged_redirect_is_an_answer_and_its_header_stays_here() {
    let (world, _) = calling(1);
    let good = world.hop(1, "node:2", 0);
    let forged = [
        good.replace("node:2", "node:3"),
        format!("{good}0"),
        "node=1;hop=node:2".to_owned(),
        world.hop(2, "node:3", 0),
        world.hop(1, "node:2", -61),
        world.hop(1, "node:2", 61),
        world.hop(1, "node:x", 0),
        world.hop(1, "node:70000", 0),
        world.hop(1, "registrar", 0),
    ];
    for value in forged {
        let (mut world, first) = calling(1);
        let text = Text::response(&first.message, 302, "n").with("X-Genesys-Route", &value);
        let sent = world.exchange(NODES[0], &text);
        assert_eq!(sent[1].words(), format!("302 {PHONE}"), "{value}");
        assert!(sent[1].header(HeaderId::XGenesysRoute).is_empty());
        assert!(world.counted.contains(&Counted::ForeignRoute), "{value}");
    }
    // The right seal from an address that is not the node's.
    let (mut world, first) = calling(1);
    let text = told(&world, &first, 1, "node:2");
    let sent = world.exchange("10.0.0.9:5060", &text);
    assert_eq!(sent[1].words(), format!("302 {PHONE}"));
    // Another status with the header.
    let (mut world, first) = calling(1);
    let text = told(&world, &first, 1, "node:2");
    let text = Text::response(&first.message, 301, "n").with(
        "X-Genesys-Route",
        &String::from_utf8_lossy(text.message().header(HeaderId::XGenesysRoute).expect("one")),
    );
    let sent = world.exchange(NODES[0], &text);
    assert_eq!(sent[1].words(), format!("301 {PHONE}"));
    assert!(sent[1].header(HeaderId::XGenesysRoute).is_empty());
}

/// A phone that a node called cannot send the call to a node.
#[test]
fn a_phone_redirects_nobody() {
    let mut world = World::new();
    world.register_by(1);
    let text = Text::request("INVITE", "sip:7001@example.com", "in");
    let text = world.of_node(1, "registrar", text);
    let sent = world.one(NODES[0], &text);
    assert_eq!(sent.remote(), PHONE);
    let redirect = told(&world, &sent, 1, "node:2");
    let words: Vec<_> = world.exchange(PHONE, &redirect).iter().map(Sent::words).collect();
    assert_eq!(words, [format!("ACK {PHONE}"), format!("302 {}", NODES[0])]);
}
