//! The JSON of `/api/v1`, made from snapshots.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::observe::board::{AppState, CallView, RegistrationView};
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
pub(super) fn nodes(apps: &[AppState]) -> Value {
    let (mut nodes, mut proxies, mut trunks) = (Vec::new(), Vec::new(), Vec::new());
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
    }
    json!({"nodes": nodes, "proxies": proxies, "trunks": trunks})
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
pub(super) struct Registrations<'a> {
    registrations: Vec<RegistrationRow<'a>>,
    total: u64,
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
pub(super) fn registrations(apps: &[Shown<RegistrationView>]) -> Registrations<'_> {
    let mut bindings: BTreeMap<(&str, &str), &RegistrationView> = BTreeMap::new();
    for binding in apps.iter().flat_map(Shown::rows) {
        let parts = binding.contact.parts();
        let uri = parts.bound.map_or("", |bound| bound.uri);
        let known = bindings.entry((parts.aor, uri)).or_insert(binding);
        if known.expires_s < binding.expires_s {
            *known = binding;
        }
    }
    Registrations {
        registrations: bindings.values().filter_map(|view| registration_row(view)).collect(),
        total: apps.iter().map(|app| app.total).max().unwrap_or_default(),
    }
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
