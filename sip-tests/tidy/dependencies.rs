//! What we build upon: licences and bans of `.deny.toml`, checked with cargo alone.
//!
//! `cargo deny` reads the same file and does more (advisories, texts of licences); this test needs
//! no tool and no network. It sees the packages of the machine's own platform.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::repo::{Finding, Repo};

const POLICY: &str = ".deny.toml";

/// Crates without a licence field, and the licence in the file that they carry. Only tests use them.
const READ_BY_HAND: &[(&str, &str)] = &[("rsip", "MIT"), ("rsip-derives", "MIT")];

/// What `.deny.toml` says, as far as this test reads it.
#[derive(Default)]
struct Policy {
    licences: BTreeSet<String>,
    banned: BTreeSet<String>,
}

impl Policy {
    /// Reads the arrays `allow` of the licences and `deny` of the bans.
    fn read(text: &str) -> Self {
        let mut policy = Self::default();
        let mut section = "";
        let mut array = "";
        for line in text.lines().map(str::trim) {
            if line.starts_with('#') {
                continue;
            }
            if line.starts_with('[') {
                section = line;
                array = "";
            } else if let Some((key, "[")) = line.split_once('=').map(|(k, v)| (k.trim(), v.trim()))
            {
                array = key;
            } else if line.starts_with(']') {
                array = "";
            } else if (section, array) == ("[licenses]", "allow") {
                policy.licences.extend(quoted(line));
            } else if (section, array) == ("[bans]", "deny") {
                policy.banned.extend(quoted(line));
            }
        }
        policy
    }

    /// Whether an SPDX expression can be met with the allowed licences. `/` is the old spelling of
    /// `OR`.
    fn accepts(&self, expression: &str) -> bool {
        let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut at = 0;
        let accepted = self.any_of(&words, &mut at);
        accepted && at == words.len()
    }

    fn any_of(&self, words: &[&str], at: &mut usize) -> bool {
        let mut accepted = self.all_of(words, at);
        while words.get(*at) == Some(&"OR") {
            *at += 1;
            accepted |= self.all_of(words, at);
        }
        accepted
    }

    fn all_of(&self, words: &[&str], at: &mut usize) -> bool {
        let mut accepted = self.one(words, at);
        while words.get(*at) == Some(&"AND") {
            *at += 1;
            accepted &= self.one(words, at);
        }
        accepted
    }

    fn one(&self, words: &[&str], at: &mut usize) -> bool {
        let Some(word) = words.get(*at) else {
            return false;
        };
        *at += 1;
        if *word == "(" {
            let accepted = self.any_of(words, at);
            let closed = words.get(*at) == Some(&")");
            *at += 1;
            return accepted && closed;
        }
        let mut licence = (*word).to_owned();
        if words.get(*at) == Some(&"WITH") {
            licence = format!("{licence} WITH {}", words.get(*at + 1).unwrap_or(&""));
            *at += 2;
        }
        self.licences.contains(&licence)
    }
}

/// The first text in quotes.
fn quoted(line: &str) -> Option<String> {
    line.split('"').nth(1).map(str::to_owned)
}

/// Packages whose licence the policy does not accept, development dependencies included.
fn bad_licences(policy: &Policy, metadata: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    let used: BTreeSet<&str> = nodes(metadata).filter_map(|node| node["id"].as_str()).collect();
    for package in list(&metadata["packages"]) {
        let name = package["name"].as_str().unwrap_or_default();
        if !used.contains(package["id"].as_str().unwrap_or_default()) {
            continue;
        }
        let by_hand = READ_BY_HAND.iter().find(|(known, _)| *known == name);
        let licence = package["license"]
            .as_str()
            .or(by_hand.map(|(_, licence)| *licence))
            .unwrap_or_default();
        if !policy.accepts(licence) {
            let what = format!(
                "`{name}` has the licence \"{licence}\": read it, then allow it in {POLICY} or do \
                 without the crate"
            );
            findings.push(Finding::new("Cargo.lock", 1, what));
        }
    }
    findings
}

