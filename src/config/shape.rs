//! The keys of the file: which object has which, what they take, what they
//! mean. Unknown keys, help in findings and the JSON Schema come from here.

use super::options::Scope;

/// An object of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    /// The file itself.
    File,
    /// `log`.
    Log,
    /// An entry of `tenants`.
    Tenant,
    /// An entry of `switches`.
    Switch,
    /// An entry of `dns`.
    Dn,
    /// An entry of `persons`.
    Person,
    /// An entry of `clients`.
    Client,
    /// An entry of `places`.
    Place,
    /// An entry of `agent-groups`.
    AgentGroup,
    /// An entry of `applications`.
    Application,
    /// `ports` of an application.
    Ports,
    /// An entry of `dns-zones`.
    DnsZone,
}

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// A text.
    Text,
    /// A flag.
    Flag,
    /// A whole number between both ends.
    Number(u32, u32),
    /// One of the words.
    Choice(&'static [&'static str]),
    /// `address:port`.
    Socket,
    /// A text, or a list of up to two.
    Keys,
    /// A list of texts.
    Names,
    /// A list of whole numbers between both ends.
    Numbers(u32, u32),
    /// A mapping from skill to level.
    Levels,
    /// An object.
    One(Object),
    /// A list of objects.
    Many(Object),
    /// Options of the object, of one of these scopes.
    Options(&'static [Scope]),
    /// Never: the key is known so that the error can explain.
    Never,
}

/// A key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// Whether it must be there.
    pub required: bool,
    /// What it means.
    pub meaning: &'static str,
}

impl Field {
    pub(crate) fn help(&self) -> String {
        format!("{}: {}", self.name, self.meaning)
    }
}

const fn must(name: &'static str, takes: Takes, meaning: &'static str) -> Field {
    Field { name, takes, required: true, meaning }
}

const fn may(name: &'static str, takes: Takes, meaning: &'static str) -> Field {
    Field { name, takes, required: false, meaning }
}

/// Scopes of options of DNs.
pub(crate) const DN_SCOPES: &[Scope] = &[
    Scope::ClusterDn,
    Scope::OutboundProxyDn,
    Scope::MsmlDn,
    Scope::SoftswitchDn,
    Scope::FeatureServerDn,
    Scope::VoicemailDn,
    Scope::Trunk,
    Scope::TrunkGroup,
    Scope::RoutingPoint,
    Scope::Extension,
    Scope::VirtualQueue,
    Scope::CommunicationDn,
];
/// Scopes of options of applications.
pub(crate) const APP_SCOPES: &[Scope] = &[Scope::Node, Scope::SipProxy, Scope::VqServer];
/// Scopes of options of persons.
pub(crate) const PERSON_SCOPES: &[Scope] = &[Scope::Person];

/// Types of DNs that the file may hold, and acd-queue, which is refused with its reason.
pub(crate) const DN_TYPES: &[&str] = &[
    "extension",
    "acd-position",
    "voice-treatment-port",
    "routing-point",
    "external-routing-point",
    "trunk",
    "trunk-group",
    "voip-service",
    "virtual-queue",
    "communication-dn",
];
/// Types of switches.
pub(crate) const SWITCH_TYPES: &[&str] = &["sip-switch", "vq-switch"];
/// Roles of applications.
/// Words of `access` of a client.
pub(crate) const ACCESS: &[&str] = &["control", "monitor"];
pub(crate) const ROLES: &[&str] = &["node", "sip-proxy", "vq"];
/// How modules share threads.
pub(crate) const THREADING: &[&str] = &["dedicated", "shared", "single"];
/// Log levels.
pub(crate) const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];
/// Forms of the log.
pub(crate) const FORMATS: &[&str] = &["text", "json"];

const NO_LOGINS: &str = "Agent Logins are not used in a SIP Cluster: the employee-id of a person is the agent's identity (guide, \
     Configuring Switch and DN Objects).";
const PORT: Takes = Takes::Number(0, 65535);

