//! Session timers as a phone has them (RFC 4028).

use super::client::Purpose;
use super::{CallState, Phone, Timer};
use crate::base::time::Duration;
use crate::sim::ability::{Refresher, SESSION_MIN_S};
use crate::sip::message::{HeaderId, Message};
use core::fmt::Write as _;

/// A session that somebody keeps alive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    interval_s: u32,
    ours: bool,
    generation: u64,
}

/// Seconds and refresher of a Session-Expires.
fn expires_of(message: &Message) -> Option<(u32, Option<Refresher>)> {
    let value = String::from_utf8_lossy(message.header(HeaderId::SessionExpires)?).into_owned();
    let mut parts = value.split(';').map(str::trim);
    let seconds = parts.next()?.parse().ok()?;
    let refresher = parts.find_map(|part| part.strip_prefix("refresher="));
    Some((
        seconds,
        match refresher {
            Some("uac") => Some(Refresher::Uac),
            Some("uas") => Some(Refresher::Uas),
            _ => None,
        },
    ))
}

fn min_of(message: &Message) -> Option<u32> {
    u32::try_from(message.number(HeaderId::MinSe)?).ok()
}

impl Phone {
    /// What an INVITE or UPDATE says of the session (RFC 4028 7.1, 7.4).
    pub(super) fn session_lines(&self, call: usize) -> String {
        let Some(found) = self.calls.get(call) else { return String::new() };
        let Some(timer) = found.can.timer else { return String::new() };
        if let Some(session) = found.session {
            let refresher = if session.ours { Refresher::Uac } else { Refresher::Uas };
            let (interval_s, name) = (session.interval_s, refresher.name());
            return format!("Session-Expires: {interval_s};refresher={name}\r\n");
        }
        if found.state == CallState::Up {
            return String::new();
        }
        let mut text = format!("Session-Expires: {}", timer.interval_s.max(found.session_min_s));
        if let Some(refresher) = timer.refresher {
            let _ = write!(text, ";refresher={}", refresher.name());
        }
        text.push_str("\r\n");
        if found.session_min_s > SESSION_MIN_S {
            let _ = write!(text, "Min-SE: {}\r\n", found.session_min_s);
        }
        text
    }

    /// Whether a request asks for less than this phone takes: it hears 422.
    pub(super) fn refuses_session(&mut self, serial: u64, call: usize, message: &Message) -> bool {
        let Some(timer) = self.calls.get(call).and_then(|found| found.can.timer) else {
            return false;
        };
        let knows = message.has_option_tag(HeaderId::Supported, b"timer");
        let small = expires_of(message).is_some_and(|(seconds, _)| seconds < timer.min_s);
        if knows && small {
            self.answer(serial, 422, &format!("Min-SE: {}\r\n", timer.min_s), "");
        }
        knows && small
    }

    /// What the 2xx to an INVITE or UPDATE says (RFC 4028 9); the timer starts.
    pub(super) fn answer_session(&mut self, call: usize, message: &Message) -> String {
        let Some(found) = self.calls.get(call) else { return String::new() };
        let Some(timer) = found.can.timer else { return String::new() };
        let knows = message.has_option_tag(HeaderId::Supported, b"timer");
        let least = min_of(message).unwrap_or(SESSION_MIN_S).max(timer.min_s);
        let asked = expires_of(message);
        let interval_s = match asked {
            Some((seconds, _)) => seconds.min(timer.interval_s.max(least)).max(SESSION_MIN_S),
            None => timer.interval_s.max(least),
        };
        let named = asked.and_then(|(_, refresher)| refresher).or(timer.refresher);
        let refresher = named.filter(|_| knows).unwrap_or(Refresher::Uas);
        self.start_session(call, interval_s, refresher == Refresher::Uas);
        let require = if refresher == Refresher::Uac { "Require: timer\r\n" } else { "" };
        format!("Session-Expires: {interval_s};refresher={}\r\n{require}", refresher.name())
    }

