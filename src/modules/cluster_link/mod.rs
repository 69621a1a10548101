//! The cluster port of a proxy: connections to the other proxies, over which
//! they share registrations. The protocol is `mesh::registrations`, so that this
//! module has no `core.rs` of its own.

pub mod handle;
mod home_links;
pub mod inbox;
pub mod module;
