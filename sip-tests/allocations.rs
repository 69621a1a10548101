//! How often a shard asks the allocator for memory, message by message, in steady
//! state: reading it, the turn, and what is sent. The buffer that the message came in
//! is not counted, nor what the transport and the mailboxes do.
//!
//! The tables are bounds: a turn that needs more fails, one that needs less is a
//! reason to lower its line. The aim is none on the proxy's path.

#[path = "../benches/units/cluster.rs"]
mod cluster;

use allocation_counter::measure;
use cluster::{Node, Play, Proxy, Round, Shard, WARM_UP, play, record};
use std::collections::BTreeMap;

/// Rounds that are counted, after those that make the state steady.
const COUNTED: usize = 101;

/// Messages with the most allocations that each may cost.
type Bounds = [(&'static str, u64)];

const PROXY_REGISTER: &Bounds = &[("REGISTER of the phone", 9), ("200 of the node to REGISTER", 5)];

const PROXY_CALL: &Bounds = &[
    ("INVITE of the trunk", 4),
    ("100 of the node to INVITE", 1),
    ("INVITE of the node", 10),
    ("180 of the phone to INVITE", 3),
    ("180 of the node to INVITE", 3),
    ("200 of the phone to INVITE", 4),
    ("200 of the node to INVITE", 4),
    ("ACK of the trunk", 4),
    ("ACK of the node", 5),
    ("BYE of the trunk", 7),
    ("200 of the node to BYE", 4),
    ("BYE of the node", 7),
    ("200 of the phone to BYE", 4),
];

const NODE_CALL: &Bounds = &[
    ("INVITE of the proxy", 89),
    ("180 of the proxy to INVITE", 11),
    ("200 of the proxy to INVITE", 42),
    ("ACK of the proxy", 2),
    ("BYE of the proxy", 34),
    ("200 of the proxy to BYE", 1),
];

/// Allocations of each message: those of the turn in the middle, so that a table that
/// grows now and then does not count. A message that comes twice in a round counts twice.
fn counted<S: Shard>(rounds: &[Round]) -> BTreeMap<String, u64> {
    let mut shard = S::fresh();
    let (warm_up, steady) = rounds.split_at(rounds.len() - COUNTED);
    assert!(warm_up.len() >= WARM_UP, "the state is not steady yet");
    for round in warm_up {
        play(&mut shard, round, |_, turn| turn());
    }
    let mut all: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for round in steady {
        let mut of_round: BTreeMap<String, u64> = BTreeMap::new();
        play(&mut shard, round, |label, turn| {
            let count = measure(turn).count_total;
            *of_round.entry(label.to_owned()).or_default() += count;
        });
        for (label, count) in of_round {
            all.entry(label).or_default().push(count);
        }
    }
    let middle = |mut counts: Vec<u64>| {
        counts.sort_unstable();
        counts[counts.len() / 2]
    };
    all.into_iter().map(|(label, counts)| (label, middle(counts))).collect()
}

/// What is above its bound, has none, or did not come.
fn findings(counted: &BTreeMap<String, u64>, bounds: &Bounds) -> Vec<String> {
    let mut found = Vec::new();
    for (label, count) in counted {
        match bounds.iter().find(|(bounded, _)| bounded == label) {
            None => found.push(format!("{label}: {count} allocations, no bound")),
            Some((_, bound)) if count > bound => {
                found.push(format!("{label}: {count} allocations, at most {bound}"));
            }
            Some(_) => {}
        }
    }
    for (label, _) in bounds.iter().filter(|(label, _)| !counted.contains_key(*label)) {
        found.push(format!("{label}: has a bound and did not come"));
    }
    found
}

fn demand(counted: &BTreeMap<String, u64>, bounds: &Bounds) {
    let found = findings(counted, bounds);
    assert!(found.is_empty(), "{}\ncounted: {counted:#?}", found.join("\n"));
}

fn rounds() -> usize {
    WARM_UP + COUNTED
}

#[test]
fn a_registration_costs_the_proxy_no_more_than_this() {
    let (proxy, _) = record(Play::Register, rounds());
    demand(&counted::<Proxy>(&proxy), PROXY_REGISTER);
}

#[test]
fn a_call_costs_the_proxy_no_more_than_this() {
    let (proxy, _) = record(Play::Call, rounds());
    demand(&counted::<Proxy>(&proxy), PROXY_CALL);
}

#[test]
fn a_call_costs_the_node_no_more_than_this() {
    let (_, node) = record(Play::Call, rounds());
    demand(&counted::<Node>(&node), NODE_CALL);
}

/// A shard that took a message for a stray one would be measured at the wrong thing.
#[test]
fn a_fresh_shard_does_what_the_first_did() {
    let (proxy, node) = record(Play::Call, 3);
    assert_eq!(sent::<Proxy>(&proxy)[1..], [12; 3]);
    assert_eq!(sent::<Node>(&node)[1..], [7; 3]);
    let (proxy, _) = record(Play::Register, 3);
    assert_eq!(sent::<Proxy>(&proxy), [2; 3]);
}

/// Messages that a fresh shard sends in each round.
fn sent<S: Shard>(rounds: &[Round]) -> Vec<usize> {
    let mut shard = S::fresh();
    rounds.iter().map(|round| play(&mut shard, round, |_, turn| turn())).collect()
}

#[test]
fn what_is_allocated_is_counted() {
    let kept = |len: usize| measure(|| drop(std::hint::black_box(vec![0_u8; len]))).count_total;
    assert_eq!((kept(0), kept(1)), (0, 1));
}

#[test]
fn more_than_the_bound_is_found() {
    let counted = BTreeMap::from([("a".to_owned(), 3)]);
    assert_eq!(findings(&counted, &[("a", 3)]), [""; 0]);
    assert_eq!(findings(&counted, &[("a", 4)]), [""; 0]);
    assert_eq!(findings(&counted, &[("a", 2)]), ["a: 3 allocations, at most 2"]);
}

#[test]
fn a_message_without_a_bound_and_a_bound_without_a_message_are_found() {
    let counted = BTreeMap::from([("a".to_owned(), 0)]);
    assert_eq!(findings(&counted, &[]), ["a: 0 allocations, no bound"]);
    let both = [("a", 0), ("b", 1)];
    assert_eq!(findings(&counted, &both), ["b: has a bound and did not come"]);
}
