//! RFC 3261 8.2: what a user agent server checks before it acts.

use super::world::{World, within};
use crate::draft::Draft;
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
    world.command(leg, sipcluster::base::leg::LegCommand::Answer { body: None });
    let ok = world.only();
    world.receive(&within(&ok, "ACK", 1, "a").add("Require", "foo"));
    world.pass(core::time::Duration::from_secs(20));
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
    world.command(
        leg,
        sipcluster::base::leg::LegCommand::Progress { code: 180, body: None, reliable: false },
    );
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
