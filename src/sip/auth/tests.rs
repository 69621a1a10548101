//! Verifies the digests against published examples, the reading and writing of
//! both header values, nonces and their counts, and the decisions of the
//! authenticator. It does not verify timing.

mod authenticator;
mod digest;
mod header;
mod nonce;

use super::*;
use crate::base::id::NodeId;
use crate::base::time::{Duration, WallTime};
use std::borrow::Cow;

const START: WallTime = WallTime(1_795_200_000_000);
const NOW: WallTime = WallTime(1_795_209_494_000);
const LIFETIME: Duration = Duration::from_secs(300);
const REALM: &str = "SIP_Cluster";
const KEY: [u8; 32] = [7; 32];
const OTHER_KEY: [u8; 32] = [8; 32];

const REGISTER: Request<'static> =
    Request { method: "REGISTER", uri: b"sip:example.com", body: b"" };
const MD5_RESPONSE: &str = "8ca523f5e9506fed4657c9700eebdbec";

fn everything() -> Policy {
    Policy {
        algorithms: vec![
            Algorithm::Md5,
            Algorithm::Md5Sess,
            Algorithm::Sha256,
            Algorithm::Sha256Sess,
        ],
        auth_int: true,
        ..Policy::default()
    }
}

fn verdict(header: &str, request: &Request<'_>, password: &str) -> Verdict {
    let credentials = parse_credentials(header.as_bytes()).unwrap();
    check(&credentials, request, Some(&plain(password)), &everything())
}

fn plain(text: &str) -> Password<'_> {
    Password::Plain(Cow::Borrowed(text))
}

fn rfc_7616(algorithm: &str, response: &str) -> String {
    format!(
        "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", \
         algorithm={algorithm}, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
         nc=00000001, \
         cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, \
         response=\"{response}\", \
         opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
    )
}

fn challenge_of(algorithm: Algorithm) -> Challenge<'static> {
    let qop = QopOffer { auth: true, auth_int: false };
    let (realm, nonce) = (Cow::Borrowed(REALM), Cow::Borrowed("abc"));
    Challenge { realm, nonce, algorithm, qop, stale: false, opaque: None }
}

fn answer(algorithm: Algorithm, username: &str, password: &str, request: &Request<'_>) -> String {
    respond(&challenge_of(algorithm), &Account { username, password }, request, 1, "c")
}

fn node(id: u16) -> NodeId {
    NodeId::new(id).unwrap()
}
