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
use crate::observe::prometheus::Registry;
use crate::roles::{node, sip_proxy};
use crate::runtime::clock::{Clock, random_u64};
use crate::runtime::journal::Journal;
use crate::runtime::mailbox::{Inbox, Mail, Mailboxes};
use crate::runtime::module::Module;
use crate::runtime::runner::{JoinHandle, StopSignal, spawn_thread};
use core::net::SocketAddr;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Folder for records and snapshots when the file names none.
const DATA_DIR: &str = "data";

/// What runs.
pub struct Running {
    /// The module threads.
    pub threads: Vec<JoinHandle>,
    /// Nodes by application name, to drain them.
    pub nodes: BTreeMap<String, node::assemble::Handle>,
    /// Proxies by application name.
    pub proxies: BTreeMap<String, sip_proxy::assemble::Handle>,
    /// One line per listening address.
    pub listening: Vec<String>,
    reloader: Reloader,
}

/// Makes what running applications work by anew from another configuration.
pub struct Reloader {
    sealer: Arc<Sealer>,
    clock: Clock,
    board: Arc<Board>,
    mailboxes: Mailboxes,
    bound: BTreeMap<String, SocketAddr>,
}

/// What all running applications take from a configuration.
pub struct Configured {
    nodes: Vec<(node::assemble::Handle, node::assemble::Configured)>,
    proxies: Vec<(sip_proxy::assemble::Handle, sip_proxy::assemble::Configured)>,
}

impl Configured {
    /// Hands it to them.
    pub fn apply(self) {
        for (handle, configured) in self.nodes {
            handle.configure(configured);
        }
        for (handle, configured) in self.proxies {
            handle.configure(configured);
        }
    }
}

impl Running {
    const fn empty(reloader: Reloader) -> Self {
        Self {
            threads: Vec::new(),
            nodes: BTreeMap::new(),
            proxies: BTreeMap::new(),
            listening: Vec::new(),
            reloader,
        }
    }

    fn add_proxy(
        &mut self,
        shared: &Shared<'_>,
        parts: sip_proxy::assemble::Parts<'_>,
    ) -> Result<Vec<Box<dyn Module>>, StartError> {
        let (name, address) = (parts.application.name.to_string(), sip_address(parts.application)?);
        let (modules, handle) = sip_proxy::assemble::assemble(shared, parts)?;
        self.listening.push(format!("{name}: SIP Proxy on {address} (UDP and TCP)"));
        self.proxies.insert(name, handle);
        Ok(modules)
    }

    fn add_node(
        &mut self,
        shared: &Shared<'_>,
        application: &Application,
        (transport, cluster): (TransportBox, Option<socket2::Socket>),
        registry: &mut Registry,
    ) -> Result<Vec<Box<dyn Module>>, StartError> {
        let (name, address) = (application.name.to_string(), sip_address(application)?);
        let (path, records) = records(&shared.data_dir, &name)?;
        let epoch = super::epoch::next(&shared.data_dir, &name, shared.clock.wall())?;
        let parts =
            node::assemble::Parts { application, transport, cluster, registry, records, epoch };
        let (modules, handle) = node::assemble::assemble(shared, parts)?;
        self.listening.push(format!(
            "{name}: node {} on {address} (UDP and TCP), records in {path}",
            application.node_id
        ));
        self.nodes.insert(name, handle);
        Ok(modules)
    }

    /// Reads another configuration for all that runs.
    ///
    /// # Errors
    /// When it no longer has one of the applications, or a host does not resolve;
    /// none takes anything of it then.
    pub fn configured(&self, config: &Config) -> Result<Configured, StartError> {
        let shared = Shared {
            config,
            sealer: self.reloader.sealer.clone(),
            clock: self.reloader.clock,
            board: self.reloader.board.clone(),
            mailboxes: &self.reloader.mailboxes,
            local: Arc::new(LocalPorts::default()),
            cluster_ports: self.reloader.bound.clone(),
            data_dir: data_dir(config),
        };
        let mut all = Configured { nodes: Vec::new(), proxies: Vec::new() };
        for (name, handle) in &self.nodes {
            let application = still_there(config, name)?;
            let configured = node::assemble::configured(&shared, application, handle.dns())?;
            all.nodes.push((handle.clone(), configured));
        }
        for (name, handle) in &self.proxies {
            let application = still_there(config, name)?;
            let peers = peers(&shared, application)?;
            let configured = sip_proxy::assemble::configured(&shared, application, peers)?;
            all.proxies.push((handle.clone(), configured));
        }
        Ok(all)
    }
}

fn still_there<'c>(config: &'c Config, name: &str) -> Result<&'c Application, StartError> {
    config.application(name).ok_or_else(|| {
        StartError::Configuration(format!(
            "application {name} is no longer in the file: stop its process"
        ))
    })
}

