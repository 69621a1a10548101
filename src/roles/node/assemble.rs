//! The wiring of a node: who holds whose handle.

use super::call_manager::core::{Core, Parts as CoreParts};
use super::call_manager::handle::CallManager;
use super::call_manager::module::{CallManagerModule, Listeners};
use super::call_manager::settings::{DnKind, Settings, Trunk};
use super::hearer::CallHearer;
use super::interaction_proxy::core::Settings as StreamSettings;
use super::ports;
use super::session_controller::core::Settings as LocalSettings;
use super::t_controller::assemble as t_controller_assemble;
use super::t_controller::core::Core as TCore;
use super::t_controller::handle::TController;
use super::t_controller::inbox::Phone;
use super::t_controller::module::{
    Listeners as TListeners, Ports as TPorts, Publish, TControllerModule,
};
use super::t_controller::settings::Settings as TSettings;
use crate::base::flow::{Destination, Protocol};
use crate::base::id::{Ids, Shard};
use crate::base::limits::{MAILBOX_LEN_MAX, SESSION_INTERVAL_MIN_S};
use crate::call::facts::CallFact;
use crate::call::record::CallRecord;
use crate::call::two_party::Call;
use crate::config::{AppRole, Application, Config, Dn, DnKind as ConfigDnKind, Switch};
use crate::modules::securing::{Secured, SecuredPorts};
use crate::modules::service_checker::core::{Core as CheckerCore, Standing, Target};
use crate::modules::service_checker::handle::ServiceChecker;
use crate::modules::service_checker::module::ServiceCheckerModule;
use crate::modules::system_monitor::Desk;
use crate::modules::t_library::port::Port;
use crate::modules::transport::handle::Transport;
use crate::modules::transport::inbox::Inbox as TransportInbox;
use crate::modules::transport::module::{Receivers, TransportModule};
use crate::modules::wiring::{Cells, Shared, StartError, host_port, ip, sip_address};
use crate::observe::board::{AppState, CallView, Counts};
use crate::observe::families::Families;
use crate::observe::prometheus::Registry;
use crate::runtime::clock::random_u64;
use crate::runtime::journal::Journal;
use crate::runtime::mailbox::{Inbox, Mail};
use crate::runtime::module::Module;
use crate::runtime::ownership_table::{DNS_MAX, OwnershipTable};
use crate::sip::auth::{Algorithm, Authenticator, NonceKeys, Policy};
use crate::sip::message::Uri;
use crate::sip::user_agent::{Counted, Settings as StackSettings};
use core::net::SocketAddr;
use std::collections::HashMap;
use std::sync::Arc;

/// What a node grants when no proxy says more.
const EXPIRES_MAX: core::time::Duration = core::time::Duration::from_secs(3600);

/// The part of the board that the shard publishes.
const SHARD: &str = "001";
/// The part of the board that the T-Controller publishes, and its thread in names.
const T_CONTROLLER: &str = "1280";
/// The Smart Proxy's.
const SMART_PROXY: &str = "1792";

/// What a node is assembled from, besides what all applications share.
pub struct Parts<'a> {
    /// Its configuration.
    pub application: &'a Application,
    /// Its transport's mailbox.
    pub transport: (Mail<TransportInbox>, Inbox<TransportInbox>),
    /// Its cluster port, where it is linked with other nodes.
    pub cluster: Option<socket2::Socket>,
    /// Where its counting cells are entered, a set for each thread that counts.
    pub registry: &'a mut Registry,
    /// Where call-detail records go.
    pub records: Journal,
    /// Start epoch.
    pub epoch: u32,
}

/// What a running node can be told from outside.
#[derive(Clone, Debug)]
pub struct Handle {
    calls: CallManager,
    checker: ServiceChecker,
    t_controller: Option<TController>,
    smart_proxy: Option<TController>,
    interaction_proxy: Option<CallHearer<StreamSettings>>,
    session_controller: Option<CallHearer<LocalSettings>>,
    tls: SecuredPorts,
    dns: Arc<OwnershipTable>,
}

