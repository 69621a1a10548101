//! The bindings of every address-of-record and what may change them.

use super::{
    AOR_BYTES_MAX, AORS_LEN_MAX, Binding, CALL_ID_BYTES_MAX, CONTACT_PARAMS_BYTES_MAX,
    CONTACTS_PER_AOR_LEN_MAX, Change, Contact, EXPIRIES_PER_TURN_MAX, Entry, Expired,
    GONE_HOLD_MAX_MS, GONE_HOLD_MIN_MS, GONE_PER_AOR_LEN_MAX, Listed, Outcome, Refusal, Update,
    Verdict, contact_key,
};
use crate::base::time::{Duration, Instant};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The last CSeq of a (contact, Call-ID) pair that holds no binding.
#[derive(Clone, Debug)]
struct Gone {
    key: Arc<str>,
    call_id: Arc<str>,
    cseq: u32,
    until: Instant,
}

/// What one address-of-record has.
#[derive(Debug, Default)]
struct Record {
    /// By q descending, then the most recent first, then by key.
    bindings: Vec<Binding>,
    gone: Vec<Gone>,
    /// What the deadline set holds for this record.
    due: Option<Instant>,
}

/// How one contact of a request stands to what is held.
enum Standing {
    Fresh,
    Repeated,
    OutOfOrder { held: u32 },
}

impl Record {
    fn live(&self, now: Instant) -> impl Iterator<Item = &Binding> {
        self.bindings.iter().filter(move |binding| binding.expires > now)
    }

    fn take(&mut self, key: &str) -> Option<Binding> {
        let at = self.bindings.iter().position(|binding| &*binding.key == key)?;
        Some(self.bindings.remove(at))
    }

    fn insert(&mut self, binding: Binding) {
        let before = |held: &Binding| {
            (binding.q, binding.updated)
                .cmp(&(held.q, held.updated))
                .then_with(|| held.key.cmp(&binding.key))
                .is_lt()
        };
        let at = self.bindings.partition_point(before);
        // Nearly every record has one binding; room for four would double its size.
        self.bindings.reserve_exact(1);
        self.bindings.insert(at, binding);
    }

    /// RFC 3261 10.3 step 7 for one contact.
    fn standing(
        &self,
        key: &str,
        contact: &Contact,
        call_id: &str,
        cseq: u32,
        now: Instant,
    ) -> Standing {
        let removes = contact.expires.is_zero();
        if let Some(held) =
            self.live(now).find(|held| &*held.key == key && &*held.call_id == call_id)
        {
            let identical = !removes
                && held.uri[..] == contact.uri[..]
                && held.q == contact.q
                && held.params[..] == contact.params[..];
            return if cseq > held.cseq {
                Standing::Fresh
            } else if cseq == held.cseq && identical {
                Standing::Repeated
            } else {
                Standing::OutOfOrder { held: held.cseq }
            };
        }
        let gone =
            |gone: &&Gone| &*gone.key == key && &*gone.call_id == call_id && gone.until > now;
        match self.gone.iter().find(gone) {
            Some(gone) if cseq == gone.cseq && removes => Standing::Repeated,
            Some(gone) if cseq <= gone.cseq => Standing::OutOfOrder { held: gone.cseq },
            Some(_) | None => Standing::Fresh,
        }
    }

    /// Remembers a CSeq; the one that would be forgotten first makes room.
    fn remember(&mut self, gone: Gone) {
        let same = |held: &&mut Gone| held.key == gone.key && held.call_id == gone.call_id;
        if let Some(held) = self.gone.iter_mut().find(same) {
            held.cseq = held.cseq.max(gone.cseq);
            held.until = held.until.max(gone.until);
            return;
        }
        if self.gone.len() >= GONE_PER_AOR_LEN_MAX {
            let first =
                self.gone.iter().enumerate().min_by_key(|(_, held)| held.until).map(|(at, _)| at);
            if let Some(first) = first {
                self.gone.swap_remove(first);
            }
        }
        self.gone.push(gone);
    }

    /// A pair that holds a binding again needs no memory of its last CSeq.
    fn forget(&mut self, key: &str, call_id: &str) {
        self.gone.retain(|gone| &*gone.key != key || &*gone.call_id != call_id);
    }

    fn earliest(&self) -> Option<Instant> {
        let expiries = self.bindings.iter().map(|binding| binding.expires);
        expiries.chain(self.gone.iter().map(|gone| gone.until)).min()
    }

    fn listed(&self, now: Instant) -> Vec<Listed> {
        let list = |binding: &Binding| Listed {
            uri: binding.uri.clone(),
            q: binding.q,
            params: binding.params.clone(),
            expires_s: u64::try_from((binding.expires - now).as_nanos().div_ceil(1_000_000_000))
                .unwrap_or(u64::MAX),
        };
        self.live(now).map(list).collect()
    }
}

