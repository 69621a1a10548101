//! What an application of the cluster can be.

pub mod sip_proxy;
