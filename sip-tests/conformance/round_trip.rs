//! Edits are laid over a message: without any, what is written equals what came, folds apart;
//! with some, only what they name changes.

use proptest::prelude::*;
use sipcluster::sip::message::{Edits, HeaderId, Message, scan};
use sipx_testkit::rfc4475::CASES as TORTURE;

/// One change.
#[derive(Clone, Debug)]
enum Change {
    Prepend(HeaderId, String),
    ReplaceFirst(HeaderId, String),
    RemoveValues(HeaderId, usize),
    Remove(HeaderId),
    Set(HeaderId, String),
    Add(HeaderId, String),
    RequestUri(String),
}

impl Change {
    fn id(&self) -> Option<HeaderId> {
        match self {
            Self::Prepend(id, _)
            | Self::ReplaceFirst(id, _)
            | Self::RemoveValues(id, _)
            | Self::Remove(id)
            | Self::Set(id, _)
            | Self::Add(id, _) => Some(*id),
            Self::RequestUri(_) => None,
        }
    }

    fn note(&self, edits: &mut Edits<'_>) {
        match self {
            Self::Prepend(id, value) => edits.prepend(*id, value.as_bytes()),
            Self::ReplaceFirst(id, value) => edits.replace_first_value(*id, value.as_bytes()),
            Self::RemoveValues(id, count) => edits.remove_values(*id, *count),
            Self::Remove(id) => edits.remove(*id),
            Self::Set(id, value) => edits.set(*id, value.as_bytes()),
            Self::Add(id, value) => edits.add(*id, value.as_bytes()),
            Self::RequestUri(uri) => edits.request_uri(uri.as_bytes()),
        };
    }
}

/// Each header, changed in at most one way, and the values that must then stand in it.
fn expected(message: &Message, change: &Change) -> Option<Vec<Vec<u8>>> {
    let id = change.id()?;
    let mut values: Vec<Vec<u8>> = message.values(id).map(<[u8]>::to_vec).collect();
    let lines = message.header_lines(id).count();
    match change {
        Change::Prepend(_, value) => values.insert(0, value.clone().into_bytes()),
        Change::ReplaceFirst(_, value) => {
            if let Some(first) = values.first_mut() {
                *first = value.clone().into_bytes();
            }
        }
        Change::RemoveValues(_, count) => {
            values.drain(..(*count).min(values.len()));
        }
        Change::Remove(_) => values.clear(),
        Change::Set(_, value) if lines <= 1 => values = vec![value.clone().into_bytes()],
        Change::Set(..) | Change::RequestUri(_) => return None,
        Change::Add(_, value) => values.push(value.clone().into_bytes()),
    }
    Some(values)
}

/// All headers that no change names, with name and value.
fn untouched(message: &Message, ids: &[HeaderId]) -> Vec<(Vec<u8>, Vec<u8>)> {
    message
        .all_headers()
        .filter(|(id, _, _)| !ids.contains(id))
        .map(|(_, name, value)| (name.to_vec(), value.to_vec()))
        .collect()
}

const IDS: [HeaderId; 8] = [
    HeaderId::Via,
    HeaderId::Route,
    HeaderId::RecordRoute,
    HeaderId::Contact,
    HeaderId::MaxForwards,
    HeaderId::Expires,
    HeaderId::XGenesysRoute,
    HeaderId::Supported,
];

fn change() -> impl Strategy<Value = Change> {
    let id = proptest::sample::select(&IDS[..]);
    let value = "<sip:[a-z]{1,6}@[a-z]{1,6}>;x=[0-9]{1,3}";
    prop_oneof![
        (id.clone(), value).prop_map(|(id, value)| Change::Prepend(id, value)),
        (id.clone(), value).prop_map(|(id, value)| Change::ReplaceFirst(id, value)),
        (id.clone(), 0_usize..4).prop_map(|(id, count)| Change::RemoveValues(id, count)),
        id.clone().prop_map(Change::Remove),
        (id.clone(), value).prop_map(|(id, value)| Change::Set(id, value)),
        (id, value).prop_map(|(id, value)| Change::Add(id, value)),
        "sip:[a-z]{1,6}@[a-z]{1,6}".prop_map(Change::RequestUri),
    ]
}

/// Header lines in any order and number, folded or not, one or several values each.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just("Via: SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/TCP b;branch=z9hG4bK2\r\n"),
        Just("v: SIP/2.0/UDP c;branch=z9hG4bK3\r\n"),
        Just("Route: <sip:r1;lr>,<sip:r2;lr> ,\r\n <sip:r3;lr>\r\n"),
        Just("Route: <sip:r4;lr>\r\n"),
        Just("Record-Route: <sip:q1;lr>, \"x,y\" <sip:q2;lr>\r\n"),
        Just("Contact: <sip:a,b@c>;q=0.5, <sip:d@e>\r\n"),
        Just("m: <sip:f@g>\r\n"),
        Just("Max-Forwards: 70\r\n"),
        Just("Expires: 60\r\n"),
        Just("X-Genesys-Route: node=1;hop=registrar;seal=0\r\n"),
        Just("k: timer, replaces\r\n"),
        Just("Subject:\r\n\tfolded\r\n here\r\n"),
        Just("X-Odd  :  ;;,,;;,;\r\n"),
        Just("From: <sip:a@b>;tag=1\r\n"),
    ];
    (proptest::collection::vec(line, 0..14), "[ -~]{0,12}").prop_map(|(lines, body)| {
        let length = body.len();
        format!(
            "INVITE sip:a@b SIP/2.0\r\n{}Content-Length: {length}\r\n\r\n{body}",
            lines.concat()
        )
        .into_bytes()
    })
}

