//! The `sipcluster` binary: arguments to configuration to a running process.

use sipcluster::cli::{self, Command};
use sipcluster::config;
use sipcluster::roles::run::run;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Transactions come by the thousand and stay for half a minute. The arenas of glibc
/// grow by a system call for every page of them; and huge pages, which cost a virtual
/// machine more than they save, are left out by a feature of the crate.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::parse();
    match &cli.command {
        Command::Run(asked) => match run(&asked.file, &asked.apps, &mut std::io::stdout()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => refused(&error.to_string()),
        },
        Command::Check(asked) => check(&asked.file, cli.json),
        Command::Schema => {
            let schema = config::schema();
            // A reader that has gone needs no answer.
            let _ = writeln!(std::io::stdout(), "{schema:#}");
            ExitCode::SUCCESS
        }
        Command::Load(asked) => cli::load(asked, cli.json),
        Command::Version | Command::Operate(_) => cli::operate(&cli),
    }
}

fn refused(text: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
    ExitCode::FAILURE
}

/// Every finding with its place; 1 when one of them is an error.
fn check(file: &Path, json: bool) -> ExitCode {
    let (report, good) = match config::load(file) {
        Ok(loaded) => (loaded.report, true),
        Err(report) => (report, false),
    };
    let text = if json {
        serde_json::to_string_pretty(&report).unwrap_or_default()
    } else {
        report.to_string()
    };
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
    if !json && good {
        let _ = writeln!(std::io::stdout(), "{}: good", file.display());
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
