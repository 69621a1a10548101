//! Calls of a world's nodes at its DNs.

use super::*;

impl Mesh {
    pub(super) fn end_call(&mut self, conn_id: ConnId) {
        let Some(at) = self.calls.iter().position(|(_, fact)| fact.conn_id == conn_id) else {
            return;
        };
        let (node, fact) = self.calls.swap_remove(at);
        let step = Step::Ended { by: EndedBy::Caller, code: 200, was_connected: true };
        self.on(node, Event::Fact(Box::new(CallFact { step, ..fact })));
    }

    pub(super) fn call(&mut self, node: NodeNumber) {
        let what = self.draw(6);
        if what < 4 && !self.calls.is_empty() {
            let at = self.draw(self.calls.len() as u64) as usize;
            if what < 2 {
                let by = CallParty::Callee;
                let step = if what == 0 { Step::Held(by) } else { Step::Retrieved(by) };
                let (node, fact) = self.calls[at].clone();
                if fact.step != Step::Connected {
                    return self.go_on(at, Step::Connected);
                }
                if what == 0 {
                    self.held.insert(fact.conn_id)
                } else {
                    self.held.remove(&fact.conn_id)
                };
                self.on(node, Event::Fact(Box::new(CallFact { step, ..fact })));
                return;
            }
            return self.end_call(self.calls[at].1.conn_id);
        }
        self.next_call += 1;
        let called = self.any_dn();
        self.calls.push((node, fact(node, self.next_call, called, Step::Dialing)));
        let at = self.calls.len() - 1;
        let steps = [Step::Dialing, Step::Alerting, Step::Connected];
        let last = 1 + self.draw(3) as usize;
        for step in &steps[..last] {
            self.go_on(at, *step);
        }
    }

    /// A call goes on.
    fn go_on(&mut self, at: usize, step: Step) {
        self.calls[at].1.step = step;
        let (node, fact) = self.calls[at].clone();
        self.on(node, Event::Fact(Box::new(fact)));
    }
}
