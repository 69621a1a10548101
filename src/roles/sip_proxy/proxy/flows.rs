//! Phones that can be reached by the connection that they have made, and by nothing else: over
//! TLS nobody knows their names, and a browser listens nowhere (RFC 5626 5.3, RFC 7118 7). The
//! proxy that holds the connection puts itself and a token for it into Record-Route; another
//! one that is to reach the phone sends the request there.
//!
//! ```text
//! node         any proxy                 holder                     phone
//!  |--INVITE----->|                         |                          |
//!  |              |--INVITE---------------->|--INVITE----------------->|
//!  |              |  X-Genesys-Route:       |  Record-Route: holder;f= |
//!  |              |  flow:NODE:DN           |                          |
//!  |--BYE, Route: holder;f=---------------->|--BYE-------------------->|
//! ```

use super::core::Core;
use super::route::{Held, Route};
use super::transaction::{Target, Way};
use crate::base::flow::{ConnectionId, Destination, Flow, Protocol};
use crate::base::id::NodeId;
use crate::base::seal::{Kind, Token};
use crate::base::time::{Instant, WallTime};
use crate::sip::message::Message;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Begins the hop of a request for a phone; the node that it is from and the DN follow.
const TO_PHONE: &[u8] = b"flow:";
/// Begins the hop of a request inside a dialog; the node that it is from follows.
const IN_DIALOG: &[u8] = b"dialog:";

/// Bits of a flow's word that number the connection, and those that tell starts of the proxy apart.
const CONNECTION_BITS: u32 = 40;
const START_BITS: u32 = 21;

/// A hop of another proxy: the node whose request it passes on, and the DN if that names a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PassedOn<'h> {
    pub(super) node: NodeId,
    pub(super) dn: Option<&'h str>,
}

impl<'h> PassedOn<'h> {
    /// Reads a hop.
    pub(super) fn read(hop: &'h [u8]) -> Option<Self> {
        let (rest, is_to_phone) = match hop.strip_prefix(TO_PHONE) {
            Some(rest) => (rest, true),
            None => (hop.strip_prefix(IN_DIALOG)?, false),
        };
        let rest = core::str::from_utf8(rest).ok()?;
        let (node, dn) = match rest.split_once(':').filter(|_| is_to_phone) {
            Some((node, dn)) => (node, Some(dn)),
            None if is_to_phone => return None,
            None => (rest, None),
        };
        Some(Self { node: NodeId::new(node.parse().ok()?)?, dn })
    }
}

/// Whether whoever came by that is reached by the same connection only.
pub(super) const fn is_by_flow(protocol: Protocol) -> bool {
    match protocol {
        Protocol::Udp | Protocol::Tcp => false,
        Protocol::Tls | Protocol::Ws | Protocol::Wss => true,
    }
}

impl Core {
    /// What names a connection of this proxy in Record-Route, where that is the way.
    pub(super) fn flow_token(&self, flow: &Flow) -> Option<Token> {
        let connection = flow.connection.0;
        if !is_by_flow(flow.protocol) || connection >> CONNECTION_BITS != 0 {
            return None;
        }
        let protocol = (flow.protocol.index() as u64) << (CONNECTION_BITS + START_BITS);
        let word = protocol | self.start_word() << CONNECTION_BITS | connection;
        Some(self.sealer.seal(Kind::Flow, word))
    }

    /// The connection that a token names, if it is one of this proxy since it has started.
    pub(super) fn open_flow(&self, token: &[u8]) -> Option<Flow> {
        let word = self.sealer.open(Kind::Flow, token)?;
        let protocol = usize::try_from(word >> (CONNECTION_BITS + START_BITS)).ok()?;
        let protocol = Protocol::ALL.get(protocol).copied()?;
        let start = word >> CONNECTION_BITS & ((1 << START_BITS) - 1);
        let connection = ConnectionId(word & ((1 << CONNECTION_BITS) - 1));
        // Where its other end is the transport knows.
        let remote = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let local = self.settings.address_of(protocol);
        (start == self.start_word()).then_some(Flow { protocol, local, remote, connection })
    }