const FILE: &[Field] = &[
    may(
        "http",
        Takes::Socket,
        "Address of the System Monitor of a process that runs several applications.",
    ),
    may(
        "cluster-key",
        Takes::Keys,
        "Secret that seals ids and tokens, the same in all processes; two during a change, the new one first.",
    ),
    may(
        "cluster-key_file",
        Takes::Keys,
        "File that holds the cluster-key, relative to the folder of this file.",
    ),
    may(
        "data-dir",
        Takes::Text,
        "Folder of what outlives a process: start epochs and registrations.",
    ),
    may("threading", Takes::Choice(THREADING), "How modules share threads; shared unless set."),
    may(
        "local-handover",
        Takes::Flag,
        "Whether SIP between applications of one process is handed over without a socket; true unless set.",
    ),
    may("log", Takes::One(Object::Log), "The log."),
    may("tenants", Takes::Many(Object::Tenant), "Tenants."),
    may("switches", Takes::Many(Object::Switch), "Switches with their DNs."),
    may("persons", Takes::Many(Object::Person), "Persons: agents and supervisors."),
    may(
        "clients",
        Takes::Many(Object::Client),
        "T-Library clients that are served. Whoever reaches a port is, where the key is not there.",
    ),
    may("places", Takes::Many(Object::Place), "Places: DNs that one person uses together."),
    may("agent-groups", Takes::Many(Object::AgentGroup), "Agent groups."),
    may(
        "applications",
        Takes::Many(Object::Application),
        "Nodes, SIP Proxies and Virtual Queue servers.",
    ),
    may(
        "dns-zones",
        Takes::Many(Object::DnsZone),
        "Zones of the built-in DNS; without effect in this version.",
    ),
    may("agent-logins", Takes::Never, NO_LOGINS),
];
const LOG: &[Field] = &[
    may("level", Takes::Choice(LEVELS), "Least severe event that is logged; info unless set."),
    may("format", Takes::Choice(FORMATS), "Lines for people or JSON objects; text unless set."),
    may("file", Takes::Text, "File of the log; standard error unless set."),
];
const TENANT: &[Field] = &[must("name", Takes::Text, "Name of the tenant.")];
const SWITCH: &[Field] = &[
    must("name", Takes::Text, "Name of the switch."),
    may(
        "type",
        Takes::Choice(SWITCH_TYPES),
        "sip-switch for the cluster, vq-switch for Virtual Queues; sip-switch unless set.",
    ),
    may("tenant", Takes::Text, "Tenant of the switch."),
    may(
        "realm",
        Takes::Text,
        "Realm of digest authentication (RFC 7616); the name of the switch unless set.",
    ),
    may("domains", Takes::Names, "Host parts that mean this switch in an address of record."),
    may("dns", Takes::Many(Object::Dn), "DNs of the switch."),
    may("agent-logins", Takes::Never, NO_LOGINS),
];
const DN: &[Field] = &[
    must(
        "name",
        Takes::Text,
        "Name or number of the DN, or a range of numbers of equal length, as in 7001-7099.",
    ),
    must("type", Takes::Choice(DN_TYPES), "Type of the DN."),
    may(
        "password",
        Takes::Text,
        "Password of digest authentication; `{dn}` stands for the number.",
    ),
    may(
        "password_file",
        Takes::Text,
        "File that holds the password, relative to the folder of this file.",
    ),
    may(
        "options",
        Takes::Options(DN_SCOPES),
        "Options of the DN: what its annex holds, sections left out.",
    ),
];
const PERSON: &[Field] = &[
    must("employee-id", Takes::Text, "Employee ID, the agent's identity."),
    may("first-name", Takes::Text, "First name."),
    may("last-name", Takes::Text, "Last name."),
    may("password", Takes::Text, "Password of desktops."),
    may(
        "password_file",
        Takes::Text,
        "File that holds the password, relative to the folder of this file.",
    ),
    may("skills", Takes::Levels, "Skills and their levels."),
    may("default-place", Takes::Text, "Place at which the person usually sits."),
    may(
        "options",
        Takes::Options(PERSON_SCOPES),
        "Options of the person: what its annex holds, sections left out.",
    ),
    may("agent-logins", Takes::Never, NO_LOGINS),
];
const CLIENT: &[Field] = &[
    must("name", Takes::Text, "ApplicationName with which the client registers."),
    may(
        "password",
        Takes::Text,
        "ApplicationPassword of the client; none is asked for where it is not there.",
    ),
    may(
        "password_file",
        Takes::Text,
        "File that holds the password, relative to the folder of this file.",
    ),
    may(
        "dns",
        Takes::Names,
        "DNs that it may ask about and hear of, names and ranges as in 7001-7099; all where the key is not there.",
    ),
    may(
        "access",
        Takes::Choice(ACCESS),
        "Whether it may control DNs and calls, or only monitor them; control unless set.",
    ),
];
const PLACE: &[Field] = &[
    must("name", Takes::Text, "Name of the place."),
    may("dns", Takes::Names, "DNs of the place, as `DN` or `DN@switch`."),
];
const AGENT_GROUP: &[Field] = &[
    must("name", Takes::Text, "Name of the group."),
    may("persons", Takes::Names, "Employee IDs of its members."),
];
const APPLICATION: &[Field] = &[
    must("name", Takes::Text, "Name of the application."),
    must(
        "role",
        Takes::Choice(ROLES),
        "node, sip-proxy, or vq for a server of the Virtual Queue switch.",
    ),
    may(
        "node-id",
        Takes::Number(1, 4095),
        "Identity in ids and tokens; a pair shares one, it never changes. Chosen where one process runs the whole file.",
    ),
    must("switch", Takes::Text, "Switch that the application serves."),
    may("geo-location", Takes::Text, "Data centre. SIP Proxies use the nodes of their own."),
    must("host", Takes::Text, "Address or name on which it listens."),
    may("ports", Takes::One(Object::Ports), "Listening ports."),
    may("backup", Takes::Text, "Application that stands by for this one."),
    may(
        "cores",
        Takes::Numbers(0, 4095),
        "Processors, numbered from 0, that its module threads are pinned to in turn. Takes effect at the start of the process.",
    ),
    may("options", Takes::Options(APP_SCOPES), "Options of the application, sections left out."),
];
const PORTS: &[Field] = &[
    may("sip", PORT, "SIP, UDP and TCP."),
    may("sips", PORT, "SIP over TLS, of a SIP Proxy; needs certificate and certificate-key."),
    may("ws", PORT, "SIP over WebSocket (RFC 7118), of a SIP Proxy."),
    may(
        "wss",
        PORT,
        "SIP over WebSocket with TLS, of a SIP Proxy; needs certificate and certificate-key.",
    ),
    may("default", PORT, "T-Library of the Session Controller: routers."),
    may("TCport", PORT, "T-Library of the T-Controller: desktops, smart clients."),
    may("IPport", PORT, "Interaction Proxy: call streams."),
    may("SmartProxy", PORT, "Smart Proxy: monitoring clients."),
    may("cluster", PORT, "Links inside the cluster. Chosen where one process runs the whole file."),
    may("http", PORT, "System Monitor, where the application runs in a process of its own."),
];
const DNS_ZONE: &[Field] = &[
    must("zone", Takes::Text, "Name of the zone."),
    must("listen", Takes::Socket, "Address on which it is served, UDP and TCP."),
];

impl Object {
    /// Its keys.
    pub(crate) const fn fields(self) -> &'static [Field] {
        match self {
            Self::File => FILE,
            Self::Log => LOG,
            Self::Tenant => TENANT,
            Self::Switch => SWITCH,
            Self::Dn => DN,
            Self::Person => PERSON,
            Self::Client => CLIENT,
            Self::Place => PLACE,
            Self::AgentGroup => AGENT_GROUP,
            Self::Application => APPLICATION,
            Self::Ports => PORTS,
            Self::DnsZone => DNS_ZONE,
        }
    }

    /// Its name in messages.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::File => "the file",
            Self::Log => "the log",
            Self::Tenant => "a tenant",
            Self::Switch => "a switch",
            Self::Dn => "a DN",
            Self::Person => "a person",
            Self::Client => "a client",
            Self::Place => "a place",
            Self::AgentGroup => "an agent group",
            Self::Application => "an application",
            Self::Ports => "ports",
            Self::DnsZone => "a zone",
        }
    }

    /// The key of that name.
    pub(crate) fn field(self, name: &str) -> Option<&'static Field> {
        self.fields().iter().find(|field| field.name == name)
    }
}
