//! A call comes in: who calls, may they, and where does it go.

use super::core::{Action, Core, Cx, Entry, Wake};
use super::route::{Route, route};
use super::settings::DnKind;
use crate::base::flow::Flow;
use crate::base::id::Slot;
use crate::base::leg::{Body, Cause, LegCommand};
use crate::base::time::{Duration, Instant};
use crate::call::two_party::{Call, Party, State};
use crate::sip::auth::{Outcome, Password, Request};
use crate::sip::message::{HeaderId, Message};
use crate::sip::packet::Packet;
use crate::sip::user_agent::{NewLeg, takes_reliable};
use core::net::SocketAddr;
use std::borrow::Cow;

/// Who calls.
pub(super) enum Origin {
    /// An extension of ours.
    Extension(String),
    /// Somebody behind a trunk.
    Trunk { name: Box<str>, number: String },
    /// Nobody we know.
    Unknown,
}

impl Core {
    pub(super) fn on_incoming(&mut self, leg: Slot, packet: &Packet, cx: &mut Cx<'_>) {
        let message = &packet.message;
        if !self.ready {
            let retry = [(HeaderId::RetryAfter, "2".to_owned())];
            let code = self.settings.shutdown_code;
            self.with_stack(cx, |stack, cx| stack.refuse(leg, code, &retry, cx));
            return;
        }
        let origin = self.origin(packet);
        if self.is_from_proxy(packet)
            && let Some(node) = self.lives_at(&origin, message, cx)
        {
            let told = [(HeaderId::XGenesysRoute, self.told(node, cx))];
            self.with_stack(cx, |stack, cx| stack.refuse(leg, 302, &told, cx));
            return;
        }
        let (caller, trunk) = match origin {
            Origin::Extension(name) => {
                if let Err((status, headers)) = self.authenticate(&name, message, cx) {
                    self.with_stack(cx, |stack, cx| stack.refuse(leg, status, &headers, cx));
                    return;
                }
                (name, "".into())
            }
            Origin::Trunk { name, number } => (number, name),
            Origin::Unknown => {
                let code = self.settings.unknown_gateway_code;
                self.with_stack(cx, |stack, cx| stack.refuse(leg, code, &[], cx));
                return;
            }
        };
        self.start_call(leg, message, &caller, trunk, cx);
    }

    /// Whether a request came by a proxy, which alone follows a private redirect.
    fn is_from_proxy(&self, packet: &Packet) -> bool {
        let Flow { protocol, remote, .. } = packet.flow;
        let is_one = |proxy: &SocketAddr| {
            if protocol.is_reliable() { proxy.ip() == remote.ip() } else { *proxy == remote }
        };
        self.settings.proxies.iter().any(is_one)
    }

    /// A proxy tells where a request came from; anybody else is that source.
    fn source(&self, packet: &Packet) -> SocketAddr {
        let from_proxy = self.is_from_proxy(packet);
        let told = packet.message.header(HeaderId::XSipclusterSource).filter(|_| from_proxy);
        told.and_then(|value| core::str::from_utf8(value).ok())
            .and_then(|value| value.split_once(':')?.1.parse().ok())
            .unwrap_or(packet.flow.remote)
    }

    /// A trunk's own address and port come first, then the DN in From, then a
    /// trunk's address alone: connections come from any port.
    fn origin(&self, packet: &Packet) -> Origin {
        let source = self.source(packet);
        let user = packet
            .message
            .from()
            .and_then(|from| from.parsed_uri().ok().map(|uri| uri.user_name()))
            .unwrap_or_default();
        let exact = self.settings.trunk_at(source, true);
        if exact.is_none()
            && matches!(self.settings.dns.get(user.as_str()), Some(DnKind::Extension { .. }))
        {
            return Origin::Extension(user);
        }
        match exact.or_else(|| self.settings.trunk_at(source, false)) {
            Some(trunk) => Origin::Trunk { name: trunk.name.clone(), number: user },
            None => Origin::Unknown,
        }
    }

