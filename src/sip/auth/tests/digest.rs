//! Responses: published examples, secrets, URIs, the policy.

use super::*;

/// Body of the examples in draft-smith-sipping-auth-examples 3.5 and 3.6.
const SDP: &[u8] = b"v=0\r\no=bob 2890844526 2890844526 IN IP4 media.biloxi.com\r\ns=-\r\n\
    c=IN IP4 media.biloxi.com\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n\
    m=video 51372 RTP/AVP 31\r\na=rtpmap:31 H261/90000\r\nm=video 53000 RTP/AVP 32\r\n\
    a=rtpmap:32 MPV/90000\r\n";

#[test]
fn rfc_2617_3_5() {
    let header = "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", \
        nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", \
        qop=auth, nc=00000001, \
        cnonce=\"0a4f113b\", response=\"6629fae49393a05397450978507c4ef1\", \
        opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
    let request = Request { method: "GET", uri: b"/dir/index.html", body: b"" };
    assert_eq!(verdict(header, &request, "Circle Of Life"), Verdict::Good);
    assert_eq!(verdict(header, &request, "Circle of Life"), Verdict::Wrong);
    assert_eq!(
        verdict(header, &Request { method: "PUT", ..request }, "Circle Of Life"),
        Verdict::Wrong
    );
}

const SHA_RESPONSE: &str = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";

#[test]
fn rfc_7616_3_9_1() {
    let request = Request { method: "GET", uri: b"/dir/index.html", body: b"" };
    for (algorithm, response) in
        [("MD5", MD5_RESPONSE), ("SHA-256", SHA_RESPONSE), ("sha-256", SHA_RESPONSE)]
    {
        let header = rfc_7616(algorithm, response);
        assert_eq!(verdict(&header, &request, "Circle of Life"), Verdict::Good, "{algorithm}");
        let capitals = rfc_7616(algorithm, &response.to_uppercase());
        assert_eq!(verdict(&capitals, &request, "Circle of Life"), Verdict::Good, "{algorithm}");
        for broken in [&response[1..], "", &response.replace('8', "9"), &format!("{response}0")] {
            let header = rfc_7616(algorithm, broken);
            assert_eq!(verdict(&header, &request, "Circle of Life"), Verdict::Wrong, "{broken}");
        }
    }
    let swapped = rfc_7616("MD5", SHA_RESPONSE);
    assert_eq!(verdict(&swapped, &request, "Circle of Life"), Verdict::Wrong);
}

fn biloxi(rest: &str) -> String {
    format!(
        "Digest username=\"bob\", realm=\"biloxi.com\", \
         nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
         uri=\"sip:bob@biloxi.com\", {rest}"
    )
}

#[test]
fn sip_examples_of_draft_smith() {
    let request = Request { method: "INVITE", uri: b"sip:bob@biloxi.com", body: SDP };
    let counted = "nc=00000001, cnonce=\"0a4f113b\"";
    for rest in [
        "response=\"bf57e4e0d0bffc0fbaedce64d59add5e\"".to_owned(),
        format!("qop=auth, {counted}, response=\"89eb0059246c02b2f6ee02c7961d5ea3\""),
        format!(
            "algorithm=MD5, qop=auth, {counted}, response=\"89eb0059246c02b2f6ee02c7961d5ea3\""
        ),
        format!(
            "algorithm=MD5-sess, qop=auth, {counted}, response=\"e4e4ea61d186d07a92c9e1f6919902e9\""
        ),
        format!("qop=auth-int, {counted}, response=\"bdbeebb2da6adb6bca02599c2239e192\""),
        format!(
            "algorithm=MD5-sess, qop=\"auth-int\", {counted}, \
             response=\"91984da2d8663716e91554859c22ca70\""
        ),
        // Computed apart from this code with another implementation of SHA-256.
        format!(
            "algorithm=SHA-256, qop=auth, {counted}, \
             response=\"b3b5a6c69453abafaab9ae4dccdac90a076b6c80615d5f3498e7433b6e93bf4f\""
        ),
    ] {
        let header = biloxi(&rest);
        assert_eq!(verdict(&header, &request, "zanzibar"), Verdict::Good, "{rest}");
        assert_eq!(verdict(&header, &request, "zanzibaR"), Verdict::Wrong, "{rest}");
        let other_body = Request { body: b"v=0\r\n", ..request };
        let covered = rest.contains("auth-int");
        assert_eq!(verdict(&header, &other_body, "zanzibar") == Verdict::Wrong, covered, "{rest}");
    }
}

#[test]
fn rfc_3665_2_1_is_read() {
    let value = b"Digest username=\"bob\", realm=\"atlanta.example.com\",\r\n \
        nonce=\"ea9c8e88df84f1cec4341ae6cbe5a359\", opaque=\"\",\r\n \
        uri=\"sips:ss2.biloxi.example.com\",\r\n \
        response=\"dfe56131d1958046689d83306477ecc\"";
    let credentials = parse_credentials(value).unwrap();
    assert_eq!(credentials.username, "bob");
    assert_eq!(credentials.opaque.as_deref(), Some(""));
    assert_eq!(credentials.algorithm, Algorithm::Md5);
    assert_eq!(credentials.counted, None);
    assert_eq!(credentials.response.len(), 31, "as printed in the RFC");
    let request = Request { method: "REGISTER", uri: b"sips:ss2.biloxi.example.com", body: b"" };
    assert_eq!(check(&credentials, &request, Some(&plain("x")), &everything()), Verdict::Wrong);
}

