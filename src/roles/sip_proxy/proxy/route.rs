//! Where a request goes, before anything is sent: RFC 3261 16.4 to 16.6 with the
//! cluster's tokens.

use super::core::{Core, Counted, Cx};
use super::flows::{PassedOn, is_by_flow};
use super::settings::is_from;
use super::transaction::Target;
use crate::base::flow::{ConnectionId, Destination, Flow, Protocol};
use crate::base::id::{LegWord, NodeId};
use crate::base::limits::FORK_WIDTH_MAX;
use crate::base::seal::Kind;
use crate::base::time::Instant;
use crate::sip::message::text::Params;
use crate::sip::message::uri::Scheme;
use crate::sip::message::{HeaderId, Message, Method, NameAddr, Uri};
use core::net::SocketAddr;

/// What is to be done with a request.
#[derive(Debug)]
pub(super) enum Route {
    /// Send it to these, list after list.
    Targets(Vec<Vec<Target>>),
    /// Send it to the node that its Call-ID chooses.
    NewAtNode,
    /// Answer it here.
    Answer(u16),
    /// It is a REGISTER for the cluster.
    Register,
}

/// What stands at the top of a request's Route.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TopRoutes {
    /// Values that name this cluster.
    pub(super) ours: usize,
    /// The node in their token.
    pub(super) node: Option<NodeId>,
    /// Whether one of them had a token that does not open.
    pub(super) forged: bool,
    /// Whose connection leads on.
    pub(super) flow: Option<Held>,
}

/// A connection that a Route value names.
#[derive(Clone, Copy, Debug)]
pub(super) enum Held {
    /// One of this proxy.
    Here(Flow),
    /// One that this proxy had before it was started anew.
    Gone,
    /// Another proxy's.
    At(SocketAddr),
}

impl Core {
    /// Looks at the Route values of ours; those of a node's request up to the proxy that has the
    /// connection which leads on.
    pub(super) fn top_routes(&self, message: &Message, is_from_node: bool) -> TopRoutes {
        let mut found = TopRoutes::default();
        for value in message.values(HeaderId::Route) {
            let Some(uri) = NameAddr::parse(value).ok().and_then(|value| value.parsed_uri().ok())
            else {
                break;
            };
            if !self.settings.is_cluster(uri.host_str(), uri.port_or_default()) {
                break;
            }
            let param = |name| Params::new(uri.params).get(name);
            if let Some(token) = param(b"f").filter(|_| is_from_node) {
                let remote = uri.host_ip().map(|ip| SocketAddr::new(ip, uri.port_or_default()));
                if let Some(remote) = remote.filter(|remote| self.settings.is_holder(*remote)) {
                    found.flow = Some(Held::At(remote));
                    break;
                }
                found.flow = Some(self.open_flow(token).map_or(Held::Gone, Held::Here));
            }
            found.ours += 1;
            if let Some(token) = param(b"t") {
                match self.sealer.open(Kind::Route, token).and_then(node_of_word) {
                    Some(node) => found.node = Some(node),
                    None => found.forged = true,
                }
            }
        }
        found
    }

    /// The node that a request comes from: it has a node's address and an
    /// fresh `X-Genesys-Route` that this cluster sealed (`decisions.md` 5). Another proxy says
    /// whose request it passes on.
    pub(super) fn sending_node(
        &self,
        message: &Message,
        flow: &Flow,
        now: Instant,
    ) -> Option<NodeId> {
        let hop = self.fresh_hop(message.header(HeaderId::XGenesysRoute)?, now)?;
        if let Some(node) = self.settings.node(hop.node) {
            return node.sends_from(flow.remote, flow.protocol).then_some(hop.node);
        }
        let proxy = self.settings.holder(hop.node)?;
        let is_it = is_from(proxy, flow.remote, flow.protocol);
        PassedOn::read(hop.hop).filter(|_| is_it).map(|passed| passed.node)
    }

    /// Decides on a request that is neither CANCEL nor an ACK of a transaction.
    pub(super) fn route(
        &mut self,
        message: &Message,
        from_node: Option<NodeId>,
        routes: TopRoutes,
        cx: &mut Cx<'_>,
    ) -> Route {
        if message.max_forwards() == Some(0) {
            return Route::Answer(if message.method() == Method::Options { 200 } else { 483 });
        }
        let Ok(uri) = message.uri() else { return Route::Answer(400) };
        match from_node {
            Some(node) => self.route_from_node(message, &uri, (node, routes), cx),
            None => self.route_from_outside(message, &uri, routes, cx),
        }
    }

