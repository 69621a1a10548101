//! The T-Controller's machine.

use super::inbox::Phone;
use super::links::Links;
use super::log::{Cursors, DnLog, Log, Since};
use super::operator::Operators;
use super::order::Requests;
use super::owners::Ownership;
use super::remote::Remote;
use super::running::{Bereft, Running};
use super::settings::{DnKind, Settings};
use super::settling::{Early, Settling};
use super::shown::Shown;
use super::standing::Standing;
use crate::base::id::{ConnId, Ids, NodeId};
use crate::base::limits::{DNS_PER_EVENT_MAX, OUTBOX_LEN_MAX};
use crate::base::outbox::Outbox;
use crate::base::ownership::DnWord;
use crate::base::time::{Instant, WallTime};
use crate::call::facts::{CallFact, Order};
use crate::cti::agent::{self, Agent};
use crate::cti::calls::Calls;
use crate::cti::dn::Dn;
use crate::cti::refusal::Refusal;
use crate::cti::supervision::{Subscription, Waiting};
use crate::cti::tlib::{self, Attributes, EventType, RegisterMode, Request, RequestType};
use crate::mesh::wire::proto;
use crate::modules::t_library::admission::Admission;
use crate::modules::t_library::port::{ClientId, Heard};
use crate::modules::t_library::session::{Session, Taken, refused, subject, unsupported};
use bytes::Bytes;
use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// What a T-Controller is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// Something was heard of a client.
    Heard(ClientId, Heard),
    /// A phone has registered.
    Phone(Box<Phone>),
    /// Something has happened in a call.
    Fact(Box<CallFact>),
    /// Something that has happened in calls of this node was not told.
    Short,
    /// A deadline may have come.
    Wake(Wake),
    /// The configuration was changed.
    Settings(Arc<Settings>),
    /// Something was heard of a connection with another T-Controller.
    Link(ClientId, Heard),
    /// A connection to that node is being made, or cannot be, perhaps because nobody
    /// listens there.
    Dialled(NodeId, Option<ClientId>, bool),
    /// An operator, by a number of its own, asks for something about a DN.
    Operate(u64, RequestType, Box<Attributes>),
    /// A frame for the client that operators are.
    OperatorFrame(Bytes),
}

/// What is to wake up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The DN at that index: its agent, or its registrations.
    Dn(usize),
    /// A client's silence.
    Client(ClientId),
    /// What the last event left.
    Rest,
    /// The links to other T-Controllers; also the first event of all.
    Links,
    /// What other nodes are to know of DNs that are owned here.
    Standings,
}

/// A DN that is to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Whether it is in service.
    Service(usize),
    /// What another configuration makes of it and of its agent.
    Configured(usize),
    /// The client that logged its agent in is gone.
    LostDesktop(usize, Party),
    /// Who owns it, and what follows from that.
    Owner(usize),
    /// That node's calls are over.
    Calls(usize, NodeId),
    /// The next DNs that a smart client is to be told of.
    Bulk(ClientId),
    /// Its owner is to know who is registered.
    Attach(usize),
}

/// A client of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Party {
    /// The node that it is connected to.
    pub(super) node: NodeId,
    /// Its number there.
    pub(super) client: ClientId,
}

/// What a T-Controller wants done.
#[derive(Clone, Debug)]
pub enum Action {
    /// Send a frame.
    Send(ClientId, Bytes),
    /// Close a client when it has what waits for it.
    End(ClientId),
    /// Wake it at that time.
    Arm(Wake, Instant),
    /// Send a frame over a link.
    SendLink(ClientId, Bytes),
    /// Close a link.
    EndLink(ClientId),
    /// Connect to another T-Controller, and say so.
    Dial(NodeId, SocketAddr),
    /// Want something of a call of this node.
    Order(Order),
    /// The answer to an operator.
    Operated(u64, Box<tlib::Event>),
    /// What every thread may read of the DN at that index.
    Note(usize, DnWord),
}