impl Handle {
    /// Takes new calls, or drains.
    pub fn ready(&self, ready: bool) {
        self.calls.ready(ready);
    }

    /// What is known of DNs: another configuration has places for its DNs there.
    #[must_use]
    pub fn dns(&self) -> &OwnershipTable {
        &self.dns
    }

    /// By which operators have agents do something, where there is a T-Controller.
    #[must_use]
    pub fn desk(&self) -> Option<Desk> {
        let t_controller = self.t_controller.clone()?;
        Some(Box::new(move |kind, given| t_controller.operate(kind, given)))
    }

    /// Works by another configuration from now on.
    pub fn configure(&self, configured: Configured) {
        self.tls.exchange(configured.secured);
        self.calls.settings(configured.settings, configured.stack);
        self.checker.targets(configured.targets);
        if let Some(t_controller) = &self.t_controller {
            t_controller.settings(configured.cti);
        }
        if let Some(smart_proxy) = &self.smart_proxy {
            smart_proxy.settings(configured.smart_proxy);
        }
        if let Some(interaction_proxy) = &self.interaction_proxy {
            interaction_proxy.settings(configured.streams);
        }
        if let Some(session_controller) = &self.session_controller {
            session_controller.settings(configured.local);
        }
    }
}

/// `session-refresh-interval` in seconds: zero, or at least what RFC 4028 5 allows.
fn session_seconds(application: &Application) -> u32 {
    let interval = application.options.duration_or_default("session-refresh-interval");
    match u32::try_from(interval.as_secs()).unwrap_or(u32::MAX) {
        0 => 0,
        seconds => seconds.max(SESSION_INTERVAL_MIN_S),
    }
}

/// What a node takes from a configuration, at its start and at each reload.
#[derive(Clone, Debug)]
pub struct Configured {
    settings: Arc<Settings>,
    stack: Arc<StackSettings>,
    targets: Vec<Target>,
    cti: Arc<TSettings>,
    smart_proxy: Arc<TSettings>,
    streams: StreamSettings,
    local: LocalSettings,
    secured: Secured,
}

/// Reads it.
///
/// # Errors
/// When a host does not resolve, or a file for TLS cannot be used.
pub fn configured(
    shared: &Shared<'_>,
    application: &Application,
    table: &OwnershipTable,
) -> Result<Configured, StartError> {
    let address = sip_address(application)?;
    let switch = shared.switch(application)?;
    let proxies: Vec<SocketAddr> = shared
        .proxies(switch, Some(&application.geo_location))?
        .into_iter()
        .map(|(_, at)| at)
        .collect();
    let direct = !application.options.flag_or_default("sip-outbound-proxy");
    let access = if direct {
        address.to_string()
    } else {
        shared.access(switch, proxies.first().copied().unwrap_or(address))
    };
    if !table.enter(t_controller_assemble::phones(switch)) {
        tracing::warn!(node = %application.name, max = DNS_MAX, "too many phones: of some no other node's word is known");
    }
    let settings = settings(shared, application, switch, &access, table)?;
    let targets = targets(switch, &settings, &proxies, address);
    let stack = StackSettings {
        node: application.node_id,
        shard: Shard(0),
        address,
        access,
        origin_host: address.ip().to_string(),
        proxies: if direct { Vec::new() } else { proxies },
        proxy_protocol: Protocol::Udp,
        direct,
        reliable: application.options.flag_or_default("sip-enable-100rel"),
        session_seconds: session_seconds(application),
    };
    let cti = Arc::new(t_controller_assemble::settings(shared, application, switch));
    let smart_proxy =
        t_controller_assemble::smart_proxy_settings(shared, application, switch, &cti);
    let smart_proxy = Arc::new(smart_proxy);
    let admission = &cti.admission;
    let streams = ports::interaction_proxy_settings(admission, application, switch);
    let local = ports::session_controller_settings(admission, application, switch);
    let (settings, stack) = (Arc::new(settings), Arc::new(stack));
    let secured = Secured::of(shared, application)?;
    Ok(Configured { settings, stack, targets, cti, smart_proxy, streams, local, secured })
}

