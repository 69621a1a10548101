//! A call as bytes, and back in another process (`call.proto`).

use super::two_party::{Call, Party, State};
use crate::base::id::{CallUuid, ConnId};
use crate::base::leg::Direction;
use crate::base::state::{StateError, decode, encode, nanos};
use crate::base::time::{Duration, Instant, WallTime};

/// The message types that `call.proto` names.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    elided_lifetimes_in_paths,
    clippy::all,
    clippy::use_self,
    reason = "generated"
)]
mod proto {
    include!(concat!(env!("OUT_DIR"), "/sipcluster.call.v1.rs"));
}

/// Fields of `Call`.
const CALL_FIELDS: u32 = 16;

impl Call {
    /// Everything that the call depends on, as seen at `now`.
    #[must_use]
    pub fn to_state(&self, now: Instant) -> Vec<u8> {
        let message = proto::Call {
            uuid: self.uuid.as_str().to_owned(),
            conn_id: self.conn_id.0,
            caller: self.caller.to_string(),
            dialled: self.dialled.to_string(),
            destination: self.destination.to_string(),
            trunk: self.trunk.to_string(),
            started_wall_ms: self.started_wall.0,
            age_ns: nanos(self.age(now)),
            state: to_state(self.state).into(),
            rang_after_ns: self.rang_after.map(nanos),
            answered_after_ns: self.answered_after.map(nanos),
            updating: to_party(self.updating).into(),
            updates: self.updates,
            proposed: self.proposed.map(|wants| to_direction(wants).into()),
            caller_media: to_direction(self.media[0]).into(),
            callee_media: to_direction(self.media[1]).into(),
        };
        encode(&message, &self.unknown)
    }

    /// The inverse of [`Call::to_state`]; the call is as old at `now` as it was then.
    ///
    /// # Errors
    /// When the bytes cannot be read, or say what no call is.
    pub fn from_state(bytes: &[u8], now: Instant) -> Result<Self, StateError> {
        let (message, unknown) = decode::<proto::Call>(bytes, CALL_FIELDS, "call")?;
        let uuid = CallUuid::from_text(message.uuid.as_bytes());
        Ok(Self {
            uuid: uuid.ok_or(StateError::Field("uuid"))?,
            conn_id: ConnId(message.conn_id),
            caller: message.caller.into(),
            dialled: message.dialled.into(),
            destination: message.destination.into(),
            trunk: message.trunk.into(),
            started_wall: WallTime(message.started_wall_ms),
            since: now,
            lasted: Duration::from_nanos(message.age_ns),
            state: from_state(message.state).ok_or(StateError::Field("state"))?,
            rang_after: message.rang_after_ns.map(Duration::from_nanos),
            answered_after: message.answered_after_ns.map(Duration::from_nanos),
            updating: from_party(message.updating).ok_or(StateError::Field("updating"))?,
            updates: message.updates,
            proposed: message.proposed.map(from_direction).transpose()?,
            media: [from_direction(message.caller_media)?, from_direction(message.callee_media)?],
            unknown,
        })
    }
}

const fn to_state(state: State) -> proto::State {
    match state {
        State::Routing => proto::State::Routing,
        State::Calling => proto::State::Calling,
        State::Alerting => proto::State::Alerting,
        State::Connected => proto::State::Connected,
        State::Ended => proto::State::Ended,
    }
}

fn from_state(number: i32) -> Option<State> {
    match proto::State::try_from(number).ok()? {
        proto::State::Unspecified => None,
        proto::State::Routing => Some(State::Routing),
        proto::State::Calling => Some(State::Calling),
        proto::State::Alerting => Some(State::Alerting),
        proto::State::Connected => Some(State::Connected),
        proto::State::Ended => Some(State::Ended),
    }
}

const fn to_party(party: Option<Party>) -> proto::Party {
    match party {
        None => proto::Party::Unspecified,
        Some(Party::Caller) => proto::Party::Caller,
        Some(Party::Callee) => proto::Party::Callee,
    }
}

fn from_party(number: i32) -> Option<Option<Party>> {
    match proto::Party::try_from(number).ok()? {
        proto::Party::Unspecified => Some(None),
        proto::Party::Caller => Some(Some(Party::Caller)),
        proto::Party::Callee => Some(Some(Party::Callee)),
    }
}

