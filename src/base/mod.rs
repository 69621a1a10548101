//! Words that every layer shares: ids, time, limits, bounded outboxes, sealed
//! tokens, and what two legs of a call say to each other. No behaviour of a
//! protocol lives here, and this folder names no other.

pub mod flow;
pub mod id;
pub mod leg;
pub mod limits;
pub mod outbox;
pub mod seal;
pub mod short;
pub mod slab;
pub mod state;
pub mod time;
