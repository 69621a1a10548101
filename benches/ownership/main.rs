//! Reads of who owns a DN, at a million DNs in random order, in millions a second: the ownership
//! table, and a `dashmap` of the same words, in one run. One thread reads, then two, then one
//! while another writes. Best of 5.

use dashmap::DashMap;
use sipcluster::base::id::{Ids, NodeId};
use sipcluster::base::ownership::{DnIndex, DnWord};
use sipcluster::runtime::clock::Clock;
use sipcluster::runtime::ownership_table::{DNS_MAX, OwnershipTable};
use std::hint::black_box;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

const DNS: usize = 1_000_000;
const READS: usize = 1 << 23;
const PASSES: usize = 5;

const _: () = assert!(DNS <= DNS_MAX);

/// Something that is read and written by the number of a DN.
trait Owners: Send + Sync + 'static {
    /// Epoch of the DN.
    fn read(&self, dn: usize) -> u32;
    fn write(&self, dn: usize, epoch: u32);
}

fn word(epoch: u32) -> DnWord {
    DnWord { owner: NodeId::new(7), epoch, ..DnWord::default() }
}

impl Owners for OwnershipTable {
    fn read(&self, dn: usize) -> u32 {
        Self::read(self, DnIndex(dn as u32)).epoch
    }

    fn write(&self, dn: usize, epoch: u32) {
        Self::write(self, DnIndex(dn as u32), word(epoch));
    }
}

/// By index, as the table.
impl Owners for DashMap<u32, DnWord> {
    fn read(&self, dn: usize) -> u32 {
        self.get(&(dn as u32)).map_or(0, |word| word.epoch)
    }

    fn write(&self, dn: usize, epoch: u32) {
        self.insert(dn as u32, word(epoch));
    }
}

/// By name, which a table without places would be asked for.
struct ByName {
    map: DashMap<Box<str>, DnWord>,
    names: Vec<Box<str>>,
}

impl Owners for ByName {
    fn read(&self, dn: usize) -> u32 {
        self.map.get(&*self.names[dn]).map_or(0, |word| word.epoch)
    }

    fn write(&self, dn: usize, epoch: u32) {
        if let Some(mut found) = self.map.get_mut(&*self.names[dn]) {
            *found = word(epoch);
        }
    }
}

/// Reads all that the order names, and gives a sum that nobody can foresee.
fn pass(owners: &impl Owners, order: &[u32]) -> u64 {
    order.iter().map(|dn| u64::from(owners.read(*dn as usize))).sum()
}

#[expect(clippy::disallowed_methods, reason = "threads of a measurement, each joined")]
/// Millions of reads a second of all readers, with a writer or without.
fn measured<O: Owners>(owners: &Arc<O>, order: &Arc<[u32]>, readers: usize, writes: bool) -> f64 {
    let clock = Clock::start();
    let mut best = 0.0_f64;
    for _ in 0..PASSES {
        let (ready, over) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let writer = writes.then(|| {
            let (owners, order, over) = (owners.clone(), order.clone(), over.clone());
            thread::spawn(move || {
                for (epoch, dn) in order.iter().cycle().enumerate() {
                    owners.write(*dn as usize, epoch as u32);
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                }
            })
        });
        let threads: Vec<_> = (0..readers)
            .map(|_| {
                let (owners, order, ready) = (owners.clone(), order.clone(), ready.clone());
                thread::spawn(move || {
                    ready.fetch_add(1, Ordering::AcqRel);
                    while ready.load(Ordering::Acquire) < readers as u32 {
                        std::hint::spin_loop();
                    }
                    let start = clock.now();
                    black_box(pass(&*owners, &order));
                    clock.now().0.saturating_sub(start.0)
                })
            })
            .collect();
        let spans = threads.into_iter().map(|thread| thread.join().unwrap_or(u64::MAX));
        let longest = spans.max().unwrap_or(u64::MAX).max(1);
        over.store(true, Ordering::Relaxed);
        if let Some(writer) = writer {
            let _ = writer.join();
        }
        best = best.max((readers * order.len()) as f64 * 1_000.0 / longest as f64);
    }
    best
}

fn show<O: Owners>(what: &str, owners: O, order: &Arc<[u32]>) -> std::io::Result<()> {
    (0..DNS).for_each(|dn| owners.write(dn, dn as u32));
    let owners = Arc::new(owners);
    let [one, two, written] = [(1, false), (2, false), (1, true)]
        .map(|(readers, writes)| measured(&owners, order, readers, writes));
    writeln!(
        std::io::stdout(),
        "{what:24} one reader {one:6.1}   two {two:6.1}   one beside a writer {written:6.1}   M reads/s"
    )
}

fn main() -> std::io::Result<()> {
    let mut random = Ids::new(1);
    let order: Arc<[u32]> = (0..READS).map(|_| random.below(DNS as u64) as u32).collect();
    let names: Vec<Box<str>> = (0..DNS).map(|dn| format!("{}", 1_000_000 + dn).into()).collect();
    let table = OwnershipTable::default();
    assert!(table.enter(names.iter().map(|name| &**name)));
    show("ownership table", table, &order)?;
    show("dashmap by index", DashMap::<u32, DnWord>::new(), &order)?;
    let map = names.iter().map(|name| (name.clone(), DnWord::default())).collect();
    show("dashmap by name", ByName { map, names }, &order)
}