const fn to_direction(direction: Direction) -> proto::Direction {
    match direction {
        Direction::Both => proto::Direction::Both,
        Direction::SendOnly => proto::Direction::SendOnly,
        Direction::ReceiveOnly => proto::Direction::ReceiveOnly,
        Direction::Neither => proto::Direction::Neither,
    }
}

fn from_direction(number: i32) -> Result<Direction, StateError> {
    match proto::Direction::try_from(number) {
        Ok(proto::Direction::Both) => Ok(Direction::Both),
        Ok(proto::Direction::SendOnly) => Ok(Direction::SendOnly),
        Ok(proto::Direction::ReceiveOnly) => Ok(Direction::ReceiveOnly),
        Ok(proto::Direction::Neither) => Ok(Direction::Neither),
        Err(_) => Err(StateError::Field("media")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::leg::{Cause, LegEvent};
    use crate::base::state::fields_of;
    use crate::call::two_party::Action;
    use prost::Message as _;

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    fn answered() -> Call {
        let uuid = CallUuid::from_random([1, 2, 3]);
        let mut call = Call::new(uuid, ConnId(7), "7001", "7002", at(100), WallTime(5));
        call.on_calling("7002");
        let ringing = LegEvent::Progress { code: 180, body: None, reliable: false };
        let mut out = Vec::new();
        call.on_leg(Party::Callee, ringing, at(102), &mut out);
        call.on_leg(Party::Callee, LegEvent::Answered { body: None }, at(110), &mut out);
        call.on_leg(
            Party::Caller,
            LegEvent::Update { offer: None, direction: Some(Direction::SendOnly) },
            at(120),
            &mut out,
        );
        call
    }

    #[test]
    fn the_number_of_fields_is_that_of_the_protocol_file() {
        assert_eq!(fields_of(include_str!("call.proto"), "Call"), CALL_FIELDS);
    }

    /// The clock of the other process has only just started, and the record is the same.
    #[test]
    fn a_call_goes_on_in_another_process() {
        let mut old = answered();
        let bytes = old.to_state(at(150));
        let mut new = Call::from_state(&bytes, at(1)).expect("readable");
        assert_eq!(new.to_state(at(1)), bytes);
        let ended = |call: &mut Call, now| {
            let mut out = Vec::new();
            call.on_leg(Party::Callee, LegEvent::Updated { body: None }, now, &mut out);
            call.on_leg(Party::Callee, LegEvent::Ended(Cause::code(200)), now, &mut out);
            out
        };
        let (before, after) = (ended(&mut old, at(160)), ended(&mut new, at(11)));
        assert_eq!(before, after);
        assert!(after.contains(&Action::Held(Party::Caller)), "what was proposed came along");
        let Some(Action::Ended(record)) = after.last() else { panic!("no record in {after:?}") };
        assert_eq!(record.rang_after, Some(Duration::from_secs(2)));
        assert_eq!(record.answered_after, Some(Duration::from_secs(10)));
        assert_eq!((record.ended_after, record.updates), (Duration::from_secs(60), 1));
    }

    #[test]
    fn what_is_no_call_is_refused() {
        let bytes = answered().to_state(at(120));
        let sound = proto::Call::decode(&bytes[..]).expect("a call");
        type Spoil = fn(&mut proto::Call);
        let spoils: [(&str, Spoil); 6] = [
            ("media", |call| call.proposed = Some(4)),
            ("media", |call| call.callee_media = 4),
            ("uuid", |call| call.uuid.clear()),
            ("state", |call| call.state = 0),
            ("state", |call| call.state = 9),
            ("updating", |call| call.updating = 3),
        ];
        for (field, spoil) in spoils {
            let mut call = sound.clone();
            spoil(&mut call);
            let read = Call::from_state(&call.encode_to_vec(), at(0)).err();
            assert_eq!(read, Some(StateError::Field(field)));
        }
        let read = Call::from_state(&bytes[..20], at(0)).err();
        assert_eq!(read, Some(StateError::Undecodable("call")));
    }

    #[test]
    fn a_field_of_a_later_release_stays_with_the_call() {
        let mut bytes = answered().to_state(at(120));
        bytes.extend_from_slice(b"\xa2\x06\x05later");
        let call = Call::from_state(&bytes, at(0)).expect("readable");
        assert_eq!(call.to_state(at(0)), bytes);
    }
}
