//! The configuration as the modules see it: immutable, checked, shared.

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::options::{Options, Scope};
use super::report::Place;
use crate::base::id::NodeId;

/// A password or key. Neither `Debug` nor `Display` shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Takes a secret.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How modules share threads (the guide's thread table, `decisions.md` 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Threading {
    /// A thread per module and shard, pinned.
    Dedicated,
    /// A few threads for all modules of an application.
    #[default]
    Shared,
    /// One thread for everything.
    Single,
}

/// Least severe event that is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// What stops the process.
    Error,
    /// What someone should look at tomorrow.
    Warn,
    /// States of nodes, links, pairs and trunks.
    #[default]
    Info,
    /// Decisions off the happy path.
    Debug,
    /// Every packet.
    Trace,
}

impl LogLevel {
    /// As the log's filter writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// Form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The key `log`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogSettings {
    /// Least severe event that is logged.
    pub level: LogLevel,
    /// Its form.
    pub format: LogFormat,
    /// File it goes to; standard error where absent.
    pub file: Option<PathBuf>,
}

/// A whole configuration. It changes only by being replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// HTTP port of a process that runs several applications; an application that runs alone uses its `ports.http`.
    pub http: Option<SocketAddr>,
    /// Keys that seal ids and tokens: the first seals, all open. Empty: a random one at each start.
    pub cluster_keys: Vec<Secret>,
    /// Folder of what outlives a process.
    pub data_dir: Option<PathBuf>,
    /// How modules share threads.
    pub threading: Threading,
    /// Whether SIP between applications of one process is handed over without a socket.
    pub local_handover: bool,
    /// The log.
    pub log: LogSettings,
    /// Tenants, in the order of the file, as all lists here.
    pub tenants: Vec<Tenant>,
    /// Switches with their DNs.
    pub switches: Vec<Switch>,
    /// Persons.
    pub persons: Vec<Person>,
    /// T-Library clients that are served; `None` for whoever comes.
    pub clients: Option<Vec<Client>>,
    /// Places.
    pub places: Vec<Group>,
    /// Agent groups.
    pub agent_groups: Vec<Group>,
    /// Applications.
    pub applications: Vec<Application>,
    /// Zones of the built-in DNS.
    pub dns_zones: Vec<DnsZone>,
}

impl Config {
    /// The switch of that name.
    #[must_use]
    pub fn switch(&self, name: &str) -> Option<&Switch> {
        self.switches.iter().find(|switch| *switch.name == *name)
    }

    /// The application of that name.
    #[must_use]
    pub fn application(&self, name: &str) -> Option<&Application> {
        self.applications.iter().find(|application| *application.name == *name)
    }

    /// Applications of that switch and role.
    pub fn applications_of<'a>(
        &'a self,
        switch: &'a str,
        role: AppRole,
    ) -> impl Iterator<Item = &'a Application> {
        self.applications.iter().filter(move |own| *own.switch == *switch && own.role == role)
    }

    /// Those of them that belong to the cluster.
    pub fn members_of<'a>(
        &'a self,
        switch: &'a str,
        role: AppRole,
    ) -> impl Iterator<Item = &'a Application> {
        self.applications_of(switch, role).filter(|own| self.is_member(own))
    }

    /// Whether an application belongs to the cluster of its switch: the SIP Cluster Node DN lists
    /// it, or its primary, or lists none of its role. Others, such as the guide's dummy
    /// application of an Interaction Proxy, are there for clients to read.
    #[must_use]
    pub fn is_member(&self, application: &Application) -> bool {
        let option = match application.role {
            AppRole::Node => "applications",
            AppRole::SipProxy => "siproxy-applications",
            AppRole::VqServer => return true,
        };
        let cluster = self.switch(&application.switch).and_then(Switch::cluster_dn);
        let listed = cluster.map(|dn| dn.object.options.list(option)).unwrap_or_default();
        let is_listed = |name: &str| listed.iter().any(|own| **own == *name);
        // The members of a pair come together.
        let is_primary = |own: &&Application| own.backup.as_deref() == Some(&*application.name);
        listed.is_empty()
            || is_listed(&application.name)
            || application.backup.as_deref().is_some_and(is_listed)
            || self.applications.iter().filter(is_primary).any(|own| is_listed(&own.name))
    }

    /// Whether the nodes of a switch have T-Controllers: clients connect to one of them.
    #[must_use]
    pub fn has_t_controllers(&self, switch: &str) -> bool {
        self.members_of(switch, AppRole::Node).any(|node| node.ports.has_t_controller())
    }

    /// Whether an application is the backup of another.
    #[must_use]
    pub fn is_backup(&self, name: &str) -> bool {
        self.applications.iter().any(|other| other.backup.as_deref() == Some(name))
    }

    /// Whether an internal device must authenticate: the DN counts first, then
    /// the application, then the SIP Cluster Node DN (guide, sip-enable-strict-auth).
    #[must_use]
    pub fn strict_auth(&self, application: &Application, dn: &Dn) -> bool {
        let own = dn.object.options.flag(STRICT_AUTH);
        let of_cluster =
            || self.switch(&application.switch)?.cluster_dn()?.object.options.flag(STRICT_AUTH);
        own.or_else(|| application.options.flag(STRICT_AUTH))
            .or_else(of_cluster)
            .unwrap_or_default()
    }
}

