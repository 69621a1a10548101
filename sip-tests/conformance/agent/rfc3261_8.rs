//! RFC 3261 8.2: what a user agent server checks before it acts.

use super::world::{World, sdp, within};
use crate::draft::Draft;
use sipcluster::base::leg::{Cause, LegCommand};
use sipcluster::base::limits::FORK_WIDTH_MAX;
use sipcluster::base::time::Duration;
use sipcluster::sip::message::HeaderId;

/// 8.2.2.3; RFC 3262 4 for the tag.
#[test]
fn an_extension_that_is_required_and_unknown_is_420() {
    for (tags, listed) in
        [("foo", &["foo"][..]), ("foo, 100rel, precondition", &["foo", "precondition"])]
    {
        let mut world = World::new();
        world.receive(&Draft::invite("a").add("Require", tags));
        let sent = world.only();
        assert_eq!(sent.what(), "420");
        assert_eq!(sent.values(HeaderId::Unsupported), listed);
        assert_eq!(world.incoming_len(), 0);
        assert_eq!(world.lens().0, 0, "no leg");
    }
}

/// 8.2.2.3 holds for a request inside a dialog too.
#[test]
fn inside_a_dialog_it_is_420_too() {
    let mut world = World::new();
    let (_, ok) = world.established("a");
    world.receive(&within(&ok, "INVITE", 2, "a").add("Require", "foo"));
    let sent: Vec<_> = world.take().into_iter().filter(|sent| sent.what() != "100").collect();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].what(), "420");
    assert_eq!(sent[0].values(HeaderId::Unsupported), ["foo"]);
}

/// 8.2.2.3: a CANCEL and an ACK are never refused for it.
#[test]
fn require_in_an_ack_is_ignored() {
    let mut world = World::new();
    let leg = world.incoming(&Draft::invite("a"));
    world.command(leg, LegCommand::Answer { body: None });
    let ok = world.only();
    world.receive(&within(&ok, "ACK", 1, "a").add("Require", "foo"));
    world.pass(Duration::from_secs(20));
    assert_eq!(world.take_words(), Vec::<String>::new());
}

/// Supported is an offer, not a demand.
#[test]
fn supported_demands_nothing() {
    let mut world = World::new();
    world.incoming(&Draft::invite("a").add("Supported", "100rel, timer"));
    assert_eq!(world.take_words(), Vec::<String>::new());
}

/// 8.2.1: what is not understood inside a dialog is 405 with Allow.
#[test]
fn an_unknown_method_is_405_with_allow() {
    for method in ["PUBLISH", "FROBNICATE", "REFER"] {
        let mut world = World::new();
        let (_, ok) = world.established("a");
        world.receive(&within(&ok, method, 2, "a"));
        let sent = world.only();
        assert_eq!(sent.what(), "405", "{method}");
        assert!(sent.values(HeaderId::Allow).contains(&"INVITE".to_owned()), "{method}");
    }
}

/// 8.2.6.2: the header fields of a response.
#[test]
fn a_response_has_what_the_request_had() {
    let mut world = World::new();
    let invite = Draft::invite("a")
        .add("Via", "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK0")
        .add("Record-Route", "<sip:cluster.example.com;lr;t=x>, <sip:192.0.2.1;lr>");
    let came = invite.message();
    let leg = world.incoming(&invite);
    world.command(leg, LegCommand::Progress { code: 180, body: None, reliable: false });
    let sent = world.only();
    for id in
        [HeaderId::Via, HeaderId::RecordRoute, HeaderId::From, HeaderId::CallId, HeaderId::CSeq]
    {
        assert_eq!(sent.values(id), crate::draft::values(&came, id), "{}", id.name());
    }
    assert!(sent.header(HeaderId::To).starts_with(&crate::draft::header(&came, HeaderId::To)));
    assert!(!sent.message.to_tag().is_empty());
}

/// 8.2.6.1: requests outside a dialog are answered once and their repetition from memory.
#[test]
fn a_repetition_is_answered_from_memory() {
    let mut world = World::new();
    let options = Draft::request("OPTIONS", "sip:cluster.example.com", "a");
    world.receive(&options);
    let server = world.request().expect("it goes up");
    world.answer_request(server, 200);
    let first = world.only();
    world.receive(&options);
    assert_eq!(world.only().message.bytes(), first.message.bytes());
    assert_eq!(world.request(), None);
}

/// A malformed request makes no leg, a malformed ACK no answer.
#[test]
fn what_is_malformed_is_400() {
    let mut world = World::new();
    world.receive(&Draft::invite("a").set("CSeq", "1 BYE"));
    assert_eq!(world.take_words(), ["400"]);
    world.receive(&Draft::request("ACK", "sip:x@h", "b").set("CSeq", "1 BYE"));
    assert_eq!(world.take_words(), Vec::<String>::new());
    assert_eq!(world.lens(), (0, 0, 0));
}

/// `Draft::invite("a")` as another proxy brings it: another branch, another way back.
fn by_the_other(draft: Draft) -> Draft {
    draft
        .set("Via", "SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bKother;rport")
        .set("Record-Route", "<sip:cluster.example.com;lr;t=other>")
}

