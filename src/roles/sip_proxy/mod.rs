//! The SIP Proxy role: between phones and SBCs outside and the cluster's nodes.

pub mod assemble;
pub mod proxy;
