//! The life of a process: start, signals, commands, reload, end.

use super::start::{Running, Surroundings, start};
use crate::config::{self, Config, Loaded};
use crate::modules::system_monitor::{
    self, Command, CommandSender, Monitor, MonitorError, Sources,
};
use crate::modules::wiring::{StartError, ip};
use crate::observe::board::Board;
use crate::observe::families::Build;
use crate::observe::log::{LogError, LogHandle};
use crate::observe::prometheus::Registry;
use crate::runtime::clock::Clock;
use crate::runtime::mailbox::Mailboxes;
use crate::runtime::runner::StopSignal;
use core::net::SocketAddr;
use core::time::Duration;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};

/// Commands that may wait.
const COMMANDS_WAITING_MAX: usize = 64;
/// How often the main thread looks whether a module thread has died.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// Why a process does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration, every finding with its place.
    #[error("{0}")]
    Configuration(config::Report),
    /// A socket, a name, a file.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The HTTP port.
    #[error(transparent)]
    Monitor(#[from] MonitorError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The system's signals cannot be received.
    #[error("signals cannot be received: {0}")]
    Signals(std::io::Error),
    /// A module thread died.
    #[error("a module thread died; the log names it")]
    Died,
}

/// Runs the applications of a file, all of them or the named ones, until a
/// signal comes. `out` gets the lines for people.
///
/// # Errors
/// When it cannot start, or ends otherwise than asked.
pub fn run(file: &Path, names: &[String], out: &mut dyn Write) -> Result<(), RunError> {
    let loaded = load(file, names)?;
    let settings = &loaded.config.log;
    let log = crate::observe::log::init(
        settings.level.as_str(),
        settings.format == config::LogFormat::Json,
        settings.file.as_deref(),
    )?;
    for finding in &loaded.report.findings {
        tracing::debug!(%finding, "configuration");
    }
    let clock = Clock::start();
    let (stop, mailboxes, board) = (StopSignal::new(), Mailboxes::new(), Arc::new(Board::new()));
    let mut registry = Registry::new();
    let build = Build::register(&mut registry, env!("CARGO_PKG_VERSION"));
    build.config_generation.set(1);
    let running = start(Surroundings {
        config: &loaded.config,
        names,
        clock,
        board: board.clone(),
        registry: &mut registry,
        mailboxes: &mailboxes,
        stop: stop.clone(),
    });
    let running = running.inspect_err(|_| stop.stop())?;
    for thread in &running.threads {
        registry.add(thread.stats());
    }
    let (commands, waiting) = sync_channel(COMMANDS_WAITING_MAX);
    let monitor = match http_address(&loaded.config, names)? {
        Some(listen) => {
            let sources = Sources {
                board,
                registry: Arc::new(registry),
                mailboxes: Box::new(move || mailboxes.stats()),
                desks: running
                    .nodes
                    .iter()
                    .filter_map(|(name, node)| Some((name.clone(), node.desk()?)))
                    .collect(),
                commands: commands.clone(),
                clock,
                version: env!("CARGO_PKG_VERSION"),
            };
            Some(
                system_monitor::start(listen, sources, stop.clone())
                    .inspect_err(|_| stop.stop())?,
            )
        }
        None => None,
    };
    signals(commands, stop.clone()).map_err(RunError::Signals)?;
    greet(out, &loaded.config, &running, monitor.as_ref());
    obey(file, loaded, &running, &waiting, &stop, &log, &build);
    for thread in running.threads {
        let _ = thread.join();
    }
    if let Some(monitor) = monitor {
        let _ = monitor.join();
    }
    if stop.has_failed() { Err(RunError::Died) } else { Ok(()) }
}

fn load(file: &Path, names: &[String]) -> Result<Loaded, RunError> {
    let loaded = config::load(file).map_err(RunError::Configuration)?;
    if !names.is_empty() {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let report = config::check_for_processes(&loaded.config, &names);
        if report.has_errors() {
            return Err(RunError::Configuration(report));
        }
    }
    Ok(loaded)
}

