//! System Monitor (the guide's thread 1536): HTTP for health, metrics and operators.
//!
//! It reads snapshots from the [`Board`] and numbers from the [`Registry`], and passes requests of operators on as
//! [`Command`]s. It owns its listening socket and decides nothing, so there is no `core.rs`; and it is no module that
//! takes turns, because nothing is told to it: an HTTP server runs on a thread of its own, where a slow reader holds
//! up no call.
//!
//! | path | gives |
//! |---|---|
//! | `GET /livez` | 200 `ok` while the process runs |
//! | `GET /readyz` | 200 or 503, `{"ready":…,"reasons":[…]}` |
//! | `GET /metrics` | OpenMetrics, or Prometheus text where it is not asked for |
//! | `GET /api/v1/status` | version, time since the start, applications |
//! | `GET /api/v1/nodes` | nodes, SIP Proxies and trunks, each as seen by an application of this process; its T-Controllers, their links and clients |
//! | `GET /api/v1/calls` | calls that the nodes of this process hold |
//! | `GET /api/v1/dns` | DNs with their owners as the T-Controllers of this process know them; registrations that its SIP Proxies hold |
//! | `GET /api/v1/agents` | agents at the DNs that the nodes of this process own |
//! | `POST /api/v1/agents/{dn}/login` | logs an agent in: `{"agent_id":…,"password":…,"work_mode":…,"reasons":{…}}` |
//! | `POST /api/v1/agents/{dn}/ready`, `/not-ready`, `/logout` | the same for its state: `{"work_mode":…,"reasons":{…}}` or no body |
//! | `GET /api/v1/mailboxes` | mailboxes between modules |
//! | `POST /api/v1/drain/{app}` | 202: the application takes no new work |
//! | `POST /api/v1/reload` | 202: the configuration is read again; the log tells how that went |
//!
//! Calls and registrations are listed for who asks: an answer waits until each thread that holds some has published
//! again, and a second at most. Everything else is on the board.
//!
//! Errors are `application/problem+json` (RFC 9457). There is no login: listen on loopback or on a network for
//! operators. A `POST` that a browser sends on behalf of a web page is refused.

mod agents;
mod limits;
mod problem;
mod routes;
mod serve;
mod views;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::cti::tlib::{Attributes, Event, RequestType};
use crate::observe::board::Board;
use crate::observe::prometheus::Registry;
use crate::runtime::clock::Clock;
use crate::runtime::mailbox::MailboxStats;

pub use serve::{Monitor, MonitorError, start};

/// What an operator asks the process to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The application takes no new work and answers OPTIONS with 503.
    Drain(String),
    /// Read the configuration again.
    Reload,
    /// End the process in good order.
    Stop,
}

/// The bounded queue by which commands reach the thread that runs the process. When it is full, the operator is told
/// to try again.
#[expect(clippy::disallowed_types, reason = "its receiver is the main thread, which is no module")]
pub type CommandSender = std::sync::mpsc::SyncSender<Command>;

/// Has the T-Controller of an application work on a request about a DN, as if a desktop had asked; `None` when too much
/// waits there.
pub type Desk =
    Box<dyn Fn(RequestType, Attributes) -> Option<oneshot::Receiver<Event>> + Send + Sync>;

/// Gives the numbers of all mailboxes of the process.
pub type MailboxSource = Box<dyn Fn() -> Vec<MailboxStats> + Send + Sync>;

/// Where the System Monitor reads, and whom it tells.
pub struct Sources {
    /// Snapshots of the applications of this process.
    pub board: Arc<Board>,
    /// Cells of `/metrics`. The board is not among them: it is read in any case.
    pub registry: Arc<Registry>,
    /// Mailboxes.
    pub mailboxes: MailboxSource,
    /// T-Controllers of this process, by application.
    pub desks: BTreeMap<String, Desk>,
    /// Where commands go.
    pub commands: CommandSender,
    /// The clock of the process, which began with it.
    pub clock: Clock,
    /// Version of the program.
    pub version: &'static str,
}
