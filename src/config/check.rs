//! What concerns several objects: names, references, listeners, data centres,
//! passwords. Every finding names the place where it can be mended.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{
    AppRole, Application, Config, DnKind, Group, STRICT_AUTH, ServiceType, Switch, SwitchKind,
};
use super::options::find;
use super::report::{Place, Report, Severity};

/// Length below which a cluster-key is called short, in bytes.
const KEY_BYTES_MIN: usize = 16;

/// Checks a whole configuration; `whole` is where findings about no object stand.
pub(crate) fn check(config: &mut Config, whole: &Place, report: &mut Report) {
    decide_switch_kinds(config, report);
    duplicates(config, report);
    references(config, report);
    for switch in &config.switches {
        match switch.kind {
            SwitchKind::Sip => cluster_switch(config, switch, report),
            SwitchKind::VirtualQueues => queue_switch(switch, report),
        }
        contacts(switch, report);
    }
    for application in &config.applications {
        one_application(config, application, report);
    }
    node_ids(config, report);
    listeners(config, report);
    locations(config, report);
    passwords(config, report);
    keys(config, whole, report);
}

/// What a process that runs only some applications of a file needs besides:
/// known names, a cluster-key, node-ids and cluster ports. Empty where it runs all.
#[must_use]
pub fn check_for_processes(config: &Config, names: &[&str]) -> Report {
    let mut report = Report::default();
    let file = config.applications.first().map(|own| &*own.place.file).unwrap_or_default();
    let whole = Place::whole(file);
    for name in names.iter().filter(|name| config.application(name).is_none()) {
        let known = config.applications.iter().map(|own| &*own.name);
        report.error(
            &whole,
            match super::options::nearest(name, known) {
                Some(near) => format!("there is no application `{name}`; did you mean `{near}`?"),
                None => format!("there is no application `{name}`"),
            },
        );
    }
    if config.applications.iter().all(|own| names.contains(&&*own.name)) {
        return report;
    }
    if config.cluster_keys.is_empty() {
        report.error(&whole, "several processes use this file, so it needs the key `cluster-key`");
    }
    for own in &config.applications {
        if own.node_id_chosen {
            report.error(
                &own.place,
                format!("several processes use this file, so {} needs a `node-id`", own.name),
            );
        }
        if own.ports.cluster.is_none_or(|port| port == 0) && own.role != AppRole::VqServer {
            report.error(
                &own.place,
                format!("several processes use this file, so {} needs `ports.cluster`", own.name),
            );
        }
    }
    report.sort();
    report
}

/// A switch with Virtual Queue servers is one of Virtual Queues whatever its type says,
/// as the guide makes both of type SIP Switch.
fn decide_switch_kinds(config: &mut Config, report: &mut Report) {
    for switch in &mut config.switches {
        let has = |role| {
            config.applications.iter().any(|own| own.switch == switch.name && own.role == role)
        };
        let (queues, cluster) =
            (has(AppRole::VqServer), has(AppRole::Node) || has(AppRole::SipProxy));
        if queues && cluster {
            let message = "one switch cannot serve cluster applications and Virtual Queue servers";
            report.error(&switch.place, message);
        } else if queues {
            switch.kind = SwitchKind::VirtualQueues;
        } else if cluster && switch.kind == SwitchKind::VirtualQueues {
            report.error(
                &switch.place,
                "nodes and SIP Proxies cannot serve a switch of Virtual Queues",
            );
        }
    }
}

fn duplicates(config: &Config, report: &mut Report) {
    let groups = |list: &[Group]| {
        list.iter().map(|own| (own.name.clone(), own.place.clone())).collect::<Vec<_>>()
    };
    let lists = [
        (
            "tenant",
            config.tenants.iter().map(|own| (own.name.clone(), own.place.clone())).collect(),
        ),
        (
            "switch",
            config.switches.iter().map(|own| (own.name.clone(), own.place.clone())).collect(),
        ),
        (
            "person",
            config.persons.iter().map(|own| (own.employee_id.clone(), own.place.clone())).collect(),
        ),
        (
            "client",
            config
                .clients
                .iter()
                .flatten()
                .map(|own| (own.name.clone(), own.place.clone()))
                .collect(),
        ),
        ("place", groups(&config.places)),
        ("agent group", groups(&config.agent_groups)),
        (
            "application",
            config.applications.iter().map(|own| (own.name.clone(), own.place.clone())).collect(),
        ),
    ];
    for (what, names) in lists {
        let mut seen = BTreeMap::new();
        for (name, place) in names {
            if let Some(first) = seen.get(&name) {
                report.error(&place, format!("the {what} {name} already stands at {first}"));
            } else {
                seen.insert(name, place);
            }
        }
    }
}