/// Name of the option of [`Config::strict_auth`].
pub(crate) const STRICT_AUTH: &str = "sip-enable-strict-auth";

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its name.
    pub name: Box<str>,
    /// Where it stands.
    pub place: Place,
}

/// What a switch holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwitchKind {
    /// The switch of the cluster.
    Sip,
    /// Virtual Queues and one Communication DN.
    VirtualQueues,
}

/// A switch and its DNs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    /// Its name.
    pub name: Box<str>,
    /// What it holds.
    pub kind: SwitchKind,
    /// Tenant, where one is named.
    pub tenant: Option<Box<str>>,
    /// Realm of digest authentication, RFC 7616; the name of the switch unless set.
    pub realm: Box<str>,
    /// Host parts that are this switch's own in an address of record.
    pub domains: Vec<Box<str>>,
    /// The DNs, ranges expanded.
    pub dns: Vec<Dn>,
    /// Where it stands.
    pub place: Place,
    pub(crate) index: HashMap<Box<str>, u32>,
}

impl Switch {
    /// The DN of that name or number.
    #[must_use]
    pub fn dn(&self, name: &str) -> Option<&Dn> {
        self.dns.get(self.dn_position(name)?)
    }

    /// The position in [`Switch::dns`] of the DN of that name.
    #[must_use]
    pub fn dn_position(&self, name: &str) -> Option<usize> {
        self.index.get(name).map(|position| *position as usize)
    }

    /// The SIP Cluster Node DN.
    #[must_use]
    pub fn cluster_dn(&self) -> Option<&Dn> {
        self.of_kind(DnKind::VoipService(ServiceType::SipClusterNodes)).next()
    }

    /// The SIP Outbound Proxy DN.
    #[must_use]
    pub fn outbound_proxy_dn(&self) -> Option<&Dn> {
        self.of_kind(DnKind::VoipService(ServiceType::SipOutboundProxy)).next()
    }

    /// The trunks, in the order of the file.
    pub fn trunks(&self) -> impl Iterator<Item = &Dn> {
        self.of_kind(DnKind::Trunk)
    }

    /// The softswitches, in the order of the file.
    pub fn softswitches(&self) -> impl Iterator<Item = &Dn> {
        self.of_kind(DnKind::VoipService(ServiceType::Softswitch))
    }

    /// The DNs of one kind, in the order of the file.
    pub fn of_kind(&self, kind: DnKind) -> impl Iterator<Item = &Dn> {
        self.dns.iter().filter(move |dn| dn.object.kind == kind)
    }
}

/// What a Voice over IP Service stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceType {
    /// The cluster itself: its applications and common options.
    SipClusterNodes,
    /// The SIP Proxies as nodes and the world see them.
    SipOutboundProxy,
    /// Resource Managers of a data centre.
    Msml,
    /// A gateway behind which remote agents are.
    Softswitch,
    /// Feature Servers that answer dial-plan requests.
    FeatureServer,
    /// A voicemail access number.
    Voicemail,
}