    fn route_from_outside(
        &mut self,
        message: &Message,
        uri: &Uri<'_>,
        routes: TopRoutes,
        cx: &mut Cx<'_>,
    ) -> Route {
        if message.header(HeaderId::XGenesysRoute).is_some() || routes.forged {
            cx.count(Counted::ForeignRoute);
        }
        if message.values(HeaderId::Route).count() > routes.ours {
            return Route::Answer(403);
        }
        if uri.scheme == Scheme::Other {
            return Route::Answer(416);
        }
        if let Some(node) = self.leg_node(uri) {
            return self.to_node(node, cx.now);
        }
        if !message.to_tag().is_empty() {
            return match routes.node.or_else(|| self.tag_node(message.to_tag())) {
                Some(node) => self.to_node(node, cx.now),
                // The ACK of a refusal, whose transaction was another proxy's.
                None if message.method() == Method::Ack => Route::NewAtNode,
                None => {
                    cx.count(Counted::BadToken);
                    Route::Answer(481)
                }
            };
        }
        if matches!(uri.scheme, Scheme::Sip | Scheme::Sips)
            && !self.settings.is_cluster(uri.host_str(), uri.port_or_default())
        {
            return Route::Answer(if message.method() == Method::Register { 404 } else { 403 });
        }
        match message.method() {
            Method::Register => Route::Register,
            Method::Options if uri.user.is_empty() => Route::Answer(200),
            // NOTIFY would not find the way to a phone that is reached by its connection.
            Method::Subscribe => match self
                .settings
                .feature_server
                .filter(|_| is_mailbox(message) && !is_via_flow(message))
            {
                Some(remote) => Route::Targets(vec![vec![to_address(Protocol::Udp, remote)]]),
                None => Route::Answer(489),
            },
            Method::Publish => Route::Answer(405),
            Method::Invite
            | Method::Ack
            | Method::Cancel
            | Method::Bye
            | Method::Options
            | Method::Info
            | Method::Message
            | Method::Update
            | Method::Prack
            | Method::Notify
            | Method::Refer
            | Method::Other => Route::NewAtNode,
        }
    }

    fn route_from_node(
        &mut self,
        message: &Message,
        uri: &Uri<'_>,
        (node, routes): (NodeId, TopRoutes),
        cx: &mut Cx<'_>,
    ) -> Route {
        let hop = message.header(HeaderId::XGenesysRoute);
        match hop.and_then(|value| self.sealer.open_hop(value)).map(|hop| hop.hop) {
            Some(b"registrar") => return self.look_up(&uri.user_name(), node, cx.now),
            // Inside a dialog Route and Request-URI lead on.
            Some(b"dialog") | None => {}
            Some(hop) => match PassedOn::read(hop) {
                Some(passed) if passed.dn.is_some() => {
                    return self.to_own_flow(passed, message.request_uri(), cx.now);
                }
                Some(_) => {}
                None => return direct(hop, message.request_uri()),
            },
        }
        if let Some(held) = routes.flow {
            return self.in_dialog(held, message, node, cx.now);
        }
        if let Some(next) = message.values(HeaderId::Route).nth(routes.ours) {
            let hop = NameAddr::parse(next).map(|value| value.uri).unwrap_or_default();
            return direct(hop, message.request_uri());
        }
        if let Some(node) = self.leg_node(uri) {
            return self.to_node(node, cx.now);
        }
        if uri.scheme == Scheme::Sip
            && self.settings.is_cluster(uri.host_str(), uri.port_or_default())
        {
            if uri.user.is_empty() {
                return Route::Answer(if message.method() == Method::Options { 200 } else { 404 });
            }
            return self.look_up(&uri.user_name(), node, cx.now);
        }
        direct(message.request_uri(), message.request_uri())
    }

    /// The node that a leg's tag names: simple clients keep neither route set nor target.
    fn tag_node(&self, tag: &[u8]) -> Option<NodeId> {
        LegWord::open(self.sealer.open(Kind::Tag, tag)?).map(|leg| leg.node)
    }

