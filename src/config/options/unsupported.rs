//! What the guide excludes from cluster mode: options (accepted with a warning,
//! without effect), spellings that only its own text has, and features with the
//! answer that each gets.

use super::Scope::{Extension, Node, RoutingPoint, SoftswitchDn, Trunk, VqServer};
use super::ValueKind::{Anything, Flag};
use super::{Scope, options};

const SERVERS: &[Scope] = &[Node, VqServer];
/// DNs at which the guide lists an option that a cluster reads from the application only.
const PHONES: &[Scope] = &[Extension, RoutingPoint];

options! {
    "dtmf-payload", SERVERS, Anything, "", Restart, Unsupported,
        "The payload of digits is what the parties agree on in SDP.", "Unsupported SIP Server configuration options";
    "external-registrar", SERVERS, Anything, "", Restart, Unsupported,
        "The SIP Proxies are the registrar.", "Unsupported SIP Server configuration options";
    "emergency-recording-cleanup-enabled", SERVERS, Anything, "", Restart, Unsupported,
        "There is no emergency recording.", "Unsupported SIP Server configuration options";
    "emergency-recording-filename", SERVERS, Anything, "", Restart, Unsupported,
        "There is no emergency recording.", "Unsupported SIP Server configuration options";
    "internal-registrar-enabled", SERVERS, Anything, "", Restart, Unsupported,
        "The SIP Proxies are the registrar.", "Unsupported SIP Server configuration options";
    "internal-registrar-domains", SERVERS, Anything, "", Restart, Unsupported,
        "The key `domains` of the switch lists them.", "Unsupported SIP Server configuration options";
    "internal-registrar-persistent", SERVERS, Anything, "", Restart, Unsupported,
        "The SIP Proxies keep registrations and share them.", "Unsupported SIP Server configuration options";
    "max-legs-per-sm", SERVERS, Anything, "", Restart, Unsupported,
        "The media platform limits itself.", "Unsupported SIP Server configuration options";
    "registrar-default-timeout", SERVERS, Anything, "", NextRegistration, Unsupported,
        "It is an option of the SIP Proxy.", "Unsupported SIP Server configuration options";
    "sip-legacy-invite-retr-interval", SERVERS, Anything, "", Restart, Unsupported,
        "INVITE is repeated as in RFC 3261 17.1.1.2.", "Unsupported SIP Server configuration options";
    "sip-retry-timeout", SERVERS, Anything, "", Restart, Unsupported,
        "Requests are repeated as in RFC 3261 17.1.", "Unsupported SIP Server configuration options";
    "agent-strict-id", SERVERS, Flag, "", Restart, Unsupported,
        "The employee-id of a Person is the agent's identity.", "Emulated Agents";
    "sync-emu-agent", SERVERS, Flag, "", Restart, Unsupported,
        "There is no switch whose agent state could differ.", "Emulated Agents";
    "override-switch-acw", SERVERS, Flag, "", Restart, Unsupported,
        "There is no switch whose after-call work could be overridden.", "Emulated Agents";
    "untimed-wrap-up-value", SERVERS, Anything, "", Restart, Unsupported,
        "Only wrap-up-time counts.", "Emulated Agents";
    "wrap-up-threshold", SERVERS, Anything, "", Restart, Unsupported,
        "After-call work follows every business call.", "Emulated Agents";
    "agent-emu-login-on-call", SERVERS, Flag, "", Restart, Unsupported,
        "A login is refused while a call is up.", "Emulated Agents";
    "agent-logout-on-unreg", SERVERS, Flag, "", Restart, Unsupported,
        "Ownership rules decide what follows an unregister.", "Emulated Agents";
    "agent-logout-reassoc", SERVERS, Flag, "", Restart, Unsupported,
        "Only TAgentLogin associates an agent again, TRegisterAddress does not.", "Emulated Agents";
    "enable-agentlogin-presence", SERVERS, Flag, "", Restart, Unsupported,
        "The Feature Server offers login from a phone.", "Emulated Agents";
    "enable-agentlogin-subscribe", SERVERS, Flag, "", Restart, Unsupported,
        "The Feature Server offers login from a phone.", "Emulated Agents";
    "sip-oos-enabled", &[Trunk, SoftswitchDn], Flag, "", NextCheck, Unsupported,
        "Only the active check, oos-check, finds a DN out of service.", "Endpoint Service Monitoring";
    "cast-type", SERVERS, Anything, "", Restart, Unsupported,
        "There is no ISCC in a cluster ([extrouter]).", "Configuring SIP Servers";
    "use-data-from", SERVERS, Anything, "", Restart, Unsupported,
        "There is no ISCC in a cluster ([extrouter]).", "Outbound Contact: Multi-Sites";
    "agent-no-answer-timeout", PHONES, Anything, "", NextCall, Unsupported,
        "Only the application's setting counts.", "No-Answer Supervision";
    "agent-no-answer-action", PHONES, Anything, "", NextCall, Unsupported,
        "Only the application's setting counts.", "No-Answer Supervision";
    "agent-no-answer-overflow", PHONES, Anything, "", NextCall, Unsupported,
        "Only the application's setting counts.", "No-Answer Supervision";
    "auto-logout-timeout", PHONES, Anything, "", NextCall, Unsupported,
        "Only the application's setting counts.", "Automatic Inactive Agent Logout";
    "auto-logout-ready", PHONES, Anything, "", NextCall, Unsupported,
        "Only the application's setting counts.", "Automatic Inactive Agent Logout";
    "logout-on-disconnect", PHONES, Anything, "", NextCall, Unsupported,
        "Only the application's setting counts.", "Automatic Inactive Agent Logout";
    "emulated-login-state", PHONES, Anything, "", NextCall, Unsupported,
        "Only the application's setting counts.", "Emulated Agents";
    "wrap-up-time", PHONES, Anything, "", NextCall, Unsupported,
        "Only the application's setting counts.", "Emulated Agents";
    "sync-emu-agent", PHONES, Anything, "", NextCall, Unsupported,
        "There is no switch whose agent state could differ.", "Emulated Agents";
    "agent-emu-login-on-call", PHONES, Anything, "", NextCall, Unsupported,
        "A login is refused while a call is up.", "Emulated Agents";
    "sip-enable-rtc3263", SERVERS, Anything, "", NextCall, IgnoredInCluster,
        "The guide's other spelling of sip-enable-rfc3263, which counts.", "Configuring SIP Servers";
    "rq-expire-tmout", SERVERS, Anything, "", NextCall, IgnoredInCluster,
        "The guide's other spelling of rq-expire-tout, which counts.", "Configuring SIP Servers";
    "oos-options-max-forwads", &[Trunk, SoftswitchDn], Anything, "", NextCheck, IgnoredInCluster,
        "The guide's other spelling of oos-options-max-forwards, which counts.", "Configuring Softswitch DNs";
    "sipp-ooos-recheck", &[Scope::ClusterDn], Anything, "", NextCheck, IgnoredInCluster,
        "The guide's other spelling of sipp-oos-recheck, which counts.", "Configuring the SIP Cluster Node DN";
}

