//! A shard's state as bundles of bytes, and back in another process of the same node
//! and shard (`bundle.proto`): a call with its legs and their transactions, a leg that
//! has outlived its call, a transaction without a leg; and how far the shard has come.
//!
//! Every object keeps its slot, so that the tokens which name it mean the same here.
//! What another process of the shard has freed is never taken for something of this
//! one (`base::slab`), and no ConnID is given out twice: each bundle tells how far
//! both have come. Settings, what is known of proxies and trunks, and the counts of
//! nonces are not in a bundle: they belong to the process.
//!
//! A release reads the bundles of every earlier one, and those of a later one with the
//! same major version: fields that it does not know stay with the call, the leg or the
//! transaction, and are written again. They say what the later release has said last,
//! however the call has gone on here; whoever adds a field sees to it that this does
//! no harm, or raises the major version, which this release refuses.

use super::core::{Action, Core, Cx, Entry, Wake};
use crate::base::id::{GENERATION_MASK, Slot};
use crate::base::slab::Vacant;
use crate::base::state::{StateError, deadline, remaining};
use crate::base::time::Instant;
use crate::call::two_party::{Call, Party};
use crate::sip::user_agent::state::{Free, Newest, Pieces};
use bytes::Bytes;
use prost::Message as _;
use std::collections::BTreeSet;

/// The message types that `bundle.proto` names.
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
    include!(concat!(env!("OUT_DIR"), "/sipcluster.node.v1.rs"));
}

/// Raised when earlier releases must not read a bundle any more.
const MAJOR: u32 = 1;
/// Raised with every other change of the messages.
const MINOR: u32 = 0;
/// ConnIDs of one epoch.
const COUNTER_MAX: u32 = 0xff_ffff;

/// One bundle, on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle(pub Bytes);

/// Why a bundle was refused. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The bytes are no bundle.
    #[error("the bundle cannot be decoded")]
    Undecodable,
    /// A release with another idea of a call has written it.
    #[error("the bundle has version {0}, and versions up to {MAJOR} are read here")]
    Version(u32),
    /// It is of another node or shard.
    #[error("the bundle is of another node or shard")]
    Foreign,
    /// What is in it cannot be read, is not whole, or has no place here.
    #[error(transparent)]
    State(#[from] StateError),
}

/// What a bundle says, read and checked.
struct Read {
    marks: proto::Marks,
    call: Option<(Slot, Entry)>,
    stack: crate::sip::user_agent::state::Restored,
    tables: Option<(Vacant, Free)>,
}

impl Core {
    /// Everything, as it is at `now`: the calls, what belongs to none, and last how
    /// far the shard has come. Whoever imports all of it in this order goes on as this
    /// one would have.
    #[must_use]
    pub fn export(&self, now: Instant) -> Vec<Bundle> {
        let calls: Vec<Slot> = self.calls.iter().map(|(slot, _)| slot).collect();
        let mut bundles: Vec<Bundle> =
            calls.iter().filter_map(|call| self.export_call(*call, now)).collect();
        let of_calls: BTreeSet<Slot> = self
            .calls
            .iter()
            .flat_map(|(_, entry)| [Some(entry.caller), entry.callee])
            .flatten()
            .collect();
        for leg in self.stack.leg_slots().filter(|leg| !of_calls.contains(leg)) {
            let mut pieces = Pieces::default();
            self.stack.leg_pieces(leg, now, &mut pieces);
            bundles.push(self.bundle(None, pieces, None));
        }
        bundles.extend(self.stack.loose_pieces(now).map(|loose| self.bundle(None, loose, None)));
        bundles.push(self.bundle(None, Pieces::default(), Some(self.tables())));
        bundles
    }

    /// One call with its legs and their transactions; `None` when it is gone.
    #[must_use]
    pub fn export_call(&self, call: Slot, now: Instant) -> Option<Bundle> {
        let entry = self.calls.get(call)?;
        let mut pieces = Pieces::default();
        for leg in [Some(entry.caller), entry.callee].into_iter().flatten() {
            self.stack.leg_pieces(leg, now, &mut pieces);
        }
        let conversion = entry.error_conversion.iter();
        let message = proto::Call {
            slot: Some(to_slot(call)),
            call: entry.call.to_state(now),
            caller: Some(to_slot(entry.caller)),
            callee: entry.callee.map(to_slot),
            error_conversion: conversion
                .map(|&(from, to)| proto::Conversion { from: from.into(), to: to.into() })
                .collect(),
            no_answer_ns: remaining(entry.no_answer_at, now),
        };
        Some(self.bundle(Some(message), pieces, None))
    }

    fn bundle(
        &self,
        call: Option<proto::Call>,
        pieces: Pieces,
        tables: Option<proto::Tables>,
    ) -> Bundle {
        let newest = self.stack.newest();
        let (epoch, counter) = self.conn_ids();
        let mut message = proto::Bundle {
            major: MAJOR,
            minor: MINOR,
            node: self.settings.node.get().into(),
            shard: self.shard().0.into(),
            parts: 0,
            marks: Some(proto::Marks {
                epoch,
                counter,
                calls: self.calls.newest(),
                legs: newest.legs,
                clients: newest.clients,
                servers: newest.servers,
            }),
            call,
            legs: pieces.legs,
            clients: pieces.clients,
            servers: pieces.servers,
            tables,
        };
        message.parts = parts(&message);
        Bundle(message.encode_to_vec().into())
    }

    fn tables(&self) -> proto::Tables {
        let free = self.stack.free();
        proto::Tables {
            calls: Some(to_table(&self.calls.vacant())),
            legs: Some(to_table(&free.legs)),
            clients: Some(to_table(&free.clients)),
            servers: Some(to_table(&free.servers)),
            next_proxy: free.next_proxy,
        }
    }