/// Type of a DN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DnKind {
    /// A phone.
    Extension,
    /// A phone of an agent, in the words of other switches.
    AcdPosition,
    /// A port of a voice platform.
    VoiceTreatmentPort,
    /// Where routers decide.
    RoutingPoint,
    /// A Routing Point of another switch.
    ExternalRoutingPoint,
    /// A gateway.
    Trunk,
    /// Predictive calls and treatments.
    TrunkGroup,
    /// A Voice over IP Service.
    VoipService(ServiceType),
    /// A Virtual Queue.
    VirtualQueue,
    /// Where Outbound Contact and others exchange user events.
    CommunicationDn,
}

impl DnKind {
    /// The scope of its options.
    #[must_use]
    pub const fn scope(self) -> Scope {
        match self {
            Self::Extension | Self::AcdPosition | Self::VoiceTreatmentPort => Scope::Extension,
            Self::RoutingPoint | Self::ExternalRoutingPoint => Scope::RoutingPoint,
            Self::Trunk => Scope::Trunk,
            Self::TrunkGroup => Scope::TrunkGroup,
            Self::VirtualQueue => Scope::VirtualQueue,
            Self::CommunicationDn => Scope::CommunicationDn,
            Self::VoipService(ServiceType::SipClusterNodes) => Scope::ClusterDn,
            Self::VoipService(ServiceType::SipOutboundProxy) => Scope::OutboundProxyDn,
            Self::VoipService(ServiceType::Msml) => Scope::MsmlDn,
            Self::VoipService(ServiceType::Softswitch) => Scope::SoftswitchDn,
            Self::VoipService(ServiceType::FeatureServer) => Scope::FeatureServerDn,
            Self::VoipService(ServiceType::Voicemail) => Scope::VoicemailDn,
        }
    }

    /// Whether a phone of the cluster stands behind it.
    #[must_use]
    pub const fn is_phone(self) -> bool {
        match self {
            Self::Extension | Self::AcdPosition | Self::VoiceTreatmentPort => true,
            Self::RoutingPoint
            | Self::ExternalRoutingPoint
            | Self::Trunk
            | Self::TrunkGroup
            | Self::VoipService(_)
            | Self::VirtualQueue
            | Self::CommunicationDn => false,
        }
    }
}

/// A DN: what is its own. All DNs of a range share one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dn {
    /// Name or number.
    pub name: Box<str>,
    /// Password of digest authentication; without one the DN never authenticates.
    pub password: Option<Secret>,
    /// Type and options.
    pub object: Arc<DnObject>,
}

/// What the DNs of one entry of the file share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnObject {
    /// Name as it stands in the file: a range for a range.
    pub label: Box<str>,
    /// Type.
    pub kind: DnKind,
    /// Options.
    pub options: Options,
    /// Where it stands.
    pub place: Place,
}

/// A person; the employee-id is the agent's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Employee ID.
    pub employee_id: Box<str>,
    /// First name, empty unless set.
    pub first_name: Box<str>,
    /// Last name, empty unless set.
    pub last_name: Box<str>,
    /// Password of desktops.
    pub password: Option<Secret>,
    /// Skills and their levels, in the order of the file.
    pub skills: Vec<(Box<str>, u32)>,
    /// Place at which the person usually sits.
    pub default_place: Option<Box<str>>,
    /// Options.
    pub options: Options,
    /// Where it stands.
    pub place: Place,
}

/// A place with its DNs, or an agent group with its persons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: Box<str>,
    /// Names of the DNs, or employee IDs.
    pub members: Vec<Box<str>>,
    /// Where it stands.
    pub place: Place,
}

/// What an application does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AppRole {
    /// A cluster node, a SIP Server in cluster mode.
    Node,
    /// A SIP Proxy.
    SipProxy,
    /// A SIP Server of the Virtual Queue switch.
    VqServer,
}

impl AppRole {
    /// The scope of its options.
    #[must_use]
    pub const fn scope(self) -> Scope {
        match self {
            Self::Node => Scope::Node,
            Self::SipProxy => Scope::SipProxy,
            Self::VqServer => Scope::VqServer,
        }
    }
}

