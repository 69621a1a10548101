//! Events that are kept for clients that come back: a client names the last event that it
//! has had of each source, and gets what a DN has told since when it registers for it
//! again, or EventGap where that is not known any more.
//!
//! An owner keeps the events of its DNs; what another node has told while it owned the DN
//! is not known here, so that a DN that has come here since is a gap.

use super::core::{Action, Core, Cx, Party};
use super::remote::told;
use crate::base::id::NodeId;
use crate::base::limits::{
    EVENTS_KEPT_LEN_MAX, EVENTS_KEPT_MAX, EVENTS_KEPT_TIME, REPLAY_LEN_MAX, REPLAY_REMOTE_LEN_MAX,
};
use crate::base::time::Instant;
use crate::cti::tlib::{Attributes, Cursor, EncodedEvent, Event, EventType};
use crate::mesh::wire::Body;
use crate::modules::t_library::port::ClientId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A cursor for one source, with zeros where the client has had no event of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Since {
    pub(super) source: u32,
    pub(super) epoch: u32,
    pub(super) seq: u64,
}

/// What a client that has come back has had.
#[derive(Clone, Debug, Default)]
pub(super) struct Cursors {
    known: BTreeMap<u32, Since>,
    /// Sources of which it has been told that events are lost.
    pub(super) lost: BTreeSet<u32>,
    /// DNs that it has registered for again.
    pub(super) served: BTreeSet<usize>,
    /// Bytes of events that it has been told.
    replayed: usize,
}

impl Cursors {
    /// What it has had of a source; `None` where it has been told that events are lost, or
    /// has never been here before.
    pub(super) fn of(&self, source: u32) -> Option<Since> {
        let is_new = self.known.is_empty() && self.lost.is_empty();
        if is_new || self.lost.contains(&source) {
            return None;
        }
        let nothing = Since { source, epoch: 0, seq: 0 };
        Some(self.known.get(&source).copied().unwrap_or(nothing))
    }
}

/// One event of a DN.
#[derive(Clone, Debug)]
struct Kept {
    seq: u64,
    kind: EventType,
    event: EncodedEvent,
}

/// Events of one DN, since it was gained.
#[derive(Clone, Debug, Default)]
pub(super) struct DnLog {
    kept: VecDeque<Kept>,
    /// Number from which on the node's events of the DN are all that there is.
    pub(super) gained: u64,
}

/// The order of all that is kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    order: VecDeque<(u64, usize, Instant)>,
    /// Changes of ownership, which are no events of their DNs.
    owners: VecDeque<OwnerKept>,
    /// What DNs have told that are not owned here any more.
    parted: BTreeMap<u64, Kept>,
    len: usize,
    /// The last event that is not kept any more.
    dropped: u64,
}

/// A change of ownership.
#[derive(Clone, Debug)]
pub(super) struct OwnerKept {
    pub(super) seq: u64,
    pub(super) kind: EventType,
    pub(super) event: EncodedEvent,
}

impl Log {
    /// Keeps a change of ownership, as long as events of DNs.
    pub(super) fn keep_owner(&mut self, kept: OwnerKept) {
        self.owners.push_back(kept);
        let dropped = self.dropped;
        while self.owners.len() > EVENTS_KEPT_MAX
            || self.owners.front().is_some_and(|first| first.seq <= dropped)
        {
            let first = self.owners.pop_front();
            self.dropped = self.dropped.max(first.map_or(0, |first| first.seq));
        }
    }
}

impl Core {
    /// What the phones of this node and their ownership have told since an event, in order;
    /// `None` where that is not known any more.
    /// Of the DNs that are `served` it has had what it missed.
    pub(super) fn missed(
        &self,
        epoch: u32,
        seq: u64,
        served: &BTreeSet<usize>,
    ) -> Option<Vec<(EventType, EncodedEvent)>> {
        if epoch != self.epoch || seq < self.log.dropped || seq > self.seq {
            return None;
        }
        let mut missed = Vec::new();
        let mut len = 0;
        for (number, index, _) in &self.log.order {
            let is_phone = self.dns[*index].kind.is_phone();
            if *number <= seq || !is_phone || served.contains(index) {
                continue;
            }
            let kept = &self.dns[*index].log.kept;
            let place = kept.binary_search_by_key(number, |kept| kept.seq).ok();
            // What a phone has told before it was lost is kept apart.
            let kept = place.and_then(|place| kept.get(place));
            let kept = kept.or_else(|| self.log.parted.get(number))?;
            missed.push((*number, kept.kind, kept.event.clone()));
            len += kept.event.len();
        }
        for kept in self.log.owners.iter().filter(|kept| kept.seq > seq) {
            missed.push((kept.seq, kept.kind, kept.event.clone()));
            len += kept.event.len();
        }
        missed.sort_by_key(|(number, ..)| *number);
        (len <= REPLAY_LEN_MAX)
            .then(|| missed.into_iter().map(|(_, kind, event)| (kind, event)).collect())
    }

