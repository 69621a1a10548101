//! Session timers in the stack (RFC 4028): what requests and answers say of them,
//! the refresh, and the end of a session that nobody refreshed.

use super::leg::{Leg, LegState};
use super::session_timer::{Agreement, SessionExpires, SessionTimer, agree, min_se};
use super::stack::{Cx, Stack};
use crate::base::id::Slot;
use crate::base::leg::{Cause, LegEvent};
use crate::base::limits::{REFRESH_RETRY, SESSION_INTERVAL_MIN_S};
use crate::base::time::Duration;
use crate::sip::message::{Edits, HeaderId, Message, Method, scan};
use bytes::Bytes;

impl Stack {
    /// What an INVITE or UPDATE of ours says of the session timer and of extensions.
    pub(super) fn session_headers(&self, leg: &Leg, method: Method) -> Vec<(HeaderId, String)> {
        let mut headers = Vec::new();
        let reliable =
            leg.state == LegState::Calling && leg.asks_reliable && method == Method::Invite;
        let tags = if reliable { "timer, 100rel" } else { "timer" };
        headers.push((HeaderId::Supported, tags.to_owned()));
        let wish = self.settings.session_seconds;
        let proposal = match leg.session {
            Some(running) => Some(running.proposal()),
            None if wish > 0 => Some(SessionExpires { seconds: wish, by_uac: Some(true) }),
            None => None,
        };
        // In an early dialog an UPDATE says nothing of the session to come.
        let early = leg.state != LegState::Established && method == Method::Update;
        if let Some(proposal) = proposal.filter(|_| !early) {
            headers.push((HeaderId::SessionExpires, proposal.text()));
            headers.push((HeaderId::MinSe, SESSION_INTERVAL_MIN_S.to_string()));
        }
        headers
    }

    /// What a 2xx of ours to the request of a transaction says, and starts.
    pub(super) fn agree_session(
        &mut self,
        leg: Slot,
        server: Slot,
        cx: &Cx<'_>,
    ) -> Vec<(HeaderId, String)> {
        let wish = self.settings.session_seconds;
        let request = self.servers.get(server).and_then(|transaction| transaction.request.as_ref());
        let (Some(found), Some(request)) = (self.legs.get_mut(leg), request) else {
            return Vec::new();
        };
        let wish = found.session.map_or(wish, |running| running.seconds);
        let Agreement::Runs { value, required } = agree(request, wish) else {
            found.session = None;
            return Vec::new();
        };
        let ours = value.by_uac != Some(true);
        found.session = Some(SessionTimer::start(value.seconds, ours, cx.now));
        let mut headers = vec![(HeaderId::SessionExpires, value.text())];
        headers.push((HeaderId::Supported, "timer".to_owned()));
        if required {
            headers.push((HeaderId::Require, "timer".to_owned()));
        }
        headers
    }

    /// Whether a request asks for an interval below ours: 422 (RFC 4028 6).
    pub(super) fn asks_too_little(message: &Message) -> bool {
        matches!(message.method(), Method::Invite | Method::Update)
            && agree(message, 0) == Agreement::TooSmall
    }

    /// A 2xx to our INVITE or UPDATE (re)starts the timer.
    pub(super) fn start_session(&mut self, leg: Slot, message: &Message, cx: &Cx<'_>) {
        let wish = self.settings.session_seconds;
        let Some(found) = self.legs.get_mut(leg) else { return };
        if found.state != LegState::Established {
            return;
        }
        let asked = found.session.map_or(wish, |running| running.seconds);
        found.session = match SessionExpires::of(message) {
            Some(told) => {
                let seconds = told.seconds.max(SESSION_INTERVAL_MIN_S);
                let ours = told.by_uac.unwrap_or(true);
                Some(SessionTimer::start(seconds, ours, cx.now))
            }
            // The far end knows no timers: we look after the session alone.
            None if asked > 0 => Some(SessionTimer::start(asked, true, cx.now)),
            None => None,
        };
    }

    /// A deadline of the session has come.
    pub(super) fn wake_session(&mut self, leg: Slot, cx: &mut Cx<'_>) {
        let Some(found) = self.legs.get_mut(leg) else { return };
        let Some(session) = &mut found.session else { return };
        if found.state != LegState::Established {
            return;
        }
        if cx.now >= session.expires_at {
            let cause = Cause::with_q850(408, 102, "Session expired");
            self.hang_up(leg, &cause, cx);
            self.report(leg, LegEvent::Ended(cause), cx);
        } else if cx.now >= session.refresh_at {
            // Tried again some time later, should no 2xx come.
            session.refresh_at = cx.now + retry_after(cx);
            self.refresh(leg, cx);
        }
    }

    /// Refreshes the session, unless a change that does so too is under way.
    fn refresh(&mut self, leg: Slot, cx: &mut Cx<'_>) {
        let Some(found) = self.legs.get_mut(leg) else { return };
        let busy = found.inviting.is_some()
            || found.updating.is_some()
            || found.refreshing.is_some()
            || found.offered.is_some()
            || found.asked.is_some()
            || found.awaited_ack.is_some();
        if busy {
            return;
        }
        let offer = found.origin.last().filter(|_| !found.takes_update);
        let client = if offer.is_some() {
            self.reinvite(leg, offer.as_ref(), cx)
        } else {
            let draft = self.draft_in(leg, None, Method::Update, &[], None);
            draft.and_then(|draft| self.request(Some(leg), draft, cx))
        };
        if let Some(found) = self.legs.get_mut(leg) {
            found.refreshing = client;
        }
    }

    /// The final answer to a refresh. A 2xx has started the timer anew already.
    pub(super) fn on_refreshed(&mut self, leg: Slot, message: &Message, cx: &mut Cx<'_>) {
        let Some(found) = self.legs.get_mut(leg) else { return };
        found.refreshing = None;
        match message.status() {
            200..=299 => {}
            408 | 481 => {
                let cause = Cause::code(message.status());
                self.hang_up(leg, &cause, cx);
                self.report(leg, LegEvent::Ended(cause), cx);
            }
            422 => {
                let seconds = min_se(message);
                if let Some(session) = &mut found.session {
                    session.seconds = session.seconds.max(seconds);
                    session.refresh_at = cx.now;
                }
            }
            // Not known or not taken after all: the next one is a re-INVITE.
            405 | 501 => {
                found.takes_update = false;
                if let Some(session) = &mut found.session {
                    session.refresh_at = cx.now;
                }
            }
            _ => {}
        }
    }
}

/// RFC 3261 14.1: 2.1 to 4 s, so that both sides do not meet again.
fn retry_after(cx: &mut Cx<'_>) -> Duration {
    REFRESH_RETRY - Duration::from_millis(cx.ids.below(1_900))
}

/// A request of ours with the interval that a 422 asks for (RFC 4028 7.4); `None` if
/// it asks for no longer one.
pub(super) fn with_interval(sent: &[u8], refusal: &Message) -> Option<Bytes> {
    let message = scan(sent.to_vec()).ok()?;
    let told = SessionExpires::of(&message)?;
    let seconds = min_se(refusal);
    if told.seconds >= seconds {
        return None;
    }
    let value = SessionExpires { seconds, ..told }.text();
    let mut edits = Edits::new(&message);
    edits.set(HeaderId::SessionExpires, value.as_bytes());
    edits.set(HeaderId::MinSe, seconds.to_string().as_bytes());
    Some(edits.write())
}
