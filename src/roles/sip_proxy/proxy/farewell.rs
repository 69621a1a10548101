//! A 2xx that comes when its caller has had another answer: the call that it
//! makes is acknowledged and ended at once (`decisions.md` 9).

use super::core::{Action, Core, Cx};
use super::forward::{OwnVia, sent_request};
use super::transaction::Branch;
use crate::base::flow::Outbound;
use crate::base::id::Slot;
use crate::sip::message::{HeaderId, Message, Method, NameAddr, Writer};

impl Core {
    /// Acknowledges the 2xx, each time that it comes, and ends its dialog by a BYE
    /// with a transaction of its own, once.
    pub(super) fn refuse_late_success(
        &mut self,
        slot: Slot,
        number: usize,
        message: &Message,
        cx: &mut Cx<'_>,
    ) {
        let Some(found) = self.transactions.get(slot) else { return };
        let Some(branch) = found.branches.get(number) else { return };
        let Some(sent) = sent_request(branch) else { return };
        if sent.method() != Method::Invite {
            return;
        }
        let to = branch.to.clone();
        let is_ended =
            found.branches.iter().filter(|branch| branch.is_farewell).any(|branch| {
                sent_request(branch).is_some_and(|bye| bye.to_tag() == message.to_tag())
            });
        let next = found.branches.len();
        let way = Way::of(self, &sent, message);
        let shard = self.settings.shard.0;
        let branch = format!("z9hG4bK{shard:02x}late{:016x}", cx.ids.next_u64());
        let via = OwnVia { protocol: to.protocol(), branch: branch.as_bytes() };
        let bytes = way.request(self, Method::Ack, via);
        cx.out.push(Action::Send(Outbound { to: to.clone(), bytes, sender: None }));
        if is_ended || next >= usize::from(u8::MAX) {
            return;
        }
        let branch = self.branch_text(slot, next, &sent);
        let bytes = way.request(self, Method::Bye, OwnVia { branch: &branch, ..via });
        let sender = Some(self.sender(slot, next));
        if let Some(found) = self.transactions.get_mut(slot) {
            found.branches.push(Branch::farewell(to.clone(), bytes.clone(), cx.now));
        }
        cx.out.push(Action::Send(Outbound { to, bytes, sender }));
    }
}

/// The dialog of a 2xx as its caller would have it (RFC 3261 12.1.2).
struct Way<'m> {
    sent: &'m Message,
    to: &'m [u8],
    target: Vec<u8>,
    routes: Vec<&'m [u8]>,
}

impl<'m> Way<'m> {
    fn of(core: &Core, sent: &'m Message, message: &'m Message) -> Self {
        let contact = message.values(HeaderId::Contact).next();
        let target = contact
            .and_then(|value| NameAddr::parse(value).ok())
            .map_or_else(|| sent.request_uri().to_vec(), |contact| contact.uri.to_vec());
        // Behind our own value stand those of whoever was before us.
        let mut routes: Vec<&[u8]> = message
            .values(HeaderId::RecordRoute)
            .take_while(|value| {
                let uri = NameAddr::parse(value).ok().and_then(|value| value.parsed_uri().ok());
                uri.is_some_and(|uri| {
                    !core.settings.is_cluster(uri.host_str(), uri.port_or_default())
                })
            })
            .collect();
        routes.reverse();
        Self { sent, to: message.header(HeaderId::To).unwrap_or_default(), target, routes }
    }

    fn request(&self, core: &Core, method: Method, via: OwnVia<'_>) -> bytes::Bytes {
        let mut writer = Writer::request(method.as_str().as_bytes(), &self.target);
        writer.header(HeaderId::Via, core.own_via(via));
        for route in &self.routes {
            writer.header(HeaderId::Route, route);
        }
        writer.copy(self.sent, HeaderId::From);
        writer.header(HeaderId::To, self.to);
        writer.copy(self.sent, HeaderId::CallId);
        let cseq = self.sent.cseq().saturating_add(u32::from(method == Method::Bye));
        writer.header(HeaderId::CSeq, format!("{cseq} {method}"));
        writer.header(HeaderId::MaxForwards, "70");
        writer.body(None)
    }
}
