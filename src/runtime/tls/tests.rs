use super::fixture::{Folder, at, authority, members};
use super::{Files, Session, Terms};
use core::net::{IpAddr, Ipv4Addr};
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use std::path::Path;
use std::sync::Arc;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Shows no certificate.
#[derive(Debug)]
struct Nothing;

impl ResolvesClientCert for Nothing {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// Carries what one end has written to the other until neither writes; the first error.
fn agree(one: &mut Session, other: &mut Session) -> Result<(), String> {
    while one.wants_write() || other.wants_write() {
        pass(one, other)?;
        pass(other, one)?;
    }
    Ok(())
}

fn pass(from: &mut Session, to: &mut Session) -> Result<(), String> {
    let mut bytes = Vec::new();
    while from.0.wants_write() {
        from.0.write_tls(&mut bytes).expect("a vector takes all");
    }
    to.take(&bytes).map_err(|error| error.to_string())
}

fn linked(dialler: &Terms, listener: &Terms) -> Result<(), String> {
    let (mut client, mut server) =
        (dialler.dial(LOOPBACK).expect("dials"), listener.accept().expect("accepts"));
    agree(&mut client, &mut server)?;
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok(())
}

#[test]
fn members_know_each_other_by_name_or_address() {
    let (folder, authority) = (Folder::new(), authority());
    let one = folder.member(&authority, &["node-1"]);
    let other = folder.member(&authority, &["127.0.0.2"]);
    let names = ["node-1", "127.0.0.1", "node-2", "127.0.0.2"];
    let (one, other) = (members(&one, &names), members(&other, &names));
    assert_eq!(linked(&one, &other), Ok(()));
    assert_eq!(linked(&other, &one), Ok(()));
}

#[test]
fn a_certificate_of_the_authority_is_not_enough_to_be_a_member() {
    let (folder, authority) = (Folder::new(), authority());
    let names = ["node-1", "node-2"];
    let member = members(&folder.member(&authority, &["node-1"]), &names);
    let phone = members(&folder.member(&authority, &["phone-7"]), &names);
    for (dialler, listener) in [(&member, &phone), (&phone, &member)] {
        let error = linked(dialler, listener).expect_err("a stranger");
        assert!(error.contains("valid for no member"), "{error}");
    }
}

#[test]
fn who_is_dialled_is_the_member_that_is_there() {
    let (folder, authority) = (Folder::new(), authority());
    let all: [(&str, &[&str]); 3] =
        [("127.0.0.1", &["node-1"]), ("127.0.0.2", &["node-2"]), ("nowhere", &["node-3"])];
    let of = |name| at(&folder.member(&authority, &[name]), &all, false);
    let dialler = of("node-2");
    assert_eq!(linked(&dialler, &of("node-1")), Ok(()));
    for name in ["node-2", "node-3"] {
        let error = linked(&dialler, &of(name)).expect_err("another member");
        assert!(error.contains("valid for no member there"), "{name}: {error}");
    }
    // Who dials may be any of them.
    assert_eq!(linked(&of("node-3"), &of("node-1")), Ok(()));
}

#[test]
fn a_member_of_another_authority_is_refused() {
    let folder = Folder::new();
    let names = ["node-1", "node-2"];
    let member = members(&folder.member(&authority(), &["node-1"]), &names);
    let stranger = members(&folder.member(&authority(), &["node-2"]), &names);
    for (dialler, listener) in [(&member, &stranger), (&stranger, &member)] {
        let error = linked(dialler, listener).expect_err("a stranger");
        assert!(error.contains("invalid peer certificate"), "{error}");
    }
}

#[test]
fn clients_show_a_certificate_where_it_is_asked_for() {
    let (folder, authority) = (Folder::new(), authority());
    let names = ["server"];
    let files = folder.member(&authority, &names);
    let mut bare = members(&files, &names);
    let with_certificate = bare.clone();
    let dial = Arc::make_mut(bare.dial.as_mut().expect("dials"));
    dial.client_auth_cert_resolver = Arc::new(Nothing);
    for (is_mutual, dialler, is_served) in
        [(false, &bare, true), (true, &bare, false), (true, &with_certificate, true)]
    {
        let terms = Terms::for_clients(&files, is_mutual, false).expect("terms");
        assert_eq!(linked(dialler, &terms).is_ok(), is_served, "mutual: {is_mutual}");
    }
}

#[test]
fn what_is_no_handshake_is_refused() {
    let (folder, authority) = (Folder::new(), authority());
    let terms = members(&folder.member(&authority, &["node-1"]), &["node-1"]);
    for bytes in
        [&b"\0\0\0\x05hello"[..], b"GET / HTTP/1.1\r\n\r\n", &[22, 3, 1, 0, 5, 1, 0, 0, 1, 0]]
    {
        let mut session = terms.accept().expect("accepts");
        assert!(session.take(bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn a_file_that_cannot_be_used_is_named() {
    let (folder, authority) = (Folder::new(), authority());
    let (one, other) = (folder.member(&authority, &["a"]), folder.member(&authority, &["b"]));
    let empty = folder.file("empty.pem", "no certificate here\n");
    let absent = Path::new("/nowhere/at-all.pem").to_owned();
    let cases = [
        (Files { certificate: absent.clone(), ..one.clone() }, "certificate /nowhere/at-all.pem: "),
        (Files { key: absent.clone(), ..one.clone() }, "certificate-key /nowhere/at-all.pem: "),
        (Files { trusted_ca: Some(absent), ..one.clone() }, "trusted-ca /nowhere/at-all.pem: "),
        (
            Files { certificate: empty.clone(), ..one.clone() },
            "empty.pem: there is none in this PEM file",
        ),
        (Files { key: empty, ..one.clone() }, "empty.pem: there is none in this PEM file"),
        (
            Files { key: one.certificate.clone(), ..one.clone() },
            "a-own.pem: there is none in this PEM file",
        ),
        (Files { key: other.key, ..one }, "b-key.pem cannot be used: keys may not be consistent"),
    ];
    for (files, text) in cases {
        let error = Terms::for_clients(&files, true, false).map(drop).expect_err(text).to_string();
        assert!(error.contains(text), "{error}");
    }
}
