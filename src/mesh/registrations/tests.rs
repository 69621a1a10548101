//! Verifies single courses of the exchange: joining, resuming, pacing, repair,
//! readiness, bad peers, files. That stores come out equal whatever happens is in
//! `convergence`.

use super::world::{SMALL, World, entry, node, removal};
use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn register(world: &mut World, proxy: usize, contact: &str, call_id: &str, cseq: u32) {
    let expires = world.now + HOUR;
    world.register(proxy, entry(proxy, "7001", contact, call_id, cseq, expires));
}

fn remove(world: &mut World, proxy: usize, contact: &str, call_id: &str, cseq: u32) {
    let expires = world.now + HOUR;
    world.register(proxy, removal(entry(proxy, "7001", contact, call_id, cseq, expires)));
}

/// Two proxies with a link, past the Hellos.
fn linked(bounds: Bounds) -> (World, LinkId) {
    let mut world = World::new(2, bounds);
    let link = world.dial(0, 1);
    world.deliver_all();
    (world, link)
}

fn hello_of(world: &World, link: LinkId, towards: usize) -> proto::Hello {
    match world.under_way(link, towards).into_iter().next() {
        Some(Body::Hello(hello)) => hello,
        other => panic!("a Hello comes first, not {other:?}"),
    }
}

fn send(world: &mut World, to: usize, link: LinkId, body: Body) {
    world.event(to, Event::Frame { link, payload: wire::encode(body) });
}

#[test]
fn a_change_reaches_the_other_proxy() {
    let (mut world, link) = linked(Bounds::default());
    register(&mut world, 0, "sip:a", "x", 1);
    assert!(matches!(
        world.under_way(link, 1)[..],
        [Body::Live(proto::Live { first_sequence: 1, .. })]
    ));
    world.deliver_all();
    assert_eq!(world.assert_equal().len(), 1);
    remove(&mut world, 1, "sip:a", "x", 2);
    world.deliver_all();
    assert!(world.assert_equal().is_empty());
}

#[test]
fn the_remaining_time_travels_not_the_clock() {
    let mut world = World::new(2, SMALL);
    world.pass(Duration::from_secs(100));
    register(&mut world, 0, "sip:a", "x", 1);
    world.pass(Duration::from_secs(60));
    world.run(1);
    let expires: Vec<Instant> =
        world.proxies[1].machine.live(world.now).map(|entry| entry.expires).collect();
    assert_eq!(expires, [Instant::ZERO + Duration::from_secs(3700)]);
    world.pass(Duration::from_secs(3538));
    assert_eq!(world.assert_equal().len(), 1);
    world.pass(Duration::from_secs(1));
    assert!(world.assert_equal().is_empty(), "each lets it expire by itself");
    assert_eq!(world.proxies[1].machine.contacts_len(), 0);
}

#[test]
fn joining_takes_a_snapshot_in_paced_parts() {
    let mut world = World::new(2, SMALL);
    for n in 0..20 {
        register(&mut world, 0, &format!("sip:h{n}"), "x", n);
    }
    let link = world.dial(1, 0);
    world.deliver(link, 1);
    let frames = world.under_way(link, 0);
    let parts = frames.iter().filter(
        |body| matches!(body, Body::Snapshot(part) if part.full && part.entries.len() == 2),
    );
    assert_eq!(parts.count(), 2, "no more parts than may be in flight: {frames:?}");
    world.deliver(link, 0);
    world.deliver(link, 0);
    let readiness = world.proxies[1].machine.ready(world.now);
    assert_eq!((readiness.ready, &*readiness.reason), (false, "catching up with proxy 101"));
    world.deliver_all();
    assert_eq!(world.assert_equal().len(), 20);
    assert!(world.proxies[1].machine.ready(world.now).ready);
}

