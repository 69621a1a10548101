//! Snapshots of applications for operators.
//!
//! A module thread publishes what it knows on a change or once a second; the System Monitor reads. Several threads
//! of one application publish a part each, and a reader sees the application as one. A snapshot is up to a second
//! old: nothing may be decided from it. Calls and registrations are counted in it; one by one they are in a
//! [`Listing`], which holds them only while somebody asks.

use core::net::SocketAddr;
use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::Serialize;

use super::listing::{Key, Listing, Shown};
use super::prometheus::{Collect, Sheet};
use crate::base::contact::ContactBlock;
use crate::base::id::{CallUuid, ConnId, NodeId};
use crate::base::time::{Duration, WallTime};

/// A cluster node as a SIP Proxy sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct NodeView {
    /// Its `node-id`.
    pub node_id: u16,
    /// Where SIP for it goes, as `127.0.0.1:5070`.
    pub address: String,
    /// Whether it answers as primary.
    pub in_service: bool,
}

/// A SIP Proxy as a node sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ProxyView {
    /// Where SIP for it goes.
    pub address: String,
    /// Whether it answers.
    pub in_service: bool,
}

/// A trunk, softswitch or other checked device as a node sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct TrunkView {
    /// Name of its DN.
    pub name: String,
    /// Whether it answers OPTIONS, or is not checked.
    pub in_service: bool,
}

/// A call that a node holds, as it is kept there: the reader makes it into text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallView {
    /// CallUUID.
    pub uuid: CallUuid,
    /// ConnID.
    pub conn_id: ConnId,
    /// DN or number of the caller.
    pub caller: Box<str>,
    /// What was dialled.
    pub dialled: Box<str>,
    /// DN or trunk that is called; empty while nobody is.
    pub destination: Box<str>,
    /// `routing`, `calling`, `alerting`, `connected` or `held`.
    pub state: &'static str,
    /// When it came.
    pub started: WallTime,
}

/// A binding of the registrar, as it is kept there: the reader makes it into text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationView {
    /// The DN, what it registered, and the node that accepted it, which owns the DN.
    pub contact: ContactBlock,
    /// Seconds until it ends.
    pub expires_s: u64,
    /// SIP Proxy that took the REGISTER.
    pub proxy: NodeId,
}

/// A DN as a T-Controller knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnView {
    /// Its number.
    pub dn: Box<str>,
    /// `sip`, `t-library`, `routing-point` or `communication-dn`.
    pub kind: &'static str,
    /// The node that owns it; `None` while nobody does.
    pub owner: Option<NodeId>,
    /// How often it has changed its owner.
    pub epoch: u32,
    /// What its owner alone knows; `None` at any other node.
    pub state: Option<DnState>,
}

/// How a DN is, as its owner knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnState {
    /// Whether it can be used.
    pub in_service: bool,
    /// `idle`, `dialing`, `ringing`, `talking` or `held`.
    pub status: &'static str,
    /// Do not disturb.
    pub dnd: bool,
    /// Where its calls are forwarded to.
    pub forward: Option<Box<str>>,
    /// Its calls.
    pub calls: usize,
    /// Clients that are registered for it, at any node.
    pub clients: usize,
    /// Who is logged in.
    pub agent: Option<Box<AgentView>>,
    /// The DN that the supervisor there wants to watch.
    pub monitors: Option<Box<str>>,
    /// DNs of the supervisors who wait for its calls, the next first.
    pub supervisors: Vec<Box<str>>,
}

/// An agent that is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentView {
    /// AgentID.
    pub agent_id: Box<str>,
    /// AgentSessionID.
    pub session: CallUuid,
    /// `ready`, `not-ready` or `after-call-work`.
    pub state: &'static str,
    /// AgentWorkMode as T-Library names it.
    pub work_mode: &'static str,
    /// Reasons that are texts or numbers, as `key=value`.
    pub reasons: Vec<String>,
    /// Since when the agent is in that state.
    pub since: WallTime,
    /// ApplicationName of the client that the login came from, and its node.
    pub desktop: Option<(Box<str>, NodeId)>,
}

