//! A call stepped by hand: each way to end, changes, and glare. Not verified
//! here: signalling.

use super::record::{CallRecord, CallResult, EndedBy};
use super::two_party::{Action, Call, Party, State};
use crate::base::id::{ConnId, Ids};
use crate::base::leg::{Cause, LegCommand, LegEvent};
use crate::base::time::{Instant, WallTime};

fn call() -> Call {
    let mut call =
        Call::new(Ids::new(1).call_uuid(), ConnId(1), "7001", "7002", Instant::ZERO, WallTime(0));
    call.on_calling("7002");
    call
}

fn step(call: &mut Call, party: Party, event: LegEvent, at_s: u64) -> Vec<Action> {
    let mut out = Vec::new();
    call.on_leg(party, event, Instant(at_s * 1_000_000_000), &mut out);
    out
}

fn connected() -> Call {
    let mut call = call();
    step(
        &mut call,
        Party::Callee,
        LegEvent::Progress { code: 180, body: None, reliable: false },
        1,
    );
    step(&mut call, Party::Callee, LegEvent::Answered { body: None }, 3);
    call
}

fn record(actions: &[Action]) -> &CallRecord {
    let records: Vec<_> = actions
        .iter()
        .filter_map(|action| match action {
            Action::Ended(record) => Some(record),
            Action::ToLeg(..) => None,
        })
        .collect();
    assert_eq!(records.len(), 1, "one record in {actions:?}");
    records[0]
}

#[test]
fn an_answered_call_is_recorded_with_its_times() {
    let mut call = connected();
    let actions = step(&mut call, Party::Callee, LegEvent::Ended(Cause::code(200)), 10);
    assert_eq!(actions[0], Action::ToLeg(Party::Caller, LegCommand::End(Cause::code(200))));
    let record = record(&actions);
    assert_eq!((record.result, record.ended_by), (CallResult::Answered, EndedBy::Callee));
    assert_eq!(record.rang_after.map(|span| span.as_secs()), Some(1));
    assert_eq!(record.answered_after.map(|span| span.as_secs()), Some(3));
    assert_eq!(record.ended_after.as_secs(), 10);
    assert_eq!(call.state(), State::Ended);
}

#[test]
fn a_refusal_reaches_the_caller_as_it_is() {
    let mut busy = call();
    let actions = step(&mut busy, Party::Callee, LegEvent::Failed(Cause::code(486)), 1);
    assert_eq!(actions[0], Action::ToLeg(Party::Caller, LegCommand::End(Cause::code(486))));
    assert_eq!(record(&actions).result, CallResult::Busy);
}

#[test]
fn a_caller_who_gives_up_ends_the_ringing() {
    let mut call = call();
    step(
        &mut call,
        Party::Callee,
        LegEvent::Progress { code: 180, body: None, reliable: false },
        1,
    );
    let actions = step(&mut call, Party::Caller, LegEvent::Ended(Cause::code(487)), 5);
    assert_eq!(actions[0], Action::ToLeg(Party::Callee, LegCommand::End(Cause::code(487))));
    assert_eq!(record(&actions).result, CallResult::NoAnswer);
    assert_eq!(record(&actions).ended_by, EndedBy::Caller);
}

#[test]
fn crossing_ends_are_settled_once() {
    let mut call = connected();
    step(&mut call, Party::Caller, LegEvent::Ended(Cause::code(200)), 5);
    assert_eq!(step(&mut call, Party::Callee, LegEvent::Ended(Cause::code(200)), 5), []);
    let mut out = Vec::new();
    call.on_release(Cause::code(480), Instant(9), &mut out);
    assert_eq!(out, []);
}

#[test]
fn a_change_passes_and_a_second_one_meanwhile_is_refused() {
    let mut call = connected();
    let update = LegEvent::Update { offer: None };
    let actions = step(&mut call, Party::Caller, update.clone(), 4);
    assert_eq!(actions, [Action::ToLeg(Party::Callee, LegCommand::Update { offer: None })]);
    let actions = step(&mut call, Party::Callee, update.clone(), 4);
    assert_eq!(actions, [Action::ToLeg(Party::Callee, LegCommand::RefuseUpdate(Cause::code(491)))]);
    let actions = step(&mut call, Party::Callee, LegEvent::Updated { body: None }, 5);
    assert_eq!(actions, [Action::ToLeg(Party::Caller, LegCommand::AcceptUpdate { body: None })]);
    assert_eq!(step(&mut call, Party::Callee, LegEvent::Updated { body: None }, 5), []);
    let actions = step(&mut call, Party::Callee, update, 6);
    assert_eq!(actions, [Action::ToLeg(Party::Caller, LegCommand::Update { offer: None })]);
    let actions = step(&mut call, Party::Caller, LegEvent::UpdateFailed(Cause::code(488)), 6);
    assert_eq!(actions, [Action::ToLeg(Party::Callee, LegCommand::RefuseUpdate(Cause::code(488)))]);
}

#[test]
fn nobody_to_call_and_nobody_answering() {
    let mut call = call();
    let mut out = Vec::new();
    call.on_release(Cause::with_q850(480, 19, "no answer"), Instant(7), &mut out);
    assert_eq!(out.len(), 3);
    assert_eq!(record(&out).ended_by, EndedBy::Cluster);
    let mut call =
        Call::new(Ids::new(2).call_uuid(), ConnId(2), "7001", "6999", Instant::ZERO, WallTime(0));
    let mut out = Vec::new();
    call.on_unroutable(Cause::code(404), Instant(1), &mut out);
    assert_eq!(out[0], Action::ToLeg(Party::Caller, LegCommand::End(Cause::code(404))));
    assert_eq!(record(&out).result, CallResult::Failed);
}
