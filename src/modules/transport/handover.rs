//! Messages for another transport of this process.

use super::core::{Core, Parcel, SendError, begins_new_work};
use super::inbox::Inbox;
use super::ports::LocalPorts;
use crate::base::flow::{ConnectionId, Flow, Protocol};
use crate::runtime::mailbox::{Class, Mail};
use core::net::SocketAddr;
use std::collections::BTreeMap;
use std::sync::Arc;

struct Batch {
    mail: Mail<Inbox>,
    parcels: Vec<(Flow, Parcel)>,
}

/// One batch for each transport of this process that something was sent to.
pub(super) struct Handover {
    is_on: bool,
    ports: Arc<LocalPorts>,
    batches: BTreeMap<(Protocol, SocketAddr), Batch>,
}

impl Handover {
    pub(super) fn new(is_on: bool, ports: Arc<LocalPorts>) -> Self {
        Self { is_on, ports, batches: BTreeMap::new() }
    }

    /// Whether `remote` is one of ours, to be reached without a socket.
    pub(super) fn reaches(&mut self, protocol: Protocol, remote: SocketAddr) -> bool {
        if !self.is_on {
            return false;
        }
        let key = (protocol, remote);
        if self.batches.contains_key(&key) {
            return true;
        }
        let Some(mail) = self.ports.find(protocol, remote) else { return false };
        self.batches.insert(key, Batch { mail, parcels: Vec::new() });
        true
    }

    /// Lays a message into the batch for `remote`, which [`Handover::reaches`]. `local`
    /// is where it seems to come from.
    pub(super) fn push(
        &mut self,
        protocol: Protocol,
        local: SocketAddr,
        remote: SocketAddr,
        parcel: Parcel,
        core: &mut Core,
    ) {
        let Some(batch) = self.batches.get_mut(&(protocol, remote)) else {
            core.fail(parcel.sender, SendError::Unreachable);
            return;
        };
        core.counters.handed_over.add(1);
        core.note_outgoing(protocol, remote, &parcel.bytes);
        let flow = Flow { protocol, local: remote, remote: local, connection: ConnectionId(0) };
        batch.parcels.push((flow, parcel));
    }

    /// Hands all batches over. What a full transport does not take is lost as on the
    /// network: silently where senders repeat it, told where they do not. One that
    /// is gone is told always.
    pub(super) fn flush(&mut self, core: &mut Core) {
        self.batches.retain(|_, batch| {
            if batch.parcels.is_empty() {
                return true;
            }
            let refused = batch.mail.send_each(
                &mut batch.parcels,
                |(_, parcel)| {
                    if begins_new_work(&parcel.bytes) { Class::New } else { Class::Continuing }
                },
                |(flow, parcel)| Inbox::Delivered { flow, bytes: parcel.bytes },
            );
            if refused == 0 {
                return true;
            }
            let is_gone = batch.mail.is_closed();
            for (flow, parcel) in batch.parcels.drain(..) {
                if is_gone {
                    core.fail(parcel.sender, SendError::Refused);
                } else if flow.protocol.is_reliable() {
                    core.fail(parcel.sender, SendError::Congested);
                } else {
                    core.counters.overload_dropped.add(1);
                }
            }
            !is_gone
        });
    }
}
