//! What this parser reads against what two others read (`sipx-sip`, and `rsip` where it can read
//! the message at all): the torture messages that are valid, and messages from a small grammar.
//! Where they may differ, the reason stands beside the case.

use bytes::Bytes;
use proptest::prelude::*;
use rsip::headers::ToTypedHeader as _;
use rsip::prelude::{HeadersExt as _, UntypedHeader as _};
use sipcluster::sip::message::{HeaderId, Message, NameAddr, scan};
use sipx_sip::{Limits, parse_datagram};
use sipx_testkit::rfc4475::CASES;

/// What is compared. A field that a parser does not give is `None` and counts as equal.
#[derive(Debug, PartialEq, Eq)]
struct Reading {
    method: Option<String>,
    request_uri: Option<String>,
    status: Option<u16>,
    call_id: Option<String>,
    cseq: Option<u32>,
    from_tag: Option<String>,
    to_tag: Option<String>,
    branch: Option<String>,
    contacts: Option<Vec<String>>,
    body: Option<Vec<u8>>,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn ours(message: &Message) -> Reading {
    let contacts = message.values(HeaderId::Contact);
    let contacts = contacts.filter_map(|value| NameAddr::parse(value).ok());
    Reading {
        method: message.is_request().then(|| text(message.method_token())),
        request_uri: message.is_request().then(|| text(message.request_uri())),
        status: (!message.is_request()).then(|| message.status()),
        call_id: Some(text(message.call_id())),
        cseq: Some(message.cseq()),
        from_tag: Some(text(message.from_tag())),
        to_tag: Some(text(message.to_tag())),
        branch: Some(message.top_via().map(|via| text(via.branch())).unwrap_or_default()),
        contacts: Some(contacts.map(|value| text(value.uri)).collect()),
        body: Some(message.body().to_vec()),
    }
}

fn part<T, E: core::fmt::Display>(name: &str, part: Option<Result<T, E>>) -> Result<T, String> {
    match part {
        Some(Ok(part)) => Ok(part),
        Some(Err(error)) => Err(format!("{name}: {error}")),
        None => Err(format!("{name}: missing")),
    }
}

/// The reading, or which part cannot be read.
fn sipx(bytes: &[u8]) -> Result<Reading, String> {
    use sipx_sip::headers::{CSeq, CallId, Contact, From, To, Via};
    let message = parse_datagram(Bytes::copy_from_slice(bytes), &Limits::datagram());
    let message = message.map_err(|error| error.to_string())?;
    let headers = message.headers();
    let from = part("From", headers.typed::<From>())?;
    let to = part("To", headers.typed::<To>())?;
    let via = part("Via", headers.typed_all::<Via>().next())?;
    let contacts: Result<Vec<Contact>, _> = headers.typed_all::<Contact>().collect();
    let contacts = part("Contact", Some(contacts))?;
    let tag = |tag: Option<&[u8]>| tag.map(text).unwrap_or_default();
    Ok(Reading {
        method: message.as_request().map(|request| text(request.method.as_bytes())),
        request_uri: message.as_request().map(|request| text(&request.uri.to_bytes())),
        status: message.as_response().map(|response| response.status.code()),
        call_id: Some(text(&part("Call-ID", headers.typed::<CallId>())?.0)),
        cseq: Some(part("CSeq", headers.typed::<CSeq>())?.sequence),
        from_tag: Some(tag(from.0.tag())),
        to_tag: Some(tag(to.0.tag())),
        branch: Some(tag(via.branch())),
        contacts: Some(contacts.iter().map(|value| text(&value.0.uri.to_bytes())).collect()),
        body: Some(message.body().to_vec()),
    })
}

/// Only what this parser gives as it was written: it rewrites URIs.
fn rsip(bytes: &[u8]) -> Option<Reading> {
    let message = rsip::SipMessage::try_from(bytes.to_vec()).ok()?;
    let from = message.from_header().ok()?.typed().ok()?;
    let to = message.to_header().ok()?.typed().ok()?;
    let via = message.via_header().ok()?.typed().ok()?;
    let (method, status) = match &message {
        rsip::SipMessage::Request(request) => (Some(request.method.to_string()), None),
        rsip::SipMessage::Response(response) => (None, Some(response.status_code.code())),
    };
    Some(Reading {
        method,
        request_uri: None,
        status,
        call_id: Some(message.call_id_header().ok()?.value().to_owned()),
        cseq: Some(message.cseq_header().ok()?.typed().ok()?.seq),
        from_tag: Some(from.tag().map(|tag| tag.value().to_owned()).unwrap_or_default()),
        to_tag: Some(to.tag().map(|tag| tag.value().to_owned()).unwrap_or_default()),
        branch: Some(via.branch().map(|branch| branch.value().to_owned()).unwrap_or_default()),
        contacts: None,
        body: None,
    })
}

/// Fields in which the other reading differs from ours.
fn differences(ours: &Reading, other: &Reading) -> Vec<String> {
    let mut list = Vec::new();
    let mut compare = |name: &str, left: String, right: Option<String>| {
        if let Some(right) = right.filter(|right| *right != left) {
            list.push(format!("{name}: {left} / {right}"));
        }
    };
    let show = |field: &Option<String>| field.clone().unwrap_or_default();
    compare("method", show(&ours.method), other.method.clone());
    compare("Request-URI", show(&ours.request_uri), other.request_uri.clone());
    compare("Call-ID", show(&ours.call_id), other.call_id.clone());
    compare("From tag", show(&ours.from_tag), other.from_tag.clone());
    compare("To tag", show(&ours.to_tag), other.to_tag.clone());
    compare("branch", show(&ours.branch), other.branch.clone());
    compare("status", format!("{:?}", ours.status), other.status.map(|s| format!("{:?}", Some(s))));
    compare("CSeq", format!("{:?}", ours.cseq), other.cseq.map(|s| format!("{:?}", Some(s))));
    compare(
        "Contact",
        format!("{:?}", ours.contacts),
        other.contacts.clone().map(|list| format!("{:?}", Some(list))),
    );
    compare(
        "body",
        format!("{:?}", ours.body),
        other.body.clone().map(|b| format!("{:?}", Some(b))),
    );
    list
}

/// Fields of a torture message that another parser reads otherwise, with the reason.
const DEVIATIONS: &[(&str, &str, &str, &str)] = &[];

fn deviates(parser: &str, case: &str, difference: &str) -> bool {
    DEVIATIONS
        .iter()
        .any(|(p, c, field, _)| *p == parser && *c == case && difference.starts_with(field))
}

#[test]
fn valid_torture_messages_are_read_alike() {
    let mut found = Vec::new();
    let mut by_sipx = 0;
    let mut by_rsip = 0;
    for case in CASES.iter().filter(|case| case.section.starts_with("3.1.1")) {
        let message = scan(case.bytes.to_vec()).unwrap_or_else(|error| panic!("{error}"));
        let mine = ours(&message);
        let others = [("sipx-sip", sipx(case.bytes).ok()), ("rsip", rsip(case.bytes))];
        by_sipx += usize::from(others[0].1.is_some());
        by_rsip += usize::from(others[1].1.is_some());
        for (parser, other) in others {
            let list = other.map(|other| differences(&mine, &other)).unwrap_or_default();
            for difference in list.into_iter().filter(|text| !deviates(parser, case.name, text)) {
                found.push(format!("{} by {parser}: {difference}", case.name));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(by_sipx >= 12 && by_rsip >= 3, "{by_sipx} and {by_rsip} of 13 were compared");
}

#[test]
fn deviations_are_still_there() {
    for (parser, name, field, reason) in DEVIATIONS {
        assert!(reason.len() > 15, "{name}: a reason");
        let case = sipx_testkit::rfc4475::case(name).unwrap_or_else(|| panic!("{name}"));
        let message = scan(case.bytes.to_vec()).unwrap_or_else(|error| panic!("{error}"));
        let other = if *parser == "rsip" { rsip(case.bytes) } else { sipx(case.bytes).ok() };
        let other = other.unwrap_or_else(|| panic!("{parser} cannot read {name}"));
        let list = differences(&ours(&message), &other);
        assert!(list.iter().any(|text| text.starts_with(field)), "{parser} {name} {field}");
    }
}

fn token() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9.!%*_+`'~-]{1,12}"
}

fn uri() -> impl Strategy<Value = String> {
    let user = prop_oneof![
        Just(String::new()),
        "[a-z0-9_.!~*'()&=+$,;?/-]{1,10}@",
        "[0-9]{2,6}:[a-z]{1,4}@",
        "%[0-9A-F]{2}[a-z]{1,4}@",
    ];
    let host = prop_oneof![
        "[a-z]{1,8}(\\.[a-z]{2,5}){0,2}",
        Just("192.0.2.7".to_owned()),
        Just("[2001:db8::9]".to_owned()),
    ];
    let port = prop_oneof![Just(String::new()), (1_u16..).prop_map(|port| format!(":{port}"))];
    let params = prop_oneof![
        Just(String::new()),
        Just(";lr".to_owned()),
        Just(";transport=tcp".to_owned()),
        "(;x=[a-z0-9]{1,5})?(;ab=[a-z0-9]{1,5})?;c-d=%[0-9A-F]{2}",
    ];
    let scheme = prop_oneof![9 => Just("sip"), 1 => Just("sips")];
    (scheme, user, host, port, params).prop_map(|(scheme, user, host, port, params)| {
        format!("{scheme}:{user}{host}{port}{params}")
    })
}

/// A name-addr with an optional display name and header parameters.
fn name_addr(tag: bool) -> impl Strategy<Value = String> {
    let display = prop_oneof![
        Just(String::new()),
        Just("Bob ".to_owned()),
        "[a-z]{1,6} [a-z]{1,6} ",
        Just("\"a, <b> \\\"c\\\";tag=no\" ".to_owned()),
        Just("\"\u{43f}\u{440}\" ".to_owned()),
    ];
    let tag = if tag {
        prop_oneof![Just(String::new()), token().prop_map(|tag| format!(";tag={tag}"))].boxed()
    } else {
        Just(String::new()).boxed()
    };
    let more = prop_oneof![
        Just(String::new()),
        Just(";x".to_owned()),
        Just(";x=\"quoted;tag=no\"".to_owned()),
    ];
    (display, uri(), more, tag)
        .prop_map(|(display, uri, more, tag)| format!("{display}<{uri}>{more}{tag}"))
}

/// A request of the grammar; its header names and line breaks vary as the RFC lets them.
fn request() -> impl Strategy<Value = String> {
    let method = prop_oneof![Just("INVITE".to_owned()), Just("OPTIONS".to_owned()), "[A-Z]{3,9}"];
    let branch = token().prop_map(|branch| format!("z9hG4bK{branch}"));
    let contacts = proptest::collection::vec(name_addr(false), 0..4);
    let form = (any::<bool>(), any::<bool>(), any::<bool>());
    (
        (method, uri(), name_addr(true), name_addr(true)),
        (branch, 0_u32..0x7fff_ffff, "[a-zA-Z0-9@.-]{1,20}", contacts, "[ -~]{0,20}", form),
    )
        .prop_map(
            |((method, uri, from, to), (branch, cseq, call_id, contacts, body, form))| {
                let (compact, folded, joined) = form;
                let name =
                    |long: &'static str, short: &'static str| if compact { short } else { long };
                let space = if folded { "\r\n  " } else { " " };
                let mut text = format!("{method} {uri} SIP/2.0\r\n");
                text += &format!(
                    "{}:{space}SIP/2.0/UDP h.example.com;branch={branch};rport\r\n",
                    name("Via", "v")
                );
                text += &format!(
                    "{}: {from}\r\n{}:{space}{to}\r\n",
                    name("From", "f"),
                    name("To", "t")
                );
                text += &format!("{}: {call_id}\r\n", name("Call-ID", "i"));
                text += &format!("CSeq: {cseq}{space}{method}\r\nMax-Forwards: 70\r\n");
                if joined && !contacts.is_empty() {
                    text += &format!("{}: {}\r\n", name("Contact", "m"), contacts.join(", "));
                } else {
                    for contact in &contacts {
                        text += &format!("{}: {contact}\r\n", name("Contact", "m"));
                    }
                }
                text += &format!("{}: {}\r\n\r\n{body}", name("Content-Length", "l"), body.len());
                text
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn generated_messages_are_read_alike(whole in request()) {
        let bytes = whole.as_bytes();
        let message = scan(bytes.to_vec());
        let message = message.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(message.fault(), None);
        let mine = ours(&message);
        let found = match sipx(bytes) {
            Ok(other) => differences(&mine, &other),
            Err(error) if sipx_may(&whole, &error) => Vec::new(),
            Err(error) => return Err(TestCaseError::fail(error)),
        };
        prop_assert!(found.is_empty(), "sipx-sip: {found:?}");
        let found = rsip(bytes).map(|other| differences(&mine, &other)).unwrap_or_default();
        prop_assert!(found.is_empty(), "rsip: {found:?}");
    }
}

/// `sipx-sip` 1.0 takes a parenthesis inside angle brackets for a comment when a line holds several
/// values, although `(` and `)` may stand in the user part of a URI (RFC 3261 25.1, `mark`).
fn sipx_may(whole: &str, error: &str) -> bool {
    error.starts_with("Contact") && whole.contains(['(', ')'])
}
