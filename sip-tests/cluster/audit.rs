//! The audit itself: a trace that is right passes, and each wrong that is done to
//! it is found by the rule that it breaks.

use sipcluster::sim::behaviour::{Behaviour, Side};
use sipcluster::sim::check::check_trace;
use sipcluster::sim::cluster;
use sipcluster::sim::plan::Plan;
use sipcluster::sim::trace::{Sent, Trace};
use sipcluster::sim::world::{Setup, World};
use sipcluster::sip::message::{Method, scan};
use std::collections::BTreeSet;

fn world(behaviour: Behaviour) -> World {
    let mut world = World::new(Setup::quiet(9, vec![Plan::plain(behaviour)]));
    assert_eq!(world.run(), []);
    world
}

/// The rules that object when packets of the trace are changed or taken out.
fn rules(world: &World, change: impl Fn(&mut Sent) -> bool) -> BTreeSet<&'static str> {
    let mut trace = Trace { packets: world.trace().packets.clone() };
    let before = trace.packets.len();
    let mut changed = false;
    trace.packets.retain_mut(|sent| {
        let bytes = sent.bytes.clone();
        let keep = change(sent);
        changed |= bytes != sent.bytes;
        keep
    });
    assert!(changed || trace.packets.len() < before, "the change changes nothing");
    check_trace(world, &trace).into_iter().map(|finding| finding.rule).collect()
}

/// Puts another text into a packet.
fn replace(sent: &mut Sent, old: &str, new: &str) {
    let text = String::from_utf8_lossy(&sent.bytes).replace(old, new);
    sent.bytes = text.into_bytes().into();
    sent.message = scan(sent.bytes.to_vec()).ok();
}

fn is_request(sent: &Sent, method: Method) -> bool {
    sent.message.as_ref().is_some_and(|message| message.is_request() && message.method() == method)
}

fn is_answer(sent: &Sent, method: Method, status: u16) -> bool {
    sent.message
        .as_ref()
        .is_some_and(|message| message.cseq_method() == method && message.status() == status)
}

#[test]
fn missing_packets_are_missed() {
    let world = world(Behaviour::Talk(Side::Caller));
    let acks = rules(&world, |sent| !is_request(sent, Method::Ack));
    assert!(acks.contains("ack") && acks.contains("repeat"), "{acks:?}");
    let finals = rules(&world, |sent| !is_answer(sent, Method::Invite, 200));
    assert!(finals.contains("final"), "{finals:?}");
    let requests = rules(&world, |sent| !is_request(sent, Method::Bye));
    assert!(requests.contains("response"), "{requests:?}");
    let answers = rules(&world, |sent| !is_answer(sent, Method::Bye, 200));
    assert!(answers.contains("repeat"), "{answers:?}");
}

#[test]
fn changed_packets_are_noticed() {
    let cases: [(&str, &str, &str, &str); 8] = [
        ("BYE ", "CSeq: 3 BYE", "CSeq: 1 BYE", "cseq"),
        ("ACK ", "CSeq: 1 ACK", "CSeq: 7 ACK", "ack-number"),
        ("BYE ", "Max-Forwards: 69", "Max-Forwards: 70", "max-forwards"),
        ("BYE ", "Max-Forwards: 70", "Max-Forwards: 71", "max-forwards"),
        ("SIP/2.0 180", ";tag=", ";tag=x", "tags"),
        ("INVITE ", "\r\nMax-Forwards", "\r\nX-Genesys-Route: a\r\nMax-Forwards", "secrets"),
        ("SIP/2.0 200", "127.0.0.1:5060;branch", "127.0.0.9:5060;branch", "via"),
        ("BYE ", "Call-ID: ", "Call-ID ", "well-formed"),
    ];
    let world = world(Behaviour::Talk(Side::Caller));
    for (start, old, new, rule) in cases {
        let found = rules(&world, |sent| {
            if sent.bytes.starts_with(start.as_bytes()) {
                replace(sent, old, new);
            }
            true
        });
        assert!(found.contains(rule), "{start}{old} -> {new} is found by {found:?}");
    }
}

#[test]
fn a_description_that_nobody_sent_is_noticed() {
    let world = world(Behaviour::Talk(Side::Caller));
    let found = rules(&world, |sent| {
        if cluster::proxies().contains(&sent.from) && sent.to == cluster::phone(0) {
            replace(sent, "a=sendrecv", "a=sendonly");
        }
        true
    });
    assert_eq!(found, BTreeSet::from(["description"]));
}

#[test]
fn a_version_that_does_not_rise_is_noticed() {
    let world = world(Behaviour::Hold(Side::Caller));
    let found = rules(&world, |sent| {
        replace(sent, " 2 IN IP4", " 1 IN IP4");
        true
    });
    assert!(found.contains("version"), "{found:?}");
}
