//! Whether a response proves that the client knows the password (RFC 7616 3.4.1).

use super::Request;
use super::authenticator::Policy;
use super::hash::{Ha1, HexDigest};
use super::parse::{Credentials, Qop};
use std::borrow::Cow;

/// Hashed in place of a password that is not there, so that an unknown user
/// costs the same work. No response made with it is ever accepted.
const NO_PASSWORD: &str = "no-password";

/// The secret of one user.
#[derive(Clone)]
pub enum Password<'a> {
    /// The password itself.
    Plain(Cow<'a, str>),
    /// HA1 for the realm, one per hash function that the user can use.
    Hashed(&'a [Ha1]),
}

impl core::fmt::Debug for Password<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain",
            Self::Hashed(_) => "Hashed",
        })
    }
}

/// Why credentials are outside the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsupported {
    /// The algorithm is not one that is offered.
    Algorithm,
    /// `auth-int`, which is not offered.
    AuthInt,
    /// No qop, and the policy wants one.
    NoQop,
}

/// What a response is worth, apart from its nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The client knows the password and signed this request.
    Good,
    /// The client knows the password and signed another URI than the Request-URI.
    OtherUri,
    /// Wrong password, unknown user, a user who must not log in, or another
    /// method or body than the one signed.
    Wrong,
    /// Outside the policy; nothing was computed.
    Unsupported(Unsupported),
}

/// Checks a response. `None` is an unknown user, which takes as long as a known
/// one. A user with an empty password or with the user name for a password is
/// always [`Verdict::Wrong`].
#[must_use]
pub fn check(
    credentials: &Credentials<'_>,
    request: &Request<'_>,
    password: Option<&Password<'_>>,
    policy: &Policy,
) -> Verdict {
    if let Some(unsupported) = outside(credentials, policy) {
        return Verdict::Unsupported(unsupported);
    }
    let hash = credentials.algorithm.hash();
    let (user, realm) = (&*credentials.username, &*credentials.realm);
    let plain = match password {
        Some(Password::Plain(text)) if !text.is_empty() && **text != *user => Some(&**text),
        Some(Password::Plain(_) | Password::Hashed(_)) | None => None,
    };
    let stored = match password {
        Some(Password::Hashed(all)) => all.iter().find(|ha1| ha1.hash() == hash),
        Some(Password::Plain(_)) | None => None,
    };
    let computed = Ha1::new(hash, user, realm, plain.unwrap_or(NO_PASSWORD));
    let ha1 = stored.unwrap_or(&computed);
    let expected = response(credentials, request, ha1);
    let known = plain.is_some() | stored.is_some();
    if !(expected.equals(credentials.response.as_bytes()) & known) {
        return Verdict::Wrong;
    }
    let weak = |text| ha1.equals(&Ha1::new(hash, user, realm, text));
    if stored.is_some() && (weak("") || weak(user)) {
        return Verdict::Wrong;
    }
    if same_uri(credentials.uri.as_bytes(), request.uri) {
        Verdict::Good
    } else {
        Verdict::OtherUri
    }
}

fn outside(credentials: &Credentials<'_>, policy: &Policy) -> Option<Unsupported> {
    if !policy.algorithms.contains(&credentials.algorithm) {
        return Some(Unsupported::Algorithm);
    }
    match credentials.counted.as_ref().map(|counted| counted.qop) {
        None if !policy.without_qop => Some(Unsupported::NoQop),
        Some(Qop::AuthInt) if !policy.auth_int => Some(Unsupported::AuthInt),
        None | Some(Qop::Auth | Qop::AuthInt) => None,
    }
}

/// The response of RFC 7616 3.4.1 over the credentials' own `uri`.
pub(super) fn response(
    credentials: &Credentials<'_>,
    request: &Request<'_>,
    ha1: &Ha1,
) -> HexDigest {
    let hash = credentials.algorithm.hash();
    let nonce = credentials.nonce.as_bytes();
    let cnonce = credentials.cnonce.as_deref().unwrap_or_default().as_bytes();
    let secret = ha1.as_str().as_bytes();
    let session;
    let secret = if credentials.algorithm.is_session() {
        session = HexDigest::joined(hash, &[secret, nonce, cnonce]);
        session.as_bytes()
    } else {
        secret
    };
    let (method, uri) = (request.method.as_bytes(), credentials.uri.as_bytes());
    let Some(counted) = &credentials.counted else {
        let ha2 = HexDigest::joined(hash, &[method, uri]);
        return HexDigest::joined(hash, &[secret, nonce, ha2.as_bytes()]);
    };
    let ha2 = match counted.qop {
        Qop::Auth => HexDigest::joined(hash, &[method, uri]),
        Qop::AuthInt => {
            let body = HexDigest::joined(hash, &[request.body]);
            HexDigest::joined(hash, &[method, uri, body.as_bytes()])
        }
    };
    let (nc, qop) = (counted.nc_text.as_bytes(), counted.qop.name().as_bytes());
    HexDigest::joined(hash, &[secret, nonce, nc, cnonce, qop, ha2.as_bytes()])
}

/// Equal text, or the same user, host and port when parameters and headers of
/// the URI are left aside.
fn same_uri(one: &[u8], other: &[u8]) -> bool {
    if one == other {
        return true;
    }
    let (Some(one), Some(other)) = (Essence::read(one), Essence::read(other)) else {
        return false;
    };
    one.scheme.eq_ignore_ascii_case(other.scheme)
        && one.user == other.user
        && one.host_port.eq_ignore_ascii_case(other.host_port)
}

struct Essence<'a> {
    scheme: &'a [u8],
    user: Option<&'a [u8]>,
    host_port: &'a [u8],
}

impl<'a> Essence<'a> {
    fn read(uri: &'a [u8]) -> Option<Self> {
        let colon = uri.iter().position(|&byte| byte == b':')?;
        let (scheme, rest) = (&uri[..colon], &uri[colon + 1..]);
        let (user, rest) = match rest.iter().position(|&byte| byte == b'@') {
            Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
            None => (None, rest),
        };
        let end = rest.iter().position(|byte| matches!(byte, b';' | b'?')).unwrap_or(rest.len());
        let default_port: &[u8] =
            if scheme.eq_ignore_ascii_case(b"sips") { b":5061" } else { b":5060" };
        let host_port = &rest[..end];
        let host_port = host_port.strip_suffix(default_port).unwrap_or(host_port);
        Some(Self { scheme, user, host_port })
    }
}
