//! The option register: every option and extension key that the guide names,
//! with its scope, kind, default, unit, effect and state. Validation, the JSON
//! Schema, the help in findings and the pages under `config/` all come from it.

mod cluster;
mod dns;
mod extensions;
mod node;
mod peers;
mod unsupported;
mod value;

pub use unsupported::{FEATURES, UnsupportedFeature};
pub(crate) use value::{Misfit, parse, valid_address};
pub use value::{OptionValue, Options, Pair};

/// Where an option may stand, or which component of a site reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Application with `role: node` (`[TServer]` and its sister sections).
    Node,
    /// Application with `role: vq`, a SIP Server of the Virtual Queue switch.
    VqServer,
    /// Application with `role: sip-proxy` (`[sipproxy]`).
    SipProxy,
    /// SIP Cluster Node DN, `service-type: sip-cluster-nodes`.
    ClusterDn,
    /// SIP Outbound Proxy DN, `service-type: sip-outbound-proxy`.
    OutboundProxyDn,
    /// Media server DN, `service-type: msml`.
    MsmlDn,
    /// Softswitch DN, `service-type: softswitch`.
    SoftswitchDn,
    /// Dial-plan DN, `service-type: feature-server`.
    FeatureServerDn,
    /// Voicemail DN, `service-type: voicemail`.
    VoicemailDn,
    /// DN of type Trunk.
    Trunk,
    /// DN of type Trunk Group.
    TrunkGroup,
    /// DN of type Routing Point or External Routing Point.
    RoutingPoint,
    /// DN of type Extension, ACD Position or Voice Treatment Port.
    Extension,
    /// DN of type Virtual Queue.
    VirtualQueue,
    /// DN of type Communication DN.
    CommunicationDn,
    /// Person.
    Person,
    /// Key in AttributeExtensions of a T-Library request.
    RequestExtension,
    /// Key in AttributeExtensions or AttributeReason of an event.
    EventData,
    /// Connection between two applications.
    Connection,
    /// Switch object, section `[gts]`.
    SwitchObject,
    /// Universal Routing Server, or a section that it reads from another object.
    Router,
    /// Orchestration Server.
    Orchestration,
    /// Stat Server.
    StatServer,
    /// Interaction Concentrator.
    Concentrator,
    /// Genesys Info Mart and its aggregates.
    InfoMart,
    /// SIP Feature Server application.
    FeatureServer,
    /// Resource Manager of the voice platform.
    ResourceManager,
    /// IVR Profile.
    IvrProfile,
    /// Web Services and Workspace Web Edition.
    WebServices,
    /// Outbound Contact Server, its campaigns, CPD servers and proxies.
    OutboundContact,
}

impl Scope {
    /// Every scope, in the order of the reference page.
    pub const ALL: [Self; 30] = [
        Self::ClusterDn,
        Self::OutboundProxyDn,
        Self::MsmlDn,
        Self::SoftswitchDn,
        Self::FeatureServerDn,
        Self::VoicemailDn,
        Self::Trunk,
        Self::TrunkGroup,
        Self::RoutingPoint,
        Self::Extension,
        Self::VirtualQueue,
        Self::CommunicationDn,
        Self::Node,
        Self::VqServer,
        Self::SipProxy,
        Self::Person,
        Self::RequestExtension,
        Self::EventData,
        Self::Connection,
        Self::SwitchObject,
        Self::Router,
        Self::Orchestration,
        Self::StatServer,
        Self::Concentrator,
        Self::InfoMart,
        Self::FeatureServer,
        Self::ResourceManager,
        Self::IvrProfile,
        Self::WebServices,
        Self::OutboundContact,
    ];

    /// The scope in words.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Node => "application, role node",
            Self::VqServer => "application, role vq",
            Self::SipProxy => "application, role sip-proxy",
            Self::ClusterDn => "SIP Cluster Node DN",
            Self::OutboundProxyDn => "SIP Outbound Proxy DN",
            Self::MsmlDn => "MSML DN",
            Self::SoftswitchDn => "Softswitch DN",
            Self::FeatureServerDn => "Dial Plan (Feature Server) DN",
            Self::VoicemailDn => "Voicemail DN",
            Self::Trunk => "Trunk DN",
            Self::TrunkGroup => "Trunk Group DN",
            Self::RoutingPoint => "Routing Point DN",
            Self::Extension => "Extension DN",
            Self::VirtualQueue => "Virtual Queue DN",
            Self::CommunicationDn => "Communication DN",
            Self::Person => "Person",
            Self::RequestExtension => "extension of a request",
            Self::EventData => "extension or reason of an event",
            Self::Connection => "connection of an application",
            Self::SwitchObject => "Switch object",
            Self::Router => "Universal Routing Server",
            Self::Orchestration => "Orchestration Server",
            Self::StatServer => "Stat Server",
            Self::Concentrator => "Interaction Concentrator",
            Self::InfoMart => "Info Mart and aggregates",
            Self::FeatureServer => "SIP Feature Server",
            Self::ResourceManager => "Resource Manager",
            Self::IvrProfile => "IVR Profile",
            Self::WebServices => "Web Services and desktop",
            Self::OutboundContact => "Outbound Contact",
        }
    }

    /// Whether an object of the configuration file carries options of this scope.
    #[must_use]
    pub const fn in_file(self) -> bool {
        match self {
            Self::Node
            | Self::VqServer
            | Self::SipProxy
            | Self::ClusterDn
            | Self::OutboundProxyDn
            | Self::MsmlDn
            | Self::SoftswitchDn
            | Self::FeatureServerDn
            | Self::VoicemailDn
            | Self::Trunk
            | Self::TrunkGroup
            | Self::RoutingPoint
            | Self::Extension
            | Self::VirtualQueue
            | Self::CommunicationDn
            | Self::Person => true,
            Self::RequestExtension
            | Self::EventData
            | Self::Connection
            | Self::SwitchObject
            | Self::Router
            | Self::Orchestration
            | Self::StatServer
            | Self::Concentrator
            | Self::InfoMart
            | Self::FeatureServer
            | Self::ResourceManager
            | Self::IvrProfile
            | Self::WebServices
            | Self::OutboundContact => false,
        }
    }
}

