//! The start of a process: the applications of the file that run here, their
//! sockets, their threads.

use crate::base::limits::MAILBOX_LEN_MAX;
use crate::base::seal::Sealer;
use crate::config::{AppRole, Application, Config, Threading};
use crate::modules::cluster_link::module::Peer;
use crate::modules::transport::inbox::Inbox as TransportInbox;
use crate::modules::transport::local::LocalPorts;
use crate::modules::wiring::{Shared, StartError, ip, sip_address};
use crate::observe::board::Board;
use crate::observe::families::Families;
use crate::observe::prometheus::Registry;
use crate::roles::node::call_manager::handle::CallManager;
use crate::roles::{node, sip_proxy};
use crate::runtime::clock::{Clock, random_u64};
use crate::runtime::journal::Journal;
use crate::runtime::mailbox::{Inbox, Mail, Mailboxes};
use crate::runtime::module::Module;
use crate::runtime::runner::{JoinHandle, StopSignal, spawn_thread};
use core::net::SocketAddr;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Folder for records and snapshots when the file names none.
const DATA_DIR: &str = "data";

/// What runs.
pub struct Running {
    /// The module threads.
    pub threads: Vec<JoinHandle>,
    /// Nodes by application name, to drain them.
    pub nodes: BTreeMap<String, CallManager>,
    /// One line per listening address.
    pub listening: Vec<String>,
    /// What a reload needs.
    pub settings: Reloader,
}

/// Makes the settings of a running node anew from another configuration.
pub struct Reloader {
    sealer: Arc<Sealer>,
    clock: Clock,
    board: Arc<Board>,
    mailboxes: Mailboxes,
    epoch: u32,
}

impl Reloader {
    /// Gives a node its settings of that configuration.
    ///
    /// # Errors
    /// When the configuration no longer has the node, or a host does not resolve.
    pub fn push(&self, config: &Config, name: &str, node: &CallManager) -> Result<(), StartError> {
        let shared = Shared {
            config,
            sealer: self.sealer.clone(),
            clock: self.clock,
            board: self.board.clone(),
            mailboxes: &self.mailboxes,
            local: Arc::new(LocalPorts::default()),
            epoch: self.epoch,
        };
        let application = config.application(name).ok_or_else(|| {
            StartError::Configuration(format!(
                "application {name} is no longer in the file: stop its process"
            ))
        })?;
        node.settings(node::assemble::settings_of(&shared, application)?);
        Ok(())
    }
}

impl Running {
    const fn empty(settings: Reloader) -> Self {
        Self { threads: Vec::new(), nodes: BTreeMap::new(), listening: Vec::new(), settings }
    }
}

/// What a process is started with.
pub struct Surroundings<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Applications to run; empty for all of the file.
    pub names: &'a [String],
    /// The clock.
    pub clock: Clock,
    /// Where state is shown.
    pub board: Arc<Board>,
    /// Where counting cells are entered.
    pub registry: &'a mut Registry,
    /// All mailboxes.
    pub mailboxes: &'a Mailboxes,
    /// Stops the process.
    pub stop: StopSignal,
}

type TransportBox = (Mail<TransportInbox>, Inbox<TransportInbox>);

/// Starts the applications.
///
/// # Errors
/// When anything is missing that they need; nothing runs then.
pub fn start(surroundings: Surroundings<'_>) -> Result<Running, StartError> {
    let Surroundings { config, names, clock, board, registry, mailboxes, stop } = surroundings;
    let applications = chosen(config, names)?;
    let (mut transports, mut local) =
        (BTreeMap::<String, TransportBox>::new(), LocalPorts::default());
    for application in &applications {
        let pair = mailboxes.mailbox(&format!("{}-768", application.name), MAILBOX_LEN_MAX);
        if config.local_handover {
            local.add(sip_address(application)?, &pair.0);
        }
        transports.insert(application.name.to_string(), pair);
    }
    let mut cluster_ports = cluster_ports(&applications)?;
    let shared = Shared {
        config,
        sealer: Arc::new(sealer(config)),
        clock,
        board,
        mailboxes,
        local: Arc::new(local),
        epoch: epoch(clock),
    };
    let bound: BTreeMap<String, SocketAddr> = cluster_ports
        .iter()
        .filter_map(|(name, listener)| {
            Some((name.clone(), listener.local_addr().ok()?.as_socket()?))
        })
        .collect();
    let settings = Reloader {
        sealer: shared.sealer.clone(),
        clock,
        board: shared.board.clone(),
        mailboxes: mailboxes.clone(),
        epoch: shared.epoch,
    };
    let mut running = Running::empty(settings);
    let mut assembled = Vec::new();
    for application in applications {
        let name = application.name.to_string();
        let Some(transport) = transports.remove(&name) else { continue };
        let cells = Families::register(registry, &name);
        let address = sip_address(application)?;
        match application.role {
            AppRole::SipProxy => {
                let Some(cluster) = cluster_ports.remove(&name) else { continue };
                let peers = peers(&shared, application, &bound)?;
                let parts =
                    sip_proxy::assemble::Parts { application, transport, cluster, peers, cells };
                assembled.push((name.clone(), sip_proxy::assemble::assemble(&shared, parts)?));
                running.listening.push(format!("{name}: SIP Proxy on {address} (UDP and TCP)"));
            }
            AppRole::Node => {
                let (path, records) = records(config, &name)?;
                let parts = node::assemble::Parts { application, transport, cells, records };
                let (modules, calls) = node::assemble::assemble(&shared, parts)?;
                running.nodes.insert(name.clone(), calls);
                assembled.push((name.clone(), modules));
                running.listening.push(format!(
                    "{name}: node {} on {address} (UDP and TCP), records in {path}",
                    application.node_id
                ));
            }
            AppRole::VqServer => {
                tracing::warn!(node = %name, "VQ servers do not run in this version, the application is left out");
            }
        }
    }
    running.threads = spawn(assembled, config.threading, clock, &stop);
    Ok(running)
}