    const fn start_word(&self) -> u64 {
        self.seed & ((1 << START_BITS) - 1)
    }

    /// Where a phone is that came by a connection which `holder` has. `None` when that cannot be.
    pub(super) fn flow_target(
        &self,
        source: &Flow,
        uri: &str,
        (holder, dn): (NodeId, &str),
        node: NodeId,
    ) -> Option<Target> {
        let (to, way) = if holder == self.settings.id {
            // A binding of before a restart has none any more.
            let is_there = source.connection != ConnectionId::default();
            (is_there.then_some(Destination::Flow(*source))?, Way::Flow)
        } else {
            let hop = format!("flow:{node}:{dn}").into_boxed_str();
            (self.at_proxy(self.settings.holder(holder)?), Way::Holder(hop))
        };
        Some(Target { way, ..Target::new(to, Some(uri.as_bytes().to_vec())) })
    }

    fn at_proxy(&self, remote: SocketAddr) -> Destination {
        Destination::Address { protocol: self.settings.node_protocol, remote }
    }

    /// A request that another proxy has sent on, for a phone whose connection is here.
    pub(super) fn to_own_flow(&self, passed: PassedOn<'_>, uri: &[u8], now: Instant) -> Route {
        let dn = passed.dn.unwrap_or_default();
        let mut bindings = self.registrar.lookup(dn, now);
        let target = bindings.find_map(|binding| {
            let bound = binding.contact.bound()?;
            let is_it = binding.proxy == self.settings.id
                && bound.uri.as_bytes() == uri
                && is_by_flow(bound.source.protocol);
            let holder = (self.settings.id, dn);
            self.flow_target(&bound.source, bound.uri, holder, passed.node).filter(|_| is_it)
        });
        target.map_or(Route::Answer(480), |target| Route::Targets(vec![vec![target]]))
    }

    /// A node's request inside a dialog with a phone that is reached by its connection.
    pub(super) fn in_dialog(
        &self,
        held: Held,
        message: &Message,
        node: NodeId,
        now: Instant,
    ) -> Route {
        let target = match held {
            Held::At(remote) => {
                let way = Way::Holder(format!("dialog:{node}").into_boxed_str());
                Some(Target { way, ..Target::new(self.at_proxy(remote), None) })
            }
            Held::Here(flow) => {
                let known = Target::new(Destination::Flow(flow), None);
                let known = Target { way: Way::Flow, ..known };
                Some(self.reconnected(message, node, Some(flow), now).unwrap_or(known))
            }
            Held::Gone => self.reconnected(message, node, None, now),
        };
        target.map_or(Route::Answer(430), |target| Route::Targets(vec![vec![target]]))
    }

    /// The phone of a dialog, where it has registered the same contact by another connection since
    /// `known`: its network has changed, or its proxy was started anew.
    fn reconnected(
        &self,
        message: &Message,
        node: NodeId,
        known: Option<Flow>,
        now: Instant,
    ) -> Option<Target> {
        let dn = message.to()?.parsed_uri().ok()?.user_name();
        let mut bindings = self.registrar.lookup(&dn, now);
        bindings.find_map(|binding| {
            let bound = binding.contact.bound()?;
            let is_it = bound.uri.as_bytes() == message.request_uri();
            let is_newer = known.is_none_or(|known| {
                // They are numbered as they come.
                binding.proxy != self.settings.id || bound.source.connection > known.connection
            });
            let holder = (binding.proxy, &*dn);
            let is_one = is_it && is_newer && is_by_flow(bound.source.protocol);
            is_one.then(|| self.flow_target(&bound.source, bound.uri, holder, node))?
        })
    }

    /// The value of `X-Genesys-Route` for a hop of ours.
    pub(super) fn sealed_hop(&self, hop: &str) -> String {
        let wall = self.wall.map_or(WallTime(0), |(_, wall)| wall);
        self.sealer.seal_hop(self.settings.id, hop, wall)
    }
}
