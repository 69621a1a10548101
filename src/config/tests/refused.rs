use super::super::{Severity, check_for_processes, load as load_path};
use super::{SMALL, accepted, errors, load, refused, small};

#[test]
fn every_error_is_told_at_once_with_its_place() {
    let text = "treading: shared\nswitches:\n  - {name: S, dns: [{name: \"1\", type: extention}]}\napplications:\n  \
                - {name: A, role: node, switch: T, host: 127.0.0.1, ports: {sip: sixty}, options: {oos-chek: 1}}\n";
    assert_eq!(
        errors(text),
        [
            "1:1: the file has no key `treading`; did you mean `threading`?",
            "3:39: `type`: there is no `extention`; did you mean `extension`?",
            "5:5: there is no switch `T`; did you mean `S`?",
            "5:5: A needs `ports.sip`",
            "5:5: A has no `geo-location`: SIP Proxies use the nodes of their own data centre",
            "5:68: `sip`: `sixty` is not a number from 0 to 65535",
            "5:86: there is no option `oos-chek`",
        ]
    );
}

#[test]
fn a_finding_carries_the_meaning_of_its_option() {
    let trunk = "- {name: Trunk, type: trunk, options: {contact: 127.0.0.1, oos-check: often}}";
    let Err(report) = load(&small("DNS", trunk)) else { panic!("accepted") };
    let Some(finding) = report.findings.first() else { panic!("no finding") };
    assert_eq!(
        (finding.severity, finding.file.as_str(), finding.line),
        (Severity::Error, "test.yaml", 15)
    );
    assert_eq!(
        finding.to_string(),
        "test.yaml:15:77: error: `oos-check`: `often` is not a span of time\n    oos-check: Interval of OPTIONS to the \
         contact; 0 switches the check off. Values: duration, seconds. Default: 0."
    );
}

#[test]
fn yaml_that_is_none_is_refused_with_its_place() {
    refused("switches: [\n", "this is no YAML");
    refused("a: 1\n---\nb: 2\n", "one document");
    refused("http: [*no]\n", "this is no YAML");
    refused(
        &small("FILE", "log: {level: info}\nlog: {level: warn}"),
        "already stands at test.yaml:",
    );
    refused(&small("FILE", "? [a]\n: 1"), "a key is a single word");
    let deep = format!("tenants: {}{}", "[".repeat(40), "]".repeat(40));
    assert_eq!(errors(&deep).len(), 1);
    let bomb: String = (1..9).fold("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned(), |text, level| {
        let items = vec![format!("*a{}", level - 1); 10].join(",");
        format!("{text}a{level}: &a{level} [{items}]\n")
    });
    assert!(errors(&bomb).iter().any(|error| error.contains("values in one file")));
}

#[test]
fn an_empty_file_is_refused() {
    refused("", "nothing to run");
    assert!(errors("[]").iter().any(|error| error.contains("the file is a mapping, not a list")));
}

#[test]
fn the_environment_must_have_what_is_asked_for() {
    refused(&SMALL.replace("0123456789abcdef", "${NONE}"), "the environment has no `NONE`");
    refused(&SMALL.replace("0123456789abcdef", "${EMPTY}"), "the environment has no `EMPTY`");
    refused(&SMALL.replace("0123456789abcdef", "${KEY"), "without `}`");
}

#[test]
fn objects_that_a_cluster_does_not_have_are_explained() {
    refused(&small("DNS", "- {name: Q, type: acd-queue}"), "ACD Queues are not supported");
    refused(&small("FILE", "agent-logins: [{name: \"1\"}]"), "employee-id");
    refused(&small("FILE", "persons: [{employee-id: a, agent-logins: [x]}]"), "employee-id");
}

