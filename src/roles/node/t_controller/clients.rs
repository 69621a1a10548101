//! Clients: their registration, their keep-alive, their end.

use super::core::{Action, Asked, Client, Core, Cx, Party, SUPPORTED, Wake};
use super::log::Cursors;
use super::smart_proxy;
use crate::base::limits::CURSORS_MAX;
use crate::cti::refusal::Refusal;
use crate::cti::tlib::{Attributes, Capability, ClientRegistration, EventType, RequestType};
use crate::mesh::wire::{Body, proto};
use crate::modules::t_library::port::ClientId;
use crate::modules::t_library::session::{Session, Silence, check_role, server};
use core::net::SocketAddr;
use std::collections::BTreeSet;

/// ClusterRole of a client of this port.
const ROLE: &str = "T-Controller";
impl Core {
    pub(super) fn connected(&mut self, id: ClientId, remote: SocketAddr, cx: &mut Cx<'_>) {
        tracing::debug!(node = %self.settings.name, client = id.0, %remote, "T-Library client connected");
        let session = Session::new(cx.ids.call_uuid(), Some(remote), cx.now, cx.wall);
        let client =
            Client { session, dns: BTreeSet::new(), cursors: Cursors::default(), is_smart: false };
        self.clients.insert(id, client);
        self.arm_client(id, cx);
    }

    fn arm_client(&mut self, id: ClientId, cx: &mut Cx<'_>) {
        let at = self.clients.get_mut(&id).and_then(|client| client.session.arm());
        if let Some(at) = at {
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
        let is_smart_proxy = self.is_smart_proxy();
        let Some(client) = self.clients.get_mut(&id) else { return Ok(()) };
        if !is_smart_proxy {
            check_role(&given, ROLE)?;
        }
        if !client.session.is_registered() {
            self.settings.admission.admit(&given)?;
        }
        client.session.register(&given)?;
        client.is_smart = given.capabilities.contains(&Capability::SmartClient.into());
        tracing::info!(node = %self.settings.name, client = id.0, application = given.application_name, "T-Library client registered");
        let session_id = Some(client.session.id.to_string());
        self.arm_client(id, cx);
        let attributes = Attributes { session_id, ..self.server() };
        self.answer(asked, EventType::EventServerConnected, attributes, cx);
        self.tell(id, EventType::EventLinkConnected, Attributes::default(), cx);
        let given = given.cursors.get(..CURSORS_MAX).unwrap_or(&given.cursors);
        self.on_cursors(id, given, cx);
        Ok(())
    }

    fn server(&self) -> Attributes {
        let supported: &[RequestType] =
            if self.is_smart_proxy() { &smart_proxy::SUPPORTED } else { &SUPPORTED };
        server(&self.settings.name, self.started, supported.iter().copied())
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
        if let Some(client) = self.clients.get_mut(&id) {
            client.session.set_input_mask(given)?;
        }
        self.answer(asked, EventType::EventAck, Attributes::default(), cx);
        Ok(())
    }

    /// A client's silence: it is polled once, and closed when it stays silent
    /// (`genesys/sip-server.md` 12).
    pub(super) fn watch_silence(&mut self, id: ClientId, cx: &mut Cx<'_>) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        match client.session.watch(cx.now, cx.ids.next_u64()) {
            Silence::Nothing => {}
            Silence::Poll(poll) => cx.out.push(Action::Send(id, poll)),
            Silence::End => {
                let name = client.session.name.as_deref().unwrap_or_default();
                tracing::info!(node = %self.settings.name, client = id.0, application = name, "T-Library client is silent: connection ended");
                self.end(id, cx);
            }
        }
        self.arm_client(id, cx);
    }

    /// A client is gone: its registrations are, and by option the agents that it has
    /// logged in.
    pub(super) fn gone(&mut self, id: ClientId, reason: &'static str, cx: &mut Cx<'_>) {
        let Some(client) = self.clients.get(&id).cloned() else { return };
        if let Some(name) = &client.session.name {
            tracing::info!(node = %self.settings.name, client = id.0, application = %name, reason, "T-Library client gone");
        }
        self.pending.forget(id);
        self.settling.forget(id);
        self.unknown.retain(|(_, client)| *client != id);
        if client.session.is_registered() {
            self.send_all(Body::ClientGone(proto::ClientGone { client: id.0 }), cx);
        }
        self.forget_party(Party { node: self.settings.node, client: id }, client.dns);
        self.clients.remove(&id);
        self.smart.remove(&id);
    }
}
