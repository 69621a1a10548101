//! A collector that the configuration has no more: its calls pass to the others of its
//! ClusterName. They never pass because it is away.

use super::core::{Core, Cx};
use super::recipients::{Recipient, RecipientId};
use crate::base::id::ConnId;
use crate::cti::tlib::{EncodedEvent, Event};
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};

/// What a collector leaves to the others.
struct Estate {
    cluster: Box<str>,
    /// Its calls that run.
    calls: Vec<ConnId>,
    /// What it was not given.
    events: Vec<EncodedEvent>,
}

impl Core {
    /// Applications that are not served any more leave what they have to others of their
    /// ClusterName, if any of those is served.
    pub(super) fn pass_on(&mut self, cx: &mut Cx<'_>) {
        let admission = self.settings.admission.clone();
        let unserved = self.recipients.unserved(|application| admission.knows(application));
        let estates: Vec<Estate> =
            unserved.into_iter().filter_map(|id| self.take_over(id, cx)).collect();
        let mut heirs = BTreeSet::new();
        for Estate { cluster, calls, events } in estates {
            let mut by_call: BTreeMap<u64, RecipientId> = BTreeMap::new();
            for conn_id in &calls {
                let Some(heir) = self.recipients.choose_of(&cluster) else { continue };
                let Some(call) = self.calls.get_mut(conn_id) else { continue };
                call.recipients.push(heir);
                let told = call.stream.anew();
                self.keep(heir, &told, cx);
                heirs.insert(heir);
            }
            let runs: BTreeSet<u64> = calls.iter().map(|conn_id| conn_id.0).collect();
            for event in events {
                let Ok(event) = Event::decode(event.event()) else { continue };
                let conn_id = event.attributes.as_ref().and_then(|given| given.conn_id);
                let Some(conn_id) = conn_id.filter(|conn_id| !runs.contains(conn_id)) else {
                    // What runs has been told anew.
                    continue;
                };
                let heir = by_call.get(&conn_id).copied();
                let Some(heir) = heir.or_else(|| self.recipients.choose_of(&cluster)) else {
                    continue;
                };
                by_call.insert(conn_id, heir);
                self.keep_renumbered(heir, event, cx);
                heirs.insert(heir);
            }
        }
        for heir in heirs {
            self.pump(heir, cx);
        }
    }

    fn take_over(&mut self, id: RecipientId, cx: &mut Cx<'_>) -> Option<Estate> {
        let recipient = self.recipients.get(id)?;
        if let Some(client) = recipient.client {
            let unwritten_len = (cx.backlog)(client);
            recipient.take_back(unwritten_len);
        }
        let collector = recipient.collector.clone();
        let events = Recipient::not_given(recipient).cloned().collect();
        let calls = self.calls.iter().filter(|(_, call)| call.recipients.contains(&id));
        let calls = calls.map(|(conn_id, _)| *conn_id).collect();
        tracing::info!(node = %self.clients.server.name, cluster = %collector.cluster, cluster_node = %collector.node, "a collector is not in the configuration any more: its calls pass to the others of its ClusterName");
        self.leave(&collector, cx);
        Some(Estate { cluster: collector.cluster, calls, events })
    }
}