/// An application's own HTTP port counts where it runs in its own process.
fn http_address(config: &Config, names: &[String]) -> Result<Option<SocketAddr>, StartError> {
    if let [name] = names
        && let Some(application) = config.application(name)
        && let Some(port) = application.ports.http
    {
        return Ok(Some(SocketAddr::new(ip(application)?, port)));
    }
    Ok(config.http)
}

fn greet(out: &mut dyn Write, config: &Config, running: &Running, monitor: Option<&Monitor>) {
    let mut lines = running.listening.clone();
    if let Some(monitor) = monitor {
        lines.push(format!("HTTP on {} (/readyz, /metrics, /api/v1/status)", monitor.address()));
    }
    if config.applications.len() == running.threads.len() || running.listening.len() > 1 {
        lines.push("Try:".to_owned());
        lines.extend(TRY.map(|line| format!("  {line}")));
    }
    for line in lines {
        // A terminal that is gone is no reason not to run.
        let _ = writeln!(out, "{line}");
    }
    let _ = out.flush();
}

/// Three lines to try against the quickstart.
const TRY: [&str; 3] = [
    "sipp -sf sipp-scenarios/try/register.xml 127.0.0.1:5060 -s 7001 -ap secret-7001 -i 127.0.0.12 -p 5062 -m 1",
    "sipp -sf sipp-scenarios/try/phone.xml -s 7001 -i 127.0.0.12 -p 5062 -m 1",
    "sipp -sf sipp-scenarios/try/call.xml 127.0.0.1:5060 -s 7001 -i 127.0.0.1 -p 5080 -m 1",
];

/// Turns signals into commands, on a thread of their own.
fn signals(commands: CommandSender, stop: StopSignal) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let entered = runtime.enter();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    drop(entered);
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            loop {
                let command = tokio::select! {
                    _ = terminate.recv() => Command::Stop,
                    _ = interrupt.recv() => Command::Stop,
                    _ = hang_up.recv() => Command::Reload,
                    () = stop.wait() => return,
                };
                let _ = commands.try_send(command);
            }
        });
    })?;
    Ok(())
}

fn obey(
    file: &Path,
    mut loaded: Loaded,
    running: &Running,
    waiting: &Receiver<Command>,
    stop: &StopSignal,
    log: &LogHandle,
    build: &Build,
) {
    let mut generation = 1;
    while !stop.is_stopped() {
        match waiting.recv_timeout(LOOK_INTERVAL) {
            Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => stop.stop(),
            Ok(Command::Drain(name)) => match running.nodes.get(&name) {
                Some(node) => {
                    tracing::info!(node = %name, "drains: new calls go to other nodes");
                    node.ready(false);
                }
                None => tracing::warn!(node = %name, "is no node of this process and cannot drain"),
            },
            Ok(Command::Reload) => {
                if let Some(new) = reload(file, &loaded, running, log) {
                    generation += 1;
                    build.config_generation.set(generation);
                    loaded = new;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// Reads the file again; a bad one changes nothing.
fn reload(file: &Path, current: &Loaded, running: &Running, log: &LogHandle) -> Option<Loaded> {
    match config::reload(file, &current.config) {
        Ok((new, changes)) => {
            match running.configured(&new.config) {
                Ok(configured) => configured.apply(),
                Err(error) => {
                    tracing::warn!(%error, "configuration not reloaded, the old one stays");
                    return None;
                }
            }
            if let Err(error) = log.set_level(new.config.log.level.as_str()) {
                tracing::warn!(%error, "log level stays");
            }
            for change in &changes {
                tracing::info!(%change, "configuration changed");
            }
            tracing::info!(changes = changes.len(), "configuration reloaded");
            Some(new)
        }
        Err(report) => {
            tracing::warn!(%report, "configuration not reloaded, the old one stays");
            None
        }
    }
}