/// Status, CSeq and top Via's host of everything sent.
fn told(world: &mut World) -> Vec<String> {
    let sent = world.take().into_iter();
    sent.map(|sent| {
        let via = sent.header(HeaderId::Via);
        let way = if via.contains("127.0.0.2:") { "other" } else { "first" };
        format!("{} {} {way}", sent.what(), sent.header(HeaderId::CSeq))
    })
    .collect()
}

/// 8.2.2.2: the same INVITE by another way is the same call; both ways hear all of it,
/// since either proxy may be dead.
#[test]
fn an_invite_by_two_ways_is_one_call() {
    let mut world = World::new();
    let leg = world.incoming(&Draft::invite("a"));
    let ringing = LegCommand::Progress { code: 180, body: None, reliable: false };
    world.command(leg, ringing);
    assert_eq!(told(&mut world), ["180 1 INVITE first"]);
    world.receive(&by_the_other(Draft::invite("a")));
    assert_eq!(world.incoming_len(), 0, "no second call");
    let sent = world.only();
    assert_eq!(sent.what(), "180", "what was said last");
    assert_eq!(sent.values(HeaderId::RecordRoute), ["<sip:cluster.example.com;lr;t=other>"]);
    world.command(leg, LegCommand::Answer { body: Some(sdp(1)) });
    let mut said = told(&mut world);
    said.sort();
    assert_eq!(said, ["200 1 INVITE first", "200 1 INVITE other"]);
    world.pass(Duration::from_millis(500));
    assert_eq!(told(&mut world), ["200 1 INVITE other"], "again to the one that came last");
}

/// The 200 that waits for its ACK goes to whoever asks last, and one ACK ends that.
#[test]
fn an_answered_invite_by_another_way_hears_the_answer() {
    let mut world = World::new();
    let leg = world.incoming(&Draft::invite("a"));
    world.command(leg, LegCommand::Answer { body: Some(sdp(1)) });
    let ok = world.only();
    world.receive(&by_the_other(Draft::invite("a")));
    let again = world.only();
    assert_eq!(again.what(), "200");
    assert_eq!(again.message.body(), ok.message.body());
    assert_eq!(again.message.to_tag(), ok.message.to_tag());
    assert_eq!(again.header(HeaderId::Contact), ok.header(HeaderId::Contact));
    world.receive(&within(&again, "ACK", 1, "a"));
    world.pass(Duration::from_secs(40));
    assert_eq!(world.take_words(), Vec::<String>::new());
    assert_eq!(world.take_heard().len(), 1, "confirmed, and not ended");
    assert_eq!(world.lens(), (1, 0, 0));
}

/// A refusal is repeated, and its ACK may come by either way; nothing is left.
#[test]
fn a_refused_invite_by_another_way_is_refused_alike() {
    let mut world = World::new();
    let leg = world.incoming(&Draft::invite("a"));
    world.command(leg, LegCommand::End(Cause::code(486)));
    let refused = world.only();
    world.receive(&by_the_other(Draft::invite("a")));
    assert_eq!(told(&mut world), ["486 1 INVITE other"]);
    let ack = Draft::request("ACK", "sip:7002@cluster.example.com", "a")
        .set("To", &refused.header(HeaderId::To))
        .set("Via", "SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bKthird;rport");
    world.receive(&ack);
    world.pass(Duration::from_secs(40));
    assert_eq!(told(&mut world), Vec::<String>::new(), "both heard the ACK");
    assert_eq!(world.lens(), (0, 0, 0));
}

/// After a 503 the caller was told to come again: that is a new call.
#[test]
fn after_a_503_it_is_a_new_call() {
    let mut world = World::new();
    let leg = world.incoming(&Draft::invite("a"));
    world.command(leg, LegCommand::End(Cause::code(503)));
    world.take();
    world.receive(&by_the_other(Draft::invite("a")));
    assert_eq!(world.incoming_len(), 1);
}

/// A fork upstream means two numbers by one Call-ID: two calls. A later CSeq is a later
/// request.
#[test]
fn another_number_or_cseq_is_another_call() {
    for (uri, cseq) in [("sip:7003@cluster.example.com", 1), ("sip:7002@cluster.example.com", 2)] {
        let mut world = World::new();
        world.incoming(&Draft::invite("a"));
        let other = Draft::request("INVITE", uri, "a").set("CSeq", &format!("{cseq} INVITE"));
        world.receive(&by_the_other(other));
        assert_eq!(world.incoming_len(), 1, "{uri} {cseq}");
    }
}

/// However often it comes, the memory of it has an end.
#[test]
fn the_ways_of_one_invite_are_bounded() {
    let mut world = World::new();
    world.incoming(&Draft::invite("a"));
    for way in 0..100 {
        let via = format!("SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bK{way};rport");
        world.receive(&Draft::invite("a").set("Via", &via));
    }
    let (legs, _, servers) = world.lens();
    assert_eq!(legs, 1);
    assert!(servers <= FORK_WIDTH_MAX, "{servers}");
}
