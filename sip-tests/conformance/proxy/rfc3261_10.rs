//! RFC 3261 10: REGISTER. The proxy checks, a node answers, the proxy stores and lists.

use super::world::{NODES, PHONE, Sent, World};
use crate::draft::Draft;
use sipcluster::base::time::Duration;
use sipcluster::sip::message::HeaderId;
use sipcluster::sip::registrar::Entry;

const CONTACT: &str = "<sip:7001@127.0.0.50:5061>";

/// A REGISTER of 7001 under one Call-ID.
fn register(cseq: u32) -> Draft {
    Draft::request("REGISTER", "sip:cluster.example.com", &format!("r{cseq}"))
        .set("To", "<sip:7001@cluster.example.com>")
        .set("Call-ID", "registration@127.0.0.50")
        .set("CSeq", &format!("{cseq} REGISTER"))
}

/// The proxy's answer after a node has said 200.
fn accepted(world: &mut World, draft: &Draft) -> Sent {
    world.request(PHONE, draft);
    let sent = world.only();
    assert_eq!(sent.what(), "REGISTER");
    world.answer(&sent, 200, "node");
    world.only()
}

#[test]
fn the_node_sees_what_it_has_to_authenticate() {
    let mut world = World::new();
    let draft =
        register(1).add("Contact", CONTACT).add("Authorization", "Digest username=\"7001\"");
    world.request(PHONE, &draft);
    let sent = world.only();
    assert!(NODES[..2].contains(&sent.remote().as_str()));
    assert_eq!(sent.message.request_uri(), b"sip:cluster.example.com");
    assert_eq!(sent.header(HeaderId::Authorization), "Digest username=\"7001\"");
    assert_eq!(world.contacts("7001"), Vec::<String>::new(), "nothing is stored yet");
}

/// Step 8.
#[test]
fn the_200_lists_the_bindings_and_the_others_hear_of_them() {
    let mut world = World::new();
    world.bind("7001", "sip:7001@127.0.0.61:5060", 400);
    let draft = register(1).add("Contact", &format!("{CONTACT};q=0.9;+sip.instance=\"<urn:x>\""));
    let answer = accepted(&mut world, &draft.set("Expires", "300"));
    assert_eq!((answer.what(), answer.remote()), ("200".into(), PHONE.into()));
    let contacts = answer.values(HeaderId::Contact);
    assert_eq!(contacts.len(), 2, "{contacts:?}");
    assert!(contacts[0].starts_with("<sip:7001@127.0.0.50:5061>"), "{contacts:?}");
    assert!(contacts[0].contains(";expires=300"), "{contacts:?}");
    assert!(contacts[0].contains("+sip.instance=\"<urn:x>\""), "{contacts:?}");
    assert!(contacts[1].starts_with("<sip:7001@127.0.0.61:5060>"), "{contacts:?}");
    assert_eq!(answer.values(HeaderId::Via).len(), 1);
    assert_eq!(world.shared.len(), 1);
    assert!(matches!(&world.shared[0], Entry::Put(binding) if binding.contact.aor() == "7001"));
}

/// Step 8 and 10.2.3: without Contact it only asks.
#[test]
fn a_fetch_lists_and_changes_nothing() {
    let mut world = World::new();
    world.bind("7001", "sip:7001@127.0.0.61:5060", 1000);
    let answer = accepted(&mut world, &register(1));
    assert_eq!(answer.values(HeaderId::Contact).len(), 1);
    assert!(world.shared.is_empty());
}

#[test]
fn a_refusal_of_the_node_stores_nothing() {
    for status in [401, 403, 404] {
        let mut world = World::new();
        world.request(PHONE, &register(1).add("Contact", CONTACT));
        let sent = world.only();
        world.answer(&sent, status, "node");
        assert_eq!(world.only().what(), status.to_string());
        assert_eq!(world.contacts("7001"), Vec::<String>::new());
        assert!(world.shared.is_empty());
    }
}

/// Step 7.
#[test]
fn too_brief_an_interval_is_423_with_min_expires() {
    for draft in [
        register(1).add("Contact", CONTACT).add("Expires", "59"),
        register(1).add("Contact", &format!("{CONTACT};expires=1")),
        register(1).add("Contact", &format!("{CONTACT};expires=30")).add("Expires", "600"),
    ] {
        let mut world = World::new();
        let sent = world.answered(PHONE, &draft);
        assert_eq!(sent.what(), "423");
        assert_eq!(sent.message.number(HeaderId::MinExpires), Some(60));
    }
}

#[test]
fn the_longest_interval_is_cut() {
    let mut world = World::new();
    let answer =
        accepted(&mut world, &register(1).add("Contact", CONTACT).add("Expires", "999999"));
    assert!(
        answer.header(HeaderId::Contact).ends_with(";expires=3600"),
        "{}",
        answer.header(HeaderId::Contact)
    );
}

