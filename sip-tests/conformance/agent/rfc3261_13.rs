//! RFC 3261 13: the three-way handshake of an INVITE.

use super::world::{Sent, World, sdp, within};
use crate::draft::Draft;
use sipcluster::base::leg::{LegCommand, LegEvent};
use sipcluster::base::time::Duration;
use sipcluster::sip::message::HeaderId;

/// An incoming call that was answered and hears no ACK yet.
fn answered() -> (World, Sent) {
    let mut world = World::new();
    let leg = world.incoming(&Draft::invite("a"));
    world.command(leg, LegCommand::Answer { body: Some(sdp(1)) });
    let ok = world.only();
    (world, ok)
}

/// 13.3.1.4: T1, doubling up to T2, until the ACK.
#[test]
fn the_2xx_is_sent_again_from_t1_to_t2() {
    let (mut world, ok) = answered();
    world.pass(Duration::from_millis(31_999));
    let sent = world.take();
    assert!(sent.iter().all(|again| again.message.bytes() == ok.message.bytes()));
    let at: Vec<_> = sent.iter().map(|sent| sent.at.since(ok.at).as_millis()).collect();
    assert_eq!(at, [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
}

#[test]
fn the_ack_ends_the_repetitions() {
    let (mut world, ok) = answered();
    world.pass(Duration::from_millis(600));
    world.take();
    world.receive(&within(&ok, "ACK", 1, "a").body("application/sdp", "v=0\r\n"));
    let heard = world.take_heard();
    assert!(matches!(&heard[..], [LegEvent::Confirmed { body: Some(_), .. }]), "{heard:?}");
    world.pass(Duration::from_secs(60));
    assert_eq!(world.take_words(), Vec::<String>::new());
}

/// An ACK of another CSeq, dialog or far end ends nothing.
#[test]
fn another_ack_ends_nothing() {
    let (mut world, ok) = answered();
    world.receive(&within(&ok, "ACK", 2, "a"));
    world.receive(&within(&ok, "ACK", 1, "b").set("To", "<sip:7002@cluster.example.com>;tag=x"));
    assert_eq!(world.take_heard(), []);
    world.pass(Duration::from_millis(500));
    assert_eq!(world.take_words(), ["200"]);
}

/// 13.3.1.4: without ACK the dialog is there and must be ended by BYE.
#[test]
fn without_ack_it_ends_by_bye_after_64_t1() {
    let (mut world, ok) = answered();
    world.pass(Duration::from_millis(31_999));
    world.take();
    world.take_heard();
    world.pass(Duration::from_millis(1));
    let bye = world.only();
    assert_eq!(bye.what(), "BYE");
    assert_eq!(bye.header(HeaderId::From), ok.header(HeaderId::To));
    let heard = world.take_heard();
    assert!(matches!(&heard[..], [LegEvent::Ended(_)]), "{heard:?}");
    world.answer(&bye, 200, "");
    world.pass(Duration::from_secs(40));
    assert_eq!(world.take_words(), Vec::<String>::new());
    assert_eq!(world.lens(), (0, 0, 0));
}

/// 13.3.1.4 and RFC 6026: an INVITE that comes again after the 2xx is absorbed.
#[test]
fn the_invite_again_makes_no_second_call() {
    let (mut world, _) = answered();
    world.receive(&Draft::invite("a"));
    assert_eq!(world.incoming_len(), 0);
    assert_eq!(world.take_words(), Vec::<String>::new());
}

/// 13.3.1.4: the 2xx of a re-INVITE is repeated in the same way.
#[test]
fn the_2xx_of_a_re_invite_is_sent_again_too() {
    let mut world = World::new();
    let (leg, ok) = world.established("a");
    world.receive(&within(&ok, "INVITE", 2, "a").body("application/sdp", "v=0\r\n"));
    world.command(leg, LegCommand::AcceptUpdate { body: Some(sdp(2)) });
    world.take();
    world.pass(Duration::from_millis(1500));
    assert_eq!(world.take_words(), ["200", "200"]);
    world.receive(&within(&ok, "ACK", 2, "a"));
    world.pass(Duration::from_secs(40));
    assert_eq!(world.take_words(), Vec::<String>::new());
}

/// 12.1.1 and 13.3.1.4: what the 2xx must carry.
#[test]
fn the_2xx_carries_contact_and_allow() {
    let (_, ok) = answered();
    assert!(ok.header(HeaderId::Contact).contains("@cluster.example.com:5060"));
    assert!(ok.values(HeaderId::Allow).contains(&"BYE".to_owned()));
    assert_eq!(
        ok.message.typed_body().map(|body| body.content_type),
        Some("application/sdp".into())
    );
}

/// 13.2.2.4: the ACK of a 2xx has its own branch, the INVITE's CSeq, and is sent again for
/// every repetition of the 2xx.
#[test]
fn each_2xx_is_acknowledged() {
    let mut world = World::new();
    let (_, invite) = world.call();
    world.answer(&invite, 200, "there");
    let ack = world.only();
    assert_eq!((ack.what(), ack.header(HeaderId::CSeq)), ("ACK".into(), "1 ACK".into()));
    assert_eq!(ack.message.request_uri(), b"sip:7002@127.0.0.60:5060");
    let branch = |sent: &Sent| sent.message.top_via().map(|via| via.branch().to_vec());
    assert_ne!(branch(&ack), branch(&invite));
    world.answer(&invite, 200, "there");
    assert_eq!(world.only().message.bytes(), ack.message.bytes());
    let heard = world.take_heard();
    assert_eq!(heard.len(), 1, "answered once: {heard:?}");
}

/// 13.2.2.4: a second branch of a fork that answers too is acknowledged under its own tag and
/// ended by BYE.
#[test]
fn a_second_2xx_of_a_fork_is_acknowledged_and_ended() {
    let mut world = World::new();
    let (_, invite) = world.call();
    world.answer(&invite, 200, "first");
    world.take();
    let second = Draft::response(&invite.message, 200, "second");
    world.receive(&second.add("Contact", "<sip:7002@127.0.0.61:5060>"));
    let sent = world.take();
    assert_eq!(sent.iter().map(Sent::what).collect::<Vec<_>>(), ["ACK", "BYE"]);
    for sent in &sent {
        assert_eq!(sent.message.to_tag(), b"second");
        assert_eq!(sent.message.request_uri(), b"sip:7002@127.0.0.61:5060");
    }
}

/// 13.2.2.3 and 17.1.1.3.
#[test]
fn a_refusal_is_acknowledged_on_its_branch() {
    let mut world = World::new();
    let (_, invite) = world.call();
    world.answer(&invite, 486, "there");
    let ack = world.only();
    assert_eq!(ack.what(), "ACK");
    assert_eq!(ack.header(HeaderId::Via), invite.header(HeaderId::Via));
    assert_eq!(ack.message.to_tag(), b"there");
    let heard = world.take_heard();
    assert!(matches!(&heard[..], [LegEvent::Failed(cause)] if cause.code == 486), "{heard:?}");
    world.pass(Duration::from_secs(70));
    assert_eq!(world.lens(), (0, 0, 0));
}

/// 13.2.2.4: a 2xx may carry the offer; its ACK then waits for the answer.
#[test]
fn a_late_answer_goes_into_the_ack() {
    let mut world = World::new();
    let (leg, ok) = world.established("a");
    world.command(leg, LegCommand::Update { offer: None });
    let invite = world.only();
    assert_eq!(invite.message.body().len(), 0);
    let offer = Draft::response(&invite.message, 200, "").body("application/sdp", "v=0\r\n");
    world.receive(&offer);
    assert_eq!(world.take_words(), Vec::<String>::new());
    world.command(leg, LegCommand::Confirm { body: Some(sdp(3)) });
    let ack = world.only();
    assert_eq!((ack.what(), ack.message.cseq()), ("ACK".into(), invite.message.cseq()));
    assert!(!ack.message.body().is_empty());
    assert_eq!(ack.message.call_id(), ok.message.call_id());
}
