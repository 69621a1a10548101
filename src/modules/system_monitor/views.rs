//! The JSON of `/api/v1`, made from snapshots.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::base::id::NodeId;
use crate::base::time::{Duration, WallTime};
use crate::observe::board::{
    AgentView, AppState, CallView, ClientView, DnView, LinkView, RegistrationView,
};
use crate::observe::listing::Shown;
use crate::observe::prometheus::Sheet;
use crate::runtime::mailbox::MailboxStats;

/// Names of the classes of service of a mailbox, in their order.
const CLASSES: [&str; 3] = ["new", "continuing", "internal"];

/// `/readyz`.
pub(super) fn readiness(reasons: &[String]) -> Value {
    json!({"ready": reasons.is_empty(), "reasons": reasons})
}

/// `/api/v1/status`.
pub(super) fn status(apps: &[AppState], version: &str, uptime_s: u64, reasons: &[String]) -> Value {
    let applications: Vec<Value> = apps
        .iter()
        .map(|app| {
            json!({
                "name": app.name,
                "role": app.role,
                "node_id": (app.node_id != 0).then_some(app.node_id),
                "geo_location": app.geo_location,
                "listen": app.listen,
                "in_service": app.ready,
                "reasons": app.reasons,
                "counts": app.counts,
            })
        })
        .collect();
    json!({
        "version": version,
        "uptime_s": uptime_s,
        "ready": reasons.is_empty(),
        "reasons": reasons,
        "applications": applications,
    })
}

/// `/api/v1/nodes`.
pub(super) fn nodes(apps: &[AppState], clients: &[Shown<ClientView>]) -> Value {
    let (mut nodes, mut proxies, mut trunks) = (Vec::new(), Vec::new(), Vec::new());
    let (mut t_controllers, mut links, mut smart_proxies) = (Vec::new(), Vec::new(), Vec::new());
    for app in apps {
        let seen_by = app.name.as_str();
        for node in &app.nodes {
            let is_it = |app: &&AppState| app.role == "node" && app.node_id == node.node_id;
            let name = apps.iter().find(is_it).map(|app| app.name.as_str());
            nodes.push(json!({
                "node_id": node.node_id, "name": name, "address": node.address,
                "in_service": node.in_service, "seen_by": seen_by,
            }));
        }
        for proxy in &app.proxies {
            let in_service = proxy.in_service;
            proxies.push(
                json!({"address": proxy.address, "in_service": in_service, "seen_by": seen_by}),
            );
        }
        for trunk in &app.trunks {
            let in_service = trunk.in_service;
            trunks.push(json!({"name": trunk.name, "in_service": in_service, "seen_by": seen_by}));
        }
        if app.epoch != 0 {
            t_controllers.push(json!({
                "name": app.name, "node_id": app.node_id, "epoch": app.epoch,
                "dns_owned": app.counts.owned_dns, "agents": app.counts.agents, "clients": app.counts.clients,
            }));
        }
        let seen = app.smart_proxies.iter().map(|link| link_row(link, seen_by));
        smart_proxies.extend(seen);
        links.extend(app.links.iter().map(|link| link_row(link, seen_by)));
    }
    let clients: Vec<Value> = clients
        .iter()
        .flat_map(|app| app.rows().map(|client| client_row(client, &app.app)))
        .collect();
    json!({
        "nodes": nodes, "proxies": proxies, "trunks": trunks,
        "t_controllers": t_controllers, "links": links, "smart_proxies": smart_proxies,
        "clients": clients,
    })
}

/// The other side of a link of a T-Controller, with the guide's names of what is measured.
fn link_row(link: &LinkView, seen_by: &str) -> Value {
    let ms = |span: Duration| span.as_secs_f64() * 1_000.0;
    json!({
        "node_id": link.node_id,
        "address": link.address.to_string(),
        "geo_location": link.geo_location,
        "epoch": (link.epoch != 0).then_some(link.epoch),
        "up": link.since.is_some(),
        "since": link.since.map(WallTime::to_iso8601),
        "RTT_ms": link.round_trip.map(ms),
        "TXT_ms": link.request_ms,
        "RXT_ms": link.response_ms,
        "LAST_TS": link.last.map(WallTime::to_iso8601),
        "TX_QUEUE_LEN": link.tx_queue_len,
        "RX_QUEUE_LEN": link.rx_queue_len,
        "seen_by": seen_by,
    })
}

