//! RFC 3262: reliable provisional responses, on both sides of a call.

use super::world::{Sent, World, sdp, within, within_ours};
use crate::draft::Draft;
use sipcluster::base::leg::{Body, LegCommand, LegEvent};
use sipcluster::base::time::Duration;
use sipcluster::sip::message::HeaderId;

fn invite(id: &str, supported: &str) -> Draft {
    Draft::invite(id).add("Supported", supported)
}

fn progress(code: u16, body: Option<Body>) -> LegCommand {
    LegCommand::Progress { code, body, reliable: true }
}

/// The PRACK of a reliable response of ours.
fn prack(response: &Sent, cseq: u32, id: &str) -> Draft {
    let rack = format!("{} 1 INVITE", response.header(HeaderId::RSeq));
    within(response, "PRACK", cseq, id).add("RAck", &rack)
}

/// 3: Require and RSeq; sent again after T1, 2·T1, … until the PRACK comes.
#[test]
fn a_reliable_response_is_repeated_until_its_prack() {
    let mut world = World::new();
    let leg = world.incoming(&invite("a", "100rel"));
    world.command(leg, progress(183, Some(sdp(1))));
    let sent = world.only();
    assert_eq!((sent.what().as_str(), sent.header(HeaderId::Require).as_str()), ("183", "100rel"));
    let rseq = sent.message.number(HeaderId::RSeq).expect("a number");
    assert!((1..1 << 31).contains(&rseq), "{rseq}");
    world.pass(Duration::from_millis(3_600));
    assert_eq!(world.take_words(), ["183", "183", "183"], "after 0.5, 1.5 and 3.5 s");
    world.receive(&prack(&sent, 2, "a"));
    assert_eq!(world.take_words(), ["200"]);
    world.pass(Duration::from_secs(20));
    assert_eq!(world.take_words(), Vec::<String>::new());
    assert_eq!(world.take_heard(), []);
}

/// 3: a PRACK that matches nothing is 481, and changes nothing.
#[test]
fn a_prack_that_matches_nothing_is_481() {
    let mut world = World::new();
    let leg = world.incoming(&invite("a", "100rel"));
    world.command(leg, progress(180, None));
    let sent = world.only();
    let rseq = sent.message.number(HeaderId::RSeq).expect("a number");
    for (cseq, rack) in [
        (2, format!("{} 1 INVITE", rseq + 1)),
        (3, format!("{rseq} 2 INVITE")),
        (4, format!("{rseq} 1 UPDATE")),
        (5, "never".to_owned()),
    ] {
        world.receive(&within(&sent, "PRACK", cseq, "a").add("RAck", &rack));
        assert_eq!(world.take_words(), ["481"], "{rack}");
    }
    world.receive(&prack(&sent, 6, "a"));
    assert_eq!(world.take_words(), ["200"]);
    world.receive(&prack(&sent, 7, "a"));
    assert_eq!(world.take_words(), ["481"], "once only");
}

/// 3: no second one before the first is acknowledged; numbers rise by one.
#[test]
fn the_next_one_waits_for_the_prack() {
    let mut world = World::new();
    let leg = world.incoming(&invite("a", "100rel"));
    world.command(leg, progress(183, Some(sdp(1))));
    let first = world.only();
    world.command(leg, progress(180, None));
    world.command(leg, LegCommand::Answer { body: Some(sdp(1)) });
    assert_eq!(world.take_words(), Vec::<String>::new());
    world.receive(&prack(&first, 2, "a"));
    let sent = world.take();
    let words: Vec<String> = sent.iter().map(Sent::what).collect();
    assert_eq!(words, ["200", "180"]);
    let numbers: Vec<_> =
        [&first, &sent[1]].map(|sent| sent.message.number(HeaderId::RSeq).expect("one")).into();
    assert_eq!(numbers[1], numbers[0] + 1);
    world.receive(&prack(&sent[1], 3, "a"));
    let sent = world.take();
    assert_eq!(sent[1].header(HeaderId::CSeq), "1 INVITE");
    assert_eq!(sent[1].what(), "200");
    assert!(sent[1].message.body().is_empty(), "the answer has gone out reliably");
}