/// Folds become blanks, byte for byte.
fn unfolded(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(bytes.len());
    for at in 0..end {
        if bytes[at..].starts_with(b"\r\n") && matches!(bytes.get(at + 2), Some(b' ' | b'\t')) {
            bytes[at..at + 2].copy_from_slice(b"  ");
        }
    }
    bytes
}

fn read(bytes: &[u8]) -> Message {
    scan(bytes.to_vec())
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(bytes)))
}

#[test]
fn torture_messages_are_written_as_they_came() {
    for case in TORTURE.iter().filter(|case| case.name != "dblreq") {
        let Ok(message) = scan(case.bytes.to_vec()) else { continue };
        let written = Edits::new(&message).write();
        assert_eq!(written, message.bytes(), "{}", case.name);
        let came = unfolded(case.bytes);
        assert!(came.starts_with(&written), "{}", case.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn without_edits_nothing_changes(bytes in message()) {
        let message = read(&bytes);
        prop_assert_eq!(&Edits::new(&message).write()[..], &unfolded(&bytes)[..]);
    }

    #[test]
    fn an_edit_changes_what_it_names_and_nothing_else(bytes in message(), change in change()) {
        let came = read(&bytes);
        let mut edits = Edits::new(&came);
        change.note(&mut edits);
        let written = read(&edits.write());
        let ids: Vec<HeaderId> = change.id().into_iter().collect();
        prop_assert_eq!(untouched(&written, &ids), untouched(&came, &ids));
        prop_assert_eq!(written.body(), came.body());
        match &change {
            Change::RequestUri(uri) => prop_assert_eq!(written.request_uri(), uri.as_bytes()),
            Change::Prepend(..)
            | Change::ReplaceFirst(..)
            | Change::RemoveValues(..)
            | Change::Remove(_)
            | Change::Set(..)
            | Change::Add(..) => prop_assert_eq!(written.request_uri(), came.request_uri()),
        }
        if let (Some(id), Some(wanted)) = (change.id(), expected(&came, &change)) {
            let found: Vec<Vec<u8>> = written.values(id).map(<[u8]>::to_vec).collect();
            prop_assert_eq!(found, wanted);
        }
    }

    #[test]
    fn edits_of_different_headers_do_not_disturb_each_other(
        bytes in message(),
        changes in proptest::collection::vec(change(), 1..5),
    ) {
        let came = read(&bytes);
        let mut edits = Edits::new(&came);
        let mut ids: Vec<HeaderId> = Vec::new();
        for change in &changes {
            match change.id() {
                Some(id) if ids.contains(&id) => continue,
                Some(id) => ids.push(id),
                None => {}
            }
            change.note(&mut edits);
        }
        let written = read(&edits.write());
        prop_assert_eq!(untouched(&written, &ids), untouched(&came, &ids));
        prop_assert_eq!(written.body(), came.body());
        let mut seen: Vec<HeaderId> = Vec::new();
        for change in &changes {
            let Some(id) = change.id().filter(|id| !seen.contains(id)) else { continue };
            seen.push(id);
            if let Some(wanted) = expected(&came, change) {
                let found: Vec<Vec<u8>> = written.values(id).map(<[u8]>::to_vec).collect();
                prop_assert_eq!(found, wanted, "{:?}", change);
            }
        }
    }

    /// What a proxy does to every request: a Via on top and the next one amended.
    #[test]
    fn a_via_on_top_and_the_next_one_amended(bytes in message()) {
        let came = read(&bytes);
        let mut edits = Edits::new(&came);
        edits.prepend(HeaderId::Via, b"SIP/2.0/UDP ours;branch=z9hG4bKx");
        edits.replace_first_value(HeaderId::Via, b"SIP/2.0/UDP theirs;branch=z9hG4bKy;received=::1");
        let written = read(&edits.write());
        let mut wanted: Vec<Vec<u8>> = came.values(HeaderId::Via).map(<[u8]>::to_vec).collect();
        if let Some(first) = wanted.first_mut() {
            *first = b"SIP/2.0/UDP theirs;branch=z9hG4bKy;received=::1".to_vec();
        }
        wanted.insert(0, b"SIP/2.0/UDP ours;branch=z9hG4bKx".to_vec());
        let found: Vec<Vec<u8>> = written.values(HeaderId::Via).map(<[u8]>::to_vec).collect();
        prop_assert_eq!(found, wanted);
        prop_assert_eq!(untouched(&written, &[HeaderId::Via]), untouched(&came, &[HeaderId::Via]));
    }
}
