use super::*;
use proptest::prelude::*;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn request() -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: sip-ws.example.com\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nOrigin: http://www.example.com\r\nSec-WebSocket-Protocol: xmpp, sip\r\n\
         Sec-WebSocket-Version: 13\r\n\r\n"
    )
}

fn replies(given: &[Given]) -> String {
    let replies = given.iter().filter_map(|given| match given {
        Given::Reply(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Given::Message(_) => None,
    });
    replies.collect()
}

/// A session that is open, and the client's end of it.
fn open() -> (Session, WebSocketContext) {
    let mut session = Session::default();
    let mut given = Vec::new();
    session.push(request().as_bytes(), &mut given).expect("a handshake");
    assert!(!session.is_opening());
    (session, WebSocketContext::new(Role::Client, None))
}

/// What a client sends.
fn sent(client: &mut WebSocketContext, message: Message) -> Vec<u8> {
    let mut pipe = Pipe { input: &[], output: Vec::new() };
    client.write(&mut pipe, message).expect("room");
    client.flush(&mut pipe).expect("room");
    pipe.output
}

fn heard(client: &mut WebSocketContext, bytes: &[u8]) -> Message {
    client.read(&mut Pipe { input: bytes, output: Vec::new() }).expect("a message")
}

/// A frame of a client with a mask of noughts.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("short");
    assert!(length < 126);
    [&[first, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

/// RFC 6455 1.3, RFC 7118 4.2: the answer to that key; and however it is cut.
#[test]
fn the_handshake_is_answered() {
    let text = request();
    for cut in 0..text.len() {
        let mut session = Session::default();
        let mut given = Vec::new();
        let (first, rest) = text.as_bytes().split_at(cut);
        session.push(first, &mut given).expect("a handshake");
        assert!(given.is_empty() && session.is_opening());
        assert_eq!(session.wrap(b"OPTIONS"), None, "not yet");
        session.push(rest, &mut given).expect("a handshake");
        let answer = replies(&given);
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        assert!(answer.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
        assert!(answer.contains("Sec-WebSocket-Protocol: sip\r\n"));
    }
}

#[test]
fn what_is_no_handshake_for_sip_is_refused() {
    let long = format!("Cookie: {}\r\nUpgrade", "a".repeat(WEB_SOCKET_HEAD_LEN_MAX));
    let many = "X: 1\r\n".repeat(WEB_SOCKET_HEADERS_MAX) + "Upgrade";
    for (from, to, status) in [
        ("GET", "POST", "405"),
        ("Upgrade: websocket", "Upgrade: h2c", "426"),
        ("Connection: keep-alive, Upgrade", "Connection: close", "426"),
        ("Version: 13", "Version: 8", "426"),
        ("HTTP/1.1", "HTTP/1.0", "400"),
        ("Host:", "Guest:", "400"),
        (KEY, "c2hvcnQ=", "400"),
        ("xmpp, sip", "xmpp", "400"),
        ("Sec-WebSocket-Protocol: xmpp, sip\r\n", "", "400"),
        ("GET / HTTP/1.1", "OPTIONS sip:example.com SIP/2.0", "400"),
        ("GET / HTTP/1.1", "\u{16}\u{3}\u{1}", "400"),
        ("Upgrade", &long, "431"),
        ("Upgrade", &many, "431"),
    ] {
        let text = request().replacen(from, to, 1);
        let mut session = Session::default();
        let mut given = Vec::new();
        let ended = session.push(text.as_bytes(), &mut given);
        assert!(matches!(ended, Err(Ended::Refused(_))), "{from} {to}: {ended:?}");
        let answer = replies(&given);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{from} {to}: {answer}");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{answer}");
        given.clear();
        assert_eq!(session.push(request().as_bytes(), &mut given), Ok(()));
        assert!(given.is_empty() && session.wrap(b"OPTIONS").is_none(), "it is over");
    }
    // One that never ends.
    let mut session = Session::default();
    let mut given = Vec::new();
    let endless = b"GET / HTTP/1.1\r\nX: ".iter().chain(core::iter::repeat(&b'a'));
    let endless: Vec<u8> = endless.copied().take(WEB_SOCKET_HEAD_LEN_MAX + 1).collect();
    assert!(session.push(&endless, &mut given).is_err());
}

#[test]
fn one_message_is_one_message() {
    let (mut session, mut client) = open();
    let mut given = Vec::new();
    let text = "OPTIONS sip:example.com SIP/2.0\r\n\r\n";
    let binary = b"MESSAGE sip:example.com SIP/2.0\r\n\r\n\xff";
    let bytes = [
        sent(&mut client, Message::text(text)),
        sent(&mut client, Message::binary(&binary[..])),
        // In fragments, with a ping between them (RFC 6455 5.4).
        frame(0x01, &text.as_bytes()[..10]),
        frame(0x89, b"here?"),
        frame(0x00, &text.as_bytes()[10..20]),
        frame(0x80, &text.as_bytes()[20..]),
    ]
    .concat();
    for byte in bytes {
        let before = given.len();
        session.push(&[byte], &mut given).expect("frames");
        assert!(session.is_inside_message() || given.len() > before);
    }
    assert!(!session.is_inside_message());
    let pong = Bytes::from_static(b"\x8a\x05here?");
    assert_eq!(
        given,
        [
            Given::Message(text.into()),
            Given::Message(binary.to_vec()),
            Given::Reply(pong),
            Given::Message(text.into()),
        ]
    );
}

#[test]
fn frames_may_come_with_the_handshake() {
    let mut client = WebSocketContext::new(Role::Client, None);
    let bytes = [request().into_bytes(), sent(&mut client, Message::text("OPTIONS"))].concat();
    let mut given = Vec::new();
    Session::default().push(&bytes, &mut given).expect("both");
    assert_eq!(given[1..], [Given::Message(b"OPTIONS".to_vec())]);
}

#[test]
fn messages_go_as_text_where_they_are() {
    let (mut session, mut client) = open();
    let bytes = session.wrap("SIP/2.0 200 Grüße".as_bytes()).expect("open");
    assert_eq!(heard(&mut client, &bytes), Message::text("SIP/2.0 200 Grüße"));
    let bytes = session.wrap(b"SIP/2.0 200 \xff").expect("open");
    assert_eq!(heard(&mut client, &bytes), Message::binary(&b"SIP/2.0 200 \xff"[..]));
    let long = vec![b'a'; MESSAGE_LEN_MAX];
    let bytes = session.wrap(&long).expect("open");
    assert_eq!(heard(&mut client, &bytes).len(), long.len());
}

/// RFC 5626 4.4.1 as some clients have it: two line ends are answered with one.
#[test]
fn line_ends_are_signs_of_life() {
    let (mut session, mut client) = open();
    let mut given = Vec::new();
    let bytes = sent(&mut client, Message::text("\r\n\r\n"));
    session.push(&bytes, &mut given).expect("frames");
    assert_eq!(given, [Given::Reply(Bytes::from_static(b"\x81\x02\r\n"))]);
    given.clear();
    let bytes = sent(&mut client, Message::text("\r\n"));
    session.push(&bytes, &mut given).expect("frames");
    assert!(given.is_empty(), "that is an answer");
}

#[test]
fn an_end_is_answered_and_a_break_is_one() {
    let long = vec![b'a'; MESSAGE_LEN_MAX + 1];
    let whole = |client: &mut WebSocketContext| sent(client, Message::binary(long.clone()));
    let (_, mut client) = open();
    for (bytes, ended, code) in [
        (frame(0x88, &1000_u16.to_be_bytes()), Ended::Closed, 1000_u16),
        (vec![0x81, 0x01, b'a'], Ended::Broken, 1002),
        (frame(0x80, b"behind nothing"), Ended::Broken, 1002),
        (frame(0xc1, b"reserved"), Ended::Broken, 1002),
        (frame(0x81, b"\xff\xfe"), Ended::Broken, 1007),
        (whole(&mut client), Ended::Broken, 1009),
    ] {
        let (mut session, _) = open();
        let mut given = Vec::new();
        assert_eq!(session.push(&bytes, &mut given), Err(ended), "{code}");
        let Some(Given::Reply(reply)) = given.last() else { panic!("{code}: {given:?}") };
        assert_eq!(reply[0], 0x88, "{code}: a close");
        assert_eq!(reply[2..4], code.to_be_bytes(), "{code}");
        assert_eq!(session.wrap(b"OPTIONS"), None);
        assert_eq!(session.push(&bytes, &mut Vec::new()), Ok(()), "nothing more is read");
    }
    let (mut session, mut client) = open();
    let bytes = session.close().expect("open");
    assert!(matches!(heard(&mut client, &bytes), Message::Close(Some(_))));
    assert_eq!(session.close(), None);
}

proptest! {
    #[test]
    fn no_bytes_are_too_much(bytes: Vec<u8>, is_open: bool, cut in 1_usize..64) {
        let mut session = if is_open { open().0 } else { Session::default() };
        let mut given = Vec::new();
        for part in bytes.chunks(cut) {
            if session.push(part, &mut given).is_err() {
                break;
            }
        }
    }
}
