//! No-answer supervision of agents: the owner of a DN counts how long its agent's phone
//! rings, whichever node has the call (guide, "No-Answer Supervision";
//! `genesys/sip-server.md` 3).
//!
//! ```text
//!  node of the call            owner of the DN
//!    │ CallFact: alerting            │
//!    ├──────────────────────────────▶│ an agent is logged in: EventRinging
//!    │ CallOrder: supervised         │
//!    │◀──────────────────────────────┤   (the Extension's own time does not count now)
//!    │                               │ agent-no-answer-timeout
//!    │                               │ agent-no-answer-action: EventAgentNotReady
//!    │ CallOrder: no answer          │ agent-no-answer-overflow: release
//!    │◀──────────────────────────────┤
//! ```

use super::core::{Core, Cx};
use crate::base::id::ConnId;
use crate::base::time::Duration;
use crate::call::facts::{Order, Wish};
use crate::cti::agent::{self, NoAnswerAction};

/// Time that the last word to the node of a call may take.
const ORDER_TIME: Duration = Duration::from_secs(3);

/// What becomes of a call that an agent does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// It rings on.
    #[default]
    None,
    /// It is given up.
    Release,
}

/// Options of no-answer supervision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `agent-no-answer-timeout`; zero is off.
    pub timeout: Duration,
    /// `agent-no-answer-action`.
    pub action: NoAnswerAction,
    /// `agent-no-answer-overflow`.
    pub overflow: Overflow,
    /// `nas-private`: also calls that do not count as business.
    pub private: bool,
}

impl Core {
    /// A call rings at a DN: it is counted how long, if an agent is logged in there.
    pub(super) fn supervise(&mut self, index: usize, conn_id: ConnId, cx: &mut Cx<'_>) {
        let options = self.settings.no_answer;
        let entry = &self.dns[index];
        let Some((side, fact, _)) = entry.calls.find(conn_id) else { return };
        let is_business = fact.is_business();
        if options.timeout.is_zero()
            || !self.is_own(index)
            || entry.agent.status().is_none()
            || !(is_business || options.private)
        {
            return;
        }
        let (call, party) = (fact.slot, side.party());
        // Should this node die meanwhile, the call's own node gives it up.
        let wish = Wish::Supervised(match options.overflow {
            Overflow::None => None,
            Overflow::Release => Some(options.timeout + ORDER_TIME),
        });
        let until = cx.now + options.timeout;
        self.dns[index].rings.insert(conn_id, until);
        self.arm_dn(index, until, cx);
        self.order(Order { call, conn_id, party, wish }, cx);
    }

    /// Calls at a DN that have rung long enough.
    pub(super) fn look_at_rings(&mut self, index: usize, cx: &mut Cx<'_>) {
        let entry = &mut self.dns[index];
        let calls = &entry.calls;
        entry.rings.retain(|conn_id, _| calls.is_ringing(*conn_id));
        let due: Vec<ConnId> = entry
            .rings
            .extract_if(.., |_, until| *until <= cx.now)
            .map(|(conn_id, _)| conn_id)
            .collect();
        if let Some(next) = self.dns[index].rings.values().copied().min() {
            self.arm_dn(index, next, cx);
        }
        for conn_id in due {
            self.on_no_answer(index, conn_id, cx);
        }
    }

    fn on_no_answer(&mut self, index: usize, conn_id: ConnId, cx: &mut Cx<'_>) {
        let options = self.settings.no_answer;
        let Some((side, fact, _)) = self.dns[index].calls.find(conn_id) else { return };
        let (call, party, wish) = (fact.slot, side.party(), Wish::NoAnswer);
        tracing::debug!(node = %self.settings.name, dn = %self.dns[index].name, %conn_id, "agent does not answer");
        // First the agent, as after-call work is told before the release.
        self.turn_agent(index, agent::Event::NoAnswer(options.action), cx);
        match options.overflow {
            Overflow::None => {}
            Overflow::Release => self.order(Order { call, conn_id, party, wish }, cx),
        }
    }
}
