//! The bindings of every address-of-record and what may change them.

use super::{
    AOR_BYTES_MAX, AORS_LEN_MAX, Binding, CALL_ID_BYTES_MAX, CONTACT_PARAMS_BYTES_MAX,
    CONTACTS_PER_AOR_LEN_MAX, Change, Contact, EXPIRIES_PER_TURN_MAX, Entry, GONE_HOLD_MAX_MS,
    GONE_HOLD_MIN_MS, GONE_PER_AOR_LEN_MAX, Listed, Outcome, Refusal, Update, Verdict, contact_key,
};
use crate::base::contact::{Bound, ContactBlock, Parts};
use crate::base::expiry::Expiries;
use crate::base::few::Few;
use crate::base::table::{Hasher, Keyed, Table};
use crate::base::time::{Duration, Instant};
use core::cmp::Ordering;
use siphasher::sip::SipHasher13;

/// The last CSeq of a (contact, Call-ID) pair that holds no binding.
#[derive(Clone, Debug)]
struct Gone {
    contact: ContactBlock,
    cseq: u32,
    /// A digest of the Call-ID: most blocks need not be fetched to see that they are
    /// of another one.
    digest: u32,
    until: Instant,
}

impl Gone {
    fn of(contact: ContactBlock, cseq: u32, until: Instant) -> Self {
        let digest = digest_of(contact.call_id());
        Self { contact, cseq, digest, until }
    }

    fn is_of(&self, pair: &Pair<'_>) -> bool {
        self.digest == pair.digest
            && self.contact.call_id() == pair.call_id
            && self.contact.key() == pair.key
    }
}

/// A contact and a Call-ID that is looked for among what is remembered.
struct Pair<'a> {
    key: &'a str,
    call_id: &'a str,
    digest: u32,
}

impl<'a> Pair<'a> {
    fn of(key: &'a str, call_id: &'a str) -> Self {
        Self { key, call_id, digest: digest_of(call_id) }
    }
}

fn digest_of(call_id: &str) -> u32 {
    SipHasher13::new().hash(call_id.as_bytes()) as u32
}

/// What one address-of-record has. One that has nothing does not know whose it is: what
/// changes a record puts the new in before it takes the old out.
#[derive(Debug, Default)]
struct Record {
    /// By q descending, then the most recent first, then by key.
    bindings: Few<Binding>,
    /// Nearly always there is none.
    #[expect(clippy::box_collection, reason = "nearly always absent: 8 bytes, not 24")]
    gone: Option<Box<Vec<Gone>>>,
}

impl Keyed for Record {
    fn hash(&self, hasher: &Hasher) -> u64 {
        hasher.of(self.aor().as_bytes())
    }
}

/// How one contact of a request stands to what is held.
enum Standing {
    Fresh,
    Repeated,
    OutOfOrder { held: u32 },
}

impl Record {
    fn contact(&self) -> Option<&ContactBlock> {
        let binding = self.bindings.first().map(|binding| &binding.contact);
        binding.or_else(|| self.gone().first().map(|gone| &gone.contact))
    }

    fn aor(&self) -> &str {
        self.contact().map_or("", ContactBlock::aor)
    }

    fn is_of(&self, aor: &str) -> bool {
        self.contact().is_some_and(|contact| contact.is_of(aor))
    }

    fn gone(&self) -> &[Gone] {
        self.gone.as_ref().map_or(&[], |list| list)
    }

    fn live(&self, now: Instant) -> impl Iterator<Item = &Binding> {
        self.bindings.iter().filter(move |binding| binding.expires > now)
    }

    fn position(&self, key: &Key) -> Option<usize> {
        self.bindings.iter().position(|binding| match key {
            Key::Held(contact) => binding.contact.is_same_block(contact),
            Key::New(text) => binding.contact.key() == text,
        })
    }

    /// A binding in the place of the one of the same contact.
    fn replace(&mut self, at: Option<usize>, binding: Binding) {
        match (at, &mut *self.bindings) {
            (Some(_), [held]) => *held = binding,
            (at, _) => {
                if let Some(at) = at {
                    self.bindings.take(at);
                }
                self.insert(binding);
            }
        }
    }

    fn insert(&mut self, binding: Binding) {
        let at = self.bindings.partition_point(|held| is_before(held, &binding));
        self.bindings.insert(at, binding);
    }

