//! Numbered streams on disk, written by a thread of its own, so that a slow disk never holds
//! up a module: `folder/<stream>/<number of the first entry>.log`.
//!
//! ```text
//!   segment  "SCEVENT1" record…
//!   record   length of body, CRC-32 of body, both 4 bytes, little-endian; body
//!   body     0, head: what the stream is, the last one counts
//!            1, number, milliseconds since 1970, both 8 bytes, little-endian; entry
//!            2, 1 while not all was given and else 0, number of the last entry that was,
//!               8 bytes, little-endian; the last one counts
//!            3, flags (1 first, 2 last); a part of what is to be known of entries that are
//!               gone; the last that is whole counts
//! ```
//!
//! What arrives within 20 ms reaches the disk in one go. A record that is not
//! whole ends its segment when the log is read again; what follows in the next one is read.

mod reading;
#[cfg(test)]
mod tests;

use crate::base::event_stream::{Stream, Write};
use crate::base::time::{Duration, Instant};
use crate::observe::prometheus::{Collect, Sheet};
use crate::runtime::clock::Clock;
use bytes::Bytes;
use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{Result, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, TrySendError, sync_channel};
use std::thread::JoinHandle;

const MAGIC: &[u8; 8] = b"SCEVENT1";
const HEAD: u8 = 0;
const ENTRY: u8 = 1;
const GIVEN: u8 = 2;
const REST: u8 = 3;
/// Flags of a part of the rest.
const FIRST: u8 = 1;
const LAST: u8 = 2;
/// Bytes of a body that says what was given.
const GIVEN_LEN: usize = 10;
/// Bytes of a body before the entry itself.
const ENTRY_HEAD_LEN: usize = 17;
/// Bytes before a body.
const RECORD_HEAD_LEN: usize = 8;
/// Bytes of a body; more is no record.
const BODY_LEN_MAX: usize = 4 << 20;
/// Bytes after which a new segment begins.
const SEGMENT_LEN: u64 = 4 << 20;
/// How long the thread lets writes come together. Who writes meanwhile wakes nobody.
const GATHER_TIME: Duration = Duration::from_millis(5);
/// How long what was written may wait for the disk.
const SYNC_INTERVAL: Duration = Duration::from_millis(20);
/// What may wait for the thread.
const WAITING_MAX: usize = 65_536;
/// What the thread takes before it writes.
const BATCH_LEN: usize = 4_096;
/// Time after a failure until a stream is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// Time between two log lines about what could not be written.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

#[expect(clippy::disallowed_types, reason = "its receiver is the log's own thread, no module")]
type Writes = std::sync::mpsc::SyncSender<Write>;

/// The writing end of the log. What it was given is on the disk when it is dropped.
#[derive(Debug)]
pub struct EventLog {
    name: String,
    writes: Option<Writes>,
    /// What there was no room for and must not be left out: few for each stream.
    owed: VecDeque<Write>,
    /// Entries that there was no room for.
    refused: u64,
    thread: Option<JoinHandle<()>>,
    lost: Arc<Losses>,
}

/// Entries that a log has lost since the start.
#[derive(Debug)]
pub struct Losses {
    node: String,
    entries: AtomicU64,
}

impl Losses {
    /// How many.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }

    fn note(&self, entries: u64) -> u64 {
        self.entries.fetch_add(entries, Ordering::Relaxed) + entries
    }
}

impl Collect for Losses {
    fn collect(&self, sheet: &mut Sheet) {
        let help = "Events of collectors that the disk has not taken, kept in memory only";
        sheet.counter("event_log_lost", help, &[("node", self.node.as_str())], self.get());
    }
}

impl EventLog {
    /// Opens the log of a folder, which is made where it is missing, and reads what is in it.
    ///
    /// # Errors
    /// When the folder cannot be read or made.
    pub fn open(name: &str, folder: &Path, clock: Clock) -> Result<(Self, Vec<Stream>)> {
        std::fs::create_dir_all(folder)?;
        let found = reading::streams(folder)?;
        let lost = Arc::new(Losses { node: name.to_owned(), entries: AtomicU64::new(0) });
        let mut writer = Writer {
            name: name.to_owned(),
            clock,
            folder: folder.to_owned(),
            streams: BTreeMap::new(),
            lost: lost.clone(),
            complained: None,
        };
        let mut streams = Vec::new();
        for (stream, segments) in found {
            let Stream { head, given, .. } = stream.clone();
            let own = OnDisk { segments, head, given, ..OnDisk::default() };
            writer.streams.insert(stream.stream, own);
            streams.push(stream);
        }
        let (writes, waiting) = sync_channel(WAITING_MAX);
        let thread = std::thread::Builder::new()
            .name("event-log".to_owned())
            .spawn(move || writer.run(&waiting))?;
        let log = Self {
            name: name.to_owned(),
            writes: Some(writes),
            owed: VecDeque::new(),
            refused: 0,
            thread: Some(thread),
            lost,
        };
        Ok((log, streams))
    }

