//! Modules that every role uses.

pub mod cluster_link;
pub mod securing;
pub mod service_checker;
pub mod system_monitor;
pub mod t_library;
pub mod transport;
pub mod wiring;