fn client_row(client: &ClientView, node: &str) -> Value {
    json!({
        "port": client.port,
        "application": client.application,
        "session": client.session.as_str(),
        "address": client.address.to_string(),
        "dns": client.dns,
        "lag_bytes": client.lag_len,
        "connected": client.connected.to_iso8601(),
        "node": node,
    })
}

/// `/api/v1/calls`, written straight from the rows: a tree of values for ten thousand takes several times as long.
#[derive(Serialize)]
pub(super) struct Calls<'a> {
    calls: Vec<CallRow<'a>>,
    total: u64,
}

#[derive(Serialize)]
struct CallRow<'a> {
    uuid: &'a str,
    conn_id: String,
    node: &'a str,
    caller: &'a str,
    dialled: &'a str,
    destination: &'a str,
    state: &'static str,
    started: String,
}

/// The calls of all nodes.
pub(super) fn calls(apps: &[Shown<CallView>]) -> Calls<'_> {
    let rows = apps.iter().flat_map(|app| app.rows().map(|call| call_row(&app.app, call)));
    Calls { calls: rows.collect(), total: apps.iter().map(|app| app.total).sum() }
}

fn call_row<'a>(node: &'a str, call: &'a CallView) -> CallRow<'a> {
    CallRow {
        uuid: call.uuid.as_str(),
        conn_id: call.conn_id.to_string(),
        node,
        caller: &call.caller,
        dialled: &call.dialled,
        destination: &call.destination,
        state: call.state,
        started: call.started.to_iso8601(),
    }
}

/// `/api/v1/dns`.
#[derive(Serialize)]
pub(super) struct Dns<'a> {
    dns: Vec<DnRow<'a>>,
    dns_total: u64,
    registrations: Vec<RegistrationRow<'a>>,
    total: u64,
}

#[derive(Serialize)]
struct DnRow<'a> {
    dn: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    /// node-id of the owner.
    owner: Option<u16>,
    epoch: u32,
    /// `null` where the owner is in another process, which alone knows it.
    in_service: Option<bool>,
    status: Option<&'static str>,
    dnd: Option<bool>,
    forward: Option<&'a str>,
    calls: Option<usize>,
    clients: Option<usize>,
    agent_id: Option<&'a str>,
    /// The DN that is watched from this one.
    monitors: Option<&'a str>,
    /// DNs of supervisors who wait for its calls, as the node knows it that is asked.
    supervisors: Option<&'a [Box<str>]>,
}

/// The DNs of all T-Controllers: what the owner says, where it is in this process, or else the latest that one knows of
/// who owns it. And the registrations of all SIP Proxies.
pub(super) fn dns<'a>(
    dns: &'a [Shown<DnView>],
    registered: &'a [Shown<RegistrationView>],
) -> Dns<'a> {
    let mut rows: BTreeMap<&str, &DnView> = BTreeMap::new();
    for view in dns.iter().flat_map(Shown::rows) {
        let known = rows.entry(&view.dn).or_insert(view);
        if (known.epoch, known.state.is_some()) < (view.epoch, view.state.is_some()) {
            *known = view;
        }
    }
    let (registrations, total) = registrations(registered);
    Dns {
        dns: rows.values().map(|view| dn_row(view)).collect(),
        dns_total: dns.iter().map(|app| app.total).max().unwrap_or_default(),
        registrations,
        total,
    }
}

fn dn_row(view: &DnView) -> DnRow<'_> {
    let state = view.state.as_ref();
    let agent = state.and_then(|state| state.agent.as_ref());
    DnRow {
        dn: &view.dn,
        kind: view.kind,
        owner: view.owner.map(NodeId::get),
        epoch: view.epoch,
        in_service: state.map(|state| state.in_service),
        status: state.map(|state| state.status),
        dnd: state.map(|state| state.dnd),
        forward: state.and_then(|state| state.forward.as_deref()),
        calls: state.map(|state| state.calls),
        clients: state.map(|state| state.clients),
        agent_id: agent.map(|agent| &*agent.agent_id),
        monitors: state.and_then(|state| state.monitors.as_deref()),
        supervisors: state.map(|state| &*state.supervisors),
    }
}

/// `/api/v1/agents`.
#[derive(Serialize)]
pub(super) struct Agents<'a> {
    agents: Vec<AgentRow<'a>>,
    total: u64,
}