/// Unit of a bare number in a duration. A value may also name its own unit, as
/// the guide's samples do: `300 msec`, `10 sec`, `60 min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Minutes.
    Minutes,
}

impl Unit {
    /// Milliseconds in one unit.
    #[must_use]
    pub const fn millis(self) -> u64 {
        match self {
            Self::Milliseconds => 1,
            Self::Seconds => 1000,
            Self::Minutes => 60_000,
        }
    }

    /// The unit in words.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Milliseconds => "milliseconds",
            Self::Seconds => "seconds",
            Self::Minutes => "minutes",
        }
    }
}

/// What values an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// `true` or `false`; also `yes`, `no`, `on`, `off`, `1`, `0`.
    Flag,
    /// A whole number between both ends.
    Number {
        /// Smallest value.
        min: i64,
        /// Greatest value.
        max: i64,
    },
    /// A span of time.
    Duration {
        /// Unit of a bare number.
        unit: Unit,
        /// Greatest value, in that unit.
        max: u64,
    },
    /// One of the listed words.
    Choice(&'static [&'static str]),
    /// Any text.
    Text,
    /// A YAML list or a comma-separated text.
    List,
    /// A YAML mapping or `key=value` pairs separated by commas.
    Pairs,
    /// Pairs of SIP final response codes, RFC 3261 21.
    CodePairs,
    /// `*`, or `[sip:][user@]host[:port][;transport=udp|tcp]`.
    SipAddress,
    /// `http://` or `https://` and a host.
    HttpAddress,
    /// `reject=CODE`, or the name of a DN.
    RejectOrDn,
    /// Whatever stands there; the value is not read.
    Anything,
}

/// When a changed value takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// With the reload.
    Immediately,
    /// With the next call.
    NextCall,
    /// With the next REGISTER of the DN.
    NextRegistration,
    /// With the next OPTIONS check of the DN or node.
    NextCheck,
    /// When the application is started again.
    Restart,
}

impl Effect {
    /// The effect in words.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Immediately => "immediately",
            Self::NextCall => "for the next call",
            Self::NextRegistration => "at the next registration",
            Self::NextCheck => "at the next check",
            Self::Restart => "after restart",
        }
    }
}

/// What the program does with an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It does what the register says.
    Works,
    /// It is read and checked, and has no effect in this version.
    Later,
    /// A stand-alone SIP Server or another spelling knows it; in a cluster something else decides.
    IgnoredInCluster,
    /// The guide lists it as unsupported in cluster mode.
    Unsupported,
}

impl State {
    /// The state in words.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::Later => "later",
            Self::IgnoredInCluster => "ignored in cluster mode",
            Self::Unsupported => "unsupported in cluster mode",
        }
    }
}

/// One option or extension key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionMeta {
    /// Its name, spelled as the guide spells it.
    pub name: &'static str,
    /// Where it may stand. A name with several meanings has several entries with disjoint scopes.
    pub scopes: &'static [Scope],
    /// What values it takes.
    pub kind: ValueKind,
    /// The value that counts when the option is absent, in the notation of the file; empty for none.
    pub default: &'static str,
    /// When a change takes effect.
    pub takes_effect: Effect,
    /// What the program does with it.
    pub state: State,
    /// What it does, in a sentence or two.
    pub meaning: &'static str,
    /// Chapter of the guide, RFC section, or `sipcluster` for an option of our own.
    pub guide: &'static str,
}

