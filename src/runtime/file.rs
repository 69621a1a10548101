//! Files that are replaced as a whole: either the old content or the new one is
//! there, whenever the power goes.

use core::sync::atomic::{AtomicBool, Ordering};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Replaces a file by what the parts of `content` are together, with the folders above it made where they are missing.
///
/// # Errors
/// When it cannot be written; the old content stays then.
pub fn replace<C: AsRef<[u8]>>(path: &Path, content: &[C]) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder)?;
    }
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let unfinished = PathBuf::from(unfinished);
    let mut file = File::create(&unfinished)?;
    for part in content {
        file.write_all(part.as_ref())?;
    }
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    // The name of a file lasts when its folder does.
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Replaces one file in the background.
#[derive(Clone, Debug)]
pub struct Keeper {
    path: Arc<Path>,
    is_writing: Arc<AtomicBool>,
}

impl Keeper {
    /// A keeper of that file.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.into(), is_writing: Arc::default() }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a content is on its way to the disk.
    #[must_use]
    pub fn is_writing(&self) -> bool {
        self.is_writing.load(Ordering::Acquire)
    }

    /// Writes a content on a thread of its own; what comes while one is on its way
    /// is left out, and gives `false`.
    pub fn keep(&self, content: Vec<Vec<u8>>) -> bool {
        if self.is_writing.swap(true, Ordering::AcqRel) {
            return false;
        }
        let keeper = self.clone();
        let started = std::thread::Builder::new().name("keeper".to_owned()).spawn(move || {
            keeper.keep_now(&content);
            keeper.is_writing.store(false, Ordering::Release);
        });
        if started.is_err() {
            self.is_writing.store(false, Ordering::Release);
        }
        started.is_ok()
    }

    /// Writes a content and comes back when it is on the disk.
    pub fn keep_now(&self, content: &[Vec<u8>]) {
        if let Err(error) = replace(&self.path, content) {
            tracing::warn!(file = %self.path.display(), %error, "a snapshot could not be written: check data-dir");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_with_its_folders_and_nothing_else_stays() {
        let folder = std::env::temp_dir().join(format!("sipcluster-file-{}", std::process::id()));
        let path = folder.join("a").join("b");
        replace(&path, &[b"one"]).expect("written");
        replace(&path, &[&b"tw"[..], b"o"]).expect("written");
        assert_eq!(std::fs::read(&path).expect("there"), b"two");
        let names = std::fs::read_dir(folder.join("a")).expect("there").count();
        assert_eq!(names, 1);
        // A folder of that name stands in the way, and stays.
        assert!(replace(&folder.join("a"), &[b"x"]).is_err());
        std::fs::remove_dir_all(folder).expect("removed");
    }
}
