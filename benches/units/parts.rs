//! The units below a shard: reading, a hop of the message layer, transactions,
//! bindings, timers, mailboxes.

use core::net::SocketAddr;
use sipcluster::base::flow::{ConnectionId, Flow, Protocol};
use sipcluster::base::id::NodeId;
use sipcluster::base::table::Hasher;
use sipcluster::base::time::{Duration, Instant};
use sipcluster::runtime::mailbox::{Class, mailbox};
use sipcluster::runtime::timer_wheel::TimerWheel;
use sipcluster::sip::message::{Edits, HeaderId, scan};
use sipcluster::sip::registrar::{Change, Contact, Registrar, Update};
use sipcluster::sip::transaction::{ClientInvite, ServerInvite};
use std::hint::black_box;

/// Bindings of the registrar that is asked.
const BINDINGS: usize = 100_000;
/// Of the hashes of their table.
const SECRET: [u64; 4] =
    [0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb, 0xd6e8_feb8_6659_fd93];
/// Messages that are handed over at once.
pub(crate) const BATCH_LEN: usize = 64;

const NOW: Instant = Instant(1_000_000_000_000);

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

fn register() -> Vec<u8> {
    b"REGISTER sip:127.0.0.1 SIP/2.0\r\n\
      Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK776asdhds;rport\r\n\
      Max-Forwards: 70\r\nFrom: <sip:7001@127.0.0.1>;tag=456248\r\nTo: <sip:7001@127.0.0.1>\r\n\
      Call-ID: 843817637684230@998sdasdh09\r\nCSeq: 1826 REGISTER\r\n\
      Contact: <sip:7001@192.0.2.1:5060>\r\nExpires: 3600\r\nUser-Agent: bench\r\n\
      Content-Length: 0\r\n\r\n"
        .to_vec()
}

fn parse(bytes: Vec<u8>) -> Box<dyn FnMut()> {
    Box::new(move || {
        black_box(scan(black_box(bytes.clone())).is_ok());
    })
}

pub(crate) fn parse_invite(_: usize) -> Box<dyn FnMut()> {
    parse(invite())
}

pub(crate) fn parse_register(_: usize) -> Box<dyn FnMut()> {
    parse(register())
}

pub(crate) fn hop(_: usize) -> Box<dyn FnMut()> {
    let bytes = invite();
    Box::new(move || {
        black_box(hopped(black_box(bytes.clone())));
    })
}

fn hopped(bytes: Vec<u8>) -> usize {
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

pub(crate) fn transactions(_: usize) -> Box<dyn FnMut()> {
    Box::new(|| {
        for last in [200, 486] {
            let statuses = black_box([100, 180, last]);
            black_box(server(statuses));
            black_box(client(statuses));
        }
    })
}

/// The life of a server transaction: how many actions it asked for.
fn server(statuses: [u16; 3]) -> usize {
    let mut machine = ServerInvite::new(false);
    let mut actions = machine.on_retransmission().into_iter().count();
    for status in statuses {
        actions += machine.on_answer(status, NOW).into_iter().count();
    }
    if statuses[2] >= 300 {
        actions += machine.on_ack(NOW).into_iter().count();
    }
    let over = machine.next_deadline();
    actions + machine.on_time(over).into_iter().count() + usize::from(machine.is_terminated())
}

/// The life of a client transaction, likewise.
fn client(statuses: [u16; 3]) -> usize {
    let (mut machine, first) = ClientInvite::new(NOW, false);
    let mut actions = first.into_iter().count();
    let again = machine.next_deadline();
    actions += machine.on_time(again).into_iter().count();
    for status in statuses {
        actions += machine.on_response(status, again).into_iter().count();
    }
    let over = machine.next_deadline();
    actions + machine.on_time(over).into_iter().count() + usize::from(machine.is_terminated())
}

pub(crate) fn look_up(_: usize) -> Box<dyn FnMut()> {
    let Some(node) = NodeId::new(1) else { panic!("a node-id") };
    // The same places in every run: an operation is so short that the luck of a run shows.
    let mut registrar = Registrar::with_hasher(Hasher::with_secret(SECRET));
    let names: Vec<String> = (0..BINDINGS).map(|number| (100_000 + number).to_string()).collect();
    let proxy = SocketAddr::from(([127, 0, 0, 1], 5060));
    for name in &names {
        let contact = Contact {
            uri: format!("sip:{name}@192.0.2.1:5060").into(),
            q: 1000,
            expires: Duration::from_secs(3600),
            params: "".into(),
        };
        let update = Update {
            aor: name.as_str().into(),
            call_id: format!("{name}@192.0.2.1").into(),
            cseq: 1,
            change: Change::Contacts(vec![contact]),
            granted: Duration::from_secs(3600),
            node,
            source: Flow {
                protocol: Protocol::Udp,
                local: proxy,
                remote: SocketAddr::from(([192, 0, 2, 1], 5060)),
                connection: ConnectionId(0),
            },
            proxy: node,
        };
        assert!(registrar.update(update, NOW).is_ok(), "{name} is registered");
    }
    let mut at = 0;
    Box::new(move || {
        // Far from the last one, so that neither is in the cache for the other's sake.
        at = (at + 61_803) % BINDINGS;
        let found =
            registrar.lookup(&names[at], NOW).map(|binding| binding.contact.key().len()).sum();
        assert!(black_box::<usize>(found) > 0, "{} is bound", names[at]);
    })
}

/// Two deadlines, as a request has them, and a millisecond: one is for 500 ms and
/// one for 32 s, so that 32,500 stand. There is no cancel: what is not needed any more
/// fires and is ignored.
pub(crate) fn timers(_: usize) -> Box<dyn FnMut()> {
    let mut wheel = TimerWheel::new();
    let mut due: Vec<u32> = Vec::new();
    let mut now = NOW;
    let mut step = move || {
        wheel.arm(now + Duration::from_millis(500), 1);
        wheel.arm(now + Duration::from_secs(32), 2);
        now = now + Duration::from_millis(1);
        wheel.expire(now, &mut due);
        black_box((wheel.next(), due.len()));
        due.clear();
    };
    for _ in 0..33_000 {
        step();
    }
    Box::new(step)
}

/// A batch into a mailbox and out again, on one thread.
pub(crate) fn batch(_: usize) -> Box<dyn FnMut()> {
    let (mail, inbox) = mailbox::<[u64; 8]>("bench", 4_096);
    let mut sent = Vec::new();
    let mut taken = Vec::new();
    Box::new(move || {
        sent.extend((0..BATCH_LEN as u64).map(|number| [number; 8]));
        let refused = mail.send_batch(Class::New, &mut sent);
        let count = inbox.take(&mut taken, BATCH_LEN);
        assert_eq!((refused, count), (0, BATCH_LEN), "the mailbox takes the batch");
        black_box(taken.last());
        taken.clear();
    })
}
