//! Header values: read, written, refused, and any bytes at all.

use super::*;
use proptest::prelude::*;

#[test]
fn quoted_pairs_are_undone_and_written() {
    let header = answer(Algorithm::Md5, "a\"b\\c", "secret", &REGISTER);
    assert!(header.contains(r#"username="a\"b\\c""#), "{header}");
    let credentials = parse_credentials(header.as_bytes()).unwrap();
    assert_eq!(credentials.username, "a\"b\\c");
    assert_eq!(verdict(&header, &REGISTER, "secret"), Verdict::Good);
    let needless = br#"Digest username="\b\ob",realm="",nonce="",uri="",response="""#;
    assert_eq!(parse_credentials(needless).unwrap().username, "bob");
    let smuggled =
        Challenge { realm: Cow::Borrowed("a\r\nVia: b"), ..challenge_of(Algorithm::Md5) };
    assert!(!smuggled.to_string().contains(['\r', '\n']));
}

#[test]
fn odd_but_good_credentials_are_read() {
    let odd = "\t digest\tUserName = bob , ,REALM=\"r,=\" , nonce=a=b==,uri=sip:h;lr=1,response=0, \
        Algorithm=\"MD5\", QOP=\"AUTH\", nc=a, cnonce=\"\", auts=\"x\", auts=\"y\",";
    let credentials = parse_credentials(odd.as_bytes()).unwrap();
    assert_eq!((&*credentials.username, &*credentials.realm), ("bob", "r,="));
    assert_eq!((&*credentials.nonce, &*credentials.uri), ("a=b==", "sip:h;lr=1"));
    let nc_text = Cow::Borrowed("a");
    assert_eq!(credentials.counted, Some(Counted { qop: Qop::Auth, nc: 10, nc_text }));
    let utf8 =
        parse_credentials("Digest username=\"jürgen\",realm=r,nonce=n,uri=u,response=0".as_bytes());
    assert_eq!(utf8.unwrap().username, "jürgen");
}

#[test]
fn bad_credentials_are_refused_by_name() {
    let full = "Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"x\", response=\"0\"";
    assert!(parse_credentials(full.as_bytes()).is_ok());
    for name in ["username", "realm", "nonce", "uri", "response"] {
        let without = full.replace(name, "other");
        assert_eq!(parse_credentials(without.as_bytes()), Err(AuthError::Missing(name)));
        let twice = format!("{full}, {}=\"1\"", name.to_uppercase());
        assert_eq!(parse_credentials(twice.as_bytes()), Err(AuthError::Duplicate(name)));
    }
    for (rest, error) in [
        ("algorithm=SHA-512-256", AuthError::Algorithm),
        ("algorithm=MD5-sess", AuthError::Missing("cnonce")),
        ("qop=auth, nc=1", AuthError::Missing("cnonce")),
        ("qop=auth, cnonce=c", AuthError::Missing("nc")),
        ("qop=auth, cnonce=c, nc=0", AuthError::Invalid("nc")),
        ("qop=auth, cnonce=c, nc=+1", AuthError::Invalid("nc")),
        ("qop=auth, cnonce=c, nc=000000001", AuthError::Invalid("nc")),
        ("qop=auth, cnonce=c, nc=\"\"", AuthError::Invalid("nc")),
        ("qop=auth-conf, cnonce=c, nc=1", AuthError::Qop),
        ("userhash=true", AuthError::UserHash),
    ] {
        assert_eq!(parse_credentials(format!("{full}, {rest}").as_bytes()), Err(error), "{rest}");
    }
    assert!(parse_credentials(format!("{full}, userhash=false").as_bytes()).is_ok());
}

#[test]
fn what_is_no_list_of_parameters_is_refused() {
    for value in ["", "Digest", "Basic dTpw", "Digestusername=\"u\"", "Digest,realm=r"] {
        assert_eq!(parse_credentials(value.as_bytes()), Err(AuthError::Scheme), "{value}");
    }
    for value in [
        "Digest username",
        "Digest username=",
        "Digest username=\"u",
        "Digest username=\"u\\",
        "Digest username=\"u\\\"",
        "Digest username=\"u\" realm=\"r\"",
        "Digest username=u\"v\"",
        "Digest =u",
        "Digest username=\"a\r\nb\"",
        "Digest username=\"a\0b\"",
        "Digest username=\"a\\\0b\"",
        "Digest username=,",
    ] {
        assert!(
            matches!(parse_credentials(value.as_bytes()), Err(AuthError::Malformed(_))),
            "{value:?}"
        );
    }
    let latin1 = b"Digest username=\"j\xfcrgen\",realm=r,nonce=n,uri=u,response=0";
    assert_eq!(parse_credentials(latin1), Err(AuthError::NotUtf8("username")));
    let mut long = b"Digest username=\"".to_vec();
    long.resize(AUTH_VALUE_LEN_MAX + 1, b'a');
    assert_eq!(parse_credentials(&long), Err(AuthError::TooLong));
    let many = format!("Digest {}", "a=b,".repeat(AUTH_PARAMS_MAX + 1));
    assert_eq!(parse_credentials(many.as_bytes()), Err(AuthError::TooManyParams));
}

#[test]
fn challenges_are_written_and_read() {
    let mut challenge = challenge_of(Algorithm::Sha256);
    assert_eq!(
        challenge.to_string(),
        "Digest realm=\"SIP_Cluster\", nonce=\"abc\", algorithm=SHA-256, qop=\"auth\""
    );
    challenge.stale = true;
    challenge.opaque = Some(Cow::Borrowed("o"));
    for qop in [(false, false), (true, false), (false, true), (true, true)] {
        challenge.qop = QopOffer { auth: qop.0, auth_int: qop.1 };
        let text = challenge.to_string();
        assert_eq!(parse_challenge(text.as_bytes()), Ok(challenge.clone()), "{text}");
    }
    let old =
        parse_challenge(b"Digest realm=\"r\", domain=\"sip:a sip:b\", nonce=\"n\", stale=FALSE")
            .unwrap();
    assert_eq!((old.algorithm, old.qop, old.stale), (Algorithm::Md5, QopOffer::default(), false));
}

#[test]
fn bad_challenges_are_refused() {
    for (value, error) in [
        ("Digest nonce=\"n\"", AuthError::Missing("realm")),
        ("Digest realm=\"r\"", AuthError::Missing("nonce")),
        ("Digest realm=\"r\", nonce=\"n\", nonce=\"n\"", AuthError::Duplicate("nonce")),
        ("Digest realm=\"r\", nonce=\"n\", qop=\"auth-conf\"", AuthError::Qop),
        ("Digest realm=\"r\", nonce=\"n\", algorithm=AKAv1-MD5", AuthError::Algorithm),
        ("Bearer realm=\"r\"", AuthError::Scheme),
    ] {
        assert_eq!(parse_challenge(value.as_bytes()), Err(error), "{value}");
    }
    let values: [&[u8]; 4] = [
        b"Bearer x",
        b"Digest realm=r, nonce=1, algorithm=SHA-512-256",
        b"Digest realm=r, nonce=2, algorithm=SHA-256, qop=\"auth\"",
        b"Digest realm=r, nonce=3, qop=\"auth\"",
    ];
    assert_eq!(choose_challenge(values.into_iter()).unwrap().nonce, "2");
    assert_eq!(choose_challenge(values[..2].iter().copied()), None);
}

proptest! {
    #[test]
    fn parsing_takes_any_bytes(value in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse_credentials(&value);
        let _ = parse_challenge(&value);
        let _ = issuing_node(&String::from_utf8_lossy(&value));
    }

    #[test]
    fn parsing_takes_anything_like_a_header(
        rest in "(username|realm|nonce|uri|qop|nc|cnonce|x)?[ =,\"\\\\a-z\u{e9}]{0,40}",
        cut in 0_usize..200,
    ) {
        let value = format!("{}, {rest}", rfc_7616("MD5", MD5_RESPONSE));
        let _ = parse_credentials(value.as_bytes());
        let _ = parse_credentials(&value.as_bytes()[cut..]);
        let _ = parse_credentials(&value.as_bytes()[..value.len() - cut]);
        let _ = parse_challenge(value.as_bytes());
    }

    #[test]
    fn what_is_written_is_read_again(
        user in "[ -~\u{a1}-\u{17f}]{0,30}",
        realm in "[ -~]{0,30}",
        opaque in proptest::option::of("[ -~]{0,10}"),
        nc in 1_u32..,
    ) {
        let mut challenge = challenge_of(Algorithm::Sha256);
        challenge.realm = Cow::Owned(realm);
        challenge.opaque = opaque.map(Cow::Owned);
        let text = challenge.to_string();
        let read = parse_challenge(text.as_bytes());
        prop_assert_eq!(read.as_ref(), Ok(&challenge));
        let account = Account { username: &user, password: "p w" };
        let header = respond(&challenge, &account, &REGISTER, nc, "c");
        let credentials = parse_credentials(header.as_bytes()).unwrap();
        prop_assert_eq!(&credentials.username, &user);
        prop_assert_eq!(credentials.counted.as_ref().map(|counted| counted.nc), Some(nc));
        let right = check(&credentials, &REGISTER, Some(&plain("p w")), &everything());
        prop_assert_eq!(right, Verdict::Good);
        let wrong = check(&credentials, &REGISTER, Some(&plain("p  w")), &everything());
        prop_assert_eq!(wrong, Verdict::Wrong);
    }
}
