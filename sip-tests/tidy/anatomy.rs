//! Every module has the same files, and hears everything it can be told.

use std::collections::BTreeSet;

use syn::visit::{self, Visit};

use crate::repo::{Finding, Repo, Source};

/// Folders `src/modules/x` and `src/roles/r/x` that hold a `module.rs`.
fn module_folders(repo: &Repo) -> Vec<&str> {
    let is_module = |folder: &&String| {
        let parts: Vec<&str> = folder.split('/').collect();
        let placed = matches!(parts.as_slice(), ["src", "modules", _] | ["src", "roles", _, _]);
        placed && repo.text(&format!("{folder}/module.rs")).is_some()
    };
    repo.folders.iter().filter(is_module).map(String::as_str).collect()
}

/// Module folders that lack a file of the anatomy.
pub(crate) fn missing_files(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for folder in module_folders(repo) {
        let module_doc = repo.text(&format!("{folder}/mod.rs")).map(|text| {
            let doc = text.lines().filter(|line| line.trim_start().starts_with("//!"));
            doc.collect::<Vec<_>>().join("\n")
        });
        let Some(module_doc) = module_doc else {
            findings.push(Finding::new(&format!("{folder}/mod.rs"), 1, "is missing: write it"));
            continue;
        };
        for name in ["inbox", "core", "handle"] {
            let file = format!("{folder}/{name}.rs");
            let there = repo.text(&file).is_some()
                || repo.text(&format!("{folder}/{name}/mod.rs")).is_some();
            let excused = name == "core" && module_doc.contains("`core.rs`");
            if !there && !excused {
                let hint = if name == "core" {
                    "is missing: write it, or say in the doc of mod.rs why there is no `core.rs`"
                } else {
                    "is missing: every module has inbox.rs, core.rs and handle.rs"
                };
                findings.push(Finding::new(&file, 1, hint));
            }
        }
    }
    findings
}

/// Variants of an `enum Inbox` that no pattern in the same folder names. Patterns in the file of
/// the enum do not count, for they sort or print; neither do tests.
pub(crate) fn deaf_ears(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in repo.product() {
        for item in &source.ast.items {
            let syn::Item::Enum(inbox) = item else {
                continue;
            };
            if inbox.ident != "Inbox" {
                continue;
            }
            let heard = heard_beside(repo, source);
            for variant in &inbox.variants {
                let name = variant.ident.to_string();
                if !heard.contains(&name) {
                    let what = format!(
                        "`Inbox::{name}` is matched nowhere in this folder: handle it or remove it"
                    );
                    let line = variant.ident.span().start().line;
                    findings.push(Finding::new(&source.path, line, what));
                }
            }
        }
    }
    findings
}

fn heard_beside(repo: &Repo, inbox: &Source) -> BTreeSet<String> {
    let folder = inbox.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut heard = Patterns::default();
    for source in repo.product() {
        let beside = source.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        if beside && source.path != inbox.path && !source.is_test(1) {
            heard.visit_file(&source.ast);
        }
    }
    heard.variants
}

#[derive(Default)]
struct Patterns {
    variants: BTreeSet<String>,
}

impl Patterns {
    fn note(&mut self, path: &syn::Path) {
        let mut last = path.segments.iter().rev();
        let (Some(variant), Some(owner)) = (last.next(), last.next()) else {
            return;
        };
        if owner.ident == "Inbox" {
            self.variants.insert(variant.ident.to_string());
        }
    }
}

impl<'ast> Visit<'ast> for Patterns {
    fn visit_pat(&mut self, node: &'ast syn::Pat) {
        if let syn::Pat::Path(pattern) = node {
            self.note(&pattern.path);
        } else if let syn::Pat::TupleStruct(pattern) = node {
            self.note(&pattern.path);
        } else if let syn::Pat::Struct(pattern) = node {
            self.note(&pattern.path);
        }
        visit::visit_pat(self, node);
    }

    fn visit_item_mod(&mut self, node: &'ast syn::ItemMod) {
        if !crate::repo::is_test_only(&node.attrs) {
            visit::visit_item_mod(self, node);
        }
    }
}

