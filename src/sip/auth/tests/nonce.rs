//! Nonces and the counts of their uses.

use super::*;
use crate::base::id::Ids;

#[test]
fn a_nonce_names_its_node_and_time() {
    let keys = NonceKeys::new(KEY, None);
    let mut ids = Ids::new(1);
    let nonce = keys.issue(NOW, REALM, node(4095), &mut ids);
    assert_eq!(nonce.as_str().len(), NONCE_LEN);
    assert_eq!(issuing_node(nonce.as_str()), Some(node(4095)));
    assert_eq!(keys.issuing_node(nonce.as_str(), REALM), Some(node(4095)));
    let state = keys.verify(nonce.as_str(), REALM, NOW, LIFETIME);
    assert!(
        matches!(state, NonceState::Fresh { issued: NOW, node: by, .. } if by == node(4095)),
        "{state:?}"
    );
    assert_ne!(nonce, keys.issue(NOW, REALM, node(4095), &mut ids), "two of one second differ");
    let seen = u32::from_str_radix(&nonce.as_str()[12..20], 16).unwrap();
    let drawn = Ids::new(1).next_u64();
    assert!(seen != drawn as u32 && seen != (drawn >> 32) as u32, "the ids stay hidden");
}

#[test]
fn a_nonce_becomes_stale_after_its_lifetime() {
    let keys = NonceKeys::new(KEY, None);
    let nonce = keys.issue(NOW, REALM, node(1), &mut Ids::new(1));
    let at = |millis: u64| keys.verify(nonce.as_str(), REALM, WallTime(millis), LIFETIME);
    assert!(matches!(at(NOW.0 + 300_999), NonceState::Fresh { .. }));
    assert_eq!(at(NOW.0 + 301_000), NonceState::Stale { node: node(1) });
    assert_eq!(at(u64::MAX), NonceState::Stale { node: node(1) });
    assert!(matches!(at(NOW.0 - 3_600_000), NonceState::Fresh { .. }), "a clock set back");
}

#[test]
fn a_nonce_that_was_touched_is_forged() {
    let keys = NonceKeys::new(KEY, None);
    let nonce = keys.issue(NOW, REALM, node(1), &mut Ids::new(1));
    let verify = |text: &str, realm: &str| keys.verify(text, realm, NOW, LIFETIME);
    assert_eq!(verify(nonce.as_str(), "Other"), NonceState::Forged);
    for position in 0..NONCE_LEN {
        let mut text = nonce.as_str().to_owned();
        let other = if text.as_bytes()[position] == b'0' { "1" } else { "0" };
        text.replace_range(position..=position, other);
        assert_eq!(verify(&text, REALM), NonceState::Forged, "digit {position}");
        assert_eq!(keys.issuing_node(&text, REALM), None);
    }
    for text in [
        "",
        "0",
        &nonce.as_str()[1..],
        &nonce.as_str().to_uppercase(),
        &"é".repeat(26),
        &"0".repeat(52),
    ] {
        assert_eq!(verify(text, REALM), NonceState::Forged, "{text}");
    }
    assert_eq!(issuing_node("0000"), None);
    assert_eq!(issuing_node(&"0".repeat(NONCE_LEN)), None, "no node has number 0");
}

#[test]
fn two_keys_verify_during_a_rotation() {
    let old = NonceKeys::new(OTHER_KEY, None);
    let both = NonceKeys::new(KEY, Some(OTHER_KEY));
    let new = NonceKeys::new(KEY, None);
    let fresh = |keys: &NonceKeys, nonce: &Nonce| {
        matches!(keys.verify(nonce.as_str(), REALM, NOW, LIFETIME), NonceState::Fresh { .. })
    };
    let by_old = old.issue(NOW, REALM, node(1), &mut Ids::new(1));
    let by_both = both.issue(NOW, REALM, node(1), &mut Ids::new(1));
    assert_eq!(
        [fresh(&old, &by_old), fresh(&both, &by_old), fresh(&new, &by_old)],
        [true, true, false]
    );
    assert_eq!(
        [fresh(&old, &by_both), fresh(&both, &by_both), fresh(&new, &by_both)],
        [false, true, true]
    );
}

