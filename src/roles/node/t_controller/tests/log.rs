//! Clients that come back: what they have missed, and what is lost.

use super::*;
use crate::base::limits::{EVENTS_KEPT_MAX, EVENTS_KEPT_TIME};

const fn cursor(source: u32, epoch: u32, seq: u64) -> tlib::Cursor {
    tlib::Cursor { source, epoch, seq }
}

impl World {
    /// A client that names what it has had.
    fn returning(&mut self, id: u64, cursors: Vec<tlib::Cursor>) -> ClientId {
        let id = self.connect(id);
        let registration = ClientRegistration {
            application_name: "desktop".to_owned(),
            protocol_version: 1,
            cursors,
            ..ClientRegistration::default()
        };
        let request = Request {
            r#type: RequestType::TRegisterClient.into(),
            reference_id: 1,
            attributes: None,
            registration: Some(registration),
        };
        let bytes = tlib::encode_frame(frame::Body::Request(request)).slice(LENGTH_BYTES..);
        self.on(Event::Heard(id, Heard::Frame(bytes)));
        id
    }

    /// Registers and gives what comes before the answer.
    fn again(&mut self, id: ClientId, name: &str) -> Vec<Seen> {
        self.take(id);
        self.share(id, name);
        self.take(id)
    }

    fn dnd(&mut self, id: ClientId, name: &str, times: usize) {
        for time in 0..times {
            let kind = if time % 2 == 0 { RequestType::TSetDndOn } else { RequestType::TSetDndOff };
            self.ask(id, kind, dn(name));
        }
    }
}

/// A world in which 7001 and 7002 are in service and one client changes them.
fn world() -> (World, ClientId) {
    let mut world = World::new();
    let worker = world.client(1, "worker");
    for name in ["7001", "7002"] {
        world.phone(name, "sip:one", 3_600);
        world.share(worker, name);
    }
    (world, worker)
}

#[test]
fn a_client_that_comes_back_gets_exactly_what_it_has_missed() {
    let (mut world, worker) = world();
    let before = world.client(2, "desktop");
    world.share(before, "7001");
    world.share(before, "7002");
    world.dnd(worker, "7001", 2);
    let last = world.take(before).last().expect("heard").seq;
    world.gone(before);
    world.dnd(worker, "7001", 3);
    world.dnd(worker, "7002", 1);
    let id = world.returning(3, vec![cursor(1, 7, last)]);
    assert!(world.kinds(id).iter().all(|kind| *kind != EventType::EventGap));
    let missed = world.again(id, "7001");
    let kinds: Vec<EventType> = missed.iter().map(|seen| seen.kind).collect();
    use EventType::{EventDndOff, EventDndOn};
    assert_eq!(kinds, [EventDndOn, EventDndOff, EventDndOn]);
    assert!(missed.iter().all(|seen| seen.seq > last && seen.reference_id == 0));
    let other = world.again(id, "7002");
    assert_eq!(other.iter().map(|seen| seen.kind).collect::<Vec<_>>(), [EventDndOn]);
    assert!(world.again(id, "7001").is_empty(), "once on a connection");
    world.ask(id, RequestType::TUnregisterAddress, dn("7001"));
    assert!(world.again(id, "7001").is_empty(), "not even when it has left it");
    let new = world.client(4, "desktop");
    assert!(world.again(new, "7001").is_empty(), "who has no cursor has missed nothing");
}

