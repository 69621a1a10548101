//! A T-Library port: a listener, its clients, their frames. The modules that have one
//! (T-Controller, Session Controller, Smart Proxy, Interaction Proxy) say what the
//! frames mean.

mod connection;
pub mod port;

#[cfg(test)]
mod tests;
