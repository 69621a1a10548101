//! The node role: a call lives here.

pub mod call_manager;