#[test]
fn what_cannot_be_told_any_more_is_a_gap() {
    let (mut world, _) = world();
    let own = world.core.seq;
    let given = vec![cursor(1, 7, own), cursor(2, 3, 9), cursor(4_096, 1, 1)];
    let id = world.returning(2, given);
    let gaps = world.take(id);
    let gaps: Vec<EventType> = gaps.iter().map(|seen| seen.kind).collect();
    assert_eq!(
        gaps.iter().filter(|kind| **kind == EventType::EventGap).count(),
        2,
        "of nobody here"
    );
    for wrong in [cursor(1, 6, 1), cursor(1, 7, own + 1)] {
        let id = world.returning(3, vec![wrong]);
        assert!(world.kinds(id).contains(&EventType::EventGap), "{wrong:?}");
        assert!(world.again(id, "7001").is_empty(), "it is told once");
    }
    // The DN had never been anybody's when it left off.
    world.phone("7003", "sip:one", 60);
    let id = world.returning(4, vec![cursor(1, 7, own)]);
    assert_eq!(world.again(id, "7003")[0].kind, EventType::EventDnBackInService);
    // It has been owned and left meanwhile: another node could have had it.
    let own = world.core.seq;
    world.phone("7003", "sip:one", 0);
    world.phone("7003", "sip:one", 60);
    let id = world.returning(6, vec![cursor(1, 7, own)]);
    let told = world.again(id, "7003");
    assert_eq!(told[0].kind, EventType::EventGap);
    assert_eq!(told[0].attributes.this_dn.as_deref(), Some("7003"));
    // And a DN that nobody owns.
    let id = world.returning(5, vec![cursor(1, 7, own)]);
    assert_eq!(world.again(id, "8000")[0].kind, EventType::EventGap);
}

#[test]
fn events_are_kept_for_a_while() {
    let (mut world, worker) = world();
    let own = world.core.seq;
    world.dnd(worker, "7001", 1);
    world.after(EVENTS_KEPT_TIME - Duration::from_secs(1));
    world.dnd(worker, "7002", 1);
    let id = world.returning(2, vec![cursor(1, 7, own)]);
    assert_eq!(world.again(id, "7001").len(), 1);
    world.after(Duration::from_secs(2));
    world.dnd(worker, "7002", 2);
    let id = world.returning(3, vec![cursor(1, 7, own)]);
    assert!(world.kinds(id).contains(&EventType::EventGap));
    let id = world.returning(4, vec![cursor(1, 7, own + 1)]);
    assert!(!world.kinds(id).contains(&EventType::EventGap), "the later ones are kept");
    assert_eq!(world.again(id, "7002").len(), 2, "on, and off");
}

#[test]
fn so_many_events_are_kept_and_no_more() {
    let (mut world, worker) = world();
    let own = world.core.seq;
    for _ in 0..EVENTS_KEPT_MAX / 2 {
        world.dnd(worker, "7001", 2);
        world.seen.clear();
    }
    let id = world.returning(2, vec![cursor(1, 7, own)]);
    assert_eq!(world.again(id, "7001").len(), EVENTS_KEPT_MAX);
    world.dnd(worker, "7001", 1);
    let id = world.returning(3, vec![cursor(1, 7, own)]);
    assert!(world.kinds(id).contains(&EventType::EventGap));
}

#[test]
fn no_more_is_told_than_a_connection_holds() {
    let (mut world, worker) = world();
    let own = world.core.seq;
    let data = tlib::KvList { pairs: vec![tlib::KvPair::text("k", &"x".repeat(60_000))] };
    let given = Attributes { user_data: Some(data), ..dn("7001") };
    for _ in 0..400 {
        world.ask(worker, RequestType::TSendUserEvent, given.clone());
        world.seen.clear();
    }
    let id = world.returning(2, vec![cursor(1, 7, own)]);
    let told = world.again(id, "7001");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].kind, EventType::EventGap, "24 MB at once");
}

#[test]
fn an_input_mask_holds_for_what_was_missed() {
    let (mut world, worker) = world();
    let own = world.core.seq;
    world.dnd(worker, "7001", 3);
    let id = world.returning(2, vec![cursor(1, 7, own)]);
    let mask = tlib::mask_of([i32::from(EventType::EventDndOff)].into_iter());
    let given = Attributes { input_mask: Some(mask), ..Attributes::default() };
    world.ask(id, RequestType::TSetInputMask, given);
    let missed = world.again(id, "7001");
    assert_eq!(missed.len(), 1);
    assert_eq!(missed[0].kind, EventType::EventDndOff);
}
