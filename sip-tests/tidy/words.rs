//! Words that do not belong into the repository: promises instead of work, places of one machine,
//! names that say nothing.
//!
//! The words are joined from halves here, so that this file passes its own rule.

use proc_macro2::TokenTree;

use crate::paths::{tokens_of, trees};
use crate::repo::{Finding, Repo};

const PROMISES: &[&str] =
    &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX"), concat!("H", "ACK")];
const LEFT_OUT: &[&str] =
    &[concat!("todo", "!("), concat!("unimplemented", "!("), concat!("#[ig", "nore")];
const MACHINE_ROOTS: &[&str] = &[concat!("/ho", "me"), concat!("/ro", "ot"), concat!("/wo", "rk")];
const SCRATCH_ROOT: &str = concat!("/t", "mp");
const REGISTRIES: &[&str] = &[
    concat!("index.crates", ".io"),
    concat!("static.crates", ".io"),
    concat!("registry.", "npmjs"),
    concat!("registry.", "yarnpkg"),
    concat!("pypi.", "org/simple"),
    concat!("files.python", "hosted"),
    concat!("proxy.go", "lang"),
    concat!("arti", "factory"),
    concat!("jf", "rog"),
    concat!("/ne", "xus/"),
    concat!("replace", "-with"),
    concat!("cargo_registries", "_"),
];
const LOCK_SOURCE: &str = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
const EMPTY_NAMES: &[&str] =
    &["util", "utils", "helper", "helpers", "common", "misc", "stuff", "process"];

/// Files of others, or written by a tool.
fn is_foreign(path: &str) -> bool {
    matches!(path, "LICENSE" | "Cargo.lock")
}

/// Promises, left-out code and ignored tests.
pub(crate) fn promises(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in repo.texts.iter().filter(|file| !is_foreign(&file.path)) {
        for (at, line) in file.text.lines().enumerate() {
            let letters = |letter: char| !letter.is_alphanumeric() && letter != '_';
            for word in line.split(letters).filter(|word| PROMISES.contains(word)) {
                let what = format!("`{word}`: do it, or write down the decision not to");
                findings.push(Finding::new(&file.path, at + 1, what));
            }
            if file.path.ends_with(".rs") {
                for text in LEFT_OUT.iter().filter(|text| line.contains(**text)) {
                    let what = format!("`{text}`: write the code, or remove the test");
                    findings.push(Finding::new(&file.path, at + 1, what));
                }
            }
        }
    }
    findings
}

/// Whether a path of a machine begins at some place of the text.
fn names_machine_path(text: &str, root: &str) -> bool {
    text.match_indices(root).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + root.len()..].chars().next();
        let starts =
            before.is_none_or(|letter| !letter.is_alphanumeric() && !"/._-}".contains(letter));
        let ends = after.is_none_or(|letter| letter == '/' || letter == '"');
        starts && ends
    })
}

/// Absolute paths of one machine: in string literals of `src/`, anywhere else in any text.
pub(crate) fn machine_paths(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    let advice =
        "a path of one machine: take it from the configuration, or from the place of the file";
    for file in repo.texts.iter().filter(|file| !is_foreign(&file.path)) {
        for (at, line) in file.text.lines().enumerate() {
            if MACHINE_ROOTS.iter().any(|root| {
                names_machine_path(line, &format!("{root}/")[..root.len()])
                    && line.contains(&format!("{root}/"))
            }) {
                findings.push(Finding::new(&file.path, at + 1, advice));
            }
        }
    }
    for source in repo.product() {
        let mut literals = Vec::new();
        collect_literals(&trees(tokens_of(&source.text)), &mut literals);
        for (line, text) in literals {
            let mut roots = MACHINE_ROOTS.iter().chain([&SCRATCH_ROOT]);
            if roots.any(|root| names_machine_path(&text, root)) {
                findings.push(Finding::new(&source.path, line, advice));
            }
        }
    }
    findings
}

fn collect_literals(tokens: &[TokenTree], out: &mut Vec<(usize, String)>) {
    let mut is_doc = false;
    for token in tokens {
        match token {
            TokenTree::Group(group) => collect_literals(&trees(group.stream()), out),
            TokenTree::Literal(literal) if !is_doc => {
                out.push((literal.span().start().line, literal.to_string()));
            }
            TokenTree::Ident(ident) => is_doc = ident == "doc",
            TokenTree::Literal(_) | TokenTree::Punct(_) => {}
        }
    }
}

/// Hosts and settings of package registries.
pub(crate) fn registries(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &repo.texts {
        for (at, line) in file.text.lines().enumerate() {
            let lower = line.to_ascii_lowercase();
            if let Some(host) = REGISTRIES.iter().find(|host| lower.contains(**host)) {
                let what =
                    format!("`{host}`: which registry serves a build is the machine's affair");
                findings.push(Finding::new(&file.path, at + 1, what));
            }
            let other_source =
                file.path == "Cargo.lock" && line.starts_with("source = ") && line != LOCK_SOURCE;
            if other_source {
                let what = "not the public registry: lock the dependencies without a mirror";
                findings.push(Finding::new(&file.path, at + 1, what));
            }
        }
    }
    findings
}

