//! The clients of a port whose module is nothing but a machine over them: they are
//! registered, polled and ended here; what they ask for comes out, checked.

use super::admission::Admission;
use super::port::{ClientId, Heard, Port};
use super::session::{Session, Silence, Taken, refused, server, subject};
use crate::base::id::{Ids, NodeId};
use crate::base::outbox::Outbox;
use crate::base::time::{Instant, WallTime};
use crate::cti::refusal::Refusal;
use crate::cti::tlib::{
    Attributes, ClientRegistration, Cursor, EncodedEvent, Event as TEvent, EventType, RequestType,
};
use crate::observe::board::ClientView;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the module of a port is told.
#[derive(Clone, Debug)]
pub enum Event<M> {
    /// Something was heard of a client.
    Heard(ClientId, Heard),
    /// A client is to be looked at.
    Wake(ClientId),
    /// Another module has something to say.
    Mail(M),
}

/// What the module of a port wants done.
#[derive(Clone, Debug)]
pub enum Action<O> {
    /// Send a frame.
    Send(ClientId, Bytes),
    /// Close a client when it has what waits for it.
    End(ClientId),
    /// Look at a client at that time.
    Arm(ClientId, Instant),
    /// What only that module can want.
    Own(O),
}

/// Inputs of a turn besides the event.
pub struct Cx<'a, O> {
    /// The time.
    pub now: Instant,
    /// The time for people.
    pub wall: WallTime,
    /// Random bits.
    pub ids: &'a mut Ids,
    /// Where actions go.
    pub out: &'a mut Outbox<Action<O>>,
    /// Bytes that waited for a client when the turn began.
    pub backlog: &'a dyn Fn(ClientId) -> usize,
}

/// Who serves them.
#[derive(Clone, Debug)]
pub struct Server {
    /// Name of the application.
    pub name: String,
    /// Its node-id.
    pub node: NodeId,
    /// Its start epoch.
    pub epoch: u32,
    /// When it began.
    pub started: WallTime,
    /// What the port takes.
    pub supported: &'static [RequestType],
    /// Who is served.
    pub admission: Arc<Admission>,
}

/// What a client asks for.
#[derive(Clone, Debug)]
pub enum Asked<X> {
    /// To be registered: [`Clients::accept`] or [`Clients::refuse`].
    Registration(Reply, Box<ClientRegistration>),
    /// Something that this port works on.
    Request(Reply, RequestType, Box<Attributes>),
    /// Nothing: it has stored everything up to an event.
    Acknowledged(ClientId, Cursor),
    /// Nothing any more: what was kept with a client that had registered.
    Gone(ClientId, X),
}

/// To whom an answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The client.
    pub client: ClientId,
    /// Its ReferenceID.
    pub reference_id: u32,
}

#[derive(Clone, Debug)]
struct Client<X> {
    session: Session,
    kept: X,
}

/// The clients of a port, with what its module keeps for each.
#[derive(Clone, Debug)]
pub struct Clients<X> {
    /// Who serves them.
    pub server: Server,
    clients: BTreeMap<ClientId, Client<X>>,
}

impl<X: Default> Clients<X> {
    /// None yet.
    #[must_use]
    pub const fn new(server: Server) -> Self {
        Self { server, clients: BTreeMap::new() }
    }

    /// Something was heard of a client; what the module has to see to comes out.
    pub fn on_heard<O>(
        &mut self,
        id: ClientId,
        heard: Heard,
        cx: &mut Cx<'_, O>,
    ) -> Option<Asked<X>> {
        let asked = match heard {
            Heard::Connected(remote) => {
                tracing::debug!(node = %self.server.name, client = id.0, %remote, "T-Library client connected");
                let session = Session::new(cx.ids.call_uuid(), Some(remote), cx.now, cx.wall);
                self.clients.insert(id, Client { session, kept: X::default() });
                None
            }
            Heard::Frame(bytes) => self.on_frame(id, bytes, cx),
            Heard::Gone(reason) => {
                let client = self.clients.remove(&id)?;
                let name = client.session.name?;
                tracing::info!(node = %self.server.name, client = id.0, application = %name, reason, "T-Library client gone");
                return Some(Asked::Gone(id, client.kept));
            }
        };
        self.arm(id, cx);
        asked
    }

