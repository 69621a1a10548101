//! What outlives the process: streams as the log on disk gives them back.

use super::*;
use crate::base::event_stream::{Entry, Stream, Write};
use crate::cti::tlib::{CallState, frame};
use crate::modules::t_library::port::Heard;
use bytes::Bytes;
use std::collections::BTreeMap;

const STEPS: [Step; 3] = [Step::Dialing, Step::Alerting, Step::Connected];

/// What the disk has after these writes.
#[derive(Default)]
struct Disk(BTreeMap<u32, Stream>);

impl Disk {
    /// Takes what the machine wants written.
    fn take(&mut self, bench: &mut Bench<Core>) {
        for write in bench.own.drain(..) {
            match write {
                Write::Head(stream, head) => {
                    let own = self.0.entry(stream).or_default();
                    (own.stream, own.head) = (stream, head);
                }
                Write::Entry { stream, number, at_ms, entry } => {
                    let own = self.0.get_mut(&stream).expect("a head comes first");
                    assert!(own.entries.last().is_none_or(|last| last.number + 1 == number));
                    own.entries.push(Entry { number, at_ms, entry });
                }
                Write::Given(stream, given) => {
                    self.0.get_mut(&stream).expect("a head comes first").given = given;
                }
                Write::Trim { stream, first, rest } => {
                    let own = self.0.get_mut(&stream).expect("a stream");
                    own.entries.retain(|entry| entry.number >= first);
                    own.rest = rest;
                }
                Write::Remove(stream) => assert!(self.0.remove(&stream).is_some()),
            }
        }
    }

    /// The next process, after this one is gone.
    fn restart(mut self, mut bench: Bench<Core>, epoch: u32) -> (Bench<Core>, Self) {
        self.take(&mut bench);
        let left: Vec<Stream> = self.0.values().cloned().collect();
        (started(epoch, left), self)
    }

    fn numbers(&self) -> Vec<u64> {
        let streams = self.0.values().flat_map(|stream| &stream.entries);
        streams.map(|entry| entry.number).collect()
    }
}

fn acknowledge(bench: &mut Bench<Core>, id: ClientId, epoch: u32, seq: u64) {
    let cursor = Cursor { source: 1, epoch, seq };
    let bytes = crate::cti::tlib::encode_frame(frame::Body::Acknowledged(cursor));
    bench.on(Event::Heard(id, Heard::Frame(bytes.slice(crate::base::frames::LENGTH_BYTES..))));
}

fn cursors(seen: &[Seen]) -> Vec<(u32, u64)> {
    seen.iter().map(|seen| (seen.event.epoch, seen.event.seq)).collect()
}

fn shortly(seen: &[Seen]) -> Vec<String> {
    seen.iter().map(Seen::shortly).collect()
}

#[test]
fn a_collector_goes_on_behind_a_restart_where_it_left_off() {
    let mut bench = bench();
    let id = collector(&mut bench, 1, who("A", "1"));
    bench.on(fact(1, Step::Dialing));
    let before = bench.take(id);
    let had = before.last().expect("events").event.seq;
    bench.on(fact(1, Step::Alerting));
    bench.on(fact(1, Step::Connected));
    let missed = bench.take(id);
    let (mut bench, _) = Disk::default().restart(bench, 8);
    let id = collector(&mut bench, 2, back("A", "1", 7, had));
    let seen = bench.take(id);
    assert_eq!(seen[..missed.len()], missed, "under its old numbers");
    let rest = &seen[missed.len()..];
    let kinds = ["Gap", "CallPartyDeleted 7001", "CallPartyDeleted 7002", "CallDeleted"];
    let mut told = shortly(rest);
    told[1..3].sort();
    assert_eq!(told, kinds);
    for end in &rest[1..] {
        assert_eq!((end.event.epoch, end.given().conn_id), (8, Some(1)));
        assert_eq!(end.given().call_state(), CallState::Unknown);
        assert_eq!(end.given().call_uuid, Some(uuid(1).to_string()));
    }
    let parties = |seen: &[Seen]| {
        let mut all: Vec<_> =
            seen.iter().filter_map(|seen| seen.given().party_uuid.clone()).collect();
        all.sort();
        all.dedup();
        all
    };
    assert_eq!(parties(&rest[1..]), parties(&[before, missed].concat()));
    // New calls go on from there, and the end was told once.
    bench.on(fact(2, Step::Dialing));
    let more = bench.take(id);
    assert_eq!(more[0].event.seq, seen.last().expect("events").event.seq + 1);
    assert_eq!(conn_ids(&more), [2]);
}

