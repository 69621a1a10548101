//! Client transactions of the stack, and what their responses mean to a leg.

use super::dialog::{Dialog, without_tag};
use super::leg::LegState;
use super::stack::{Action, Counted, Cx, Stack, Wake};
use crate::base::flow::{Destination, Outbound, Protocol, Sender};
use crate::base::id::Slot;
use crate::base::leg::{Cause, LegEvent};
use crate::base::limits::{NODE_SILENCE, TIMER_C, TRANSACTION_TIMEOUT};
use crate::base::seal::Kind;
use crate::base::time::Instant;
use crate::sip::message::{HeaderId, Message, Method, NameAddr, Writer, hop_request};
use crate::sip::transaction::{
    Action as Step, Actions, Client, ClientInviteState, ClientNonInvite,
};
use bytes::Bytes;
use core::net::SocketAddr;

/// How often one request is sent under another branch.
const CHANGES_MAX: usize = 8;

/// What a request is made of, except its Via, so that it can be sent again by
/// another proxy under a new branch.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) method: Method,
    pub(super) uri: Vec<u8>,
    /// The first Route value, if there is one.
    pub(super) route: Option<Box<[u8]>>,
    /// Number of its CSeq.
    pub(super) cseq: u32,
    /// Everything behind the Via and CSeq lines, with the body.
    pub(super) rest: Bytes,
}

/// An attempt by a proxy that stayed silent. Its CANCEL is sent at once: our own
/// proxy takes one at any time, and the phone may ring although no answer came.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) proxy: SocketAddr,
    pub(super) protocol: Protocol,
    pub(super) bytes: Bytes,
    pub(super) cancel: Option<(ClientNonInvite, Bytes)>,
}

/// One client transaction.
#[derive(Debug)]
pub(super) struct ClientTransaction {
    pub(super) machine: Client,
    pub(super) draft: Draft,
    pub(super) proxy: SocketAddr,
    /// By which it goes to the proxy: a stream when it is long (RFC 3261 18.1.1).
    pub(super) protocol: Protocol,
    pub(super) tried: Vec<SocketAddr>,
    /// Attempts given up.
    pub(super) given_up: Vec<Attempt>,
    pub(super) bytes: Bytes,
    /// When silence means that the proxy is gone.
    pub(super) patience: Instant,
    /// Whether the last answer may be waited for no longer.
    pub(super) give_up_at: Instant,
    pub(super) leg: Option<Slot>,
    pub(super) heard: bool,
    /// It could not be sent; its earlier attempts are still being cancelled.
    pub(super) failed: bool,
    pub(super) cancelled: bool,
    pub(super) cancel_wanted: bool,
    /// The CANCEL, with the transaction of its own that it has.
    pub(super) cancel: Option<(ClientNonInvite, Bytes)>,
    /// Fields of its stored state that this release does not know.
    pub(super) unknown: Box<[u8]>,
}

impl ClientTransaction {
    /// Whether nothing was heard of it and it is not what ends a dialog.
    pub(super) fn is_unheard(&self) -> bool {
        !self.heard && self.draft.method != Method::Bye
    }

    pub(super) const fn is_terminated(&self) -> bool {
        self.machine.is_terminated()
    }

    pub(super) fn next_deadline(&self) -> Instant {
        let machine = if self.failed { Instant::NEVER } else { self.machine.next_deadline() };
        let cancel =
            self.cancel.as_ref().map_or(Instant::NEVER, |(machine, _)| machine.next_deadline());
        let late = self.given_up.iter().filter_map(|attempt| attempt.cancel.as_ref());
        let late = late.map(|(machine, _)| machine.next_deadline()).min().unwrap_or(Instant::NEVER);
        machine.min(self.patience).min(self.give_up_at).min(cancel).min(late)
    }
}

impl Stack {
    /// Sends a request of a leg by a proxy.
    pub(super) fn request(
        &mut self,
        leg: Option<Slot>,
        draft: Draft,
        cx: &mut Cx<'_>,
    ) -> Option<Slot> {
        let proxy = if self.settings.direct {
            address_of(draft.route.as_deref().unwrap_or(&draft.uri))?
        } else {
            self.routed_proxy(&draft).or_else(|| self.pick_proxy(&[]))?
        };
        let protocol = self.settings.proxy_protocol;
        let slot = self.clients.insert_with(|_| {
            let machine = Client::new(draft.method, cx.now, protocol.is_reliable());
            ClientTransaction {
                machine,
                draft,
                proxy,
                protocol,
                tried: Vec::new(),
                given_up: Vec::new(),
                bytes: Bytes::new(),
                patience: Instant::NEVER,
                give_up_at: Instant::NEVER,
                leg,
                heard: false,
                failed: false,
                cancelled: false,
                cancel_wanted: false,
                cancel: None,
                unknown: Box::default(),
            }
        })?;
        self.touch(Wake::Client(slot));
        if let Some(leg) = leg {
            self.hold_leg(leg, Wake::Client(slot));
        }
        self.send_by(slot, proxy, cx);
        self.settle_client(slot, cx);
        Some(slot)
    }