    /// Gives the thread something to do. What it has no room for is lost and counted: the
    /// stream has a hole then, before which nothing is read.
    pub fn write(&mut self, write: Write) {
        let Some(writes) = &self.writes else { return };
        let send = |write| match writes.try_send(write) {
            Ok(()) => None,
            Err(TrySendError::Full(write) | TrySendError::Disconnected(write)) => Some(write),
        };
        while let Some(owed) = self.owed.pop_front() {
            if let Some(owed) = send(owed) {
                self.owed.push_front(owed);
                break;
            }
        }
        let refused = if self.owed.is_empty() { send(write) } else { Some(write) };
        match refused {
            None => {}
            Some(Write::Entry { .. }) => {
                self.refused += 1;
                self.lost.note(1);
                if self.refused.is_power_of_two() {
                    tracing::warn!(node = %self.name, lost = self.refused, "the disk is too slow for events: they are kept in memory only");
                }
            }
            Some(write) => {
                self.owed.retain(|other| !write.replaces(other));
                self.owed.push_back(write);
            }
        }
    }

    /// How much was lost since the start, for want of room or by a failing disk.
    #[must_use]
    pub fn lost(&self) -> Arc<Losses> {
        self.lost.clone()
    }
}

impl Drop for EventLog {
    fn drop(&mut self) {
        self.writes = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A stream as it is written.
#[derive(Debug, Default)]
struct OnDisk {
    head: Bytes,
    given: Option<u64>,
    /// Numbers of the first entries of its segments, with their files; the last is written.
    segments: VecDeque<(u64, PathBuf)>,
    file: Option<File>,
    len: u64,
    is_dirty: bool,
    /// What is to be written in one go.
    buffer: Vec<u8>,
    waiting: u64,
    /// Since when it cannot be written.
    failed: Option<Instant>,
}

struct Writer {
    name: String,
    clock: Clock,
    folder: PathBuf,
    streams: BTreeMap<u32, OnDisk>,
    lost: Arc<Losses>,
    complained: Option<Instant>,
}

impl Writer {
    fn run(mut self, waiting: &Receiver<Write>) {
        let mut dirty_since: Option<Instant> = None;
        let (mut is_over, mut has_more) = (false, false);
        loop {
            if dirty_since.is_none() && !has_more {
                match waiting.recv() {
                    Ok(write) => self.take(write, self.clock.now()),
                    Err(_) => is_over = true,
                }
            }
            if !is_over && !has_more {
                std::thread::park_timeout(GATHER_TIME);
            }
            let now = self.clock.now();
            has_more = true;
            for _ in 0..BATCH_LEN {
                match waiting.try_recv() {
                    Ok(write) => self.take(write, now),
                    Err(error) => {
                        has_more = false;
                        is_over |= error == TryRecvError::Disconnected;
                        break;
                    }
                }
            }
            self.each(OnDisk::flush, now);
            if self.streams.values().any(|stream| stream.is_dirty) {
                dirty_since.get_or_insert(now);
            }
            if is_over || dirty_since.is_some_and(|since| now.since(since) >= SYNC_INTERVAL) {
                self.each(OnDisk::sync, now);
                dirty_since = None;
            }
            if is_over {
                return;
            }
        }
    }

    fn take(&mut self, write: Write, now: Instant) {
        match write {
            Write::Head(id, head) => {
                let folder = self.folder.join(id.to_string());
                let stream = self.streams.entry(id).or_default();
                stream.head = head.clone();
                if stream.file.is_some() {
                    stream.record(&[&[HEAD], &head]);
                } else if stream.segments.is_empty()
                    && let Err(error) = stream.begin_segment(&folder, 0, now)
                {
                    self.complain(id, 0, &error, now);
                }
            }
            Write::Given(id, given) => {
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.given = given;
                    if stream.file.is_some() {
                        stream.record_given();
                    }
                }
            }
            Write::Entry { stream: id, number, at_ms, entry } => {
                let folder = self.folder.join(id.to_string());
                let Some(stream) = self.streams.get_mut(&id) else {
                    self.lost.note(1);
                    return;
                };
                let begun = stream.begin_segment(&folder, number, now);
                match begun {
                    Ok(true) => {
                        let (number, at_ms) = (number.to_le_bytes(), at_ms.to_le_bytes());
                        stream.record(&[&[ENTRY], &number, &at_ms, &entry]);
                        stream.waiting += 1;
                    }
                    Ok(false) => {
                        self.lost.note(1);
                    }
                    Err(error) => self.complain(id, 1, &error, now),
                }
            }
            Write::Trim { stream: id, first, rest } => {
                // What was written last by an earlier process stays until this one writes.
                let Some(stream) = self.streams.get_mut(&id).filter(|one| one.file.is_some())
                else {
                    return;
                };
                stream.record_rest(&rest);
                // What is to be known is on the disk before its entries are gone.
                match stream.flush().and_then(|()| stream.sync()) {
                    Ok(()) => stream.trim(first),
                    Err(error) => {
                        let lost = stream.fail(now);
                        self.complain(id, lost, &error, now);
                    }
                }
            }
            Write::Remove(id) => {
                if self.streams.remove(&id).is_some() {
                    let _ = std::fs::remove_dir_all(self.folder.join(id.to_string()));
                }
            }
        }
    }

    fn each(&mut self, mut act: impl FnMut(&mut OnDisk) -> Result<()>, now: Instant) {
        let mut failed = Vec::new();
        for (id, stream) in &mut self.streams {
            if let Err(error) = act(stream) {
                failed.push((*id, stream.fail(now), error));
            }
        }
        for (id, lost, error) in failed {
            self.complain(id, lost, &error, now);
        }
    }

    fn complain(&mut self, stream: u32, lost: u64, error: &std::io::Error, now: Instant) {
        let lost = self.lost.note(lost);
        if self.complained.is_none_or(|at| now.since(at) >= COMPLAINT_INTERVAL) {
            self.complained = Some(now);
            tracing::warn!(node = %self.name, folder = %self.folder.display(), stream, %error, lost, "events could not be written to the disk: they are kept in memory only");
        }
    }
}

impl OnDisk {
    /// Has a segment that takes an entry; `false` while nothing can be written.
    fn begin_segment(&mut self, folder: &Path, number: u64, now: Instant) -> Result<bool> {
        if self.failed.is_some_and(|at| now.since(at) < PAUSE) {
            return Ok(false);
        }
        if self.file.is_some() && self.len + (self.buffer.len() as u64) < SEGMENT_LEN {
            return Ok(true);
        }
        let made = self.flush().and_then(|()| self.sync()).and_then(|()| {
            std::fs::create_dir_all(folder)?;
            let path = folder.join(format!("{number:020}.log"));
            let file = OpenOptions::new().create(true).write(true).truncate(true).open(&path)?;
            // The name of a file lasts when its folder does.
            File::open(folder)?.sync_all()?;
            Ok((path, file))
        });
        let (path, file) = match made {
            Ok(made) => made,
            Err(error) => {
                self.fail(now);
                return Err(error);
            }
        };
        self.segments.retain(|(_, other)| *other != path);
        self.segments.push_back((number, path));
        (self.file, self.len, self.failed) = (Some(file), 0, None);
        self.buffer.extend_from_slice(MAGIC);
        let head = self.head.clone();
        self.record(&[&[HEAD], &head]);
        self.record_given();
        Ok(true)
    }