    /// Whether a request of an extension may pass (`sip-enable-strict-auth`).
    pub(super) fn authenticate(
        &mut self,
        dn: &str,
        message: &Message,
        cx: &mut Cx<'_>,
    ) -> Result<(), (u16, Vec<(HeaderId, String)>)> {
        let settings = self.settings.clone();
        if let Some(DnKind::Extension { strict_auth: false, .. }) = settings.dns.get(dn) {
            return Ok(());
        }
        let lookup = |user: &str| match settings.dns.get(user) {
            Some(DnKind::Extension { password: Some(password), .. }) => {
                Some(Password::Plain(Cow::Borrowed(&**password)))
            }
            Some(DnKind::Extension { password: None, .. } | DnKind::RoutingPoint { .. }) | None => {
                None
            }
        };
        let body = message.body();
        let request =
            Request { method: message.method().as_str(), uri: message.request_uri(), body: &body };
        let values = message.header_lines(HeaderId::Authorization);
        match self.authenticator.on_request(values, &request, &lookup, cx.wall, cx.ids) {
            Outcome::Accepted { user, .. } if user == dn => Ok(()),
            Outcome::Accepted { .. } | Outcome::Forbidden => Err((403, Vec::new())),
            Outcome::Challenge { headers, .. } => Err((401, challenges(message, headers))),
        }
    }

    fn start_call(
        &mut self,
        leg: Slot,
        message: &Message,
        caller: &str,
        trunk: Box<str>,
        cx: &mut Cx<'_>,
    ) {
        let dialled = message.uri().map(|uri| uri.user_name()).unwrap_or_default();
        let conn_id = self.next_conn_id();
        let mut call = Call::new(cx.ids.call_uuid(), conn_id, caller, &dialled, cx.now, cx.wall);
        let is_inbound = !trunk.is_empty();
        call.trunk = trunk;
        let entry = Entry {
            call,
            caller: leg,
            callee: None,
            error_conversion: Vec::new(),
            no_answer_at: Instant::NEVER,
            is_inbound,
            told: State::Routing,
        };
        let Some(slot) = self.calls.insert(entry) else {
            let retry = [(HeaderId::RetryAfter, "5".to_owned())];
            self.with_stack(cx, |stack, cx| stack.refuse(leg, 503, &retry, cx));
            return;
        };
        self.by_leg.insert(leg, (slot, Party::Caller));
        let hops = message.max_forwards().unwrap_or(70).saturating_sub(1);
        let found = if hops == 0 {
            Route::Refused(Cause::code(483))
        } else {
            route(&self.settings, &dialled, &|trunk| self.trunks_down.contains(trunk))
        };
        match found {
            Route::Refused(cause) => self.refuse_call(slot, cause, cx),
            Route::Extension { dn } if self.known(&dn, cx).dnd => {
                if let Some(entry) = self.calls.get_mut(slot) {
                    entry.call.on_calling(&dn);
                }
                self.tell_state(slot, cx);
                self.refuse_call(slot, Cause::with_q850(486, 17, "do not disturb"), cx);
            }
            Route::Extension { dn } => {
                let Some(target) = self.extension_target(&dn) else {
                    return self.refuse_call(slot, Cause::code(480), cx);
                };
                self.call_out(slot, message, caller, &dn, target, hops, cx);
            }
            Route::Trunk { index, number } => {
                self.call_trunk(slot, message, caller, index, &number, hops, cx)
            }
        }
    }

    /// Request-URI and next hop of a DN: its own `contact`, or its name for the proxy that
    /// looks up what is registered.
    fn extension_target(&self, dn: &str) -> Option<(String, String)> {
        let contact = match self.settings.dns.get(dn)? {
            DnKind::Extension { contact, .. } => contact.as_deref(),
            DnKind::RoutingPoint { .. } => None,
        };
        match contact {
            Some(contact) => Some((contact.to_owned(), contact.to_owned())),
            None if self.settings.direct => None,
            None => {
                let uri = format!("sip:{dn}@{}", self.settings.access);
                Some((uri, "registrar".to_owned()))
            }
        }
    }