#[test]
fn a_short_break_is_resumed_from_the_log() {
    let (mut world, link) = linked(SMALL);
    register(&mut world, 0, "sip:a", "x", 1);
    world.deliver_all();
    register(&mut world, 0, "sip:b", "x", 2);
    world.break_link(link);
    register(&mut world, 0, "sip:c", "x", 3);
    let link = world.dial(0, 1);
    let hello = hello_of(&world, link, 1);
    assert_eq!(
        (hello.resume_epoch, hello.resume_sequence),
        (1, 0),
        "an empty snapshot was all so far"
    );
    world.deliver(link, 1);
    let hello = hello_of(&world, link, 0);
    assert_eq!((hello.resume_epoch, hello.resume_sequence), (1, 1));
    world.deliver(link, 0);
    let frames = world.under_way(link, 1);
    assert!(matches!(
        frames[..],
        [
            Body::Resume(proto::Resume { from: 1, to: 3 }),
            Body::Live(proto::Live { first_sequence: 2, .. })
        ]
    ));
    world.deliver_all();
    assert_eq!(world.assert_equal().len(), 3);
}

#[test]
fn a_long_break_takes_a_snapshot() {
    let (mut world, link) = linked(SMALL);
    world.break_link(link);
    for n in 0..20 {
        register(&mut world, 0, &format!("sip:h{}", n % 3), "x", n);
    }
    let link = world.dial(1, 0);
    world.deliver(link, 1);
    assert!(matches!(
        world.under_way(link, 0)[1],
        Body::Snapshot(proto::Snapshot { full: true, baseline: 20, .. })
    ));
    world.deliver_all();
    assert_eq!(world.assert_equal().len(), 3);
}

#[test]
fn a_snapshot_that_breaks_is_not_resumed_behind() {
    let mut world = World::new(2, SMALL);
    for n in 0..5 {
        register(&mut world, 0, &format!("sip:h{n}"), "x", n);
    }
    let link = world.dial(1, 0);
    world.deliver(link, 1);
    world.deliver(link, 0);
    world.deliver(link, 0);
    world.break_link(link);
    let link = world.dial(1, 0);
    assert_eq!(hello_of(&world, link, 1).resume_epoch, 0, "part of a snapshot is no cursor");
    world.deliver_all();
    assert_eq!(world.assert_equal().len(), 5);
}

#[test]
fn a_restarted_proxy_gets_all_back() {
    let (mut world, _) = linked(SMALL);
    register(&mut world, 0, "sip:a", "x", 1);
    register(&mut world, 1, "sip:b", "y", 1);
    world.deliver_all();
    world.restart(0, false);
    assert!(world.view(0).is_empty());
    assert!(!world.proxies[0].machine.ready(world.now).ready);
    world.run(1);
    assert_eq!(world.assert_equal().len(), 2);
    register(&mut world, 0, "sip:a", "new call", 1);
    world.deliver_all();
    let view = world.assert_equal();
    assert!(view.values().any(|(call_id, ..)| call_id == "new call"), "its clock is not behind");
}

#[test]
fn live_entries_wait_for_acknowledgements() {
    let (mut world, link) = linked(SMALL);
    for n in 0..6 {
        register(&mut world, 0, &format!("sip:h{n}"), "x", n);
    }
    let sent: usize = world
        .under_way(link, 1)
        .iter()
        .map(|body| if let Body::Live(live) = body { live.entries.len() } else { 0 })
        .sum();
    assert_eq!(sent, 4);
    world.deliver_all();
    assert_eq!(world.assert_equal().len(), 6);
}

#[test]
fn a_peer_that_the_log_leaves_behind_gets_a_snapshot() {
    let (mut world, _) = linked(SMALL);
    for n in 0..30 {
        register(&mut world, 0, &format!("sip:h{}", n % 10), "x", n);
    }
    world.deliver_all();
    assert_eq!(world.assert_equal().len(), 10);
    assert!(world.proxies.iter().all(|proxy| proxy.closed.is_empty()));
}

