//! Requests outside a dialog: REGISTER, of which the node is the authority, and
//! OPTIONS, by which proxies see whether it is there.

use super::core::{Action, Core, Cx};
use super::settings::DnKind;
use crate::base::id::Slot;
use crate::modules::service_checker::core::DRAINING;
use crate::roles::node::t_controller::inbox::Phone;
use crate::sip::message::text::Params;
use crate::sip::message::{HeaderId, Message, Method, NameAddr};
use crate::sip::packet::Packet;
use crate::sip::registrar::contact_key;

impl Core {
    pub(super) fn on_request(&mut self, server: Slot, packet: &Packet, cx: &mut Cx<'_>) {
        let (status, headers) = match packet.message.method() {
            Method::Register => self.on_register(&packet.message, cx),
            Method::Options => self.on_options(),
            Method::Invite
            | Method::Ack
            | Method::Cancel
            | Method::Bye
            | Method::Info
            | Method::Update
            | Method::Prack
            | Method::Notify => (481, Vec::new()),
            Method::Subscribe => (489, Vec::new()),
            Method::Message | Method::Refer | Method::Publish => (
                405,
                vec![(
                    HeaderId::Allow,
                    "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, INFO, UPDATE, PRACK".to_owned(),
                )],
            ),
            Method::Other => (501, Vec::new()),
        };
        self.with_stack(cx, |stack, cx| stack.answer(server, status, &headers, cx));
    }

    fn on_options(&self) -> (u16, Vec<(HeaderId, String)>) {
        let role = if self.ready { "primary" } else { DRAINING };
        let mut headers = vec![(HeaderId::XSipclusterRole, role.to_owned())];
        if self.ready {
            headers.push((
                HeaderId::Allow,
                "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, INFO, MESSAGE, UPDATE, PRACK"
                    .to_owned(),
            ));
            (200, headers)
        } else {
            headers.push((HeaderId::RetryAfter, "2".to_owned()));
            (503, headers)
        }
    }

    /// 401, 403, 404, or 200 with the granted time (`decisions.md` 8).
    fn on_register(
        &mut self,
        message: &Message,
        cx: &mut Cx<'_>,
    ) -> (u16, Vec<(HeaderId, String)>) {
        let dn = message
            .to()
            .and_then(|to| to.parsed_uri().ok().map(|uri| uri.user_name()))
            .unwrap_or_default();
        match self.settings.dns.get(dn.as_str()) {
            Some(DnKind::Extension { .. }) => {}
            Some(DnKind::RoutingPoint { .. }) => return (403, Vec::new()),
            // An unknown user hears what a wrong password hears.
            None if self.is_strict() => {}
            None => return (404, Vec::new()),
        }
        if let Err((status, headers)) = self.authenticate(&dn, message, cx) {
            return (status, headers);
        }
        if self.settings.tells_clients
            && let Some(phone) = self.read_phone(&dn, message)
        {
            cx.out.push(Action::Phone(Box::new(phone)));
        }
        // The proxy grants each contact the smaller of this and what it asked for.
        let mut headers =
            vec![(HeaderId::Expires, self.settings.expires_max.as_secs().to_string())];
        let owner = self.known(&dn, cx).owner.filter(|owner| *owner != self.settings.node);
        headers.extend(owner.map(|owner| (HeaderId::XSipclusterOwner, owner.to_string())));
        (200, headers)
    }

    /// What an accepted REGISTER says of a DN; `None` when it only asks. A proxy grants
    /// no more than this, and takes no contact that cannot be read.
    fn read_phone(&self, dn: &str, message: &Message) -> Option<Phone> {
        let granted_max = self.settings.expires_max.as_secs();
        let asked = message.number(HeaderId::Expires).unwrap_or(granted_max);
        let mut phone = Phone { dn: dn.into(), contacts: Vec::new(), removes_all: false };
        for value in message.values(HeaderId::Contact).filter(|value| !value.is_empty()) {
            if value == b"*" {
                phone.removes_all = true;
                continue;
            }
            let Ok(contact) = NameAddr::parse(value) else { continue };
            let own = Params::new(contact.params)
                .find(|(name, _)| name.eq_ignore_ascii_case(b"expires"))
                .and_then(|(_, text)| core::str::from_utf8(text?).ok()?.parse().ok());
            let key = core::str::from_utf8(contact.uri).ok().and_then(contact_key);
            if let Some(key) = key {
                phone.contacts.push((key.into(), own.unwrap_or(asked).min(granted_max)));
            }
        }
        (phone.removes_all || !phone.contacts.is_empty()).then_some(phone)
    }

    /// Whether any extension is challenged at all.
    fn is_strict(&self) -> bool {
        self.settings.strict_by_default
    }
}
