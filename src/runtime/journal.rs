//! Lines appended to a file by a thread of its own, so that a slow disk never
//! holds up a module.

use crate::base::time::Duration;
use core::sync::atomic::{AtomicU64, Ordering};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, TrySendError, sync_channel};
use std::thread::JoinHandle;

/// Lines that may wait for the disk.
const LINES_WAITING_MAX: usize = 16_384;
/// Lines that are written in one go.
const BATCH_LEN: usize = 1_024;
/// How long the thread lets lines come together. Who appends one meanwhile wakes nobody.
const GATHER_TIME: Duration = Duration::from_millis(5);

#[expect(clippy::disallowed_types, reason = "its receiver is the journal's own thread, no module")]
type Lines = std::sync::mpsc::SyncSender<String>;

/// The writing end of a journal. What was appended is in the file when it is dropped.
#[derive(Debug)]
pub struct Journal {
    shown: String,
    lines: Option<Lines>,
    thread: Option<JoinHandle<()>>,
    /// Lines that there was no room for.
    refused: AtomicU64,
}

impl Journal {
    /// Opens a file to append to, with the folders above it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
        let (lines, waiting) = sync_channel::<String>(LINES_WAITING_MAX);
        let shown = path.display().to_string();
        let writer = Writer { file, shown: shown.clone(), failed: 0 };
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run(&waiting))?;
        let (lines, thread) = (Some(lines), Some(thread));
        Ok(Self { shown, lines, thread, refused: AtomicU64::new(0) })
    }

    /// Appends a line; it is lost when the disk is too far behind, and the log says so.
    pub fn append(&self, line: String) {
        let Some(lines) = &self.lines else { return };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = lines.try_send(line) {
            let lost = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
            // A slow disk is told of, but not for each record.
            if lost.is_power_of_two() {
                tracing::warn!(file = %self.shown, lost, "the disk is too slow for records");
            }
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.lines = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Writer {
    file: File,
    shown: String,
    /// Lines that could not be written since one last could.
    failed: u64,
}

impl Writer {
    fn run(mut self, waiting: &Receiver<String>) {
        let mut text = String::new();
        while let Ok(first) = waiting.recv() {
            std::thread::park_timeout(GATHER_TIME);
            text.clear();
            let mut lines = 0;
            for line in core::iter::once(first).chain(waiting.try_iter().take(BATCH_LEN - 1)) {
                text.push_str(&line);
                text.push('\n');
                lines += 1;
            }
            self.write(&text, lines);
        }
    }

    fn write(&mut self, text: &str, lines: u64) {
        match self.file.write_all(text.as_bytes()) {
            Ok(()) if self.failed > 0 => {
                tracing::warn!(file = %self.shown, lost = self.failed, "records are written again");
                self.failed = 0;
            }
            Ok(()) => {}
            Err(error) => {
                let before = self.failed;
                self.failed += lines;
                // A full disk is told of, but not for each record.
                if before.checked_ilog2() != self.failed.checked_ilog2() {
                    tracing::warn!(file = %self.shown, %error, lost = self.failed, "records cannot be written");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_appended_is_in_the_file_when_it_is_dropped() {
        let folder =
            std::env::temp_dir().join(format!("sipcluster-journal-{}", std::process::id()));
        let path = folder.join("below").join("records.jsonl");
        let mut wanted = String::new();
        for run in 0..2 {
            let journal = Journal::open(&path).expect("a file");
            for number in 0..3_000 {
                journal.append(format!("{run} {number}"));
                wanted += &format!("{run} {number}\n");
            }
            drop(journal);
            assert_eq!(std::fs::read_to_string(&path).expect("a file"), wanted);
        }
        std::fs::remove_dir_all(&folder).expect("it is there");
    }

    /// Nobody waits for a disk that takes nothing.
    #[test]
    fn a_full_disk_holds_up_nobody() {
        let Ok(journal) = Journal::open(Path::new("/dev/full")) else { return };
        (0..100).for_each(|number| journal.append(number.to_string()));
    }
}
