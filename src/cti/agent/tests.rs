//! The agent's machine, stepped by hand.

use super::*;

const AGENT: &str = "alice";

struct Desk {
    agent: Agent,
    options: Options,
    ids: Ids,
    now: Instant,
    out: Outbox<Action>,
    armed: Option<Instant>,
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn reasons(key: &str) -> KvList {
    vec![KvPair::text(key, "1")].into()
}

impl Desk {
    fn new(options: Options) -> Self {
        Self {
            agent: Agent::default(),
            options,
            ids: Ids::new(1),
            now: Instant(0) + s(100),
            out: Outbox::new(16),
            armed: None,
        }
    }

    fn logged_in(options: Options) -> Self {
        let mut desk = Self::new(options);
        assert!(desk.login(AGENT, None).is_ok());
        desk
    }

    fn told(&mut self) -> Vec<Told> {
        self.armed = None;
        let mut told = Vec::new();
        for action in self.out.drain() {
            match action {
                Action::Tell(one) => told.push(one),
                Action::Arm(at) => self.armed = Some(at),
            }
        }
        told
    }

    /// Which events, with their work modes.
    fn seen(&mut self) -> Vec<(What, AgentWorkMode)> {
        self.told().into_iter().map(|told| (told.what, told.work_mode)).collect()
    }

    fn ask(&mut self, request: Request) -> Result<Vec<(What, AgentWorkMode)>, ErrorCode> {
        let (now, ids, options, out) = (self.now, &mut self.ids, &self.options, &mut self.out);
        let result = self.agent.on_request(request, &mut Cx { now, ids, options, out });
        let seen = self.seen();
        match result {
            Ok(()) => Ok(seen),
            Err(refusal) => {
                assert!(seen.is_empty(), "a refused request tells nothing: {seen:?}");
                Err(refusal.code)
            }
        }
    }

    fn login(
        &mut self,
        agent_id: &str,
        work_mode: Option<AgentWorkMode>,
    ) -> Result<Vec<(What, AgentWorkMode)>, ErrorCode> {
        let reasons = KvList::default();
        self.ask(Request::Login {
            agent_id: agent_id.into(),
            work_mode,
            reasons,
            own: Own::default(),
        })
    }

    fn ready(&mut self) -> Result<Vec<(What, AgentWorkMode)>, ErrorCode> {
        let work_mode = Some(AgentWorkMode::ManualIn);
        self.ask(Request::Ready { work_mode, reasons: KvList::default() })
    }

    fn not_ready(
        &mut self,
        work_mode: AgentWorkMode,
        wrap_up: Option<Duration>,
    ) -> Result<Vec<(What, AgentWorkMode)>, ErrorCode> {
        let reasons = KvList::default();
        self.ask(Request::NotReady { work_mode: Some(work_mode), reasons, wrap_up })
    }

    fn on(&mut self, event: Event) -> Vec<(What, AgentWorkMode)> {
        let (now, ids, options, out) = (self.now, &mut self.ids, &self.options, &mut self.out);
        self.agent.on(event, &mut Cx { now, ids, options, out });
        self.seen()
    }

    /// Lets time pass and wakes the machine, as armed or not.
    fn after(&mut self, seconds: u64) -> Vec<(What, AgentWorkMode)> {
        self.now = self.now + s(seconds);
        self.on(Event::Wake)
    }

