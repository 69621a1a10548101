//! Layers point down only: every path into our own package is an edge of the table below.

use crate::paths::own_paths;
use crate::repo::{Finding, Repo, Source};

/// What a layer may name besides itself. A layer that is not listed may name nothing and may not be
/// named: a new folder below `src/` needs a row here.
const EDGES: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("sip", &["base"]),
    ("call", &["base"]),
    ("mesh", &["base"]),
    ("config", &["base"]),
    ("observe", &["base"]),
    ("cti", &["base", "call::facts"]),
    ("dial", CONSUMER),
    ("dialplan", CONSUMER),
    ("media", CONSUMER),
    ("outbound", CONSUMER),
    ("reporting", CONSUMER),
    ("routing", CONSUMER),
    ("stats", CONSUMER),
    ("voicemail", CONSUMER),
    ("runtime", &["base", "observe"]),
    ("load", &["base", "runtime", "sip"]),
    ("modules", BELOW_MODULES),
    ("roles", BELOW_ROLES),
    ("cli", BELOW_CLI),
    ("main", &["base", "cli", "config", "observe", "roles", "runtime"]),
    ("build", &[]),
    ("sim", BELOW_SIM),
];

/// Pure folders that fold over the one event language.
const CONSUMER: &[&str] = &["base", "call::facts", "cti::event"];

const BELOW_MODULES: &[&str] = &[
    "base",
    "call",
    "config",
    "cti",
    "dial",
    "dialplan",
    "media",
    "mesh",
    "observe",
    "outbound",
    "reporting",
    "routing",
    "runtime",
    "sip",
    "stats",
    "voicemail",
];

const BELOW_ROLES: &[&str] = &[
    "base",
    "call",
    "config",
    "cti",
    "dial",
    "dialplan",
    "media",
    "mesh",
    "modules",
    "observe",
    "outbound",
    "reporting",
    "routing",
    "runtime",
    "sip",
    "stats",
    "voicemail",
];

const BELOW_CLI: &[&str] = &[
    "base", "call", "config", "cti", "load", "mesh", "modules", "observe", "roles", "runtime",
    "sip",
];

const BELOW_SIM: &[&str] = &[
    "base",
    "call",
    "config",
    "cti",
    "dial",
    "dialplan",
    "media",
    "mesh",
    "modules",
    "observe",
    "outbound",
    "reporting",
    "roles",
    "routing",
    "runtime",
    "sip",
    "stats",
    "voicemail",
];

/// Every path that is no edge of the table.
pub(crate) fn forbidden_edges(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in repo.product() {
        let Some(layer) = source.layer() else {
            continue;
        };
        if layer == "lib" {
            continue;
        }
        let Some((_, allowed)) = EDGES.iter().find(|(name, _)| *name == layer) else {
            let what =
                format!("`{layer}` has no row in EDGES of sip-tests/tidy/layers.rs: add one");
            findings.push(Finding::new(&source.path, 1, what));
            continue;
        };
        for named in own_paths(source) {
            if let Some(what) = objection(source, layer, allowed, &named.segments, named.line) {
                findings.push(Finding::new(&source.path, named.line, what));
            }
        }
    }
    findings
}

fn objection(
    source: &Source,
    layer: &str,
    allowed: &[&str],
    target: &[String],
    line: usize,
) -> Option<String> {
    let first = target.first()?;
    let written = target.join("::");
    if first == layer {
        return other_role(source, target)
            .map(|role| format!("names `{written}`: roles share modules, never name `{role}`"));
    }
    if first == "sim" && source.is_test(line) {
        return None;
    }
    let may = allowed.iter().any(|edge| {
        let edge: Vec<&str> = edge.split("::").collect();
        target.len() >= edge.len() && edge.iter().zip(target).all(|(a, b)| a == b)
    });
    if may {
        return None;
    }
    let list = if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") };
    Some(format!(
        "`{layer}` names `{written}`, and may name: {list}. \
         Move the type down, take it as a value, or compose one layer up"
    ))
}

