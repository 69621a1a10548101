//! REGISTER: which node gets it (`decisions.md` 8), and RFC 3261 10.3.

use super::world::{NODES, PHONE, PHONE_2, Sent, Text, WALL, World, node_id};
use crate::base::contact::{Bound, ContactBlock, Parts};
use crate::base::id::Ids;
use crate::base::time::Duration;
use crate::sip::auth::NonceKeys;
use crate::sip::message::HeaderId;
use crate::sip::registrar::{Binding, Entry};

const CONTACT: &str = "<sip:7001@127.0.0.50:5061>";

/// Credentials under a nonce that `node` issued.
pub(super) fn credentials(world: &World, node: u16, nc: Option<u32>) -> String {
    let key = world.sealer.nonce_keys().next().expect("a key");
    let nonce = NonceKeys::new(key, None).issue(WALL, "r", node_id(node), &mut Ids::new(1));
    let zeroes = "0".repeat(32);
    let counted = nc.map(|nc| format!(", qop=auth, nc={nc:08x}, cnonce=\"c\"")).unwrap_or_default();
    format!(
        "Digest username=\"7001\", realm=\"r\", nonce=\"{nonce}\", uri=\"sip:example.com\", response=\"{zeroes}\"{counted}"
    )
}

fn register(cseq: u32) -> Text {
    Text::register(cseq).with("Contact", CONTACT)
}

/// Sends a REGISTER, has the node accept it, and gives the 200.
fn accepted(world: &mut World, text: &Text) -> Sent {
    let sent = world.one(PHONE, text);
    let ok = Text::response(&sent.message, 200, "n").with("Expires", "3600");
    world.receive(&sent.remote(), &ok);
    let mut sent = world.take();
    assert_eq!(sent.len(), 1);
    sent.remove(0)
}

/// What another proxy tells of a DN that a node has accepted.
fn bound(world: &World, node: u16) -> Entry {
    let mut other = World::new();
    other.register_by(if node == 4 { 1 } else { node });
    let Some(Entry::Put(binding)) = other.shared.pop() else { panic!("a binding") };
    let parts = binding.contact.parts();
    let bound = parts.bound.map(|bound| Bound { node: node_id(node), ..bound });
    let contact = ContactBlock::new(&Parts { bound, ..parts });
    Entry::Put(Binding { contact, expires: world.now + Duration::from_secs(60), ..binding })
}

fn bound_of(binding: &Binding) -> Bound<'_> {
    binding.contact.bound().expect("bound")
}

fn contacts(world: &World) -> Vec<String> {
    world
        .core
        .registrar
        .lookup("7001", world.now)
        .map(|found| bound_of(found).uri.to_owned())
        .collect()
}

#[test]
fn a_dn_stays_with_its_owner_whatever_the_call_id() {
    for owner in 1..=3 {
        let mut world = World::new();
        world.register_by(owner);
        for cseq in 2..20 {
            let id = format!("other-{cseq}");
            let text = register(cseq).with("Call-ID", &id);
            let sent = world.one(PHONE, &text);
            assert_eq!(sent.node(), owner, "{id}");
            world.answer(&sent, 200);
        }
    }
}

/// The node that has accepted says whose the DN is; one of another data centre gives it away.
#[test]
fn the_owner_is_who_the_node_says() {
    for (said, owner) in [("2", 2), ("4", 1), ("0", 1), ("70000", 1), ("x", 1)] {
        let mut world = World::new();
        let id = world.call_id_for(1, "first");
        let sent = world.one(PHONE, &register(1).with("Call-ID", &id));
        assert_eq!(sent.node(), 1);
        let ok = Text::response(&sent.message, 200, "n").with("Expires", "3600");
        world.receive(&sent.remote(), &ok.with("X-Sipcluster-Owner", said));
        let answer = world.take().remove(0);
        assert!(answer.message.header(HeaderId::XSipclusterOwner).is_none(), "not for phones");
        let Some(Entry::Put(binding)) = world.shared.pop() else { panic!("a binding") };
        assert_eq!(bound_of(&binding).node, node_id(owner), "{said}");
    }
}

