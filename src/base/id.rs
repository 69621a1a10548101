//! Names of things: nodes, shards, and slots that carry a generation so that a
//! stale reference is noticed.

use core::fmt;

/// The `node-id` of an application, 1 to 4095. Both members of a pair share one;
/// ids and tokens name it and never a process or an address. In the mesh the Smart Proxy of a
/// node has a number of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u16);

/// Set in the number of a Smart Proxy.
const SMART_PROXY: u16 = 1 << 12;

impl NodeId {
    /// Checks the range 1..=4095.
    #[must_use]
    pub const fn new(id: u16) -> Option<Self> {
        if id >= 1 && id <= 4095 { Some(Self(id)) } else { None }
    }

    /// Checks the number of a member of the mesh: an application, or the Smart Proxy of one.
    #[must_use]
    pub const fn of_member(id: u16) -> Option<Self> {
        match Self::new(id & !SMART_PROXY) {
            Some(_) if id <= SMART_PROXY | 4095 => Some(Self(id)),
            Some(_) | None => None,
        }
    }

    /// The Smart Proxy of this node, which is a member of the mesh beside its T-Controller, with
    /// 4096 added to the number. It has neither calls nor DNs.
    #[must_use]
    pub const fn smart_proxy(self) -> Self {
        Self(self.0 | SMART_PROXY)
    }

    /// Whether it is the Smart Proxy of a node.
    #[must_use]
    pub const fn is_smart_proxy(self) -> bool {
        self.0 & SMART_PROXY != 0
    }

    /// The application that it belongs to.
    #[must_use]
    pub const fn application(self) -> Self {
        Self(self.0 & !SMART_PROXY)
    }

    /// The number in the configuration; of a Smart Proxy 4096 more.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One Call Manager or proxy shard of an application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(pub u8);

impl Shard {
    /// The Service Checker's transactions live beside the shards and carry this
    /// number in their branches.
    pub const SERVICE_CHECKER: Self = Self(0xff);
}

/// A place in a slab together with the generation that it had when the
/// reference was made (24 bits of it travel in tokens).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// Index in the slab.
    pub index: u32,
    /// Generation of that place; a smaller one means the thing is gone.
    pub generation: u32,
}

/// Bits of a generation that travel in tokens.
pub const GENERATION_BITS: u32 = 24;
/// Generations wrap below this.
pub const GENERATION_MASK: u32 = (1 << GENERATION_BITS) - 1;
/// Generations by which a place of an earlier process may have got older after
/// that process has told of them for the last time.
pub const GENERATION_MARGIN: u32 = 1 << 12;

impl Slot {
    /// The slot and its shard as one 64-bit word: shard 8, generation 24, index 32.
    #[must_use]
    pub const fn with_shard(self, shard: Shard) -> u64 {
        (shard.0 as u64) << 56
            | ((self.generation & GENERATION_MASK) as u64) << 32
            | self.index as u64
    }

    /// The inverse of [`Slot::with_shard`].
    #[must_use]
    pub const fn from_word(word: u64) -> (Shard, Self) {
        let shard = Shard((word >> 56) as u8);
        let generation = (word >> 32) as u32 & GENERATION_MASK;
        (shard, Self { index: word as u32, generation })
    }
}

/// What a node's Contact names, as one 64-bit word: node-id 12 bits, shard 8,
/// generation 24, index 20.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegWord {
    /// The node that holds the leg.
    pub node: NodeId,
    /// Its shard.
    pub shard: Shard,
    /// The leg.
    pub slot: Slot,
}

impl LegWord {
    /// Bits of the index: a shard has no more legs than these can tell apart.
    pub const INDEX_BITS: u32 = 20;

    /// The word.
    #[must_use]
    pub const fn word(self) -> u64 {
        (self.node.0 as u64) << 52
            | (self.shard.0 as u64) << 44
            | ((self.slot.generation & GENERATION_MASK) as u64) << Self::INDEX_BITS
            | self.slot.index as u64 & ((1 << Self::INDEX_BITS) - 1)
    }

    /// The inverse of [`LegWord::word`]; `None` for a node-id that is none.
    #[must_use]
    pub const fn open(word: u64) -> Option<Self> {
        let Some(node) = NodeId::new((word >> 52) as u16) else { return None };
        let index = word as u32 & ((1 << Self::INDEX_BITS) - 1);
        let generation = (word >> Self::INDEX_BITS) as u32 & GENERATION_MASK;
        Some(Self { node, shard: Shard((word >> 44) as u8), slot: Slot { index, generation } })
    }
}

/// Connection identifier of T-Library: 12 bits node-id, the low 20 of the start
/// epoch, 8 shard, 24 counter; printed as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

