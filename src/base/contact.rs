//! What a REGISTER said of one contact of one address-of-record, packed into one
//! block that the registrar and the link between proxies share: with a heap block
//! for each text, and a set of them at either place, a registration costs five
//! times as much. All that changes with every refresh lies beside the block, in
//! whoever holds it, so that a refresh takes no memory.
//!
//! ```text
//!  aor | flags [| URI] [| key] | Call-ID [| parameters | q | node | addresses | connection]
//! ```
//!
//! The whole is text: numbers are written in characters of ASCII, so that a text is
//! cut out of the block as text and nothing is looked at again. A number is in groups
//! of six bits, the lowest first; 64 added to one says that another follows. A text
//! comes after its length, an address has one that the flags say, with seven bits in
//! each character. What is asked for most comes first: a look-up compares the
//! address-of-record, a REGISTER the URI and the Call-ID, and neither reads on.

use super::flow::{ConnectionId, Flow, Protocol};
use super::id::NodeId;
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::sync::Arc;

/// The contact is bound, not removed.
const BOUND: u64 = 1;
/// The URI is its own normal form, and there once.
const KEY_IS_URI: u64 = 2;
const STREAM: u64 = 4;
const LOCAL_V6: u64 = 8;
const REMOTE_V6: u64 = 16;
const HAS_CONNECTION: u64 = 32;
const SECURE: u64 = 64;
const WEB_SOCKET: u64 = 128;

/// Bits of a number in one character, and the sign that another follows.
const NUMBER_BITS: u32 = 6;
const MORE: u8 = 1 << NUMBER_BITS;
/// Bits of an address in one character.
const ADDRESS_BITS: usize = 7;
/// Characters of an IPv4 address with its port, and of an IPv6 address alone.
const V4_LEN: usize = 48_usize.div_ceil(ADDRESS_BITS);
const V6_LEN: usize = 128_usize.div_ceil(ADDRESS_BITS);
/// Room for all numbers of a block, so that nearly always it is written at once.
const NUMBERS_LEN: usize = 64;

/// What a block holds, to read and to make one from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts<'a> {
    /// The address-of-record: the DN's number.
    pub aor: &'a str,
    /// The contact in the registrar's normal form, equal for equal contacts.
    pub key: &'a str,
    /// Call-ID of the REGISTER.
    pub call_id: &'a str,
    /// How the contact is reached; `None` for one that a REGISTER removed.
    pub bound: Option<Bound<'a>>,
}

/// What reaching a contact takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound<'a> {
    /// The URI as the phone wrote it.
    pub uri: &'a str,
    /// Other header parameters, verbatim with their semicolons.
    pub params: &'a str,
    /// Preference in thousandths, 0 to 1000.
    pub q: u16,
    /// The node that accepted the REGISTER.
    pub node: NodeId,
    /// The flow that it came by; the connection is known at the proxy that took it
    /// only, and not after that has restarted.
    pub source: Flow,
}

/// One block, shared and never changed.
#[derive(Clone, PartialEq, Eq)]
pub struct ContactBlock(Arc<str>);

impl ContactBlock {
    /// A block with these contents, in one allocation of its own.
    #[must_use]
    pub fn new(parts: &Parts<'_>) -> Self {
        let Parts { aor, call_id, .. } = *parts;
        let key_is_uri = parts.bound.is_some_and(|bound| bound.uri == parts.key);
        let key = if key_is_uri { "" } else { parts.key };
        let [uri, params] = parts.bound.map_or(["", ""], |bound| [bound.uri, bound.params]);
        let texts_len = aor.len() + call_id.len() + key.len() + uri.len() + params.len();
        let mut block = String::with_capacity(texts_len + NUMBERS_LEN);
        push_text(aor, &mut block);
        push_number(flags(parts.bound.as_ref(), key_is_uri), &mut block);
        if parts.bound.is_some() {
            push_text(uri, &mut block);
        }
        if !key_is_uri {
            push_text(key, &mut block);
        }
        push_text(call_id, &mut block);
        if let Some(bound) = &parts.bound {
            push_text(params, &mut block);
            push_number(u64::from(bound.q), &mut block);
            push_number(u64::from(bound.node.get()), &mut block);
            push_address(bound.source.local, &mut block);
            push_address(bound.source.remote, &mut block);
            if bound.source.connection != ConnectionId::default() {
                push_number(bound.source.connection.0, &mut block);
            }
        }
        Self(Arc::from(block))
    }

