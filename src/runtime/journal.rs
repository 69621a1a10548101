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
            let mut failed = 0_u64;
            while let Ok(mut line) = waiting.recv() {
                line.push('\n');
                match file.write_all(line.as_bytes()) {
                    Ok(()) if failed > 0 => {
                        tracing::warn!(file = %shown, lost = failed, "records are written again");
                        failed = 0;
                    }
                    Ok(()) => {}
                    Err(error) => {
                        failed += 1;
                        // A full disk is told of, but not for each record.
                        if failed.is_power_of_two() {
                            tracing::warn!(file = %shown, %error, lost = failed, "records cannot be written");
                        }
                    }
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
