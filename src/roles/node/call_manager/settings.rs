//! What a Call Manager shard knows from the configuration.

use crate::base::id::NodeId;
use crate::base::ownership::DnIndex;
use crate::base::time::Duration;
use core::net::{IpAddr, SocketAddr};
use std::collections::HashMap;

/// What a DN is to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnKind {
    /// A phone.
    Extension {
        /// Digest password; `None` never authenticates.
        password: Option<Box<str>>,
        /// Whether REGISTER and INVITE are challenged.
        strict_auth: bool,
        /// `contact` of a phone that does not register, as a URI.
        contact: Option<Box<str>>,
        /// Where what is known of it can be read.
        place: DnIndex,
    },
    /// A routing point: calls wait here for a router.
    RoutingPoint {
        /// Where they go while no router is connected.
        default_dn: Option<Box<str>>,
    },
}

/// A trunk.
#[derive(Clone, Debug)]
pub struct Trunk {
    /// Name of the DN.
    pub name: Box<str>,
    /// `contact` as a URI.
    pub uri: Box<str>,
    /// Host of `contact` as an address, if it is one.
    pub ip: Option<IpAddr>,
    /// Host and port of `contact` as they stand in URIs.
    pub host_port: Box<str>,
    /// Port of `contact`.
    pub port: u16,
    /// Digits that lead to it.
    pub prefix: Box<str>,
    /// Digits put in place of the prefix.
    pub replace_prefix: Option<Box<str>>,
    /// Smaller is preferred.
    pub priority: u32,
    /// Data centre.
    pub geo_location: Box<str>,
    /// `sip-error-conversion`: what is said to the caller instead of a code.
    pub error_conversion: Vec<(u16, u16)>,
}

/// Settings of one shard; a reload makes a new one.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the application.
    pub name: String,
    /// Own `node-id`.
    pub node: NodeId,
    /// Own data centre.
    pub geo_location: Box<str>,
    /// `sip-outbound-proxy: false`: no proxy looks phones up.
    pub direct: bool,
    /// Realm of challenges: the switch.
    pub realm: String,
    /// Host and port by which URIs name the cluster.
    pub access: String,
    /// DNs by name.
    pub dns: HashMap<Box<str>, DnKind>,
    /// Trunks, in the order of the file.
    pub trunks: Vec<Trunk>,
    /// Whether extensions are challenged unless they say otherwise.
    pub strict_by_default: bool,
    /// Proxies, whose word on the source of a request is believed.
    pub proxies: Vec<SocketAddr>,
    /// `find-trunk-by-location`.
    pub find_trunk_by_location: bool,
    /// `default-route-point`: a DN, or the code of `reject=`.
    pub default_route_point: Result<Box<str>, u16>,
    /// `shutdown-sip-reject-code`: what a new call hears while the node drains.
    pub shutdown_code: u16,
    /// `unknown-gateway-reject-code`.
    pub unknown_gateway_code: u16,
    /// `extn-no-answer-timeout`; zero is off.
    pub no_answer_timeout: Duration,
    /// `registrar-max-timeout`.
    pub expires_max: Duration,
    /// Whether somebody wants to hear of accepted REGISTERs and of calls.
    pub tells_clients: bool,
}

impl Settings {
    /// The trunk that a request from this address belongs to: by address and
    /// port, or by address alone (`by_port` off).
    #[must_use]
    pub fn trunk_at(&self, source: SocketAddr, by_port: bool) -> Option<&Trunk> {
        self.trunks.iter().find(|trunk| {
            trunk.ip == Some(source.ip()) && (!by_port || trunk.port == source.port())
        })
    }
}