/// A feature that the guide excludes from cluster mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsupportedFeature {
    /// Its name in the guide.
    pub name: &'static str,
    /// What a site that tries it gets.
    pub answer: &'static str,
}

const fn feature(name: &'static str, answer: &'static str) -> UnsupportedFeature {
    UnsupportedFeature { name, answer }
}

/// The guide's list "Unsupported SIP Server functionality", and what it says so
/// elsewhere, each with the answer.
pub const FEATURES: &[UnsupportedFeature] = &[
    feature("ACD Queues", "`check` refuses a DN of type acd-queue."),
    feature(
        "Agent Logins",
        "`check` refuses agent-logins; the employee-id of a Person is the agent's identity.",
    ),
    feature(
        "Associating an ACD Queue with a Routing Point",
        "There is no key for it: an unknown key is an error.",
    ),
    feature(
        "ISCC (multi-site support)",
        "cast-type and its like are accepted with a warning and have no effect.",
    ),
    feature(
        "Alternate Routing - Stranded Calls",
        "default-dn of the Routing Point or application is the only way out.",
    ),
    feature(
        "Asterisk Voice Mail Integration",
        "A voip-service DN of that kind is an unknown service-type, an error.",
    ),
    feature("Call Completion Features", "The feature code is a dialled number like any other."),
    feature("Call Park/Retrieve", "The feature code is a dialled number like any other."),
    feature("Call Pickup", "The feature code is a dialled number like any other."),
    feature(
        "Call Recording NETANN-Based",
        "Recording is MSML only; a service-type of that kind is an error.",
    ),
    feature(
        "Supervision of Routing Points",
        "Supervision while a treatment is applied takes its place.",
    ),
    feature("Remote Supervision", "There is no key for it: an unknown option is an error."),
    feature("Class of Service", "There is no object for it: an unknown key is an error."),
    feature("Dummy SDP", "There is no option for it: an unknown option is an error."),
    feature(
        "E911 Emergency Gateway",
        "There is no option for it; emergency numbers are routed by prefix like others.",
    ),
    feature(
        "Find Me Follow Me",
        "The Feature Server's find-me is not asked for; other forwarding is.",
    ),
    feature("Hunt Groups", "There is no DN type for it: an unknown type is an error."),
    feature("IMS Integration", "P- headers of an IMS core carry no meaning here."),
    feature("Instant Messaging", "There is no option for it: an unknown option is an error."),
    feature(
        "Media Server Reliability NETANN",
        "Media services are MSML only; a service-type of that kind is an error.",
    ),
    feature("Nailed-Up Connections", "There is no option for it: an unknown option is an error."),
    feature("P-Access-Network-Info Private Header", "The header carries no meaning here."),
    feature(
        "Presence from Switches and Endpoints",
        "There is no option for it: an unknown option is an error.",
    ),
    feature("Preview Interactions", "There is no option for it: an unknown option is an error."),
    feature(
        "Remote Server Registration",
        "There is no option for it: an unknown option is an error.",
    ),
    feature("Shared Call Appearance", "There is no option for it: an unknown option is an error."),
    feature("Smart OtherDN Handling", "There is no option for it: an unknown option is an error."),
    feature("Trunk Capacity Support", "There is no option for it: an unknown option is an error."),
];