/// The modules of a node.
///
/// # Errors
/// When a socket cannot be had or a host does not resolve.
pub fn assemble(
    shared: &Shared<'_>,
    parts: Parts<'_>,
) -> Result<(Vec<Box<dyn Module>>, Handle), StartError> {
    let application = parts.application;
    let name = application.name.to_string();
    let address = sip_address(application)?;
    let dns = Arc::new(OwnershipTable::default());
    let Configured { settings, stack, targets, cti, smart_proxy, streams, local, secured } =
        configured(shared, application, &dns)?;
    let tls = secured.ports();
    let transport = Transport::new(parts.transport.0);

    let (shard_mail, shard_inbox) =
        shared.mailboxes.mailbox(&format!("{name}-001"), MAILBOX_LEN_MAX);
    let (checker_mail, checker_inbox) =
        shared.mailboxes.mailbox(&format!("{name}-512"), MAILBOX_LEN_MAX);
    let calls = CallManager::new(shard_mail.clone());
    let on_mesh = (parts.epoch, parts.cluster, &tls);
    let t_controller = t_controller(shared, application, cti, on_mesh, (&calls, &dns))?;
    let on_mesh = (parts.epoch, &tls);
    let smart_proxy = self::smart_proxy(shared, application, smart_proxy, on_mesh)?;
    let by = (parts.epoch, &tls.clients);
    let streams = ports::interaction_proxy(shared, application, streams, by, parts.registry)?;
    let local = ports::session_controller(shared, application, local, by, &calls)?;

    let cells = Families::register(parts.registry, &name);
    let receivers = Receivers { shards: vec![shard_mail], checker: checker_mail.clone() };
    let sockets = TransportModule::bind(&name, address, parts.transport.1, receivers, cells)?
        .with_local(shared.local.clone());
    let cells = Families::register(parts.registry, &name);

    let checker = checker(shared, application, address, targets, checker_inbox, &transport, &calls);
    let handle = Handle {
        calls: calls.clone(),
        checker: ServiceChecker::new(checker_mail.clone()),
        t_controller: t_controller.as_ref().map(|(handle, _)| handle.clone()),
        smart_proxy: smart_proxy.as_ref().map(|(handle, _)| handle.clone()),
        interaction_proxy: streams.as_ref().map(|(handle, _)| handle.clone()),
        session_controller: local.as_ref().map(|(handle, _)| handle.clone()),
        tls,
        dns,
    };
    let core = call_manager(shared, application, (settings, stack), parts.epoch)?;
    let shard = CallManagerModule::new(
        &name,
        core,
        Ids::new(random_u64()),
        shared.clock,
        shard_inbox,
        transport,
        Listeners {
            phone: phone_listener(handle.t_controller.clone()),
            fact: fact_listener(&name, hearers(&handle)),
            dns: handle.dns.clone(),
            ..listeners(shared, &name, ServiceChecker::new(checker_mail), cells, parts.records)
        },
    );
    shared.publish(application, "node", address);
    let mut modules: Vec<Box<dyn Module>> =
        vec![Box::new(sockets), Box::new(shard), Box::new(checker)];
    let t_controllers = t_controller.into_iter().chain(smart_proxy);
    modules.extend(t_controllers.map(|(_, module)| Box::new(module) as Box<dyn Module>));
    modules.extend(streams.map(|(_, module)| module));
    modules.extend(local.map(|(_, module)| module));
    Ok((modules, handle))
}

/// The Call Manager's machine.
fn call_manager(
    shared: &Shared<'_>,
    application: &Application,
    (settings, stack): (Arc<Settings>, Arc<StackSettings>),
    epoch: u32,
) -> Result<Core, StartError> {
    let switch = shared.switch(application)?;
    Ok(Core::new(CoreParts {
        authenticator: authenticator(shared, application, switch),
        settings,
        stack,
        sealer: Arc::new(shared.sealer.salted(random_u64() as u32)),
        epoch,
        seed: random_u64(),
    }))
}