/// Inputs of a turn besides the event.
#[derive(Debug)]
pub struct Cx<'a> {
    /// The time.
    pub now: Instant,
    /// The time for people.
    pub wall: WallTime,
    /// Random bits.
    pub ids: &'a mut Ids,
    /// Where actions go.
    pub out: &'a mut Outbox<Action>,
}

/// A client of the port.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) session: Session,
    /// Indices of the DNs that it is registered for.
    pub(super) dns: BTreeSet<usize>,
    /// What it has had on an earlier connection.
    pub(super) cursors: Cursors,
    /// It may ask for all DNs of this node.
    pub(super) is_smart: bool,
}

/// A DN with all that this node knows of it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: Box<str>,
    pub(super) kind: DnKind,
    /// Whether the configuration still has it.
    pub(super) is_configured: bool,
    pub(super) dn: Dn,
    pub(super) agent: Agent,
    /// Since when the agent is in the state that was told last.
    pub(super) agent_since: WallTime,
    pub(super) calls: Calls,
    /// The client whose TAgentLogin it was.
    pub(super) desktop: Option<Party>,
    /// Whether that login goes with its client, where it has said so.
    pub(super) logout_on_disconnect: Option<bool>,
    /// Who hears of it, in the order in which they came; clients of other nodes only
    /// where the DN is owned.
    pub(super) registrants: Vec<(Party, RegisterMode)>,
    /// Who owns it.
    pub(super) owner: Ownership,
    /// Whether that node has told how the DN is, since it owns it: what it says then is
    /// what has changed.
    pub(super) is_attached: bool,
    /// What others say of a claim of this node that it does not know of, and until when
    /// a hand-over may come that explains it.
    pub(super) said_own: Option<(u32, Instant)>,
    /// Until when it is not claimed for what was known before it was lost.
    pub(super) claim_after: Instant,
    /// Its last owner was lost, and its clients do not know yet what has become of it.
    pub(super) bereft: Option<Bereft>,
    /// The last client here that kept it in service was lost, without a word.
    pub(super) is_deserted: bool,
    /// When it is to go to the data centre from which its agent has logged in since.
    pub(super) move_at: Option<Instant>,
    /// The node that is to own it as soon as nothing is in the way.
    pub(super) leaving: Option<NodeId>,
    /// Whom a hand-over has brought, until the DN is in service here.
    pub(super) restored: Option<Box<proto::RestoredAgent>>,
    /// What clients here have been told of it.
    pub(super) shown: Shown,
    /// What it has told since it is owned here.
    pub(super) log: DnLog,
    /// What its owner has told every node of it.
    pub(super) standing: Standing,
    /// Whom the supervisor there wants to watch.
    pub(super) supervision: Option<Subscription>,
    /// Calls that ring at its agent, until when they may.
    pub(super) rings: BTreeMap<ConnId, Instant>,
    /// Contacts of its phone, until when.
    pub(super) contacts: BTreeMap<Box<str>, Instant>,
    /// When it is to be woken: a wake-up before that is none of its own any more.
    pub(super) armed: Instant,
}

/// Who has asked for what a turn does, if anybody has: the first event is the answer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    pub(super) by: Option<(Party, u32)>,
    /// From where on a client that has come back is to hear of the DN.
    pub(super) since: Option<Since>,
    /// By a Smart Proxy that hears of every DN and knows who is registered.
    pub(super) is_bulk: bool,
}

