//! A new call that belongs to one at another node is sent there by a 302 for the
//! proxy alone; everything else is this node's.

use super::super::core::Event;
use super::world::{Node, PHONE, TRUNK, id};
use crate::sim::cluster::WALL_START;
use crate::sip::message::{HeaderId, Message};

/// A DN and the node where its calls live.
type Word = (&'static str, Option<u16>);

/// The node that an answer sends the proxy to.
fn told(node: &Node, answer: &Message) -> Option<String> {
    let hop = node.sealer.open_hop(answer.header(HeaderId::XGenesysRoute)?)?;
    assert_eq!((answer.status(), hop.node), (302, id(1)));
    assert!(hop.is_fresh(WALL_START));
    Some(String::from_utf8_lossy(hop.hop).into_owned())
}

#[test]
fn a_dn_whose_call_lives_elsewhere_is_sent_there_unasked() {
    let mut node = Node::new();
    node.on(Event::Elsewhere("7001".into(), Some(id(2))));
    let answer = node.invite("7001", PHONE, "");
    assert_eq!(told(&node, &answer).as_deref(), Some("node:2"));
    assert!(answer.header(HeaderId::WwwAuthenticate).is_none(), "that node asks for the password");
    assert_eq!(node.core.lens().0, 0, "no call was made");
}

#[test]
fn what_names_a_dialog_is_sent_to_its_node() {
    for header in ["Replaces", "Join"] {
        let mut node = Node::new();
        let tag = node.tag_of(3);
        let answer =
            node.invite("7001", PHONE, &format!("{header}: x;to-tag={tag};from-tag=b\r\n"));
        assert_eq!(told(&node, &answer).as_deref(), Some("node:3"), "{header}");
    }
    // Where the dialog is decides, not where the DN's calls are.
    let mut node = Node::new();
    node.on(Event::Elsewhere("7001".into(), Some(id(2))));
    let tag = node.tag_of(1);
    let answer = node.invite("7001", PHONE, &format!("Replaces: x;to-tag={tag};from-tag=b\r\n"));
    assert_eq!(answer.status(), 401);
}

#[test]
fn what_belongs_here_stays() {
    let cases: [(&str, &[Word]); 5] = [
        ("nothing known", &[]),
        ("another DN's call", &[("7002", Some(2))]),
        ("this very node", &[("7001", Some(1))]),
        ("it ended", &[("7001", Some(2)), ("7001", None)]),
        ("it came here", &[("7001", Some(2)), ("7001", Some(1))]),
    ];
    for (what, words) in cases {
        let mut node = Node::new();
        for (dn, at) in words {
            node.on(Event::Elsewhere((*dn).into(), at.map(id)));
        }
        let answer = node.invite("7001", PHONE, "");
        assert_eq!(answer.status(), 401, "{what}");
        assert!(answer.header(HeaderId::XGenesysRoute).is_none(), "{what}");
    }
}

#[test]
fn who_is_no_dn_is_not_sent_on() {
    let mut node = Node::new();
    node.on(Event::Elsewhere("4711".into(), Some(id(2))));
    node.on(Event::Elsewhere("7001".into(), Some(id(2))));
    assert!(!node.core.elsewhere.contains_key("4711"), "there are no more words than DNs");
    for caller in ["4711", "7001"] {
        let mut node = Node::new();
        node.on(Event::Elsewhere("7001".into(), Some(id(2))));
        let sent = node.invited(caller, TRUNK, "");
        assert!(sent.iter().any(Message::is_request), "{caller} behind the trunk calls on");
    }
    let answer = node.invite("4711", "10.9.9.9:5060", "");
    assert_eq!(answer.status(), 403);
}

/// Without a proxy in between nobody would follow, and the phone would see it.
#[test]
fn who_comes_without_a_proxy_is_not_sent_on() {
    let mut node = Node::new();
    node.on(Event::Elsewhere("7001".into(), Some(id(2))));
    let Event::Packet(mut packet) = Node::packet("7001", PHONE, "") else { panic!("a packet") };
    packet.flow.remote = PHONE.parse().expect("an address");
    let sent: Vec<Message> =
        node.on(Event::Packet(packet)).into_iter().filter_map(super::world::sent).collect();
    assert!(sent.iter().any(|sent| sent.status() == 401));
    assert!(sent.iter().all(|sent| sent.header(HeaderId::XGenesysRoute).is_none()));
}
