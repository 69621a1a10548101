//! The list into which a machine pushes its actions, in order.

/// Actions of one turn of a machine, in the order of production. A machine that
/// fills it has a bug, which the assert shows; whoever turns the machine must
/// take everything out again.
#[derive(Debug)]
pub struct Outbox<A> {
    actions: Vec<A>,
    len_max: usize,
}

impl<A> Outbox<A> {
    /// An empty outbox for at most `len_max` actions between two drains.
    #[must_use]
    pub const fn new(len_max: usize) -> Self {
        Self { actions: Vec::new(), len_max }
    }

    /// Adds an action at the end.
    pub fn push(&mut self, action: A) {
        assert!(self.actions.len() < self.len_max, "outbox bound {} exceeded", self.len_max);
        self.actions.push(action);
    }

    /// Takes all actions out.
    pub fn drain(&mut self) -> std::vec::Drain<'_, A> {
        self.actions.drain(..)
    }

    /// Swaps the content with an empty, reusable vector.
    pub fn swap(&mut self, other: &mut Vec<A>) {
        core::mem::swap(&mut self.actions, other);
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// How many actions wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.actions.len()
    }
}

impl<A> Drop for Outbox<A> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            debug_assert!(self.actions.is_empty(), "an outbox is dropped with actions in it");
        }
    }
}
