//! RFC 3261 12 and 15: requests inside a dialog.

use super::world::{World, sdp, within, within_ours};
use crate::draft::Draft;
use sipcluster::base::leg::{Cause, LegCommand, LegEvent};
use sipcluster::base::time::Duration;
use sipcluster::sip::message::HeaderId;

/// 12.2.2: a lower CSeq than the last one is 500.
#[test]
fn a_cseq_out_of_order_is_500() {
    let mut world = World::new();
    let (_, ok) = world.established("a");
    world.receive(&within(&ok, "OPTIONS", 5, "a"));
    assert_eq!(world.take_words(), ["200"]);
    for (method, cseq) in [("OPTIONS", 4), ("INVITE", 3), ("BYE", 2)] {
        world.receive(&within(&ok, method, cseq, "a"));
        assert_eq!(world.take_words(), ["500"], "{method}");
    }
    assert_eq!(world.take_heard(), []);
    world.receive(&within(&ok, "OPTIONS", 9, "a"));
    assert_eq!(world.take_words(), ["200"], "a gap is no fault");
}

/// 12.2.2.
#[test]
fn a_dialog_that_is_not_here_is_481() {
    let mut world = World::new();
    let (_, ok) = world.established("a");
    for (what, draft) in [
        ("Call-ID", within(&ok, "BYE", 2, "a").set("Call-ID", "other")),
        ("To tag", within(&ok, "INFO", 2, "b").set("To", "<sip:7002@cluster.example.com>;tag=x")),
        (
            "From tag",
            within(&ok, "BYE", 2, "c").set("From", "<sip:7001@cluster.example.com>;tag=x"),
        ),
        ("leg", within(&ok, "BYE", 2, "d").uri("sip:01aaaaaaaaaaaaaaaaaaaaaaaaaa@h")),
    ] {
        world.receive(&draft);
        assert_eq!(world.take_words(), ["481"], "{what}");
    }
    assert_eq!(world.take_heard(), []);
}

#[test]
fn an_ack_for_no_dialog_is_never_answered() {
    let mut world = World::new();
    world.receive(&Draft::request("ACK", "sip:01x@h", "a").set("To", "<sip:a@b>;tag=x"));
    world.receive(&Draft::request("ACK", "sip:01x@h", "b"));
    assert_eq!(world.take_words(), Vec::<String>::new());
}

/// 15.1.2.
#[test]
fn a_bye_ends_the_leg_once() {
    let mut world = World::new();
    let (_, ok) = world.established("a");
    let bye = within(&ok, "BYE", 2, "a");
    world.receive(&bye);
    assert_eq!(world.take_words(), ["200"]);
    let heard = world.take_heard();
    assert!(matches!(&heard[..], [LegEvent::Ended(_)]), "{heard:?}");
    world.receive(&bye);
    assert_eq!(world.take_words(), ["200"]);
    assert_eq!(world.take_heard(), []);
    world.pass(Duration::from_secs(70));
    assert_eq!(world.lens(), (0, 0, 0));
    world.receive(&within(&ok, "BYE", 3, "a"));
    assert_eq!(world.take_words(), ["481"]);
}

/// 15.1.2: requests that wait get 487.
#[test]
fn a_bye_answers_what_waits_with_487() {
    let mut world = World::new();
    let (_, ok) = world.established("a");
    world.receive(&within(&ok, "INVITE", 2, "a"));
    world.take();
    world.receive(&within(&ok, "BYE", 3, "a"));
    let mut words = world.take_words();
    words.sort();
    assert_eq!(words, ["200", "487"]);
}

/// 12.1.1 and 12.2.1.1: what our requests inside the dialog are made of.
#[test]
fn our_requests_follow_the_dialog() {
    let mut world = World::new();
    let invite = Draft::invite("a")
        .add("Record-Route", "<sip:one;lr>, <sip:two;lr>")
        .set("Contact", "<sip:7001@127.0.0.50:5061;ob>");
    let leg = world.incoming(&invite);
    world.command(leg, LegCommand::Answer { body: None });
    let ok = world.only();
    world.receive(&within(&ok, "ACK", 1, "a"));
    world.command(leg, LegCommand::End(Cause::code(200)));
    let bye = world.only();
    assert_eq!(bye.what(), "BYE");
    assert_eq!(bye.message.request_uri(), b"sip:7001@127.0.0.50:5061;ob");
    assert_eq!(bye.values(HeaderId::Route), ["<sip:one;lr>", "<sip:two;lr>"]);
    assert_eq!(bye.message.to_tag(), b"from-a");
    assert_eq!(bye.header(HeaderId::From), ok.header(HeaderId::To));
    assert_eq!(bye.header(HeaderId::CallId), "a@127.0.0.50");
}

