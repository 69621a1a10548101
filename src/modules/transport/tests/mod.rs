//! Transports over real loopback sockets, turned by hand as a module thread turns
//! them: a turn is made when somebody was woken or a deadline came, never by polling
//! with a short timer, so that a wake-up that gets lost fails a test.

mod bytes;
mod datagrams;
mod handover;
mod names;
mod streams;

use super::core::Event;
use super::handle::Transport;
use super::inbox::Inbox as TransportInbox;
use super::local::LocalPorts;
use super::module::{Receivers, TransportModule};
use crate::base::flow::{Destination, Outbound, Protocol, Sender};
use crate::base::id::{Shard, Slot};
use crate::base::time::{Duration, Instant};
use crate::observe::families::Families;
use crate::observe::prometheus::Registry;
use crate::runtime::clock::Clock;
use crate::runtime::mailbox::{Class, Inbox, Mail, mailbox};
use crate::runtime::module::Module;
use crate::runtime::waker::ThreadWaker;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::pin::pin;
use core::task::Poll;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// Nothing here takes long; a machine may be busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// One transport with the far ends of its mailboxes.
struct Rig {
    module: TransportModule<Event, Event>,
    address: SocketAddr,
    handle: Transport,
    mail: Mail<TransportInbox>,
    registry: Registry,
    /// How far its clock is ahead of the system's.
    ahead: Duration,
}

/// What its shards and its Service Checker get.
struct Ears {
    shards: Vec<Inbox<Event>>,
    checker: Inbox<Event>,
}

/// How large a rig is.
#[derive(Clone, Copy)]
struct Size {
    shards: usize,
    shard_len: usize,
    inbox_len: usize,
}

const SMALL: Size = Size { shards: 1, shard_len: 1_000, inbox_len: 1_000 };

async fn free_address() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    socket.local_addr().expect("its address")
}

/// A transport that has its sockets and has not started.
async fn bound(size: Size) -> (Rig, Ears) {
    // Another test may take the port between the two calls.
    for _ in 0..50 {
        let address = free_address().await;
        let (mail, inbox) = mailbox("transport", size.inbox_len);
        let (shard_mails, shards) =
            (0..size.shards).map(|_| mailbox("shard", size.shard_len)).unzip();
        let (checker_mail, checker) = mailbox("checker", 1_000);
        let mut registry = Registry::new();
        let families = Families::register(&mut registry, "A");
        let receivers = Receivers { shards: shard_mails, checker: checker_mail };
        let bound = TransportModule::bind("A", address, inbox, receivers, families);
        if let Ok(module) = bound {
            let handle = Transport::new(mail.clone());
            let ahead = Duration::ZERO;
            let rig = Rig { module, address, handle, mail, registry, ahead };
            return (rig, Ears { shards, checker });
        }
    }
    panic!("no port is free for both protocols");
}

/// The thread that turns the transports of one test.
struct Desk {
    clock: Clock,
    waker: Arc<ThreadWaker>,
}

impl Desk {
    fn new() -> Self {
        Self { clock: Clock::start(), waker: ThreadWaker::new() }
    }

    async fn rig(&self) -> (Rig, Ears) {
        self.sized_rig(SMALL).await
    }

    async fn sized_rig(&self, size: Size) -> (Rig, Ears) {
        let (mut rig, ears) = bound(size).await;
        self.start(&mut rig);
        (rig, ears)
    }

    fn start(&self, rig: &mut Rig) {
        rig.module.set_waker(&self.waker);
        rig.module.start();
    }

    fn now(&self, rig: &Rig) -> Instant {
        self.clock.now() + rig.ahead
    }

    /// Turns transports until the future is done.
    async fn drive<T>(&self, rigs: &mut [&mut Rig], future: impl Future<Output = T>) -> T {
        let mut future = pin!(tokio::time::timeout(PATIENCE, future));
        loop {
            self.waker.announce_sleep();
            let mut work = 0;
            let mut sleep = Duration::from_secs(3_600);
            for rig in rigs.iter_mut() {
                let now = self.now(rig);
                work += rig.module.turn(now);
                sleep = sleep.min(rig.module.next_deadline().since(now));
            }
            let mut woken = pin!(self.waker.woken());
            let mut timer = pin!(tokio::time::sleep(sleep));
            let done = poll_fn(|cx| {
                if let Poll::Ready(done) = future.as_mut().poll(cx) {
                    return Poll::Ready(Some(done));
                }
                let is_over = work > 0
                    || woken.as_mut().poll(cx).is_ready()
                    || timer.as_mut().poll(cx).is_ready()
                    || rigs.iter_mut().any(|rig| rig.module.poll_io(cx).is_ready());
                if is_over { Poll::Ready(None) } else { Poll::Pending }
            })
            .await;
            match done {
                Some(done) => return done.expect("it takes too long"),
                None => tokio::task::yield_now().await,
            }
        }
    }