/// The T-Controller of a node.
#[derive(Debug)]
pub struct Core {
    pub(super) settings: Arc<Settings>,
    pub(super) epoch: u32,
    /// When it began, for ServerStartTime.
    pub(super) started: WallTime,
    /// Number of the last event that others may hear of.
    pub(super) seq: u64,
    pub(super) clients: BTreeMap<ClientId, Client>,
    pub(super) dns: Vec<Entry>,
    pub(super) names: HashMap<Box<str>, usize>,
    /// Where an agent is logged in.
    pub(super) agents: BTreeMap<Box<str>, usize>,
    pub(super) agent_out: Outbox<agent::Action>,
    /// DNs to look at, some with each event: a client may have been all that kept
    /// thousands of them.
    pub(super) looks: VecDeque<Look>,
    /// The other T-Controllers.
    pub(super) links: Links,
    /// How many DNs this node owns.
    pub(super) owned: usize,
    /// Smart clients that hear of every phone of this node, with the number of DNs that they
    /// have been told of.
    pub(super) smart: BTreeMap<ClientId, usize>,
    /// DNs that are owned here since, or not any more, which is not told yet.
    pub(super) owner_changes: Vec<(usize, bool)>,
    /// DNs that are owned here since and settle: that is told when they have.
    pub(super) untaken: BTreeSet<usize>,
    /// Sum over the owners of all DNs, to be compared with those of other nodes.
    pub(super) owners_sum: u64,
    /// Clients of theirs.
    pub(super) remotes: BTreeMap<Party, Remote>,
    /// Agents at DNs of theirs.
    pub(super) elsewhere: BTreeMap<Box<str>, NodeId>,
    /// Requests of clients here that they work on.
    pub(super) pending: Requests,
    /// Requests for DNs that settle.
    pub(super) settling: Settling,
    /// Who has asked for the end of a call at a DN, and when.
    pub(super) releases: BTreeMap<(ConnId, usize), (Asked, Instant)>,
    /// Calls of this node that DNs of others are in, or were.
    pub(super) running: BTreeMap<ConnId, Running>,
    /// Which of them a DN is in.
    pub(super) running_at: BTreeMap<usize, Vec<ConnId>>,
    /// DNs whose owner is to be told of those.
    pub(super) owed: BTreeSet<usize>,
    /// Events that are kept.
    pub(super) log: Log,
    /// What operators wait for.
    pub(super) operators: Operators,
    /// Clients of other nodes that come to a DN which is not owned here yet.
    pub(super) early: BTreeMap<usize, BTreeMap<NodeId, proto::Attach>>,
    /// T-Controllers tell this Smart Proxy of every DN.
    pub(super) is_bulk: bool,
    /// Who is registered here for which DN, of which its owner does not know though it is to.
    pub(super) unknown: BTreeSet<(usize, ClientId)>,
    /// DNs of which every thread is to read something else.
    pub(super) noted: Vec<usize>,
    /// DNs that are owned here, and stand otherwise than other nodes have been told.
    pub(super) untold: BTreeSet<usize>,
    /// Who waits in this data centre for calls of which target.
    pub(super) waiting: Waiting,
}

impl Core {
    /// A T-Controller that nobody is connected to.
    #[must_use]
    pub fn new(settings: Arc<Settings>, epoch: u32, started: WallTime) -> Self {
        let mut core = Self {
            settings: settings.clone(),
            epoch,
            started,
            seq: 0,
            clients: BTreeMap::new(),
            dns: Vec::new(),
            names: HashMap::new(),
            agents: BTreeMap::new(),
            agent_out: Outbox::new(OUTBOX_LEN_MAX),
            looks: VecDeque::new(),
            links: Links::default(),
            owned: 0,
            smart: BTreeMap::new(),
            owner_changes: Vec::new(),
            untaken: BTreeSet::new(),
            owners_sum: 0,
            remotes: BTreeMap::new(),
            elsewhere: BTreeMap::new(),
            pending: Requests::default(),
            settling: Settling::default(),
            releases: BTreeMap::new(),
            running: BTreeMap::new(),
            running_at: BTreeMap::new(),
            owed: BTreeSet::new(),
            log: Log::default(),
            operators: Operators::default(),
            early: BTreeMap::new(),
            is_bulk: settings.bulk,
            unknown: BTreeSet::new(),
            noted: Vec::new(),
            untold: BTreeSet::new(),
            waiting: Waiting::default(),
        };
        core.know(&settings);
        core
    }

