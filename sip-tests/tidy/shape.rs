//! The outer shape: the top level, the map of `src/`, what each folder says about itself, and that
//! every test file is declared.

use std::collections::BTreeSet;

use crate::repo::{Finding, Repo};

const TOP_LEVEL: &[&str] = &[
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "benches",
    "config",
    "sip-tests",
    "sipp-scenarios",
    "src",
];
const MAP: &str = "src/README.md";

/// Entries of the top level that are neither expected, hidden, nor ignored by git.
pub(crate) fn strangers(repo: &Repo) -> Vec<Finding> {
    let ignored: Vec<&str> = repo.text(".gitignore").unwrap_or_default().lines().collect();
    let is_ignored = |name: &str| {
        ignored.iter().any(|line| {
            let line = line.trim().trim_end_matches('/');
            line.strip_prefix('/') == Some(name)
                || line.strip_prefix('*').is_some_and(|end| name.ends_with(end))
        })
    };
    let mut findings = Vec::new();
    for name in &repo.entries {
        if !TOP_LEVEL.contains(&name.as_str()) && !name.starts_with('.') && !is_ignored(name) {
            let what =
                "the top level is fixed: move it into src, sip-tests, sipp-scenarios or config";
            findings.push(Finding::new(name, 1, what));
        }
    }
    findings
}

/// What the top level lacks.
pub(crate) fn absent(repo: &Repo) -> Vec<Finding> {
    let is_absent = |name: &&&str| !repo.entries.contains(**name);
    let absent = TOP_LEVEL.iter().filter(is_absent);
    absent.map(|name| Finding::new(name, 1, "is missing: write it")).collect()
}

/// Where the code map and the folders below `src/` differ, two levels deep.
pub(crate) fn map_differences(repo: &Repo) -> Vec<Finding> {
    let Some(text) = repo.text(MAP) else {
        return vec![Finding::new(MAP, 1, "is missing: write it, with a heading `Code map`")];
    };
    let Some(listed) = listed_folders(text) else {
        return vec![Finding::new(MAP, 1, "has no heading with the words `Code map`: add it")];
    };
    let existing: BTreeSet<String> = repo
        .folders
        .iter()
        .filter(|folder| repo.texts.iter().any(|file| file.path.starts_with(&format!("{folder}/"))))
        .filter_map(|folder| folder.strip_prefix("src/"))
        .filter(|folder| folder.split('/').count() <= 2)
        .map(str::to_owned)
        .collect();
    let mut findings = Vec::new();
    for folder in existing.difference(&listed) {
        let what = format!("the code map lacks `{folder}/`: add one line about it");
        findings.push(Finding::new(MAP, 1, what));
    }
    for folder in listed.difference(&existing) {
        let line = text.lines().position(|line| line.contains(&format!("{folder}/")));
        let what = format!("the code map lists `{folder}/`, which does not exist: remove it");
        findings.push(Finding::new(MAP, line.map_or(1, |at| at + 1), what));
    }
    findings
}

/// Folders of the section `Code map`, at most two levels deep: in back ticks with a slash at the
/// end (`sip/message/`), or as branches of a tree drawn in a fenced block.
fn listed_folders(text: &str) -> Option<BTreeSet<String>> {
    let mut listed = BTreeSet::new();
    let mut depth_of_section = None;
    let mut is_fenced = false;
    let mut branch: Vec<String> = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
            continue;
        }
        let level = line.chars().take_while(|letter| *letter == '#').count();
        if level > 0 && !is_fenced {
            if line.to_lowercase().contains("code map") {
                depth_of_section = Some(level);
            } else if depth_of_section.is_some_and(|depth| level <= depth) {
                break;
            }
            continue;
        }
        if depth_of_section.is_none() {
            continue;
        }
        if is_fenced {
            listed.extend(drawn_folders(line, &mut branch));
        } else {
            listed.extend(line.split('`').skip(1).step_by(2).filter_map(folder_name));
        }
    }
    depth_of_section?;
    listed.retain(|folder| folder.split('/').count() <= 2);
    Some(listed)
}

/// Reads `src/sip/message/` or `sip/message/` as `sip/message`.
fn folder_name(text: &str) -> Option<String> {
    let text = text.trim().strip_suffix('/')?;
    let text = text.strip_prefix("src/").unwrap_or(text);
    let is_name = |letter: char| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || "_/".contains(letter)
    };
    (!text.is_empty() && text != "src" && text.chars().all(is_name)).then(|| text.to_owned())
}

/// Folders of one line of a drawn tree; `branch` holds those above it.
fn drawn_folders(line: &str, branch: &mut Vec<String>) -> Vec<String> {
    let Some(column) = line.chars().position(|letter| letter == '├' || letter == '└') else {
        return Vec::new();
    };
    let rest: String = line.chars().skip(column + 1).collect();
    branch.truncate(column / 4);
    let names = rest.trim_start_matches('─').split_whitespace().map_while(folder_name);
    let above = branch.join("/");
    let join = |name: String| {
        if above.is_empty() { name } else { format!("{above}/{name}") }
    };
    let folders: Vec<String> = names.map(join).collect();
    if let Some(name) = folders.first().and_then(|folder| folder.rsplit('/').next()) {
        branch.push(name.to_owned());
    }
    folders
}

/// Layers that do not say what they are.
pub(crate) fn silent_layers(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut roots: BTreeSet<String> = BTreeSet::new();
    for source in repo.product() {
        let inner = source.path.trim_start_matches("src/");
        match inner.split_once('/') {
            Some((layer, _)) => {
                let beside = format!("src/{layer}.rs");
                let has_beside = repo.text(&beside).is_some();
                roots.insert(if has_beside { beside } else { format!("src/{layer}/mod.rs") });
            }
            None => {
                roots.insert(source.path.clone());
            }
        }
    }
    for root in roots {
        let speaks = repo.sources.iter().find(|source| source.path == root).is_some_and(|source| {
            let mut inner = source.ast.attrs.iter();
            inner.any(|attribute| attribute.path().is_ident("doc"))
        });
        if !speaks {
            let what = "needs a `//!` doc: what it owns, what it never does";
            findings.push(Finding::new(&root, 1, what));
        }
    }
    findings
}

