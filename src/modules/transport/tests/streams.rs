//! Connections: framing, reuse, limits, and every way in which they end.

use super::super::core::Event;
use super::{
    AsyncWriteExt as _, Desk, Ears, Rig, SocketAddr, TcpStream, address, connect, later, read,
    read_to_end, request, request_via, response,
};
use crate::base::flow::{Destination, Flow, Protocol};
use crate::base::limits::{
    ACCEPT_PAUSE, CONNECT_TIME, CONNECTION_BACKLOG_LEN_MAX, STREAM_IDLE_TIME, STREAM_LINGER_TIME,
    STREAM_MESSAGE_TIME, STREAM_WRITE_TIME,
};
use crate::base::time::Duration;
use crate::runtime::module::Module as _;
use tokio::net::TcpListener;

const MARGIN: Duration = Duration::from_millis(100);

async fn write(socket: &mut TcpStream, text: &str) {
    socket.write_all(text.as_bytes()).await.expect("written");
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a listener")
}

fn local_port(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().expect("its address")
}

#[tokio::test]
async fn a_message_in_pieces_and_several_in_one_are_the_same() {
    let desk = Desk::new();
    let (mut rig, ears) = desk.rig().await;
    let mut phone = connect(&rig).await;
    phone.set_nodelay(true).expect("set");
    let whole = request("INVITE", 1) + &request("CANCEL", 1) + "\r\n" + &later("ACK", 1);
    let pieces = desk
        .drive(&mut [&mut rig], async {
            for byte in whole.as_bytes() {
                phone.write_all(&[*byte]).await.expect("written");
                tokio::task::yield_now().await;
            }
            ears.words(3).await
        })
        .await;
    assert_eq!(pieces, ["INVITE 1", "CANCEL 1", "ACK 1"]);
    let at_once = desk
        .drive(&mut [&mut rig], async {
            write(&mut phone, &whole.repeat(40)).await;
            ears.words(120).await
        })
        .await;
    assert_eq!(at_once, ["INVITE 1", "CANCEL 1", "ACK 1"].repeat(40));
    rig.page_has("sip_connections_open{node=\"A\"} 1");
    rig.page_has(
        "sip_requests_total{node=\"A\",method=\"INVITE\",direction=\"in\",transport=\"tcp\"} 41",
    );
}

#[tokio::test]
async fn a_keep_alive_is_answered_also_in_the_middle() {
    let desk = Desk::new();
    let (mut rig, ears) = desk.rig().await;
    let mut phone = connect(&rig).await;
    let pong = desk
        .drive(&mut [&mut rig], async {
            write(&mut phone, "\r\n\r\n").await;
            let first = read(&mut phone, 2).await;
            write(&mut phone, &(request("OPTIONS", 1) + "\r\n\r\n")).await;
            first + &read(&mut phone, 2).await
        })
        .await;
    assert_eq!(pong, "\r\n\r\n");
    assert_eq!(ears.rest(), ["OPTIONS 1"]);
}

#[tokio::test]
async fn a_fault_of_framing_is_answered_and_ends_the_connection() {
    for (line, expected) in [
        ("", "SIP/2.0 400 Missing Content-Length\r\n"),
        ("Content-Length: x\r\n", "SIP/2.0 400 Bad Content-Length\r\n"),
        ("Content-Length: 1\r\nl: 1\r\n", "SIP/2.0 400 Bad Content-Length\r\n"),
        ("Content-Length: 70000\r\n", "SIP/2.0 513 Message Too Large\r\n"),
    ] {
        let desk = Desk::new();
        let (mut rig, ears) = desk.rig().await;
        let mut phone = connect(&rig).await;
        let good = request("MESSAGE", 1);
        let bad = request("OPTIONS", 2).replace("Content-Length: 0\r\n", line);
        let answer = desk
            .drive(&mut [&mut rig], async {
                // More follows than one turn reads: the answer must survive it.
                write(&mut phone, &(good + &bad + &"x".repeat(300_000))).await;
                read_to_end(&mut phone).await
            })
            .await;
        assert!(answer.starts_with(expected), "{line}: {answer}");
        assert!(answer.contains("\r\nCSeq: 2 OPTIONS\r\n"), "{answer}");
        assert_eq!(ears.rest(), ["MESSAGE 1"], "what came before the fault counts");
        rig.page_has("sip_malformed_total{node=\"A\"} 1");
        drop(phone);
        desk.settle(&mut [&mut rig]).await;
        rig.page_has("sip_connections_open{node=\"A\"} 0");
    }
}

