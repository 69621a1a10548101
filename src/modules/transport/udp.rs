//! Datagrams.

use super::core::{Core, Parcel, SendError};
use crate::base::flow::{ConnectionId, Flow, Protocol};
use crate::base::limits::SOCKET_BATCH_LEN;
use core::net::SocketAddr;
use core::task::{Context, Poll};
use std::collections::VecDeque;
use std::io;
use tokio::net::UdpSocket;

/// Bytes of the largest datagram over IPv4.
const DATAGRAM_LEN_MAX: usize = 65_507;
/// Datagrams that wait for room in one socket.
const SOCKET_BACKLOG_LEN_MAX: usize = 4_096;

#[derive(Debug)]
struct Port {
    local: SocketAddr,
    socket: UdpSocket,
    backlog: VecDeque<(SocketAddr, Parcel)>,
}

/// The UDP sockets of a transport, in the order of its addresses.
#[derive(Debug)]
pub(super) struct Datagrams {
    ports: Vec<Port>,
    scratch: Vec<u8>,
}

impl Datagrams {
    pub(super) fn new() -> Self {
        Self { ports: Vec::new(), scratch: vec![0; DATAGRAM_LEN_MAX + 1] }
    }

    /// Registers a bound socket with the reactor of this thread.
    pub(super) fn add(&mut self, local: SocketAddr, socket: socket2::Socket) -> io::Result<()> {
        let socket = UdpSocket::from_std(socket.into())?;
        self.ports.push(Port { local, socket, backlog: VecDeque::new() });
        Ok(())
    }

    pub(super) fn close(&mut self, core: &mut Core) {
        for port in self.ports.drain(..) {
            for (_, parcel) in port.backlog {
                core.fail(parcel.sender, SendError::Closed);
            }
        }
    }

    /// Sends from the socket at `local`, or from the first of the right family.
    pub(super) fn send(
        &mut self,
        local: Option<SocketAddr>,
        remote: SocketAddr,
        parcel: Parcel,
        core: &mut Core,
    ) {
        let at = self.ports.iter().position(|port| Some(port.local) == local).or_else(|| {
            self.ports.iter().position(|port| port.local.is_ipv4() == remote.is_ipv4())
        });
        let Some(port) = at.and_then(|at| self.ports.get_mut(at)) else {
            core.fail(parcel.sender, SendError::NoSocket);
            return;
        };
        if parcel.bytes.len() > DATAGRAM_LEN_MAX {
            core.fail(parcel.sender, SendError::TooLong);
        } else if !port.backlog.is_empty() || !port.try_send(remote, &parcel, core) {
            if port.backlog.len() < SOCKET_BACKLOG_LEN_MAX {
                port.backlog.push_back((remote, parcel));
            } else {
                core.fail(parcel.sender, SendError::Congested);
            }
        }
    }

    /// Sends what waited for room.
    pub(super) fn flush(&mut self, core: &mut Core) -> usize {
        let mut work = 0;
        for port in &mut self.ports {
            while let Some((remote, parcel)) = port.backlog.pop_front() {
                if !port.try_send(remote, &parcel, core) {
                    port.backlog.push_front((remote, parcel));
                    break;
                }
                work += 1;
            }
        }
        work
    }

    /// Reads up to [`SOCKET_BATCH_LEN`] datagrams of each socket.
    pub(super) fn receive(&mut self, core: &mut Core) -> usize {
        let mut work = 0;
        for port in &self.ports {
            for _ in 0..SOCKET_BATCH_LEN {
                match port.socket.try_recv_from(&mut self.scratch) {
                    Ok((len, remote)) => {
                        core.counters.datagrams_in.add(1);
                        core.counters.bytes_in.add(len as u64);
                        let flow = Flow {
                            protocol: Protocol::Udp,
                            local: port.local,
                            remote,
                            connection: ConnectionId(0),
                        };
                        // What is no message is counted there and has no sender to tell.
                        let _ = core.receive(flow, self.scratch[..len].to_vec());
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // An ICMP message about something that was sent: read past it.
                    Err(error) => tracing::debug!(local = %port.local, %error, "reading a socket"),
                }
                work += 1;
            }
        }
        work
    }

    /// Ready when a datagram waits, or when one that waits to be sent can go.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let is_ready = self.ports.iter().any(|port| {
            port.socket.poll_recv_ready(cx).is_ready()
                || (!port.backlog.is_empty() && port.socket.poll_send_ready(cx).is_ready())
        });
        if is_ready { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Port {
    /// Whether the parcel is dealt with; if not, the socket has no room.
    fn try_send(&self, remote: SocketAddr, parcel: &Parcel, core: &mut Core) -> bool {
        match self.socket.try_send_to(&parcel.bytes, remote) {
            Ok(len) => {
                core.counters.datagrams_out.add(1);
                core.counters.bytes_out.add(len as u64);
                core.note_outgoing(Protocol::Udp, remote, &parcel.bytes);
                true
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Err(error) => {
                tracing::debug!(%remote, %error, "a datagram cannot be sent");
                core.fail(parcel.sender, SendError::of(&error));
                true
            }
        }
    }
}
