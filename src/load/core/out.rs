//! What a turn of the machines asks for, and the names by which its answers find the way back.

use core::net::SocketAddr;

use crate::base::id::{GENERATION_MASK, Slot};
use crate::base::time::Instant;

/// The branch of RFC 3261 starts with it (8.1.1.7).
const COOKIE: &[u8] = b"z9hG4bK";
const HEX: &[u8; 16] = b"0123456789abcdef";
const ID_LEN: usize = 23;

/// The two sides of a generator, each with its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Registers and calls.
    Calling,
    /// Is called.
    Answering,
}

/// Which table a machine is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// REGISTER and OPTIONS.
    Request,
    /// The calling end of a call.
    Caller,
    /// The called end.
    Callee,
}

/// A machine. As text it is the tag and the Call-ID of what the machine sends, and the middle of its branches: an answer
/// finds its machine without a table of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id {
    /// Its table.
    pub kind: Kind,
    /// Its place there.
    pub slot: Slot,
}

impl Id {
    /// Writes the text; `run` tells one run from another at the same address.
    pub fn write(self, run: u32, out: &mut Vec<u8>) {
        out.push(match self.kind {
            Kind::Request => b'r',
            Kind::Caller => b'c',
            Kind::Callee => b'a',
        });
        hex(run.into(), 8, out);
        hex(self.slot.index.into(), 8, out);
        hex(self.slot.generation.into(), 6, out);
    }

    /// Writes a branch; `step` tells the requests of one machine apart.
    pub fn write_branch(self, run: u32, step: u8, out: &mut Vec<u8>) {
        out.extend_from_slice(COOKIE);
        self.write(run, out);
        hex(step.into(), 2, out);
    }

    /// Reads what [`Self::write`] wrote in the same run.
    #[must_use]
    pub fn read(text: &[u8], run: u32) -> Option<Self> {
        let kind = match text.first()? {
            b'r' => Kind::Request,
            b'c' => Kind::Caller,
            b'a' => Kind::Callee,
            _ => return None,
        };
        if text.len() != ID_LEN || unhex(text.get(1..9)?)? != run {
            return None;
        }
        let (index, generation) = (unhex(text.get(9..17)?)?, unhex(text.get(17..23)?)?);
        Some(Self { kind, slot: Slot { index, generation: generation & GENERATION_MASK } })
    }

    /// Reads what [`Self::write_branch`] wrote in the same run.
    #[must_use]
    pub fn read_branch(text: &[u8], run: u32) -> Option<(Self, u8)> {
        let (id, step) = text.strip_prefix(COOKIE)?.split_at_checked(ID_LEN)?;
        let step = if step.len() == 2 { unhex(step)? } else { return None };
        Some((Self::read(id, run)?, step as u8))
    }
}

fn hex(value: u64, digits: u32, out: &mut Vec<u8>) {
    out.extend((0..digits).rev().map(|digit| HEX[(value >> (4 * digit) & 15) as usize]));
}

fn unhex(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0_u32, |value, &byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u32::from(digit))
    })
}

/// A message to be sent: its bytes stand in [`Out::bytes`].
#[derive(Clone, Copy, Debug)]
pub struct Send {
    /// From which side.
    pub from: End,
    /// Where to.
    pub to: SocketAddr,
    /// First byte.
    pub start: usize,
    /// Behind the last byte.
    pub end: usize,
}

/// Actions of one turn. The texts of all messages share one buffer that is used again.
#[derive(Debug, Default)]
pub struct Out {
    /// The messages, one behind the other.
    pub bytes: Vec<u8>,
    /// What is to be sent, in this order.
    pub sends: Vec<Send>,
    /// Who wants to be woken, and when. A wake-up that is early or not wanted any more does no harm.
    pub arms: Vec<(Instant, Id)>,
}

impl Out {
    /// Forgets what has been carried out.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.sends.clear();
        self.arms.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_in_its_own_run_only() {
        let id = Id { kind: Kind::Callee, slot: Slot { index: 70_000, generation: 0xab_cdef } };
        let (mut text, mut branch) = (Vec::new(), Vec::new());
        id.write(7, &mut text);
        id.write_branch(7, 0x83, &mut branch);
        assert_eq!((Id::read(&text, 7), Id::read(&text, 8)), (Some(id), None));
        assert_eq!(Id::read_branch(&branch, 7), Some((id, 0x83)));
        for cut in 0..branch.len() {
            assert_eq!(Id::read_branch(&branch[..cut], 7), None);
        }
        assert_eq!(Id::read(b"x0000000700000000000000", 7), None);
        assert_eq!(Id::read("aééééééééééé".as_bytes(), 7), None);
    }
}
