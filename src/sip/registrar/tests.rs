//! Verifies RFC 3261 10.3 steps 6 to 8 on the store, and the comparison of
//! contacts. Reading a REGISTER, authentication and 423 are tested elsewhere.

use super::*;
use crate::base::flow::{ConnectionId, Protocol};
use core::net::{Ipv4Addr, SocketAddr};

const T0: Instant = Instant(1_000_000_000);

fn at(seconds: u64) -> Instant {
    T0 + Duration::from_secs(seconds)
}

fn contact(uri: &str, expires_s: u64) -> Contact {
    Contact { uri: uri.into(), q: 1000, expires: Duration::from_secs(expires_s), params: "".into() }
}

fn register(call_id: &str, cseq: u32, change: Change) -> Update {
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 5060));
    let remote = SocketAddr::from((Ipv4Addr::LOCALHOST, 5999));
    Update {
        aor: "7001".into(),
        call_id: call_id.into(),
        cseq,
        change,
        granted: Duration::from_secs(3600),
        node: node(1),
        source: Flow {
            protocol: Protocol::Udp,
            local,
            remote,
            connection: ConnectionId::default(),
        },
        proxy: node(101),
    }
}

fn node(id: u16) -> NodeId {
    NodeId::new(id).expect("in range")
}

fn one(call_id: &str, cseq: u32, uri: &str, expires_s: u64) -> Update {
    register(call_id, cseq, Change::Contacts(vec![contact(uri, expires_s)]))
}

fn uris(registrar: &Registrar, now: Instant) -> Vec<String> {
    registrar.lookup("7001", now).map(|binding| uri(&binding.contact).to_owned()).collect()
}

fn uri(contact: &ContactBlock) -> &str {
    contact.bound().expect("bound").uri
}

const A: &str = "sip:7001@10.0.0.1";
const B: &str = "sip:7001@10.0.0.2";

#[test]
fn a_binding_is_listed_until_it_expires() {
    let mut registrar = Registrar::new();
    let outcome = registrar.update(one("x", 1, A, 60), T0).expect("accepted");
    assert_eq!(outcome.bindings.len(), 1);
    assert_eq!((uri(&outcome.bindings[0].contact), outcome.bindings[0].expires_s), (A, 60));
    assert_eq!(outcome.entries.len(), 1);
    let fetched = registrar
        .update(register("y", 1, Change::Fetch), Instant(T0.0 + 500_000_000))
        .expect("fetch");
    assert_eq!(
        (fetched.bindings[0].expires_s, fetched.entries.len()),
        (60, 0),
        "seconds are rounded up"
    );
    assert_eq!(fetched.version, outcome.version);
    assert_eq!(uris(&registrar, at(59)), [A]);
    assert!(uris(&registrar, at(60)).is_empty(), "expired without a timer");
    assert_eq!(registrar.deadline(), Some(at(60)));
    assert!(registrar.on_timer(at(59)).is_empty());
    let expired = registrar.on_timer(at(60));
    assert_eq!((expired.len(), uri(&expired[0].contact)), (1, A));
    assert!(registrar.version() > outcome.version);
    assert_eq!(
        (registrar.deadline(), registrar.bindings_len(), registrar.records_len()),
        (None, 0, 0)
    );
}

#[test]
fn the_smaller_of_grant_and_wish_counts() {
    let mut registrar = Registrar::new();
    let mut update = one("x", 1, A, 600);
    update.granted = Duration::from_secs(140);
    assert_eq!(registrar.update(update, T0).expect("accepted").bindings[0].expires_s, 140);
}

#[test]
fn bindings_are_ordered_by_q_then_by_age() {
    let mut registrar = Registrar::new();
    let mut low = contact("sip:7001@low", 60);
    low.q = 300;
    registrar.update(register("x", 1, Change::Contacts(vec![low])), T0).expect("accepted");
    registrar.update(one("x", 2, A, 60), at(1)).expect("accepted");
    registrar.update(one("x", 3, B, 60), at(2)).expect("accepted");
    assert_eq!(uris(&registrar, at(3)), [B, A, "sip:7001@low"]);
    registrar.update(one("x", 4, A, 60), at(3)).expect("refreshed");
    assert_eq!(uris(&registrar, at(3)), [A, B, "sip:7001@low"]);
}

#[test]
fn a_refresh_replaces_the_equal_contact() {
    let mut registrar = Registrar::new();
    registrar.update(one("x", 1, A, 60), T0).expect("accepted");
    registrar
        .update(one("x", 2, "SIP:7001@10.0.0.1:5060;transport=UDP", 120), at(30))
        .expect("refreshed");
    assert_eq!(uris(&registrar, at(119)), ["SIP:7001@10.0.0.1:5060;transport=UDP"]);
    assert!(registrar.on_timer(at(60)).is_empty(), "the old deadline is gone");
    assert_eq!(registrar.deadline(), Some(at(150)));
}