/// The other role that a file of one role names.
fn other_role<'a>(source: &Source, target: &'a [String]) -> Option<&'a str> {
    let inside = source.path.strip_prefix("src/roles/")?;
    let (mine, _) = inside.split_once('/')?;
    let theirs = target.get(1)?;
    let is_role = theirs.chars().next().is_some_and(char::is_lowercase);
    (is_role && theirs != mine).then_some(theirs.as_str())
}

#[test]
fn layers_point_down() {
    crate::repo::demand_none(forbidden_edges(&Repo::here()));
}

#[cfg(test)]
mod tests {
    use super::{EDGES, forbidden_edges};
    use crate::repo::Repo;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        let repo = Repo::of(&[(path, text)]);
        forbidden_edges(&repo).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn upward_and_sideward_edges_are_found() {
        assert_eq!(lines("src/base/id.rs", "use core::fmt;\nuse crate::sip::Uri;\n"), [2]);
        assert_eq!(
            lines("src/sip/a.rs", "use crate::{\n    base::id,\n    call::Call,\n};\n"),
            [3]
        );
        assert_eq!(lines("src/call/a.rs", "fn f() { dbg(crate::sip::Uri::new()) }"), [1]);
        assert_eq!(lines("src/runtime/a.rs", "use super::super::modules::transport;"), [1]);
        assert_eq!(lines("src/main.rs", "use sipcluster::sip::Uri;"), [1]);
        assert_eq!(lines("src/mesh/a.rs", "fn f() { write!(w, \"{}\", crate::cti::x()); }"), [1]);
    }

    #[test]
    fn an_edge_to_part_of_a_layer_stays_there() {
        assert!(lines("src/cti/a.rs", "use crate::call::facts::CallFact;").is_empty());
        assert_eq!(lines("src/cti/a.rs", "use crate::call::Call;"), [1]);
        assert_eq!(lines("src/cti/a.rs", "use crate::call::*;"), [1]);
    }

    #[test]
    fn downward_edges_and_the_own_layer_are_free() {
        assert!(
            lines("src/sip/a.rs", "use crate::base::id; use crate::sip::b; use super::c;")
                .is_empty()
        );
        assert!(
            lines(
                "src/roles/node/a.rs",
                "use crate::modules::transport; use crate::roles::node::b;"
            )
            .is_empty()
        );
    }

    #[test]
    fn roles_do_not_name_each_other_and_their_root_names_all() {
        assert_eq!(lines("src/roles/node/a.rs", "use crate::roles::sip_proxy::x;"), [1]);
        assert_eq!(lines("src/roles/node/x/core.rs", "use super::super::super::vq::x;"), [1]);
        assert!(lines("src/roles/node/a.rs", "use crate::roles::Role;").is_empty());
        assert!(
            lines("src/roles/mod.rs", "use crate::roles::node; use self::sip_proxy::x;").is_empty()
        );
    }

    #[test]
    fn only_tests_name_the_simulator() {
        assert_eq!(lines("src/roles/node/a.rs", "use crate::sim::World;"), [1]);
        assert!(lines("src/roles/node/tests.rs", "use crate::sim::World;").is_empty());
        assert!(
            lines("src/call/a.rs", "#[cfg(test)]\nmod tests {\n    use crate::sim::World;\n}")
                .is_empty()
        );
    }

    #[test]
    fn a_folder_without_a_row_is_refused() {
        assert_eq!(lines("src/billing/a.rs", "fn f() {}"), [1]);
        assert_eq!(lines("src/modules/a.rs", "use crate::billing::x;"), [1]);
    }

    #[test]
    fn the_table_names_only_its_own_rows_and_has_no_circle() {
        for (at, (layer, allowed)) in EDGES.iter().enumerate() {
            for edge in *allowed {
                let target = edge.split("::").next().unwrap_or(edge);
                let row = EDGES.iter().position(|(name, _)| *name == target);
                let above = row.is_none_or(|row| row >= at);
                assert!(!above, "`{layer}` -> `{edge}`: rows go from the ground up");
            }
        }
    }
}
