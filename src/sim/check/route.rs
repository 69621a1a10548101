//! Rules for the way of a dialog: who forwards its first request stays in it, and
//! who answers that repeats the way (RFC 3261 12.1.1, 16.6 step 4).

use super::{Finding, View};
use crate::sim::ladder::summary;
use crate::sim::trace::{Hop, call_of, hop_of, inner_hop};
use crate::sip::message::{HeaderId, Message, Method};
use core::net::SocketAddr;
use std::collections::BTreeMap;

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    let mut came: BTreeMap<(SocketAddr, Hop), Vec<Vec<u8>>> = BTreeMap::new();
    for (_, sent, message) in view.trace.messages() {
        let first = message.cseq_method() == Method::Invite && message.to_tag().is_empty();
        if message.is_request() && first && message.method() == Method::Invite {
            let routes = routes(message);
            let before = inner_hop(message).and_then(|inner| came.get(&(sent.from, inner)));
            if !view.is_user_agent(sent.from)
                && before.is_some_and(|before| !routes.ends_with(before) || before == &routes)
            {
                let what = format!("{} is not in Record-Route of its INVITE", view.name(sent.from));
                findings.push(Finding::new("record-route", call_of(message), sent.at, what));
            }
            came.entry((sent.to, hop_of(message))).or_insert(routes);
        } else if !message.is_request()
            && message.cseq_method() == Method::Invite
            && (101..300).contains(&message.status())
            && view.is_user_agent(sent.from)
            && came.get(&(sent.from, hop_of(message))).is_some_and(|way| *way != routes(message))
        {
            let what =
                format!("{} sends {} by another way", view.name(sent.from), summary(message));
            findings.push(Finding::new("record-route", call_of(message), sent.at, what));
        }
    }
}

fn routes(message: &Message) -> Vec<Vec<u8>> {
    message.values(HeaderId::RecordRoute).map(<[u8]>::to_vec).collect()
}
