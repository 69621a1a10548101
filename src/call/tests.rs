//! A call stepped by hand: each way to end, changes, and glare. Not verified
//! here: signalling.

use super::record::{CallRecord, CallResult, EndedBy};
use super::two_party::{Action, Call, Party, State};
use crate::base::id::{ConnId, Ids};
use crate::base::leg::{Cause, Direction, LegCommand, LegEvent};
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
            Action::ToLeg(..) | Action::Held(_) | Action::Retrieved(_) => None,
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
    let update = LegEvent::Update { offer: None, direction: None };
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

/// What a party asks for, what comes of it: who holds whom is told once, and only when
/// the other has accepted.
#[test]
fn hold_is_told_when_it_is_agreed() {
    use Direction::{Both, Neither, ReceiveOnly, SendOnly};
    use Party::{Callee, Caller};
    let mut call = connected();
    let mut change = |party: Party, direction, is_accepted: bool| {
        let update = LegEvent::Update { offer: None, direction };
        assert_eq!(step(&mut call, party, update, 4).len(), 1);
        let answer = if is_accepted {
            LegEvent::Updated { body: None }
        } else {
            LegEvent::UpdateFailed(Cause::code(488))
        };
        let told = step(&mut call, party.other(), answer, 5).split_off(1);
        (told, call.is_held())
    };
    assert_eq!(change(Callee, Some(SendOnly), false), (vec![], false), "refused");
    assert_eq!(change(Callee, Some(SendOnly), true), (vec![Action::Held(Callee)], true));
    assert_eq!(change(Callee, Some(SendOnly), true), (vec![], true), "a refresh");
    assert_eq!(change(Caller, Some(ReceiveOnly), true), (vec![], true), "its answer again");
    assert_eq!(change(Caller, Some(Neither), true), (vec![Action::Held(Caller)], true));
    assert_eq!(change(Callee, Some(Both), false), (vec![], true), "refused");
    assert_eq!(change(Callee, Some(Both), true), (vec![Action::Retrieved(Callee)], true));
    assert_eq!(change(Caller, None, true), (vec![], true), "no audio");
    assert_eq!(change(Caller, Some(Both), true), (vec![Action::Retrieved(Caller)], false));
    assert_eq!(change(Callee, Some(Neither), true), (vec![Action::Held(Callee)], true));
    assert_eq!(change(Caller, Some(Neither), true), (vec![], true), "its answer again");
    assert_eq!(change(Callee, Some(Neither), true), (vec![], true));
    assert_eq!(change(Callee, Some(ReceiveOnly), true), (vec![Action::Retrieved(Callee)], false));
}

#[test]
fn an_answer_to_a_late_offer_ends_hold_too() {
    let mut call = connected();
    let confirmed = |direction| LegEvent::Confirmed { body: None, direction };
    let held = step(&mut call, Party::Caller, confirmed(Some(Direction::SendOnly)), 4);
    assert_eq!(held[1], Action::Held(Party::Caller));
    let late = LegEvent::Update { offer: None, direction: None };
    step(&mut call, Party::Caller, late, 5);
    let accepted = step(&mut call, Party::Callee, LegEvent::Updated { body: None }, 5);
    assert_eq!(accepted.len(), 1, "nothing is agreed yet");
    let retrieved = step(&mut call, Party::Caller, confirmed(Some(Direction::Both)), 6);
    assert_eq!(retrieved[1], Action::Retrieved(Party::Caller));
    let ended = step(&mut call, Party::Caller, LegEvent::Ended(Cause::code(200)), 7);
    assert_eq!(ended.len(), 2, "{ended:?}");
}

#[test]
fn media_before_the_answer_are_no_hold() {
    let mut call = call();
    let update = LegEvent::Update { offer: None, direction: Some(Direction::Neither) };
    step(&mut call, Party::Caller, update, 1);
    let told = step(&mut call, Party::Callee, LegEvent::Updated { body: None }, 1);
    assert_eq!(told.len(), 1, "{told:?}");
    let answered = step(&mut call, Party::Callee, LegEvent::Answered { body: None }, 2);
    assert_eq!((answered.len(), call.is_held()), (1, false));
}

/// Who asks by a desktop: what both phones hear, who has ended it, and how it is recorded.
#[test]
fn a_party_ends_the_call_other_than_by_its_phone() {
    let mut ringing = call();
    let rings = LegEvent::Progress { code: 180, body: None, reliable: false };
    step(&mut ringing, Party::Callee, rings, 1);
    for (call, party, code, result) in [
        (connected(), Party::Caller, 200, CallResult::Answered),
        (connected(), Party::Callee, 200, CallResult::Answered),
        (ringing.clone(), Party::Caller, 487, CallResult::NoAnswer),
        (ringing, Party::Callee, 603, CallResult::Failed),
        (call(), Party::Caller, 487, CallResult::Failed),
    ] {
        let mut call = call;
        let mut out = Vec::new();
        call.on_party_release(party, Instant(9), &mut out);
        for (action, to) in out.iter().zip([party, party.other()]) {
            let Action::ToLeg(told, LegCommand::End(cause)) = action else { panic!("{out:?}") };
            assert_eq!((*told, cause.code), (to, code));
        }
        let by = if party == Party::Caller { EndedBy::Caller } else { EndedBy::Callee };
        assert_eq!((record(&out).result, record(&out).ended_by), (result, by));
        out.clear();
        call.on_party_release(party, Instant(9), &mut out);
        assert_eq!(out, [], "once");
    }
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
