//! The server's half: from the credentials of a request to an answer.

use super::check::{Password, Unsupported, Verdict, check};
use super::count::{NonceCounts, NonceUse};
use super::hash::Algorithm;
use super::nonce::{NonceKeys, NonceState};
use super::parse::{Challenge, Credentials, QopOffer, parse_credentials};
use super::{AUTH_VALUES_MAX, AuthError, NONCE_COUNTS_MAX, Request};
use crate::base::id::{Ids, NodeId};
use crate::base::limits::NONCE_LIFETIME;
use crate::base::time::{Duration, WallTime};
use std::borrow::Cow;

/// What is offered and accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// One challenge per algorithm, in this order, at least one; others are not
    /// accepted. RFC 8760 2.3 wants the preferred one first. The default is MD5,
    /// then SHA-256, because clients from before RFC 8760 read the first
    /// challenge only; where all phones know RFC 8760, put SHA-256 first.
    pub algorithms: Vec<Algorithm>,
    /// Offer and accept qop `auth-int`. Off by default: many phones do not
    /// expect a list of qop values.
    pub auth_int: bool,
    /// Accept credentials without qop, as clients of RFC 2069 send them
    /// (RFC 3261 22.4 item 8). On by default; each nonce is then good for one
    /// request, since there is no count to tell a replay.
    pub without_qop: bool,
    /// Accept credentials whose `uri` is another than the Request-URI. On by
    /// default: proxies rewrite the Request-URI (RFC 3261 22.4 item 6), and some
    /// clients sign the address of their server instead.
    pub other_uri: bool,
    /// How long a nonce is good.
    pub nonce_lifetime: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            algorithms: vec![Algorithm::Md5, Algorithm::Sha256],
            auth_int: false,
            without_qop: true,
            other_uri: true,
            nonce_lifetime: NONCE_LIFETIME,
        }
    }
}

/// Why a request is challenged, for counters and logs; the client sees nothing
/// of it but `stale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// No credentials for this realm.
    NoCredentials,
    /// No credentials for this realm that can be read; why the first cannot.
    Malformed(AuthError),
    /// Credentials outside the policy.
    Unsupported(Unsupported),
    /// Wrong password, unknown user, a user who must not log in.
    Wrong,
    /// The password is right, the nonce is older than its lifetime.
    NonceExpired,
    /// The password is right, the nonce is not one of this cluster and realm.
    NonceForged,
    /// The password is right, the nonce is that of another node.
    NonceOfNode(NodeId),
    /// The password is right, the nonce was used with this count before.
    Replayed,
    /// The password is right, this node knows nothing of earlier uses.
    NonceUnknown,
}

impl Cause {
    /// Whether the client has shown that it knows the password and needs only a
    /// new nonce (RFC 7616 3.3, `stale`).
    #[must_use]
    pub const fn is_stale(self) -> bool {
        match self {
            Self::NonceExpired
            | Self::NonceForged
            | Self::NonceOfNode(_)
            | Self::Replayed
            | Self::NonceUnknown => true,
            Self::NoCredentials | Self::Malformed(_) | Self::Unsupported(_) | Self::Wrong => false,
        }
    }
}

/// What to do with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The request is that of this user. Whether the user may do what it asks
    /// for is for the caller to decide.
    Accepted {
        /// The `username` that was verified.
        user: String,
        /// The client signed another URI than the Request-URI.
        other_uri: bool,
    },
    /// 401 or 407 with one header line per value, in this order.
    Challenge {
        /// The headers say `stale=true`.
        stale: bool,
        /// Values of WWW-Authenticate or Proxy-Authenticate.
        headers: Vec<String>,
        /// For counters and logs.
        cause: Cause,
    },
    /// 403: the password is right and the client signed another URI, which the
    /// policy refuses. A new challenge would only bring the same request again.
    Forbidden,
}

/// Authentication of one realm at one node.
///
/// It is not to be asked about ACK and CANCEL, which cannot be challenged
/// (RFC 3261 22.1), nor about a retransmission, whose count would be a replay:
/// it belongs above the transactions.
#[derive(Debug)]
pub struct Authenticator {
    realm: String,
    node: NodeId,
    keys: NonceKeys,
    policy: Policy,
    counts: NonceCounts,
}

impl Authenticator {
    /// `realm` and `keys` are equal on all nodes, `node` is the one that counts
    /// here. Nonces from before `started` are stale.
    #[must_use]
    pub fn new(
        realm: &str,
        node: NodeId,
        keys: NonceKeys,
        policy: Policy,
        started: WallTime,
    ) -> Self {
        let counts = NonceCounts::new(NONCE_COUNTS_MAX, started);
        Self { realm: realm.to_owned(), node, keys, policy, counts }
    }

