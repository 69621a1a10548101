//! `unsafe` stands in a named file of `src/runtime/`, or nowhere.

use proc_macro2::TokenTree;

use crate::paths::{tokens_of, trees};
use crate::repo::{Finding, Repo};

/// Files that may hold `unsafe`, each with a safety argument in its module doc.
const UNSAFE_FILES: &[&str] = &[];

/// `unsafe` outside the list, and entries of the list that are wrong or not needed.
pub(crate) fn unsafe_places(repo: &Repo, allowed: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in &repo.sources {
        let mut lines = Vec::new();
        find(&trees(tokens_of(&source.text)), &mut lines);
        let is_listed = allowed.contains(&source.path.as_str());
        if is_listed && lines.is_empty() {
            let what = "holds no `unsafe`: remove it from UNSAFE_FILES";
            findings.push(Finding::new(&source.path, 1, what));
        }
        for line in lines.into_iter().filter(|_| !is_listed) {
            let what = "`unsafe`: find the safe way, or make a case for UNSAFE_FILES in tidy";
            findings.push(Finding::new(&source.path, line, what));
        }
    }
    for path in allowed {
        let exists = repo.text(path).is_some();
        if !exists || !path.starts_with("src/runtime/") {
            let what = "UNSAFE_FILES names files of src/runtime/ that exist: correct the list";
            findings.push(Finding::new(path, 1, what));
        }
    }
    findings
}

fn find(tokens: &[TokenTree], lines: &mut Vec<usize>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => find(&trees(group.stream()), lines),
            TokenTree::Ident(ident) => {
                if ident == "unsafe" || ident == "unsafe_code" {
                    lines.push(ident.span().start().line);
                }
            }
            TokenTree::Literal(_) | TokenTree::Punct(_) => {}
        }
    }
}

#[test]
fn unsafe_code_is_listed() {
    crate::repo::demand_none(unsafe_places(&Repo::here(), UNSAFE_FILES));
}

#[cfg(test)]
mod tests {
    use super::unsafe_places;
    use crate::repo::Repo;

    const BLOCK: &str = "//! unsafe in words\nfn f() { x!({\n unsafe { g() } }) }\n";

    fn lines(path: &str, text: &str, allowed: &[&str]) -> Vec<usize> {
        let repo = Repo::of(&[(path, text)]);
        unsafe_places(&repo, allowed).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn unsafe_outside_the_list_is_found() {
        assert_eq!(lines("src/runtime/a.rs", BLOCK, &[]), [3]);
        assert_eq!(lines("src/sip/a.rs", "#[allow(unsafe_code)]\nunsafe fn f() {}\n", &[]), [1, 2]);
        assert!(lines("src/sip/a.rs", "// unsafe\nconst A: &str = \"unsafe\";\n", &[]).is_empty());
    }

    #[test]
    fn the_list_holds_only_what_needs_it() {
        assert!(lines("src/runtime/a.rs", BLOCK, &["src/runtime/a.rs"]).is_empty());
        assert_eq!(lines("src/runtime/a.rs", "fn f() {}", &["src/runtime/a.rs"]), [1]);
        assert_eq!(lines("src/sip/a.rs", BLOCK, &["src/sip/a.rs"]), [1]);
        assert_eq!(lines("src/sip/a.rs", "fn f() {}", &["src/runtime/gone.rs"]), [1]);
    }
}
