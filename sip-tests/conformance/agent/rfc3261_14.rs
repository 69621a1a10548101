//! RFC 3261 14 and RFC 3311 5: changes of a session, and what happens when two cross.

use super::world::{World, sdp, within};
use crate::draft::Draft;
use sipcluster::base::leg::{Cause, LegCommand, LegEvent};
use sipcluster::sip::message::HeaderId;

/// 14.2: a re-INVITE that crosses ours is 491.
#[test]
fn a_re_invite_that_crosses_ours_is_491() {
    let mut world = World::new();
    let (leg, ok) = world.established("a");
    world.command(leg, LegCommand::Update { offer: Some(sdp(2)) });
    let ours = world.only();
    world.receive(&within(&ok, "INVITE", 2, "a"));
    assert_eq!(world.take_words(), ["491"]);
    assert_eq!(world.take_heard(), []);
    world.answer(&ours, 200, "");
    assert_eq!(world.take_words(), ["ACK"]);
    let heard = world.take_heard();
    assert!(matches!(&heard[..], [LegEvent::Updated { .. }]), "{heard:?}");
    world.receive(&within(&ok, "INVITE", 3, "a"));
    let heard = world.take_heard();
    assert!(matches!(&heard[..], [LegEvent::Update { .. }]), "{heard:?}");
}

/// 14.1: the other side's 491 leaves the session as it was.
#[test]
fn a_491_to_ours_leaves_the_session() {
    let mut world = World::new();
    let (leg, ok) = world.established("a");
    world.command(leg, LegCommand::Update { offer: Some(sdp(2)) });
    let ours = world.only();
    world.answer(&ours, 491, "");
    assert_eq!(world.take_words(), ["ACK"]);
    let heard = world.take_heard();
    assert!(
        matches!(&heard[..], [LegEvent::UpdateFailed(cause)] if cause.code == 491),
        "{heard:?}"
    );
    world.receive(&within(&ok, "OPTIONS", 2, "a"));
    assert_eq!(world.take_words(), ["200"], "the dialog lives");
}

/// 14.2: a second one before the first is answered is 500 with Retry-After.
#[test]
fn a_second_re_invite_before_the_answer_is_500() {
    let mut world = World::new();
    let (leg, ok) = world.established("a");
    world.receive(&within(&ok, "INVITE", 2, "a"));
    world.take();
    world.receive(&within(&ok, "INVITE", 3, "a"));
    let sent = world.only();
    assert_eq!(sent.what(), "500");
    assert!(sent.message.number(HeaderId::RetryAfter).is_some_and(|seconds| seconds <= 10));
    world.command(leg, LegCommand::AcceptUpdate { body: Some(sdp(2)) });
    assert_eq!(world.only().header(HeaderId::CSeq), "2 INVITE");
}

/// 14.2: the same before the first INVITE of the dialog is answered.
#[test]
fn a_second_invite_of_an_early_dialog_is_500() {
    let mut world = World::new();
    let leg = world.incoming(&Draft::invite("a"));
    world.command(leg, LegCommand::Progress { code: 180, body: None, reliable: false });
    let ringing = world.only();
    world.receive(&within(&ringing, "INVITE", 2, "a"));
    let sent = world.only();
    assert_eq!(sent.what(), "500");
    assert!(sent.message.number(HeaderId::RetryAfter).is_some());
}

/// 14.1: no second one of ours while one is open in either direction.
#[test]
fn ours_waits_for_the_open_one() {
    let mut world = World::new();
    let (leg, ok) = world.established("a");
    world.receive(&within(&ok, "INVITE", 2, "a"));
    world.take();
    world.take_heard();
    world.command(leg, LegCommand::Update { offer: Some(sdp(2)) });
    assert_eq!(world.take_words(), Vec::<String>::new());
    let heard = world.take_heard();
    assert!(
        matches!(&heard[..], [LegEvent::UpdateFailed(cause)] if cause.code == 491),
        "{heard:?}"
    );
}

/// 14.2: a refused change leaves the dialog.
#[test]
fn a_refused_re_invite_leaves_the_dialog() {
    let mut world = World::new();
    let (leg, ok) = world.established("a");
    world.receive(&within(&ok, "INVITE", 2, "a").body("application/sdp", "v=0\r\n"));
    world.take();
    world.command(leg, LegCommand::RefuseUpdate(Cause::code(488)));
    assert_eq!(world.take_words(), ["488"]);
    world.receive(&within(&ok, "OPTIONS", 3, "a"));
    assert_eq!(world.take_words(), ["200"]);
}

/// RFC 3311 5.2: an UPDATE without a description refreshes and is answered at once.
#[test]
fn an_update_without_offer_is_answered_at_once() {
    let mut world = World::new();
    let (_, ok) = world.established("a");
    world.receive(&within(&ok, "UPDATE", 2, "a"));
    let sent = world.only();
    assert_eq!(sent.what(), "200");
    assert!(!sent.header(HeaderId::Contact).is_empty(), "RFC 3311 5.2 wants a Contact");
    assert_eq!(world.take_heard(), []);
}

/// RFC 3311 5.2: an UPDATE with an offer that crosses one of ours is 491.
#[test]
fn an_update_that_crosses_ours_is_491() {
    let mut world = World::new();
    let (leg, ok) = world.established("a");
    world.command(leg, LegCommand::Update { offer: Some(sdp(2)) });
    world.take();
    world.receive(&within(&ok, "UPDATE", 2, "a").body("application/sdp", "v=0\r\n"));
    assert_eq!(world.take_words(), ["491"]);
}

/// RFC 3264 8: `o=` keeps its session id and its version rises with each change.
#[test]
fn the_version_of_our_descriptions_rises_with_each_change() {
    let mut world = World::new();
    let (leg, ok) = world.established("a");
    let origin = |message: &sipcluster::sip::message::Message| {
        let body = message.body();
        let text = String::from_utf8_lossy(&body).into_owned();
        let line = text.lines().find(|line| line.starts_with("o=")).unwrap_or_default().to_owned();
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        (words[1].clone(), words[2].parse::<u64>().expect("a version"))
    };
    let first = origin(&ok.message);
    world.command(leg, LegCommand::Update { offer: Some(sdp(2)) });
    let second = origin(&world.only().message);
    assert_eq!(second, (first.0, first.1 + 1));
}
