//! Snapshots of applications for operators.
//!
//! A module thread publishes what it knows on a change or once a second; the System Monitor reads. Several threads
//! of one application publish a part each, and a reader sees the application as one. A snapshot is up to a second
//! old: nothing may be decided from it. Calls and registrations are counted in it; one by one they are in a
//! [`Listing`], which holds them only while somebody asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::Serialize;

use super::listing::{Key, Listing, Shown};
use super::prometheus::{Collect, Sheet};
use crate::base::contact::ContactBlock;
use crate::base::id::{CallUuid, ConnId, NodeId};
use crate::base::time::WallTime;

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

/// How many there are, shown or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Calls.
    pub calls: u64,
    /// Transactions.
    pub transactions: u64,
    /// Bindings of the registrar.
    pub registrations: u64,
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
        self.counts.calls += other.counts.calls;
        self.counts.transactions += other.counts.transactions;
        self.counts.registrations += other.counts.registrations;
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

fn one_if(yes: bool) -> f64 {
    if yes { 1.0 } else { 0.0 }
}
