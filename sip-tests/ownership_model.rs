//! The ownership table under every order that its atomics allow, by loom: one thread writes,
//! others read.

mod base {
    pub(crate) use sipcluster::base::{id, ownership};
}

#[path = "../src/runtime"]
mod runtime {
    pub(crate) mod atomic {
        pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
        pub(crate) const CHUNK_LEN: usize = 2;
    }
    #[expect(unreachable_pub, dead_code, reason = "it is written for another crate")]
    pub(crate) mod ownership_table;
}

use base::id::NodeId;
use base::ownership::{DnIndex, DnWord};
use loom::sync::Arc;
use loom::thread;
use runtime::ownership_table::OwnershipTable;

fn word(owner: u16, epoch: u32) -> DnWord {
    DnWord { owner: NodeId::new(owner), epoch, ..DnWord::default() }
}

fn table() -> (Arc<OwnershipTable>, DnIndex, DnIndex) {
    let table = OwnershipTable::default();
    assert!(table.enter(["7001", "7002"].into_iter()));
    let (one, other) = (table.index("7001"), table.index("7002"));
    (Arc::new(table), one, other)
}

/// Node 1 owns the DN, hands it to node 2, and gets it back.
#[test]
fn a_word_is_whole_and_claims_only_grow() {
    loom::model(|| {
        let (table, dn, _) = table();
        let words = [word(1, 1), word(2, 2), word(1, 3)];
        let writer = {
            let table = table.clone();
            thread::spawn(move || words.iter().for_each(|word| table.write(dn, *word)))
        };
        let reader = {
            let table = table.clone();
            thread::spawn(move || {
                let seen = [table.read(dn), table.read(dn)];
                for one in seen {
                    assert!(one == DnWord::default() || words.contains(&one), "torn: {one:?}");
                }
                assert!(seen[0].epoch <= seen[1].epoch, "back in time: {seen:?}");
            })
        };
        writer.join().expect("wrote");
        reader.join().expect("read");
        assert_eq!(table.read(dn), words[2]);
    });
}

/// An agent moves: the DN that it leaves is written before the one that it comes to. Nobody
/// sees the second without the first.
#[test]
fn what_was_written_before_is_seen_before() {
    loom::model(|| {
        let (table, left, come_to) = table();
        let writer = {
            let table = table.clone();
            thread::spawn(move || {
                table.write(left, word(2, 1));
                table.write(come_to, word(2, 1));
            })
        };
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let table = table.clone();
                thread::spawn(move || {
                    if table.read(come_to).epoch == 1 {
                        assert_eq!(table.read(left), word(2, 1));
                    }
                })
            })
            .collect();
        writer.join().expect("wrote");
        readers.into_iter().for_each(|reader| reader.join().expect("read"));
    });
}