    /// Takes other keys; what was counted stays.
    pub fn set_keys(&mut self, keys: NonceKeys) {
        self.keys = keys;
    }

    /// Takes another policy; what was counted stays.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// This node takes over from another process with its node-id: nonces issued
    /// until `now` are stale.
    pub fn take_over(&mut self, now: WallTime) {
        self.counts.forget(now);
    }

    /// Nonces whose use is counted.
    #[must_use]
    pub fn nonces_len(&self) -> usize {
        self.counts.len()
    }

    /// Decides about a request. `values` are those of its Authorization (or
    /// Proxy-Authorization) headers, `lookup` gives the secret of a user name.
    /// Of several credentials for the realm, the first with a fresh nonce of
    /// this node counts, else the first.
    pub fn on_request<'v, 'p>(
        &mut self,
        values: impl Iterator<Item = &'v [u8]>,
        request: &Request<'_>,
        lookup: &dyn Fn(&str) -> Option<Password<'p>>,
        now: WallTime,
        ids: &mut Ids,
    ) -> Outcome {
        let (credentials, nonce) = match self.choose(values, now) {
            Ok(chosen) => chosen,
            Err(cause) => return self.challenge(cause, now, ids),
        };
        let password = lookup(&credentials.username);
        let other_uri = match check(&credentials, request, password.as_ref(), &self.policy) {
            Verdict::Good => false,
            Verdict::OtherUri => true,
            Verdict::Wrong => return self.challenge(Cause::Wrong, now, ids),
            Verdict::Unsupported(reason) => {
                return self.challenge(Cause::Unsupported(reason), now, ids);
            }
        };
        if let Some(cause) = self.use_nonce(nonce, &credentials, now) {
            return self.challenge(cause, now, ids);
        }
        if other_uri && !self.policy.other_uri {
            return Outcome::Forbidden;
        }
        Outcome::Accepted { user: credentials.username.into_owned(), other_uri }
    }

    /// The headers of a challenge, for a request that brought no credentials.
    #[must_use]
    pub fn challenge(&self, cause: Cause, now: WallTime, ids: &mut Ids) -> Outcome {
        let stale = cause.is_stale();
        let nonce = self.keys.issue(self.counts.issue_time(now), &self.realm, self.node, ids);
        let headers = self.policy.algorithms.iter().map(|&algorithm| {
            let challenge = Challenge {
                realm: Cow::Borrowed(&self.realm),
                nonce: Cow::Borrowed(nonce.as_str()),
                algorithm,
                qop: QopOffer { auth: true, auth_int: self.policy.auth_int },
                stale,
                opaque: None,
            };
            challenge.to_string()
        });
        Outcome::Challenge { stale, headers: headers.collect(), cause }
    }

    fn choose<'v>(
        &self,
        values: impl Iterator<Item = &'v [u8]>,
        now: WallTime,
    ) -> Result<(Credentials<'v>, NonceState), Cause> {
        let mut first = None;
        let mut malformed = None;
        for value in values.take(AUTH_VALUES_MAX) {
            let credentials = match parse_credentials(value) {
                Ok(credentials) => credentials,
                Err(error) => {
                    malformed.get_or_insert(error);
                    continue;
                }
            };
            if credentials.realm != self.realm {
                continue;
            }
            let nonce =
                self.keys.verify(&credentials.nonce, &self.realm, now, self.policy.nonce_lifetime);
            match nonce {
                NonceState::Fresh { node, .. } if node == self.node => {
                    return Ok((credentials, nonce));
                }
                NonceState::Fresh { .. } | NonceState::Stale { .. } | NonceState::Forged => {
                    first.get_or_insert((credentials, nonce));
                }
            }
        }
        first.ok_or_else(|| malformed.map_or(Cause::NoCredentials, Cause::Malformed))
    }

    /// Counts the use of a nonce by a client that knows the password; the cause
    /// of a new challenge if that use is not good.
    fn use_nonce(
        &mut self,
        nonce: NonceState,
        credentials: &Credentials<'_>,
        now: WallTime,
    ) -> Option<Cause> {
        let id = match nonce {
            NonceState::Fresh { id, node, .. } if node == self.node => id,
            NonceState::Fresh { node, .. } => return Some(Cause::NonceOfNode(node)),
            NonceState::Stale { .. } => return Some(Cause::NonceExpired),
            NonceState::Forged => return Some(Cause::NonceForged),
        };
        let count = credentials.counted.as_ref().map_or(1, |counted| counted.nc);
        match self.counts.take(id, count, now, self.policy.nonce_lifetime) {
            NonceUse::New => None,
            NonceUse::Replayed => Some(Cause::Replayed),
            NonceUse::Unknown => Some(Cause::NonceUnknown),
        }
    }
}