    /// The proxy that the first Route names, while it is in service.
    fn routed_proxy(&self, draft: &Draft) -> Option<SocketAddr> {
        self.proxy_in_service(draft.route.as_deref()?)
    }

    /// The proxy that a Route value names, if it is in service.
    pub(super) fn proxy_in_service(&self, route: &[u8]) -> Option<SocketAddr> {
        let address = address_of(route)?;
        let usable =
            self.settings.proxies.contains(&address) && !self.proxies_down.contains(&address);
        usable.then_some(address)
    }

    /// The next proxy in turn that is in service and was not tried.
    fn pick_proxy(&mut self, tried: &[SocketAddr]) -> Option<SocketAddr> {
        let proxies = &self.settings.proxies;
        let usable = |proxy: &&SocketAddr| !tried.contains(*proxy);
        let up: Vec<SocketAddr> = proxies
            .iter()
            .filter(usable)
            .filter(|proxy| !self.proxies_down.contains(*proxy))
            .copied()
            .collect();
        let choice =
            if up.is_empty() { proxies.iter().filter(usable).copied().collect() } else { up };
        if choice.is_empty() {
            return None;
        }
        self.next_proxy = self.next_proxy.wrapping_add(1);
        choice.get(self.next_proxy % choice.len()).copied()
    }

    /// Starts the transaction anew by a proxy, under a branch of its own.
    fn send_by(&mut self, slot: Slot, proxy: SocketAddr, cx: &mut Cx<'_>) {
        let Some(found) = self.clients.get_mut(slot) else { return };
        if !found.bytes.is_empty() {
            // Under the same number a phone that has seen the first attempt says 482.
            let (proxy, protocol, bytes) = (found.proxy, found.protocol, found.bytes.clone());
            let attempt = Attempt { proxy, protocol, bytes, cancel: None };
            found.given_up.push(attempt);
            found.draft.cseq += 1;
            if let Some(leg) = found.leg.and_then(|leg| self.legs.get_mut(leg)) {
                leg.dialog.local_cseq += 1;
                found.draft.cseq = leg.dialog.local_cseq;
            }
        }
        let attempt = u32::try_from(found.tried.len()).unwrap_or(0xff).min(0xff);
        let word =
            Slot { index: slot.index | attempt << 24, ..slot }.with_shard(self.settings.shard);
        let branch = self.sealer.seal(Kind::Branch, word);
        let start_line =
            [found.draft.method.as_str().as_bytes(), b" ", &found.draft.uri, b" SIP/2.0\r\n"]
                .concat();
        let whole = |protocol: Protocol| {
            let via = format!(
                "Via: SIP/2.0/{} {};branch=z9hG4bK{:02x}{branch};rport\r\nCSeq: {} {}\r\n",
                protocol.via_name(),
                self.settings.address,
                self.settings.shard.0,
                found.draft.cseq,
                found.draft.method
            );
            Bytes::from([&start_line[..], via.as_bytes(), &found.draft.rest].concat())
        };
        let mut protocol = self.settings.proxy_protocol;
        let mut bytes = whole(protocol);
        if (Destination::Address { protocol, remote: proxy }).needs_stream(bytes.len()) {
            protocol = Protocol::Tcp;
            bytes = whole(protocol);
        }
        found.bytes = bytes;
        found.protocol = protocol;
        found.machine = Client::new(found.draft.method, cx.now, protocol.is_reliable());
        found.proxy = proxy;
        found.tried.push(proxy);
        found.heard = false;
        // What lies behind no proxy may take its time.
        found.patience = if self.settings.direct { Instant::NEVER } else { cx.now + NODE_SILENCE };
        self.transmit(slot, cx);
    }

