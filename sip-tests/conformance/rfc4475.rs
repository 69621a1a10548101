//! RFC 4475: each torture message with the outcome that its section names, and what must be
//! read out of the valid ones. Where the section speaks of a layer above the parser (3.2, 3.3),
//! the parser must take the message; `proxy/torture.rs` sees to the layer.

use super::exceptions::settle;
use super::outcome::{Wanted, departure, read};
use sipcluster::sip::message::{HeaderId, Message};
use sipx_testkit::rfc4475::{CASES, case};

use Wanted::{Dropped, Either, Good, Refused};

/// Section, name, outcome.
const OUTCOMES: &[(&str, &str, Wanted)] = &[
    ("3.1.1.1", "wsinv", Good),
    ("3.1.1.2", "intmeth", Good),
    ("3.1.1.3", "esc01", Good),
    ("3.1.1.4", "escnull", Good),
    ("3.1.1.5", "esc02", Good),
    ("3.1.1.6", "lwsdisp", Good),
    ("3.1.1.7", "longreq", Good),
    ("3.1.1.8", "dblreq", Good),
    ("3.1.1.9", "semiuri", Good),
    ("3.1.1.10", "transports", Good),
    ("3.1.1.11", "mpart01", Good),
    ("3.1.1.12", "unreason", Good),
    ("3.1.1.13", "noreason", Good),
    ("3.1.2.1", "badinv01", Refused(&[400])),
    ("3.1.2.2", "clerr", Refused(&[400])),
    ("3.1.2.3", "ncl", Refused(&[400])),
    ("3.1.2.4", "scalar02", Refused(&[400])),
    ("3.1.2.5", "scalarlg", Dropped),
    ("3.1.2.6", "quotbal", Refused(&[400])),
    ("3.1.2.7", "ltgtruri", Refused(&[400])),
    ("3.1.2.8", "lwsruri", Refused(&[400])),
    ("3.1.2.9", "lwsstart", Refused(&[400])),
    ("3.1.2.10", "trws", Refused(&[400])),
    ("3.1.2.11", "escruri", Either),
    ("3.1.2.12", "baddate", Either),
    ("3.1.2.13", "regbadct", Either),
    ("3.1.2.14", "badaspec", Either),
    ("3.1.2.15", "baddn", Either),
    ("3.1.2.16", "badvers", Refused(&[505])),
    ("3.1.2.17", "mismatch01", Refused(&[400])),
    ("3.1.2.18", "mismatch02", Refused(&[400, 501])),
    ("3.1.2.19", "bigcode", Dropped),
    ("3.2.1", "badbranch", Either),
    ("3.3.1", "insuf", Refused(&[400])),
    ("3.3.2", "unkscm", Good),
    ("3.3.3", "novelsc", Good),
    ("3.3.4", "unksm2", Good),
    ("3.3.5", "bext01", Good),
    ("3.3.6", "invut", Good),
    ("3.3.7", "regaut01", Good),
    ("3.3.8", "multi01", Refused(&[400])),
    ("3.3.9", "mcl01", Refused(&[400])),
    ("3.3.10", "bcast", Good),
    ("3.3.11", "zeromf", Good),
    ("3.3.12", "cparam01", Good),
    ("3.3.13", "cparam02", Good),
    ("3.3.14", "regescrt", Good),
    ("3.3.15", "sdp01", Good),
    ("3.4.1", "inv2543", Good),
];

#[test]
fn each_message_has_the_outcome_of_its_section() {
    let mut findings = Vec::new();
    for (section, name, wanted) in OUTCOMES {
        let found = case(name).unwrap_or_else(|| panic!("{name} is not in the corpus"));
        assert_eq!(found.section, *section, "{name}");
        if let Some(what) = departure(found.bytes, *wanted) {
            findings.push(((*name).to_owned(), format!("{section} {}: {what}", found.title)));
        }
    }
    settle("rfc4475", &findings);
}