impl ConnId {
    /// Puts a ConnID together; a full counter must take the next epoch first.
    #[must_use]
    pub const fn new(node: NodeId, epoch: u32, shard: Shard, counter: u32) -> Self {
        Self(
            (node.0 as u64) << 52
                | ((epoch & 0xf_ffff) as u64) << 32
                | (shard.0 as u64) << 24
                | (counter & 0xff_ffff) as u64,
        )
    }

    /// The node that the call began on.
    #[must_use]
    pub fn node(self) -> Option<NodeId> {
        u16::try_from(self.0 >> 52).ok().and_then(NodeId::new)
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// CallUUID: 32 characters out of `0-9A-V`, from 160 random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallUuid([u8; 32]);

impl CallUuid {
    /// Spreads 160 random bits over 32 characters of five bits each.
    #[must_use]
    pub fn from_random(bits: [u64; 3]) -> Self {
        const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHIJKLMNOPQRSTUV";
        let mut text = [0; 32];
        for (position, digit) in text.iter_mut().enumerate() {
            let word = bits[position / 12];
            *digit = DIGITS[(word >> (position % 12 * 5)) as usize & 31];
        }
        Self(text)
    }

    /// The 32 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The inverse of [`CallUuid::as_str`]; `None` for a text that is none.
    #[must_use]
    pub fn from_text(text: &[u8]) -> Option<Self> {
        let digits: [u8; 32] = text.try_into().ok()?;
        let is_digit = |digit: &u8| matches!(digit, b'0'..=b'9' | b'A'..=b'V');
        digits.iter().all(is_digit).then_some(Self(digits))
    }
}

impl fmt::Display for CallUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A source of ids and random bits that a machine is given as an input, so that
/// two runs from one seed are equal. SplitMix64 seeded from the operating system
/// in production; whatever outsiders see of it is sealed first.
#[derive(Clone, Debug)]
pub struct Ids(u64);

impl Ids {
    /// Starts the sequence.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below `bound`, which must not be zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A fresh CallUUID.
    pub fn call_uuid(&mut self) -> CallUuid {
        CallUuid::from_random([self.next_u64(), self.next_u64(), self.next_u64()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_ids_stay_in_range() {
        assert!(NodeId::new(0).is_none());
        assert!(NodeId::new(4096).is_none());
        for (number, is_one) in [
            (0, false),
            (1, true),
            (4_095, true),
            (4_096, false),
            (4_097, true),
            (8_191, true),
            (8_192, false),
            (u16::MAX, false),
        ] {
            assert_eq!(NodeId::of_member(number).map(NodeId::get), is_one.then_some(number));
        }
        let Some(node) = NodeId::new(7) else { panic!("in range") };
        let proxy = node.smart_proxy();
        assert_eq!((proxy.get(), proxy.application(), proxy.is_smart_proxy()), (4_103, node, true));
        assert_eq!((node.application(), node.is_smart_proxy()), (node, false));
        assert_eq!(NodeId::new(4095).map(NodeId::get), Some(4095));
    }

    #[test]
    fn slot_words_round_trip() {
        let slot = Slot { index: 0xdead_beef, generation: 0x00ab_cdef };
        assert_eq!(Slot::from_word(slot.with_shard(Shard(7))), (Shard(7), slot));
    }

    #[test]
    fn leg_words_round_trip_and_need_a_node() {
        let Some(node) = NodeId::new(4095) else { panic!("in range") };
        let slot = Slot { index: 0xf_ffff, generation: 0x00ab_cdef };
        let leg = LegWord { node, shard: Shard(0xfe), slot };
        assert_eq!(LegWord::open(leg.word()), Some(leg));
        assert_eq!(LegWord::open(leg.word() & !(0xfff << 52)), None);
    }

    #[test]
    fn conn_id_shows_its_parts() {
        let Some(node) = NodeId::new(0xabc) else { panic!("in range") };
        assert_eq!(ConnId::new(node, 0x12345, Shard(2), 0x77).to_string(), "abc1234502000077");
    }

    #[test]
    fn call_uuid_uses_the_trade_alphabet() {
        let uuid = Ids::new(1).call_uuid();
        assert_eq!(uuid.as_str().len(), 32);
        assert!(uuid.as_str().bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'V').contains(&b)));
        assert_eq!(CallUuid::from_text(uuid.as_str().as_bytes()), Some(uuid));
        assert_eq!(CallUuid::from_text(b"0123456789ABCDEFGHIJKLMNOPQRSTUW"), None);
        assert_eq!(CallUuid::from_text(b"0"), None);
    }
}
