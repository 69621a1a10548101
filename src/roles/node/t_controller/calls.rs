//! Calls of this node, as the DNs that are in them see them.

use super::core::{Asked, Core, Cx};
use crate::base::id::ConnId;
use crate::call::facts::CallFact;
use crate::cti::agent;
use crate::cti::calls::{Meaning, Side};
use crate::cti::tlib::EventType;

impl Core {
    /// A call has gone on: caller and called hear of it, if they are DNs.
    pub(super) fn on_fact(&mut self, fact: &CallFact, cx: &mut Cx<'_>) {
        let is_end = fact.is_end();
        let parties = self.parties(fact);
        self.note_running(fact, parties.iter().any(|(_, index)| !self.is_own(*index)));
        for (side, index) in parties {
            let owner = self.owner_elsewhere(index);
            match owner.filter(|_| !self.dns[index].calls.knows(fact.conn_id)) {
                Some(owner) => self.note_told(fact.conn_id, owner),
                None => self.on_side(side, index, fact, cx),
            }
        }
        // Who has owned a DN of the call before has it still.
        let told = self.running.get(&fact.conn_id).map(|running| running.told.clone());
        for node in told.unwrap_or_default() {
            self.send_fact(node, fact, cx);
        }
        if is_end {
            self.end_running(fact.conn_id);
        }
    }

    /// The DNs of a call that hear of it.
    pub(super) fn parties(&self, fact: &CallFact) -> Vec<(Side, usize)> {
        let sides = [(Side::Caller, fact.caller_dn()), (Side::Called, fact.called_dn())];
        let known = sides.into_iter().filter_map(|(side, dn)| {
            let index = self.names.get(dn?).copied()?;
            let entry = &self.dns[index];
            // What was a phone when the call began hears of its end.
            (entry.kind.is_phone() || !entry.calls.is_empty()).then_some((side, index))
        });
        known.collect()
    }

    /// A call has gone on at a DN that is in it.
    pub(super) fn on_side(&mut self, side: Side, index: usize, fact: &CallFact, cx: &mut Cx<'_>) {
        // Who is to hear of it is told how the DN is when that is known.
        let is_untold = self.is_settling(index);
        for meaning in self.dns[index].calls.on_fact(side, fact) {
            if is_untold && matches!(meaning, Meaning::Tell(..)) {
                continue;
            }
            self.mean(index, fact.conn_id, meaning, cx);
        }
        self.look_at_standing(index, cx);
        if fact.is_end() {
            self.releases.remove(&(fact.conn_id, index));
        }
        self.look_at_leaving(index, cx);
    }

    fn mean(&mut self, index: usize, conn_id: ConnId, meaning: Meaning, cx: &mut Cx<'_>) {
        let event = match meaning {
            Meaning::Tell(kind, attributes) => {
                let is_over = matches!(kind, EventType::EventReleased | EventType::EventAbandoned);
                let mut asked =
                    if is_over { self.released(conn_id, index) } else { Asked::default() };
                self.publish(index, kind, *attributes, &mut asked, cx);
                if kind == EventType::EventRinging {
                    self.supervise(index, conn_id, cx);
                }
                return;
            }
            Meaning::Begun { is_business } => agent::Event::CallBegun { is_business },
            Meaning::Stopped { is_business } => {
                agent::Event::CallEnded { is_business, wrap_up: None, legal_guard: None }
            }
            Meaning::Busy => agent::Event::Busy,
        };
        self.turn_agent(index, event, cx);
    }
}
