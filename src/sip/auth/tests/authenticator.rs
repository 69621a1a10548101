//! What becomes of a request.

use super::*;
use crate::base::id::Ids;

/// A node with one user, 7001 with the password `secret`, and a client.
struct Bed {
    server: Authenticator,
    ids: Ids,
    now: WallTime,
}

impl Bed {
    fn new(policy: Policy) -> Self {
        Self { server: server(1, policy), ids: Ids::new(5), now: NOW }
    }

    fn ask(&mut self, values: &[&str]) -> Outcome {
        self.ask_for(values, &REGISTER)
    }

    fn ask_for(&mut self, values: &[&str], request: &Request<'_>) -> Outcome {
        let lookup = |user: &str| (user == "7001").then(|| plain("secret"));
        let values = values.iter().map(|value| value.as_bytes());
        self.server.on_request(values, request, &lookup, self.now, &mut self.ids)
    }

    /// The challenges of a request without credentials.
    fn challenges(&mut self) -> Vec<String> {
        let Outcome::Challenge { stale: false, headers, cause: Cause::NoCredentials } =
            self.ask(&[])
        else {
            panic!("not challenged")
        };
        headers
    }
}

fn server(node_id: u16, policy: Policy) -> Authenticator {
    Authenticator::new(REALM, node(node_id), NonceKeys::new(KEY, None), policy, START)
}

fn reply(challenge: &str, username: &str, password: &str, nc: u32) -> String {
    let challenge = parse_challenge(challenge.as_bytes()).unwrap();
    respond(&challenge, &Account { username, password }, &REGISTER, nc, "cn")
}

fn accepted() -> Outcome {
    Outcome::Accepted { user: "7001".to_owned(), other_uri: false }
}

fn cause(outcome: &Outcome) -> Cause {
    match outcome {
        Outcome::Challenge { stale, headers, cause } => {
            assert_eq!(*stale, cause.is_stale());
            assert!(!headers.is_empty());
            for header in headers {
                assert_eq!(header.contains("stale=true"), *stale, "{header}");
            }
            *cause
        }
        Outcome::Accepted { .. } | Outcome::Forbidden => panic!("not challenged: {outcome:?}"),
    }
}

#[test]
fn the_challenge_comes_in_the_configured_order() {
    let headers = Bed::new(Policy::default()).challenges();
    assert_eq!(headers.len(), 2);
    assert!(headers[0].ends_with("algorithm=MD5, qop=\"auth\""), "{}", headers[0]);
    assert!(headers[1].ends_with("algorithm=SHA-256, qop=\"auth\""), "{}", headers[1]);
    let policy =
        Policy { algorithms: vec![Algorithm::Sha256], auth_int: true, ..Policy::default() };
    let headers = Bed::new(policy).challenges();
    assert_eq!(headers.len(), 1);
    assert!(headers[0].ends_with("algorithm=SHA-256, qop=\"auth,auth-int\""), "{}", headers[0]);
}

#[test]
fn every_offered_challenge_can_be_answered() {
    for auth_int in [false, true] {
        let mut bed = Bed::new(Policy { auth_int, ..everything() });
        for position in 0..4 {
            let challenge = bed.challenges().swap_remove(position);
            for nc in 1..=3 {
                assert_eq!(
                    bed.ask(&[&reply(&challenge, "7001", "secret", nc)]),
                    accepted(),
                    "{challenge}"
                );
            }
            if auth_int {
                let body_only = challenge.replace("auth,auth-int", "auth-int");
                assert_eq!(
                    bed.ask(&[&reply(&body_only, "7001", "secret", 4)]),
                    accepted(),
                    "{challenge}"
                );
            }
        }
    }
}

