//! Options that the guide sets in other components of a site. They never stand
//! in the configuration file of this version; the register names them so that
//! the reference is complete.

use super::Scope::{
    Concentrator, Connection, FeatureServer, InfoMart, IvrProfile, Orchestration, OutboundContact,
    ResourceManager, Router, StatServer, SwitchObject, WebServices,
};
use super::ValueKind::{Anything, Choice, Flag, List, Number, Text};
use super::{COUNT, MINUTES, SECONDS, options};

options! {
    "agent_reservation", &[Router], Choice(&["true", "false", "implicit"]), "false", Immediately, Later,
        "Whether routers reserve an agent before they route to one.", "Configuring Universal Routing Server";
    "agent-reservation", &[Router], Anything, "", Immediately, IgnoredInCluster,
        "The guide's other spelling of agent_reservation, which counts.", "Call supervision during IVR phase";
    "environment", &[Router], List, "", Restart, Later,
        "`sitex` makes the geo-location of Virtual Queue servers count for reservations.",
        "Configuring Universal Routing Server";
    "default_stat_server", &[Router], Text, "", Restart, Later,
        "Stat Server of the router.", "Configuring Universal Routing Server";
    "event_arrive", &[Router], Choice(&["routerequest", "queued", "none"]), "routerequest", Restart, Later,
        "Which event makes the router start a strategy.", "Call supervision during IVR phase";
    "vcb", &[Router], Text, "", Immediately, Later,
        "Parameters of virtual callback.", "Configuring Genesys Mobile Services";
    "report_targets", &[Router], Flag, "false", Immediately, Later,
        "Whether Virtual Queue events carry the targets.", "Historical Reporting";
    "report_reasons", &[Router], Flag, "false", Immediately, Later,
        "Whether Virtual Queue events carry reasons.", "Historical Reporting";
    "transfer_to_agent", &[Router], Anything, "", Restart, Unsupported,
        "Routers control Routing Points only.", "URS Options Not Supported";
    "transit_dn", &[Router], Anything, "", Restart, Unsupported,
        "Routers control Routing Points only.", "URS Options Not Supported";
    "unix_socket_path", &[Router], Anything, "", Restart, Unsupported,
        "Routers connect over the network.", "URS Options Not Supported";
    "call_monitoring", &[Router], Anything, "", Restart, Unsupported,
        "Routers are not registered on agents' DNs.", "URS Options Not Supported";
    "check_call_legs", &[Router], Anything, "", Restart, Unsupported,
        "Routers are not registered on agents' DNs.", "URS Options Not Supported";
    "count_calls", &[Router], Anything, "", Restart, Unsupported,
        "Routers are not registered on agents' DNs.", "URS Options Not Supported";
    "lds", &[Router], Anything, "", Restart, Unsupported,
        "There is no load distribution server in a cluster.", "URS Options Not Supported";
    "cluster-skip-cfg-event", &[Orchestration], Number { min: 0, max: 1 }, "0", Restart, Later,
        "Whether changes of the configuration are skipped ([gts]).", "Configuring Orchestration Server";
    "support-dn-type-5", &[Orchestration], Number { min: 0, max: 1 }, "1", Restart, Later,
        "Whether Virtual Queues are registered ([orchestration]).", "Configuring ORS to Reduce URS CPU Usage";
    "functions-by-urs", &[Orchestration], Flag, "true", Restart, Later,
        "Whether functions are executed by the router ([orchestration]).", "Configuring ORS to Reduce URS CPU Usage";
    "reg-dns-chunk-delay", &[StatServer], SECONDS, "0", Restart, Later,
        "Pause between two chunks of registrations.", "Configuring Stat Server";
    "reg-dns-chunk-volume", &[StatServer], COUNT, "0", Restart, Later,
        "DNs registered in one chunk.", "Configuring Stat Server";
    "ClusterRole", &[Connection], Choice(&["I-Proxy", "T-Controller"]), "", Restart, Later,
        "Which interface of the node the Interaction Concentrator connects to.", "Enabling Historical Reporting";
    "ClusterName", &[Connection], Text, "", Restart, Later,
        "Name of the Interaction Concentrator.", "Enabling Historical Reporting";
    "ClusterNode", &[Connection], COUNT, "", Restart, Later,
        "DBID of the Interaction Concentrator.", "Enabling Historical Reporting";
    "locations", &[Connection], Text, "", Restart, Later,
        "Data centre of a connection of Web Services.", "GWS Connection to 4-node 2-DC SIP Cluster";
    "cluster-iproxy-udata", &[Concentrator], Choice(&["all", "conf"]), "conf", Restart, Later,
        "Which user data is stored from the Interaction Proxy.", "Enabling Historical Reporting";
    "use-server-partyuuid", &[Concentrator], Number { min: 0, max: 1 }, "0", Restart, Later,
        "Whether the server's PartyUUID is used.", "Enabling Historical Reporting";
    "ph-use-epn", &[Concentrator], Number { min: 0, max: 1 }, "0", Restart, Later,
        "Whether party history names the endpoint.", "Enabling Historical Reporting";
    "use-dss-monitor", &[Concentrator], Flag, "false", Restart, Later,
        "Whether data-source sessions are stored.", "Enabling Historical Reporting";
    "calls-in-the-past", &[Concentrator], Flag, "false", Restart, Later,
        "Whether calls that ended before the connection are stored.", "Enabling Historical Reporting";
    "om-force-adata", &[Concentrator], Flag, "false", Restart, Later,
        "Whether attached data of multimedia is always stored.", "Enabling Historical Reporting";
    "gls-active-reason-codes", &[Concentrator], Flag, "false", Restart, Later,
        "Whether active reason codes are stored.", "Enabling Historical Reporting";
    "partition-type", &[Concentrator], COUNT, "0", Restart, Later,
        "How the database is partitioned.", "Enabling Historical Reporting";
    "role", &[Concentrator], List, "", Restart, Later,
        "What is stored: cfg, gcc, gud, gls, gos.", "Enabling Historical Reporting";
    "adata-extensions-history", &[Concentrator], Text, "none", Restart, Later,
        "Which changes of extensions are stored.", "Enabling Storage of User Data";
    "adata-reasons-history", &[Concentrator], Text, "none", Restart, Later,
        "Which changes of reasons are stored.", "Enabling Storage of User Data";
    "adata-userdata-history", &[Concentrator], Text, "none", Restart, Later,
        "Which changes of user data are stored.", "Enabling Storage of User Data";
    "adata-spec-name", &[Concentrator], Text, "ccon_adata_spec.xml", Restart, Later,
        "File that says which attached data is stored.", "Enabling Storage of User Data";
    "extended-route-result", &[Concentrator], Flag, "false", Restart, Later,
        "Whether results of Virtual Queues are stored.", "Historical Reporting";
    "gls-associations-rule", &[SwitchObject], Number { min: 0, max: 1 }, "0", Restart, Later,
        "How login sessions are associated with media; 0 in a cluster.", "Enabling Historical Reporting";
    "gls-use-ts-id", &[SwitchObject], Number { min: 0, max: 1 }, "1", Restart, Later,
        "Whether the server's session identity is used; 1 in a cluster.", "Enabling Historical Reporting";
    "filterUserData", &[InfoMart], Flag, "true", Restart, Later,
        "Whether only keys of UserData are extracted.", "Enabling Storage of User Data";
    "ud-io-parallelism", &[InfoMart], COUNT, "", Restart, Later,
        "Tasks that read user data in parallel.", "Enabling Storage of User Data";
    "run-aggregates", &[InfoMart], Flag, "false", Restart, Later,
        "Whether the scheduler controls aggregation.", "Enabling Aggregation";
    "aggregate-schedule", &[InfoMart], Text, "", Restart, Later,
        "When aggregation starts.", "Enabling Aggregation";
    "sm-resource-state-priority", &[InfoMart], List, "", Restart, Later,
        "Order of states when an agent has several.", "Historical Reporting";
    "agg-gim-thld-QUEUE-ABN", &[InfoMart], List, "", Restart, Later,
        "Bounds of the abandon time ranges.", "Enabling Aggregation";
    "agg-gim-thld-QUEUE-ACC", &[InfoMart], List, "", Restart, Later,
        "Bounds of the accept time ranges.", "Enabling Aggregation";
    "use-employee-login", &[FeatureServer], Text, "", Restart, Later,
        "`TController` where the employee-id is the agent's identity ([VoicemailServer]).", "Deploying SIP Feature Server";
    "localport", &[FeatureServer], Number { min: 0, max: 65535 }, "5060", Restart, Later,
        "SIP port of the Feature Server ([sip]).", "Configure Message Waiting Indicator (MWI)";
    "sip-header-for-dnis", &[ResourceManager], Text, "", Restart, Later,
        "Header that gives DNIS: `request-uri` ([rm]).", "Configure voicemail";
    "logical-resource-section", &[ResourceManager], Text, "", Restart, Later,
        "Gateway group of a connection to a SIP Proxy.", "Configuring GVP";
    "aor", &[ResourceManager], Text, "", Restart, Later,
        "SIP address of that SIP Proxy.", "Configuring GVP";
    "redundancy-type", &[ResourceManager], Text, "active", Restart, Later,
        "Role of that SIP Proxy in its group.", "Configuring GVP";
    "port-capacity", &[ResourceManager], COUNT, "", Restart, Later,
        "Calls that this SIP Proxy may carry.", "Configuring GVP";
    "load-balance-scheme", &[ResourceManager], Text, "", Restart, Later,
        "How the gateway group is used: `round-robin`.", "Configuring GVP";
    "use-cti", &[ResourceManager], Number { min: 0, max: 2 }, "0", Restart, Later,
        "Whether calls of the group are given to CTI.", "Configuring GVP";
    "service-types", &[ResourceManager], List, "", Restart, Later,
        "Services of the group: `gateway`.", "Configuring GVP";
    "port-usage-type", &[ResourceManager], Text, "", Restart, Later,
        "Directions of calls: `in-and-out`.", "Configuring GVP";
    "monitor-method", &[ResourceManager], Text, "", Restart, Later,
        "How the group is checked: `none`.", "Configuring GVP";
    "service-type", &[IvrProfile], Text, "", Restart, Later,
        "Service of the profile: `voicemail`.", "Configure voicemail";
    "initial-page-url", &[IvrProfile], Text, "", Restart, Later,
        "First page of the profile.", "Configure voicemail";
    "alternatevoicexml", &[IvrProfile], Text, "", Restart, Later,
        "Page that is used when the first does not answer.", "Configure voicemail";
    "gvp-tenant-id", &[IvrProfile, ResourceManager], Text, "", NextCall, Later,
        "Parameter of the Request-URI that names the profile.", "Configuring MSML DNs";
    "media-service", &[IvrProfile, ResourceManager], Text, "", NextCall, Later,
        "Parameter of the Request-URI that names the service: `cpd`.",
        "Disabling recording and monitoring of outbound calls";
    "useEmployeeIdAsAgentLoginForSIPCluster", &[WebServices], Flag, "false", Restart, Later,
        "Whether the employee-id is the AgentID of TAgentLogin.", "Configuring GWS";
    "defaultPlace", &[WebServices], Text, "", Restart, Later,
        "Place of a person who sits anywhere.", "Configuring GWS";
    "privilege.sipendpoint.can-use", &[WebServices], Flag, "", Restart, Later,
        "Whether the desktop may use the softphone.", "WWE Provisioning for Softphone";
    "privilege.sipendpoint.can-change-microphone-volume", &[WebServices], Flag, "", Restart, Later,
        "Whether the desktop may change the volume.", "WWE Provisioning for Softphone";
    "sipendpoint.uri", &[WebServices], Text, "", Restart, Later,
        "Address of the softphone on the desktop.", "WWE Provisioning for Softphone";
    "sipendpoint.sip-server-address", &[WebServices], Text, "", Restart, Later,
        "Access point of the cluster.", "WWE Provisioning for Softphone";
    "sipendpoint.transport-protocol", &[WebServices], Choice(&["udp", "tcp", "tls"]), "udp", Restart, Later,
        "Transport of the softphone.", "WWE Provisioning for Softphone";
    "sipendpoint.policy.device.use_headset", &[WebServices], Flag, "", Restart, Later,
        "Whether the softphone uses a headset.", "WWE Provisioning for Softphone";
    "sipendpoint.policy.device.headset_name", &[WebServices], Text, "", Restart, Later,
        "Headset of the softphone.", "WWE Provisioning for Softphone";
    "max-dialing-channels", &[OutboundContact], COUNT, "", Immediately, Later,
        "Channels that a CPD Proxy may dial on.", "Managing Dialing Resources";
    "max-engaging-channels", &[OutboundContact], COUNT, "", Immediately, Later,
        "Channels that a CPD Proxy may engage agents on.", "Managing Dialing Resources";
    "vtd-override", &[OutboundContact], Text, "", Immediately, Later,
        "Number that takes the place of the Voice Transfer Destination.", "Dialing and Distribution of Engaging Calls";
    "transfer_to_unknown_dn", &[OutboundContact], Flag, "false", Immediately, Later,
        "Whether a call may be routed to a DN that the dialer does not know.", "Multi-Sites";
    "interaction-media-type", &[OutboundContact], Text, "outboundpreview", Immediately, Later,
        "Media type of preview interactions.", "Interaction Media Type";
    "direct-personal-callback", &[OutboundContact], Flag, "false", Immediately, Later,
        "Whether a personal callback goes straight to its agent.", "Interaction Media Type";
    "dialer-ttl", &[OutboundContact], MINUTES, "", Immediately, Later,
        "How long a record may stay with the dialer.", "Proactive Contact with GVP";
    "dialer-num-attempts", &[OutboundContact], COUNT, "", Immediately, Later,
        "Attempts of the dialer for one record.", "Proactive Contact with GVP";
    "call_transfer_type", &[OutboundContact], Choice(&["one_step", "two_step"]), "one_step", Immediately, Later,
        "How an answered call reaches the transfer destination.", "Outbound Contact";
    "call_wait_in_queue_timeout", &[OutboundContact], SECONDS, "", Immediately, Later,
        "Time for an answered call to leave the queue.", "Outbound Contact";
    "call_wait_agent_connected_timeout", &[OutboundContact], SECONDS, "", Immediately, Later,
        "Time for an engaged agent to be connected.", "Outbound Contact";
    "beep-on-merge", &[OutboundContact], Flag, "true", Immediately, Later,
        "Whether the agent hears a tone before the merge.", "Outbound Contact";
    "history_length", &[OutboundContact], COUNT, "", Immediately, Later,
        "Outcomes that are collected before prediction starts.", "Outbound Contact";
    "progressive_blending_reserved_agents", &[OutboundContact], COUNT, "0", Immediately, Later,
        "Agents kept for inbound calls.", "Outbound Contact";
    "treatment-uri", &[OutboundContact], Text, "", Immediately, Later,
        "Script that decides what follows a call result.", "Outbound Contact";
    "send_attribute", &[OutboundContact], Text, "", Immediately, Later,
        "Key of the user data that a field of the record becomes.", "Outbound Contact";
}
