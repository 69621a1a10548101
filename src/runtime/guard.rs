//! Panics, caught at the turn (`decisions.md` 4): what was hit ends, the rest goes
//! on; one that comes back again and again stops the process, so that whoever
//! takes over begins with a clean state.

use crate::base::limits::{PANICS_MAX, PANICS_WINDOW};
use crate::base::time::Instant;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// A turn that panicked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("panicked: {text}")]
pub struct Panicked {
    text: String,
}

/// Runs `body` and catches its panic. Whoever calls it must put in order what
/// `body` has left half done.
///
/// # Errors
/// With the text of the panic.
pub fn caught<R>(body: impl FnOnce() -> R) -> Result<R, Panicked> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|payload| {
        let text = payload
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| payload.downcast_ref::<&str>().map(|&text| text.to_owned()))
            .unwrap_or_else(|| "without a text".to_owned());
        Panicked { text }
    })
}

/// The panics of one module that are not yet forgotten.
#[derive(Debug, Default)]
pub struct Panics {
    recent: VecDeque<Instant>,
}

impl Panics {
    /// Notes a panic. The one that is too many goes on to the thread, which stops
    /// the process.
    pub fn note(&mut self, panicked: &Panicked, now: Instant) {
        self.recent.retain(|at| now.since(*at) < PANICS_WINDOW);
        self.recent.push_back(now);
        if self.recent.len() >= PANICS_MAX {
            resume_unwind(Box::new(panicked.text.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Duration;

    #[test]
    fn a_panic_becomes_its_text() {
        assert_eq!(caught(|| 7), Ok(7));
        let number = 3;
        let panicked = caught(|| panic!("turn {number}")).expect_err("it panics");
        assert_eq!(panicked.to_string(), "panicked: turn 3");
    }

    #[test]
    fn three_within_a_minute_are_too_many_and_old_ones_are_forgotten() {
        let mut panics = Panics::default();
        let panicked = caught(|| panic!("again")).expect_err("it panics");
        let after = |seconds| Instant::ZERO + Duration::from_secs(seconds);
        for seconds in [0, 30, 61, 95] {
            panics.note(&panicked, after(seconds));
        }
        assert!(caught(|| panics.note(&panicked, after(96))).is_err());
    }
}