    /// Takes one event.
    pub fn on(&mut self, event: Event, cx: &mut Cx<'_>) {
        match event {
            Event::Heard(id, Heard::Connected(remote)) => self.connected(id, remote, cx),
            Event::Heard(id, Heard::Frame(bytes)) => self.on_frame(id, bytes, cx),
            Event::Heard(id, Heard::Gone(reason)) => self.gone(id, reason, cx),
            Event::Phone(phone) => self.on_phone(&phone, true, cx),
            Event::Fact(fact) => self.on_fact(&fact, cx),
            Event::Short => self.on_short(cx),
            Event::Wake(Wake::Dn(index)) => self.wake_dn(index, cx),
            Event::Wake(Wake::Client(id)) => self.watch_silence(id, cx),
            Event::Wake(Wake::Rest) => {}
            Event::Wake(Wake::Standings) => self.tell_standings(cx),
            Event::Wake(Wake::Links) => {
                self.links.is_ticking = false;
                self.know_peers(cx);
            }
            Event::Settings(settings) => {
                self.on_settings(settings, cx);
                self.know_peers(cx);
            }
            Event::Link(id, heard) => self.on_link(id, heard, cx),
            Event::Dialled(node, id, is_refused) => self.on_dialled(node, id, is_refused, cx),
            Event::Operate(ask, kind, given) => self.on_operate(ask, kind, *given, cx),
            Event::OperatorFrame(bytes) => self.on_operator_frame(&bytes, cx),
        }
        self.look_at_some(cx);
        self.go_on_settled(cx);
        self.tell_ownership(cx);
        self.end_bulk(cx);
        self.tell_running(cx);
        self.note_words(cx);
    }

    pub(super) fn look_at_some(&mut self, cx: &mut Cx<'_>) {
        for _ in 0..DNS_PER_EVENT_MAX {
            match self.looks.pop_front() {
                Some(Look::Service(index)) => self.look_at_service(index, cx),
                Some(Look::Configured(index)) => self.look_at_configuration(index, cx),
                Some(Look::LostDesktop(index, id)) if self.dns[index].desktop == Some(id) => {
                    self.dns[index].desktop = None;
                    self.turn_agent(index, agent::Event::ClientLost, cx);
                }
                Some(Look::LostDesktop(..)) => {}
                Some(Look::Owner(index)) => self.look_at_owner(index, cx),
                Some(Look::Calls(index, node)) => self.end_calls(index, node, cx),
                Some(Look::Bulk(id)) => self.look_at_bulk(id, cx),
                Some(Look::Attach(index)) => self.look_at_attach(index, cx),
                None => return,
            }
        }
        if !self.looks.is_empty() {
            cx.out.push(Action::Arm(Wake::Rest, cx.now));
        }
    }

    /// Enters the DNs of a configuration; an index, once given, stays.
    fn know(&mut self, settings: &Settings) {
        for entry in &mut self.dns {
            entry.is_configured = false;
        }
        for (name, kind) in &settings.dns {
            match self.names.get(name) {
                Some(index) => {
                    let entry = &mut self.dns[*index];
                    entry.is_configured = true;
                    entry.kind = *kind;
                }
                None => {
                    self.names.insert(name.clone(), self.dns.len());
                    self.dns.push(Entry {
                        name: name.clone(),
                        kind: *kind,
                        is_configured: true,
                        dn: Dn { is_in_service: !kind.is_phone(), ..Dn::default() },
                        agent: Agent::default(),
                        agent_since: WallTime(0),
                        calls: Calls::default(),
                        desktop: None,
                        logout_on_disconnect: None,
                        registrants: Vec::new(),
                        rings: BTreeMap::new(),
                        contacts: BTreeMap::new(),
                        armed: Instant::NEVER,
                        owner: Self::first_owner(settings, *kind),
                        is_attached: false,
                        said_own: None,
                        claim_after: Instant::ZERO,
                        bereft: None,
                        is_deserted: false,
                        move_at: None,
                        leaving: None,
                        restored: None,
                        shown: Shown::untold(!kind.is_phone()),
                        log: DnLog::default(),
                        standing: Standing::default(),
                        supervision: None,
                    });
                }
            }
        }
    }

