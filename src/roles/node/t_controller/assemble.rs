//! What a T-Controller takes from the configuration, and its port.

use super::settings::{DnKind, Peer, Settings};
use crate::base::time::Duration;
use crate::config::{AppRole, Application, Dn, DnKind as ConfigDnKind, Switch};
use crate::cti::agent::{LoginState, Options};
use crate::modules::t_library::port::Port;
use crate::modules::wiring::{Shared, StartError, ip};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

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
        logout_on_disconnect: application.options.flag_or_default("logout-on-disconnect"),
        latency_poll: span("tc-latency-poll-interval"),
        reconnect: span("tc-reconnect-timeout"),
        move_delay: span("dn-owner-move-delay"),
        proxies: shared
            .config
            .applications_of(&switch.name, AppRole::SipProxy)
            .map(|proxy| proxy.node_id)
            .collect(),
        peers: peers(shared, application, switch),
    }
}

/// The other nodes that have a cluster port. One whose host does not resolve is left out
/// until the next reload: the others go on without it.
fn peers(shared: &Shared<'_>, application: &Application, switch: &Switch) -> Vec<Peer> {
    let nodes = shared.config.applications_of(&switch.name, AppRole::Node);
    let others = nodes.filter(|other| other.name != application.name);
    let peers = others.filter_map(|other| match shared.cluster_port(other) {
        Ok(address) => Some(Peer {
            node: other.node_id,
            address: address?,
            geo_location: other.geo_location.clone(),
        }),
        Err(error) => {
            tracing::warn!(node = %application.name, peer = %other.name, %error, "another T-Controller has no address");
            None
        }
    });
    peers.collect()
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

/// The TCport, where the application has one. Without TLS it listens on loopback, unless
/// `tlib-without-tls` allows more.
///
/// # Errors
/// When it cannot be had.
pub(in crate::roles::node) fn port(application: &Application) -> Result<Option<Port>, StartError> {
    let Some(number) = application.ports.tcport else { return Ok(None) };
    let mut ip = ip(application)?;
    if !ip.is_loopback() && !application.options.flag_or_default("tlib-without-tls") {
        tracing::warn!(node = %application.name, port = number, "TCport listens on loopback only: there is no TLS; tlib-without-tls lets others connect");
        ip = match ip {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        };
    }
    let (application, address) = (application.name.to_string(), SocketAddr::new(ip, number));
    match Port::bind(&application, address) {
        Ok(port) => Ok(Some(port)),
        Err(cause) => Err(StartError::Port { application, port: "ports.TCport", address, cause }),
    }
}
