//! Branches of one request: forks, the best answer, CANCEL, Timer C, late answers.

use super::world::{NODES, PHONE, Sent, Text, World};
use crate::base::limits::{FORK_WIDTH_MAX, TIMER_C};
use crate::sip::message::HeaderId;

const PHONES: [&str; 4] =
    ["127.0.0.50:5061", "127.0.0.51:5061", "127.0.0.52:5061", "127.0.0.53:5061"];

/// An INVITE of node 1 for 7001, whose phones have these preferences.
fn forked(qs: &[&str]) -> (World, Vec<Sent>) {
    let mut world = World::new();
    let mut text = Text::register(1).without("Contact");
    for (phone, q) in PHONES.iter().zip(qs) {
        text = text.add("Contact", &format!("<sip:7001@{phone}>;q={q}"));
    }
    let sent = world.one(PHONE, &text);
    world.answer(&sent, 200);
    let text =
        Text::request("INVITE", "sip:7001@example.com", "in").with("To", "<sip:7001@example.com>");
    let text = world.of_node(1, "registrar", text);
    let branches = world.exchange(NODES[0], &text);
    (world, branches)
}

fn words(sent: &[Sent]) -> Vec<String> {
    sent.iter().map(Sent::words).collect()
}

/// What goes back to the node, without the 100.
fn back(all: Vec<String>) -> Vec<String> {
    let node = format!(" {}", NODES[0]);
    all.into_iter().filter(|word| word.ends_with(&node) && !word.starts_with("100")).collect()
}

#[test]
fn equal_preferences_ring_together_and_others_one_after_the_other() {
    let (mut world, first) = forked(&["0.5", "0.9", "0.5", "0.9"]);
    let mut rings = words(&first);
    rings.sort();
    assert_eq!(rings, [format!("INVITE {}", PHONES[1]), format!("INVITE {}", PHONES[3])]);
    assert_eq!(back(world.answer(&first[0], 486)), [""; 0]);
    world.receive(&first[1].remote(), &Text::response(&first[1].message, 480, "p"));
    let second: Vec<_> = world
        .take()
        .into_iter()
        .filter(|sent| {
            sent.message.status() == 0 && sent.message.method() != crate::sip::message::Method::Ack
        })
        .collect();
    assert_eq!(second.len(), 2);
    let mut late = world.answer(&second[0], 180);
    late.extend(world.answer(&second[1], 200));
    assert_eq!(
        late,
        [
            format!("180 {}", NODES[0]),
            format!("200 {}", NODES[0]),
            format!("CANCEL {}", second[0].remote())
        ]
    );
}

#[test]
fn no_more_phones_than_the_width_are_called() {
    let mut world = World::new();
    for proxy in 0..2_u16 {
        let mut other = World::new();
        let mut text = Text::register(1).without("Contact");
        for phone in 0..10 {
            text = text.add("Contact", &format!("<sip:7001@10.0.{proxy}.{phone}>"));
        }
        let sent = other.one(PHONE, &text);
        other.answer(&sent, 200);
        for entry in other.shared {
            world.on(super::super::core::Event::Binding(entry));
        }
    }
    let text = Text::request("INVITE", "sip:7001@example.com", "in");
    let text = world.of_node(1, "registrar", text);
    assert_eq!(world.exchange(NODES[0], &text).len(), FORK_WIDTH_MAX);
}

/// RFC 3261 16.7 step 6.
#[test]
fn the_best_answer_goes_back_when_all_have_answered() {
    for (answers, best) in [
        ([486, 484], "484"),
        ([404, 302], "302"),
        ([500, 486], "486"),
        ([503, 500], "500"),
        ([404, 401], "401"),
        ([486, 407], "407"),
        ([480, 484], "484"),
        ([408, 486], "486"),
    ] {
        for turned in [false, true] {
            let (mut world, branches) = forked(&["1", "1"]);
            let (first, second) = if turned { (1, 0) } else { (0, 1) };
            assert_eq!(back(world.answer(&branches[first], answers[first])), [""; 0]);
            let last = back(world.answer(&branches[second], answers[second]));
            assert_eq!(last, [format!("{best} {}", NODES[0])], "{answers:?} {turned}");
        }
    }
}

/// RFC 3261 16.7 step 5: a 6xx cancels the others, ends the search, and goes back
/// when they have answered; a 2xx that is faster still wins.
#[test]
fn a_6xx_ends_the_search() {
    let (mut world, branches) = forked(&["1", "1", "0.1"]);
    world.answer(&branches[1], 180);
    let cancelled = world.answer(&branches[0], 603);
    assert!(cancelled.contains(&format!("CANCEL {}", branches[1].remote())), "{cancelled:?}");
    assert_eq!(back(cancelled), [""; 0]);
    let last = world.answer(&branches[1], 487);
    assert_eq!(back(last), [format!("603 {}", NODES[0])]);
    world.pass_ms(60_000);
    assert!(!world.words().iter().any(|word| word.contains(PHONES[2])));
    let (mut world, branches) = forked(&["1", "1"]);
    world.answer(&branches[1], 180);
    world.answer(&branches[0], 603);
    assert_eq!(back(world.answer(&branches[1], 200)), [format!("200 {}", NODES[0])]);
}