    /// The node that a Contact of a node's leg names.
    fn leg_node(&self, uri: &Uri<'_>) -> Option<NodeId> {
        let token = uri.user.get(2..)?;
        LegWord::open(self.sealer.open(Kind::Leg, token)?).map(|leg| leg.node)
    }

    /// To the primary of a node. A pair in switchover asks for patience, any other
    /// dead node ends its dialogs.
    fn to_node(&self, node: NodeId, now: Instant) -> Route {
        match self.nodes.primary(node) {
            Some(remote) => Route::Targets(vec![vec![self.node_target(node, remote)]]),
            None if self.nodes.is_switching(node, now) => Route::Answer(503),
            None => Route::Answer(481),
        }
    }

    /// The bindings of a DN, by descending q; equal q at the same time.
    fn look_up(&self, dn: &str, node: NodeId, now: Instant) -> Route {
        let mut lists: Vec<(u16, Vec<Target>)> = Vec::new();
        for binding in self.registrar.lookup(dn, now).take(FORK_WIDTH_MAX) {
            let Some(bound) = binding.contact.bound() else { continue };
            if is_by_flow(bound.source.protocol) {
                let holder = (binding.proxy, dn);
                if let Some(target) = self.flow_target(&bound.source, bound.uri, holder, node) {
                    add(&mut lists, bound.q, target);
                }
                continue;
            }
            // A binding of before a restart has no connection any more.
            let own_stream = binding.proxy == self.settings.id
                && bound.source.connection != ConnectionId::default()
                && bound.source.protocol.is_reliable();
            let to = if own_stream {
                Some(Destination::Flow(bound.source))
            } else {
                destination(bound.uri.as_bytes())
            };
            let Some(to) = to else { continue };
            let target = Target::new(to, Some(bound.uri.as_bytes().to_vec()));
            add(&mut lists, bound.q, target);
        }
        if lists.is_empty() {
            return Route::Answer(480);
        }
        Route::Targets(lists.into_iter().map(|(_, list)| list).collect())
    }
}

/// One more binding, which comes at the same time as those of equal q.
fn add(lists: &mut Vec<(u16, Vec<Target>)>, q: u16, target: Target) {
    match lists.last_mut() {
        Some((of, list)) if *of == q => list.push(target),
        Some(_) | None => lists.push((q, vec![target])),
    }
}

/// Whether whoever sends a request is reached by the connection that it comes by.
fn is_via_flow(message: &Message) -> bool {
    message.top_via().and_then(|via| via.protocol()).is_some_and(is_by_flow)
}

/// Whether a SUBSCRIBE asks about a mailbox (RFC 3842).
fn is_mailbox(message: &Message) -> bool {
    let event = message.header(HeaderId::Event).unwrap_or_default();
    let end = memchr::memchr(b';', event).unwrap_or(event.len());
    event[..end].trim_ascii().eq_ignore_ascii_case(b"message-summary")
}

fn node_of_word(word: u64) -> Option<NodeId> {
    NodeId::new(u16::try_from(word).ok()?)
}

/// A target at a URI's host, the Request-URI kept.
fn direct(hop: &[u8], request_uri: &[u8]) -> Route {
    match destination(hop) {
        Some(to) => Route::Targets(vec![vec![Target::new(to, Some(request_uri.to_vec()))]]),
        None => Route::Answer(416),
    }
}

fn to_address(protocol: Protocol, remote: SocketAddr) -> Target {
    Target::new(Destination::Address { protocol, remote }, None)
}

/// Where a SIP URI leads: its address, or its host to be resolved.
fn destination(uri: &[u8]) -> Option<Destination> {
    let uri = Uri::parse(uri).ok()?;
    if uri.scheme != Scheme::Sip {
        return None;
    }
    // Nothing is dialled by the others.
    let protocol = uri.protocol().filter(|protocol| !is_by_flow(*protocol))?;
    let port = uri.port_or_default();
    Some(match uri.host_ip() {
        Some(ip) => Destination::Address { protocol, remote: SocketAddr::new(ip, port) },
        None => Destination::Host { protocol, host: uri.host_str().into(), port },
    })
}