/// The file of a node's call-detail records.
fn records(config: &Config, name: &str) -> Result<(String, Journal), StartError> {
    let data_dir = config.data_dir.clone().unwrap_or_else(|| PathBuf::from(DATA_DIR));
    let path = data_dir.join(format!("cdr-{name}.jsonl"));
    let shown = path.display().to_string();
    match Journal::open(&path) {
        Ok(journal) => Ok((shown, journal)),
        Err(cause) => Err(StartError::File { path: shown, cause }),
    }
}

fn chosen<'c>(config: &'c Config, names: &[String]) -> Result<Vec<&'c Application>, StartError> {
    if names.is_empty() {
        return Ok(config.applications.iter().collect());
    }
    names
        .iter()
        .map(|name| {
            config.application(name).ok_or_else(|| {
                let known: Vec<&str> =
                    config.applications.iter().map(|found| &*found.name).collect();
                StartError::Configuration(format!(
                    "the file has no application {name}; it has {}",
                    known.join(", ")
                ))
            })
        })
        .collect()
}

fn sealer(config: &Config) -> Sealer {
    let secrets: Vec<&[u8]> =
        config.cluster_keys.iter().map(|key| key.expose().as_bytes()).collect();
    Sealer::new(&secrets).unwrap_or_else(|| {
        let random =
            [random_u64().to_be_bytes(), random_u64().to_be_bytes(), random_u64().to_be_bytes()]
                .concat();
        Sealer::of(&random)
    })
}

/// Minutes since 2026-01-01: rises at every start that is a minute apart.
fn epoch(clock: Clock) -> u32 {
    const START_OF_2026_S: u64 = 1_767_225_600;
    let minutes = clock.wall().as_secs().saturating_sub(START_OF_2026_S) / 60;
    u32::try_from(minutes).unwrap_or(u32::MAX).max(1)
}

/// Cluster ports of the proxies here, taken before anybody needs to know them.
fn cluster_ports(
    applications: &[&Application],
) -> Result<BTreeMap<String, socket2::Socket>, StartError> {
    let mut ports = BTreeMap::new();
    for application in applications.iter().filter(|found| found.role == AppRole::SipProxy) {
        let address = SocketAddr::new(ip(application)?, application.ports.cluster.unwrap_or(0));
        let refused = |cause| StartError::Cluster {
            application: application.name.to_string(),
            address,
            cause,
        };
        let listener = listen(address).map_err(refused)?;
        ports.insert(application.name.to_string(), listener);
    }
    Ok(ports)
}

fn listen(address: SocketAddr) -> std::io::Result<socket2::Socket> {
    let socket =
        socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(64)?;
    Ok(socket)
}

/// Cluster ports of the other proxies of the switch.
fn peers(
    shared: &Shared<'_>,
    application: &Application,
    bound: &BTreeMap<String, SocketAddr>,
) -> Result<Vec<Peer>, StartError> {
    let switch = shared.switch(application)?;
    let mut peers = Vec::new();
    for (other, address) in shared.proxies(switch, None)? {
        if other.name == application.name {
            continue;
        }
        let known = bound.get(&*other.name).copied();
        let configured = other.ports.cluster.map(|port| SocketAddr::new(address.ip(), port));
        if let Some(address) = known.or(configured) {
            peers.push(Peer { id: other.node_id, address });
        }
    }
    Ok(peers)
}

type Assembled = Vec<(String, Vec<Box<dyn Module>>)>;

/// `threading`: a thread per module, per application, or one for all.
fn spawn(
    assembled: Assembled,
    threading: Threading,
    clock: Clock,
    stop: &StopSignal,
) -> Vec<JoinHandle> {
    match threading {
        Threading::Single => {
            let modules = assembled.into_iter().flat_map(|(_, modules)| modules).collect();
            vec![spawn_thread("sipcluster".to_owned(), None, modules, clock, stop.clone())]
        }
        Threading::Shared => assembled
            .into_iter()
            .map(|(name, modules)| spawn_thread(name, None, modules, clock, stop.clone()))
            .collect(),
        Threading::Dedicated => assembled
            .into_iter()
            .flat_map(|(_, modules)| modules)
            .map(|module| {
                spawn_thread(module.name().to_owned(), None, vec![module], clock, stop.clone())
            })
            .collect(),
    }
}
