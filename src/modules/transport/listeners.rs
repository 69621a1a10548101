//! Where connections come in: beside the application's SIP address, which takes TCP, a port for
//! each other protocol that it listens for.

use super::sockets::{BindError, bind_tcp, concerns_one_connection};
use crate::base::flow::Protocol;
use crate::base::limits::ACCEPT_BATCH_LEN;
use core::net::SocketAddr;
use core::task::{Context, Poll};
use tokio::net::{TcpListener, TcpStream};

/// A connection that has come in, or why none did.
pub(super) struct Accepted {
    /// What is spoken at that port.
    pub(super) protocol: Protocol,
    /// Its address.
    pub(super) local: SocketAddr,
    /// The connection and who has made it.
    pub(super) result: std::io::Result<(TcpStream, SocketAddr)>,
}

enum Socket {
    Bound(socket2::Socket),
    Running(TcpListener),
    Gone,
}

struct Listener {
    protocol: Protocol,
    address: SocketAddr,
    socket: Socket,
}

/// All of one transport.
#[derive(Default)]
pub(super) struct Listeners {
    all: Vec<Listener>,
    /// Connections that no turn has looked at.
    accepted: Vec<Accepted>,
    /// The system has no room for another connection.
    pub(super) is_paused: bool,
}

impl Listeners {
    /// Takes an address.
    ///
    /// # Errors
    /// When it cannot be had.
    pub(super) fn bind(
        &mut self,
        application: &str,
        protocol: Protocol,
        address: SocketAddr,
    ) -> Result<(), BindError> {
        let socket = bind_tcp(address)
            .map_err(|error| BindError::new(application, address, protocol, error))?;
        self.all.push(Listener { protocol, address, socket: Socket::Bound(socket) });
        Ok(())
    }

    /// Begins to take connections.
    ///
    /// # Errors
    /// When the reactor does not take a socket.
    pub(super) fn start(&mut self) -> std::io::Result<()> {
        for listener in &mut self.all {
            if let Socket::Bound(socket) = core::mem::replace(&mut listener.socket, Socket::Gone) {
                listener.socket = Socket::Running(TcpListener::from_std(socket.into())?);
            }
        }
        Ok(())
    }

    /// Takes what waits at each, a batch at most.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let before = self.accepted.len();
        for at in 0..self.all.len() {
            self.poll_one(at, context);
        }
        if self.accepted.len() > before { Poll::Ready(()) } else { Poll::Pending }
    }

    fn poll_one(&mut self, at: usize, context: &mut Context<'_>) {
        let Some(listener) = self.all.get(at) else { return };
        let Socket::Running(socket) = &listener.socket else { return };
        if self.is_paused || self.accepted.len() >= ACCEPT_BATCH_LEN {
            return;
        }
        if let Poll::Ready(result) = socket.poll_accept(context) {
            let (protocol, local) = (listener.protocol, listener.address);
            // Looked at in the next turn, which says how long to wait.
            self.is_paused |= result.as_ref().is_err_and(|error| !concerns_one_connection(error));
            self.accepted.push(Accepted { protocol, local, result });
        }
    }

    /// What has come in.
    pub(super) fn take(&mut self) -> Vec<Accepted> {
        core::mem::take(&mut self.accepted)
    }

    /// Whether something has that no turn has looked at.
    pub(super) fn has_accepted(&self) -> bool {
        !self.accepted.is_empty()
    }
}
