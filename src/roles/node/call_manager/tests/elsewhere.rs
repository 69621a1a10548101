//! A new call that belongs to one at another node is sent there by a 302 for the
//! proxy alone; everything else is this node's.

use super::super::core::{Action, Event};
use super::world::{Node, PHONE, TRUNK, id, sent};
use crate::base::ownership::DnWord;
use crate::call::record::CallRecord;
use crate::sim::cluster::WALL_START;
use crate::sip::message::{HeaderId, Message};

/// A DN and the node where its calls live.
type Word = (u32, Option<u16>);

fn at(node: Option<u16>) -> DnWord {
    DnWord { owner: Some(id(3)), epoch: 4, calls_at: node.map(id), dnd: false }
}

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
    node.know(7001, at(Some(2)));
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
    node.know(7001, at(Some(2)));
    let tag = node.tag_of(1);
    let answer = node.invite("7001", PHONE, &format!("Replaces: x;to-tag={tag};from-tag=b\r\n"));
    assert_eq!(answer.status(), 401);
}

/// What is known may be old: who was not asked first takes the call, but for one that names a
/// dialog of another node.
#[test]
fn who_was_not_asked_first_sends_nobody_on() {
    let further = "X-Sipcluster-Further: 1\r\n";
    let mut node = Node::new();
    node.know(7001, at(Some(2)));
    assert_eq!(node.invite("7001", PHONE, further).status(), 401);
    let mut node = Node::new();
    let tag = node.tag_of(3);
    let replaces = format!("{further}Replaces: x;to-tag={tag};from-tag=b\r\n");
    let answer = node.invite("7001", PHONE, &replaces);
    assert_eq!(told(&node, &answer).as_deref(), Some("node:3"));
}

/// The proxy cannot follow, and comes back with the same INVITE: it is answered anew.
#[test]
fn who_was_sent_on_may_come_back() {
    let mut node = Node::new();
    node.know(7001, at(Some(2)));
    assert_eq!(node.invite("7001", PHONE, "").status(), 302);
    let Event::Packet(mut packet) = Node::packet("7001", PHONE, "X-Sipcluster-Further: 1\r\n")
    else {
        panic!("a packet")
    };
    let again =
        String::from_utf8_lossy(packet.message.bytes()).replace("z9hG4bK7001", "z9hG4bKagain");
    packet.message = crate::sip::message::scan(again.into_bytes()).expect("a message");
    let sent: Vec<Message> = node.on(Event::Packet(packet)).into_iter().filter_map(sent).collect();
    assert!(sent.iter().any(|sent| sent.status() == 401), "{sent:?}");
}

#[test]
fn what_belongs_here_stays() {
    let cases: [(&str, &[Word]); 5] = [
        ("nothing known", &[]),
        ("another DN's call", &[(7002, Some(2))]),
        ("this very node", &[(7001, Some(1))]),
        ("it ended", &[(7001, Some(2)), (7001, None)]),
        ("it came here", &[(7001, Some(2)), (7001, Some(1))]),
    ];
    for (what, words) in cases {
        let mut node = Node::new();
        for (dn, node_of_calls) in words {
            node.know(*dn, at(*node_of_calls));
        }
        let answer = node.invite("7001", PHONE, "");
        assert_eq!(answer.status(), 401, "{what}");
        assert!(answer.header(HeaderId::XGenesysRoute).is_none(), "{what}");
    }
}

#[test]
fn who_is_no_dn_is_not_sent_on() {
    for caller in ["4711", "7001"] {
        let mut node = Node::new();
        node.know(7001, at(Some(2)));
        let sent = node.invited(caller, TRUNK, "");
        assert!(sent.iter().any(Message::is_request), "{caller} behind the trunk calls on");
    }
    let answer = Node::new().invite("4711", "10.9.9.9:5060", "");
    assert_eq!(answer.status(), 403);
}

/// Without a proxy in between nobody would follow, and the phone would see it.
#[test]
fn who_comes_without_a_proxy_is_not_sent_on() {
    let mut node = Node::new();
    node.know(7001, at(Some(2)));
    let Event::Packet(mut packet) = Node::packet("7001", PHONE, "") else { panic!("a packet") };
    packet.flow.remote = PHONE.parse().expect("an address");
    let sent: Vec<Message> = node.on(Event::Packet(packet)).into_iter().filter_map(sent).collect();
    assert!(sent.iter().any(|sent| sent.status() == 401));
    assert!(sent.iter().all(|sent| sent.header(HeaderId::XGenesysRoute).is_none()));
}

/// 7002 is called from the trunk, which knows no challenge.
fn called(word: DnWord) -> (Vec<Message>, Vec<CallRecord>) {
    let mut node = Node::new();
    node.know(7002, word);
    let actions = node.on(Node::packet("4711", TRUNK, ""));
    let record = |action: &Action| match action {
        Action::Record(record) => Some((**record).clone()),
        Action::Send(_)
        | Action::Arm(..)
        | Action::Suspect(_)
        | Action::Count(_)
        | Action::Phone(_)
        | Action::Fact(_) => None,
    };
    let records = actions.iter().filter_map(record).collect();
    (actions.into_iter().filter_map(sent).collect(), records)
}

#[test]
fn who_is_not_to_be_disturbed_is_busy() {
    let (messages, records) = called(DnWord { dnd: true, ..DnWord::default() });
    assert!(messages.iter().all(|message| !message.is_request()), "the phone stays still");
    let answer = messages.iter().find(|message| message.status() != 100).expect("an answer");
    assert_eq!(answer.status(), 486);
    let reason = "Q.850;cause=17;text=\"do not disturb\"";
    assert_eq!(answer.header(HeaderId::Reason), Some(reason.as_bytes()));
    let record = records.first().expect("a record");
    assert_eq!(&*record.destination, "7002");
    let cause = &record.cause;
    assert_eq!((cause.code, cause.reason.as_deref()), (486, Some(reason)));
}

#[test]
fn who_may_be_disturbed_or_disturbs_is_called() {
    let (messages, _) = called(DnWord { calls_at: Some(id(2)), ..DnWord::default() });
    assert!(messages.iter().any(Message::is_request), "its other call is no reason");
    let mut node = Node::new();
    node.know(7001, DnWord { dnd: true, ..DnWord::default() });
    assert_eq!(node.invite("7001", PHONE, "").status(), 401, "it may call");
}
