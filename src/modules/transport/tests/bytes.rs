//! What is decided by the bytes of a message.

use super::super::core::{
    Kind, framing_answer, no_room, peek_starts, shard_of, starts_something, without_connection,
};
use super::{later, request, request_via, response};
use crate::base::flow::{ConnectionId, Flow, Protocol};
use crate::base::id::Shard;
use crate::sip::framing::{FramingError, FramingFault};
use crate::sip::message::{HeaderId, Message, Method, scan};

fn message(text: &str) -> Message {
    scan(text.as_bytes().to_vec()).expect("a message")
}

fn flow(protocol: Protocol) -> Flow {
    let local = "127.0.0.1:5060".parse().expect("an address");
    let remote = "127.0.0.9:4444".parse().expect("an address");
    Flow { protocol, local, remote, connection: ConnectionId::default() }
}

#[test]
fn a_response_goes_to_the_shard_of_its_branch() {
    let of = |branch: &str, shards| {
        shard_of(&message(&response(200, &format!("UDP a;branch={branch}"))), shards)
    };
    assert_eq!(of("z9hG4bK01abc", 2), Shard(1));
    assert_eq!(of("z9hG4bKffabc", 2), Shard::SERVICE_CHECKER);
    for foreign in ["z9hG4bK07abc", "z9hG4bKxyz", "z9hG4bK", "01", ""] {
        assert!(of(foreign, 2).0 < 2, "{foreign}");
    }
}

#[test]
fn requests_with_one_call_id_go_to_one_shard() {
    let first = shard_of(&message(&request("INVITE", 1)), 16);
    assert_eq!(shard_of(&message(&later("BYE", 2)), 16), first);
    let shards: std::collections::BTreeSet<Shard> = (0..200)
        .map(|at| request("INVITE", 1).replace("Call-ID: x", &format!("Call-ID: {at}")))
        .map(|text| shard_of(&message(&text), 16))
        .collect();
    assert_eq!(shards.len(), 16, "all are used");
    assert_eq!(shard_of(&message(&request("INVITE", 1)), 0), Shard(0), "even of none");
}

#[test]
fn no_request_reaches_the_service_checker_by_its_number() {
    let uri = format!("sip:ff{}@127.0.0.1", "a".repeat(crate::base::seal::TOKEN_LEN));
    let text = later("BYE", 2).replace("sip:7001@127.0.0.1", &uri);
    assert!(shard_of(&message(&text), 4).0 < 4);
}

#[test]
fn a_peek_says_what_a_scan_says() {
    let spaced =
        response(180, "UDP a;branch=z9hG4bK00a").replace("CSeq: 1 INVITE", "cseq :  1  INVITE");
    for text in [
        request("INVITE", 1),
        request("SUBSCRIBE", 1),
        request("invite", 1),
        request("CANCEL", 1),
        later("INVITE", 2),
        later("BYE", 2),
        later("ACK", 1),
        request("INVITE", 1).replace("To: <sip:b@b>", "t : <sip:b@b>;Tag=5"),
        request("INVITE", 1).replace("To:", "Tolerance: ;tag=3\r\nTo:"),
        response(200, "UDP a;branch=z9hG4bK00a"),
        spaced,
    ] {
        let scanned = message(&text);
        assert_eq!(Kind::peek(text.as_bytes()), Kind::of(&scanned), "{text}");
        assert_eq!(peek_starts(text.as_bytes()), starts_something(&scanned), "{text}");
    }
}

#[test]
fn a_peek_at_rubbish_ends() {
    for text in ["", "SIP/2.0 ", "SIP/2.0 20", "SIP/2.0 xyz\r\n", "\n\n\n", "INVITE", ":\n:", "C\n"]
    {
        let _ = Kind::peek(text.as_bytes());
        let _ = peek_starts(text.as_bytes());
    }
    assert_eq!(Kind::peek(b"SIP/2.0 486 Busy\r\n\r\n"), Kind::Response(Method::Other, 486));
}

