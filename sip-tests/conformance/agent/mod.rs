//! The user agent stack against RFC 3261 sections 8, 9, 12, 13, 14 and 15, RFC 3262, 3311 and 4028: one shard of a node
//! behind one proxy, stepped in virtual time.

mod rfc3261_12;
mod rfc3261_13;
mod rfc3261_14;
mod rfc3261_18;
mod rfc3261_8;
mod rfc3261_9;
mod rfc3262;
mod rfc4028;
mod state;
mod world;
