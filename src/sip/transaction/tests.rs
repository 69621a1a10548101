//! Each machine stepped by hand: the RFC's arrows, and what must not happen.
//! Not verified here: bytes, which the machines never see.

use super::Action::{Deliver, NoAck, SendAck, SendRequest, SendResponse, Terminated, TimedOut};
use super::*;
use crate::base::id::Ids;
use crate::sip::message::Method;

fn at(ms: u64) -> Instant {
    Instant(ms * 1_000_000)
}

fn list(actions: Actions) -> Vec<Action> {
    actions.into_iter().collect()
}

/// Times in ms at which a machine acts when nobody answers.
fn run_silent(
    mut next: impl FnMut(Instant) -> (Instant, Vec<Action>),
    first: Instant,
) -> Vec<(u64, Vec<Action>)> {
    let mut log = Vec::new();
    let mut deadline = first;
    while deadline != Instant::NEVER {
        let (following, actions) = next(deadline);
        log.push((deadline.as_millis(), actions));
        deadline = following;
    }
    log
}

#[test]
fn an_unanswered_invite_follows_timers_a_and_b() {
    let (mut machine, first) = ClientInvite::new(at(0), false);
    assert_eq!(list(first), [SendRequest]);
    let start = machine.next_deadline();
    let log = run_silent(
        |now| {
            let a = list(machine.on_time(now));
            (machine.next_deadline(), a)
        },
        start,
    );
    let times: Vec<u64> = log.iter().map(|(time, _)| *time).collect();
    assert_eq!(times, [500, 1500, 3500, 7500, 15_500, 31_500, 32_000]);
    assert_eq!(log.last().map(|(_, a)| a.clone()), Some(vec![TimedOut, Terminated]));
}

#[test]
fn an_unanswered_request_follows_timers_e_and_f() {
    let (mut machine, _) = ClientNonInvite::new(at(0), false);
    let start = machine.next_deadline();
    let log = run_silent(
        |now| {
            let a = list(machine.on_time(now));
            (machine.next_deadline(), a)
        },
        start,
    );
    let times: Vec<u64> = log.iter().map(|(time, _)| *time).collect();
    assert_eq!(
        times,
        [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500, 32_000]
    );
}

#[test]
fn streams_are_not_repeated() {
    let (machine, _) = ClientInvite::new(at(0), true);
    assert_eq!(machine.next_deadline(), at(32_000));
    let (machine, _) = ClientNonInvite::new(at(0), true);
    assert_eq!(machine.next_deadline(), at(32_000));
}

#[test]
fn a_refused_invite_is_acknowledged_every_time() {
    let (mut machine, _) = ClientInvite::new(at(0), false);
    assert_eq!(list(machine.on_response(180, at(10))), [Deliver]);
    assert_eq!(machine.next_deadline(), Instant::NEVER);
    assert_eq!(list(machine.on_response(486, at(20))), [SendAck, Deliver]);
    assert_eq!(list(machine.on_response(486, at(520))), [SendAck]);
    assert_eq!(list(machine.on_response(200, at(530))), []);
    assert_eq!(list(machine.on_time(at(32_019))), []);
    assert_eq!(list(machine.on_time(at(32_020))), [Terminated]);
}

#[test]
fn an_accepted_invite_delivers_every_2xx() {
    let (mut machine, _) = ClientInvite::new(at(0), false);
    assert_eq!(list(machine.on_response(200, at(20))), [Deliver]);
    assert_eq!(list(machine.on_response(200, at(520))), [Deliver]);
    assert_eq!(list(machine.on_response(486, at(530))), []);
    assert_eq!(list(machine.on_response(180, at(540))), []);
    assert_eq!(list(machine.on_time(at(32_020))), [Terminated]);
    assert_eq!(list(machine.on_response(200, at(32_030))), []);
}

#[test]
fn a_request_in_proceeding_is_repeated_at_t2() {
    let (mut machine, _) = ClientNonInvite::new(at(0), false);
    assert_eq!(list(machine.on_response(100, at(10))), [Deliver]);
    assert_eq!(list(machine.on_time(at(500))), [SendRequest]);
    assert_eq!(machine.next_deadline(), at(4500));
    assert_eq!(list(machine.on_response(200, at(600))), [Deliver]);
    assert_eq!(list(machine.on_response(200, at(700))), []);
    assert_eq!(list(machine.on_time(at(5600))), [Terminated]);
}