fn id_at(seconds_after_start: u32, salt: u32) -> NonceId {
    NonceId::new(START.as_secs() as u32 + seconds_after_start, salt)
}

fn later(seconds: u64) -> WallTime {
    WallTime(START.0 + seconds * 1000)
}

#[test]
fn each_count_is_good_once() {
    let mut counts = NonceCounts::new(8, START);
    let mut take = |count| counts.take(id_at(1, 0), count, later(1), LIFETIME);
    for count in [1, 2, 5, 4, 3, 70, 7] {
        assert_eq!(take(count), NonceUse::New, "{count}");
        assert_eq!(take(count), NonceUse::Replayed, "{count} again");
    }
    assert_eq!(take(6), NonceUse::Replayed, "64 behind the highest");
    assert_eq!(take(0), NonceUse::Replayed);
    assert_eq!(take(u32::MAX), NonceUse::New);
    assert_eq!(take(71), NonceUse::Replayed, "left behind");
    assert_eq!(take(u32::MAX - 63), NonceUse::New);
    assert_eq!(take(u32::MAX - 64), NonceUse::Replayed);
}

#[test]
fn an_unknown_nonce_starts_at_one() {
    let mut counts = NonceCounts::new(8, START);
    for count in [0, 2, u32::MAX] {
        assert_eq!(
            counts.take(id_at(1, 0), count, later(1), LIFETIME),
            NonceUse::Unknown,
            "{count}"
        );
    }
    assert!(counts.is_empty());
    assert_eq!(
        counts.take(id_at(0, 5), 1, later(1), LIFETIME),
        NonceUse::Unknown,
        "from before the start"
    );
    assert_eq!(counts.take(id_at(1, 0), 1, later(1), LIFETIME), NonceUse::New);
}

#[test]
fn what_was_evicted_cannot_be_replayed() {
    let mut counts = NonceCounts::new(2, START);
    for second in [1, 2, 3] {
        assert_eq!(counts.take(id_at(second, 0), 1, later(3), LIFETIME), NonceUse::New);
    }
    assert_eq!(counts.len(), 2);
    assert_eq!(counts.take(id_at(1, 0), 1, later(3), LIFETIME), NonceUse::Unknown);
    assert_eq!(
        counts.take(id_at(1, 9), 1, later(3), LIFETIME),
        NonceUse::Unknown,
        "older than the rest"
    );
    assert_eq!(counts.take(id_at(2, 0), 2, later(3), LIFETIME), NonceUse::New, "still counted");
    assert_eq!(counts.len(), 2);
}

#[test]
fn what_expired_cannot_be_replayed_after_the_clock_was_set_back() {
    let mut counts = NonceCounts::new(8, START);
    assert_eq!(counts.take(id_at(1, 0), 1, later(1), LIFETIME), NonceUse::New);
    assert_eq!(counts.take(id_at(900, 0), 1, later(900), LIFETIME), NonceUse::New);
    assert_eq!(counts.len(), 1);
    assert_eq!(counts.take(id_at(1, 0), 1, later(1), LIFETIME), NonceUse::Unknown);
    let time = counts.issue_time(WallTime(0));
    assert_eq!(time, later(2), "a nonce of that time is not taken for a forgotten one");
    assert_eq!(counts.take(id_at(2, 0), 1, WallTime(0), LIFETIME), NonceUse::New);
    assert_eq!(counts.issue_time(later(50)), later(50));
}

#[test]
fn a_take_over_forgets_all() {
    let mut counts = NonceCounts::new(8, START);
    assert_eq!(counts.take(id_at(5, 0), 1, later(5), LIFETIME), NonceUse::New);
    counts.forget(later(9));
    assert!(counts.is_empty());
    assert_eq!(counts.take(id_at(5, 0), 2, later(9), LIFETIME), NonceUse::Unknown);
    assert_eq!(counts.take(id_at(9, 1), 1, later(9), LIFETIME), NonceUse::Unknown);
    assert_eq!(counts.take(id_at(10, 0), 1, later(9), LIFETIME), NonceUse::New);
}
