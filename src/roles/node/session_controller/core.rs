//! The Session Controller's machine.

use crate::base::id::ConnId;
use crate::base::limits::CURSORS_MAX;
use crate::base::time::{Duration, Instant};
use crate::call::facts::{CallFact, Order, Wish};
use crate::cti::call_stream::GEO_LOCATION;
use crate::cti::calls::{CALLS, Calls, Meaning, Side, call_type};
use crate::cti::dn::is_seized;
use crate::cti::refusal::{Refusal, asked_for, named};
use crate::cti::tlib::{
    AddressInfoType, AddressType, Attributes, Cursor, EncodedEvent, ErrorCode, EventType, KvList,
    KvPair, RegisterMode, RequestType, kv_pair,
};
use crate::modules::t_library::admission::Admission;
use crate::modules::t_library::clients::{
    Action, Asked, Clients, Cx as PortCx, Event, Reply, Server,
};
use crate::modules::t_library::port::ClientId;
use crate::modules::t_library::session::unsupported;
use crate::modules::t_library::turn::Core as PortCore;
use crate::roles::node::hearer;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Extension with the trunk of the other party (guide, "Location-Based Routing").
const OTHER_TRUNK_NAME: &str = "OtherTrunkName";
/// Extension of EventPartyInfo: for each party a list by its name.
const PARTIES: &str = "Parties";
/// Time in which a call that is asked to end does so; it may be asked again then.
const RELEASE_TIME: Duration = Duration::from_secs(5);

/// Requests that this port works on.
pub const SUPPORTED: [RequestType; 8] = [
    RequestType::TRegisterClient,
    RequestType::TQueryServer,
    RequestType::TSetInputMask,
    RequestType::TRegisterAddress,
    RequestType::TUnregisterAddress,
    RequestType::TQueryAddress,
    RequestType::TQueryCall,
    RequestType::TReleaseCall,
];

/// What a Session Controller takes from the configuration.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Who is served.
    pub admission: Arc<Admission>,
    /// Data centre of the node.
    pub geo_location: Box<str>,
    /// DNs that clients can register for, and what they are.
    pub dns: HashMap<Box<str>, AddressType>,
}

/// What other modules can tell it.
pub type Mail = hearer::Mail<Settings>;

type Cx<'a> = PortCx<'a, Order>;

/// A DN that somebody is registered for, or that is in a call.
#[derive(Clone, Debug, Default)]
struct Dn {
    registrants: Vec<(ClientId, RegisterMode)>,
    calls: Calls,
}

#[derive(Clone, Debug)]
struct Call {
    fact: CallFact,
    /// How each party is, DN or not.
    sides: [Calls; 2],
}

/// The Session Controller of a node.
#[derive(Debug)]
pub struct Core {
    settings: Settings,
    clients: Clients<BTreeSet<Box<str>>>,
    dns: HashMap<Box<str>, Dn>,
    calls: BTreeMap<ConnId, Call>,
    /// Who has asked for the end of a call at a DN, and when.
    releases: BTreeMap<(ConnId, Box<str>), (Reply, Instant)>,
    /// Number of the last event that several may hear of.
    seq: u64,
}

impl PortCore for Core {
    type Mail = Mail;
    type Own = Order;

    fn on(&mut self, event: Event<Mail>, cx: &mut Cx<'_>) {
        match event {
            Event::Heard(id, heard) => match self.clients.on_heard(id, heard, cx) {
                Some(Asked::Registration(reply, given)) => {
                    match self.clients.accept(reply, &given, cx) {
                        Ok(()) => self.tell_gaps(reply.client, &given.cursors, cx),
                        Err(refusal) => {
                            self.clients.refuse(reply, &refusal, &Attributes::default(), cx);
                        }
                    }
                }
                Some(Asked::Request(reply, kind, given)) => {
                    if let Err(refusal) = self.work_on(reply, kind, &given, cx) {
                        self.clients.refuse(reply, &refusal, &given, cx);
                    }
                }
                Some(Asked::Gone(client, names)) => {
                    for name in names {
                        self.leave(client, &name);
                    }
                    self.releases.retain(|_, (reply, _)| reply.client != client);
                }
                // Nothing is kept here.
                Some(Asked::Acknowledged(..)) | None => {}
            },
            Event::Wake(id) => self.clients.on_wake(id, cx),
            Event::Mail(Mail::Fact(fact)) => self.on_fact(&fact, cx),
            Event::Mail(Mail::Short) => self.on_short(cx),
            Event::Mail(Mail::Settings(settings)) => {
                self.clients.admit(settings.admission.clone(), cx);
                self.settings = *settings;
            }
        }
    }
}

