//! Copies of a request on their way (RFC 3261 16.6).

use super::core::{Action, Core, Cx};
use super::flows::is_by_flow;
use super::loops::digest_text;
use super::transaction::{Branch, Target, Way};
use crate::base::flow::{Destination, Flow, Outbound, Protocol, Sender};
use crate::base::id::{NodeId, Slot};
use crate::base::limits::MAX_FORWARDS_INITIAL;
use crate::base::seal::{Kind, Token};
use crate::base::short;
use crate::sip::message::via::amended_via;
use crate::sip::message::{Edits, HeaderId, Message};
use bytes::Bytes;
use smallvec::SmallVec;

/// The branch of a Via of ours.
pub(super) type BranchText = SmallVec<[u8; 64]>;

/// Branches of a transaction are numbered in the top bits of the index.
const BRANCH_SHIFT: u32 = 24;

/// The transaction's slot and the branch that a sealed word names.
pub(super) fn slot_and_branch(word: u64) -> (Slot, usize) {
    let (_, slot) = Slot::from_word(word);
    let branch = slot.index >> BRANCH_SHIFT;
    (Slot { index: slot.index & ((1 << BRANCH_SHIFT) - 1), ..slot }, branch as usize)
}

/// How a copy leaves: by this protocol, with this branch in our Via.
#[derive(Clone, Copy)]
pub(super) struct OwnVia<'b> {
    pub(super) protocol: Protocol,
    pub(super) branch: &'b [u8],
}

impl Core {
    /// The branch of a Via of ours: shard, sealed place of the branch, and a digest
    /// by which a loop is noticed.
    pub(super) fn branch_text(&self, slot: Slot, number: usize, request: &Message) -> BranchText {
        let shard = self.settings.shard;
        let index = slot.index | u32::try_from(number).unwrap_or(0xff) << BRANCH_SHIFT;
        let token = self.sealer.seal(Kind::Branch, Slot { index, ..slot }.with_shard(shard));
        let mut text = BranchText::from_slice(b"z9hG4bK");
        text.extend_from_slice(&short::hex(&[shard.0]));
        text.extend_from_slice(token.as_bytes());
        text.extend_from_slice(&digest_text(request));
        text
    }

    /// The value of a Via of ours.
    pub(super) fn own_via(&self, via: OwnVia<'_>) -> SmallVec<[u8; 128]> {
        let address = short::socket(self.settings.address_of(via.protocol));
        let mut text = SmallVec::new();
        for part in [
            b"SIP/2.0/",
            via.protocol.via_name().as_bytes(),
            b" ",
            &address,
            b";branch=",
            via.branch,
            b";rport",
        ] {
            text.extend_from_slice(part);
        }
        text
    }

    /// A copy of the request for one target.
    fn copy(
        &self,
        request: &Message,
        flow: &Flow,
        from_node: Option<NodeId>,
        routes_ours: usize,
        target: &Target,
        branch: &[u8],
    ) -> Bytes {
        let protocol = target.to.protocol();
        let mut edits = Edits::new(request);
        edits.prepend(HeaderId::Via, &self.own_via(OwnVia { protocol, branch }));
        if let Some(via) = request.top_via()
            && let Some(amended) = amended_via(&via, request.top_via_value(), flow)
        {
            edits.replace_first_value(HeaderId::Via, &amended);
        }
        if let Some(uri) = &target.uri {
            edits.request_uri(uri);
        }
        edits.remove_values(HeaderId::Route, routes_ours);
        let hops =
            request.max_forwards().map_or(MAX_FORWARDS_INITIAL, |hops| hops.saturating_sub(1));
        edits.set(HeaderId::MaxForwards, &short::decimal(hops.into()));
        edits.remove_all(HeaderId::is_internal);
        if target.node.is_some() {
            let source = [flow.protocol.uri_name().as_bytes(), b":", &short::socket(flow.remote)];
            edits.add_parts(HeaderId::XSipclusterSource, &source);
        }
        add_length(&mut edits, request);
        if target.is_further {
            edits.add_parts(HeaderId::XSipclusterFurther, &[b"1"]);
        }
        if let Way::Holder(hop) = &target.way {
            edits.add_parts(HeaderId::XGenesysRoute, &[self.sealed_hop(hop).as_bytes()]);
        } else if request.method().forms_dialog()
            && let Some(node) = from_node.or(target.node)
        {
            let held = match &target.to {
                Destination::Flow(to) => self.flow_token(to),
                Destination::Address { .. } | Destination::Host { .. } => None,
            };
            let held = held.or_else(|| self.flow_token(flow));
            self.record_route(&mut edits, (node, held), flow.protocol, protocol);
        }
        edits.write()
    }

