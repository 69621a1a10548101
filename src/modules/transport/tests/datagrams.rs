//! Datagrams in and out.

use super::{
    Desk, SMALL, Size, UdpSocket, address, bound, free_address, in_words, later, next, receive,
    request, request_via, response, sender,
};
use crate::base::flow::{ConnectionId, Destination, Flow, Protocol, Sender};
use crate::base::id::{Shard, Slot};
use crate::base::limits::DATAGRAM_BACKLOG_LEN_MAX;
use crate::modules::transport::core::Event;
use crate::modules::transport::module::Datagram;
use crate::runtime::module::Module as _;

async fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.expect("a socket")
}

#[tokio::test]
async fn datagrams_reach_their_shard_in_order_with_their_flow() {
    let desk = Desk::new();
    let (mut rig, ears) = desk.rig().await;
    let phone = socket().await;
    for text in [request("INVITE", 1), request("CANCEL", 1), later("ACK", 1)] {
        phone.send_to(text.as_bytes(), rig.address).await.expect("sent");
    }
    let words = desk
        .drive(&mut [&mut rig], async {
            let Event::Packet(first) = ears.next().await else { panic!("no message") };
            assert_eq!(first.flow.remote, phone.local_addr().expect("its address"));
            assert_eq!(first.flow.connection, ConnectionId::default());
            ears.words(2).await
        })
        .await;
    assert_eq!(words, ["CANCEL 1", "ACK 1"]);
    rig.page_has(
        "sip_requests_total{node=\"A\",method=\"CANCEL\",direction=\"in\",transport=\"udp\"} 1",
    );
    rig.page_has("sip_malformed_total{node=\"A\"} 0");
}

#[tokio::test]
async fn what_is_no_message_is_counted_and_never_answered() {
    let desk = Desk::new();
    let (mut rig, ears) = desk.rig().await;
    let phone = socket().await;
    for rubbish in [&b"hello"[..], b"\x16\x03\x01", b"OPTIONS sip:a SIP/2.0\r\n", b"\r\n\r\n", b""]
    {
        phone.send_to(rubbish, rig.address).await.expect("sent");
    }
    // Answerable, but wrong: the shard answers it.
    let wrong = request("OPTIONS", 1).replace("Call-ID: x\r\n", "");
    phone.send_to(wrong.as_bytes(), rig.address).await.expect("sent");
    let words = desk.drive(&mut [&mut rig], ears.words(1)).await;
    assert_eq!(words, ["OPTIONS 1"]);
    rig.page_has("sip_malformed_total{node=\"A\"} 4");
    assert!(phone.try_recv(&mut [0; 10]).is_err(), "nothing came back");
}

#[tokio::test]
async fn messages_are_sent_in_order_and_counted() {
    let desk = Desk::new();
    let (mut rig, ears) = desk.rig().await;
    let phone = socket().await;
    let remote = phone.local_addr().expect("its address");
    let flow = Flow {
        protocol: Protocol::Udp,
        local: rig.address,
        remote,
        connection: ConnectionId::default(),
    };
    rig.send(address(Protocol::Udp, remote), &request("INVITE", 1), 1);
    rig.send(Destination::Flow(flow), &response(180, "UDP a;branch=z9hG4bK00a"), 2);
    rig.send(address(Protocol::Udp, remote), &request("CANCEL", 1), 3);
    let seen = desk
        .drive(&mut [&mut rig], async {
            [receive(&phone).await, receive(&phone).await, receive(&phone).await]
        })
        .await;
    for (text, start) in seen.iter().zip(["INVITE", "SIP/2.0 180", "CANCEL"]) {
        assert!(text.starts_with(start), "{text}");
    }
    assert_eq!(ears.rest(), Vec::<String>::new());
    rig.page_has(
        "sip_requests_total{node=\"A\",method=\"INVITE\",direction=\"out\",transport=\"udp\"} 1",
    );
    rig.page_has(
        "sip_responses_total{node=\"A\",method=\"INVITE\",code=\"180\",direction=\"out\"} 1",
    );
}

#[tokio::test]
async fn what_cannot_be_sent_is_told_and_the_next_one_leaves() {
    let desk = Desk::new();
    let (mut rig, ears) = desk.rig().await;
    let phone = socket().await;
    let remote = phone.local_addr().expect("its address");
    let other_family = "[::1]:5060".parse().expect("an address");
    rig.send(address(Protocol::Udp, other_family), &request("INVITE", 1), 7);
    let too_long = request("INVITE", 2) + &"x".repeat(65_536);
    rig.send(address(Protocol::Udp, remote), &too_long, 8);
    rig.send(address(Protocol::Udp, remote), &request("INVITE", 3), 9);
    let text = desk.drive(&mut [&mut rig], receive(&phone)).await;
    assert!(text.contains("CSeq: 3 INVITE"));
    assert_eq!(desk.drive(&mut [&mut rig], ears.words(2)).await, ["failed 7", "failed 8"]);
    rig.page_has("sip_send_failures_total{node=\"A\"} 2");
}

