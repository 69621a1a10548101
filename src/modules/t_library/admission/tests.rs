//! Who is served, and for what.

use super::*;
use crate::modules::t_library::bench::admission;

fn named(name: &str, password: &str) -> ClientRegistration {
    ClientRegistration {
        application_name: name.to_owned(),
        application_password: password.to_owned(),
        ..ClientRegistration::default()
    }
}

fn dn(name: &str) -> Attributes {
    Attributes { this_dn: Some(name.to_owned()), ..Attributes::default() }
}

const CLIENTS: &str = "clients:\n- {name: desktop, password: secret}\n- {name: open}\n\
    - {name: team, dns: [\"7001-7099\", \"5000\"]}\n- {name: stat, access: monitor}\n";

#[test]
fn whoever_comes_is_served_where_nobody_is_named() {
    let all = admission("");
    assert_eq!(all.admit(&named("anybody", "")), Ok(()));
    assert_eq!(all.check("anybody", RequestType::TAgentLogin, &dn("7001")), Ok(()));
    let none = admission("clients: []\n");
    assert!(none.admit(&named("anybody", "")).is_err());
}

#[test]
fn the_name_and_the_password_count() {
    let some = admission(CLIENTS);
    assert_eq!(some.admit(&named("desktop", "secret")), Ok(()));
    assert_eq!(some.admit(&named("open", "whatever")), Ok(()));
    let wrong = some.admit(&named("desktop", "guess")).expect_err("wrong");
    let unknown = some.admit(&named("nobody", "secret")).expect_err("unknown");
    assert_eq!(wrong, unknown, "nobody hears which");
    assert_eq!(wrong.code, ErrorCode::ErrorBadPassword);
}

#[test]
fn a_client_has_rights_to_its_dns() {
    let some = admission(CLIENTS);
    let register = RequestType::TRegisterAddress;
    for (name, is_own) in [
        ("7001", true),
        ("7099", true),
        ("5000", true),
        ("7100", false),
        ("07001", false),
        ("700", false),
        ("70a1", false),
        ("5001", false),
    ] {
        assert_eq!(some.check("team", register, &dn(name)).is_ok(), is_own, "{name}");
    }
    let event = Attributes { communication_dn: Some("1".to_owned()), ..Attributes::default() };
    assert!(some.check("team", RequestType::TSendUserEvent, &event).is_err());
    assert!(some.check("team", RequestType::TUnregisterAddress, &dn("8000")).is_err());
    for (watched, may) in [("7002", true), ("8000", false)] {
        let given = Attributes { other_dn: Some(watched.to_owned()), ..dn("7001") };
        assert_eq!(some.check("team", RequestType::TMonitorNextCall, &given).is_ok(), may);
        assert!(some.check("team", RequestType::TCallSetForward, &given).is_ok(), "anywhere");
    }
    for (who, name, may) in
        [("team", "7001", true), ("team", "8000", false), ("open", "8000", true)]
    {
        assert_eq!(some.has_right_to(who, name), may, "{who} {name}");
    }
    assert!(!some.has_right_to("gone", "7001"));
    for kind in [RequestType::TRegisterAll, RequestType::TStartCallMonitoring] {
        assert!(some.check("team", kind, &Attributes::default()).is_err(), "{kind:?}");
        assert!(some.check("open", kind, &Attributes::default()).is_ok(), "{kind:?}");
        assert!(some.check("stat", kind, &Attributes::default()).is_ok(), "{kind:?}");
    }
    let gone = some.check("gone", register, &dn("7001")).expect_err("not there");
    assert_eq!(gone.code, ErrorCode::ErrorBadPassword);
}

#[test]
fn a_reload_changes_the_rights_of_those_whom_it_names() {
    let (before, after) = (admission(CLIENTS), admission(&CLIENTS.replace("7099", "7098")));
    assert!(after.is_same_for(&before, "desktop"));
    assert!(!after.is_same_for(&before, "team"));
    let gone = admission(&CLIENTS.replace("stat", "wall"));
    assert!(!gone.is_same_for(&before, "stat"));
    assert!(!before.is_same_for(&admission(""), "desktop"), "from then on it is asked");
}

#[test]
fn who_monitors_asks_for_nothing() {
    let some = admission(CLIENTS);
    let monitor = Attributes { register_mode: Some(RegisterMode::Monitor.into()), ..dn("7001") };
    assert!(some.check("stat", RequestType::TRegisterAddress, &monitor).is_ok());
    assert!(some.check("stat", RequestType::TRegisterAddress, &dn("7001")).is_err());
    assert!(some.check("stat", RequestType::TQueryAddress, &dn("7001")).is_ok());
    for kind in [RequestType::TAgentLogin, RequestType::TReleaseCall, RequestType::TSetDndOn] {
        let refused = some.check("stat", kind, &dn("7001")).expect_err("refused");
        assert_eq!(refused.code, ErrorCode::ErrorRejected, "{kind:?}");
    }
}