#[test]
fn a_replay_is_stale() {
    let mut bed = Bed::new(Policy::default());
    let challenge = bed.challenges().swap_remove(0);
    let captured = reply(&challenge, "7001", "secret", 1);
    assert_eq!(bed.ask(&[&captured]), accepted());
    assert_eq!(cause(&bed.ask(&[&captured])), Cause::Replayed);
    assert_eq!(bed.ask(&[&reply(&challenge, "7001", "secret", 3)]), accepted());
    assert_eq!(
        bed.ask(&[&reply(&challenge, "7001", "secret", 2)]),
        accepted(),
        "overtaken on the way"
    );
    assert_eq!(cause(&bed.ask(&[&reply(&challenge, "7001", "secret", 2)])), Cause::Replayed);
    assert_eq!(bed.server.nonces_len(), 1);
}

#[test]
fn credentials_without_qop_are_good_once_per_nonce() {
    let mut bed = Bed::new(Policy::default());
    let challenge = bed.challenges().swap_remove(0).replace(", qop=\"auth\"", "");
    let captured = reply(&challenge, "7001", "secret", 1);
    assert!(!captured.contains("nc="));
    assert_eq!(bed.ask(&[&captured]), accepted());
    assert_eq!(cause(&bed.ask(&[&captured])), Cause::Replayed);
    bed.server.set_policy(Policy { without_qop: false, ..Policy::default() });
    let challenge = bed.challenges().swap_remove(0).replace(", qop=\"auth\"", "");
    let refused = bed.ask(&[&reply(&challenge, "7001", "secret", 1)]);
    assert_eq!(cause(&refused), Cause::Unsupported(Unsupported::NoQop));
}

#[test]
fn an_unknown_user_and_a_wrong_password_look_alike() {
    let mut shapes = Vec::new();
    for (user, password) in
        [("7001", "guess"), ("7002", "guess"), ("7002", "no-password"), ("", "")]
    {
        let mut bed = Bed::new(Policy::default());
        let challenge = bed.challenges().swap_remove(0);
        for _ in 0..20 {
            let outcome = bed.ask(&[&reply(&challenge, user, password, 1)]);
            assert_eq!(cause(&outcome), Cause::Wrong, "{user}");
            shapes.push(outcome);
        }
        assert_eq!(bed.server.nonces_len(), 0, "strangers leave nothing behind");
    }
    let (first, rest) = shapes.split_at(20);
    assert!(rest.chunks(20).all(|shape| shape == first), "same bytes from the same ids");
}

#[test]
fn only_who_knows_the_password_hears_of_stale() {
    let mut bed = Bed::new(Policy::default());
    let challenge = bed.challenges().swap_remove(0);
    let (good, guess) =
        (reply(&challenge, "7001", "secret", 1), reply(&challenge, "7001", "guess", 1));
    bed.now = WallTime(NOW.0 + 301_000);
    assert_eq!(cause(&bed.ask(&[&guess])), Cause::Wrong);
    let Outcome::Challenge { headers, cause: Cause::NonceExpired, .. } = bed.ask(&[&good]) else {
        panic!("expired")
    };
    assert_eq!(bed.ask(&[&reply(&headers[1], "7001", "secret", 1)]), accepted());
}

#[test]
fn nonces_from_elsewhere_are_not_good_here() {
    let mut bed = Bed::new(Policy::default());
    let mut other = Bed { server: server(2, Policy::default()), ..Bed::new(Policy::default()) };
    let of_other = reply(&other.challenges()[0], "7001", "secret", 1);
    assert_eq!(cause(&bed.ask(&[&of_other])), Cause::NonceOfNode(node(2)));
    assert_eq!(other.ask(&[&of_other]), accepted());

    let made_up = bed.challenges().swap_remove(0).replace("nonce=\"", "nonce=\"0");
    assert_eq!(cause(&bed.ask(&[&reply(&made_up, "7001", "secret", 1)])), Cause::NonceForged);
    assert_eq!(cause(&bed.ask(&[&reply(&made_up, "7001", "guess", 1)])), Cause::Wrong);

    let of_realm = bed.challenges().swap_remove(0).replace(REALM, "Other");
    assert_eq!(cause(&bed.ask(&[&reply(&of_realm, "7001", "secret", 1)])), Cause::NoCredentials);

    let unseen = bed.challenges().swap_remove(0);
    assert_eq!(cause(&bed.ask(&[&reply(&unseen, "7001", "secret", 2)])), Cause::NonceUnknown);
    bed.server.take_over(bed.now);
    assert_eq!(cause(&bed.ask(&[&reply(&unseen, "7001", "secret", 1)])), Cause::NonceUnknown);
    let after = bed.challenges().swap_remove(0);
    assert_eq!(bed.ask(&[&reply(&after, "7001", "secret", 1)]), accepted());
}