#[test]
fn a_refusal_has_what_a_response_must_have() {
    let via = "UDP 127.0.0.1:9;rport;branch=z9hG4bK00a";
    let refused = message(&request_via("INVITE", 1, via));
    let bytes = no_room(&refused, &flow(Protocol::Udp)).expect("an answer");
    let answer = scan(bytes.to_vec()).expect("a response");
    assert_eq!((answer.fault(), answer.status(), answer.method()), (None, 503, Method::Invite));
    assert_eq!(answer.header(HeaderId::RetryAfter), Some(&b"5"[..]));
    assert!(!answer.to_tag().is_empty());
    let via = answer.top_via().expect("a Via");
    assert_eq!((via.received(), via.rport()), ("127.0.0.9".parse().ok(), Some(4444)));
}

#[test]
fn what_is_not_refused_in_words() {
    let udp = flow(Protocol::Udp);
    for text in [
        request("ACK", 1),
        later("ACK", 1),
        response(200, "UDP a;branch=z9hG4bK00a"),
        // These come again by themselves, and a refusal would be final.
        later("BYE", 2),
        request("CANCEL", 1),
        later("INFO", 2),
    ] {
        assert_eq!(no_room(&message(&text), &udp), None, "{text}");
    }
    let tcp = flow(Protocol::Tcp);
    assert!(no_room(&message(&later("BYE", 2)), &tcp).is_some(), "it does not come again");
    assert_eq!(no_room(&message(&later("ACK", 1)), &tcp), None);
}

fn fault(fault: FramingFault, head: &str) -> FramingError {
    FramingError { fault, head: head.as_bytes().to_vec() }
}

#[test]
fn a_framing_fault_is_answered_with_its_code_and_reason() {
    let request = request("OPTIONS", 1).replace("Content-Length: 0\r\n", "");
    for (kind, line) in [
        (FramingFault::NoLength, "SIP/2.0 400 Missing Content-Length\r\n"),
        (FramingFault::BadLength, "SIP/2.0 400 Bad Content-Length\r\n"),
        (FramingFault::TooLong, "SIP/2.0 513 Message Too Large\r\n"),
    ] {
        let answer = framing_answer(&fault(kind, &request), &flow(Protocol::Tcp)).expect("one");
        assert!(answer.starts_with(line.as_bytes()), "{answer:?}");
        assert_eq!(scan(answer.to_vec()).expect("a response").fault(), None);
    }
}

#[test]
fn a_framing_fault_of_something_else_has_no_answer() {
    let tcp = flow(Protocol::Tcp);
    let ack = later("ACK", 1).replace("Content-Length: 0\r\n", "");
    let ok = response(200, "TCP a;branch=z9hG4bK00a").replace("Content-Length: 0\r\n", "");
    let without_via = request("OPTIONS", 1).replace("Via:", "Vio:");
    for head in [ack.as_str(), &ok, &without_via, "", "GET / HTTP/1.1\r\n\r\n"] {
        assert_eq!(framing_answer(&fault(FramingFault::NoLength, head), &tcp), None, "{head}");
    }
}

#[test]
fn a_response_without_its_connection_goes_where_the_requester_listens() {
    let remote = "127.0.0.9:4444".parse().expect("an address");
    let to = |text: &str| without_connection(&text.as_bytes().to_vec().into(), remote).to_string();
    assert_eq!(to(&response(200, "TCP 10.0.0.1:5070;branch=z9hG4bK00a")), "127.0.0.9:5070");
    assert_eq!(to(&response(200, "TCP 10.0.0.1;branch=z9hG4bK00a")), "127.0.0.9:5060");
    assert_eq!(to("SIP/2.0 rubbish"), "127.0.0.9:4444");
    assert_eq!(to(&request("BYE", 2)), "127.0.0.9:4444");
}