#[test]
fn the_same_call_id_goes_by_cseq_and_others_by_version() {
    let mut world = World::new(3, SMALL);
    register(&mut world, 0, "sip:a", "x", 5);
    for n in 0..4 {
        register(&mut world, 1, "sip:other", "z", n);
    }
    register(&mut world, 1, "sip:a", "x", 4);
    world.run(1);
    let held = &world.assert_equal()[&("7001".into(), "sip:a".into())];
    assert_eq!(*held, ("x".into(), 5, node(0)), "the higher version has the lower CSeq");
    register(&mut world, 2, "sip:a", "y", 1);
    world.run(1);
    let held = &world.assert_equal()[&("7001".into(), "sip:a".into())];
    assert_eq!(*held, ("y".into(), 1, node(2)));
}

#[test]
fn three_that_beat_each_other_in_a_circle_come_out_equal() {
    let expires = Instant::ZERO + HOUR;
    let version = |version, call_id: &str, cseq| {
        let mut entry = entry(0, "7001", "sip:a", call_id, cseq, expires);
        entry.version = version;
        entry
    };
    let circle = [version(1, "x", 5), version(2, "y", 1), version(3, "x", 4)];
    let mut winners = BTreeSet::new();
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut replica = Replica::new(0);
        for at in order {
            replica.merge(&circle[at], Instant::ZERO);
        }
        let winner = replica.winner(&circle[0]).expect("held");
        let call_id = winner.contact.call_id().to_owned();
        winners.insert((call_id, winner.cseq, replica.digest().to_vec()));
    }
    assert_eq!(winners.len(), 1);
}

#[test]
fn a_local_change_that_comes_too_late_is_corrected() {
    let (mut world, _) = linked(SMALL);
    register(&mut world, 1, "sip:a", "x", 5);
    world.deliver_all();
    remove(&mut world, 0, "sip:a", "x", 4);
    assert_eq!(world.assert_equal().len(), 1);
}

#[test]
fn a_removal_outlives_the_cut() {
    let (mut world, link) = linked(SMALL);
    register(&mut world, 0, "sip:a", "x", 1);
    world.deliver_all();
    world.break_link(link);
    remove(&mut world, 0, "sip:a", "x", 2);
    assert_eq!(world.view(1).len(), 1);
    world.pass(Duration::from_secs(1800));
    world.run(1);
    assert!(world.assert_equal().is_empty());
}

#[test]
fn what_an_expired_binding_has_beaten_does_not_come_back() {
    let mut world = World::new(2, SMALL);
    register(&mut world, 1, "sip:a", "old", 1);
    let soon = world.now + Duration::from_secs(20);
    world.run(1);
    world.register(1, entry(1, "7001", "sip:a", "new", 1, soon));
    world.run(30);
    assert!(world.assert_equal().is_empty());
    world.restart(0, true);
    world.run(30);
    assert!(world.assert_equal().is_empty());
    assert_eq!(
        world.proxies[0].machine.contacts_len(),
        1,
        "remembered as long as the old one would have lasted"
    );
    world.pass(HOUR);
    assert_eq!(world.proxies[0].machine.contacts_len(), 0);
}

#[test]
fn the_digest_counts_what_is_live() {
    let empty = Replica::new(0).digest().to_vec();
    let mut replica = Replica::new(0);
    let later = |seconds| Instant::ZERO + Duration::from_secs(seconds);
    let version = |version, call_id: &str, expires| {
        let mut entry = entry(0, "7001", "sip:a", call_id, 1, expires);
        entry.version = version;
        entry
    };
    replica.merge(&version(1, "old", later(600)), Instant::ZERO);
    let old = replica.digest().to_vec();
    assert_ne!(old, empty);
    replica.merge(&version(2, "new", later(60)), Instant::ZERO);
    assert!(replica.digest() != old && replica.digest() != empty);
    assert_eq!(replica.deadline(), later(60));
    replica.on_timer(later(60));
    assert_eq!((replica.digest(), replica.contacts_len()), (&*empty, 1), "the old one is not back");
    replica.on_timer(later(600));
    assert_eq!((replica.deadline(), replica.contacts_len()), (Instant::NEVER, 0));
}

