use super::*;
use crate::config::report::Place;
use crate::config::tree::{Content, Node};

fn read(name: &str, scope: Scope, text: &str) -> Result<OptionValue, String> {
    let Some(meta) = find_in(name, scope) else { panic!("no option {name}") };
    parse(meta, &Node { place: Place::whole("test"), content: Content::Text(text.to_owned()) })
        .map_err(|misfit| misfit.to_string())
}

fn wrong(name: &str, scope: Scope, text: &str) -> String {
    match read(name, scope, text) {
        Ok(value) => panic!("{name} took `{text}` as {value:?}"),
        Err(message) => message,
    }
}

#[test]
fn a_duration_takes_the_units_of_the_samples() {
    let millis = |name, text| match read(name, Scope::Node, text) {
        Ok(OptionValue::Duration(span)) => span.as_millis(),
        other => panic!("{other:?}"),
    };
    assert_eq!(millis("request-collection-time", "300 msec"), 300);
    assert_eq!(millis("request-collection-time", "300"), 300);
    assert_eq!(millis("cleanup-idle-tout", "60 min"), 3_600_000);
    assert_eq!(millis("cleanup-idle-tout", "2"), 120_000);
    assert_eq!(millis("router-timeout", "10 sec"), 10_000);
    assert_eq!(millis("router-timeout", "0"), 0);
}

#[test]
fn a_duration_refuses_what_is_none() {
    assert_eq!(wrong("router-timeout", Scope::Node, ""), "`` is not a span of time");
    assert_eq!(wrong("router-timeout", Scope::Node, "-1"), "`-1` is not a span of time");
    assert!(wrong("router-timeout", Scope::Node, "3 weeks").starts_with("`weeks` is no unit"));
    assert_eq!(wrong("tc-reconnect-timeout", Scope::ClusterDn, "61"), "61 is more than 60 seconds");
    assert!(read("tc-reconnect-timeout", Scope::ClusterDn, "60").is_ok());
    assert!(wrong("router-timeout", Scope::Node, "99999999999999999 day").ends_with("is too long"));
}

#[test]
fn numbers_and_flags_are_bounded() {
    assert_eq!(
        read("unknown-gateway-reject-code", Scope::Node, "503"),
        Ok(OptionValue::Number(503))
    );
    assert_eq!(wrong("unknown-gateway-reject-code", Scope::Node, "200"), "200 is less than 400");
    assert_eq!(wrong("unknown-gateway-reject-code", Scope::Node, "700"), "700 is more than 699");
    assert_eq!(
        wrong("unknown-gateway-reject-code", Scope::Node, "5O3"),
        "`5O3` is not a whole number"
    );
    assert_eq!(read("sip-enable-100rel", Scope::Node, "Yes"), Ok(OptionValue::Flag(true)));
    assert_eq!(read("beep", Scope::TrunkGroup, "off"), Ok(OptionValue::Flag(false)));
    assert_eq!(wrong("sip-enable-100rel", Scope::Node, "tru"), "`tru` is neither true nor false");
}

#[test]
fn contacts_are_addresses() {
    for good in [
        "*",
        "127.0.0.1:5080",
        "spx-srv.example.com;transport=tcp",
        "sip:gw@[2001:db8::1]:5060;transport=UDP",
        "sbc-example.com:5060",
        "a.example.com.",
    ] {
        assert!(read("contact", Scope::Trunk, good).is_ok(), "{good}");
    }
    for (bad, reason) in [
        ("", "is not a host"),
        ("127.0.0.1:0", "is not a port"),
        ("127.0.0.1:65536", "is not a port"),
        ("127.0.0.300", "is not an IPv4 address"),
        ("[::1", "`[` without `]`"),
        ("[::g]", "is not an IPv6 address"),
        ("[::1]5060", "stands behind the address"),
        ("host;transport=sctp", "udp or tcp"),
        ("sips:host", "TLS"),
        ("a b", "is not a host"),
        ("-a.example.com", "is not a host"),
    ] {
        let message = wrong("contact", Scope::Trunk, bad);
        assert!(message.contains(reason), "{bad}: {message}");
    }
}

#[test]
fn codes_and_choices_are_checked() {
    let Ok(OptionValue::Pairs(pairs)) =
        read("sip-error-conversion", Scope::Trunk, "408=486, 500=503")
    else {
        panic!("two pairs");
    };
    assert_eq!(pairs, [("408".into(), "486".into()), ("500".into(), "503".into())]);
    assert!(wrong("sip-error-conversion", Scope::Trunk, "408").ends_with("is not `key=value`"));
    assert!(wrong("sip-error-conversion", Scope::Trunk, "408=200").contains("400 to 699"));
    assert!(read("default-route-point", Scope::Node, "reject=404").is_ok());
    assert!(wrong("default-route-point", Scope::Node, "reject=40").contains("400 to 699"));
    assert!(wrong("default-route-point", Scope::Node, "rejekt=404").contains("reject=CODE"));
    assert!(
        wrong("agent-no-answer-action", Scope::Node, "notredy").contains("did you mean `notready`")
    );
    assert!(wrong("url", Scope::FeatureServerDn, "ftp://fs").contains("http or https"));
    assert!(read("url-2", Scope::FeatureServerDn, "http://fs2:8800/SIP_Cluster").is_ok());
}

#[test]
fn every_default_of_the_register_is_a_value_of_its_option() {
    for meta in register().filter(|meta| !meta.default.is_empty()) {
        let node =
            Node { place: Place::whole("test"), content: Content::Text(meta.default.to_owned()) };
        if let Err(misfit) = parse(meta, &node) {
            panic!("{}: {misfit}", meta.name);
        }
    }
}

#[test]
fn look_up_falls_back_to_the_default_of_the_scope() {
    let proxy = Options::none(Scope::SipProxy);
    assert_eq!(proxy.duration("oos-check"), None);
    assert_eq!(proxy.duration_or_default("oos-check").as_secs(), 5);
    assert_eq!(Options::none(Scope::Trunk).duration_or_default("oos-check").as_secs(), 0);
    let node = Options::none(Scope::Node);
    assert!(
        node.flag_or_default("find-trunk-by-location") && node.flag_or_default("sip-enable-100rel")
    );
    assert_eq!(node.number_or_default("unknown-gateway-reject-code"), 503);
    assert_eq!(node.text_or_default("default-route-point"), "reject=404");
    assert_eq!(node.text_or_default("no-such-option"), "");
    assert!(
        node.list("agent-no-answer-overflow").is_empty() && node.pairs("sip-uri-params").is_empty()
    );
}

#[test]
fn a_value_of_another_type_is_not_found() {
    let mut options = Options::none(Scope::Trunk);
    options.set("priority", OptionValue::Number(3), &Place::whole("test"));
    assert_eq!(options.number("priority"), Some(3));
    assert_eq!(options.text("priority"), None);
    assert_eq!(options.flag("priority"), None);
    assert_eq!(options.duration("priority"), None);
}

#[test]
fn the_nearest_word_is_near() {
    let words = ["oos-check", "oos-force", "prefix"];
    assert_eq!(nearest("oos-chek", words.into_iter()), Some("oos-check"));
    assert_eq!(nearest("Prefix", words.into_iter()), Some("prefix"));
    assert_eq!(nearest("recovery-timeout", words.into_iter()), None);
}
