//! The node role: a call lives here.

pub mod assemble;
pub mod call_manager;
pub mod hearer;
pub mod interaction_proxy;
mod ports;
pub mod session_controller;
pub mod t_controller;
