//! Words that every layer shares: ids, time, limits, bounded outboxes, sealed
//! tokens, what a REGISTER said of a contact, and what two legs of a call say to each
//! other; with the containers that hold very many of them, and frames of a stream. No
//! behaviour of a protocol lives here, and this folder names no other.

pub mod contact;
pub mod event_stream;
pub mod expiry;
pub mod few;
pub mod flow;
pub mod frames;
pub mod id;
pub mod leg;
pub mod limits;
pub mod outbox;
pub mod ownership;
mod pages;
pub mod seal;
pub mod short;
pub mod slab;
pub mod state;
pub mod table;
pub mod time;
