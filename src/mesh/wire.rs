//! What the frames of a link say, which are those of `mesh.proto`, and what a
//! registration looks like in them.

use super::registrations::Registration;
use crate::base::contact::{Bound, ContactBlock, Parts};
use crate::base::flow::{ConnectionId, Flow, Protocol};
use crate::base::frames::{FRAME_BYTES_MAX, FrameTooLong};
use crate::base::id::NodeId;
use crate::base::time::{Duration, Instant, WallTime};
use bytes::Bytes;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use prost::Message as _;

/// The message types that `mesh.proto` names.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    elided_lifetimes_in_paths,
    clippy::all,
    clippy::use_self,
    reason = "generated"
)]
pub(crate) mod proto {
    include!(concat!(env!("OUT_DIR"), "/sipcluster.mesh.v1.rs"));
}

pub(crate) use proto::frame::Body;

/// Entries of one frame. Their longest texts fit a frame.
pub(crate) const ENTRIES_PER_FRAME_LEN_MAX: usize = 128;
/// Bytes of an address-of-record.
pub(crate) const AOR_BYTES_MAX: usize = 256;
/// Bytes of a contact in normal form: a URI with its port written out.
pub(crate) const CONTACT_KEY_BYTES_MAX: usize = 1_040;
/// Bytes of a contact URI, and of its header parameters.
pub(crate) const CONTACT_BYTES_MAX: usize = 1_024;
/// Bytes of a Call-ID.
pub(crate) const CALL_ID_BYTES_MAX: usize = 256;
/// Longest time that an entry may still have; a longer one is cut to it.
pub(crate) const REMAINING_MS_MAX: u64 = 7 * 24 * 3_600_000;
/// Lamport times above this are refused, so that none can run over.
pub(crate) const CLOCK_MAX: u64 = u64::MAX / 2;

const _: () = assert!(
    ENTRIES_PER_FRAME_LEN_MAX
        * (AOR_BYTES_MAX + CONTACT_KEY_BYTES_MAX + 2 * CONTACT_BYTES_MAX + CALL_ID_BYTES_MAX + 256)
        < FRAME_BYTES_MAX
);

/// Why bytes of a peer, or of a file, cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A frame announces more bytes than are taken.
    #[error(transparent)]
    FrameTooLong(#[from] FrameTooLong),
    /// The bytes are not a message of `mesh.proto`.
    #[error("a frame cannot be decoded")]
    Undecodable,
    /// A field is missing or out of its range.
    #[error("field {0} is missing or out of range")]
    Field(&'static str),
    /// More entries than one frame may have.
    #[error("a frame has {0} entries")]
    TooManyEntries(usize),
    /// A file ends early, or has more than it announces.
    #[error("the file is cut off or has too much")]
    FileLength,
    /// A file of another format.
    #[error("file format {0} is unknown")]
    FileFormat(u32),
}

/// A frame's bytes without its length.
pub(crate) fn encode(body: Body) -> Bytes {
    proto::Frame { body: Some(body) }.encode_to_vec().into()
}

/// The inverse of [`encode`]; `None` for a kind of frame that a later release has
/// added.
pub(crate) fn decode(payload: Bytes) -> Result<Option<Body>, WireError> {
    proto::Frame::decode(payload).map(|frame| frame.body).map_err(|_| WireError::Undecodable)
}

/// A node-id of the wire.
pub(crate) fn node_id(number: u32, field: &'static str) -> Result<NodeId, WireError> {
    u16::try_from(number).ok().and_then(NodeId::new).ok_or(WireError::Field(field))
}

/// The number of a member of the mesh.
pub(crate) fn member(number: u32, field: &'static str) -> Result<NodeId, WireError> {
    u16::try_from(number).ok().and_then(NodeId::of_member).ok_or(WireError::Field(field))
}

/// What a clock counts from, for entries that travel or rest.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Timebase {
    /// On a link: time left as seen from `now`.
    Link {
        /// The local time.
        now: Instant,
    },
    /// In a file: points of wall-clock time.
    File {
        /// The local time.
        now: Instant,
        /// The wall-clock time at `now`.
        wall: WallTime,
    },
}

/// An entry as it travels.
pub(crate) fn to_proto(entry: &Registration, timebase: Timebase) -> proto::Registration {
    let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let (remaining_ms, expires_at_ms) = match timebase {
        Timebase::Link { now } => (millis(entry.expires - now), 0),
        Timebase::File { now, wall } => (0, wall.0.saturating_add(millis(entry.expires - now))),
    };
    let parts = entry.contact.parts();
    let state = match &parts.bound {
        Some(bound) => proto::registration::State::Bound(bound_to_proto(bound)),
        None => proto::registration::State::Removed(proto::Removed {}),
    };
    proto::Registration {
        aor: parts.aor.to_owned(),
        contact: parts.key.to_owned(),
        call_id: parts.call_id.to_owned(),
        cseq: entry.cseq,
        version: entry.version,
        proxy: u32::from(entry.proxy.get()),
        remaining_ms,
        expires_at_ms,
        state: Some(state),
    }
}