#[test]
fn an_owner_that_another_proxy_has_told_of_counts_too() {
    let mut world = World::new();
    let entry = bound(&world, 2);
    world.on(super::super::core::Event::Binding(entry));
    let id = world.call_id_for(1, "x");
    assert_eq!(world.one(PHONE, &register(1).with("Call-ID", &id)).node(), 2);
}

#[test]
fn an_owner_out_of_service_or_elsewhere_is_left_for_a_local_node() {
    // The owner is in another data centre.
    let mut world = World::new();
    let entry = bound(&world, 4);
    world.on(super::super::core::Event::Binding(entry));
    let id = world.call_id_for(3, "x");
    assert_eq!(world.one(PHONE, &register(1).with("Call-ID", &id)).node(), 3);
    // The owner is out of service.
    let mut world = World::new();
    world.register_by(2);
    world.node(2, false);
    let id = world.call_id_for(1, "x");
    let sent = world.one(PHONE, &register(9).with("Call-ID", &id));
    assert_eq!(sent.node(), 1);
    world.answer(&sent, 200);
    // It came back, but the DN has a new owner.
    world.node(2, true);
    let id = world.call_id_for(3, "y");
    assert_eq!(world.one(PHONE, &register(10).with("Call-ID", &id)).node(), 1);
}

#[test]
fn the_retry_goes_to_the_node_that_challenged() {
    for (issuer, nc, expected) in [
        // The answer to a challenge, with and without a count.
        (3, Some(1), 3),
        (3, None, 3),
        // A nonce in use means less than the owner.
        (3, Some(2), 2),
        // The nonce of a node that cannot be used: the owner.
        (4, Some(1), 2),
        (9, Some(1), 2),
    ] {
        let mut world = World::new();
        world.register_by(2);
        let value = credentials(&world, issuer, nc);
        let id = world.call_id_for(1, "x");
        let text = register(2).with("Call-ID", &id).with("Authorization", &value);
        assert_eq!(world.one(PHONE, &text).node(), expected, "issuer {issuer}, nc {nc:?}");
    }
}

#[test]
fn without_an_owner_the_nonce_in_use_counts_and_then_the_call_id() {
    let mut world = World::new();
    let id = world.call_id_for(1, "x");
    let value = credentials(&world, 3, Some(7));
    let text = register(1).with("Call-ID", &id);
    assert_eq!(world.one(PHONE, &text.clone().with("Authorization", &value)).node(), 3);
    for odd in ["Digest nonce=\"\"", "Basic abc", "Digest nonce=\"ffff\", realm=\"r\""] {
        let mut world = World::new();
        let text = text.clone().with("Authorization", odd);
        assert_eq!(world.one(PHONE, &text).node(), 1, "{odd}");
    }
}

/// The owner is silent, the next node challenges: the retry must not wait for the
/// owner again.
#[test]
fn a_failed_over_register_is_answered_to_the_node_that_challenged() {
    let mut world = World::new();
    world.register_by(2);
    let first = world.one(PHONE, &register(5));
    assert_eq!(first.node(), 2);
    world.pass_ms(1001);
    let sent = world.take();
    let second = sent.iter().find(|sent| sent.node() != 2).expect("the next node").clone();
    assert_eq!(world.suspects, [node_id(2)]);
    let value = credentials(&world, second.node(), Some(1));
    assert_eq!(world.answer(&second, 401), [format!("401 {PHONE}")]);
    let retry = world.one(PHONE, &register(6).with("Authorization", &value));
    assert_eq!(retry.node(), second.node());
    world.answer(&retry, 200);
    assert_eq!(world.one(PHONE, &register(7)).node(), second.node(), "the new owner");
}

/// A late 200 of the node that was given up neither counts nor is it fought.
#[test]
fn a_late_acceptance_changes_nothing() {
    let mut world = World::new();
    let first = world.one(PHONE, &register(1));
    world.pass_ms(1001);
    let second = world.take().into_iter().find(|sent| sent.node() != first.node());
    let second = second.expect("the next node");
    assert_eq!(world.answer(&second, 200), [format!("200 {PHONE}")]);
    assert!(world.answer(&first, 200).is_empty());
    let node =
        world.core.registrar.lookup("7001", world.now).next().map(|found| bound_of(found).node);
    assert_eq!(node, Some(node_id(second.node())));
    assert_eq!(world.shared.len(), 1);
}

