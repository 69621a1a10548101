//! RFC 3261 16.3: what a proxy checks before anything else.

use super::world::{NODES, PHONE, World, udp};
use crate::draft::Draft;
use sipcluster::sip::message::{HeaderId, scan};

const DN: &str = "sip:7002@cluster.example.com";

#[test]
fn a_refusal_carries_what_a_response_must() {
    let mut world = World::new();
    let invite = Draft::invite("a").set("Max-Forwards", "0");
    let sent = world.answered(PHONE, &invite);
    assert_eq!(sent.message.fault(), None);
    assert_eq!(sent.header(HeaderId::CallId), "a@127.0.0.50");
    assert_eq!(sent.header(HeaderId::CSeq), "1 INVITE");
    assert_eq!(sent.header(HeaderId::From), "<sip:7001@cluster.example.com>;tag=from-a");
    assert!(!sent.message.to_tag().is_empty(), "8.2.6.2 wants a To tag");
    assert!(sent.header(HeaderId::Via).contains(";received=127.0.0.50;rport=5061"));
}

/// Step 3.
#[test]
fn no_hops_left_is_483() {
    for method in ["INVITE", "BYE", "MESSAGE", "INFO"] {
        let mut world = World::new();
        let draft = Draft::request(method, DN, "a").set("Max-Forwards", "0");
        assert_eq!(world.answered(PHONE, &draft).what(), "483", "{method}");
    }
}

/// Step 3: one hop left is enough for this one.
#[test]
fn one_hop_left_goes_on() {
    let mut world = World::new();
    world.request(PHONE, &Draft::invite("a").set("Max-Forwards", "1"));
    let sent = world.only();
    assert_eq!((sent.what(), sent.header(HeaderId::MaxForwards)), ("INVITE".into(), "0".into()));
}

/// Step 2.
#[test]
fn an_unknown_scheme_is_416() {
    for uri in ["urn:service:sos", "soap.beep://192.0.2.103:3002", "http://example.com"] {
        let mut world = World::new();
        let draft = Draft::invite("a").uri(uri);
        assert_eq!(world.answered(PHONE, &draft).what(), "416", "{uri}");
    }
}

/// Step 5.
#[test]
fn an_unknown_proxy_require_is_420_and_named() {
    let mut world = World::new();
    let draft = Draft::invite("a").add("Proxy-Require", "foo, bar");
    let sent = world.answered(PHONE, &draft);
    assert_eq!(sent.what(), "420");
    assert_eq!(sent.values(HeaderId::Unsupported), ["foo", "bar"]);
}

/// Step 5 speaks of Proxy-Require only; Require is for the far end (20.32).
#[test]
fn require_is_none_of_a_proxys_business() {
    let mut world = World::new();
    world.request(PHONE, &Draft::invite("a").add("Require", "100rel"));
    let sent = world.only();
    assert_eq!(sent.what(), "INVITE");
    assert_eq!(sent.header(HeaderId::Require), "100rel");
}

#[test]
fn a_foreign_domain_is_403() {
    for uri in ["sip:bob@elsewhere.test", "sips:bob@elsewhere.test", "sip:bob@192.0.2.9"] {
        let mut world = World::new();
        let sent = world.answered(PHONE, &Draft::invite("a").uri(uri));
        assert!(["403", "416"].contains(&sent.what().as_str()), "{uri}: {}", sent.what());
    }
}

/// Step 1.
#[test]
fn bad_syntax_is_400_and_goes_nowhere() {
    let mut world = World::new();
    for (name, value) in [("CSeq", "1 BYE"), ("From", "\"a <sip:a@b>;tag=1"), ("To", "<sip:")] {
        let sent = world.answered(PHONE, &Draft::invite("a").set(name, value));
        assert_eq!(sent.what(), "400", "{name}: {value}");
    }
    assert_eq!(world.transactions_len(), 0);
}

#[test]
fn a_bad_ack_is_never_answered() {
    let mut world = World::new();
    world.request(PHONE, &Draft::request("ACK", DN, "a").set("CSeq", "1 BYE"));
    world.request(PHONE, &Draft::request("ACK", DN, "b").set("Max-Forwards", "0"));
    world.request(PHONE, &Draft::request("ACK", "urn:service:sos", "c"));
    world.request(PHONE, &Draft::request("ACK", DN, "d").add("Proxy-Require", "foo"));
    let answers = world.take().into_iter().filter(|sent| !sent.message.is_request()).count();
    assert_eq!(answers, 0);
}

#[test]
fn a_message_of_another_version_is_505() {
    let mut world = World::new();
    let text =
        String::from_utf8_lossy(&Draft::invite("a").bytes()).replacen("SIP/2.0", "SIP/3.0", 1);
    let message = scan(text.into_bytes()).expect("it can be answered");
    world.receive(udp(PHONE), message);
    assert_eq!(world.only().what(), "505");
}

/// A node's requests are checked no less than others.
#[test]
fn a_node_is_not_above_the_checks() {
    let mut world = World::new();
    world.bind("7002", "sip:7002@127.0.0.60:5060", 1000);
    let draft = world.invite_of_node("7002", "a").set("Max-Forwards", "0");
    assert_eq!(world.answered(NODES[0], &draft).what(), "483");
}
