//! Options of trunks, softswitches, media servers, dial-plan and voicemail DNs,
//! trunk groups, routing points, extensions, virtual queues and persons.

use super::Scope::{
    CommunicationDn, Extension, FeatureServerDn, MsmlDn, OutboundProxyDn, Person, RoutingPoint,
    SoftswitchDn, Trunk, TrunkGroup, VirtualQueue, VoicemailDn,
};
use super::Unit;
use super::ValueKind::{
    Choice, CodePairs, Duration, Flag, HttpAddress, List, Number, Pairs, SipAddress, Text,
};
use super::{COUNT, SECONDS, options};

options! {
    "contact", &[Trunk, SoftswitchDn, Extension], SipAddress, "", NextCall, Works,
        "Where the device or gateway is reached. `*` stands for the contact that the phone registers and makes the DN \
         owned by the node that accepts its REGISTER.", "Configuring Trunk DNs";
    "contact", &[MsmlDn, TrunkGroup, VoicemailDn], SipAddress, "", NextCall, Later,
        "Resource Managers of the data centre; `::msml` stands for the MSML DN of the same data centre.",
        "Configuring MSML DNs";
    "geo-location", &[Trunk, SoftswitchDn, MsmlDn, FeatureServerDn, VoicemailDn, TrunkGroup], Text, "", NextCall, Works,
        "Data centre to which the DN belongs.", "Configuring Trunk DNs";
    "prefix", &[Trunk, SoftswitchDn], Text, "", NextCall, Works,
        "First characters of the numbers that go out through this DN; the longest match counts.",
        "Configuring Trunk DNs";
    "prefix", &[MsmlDn], Text, "msml=", NextCall, Later,
        "First characters of the names that mean a media service.", "Configuring MSML DNs";
    "replace-prefix", &[Trunk, SoftswitchDn], Text, "", NextCall, Works,
        "Digits put in the place of the prefix before the number goes out. Absent: the number goes out as dialled; an \
         empty text takes the prefix away.", "sipcluster";
    "priority", &[Trunk, SoftswitchDn], COUNT, "0", NextCall, Works,
        "Order among DNs with the same prefix: the lower number is tried first.", "Configuring Trunk DNs";
    "oos-check", &[Trunk, SoftswitchDn, MsmlDn], SECONDS, "0", NextCheck, Works,
        "Interval of OPTIONS to the contact; 0 switches the check off.", "Endpoint Service Monitoring";
    "oos-force", &[Trunk, SoftswitchDn, MsmlDn], SECONDS, "10", NextCheck, Works,
        "Time without an answer to OPTIONS after which the DN is out of service.", "Endpoint Service Monitoring";
    "oos-error-check", &[Trunk, SoftswitchDn, MsmlDn, OutboundProxyDn], Flag, "false", NextCheck, Works,
        "Whether an error response to OPTIONS counts as no answer; otherwise any response shows life.",
        "Configuring Trunk DNs";
    "oos-options-max-forwards", &[Trunk, SoftswitchDn, MsmlDn, OutboundProxyDn], Number { min: 0, max: 255 }, "70",
        NextCheck, Works, "Max-Forwards of the OPTIONS, RFC 3261 8.1.1.6.", "Endpoint Service Monitoring";
    "recovery-timeout", &[Trunk, SoftswitchDn, MsmlDn, OutboundProxyDn], SECONDS, "0", NextCheck, Works,
        "Shortest time that a DN stays out of service before an answer brings it back.", "Endpoint Service Monitoring";
    "sip-error-conversion", &[Trunk, SoftswitchDn], CodePairs, "", NextCall, Works,
        "SIP responses of the gateway that are changed before they are passed on, as in `408=486`.",
        "Configuring Softswitch DNs";
    "dual-dialog-enabled", &[Trunk, SoftswitchDn, Extension], Flag, "true", NextCall, Later,
        "Whether the device keeps a second dialog for a consultation call.", "Configuring Extension DNs";
    "make-call-rfc3725-flow", &[MsmlDn, SoftswitchDn, TrunkGroup, Extension, Trunk], Number { min: 1, max: 4 }, "1",
        NextCall, Later, "Call flow of RFC 3725 4 for calls that a desktop starts.", "Configuring MSML DNs";
    "refer-enabled", &[Trunk, SoftswitchDn, MsmlDn, TrunkGroup, Extension], Flag, "false", NextCall, Later,
        "Whether calls are moved by REFER, RFC 3515, and not by re-INVITE.", "Configuring Trunk DNs";
    "sip-proxy-headers-enabled", &[Trunk, SoftswitchDn], Flag, "true", NextCall, Later,
        "Whether headers that name proxies are passed on.", "Configuring Trunk DNs";
    "sip-ring-tone-mode", &[Trunk, SoftswitchDn, Extension], Number { min: 0, max: 1 }, "0", NextCall, Later,
        "1 makes the cluster play ring tone until the device sends media of its own.", "Configuring Extension DNs";
    "record", &[SoftswitchDn, Trunk, Extension, RoutingPoint, TrunkGroup], Flag, "false", NextCall, Later,
        "Whether calls on the DN are recorded.", "Call Recording MSML-based";
    "record", &[Person], Flag, "false", NextCall, Later,
        "Whether calls on the DN at which this person has logged in are recorded.",
        "Enabling call recording on the agent side";
    "cpd-capability", &[MsmlDn, TrunkGroup, Trunk], Text, "", NextCall, Later,
        "Who detects call progress: `mediaserver`.", "Configuring MSML DNs";
    "ring-tone-on-make-call", &[MsmlDn, TrunkGroup], Flag, "true", NextCall, Later,
        "Whether the caller hears ring tone while a desktop's call is set up.", "Configuring MSML DNs";
    "sip-uri-params", &[MsmlDn], Pairs, "", NextCall, Later,
        "Parameters of the Request-URI to the Resource Manager, such as the IVR Profile in gvp-tenant-id.",
        "Configuring MSML DNs";
    "subscription-id", &[MsmlDn, TrunkGroup], Text, "", NextCall, Later,
        "Tenant of the media services.", "Configuring MSML DNs";
    "userdata-map-filter", &[MsmlDn], Text, "", NextCall, Later,
        "Keys of the user data that go to media servers; `*` for all.", "Configuring MSML DNs";
    "userdata-map-format", &[MsmlDn], Text, "sip-headers-encoded", NextCall, Later,
        "How user data goes to media servers.", "Configuring MSML DNs";
    "request-uri", &[TrunkGroup, MsmlDn], Text, "", NextCall, Later,
        "Request-URI of the INVITE to the Resource Manager.", "Configure Trunk Group DNs";
    "outbound_contact_server", &[TrunkGroup, CommunicationDn], Flag, "false", Immediately, Later,
        "Whether Outbound Contact uses the DN.", "Configure a Communication DN";
    "ivr-profile-name", &[TrunkGroup], Text, "", NextCall, Later,
        "IVR Profile named in the Request-URI to the media server, gvp-tenant-id.",
        "Disabling recording and monitoring of outbound calls";
    "beep", &[TrunkGroup], Flag, "on", NextCall, Later,
        "Whether the agent hears a tone before the customer is connected.",
        "Disabling recording and monitoring of outbound calls";
    "predictive-call-timeout", &[TrunkGroup], Duration { unit: Unit::Seconds, max: 1800 }, "20", NextCall, Later,
        "Ring time of a predictive call.", "Disabling recording and monitoring of outbound calls";
    "predictive-timerb-enabled", &[TrunkGroup], Flag, "true", NextCall, Later,
        "Whether Timer B (32 s) ends a predictive call and predictive-call-timeout is not used.",
        "Disabling recording and monitoring of outbound calls";
    "cpd-extensions", &[TrunkGroup], Pairs, "", NextCall, Later,
        "Extensions of TMakePredictiveCall for call progress detection.",
        "Disabling recording and monitoring of outbound calls";
    "url", &[FeatureServerDn], HttpAddress, "", NextCall, Later,
        "Feature Server of this data centre that answers dial-plan requests.", "Configuring dial-plan DNs";
    "url-N", &[FeatureServerDn], HttpAddress, "", NextCall, Later,
        "Further Feature Servers of this data centre: url-1, url-2 and so on.", "Configuring dial-plan DNs";
    "use-register-for-service-state", &[Extension], Flag, "true", NextRegistration, Later,
        "Whether the DN is in service exactly while its phone is registered.", "Configuring Extension DNs";
    "use-contact-as-dn", &[Extension], Flag, "false", NextCall, Later,
        "Whether a call from the registered contact belongs to this DN whatever its From says.",
        "Configuring Extension DNs";
    "sip-cti-control", &[Extension], List, "", NextCall, Later,
        "What a desktop may ask of the phone by NOTIFY: talk, hold, dtmf.", "Configuring Extension DNs";
    "no-response-dn", &[Extension, Trunk, SoftswitchDn, RoutingPoint], Text, "", NextCall, Later,
        "Where a call goes when the device does not respond.", "Alternate Routing - Unresponsive ORS/URS";
    "default-dn", &[RoutingPoint], Text, "", NextCall, Works,
        "Where a call on this Routing Point goes when no router takes it: a DN or an outside number. Absent: the \
         application's default-dn.", "Default routing in SIP Cluster";
    "event_arrive", &[RoutingPoint], Choice(&["routerequest", "queued", "none"]), "routerequest", Restart, Later,
        "Which event makes a router start the strategy of this Routing Point.", "Call supervision during IVR phase";
    "agent_reservation", &[VirtualQueue], COUNT, "0", Immediately, Later,
        "Agents that callback keeps available for this Virtual Queue ([__ROUTER__] of its annex).",
        "Configuring Genesys Mobile Services";
    "link-msf-userdata", &[VirtualQueue], Flag, "false", Restart, Later,
        "Whether user data is stored for interactions that wait in this Virtual Queue.",
        "Enabling Storage of User Data";
}
