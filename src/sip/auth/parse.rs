//! The header values: credentials of Authorization and Proxy-Authorization,
//! challenges of WWW-Authenticate and Proxy-Authenticate (RFC 7616 3.3 and
//! 3.4, RFC 3261 25.1).
//!
//! Values without quotes are taken up to the next comma or space, because old
//! phones leave the quotes away; everything else keeps to the grammar.

use super::hash::Algorithm;
use super::{AUTH_PARAMS_MAX, AUTH_VALUE_LEN_MAX, AuthError};
use core::fmt;
use std::borrow::Cow;

/// Quality of protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Qop {
    /// Method and URI are covered.
    Auth,
    /// Method, URI and body are covered.
    AuthInt,
}

impl Qop {
    /// As in a header.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Auth, Self::AuthInt].into_iter().find(|qop| qop.name().eq_ignore_ascii_case(name))
    }
}

/// What credentials with a qop add: the count of uses of the nonce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted<'a> {
    /// Quality of protection that the client chose.
    pub qop: Qop,
    /// Nonce count, from 1.
    pub nc: u32,
    /// The count as sent: the digest covers this text.
    pub nc_text: Cow<'a, str>,
}

/// The value of Authorization or Proxy-Authorization, quotes and escapes removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// `username`.
    pub username: Cow<'a, str>,
    /// `realm`.
    pub realm: Cow<'a, str>,
    /// `nonce`.
    pub nonce: Cow<'a, str>,
    /// `uri`: what the client signed, normally the Request-URI.
    pub uri: Cow<'a, str>,
    /// `response`: hexadecimal digits, not verified in any way.
    pub response: Cow<'a, str>,
    /// `algorithm`, MD5 where absent.
    pub algorithm: Algorithm,
    /// `qop` and `nc`; `None` for the form without qop, as in RFC 2069.
    pub counted: Option<Counted<'a>>,
    /// `cnonce`; always there with a qop and with a `-sess` algorithm.
    pub cnonce: Option<Cow<'a, str>>,
    /// `opaque`.
    pub opaque: Option<Cow<'a, str>>,
}

/// The qop values that a challenge offers; none means the form of RFC 2069.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QopOffer {
    /// `auth` is offered.
    pub auth: bool,
    /// `auth-int` is offered.
    pub auth_int: bool,
}

/// The value of WWW-Authenticate or Proxy-Authenticate; `Display` writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge<'a> {
    /// `realm`.
    pub realm: Cow<'a, str>,
    /// `nonce`.
    pub nonce: Cow<'a, str>,
    /// `algorithm`, MD5 where absent.
    pub algorithm: Algorithm,
    /// `qop`.
    pub qop: QopOffer,
    /// `stale`: the password was right, the nonce no longer is.
    pub stale: bool,
    /// `opaque`: to be returned as it is.
    pub opaque: Option<Cow<'a, str>>,
}

impl fmt::Display for Challenge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest realm={}, nonce={}", Quoted(&self.realm), Quoted(&self.nonce))?;
        if let Some(opaque) = &self.opaque {
            write!(f, ", opaque={}", Quoted(opaque))?;
        }
        if self.stale {
            f.write_str(", stale=true")?;
        }
        write!(f, ", algorithm={}", self.algorithm)?;
        match (self.qop.auth, self.qop.auth_int) {
            (true, true) => f.write_str(", qop=\"auth,auth-int\""),
            (true, false) => f.write_str(", qop=\"auth\""),
            (false, true) => f.write_str(", qop=\"auth-int\""),
            (false, false) => Ok(()),
        }
    }
}

/// Writes a quoted string: quotes and backslashes escaped, control characters
/// left out so that no value can start a new header line.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        f.write_char('"')?;
        for character in self.0.chars().filter(|character| !character.is_control()) {
            if matches!(character, '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(character)?;
        }
        f.write_char('"')
    }
}

const CREDENTIAL_NAMES: [&str; 11] = [
    "username",
    "realm",
    "nonce",
    "uri",
    "response",
    "algorithm",
    "qop",
    "nc",
    "cnonce",
    "opaque",
    "userhash",
];

