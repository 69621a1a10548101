//! Keep-alive between T-Controllers, with the names that the trade has for it (ADDP): who has made
//! a link polls by one timer, who has accepted it by the other.

use super::core::Core;
use crate::base::id::NodeId;
use crate::base::limits::LINK_PING_TIME;
use crate::base::time::Duration;

/// Polls in the time after which a link is lost.
const POLLS_PER_SILENCE: u32 = 2;

/// Which polls are logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Polls of this node, and their answers.
    pub local: bool,
    /// Polls of others.
    pub remote: bool,
}

/// `addp-timeout`, `addp-remote-timeout`, `addp-trace`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addp {
    /// Silence after which the node that has made a link polls.
    pub local: Duration,
    /// The same for the one that has accepted it.
    pub remote: Duration,
    /// What is logged.
    pub trace: Trace,
}

impl Default for Addp {
    fn default() -> Self {
        Self { local: LINK_PING_TIME, remote: LINK_PING_TIME, trace: Trace::default() }
    }
}

impl Addp {
    /// Of options, where zero stands for the default.
    #[must_use]
    pub fn of(local: Duration, remote: Duration, trace: &str) -> Self {
        let or_default = |span: Duration| if span.is_zero() { LINK_PING_TIME } else { span };
        let is_all = matches!(trace, "full" | "both");
        Self {
            local: or_default(local),
            remote: or_default(remote),
            trace: Trace { local: is_all || trace == "local", remote: is_all || trace == "remote" },
        }
    }

    /// Silence after which this side of a link polls, and after which the link is lost.
    #[must_use]
    pub fn times(&self, is_dialled: bool) -> (Duration, Duration) {
        let poll = if is_dialled { self.local } else { self.remote };
        (poll, poll * POLLS_PER_SILENCE)
    }
}

impl Core {
    /// A poll of this node, or its answer.
    pub(super) fn trace_own_poll(&self, peer: NodeId, what: &str) {
        if self.settings.addp.trace.local {
            tracing::info!(node = %self.settings.name, peer = peer.application().get(), "ADDP: {what}");
        }
    }

    /// A poll of another node.
    pub(super) fn trace_poll(&self, peer: NodeId) {
        if self.settings.addp.trace.remote {
            tracing::info!(node = %self.settings.name, peer = peer.application().get(), "ADDP: poll received and answered");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_has_its_timer() {
        let s = Duration::from_secs;
        let given = Addp::of(s(7), s(11), "full");
        assert_eq!(given.times(true), (s(7), s(14)));
        assert_eq!(given.times(false), (s(11), s(22)));
        assert_eq!(Addp::of(s(0), s(0), "off"), Addp::default());
        for (word, local, remote) in [
            ("off", false, false),
            ("local", true, false),
            ("remote", false, true),
            ("both", true, true),
        ] {
            assert_eq!(Addp::of(s(1), s(1), word).trace, Trace { local, remote }, "{word}");
        }
    }
}