    fn transmit(&self, slot: Slot, cx: &mut Cx<'_>) {
        let Some(found) = self.clients.get(slot) else { return };
        cx.out.push(Action::Send(Outbound {
            to: Destination::Address { protocol: found.protocol, remote: found.proxy },
            bytes: found.bytes.clone(),
            sender: Some(Sender(slot.with_shard(self.settings.shard))),
        }));
    }

    /// The client transaction that a response belongs to.
    fn client_of(&self, message: &Message) -> Option<(Slot, usize)> {
        let word = self.sealer.open(Kind::Branch, message.branch().get(9..)?)?;
        let (_, slot) = Slot::from_word(word);
        let (attempt, slot) = (slot.index >> 24, Slot { index: slot.index & 0xff_ffff, ..slot });
        let found = self.clients.get(slot)?;
        let attempt = usize::try_from(attempt).ok()?;
        (attempt < found.tried.len()).then_some((slot, attempt))
    }

    /// An answer to an attempt that another proxy has taken over: cancelled,
    /// acknowledged, or ended (`decisions.md` 9).
    fn on_late_response(&mut self, slot: Slot, attempt: usize, message: &Message, cx: &mut Cx<'_>) {
        let Some(found) = self.clients.get_mut(slot) else { return };
        let (leg, method) = (found.leg, found.draft.method);
        let Some(given_up) = found.given_up.get_mut(attempt) else { return };
        if message.cseq_method() == Method::Cancel {
            if let Some((machine, _)) = &mut given_up.cancel {
                machine.on_response(message.status(), cx.now);
            }
            return;
        }
        if method != Method::Invite || message.cseq_method() != Method::Invite {
            return;
        }
        let (proxy, bytes) = ((given_up.proxy, given_up.protocol), given_up.bytes.clone());
        match message.status() {
            100..=199 => {}
            200..=299 => {
                let Some(leg) = leg else { return };
                let same = self
                    .legs
                    .get(leg)
                    .is_some_and(|found| &*found.dialog.remote_tag == message.to_tag());
                if same {
                    // A change inside the dialog that was taken twice.
                    self.acknowledge(leg, message.cseq(), None, cx);
                } else {
                    self.refuse_fork(leg, message, cx);
                }
            }
            _ => {
                if let Ok(sent) = crate::sip::message::scan(bytes.clone()) {
                    self.send_hop(&sent, Method::Ack, Some(message), proxy, cx);
                }
            }
        }
    }

    /// The ACK for a refusal, or the CANCEL, of a request as it was sent.
    fn send_hop(
        &self,
        sent: &Message,
        method: Method,
        response: Option<&Message>,
        (remote, protocol): (SocketAddr, Protocol),
        cx: &mut Cx<'_>,
    ) {
        let bytes = hop_request(sent, method, response.unwrap_or(sent));
        let to = Destination::Address { protocol, remote };
        cx.out.push(Action::Send(Outbound { to, bytes, sender: None }));
    }

    pub(super) fn on_response(&mut self, message: &Message, cx: &mut Cx<'_>) {
        let found = self.client_of(message).filter(|_| message.fault().is_none());
        let Some((slot, attempt)) = found else {
            cx.count(Counted::StrayResponse);
            return self.on_orphan(message, cx);
        };
        self.touch(Wake::Client(slot));
        if self.clients.get(slot).is_some_and(|found| attempt + 1 < found.tried.len()) {
            return self.on_late_response(slot, attempt, message, cx);
        }
        let status = message.status();
        let Some(found) = self.clients.get_mut(slot) else { return };
        if message.cseq_method() == Method::Cancel
            && let Some((machine, _)) = &mut found.cancel
        {
            machine.on_response(status, cx.now);
            return self.settle_client(slot, cx);
        }
        if message.cseq_method() != found.draft.method {
            return;
        }
        found.heard = true;
        found.patience = Instant::NEVER;
        let steps = found.machine.on_response(status, cx.now);
        let (leg, method) = (found.leg, found.draft.method);
        let cancel = found.cancel_wanted && status < 200;
        if method == Method::Invite && status < 200 && !found.cancelled {
            // The proxy's own Timer C comes first; this one is for a proxy that died.
            found.give_up_at = cx.now + TIMER_C + TRANSACTION_TIMEOUT * 2;
        } else if method == Method::Invite && status >= 200 {
            found.give_up_at = Instant::NEVER;
        }
        let failed_over = status == 503
            && steps_deliver(steps)
            && !found.cancelled
            && message.header(HeaderId::RetryAfter).is_some();
        for step in steps {
            match step {
                Step::SendAck => self.send_hop_ack(slot, message, cx),
                Step::Deliver if failed_over && self.try_other_proxy(slot, cx) => {}
                Step::Deliver
                    if status == 422
                        && method == Method::Invite
                        && self.try_longer_session(slot, message, cx) => {}
                Step::Deliver => match leg {
                    Some(leg) if method == Method::Invite => {
                        self.on_invite_response(leg, slot, message, cx)
                    }
                    Some(leg) => self.on_other_response(leg, (slot, method), message, cx),
                    None => {}
                },
                Step::SendRequest
                | Step::SendResponse
                | Step::TimedOut
                | Step::NoAck
                | Step::Terminated => {}
            }
        }
        if cancel {
            self.cancel_client(slot, cx);
        }
        self.settle_client(slot, cx);
    }

