//! Legs and transactions as bytes, and back in another process, in the same slots.
//!
//! ```text
//!  Stack ──leg_pieces──▶ Pieces ──▶ … ──▶ Pieces ──read──▶ Restored ──restore──▶ Stack
//! ```
//!
//! Reading checks everything and changes nothing; restoring cannot fail. Not with a
//! leg go the settings, what is known of the proxies, and whatever the layer above
//! knows of it.

use super::client::ClientTransaction;
use super::leg::Leg;
use super::server::ServerTransaction;
use super::stack::{Action, Cx, Stack, Wake};
use super::stored_leg::{self, ReadLeg};
use super::stored_transaction::{
    client_from_bytes, client_to_bytes, server_from_bytes, server_to_bytes,
};
use crate::base::id::Slot;
use crate::base::slab::Vacant;
use crate::base::state::StateError;
use crate::base::time::Instant;
use std::collections::BTreeSet;

/// Legs with all their transactions, or transactions without a leg: each is one
/// message of `state.proto`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pieces {
    /// Each a `Leg`.
    pub legs: Vec<Vec<u8>>,
    /// Each a `ClientTransaction`.
    pub clients: Vec<Vec<u8>>,
    /// Each a `ServerTransaction`.
    pub servers: Vec<Vec<u8>>,
}

/// What was read of pieces, fit for the stack that has read it.
#[derive(Debug)]
pub struct Restored {
    legs: Vec<(Slot, Leg)>,
    clients: Vec<(Slot, ClientTransaction)>,
    servers: Vec<(Slot, ServerTransaction)>,
}

impl Restored {
    /// Whether that leg is among it.
    #[must_use]
    pub fn has_leg(&self, leg: Slot) -> bool {
        self.legs.iter().any(|(slot, _)| *slot == leg)
    }

    /// Takes in what the transactions say of their legs.
    fn gather(
        read: Vec<ReadLeg>,
        clients: Vec<(Slot, ClientTransaction)>,
        servers: Vec<(Slot, ServerTransaction)>,
    ) -> Result<Self, StateError> {
        let stated: Vec<u32> = read.iter().map(|read| read.transactions).collect();
        let mut legs: Vec<(Slot, Leg)> =
            read.into_iter().map(|read| (read.slot, read.leg)).collect();
        let of_clients = clients.iter().map(|(slot, client)| (client.leg, Wake::Client(*slot)));
        let of_servers = servers.iter().map(|(slot, server)| (server.leg, Wake::Server(*slot)));
        for (leg, transaction) in of_clients.chain(of_servers) {
            let Some(leg) = leg else { continue };
            let found = legs.iter_mut().find(|(slot, _)| *slot == leg);
            let (_, found) = found.ok_or(StateError::NotWhole("transaction"))?;
            found.transactions.push(transaction);
        }
        let is_whole =
            |((_, leg), stated): (&(Slot, Leg), &u32)| leg.transactions.len() == *stated as usize;
        if !legs.iter().zip(&stated).all(is_whole) {
            return Err(StateError::NotWhole("leg"));
        }
        Ok(Self { legs, clients, servers })
    }
}

/// How far the tables have come: the highest generation of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Newest {
    /// Of legs.
    pub legs: u32,
    /// Of client transactions.
    pub clients: u32,
    /// Of server transactions.
    pub servers: u32,
}

/// The free places of the tables, in the order in which they will be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Free {
    /// Of legs.
    pub legs: Vacant,
    /// Of client transactions.
    pub clients: Vacant,
    /// Of server transactions.
    pub servers: Vacant,
    /// Whose turn it is among the proxies.
    pub next_proxy: u64,
}

impl Stack {
    /// Adds a leg and its transactions as they are at `now`; nothing where it is gone.
    pub fn leg_pieces(&self, leg: Slot, now: Instant, pieces: &mut Pieces) {
        let Some(found) = self.legs.get(leg) else { return };
        pieces.legs.push(stored_leg::to_bytes(leg, found, now));
        let (mut clients, mut servers) = (Vec::new(), Vec::new());
        for transaction in &found.transactions {
            match transaction {
                Wake::Client(slot) => clients.push(*slot),
                Wake::Server(slot) => servers.push(*slot),
                Wake::Leg(_) => {}
            }
        }
        clients.sort_unstable();
        servers.sort_unstable();
        for slot in clients {
            let client = self.clients.get(slot);
            pieces.clients.extend(client.map(|one| client_to_bytes(slot, Some(leg), one, now)));
        }
        for slot in servers {
            let server = self.servers.get(slot);
            pieces.servers.extend(server.map(|one| server_to_bytes(slot, Some(leg), one, now)));
        }
    }

    /// All legs.
    pub fn leg_slots(&self) -> impl Iterator<Item = Slot> {
        self.legs.iter().map(|(slot, _)| slot)
    }

    /// The transactions that belong to no leg, each for itself.
    pub fn loose_pieces(&self, now: Instant) -> impl Iterator<Item = Pieces> {
        let is_loose = move |leg: Option<Slot>| leg.is_none_or(|leg| self.legs.get(leg).is_none());
        let clients = self.clients.iter().filter(move |(_, client)| is_loose(client.leg));
        let clients = clients.map(move |(slot, client)| Pieces {
            clients: vec![client_to_bytes(slot, None, client, now)],
            ..Pieces::default()
        });
        let servers = self.servers.iter().filter(move |(_, server)| is_loose(server.leg));
        let servers = servers.map(move |(slot, server)| Pieces {
            servers: vec![server_to_bytes(slot, None, server, now)],
            ..Pieces::default()
        });
        clients.chain(servers)
    }

