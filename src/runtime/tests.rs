//! Tests of what `sip-tests/ownership_model.rs` compiles too, with other atomics.

use super::ownership_table::{DNS_MAX, OwnershipTable};
use crate::base::id::NodeId;
use crate::base::ownership::{DnIndex, DnWord};

fn word(owner: u16, epoch: u32) -> DnWord {
    DnWord { owner: NodeId::new(owner), epoch, ..DnWord::default() }
}

#[test]
fn a_dn_keeps_its_place_while_others_come() {
    let table = OwnershipTable::default();
    assert!(table.enter(["7001"].into_iter()));
    let first = table.index("7001");
    table.write(first, word(3, 9));
    let others: Vec<String> = (0..10_000).map(|dn| format!("8{dn}")).collect();
    assert!(table.enter(others.iter().map(String::as_str)));
    let others: Vec<DnIndex> = others.iter().map(|dn| table.index(dn)).collect();
    for (epoch, index) in others.iter().enumerate() {
        table.write(*index, word(1, epoch as u32));
    }
    assert_eq!((table.index("7001"), table.read(first)), (first, word(3, 9)));
    for (epoch, index) in others.iter().enumerate() {
        assert_eq!(table.read(*index), word(1, epoch as u32));
    }
}

#[test]
fn of_what_it_has_not_nothing_is_known() {
    let table = OwnershipTable::default();
    assert_eq!(table.index("7001"), DnIndex::NONE);
    for index in [DnIndex::NONE, DnIndex(0), DnIndex(DNS_MAX as u32)] {
        table.write(index, word(1, 1));
        assert_eq!(table.read(index), DnWord::default(), "{index:?}");
    }
}

#[test]
fn a_full_table_says_so() {
    let table = OwnershipTable::default();
    let dns: Vec<String> = (0..DNS_MAX).map(|dn| dn.to_string()).collect();
    assert!(table.enter(dns.iter().map(String::as_str)));
    assert!(!table.enter(["7", "one more"].into_iter()));
    assert_eq!((table.index("one more"), table.index("7")), (DnIndex::NONE, DnIndex(7)));
    assert!(table.enter(["7"].into_iter()), "who was there has its place");
}