#[test]
fn keys_rotate_without_a_new_challenge() {
    let mut bed = Bed::new(Policy::default());
    let challenge = bed.challenges().swap_remove(0);
    bed.server.set_keys(NonceKeys::new(OTHER_KEY, Some(KEY)));
    assert_eq!(bed.ask(&[&reply(&challenge, "7001", "secret", 1)]), accepted());
    bed.server.set_keys(NonceKeys::new(OTHER_KEY, None));
    assert_eq!(cause(&bed.ask(&[&reply(&challenge, "7001", "secret", 2)])), Cause::NonceForged);
}

#[test]
fn the_right_credentials_are_found_among_several() {
    let mut bed = Bed::new(Policy::default());
    let challenge = bed.challenges().swap_remove(0);
    let good = reply(&challenge, "7001", "secret", 1);
    let forged = reply(&challenge.replace("nonce=\"", "nonce=\"0"), "7001", "secret", 1);
    let elsewhere = reply(&challenge.replace(REALM, "Other"), "7001", "secret", 1);
    assert_eq!(bed.ask(&["Basic x", &elsewhere, &forged, &good]), accepted());
    assert_eq!(cause(&bed.ask(&["Basic x", &elsewhere])), Cause::Malformed(AuthError::Scheme));
    let mut many = vec![&*elsewhere; AUTH_VALUES_MAX];
    many.push(&good);
    assert_eq!(cause(&bed.ask(&many)), Cause::NoCredentials);
}

#[test]
fn one_request_is_one_guess() {
    let mut bed = Bed::new(Policy::default());
    let challenge = bed.challenges().swap_remove(0);
    let (guess, good) =
        (reply(&challenge, "7001", "guess", 1), reply(&challenge, "7001", "secret", 1));
    assert_eq!(cause(&bed.ask(&[&guess, &good])), Cause::Wrong);
}

#[test]
fn another_uri_is_for_the_policy() {
    let other = Request { uri: b"sip:7001@example.com", ..REGISTER };
    let mut bed = Bed::new(Policy::default());
    let challenge = bed.challenges().swap_remove(0);
    let outcome = bed.ask_for(&[&reply(&challenge, "7001", "secret", 1)], &other);
    assert_eq!(outcome, Outcome::Accepted { user: "7001".to_owned(), other_uri: true });
    bed.server.set_policy(Policy { other_uri: false, ..Policy::default() });
    assert_eq!(bed.ask_for(&[&reply(&challenge, "7001", "secret", 2)], &other), Outcome::Forbidden);
    assert_eq!(
        cause(&bed.ask_for(&[&reply(&challenge, "7001", "guess", 3)], &other)),
        Cause::Wrong
    );
    assert_eq!(bed.ask(&[&reply(&challenge, "7001", "secret", 3)]), accepted());
}

#[test]
fn a_clock_set_back_locks_nobody_out() {
    let mut bed = Bed::new(Policy::default());
    for step in [0, 400_000, -3_600_000, 3_200_000_i64] {
        bed.now = WallTime(bed.now.0.saturating_add_signed(step));
        let challenge = bed.challenges().swap_remove(0);
        assert_eq!(bed.ask(&[&reply(&challenge, "7001", "secret", 1)]), accepted(), "step {step}");
        assert_eq!(bed.ask(&[&reply(&challenge, "7001", "secret", 2)]), accepted(), "step {step}");
    }
}
