//! The T-Controller's machine.

use super::inbox::Phone;
use super::links::Links;
use super::log::{Cursors, DnLog, Log, Since};
use super::operator::Operators;
use super::owners::Ownership;
use super::remote::{Pending, Remote};
use super::settings::{DnKind, Settings};
use super::shown::Shown;
use crate::base::id::{CallUuid, ConnId, Ids, NodeId, Slot};
use crate::base::limits::{
    DNS_PER_EVENT_MAX, OUTBOX_LEN_MAX, TLIB_LIST_LEN_MAX, TLIB_NAME_LEN_MAX, TLIB_PAIRS_MAX,
    TLIB_REQUEST_LEN_MAX,
};
use crate::base::outbox::Outbox;
use crate::base::time::{Duration, Instant, WallTime};
use crate::call::facts::{CallFact, Party as CallParty};
use crate::cti::agent::{self, Agent};
use crate::cti::calls::Calls;
use crate::cti::dn::Dn;
use crate::cti::refusal::Refusal;
use crate::cti::tlib::{
    self, Attributes, ErrorCode, EventType, RegisterMode, Request, RequestType, frame,
};
use crate::mesh::wire::proto;
use crate::modules::t_library::port::{ClientId, Heard};
use bytes::Bytes;
use core::net::SocketAddr;
use prost::Message as _;
use smallvec::SmallVec;
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
    /// Have the Call Manager end a call, as one of its parties asks.
    Release(Slot, ConnId, CallParty),
    /// The answer to an operator.
    Operated(u64, Box<tlib::Event>),
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
    /// ApplicationName; `None` until it has registered.
    pub(super) name: Option<Box<str>>,
    /// SessionID.
    pub(super) session: CallUuid,
    /// Where it connects from; `None` for the operators of this process.
    pub(super) address: Option<SocketAddr>,
    /// When it connected, for people.
    pub(super) connected_wall: WallTime,
    /// Events that it wants; `None` for all.
    pub(super) mask: Option<Vec<u8>>,
    /// Indices of the DNs that it is registered for.
    pub(super) dns: BTreeSet<usize>,
    /// What it has had on an earlier connection.
    pub(super) cursors: Cursors,
    /// Silence after which it is polled.
    pub(super) silence: Option<Duration>,
    /// When something was last heard of it.
    pub(super) heard: Instant,
    /// When it was polled, since nothing was heard of it.
    pub(super) polled: Option<Instant>,
    /// When it connected.
    pub(super) connected: Instant,
    /// When it is to be woken: a wake-up before that is none of its own any more.
    pub(super) armed: Instant,
    /// It is being closed: what else it sends is passed over.
    pub(super) is_ending: bool,
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
    /// The last client here that kept it in service was lost, without a word.
    pub(super) is_deserted: bool,
    /// When it is to go to the data centre from which its agent has logged in since.
    pub(super) move_at: Option<Instant>,
    /// The node that is to own it as soon as nothing is in the way.
    pub(super) leaving: Option<NodeId>,
    /// What clients here have been told of it.
    pub(super) shown: Shown,
    /// What it has told since it is owned here.
    pub(super) log: DnLog,
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
    /// Sum over the owners of all DNs, to be compared with those of other nodes.
    pub(super) owners_sum: u64,
    /// Clients of theirs.
    pub(super) remotes: BTreeMap<Party, Remote>,
    /// Agents at DNs of theirs.
    pub(super) elsewhere: BTreeMap<Box<str>, NodeId>,
    /// Requests of clients here that they work on.
    pub(super) pending: BTreeMap<(ClientId, u32), Pending>,
    /// Who has asked for the end of a call at a DN, and when.
    pub(super) releases: BTreeMap<(ConnId, usize), (Asked, Instant)>,
    /// Calls of this node that others have been told of, and which.
    pub(super) told_calls: BTreeMap<ConnId, SmallVec<[NodeId; 2]>>,
    /// Events that are kept.
    pub(super) log: Log,
    /// What operators wait for.
    pub(super) operators: Operators,
    /// Clients of other nodes that come to a DN which is not owned here yet.
    pub(super) early: BTreeMap<usize, BTreeMap<NodeId, proto::Attach>>,
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
            owners_sum: 0,
            remotes: BTreeMap::new(),
            elsewhere: BTreeMap::new(),
            pending: BTreeMap::new(),
            releases: BTreeMap::new(),
            told_calls: BTreeMap::new(),
            log: Log::default(),
            operators: Operators::default(),
            early: BTreeMap::new(),
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
            Event::Wake(Wake::Dn(index)) => self.wake_dn(index, cx),
            Event::Wake(Wake::Client(id)) => self.watch_silence(id, cx),
            Event::Wake(Wake::Rest) => {}
            Event::Wake(Wake::Links) => {
                self.links.is_ticking = false;
                self.know_peers(cx);
            }
            Event::Settings(settings) => {
                self.on_settings(settings);
                self.know_peers(cx);
            }
            Event::Link(id, heard) => self.on_link(id, heard, cx),
            Event::Dialled(node, id, is_refused) => self.on_dialled(node, id, is_refused, cx),
            Event::Operate(ask, kind, given) => self.on_operate(ask, kind, *given, cx),
            Event::OperatorFrame(bytes) => self.on_operator_frame(&bytes, cx),
        }
        self.look_at_some(cx);
    }

    fn look_at_some(&mut self, cx: &mut Cx<'_>) {
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
                        registrants: Vec::new(),
                        contacts: BTreeMap::new(),
                        armed: Instant::NEVER,
                        owner: Ownership::default(),
                        is_attached: false,
                        said_own: None,
                        claim_after: Instant::ZERO,
                        is_deserted: false,
                        move_at: None,
                        leaving: None,
                        shown: Shown::default(),
                        log: DnLog::default(),
                    });
                }
            }
        }
    }

    fn on_settings(&mut self, settings: Arc<Settings>) {
        self.know(&settings);
        self.settings = settings;
        self.looks.extend((0..self.dns.len()).map(Look::Configured));
    }

    /// A frame of a client. What is no frame ends the connection: nobody knows what
    /// comes behind it.
    fn on_frame(&mut self, id: ClientId, bytes: Bytes, cx: &mut Cx<'_>) {
        let Some(client) = self.clients.get_mut(&id).filter(|client| !client.is_ending) else {
            return;
        };
        client.heard = cx.now;
        client.polled = None;
        let is_registered = client.name.is_some();
        match tlib::decode_frame(bytes) {
            Ok(Some(frame::Body::Request(request))) => self.on_request(id, request, cx),
            Ok(Some(frame::Body::Poll(number))) if is_registered => {
                let answer = tlib::encode_frame(frame::Body::PollAnswer(number));
                cx.out.push(Action::Send(id, answer));
            }
            // Events are for clients.
            Ok(
                Some(frame::Body::Poll(_) | frame::Body::PollAnswer(_) | frame::Body::Event(_))
                | None,
            ) => {}
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
        let asked = Asked { by: Some((party, request.reference_id)), since: None };
        let is_registered = self.clients.get(&id).is_some_and(|client| client.name.is_some());
        let whole = Request { registration: None, ..request.clone() };
        let attributes = request.attributes.map(|attributes| *attributes).unwrap_or_default();
        let subject = subject(&attributes);
        let result = if request.reference_id == 0 {
            Err(Refusal::attribute("ReferenceID"))
        } else if whole.encoded_len() > TLIB_REQUEST_LEN_MAX {
            let text = format!("a request has at most {TLIB_REQUEST_LEN_MAX} bytes");
            Err(Refusal::new(ErrorCode::ErrorInvalidAttribute, text))
        } else if let Err(refusal) = within_limits(&attributes) {
            Err(refusal)
        } else if request.r#type == RequestType::TRegisterClient as i32 {
            self.register_client(id, request.registration.unwrap_or_default(), asked, cx)
        } else if !is_registered {
            let text = "the first request must be TRegisterClient";
            Err(Refusal::new(ErrorCode::ErrorWrongState, text))
        } else {
            match RequestType::try_from(request.r#type) {
                Ok(kind) if kind != RequestType::None => {
                    match self.wanted_elsewhere(kind, &attributes, cx) {
                        Some(node) => self.forward(id, whole, (node, tries), cx),
                        None => {
                            let since = self.since_of(kind, id, &attributes);
                            self.work_on(kind, party, &attributes, Asked { since, ..asked }, cx)
                        }
                    }
                }
                Ok(_) | Err(_) => {
                    let text = format!("nobody knows a request of type {}", request.r#type);
                    Err(Refusal::new(ErrorCode::ErrorUnknownOperation, text))
                }
            }
        };
        if let Err(refusal) = result {
            self.refuse(asked, &refusal, subject, cx);
            if self.clients.get(&id).is_some_and(|client| client.name.is_none()) {
                self.end(id, cx);
            }
        }
    }

    /// Closes a client when it has what waits for it; hears no more of it.
    pub(super) fn end(&mut self, id: ClientId, cx: &mut Cx<'_>) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.is_ending = true;
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
            RequestType::TReleaseCall => self.release_call(id, given, asked, cx),
            other => {
                let name = other.as_str_name();
                let text = format!("{name} is not supported on this port");
                Err(Refusal::new(ErrorCode::ErrorUnsupportedOperation, text))
            }
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
        let attributes = Attributes {
            error_code: Some(refusal.code.into()),
            error_message: Some(refusal.text.to_string()),
            ..subject
        };
        self.answer(asked, EventType::EventError, attributes, cx);
    }
}