#[test]
fn a_lower_or_equal_cseq_of_the_same_call_id_changes_nothing() {
    let mut registrar = Registrar::new();
    registrar.update(one("x", 5, A, 60), T0).expect("accepted");
    let version = registrar.version();
    for (cseq, uri, expires) in
        [(4, A, 60), (5, A, 0), (4, A, 0), (5, "sip:7001@10.0.0.1;transport=udp", 60)]
    {
        let refused = registrar.update(one("x", cseq, uri, expires), at(1));
        assert_eq!(refused, Err(Refusal::OutOfOrder { cseq, held: 5 }), "{cseq} {uri} {expires}");
    }
    let both = Change::Contacts(vec![contact(B, 60), contact(A, 60)]);
    assert!(registrar.update(register("x", 4, both), at(1)).is_err(), "all or nothing");
    assert!(registrar.update(register("x", 5, Change::RemoveAll), at(1)).is_err());
    assert_eq!((uris(&registrar, at(1)), registrar.version()), (vec![A.to_owned()], version));
    assert_eq!(Refusal::OutOfOrder { cseq: 4, held: 5 }.status(), 500);
}

#[test]
fn a_retransmission_is_answered_and_changes_nothing() {
    let mut registrar = Registrar::new();
    let update = one("x", 5, A, 60);
    assert_eq!(registrar.check(&update, T0), Ok(Verdict::Fresh));
    let first = registrar.update(update.clone(), T0).expect("accepted");
    assert_eq!(registrar.check(&update, at(1)), Ok(Verdict::Repeated));
    let again = registrar.update(update, at(1)).expect("answered");
    assert_eq!(
        (again.entries.len(), again.version, again.bindings[0].expires_s),
        (0, first.version, 59)
    );
    let unregister = one("x", 6, A, 0);
    assert_eq!(registrar.update(unregister.clone(), at(2)).expect("removed").entries.len(), 1);
    assert_eq!(registrar.update(unregister, at(3)).expect("answered").entries.len(), 0);
}

#[test]
fn a_late_request_does_not_bring_a_removed_contact_back() {
    let mut registrar = Registrar::new();
    registrar.update(one("x", 1, A, 60), T0).expect("accepted");
    registrar.update(one("x", 3, A, 0), at(1)).expect("removed");
    assert_eq!(
        registrar.update(one("x", 2, A, 60), at(2)),
        Err(Refusal::OutOfOrder { cseq: 2, held: 3 })
    );
    registrar.update(one("x", 4, A, 60), at(3)).expect("a later one does");
    assert_eq!(uris(&registrar, at(3)), [A]);
    registrar.update(one("y", 1, A, 60), at(4)).expect("another Call-ID takes over");
    assert!(
        registrar.update(one("x", 3, A, 60), at(5)).is_err(),
        "the former Call-ID is remembered"
    );
    registrar.on_timer(at(64));
    registrar.update(one("x", 2, A, 60), at(64)).expect("and forgotten");
}

#[test]
fn the_wildcard_removes_every_binding() {
    let mut registrar = Registrar::new();
    registrar.update(one("x", 1, A, 60), T0).expect("accepted");
    registrar.update(one("y", 9, B, 600), T0).expect("accepted");
    let removed = registrar.update(register("x", 2, Change::RemoveAll), at(1)).expect("removed");
    assert_eq!((removed.bindings.len(), removed.entries.len()), (0, 2));
    let holds: Vec<Instant> = removed
        .entries
        .iter()
        .map(|entry| match entry {
            Entry::Remove { hold_until, .. } => *hold_until,
            Entry::Put(_) => panic!("nothing is put"),
        })
        .collect();
    assert!(holds.contains(&at(600)), "as long as the binding would have lasted");
    assert!(holds.contains(&at(61)), "at least a minute");
    let again = registrar.update(register("x", 2, Change::RemoveAll), at(2)).expect("answered");
    assert_eq!((again.version, again.entries.len()), (removed.version, 0));
    assert_eq!(registrar.bindings_len(), 0);
}

#[test]
fn unknown_contacts_are_removed_for_the_others() {
    let mut registrar = Registrar::new();
    let outcome = registrar.update(one("x", 1, A, 0), T0).expect("accepted");
    assert!(matches!(outcome.entries[..], [Entry::Remove { cseq: 1, .. }]));
    assert!(outcome.bindings.is_empty());
    registrar.on_timer(at(60));
    assert_eq!(registrar.records_len(), 0);
}

