//! Service Checker (thread 512): OPTIONS to nodes, proxies and trunks, and the
//! word on which of them are in service (`oos-check`, `oos-force`,
//! `oos-error-check`, `recovery-timeout`, `oos-options-max-forwards`).

pub mod core;
pub mod handle;
pub mod inbox;
pub mod module;

#[cfg(test)]
mod tests;