#[test]
fn a_cancel_reaches_every_phone_that_has_answered() {
    let (mut world, branches) = forked(&["1", "1", "0.1"]);
    world.answer(&branches[0], 180);
    let via = format!("SIP/2.0/UDP {};branch=z9hG4bKin;rport", NODES[0]);
    let cancel = Text::request("CANCEL", "sip:7001@example.com", "in").with("Via", &via);
    let sent = world.exchange(NODES[0], &cancel);
    let expected = [format!("200 {}", NODES[0]), format!("CANCEL {}", branches[0].remote())];
    assert_eq!(words(&sent), expected);
    // The other hears it as soon as it answers, and nobody else is called.
    assert_eq!(world.answer(&branches[1], 100), [format!("CANCEL {}", branches[1].remote())]);
    world.answer(&branches[0], 487);
    assert_eq!(back(world.answer(&branches[1], 487)), [format!("487 {}", NODES[0])]);
    world.pass_ms(100_000);
    assert!(!world.words().iter().any(|word| word.contains(PHONES[2])));
    assert_eq!(world.core.transactions_len(), 0);
}

/// RFC 3261 16.8: a phone that rings for ever is cancelled, one that then says
/// nothing is given up, and each ringing starts the time anew.
#[test]
fn timer_c_ends_a_call_that_nobody_answers() {
    let (mut world, branches) = forked(&["1"]);
    let timer_c_ms = u64::try_from(TIMER_C.as_millis()).expect("small");
    world.answer(&branches[0], 180);
    world.pass_ms(timer_c_ms - 1000);
    world.answer(&branches[0], 180);
    world.pass_ms(timer_c_ms - 1);
    assert!(!world.words().iter().any(|word| word.starts_with("CANCEL")));
    world.pass_ms(2);
    assert_eq!(world.words(), [format!("CANCEL {}", PHONES[0])]);
    world.pass_ms(33_000);
    let last = back(world.words());
    assert_eq!(last[0], format!("408 {}", NODES[0]));
    world.pass_ms(100_000);
    world.take();
    assert_eq!(world.core.transactions_len(), 0);
}

/// A phone that is silent is left for the next preference when its time is over.
#[test]
fn a_silent_phone_is_left_for_the_next() {
    let (mut world, branches) = forked(&["0.9", "0.1"]);
    world.pass_ms(32_001);
    let next = world.take().into_iter().find(|sent| sent.remote() == PHONES[1]);
    let next = next.expect("the next phone");
    assert_eq!(back(world.answer(&next, 200)), [format!("200 {}", NODES[0])]);
    assert_eq!(branches.len(), 1);
}

/// An INVITE that moved from a silent node to another one, which took the call.
fn moved() -> (World, Sent, Sent) {
    let mut world = World::new();
    let id = world.call_id_for(1, "c");
    let first = world.one(PHONE, &Text::invite(&id));
    world.pass_ms(1001);
    let second = world.take().into_iter().find(|sent| sent.node() > 1).expect("the next node");
    (world, first, second)
}

#[test]
fn a_call_that_nobody_wants_is_ended_until_the_node_says_so() {
    let (mut world, first, second) = moved();
    assert_eq!(world.answer(&second, 200), [format!("200 {PHONE}")]);
    let late = Text::response(&first.message, 200, "late")
        .with("Contact", "<sip:01late@example.com>")
        .add("Record-Route", "<sip:10.0.0.9;lr>, <sip:10.0.0.8;lr>")
        .add("Record-Route", &first.header(HeaderId::RecordRoute))
        .add("Record-Route", "<sip:10.0.0.7;lr>");
    world.receive(NODES[0], &late);
    let sent = world.take();
    assert_eq!(words(&sent), [format!("ACK {}", NODES[0]), format!("BYE {}", NODES[0])]);
    for (request, cseq) in sent.iter().zip(["1 ACK", "2 BYE"]) {
        assert_eq!(request.message.request_uri(), b"sip:01late@example.com");
        assert_eq!(request.message.to_tag(), b"late");
        assert_eq!(request.message.call_id(), first.message.call_id());
        assert_eq!(request.header(HeaderId::CSeq), cseq);
        let routes: Vec<_> = request.message.values(HeaderId::Route).collect();
        assert_eq!(routes, [&b"<sip:10.0.0.8;lr>"[..], b"<sip:10.0.0.9;lr>"]);
    }
    assert_eq!(world.answer_as(&first, &late), [format!("ACK {}", NODES[0])], "once ended");
    world.pass_ms(500);
    assert_eq!(world.words(), [format!("BYE {}", NODES[0])], "repeated");
    world.pass_ms(1000);
    assert_eq!(world.words(), [format!("BYE {}", NODES[0])]);
    assert!(world.answer(&sent[1], 200).is_empty(), "its answer goes no further");
    world.pass_ms(30_000);
    assert!(world.words().is_empty());
    world.pass_ms(100_000);
    assert_eq!(world.core.transactions_len(), 0);
}

