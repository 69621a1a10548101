//! The stack of one shard: the only file that knows transactions, dialogs and
//! legs together.

use super::client::ClientTransaction;
use super::leg::{Leg, LegState};
use super::server::ServerTransaction;
use crate::base::flow::{Outbound, Protocol, Sender};
use crate::base::id::{Ids, LegWord, NodeId, Shard, Slot};
use crate::base::leg::{Cause, LegEvent};
use crate::base::limits::{LEGS_PER_SHARD_MAX, TIMER_T2, TRANSACTIONS_PER_SHARD_MAX};
use crate::base::outbox::Outbox;
use crate::base::seal::{Kind, Sealer};
use crate::base::slab::Slab;
use crate::base::time::{Instant, WallTime};
use crate::sip::message::Message;
use crate::sip::packet::Packet;
use crate::sip::transaction::TransactionIndex;
use core::net::SocketAddr;
use std::sync::Arc;

/// Settings of a stack.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Own node.
    pub node: NodeId,
    /// Own shard.
    pub shard: Shard,
    /// Own SIP address, for Via.
    pub address: SocketAddr,
    /// Host and port that Contact shows: `external-contact`, or the address of a
    /// proxy of the own data centre.
    pub access: String,
    /// Host in `o=` lines.
    pub origin_host: String,
    /// Proxies of the own data centre.
    pub proxies: Vec<SocketAddr>,
    /// Protocol towards the proxies.
    pub proxy_protocol: Protocol,
    /// `sip-outbound-proxy: false`: requests go straight to trunk or phone, by their
    /// route set or target; `proxies` is empty then.
    pub direct: bool,
    /// `sip-enable-100rel`.
    pub reliable: bool,
    /// `session-refresh-interval`, in seconds; zero asks for no session timer.
    pub session_seconds: u32,
}

/// What comes out for the layer above.
#[derive(Debug)]
pub enum Event {
    /// A leg says something.
    Leg(Slot, LegEvent),
    /// Somebody calls: the INVITE, before anything was answered. The leg exists
    /// and is refused or taken by a command.
    Incoming(Slot, Box<Packet>),
    /// A request outside a dialog, to be answered by [`Stack::answer`].
    Request(Slot, Box<Packet>),
    /// The leg is gone; its slot will be used again.
    Freed(Slot),
}

/// What is to wake up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// A leg.
    Leg(Slot),
    /// A client transaction.
    Client(Slot),
    /// A server transaction.
    Server(Slot),
}

/// What a stack wants done.
#[derive(Debug)]
pub enum Action {
    /// Send a message.
    Send(Outbound),
    /// Call `wake` at that time.
    Arm(Wake, Instant),
    /// Tell the layer above.
    Up(Event),
    /// Have the Service Checker look at a proxy that stayed silent.
    Suspect(SocketAddr),
    /// Count something.
    Count(Counted),
}

/// What a stack counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// A request came again.
    Retransmission,
    /// We sent a request again.
    Repeated,
    /// A response that belongs to nothing.
    StrayResponse,
    /// A request for a dialog that is not here.
    NoDialog,
    /// A request went to another proxy.
    ProxyFailover,
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

    pub(super) fn up(&mut self, leg: Slot, event: LegEvent) {
        self.out.push(Action::Up(Event::Leg(leg, event)));
    }
}

/// All legs and transactions of a shard.
#[derive(Debug)]
pub struct Stack {
    pub(super) settings: Arc<Settings>,
    pub(super) sealer: Arc<Sealer>,
    pub(super) legs: Slab<Leg>,
    pub(super) clients: Slab<ClientTransaction>,
    pub(super) servers: Slab<ServerTransaction>,
    pub(super) by_key: TransactionIndex,
    pub(super) proxies_down: Vec<SocketAddr>,
    pub(super) next_proxy: usize,
    /// What the turn works on, for the case that it panics.
    pub(super) touched: Vec<Wake>,
    pub(super) seed: u64,
    /// What the wall clock showed at the start of the turn.
    pub(super) wall: WallTime,
}

const _: () = assert!(LEGS_PER_SHARD_MAX <= 1 << LegWord::INDEX_BITS);

impl Stack {
    /// An empty stack.
    #[must_use]
    pub fn new(settings: Arc<Settings>, sealer: Arc<Sealer>, seed: u64) -> Self {
        Self {
            settings,
            sealer,
            legs: Slab::new(LEGS_PER_SHARD_MAX),
            clients: Slab::new(TRANSACTIONS_PER_SHARD_MAX),
            servers: Slab::new(TRANSACTIONS_PER_SHARD_MAX),
            by_key: TransactionIndex::default(),
            proxies_down: Vec::new(),
            next_proxy: 0,
            touched: Vec::new(),
            seed,
            wall: WallTime::default(),
        }
    }

    /// Other settings; own node, shard and address must be the same.
    pub fn settings(&mut self, settings: Arc<Settings>) {
        self.proxies_down.retain(|proxy| settings.proxies.contains(proxy));
        self.settings = settings;
    }

    /// What the wall clock shows, told before each turn: the next hops that the
    /// proxies are told carry it.
    pub fn wall(&mut self, wall: WallTime) {
        self.wall = wall;
    }

