//! What the rules read: the files of the repository, parsed once, or a handful of snippets.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;

use syn::visit::{self, Visit};

/// One breach of a rule, with the place and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Path from the top of the repository, with `/`.
    pub(crate) path: String,
    /// Line from 1; 1 where the whole file is meant.
    pub(crate) line: usize,
    /// What is wrong and what to do.
    pub(crate) what: String,
}

impl Finding {
    /// A finding at a line.
    pub(crate) fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// An inclusive range of lines, from 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lines {
    /// First line.
    pub(crate) first: usize,
    /// Last line.
    pub(crate) last: usize,
}

impl Lines {
    fn contains(self, line: usize) -> bool {
        self.first <= line && line <= self.last
    }
}

/// A Rust source that parses.
pub(crate) struct Source {
    /// Path from the top of the repository, with `/`.
    pub(crate) path: String,
    /// The text as stored.
    pub(crate) text: String,
    /// The syntax tree, with spans that know their lines.
    pub(crate) ast: syn::File,
    whole_file_is_test: bool,
    test_lines: Vec<Lines>,
    inline_modules: Vec<(String, Lines)>,
}

impl Source {
    /// Whether a line is compiled for tests only.
    pub(crate) fn is_test(&self, line: usize) -> bool {
        self.whole_file_is_test || self.test_lines.iter().any(|range| range.contains(line))
    }

    /// The path below `src/` without extension and `mod`, as modules: `sip::message::scan`.
    /// `None` outside `src/`. The crate's roots have no segment.
    pub(crate) fn module(&self) -> Option<Vec<String>> {
        let inner = self.path.strip_prefix("src/")?.strip_suffix(".rs")?;
        let mut segments: Vec<String> = inner.split('/').map(str::to_owned).collect();
        let is_root =
            segments.len() == 1 && matches!(segments[0].as_str(), "lib" | "main" | "build");
        if is_root || segments.last().is_some_and(|name| name == "mod") {
            segments.pop();
        }
        Some(segments)
    }

    /// As [`Self::module`], with the inline modules around a line.
    pub(crate) fn module_at(&self, line: usize) -> Option<Vec<String>> {
        let mut segments = self.module()?;
        let around = self.inline_modules.iter().filter(|(_, range)| range.contains(line));
        segments.extend(around.map(|(name, _)| name.clone()));
        Some(segments)
    }

    /// The folder or file directly below `src/`: `sip`, `roles`, `main`.
    pub(crate) fn layer(&self) -> Option<&str> {
        let inner = self.path.strip_prefix("src/")?;
        let first = inner.split('/').next()?;
        Some(first.strip_suffix(".rs").unwrap_or(first))
    }
}

/// A file that is text.
pub(crate) struct TextFile {
    /// Path from the top of the repository, with `/`.
    pub(crate) path: String,
    /// The text as stored.
    pub(crate) text: String,
}

/// Everything that the rules read.
pub(crate) struct Repo {
    /// The names at the top level, folders without `/`.
    pub(crate) entries: BTreeSet<String>,
    /// All folders, as paths from the top: `src/sip/message`.
    pub(crate) folders: BTreeSet<String>,
    /// All text files.
    pub(crate) texts: Vec<TextFile>,
    /// Those of them that are Rust.
    pub(crate) sources: Vec<Source>,
    /// Rust files that `syn` refuses.
    pub(crate) unreadable: Vec<Finding>,
}