#[tokio::test]
async fn whoever_does_not_speak_sip_hears_nothing() {
    let ack = later("ACK", 1).replace("Content-Length: 0\r\n", "");
    let ok = response(200, "TCP a;branch=z9hG4bK00a").replace("Content-Length: 0\r\n", "");
    for text in ["\u{1}\u{2}", "?", &ack, &ok] {
        let desk = Desk::new();
        let (mut rig, ears) = desk.rig().await;
        let mut phone = connect(&rig).await;
        let answer = desk
            .drive(&mut [&mut rig], async {
                write(&mut phone, text).await;
                read_to_end(&mut phone).await
            })
            .await;
        assert_eq!(answer, "", "{text:?}");
        assert_eq!(ears.rest(), Vec::<String>::new());
        rig.page_has("sip_malformed_total{node=\"A\"} 1");
    }
}

#[tokio::test]
async fn a_connection_that_ends_is_not_used_again_and_not_waited_for() {
    let desk = Desk::new();
    let (mut rig, ears) = desk.rig().await;
    let mut phone = connect(&rig).await;
    desk.drive(&mut [&mut rig], async {
        write(&mut phone, &request("OPTIONS", 1)).await;
        ears.words(1).await;
        write(&mut phone, "?").await;
        read_to_end(&mut phone).await
    })
    .await;
    // The phone does not close: nobody listens where its connection came from.
    let remote = phone.local_addr().expect("its address");
    rig.send(address(Protocol::Tcp, remote), &request("NOTIFY", 1), 5);
    assert_eq!(desk.drive(&mut [&mut rig], ears.words(1)).await, ["failed 5"]);
    rig.page_has("sip_connections_open{node=\"A\"} 1");
    rig.ahead += STREAM_LINGER_TIME + MARGIN;
    desk.settle(&mut [&mut rig]).await;
    rig.page_has("sip_connections_open{node=\"A\"} 0");
}

#[tokio::test]
async fn responses_and_requests_use_the_connection_of_the_phone() {
    let desk = Desk::new();
    let (mut rig, ears) = desk.rig().await;
    let mut phone = connect(&rig).await;
    let via = "TCP 127.0.0.1:9;branch=z9hG4bK00a";
    let packet = desk
        .drive(&mut [&mut rig], async {
            write(&mut phone, &request_via("INVITE", 1, via)).await;
            ears.next().await
        })
        .await;
    let Event::Packet(packet) = packet else { panic!("no message") };
    let answers = [response(100, via), response(180, via), response(200, via)];
    for answer in &answers {
        rig.send(Destination::Flow(packet.flow), answer, 1);
    }
    let bye = later("BYE", 9);
    rig.send(address(Protocol::Tcp, packet.flow.remote), &bye, 2);
    let expected = answers.concat() + &bye;
    let seen = desk.drive(&mut [&mut rig], read(&mut phone, expected.len())).await;
    assert_eq!(seen, expected, "in order, by one connection");
    rig.page_has("sip_connections_open{node=\"A\"} 1");
    rig.page_has(
        "sip_requests_total{node=\"A\",method=\"BYE\",direction=\"out\",transport=\"tcp\"} 1",
    );
}

#[tokio::test]
async fn a_response_without_its_connection_makes_a_new_one() {
    let desk = Desk::new();
    let (mut rig, ears) = desk.rig().await;
    let listener = listener().await;
    let via = format!("TCP {};branch=z9hG4bK00a", local_port(&listener));
    let mut phone = connect(&rig).await;
    let packet = desk
        .drive(&mut [&mut rig], async {
            write(&mut phone, &request_via("INVITE", 1, &via)).await;
            ears.next().await
        })
        .await;
    let Event::Packet(packet) = packet else { panic!("no message") };
    drop(phone);
    desk.settle(&mut [&mut rig]).await;
    rig.page_has("sip_connections_open{node=\"A\"} 0");
    let answer = response(200, &via);
    rig.send(Destination::Flow(packet.flow), &answer, 1);
    let seen = desk
        .drive(&mut [&mut rig], async {
            let (mut phone, _) = listener.accept().await.expect("a connection");
            read(&mut phone, answer.len()).await
        })
        .await;
    assert_eq!(seen, answer);
}