    /// RFC 3261 10.3 step 7 for one contact, and whether it is bound.
    fn standing(&self, asked: &Asked<'_>, update: &Update, now: Instant) -> (Standing, bool) {
        let Asked { key, contact } = asked;
        let (call_id, cseq) = (&*update.call_id, update.cseq);
        let removes = contact.expires.is_zero();
        let held = self.position(key).and_then(|at| self.bindings.get(at));
        let held = held.filter(|held| held.expires > now);
        if let Some(held) = held.filter(|held| held.contact.call_id() == call_id) {
            let is_identical = || {
                let bound = held.contact.bound().filter(|_| !removes);
                bound.is_some_and(|bound| {
                    bound.uri == &*contact.uri
                        && bound.q == contact.q
                        && bound.params == &*contact.params
                })
            };
            let standing = match cseq.cmp(&held.cseq) {
                Ordering::Greater => Standing::Fresh,
                Ordering::Equal if is_identical() => Standing::Repeated,
                Ordering::Equal | Ordering::Less => Standing::OutOfOrder { held: held.cseq },
            };
            return (standing, true);
        }
        if self.gone().is_empty() {
            return (Standing::Fresh, held.is_some());
        }
        let pair = Pair::of(key.text(), call_id);
        let remembered = |gone: &&Gone| gone.until > now && gone.is_of(&pair);
        let standing = match self.gone().iter().find(remembered) {
            Some(gone) if cseq == gone.cseq && removes => Standing::Repeated,
            Some(gone) if cseq <= gone.cseq => Standing::OutOfOrder { held: gone.cseq },
            Some(_) | None => Standing::Fresh,
        };
        (standing, held.is_some())
    }

    /// Remembers a CSeq; the one that would be forgotten first makes room.
    fn remember(&mut self, gone: Gone) {
        let list = self.gone.get_or_insert_default();
        let Parts { key, call_id, .. } = gone.contact.parts();
        let pair = Pair { key, call_id, digest: gone.digest };
        if let Some(held) = list.iter_mut().find(|held| held.is_of(&pair)) {
            held.cseq = held.cseq.max(gone.cseq);
            held.until = held.until.max(gone.until);
            return;
        }
        if list.len() >= GONE_PER_AOR_LEN_MAX {
            let first = list.iter().enumerate().min_by_key(|(_, held)| held.until);
            if let Some(first) = first.map(|(at, _)| at) {
                list.swap_remove(first);
            }
        }
        list.push(gone);
    }

    /// Keeps only what `is_kept` says of what is remembered.
    fn retain_gone(&mut self, is_kept: impl Fn(&Gone) -> bool) {
        let Some(list) = &mut self.gone else { return };
        list.retain(is_kept);
        if list.is_empty() {
            self.gone = None;
        }
    }

    /// A pair that holds a binding again needs no memory of its last CSeq.
    fn forget(&mut self, contact: &ContactBlock) {
        if self.gone.is_some() {
            let Parts { key, call_id, .. } = contact.parts();
            let pair = Pair::of(key, call_id);
            self.retain_gone(|gone| !gone.is_of(&pair));
        }
    }

    /// Remembers the CSeq of a binding that another Call-ID has taken over.
    fn supersede(&mut self, at: Option<usize>, by: &ContactBlock, now: Instant) {
        let Some(old) = at.and_then(|at| self.bindings.get(at)) else { return };
        if old.contact.is_same_block(by) || old.contact.call_id() == by.call_id() {
            return;
        }
        let until = hold_until(old.expires, now);
        self.remember(Gone::of(old.contact.clone(), old.cseq, until));
    }

    fn earliest(&self) -> Option<Instant> {
        let expiries = self.bindings.iter().map(|binding| binding.expires);
        expiries.chain(self.gone().iter().map(|gone| gone.until)).min()
    }

    fn listed(&self, now: Instant) -> Few<Listed> {
        let list = |binding: &Binding| Listed {
            contact: binding.contact.clone(),
            expires_s: u64::try_from((binding.expires - now).as_nanos().div_ceil(1_000_000_000))
                .unwrap_or(u64::MAX),
        };
        self.live(now).map(list).collect()
    }
}

/// Whether a binding stays in front of a new one.
fn is_before(held: &Binding, new: &Binding) -> bool {
    let (held_parts, new_parts) = (held.contact.parts(), new.contact.parts());
    let q = |parts: &Parts<'_>| parts.bound.map_or(0, |bound| bound.q);
    (q(&new_parts), new.updated)
        .cmp(&(q(&held_parts), held.updated))
        .then_with(|| held_parts.key.cmp(new_parts.key))
        .is_lt()
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
    records: Table<Record>,
    expiries: Expiries,
    bindings_len: usize,
    version: u64,
}

impl Registrar {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store that finds its records by those hashes.
    #[must_use]
    pub fn with_hasher(hasher: Hasher) -> Self {
        Self { records: Table::with_hasher(hasher), ..Self::default() }
    }