fn missing<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    match super::options::nearest(name, known) {
        Some(near) => format!("there is no {what} `{name}`; did you mean `{near}`?"),
        None => format!("there is no {what} `{name}`"),
    }
}

fn references(config: &Config, report: &mut Report) {
    for switch in &config.switches {
        if let Some(tenant) = &switch.tenant
            && !config.tenants.iter().any(|own| own.name == *tenant)
        {
            report.error(
                &switch.place,
                missing("tenant", tenant, config.tenants.iter().map(|own| &*own.name)),
            );
        }
    }
    for application in config
        .applications
        .iter()
        .filter(|own| !own.switch.is_empty() && config.switch(&own.switch).is_none())
    {
        let known = config.switches.iter().map(|own| &*own.name);
        report.error(&application.place, missing("switch", &application.switch, known));
    }
    for person in &config.persons {
        if let Some(place) = &person.default_place
            && !config.places.iter().any(|own| own.name == *place)
        {
            report.error(
                &person.place,
                missing("place", place, config.places.iter().map(|own| &*own.name)),
            );
        }
    }
    let persons: BTreeSet<_> = config.persons.iter().map(|own| &own.employee_id).collect();
    for group in &config.agent_groups {
        for member in group.members.iter().filter(|id| !persons.contains(id)) {
            let known = config.persons.iter().map(|own| &*own.employee_id);
            report.error(&group.place, missing("person", member, known));
        }
    }
    for place in &config.places {
        for member in &place.members {
            let found = match member.split_once('@') {
                Some((dn, switch)) => config.switch(switch).is_some_and(|own| own.dn(dn).is_some()),
                None => config.switches.iter().any(|own| own.dn(member).is_some()),
            };
            if !found {
                report.error(&place.place, format!("there is no DN `{member}`"));
            }
        }
    }
}

fn cluster_switch(config: &Config, switch: &Switch, report: &mut Report) {
    let used = config.applications.iter().any(|own| own.switch == switch.name);
    for (service, name) in [
        (ServiceType::SipClusterNodes, "SIP Cluster Node DN (service-type: sip-cluster-nodes)"),
        (ServiceType::SipOutboundProxy, "SIP Outbound Proxy DN (service-type: sip-outbound-proxy)"),
    ] {
        let mut own = switch.of_kind(DnKind::VoipService(service));
        let first = own.next();
        if used && first.is_none() {
            report.error(&switch.place, format!("the switch {} has no {name}", switch.name));
        }
        for second in own {
            report.error(
                &second.object.place,
                format!("the switch {} already has a {name}", switch.name),
            );
        }
    }
    if let Some(queue) = switch.of_kind(DnKind::VirtualQueue).next() {
        let message =
            "Virtual Queues belong on a switch of their own, served by applications of role vq";
        report.warning(&queue.object.place, message);
    }
    let Some(cluster) = switch.cluster_dn().map(|dn| &dn.object) else {
        return;
    };
    if cluster.options.flag_or_default("switchover-on-sipp-oos")
        && !cluster.options.flag_or_default("sipp-oos-recheck")
    {
        let place = cluster.options.place("switchover-on-sipp-oos").unwrap_or(&cluster.place);
        let message = "`switchover-on-sipp-oos` needs `sipp-oos-recheck: true`".to_owned();
        report.add(
            Severity::Error,
            place,
            message,
            find("switchover-on-sipp-oos").map(|meta| meta.help()),
        );
    }
    for (option, role) in
        [("applications", AppRole::Node), ("siproxy-applications", AppRole::SipProxy)]
    {
        let place = cluster.options.place(option).unwrap_or(&cluster.place);
        let listed = cluster.options.list(option);
        members(config, switch, option, role, listed, place, report);
    }
}

