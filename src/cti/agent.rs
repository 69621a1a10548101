//! The agent at a DN (`genesys/tlib.md` 7, `genesys/sip-server.md` 3).
//!
//! ```text
//!                 TAgentLogin                 business call ends, wrap-up-time
//!   logged out ───────────────▶ ready ◀──▶ not ready          │
//!        ▲                        ▲                           ▼
//!        │ logout, disconnect,    │ legal-guard-time   after-call work
//!        │ out of service, idle   └──────────────────────── (a pause)
//! ```
//!
//! What the agent has chosen is the *mode*; after-call work and the legal guard are
//! *pauses* before it: the world sees the pause, and the mode again when it is over.

use super::refusal::Refusal;
use super::tlib::{AgentWorkMode, ErrorCode, KvList, KvPair};
use crate::base::id::{CallUuid, Ids};
use crate::base::outbox::Outbox;
use crate::base::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// Key of the reason that after-call work was asked for by hand, with its seconds.
pub const MANUAL_ACW: &str = "ManualSetACWPeriod";
/// Extension with the seconds of after-call work.
pub const WRAP_UP_TIME: &str = "WrapUpTime";

/// Reasons that after-call work keeps when it is extended.
const REASONS_MAX: usize = 256;

/// State that follows a login, `emulated-login-state`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoginState {
    /// Ready.
    Ready,
    /// Not ready.
    #[default]
    NotReady,
    /// By the work mode of the request: ready for ManualIn and AutoIn.
    SetByClient,
}

/// What happens to an agent who does not answer, `agent-no-answer-action`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NoAnswerAction {
    /// Nothing.
    #[default]
    None,
    /// Not ready.
    NotReady,
    /// Logged out.
    Logout,
}

/// Options of the application that concern agents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `emulated-login-state`.
    pub login_state: LoginState,
    /// `wrap-up-time`; zero is off.
    pub wrap_up: Duration,
    /// `legal-guard-time`; zero is off.
    pub legal_guard: Duration,
    /// `timed-acw-in-idle`.
    pub timed_acw_in_idle: bool,
    /// `acw-in-idle-force-ready`.
    pub acw_in_idle_force_ready: bool,
    /// `acw-persistent-reasons`.
    pub acw_persistent_reasons: bool,
    /// `auto-logout-timeout`; zero is off.
    pub auto_logout: Duration,
    /// `auto-logout-ready`.
    pub auto_logout_ready: bool,
    /// `logout-on-out-of-service`.
    pub logout_on_out_of_service: bool,
    /// `set-notready-on-busy`.
    pub set_notready_on_busy: bool,
}

/// What a login asks for itself, by Extensions; the application's options hold for the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// `wrap-up-time`; zero is off.
    pub wrap_up: Option<Duration>,
    /// `legal-guard-time`; zero is off.
    pub legal_guard: Option<Duration>,
}

impl Own {
    fn over(self, options: &Options) -> Options {
        Options {
            wrap_up: self.wrap_up.unwrap_or(options.wrap_up),
            legal_guard: self.legal_guard.unwrap_or(options.legal_guard),
            ..options.clone()
        }
    }
}

/// What a client asks of an agent's state.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// TAgentLogin; the person is known and may log in.
    Login {
        /// AgentID.
        agent_id: Box<str>,
        /// AgentWorkMode.
        work_mode: Option<AgentWorkMode>,
        /// Reasons of the client.
        reasons: KvList,
        /// What holds as long as he is logged in.
        own: Own,
    },
    /// TAgentLogout.
    Logout {
        /// Reasons of the client.
        reasons: KvList,
    },
    /// TAgentSetReady.
    Ready {
        /// AgentWorkMode.
        work_mode: Option<AgentWorkMode>,
        /// Reasons of the client.
        reasons: KvList,
    },
    /// TAgentSetNotReady.
    NotReady {
        /// AgentWorkMode.
        work_mode: Option<AgentWorkMode>,
        /// Reasons of the client.
        reasons: KvList,
        /// Extension `WrapUpTime`: zero lets after-call work last until it is ended.
        wrap_up: Option<Duration>,
    },
}

