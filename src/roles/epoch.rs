//! The start epoch of an application: it rises at every start, kept in `data-dir`
//! (`decisions.md` 5).

use crate::base::time::WallTime;
use crate::modules::wiring::StartError;
use crate::runtime::file::replace;
use std::path::Path;

const START_OF_2026_S: u64 = 1_767_225_600;

/// The larger of the stored epoch plus one and the minutes since 2026-01-01; stored
/// before it is used.
///
/// # Errors
/// When it cannot be stored: a start that leaves no trace might be repeated under
/// the same epoch.
pub fn next(folder: &Path, application: &str, wall: WallTime) -> Result<u32, StartError> {
    let path = folder.join(format!("epoch-{application}"));
    let stored = match std::fs::read_to_string(&path) {
        Ok(text) => text.trim().parse::<u32>().unwrap_or_else(|_| {
            tracing::warn!(file = %path.display(), "holds no epoch: the minutes of the clock are taken");
            0
        }),
        Err(_) => 0,
    };
    let minutes = wall.as_secs().saturating_sub(START_OF_2026_S) / 60;
    let epoch = u32::try_from(minutes).unwrap_or(u32::MAX).max(stored.saturating_add(1));
    replace(&path, &[epoch.to_string()])
        .map_err(|cause| StartError::File { path: path.display().to_string(), cause })?;
    Ok(epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_at_every_start_even_when_the_clock_does_not() {
        let folder = std::env::temp_dir().join(format!("sipcluster-epoch-{}", std::process::id()));
        let at = |minutes: u64| WallTime((START_OF_2026_S + minutes * 60) * 1000);
        let next = |minutes| next(&folder, "A", at(minutes)).expect("stored");
        assert_eq!(next(500), 500);
        assert_eq!(next(500), 501);
        assert_eq!(next(20), 502);
        assert_eq!(next(700), 700);
        std::fs::write(folder.join("epoch-A"), "?").expect("written");
        assert_eq!(next(701), 701);
        std::fs::remove_dir_all(folder).expect("removed");
    }
}
