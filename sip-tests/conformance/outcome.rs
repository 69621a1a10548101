//! What became of some bytes in the message layer, against what was wanted of them.

use sipcluster::sip::message::{Message, ScanError, scan};

/// What a corpus wants.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted {
    /// Read without a fault.
    Good,
    /// Refused with one of these statuses, or not answerable at all.
    Refused(&'static [u16]),
    /// A response that must not be used: a fault, or not a message.
    Dropped,
    /// The RFC lets an element refuse with 400 or be liberal; it must not fall over.
    Either,
}

/// Why the outcome is not the wanted one, `None` when it is.
pub(crate) fn departure(bytes: &[u8], wanted: Wanted) -> Option<String> {
    let outcome = scan(bytes.to_vec());
    let fault = outcome.as_ref().ok().and_then(Message::fault);
    match (wanted, &outcome, fault) {
        (Wanted::Good, Ok(_), None)
        | (Wanted::Refused(_) | Wanted::Dropped, Err(_), _)
        | (Wanted::Dropped, Ok(_), Some(_)) => None,
        (Wanted::Good, Ok(_), Some(fault)) => Some(format!("refused: {fault}")),
        (Wanted::Good, Err(error), _) => Some(format!("no message: {error}")),
        (Wanted::Refused(statuses), Ok(_), Some(fault)) => (!statuses.contains(&fault.status()))
            .then(|| format!("{} ({fault}) instead of {statuses:?}", fault.status())),
        (Wanted::Refused(_) | Wanted::Dropped, Ok(_), None) => Some("taken without a word".into()),
        (Wanted::Either, Ok(_), Some(fault)) => {
            (fault.status() != 400).then(|| format!("{} instead of 400", fault.status()))
        }
        (Wanted::Either, Ok(_) | Err(_), _) => None,
    }
}

/// Why the bytes are no message at all; for tests that need one.
pub(crate) fn read(bytes: &[u8]) -> Result<Message, ScanError> {
    scan(bytes.to_vec())
}

#[test]
fn a_departure_is_seen() {
    let good = b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
        To: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n\r\n";
    let old = String::from_utf8_lossy(good).replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia");
    assert!(departure(good, Wanted::Good).is_none());
    assert!(departure(good, Wanted::Either).is_none());
    assert!(departure(good, Wanted::Refused(&[400])).is_some());
    assert!(departure(good, Wanted::Dropped).is_some());
    assert!(departure(old.as_bytes(), Wanted::Refused(&[505])).is_none());
    assert!(departure(old.as_bytes(), Wanted::Refused(&[400])).is_some());
    assert!(departure(old.as_bytes(), Wanted::Either).is_some());
    assert!(departure(b"not SIP", Wanted::Good).is_some());
    assert!(departure(b"not SIP", Wanted::Refused(&[400])).is_none());
}