#[test]
fn a_part_of_the_store_is_not_the_store() {
    let mut world = World::new(2, SMALL);
    let link = world.dial(0, 1);
    let hello = hello_of(&world, link, 1);
    send(&mut world, 1, link, Body::Hello(hello));
    let entries = Vec::new();
    let part =
        proto::Snapshot { number: 1, part: 0, last: true, full: false, baseline: 0, entries };
    send(&mut world, 1, link, Body::Snapshot(part));
    assert!(!world.proxies[1].machine.ready(world.now).ready);
    assert!(world.proxies[1].machine.peers().all(|peer| peer.linked && !peer.caught_up));
}

#[test]
fn digests_find_what_went_wrong() {
    let (mut world, _) = linked(SMALL);
    let mut lost = entry(0, "7001", "sip:a", "x", 1, world.now + HOUR);
    lost.version = 1;
    world.event(0, Event::Restored(lost));
    world.run(9);
    assert_ne!(world.view(0), world.view(1));
    world.run(14);
    assert_eq!(world.assert_equal().len(), 1, "after two digests");
}

#[test]
fn what_a_stopped_proxy_told_only_some_spreads_by_digests() {
    let mut world = World::new(3, SMALL);
    world.run(1);
    let to_2 = world.link_between(0, 2);
    world.break_link(to_2);
    register(&mut world, 0, "sip:a", "x", 1);
    world.deliver_all();
    world.restart(0, false);
    assert_eq!((world.view(1).len(), world.view(2).len()), (1, 0));
    for _ in 0..21 {
        world.pass(Duration::from_secs(1));
        world.deliver_all();
    }
    assert_eq!(
        (world.view(1).len(), world.view(2).len()),
        (1, 1),
        "without the proxy that took it"
    );
}

#[test]
fn silence_is_asked_about_and_then_closed() {
    let (mut world, link) = linked(SMALL);
    world.pass(Duration::from_millis(PING_AFTER_MS - 1));
    assert!(world.under_way(link, 1).is_empty());
    world.pass(Duration::from_millis(1));
    assert!(matches!(world.under_way(link, 1)[..], [Body::Ping(_)]));
    world.deliver_all();
    world.pass(Duration::from_millis(SILENCE_MAX_MS - 1));
    assert!(world.proxies[0].closed.is_empty(), "the Pong has counted");
    world.pass(Duration::from_millis(1));
    assert_eq!(world.proxies[0].closed, [CloseReason::Silent]);
    assert!(world.proxies[0].machine.should_dial(node(1)));
}

#[test]
fn a_link_without_hello_is_closed() {
    let mut world = World::new(2, SMALL);
    let link = world.dial(1, 0);
    assert!(world.proxies[0].machine.should_dial(node(1)), "who is at the other end is not known");
    assert!(!world.proxies[1].machine.should_dial(node(0)));
    world.break_link(link);
    assert!(world.proxies[1].machine.should_dial(node(0)));
    world.dial(0, 1);
    world.pass(Duration::from_millis(HELLO_TIME_MAX_MS - 1));
    assert!(world.proxies.iter().all(|proxy| proxy.closed.is_empty()));
    world.pass(Duration::from_millis(1));
    assert!(world.proxies.iter().all(|proxy| proxy.closed == [CloseReason::NoHello]));
}

#[test]
fn of_two_links_the_one_dialled_by_the_smaller_stays() {
    for first in 0..2 {
        let mut world = World::new(2, SMALL);
        register(&mut world, 0, "sip:a", "x", 1);
        register(&mut world, 1, "sip:b", "y", 1);
        world.dial(first, 1 - first);
        world.dial(1 - first, first);
        world.deliver_all();
        assert_eq!(world.only_dialler(), 0);
        assert_eq!(world.assert_equal().len(), 2);
        world.dial(1, 0);
        world.deliver_all();
        assert_eq!(world.only_dialler(), 0, "also when the other comes later");
        world.dial(0, 1);
        world.deliver_all();
        assert_eq!(world.only_dialler(), 0, "of two by one dialler the later");
        register(&mut world, 1, "sip:c", "y", 2);
        world.deliver_all();
        assert_eq!(world.assert_equal().len(), 3);
    }
}