    fn business_call(&mut self) -> Vec<(What, AgentWorkMode)> {
        assert_eq!(self.on(Event::CallBegun { is_business: true }), []);
        self.on(ended())
    }
}

const fn ended() -> Event {
    Event::CallEnded { is_business: true, wrap_up: None, legal_guard: None }
}

const LOGIN: (What, AgentWorkMode) = (What::Login, AgentWorkMode::Unknown);
const LOGOUT: (What, AgentWorkMode) = (What::Logout, AgentWorkMode::Unknown);
const READY: (What, AgentWorkMode) = (What::Ready, AgentWorkMode::ManualIn);
const ACW: (What, AgentWorkMode) = (What::NotReady, AgentWorkMode::AfterCallWork);
const GUARD: (What, AgentWorkMode) = (What::NotReady, AgentWorkMode::AutoIn);
const AUX: (What, AgentWorkMode) = (What::NotReady, AgentWorkMode::AuxWork);
const NOT_READY: (What, AgentWorkMode) = (What::NotReady, AgentWorkMode::Unknown);

#[test]
fn the_state_after_a_login_is_the_options() {
    let by_client = [
        (None, What::NotReady),
        (Some(AgentWorkMode::AuxWork), What::NotReady),
        (Some(AgentWorkMode::ManualIn), What::Ready),
        (Some(AgentWorkMode::AutoIn), What::Ready),
    ];
    for (work_mode, then) in by_client {
        for (login_state, then) in [
            (LoginState::Ready, What::Ready),
            (LoginState::NotReady, What::NotReady),
            (LoginState::SetByClient, then),
        ] {
            let mut desk = Desk::new(Options { login_state, ..Options::default() });
            let seen = desk.login(AGENT, work_mode).expect("nobody is here");
            let mode = work_mode.unwrap_or(AgentWorkMode::Unknown);
            assert_eq!(seen, [(What::Login, mode), (then, mode)], "{login_state:?}");
        }
    }
}

#[test]
fn a_session_has_one_id_and_the_next_another() {
    let mut desk = Desk::logged_in(Options::default());
    let first = desk.agent.status().expect("logged in").session;
    desk.ready().expect("not ready before");
    assert_eq!(desk.agent.status().expect("logged in").session, first);
    assert_eq!(desk.ask(Request::Logout { reasons: reasons("home") }), Ok(vec![LOGOUT]));
    assert_eq!(desk.agent.status(), None);
    desk.login(AGENT, None).expect("logged out before");
    assert_ne!(desk.agent.status().expect("logged in").session, first);
}

#[test]
fn what_the_state_does_not_allow_is_refused() {
    let mut desk = Desk::new(Options::default());
    for request in [
        Request::Logout { reasons: KvList::default() },
        Request::Ready { work_mode: None, reasons: KvList::default() },
        Request::NotReady { work_mode: None, reasons: KvList::default(), wrap_up: None },
    ] {
        assert_eq!(desk.ask(request), Err(ErrorCode::ErrorAgentLoggedOff));
    }
    desk.login(AGENT, None).expect("nobody is here");
    assert_eq!(desk.login(AGENT, None), Err(ErrorCode::ErrorAlreadyInState));
    assert_eq!(desk.login("bob", None), Err(ErrorCode::ErrorResourceSeized));
    assert_eq!(desk.ready(), Ok(vec![READY]));
    assert_eq!(desk.ready(), Err(ErrorCode::ErrorAlreadyInState));
    assert_eq!(desk.not_ready(AgentWorkMode::AuxWork, None), Ok(vec![AUX]));
    assert_eq!(desk.not_ready(AgentWorkMode::AuxWork, None), Err(ErrorCode::ErrorAlreadyInState));
    let other = Request::NotReady {
        work_mode: Some(AgentWorkMode::AuxWork),
        reasons: reasons("lunch"),
        wrap_up: None,
    };
    assert_eq!(desk.ask(other.clone()), Ok(vec![AUX]), "for another reason");
    assert_eq!(desk.ask(other), Err(ErrorCode::ErrorAlreadyInState));
}

#[test]
fn after_call_work_follows_a_business_call_and_ends_in_the_mode_of_before() {
    let mut desk = Desk::logged_in(Options { wrap_up: s(10), ..Options::default() });
    assert_eq!(desk.business_call(), [ACW], "of not ready too");
    assert_eq!(desk.armed, Some(desk.now + s(10)));
    assert_eq!(desk.after(9), []);
    assert_eq!(desk.after(1), [NOT_READY]);
    desk.ready().expect("not ready before");
    assert_eq!(desk.on(Event::CallBegun { is_business: false }), []);
    let private = Event::CallEnded { is_business: false, wrap_up: Some(s(5)), legal_guard: None };
    assert_eq!(desk.on(private), [], "no business");
    assert_eq!(desk.business_call(), [ACW]);
    assert_eq!(desk.after(10), [READY]);
    assert_eq!(desk.after(10), []);
}

#[test]
fn after_call_work_waits_for_the_last_of_several_calls() {
    let mut desk = Desk::logged_in(Options { wrap_up: s(10), ..Options::default() });
    desk.ready().expect("not ready before");
    desk.on(Event::CallBegun { is_business: true });
    desk.on(Event::CallBegun { is_business: true });
    assert_eq!(desk.on(ended()), [], "another is up");
    assert_eq!(desk.on(ended()), [ACW]);
    desk.after(5);
    assert_eq!(desk.on(Event::CallBegun { is_business: true }), []);
    assert_eq!(desk.after(20), [], "a new call holds it up");
    assert_eq!(desk.on(ended()), [ACW]);
    assert_eq!(desk.after(10), [READY]);
}

#[test]
fn a_call_can_have_its_own_times() {
    let options = Options { wrap_up: s(10), legal_guard: s(3), ..Options::default() };
    let mut desk = Desk::logged_in(options);
    desk.ready().expect("not ready before");
    desk.on(Event::CallBegun { is_business: true });
    let own = Event::CallEnded { is_business: true, wrap_up: Some(s(2)), legal_guard: Some(s(0)) };
    assert_eq!(desk.on(own), [ACW]);
    assert_eq!(desk.after(2), [READY], "and no legal guard");
    desk.on(Event::CallBegun { is_business: true });
    let none = Event::CallEnded { is_business: true, wrap_up: Some(s(0)), legal_guard: None };
    assert_eq!(desk.on(none), [GUARD], "no after-call work, but the guard");
    assert_eq!(desk.after(3), [READY]);
}

/// What a login asks for stands in place of the options, and goes with it.
#[test]
fn a_login_may_have_times_of_its_own() {
    let options = Options { wrap_up: s(0), legal_guard: s(9), ..Options::default() };
    let mut desk = Desk::new(options);
    let own = Own { wrap_up: Some(s(5)), legal_guard: Some(s(2)) };
    let (work_mode, reasons) = (None, KvList::default());
    assert!(desk.ask(Request::Login { agent_id: AGENT.into(), work_mode, reasons, own }).is_ok());
    assert_eq!(desk.ready(), Ok(vec![READY]));
    assert_eq!(desk.business_call(), [ACW]);
    assert_eq!(desk.after(5), [GUARD]);
    assert!(desk.agent.is_guarded());
    assert_eq!(desk.after(2), [READY]);
    assert_eq!(desk.agent.own(), own);
    assert_eq!(desk.ask(Request::Logout { reasons: KvList::default() }), Ok(vec![LOGOUT]));
    assert!(desk.login(AGENT, None).is_ok());
    assert_eq!(desk.ready(), Ok(vec![READY]));
    assert_eq!(desk.business_call(), [GUARD], "as the options have it");
}

#[test]
fn the_legal_guard_stands_before_ready_only() {
    let options = Options { wrap_up: s(10), legal_guard: s(3), ..Options::default() };
    let mut desk = Desk::logged_in(options);
    assert_eq!(desk.business_call(), [ACW]);
    assert_eq!(desk.after(10), [NOT_READY], "no guard before not ready");
    assert_eq!(desk.business_call(), [ACW]);
    assert_eq!(desk.ready(), Ok(vec![GUARD]), "ready ends after-call work, not the guard");
    assert_eq!(desk.ready(), Err(ErrorCode::ErrorWrongState));
    assert_eq!(desk.after(3), [READY]);
    assert_eq!(desk.business_call(), [ACW]);
    assert_eq!(desk.after(10), [GUARD]);
    assert_eq!(desk.not_ready(AgentWorkMode::AuxWork, None), Ok(vec![AUX]), "ends the guard");
    assert_eq!(desk.after(60), []);
}

#[test]
fn after_call_work_by_hand() {
    for (timed, force, then) in [(true, true, What::Ready), (true, false, What::NotReady)] {
        let mut desk = Desk::logged_in(Options {
            wrap_up: s(10),
            legal_guard: s(3),
            timed_acw_in_idle: timed,
            acw_in_idle_force_ready: force,
            ..Options::default()
        });
        assert_eq!(desk.not_ready(AgentWorkMode::AfterCallWork, None), Ok(vec![ACW]));
        let status = desk.agent.status().expect("logged in");
        assert_eq!(status.reasons.number(MANUAL_ACW), Some(10));
        assert_eq!(desk.after(10), [(then, AgentWorkMode::Unknown)], "no guard after idle");
    }
    let mut desk = Desk::logged_in(Options { wrap_up: s(10), ..Options::default() });
    assert_eq!(desk.not_ready(AgentWorkMode::AfterCallWork, None), Ok(vec![ACW]));
    assert_eq!(desk.after(100), [], "not timed by option");
    assert_eq!(desk.not_ready(AgentWorkMode::AfterCallWork, Some(s(4))), Ok(vec![ACW]));
    assert_eq!(desk.after(4), [NOT_READY], "timed by the request");
}

#[test]
fn after_call_work_is_extended_with_or_without_its_reasons() {
    for keeps in [true, false] {
        let options =
            Options { wrap_up: s(10), acw_persistent_reasons: keeps, ..Options::default() };
        let mut desk = Desk::logged_in(options);
        desk.ready().expect("not ready before");
        desk.business_call();
        let extend = |key| Request::NotReady {
            work_mode: Some(AgentWorkMode::AfterCallWork),
            reasons: reasons(key),
            wrap_up: None,
        };
        assert_eq!(desk.ask(extend("notes")), Ok(vec![ACW]));
        desk.after(9);
        assert_eq!(desk.ask(extend("more")), Ok(vec![ACW]));
        let told = desk.agent.status().expect("logged in").reasons;
        assert_eq!(told.find("notes").is_some(), keeps);
        assert!(told.find("more").is_some());
        assert_eq!(desk.after(9), [], "counted anew");
        assert_eq!(desk.after(1), [READY]);
        desk.business_call();
        assert_eq!(desk.not_ready(AgentWorkMode::AfterCallWork, Some(s(0))), Ok(vec![ACW]));
        assert_eq!(desk.after(1_000), [], "until it is ended");
        assert_eq!(desk.ready(), Ok(vec![READY]));
    }
}

#[test]
fn after_call_work_asked_for_during_a_call_begins_with_its_end() {
    let mut desk = Desk::logged_in(Options::default());
    desk.ready().expect("not ready before");
    desk.on(Event::CallBegun { is_business: true });
    assert_eq!(desk.not_ready(AgentWorkMode::AfterCallWork, Some(s(5))), Ok(vec![ACW]));
    assert_eq!(desk.after(60), [], "the call goes on");
    assert_eq!(desk.on(ended()), [ACW]);
    assert_eq!(desk.after(5), [READY]);
    desk.on(Event::CallBegun { is_business: true });
    assert_eq!(desk.not_ready(AgentWorkMode::AfterCallWork, None), Ok(vec![ACW]));
    assert_eq!(desk.on(ended()), [ACW], "untimed where no time is set");
    assert_eq!(desk.after(1_000), []);
}

#[test]
fn no_answer_and_busy() {
    let mut desk = Desk::logged_in(Options { set_notready_on_busy: true, ..Options::default() });
    assert_eq!(desk.on(Event::Busy), [], "not ready is not told again");
    desk.ready().expect("not ready before");
    assert_eq!(desk.on(Event::NoAnswer(NoAnswerAction::None)), []);
    assert_eq!(desk.on(Event::NoAnswer(NoAnswerAction::NotReady)), [NOT_READY]);
    desk.ready().expect("not ready before");
    assert_eq!(desk.on(Event::Busy), [NOT_READY]);
    assert_eq!(desk.on(Event::NoAnswer(NoAnswerAction::Logout)), [LOGOUT]);
    assert_eq!(desk.on(Event::NoAnswer(NoAnswerAction::Logout)), [], "nobody is here");
    let mut desk = Desk::logged_in(Options::default());
    desk.ready().expect("not ready before");
    assert_eq!(desk.on(Event::Busy), [], "by option only");
}

#[test]
fn what_is_lost_logs_out_by_option() {
    for by_service in [false, true] {
        let options = Options { logout_on_out_of_service: by_service, ..Options::default() };
        let mut desk = Desk::logged_in(options);
        assert_eq!(desk.on(Event::OutOfService), if by_service { vec![LOGOUT] } else { vec![] });
    }
    let mut desk = Desk::logged_in(Options { wrap_up: s(10), ..Options::default() });
    desk.business_call();
    assert_eq!(desk.on(Event::ClientLost), [LOGOUT]);
    assert_eq!(desk.after(10), [], "after-call work went with the session");
    assert_eq!(desk.login(AGENT, None), Ok(vec![LOGIN, NOT_READY]));
}

#[test]
fn an_idle_agent_is_logged_out() {
    let options = Options { auto_logout: s(60), ..Options::default() };
    let mut desk = Desk::logged_in(options.clone());
    assert_eq!(desk.armed, Some(desk.now + s(60)));
    assert_eq!(desk.after(59), []);
    assert_eq!(desk.not_ready(AgentWorkMode::AuxWork, None), Ok(vec![AUX]), "a sign of life");
    desk.on(Event::CallBegun { is_business: false });
    assert_eq!(desk.after(600), [], "never during a call");
    let private = Event::CallEnded { is_business: false, wrap_up: None, legal_guard: None };
    desk.on(private);
    assert_eq!(desk.after(59), []);
    assert_eq!(desk.after(1), [LOGOUT]);

    let mut desk = Desk::logged_in(options.clone());
    desk.ready().expect("not ready before");
    assert_eq!(desk.after(600), [], "ready does not count");
    let mut desk = Desk::logged_in(Options { auto_logout_ready: true, ..options });
    desk.ready().expect("not ready before");
    assert_eq!(desk.after(60), [LOGOUT], "but by option");
}

#[test]
fn a_pause_that_a_call_cuts_short_is_told_to_be_over() {
    let mut desk = Desk::logged_in(Options { wrap_up: s(10), ..Options::default() });
    desk.ready().expect("not ready before");
    assert_eq!(desk.business_call(), [ACW]);
    desk.on(Event::CallBegun { is_business: true });
    let none = Event::CallEnded { is_business: true, wrap_up: Some(s(0)), legal_guard: None };
    assert_eq!(desk.on(none), [READY], "who saw after-call work begin sees it end");
}

#[test]
fn after_call_work_ended_during_a_call_leaves_the_guard_to_the_calls_end() {
    let options = Options { wrap_up: s(10), legal_guard: s(3), ..Options::default() };
    let mut desk = Desk::logged_in(options);
    desk.ready().expect("not ready before");
    assert_eq!(desk.business_call(), [ACW]);
    desk.on(Event::CallBegun { is_business: true });
    assert_eq!(desk.ready(), Ok(vec![READY]), "no guard while a call is up");
    assert_eq!(desk.on(ended()), [ACW]);
    assert_eq!(desk.after(10), [GUARD]);
}

#[test]
fn idle_time_counts_from_the_end_of_a_pause() {
    let options = Options { wrap_up: s(50), auto_logout: s(60), ..Options::default() };
    let mut desk = Desk::logged_in(options);
    assert_eq!(desk.business_call(), [ACW]);
    assert_eq!(desk.after(50), [NOT_READY]);
    assert_eq!(desk.after(59), [], "after-call work is no idling");
    assert_eq!(desk.after(1), [LOGOUT]);
}

#[test]
fn reasons_do_not_grow_without_end() {
    let options = Options { acw_persistent_reasons: true, ..Options::default() };
    let mut desk = Desk::logged_in(options);
    for number in 0..2 * REASONS_MAX {
        let reasons = reasons(&number.to_string());
        let work_mode = Some(AgentWorkMode::AfterCallWork);
        desk.ask(Request::NotReady { work_mode, reasons, wrap_up: None }).expect("possible");
        let kept = desk.agent.status().expect("logged in").reasons;
        assert!(kept.pairs.len() <= REASONS_MAX + 1 && kept.find(&number.to_string()).is_some());
    }
}