#[derive(Serialize)]
struct AgentRow<'a> {
    agent_id: &'a str,
    dn: &'a str,
    state: &'static str,
    work_mode: &'static str,
    reasons: &'a [String],
    since: String,
    session: &'a str,
    /// The node that owns the DN.
    node: &'a str,
    /// ApplicationName of the client that the login came from, and its node-id.
    desktop: Option<String>,
}

/// The agents at DNs that the nodes of this process own.
pub(super) fn agents<'a>(dns: &'a [Shown<DnView>], apps: &[AppState]) -> Agents<'a> {
    let rows = dns.iter().flat_map(|app| {
        app.rows().filter_map(|view| {
            let agent = view.state.as_ref()?.agent.as_ref()?;
            Some(agent_row(agent, &view.dn, &app.app))
        })
    });
    let mut agents: Vec<AgentRow<'a>> = rows.collect();
    agents.sort_by_key(|row| row.agent_id);
    Agents { agents, total: apps.iter().map(|app| app.counts.agents).sum() }
}

fn agent_row<'a>(agent: &'a AgentView, dn: &'a str, node: &'a str) -> AgentRow<'a> {
    AgentRow {
        agent_id: &agent.agent_id,
        dn,
        state: agent.state,
        work_mode: agent.work_mode,
        reasons: &agent.reasons,
        since: agent.since.to_iso8601(),
        session: agent.session.as_str(),
        node,
        desktop: agent.desktop.as_ref().map(|(name, node)| format!("{name} at {node}")),
    }
}

#[derive(Serialize)]
struct RegistrationRow<'a> {
    dn: &'a str,
    contact: &'a str,
    /// Absent where the phone gave none (RFC 3261 20.10).
    q: Option<String>,
    expires_s: u64,
    proxy: String,
    node: String,
}

/// The registrations of all SIP Proxies. They replicate to each other: a binding that several of them hold is shown
/// once, with the latest end that one of them knows.
fn registrations(apps: &[Shown<RegistrationView>]) -> (Vec<RegistrationRow<'_>>, u64) {
    let mut bindings: BTreeMap<(&str, &str), &RegistrationView> = BTreeMap::new();
    for binding in apps.iter().flat_map(Shown::rows) {
        let parts = binding.contact.parts();
        let uri = parts.bound.map_or("", |bound| bound.uri);
        let known = bindings.entry((parts.aor, uri)).or_insert(binding);
        if known.expires_s < binding.expires_s {
            *known = binding;
        }
    }
    (
        bindings.values().filter_map(|view| registration_row(view)).collect(),
        apps.iter().map(|app| app.total).max().unwrap_or_default(),
    )
}

fn registration_row(view: &RegistrationView) -> Option<RegistrationRow<'_>> {
    let parts = view.contact.parts();
    let bound = parts.bound?;
    Some(RegistrationRow {
        dn: parts.aor,
        contact: bound.uri,
        q: (bound.q < 1000).then(|| format!("0.{:03}", bound.q)),
        expires_s: view.expires_s,
        proxy: view.proxy.to_string(),
        node: bound.node.to_string(),
    })
}

/// `/api/v1/mailboxes`.
pub(super) fn mailboxes(stats: &[MailboxStats]) -> Value {
    let mailboxes: Vec<Value> = stats
        .iter()
        .map(|mailbox| {
            let [new, continuing, internal] = mailbox.refused;
            json!({
                "name": mailbox.name, "len": mailbox.len, "len_max": mailbox.len_max, "sent": mailbox.sent,
                "refused": {"new": new, "continuing": continuing, "internal": internal},
            })
        })
        .collect();
    json!({"mailboxes": mailboxes})
}

/// Mailboxes as families of `/metrics`.
pub(super) fn mailbox_samples(stats: &[MailboxStats], sheet: &mut Sheet) {
    for mailbox in stats {
        let name = ("mailbox", mailbox.name.as_str());
        sheet.gauge("mailbox_len", "Messages that wait", &[name], level(mailbox.len));
        sheet.gauge("mailbox_len_max", "Bound of a mailbox", &[name], level(mailbox.len_max));
        sheet.counter("mailbox_sent", "Messages taken in", &[name], mailbox.sent);
        for (class, refused) in CLASSES.into_iter().zip(mailbox.refused) {
            let labels = [name, ("class", class)];
            sheet.counter(
                "mailbox_refused",
                "Messages refused by a full mailbox",
                &labels,
                refused,
            );
        }
    }
}

fn level(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