/// 12.1.2: on the caller's side the route set is the Record-Route from the far end.
#[test]
fn the_callers_route_set_is_reversed() {
    let mut world = World::new();
    let (leg, invite) = world.call();
    let ok = Draft::response(&invite.message, 200, "there")
        .add("Record-Route", "<sip:far;lr>, <sip:near;lr>")
        .add("Contact", "<sip:7002@127.0.0.60:5060>");
    world.receive(&ok);
    let ack = world.only();
    assert_eq!(ack.message.request_uri(), b"sip:7002@127.0.0.60:5060");
    assert_eq!(ack.values(HeaderId::Route), ["<sip:near;lr>", "<sip:far;lr>"]);
    world.command(leg, LegCommand::End(Cause::code(200)));
    let bye = world.only();
    assert_eq!(bye.values(HeaderId::Route), ack.values(HeaderId::Route));
    assert!(bye.message.cseq() > invite.message.cseq());
}

/// 12.2.2: a target refresh changes where our requests go.
#[test]
fn a_re_invite_refreshes_the_target() {
    let mut world = World::new();
    let (leg, ok) = world.established("a");
    world.receive(&within(&ok, "INVITE", 2, "a").add("Contact", "<sip:7001@127.0.0.77:5099>"));
    world.command(leg, LegCommand::AcceptUpdate { body: None });
    world.take();
    world.receive(&within(&ok, "ACK", 2, "a"));
    world.command(leg, LegCommand::End(Cause::code(200)));
    assert_eq!(world.only().message.request_uri(), b"sip:7001@127.0.0.77:5099");
}

/// 15.1.1: a BYE whose answer never comes leaves nothing behind.
#[test]
fn a_bye_without_answer_leaves_nothing_behind() {
    let mut world = World::new();
    let (leg, _) = world.established("a");
    world.command(leg, LegCommand::End(Cause::code(200)));
    world.pass(Duration::from_secs(70));
    assert_eq!(world.lens(), (0, 0, 0));
}

/// 12.2.1.2: a 481 to a request of ours ends the dialog.
#[test]
fn a_481_to_our_re_invite_ends_the_leg() {
    let mut world = World::new();
    let (leg, _) = world.established("a");
    world.command(leg, LegCommand::Update { offer: None });
    let invite = world.only();
    world.answer(&invite, 481, "");
    let heard = world.take_heard();
    assert!(matches!(&heard[..], [LegEvent::Ended(_)]), "{heard:?}");
}

/// 12.2.2 on the caller's side.
#[test]
fn the_far_end_of_our_call_can_hang_up() {
    let mut world = World::new();
    let (_, invite) = world.call();
    world.answer(&invite, 200, "there");
    world.take();
    world.receive(&within_ours(&invite, "wrong", "BYE", 1, "x"));
    assert_eq!(world.take_words(), ["481"]);
    world.receive(&within_ours(&invite, "there", "BYE", 1, "y"));
    assert_eq!(world.take_words(), ["200"]);
}

/// 12.2.2: Call-ID and tags name the dialog, whatever the Request-URI says.
#[test]
fn a_client_that_keeps_the_dialled_number_is_understood() {
    let mut world = World::new();
    let leg = world.incoming(&Draft::invite("a"));
    world.command(leg, LegCommand::Answer { body: Some(sdp(1)) });
    let ok = world.only();
    let dialled = "sip:7002@cluster.example.com";
    world.receive(&within(&ok, "ACK", 1, "a").uri(dialled));
    world.pass(Duration::from_secs(2));
    assert_eq!(world.take_words(), Vec::<String>::new(), "the 200 has its ACK");
    world.receive(&within(&ok, "BYE", 2, "a").uri(dialled).set("From", "<sip:x@y>;tag=other"));
    assert_eq!(world.take_words(), ["481"], "both tags count");
    world.receive(&within(&ok, "BYE", 3, "a").uri(dialled));
    assert_eq!(world.take_words(), ["200"]);
}