/// The lists of the SIP Cluster Node DN against the applications of the file.
fn members(
    config: &Config,
    switch: &Switch,
    option: &str,
    role: AppRole,
    listed: &[Box<str>],
    place: &Place,
    report: &mut Report,
) {
    let known = || config.applications_of(&switch.name, role).map(|own| &*own.name);
    let mut seen = BTreeSet::new();
    for name in listed {
        if !seen.insert(name) {
            report.error(place, format!("`{option}` names {name} twice"));
        }
        let wrong = match config.application(name) {
            None => missing("application", name, known()),
            Some(own) if own.role != role => {
                format!("`{option}` names {name}, which has another role")
            }
            Some(own) if own.switch != switch.name => {
                format!("`{option}` names {name}, which serves another switch")
            }
            Some(_) => {
                if config.is_backup(name) {
                    report.warning(
                        place,
                        format!(
                            "`{option}` names {name}, which is a backup; name its primary only"
                        ),
                    );
                }
                continue;
            }
        };
        report.add(Severity::Error, place, wrong, find(option).map(|meta| meta.help()));
    }
    let unlisted = |own: &&Application| !seen.contains(&own.name) && !config.is_backup(&own.name);
    for own in config.applications_of(&switch.name, role).filter(unlisted) {
        let message = format!(
            "{} is not in `{option}` of the SIP Cluster Node DN, so the cluster does not use it",
            own.name
        );
        report.add(Severity::Warning, &own.place, message, find(option).map(|meta| meta.help()));
    }
}

fn queue_switch(switch: &Switch, report: &mut Report) {
    let mut reported = BTreeSet::new();
    for dn in &switch.dns {
        let allowed = matches!(dn.object.kind, DnKind::VirtualQueue | DnKind::CommunicationDn);
        if !allowed && reported.insert(&dn.object.place) {
            let message = format!(
                "{} cannot be on a switch of Virtual Queues: it holds Virtual Queues and one \
                 Communication DN only",
                dn.object.label
            );
            report.error(&dn.object.place, message);
        }
    }
    for second in switch.of_kind(DnKind::CommunicationDn).skip(1) {
        let message = "a switch of Virtual Queues has one Communication DN only";
        report.error(&second.object.place, message);
    }
}

fn contacts(switch: &Switch, report: &mut Report) {
    for dn in &switch.dns {
        let needs =
            matches!(dn.object.kind, DnKind::Trunk | DnKind::VoipService(ServiceType::Softswitch));
        let contact = dn.object.options.text("contact");
        let place = dn.object.options.place("contact").unwrap_or(&dn.object.place);
        let wrong = match contact {
            None if needs => "needs the option `contact`",
            Some("*" | "") if needs => "needs an address in `contact`",
            Some("::msml") if needs || dn.object.kind.is_phone() => {
                "cannot use `::msml` as `contact`"
            }
            None | Some(_) => continue,
        };
        let message = format!("{} {wrong}", dn.object.label);
        report.add(Severity::Error, place, message, find("contact").map(|meta| meta.help()));
    }
}

fn one_application(config: &Config, own: &Application, report: &mut Report) {
    if own.ports.sip.is_none() && own.role != AppRole::VqServer {
        report.error(&own.place, format!("{} needs `ports.sip`", own.name));
    }
    for (name, port) in [("sips", own.ports.sips), ("ws", own.ports.ws), ("wss", own.ports.wss)] {
        if port.is_some() && own.role != AppRole::SipProxy {
            let message =
                format!("{} cannot have `ports.{name}`: SIP Proxies take phones", own.name);
            report.error(&own.place, message);
        } else if port == Some(0) {
            let message = format!("{} has `ports.{name}` 0: phones have to know it", own.name);
            report.error(&own.place, message);
        }
    }
    if own.geo_location.is_empty() && own.role != AppRole::VqServer {
        let message = format!(
            "{} has no `geo-location`: SIP Proxies use the nodes of their own data centre",
            own.name
        );
        report.error(&own.place, message);
    }
    if own.role == AppRole::VqServer {
        let message = format!("{} is not started: role vq has no effect in this version", own.name);
        report.add(Severity::Note, &own.place, message, None);
    }
    backup(config, own, report);
    certificates(config, own, report);
    if own.role == AppRole::SipProxy {
        let span = |name: &str| own.options.duration_or_default(name);
        let (min, max) = (span("registrar-min-timeout"), span("registrar-max-timeout"));
        let default = span("registrar-default-timeout");
        if min > max || default < min || default > max {
            let message = format!(
                "{}: registrar-min-timeout ({} s), registrar-default-timeout ({} s) and registrar-max-timeout ({} s) \
                 must rise in that order",
                own.name,
                min.as_secs(),
                default.as_secs(),
                max.as_secs()
            );
            report.error(&own.place, message);
        }
    }
    if let (Some(target), Some(switch)) =
        (own.options.text("default-route-point"), config.switch(&own.switch))
        && !target.is_empty()
        && !target.starts_with("reject=")
        && switch.dn(target).is_none()
    {
        let place = own.options.place("default-route-point").unwrap_or(&own.place);
        let message =
            format!("`default-route-point`: the switch {} has no DN `{target}`", switch.name);
        report.add(
            Severity::Error,
            place,
            message,
            find("default-route-point").map(|meta| meta.help()),
        );
    }
}

