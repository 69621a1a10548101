//! The wiring of a SIP Proxy: who holds whose handle.

use super::proxy::core::{Core, Counted};
use super::proxy::handle::Proxy;
use super::proxy::module::{Listeners, ProxyModule};
use super::proxy::settings::{NodeSettings, Settings};
use crate::base::flow::{Destination, Protocol};
use crate::base::id::{Ids, NodeId, Shard};
use crate::base::limits::MAILBOX_LEN_MAX;
use crate::base::time::Instant;
use crate::config::{AppRole, Application, Switch};
use crate::mesh::homes::{Node as HomeNode, Settings as HomeSettings};
use crate::mesh::registrations::Options as LinkOptions;
use crate::modules::cluster_link::handle::ClusterLink;
use crate::modules::cluster_link::module::{ClusterLinkModule, Peer, Snapshot};
use crate::modules::securing::{Secured, SecuredPorts};
use crate::modules::service_checker::core::{Core as CheckerCore, Standing, Target};
use crate::modules::service_checker::handle::ServiceChecker;
use crate::modules::service_checker::module::{Listener, ServiceCheckerModule};
use crate::modules::transport::handle::Transport;
use crate::modules::transport::inbox::Inbox as TransportInbox;
use crate::modules::transport::module::{Receivers, TransportModule};
use crate::modules::wiring::{Cells, Shared, StartError, sip_address, sip_ports};
use crate::observe::board::{AppState, Counts, NodeView, RegistrationView};
use crate::observe::families::Families;
use crate::observe::prometheus::Registry;
use crate::runtime::clock::random_u64;
use crate::runtime::mailbox::{Inbox, Mail};
use crate::runtime::module::Module;
use crate::runtime::tls::Tls;
use crate::sip::registrar::Binding;
use core::net::SocketAddr;
use std::sync::Arc;

/// The part of the board that the shard publishes.
const SHARD: &str = "001";

/// What a proxy is assembled from, besides what all applications share.
pub struct Parts<'a> {
    /// Its configuration.
    pub application: &'a Application,
    /// Its transport's mailbox.
    pub transport: (Mail<TransportInbox>, Inbox<TransportInbox>),
    /// Its cluster port, taken before.
    pub cluster: socket2::Socket,
    /// Cluster ports of the other proxies.
    pub peers: Vec<Peer>,
    /// Where its counting cells are entered, a set for each thread that counts.
    pub registry: &'a mut Registry,
}

/// What a running proxy can be told from outside.
#[derive(Clone, Debug)]
pub struct Handle {
    proxy: Proxy,
    checker: ServiceChecker,
    link: ClusterLink,
    tls: SecuredPorts,
}

impl Handle {
    /// Works by another configuration from now on.
    pub fn configure(&self, configured: Configured) {
        self.tls.exchange(configured.secured);
        self.proxy.settings(configured.settings);
        self.checker.targets(configured.targets);
        self.link.peers(configured.peers, configured.homes);
    }
}

/// What a proxy takes from a configuration, at its start and at each reload.
#[derive(Clone, Debug)]
pub struct Configured {
    settings: Arc<Settings>,
    targets: Vec<Target>,
    peers: Vec<Peer>,
    homes: HomeSettings,
    secured: Secured,
}

/// Reads it; the cluster ports of the other proxies are known already.
///
/// # Errors
/// When a host does not resolve, or a file for TLS cannot be used.
pub fn configured(
    shared: &Shared<'_>,
    application: &Application,
    peers: Vec<Peer>,
) -> Result<Configured, StartError> {
    let address = sip_address(application)?;
    let switch = shared.switch(application)?;
    let settings = settings(shared, application, switch, address)?;
    let targets = targets(application, &settings);
    let homes = homes(shared, application, switch)?;
    let secured = Secured::of(shared, application)?;
    Ok(Configured { settings: Arc::new(settings), targets, peers, homes, secured })
}

