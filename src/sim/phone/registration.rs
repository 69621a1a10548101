//! A phone registers (RFC 3261 10).

use super::client::{AUTHORIZATIONS_MAX, Purpose};
use super::{EXPIRES_S, Out, Phone, Timer};
use crate::base::time::{Duration, Instant};
use crate::sip::message::Message;

/// What a REGISTER is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Binding {
    pub(super) expires_s: u32,
    /// Another contact than the usual one.
    pub(super) second: bool,
}

impl Phone {
    /// Registers, or with zero unregisters, and again until `until`.
    pub fn register(&mut self, now: Instant, expires: bool, until: Instant) {
        self.now = now;
        self.registers_until = until;
        self.bind(expires, false);
    }

    /// Registers a contact or takes it away.
    pub(super) fn bind(&mut self, expires: bool, second: bool) {
        let expires_s = if expires { EXPIRES_S } else { 0 };
        self.send_register(Binding { expires_s, second }, 0, "");
    }

    pub(super) fn register_again(&mut self) {
        if self.now < self.registers_until {
            self.bind(true, false);
        }
    }

    fn send_register(&mut self, binding: Binding, authorizations: u32, authorization: &str) {
        self.register_cseq += 1;
        let (cseq, branch) = (self.register_cseq, self.new_branch());
        let (to, protocol) = self.usual_proxy();
        let number = &self.account.number;
        let contact = if binding.second {
            format!("<sip:{number}-second@{}>", self.account.address)
        } else {
            self.contact()
        };
        let q = self.account.q.map(|q| format!(";q={q}")).unwrap_or_default();
        let text = format!(
            "REGISTER sip:example.com SIP/2.0\r\n{}Max-Forwards: 70\r\n\
             From: <sip:{number}@example.com>;tag=r{cseq}\r\nTo: <sip:{number}@example.com>\r\n\
             Call-ID: {}\r\nCSeq: {cseq} REGISTER\r\nContact: {contact}{q}\r\nExpires: {}\r\n\
             {authorization}Content-Length: 0\r\n\r\n",
            self.via(&branch),
            self.register_call_id,
            binding.expires_s,
        );
        let out = Out { to, protocol, bytes: text.into() };
        let purpose = Purpose::Register { binding, authorizations };
        self.start("REGISTER", cseq, branch, out, purpose);
    }

    pub(super) fn on_registered(&mut self, message: &Message, binding: Binding, tries: u32) {
        match message.status() {
            401 if tries < AUTHORIZATIONS_MAX => {
                let uri = "sip:example.com";
                if let Some(value) = self.credentials(message, "REGISTER", uri, false) {
                    let line = format!("Authorization: {value}\r\n");
                    self.send_register(binding, tries + 1, &line);
                }
            }
            _ if binding.second => {}
            200..=299 => {
                self.registered = binding.expires_s > 0;
                if binding.expires_s > 0 {
                    let after = Duration::from_secs(u64::from(binding.expires_s / 2));
                    self.arm(after, Timer::Register);
                }
            }
            _ => self.register_failed(false),
        }
    }

    pub(super) fn register_failed(&mut self, gave_up: bool) {
        if gave_up {
            self.proxy += 1;
        }
        self.registered = false;
        self.arm(Duration::from_secs(2), Timer::Register);
    }
}
