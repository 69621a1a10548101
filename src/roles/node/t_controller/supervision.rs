//! Supervisors: the owner of a supervisor's DN keeps the subscription and publishes it to the
//! T-Controllers of its data centre, each of which knows who waits for calls of which target
//! (guide, "Call supervision during IVR phase").
//!
//! ```text
//!   desktop        owner of 2000            T-Controllers of the data centre
//!     |--------------->|  TMonitorNextCall 2000, 5000
//!     |<---------------|  EventMonitoringNextCall
//!     |                |---------------------->|  2000 waits for a call of 5000
//!     |                |  TCancelMonitoring, or the agent is logged out, or 2000 is another's
//!     |<---------------|  EventMonitoringCancelled
//!     |                |---------------------->|  it waits no more
//! ```

use super::core::{Asked, Core, Cx, Party};
use super::links::PART_LEN;
use super::settings::DnKind;
use crate::base::id::NodeId;
use crate::cti::refusal::{Refusal, named};
use crate::cti::supervision::{Mode, Scope, Subscription, Supervisor, Target};
use crate::cti::tlib::{Attributes, ErrorCode, EventType, MonitorNextCallType};
use crate::mesh::wire::{Body, proto};

impl Core {
    /// TMonitorNextCall.
    pub(super) fn monitor_next_call(
        &mut self,
        id: Party,
        given: &Attributes,
        mut asked: Asked,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let target = named(given.other_dn.as_deref(), "OtherDN")?;
        let watched = self.find_dn(target)?;
        let kind = match self.dns[watched].kind {
            DnKind::SipBased | DnKind::TLibraryBased => Target::Agent,
            DnKind::RoutingPoint => Target::RoutingPoint,
            DnKind::CommunicationDn => {
                let text = "OtherDN is neither a phone nor a Routing Point";
                return Err(Refusal::new(ErrorCode::ErrorBadDnType, text));
            }
        };
        let subscription = Subscription::asked(given, target, kind)?;
        let index = self.own_phone(id, given)?;
        if !self.is_own(index) || !self.dns[index].dn.is_in_service {
            let text = "the supervisor's DN is out of service";
            return Err(Refusal::new(ErrorCode::ErrorOutOfService, text));
        }
        if index == watched {
            let text = "OtherDN is the supervisor's own DN";
            return Err(Refusal::new(ErrorCode::ErrorInvalidAttribute, text));
        }
        let before = self.dns[index].supervision.as_ref();
        if let Some(before) = before.filter(|before| before.target != subscription.target) {
            let text =
                format!("{} is watched already: one supervisor watches one DN", before.target);
            return Err(Refusal::new(ErrorCode::ErrorWrongState, text));
        }
        if kind == Target::RoutingPoint && self.dns[index].agent.status().is_none() {
            let text = "nobody is logged in at the supervisor's DN";
            return Err(Refusal::new(ErrorCode::ErrorAgentLoggedOff, text));
        }
        let attributes = subscription.attributes();
        self.dns[index].supervision = Some(subscription);
        self.tell_supervisor(index, cx);
        self.publish(index, EventType::EventMonitoringNextCall, attributes, &mut asked, cx);
        Ok(())
    }

    /// The supervisor at a DN waits, as who is logged in there now.
    pub(super) fn tell_supervisor(&mut self, index: usize, cx: &mut Cx<'_>) {
        if let Some(supervisor) = self.supervisor(index) {
            self.tell_near(&said(&supervisor, false), cx);
            self.waiting.enter(supervisor);
        }
    }

    /// TCancelMonitoring.
    pub(super) fn cancel_monitoring(
        &mut self,
        id: Party,
        given: &Attributes,
        asked: Asked,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let target = named(given.other_dn.as_deref(), "OtherDN")?;
        let index = self.own_dn(id, given)?;
        let own = self.dns[index].supervision.as_ref();
        if own.is_none_or(|own| *own.target != *target) {
            let text = format!("{target} is not watched from that DN");
            return Err(Refusal::new(ErrorCode::ErrorWrongState, text));
        }
        self.end_supervision(index, asked, cx);
        Ok(())
    }