#[test]
fn no_message_of_the_corpus_is_left_out() {
    for found in CASES.iter().filter(|found| found.is_classified()) {
        assert!(OUTCOMES.iter().any(|(_, name, _)| *name == found.name), "{}", found.name);
    }
    assert_eq!(OUTCOMES.len(), 49);
}

fn message(name: &str) -> Message {
    let found = case(name).unwrap_or_else(|| panic!("{name} is not in the corpus"));
    read(found.bytes).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What the RFC's text shows of a valid message: method, CSeq number, start of the Call-ID, tag
/// of From, tag of To, branch of the top Via, count of Via values, URIs of the Contacts, bytes
/// of the body.
type Fields<'a> = (&'a str, u32, &'a str, &'a str, &'a str, &'a str, usize, &'a [&'a str], usize);

const FIELDS: &[(&str, Fields<'_>)] = &[
    (
        "wsinv",
        (
            "INVITE",
            9,
            "wsinv.ndaksdj@192.0.2.1",
            "98asjd8",
            "1918181833n",
            "390skdjuw",
            3,
            &["sip:jdrosen@example.com"],
            150,
        ),
    ),
    (
        "intmeth",
        (
            "!interesting-Method0123456789_*+`.%indeed'~",
            139_122_385,
            "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{",
            "_token~1'+`*%!-.",
            "",
            "z9hG4bK-.!%66*_+`'~",
            1,
            &[],
            0,
        ),
    ),
    (
        "esc01",
        (
            "INVITE",
            234_234,
            "esc01.239409asdfakjkn23onasd0-3234",
            "938",
            "",
            "z9hG4bKkdjuw",
            1,
            &["sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31"],
            150,
        ),
    ),
    (
        "escnull",
        (
            "REGISTER",
            14_398_234,
            "escnull.39203ndfvkjdasfkq3w4otrq0adsfdfnavd",
            "839923423",
            "",
            "z9hG4bKkdjuw",
            1,
            &["sip:%00@host5.example.com", "sip:%00%00@host5.example.com"],
            0,
        ),
    ),
    (
        "esc02",
        (
            "RE%47IST%45R",
            29_344,
            "esc02.asdfnqwo34rq23i34jrjasdcnl23nrlknsdf",
            "f232jadfj23",
            "",
            "z9hG4bK209%fzsnel234",
            1,
            &["sip:alias1@host1.example.com", "sip:alias3@host3.example.com"],
            0,
        ),
    ),
    (
        "lwsdisp",
        ("OPTIONS", 60, "lwsdisp.1234abcd@funky.example.com", "323", "", "z9hG4bKkdjuw", 1, &[], 0),
    ),
    (
        "dblreq",
        (
            "REGISTER",
            8,
            "dblreq.0ha0isndaksdj99sdfafnl3lk233412",
            "43251j3j324",
            "",
            "z9hG4bKkdjuw23492",
            1,
            &["sip:j.user@host.example.com"],
            0,
        ),
    ),
    ("semiuri", ("OPTIONS", 8, "semiuri.0ha0isndaksdj", "33242", "", "z9hG4bKkdjuw", 1, &[], 0)),
    (
        "transports",
        ("OPTIONS", 60, "transports.kijh4akdnaqjkwendsasfdj", "323", "", "z9hG4bKkdjuw", 5, &[], 0),
    ),
    (
        "mpart01",
        (
            "MESSAGE",
            1,
            "3d9485ad0c49859b@Zmx1ZmZ5LW1hYy0xNi5sb2NhbA..",
            "2fb0dcc9",
            "",
            "z9hG4bK-d87543-4dade06d0bdb11ee-1--d87543-",
            1,
            &["sip:fluffy@127.0.0.1:5070"],
            553,
        ),
    ),
    (
        "unreason",
        (
            "INVITE",
            35,
            "unreason.1234ksdfak3j2erwedfsASdf",
            "11141343",
            "2229",
            "z9hG4bK1324923",
            1,
            &["sip:user@host198.example.com"],
            154,
        ),
    ),
    (
        "noreason",
        (
            "INVITE",
            35,
            "noreason.asndj203insdf99223ndf",
            "39ansfi3",
            "902jndnke3",
            "z9hG4bK2398ndaoe",
            1,
            &["sip:user@host105.example.com"],
            0,
        ),
    ),
];

#[test]
fn the_fields_of_valid_messages_are_read() {
    for (name, (method, cseq, call_id, from_tag, to_tag, branch, vias, contacts, body)) in FIELDS {
        let found = message(name);
        assert_eq!(text(found.method_token()), *method, "{name}");
        assert_eq!(found.cseq(), *cseq, "{name}");
        assert_eq!(text(found.call_id()), *call_id, "{name}");
        assert_eq!(text(found.from_tag()), *from_tag, "{name}");
        assert_eq!(text(found.to_tag()), *to_tag, "{name}");
        assert_eq!(
            found.top_via().map(|via| text(via.branch())).as_deref(),
            Some(*branch),
            "{name}"
        );
        assert_eq!(found.values(HeaderId::Via).count(), *vias, "{name}");
        let uris: Vec<String> = found
            .values(HeaderId::Contact)
            .filter_map(|value| sipcluster::sip::message::NameAddr::parse(value).ok())
            .map(|value| text(value.uri))
            .collect();
        assert_eq!(uris, *contacts, "{name}");
        assert_eq!(found.body().len(), *body, "{name}");
    }
}

#[test]
fn long_values_are_read_to_their_end() {
    let found = message("longreq");
    assert_eq!(found.values(HeaderId::Via).count(), 34);
    assert_eq!(found.top_via().map(|via| text(via.host)).as_deref(), Some("sip33.example.com"));
    let last = found.values(HeaderId::Via).last().unwrap_or_default();
    assert!(text(last).starts_with("SIP/2.0/TCP host.example.com;received=192.0.2.5;branch=very"));
    assert!(found.call_id().starts_with(b"longreq.onereally"));
    assert!(found.call_id().ends_with(b"longcallid"));
    assert!(found.from_tag().len() > 100);
    assert_eq!(found.body().len(), 150);
}

#[test]
fn escapes_are_undone_once() {
    let found = message("esc01");
    let uri = sipcluster::sip::message::Uri::parse(found.request_uri()).expect("3.1.1.3 is valid");
    assert_eq!(uri.user_name(), "sips:user@example.com");
    assert_eq!(uri.host, b"example.net");
    let uri = found.to().and_then(|to| to.parsed_uri().ok()).expect("3.1.1.3 is valid");
    assert_eq!(uri.user_name(), "user");
}

#[test]
fn parameters_of_the_user_part_stay_in_it() {
    let found = message("semiuri");
    let uri = sipcluster::sip::message::Uri::parse(found.request_uri()).expect("3.1.1.9 is valid");
    assert_eq!(text(uri.user), "user;par=u%40example.net");
    assert_eq!((uri.host, uri.params), (&b"example.com"[..], &b""[..]));
}

#[test]
fn trailing_octets_do_not_belong_to_the_datagrams_message() {
    let found = message("dblreq");
    assert!(found.bytes().ends_with(b"Content-Length: 0\r\n\r\n"));
}

#[test]
fn a_parameter_behind_the_bracket_is_not_the_uris() {
    for (name, uri, in_header) in [
        ("cparam01", "sip:+19725552222@gw1.example.net", true),
        ("cparam02", "sip:+19725552222@gw1.example.net;unknownparam", false),
    ] {
        let found = message(name);
        let value = found.values(HeaderId::Contact).next().unwrap_or_default();
        let contact = sipcluster::sip::message::NameAddr::parse(value).expect("3.3.12 is valid");
        assert_eq!(text(contact.uri), uri, "{name}");
        assert_eq!(contact.param(b"unknownparam").is_some(), in_header, "{name}");
    }
}
