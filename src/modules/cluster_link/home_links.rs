//! Connections of a SIP Proxy with the T-Controllers, around the machine that tells them
//! of phones.

use crate::base::frames::framed;
use crate::base::time::Instant;
use crate::mesh::homes::{Action, Event, Homes, Settings};
use crate::mesh::registrations::{LinkId, Registrations};
use crate::modules::t_library::port::{ClientId, Heard, Port, REFUSED};
use crate::runtime::tls::Tls;
use crate::runtime::waker::ThreadWaker;
use core::net::IpAddr;
use core::task::{Context, Poll};
use std::io::{Error, ErrorKind};
use std::sync::Arc;

/// Bytes that may wait on a connection before no more phones are told over it.
const ROOM_LEN: usize = 1 << 20;

/// All of them.
pub(super) struct HomeLinks {
    name: String,
    homes: Homes,
    /// The address by which others know this proxy.
    from: Option<IpAddr>,
    port: Port,
    heard: Vec<(ClientId, Heard)>,
}

impl HomeLinks {
    /// None yet.
    pub(super) fn new(settings: Settings, from: Option<IpAddr>, tls: Tls) -> Self {
        let name = settings.name.to_string();
        let port = Port::dialling(&name).secured(tls);
        Self { homes: Homes::new(settings), from, port, heard: Vec::new(), name }
    }

    /// Tells the machine.
    pub(super) fn on(&mut self, event: Event, now: Instant, registrations: &Registrations) {
        let mut actions = Vec::new();
        let port = &self.port;
        let has_room = |link: LinkId| port.backlog_len(ClientId(link.0)) < ROOM_LEN;
        self.homes.on(event, now, registrations, &has_room, &mut actions);
        for action in actions {
            match action {
                Action::Dial(node, address) => {
                    let dialled = self.port.dial(self.from, address, now);
                    let refused = |error: &Error| error.kind() == ErrorKind::ConnectionRefused;
                    let is_refused = dialled.as_ref().is_err_and(refused);
                    let link = dialled.ok().map(|id| LinkId(id.0));
                    self.on(Event::Dialled(node, link, is_refused), now, registrations);
                }
                Action::Send(link, payload) => self.port.send(ClientId(link.0), framed(&payload)),
                Action::Close(link, reason) => {
                    tracing::info!(node = %self.name, reason, "link to a T-Controller closed");
                    self.port.end(ClientId(link.0), now);
                }
                Action::Moved { node, count, is_dead: true } => {
                    tracing::info!(node = %self.name, peer = node.get(), count, "registered DNs of a dead node given to others");
                }
                Action::Moved { node, count, is_dead: false } => {
                    tracing::debug!(node = %self.name, peer = node.get(), count, "a node was told of its registered DNs");
                }
            }
        }
    }

    /// Hears what has come, and gives how much.
    pub(super) fn turn(&mut self, now: Instant, registrations: &Registrations) -> usize {
        let mut heard = core::mem::take(&mut self.heard);
        let work = self.port.read(now, &mut heard);
        for (id, what) in heard.drain(..) {
            let link = LinkId(id.0);
            let event = match what {
                Heard::Connected(_) => Event::Up(link),
                Heard::Frame(payload) => Event::Frame(link, payload),
                Heard::Gone(reason) => Event::Down(link, reason == REFUSED),
            };
            self.on(event, now, registrations);
        }
        self.heard = heard;
        self.on(Event::Timer, now, registrations);
        self.port.flush();
        work
    }

    pub(super) fn has_work(&self, now: Instant) -> bool {
        self.port.has_work() || self.homes.has_work(now)
    }

    pub(super) fn next_deadline(&self) -> Instant {
        self.port.next_deadline()
    }

    pub(super) fn set_waker(&self, waker: Arc<ThreadWaker>) {
        self.port.set_waker(waker);
    }

    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.port.poll(context)
    }
}
