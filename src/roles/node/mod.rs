//! The node role: a call lives here.

pub mod assemble;
pub mod call_manager;
pub mod t_controller;