/// How long the removal of a binding that would have lasted until `expires` is
/// remembered: no copy of it outlives that, within bounds.
fn hold_until(expires: Instant, now: Instant) -> Instant {
    expires
        .max(now + Duration::from_millis(GONE_HOLD_MIN_MS))
        .min(now + Duration::from_millis(GONE_HOLD_MAX_MS))
}

/// All bindings of one proxy.
#[derive(Debug, Default)]
pub struct Registrar {
    records: HashMap<Arc<str>, Record>,
    deadlines: BTreeSet<(Instant, Arc<str>)>,
    bindings_len: usize,
    version: u64,
}

impl Registrar {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether `update` may be taken, without taking it: asked before the request
    /// is forwarded to a node, when `granted` is not known yet and not looked at.
    ///
    /// # Errors
    /// As [`Registrar::update`].
    pub fn check(&self, update: &Update, now: Instant) -> Result<Verdict, Refusal> {
        self.judge(update, &keyed(update)?, now)
    }

    /// Takes a REGISTER that a node has accepted, RFC 3261 10.3 steps 6 to 8.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has changed then.
    pub fn update(&mut self, update: Update, now: Instant) -> Result<Outcome, Refusal> {
        let contacts = keyed(&update)?;
        let entries = match self.judge(&update, &contacts, now)? {
            Verdict::Fetch | Verdict::Repeated => Vec::new(),
            Verdict::Fresh => self.commit(&update, contacts, now),
        };
        if !entries.is_empty() {
            self.version += 1;
        }
        let bindings =
            self.records.get(&*update.aor).map(|record| record.listed(now)).unwrap_or_default();
        Ok(Outcome { bindings, entries, version: self.version })
    }

    /// Takes what another proxy has decided, without question: which of two
    /// entries is the newer one is settled where they are replicated. The bound on
    /// contacts is each proxy's own, so an address-of-record that was registered
    /// through several cut-off proxies may come to hold that many times as many.
    /// Tells whether the bindings changed.
    pub fn apply(&mut self, entry: Entry, now: Instant) -> bool {
        let (aor, key, call_id) = match &entry {
            Entry::Put { aor, binding } => {
                (aor.clone(), binding.key.clone(), binding.call_id.clone())
            }
            Entry::Remove { aor, key, call_id, .. } => (aor.clone(), key.clone(), call_id.clone()),
        };
        if !self.records.contains_key(&aor) && self.records.len() >= AORS_LEN_MAX {
            return false;
        }
        let record = self.records.entry(aor.clone()).or_default();
        let old = record.take(&key);
        self.bindings_len -= usize::from(old.is_some());
        let mut changed = old.is_some();
        if let Some(old) = old.filter(|old| old.call_id != call_id) {
            let until = hold_until(old.expires, now);
            record.remember(Gone { key: key.clone(), call_id: old.call_id, cseq: old.cseq, until });
        }
        match entry {
            Entry::Put { binding, .. } if binding.expires > now => {
                record.forget(&key, &call_id);
                record.insert(*binding);
                self.bindings_len += 1;
                changed = true;
            }
            Entry::Put { .. } => {}
            Entry::Remove { cseq, hold_until, .. } => {
                record.remember(Gone { key, call_id, cseq, until: hold_until });
            }
        }
        self.version += u64::from(changed);
        self.reindex(&aor);
        changed
    }

    /// The bindings of an address-of-record that have not expired: by q
    /// descending, among equal q the most recent first.
    pub fn lookup(&self, aor: &str, now: Instant) -> impl Iterator<Item = &Binding> {
        self.records.get(aor).into_iter().flat_map(move |record| record.live(now))
    }

    /// All bindings that have not expired, the soonest to expire first, with the
    /// address-of-record of each.
    pub fn all(&self, now: Instant) -> impl Iterator<Item = (&Arc<str>, &Binding)> {
        self.deadlines
            .iter()
            .filter_map(|(_, aor)| self.records.get(aor).map(|record| (aor, record)))
            .flat_map(move |(aor, record)| record.live(now).map(move |binding| (aor, binding)))
    }

    /// Drops what has expired by `now`, a bounded part per call: while
    /// [`Registrar::deadline`] is not after `now`, call again.
    pub fn on_timer(&mut self, now: Instant) -> Vec<Expired> {
        let mut expired = Vec::new();
        for _ in 0..EXPIRIES_PER_TURN_MAX {
            let Some((_, aor)) = self.deadlines.first().filter(|(due, _)| *due <= now).cloned()
            else {
                break;
            };
            if let Some(record) = self.records.get_mut(&aor) {
                let ended = record.bindings.extract_if(.., |binding| binding.expires <= now);
                expired.extend(ended.map(|binding| Expired { aor: aor.clone(), binding }));
                record.gone.retain(|gone| gone.until > now);
            }
            self.reindex(&aor);
        }
        self.bindings_len -= expired.len();
        self.version += u64::from(!expired.is_empty());
        expired
    }

