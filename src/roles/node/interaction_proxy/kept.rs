//! What an earlier process has left of a collector: what it has not had, and the calls
//! whose end nobody has told.

use super::recipients::Collector;
use crate::base::event_stream::{Entry, Stream};
use crate::cti::call_stream::CallStream;
use crate::cti::tlib::{Attributes, CallState, EncodedEvent, Event, EventType, PartyState};
use bytes::Bytes;
use prost::Message as _;
use std::collections::BTreeMap;

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
    include!(concat!(env!("OUT_DIR"), "/sipcluster.streams.v1.rs"));
}

/// Raised when earlier releases must not read a head any more.
const MAJOR: u32 = 1;
/// Earlier starts of the node that a cursor can name.
const LIVES_MAX: usize = 16;
/// Calls of one part of what is to be known of events that are gone.
const PART_CALLS: usize = 4_096;

/// An earlier start of the node, and the last event of a collector in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) epoch: u32,
    pub(super) last: u64,
}

/// What is known of a collector, for the head of its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) collector: Collector,
    pub(super) application: Box<str>,
    pub(super) epoch: u32,
    pub(super) lives: Vec<Life>,
}

impl Head {
    pub(super) fn encode(&self) -> Bytes {
        let lives =
            self.lives.iter().map(|life| proto::Life { epoch: life.epoch, last: life.last });
        let head = proto::Head {
            major: MAJOR,
            cluster: self.collector.cluster.to_string(),
            node: self.collector.node.to_string(),
            application: self.application.to_string(),
            epoch: self.epoch,
            lives: lives.collect(),
        };
        head.encode_to_vec().into()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let head = proto::Head::decode(bytes).ok().filter(|head| head.major <= MAJOR)?;
        let lives = head.lives.iter().map(|life| Life { epoch: life.epoch, last: life.last });
        Some(Self {
            collector: Collector { cluster: head.cluster.into(), node: head.node.into() },
            application: head.application.into(),
            epoch: head.epoch,
            lives: lives.collect(),
        })
    }
}

/// An event as it was kept.
#[derive(Clone, Debug)]
pub(super) struct Old {
    pub(super) at_ms: u64,
    pub(super) kind: EventType,
    pub(super) event: EncodedEvent,
}

/// A collector as an earlier process has left it.
#[derive(Clone, Debug)]
pub(super) struct Restored {
    pub(super) id: u32,
    /// With the life that is over.
    pub(super) head: Head,
    /// Number of its last event.
    pub(super) seq: u64,
    /// What it was given.
    pub(super) given: u64,
    pub(super) events: Vec<Old>,
    /// How the calls end that nobody has ended.
    pub(super) ends: Vec<(EventType, Attributes)>,
}

impl Restored {
    /// Reads it; `None` for what a later release has written.
    pub(super) fn of(stream: &Stream) -> Option<Self> {
        let mut head = Head::decode(&stream.head)?;
        let (mut open, at) = OpenCalls::decode(&stream.rest)?;
        let before = head.lives.last().map_or(0, |life| life.last);
        let before = before.max(stream.given.unwrap_or(0)).max(at);
        let seq = stream.entries.last().map_or(before, |last| last.number);
        head.lives.push(Life { epoch: head.epoch, last: seq });
        let excess = head.lives.len().saturating_sub(LIVES_MAX);
        head.lives.drain(..excess);
        let mut events = Vec::new();
        for Entry { number, at_ms, entry } in &stream.entries {
            let Ok(event) = Event::decode(entry.clone()) else { continue };
            if *number > at {
                open.note(&event);
            }
            let event_kind = event.r#type();
            let event = EncodedEvent::of_bytes(entry);
            events.push(Old { at_ms: *at_ms, kind: event_kind, event });
        }
        // Who was there had what was written to its connection.
        let given = stream.given.unwrap_or(seq).min(seq);
        Some(Self { id: stream.stream, head, seq, given, events, ends: open.ends() })
    }
}

/// Calls that have begun and not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OpenCalls(BTreeMap<u64, OpenCall>);

