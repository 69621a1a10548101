//! The option register against the guide's names and against the pages and
//! examples under `config/`. It does not check what an option does.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sipcluster::config::{self, Scope, State, find, find_in, reference, register};

/// Every option and extension key that the guides name, one a line: name, tab, where.
const NAMES: &str = include_str!("data/guide-option-names.txt");

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

#[test]
fn every_name_of_the_guides_is_in_the_register() {
    let mut missing = Vec::new();
    let mut names = BTreeSet::new();
    for line in NAMES.lines() {
        let Some((name, place)) = line.split_once('\t') else { panic!("no tab in `{line}`") };
        assert!(names.insert(name), "{name} stands twice in the list");
        if find(name).is_none() {
            missing.push(format!("{name} ({place})"));
        }
    }
    assert!(names.len() > 300, "the list holds only {} names", names.len());
    assert!(missing.is_empty(), "not in the register: {missing:#?}");
}

#[test]
fn a_name_that_no_guide_has_is_not_in_the_register() {
    for name in ["oos-chek", "url-", "url-x", "url-1x", "", "N"] {
        assert_eq!(find(name), None, "{name}");
    }
    assert!(find("url-17").is_some());
}

#[test]
fn a_name_has_one_meaning_in_a_scope() {
    let mut seen = BTreeSet::new();
    for meta in register() {
        assert!(!meta.scopes.is_empty(), "{} has no scope", meta.name);
        for scope in meta.scopes {
            assert!(
                seen.insert((meta.name, *scope)),
                "{} stands twice in {}",
                meta.name,
                scope.title()
            );
        }
    }
}

#[test]
fn every_entry_says_what_it_means_and_where_it_is_from() {
    for meta in register() {
        assert!(meta.meaning.ends_with('.') && !meta.guide.is_empty(), "{}", meta.name);
        let text = [meta.meaning, meta.guide, meta.default].concat();
        assert!(!text.contains("  ") && !text.contains('\n'), "{}", meta.name);
    }
}

#[test]
fn what_the_guide_excludes_is_unsupported() {
    for name in [
        "dtmf-payload",
        "external-registrar",
        "max-legs-per-sm",
        "sip-retry-timeout",
        "wrap-up-threshold",
    ] {
        assert_eq!(
            find_in(name, Scope::Node).map(|meta| meta.state),
            Some(State::Unsupported),
            "{name}"
        );
    }
    for name in ["agent-no-answer-timeout", "wrap-up-time", "auto-logout-ready"] {
        assert_eq!(
            find_in(name, Scope::Extension).map(|meta| meta.state),
            Some(State::Unsupported),
            "{name}"
        );
        let of_node = find_in(name, Scope::Node).map(|meta| meta.state);
        assert!(matches!(of_node, Some(State::Later | State::Works)), "{name}: {of_node:?}");
    }
    for name in ["sip-enable-rtc3263", "rq-expire-tmout", "oos-options-max-forwads"] {
        assert_eq!(find(name).map(|meta| meta.state), Some(State::IgnoredInCluster), "{name}");
    }
}

#[test]
fn the_pages_are_those_of_the_register() {
    for (name, page) in [
        ("options.md", reference::options_page()),
        ("unsupported.md", reference::unsupported_page()),
    ] {
        let path = folder().join(name);
        if std::env::var_os("SIPCLUSTER_WRITE").is_some() {
            std::fs::write(&path, &page).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == page,
            "config/{name} differs from the register; `SIPCLUSTER_WRITE=1 cargo test --test options` writes it again"
        );
    }
}

#[test]
fn the_examples_load_without_a_word() {
    let key = |name: &str| {
        (name == "SIPCLUSTER_CLUSTER_KEY").then(|| "0123456789abcdef0123456789abcdef".to_owned())
    };
    for name in ["quickstart.yaml", "processes.yaml", "two-datacentres.yaml"] {
        let text = std::fs::read_to_string(folder().join(name))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        match config::load_text(&text, name, &key) {
            Ok(loaded) => assert!(loaded.report.findings.is_empty(), "{}", loaded.report),
            Err(report) => panic!("{report}"),
        }
    }
}

#[test]
fn the_examples_that_several_processes_share_have_what_that_needs() {
    let key = |_: &str| Some("0123456789abcdef0123456789abcdef".to_owned());
    for (name, findings) in
        [("quickstart.yaml", 9), ("processes.yaml", 0), ("two-datacentres.yaml", 0)]
    {
        let text = std::fs::read_to_string(folder().join(name))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let loaded =
            config::load_text(&text, name, &key).unwrap_or_else(|report| panic!("{report}"));
        let report = config::check_for_processes(&loaded.config, &["SIPS_dc1_1"]);
        assert_eq!(report.findings.len(), findings, "{name}: {report}");
    }
}