    /// Cancels the attempt that was given up last.
    fn cancel_attempt(&mut self, slot: Slot, cx: &mut Cx<'_>) {
        let Some(found) = self.clients.get_mut(slot) else { return };
        let Some(attempt) = found.given_up.last_mut() else { return };
        if found.draft.method == Method::Invite
            && let Ok(sent) = crate::sip::message::scan(attempt.bytes.clone())
        {
            let bytes = hop_request(&sent, Method::Cancel, &sent);
            let protocol = attempt.protocol;
            let (machine, _) = ClientNonInvite::new(cx.now, protocol.is_reliable());
            attempt.cancel = Some((machine, bytes.clone()));
            let to = Destination::Address { protocol, remote: attempt.proxy };
            cx.out.push(Action::Send(Outbound { to, bytes, sender: None }));
        }
    }

    /// A final answer to an INVITE of ours that nothing remembers: a refusal gets
    /// its ACK so that it is not repeated, an answer its ACK and a BYE.
    fn on_orphan(&mut self, message: &Message, cx: &mut Cx<'_>) {
        let token = message.branch().get(9..);
        let branch = token.and_then(|token| self.sealer.open(Kind::Branch, token));
        let Some(via) = message.top_via().filter(|_| branch.is_some() && message.fault().is_none())
        else {
            return;
        };
        let ours = via.host_ip() == Some(self.settings.address.ip())
            && via.port_or_default() == self.settings.address.port();
        if !ours || message.cseq_method() != Method::Invite || message.status() < 200 {
            return;
        }
        let (Some(from), Some(to)) = (message.from(), message.to()) else { return };
        if message.status() >= 300 {
            let mut writer = Writer::request(b"ACK", to.uri);
            writer.header(HeaderId::Via, message.top_via_value());
            writer
                .copy(message, HeaderId::From)
                .copy(message, HeaderId::To)
                .copy(message, HeaderId::CallId);
            writer
                .header(HeaderId::CSeq, format!("{} ACK", message.cseq()))
                .header(HeaderId::MaxForwards, "70");
            for remote in self.settings.proxies.clone() {
                let to = Destination::Address { protocol: self.settings.proxy_protocol, remote };
                cx.out.push(Action::Send(Outbound {
                    to,
                    bytes: writer.clone().body(None),
                    sender: None,
                }));
            }
            return;
        }
        let mut dialog = Dialog {
            call_id: String::from_utf8_lossy(message.call_id()).into(),
            local_tag: String::from_utf8_lossy(from.tag().unwrap_or_default()).into(),
            local: without_tag(message.header(HeaderId::From).unwrap_or_default()),
            remote: without_tag(message.header(HeaderId::To).unwrap_or_default()),
            target: to.uri.into(),
            local_cseq: message.cseq(),
            ..Dialog::default()
        };
        dialog.learn(message);
        let _ = self.end_stranger(dialog, message.cseq(), cx);
    }

    /// A request as it was sent, and where what a draft keeps begins in it.
    pub(super) fn sent_request(&self, client: Slot) -> Option<(Bytes, usize)> {
        let found = self.clients.get(client)?;
        let head_len = found.bytes.len().checked_sub(found.draft.rest.len())?;
        (found.tried.len() < CHANGES_MAX && !found.cancelled)
            .then(|| (found.bytes.clone(), head_len))
    }

    /// Sends a request again with something else behind its first lines.
    pub(super) fn send_changed(&mut self, client: Slot, rest: Bytes, cx: &mut Cx<'_>) {
        let Some(found) = self.clients.get_mut(client) else { return };
        found.draft.rest = rest;
        let proxy = found.proxy;
        self.send_by(client, proxy, cx);
    }

