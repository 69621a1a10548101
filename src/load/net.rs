//! The sockets of a load generator: one UDP socket for each side, or a listener and its connections.

use core::net::SocketAddr;
use core::task::{Context, Poll};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;

use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::core::out::End;
use super::plan::Plan;
use crate::base::flow::Protocol;
use crate::base::limits::{CONNECTION_BACKLOG_LEN_MAX, MESSAGE_LEN_MAX};
use crate::sip::framing::{Frame, Framer};

/// Datagrams wait here while the generator shares its core; the kernel may grant less.
const BUFFER_LEN: usize = 8 << 20;
/// Connections that may wait at a listener.
const LISTEN_BACKLOG: i32 = 1024;
/// `EINPROGRESS` on Linux: the connection is being made.
const IN_PROGRESS: i32 = 115;

#[derive(Debug)]
enum Socket {
    Datagrams(UdpSocket),
    Listener(TcpListener),
}

#[derive(Debug)]
struct Stream {
    socket: TcpStream,
    framer: Framer,
    backlog: Vec<u8>,
}

/// Who takes a message: the sockets, so that it can answer at once, the side that it came to, its sender, the bytes.
type Take<'a> = dyn FnMut(&mut Net, End, SocketAddr, &[u8]) + 'a;

/// The sockets of both sides.
#[derive(Debug)]
pub(super) struct Net {
    sockets: Vec<(End, Socket)>,
    streams: BTreeMap<(End, SocketAddr), Stream>,
    buffer: Vec<u8>,
    /// Messages that the system did not take, or whose connection is gone.
    pub(super) unsent: u64,
}

impl Net {
    /// Opens the sockets and gives the addresses that they got. Two sides at one address share a socket.
    pub(super) fn open(plan: &Plan) -> io::Result<(Self, SocketAddr, Option<SocketAddr>)> {
        let mut net = Self {
            sockets: Vec::new(),
            streams: BTreeMap::new(),
            buffer: vec![0; MESSAGE_LEN_MAX + 1],
            unsent: 0,
        };
        let wanted = match plan.bind {
            Some(address) => address,
            None => towards(plan.targets.first().copied())?,
        };
        let calling = net.bind(End::Calling, wanted, plan.transport)?;
        let answering = match plan.uas.filter(|&uas| uas != calling) {
            Some(uas) => Some(net.bind(End::Answering, uas, plan.transport)?),
            None => None,
        };
        Ok((net, calling, answering))
    }

    fn bind(&mut self, end: End, at: SocketAddr, transport: Protocol) -> io::Result<SocketAddr> {
        let told = |error: io::Error| io::Error::new(error.kind(), format!("{at}: {error}"));
        let (socket, at) = match transport {
            Protocol::Udp => {
                let socket = new_socket(at, socket2::Type::DGRAM)?;
                // A smaller buffer than asked for is no reason not to start.
                let _ = socket.set_recv_buffer_size(BUFFER_LEN);
                let _ = socket.set_send_buffer_size(BUFFER_LEN);
                socket.bind(&at.into()).map_err(told)?;
                let socket = UdpSocket::from_std(socket.into())?;
                let at = socket.local_addr()?;
                (Socket::Datagrams(socket), at)
            }
            // Nothing more is asked for.
            Protocol::Tcp | Protocol::Tls | Protocol::Ws | Protocol::Wss => {
                let socket = new_socket(at, socket2::Type::STREAM)?;
                socket.set_reuse_address(true)?;
                socket.bind(&at.into()).map_err(told)?;
                socket.listen(LISTEN_BACKLOG)?;
                let listener = TcpListener::from_std(socket.into())?;
                let at = listener.local_addr()?;
                (Socket::Listener(listener), at)
            }
        };
        self.sockets.push((end, socket));
        Ok(at)
    }

    /// Waits until the reactor knows that datagrams can be sent: before, it takes none.
    pub(super) async fn open_for_sending(&self) {
        for (_, socket) in &self.sockets {
            if let Socket::Datagrams(socket) = socket {
                // What keeps a socket from sending shows in `unsent`.
                let _ = socket.writable().await;
            }
        }
    }

    /// Sends one message. What cannot be sent is lost, as on any network: the machines send it again.
    pub(super) fn send(&mut self, from: End, to: SocketAddr, bytes: &[u8]) {
        let own = self.sockets.iter().find(|(end, _)| *end == from).or(self.sockets.first());
        match own {
            Some((_, Socket::Datagrams(socket))) => {
                if socket.try_send_to(bytes, to).is_err() {
                    self.unsent += 1;
                }
            }
            Some((end, Socket::Listener(listener))) => {
                let (key, local) = ((*end, to), listener.local_addr());
                if self.send_stream(key, local.ok(), bytes).is_none() {
                    self.unsent += 1;
                    self.streams.remove(&key);
                }
            }
            None => self.unsent += 1,
        }
    }

