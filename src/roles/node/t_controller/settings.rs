//! What a T-Controller takes from the configuration.

use super::addp::Addp;
use super::no_answer;
use crate::base::id::NodeId;
use crate::base::time::Duration;
use crate::cti::agent;
use crate::cti::tlib::AddressType;
use crate::modules::t_library::admission::Admission;
use core::net::SocketAddr;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// A DN that clients can register for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnKind {
    /// A phone that registers, `contact: "*"`: in service while it is registered.
    SipBased,
    /// A phone that does not: in service while an application of
    /// `dn-owner-applications` is registered for it.
    TLibraryBased,
    /// Where routers decide.
    RoutingPoint,
    /// Where clients exchange user events.
    CommunicationDn,
}

impl DnKind {
    /// Whether an agent can sit there.
    #[must_use]
    pub const fn is_phone(self) -> bool {
        match self {
            Self::SipBased | Self::TLibraryBased => true,
            Self::RoutingPoint | Self::CommunicationDn => false,
        }
    }

    /// As EventRegistered names it.
    #[must_use]
    pub const fn address_type(self) -> AddressType {
        match self {
            Self::SipBased | Self::TLibraryBased => AddressType::Dn,
            Self::RoutingPoint => AddressType::RouteDn,
            Self::CommunicationDn => AddressType::CommunicationDn,
        }
    }
}

/// Another T-Controller of the switch, or a Smart Proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its node-id.
    pub node: NodeId,
    /// Its cluster port.
    pub address: SocketAddr,
    /// Its data centre.
    pub geo_location: Box<str>,
}

/// The configuration of a T-Controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Name of the application.
    pub name: String,
    /// Its node-id, or that of its Smart Proxy.
    pub node: NodeId,
    /// Its data centre, the reason `site` of agent events.
    pub geo_location: Box<str>,
    /// The DNs of the switch, in the order of the file.
    pub dns: Vec<(Box<str>, DnKind)>,
    /// Persons by employee ID, with their password.
    pub persons: HashMap<Box<str>, Option<Box<str>>>,
    /// `dn-owner-applications`.
    pub owners: HashSet<Box<str>>,
    /// Options of agents.
    pub agents: agent::Options,
    /// Which clients are served.
    pub admission: Arc<Admission>,
    /// No-answer supervision.
    pub no_answer: no_answer::Options,
    /// `agent-state-auto-restore`.
    pub auto_restore: bool,
    /// `logout-on-disconnect`.
    pub logout_on_disconnect: bool,
    /// How links are kept alive.
    pub addp: Addp,
    /// `tc-latency-poll-interval`; zero is off.
    pub latency_poll: Duration,
    /// `tc-reconnect-timeout`.
    pub reconnect: Duration,
    /// `dn-owner-move-delay`.
    pub move_delay: Duration,
    /// SIP Proxies of the switch, which tell of registered phones.
    pub proxies: BTreeSet<NodeId>,
    /// The other T-Controllers of the switch, and its Smart Proxies; of a Smart Proxy all
    /// T-Controllers.
    pub peers: Vec<Peer>,
    /// Of a Smart Proxy: `smart-proxy-enabled`.
    pub bulk: bool,
}
