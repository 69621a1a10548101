//! Sockets as the system gives them: listening, connecting, and what to do when it
//! does not.

use crate::base::flow::Protocol;
use crate::base::limits::RECEIVE_BUFFER_LEN;
use core::net::{IpAddr, SocketAddr};
use std::io::{Error, ErrorKind, Result};

/// Connections that wait at the listener.
const LISTEN_BACKLOG_LEN: i32 = 1_024;
/// `EINPROGRESS` of Linux: the connection is being made.
const IN_PROGRESS: i32 = 115;

/// A socket that cannot be had; the text says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{application} cannot listen on {address}/{protocol}: {cause}; {advice}")]
pub struct BindError {
    application: String,
    address: SocketAddr,
    protocol: Protocol,
    cause: Error,
    advice: &'static str,
}

impl BindError {
    pub(super) fn new(
        application: &str,
        address: SocketAddr,
        protocol: Protocol,
        cause: Error,
    ) -> Self {
        let kind = cause.kind();
        let advice = if kind == ErrorKind::AddrInUse {
            "stop the program that uses it, or change ports.sip"
        } else if kind == ErrorKind::AddrNotAvailable {
            "this host has no such address: change host"
        } else if kind == ErrorKind::PermissionDenied {
            "ports below 1024 need the right to use them"
        } else {
            "see the system's message"
        };
        Self { application: application.to_owned(), address, protocol, cause, advice }
    }
}

pub(super) fn bind_udp(address: SocketAddr) -> Result<socket2::Socket> {
    let socket =
        socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::DGRAM, None)?;
    // A smaller buffer than asked for is no reason not to start.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_LEN);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

pub(super) fn bind_tcp(address: SocketAddr) -> Result<socket2::Socket> {
    let socket =
        socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(LISTEN_BACKLOG_LEN)?;
    Ok(socket)
}

/// Starts to connect, from our own address and any port.
pub(super) fn connect_tcp(from: IpAddr, remote: SocketAddr) -> Result<tokio::net::TcpStream> {
    let socket =
        socket2::Socket::new(socket2::Domain::for_address(remote), socket2::Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    if from.is_ipv4() == remote.is_ipv4() && !from.is_unspecified() {
        socket.bind(&SocketAddr::new(from, 0).into())?;
    }
    match socket.connect(&remote.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(IN_PROGRESS) => {}
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Err(error) => return Err(error),
    }
    tokio::net::TcpStream::from_std(socket.into())
}

/// Whether an error of accepting is about the one connection that was given up
/// meanwhile (accept(2)), and not about what the system has no more of.
pub(super) fn concerns_one_connection(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::Interrupted
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::PermissionDenied
            | ErrorKind::TimedOut
    )
}

/// Sends one datagram. On some systems a send returns the report of an earlier
/// datagram and sends nothing; then the second try counts.
///
/// # Errors
/// [`ErrorKind::WouldBlock`] when the socket buffer is full; any other when this
/// datagram cannot be sent.
pub(super) fn send_datagram(
    udp: &tokio::net::UdpSocket,
    bytes: &[u8],
    remote: SocketAddr,
) -> Result<()> {
    match udp.try_send_to(bytes, remote) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            udp.try_send_to(bytes, remote).map(drop)
        }
        sent => sent.map(drop),
    }
}