/// TLS needs its files to be named; whether they can be used is seen at the start.
fn certificates(config: &Config, own: &Application, report: &mut Report) {
    const OWN: [&str; 2] = ["certificate", "certificate-key"];
    let mut needs = |option: &str, place: &Place, names: &[&str]| {
        for name in names.iter().filter(|name| own.options.text(name).is_none()) {
            let message = format!("{}: `{option}` needs the option `{name}`", own.name);
            report.add(Severity::Error, place, message, find(name).map(|meta| meta.help()));
        }
    };
    for (port, is_set) in
        [("ports.sips", own.ports.sips.is_some()), ("ports.wss", own.ports.wss.is_some())]
    {
        if is_set {
            needs(port, &own.place, &OWN);
        }
    }
    let place_of = |name| own.options.place(name).unwrap_or(&own.place);
    let flag = |name| own.options.flag(name).unwrap_or_default();
    if flag("tls") {
        needs("tls", place_of("tls"), &OWN);
    }
    if flag("tls-mutual") {
        needs("tls-mutual", place_of("tls-mutual"), &["trusted-ca"]);
    }
    let cluster = config.switch(&own.switch).and_then(Switch::cluster_dn);
    let cluster = cluster.map(|dn| &dn.object.options);
    if own.role != AppRole::VqServer
        && let Some(options) = cluster
        && options.text("cluster-tls").is_some_and(|text| text != "off")
    {
        let place = options.place("cluster-tls").unwrap_or(&own.place);
        needs("cluster-tls", place, &[OWN[0], OWN[1], "trusted-ca"]);
    }
    if flag("tls-mutual") && !flag("tls") {
        let message = format!("{}: `tls-mutual` needs the option `tls`", own.name);
        report.add(
            Severity::Error,
            place_of("tls-mutual"),
            message,
            find("tls").map(|meta| meta.help()),
        );
    }
}

fn backup(config: &Config, own: &Application, report: &mut Report) {
    let Some(name) = &own.backup else {
        return;
    };
    let message = match config.application(name) {
        None => missing("application", name, config.applications.iter().map(|other| &*other.name)),
        Some(other) if other.name == own.name => format!("{name} cannot be its own backup"),
        Some(other) if other.role != own.role || other.switch != own.switch => {
            format!("the backup {name} has another role or switch than {}", own.name)
        }
        Some(other) if other.geo_location != own.geo_location => {
            format!("the backup {name} is in another data centre than {}", own.name)
        }
        Some(other) if other.backup.is_some() => format!("the backup {name} names a backup itself"),
        Some(other) => {
            let message =
                format!("{name} stays backup and never takes over by itself in this version");
            report.warning(&other.place, message);
            return;
        }
    };
    report.error(&own.place, message);
}

fn node_ids(config: &Config, report: &mut Report) {
    let mut first: BTreeMap<_, &Application> = BTreeMap::new();
    for own in &config.applications {
        let Some(other) = first.get(&own.node_id) else {
            first.insert(own.node_id, own);
            continue;
        };
        let pair =
            other.backup.as_ref() == Some(&own.name) || own.backup.as_ref() == Some(&other.name);
        if !pair {
            report.error(
                &own.place,
                format!("{} has the node-id {} of {}", own.name, own.node_id, other.name),
            );
        }
    }
    for own in &config.applications {
        if let Some(other) = own.backup.as_ref().and_then(|name| config.application(name))
            && other.node_id != own.node_id
            && other.name != own.name
        {
            report.error(
                &other.place,
                format!("{} and its backup {} must share one node-id", own.name, other.name),
            );
        }
    }
}

