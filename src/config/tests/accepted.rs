use super::super::{
    AppRole, DnKind, Host, LogFormat, LogLevel, Secret, SwitchKind, Threading, schema,
};
use super::{SMALL, Severity, accepted, messages, small, warned};

#[test]
fn a_small_cluster_has_its_defaults() {
    let loaded = accepted(SMALL);
    assert!(loaded.report.findings.is_empty(), "{}", loaded.report);
    let config = loaded.config;
    assert_eq!(
        (config.http, config.threading, config.local_handover),
        (None, Threading::Shared, true)
    );
    assert_eq!((config.log.level, config.log.format), (LogLevel::Info, LogFormat::Text));
    let Some(switch) = config.switch("SIP_Cluster") else { panic!("the switch") };
    assert_eq!((&*switch.realm, switch.kind), ("SIP_Cluster", SwitchKind::Sip));
    assert!(switch.cluster_dn().is_some() && switch.outbound_proxy_dn().is_some());
    let Some(node) = config.application("node_1") else { panic!("the node") };
    assert_eq!((node.role, node.node_id.get(), node.ports.cluster), (AppRole::Node, 1, None));
    assert_eq!(node.host, Host::Address([127, 0, 0, 1].into()));
    assert_eq!(config.application("proxy_1").map(|own| own.node_id.get()), Some(2));
}

/// The guide's dummy application of an Interaction Proxy has the ports of a node.
#[test]
fn an_application_that_the_cluster_does_not_list_is_no_member() {
    let dummy = "- {name: IP_Dummy, role: node, switch: SIP_Cluster, geo-location: dc1, host: 127.0.0.1, ports: {sip: 5070}}";
    let loaded = accepted(&small("APPS", dummy));
    let warned = messages(&loaded.report, Severity::Warning);
    assert!(
        warned.iter().any(|text| text.contains("so the cluster does not use it")),
        "{warned:?}"
    );
    let config = loaded.config;
    let names = |members: Vec<&super::super::Application>| -> Vec<String> {
        members.iter().map(|own| own.name.to_string()).collect()
    };
    let all = names(config.applications_of("SIP_Cluster", AppRole::Node).collect());
    assert_eq!(all, ["node_1", "IP_Dummy"]);
    assert_eq!(names(config.members_of("SIP_Cluster", AppRole::Node).collect()), ["node_1"]);
    assert_eq!(names(config.members_of("SIP_Cluster", AppRole::SipProxy).collect()), ["proxy_1"]);
}

#[test]
fn a_range_becomes_dns_that_share_one_object() {
    let config = accepted(&small("DNS", "- {name: \"008-011\", type: extension}")).config;
    let Some(switch) = config.switch("SIP_Cluster") else { panic!("the switch") };
    let (Some(first), Some(last)) = (switch.dn("7001"), switch.dn("7009")) else {
        panic!("both ends")
    };
    assert!(std::sync::Arc::ptr_eq(&first.object, &last.object));
    assert_eq!(first.object.kind, DnKind::Extension);
    assert_eq!(last.password.as_ref().map(Secret::expose), Some("secret-7009"));
    assert!(
        switch.dn("7000").is_none()
            && switch.dn("7010").is_none()
            && switch.dn("7001-7009").is_none()
    );
    assert!(switch.dn("008").is_some() && switch.dn("009").is_some() && switch.dn("8").is_none());
    assert_eq!(switch.dns.len(), 2 + 9 + 4);
}

#[test]
fn options_name_their_own_dn() {
    let text = small(
        "DNS",
        "- {name: \"81-82\", type: extension, options: {contact: \"sip:{dn}@127.0.0.9\"}}",
    );
    let config = accepted(&text).config;
    let contact = |dn| config.switch("SIP_Cluster")?.dn(dn)?.object.options.text("contact");
    assert_eq!(
        (contact("81"), contact("82")),
        (Some("sip:81@127.0.0.9"), Some("sip:82@127.0.0.9"))
    );
}

#[test]
fn the_environment_fills_values_in() {
    let text = SMALL.replace("0123456789abcdef", "\"${KEY}-${NONE:-x}-${EMPTY:-y}-$${KEY}\"");
    let config = accepted(&text).config;
    let keys: Vec<_> = config.cluster_keys.iter().map(Secret::expose).collect();
    assert_eq!(keys, ["a-key-from-the-environment-x-y-${KEY}"]);
}

#[test]
fn two_cluster_keys_stand_side_by_side() {
    let text = SMALL.replace("0123456789abcdef", "[new-new-new-new-new, old-old-old-old-old]");
    assert_eq!(accepted(&text).config.cluster_keys.len(), 2);
}

#[test]
fn secrets_do_not_show() {
    let config = accepted(SMALL).config;
    let shown = format!("{config:?}");
    assert!(shown.contains("Secret(…)"));
    assert!(!shown.contains("secret-7") && !shown.contains("0123456789abcdef"));
}