/// What happens to an agent without being asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A call at the DN was answered.
    CallBegun {
        /// Whether it counts as business.
        is_business: bool,
    },
    /// That call is over.
    CallEnded {
        /// Whether it counted as business.
        is_business: bool,
        /// The call's own after-call work, from an extension.
        wrap_up: Option<Duration>,
        /// The call's own legal guard time, from an extension.
        legal_guard: Option<Duration>,
    },
    /// A call that rang was not answered in time.
    NoAnswer(NoAnswerAction),
    /// The phone refused a call as busy.
    Busy,
    /// The client that logged the agent in is gone and `logout-on-disconnect` is on.
    ClientLost,
    /// The DN is out of service.
    OutOfService,
    /// A deadline may have come.
    Wake,
}

/// What became of the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// EventAgentLogin.
    Login,
    /// EventAgentLogout.
    Logout,
    /// EventAgentReady.
    Ready,
    /// EventAgentNotReady.
    NotReady,
}

/// What the world is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Which event.
    pub what: What,
    /// AgentID.
    pub agent_id: Box<str>,
    /// AgentSessionID.
    pub session: CallUuid,
    /// AgentWorkMode.
    pub work_mode: AgentWorkMode,
    /// Reasons.
    pub reasons: KvList,
    /// Seconds of after-call work, where there is an end to it.
    pub wrap_up: Option<Duration>,
}

/// What the machine wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// An event.
    Tell(Told),
    /// A [`Event::Wake`] at that time.
    Arm(Instant),
}

/// What a turn of the machine is given.
#[derive(Debug)]
pub struct Cx<'a> {
    /// The time.
    pub now: Instant,
    /// Where session ids come from.
    pub ids: &'a mut Ids,
    /// Options in force.
    pub options: &'a Options,
    /// Where actions go.
    pub out: &'a mut Outbox<Action>,
}

/// What an agent has chosen.
#[derive(Clone, Debug, PartialEq)]
struct Mode {
    is_ready: bool,
    work_mode: AgentWorkMode,
    reasons: KvList,
}

#[derive(Clone, Debug, PartialEq)]
enum Pause {
    AfterCallWork {
        /// When it is over by itself.
        until: Option<Instant>,
        /// Asked for while no call was up.
        is_in_idle: bool,
        /// Asked for during a call, to begin with its end; its own length.
        pending: Option<Option<Duration>>,
        legal_guard: Duration,
        reasons: KvList,
    },
    LegalGuard {
        until: Instant,
    },
}

#[derive(Clone, Debug)]
struct Session {
    agent_id: Box<str>,
    id: CallUuid,
    mode: Mode,
    pause: Option<Pause>,
    business_calls: u32,
    calls: u32,
    own: Own,
    /// When the agent or a call last did something.
    active: Instant,
}

/// An agent as he was where the DN was owned before.
#[derive(Clone, Debug, PartialEq)]
pub struct Former {
    /// AgentID.
    pub agent_id: Box<str>,
    /// Ready, pauses apart.
    pub is_ready: bool,
    /// AgentWorkMode as last told.
    pub work_mode: AgentWorkMode,
    /// Reasons as last told.
    pub reasons: KvList,
    /// What his login has asked for.
    pub own: Own,
}

/// How an agent is, for who asks.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// AgentID.
    pub agent_id: Box<str>,
    /// AgentSessionID.
    pub session: CallUuid,
    /// Ready, pauses apart.
    pub is_ready: bool,
    /// AgentWorkMode as last told.
    pub work_mode: AgentWorkMode,
    /// Reasons as last told.
    pub reasons: KvList,
}

impl Status {
    /// Whether the agent has asked for after-call work, which nobody can restore (guide,
    /// `agent-state-auto-restore`).
    #[must_use]
    pub fn is_manual_acw(&self) -> bool {
        self.is_after_call_work() || self.reasons.find(MANUAL_ACW).is_some()
    }

    /// Whether the agent is in after-call work.
    #[must_use]
    pub fn is_after_call_work(&self) -> bool {
        self.work_mode == AgentWorkMode::AfterCallWork
    }
}