/// Banned crates that the binary would hold. What only tests use is free.
fn banned_crates(policy: &Policy, metadata: &Value) -> Vec<Finding> {
    let names: BTreeMap<&str, &str> = list(&metadata["packages"])
        .filter_map(|package| Some((package["id"].as_str()?, package["name"].as_str()?)))
        .collect();
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = metadata["resolve"]["root"].as_str().into_iter().collect();
    while let Some(id) = open.pop() {
        if !reached.insert(id) {
            continue;
        }
        for node in nodes(metadata).filter(|node| node["id"].as_str() == Some(id)) {
            for edge in list(&node["deps"]) {
                let ships =
                    list(&edge["dep_kinds"]).any(|kind| kind["kind"].as_str() != Some("dev"));
                if ships {
                    open.extend(edge["pkg"].as_str());
                }
            }
        }
    }
    let shipped = reached.into_iter().filter_map(|id| names.get(id).copied());
    let banned = shipped.filter(|name| policy.banned.contains(*name));
    let what = |name| format!("`{name}` is banned from the binary, see {POLICY}: keep it in tests");
    banned.map(|name| Finding::new("Cargo.toml", 1, what(name))).collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn nodes(metadata: &Value) -> impl Iterator<Item = &Value> {
    list(&metadata["resolve"]["nodes"])
}

/// What cargo resolved for this platform, from what the build has fetched.
fn metadata() -> Value {
    let host = output(Command::new("rustc").arg("-vV"));
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["metadata", "--format-version", "1", "--locked", "--filter-platform", host]);
    match serde_json::from_str(&output(&mut cargo)) {
        Ok(metadata) => metadata,
        Err(error) => panic!("cargo metadata gives no JSON: {error}"),
    }
}

fn output(command: &mut Command) -> String {
    match command.output() {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).into_owned()
        }
        Ok(output) => panic!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => panic!("{command:?}: {error}"),
    }
}

#[test]
fn licences_and_bans_hold() {
    let repo = Repo::here();
    let policy = Policy::read(repo.text(POLICY).unwrap_or_default());
    assert!(!policy.licences.is_empty(), "{POLICY} allows no licence");
    assert!(!policy.banned.is_empty(), "{POLICY} bans no crate");
    let metadata = metadata();
    assert!(nodes(&metadata).count() > 10, "cargo metadata shows no dependencies");
    let mut findings = bad_licences(&policy, &metadata);
    findings.extend(banned_crates(&policy, &metadata));
    crate::repo::demand_none(findings);
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Policy, bad_licences, banned_crates};

    const TEXT: &str = "[licenses]\nallow = [\n  \"MIT\", # short\n  \"ISC\",\n  \"A WITH E\",\n]\n\
                        [bans]\nwildcards = \"deny\"\ndeny = [\n  { crate = \"oracle\", reason = \"x\" },\n]\n";

    fn graph(licence: &str, kind: Value) -> Value {
        json!({
            "packages": [
                {"id": "1", "name": "we", "license": "MIT"},
                {"id": "2", "name": "oracle", "license": licence},
                {"id": "3", "name": "rsip", "license": null},
                {"id": "4", "name": "elsewhere", "license": "GPL-3.0-only"},
            ],
            "resolve": {"root": "1", "nodes": [
                {"id": "1", "deps": [
                    {"pkg": "3", "dep_kinds": [{"kind": null}]},
                ]},
                {"id": "3", "deps": [
                    {"pkg": "2", "dep_kinds": [{"kind": kind}]},
                ]},
                {"id": "2", "deps": []},
            ]},
        })
    }

    #[test]
    fn expressions_are_read_as_written() {
        let policy = Policy::read(TEXT);
        for good in [
            "MIT",
            "GPL OR MIT",
            "GPL/MIT",
            "(MIT OR GPL) AND ISC",
            "A WITH E",
            "MIT OR GPL AND BSD",
        ] {
            assert!(policy.accepts(good), "{good}");
        }
        for bad in [
            "",
            "GPL",
            "MIT AND GPL",
            "(MIT",
            "MIT MIT",
            "A",
            "A WITH F",
            "AND",
            "(GPL OR MIT) AND BSD",
        ] {
            assert!(!policy.accepts(bad), "{bad}");
        }
    }

    #[test]
    fn a_licence_outside_the_list_is_found() {
        let policy = Policy::read(TEXT);
        assert!(bad_licences(&policy, &graph("ISC", Value::Null)).is_empty());
        assert_eq!(bad_licences(&policy, &graph("GPL", Value::Null)).len(), 1);
        let mut unclear = graph("ISC", Value::Null);
        unclear["packages"][2]["name"] = json!("odd");
        assert_eq!(bad_licences(&policy, &unclear).len(), 1);
    }

    #[test]
    fn a_banned_crate_is_found_unless_only_tests_use_it() {
        let policy = Policy::read(TEXT);
        assert_eq!(banned_crates(&policy, &graph("MIT", Value::Null)).len(), 1);
        assert_eq!(banned_crates(&policy, &graph("MIT", json!("build"))).len(), 1);
        assert!(banned_crates(&policy, &graph("MIT", json!("dev"))).is_empty());
    }
}
