//! The T-Library language: the types that `tlib.proto` names, and their frames.
//!
//! An event is encoded once, whoever hears of it: the bytes are shared. Only the client
//! whose request caused it gets bytes of its own, which carry its ReferenceID.

use crate::base::frames::{LENGTH_BYTES, length_prefix};
use bytes::{BufMut as _, Bytes, BytesMut};
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    elided_lifetimes_in_paths,
    clippy::all,
    clippy::use_self,
    reason = "generated"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/tlib.v1.rs"));
}

pub use generated::*;

/// The version of the language.
pub const PROTOCOL_VERSION: u32 = 1;

/// Number of `Frame.Event`.
const EVENT_FIELD: u32 = 2;
/// Number of `Frame.ReferenceID`.
const REFERENCE_ID_FIELD: u32 = 5;

/// An event in the frame that every client but its requester gets, its length before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedEvent {
    frame: Bytes,
    /// Where the event begins in it.
    start: usize,
}

impl EncodedEvent {
    /// Encodes an event.
    #[must_use]
    pub fn new(event: &Event) -> Self {
        Self::with(event.encoded_len(), |frame| event.encode_raw(frame))
    }

    /// One that another node has encoded.
    #[must_use]
    pub fn of_bytes(event: &[u8]) -> Self {
        Self::with(event.len(), |frame| frame.put_slice(event))
    }

    fn with(len: usize, write: impl FnOnce(&mut BytesMut)) -> Self {
        let payload_len = key_len(EVENT_FIELD) + encoded_len_varint(len as u64) + len;
        let mut frame = BytesMut::with_capacity(LENGTH_BYTES + payload_len);
        frame.put_slice(&length_prefix(payload_len));
        encode_key(EVENT_FIELD, WireType::LengthDelimited, &mut frame);
        encode_varint(len as u64, &mut frame);
        let start = frame.len();
        write(&mut frame);
        Self { frame: frame.freeze(), start }
    }

    /// Bytes that it takes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no event is empty")]
    pub fn len(&self) -> usize {
        self.frame.len()
    }

    /// The event without its frame, for [`EncodedEvent::of_bytes`].
    #[must_use]
    pub fn event(&self) -> Bytes {
        self.frame.slice(self.start..)
    }

    /// For those who have not asked: the same bytes for all.
    #[must_use]
    pub fn shared(&self) -> Bytes {
        self.frame.clone()
    }

    /// For the client whose request of that ReferenceID caused it.
    #[must_use]
    pub fn answering(&self, reference_id: u32) -> Bytes {
        let body = &self.frame[LENGTH_BYTES..];
        let number_len = key_len(REFERENCE_ID_FIELD) + encoded_len_varint(u64::from(reference_id));
        let mut frame = BytesMut::with_capacity(self.frame.len() + number_len);
        frame.put_slice(&length_prefix(body.len() + number_len));
        frame.put_slice(body);
        encode_key(REFERENCE_ID_FIELD, WireType::Varint, &mut frame);
        encode_varint(u64::from(reference_id), &mut frame);
        frame.freeze()
    }
}

/// A frame with its length before it.
#[must_use]
pub fn encode_frame(body: frame::Body) -> Bytes {
    let frame = Frame { body: Some(body), reference_id: 0 };
    let len = frame.encoded_len();
    let mut bytes = BytesMut::with_capacity(LENGTH_BYTES + len);
    bytes.put_slice(&length_prefix(len));
    frame.encode_raw(&mut bytes);
    bytes.freeze()
}

/// The bytes are no frame of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame cannot be decoded")]
pub struct Undecodable;

/// Reads a frame without its length; `None` for a kind that a later version has added.
///
/// # Errors
/// When the bytes are no frame.
pub fn decode_frame(payload: Bytes) -> Result<Option<frame::Body>, Undecodable> {
    Frame::decode(payload).map(|frame| frame.body).map_err(|_| Undecodable)
}

/// A mask over numbers, least significant bit first, as `InputMask` has it.
#[must_use]
pub fn is_in_mask(mask: &[u8], number: i32) -> bool {
    let Ok(number) = usize::try_from(number) else { return false };
    mask.get(number / 8).is_some_and(|byte| byte >> (number % 8) & 1 == 1)
}

/// The mask of these numbers.
#[must_use]
pub fn mask_of(numbers: impl Iterator<Item = i32>) -> Vec<u8> {
    let mut mask = Vec::new();
    for number in numbers.filter_map(|number| usize::try_from(number).ok()) {
        if mask.len() <= number / 8 {
            mask.resize(number / 8 + 1, 0);
        }
        mask[number / 8] |= 1 << (number % 8);
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        let attributes = Attributes {
            this_dn: Some("7001".into()),
            conn_id: Some(0x0010_0000_0000_0001),
            user_data: Some(KvList::default()),
            ..Attributes::default()
        };
        Event {
            r#type: EventType::EventRinging.into(),
            source: 1,
            epoch: 7,
            seq: 42,
            timeinu_secs: 1,
            attributes: Some(Box::new(attributes)),
        }
    }

    fn decoded(bytes: &Bytes) -> Frame {
        let (length, payload) = bytes.split_at(LENGTH_BYTES);
        assert_eq!(length, length_prefix(payload.len()));
        Frame::decode(payload).expect("a frame")
    }

    #[test]
    fn an_event_is_the_same_for_all_but_its_requester() {
        let encoded = EncodedEvent::new(&event());
        let body = Some(frame::Body::Event(event()));
        assert_eq!(decoded(&encoded.shared()), Frame { body: body.clone(), reference_id: 0 });
        for reference_id in [1, 127, 128, u32::MAX] {
            let answer = decoded(&encoded.answering(reference_id));
            assert_eq!(answer, Frame { body: body.clone(), reference_id });
        }
        assert_eq!(encoded.shared().as_ptr(), encoded.shared().as_ptr(), "one copy for all");
    }

    #[test]
    fn frames_round_trip_and_others_are_refused() {
        let poll = encode_frame(frame::Body::Poll(9));
        assert_eq!(decode_frame(poll.slice(LENGTH_BYTES..)), Ok(Some(frame::Body::Poll(9))));
        assert_eq!(decode_frame(Bytes::from_static(b"\xff\xff")), Err(Undecodable));
        assert_eq!(decode_frame(Bytes::new()), Ok(None));
        // Field 100, a text.
        assert_eq!(decode_frame(Bytes::from_static(b"\xa2\x06\x01x")), Ok(None));
    }

    #[test]
    fn names_are_those_of_t_library() {
        assert_eq!(EventType::EventDndOn.as_str_name(), "EventDNDOn");
        assert_eq!(RequestType::TMakeCall.as_str_name(), "TMakeCall");
        assert_eq!(CallState::Ok as i32, 0);
    }

    #[test]
    fn a_mask_has_a_bit_for_each_number() {
        let mask = mask_of([0, 9, 23].into_iter());
        assert_eq!(mask, [1, 2, 0x80]);
        let set: Vec<i32> = (-1..40).filter(|&number| is_in_mask(&mask, number)).collect();
        assert_eq!(set, [0, 9, 23]);
    }
}
