//! Which node a request goes to, and what happens when that node is silent, refuses or goes:
//! no answer within a second, a connection error or 503 lead to the next node, at most three,
//! never after 101 to 199.

use super::world::{NODES, PHONE, Sent, World, node_id};
use crate::draft::Draft;
use sipcluster::base::limits::{LAST_NODE_SILENCE, NODE_SILENCE};
use sipcluster::base::time::Duration;
use sipcluster::roles::sip_proxy::proxy::core::{Counted, Event};
use sipcluster::sip::message::HeaderId;

/// An INVITE of the phone on its way to one of the two nodes.
fn calling() -> (World, Sent) {
    let mut world = World::new();
    world.request(PHONE, &Draft::invite("a"));
    let sent = world.only();
    (world, sent)
}

/// The INVITEs that went to another node than the first.
fn moved(world: &mut World, first: &Sent) -> Vec<Sent> {
    let out = world.take().into_iter();
    out.filter(|out| out.what() == "INVITE" && out.remote() != first.remote()).collect()
}

#[test]
fn only_nodes_of_the_own_data_centre_are_chosen() {
    let mut world = World::new();
    world.node(3, true);
    for call in 0..50 {
        world.request(PHONE, &Draft::invite(&format!("call{call}")));
        let remote = world.only().remote();
        assert!(NODES[..2].contains(&remote.as_str()), "{remote}");
    }
}

#[test]
fn a_silent_node_is_given_one_second() {
    let (mut world, first) = calling();
    world.pass(NODE_SILENCE - Duration::from_millis(1));
    assert!(moved(&mut world, &first).is_empty());
    world.pass_ms(1);
    let second = moved(&mut world, &first);
    assert_eq!(second.len(), 1);
    assert!(NODES[..2].contains(&second[0].remote().as_str()));
    assert_ne!(second[0].values(HeaderId::Via)[0], first.values(HeaderId::Via)[0]);
    assert_eq!(world.suspects.len(), 1);
    assert!(world.counted.contains(&Counted::NodeFailover));
}

#[test]
fn a_100_shows_that_the_node_lives() {
    let (mut world, first) = calling();
    world.answer(&first, 100, "");
    world.pass(Duration::from_secs(30));
    assert!(moved(&mut world, &first).is_empty());
}

#[test]
fn a_503_moves_the_request_at_once() {
    let (mut world, first) = calling();
    world.answer(&first, 100, "");
    world.answer(&first, 503, "x");
    let out = world.take();
    let words: Vec<_> = out.iter().map(Sent::what).collect();
    assert_eq!(words, ["ACK", "INVITE"]);
    assert_ne!(out[1].remote(), first.remote());
    world.answer(&out[1], 200, "there");
    assert_eq!(world.take_words(), [format!("200 {PHONE}")]);
}

#[test]
fn after_180_nothing_moves() {
    let (mut world, first) = calling();
    world.answer(&first, 180, "there");
    world.take();
    world.pass(Duration::from_secs(30));
    assert!(moved(&mut world, &first).is_empty());
    let id = NODES.iter().position(|remote| *remote == first.remote()).unwrap_or_default();
    world.node(u16::try_from(id + 1).unwrap_or_default(), false);
    assert!(moved(&mut world, &first).is_empty());
    world.answer(&first, 503, "there");
    let words = world.take_words();
    assert!(words.contains(&format!("503 {PHONE}")), "{words:?}");
}

#[test]
fn a_node_that_cannot_be_reached_is_left_at_once() {
    let (mut world, first) = calling();
    let sender = world.sender_of_last().expect("a request asks to hear of a failure");
    world.on(Event::SendFailed(sender));
    assert_eq!(moved(&mut world, &first).len(), 1);
}

#[test]
fn a_node_that_goes_out_of_service_is_left_at_once() {
    let (mut world, first) = calling();
    let id = NODES.iter().position(|remote| *remote == first.remote()).unwrap_or_default();
    world.on(Event::Node(node_id(u16::try_from(id + 1).unwrap_or_default()), None));
    assert_eq!(moved(&mut world, &first).len(), 1);
}

#[test]
fn without_any_node_it_is_503_with_retry_after() {
    let mut world = World::without_nodes();
    world.node(3, true);
    for draft in [
        Draft::invite("a"),
        Draft::request("MESSAGE", "sip:7002@cluster.example.com", "b"),
        Draft::request("REGISTER", "sip:cluster.example.com", "c"),
    ] {
        let sent = world.answered(PHONE, &draft);
        assert_eq!(sent.what(), "503");
        assert!(sent.message.number(HeaderId::RetryAfter).is_some_and(|seconds| seconds > 0));
    }
}

#[test]
fn when_both_nodes_stay_silent_it_is_503_after_a_last_wait() {
    let (mut world, _) = calling();
    world.pass(NODE_SILENCE * 2);
    assert!(world.take().iter().all(|out| out.remote() != PHONE || out.what() == "100"));
    world.pass(LAST_NODE_SILENCE);
    let answers: Vec<_> = world
        .take()
        .into_iter()
        .filter(|out| out.remote() == PHONE && out.what() != "100")
        .collect();
    assert_eq!(answers.iter().map(Sent::what).collect::<Vec<_>>(), ["503"]);
    assert!(answers[0].message.number(HeaderId::RetryAfter).is_some());
}

/// The node that was given up may have taken the call all the same.
#[test]
fn a_late_2xx_of_the_first_node_is_acknowledged_and_ended() {
    let (mut world, first) = calling();
    world.pass(NODE_SILENCE);
    let second = moved(&mut world, &first).remove(0);
    world.answer(&second, 200, "second");
    world.take();
    let late = Draft::response(&first.message, 200, "first").add("Contact", "<sip:01late@h>");
    world.answer_with(&first, late);
    let out = world.take();
    assert_eq!(out.iter().map(Sent::what).collect::<Vec<_>>(), ["ACK", "BYE"]);
    for sent in &out {
        assert_eq!(sent.remote(), first.remote());
        assert_eq!(sent.message.request_uri(), b"sip:01late@h");
        assert_eq!(sent.message.to_tag(), b"first");
    }
    assert!(out[1].message.cseq() > out[0].message.cseq());
}

#[test]
fn a_late_180_of_the_first_node_is_cancelled_and_not_passed() {
    let (mut world, first) = calling();
    world.pass(NODE_SILENCE);
    moved(&mut world, &first);
    world.answer(&first, 180, "first");
    assert_eq!(world.take_words(), [format!("CANCEL {}", first.remote())]);
}

#[test]
fn a_register_fails_over_too() {
    let mut world = World::new();
    let draft = Draft::request("REGISTER", "sip:cluster.example.com", "r")
        .set("To", "<sip:7001@cluster.example.com>")
        .add("Contact", "<sip:7001@127.0.0.50:5061>");
    world.request(PHONE, &draft);
    let first = world.only();
    world.pass(NODE_SILENCE);
    let second: Vec<_> =
        world.take().into_iter().filter(|out| out.remote() != first.remote()).collect();
    assert_eq!(second.iter().map(Sent::what).collect::<Vec<_>>(), ["REGISTER"]);
    world.answer(&second[0], 200, "x");
    assert_eq!(world.take_words(), [format!("200 {PHONE}")]);
    assert_eq!(world.contacts("7001"), ["sip:7001@127.0.0.50:5061"]);
}
