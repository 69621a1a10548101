//! The command line.
//!
//! [`parse`] reads it; `run`, `check` and `schema` are carried out by `main`, everything else by [`operate()`], which
//! asks a running process over HTTP and prints a table, or the process's own JSON with `--json`. [`load()`] plays phones.
//!
//! Exit codes: 0 good, 1 refused or failed, 2 wrong usage. An error is one line that says what to do.

mod http;
mod load;
mod operate;
mod table;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use load::{Load, load};
pub use operate::operate;

/// The configuration that `run` takes when none is named.
const DEFAULT_FILE: &str = "sipcluster.yaml";
/// Where operator commands ask when `--at` is absent.
const DEFAULT_AT: &str = "127.0.0.1:8080";

/// The command line as read.
#[derive(Clone, Debug, PartialEq, Eq, Parser)]
#[command(
    name = "sipcluster",
    version,
    about = "A contact-centre SIP cluster: SIP Proxies and cluster nodes",
    after_help = "Exit codes: 0 good, 1 refused or failed, 2 wrong usage."
)]
pub struct Cli {
    /// JSON instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Commands.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Run the applications of a configuration until a signal comes
    Run(Run),
    /// Check a configuration: every error with its place, and warnings
    Check(Check),
    /// Print the JSON Schema of the configuration
    Schema,
    /// Generate SIP load: register phones, call, answer, ask; and say what it cost
    Load(Box<Load>),
    /// Print the version of this program
    Version,
    /// Ask a running process.
    #[command(flatten)]
    Operate(Operate),
}

/// What `run` takes.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Run {
    /// Configuration: a YAML file, or a folder of them
    #[arg(value_name = "FILE", default_value = DEFAULT_FILE)]
    pub file: PathBuf,
    /// Run only this application; may be given several times [default: all that belong to this host]
    #[arg(long = "app", value_name = "NAME")]
    pub apps: Vec<String>,
}

/// What `check` takes.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Check {
    /// Configuration: a YAML file, or a folder of them
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Commands for a running process.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Operate {
    /// Applications of a running process and whether they are in service
    Status(At),
    /// Nodes, SIP Proxies and trunks as the process sees them
    Nodes(At),
    /// Calls that are up
    Calls(At),
    /// DNs with their owners and states, and what is registered for them
    Dns(At),
    /// Agents that are logged in
    Agents(At),
    /// Log an agent in at a DN, make it ready or not, log it out
    Agent(Box<Agent>),
    /// Take an application out of service: it accepts no new work and keeps its calls
    Drain(Drain),
}

/// Where a running process is asked.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct At {
    /// HTTP port of the process
    #[arg(long, value_name = "HOST:PORT", default_value = DEFAULT_AT, global = true)]
    pub at: String,
}

/// What `agent` takes.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Agent {
    /// DN at which the agent sits
    #[arg(value_name = "DN")]
    pub dn: String,
    /// What is to happen.
    #[command(subcommand)]
    pub what: AgentDoes,
    /// Where to ask.
    #[command(flatten)]
    pub at: At,
}

/// What becomes of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum AgentDoes {
    /// Log in
    Login {
        /// employee-id of the person
        #[arg(value_name = "AGENT")]
        agent_id: String,
        /// File with the person's password in its first line, - for standard input
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// Work mode and reasons.
        #[command(flatten)]
        how: How,
    },
    /// Take calls
    Ready {
        /// Work mode and reasons.
        #[command(flatten)]
        how: How,
    },
    /// Take no calls
    NotReady {
        /// Work mode and reasons.
        #[command(flatten)]
        how: How,
    },
    /// Log out
    Logout {
        /// Work mode and reasons.
        #[command(flatten)]
        how: How,
    },
}

/// Work mode and reasons of an agent's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct How {
    /// manual-in, auto-in, after-call-work, aux-work, no-call-disconnect, walk-away or return-back
    #[arg(long, value_name = "MODE")]
    pub work_mode: Option<String>,
    /// A reason for all who hear of it; may be given several times
    #[arg(long = "reason", value_name = "KEY=VALUE")]
    pub reasons: Vec<String>,
}

/// What `drain` takes.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Drain {
    /// Name of the application
    #[arg(value_name = "APP")]
    pub app: String,
    /// Where to ask.
    #[command(flatten)]
    pub at: At,
}

/// Reads the command line of this process. Wrong usage prints what is wrong and ends with 2; `--help` and `--version`
/// end with 0.
#[must_use]
pub fn parse() -> Cli {
    Cli::parse()
}
