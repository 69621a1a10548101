//! TLS of an application's ports, as the configuration has it. Made at the start and again at
//! each reload, so that certificates can be renewed while connections stand.

use super::wiring::{Shared, StartError, addresses};
use crate::config::{AppRole, Application, Host};
use crate::runtime::tls::{Files, Member, Terms, Tls, TlsError};
use std::path::PathBuf;

/// On what terms an application connects.
#[derive(Clone, Debug)]
pub struct Secured {
    /// Its T-Library ports.
    pub clients: Terms,
    /// Its cluster port, and the connections to those of others.
    pub cluster: Terms,
    /// Its SIP ports with TLS.
    pub sip: Terms,
}

impl Secured {
    /// Reads options and files.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn of(shared: &Shared<'_>, application: &Application) -> Result<Self, StartError> {
        let refused = |cause: TlsError| StartError::Tls {
            application: application.name.to_string(),
            cause: Box::new(cause),
        };
        let clients = Self::clients(application).map_err(refused)?;
        let cluster = Self::cluster(shared, application).map_err(refused)?;
        Ok(Self { clients, cluster, sip: Self::sip(application).map_err(refused)? })
    }

    fn clients(application: &Application) -> Result<Terms, TlsError> {
        let options = &application.options;
        match files(application) {
            Some(files) if options.flag_or_default("tls") => Terms::for_clients(
                &files,
                options.flag_or_default("tls-mutual"),
                options.flag_or_default("tlib-without-tls"),
            ),
            _ => Ok(Terms::without_tls(options.flag_or_default("tlib-without-tls"))),
        }
    }

    fn sip(application: &Application) -> Result<Terms, TlsError> {
        let ports = application.ports;
        match files(application) {
            Some(files) if ports.sips.or(ports.wss).is_some() => {
                Terms::for_clients(&files, false, false)
            }
            Some(_) | None => Ok(Terms::default()),
        }
    }

    fn cluster(shared: &Shared<'_>, application: &Application) -> Result<Terms, TlsError> {
        let switch = shared.config.switch(&application.switch);
        let cluster = switch.and_then(|switch| Some(&switch.cluster_dn()?.object.options));
        let takes_plain = match cluster.map(|options| options.text_or_default("cluster-tls")) {
            Some("accept") => true,
            Some("require") => false,
            _ => return Ok(Terms::default()),
        };
        let Some(files) = files(application) else { return Ok(Terms::default()) };
        let Some(trusted_ca) = files.trusted_ca.clone() else { return Ok(Terms::default()) };
        let of = |role| shared.config.members_of(&application.switch, role);
        let members = of(AppRole::Node).chain(of(AppRole::SipProxy));
        let members = members.map(|member| {
            let host = match &member.host {
                Host::Address(address) => address.to_string(),
                Host::Name(name) => name.to_string(),
            };
            Member { addresses: addresses(member), names: vec![member.name.to_string(), host] }
        });
        let members: Vec<Member> = members.collect();
        Terms::for_members(&files, &trusted_ca, &members, takes_plain)
    }

    /// Ports to be, on these terms.
    #[must_use]
    pub fn ports(self) -> SecuredPorts {
        SecuredPorts {
            clients: Tls::new(self.clients),
            cluster: Tls::new(self.cluster),
            sip: Tls::new(self.sip),
        }
    }
}

fn files(application: &Application) -> Option<Files> {
    let path = |name| application.options.text(name).map(PathBuf::from);
    Some(Files {
        certificate: path("certificate")?,
        key: path("certificate-key")?,
        trusted_ca: path("trusted-ca"),
    })
}

/// The terms of ports that are open.
#[derive(Clone, Debug)]
pub struct SecuredPorts {
    /// Of T-Library ports.
    pub clients: Tls,
    /// Of the cluster port.
    pub cluster: Tls,
    /// Of SIP ports.
    pub sip: Tls,
}

impl SecuredPorts {
    /// New connections are made on these terms.
    pub fn exchange(&self, secured: Secured) {
        self.clients.exchange(secured.clients);
        self.cluster.exchange(secured.cluster);
        self.sip.exchange(secured.sip);
    }
}