    /// All that it holds.
    #[must_use]
    pub fn parts(&self) -> Parts<'_> {
        Reader::of(self).parts()
    }

    /// The address-of-record.
    #[must_use]
    pub fn aor(&self) -> &str {
        Reader::of(self).text()
    }

    /// Whether this is its address-of-record.
    #[must_use]
    pub fn is_of(&self, aor: &str) -> bool {
        match u8::try_from(aor.len()) {
            Ok(len) if len < MORE => {
                let rest = self.0.as_bytes().split_first();
                rest.is_some_and(|(held, rest)| *held == len && rest.starts_with(aor.as_bytes()))
            }
            Ok(_) | Err(_) => self.aor() == aor,
        }
    }

    /// The contact in normal form.
    #[must_use]
    pub fn key(&self) -> &str {
        let mut reader = Reader::of(self);
        reader.skip_text();
        let flags = reader.number();
        if flags & BOUND != 0 && flags & KEY_IS_URI == 0 {
            reader.skip_text();
        }
        reader.text()
    }

    /// Call-ID of the REGISTER.
    #[must_use]
    pub fn call_id(&self) -> &str {
        let mut reader = Reader::of(self);
        reader.skip_names();
        reader.text()
    }

    /// The URI as the phone wrote it; `None` for a contact that was removed.
    #[must_use]
    pub fn uri(&self) -> Option<&str> {
        let mut reader = Reader::of(self);
        reader.skip_text();
        (reader.number() & BOUND != 0).then(|| reader.text())
    }

    /// The node that accepted the REGISTER; `None` for a contact that was removed.
    #[must_use]
    pub fn node(&self) -> Option<NodeId> {
        let mut reader = Reader::of(self);
        if reader.skip_names() & BOUND == 0 {
            return None;
        }
        reader.skip_text();
        reader.skip_text();
        reader.number();
        reader.node()
    }

    /// How the contact is reached; `None` for one that was removed.
    #[must_use]
    pub fn bound(&self) -> Option<Bound<'_>> {
        self.parts().bound
    }

    /// Whether there is a way to reach it: it was not removed.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.uri().is_some()
    }

    /// Whether both are one block, and not only equal.
    #[must_use]
    pub fn is_same_block(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Bytes of the block.
    #[must_use]
    pub fn bytes_len(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for ContactBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts().fmt(f)
    }
}

fn flags(bound: Option<&Bound<'_>>, key_is_uri: bool) -> u64 {
    let Some(Bound { source, .. }) = bound else { return 0 };
    let set = |is_set: bool, flag: u64| if is_set { flag } else { 0 };
    BOUND
        | set(key_is_uri, KEY_IS_URI)
        | set(source.protocol.is_reliable(), STREAM)
        | set(source.protocol.is_secure(), SECURE)
        | set(source.protocol.is_web_socket(), WEB_SOCKET)
        | set(source.local.is_ipv6(), LOCAL_V6)
        | set(source.remote.is_ipv6(), REMOTE_V6)
        | set(source.connection != ConnectionId::default(), HAS_CONNECTION)
}

fn push_text(text: &str, block: &mut String) {
    push_number(text.len() as u64, block);
    block.push_str(text);
}

fn push_number(mut number: u64, block: &mut String) {
    while number >= u64::from(MORE) {
        block.push(char::from(number as u8 % MORE + MORE));
        number >>= NUMBER_BITS;
    }
    block.push(char::from(number as u8));
}

fn push_address(address: SocketAddr, block: &mut String) {
    let mut push_bits = |bits: u128, len: usize| {
        for at in 0..len {
            block.push(char::from((bits >> (at * ADDRESS_BITS)) as u8 & 0x7f));
        }
    };
    match address {
        SocketAddr::V4(address) => {
            let bits = u128::from(address.ip().to_bits()) << 16 | u128::from(address.port());
            push_bits(bits, V4_LEN);
        }
        SocketAddr::V6(address) => {
            push_bits(address.ip().to_bits(), V6_LEN);
            push_number(u64::from(address.port()), block);
            push_number(u64::from(address.flowinfo()), block);
            push_number(u64::from(address.scope_id()), block);
        }
    }
}

