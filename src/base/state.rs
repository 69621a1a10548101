//! State as bytes: what each layer needs to write its machines down and to read
//! them in another process.
//!
//! Points of time travel as spans from `now`, because the clocks of two processes
//! have nothing in common. A message keeps the fields that a later release has
//! added to it: they are carried along unread and written again.

use super::time::{Duration, Instant};
use prost::Message;
use prost::encoding::{DecodeContext, decode_key, skip_field};

/// Why state cannot be read. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The bytes are not a message of that kind.
    #[error("the bytes of a {0} cannot be decoded")]
    Undecodable(&'static str),
    /// A field is missing or out of its range.
    #[error("field {0} is missing or out of range")]
    Field(&'static str),
    /// Something that it names is not with it.
    #[error("the {0} is not whole")]
    NotWhole(&'static str),
    /// Its slot, or what it is found by, belongs to something else.
    #[error("the slot of a {0} is taken")]
    Taken(&'static str),
}

/// The time left until a deadline; `None` for one that is not armed.
#[must_use]
pub fn remaining(at: Instant, now: Instant) -> Option<u64> {
    (at != Instant::NEVER).then(|| at.0.saturating_sub(now.0))
}

/// The inverse of [`remaining`].
#[must_use]
pub fn deadline(remaining: Option<u64>, now: Instant) -> Instant {
    remaining.map_or(Instant::NEVER, |nanos| now + Duration::from_nanos(nanos))
}

/// A span in nanoseconds.
#[must_use]
pub fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Writes a message with the unknown fields that came with it.
#[must_use]
pub fn encode(message: &impl Message, unknown: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(message.encoded_len() + unknown.len());
    message.encode_raw(&mut bytes);
    bytes.extend_from_slice(unknown);
    bytes
}

/// Reads a message whose fields are numbered from 1 to `fields`, with its unknown
/// fields as they stand there.
///
/// # Errors
/// [`StateError::Undecodable`].
pub fn decode<M: Message + Default>(
    bytes: &[u8],
    fields: u32,
    what: &'static str,
) -> Result<(M, Box<[u8]>), StateError> {
    let error = StateError::Undecodable(what);
    let message = M::decode(bytes).map_err(|_| error)?;
    let (mut rest, mut unknown) = (bytes, Vec::new());
    while !rest.is_empty() {
        let start = rest;
        let (number, kind) = decode_key(&mut rest).map_err(|_| error)?;
        skip_field(kind, number, &mut rest, DecodeContext::default()).map_err(|_| error)?;
        if number > fields {
            unknown.extend_from_slice(&start[..start.len() - rest.len()]);
        }
    }
    Ok((message, unknown.into()))
}

/// The highest field number of a message in the text of a protocol file, for tests
/// of the number that is given to [`decode`].
#[cfg(test)]
pub(crate) fn fields_of(protocol: &str, message: &str) -> u32 {
    let start = protocol.find(&format!("message {message} {{")).expect("a message");
    let mut depth = 0;
    let mut highest = 0;
    for line in protocol[start..].lines() {
        let code = line.split("//").next().unwrap_or_default();
        depth += code.matches('{').count();
        depth -= code.matches('}').count();
        let inner = code.contains('{') && !code.contains("oneof");
        assert!(!inner || code.contains(message), "messages are not nested: {line}");
        let number = code.trim().strip_suffix(';').and_then(|code| code.rsplit_once("= "));
        if let Some(number) = number.and_then(|(_, number)| number.parse::<u32>().ok()) {
            highest = number.max(highest);
        }
        if depth == 0 {
            break;
        }
    }
    highest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, PartialEq, Message)]
    struct Old {
        #[prost(uint32, tag = "1")]
        number: u32,
    }

    #[derive(Clone, PartialEq, Message)]
    struct New {
        #[prost(uint32, tag = "1")]
        number: u32,
        #[prost(string, tag = "2")]
        text: String,
        #[prost(message, optional, tag = "3")]
        inner: Option<Old>,
    }

    #[test]
    fn fields_of_a_later_release_pass_through_an_earlier_one() {
        let new = New { number: 7, text: "later".into(), inner: Some(Old { number: 8 }) };
        let (mut old, unknown) = decode::<Old>(&encode(&new, b""), 1, "new").expect("readable");
        assert_eq!(old.number, 7);
        old.number = 9;
        let (read, none) = decode::<New>(&encode(&old, &unknown), 3, "new").expect("readable");
        assert_eq!(read, New { number: 9, ..new });
        assert!(none.is_empty());
        assert_eq!(decode::<Old>(b"\xff", 1, "old"), Err(StateError::Undecodable("old")));
    }

    #[test]
    fn times_travel_as_spans() {
        let (here, there) = (Instant(100), Instant(5));
        let moved = |at| deadline(remaining(at, here), there);
        assert_eq!(moved(Instant(130)), Instant(35));
        assert_eq!(moved(Instant(90)), there, "what is overdue is due");
        assert_eq!(moved(Instant::NEVER), Instant::NEVER);
    }
}