#[test]
fn readiness_waits_for_whoever_can_be_reached() {
    let mut world = World::new(3, SMALL);
    let readiness = world.proxies[0].machine.ready(world.now);
    assert_eq!((readiness.ready, &*readiness.reason), (false, "waiting for proxy 102"));
    world.dial(0, 1);
    world.deliver_all();
    assert_eq!(world.proxies[0].machine.ready(world.now).reason, "waiting for proxy 103");
    world.pass(Duration::from_millis(READY_WAIT_MS - 1));
    assert!(!world.proxies[2].machine.ready(world.now).ready);
    world.pass(Duration::from_millis(1));
    let some = world.proxies[0].machine.ready(world.now);
    assert_eq!(
        (some.ready, some.alone, &*some.reason),
        (true, false, "caught up with every reachable proxy")
    );
    let none = world.proxies[2].machine.ready(world.now);
    assert_eq!((none.ready, none.alone), (true, true));
    world.dial(2, 1);
    assert!(world.proxies[2].machine.ready(world.now).ready, "once ready, always ready");
    let mut single = World::new(1, SMALL);
    single.event(0, Event::Timer);
    assert!(single.proxies[0].machine.ready(single.now).ready);
}

#[test]
fn who_is_no_peer_is_turned_away() {
    let hello = |node_id, protocol| {
        Body::Hello(proto::Hello {
            protocol,
            node_id,
            name: String::new(),
            epoch: 1,
            clock: 0,
            resume_epoch: 0,
            resume_sequence: 0,
        })
    };
    let ours = PROTOCOL_VERSION;
    for (body, reason) in [
        (hello(101, ours), CloseReason::NotAPeer(101)),
        (hello(999, ours), CloseReason::NotAPeer(999)),
        (hello(102, ours + 1), CloseReason::Protocol(ours + 1)),
        (hello(5000, ours), CloseReason::Unusable(WireError::Field("node_id"))),
        (Body::Digest(proto::Digest { buckets: Vec::new() }), CloseReason::Unexpected),
        (Body::FileChunk(proto::FileChunk { entries: Vec::new() }), CloseReason::Unexpected),
    ] {
        let mut world = World::new(2, SMALL);
        let link = world.dial(1, 0);
        send(&mut world, 0, link, body);
        assert_eq!(world.proxies[0].closed, [reason]);
    }
    let mut world = World::new(3, SMALL);
    let link = world.dial(0, 1);
    send(&mut world, 0, link, hello(103, ours));
    assert_eq!(
        world.proxies[0].closed,
        [CloseReason::WrongPeer { dialled: node(1), reached: node(2) }]
    );
}

#[test]
fn frames_out_of_place_close_the_link() {
    let part = |number, part, full| {
        let entries = Vec::new();
        Body::Snapshot(proto::Snapshot { number, part, last: false, full, baseline: 0, entries })
    };
    let live = |first_sequence| Body::Live(proto::Live { first_sequence, entries: Vec::new() });
    for body in [
        Body::Resume(proto::Resume { from: 0, to: 0 }),
        Body::Ack(proto::Ack { sequence: 9, snapshot: 0, parts: 0 }),
        live(1),
        live(2),
        live(0),
        part(2, 1, true),
        part(1, u64::MAX, false),
    ] {
        let (mut world, link) = linked(SMALL);
        send(&mut world, 0, link, body.clone());
        assert_eq!(world.proxies[0].closed, [CloseReason::Sequence], "{body:?}");
    }
    for body in [
        Body::Digest(proto::Digest { buckets: vec![0; 3] }),
        Body::Repair(proto::Repair { buckets: vec![256] }),
    ] {
        let (mut world, link) = linked(SMALL);
        send(&mut world, 0, link, body.clone());
        assert!(matches!(world.proxies[0].closed[..], [CloseReason::Unusable(_)]), "{body:?}");
        send(&mut world, 0, link, body);
        assert_eq!(world.proxies[0].closed.len(), 1, "what comes after the close is not looked at");
        world.run(12);
        assert_eq!(world.open_links(), 1);
    }
}