    /// Sends the request by a proxy that was not tried yet.
    fn try_other_proxy(&mut self, slot: Slot, cx: &mut Cx<'_>) -> bool {
        let Some(found) = self.clients.get(slot) else { return false };
        let tried = found.tried.clone();
        let Some(proxy) = self.pick_proxy(&tried).filter(|proxy| !tried.contains(proxy)) else {
            return false;
        };
        cx.count(Counted::ProxyFailover);
        self.send_by(slot, proxy, cx);
        self.cancel_attempt(slot, cx);
        true
    }

    fn send_hop_ack(&mut self, slot: Slot, response: &Message, cx: &mut Cx<'_>) {
        let Some(found) = self.clients.get(slot) else { return };
        let Ok(sent) = crate::sip::message::scan(found.bytes.clone()) else { return };
        let by = (found.proxy, found.protocol);
        self.send_hop(&sent, Method::Ack, Some(response), by, cx);
    }

    /// An INVITE of a leg that has ended is not waited for longer than 64·T1.
    pub(super) fn limit_client(&mut self, slot: Slot, cx: &mut Cx<'_>) {
        if let Some(found) = self.clients.get_mut(slot) {
            found.give_up_at = cx.now + TRANSACTION_TIMEOUT;
            self.settle_client(slot, cx);
        }
    }

    /// CANCELs an INVITE of ours, at once or as soon as a response permits it.
    pub(super) fn cancel_client(&mut self, slot: Slot, cx: &mut Cx<'_>) {
        let Some(found) = self.clients.get_mut(slot) else { return };
        let Client::Invite(machine) = &found.machine else { return };
        let open = matches!(
            machine.state(),
            ClientInviteState::Calling { .. } | ClientInviteState::Proceeding
        );
        if !open || found.cancelled {
            return;
        }
        if !found.heard {
            found.cancel_wanted = true;
            return;
        }
        found.cancelled = true;
        found.give_up_at = cx.now + TRANSACTION_TIMEOUT;
        let (proxy, protocol) = (found.proxy, found.protocol);
        let Ok(sent) = crate::sip::message::scan(found.bytes.clone()) else { return };
        let bytes = hop_request(&sent, Method::Cancel, &sent);
        if let Some(found) = self.clients.get_mut(slot) {
            let (machine, _) = ClientNonInvite::new(cx.now, protocol.is_reliable());
            found.cancel = Some((machine, bytes.clone()));
        }
        let to = Destination::Address { protocol, remote: proxy };
        cx.out.push(Action::Send(Outbound { to, bytes, sender: None }));
        self.settle_client(slot, cx);
    }

    pub(super) fn wake_client(&mut self, slot: Slot, cx: &mut Cx<'_>) {
        let Some(found) = self.clients.get_mut(slot) else { return };
        if cx.now >= found.patience {
            // Only an INVITE is answered by the proxy itself within that time; the
            // silence of a far phone says nothing of the proxy.
            if found.draft.method != Method::Invite && !self.proxies_down.contains(&found.proxy) {
                found.patience = cx.now + NODE_SILENCE;
                let at = found.patience;
                cx.out.push(Action::Arm(Wake::Client(slot), at));
                return self.turn_client(slot, cx);
            }
            found.patience = Instant::NEVER;
            cx.out.push(Action::Suspect(found.proxy));
            if !self.try_other_proxy(slot, cx) && self.settings.proxies.len() == 1 {
                self.transmit(slot, cx);
            }
            self.settle_client(slot, cx);
            return;
        }
        self.turn_client(slot, cx);
    }