/// The modules of a proxy.
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
    let Configured { settings, targets, peers, homes, secured } =
        configured(shared, application, parts.peers)?;
    let tls = secured.ports();
    let transport = Transport::new(parts.transport.0);
    let sealer = Arc::new(shared.sealer.salted(random_u64() as u32));

    let (shard_mail, shard_inbox) =
        shared.mailboxes.mailbox(&format!("{name}-001"), MAILBOX_LEN_MAX);
    let (checker_mail, checker_inbox) =
        shared.mailboxes.mailbox(&format!("{name}-512"), MAILBOX_LEN_MAX);
    let (link_mail, link_inbox) =
        shared.mailboxes.mailbox(&format!("{name}-cluster"), MAILBOX_LEN_MAX);
    let proxy = Proxy::new(shard_mail.clone());

    let cells = Families::register(parts.registry, &name);
    let receivers = Receivers { shards: vec![shard_mail], checker: checker_mail.clone() };
    let sockets = TransportModule::bind(&name, address, parts.transport.1, receivers, cells)?
        .listening(&name, &sip_ports(application)?, tls.sip.clone())?
        .with_local(shared.local.clone());
    let cells = Families::register(parts.registry, &name);

    let to_link = ClusterLink::new(link_mail.clone());
    let listener = node_listener(proxy.clone(), to_link);
    let checker =
        checker(shared, application, (&settings, targets), checker_inbox, &transport, listener);
    let port = (parts.cluster, tls.cluster.clone());
    let link = link(shared, application, port, (peers, homes), link_inbox, &proxy);
    let handle = Handle {
        proxy: proxy.clone(),
        checker: ServiceChecker::new(checker_mail.clone()),
        link: ClusterLink::new(link_mail.clone()),
        tls,
    };
    let shard = ProxyModule::new(
        &name,
        Core::new(settings, sealer, random_u64()),
        Ids::new(random_u64()),
        shard_inbox,
        transport,
        Some(ClusterLink::new(link_mail)),
        listeners(shared, &name, ServiceChecker::new(checker_mail), cells),
    );
    shared.publish(application, "sip-proxy", address);
    Ok((vec![Box::new(sockets), Box::new(shard), Box::new(checker), Box::new(link)], handle))
}

fn settings(
    shared: &Shared<'_>,
    application: &Application,
    switch: &Switch,
    address: SocketAddr,
) -> Result<Settings, StartError> {
    let mut nodes: Vec<NodeSettings> = Vec::new();
    for node in shared.config.members_of(&switch.name, AppRole::Node) {
        let at = sip_address(node)?;
        let is_local = node.geo_location == application.geo_location;
        match nodes.iter_mut().find(|found| found.id == node.node_id) {
            Some(found) => found.addresses.push(at),
            None => nodes.push(NodeSettings { id: node.node_id, addresses: vec![at], is_local }),
        }
    }
    let options = &application.options;
    let feature_server = options
        .text("feature-server-address")
        .map(|text| if text.contains(':') { text.to_owned() } else { format!("{text}:5160") });
    Ok(Settings {
        name: application.name.to_string(),
        id: application.node_id,
        shard: Shard(0),
        address,
        access: shared.access(switch, address),
        domains: shared.domains(switch),
        proxies: shared.proxies(switch, None)?.into_iter().map(|(_, address)| address).collect(),
        ports: sip_ports(application)?,
        ports_of_all: ports_of_all(shared, switch)?,
        holders: others(shared, switch, application)?,
        nodes,
        node_protocol: Protocol::Udp,
        expires_default: options.duration_or_default("registrar-default-timeout"),
        expires_min: options.duration_or_default("registrar-min-timeout"),
        expires_max: options.duration_or_default("registrar-max-timeout"),
        feature_server: feature_server.and_then(|text| text.parse().ok()),
    })
}