    /// Turns transports until nothing is left to do.
    async fn settle(&self, rigs: &mut [&mut Rig]) {
        let mut idle = 0;
        while idle < 20 {
            let work: usize = rigs.iter_mut().map(|rig| rig.module.turn(self.now(rig))).sum();
            idle = if work == 0 { idle + 1 } else { 0 };
            tokio::task::yield_now().await;
        }
    }
}

impl Ears {
    /// The next event for the first shard.
    async fn next(&self) -> Event {
        next(&self.shards[0]).await
    }

    /// The next events for the first shard, in words.
    async fn words(&self, count: usize) -> Vec<String> {
        let mut words = Vec::new();
        for _ in 0..count {
            words.push(in_words(&self.next().await));
        }
        words
    }

    /// What waits for the first shard, in words.
    fn rest(&self) -> Vec<String> {
        let mut events = Vec::new();
        self.shards[0].take(&mut events, usize::MAX);
        events.iter().map(in_words).collect()
    }
}

/// The next event of a mailbox that a turn fills.
async fn next(inbox: &Inbox<Event>) -> Event {
    let mut events = Vec::new();
    poll_fn(|_| if inbox.take(&mut events, 1) == 1 { Poll::Ready(()) } else { Poll::Pending })
        .await;
    events.pop().expect("one was taken")
}

/// `INVITE 1` for a request with its CSeq, `200 INVITE 1` for a response, `failed 7`.
fn in_words(event: &Event) -> String {
    match event {
        Event::Packet(packet) => {
            let message = &packet.message;
            let (method, number) = (message.method(), message.cseq());
            if message.is_request() {
                format!("{method} {number}")
            } else {
                format!("{} {method} {number}", message.status())
            }
        }
        Event::SendFailed(sender) => format!("failed {}", Slot::from_word(sender.0).1.index),
    }
}

/// A request outside any dialog.
fn request(method: &str, cseq: u32) -> String {
    request_via(method, cseq, "UDP 127.0.0.1:9;branch=z9hG4bK00a")
}

fn request_via(method: &str, cseq: u32, via: &str) -> String {
    format!(
        "{method} sip:7001@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{via}\r\nFrom: <sip:a@b>;tag=1\r\n\
         To: <sip:b@b>\r\nCall-ID: x\r\nCSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

/// A request inside a dialog.
fn later(method: &str, cseq: u32) -> String {
    request(method, cseq).replace("To: <sip:b@b>", "To: <sip:b@b>;tag=2")
}

fn response(status: u16, via: &str) -> String {
    format!(
        "SIP/2.0 {status} So\r\nVia: SIP/2.0/{via}\r\nFrom: <sip:a@b>;tag=1\r\n\
         To: <sip:b@b>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    )
}

/// Of the first shard's transaction with that index.
fn sender(index: u32) -> Option<Sender> {
    Some(Sender(Slot { index, generation: 0 }.with_shard(Shard(0))))
}

fn address(protocol: Protocol, remote: SocketAddr) -> Destination {
    Destination::Address { protocol, remote }
}

impl Rig {
    /// Sends one message for the first shard's transaction `index`.
    fn send(&self, to: Destination, text: &str, index: u32) {
        let bytes = text.as_bytes().to_vec().into();
        self.handle.send(&mut vec![Outbound { to, bytes, sender: sender(index) }]);
    }

    fn page_has(&self, line: &str) {
        let page = self.registry.render();
        let line = format!("sipcluster_{line}\n");
        assert!(page.contains(&line), "{line} in {page}");
    }
}

async fn connect(rig: &Rig) -> TcpStream {
    TcpStream::connect(rig.address).await.expect("a connection")
}

/// Reads until so many bytes have come.
async fn read(socket: &mut TcpStream, len: usize) -> String {
    let mut bytes = vec![0; len];
    socket.read_exact(&mut bytes).await.expect("all of it");
    String::from_utf8(bytes).expect("text")
}

/// Reads until the other end closes, which is to be an orderly end.
async fn read_to_end(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).await.expect("an orderly end");
    String::from_utf8(bytes).expect("text")
}

/// Receives one datagram.
async fn receive(socket: &UdpSocket) -> String {
    let mut bytes = vec![0; 70_000];
    let len = socket.recv(&mut bytes).await.expect("a datagram");
    bytes.truncate(len);
    String::from_utf8(bytes).expect("text")
}
