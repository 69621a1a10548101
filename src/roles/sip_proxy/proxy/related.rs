//! Related calls stay together (`decisions.md` 3): which node a new request should
//! go to before the one that its Call-ID chooses.

use super::core::{Core, Cx};
use super::hints::DnKey;
use super::transaction::{Transaction, Wanted};
use crate::base::id::{NodeId, Slot};
use crate::base::time::Instant;
use crate::sip::auth::{issuing_node, parse_credentials};
use crate::sip::message::uri::Scheme;
use crate::sip::message::{HeaderId, Message, Method, NameAddr};
use crate::sip::named_dialog::named_leg;
use core::hash::Hasher;
use siphasher::sip::SipHasher13;

impl Core {
    /// The nodes that a new request from outside should go to, best first: that of
    /// the dialog it names, the one that issued the nonce it answers with, that of
    /// the call its DN has.
    pub(super) fn wanted_nodes(&self, found: &Transaction, now: Instant) -> Wanted {
        let request = &found.request;
        // Who wrote the nonce is not proved here: it chooses among the nodes that any
        // request may get to.
        let issuer = nonce_issuer(request).filter(|issuer| issuer.is_first_use);
        let issuer = issuer.map(|issuer| issuer.node).filter(|id| self.is_local(*id));
        if request.method() != Method::Invite {
            return [issuer, None, None];
        }
        let hint = found.dn.and_then(|dn| self.hints.node(dn, now));
        let named = named_leg(request, &self.sealer).map(|leg| leg.node);
        [named, issuer, hint]
    }

    /// The nodes that a REGISTER should go to: the owner of its DN, but the retry
    /// after a challenge first to the node that challenged.
    pub(super) fn wanted_registrars(&self, request: &Message, aor: &str, now: Instant) -> Wanted {
        let owner = self.registrar.lookup(aor, now).next();
        let owner = owner.and_then(|binding| binding.contact.node());
        let issuer = nonce_issuer(request);
        let first = issuer.filter(|issuer| issuer.is_first_use).map(|issuer| issuer.node);
        [first, owner, issuer.map(|issuer| issuer.node)]
            .map(|id| id.filter(|id| self.is_local(*id)))
    }

    pub(super) fn is_local(&self, id: NodeId) -> bool {
        self.settings.node(id).is_some_and(|node| node.is_local)
    }

    /// Notes what a request says of the whereabouts of a DN's calls.
    pub(super) fn note_request(&mut self, slot: Slot, node: Option<NodeId>, cx: &Cx<'_>) {
        let Some(found) = self.transactions.get(slot) else { return };
        let request = &found.request;
        let within = !request.to_tag().is_empty();
        if !within && found.method != Method::Invite {
            return;
        }
        let dn = match found.from_node {
            Some(_) => self.dn_of(request.to(), cx.now),
            None => self.dn_of(request.from(), cx.now),
        };
        let Some(dn) = dn else { return };
        match (within, node) {
            (true, Some(node)) => self.hints.seen(dn, node, cx.now),
            (false, Some(node)) => self.hints.begin(dn, node, cx.now),
            (_, None) => {}
        }
        if let Some(found) = self.transactions.get_mut(slot) {
            found.dn = Some(dn);
            found.is_counted = !within && node.is_some();
        }
    }

    /// A new call of a DN goes to this node; it counts once, however many are tried.
    pub(super) fn note_branch(&mut self, slot: Slot, node: NodeId, cx: &Cx<'_>) {
        let Some(found) = self.transactions.get_mut(slot) else { return };
        if let (Some(dn), false, Method::Invite, true) =
            (found.dn, found.is_counted, found.method, found.request.to_tag().is_empty())
        {
            found.is_counted = true;
            self.hints.begin(dn, node, cx.now);
        }
    }

    /// The final answer shows whether a dialog of the DN begins, ends or goes on.
    pub(super) fn note_final(&mut self, slot: Slot, status: u16, cx: &Cx<'_>) {
        let Some(found) = self.transactions.get(slot) else { return };
        let Some(dn) = found.dn else { return };
        let ends = if found.method == Method::Bye {
            !matches!(status, 401 | 407)
        } else {
            found.is_counted && status >= 300
        };
        let winner = found.branches.iter().find(|branch| (200..300).contains(&branch.final_status));
        let node = found.from_node.or_else(|| winner?.node);
        if ends {
            self.hints.end(dn);
        } else if let (true, Some(node)) = (found.is_counted, node) {
            self.hints.seen(dn, node, cx.now);
        }
    }

    /// The key of an address that is a DN with a phone registered: hints are kept
    /// for nobody else, or all anonymous callers would share one.
    fn dn_of(&self, address: Option<NameAddr<'_>>, now: Instant) -> Option<DnKey> {
        let uri = address?.parsed_uri().ok()?;
        if !matches!(uri.scheme, Scheme::Sip | Scheme::Sips) || uri.user.is_empty() {
            return None;
        }
        let plain = memchr::memchr2(b'%', b';', uri.user).is_none();
        let text = core::str::from_utf8(uri.user).ok().filter(|_| plain);
        let name = text.map_or_else(|| uri.user_name().into(), std::borrow::Cow::Borrowed);
        self.registrar.lookup(&name, now).next()?;
        let mut hasher = SipHasher13::new_with_keys(self.seed, self.seed.rotate_left(32));
        hasher.write(name.as_bytes());
        DnKey::new(hasher.finish().max(1))
    }
}

/// Who issued the nonce of a request's credentials.
#[derive(Clone, Copy)]
struct Issuer {
    node: NodeId,
    /// The request is the first under that nonce: the answer to a challenge.
    is_first_use: bool,
}

/// The first node named by a nonce in a request's credentials.
fn nonce_issuer(request: &Message) -> Option<Issuer> {
    request
        .header_lines(HeaderId::Authorization)
        .filter_map(|value| parse_credentials(value).ok())
        .find_map(|credentials| {
            let node = issuing_node(&credentials.nonce)?;
            let is_first_use = credentials.counted.is_none_or(|counted| counted.nc == 1);
            Some(Issuer { node, is_first_use })
        })
}