impl Repo {
    /// This repository, from the disk.
    pub(crate) fn here() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut found = Found::default();
        found.walk(root, "");
        Self::build(found)
    }

    /// A repository of snippets: path and text.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let mut found = Found::default();
        for (path, text) in files {
            let parts: Vec<&str> = path.split('/').collect();
            found.entries.insert(parts[0].to_owned());
            for depth in 1..parts.len() {
                found.folders.insert(parts[..depth].join("/"));
            }
            found.texts.push(TextFile { path: (*path).to_owned(), text: (*text).to_owned() });
        }
        Self::build(found)
    }

    fn build(found: Found) -> Self {
        let mut repo = Self {
            entries: found.entries,
            folders: found.folders,
            texts: found.texts,
            sources: Vec::new(),
            unreadable: Vec::new(),
        };
        for file in repo.texts.iter().filter(|file| file.path.ends_with(".rs")) {
            match syn::parse_file(&file.text) {
                Ok(ast) => repo.sources.push(source_of(file, ast)),
                Err(error) => {
                    let line = error.span().start().line;
                    let what = format!("does not parse ({error}): correct it");
                    repo.unreadable.push(Finding::new(&file.path, line, what));
                }
            }
        }
        repo.mark_test_files();
        repo
    }

    /// Marks the files behind `#[cfg(test)] mod name;`.
    fn mark_test_files(&mut self) {
        let mut modules = BTreeSet::new();
        for source in &self.sources {
            let Some(parent) = source.module() else {
                continue;
            };
            for item in &source.ast.items {
                if let syn::Item::Mod(module) = item
                    && module.content.is_none()
                    && is_test_only(&module.attrs)
                {
                    let mut path = parent.clone();
                    path.push(module.ident.to_string());
                    modules.insert(path);
                }
            }
        }
        for source in &mut self.sources {
            if let Some(path) = source.module()
                && modules.iter().any(|module| path.starts_with(module))
            {
                source.whole_file_is_test = true;
            }
        }
    }

    /// Sources below `src/`.
    pub(crate) fn product(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(|source| source.path.starts_with("src/"))
    }

    /// A text file by path.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.texts.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }
}

/// Fails the test with every finding on a line of its own.
pub(crate) fn demand_none(mut findings: Vec<Finding>) {
    findings.sort();
    findings.dedup();
    let list: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert!(list.is_empty(), "{} finding(s)\n{}\n", list.len(), list.join("\n"));
}

/// Whether one of the attributes removes the item from all but test builds.
pub(crate) fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        if attribute.path().is_ident("test") {
            return true;
        }
        if !attribute.path().is_ident("cfg") {
            return false;
        }
        let mut test_only = false;
        let read = attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("test") {
                test_only = true;
            } else if meta.path.is_ident("all") {
                meta.parse_nested_meta(|inner| {
                    test_only |= inner.path.is_ident("test");
                    skip_rest(&inner)
                })?;
            } else {
                skip_rest(&meta)?;
            }
            Ok(())
        });
        read.is_ok() && test_only
    })
}

/// Reads past `= value` or `( … )` of a meta item.
fn skip_rest(meta: &syn::meta::ParseNestedMeta<'_>) -> syn::Result<()> {
    if meta.input.peek(syn::token::Paren) {
        let inner;
        syn::parenthesized!(inner in meta.input);
        inner.parse::<proc_macro2::TokenStream>()?;
    } else if meta.input.peek(syn::Token![=]) {
        meta.value()?.parse::<syn::Expr>()?;
    }
    Ok(())
}

fn source_of(file: &TextFile, ast: syn::File) -> Source {
    let mut ranges = Ranges::default();
    ranges.visit_file(&ast);
    let mut parts = file.path.split('/');
    let whole_file_is_test = file.path.starts_with("sip-tests/")
        || file.path.starts_with("benches/")
        || parts.any(|part| part == "tests.rs" || part == "tests");
    Source {
        path: file.path.clone(),
        text: file.text.clone(),
        ast,
        whole_file_is_test,
        test_lines: ranges.test,
        inline_modules: ranges.modules,
    }
}

#[derive(Default)]
struct Ranges {
    test: Vec<Lines>,
    modules: Vec<(String, Lines)>,
}

fn lines_of(node: &impl syn::spanned::Spanned) -> Lines {
    let span = node.span();
    Lines { first: span.start().line, last: span.end().line }
}

macro_rules! note_test_items {
    ($($method:ident $node:ident),+ $(,)?) => {
        $(
            fn $method(&mut self, node: &'ast syn::$node) {
                if is_test_only(&node.attrs) {
                    self.test.push(lines_of(node));
                }
                visit::$method(self, node);
            }
        )+
    };
}

impl<'ast> Visit<'ast> for Ranges {
    note_test_items!(
        visit_item_const ItemConst,
        visit_item_enum ItemEnum,
        visit_item_fn ItemFn,
        visit_item_impl ItemImpl,
        visit_item_macro ItemMacro,
        visit_item_static ItemStatic,
        visit_item_struct ItemStruct,
        visit_item_trait ItemTrait,
        visit_item_type ItemType,
        visit_item_use ItemUse,
        visit_impl_item_fn ImplItemFn,
        visit_impl_item_const ImplItemConst,
        visit_field Field,
        visit_variant Variant,
        visit_arm Arm,
        visit_field_value FieldValue,
        visit_local Local,
    );

