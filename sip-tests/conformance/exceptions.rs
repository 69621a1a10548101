//! The list of departures, `exceptions.toml`: `"corpus/case" = "reason"`, one a line.

use std::collections::BTreeMap;

const LIST: &str = include_str!("exceptions.toml");

/// Reasons by case, or the first line that is neither empty, a comment nor an entry.
fn read(list: &str) -> Result<BTreeMap<&str, &str>, String> {
    let mut entries = BTreeMap::new();
    for line in list.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let parts = line
            .strip_prefix('"')
            .and_then(|rest| rest.split_once("\" = \""))
            .and_then(|(id, rest)| Some((id, rest.strip_suffix('"')?)))
            .filter(|(id, reason)| !id.is_empty() && reason.len() > 15);
        let Some((id, reason)) = parts else { return Err(format!("no entry: {line}")) };
        if entries.insert(id, reason).is_some() {
            return Err(format!("{id} stands twice"));
        }
    }
    Ok(entries)
}

/// Fails for every finding (case, what is wrong) that has no entry under `corpus/`, and for every
/// entry under `corpus/` without a finding.
pub(crate) fn settle(corpus: &str, findings: &[(String, String)]) {
    let entries = match read(LIST) {
        Ok(entries) => entries,
        Err(error) => panic!("exceptions.toml: {error}"),
    };
    let trouble = judge(corpus, &entries, findings);
    assert!(trouble.is_empty(), "{} departures:\n{}", trouble.len(), trouble.join("\n"));
}

fn judge(
    corpus: &str,
    entries: &BTreeMap<&str, &str>,
    findings: &[(String, String)],
) -> Vec<String> {
    let id_of = |case: &str| format!("{corpus}/{case}");
    let mut trouble: Vec<String> = findings
        .iter()
        .filter(|(case, _)| !entries.contains_key(id_of(case).as_str()))
        .map(|(case, what)| format!("{}: {what}", id_of(case)))
        .collect();
    for id in entries.keys().filter(|id| id.starts_with(&format!("{corpus}/"))) {
        if !findings.iter().any(|(case, _)| id_of(case) == **id) {
            trouble.push(format!("{id}: passes, so its entry must go"));
        }
    }
    trouble
}

#[test]
fn the_list_can_be_read() {
    assert_eq!(read(LIST).err(), None);
    assert_eq!(read("# x\n\n\"x/y\" = \"a reason that is long\"").map(|list| list.len()), Ok(1));
    for bad in ["x = \"a reason that is long\"", "\"x/y\" = \"short\"", "\"x/y\"", "[table]"] {
        assert!(read(bad).is_err(), "{bad}");
    }
    let twice = "\"x/y\" = \"a reason that is long\"\n\"x/y\" = \"a reason that is long\"";
    assert!(read(twice).is_err());
}

#[test]
fn a_departure_needs_an_entry_and_an_entry_a_departure() {
    let entries = BTreeMap::from([("x/known", "a reason"), ("y/other", "a reason")]);
    let finding = |case: &str| (case.to_owned(), "refused".to_owned());
    assert!(judge("x", &entries, &[finding("known")]).is_empty());
    assert_eq!(judge("x", &entries, &[finding("known"), finding("new")]), ["x/new: refused"]);
    assert_eq!(judge("x", &entries, &[]), ["x/known: passes, so its entry must go"]);
}