#[test]
fn the_numbers_of_every_earlier_start_are_known() {
    let (mut bench, mut disk) = (bench(), Disk::default());
    let id = collector(&mut bench, 1, who("A", ""));
    bench.on(fact(1, Step::Dialing));
    let mut all = bench.take(id);
    for epoch in 8..12 {
        (bench, disk) = disk.restart(bench, epoch);
        bench.on(fact(u64::from(epoch), Step::Dialing));
        let last = all.last().expect("events").event.clone();
        let id = collector(&mut bench, u64::from(epoch), back("A", "", last.epoch, last.seq));
        let more = bench.take(id);
        assert_eq!(more[0].shortly(), "Gap", "{epoch}");
        all.extend(more);
    }
    let (mut bench, _) = disk.restart(bench, 12);
    for (place, after) in all.iter().enumerate().filter(|(_, seen)| seen.shortly() != "Gap") {
        let Cursor { epoch, seq, .. } =
            Cursor { source: 1, epoch: after.event.epoch, seq: after.event.seq };
        let id = collector(&mut bench, 100 + place as u64, back("A", "", epoch, seq));
        let seen = bench.take(id);
        assert_eq!(seen[..all.len() - place - 1], all[place + 1..], "from {epoch} {seq} on");
        bench.lose(id);
    }
    // A start of before those that are known.
    let id = collector(&mut bench, 999, back("A", "", 6, 3));
    let seen = bench.take(id);
    assert_eq!(
        (seen.len(), seen[0].shortly(), cursors(&seen)),
        (1, "Gap".to_owned(), vec![(6, 3)])
    );
}

#[test]
fn who_was_away_gets_all_without_a_cursor_and_who_was_there_what_is_new() {
    for is_away in [false, true] {
        let (mut bench, mut disk) = (bench(), Disk::default());
        let id = collector(&mut bench, 1, who("A", ""));
        bench.on(fact(1, Step::Dialing));
        let had = bench.take(id).len();
        if is_away {
            bench.lose(id);
        }
        STEPS.into_iter().for_each(|step| bench.on(fact(2, step)));
        disk.take(&mut bench);
        let all = disk.numbers().len();
        let (mut bench, _) = disk.restart(bench, 8);
        let id = collector(&mut bench, 2, who("A", ""));
        let seen = bench.take(id);
        let gap = seen.iter().position(|seen| seen.shortly() == "Gap").expect("a gap");
        assert_eq!(gap, if is_away { all - had } else { 0 });
        assert_eq!(conn_ids(&seen), [1, 2], "both are ended");
        assert_eq!(shortly(&seen).iter().filter(|kind| *kind == "CallDeleted").count(), 2);
    }
}

#[test]
fn what_had_not_reached_the_disk_is_a_gap_and_not_told_twice() {
    let (mut bench, mut disk) = (bench(), Disk::default());
    let id = collector(&mut bench, 1, who("A", ""));
    bench.on(fact(1, Step::Dialing));
    disk.take(&mut bench);
    let written = bench.take(id).len() as u64;
    bench.on(fact(1, OVER));
    let had = bench.take(id).last().expect("events").event.seq;
    assert!(had > written);
    bench.own.clear();
    let (mut bench, _) = disk.restart(bench, 8);
    let id = collector(&mut bench, 2, back("A", "", 7, had));
    let seen = bench.take(id);
    assert_eq!(seen[0].shortly(), "Gap");
    // The end of the call was lost: it is told again, as nobody knows how it was.
    assert_eq!(shortly(&seen).last().map(String::as_str), Some("CallDeleted"));
    assert_eq!(seen[1].event.seq, written + 2, "numbers go on from the disk");
    bench.on(fact(2, Step::Dialing));
    assert_eq!(conn_ids(&bench.take(id)), [2]);
}

#[test]
fn a_place_is_kept_for_who_had_it() {
    let (mut bench, disk) = (bench(), Disk::default());
    for (number, node) in [(1, "x"), (2, "y")] {
        collector(&mut bench, number, who("A", node));
    }
    let (mut bench, disk) = disk.restart(bench, 8);
    // Both have stayed away: their calls wait for them, one each.
    bench.on(fact(1, OVER));
    bench.on(fact(2, OVER));
    let other = ClientRegistration { application_name: "other".to_owned(), ..who("A", "x") };
    let id = bench.client(3, other);
    assert_eq!(bench.refused(id, START, Attributes::default()), ErrorCode::ErrorResourceSeized);
    let ids = [(4, "x"), (5, "y")].map(|(id, node)| collector(&mut bench, id, who("A", node)));
    let told = ids.map(|id| conn_ids(&bench.take(id)));
    assert_eq!(
        told.iter().flatten().copied().collect::<std::collections::BTreeSet<_>>(),
        [1, 2].into()
    );
    assert!(told.iter().all(|calls| calls.len() == 1));
    // Who stops leaves nothing on disk.
    for id in ids {
        bench.ask(id, RequestType::TStopCallMonitoring, Attributes::default());
    }
    let (_, disk) = disk.restart(bench, 9);
    assert!(disk.0.is_empty());
}