    /// A message came.
    pub fn packet(&mut self, packet: Packet, cx: &mut Cx<'_>) {
        self.begin();
        if packet.message.is_request() {
            self.on_request(packet, cx);
        } else {
            self.on_response(&packet.message, cx);
        }
    }

    /// A deadline has come.
    pub fn wake(&mut self, wake: Wake, cx: &mut Cx<'_>) {
        self.begin();
        self.touch(wake);
        match wake {
            Wake::Leg(slot) => self.wake_leg(slot, cx),
            Wake::Client(slot) => self.wake_client(slot, cx),
            Wake::Server(slot) => self.wake_server(slot, cx),
        }
    }

    /// A message could not be sent.
    pub fn send_failed(&mut self, sender: Sender, cx: &mut Cx<'_>) {
        let (_, slot) = Slot::from_word(sender.0);
        self.begin();
        self.touch(Wake::Client(slot));
        self.on_send_failed(slot, cx);
    }

    /// The Service Checker's word on a proxy.
    pub fn proxy(&mut self, proxy: SocketAddr, in_service: bool) {
        self.proxies_down.retain(|down| *down != proxy);
        if !in_service {
            self.proxies_down.push(proxy);
        }
    }

    /// State of a leg, `None` when it is gone.
    #[must_use]
    pub fn leg_state(&self, leg: Slot) -> Option<LegState> {
        self.legs.get(leg).map(|leg| leg.state)
    }

    /// Call-ID of a leg.
    #[must_use]
    pub fn leg_call_id(&self, leg: Slot) -> Option<&str> {
        self.legs.get(leg).map(|leg| &*leg.dialog.call_id)
    }

    /// Legs, client and server transactions in being.
    #[must_use]
    pub fn lens(&self) -> (usize, usize, usize) {
        (self.legs.len(), self.clients.len(), self.servers.len())
    }

    /// The sealed word of a leg.
    pub(super) fn leg_word(&self, leg: Slot) -> u64 {
        LegWord { node: self.settings.node, shard: self.settings.shard, slot: leg }.word()
    }

    /// The leg that a request inside a dialog is for: its Request-URI is our Contact.
    /// Where a simple client goes on with the number that it dialled, our tag names the
    /// leg all the same.
    pub(super) fn leg_of(&self, request: &Message) -> Option<Slot> {
        let uri = request.uri().ok();
        let by_contact = uri.and_then(|uri| self.sealer.open(Kind::Leg, uri.user.get(2..)?));
        let word = by_contact.or_else(|| self.sealer.open(Kind::Tag, request.to_tag()))?;
        let leg = LegWord::open(word)?;
        let ours = leg.node == self.settings.node && leg.shard == self.settings.shard;
        ours.then_some(leg.slot)
    }

    /// Contact of a leg.
    pub(super) fn contact(&self, leg: Slot) -> String {
        let token = self.sealer.seal(Kind::Leg, self.leg_word(leg));
        format!("<sip:{:02x}{token}@{}>", self.settings.shard.0, self.settings.access)
    }

    /// Tells the call of a leg's end, once.
    pub(super) fn report(&mut self, leg: Slot, event: LegEvent, cx: &mut Cx<'_>) {
        let Some(found) = self.legs.get_mut(leg) else { return };
        if !found.reported {
            found.reported = true;
            cx.up(leg, event);
        }
    }

    /// Frees a leg that nothing refers to, or arms its deadline.
    pub(super) fn settle_leg(&mut self, leg: Slot, cx: &mut Cx<'_>) {
        let Some(found) = self.legs.get(leg) else { return };
        if found.is_over() {
            self.legs.remove(leg);
            cx.out.push(Action::Up(Event::Freed(leg)));
            return;
        }
        let at = found.next_deadline();
        // A deadline that moved back is armed anew when the earlier one has come.
        if at < found.armed
            && let Some(found) = self.legs.get_mut(leg)
        {
            found.armed = at;
            cx.out.push(Action::Arm(Wake::Leg(leg), at));
        }
    }

    fn wake_leg(&mut self, slot: Slot, cx: &mut Cx<'_>) {
        let Some(leg) = self.legs.get_mut(slot) else { return };
        leg.armed = Instant::NEVER;
        self.wake_ack(slot, cx);
        self.wake_prack(slot, cx);
        self.wake_session(slot, cx);
        self.settle_leg(slot, cx);
    }

    /// A 2xx waits for its ACK.
    fn wake_ack(&mut self, slot: Slot, cx: &mut Cx<'_>) {
        let Some(leg) = self.legs.get_mut(slot) else { return };
        let Some(awaited) = &mut leg.awaited_ack else { return };
        if cx.now >= awaited.give_up_at {
            leg.awaited_ack = None;
            self.hang_up(slot, &Cause::with_q850(408, 102, "No ACK"), cx);
            self.report(slot, LegEvent::Ended(Cause::code(408)), cx);
        } else if cx.now >= awaited.at {
            awaited.repeat(cx.now, TIMER_T2);
            let to = crate::base::flow::Destination::Flow(awaited.flow);
            let bytes = awaited.bytes.clone();
            cx.count(Counted::Repeated);
            cx.out.push(Action::Send(Outbound { to, bytes, sender: None }));
        }
    }
}
