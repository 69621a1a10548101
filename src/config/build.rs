//! From trees to the model: each object by itself, then the DNs' index and the
//! node-ids. What concerns several objects is in `check`.

use core::net::IpAddr;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::fields::Fields;
use super::model::{
    AppRole, Application, Client, Config, DnsZone, Group, Host, LogFormat, LogLevel, LogSettings,
    Person, Ports, Secret, Switch, SwitchKind, Tenant, Threading,
};
use super::options::Scope;
use super::report::{Place, Report, Severity};
use super::shape::Object;
use super::tree::Node;
use super::{numbering, options};
use crate::base::id::NodeId;

/// Reads a file that holds a secret.
pub(crate) type ReadFile<'a> = dyn Fn(&Path) -> std::io::Result<String> + 'a;

/// What reading an object needs besides the object.
pub(crate) struct Reader<'a> {
    /// Where findings go.
    pub report: &'a mut Report,
    /// Reads secrets.
    pub read: &'a ReadFile<'a>,
}

/// Puts the files of a configuration together.
pub(crate) fn config(roots: &[Node], reader: &mut Reader<'_>) -> Config {
    let files: Vec<_> =
        roots.iter().filter_map(|root| Fields::open(Object::File, root, reader.report)).collect();
    refuse_second(&files, reader.report);
    let first = |name: &str| files.iter().find(|file| file.node(name).is_some());
    let mut config = Config {
        http: first("http").and_then(|file| file.socket("http", reader.report)),
        cluster_keys: Vec::new(),
        data_dir: first("data-dir")
            .and_then(|file| file.text("data-dir", reader.report))
            .map(PathBuf::from),
        threading: Threading::default(),
        local_handover: first("local-handover")
            .and_then(|file| file.flag("local-handover", reader.report))
            .unwrap_or(true),
        log: first("log")
            .and_then(|file| file.one("log", reader.report))
            .map_or_else(LogSettings::default, |log| log_settings(log, reader.report)),
        tenants: Vec::new(),
        switches: Vec::new(),
        persons: Vec::new(),
        clients: None,
        places: Vec::new(),
        agent_groups: Vec::new(),
        applications: Vec::new(),
        dns_zones: Vec::new(),
    };
    if let Some(position) =
        first("threading").and_then(|file| file.choice("threading", reader.report))
    {
        config.threading = [Threading::Dedicated, Threading::Shared, Threading::Single]
            .get(position)
            .copied()
            .unwrap_or_default();
    }
    for file in &files {
        config.cluster_keys.extend(secrets(file, "cluster-key", reader));
        lists(file, &mut config, reader);
    }
    choose_node_ids(&mut config);
    config
}

