//! What a T-Controller is told.

use super::settings::Settings;
use crate::call::facts::CallFact;
use crate::cti::tlib::{Attributes, Event, RequestType};
use std::sync::Arc;
use tokio::sync::oneshot;

/// What a phone's accepted REGISTER says of a DN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phone {
    /// The DN.
    pub dn: Box<str>,
    /// Normal form of each contact, and the seconds that it is granted; zero removes it.
    pub contacts: Vec<(Box<str>, u64)>,
    /// `Contact: *`: all are removed.
    pub removes_all: bool,
}

/// One message to a T-Controller.
#[derive(Debug)]
pub enum Inbox {
    /// A REGISTER was accepted.
    Phone(Box<Phone>),
    /// Something has happened in a call.
    Fact(Box<CallFact>),
    /// Something that has happened in calls was not told, for want of room.
    Short,
    /// The configuration was changed.
    Settings(Arc<Settings>),
    /// An operator asks for something about a DN.
    Operate(Box<Operate>),
}

/// What an operator asks for.
#[derive(Debug)]
pub struct Operate {
    /// Which request of a desktop.
    pub kind: RequestType,
    /// Its attributes.
    pub given: Attributes,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Event>,
}