/// Where an application listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// An address.
    Address(IpAddr),
    /// A name, to be resolved when the process starts.
    Name(Box<str>),
}

impl Host {
    /// The address, where it is one.
    #[must_use]
    pub const fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(*address),
            Self::Name(_) => None,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Listening ports of an application; `None` where it does not listen, or, for
/// `cluster`, where the system chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// SIP, UDP and TCP.
    pub sip: Option<u16>,
    /// SIP over TLS.
    pub sips: Option<u16>,
    /// SIP over `WebSocket`.
    pub ws: Option<u16>,
    /// SIP over `WebSocket` with TLS.
    pub wss: Option<u16>,
    /// T-Library of the Session Controller.
    pub default: Option<u16>,
    /// T-Library of the T-Controller, `TCport`.
    pub tcport: Option<u16>,
    /// Interaction Proxy, `IPport`.
    pub ipport: Option<u16>,
    /// Smart Proxy, `SmartProxy`.
    pub smartproxy: Option<u16>,
    /// Links between T-Controllers, and registrations of proxies.
    pub cluster: Option<u16>,
    /// System Monitor, where the application runs in a process of its own.
    pub http: Option<u16>,
}

impl Ports {
    /// Whether T-Library clients can connect.
    #[must_use]
    pub const fn has_t_library(&self) -> bool {
        self.default.is_some()
            || self.tcport.is_some()
            || self.ipport.is_some()
            || self.smartproxy.is_some()
    }

    /// Whether clients connect to its T-Controller, straight or by the Smart Proxy.
    #[must_use]
    pub const fn has_t_controller(&self) -> bool {
        self.tcport.is_some() || self.smartproxy.is_some()
    }

    /// Name and number of each port that is set.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u16)> {
        [
            ("sip", self.sip),
            ("sips", self.sips),
            ("ws", self.ws),
            ("wss", self.wss),
            ("default", self.default),
            ("TCport", self.tcport),
            ("IPport", self.ipport),
            ("SmartProxy", self.smartproxy),
            ("cluster", self.cluster),
            ("http", self.http),
        ]
        .into_iter()
        .filter_map(|(name, port)| Some((name, port?)))
    }
}

/// An application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// Its name.
    pub name: Box<str>,
    /// What it does.
    pub role: AppRole,
    /// Its identity in ids and tokens; a pair shares one.
    pub node_id: NodeId,
    /// Whether the file leaves the node-id out, so that it was chosen.
    pub node_id_chosen: bool,
    /// Name of its switch.
    pub switch: Box<str>,
    /// Its data centre; empty for a Virtual Queue server that names none.
    pub geo_location: Box<str>,
    /// Where it listens.
    pub host: Host,
    /// On which ports.
    pub ports: Ports,
    /// Name of its backup.
    pub backup: Option<Box<str>>,
    /// Processors that its module threads are pinned to in turn; empty for none.
    pub cores: Vec<usize>,
    /// Options.
    pub options: Options,
    /// Where it stands.
    pub place: Place,
}

/// A T-Library client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// ApplicationName.
    pub name: Box<str>,
    /// ApplicationPassword; none is asked for where there is none.
    pub password: Option<Secret>,
    /// DNs that it may ask about and hear of; `None` for all.
    pub dns: Option<Vec<DnRange>>,
    /// Whether it only hears.
    pub is_monitor: bool,
    /// Where it stands.
    pub place: Place,
}

/// A DN, or all numbers of equal length between two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnRange {
    /// The first.
    pub first: Box<str>,
    /// The last.
    pub last: Box<str>,
}

impl DnRange {
    /// Whether a DN is one of them.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        if self.first == self.last {
            return *self.first == *name;
        }
        name.len() == self.first.len()
            && name.bytes().all(|byte| byte.is_ascii_digit())
            && (&*self.first..=&*self.last).contains(&name)
    }
}

/// A zone of the built-in DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsZone {
    /// Name of the zone.
    pub zone: Box<str>,
    /// Where it is served.
    pub listen: SocketAddr,
}