#[tokio::test]
async fn a_refused_connection_fails_all_that_waits_and_nothing_later() {
    let desk = Desk::new();
    let (mut rig, ears) = desk.rig().await;
    // A port that is taken and where nobody listens yet.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("bound");
    let remote = socket.local_addr().expect("its address");
    for index in 1..=3 {
        rig.send(address(Protocol::Tcp, remote), &request("INVITE", index), index);
    }
    let failed = desk.drive(&mut [&mut rig], ears.words(3)).await;
    assert_eq!(failed, ["failed 1", "failed 2", "failed 3"]);
    rig.page_has("sip_send_failures_total{node=\"A\"} 3");
    rig.page_has("sip_connections_open{node=\"A\"} 0");
    let listener = socket.listen(8).expect("a listener");
    let text = request("INVITE", 4);
    rig.send(address(Protocol::Tcp, remote), &text, 4);
    let seen = desk
        .drive(&mut [&mut rig], async {
            let (mut phone, _) = listener.accept().await.expect("a connection");
            read(&mut phone, text.len()).await
        })
        .await;
    assert_eq!(seen, text);
    assert_eq!(ears.rest(), Vec::<String>::new());
}

#[tokio::test]
async fn a_connection_that_is_never_made_is_given_up() {
    let desk = Desk::new();
    let (mut rig, ears) = desk.rig().await;
    // A listener whose queue is full answers nobody.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("bound");
    let listener = socket.listen(1).expect("a listener");
    let mut fillers = Vec::new();
    for _ in 0..8 {
        let filler = TcpStream::connect(local_port(&listener));
        if let Ok(Ok(filler)) = tokio::time::timeout(MARGIN, filler).await {
            fillers.push(filler);
        }
    }
    rig.send(address(Protocol::Tcp, local_port(&listener)), &request("INVITE", 1), 6);
    desk.settle(&mut [&mut rig]).await;
    assert_eq!(ears.rest(), Vec::<String>::new(), "it waits");
    rig.ahead += CONNECT_TIME + MARGIN;
    assert_eq!(desk.drive(&mut [&mut rig], ears.words(1)).await, ["failed 6"]);
}

/// Sends to a peer that reads nothing until one message finds no room, and gives its
/// number.
async fn stall(desk: &Desk, rig: &mut Rig, ears: &Ears, remote: SocketAddr, text: &str) -> u32 {
    for sent in 1..2_000 {
        // The system's own buffers take some megabytes before ours begins to fill.
        rig.send(address(Protocol::Tcp, remote), text, sent);
        desk.settle(&mut [&mut *rig]).await;
        let failed = ears.rest();
        if !failed.is_empty() {
            assert_eq!(failed, [format!("failed {sent}")], "the one too many, and at once");
            return sent;
        }
    }
    panic!("the backlog has no limit");
}

fn assert_all_failed(failed: &[String], last: u32, text: &str) {
    let waiting = CONNECTION_BACKLOG_LEN_MAX / text.len();
    assert!(failed.len().abs_diff(waiting) <= 1, "{} for {waiting}", failed.len());
    assert_eq!(failed.last(), Some(&format!("failed {last}")), "in their order");
}

#[tokio::test]
async fn a_peer_that_reads_nothing_is_cut_off_with_its_messages() {
    let desk = Desk::new();
    let (mut rig, ears) = desk.rig().await;
    let listener = listener().await;
    let text = request("MESSAGE", 1) + &"x".repeat(60_000);
    let sent = stall(&desk, &mut rig, &ears, local_port(&listener), &text).await;
    let (_phone, _) = listener.accept().await.expect("a connection");
    rig.page_has("sip_connections_open{node=\"A\"} 1");
    rig.ahead += STREAM_WRITE_TIME + MARGIN;
    desk.settle(&mut [&mut rig]).await;
    assert_all_failed(&ears.rest(), sent - 1, &text);
    rig.page_has("sip_connections_open{node=\"A\"} 0");
}