    fn refuse_call(&mut self, slot: Slot, cause: Cause, cx: &mut Cx<'_>) {
        let Some(entry) = self.calls.get_mut(slot) else { return };
        let mut actions = Vec::new();
        entry.call.on_unroutable(cause, cx.now, &mut actions);
        self.apply(slot, actions, cx);
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one call, each of its own kind")]
    fn call_trunk(
        &mut self,
        slot: Slot,
        message: &Message,
        caller: &str,
        index: usize,
        number: &str,
        hops: u8,
        cx: &mut Cx<'_>,
    ) {
        let settings = self.settings.clone();
        let Some(trunk) = settings.trunks.get(index) else { return };
        if let Some(entry) = self.calls.get_mut(slot) {
            entry.call.trunk = trunk.name.clone();
            entry.error_conversion.clone_from(&trunk.error_conversion);
        }
        let uri = format!("sip:{number}@{}", trunk.host_port);
        self.call_out(slot, message, caller, &trunk.name, (uri, trunk.uri.to_string()), hops, cx);
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one call, each of its own kind")]
    fn call_out(
        &mut self,
        slot: Slot,
        message: &Message,
        caller: &str,
        destination: &str,
        (uri, hop): (String, String),
        hops_left: u8,
        cx: &mut Cx<'_>,
    ) {
        let Some(entry) = self.calls.get_mut(slot) else { return };
        entry.call.on_calling(destination);
        let uuid = entry.call.uuid.to_string();
        let offer: Option<Body> = message.typed_body();
        let display = message.from().map(|from| String::from_utf8_lossy(from.display).into_owned());
        let display = display
            .filter(|name| !name.is_empty())
            .map(|name| format!("{name} "))
            .unwrap_or_default();
        let new = NewLeg {
            from: format!("{display}<sip:{}@{}>", escaped(caller), self.settings.access),
            to: format!("<{uri}>"),
            uri,
            hop,
            reliable: offer.is_some() || takes_reliable(message),
            offer,
            hops_left,
            headers: vec![("X-Genesys-CallUUID", uuid)],
        };
        let mut leg = None;
        self.with_stack(cx, |stack, cx| leg = stack.call(&new, cx));
        let Some(leg) = leg else {
            self.refuse_call(slot, Cause::code(503), cx);
            return;
        };
        self.by_leg.insert(leg, (slot, Party::Callee));
        let Some(entry) = self.calls.get_mut(slot) else { return };
        entry.callee = Some(leg);
        // The proxy of the caller hears at once that this node works on the call.
        let caller = entry.caller;
        self.tell_state(slot, cx);
        let trying = LegCommand::Progress { code: 100, body: None, reliable: false };
        self.with_stack(cx, |stack, cx| stack.command(caller, trying, cx));
        if self.settings.no_answer_timeout > Duration::ZERO
            && let Some(entry) = self.calls.get_mut(slot)
        {
            entry.no_answer_at = cx.now + self.settings.no_answer_timeout;
            cx.out.push(Action::Arm(Wake::NoAnswer(slot), entry.no_answer_at));
        }
    }
}

/// Phones that give a 401 up when one of its challenges names an algorithm that they
/// do not know, although RFC 8760 2.4 wants them to take the one they know: libre
/// before 2.0, which baresip of Debian 12 stands on.
const MD5_ONLY: [&[u8]; 2] = [b"baresip v0.", b"baresip v1."];

/// The challenges of a 401 to this request.
fn challenges(message: &Message, values: Vec<String>) -> Vec<(HeaderId, String)> {
    let agent = message.header(HeaderId::UserAgent).unwrap_or_default();
    let is_md5 = |value: &String| value.contains("algorithm=MD5");
    let md5_only =
        MD5_ONLY.iter().any(|known| agent.starts_with(known)) && values.iter().any(is_md5);
    let kept = values.into_iter().filter(|value| !md5_only || is_md5(value));
    kept.map(|value| (HeaderId::WwwAuthenticate, value)).collect()
}

/// A user part with everything escaped that may not stand in one.
fn escaped(user: &str) -> String {
    use core::fmt::Write as _;
    user.bytes().fold(String::with_capacity(user.len()), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte) {
            text.push(byte as char);
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}
