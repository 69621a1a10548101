//! The message layer as a whole: scan, faults, edits. Not verified here: the
//! pieces of grammar, which have their tests beside them.

use super::*;

const INVITE: &str = "INVITE sip:7001@127.0.0.1 SIP/2.0\r\n\
    Via: SIP/2.0/UDP 127.0.0.3:5061;branch=z9hG4bK1;rport, SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK0\r\n\
    f: \"A, B\" <sip:7002@127.0.0.1>;tag=a\r\n\
    To: <sip:7001@127.0.0.1>\r\n\
    Call-ID: c1\r\n\
    CSeq: 1 INVITE\r\n\
    Subject: folded\r\n\
    \x20 here\r\n\
    Route: <sip:p1;lr>,<sip:p2;lr>\r\n\
    Route: <sip:p3;lr>\r\n\
    Max-Forwards: 70\r\n\
    Content-Type: application/sdp\r\n\
    Content-Length: 5\r\n\r\nv=0\r\n";

fn good(text: &str) -> Message {
    let message = scan(text.as_bytes().to_vec()).expect("a message");
    assert_eq!(message.fault(), None);
    message
}

fn fault(text: &str) -> Option<Fault> {
    scan(text.as_bytes().to_vec()).expect("an answerable message").fault()
}

#[test]
fn a_request_is_indexed() {
    let message = good(INVITE);
    assert_eq!(message.method(), Method::Invite);
    assert_eq!(message.request_uri(), b"sip:7001@127.0.0.1");
    assert_eq!((message.cseq(), message.cseq_method()), (1, Method::Invite));
    assert_eq!(message.from_tag(), b"a");
    assert_eq!(message.to_tag(), b"");
    assert_eq!(message.header(HeaderId::Subject), Some(&b"folded    here"[..]));
    assert_eq!(message.values(HeaderId::Route).count(), 3);
    assert_eq!(message.values(HeaderId::Via).count(), 2);
    assert_eq!(message.body().as_ref(), b"v=0\r\n");
}

#[test]
fn edits_touch_nothing_else() {
    let message = good(INVITE);
    assert_eq!(Edits::new(&message).write(), *message.bytes());
    let mut edits = Edits::new(&message);
    edits
        .request_uri(b"sip:x@y")
        .prepend(HeaderId::Via, b"SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK2")
        .replace_first_value(
            HeaderId::Via,
            b"SIP/2.0/UDP 127.0.0.3:5061;branch=z9hG4bK1;rport=5061",
        )
        .remove_values(HeaderId::Route, 1)
        .set(HeaderId::MaxForwards, b"69")
        .remove(HeaderId::Subject)
        .add(HeaderId::Server, b"s");
    let edited = good(core::str::from_utf8(&edits.write()).expect("text"));
    assert_eq!(edited.request_uri(), b"sip:x@y");
    let vias: Vec<&[u8]> = edited.values(HeaderId::Via).collect();
    assert_eq!(vias.len(), 3);
    assert!(vias[0].ends_with(b"z9hG4bK2"));
    assert!(vias[1].ends_with(b"rport=5061"));
    let routes: Vec<&[u8]> = edited.values(HeaderId::Route).collect();
    assert_eq!(routes, [&b"<sip:p2;lr>"[..], b"<sip:p3;lr>"]);
    assert_eq!(edited.max_forwards(), Some(69));
    assert_eq!(edited.header(HeaderId::Subject), None);
    assert_eq!(edited.header(HeaderId::From), message.header(HeaderId::From));
    assert_eq!(edited.body(), message.body());
}

#[test]
fn values_are_removed_across_lines() {
    let message = good(INVITE);
    let mut edits = Edits::new(&message);
    edits.remove_values(HeaderId::Route, 2);
    let edited = good(core::str::from_utf8(&edits.write()).expect("text"));
    assert_eq!(edited.values(HeaderId::Route).collect::<Vec<_>>(), [&b"<sip:p3;lr>"[..]]);
}