/// Reads the value of one Authorization or Proxy-Authorization header.
///
/// # Errors
/// Every [`AuthError`]; unknown parameters are no error.
pub fn parse_credentials(value: &[u8]) -> Result<Credentials<'_>, AuthError> {
    let [username, realm, nonce, uri, response, algorithm, qop, nc, cnonce, opaque, userhash] =
        collect(value, CREDENTIAL_NAMES)?;
    if let Some(userhash) = userhash
        && userhash.text("userhash")?.eq_ignore_ascii_case("true")
    {
        return Err(AuthError::UserHash);
    }
    let algorithm = read_algorithm(algorithm)?;
    let cnonce = optional(cnonce, "cnonce")?;
    let counted = match qop {
        None => None,
        Some(qop) => {
            let qop = Qop::from_name(&qop.text("qop")?).ok_or(AuthError::Qop)?;
            let nc_text = required(nc, "nc")?;
            Some(Counted { qop, nc: read_count(&nc_text)?, nc_text })
        }
    };
    if cnonce.is_none() && (counted.is_some() || algorithm.is_session()) {
        return Err(AuthError::Missing("cnonce"));
    }
    Ok(Credentials {
        username: required(username, "username")?,
        realm: required(realm, "realm")?,
        nonce: required(nonce, "nonce")?,
        uri: required(uri, "uri")?,
        response: required(response, "response")?,
        algorithm,
        counted,
        cnonce,
        opaque: optional(opaque, "opaque")?,
    })
}

const CHALLENGE_NAMES: [&str; 6] = ["realm", "nonce", "algorithm", "qop", "stale", "opaque"];

/// Reads the value of one WWW-Authenticate or Proxy-Authenticate header. Unknown
/// qop values are ignored as long as a known one is offered as well.
///
/// # Errors
/// Every [`AuthError`] but [`AuthError::UserHash`]; a client goes on to the next
/// challenge then (RFC 8760 2.4).
pub fn parse_challenge(value: &[u8]) -> Result<Challenge<'_>, AuthError> {
    let [realm, nonce, algorithm, qop, stale, opaque] = collect(value, CHALLENGE_NAMES)?;
    let mut offer = QopOffer::default();
    if let Some(qop) = qop {
        for name in qop.text("qop")?.split(',') {
            match Qop::from_name(name.trim()) {
                Some(Qop::Auth) => offer.auth = true,
                Some(Qop::AuthInt) => offer.auth_int = true,
                None => {}
            }
        }
        if offer == QopOffer::default() {
            return Err(AuthError::Qop);
        }
    }
    let stale = optional(stale, "stale")?.is_some_and(|stale| stale.eq_ignore_ascii_case("true"));
    Ok(Challenge {
        realm: required(realm, "realm")?,
        nonce: required(nonce, "nonce")?,
        algorithm: read_algorithm(algorithm)?,
        qop: offer,
        stale,
        opaque: optional(opaque, "opaque")?,
    })
}

fn required<'a>(value: Option<Value<'a>>, name: &'static str) -> Result<Cow<'a, str>, AuthError> {
    value.ok_or(AuthError::Missing(name))?.text(name)
}

fn optional<'a>(
    value: Option<Value<'a>>,
    name: &'static str,
) -> Result<Option<Cow<'a, str>>, AuthError> {
    value.map(|value| value.text(name)).transpose()
}

fn read_algorithm(value: Option<Value<'_>>) -> Result<Algorithm, AuthError> {
    match value {
        None => Ok(Algorithm::Md5),
        Some(value) => Algorithm::from_name(&value.text("algorithm")?).ok_or(AuthError::Algorithm),
    }
}

/// RFC 7616 wants eight digits; fewer are taken as well.
fn read_count(text: &str) -> Result<u32, AuthError> {
    let is_hex =
        !text.is_empty() && text.len() <= 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match u32::from_str_radix(text, 16) {
        Ok(count) if is_hex && count > 0 => Ok(count),
        Ok(_) | Err(_) => Err(AuthError::Invalid("nc")),
    }
}

/// One parameter's value without its quotes, escapes still in it.
#[derive(Clone, Copy, Debug)]
struct Value<'a> {
    raw: &'a [u8],
    escaped: bool,
}

