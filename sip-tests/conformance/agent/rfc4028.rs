//! RFC 4028: session timers, on both sides of a call.

use super::world::{World, sdp, within, within_ours};
use crate::draft::Draft;
use sipcluster::base::leg::{LegCommand, LegEvent};
use sipcluster::base::time::Duration;
use sipcluster::sip::message::HeaderId;

const MINUTE: Duration = Duration::from_secs(60);

/// 7.1, 9: we ask for 1800 s and take the refreshing upon us; the far end that knows
/// UPDATE gets one at half time, without a description.
#[test]
fn we_refresh_by_update_at_half_time() {
    let mut world = World::with_session(1800);
    let (leg, invite) = world.call();
    assert_eq!(invite.header(HeaderId::SessionExpires), "1800;refresher=uac");
    assert_eq!(invite.header(HeaderId::MinSe), "90");
    assert!(invite.values(HeaderId::Supported).contains(&"timer".to_owned()));
    let ok = Draft::response(&invite.message, 200, "t")
        .add("Contact", "<sip:7002@127.0.0.60:5060>")
        .add("Allow", "INVITE, ACK, BYE, UPDATE")
        .add("Session-Expires", "600;refresher=uac")
        .body("application/sdp", "v=0\r\n");
    world.receive(&ok);
    world.take();
    world.take_heard();
    world.pass(MINUTE * 5 - Duration::from_secs(1));
    assert_eq!(world.take_words(), Vec::<String>::new());
    world.pass(Duration::from_secs(1));
    let refresh = world.only();
    assert_eq!(refresh.what(), "UPDATE");
    assert!(refresh.message.body().is_empty());
    assert_eq!(refresh.header(HeaderId::SessionExpires), "600;refresher=uac");
    let answer =
        Draft::response(&refresh.message, 200, "").add("Session-Expires", "600;refresher=uac");
    world.receive(&answer);
    assert_eq!(world.take_heard(), [], "the call does not hear of it");
    world.pass(MINUTE * 4);
    assert_eq!(world.take_words(), Vec::<String>::new());
    world.pass(MINUTE);
    assert_eq!(world.only().what(), "UPDATE", "again and again");
    world.command(leg, LegCommand::End(sipcluster::base::leg::Cause::code(200)));
}

/// 7.4: who does not know UPDATE gets a re-INVITE with the description as it stands;
/// who does not know timers at all, too.
#[test]
fn we_refresh_by_re_invite_with_the_same_description() {
    let mut world = World::with_session(600);
    let (_, invite) = world.call();
    let ok = Draft::response(&invite.message, 200, "t")
        .add("Contact", "<sip:7002@127.0.0.60:5060>")
        .body("application/sdp", "v=0\r\n");
    world.receive(&ok);
    world.take();
    world.take_heard();
    world.pass(MINUTE * 5);
    let refresh = world.only();
    assert_eq!(refresh.what(), "INVITE");
    assert_eq!(refresh.message.body(), invite.message.body(), "o= and all");
    world.answer(&refresh, 200, "");
    assert_eq!(world.take_words(), ["ACK"]);
    assert_eq!(world.take_heard(), []);
    world.pass(MINUTE * 5);
    assert_eq!(world.only().what(), "INVITE");
}

/// 10: a refresh without an answer, or answered with 481, ends the call.
#[test]
fn a_refresh_that_fails_ends_the_call() {
    for refused in [true, false] {
        let mut world = World::with_session(600);
        let (_, invite) = world.call();
        world.answer(&invite, 200, "t");
        world.take();
        world.take_heard();
        world.pass(MINUTE * 5);
        let refresh = world.only();
        if refused {
            world.answer(&refresh, 481, "");
        } else {
            world.pass(Duration::from_secs(40));
        }
        assert!(world.take_words().contains(&"BYE".to_owned()), "refused: {refused}");
        let heard = world.take_heard();
        assert!(matches!(&heard[..], [LegEvent::Ended(_)]), "{heard:?}");
    }
}

/// 9: the caller's wish is granted, its role too; what it does not send in time ends
/// the call a third before the end, at most 32 s.
#[test]
fn a_caller_that_should_refresh_and_does_not_is_cleared() {
    let mut world = World::with_session(0);
    let invite =
        Draft::invite("a").add("Supported", "timer").add("Session-Expires", "90;refresher=uac");
    let leg = world.incoming(&invite);
    world.command(leg, LegCommand::Answer { body: Some(sdp(1)) });
    let ok = world.only();
    assert_eq!(ok.header(HeaderId::SessionExpires), "90;refresher=uac");
    assert!(ok.values(HeaderId::Require).contains(&"timer".to_owned()));
    world.receive(&within(&ok, "ACK", 1, "a"));
    world.take_heard();
    world.pass(Duration::from_secs(50));
    let refresh = within(&ok, "UPDATE", 2, "a")
        .add("Supported", "timer")
        .add("Session-Expires", "90;refresher=uac");
    world.receive(&refresh);
    let answer = world.only();
    assert_eq!(answer.header(HeaderId::SessionExpires), "90;refresher=uac");
    assert_eq!(world.take_heard(), []);
    world.pass(Duration::from_secs(59));
    assert_eq!(world.take_words(), Vec::<String>::new());
    world.pass(Duration::from_secs(1));
    let bye = world.only();
    assert_eq!(bye.what(), "BYE");
    let heard = world.take_heard();
    assert!(matches!(&heard[..], [LegEvent::Ended(cause)] if cause.code == 408), "{heard:?}");
}

