//! Modules that every role uses.

pub mod service_checker;
pub mod transport;