    fn on_settings(&mut self, settings: Arc<Settings>, cx: &mut Cx<'_>) {
        self.know(&settings);
        let before = core::mem::replace(&mut self.settings, settings);
        self.change_bulk(before.bulk, cx);
        self.looks.extend((0..self.dns.len()).map(Look::Configured));
        // What is new is to be told too.
        self.looks.extend(self.smart.keys().copied().map(Look::Bulk));
        self.end_changed(&before.admission, cx);
        self.note_all();
    }

    /// Clients that have other rights than before come back with those.
    fn end_changed(&mut self, before: &Admission, cx: &mut Cx<'_>) {
        let is_changed = |client: &Client| {
            let name = client.session.name.as_deref().filter(|_| client.session.address.is_some());
            name.is_some_and(|name| !self.settings.admission.is_same_for(before, name))
        };
        let changed = self.clients.iter().filter(|(_, client)| is_changed(client));
        let changed: Vec<ClientId> = changed.map(|(id, _)| *id).collect();
        for id in changed {
            tracing::info!(node = %self.settings.name, client = id.0, "the rights of a T-Library client have changed: connection ended");
            self.end(id, cx);
        }
    }

    /// A frame of a client. What is no frame ends the connection: nobody knows what
    /// comes behind it.
    fn on_frame(&mut self, id: ClientId, bytes: Bytes, cx: &mut Cx<'_>) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        match client.session.take(bytes, cx.now) {
            Ok(Taken::Request(request)) => self.on_request(id, *request, cx),
            Ok(Taken::Polled(answer)) => cx.out.push(Action::Send(id, answer)),
            // What is kept here is not kept for one client.
            Ok(Taken::Acknowledged(_) | Taken::Nothing) => {}
            Err(error) => {
                tracing::info!(node = %self.settings.name, client = id.0, %error, "T-Library client ended");
                self.end(id, cx);
            }
        }
    }

    fn on_request(&mut self, id: ClientId, request: Request, cx: &mut Cx<'_>) {
        self.on_own_request(id, request, 0, cx);
    }

    /// A request of a client here, which has been sent to other nodes so often.
    pub(super) fn on_own_request(
        &mut self,
        id: ClientId,
        request: Request,
        tries: u8,
        cx: &mut Cx<'_>,
    ) {
        let party = Party { node: self.settings.node, client: id };
        let asked = Asked { by: Some((party, request.reference_id)), ..Asked::default() };
        let Some(client) = self.clients.get(&id) else { return };
        let checked = client.session.check(&request);
        let checked = checked.and_then(|kind| self.check_port(kind).map(|()| kind));
        let given = request.attributes.as_deref().cloned().unwrap_or_default();
        let checked = checked.and_then(|kind| {
            // Whoever asks from this process has been asked who he is elsewhere.
            if let (Some(name), Some(_)) = (&client.session.name, client.session.address) {
                self.settings.admission.check(name, kind, &given)?;
            }
            Ok(kind)
        });
        let subject = subject(&given);
        let result = match checked {
            Err(refusal) => Err(refusal),
            Ok(RequestType::TRegisterClient) => {
                self.register_client(id, request.registration.unwrap_or_default(), asked, cx)
            }
            Ok(kind) => {
                let to = self.wanted_elsewhere(kind, &given, cx);
                let to = to.filter(|_| !self.leaves_bulk(kind, id, &given));
                match (self.settling_dn(kind, &given), to) {
                    _ if self.has_to_wait(id, kind, &given, to) => {
                        self.hold(id, request, (kind, &given), tries)
                    }
                    (Some(index), _) => self.wait_to_settle(index, Early::Own(id, request, tries)),
                    (None, Some(node)) => {
                        let request = Request { registration: None, ..request };
                        self.forward(id, request, (node, tries), cx)
                    }
                    (None, None) => {
                        let since = self.since_of(kind, id, &given);
                        self.work_on(kind, party, &given, Asked { since, ..asked }, cx)
                    }
                }
            }
        };
        if let Err(refusal) = result {
            self.refuse(asked, &refusal, subject, cx);
            if self.clients.get(&id).is_some_and(|client| !client.session.is_registered()) {
                self.end(id, cx);
            }
        }
    }

    /// Closes a client when it has what waits for it; hears no more of it.
    pub(super) fn end(&mut self, id: ClientId, cx: &mut Cx<'_>) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.session.is_ending = true;
            cx.out.push(Action::End(id));
        }
    }

    /// After a turn that panicked: nothing of it is left for the next one.
    pub fn on_panic(&mut self) {
        self.agent_out.drain();
    }

    /// One line for each request: what it needs is in the files of the operations.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the language has many more requests than one port works on"
    )]
    pub(super) fn work_on(
        &mut self,
        kind: RequestType,
        id: Party,
        given: &Attributes,
        asked: Asked,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        match kind {
            RequestType::TQueryServer => self.query_server(asked, cx),
            RequestType::TQueryAddress => self.query_address(given, asked, cx),
            RequestType::TRegisterAddress => self.register_address(id, given, asked, cx),
            RequestType::TUnregisterAddress => self.unregister_address(id, given, asked, cx),
            RequestType::TRegisterAll => self.register_all(id.client, asked, cx),
            RequestType::TUnregisterAll => self.unregister_all(id.client, asked, cx),
            RequestType::TSetInputMask => self.set_input_mask(id.client, given, asked, cx),
            RequestType::TAgentLogin => self.agent_login(id, given, asked, cx),
            RequestType::TAgentLogout => self.agent_logout(id, given, asked, cx),
            RequestType::TAgentSetReady => self.agent_ready(id, given, asked, cx),
            RequestType::TAgentSetNotReady => self.agent_not_ready(id, given, asked, cx),
            RequestType::TSetDndOn => self.set_dnd(id, true, given, asked, cx),
            RequestType::TSetDndOff => self.set_dnd(id, false, given, asked, cx),
            RequestType::TCallSetForward => self.set_forward(id, given, asked, cx),
            RequestType::TCallCancelForward => self.cancel_forward(id, given, asked, cx),
            RequestType::TSendUserEvent => self.send_user_event(given, asked, cx),
            RequestType::TMonitorNextCall => self.monitor_next_call(id, given, asked, cx),
            RequestType::TCancelMonitoring => self.cancel_monitoring(id, given, asked, cx),
            RequestType::TReleaseCall => self.release_call(id, given, asked, cx),
            other => Err(unsupported(other)),
        }
    }

    /// EventError, to the client alone.
    pub(super) fn refuse(
        &mut self,
        asked: Asked,
        refusal: &Refusal,
        subject: Attributes,
        cx: &mut Cx<'_>,
    ) {
        let attributes = refused(refusal, subject);
        self.answer(asked, EventType::EventError, attributes, cx);
    }
}

/// Requests that this port works on, for ServerCapabilityMask.
pub(super) const SUPPORTED: [RequestType; 20] = [
    RequestType::TRegisterClient,
    RequestType::TQueryServer,
    RequestType::TQueryAddress,
    RequestType::TRegisterAddress,
    RequestType::TUnregisterAddress,
    RequestType::TRegisterAll,
    RequestType::TUnregisterAll,
    RequestType::TSetInputMask,
    RequestType::TAgentLogin,
    RequestType::TAgentLogout,
    RequestType::TAgentSetReady,
    RequestType::TAgentSetNotReady,
    RequestType::TSetDndOn,
    RequestType::TSetDndOff,
    RequestType::TCallSetForward,
    RequestType::TCallCancelForward,
    RequestType::TSendUserEvent,
    RequestType::TReleaseCall,
    RequestType::TMonitorNextCall,
    RequestType::TCancelMonitoring,
];
