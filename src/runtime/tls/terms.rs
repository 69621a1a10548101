//! Certificates and keys from files, and who is trusted.

use super::Session;
use core::fmt::{Debug, Formatter};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, IpAddr, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, Connection, DigitallySignedStruct,
    DistinguishedName, Error, RootCertStore, ServerConfig, ServerConnection, SignatureScheme,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why files cannot be used for TLS; each text names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// It cannot be read, or is no PEM.
    #[error("{option} {}: {}", path.display(), reason(cause))]
    File {
        /// The option that names it.
        option: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        cause: PemError,
    },
    /// It does not hold what it is for.
    #[error("{option} {} cannot be used: {cause}", path.display())]
    Content {
        /// The option that names it.
        option: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        cause: Error,
    },
    /// Those who are to be trusted cannot be.
    #[error("trusted-ca {} cannot be used: {cause}", path.display())]
    Trust {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: VerifierBuilderError,
    },
    /// The key of the certificate does not fit, or this library does not know its kind.
    #[error("certificate {} with certificate-key {} cannot be used: {cause}", certificate.display(), key.display())]
    Pair {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why.
        cause: Error,
    },
}

fn reason(cause: &PemError) -> String {
    if matches!(cause, PemError::NoItemsFound) {
        return "there is none in this PEM file".to_owned();
    }
    if matches!(cause, PemError::MissingSectionEnd { .. }) {
        return "the PEM file is cut off: an END line is missing".to_owned();
    }
    cause.to_string()
}

/// The PEM files of an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Its certificate, and after it those up to its authority.
    pub certificate: PathBuf,
    /// The key of that.
    pub key: PathBuf,
    /// The authorities that sign those of others.
    pub trusted_ca: Option<PathBuf>,
}

/// A member of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Where others dial it.
    pub addresses: Vec<core::net::IpAddr>,
    /// Names of hosts, or addresses, one of which its certificate has.
    pub names: Vec<String>,
}

type Certificates = Vec<CertificateDer<'static>>;

impl Files {
    fn own(&self) -> Result<(Certificates, PrivateKeyDer<'static>), TlsError> {
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|cause| TlsError::File {
            option: "certificate-key",
            path: self.key.clone(),
            cause,
        })?;
        Ok((certificates("certificate", &self.certificate)?, key))
    }

    fn misfit(&self, cause: Error) -> TlsError {
        TlsError::Pair { certificate: self.certificate.clone(), key: self.key.clone(), cause }
    }
}

fn certificates(option: &'static str, path: &Path) -> Result<Certificates, TlsError> {
    let refused = |cause| TlsError::File { option, path: path.to_owned(), cause };
    let found = CertificateDer::pem_file_iter(path).map_err(refused)?;
    let found = found.collect::<Result<Certificates, _>>().map_err(refused)?;
    if found.is_empty() { Err(refused(PemError::NoItemsFound)) } else { Ok(found) }
}