#[test]
fn node_ids_are_counted_past_those_that_are_set() {
    let apps = "- {name: proxy_2, role: sip-proxy, node-id: 1, switch: SIP_Cluster, geo-location: dc1, \
                host: 127.0.0.2, ports: {sip: 5060}}";
    let config = accepted(&small("APPS", apps)).config;
    let ids: Vec<_> =
        config.applications.iter().map(|own| (own.node_id.get(), own.node_id_chosen)).collect();
    assert_eq!(ids, [(2, true), (3, true), (1, false)]);
}

#[test]
fn a_backup_takes_the_node_id_and_is_warned_of() {
    let text = small(
        "APPS",
        "- {name: node_1_B, role: node, switch: SIP_Cluster, geo-location: dc1, host: 127.0.0.2, ports: {sip: 5070}}",
    )
    .replace("ports: {sip: 5070}}\n  - {name: proxy", "ports: {sip: 5070}, backup: node_1_B}\n  - {name: proxy");
    let loaded = accepted(&text);
    let id = |name| loaded.config.application(name).map(|own| own.node_id);
    assert_eq!(id("node_1"), id("node_1_B"));
    assert!(loaded.config.is_backup("node_1_B") && !loaded.config.is_backup("node_1"));
    let warnings = messages(&loaded.report, Severity::Warning);
    assert!(warnings.iter().any(|own| own.contains("never takes over")), "{warnings:?}");
}

#[test]
fn strict_auth_is_decided_dn_first() {
    let text = small(
        "DNS",
        "- {name: \"8001\", type: extension, options: {sip-enable-strict-auth: false}}\n\
         - {name: \"8002\", type: extension, password: x-8002}",
    );
    let text = text.replace("          #CLUSTER", "          sip-enable-strict-auth: true");
    let loaded = accepted(&text);
    assert!(loaded.report.findings.is_empty(), "{}", loaded.report);
    let config = loaded.config;
    let (Some(node), Some(switch)) = (config.application("node_1"), config.switch("SIP_Cluster"))
    else {
        panic!("node and switch")
    };
    let strict = |dn| switch.dn(dn).map(|dn| config.strict_auth(node, dn));
    assert_eq!(
        (strict("8001"), strict("8002"), strict("7001")),
        (Some(false), Some(true), Some(true))
    );
}

#[test]
fn what_a_cluster_ignores_is_accepted_with_a_warning() {
    for option in [
        "dtmf-payload: 101",
        "agent-emu-login-on-call: true",
        "registrar-default-timeout: 140",
        "sip-enable-rtc3263: maybe",
        "rq-expire-tmout: [1, 2]",
        "cast-type: route direct-notoken",
        "server-role: 5",
    ] {
        let text =
            SMALL.replace("{sip: 5070}}", &format!("{{sip: 5070}}, options: {{{option}}}}}"));
        let name = option.split(':').next().unwrap_or_default();
        let text = if option.contains("direct") {
            text.replace("route direct", "'route direct").replace("notoken", "notoken'")
        } else {
            text
        };
        warned(&text, &format!("`{name}`"));
    }
    let trunk = "- {name: Trunk, type: trunk, options: {contact: 127.0.0.1, oos-options-max-forwads: true}}";
    warned(&small("DNS", trunk), "oos-options-max-forwads");
}

#[test]
fn what_comes_later_is_noted() {
    let loaded = accepted(&small("CLUSTER", "replace-agent-phone: true"));
    assert_eq!(
        messages(&loaded.report, Severity::Note),
        ["12:11: `replace-agent-phone` has no effect in this version"]
    );
}

#[test]
fn passwords_that_never_authenticate_are_warned_of() {
    let strict = small("CLUSTER", "sip-enable-strict-auth: true");
    warned(&strict.replace("password: \"secret-{dn}\", ", ""), "7001 has no password");
    warned(&strict.replace("secret-{dn}", "{dn}"), "7001 has its own name as password");
    warned(&strict.replace("secret-{dn}", ""), "7001 has an empty password");
}

#[test]
fn forgotten_members_and_strange_places_are_warned_of() {
    let other = "- {name: node_2, role: node, switch: SIP_Cluster, geo-location: dc1, host: 127.0.0.2, ports: {sip: 5070}}";
    warned(&small("APPS", other), "node_2 is not in `applications`");
    let trunk = "- {name: Trunk, type: trunk, options: {contact: 127.0.0.1, geo-location: dc11}}";
    warned(&small("DNS", trunk), "did you mean `dc1`?");
    warned(&small("DNS", "- {name: VQ, type: virtual-queue}"), "switch of their own");
    warned(&SMALL.replace("0123456789abcdef", "short"), "can be guessed");
}