#[test]
fn a_frame_of_a_later_release_is_ignored() {
    let (mut world, link) = linked(SMALL);
    world.event(0, Event::Frame { link, payload: Bytes::from_static(b"\xa2\x06\x01x") });
    register(&mut world, 1, "sip:a", "x", 1);
    world.deliver_all();
    assert_eq!((world.assert_equal().len(), world.open_links()), (1, 1));
}

#[test]
fn a_peer_taken_out_of_the_configuration_loses_its_link() {
    let (mut world, _) = linked(SMALL);
    world.event(0, Event::Peers(Vec::new()));
    assert_eq!(world.proxies[0].closed, [CloseReason::Unconfigured]);
    assert!(!world.proxies[0].machine.should_dial(node(1)));
    world.event(0, Event::Peers(vec![node(1)]));
    world.run(1);
    assert_eq!(world.open_links(), 1);
}

/// What nobody could ask for is not kept; the peer that comes begins with a snapshot.
#[test]
fn a_proxy_that_gets_its_first_peer_tells_it_all() {
    let (mut world, _) = linked(SMALL);
    register(&mut world, 0, "sip:a", "x", 1);
    world.deliver_all();
    world.event(0, Event::Peers(Vec::new()));
    register(&mut world, 0, "sip:b", "y", 1);
    register(&mut world, 0, "sip:a", "x", 2);
    assert_eq!(world.proxies[0].machine.log.from(0).count(), 0, "nobody is there to catch up");
    world.event(0, Event::Peers(vec![node(1)]));
    world.run(1);
    register(&mut world, 0, "sip:c", "z", 1);
    world.deliver_all();
    assert_eq!((world.assert_equal().len(), world.open_links()), (3, 1));
}

#[test]
fn a_part_of_a_walk_looks_at_a_bounded_number_of_contacts() {
    let mut replica = Replica::new(1);
    let len = replica::CONTACTS_PER_PART_MAX + 2;
    for number in 0..len {
        let contact = format!("sip:{number}");
        let entry = entry(0, "7001", &contact, "x", 1, Instant::NEVER);
        replica.merge(&entry, Instant::ZERO);
    }
    assert_eq!(replica.contacts_len(), len);
    let mut walk = replica::Walk::buckets(BTreeSet::from([7]));
    let (one, last) = replica.walk(&mut walk, usize::MAX);
    assert!(!last, "the last two are another part's");
    let (other, last) = replica.walk(&mut walk, usize::MAX);
    let found = one.len() + other.len();
    assert!(last && (len / 512..len / 128).contains(&found), "{found} in one of 256 buckets");
    let mut walk = replica::Walk::buckets(BTreeSet::new());
    assert_eq!(replica.walk(&mut walk, usize::MAX), (Vec::new(), false));
}

#[test]
fn an_entry_that_no_peer_would_take_is_not_sent() {
    let (mut world, link) = linked(SMALL);
    let long = "c".repeat(wire::CALL_ID_BYTES_MAX + 1);
    world.event(0, Event::LocalChange(entry(0, "7001", "sip:a", &long, 1, world.now + HOUR)));
    assert!(world.under_way(link, 1).is_empty());
}

#[test]
fn call_ids_of_a_contact_are_bounded() {
    let mut world = World::new(1, SMALL);
    for n in 0..50 {
        register(&mut world, 0, "sip:a", &format!("call-{n}"), 1);
    }
    let file = world.proxies[0].machine.snapshot_file(world.now, WallTime(0)).concat();
    let entries = read_snapshot_file(&file, world.now, WallTime(0)).expect("whole");
    assert_eq!(entries.len(), replica::CALL_IDS_PER_CONTACT_LEN_MAX);
    assert_eq!(entries[0].contact.call_id(), "call-49");
}