fn listeners(config: &Config, report: &mut Report) {
    let mut taken: Vec<(String, u16, String)> = Vec::new();
    let mut taken_http = None;
    if let Some(http) = config.http.filter(|http| http.port() != 0) {
        taken_http = Some((http.ip().to_string(), http.port()));
    }
    let meet =
        |a: &str, b: &str| a == b || [a, b].iter().any(|host| matches!(*host, "0.0.0.0" | "::"));
    for own in config.applications.iter().filter(|own| config.is_member(own)) {
        for (name, port) in own.ports.iter().filter(|(_, port)| *port != 0) {
            let (host, label) = (own.host.to_string(), format!("ports.{name} of {}", own.name));
            if let Some((_, _, other)) =
                taken.iter().find(|(at, number, _)| *number == port && meet(at, &host))
            {
                report
                    .error(&own.place, format!("{label} and {other} both listen on {host}:{port}"));
            }
            if let Some((at, number)) = &taken_http
                && name != "http"
                && *number == port
                && meet(at, &host)
            {
                report.error(
                    &own.place,
                    format!("{label} and the key `http` both listen on {host}:{port}"),
                );
            }
            taken.push((host, port, label));
        }
    }
}

fn locations(config: &Config, report: &mut Report) {
    for switch in &config.switches {
        let of = |role| {
            config
                .applications_of(&switch.name, role)
                .map(|own| &*own.geo_location)
                .filter(|location| !location.is_empty())
                .collect::<BTreeSet<_>>()
        };
        let (nodes, proxies) = (of(AppRole::Node), of(AppRole::SipProxy));
        for own in config.applications_of(&switch.name, AppRole::SipProxy) {
            if !own.geo_location.is_empty() && !nodes.contains(&*own.geo_location) {
                let message = format!(
                    "there is no node in the data centre `{}` of {}",
                    own.geo_location, own.name
                );
                report.warning(&own.place, message);
            }
        }
        for own in config.applications_of(&switch.name, AppRole::Node) {
            if !own.geo_location.is_empty() && !proxies.contains(&*own.geo_location) {
                let message = format!(
                    "there is no SIP Proxy in the data centre `{}` of {}",
                    own.geo_location, own.name
                );
                report.warning(&own.place, message);
            }
        }
        let all: BTreeSet<_> = nodes.union(&proxies).copied().collect();
        if all.is_empty() {
            continue;
        }
        for dn in &switch.dns {
            if let Some(location) =
                dn.object.options.text("geo-location").filter(|own| !all.contains(own))
            {
                let place = dn.object.options.place("geo-location").unwrap_or(&dn.object.place);
                report.warning(
                    place,
                    missing("application in the data centre", location, all.iter().copied()),
                );
            }
        }
    }
}

fn passwords(config: &Config, report: &mut Report) {
    for switch in &config.switches {
        let cluster = switch
            .cluster_dn()
            .and_then(|dn| dn.object.options.flag(STRICT_AUTH))
            .unwrap_or_default();
        let strict = config
            .applications_of(&switch.name, AppRole::Node)
            .any(|own| own.options.flag(STRICT_AUTH).unwrap_or(cluster));
        let mut reported = BTreeSet::new();
        for dn in switch.dns.iter().filter(|dn| dn.object.kind.is_phone()) {
            if !dn.object.options.flag(STRICT_AUTH).unwrap_or(strict) {
                continue;
            }
            let wrong = match &dn.password {
                None => "no password",
                Some(secret) if secret.expose().is_empty() => "an empty password",
                Some(secret) if *secret.expose() == *dn.name => "its own name as password",
                Some(_) => continue,
            };
            if reported.insert(&dn.object.place) {
                let message = format!(
                    "{} has {wrong}: under `{STRICT_AUTH}` it will never authenticate",
                    dn.name
                );
                report.add(
                    Severity::Warning,
                    &dn.object.place,
                    message,
                    find(STRICT_AUTH).map(|meta| meta.help()),
                );
            }
        }
    }
}

fn keys(config: &Config, whole: &Place, report: &mut Report) {
    if config.cluster_keys.len() > 2 {
        report.error(whole, "there are more than two cluster-keys: the new one and the old one");
    }
    if config.cluster_keys.iter().any(|key| key.expose().len() < KEY_BYTES_MIN) {
        report.warning(
            whole,
            format!("a cluster-key of less than {KEY_BYTES_MIN} characters can be guessed"),
        );
    }
    if config.applications.is_empty() {
        report.error(whole, "there are no applications, so there is nothing to run");
    }
}