/// The agent at one DN, if there is one.
#[derive(Clone, Debug, Default)]
pub struct Agent {
    session: Option<Session>,
}

impl Agent {
    /// How the agent is; `None` when nobody is logged in.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        self.session.as_ref().map(Session::status)
    }

    /// What the login has asked for.
    #[must_use]
    pub fn own(&self) -> Own {
        self.session.as_ref().map(|session| session.own).unwrap_or_default()
    }

    /// Whether the agent is in the legal guard, after which he is ready.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        let pause = self.session.as_ref().and_then(|session| session.pause.as_ref());
        matches!(pause, Some(Pause::LegalGuard { .. }))
    }

    /// AgentID of who is logged in.
    #[must_use]
    pub fn agent_id(&self) -> Option<&str> {
        self.session.as_ref().map(|session| &*session.agent_id)
    }

    /// Works on a request; exactly one event at least is told unless it is refused.
    ///
    /// # Errors
    /// When the state does not allow it.
    pub fn on_request(&mut self, request: Request, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        if let Request::Login { agent_id, work_mode, reasons, own } = request {
            return self.login(agent_id, work_mode, reasons, own, cx);
        }
        let Some(session) = &mut self.session else {
            return Err(Refusal::new(ErrorCode::ErrorAgentLoggedOff, "no agent is logged in"));
        };
        let own = (session.own != Own::default()).then(|| session.own.over(cx.options));
        let options = own.as_ref().unwrap_or(cx.options);
        let cx = &mut Cx { now: cx.now, ids: cx.ids, options, out: cx.out };
        session.active = cx.now;
        match request {
            Request::Login { .. } => {}
            Request::Logout { reasons } => self.logout(reasons, cx),
            Request::Ready { work_mode, reasons } => session.set_ready(work_mode, reasons, cx)?,
            Request::NotReady { work_mode, reasons, wrap_up } => {
                session.set_not_ready(work_mode, reasons, wrap_up, cx)?;
            }
        }
        self.arm(cx);
        Ok(())
    }

    /// Takes what has happened.
    pub fn on(&mut self, event: Event, cx: &mut Cx<'_>) {
        let Some(session) = &mut self.session else { return };
        let own = (session.own != Own::default()).then(|| session.own.over(cx.options));
        let options = own.as_ref().unwrap_or(cx.options);
        let cx = &mut Cx { now: cx.now, ids: cx.ids, options, out: cx.out };
        match event {
            Event::CallBegun { is_business } => session.call_begun(is_business, cx),
            Event::CallEnded { is_business, wrap_up, legal_guard } => {
                session.call_ended(is_business, wrap_up, legal_guard, cx);
            }
            Event::NoAnswer(NoAnswerAction::None) => {}
            Event::NoAnswer(NoAnswerAction::NotReady) => session.put_not_ready(cx),
            Event::Busy if cx.options.set_notready_on_busy => session.put_not_ready(cx),
            Event::Busy => {}
            Event::OutOfService if !cx.options.logout_on_out_of_service => {}
            Event::NoAnswer(NoAnswerAction::Logout) | Event::ClientLost | Event::OutOfService => {
                self.logout(KvList::default(), cx);
            }
            Event::Wake => self.wake(cx),
        }
        self.arm(cx);
    }

    fn login(
        &mut self,
        agent_id: Box<str>,
        work_mode: Option<AgentWorkMode>,
        reasons: KvList,
        own: Own,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        if let Some(session) = &self.session {
            return Err(if session.agent_id == agent_id {
                Refusal::new(ErrorCode::ErrorAlreadyInState, "the agent is logged in here already")
            } else {
                Refusal::new(ErrorCode::ErrorResourceSeized, "another agent is logged in here")
            });
        }
        let asked = work_mode.unwrap_or(AgentWorkMode::Unknown);
        let is_ready = match cx.options.login_state {
            LoginState::Ready => true,
            LoginState::NotReady => false,
            LoginState::SetByClient => {
                matches!(asked, AgentWorkMode::ManualIn | AgentWorkMode::AutoIn)
            }
        };
        let mode = Mode { is_ready, work_mode: asked, reasons: reasons.clone() };
        self.begin(agent_id, mode, reasons, own, cx);
        Ok(())
    }

    /// Begins a session, for those reasons.
    fn begin(
        &mut self,
        agent_id: Box<str>,
        mode: Mode,
        reasons: KvList,
        own: Own,
        cx: &mut Cx<'_>,
    ) {
        let work_mode = mode.work_mode;
        let session = Session {
            agent_id,
            id: cx.ids.call_uuid(),
            mode,
            pause: None,
            business_calls: 0,
            calls: 0,
            own,
            active: cx.now,
        };
        session.tell(What::Login, work_mode, reasons, None, cx);
        session.tell_mode(cx);
        self.session = Some(session);
        self.arm(cx);
    }

    /// Logs an agent in as he was where the DN was owned before, in a session of its own
    /// (`agent-state-auto-restore`).
    pub fn restore(&mut self, was: Former, cx: &mut Cx<'_>) {
        if self.session.is_some() {
            return;
        }
        let Former { agent_id, is_ready, work_mode, reasons, own } = was;
        let mode = Mode { is_ready, work_mode, reasons };
        self.begin(agent_id, mode, KvList::default(), own, cx);
    }

    fn logout(&mut self, reasons: KvList, cx: &mut Cx<'_>) {
        if let Some(session) = self.session.take() {
            session.tell(What::Logout, AgentWorkMode::Unknown, reasons, None, cx);
        }
    }

    fn wake(&mut self, cx: &mut Cx<'_>) {
        let Some(session) = &mut self.session else { return };
        if session.idle_until(cx.options).is_some_and(|until| until <= cx.now) {
            return self.logout(KvList::default(), cx);
        }
        session.end_pause_in_time(cx);
    }

    /// Asks for a turn at the next deadline.
    fn arm(&self, cx: &mut Cx<'_>) {
        let Some(session) = &self.session else { return };
        let deadlines = [session.pause_until(), session.idle_until(cx.options)];
        if let Some(at) = deadlines.into_iter().flatten().min() {
            cx.out.push(Action::Arm(at));
        }
    }
}

