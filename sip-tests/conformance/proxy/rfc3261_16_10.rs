//! RFC 3261 16.10 and 9: CANCEL.

use super::world::{NODES, PHONE, Sent, World};
use crate::draft::Draft;
use sipcluster::base::time::Duration;
use sipcluster::sip::message::HeaderId;

/// The CANCEL of `Draft::invite(id)`.
fn cancel(id: &str) -> Draft {
    Draft::request("CANCEL", "sip:7002@cluster.example.com", id)
        .set("Via", &format!("SIP/2.0/UDP 127.0.0.50:5061;branch=z9hG4bK{id}INVITE;rport"))
}

/// An INVITE of the phone on its way to a node.
fn calling() -> (World, Sent) {
    let mut world = World::new();
    world.request(PHONE, &Draft::invite("a"));
    let sent = world.only();
    (world, sent)
}

/// A CANCEL without an INVITE here goes on: its INVITE may have gone by another proxy.
fn passed_on(world: &mut World, cancel: &Draft) {
    world.request(PHONE, cancel);
    let sent = world.only();
    assert_eq!(sent.what(), "CANCEL");
    assert!(NODES.contains(&sent.remote().as_str()));
    assert_eq!(sent.values(HeaderId::Via).len(), 2);
    world.answer(&sent, 481, "node");
    assert_eq!(world.take_words(), [format!("481 {PHONE}")]);
}

#[test]
fn without_transaction_it_goes_on() {
    let mut world = World::new();
    passed_on(&mut world, &cancel("a"));
    world.request(PHONE, &Draft::invite("b"));
    world.take();
    passed_on(&mut world, &cancel("c"));
}

#[test]
fn without_transaction_a_node_hears_481() {
    let mut world = World::new();
    assert_eq!(world.answered(NODES[0], &cancel("a")).what(), "481");
}

/// 9.1: a CANCEL is sent when a provisional response has come, on the branch of the INVITE.
#[test]
fn the_branch_is_cancelled_when_it_has_answered() {
    let (mut world, sent) = calling();
    world.answer(&sent, 180, "there");
    world.take();
    world.request(PHONE, &cancel("a"));
    let out = world.take();
    let words: Vec<_> =
        out.iter().map(|sent| format!("{} {}", sent.what(), sent.remote())).collect();
    assert_eq!(words, [format!("200 {PHONE}"), format!("CANCEL {}", sent.remote())]);
    let (ok, cancel) = (&out[0], &out[1]);
    assert_eq!(ok.header(HeaderId::CSeq), "1 CANCEL");
    assert_eq!(cancel.values(HeaderId::Via), sent.values(HeaderId::Via)[..1]);
    assert_eq!(cancel.message.request_uri(), sent.message.request_uri());
    assert_eq!(cancel.header(HeaderId::CSeq), "1 CANCEL");
    for id in [HeaderId::CallId, HeaderId::From, HeaderId::To] {
        assert_eq!(cancel.header(id), sent.header(id));
    }
    world.answer(cancel, 200, "");
    assert_eq!(world.take_words(), Vec::<String>::new());
    world.answer(&sent, 487, "there");
    let words = world.take_words();
    assert_eq!(words, [format!("ACK {}", sent.remote()), format!("487 {PHONE}")]);
}

/// 9.2: the CANCEL is answered with the To tag that the INVITE was answered with,
/// whether it comes in time or too late: a phone may take the dialog's tag from
/// whatever it has heard last.
#[test]
fn the_tag_is_that_of_the_invite() {
    for status in [180, 200] {
        let (mut world, sent) = calling();
        world.answer(&sent, status, "there");
        let heard = world.only();
        assert_eq!(heard.what(), status.to_string());
        world.request(PHONE, &cancel("a"));
        let ok = world.take().remove(0);
        assert_eq!((ok.what(), ok.header(HeaderId::CSeq)), ("200".into(), "1 CANCEL".into()));
        assert_eq!(ok.header(HeaderId::To), heard.header(HeaderId::To), "after {status}");
    }
}

/// Nobody has answered yet: the tag is the proxy's own.
#[test]
fn without_an_answer_the_tag_is_our_own() {
    let (mut world, _) = calling();
    world.request(PHONE, &cancel("a"));
    let ok = world.take().remove(0);
    assert!(ok.header(HeaderId::To).contains(";tag="));
}

