//! Transport (thread 768): the sockets of one application, framing, dispatch to
//! shards, and the hand-over between applications of one process.

mod connections;
pub mod core;
pub mod handle;
pub mod inbox;
mod layer;
mod listeners;
pub mod local;
pub mod module;
mod names;
mod quiet;
pub mod sockets;
mod stream;

#[cfg(test)]
mod tests;
