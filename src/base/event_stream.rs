//! Numbered streams of what happened, as they are written to the disk and read again
//! (`runtime/event_log.rs`).

use bytes::Bytes;

/// What is to be done with the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// What a stream is; a stream begins with it.
    Head(u32, Bytes),
    /// Its next entry.
    Entry {
        /// Of which stream.
        stream: u32,
        /// Its number: they rise by one.
        number: u64,
        /// When it was, in milliseconds since 1970.
        at_ms: u64,
        /// The entry.
        entry: Bytes,
    },
    /// Up to which number its entries have reached who they are for, while that is not all.
    Given(u32, Option<u64>),
    /// Entries before a number are not needed any more.
    Trim {
        /// Of which stream.
        stream: u32,
        /// That number.
        first: u64,
        /// What is to be known of them all the same, in parts: it takes the place of what was
        /// said so before.
        rest: Vec<Bytes>,
    },
    /// The stream is not needed any more.
    Remove(u32),
}

impl Write {
    /// Which stream it is about.
    #[must_use]
    pub const fn stream(&self) -> u32 {
        match self {
            Self::Head(stream, _)
            | Self::Given(stream, _)
            | Self::Entry { stream, .. }
            | Self::Trim { stream, .. }
            | Self::Remove(stream) => *stream,
        }
    }

    /// Whether another, that comes before it, need not be done.
    #[must_use]
    pub fn replaces(&self, other: &Self) -> bool {
        let is_same = match (self, other) {
            (Self::Remove(_), _)
            | (Self::Head(..), Self::Head(..))
            | (Self::Given(..), Self::Given(..))
            | (Self::Trim { .. }, Self::Trim { .. }) => true,
            (Self::Head(..) | Self::Given(..) | Self::Trim { .. } | Self::Entry { .. }, _) => false,
        };
        is_same && self.stream() == other.stream()
    }
}

/// An entry that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub number: u64,
    /// When it was, in milliseconds since 1970.
    pub at_ms: u64,
    /// The entry.
    pub entry: Bytes,
}

/// A stream that an earlier process has left: its last entries, whose numbers rise by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// Its number.
    pub stream: u32,
    /// What it is.
    pub head: Bytes,
    /// Up to which number its entries have reached who they are for, if that is not all.
    pub given: Option<u64>,
    /// What was said of entries that are not there any more.
    pub rest: Vec<Bytes>,
    /// Its entries.
    pub entries: Vec<Entry>,
}
