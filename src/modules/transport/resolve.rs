//! Host names: what is known, what is being asked, and which messages wait for it.
//! The asking itself is the module's.

use crate::base::flow::Outbound;
use crate::base::limits::NAME_TTL;
use crate::base::time::{Duration, Instant};
use core::net::IpAddr;
use std::collections::BTreeMap;

/// Names that are remembered or asked for at a time.
const NAMES_MAX: usize = 1_024;
/// Messages that wait for one name.
const NAME_BACKLOG_LEN_MAX: usize = 1_024;
/// Time for which a name without an address is not asked for again.
const NAME_FAILURE_TTL: Duration = Duration::from_secs(2);
/// Time that an answer may take.
const LOOK_UP_TIME: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Known {
    addresses: Vec<IpAddr>,
    until: Instant,
}

#[derive(Debug)]
struct Waiting {
    messages: Vec<Outbound>,
    until: Instant,
}

/// What became of a message to a name that is not known.
#[derive(Debug)]
pub(super) enum Wait {
    /// It waits, and the name has to be asked for.
    LookUp,
    /// It waits with others.
    Queued,
    /// Too many do.
    Full(Outbound),
}

/// The names of one transport. Names are compared in lower case.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: BTreeMap<Box<str>, Known>,
    waiting: BTreeMap<Box<str>, Waiting>,
}

impl Names {
    /// The addresses of a name, none for one that is known to have none; `None` when
    /// it has to be asked for.
    pub(super) fn find(&self, host: &str, now: Instant) -> Option<&[IpAddr]> {
        let known = self.known.get(host).filter(|known| now < known.until)?;
        Some(&known.addresses)
    }

    /// Keeps a message until the name is known.
    pub(super) fn wait(&mut self, host: &str, message: Outbound, now: Instant) -> Wait {
        if let Some(waiting) = self.waiting.get_mut(host) {
            if waiting.messages.len() >= NAME_BACKLOG_LEN_MAX {
                return Wait::Full(message);
            }
            waiting.messages.push(message);
            return Wait::Queued;
        }
        if self.waiting.len() >= NAMES_MAX {
            return Wait::Full(message);
        }
        let waiting = Waiting { messages: vec![message], until: now + LOOK_UP_TIME };
        self.waiting.insert(host.into(), waiting);
        Wait::LookUp
    }

    /// Takes the answer and gives back what waited for it.
    pub(super) fn resolved(
        &mut self,
        host: &str,
        addresses: Vec<IpAddr>,
        now: Instant,
    ) -> Vec<Outbound> {
        if self.known.len() >= NAMES_MAX {
            self.known.retain(|_, known| now < known.until);
        }
        if self.known.len() >= NAMES_MAX {
            self.known.pop_first();
        }
        let until = now + if addresses.is_empty() { NAME_FAILURE_TTL } else { NAME_TTL };
        self.known.insert(host.into(), Known { addresses, until });
        self.waiting.remove(host).map(|waiting| waiting.messages).unwrap_or_default()
    }

    /// Messages whose name was not answered in time.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Outbound> {
        if now < self.next_deadline() {
            return Vec::new();
        }
        let late = self.waiting.extract_if(.., |_, waiting| now >= waiting.until);
        late.flat_map(|(_, waiting)| waiting.messages).collect()
    }

    /// When the first of the names being asked for is late.
    pub(super) fn next_deadline(&self) -> Instant {
        self.waiting.values().map(|waiting| waiting.until).min().unwrap_or(Instant::NEVER)
    }
}
