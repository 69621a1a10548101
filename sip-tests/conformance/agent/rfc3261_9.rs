//! RFC 3261 9: CANCEL, received and sent.

use super::world::{World, sdp};
use crate::draft::Draft;
use sipcluster::base::leg::{Cause, LegCommand, LegEvent};
use sipcluster::base::time::Duration;
use sipcluster::sip::message::HeaderId;

/// The CANCEL of `Draft::invite(id)`.
fn cancel(id: &str) -> Draft {
    Draft::request("CANCEL", "sip:7002@cluster.example.com", id)
        .set("Via", &format!("SIP/2.0/UDP 127.0.0.50:5061;branch=z9hG4bK{id}INVITE;rport"))
}

/// 9.2.
#[test]
fn a_ringing_call_is_ended_with_487() {
    let mut world = World::new();
    let leg = world.incoming(&Draft::invite("a"));
    world.command(leg, LegCommand::Progress { code: 180, body: None, reliable: false });
    world.take();
    world.receive(&cancel("a").add("Reason", "SIP;cause=200"));
    let sent = world.take();
    let words: Vec<_> = sent
        .iter()
        .map(|sent| format!("{} {}", sent.what(), sent.header(HeaderId::CSeq)))
        .collect();
    assert_eq!(words, ["200 1 CANCEL", "487 1 INVITE"]);
    assert_eq!(sent[0].header(HeaderId::To), sent[1].header(HeaderId::To), "one tag");
    let heard = world.take_heard();
    assert!(matches!(&heard[..], [LegEvent::Ended(cause)] if cause.code == 487), "{heard:?}");
    world.receive(
        &Draft::request("ACK", "sip:7002@cluster.example.com", "a")
            .set("Via", "SIP/2.0/UDP 127.0.0.50:5061;branch=z9hG4bKaINVITE;rport"),
    );
    world.pass(Duration::from_secs(70));
    assert_eq!(world.take_words(), Vec::<String>::new());
    assert_eq!(world.lens(), (0, 0, 0));
}

/// 9.2: "has no effect" once a final answer was sent; the CANCEL itself is answered 200.
#[test]
fn after_the_200_it_changes_nothing() {
    let mut world = World::new();
    let leg = world.incoming(&Draft::invite("a"));
    world.command(leg, LegCommand::Answer { body: Some(sdp(1)) });
    let answer = world.only();
    world.receive(&cancel("a"));
    let ok = world.only();
    assert_eq!(ok.header(HeaderId::CSeq), "1 CANCEL");
    assert_eq!(ok.header(HeaderId::To), answer.header(HeaderId::To), "one tag");
    assert_eq!(world.take_heard(), []);
    world.pass(Duration::from_millis(500));
    assert_eq!(world.take_words(), ["200"], "the 200 of the INVITE again");
}

/// 9.2 matches by the branch; by another proxy it is another branch, and the same call.
#[test]
fn by_another_proxy_it_ends_the_call_too() {
    let mut world = World::new();
    world.incoming(&Draft::invite("a"));
    let other = "SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bKother;rport";
    world.receive(&cancel("a").set("Via", other));
    let sent = world.take();
    let words: Vec<_> = sent
        .iter()
        .map(|sent| format!("{} {}", sent.what(), sent.header(HeaderId::CSeq)))
        .collect();
    assert_eq!(words, ["200 1 CANCEL", "487 1 INVITE"]);
    assert_eq!(sent[0].header(HeaderId::To), sent[1].header(HeaderId::To), "one tag");
    assert_eq!(sent[0].header(HeaderId::Via), other);
    let heard = world.take_heard();
    assert!(matches!(&heard[..], [LegEvent::Ended(cause)] if cause.code == 487), "{heard:?}");
}

#[test]
fn without_transaction_it_is_481() {
    let mut world = World::new();
    world.receive(&cancel("a"));
    assert_eq!(world.take_words(), ["481"]);
    world.incoming(&Draft::invite("b"));
    world.receive(
        &cancel("a")
            .set("Call-ID", "b@127.0.0.50")
            .set("CSeq", "2 CANCEL")
            .set("Via", "SIP/2.0/UDP 127.0.0.50:5061;branch=z9hG4bKother;rport"),
    );
    assert_eq!(world.take_words(), ["481"]);
}

/// 9.2: a CANCEL that comes twice ends the call once.
#[test]
fn twice_is_once() {
    let mut world = World::new();
    world.incoming(&Draft::invite("a"));
    world.receive(&cancel("a"));
    world.take();
    world.receive(&cancel("a"));
    assert_eq!(world.take_words(), ["200"]);
    assert_eq!(world.take_heard().len(), 1);
}

/// 9.1: ours is sent when a provisional response has come, on the branch of the INVITE.
#[test]
fn ours_waits_for_a_provisional_response() {
    let mut world = World::new();
    let (leg, invite) = world.call();
    world.command(leg, LegCommand::End(Cause::code(487)));
    assert_eq!(world.take_words(), Vec::<String>::new());
    world.answer(&invite, 180, "there");
    let cancel = world.only();
    assert_eq!(cancel.what(), "CANCEL");
    assert_eq!(cancel.header(HeaderId::Via), invite.header(HeaderId::Via));
    assert_eq!(cancel.header(HeaderId::CSeq), "1 CANCEL");
    assert_eq!(cancel.header(HeaderId::To), invite.header(HeaderId::To));
    assert_eq!(cancel.message.request_uri(), invite.message.request_uri());
    world.answer(&invite, 487, "there");
    assert_eq!(world.take_words(), ["ACK"]);
    world.pass(Duration::from_secs(70));
    assert_eq!(world.lens(), (0, 0, 0));
}

/// 17.1.2: a CANCEL is a request like others and is sent again when nothing answers it.
#[test]
fn ours_is_sent_again_when_it_was_lost() {
    let mut world = World::new();
    let (leg, invite) = world.call();
    world.answer(&invite, 180, "there");
    world.command(leg, LegCommand::End(Cause::code(487)));
    assert_eq!(world.take_words(), ["CANCEL"]);
    world.pass(Duration::from_secs(4));
    assert_eq!(world.take_words(), ["CANCEL", "CANCEL", "CANCEL"]);
}

/// 9.1: a 2xx that crossed the CANCEL is acknowledged and the call ended by BYE.
#[test]
fn a_2xx_that_crossed_ours_is_ended_by_bye() {
    let mut world = World::new();
    let (leg, invite) = world.call();
    world.answer(&invite, 180, "there");
    world.command(leg, LegCommand::End(Cause::code(487)));
    world.take();
    world.answer(&invite, 200, "there");
    let sent = world.take();
    assert_eq!(sent.iter().map(super::world::Sent::what).collect::<Vec<_>>(), ["ACK", "BYE"]);
    assert_eq!(sent[1].message.to_tag(), b"there");
    world.answer(&sent[1], 200, "there");
    world.pass(Duration::from_secs(70));
    assert_eq!(world.lens(), (0, 0, 0));
}

/// 9.1: without any final answer the leg is over after 64·T1.
#[test]
fn a_cancelled_leg_ends_without_an_answer() {
    let mut world = World::new();
    let (leg, invite) = world.call();
    world.answer(&invite, 180, "there");
    world.command(leg, LegCommand::End(Cause::code(487)));
    world.pass(Duration::from_secs(65));
    assert_eq!(world.lens(), (0, 0, 0));
}
