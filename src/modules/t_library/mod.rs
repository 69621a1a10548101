//! A T-Library port: a listener, its clients, their frames. The modules that have one
//! (T-Controller, Session Controller, Smart Proxy, Interaction Proxy) say what the
//! frames mean.

pub mod admission;
pub mod clients;
mod connection;
pub mod port;
pub mod session;
pub mod turn;

#[cfg(test)]
pub mod bench;
#[cfg(test)]
mod tests;