/// The T-Controller, where the application has one.
fn t_controller(
    shared: &Shared<'_>,
    application: &Application,
    settings: Arc<TSettings>,
    (epoch, cluster, tls): (u32, Option<socket2::Socket>, &SecuredPorts),
    (calls, dns): (&CallManager, &Arc<OwnershipTable>),
) -> Result<Option<(TController, TControllerModule)>, StartError> {
    if !shared.config.has_t_controllers(&application.switch) {
        return Ok(None);
    }
    let port = application.ports.tcport.map(|number| ("ports.TCport", number));
    let port = port.map(|port| ports::port(application, port, &tls.clients)).transpose()?;
    let mesh =
        cluster.map(|socket| Port::over(&application.name, socket).secured(tls.cluster.clone()));
    let name = &application.name;
    let thread = format!("{name}-{T_CONTROLLER}");
    let (mail, inbox) = shared.mailboxes.mailbox(&thread, MAILBOX_LEN_MAX);
    let core = TCore::new(settings, epoch, shared.clock.wall());
    let ids = Ids::new(random_u64());
    let calls = calls.clone();
    let listeners = TListeners {
        publish: t_controller_publish(shared, name),
        order: Box::new(move |order| calls.order(order)),
    };
    let ports = TPorts { port, mesh, host: ip(application)? };
    let module = TControllerModule::new(thread, core, ports, ids, shared.clock, inbox, listeners)
        .with_table(dns.clone());
    Ok(Some((TController::new(mail), module)))
}

/// The Smart Proxy, where the application has its port: it dials all T-Controllers, also that
/// of its own process.
fn smart_proxy(
    shared: &Shared<'_>,
    application: &Application,
    settings: Arc<TSettings>,
    (epoch, tls): (u32, &SecuredPorts),
) -> Result<Option<(TController, TControllerModule)>, StartError> {
    let Some(number) = application.ports.smartproxy else { return Ok(None) };
    let port = ports::port(application, ("ports.SmartProxy", number), &tls.clients)?;
    let mesh = Port::dialling(&application.name).secured(tls.cluster.clone());
    let thread = format!("{}-{SMART_PROXY}", application.name);
    let (mail, inbox) = shared.mailboxes.mailbox(&thread, MAILBOX_LEN_MAX);
    let core = TCore::new(settings, epoch, shared.clock.wall());
    let ids = Ids::new(random_u64());
    let (board, name) = (shared.board.clone(), application.name.to_string());
    let mut clients = board.clients.part(&name, SMART_PROXY);
    let listeners = TListeners {
        publish: Box::new(move |core, port, _, now| {
            let counts = Counts { clients: core.clients_len() as u64, ..Counts::default() };
            board.publish(AppState { counts, ..AppState::of(&name, SMART_PROXY) });
            let backlog_len = |id| port.map_or(0, |port| port.backlog_len(id));
            clients.publish(now, core.clients_len(), core.client_views(backlog_len));
        }),
        // It owns no DN, for which something could be wanted of a call.
        order: Box::new(|_| {}),
    };
    let ports = TPorts { port: Some(port), mesh: Some(mesh), host: ip(application)? };
    let module = TControllerModule::new(thread, core, ports, ids, shared.clock, inbox, listeners);
    Ok(Some((TController::new(mail), module)))
}

/// Shows a T-Controller on the board: what it counts always, its DNs and clients to who
/// asks.
fn t_controller_publish(shared: &Shared<'_>, name: &str) -> Publish {
    let board = shared.board.clone();
    let mut dns = board.dns.part(name, T_CONTROLLER);
    let mut agents = board.agents.part(name, T_CONTROLLER);
    let mut clients = board.clients.part(name, T_CONTROLLER);
    Box::new(move |core, port, mesh, now| {
        let queue_len = |port: Option<&Port>, id| port.map_or(0, |port| port.backlog_len(id));
        board.publish(core.view(T_CONTROLLER, |id| queue_len(mesh, id)));
        dns.publish(now, core.dns_len(), core.dn_views());
        agents.publish(now, core.agents_len(), core.agent_views());
        clients.publish(now, core.clients_len(), core.client_views(|id| queue_len(port, id)));
    })
}

