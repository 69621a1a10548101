//! From one application of a process to another, without a socket.

use super::{
    Arc, Class, Desk, Ears, LocalPorts, Rig, SMALL, Size, address, bound, later, request,
    request_via, response,
};
use crate::base::flow::{ConnectionId, Destination, Protocol};
use crate::modules::transport::core::Event;
use crate::modules::transport::inbox::Inbox as TransportInbox;

/// Two applications that know each other; the second has a mailbox of that size.
async fn pair(desk: &Desk, second: Size) -> ((Rig, Ears), (Rig, Ears)) {
    let (mut first, mut other) = (bound(SMALL).await, bound(second).await);
    let mut ports = LocalPorts::default();
    for rig in [&first.0, &other.0] {
        ports.add(rig.address, &rig.mail);
    }
    let ports = Arc::new(ports);
    for rig in [&mut first.0, &mut other.0] {
        desk.start(rig);
        rig.module.know(ports.clone());
    }
    (first, other)
}

#[tokio::test]
async fn messages_are_handed_over_in_order_and_the_answer_comes_back() {
    let desk = Desk::new();
    let ((mut proxy, proxy_ears), (mut node, node_ears)) = pair(&desk, SMALL).await;
    for protocol in [Protocol::Udp, Protocol::Tcp] {
        for (method, cseq) in [("INVITE", 1), ("CANCEL", 1), ("INVITE", 2)] {
            proxy.send(address(protocol, node.address), &request(method, cseq), 1);
        }
        let packet = desk
            .drive(&mut [&mut proxy, &mut node], async {
                let first = node_ears.next().await;
                assert_eq!(node_ears.words(2).await, ["CANCEL 1", "INVITE 2"]);
                first
            })
            .await;
        let Event::Packet(packet) = packet else { panic!("no message") };
        assert_eq!((packet.flow.protocol, packet.flow.remote), (protocol, proxy.address));
        assert_eq!(packet.flow.connection, ConnectionId::default());
        let answer = response(200, "UDP a;branch=z9hG4bK00a");
        node.send(Destination::Flow(packet.flow), &answer, 1);
        let words = desk.drive(&mut [&mut proxy, &mut node], proxy_ears.words(1)).await;
        assert_eq!(words, ["200 INVITE 1"]);
    }
    proxy.page_has("sip_handovers_total{node=\"A\"} 6");
    node.page_has("sip_handovers_total{node=\"A\"} 2");
    node.page_has("sip_connections_open{node=\"A\"} 0");
    proxy.page_has(
        "sip_requests_total{node=\"A\",method=\"INVITE\",direction=\"out\",transport=\"tcp\"} 2",
    );
    node.page_has(
        "sip_requests_total{node=\"A\",method=\"INVITE\",direction=\"in\",transport=\"tcp\"} 2",
    );
}

#[tokio::test]
async fn a_new_request_that_finds_no_room_is_answered_as_if_from_there() {
    let desk = Desk::new();
    let ((mut proxy, ears), (node, _node_ears)) = pair(&desk, Size { inbox_len: 1, ..SMALL }).await;
    let flow = crate::base::flow::Flow {
        protocol: Protocol::Udp,
        local: node.address,
        remote: node.address,
        connection: ConnectionId::default(),
    };
    let filler = TransportInbox::Delivered { flow, bytes: request("OPTIONS", 9).into() };
    assert!(node.mail.send(Class::Internal, filler).is_ok());
    // The node is not turned: its mailbox stays full.
    let via = format!("UDP {};branch=z9hG4bK00a;rport", proxy.address);
    for (index, text) in [
        request_via("INVITE", 1, &via),
        later("BYE", 2),
        request("CANCEL", 1),
        later("INFO", 3),
        response(200, "UDP a;branch=z9hG4bK00a"),
        request_via("REGISTER", 4, &via),
    ]
    .iter()
    .enumerate()
    {
        proxy.send(address(Protocol::Udp, node.address), text, u32::try_from(index).expect("few"));
    }
    let first = desk.drive(&mut [&mut proxy], ears.next()).await;
    let Event::Packet(packet) = first else { panic!("no message") };
    assert_eq!((packet.message.status(), packet.message.cseq()), (503, 1));
    assert_eq!(packet.flow.remote, node.address);
    assert_eq!(packet.flow.local, proxy.address);
    assert!(packet.message.header(crate::sip::message::HeaderId::RetryAfter).is_some());
    let words = desk.drive(&mut [&mut proxy], ears.words(5)).await;
    assert_eq!(words, ["failed 1", "failed 2", "failed 3", "failed 4", "503 REGISTER 4"]);
    proxy.page_has("sip_messages_refused_total{node=\"A\"} 6");
    proxy.page_has("sip_send_failures_total{node=\"A\"} 4");
    proxy.page_has("sip_handovers_total{node=\"A\"} 0");
}

#[tokio::test]
async fn an_application_that_has_ended_refuses_everything() {
    let desk = Desk::new();
    let ((mut proxy, ears), (node, _node_ears)) = pair(&desk, SMALL).await;
    let remote = node.address;
    drop(node);
    proxy.send(address(Protocol::Udp, remote), &request("INVITE", 1), 1);
    proxy.send(address(Protocol::Tcp, remote), &later("BYE", 2), 2);
    let words = desk.drive(&mut [&mut proxy], ears.words(2)).await;
    assert_eq!(words, ["503 INVITE 1", "failed 2"]);
}

#[tokio::test]
async fn a_full_shard_behind_a_hand_over_is_heard_of() {
    let desk = Desk::new();
    let ((mut proxy, ears), (mut node, node_ears)) =
        pair(&desk, Size { shard_len: 1, ..SMALL }).await;
    for cseq in 1..=3 {
        proxy.send(address(Protocol::Udp, node.address), &request("INVITE", cseq), cseq);
    }
    let words = desk.drive(&mut [&mut proxy, &mut node], ears.words(2)).await;
    assert_eq!(words, ["503 INVITE 2", "503 INVITE 3"]);
    assert_eq!(node_ears.rest(), ["INVITE 1"]);
}
