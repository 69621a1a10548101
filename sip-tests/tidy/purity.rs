//! Pure folders have no clock, socket, thread, lock or randomness, and nothing in them depends on
//! the order of a hash map.

use std::collections::BTreeSet;

use syn::visit::{self, Visit};

use crate::paths::{named_paths, own_paths};
use crate::repo::{Finding, Repo, Source};

/// Folders below `src/` that are pure; so is every `core.rs` of a module, and the core of the load generator.
const PURE: &[&str] = &[
    "base",
    "sip",
    "call",
    "mesh",
    "cti",
    "config",
    "dial",
    "dialplan",
    "media",
    "outbound",
    "reporting",
    "routing",
    "stats",
    "voicemail",
];

/// Foreign paths that a pure folder never names, each with what to do instead.
const FORBIDDEN: &[(&str, &str)] = &[
    ("std::net", "write `core::net` for addresses; sockets belong to `runtime::net`"),
    ("std::thread", "threads belong to `runtime::runner`"),
    ("std::time::Instant", "time is an input: `base::time::Instant` of the turn"),
    ("std::time::SystemTime", "time is an input: `base::time::WallTime` of the turn"),
    ("std::sync::Mutex", "state has one writer: no lock"),
    ("std::sync::RwLock", "state has one writer: no lock"),
    ("std::sync::Condvar", "pure code waits for nothing"),
    ("std::sync::Barrier", "pure code waits for nothing"),
    ("std::sync::mpsc", "answer with actions; queues belong to `runtime::mailbox`"),
    ("std::process", "pure code starts nothing"),
    ("std::fs", "files are read in `config` or a shell; pass the contents"),
    ("std::env", "the environment is read in `config` or `main`; pass the value"),
    ("std::io::stdin", "input is read in a shell"),
    ("tokio", "no reactor below the modules"),
    ("getrandom", "randomness is an input: the ids of the turn"),
    ("core_affinity", "threads belong to `runtime::runner`"),
    ("socket2", "sockets belong to `runtime::net`"),
    ("axum", "HTTP belongs to the system monitor"),
    ("arc_swap", "take the snapshot as a value"),
    ("papaya", "take the view as a value"),
];

/// What falls under a row and is harmless: a bounded list that was not emptied must not panic twice.
const HARMLESS: &[&str] = &["std::thread::panicking"];

/// What `config` may do although it is pure: read its files.
const CONFIG_MAY: &[&str] = &["std::fs", "std::env"];

fn is_core(source: &Source) -> bool {
    let owners = ["src/load/", "src/modules/", "src/roles/"];
    let in_module = owners.iter().any(|owner| source.path.starts_with(owner));
    in_module && (source.path.ends_with("/core.rs") || source.path.contains("/core/"))
}

fn is_pure(source: &Source) -> bool {
    source.layer().is_some_and(|layer| PURE.contains(&layer)) || is_core(source)
}

/// Every impure thing that a pure file names, tests included.
pub(crate) fn impure_names(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in repo.product().filter(|source| is_pure(source)) {
        for named in named_paths(source) {
            let Some((path, instead)) = forbidden(&named.segments) else {
                continue;
            };
            let reads_files = CONFIG_MAY.contains(&path)
                && (source.layer() == Some("config") || source.is_test(named.line));
            let is_harmless = HARMLESS.contains(&named.segments.join("::").as_str());
            if !reads_files && !is_harmless {
                let what = format!("pure code names `{}`: {instead}", named.segments.join("::"));
                findings.push(Finding::new(&source.path, named.line, what));
            }
        }
        for named in own_paths(source) {
            if named.segments.first().is_some_and(|first| first == "runtime") {
                let what =
                    "pure code names `runtime`: put the effect into `apply.rs` or `module.rs`";
                findings.push(Finding::new(&source.path, named.line, what));
            }
        }
    }
    findings
}

/// The row that a path falls under. Taking in a whole module counts (`use std::sync;`).
fn forbidden(segments: &[String]) -> Option<(&'static str, &'static str)> {
    let mut written: Vec<&str> = segments.iter().map(String::as_str).collect();
    let is_glob = written.last() == Some(&"*");
    if is_glob {
        written.pop();
    }
    FORBIDDEN.iter().copied().find(|(path, _)| {
        let row: Vec<&str> = path.split("::").collect();
        let is_below = written.starts_with(&row);
        let hides_it = row.starts_with(&written) && (written.len() > 1 || is_glob);
        is_below || hides_it
    })
}