impl<'a> Value<'a> {
    fn text(self, name: &'static str) -> Result<Cow<'a, str>, AuthError> {
        let text = core::str::from_utf8(self.raw).map_err(|_| AuthError::NotUtf8(name))?;
        if !self.escaped {
            return Ok(Cow::Borrowed(text));
        }
        let mut plain = String::with_capacity(text.len());
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '\\' => plain.extend(characters.next()),
                other => plain.push(other),
            }
        }
        Ok(Cow::Owned(plain))
    }
}

/// The values of the parameters called `names`, in that order.
fn collect<'a, const N: usize>(
    value: &'a [u8],
    names: [&'static str; N],
) -> Result<[Option<Value<'a>>; N], AuthError> {
    let mut params = Params::new(value)?;
    let mut found = [None; N];
    while let Some((name, value)) = params.next_param()? {
        let Some(position) =
            names.iter().position(|known| name.eq_ignore_ascii_case(known.as_bytes()))
        else {
            continue;
        };
        if found[position].replace(value).is_some() {
            return Err(AuthError::Duplicate(names[position]));
        }
    }
    Ok(found)
}

/// A walk over the parameters behind the scheme.
struct Params<'a> {
    value: &'a [u8],
    at: usize,
    count: usize,
}

impl<'a> Params<'a> {
    fn new(value: &'a [u8]) -> Result<Self, AuthError> {
        if value.len() > AUTH_VALUE_LEN_MAX {
            return Err(AuthError::TooLong);
        }
        let mut params = Self { value, at: 0, count: 0 };
        params.skip_space();
        let scheme = params.take_while(is_token);
        if !scheme.eq_ignore_ascii_case(b"Digest") || !params.peek().is_some_and(is_space) {
            return Err(AuthError::Scheme);
        }
        Ok(params)
    }

    fn next_param(&mut self) -> Result<Option<(&'a [u8], Value<'a>)>, AuthError> {
        self.skip_space();
        while self.take(b',') {
            self.skip_space();
        }
        if self.peek().is_none() {
            return Ok(None);
        }
        self.count += 1;
        if self.count > AUTH_PARAMS_MAX {
            return Err(AuthError::TooManyParams);
        }
        let name = self.take_while(is_token);
        self.skip_space();
        if name.is_empty() || !self.take(b'=') {
            return Err(AuthError::Malformed(self.at));
        }
        self.skip_space();
        let value = if self.take(b'"') { self.quoted()? } else { self.unquoted()? };
        self.skip_space();
        match self.peek() {
            None | Some(b',') => Ok(Some((name, value))),
            Some(_) => Err(AuthError::Malformed(self.at)),
        }
    }

    /// The rest of a quoted string, up to and with its closing quote.
    fn quoted(&mut self) -> Result<Value<'a>, AuthError> {
        let start = self.at;
        let mut escaped = false;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let raw = &self.value[start..self.at];
                    self.at += 1;
                    return Ok(Value { raw, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.at += 1;
                    if self.peek().is_none_or(|byte| byte.is_ascii_control() || !byte.is_ascii()) {
                        return Err(AuthError::Malformed(self.at));
                    }
                    self.at += 1;
                }
                Some(byte) if !byte.is_ascii_control() || byte == b'\t' => self.at += 1,
                None | Some(_) => return Err(AuthError::Malformed(self.at)),
            }
        }
    }

    fn unquoted(&mut self) -> Result<Value<'a>, AuthError> {
        let raw =
            self.take_while(|byte| byte.is_ascii_graphic() && !matches!(byte, b',' | b'"' | b'\\'));
        if raw.is_empty() {
            return Err(AuthError::Malformed(self.at));
        }
        Ok(Value { raw, escaped: false })
    }

    fn peek(&self) -> Option<u8> {
        self.value.get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> bool {
        let there = self.peek() == Some(wanted);
        self.at += usize::from(there);
        there
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = &self.value[self.at..];
        let len = rest.iter().position(|&byte| !wanted(byte)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    fn skip_space(&mut self) {
        self.take_while(is_space);
    }
}

/// White space, with the line ends of a folded header.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// `token` of RFC 3261 25.1.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}