/// Names of one, and the DNs of its parties by their PartyUUID.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct OpenCall {
    call_uuid: Option<String>,
    parties: BTreeMap<String, Option<String>>,
}

/// What is to be known of events that are gone when the one of that number is the last: the
/// calls that run.
pub(super) fn rest<'a>(at: u64, calls: impl Iterator<Item = &'a CallStream>) -> Vec<Bytes> {
    let mut calls = calls.filter_map(CallStream::running).map(|running| proto::OpenCall {
        conn_id: running.conn_id,
        call_uuid: running.call_uuid.to_owned(),
        parties: running
            .parties
            .map(|(uuid, dn)| proto::OpenParty {
                party_uuid: uuid.to_string(),
                dn: dn.unwrap_or_default().to_owned(),
            })
            .collect(),
    });
    let mut parts = Vec::new();
    loop {
        let open: Vec<proto::OpenCall> = calls.by_ref().take(PART_CALLS).collect();
        let is_last = open.len() < PART_CALLS;
        if !open.is_empty() || parts.is_empty() {
            parts.push(proto::Rest { open, at }.encode_to_vec().into());
        }
        if is_last {
            return parts;
        }
    }
}

impl OpenCalls {
    /// The calls, and the event up to which they are told of; `None` when that cannot be read.
    fn decode(parts: &[Bytes]) -> Option<(Self, u64)> {
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        let (mut all, mut at) = (BTreeMap::new(), 0);
        for part in parts {
            let part = proto::Rest::decode(part.clone()).ok()?;
            at = part.at;
            all.extend(part.open.into_iter().map(|call| {
                let parties = call.parties.into_iter();
                let parties = parties.map(|party| (party.party_uuid, some(party.dn))).collect();
                (call.conn_id, OpenCall { call_uuid: some(call.call_uuid), parties })
            }));
        }
        Some((Self(all), at))
    }

    fn note(&mut self, event: &Event) {
        if let Some(given) = &event.attributes {
            self.take(event.r#type(), given);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "T-events change nothing of the call")]
    fn take(&mut self, kind: EventType, given: &Attributes) {
        let Some(conn_id) = given.conn_id else { return };
        match kind {
            EventType::EventCallCreated => {
                let call = OpenCall { call_uuid: given.call_uuid.clone(), ..OpenCall::default() };
                self.0.insert(conn_id, call);
            }
            EventType::EventCallPartyAdded | EventType::EventCallPartyState => {
                let call = self.0.entry(conn_id).or_default();
                call.call_uuid = given.call_uuid.clone();
                if let Some(uuid) = &given.party_uuid {
                    call.parties.insert(uuid.clone(), given.this_dn.clone());
                }
            }
            EventType::EventCallPartyDeleted => {
                if let (Some(call), Some(uuid)) = (self.0.get_mut(&conn_id), &given.party_uuid) {
                    call.parties.remove(uuid);
                }
            }
            EventType::EventCallDeleted => {
                self.0.remove(&conn_id);
            }
            _ => {}
        }
    }

    /// Their ends; how they came about, nobody knows.
    fn ends(self) -> Vec<(EventType, Attributes)> {
        let call_state = Some(CallState::Unknown.into());
        let mut ends = Vec::new();
        for (conn_id, call) in self.0 {
            for (party_uuid, this_dn) in call.parties {
                let attributes = Attributes {
                    conn_id: Some(conn_id),
                    call_uuid: call.call_uuid.clone(),
                    party_uuid: Some(party_uuid),
                    party_state: u32::try_from(PartyState::Null as i32).ok(),
                    this_dn,
                    call_state,
                    ..Attributes::default()
                };
                ends.push((EventType::EventCallPartyDeleted, attributes));
            }
            let attributes = Attributes {
                conn_id: Some(conn_id),
                call_uuid: call.call_uuid,
                call_state,
                ..Attributes::default()
            };
            ends.push((EventType::EventCallDeleted, attributes));
        }
        ends
    }
}
