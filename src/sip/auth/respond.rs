//! The client's half: credentials for a challenge (RFC 7616 3.4, RFC 8760 2.4).

use super::check::response;
use super::hash::Ha1;
use super::parse::{Challenge, Counted, Credentials, Qop, Quoted, parse_challenge};
use super::{AUTH_VALUES_MAX, Request};
use std::borrow::Cow;
use std::fmt::Write as _;

/// Who answers a challenge.
#[derive(Clone, Copy)]
pub struct Account<'a> {
    /// User name.
    pub username: &'a str,
    /// Password as text.
    pub password: &'a str,
}

/// The first challenge that can be answered, as RFC 8760 2.4 wants; header
/// values in the order of the message.
pub fn choose_challenge<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<Challenge<'a>> {
    values.take(AUTH_VALUES_MAX).find_map(|value| parse_challenge(value).ok())
}

/// The value of Authorization or Proxy-Authorization. `nc` is 1 for the first
/// use of the nonce and one more for every further one; `cnonce` is any text of
/// the client. Of an offered qop, `auth` is taken before `auth-int`.
#[must_use]
pub fn respond(
    challenge: &Challenge<'_>,
    account: &Account<'_>,
    request: &Request<'_>,
    nc: u32,
    cnonce: &str,
) -> String {
    let qop = match (challenge.qop.auth, challenge.qop.auth_int) {
        (true, _) => Some(Qop::Auth),
        (false, true) => Some(Qop::AuthInt),
        (false, false) => None,
    };
    let mut credentials = Credentials {
        username: Cow::Borrowed(account.username),
        realm: Cow::Borrowed(&challenge.realm),
        nonce: Cow::Borrowed(&challenge.nonce),
        uri: String::from_utf8_lossy(request.uri),
        response: Cow::Borrowed(""),
        algorithm: challenge.algorithm,
        counted: qop.map(|qop| Counted { qop, nc, nc_text: Cow::Owned(format!("{nc:08x}")) }),
        cnonce: (qop.is_some() || challenge.algorithm.is_session())
            .then_some(Cow::Borrowed(cnonce)),
        opaque: challenge.opaque.as_deref().map(Cow::Borrowed),
    };
    let hash = challenge.algorithm.hash();
    let ha1 = Ha1::new(hash, account.username, &challenge.realm, account.password);
    let digest = response(&credentials, request, &ha1);
    credentials.response = Cow::Borrowed(digest.as_str());
    written(&credentials)
}

fn written(credentials: &Credentials<'_>) -> String {
    let mut text = String::with_capacity(320);
    // Writing into a String cannot fail.
    let _ = write!(
        text,
        "Digest username={}, realm={}, nonce={}, uri={}, response=\"{}\", algorithm={}",
        Quoted(&credentials.username),
        Quoted(&credentials.realm),
        Quoted(&credentials.nonce),
        Quoted(&credentials.uri),
        credentials.response,
        credentials.algorithm,
    );
    if let Some(cnonce) = &credentials.cnonce {
        let _ = write!(text, ", cnonce={}", Quoted(cnonce));
    }
    if let Some(counted) = &credentials.counted {
        let _ = write!(text, ", qop={}, nc={}", counted.qop.name(), counted.nc_text);
    }
    if let Some(opaque) = &credentials.opaque {
        let _ = write!(text, ", opaque={}", Quoted(opaque));
    }
    text
}