#[test]
fn an_option_in_the_wrong_place_is_explained() {
    let option = |option: &str| {
        small(
            "DNS",
            &format!("- {{name: T, type: trunk, options: {{contact: 127.0.0.1, {option}}}}}"),
        )
    };
    refused(
        &option("router-timeout: 10"),
        "is no option of this object (Trunk DN) but of: application, role node",
    );
    refused(&option("prefixx: 9"), "did you mean `prefix`?");
    refused(&option("TServer: {prefix: 9}"), "without the name of their section");
    refused(&option("prefix: [9]"), "takes a single value, not a list");
    refused(
        &small(
            "DNS",
            "- {name: T, type: trunk, contact: 127.0.0.1, options: {contact: 127.0.0.1}}",
        ),
        "below `options`",
    );
}

#[test]
fn ranges_are_checked() {
    let range = |name: &str| small("DNS", &format!("- {{name: \"{name}\", type: extension}}"));
    refused(&range("800-8099"), "differ in length");
    refused(&range("8099-8000"), "ends before it begins");
    refused(&range("00000000-99999999"), "more than");
    refused(&range("7009-7012"), "the DN 7009 already stands at test.yaml:14:9");
    refused(&range("7000-7100"), "the DN 7001 already stands at test.yaml:14:9");
    refused(&range("7005"), "already stands");
    refused(&range("99999999999999999999-99999999999999999999"), "too long");
}

#[test]
fn names_are_unique() {
    let app = "- {name: node_1, role: node, switch: SIP_Cluster, geo-location: dc1, host: 127.0.0.2, ports: {sip: 5070}}";
    refused(&small("APPS", app), "the application node_1 already stands at");
    refused(
        &small("FILE", "persons: [{employee-id: a}, {employee-id: a}]"),
        "the person a already stands at",
    );
    refused(&small("FILE", "tenants: [{name: a}, {name: a}]"), "the tenant a already stands at");
    refused(&small("FILE", "clients: [{name: a}, {name: a}]"), "the client a already stands at");
}

#[test]
fn clients_have_rights_that_make_sense() {
    refused(&small("FILE", "clients:"), "`clients`: stands here with nothing");
    for (client, wrong) in [
        ("{name: a, dns: }", "`dns`: stands here with nothing"),
        ("{name: a, password: }", "`password`: stands here with nothing"),
        ("{name: a, dns: [\"7099-7001\"]}", "the range 7099-7001 ends before it begins"),
        ("{name: a, dns: [\"701-7001\"]}", "differ in length"),
        ("{name: a, access: all}", "control"),
        ("{password: a}", "name"),
        ("{name: a, password: b, password_file: c}", "not both"),
    ] {
        refused(&small("FILE", &format!("clients: [{client}]")), wrong);
    }
}

#[test]
fn tls_needs_its_files_to_be_named() {
    let node = |options: &str| {
        let line = "ports: {sip: 5070}}";
        SMALL.replace(line, &format!("ports: {{sip: 5070}}, options: {{{options}}}}}"))
    };
    let own = "certificate: a.pem, certificate-key: b.pem";
    accepted(&node(&format!("tls: true, {own}")));
    accepted(&node(&format!("tls: true, tls-mutual: true, {own}, trusted-ca: c.pem")));
    for (options, wrong) in [
        ("tls: true, certificate: a.pem", "node_1: `tls` needs the option `certificate-key`"),
        ("tls: true, certificate-key: b.pem", "node_1: `tls` needs the option `certificate`"),
        (
            "tls: true, tls-mutual: true, certificate: a.pem, certificate-key: b.pem",
            "node_1: `tls-mutual` needs the option `trusted-ca`",
        ),
        ("tls-mutual: true, trusted-ca: c.pem", "node_1: `tls-mutual` needs the option `tls`"),
    ] {
        refused(&node(options), wrong);
    }
    let errors = errors(&small("CLUSTER", "cluster-tls: accept"));
    assert_eq!(errors.len(), 6, "three files for each of two applications: {errors:?}");
    accepted(&small("CLUSTER", "cluster-tls: off"));
}

