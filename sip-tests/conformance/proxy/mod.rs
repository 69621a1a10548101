//! The proxy core against RFC 3261 section 16 and against what `config/` promises of failover:
//! one shard, two nodes of its own data centre and one of another, stepped in virtual time.

mod node_failover;
mod rfc3261_10;
mod rfc3261_16_10;
mod rfc3261_16_3;
mod rfc3261_16_4;
mod rfc3261_16_6;
mod rfc3261_16_7;
mod rfc3261_16_8;
mod rfc3261_17_2;
mod rfc3261_18;
mod torture;
mod world;
