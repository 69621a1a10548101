//! What a T-Controller takes from the configuration.

use super::addp::Addp;
use super::no_answer::{self, Overflow};
use super::settings::{DnKind, Peer, Settings};
use crate::base::id::NodeId;
use crate::base::time::Duration;
use crate::config::{AppRole, Application, Dn, DnKind as ConfigDnKind, Switch};
use crate::cti::agent::{LoginState, NoAnswerAction, Options};
use crate::cti::tlib::AddressType;
use crate::modules::t_library::admission::Admission;
use crate::modules::wiring::Shared;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Reads it.
pub(in crate::roles::node) fn settings(
    shared: &Shared<'_>,
    application: &Application,
    switch: &Switch,
) -> Settings {
    let dns = switch.dns.iter().filter_map(|dn| Some((dn.name.clone(), dn_kind(dn)?)));
    let persons = shared.config.persons.iter().map(|person| {
        let password = person.password.as_ref().map(|password| password.expose());
        (person.employee_id.clone(), password.map(Into::into))
    });
    let cluster = switch.cluster_dn().map(|dn| &dn.object.options);
    let owners = cluster.map(|options| options.list("dn-owner-applications")).unwrap_or_default();
    let span = |name| cluster.map_or(Duration::ZERO, |options| options.duration_or_default(name));
    Settings {
        name: application.name.to_string(),
        node: application.node_id,
        geo_location: application.geo_location.clone(),
        dns: dns.collect(),
        persons: persons.collect(),
        owners: owners.iter().cloned().collect(),
        agents: agents(application),
        admission: Arc::new(Admission::of(shared.config)),
        no_answer: no_answer(application),
        auto_restore: cluster
            .is_some_and(|options| options.flag_or_default("agent-state-auto-restore")),
        logout_on_disconnect: application.options.flag_or_default("logout-on-disconnect"),
        addp: Addp::of(
            span("addp-timeout"),
            span("addp-remote-timeout"),
            cluster.map_or("off", |options| options.text_or_default("addp-trace")),
        ),
        latency_poll: span("tc-latency-poll-interval"),
        reconnect: span("tc-reconnect-timeout"),
        move_delay: span("dn-owner-move-delay"),
        proxies: shared
            .config
            .members_of(&switch.name, AppRole::SipProxy)
            .map(|proxy| proxy.node_id)
            .collect(),
        peers: peers(shared, application, switch),
        bulk: false,
    }
}

/// What a node's Smart Proxy takes from it.
pub(in crate::roles::node) fn smart_proxy_settings(
    shared: &Shared<'_>,
    application: &Application,
    switch: &Switch,
    own: &Settings,
) -> Settings {
    let cluster = switch.cluster_dn().map(|dn| &dn.object.options);
    let is_t_controller = |peer: &Peer| !peer.node.is_smart_proxy();
    let others = own.peers.iter().filter(|peer| is_t_controller(peer)).cloned();
    let peers = others.chain(peer(shared, application, application, application.node_id));
    Settings {
        node: application.node_id.smart_proxy(),
        peers: peers.collect(),
        proxies: BTreeSet::new(),
        bulk: cluster.is_some_and(|options| options.flag_or_default("smart-proxy-enabled")),
        ..own.clone()
    }
}

/// The other nodes that have a cluster port, and all Smart Proxies. One whose host does not
/// resolve is left out until the next reload: the others go on without it.
fn peers(shared: &Shared<'_>, application: &Application, switch: &Switch) -> Vec<Peer> {
    let nodes = shared.config.members_of(&switch.name, AppRole::Node);
    let members = nodes.flat_map(|other| {
        let node = Some(other.node_id).filter(|_| other.name != application.name);
        let smart_proxy = other.ports.smartproxy.map(|_| other.node_id.smart_proxy());
        node.into_iter().chain(smart_proxy).map(move |node| (other, node))
    });
    members.filter_map(|(other, node)| peer(shared, application, other, node)).collect()
}

fn peer(
    shared: &Shared<'_>,
    application: &Application,
    other: &Application,
    node: NodeId,
) -> Option<Peer> {
    match shared.cluster_port(other) {
        Ok(address) => {
            Some(Peer { node, address: address?, geo_location: other.geo_location.clone() })
        }
        Err(error) => {
            tracing::warn!(node = %application.name, peer = %other.name, %error, "another T-Controller has no address");
            None
        }
    }
}

fn agents(application: &Application) -> Options {
    let options = &application.options;
    Options {
        login_state: match options.text_or_default("emulated-login-state") {
            "ready" => LoginState::Ready,
            "set-by-client" => LoginState::SetByClient,
            _ => LoginState::NotReady,
        },
        wrap_up: options.duration_or_default("wrap-up-time"),
        legal_guard: options.duration_or_default("legal-guard-time"),
        timed_acw_in_idle: options.flag_or_default("timed-acw-in-idle"),
        acw_in_idle_force_ready: options.flag_or_default("acw-in-idle-force-ready"),
        acw_persistent_reasons: options.flag_or_default("acw-persistent-reasons"),
        auto_logout: options.duration_or_default("auto-logout-timeout"),
        auto_logout_ready: options.flag_or_default("auto-logout-ready"),
        logout_on_out_of_service: options.flag_or_default("logout-on-out-of-service"),
        set_notready_on_busy: options.flag_or_default("set-notready-on-busy"),
    }
}

fn no_answer(application: &Application) -> no_answer::Options {
    let options = &application.options;
    // The first that can be done. A call of two parties has no device to return to, and
    // none that it could go on to.
    let can_be = |word: &str| match word {
        "none" => Some(Overflow::None),
        "release" => Some(Overflow::Release),
        _ => None,
    };
    no_answer::Options {
        timeout: options.duration_or_default("agent-no-answer-timeout"),
        action: match options.text_or_default("agent-no-answer-action") {
            "notready" => NoAnswerAction::NotReady,
            "logout" => NoAnswerAction::Logout,
            _ => NoAnswerAction::None,
        },
        overflow: options
            .list("agent-no-answer-overflow")
            .iter()
            .find_map(|word| can_be(word))
            .unwrap_or_default(),
        private: options.flag_or_default("nas-private"),
    }
}

fn dn_kind(dn: &Dn) -> Option<DnKind> {
    match dn.object.kind {
        ConfigDnKind::Extension | ConfigDnKind::AcdPosition => {
            let is_sip_based = dn.object.options.text("contact") == Some("*");
            Some(if is_sip_based { DnKind::SipBased } else { DnKind::TLibraryBased })
        }
        ConfigDnKind::RoutingPoint => Some(DnKind::RoutingPoint),
        ConfigDnKind::CommunicationDn => Some(DnKind::CommunicationDn),
        ConfigDnKind::VoiceTreatmentPort
        | ConfigDnKind::ExternalRoutingPoint
        | ConfigDnKind::Trunk
        | ConfigDnKind::TrunkGroup
        | ConfigDnKind::VoipService(_)
        | ConfigDnKind::VirtualQueue => None,
    }
}

/// The DNs of a switch that T-Library clients can register for.
pub(in crate::roles::node) fn dns(
    switch: &Switch,
) -> impl Iterator<Item = (Box<str>, AddressType)> {
    switch.dns.iter().filter_map(|dn| Some((dn.name.clone(), dn_kind(dn)?.address_type())))
}

/// The phones of a switch.
pub(in crate::roles::node) fn phones(switch: &Switch) -> impl Iterator<Item = &str> {
    let is_phone = |dn: &&Dn| dn_kind(dn).is_some_and(DnKind::is_phone);
    switch.dns.iter().filter(is_phone).map(|dn| &*dn.name)
}