#[test]
fn faults_keep_the_message_answerable() {
    let cases = [
        (INVITE.replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia"), Fault::Version),
        (INVITE.replace("sip:7001@127.0.0.1 SIP", "sip:7001@127.0.0.1  SIP"), Fault::StartLine),
        (INVITE.replace("INVITE sip", "INV{ITE sip"), Fault::StartLine),
        (INVITE.replace("sip:7001@127.0.0.1 SIP", "7001 SIP"), Fault::RequestUri),
        (INVITE.replace("Call-ID: c1\r\n", ""), Fault::Missing(HeaderId::CallId)),
        (
            INVITE.replace("Call-ID: c1\r\n", "Call-ID: c1\r\ni: c2\r\n"),
            Fault::Multiple(HeaderId::CallId),
        ),
        (INVITE.replace("CSeq: 1 INVITE", "CSeq: 1 BYE"), Fault::Mismatch),
        (INVITE.replace("CSeq: 1 INVITE", "CSeq: 4294967296 INVITE"), Fault::Value(HeaderId::CSeq)),
        (
            INVITE.replace("Max-Forwards: 70", "Max-Forwards: 256"),
            Fault::Value(HeaderId::MaxForwards),
        ),
        (INVITE.replace("\"A, B\" <", "\"A, B <"), Fault::Value(HeaderId::From)),
        (INVITE.replace("Content-Length: 5", "Content-Length: 6"), Fault::ContentLength),
        (INVITE.replace("Content-Length: 5", "Content-Length: -1"), Fault::ContentLength),
        (INVITE.replace("Content-Length: 5", "Content-Length: 5\r\nl: 5"), Fault::ContentLength),
        (INVITE.replace("Subject: folded", "Subject folded"), Fault::HeaderLine),
    ];
    for (text, expected) in cases {
        assert_eq!(fault(&text), Some(expected), "{text}");
    }
}

#[test]
fn what_cannot_be_answered() {
    assert_eq!(scan(b"\r\n\r\n".to_vec()).err(), Some(ScanError::Empty));
    assert_eq!(scan(b"GET / HTTP/1.1\r\n\r\n".to_vec()).err(), Some(ScanError::NotSip));
    assert_eq!(
        scan(b"INVITE sip:a@b SIP/2.0\r\nVia: x\r\n".to_vec()).err(),
        Some(ScanError::Headers)
    );
    assert_eq!(scan(vec![b'a'; 70_000]).err(), Some(ScanError::TooLong));
    assert_eq!(scan(b"hello".to_vec()).err(), Some(ScanError::NotSip));
}

#[test]
fn datagram_bytes_behind_the_body_are_dropped() {
    let message = good(&format!("{INVITE}trailing"));
    assert_eq!(message.body().as_ref(), b"v=0\r\n");
}

#[test]
fn responses_copy_what_the_rfc_says() {
    let request = good(INVITE);
    let writer = response_to(
        &request,
        486,
        b"",
        b"t1",
        Some(b"SIP/2.0/UDP 127.0.0.3:5061;branch=z9hG4bK1;rport=9"),
    );
    let response = scan(writer.body(None).to_vec()).expect("a message");
    assert_eq!(response.fault(), None);
    assert_eq!((response.status(), response.reason()), (486, &b"Busy Here"[..]));
    assert_eq!(response.to_tag(), b"t1");
    assert_eq!(response.cseq(), 1);
    assert_eq!(response.top_via().and_then(|via| via.rport()), Some(9));
    assert_eq!(response.values(HeaderId::Via).count(), 2);
}

#[test]
fn a_written_header_cannot_smuggle_another() {
    let mut writer = Writer::request(b"OPTIONS", b"sip:a@b");
    writer.named(b"X-Data", b"one\r\nVia: two");
    let bytes = writer.body(None);
    assert!(!bytes.windows(4).any(|window| window == b"Via:"));
}

/// What the check has noted is what a reader of the header would find.
fn assert_places(message: &Message) {
    let value = |id| message.header(id).unwrap_or_default();
    let via = message.values(HeaderId::Via).next().unwrap_or_default();
    assert_eq!(message.top_via_value(), via);
    assert_eq!(message.top_via(), Via::parse(via).ok());
    assert_eq!(message.branch(), Via::parse(via).map(|via| via.branch()).unwrap_or_default());
    let [from, to] = [HeaderId::From, HeaderId::To].map(|id| NameAddr::parse(value(id)).ok());
    assert_eq!((message.from(), message.to()), (from, to));
    let tag = |address: Option<NameAddr<'_>>| {
        address.and_then(|address| address.tag()).unwrap_or_default().to_vec()
    };
    assert_eq!((message.from_tag(), message.to_tag()), (&*tag(from), &*tag(to)));
    assert_eq!(message.uri(), Uri::parse(message.request_uri()));
}

#[test]
fn places_are_those_of_the_parts() {
    for text in [
        INVITE,
        "OPTIONS tel:+1;phone-context=x SIP/2.0\r\nVia: SIP / 2.0 / UDP [::1] : 5 ; branch = z9hG4bK1\r\n\
         From: sip:a@b ;x=1; Tag=1\r\nTo: \"<sip:>\" <sips:h?x=y>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n\r\n",
        "SIP/2.0 200 OK\r\nv: SIP/2.0/UDP h\r\nf: <sip:a@b>;tag=1\r\nt: T <sip:c@d:9;lr>;tag=2;y\r\n\
         i: c\r\nCSeq: 1 BYE\r\n\r\n",
    ] {
        assert_places(&good(text));
    }
    // With a fault, each is read as far as it can be.
    for (from, to) in [
        ("CSeq: 1 INVITE", "CSeq: x"),
        ("f: ", "f: <"),
        ("SIP/2.0/UDP", "SIP"),
        ("sip:7001@", "sip:@"),
    ] {
        let text = INVITE.replacen(from, to, 1);
        assert!(fault(&text).is_some(), "{text}");
        assert_places(&scan(text.into_bytes()).expect("an answerable message"));
    }
}

/// The text is looked at closely only where the count of line ends is wrong.
#[test]
fn stray_line_ends_spoil_their_line_alone() {
    for stray in ["\r", "\n", "\n\r", "\r\r"] {
        let text = INVITE.replace("Subject: folded", &format!("Subject: a{stray}b"));
        let message = scan(text.into_bytes()).expect("an answerable message");
        assert_eq!(message.fault(), Some(Fault::HeaderLine));
        assert_eq!(message.header(HeaderId::Subject), None);
        assert_eq!(message.values(HeaderId::Route).count(), 3);
    }
    // A line that is none and a stray end together.
    let text = INVITE.replace("Subject: folded", "Subject\r\nX: a\nb\r\nY: c");
    let message = scan(text.into_bytes()).expect("an answerable message");
    assert_eq!(message.fault(), Some(Fault::HeaderLine));
    assert_eq!(message.all_headers().filter(|(id, ..)| *id == HeaderId::Other).count(), 1);
}
