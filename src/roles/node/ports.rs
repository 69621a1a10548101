//! The T-Library ports of a node besides the TCport: their modules and how others reach
//! them.

use super::call_manager::handle::CallManager;
use super::hearer::CallHearer;
use super::interaction_proxy::core::SUPPORTED as PROXY_SUPPORTED;
use super::interaction_proxy::core::{Core as ProxyCore, Settings as ProxySettings};
use super::session_controller::core::SUPPORTED as CONTROLLER_SUPPORTED;
use super::session_controller::core::{Core as ControllerCore, Settings as ControllerSettings};
use crate::base::event_stream::Stream;
use crate::base::id::Ids;
use crate::base::limits::MAILBOX_LEN_MAX;
use crate::config::{Application, Switch};
use crate::cti::tlib::RequestType;
use crate::modules::t_library::admission::Admission;
use crate::modules::t_library::clients::Server;
use crate::modules::t_library::port::Port;
use crate::modules::t_library::turn::{Core, Listeners, PortModule, Publish};
use crate::modules::wiring::{Shared, StartError, ip};
use crate::observe::board::ClientView;
use crate::observe::prometheus::Registry;
use crate::runtime::clock::random_u64;
use crate::runtime::event_log::EventLog;
use crate::runtime::module::Module;
use crate::runtime::tls::Tls;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The Session Controller's thread in names.
const SESSION_CONTROLLER: &str = "main";
/// The Interaction Proxy's thread in names.
const INTERACTION_PROXY: &str = "1024";

/// A module, where the configuration has its port, and by which others reach it.
type Made<S> = Option<(CallHearer<S>, Box<dyn Module>)>;

