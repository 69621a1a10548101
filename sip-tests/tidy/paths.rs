//! Every path that a source names, in code, in `use` trees and inside macros.
//!
//! Read from tokens, since `syn` leaves the arguments of macros unparsed. Paths in comments do not
//! count: documentation may point anywhere.

use std::str::FromStr;

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

use crate::repo::Source;

/// A path as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// Its segments; a glob ends with `*`.
    pub(crate) segments: Vec<String>,
    /// Line of its first segment.
    pub(crate) line: usize,
}

/// Paths of at least two segments, in the order of the file.
pub(crate) fn named_paths(source: &Source) -> Vec<Named> {
    let mut out = Vec::new();
    scan(&trees(tokens_of(&source.text)), &mut out);
    out
}

/// The paths that lead into our own package, from its root, with lines: `crate::`, `sipcluster::`
/// in a binary, and `self::` and `super::` resolved.
pub(crate) fn own_paths(source: &Source) -> Vec<Named> {
    let mut out = Vec::new();
    for named in named_paths(source) {
        let Some(mut here) = source.module_at(named.line) else {
            continue;
        };
        let mut rest = named.segments.as_slice();
        match rest[0].as_str() {
            "crate" | "sipcluster" => {
                here.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|segment| segment == "super") {
                    here.pop();
                    rest = &rest[1..];
                }
            }
            _ => continue,
        }
        here.extend(rest.iter().cloned());
        out.push(Named { segments: here, line: named.line });
    }
    out
}

/// The tokens of a text, none where it does not lex.
pub(crate) fn tokens_of(text: &str) -> TokenStream {
    TokenStream::from_str(text).unwrap_or_default()
}

/// The tokens of a stream as a list.
pub(crate) fn trees(stream: TokenStream) -> Vec<TokenTree> {
    stream.into_iter().collect()
}

/// Whether `::` stands at an index.
pub(crate) fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    matches!(
        (tokens.get(at), tokens.get(at + 1)),
        (Some(TokenTree::Punct(first)), Some(TokenTree::Punct(second)))
            if first.as_char() == ':'
                && first.spacing() == Spacing::Joint
                && second.as_char() == ':'
    )
}

/// Whether the token at an index goes on a path that began before it, as `new` in `Vec::<u8>::new`.
fn continues_a_path(tokens: &[TokenTree], at: usize) -> bool {
    if at < 3 || !is_path_separator(tokens, at - 2) {
        return false;
    }
    match &tokens[at - 3] {
        TokenTree::Punct(punct) => punct.as_char() == '>',
        TokenTree::Ident(_) | TokenTree::Group(_) | TokenTree::Literal(_) => false,
    }
}

/// Whether a path can begin with this word: not with `use` of `use ::std::fmt`.
fn may_begin(ident: &proc_macro2::Ident) -> bool {
    let word = ident.to_string();
    !matches!(
        word.as_str(),
        "as" | "dyn"
            | "else"
            | "for"
            | "if"
            | "impl"
            | "in"
            | "match"
            | "move"
            | "mut"
            | "ref"
            | "return"
            | "use"
            | "where"
            | "while"
    )
}

fn scan(tokens: &[TokenTree], out: &mut Vec<Named>) {
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(ident) if may_begin(ident) && !continues_a_path(tokens, at) => {
                at = path_from(tokens, at, &[], out);
            }
            TokenTree::Group(group) => {
                scan(&trees(group.stream()), out);
                at += 1;
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => at += 1,
        }
    }
}

/// Reads one path that begins at an identifier and gives the index behind it.
fn path_from(
    tokens: &[TokenTree],
    mut at: usize,
    prefix: &[String],
    out: &mut Vec<Named>,
) -> usize {
    let mut segments = prefix.to_vec();
    let line = tokens[at].span().start().line;
    segments.push(tokens[at].to_string());
    at += 1;
    while is_path_separator(tokens, at) {
        match tokens.get(at + 2) {
            Some(TokenTree::Ident(ident)) => {
                segments.push(ident.to_string());
                at += 3;
            }
            Some(TokenTree::Punct(punct)) if punct.as_char() == '*' => {
                segments.push("*".to_owned());
                at += 3;
                break;
            }
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                use_tree(&trees(group.stream()), &segments, out);
                return at + 3;
            }
            Some(_) | None => break,
        }
    }
    if segments.len() > 1 {
        if segments.last().is_some_and(|segment| segment == "self") {
            segments.pop();
        }
        out.push(Named { segments, line });
    }
    at
}

/// The branches of `{a, b::c, d as e, *}` below a prefix.
fn use_tree(tokens: &[TokenTree], prefix: &[String], out: &mut Vec<Named>) {
    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(p) if p.as_char() == ',');
    for branch in tokens.split(is_comma) {
        match branch.first() {
            Some(TokenTree::Ident(_)) => {
                path_from(branch, 0, prefix, out);
            }
            Some(star @ TokenTree::Punct(punct)) if punct.as_char() == '*' => {
                let mut segments = prefix.to_vec();
                segments.push("*".to_owned());
                out.push(Named { segments, line: star.span().start().line });
            }
            Some(_) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{named_paths, own_paths};
    use crate::repo::Repo;

    fn named(text: &str) -> Vec<String> {
        let repo = Repo::of(&[("src/sip/a.rs", text)]);
        named_paths(&repo.sources[0]).iter().map(|named| named.segments.join("::")).collect()
    }

    fn own(path: &str, text: &str) -> Vec<String> {
        let repo = Repo::of(&[(path, text)]);
        own_paths(&repo.sources[0]).iter().map(|named| named.segments.join("::")).collect()
    }

    #[test]
    fn use_trees_are_unfolded() {
        let text = "use crate::{base::id::{self, NodeId as N}, sip::*};\nuse ::std::net::IpAddr;\n";
        assert_eq!(
            named(text),
            ["crate::base::id", "crate::base::id::NodeId", "crate::sip::*", "std::net::IpAddr"]
        );
    }

    #[test]
    fn paths_inside_macros_and_types_are_seen() {
        let text = "fn f(x: crate::a::B) -> Vec<crate::c::D> { assert_eq!(x, crate::e::F); todo }";
        assert_eq!(named(text), ["crate::a::B", "crate::c::D", "crate::e::F"]);
    }

    #[test]
    fn a_turbofish_does_not_start_a_new_path() {
        assert_eq!(
            named("fn f() { std::mem::size_of::<u8>(); Vec::<u8>::new(); }"),
            ["std::mem::size_of"]
        );
    }

    #[test]
    fn comments_name_nothing() {
        assert!(
            named("//! See [`crate::sip::A`].\n// crate::b::C\n/* crate::d::E */\n").is_empty()
        );
    }

    #[test]
    fn parents_are_resolved() {
        assert_eq!(
            own("src/sip/message/scan.rs", "use super::super::dialog::D;"),
            ["sip::dialog::D"]
        );
        assert_eq!(own("src/sip/mod.rs", "mod t { use super::super::call::C; }"), ["call::C"]);
        assert_eq!(own("src/sip/mod.rs", "use self::a::B;"), ["sip::a::B"]);
        assert_eq!(own("src/main.rs", "use sipcluster::roles::Role;"), ["roles::Role"]);
    }

    #[test]
    fn foreign_paths_are_not_ours() {
        assert!(own("src/sip/mod.rs", "use std::fmt; use bytes::Bytes;").is_empty());
    }
}
