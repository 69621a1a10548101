//! After a turn that panicked: the request it worked on gets a 500, its branches
//! are cancelled, and nothing of it stays behind.

use super::core::{Action, Core, Counted, Cx};
use crate::base::flow::{Destination, Outbound};
use crate::base::time::Instant;

impl Core {
    /// Ends the request that the last turn worked on. Gives its Call-ID.
    pub fn on_panic(&mut self, cx: &mut Cx<'_>) -> Option<String> {
        cx.count(Counted::Panicked);
        let slot = self.touched.take()?;
        // What it armed may not have got out.
        self.transactions.woken(slot, Instant::NEVER);
        let Some(found) = self.transactions.get(slot) else {
            // Answered: it only wants to be woken for its end.
            self.settle(slot, cx);
            return None;
        };
        let call_id = String::from_utf8_lossy(found.request.call_id()).into_owned();
        if found.server.is_open() {
            self.answer(slot, 500, b"", &[], cx);
        } else if let (Some(bytes), false) = (&found.response, found.server.is_terminated()) {
            // It may not have left; twice does no harm.
            let to = Destination::Flow(found.flow);
            cx.out.push(Action::Send(Outbound { to, bytes: bytes.clone(), sender: None }));
        }
        self.cancel_branches(slot, true, cx);
        let found = self.transactions.get_mut(slot)?;
        found.waiting.clear();
        found.trying_at = Instant::NEVER;
        found.server_done |= found.server.is_terminated();
        for branch in &mut found.branches {
            if branch.client.is_terminated() {
                branch.done = true;
                branch.final_status = branch.final_status.max(408);
            }
            if branch.cancel.as_ref().is_some_and(|(client, _)| client.is_terminated()) {
                branch.cancel = None;
            }
        }
        self.settle(slot, cx);
        Some(call_id)
    }
}