/// The node that was given up answers first after all: it is the owner.
#[test]
fn the_node_that_accepts_is_stored() {
    let mut world = World::new();
    let first = world.one(PHONE, &register(1));
    world.pass_ms(1001);
    world.take();
    assert_eq!(world.answer(&first, 200), [format!("200 {PHONE}")]);
    let node =
        world.core.registrar.lookup("7001", world.now).next().map(|found| bound_of(found).node);
    assert_eq!(node, Some(node_id(first.node())));
}

#[test]
fn several_contacts_with_their_preferences_are_listed_best_first() {
    let mut world = World::new();
    let text = register(1)
        .with("Contact", "<sip:7001@10.0.0.1>;q=0.2;expires=300")
        .add("Contact", "<sip:7001@10.0.0.2>;q=0.75, <sip:7001@10.0.0.3>;+x=\"y;z\"");
    let answer = accepted(&mut world, &text);
    let listed: Vec<_> = answer
        .message
        .values(HeaderId::Contact)
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .collect();
    assert_eq!(
        listed,
        [
            "<sip:7001@10.0.0.3>;expires=120;+x=\"y;z\"",
            "<sip:7001@10.0.0.2>;q=0.750;expires=120",
            "<sip:7001@10.0.0.1>;q=0.200;expires=300",
        ]
    );
    assert_eq!(world.shared.len(), 3);
    // One of them is taken back, the others stay.
    let text = register(2).with("Contact", "<sip:7001@10.0.0.2>;expires=0");
    accepted(&mut world, &text);
    assert_eq!(contacts(&world), ["sip:7001@10.0.0.3", "sip:7001@10.0.0.1"]);
}

/// RFC 3261 10.3 step 7: order by Call-ID and CSeq.
#[test]
fn refreshes_are_taken_in_their_order() {
    for (second, cseq, status) in [
        ("reg", 6, 0),
        ("reg", 5, 500),
        ("reg", 4, 500),
        // A phone that restarted has another Call-ID and begins anew.
        ("reg-2", 1, 0),
    ] {
        let mut world = World::new();
        accepted(&mut world, &register(5).with("Contact", &format!("{CONTACT};expires=60")));
        let text = register(cseq)
            .with("Call-ID", second)
            .with("Via", &format!("SIP/2.0/UDP {PHONE};branch=z9hG4bKsecond"))
            .with("Contact", &format!("{CONTACT};q=0.5;expires=600"));
        let sent = world.one(PHONE, &text);
        assert_eq!(sent.message.status(), status, "{second} {cseq}");
        if status == 0 {
            world.answer(&sent, 200);
            world.pass_ms(100_000);
            assert_eq!(contacts(&world).len(), 1, "{second} {cseq}");
        }
    }
}

#[test]
fn two_that_cross_at_the_nodes_end_in_the_order_of_their_cseq() {
    let mut world = World::new();
    let old = world.one(PHONE, &register(1));
    let gone = world.one(PHONE, &register(2).with("Contact", &format!("{CONTACT};expires=0")));
    assert_eq!(world.answer(&gone, 200), [format!("200 {PHONE}")]);
    assert_eq!(world.answer(&old, 200), [format!("500 {PHONE}")]);
    assert!(contacts(&world).is_empty(), "the late one does not bring it back");
}

#[test]
fn what_is_refused_at_once() {
    let long = "x".repeat(2000);
    for (name, value, status) in [
        ("Contact", "<sip:7001@10.0.0.1>;expires=59", 423),
        ("Contact", "*", 400),
        ("Contact", "<sip:7001@10.0.0.1>;q=2", 400),
        ("Contact", "<sip:7001@10.0.0.1>;q=0.1234", 400),
        ("Contact", "<sip:7001@example.com>", 403),
        ("Contact", "<sip:7001@127.0.0.2:5060>", 403),
        ("To", "<sip:7001@elsewhere.test>", 404),
        ("To", "<tel:+7001>", 404),
        ("To", "<sip:example.com>", 404),
        ("Require", "path, outbound", 420),
        ("Contact", &format!("<sip:7001@10.0.0.1;x={long}>"), 400),
    ] {
        let mut world = World::new();
        let sent = world.one(PHONE, &register(1).with(name, value));
        assert_eq!(sent.words(), format!("{status} {PHONE}"), "{name}: {value}");
        if status == 423 {
            assert_eq!(sent.message.number(HeaderId::MinExpires), Some(60));
        }
        if status == 420 {
            assert_eq!(sent.header(HeaderId::Unsupported), "path, outbound");
        }
    }
}

