//! Files and functions that fit into a head.

use std::collections::BTreeMap;

use syn::visit::{self, Visit};

use crate::repo::{Finding, Repo};

const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;
const EXCEPTIONS: &str = "sip-tests/tidy-exceptions.toml";

/// What is too long, by the id that the list of exceptions uses.
fn too_long(repo: &Repo) -> BTreeMap<String, Finding> {
    let mut found = BTreeMap::new();
    let written = ["rs", "proto", "py", "js", "css", "html"];
    for file in &repo.texts {
        let extension = file.path.rsplit('.').next().unwrap_or_default();
        let lines = file.text.lines().count();
        if written.contains(&extension) && lines > FILE_LINES_MAX {
            let what =
                format!("{lines} lines, at most {FILE_LINES_MAX}: split by what changes together");
            found.insert(file.path.clone(), Finding::new(&file.path, 1, what));
        }
    }
    for source in &repo.sources {
        let mut functions = Functions { owner: Vec::new(), found: Vec::new() };
        functions.visit_file(&source.ast);
        for (name, first, lines) in functions.found {
            if lines > FUNCTION_LINES_MAX {
                let what = format!(
                    "`{name}` has {lines} lines, at most {FUNCTION_LINES_MAX}: give its steps names"
                );
                let id = format!("{}::{name}", source.path);
                found.insert(id, Finding::new(&source.path, first, what));
            }
        }
    }
    found
}

/// What is too long without a reason, and reasons that nothing needs.
pub(crate) fn oversized(repo: &Repo) -> Vec<Finding> {
    let mut found = too_long(repo);
    let mut findings = Vec::new();
    for (at, line) in repo.text(EXCEPTIONS).unwrap_or_default().lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let complaint = match exception(line) {
            None => Some("is not `\"id\" = \"reason\"`: write it so"),
            Some((_, "")) => Some("has no reason: give one"),
            Some((id, _)) if found.remove(id).is_none() => Some("is not needed: remove it"),
            Some(_) => None,
        };
        if let Some(complaint) = complaint {
            findings.push(Finding::new(EXCEPTIONS, at + 1, format!("{line} {complaint}")));
        }
    }
    findings.extend(found.into_values());
    findings
}

/// Reads `"id" = "reason"`.
fn exception(line: &str) -> Option<(&str, &str)> {
    let (id, reason) = line.split_once('=')?;
    let bare = |text: &'_ str| -> Option<(usize, usize)> {
        let trimmed = text.trim();
        (trimmed.len() >= 2 && trimmed.starts_with('"') && trimmed.ends_with('"'))
            .then_some((1, trimmed.len() - 1))
    };
    let (id_from, id_to) = bare(id)?;
    let (reason_from, reason_to) = bare(reason)?;
    Some((&id.trim()[id_from..id_to], reason.trim()[reason_from..reason_to].trim()))
}

struct Functions {
    owner: Vec<String>,
    found: Vec<(String, usize, usize)>,
}

impl Functions {
    fn note(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let first = signature.fn_token.span.start().line;
        let last = block.brace_token.span.close().end().line;
        let mut name = self.owner.clone();
        name.push(signature.ident.to_string());
        self.found.push((name.join("::"), first, last + 1 - first));
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, node: &'ast syn::ItemFn) {
        self.note(&node.sig, &node.block);
        visit::visit_item_fn(self, node);
    }

    fn visit_impl_item_fn(&mut self, node: &'ast syn::ImplItemFn) {
        self.note(&node.sig, &node.block);
        visit::visit_impl_item_fn(self, node);
    }

    fn visit_trait_item_fn(&mut self, node: &'ast syn::TraitItemFn) {
        if let Some(block) = &node.default {
            self.note(&node.sig, block);
        }
        visit::visit_trait_item_fn(self, node);
    }

    fn visit_item_impl(&mut self, node: &'ast syn::ItemImpl) {
        let mut name = "impl".to_owned();
        if let syn::Type::Path(path) = node.self_ty.as_ref()
            && let Some(last) = path.path.segments.last()
        {
            name = last.ident.to_string();
        }
        self.owner.push(name);
        visit::visit_item_impl(self, node);
        self.owner.pop();
    }

    fn visit_item_trait(&mut self, node: &'ast syn::ItemTrait) {
        self.owner.push(node.ident.to_string());
        visit::visit_item_trait(self, node);
        self.owner.pop();
    }
}

#[test]
fn files_and_functions_are_short() {
    let repo = Repo::here();
    assert!(repo.text(EXCEPTIONS).is_some(), "{EXCEPTIONS} is missing");
    crate::repo::demand_none(oversized(&repo));
}

#[cfg(test)]
mod tests {
    use super::{EXCEPTIONS, FILE_LINES_MAX, FUNCTION_LINES_MAX, oversized};
    use crate::repo::Repo;

    fn function_of(lines: usize) -> String {
        format!("impl S {{\n    /// Doc.\n    fn f() {{\n{}    }}\n}}\n", "\n".repeat(lines - 2))
    }

    fn findings(text: &str, exceptions: &str) -> Vec<String> {
        let repo = Repo::of(&[("src/sip/a.rs", text), (EXCEPTIONS, exceptions)]);
        oversized(&repo).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_longest_allowed_passes() {
        assert!(findings(&function_of(FUNCTION_LINES_MAX), "").is_empty());
        assert!(findings(&"//\n".repeat(FILE_LINES_MAX), "# none\n\n").is_empty());
    }

    #[test]
    fn one_line_more_is_found() {
        let found = findings(&function_of(FUNCTION_LINES_MAX + 1), "");
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("src/sip/a.rs:3: `S::f` has 71 lines"), "{}", found[0]);
        assert_eq!(findings(&"//\n".repeat(FILE_LINES_MAX + 1), "").len(), 1);
    }

    #[test]
    fn an_exception_with_a_reason_excuses() {
        let text = function_of(FUNCTION_LINES_MAX + 1);
        assert!(findings(&text, "\"src/sip/a.rs::S::f\" = \"one table\"\n").is_empty());
    }

    #[test]
    fn an_exception_that_is_not_needed_or_says_nothing_is_found() {
        let long = function_of(FUNCTION_LINES_MAX + 1);
        assert_eq!(findings("fn f() {}", "\"src/sip/a.rs::f\" = \"once\"\n").len(), 1);
        assert_eq!(findings("fn f() {}", "src/sip/a.rs: long\n").len(), 1);
        assert_eq!(findings(&long, "\"src/sip/a.rs::S::f\" = \"\"\n").len(), 2);
    }
}