#[test]
fn a_stored_hash_stands_for_the_password() {
    let stored = [Algorithm::Md5, Algorithm::Sha256].map(|algorithm| {
        Ha1::from_hex(Ha1::new(algorithm.hash(), "7001", REALM, "secret").as_str()).unwrap()
    });
    for algorithm in everything().algorithms {
        let good = answer(algorithm, "7001", "secret", &REGISTER);
        let wrong = answer(algorithm, "7001", "secreT", &REGISTER);
        let result = |header: &str, stored| {
            let credentials = parse_credentials(header.as_bytes()).unwrap();
            check(&credentials, &REGISTER, Some(&Password::Hashed(stored)), &everything())
        };
        assert_eq!(result(&good, &stored), Verdict::Good);
        assert_eq!(result(&wrong, &stored), Verdict::Wrong);
        assert_eq!(result(&good, &[]), Verdict::Wrong, "no hash for {algorithm}");
    }
    for text in ["", "abc", "g0000000000000000000000000000000", &"0".repeat(63)] {
        assert!(Ha1::from_hex(text).is_none(), "{text}");
    }
    assert!(!format!("{stored:?}").contains(stored[0].as_str()), "Debug keeps the secret");
}

#[test]
fn weak_and_missing_passwords_never_authenticate() {
    for password in ["", "7001", "no-password"] {
        let header = answer(Algorithm::Md5, "7001", password, &REGISTER);
        let credentials = parse_credentials(header.as_bytes()).unwrap();
        let stored = [Ha1::new(Hash::Md5, "7001", REALM, password)];
        let unknown = check(&credentials, &REGISTER, None, &everything());
        assert_eq!(unknown, Verdict::Wrong, "unknown user, {password:?}");
        if password != "no-password" {
            let in_clear = check(&credentials, &REGISTER, Some(&plain(password)), &everything());
            assert_eq!(in_clear, Verdict::Wrong, "{password:?}");
            let hashed =
                check(&credentials, &REGISTER, Some(&Password::Hashed(&stored)), &everything());
            assert_eq!(hashed, Verdict::Wrong, "hashed {password:?}");
        }
        let empty = check(&credentials, &REGISTER, Some(&plain("")), &everything());
        assert_eq!(empty, Verdict::Wrong, "empty secret, {password:?}");
        let no_hash = check(&credentials, &REGISTER, Some(&Password::Hashed(&[])), &everything());
        assert_eq!(no_hash, Verdict::Wrong, "no hash, {password:?}");
    }
}

#[test]
fn another_uri_is_reported() {
    for (signed, request_uri, same) in [
        ("sip:example.com", "sip:example.com", true),
        ("sip:example.com", "SIP:Example.COM:5060;transport=tcp", true),
        ("sips:example.com:5061", "sips:example.com", true),
        ("sip:7001@h;lr", "sip:7001@H", true),
        ("sip:[::1]:5060", "sip:[::1]", true),
        ("sip:example.com", "sips:example.com", false),
        ("sip:example.com:5061", "sip:example.com", false),
        ("sip:A@example.com", "sip:a@example.com", false),
        ("sip:example.com", "sip:7001@example.com", false),
        ("sip:127.0.0.1:5060", "sip:example.com", false),
        ("*", "sip:example.com", false),
    ] {
        let header =
            answer(Algorithm::Md5, "u", "p", &Request { uri: signed.as_bytes(), ..REGISTER });
        let expected = if same { Verdict::Good } else { Verdict::OtherUri };
        let request = Request { uri: request_uri.as_bytes(), ..REGISTER };
        assert_eq!(verdict(&header, &request, "p"), expected, "{signed} for {request_uri}");
        assert_eq!(verdict(&header, &request, "q"), Verdict::Wrong, "{signed} for {request_uri}");
    }
}

#[test]
fn the_policy_limits_what_is_computed() {
    let result = |rest: &str, policy: &Policy| {
        let header = biloxi(rest);
        let credentials = parse_credentials(header.as_bytes()).unwrap();
        check(&credentials, &REGISTER, None, policy)
    };
    let unsupported = |reason| Verdict::Unsupported(reason);
    let policy = Policy::default();
    assert_eq!(
        result("algorithm=MD5-sess, cnonce=c, response=0", &policy),
        unsupported(Unsupported::Algorithm)
    );
    assert_eq!(
        result("qop=auth-int, nc=1, cnonce=c, response=0", &policy),
        unsupported(Unsupported::AuthInt)
    );
    assert_eq!(result("response=0", &policy), Verdict::Wrong);
    let strict = Policy { without_qop: false, algorithms: vec![Algorithm::Sha256], ..policy };
    assert_eq!(result("algorithm=SHA-256, response=0", &strict), unsupported(Unsupported::NoQop));
    assert_eq!(
        result("qop=auth, nc=1, cnonce=c, response=0", &strict),
        unsupported(Unsupported::Algorithm)
    );
}
