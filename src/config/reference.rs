//! The pages `config/options.md` and `config/unsupported.md`, written from the register.

use std::fmt::Write as _;

use super::options::{FEATURES, OptionMeta, Scope, State, register};

const GENERATED: &str = "<!-- Written by the option register: \
     `SIPCLUSTER_WRITE=1 cargo test --test options` writes it again. -->\n";

/// Every option by scope.
#[must_use]
pub fn options_page() -> String {
    let mut page = format!("# Options\n\n{GENERATED}\n");
    page.push_str(
        "Names are the guide's, sections left out. A duration without a unit has the unit given here; `300 msec`, \
         `10 sec` and `60 min` are understood everywhere. States: *works*; *later* is read and checked and has no \
         effect in this version; *ignored* and *unsupported* are accepted with a warning and have no effect.\n",
    );
    for scope in Scope::ALL {
        let own: Vec<_> = register().filter(|meta| meta.scopes.contains(&scope)).collect();
        let title = scope.title();
        let _ = write!(
            page,
            "\n## {}{}\n\n",
            title.get(..1).unwrap_or_default().to_uppercase(),
            title.get(1..).unwrap_or_default()
        );
        if !scope.in_file() {
            page.push_str("Not part of the configuration file of this version.\n\n");
        }
        page.push_str(
            "| option | values | default | changes take effect | state | meaning | source |\n",
        );
        page.push_str("|---|---|---|---|---|---|---|\n");
        for meta in own {
            row(&mut page, meta);
        }
    }
    page
}

fn row(page: &mut String, meta: &OptionMeta) {
    let default =
        if meta.default.is_empty() { "–".to_owned() } else { format!("`{}`", meta.default) };
    let _ = writeln!(
        page,
        "| `{}` | {} | {default} | {} | {} | {} | {} |",
        cell(meta.name),
        cell(&meta.values()),
        meta.takes_effect.title(),
        meta.state.title(),
        cell(meta.meaning),
        cell(meta.guide)
    );
}

/// What is unsupported in cluster mode, with the answer each gets.
#[must_use]
pub fn unsupported_page() -> String {
    let mut page = format!("# Unsupported in cluster mode\n\n{GENERATED}\n");
    page.push_str("## Features\n\n| feature | answer |\n|---|---|\n");
    for feature in FEATURES {
        let _ = writeln!(page, "| {} | {} |", cell(feature.name), cell(feature.answer));
    }
    for (title, text, state) in [
        (
            "Options that the guide excludes",
            "`check` warns, the value has no effect. A key of a request has no effect either.",
            State::Unsupported,
        ),
        (
            "Options that something else decides, and other spellings",
            "`check` warns, the value has no effect.",
            State::IgnoredInCluster,
        ),
    ] {
        let _ = write!(
            page,
            "\n## {title}\n\n{text}\n\n| option | where | what counts instead |\n|---|---|---|\n"
        );
        for meta in register().filter(|meta| meta.state == state) {
            let scopes: Vec<_> = meta.scopes.iter().map(|scope| scope.title()).collect();
            let _ = writeln!(
                page,
                "| `{}` | {} | {} |",
                cell(meta.name),
                scopes.join("; "),
                cell(meta.meaning)
            );
        }
    }
    page
}

/// Text that does not end a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
