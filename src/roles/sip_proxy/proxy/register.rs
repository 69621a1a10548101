//! REGISTER (RFC 3261 10.3): the proxy checks, a node authenticates, the proxy
//! stores (`decisions.md` 8).

use super::core::{Action, Core, Counted, Cx};
use super::request::unsupported;
use super::response::way_back;
use crate::base::few::Few;
use crate::base::id::{NodeId, Slot};
use crate::base::short;
use crate::base::time::Duration;
use crate::sip::message::text::{Params, decimal};
use crate::sip::message::uri::Scheme;
use crate::sip::message::{HeaderId, Message, NameAddr};
use crate::sip::registrar::{Change, Contact, Listed, Refusal, Update};

/// Lifetime that a malformed `expires` stands for (RFC 3261 10.2.1.1, 20.10), and
/// the one that is never too brief (10.3 step 7).
const EXPIRES_OF_MALFORMED: Duration = Duration::from_secs(3600);

/// Why a REGISTER goes no further.
struct Refused {
    status: u16,
    reason: &'static str,
    header: Option<(HeaderId, String)>,
}

impl Refused {
    fn new(status: u16, reason: &'static str) -> Self {
        Self { status, reason, header: None }
    }
}

impl Core {
    pub(super) fn on_register(&mut self, slot: Slot, cx: &mut Cx<'_>) {
        let update = match self.read_register(slot) {
            Ok(update) => update,
            Err(refused) => return self.refuse(slot, refused, cx),
        };
        if let Err(refusal) = self.registrar.check(&update, cx.now) {
            return self.refuse(slot, refused_by(&refusal), cx);
        }
        if let Some(found) = self.transactions.get(slot) {
            let wanted = self.wanted_registrars(&found.request, &update.aor, cx.now);
            self.want(slot, wanted);
        }
        if let Some(found) = self.transactions.get_mut(slot) {
            found.registration = Some(update);
        }
        self.try_node(slot, cx);
    }

    fn refuse(&mut self, slot: Slot, refused: Refused, cx: &mut Cx<'_>) {
        let headers: Vec<_> = refused.header.into_iter().collect();
        self.answer(slot, refused.status, refused.reason.as_bytes(), &headers, cx);
    }

    fn read_register(&self, slot: Slot) -> Result<Update, Refused> {
        let transaction = self.transactions.get(slot).ok_or(Refused::new(500, ""))?;
        let request = &transaction.request;
        let unknown = unsupported(request, HeaderId::Require);
        if !unknown.is_empty() {
            let header = Some((HeaderId::Unsupported, unknown));
            return Err(Refused { header, ..Refused::new(420, "") });
        }
        let to = request.to().ok_or(Refused::new(400, "Bad To"))?;
        let uri = to.parsed_uri().map_err(|_| Refused::new(400, "Bad To"))?;
        let aor = uri.user_name();
        if aor.is_empty() || !matches!(uri.scheme, Scheme::Sip | Scheme::Sips) {
            return Err(Refused::new(404, ""));
        }
        if !self.settings.is_cluster(uri.host_str(), uri.port_or_default()) {
            return Err(Refused::new(404, "No Such Domain"));
        }
        let change = self.read_contacts(request)?;
        Ok(Update {
            aor: aor.into(),
            call_id: String::from_utf8_lossy(request.call_id()).into(),
            cseq: request.cseq(),
            change,
            granted: self.settings.expires_max,
            node: self.settings.id,
            source: transaction.flow,
            proxy: self.settings.id,
        })
    }

    fn read_contacts(&self, request: &Message) -> Result<Change, Refused> {
        let asked = request.number(HeaderId::Expires).map(Duration::from_secs);
        let values: Few<&[u8]> =
            request.values(HeaderId::Contact).filter(|value| !value.is_empty()).collect();
        if values.is_empty() {
            return Ok(Change::Fetch);
        }
        if values.contains(&&b"*"[..]) {
            let alone = values.len() == 1 && asked == Some(Duration::ZERO);
            return if alone {
                Ok(Change::RemoveAll)
            } else {
                Err(Refused::new(400, "Bad Wildcard Contact"))
            };
        }
        if values.len() > crate::base::limits::REGISTER_CONTACTS_MAX {
            return Err(Refused::new(403, "Too Many Contacts"));
        }
        let contacts = values
            .into_iter()
            .map(|value| self.read_contact(value, asked))
            .collect::<Result<_, _>>()?;
        Ok(Change::Contacts(contacts))
    }