    /// Whether `update` may be taken, without taking it: asked before the request
    /// is forwarded to a node, when `granted` is not known yet and not looked at.
    ///
    /// # Errors
    /// As [`Registrar::update`].
    pub fn check(&self, update: &Update, now: Instant) -> Result<Verdict, Refusal> {
        let record = self.record(&update.aor);
        self.judge(record, update, &keyed(update, record)?, now)
    }

    /// Takes a REGISTER that a node has accepted, RFC 3261 10.3 steps 6 to 8.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has changed then.
    pub fn update(&mut self, update: Update, now: Instant) -> Result<Outcome, Refusal> {
        let place = self.place(&update.aor);
        let record = place.index.and_then(|index| self.records.get(index));
        let contacts = keyed(&update, record)?;
        let (bindings, entries) = match self.judge(record, &update, &contacts, now)? {
            Verdict::Fetch | Verdict::Repeated => {
                (record.map(|record| record.listed(now)).unwrap_or_default(), Few::None)
            }
            Verdict::Fresh => self.change(place, |record| {
                let entries = Commit { update: &update, now }.write(record, contacts);
                (record.listed(now), entries)
            }),
        };
        if !entries.is_empty() {
            self.version += 1;
        }
        Ok(Outcome { bindings, entries, version: self.version })
    }

    /// Takes what another proxy has decided, without question: which of two
    /// entries is the newer one is settled where they are replicated. The bound on
    /// contacts is each proxy's own, so an address-of-record that was registered
    /// through several cut-off proxies may come to hold that many times as many.
    /// Tells whether the bindings changed.
    pub fn apply(&mut self, entry: Entry, now: Instant) -> bool {
        let (Entry::Put(Binding { contact, .. }) | Entry::Remove { contact, .. }) = &entry;
        let place = self.place(contact.aor());
        if place.index.is_none() && self.records.len() >= AORS_LEN_MAX {
            return false;
        }
        let changed = self.change(place, |record| apply_to(record, entry, now));
        self.version += u64::from(changed);
        changed
    }

    /// The bindings of an address-of-record that have not expired: by q
    /// descending, among equal q the most recent first.
    pub fn lookup(&self, aor: &str, now: Instant) -> impl Iterator<Item = &Binding> {
        let bindings = self.record(aor).map_or(&[][..], |record| &record.bindings);
        bindings.iter().filter(move |binding| binding.expires > now)
    }

    /// All bindings that have not expired, those of the address-of-record that is
    /// looked at next for expiry first: of those not refreshed yet, the soonest to
    /// expire.
    pub fn all(&self, now: Instant) -> impl Iterator<Item = &Binding> {
        let records = self.expiries.iter().filter_map(|index| self.records.get(index));
        records.flat_map(move |record| record.live(now))
    }

    /// Drops what has expired by `now`, a bounded part per call: while
    /// [`Registrar::deadline`] is not after `now`, call again. Gives what it dropped.
    pub fn on_timer(&mut self, now: Instant) -> Vec<Binding> {
        let mut expired = Vec::new();
        for _ in 0..EXPIRIES_PER_TURN_MAX {
            let Some(index) = self.expiries.pop(now) else { break };
            let Some(record) = self.records.get(index) else { continue };
            let hash = self.records.hash_of(record.aor().as_bytes());
            let Some(record) = self.records.get_mut(index) else { continue };
            while let Some(at) = record.bindings.iter().position(|held| held.expires <= now) {
                expired.extend(record.bindings.take(at));
            }
            record.retain_gone(|gone| gone.until > now);
            self.settle(index, hash);
        }
        self.bindings_len -= expired.len();
        self.version += u64::from(!expired.is_empty());
        expired
    }