/// A client of a T-Library port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientView {
    /// Which of the node's T-Library ports it is connected to.
    pub port: &'static str,
    /// ApplicationName.
    pub application: Box<str>,
    /// SessionID.
    pub session: CallUuid,
    /// Where it connects from.
    pub address: SocketAddr,
    /// DNs that it is registered for.
    pub dns: usize,
    /// Bytes of events that wait for it to read.
    pub lag_len: usize,
    /// When it connected.
    pub connected: WallTime,
}

/// Another T-Controller, or a Smart Proxy, as a T-Controller sees it (guide, "Troubleshooting T-Controllers
/// communication issues").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkView {
    /// Its `node-id`.
    pub node_id: u16,
    /// The cluster port of its application.
    pub address: SocketAddr,
    /// Its data centre.
    pub geo_location: Box<str>,
    /// Start epoch of the last link; zero before the first one.
    pub epoch: u32,
    /// Since when there is a link; `None` when there is none.
    pub since: Option<WallTime>,
    /// RTT: from a poll to its answer.
    pub round_trip: Option<Duration>,
    /// TXT: the poll's way out, in milliseconds by two wall clocks.
    pub request_ms: Option<i64>,
    /// RXT: the answer's way back, in milliseconds by two wall clocks.
    pub response_ms: Option<i64>,
    /// LAST_TS: when the last answer came.
    pub last: Option<WallTime>,
    /// TX_QUEUE_LEN: bytes that wait to be sent to it over a link that this side has made.
    pub tx_queue_len: usize,
    /// RX_QUEUE_LEN: the same over one that the other side has made.
    pub rx_queue_len: usize,
}

/// How many there are, shown or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Calls.
    pub calls: u64,
    /// Transactions.
    pub transactions: u64,
    /// Bindings of the registrar.
    pub registrations: u64,
    /// DNs that a T-Controller knows.
    pub dns: u64,
    /// Those of them that it owns.
    pub owned_dns: u64,
    /// Agents at those.
    pub agents: u64,
    /// Clients of T-Library ports.
    pub clients: u64,
}

/// What one thread tells about its application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppState {
    /// Name of the application.
    pub name: String,
    /// Which part of the application tells this: a thread tag such as `001`, or empty for the application as such.
    pub part: String,
    /// `node` or `sip-proxy`; empty in a part that leaves it to another.
    pub role: String,
    /// `node-id`; 0 in a part that leaves it to another.
    pub node_id: u16,
    /// Data centre; empty in a part that leaves it to another, and where the application has none.
    pub geo_location: String,
    /// Addresses that it listens on, as `127.0.0.1:5060/udp`.
    pub listen: Vec<String>,
    /// Whether this part is ready; an application is ready when all its parts are.
    pub ready: bool,
    /// Why it is not, one sentence each.
    pub reasons: Vec<String>,
    /// Nodes that a SIP Proxy sees.
    pub nodes: Vec<NodeView>,
    /// SIP Proxies that a node sees.
    pub proxies: Vec<ProxyView>,
    /// Trunks that a node sees.
    pub trunks: Vec<TrunkView>,
    /// Start epoch of a node; 0 in a part that leaves it to another.
    pub epoch: u32,
    /// Other T-Controllers that one sees.
    pub links: Vec<LinkView>,
    /// Smart Proxies that a T-Controller sees.
    pub smart_proxies: Vec<LinkView>,
    /// How many there are.
    pub counts: Counts,
}

