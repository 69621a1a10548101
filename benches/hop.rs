//! What one hop of a proxy costs in the message layer: scan an INVITE, read what
//! routing needs, write it with Via, Record-Route and Max-Forwards changed.
//! Not measured here: transactions, sockets.

use sipcluster::runtime::clock::Clock;
use sipcluster::sip::message::{Edits, HeaderId, scan};
use std::hint::black_box;
use std::io::Write as _;

const ROUNDS: u64 = 200_000;

fn invite() -> Vec<u8> {
    let body = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
                m=audio 6000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";
    format!(
        "INVITE sip:7001@127.0.0.1 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK776asdhds;rport\r\n\
         Max-Forwards: 70\r\nFrom: \"Alice\" <sip:7002@127.0.0.1>;tag=1928301774\r\n\
         To: <sip:7001@127.0.0.1>\r\nCall-ID: a84b4c76e66710@192.0.2.1\r\nCSeq: 314159 INVITE\r\n\
         Contact: <sip:7002@192.0.2.1:5060>\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\n\
         Supported: replaces, timer\r\nUser-Agent: bench\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn hop(bytes: Vec<u8>) -> usize {
    let Ok(message) = scan(bytes) else { return 0 };
    let read = message.call_id().len() + message.from_tag().len() + message.request_uri().len();
    let mut edits = Edits::new(&message);
    edits
        .prepend(
            HeaderId::Via,
            b"SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK00abcdefghijklmnopqrstuvwxyz",
        )
        .prepend(HeaderId::RecordRoute, b"<sip:127.0.0.1:5060;lr;t=abcdefghijklmnopqrstuvwxyz>")
        .set(HeaderId::MaxForwards, b"69");
    read + edits.write().len()
}

fn main() -> std::io::Result<()> {
    let (clock, bytes) = (Clock::start(), invite());
    let mut best_ns = u64::MAX;
    for _ in 0..5 {
        let start = clock.now();
        for _ in 0..ROUNDS {
            black_box(hop(black_box(bytes.clone())));
        }
        best_ns = best_ns.min(clock.now().0.saturating_sub(start.0) / ROUNDS);
    }
    writeln!(
        std::io::stdout(),
        "hop: {best_ns} ns for an INVITE of {} bytes, best of 5",
        bytes.len()
    )
}
