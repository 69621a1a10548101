//! Configuration: from YAML files to one immutable, checked [`Config`].
//!
//! A file is read into a tree that knows the place of every key and value
//! (`tree`), each object is read from it by the keys of `shape` and the option
//! register (`options`), and what concerns several objects is checked at the
//! end (`check`). Nothing stops at the first error: a [`Report`] names all of
//! them, and with an error among them there is no [`Config`] at all.

mod build;
mod check;
mod fields;
mod model;
mod numbering;
pub mod options;
pub mod reference;
mod reload;
mod report;
mod schema;
mod shape;
mod tree;

use std::path::{Path, PathBuf};

pub use check::check_for_processes;
pub use model::{
    AppRole, Application, Client, Config, Dn, DnKind, DnObject, DnRange, DnsZone, Group, Host,
    LogFormat, LogLevel, LogSettings, Person, Ports, Secret, ServiceType, Switch, SwitchKind,
    Tenant, Threading,
};
pub use options::{
    Effect, OptionMeta, OptionValue, Options, Scope, State, Unit, UnsupportedFeature, ValueKind,
    find, find_in, register,
};
pub use reload::{Change, difference, reload};
pub use report::{Finding, Place, Report, Severity};
pub use schema::schema;

/// Size of one file, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Size of a file that holds a secret, in bytes.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// A configuration and what is to be said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Warnings and notes; never an error.
    pub report: Report,
}

/// Reads a YAML file, or every `.yaml` and `.yml` file of a folder in the order
/// of their names, their lists joined. `${NAME}` is taken from the environment
/// of the process.
///
/// # Errors
/// Every error at once, with warnings and notes between them.
pub fn load(path: &Path) -> Result<Loaded, Report> {
    let mut report = Report::default();
    let files = files_of(path, &mut report);
    let mut texts = Vec::with_capacity(files.len());
    for file in files {
        match read_bounded(&file, FILE_BYTES_MAX) {
            Ok(text) => texts.push((file.display().to_string(), text)),
            Err(error) => report.error(
                &Place::whole(&file.display().to_string()),
                format!("cannot be read: {error}"),
            ),
        }
    }
    if report.has_errors() {
        return Err(report);
    }
    let texts: Vec<_> = texts.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
    load_texts(&texts, &path.display().to_string(), &|name| std::env::var(name).ok())
}

/// Reads one text as if it were the file of that name; `*_file` is looked for in
/// the folder of that name.
///
/// # Errors
/// Every error at once, with warnings and notes between them.
pub fn load_text(
    text: &str,
    file: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, Report> {
    load_texts(&[(file, text)], file, env)
}

fn load_texts(
    texts: &[(&str, &str)],
    whole: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, Report> {
    let mut report = Report::default();
    let roots: Vec<_> =
        texts.iter().filter_map(|(file, text)| tree::parse(text, file, env, &mut report)).collect();
    let readable = !report.has_errors();
    let read = |path: &Path| read_bounded(path, SECRET_BYTES_MAX);
    let mut config = build::config(&roots, &mut build::Reader { report: &mut report, read: &read });
    // A file that cannot be read to its end leaves holes at which every reference would dangle.
    if readable {
        check::check(&mut config, &Place::whole(whole), &mut report);
    }
    report.sort();
    if report.has_errors() { Err(report) } else { Ok(Loaded { config, report }) }
}

fn files_of(path: &Path, report: &mut Report) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_path_buf()];
    }
    let whole = Place::whole(&path.display().to_string());
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => {
            report.error(&whole, format!("cannot be read: {error}"));
            return Vec::new();
        }
    };
    let is_yaml = |file: &PathBuf| {
        file.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
    };
    let mut files: Vec<_> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_yaml).collect();
    files.sort();
    if files.is_empty() {
        report.error(&whole, "the folder holds no .yaml file");
    }
    files
}

fn read_bounded(path: &Path, bytes_max: u64) -> std::io::Result<String> {
    let bytes = std::fs::metadata(path)?.len();
    if bytes > bytes_max {
        return Err(std::io::Error::other(format!("it has {bytes} bytes, more than {bytes_max}")));
    }
    std::fs::read_to_string(path)
}

#[cfg(test)]
mod tests;
