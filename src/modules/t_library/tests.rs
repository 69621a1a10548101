//! A port with real sockets on loopback.

mod tls;

use super::port::{ClientId, Heard, Port};
use crate::base::frames::{FRAME_BYTES_MAX, length_prefix};
use crate::base::limits::{CLIENT_BACKLOG_LEN_MAX, STREAM_LINGER_TIME, STREAM_MESSAGE_TIME};
use crate::base::time::{Duration, Instant};
use crate::runtime::tls::Tls;
use bytes::Bytes;
use core::future::poll_fn;
use core::task::Poll;
use socket2::{Domain, Socket, Type};
use std::io::{Read as _, Write as _};

/// Looks at the sockets before a test gives up; each waits a little.
const LOOKS_MAX: usize = 2_000;

struct Rig {
    runtime: tokio::runtime::Runtime,
    port: Port,
    now: Instant,
}

fn framed(payload: &[u8]) -> Vec<u8> {
    [&length_prefix(payload.len())[..], payload].concat()
}

impl Rig {
    fn new() -> Self {
        Self::secured(Tls::default())
    }

    fn secured(tls: Tls) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let address = "127.0.0.1:0".parse().expect("an address");
        let mut port = Port::bind("test", address).expect("a port").secured(tls);
        runtime.block_on(async { port.start() });
        Self { runtime, port, now: Instant(0) + Duration::from_secs(1) }
    }

    fn connect(&self) -> Socket {
        let address = self.port.local_addr().expect("a port").expect("it listens");
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        client.connect(&address.into()).expect("it accepts");
        client.set_read_timeout(Some(Duration::from_secs(10))).expect("possible");
        client
    }

    /// One look at the sockets and one turn.
    fn turn(&mut self) -> Vec<(ClientId, Heard)> {
        let (port, now) = (&mut self.port, self.now);
        let mut heard = Vec::new();
        self.runtime.block_on(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            poll_fn(|context| {
                let _ = port.poll(context);
                Poll::Ready(())
            })
            .await;
            port.read(now, &mut heard);
            port.flush();
        });
        heard
    }

    /// Turns until something is heard that this is looking for.
    fn hear<T>(&mut self, mut wanted: impl FnMut(ClientId, &Heard) -> Option<T>) -> T {
        for _ in 0..LOOKS_MAX {
            for (id, heard) in self.turn() {
                if let Some(found) = wanted(id, &heard) {
                    return found;
                }
            }
        }
        panic!("never heard");
    }

    fn connected(&mut self) -> (ClientId, Socket) {
        let client = self.connect();
        let id = self.hear(|id, heard| matches!(heard, Heard::Connected(_)).then_some(id));
        (id, client)
    }

    fn frame(&mut self) -> (ClientId, Bytes) {
        self.hear(|id, heard| match heard {
            Heard::Frame(bytes) => Some((id, bytes.clone())),
            Heard::Connected(_) | Heard::Gone(_) => None,
        })
    }

    fn gone(&mut self) -> (ClientId, &'static str) {
        self.hear(|id, heard| match heard {
            Heard::Gone(reason) => Some((id, *reason)),
            Heard::Connected(_) | Heard::Frame(_) => None,
        })
    }
}

#[test]
fn frames_come_and_go_however_they_are_cut() {
    let mut rig = Rig::new();
    let (id, mut client) = rig.connected();
    let sent = [framed(b"hello"), framed(b""), framed(b"again")].concat();
    let mut seen = Vec::new();
    for byte in &sent {
        client.write_all(&[*byte]).expect("sent");
        seen.extend(rig.turn());
    }
    for _ in 0..LOOKS_MAX {
        if seen.len() < 3 {
            seen.extend(rig.turn());
        }
    }
    let frames = [&b"hello"[..], b"", b"again"].map(|text| (id, Heard::Frame(text.into())));
    assert_eq!(seen, frames);
    for text in [&b"one"[..], b"two"] {
        rig.port.send(id, framed(text).into());
    }
    rig.turn();
    let mut read = vec![0; 14];
    client.read_exact(&mut read).expect("both");
    assert_eq!(read, [framed(b"one"), framed(b"two")].concat(), "in order");
    drop(client);
    assert_eq!(rig.gone(), (id, "closed by the client"));
    assert!(rig.port.is_empty());
    rig.port.send(id, framed(b"late").into());
    rig.port.end(id, rig.now);
}

#[test]
fn a_frame_that_is_too_long_ends_its_client_only() {
    let mut rig = Rig::new();
    let (bad, mut one) = rig.connected();
    let (good, mut other) = rig.connected();
    one.write_all(&u32::try_from(FRAME_BYTES_MAX + 1).expect("small").to_be_bytes()).expect("sent");
    assert_eq!(rig.gone(), (bad, "a frame is too long"));
    other.write_all(&framed(b"x")).expect("sent");
    assert_eq!(rig.frame(), (good, Bytes::from_static(b"x")));
}

#[test]
fn a_frame_that_does_not_arrive_in_full_ends_its_client() {
    let mut rig = Rig::new();
    let (id, mut client) = rig.connected();
    client.write_all(&framed(b"whole")[..7]).expect("sent");
    for _ in 0..LOOKS_MAX {
        rig.turn();
        if rig.port.next_deadline() != Instant::NEVER {
            break;
        }
    }
    assert_eq!(rig.port.next_deadline(), rig.now + STREAM_MESSAGE_TIME);
    rig.now = rig.now + STREAM_MESSAGE_TIME;
    assert_eq!(rig.gone(), (id, "a frame did not arrive in full"));
}

#[test]
fn a_client_that_reads_nothing_is_cut_at_the_bound() {
    let mut rig = Rig::new();
    let (slow, _client) = rig.connected();
    let (quick, mut other) = rig.connected();
    let large = Bytes::from(framed(&vec![7; FRAME_BYTES_MAX]));
    let mut sent = 0;
    while rig.port.len() == 2 {
        rig.port.send(slow, large.clone());
        sent += large.len();
        assert!(sent < 2 * CLIENT_BACKLOG_LEN_MAX, "it is never cut");
    }
    assert!(sent > CLIENT_BACKLOG_LEN_MAX);
    let (id, reason) = rig.gone();
    assert!(id == slow && reason.contains("too slowly"), "{reason}");
    rig.port.send(quick, framed(b"ok").into());
    rig.turn();
    let mut read = [0; 6];
    other.read_exact(&mut read).expect("the other does not notice");
    assert_eq!(rig.port.backlog_len(quick), 0);
}

#[test]
fn who_is_ended_gets_the_last_word_first() {
    let mut rig = Rig::new();
    let (id, mut client) = rig.connected();
    // Unread bytes in the socket must not cost the client what it has not read yet.
    client.write_all(&framed(b"more")).expect("sent");
    rig.port.send(id, framed(b"error").into());
    rig.port.end(id, rig.now);
    rig.port.send(id, framed(b"after").into());
    rig.turn();
    let mut read = Vec::new();
    client.read_to_end(&mut read).expect("the other side is shut");
    assert_eq!(read, framed(b"error"));
    rig.now = rig.now + STREAM_LINGER_TIME;
    assert_eq!(rig.gone(), (id, "ended"));
}