    /// Keeps an event of a DN that is owned here.
    pub(super) fn keep(
        &mut self,
        index: usize,
        (seq, kind): (u64, EventType),
        event: &EncodedEvent,
        now: Instant,
    ) {
        if self.dns[index].kind.is_phone() && !self.is_own(index) {
            return;
        }
        self.log.len += event.len();
        self.log.order.push_back((seq, index, now));
        self.dns[index].log.kept.push_back(Kept { seq, kind, event: event.clone() });
        while let Some((seq, index, since)) = self.log.order.front().copied() {
            let is_old = now.since(since) >= EVENTS_KEPT_TIME;
            let is_much =
                self.log.order.len() > EVENTS_KEPT_MAX || self.log.len > EVENTS_KEPT_LEN_MAX;
            if !is_old && !is_much {
                return;
            }
            self.log.order.pop_front();
            self.log.dropped = self.log.dropped.max(seq);
            let kept = &mut self.dns[index].log.kept;
            let first = kept.pop_front_if(|first| first.seq == seq);
            if let Some(first) = first.or_else(|| self.log.parted.remove(&seq)) {
                self.log.len -= first.event.len();
            }
        }
    }

    /// The DN is another's: what was kept of it is of use to smart clients alone.
    pub(super) fn forget_events(&mut self, index: usize) {
        let kept = self.dns[index].log.kept.drain(..);
        self.log.parted.extend(kept.map(|kept| (kept.seq, kept)));
    }

    /// Where a client that has come back left off. Sources that do not go on from there are
    /// told at once.
    pub(super) fn on_cursors(&mut self, id: ClientId, given: &[Cursor], cx: &mut Cx<'_>) {
        let mut cursors = Cursors::default();
        for cursor in given {
            let goes_on = match u16::try_from(cursor.source).ok().and_then(NodeId::of_member) {
                Some(node) if node == self.settings.node => {
                    let range = self.log.dropped..=self.seq;
                    cursor.epoch == self.epoch && range.contains(&cursor.seq)
                }
                Some(node) => self.epoch_of(node) == Some(cursor.epoch),
                None => false,
            };
            if goes_on {
                let Cursor { source, epoch, seq } = *cursor;
                let since = Since { source, epoch, seq };
                cursors.known.insert(cursor.source, since);
            } else {
                cursors.lost.insert(cursor.source);
                self.tell_gap(id, cursor, cx);
            }
        }
        if let Some(client) = self.clients.get_mut(&id) {
            client.cursors = cursors;
        }
    }

    /// From where on a client that registers for a DN is to hear of it, the first time on
    /// its connection.
    pub(super) fn since(&self, id: ClientId, index: usize) -> Option<Since> {
        let client = self.clients.get(&id)?;
        if client.cursors.served.contains(&index) || client.dns.contains(&index) {
            return None;
        }
        let source = self.dns[index].owner.node.unwrap_or(self.settings.node);
        client.cursors.of(u32::from(source.get()))
    }

    /// A client here has registered for a DN: what it missed of that is told.
    pub(super) fn note_served(&mut self, id: ClientId, index: usize) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.cursors.served.insert(index);
        }
    }

    /// Whether so much more may be told to a client that has come back. What waits for it
    /// must not be what closes it again, or the link to its node.
    fn may_replay(&mut self, to: Party, len: usize) -> bool {
        let is_own = to.node == self.settings.node;
        let (bound, replayed) = if is_own {
            let client = self.clients.get_mut(&to.client);
            (REPLAY_LEN_MAX, client.map(|client| &mut client.cursors.replayed))
        } else {
            let remote = self.remotes.get_mut(&to);
            (REPLAY_REMOTE_LEN_MAX, remote.map(|remote| &mut remote.replayed))
        };
        replayed.is_some_and(|replayed| {
            *replayed += len;
            *replayed <= bound
        })
    }

    /// What a DN has told since, for one client that registers for it.
    pub(super) fn replay(&mut self, index: usize, to: Party, since: Since, cx: &mut Cx<'_>) {
        let entry = &self.dns[index];
        let is_kept = self.is_own(index) || !entry.kind.is_phone();
        let is_whole = is_kept
            && (since.source, since.epoch) == (u32::from(self.settings.node.get()), self.epoch)
            && since.seq >= self.log.dropped.max(entry.log.gained);
        let missed: Vec<Kept> = if is_whole {
            entry.log.kept.iter().filter(|kept| kept.seq > since.seq).cloned().collect()
        } else {
            Vec::new()
        };
        let len = missed.iter().map(|kept| kept.event.len()).sum();
        if !is_whole || !self.may_replay(to, len) {
            let entry = &self.dns[index];
            let this_dn = Some(entry.name.to_string());
            let attributes = Box::new(Attributes { this_dn, ..Attributes::default() });
            let event = Event {
                r#type: EventType::EventGap.into(),
                source: since.source,
                epoch: since.epoch,
                seq: since.seq,
                timeinu_secs: cx.wall.0.saturating_mul(1_000),
                attributes: Some(attributes),
            };
            return self.tell_one(index, to, EventType::EventGap, &EncodedEvent::new(&event), cx);
        }
        for kept in missed {
            self.tell_one(index, to, kept.kind, &kept.event, cx);
        }
    }

    /// An event of a DN for one client, which has not asked for it.
    fn tell_one(
        &self,
        index: usize,
        to: Party,
        kind: EventType,
        event: &EncodedEvent,
        cx: &mut Cx<'_>,
    ) {
        if to.node != self.settings.node {
            let dn = &self.dns[index].name;
            let told = told(dn, &event.event(), false, Some((to.client, 0)));
            self.send_to(to.node, Body::Told(told), cx);
        } else if self.wants(to.client, kind) {
            cx.out.push(Action::Send(to.client, event.shared()));
        }
    }
}