    fn on_frame<O>(&mut self, id: ClientId, bytes: Bytes, cx: &mut Cx<'_, O>) -> Option<Asked<X>> {
        let client = self.clients.get_mut(&id)?;
        let request = match client.session.take(bytes, cx.now) {
            Ok(Taken::Request(request)) => request,
            Ok(Taken::Polled(answer)) => {
                cx.out.push(Action::Send(id, answer));
                return None;
            }
            Ok(Taken::Acknowledged(cursor)) => return Some(Asked::Acknowledged(id, cursor)),
            Ok(Taken::Nothing) => return None,
            Err(error) => {
                tracing::info!(node = %self.server.name, client = id.0, %error, "T-Library client ended");
                self.end(id, cx);
                return None;
            }
        };
        let reply = Reply { client: id, reference_id: request.reference_id };
        let checked = client.session.check(&request);
        let given = request.attributes.unwrap_or_default();
        let checked = checked.and_then(|kind| {
            if let Some(name) = &client.session.name {
                self.server.admission.check(name, kind, &given)?;
            }
            Ok(kind)
        });
        match checked.and_then(|kind| self.answered(reply, kind, &given, cx)) {
            Ok(None) => None,
            Ok(Some(RequestType::TRegisterClient)) => {
                let registration = request.registration.unwrap_or_default();
                Some(Asked::Registration(reply, Box::new(registration)))
            }
            Ok(Some(kind)) => Some(Asked::Request(reply, kind, given)),
            Err(refusal) => {
                self.refuse(reply, &refusal, &given, cx);
                None
            }
        }
    }

    /// Answers what every port answers alike; gives back what is left to the module.
    fn answered<O>(
        &mut self,
        reply: Reply,
        kind: RequestType,
        given: &Attributes,
        cx: &mut Cx<'_, O>,
    ) -> Result<Option<RequestType>, Refusal> {
        if kind == RequestType::TQueryServer {
            self.answer(reply, EventType::EventServerInfo, self.attributes(), cx);
            return Ok(None);
        }
        if kind == RequestType::TSetInputMask {
            if let Some(client) = self.clients.get_mut(&reply.client) {
                client.session.set_input_mask(given)?;
            }
            self.answer(reply, EventType::EventAck, Attributes::default(), cx);
            return Ok(None);
        }
        Ok(Some(kind))
    }

    /// The client is registered, and told so.
    ///
    /// # Errors
    /// When what it says makes no sense.
    pub fn accept<O>(
        &mut self,
        reply: Reply,
        given: &ClientRegistration,
        cx: &mut Cx<'_, O>,
    ) -> Result<(), Refusal> {
        let Some(client) = self.clients.get_mut(&reply.client) else { return Ok(()) };
        if !client.session.is_registered() {
            self.server.admission.admit(given)?;
        }
        client.session.register(given)?;
        tracing::info!(node = %self.server.name, client = reply.client.0, application = given.application_name, "T-Library client registered");
        let session_id = Some(client.session.id.to_string());
        let attributes = Attributes { session_id, ..self.attributes() };
        self.answer(reply, EventType::EventServerConnected, attributes, cx);
        let linked = self.event(EventType::EventLinkConnected, 0, Attributes::default(), cx.wall);
        cx.out.push(Action::Send(reply.client, EncodedEvent::new(&linked).shared()));
        self.arm(reply.client, cx);
        Ok(())
    }

    /// Others are served from now on, or with other rights. A client to whom that is
    /// something else is ended: it comes back as what it is now.
    pub fn admit<O>(&mut self, admission: Arc<Admission>, cx: &mut Cx<'_, O>) {
        let before = core::mem::replace(&mut self.server.admission, admission);
        let changed: Vec<ClientId> = self
            .registered()
            .filter(|(_, session, _)| {
                let name = session.name.as_deref().unwrap_or_default();
                !self.server.admission.is_same_for(&before, name)
            })
            .map(|(id, ..)| id)
            .collect();
        for id in changed {
            tracing::info!(node = %self.server.name, client = id.0, "the rights of a T-Library client have changed: connection ended");
            self.end(id, cx);
        }
    }

    fn attributes(&self) -> Attributes {
        let Server { name, started, supported, .. } = &self.server;
        server(name, *started, supported.iter().copied())
    }

