//! Options of applications: nodes, Virtual Queue servers and SIP Proxies.

use super::Scope::{Node, SipProxy, VqServer};
use super::ValueKind::{Choice, Flag, List, Number, RejectOrDn, Text};
use super::{COUNT, ERROR_CODE, MILLISECONDS, MINUTES, SECONDS, Scope, options};

/// The guide gives nodes and Virtual Queue servers one sample; so both take it.
const SERVERS: &[Scope] = &[Node, VqServer];
const ACTIONS: &[&str] = &["none", "notready", "logout"];

options! {
    "geo-location", &[Node, VqServer, SipProxy], Text, "", Restart, Works,
        "Data centre of the application; the same as its key `geo-location`.", "Configuring SIP Servers";
    "server-role", SERVERS, Number { min: 5, max: 5 }, "5", Restart, IgnoredInCluster,
        "5 is cluster mode; `role: node` says so.", "Configuring SIP Servers";
    "sip-link-type", SERVERS, Number { min: 3, max: 3 }, "3", Restart, IgnoredInCluster,
        "3 is the multi-threaded mode, the only one; see the key `threading`.", "Configuring SIP Servers";
    "server-id", SERVERS, Text, "", Restart, IgnoredInCluster,
        "`node-id` names the node in ids.", "Configuring SIP Servers";
    "sip-port", &[Node, VqServer, SipProxy], Number { min: 0, max: 65535 }, "", Restart, IgnoredInCluster,
        "`ports.sip` is the SIP port, UDP and TCP.", "Configuring SIP Servers";
    "http-port", &[Node, VqServer, SipProxy], Number { min: 0, max: 65535 }, "", Restart, IgnoredInCluster,
        "`ports.http` is the port of the System Monitor.", "Configuring SIP Servers";
    "management-port", SERVERS, Number { min: 0, max: 65535 }, "", Restart, IgnoredInCluster,
        "`ports.http` is the port of the System Monitor.", "Configuring SIP Servers";
    "mgmt-port", &[SipProxy], Number { min: 0, max: 65535 }, "", Restart, IgnoredInCluster,
        "`ports.http` is the port of the System Monitor.", "Configuring SIP Proxy";
    "sip-address", SERVERS, Text, "", Restart, IgnoredInCluster,
        "`host` is the address in Via.", "Configuring SIP Servers";
    "sip-address-srv", SERVERS, Text, "", Restart, IgnoredInCluster,
        "external-contact of the SIP Outbound Proxy DN is the access point in Contact.", "Configuring SIP Servers";
    "sip-outbound-proxy", SERVERS, Flag, "true", NextCall, Works,
        "Whether the node sends what leaves the cluster through a SIP Proxy; false sends it straight to the trunk or \
         phone.", "Configuring SIP Servers";
    "sip-enable-x-genesys-route", SERVERS, Flag, "true", NextCall, IgnoredInCluster,
        "Whether the node tells the SIP Proxy the next hop in a sealed X-Genesys-Route: in a cluster always.",
        "Configuring SIP Servers";
    "find-trunk-by-location", SERVERS, Flag, "true", NextCall, Works,
        "Whether trunks and softswitches of the own geo-location are tried before any other.",
        "Configuring SIP Servers";
    "sip-enable-gdns", SERVERS, Flag, "true", NextCall, Later,
        "Whether contacts are resolved through SRV records, RFC 3263.", "Configuring SIP Servers";
    "sip-enable-rfc3263", SERVERS, Flag, "true", NextCall, Later,
        "Whether priority and weight of SRV records count, RFC 2782.", "Configuring SIP Servers";
    "enable-strict-location-match", SERVERS, Text, "all", NextCall, Later,
        "Which resources must be of the own geo-location: `all`, or none when empty.", "Configuring SIP Servers";
    "dial-plan", SERVERS, Text, "", NextCall, Later,
        "Dial Plan DN that answers for this application.", "Configuring SIP Servers";
    "dial-plan-rule", SERVERS, Text, "", NextCall, Later,
        "Rule of a dial plan that the application applies itself.", "Configuring dial-plan in Feature Server";
    "default-route-point", SERVERS, RejectOrDn, "reject=404", NextCall, Works,
        "What becomes of a call from outside to a number that is no DN: `reject=` and a SIP code, or a Routing Point.",
        "Configuring SIP Servers";
    "default-route-point-order", SERVERS, Choice(&["after-dial-plan", "before-dial-plan"]), "after-dial-plan",
        NextCall, Later, "Whether default-route-point is looked at after or before the dial plan.",
        "Configuring SIP Servers";
    "default-dn", SERVERS, Text, "", NextCall, Works,
        "Where a call on a Routing Point goes when no router takes it: a DN or an outside number.",
        "Default routing in SIP Cluster";
    "router-timeout", SERVERS, SECONDS, "10", NextCall, Later,
        "Time for a router to answer before default-dn counts.", "Default routing in SIP Cluster";
    "sip-invite-timeout", SERVERS, SECONDS, "0", NextCall, Later,
        "Time for any response to INVITE before the next destination is tried; 0 leaves it to Timer B, RFC 3261 \
         17.1.1.2.", "Alternate Routing - Unresponsive ORS/URS";
    "extn-no-answer-timeout", SERVERS, SECONDS, "0", NextCall, Works,
        "Ring time of an Extension before the call is given up; 0 rings on.", "No-Answer Supervision";
    "unknown-gateway-reject-code", SERVERS, ERROR_CODE, "503", NextCall, Works,
        "SIP response to a call from an address that is neither a trunk nor a phone of the cluster.",
        "Configuring SIP Servers";
    "shutdown-sip-reject-code", SERVERS, ERROR_CODE, "503", Immediately, Works,
        "SIP response to a new call while the node drains. The guide lists it as unsupported and sets it in its \
         samples; here it works.", "Configuring SIP Servers";
    "sip-enable-100rel", SERVERS, Flag, "true", NextCall, Works,
        "Whether the node offers and takes reliable provisional responses, RFC 3262.", "Configuring SIP Servers";
    "session-refresh-interval", SERVERS, SECONDS, "1800", NextCall, Works,
        "Interval of the session timer that the node asks for, RFC 4028; at least 90. 0 asks for none and honours what \
         the far end asks for.", "Configuring SIP Servers";
    "sip-digest-algorithm", SERVERS, Choice(&["both", "md5", "sha-256"]), "both", Restart, Works,
        "Algorithm of the digest that phones are asked for, RFC 8760; `both` sends a challenge for each. A phone that gives \
         up when one of two challenges is unknown to it, as those on libre 1 do, needs md5.", "Configuring SIP Servers";
    "sip-invite-treatment-timeout", SERVERS, SECONDS, "15", NextCall, Later,
        "Time for the media server to take a treatment.", "Configuring SIP Servers";
    "sip-call-retain-timeout", SERVERS, SECONDS, "1", NextCall, Later,
        "Time that a call is kept after its last party has gone.", "Configuring SIP Servers";
    "sip-dtmf-send-rtp", SERVERS, Flag, "true", NextCall, Later,
        "Whether digits are sent as RTP events by the media server.", "Configuring SIP Servers";
    "sip-enable-call-info", SERVERS, Flag, "false", NextCall, Later,
        "Whether Call-Info names the parties to the device.", "Configuring SIP Servers";
    "sip-enable-ivr-metadata", SERVERS, Flag, "false", NextCall, Later,
        "Whether recordings of the treatment phase carry metadata.", "Configuring SIP Servers";
    "sip-enable-moh", SERVERS, Flag, "false", NextCall, Later,
        "Whether a held party hears music.", "Configuring SIP Servers";
    "sip-preserve-contact", SERVERS, Flag, "false", NextCall, Later,
        "Whether the contact of the first INVITE is kept for later ones.", "Configuring SIP Servers";
    "sip-treatments-continuous", SERVERS, Flag, "false", NextCall, Later,
        "Whether a treatment is repeated until the call is routed.", "Configuring SIP Servers";
    "init-dnis-by-ruri", SERVERS, Flag, "false", NextCall, Later,
        "Whether DNIS is taken from the Request-URI and not from To.", "Configuring SIP Servers";
    "override-to-on-divert", SERVERS, Flag, "false", NextCall, Later,
        "Whether To names the new destination of a routed call.", "Configuring SIP Servers";
    "divert-on-ringing", SERVERS, Flag, "true", NextCall, Later,
        "Whether EventRouteUsed and EventDiverted come with ringing, not with the answer.", "Configuring SIP Servers";
    "after-routing-timeout", SERVERS, SECONDS, "0", NextCall, Later,
        "Time for a routed call to be answered before the router gets it back; 0 is off.", "Configuring SIP Servers";
    "after-routing-timeout-action", SERVERS, Choice(ACTIONS), "none", NextCall, Later,
        "What happens to the agent when after-routing-timeout expires.", "Configuring SIP Servers";
    "agent-no-answer-timeout", SERVERS, SECONDS, "0", NextCall, Works,
        "Ring time of an agent who is logged in, instead of extn-no-answer-timeout; 0 is off; application level only; \
         the setting of the node that owns the DN counts.", "No-Answer Supervision";
    "agent-no-answer-action", SERVERS, Choice(ACTIONS), "none", NextCall, Works,
        "What happens to an agent who does not answer; application level only.", "No-Answer Supervision";
    "agent-no-answer-overflow", SERVERS, List, "none", NextCall, Works,
        "Where an unanswered call of an agent goes: none (it rings on), recall, release or destinations, tried in \
         order. recall and destinations are passed over for now.",
        "No-Answer Supervision";
    "extn-no-answer-action", SERVERS, Choice(ACTIONS), "none", NextCall, Later,
        "What happens to the agent at an Extension that is not answered.", "No-Answer Supervision";
    "extn-no-answer-overflow", SERVERS, List, "none", NextCall, Later,
        "Where an unanswered call of an Extension goes.", "No-Answer Supervision";
    "posn-no-answer-timeout", SERVERS, SECONDS, "0", NextCall, Later,
        "Ring time of an ACD Position.", "No-Answer Supervision";
    "posn-no-answer-action", SERVERS, Choice(ACTIONS), "none", NextCall, Later,
        "What happens to the agent at a Position that is not answered.", "No-Answer Supervision";
    "posn-no-answer-overflow", SERVERS, List, "none", NextCall, Later,
        "Where an unanswered call of a Position goes.", "No-Answer Supervision";
    "nas-private", SERVERS, Flag, "false", NextCall, Works,
        "Whether no-answer supervision of agents also counts for private calls: those that do not come by a trunk.", "No-Answer Supervision";
    "set-notready-on-busy", SERVERS, Flag, "false", NextCall, Works,
        "Whether an agent whose phone is busy becomes not ready.", "No-Answer Supervision";
    "auto-logout-timeout", SERVERS, MINUTES, "0", Immediately, Works,
        "Inactivity after which an agent is logged out; 0 is off; application level only.",
        "Automatic Inactive Agent Logout";
    "auto-logout-ready", SERVERS, Flag, "false", Immediately, Works,
        "Whether that counts in Ready and after-call work too; application level only.",
        "Automatic Inactive Agent Logout";
    "logout-on-disconnect", SERVERS, Flag, "true", Immediately, Works,
        "Whether an agent is logged out when the client that logged in is gone; application level only.",
        "Automatic Inactive Agent Logout";
    "logout-on-out-of-service", SERVERS, Flag, "false", Immediately, Works,
        "Whether an agent is logged out when the DN goes out of service.", "Emulated Agents";
    "emulated-login-state", SERVERS, Choice(&["ready", "not-ready", "not_ready", "set-by-client"]), "not-ready",
        Immediately, Works, "State that follows a login; application level only.", "Emulated Agents";
    "wrap-up-time", SERVERS, SECONDS, "0", Immediately, Works,
        "After-call work; 0 is off; application level and extensions only.", "Emulated Agents";
    "legal-guard-time", SERVERS, SECONDS, "0", Immediately, Works,
        "Pause after after-call work.", "Emulated Agents";
    "timed-acw-in-idle", SERVERS, Flag, "true", Immediately, Works,
        "Whether after-call work that the agent asked for ends by wrap-up-time.", "Emulated Agents";
    "acw-in-idle-force-ready", SERVERS, Flag, "true", Immediately, Works,
        "Whether Ready follows that after-call work, not the state before.", "Emulated Agents";
    "acw-persistent-reasons", SERVERS, Flag, "true", Immediately, Works,
        "Whether reasons stay when after-call work is extended.", "Configuring SIP Servers";
    "reason-in-extension", SERVERS, Flag, "false", Immediately, Later,
        "Whether reasons of agent states come in extensions.", "Emulated Agents";
    "call-stream-log", SERVERS, Flag, "true", Restart, Works,
        "Whether what collectors at the IPport have not had is kept on disk too, in `data-dir`, and outlives the \
         process; otherwise in memory only.", "Configuring SIP Servers for Historical Reporting";
    "tlib-without-tls", SERVERS, Flag, "false", Immediately, Works,
        "Whether T-Library clients without TLS are served from everywhere. Otherwise a port without TLS listens on \
         loopback only, and one with TLS refuses them. Where the ports listen changes after a restart.",
        "Configuring SIP Servers";
    "tls", SERVERS, Flag, "false", Immediately, Works,
        "Whether T-Library ports speak TLS, 1.2 or 1.3; they listen on `host` then. Needs certificate and \
         certificate-key. Where the ports listen changes after a restart.", "Configuring SIP Servers";
    "tls-mutual", SERVERS, Flag, "false", Immediately, Works,
        "Whether T-Library clients must show a certificate of trusted-ca; needs tls.", "Configuring SIP Servers";
    "certificate", &[Node, VqServer, SipProxy], Text, "", Immediately, Works,
        "PEM file with the certificate of the application, and after it those between it and its authority. All files \
         are read again at each reload; connections that stand stay.", "Configuring SIP Servers";
    "certificate-key", &[Node, VqServer, SipProxy], Text, "", Immediately, Works,
        "PEM file with the key of that certificate.", "Configuring SIP Servers";
    "trusted-ca", &[Node, VqServer, SipProxy], Text, "", Immediately, Works,
        "PEM file with the authorities whose certificates are taken of clients (tls-mutual) and of the members of the \
         cluster (cluster-tls).", "Configuring SIP Servers";
    "call-observer-with-hold", SERVERS, Flag, "false", NextCall, Later,
        "Whether an observer stays while the observed agent holds the call.", "Configuring SIP Servers";
    "monitor-consult-calls", SERVERS, Flag, "false", NextCall, Later,
        "Whether consultation calls of a supervised agent are observed.", "Configuring SIP Servers";
    "consult-user-data", SERVERS, Choice(&["separate", "inherited", "joint"]), "separate", NextCall, Later,
        "How a consultation call gets its user data.", "Configuring SIP Servers";
    "merged-user-data", SERVERS, Text, "main-only", NextCall, Later,
        "Whose user data counts after a merge.", "Configuring SIP Servers";
    "clamp-dtmf-allowed", SERVERS, Flag, "false", NextCall, Later,
        "Whether digits can be kept from other parties of a conference.", "Configuring SIP Servers";
    "greeting-call-type-filter", SERVERS, List, "", NextCall, Later,
        "Call types without a greeting.", "Configuring SIP Servers";
    "greeting-delay-events", SERVERS, Flag, "false", NextCall, Later,
        "Whether EventEstablished waits for the end of the greeting.", "Configuring SIP Servers";
    "greeting-notification", SERVERS, List, "", NextCall, Later,
        "Which ends of a greeting are told to desktops.", "Configuring SIP Servers";
    "default-music", SERVERS, Text, "music/on_hold", NextCall, Later,
        "File of the music on hold.", "Configuring SIP Servers";
    "music-in-conference-file", SERVERS, Text, "", NextCall, Later,
        "File for a conference in which someone holds.", "Configuring SIP Servers";
    "ring-tone", SERVERS, Text, "music/ring_back", NextCall, Later,
        "File of the ring tone.", "Configuring SIP Servers";
    "msml-support", SERVERS, Flag, "false", NextCall, Later,
        "Whether media services are asked for by MSML, RFC 5707.", "Configuring SIP Servers";
    "msml-record-support", SERVERS, Flag, "false", NextCall, Later,
        "Whether recording is asked for by MSML.", "Call Recording MSML-based";
    "msml-record-metadata-support", SERVERS, Flag, "false", NextCall, Later,
        "Whether recordings carry metadata.", "Configuring SIP Servers";
    "record-consult-calls", SERVERS, Flag, "false", NextCall, Later,
        "Whether consultation calls are recorded.", "Call Recording MSML-based";
    "record-moh", SERVERS, Flag, "true", NextCall, Later,
        "Whether music on hold is in the recording.", "Configuring SIP Servers";
    "recording-filename", SERVERS, Text, "", NextCall, Later,
        "Pattern of names of recordings.", "Call Recording MSML-based";
    "recording-failure-alarm-timeout", SERVERS, SECONDS, "900", NextCall, Later,
        "Time without a failed recording after which the alarm is cleared.", "Configuring SIP Servers";
    "userdata-map-trans-prefix", SERVERS, Text, "X-Genesys-", NextCall, Later,
        "First characters of the headers that carry user data to media servers.", "Configuring SIP Servers";
    "rq-expire-tout", SERVERS, MILLISECONDS, "0", NextCall, Later,
        "Time for a request of a client to be completed; 0 is off.", "Configuring SIP Servers";
    "timeguard-reduction", SERVERS, MILLISECONDS, "1000", NextCall, Later,
        "What is taken off call_timeguard_timeout for the media server.", "Configuring SIP Servers";
    "am-detected", SERVERS, Choice(&["connect", "drop"]), "drop", NextCall, Later,
        "What happens on an answering machine.", "Disabling recording and monitoring of outbound calls";
    "fax-detected", SERVERS, Choice(&["connect", "drop"]), "drop", NextCall, Later,
        "What happens on a fax.", "Disabling recording and monitoring of outbound calls";
    "silence-detected", SERVERS, Choice(&["connect", "drop"]), "drop", NextCall, Later,
        "What happens on silence.", "Disabling recording and monitoring of outbound calls";
    "request-collection-time", SERVERS, MILLISECONDS, "100", Immediately, Later,
        "Time in which competing reservations of an agent are collected ([agent-reservation]).",
        "Configuring SIP Servers";
    "reservation-time", SERVERS, MILLISECONDS, "10000", Immediately, Later,
        "How long a granted reservation holds ([agent-reservation]).", "Agent Reservation in SIP Cluster";
    "reject-subsequent-request", SERVERS, Flag, "true", Immediately, Later,
        "Whether the holder of a reservation is refused another one ([agent-reservation]).",
        "Agent Reservation in SIP Cluster";
    "collect-lower-priority-requests", SERVERS, Flag, "true", Immediately, Later,
        "Whether late reservations of lower priority are collected too ([agent-reservation]).",
        "Agent Reservation in SIP Cluster";
    "agent_reservation", &[VqServer], Text, "false", Immediately, Later,
        "Priority of this server for reservations, the higher the earlier; false for none ([__ROUTER__]).",
        "Agent Reservation in SIP Cluster";
    "protocol", SERVERS, Choice(&["addp", "none"]), "addp", Restart, Later,
        "Keep-alive of the link between the servers of a pair ([backup-sync]).", "Configuring SIP Servers";
    "addp-timeout", SERVERS, SECONDS, "7", Restart, Later,
        "Silence on that link after which the peer is polled ([backup-sync]).", "Configuring SIP Servers";
    "addp-remote-timeout", SERVERS, SECONDS, "11", Restart, Later,
        "The same timer for the other end ([backup-sync]).", "Configuring SIP Servers";
    "addp-trace", SERVERS, Choice(&["off", "local", "remote", "full", "both"]), "off", Restart, Later,
        "Which of those polls are logged ([backup-sync]).", "Configuring SIP Servers";
    "cleanup-idle-tout", SERVERS, MINUTES, "60", NextCall, Later,
        "Silence after which a call is taken for dead and cleared ([call-cleanup]).", "Configuring SIP Servers";
    "notify-idle-tout", SERVERS, MINUTES, "5", NextCall, Later,
        "Silence after which such a call is logged ([call-cleanup]).", "Configuring SIP Servers";
    "periodic-check-tout", SERVERS, MINUTES, "10", Immediately, Later,
        "Interval of the search for such calls ([call-cleanup]).", "Configuring SIP Servers";
    "xs-post-timeout", SERVERS, SECONDS, "3", NextCall, Later,
        "Time for one Feature Server to answer a dial-plan request.", "Configuring dial-plan in Feature Server";
    "xs-request-timeout", SERVERS, SECONDS, "6", NextCall, Later,
        "Time for a dial-plan request over all Feature Servers.", "Configuring dial-plan in Feature Server";
    "xs-missed-heartbeat-threshold", SERVERS, COUNT, "3", Immediately, Later,
        "Missed heartbeats after which a Feature Server is out of service.",
        "Configuring dial-plan in Feature Server";
    "switchover-on-xs-oos", SERVERS, Flag, "false", Immediately, Later,
        "Whether the pair changes roles when no Feature Server answers.", "Configuring dial-plan in Feature Server";
    "autostart", SERVERS, Flag, "true", Restart, IgnoredInCluster,
        "Whatever starts the process decides ([sml] of the dummy server of reporting).",
        "Configuring SIP Servers for Historical Reporting";
    "all", SERVERS, Text, "", Restart, IgnoredInCluster,
        "The key `log` of the file says where the log goes ([Log]).", "Configuring SIP Servers";
    "standard", SERVERS, Text, "", Restart, IgnoredInCluster, "See the key `log` ([Log]).", "Configuring SIP Servers";
    "verbose", SERVERS, Text, "", Restart, IgnoredInCluster, "See `log.level` ([Log]).", "Configuring SIP Servers";
    "buffering", SERVERS, Flag, "", Restart, IgnoredInCluster, "See the key `log` ([Log]).", "Configuring SIP Servers";
    "expire", SERVERS, Text, "", Restart, IgnoredInCluster,
        "The system rotates log files ([Log]).", "Configuring SIP Servers";
    "segment", SERVERS, Text, "", Restart, IgnoredInCluster,
        "The system rotates log files ([Log]).", "Configuring SIP Servers";
    "spool", SERVERS, Text, "", Restart, IgnoredInCluster, "See `log.file` ([Log]).", "Configuring SIP Servers";
    "time-format", SERVERS, Text, "", Restart, IgnoredInCluster,
        "Times in the log are ISO 8601 ([Log]).", "Configuring SIP Servers";
    "x-gsipstack-trace-level", SERVERS, Number { min: 0, max: 9 }, "", Restart, IgnoredInCluster,
        "SIP messages are shown by `trace` ([Log]).", "Configuring SIP Servers";
    "x-server-trace-level", SERVERS, Number { min: 0, max: 9 }, "", Restart, IgnoredInCluster,
        "See `log.level` ([Log]).", "Configuring SIP Servers";
    "default-filter-type", SERVERS, Text, "", Restart, IgnoredInCluster,
        "Numbers, names and digits of people are always left out of the log ([log-filter]).",
        "Configuring SIP Servers";
    "oos-check", &[SipProxy], SECONDS, "5", NextCheck, Works,
        "Interval at which the proxy sends OPTIONS to every node.", "Configuring SIP Proxy";
    "oos-force", &[SipProxy], SECONDS, "5", NextCheck, Works,
        "Time without an answer to OPTIONS after which a node is out of service.", "Configuring SIP Proxy";
    "recovery-timeout", &[SipProxy], SECONDS, "0", NextCheck, Works,
        "Shortest time that a node stays out of service before an answer brings it back.", "sipcluster";
    "registrar-default-timeout", &[SipProxy], SECONDS, "140", NextRegistration, Works,
        "Expiry of a registration that asks for none.", "Configuring SIP Proxy";
    "registrar-min-timeout", &[SipProxy], SECONDS, "60", NextRegistration, Works,
        "Shortest expiry; a REGISTER that asks for less gets 423, RFC 3261 10.3.", "sipcluster";
    "registrar-max-timeout", &[SipProxy], SECONDS, "3600", NextRegistration, Works,
        "Longest expiry that is granted.", "sipcluster";
    "feature-server-address", &[SipProxy], Text, "", Immediately, Works,
        "Host and port of the Feature Server that takes SUBSCRIBE for message waiting.",
        "Configure Message Waiting Indicator (MWI)";
}
