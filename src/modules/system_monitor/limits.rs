//! Bounds of the HTTP server.

use core::time::Duration;

/// Connections at a time; the next ones wait in the queue of the socket.
pub(super) const CONNECTIONS_MAX: usize = 128;
/// Connections that wait to be accepted.
pub(super) const BACKLOG_LEN_MAX: i32 = 128;
/// Time for which a connection may neither give nor take a byte.
pub(super) const IDLE_TIME: Duration = Duration::from_secs(15);
/// Time that the parts of an application have to list their calls or registrations: several of their publications.
pub(super) const ROWS_TIME: Duration = Duration::from_secs(1);
/// How often it is looked whether they have.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// Time that requests under way have when the process ends.
pub(super) const END_TIME: Duration = Duration::from_millis(500);
/// Time that a T-Controller has to answer an operator, another node's included.
pub(super) const DESK_TIME: Duration = Duration::from_secs(5);
/// Bytes of a request's body.
pub(super) const BODY_LEN_MAX: usize = 64 << 10;
