//! One proxied request: a server side and the branches it was sent on.

use super::hints::DnKey;
use crate::base::flow::{Destination, Flow};
use crate::base::id::NodeId;
use crate::base::limits::{
    HOLDER_SILENCE, NODE_SILENCE, NODE_TRIES_MAX, TIMER_C, TRANSACTION_TIMEOUT,
};
use crate::base::time::Instant;
use crate::sip::message::{HeaderId, Message, Method};
use crate::sip::transaction::{Client, Server, TransactionKey};
use bytes::Bytes;
use smallvec::SmallVec;
use std::collections::VecDeque;

/// Where a branch goes.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) to: Destination,
    /// Request-URI in place of the one that came.
    pub(super) uri: Option<Vec<u8>>,
    /// The node, when it is one: the next is tried when it stays silent.
    pub(super) node: Option<NodeId>,
    /// Whether another node may take the request.
    pub(super) may_fail_over: bool,
    /// The node is to take it itself: another one was asked before.
    pub(super) is_further: bool,
    pub(super) way: Way,
}

/// How a request gets to whom it is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Way {
    /// As any request does.
    #[default]
    Open,
    /// By a connection of this proxy, the only way there is.
    Flow,
    /// By the proxy that has the connection, with this hop in `X-Genesys-Route`.
    Holder(Box<str>),
}

impl Target {
    /// There, and nowhere else.
    pub(super) fn new(to: Destination, uri: Option<Vec<u8>>) -> Self {
        Self { to, uri, node: None, may_fail_over: false, is_further: false, way: Way::Open }
    }
}

/// One branch.
#[derive(Clone, Debug)]
pub(super) struct Branch {
    pub(super) client: Client,
    pub(super) to: Destination,
    pub(super) bytes: Bytes,
    pub(super) node: Option<NodeId>,
    pub(super) may_fail_over: bool,
    /// Another proxy has the phone's connection.
    pub(super) is_held_elsewhere: bool,
    /// Where it goes by datagram, should the stream that its length asks for be refused.
    pub(super) datagram: Option<Box<Target>>,
    /// Highest provisional status heard, zero for none.
    pub(super) provisional: u16,
    /// Final status heard or made up, zero for none.
    pub(super) final_status: u16,
    /// The CANCEL, once it is sent; its own transaction.
    pub(super) cancel: Option<(Client, Bytes)>,
    /// To be cancelled as soon as a provisional response permits it.
    pub(super) cancel_wanted: bool,
    /// A CANCEL was sent, whatever became of it.
    pub(super) cancelled: bool,
    /// The last node there is gets more time.
    pub(super) last_wait: bool,
    /// Another branch has taken over.
    pub(super) abandoned: bool,
    /// The BYE of a call that nobody wants any more, not the request that came.
    pub(super) is_farewell: bool,
    /// When silence, or a missing final response, has lasted too long.
    pub(super) patience: Instant,
    pub(super) done: bool,
}

impl Branch {
    pub(super) fn new(target: &Target, bytes: Bytes, method: Method, now: Instant) -> Self {
        let reliable = target.to.protocol().is_reliable();
        let is_held_elsewhere = matches!(target.way, Way::Holder(_));
        let patience = if target.may_fail_over {
            now + NODE_SILENCE
        } else if method == Method::Invite && is_held_elsewhere {
            now + HOLDER_SILENCE
        } else if method == Method::Invite {
            now + TIMER_C
        } else {
            Instant::NEVER
        };
        Self {
            client: Client::new(method, now, reliable),
            to: target.to.clone(),
            bytes,
            node: target.node,
            may_fail_over: target.may_fail_over,
            is_held_elsewhere,
            datagram: None,
            provisional: 0,
            final_status: 0,
            cancel: None,
            cancel_wanted: false,
            cancelled: false,
            last_wait: false,
            abandoned: false,
            is_farewell: false,
            patience,
            done: false,
        }
    }

    /// The BYE that ends the call of a 2xx which came too late; it is repeated like
    /// any request, and its answer goes no further.
    pub(super) fn farewell(to: Destination, bytes: Bytes, now: Instant) -> Self {
        let target = Target::new(to, None);
        Self {
            is_farewell: true,
            abandoned: true,
            final_status: 481,
            ..Self::new(&target, bytes, Method::Bye, now)
        }
    }

    /// Whether a final response may still come that counts.
    pub(super) fn is_pending(&self) -> bool {
        self.final_status == 0 && !self.abandoned
    }

