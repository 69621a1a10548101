//! What the applications of one process share when they are put together.

use crate::base::flow::Protocol;
use crate::base::seal::Sealer;
use crate::config::{AppRole, Application, Config, Host, Switch};
use crate::modules::transport::local::LocalPorts;
use crate::observe::board::{AppState, Board};
use crate::observe::families::Families;
use crate::runtime::clock::Clock;
use crate::runtime::mailbox::Mailboxes;
use crate::runtime::tls::TlsError;
use core::net::{IpAddr, SocketAddr};
use std::collections::BTreeMap;
use std::net::ToSocketAddrs as _;
use std::path::PathBuf;
use std::sync::Arc;

/// Why a process cannot start; each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A socket.
    #[error(transparent)]
    Bind(#[from] crate::modules::transport::sockets::BindError),
    /// A name that does not resolve.
    #[error(
        "host {host} of application {application} does not resolve: check its spelling and the DNS"
    )]
    Host {
        /// Whose host.
        application: String,
        /// The name.
        host: String,
    },
    /// A port that is no SIP port.
    #[error(
        "{application} cannot listen on {address} ({port}): {cause}; change {port} or stop the program that uses it"
    )]
    Port {
        /// Whose port.
        application: String,
        /// Its key in the configuration.
        port: &'static str,
        /// Which address.
        address: SocketAddr,
        /// Why.
        cause: std::io::Error,
    },
    /// Files for TLS.
    #[error("{application}: {cause}")]
    Tls {
        /// Whose options name them.
        application: String,
        /// Which and why.
        cause: Box<TlsError>,
    },
    /// A file or folder.
    #[error("cannot write {path}: {cause}; check data-dir and its rights")]
    File {
        /// Which.
        path: String,
        /// Why.
        cause: std::io::Error,
    },
    /// The configuration lacks something that only a start needs.
    #[error("{0}")]
    Configuration(String),
}

/// Shared by all applications of a process.
pub struct Shared<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Seals tokens.
    pub sealer: Arc<Sealer>,
    /// The clock.
    pub clock: Clock,
    /// Where state is shown.
    pub board: Arc<Board>,
    /// All mailboxes of the process.
    pub mailboxes: &'a Mailboxes,
    /// Addresses of the process.
    pub local: Arc<LocalPorts>,
    /// Cluster ports of the applications of this process, as they were taken or chosen.
    pub cluster_ports: BTreeMap<String, SocketAddr>,
    /// Folder for what outlives the process.
    pub data_dir: PathBuf,
}

/// Counting cells of one application.
pub type Cells = Arc<Families>;

/// SIP address of an application.
///
/// # Errors
/// When its host does not resolve or it has no SIP port.
pub fn sip_address(application: &Application) -> Result<SocketAddr, StartError> {
    let port = application.ports.sip.ok_or_else(|| {
        StartError::Configuration(format!(
            "application {} has no ports.sip: add one",
            application.name
        ))
    })?;
    Ok(SocketAddr::new(ip(application)?, port))
}

/// Where an application takes SIP besides its SIP address, and what is spoken there.
///
/// # Errors
/// When its host does not resolve.
pub fn sip_ports(application: &Application) -> Result<Vec<(Protocol, SocketAddr)>, StartError> {
    let ports = application.ports;
    let all = [(Protocol::Tls, ports.sips), (Protocol::Ws, ports.ws), (Protocol::Wss, ports.wss)];
    let ip = ip(application)?;
    let set = all.into_iter().filter_map(|(protocol, port)| Some((protocol, port?)));
    Ok(set.map(|(protocol, port)| (protocol, SocketAddr::new(ip, port))).collect())
}

/// Address of an application's host.
///
/// # Errors
/// When it does not resolve.
pub fn ip(application: &Application) -> Result<IpAddr, StartError> {
    match &application.host {
        Host::Address(ip) => Ok(*ip),
        Host::Name(name) => (&**name, 0)
            .to_socket_addrs()
            .ok()
            .and_then(|mut found| found.next())
            .map(|found| found.ip())
            .ok_or_else(|| StartError::Host {
                application: application.name.to_string(),
                host: name.to_string(),
            }),
    }
}

/// All addresses of an application's host; none where it does not resolve.
#[must_use]
pub fn addresses(application: &Application) -> Vec<IpAddr> {
    match &application.host {
        Host::Address(ip) => vec![*ip],
        Host::Name(name) => {
            let found = (&**name, 0).to_socket_addrs();
            found.map(|found| found.map(|one| one.ip()).collect()).unwrap_or_default()
        }
    }
}

impl Shared<'_> {
    /// The switch of an application.
    ///
    /// # Errors
    /// When the configuration has none of that name.
    pub fn switch(&self, application: &Application) -> Result<&Switch, StartError> {
        self.config.switch(&application.switch).ok_or_else(|| {
            StartError::Configuration(format!(
                "application {} names no known switch",
                application.name
            ))
        })
    }

    /// Cluster port of an application: where it was bound in this process, or as it is configured.
    ///
    /// # Errors
    /// When its host does not resolve.
    pub fn cluster_port(
        &self,
        application: &Application,
    ) -> Result<Option<SocketAddr>, StartError> {
        if let Some(address) = self.cluster_ports.get(&*application.name) {
            return Ok(Some(*address));
        }
        let configured = application.ports.cluster.filter(|port| *port != 0);
        configured.map(|port| Ok(SocketAddr::new(ip(application)?, port))).transpose()
    }

    /// SIP Proxies of a switch with their addresses; those of one data centre if
    /// `geo_location` is given.
    ///
    /// # Errors
    /// When a host does not resolve.
    pub fn proxies<'s>(
        &'s self,
        switch: &'s Switch,
        geo_location: Option<&str>,
    ) -> Result<Vec<(&'s Application, SocketAddr)>, StartError> {
        self.config
            .members_of(&switch.name, AppRole::SipProxy)
            .filter(|found| geo_location.is_none_or(|wanted| &*found.geo_location == wanted))
            .map(|found| Ok((found, sip_address(found)?)))
            .collect()
    }

    /// Host and port by which the outside names the cluster: `external-contact`,
    /// or this address.
    #[must_use]
    pub fn access(&self, switch: &Switch, otherwise: SocketAddr) -> String {
        let external =
            switch.outbound_proxy_dn().and_then(|dn| dn.object.options.text("external-contact"));
        external.map_or_else(|| otherwise.to_string(), |text| host_port(text).to_owned())
    }

    /// Shows what an application is and where it listens.
    pub fn publish(&self, application: &Application, role: &str, address: SocketAddr) {
        self.board.publish(AppState {
            role: role.to_owned(),
            node_id: application.node_id.get(),
            geo_location: application.geo_location.to_string(),
            listen: vec![format!("{address}/udp"), format!("{address}/tcp")],
            ..AppState::of(&application.name, "")
        });
    }

    /// Hosts that mean the cluster.
    #[must_use]
    pub fn domains(&self, switch: &Switch) -> Vec<String> {
        let mut domains: Vec<String> = switch.domains.iter().map(ToString::to_string).collect();
        if let Some(text) =
            switch.outbound_proxy_dn().and_then(|dn| dn.object.options.text("external-contact"))
        {
            let host = host_port(text);
            domains.push(host.split_once(':').map_or(host, |(host, _)| host).to_owned());
        }
        domains
    }
}

/// Host and port of a contact, without scheme and parameters.
#[must_use]
pub fn host_port(contact: &str) -> &str {
    let contact = contact.strip_prefix("sip:").unwrap_or(contact);
    contact.split(';').next().unwrap_or(contact)
}
