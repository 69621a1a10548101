//! A call of two parties.
//!
//! ```text
//!  Routing ──▶ Calling ──Alerting──▶ Alerting ──Answered──▶ Connected ──▶ Ended
//!     └───────────┴── caller gives up, refusal, nobody there ──────────────▲
//! ```
//!
//! Invariants: a call that has ended has told both legs so; what one party asks
//! of the other while a change is under way is refused with 491; hold and its end
//! are told in turns, and only of an answered call; the record is given out once.

use super::record::{CallRecord, CallResult, EndedBy};
use crate::base::id::{CallUuid, ConnId};
use crate::base::leg::{Body, Cause, Direction, LegCommand, LegEvent};
use crate::base::time::{Duration, Instant, WallTime};

/// One of the two parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// Who calls.
    Caller,
    /// Who is called.
    Callee,
}

impl Party {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }

    const fn ended_by(self) -> EndedBy {
        match self {
            Self::Caller => EndedBy::Caller,
            Self::Callee => EndedBy::Callee,
        }
    }
}

/// What a call wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Tell a leg.
    ToLeg(Party, LegCommand),
    /// That party has put the other on hold.
    Held(Party),
    /// That party has taken the other back from hold.
    Retrieved(Party),
    /// The call is over: its record.
    Ended(Box<CallRecord>),
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody is called yet.
    Routing,
    /// The callee is called.
    Calling,
    /// The callee rings.
    Alerting,
    /// Answered.
    Connected,
    /// Over.
    Ended,
}

impl State {
    /// As shown to operators.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Routing => "routing",
            Self::Calling => "calling",
            Self::Alerting => "alerting",
            Self::Connected => "connected",
            Self::Ended => "ended",
        }
    }
}

/// A call.
#[derive(Clone, Debug)]
pub struct Call {
    /// CallUUID, which follows the call everywhere.
    pub uuid: CallUuid,
    /// ConnID.
    pub conn_id: ConnId,
    /// DN or number of the caller.
    pub caller: Box<str>,
    /// What was dialled.
    pub dialled: Box<str>,
    /// DN or trunk that is called.
    pub destination: Box<str>,
    /// Trunk that the call came or went by.
    pub trunk: Box<str>,
    /// When it came, for people.
    pub started_wall: WallTime,
    /// When it came, or came here from another process.
    pub(super) since: Instant,
    /// How long it had lasted then.
    pub(super) lasted: Duration,
    pub(super) state: State,
    pub(super) rang_after: Option<Duration>,
    pub(super) answered_after: Option<Duration>,
    /// Who has asked for a change that the other has not answered.
    pub(super) updating: Option<Party>,
    pub(super) updates: u32,
    /// What that change says of its media.
    pub(super) proposed: Option<Direction>,
    /// What the caller wants with its media, and what the callee wants.
    pub(super) media: [Direction; 2],
    /// Fields of its stored state that this release does not know.
    pub(super) unknown: Box<[u8]>,
}

impl Call {
    /// A call that has come in.
    #[must_use]
    pub fn new(
        uuid: CallUuid,
        conn_id: ConnId,
        caller: &str,
        dialled: &str,
        now: Instant,
        wall: WallTime,
    ) -> Self {
        Self {
            uuid,
            conn_id,
            caller: caller.into(),
            dialled: dialled.into(),
            destination: "".into(),
            trunk: "".into(),
            started_wall: wall,
            since: now,
            lasted: Duration::ZERO,
            state: State::Routing,
            rang_after: None,
            answered_after: None,
            updating: None,
            updates: 0,
            proposed: None,
            media: [Direction::Both; 2],
            unknown: Box::default(),
        }
    }