    /// Record-Route names the cluster and, sealed, the node; this proxy and the connection where
    /// that is the way to the phone; two values where the protocols differ (RFC 5658 4).
    fn record_route(
        &self,
        edits: &mut Edits<'_>,
        (node, held): (NodeId, Option<Token>),
        inbound: Protocol,
        outbound: Protocol,
    ) {
        let token = self.sealer.seal(Kind::Route, u64::from(node.get()));
        let token = token.as_bytes();
        let is_mixed = inbound != outbound;
        let mut value: SmallVec<[u8; 192]> = SmallVec::new();
        for protocol in [outbound, inbound].into_iter().take(if is_mixed { 2 } else { 1 }) {
            let names_protocol = is_mixed || protocol != Protocol::Udp;
            let transport: [&[u8]; 2] = if names_protocol {
                [b";transport=", transport_of(protocol).as_bytes()]
            } else {
                [b""; 2]
            };
            let separator: &[u8] = if value.is_empty() { b"" } else { b", " };
            let [name, of] = transport;
            // The node finds this proxy by it; the phone knows the cluster's own name.
            let held = held.as_ref().filter(|_| !is_by_flow(protocol));
            let own = held.map(|_| short::socket(self.settings.address_of(protocol)));
            let access = self.settings.access_of(protocol);
            let access = own.as_ref().map_or(access.as_bytes(), |own| own);
            let held: [&[u8]; 2] = match held {
                Some(held) => [b";f=", held.as_bytes()],
                None => [b""; 2],
            };
            let [held, by] = held;
            for part in [separator, b"<sip:", access, name, of, b";lr;t=", token, held, by, b">"] {
                value.extend_from_slice(part);
            }
        }
        edits.prepend(HeaderId::RecordRoute, &value);
    }

    /// Starts a branch for each target of the next list that waits.
    pub(super) fn start_branches(
        &mut self,
        slot: Slot,
        targets: impl IntoIterator<Item = Target>,
        cx: &mut Cx<'_>,
    ) {
        for target in targets {
            self.start_branch(slot, target, false, cx);
        }
    }

    /// Starts one branch; a long request goes by a stream unless that was refused.
    pub(super) fn start_branch(
        &mut self,
        slot: Slot,
        mut target: Target,
        by_datagram: bool,
        cx: &mut Cx<'_>,
    ) {
        let Some(transaction) = self.transactions.get(slot) else { return };
        let number = transaction.branches.len();
        if number >= 255 {
            return;
        }
        let tried = &transaction.nodes_tried;
        target.is_further |= target.node.is_some_and(|node| tried.iter().any(|one| *one != node));
        let text = self.branch_text(slot, number, &transaction.request);
        let copy = |target: &Target| {
            self.copy(
                &transaction.request,
                &transaction.flow,
                transaction.from_node,
                transaction.routes_ours,
                target,
                &text,
            )
        };
        let mut bytes = copy(&target);
        let mut datagram = None;
        if !by_datagram && target.to.needs_stream(bytes.len()) {
            datagram = Some(Box::new(target.clone()));
            target.to = target.to.by(Protocol::Tcp);
            bytes = copy(&target);
        }
        let Some(transaction) = self.transactions.get_mut(slot) else { return };
        if let Some(node) = target.node.filter(|node| !transaction.nodes_tried.contains(node)) {
            transaction.nodes_tried.push(node);
        }
        let branch = Branch::new(&target, bytes.clone(), transaction.method, cx.now);
        transaction.branches.push(Branch { datagram, ..branch });
        if let Some(node) = target.node {
            self.note_branch(slot, node, cx);
        }
        let sender = Some(self.sender(slot, number));
        cx.out.push(Action::Send(Outbound { to: target.to, bytes, sender }));
    }

    /// The word by which a transport reports that it could not send.
    pub(super) fn sender(&self, slot: Slot, number: usize) -> Sender {
        let index = slot.index | u32::try_from(number).unwrap_or(0xff) << BRANCH_SHIFT;
        Sender(Slot { index, ..slot }.with_shard(self.settings.shard))
    }

    /// An ACK for a 2xx has no transaction: it is passed on and forgotten.
    pub(super) fn forward_ack(
        &mut self,
        request: &Message,
        flow: &Flow,
        from_node: Option<NodeId>,
        routes_ours: usize,
        target: &Target,
        cx: &mut Cx<'_>,
    ) {
        let mut branch = BranchText::from_slice(b"z9hG4bK");
        branch.extend_from_slice(&short::hex(&[self.settings.shard.0]));
        branch.extend_from_slice(b"ack");
        branch.extend_from_slice(&short::hex(&cx.ids.next_u64().to_be_bytes()));
        let bytes = self.copy(request, flow, from_node, routes_ours, target, &branch);
        cx.out.push(Action::Send(Outbound { to: target.to.clone(), bytes, sender: None }));
    }
}

/// What a URI says of a protocol: RFC 7118 has one word for both kinds of `WebSocket`.
const fn transport_of(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Wss => Protocol::Ws.uri_name(),
        Protocol::Udp | Protocol::Tcp | Protocol::Tls | Protocol::Ws => protocol.uri_name(),
    }
}

/// A datagram and a message of a `WebSocket` need not say how long their bodies are; on a stream,
/// where the message may go next, nobody else does (RFC 3261 20.14).
pub(super) fn add_length(edits: &mut Edits<'_>, message: &Message) {
    if message.header(HeaderId::ContentLength).is_none() {
        let length = u64::try_from(message.body().len()).unwrap_or_default();
        edits.add_parts(HeaderId::ContentLength, &[&short::decimal(length)]);
    }
}

/// The request of a branch as it was sent.
pub(super) fn sent_request(branch: &Branch) -> Option<Message> {
    crate::sip::message::scan(branch.bytes.clone()).ok()
}
