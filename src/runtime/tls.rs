//! TLS of a connection that a module turns by itself: rustls without a thread or a task of
//! its own. Whom a port trusts is exchanged under it by a reload, and connections that
//! stand keep what they began with.

#[cfg(test)]
pub(crate) mod fixture;
mod terms;
#[cfg(test)]
mod tests;

pub use terms::{Files, Member, Terms, TlsError};

use arc_swap::ArcSwap;
use rustls::Connection;
use std::io::{Error, ErrorKind, IoSlice, Read, Result, Write};
use std::sync::Arc;
use tokio::net::TcpStream;

/// The first byte of a TLS connection: a record of a handshake (RFC 8446 5.1).
pub const FIRST_BYTE: u8 = 22;

/// Reads of a socket for one that gives plain bytes.
const READS_MAX: usize = 8;

/// On what terms a port connects, for as long as it is open.
#[derive(Clone, Debug, Default)]
pub struct Tls(Arc<ArcSwap<Terms>>);

impl Tls {
    /// On these, to begin with.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(terms)))
    }

    /// What holds for a connection that is made now.
    #[must_use]
    pub fn terms(&self) -> Arc<Terms> {
        self.0.load_full()
    }

    /// Connections that are made from now on are made on these terms.
    pub fn exchange(&self, terms: Terms) {
        self.0.store(Arc::new(terms));
    }
}

/// One end of a TLS connection, without its socket.
#[derive(Debug)]
pub struct Session(Connection);

impl Session {
    /// Whether both have not agreed yet.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        self.0.is_handshaking()
    }

    /// Whether something is to be written as soon as the socket takes it.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.0.wants_write()
    }

    /// Takes what was read from the socket before it was known to be TLS.
    ///
    /// # Errors
    /// When it is none.
    pub fn take(&mut self, mut first: &[u8]) -> Result<()> {
        while !first.is_empty() {
            self.0.read_tls(&mut first)?;
            self.advance()?;
        }
        Ok(())
    }

    /// Reads what the peer has written; zero when it has said that nothing more comes.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing yet, and whatever ends the connection.
    pub fn read(&mut self, socket: &TcpStream, buffer: &mut [u8]) -> Result<usize> {
        for _ in 0..READS_MAX {
            match self.0.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            self.0.read_tls(&mut Socket(socket))?;
            self.advance()?;
        }
        // Records without bytes: the socket is ready still, and is read again after others.
        self.0.reader().read(buffer)
    }

    fn advance(&mut self) -> Result<()> {
        let advanced = self.0.process_new_packets();
        advanced.map(drop).map_err(|error| Error::new(ErrorKind::InvalidData, error))
    }

    /// Takes as much of the plain bytes as there is room for.
    ///
    /// # Errors
    /// None that a caller could mend.
    pub fn write(&mut self, slices: &[IoSlice<'_>]) -> Result<usize> {
        self.0.writer().write_vectored(slices)
    }

    /// Writes what it has to the socket; whether that was all.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn flush(&mut self, socket: &TcpStream) -> Result<bool> {
        while self.0.wants_write() {
            match self.0.write_tls(&mut Socket(socket)) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Says that nothing more is written.
    pub fn end(&mut self) {
        self.0.send_close_notify();
    }
}

/// A socket that gives `WouldBlock`.
struct Socket<'a>(&'a TcpStream);

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