/// A T-Library port. Without TLS it listens on loopback, unless `tlib-without-tls` allows
/// more.
///
/// # Errors
/// When it cannot be had.
pub(super) fn port(
    application: &Application,
    (key, number): (&'static str, u16),
    tls: &Tls,
) -> Result<Port, StartError> {
    let mut ip = ip(application)?;
    let is_open = tls.terms().has_tls() || application.options.flag_or_default("tlib-without-tls");
    if !ip.is_loopback() && !is_open {
        tracing::warn!(node = %application.name, key, port = number, "a T-Library port listens on loopback only: it has no TLS; the options tls or tlib-without-tls let others connect");
        ip = match ip {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        };
    }
    let (application, address) = (application.name.to_string(), SocketAddr::new(ip, number));
    match Port::bind(&application, address) {
        Ok(port) => Ok(port.secured(tls.clone())),
        Err(cause) => Err(StartError::Port { application, port: key, address, cause }),
    }
}

/// The name of a port in the list of clients: without the object that it is in.
pub(super) fn short(key: &'static str) -> &'static str {
    key.strip_prefix("ports.").unwrap_or(key)
}

/// What the Interaction Proxy takes from the configuration.
pub(super) fn interaction_proxy_settings(
    admission: &Arc<Admission>,
    application: &Application,
    switch: &Switch,
) -> ProxySettings {
    ProxySettings {
        admission: admission.clone(),
        geo_location: application.geo_location.clone(),
        dns: super::t_controller::assemble::phones(switch).map(Into::into).collect(),
    }
}

/// The Interaction Proxy, where the application has an IPport.
///
/// # Errors
/// When the port cannot be had.
pub(super) fn interaction_proxy(
    shared: &Shared<'_>,
    application: &Application,
    settings: ProxySettings,
    (epoch, tls): (u32, &Tls),
    registry: &mut Registry,
) -> Result<Made<ProxySettings>, StartError> {
    const KEY: &str = "ports.IPport";
    let Some(number) = application.ports.ipport else { return Ok(None) };
    let port = port(application, (KEY, number), tls)?;
    let server = server(shared, application, epoch, &PROXY_SUPPORTED);
    let (mut log, left) = event_log(shared, application)?;
    if let Some(log) = &log {
        registry.add(log.lost());
    }
    let core = ProxyCore::new(server, settings, &left);
    let name = format!("{}-{INTERACTION_PROXY}", application.name);
    let (mail, inbox) = shared.mailboxes.mailbox(&name, MAILBOX_LEN_MAX);
    let own = Box::new(move |write| {
        if let Some(log) = &mut log {
            log.write(write);
        }
    });
    let views = |core: &ProxyCore, port: &Port| core.clients().views(short(KEY), port, |_| 0);
    let listeners =
        Listeners { publish: publish(shared, application, INTERACTION_PROXY, views), own };
    let ids = Ids::new(random_u64());
    let module = PortModule::new(name, (core, port), ids, shared.clock, inbox, listeners);
    Ok(Some((CallHearer::new(mail), Box::new(module))))
}

/// What collectors have not had, on disk (`call-stream-log`), and what an earlier process has
/// left of it.
fn event_log(
    shared: &Shared<'_>,
    application: &Application,
) -> Result<(Option<EventLog>, Vec<Stream>), StartError> {
    if !application.options.flag_or_default("call-stream-log") {
        return Ok((None, Vec::new()));
    }
    let folder = shared.data_dir.join(format!("events-{}", application.name));
    match EventLog::open(&application.name, &folder, shared.clock) {
        Ok((log, left)) => Ok((Some(log), left)),
        Err(cause) => Err(StartError::File { path: folder.display().to_string(), cause }),
    }
}

/// What the Session Controller takes from the configuration.
pub(super) fn session_controller_settings(
    admission: &Arc<Admission>,
    application: &Application,
    switch: &Switch,
) -> ControllerSettings {
    ControllerSettings {
        admission: admission.clone(),
        geo_location: application.geo_location.clone(),
        dns: super::t_controller::assemble::dns(switch).collect(),
    }
}

/// The Session Controller's T-Library, where the application has a default port.
///
/// # Errors
/// When the port cannot be had.
pub(super) fn session_controller(
    shared: &Shared<'_>,
    application: &Application,
    settings: ControllerSettings,
    (epoch, tls): (u32, &Tls),
    calls: &CallManager,
) -> Result<Made<ControllerSettings>, StartError> {
    const KEY: &str = "ports.default";
    let Some(number) = application.ports.default else { return Ok(None) };
    let port = port(application, (KEY, number), tls)?;
    let server = server(shared, application, epoch, &CONTROLLER_SUPPORTED);
    let core = ControllerCore::new(server, settings);
    let name = format!("{}-{SESSION_CONTROLLER}", application.name);
    let (mail, inbox) = shared.mailboxes.mailbox(&name, MAILBOX_LEN_MAX);
    let calls = calls.clone();
    let views =
        |core: &ControllerCore, port: &Port| core.clients().views(short(KEY), port, BTreeSet::len);
    let listeners = Listeners {
        publish: publish(shared, application, SESSION_CONTROLLER, views),
        own: Box::new(move |order| calls.order(order)),
    };
    let ids = Ids::new(random_u64());
    let module = PortModule::new(name, (core, port), ids, shared.clock, inbox, listeners);
    Ok(Some((CallHearer::new(mail), Box::new(module))))
}

fn server(
    shared: &Shared<'_>,
    application: &Application,
    epoch: u32,
    supported: &'static [RequestType],
) -> Server {
    Server {
        name: application.name.to_string(),
        node: application.node_id,
        epoch,
        started: shared.clock.wall(),
        supported,
        admission: Arc::default(),
    }
}

/// Shows the clients of a port on the board.
fn publish<C: Core>(
    shared: &Shared<'_>,
    application: &Application,
    part: &str,
    views: impl Fn(&C, &Port) -> Vec<ClientView> + Send + 'static,
) -> Publish<C> {
    let board = shared.board.clone();
    let mut clients = board.clients.part(&application.name, part);
    Box::new(move |core, port, now| {
        let rows = views(core, port);
        clients.publish(now, rows.len(), rows.into_iter());
    })
}