    /// EventError; a client that has not registered yet is ended.
    pub fn refuse<O>(
        &mut self,
        reply: Reply,
        refusal: &Refusal,
        given: &Attributes,
        cx: &mut Cx<'_, O>,
    ) {
        let attributes = refused(refusal, subject(given));
        self.answer(reply, EventType::EventError, attributes, cx);
        let session = self.session(reply.client);
        if session.is_some_and(|session| !session.is_registered()) {
            self.end(reply.client, cx);
        }
    }

    /// An answer, to who has asked alone.
    pub fn answer<O>(
        &self,
        reply: Reply,
        kind: EventType,
        attributes: Attributes,
        cx: &mut Cx<'_, O>,
    ) {
        let encoded = EncodedEvent::new(&self.event(kind, 0, attributes, cx.wall));
        cx.out.push(Action::Send(reply.client, encoded.answering(reply.reference_id)));
    }

    /// EventGap: what the source of a cursor has told after it is lost to a client.
    pub fn tell_gap<O>(&self, client: ClientId, cursor: &Cursor, cx: &mut Cx<'_, O>) {
        let event = TEvent {
            source: cursor.source,
            epoch: cursor.epoch,
            ..self.event(EventType::EventGap, cursor.seq, Attributes::default(), cx.wall)
        };
        cx.out.push(Action::Send(client, EncodedEvent::new(&event).shared()));
    }

    /// An event of this server.
    #[must_use]
    pub fn event(
        &self,
        kind: EventType,
        seq: u64,
        attributes: Attributes,
        wall: WallTime,
    ) -> TEvent {
        TEvent {
            r#type: kind.into(),
            source: u32::from(self.server.node.get()),
            epoch: self.server.epoch,
            seq,
            timeinu_secs: wall.0.saturating_mul(1_000),
            attributes: Some(Box::new(attributes)),
        }
    }

    /// Closes a client when it has what waits for it; hears no more of it.
    pub fn end<O>(&mut self, id: ClientId, cx: &mut Cx<'_, O>) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.session.is_ending = true;
            cx.out.push(Action::End(id));
        }
    }

    /// A client is to be looked at.
    pub fn on_wake<O>(&mut self, id: ClientId, cx: &mut Cx<'_, O>) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        match client.session.watch(cx.now, cx.ids.next_u64()) {
            Silence::Nothing => {}
            Silence::Poll(poll) => cx.out.push(Action::Send(id, poll)),
            Silence::End => {
                let name = client.session.name.as_deref().unwrap_or_default();
                tracing::info!(node = %self.server.name, client = id.0, application = name, "T-Library client is silent: connection ended");
                self.end(id, cx);
            }
        }
        self.arm(id, cx);
    }

    fn arm<O>(&mut self, id: ClientId, cx: &mut Cx<'_, O>) {
        let at = self.clients.get_mut(&id).and_then(|client| client.session.arm());
        if let Some(at) = at {
            cx.out.push(Action::Arm(id, at));
        }
    }

    /// What the port knows of a client.
    #[must_use]
    pub fn session(&self, id: ClientId) -> Option<&Session> {
        self.clients.get(&id).map(|client| &client.session)
    }

    /// What the module keeps for a client.
    pub fn kept(&mut self, id: ClientId) -> Option<&mut X> {
        self.clients.get_mut(&id).map(|client| &mut client.kept)
    }

    /// Whether a client wants events of that type.
    #[must_use]
    pub fn wants(&self, id: ClientId, kind: EventType) -> bool {
        self.session(id).is_some_and(|session| session.wants(kind))
    }

    /// The clients of a port, for operators; `dns_len` tells for how many DNs one is
    /// registered.
    #[must_use]
    pub fn views(
        &self,
        name: &'static str,
        port: &Port,
        dns_len: impl Fn(&X) -> usize,
    ) -> Vec<ClientView> {
        let views = self.registered().filter_map(|(id, session, kept)| {
            Some(ClientView {
                port: name,
                application: session.name.clone()?,
                session: session.id,
                address: session.address?,
                dns: dns_len(kept),
                lag_len: port.backlog_len(id),
                connected: session.connected_wall,
            })
        });
        views.collect()
    }

    /// Those that have registered.
    pub fn registered(&self) -> impl Iterator<Item = (ClientId, &Session, &X)> {
        let all = self.clients.iter().map(|(id, client)| (*id, &client.session, &client.kept));
        all.filter(|(_, session, _)| session.is_registered())
    }
}