/// Test and bench files that no entry of `Cargo.toml` builds.
pub(crate) fn undeclared(repo: &Repo) -> Vec<Finding> {
    let manifest = repo.text("Cargo.toml").unwrap_or_default();
    let mut findings = Vec::new();
    for source in &repo.sources {
        let parts: Vec<&str> = source.path.split('/').collect();
        let is_target = match parts.as_slice() {
            ["sip-tests" | "benches", _] => true,
            ["sip-tests" | "benches", _, name] => *name == "main.rs",
            _ => false,
        };
        if is_target && !manifest.contains(&format!("path = \"{}\"", source.path)) {
            let what = "no [[test]] or [[bench]] of Cargo.toml has this path: it never runs";
            findings.push(Finding::new(&source.path, 1, what));
        }
    }
    findings
}

#[test]
fn the_top_level_is_fixed() {
    let repo = Repo::here();
    let mut findings = strangers(&repo);
    findings.extend(absent(&repo));
    crate::repo::demand_none(findings);
}

#[test]
fn the_code_map_lists_what_exists() {
    crate::repo::demand_none(map_differences(&Repo::here()));
}

#[test]
fn every_layer_says_what_it_is() {
    crate::repo::demand_none(silent_layers(&Repo::here()));
}

#[test]
fn every_test_file_runs() {
    crate::repo::demand_none(undeclared(&Repo::here()));
}

#[cfg(test)]
mod tests {
    use super::{MAP, TOP_LEVEL, absent, map_differences, silent_layers, strangers, undeclared};
    use crate::repo::Repo;

    #[test]
    fn strangers_at_the_top_are_found() {
        let repo = Repo::of(&[
            (".gitignore", "/target\n*.log\n"),
            ("target/x", ""),
            ("run.log", ""),
            ("src/lib.rs", ""),
            ("docs/a.md", ""),
            ("notes.txt", ""),
        ]);
        let names: Vec<String> = strangers(&repo).into_iter().map(|finding| finding.path).collect();
        assert_eq!(names, ["docs", "notes.txt"]);
        assert_eq!(absent(&repo).len(), TOP_LEVEL.len() - 1);
    }

    fn differences(map: &str) -> Vec<String> {
        let repo = Repo::of(&[
            (MAP, map),
            ("src/lib.rs", ""),
            ("src/sip/mod.rs", ""),
            ("src/sip/message/scan.rs", ""),
            ("src/sip/message/header/via.rs", ""),
            ("src/base/mod.rs", ""),
        ]);
        map_differences(&repo).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_map_of_back_ticks_or_branches_passes() {
        let ticks = "# src\nSee `old/`.\n## Code map\n- `base/`: words. `base/id.rs`\n\
                     - `src/sip/` and `sip/message/`, `sip/message/header/`\n## More\n`gone/`\n";
        assert_eq!(differences(ticks), Vec::<String>::new());
        let tree = "## The code map\n```\nsrc/\n├── base/      words\n├── sip/\n│   ├── message/   one\n\
                    │   │   └── header/\n│   └── framing.rs\n└── lib.rs\n```\n";
        assert_eq!(differences(tree), Vec::<String>::new());
    }

    #[test]
    fn missing_and_stale_lines_are_found() {
        let found = differences("# Code map\n- `base/`\n- `sip/`\n- `cti/`\n");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("lacks `sip/message/`"));
        assert!(found[1].starts_with("src/README.md:4:") && found[1].contains("`cti/`"));
        assert_eq!(differences("# src\n- `base/`\n").len(), 1);
        assert_eq!(map_differences(&Repo::of(&[("src/lib.rs", "")])).len(), 1);
    }

    #[test]
    fn several_folders_on_one_branch_count() {
        let tree = "# Code map\n```\n├── base/  cti/\n└── sip/\n    ├── message/  sdp/\n```\n";
        let found = differences(tree);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("`cti/`") && found[1].contains("`sip/sdp/`"));
    }

    #[test]
    fn silent_layers_are_found() {
        let repo = Repo::of(&[
            ("src/lib.rs", "//! All.\n"),
            ("src/main.rs", "// Not a doc.\n"),
            ("src/sip/mod.rs", "//! SIP.\n"),
            ("src/sip/a.rs", ""),
            ("src/call/a.rs", ""),
            ("src/mesh.rs", "//! Mesh.\n"),
            ("src/mesh/a.rs", ""),
        ]);
        let paths: Vec<String> =
            silent_layers(&repo).into_iter().map(|finding| finding.path).collect();
        assert_eq!(paths, ["src/call/mod.rs", "src/main.rs"]);
    }

    #[test]
    fn test_files_without_an_entry_are_found() {
        let repo = Repo::of(&[
            ("Cargo.toml", "[[test]]\nname = \"a\"\npath = \"sip-tests/a.rs\"\n"),
            ("sip-tests/a.rs", ""),
            ("sip-tests/b.rs", ""),
            ("sip-tests/c/main.rs", ""),
            ("sip-tests/c/part.rs", ""),
            ("benches/d.rs", ""),
        ]);
        let paths: Vec<String> =
            undeclared(&repo).into_iter().map(|finding| finding.path).collect();
        assert_eq!(paths, ["sip-tests/b.rs", "sip-tests/c/main.rs", "benches/d.rs"]);
    }
}