impl Session {
    fn tell(
        &self,
        what: What,
        work_mode: AgentWorkMode,
        reasons: KvList,
        wrap_up: Option<Duration>,
        cx: &mut Cx<'_>,
    ) {
        cx.out.push(Action::Tell(Told {
            what,
            agent_id: self.agent_id.clone(),
            session: self.id,
            work_mode,
            reasons,
            wrap_up,
        }));
    }

    fn tell_mode(&self, cx: &mut Cx<'_>) {
        let Mode { is_ready, work_mode, reasons } = self.mode.clone();
        let what = if is_ready { What::Ready } else { What::NotReady };
        self.tell(what, work_mode, reasons, None, cx);
    }

    fn tell_pause(&self, cx: &mut Cx<'_>) {
        match &self.pause {
            Some(Pause::AfterCallWork { until, reasons, .. }) => {
                let wrap_up = until.map(|until| until.since(cx.now));
                let mode = AgentWorkMode::AfterCallWork;
                self.tell(What::NotReady, mode, reasons.clone(), wrap_up, cx);
            }
            Some(Pause::LegalGuard { .. }) => {
                // The same value stands for the legal guard here (`genesys/tlib.md` 5).
                self.tell(What::NotReady, AgentWorkMode::AutoIn, KvList::default(), None, cx);
            }
            None => {}
        }
    }

    fn status(&self) -> Status {
        let (is_ready, work_mode, reasons) = match &self.pause {
            Some(Pause::AfterCallWork { reasons, .. }) => {
                (false, AgentWorkMode::AfterCallWork, reasons.clone())
            }
            Some(Pause::LegalGuard { .. }) => (false, AgentWorkMode::AutoIn, KvList::default()),
            None => (self.mode.is_ready, self.mode.work_mode, self.mode.reasons.clone()),
        };
        Status { agent_id: self.agent_id.clone(), session: self.id, is_ready, work_mode, reasons }
    }