/// 3: without a PRACK the call is refused after 64·T1.
#[test]
fn without_a_prack_the_call_is_refused() {
    let mut world = World::new();
    let leg = world.incoming(&invite("a", "100rel"));
    world.command(leg, progress(180, None));
    world.pass(Duration::from_secs(33));
    let words = world.take_words();
    assert_eq!(words.iter().filter(|word| *word == "180").count(), 7, "{words:?}");
    assert!(words.contains(&"504".to_owned()), "{words:?}");
    let heard = world.take_heard();
    assert!(matches!(&heard[..], [LegEvent::Ended(cause)] if cause.code == 504), "{heard:?}");
}

/// 3: who does not know the extension gets none; who requires it, always.
#[test]
fn the_caller_decides() {
    let mut world = World::new();
    let leg = world.incoming(&Draft::invite("a"));
    world.command(leg, progress(183, Some(sdp(1))));
    assert_eq!(world.only().header(HeaderId::RSeq), "");
    world.command(leg, LegCommand::Answer { body: Some(sdp(1)) });
    assert!(!world.only().message.body().is_empty(), "what came before counts for nothing");

    let leg = world.incoming(&Draft::invite("b").add("Require", "100rel"));
    world.command(leg, LegCommand::Progress { code: 180, body: None, reliable: false });
    assert_ne!(world.only().header(HeaderId::RSeq), "");
}

/// 5: the offer in a reliable response is answered in the PRACK.
#[test]
fn a_late_offer_goes_into_the_reliable_response() {
    let mut world = World::new();
    let leg = world.incoming(&invite("a", "100rel").without_body());
    world.command(leg, progress(183, Some(sdp(1))));
    let sent = world.only();
    world.receive(&prack(&sent, 2, "a").body("application/sdp", "v=0\r\n"));
    assert_eq!(world.take_words(), ["200"]);
    let heard = world.take_heard();
    assert!(matches!(&heard[..], [LegEvent::ProgressConfirmed { body: Some(_) }]), "{heard:?}");
    world.command(leg, LegCommand::Answer { body: None });
    assert!(world.only().message.body().is_empty());
}

/// 5: an offer in a PRACK is answered in its 200.
#[test]
fn an_offer_in_a_prack_is_answered_in_its_200() {
    let mut world = World::new();
    let leg = world.incoming(&invite("a", "100rel"));
    world.command(leg, progress(183, Some(sdp(1))));
    let sent = world.only();
    world.receive(&prack(&sent, 2, "a").body("application/sdp", "v=0\r\n"));
    assert_eq!(world.take_words(), Vec::<String>::new());
    let heard = world.take_heard();
    assert!(matches!(&heard[..], [LegEvent::Update { offer: Some(_), .. }]), "{heard:?}");
    world.command(leg, LegCommand::AcceptUpdate { body: Some(sdp(2)) });
    let ok = world.only();
    assert_eq!((ok.what().as_str(), ok.header(HeaderId::CSeq).as_str()), ("200", "2 PRACK"));
    assert!(!ok.message.body().is_empty());
}

/// A reliable response of the phone that we call.
fn reliable(invite: &Sent, status: u16, tag: &str, rseq: u32) -> Draft {
    Draft::response(&invite.message, status, tag)
        .add("Contact", "<sip:7002@127.0.0.60:5060>")
        .add("Require", "100rel")
        .add("RSeq", &rseq.to_string())
}

/// 4: a PRACK at once, in the early dialog, with the numbers of the response.
#[test]
fn a_reliable_response_is_confirmed_once() {
    let mut world = World::new();
    let (_, invite) = world.call();
    assert!(invite.values(HeaderId::Supported).contains(&"100rel".to_owned()));
    world.receive(&reliable(&invite, 183, "t", 41).body("application/sdp", "v=0\r\n"));
    let prack = world.only();
    assert_eq!(prack.what(), "PRACK");
    assert_eq!(prack.header(HeaderId::RAck), "41 1 INVITE");
    assert_eq!(prack.header(HeaderId::CSeq), "2 PRACK");
    assert!(prack.header(HeaderId::To).ends_with(";tag=t"));
    assert_eq!(String::from_utf8_lossy(prack.message.request_uri()), "sip:7002@127.0.0.60:5060");
    let heard = world.take_heard();
    assert!(
        matches!(&heard[..], [LegEvent::Progress { code: 183, body: Some(_), reliable: true }]),
        "{heard:?}"
    );
    world.answer(&prack, 200, "");
    // The same again, and one too far ahead: neither counts.
    world.receive(&reliable(&invite, 183, "t", 41).body("application/sdp", "v=0\r\n"));
    world.receive(&reliable(&invite, 180, "t", 43));
    assert_eq!((world.take_words(), world.take_heard()), (Vec::new(), Vec::new()));
    world.receive(&reliable(&invite, 180, "t", 42));
    assert_eq!(world.only().header(HeaderId::RAck), "42 1 INVITE");
}

