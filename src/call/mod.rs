//! Call control, pure and without a word of any signalling: a call is parties
//! with a leg each, and operations on them.

pub mod facts;
pub mod record;
pub mod state;
pub mod two_party;

#[cfg(test)]
mod tests;
