//! What an application of the cluster can be.

pub mod epoch;
pub mod node;
pub mod run;
pub mod sip_proxy;
pub mod start;
