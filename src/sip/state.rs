//! SIP state as bytes: the messages of `state.proto`, and the words that all of
//! them use. What a machine knows is written in the machine's own file, what a leg
//! and its transactions know in `user_agent/state.rs`.

use crate::base::flow::{ConnectionId, Flow, Protocol};
use crate::base::id::{GENERATION_MASK, Slot};
use crate::base::leg::Body;
use crate::base::limits::TIMER_T1;
use crate::base::state::StateError;
use crate::base::time::{Duration, Instant};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The message types that `state.proto` names.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    elided_lifetimes_in_paths,
    clippy::all,
    clippy::use_self,
    reason = "generated"
)]
pub(super) mod proto {
    include!(concat!(env!("OUT_DIR"), "/sipcluster.sip.v1.rs"));
}

/// Fields of `Leg`.
pub(super) const LEG_FIELDS: u32 = 22;
/// Fields of `ClientTransaction`.
pub(super) const CLIENT_FIELDS: u32 = 20;
/// Fields of `ServerTransaction`.
pub(super) const SERVER_FIELDS: u32 = 6;
/// RFC 3261 8.1.1.5: sequence numbers of ours stay below this.
const SEQUENCE_MAX: u32 = 1 << 31;

pub(super) const fn to_slot(slot: Slot) -> proto::Slot {
    proto::Slot { index: slot.index, generation: slot.generation }
}

/// A reference, which may be absent.
pub(super) fn reference(
    slot: Option<proto::Slot>,
    field: &'static str,
) -> Result<Option<Slot>, StateError> {
    let Some(proto::Slot { index, generation }) = slot else { return Ok(None) };
    if !(1..=GENERATION_MASK).contains(&generation) {
        return Err(StateError::Field(field));
    }
    Ok(Some(Slot { index, generation }))
}

/// The slot of something, which must be there.
pub(super) fn own_slot(slot: Option<proto::Slot>) -> Result<Slot, StateError> {
    reference(slot, "slot")?.ok_or(StateError::Field("slot"))
}

/// A sequence number that is going to be counted up.
pub(super) fn sequence(number: u32, field: &'static str) -> Result<u32, StateError> {
    if number < SEQUENCE_MAX { Ok(number) } else { Err(StateError::Field(field)) }
}

/// An interval that is going to be doubled.
pub(super) fn interval(nanos: u64) -> Duration {
    Duration::from_nanos(nanos).max(TIMER_T1)
}

/// A deadline that must be there.
pub(super) fn due(remaining: Option<u64>, now: Instant) -> Result<Instant, StateError> {
    let nanos = remaining.ok_or(StateError::Field("until_ns"))?;
    Ok(now + Duration::from_nanos(nanos))
}

pub(super) const fn to_protocol(protocol: Protocol) -> proto::Protocol {
    match protocol {
        Protocol::Udp => proto::Protocol::Udp,
        Protocol::Tcp => proto::Protocol::Tcp,
        Protocol::Tls => proto::Protocol::Tls,
        Protocol::Ws => proto::Protocol::Ws,
        Protocol::Wss => proto::Protocol::Wss,
    }
}

pub(super) fn from_protocol(number: i32) -> Result<Protocol, StateError> {
    match proto::Protocol::try_from(number) {
        Ok(proto::Protocol::Udp) => Ok(Protocol::Udp),
        Ok(proto::Protocol::Tcp) => Ok(Protocol::Tcp),
        Ok(proto::Protocol::Tls) => Ok(Protocol::Tls),
        Ok(proto::Protocol::Ws) => Ok(Protocol::Ws),
        Ok(proto::Protocol::Wss) => Ok(Protocol::Wss),
        Ok(proto::Protocol::Unspecified) | Err(_) => Err(StateError::Field("protocol")),
    }
}

pub(super) fn to_address(address: SocketAddr) -> proto::Address {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    proto::Address { ip, port: u32::from(address.port()) }
}

pub(super) fn from_address(
    address: Option<&proto::Address>,
    field: &'static str,
) -> Result<SocketAddr, StateError> {
    let error = StateError::Field(field);
    let address = address.ok_or(error)?;
    let port = u16::try_from(address.port).map_err(|_| error)?;
    let ip = if let Ok(octets) = <[u8; 4]>::try_from(&*address.ip) {
        IpAddr::V4(Ipv4Addr::from(octets))
    } else {
        IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(&*address.ip).map_err(|_| error)?))
    };
    Ok(SocketAddr::new(ip, port))
}

pub(super) fn to_flow(flow: Flow) -> proto::Flow {
    proto::Flow {
        protocol: to_protocol(flow.protocol).into(),
        local: Some(to_address(flow.local)),
        remote: Some(to_address(flow.remote)),
    }
}

/// Another process does not have the connection that a message came by.
pub(super) fn from_flow(flow: Option<&proto::Flow>) -> Result<Flow, StateError> {
    let flow = flow.ok_or(StateError::Field("flow"))?;
    Ok(Flow {
        protocol: from_protocol(flow.protocol)?,
        local: from_address(flow.local.as_ref(), "local")?,
        remote: from_address(flow.remote.as_ref(), "remote")?,
        connection: ConnectionId::default(),
    })
}

pub(super) fn to_body(body: &Body) -> proto::Body {
    proto::Body { content_type: body.content_type.to_string(), content: body.content.to_vec() }
}

pub(super) fn from_body(body: proto::Body) -> Body {
    Body { content_type: body.content_type.into(), content: body.content.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::state::fields_of;

    #[test]
    fn the_numbers_of_fields_are_those_of_the_protocol_file() {
        let protocol = include_str!("state.proto");
        assert_eq!(fields_of(protocol, "Leg"), LEG_FIELDS);
        assert_eq!(fields_of(protocol, "ClientTransaction"), CLIENT_FIELDS);
        assert_eq!(fields_of(protocol, "ServerTransaction"), SERVER_FIELDS);
    }

    #[test]
    fn a_flow_travels_without_its_connection() {
        let flow = Flow {
            protocol: Protocol::Tcp,
            local: SocketAddr::from(([127, 0, 0, 1], 5060)),
            remote: SocketAddr::from(([0_u16, 0, 0, 0, 0, 0, 0, 1], 5061)),
            connection: ConnectionId(9),
        };
        let read = from_flow(Some(&to_flow(flow))).expect("a flow");
        assert_eq!(read, Flow { connection: ConnectionId(0), ..flow });
    }

    #[test]
    fn each_word_has_its_range() {
        let bad =
            |generation| reference(Some(proto::Slot { index: 1, generation }), "leg").is_err();
        assert!(bad(0) && bad(GENERATION_MASK + 1) && !bad(GENERATION_MASK));
        assert_eq!(own_slot(None), Err(StateError::Field("slot")));
        assert!(sequence(SEQUENCE_MAX, "cseq").is_err());
        assert!(from_protocol(0).is_err() && from_protocol(6).is_err());
        let address = |ip: &[u8], port| proto::Address { ip: ip.to_vec(), port };
        for wrong in [address(&[1, 2, 3], 1), address(&[1; 4], 65_536), address(&[], 1)] {
            assert_eq!(from_address(Some(&wrong), "proxy"), Err(StateError::Field("proxy")));
        }
        assert_eq!(interval(0), TIMER_T1, "what is doubled must not be nothing");
    }
}
