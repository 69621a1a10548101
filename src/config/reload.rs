//! What a new configuration changes, and when each change takes effect. The
//! swap itself is one pointer: the old snapshot stays whole or the new one is.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use super::Loaded;
use super::model::{Application, Client, Config, Dn, Person, Switch};
use super::options::{Effect, Options, Scope, find_in};
use super::report::Report;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What differs, in one line; never a secret.
    pub what: String,
    /// When it takes effect.
    pub takes_effect: Effect,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (takes effect {})", self.what, self.takes_effect.title())
    }
}

/// Reads the configuration again. The caller swaps its snapshot for the loaded
/// one; on an error nothing changes.
///
/// # Errors
/// As [`super::load`].
pub fn reload(path: &Path, current: &Config) -> Result<(Loaded, Vec<Change>), Report> {
    let loaded = super::load(path)?;
    let changes = difference(current, &loaded.config);
    Ok((loaded, changes))
}

/// What differs between two configurations, in the order of the file.
#[must_use]
pub fn difference(old: &Config, new: &Config) -> Vec<Change> {
    let mut changes = Changes(Vec::new());
    changes.compare("http", &old.http, &new.http);
    changes.compare("data-dir", &old.data_dir, &new.data_dir);
    changes.compare("threading", &old.threading, &new.threading);
    changes.compare("local-handover", &old.local_handover, &new.local_handover);
    changes.compare("log", &old.log, &new.log);
    changes.compare("dns-zones", &old.dns_zones, &new.dns_zones);
    if old.cluster_keys != new.cluster_keys {
        changes.add("cluster-key: changed", Effect::Immediately);
    }
    let names =
        |config: &Config| config.tenants.iter().map(|own| own.name.clone()).collect::<Vec<_>>();
    changes.lists("tenant", &names(old), &names(new), Effect::Immediately);
    let names =
        |config: &Config| config.switches.iter().map(|own| own.name.clone()).collect::<Vec<_>>();
    changes.lists("switch", &names(old), &names(new), Effect::Restart);
    for switch in &new.switches {
        if let Some(before) = old.switch(&switch.name) {
            changes.switch(before, switch);
        }
    }
    changes.persons(&old.persons, &new.persons);
    changes.clients(old.clients.as_deref(), new.clients.as_deref());
    for (what, before, after) in
        [("place", &old.places, &new.places), ("agent group", &old.agent_groups, &new.agent_groups)]
    {
        let names = |list: &[super::model::Group]| {
            list.iter().map(|own| own.name.clone()).collect::<Vec<_>>()
        };
        changes.lists(what, &names(before), &names(after), Effect::Immediately);
        for own in after {
            if before.iter().any(|other| other.name == own.name && other.members != own.members) {
                changes.add(format!("{what} {}: members changed", own.name), Effect::Immediately);
            }
        }
    }
    changes.applications(old, new);
    changes.0
}

struct Changes(Vec<Change>);

impl Changes {
    fn add(&mut self, what: impl Into<String>, takes_effect: Effect) {
        self.0.push(Change { what: what.into(), takes_effect });
    }

    fn compare<T: PartialEq + fmt::Debug>(&mut self, key: &str, old: &T, new: &T) {
        if old != new {
            self.add(format!("{key}: changed from {old:?} to {new:?}"), Effect::Restart);
        }
    }

    fn lists(&mut self, what: &str, old: &[Box<str>], new: &[Box<str>], effect: Effect) {
        let (before, after): (BTreeSet<_>, BTreeSet<_>) =
            (old.iter().collect(), new.iter().collect());
        for name in new.iter().filter(|name| !before.contains(name)) {
            self.add(format!("{what} {name}: added"), effect);
        }
        for name in old.iter().filter(|name| !after.contains(name)) {
            self.add(format!("{what} {name}: removed"), effect);
        }
    }

    fn options(&mut self, of: &str, old: &Options, new: &Options) {
        for (name, value) in new.iter() {
            match old.value(name) {
                Some(before) if before == value => {}
                Some(before) => {
                    self.add(
                        format!("{of}: {name} changed from {before} to {value}"),
                        effect_of(name, new.scope()),
                    );
                }
                None => {
                    self.add(format!("{of}: {name} set to {value}"), effect_of(name, new.scope()))
                }
            }
        }
        for (name, value) in old.iter().filter(|(name, _)| new.value(name).is_none()) {
            self.add(format!("{of}: {name} (was {value}) removed"), effect_of(name, old.scope()));
        }
    }

