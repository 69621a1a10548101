//! The table of hints by itself: who is remembered, who gives way, what it costs.

use super::super::hints::{DnKey, Hints};
use super::world::node_id;
use crate::base::limits::{HINT_LIFETIME, HINT_WAYS};
use crate::base::time::{Duration, Instant};

fn key(number: u64) -> DnKey {
    // Spread as a hash would be.
    let mut word = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    DnKey::new((word ^ (word >> 27)).max(1)).expect("not zero")
}

fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

#[test]
fn a_dn_is_known_from_its_first_dialog_to_its_last() {
    let mut hints = Hints::new(64);
    assert!(hints.is_empty());
    assert_eq!(hints.node(key(1), at(0)), None);
    hints.begin(key(1), node_id(5), at(1));
    hints.begin(key(1), node_id(6), at(2));
    assert_eq!(hints.node(key(1), at(3)), Some(node_id(5)), "a ringing call moves nothing");
    hints.seen(key(1), node_id(6), at(3));
    assert_eq!(hints.node(key(1), at(3)), Some(node_id(6)));
    hints.end(key(1));
    assert_eq!(hints.node(key(1), at(3)), Some(node_id(6)));
    hints.end(key(1));
    assert_eq!((hints.node(key(1), at(3)), hints.len()), (None, 0));
    hints.end(key(1));
    hints.end(key(2));
    assert_eq!(hints.len(), 0);
}

#[test]
fn a_dialog_that_began_elsewhere_is_known_by_a_request_inside_it() {
    let mut hints = Hints::new(64);
    hints.seen(key(1), node_id(5), at(1));
    assert_eq!(hints.node(key(1), at(2)), Some(node_id(5)));
    hints.end(key(1));
    assert_eq!(hints.node(key(1), at(2)), None);
}

#[test]
fn a_hint_that_nobody_confirms_wears_off() {
    let mut hints = Hints::new(64);
    hints.begin(key(1), node_id(5), at(10));
    let over = at(10) + HINT_LIFETIME;
    assert_eq!(hints.node(key(1), Instant(over.0 - 1)), Some(node_id(5)));
    assert_eq!(hints.node(key(1), over), None);
    hints.begin(key(1), node_id(6), over);
    assert_eq!(hints.node(key(1), over), Some(node_id(6)), "a new call counts afresh");
    hints.end(key(1));
    assert_eq!(hints.node(key(1), over), None, "the old dialog is not counted any more");
}

#[test]
fn where_a_set_is_full_the_oldest_gives_way() {
    let mut hints = Hints::new(HINT_WAYS);
    for number in 0..HINT_WAYS as u64 {
        hints.begin(key(number), node_id(1), at(100 + number));
    }
    hints.seen(key(0), node_id(1), at(200));
    hints.begin(key(99), node_id(2), at(201));
    assert_eq!(hints.len(), HINT_WAYS);
    assert_eq!(hints.node(key(99), at(201)), Some(node_id(2)));
    assert_eq!(hints.node(key(0), at(201)), Some(node_id(1)), "seen again");
    assert_eq!(hints.node(key(1), at(201)), None, "the oldest");
    assert_eq!(hints.node(key(2), at(201)), Some(node_id(1)));
}

/// Of two thirds of its places, which is 24 bytes for each DN, next to none are
/// lost; at any load the table keeps its bound.
#[test]
fn the_table_holds_what_it_promises_at_24_bytes_per_dn() {
    let places = 1 << 12;
    let mut hints = Hints::new(places);
    let dns = (places * 2 / 3) as u64;
    for number in 0..dns {
        hints.begin(key(number), node_id(1), at(number / 100));
    }
    let known = (0..dns).filter(|&number| hints.node(key(number), at(60)).is_some()).count();
    assert_eq!(known, hints.len());
    let bytes = places * Hints::bytes_per_dn() / known;
    assert!(known as u64 * 100 >= dns * 97, "{known} of {dns}");
    assert!(bytes <= 24, "{bytes} bytes for each of {known} DNs");
    for number in 0..10 * places as u64 {
        hints.begin(key(number), node_id(1), at(60 + number / 100));
    }
    assert!(hints.len() <= places);
}
