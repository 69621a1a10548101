//! The table of behaviours in `sipp-scenarios/README.md`: each row names a scenario or a test that
//! exists, and each scenario stands in a row.
//!
//! Not checked: whether what is named shows the behaviour.

use std::collections::BTreeSet;

use crate::repo::{Finding, Repo, demand_none};

const TABLE: &str = "sipp-scenarios/README.md";
const ADVICE: &str =
    "name a scenario as `[NN-name](NN-name/)`, or a test as `[its_name](../path.rs)`";

/// `[text](target)` in the order of a line.
fn links(cell: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = cell;
    while let Some((_, behind)) = rest.split_once('[') {
        let Some((text, behind)) = behind.split_once("](") else { break };
        let Some((target, behind)) = behind.split_once(')') else { break };
        found.push((text, target));
        rest = behind;
    }
    found
}

/// What is wrong with a link, if anything.
fn broken(repo: &Repo, text: &str, target: &str) -> Option<String> {
    if let Some(path) = target.strip_prefix("../") {
        let test = format!("fn {text}(");
        let is_there = repo.text(path).is_some_and(|source| source.contains(&test));
        return (!is_there).then(|| format!("there is no test `{text}` in {path}: {ADVICE}"));
    }
    let plan = format!("sipp-scenarios/{target}expect.toml");
    let is_there = target.ends_with('/') && repo.text(&plan).is_some();
    (!is_there).then(|| format!("there is no scenario `{target}`: {ADVICE}"))
}

/// Rows without a scenario or test, with one that does not exist, and scenarios without a row.
pub(crate) fn behaviours(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut named = BTreeSet::new();
    let mut in_table = false;
    for (at, line) in repo.text(TABLE).unwrap_or_default().lines().enumerate() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if cells.len() < 3 {
            in_table = false;
            continue;
        }
        if cells[1] == "behaviour" || cells[1].starts_with("--") {
            in_table |= cells[1] == "behaviour";
            continue;
        }
        if !in_table {
            continue;
        }
        let links = links(cells[2]);
        if links.is_empty() {
            let what = format!("`{}` is shown by nothing: {ADVICE}", cells[1]);
            findings.push(Finding::new(TABLE, at + 1, what));
        }
        for (text, target) in links {
            named.insert(target.to_owned());
            if let Some(what) = broken(repo, text, target) {
                findings.push(Finding::new(TABLE, at + 1, what));
            }
        }
    }
    for file in &repo.texts {
        let folder = file.path.strip_prefix("sipp-scenarios/").and_then(|rest| {
            let folder = rest.strip_suffix("expect.toml")?;
            (folder.matches('/').count() == 1).then_some(folder)
        });
        if let Some(folder) = folder.filter(|folder| !named.contains(*folder)) {
            let what = format!("`{folder}` stands in no row of {TABLE}: say what it shows");
            findings.push(Finding::new(&file.path, 1, what));
        }
    }
    findings
}

#[test]
fn every_behaviour_is_shown_and_every_scenario_named() {
    let repo = Repo::here();
    let rows = repo.text(TABLE).unwrap_or_default().matches("\n| ").count();
    assert!(rows > 50, "{TABLE} has only {rows} rows: the rule would see nothing");
    demand_none(behaviours(&repo));
}

#[test]
fn a_table_that_lacks_or_invents_something_is_found() {
    let head = "# S\n\n| behaviour | scenario |\n|---|---|\n";
    let plan = ("sipp-scenarios/01-a/expect.toml", "title = \"a\"\n");
    let test = ("sip-tests/x.rs", "#[test]\nfn it_holds() {}\n");
    for (rows, wanted) in [
        ("| a | [01-a](01-a/) |\n| b | [it_holds](../sip-tests/x.rs) |\n", vec![]),
        ("| a | [01-a](01-a/) and [it_holds](../sip-tests/x.rs) |\n", vec![]),
        ("| a | [01-a](01-a/) |\n| b | |\n", vec![(TABLE, 6)]),
        ("| a | [01-a](01-a/) |\n| b | 01-a |\n", vec![(TABLE, 6)]),
        ("| a | [01-a](01-a/), [02-b](02-b/) |\n", vec![(TABLE, 5)]),
        ("| a | [01-a](01-a/) |\n| b | [it_fails](../sip-tests/x.rs) |\n", vec![(TABLE, 6)]),
        ("| a | [01-a](01-a/) |\n| b | [it_holds](../sip-tests/y.rs) |\n", vec![(TABLE, 6)]),
        ("| b | [it_holds](../sip-tests/x.rs) |\n", vec![("sipp-scenarios/01-a/expect.toml", 1)]),
        ("| a | [01-a](01-a/) |\n\n| command | does |\n|---|---|\n| run | |\n", vec![]),
    ] {
        let repo = Repo::of(&[(TABLE, &format!("{head}{rows}")), plan, test]);
        let findings = behaviours(&repo);
        let found: Vec<(&str, usize)> =
            findings.iter().map(|finding| (finding.path.as_str(), finding.line)).collect();
        assert_eq!(found, wanted, "{rows}");
    }
}
