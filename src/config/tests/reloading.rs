use super::super::{difference, load_texts, reload};
use super::{SMALL, accepted, environment, small};

fn changes(old: &str, new: &str) -> Vec<String> {
    difference(&accepted(old).config, &accepted(new).config)
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn the_same_text_changes_nothing() {
    assert!(changes(SMALL, SMALL).is_empty());
    let moved = format!("\n\n# a comment\n{SMALL}");
    assert!(changes(SMALL, &moved).is_empty());
}

#[test]
fn dns_are_told_by_entry_and_options_with_their_effect() {
    let trunk = |check: &str| {
        small("DNS", &format!("- {{name: T, type: trunk, options: {{contact: 127.0.0.1{check}}}}}"))
    };
    assert_eq!(
        changes(SMALL, &trunk("")),
        ["switch SIP_Cluster: 1 DN added (T) (takes effect for the next call)"]
    );
    assert_eq!(
        changes(&trunk(", oos-check: 5"), &trunk(", oos-check: 10")),
        [
            "switch SIP_Cluster, DN T: oos-check changed from 5 s to 10 s (takes effect at the next check)"
        ]
    );
    assert_eq!(
        changes(&trunk(", oos-check: 5"), &trunk("")),
        ["switch SIP_Cluster, DN T: oos-check (was 5 s) removed (takes effect at the next check)"]
    );
    assert_eq!(
        changes(SMALL, &SMALL.replace("7001-7009", "7004-7012")),
        [
            "switch SIP_Cluster: 3 DNs added (7010 … 7012) (takes effect for the next call)",
            "switch SIP_Cluster: 3 DNs removed (7001 … 7003) (takes effect for the next call)",
        ]
    );
}

#[test]
fn secrets_are_told_of_but_not_told() {
    let lines = changes(
        SMALL,
        &SMALL
            .replace("secret-{dn}", "hidden-{dn}")
            .replace("0123456789abcdef", "fedcba9876543210"),
    );
    assert_eq!(
        lines,
        [
            "cluster-key: changed (takes effect immediately)",
            "switch SIP_Cluster: 9 passwords changed (7001 … 7009) (takes effect at the next registration)",
        ]
    );
}

#[test]
fn what_only_a_restart_changes_says_so() {
    let lines = changes(SMALL, &SMALL.replace("sip: 5070", "sip: 5071"));
    assert_eq!(lines, ["application node_1: ports changed (takes effect after restart)"]);
    let other = "- {name: proxy_2, role: sip-proxy, switch: SIP_Cluster, geo-location: dc1, host: 127.0.0.2, ports: {sip: 5060}}";
    let lines = changes(SMALL, &small("APPS", other));
    assert_eq!(lines, ["application proxy_2: added (takes effect after restart)"]);
}

#[test]
fn a_reload_of_what_cannot_be_read_changes_nothing() {
    let config = accepted(SMALL).config;
    let before = config.clone();
    assert!(reload(std::path::Path::new("no-such-folder/no-such-file.yaml"), &config).is_err());
    assert_eq!(config, before);
}

#[test]
fn several_files_are_joined() {
    let more = "persons: [{employee-id: alice}]\nlog: {level: debug, format: json}\n";
    let Ok(loaded) = load_texts(&[("a.yaml", SMALL), ("b.yaml", more)], "folder", &environment)
    else {
        panic!("refused")
    };
    assert_eq!(loaded.config.persons.len(), 1);
    let twice = [
        ("a.yaml", SMALL),
        ("b.yaml", more),
        ("c.yaml", "log: {level: warn}\npersons: [{employee-id: alice}]"),
    ];
    let Err(report) = load_texts(&twice, "folder", &environment) else { panic!("accepted") };
    assert_eq!(
        report.findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "c.yaml:1:6: error: `log` already stands at b.yaml:2:6",
            "c.yaml:2:11: error: the person alice already stands at b.yaml:1:11",
        ]
    );
}