#[test]
fn virtual_queues_have_a_switch_of_their_own() {
    let text = small(
        "APPS",
        "- {name: vq_1, role: vq, switch: VQ-switch, host: 127.0.0.3, ports: {default: 7010}}",
    )
    .replace(
        "applications:\n  -",
        "  - name: VQ-switch\n    dns:\n      - {name: VQ_1, type: virtual-queue}\n      \
         - {name: Comm, type: communication-dn}\napplications:\n  -",
    );
    let config = accepted(&text).config;
    assert_eq!(config.switch("VQ-switch").map(|own| own.kind), Some(SwitchKind::VirtualQueues));
}

#[test]
fn people_places_and_groups_are_read() {
    let text = small(
        "FILE",
        "tenants: [{name: Environment}]\n\
         persons:\n- {employee-id: alice, password: x, skills: {English: 5}, default-place: P1, options: {record: no}}\n\
         places: [{name: P1, dns: [\"7001\", \"7002@SIP_Cluster\"]}]\n\
         agent-groups: [{name: Sales, persons: [alice]}]",
    );
    let config = accepted(&text).config;
    let Some(alice) = config.persons.first() else { panic!("alice") };
    assert_eq!(alice.skills, [("English".into(), 5)]);
    assert_eq!(alice.options.flag("record"), Some(false));
    assert_eq!(config.agent_groups.first().map(|own| own.members.len()), Some(1));
}

#[test]
fn clients_are_read_and_none_is_not_nobody() {
    let text = "clients: [{name: desktop, password: x, dns: [\"7001-7003\", \"5000\"]}, {name: stat, access: monitor}]";
    let clients = accepted(&small("FILE", text)).config.clients.unwrap_or_default();
    let dns = clients[0].dns.clone().unwrap_or_default();
    let has = |name: &str| dns.iter().any(|range| range.contains(name));
    assert!(has("7003") && has("5000") && !has("7004"));
    assert!(clients[0].password.is_some() && !clients[0].is_monitor);
    assert!(clients[1].is_monitor && clients[1].dns.is_none() && clients[1].password.is_none());
    assert_eq!(accepted(&small("FILE", "clients: []")).config.clients, Some(Vec::new()));
    assert_eq!(accepted(&small("FILE", "")).config.clients, None);
}

#[test]
fn anchors_and_aliases_work() {
    let text = small(
        "DNS",
        "- &t {name: T1, type: trunk, options: &o {contact: 127.0.0.1, prefix: \"9\"}}\n- {name: T2, type: trunk, options: *o}",
    );
    let config = accepted(&text).config;
    let Some(switch) = config.switch("SIP_Cluster") else { panic!("the switch") };
    assert_eq!(
        switch.trunks().filter(|dn| dn.object.options.text("prefix") == Some("9")).count(),
        2
    );
}

#[test]
fn the_schema_knows_every_key_of_the_example() {
    let text = include_str!("../../../config/processes.yaml")
        .replace("${SIPCLUSTER_CLUSTER_KEY}", "0123456789abcdef");
    let mut report = super::Report::default();
    let Some(root) = super::super::tree::parse(&text, "processes.yaml", &|_| None, &mut report)
    else {
        panic!("{report}")
    };
    let unknown = unknown_keys(&root, &schema(), "");
    assert!(unknown.is_empty(), "{unknown:?}");
    let Some(root) = super::super::tree::parse("switches: [{nam: x}]", "x", &|_| None, &mut report)
    else {
        panic!("{report}")
    };
    assert_eq!(unknown_keys(&root, &schema(), ""), ["/switches/nam"]);
}

/// Keys of a tree that a schema of objects, arrays and alternatives does not allow.
fn unknown_keys(
    node: &super::super::tree::Node,
    schema: &serde_json::Value,
    at: &str,
) -> Vec<String> {
    use super::super::tree::Content;
    match &node.content {
        Content::Nothing | Content::Text(_) | Content::Broken => Vec::new(),
        Content::List(items) => {
            items.iter().flat_map(|item| unknown_keys(item, &schema["items"], at)).collect()
        }
        Content::Map(entries) => entries
            .iter()
            .flat_map(|(key, inner)| {
                let path = format!("{at}/{}", key.text);
                match schema["properties"].get(&key.text) {
                    None => vec![path],
                    Some(own) => unknown_keys(inner, own, &path),
                }
            })
            .collect(),
    }
}

#[test]
fn threads_are_pinned_where_the_file_says_so() {
    let pinned = |cores: &str| {
        small("APPS", "")
            .replace("ports: {sip: 5070}", &format!("ports: {{sip: 5070}}, cores: {cores}"))
    };
    let cores = |text: &str| {
        let config = accepted(text).config;
        config.application("node_1").map(|node| node.cores.clone())
    };
    assert_eq!(cores(&pinned("[0, 2]")), Some(vec![0, 2]));
    assert_eq!(cores(&pinned("1")), Some(vec![1]));
    assert_eq!(cores(&small("APPS", "")), Some(Vec::new()));
    assert_eq!(
        super::errors(&pinned("[0, first]")),
        ["17:120: `cores`: `first` is not a number from 0 to 4095"]
    );
}