/// The authorities of a file.
fn trusted(path: &Path) -> Result<Arc<RootCertStore>, TlsError> {
    const OPTION: &str = "trusted-ca";
    let mut store = RootCertStore::empty();
    for certificate in certificates(OPTION, path)? {
        store.add(certificate).map_err(|cause| TlsError::Content {
            option: OPTION,
            path: path.to_owned(),
            cause,
        })?;
    }
    Ok(Arc::new(store))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// On what terms a port takes connections and makes them.
#[derive(Clone, Default)]
pub struct Terms {
    accept: Option<Arc<ServerConfig>>,
    pub(super) dial: Option<Arc<ClientConfig>>,
    is_plain_refused: bool,
    /// Those that speak no TLS are taken of this machine alone.
    is_plain_local: bool,
}

impl Debug for Terms {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> core::fmt::Result {
        let Self { accept, dial, is_plain_refused, is_plain_local } = self;
        formatter
            .debug_struct("Terms")
            .field("accept", &accept.is_some())
            .field("dial", &dial.is_some())
            .field("is_plain_refused", is_plain_refused)
            .field("is_plain_local", is_plain_local)
            .finish()
    }
}

impl Terms {
    /// Those of a port for clients. `is_mutual` wants a certificate of them; `takes_plain`
    /// also serves those that speak no TLS.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn for_clients(
        files: &Files,
        is_mutual: bool,
        takes_plain: bool,
    ) -> Result<Self, TlsError> {
        let (chain, key) = files.own()?;
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|cause| files.misfit(cause))?;
        // The file is looked at in any case: what is wrong with it is not to be found out later.
        let verifier = files.trusted_ca.as_deref().map(of_clients).transpose()?;
        let builder = match verifier.filter(|_| is_mutual) {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let accept = builder.with_single_cert(chain, key).map_err(|cause| files.misfit(cause))?;
        let accept = Some(Arc::new(accept));
        Ok(Self { accept, is_plain_refused: !takes_plain, ..Self::default() })
    }

    /// Those of a port for members of the cluster, each of which shows the other a
    /// certificate that is valid for one of its names. `takes_plain` also takes those that
    /// speak no TLS, and those are dialled in turn with TLS and without.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn for_members(
        files: &Files,
        trusted_ca: &Path,
        members: &[Member],
        takes_plain: bool,
    ) -> Result<Self, TlsError> {
        let members = members.iter().map(|member| {
            let names = member.names.iter().filter_map(|name| name_of(name)).collect();
            (member.addresses.clone(), names)
        });
        let members = members.collect();
        let roots = trusted(trusted_ca)?;
        let server = WebPkiServerVerifier::builder_with_provider(roots, provider()).build();
        let server =
            server.map_err(|cause| TlsError::Trust { path: trusted_ca.to_owned(), cause })?;
        let client = of_clients(trusted_ca)?;
        let members = Arc::new(Members { client, server, members });
        let (chain, key) = files.own()?;
        let refused = |cause| files.misfit(cause);
        let accept = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(refused)?
            .with_client_cert_verifier(members.clone())
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(refused)?;
        let mut dial = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(refused)?
            .dangerous()
            .with_custom_certificate_verifier(members)
            .with_client_auth_cert(chain, key)
            .map_err(refused)?;
        // A link stands for days, and its next one is to be looked at anew.
        dial.resumption = Resumption::disabled();
        Ok(Self {
            accept: Some(Arc::new(accept)),
            dial: Some(Arc::new(dial)),
            is_plain_refused: !takes_plain,
            is_plain_local: false,
        })
    }

    /// Those of a port for clients without TLS; of this machine alone, unless `is_open`.
    #[must_use]
    pub fn without_tls(is_open: bool) -> Self {
        Self { is_plain_local: !is_open, ..Self::default() }
    }

    /// Whether a connection from there is taken at all.
    #[must_use]
    pub const fn takes_from(&self, address: core::net::IpAddr) -> bool {
        !self.is_plain_local || address.is_loopback()
    }

    /// Whether connections without TLS are taken.
    #[must_use]
    pub const fn takes_plain(&self) -> bool {
        !self.is_plain_refused
    }

    /// Whether TLS is spoken.
    #[must_use]
    pub const fn has_tls(&self) -> bool {
        self.accept.is_some()
    }

    /// The end of one that was accepted.
    #[must_use]
    pub fn accept(&self) -> Option<Session> {
        let connection = ServerConnection::new(self.accept.clone()?).ok()?;
        Some(Session(Connection::Server(connection)))
    }

    /// The end of one that is made to an address.
    #[must_use]
    pub fn dial(&self, address: core::net::IpAddr) -> Option<Session> {
        let name = ServerName::IpAddress(address.into());
        let connection = ClientConnection::new(self.dial.clone()?, name).ok()?;
        Some(Session(Connection::Client(connection)))
    }
}

fn name_of(text: &str) -> Option<ServerName<'static>> {
    match text.parse::<core::net::IpAddr>() {
        Ok(address) => Some(ServerName::IpAddress(IpAddr::from(address))),
        Err(_) => ServerName::try_from(text.to_owned()).ok(),
    }
}

/// Who shows a certificate of those authorities.
fn of_clients(path: &Path) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let built = WebPkiClientVerifier::builder_with_provider(trusted(path)?, provider()).build();
    built.map_err(|cause| TlsError::Trust { path: path.to_owned(), cause })
}

/// Members of the cluster: those whose certificate is of its authority and says who they
/// are. An authority that signs for others too makes no member.
#[derive(Debug)]
struct Members {
    client: Arc<dyn ClientCertVerifier>,
    server: Arc<WebPkiServerVerifier>,
    /// Where each is dialled, and its names.
    members: Vec<(Vec<core::net::IpAddr>, Vec<ServerName<'static>>)>,
}

impl Members {
    /// Whether a certificate is that of a member; of one who is dialled at that address, if
    /// it was dialled.
    fn named(
        &self,
        certificate: &CertificateDer<'_>,
        dialled: Option<&ServerName<'_>>,
    ) -> Result<(), Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let is_there = |addresses: &[core::net::IpAddr]| {
            dialled.is_none_or(|dialled| {
                addresses.iter().any(|one| *dialled == ServerName::IpAddress((*one).into()))
            })
        };
        let own = self.members.iter().filter(|(addresses, _)| is_there(addresses));
        if own.flat_map(|(_, names)| names).any(|name| verify_server_name(&parsed, name).is_ok()) {
            return Ok(());
        }
        Err(Error::General(
            "the certificate is valid for no member there: its subjectAltName needs the name of \
             the application or its host"
                .to_owned(),
        ))
    }
}

impl ServerCertVerifier for Members {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.server.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            // Its name is looked at last: all else is right.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => {}
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        self.named(end_entity, Some(server_name)).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.server.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.server.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.server.supported_verify_schemes()
    }
}

impl ClientCertVerifier for Members {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.client.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.client.verify_client_cert(end_entity, intermediates, now)?;
        self.named(end_entity, None).map(|()| verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.client.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.client.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.client.supported_verify_schemes()
    }
}
