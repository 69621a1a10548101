//! An INVITE that comes once more by another proxy (RFC 3261 8.2.2.2).
//!
//! A caller whose proxy died sends its request again through another one, and that one
//! sends it here under a branch of its own. It is the same call: the transaction that
//! came last is answered like the one before, and everything that is said from now on
//! is said to both, because nobody here knows which of the two proxies still lives.

use super::leg::AwaitedAck;
use super::server::{ServerTransaction, routed_response};
use super::stack::{Cx, Stack, Wake};
use crate::base::id::Slot;
use crate::base::limits::FORK_WIDTH_MAX;
use crate::sip::message::{HeaderId, Message, Method, scan};
use crate::sip::packet::Packet;
use crate::sip::transaction::TransactionKey;
use bytes::Bytes;

impl Stack {
    /// The transaction that a first INVITE repeats, or that a CANCEL means, when its
    /// branch tells nothing. One that was refused with 503 is not repeated: the caller
    /// was told to come again; nor one with 302, which a proxy may not be able to follow.
    pub(super) fn merged(&self, request: &Message) -> Option<Slot> {
        let key = TransactionKey::merged(request, self.seed);
        let server = self.by_key.get(&key)?;
        self.servers
            .get(server)
            .filter(|found| !matches!(found.status(), Some(302 | 503)))
            .map(|_| server)
    }

    /// Takes an INVITE by the side of the one that it repeats.
    pub(super) fn on_merged(
        &mut self,
        earlier: Slot,
        packet: Packet,
        key: TransactionKey,
        cx: &mut Cx<'_>,
    ) {
        let Some(found) = self.servers.get(earlier) else { return };
        let (leg, response) = (found.leg, found.response.clone());
        let count = leg.map_or(1, |leg| self.invites_of(leg, earlier).count());
        if count >= FORK_WIDTH_MAX {
            return;
        }
        let Some(server) = self.open_server(key, packet.message, packet.flow) else { return };
        if let Some(leg) = leg
            && let Some(held) = self.legs.get_mut(leg)
        {
            if held.offered == Some(earlier) {
                held.offered = Some(server);
            }
            if let Some(opened) = self.servers.get_mut(server) {
                opened.leg = Some(leg);
            }
            self.hold_leg(leg, Wake::Server(server));
            self.move_awaited(leg, server);
        }
        if let Some(response) = response {
            self.respond_like(server, &response, cx);
        }
    }

    /// All server transactions of the INVITE that `server` is one of, itself included.
    fn invites_of(&self, leg: Slot, server: Slot) -> impl Iterator<Item = Slot> {
        let merged = self.servers.get(server).and_then(|found| found.merged);
        let held = self.legs.get(leg).map_or(&[][..], |found| &found.transactions[..]);
        held.iter().filter_map(move |wake| match wake {
            Wake::Server(slot) => {
                let found = self.servers.get(*slot)?;
                (found.merged.is_some() && found.merged == merged).then_some(*slot)
            }
            Wake::Client(_) | Wake::Leg(_) => None,
        })
    }

    /// Says to the other proxies by which an INVITE came what was said to the last one.
    pub(super) fn respond_to_merged(&mut self, server: Slot, response: &Bytes, cx: &mut Cx<'_>) {
        let Some(leg) = self.servers.get(server).and_then(|found| found.leg) else { return };
        if self.legs.get(leg).is_none_or(|found| found.transactions.len() < 2) {
            return;
        }
        let others: Vec<_> =
            self.invites_of(leg, server).filter(|other| *other != server).collect();
        for other in others {
            self.respond_like(other, response, cx);
        }
    }

    fn respond_like(&mut self, server: Slot, response: &Bytes, cx: &mut Cx<'_>) {
        self.touch(Wake::Server(server));
        let Some(found) = self.servers.get(server) else { return };
        let (Some(request), Ok(said)) = (&found.request, scan(response.clone())) else { return };
        let bytes = addressed(request, &said);
        self.send_response(server, said.status(), bytes, cx);
    }

    /// A response that is repeated until somebody acknowledges it goes to the proxy by
    /// which the INVITE came last.
    fn move_awaited(&mut self, leg: Slot, server: Slot) {
        let Some(ServerTransaction { request: Some(request), flow, .. }) = self.servers.get(server)
        else {
            return;
        };
        let Some(held) = self.legs.get_mut(leg) else { return };
        let prack = held.early.as_mut().and_then(|early| early.awaited.as_mut());
        let waiting = prack.map(|prack| &mut prack.sent).into_iter();
        for AwaitedAck { cseq, bytes, flow: to, .. } in waiting.chain(&mut held.awaited_ack) {
            if *cseq == request.cseq()
                && let Ok(said) = scan(bytes.clone())
            {
                (*bytes, *to) = (addressed(request, &said), *flow);
            }
        }
    }

    /// The ACK of a refusal that comes by another proxy than the INVITE did.
    pub(super) fn on_stray_ack(&mut self, leg: Slot, message: &Message, cx: &mut Cx<'_>) {
        let Some(held) = self.legs.get(leg) else { return };
        let servers: Vec<_> = held
            .transactions
            .iter()
            .filter_map(|wake| match wake {
                Wake::Server(slot) => Some(*slot),
                Wake::Client(_) | Wake::Leg(_) => None,
            })
            .collect();
        for slot in servers {
            let Some(found) = self.servers.get(slot) else { continue };
            let Some(request) = &found.request else { continue };
            let meant = request.method() == Method::Invite
                && request.cseq() == message.cseq()
                && found.status().is_some_and(|status| status >= 300);
            if meant {
                self.on_known(slot, Method::Ack, cx);
            }
        }
    }
}

/// A response to an INVITE as it goes to the sender of another one of the same content:
/// with that one's Via and Record-Route.
fn addressed(request: &Message, said: &Message) -> Bytes {
    let mut writer = routed_response(request, said.status(), said.reason(), said.to_tag());
    for (id, name, value) in said.all_headers() {
        let own = matches!(
            id,
            HeaderId::Via
                | HeaderId::From
                | HeaderId::To
                | HeaderId::CallId
                | HeaderId::CSeq
                | HeaderId::RecordRoute
                | HeaderId::ContentType
                | HeaderId::ContentLength
        );
        if !own {
            writer.named(name, value);
        }
    }
    writer.body(said.typed_body().as_ref())
}