    /// A provisional response puts the end of patience off.
    pub(super) fn on_provisional(&mut self, status: u16, now: Instant, method: Method) {
        self.provisional = self.provisional.max(status);
        if self.cancel.is_none() {
            self.patience = if method == Method::Invite { now + TIMER_C } else { Instant::NEVER };
        }
    }

    /// After a CANCEL the final response must come within 64·T1.
    pub(super) fn on_cancelled(&mut self, now: Instant) {
        self.patience = now + TRANSACTION_TIMEOUT;
    }

    pub(super) fn next_deadline(&self) -> Instant {
        let cancel =
            self.cancel.as_ref().map_or(Instant::NEVER, |(client, _)| client.next_deadline());
        let own = if self.done { Instant::NEVER } else { self.client.next_deadline() };
        let patience = if self.final_status == 0 { self.patience } else { Instant::NEVER };
        own.min(cancel).min(patience)
    }

    /// Whether nothing of it can act any more.
    /// Whether nothing is sent on it any more, and what comes counts for nothing.
    fn is_answered(&self) -> bool {
        let is_quiet = self.done || !self.client.is_open();
        is_quiet && self.cancel.is_none() && !self.is_pending()
    }

    pub(super) fn is_over(&self) -> bool {
        self.done && self.cancel.is_none()
    }
}

/// Nodes in the order in which they are preferred.
pub(super) type Wanted = [Option<NodeId>; 3];

/// A To tag; those of nodes are 26 characters.
pub(super) type Tag = SmallVec<[u8; 32]>;

/// What was asked of the registrar's rules before a REGISTER went to its node.
pub(super) type Registration = crate::sip::registrar::Update;

/// One proxied request.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) key: TransactionKey,
    pub(super) method: Method,
    pub(super) flow: Flow,
    pub(super) request: Message,
    pub(super) from_node: Option<NodeId>,
    pub(super) server: Server,
    /// The last response, for repetitions.
    pub(super) response: Option<Bytes>,
    /// The To tag of the 2xx to an INVITE.
    pub(super) accepted_tag: Tag,
    /// Route values of ours at the top of the request.
    pub(super) routes_ours: usize,
    pub(super) branches: SmallVec<[Branch; 1]>,
    /// Targets still to be tried, by descending preference; inner lists are
    /// tried at the same time.
    pub(super) waiting: VecDeque<Vec<Target>>,
    pub(super) nodes_tried: SmallVec<[NodeId; NODE_TRIES_MAX]>,
    /// Nodes to be asked before the one that the Call-ID chooses.
    pub(super) wanted: Wanted,
    /// The DN that the request is about, for the hints.
    pub(super) dn: Option<DnKey>,
    /// The dialog that the request starts is counted in the hints.
    pub(super) is_counted: bool,
    /// The best final response so far.
    pub(super) best: Option<(u16, Message)>,
    pub(super) cancelled: bool,
    /// Challenges of all branches (RFC 3261 16.7 step 7).
    pub(super) challenges: Vec<(HeaderId, Vec<u8>)>,
    /// When a 100 is due.
    pub(super) trying_at: Instant,
    pub(super) registration: Option<Registration>,
    pub(super) server_done: bool,
    /// The final status that went back, zero for none.
    pub(super) answered: u16,
    /// The earliest time at which a wake-up is sure to come.
    pub(super) armed: Instant,
}

impl Transaction {
    pub(super) fn next_deadline(&self) -> Instant {
        let server = if self.server_done { Instant::NEVER } else { self.server.next_deadline() };
        let branches =
            self.branches.iter().map(Branch::next_deadline).min().unwrap_or(Instant::NEVER);
        server.min(branches).min(self.trying_at)
    }

    /// Whether all that may happen yet is that messages come again: after a final
    /// answer, and for an INVITE after the 2xx of its only branch. One that was refused
    /// still wants its ACK, and one with other branches may hear of them.
    pub(super) fn only_repeats(&self) -> bool {
        match (self.method, self.answered) {
            (Method::Invite, 200..=299) => match &*self.branches {
                [branch] => branch.is_answered() && self.waiting.is_empty(),
                [] | [_, _, ..] => false,
            },
            (Method::Invite, _) | (_, ..=199) => false,
            (_, 200..) => self.branches.iter().all(Branch::is_answered),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.server_done && self.branches.iter().all(Branch::is_over)
    }
}
