//! What a proxy shard knows from the configuration.

use crate::base::flow::Protocol;
use crate::base::id::{NodeId, Shard};
use crate::base::time::Duration;
use core::net::{IpAddr, SocketAddr};

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
        self.addresses.iter().any(|address| match protocol {
            Protocol::Udp => *address == remote,
            Protocol::Tcp => address.ip() == remote.ip(),
        })
    }
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
        self.address == address || self.proxies.contains(&address)
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
