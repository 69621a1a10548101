//! Keys in AttributeExtensions of requests, and in extensions and reasons of events.

use super::Scope::{EventData, RequestExtension};
use super::ValueKind::{Choice, Flag, Text};
use super::{COUNT, MILLISECONDS, SECONDS, options};

const DETECTION: &[&str] = &[
    "no_progress_detection",
    "no_am_detection",
    "positive_am_detection",
    "full_positive_am_detection",
    "accurate_am_detection",
    "telephony_preset",
];

options! {
    "NO_ANSWER_TIMEOUT", &[RequestExtension], SECONDS, "", NextCall, Later,
        "TRouteCall: no-answer time of this call.", "No-Answer Supervision";
    "NO_ANSWER_ACTION", &[RequestExtension], Choice(&["none", "notready", "logout"]), "", NextCall, Later,
        "TRouteCall: what happens to an agent who does not answer this call.", "No-Answer Supervision";
    "NO_ANSWER_OVERFLOW", &[RequestExtension], Text, "", NextCall, Later,
        "TRouteCall: where this call goes when it is not answered: none, recall, release or destinations.",
        "No-Answer Supervision";
    "AFTER_ROUTING_TIMEOUT_ACTION", &[RequestExtension], Choice(&["none", "notready", "logout"]), "", NextCall, Later,
        "TRouteCall: what happens to the agent when after-routing-timeout expires.", "Configuring SIP Servers";
    "record", &[RequestExtension], Text, "", NextCall, Later,
        "TRouteCall: which party is recorded. The only dynamic recording key of a cluster.", "Dynamic Call Recording";
    "wrap-up-time", &[RequestExtension], SECONDS, "", Immediately, Works,
        "TAgentLogin: after-call work of this login.", "Emulated Agents";
    "WrapUpTime", &[RequestExtension, EventData], SECONDS, "", Immediately, Works,
        "TAgentSetNotReady: how long this after-call work lasts, 0 until it is ended; of EventAgentNotReady: how long it will.", "Emulated Agents";
    "legal-guard-time", &[RequestExtension], SECONDS, "", Immediately, Works,
        "Pause after after-call work, of this login.", "Emulated Agents";
    "logout-on-disconnect", &[RequestExtension], Flag, "", Immediately, Works,
        "TAgentLogin: whether the agent is logged out when the client is gone.", "Emulated Agents";
    "UseDialPlan", &[RequestExtension], Text, "full", NextCall, Later,
        "TRouteCall: how much of the dial plan is applied; `agentid` adds the agent's identity only.",
        "Disabling recording and monitoring of outbound calls";
    "make-call-cpd-required", &[RequestExtension], Flag, "false", NextCall, Later,
        "TRouteCall: whether the routed call is made with call progress detection on a Trunk Group.",
        "Disabling recording and monitoring of outbound calls";
    "cpd-record", &[RequestExtension], Flag, "off", NextCall, Later,
        "TMakePredictiveCall: whether the detection phase is recorded.",
        "Disabling recording and monitoring of outbound calls";
    "call_answer_type_recognition", &[RequestExtension], Choice(DETECTION), "positive_am_detection", NextCall, Later,
        "TMakePredictiveCall: what is detected on answer.", "Disabling recording and monitoring of outbound calls";
    "cpd-on-connect", &[RequestExtension], Flag, "off", NextCall, Later,
        "TMakePredictiveCall: whether detection starts with the connection.",
        "Disabling recording and monitoring of outbound calls";
    "call_timeguard_timeout", &[RequestExtension], MILLISECONDS, "3000", NextCall, Later,
        "TMakePredictiveCall: end of detection after connection, whatever its result.",
        "Disabling recording and monitoring of outbound calls";
    "AnsMachine", &[RequestExtension], Choice(&["connect", "drop"]), "", NextCall, Later,
        "TMakePredictiveCall: what happens on an answering machine; overrides am-detected.",
        "Disabling recording and monitoring of outbound calls";
    "FaxDest", &[RequestExtension], Choice(&["connect", "drop"]), "", NextCall, Later,
        "TMakePredictiveCall: what happens on a fax; overrides fax-detected.",
        "Disabling recording and monitoring of outbound calls";
    "SilenceDest", &[RequestExtension], Choice(&["connect", "drop"]), "", NextCall, Later,
        "TMakePredictiveCall: what happens on silence; overrides silence-detected.",
        "Disabling recording and monitoring of outbound calls";
    "MonitorMode", &[RequestExtension], Choice(&["silent", "coach", "connect"]), "silent", NextCall, Later,
        "TMonitorNextCall: how the supervisor joins; only silent while a treatment is applied.",
        "Call supervision during IVR phase";
    "MonitorScope", &[RequestExtension], Choice(&["agent", "call"]), "agent", NextCall, Later,
        "TMonitorNextCall: how long supervision lasts; only call while a treatment is applied.",
        "Call supervision during IVR phase";
    "site", &[EventData], Text, "", Immediately, Later,
        "Reason of agent events: geo-location of the node that owns the DN.", "Reservation Based on Agent Location";
    "geo-location", &[EventData], Text, "", Immediately, Later,
        "EventQueued and EventRouteRequest: data centre at which the call arrived.", "Location-Based Routing";
    "OtherTrunkName", &[EventData], Text, "", Immediately, Later,
        "EventQueued and EventRouteRequest: trunk through which the call arrived.", "Location-Based Routing";
    "Agents", &[EventData], Text, "", Immediately, Later,
        "EventQueued on the observing Routing Point: supervisors who wait, with commas.",
        "Call supervision during IVR phase";
    "ReasonCode", &[EventData], Text, "", Immediately, Later,
        "Why an agent is not ready.", "Emulated Agents";
    "ManualSetACWPeriod", &[EventData], COUNT, "", Immediately, Later,
        "Reason of an after-call work that the agent asked for; such a state is never restored on another node.",
        "Configuring the SIP Cluster Node DN";
    "id", &[RequestExtension], Text, "", NextCall, Unsupported,
        "Identity of a dynamic recording.", "Dynamic Call Recording";
    "dest", &[RequestExtension], Text, "", NextCall, Unsupported,
        "Where a dynamic recording is stored.", "Dynamic Call Recording";
    "params", &[RequestExtension], Text, "", NextCall, Unsupported,
        "Parameters of a dynamic recording.", "Dynamic Call Recording";
    "emulate-login", &[RequestExtension], Flag, "", Immediately, Unsupported,
        "Agents of a cluster are always emulated.", "Emulated Agents";
    "agent-emu-login-on-call", &[RequestExtension], Flag, "", Immediately, Unsupported,
        "A login is refused while a call is up.", "Emulated Agents";
    "agent-logout-on-unreg", &[RequestExtension], Flag, "", Immediately, Unsupported,
        "Ownership rules decide what follows an unregister.", "Emulated Agents";
}