#[test]
fn a_file_gives_back_what_it_was_given() {
    let mut world = World::new(2, SMALL);
    for n in 0..300 {
        register(&mut world, 0, &format!("sip:h{n}"), "x", n);
    }
    remove(&mut world, 0, "sip:h7", "x", 999);
    let before = world.view(0);
    assert_eq!(before.len(), 299);
    world.restart(0, true);
    assert_eq!(world.view(0), before);
    world.run(1);
    assert_eq!(world.assert_equal(), before);
    register(&mut world, 1, "sip:h9", "y", 1);
    world.deliver_all();
    assert_eq!(world.assert_equal()[&("7001".into(), "sip:h9".into())].0, "y");
}

#[test]
fn a_file_counts_time_by_the_wall_clock() {
    let mut world = World::new(1, SMALL);
    register(&mut world, 0, "sip:a", "x", 1);
    let file = world.proxies[0].machine.snapshot_file(world.now, WallTime(1_000_000)).concat();
    let now = Instant(7_000_000_000);
    let later = WallTime(1_000_000 + 600_000);
    let entries = read_snapshot_file(&file, now, later).expect("whole");
    assert_eq!(entries[0].expires, now + Duration::from_secs(3000));
    let entries = read_snapshot_file(&file, now, WallTime(u64::MAX)).expect("whole");
    assert_eq!(entries[0].expires, now);
}

#[test]
fn a_file_is_whole_whatever_changes_while_it_is_made() {
    let mut world = World::new(1, SMALL);
    for n in 0..300 {
        register(&mut world, 0, &format!("sip:h{n}"), "x", n);
    }
    let mut file = SnapshotFile::default();
    let part = |world: &World, file: &mut SnapshotFile| {
        world.proxies[0].machine.snapshot_part(file, world.now, WallTime(0))
    };
    assert!(!part(&world, &mut file), "it has several");
    remove(&mut world, 0, "sip:h0", "x", 999);
    remove(&mut world, 0, "sip:h299", "x", 999);
    register(&mut world, 0, "sip:new", "y", 1);
    while !part(&world, &mut file) {}
    let entries = read_snapshot_file(&file.into_parts().concat(), world.now, WallTime(0));
    let entries = entries.expect("whole");
    let has = |uri: &str| {
        let held = entries.iter().filter_map(|entry| entry.contact.uri());
        held.filter(|held| *held == uri).count()
    };
    assert_eq!((has("sip:h0"), has("sip:h1"), has("sip:h298")), (1, 1, 1));
    assert_eq!((has("sip:h299"), has("sip:new")), (0, 1), "what comes behind the walk");
}

#[test]
fn a_file_that_is_not_whole_is_refused() {
    let mut world = World::new(1, SMALL);
    for n in 0..200 {
        register(&mut world, 0, &format!("sip:h{n}"), "x", n);
    }
    let file = world.proxies[0].machine.snapshot_file(world.now, WallTime(0)).concat();
    let read = |bytes: &[u8]| read_snapshot_file(bytes, Instant::ZERO, WallTime(0));
    assert!(read(&file).is_ok());
    for cut in (0..file.len()).step_by(7) {
        assert!(read(&file[..cut]).is_err(), "cut at {cut}");
    }
    let mut twice = file.clone();
    twice.extend_from_slice(&file);
    assert!(read(&twice).is_err());
    let mut foreign = Vec::new();
    let header =
        wire::encode(Body::FileHeader(proto::FileHeader { format: 9, node_id: 1, entries: 0 }));
    foreign.extend_from_slice(&crate::base::frames::length_prefix(header.len()));
    foreign.extend_from_slice(&header);
    assert_eq!(read(&foreign), Err(WireError::FileFormat(9)));
}
