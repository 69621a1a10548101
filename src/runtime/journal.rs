//! Lines appended to a file by a thread of its own, so that a slow disk never
//! holds up a module.

use core::sync::atomic::{AtomicU64, Ordering};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{TrySendError, sync_channel};

/// Lines that may wait for the disk.
const LINES_WAITING_MAX: usize = 16_384;

#[expect(clippy::disallowed_types, reason = "its receiver is the journal's own thread, no module")]
type Lines = std::sync::mpsc::SyncSender<String>;

/// The writing end of a journal.
#[derive(Clone, Debug)]
pub struct Journal {
    lines: Lines,
    lost: Arc<AtomicU64>,
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
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
        let (lines, waiting) = sync_channel::<String>(LINES_WAITING_MAX);
        let shown = path.display().to_string();
        std::thread::Builder::new().name("journal".to_owned()).spawn(move || {
            while let Ok(mut line) = waiting.recv() {
                line.push('\n');
                if let Err(error) = file.write_all(line.as_bytes()) {
                    tracing::warn!(file = %shown, %error, "a record could not be written");
                }
            }
        })?;
        Ok(Self { lines, lost: Arc::default() })
    }

    /// Appends a line; counts it as lost when the disk is too far behind.
    pub fn append(&self, line: String) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.lines.try_send(line)
        {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lines lost since the start.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}
