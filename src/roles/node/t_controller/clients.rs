//! Clients: their registration, their keep-alive, their end.

use super::core::{Action, Asked, Client, Core, Cx, Party, SUPPORTED, Wake};
use super::log::Cursors;
use crate::base::limits::{ADDP_TIME_MIN, CLIENT_GREETING_TIME, TLIB_NAME_LEN_MAX};
use crate::base::time::{Duration, Instant};
use crate::cti::refusal::Refusal;
use crate::cti::tlib::{
    self, Attributes, ClientRegistration, ErrorCode, EventType, PROTOCOL_VERSION, ServerRole,
    frame, mask_of,
};
use crate::mesh::wire::{Body, proto};
use crate::modules::t_library::port::ClientId;
use core::net::SocketAddr;
use std::collections::BTreeSet;

/// Cursors that a client may name: one for each node that there can be.
const CURSORS_MAX: usize = 4_095;

impl Core {
    pub(super) fn connected(&mut self, id: ClientId, remote: SocketAddr, cx: &mut Cx<'_>) {
        tracing::debug!(node = %self.settings.name, client = id.0, %remote, "T-Library client connected");
        let client = Client {
            name: None,
            session: cx.ids.call_uuid(),
            address: Some(remote),
            connected_wall: cx.wall,
            mask: None,
            dns: BTreeSet::new(),
            cursors: Cursors::default(),
            silence: None,
            heard: cx.now,
            polled: None,
            connected: cx.now,
            armed: Instant::NEVER,
            is_ending: false,
        };
        self.clients.insert(id, client);
        // Whoever does not say who he is is not kept.
        self.arm_client(id, cx.now + CLIENT_GREETING_TIME, cx);
    }

    fn arm_client(&mut self, id: ClientId, at: Instant, cx: &mut Cx<'_>) {
        if let Some(client) = self.clients.get_mut(&id).filter(|client| at < client.armed) {
            client.armed = at;
            cx.out.push(Action::Arm(Wake::Client(id), at));
        }
    }

    /// TRegisterClient.
    pub(super) fn register_client(
        &mut self,
        id: ClientId,
        given: ClientRegistration,
        asked: Asked,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let Some(client) = self.clients.get_mut(&id) else { return Ok(()) };
        if client.name.is_some() {
            let text = "the client has registered already";
            return Err(Refusal::new(ErrorCode::ErrorAlreadyRegistered, text));
        }
        if given.protocol_version != PROTOCOL_VERSION {
            let text = format!("ProtocolVersion must be {PROTOCOL_VERSION}");
            return Err(Refusal::new(ErrorCode::ErrorProtocolVersion, text));
        }
        let name = &given.application_name;
        let is_name = !name.is_empty() && name.len() <= TLIB_NAME_LEN_MAX;
        if !is_name || name.chars().any(char::is_control) {
            return Err(Refusal::attribute("ApplicationName"));
        }
        tracing::info!(node = %self.settings.name, client = id.0, application = given.application_name, "T-Library client registered");
        client.name = Some(given.application_name.into());
        let silence = u64::from(given.addp_remote_timeout_ms);
        client.silence = (silence > 0).then(|| Duration::from_millis(silence).max(ADDP_TIME_MIN));
        let session = client.session.to_string();
        if let Some(silence) = client.silence {
            self.arm_client(id, cx.now + silence, cx);
        }
        let attributes = Attributes { session_id: Some(session), ..self.server() };
        self.answer(asked, EventType::EventServerConnected, attributes, cx);
        self.tell(id, EventType::EventLinkConnected, Attributes::default(), cx);
        let given = given.cursors.get(..CURSORS_MAX).unwrap_or(&given.cursors);
        self.on_cursors(id, given, cx);
        Ok(())
    }

    /// What EventServerConnected and EventServerInfo say of the server.
    fn server(&self) -> Attributes {
        let supported = SUPPORTED.into_iter().map(|kind| kind as i32);
        Attributes {
            application_name: Some(self.settings.name.clone()),
            server_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            server_role: Some(ServerRole::Primary.into()),
            server_capability_mask: Some(mask_of(supported)),
            server_start_time: Some(self.started.0.saturating_mul(1_000)),
            ..Attributes::default()
        }
    }

    /// TQueryServer.
    pub(super) fn query_server(&mut self, asked: Asked, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        let attributes = self.server();
        self.answer(asked, EventType::EventServerInfo, attributes, cx);
        Ok(())
    }

    /// TSetInputMask.
    pub(super) fn set_input_mask(
        &mut self,
        id: ClientId,
        given: &Attributes,
        asked: Asked,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let mask = given.input_mask.clone().ok_or_else(|| Refusal::attribute("InputMask"))?;
        if let Some(client) = self.clients.get_mut(&id) {
            client.mask = Some(mask);
        }
        self.answer(asked, EventType::EventAck, Attributes::default(), cx);
        Ok(())
    }

    /// A client's silence: it is polled once, and closed when it stays silent
    /// (`genesys/sip-server.md` 12).
    pub(super) fn watch_silence(&mut self, id: ClientId, cx: &mut Cx<'_>) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        if client.is_ending || cx.now < client.armed {
            return;
        }
        client.armed = Instant::NEVER;
        if client.name.is_none() {
            let until = client.connected + CLIENT_GREETING_TIME;
            if until <= cx.now {
                self.end(id, cx)
            } else {
                self.arm_client(id, until, cx)
            }
            return;
        }
        let Some(silence) = client.silence else { return };
        let since = client.polled.unwrap_or(client.heard);
        let due = since + silence;
        if due > cx.now {
            self.arm_client(id, due, cx);
        } else if client.polled.is_some() {
            let name = client.name.as_deref().unwrap_or_default();
            tracing::info!(node = %self.settings.name, client = id.0, application = name, "T-Library client is silent: connection ended");
            self.end(id, cx);
        } else {
            client.polled = Some(cx.now);
            let poll = tlib::encode_frame(frame::Body::Poll(cx.ids.next_u64()));
            cx.out.push(Action::Send(id, poll));
            self.arm_client(id, cx.now + silence, cx);
        }
    }

    /// A client is gone: its registrations are, and by option the agents that it has
    /// logged in.
    pub(super) fn gone(&mut self, id: ClientId, reason: &'static str, cx: &mut Cx<'_>) {
        let Some(client) = self.clients.get(&id).cloned() else { return };
        if let Some(name) = &client.name {
            tracing::info!(node = %self.settings.name, client = id.0, application = %name, reason, "T-Library client gone");
        }
        self.pending.retain(|(client, _), _| *client != id);
        if client.name.is_some() {
            self.send_all(Body::ClientGone(proto::ClientGone { client: id.0 }), cx);
        }
        self.forget_party(Party { node: self.settings.node, client: id }, client.dns);
        self.clients.remove(&id);
    }
}