#[test]
fn references_lead_somewhere() {
    refused(
        &small("FILE", "agent-groups: [{name: G, persons: [bob]}]"),
        "there is no person `bob`",
    );
    refused(&small("FILE", "places: [{name: P, dns: [\"9999\"]}]"), "there is no DN `9999`");
    refused(
        &small("FILE", "persons: [{employee-id: a, default-place: P}]"),
        "there is no place `P`",
    );
    refused(
        &SMALL.replace("[node_1]", "[node_1, node_2]"),
        "no application `node_2`; did you mean `node_1`?",
    );
    refused(&SMALL.replace("[proxy_1]", "[proxy_1, node_1]"), "has another role");
    refused(
        &SMALL.replace("- name: SIP_Cluster\n", "- name: SIP_Cluster\n    tenant: T\n"),
        "there is no tenant `T`",
    );
    let point =
        SMALL.replace("{sip: 5070}}", "{sip: 5070}, options: {default-route-point: \"5999\"}}");
    refused(&point, "has no DN `5999`");
    let backup =
        |name: &str| SMALL.replace("{sip: 5070}}", &format!("{{sip: 5070}}, backup: {name}}}"));
    refused(&backup("node_2"), "there is no application `node_2`");
    refused(&backup("node_1"), "cannot be its own backup");
    assert!(errors(&backup("proxy_1")).iter().any(|error| error.contains("another role")));
}

#[test]
fn a_cluster_switch_has_its_two_dns_once() {
    let proxy =
        "- {name: SIPProxy_DN, type: voip-service, options: {service-type: sip-outbound-proxy}}";
    let without = SMALL.replace(&format!("      {proxy}\n"), "");
    refused(&without, "has no SIP Outbound Proxy DN");
    refused(
        &small("DNS", &proxy.replace("SIPProxy_DN", "Second")),
        "already has a SIP Outbound Proxy DN",
    );
    refused(&small("DNS", "- {name: V, type: voip-service}"), "needs the option `service-type`");
    refused(
        &small(
            "DNS",
            "- {name: V, type: voip-service, options: {service-type: softswich, contact: a}}",
        ),
        "did you mean `softswitch`?",
    );
}

#[test]
fn switchover_needs_the_recheck() {
    refused(&small("CLUSTER", "switchover-on-sipp-oos: true"), "needs `sipp-oos-recheck: true`");
    assert!(
        errors(&small("CLUSTER", "switchover-on-sipp-oos: true\nsipp-oos-recheck: true"))
            .is_empty()
    );
    assert!(errors(&small("CLUSTER", "switchover-on-sipp-oos: false")).is_empty());
}

#[test]
fn a_switch_of_virtual_queues_holds_nothing_else() {
    let with = |dn: &str| {
        SMALL.replace(
            "applications:\n  -",
            &format!("  - {{name: VQ, type: vq-switch, dns: [{{name: V, type: virtual-queue}}, {dn}]}}\napplications:\n  -"),
        )
    };
    refused(
        &with("{name: \"1-9\", type: extension}"),
        "1-9 cannot be on a switch of Virtual Queues",
    );
    let comm = "{name: A, type: communication-dn}, {name: B, type: communication-dn}";
    refused(&with(comm), "one Communication DN only");
    let nodes =
        SMALL.replace("- name: SIP_Cluster\n", "- name: SIP_Cluster\n    type: vq-switch\n");
    assert!(
        errors(&nodes)
            .iter()
            .any(|error| error.contains("cannot serve a switch of Virtual Queues"))
    );
}