#[tokio::test]
async fn a_peer_that_goes_away_fails_what_was_not_written() {
    let desk = Desk::new();
    let (mut rig, ears) = desk.rig().await;
    let listener = listener().await;
    let text = request("MESSAGE", 1) + &"x".repeat(60_000);
    let sent = stall(&desk, &mut rig, &ears, local_port(&listener), &text).await;
    let (phone, _) = listener.accept().await.expect("a connection");
    drop(phone);
    let waiting = CONNECTION_BACKLOG_LEN_MAX / text.len() - 1;
    let failed = desk.drive(&mut [&mut rig], ears.words(waiting)).await;
    assert_all_failed(&[failed, ears.rest()].concat(), sent - 1, &text);
    rig.page_has("sip_connections_open{node=\"A\"} 0");
}

#[tokio::test]
async fn pings_of_a_peer_that_reads_nothing_take_no_memory() {
    let desk = Desk::new();
    let (mut rig, _ears) = desk.rig().await;
    let mut phone = connect(&rig).await;
    let pings = "\r\n\r\n".repeat(4_096);
    let wrote = desk
        .drive(&mut [&mut rig], async {
            for wrote in 0..1_000 {
                let write = phone.write_all(pings.as_bytes());
                match tokio::time::timeout(Duration::from_secs(1), write).await {
                    Ok(Ok(())) => tokio::task::yield_now().await,
                    Ok(Err(_)) | Err(_) => return wrote,
                }
            }
            1_000
        })
        .await;
    assert_eq!(wrote, 1_000, "they are read on");
    rig.page_has("sip_connections_open{node=\"A\"} 1");
    rig.ahead += STREAM_WRITE_TIME + MARGIN;
    desk.settle(&mut [&mut rig]).await;
    rig.page_has("sip_connections_open{node=\"A\"} 0");
}

#[tokio::test]
async fn idle_connections_are_closed_and_used_ones_are_not() {
    let desk = Desk::new();
    let (mut rig, ears) = desk.rig().await;
    let (mut used, mut idle) = (connect(&rig).await, connect(&rig).await);
    desk.settle(&mut [&mut rig]).await;
    rig.ahead += STREAM_IDLE_TIME - Duration::from_secs(5);
    desk.drive(&mut [&mut rig], async {
        write(&mut used, &request("OPTIONS", 1)).await;
        ears.words(1).await
    })
    .await;
    rig.page_has("sip_connections_open{node=\"A\"} 2");
    rig.ahead += Duration::from_secs(6);
    assert_eq!(desk.drive(&mut [&mut rig], read_to_end(&mut idle)).await, "");
    rig.page_has("sip_connections_open{node=\"A\"} 1");
    rig.ahead += STREAM_IDLE_TIME;
    assert_eq!(desk.drive(&mut [&mut rig], read_to_end(&mut used)).await, "");
}

#[tokio::test]
async fn half_a_message_has_its_time() {
    let desk = Desk::new();
    let (mut rig, ears) = desk.rig().await;
    let mut phone = connect(&rig).await;
    let text = request("INVITE", 1);
    let (first, rest) = text.split_at(50);
    write(&mut phone, first).await;
    desk.settle(&mut [&mut rig]).await;
    rig.ahead += STREAM_MESSAGE_TIME - Duration::from_secs(5);
    desk.drive(&mut [&mut rig], async {
        write(&mut phone, &format!("{rest}{first}")).await;
        ears.words(1).await
    })
    .await;
    rig.ahead += Duration::from_secs(6);
    desk.settle(&mut [&mut rig]).await;
    rig.page_has("sip_connections_open{node=\"A\"} 1");
    // Bytes that trickle do not help it.
    write(&mut phone, &rest[..1]).await;
    desk.settle(&mut [&mut rig]).await;
    rig.ahead += STREAM_MESSAGE_TIME;
    assert_eq!(desk.drive(&mut [&mut rig], read_to_end(&mut phone)).await, "");
}

