//! RFC 3261 17.2: the server side of a proxied request.

use super::world::{PHONE, World};
use crate::draft::Draft;
use sipcluster::base::time::Duration;

/// 17.2.1: 100 within 200 ms.
#[test]
fn an_invite_hears_100_after_200_ms() {
    let mut world = World::new();
    world.request(PHONE, &Draft::invite("a"));
    world.only();
    world.pass_ms(199);
    assert_eq!(world.take_words(), Vec::<String>::new());
    world.pass_ms(1);
    let sent = world.only();
    assert_eq!((sent.what(), sent.remote()), ("100".into(), PHONE.into()));
    assert_eq!(sent.message.to_tag(), b"", "8.2.6.2 leaves the tag out of a 100");
}

#[test]
fn a_ringing_call_needs_no_100() {
    let mut world = World::new();
    world.request(PHONE, &Draft::invite("a"));
    let sent = world.only();
    world.answer(&sent, 180, "there");
    world.take();
    world.pass_ms(900);
    assert_eq!(world.take_words(), Vec::<String>::new());
}

#[test]
fn other_requests_hear_no_100() {
    let mut world = World::new();
    world.request(PHONE, &Draft::request("MESSAGE", "sip:7002@cluster.example.com", "a"));
    world.only();
    world.pass_ms(400);
    assert_eq!(world.take_words(), Vec::<String>::new());
}

/// 17.2.1: a repetition gets the last answer again and is not passed on.
#[test]
fn a_repetition_gets_the_last_answer_again() {
    let mut world = World::new();
    let invite = Draft::invite("a");
    world.request(PHONE, &invite);
    let sent = world.only();
    world.request(PHONE, &invite);
    assert_eq!(world.take_words(), Vec::<String>::new());
    world.answer(&sent, 180, "there");
    let first = world.only();
    world.request(PHONE, &invite);
    assert_eq!(world.only().message.bytes(), first.message.bytes());
}

/// 17.2.2.
#[test]
fn a_repeated_message_gets_its_final_answer_again() {
    let mut world = World::new();
    let message = Draft::request("MESSAGE", "sip:7002@cluster.example.com", "a");
    world.request(PHONE, &message);
    let sent = world.only();
    world.answer(&sent, 202, "there");
    let first = world.only();
    world.request(PHONE, &message);
    assert_eq!(world.only().message.bytes(), first.message.bytes());
}

/// 17.2.1 Timers G and H: a refusal is sent again until its ACK comes.
#[test]
fn a_refusal_is_sent_again_until_its_ack() {
    let mut world = World::new();
    let refused = Draft::invite("a").set("Max-Forwards", "0");
    let first = world.answered(PHONE, &refused);
    world.pass(Duration::from_millis(3500));
    let at: Vec<_> = world.take().iter().map(|sent| sent.at.since(first.at).as_millis()).collect();
    assert_eq!(at, [500, 1500, 3500]);
    let ack = Draft::request("ACK", "sip:7002@cluster.example.com", "a")
        .set("Via", "SIP/2.0/UDP 127.0.0.50:5061;branch=z9hG4bKaINVITE;rport")
        .set("Max-Forwards", "0");
    world.request(PHONE, &ack);
    world.pass(Duration::from_secs(40));
    assert_eq!(world.take_words(), Vec::<String>::new());
    assert_eq!(world.transactions_len(), 0);
}

/// Timer H: without ACK it is given up after 64·T1.
#[test]
fn a_refusal_without_ack_is_given_up() {
    let mut world = World::new();
    world.answered(PHONE, &Draft::invite("a").set("Max-Forwards", "0"));
    world.pass(Duration::from_secs(32));
    let repetitions = world.take().len();
    assert_eq!(repetitions, 10, "0.5, 1.5, 3.5, then every 4 s up to 31.5");
    world.pass(Duration::from_secs(60));
    assert_eq!(world.take_words(), Vec::<String>::new());
    assert_eq!(world.transactions_len(), 0);
}

/// 17.2.3: sent-by and method belong to the key.
#[test]
fn the_same_branch_of_another_sender_is_another_request() {
    let mut world = World::new();
    for sent_by in ["127.0.0.50:5061", "127.0.0.51:5061"] {
        let via = format!("SIP/2.0/UDP {sent_by};branch=z9hG4bKsame;rport");
        world.request(sent_by, &Draft::invite("a").set("Via", &via));
        assert_eq!(world.only().what(), "INVITE", "{sent_by}");
    }
}