/// 9.1: before that it waits.
#[test]
fn the_cancel_waits_for_a_provisional_response() {
    let (mut world, sent) = calling();
    world.request(PHONE, &cancel("a"));
    assert_eq!(world.take_words(), [format!("200 {PHONE}")]);
    world.answer(&sent, 100, "");
    assert_eq!(world.take_words(), [format!("CANCEL {}", sent.remote())]);
}

/// A cancelled request is not tried on another node.
#[test]
fn a_cancelled_request_goes_to_no_further_node() {
    let (mut world, sent) = calling();
    world.request(PHONE, &cancel("a"));
    world.take();
    world.pass(Duration::from_secs(5));
    assert!(world.take().iter().all(|out| out.what() != "INVITE" || out.remote() == sent.remote()));
}

/// The caller hears a final answer also when the branch never gives one.
#[test]
fn a_cancelled_request_ends_without_the_branch() {
    let (mut world, sent) = calling();
    world.answer(&sent, 180, "there");
    world.request(PHONE, &cancel("a"));
    world.take();
    world.pass(Duration::from_secs(33));
    let out = world.take();
    let answers: Vec<_> =
        out.iter().filter(|out| !out.message.is_request()).map(Sent::what).collect();
    assert!(answers.iter().any(|status| status == "487" || status == "408"), "{answers:?}");
    world.pass(Duration::from_secs(120));
    world.take();
    world.pass(Duration::from_secs(120));
    assert_eq!(world.take_words(), Vec::<String>::new());
    assert_eq!(world.transactions_len(), 0);
}

/// The same when the branch takes the CANCEL and says no more.
#[test]
fn a_cancelled_request_ends_when_only_the_cancel_is_answered() {
    let (mut world, sent) = calling();
    world.answer(&sent, 180, "there");
    world.request(PHONE, &cancel("a"));
    let cancel = world.take().into_iter().find(|sent| sent.what() == "CANCEL").expect("a CANCEL");
    world.answer(&cancel, 200, "");
    world.pass(Duration::from_secs(33));
    let out = world.take();
    assert!(!out.iter().any(|out| out.what() == "CANCEL"), "the CANCEL was answered");
    assert!(out.iter().any(|out| !out.message.is_request()), "no final answer");
}

/// 9.2: a CANCEL that comes late changes nothing; the 2xx stands.
#[test]
fn after_the_final_answer_it_changes_nothing() {
    let (mut world, sent) = calling();
    world.answer(&sent, 200, "there");
    world.take();
    world.request(PHONE, &cancel("a"));
    assert_eq!(world.take_words(), [format!("200 {PHONE}")]);
}

/// Only an INVITE can be cancelled (9.1).
#[test]
fn another_request_cannot_be_cancelled() {
    let mut world = World::new();
    world.request(PHONE, &Draft::request("MESSAGE", "sip:7002@cluster.example.com", "a"));
    world.take();
    let draft = cancel("a").set("Via", "SIP/2.0/UDP 127.0.0.50:5061;branch=z9hG4bKaMESSAGE;rport");
    passed_on(&mut world, &draft);
}

/// All branches of a forked request are cancelled.
#[test]
fn every_branch_is_cancelled() {
    let mut world = World::new();
    for remote in ["127.0.0.60:5060", "127.0.0.61:5060"] {
        world.bind("7002", &format!("sip:7002@{remote}"), 500);
    }
    let draft = world.invite_of_node("7002", "a");
    world.request(NODES[0], &draft);
    for sent in world.take() {
        world.answer(&sent, 180, "x");
    }
    world.take();
    let draft = cancel("a")
        .uri("sip:7002@cluster.example.com")
        .set("Via", &format!("SIP/2.0/UDP {};branch=z9hG4bKa;rport", NODES[0]));
    world.request(NODES[0], &draft);
    let words = world.take_words();
    assert_eq!(
        words,
        [
            format!("200 {}", NODES[0]),
            "CANCEL 127.0.0.60:5060".to_owned(),
            "CANCEL 127.0.0.61:5060".to_owned(),
        ]
    );
}