    fn read_contact(&self, value: &[u8], asked: Option<Duration>) -> Result<Contact, Refused> {
        let parsed = NameAddr::parse(value).map_err(|_| Refused::new(400, "Bad Contact"))?;
        let mut expires = asked.unwrap_or(self.settings.expires_default);
        let mut q = 1000;
        let mut params = String::new();
        for (name, text) in Params::new(parsed.params) {
            let text = text.unwrap_or_default();
            if name.eq_ignore_ascii_case(b"expires") {
                expires = decimal(text).map_or(EXPIRES_OF_MALFORMED, Duration::from_secs);
            } else if name.eq_ignore_ascii_case(b"q") {
                q = read_q(text).ok_or(Refused::new(400, "Bad q In Contact"))?;
            } else {
                params.push(';');
                params.push_str(&String::from_utf8_lossy(name));
                if !text.is_empty() {
                    params.push('=');
                    params.push_str(&String::from_utf8_lossy(text));
                }
            }
        }
        // One that asks for nothing less than an hour may not be refused (10.3 step 7).
        let least = self.settings.expires_min.min(EXPIRES_OF_MALFORMED);
        if !expires.is_zero() && expires < least {
            let least = self.settings.expires_min.as_secs().to_string();
            return Err(Refused {
                header: Some((HeaderId::MinExpires, least)),
                ..Refused::new(423, "")
            });
        }
        let names_us = parsed.parsed_uri().is_ok_and(|uri| {
            matches!(uri.scheme, Scheme::Sip | Scheme::Sips)
                && self.settings.is_cluster(uri.host_str(), uri.port_or_default())
        });
        if names_us && !expires.is_zero() {
            // Every call to it would come back and be sent to it again.
            return Err(Refused::new(403, "Contact Names This Cluster"));
        }
        Ok(Contact {
            uri: String::from_utf8_lossy(parsed.uri).into(),
            q,
            expires: expires.min(self.settings.expires_max),
            params: params.into(),
        })
    }

    /// A node has accepted: store, tell the other proxies, list all bindings.
    pub(super) fn on_registered(
        &mut self,
        slot: Slot,
        number: usize,
        message: &Message,
        cx: &mut Cx<'_>,
    ) {
        let Some(transaction) = self.transactions.get_mut(slot) else { return };
        let node = transaction.branches.get(number).and_then(|branch| branch.node);
        let Some(mut update) = transaction.registration.take() else { return };
        // Whose death is to have the phone told to others is the owner, if it has one here.
        let owner = message.number(HeaderId::XSipclusterOwner);
        let owner = owner.and_then(|owner| NodeId::new(u16::try_from(owner).ok()?));
        let owner = owner.filter(|owner| self.is_local(*owner));
        update.node = owner.or(node).unwrap_or(update.node);
        if let Some(seconds) = message.number(HeaderId::Expires) {
            update.granted = Duration::from_secs(seconds).min(self.settings.expires_max);
        }
        match self.registrar.update(update, cx.now) {
            Ok(outcome) => {
                cx.count(Counted::Registered);
                for entry in outcome.entries {
                    cx.out.push(Action::Share(entry));
                }
                let bytes = with_bindings(message, &outcome.bindings);
                self.respond(slot, message.status(), bytes, cx);
            }
            Err(refusal) => self.refuse(slot, refused_by(&refusal), cx),
        }
    }
}

/// The node's 200 with every binding of the DN (RFC 3261 10.3 step 8).
fn with_bindings(message: &Message, bindings: &[Listed]) -> bytes::Bytes {
    let mut edits = way_back(message);
    edits.remove(HeaderId::Contact).remove(HeaderId::Expires);
    for binding in bindings {
        let Some(bound) = binding.contact.bound() else { continue };
        // Three digits behind the point, noughts among them.
        let thousandths = short::decimal(1000 + u64::from(bound.q));
        let (q, digits) =
            if bound.q < 1000 { (&b";q=0."[..], &thousandths[1..]) } else { (&b""[..], &b""[..]) };
        let (uri, expires) = (bound.uri.as_bytes(), short::decimal(binding.expires_s));
        let params = bound.params.as_bytes();
        let value = [&b"<"[..], uri, b">", q, digits, b";expires=", &expires, params];
        edits.add_parts(HeaderId::Contact, &value);
    }
    edits.write()
}

fn refused_by(refusal: &Refusal) -> Refused {
    match refusal {
        Refusal::OutOfOrder { .. } => Refused::new(500, "CSeq Out Of Order"),
        Refusal::TooManyContacts => Refused::new(403, "Too Many Contacts"),
        Refusal::StoreFull => Refused::new(503, "Registrar Full"),
        Refusal::BadContact => Refused::new(400, "Bad Contact"),
        Refusal::TooLong { .. } => Refused::new(400, "Contact Too Long"),
    }
}

/// A q value in thousandths.
fn read_q(text: &[u8]) -> Option<u16> {
    let (whole, fraction) = match memchr::memchr(b'.', text) {
        Some(point) => (&text[..point], &text[point + 1..]),
        None => (text, &b""[..]),
    };
    if fraction.len() > 3 || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut thousandths = 0_u16;
    for position in 0..3 {
        thousandths =
            thousandths * 10 + fraction.get(position).map_or(0, |digit| u16::from(digit - b'0'));
    }
    match whole {
        b"0" | b"" if !text.is_empty() => Some(thousandths),
        b"1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}
