//! RFC 3261 16.8 and 17.1: Timer C, retransmissions and silence.

use super::world::{NODES, Sent, World};
use sipcluster::base::time::{Duration, Instant};

const TARGET: &str = "127.0.0.60:5060";

/// An INVITE of node 1 to the one phone of 7002.
fn called() -> (World, Sent) {
    let mut world = World::new();
    world.bind("7002", &format!("sip:7002@{TARGET}"), 1000);
    let draft = world.invite_of_node("7002", "a");
    world.request(NODES[0], &draft);
    let sent = world.only();
    (world, sent)
}

/// 17.1.1.2: Timers A and B.
#[test]
fn a_silent_phone_hears_the_invite_seven_times_and_is_408() {
    let (mut world, first) = called();
    world.pass(Duration::from_millis(31_999));
    let sent = world.take();
    let at: Vec<_> = sent
        .iter()
        .filter(|sent| sent.what() == "INVITE")
        .map(|sent| sent.at.since(first.at).as_millis())
        .collect();
    assert_eq!(at, [500, 1500, 3500, 7500, 15_500, 31_500]);
    assert!(sent.iter().all(|sent| sent.what() == "INVITE" || sent.what() == "100"));
    world.pass_ms(1);
    assert_eq!(world.take_words(), [format!("408 {}", NODES[0])]);
}

/// 17.1.1.2: a provisional response stops the retransmissions.
#[test]
fn a_phone_that_tries_hears_it_once() {
    let (mut world, sent) = called();
    world.answer(&sent, 100, "");
    world.pass(Duration::from_secs(60));
    assert!(!world.take().iter().any(|sent| sent.what() == "INVITE"));
}

/// Timer C after a provisional response: CANCEL, and without any answer to it 408.
#[test]
fn a_phone_that_rings_for_ever_is_cancelled() {
    let (mut world, sent) = called();
    world.answer(&sent, 180, "there");
    world.take();
    world.pass(Duration::from_secs(180));
    assert_eq!(world.take_words(), Vec::<String>::new());
    world.pass(Duration::from_secs(2));
    let cancel = world.take().into_iter().find(|sent| sent.what() == "CANCEL").expect("a CANCEL");
    world.answer(&cancel, 200, "");
    world.answer(&sent, 487, "there");
    let words = world.take_words();
    assert!(
        words.contains(&format!("487 {}", NODES[0]))
            || words.contains(&format!("408 {}", NODES[0])),
        "{words:?}"
    );
}

/// 16.7 step 2: each provisional response from 101 on starts Timer C anew.
#[test]
fn each_ringing_starts_timer_c_anew() {
    let (mut world, sent) = called();
    for _ in 0..4 {
        world.answer(&sent, 180, "there");
        world.take();
        world.pass(Duration::from_secs(170));
        assert_eq!(world.take_words(), Vec::<String>::new());
    }
}

/// A phone that rings, is cancelled by Timer C and never says another word is given up, once.
#[test]
fn a_phone_that_died_while_ringing_is_given_up() {
    let (mut world, sent) = called();
    world.answer(&sent, 180, "there");
    world.take();
    world.pass(Duration::from_secs(182 + 33));
    let words = world.take_words();
    assert!(words.contains(&format!("408 {}", NODES[0])), "{words:?}");
    world.pass(Duration::from_secs(120));
    world.take();
    world.pass(Duration::from_secs(300));
    assert_eq!(world.take_words(), Vec::<String>::new());
    assert_eq!(world.transactions_len(), 0);
}

/// 17.1.2.2: Timers E and F.
#[test]
fn a_silent_peer_hears_another_request_again_up_to_t2() {
    let mut world = World::new();
    world.bind("7002", &format!("sip:7002@{TARGET}"), 1000);
    let draft = crate::draft::Draft::request("MESSAGE", "sip:7002@cluster.example.com", "m")
        .set("Via", &format!("SIP/2.0/UDP {};branch=z9hG4bKm;rport", NODES[0]))
        .add("X-Genesys-Route", &world.route_header("registrar"));
    world.request(NODES[0], &draft);
    let first = world.only();
    world.pass(Duration::from_millis(31_999));
    let at: Vec<_> = world.take().iter().map(|sent| sent.at.since(first.at).as_millis()).collect();
    assert_eq!(at, [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    world.pass_ms(1);
    assert_eq!(world.take_words(), [format!("408 {}", NODES[0])]);
}

/// Nothing is kept of a request that is over.
#[test]
fn transactions_are_freed() {
    let (mut world, sent) = called();
    world.answer(&sent, 180, "there");
    world.answer(&sent, 200, "there");
    world.pass(Duration::from_secs(65));
    assert_eq!(world.transactions_len(), 0);
    assert!(world.now < Instant::NEVER);
}

/// 16.9: a target that cannot be sent to is as good as a 503 from it, and is not tried again.
#[test]
fn a_target_that_cannot_be_reached_is_an_answer() {
    let (mut world, sent) = called();
    assert_eq!(sent.remote(), TARGET);
    let sender = world.sender_of_last().expect("a request asks to hear of a failure");
    world.on(sipcluster::roles::sip_proxy::proxy::core::Event::SendFailed(sender));
    let words = world.take_words();
    assert_eq!(words.len(), 1, "{words:?}");
    assert!(words[0].starts_with('5') && words[0].ends_with(NODES[0]), "{words:?}");
}