/// Every iteration over a hash map or set that the file itself declares. What comes from another
/// file is seen by clippy's `disallowed_methods`.
pub(crate) fn hash_iteration(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in repo.product().filter(|source| is_pure(source)) {
        let mut names = HashNames::default();
        names.visit_file(&source.ast);
        names.visit_file(&source.ast);
        let mut uses = Iterations { names: &names.names, lines: Vec::new() };
        uses.visit_file(&source.ast);
        for (line, name) in uses.lines {
            let what = format!(
                "iterates over the hash table `{name}`, whose order differs from run to run: \
                 use a BTreeMap, a slab, or collect and sort"
            );
            findings.push(Finding::new(&source.path, line, what));
        }
    }
    findings
}

/// Names of fields, variables and aliases whose type is a hash table.
#[derive(Default)]
struct HashNames {
    names: BTreeSet<String>,
    aliases: BTreeSet<String>,
}

impl HashNames {
    fn is_hash_path(&self, path: &syn::Path) -> bool {
        path.segments.iter().any(|segment| {
            let name = segment.ident.to_string();
            name == "HashMap" || name == "HashSet" || self.aliases.contains(&name)
        })
    }

    fn is_hash(&self, kind: &syn::Type) -> bool {
        if let syn::Type::Reference(inner) = kind {
            self.is_hash(&inner.elem)
        } else if let syn::Type::Path(inner) = kind {
            self.is_hash_path(&inner.path)
        } else {
            false
        }
    }

    fn note(&mut self, pattern: &syn::Pat, kind: &syn::Type) {
        if let syn::Pat::Ident(name) = pattern
            && self.is_hash(kind)
        {
            self.names.insert(name.ident.to_string());
        }
    }
}

impl<'ast> Visit<'ast> for HashNames {
    fn visit_item_type(&mut self, node: &'ast syn::ItemType) {
        if self.is_hash(&node.ty) {
            self.aliases.insert(node.ident.to_string());
        }
    }

    fn visit_field(&mut self, node: &'ast syn::Field) {
        if let Some(name) = &node.ident
            && self.is_hash(&node.ty)
        {
            self.names.insert(name.to_string());
        }
    }

    fn visit_pat_type(&mut self, node: &'ast syn::PatType) {
        self.note(&node.pat, &node.ty);
        visit::visit_pat_type(self, node);
    }

    fn visit_local(&mut self, node: &'ast syn::Local) {
        if let syn::Pat::Ident(name) = &node.pat
            && let Some(init) = &node.init
            && let syn::Expr::Call(call) = init.expr.as_ref()
            && let syn::Expr::Path(function) = call.func.as_ref()
            && self.is_hash_path(&function.path)
        {
            self.names.insert(name.ident.to_string());
        }
        visit::visit_local(self, node);
    }
}

struct Iterations<'a> {
    names: &'a BTreeSet<String>,
    lines: Vec<(usize, String)>,
}

impl Iterations<'_> {
    fn hash_name(&self, expression: &syn::Expr) -> Option<String> {
        let name = if let syn::Expr::Reference(inner) = expression {
            return self.hash_name(&inner.expr);
        } else if let syn::Expr::Paren(inner) = expression {
            return self.hash_name(&inner.expr);
        } else if let syn::Expr::Field(field) = expression {
            let syn::Member::Named(name) = &field.member else {
                return None;
            };
            name.to_string()
        } else if let syn::Expr::Path(path) = expression {
            path.path.get_ident()?.to_string()
        } else {
            return None;
        };
        self.names.contains(&name).then_some(name)
    }
}