#[test]
fn what_was_acknowledged_is_kept_no_longer() {
    let (mut bench, mut disk) = (bench(), Disk::default());
    let id = collector(&mut bench, 1, who("A", ""));
    for number in 1..=6_000 {
        bench.on(fact(number, OVER));
    }
    let last = bench.take(id).last().expect("events").event.seq;
    disk.take(&mut bench);
    assert_eq!(disk.numbers().len() as u64, last);
    acknowledge(&mut bench, id, 7, last - 10);
    disk.take(&mut bench);
    assert_eq!(disk.numbers(), (last - 9..=last).collect::<Vec<_>>());
    // Of another node, of another start, beyond what there is: nothing changes.
    for (source, epoch, seq) in [(2, 7, last), (1, 6, last), (1, 7, last + 1)] {
        let cursor = Cursor { source, epoch, seq };
        let bytes = crate::cti::tlib::encode_frame(frame::Body::Acknowledged(cursor));
        bench.on(Event::Heard(id, Heard::Frame(bytes.slice(4..))));
    }
    bench.lose(id);
    let id = collector(&mut bench, 2, back("A", "", 7, last - 10));
    assert_eq!(seqs(&bench.take(id)), (last - 9..=last).collect::<Vec<_>>());
    bench.lose(id);
    let id = collector(&mut bench, 3, back("A", "", 7, last - 11));
    assert_eq!(bench.read(id), ["Gap"]);
}

#[test]
fn thousands_of_running_calls_are_ended_whatever_was_trimmed_of_them() {
    const CALLS: u64 = 9_000;
    let (mut bench, mut disk) = (bench(), Disk::default());
    let id = collector(&mut bench, 1, who("A", ""));
    for number in 1..=CALLS {
        STEPS.into_iter().for_each(|step| bench.on(fact(number, step)));
    }
    bench.on(fact(CALLS, OVER));
    let last = bench.take(id).last().expect("events").event.seq;
    acknowledge(&mut bench, id, 7, last);
    disk.take(&mut bench);
    let parts: Vec<usize> = disk.0[&1].rest.iter().map(Bytes::len).collect();
    assert_eq!(parts.len(), 3);
    assert!(parts.iter().all(|len| *len < 1 << 20), "{parts:?}");
    let (mut bench, _) = disk.restart(bench, 8);
    let id = collector(&mut bench, 2, back("A", "", 7, last));
    // A connection takes a part at a time.
    bench.pass(Duration::from_secs(1));
    let seen = bench.take(id);
    let ended = seen.iter().filter(|seen| seen.shortly() == "CallDeleted");
    let ended: Vec<_> = ended.filter_map(|seen| seen.given().conn_id).collect();
    let wrong = ended.iter().copied().zip(1..).find(|(conn_id, expected)| conn_id != expected);
    assert_eq!((ended.len() as u64, wrong), (CALLS - 1, None));
}

#[test]
fn what_a_slow_collector_was_given_costs_the_disk_a_few_bytes() {
    let mut bench = bench();
    let id = collector(&mut bench, 1, who("A", ""));
    for number in 1..=1_000 {
        bench.on(fact(number, Step::Dialing));
    }
    bench.take(id);
    bench.own.clear();
    bench.backlog.insert(id, usize::MAX);
    for number in 1..=100 {
        bench.on(fact(number, Step::Alerting));
    }
    let given: Vec<&Write> =
        bench.own.iter().filter(|write| !matches!(write, Write::Entry { .. })).collect();
    assert!(matches!(given[..], [Write::Given(1, Some(_))]), "{given:?}");
}

