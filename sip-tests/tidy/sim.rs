//! The simulator is for tests: behind its feature, and named by nothing that ships.

use crate::paths::{named_paths, own_paths};
use crate::repo::{Finding, Repo};

/// Where `sim` escapes its fence.
pub(crate) fn escapes(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in repo.product().filter(|source| !source.path.starts_with("src/sim")) {
        for named in own_paths(source) {
            let names_it = named.segments.first().is_some_and(|first| first == "sim");
            if names_it && !source.is_test(named.line) {
                let what = "names `sim` outside tests: the released binary has no simulator";
                findings.push(Finding::new(&source.path, named.line, what));
            }
        }
        if source.path == "src/lib.rs" {
            for named in named_paths(source) {
                if named.segments[0] == "sim" {
                    let what = "re-exports `sim`: tests write `sipcluster::sim`";
                    findings.push(Finding::new(&source.path, named.line, what));
                }
            }
        }
    }
    findings.extend(fence(repo));
    findings
}

/// Whether `lib.rs` declares `sim` behind `cfg(any(test, feature = "sim"))`.
fn fence(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut declared = false;
    for source in repo.product().filter(|source| source.path == "src/lib.rs") {
        for item in &source.ast.items {
            let syn::Item::Mod(module) = item else {
                continue;
            };
            if module.ident != "sim" {
                continue;
            }
            declared = true;
            let fenced = module.attrs.iter().any(|attribute| {
                attribute.path().is_ident("cfg")
                    && attribute.meta.require_list().is_ok_and(|list| {
                        let tokens = list.tokens.to_string();
                        let cfg: String =
                            tokens.chars().filter(|letter| !letter.is_whitespace()).collect();
                        cfg == "any(test,feature=\"sim\")"
                    })
            });
            if !fenced {
                let line = module.mod_token.span.start().line;
                let what = "`mod sim` needs #[cfg(any(test, feature = \"sim\"))]";
                findings.push(Finding::new(&source.path, line, what));
            }
        }
    }
    let exists = repo.folders.contains("src/sim");
    if exists && !declared {
        findings.push(Finding::new("src/lib.rs", 1, "src/sim/ exists: declare `mod sim`"));
    }
    if exists && !repo.text("Cargo.toml").is_some_and(|text| text.contains("sim = []")) {
        let what = "src/sim/ exists: declare the feature `sim = []`, off by default";
        findings.push(Finding::new("Cargo.toml", 1, what));
    }
    findings
}

#[test]
fn the_simulator_stays_behind_its_feature() {
    crate::repo::demand_none(escapes(&Repo::here()));
}

#[cfg(test)]
mod tests {
    use super::escapes;
    use crate::repo::Repo;

    const MANIFEST: (&str, &str) = ("Cargo.toml", "[features]\nsim = []\n");
    const FENCED: (&str, &str) =
        ("src/lib.rs", "#[cfg(any(test, feature = \"sim\"))]\npub mod sim;\n");
    const SIM: (&str, &str) = ("src/sim/mod.rs", "use crate::sim::world;\n");

    fn count(files: &[(&str, &str)]) -> usize {
        escapes(&Repo::of(files)).len()
    }

    #[test]
    fn a_fenced_simulator_passes() {
        let test = ("src/call/tests.rs", "use crate::sim::world::World;");
        assert_eq!(count(&[MANIFEST, FENCED, SIM, test]), 0);
    }

    #[test]
    fn a_simulator_without_its_fence_is_found() {
        assert_eq!(count(&[MANIFEST, ("src/lib.rs", "pub mod sim;"), SIM]), 1);
        assert_eq!(
            count(&[MANIFEST, ("src/lib.rs", "#[cfg(feature = \"sim\")] mod sim;"), SIM]),
            1
        );
        assert_eq!(count(&[MANIFEST, ("src/lib.rs", "mod call;"), SIM]), 1);
        assert_eq!(count(&[("Cargo.toml", ""), FENCED, SIM]), 1);
    }

    #[test]
    fn product_code_that_names_the_simulator_is_found() {
        let role = ("src/roles/node/assemble.rs", "fn f() { crate::sim::world::build(); }");
        assert_eq!(count(&[MANIFEST, FENCED, SIM, role]), 1);
        assert_eq!(count(&[MANIFEST, FENCED, SIM, ("src/main.rs", "use sipcluster::sim::x;")]), 1);
        let export = "#[cfg(any(test, feature = \"sim\"))]\npub mod sim;\npub use sim::world;\n";
        assert_eq!(count(&[MANIFEST, ("src/lib.rs", export), SIM]), 1);
    }
}
