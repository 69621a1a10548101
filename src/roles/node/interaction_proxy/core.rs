//! The Interaction Proxy's machine.

use super::kept::{self, Restored};
use super::recipients::{Collector, Next, RecipientId, Recipients, has_room};
use crate::base::event_stream::{Stream, Write};
use crate::base::id::ConnId;
use crate::base::limits::{RECIPIENT_QUEUE_TIME, RECIPIENT_STALL_TIME};
use crate::call::facts::CallFact;
use crate::cti::call_stream::{CallStream, Told};
use crate::cti::refusal::Refusal;
use crate::cti::tlib::{
    self, Attributes, ClientRegistration, Cursor, EncodedEvent, EventType, RequestType,
};
use crate::modules::t_library::admission::Admission;
use crate::modules::t_library::clients::{
    Action, Asked, Clients, Cx as PortCx, Event, Reply, Server,
};
use crate::modules::t_library::port::ClientId;
use crate::modules::t_library::session::{check_role, is_name, unsupported};
use crate::modules::t_library::turn::Core as PortCore;
use crate::roles::node::hearer;
use smallvec::SmallVec;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// ClusterRole of a client of this port (guide, "Deploying Interaction Concentrator").
const ROLE: &str = "I-Proxy";

/// Requests that this port works on.
pub const SUPPORTED: [RequestType; 5] = [
    RequestType::TRegisterClient,
    RequestType::TQueryServer,
    RequestType::TSetInputMask,
    RequestType::TStartCallMonitoring,
    RequestType::TStopCallMonitoring,
];

/// What an Interaction Proxy takes from the configuration.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Who is served.
    pub admission: Arc<Admission>,
    /// Data centre of the node.
    pub geo_location: Box<str>,
    /// DNs that have T-events of their own.
    pub dns: HashSet<Box<str>>,
}

/// What other modules can tell it.
pub type Mail = hearer::Mail<Settings>;

pub(super) type Cx<'a> = PortCx<'a, Write>;

/// What is known of a client.
#[derive(Clone, Debug, Default)]
pub struct Known {
    collector: Collector,
    /// What it has had on an earlier connection.
    cursor: Option<Cursor>,
    /// It gets calls.
    is_monitoring: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) stream: CallStream,
    pub(super) recipients: SmallVec<[RecipientId; 2]>,
}

/// The Interaction Proxy of a node.
#[derive(Debug)]
pub struct Core {
    pub(super) settings: Settings,
    pub(super) clients: Clients<Known>,
    pub(super) recipients: Recipients,
    pub(super) calls: BTreeMap<ConnId, Call>,
    /// What an earlier process has left, until the first turn.
    left: Vec<Restored>,
}

impl PortCore for Core {
    type Mail = Mail;
    type Own = Write;

    fn on(&mut self, event: Event<Mail>, cx: &mut Cx<'_>) {
        for left in core::mem::take(&mut self.left) {
            self.restore(left, cx);
        }
        match event {
            Event::Heard(id, heard) => match self.clients.on_heard(id, heard, cx) {
                Some(Asked::Registration(reply, given)) => {
                    if let Err(refusal) = self.register(reply, &given, cx) {
                        self.clients.refuse(reply, &refusal, &Attributes::default(), cx);
                    }
                }
                Some(Asked::Request(reply, kind, given)) => {
                    if let Err(refusal) = self.work_on(reply, kind, cx) {
                        self.clients.refuse(reply, &refusal, &given, cx);
                    }
                }
                Some(Asked::Gone(client, known)) => {
                    let unwritten_len = (cx.backlog)(client);
                    let lost =
                        self.recipients.lose(&known.collector, client, unwritten_len, cx.now);
                    if let Some(id) = lost {
                        self.note_given(id, cx);
                    }
                }
                Some(Asked::Acknowledged(client, cursor)) => self.acknowledge(client, &cursor, cx),
                None => {}
            },
            Event::Wake(id) => {
                self.clients.on_wake(id, cx);
                let collector = self.clients.kept(id).map(|known| known.collector.clone());
                let recipient = collector.and_then(|collector| self.recipients.find(&collector));
                if let Some(id) = recipient {
                    if let Some(recipient) = self.recipients.get(id)
                        && recipient.look_at.is_some_and(|at| at <= cx.now)
                    {
                        recipient.look_at = None;
                    }
                    self.pump(id, cx);
                }
            }
            Event::Mail(Mail::Fact(fact)) => self.on_fact(&fact, cx),
            Event::Mail(Mail::Short) => self.on_short(cx),
            Event::Mail(Mail::Settings(settings)) => {
                self.clients.admit(settings.admission.clone(), cx);
                self.settings = *settings;
                self.pass_on(cx);
            }
        }
    }
}