    /// Reads pieces of another process with the same node and shard.
    ///
    /// # Errors
    /// When they cannot be read, are not whole, or want what is taken here.
    pub fn read(&self, pieces: &Pieces, now: Instant) -> Result<Restored, StateError> {
        let legs = pieces.legs.iter().map(|bytes| stored_leg::from_bytes(bytes, now));
        let clients = pieces.clients.iter().map(|bytes| client_from_bytes(bytes, now));
        let servers = pieces.servers.iter().map(|bytes| server_from_bytes(bytes, self.seed, now));
        let restored = Restored::gather(
            legs.collect::<Result<_, _>>()?,
            clients.collect::<Result<_, _>>()?,
            servers.collect::<Result<_, _>>()?,
        )?;
        self.check_places(&restored)?;
        self.check_references(&restored)?;
        Ok(restored)
    }

    fn check_places(&self, restored: &Restored) -> Result<(), StateError> {
        let mut legs = restored.legs.iter().map(|(slot, _)| *slot);
        if !all_differ(legs.clone()) || !legs.all(|slot| self.legs.can_restore(slot)) {
            return Err(StateError::Taken("leg"));
        }
        let mut clients = restored.clients.iter().map(|(slot, _)| *slot);
        if !all_differ(clients.clone()) || !clients.all(|slot| self.clients.can_restore(slot)) {
            return Err(StateError::Taken("client transaction"));
        }
        let mut servers = restored.servers.iter().map(|(slot, _)| *slot);
        let keys: BTreeSet<_> = restored.servers.iter().map(|(_, server)| server.key).collect();
        if !all_differ(servers.clone())
            || !servers.all(|slot| self.servers.can_restore(slot))
            || keys.len() < restored.servers.len()
            || keys.iter().any(|key| self.by_key.get(key).is_some())
        {
            return Err(StateError::Taken("server transaction"));
        }
        Ok(())
    }

    /// What a leg names is with it, or is over: it never names something of another.
    fn check_references(&self, restored: &Restored) -> Result<(), StateError> {
        for (_, leg) in &restored.legs {
            let mut clients = [leg.updating, leg.refreshing, leg.inviting].into_iter().flatten();
            let mut servers =
                [leg.offered, leg.asked].into_iter().flatten().chain(leg.infos.iter().copied());
            let strange_client = clients.any(|slot| {
                self.clients.get(slot).is_some() && !leg.transactions.contains(&Wake::Client(slot))
            });
            let strange_server = servers.any(|slot| {
                self.servers.get(slot).is_some() && !leg.transactions.contains(&Wake::Server(slot))
            });
            if strange_client || strange_server {
                return Err(StateError::NotWhole("leg"));
            }
        }
        Ok(())
    }

    /// Puts into their slots what this stack has just read, and arms every deadline.
    pub fn restore(&mut self, restored: Restored, cx: &mut Cx<'_>) {
        for (slot, mut leg) in restored.legs {
            leg.armed = leg.next_deadline();
            if leg.armed != Instant::NEVER {
                cx.out.push(Action::Arm(Wake::Leg(slot), leg.armed));
            }
            let refused = self.legs.restore(slot, leg).is_err();
            debug_assert!(!refused, "the place was looked at");
        }
        for (slot, client) in restored.clients {
            let refused = self.clients.restore(slot, client).is_err();
            debug_assert!(!refused, "the place was looked at");
            self.settle_client(slot, cx);
        }
        for (slot, server) in restored.servers {
            self.enter_keys(slot, server.key, server.merged);
            let refused = self.servers.restore(slot, server).is_err();
            debug_assert!(!refused, "the place was looked at");
            self.settle_server(slot, cx);
        }
    }

    /// How far the tables have come.
    #[must_use]
    pub const fn newest(&self) -> Newest {
        Newest {
            legs: self.legs.newest(),
            clients: self.clients.newest(),
            servers: self.servers.newest(),
        }
    }

    /// Places of these tables that are used for the first time start above what the
    /// earlier process has told.
    pub fn start_above(&mut self, newest: Newest) {
        self.legs.start_above(newest.legs);
        self.clients.start_above(newest.clients);
        self.servers.start_above(newest.servers);
    }

    /// The free places of all tables.
    #[must_use]
    pub fn free(&self) -> Free {
        Free {
            legs: self.legs.vacant(),
            clients: self.clients.vacant(),
            servers: self.servers.vacant(),
            next_proxy: self.next_proxy as u64,
        }
    }

    /// Goes on exactly where a process has stopped whose pieces were all restored.
    pub fn resume(&mut self, free: &Free) {
        self.legs.resume(&free.legs);
        self.clients.resume(&free.clients);
        self.servers.resume(&free.servers);
        self.next_proxy = free.next_proxy as usize;
    }
}

fn all_differ(slots: impl Iterator<Item = Slot>) -> bool {
    let mut seen = BTreeSet::new();
    slots.into_iter().all(|slot| seen.insert(slot.index))
}