    /// How long it has lasted.
    pub(super) fn age(&self, now: Instant) -> Duration {
        self.lasted + now.since(self.since)
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Somebody is being called.
    pub fn on_calling(&mut self, destination: &str) {
        self.destination = destination.into();
        self.state = State::Calling;
    }

    /// The call cannot go anywhere.
    pub fn on_unroutable(&mut self, cause: Cause, now: Instant, out: &mut Vec<Action>) {
        out.push(Action::ToLeg(Party::Caller, LegCommand::End(cause.clone())));
        self.end(EndedBy::Cluster, cause, now, out);
    }

    /// Nobody answered in time, or an operator ends the call.
    pub fn on_release(&mut self, cause: Cause, now: Instant, out: &mut Vec<Action>) {
        if self.state == State::Ended {
            return;
        }
        out.push(Action::ToLeg(Party::Callee, LegCommand::End(cause.clone())));
        out.push(Action::ToLeg(Party::Caller, LegCommand::End(cause.clone())));
        self.end(EndedBy::Cluster, cause, now, out);
    }

    /// A party asks for the end other than by its phone: who talks hangs up, who calls
    /// gives up, who is called declines.
    pub fn on_party_release(&mut self, party: Party, now: Instant, out: &mut Vec<Action>) {
        let cause = match (self.state, party) {
            (State::Ended, _) => return,
            (State::Connected, _) => Cause::with_q850(200, 16, "Normal call clearing"),
            (State::Routing | State::Calling | State::Alerting, Party::Caller) => Cause::code(487),
            (State::Routing | State::Calling | State::Alerting, Party::Callee) => Cause::code(603),
        };
        out.push(Action::ToLeg(party, LegCommand::End(cause.clone())));
        out.push(Action::ToLeg(party.other(), LegCommand::End(cause.clone())));
        self.end(party.ended_by(), cause, now, out);
    }

    /// Something broke in the middle of what the call was doing: both legs are ended
    /// and the record is given out, whatever the state.
    pub fn on_broken(&mut self, now: Instant, out: &mut Vec<Action>) {
        let cause = Cause::with_q850(500, 41, "internal error");
        out.push(Action::ToLeg(Party::Callee, LegCommand::End(cause.clone())));
        out.push(Action::ToLeg(Party::Caller, LegCommand::End(cause.clone())));
        self.end(EndedBy::Cluster, cause, now, out);
    }

    /// A leg says something.
    pub fn on_leg(&mut self, party: Party, event: LegEvent, now: Instant, out: &mut Vec<Action>) {
        match self.state {
            State::Routing | State::Calling | State::Alerting => {
                self.on_setting_up(party, event, now, out)
            }
            State::Connected => self.on_connected(party, event, now, out),
            State::Ended => {}
        }
    }

    fn on_setting_up(
        &mut self,
        party: Party,
        event: LegEvent,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        match event {
            LegEvent::Progress { code, body, reliable } => {
                if code == 180 && self.rang_after.is_none() {
                    self.rang_after = Some(self.age(now));
                }
                if code == 180 || code == 183 {
                    self.state = State::Alerting;
                }
                let command = LegCommand::Progress { code, body, reliable };
                out.push(Action::ToLeg(Party::Caller, command));
            }
            LegEvent::ProgressConfirmed { body } => {
                out.push(Action::ToLeg(party.other(), LegCommand::ConfirmProgress { body }));
            }
            LegEvent::Answered { body } => {
                self.state = State::Connected;
                self.answered_after = Some(self.age(now));
                out.push(Action::ToLeg(Party::Caller, LegCommand::Answer { body }));
            }
            LegEvent::Failed(cause) => {
                out.push(Action::ToLeg(Party::Caller, LegCommand::End(cause.clone())));
                self.end(EndedBy::Callee, cause, now, out);
            }
            LegEvent::Redirected(_) => {
                // Following a 302 is an operation of its own; without it the
                // caller hears that the callee is not here.
                let cause = Cause::code(480);
                out.push(Action::ToLeg(Party::Caller, LegCommand::End(cause.clone())));
                self.end(EndedBy::Callee, cause, now, out);
            }
            LegEvent::Ended(cause) => {
                out.push(Action::ToLeg(party.other(), LegCommand::End(cause.clone())));
                self.end(party.ended_by(), cause, now, out);
            }
            LegEvent::Update { offer, direction } => {
                self.on_update(party, offer, direction, out);
            }
            LegEvent::Updated { body } => self.on_updated(party, body, out),
            LegEvent::UpdateFailed(cause) => self.on_update_failed(party, cause, out),
            LegEvent::Info { .. } => {
                out.push(Action::ToLeg(party, LegCommand::AnswerInfo(Cause::code(481))))
            }
            // Meaningless before the call is answered.
            LegEvent::Confirmed { .. } | LegEvent::InfoDone(_) => {}
        }
    }

    fn on_connected(&mut self, party: Party, event: LegEvent, now: Instant, out: &mut Vec<Action>) {
        let other = party.other();
        match event {
            LegEvent::Confirmed { body, direction } => {
                out.push(Action::ToLeg(other, LegCommand::Confirm { body }));
                self.on_direction(party, direction, out);
            }
            LegEvent::Update { offer, direction } => {
                self.on_update(party, offer, direction, out);
            }
            LegEvent::Updated { body } => self.on_updated(party, body, out),
            LegEvent::UpdateFailed(cause) => self.on_update_failed(party, cause, out),
            LegEvent::ProgressConfirmed { body } => {
                out.push(Action::ToLeg(other, LegCommand::ConfirmProgress { body }));
            }
            LegEvent::Info { kind, body, headers } => {
                out.push(Action::ToLeg(other, LegCommand::Info { kind, body, headers }));
            }
            LegEvent::InfoDone(cause) => {
                out.push(Action::ToLeg(other, LegCommand::AnswerInfo(cause)))
            }
            LegEvent::Ended(cause) | LegEvent::Failed(cause) => {
                let passed = Cause { code: 200, ..cause.clone() };
                out.push(Action::ToLeg(other, LegCommand::End(passed)));
                self.end(party.ended_by(), cause, now, out);
            }
            // A second answer or late progress changes nothing.
            LegEvent::Progress { .. } | LegEvent::Answered { .. } | LegEvent::Redirected(_) => {}
        }
    }

    fn on_update(
        &mut self,
        party: Party,
        offer: Option<Body>,
        direction: Option<Direction>,
        out: &mut Vec<Action>,
    ) {
        if self.updating.is_some() || self.state == State::Routing {
            out.push(Action::ToLeg(party, LegCommand::RefuseUpdate(Cause::code(491))));
            return;
        }
        self.updating = Some(party);
        self.proposed = direction;
        out.push(Action::ToLeg(party.other(), LegCommand::Update { offer }));
    }

    fn on_updated(&mut self, party: Party, body: Option<Body>, out: &mut Vec<Action>) {
        let other = party.other();
        if self.updating == Some(other) {
            self.updating = None;
            self.updates += 1;
            out.push(Action::ToLeg(other, LegCommand::AcceptUpdate { body }));
            let proposed = self.proposed.take();
            self.on_direction(other, proposed, out);
        }
    }

    fn on_update_failed(&mut self, party: Party, cause: Cause, out: &mut Vec<Action>) {
        let other = party.other();
        if self.updating == Some(other) {
            self.updating = None;
            self.proposed = None;
            out.push(Action::ToLeg(other, LegCommand::RefuseUpdate(cause)));
        }
    }

    /// Whether one of them has put the other on hold.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.media.into_iter().any(Direction::holds)
    }