    fn pause_until(&self) -> Option<Instant> {
        match &self.pause {
            Some(Pause::AfterCallWork { until, .. }) => *until,
            Some(Pause::LegalGuard { until }) => Some(*until),
            None => None,
        }
    }

    /// When the agent has been idle for too long; never during a call.
    fn idle_until(&self, options: &Options) -> Option<Instant> {
        let counts = options.auto_logout_ready || self.pause.is_none() && !self.mode.is_ready;
        let is_on = options.auto_logout > Duration::ZERO && counts && self.calls == 0;
        is_on.then(|| self.active + options.auto_logout)
    }

    fn set_ready(
        &mut self,
        work_mode: Option<AgentWorkMode>,
        reasons: KvList,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let work_mode = work_mode.unwrap_or(AgentWorkMode::Unknown);
        let mode = Mode { is_ready: true, work_mode, reasons };
        match &self.pause {
            Some(Pause::LegalGuard { until }) => {
                let left = until.since(cx.now).as_millis();
                let text = format!("the legal guard time lasts {left} ms more");
                return Err(Refusal::new(ErrorCode::ErrorWrongState, text));
            }
            Some(Pause::AfterCallWork { legal_guard, .. }) => {
                // During a call the guard waits for its end.
                let is_over = self.business_calls == 0;
                let legal_guard = if is_over { *legal_guard } else { Duration::ZERO };
                self.mode = mode;
                self.guard_or_go_on(legal_guard, cx);
            }
            None if self.mode == mode => {
                let text = "the agent is ready already";
                return Err(Refusal::new(ErrorCode::ErrorAlreadyInState, text));
            }
            None => {
                self.mode = mode;
                self.tell_mode(cx);
            }
        }
        Ok(())
    }

    fn set_not_ready(
        &mut self,
        work_mode: Option<AgentWorkMode>,
        reasons: KvList,
        wrap_up: Option<Duration>,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let work_mode = work_mode.unwrap_or(AgentWorkMode::Unknown);
        if work_mode == AgentWorkMode::AfterCallWork {
            self.ask_for_after_call_work(reasons, wrap_up, cx);
            return Ok(());
        }
        let mode = Mode { is_ready: false, work_mode, reasons };
        if self.pause.is_none() && self.mode == mode {
            let text = "the agent is not ready already, in this work mode and for these reasons";
            return Err(Refusal::new(ErrorCode::ErrorAlreadyInState, text));
        }
        self.pause = None;
        self.mode = mode;
        self.tell_mode(cx);
        Ok(())
    }

    /// After-call work by hand: at once when no business call is up, else counted from
    /// its end; what runs already is extended.
    fn ask_for_after_call_work(
        &mut self,
        reasons: KvList,
        asked: Option<Duration>,
        cx: &mut Cx<'_>,
    ) {
        let is_during_call = self.business_calls > 0;
        let (is_in_idle, legal_guard, old_reasons) = match self.pause.take() {
            Some(Pause::AfterCallWork { is_in_idle, legal_guard, reasons, .. }) => {
                (is_in_idle, legal_guard, reasons)
            }
            Some(Pause::LegalGuard { .. }) => (false, cx.options.legal_guard, KvList::default()),
            None if is_during_call => (false, cx.options.legal_guard, KvList::default()),
            None => (true, Duration::ZERO, KvList::default()),
        };
        let is_timed = !is_in_idle || cx.options.timed_acw_in_idle;
        let span = asked.unwrap_or(if is_timed { cx.options.wrap_up } else { Duration::ZERO });
        let runs = !is_during_call && span > Duration::ZERO;
        let mut told =
            if cx.options.acw_persistent_reasons { old_reasons } else { KvList::default() };
        if told.pairs.len() + reasons.pairs.len() > REASONS_MAX {
            told = KvList::default();
        }
        told.update(&reasons);
        let seconds = i32::try_from(span.as_secs()).unwrap_or(i32::MAX);
        told.update(&vec![KvPair::integer(MANUAL_ACW, seconds)].into());
        self.pause = Some(Pause::AfterCallWork {
            until: runs.then(|| cx.now + span),
            is_in_idle,
            pending: is_during_call.then_some(asked),
            legal_guard,
            reasons: told,
        });
        self.tell_pause(cx);
    }

