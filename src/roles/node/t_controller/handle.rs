//! What others may say to a T-Controller.

use super::inbox::{Inbox, Operate, Phone};
use super::settings::Settings;
use crate::call::facts::CallFact;
use crate::cti::tlib::{Attributes, Event, RequestType};
use crate::runtime::mailbox::{Class, Mail};
use std::sync::Arc;
use tokio::sync::oneshot;

/// A T-Controller, from outside.
#[derive(Clone, Debug)]
pub struct TController {
    mail: Mail<Inbox>,
}

impl TController {
    /// The T-Controller behind this mailbox.
    #[must_use]
    pub const fn new(mail: Mail<Inbox>) -> Self {
        Self { mail }
    }

    /// A phone has registered, or a part of its registration is gone. What finds no room
    /// comes again with the phone's next REGISTER.
    pub fn phone(&self, phone: Box<Phone>) {
        let _ = self.mail.send(Class::Continuing, Inbox::Phone(phone));
    }

    /// Something has happened in a call. Gives whether there was room for it.
    #[must_use]
    pub fn fact(&self, fact: Box<CallFact>) -> bool {
        // A call whose end nobody hears of would be there for ever.
        let is_end = fact.is_end();
        let class = if is_end { Class::Internal } else { Class::Continuing };
        self.mail.send(class, Inbox::Fact(fact)).is_ok()
    }

    /// There was no room for something that has happened in a call. Gives whether there was
    /// for that.
    #[must_use]
    pub fn short(&self) -> bool {
        self.mail.send(Class::Internal, Inbox::Short).is_ok()
    }

    /// Works by another configuration from now on.
    pub fn settings(&self, settings: Arc<Settings>) {
        let _ = self.mail.send(Class::Internal, Inbox::Settings(settings));
    }

    /// An operator asks for something about a DN; `None` when too much is waiting.
    #[must_use]
    pub fn operate(
        &self,
        kind: RequestType,
        given: Attributes,
    ) -> Option<oneshot::Receiver<Event>> {
        let (answer, receiver) = oneshot::channel();
        let operate = Inbox::Operate(Box::new(Operate { kind, given, answer }));
        self.mail.send(Class::New, operate).is_ok().then_some(receiver)
    }
}