    /// Nobody watches from that DN any more.
    pub(super) fn end_supervision(&mut self, index: usize, mut asked: Asked, cx: &mut Cx<'_>) {
        let supervisor = self.supervisor(index);
        let Some(subscription) = self.dns[index].supervision.take() else { return };
        self.waiting.leave(&self.dns[index].name);
        if let Some(supervisor) = supervisor {
            self.tell_near(&said(&supervisor, true), cx);
        }
        let kind = EventType::EventMonitoringCancelled;
        self.publish(index, kind, subscription.attributes(), &mut asked, cx);
    }

    /// What another configuration makes of a subscription.
    pub(super) fn look_at_supervision(&mut self, index: usize, cx: &mut Cx<'_>) {
        let Some(own) = &self.dns[index].supervision else { return };
        let watched = self.names.get(&own.target).map(|index| &self.dns[*index]);
        let can_be = watched.is_some_and(|watched| {
            watched.is_configured && watched.kind != DnKind::CommunicationDn
        });
        if !can_be || !self.dns[index].is_configured {
            self.end_supervision(index, Asked::default(), cx);
        }
    }

    /// Supervisors at the DNs that this node owns, with which a link inside the data centre
    /// begins.
    pub(super) fn send_supervisors(&self, to: NodeId, cx: &mut Cx<'_>) {
        if !self.is_near(to) {
            return;
        }
        let own = (0..self.dns.len()).filter_map(|index| self.supervisor(index));
        let own: Vec<proto::Supervisor> = own.map(|one| said(&one, false)).collect();
        let mut parts = own.chunks(PART_LEN);
        let first = parts.next().unwrap_or_default().to_vec();
        let body = |supervisors, all| Body::Supervisors(proto::Supervisors { supervisors, all });
        self.send_to(to, body(first, true), cx);
        for part in parts {
            self.send_to(to, body(part.to_vec(), false), cx);
        }
    }

    /// Supervisors at the DNs of another node.
    pub(super) fn on_supervisors(
        &mut self,
        from: NodeId,
        given: proto::Supervisors,
    ) -> Result<(), &'static str> {
        if given.all {
            self.waiting.leave_all_of(from);
        }
        for said in given.supervisors {
            if said.cancelled {
                self.waiting.leave(&said.dn);
            } else if let Some(supervisor) = heard(from, &said) {
                self.waiting.enter(supervisor);
            } else {
                return Err("a supervisor is none");
            }
        }
        Ok(())
    }

    fn tell_near(&self, supervisor: &proto::Supervisor, cx: &mut Cx<'_>) {
        let supervisors = vec![supervisor.clone()];
        let body = Body::Supervisors(proto::Supervisors { supervisors, all: false });
        for peer in self.settings.peers.iter().filter(|peer| self.is_near(peer.node)) {
            self.send_to(peer.node, body.clone(), cx);
        }
    }

    /// Whether a member is a T-Controller of this data centre.
    fn is_near(&self, node: NodeId) -> bool {
        !node.is_smart_proxy() && self.location_of(node) == Some(&*self.settings.geo_location)
    }

    fn supervisor(&self, index: usize) -> Option<Supervisor> {
        let entry = &self.dns[index];
        let subscription = entry.supervision.clone()?;
        let agent_id = entry.agent.status().map(|status| status.agent_id).unwrap_or_default();
        let (dn, node) = (entry.name.clone(), self.settings.node);
        Some(Supervisor { dn, agent_id, node, subscription })
    }
}

fn said(supervisor: &Supervisor, cancelled: bool) -> proto::Supervisor {
    let Supervisor { dn, agent_id, node: _, subscription } = supervisor;
    proto::Supervisor {
        dn: dn.to_string(),
        agent_id: agent_id.to_string(),
        target: subscription.target.to_string(),
        all_calls: subscription.calls == MonitorNextCallType::MonitorAllCalls,
        mode: subscription.mode.as_str().to_owned(),
        scope: subscription.scope.as_str().to_owned(),
        cancelled,
    }
}

fn heard(node: NodeId, said: &proto::Supervisor) -> Option<Supervisor> {
    let calls = if said.all_calls {
        MonitorNextCallType::MonitorAllCalls
    } else {
        MonitorNextCallType::MonitorOneCall
    };
    Some(Supervisor {
        dn: said.dn.as_str().into(),
        agent_id: said.agent_id.as_str().into(),
        node,
        subscription: Subscription {
            target: said.target.as_str().into(),
            calls,
            mode: Mode::of(&said.mode)?,
            scope: Scope::of(&said.scope)?,
        },
    })
}
