//! What a proxy shard knows from the configuration.

use crate::base::flow::Protocol;
use crate::base::id::{NodeId, Shard};
use crate::base::time::Duration;
use core::net::{IpAddr, SocketAddr};
use std::borrow::Cow;

/// A node as the configuration names it: both members of a pair share the id.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// `node-id`.
    pub id: NodeId,
    /// SIP addresses of the primary and, if there is one, of its backup.
    pub addresses: Vec<SocketAddr>,
    /// Whether it belongs to this proxy's own `geo-location`.
    pub is_local: bool,
}

impl NodeSettings {
    /// Whether it sends from this address; connections come from any port.
    #[must_use]
    pub fn sends_from(&self, remote: SocketAddr, protocol: Protocol) -> bool {
        self.addresses.iter().any(|address| is_from(*address, remote, protocol))
    }
}

/// Whether an application with that SIP address sends from `remote`; connections come from any
/// port.
pub(super) fn is_from(address: SocketAddr, remote: SocketAddr, protocol: Protocol) -> bool {
    if protocol.is_reliable() { address.ip() == remote.ip() } else { address == remote }
}

/// Settings of one shard; a reload makes a new one.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the application.
    pub name: String,
    /// Own `node-id`, which marks bindings received here.
    pub id: NodeId,
    /// This shard.
    pub shard: Shard,
    /// Own SIP address.
    pub address: SocketAddr,
    /// Host and port that Record-Route and Contact show: `external-contact`, or
    /// the own address.
    pub access: String,
    /// Hosts that mean this cluster: domains, `external-contact`.
    pub domains: Vec<String>,
    /// Addresses of all proxies of the cluster.
    pub proxies: Vec<SocketAddr>,
    /// Where this one takes SIP besides, and what is spoken there.
    pub ports: Vec<(Protocol, SocketAddr)>,
    /// All such addresses of all of them.
    pub ports_of_all: Vec<SocketAddr>,
    /// The other proxies with their SIP addresses.
    pub holders: Vec<(NodeId, SocketAddr)>,
    /// All nodes of the cluster.
    pub nodes: Vec<NodeSettings>,
    /// Protocol between proxies and nodes.
    pub node_protocol: Protocol,
    /// `registrar-default-timeout`.
    pub expires_default: Duration,
    /// `registrar-min-timeout`.
    pub expires_min: Duration,
    /// `registrar-max-timeout`.
    pub expires_max: Duration,
    /// `feature-server-address`, where SUBSCRIBE for mailboxes goes.
    pub feature_server: Option<SocketAddr>,
}

impl Settings {
    /// Whether a host (and port) of a URI means this cluster's proxies.
    #[must_use]
    pub fn is_cluster(&self, host: &str, port: u16) -> bool {
        if self.domains.iter().any(|domain| domain.eq_ignore_ascii_case(host)) {
            return true;
        }
        let Ok(ip) = host.parse::<IpAddr>() else {
            return false;
        };
        let address = SocketAddr::new(ip, port);
        [&self.proxies, &self.ports_of_all].into_iter().flatten().any(|one| *one == address)
            || self.address == address
    }

    /// Own address where that is spoken.
    #[must_use]
    pub fn address_of(&self, protocol: Protocol) -> SocketAddr {
        let own = self.ports.iter().find(|(spoken, _)| *spoken == protocol);
        own.map_or(self.address, |(_, address)| *address)
    }

    /// Host and port that Record-Route shows where that is spoken.
    #[must_use]
    pub fn access_of(&self, protocol: Protocol) -> Cow<'_, str> {
        let Some((_, address)) = self.ports.iter().find(|(spoken, _)| *spoken == protocol) else {
            return Cow::Borrowed(&self.access);
        };
        let bare = self.access.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
        let host = bare.map_or(&*self.access, |(host, _)| host);
        Cow::Owned(format!("{host}:{}", address.port()))
    }

    /// The SIP address of another proxy.
    #[must_use]
    pub fn holder(&self, id: NodeId) -> Option<SocketAddr> {
        self.holders.iter().find(|(known, _)| *known == id).map(|(_, address)| *address)
    }

    /// Whether that is the SIP address of another proxy.
    #[must_use]
    pub fn is_holder(&self, remote: SocketAddr) -> bool {
        self.holders.iter().any(|(_, address)| *address == remote)
    }

    /// Whether any node sends from this address.
    #[must_use]
    pub fn is_node(&self, remote: SocketAddr, protocol: Protocol) -> bool {
        self.nodes.iter().any(|node| node.sends_from(remote, protocol))
    }

    /// The node with an id.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&NodeSettings> {
        self.nodes.iter().find(|node| node.id == id)
    }
}