    /// When [`Registrar::on_timer`] is due; `None` while nothing can expire.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(due, _)| *due)
    }

    /// Version of the store: it rises with every change of a binding.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// How many bindings there are, expired ones that await the timer included.
    #[must_use]
    pub const fn bindings_len(&self) -> usize {
        self.bindings_len
    }

    #[cfg(test)]
    pub(super) fn records_len(&self) -> usize {
        self.records.len()
    }

    #[cfg(test)]
    pub(super) fn gone_len(&self, aor: &str) -> usize {
        self.records.get(aor).map_or(0, |record| record.gone.len())
    }

    fn judge(
        &self,
        update: &Update,
        contacts: &[(String, &Contact)],
        now: Instant,
    ) -> Result<Verdict, Refusal> {
        let record = self.records.get(&*update.aor);
        match &update.change {
            Change::Fetch => return Ok(Verdict::Fetch),
            Change::RemoveAll => return judge_remove_all(record, update, now),
            Change::Contacts(_) if contacts.is_empty() => return Ok(Verdict::Fetch),
            Change::Contacts(_) => {}
        }
        if record.is_none() && self.records.len() >= AORS_LEN_MAX {
            return Err(Refusal::StoreFull);
        }
        let (mut fresh, mut repeated, mut added) = (0, 0, 0_usize);
        let mut kept: Vec<&str> =
            record.into_iter().flat_map(|r| r.live(now)).map(|held| &*held.key).collect();
        for (key, contact) in contacts {
            let standing = match record {
                Some(record) => record.standing(key, contact, &update.call_id, update.cseq, now),
                None => Standing::Fresh,
            };
            match standing {
                Standing::Fresh => fresh += 1,
                Standing::Repeated => repeated += 1,
                Standing::OutOfOrder { held } => {
                    return Err(Refusal::OutOfOrder { cseq: update.cseq, held });
                }
            }
            match kept.iter().position(|held| held == key) {
                Some(at) if contact.expires.is_zero() => drop(kept.swap_remove(at)),
                None if !contact.expires.is_zero() => added += 1,
                Some(_) | None => {}
            }
        }
        if fresh > 0 && repeated > 0 {
            return Err(Refusal::OutOfOrder { cseq: update.cseq, held: update.cseq });
        }
        if added > 0 && kept.len() + added > CONTACTS_PER_AOR_LEN_MAX {
            return Err(Refusal::TooManyContacts);
        }
        Ok(if fresh > 0 { Verdict::Fresh } else { Verdict::Repeated })
    }

    fn commit(
        &mut self,
        update: &Update,
        contacts: Vec<(String, &Contact)>,
        now: Instant,
    ) -> Vec<Entry> {
        let aor = match self.records.get_key_value(&*update.aor) {
            Some((aor, _)) => aor.clone(),
            None => Arc::from(&*update.aor),
        };
        let record = self.records.entry(aor.clone()).or_default();
        let before = record.bindings.len();
        let commit = Commit { aor: aor.clone(), call_id: Arc::from(&*update.call_id), update, now };
        let entries = match &update.change {
            Change::Fetch => Vec::new(),
            Change::RemoveAll => {
                let keys: Vec<Arc<str>> =
                    record.live(now).map(|binding| binding.key.clone()).collect();
                keys.into_iter().map(|key| commit.remove(record, key)).collect()
            }
            Change::Contacts(_) => contacts
                .into_iter()
                .map(|(key, contact)| commit.contact(record, key, contact))
                .collect(),
        };
        let after = record.bindings.len();
        self.bindings_len = self.bindings_len + after - before;
        self.reindex(&aor);
        entries
    }

    /// Moves the record's place in the deadline set, or drops a record that has
    /// nothing left.
    fn reindex(&mut self, aor: &Arc<str>) {
        let Some(record) = self.records.get_mut(aor) else {
            return;
        };
        let (old, due) = (record.due, record.earliest());
        record.due = due;
        if due != old {
            if let Some(old) = old {
                self.deadlines.remove(&(old, aor.clone()));
            }
            if let Some(due) = due {
                self.deadlines.insert((due, aor.clone()));
            }
        }
        if due.is_none() {
            self.records.remove(aor);
        }
    }
}