    fn record_given(&mut self) {
        let (flag, number) = (u8::from(self.given.is_some()), self.given.unwrap_or(0));
        self.record(&[&[GIVEN, flag], &number.to_le_bytes()]);
    }

    fn record_rest(&mut self, rest: &[Bytes]) {
        let last = rest.len().saturating_sub(1);
        for (place, part) in rest.iter().enumerate() {
            let first = if place == 0 { FIRST } else { 0 };
            let flags = first | if place == last { LAST } else { 0 };
            self.record(&[&[REST, flags], part]);
        }
    }

    fn record(&mut self, body: &[&[u8]]) {
        let mut sum = crc32fast::Hasher::new();
        body.iter().for_each(|part| sum.update(part));
        let len: usize = body.iter().map(|part| part.len()).sum();
        self.buffer.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
        self.buffer.extend_from_slice(&sum.finalize().to_le_bytes());
        body.iter().for_each(|part| self.buffer.extend_from_slice(part));
    }

    /// Writes what waits.
    fn flush(&mut self) -> Result<()> {
        let Some(file) = self.file.as_mut().filter(|_| !self.buffer.is_empty()) else {
            return Ok(());
        };
        file.write_all(&self.buffer)?;
        self.len += self.buffer.len() as u64;
        self.buffer.clear();
        (self.waiting, self.is_dirty) = (0, true);
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        match self.file.as_ref().filter(|_| self.is_dirty) {
            Some(file) => file.sync_data()?,
            None => return Ok(()),
        }
        self.is_dirty = false;
        Ok(())
    }

    /// Goes on in another segment, after a pause; how many entries are lost.
    fn fail(&mut self, now: Instant) -> u64 {
        self.failed = Some(now);
        let had_file = self.file.take().is_some();
        self.is_dirty = false;
        if had_file
            && self.len == 0
            && let Some((_, path)) = self.segments.pop_back()
        {
            // Nothing has come to be in it.
            let _ = std::fs::remove_file(path);
        }
        self.buffer.clear();
        core::mem::take(&mut self.waiting)
    }

    fn trim(&mut self, first: u64) {
        while self.segments.get(1).is_some_and(|(next, _)| *next <= first) {
            if let Some((_, path)) = self.segments.pop_front() {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}