/// The other proxies of the cluster.
fn others(
    shared: &Shared<'_>,
    switch: &Switch,
    own: &Application,
) -> Result<Vec<(NodeId, SocketAddr)>, StartError> {
    let all = shared.proxies(switch, None)?.into_iter();
    let others = all.filter(|(proxy, _)| proxy.node_id != own.node_id);
    Ok(others.map(|(proxy, address)| (proxy.node_id, address)).collect())
}

/// Where the proxies of the cluster take SIP besides their SIP addresses.
fn ports_of_all(shared: &Shared<'_>, switch: &Switch) -> Result<Vec<SocketAddr>, StartError> {
    let mut all = Vec::new();
    for proxy in shared.config.members_of(&switch.name, AppRole::SipProxy) {
        all.extend(sip_ports(proxy)?.into_iter().map(|(_, address)| address));
    }
    Ok(all)
}

/// Whom a proxy checks: the nodes.
fn targets(application: &Application, settings: &Settings) -> Vec<Target> {
    let options = &application.options;
    let mut targets = Vec::new();
    for node in &settings.nodes {
        for remote in &node.addresses {
            targets.push(Target {
                name: node.id.to_string().into(),
                to: Destination::Address { protocol: Protocol::Udp, remote: *remote },
                uri: format!("sip:{remote}"),
                hop: None,
                check: options.duration_or_default("oos-check"),
                force: options.duration_or_default("oos-force"),
                error_check: true,
                recovery: options.duration("recovery-timeout").unwrap_or_default(),
                max_forwards: 70,
                presumed: false,
                is_proxy: false,
            });
        }
    }
    targets
}

/// The T-Controllers of the switch, to which registered phones are told.
fn homes(
    shared: &Shared<'_>,
    application: &Application,
    switch: &Switch,
) -> Result<HomeSettings, StartError> {
    let mut nodes: Vec<HomeNode> = Vec::new();
    let has_one = shared.config.has_t_controllers(&switch.name);
    for node in shared.config.members_of(&switch.name, AppRole::Node).filter(|_| has_one) {
        if let Some(found) = nodes.iter_mut().find(|found| found.id == node.node_id) {
            found.has_standby = true;
        } else if let Some(address) = shared.cluster_port(node)? {
            nodes.push(HomeNode {
                id: node.node_id,
                address,
                is_local: node.geo_location == application.geo_location,
                has_standby: false,
            });
        }
    }
    let cluster = switch.cluster_dn().map(|dn| &dn.object.options);
    let rehoming = cluster.map(|options| options.duration_or_default("dn-rehoming-time"));
    Ok(HomeSettings {
        node: application.node_id,
        name: application.name.to_string().into(),
        epoch: u32::try_from(shared.clock.wall().as_secs()).unwrap_or(u32::MAX),
        rehoming: rehoming.unwrap_or_default(),
        nodes,
    })
}

/// Tells the shard where a node's primary is and whether it drains, and the link whether there is
/// one.
fn node_listener(proxy: Proxy, link: ClusterLink) -> Listener {
    let mut up: Vec<(Box<str>, SocketAddr, bool)> = Vec::new();
    Box::new(move |target: &Target, standing: Standing| {
        let Destination::Address { remote, .. } = target.to else { return };
        up.retain(|(name, at, _)| *name != target.name || *at != remote);
        if matches!(standing, Standing::In | Standing::Draining) {
            up.push((target.name.clone(), remote, standing == Standing::Draining));
        }
        let members = up.iter().filter(|(name, ..)| *name == target.name);
        let primary = members.min_by_key(|(.., is_draining)| *is_draining);
        if let Some(id) = target.name.parse().ok().and_then(NodeId::new) {
            proxy.draining(id, primary.is_some_and(|(.., is_draining)| *is_draining));
            proxy.node(id, primary.map(|(_, at, _)| *at));
            // One that drains owns what it has.
            link.node(id, primary.is_some());
        }
    })
}