/// Files and folders whose names say nothing.
pub(crate) fn empty_names(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    let paths = repo.texts.iter().map(|file| &file.path).chain(&repo.folders);
    for path in paths {
        let name = path.rsplit('/').next().unwrap_or(path);
        let stem = name.split('.').next().unwrap_or(name);
        let parts = |letter: char| letter == '_' || letter == '-';
        if let Some(word) = stem.split(parts).find(|part| EMPTY_NAMES.contains(part)) {
            let what = format!("`{word}` says nothing: name the file after the thing it holds");
            findings.push(Finding::new(path, 1, what));
        }
    }
    findings
}

#[test]
fn work_is_done_not_promised() {
    crate::repo::demand_none(promises(&Repo::here()));
}

#[test]
fn no_path_of_one_machine() {
    crate::repo::demand_none(machine_paths(&Repo::here()));
}

#[test]
fn no_registry_is_named() {
    crate::repo::demand_none(registries(&Repo::here()));
}

#[test]
fn file_names_say_what_is_inside() {
    crate::repo::demand_none(empty_names(&Repo::here()));
}

#[cfg(test)]
mod tests {
    use super::{LEFT_OUT, LOCK_SOURCE, MACHINE_ROOTS, PROMISES, REGISTRIES, SCRATCH_ROOT};
    use super::{empty_names, machine_paths, promises, registries};
    use crate::repo::{Finding, Repo};

    fn with(rule: fn(&Repo) -> Vec<Finding>, path: &str, text: &str) -> Vec<usize> {
        rule(&Repo::of(&[(path, text)])).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn promises_are_found_as_words() {
        for word in PROMISES {
            let text = format!("//! A.\n// {word}: later\n// {word}S and x{word}\n");
            assert_eq!(with(promises, "src/a.rs", &text), [2], "{word}");
            assert_eq!(with(promises, "README.md", &format!("- {word} more\n")), [1]);
        }
        for text in LEFT_OUT {
            let code = format!("fn f() {{}} // {text}\n");
            assert_eq!(with(promises, "src/a.rs", &code), [1], "{text}");
        }
        assert!(with(promises, "LICENSE", PROMISES[0]).is_empty());
    }

    #[test]
    fn machine_paths_are_found_in_literals_and_texts() {
        let root = MACHINE_ROOTS[0];
        assert_eq!(
            with(machine_paths, "src/a.rs", &format!("const A: &str = \"{SCRATCH_ROOT}/x\";")),
            [1]
        );
        assert_eq!(with(machine_paths, "src/a.rs", &format!("const A: &[u8] = b\"{root}\";")), [1]);
        assert_eq!(
            with(machine_paths, "src/a.rs", &format!("fn f() {{ g!(\n\"dir={root}/x\") }}"))
                .first(),
            Some(&2)
        );
        assert_eq!(with(machine_paths, "config/a.yaml", &format!("a: 1\nb: {root}/x\n")), [2]);
    }

    #[test]
    fn other_paths_pass() {
        let root = MACHINE_ROOTS[2];
        assert!(
            with(machine_paths, "src/a.rs", &format!("const A: &str = \"/api{root}/x\";"))
                .is_empty()
        );
        assert!(
            with(machine_paths, "src/a.rs", &format!("const A: &str = \"{root}ers/x\";"))
                .is_empty()
        );
        assert!(
            with(machine_paths, "src/a.rs", &format!("const A: &str = \"a{SCRATCH_ROOT}\";"))
                .is_empty()
        );
        assert!(
            with(machine_paths, "sip-tests/run", &format!("mktemp -d {SCRATCH_ROOT}/a.b\n"))
                .is_empty()
        );
    }

    #[test]
    fn registries_are_found() {
        for host in REGISTRIES {
            assert_eq!(
                with(registries, "package-lock.json", &format!("{{\n\"{host}\"")),
                [2],
                "{host}"
            );
        }
        let lock = format!("{LOCK_SOURCE}\nsource = \"sparse+https://example.com/\"\n");
        assert_eq!(with(registries, "Cargo.lock", &lock), [2]);
        assert!(with(registries, "README.md", "https://crates.io/crates/syn\n").is_empty());
    }

    #[test]
    fn empty_names_are_found_in_files_and_folders() {
        assert_eq!(with(empty_names, "src/sip/utils.rs", "").len(), 1);
        assert_eq!(with(empty_names, "src/call_helper.rs", "").len(), 1);
        assert_eq!(with(empty_names, "sip-tests/common/phone.rs", "").len(), 1);
        assert!(with(empty_names, "src/call_manager/utility.rs", "").is_empty());
    }
}