/// Who hears of calls.
struct Hearer {
    /// Something has happened; says whether there was room for it.
    fact: Box<dyn Fn(Box<CallFact>) -> bool + Send>,
    /// There was no room for something; says whether there was for that.
    short: Box<dyn Fn() -> bool + Send>,
    /// It has to hear that still.
    is_short: bool,
}

impl<S: Clone + Send + 'static> From<CallHearer<S>> for Hearer {
    fn from(one: CallHearer<S>) -> Self {
        let other = one.clone();
        let (fact, short) = (Box::new(move |fact| one.fact(fact)), Box::new(move || other.short()));
        Self { fact, short, is_short: false }
    }
}

impl From<TController> for Hearer {
    fn from(one: TController) -> Self {
        let other = one.clone();
        let (fact, short) = (Box::new(move |fact| one.fact(fact)), Box::new(move || other.short()));
        Self { fact, short, is_short: false }
    }
}

fn hearers(handle: &Handle) -> Vec<Hearer> {
    let mut hearers: Vec<Hearer> = Vec::new();
    hearers.extend(handle.t_controller.clone().map(Hearer::from));
    hearers.extend(handle.interaction_proxy.clone().map(Hearer::from));
    hearers.extend(handle.session_controller.clone().map(Hearer::from));
    hearers
}

/// Tells all who hear of calls. Who is behind by its whole mailbox misses something, and
/// hears that as soon as there is room.
fn fact_listener(name: &str, mut hearers: Vec<Hearer>) -> Box<dyn FnMut(Box<CallFact>) + Send> {
    let name = name.to_owned();
    Box::new(move |fact| {
        let conn_id = fact.conn_id;
        for hearer in &mut hearers {
            if hearer.is_short && (hearer.short)() {
                hearer.is_short = false;
            }
            if !(hearer.fact)(fact.clone()) {
                tracing::error!(node = %name, %conn_id, "a module is behind by its whole mailbox: clients miss events of this call");
                hearer.is_short = true;
            }
        }
    })
}

/// Tells the T-Controller of phones, if there is one.
fn phone_listener(t_controller: Option<TController>) -> Box<dyn FnMut(Box<Phone>) + Send> {
    Box::new(move |phone| {
        if let Some(t_controller) = &t_controller {
            t_controller.phone(phone);
        }
    })
}

fn authenticator(shared: &Shared<'_>, application: &Application, switch: &Switch) -> Authenticator {
    let mut keys = shared.sealer.nonce_keys();
    let first = keys.next().unwrap_or_default();
    let keys = NonceKeys::new(first, keys.next());
    Authenticator::new(
        &switch.realm,
        application.node_id,
        keys,
        policy(application.options.text_or_default("sip-digest-algorithm")),
        shared.clock.wall(),
    )
}

/// What `sip-digest-algorithm` asks for.
fn policy(algorithm: &str) -> Policy {
    let usual = Policy::default();
    match algorithm {
        "md5" => Policy { algorithms: vec![Algorithm::Md5], ..usual },
        "sha-256" => Policy { algorithms: vec![Algorithm::Sha256], ..usual },
        _ => usual,
    }
}

