//! Host names: what they resolved to, and what waits until they do.

use crate::base::flow::{Outbound, Sender};
use crate::base::limits::{
    LOOKUPS_MAX, NAME_FAILURE_TTL, NAME_TTL, NAME_WAITING_LEN_MAX, NAMES_MAX,
};
use crate::base::time::Instant;
use core::net::IpAddr;
use std::collections::BTreeMap;

/// What is known of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Its address.
    Address(IpAddr),
    /// A moment ago it had none.
    None,
    /// Nothing, or nothing that is fresh.
    Unknown,
}

/// What became of a message that is to wait for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    /// It waits, and the name must be looked up.
    LookUp,
    /// It waits behind others.
    Behind,
    /// There is no room for it.
    NoRoom(Option<Sender>),
}

/// The names of one transport.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: BTreeMap<Box<str>, (Option<IpAddr>, Instant)>,
    waiting: BTreeMap<Box<str>, Vec<Outbound>>,
}

impl Names {
    /// What is known of a name now.
    pub(super) fn find(&self, host: &str, now: Instant) -> Known {
        match self.known.get(host) {
            Some((Some(address), until)) if now < *until => Known::Address(*address),
            Some((None, until)) if now < *until => Known::None,
            Some(_) | None => Known::Unknown,
        }
    }

    /// Lets a message wait for a name that is not known.
    pub(super) fn wait(&mut self, host: &str, outbound: Outbound) -> Waits {
        if let Some(waiting) = self.waiting.get_mut(host) {
            if waiting.len() >= NAME_WAITING_LEN_MAX {
                return Waits::NoRoom(outbound.sender);
            }
            waiting.push(outbound);
            return Waits::Behind;
        }
        if self.waiting.len() >= LOOKUPS_MAX {
            return Waits::NoRoom(outbound.sender);
        }
        self.waiting.insert(host.into(), vec![outbound]);
        Waits::LookUp
    }

    /// Takes in the answer of a look-up and gives out what waited for it, in order.
    pub(super) fn answered(
        &mut self,
        host: &str,
        address: Option<IpAddr>,
        now: Instant,
    ) -> Vec<Outbound> {
        if self.known.len() >= NAMES_MAX && !self.known.contains_key(host) {
            self.make_room(now);
        }
        let ttl = if address.is_some() { NAME_TTL } else { NAME_FAILURE_TTL };
        self.known.insert(host.into(), (address, now + ttl));
        self.waiting.remove(host).unwrap_or_default()
    }

    /// Forgets what is stale; if all is fresh, what will be stale first.
    fn make_room(&mut self, now: Instant) {
        self.known.retain(|_, (_, until)| now < *until);
        if self.known.len() >= NAMES_MAX
            && let Some((first, _)) = self.known.iter().min_by_key(|(_, (_, until))| *until)
        {
            let first = first.clone();
            self.known.remove(&first);
        }
    }

    #[cfg(test)]
    pub(super) fn known_len(&self) -> usize {
        self.known.len()
    }
}