/// Keys that may stand in one file of a folder only.
fn refuse_second(files: &[Fields<'_>], report: &mut Report) {
    for field in Object::File.fields() {
        let merged = matches!(
            field.takes,
            super::shape::Takes::Many(_) | super::shape::Takes::Keys | super::shape::Takes::Never
        );
        let mut places =
            files.iter().filter_map(|file| file.node(field.name)).map(|node| &node.place);
        if let (false, Some(first)) = (merged, places.next()) {
            for place in places {
                report.error(place, format!("`{}` already stands at {first}", field.name));
            }
        }
    }
}

fn log_settings(log: Fields<'_>, report: &mut Report) -> LogSettings {
    const LEVELS: [LogLevel; 5] =
        [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];
    LogSettings {
        level: log
            .choice("level", report)
            .and_then(|at| LEVELS.get(at).copied())
            .unwrap_or_default(),
        format: if log.choice("format", report) == Some(1) {
            LogFormat::Json
        } else {
            LogFormat::Text
        },
        file: log.text("file", report).map(PathBuf::from),
    }
}

fn lists(file: &Fields<'_>, config: &mut Config, reader: &mut Reader<'_>) {
    for tenant in file.many("tenants", reader.report) {
        if let Some(name) = tenant.text("name", reader.report) {
            config.tenants.push(Tenant { name: name.into(), place: tenant.place.clone() });
        }
    }
    for fields in file.many("switches", reader.report) {
        config.switches.extend(switch(fields, reader));
    }
    for fields in file.many("persons", reader.report) {
        config.persons.extend(person(fields, reader));
    }
    if file.filled("clients", reader.report).is_some() {
        let clients = file.many("clients", reader.report);
        let clients = clients.into_iter().filter_map(|one| client(one, reader));
        config.clients.get_or_insert_default().extend(clients);
    }
    for (key, members, target) in [
        ("places", "dns", &mut config.places),
        ("agent-groups", "persons", &mut config.agent_groups),
    ] {
        for fields in file.many(key, reader.report) {
            target.extend(group(fields, members, reader.report));
        }
    }
    for fields in file.many("applications", reader.report) {
        config.applications.extend(application(fields, reader.report));
    }
    for fields in file.many("dns-zones", reader.report) {
        let zone = fields.text("zone", reader.report);
        if let (Some(zone), Some(listen)) = (zone, fields.socket("listen", reader.report)) {
            config.dns_zones.push(DnsZone { zone: zone.into(), listen });
            let message = "the built-in DNS has no effect in this version".to_owned();
            reader.report.add(Severity::Note, fields.place, message, None);
        }
    }
}

/// Values of a key and of `KEY_file`, in that order.
fn secrets(fields: &Fields<'_>, name: &str, reader: &mut Reader<'_>) -> Vec<Secret> {
    let mut secrets: Vec<_> =
        fields.names(name, reader.report).into_iter().map(|(text, _)| Secret::new(text)).collect();
    for (file, place) in fields.names(&format!("{name}_file"), reader.report) {
        secrets.extend(secret_file(file, place, reader));
    }
    secrets
}

fn secret_file(file: &str, place: &Place, reader: &mut Reader<'_>) -> Option<Secret> {
    let folder = Path::new(&*place.file).parent().unwrap_or(Path::new(""));
    let path = folder.join(file);
    match (reader.read)(&path) {
        Ok(text) if text.trim_end().is_empty() => {
            reader.report.error(place, format!("{} holds no secret", path.display()));
            None
        }
        Ok(text) => Some(Secret::new(text.trim_end_matches(['\r', '\n']))),
        Err(error) => {
            reader.report.error(place, format!("cannot read {}: {error}", path.display()));
            None
        }
    }
}

/// `password` or `password_file`. An empty password is kept: `check` says what follows from it.
pub(crate) fn password(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Option<Secret> {
    let (own, file) = (fields.node("password"), fields.node("password_file"));
    if let (Some(_), Some(file)) = (own, file) {
        reader.report.error(&file.place, "either `password` or `password_file`, not both");
    }
    if let Some(node) = own {
        if node.text().is_none() {
            fields.misfit(
                "password",
                node,
                &format!("takes a single value, not {}", node.kind()),
                reader.report,
            );
        }
        return node.text().map(Secret::new);
    }
    let name = fields.text("password_file", reader.report)?;
    secret_file(name, &file?.place, reader)
}

fn switch(fields: Fields<'_>, reader: &mut Reader<'_>) -> Option<Switch> {
    let kind = fields.choice("type", reader.report);
    let realm = fields.text("realm", reader.report);
    let domains = fields.names("domains", reader.report);
    let tenant = fields.text("tenant", reader.report);
    let name = fields.text("name", reader.report)?;
    let mut switch = Switch {
        name: name.into(),
        kind: if kind == Some(1) { SwitchKind::VirtualQueues } else { SwitchKind::Sip },
        tenant: tenant.map(Box::from),
        realm: realm.unwrap_or(name).into(),
        domains: domains.into_iter().map(|(domain, _)| domain.into()).collect(),
        dns: Vec::new(),
        place: fields.place.clone(),
        index: HashMap::new(),
    };
    for dn in fields.many("dns", reader.report) {
        numbering::add(dn, &mut switch, reader);
    }
    Some(switch)
}

fn person(fields: Fields<'_>, reader: &mut Reader<'_>) -> Option<Person> {
    let mut skills = Vec::new();
    for (key, node) in fields.entries("skills", reader.report) {
        match node.text().and_then(|text| text.trim().parse::<u32>().ok()) {
            Some(level) => skills.push((key.text.as_str().into(), level)),
            None => fields.misfit("skills", node, "a level is a whole number", reader.report),
        }
    }
    let mut text = |name: &str| fields.text(name, reader.report).map(Box::<str>::from);
    let (employee_id, first_name) = (text("employee-id"), text("first-name").unwrap_or_default());
    let (last_name, default_place) = (text("last-name").unwrap_or_default(), text("default-place"));
    let password = password(&fields, reader);
    let options = fields.options(Scope::Person, reader.report);
    let place = fields.place.clone();
    Some(Person {
        employee_id: employee_id?,
        first_name,
        last_name,
        password,
        skills,
        default_place,
        options,
        place,
    })
}

fn client(fields: Fields<'_>, reader: &mut Reader<'_>) -> Option<Client> {
    let password = password(&fields, reader);
    fields.filled("password", reader.report);
    let mut dns = fields.filled("dns", reader.report).map(|_| Vec::new());
    for (label, place) in fields.names("dns", reader.report) {
        match numbering::range(label) {
            Ok(range) => dns.get_or_insert_default().push(range),
            Err(wrong) => reader.report.error(place, wrong.to_string()),
        }
    }
    let is_monitor = fields.choice("access", reader.report) == Some(1);
    let name = fields.text("name", reader.report)?.into();
    Some(Client { name, password, dns, is_monitor, place: fields.place.clone() })
}

fn group(fields: Fields<'_>, members: &str, report: &mut Report) -> Option<Group> {
    let members = fields.names(members, report).into_iter().map(|(name, _)| name.into()).collect();
    Some(Group { name: fields.text("name", report)?.into(), members, place: fields.place.clone() })
}

fn application(fields: Fields<'_>, report: &mut Report) -> Option<Application> {
    const ROLES: [AppRole; 3] = [AppRole::Node, AppRole::SipProxy, AppRole::VqServer];
    let name = fields.text("name", report);
    let role = fields.choice("role", report).and_then(|at| ROLES.get(at).copied());
    let node_id =
        fields.number("node-id", report).and_then(|id| NodeId::new(u16::try_from(id).ok()?));
    let switch = fields.text("switch", report);
    let host = fields.text("host", report).and_then(|text| host(text, &fields, report));
    let ports = fields.one("ports", report).map_or_else(Ports::default, |own| ports(own, report));
    let backup = fields.text("backup", report);
    let cores = fields.numbers("cores", report);
    let geo_location = fields.text("geo-location", report);
    // The file is refused for what is missing; the application is kept, so that no reference to it dangles.
    let name = name?;
    let role = role.unwrap_or(AppRole::Node);
    let options = fields.options(role.scope(), report);
    let geo_location = match (geo_location, options.text("geo-location")) {
        (Some(own), Some(option)) if own != option => {
            report.error(
                fields.place,
                format!("`geo-location` is `{own}` here and `{option}` in the options"),
            );
            own
        }
        (Some(own), _) => own,
        (None, option) => option.unwrap_or_default(),
    };
    Some(Application {
        name: name.into(),
        role,
        node_id: node_id.or_else(|| NodeId::new(1))?,
        node_id_chosen: node_id.is_none(),
        switch: switch.unwrap_or_default().into(),
        geo_location: geo_location.into(),
        host: host.unwrap_or_else(|| Host::Name(name.into())),
        ports,
        backup: backup.map(Box::from),
        cores: cores.into_iter().filter_map(|core| usize::try_from(core).ok()).collect(),
        options,
        place: fields.place.clone(),
    })
}

fn host(text: &str, fields: &Fields<'_>, report: &mut Report) -> Option<Host> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(Host::Address(address));
    }
    let wrong = match options::valid_address(text) {
        Ok(()) if !text.contains(['*', ':', ';', '@']) => return Some(Host::Name(text.into())),
        Ok(()) => format!("`{text}` is not a host"),
        Err(reason) => reason.to_string(),
    };
    if let Some(node) = fields.node("host") {
        fields.misfit("host", node, &wrong, report);
    }
    None
}

fn ports(fields: Fields<'_>, report: &mut Report) -> Ports {
    let mut port =
        |name: &str| fields.number(name, report).and_then(|port| u16::try_from(port).ok());
    Ports {
        sip: port("sip"),
        sips: port("sips"),
        ws: port("ws"),
        wss: port("wss"),
        default: port("default"),
        tcport: port("TCport"),
        ipport: port("IPport"),
        smartproxy: port("SmartProxy"),
        cluster: port("cluster"),
        http: port("http"),
    }
}

/// Counts up from 1 past every node-id of the file; a backup takes its primary's.
fn choose_node_ids(config: &mut Config) {
    let mut taken: BTreeSet<NodeId> = config
        .applications
        .iter()
        .filter(|own| !own.node_id_chosen)
        .map(|own| own.node_id)
        .collect();
    let backups: BTreeSet<Box<str>> = config
        .applications
        .iter()
        .filter_map(|own| own.backup.clone().filter(|name| *name != own.name))
        .collect();
    let mut next = 1;
    for application in config.applications.iter_mut().filter(|own| own.node_id_chosen) {
        if backups.contains(&application.name) {
            continue;
        }
        while let Some(id) = NodeId::new(next) {
            next += 1;
            if taken.insert(id) {
                application.node_id = id;
                break;
            }
        }
    }
    let pairs: Vec<(Box<str>, NodeId)> = config
        .applications
        .iter()
        .filter_map(|own| Some((own.backup.clone()?, own.node_id)))
        .collect();
    for (backup, id) in pairs {
        if let Some(own) =
            config.applications.iter_mut().find(|own| own.name == backup && own.node_id_chosen)
        {
            own.node_id = id;
        }
    }
}