#[tokio::test]
async fn a_turn_looks_at_the_connections_that_have_work() {
    let desk = Desk::new();
    let (mut rig, ears) = desk.rig().await;
    let mut phones = Vec::new();
    for _ in 0..100 {
        phones.push(connect(&rig).await);
        desk.settle(&mut [&mut rig]).await;
    }
    assert_eq!(rig.module.turn(desk.now(&rig)), 0);
    write(&mut phones[42], &request("OPTIONS", 1)).await;
    let mut works = Vec::new();
    while ears.shards[0].is_empty() {
        tokio::task::yield_now().await;
        works.push(rig.module.turn(desk.now(&rig)));
    }
    works.retain(|work| *work > 0);
    assert_eq!(works, [2], "one connection, one read");
}

#[tokio::test]
async fn one_connection_too_many_is_closed_and_the_others_stay() {
    let desk = Desk::new();
    let (mut rig, ears) = desk.rig().await;
    rig.module.connections_max = 2;
    let (mut first, _second) = (connect(&rig).await, connect(&rig).await);
    desk.settle(&mut [&mut rig]).await;
    let mut third = connect(&rig).await;
    assert_eq!(desk.drive(&mut [&mut rig], read_to_end(&mut third)).await, "");
    rig.page_has("sip_connections_open{node=\"A\"} 2");
    rig.page_has("sip_connections_refused_total{node=\"A\"} 1");
    let listener = listener().await;
    rig.send(address(Protocol::Tcp, local_port(&listener)), &request("INVITE", 1), 1);
    write(&mut first, &request("OPTIONS", 2)).await;
    let words = desk.drive(&mut [&mut rig], ears.words(2)).await;
    assert!(words.contains(&"failed 1".to_owned()) && words.contains(&"OPTIONS 2".to_owned()));
    drop(first);
    desk.settle(&mut [&mut rig]).await;
    let mut fourth = connect(&rig).await;
    let pong = desk
        .drive(&mut [&mut rig], async {
            write(&mut fourth, "\r\n\r\n").await;
            read(&mut fourth, 2).await
        })
        .await;
    assert_eq!(pong, "\r\n", "there is room again");
}

#[tokio::test]
async fn a_system_without_room_is_not_asked_again_at_once() {
    let desk = Desk::new();
    let (mut rig, _ears) = desk.rig().await;
    desk.settle(&mut [&mut rig]).await;
    let now = desk.now(&rig);
    // EMFILE: too many open files.
    rig.module.not_accepted(&std::io::Error::from_raw_os_error(24), now);
    assert_eq!(rig.module.next_deadline(), now + ACCEPT_PAUSE);
    let _phone = connect(&rig).await;
    for _ in 0..20 {
        rig.module.turn(now);
        tokio::task::yield_now().await;
    }
    rig.page_has("sip_connections_open{node=\"A\"} 0");
    rig.ahead += ACCEPT_PAUSE;
    desk.settle(&mut [&mut rig]).await;
    rig.page_has("sip_connections_open{node=\"A\"} 1");
    // ECONNABORTED concerns one connection only.
    rig.module.not_accepted(&std::io::Error::from_raw_os_error(103), now);
    assert!(rig.module.next_deadline() > now + STREAM_MESSAGE_TIME);
}

#[tokio::test]
async fn a_flow_of_a_connection_that_never_was_goes_to_its_address() {
    let desk = Desk::new();
    let (mut rig, _ears) = desk.rig().await;
    let listener = listener().await;
    let flow = Flow {
        protocol: Protocol::Tcp,
        local: rig.address,
        remote: local_port(&listener),
        connection: crate::base::flow::ConnectionId(77),
    };
    let text = later("BYE", 2);
    rig.send(Destination::Flow(flow), &text, 1);
    let seen = desk
        .drive(&mut [&mut rig], async {
            let (mut phone, _) = listener.accept().await.expect("a connection");
            read(&mut phone, text.len()).await
        })
        .await;
    assert_eq!(seen, text);
}
