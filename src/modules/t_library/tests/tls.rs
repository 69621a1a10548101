//! The same with TLS: two ports, one of which dials the other.

use super::{LOOKS_MAX, Rig, framed};
use crate::base::limits::{CLIENT_GREETING_TIME, TLS_HANDSHAKE_TIME};
use crate::modules::t_library::port::{ClientId, Heard};
use crate::runtime::tls::fixture::{Folder, at, authority, members};
use crate::runtime::tls::{Files, Terms, Tls};
use std::io::{Read as _, Write as _};

const NAMES: [&str; 2] = ["127.0.0.1", "node-2"];

fn files() -> (Folder, Files) {
    let folder = Folder::new();
    let files = folder.member(&authority(), &NAMES);
    (folder, files)
}

/// The terms of a member while the cluster changes to TLS.
fn accepting(files: &Files) -> Terms {
    at(files, &[("127.0.0.1", &NAMES)], true)
}

impl Rig {
    fn dial(&mut self, other: &Self) -> ClientId {
        let address = other.port.local_addr().expect("a port").expect("it listens");
        let (port, now) = (&mut self.port, self.now);
        self.runtime.block_on(async { port.dial(None, address, now) }).expect("a socket")
    }
}

/// Turns both until each has said something that ends the wait; what both have heard.
fn both(
    one: &mut Rig,
    other: &mut Rig,
    is_enough: impl Fn(&[(ClientId, Heard)], &[(ClientId, Heard)]) -> bool,
) -> [Vec<(ClientId, Heard)>; 2] {
    let (mut heard, mut answered) = (Vec::new(), Vec::new());
    for _ in 0..LOOKS_MAX {
        heard.extend(one.turn());
        answered.extend(other.turn());
        if is_enough(&heard, &answered) {
            return [heard, answered];
        }
    }
    panic!("never enough: {heard:?} {answered:?}");
}

fn is_connected(heard: &[(ClientId, Heard)]) -> bool {
    heard.iter().any(|(_, heard)| matches!(heard, Heard::Connected(_)))
}

fn gone(heard: &[(ClientId, Heard)]) -> Option<&'static str> {
    heard.iter().find_map(|(_, heard)| match heard {
        Heard::Gone(reason) => Some(*reason),
        Heard::Connected(_) | Heard::Frame(_) => None,
    })
}

#[test]
fn frames_of_any_size_pass_both_ways_under_tls() {
    let (_folder, files) = files();
    let terms = members(&files, &NAMES);
    let (mut one, mut other) =
        (Rig::secured(Tls::new(terms.clone())), Rig::secured(Tls::new(terms)));
    let id = one.dial(&other);
    let [_, heard] =
        both(&mut one, &mut other, |one, other| is_connected(one) && is_connected(other));
    let there = heard[0].0;
    let large = vec![7_u8; 1_000_000];
    for payload in [&b"hello"[..], b"", &large, b"last"] {
        one.port.send(id, framed(payload).into());
        other.port.send(there, framed(payload).into());
    }
    let [heard, answered] =
        both(&mut one, &mut other, |heard, answered| heard.len() == 4 && answered.len() == 4);
    let expected = |id| {
        [&b"hello"[..], b"", &large, b"last"].map(|text| (id, Heard::Frame(text.to_vec().into())))
    };
    assert!(heard == expected(id) && answered == expected(there));
    assert_eq!((one.port.backlog_len(id), other.port.backlog_len(there)), (0, 0));
    other.port.send(there, framed(b"bye").into());
    other.port.end(there, other.now);
    let [heard, _] = both(&mut one, &mut other, |heard, _| gone(heard).is_some());
    assert_eq!(heard[0], (id, Heard::Frame(b"bye"[..].into())), "the last word is read");
    assert_eq!(gone(&heard), Some("closed by the client"));
}

#[test]
fn who_is_no_member_is_never_heard_of() {
    let (_folder, own) = files();
    let stranger = Folder::new();
    let terms = members(&stranger.member(&authority(), &NAMES), &NAMES);
    let mut one = Rig::secured(Tls::new(terms));
    let mut other = Rig::secured(Tls::new(members(&own, &NAMES)));
    let id = one.dial(&other);
    let [heard, answered] = both(&mut one, &mut other, |heard, _| gone(heard).is_some());
    assert!(
        heard == [(id, Heard::Gone("no TLS came about"))] && answered.is_empty(),
        "{heard:?} {answered:?}"
    );
}