    /// What a party wants with its media is agreed: hold, the end of it, or neither.
    fn on_direction(&mut self, party: Party, wants: Option<Direction>, out: &mut Vec<Action>) {
        let Some(wants) = wants.filter(|_| self.state == State::Connected) else { return };
        let [caller, callee] = &mut self.media;
        let (own, other) = match party {
            Party::Caller => (caller, callee),
            Party::Callee => (callee, caller),
        };
        // Who was told that nothing goes either way says so again when it refreshes.
        let repeats = wants == Direction::Neither && *other == Direction::Neither;
        if repeats && !own.holds() {
            return;
        }
        let before = core::mem::replace(own, wants);
        match (before.holds(), wants.holds()) {
            (false, true) => out.push(Action::Held(party)),
            (true, false) => out.push(Action::Retrieved(party)),
            (false, false) | (true, true) => {}
        }
    }

    fn end(&mut self, ended_by: EndedBy, cause: Cause, now: Instant, out: &mut Vec<Action>) {
        self.state = State::Ended;
        let result = match (self.answered_after, cause.code) {
            (Some(_), _) => CallResult::Answered,
            (None, 486 | 600) => CallResult::Busy,
            (None, 480 | 487 | 408) if self.rang_after.is_some() => CallResult::NoAnswer,
            (None, _) => CallResult::Failed,
        };
        out.push(Action::Ended(Box::new(CallRecord {
            uuid: self.uuid,
            conn_id: self.conn_id,
            caller: self.caller.clone(),
            dialled: self.dialled.clone(),
            destination: self.destination.clone(),
            trunk: self.trunk.clone(),
            started: self.started_wall,
            rang_after: self.rang_after,
            answered_after: self.answered_after,
            ended_after: self.age(now),
            result,
            ended_by,
            cause,
            updates: self.updates,
        })));
    }
}
