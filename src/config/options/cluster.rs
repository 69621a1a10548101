//! Options of the SIP Cluster Node DN and of the SIP Outbound Proxy DN.

use super::Scope::{
    ClusterDn, Extension, FeatureServerDn, MsmlDn, Node, OutboundProxyDn, RoutingPoint,
    SoftswitchDn, VoicemailDn, VqServer,
};
use super::ValueKind::{Choice, Duration, Flag, List, SipAddress, Text};
use super::{SECONDS, Unit, options};

const SERVICE_TYPES: &[&str] = &[
    "sip-cluster-nodes",
    "sip-outbound-proxy",
    "msml",
    "softswitch",
    "feature-server",
    "voicemail",
];

options! {
    "service-type", &[ClusterDn, OutboundProxyDn, MsmlDn, SoftswitchDn,
        FeatureServerDn, VoicemailDn], Choice(SERVICE_TYPES), "", Restart, Works,
        "What a DN of type Voice over IP Service stands for.", "Configuring Switch and DN Objects";
    "applications", &[ClusterDn], List, "", Restart, Works,
        "Primary node applications of the cluster, of all data centres.", "Configuring the SIP Cluster Node DN";
    "siproxy-applications", &[ClusterDn], List, "", Restart, Works,
        "SIP Proxy applications of the cluster, of all data centres.", "Configuring the SIP Cluster Node DN";
    "dn-owner-applications", &[ClusterDn], List, "", Immediately, Works,
        "Application names whose TRegisterAddress makes a node own a DN whose contact is not `*`.",
        "Configuring the SIP Cluster Node DN";
    "dn-owner-move-delay", &[ClusterDn], SECONDS, "30", Immediately, Works,
        "Wait between the login from another data centre and the move of a T-Library-based DN, after call and \
         after-call work.", "GWS disconnects from SIP Server";
    "dn-rehoming-time", &[ClusterDn], SECONDS, "2", Immediately, Works,
        "Time after the loss of a node without a standby until the SIP Proxies give its registered DNs to other nodes \
         of the data centre; 0 leaves them out of service until their phones register again.",
        "SIP Cluster Architecture";
    "addp-timeout", &[ClusterDn], SECONDS, "3", Immediately, Works,
        "Silence on a link between T-Controllers after which the node that has made it polls the other; the link is \
         lost after twice as long; 0 stands for 3.", "Configuring the SIP Cluster Node DN";
    "addp-remote-timeout", &[ClusterDn], SECONDS, "3", Immediately, Works,
        "The same for the node that has accepted the link.", "Configuring the SIP Cluster Node DN";
    "addp-trace", &[ClusterDn], Choice(&["off", "local", "remote", "full", "both"]), "off", Immediately, Works,
        "Which polls between T-Controllers are logged at INFO: those of this node, those of others, or all.",
        "Configuring the SIP Cluster Node DN";
    "agent-state-auto-restore", &[ClusterDn], Flag, "false", Immediately, Works,
        "Whether an agent stays logged in when ownership of the DN moves to another node.",
        "Configuring the SIP Cluster Node DN";
    "replace-agent-phone", &[ClusterDn], Flag, "false", NextCall, Later,
        "Whether a login may bring an outside number at which the agent is reached.",
        "Configuring the SIP Cluster Node DN";
    "sip-enable-strict-auth", &[Extension, Node, VqServer, ClusterDn], Flag, "false", NextRegistration, Works,
        "Whether internal devices must authenticate REGISTER and INVITE. The Extension counts first, then the \
         application, then the SIP Cluster Node DN.", "Configuring the SIP Cluster Node DN";
    "sipp-oos-recheck", &[ClusterDn], Flag, "false", NextCheck, Later,
        "Whether a DN goes out of service only after the SIP Proxy has been found alive.",
        "Configuring the SIP Cluster Node DN";
    "switchover-on-sipp-oos", &[ClusterDn], Flag, "false", NextCheck, Later,
        "Whether the pair changes roles when the SIP Proxy DN goes out of service; needs sipp-oos-recheck.",
        "Configuring the SIP Cluster Node DN";
    "smart-proxy-enabled", &[ClusterDn], Flag, "false", Immediately, Works,
        "Whether Smart Proxies are bulk registrars: T-Controllers send them each event of what they own and do not \
         keep who is registered there. Off, they register for each DN that a client does.", "Enabling Smart Proxy";
    "tc-reconnect-timeout", &[ClusterDn], Duration { unit: Unit::Seconds, max: 60 }, "0", Immediately, Works,
        "Time for a lost link between T-Controllers to come back before the DNs of the other node are out of \
         service; 0 puts them out of service at once.", "Configuring the SIP Cluster Node DN";
    "tc-latency-poll-interval", &[ClusterDn], SECONDS, "10", Immediately, Works,
        "Interval of the polls that measure delay and queues between T-Controllers.",
        "Troubleshooting T-Controllers communication issues";
    "cluster-tls", &[ClusterDn], Choice(&["off", "accept", "require"]), "off", Immediately, Works,
        "Whether links between members of the cluster (`ports.cluster`) speak mutual TLS. Each member needs certificate, \
         certificate-key and trusted-ca, and its certificate the name of the application or its `host` among the \
         subjectAltNames, for servers and clients. A running cluster changes without a gap by way of `accept`, which \
         takes links with TLS and without.", "Configuring the SIP Cluster Node DN";
    "ivr-observing-routing-point", &[ClusterDn], Text, "", Immediately, Later,
        "Routing Point on which supervisors are chosen for calls that are still with a treatment.",
        "Call supervision during IVR phase";
    "request-person-options", &[ClusterDn], Flag, "true", NextCall, Later,
        "Whether dial-plan requests ask the Feature Server for options of the Person.",
        "Enabling call recording on the agent side";
    "make-call-cpd-dn", &[ClusterDn, RoutingPoint], Text, "", NextCall, Later,
        "Trunk Group whose call progress detection is used for an agent's routed call to an outside number. The \
         Routing Point counts first.", "Disabling recording and monitoring of outbound calls";
    "contact", &[OutboundProxyDn], SipAddress, "", Restart, Works,
        "Access point at which nodes reach the SIP Proxies of their data centre. Where it is left out, nodes use the \
         addresses of the siproxy-applications with their own geo-location.", "Configuring the SIP Outbound Proxy DN";
    "external-contact", &[OutboundProxyDn], SipAddress, "", Restart, Works,
        "Access point that the cluster writes into Record-Route and Contact for phones, trunks and media servers. \
         Where it is left out, the address of the proxy that received the request.",
        "Configuring the SIP Outbound Proxy DN";
    "oos-check", &[OutboundProxyDn], SECONDS, "0", NextCheck, Works,
        "Interval at which a node sends OPTIONS to the SIP Proxies; 0 switches the check off.",
        "Configuring the SIP Outbound Proxy DN";
    "oos-force", &[OutboundProxyDn], SECONDS, "10", NextCheck, Works,
        "Time without an answer to OPTIONS after which a SIP Proxy is out of service.",
        "Configuring the SIP Outbound Proxy DN";
}
