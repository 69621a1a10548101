//! SIP, pure: messages, transactions, dialogs, digest, registrar rules. Nothing
//! here knows what a DN or an agent is, reads a clock or owns a socket.

pub mod auth;
pub mod framing;
pub mod message;
pub mod named_dialog;
pub mod packet;
pub mod registrar;
mod state;
pub mod transaction;
pub mod user_agent;
pub mod web_socket;