#[test]
fn a_bye_that_nobody_answers_is_given_up() {
    let (mut world, first, second) = moved();
    world.answer(&second, 200);
    world.answer(&first, 200);
    world.pass_ms(200_000);
    let byes = world.words().iter().filter(|word| word.starts_with("BYE")).count();
    assert!((5..=11).contains(&byes), "{byes}");
    assert_eq!(world.core.transactions_len(), 0);
}

/// The caller has heard a refusal; whoever answers now has no caller.
#[test]
fn a_2xx_after_the_refusal_went_back_is_ended() {
    let (mut world, first, second) = moved();
    assert_eq!(world.answer(&second, 486)[1], format!("486 {PHONE}"));
    let words = world.answer(&first, 200);
    assert_eq!(words, [format!("ACK {}", NODES[0]), format!("BYE {}", NODES[0])]);
}

#[test]
fn the_first_of_two_nodes_that_answer_wins() {
    let (mut world, first, second) = moved();
    world.answer(&second, 180);
    let words = world.answer(&first, 200);
    assert_eq!(words, [format!("200 {PHONE}"), format!("CANCEL {}", second.remote())]);
    let words = world.answer(&second, 200);
    assert_eq!(words, [format!("ACK {}", second.remote()), format!("BYE {}", second.remote())]);
    assert_eq!(world.answer(&first, 200), [format!("200 {PHONE}")], "it is passed on again");
}

/// Every phone that answers is heard: the node ends all but one.
#[test]
fn every_2xx_of_a_phone_goes_back() {
    let (mut world, branches) = forked(&["1", "1"]);
    assert_eq!(back(world.answer(&branches[0], 200)), [format!("200 {}", NODES[0])]);
    assert_eq!(back(world.answer(&branches[1], 200)), [format!("200 {}", NODES[0])]);
}

/// A node would take it for a word about the proxy and go to another one.
#[test]
fn the_retry_after_of_a_phone_stays_here() {
    let (mut world, branches) = forked(&["1"]);
    let refusal = Text::response(&branches[0].message, 503, "p").with("Retry-After", "60");
    let sent = world.exchange(PHONE, &refusal);
    assert_eq!(words(&sent), [format!("ACK {PHONE}"), format!("503 {}", NODES[0])]);
    assert!(sent[1].header(HeaderId::RetryAfter).is_empty());
}

#[test]
fn repetitions_are_absorbed_or_answered_from_memory() {
    let mut world = World::new();
    let sent = world.one(PHONE, &Text::invite("a"));
    assert!(world.exchange(PHONE, &Text::invite("a")).is_empty());
    assert_eq!(world.answer(&sent, 180), [format!("180 {PHONE}")]);
    assert_eq!(words(&world.exchange(PHONE, &Text::invite("a"))), [format!("180 {PHONE}")]);
    world.answer(&sent, 486);
    assert_eq!(words(&world.exchange(PHONE, &Text::invite("a"))), [format!("486 {PHONE}")]);
    let ack = Text::request("ACK", "sip:7002@example.com", "a")
        .with("To", "<sip:7002@example.com>;tag=peer");
    assert!(world.exchange(PHONE, &ack).is_empty());
    world.pass_ms(4000);
    assert!(world.words().is_empty(), "acknowledged");
}

#[test]
fn a_cancel_before_the_100_waits_for_it() {
    let mut world = World::new();
    let sent = world.one(PHONE, &Text::invite("a"));
    let cancel = Text::request("CANCEL", "sip:7002@example.com", "a");
    assert_eq!(words(&world.exchange(PHONE, &cancel)), [format!("200 {PHONE}")]);
    assert_eq!(world.answer(&sent, 100), [format!("CANCEL {}", sent.remote())]);
    let words = world.answer(&sent, 487);
    assert_eq!(words, [format!("ACK {}", sent.remote()), format!("487 {PHONE}")]);
    assert_eq!(
        world.exchange(PHONE, &cancel)[0].message.status(),
        200,
        "a late repetition is answered alike"
    );
}
