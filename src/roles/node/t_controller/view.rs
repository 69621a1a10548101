//! What operators see: DNs with their owners, agents, clients, links.

use super::core::{Core, Entry, Party};
use super::links::LinkState;
use super::settings::DnKind;
use crate::base::id::NodeId;
use crate::cti::agent::Status;
use crate::cti::tlib::{AddressStatus, KvPair, kv_pair};
use crate::modules::t_library::port::ClientId;
use crate::observe::board::{AgentView, AppState, ClientView, Counts, DnState, DnView, LinkView};

impl Core {
    /// The T-Controller's part of its application; `queue_len` tells how many bytes wait
    /// for a link.
    #[must_use]
    pub fn view(&self, part: &str, queue_len: impl Fn(ClientId) -> usize) -> AppState {
        let (smart_proxies, links): (Vec<LinkState>, Vec<LinkState>) =
            self.links().partition(|link| link.node.is_smart_proxy());
        let queued = |link: Option<ClientId>| link.map_or(0, &queue_len);
        // Of Smart Proxies all that waits for them is of one kind.
        let is_own = |node: NodeId, is_dialled: bool| is_dialled || node.is_smart_proxy();
        let row = |link: LinkState| LinkView {
            node_id: link.node.application().get(),
            address: link.address,
            geo_location: link.geo_location,
            epoch: link.epoch,
            since: link.link.map(|(_, since)| since),
            round_trip: link.delays.round_trip,
            request_ms: link.delays.request_ms,
            response_ms: link.delays.response_ms,
            last: link.delays.last,
            tx_queue_len: queued(
                link.link.filter(|_| is_own(link.node, link.is_dialled)).map(|(id, _)| id),
            ),
            rx_queue_len: queued(
                link.link.filter(|_| !is_own(link.node, link.is_dialled)).map(|(id, _)| id),
            ),
        };
        let counts = Counts {
            dns: self.settings.dns.len() as u64,
            owned_dns: self.owned as u64,
            agents: self.agents.len() as u64,
            clients: self.clients_len() as u64,
            ..Counts::default()
        };
        let name = &self.settings.name;
        AppState {
            epoch: self.epoch,
            links: links.into_iter().map(row).collect(),
            smart_proxies: smart_proxies.into_iter().map(row).collect(),
            counts,
            ..AppState::of(name, part)
        }
    }

    /// DNs, in the order of the configuration.
    pub fn dn_views(&self) -> impl Iterator<Item = DnView> {
        let indices = self.settings.dns.iter().filter_map(|(name, _)| self.names.get(name));
        indices.map(|index| self.dn_view(*index))
    }

    /// DNs that have an agent, in the order of their AgentIDs.
    pub fn agent_views(&self) -> impl Iterator<Item = DnView> {
        self.agents.values().map(|index| self.dn_view(*index))
    }

    /// How many of them there are.
    #[must_use]
    pub fn agents_len(&self) -> usize {
        self.agents.len()
    }

    /// How many DNs there are.
    #[must_use]
    pub fn dns_len(&self) -> usize {
        self.settings.dns.len()
    }

    fn dn_view(&self, index: usize) -> DnView {
        let entry = &self.dns[index];
        let kind = match entry.kind {
            DnKind::SipBased => "sip",
            DnKind::TLibraryBased => "t-library",
            DnKind::RoutingPoint => "routing-point",
            DnKind::CommunicationDn => "communication-dn",
        };
        // What is no phone has no owner: every node knows it.
        let is_known = self.is_own(index) || !entry.kind.is_phone();
        DnView {
            dn: entry.name.clone(),
            kind,
            owner: entry.owner.node,
            epoch: entry.owner.epoch,
            state: is_known.then(|| self.dn_state(entry)),
        }
    }

    fn dn_state(&self, entry: &Entry) -> DnState {
        let agent = entry.agent.status().map(|status| Box::new(self.agent_view(entry, &status)));
        DnState {
            in_service: entry.dn.is_in_service,
            status: status_name(entry.calls.status()),
            dnd: entry.dn.dnd,
            forward: entry.dn.forward.as_ref().map(|(_, to)| to.as_str().into()),
            calls: entry.calls.len(),
            clients: entry.registrants.len(),
            agent,
            monitors: entry.supervision.as_ref().map(|own| own.target.clone()),
            supervisors: self.waiting.of(&entry.name).iter().map(|one| one.dn.clone()).collect(),
        }
    }

    fn agent_view(&self, entry: &Entry, status: &Status) -> AgentView {
        let state = if status.is_ready {
            "ready"
        } else if status.is_after_call_work() {
            "after-call-work"
        } else {
            "not-ready"
        };
        let desktop = |party: Party| Some((self.application(party)?.into(), party.node));
        AgentView {
            agent_id: status.agent_id.clone(),
            session: status.session,
            state,
            work_mode: status.work_mode.as_str_name(),
            reasons: status.reasons.pairs.iter().filter_map(shown_pair).collect(),
            since: entry.agent_since,
            desktop: entry.desktop.and_then(desktop),
        }
    }

    /// Clients of the port; `queue_len` tells how many bytes wait for one.
    pub fn client_views(
        &self,
        queue_len: impl Fn(ClientId) -> usize,
    ) -> impl Iterator<Item = ClientView> {
        self.clients.iter().filter_map(move |(id, client)| {
            Some(ClientView {
                port: if self.is_smart_proxy() { "SmartProxy" } else { "TCport" },
                application: client.session.name.clone()?,
                session: client.session.id,
                address: client.session.address?,
                dns: client.dns.len(),
                lag_len: queue_len(*id),
                connected: client.session.connected_wall,
            })
        })
    }

    /// Clients that have said who they are.
    #[must_use]
    pub fn clients_len(&self) -> usize {
        self.clients
            .values()
            .filter(|client| client.session.is_registered() && client.session.address.is_some())
            .count()
    }
}

fn shown_pair(pair: &KvPair) -> Option<String> {
    match &pair.value {
        Some(kv_pair::Value::Text(text)) => Some(format!("{}={text}", pair.key)),
        Some(kv_pair::Value::Integer(number)) => Some(format!("{}={number}", pair.key)),
        None => Some(format!("{}=", pair.key)),
        Some(kv_pair::Value::Binary(_) | kv_pair::Value::List(_)) => None,
    }
}

const fn status_name(status: AddressStatus) -> &'static str {
    match status {
        AddressStatus::Idle => "idle",
        AddressStatus::Dialing | AddressStatus::Origination => "dialing",
        AddressStatus::Ringing => "ringing",
        AddressStatus::Talking => "talking",
        AddressStatus::Held => "held",
        AddressStatus::Unknown
        | AddressStatus::Treatment
        | AddressStatus::LockedOut
        | AddressStatus::Maintenance
        | AddressStatus::Available
        | AddressStatus::Vacant => "unknown",
    }
}