    /// Goes on with what another process of this node and shard has told: each object
    /// in its slot, every deadline armed.
    ///
    /// # Errors
    /// When the bundle cannot be read, is not whole or not of this shard, or wants a
    /// slot that is taken. Nothing has changed then.
    pub fn import(&mut self, bundle: &Bundle, cx: &mut Cx<'_>) -> Result<(), ImportError> {
        let read = self.read(bundle, cx.now)?;
        self.pass_marks(&read.marks);
        self.with_stack(cx, |stack, cx| stack.restore(read.stack, cx));
        if let Some((slot, entry)) = read.call {
            self.by_leg.insert(entry.caller, (slot, Party::Caller));
            if let Some(callee) = entry.callee {
                self.by_leg.insert(callee, (slot, Party::Callee));
            }
            if entry.no_answer_at != Instant::NEVER {
                cx.out.push(Action::Arm(Wake::NoAnswer(slot), entry.no_answer_at));
            }
            let refused = self.calls.restore(slot, entry).is_err();
            debug_assert!(!refused, "the place was looked at");
        }
        if let Some((calls, free)) = read.tables {
            self.calls.resume(&calls);
            self.stack.resume(&free);
        }
        self.drain(cx);
        Ok(())
    }

    fn pass_marks(&mut self, marks: &proto::Marks) {
        self.calls.start_above(marks.calls);
        let (legs, clients, servers) = (marks.legs, marks.clients, marks.servers);
        self.stack.start_above(Newest { legs, clients, servers });
        self.pass_conn_ids(marks.epoch, marks.counter);
    }

    fn read(&self, bundle: &Bundle, now: Instant) -> Result<Read, ImportError> {
        let message =
            proto::Bundle::decode(bundle.0.clone()).map_err(|_| ImportError::Undecodable)?;
        if !(1..=MAJOR).contains(&message.major) {
            return Err(ImportError::Version(message.major));
        }
        let ours = (u32::from(self.settings.node.get()), u32::from(self.shard().0));
        if (message.node, message.shard) != ours {
            return Err(ImportError::Foreign);
        }
        if message.parts != parts(&message) {
            return Err(StateError::NotWhole("bundle").into());
        }
        let marks = message.marks.ok_or(StateError::Field("marks"))?;
        if marks.counter > COUNTER_MAX || marks.epoch == u32::MAX {
            return Err(StateError::Field("marks").into());
        }
        let (legs, clients, servers) = (message.legs, message.clients, message.servers);
        let stack = self.stack.read(&Pieces { legs, clients, servers }, now)?;
        let call = message.call.map(|call| read_call(call, now)).transpose()?;
        if let Some((slot, entry)) = &call {
            if !self.calls.can_restore(*slot) {
                return Err(StateError::Taken("call").into());
            }
            let mut legs = [Some(entry.caller), entry.callee].into_iter().flatten();
            if !legs.all(|leg| stack.has_leg(leg)) || Some(entry.caller) == entry.callee {
                return Err(StateError::NotWhole("call").into());
            }
        }
        let tables = message.tables.map(read_tables).transpose()?;
        Ok(Read { marks, call, stack, tables })
    }
}

fn parts(message: &proto::Bundle) -> u32 {
    let others = usize::from(message.call.is_some()) + usize::from(message.tables.is_some());
    let parts = message.legs.len() + message.clients.len() + message.servers.len() + others;
    u32::try_from(parts).unwrap_or(u32::MAX)
}

const fn to_slot(slot: Slot) -> proto::Slot {
    proto::Slot { index: slot.index, generation: slot.generation }
}

fn from_slot(slot: proto::Slot) -> Slot {
    Slot { index: slot.index, generation: slot.generation }
}

fn read_call(message: proto::Call, now: Instant) -> Result<(Slot, Entry), StateError> {
    let code = |code| u16::try_from(code).map_err(|_| StateError::Field("error_conversion"));
    let conversion = message.error_conversion.iter();
    let call = Call::from_state(&message.call, now)?;
    let entry = Entry {
        is_inbound: !call.trunk.is_empty() && call.trunk != call.destination,
        told: call.state(),
        call,
        caller: message.caller.map(from_slot).ok_or(StateError::Field("caller"))?,
        callee: message.callee.map(from_slot),
        error_conversion: conversion
            .map(|one| Ok((code(one.from)?, code(one.to)?)))
            .collect::<Result<_, StateError>>()?,
        no_answer_at: deadline(message.no_answer_ns, now),
    };
    let slot = message.slot.map(from_slot).ok_or(StateError::Field("slot"))?;
    Ok((slot, entry))
}

fn to_table(vacant: &Vacant) -> proto::Table {
    proto::Table {
        index: vacant.free.iter().map(|slot| slot.index).collect(),
        generation: vacant.free.iter().map(|slot| slot.generation).collect(),
        places: vacant.places,
    }
}

fn read_tables(tables: proto::Tables) -> Result<(Vacant, Free), StateError> {
    let free = Free {
        legs: read_table(tables.legs)?,
        clients: read_table(tables.clients)?,
        servers: read_table(tables.servers)?,
        next_proxy: tables.next_proxy,
    };
    Ok((read_table(tables.calls)?, free))
}

fn read_table(table: Option<proto::Table>) -> Result<Vacant, StateError> {
    let error = StateError::Field("table");
    let table = table.ok_or(error)?;
    if table.index.len() != table.generation.len()
        || table.generation.iter().any(|generation| *generation > GENERATION_MASK)
    {
        return Err(error);
    }
    let slots = table.index.into_iter().zip(table.generation);
    let free = slots.map(|(index, generation)| Slot { index, generation }).collect();
    Ok(Vacant { free, places: table.places })
}
