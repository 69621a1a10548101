//! Which clients are served, and what they may ask for: the `clients` of the configuration.

use crate::config::{Config, DnRange};
use crate::cti::refusal::Refusal;
use crate::cti::tlib::{Attributes, ClientRegistration, ErrorCode, RegisterMode, RequestType};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;

#[cfg(test)]
mod tests;

/// What a client may do.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rights {
    password: Option<[u8; 32]>,
    dns: Option<Vec<DnRange>>,
    is_monitor: bool,
}

/// The clients that are served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// By their names; `None` for whoever comes.
    clients: Option<HashMap<Box<str>, Rights>>,
}

impl Admission {
    /// Those of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let clients = config.clients.as_ref().map(|clients| {
            let rights = clients.iter().map(|client| {
                let password = client.password.as_ref().map(|password| digest(password.expose()));
                let rights =
                    Rights { password, dns: client.dns.clone(), is_monitor: client.is_monitor };
                (client.name.clone(), rights)
            });
            rights.collect()
        });
        Self { clients }
    }

    /// Whether a client is served that says that of itself.
    ///
    /// # Errors
    /// When it is not known or its password is wrong, which it does not hear.
    pub fn admit(&self, given: &ClientRegistration) -> Result<(), Refusal> {
        let Some(clients) = &self.clients else { return Ok(()) };
        let rights = clients.get(&*given.application_name);
        // Digests, so that the time that a comparison takes says nothing of the password.
        let own = digest(&given.application_password);
        if rights.is_some_and(|rights| rights.password.is_none_or(|password| password == own)) {
            return Ok(());
        }
        let text = "ApplicationName or ApplicationPassword is wrong";
        Err(Refusal::new(ErrorCode::ErrorBadPassword, text))
    }

    /// Whether a client of that name is served.
    #[must_use]
    pub fn knows(&self, application: &str) -> bool {
        self.clients.as_ref().is_none_or(|clients| clients.contains_key(application))
    }

    /// Whether a client has the same rights as by another configuration.
    #[must_use]
    pub fn is_same_for(&self, before: &Self, application: &str) -> bool {
        let rights = |admission: &Self| {
            admission.clients.as_ref().map(|clients| clients.get(application).cloned())
        };
        rights(self) == rights(before)
    }

    /// Whether a client may hear of a DN, or of somebody outside.
    #[must_use]
    pub fn has_right_to(&self, application: &str, name: &str) -> bool {
        let Some(clients) = &self.clients else { return true };
        let dns = clients.get(application).map(|rights| rights.dns.as_ref());
        dns.is_some_and(|dns| dns.is_none_or(|dns| dns.iter().any(|range| range.contains(name))))
    }

    /// Whether a client may ask for that.
    ///
    /// # Errors
    /// When it has no right to the DN, or none to ask for more than to hear.
    pub fn check(
        &self,
        application: &str,
        kind: RequestType,
        given: &Attributes,
    ) -> Result<(), Refusal> {
        let Some(clients) = &self.clients else { return Ok(()) };
        let Some(rights) = clients.get(application) else {
            let text = "the client is not in the configuration any more";
            return Err(Refusal::new(ErrorCode::ErrorBadPassword, text));
        };
        rights.check(kind, given)
    }
}

impl Rights {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the language has many more requests than those that only hear"
    )]
    fn check(&self, kind: RequestType, given: &Attributes) -> Result<(), Refusal> {
        let is_all = matches!(kind, RequestType::TRegisterAll | RequestType::TStartCallMonitoring);
        if let Some(dns) = &self.dns {
            if is_all {
                let text = "the client has no right to all DNs";
                return Err(Refusal::new(ErrorCode::ErrorRejected, text));
            }
            // Whom a supervisor wants to listen to is somebody's DN too.
            let watched = (kind == RequestType::TMonitorNextCall).then_some(&given.other_dn);
            let names = [Some(&given.this_dn), Some(&given.communication_dn), watched];
            for name in names.into_iter().flatten().flatten().filter(|name| !name.is_empty()) {
                let is_own = dns.iter().any(|range| range.contains(name));
                if !is_own {
                    let text = format!("no DN {name} is configured for this client");
                    return Err(Refusal::new(ErrorCode::ErrorNotConfigured, text));
                }
            }
        }
        if !self.is_monitor || is_all {
            return Ok(());
        }
        match kind {
            RequestType::TRegisterAddress => {
                if given.register_mode == Some(RegisterMode::Monitor.into()) {
                    return Ok(());
                }
                let text = "the client may only monitor: AttributeRegisterMode must say so";
                Err(Refusal::new(ErrorCode::ErrorInvalidAttribute, text))
            }
            RequestType::TRegisterClient
            | RequestType::TQueryServer
            | RequestType::TQueryAddress
            | RequestType::TQueryCall
            | RequestType::TUnregisterAddress
            | RequestType::TUnregisterAll
            | RequestType::TStopCallMonitoring
            | RequestType::TSetInputMask => Ok(()),
            other => {
                let text = format!("the client may only monitor: no {}", other.as_str_name());
                Err(Refusal::new(ErrorCode::ErrorRejected, text))
            }
        }
    }
}

fn digest(password: &str) -> [u8; 32] {
    Sha256::digest(password.as_bytes()).into()
}