    /// When [`Registrar::on_timer`] is due, to the second: what has expired before is
    /// not listed all the same. `None` while nothing can expire.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.expiries.next()
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
        assert_eq!(self.records.len(), self.expiries.len(), "each is entered once");
        self.records.len()
    }

    #[cfg(test)]
    pub(super) fn gone_len(&self, aor: &str) -> usize {
        self.record(aor).map_or(0, |record| record.gone().len())
    }

    fn place(&self, aor: &str) -> Place {
        let hash = self.records.hash_of(aor.as_bytes());
        Place { hash, index: self.records.find(hash, |record| record.is_of(aor)) }
    }

    fn record(&self, aor: &str) -> Option<&Record> {
        let hash = self.records.hash_of(aor.as_bytes());
        self.records.find_record(hash, |record| record.is_of(aor))
    }

    fn judge(
        &self,
        record: Option<&Record>,
        update: &Update,
        contacts: &[Asked<'_>],
        now: Instant,
    ) -> Result<Verdict, Refusal> {
        match &update.change {
            Change::Fetch => return Ok(Verdict::Fetch),
            Change::RemoveAll => return judge_remove_all(record, update, now),
            Change::Contacts(_) if contacts.is_empty() => return Ok(Verdict::Fetch),
            Change::Contacts(_) => {}
        }
        if record.is_none() && self.records.len() >= AORS_LEN_MAX {
            return Err(Refusal::StoreFull);
        }
        let (mut fresh, mut repeated, mut added, mut removed) = (0, 0, 0_usize, 0_usize);
        for asked in contacts {
            let (standing, is_bound) = match record {
                Some(record) => record.standing(asked, update, now),
                None => (Standing::Fresh, false),
            };
            match standing {
                Standing::Fresh => fresh += 1,
                Standing::Repeated => repeated += 1,
                Standing::OutOfOrder { held } => {
                    return Err(Refusal::OutOfOrder { cseq: update.cseq, held });
                }
            }
            match is_bound {
                true if asked.contact.expires.is_zero() => removed += 1,
                false if !asked.contact.expires.is_zero() => added += 1,
                true | false => {}
            }
        }
        if fresh > 0 && repeated > 0 {
            return Err(Refusal::OutOfOrder { cseq: update.cseq, held: update.cseq });
        }
        let kept = record.map_or(0, |record| record.live(now).count()) - removed;
        if added > 0 && kept + added > CONTACTS_PER_AOR_LEN_MAX {
            return Err(Refusal::TooManyContacts);
        }
        Ok(if fresh > 0 { Verdict::Fresh } else { Verdict::Repeated })
    }

    /// Changes the record of an address-of-record, or a new one, and brings what
    /// depends on it in line.
    fn change<R>(&mut self, place: Place, change: impl FnOnce(&mut Record) -> R) -> R {
        let held = place.index.and_then(|index| Some((index, self.records.get_mut(index)?)));
        if let Some((index, record)) = held {
            let before = record.bindings.len();
            let done = change(record);
            self.bindings_len = self.bindings_len + record.bindings.len() - before;
            self.settle(index, place.hash);
            return done;
        }
        let mut record = Record::default();
        let done = change(&mut record);
        let bindings_len = record.bindings.len();
        if record.earliest().is_some()
            && let Ok(index) = self.records.insert(record)
        {
            self.bindings_len += bindings_len;
            self.settle(index, place.hash);
        }
        done
    }

    /// Enters a record for its next expiry, or drops one that has nothing left.
    fn settle(&mut self, index: u32, hash: u64) {
        let Some(record) = self.records.get_mut(index) else { return };
        match record.earliest() {
            Some(due) => self.expiries.enter(index, due),
            None => {
                self.expiries.withdraw(index);
                self.records.remove(index, hash);
            }
        }
    }
}

/// Where the record of an address-of-record is, or would be.
#[derive(Clone, Copy)]
struct Place {
    hash: u64,
    index: Option<u32>,
}

/// What another proxy has decided, written to a record.
fn apply_to(record: &mut Record, entry: Entry, now: Instant) -> bool {
    let (Entry::Put(Binding { contact, .. }) | Entry::Remove { contact, .. }) = &entry;
    let key = contact.key();
    let at = record.bindings.iter().position(|held| held.contact.key() == key);
    record.supersede(at, contact, now);
    match entry {
        Entry::Put(binding) if binding.expires > now => {
            record.forget(&binding.contact);
            record.replace(at, binding);
            return true;
        }
        Entry::Put(_) => {}
        Entry::Remove { contact, cseq, hold_until, .. } => {
            record.remember(Gone::of(contact, cseq, hold_until));
        }
    }
    at.is_some_and(|at| record.bindings.take(at).is_some())
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
        |held: &&Binding| held.contact.call_id() == &*update.call_id && held.cseq >= update.cseq;
    if let Some(held) = record.live(now).find(newer) {
        return Err(Refusal::OutOfOrder { cseq: update.cseq, held: held.cseq });
    }
    Ok(if record.live(now).next().is_none() { Verdict::Repeated } else { Verdict::Fresh })
}

/// One accepted REGISTER while its contacts are written to a record.
struct Commit<'a> {
    update: &'a Update,
    now: Instant,
}