impl Core {
    /// One that nobody is connected to, with what an earlier process has left.
    #[must_use]
    pub fn new(server: Server, settings: Settings, streams: &[Stream]) -> Self {
        let (mut recipients, mut left) = (Recipients::default(), Vec::new());
        for stream in streams {
            recipients.reserve(stream.stream);
            match Restored::of(stream) {
                Some(restored) => left.push(restored),
                None => {
                    tracing::warn!(node = %server.name, stream = stream.stream, "what is kept for a collector cannot be read and is left alone");
                }
            }
        }
        let server = Server { admission: settings.admission.clone(), ..server };
        Self { settings, clients: Clients::new(server), recipients, calls: BTreeMap::new(), left }
    }

    /// A collector that an earlier process has left: what it had not been given comes, then
    /// EventGap, for what was on its way to the disk, then the end of its calls, which have
    /// ended with that process.
    fn restore(&mut self, mut left: Restored, cx: &mut Cx<'_>) {
        let (seq, ends) = (left.seq, core::mem::take(&mut left.ends));
        let id = self.recipients.restore(left, cx.now, cx.wall);
        tracing::info!(node = %self.clients.server.name, stream = id.0, seq, "what is kept for a collector is back");
        self.write_head(id, cx);
        self.note_given(id, cx);
        self.keep_gap(id, cx);
        self.keep(id, &ends, cx);
    }

    /// Writes what a collector is to the disk.
    fn write_head(&mut self, id: RecipientId, cx: &mut Cx<'_>) {
        let epoch = self.clients.server.epoch;
        if let Some(recipient) = self.recipients.get(id) {
            cx.out.push(Action::Own(Write::Head(id.0, recipient.head(epoch).encode())));
        }
    }

    /// A collector has stored what it was told, up to an event.
    fn acknowledge(&mut self, client: ClientId, cursor: &Cursor, cx: &mut Cx<'_>) {
        let Server { node, epoch, .. } = self.clients.server;
        let Some(known) = self.clients.kept(client).filter(|known| known.is_monitoring) else {
            return;
        };
        let id = self.recipients.find(&known.collector);
        let Some(id) = id.filter(|_| cursor.source == u32::from(node.get())) else { return };
        let Some(recipient) = self.recipients.get(id) else { return };
        if let Some(seq) = recipient.position_of(cursor, epoch) {
            self.recipients.acknowledge(id, seq);
            self.trim(id, cx);
        }
    }

    fn trim(&mut self, id: RecipientId, cx: &mut Cx<'_>) {
        let Some(recipient) = self.recipients.get(id) else { return };
        let Some(first) = recipient.trim() else { return };
        // What is trimmed may be all that tells of calls that still run.
        let own = self.calls.values().filter(|call| call.recipients.contains(&id));
        let rest = kept::rest(recipient.last_seq(), own.map(|call| &call.stream));
        cx.out.push(Action::Own(Write::Trim { stream: id.0, first, rest }));
    }