#[test]
fn a_refusal_is_repeated_until_its_ack() {
    let mut machine = ServerInvite::new(false);
    assert_eq!(list(machine.on_retransmission()), []);
    assert_eq!(list(machine.on_answer(180, at(0))), [SendResponse]);
    assert_eq!(list(machine.on_retransmission()), [SendResponse]);
    assert_eq!(list(machine.on_answer(486, at(100))), [SendResponse]);
    assert_eq!(list(machine.on_time(at(600))), [SendResponse]);
    assert_eq!(list(machine.on_time(at(1600))), [SendResponse]);
    assert_eq!(list(machine.on_answer(200, at(1700))), []);
    assert_eq!(list(machine.on_ack(at(1800))), []);
    assert_eq!(list(machine.on_retransmission()), []);
    assert_eq!(list(machine.on_time(at(6800))), [Terminated]);
}

#[test]
fn a_refusal_without_ack_ends_at_timer_h() {
    let mut machine = ServerInvite::new(false);
    machine.on_answer(500, at(0));
    let start = machine.next_deadline();
    let log = run_silent(
        |now| {
            let a = list(machine.on_time(now));
            (machine.next_deadline(), a)
        },
        start,
    );
    assert_eq!(log.last(), Some(&(32_000, vec![NoAck, Terminated])));
    assert_eq!(log.len(), 11);
}

#[test]
fn an_accepted_server_invite_absorbs_repetitions() {
    let mut machine = ServerInvite::new(false);
    assert_eq!(list(machine.on_answer(200, at(0))), [SendResponse]);
    assert_eq!(list(machine.on_retransmission()), []);
    assert_eq!(list(machine.on_answer(200, at(10))), [SendResponse]);
    assert_eq!(list(machine.on_answer(486, at(10))), []);
    assert_eq!(list(machine.on_time(at(32_000))), [Terminated]);
}

#[test]
fn a_server_request_repeats_its_answer_only_when_asked() {
    let mut machine = ServerNonInvite::new(false);
    assert_eq!(list(machine.on_retransmission()), []);
    assert_eq!(list(machine.on_answer(200, at(0))), [SendResponse]);
    assert_eq!(list(machine.on_answer(500, at(1))), []);
    assert_eq!(list(machine.on_retransmission()), [SendResponse]);
    assert_eq!(list(machine.on_time(at(31_999))), []);
    assert_eq!(list(machine.on_time(at(32_000))), [Terminated]);
    let mut machine = ServerNonInvite::new(true);
    machine.on_answer(200, at(5));
    assert_eq!(list(machine.on_time(at(5))), [Terminated]);
}

/// A machine that moves to another process after every step does what one does that
/// stays where it is.
#[test]
fn machines_move_between_any_two_steps() {
    let mut random = Ids::new(5);
    for _ in 0..3_000 {
        let method = if random.below(2) == 0 { Method::Invite } else { Method::Bye };
        let reliable = random.below(2) == 0;
        let (mut now, mut there) = (at(1_000_000), at(0));
        let (mut stays, mut moves) =
            (Client::new(method, now, reliable), Client::new(method, there, reliable));
        let (mut answers, mut moved) =
            (Server::new(method, reliable), Server::new(method, reliable));
        for _ in 0..10 {
            let span = Duration::from_millis(random.below(9_000));
            (now, there) = (now + span, there + span);
            let (kind, status) = (random.below(3), [100, 180, 200, 486][random.below(4) as usize]);
            let step = |client: &mut Client, now| match kind {
                0 => client.on_response(status, now),
                _ => client.on_time(now),
            };
            assert_eq!(step(&mut stays, now), step(&mut moves, there));
            let step = |server: &mut Server, now| match (kind, status) {
                (0, _) => server.on_answer(status, now),
                (1, 100) => server.on_ack(now),
                (1, _) => server.on_retransmission(),
                _ => server.on_time(now),
            };
            assert_eq!(step(&mut answers, now), step(&mut moved, there));
            // The clock of the next process starts anew.
            let next = at(random.below(1_000));
            if !moves.is_terminated() {
                let state = moves.to_state(there);
                moves = Client::from_state(Some(&state), method, next).expect("its own state");
                assert_eq!(moves.to_state(next), state);
                assert_eq!(
                    stays.next_deadline() == Instant::NEVER,
                    moves.next_deadline() == Instant::NEVER
                );
            }
            if !moved.is_terminated() {
                let state = moved.to_state(there);
                moved = Server::from_state(Some(&state), method, next).expect("its own state");
                assert_eq!(moved.to_state(next), state);
            }
            there = next;
        }
    }
}