    /// Not ready without being asked: no answer, busy.
    fn put_not_ready(&mut self, cx: &mut Cx<'_>) {
        let is_so = self.pause.is_none() && !self.mode.is_ready;
        if !is_so {
            self.active = cx.now;
            self.pause = None;
            let work_mode = AgentWorkMode::Unknown;
            self.mode = Mode { is_ready: false, work_mode, reasons: KvList::default() };
            self.tell_mode(cx);
        }
    }

    fn call_begun(&mut self, is_business: bool, cx: &mut Cx<'_>) {
        self.active = cx.now;
        self.calls += 1;
        if is_business {
            self.business_calls += 1;
            // The new call brings after-call work of its own.
            if let Some(Pause::AfterCallWork { until, .. }) = &mut self.pause {
                *until = None;
            }
        }
    }

    fn call_ended(
        &mut self,
        is_business: bool,
        wrap_up: Option<Duration>,
        legal_guard: Option<Duration>,
        cx: &mut Cx<'_>,
    ) {
        self.active = cx.now;
        self.calls = self.calls.saturating_sub(1);
        if !is_business {
            return;
        }
        self.business_calls = self.business_calls.saturating_sub(1);
        if self.business_calls > 0 {
            return;
        }
        let legal_guard = legal_guard.unwrap_or(cx.options.legal_guard);
        let had_pause = self.pause.is_some();
        let (asked, reasons) = match self.pause.take() {
            Some(Pause::AfterCallWork { pending, reasons, .. }) => (pending, reasons),
            Some(Pause::LegalGuard { .. }) | None => (None, KvList::default()),
        };
        let span = asked.flatten().or(wrap_up).unwrap_or(cx.options.wrap_up);
        if span == Duration::ZERO && asked.is_none() {
            // A pause that the call has cut short is over, and everybody hears so.
            return if had_pause {
                self.guard_or_go_on(legal_guard, cx);
            } else {
                self.guard_after_call(legal_guard, cx);
            };
        }
        self.pause = Some(Pause::AfterCallWork {
            until: (span > Duration::ZERO).then(|| cx.now + span),
            is_in_idle: false,
            pending: None,
            legal_guard,
            reasons,
        });
        self.tell_pause(cx);
    }

    /// The legal guard right after a call, without after-call work: nothing is told
    /// when there is none.
    fn guard_after_call(&mut self, legal_guard: Duration, cx: &mut Cx<'_>) {
        if legal_guard > Duration::ZERO && self.mode.is_ready {
            self.guard_or_go_on(legal_guard, cx);
        }
    }

    /// Ends a pause: the legal guard stands before Ready.
    fn guard_or_go_on(&mut self, legal_guard: Duration, cx: &mut Cx<'_>) {
        if legal_guard > Duration::ZERO && self.mode.is_ready {
            self.pause = Some(Pause::LegalGuard { until: cx.now + legal_guard });
            self.tell_pause(cx);
        } else {
            self.pause = None;
            self.tell_mode(cx);
        }
    }

    fn end_pause_in_time(&mut self, cx: &mut Cx<'_>) {
        if self.pause_until().is_none_or(|until| until > cx.now) {
            return;
        }
        self.active = cx.now;
        match self.pause.take() {
            Some(Pause::AfterCallWork { is_in_idle, legal_guard, .. }) => {
                if is_in_idle && cx.options.acw_in_idle_force_ready && !self.mode.is_ready {
                    let work_mode = AgentWorkMode::Unknown;
                    self.mode = Mode { is_ready: true, work_mode, reasons: KvList::default() };
                }
                self.guard_or_go_on(legal_guard, cx);
            }
            Some(Pause::LegalGuard { .. }) => self.tell_mode(cx),
            None => {}
        }
    }
}