    fn register(
        &mut self,
        reply: Reply,
        given: &ClientRegistration,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        check_role(given, ROLE)?;
        for (name, text) in
            [("ClusterName", &given.cluster_name), ("ClusterNode", &given.cluster_node)]
        {
            if !text.is_empty() && !is_name(text) {
                return Err(Refusal::attribute(name));
            }
        }
        self.clients.accept(reply, given, cx)?;
        let source = u32::from(self.clients.server.node.get());
        let named = Some(&given.cluster_name).filter(|name| !name.is_empty());
        if let Some(known) = self.clients.kept(reply.client) {
            known.collector = Collector {
                cluster: named.unwrap_or(&given.application_name).as_str().into(),
                node: given.cluster_node.as_str().into(),
            };
            known.cursor = given.cursors.iter().find(|cursor| cursor.source == source).copied();
        }
        Ok(())
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the language has many more requests than one port works on"
    )]
    fn work_on(&mut self, reply: Reply, kind: RequestType, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        match kind {
            RequestType::TStartCallMonitoring => self.begin(reply, cx),
            RequestType::TStopCallMonitoring => {
                if let Some(known) = self.clients.kept(reply.client)
                    && core::mem::take(&mut known.is_monitoring)
                {
                    let collector = known.collector.clone();
                    self.leave(&collector, cx);
                }
                self.clients.answer(reply, EventType::EventAck, Attributes::default(), cx);
                Ok(())
            }
            other => Err(unsupported(other)),
        }
    }

    /// TStartCallMonitoring.
    fn begin(&mut self, reply: Reply, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        let Some(known) = self.clients.kept(reply.client) else { return Ok(()) };
        if known.is_monitoring {
            self.clients.answer(reply, EventType::EventAck, Attributes::default(), cx);
            return Ok(());
        }
        let (collector, cursor) = (known.collector.clone(), known.cursor);
        let session = self.clients.session(reply.client);
        let application = session.and_then(|session| session.name.clone()).unwrap_or_default();
        self.forget(cx);
        let is_first = self.recipients.is_first(&collector.cluster);
        let is_known = self.recipients.find(&collector).is_some();
        let (id, before) = self.recipients.begin(&collector, &application, reply.client)?;
        if let Some(known) = self.clients.kept(reply.client) {
            known.is_monitoring = true;
        }
        if let Some(before) = before {
            tracing::warn!(node = %self.clients.server.name, client = before.0, cluster = %collector.cluster, cluster_node = %collector.node, "another connection of the same ClusterName and ClusterNode takes its place");
            let unwritten_len = (cx.backlog)(before);
            self.clients.end(before, cx);
            if let Some(recipient) = self.recipients.get(id) {
                recipient.take_back(unwritten_len);
            }
        }
        self.clients.answer(reply, EventType::EventAck, Attributes::default(), cx);
        if is_first {
            for call in self.calls.values_mut() {
                call.recipients.push(id);
            }
        }
        self.write_head(id, cx);
        let epoch = self.clients.server.epoch;
        match cursor {
            Some(cursor) => {
                let Some(recipient) = self.recipients.get(id) else { return Ok(()) };
                let position = recipient.position_of(&cursor, epoch).filter(|_| is_known);
                recipient.go_on_from(position.unwrap_or(u64::MAX));
                if position.is_none() {
                    self.clients.tell_gap(reply.client, &cursor, cx);
                    self.tell_anew(id, cx);
                }
            }
            None if is_known => {}
            None => self.tell_anew(id, cx),
        }
        self.pump(id, cx);
        Ok(())
    }

    /// Its calls that run, from their creation on.
    fn tell_anew(&mut self, id: RecipientId, cx: &mut Cx<'_>) {
        let own = self.calls.values().filter(|call| call.recipients.contains(&id));
        let told: Vec<Told> = own.flat_map(|call| call.stream.anew()).collect();
        self.keep(id, &told, cx);
    }

    pub(super) fn keep(&mut self, id: RecipientId, told: &[Told], cx: &mut Cx<'_>) {
        for (kind, attributes) in told {
            let Some(seq) = self.next_seq(id) else { return };
            let event = self.clients.event(*kind, seq, attributes.clone(), cx.wall);
            self.keep_one(id, (*kind, EncodedEvent::new(&event)), cx);
        }
        self.trim(id, cx);
    }

    /// Keeps an event that another collector has not had.
    pub(super) fn keep_renumbered(&mut self, id: RecipientId, event: tlib::Event, cx: &mut Cx<'_>) {
        let Some(seq) = self.next_seq(id) else { return };
        let kind = event.r#type();
        let event = tlib::Event { seq, epoch: self.clients.server.epoch, ..event };
        self.keep_one(id, (kind, EncodedEvent::new(&event)), cx);
    }

    fn next_seq(&mut self, id: RecipientId) -> Option<u64> {
        self.recipients.get(id).map(|recipient| recipient.next_seq())
    }

    /// Keeps the next event of a collector, in memory and on disk.
    fn keep_one(
        &mut self,
        id: RecipientId,
        (kind, event): (EventType, EncodedEvent),
        cx: &mut Cx<'_>,
    ) {
        let Some(number) = self.next_seq(id) else { return };
        let entry = event.event();
        cx.out.push(Action::Own(Write::Entry { stream: id.0, number, at_ms: cx.wall.0, entry }));
        self.recipients.keep(id, (kind, event), cx.now);
    }

    /// EventGap in the place of what is not known. It has a number of its own that nobody
    /// sees: what it stands for is lost.
    fn keep_gap(&mut self, id: RecipientId, cx: &mut Cx<'_>) {
        let Some(next) = self.next_seq(id) else { return };
        let kind = EventType::EventGap;
        let event = self.clients.event(kind, next - 1, Attributes::default(), cx.wall);
        self.keep_one(id, (kind, EncodedEvent::new(&event)), cx);
    }

    /// Something in calls is not known here: all recipients hear that events are lost, and
    /// how their calls are as far as it is known.
    fn on_short(&mut self, cx: &mut Cx<'_>) {
        for id in self.recipients.ids() {
            self.keep_gap(id, cx);
            self.tell_anew(id, cx);
            self.pump(id, cx);
        }
    }

    /// A call has gone on.
    fn on_fact(&mut self, fact: &CallFact, cx: &mut Cx<'_>) {
        self.forget(cx);
        if !self.calls.contains_key(&fact.conn_id) {
            let recipients = self.recipients.choose().into();
            let call = Call { stream: CallStream::default(), recipients };
            self.calls.insert(fact.conn_id, call);
        }
        let Some(call) = self.calls.get_mut(&fact.conn_id) else { return };
        let Settings { geo_location, dns, .. } = &self.settings;
        let is_dn = |name: &str| dns.contains(name);
        let told = call.stream.on_fact(fact, geo_location, is_dn, cx.ids);
        let recipients = call.recipients.clone();
        if fact.is_end() {
            self.calls.remove(&fact.conn_id);
        }
        for id in recipients {
            self.keep(id, &told, cx);
            self.pump(id, cx);
        }
    }

    /// Gives a recipient's connection what it has not been given, as much as it takes.
    pub(super) fn pump(&mut self, id: RecipientId, cx: &mut Cx<'_>) {
        let Some(client) = self.recipients.get(id).and_then(|recipient| recipient.client) else {
            return;
        };
        if self.clients.session(client).is_none_or(|session| session.is_ending) {
            return;
        }
        let mut backlog_len = (cx.backlog)(client);
        let mut was_told_of_a_gap = false;
        while let Some(recipient) = self.recipients.get(id) {
            if !has_room(backlog_len) {
                return self.wait_for_room(id, client, cx);
            }
            recipient.stalled = None;
            match recipient.next() {
                Next::Event(kind, event) => {
                    let is_wanted = self.clients.wants(client, kind);
                    recipient.note_wanted(is_wanted);
                    if is_wanted {
                        backlog_len += event.len();
                        cx.out.push(Action::Send(client, event.shared()));
                    }
                }
                Next::Gap(..) if core::mem::replace(&mut was_told_of_a_gap, true) => {
                    // Its calls alone are more than can be kept.
                    self.clients.end(client, cx);
                    return;
                }
                Next::Gap(seq, is_of_before) => {
                    let Server { node, epoch, .. } = self.clients.server;
                    let cursor = Cursor { source: u32::from(node.get()), epoch, seq };
                    self.clients.tell_gap(client, &cursor, cx);
                    if !is_of_before {
                        self.tell_anew(id, cx);
                    }
                }
                Next::Nothing => return self.note_given(id, cx),
            }
        }
    }

    /// The disk knows how much a collector was given, as long as that is not all.
    fn note_given(&mut self, id: RecipientId, cx: &mut Cx<'_>) {
        let given = self.recipients.get(id).and_then(super::recipients::Recipient::given_anew);
        if let Some(given) = given {
            cx.out.push(Action::Own(Write::Given(id.0, given)));
        }
    }

    /// The connection of a recipient has no room: it is looked at again soon, and ended
    /// when it takes nothing for long, so that new calls go to others.
    fn wait_for_room(&mut self, id: RecipientId, client: ClientId, cx: &mut Cx<'_>) {
        self.note_given(id, cx);
        let Some(recipient) = self.recipients.get(id).filter(|one| one.has_more()) else { return };
        let since = *recipient.stalled.get_or_insert(cx.now);
        if cx.now.since(since) >= RECIPIENT_STALL_TIME {
            tracing::warn!(node = %self.clients.server.name, client = client.0, cluster = %recipient.collector.cluster, cluster_node = %recipient.collector.node, "a collector takes nothing of what waits for it: connection ended");
            self.clients.end(client, cx);
        } else if recipient.look_at.is_none() {
            let at = cx.now + RECIPIENT_QUEUE_TIME;
            recipient.look_at = Some(at);
            cx.out.push(Action::Arm(client, at));
        }
    }

    /// A collector is none any more.
    pub(super) fn leave(&mut self, collector: &Collector, cx: &mut Cx<'_>) {
        if let Some(gone) = self.recipients.leave(collector) {
            cx.out.push(Action::Own(Write::Remove(gone.0)));
            for call in self.calls.values_mut() {
                call.recipients.retain(|id| *id != gone);
            }
        }
    }

    fn forget(&mut self, cx: &mut Cx<'_>) {
        for collector in self.recipients.away_too_long(cx.now) {
            self.leave(&collector, cx);
            tracing::warn!(node = %self.clients.server.name, cluster = %collector.cluster, cluster_node = %collector.node, "a collector has stayed away too long: what was kept for it is dropped");
        }
    }

    /// Its clients.
    #[must_use]
    pub const fn clients(&self) -> &Clients<Known> {
        &self.clients
    }
}