fn checker(
    shared: &Shared<'_>,
    application: &Application,
    (settings, targets): (&Settings, Vec<Target>),
    inbox: Inbox<crate::modules::service_checker::inbox::Inbox>,
    transport: &Transport,
    listener: Listener,
) -> ServiceCheckerModule {
    let core = CheckerCore::new(targets, shared.sealer.clone(), settings.address, settings.id);
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

fn link(
    shared: &Shared<'_>,
    application: &Application,
    port: (socket2::Socket, Tls),
    (peers, homes): (Vec<Peer>, HomeSettings),
    inbox: Inbox<crate::modules::cluster_link::inbox::Inbox>,
    proxy: &Proxy,
) -> ClusterLinkModule {
    let options = LinkOptions {
        node: application.node_id,
        name: application.name.to_string().into(),
        epoch: shared.clock.wall().0,
        peers: peers.iter().map(|peer| peer.id).collect(),
        started: shared.clock.now(),
    };
    let proxy = proxy.clone();
    let (board, name) = (shared.board.clone(), application.name.to_string());
    board.publish(AppState {
        ready: false,
        reasons: vec!["registrations of the other proxies are not loaded yet".to_owned()],
        ..AppState::of(&name, "cluster")
    });
    let path = shared.data_dir.join(format!("registrations-{}", application.name));
    ClusterLinkModule::new(
        (options, homes),
        port,
        peers,
        inbox,
        Snapshot::new(&path, shared.clock),
        Box::new(move |entry| proxy.binding(entry)),
        Box::new(move |ready, reason| {
            let reasons = if ready { Vec::new() } else { vec![reason] };
            board.publish(AppState { ready, reasons, ..AppState::of(&name, "cluster") });
        }),
    )
}

fn listeners(shared: &Shared<'_>, name: &str, checker: ServiceChecker, cells: Cells) -> Listeners {
    let suspect = Box::new(move |address: SocketAddr| checker.suspect(address));
    let count = Box::new(move |counted: Counted| match counted {
        Counted::Retransmission => cells.retransmissions.increment(),
        Counted::ForeignRoute => cells.foreign_routes.increment(),
        Counted::BadToken => cells.bad_tokens.increment(),
        Counted::StrayResponse => cells.stray_responses.increment(),
        Counted::NodeFailover => cells.node_failovers.increment(),
        Counted::Registered => {}
        Counted::Panicked => cells.panics.increment(),
    });
    let board = shared.board.clone();
    let mut registrations = board.registrations.part(name, SHARD);
    let publish = Box::new(move |core: &Core, now| {
        board.publish(view(core));
        let registrar = core.registrar();
        let rows = registrar.all(now).map(|binding| row(binding, now));
        registrations.publish(now, registrar.bindings_len(), rows);
    });
    Listeners { suspect, count, publish, clock: shared.clock }
}

fn view(core: &Core) -> AppState {
    let settings = core.settings();
    let in_service = core.nodes_in_service();
    let reasons = if in_service == 0 { vec!["no node in service".to_owned()] } else { Vec::new() };
    AppState {
        ready: in_service > 0,
        reasons,
        nodes: settings
            .nodes
            .iter()
            .map(|node| NodeView {
                node_id: node.id.get(),
                address: node.addresses.first().map(ToString::to_string).unwrap_or_default(),
                in_service: core.node_in_service(node.id),
            })
            .collect(),
        counts: Counts {
            transactions: core.transactions_len() as u64,
            registrations: core.registrar().bindings_len() as u64,
            ..Counts::default()
        },
        ..AppState::of(&settings.name, SHARD)
    }
}

fn row(binding: &Binding, now: Instant) -> RegistrationView {
    RegistrationView {
        contact: binding.contact.clone(),
        expires_s: binding.expires.since(now).as_secs(),
        proxy: binding.proxy,
    }
}