fn settings(
    shared: &Shared<'_>,
    application: &Application,
    switch: &Switch,
    access: &str,
    table: &OwnershipTable,
) -> Result<Settings, StartError> {
    let options = &application.options;
    let mut dns = HashMap::new();
    for dn in &switch.dns {
        if let Some(kind) = dn_kind(shared.config, application, dn, table) {
            dns.insert(dn.name.clone(), kind);
        }
    }
    let trunks = switch.trunks().chain(switch.softswitches()).filter_map(trunk).collect();
    let default_route_point = options.text_or_default("default-route-point");
    let default_route_point = match default_route_point.strip_prefix("reject=") {
        Some(code) => Err(code.parse().unwrap_or(404)),
        None => Ok(default_route_point.into()),
    };
    let code = options.number_or_default("unknown-gateway-reject-code");
    // The proxies have the last word on what they grant.
    let expires_max = shared
        .config
        .members_of(&switch.name, AppRole::SipProxy)
        .map(|proxy| proxy.options.duration_or_default("registrar-max-timeout"))
        .max()
        .unwrap_or(EXPIRES_MAX);
    let strict_by_default = switch.dns.iter().any(|dn| {
        dn.object.kind == ConfigDnKind::Extension && shared.config.strict_auth(application, dn)
    });
    Ok(Settings {
        name: application.name.to_string(),
        node: application.node_id,
        geo_location: application.geo_location.clone(),
        direct: !options.flag_or_default("sip-outbound-proxy"),
        realm: switch.realm.to_string(),
        access: access.to_owned(),
        dns,
        trunks,
        strict_by_default,
        proxies: shared.proxies(switch, None)?.into_iter().map(|(_, at)| at).collect(),
        find_trunk_by_location: options.flag_or_default("find-trunk-by-location"),
        default_route_point,
        shutdown_code: u16::try_from(options.number_or_default("shutdown-sip-reject-code"))
            .unwrap_or(503),
        unknown_gateway_code: u16::try_from(code).unwrap_or(503),
        no_answer_timeout: options.duration_or_default("extn-no-answer-timeout"),
        expires_max,
        tells_clients: application.ports.has_t_library()
            || shared.config.has_t_controllers(&application.switch),
    })
}

fn dn_kind(
    config: &Config,
    application: &Application,
    dn: &Dn,
    table: &OwnershipTable,
) -> Option<DnKind> {
    match dn.object.kind {
        ConfigDnKind::Extension | ConfigDnKind::AcdPosition => Some(DnKind::Extension {
            // One that anybody can guess never authenticates.
            password: dn
                .password
                .as_ref()
                .map(|password| password.expose())
                .filter(|password| !password.is_empty() && **password != *dn.name)
                .map(Into::into),
            strict_auth: config.strict_auth(application, dn),
            contact: dn
                .object
                .options
                .text("contact")
                .filter(|contact| *contact != "*")
                .map(uri_of),
            place: table.index(&dn.name),
        }),
        ConfigDnKind::RoutingPoint => {
            let own = dn.object.options.text("default-dn");
            let default_dn = own.or_else(|| application.options.text("default-dn")).map(Into::into);
            Some(DnKind::RoutingPoint { default_dn })
        }
        ConfigDnKind::VoiceTreatmentPort
        | ConfigDnKind::ExternalRoutingPoint
        | ConfigDnKind::Trunk
        | ConfigDnKind::TrunkGroup
        | ConfigDnKind::VoipService(_)
        | ConfigDnKind::VirtualQueue
        | ConfigDnKind::CommunicationDn => None,
    }
}

/// A `contact` as a URI.
fn uri_of(contact: &str) -> Box<str> {
    if contact.starts_with("sip:") { contact.into() } else { format!("sip:{contact}").into() }
}

fn trunk(dn: &Dn) -> Option<Trunk> {
    let options = &dn.object.options;
    let contact = options.text("contact")?;
    let uri = uri_of(contact);
    let parsed = Uri::parse(uri.as_bytes()).ok()?;
    let priority =
        options.number("priority").and_then(|priority| u32::try_from(priority).ok()).unwrap_or(0);
    Some(Trunk {
        name: dn.name.clone(),
        ip: parsed.host_ip(),
        host_port: host_port(&uri).into(),
        port: parsed.port_or_default(),
        prefix: options.text("prefix").unwrap_or_default().into(),
        replace_prefix: options.text("replace-prefix").map(Into::into),
        priority,
        geo_location: options.text("geo-location").unwrap_or_default().into(),
        error_conversion: options
            .pairs("sip-error-conversion")
            .iter()
            .filter_map(|pair| Some((pair.0.parse().ok()?, pair.1.parse().ok()?)))
            .collect(),
        uri,
    })
}