/// RFC 3261 10.3 step 6: every binding goes, or none.
fn judge_remove_all(
    record: Option<&Record>,
    update: &Update,
    now: Instant,
) -> Result<Verdict, Refusal> {
    let Some(record) = record else {
        return Ok(Verdict::Repeated);
    };
    let newer =
        |held: &&Binding| held.call_id[..] == update.call_id[..] && held.cseq >= update.cseq;
    if let Some(held) = record.live(now).find(newer) {
        return Err(Refusal::OutOfOrder { cseq: update.cseq, held: held.cseq });
    }
    Ok(if record.live(now).next().is_none() { Verdict::Repeated } else { Verdict::Fresh })
}

/// One accepted REGISTER while its contacts are written to a record.
struct Commit<'a> {
    aor: Arc<str>,
    call_id: Arc<str>,
    update: &'a Update,
    now: Instant,
}

impl Commit<'_> {
    fn contact(&self, record: &mut Record, key: String, contact: &Contact) -> Entry {
        let lifetime = contact.expires.min(self.update.granted);
        if lifetime.is_zero() {
            return self.remove(record, Arc::from(key));
        }
        // A refresh shares the texts of the binding that it replaces.
        let old = record.take(&key);
        let share = |held: Option<&Arc<str>>, text: &str| match held {
            Some(held) if **held == *text => held.clone(),
            Some(_) | None if text.is_empty() => Arc::default(),
            Some(_) | None => Arc::from(text),
        };
        let held = old.as_ref();
        // A URI in normal form is its own key.
        let uri = share(held.map(|old| &old.uri), &contact.uri);
        let binding = Binding {
            key: share(held.map(|old| &old.key).or(Some(&uri)), &key),
            uri,
            params: share(held.map(|old| &old.params), &contact.params),
            call_id: share(held.map(|old| &old.call_id), &self.call_id),
            cseq: self.update.cseq,
            q: contact.q,
            expires: self.now + lifetime,
            updated: self.now,
            node: self.update.node,
            proxy: self.update.proxy,
            source: self.update.source,
        };
        self.supersede(record, &binding.key, old);
        record.forget(&key, &self.call_id);
        record.insert(binding.clone());
        Entry::Put { aor: self.aor.clone(), binding: Box::new(binding) }
    }

    /// Also for a contact that is not bound here: another proxy may hold it.
    fn remove(&self, record: &mut Record, key: Arc<str>) -> Entry {
        let old = record.take(&key);
        let hold_until = hold_until(old.as_ref().map_or(self.now, |old| old.expires), self.now);
        self.supersede(record, &key, old);
        let (call_id, cseq) = (self.call_id.clone(), self.update.cseq);
        record.remember(Gone {
            key: key.clone(),
            call_id: call_id.clone(),
            cseq,
            until: hold_until,
        });
        Entry::Remove {
            aor: self.aor.clone(),
            key,
            call_id,
            cseq,
            proxy: self.update.proxy,
            hold_until,
        }
    }

    /// Remembers the CSeq of a binding that another Call-ID has taken over.
    fn supersede(&self, record: &mut Record, key: &Arc<str>, old: Option<Binding>) {
        if let Some(old) = old.filter(|old| old.call_id != self.call_id) {
            let until = hold_until(old.expires, self.now);
            record.remember(Gone { key: key.clone(), call_id: old.call_id, cseq: old.cseq, until });
        }
    }
}

/// The contacts of a request with their keys, each key once (the last one
/// counts), after the checks that need no store.
fn keyed(update: &Update) -> Result<Vec<(String, &Contact)>, Refusal> {
    let within = |what, text: &str, bytes_max| {
        if text.len() > bytes_max { Err(Refusal::TooLong { what, bytes_max }) } else { Ok(()) }
    };
    within("address-of-record", &update.aor, AOR_BYTES_MAX)?;
    within("Call-ID", &update.call_id, CALL_ID_BYTES_MAX)?;
    let contacts = match &update.change {
        Change::Fetch | Change::RemoveAll => return Ok(Vec::new()),
        Change::Contacts(contacts) => contacts,
    };
    let mut keyed: Vec<(String, &Contact)> =
        Vec::with_capacity(contacts.len().min(CONTACTS_PER_AOR_LEN_MAX));
    for contact in contacts {
        within("contact parameters", &contact.params, CONTACT_PARAMS_BYTES_MAX)?;
        let key = contact_key(&contact.uri).ok_or(Refusal::BadContact)?;
        keyed.retain(|(held, _)| *held != key);
        if keyed.len() >= CONTACTS_PER_AOR_LEN_MAX {
            return Err(Refusal::TooManyContacts);
        }
        keyed.push((key, contact));
    }
    Ok(keyed)
}
