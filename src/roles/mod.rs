//! What an application of the cluster can be.

pub mod node;
pub mod sip_proxy;
