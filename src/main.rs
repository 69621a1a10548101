//! The `sipcluster` binary.

use sipcluster::config;
use sipcluster::observe::board::Board;
use sipcluster::observe::prometheus::Registry;
use sipcluster::roles::start::{Surroundings, start};
use sipcluster::runtime::clock::Clock;
use sipcluster::runtime::mailbox::Mailboxes;
use sipcluster::runtime::runner::StopSignal;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let path = args.get(2).cloned().unwrap_or_default();
    let loaded = match config::load(std::path::Path::new(&path)) {
        Ok(loaded) => loaded,
        Err(report) => {
            let _ = write!(std::io::stderr(), "{report}");
            return ExitCode::FAILURE;
        }
    };
    let names: Vec<String> = args.iter().skip(3).filter(|a| *a != "--app").cloned().collect();
    let _log = sipcluster::observe::log::init("info", false, None);
    let mut registry = Registry::new();
    let stop = StopSignal::new();
    let mailboxes = Mailboxes::new();
    let running = start(Surroundings {
        config: &loaded.config,
        names: &names,
        clock: Clock::start(),
        board: Arc::new(Board::new()),
        registry: &mut registry,
        mailboxes: &mailboxes,
        stop,
    });
    match running {
        Ok(running) => {
            for line in &running.listening {
                let _ = writeln!(std::io::stdout(), "{line}");
            }
            for thread in running.threads {
                let _ = thread.join();
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}
