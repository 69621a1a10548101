//! RFC 3261 18.1.1: what does not fit a datagram goes by a stream, and by datagram
//! again where that is refused.

use super::world::{NODES, World};
use crate::draft::Draft;
use sipcluster::base::flow::Protocol;
use sipcluster::sip::message::HeaderId;

fn long(world: &World) -> Draft {
    let lines = "a=candidate:1 1 UDP 2130706431 127.0.0.50 50000 typ host\r\n".repeat(25);
    world.invite_of_node("7002", "long").body("application/sdp", &format!("v=0\r\n{lines}"))
}

#[test]
fn a_long_request_tries_tcp_first_and_then_a_datagram() {
    let mut world = World::new();
    world.bind("7002", "sip:7002@127.0.0.60:5060", 1000);
    let invite = long(&world);
    world.request(NODES[0], &invite);
    let by_tcp = world.only();
    assert_eq!(by_tcp.to.protocol(), Protocol::Tcp);
    assert!(by_tcp.header(HeaderId::Via).starts_with("SIP/2.0/TCP "));
    let routes = by_tcp.values(HeaderId::RecordRoute);
    assert!(
        routes[0].contains("transport=tcp") && routes[1].contains("transport=udp"),
        "{routes:?}"
    );
    world.fail();
    let by_udp = world.only();
    assert_eq!(by_udp.to.protocol(), Protocol::Udp);
    assert!(by_udp.header(HeaderId::Via).starts_with("SIP/2.0/UDP "));
    assert_ne!(
        by_udp.message.top_via().map(|via| via.branch().to_vec()),
        by_tcp.message.top_via().map(|via| via.branch().to_vec())
    );
    assert_eq!(by_udp.values(HeaderId::RecordRoute).len(), 1);
    // It is the one that counts now.
    world.answer(&by_udp, 486, "t");
    let words: Vec<String> = world.take().iter().map(super::world::Sent::what).collect();
    assert_eq!(words, ["ACK", "486"]);
}

#[test]
fn both_refused_is_no_way() {
    let mut world = World::new();
    world.bind("7002", "sip:7002@127.0.0.60:5060", 1000);
    let invite = long(&world);
    world.request(NODES[0], &invite);
    world.take();
    world.fail();
    world.take();
    world.fail();
    assert_eq!(world.only().what(), "503");
}

#[test]
fn a_long_request_to_a_node_goes_by_tcp_and_a_short_one_does_not() {
    let mut world = World::new();
    let lines = "a=candidate:1 1 UDP 2130706431 127.0.0.50 50000 typ host\r\n".repeat(25);
    world.request(super::world::PHONE, &Draft::invite("a").body("application/sdp", &lines));
    assert_eq!(world.only().to.protocol(), Protocol::Tcp);
    world.request(super::world::PHONE, &Draft::invite("b"));
    assert_eq!(world.only().to.protocol(), Protocol::Udp);
}