fn bound_to_proto(bound: &Bound<'_>) -> proto::Bound {
    let protocol = match bound.source.protocol {
        Protocol::Udp => proto::Protocol::Udp,
        Protocol::Tcp => proto::Protocol::Tcp,
        Protocol::Tls => proto::Protocol::Tls,
        Protocol::Ws => proto::Protocol::Ws,
        Protocol::Wss => proto::Protocol::Wss,
    };
    proto::Bound {
        uri: bound.uri.to_string(),
        params: bound.params.to_string(),
        q: u32::from(bound.q),
        node: u32::from(bound.node.get()),
        protocol: protocol.into(),
        local: Some(address_to_proto(bound.source.local)),
        remote: Some(address_to_proto(bound.source.remote)),
    }
}

fn address_to_proto(address: SocketAddr) -> proto::Address {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    proto::Address { ip, port: u32::from(address.port()) }
}

/// Entries of one frame, each checked.
pub(crate) fn entries(
    list: &[proto::Registration],
    timebase: Timebase,
) -> Result<Vec<Registration>, WireError> {
    if list.len() > ENTRIES_PER_FRAME_LEN_MAX {
        return Err(WireError::TooManyEntries(list.len()));
    }
    list.iter().map(|entry| from_proto(entry, timebase)).collect()
}

fn from_proto(entry: &proto::Registration, timebase: Timebase) -> Result<Registration, WireError> {
    if entry.version > CLOCK_MAX {
        return Err(WireError::Field("version"));
    }
    let (now, remaining_ms) = match timebase {
        Timebase::Link { now } => (now, entry.remaining_ms),
        Timebase::File { now, wall } => (now, entry.expires_at_ms.saturating_sub(wall.0)),
    };
    let bound = match &entry.state {
        Some(proto::registration::State::Bound(bound)) => Some(bound_from_proto(bound)?),
        Some(proto::registration::State::Removed(proto::Removed {})) => None,
        None => return Err(WireError::Field("state")),
    };
    let parts = Parts { aor: &entry.aor, key: &entry.contact, call_id: &entry.call_id, bound };
    check(&parts)?;
    Ok(Registration {
        contact: ContactBlock::new(&parts),
        cseq: entry.cseq,
        proxy: node_id(entry.proxy, "proxy")?,
        version: entry.version,
        expires: now + Duration::from_millis(remaining_ms.min(REMAINING_MS_MAX)),
    })
}

/// Whether the texts of an entry are within the bounds that every peer holds it
/// to; one that is not must not be sent.
pub(crate) fn check(entry: &Parts<'_>) -> Result<(), WireError> {
    let within = |field, text: &str, bytes_min: usize, bytes_max: usize| {
        if (bytes_min..=bytes_max).contains(&text.len()) {
            Ok(())
        } else {
            Err(WireError::Field(field))
        }
    };
    within("aor", entry.aor, 1, AOR_BYTES_MAX)?;
    within("contact", entry.key, 1, CONTACT_KEY_BYTES_MAX)?;
    within("call_id", entry.call_id, 0, CALL_ID_BYTES_MAX)?;
    match &entry.bound {
        Some(bound) => {
            within("uri", bound.uri, 1, CONTACT_BYTES_MAX)?;
            within("params", bound.params, 0, CONTACT_BYTES_MAX)
        }
        None => Ok(()),
    }
}

/// The connection of the flow does not travel: it means something to the process
/// that has it and to no other, not even to its successor.
fn bound_from_proto(bound: &proto::Bound) -> Result<Bound<'_>, WireError> {
    let protocol = match proto::Protocol::try_from(bound.protocol) {
        Ok(proto::Protocol::Udp) => Protocol::Udp,
        Ok(proto::Protocol::Tcp) => Protocol::Tcp,
        Ok(proto::Protocol::Tls) => Protocol::Tls,
        Ok(proto::Protocol::Ws) => Protocol::Ws,
        Ok(proto::Protocol::Wss) => Protocol::Wss,
        Ok(proto::Protocol::Unspecified) | Err(_) => return Err(WireError::Field("protocol")),
    };
    let q = u16::try_from(bound.q).ok().filter(|q| *q <= 1000).ok_or(WireError::Field("q"))?;
    Ok(Bound {
        uri: &bound.uri,
        params: &bound.params,
        q,
        node: node_id(bound.node, "node")?,
        source: Flow {
            protocol,
            local: address_from_proto(bound.local.as_ref(), "local")?,
            remote: address_from_proto(bound.remote.as_ref(), "remote")?,
            connection: ConnectionId::default(),
        },
    })
}