    /// What a 2xx to an INVITE or UPDATE of ours says (RFC 4028 7.2).
    pub(super) fn on_session(&mut self, call: usize, message: &Message) {
        let Some(found) = self.calls.get_mut(call) else { return };
        let said = expires_of(message);
        let Some(timer) = found.can.timer else {
            if said.is_some_and(|(_, refresher)| refresher == Some(Refresher::Uac)) {
                self.accuse("session", call, "is to refresh and does not know how");
            }
            return;
        };
        let asked = found
            .session
            .map_or(timer.interval_s.max(found.session_min_s), |session| session.interval_s);
        let proposed = match found.session {
            Some(session) if session.ours => Some(Refresher::Uac),
            Some(_) => Some(Refresher::Uas),
            None => timer.refresher,
        };
        let Some((interval_s, refresher)) = said else {
            found.session = None;
            return;
        };
        let Some(refresher) = refresher else {
            return self.accuse("session", call, "hears of no refresher");
        };
        let require = message.has_option_tag(HeaderId::Require, b"timer");
        let wrong = if !(SESSION_MIN_S..=asked.max(SESSION_MIN_S)).contains(&interval_s) {
            Some(format!("asks for {asked} and gets {interval_s}"))
        } else if proposed.is_some_and(|proposed| proposed != refresher) {
            Some("gets another refresher than it named".to_owned())
        } else if refresher == Refresher::Uac && !require {
            Some("is to refresh without Require".to_owned())
        } else {
            None
        };
        if let Some(what) = wrong {
            self.accuse("session", call, &what);
        }
        self.start_session(call, interval_s, refresher == Refresher::Uac);
    }

    fn start_session(&mut self, call: usize, interval_s: u32, ours: bool) {
        let generation = self.next_serial();
        let Some(found) = self.calls.get_mut(call) else { return };
        found.session = Some(Session { interval_s, ours, generation });
        let interval = Duration::from_secs(u64::from(interval_s));
        if ours {
            self.arm(interval / 2, Timer::Refresh(call, generation));
            self.arm(interval, Timer::Expire(call, generation));
        } else {
            let grace = (interval / 3).min(Duration::from_secs(32));
            self.arm(interval - grace, Timer::Expire(call, generation));
        }
    }

    fn is_current(&self, call: usize, generation: u64) -> bool {
        self.calls.get(call).is_some_and(|found| {
            found.state == CallState::Up
                && found.session.is_some_and(|session| session.generation == generation)
        })
    }

    /// Time to refresh.
    pub(super) fn refresh(&mut self, call: usize, generation: u64) {
        if !self.is_current(call, generation) {
            return;
        }
        let Some(found) = self.calls.get(call) else { return };
        if found.inviting.is_some() || found.updating.is_some() {
            self.arm(Duration::from_secs(2), Timer::Refresh(call, generation));
        } else if found.can.update && found.peer.update {
            let extra = self.request_lines(call);
            let serial = self.within(call, ("UPDATE", &extra), ("", ""), Purpose::Change(call));
            if let Some(found) = self.calls.get_mut(call) {
                found.updating = serial;
            }
        } else {
            self.reinvite(call, true);
        }
    }

    /// A refresh was refused for now.
    pub(super) fn refresh_later(&mut self, call: usize, after: Duration) -> bool {
        let session = self.calls.get(call).and_then(|found| found.session);
        let Some(session) = session.filter(|session| session.ours) else { return false };
        self.arm(after, Timer::Refresh(call, session.generation));
        true
    }

    /// Nobody has refreshed.
    pub(super) fn expire(&mut self, call: usize, generation: u64) {
        if self.is_current(call, generation) {
            self.bye(call);
        }
    }

    /// 422: asks again for as much as the other allows (RFC 4028 7.3).
    pub(super) fn ask_for_more(&mut self, call: usize, serial: u64, message: &Message) -> bool {
        let Some(found) = self.calls.get_mut(call) else { return false };
        let least = min_of(message).unwrap_or_default();
        let asked = found.can.timer.map_or(0, |timer| timer.interval_s).max(found.session_min_s);
        if least <= asked {
            self.accuse("session", call, &format!("asked for {asked} and is told {least}"));
            return false;
        }
        if found.inviting != Some(serial) || found.cancelled || found.state != CallState::Early {
            return false;
        }
        found.session_min_s = least;
        self.invite(call, "");
        true
    }
}