/// 10.3 step 7 lets a registrar refuse only what is shorter than an hour; a
/// malformed lifetime counts as an hour.
#[test]
fn an_hour_is_never_too_brief() {
    let mut world = World::with(|settings| {
        settings.expires_min = Duration::from_secs(7200);
        settings.expires_max = Duration::from_secs(86_400);
    });
    for (cseq, expires, status) in [(1, "3600", 0), (2, "3599", 423), (3, "soon", 0)] {
        let text = register(cseq).with("Contact", &format!("{CONTACT};expires={expires}"));
        let sent = world.one(PHONE, &text);
        assert_eq!(sent.message.status(), status, "{expires}");
        if status == 0 {
            let ok = Text::response(&sent.message, 200, "n").with("Expires", "86400");
            world.receive(&sent.remote(), &ok);
            let answer = world.take().remove(0);
            assert_eq!(answer.header(HeaderId::Contact), format!("{CONTACT};expires=3600"));
        }
    }
}

#[test]
fn a_wildcard_removes_all_and_a_fetch_shows_it() {
    let mut world = World::new();
    let text = register(1).add("Contact", "<sip:7001@10.0.0.2>");
    accepted(&mut world, &text);
    let fetch = accepted(&mut world, &register(2).without("Contact"));
    assert_eq!(fetch.message.values(HeaderId::Contact).count(), 2);
    world.shared.clear();
    let answer = accepted(&mut world, &register(3).with("Contact", "*").with("Expires", "0"));
    assert_eq!(answer.message.values(HeaderId::Contact).count(), 0);
    assert_eq!((contacts(&world).len(), world.shared.len()), (0, 2));
    let fetch = accepted(&mut world, &register(4).without("Contact"));
    assert_eq!(fetch.message.values(HeaderId::Contact).count(), 0);
    assert_eq!(world.shared.len(), 2, "a fetch changes nothing");
}

#[test]
fn what_the_node_refuses_is_not_stored_and_its_words_go_back() {
    for status in [401, 403, 404, 500] {
        let mut world = World::new();
        let sent = world.one(PHONE, &register(1));
        let refusal = Text::response(&sent.message, status, "n").with("X-Why", "because");
        world.receive(&sent.remote(), &refusal);
        let answer = world.take().remove(0);
        assert_eq!(answer.words(), format!("{status} {PHONE}"));
        assert!(answer.message.all_headers().any(|(_, name, _)| name == b"X-Why"));
        assert!(contacts(&world).is_empty() && world.shared.is_empty());
    }
}

#[test]
fn a_repeated_register_is_answered_from_memory() {
    let mut world = World::new();
    let answer = accepted(&mut world, &register(1));
    let again = world.one(PHONE, &register(1));
    assert_eq!(again.message.bytes(), answer.message.bytes());
    assert_eq!(world.shared.len(), 1);
    // A phone that lost the answer for good asks again under a new branch.
    let text = register(1).with("Via", &format!("SIP/2.0/UDP {PHONE};branch=z9hG4bKnew"));
    assert_eq!(accepted(&mut world, &text).message.status(), 200);
    assert_eq!(world.shared.len(), 1, "it took effect before");
}

#[test]
fn the_node_sees_where_a_register_came_from_and_nobody_else_may_say_so() {
    let mut world = World::new();
    let text = register(1).with("X-Sipcluster-Source", "udp:10.9.9.9:1");
    let sent = world.one(PHONE_2, &text);
    assert_eq!(sent.header(HeaderId::XSipclusterSource), format!("udp:{PHONE_2}"));
    assert_eq!(sent.message.header_lines(HeaderId::XSipclusterSource).count(), 1);
    assert!(NODES.contains(&sent.remote().as_str()));
}