/// Whom a node checks: the proxies of its data centre, and the trunks behind them.
fn targets(
    switch: &Switch,
    settings: &Settings,
    proxies: &[SocketAddr],
    address: SocketAddr,
) -> Vec<Target> {
    let mut targets = Vec::new();
    if let Some(dn) = switch.outbound_proxy_dn().filter(|_| !settings.direct) {
        let options = &dn.object.options;
        for remote in proxies {
            targets.push(Target {
                name: remote.to_string().into(),
                to: Destination::Address { protocol: Protocol::Udp, remote: *remote },
                uri: format!("sip:{remote}"),
                hop: None,
                check: options.duration("oos-check").unwrap_or(core::time::Duration::from_secs(10)),
                force: options.duration("oos-force").unwrap_or(core::time::Duration::from_secs(2)),
                error_check: false,
                recovery: options.duration("recovery-timeout").unwrap_or_default(),
                max_forwards: 70,
                presumed: true,
                is_proxy: true,
            });
        }
    }
    for found in &settings.trunks {
        let Some(dn) = switch.dn(&found.name) else { continue };
        let options = &dn.object.options;
        let check = options.duration_or_default("oos-check");
        if check.is_zero() {
            continue;
        }
        let hops =
            options.number("oos-options-max-forwards").and_then(|hops| u8::try_from(hops).ok());
        targets.push(Target {
            name: found.name.clone(),
            to: if settings.direct {
                straight_to(found)
            } else {
                Destination::Address { protocol: Protocol::Udp, remote: address }
            },
            uri: format!("sip:{}", found.host_port),
            hop: (!settings.direct).then(|| found.uri.to_string()),
            check,
            force: options.duration_or_default("oos-force"),
            error_check: options.flag_or_default("oos-error-check"),
            recovery: options.duration("recovery-timeout").unwrap_or_default(),
            max_forwards: hops.unwrap_or(70),
            presumed: true,
            is_proxy: false,
        });
    }
    targets
}

/// A trunk without a proxy before it.
fn straight_to(trunk: &Trunk) -> Destination {
    let protocol = Protocol::Udp;
    match trunk.ip {
        Some(ip) => Destination::Address { protocol, remote: SocketAddr::new(ip, trunk.port) },
        None => {
            let host = trunk.host_port.rsplit_once(':').map_or(&*trunk.host_port, |(host, _)| host);
            Destination::Host { protocol, host: host.into(), port: trunk.port }
        }
    }
}

fn checker(
    shared: &Shared<'_>,
    application: &Application,
    address: SocketAddr,
    targets: Vec<Target>,
    inbox: Inbox<crate::modules::service_checker::inbox::Inbox>,
    transport: &Transport,
    calls: &CallManager,
) -> ServiceCheckerModule {
    let core = CheckerCore::new(targets, shared.sealer.clone(), address, application.node_id);
    let (calls, board, name) = (calls.clone(), shared.board.clone(), application.name.to_string());
    let mut states: Vec<(Target, bool)> = Vec::new();
    let listener = Box::new(move |target: &Target, standing: Standing| {
        let in_service = standing == Standing::In;
        states.retain(|(known, _)| known != target);
        if standing != Standing::Gone {
            states.push((target.clone(), in_service));
        }
        match (&target.to, target.is_proxy) {
            (Destination::Address { remote, .. }, true) => calls.proxy(*remote, in_service),
            (Destination::Address { .. } | Destination::Flow(_) | Destination::Host { .. }, _) => {
                calls.trunk(&target.name, in_service);
            }
        }
        board.publish(checker_view(&name, &states));
    });
    let ids = Ids::new(random_u64());
    ServiceCheckerModule::new(
        &application.name,
        core,
        ids,
        inbox,
        transport.clone(),
        listener,
        shared.clock,
    )
}