    /// The machine's own timers.
    fn turn_client(&mut self, slot: Slot, cx: &mut Cx<'_>) {
        let Some(found) = self.clients.get_mut(slot) else {
            return;
        };
        let current = found.cancel.as_mut().map(|cancel| (cancel, found.proxy, found.protocol));
        let late = found.given_up.iter_mut().filter_map(|attempt| {
            Some((attempt.cancel.as_mut()?, attempt.proxy, attempt.protocol))
        });
        for ((machine, bytes), remote, protocol) in current.into_iter().chain(late) {
            for step in machine.on_time(cx.now) {
                if step == Step::SendRequest {
                    let to = Destination::Address { protocol, remote };
                    cx.out.push(Action::Send(Outbound { to, bytes: bytes.clone(), sender: None }));
                }
            }
        }
        let steps = if found.failed {
            let over = cx.now >= found.give_up_at;
            if over { Actions::of(&[Step::Terminated]) } else { Actions::none() }
        } else if cx.now >= found.give_up_at {
            Actions::of(&[Step::TimedOut, Step::Terminated])
        } else {
            found.machine.on_time(cx.now)
        };
        for step in steps {
            match step {
                Step::SendRequest => {
                    cx.count(Counted::Repeated);
                    self.transmit(slot, cx);
                }
                Step::TimedOut => self.on_timed_out(slot, 408, cx),
                Step::Terminated => {
                    if let Some(leg) = self.clients.remove(slot).and_then(|found| found.leg) {
                        self.release_leg(leg, Wake::Client(slot), cx);
                    }
                }
                Step::SendAck | Step::SendResponse | Step::Deliver | Step::NoAck => {}
            }
        }
        self.settle_client(slot, cx);
    }

    pub(super) fn on_send_failed(&mut self, slot: Slot, cx: &mut Cx<'_>) {
        let Some(found) = self.clients.get(slot) else { return };
        if found.heard || found.failed {
            return;
        }
        cx.out.push(Action::Suspect(found.proxy));
        if !self.try_other_proxy(slot, cx) {
            self.on_timed_out(slot, 503, cx);
            let Some(found) = self.clients.get_mut(slot) else { return };
            let cancels = |attempt: &Attempt| {
                attempt.cancel.as_ref().is_some_and(|(machine, _)| !machine.is_terminated())
            };
            if found.given_up.iter().any(cancels) {
                // What was tried before is still to be cancelled.
                found.failed = true;
                found.give_up_at = cx.now + TRANSACTION_TIMEOUT;
                found.patience = Instant::NEVER;
            } else if let Some(leg) = self.clients.remove(slot).and_then(|found| found.leg) {
                self.release_leg(leg, Wake::Client(slot), cx);
            }
        }
        self.settle_client(slot, cx);
    }

    /// No answer: as if this status had come (RFC 3261 8.1.3.1).
    fn on_timed_out(&mut self, slot: Slot, status: u16, cx: &mut Cx<'_>) {
        let Some(found) = self.clients.get(slot) else { return };
        let (Some(leg), method) = (found.leg, found.draft.method) else { return };
        let Some(state) = self.legs.get(leg).map(|leg| leg.state) else { return };
        match method {
            Method::Invite => {
                if let Some(found) = self.legs.get_mut(leg) {
                    found.inviting = None;
                }
                match state {
                    LegState::Calling | LegState::Cancelling => {
                        if let Some(found) = self.legs.get_mut(leg) {
                            found.state = LegState::Ending;
                        }
                        self.report(leg, LegEvent::Failed(Cause::code(status)), cx);
                    }
                    LegState::Established => {
                        self.hang_up(leg, &Cause::code(status), cx);
                        self.report(leg, LegEvent::Ended(Cause::code(status)), cx);
                    }
                    LegState::Incoming | LegState::Ending => {}
                }
            }
            Method::Info | Method::Message => cx.up(leg, LegEvent::InfoDone(Cause::code(status))),
            Method::Update => self.on_update_lost(leg, slot, status, cx),
            Method::Ack
            | Method::Cancel
            | Method::Bye
            | Method::Register
            | Method::Options
            | Method::Prack
            | Method::Subscribe
            | Method::Notify
            | Method::Refer
            | Method::Publish
            | Method::Other => {}
        }
    }

    pub(super) fn settle_client(&self, slot: Slot, cx: &mut Cx<'_>) {
        let Some(found) = self.clients.get(slot) else { return };
        let at = found.next_deadline();
        if at != Instant::NEVER {
            cx.out.push(Action::Arm(Wake::Client(slot), at));
        }
    }
}

/// The address in a Route value or URI; a name is none.
pub(super) fn address_of(value: &[u8]) -> Option<SocketAddr> {
    let uri = NameAddr::parse(value).ok()?.parsed_uri().ok()?;
    Some(SocketAddr::new(uri.host_ip()?, uri.port_or_default()))
}

fn steps_deliver(steps: Actions) -> bool {
    steps.into_iter().any(|step| step == Step::Deliver)
}

pub(super) fn cause_of(message: &Message) -> Cause {
    Cause {
        code: message.status(),
        text: String::from_utf8_lossy(message.reason()).into(),
        reason: message.header(HeaderId::Reason).map(|value| String::from_utf8_lossy(value).into()),
    }
}
