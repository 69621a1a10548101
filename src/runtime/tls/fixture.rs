//! Certificates for tests.

use super::{Files, Member, Terms};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder that is gone with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "sipcluster-tls-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).expect("a file");
        path
    }

    /// Files of somebody with those names, signed by that authority.
    pub(crate) fn member(&self, authority: &Authority, names: &[&str]) -> Files {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let params = CertificateParams::new(names.clone()).expect("names");
        let certificate = params.signed_by(&key, authority).expect("a certificate");
        let of = |what: &str| format!("{}-{what}.pem", names.concat());
        Files {
            certificate: self.file(&of("own"), &certificate.pem()),
            key: self.file(&of("key"), &key.serialize_pem()),
            trusted_ca: Some(self.file("ca.pem", &authority.pem())),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) type Authority = CertifiedIssuer<'static, KeyPair>;

pub(crate) fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority")
}

/// The terms of members with those names, all at the loopback address.
pub(crate) fn members(files: &Files, names: &[&str]) -> Terms {
    at(files, &[("127.0.0.1", names)], false)
}

/// The terms of members with those names at those addresses.
pub(crate) fn at(files: &Files, members: &[(&str, &[&str])], takes_plain: bool) -> Terms {
    let trusted = files.trusted_ca.clone().expect("an authority");
    let members: Vec<Member> = members
        .iter()
        .map(|(address, names)| Member {
            addresses: address.parse().into_iter().collect(),
            names: names.iter().map(ToString::to_string).collect(),
        })
        .collect();
    Terms::for_members(files, &trusted, &members, takes_plain).expect("terms")
}
