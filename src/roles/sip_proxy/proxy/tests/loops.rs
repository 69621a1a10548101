//! Loops (RFC 5393) and hops.

use super::world::{NODES, OTHER_PROXY, PHONE, Sent, Text, World, address};
use crate::sip::message::{HeaderId, Message};

/// What comes back to the proxy when somebody returns a request to it: its Vias
/// with one more on top, everything else as it was sent.
fn returned(sent: &Message, by: &str) -> Text {
    let mut text = Text::request("INVITE", &String::from_utf8_lossy(sent.request_uri()), "x");
    text = text.without("Via").add("Via", &format!("SIP/2.0/UDP {by};branch=z9hG4bKback"));
    for via in sent.values(HeaderId::Via) {
        text = text.add("Via", &String::from_utf8_lossy(via));
    }
    for id in [HeaderId::From, HeaderId::To, HeaderId::CallId, HeaderId::CSeq] {
        text = text.with(id.name(), &String::from_utf8_lossy(sent.header(id).unwrap_or_default()));
    }
    let hops = sent.max_forwards().unwrap_or(70).saturating_sub(1);
    text.with("Max-Forwards", &hops.to_string())
}

#[test]
fn a_request_that_comes_back_unchanged_is_482() {
    let mut world = World::new();
    let sent = world.one(PHONE, &Text::invite("a"));
    let answer = world.one("10.0.0.9:5060", &returned(&sent.message, "10.0.0.9:5060"));
    assert_eq!(answer.words(), "482 10.0.0.9:5060");
    assert!(answer.message.to_tag().len() > 8);
    // Its ACK ends it like any refusal.
    let ack = returned(&sent.message, "10.0.0.9:5060").with("CSeq", "1 ACK");
    assert!(!world.exchange("10.0.0.9:5060", &ack).iter().any(|sent| sent.message.is_request()));
}

#[test]
fn a_spiral_is_not_a_loop() {
    let mut world = World::new();
    let sent = world.one(PHONE, &Text::invite("a")).message;
    let back = |change: &dyn Fn(Text) -> Text| change(returned(&sent, "10.0.0.9:5060"));
    let spirals: [(&str, Text); 4] = [
        ("another target", {
            let mut text = Text::request("INVITE", "sip:7003@example.com", "a")
                .without("Via")
                .add("Via", "SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKother");
            for via in sent.values(HeaderId::Via) {
                text = text.add("Via", &String::from_utf8_lossy(via));
            }
            text
        }),
        ("another Call-ID", back(&|text| text.with("Call-ID", "b"))),
        ("another From tag", back(&|text| text.with("From", "<sip:7001@example.com>;tag=z"))),
        ("another CSeq", back(&|text| text.with("CSeq", "2 INVITE"))),
    ];
    for (what, text) in spirals {
        let mut world = World::new();
        let sent = world.exchange("10.0.0.9:5060", &text);
        assert!(sent.iter().any(|sent| sent.node() > 0), "{what}");
    }
}

#[test]
fn the_via_of_another_proxy_or_a_made_up_one_is_no_loop() {
    let mut other = World::with(|settings| settings.address = address(OTHER_PROXY));
    let sent = other.one(PHONE, &Text::invite("a"));
    let mut world = World::new();
    let passed = world.one(OTHER_PROXY, &returned(&sent.message, OTHER_PROXY));
    assert!(passed.node() > 0);
    let made_up = Text::invite("b").add(
        "Via",
        "SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK01aaaaaaaaaaaaaaaaaaaaaaaaaa00000000",
    );
    let mut world = World::new();
    assert!(world.one(PHONE, &made_up).node() > 0);
}

#[test]
fn max_forwards_ends_what_nothing_else_ends() {
    for (method, hops, words) in [
        ("INVITE", "0", vec![format!("483 {PHONE}")]),
        ("MESSAGE", "0", vec![format!("483 {PHONE}")]),
        ("OPTIONS", "0", vec![format!("200 {PHONE}")]),
        ("ACK", "0", vec![]),
    ] {
        let mut world = World::new();
        let text = Text::request(method, "sip:7002@example.com", "a").with("Max-Forwards", hops);
        let sent: Vec<_> = world.exchange(PHONE, &text).iter().map(Sent::words).collect();
        assert_eq!(sent, words, "{method}");
    }
    let mut world = World::new();
    let sent = world.one(PHONE, &Text::invite("a").with("Max-Forwards", "1"));
    assert_eq!(sent.header(HeaderId::MaxForwards), "0");
    let mut world = World::new();
    let sent = world.one(PHONE, &Text::invite("a").without("Max-Forwards"));
    assert_eq!(sent.header(HeaderId::MaxForwards), "70");
}

/// A phone that registers the cluster as its contact would have every call to it
/// come back as a new one.
#[test]
fn the_cluster_is_nobodys_contact() {
    for contact in ["sip:7001@example.com", "sip:x@127.0.0.1:5060", "sip:x@127.0.0.2"] {
        let mut world = World::new();
        let text = Text::register(1).with("Contact", &format!("<{contact}>"));
        assert_eq!(world.one(PHONE, &text).words(), format!("403 {PHONE}"), "{contact}");
        // One that is there can be taken away.
        let text = Text::register(2).with("Contact", &format!("<{contact}>;expires=0"));
        assert!(NODES.contains(&world.one(PHONE, &text).remote().as_str()));
    }
}