#[tokio::test]
async fn what_waited_for_room_is_sent_or_told_and_keeps_its_order() {
    let desk = Desk::new();
    let (mut rig, ears) = desk.rig().await;
    let phone = socket().await;
    let remote = phone.local_addr().expect("its address");
    let other_family = "[::1]:5060".parse().expect("an address");
    for (index, remote) in [(1, remote), (2, other_family), (3, remote)] {
        let bytes = request("INVITE", index).into_bytes().into();
        rig.module.queue_datagram(Datagram { remote, bytes, sender: sender(index) });
    }
    rig.send(address(Protocol::Udp, remote), &request("INVITE", 4), 4);
    let seen = desk
        .drive(&mut [&mut rig], async {
            [receive(&phone).await, receive(&phone).await, receive(&phone).await]
        })
        .await;
    for (text, cseq) in seen.iter().zip([1, 3, 4]) {
        assert!(text.contains(&format!("CSeq: {cseq} INVITE")), "{text}");
    }
    assert_eq!(ears.rest(), ["failed 2"]);
}

#[tokio::test]
async fn datagrams_that_wait_are_bounded() {
    let desk = Desk::new();
    let (mut rig, ears) = bound(SMALL).await;
    rig.module.set_waker(&desk.waker);
    let remote = free_address().await;
    for index in 0..=DATAGRAM_BACKLOG_LEN_MAX {
        let sender = sender(u32::try_from(index).expect("few"));
        rig.module.queue_datagram(Datagram { remote, bytes: bytes::Bytes::new(), sender });
    }
    rig.module.turn(desk.now(&rig));
    assert_eq!(ears.rest()[0], format!("failed {DATAGRAM_BACKLOG_LEN_MAX}"), "the last at once");
}

#[tokio::test]
async fn a_failure_is_told_to_whom_it_concerns() {
    let desk = Desk::new();
    let (mut rig, ears) = desk.sized_rig(Size { shards: 2, ..SMALL }).await;
    let other_family = "[::1]:5060".parse().expect("an address");
    for shard in [Shard(1), Shard::SERVICE_CHECKER] {
        let sender = Some(Sender(Slot { index: 3, generation: 0 }.with_shard(shard)));
        let to = address(Protocol::Udp, other_family);
        let bytes = request("OPTIONS", 1).into_bytes().into();
        rig.handle.send(&mut vec![crate::base::flow::Outbound { to, bytes, sender }]);
    }
    let told = desk
        .drive(&mut [&mut rig], async { (next(&ears.shards[1]).await, next(&ears.checker).await) })
        .await;
    let (shard, checker) = told;
    assert_eq!((in_words(&shard).as_str(), in_words(&checker).as_str()), ("failed 3", "failed 3"));
}

#[tokio::test]
async fn a_transport_without_sockets_says_so_of_each_message() {
    let desk = Desk::new();
    let (mut rig, ears) = bound(SMALL).await;
    rig.module.set_waker(&desk.waker);
    rig.send(address(Protocol::Udp, free_address().await), &request("INVITE", 1), 4);
    rig.module.turn(desk.now(&rig));
    assert_eq!(ears.rest(), ["failed 4"]);
}

#[tokio::test]
async fn a_full_shard_answers_new_requests_with_503() {
    let desk = Desk::new();
    let (mut rig, ears) = desk.sized_rig(Size { shard_len: 1, ..SMALL }).await;
    let phone = socket().await;
    let via = "UDP 127.0.0.1:9;rport;branch=z9hG4bK00a";
    for (method, cseq) in [("INVITE", 1), ("ACK", 2), ("INVITE", 3), ("CANCEL", 4)] {
        let text = request_via(method, cseq, via);
        phone.send_to(text.as_bytes(), rig.address).await.expect("sent");
    }
    let answer = desk.drive(&mut [&mut rig], receive(&phone)).await;
    assert!(answer.starts_with("SIP/2.0 503 Service Unavailable\r\n"), "{answer}");
    assert!(answer.contains("\r\nCSeq: 3 INVITE\r\n") && answer.contains("\r\nRetry-After: "));
    assert!(answer.contains("received=127.0.0.1;rport="), "{answer}");
    desk.settle(&mut [&mut rig]).await;
    assert!(phone.try_recv(&mut [0; 10]).is_err(), "neither ACK nor CANCEL is answered");
    assert_eq!(ears.rest(), ["INVITE 1"]);
    rig.page_has("sip_messages_refused_total{node=\"A\"} 3");
    rig.page_has(
        "sip_responses_total{node=\"A\",method=\"INVITE\",code=\"503\",direction=\"out\"} 1",
    );
}

#[tokio::test]
async fn what_is_queued_at_the_end_still_leaves() {
    let desk = Desk::new();
    let (mut rig, _ears) = desk.rig().await;
    let phone = socket().await;
    desk.settle(&mut [&mut rig]).await;
    let to = address(Protocol::Udp, phone.local_addr().expect("its address"));
    rig.send(to, &request("BYE", 1), 1);
    rig.module.stop();
    assert!(receive(&phone).await.starts_with("BYE "));
}
