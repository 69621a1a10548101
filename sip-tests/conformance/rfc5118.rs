//! RFC 5118: IPv6 references, each message with the outcome of its section and the addresses
//! that must be read out of it.

use super::exceptions::settle;
use super::outcome::{Wanted, departure, read};
use core::net::{IpAddr, Ipv6Addr};
use sipcluster::sip::message::{HeaderId, Message, NameAddr, Uri, Via};
use sipx_testkit::rfc5118::CASES;

use Wanted::{Good, Refused};

/// Section, name, outcome.
const OUTCOMES: &[(&str, &str, Wanted)] = &[
    ("4.1", "ipv6-good", Good),
    ("4.2", "ipv6-bad", Refused(&[400])),
    ("4.3", "port-ambiguous", Good),
    ("4.4", "port-unambiguous", Good),
    ("4.5", "via-received-param-with-delim", Good),
    ("4.5", "via-received-param-no-delim", Good),
    ("4.6", "ipv6-in-sdp", Good),
    ("4.7", "mult-ip-in-header", Good),
    ("4.8", "mult-ip-in-sdp", Good),
    ("4.9", "ipv4-mapped-ipv6", Good),
    ("4.10", "ipv6-bug-abnf-3-colons", Good),
    ("4.10", "ipv6-correct-abnf-2-colons", Good),
];

#[test]
fn each_message_has_the_outcome_of_its_section() {
    let mut findings = Vec::new();
    for (section, name, wanted) in OUTCOMES {
        let found = CASES.iter().find(|found| found.name == *name);
        let found = found.unwrap_or_else(|| panic!("{name} is not in the corpus"));
        assert_eq!(found.section, *section, "{name}");
        if let Some(what) = departure(&found.wire(), *wanted) {
            findings.push(((*name).to_owned(), format!("{section} {}: {what}", found.title)));
        }
    }
    assert_eq!(OUTCOMES.len(), CASES.len());
    settle("rfc5118", &findings);
}

fn message(name: &str) -> Message {
    let found = CASES.iter().find(|found| found.name == name);
    let wire = found.unwrap_or_else(|| panic!("{name} is not in the corpus")).wire();
    read(&wire).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn v6(text: &str) -> Option<IpAddr> {
    text.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

#[test]
fn the_port_is_what_stands_behind_the_bracket() {
    for (name, host, port) in [
        ("ipv6-good", "2001:db8::10", None),
        ("port-ambiguous", "2001:db8::10:5070", None),
        ("port-unambiguous", "2001:db8::10", Some(5070)),
    ] {
        let found = message(name);
        let uri = Uri::parse(found.request_uri()).expect("a valid Request-URI");
        assert_eq!((uri.host_str(), uri.port), (host, port), "{name}");
        assert_eq!(uri.host_ip(), v6(host), "{name}");
    }
}

#[test]
fn received_is_read_with_and_without_brackets() {
    for name in ["via-received-param-with-delim", "via-received-param-no-delim"] {
        let found = message(name);
        let via = found.top_via().expect("a valid Via");
        assert_eq!(via.received(), v6("2001:db8::9:255"), "{name}");
        assert_eq!(via.host_ip(), v6("2001:db8::9:1"), "{name}");
    }
}

#[test]
fn each_via_keeps_its_own_family() {
    let found = message("mult-ip-in-header");
    let vias: Vec<Via<'_>> =
        found.values(HeaderId::Via).filter_map(|value| Via::parse(value).ok()).collect();
    let read: Vec<_> = vias.iter().map(|via| (via.host_ip(), via.port, via.received())).collect();
    let v4 = |text: &str| text.parse::<IpAddr>().ok();
    assert_eq!(
        read,
        [
            (v6("2001:db8::9:1"), Some(6050), None),
            (v4("192.0.2.1"), None, None),
            (v6("2001:db8::9:255"), None, v4("192.0.2.200")),
        ]
    );
}

#[test]
fn mapped_addresses_are_read() {
    let found = message("ipv4-mapped-ipv6");
    let via = found.top_via().expect("a valid Via");
    assert_eq!((via.host_ip(), via.port), (v6("::ffff:192.0.2.10"), Some(19_823)));
    let contact = found.values(HeaderId::Contact).next().unwrap_or_default();
    let uri = NameAddr::parse(contact).ok().and_then(|value| value.parsed_uri().ok());
    assert_eq!(uri.and_then(|uri| uri.host_ip()), v6("::ffff:192.0.2.2"));
}

#[test]
fn bodies_with_addresses_arrive_whole() {
    for (name, line) in [
        ("ipv6-in-sdp", "c=IN IP6 2001:db8::20\r\n"),
        ("mult-ip-in-sdp", "c=IN IP6 2001:db8::1\r\n"),
        ("ipv4-mapped-ipv6", "c=IN IP6 ::ffff:192.0.2.2\r\n"),
    ] {
        let body = message(name).body();
        let body = String::from_utf8_lossy(&body);
        assert!(body.starts_with("v=0\r\n") && body.contains(line), "{name}: {body}");
    }
}