#[test]
fn who_speaks_no_tls_is_refused_where_it_must_be_spoken() {
    let (_folder, files) = files();
    let mut rig = Rig::secured(Tls::new(members(&files, &NAMES)));
    let mut client = rig.connect();
    client.write_all(&framed(b"hello")).expect("sent");
    for _ in 0..LOOKS_MAX {
        assert_eq!(rig.turn(), []);
        if rig.port.is_empty() {
            break;
        }
    }
    assert!(rig.port.is_empty());
    // An alert, and the end.
    let mut read = Vec::new();
    client.read_to_end(&mut read).expect("it is closed");
    assert_eq!(read.first(), Some(&21));
}

#[test]
fn who_says_nothing_is_closed_in_time() {
    let (_folder, files) = files();
    for (terms, patience) in
        [(members(&files, &NAMES), TLS_HANDSHAKE_TIME), (accepting(&files), CLIENT_GREETING_TIME)]
    {
        let mut rig = Rig::secured(Tls::new(terms));
        let mut client = rig.connect();
        while rig.port.is_empty() {
            assert_eq!(rig.turn(), []);
        }
        assert_eq!(rig.turn(), []);
        assert_eq!(rig.port.next_deadline(), rig.now + patience);
        rig.now = rig.now + patience;
        assert_eq!(rig.turn(), []);
        assert!(rig.port.is_empty());
        assert_eq!(client.read(&mut [0]).expect("it is closed"), 0);
    }
}

#[test]
fn a_port_that_accepts_both_links_with_either() {
    let (_folder, files) = files();
    let (must, may) = (members(&files, &NAMES), accepting(&files));
    for (dialler, listener) in
        [(&may, &must), (&may, &Terms::default()), (&must, &may), (&Terms::default(), &may)]
    {
        let mut one = Rig::secured(Tls::new(dialler.clone()));
        let mut other = Rig::secured(Tls::new(listener.clone()));
        // The second try is made the other way.
        let is_linked = (0..2).any(|_| {
            let id = one.dial(&other);
            one.port.send(id, framed(b"hello").into());
            let is_over = |heard: &[(ClientId, Heard)], answered: &[(ClientId, Heard)]| {
                gone(heard).is_some()
                    || answered.iter().any(|(_, heard)| matches!(heard, Heard::Frame(_)))
            };
            let [heard, _] = both(&mut one, &mut other, is_over);
            gone(&heard).is_none()
        });
        assert!(is_linked, "{dialler:?} {listener:?}");
    }
}

#[test]
fn who_requires_tls_from_now_on_dials_by_tls_alone() {
    let (_folder, files) = files();
    let (must, may) = (members(&files, &NAMES), accepting(&files));
    for tries in 1..4 {
        let tls = Tls::new(may.clone());
        let (mut one, mut other) = (Rig::secured(tls.clone()), Rig::new());
        for _ in 0..tries {
            one.dial(&other);
        }
        tls.exchange(must.clone());
        for _ in 0..2 {
            let id = one.dial(&other);
            one.port.send(id, framed(b"secret").into());
            let over = |heard: &[(ClientId, Heard)], _: &[(ClientId, Heard)]| {
                heard.iter().any(|(gone, heard)| *gone == id && matches!(heard, Heard::Gone(_)))
            };
            let [_, answered] = both(&mut one, &mut other, over);
            let is_told = |(_, heard): &(ClientId, Heard)| matches!(heard, Heard::Frame(_));
            assert!(!answered.iter().any(is_told), "after {tries} tries: {answered:?}");
        }
    }
}

#[test]
fn a_connection_stands_when_the_terms_change_under_it() {
    let (_folder, files) = files();
    let tls = Tls::new(members(&files, &NAMES));
    let (mut one, mut other) = (Rig::secured(tls.clone()), Rig::secured(tls.clone()));
    let id = one.dial(&other);
    both(&mut one, &mut other, |one, other| is_connected(one) && is_connected(other));
    let renewed = Folder::new();
    tls.exchange(members(&renewed.member(&authority(), &NAMES), &NAMES));
    one.port.send(id, framed(b"still here").into());
    both(&mut one, &mut other, |_, answered| !answered.is_empty());
    one.dial(&other);
    both(&mut one, &mut other, |one, other| is_connected(one) && is_connected(other));
    assert_eq!((one.port.len(), other.port.len()), (2, 2));
}