    fn switch(&mut self, old: &Switch, new: &Switch) {
        let of = format!("switch {}", new.name);
        if old.realm != new.realm {
            self.add(
                format!("{of}: realm changed from {} to {}", old.realm, new.realm),
                Effect::NextRegistration,
            );
        }
        if old.domains != new.domains {
            self.add(format!("{of}: domains changed"), Effect::NextRegistration);
        }
        if old.kind != new.kind || old.tenant != new.tenant {
            self.add(format!("{of}: type or tenant changed"), Effect::Restart);
        }
        self.dns(&of, "added", new, old);
        self.dns(&of, "removed", old, new);
        let mut compared = BTreeSet::new();
        let mut passwords: Vec<&Dn> = Vec::new();
        for dn in &new.dns {
            let Some(before) = old.dn(&dn.name) else {
                continue;
            };
            if before.password != dn.password {
                passwords.push(dn);
            }
            // DNs of one entry share its object: each pair of entries is compared once.
            if !compared.insert((&before.object.place, &dn.object.place)) {
                continue;
            }
            let own = format!("{of}, DN {}", dn.object.label);
            if before.object.kind != dn.object.kind {
                self.add(format!("{own}: type changed"), Effect::NextCall);
            }
            self.options(&own, &before.object.options, &dn.object.options);
        }
        if let (Some(first), Some(last)) = (passwords.first(), passwords.last()) {
            let what = format!(
                "{of}: {} ({})",
                count(passwords.len(), "password", "changed"),
                span(first, last)
            );
            self.add(what, Effect::NextRegistration);
        }
    }

    /// DNs of `own` that `other` lacks, one line for each entry of the file.
    fn dns(&mut self, of: &str, verb: &str, own: &Switch, other: &Switch) {
        let lacking: Vec<&Dn> = own.dns.iter().filter(|dn| other.dn(&dn.name).is_none()).collect();
        for run in lacking.chunk_by(|a, b| a.object.place == b.object.place) {
            if let (Some(first), Some(last)) = (run.first(), run.last()) {
                self.add(
                    format!("{of}: {} ({})", count(run.len(), "DN", verb), span(first, last)),
                    Effect::NextCall,
                );
            }
        }
    }

    fn persons(&mut self, old: &[Person], new: &[Person]) {
        let names =
            |list: &[Person]| list.iter().map(|own| own.employee_id.clone()).collect::<Vec<_>>();
        self.lists("person", &names(old), &names(new), Effect::Immediately);
        let before: std::collections::BTreeMap<_, _> =
            old.iter().map(|own| (&own.employee_id, own)).collect();
        for own in new {
            let Some(before) = before.get(&own.employee_id) else {
                continue;
            };
            let of = format!("person {}", own.employee_id);
            if before.skills != own.skills {
                self.add(format!("{of}: skills changed"), Effect::Immediately);
            }
            if before.password != own.password {
                self.add(format!("{of}: password changed"), Effect::Immediately);
            }
            if (&before.first_name, &before.last_name, &before.default_place)
                != (&own.first_name, &own.last_name, &own.default_place)
            {
                self.add(format!("{of}: name or default-place changed"), Effect::Immediately);
            }
            self.options(&of, &before.options, &own.options);
        }
    }

    fn clients(&mut self, old: Option<&[Client]>, new: Option<&[Client]>) {
        let names = |list: Option<&[Client]>| {
            list.unwrap_or_default().iter().map(|own| own.name.clone()).collect::<Vec<_>>()
        };
        self.lists("client", &names(old), &names(new), Effect::Immediately);
        if old.is_some() != new.is_some() {
            let who = if new.is_some() { "only those that are named" } else { "whoever comes" };
            self.add(format!("clients: {who} are served"), Effect::Immediately);
        }
        for own in new.unwrap_or_default() {
            let before = old.unwrap_or_default().iter().find(|before| before.name == own.name);
            let rights = |client: &Client| (client.dns.clone(), client.is_monitor);
            if before.is_some_and(|before| before.password != own.password) {
                self.add(format!("client {}: password changed", own.name), Effect::Immediately);
            }
            if before.is_some_and(|before| rights(before) != rights(own)) {
                self.add(format!("client {}: rights changed", own.name), Effect::Immediately);
            }
        }
    }

    fn applications(&mut self, old: &Config, new: &Config) {
        let names = |config: &Config| {
            config.applications.iter().map(|own| own.name.clone()).collect::<Vec<_>>()
        };
        self.lists("application", &names(old), &names(new), Effect::Restart);
        for own in &new.applications {
            if let Some(before) = old.application(&own.name) {
                self.application(before, own);
            }
        }
    }

    fn application(&mut self, old: &Application, new: &Application) {
        let of = format!("application {}", new.name);
        self.compare(&format!("{of}: role"), &old.role, &new.role);
        self.compare(&format!("{of}: node-id"), &old.node_id.get(), &new.node_id.get());
        self.compare(&format!("{of}: switch"), &old.switch, &new.switch);
        self.compare(&format!("{of}: geo-location"), &old.geo_location, &new.geo_location);
        self.compare(&format!("{of}: host"), &old.host, &new.host);
        self.compare(&format!("{of}: backup"), &old.backup, &new.backup);
        self.compare(&format!("{of}: cores"), &old.cores, &new.cores);
        if old.ports != new.ports {
            self.add(format!("{of}: ports changed"), Effect::Restart);
        }
        self.options(&of, &old.options, &new.options);
    }
}

fn effect_of(name: &str, scope: Scope) -> Effect {
    find_in(name, scope).map_or(Effect::Restart, |meta| meta.takes_effect)
}

fn count(number: usize, what: &str, verb: &str) -> String {
    if number == 1 { format!("1 {what} {verb}") } else { format!("{number} {what}s {verb}") }
}

fn span(first: &Dn, last: &Dn) -> String {
    if first.name == last.name {
        first.name.to_string()
    } else {
        format!("{} … {}", first.name, last.name)
    }
}
