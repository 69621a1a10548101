//! What lies between a socket and the messages: nothing, or TLS.

use crate::runtime::tls::Session;
use std::io::{IoSlice, Result};
use tokio::net::TcpStream;

/// One end of it.
pub(super) enum Layer {
    /// The bytes are those of the messages.
    Plain,
    /// Under TLS.
    Tls(Box<Session>),
}

impl Layer {
    /// Whether bytes of messages can pass.
    pub(super) fn is_secured(&self) -> bool {
        match self {
            Self::Plain => true,
            Self::Tls(session) => !session.is_handshaking(),
        }
    }

    /// Reads bytes of messages.
    pub(super) fn read(&mut self, socket: &TcpStream, buffer: &mut [u8]) -> Result<usize> {
        match self {
            Self::Plain => socket.try_read(buffer),
            Self::Tls(session) => session.read(socket, buffer),
        }
    }

    /// Whether there may be bytes that the socket has given already.
    pub(super) const fn keeps_bytes(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Takes bytes of messages; under TLS they are not written before the next flush.
    pub(super) fn write(&mut self, socket: &TcpStream, bytes: &[u8]) -> Result<usize> {
        match self {
            Self::Plain => socket.try_write(bytes),
            Self::Tls(session) => session.write(&[IoSlice::new(bytes)]),
        }
    }

    /// Writes what it has of its own; whether that was all.
    pub(super) fn flush(&mut self, socket: &TcpStream) -> Result<bool> {
        match self {
            Self::Plain => Ok(true),
            Self::Tls(session) => session.flush(socket),
        }
    }

    /// Whether it waits for room in the socket.
    pub(super) fn wants_write(&self) -> bool {
        match self {
            Self::Plain => false,
            Self::Tls(session) => session.wants_write(),
        }
    }

    /// Says that nothing more is written, as far as the socket takes it.
    pub(super) fn end(&mut self, socket: &TcpStream) {
        if let Self::Tls(session) = self {
            session.end();
            // It is a courtesy: what was to be written has been.
            let _ = session.flush(socket);
        }
    }
}
