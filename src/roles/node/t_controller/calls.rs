//! Calls of this node, as the DNs that are in them see them.

use super::core::{Asked, Core, Cx};
use crate::call::facts::CallFact;
use crate::cti::agent;
use crate::cti::calls::{Meaning, Side};

impl Core {
    /// A call has gone on: caller and called hear of it, if they are DNs.
    pub(super) fn on_fact(&mut self, fact: &CallFact, cx: &mut Cx<'_>) {
        for (side, dn) in [(Side::Caller, fact.caller_dn()), (Side::Called, fact.called_dn())] {
            let index = dn.and_then(|dn| self.names.get(dn)).copied();
            // What was a phone when the call began hears of its end.
            let hears = |index: &usize| {
                let entry = &self.dns[*index];
                entry.kind.is_phone() || !entry.calls.is_empty()
            };
            let Some(index) = index.filter(hears) else { continue };
            for meaning in self.dns[index].calls.on_fact(side, fact) {
                self.mean(index, meaning, cx);
            }
        }
    }

    fn mean(&mut self, index: usize, meaning: Meaning, cx: &mut Cx<'_>) {
        let event = match meaning {
            Meaning::Tell(kind, attributes) => {
                return self.publish(index, kind, *attributes, &mut Asked::default(), cx);
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