/// Step 6.
#[test]
fn a_wildcard_stands_alone_with_expires_zero() {
    for draft in [
        register(1).add("Contact", "*"),
        register(1).add("Contact", "*").add("Expires", "60"),
        register(1).add("Contact", "*").add("Contact", CONTACT).add("Expires", "0"),
        register(1).add("Contact", &format!("{CONTACT}, *")).add("Expires", "0"),
    ] {
        let mut world = World::new();
        assert_eq!(world.answered(PHONE, &draft).what(), "400");
    }
}

#[test]
fn a_wildcard_removes_what_is_there() {
    let mut world = World::new();
    accepted(&mut world, &register(1).add("Contact", CONTACT));
    world.shared.clear();
    let answer = accepted(&mut world, &register(2).add("Contact", "*").add("Expires", "0"));
    assert_eq!(answer.what(), "200");
    assert_eq!(answer.values(HeaderId::Contact), Vec::<String>::new());
    assert_eq!(world.contacts("7001"), Vec::<String>::new());
    assert!(
        matches!(&world.shared[..], [Entry::Remove { contact, .. }] if contact.aor() == "7001")
    );
}

#[test]
fn one_contact_is_removed_by_expires_zero() {
    let mut world = World::new();
    world.bind("7001", "sip:7001@127.0.0.61:5060", 1000);
    accepted(&mut world, &register(1).add("Contact", CONTACT));
    accepted(&mut world, &register(2).add("Contact", &format!("{CONTACT};expires=0")));
    assert_eq!(world.contacts("7001"), ["sip:7001@127.0.0.61:5060"]);
}

/// Step 7: a CSeq that went back is refused and changes nothing.
#[test]
fn a_cseq_out_of_order_is_500() {
    let mut world = World::new();
    accepted(&mut world, &register(5).add("Contact", CONTACT));
    let late = register(4).add("Contact", &format!("{CONTACT};expires=0"));
    assert_eq!(world.answered(PHONE, &late).what(), "500");
    assert_eq!(world.contacts("7001"), ["sip:7001@127.0.0.50:5061"]);
}

/// Step 4 and 5: no address-of-record here.
#[test]
fn a_to_that_names_no_dn_is_refused() {
    for to in ["<sip:cluster.example.com>", "<tel:+1555>", "<isbn:2983792873>"] {
        let mut world = World::new();
        let sent = world.answered(PHONE, &register(1).set("To", to).add("Contact", CONTACT));
        assert!(["400", "403", "404"].contains(&sent.what().as_str()), "{to}: {}", sent.what());
    }
}

/// Step 1: another domain's registrar is not here.
#[test]
fn a_foreign_registrar_is_not_here() {
    let mut world = World::new();
    let sent =
        world.answered(PHONE, &register(1).uri("sip:elsewhere.test").add("Contact", CONTACT));
    assert!(["403", "404"].contains(&sent.what().as_str()), "{}", sent.what());
}

#[test]
fn a_binding_runs_out() {
    let mut world = World::new();
    accepted(&mut world, &register(1).add("Contact", CONTACT).add("Expires", "60"));
    world.pass(Duration::from_secs(59));
    assert_eq!(world.contacts("7001").len(), 1);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.contacts("7001").len(), 0);
    let draft = world.invite_of_node("7001", "a");
    assert_eq!(world.answered(NODES[0], &draft).what(), "480");
}

/// What another proxy has registered rings here too.
#[test]
fn a_binding_of_another_proxy_is_used() {
    let mut world = World::new();
    world.bind("7002", "sip:7002@127.0.0.61:5060", 1000);
    let draft = world.invite_of_node("7002", "a");
    world.request(NODES[0], &draft);
    assert_eq!(world.only().remote(), "127.0.0.61:5060");
    assert!(world.shared.is_empty(), "what was heard is not told again");
}

/// RFC 3261 20.10: the list of the 200 can be read back, also a q of zero and of one.
#[test]
fn listed_contacts_can_be_read_back() {
    for (q, listed) in [("0.0", ";q=0"), ("0.001", ";q=0.001"), ("0.5", ";q=0.5"), ("1.0", "")] {
        let mut world = World::new();
        let answer = accepted(&mut world, &register(1).add("Contact", &format!("{CONTACT};q={q}")));
        let contact = answer.header(HeaderId::Contact);
        assert!(contact.contains(listed), "{q}: {contact}");
        let parsed = sipcluster::sip::message::NameAddr::parse(contact.as_bytes());
        assert_eq!(parsed.map(|value| value.uri), Ok(&b"sip:7001@127.0.0.50:5061"[..]));
    }
}