    fn visit_item_mod(&mut self, node: &'ast syn::ItemMod) {
        if is_test_only(&node.attrs) {
            self.test.push(lines_of(node));
        }
        if let Some((brace, _)) = &node.content {
            let range = Lines {
                first: brace.span.open().start().line,
                last: brace.span.close().end().line,
            };
            self.modules.push((node.ident.to_string(), range));
        }
        visit::visit_item_mod(self, node);
    }
}

/// What a walk over the disk gathers.
#[derive(Default)]
struct Found {
    entries: BTreeSet<String>,
    folders: BTreeSet<String>,
    texts: Vec<TextFile>,
}

impl Found {
    fn walk(&mut self, root: &Path, folder: &str) {
        let at = root.join(folder);
        let listing = match fs::read_dir(&at) {
            Ok(listing) => listing,
            Err(error) => panic!("cannot list {}: {error}", at.display()),
        };
        let mut names: Vec<String> = listing
            .filter_map(Result::ok)
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        for name in names {
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            if folder.is_empty() {
                self.entries.insert(name.clone());
            }
            if is_not_ours(folder, &name) {
                continue;
            }
            let on_disk = root.join(&path);
            if on_disk.is_symlink() {
                continue;
            }
            if on_disk.is_dir() {
                self.folders.insert(path.clone());
                self.walk(root, &path);
            } else if let Ok(text) = fs::read_to_string(&on_disk) {
                self.texts.push(TextFile { path, text });
            }
        }
    }
}

/// Folders of tools and of a running process.
fn is_not_ours(folder: &str, name: &str) -> bool {
    matches!(name, ".git" | "node_modules" | "__pycache__")
        || (folder.is_empty() && (matches!(name, "target" | "data") || name.ends_with(".log")))
}

#[test]
fn every_rust_file_parses() {
    let repo = Repo::here();
    assert!(repo.product().count() > 0, "no source found below src/: the rules would see nothing");
    demand_none(repo.unreadable);
}

#[test]
fn a_file_that_does_not_parse_is_found_with_its_line() {
    let repo = Repo::of(&[("src/sip/a.rs", "//! A.\nfn f( {\n")]);
    assert_eq!(repo.unreadable.len(), 1, "{:?}", repo.unreadable);
    assert_eq!(repo.unreadable[0].line, 2);
    assert!(repo.sources.is_empty());
}

#[test]
fn test_code_is_told_from_product_code() {
    let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n\
                #[cfg(all(test, feature = \"sim\"))]\nfn c() {}\n\
                #[cfg(any(test, feature = \"sim\"))]\nfn d() {}\n#[cfg(not(test))]\nfn e() {}\n";
    let repo = Repo::of(&[("src/sip/a.rs", text), ("src/sip/tests.rs", "fn x() {}\n")]);
    let source = &repo.sources[0];
    let seen: Vec<bool> = [1, 4, 7, 9, 11].iter().map(|line| source.is_test(*line)).collect();
    assert_eq!(seen, [false, true, true, false, false]);
    assert!(repo.sources[1].is_test(1));
}

#[test]
fn a_module_declared_for_tests_marks_its_files() {
    let repo = Repo::of(&[
        ("src/sip/mod.rs", "#[cfg(test)]\nmod torture;\nmod framing;\n"),
        ("src/sip/torture.rs", "fn x() {}\n"),
        ("src/sip/torture/corpus.rs", "fn x() {}\n"),
        ("src/sip/framing.rs", "fn x() {}\n"),
    ]);
    let seen: Vec<bool> = repo.sources.iter().map(|source| source.is_test(3)).collect();
    assert_eq!(seen, [false, true, true, false]);
}

#[test]
fn modules_follow_folders_and_inline_modules() {
    let repo = Repo::of(&[
        ("src/lib.rs", "mod sip;\n"),
        ("src/sip/mod.rs", "mod a {\n    mod b {\n        fn c() {}\n    }\n}\n"),
        ("sip-tests/x.rs", "fn x() {}\n"),
    ]);
    assert_eq!(repo.sources[0].module(), Some(Vec::new()));
    assert_eq!(repo.sources[1].module_at(3), Some(vec!["sip".into(), "a".into(), "b".into()]));
    assert_eq!(repo.sources[1].layer(), Some("sip"));
    assert_eq!(repo.sources[2].module(), None);
}