#[test]
fn contacts_are_bounded() {
    let mut registrar = Registrar::new();
    let many = |from: usize, len: usize| {
        Change::Contacts(
            (from..from + len).map(|n| contact(&format!("sip:7001@10.0.1.{n}"), 60)).collect(),
        )
    };
    registrar.update(register("x", 1, many(0, CONTACTS_PER_AOR_LEN_MAX)), T0).expect("just full");
    assert_eq!(
        registrar.update(register("x", 2, many(99, 1)), at(1)),
        Err(Refusal::TooManyContacts)
    );
    registrar.update(register("x", 3, many(0, 2)), at(1)).expect("a refresh needs no room");
    let mut swap = vec![contact("sip:7001@10.0.1.0", 0)];
    swap.push(contact("sip:7001@10.0.1.99", 60));
    registrar.update(register("x", 4, Change::Contacts(swap)), at(1)).expect("one goes, one comes");
    assert_eq!(registrar.bindings_len(), CONTACTS_PER_AOR_LEN_MAX);
    let over = registrar.update(register("z", 1, many(0, CONTACTS_PER_AOR_LEN_MAX + 1)), at(1));
    assert_eq!(over, Err(Refusal::TooManyContacts));
    registrar.update(register("x", 5, many(200, 10)), at(61)).expect("expired ones need no room");
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let mut registrar = Registrar::new();
    let long = "x".repeat(CALL_ID_BYTES_MAX + 1);
    assert_eq!(
        registrar.update(one(&long, 1, A, 60), T0).map_err(|refusal| refusal.status()),
        Err(400)
    );
    assert_eq!(registrar.update(one("x", 1, "7001", 60), T0), Err(Refusal::BadContact));
    let huge = format!("sip:7001@{}", "h".repeat(CONTACT_URI_BYTES_MAX));
    assert_eq!(registrar.update(one("x", 1, &huge, 60), T0), Err(Refusal::BadContact));
    let mut wordy = contact(A, 60);
    wordy.params = "p".repeat(CONTACT_PARAMS_BYTES_MAX + 1).into();
    let refused = registrar.update(register("x", 1, Change::Contacts(vec![wordy])), T0);
    assert!(matches!(refused, Err(Refusal::TooLong { what: "contact parameters", .. })));
    assert_eq!((registrar.records_len(), registrar.version()), (0, 0));
}

#[test]
fn a_contact_listed_twice_counts_as_last_written() {
    let mut registrar = Registrar::new();
    let twice = Change::Contacts(vec![contact(A, 60), contact("sip:7001@10.0.0.1:5060", 0)]);
    let outcome = registrar.update(register("x", 1, twice), T0).expect("accepted");
    assert_eq!((outcome.bindings.len(), outcome.entries.len()), (0, 1));
}

#[test]
fn entries_of_another_proxy_are_taken() {
    let (mut here, mut there) = (Registrar::new(), Registrar::new());
    let put = here.update(one("x", 5, A, 60), T0).expect("accepted").entries[0].clone();
    assert!(there.apply(put.clone(), at(1)));
    assert_eq!((uris(&there, at(1)), there.bindings_len()), (vec![A.to_owned()], 1));
    assert!(there.update(one("x", 5, A, 0), at(2)).is_err(), "CSeq order holds across proxies");
    let remove = there.update(one("x", 6, A, 0), at(2)).expect("removed").entries[0].clone();
    assert!(here.apply(remove.clone(), at(3)));
    assert!(!here.apply(remove, at(3)), "twice is once");
    assert!(here.update(one("x", 5, A, 60), at(4)).is_err(), "removed there with a higher CSeq");
    assert!(!there.apply(put, at(60)), "a binding that expired on its way");
    assert_eq!((here.bindings_len(), there.bindings_len()), (0, 0));
}

#[test]
fn what_is_remembered_of_the_gone_is_bounded() {
    let mut registrar = Registrar::new();
    for n in 0..100 {
        registrar.update(one(&format!("call-{n}"), 1, A, 60), at(n)).expect("accepted");
    }
    assert!(registrar.gone_len("7001") <= GONE_PER_AOR_LEN_MAX);
    assert_eq!(registrar.bindings_len(), 1);
}