#[test]
fn modules_have_the_same_files() {
    crate::repo::demand_none(missing_files(&Repo::here()));
}

#[test]
fn every_message_to_a_module_is_heard() {
    crate::repo::demand_none(deaf_ears(&Repo::here()));
}

#[cfg(test)]
mod tests {
    use super::{deaf_ears, missing_files};
    use crate::repo::Repo;

    fn missing(files: &[&str], doc: &str) -> Vec<String> {
        let mut all: Vec<(String, &str)> =
            files.iter().map(|name| (format!("src/roles/node/x/{name}"), "//! X.\n")).collect();
        all.push(("src/roles/node/x/mod.rs".to_owned(), doc));
        let all: Vec<(&str, &str)> =
            all.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        missing_files(&Repo::of(&all)).into_iter().map(|finding| finding.path).collect()
    }

    #[test]
    fn a_whole_module_passes_and_a_folder_without_a_turn_is_none() {
        assert!(missing(&["module.rs", "inbox.rs", "core.rs", "handle.rs"], "//! X.\n").is_empty());
        assert!(
            missing(&["module.rs", "inbox.rs", "core/mod.rs", "handle.rs"], "//! X.\n").is_empty()
        );
        assert!(missing(&["assemble.rs"], "//! X.\n").is_empty());
    }

    #[test]
    fn a_missing_file_is_found() {
        assert_eq!(
            missing(&["module.rs", "core.rs"], "//! X.\n"),
            ["src/roles/node/x/inbox.rs", "src/roles/node/x/handle.rs"]
        );
        let transport = Repo::of(&[("src/modules/transport/module.rs", "//! X.\n")]);
        assert_eq!(missing_files(&transport).len(), 1);
    }

    #[test]
    fn only_a_core_may_be_excused() {
        let doc = "//! There is no `core.rs`: sockets decide nothing.\n";
        assert!(missing(&["module.rs", "inbox.rs", "handle.rs"], doc).is_empty());
        assert_eq!(missing(&["module.rs", "inbox.rs", "handle.rs"], "//! X.\n").len(), 1);
        let comment = "//! X.\n// no `core.rs`\n";
        assert_eq!(missing(&["module.rs", "inbox.rs", "handle.rs"], comment).len(), 1);
    }

    const INBOX: (&str, &str) = (
        "src/modules/x/inbox.rs",
        "pub enum Inbox {\n    Packet(u8),\n    Stop,\n    Put { a: u8 },\n}\n\
         fn f(i: &Inbox) { match i { Inbox::Packet(_) | Inbox::Stop | Inbox::Put { .. } => {} } }\n",
    );

    fn deaf(text: &str) -> Vec<usize> {
        let repo = Repo::of(&[INBOX, ("src/modules/x/module.rs", text)]);
        deaf_ears(&repo).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_heard_inbox_passes() {
        let text = "fn f(i: Inbox) { match i { Inbox::Packet(p) => {} \
                    super::inbox::Inbox::Stop | Inbox::Put { a } => {} } }";
        assert!(deaf(text).is_empty());
    }

    #[test]
    fn variants_that_are_only_made_or_only_tested_are_found() {
        let made = "fn f() -> Inbox { if let Inbox::Packet(p) = x {} g(Inbox::Stop); Inbox::Put { a: 1 } }";
        assert_eq!(deaf(made), [3, 4]);
        let tested = "#[cfg(test)]\nmod tests { fn f(i: Inbox) { match i { Inbox::Packet(_) | \
                      Inbox::Stop | Inbox::Put { .. } => {} } } }";
        assert_eq!(deaf(tested), [2, 3, 4]);
    }

    #[test]
    fn another_folder_does_not_hear_for_this_one() {
        let far = "fn f(i: Inbox) { match i { Inbox::Packet(_) | Inbox::Stop | Inbox::Put { .. } => {} } }";
        let repo = Repo::of(&[INBOX, ("src/modules/xy/module.rs", far)]);
        assert_eq!(deaf_ears(&repo).len(), 3);
    }
}
