//! The transactions of a shard, by slot. One that has nothing left to do but to
//! repeat itself is cut to what that takes: requests stand for 32 s after their
//! answer, and there are many of them.

use super::transaction::{Tag, Transaction};
use crate::base::flow::Flow;
use crate::base::id::Slot;
use crate::base::slab::Slab;
use crate::base::time::Instant;
use crate::sip::message::Method;
use crate::sip::transaction::{Client, Server, TransactionKey};
use bytes::Bytes;

/// What a slot holds.
#[derive(Debug)]
enum Held {
    Open(Box<Transaction>),
    Answered(Box<Answered>),
}

/// What is left of a transaction with a final answer that will not change.
#[derive(Debug)]
pub(super) struct Answered {
    key: TransactionKey,
    pub(super) flow: Flow,
    pub(super) server: Server,
    kept: Kept,
    /// The branch by which repetitions of a 2xx come (RFC 6026 7.2).
    pub(super) branch: Option<Client>,
    armed: Instant,
}

/// What is kept of the last answer.
#[derive(Debug)]
enum Kept {
    /// What a repeated request hears.
    Answer(Option<Bytes>),
    /// The To tag of the answer to an INVITE that was accepted, for a CANCEL that comes
    /// too late. The phone itself repeats the answer (RFC 3261 13.3.1.4).
    Tag(Tag),
}

impl Kept {
    fn answer(&self) -> Option<&Bytes> {
        match self {
            Self::Answer(answer) => answer.as_ref(),
            Self::Tag(_) => None,
        }
    }
}

impl Answered {
    fn of(found: &mut Transaction) -> Self {
        let is_invite = found.method == Method::Invite;
        let branch = if is_invite { found.branches.first() } else { None };
        Self {
            key: found.key,
            flow: found.flow,
            server: found.server,
            kept: if is_invite {
                Kept::Tag(core::mem::take(&mut found.accepted_tag))
            } else {
                Kept::Answer(found.response.take())
            },
            branch: branch.map(|branch| branch.client),
            armed: found.armed,
        }
    }

    /// Time has come: one that is answered can only end.
    pub(super) fn on_time(&mut self, now: Instant) {
        self.server.on_time(now);
        if let Some(branch) = &mut self.branch {
            branch.on_time(now);
        }
    }

    fn is_over(&self) -> bool {
        self.server.is_terminated() && self.branch.is_none_or(|branch| branch.is_terminated())
    }

    fn next_deadline(&self) -> Instant {
        let branch = self.branch.map_or(Instant::NEVER, |branch| branch.next_deadline());
        self.server.next_deadline().min(branch)
    }
}

/// What is to be done about a slot after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// Nothing.
    Waits,
    /// It wants to be woken then.
    Arm(Instant),
    /// The transaction is over and gone.
    Over(TransactionKey),
}

/// The table.
#[derive(Debug)]
pub(super) struct Transactions {
    slab: Slab<Held>,
}

impl Transactions {
    pub(super) fn new(len_max: usize) -> Self {
        Self { slab: Slab::new(len_max) }
    }

    /// Takes a new transaction in; `None` when the table is full.
    pub(super) fn insert(&mut self, transaction: Transaction) -> Option<Slot> {
        self.slab.insert(Held::Open(Box::new(transaction)))
    }

    /// A transaction that is still at work.
    pub(super) fn get(&self, slot: Slot) -> Option<&Transaction> {
        match self.slab.get(slot)? {
            Held::Open(found) => Some(found),
            Held::Answered(_) => None,
        }
    }

    /// A transaction that is still at work.
    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Transaction> {
        match self.slab.get_mut(slot)? {
            Held::Open(found) => Some(found),
            Held::Answered(_) => None,
        }
    }

    /// What is left of an answered one.
    pub(super) fn answered(&mut self, slot: Slot) -> Option<&mut Answered> {
        match self.slab.get_mut(slot)? {
            Held::Open(_) => None,
            Held::Answered(found) => Some(found),
        }
    }

    /// The server side of any: its machine, its last answer, and the way of that.
    pub(super) fn server(&mut self, slot: Slot) -> Option<(&mut Server, Option<&Bytes>, Flow)> {
        Some(match self.slab.get_mut(slot)? {
            Held::Open(found) => (&mut found.server, found.response.as_ref(), found.flow),
            Held::Answered(found) => (&mut found.server, found.kept.answer(), found.flow),
        })
    }

    /// Whether the slot is that of an INVITE.
    pub(super) fn is_invite(&self, slot: Slot) -> bool {
        match self.slab.get(slot) {
            Some(Held::Open(found)) => found.method == Method::Invite,
            Some(Held::Answered(found)) => matches!(found.server, Server::Invite(_)),
            None => false,
        }
    }

    /// The To tag of the last answer to a request; empty without one.
    pub(super) fn tag(&self, slot: Slot) -> Tag {
        match self.slab.get(slot) {
            Some(Held::Open(found)) => found.response.as_ref().map(tag_of).unwrap_or_default(),
            Some(Held::Answered(found)) => match &found.kept {
                Kept::Answer(answer) => answer.as_ref().map(tag_of).unwrap_or_default(),
                Kept::Tag(tag) => tag.clone(),
            },
            None => Tag::new(),
        }
    }

    /// Notes that a wake-up armed for `until` or before is not to come any more.
    pub(super) fn woken(&mut self, slot: Slot, until: Instant) {
        let armed = match self.slab.get_mut(slot) {
            Some(Held::Open(found)) => &mut found.armed,
            Some(Held::Answered(found)) => &mut found.armed,
            None => return,
        };
        if *armed <= until {
            *armed = Instant::NEVER;
        }
    }

    /// Lets go of what a transaction does not need any more, and of the whole when it
    /// is over. A deadline behind one that is armed waits until that has come.
    pub(super) fn settle(&mut self, slot: Slot) -> Settled {
        let Some(held) = self.slab.get_mut(slot) else { return Settled::Waits };
        if let Held::Open(found) = held
            && found.only_repeats()
        {
            *held = Held::Answered(Box::new(Answered::of(found)));
        }
        let (is_over, at, armed, key) = match held {
            Held::Open(found) => {
                (found.is_over(), found.next_deadline(), &mut found.armed, found.key)
            }
            Held::Answered(found) => {
                (found.is_over(), found.next_deadline(), &mut found.armed, found.key)
            }
        };
        if is_over {
            self.slab.remove(slot);
            return Settled::Over(key);
        }
        if at < *armed {
            *armed = at;
            return Settled::Arm(at);
        }
        Settled::Waits
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Those at work.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &Transaction)> {
        self.slab.iter().filter_map(|(slot, held)| match held {
            Held::Open(found) => Some((slot, &**found)),
            Held::Answered(_) => None,
        })
    }
}

/// The To tag of a message that is written here.
fn tag_of(answer: &Bytes) -> Tag {
    let message = crate::sip::message::scan(answer.clone());
    message.map(|message| Tag::from_slice(message.to_tag())).unwrap_or_default()
}
