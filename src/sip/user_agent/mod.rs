//! Legs: dialogs and their transactions seen as one side of a call. A packet
//! goes in and leg events come out; leg commands go in and packets come out.
//!
//! ```text
//!  packet ─▶ server transaction ─▶ dialog ─▶ leg ─▶ Event::Leg(leg, LegEvent)
//!  packet ◀─ client transaction ◀─ dialog ◀─ leg ◀─ command(leg, LegCommand)
//! ```
//!
//! Requests outside a dialog that are no INVITE (REGISTER, OPTIONS, MESSAGE) come
//! out as [`Event::Request`] and are answered with [`Stack::answer`].

mod change;
mod client;
mod command;
mod description;
pub mod dialog;
mod incoming;
mod invite_response;
mod leg;
mod mend;
mod merged;
mod refresh;
mod reliable;
mod server;
mod session_timer;
mod stack;
pub mod state;
mod stored_leg;
mod stored_transaction;
mod within;

#[cfg(test)]
mod tests;

pub use incoming::takes_reliable;
pub use leg::{LegState, NewLeg};
pub use stack::{Action, Counted, Cx, Event, Settings, Stack, Wake};