impl<'ast> Visit<'ast> for Iterations<'_> {
    fn visit_expr_method_call(&mut self, node: &'ast syn::ExprMethodCall) {
        let method = node.method.to_string();
        let iterates = matches!(
            method.as_str(),
            "iter"
                | "iter_mut"
                | "into_iter"
                | "keys"
                | "into_keys"
                | "values"
                | "values_mut"
                | "into_values"
                | "drain"
                | "retain"
                | "extract_if"
        );
        if iterates && let Some(name) = self.hash_name(&node.receiver) {
            self.lines.push((node.method.span().start().line, name));
        }
        visit::visit_expr_method_call(self, node);
    }

    fn visit_expr_for_loop(&mut self, node: &'ast syn::ExprForLoop) {
        if let Some(name) = self.hash_name(&node.expr) {
            self.lines.push((node.for_token.span.start().line, name));
        }
        visit::visit_expr_for_loop(self, node);
    }
}

#[test]
fn pure_folders_name_nothing_impure() {
    crate::repo::demand_none(impure_names(&Repo::here()));
}

#[test]
fn pure_folders_do_not_iterate_over_hash_tables() {
    crate::repo::demand_none(hash_iteration(&Repo::here()));
}

#[cfg(test)]
mod tests {
    use super::{hash_iteration, impure_names};
    use crate::repo::Repo;

    fn impure(path: &str, text: &str) -> usize {
        impure_names(&Repo::of(&[(path, text)])).len()
    }

    fn iterations(path: &str, text: &str) -> Vec<usize> {
        hash_iteration(&Repo::of(&[(path, text)])).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn impure_names_are_found() {
        for text in [
            "use std::net::SocketAddr;",
            "use std::{fmt, thread};",
            "use std::time::{Duration, Instant};",
            "fn f() { std::time::SystemTime::now(); }",
            "use std::sync::{Arc, RwLock};",
            "use std::sync;",
            "use std::time::*;",
            "use std::*;",
            "fn f() { let x = vec![std::sync::Mutex::new(1)]; }",
            "use tokio::time::sleep;",
            "use tokio::*;",
            "fn f() { getrandom::fill(&mut b); }",
            "use std::fs;",
            "use crate::runtime::clock::Clock;",
        ] {
            assert_eq!(impure("src/sip/a.rs", text), 1, "{text}");
        }
    }

    #[test]
    fn pure_names_pass() {
        let text = "use core::net::SocketAddr; use std::time::Duration; use std::sync::Arc; \
                    use std::fmt; use std::collections::BTreeMap; use crate::base::time::Instant; \
                    fn f() { std::thread::panicking(); }";
        assert_eq!(impure("src/sip/a.rs", text), 0);
        assert_eq!(impure("src/runtime/a.rs", "use std::thread; use tokio::net::UdpSocket;"), 0);
    }

    #[test]
    fn config_reads_files_and_the_others_do_not() {
        assert_eq!(impure("src/config/a.rs", "use std::fs; use std::env;"), 0);
        assert_eq!(impure("src/config/a.rs", "use std::net::IpAddr;"), 1);
        assert_eq!(impure("src/cti/a.rs", "use std::fs; use std::env;"), 2);
    }

    #[test]
    fn the_core_of_a_module_is_pure_and_its_shell_is_not() {
        assert_eq!(impure("src/roles/node/x/core.rs", "use crate::runtime::mailbox::Mailbox;"), 1);
        assert_eq!(
            impure("src/roles/node/x/module.rs", "use crate::runtime::mailbox::Mailbox;"),
            0
        );
    }

    #[test]
    fn iteration_over_a_hash_table_is_found() {
        let text = "struct S { a: HashMap<u8, u8>, b: BTreeMap<u8, u8> }\n\
                    impl S {\n\
                    fn f(&self) { for x in &self.a {} }\n\
                    fn g(&self) { self.a.keys().count(); self.b.keys().count(); self.a.get(&1); }\n\
                    fn h(x: &HashSet<u8>) { x.iter(); }\n\
                    fn i() { let y = HashMap::new(); for z in y {} }\n\
                    }\n";
        assert_eq!(iterations("src/sip/a.rs", text), [3, 4, 5, 6]);
        assert!(iterations("src/runtime/a.rs", text).is_empty());
    }

    #[test]
    fn an_alias_of_a_hash_table_is_one() {
        let text =
            "struct S { a: Table }\nfn f(s: &S) { s.a.values(); }\ntype Table = HashMap<u8, u8>;\n";
        assert_eq!(iterations("src/sip/a.rs", text), [2]);
    }
}
