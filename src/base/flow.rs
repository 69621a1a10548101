//! Where bytes came from and where they go: protocols, addresses, flows.

use super::limits::DATAGRAM_REQUEST_LEN_MAX;
use core::fmt;
use core::net::SocketAddr;

/// A transport protocol of SIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Datagrams, RFC 3261 18.
    Udp,
    /// Streams, RFC 3261 18.3.
    Tcp,
    /// Streams under TLS, RFC 3261 26.3.
    Tls,
    /// `WebSocket`, RFC 7118.
    Ws,
    /// `WebSocket` under TLS.
    Wss,
}

impl Protocol {
    /// All, in the order of [`Protocol::index`].
    pub const ALL: [Self; 5] = [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss];

    /// Place in tables.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether the protocol itself repeats what is lost, so that retransmission
    /// timers stay off.
    #[must_use]
    pub const fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp | Self::Tls | Self::Ws | Self::Wss => true,
        }
    }

    /// Whether nobody between the two ends reads along.
    #[must_use]
    pub const fn is_secure(self) -> bool {
        match self {
            Self::Udp | Self::Tcp | Self::Ws => false,
            Self::Tls | Self::Wss => true,
        }
    }

    /// Whether messages are those of a `WebSocket`.
    #[must_use]
    pub const fn is_web_socket(self) -> bool {
        match self {
            Self::Udp | Self::Tcp | Self::Tls => false,
            Self::Ws | Self::Wss => true,
        }
    }

    /// The port that stands for none (RFC 3261 19.1.2, RFC 7118 5.5 by RFC 6455 3).
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }

    /// As in a Via header.
    #[must_use]
    pub const fn via_name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// As in a `transport` URI parameter.
    #[must_use]
    pub const fn uri_name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// Reads either form, in any case.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|known| name.eq_ignore_ascii_case(known.uri_name().as_bytes()))
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.uri_name())
    }
}

/// A connection of one transport, zero for datagrams. It is never used again
/// after the connection has closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// The five-tuple that a message came by, with the connection if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Transport protocol.
    pub protocol: Protocol,
    /// Our end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// The connection, for streams.
    pub connection: ConnectionId,
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.protocol, self.remote)
    }
}

/// Where a message is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Back on a flow; if its connection is gone, to its remote address anew.
    Flow(Flow),
    /// To an address, from our socket `local` if that is not unspecified.
    Address {
        /// Transport protocol.
        protocol: Protocol,
        /// Where to.
        remote: SocketAddr,
    },
    /// To a host by name, which the transport resolves first.
    Host {
        /// Transport protocol.
        protocol: Protocol,
        /// Domain name.
        host: Box<str>,
        /// Port.
        port: u16,
    },
}

impl Destination {
    /// The protocol that the message will travel by.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        match self {
            Self::Flow(flow) => flow.protocol,
            Self::Address { protocol, .. } | Self::Host { protocol, .. } => *protocol,
        }
    }
}

impl Destination {
    /// The same address or host by another protocol; a flow stays what it is.
    #[must_use]
    pub fn by(self, protocol: Protocol) -> Self {
        match self {
            Self::Flow(flow) => Self::Flow(flow),
            Self::Address { remote, .. } => Self::Address { protocol, remote },
            Self::Host { host, port, .. } => Self::Host { protocol, host, port },
        }
    }

    /// Whether a request of that length goes by a stream instead (RFC 3261 18.1.1).
    #[must_use]
    pub fn needs_stream(&self, len: usize) -> bool {
        !matches!(self, Self::Flow(_))
            && self.protocol() == Protocol::Udp
            && len > DATAGRAM_REQUEST_LEN_MAX
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flow(flow) => flow.fmt(f),
            Self::Address { protocol, remote } => write!(f, "{protocol}:{remote}"),
            Self::Host { protocol, host, port } => write!(f, "{protocol}:{host}:{port}"),
        }
    }
}

/// Whom to tell when a message could not be sent: the transaction's word
/// (shard, generation, index).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sender(pub u64);

/// Bytes on their way to the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// Where to.
    pub to: Destination,
    /// One SIP message.
    pub bytes: bytes::Bytes,
    /// Who hears of a failure; `None` where nobody cares.
    pub sender: Option<Sender>,
}
