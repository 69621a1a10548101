//! Messages to host names.

use super::super::names::{Known, Names, Waits};
use super::{Desk, UdpSocket, receive, request, sender};
use crate::base::flow::{Destination, Outbound, Protocol};
use crate::base::limits::{
    LOOKUPS_MAX, NAME_FAILURE_TTL, NAME_TTL, NAME_WAITING_LEN_MAX, NAMES_MAX,
};
use crate::base::time::{Duration, Instant};
use crate::runtime::module::Module as _;
use core::net::{IpAddr, Ipv4Addr};

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn to(host: &str, port: u16) -> Destination {
    Destination::Host { protocol: Protocol::Udp, host: host.into(), port }
}

fn outbound(index: u32) -> Outbound {
    let bytes = request("OPTIONS", index).into_bytes().into();
    Outbound { to: to("a", 5060), bytes, sender: sender(index) }
}

#[tokio::test]
async fn what_waits_for_a_name_leaves_in_order() {
    let desk = Desk::new();
    let (mut rig, ears) = desk.rig().await;
    // The name may have an address of the other family as well, and first.
    let phone = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let port = phone.local_addr().expect("its address").port();
    for cseq in 1..=3 {
        rig.send(to("localhost", port), &request("INVITE", cseq), cseq);
    }
    for round in [1..=3, 4..=4] {
        for cseq in round {
            if cseq == 4 {
                // The name is known by now.
                rig.send(to("localhost", port), &request("INVITE", cseq), cseq);
            }
            let text = desk.drive(&mut [&mut rig], receive(&phone)).await;
            assert!(text.contains(&format!("CSeq: {cseq} INVITE")), "{text}");
        }
    }
    assert_eq!(ears.rest(), Vec::<String>::new());
}

#[tokio::test]
async fn a_name_without_address_fails_what_waits_and_what_comes_soon() {
    let desk = Desk::new();
    let (mut rig, ears) = desk.rig().await;
    // No DNS server is asked for a label of more than 63 bytes.
    let host = "a".repeat(70);
    for index in 1..=2 {
        rig.send(to(&host, 5060), &request("INVITE", index), index);
    }
    assert_eq!(desk.drive(&mut [&mut rig], ears.words(2)).await, ["failed 1", "failed 2"]);
    rig.send(to(&host, 5060), &request("INVITE", 3), 3);
    let now = desk.now(&rig);
    rig.module.turn(now);
    assert_eq!(ears.rest(), ["failed 3"], "in the same turn, nobody is asked");
}

#[test]
fn what_is_known_of_a_name_becomes_stale() {
    let mut names = Names::default();
    let start = Instant::ZERO + Duration::from_secs(100);
    assert_eq!(names.find("a", start), Known::Unknown);
    assert!(names.answered("a", Some(HOME), start).is_empty());
    assert!(names.answered("b", None, start).is_empty());
    assert_eq!(names.find("a", start), Known::Address(HOME));
    assert_eq!(names.find("b", start), Known::None);
    assert_eq!(names.find("b", start + NAME_FAILURE_TTL), Known::Unknown);
    assert_eq!(names.find("a", start + NAME_FAILURE_TTL), Known::Address(HOME));
    assert_eq!(names.find("a", start + NAME_TTL), Known::Unknown);
}

#[test]
fn names_take_a_bounded_room() {
    let mut names = Names::default();
    for at in 0..NAMES_MAX + 10 {
        let now = Instant::ZERO + Duration::from_millis(at as u64);
        names.answered(&at.to_string(), Some(HOME), now);
    }
    assert_eq!(names.known_len(), NAMES_MAX);
    let now = Instant::ZERO + Duration::from_secs(6);
    assert_eq!(names.find("9", now), Known::Unknown, "the first to become stale went");
    assert_eq!(names.find("10", now), Known::Address(HOME));
    let later = Instant::ZERO + NAME_TTL + Duration::from_secs(60);
    names.answered("last", None, later);
    assert_eq!(names.known_len(), 1, "stale ones go first");
}

#[test]
fn what_waits_takes_a_bounded_room() {
    let mut names = Names::default();
    assert_eq!(names.wait("a", outbound(0)), Waits::LookUp);
    for index in 1..NAME_WAITING_LEN_MAX {
        let index = u32::try_from(index).expect("few");
        assert_eq!(names.wait("a", outbound(index)), Waits::Behind);
    }
    assert_eq!(names.wait("a", outbound(5_000)), Waits::NoRoom(sender(5_000)));
    for at in 1..LOOKUPS_MAX {
        assert_eq!(names.wait(&at.to_string(), outbound(1)), Waits::LookUp);
    }
    assert_eq!(names.wait("one more", outbound(7)), Waits::NoRoom(sender(7)));
    let waited = names.answered("a", None, Instant::ZERO);
    assert_eq!(waited.len(), NAME_WAITING_LEN_MAX);
    let senders = waited.iter().map(|outbound| outbound.sender);
    assert!(senders.eq((0..1_024).map(sender)), "in order");
    assert_eq!(names.wait("one more", outbound(7)), Waits::LookUp, "there is room again");
}