/// Reads a block from its start. Only what [`ContactBlock::new`] has written is ever
/// read; behind its end there are zeros and empty texts.
struct Reader<'a> {
    block: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn of(contact: &'a ContactBlock) -> Self {
        Self { block: &contact.0, at: 0 }
    }

    fn parts(&mut self) -> Parts<'a> {
        let aor = self.text();
        let flags = self.number();
        let has = |flag: u64| flags & flag != 0;
        let uri = if has(BOUND) { self.text() } else { "" };
        let key = if has(KEY_IS_URI) { uri } else { self.text() };
        let call_id = self.text();
        let bound = if has(BOUND) { self.bound(uri, flags) } else { None };
        Parts { aor, key, call_id, bound }
    }

    fn bound(&mut self, uri: &'a str, flags: u64) -> Option<Bound<'a>> {
        let has = |flag: u64| flags & flag != 0;
        let (params, q, node) = (self.text(), self.number() as u16, self.node()?);
        let source = Flow {
            protocol: match (has(STREAM), has(SECURE), has(WEB_SOCKET)) {
                (false, ..) => Protocol::Udp,
                (true, false, false) => Protocol::Tcp,
                (true, true, false) => Protocol::Tls,
                (true, false, true) => Protocol::Ws,
                (true, true, true) => Protocol::Wss,
            },
            local: self.address(has(LOCAL_V6)),
            remote: self.address(has(REMOTE_V6)),
            connection: ConnectionId(if has(HAS_CONNECTION) { self.number() } else { 0 }),
        };
        Some(Bound { uri, params, q, node, source })
    }

    /// Nearly all numbers are of one character.
    #[inline]
    fn number(&mut self) -> u64 {
        match self.block.as_bytes().get(self.at) {
            Some(&byte) if byte < MORE => {
                self.at += 1;
                u64::from(byte)
            }
            Some(_) => self.long_number(),
            None => 0,
        }
    }

    #[cold]
    fn long_number(&mut self) -> u64 {
        let (mut number, mut shift) = (0_u64, 0);
        while let Some(byte) = self.block.as_bytes().get(self.at) {
            self.at += 1;
            number |= u64::from(byte & (MORE - 1)).checked_shl(shift).unwrap_or(0);
            if *byte < MORE {
                break;
            }
            shift += NUMBER_BITS;
        }
        number
    }

    fn node(&mut self) -> Option<NodeId> {
        NodeId::new(self.number() as u16)
    }

    /// Past the address-of-record and the contact's names; gives the flags.
    #[inline]
    fn skip_names(&mut self) -> u64 {
        self.skip_text();
        let flags = self.number();
        if flags & BOUND != 0 {
            self.skip_text();
        }
        if flags & KEY_IS_URI == 0 {
            self.skip_text();
        }
        flags
    }

    #[inline]
    fn skip_text(&mut self) {
        let len = self.number() as usize;
        self.at = self.at.saturating_add(len);
    }

    #[inline]
    fn text(&mut self) -> &'a str {
        let len = self.number() as usize;
        let (start, end) = (self.at, self.at.saturating_add(len));
        self.at = end;
        self.block.get(start..end).unwrap_or_default()
    }

    /// The bits of an address, the lowest first.
    fn bits<const LEN: usize>(&mut self) -> [u8; LEN] {
        let bits = self.block.as_bytes().get(self.at..).and_then(<[u8]>::first_chunk);
        self.at = self.at.saturating_add(LEN);
        bits.copied().unwrap_or([0; LEN])
    }

    fn address(&mut self, is_v6: bool) -> SocketAddr {
        if !is_v6 {
            let bits = self.bits::<V4_LEN>().into_iter().rev();
            let bits = bits.fold(0, |bits: u64, byte| bits << ADDRESS_BITS | u64::from(byte));
            let ip = Ipv4Addr::from_bits((bits >> 16) as u32);
            return SocketAddrV4::new(ip, bits as u16).into();
        }
        let bits = self.bits::<V6_LEN>().into_iter().rev();
        let bits = bits.fold(0, |bits: u128, byte| bits << ADDRESS_BITS | u128::from(byte));
        let (port, flowinfo, scope) = (self.number(), self.number(), self.number());
        let ip = Ipv6Addr::from_bits(bits);
        SocketAddrV6::new(ip, port as u16, flowinfo as u32, scope as u32).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::IpAddr;
    use proptest::prelude::*;

    fn address_of_any_kind() -> impl Strategy<Value = SocketAddr> {
        let v4 = (any::<[u8; 4]>(), any::<u16>())
            .prop_map(|(ip, port)| SocketAddr::new(IpAddr::from(ip), port));
        let v6 = (any::<[u8; 16]>(), any::<u16>(), any::<u32>(), any::<u32>()).prop_map(
            |(ip, port, flowinfo, scope)| {
                SocketAddrV6::new(Ipv6Addr::from(ip), port, flowinfo, scope).into()
            },
        );
        prop_oneof![v4, v6]
    }

    fn text_of_any_size() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => "[ -~]{0,40}",
            2 => any::<String>(),
            1 => prop_oneof![Just(63_usize), Just(64), Just(4_095), Just(4_096), Just(70_000)]
                .prop_map(|len| "x".repeat(len)),
        ]
    }

    fn flow() -> impl Strategy<Value = Flow> {
        let connection = prop_oneof![Just(0), Just(u64::MAX), any::<u64>()];
        (0..Protocol::ALL.len(), address_of_any_kind(), address_of_any_kind(), connection).prop_map(
            |(protocol, local, remote, connection)| Flow {
                protocol: Protocol::ALL[protocol],
                local,
                remote,
                connection: ConnectionId(connection),
            },
        )
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(
            [aor, key, call_id, uri, params] in prop::array::uniform5(text_of_any_size()),
            (q, node, source) in (any::<u16>(), 1..=4095_u16, flow()),
            is_bound: bool,
            key_is_uri: bool,
        ) {
            let node = NodeId::new(node).expect("in range");
            let bound = is_bound.then_some(Bound { uri: &uri, params: &params, q, node, source });
            let key = if key_is_uri { &uri } else { &key };
            let parts = Parts { aor: &aor, key, call_id: &call_id, bound };
            let contact = ContactBlock::new(&parts);
            prop_assert_eq!(contact.parts(), parts);
            let names = (contact.aor(), contact.key(), contact.call_id());
            prop_assert_eq!(names, (parts.aor, parts.key, parts.call_id));
            prop_assert_eq!((contact.bound(), contact.is_bound()), (bound, is_bound));
            prop_assert_eq!((contact.uri(), contact.node()), (bound.map(|it| it.uri), bound.map(|it| it.node)));
            let longer = aor.clone() + "0";
            prop_assert!(contact.is_of(&aor) && !contact.is_of(&longer));
            prop_assert_eq!(contact.is_of(&call_id), aor == call_id);
            prop_assert!(aor.is_empty() || !contact.is_of(""));
            prop_assert_eq!(&contact, &ContactBlock::new(&contact.parts()), "one form for one content");
            let texts = aor.len() + key.len() + call_id.len() + uri.len() + params.len();
            prop_assert!(contact.bytes_len() <= texts + 110);
        }

        #[test]
        fn contents_that_differ_are_blocks_that_differ(
            [one, other] in prop::array::uniform2(prop::array::uniform3("[a;]{0,3}")),
        ) {
            let contact = |texts: &[String; 3]| {
                let parts = Parts { aor: &texts[0], key: &texts[1], call_id: &texts[2], bound: None };
                ContactBlock::new(&parts)
            };
            prop_assert_eq!(contact(&one) == contact(&other), one == other);
        }

        #[test]
        fn a_text_that_no_one_wrote_is_read_without_a_panic(block in "[\\x00-\\x7f]{0,30}|\\PC{0,30}") {
            let contact = ContactBlock(Arc::from(block));
            prop_assert!(contact.aor().len() <= contact.bytes_len());
            prop_assert!(contact.parts().key.len() <= contact.bytes_len());
            prop_assert!(contact.call_id().len() + contact.key().len() <= 2 * contact.bytes_len());
            prop_assert!(contact.node().is_none() || contact.is_bound());
        }
    }

    #[test]
    fn a_usual_registration_is_a_small_block() {
        let phone: SocketAddr = "10.1.2.3:5060".parse().expect("an address");
        let source = Flow {
            protocol: Protocol::Udp,
            local: phone,
            remote: phone,
            connection: ConnectionId::default(),
        };
        let uri = "sip:100000@10.1.2.3:5060";
        let node = NodeId::new(1).expect("in range");
        let bound = Some(Bound { uri, params: "", q: 1000, node, source });
        let contact = ContactBlock::new(&Parts { aor: "100000", key: uri, call_id: "c", bound });
        assert_eq!(
            contact.bytes_len(),
            (1 + 6) + 1 + (1 + uri.len()) + (1 + 1) + 1 + (2 + 1) + 2 * 7,
            "the URI is there once"
        );
    }
}