/// 9: nobody asked: we ask, and refresh ourselves; a caller that knows nothing of it
/// is not told to.
#[test]
fn we_look_after_callers_that_know_no_timers() {
    let mut world = World::with_session(600);
    let leg = world.incoming(&Draft::invite("a"));
    world.command(leg, LegCommand::Answer { body: Some(sdp(1)) });
    let ok = world.only();
    assert_eq!(ok.header(HeaderId::SessionExpires), "600;refresher=uas");
    assert_eq!(ok.header(HeaderId::Require), "");
    world.receive(&within(&ok, "ACK", 1, "a"));
    world.pass(MINUTE * 5);
    let refresh = world.only();
    assert_eq!(refresh.what(), "INVITE");
    assert_eq!(refresh.header(HeaderId::SessionExpires), "600;refresher=uac", "we are the UAC now");
}

/// 6: an interval below 90 s is 422 with Min-SE, in and outside a dialog.
#[test]
fn too_small_an_interval_is_422() {
    let mut world = World::with_session(0);
    world.receive(&Draft::invite("a").add("Supported", "timer").add("Session-Expires", "60"));
    let refused = world.only();
    assert_eq!((refused.what().as_str(), refused.header(HeaderId::MinSe).as_str()), ("422", "90"));
    assert_eq!(world.incoming_len(), 0);
    let (_, ok) = world.established("b");
    for (cseq, method) in [(2, "UPDATE"), (3, "INVITE")] {
        let change =
            within(&ok, method, cseq, "b").add("Supported", "timer").add("Session-Expires", "60");
        world.receive(&change);
        assert_eq!(world.only().what(), "422", "{method}");
    }
    assert_eq!(world.take_heard(), []);
}

/// 7.4: a 422 is followed by the same INVITE with the interval it names.
#[test]
fn a_422_is_followed_by_a_longer_interval() {
    let mut world = World::with_session(1800);
    let (_, invite) = world.call();
    world.receive(&Draft::response(&invite.message, 422, "t").add("Min-SE", "3600"));
    let sent = world.take();
    let words: Vec<String> = sent.iter().map(|sent| sent.what()).collect();
    assert_eq!(words, ["ACK", "INVITE"]);
    let again = &sent[1];
    assert_eq!(again.header(HeaderId::SessionExpires), "3600;refresher=uac");
    assert_eq!(again.header(HeaderId::MinSe), "3600");
    assert_eq!(again.header(HeaderId::CSeq), "2 INVITE");
    assert_eq!(again.header(HeaderId::CallId), invite.header(HeaderId::CallId));
    assert_eq!(again.message.body(), invite.message.body());
    assert_ne!(again.header(HeaderId::Via), invite.header(HeaderId::Via));
    world.answer(again, 200, "u");
    assert_eq!(world.take_words(), ["ACK"]);
    let heard = world.take_heard();
    assert!(matches!(&heard[..], [LegEvent::Answered { .. }]), "{heard:?}");
    // One that asks for nothing longer is an answer like any other.
    let (_, invite) = world.call();
    world.receive(&Draft::response(&invite.message, 422, "t").add("Min-SE", "90"));
    let heard = world.take_heard();
    assert!(matches!(&heard[..], [LegEvent::Failed(cause)] if cause.code == 422), "{heard:?}");
}

/// 10: a refresh waits while a change is under way, and the change counts as one.
#[test]
fn a_change_refreshes_too() {
    let mut world = World::with_session(600);
    let (leg, invite) = world.call();
    world.answer(&invite, 200, "t");
    world.take();
    world.take_heard();
    world.pass(MINUTE * 4);
    world.command(leg, LegCommand::Update { offer: Some(sdp(2)) });
    let change = world.only();
    assert_eq!(change.header(HeaderId::SessionExpires), "600;refresher=uac");
    world.answer(&change, 200, "");
    world.take();
    world.pass(MINUTE * 4);
    assert_eq!(world.take_words(), Vec::<String>::new());
    world.pass(MINUTE);
    assert_eq!(world.only().what(), "INVITE");
    // Theirs crosses it: 491, and ours counts.
    world.receive(&within_ours(&invite, "t", "INVITE", 1, "x"));
    assert_eq!(world.take_words(), ["491"]);
}