fn checker_view(name: &str, states: &[(Target, bool)]) -> AppState {
    let mut view = AppState::of(name, "512");
    for (target, in_service) in states {
        if target.is_proxy {
            let address = target.name.to_string();
            view.proxies
                .push(crate::observe::board::ProxyView { address, in_service: *in_service });
        } else {
            let name = target.name.to_string();
            view.trunks.push(crate::observe::board::TrunkView { name, in_service: *in_service });
        }
    }
    if !view.proxies.is_empty() && view.proxies.iter().all(|proxy| !proxy.in_service) {
        view.ready = false;
        view.reasons.push("no SIP Proxy in service".to_owned());
    }
    view
}

fn listeners(
    shared: &Shared<'_>,
    name: &str,
    checker: ServiceChecker,
    cells: Cells,
    records: Journal,
) -> Listeners {
    let counted_cells = cells.clone();
    let count = Box::new(move |counted: Counted| match counted {
        Counted::Retransmission | Counted::Repeated => counted_cells.retransmissions.increment(),
        Counted::StrayResponse | Counted::NoDialog => counted_cells.stray_responses.increment(),
        Counted::Panicked => counted_cells.panics.increment(),
        Counted::ProxyFailover => counted_cells.node_failovers.increment(),
    });
    let node = name.to_owned();
    let record = Box::new(move |record: Box<CallRecord>| {
        cells.call(record.result.as_str());
        if let Some(span) = record.answered_after {
            cells.call_setup.observe(span);
        }
        if let Some(span) = record.rang_after {
            cells.session_request_delay.observe(span);
        }
        records.append(line(&node, &record));
    });
    let (board, name) = (shared.board.clone(), name.to_owned());
    let mut calls = board.calls.part(&name, SHARD);
    let publish = Box::new(move |core: &Core, now| {
        board.publish(view(core, &name));
        calls.publish(now, core.lens().0, core.calls().map(row));
    });
    let suspect = Box::new(move |proxy| checker.suspect(proxy));
    let (phone, fact) = (Box::new(|_| {}), Box::new(|_| {}));
    Listeners { suspect, count, record, publish, phone, fact, dns: Arc::default() }
}

fn view(core: &Core, name: &str) -> AppState {
    let (len, _, clients, servers) = core.lens();
    let counts =
        Counts { calls: len as u64, transactions: (clients + servers) as u64, ..Counts::default() };
    AppState { counts, ..AppState::of(name, SHARD) }
}

/// State of a connected call, one of whose parties is on hold, as shown to operators.
const HELD: &str = "held";

fn row(call: &Call) -> CallView {
    CallView {
        uuid: call.uuid,
        conn_id: call.conn_id,
        caller: call.caller.clone(),
        dialled: call.dialled.clone(),
        destination: call.destination.clone(),
        state: if call.is_held() { HELD } else { call.state().as_str() },
        started: call.started_wall,
    }
}

/// The call-detail record as one JSON line; times in UTC and seconds.
fn line(node: &str, record: &CallRecord) -> String {
    let seconds = |span: Option<core::time::Duration>| span.map(|span| span.as_secs_f64());
    serde_json::json!({
        "call_uuid": record.uuid.as_str(),
        "conn_id": record.conn_id.to_string(),
        "node": node,
        "started": record.started.to_iso8601(),
        "caller": record.caller,
        "dialled": record.dialled,
        "destination": record.destination,
        "trunk": record.trunk,
        "result": record.result.as_str(),
        "ringing_after_s": seconds(record.rang_after),
        "answered_after_s": seconds(record.answered_after),
        "duration_s": record.ended_after.as_secs_f64(),
        "ended_by": record.ended_by.as_str(),
        "code": record.cause.code,
        "reason": record.cause.reason,
        "updates": record.updates,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_are_asked_for_the_algorithms_of_the_option() {
        for (option, algorithms) in [
            ("both", vec![Algorithm::Md5, Algorithm::Sha256]),
            ("md5", vec![Algorithm::Md5]),
            ("sha-256", vec![Algorithm::Sha256]),
        ] {
            assert_eq!(policy(option).algorithms, algorithms, "{option}");
        }
    }
}