/// What a refusal names besides its reason.
pub(super) fn subject(given: &Attributes) -> Attributes {
    let this_dn = given.this_dn.clone().filter(|name| name.len() <= TLIB_NAME_LEN_MAX);
    Attributes { this_dn, conn_id: given.conn_id, ..Attributes::default() }
}

/// What a request brings goes out again in events, to everybody, and is kept: it has
/// bounds far below those of a frame.
fn within_limits(given: &Attributes) -> Result<(), Refusal> {
    let texts = [
        ("ThisDN", &given.this_dn),
        ("OtherDN", &given.other_dn),
        ("AgentID", &given.agent_id),
        ("Password", &given.password),
        ("CommunicationDN", &given.communication_dn),
    ];
    for (name, value) in texts {
        if value.as_ref().is_some_and(|text| text.len() > TLIB_NAME_LEN_MAX) {
            return Err(Refusal::attribute(name));
        }
    }
    let lists = [
        ("UserData", &given.user_data),
        ("Extensions", &given.extensions),
        ("Reasons", &given.reasons),
    ];
    for (name, list) in lists {
        let is_long = |list: &tlib::KvList| {
            list.pairs.len() > TLIB_PAIRS_MAX || list.encoded_len() > TLIB_LIST_LEN_MAX
        };
        if list.as_ref().is_some_and(is_long) {
            return Err(Refusal::attribute(name));
        }
    }
    let mask_is_long = |mask: &Vec<u8>| mask.len() > TLIB_NAME_LEN_MAX;
    if given.input_mask.as_ref().is_some_and(mask_is_long) {
        return Err(Refusal::attribute("InputMask"));
    }
    Ok(())
}

/// Requests that this port works on, for ServerCapabilityMask.
pub(super) const SUPPORTED: [RequestType; 16] = [
    RequestType::TRegisterClient,
    RequestType::TQueryServer,
    RequestType::TQueryAddress,
    RequestType::TRegisterAddress,
    RequestType::TUnregisterAddress,
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
];