/// 4: each early dialog of a fork has a count of its own.
#[test]
fn forks_are_counted_apart() {
    let mut world = World::new();
    let (_, invite) = world.call();
    world.receive(&reliable(&invite, 183, "one", 7));
    world.receive(&reliable(&invite, 183, "two", 900));
    world.receive(&reliable(&invite, 180, "one", 8));
    let racks: Vec<String> = world.take().iter().map(|sent| sent.header(HeaderId::RAck)).collect();
    assert_eq!(racks, ["7 1 INVITE", "900 1 INVITE", "8 1 INVITE"]);
}

/// RFC 3264 4: the 200 after an answer in a reliable response has none; the call
/// hears it all the same.
#[test]
fn the_answer_of_a_reliable_response_counts_for_the_200() {
    let mut world = World::new();
    let (_, invite) = world.call();
    world.receive(&reliable(&invite, 183, "t", 1).body("application/sdp", "v=0\r\n"));
    let prack = world.only();
    world.answer(&prack, 200, "");
    world.take_heard();
    world.answer(&invite, 200, "t");
    assert_eq!(world.take_words(), ["ACK"]);
    let heard = world.take_heard();
    assert!(matches!(&heard[..], [LegEvent::Answered { body: Some(_) }]), "{heard:?}");
}

/// 5: the answer to an offer in a reliable response is ours to give in the PRACK.
#[test]
fn our_answer_goes_into_the_prack() {
    let mut world = World::new();
    let (leg, invite) = world.call_without_offer();
    world.receive(&reliable(&invite, 183, "t", 1).body("application/sdp", "v=0\r\n"));
    assert_eq!(world.take_words(), Vec::<String>::new(), "the call has to answer first");
    world.command(leg, LegCommand::ConfirmProgress { body: Some(sdp(2)) });
    let prack = world.only();
    assert_eq!(prack.what(), "PRACK");
    assert!(!prack.message.body().is_empty());
    world.answer(&prack, 200, "");
    world.take_heard();
    world.answer(&invite, 200, "t");
    assert_eq!(world.take_words(), ["ACK"], "offer and answer are complete");
    let heard = world.take_heard();
    assert!(matches!(&heard[..], [LegEvent::Answered { body: None }]), "{heard:?}");
}

/// RFC 3311 5.1, 5.2: once an answer has gone both ways, either side may UPDATE.
#[test]
fn an_early_dialog_is_changed_by_update() {
    let mut world = World::new();
    let (leg, invite) = world.call();
    let early = reliable(&invite, 183, "t", 1)
        .add("Allow", "INVITE, ACK, UPDATE, PRACK")
        .body("application/sdp", "v=0\r\n");
    world.receive(&early);
    let prack = world.only();
    world.answer(&prack, 200, "");
    world.take_heard();
    world.command(leg, LegCommand::Update { offer: Some(sdp(3)) });
    let update = world.only();
    assert_eq!(update.what(), "UPDATE");
    assert!(update.header(HeaderId::To).ends_with(";tag=t"));
    // Theirs crosses ours.
    world.receive(&within_ours(&invite, "t", "UPDATE", 1, "x").body("application/sdp", "v=0\r\n"));
    assert_eq!(world.take_words(), ["491"]);
    world.answer(&update, 200, "");
    let heard = world.take_heard();
    assert!(matches!(&heard[..], [LegEvent::Updated { .. }]), "{heard:?}");
    world.receive(&within_ours(&invite, "t", "UPDATE", 2, "y").body("application/sdp", "v=0\r\n"));
    let heard = world.take_heard();
    assert!(matches!(&heard[..], [LegEvent::Update { offer: Some(_), .. }]), "{heard:?}");
    world.command(leg, LegCommand::AcceptUpdate { body: Some(sdp(4)) });
    let ok = world.only();
    assert_eq!((ok.what().as_str(), ok.header(HeaderId::CSeq).as_str()), ("200", "2 UPDATE"));
}

