use super::{EventLog, SEGMENT_LEN};
use crate::base::event_stream::{Stream, Write};
use crate::base::time::Duration;
use crate::runtime::clock::Clock;
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder that is gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sipcluster-events-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn open(&self) -> (EventLog, Vec<Stream>) {
        EventLog::open("test", &self.0, Clock::start()).expect("a folder")
    }

    /// What is there when it was closed.
    fn read(&self) -> Vec<Stream> {
        self.open().1
    }

    /// Segments of a stream, in order.
    fn segments(&self, stream: u32) -> Vec<PathBuf> {
        let found = std::fs::read_dir(self.0.join(stream.to_string())).expect("a stream");
        let mut found: Vec<PathBuf> = found.map(|file| file.expect("a file").path()).collect();
        found.sort();
        found
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn head(stream: u32) -> Write {
    Write::Head(stream, format!("head of {stream}").into())
}

fn entry(stream: u32, number: u64) -> Write {
    Write::Entry { stream, number, at_ms: 1_000 + number, entry: text(number) }
}

fn trim(first: u64, rest: &[&'static str]) -> Write {
    Write::Trim { stream: 1, first, rest: texts(rest) }
}

fn texts(texts: &[&'static str]) -> Vec<Bytes> {
    texts.iter().map(|text| Bytes::from_static(text.as_bytes())).collect()
}

fn text(number: u64) -> Bytes {
    format!("entry {number}").into()
}

/// An entry that fills much of a segment.
fn large(stream: u32, number: u64) -> Write {
    let len = usize::try_from(SEGMENT_LEN).expect("small") / 2 + 1;
    Write::Entry { stream, number, at_ms: number, entry: vec![7; len].into() }
}

fn numbers(stream: &Stream) -> Vec<u64> {
    stream.entries.iter().map(|entry| entry.number).collect()
}

fn damage(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).expect("a segment");
    change(&mut bytes);
    std::fs::write(path, bytes).expect("a segment");
}

#[test]
fn what_was_written_is_there_again() {
    let folder = Folder::new();
    let (mut log, found) = folder.open();
    assert_eq!(found, []);
    for write in [head(1), head(7), entry(7, 1), entry(1, 41), entry(7, 2), entry(7, 3)] {
        log.write(write);
    }
    log.write(entry(9, 1));
    log.write(head(4));
    drop(log);
    let (mut log, found) = folder.open();
    assert_eq!(found.len(), 3, "a stream without a head is none");
    assert_eq!(found[1], Stream { stream: 4, head: "head of 4".into(), ..Stream::default() });
    let found = [&found[0], &found[2]];
    assert_eq!((found[0].stream, numbers(found[0])), (1, vec![41]));
    assert_eq!((found[1].stream, numbers(found[1])), (7, vec![1, 2, 3]));
    assert_eq!(found[1].head, "head of 7");
    assert_eq!((found[1].entries[2].at_ms, &found[1].entries[2].entry), (1_003, &text(3)));
    // It goes on, and the head may change.
    log.write(Write::Head(7, "another".into()));
    log.write(entry(7, 4));
    log.write(Write::Head(7, "a third".into()));
    log.write(Write::Remove(1));
    log.write(Write::Remove(4));
    drop(log);
    let found = folder.read();
    assert_eq!((found.len(), numbers(&found[0])), (1, vec![1, 2, 3, 4]));
    assert_eq!(found[0].head, "a third");
}

#[test]
fn a_record_that_is_cut_or_damaged_ends_its_segment() {
    for (change, left) in [
        ((|bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 1)) as fn(&mut Vec<u8>), vec![1, 2]),
        (|bytes| bytes.truncate(bytes.len() - 26), vec![1, 2]),
        (|bytes| bytes.extend_from_slice(&[0; 7]), vec![1, 2, 3]),
        (|bytes| bytes.extend_from_slice(&[0xff; 64]), vec![1, 2, 3]),
        (|bytes| *bytes.last_mut().expect("bytes") ^= 1, vec![1, 2]),
        (|bytes| bytes[40] ^= 0x10, vec![]),
    ] {
        let folder = Folder::new();
        let (mut log, _) = folder.open();
        log.write(head(1));
        (1..=3).for_each(|number| log.write(entry(1, number)));
        drop(log);
        damage(&folder.segments(1)[0], change);
        let (mut log, found) = folder.open();
        assert_eq!(found.iter().flat_map(numbers).collect::<Vec<_>>(), left);
        // What comes then follows a hole, unless nothing was lost.
        log.write(entry(1, 4));
        drop(log);
        let expected = if left.len() == 3 { vec![1, 2, 3, 4] } else { vec![4] };
        assert_eq!(numbers(&folder.read()[0]), expected);
    }
}

#[test]
fn a_file_that_is_none_of_the_log_is_passed_over() {
    let folder = Folder::new();
    let (mut log, _) = folder.open();
    log.write(head(1));
    log.write(entry(1, 1));
    drop(log);
    std::fs::write(folder.0.join("1/note.txt"), "hello").expect("written");
    std::fs::write(folder.0.join("1/00000000000000000002.log"), "hello").expect("written");
    std::fs::create_dir(folder.0.join("2")).expect("made");
    let found = folder.read();
    assert_eq!((found.len(), numbers(&found[0])), (1, vec![1]));
}

#[test]
fn what_is_not_needed_any_more_goes_by_segments() {
    let folder = Folder::new();
    let (mut log, _) = folder.open();
    log.write(head(1));
    (1..=8).for_each(|number| log.write(large(1, number)));
    drop(log);
    assert_eq!(folder.segments(1).len(), 4);
    let (mut log, found) = folder.open();
    assert_eq!(numbers(&found[0]), (1..=8).collect::<Vec<_>>());
    log.write(large(1, 9));
    log.write(trim(6, &["five calls"]));
    drop(log);
    assert_eq!(folder.segments(1).len(), 3, "entry 6 is in the segment of entry 5");
    let (mut log, found) = folder.open();
    assert_eq!(
        (numbers(&found[0]), &found[0].rest),
        (vec![5, 6, 7, 8, 9], &texts(&["five calls"]))
    );
    // Before anything is written, nothing goes.
    log.write(trim(100, &[]));
    log.write(entry(1, 10));
    log.write(trim(10, &["one", "two", "three"]));
    drop(log);
    let found = folder.read();
    assert_eq!((numbers(&found[0]), &*found[0].head), (vec![10], &b"head of 1"[..]));
    assert_eq!(found[0].rest, texts(&["one", "two", "three"]));
    // One that is not whole says nothing.
    damage(&folder.segments(1)[0], |bytes| bytes.truncate(bytes.len() - 1));
    assert_eq!(folder.read()[0].rest, Vec::<Bytes>::new());
}

#[test]
fn the_last_word_about_what_was_given_counts() {
    let folder = Folder::new();
    let (mut log, _) = folder.open();
    for write in [head(1), entry(1, 1), entry(1, 2), Write::Given(1, Some(1)), entry(1, 3)] {
        log.write(write);
    }
    drop(log);
    let (mut log, found) = folder.open();
    assert_eq!((found[0].given, numbers(&found[0])), (Some(1), vec![1, 2, 3]));
    // The next segment begins with it.
    log.write(Write::Given(1, Some(2)));
    log.write(entry(1, 4));
    drop(log);
    let (mut log, found) = folder.open();
    assert_eq!((folder.segments(1).len(), found[0].given), (2, Some(2)));
    log.write(entry(1, 5));
    log.write(Write::Given(1, None));
    drop(log);
    assert_eq!((folder.read()[0].given, folder.segments(1).len()), (None, 3));
}

#[test]
fn a_disk_that_fails_costs_a_hole_and_no_more() {
    let folder = Folder::new();
    let (mut log, _) = folder.open();
    // A file stands where the folder of the stream should be.
    std::fs::write(folder.0.join("1"), "in the way").expect("written");
    log.write(head(1));
    log.write(entry(1, 1));
    let lost = log.lost();
    let clock = Clock::start();
    let is_late = || clock.now().0 > 10_000_000_000;
    while lost.get() == 0 {
        assert!(!is_late(), "nothing is lost");
        std::thread::yield_now();
    }
    std::fs::remove_file(folder.0.join("1")).expect("removed");
    let mut number = 1;
    // It is tried again after a pause.
    while !folder.0.join("1").exists() {
        assert!(!is_late(), "it is never tried again");
        number += 1;
        log.write(entry(1, number));
        std::thread::park_timeout(Duration::from_millis(5));
    }
    log.write(entry(1, number + 1));
    drop(log);
    let found = folder.read();
    let numbers = numbers(&found[0]);
    assert_eq!(
        (numbers.len() as u64, numbers.last()),
        (number + 1 - lost.get(), Some(&(number + 1)))
    );
}