/// `data-dir`, or the folder that is taken without one.
fn data_dir(config: &Config) -> PathBuf {
    config.data_dir.clone().unwrap_or_else(|| PathBuf::from(DATA_DIR))
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
    let mut cluster_ports = cluster_ports(config, &applications)?;
    let bound: BTreeMap<String, SocketAddr> = cluster_ports
        .iter()
        .filter_map(|(name, listener)| {
            Some((name.clone(), listener.local_addr().ok()?.as_socket()?))
        })
        .collect();
    let shared = Shared {
        config,
        sealer: Arc::new(sealer(config)),
        clock,
        board,
        mailboxes,
        local: Arc::new(local),
        cluster_ports: bound.clone(),
        data_dir: data_dir(config),
    };
    let reloader = Reloader {
        sealer: shared.sealer.clone(),
        clock,
        board: shared.board.clone(),
        mailboxes: mailboxes.clone(),
        bound,
    };
    let mut running = Running::empty(reloader);
    let mut assembled = Vec::new();
    for application in applications {
        let Some(transport) = transports.remove(&*application.name) else { continue };
        let cluster = cluster_ports.remove(&*application.name);
        let modules = match application.role {
            AppRole::SipProxy => {
                let Some(cluster) = cluster else { continue };
                let peers = peers(&shared, application)?;
                let parts =
                    sip_proxy::assemble::Parts { application, transport, cluster, peers, registry };
                running.add_proxy(&shared, parts)?
            }
            AppRole::Node => {
                running.add_node(&shared, application, (transport, cluster), registry)?
            }
            AppRole::VqServer => {
                tracing::warn!(node = %application.name, "VQ servers do not run in this version, the application is left out");
                continue;
            }
        };
        assembled.push(Assembled { application, modules });
    }
    running.threads = spawn(assembled, config.threading, clock, &stop);
    Ok(running)
}

/// The file of a node's call-detail records.
fn records(data_dir: &Path, name: &str) -> Result<(String, Journal), StartError> {
    let path = data_dir.join(format!("cdr-{name}.jsonl"));
    let shown = path.display().to_string();
    match Journal::open(&path) {
        Ok(journal) => Ok((shown, journal)),
        Err(cause) => Err(StartError::File { path: shown, cause }),
    }
}

fn chosen<'c>(config: &'c Config, names: &[String]) -> Result<Vec<&'c Application>, StartError> {
    if names.is_empty() {
        return Ok(config.applications.iter().filter(|own| config.is_member(own)).collect());
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

/// Cluster ports of the proxies and T-Controllers here, taken before anybody needs to know
/// them. One that is not configured is chosen.
fn cluster_ports(
    config: &Config,
    applications: &[&Application],
) -> Result<BTreeMap<String, socket2::Socket>, StartError> {
    let mut ports = BTreeMap::new();
    for application in applications {
        let has_one = match application.role {
            AppRole::SipProxy => true,
            AppRole::Node => config.has_t_controllers(&application.switch),
            AppRole::VqServer => false,
        };
        if !has_one {
            continue;
        }
        let address = SocketAddr::new(ip(application)?, application.ports.cluster.unwrap_or(0));
        let refused = |cause| StartError::Port {
            port: "ports.cluster",
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
fn peers(shared: &Shared<'_>, application: &Application) -> Result<Vec<Peer>, StartError> {
    let switch = shared.switch(application)?;
    let mut peers = Vec::new();
    for (other, _) in shared.proxies(switch, None)? {
        if other.name == application.name {
            continue;
        }
        if let Some(address) = shared.cluster_port(other)? {
            peers.push(Peer { id: other.node_id, address });
        }
    }
    Ok(peers)
}

/// The modules of one application.
struct Assembled<'a> {
    application: &'a Application,
    modules: Vec<Box<dyn Module>>,
}

/// `threading`: a thread per module, per application, or one for all; each on the
/// next of its application's `cores`.
fn spawn(
    assembled: Vec<Assembled<'_>>,
    threading: Threading,
    clock: Clock,
    stop: &StopSignal,
) -> Vec<JoinHandle> {
    let mut threads = Vec::new();
    let mut start = |name: String, core: Option<usize>, modules| {
        threads.push(spawn_thread(name, core, modules, clock, stop.clone()));
    };
    match threading {
        Threading::Single => {
            let core = assembled.iter().find_map(|found| found.application.cores.first().copied());
            let modules = assembled.into_iter().flat_map(|found| found.modules).collect();
            start("sipcluster".to_owned(), core, modules);
        }
        Threading::Shared => {
            for Assembled { application, modules } in assembled {
                let core = application.cores.first().copied();
                start(application.name.to_string(), core, modules);
            }
        }
        Threading::Dedicated => {
            for Assembled { application, modules } in assembled {
                let mut cores = application.cores.iter().copied().cycle();
                for module in modules {
                    start(module.name().to_owned(), cores.next(), vec![module]);
                }
            }
        }
    }
    threads
}