/// RFC 3311 5: what an UPDATE agreed on counts when the call is answered, whichever
/// side sent it; a 2xx without SDP does not bring back the answer before it.
#[test]
fn an_early_update_counts_for_the_200() {
    for ours in [true, false] {
        let mut world = World::new();
        let (leg, invite) = world.call();
        let early = reliable(&invite, 183, "t", 1).add("Allow", "INVITE, ACK, UPDATE, PRACK");
        world.receive(&early.body("application/sdp", "v=0\r\ns=first\r\n"));
        let prack = world.only();
        world.answer(&prack, 200, "");
        if ours {
            world.command(leg, LegCommand::Update { offer: Some(sdp(3)) });
            let update = world.only();
            let ok = Draft::response(&update.message, 200, "t");
            world.receive(&ok.body("application/sdp", "v=0\r\ns=second\r\n"));
        } else {
            let update = within_ours(&invite, "t", "UPDATE", 1, "x");
            world.receive(&update.body("application/sdp", "v=0\r\ns=second\r\n"));
            world.command(leg, LegCommand::AcceptUpdate { body: Some(sdp(4)) });
        }
        world.take();
        world.take_heard();
        world.receive(&Draft::response(&invite.message, 200, "t"));
        let heard = world.take_heard();
        let [LegEvent::Answered { body: Some(body) }] = &heard[..] else { panic!("{heard:?}") };
        assert_eq!(&body.content[..], b"v=0\r\ns=second\r\n", "sent by us: {ours}");
    }
}

/// RFC 3311 5.2: an UPDATE before the first answer is 500 with Retry-After, one that
/// crosses our offer 491.
#[test]
fn an_update_too_early_is_refused() {
    let mut world = World::new();
    let leg = world.incoming(&invite("a", "100rel"));
    world.command(leg, progress(180, None));
    let ringing = world.only();
    let update = within(&ringing, "UPDATE", 2, "a").body("application/sdp", "v=0\r\n");
    world.receive(&update);
    let sent = world.only();
    assert_eq!(sent.what(), "491", "a reliable response waits for its PRACK");
    world.receive(&prack(&ringing, 3, "a"));
    world.take();
    world.receive(&within(&ringing, "UPDATE", 4, "a").body("application/sdp", "v=0\r\n"));
    let sent = world.only();
    assert_eq!(sent.what(), "500");
    assert!(sent.message.number(HeaderId::RetryAfter).is_some());
    // The INVITE is open all the while.
    world.command(leg, LegCommand::Answer { body: Some(sdp(1)) });
    assert_eq!(world.only().header(HeaderId::CSeq), "1 INVITE");
}

/// 13.2.2.4 of RFC 3261 with 4 of RFC 3264: one phone gave the answer, another one
/// takes the call; the caller is offered what that one says.
#[test]
fn another_phone_than_the_one_heard_takes_the_call() {
    let mut world = World::new();
    let leg = world.incoming(&invite("a", "100rel"));
    world.command(leg, progress(183, Some(sdp(1))));
    let early = world.only();
    world.receive(&prack(&early, 2, "a"));
    world.take();
    world.command(leg, LegCommand::Answer { body: Some(sdp(2)) });
    let ok = world.only();
    assert!(ok.message.body().is_empty());
    world.receive(&within(&ok, "ACK", 1, "a"));
    let again = world.only();
    assert_eq!(again.what(), "INVITE");
    assert!(String::from_utf8_lossy(&again.message.body()).contains("m=audio 2 "));
    world.take_heard();
    world.answer(&again, 200, "");
    assert_eq!(world.take_words(), ["ACK"]);
    assert_eq!(world.take_heard(), [], "its answer is for nobody");
}