#[test]
fn the_end_of_a_call_is_told_whatever_was_trimmed_of_it() {
    let (mut bench, mut disk) = (bench(), Disk::default());
    let id = collector(&mut bench, 1, who("A", ""));
    STEPS.into_iter().for_each(|step| bench.on(fact(1, step)));
    let parties: std::collections::BTreeSet<_> =
        bench.take(id).iter().filter_map(|seen| seen.given().party_uuid.clone()).collect();
    for number in 2..=6_000 {
        bench.on(fact(number, OVER));
    }
    bench.on(fact(9_000, Step::Dialing));
    let last = bench.take(id).last().expect("events").event.seq;
    acknowledge(&mut bench, id, 7, last - 1);
    for life in 8..10 {
        disk.take(&mut bench);
        assert!(disk.numbers().len() < 40, "of a call nothing is left but its name");
        (bench, disk) = disk.restart(bench, life);
    }
    let id = collector(&mut bench, 2, back("A", "", 7, last));
    let seen = bench.take(id);
    let of = |number: u64| seen.iter().filter(move |seen| seen.given().conn_id == Some(number));
    let kinds: Vec<_> = of(1).map(|seen| seen.event.r#type()).collect();
    let ends = [EventType::EventCallPartyDeleted, EventType::EventCallPartyDeleted];
    assert_eq!(kinds, [&ends[..], &[EventType::EventCallDeleted]].concat(), "once");
    assert_eq!(
        of(1)
            .filter_map(|seen| seen.given().party_uuid.clone())
            .collect::<std::collections::BTreeSet<_>>(),
        parties
    );
    assert_eq!(
        of(9_000).next_back().map(|seen| seen.event.r#type()),
        Some(EventType::EventCallDeleted)
    );
    assert_eq!(conn_ids(&seen), [1, 9_000], "and of no other call");
}

#[test]
fn what_a_connection_had_not_been_given_is_not_lost_with_the_process() {
    let (mut bench, mut disk) = (bench(), Disk::default());
    let id = collector(&mut bench, 1, who("A", ""));
    bench.on(fact(1, OVER));
    let had = bench.take(id).len();
    bench.backlog.insert(id, RECIPIENT_QUEUE_LEN_MAX);
    for number in 2..=20 {
        bench.on(fact(number, OVER));
    }
    assert_eq!(bench.take(id).len(), 0, "it has no room");
    disk.take(&mut bench);
    let all = disk.numbers().len();
    let (mut bench, mut disk) = disk.restart(bench, 8);
    let id = collector(&mut bench, 2, who("A", ""));
    let seen = bench.take(id);
    assert_eq!(shortly(&seen).iter().position(|kind| kind == "Gap"), Some(all - had));
    // Once it has had all, that is known too.
    disk.take(&mut bench);
    let (mut bench, _) = disk.restart(bench, 9);
    let id = collector(&mut bench, 3, who("A", ""));
    assert_eq!(bench.read(id), ["Gap"]);
}

#[test]
fn a_hole_on_the_disk_does_not_hide_what_came_after_the_restart() {
    let (mut bench, mut disk) = (bench(), Disk::default());
    let id = collector(&mut bench, 1, who("A", ""));
    bench.on(fact(1, Step::Dialing));
    let had = bench.take(id).last().expect("events").event.seq;
    bench.on(fact(2, OVER));
    disk.take(&mut bench);
    // As a log with a hole is read: what is before it is left out.
    for stream in disk.0.values_mut() {
        stream.entries.retain(|entry| entry.number > had + 2);
    }
    let (mut bench, _) = disk.restart(bench, 8);
    bench.on(fact(3, Step::Dialing));
    let id = collector(&mut bench, 2, back("A", "", 7, had));
    let seen = bench.take(id);
    assert_eq!(seen[0].shortly(), "Gap");
    assert_eq!(conn_ids(&seen[1..]), [3], "what has begun since the restart is whole");
    assert_eq!(seen[2].shortly(), "CallCreated");
}

#[test]
fn what_cannot_be_read_is_left_alone() {
    let entry = |bytes: &[u8]| Entry { number: 1, at_ms: 1, entry: Bytes::copy_from_slice(bytes) };
    let unknown = Stream {
        stream: 1,
        head: [8, 9].as_slice().into(),
        entries: vec![entry(b"x")],
        ..Stream::default()
    };
    let garbage = Stream { stream: 2, head: [0xff].as_slice().into(), ..Stream::default() };
    let mut bench = started(8, vec![unknown, garbage]);
    let id = collector(&mut bench, 1, who("A", ""));
    assert!(bench.own.iter().all(|write| write.stream() == 3), "{:?}", bench.own);
    bench.on(fact(1, OVER));
    assert_eq!(conn_ids(&bench.take(id)), [1]);
}
