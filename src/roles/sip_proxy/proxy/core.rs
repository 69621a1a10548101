//! The shard's machine: events in, actions out.

use super::held::{Settled, Transactions};
use super::hints::Hints;
use super::nodes::Nodes;
use super::settings::Settings;
use crate::base::flow::{Outbound, Sender};
use crate::base::id::{Ids, NodeId, Slot};
use crate::base::limits::TRANSACTIONS_PER_SHARD_MAX;
use crate::base::outbox::Outbox;
use crate::base::seal::Sealer;
use crate::base::time::{Instant, WallTime};
use crate::sip::packet::Packet;
use crate::sip::registrar::{Entry, Registrar};
use crate::sip::transaction::TransactionIndex;
use core::net::SocketAddr;
use std::sync::Arc;

/// What a shard is told.
#[derive(Debug)]
pub enum Event {
    /// A message came.
    Packet(Packet),
    /// A message could not be sent.
    SendFailed(Sender),
    /// A deadline of a transaction has come.
    Wake(Slot),
    /// The Service Checker's word on a node: the address of its primary.
    Node(NodeId, Option<SocketAddr>),
    /// Its word on whether a node keeps its calls and takes nothing new.
    Draining(NodeId, bool),
    /// Another proxy's word on a binding.
    Binding(Entry),
    /// Bindings may have expired.
    Expire,
    /// What the wall clock shows: told at the start and every second, and counted
    /// on from there.
    Wall(WallTime),
    /// The configuration was changed; own id, shard and address must be the same.
    Settings(Arc<Settings>),
}

/// What a shard wants done.
#[derive(Debug)]
pub enum Action {
    /// Send a message.
    Send(Outbound),
    /// Wake the transaction at that time.
    Arm(Slot, Instant),
    /// Tell the other proxies.
    Share(Entry),
    /// Have the Service Checker look at a node that stayed silent.
    Suspect(NodeId),
    /// Count something.
    Count(Counted),
}

/// What a shard counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// A request came again and was answered from memory or absorbed.
    Retransmission,
    /// An `X-Genesys-Route` that did not open, was too old, or came from no node.
    ForeignRoute,
    /// A token of a dialog that did not open.
    BadToken,
    /// A response that belongs to nothing.
    StrayResponse,
    /// A request went to the next node.
    NodeFailover,
    /// A registration was stored.
    Registered,
    /// A turn panicked.
    Panicked,
}

/// Inputs of a turn besides the event.
#[derive(Debug)]
pub struct Cx<'a> {
    /// The time.
    pub now: Instant,
    /// Random bits.
    pub ids: &'a mut Ids,
    /// Where actions go.
    pub out: &'a mut Outbox<Action>,
}

impl Cx<'_> {
    pub(super) fn count(&mut self, counted: Counted) {
        self.out.push(Action::Count(counted));
    }
}

/// One proxy shard with the registrar.
#[derive(Debug)]
pub struct Core {
    pub(super) settings: Arc<Settings>,
    pub(super) sealer: Arc<Sealer>,
    pub(super) nodes: Nodes,
    pub(super) registrar: Registrar,
    pub(super) hints: Hints,
    /// The wall clock as it was last told, and when.
    pub(super) wall: Option<(Instant, WallTime)>,
    pub(super) transactions: Transactions,
    pub(super) by_key: TransactionIndex,
    pub(super) seed: u64,
    /// What the turn works on, for the case that it panics.
    pub(super) touched: Option<Slot>,
}

impl Core {
    /// A shard without transactions and bindings.
    #[must_use]
    pub fn new(settings: Arc<Settings>, sealer: Arc<Sealer>, seed: u64) -> Self {
        Self {
            nodes: Nodes::new(&settings),
            settings,
            sealer,
            registrar: Registrar::new(),
            hints: Hints::default(),
            wall: None,
            transactions: Transactions::new(TRANSACTIONS_PER_SHARD_MAX),
            by_key: TransactionIndex::default(),
            seed,
            touched: None,
        }
    }

    /// One event.
    pub fn on(&mut self, event: Event, cx: &mut Cx<'_>) {
        self.touched = None;
        match event {
            Event::Packet(packet) if packet.message.is_request() => self.on_request(packet, cx),
            Event::Packet(packet) => self.on_response(&packet, cx),
            Event::Wall(wall) => self.wall = Some((cx.now, wall)),
            Event::SendFailed(sender) => self.on_send_failed(sender, cx),
            Event::Wake(slot) => self.on_wake(slot, cx),
            Event::Draining(id, is_draining) => self.nodes.drain(id, is_draining),
            Event::Node(id, primary) => {
                self.nodes.set(id, primary, cx.now);
                if primary.is_none() {
                    self.on_node_lost(id, cx);
                }
            }
            Event::Binding(entry) => {
                self.registrar.apply(entry, cx.now);
            }
            Event::Settings(settings) => {
                self.nodes.configure(&settings);
                // It listens where it has from its start.
                let mut settings = Arc::unwrap_or_clone(settings);
                settings.ports.clone_from(&self.settings.ports);
                settings.ports_of_all.extend(settings.ports.iter().map(|(_, address)| *address));
                self.settings = Arc::new(settings);
            }
            Event::Expire => {
                self.registrar.on_timer(cx.now);
            }
        }
    }

    /// What it works by.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Transactions in progress.
    #[must_use]
    pub fn transactions_len(&self) -> usize {
        self.transactions.len()
    }

    /// The registrar's store, to read.
    #[must_use]
    pub fn registrar(&self) -> &Registrar {
        &self.registrar
    }

    /// Nodes in service of the own data centre.
    #[must_use]
    pub fn nodes_in_service(&self) -> usize {
        self.nodes.in_service()
    }

    /// Whether a node is in service.
    #[must_use]
    pub fn node_in_service(&self, id: NodeId) -> bool {
        self.nodes.is_in_service(id)
    }

    /// Frees a transaction that is over, or arms its next deadline.
    pub(super) fn settle(&mut self, slot: Slot, cx: &mut Cx<'_>) {
        match self.transactions.settle(slot) {
            Settled::Waits => {}
            Settled::Arm(at) => cx.out.push(Action::Arm(slot, at)),
            Settled::Over(key) => {
                self.by_key.remove(&key);
            }
        }
    }
}