/// With 10^6 registrations, a refresh that makes a new block would be the load.
#[test]
fn a_refresh_that_says_the_same_keeps_the_block() {
    let mut registrar = Registrar::new();
    let block_of = |registrar: &Registrar, now| {
        let held = registrar.lookup("7001", now).next().map(|held| held.contact.clone());
        held.expect("bound")
    };
    registrar.update(one("x", 1, A, 60), T0).expect("accepted");
    let first = block_of(&registrar, T0);
    registrar.update(one("x", 2, A, 90), at(1)).expect("refreshed");
    assert!(core::ptr::eq(first.aor(), block_of(&registrar, at(1)).aor()));
    let mut moved = one("x", 3, A, 60);
    moved.source.remote.set_port(6000);
    registrar.update(moved.clone(), at(2)).expect("refreshed");
    let second = block_of(&registrar, at(2));
    assert_eq!(second.bound().expect("bound").source, moved.source, "another flow");
    moved.node = node(2);
    moved.cseq = 4;
    registrar.update(moved, at(3)).expect("refreshed");
    assert_eq!(block_of(&registrar, at(3)).bound().expect("bound").node, node(2), "another node");
    let uri = format!("{A};x=1");
    registrar.update(one("y", 1, &uri, 60), at(3)).expect("another contact");
    assert_eq!(registrar.records_len(), 1, "and still one record");
}

#[test]
fn a_binding_that_gets_less_time_expires_with_that() {
    let mut registrar = Registrar::new();
    registrar.update(one("x", 1, A, 3600), T0).expect("accepted");
    registrar.update(one("x", 2, A, 60), at(1)).expect("shortened");
    assert_eq!(registrar.deadline(), Some(at(61)));
    assert_eq!(registrar.on_timer(at(61)).len(), 1);
    assert_eq!((registrar.records_len(), registrar.deadline()), (0, None));
}

#[test]
fn the_timer_does_a_bounded_part() {
    let mut registrar = Registrar::new();
    for n in 0..=EXPIRIES_PER_TURN_MAX {
        let mut update = one("x", 1, A, 60);
        update.aor = n.to_string().into();
        registrar.update(update, T0).expect("accepted");
    }
    assert_eq!(registrar.on_timer(at(60)).len(), EXPIRIES_PER_TURN_MAX);
    assert!(registrar.deadline().is_some_and(|due| due <= at(60)));
    assert_eq!(registrar.on_timer(at(60)).len(), 1);
    assert_eq!(registrar.deadline(), None);
}

#[test]
fn equal_contacts_have_equal_keys() {
    let key = |uri| contact_key(uri).expect("a URI");
    for (one, other) in [
        ("sip:bob@Example.COM", "SIP:bob@example.com:5060"),
        ("sip:bob@h;transport=UDP", "sip:bob@h"),
        ("sip:bob@h;ob;line=X1", "sip:bob@h;line=x1;OB"),
        ("sip:%62ob@h", "sip:bob@h"),
        ("sip:b%3aob@h", "sip:b%3Aob@h"),
        ("sips:bob@h", "sips:bob@h:5061;transport=tcp"),
        ("sip:bob@h;transport=tls", "sip:bob@h:5061;transport=tls"),
        ("sip:bob@[2001:DB8::1]", "sip:bob@[2001:db8::1]:5060"),
        ("TEL:+1", "tel:+1"),
    ] {
        assert_eq!(key(one), key(other), "{one} {other}");
    }
    for (one, other) in [
        ("sip:bob@h", "sip:Bob@h"),
        ("sip:bob@h", "sip:bob@h:5070"),
        ("sip:bob@h", "sip:bob@h;transport=tcp"),
        ("sip:bob@h", "sips:bob@h"),
        ("sip:bob@h", "sip:h"),
        ("sip:b%40b@h", "sip:b%2fb@h"),
        ("sip:bob@h;line=1", "sip:bob@h;line=2"),
        ("sip:bob;x@h", "sip:bob@h;x"),
    ] {
        assert_ne!(key(one), key(other), "{one} {other}");
    }
}

#[test]
fn what_is_no_uri_has_no_key() {
    for text in [
        "",
        "sip",
        "sip:",
        ":bob@h",
        "sip:@h",
        "sip:bob@",
        "sip:bob@h:port",
        "sip:bob@h:70000",
        "sip:b%4@h",
        "sip:b%zz@h",
        "sip:b%+1@h",
        "sip:bob@[::1",
        "sip:bob@[::1]x",
        "sip:b b@h",
        "<sip:bob@h>",
        "sip:bob@h\r\n",
        "sip:bób@h",
        "5ip:bob@h",
        "sip:bob@h;",
        "sip:bob@h;=x",
        "sip:bob@a@b",
    ] {
        assert_eq!(contact_key(text), None, "{text}");
    }
}
