//! What everybody may read of a DN without asking: a hint in one word (`decisions.md` 7).

use super::id::NodeId;

/// A DN's place in the table of its application; a reload never renumbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DnIndex(pub u32);

impl DnIndex {
    /// Of a DN that no table has; what is read there is that nothing is known.
    pub const NONE: Self = Self(u32::MAX);
}

/// Who owns a DN, and what its owner has told of it. It may be old by the time that a message
/// takes: who acts by it is refused or corrected where the truth is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DnWord {
    /// The node that owns it.
    pub owner: Option<NodeId>,
    /// Epoch of that claim.
    pub epoch: u32,
    /// The node where its calls are: what starts next at the DN belongs there.
    pub calls_at: Option<NodeId>,
    /// Do not disturb.
    pub dnd: bool,
}

const NODE_MASK: u64 = 0xfff;
const OWNER_SHIFT: u32 = 52;
const CALLS_SHIFT: u32 = 40;
const DND: u64 = 1 << 32;

impl DnWord {
    /// As one word: owner (12 bits), node of its calls (12), state (8), epoch (32). Zero is a DN
    /// of which nothing is known.
    #[must_use]
    pub fn pack(self) -> u64 {
        let node = |node: Option<NodeId>| node.map_or(0, |node| u64::from(node.get()) & NODE_MASK);
        node(self.owner) << OWNER_SHIFT
            | node(self.calls_at) << CALLS_SHIFT
            | if self.dnd { DND } else { 0 }
            | u64::from(self.epoch)
    }

    /// Reads such a word.
    #[must_use]
    pub fn unpack(word: u64) -> Self {
        let node = |shift: u32| NodeId::new((word >> shift & NODE_MASK) as u16);
        Self {
            owner: node(OWNER_SHIFT),
            epoch: word as u32,
            calls_at: node(CALLS_SHIFT),
            dnd: word & DND != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_as_it_was_written() {
        let nodes = [None, NodeId::new(1), NodeId::new(2_730), NodeId::new(4_095)];
        for owner in nodes {
            for calls_at in nodes {
                for (dnd, epoch) in [(false, 0), (true, 0), (false, u32::MAX), (true, 1 << 31)] {
                    let word = DnWord { owner, epoch, calls_at, dnd };
                    assert_eq!(DnWord::unpack(word.pack()), word);
                }
            }
        }
        assert_eq!(DnWord::unpack(0), DnWord::default());
    }
}