impl OptionMeta {
    /// The unit of a bare number, empty when there is none.
    #[must_use]
    pub const fn unit(&self) -> &'static str {
        match self.kind {
            ValueKind::Duration { unit, .. } => unit.title(),
            ValueKind::Flag
            | ValueKind::Number { .. }
            | ValueKind::Choice(_)
            | ValueKind::Text
            | ValueKind::List
            | ValueKind::Pairs
            | ValueKind::CodePairs
            | ValueKind::SipAddress
            | ValueKind::HttpAddress
            | ValueKind::RejectOrDn
            | ValueKind::Anything => "",
        }
    }

    /// The values it takes, in words.
    #[must_use]
    pub fn values(&self) -> String {
        match self.kind {
            ValueKind::Flag => "true, false".to_owned(),
            ValueKind::Number { min, max: i64::MAX } => format!("number from {min}"),
            ValueKind::Number { min, max } => format!("number {min} to {max}"),
            ValueKind::Duration { unit, max: u64::MAX } => format!("duration, {}", unit.title()),
            ValueKind::Duration { unit, max } => format!("duration 0 to {max}, {}", unit.title()),
            ValueKind::Choice(words) => words.join(", "),
            ValueKind::Text => "text".to_owned(),
            ValueKind::List => "list, or text with commas".to_owned(),
            ValueKind::Pairs => "`key=value`, with commas".to_owned(),
            ValueKind::CodePairs => "`from=to` SIP codes 400 to 699, with commas".to_owned(),
            ValueKind::SipAddress => {
                "`*` or `[sip:][user@]host[:port][;transport=udp or tcp]`".to_owned()
            }
            ValueKind::HttpAddress => "http or https URL".to_owned(),
            ValueKind::RejectOrDn => "`reject=CODE` (400 to 699) or a DN".to_owned(),
            ValueKind::Anything => "any".to_owned(),
        }
    }

    /// Name, meaning, values, default and unit in one line: what a finding shows below its message.
    #[must_use]
    pub fn help(&self) -> String {
        let default = if self.default.is_empty() { "none" } else { self.default };
        format!("{}: {} Values: {}. Default: {default}.", self.name, self.meaning, self.values())
    }
}

/// Shorthand of the tables: bare number of seconds without an upper bound.
const SECONDS: ValueKind = ValueKind::Duration { unit: Unit::Seconds, max: u64::MAX };
/// Shorthand of the tables: bare number of minutes without an upper bound.
const MINUTES: ValueKind = ValueKind::Duration { unit: Unit::Minutes, max: u64::MAX };
/// Shorthand of the tables: bare number of milliseconds without an upper bound.
const MILLISECONDS: ValueKind = ValueKind::Duration { unit: Unit::Milliseconds, max: u64::MAX };
/// Shorthand of the tables: a number that is not negative.
const COUNT: ValueKind = ValueKind::Number { min: 0, max: i64::MAX };
/// Shorthand of the tables: a SIP final error response, RFC 3261 21.4 to 21.6.
const ERROR_CODE: ValueKind = ValueKind::Number { min: 400, max: 699 };

/// Writes a table of the register, one option per entry: name, scopes, kind,
/// default, effect, state, meaning, source.
macro_rules! options {
    ($($name:literal, $scopes:expr, $kind:expr, $default:literal, $effect:ident, $state:ident,
        $meaning:literal, $guide:literal;)*) => {
        pub(super) const TABLE: &[super::OptionMeta] = &[$(super::OptionMeta {
            name: $name,
            scopes: $scopes,
            kind: $kind,
            default: $default,
            takes_effect: super::Effect::$effect,
            state: super::State::$state,
            meaning: $meaning,
            guide: $guide,
        }),*];
    };
}
use options;

/// The tables, in the order of the reference page.
const TABLES: &[&[OptionMeta]] =
    &[cluster::TABLE, dns::TABLE, node::TABLE, unsupported::TABLE, extensions::TABLE, peers::TABLE];

/// Every entry of the register.
pub fn register() -> impl Iterator<Item = &'static OptionMeta> {
    TABLES.iter().flat_map(|table| table.iter())
}

/// The first entry of that name, whatever its scope. `url-1`, `url-2` and so on
/// are found under `url-N`.
#[must_use]
pub fn find(name: &str) -> Option<&'static OptionMeta> {
    register().find(|meta| matches_name(meta, name))
}

/// The entry of that name in that scope.
#[must_use]
pub fn find_in(name: &str, scope: Scope) -> Option<&'static OptionMeta> {
    register().find(|meta| matches_name(meta, name) && meta.scopes.contains(&scope))
}

fn matches_name(meta: &OptionMeta, name: &str) -> bool {
    if meta.name == name {
        return true;
    }
    match (meta.name.strip_suffix('N'), name) {
        (Some(stem), name) if stem.ends_with('-') => name
            .strip_prefix(stem)
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit())),
        (Some(_) | None, _) => false,
    }
}

/// The word of `known` that `name` was probably meant to be: at most one edit
/// per four letters away, and the nearest of them.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let bound = name.chars().count() / 4 + 1;
    known
        .map(|word| (distance(&name.to_ascii_lowercase(), &word.to_ascii_lowercase()), word))
        .filter(|(edits, _)| *edits <= bound)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, word)| word)
}

/// Edits (insert, delete, replace one byte) that turn one word into the other.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, a) in left.bytes().enumerate() {
        let mut diagonal = line;
        let mut before = line + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(right.bytes()) {
            let above = *cell;
            let edits = (diagonal + usize::from(a != b)).min(above + 1).min(before + 1);
            diagonal = above;
            before = edits;
            *cell = edits;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
