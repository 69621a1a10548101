//! What those modules may be told that hear of calls and of another configuration, and
//! nothing else.

use crate::call::facts::CallFact;
use crate::runtime::mailbox::{Class, Mail as Mailbox};

/// One message to such a module.
#[derive(Clone, Debug)]
pub enum Mail<S> {
    /// Something has happened in a call.
    Fact(Box<CallFact>),
    /// Something that has happened in calls was not told, for want of room.
    Short,
    /// The configuration was changed.
    Settings(Box<S>),
}

/// Such a module, from outside.
#[derive(Clone, Debug)]
pub struct CallHearer<S> {
    mail: Mailbox<Mail<S>>,
}

impl<S> CallHearer<S> {
    /// The module behind this mailbox.
    #[must_use]
    pub const fn new(mail: Mailbox<Mail<S>>) -> Self {
        Self { mail }
    }

    /// Something has happened in a call. Gives whether there was room for it.
    #[must_use]
    pub fn fact(&self, fact: Box<CallFact>) -> bool {
        // A call whose end nobody hears of would be there for ever.
        let class = if fact.is_end() { Class::Internal } else { Class::Continuing };
        self.mail.send(class, Mail::Fact(fact)).is_ok()
    }

    /// There was no room for something that has happened in a call. Gives whether there was
    /// for that.
    #[must_use]
    pub fn short(&self) -> bool {
        self.mail.send(Class::Internal, Mail::Short).is_ok()
    }

    /// Works by another configuration from now on.
    pub fn settings(&self, settings: S) {
        let _ = self.mail.send(Class::Internal, Mail::Settings(Box::new(settings)));
    }
}