#[test]
fn applications_are_checked() {
    refused(&SMALL.replace("role: node", "role: noed"), "did you mean `node`?");
    let node = |from: &str, to: &str| SMALL.replacen(from, to, 1);
    refused(&node("geo-location: dc1, host", "host"), "node_1 has no `geo-location`");
    refused(&node(", ports: {sip: 5070}", ""), "node_1 needs `ports.sip`");
    refused(&node("5070", "5060"), "both listen on 127.0.0.1:5060");
    refused(&node("{sip: 5070}", "{sip: 5070, http: 5070}"), "both listen on 127.0.0.1:5070");
    refused(&node("{sip: 5070}", "{sip: 5070, TCport: 70000}"), "`70000` is not a number");
    refused(&node("{sip: 5070}", "{sip: 5070, tcport: 7000}"), "did you mean `TCport`?");
    refused(&small("FILE", "http: 127.0.0.1:5070"), "the key `http` both listen on");
    refused(&small("FILE", "http: 8080"), "is not an address and port");
    for port in ["sips", "ws", "wss"] {
        let proxy = |number: &str| node("{sip: 5060}", &format!("{{sip: 5060, {port}: {number}}}"));
        let on_node = node("{sip: 5070}", &format!("{{sip: 5070, {port}: 5071}}"));
        for (text, word) in [
            (on_node, "SIP Proxies take phones"),
            (proxy("0"), "phones have to know it"),
            (proxy("5070"), "both listen on 127.0.0.1:5070"),
        ] {
            assert!(errors(&text).iter().any(|error| error.contains(word)), "{port}: {word}");
        }
        if port == "ws" {
            accepted(&proxy("8060"));
        } else {
            let lacks = |error: &String| error.contains("needs the option `certificate`");
            assert!(errors(&proxy("5061")).iter().any(lacks), "{port}");
        }
    }
    let ids = SMALL.replace("switch: SIP_Cluster, geo", "node-id: 7, switch: SIP_Cluster, geo");
    refused(&ids, "proxy_1 has the node-id 7 of node_1");
    assert!(
        errors(&SMALL.replace("role: node", "role: node, node-id: 4096"))
            .iter()
            .any(|e| e.contains("4096"))
    );
    assert!(
        errors(&SMALL.replace("5070}}", "5070}, options: {geo-location: dc2}}"))
            .iter()
            .any(|error| error.contains("`dc1` here and `dc2`"))
    );
    refused(
        &SMALL.replace("5060}}", "5060}, options: {registrar-max-timeout: 100}}"),
        "must rise in that order",
    );
    refused(&SMALL.replacen("host: 127.0.0.1", "host: 127.0.0.300", 1), "is not an IPv4 address");
}

#[test]
fn gateways_need_an_address() {
    refused(&small("DNS", "- {name: T, type: trunk}"), "needs the option `contact`");
    refused(
        &small("DNS", "- {name: T, type: trunk, options: {contact: \"*\"}}"),
        "needs an address",
    );
    refused(
        &small("DNS", "- {name: T, type: trunk, options: {contact: \"127.0.0.1:x\"}}"),
        "is not a port",
    );
    refused(
        &small("DNS", "- {name: E, type: extension, options: {contact: \"::msml\"}}"),
        "cannot use `::msml`",
    );
}

#[test]
fn secrets_of_files_must_be_readable() {
    let text =
        SMALL.replace("cluster-key: 0123456789abcdef", "cluster-key_file: no-such-file-here");
    refused(&text, "cannot read no-such-file-here");
    refused(
        &SMALL
            .replace("0123456789abcdef", "[aaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbb, cccccccccccccccc]"),
        "more than two",
    );
    refused(
        &SMALL.replace("type: extension, password", "type: extension, password_file: x, password"),
        "not both",
    );
}

#[test]
fn several_processes_need_more_than_one() {
    let config = accepted(&SMALL.replace("cluster-key: 0123456789abcdef\n", "")).config;
    assert!(check_for_processes(&config, &["node_1", "proxy_1"]).findings.is_empty());
    let report = check_for_processes(&config, &["node_1"]);
    assert_eq!(report.count(Severity::Error), 5, "{report}");
    let report = check_for_processes(&config, &["node_1", "proxy_1", "proxi_1"]);
    assert!(report.to_string().contains("did you mean `proxy_1`?"), "{report}");
}

#[test]
fn a_file_that_is_not_there_is_refused() {
    let Err(report) = load_path(std::path::Path::new("no-such-folder/no-such-file.yaml")) else {
        panic!("loaded")
    };
    assert!(report.to_string().contains("no-such-file.yaml: error: cannot be read"), "{report}");
}
