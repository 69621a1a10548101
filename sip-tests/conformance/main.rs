//! Conformance: the message layer against the RFCs' torture messages and against other
//! parsers, the proxy core and the user agent stack against RFC 3261 section by section.
//!
//! ```text
//!  rfc4475 rfc5118 torture_data   messages others made, with the outcome the RFC names
//!  differential round_trip        messages made here: two parsers agree; edits touch nothing else
//!  proxy/                         the proxy core, stepped by hand in virtual time
//!  agent/                         the user agent stack, the same way
//! ```
//!
//! Nothing here opens a socket, reads a clock or starts a thread. `exceptions.toml` names the
//! corpus cases in which this program departs from what the corpus wants, each with its reason;
//! an entry that is not needed fails.

mod agent;
mod differential;
mod draft;
mod exceptions;
mod outcome;
mod proxy;
mod rfc4475;
mod rfc5118;
mod round_trip;
mod torture_data;
