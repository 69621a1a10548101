//! What the applications of a cluster tell each other over `ports.cluster`: pure
//! machines that are given events and the time, and push actions.

pub mod homes;
pub mod registrations;
pub mod wire;