    fn send_stream(
        &mut self,
        key: (End, SocketAddr),
        local: Option<SocketAddr>,
        bytes: &[u8],
    ) -> Option<()> {
        let stream = match self.streams.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(Stream::new(connect(local?, key.1).ok()?)),
        };
        if stream.backlog.len() + bytes.len() > CONNECTION_BACKLOG_LEN_MAX {
            return None;
        }
        stream.backlog.extend_from_slice(bytes);
        stream.flush().ok()
    }

    /// Gives every message that has come to `take`.
    pub(super) fn receive(&mut self, take: &mut Take<'_>) {
        let mut buffer = core::mem::take(&mut self.buffer);
        for index in 0..self.sockets.len() {
            while let Some((end, Socket::Datagrams(socket))) = self.sockets.get(index) {
                let end = *end;
                let Ok((len, from)) = socket.try_recv_from(&mut buffer) else { break };
                take(self, end, from, buffer.get(..len).unwrap_or_default());
            }
        }
        let keys: Vec<(End, SocketAddr)> = self.streams.keys().copied().collect();
        for key in keys {
            self.receive_stream(key, &mut buffer, take);
        }
        self.buffer = buffer;
    }

    fn receive_stream(&mut self, key: (End, SocketAddr), buffer: &mut [u8], take: &mut Take<'_>) {
        loop {
            let Some(stream) = self.streams.get_mut(&key) else { return };
            let read = match stream.flush().and_then(|()| stream.socket.try_read(buffer)) {
                Ok(0) => None,
                Ok(len) => Some(len),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::NotConnected => return,
                Err(_) => None,
            };
            let Some(len) = read else {
                self.streams.remove(&key);
                return;
            };
            stream.framer.push(buffer.get(..len).unwrap_or_default());
            while let Some(frame) =
                self.streams.get_mut(&key).and_then(|stream| stream.framer.next())
            {
                match frame {
                    Ok(Frame::Message(bytes)) => take(self, key.0, key.1, &bytes),
                    Ok(Frame::Ping) => {}
                    Err(_) => {
                        self.streams.remove(&key);
                        return;
                    }
                }
            }
        }
    }

    /// Ready when something can be read, or be written that waits. Connections are accepted here.
    pub(super) fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut ready = false;
        for (end, socket) in &self.sockets {
            match socket {
                Socket::Datagrams(socket) => ready |= socket.poll_recv_ready(context).is_ready(),
                Socket::Listener(listener) => {
                    while let Poll::Ready(Ok((socket, from))) = listener.poll_accept(context) {
                        self.streams.insert((*end, from), Stream::new(socket));
                    }
                }
            }
        }
        for stream in self.streams.values() {
            ready |= stream.socket.poll_read_ready(context).is_ready();
            if !stream.backlog.is_empty() {
                ready |= stream.socket.poll_write_ready(context).is_ready();
            }
        }
        if ready { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Stream {
    fn new(socket: TcpStream) -> Self {
        // Messages are written whole; waiting for more would only delay them.
        let _ = socket.set_nodelay(true);
        Self { socket, framer: Framer::new(), backlog: Vec::new() }
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.backlog.is_empty() {
            match self.socket.try_write(&self.backlog) {
                Ok(written) => drop(self.backlog.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::NotConnected => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn new_socket(at: SocketAddr, kind: socket2::Type) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(at), kind, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn connect(local: SocketAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = new_socket(to, socket2::Type::STREAM)?;
    if local.is_ipv4() == to.is_ipv4() {
        socket.bind(&SocketAddr::new(local.ip(), 0).into())?;
    }
    match socket.connect(&to.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(IN_PROGRESS) => {}
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        Err(error) => return Err(error),
    }
    TcpStream::from_std(socket.into())
}

/// Our address on the way to a target, with any port. Connecting a datagram socket sends nothing.
fn towards(target: Option<SocketAddr>) -> io::Result<SocketAddr> {
    let Some(target) = target else { return Ok(SocketAddr::from(([127, 0, 0, 1], 0))) };
    let socket = new_socket(target, socket2::Type::DGRAM)?;
    socket.connect(&target.into())?;
    let local = socket.local_addr()?.as_socket();
    let mut local = local.ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
    local.set_port(0);
    Ok(local)
}