impl AppState {
    /// An empty, ready part of the application `name`.
    #[must_use]
    pub fn of(name: &str, part: &str) -> Self {
        Self {
            name: name.to_owned(),
            part: part.to_owned(),
            role: String::new(),
            node_id: 0,
            geo_location: String::new(),
            listen: Vec::new(),
            ready: true,
            reasons: Vec::new(),
            nodes: Vec::new(),
            proxies: Vec::new(),
            trunks: Vec::new(),
            epoch: 0,
            links: Vec::new(),
            smart_proxies: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Adds what another part of the same application tells.
    fn merge(&mut self, other: &Self) {
        if self.role.is_empty() {
            self.role.clone_from(&other.role);
        }
        if self.node_id == 0 {
            self.node_id = other.node_id;
        }
        if self.geo_location.is_empty() {
            self.geo_location.clone_from(&other.geo_location);
        }
        self.ready &= other.ready;
        self.listen.extend_from_slice(&other.listen);
        self.reasons.extend_from_slice(&other.reasons);
        self.nodes.extend_from_slice(&other.nodes);
        self.proxies.extend_from_slice(&other.proxies);
        self.trunks.extend_from_slice(&other.trunks);
        self.epoch = self.epoch.max(other.epoch);
        self.links.extend_from_slice(&other.links);
        self.smart_proxies.extend_from_slice(&other.smart_proxies);
        let (counts, others) = (&mut self.counts, other.counts);
        counts.calls += others.calls;
        counts.transactions += others.transactions;
        counts.registrations += others.registrations;
        counts.dns += others.dns;
        counts.owned_dns += others.owned_dns;
        counts.agents += others.agents;
        counts.clients += others.clients;
    }
}

/// Latest parts by application and part.
type Parts = BTreeMap<Key, Arc<AppState>>;

/// Where module threads publish and the System Monitor reads. Readers never hold up a writer.
#[derive(Debug, Default)]
pub struct Board {
    parts: ArcSwap<Parts>,
    /// Calls one by one.
    pub calls: Arc<Listing<CallView>>,
    /// Registrations one by one.
    pub registrations: Arc<Listing<RegistrationView>>,
    /// DNs of T-Controllers one by one.
    pub dns: Arc<Listing<DnView>>,
    /// DNs with an agent, one by one.
    pub agents: Arc<Listing<DnView>>,
    /// Clients of T-Library ports one by one.
    pub clients: Arc<Listing<ClientView>>,
}

impl Board {
    /// An empty board.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces what this part of this application told before.
    pub fn publish(&self, state: AppState) {
        let key = (state.name.clone(), state.part.clone());
        let state = Arc::new(state);
        self.parts.rcu(|parts| {
            let mut parts = Parts::clone(parts);
            parts.insert(key.clone(), Arc::clone(&state));
            parts
        });
    }

    /// Every application with its parts put together, by name.
    #[must_use]
    pub fn apps(&self) -> Vec<AppState> {
        let mut apps: Vec<AppState> = Vec::new();
        for part in self.parts.load().values() {
            match apps.last_mut() {
                Some(app) if app.name == part.name => app.merge(part),
                Some(_) | None => apps.push(AppState::clone(part)),
            }
        }
        apps
    }

    /// Calls that are listed, by application.
    #[must_use]
    pub fn listed_calls(&self) -> Vec<Shown<CallView>> {
        let parts = self.parts.load();
        self.calls.shown(|key| parts.get(key).map_or(0, |part| part.counts.calls))
    }

    /// Registrations that are listed, by application.
    #[must_use]
    pub fn listed_registrations(&self) -> Vec<Shown<RegistrationView>> {
        let parts = self.parts.load();
        self.registrations.shown(|key| parts.get(key).map_or(0, |part| part.counts.registrations))
    }

    /// DNs with an agent that are listed, by application.
    #[must_use]
    pub fn listed_agents(&self) -> Vec<Shown<DnView>> {
        let parts = self.parts.load();
        self.agents.shown(|key| parts.get(key).map_or(0, |part| part.counts.agents))
    }

    /// DNs that are listed, by application.
    #[must_use]
    pub fn listed_dns(&self) -> Vec<Shown<DnView>> {
        let parts = self.parts.load();
        self.dns.shown(|key| parts.get(key).map_or(0, |part| part.counts.dns))
    }

    /// Clients that are listed, by application.
    #[must_use]
    pub fn listed_clients(&self) -> Vec<Shown<ClientView>> {
        let parts = self.parts.load();
        self.clients.shown(|key| parts.get(key).map_or(0, |part| part.counts.clients))
    }

    /// Whether an application of that name is there.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.parts.load().keys().any(|(app, _)| app == name)
    }

    /// Why the process is not ready; empty when it is.
    #[must_use]
    pub fn unready(&self) -> Vec<String> {
        let parts = self.parts.load();
        if parts.is_empty() {
            return vec!["no application has started".to_owned()];
        }
        let mut reasons = Vec::new();
        for part in parts.values().filter(|part| !part.ready) {
            if part.reasons.is_empty() {
                reasons.push(format!("{} is not ready", part.name));
            }
            reasons.extend(part.reasons.iter().map(|reason| format!("{}: {reason}", part.name)));
        }
        reasons
    }
}

impl Collect for Board {
    fn collect(&self, sheet: &mut Sheet) {
        for part in self.parts.load().values() {
            collect_part(sheet, part);
        }
        for app in self.apps() {
            let node = app.name.as_str();
            sheet.gauge(
                "ready",
                "Whether the application is ready",
                &[("node", node)],
                one_if(app.ready),
            );
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "the format knows floating point only")]
fn collect_part(sheet: &mut Sheet, part: &AppState) {
    let node = ("node", part.name.as_str());
    if !part.role.is_empty() {
        let labels = [node, ("role", part.role.as_str())];
        sheet.gauge("node_role", "Role of the application; the value is 1", &labels, 1.0);
    }
    let help = "Calls that are up";
    sheet.gauge("calls_active", help, &[node], part.counts.calls as f64);
    let help = "SIP transactions that are held";
    sheet.gauge("sip_transactions", help, &[node], part.counts.transactions as f64);
    let help = "Bindings of the registrar";
    sheet.gauge("sip_registrations", help, &[node], part.counts.registrations as f64);
    if part.epoch != 0 {
        collect_t_controller(sheet, part);
    }
    for trunk in &part.trunks {
        let labels = [node, ("trunk", trunk.name.as_str())];
        sheet.gauge(
            "trunks_in_service",
            "Whether a trunk is in service",
            &labels,
            one_if(trunk.in_service),
        );
    }
    for peer in &part.nodes {
        let id = peer.node_id.to_string();
        let labels = [node, ("node_id", id.as_str())];
        sheet.gauge(
            "nodes_in_service",
            "Whether a proxy sees a node in service",
            &labels,
            one_if(peer.in_service),
        );
    }
}

/// What is counted of a T-Controller, and the delays of its links in seconds.
#[expect(clippy::cast_precision_loss, reason = "the format knows floating point only")]
fn collect_t_controller(sheet: &mut Sheet, part: &AppState) {
    let node = ("node", part.name.as_str());
    let counts = part.counts;
    sheet.gauge("dns_owned", "DNs that the node owns", &[node], counts.owned_dns as f64);
    sheet.gauge("agents_logged_in", "Agents at its DNs", &[node], counts.agents as f64);
    sheet.gauge("tlib_clients", "Clients of its ports", &[node], counts.clients as f64);
    for link in &part.smart_proxies {
        let id = link.node_id.to_string();
        let labels = [node, ("peer", id.as_str())];
        let help = "Whether there is a link to a node's Smart Proxy";
        sheet.gauge("smart_proxy_link_up", help, &labels, one_if(link.since.is_some()));
        let help = "Bytes that wait to be sent to a node's Smart Proxy";
        sheet.gauge("smart_proxy_tx_queue_bytes", help, &labels, link.tx_queue_len as f64);
    }
    for link in &part.links {
        let id = link.node_id.to_string();
        let labels = [node, ("peer", id.as_str())];
        let help = "Whether there is a link to another T-Controller";
        sheet.gauge("tc_link_up", help, &labels, one_if(link.since.is_some()));
        let help = "Bytes that wait to be sent to another T-Controller over a link made here (TX_QUEUE_LEN)";
        sheet.gauge("tc_tx_queue_bytes", help, &labels, link.tx_queue_len as f64);
        let help = "The same over a link that the other side has made (RX_QUEUE_LEN)";
        sheet.gauge("tc_rx_queue_bytes", help, &labels, link.rx_queue_len as f64);
        if let Some(span) = link.round_trip {
            let help = "From a poll of another T-Controller to its answer (RTT)";
            sheet.gauge("tc_rtt_seconds", help, &labels, span.as_secs_f64());
        }
        if let Some(ms) = link.request_ms {
            let help = "A poll's way to another T-Controller, by two wall clocks (TXT)";
            sheet.gauge("tc_txt_seconds", help, &labels, ms as f64 / 1_000.0);
        }
        if let Some(ms) = link.response_ms {
            let help = "The answer's way back, by two wall clocks (RXT)";
            sheet.gauge("tc_rxt_seconds", help, &labels, ms as f64 / 1_000.0);
        }
        if let Some(last) = link.last {
            let help = "When another T-Controller last answered a poll (LAST_TS)";
            sheet.gauge("tc_last_answer_timestamp_seconds", help, &labels, last.0 as f64 / 1_000.0);
        }
    }
}

fn one_if(yes: bool) -> f64 {
    if yes { 1.0 } else { 0.0 }
}