fn address_from_proto(
    address: Option<&proto::Address>,
    field: &'static str,
) -> Result<SocketAddr, WireError> {
    let error = WireError::Field(field);
    let address = address.ok_or(error)?;
    let port = u16::try_from(address.port).map_err(|_| error)?;
    let ip = if let Ok(octets) = <[u8; 4]>::try_from(&*address.ip) {
        IpAddr::V4(Ipv4Addr::from(octets))
    } else {
        IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(&*address.ip).map_err(|_| error)?))
    };
    Ok(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_frame_are_an_error() {
        assert_eq!(decode(Bytes::from_static(b"\xff\xff\xff")), Err(WireError::Undecodable));
        assert_eq!(decode(Bytes::from_static(b"\x0a\x7f\x01")), Err(WireError::Undecodable));
        assert_eq!(decode(Bytes::new()), Ok(None));
        let unknown_field = Bytes::from_static(b"\xa2\x06\x01x");
        assert_eq!(decode(unknown_field), Ok(None));
    }

    fn sound() -> proto::Registration {
        let address = proto::Address { ip: vec![127, 0, 0, 1], port: 5060 };
        let bound = proto::Bound {
            uri: "sip:7001@h".into(),
            params: String::new(),
            q: 1000,
            node: 1,
            protocol: proto::Protocol::Udp.into(),
            local: Some(address.clone()),
            remote: Some(address),
        };
        proto::Registration {
            aor: "7001".into(),
            contact: "sip:7001@h:5060".into(),
            call_id: "x".into(),
            cseq: 1,
            version: 1,
            proxy: 101,
            remaining_ms: 1000,
            expires_at_ms: 0,
            state: Some(proto::registration::State::Bound(bound)),
        }
    }

    #[test]
    fn an_entry_survives_the_way() {
        let now = Instant(5_000_000);
        let entry = from_proto(&sound(), Timebase::Link { now }).expect("sound");
        assert_eq!(entry.expires, now + Duration::from_secs(1));
        assert_eq!(to_proto(&entry, Timebase::Link { now }), sound());
        let v6 = proto::Address { ip: vec![0; 16], port: 1 };
        assert_eq!(address_from_proto(Some(&v6), "x"), Ok("[::]:1".parse().expect("an address")));
    }

    #[test]
    fn each_field_has_its_range() {
        type Spoil = fn(&mut proto::Registration);
        let spoil_bound = |spoil: fn(&mut proto::Bound)| {
            let mut entry = sound();
            if let Some(proto::registration::State::Bound(bound)) = &mut entry.state {
                spoil(bound);
            }
            entry
        };
        let mut spoilt = vec![
            spoil_bound(|bound| bound.q = 1001),
            spoil_bound(|bound| bound.q = 65_536),
            spoil_bound(|bound| bound.node = 4096),
            spoil_bound(|bound| bound.protocol = 9),
            spoil_bound(|bound| bound.local = None),
            spoil_bound(|bound| bound.remote = Some(proto::Address { ip: vec![1, 2, 3], port: 1 })),
            spoil_bound(|bound| {
                bound.remote = Some(proto::Address { ip: vec![1; 4], port: 65_536 })
            }),
            spoil_bound(|bound| bound.uri.clear()),
            spoil_bound(|bound| bound.params = "p".repeat(CONTACT_BYTES_MAX + 1)),
        ];
        let spoils: [Spoil; 6] = [
            |entry| entry.aor.clear(),
            |entry| entry.contact = "c".repeat(CONTACT_KEY_BYTES_MAX + 1),
            |entry| entry.call_id = "c".repeat(CALL_ID_BYTES_MAX + 1),
            |entry| entry.proxy = 0,
            |entry| entry.version = u64::MAX,
            |entry| entry.state = None,
        ];
        spoilt.extend(spoils.into_iter().map(|spoil| {
            let mut entry = sound();
            spoil(&mut entry);
            entry
        }));
        for entry in spoilt {
            let read = from_proto(&entry, Timebase::Link { now: Instant::ZERO });
            assert!(matches!(read, Err(WireError::Field(_))), "{entry:?}");
        }
        let many = vec![sound(); ENTRIES_PER_FRAME_LEN_MAX + 1];
        let read = entries(&many, Timebase::Link { now: Instant::ZERO });
        assert_eq!(read, Err(WireError::TooManyEntries(ENTRIES_PER_FRAME_LEN_MAX + 1)));
    }

    #[test]
    fn a_lifetime_is_cut_to_its_bound() {
        let mut entry = sound();
        entry.remaining_ms = u64::MAX;
        let read = from_proto(&entry, Timebase::Link { now: Instant::ZERO }).expect("sound");
        assert_eq!(read.expires, Instant::ZERO + Duration::from_millis(REMAINING_MS_MAX));
    }
}