impl Commit<'_> {
    fn write(&self, record: &mut Record, contacts: Few<Asked<'_>>) -> Few<Entry> {
        match &self.update.change {
            Change::Fetch => Few::None,
            Change::RemoveAll => {
                let live = record.live(self.now).map(|binding| Key::Held(binding.contact.clone()));
                let live: Vec<Key> = live.collect();
                live.iter().map(|key| self.remove(record, key)).collect()
            }
            Change::Contacts(_) => {
                contacts.into_iter().map(|asked| self.contact(record, &asked)).collect()
            }
        }
    }

    fn contact(&self, record: &mut Record, asked: &Asked<'_>) -> Entry {
        let Asked { key, contact } = asked;
        let lifetime = contact.expires.min(self.update.granted);
        if lifetime.is_zero() {
            return self.remove(record, key);
        }
        let bound = Bound {
            uri: &contact.uri,
            params: &contact.params,
            q: contact.q,
            node: self.update.node,
            source: self.update.source,
        };
        let at = record.position(key);
        let parts = self.parts(key.text(), Some(bound));
        // A refresh that says the same shares the block of what it replaces.
        let held = at.and_then(|at| record.bindings.get(at)).map(|held| &held.contact);
        let same = held.filter(|held| held.parts() == parts).cloned();
        let binding = Binding {
            contact: same.unwrap_or_else(|| ContactBlock::new(&parts)),
            cseq: self.update.cseq,
            proxy: self.update.proxy,
            expires: self.now + lifetime,
            updated: self.now,
        };
        record.supersede(at, &binding.contact, self.now);
        record.replace(at, binding.clone());
        record.forget(&binding.contact);
        Entry::Put(binding)
    }

    /// Also for a contact that is not bound here: another proxy may hold it.
    fn remove(&self, record: &mut Record, key: &Key) -> Entry {
        let contact = ContactBlock::new(&self.parts(key.text(), None));
        let at = record.position(key);
        let expires = at.and_then(|at| record.bindings.get(at)).map(|held| held.expires);
        let hold_until = hold_until(expires.unwrap_or(self.now), self.now);
        record.supersede(at, &contact, self.now);
        let (cseq, proxy) = (self.update.cseq, self.update.proxy);
        record.remember(Gone::of(contact.clone(), cseq, hold_until));
        if let Some(at) = at {
            record.bindings.take(at);
        }
        Entry::Remove { contact, cseq, proxy, hold_until }
    }

    fn parts<'a>(&'a self, key: &'a str, bound: Option<Bound<'a>>) -> Parts<'a> {
        Parts { aor: &self.update.aor, key, call_id: &self.update.call_id, bound }
    }
}

/// The normal form of a contact.
enum Key {
    /// That of a binding with the same URI, which needs no work.
    Held(ContactBlock),
    New(String),
}

impl Key {
    fn text(&self) -> &str {
        match self {
            Self::Held(contact) => contact.key(),
            Self::New(text) => text,
        }
    }

    fn of(uri: &str, record: Option<&Record>) -> Option<Self> {
        let mut held = record.into_iter().flat_map(|record| record.bindings.iter());
        let same = |held: &&Binding| held.contact.uri() == Some(uri);
        match held.find(same) {
            Some(held) => Some(Self::Held(held.contact.clone())),
            None => contact_key(uri).map(Self::New),
        }
    }
}

/// One contact of a request.
struct Asked<'a> {
    key: Key,
    contact: &'a Contact,
}

/// The contacts of a request with their keys, each key once (the last one
/// counts), after the checks that need no store.
fn keyed<'a>(update: &'a Update, record: Option<&Record>) -> Result<Few<Asked<'a>>, Refusal> {
    let within = |what, text: &str, bytes_max| {
        if text.len() > bytes_max { Err(Refusal::TooLong { what, bytes_max }) } else { Ok(()) }
    };
    within("address-of-record", &update.aor, AOR_BYTES_MAX)?;
    within("Call-ID", &update.call_id, CALL_ID_BYTES_MAX)?;
    let contacts = match &update.change {
        Change::Fetch | Change::RemoveAll => return Ok(Few::None),
        Change::Contacts(contacts) => contacts,
    };
    let mut keyed: Few<Asked<'a>> = Few::None;
    for contact in contacts {
        within("contact parameters", &contact.params, CONTACT_PARAMS_BYTES_MAX)?;
        let key = Key::of(&contact.uri, record).ok_or(Refusal::BadContact)?;
        if let Some(at) = keyed.iter().position(|held| held.key.text() == key.text()) {
            keyed.take(at);
        }
        if keyed.len() >= CONTACTS_PER_AOR_LEN_MAX {
            return Err(Refusal::TooManyContacts);
        }
        keyed.push(Asked { key, contact });
    }
    Ok(keyed)
}
