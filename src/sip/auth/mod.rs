//! Digest authentication: RFC 3261 22 with RFC 7616 and RFC 8760.
//!
//! Input is the value of a header as bytes and a request as [`Request`]; no type
//! of the message layer is named here. Nothing reads a clock: the time and the
//! source of random bits are arguments.
//!
//! ```text
//!  header values ──▶ parse ──▶ nonce (signed, who issued it, how old)
//!                      │           │
//!                      ▼           ▼
//!                    check ──▶ authenticator ──▶ Accepted · Challenge · Forbidden
//!                  (response)      ▲
//!                                  └── count (nc seen before?)
//! ```
//!
//! - A nonce needs no memory until it has been used with the right password:
//!   it is signed with the cluster key and names its issuer ([`NonceKeys`]).
//! - Only the issuing node counts its uses ([`NonceCounts`]), so a nonce of
//!   another node is stale here.
//! - `stale=true` goes only to a client that has shown that it knows the
//!   password. An unknown user and a wrong password cost the same work and get
//!   the same answer.
//! - MD5 and SHA-256, each with its `-sess` form; qop `auth`, `auth-int` and
//!   the form without qop. SHA-512-256, `userhash` and `username*` are never
//!   offered and not understood.

mod authenticator;
mod check;
mod count;
mod hash;
mod nonce;
mod parse;
mod respond;

#[cfg(test)]
mod tests;

pub use authenticator::{Authenticator, Cause, Outcome, Policy};
pub use check::{Password, Unsupported, Verdict, check};
pub use count::{NonceCounts, NonceUse};
pub use hash::{Algorithm, Ha1, Hash};
pub use nonce::{NONCE_LEN, Nonce, NonceId, NonceKeys, NonceState, issuing_node};
pub use parse::{
    Challenge, Counted, Credentials, Qop, QopOffer, parse_challenge, parse_credentials,
};
pub use respond::{Account, choose_challenge, respond};

use thiserror::Error;

/// Bytes of one header value with credentials or a challenge.
pub const AUTH_VALUE_LEN_MAX: usize = 2_048;
/// Parameters of one header value, known and unknown.
pub const AUTH_PARAMS_MAX: usize = 24;
/// Header values with credentials, or challenges, of one message that are looked at.
pub const AUTH_VALUES_MAX: usize = 8;
/// Nonces of one node whose use is counted: every phone of a storm of 100,000
/// within the lifetime of a nonce.
pub const NONCE_COUNTS_MAX: usize = 1 << 17;

/// The parts of a request that a digest covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Method as in the start line.
    pub method: &'a str,
    /// Request-URI as in the start line.
    pub uri: &'a [u8],
    /// Message body, covered by qop `auth-int` only.
    pub body: &'a [u8],
}

/// Why a header value is not usable credentials or a usable challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AuthError {
    /// Longer than [`AUTH_VALUE_LEN_MAX`].
    #[error("longer than {AUTH_VALUE_LEN_MAX} bytes")]
    TooLong,
    /// More parameters than [`AUTH_PARAMS_MAX`].
    #[error("more than {AUTH_PARAMS_MAX} parameters")]
    TooManyParams,
    /// Another scheme than Digest.
    #[error("the scheme is not Digest")]
    Scheme,
    /// The list of parameters breaks the grammar of RFC 7616 3.4 at this byte.
    #[error("malformed at byte {0}")]
    Malformed(usize),
    /// A parameter is not UTF-8.
    #[error("{0} is not UTF-8")]
    NotUtf8(&'static str),
    /// A parameter is there twice.
    #[error("{0} is there twice")]
    Duplicate(&'static str),
    /// A required parameter is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A parameter has a value outside its grammar.
    #[error("{0} is not valid")]
    Invalid(&'static str),
    /// An algorithm other than MD5, SHA-256 and their `-sess` forms.
    #[error("unknown algorithm")]
    Algorithm,
    /// No qop out of `auth` and `auth-int`.
    #[error("unknown qop")]
    Qop,
    /// The user name is hashed (RFC 7616 3.4.4), which is never offered.
    #[error("hashed user names are not supported")]
    UserHash,
}
