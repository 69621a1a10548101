//! What the model of the ownership table (`sip-tests/ownership_model.rs`) has in place of this:
//! loom's atomics, and chunks that are soon made.

pub(crate) use core::sync::atomic::{AtomicU64, Ordering};

/// Words of a chunk; a power of two.
pub(crate) const CHUNK_LEN: usize = 4_096;
