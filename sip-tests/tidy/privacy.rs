//! Personal data stays at DEBUG and below: callers, digits, addresses and passwords never reach a
//! log line that runs in production by default.

use proc_macro2::TokenTree;
use syn::visit::{self, Visit};

use crate::paths::{is_path_separator, trees};
use crate::repo::{Finding, Repo};

/// Names of fields and values that hold data of people.
const PERSONAL: &[&str] = &["caller", "digits", "from", "to", "uri", "password"];
const MACROS: &[&str] =
    &["info", "warn", "error", "info_span", "warn_span", "error_span", "event", "span"];

/// Log lines above DEBUG that carry personal data, and spans that record all arguments.
pub(crate) fn personal_data(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in repo.product() {
        let mut logs = Logs::default();
        logs.visit_file(&source.ast);
        for (line, name) in logs.found {
            if !source.is_test(line) {
                let what =
                    format!("`{name}` above DEBUG: log an id of ours instead, or lower the level");
                findings.push(Finding::new(&source.path, line, what));
            }
        }
    }
    findings
}

#[derive(Default)]
struct Logs {
    found: Vec<(usize, String)>,
}

impl<'ast> Visit<'ast> for Logs {
    fn visit_macro(&mut self, node: &'ast syn::Macro) {
        let name = node.path.segments.last().map(|last| last.ident.to_string());
        let name = name.unwrap_or_default();
        let tokens = trees(node.tokens.clone());
        let is_quiet = matches!(name.as_str(), "event" | "span") && names_quiet_level(&tokens);
        if MACROS.contains(&name.as_str()) && !is_quiet {
            find_names(&tokens, &mut self.found);
        } else {
            nested(&tokens, &mut self.found);
        }
        visit::visit_macro(self, node);
    }

    fn visit_attribute(&mut self, node: &'ast syn::Attribute) {
        let is_span = node.path().segments.last().is_some_and(|last| last.ident == "instrument");
        if is_span {
            let written = match &node.meta {
                syn::Meta::List(list) => list.tokens.to_string(),
                syn::Meta::Path(_) | syn::Meta::NameValue(_) => String::new(),
            };
            let is_quiet = ["skip_all", "\"debug\"", "\"trace\"", "DEBUG", "TRACE"]
                .iter()
                .any(|word| written.contains(word));
            if !is_quiet {
                let line = node.pound_token.span.start().line;
                self.found.push((line, "#[instrument] without skip_all".to_owned()));
            }
        }
        visit::visit_attribute(self, node);
    }
}

fn names_quiet_level(tokens: &[TokenTree]) -> bool {
    tokens.iter().any(
        |token| matches!(token, TokenTree::Ident(ident) if ident == "DEBUG" || ident == "TRACE"),
    )
}

/// Log macros inside the arguments of another macro, such as `select!`.
fn nested(tokens: &[TokenTree], found: &mut Vec<(usize, String)>) {
    for (at, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else {
            continue;
        };
        let inner = trees(group.stream());
        let called = match tokens.get(at.wrapping_sub(2)..at) {
            Some([TokenTree::Ident(name), TokenTree::Punct(bang)]) if bang.as_char() == '!' => {
                MACROS.contains(&name.to_string().as_str()) && !names_quiet_level(&inner)
            }
            Some(_) | None => false,
        };
        if called {
            find_names(&inner, found);
        } else {
            nested(&inner, found);
        }
    }
}

/// Identifiers and captures of format strings. A function of a path (`NodeId::from(x)`) is none.
fn find_names(tokens: &[TokenTree], found: &mut Vec<(usize, String)>) {
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => find_names(&trees(group.stream()), found),
            TokenTree::Ident(ident) => {
                let name = ident.to_string();
                let is_function = at >= 2 && is_path_separator(tokens, at - 2);
                if PERSONAL.contains(&name.as_str()) && !is_function {
                    found.push((ident.span().start().line, name));
                }
            }
            TokenTree::Literal(literal) => {
                for name in captures(&literal.to_string()) {
                    if PERSONAL.contains(&name.as_str()) {
                        found.push((literal.span().start().line, name));
                    }
                }
            }
            TokenTree::Punct(_) => {}
        }
    }
}

/// The names in `{name}` and `{name:?}` of a literal.
fn captures(literal: &str) -> Vec<String> {
    let opened = literal.split('{').skip(1);
    let names = opened.filter_map(|rest| rest.split(['}', ':']).next());
    names.map(|name| name.trim().to_owned()).collect()
}

#[test]
fn personal_data_stays_below_info() {
    crate::repo::demand_none(personal_data(&Repo::here()));
}

#[cfg(test)]
mod tests {
    use super::{PERSONAL, personal_data};
    use crate::repo::Repo;

    fn found(statement: &str) -> usize {
        let text = format!("fn f() {{ {statement} }}");
        personal_data(&Repo::of(&[("src/roles/node/a.rs", &text)])).len()
    }

    #[test]
    fn every_name_is_found_as_a_field() {
        for name in PERSONAL {
            assert_eq!(found(&format!("tracing::info!({name} = 1, \"call\");")), 1, "{name}");
            assert_eq!(found(&format!("warn!(%{name}, \"call\");")), 1, "{name}");
            assert_eq!(
                found(&format!("tracing::error!(call.{name} = ?x, \"call\");")),
                1,
                "{name}"
            );
        }
    }

    #[test]
    fn values_captures_and_spans_are_found() {
        for statement in [
            "info!(peer = %call.caller, \"call\");",
            "info!(\"call by {caller}\");",
            "info!(\"call by {}\", self.uri());",
            "warn!(\"call by {from:?}\");",
            "tracing::info_span!(\"call\", digits);",
            "event!(Level::INFO, to = 1);",
            "tokio::select! { x = y => { info!(uri = 1, \"x\") } }",
        ] {
            assert_eq!(found(statement), 1, "{statement}");
        }
        let repo = Repo::of(&[("src/a.rs", "#[tracing::instrument]\nfn f(uri: u8) {}\n")]);
        assert_eq!(personal_data(&repo).len(), 1);
    }

    #[test]
    fn quiet_levels_ids_and_functions_pass() {
        for statement in [
            "tracing::debug!(caller = 1, \"call by {uri}\");",
            "trace!(from, to);",
            "event!(Level::DEBUG, to = 1);",
            "info!(call = %id, node = %NodeId::from(3), \"moved to another node, {count} times\");",
            "println!(\"{uri}\");",
        ] {
            assert_eq!(found(statement), 0, "{statement}");
        }
        let quiet = "#[tracing::instrument(skip_all)]\nfn f(uri: u8) {}\n\
                     #[instrument(level = \"debug\")]\nfn g(uri: u8) {}\n";
        assert!(personal_data(&Repo::of(&[("src/a.rs", quiet)])).is_empty());
    }

    #[test]
    fn tests_may_log_what_they_like() {
        let text = "#[cfg(test)]\nmod tests {\n    fn f() { info!(caller = 1); }\n}\n";
        assert!(personal_data(&Repo::of(&[("src/a.rs", text)])).is_empty());
    }
}