impl Core {
    /// One that nobody is connected to.
    #[must_use]
    pub fn new(server: Server, settings: Settings) -> Self {
        let server = Server { admission: settings.admission.clone(), ..server };
        Self {
            settings,
            clients: Clients::new(server),
            dns: HashMap::new(),
            calls: BTreeMap::new(),
            releases: BTreeMap::new(),
            seq: 0,
        }
    }

    /// Events are not kept here: what a client has missed is lost to it, and it hears so.
    fn tell_gaps(&self, client: ClientId, cursors: &[Cursor], cx: &mut Cx<'_>) {
        let Server { node, epoch, .. } = self.clients.server;
        let now = Cursor { source: u32::from(node.get()), epoch, seq: self.seq };
        for cursor in cursors.iter().take(CURSORS_MAX).filter(|cursor| **cursor != now) {
            self.clients.tell_gap(client, cursor, cx);
        }
    }

    /// Its clients, and the DNs that each is registered for.
    #[must_use]
    pub const fn clients(&self) -> &Clients<BTreeSet<Box<str>>> {
        &self.clients
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the language has many more requests than one port works on"
    )]
    fn work_on(
        &mut self,
        reply: Reply,
        kind: RequestType,
        given: &Attributes,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        match kind {
            RequestType::TRegisterAddress => self.register_address(reply, given, cx),
            RequestType::TUnregisterAddress => self.unregister_address(reply, given, cx),
            RequestType::TQueryAddress => self.query_address(reply, given, cx),
            RequestType::TQueryCall => self.query_call(reply, given, cx),
            RequestType::TReleaseCall => self.release_call(reply, given, cx),
            RequestType::TGetAccessNumber | RequestType::TCancelReqGetAccessNumber => {
                let text = "there is no ISCC in a cluster: its nodes are one switch";
                Err(Refusal::new(ErrorCode::ErrorNoLink, text))
            }
            other => Err(unsupported(other)),
        }
    }

    /// TQueryAddress: what this port knows of a DN, which is its calls.
    fn query_address(
        &mut self,
        reply: Reply,
        given: &Attributes,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let attributes = self.registered(self.this_dn(given)?);
        let known = [
            AddressInfoType::AddressInfoAddressStatus,
            AddressInfoType::AddressInfoDnStatus,
            AddressInfoType::AddressInfoAddressType,
            AddressInfoType::AddressInfoCallsQuery,
        ];
        let asked = asked_for(given, &known)?;
        let attributes = Attributes { address_info_type: Some(asked), ..attributes };
        self.clients.answer(reply, EventType::EventAddressInfo, attributes, cx);
        Ok(())
    }

    /// The name of the DN that a request is about, if it is configured.
    fn this_dn<'a>(&self, given: &'a Attributes) -> Result<&'a str, Refusal> {
        let name = named(given.this_dn.as_deref(), "ThisDN")?;
        if !self.settings.dns.contains_key(name) {
            let text = format!("no DN {name} is configured");
            return Err(Refusal::new(ErrorCode::ErrorNotConfigured, text));
        }
        Ok(name)
    }

    fn register_address(
        &mut self,
        reply: Reply,
        given: &Attributes,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let name = self.this_dn(given)?;
        let mode = RegisterMode::try_from(given.register_mode.unwrap_or_default())
            .map_err(|_| Refusal::attribute("RegisterMode"))?;
        let dn = self.dns.entry(name.into()).or_default();
        let others = dn.registrants.iter().filter(|(client, _)| *client != reply.client);
        if is_seized(mode, others.map(|(_, mode)| *mode)) {
            let text =
                "another client is registered for the DN, privately or against a private one";
            return Err(Refusal::new(ErrorCode::ErrorResourceSeized, text));
        }
        dn.registrants.retain(|(client, _)| *client != reply.client);
        dn.registrants.push((reply.client, mode));
        if let Some(dns) = self.clients.kept(reply.client) {
            dns.insert(name.into());
        }
        let attributes = Attributes { last_seq: Some(self.seq), ..self.registered(name) };
        self.clients.answer(reply, EventType::EventRegistered, attributes, cx);
        Ok(())
    }

    fn unregister_address(
        &mut self,
        reply: Reply,
        given: &Attributes,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let name = given.this_dn.as_deref().unwrap_or_default();
        if !self.clients.kept(reply.client).is_some_and(|dns| dns.remove(name)) {
            self.this_dn(given)?;
            return Err(not_registered());
        }
        self.leave(reply.client, name);
        let attributes = Attributes { this_dn: Some(name.to_owned()), ..Attributes::default() };
        self.clients.answer(reply, EventType::EventUnregistered, attributes, cx);
        Ok(())
    }

    fn leave(&mut self, client: ClientId, name: &str) {
        if let Some(dn) = self.dns.get_mut(name) {
            dn.registrants.retain(|(registrant, _)| *registrant != client);
            if dn.registrants.is_empty() && dn.calls.is_empty() {
                self.dns.remove(name);
            }
        }
    }

    /// How a DN is in the calls of this node.
    fn registered(&self, name: &str) -> Attributes {
        let kind = self.settings.dns.get(name).copied().unwrap_or_default();
        let none = Calls::default();
        let calls = self.dns.get(name).map_or(&none, |dn| &dn.calls);
        let mut pairs = vec![KvPair::text(GEO_LOCATION, &self.settings.geo_location)];
        if !calls.is_empty() {
            let value = Some(kv_pair::Value::List(calls.shown()));
            pairs.push(KvPair { key: CALLS.to_owned(), value });
        }
        Attributes {
            this_dn: Some(name.to_owned()),
            address_type: Some(kind.into()),
            address_status: Some(calls.status().into()),
            extensions: Some(KvList { pairs }),
            ..Attributes::default()
        }
    }

    /// TQueryCall.
    fn query_call(
        &mut self,
        reply: Reply,
        given: &Attributes,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let conn_id = ConnId(given.conn_id.ok_or_else(|| Refusal::attribute("ConnID"))?);
        let call = self.calls.get(&conn_id).ok_or_else(no_call)?;
        let fact = &call.fact;
        let names = [Some(&*fact.caller), fact.called_dn().or(Some(&fact.dialled))];
        let session = self.clients.session(reply.client);
        let application = session.and_then(|session| session.name.as_deref()).unwrap_or_default();
        let admission = &self.clients.server.admission;
        if !names.into_iter().flatten().any(|name| admission.has_right_to(application, name)) {
            return Err(no_call());
        }
        let parties = call.sides.iter().zip(names).filter_map(|(calls, name)| {
            let shown = calls.shown().pairs.pop()?;
            Some(KvPair { key: name.unwrap_or_default().to_owned(), value: shown.value })
        });
        let list = Some(kv_pair::Value::List(KvList { pairs: parties.collect() }));
        let location = KvPair::text(GEO_LOCATION, &self.settings.geo_location);
        let parties = KvPair { key: PARTIES.to_owned(), value: list };
        let attributes = Attributes {
            conn_id: Some(conn_id.0),
            call_uuid: Some(fact.uuid.to_string()),
            call_type: Some(call_type(fact).into()),
            call_info_type: given.call_info_type.or(Some(0)),
            dnis: Some(fact.dialled.to_string()),
            extensions: Some(KvList { pairs: vec![parties, location] }),
            ..Attributes::default()
        };
        self.clients.answer(reply, EventType::EventPartyInfo, attributes, cx);
        Ok(())
    }

    /// TReleaseCall. Its answer is the EventReleased of the DN, when the call is over.
    fn release_call(
        &mut self,
        reply: Reply,
        given: &Attributes,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let conn_id = ConnId(given.conn_id.ok_or_else(|| Refusal::attribute("ConnID"))?);
        let name = self.this_dn(given)?;
        let dn = self.dns.get(name);
        let own = dn.and_then(|dn| dn.registrants.iter().find(|(id, _)| *id == reply.client));
        match own {
            Some((_, RegisterMode::Share | RegisterMode::Private)) => {}
            Some((_, RegisterMode::Monitor)) | None => return Err(not_registered()),
        }
        let call = dn.and_then(|dn| dn.calls.find(conn_id));
        let (side, fact, _) = call.ok_or_else(no_call)?;
        let key = (conn_id, Box::from(name));
        let before = self.releases.get(&key);
        if before.is_some_and(|(_, at)| cx.now.since(*at) < RELEASE_TIME) {
            let text = "the call is being released already";
            return Err(Refusal::new(ErrorCode::ErrorWrongState, text));
        }
        let (call, party) = (fact.slot, side.party());
        cx.out.push(Action::Own(Order { call, conn_id, party, wish: Wish::Release }));
        self.releases.insert(key, (reply, cx.now));
        Ok(())
    }

    /// Something in calls is not known here: all clients hear that events are lost.
    fn on_short(&self, cx: &mut Cx<'_>) {
        let Server { node, epoch, .. } = self.clients.server;
        let cursor = Cursor { source: u32::from(node.get()), epoch, seq: self.seq };
        for (client, ..) in self.clients.registered() {
            self.clients.tell_gap(client, &cursor, cx);
        }
    }

    /// A call has gone on.
    fn on_fact(&mut self, fact: &CallFact, cx: &mut Cx<'_>) {
        let call = self
            .calls
            .entry(fact.conn_id)
            .or_insert_with(|| Call { fact: fact.clone(), sides: <[Calls; 2]>::default() });
        call.fact = fact.clone();
        let [caller, called] = &mut call.sides;
        // How the parties are; what is told of it is told at their DNs.
        let _ = caller.on_fact(Side::Caller, fact);
        let _ = called.on_fact(Side::Called, fact);
        let sides = [(Side::Caller, fact.caller_dn()), (Side::Called, fact.called_dn())];
        for (side, name) in sides {
            let Some(name) = name.filter(|name| self.is_in_calls(name)) else { continue };
            let dn = self.dns.entry(name.into()).or_default();
            for meaning in dn.calls.on_fact(side, fact) {
                if let Meaning::Tell(kind, attributes) = meaning {
                    self.publish(name, fact.conn_id, kind, *attributes, cx);
                }
            }
            let is_over = |dn: &Dn| dn.registrants.is_empty() && dn.calls.is_empty();
            if self.dns.get(name).is_some_and(is_over) {
                self.dns.remove(name);
            }
        }
        if fact.is_end() {
            self.calls.remove(&fact.conn_id);
        }
    }

    /// Whether a DN is a phone, or was one when its call began.
    fn is_in_calls(&self, name: &str) -> bool {
        self.settings.dns.get(name) == Some(&AddressType::Dn)
            || self.dns.get(name).is_some_and(|dn| !dn.calls.is_empty())
    }

    /// To all who are registered for a DN; who has asked for it gets it as the answer.
    fn publish(
        &mut self,
        name: &str,
        conn_id: ConnId,
        kind: EventType,
        attributes: Attributes,
        cx: &mut Cx<'_>,
    ) {
        let is_over = matches!(kind, EventType::EventReleased | EventType::EventAbandoned);
        let asked = is_over.then(|| self.releases.remove(&(conn_id, name.into()))).flatten();
        let asked = asked.map(|(reply, _)| reply);
        self.seq += 1;
        let mut pairs = vec![KvPair::text(GEO_LOCATION, &self.settings.geo_location)];
        pairs.extend(
            attributes.other_trunk.iter().map(|trunk| KvPair::text(OTHER_TRUNK_NAME, trunk)),
        );
        let attributes = Attributes {
            this_dn: Some(name.to_owned()),
            extensions: Some(KvList { pairs }),
            ..attributes
        };
        let event = EncodedEvent::new(&self.clients.event(kind, self.seq, attributes, cx.wall));
        let Some(dn) = self.dns.get(name) else { return };
        let mut asked = asked;
        for (client, _) in &dn.registrants {
            match asked.take_if(|reply| reply.client == *client) {
                Some(reply) => {
                    cx.out.push(Action::Send(*client, event.answering(reply.reference_id)));
                }
                None if self.clients.wants(*client, kind) => {
                    cx.out.push(Action::Send(*client, event.shared()));
                }
                None => {}
            }
        }
        // Who has left the DN since is answered all the same.
        if let Some(reply) = asked {
            cx.out.push(Action::Send(reply.client, event.answering(reply.reference_id)));
        }
    }
}

fn not_registered() -> Refusal {
    let text = "the client is not registered for the DN, or only to hear";
    Refusal::new(ErrorCode::ErrorNotRegistered, text)
}

fn no_call() -> Refusal {
    Refusal::new(ErrorCode::ErrorInvalidConnId, "there is no call of that ConnID")
}
