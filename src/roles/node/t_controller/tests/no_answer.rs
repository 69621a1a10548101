//! Agents who do not answer.

use super::calls::fact;
use super::*;
use crate::call::facts::{EndedBy, Step, Wish};
use crate::cti::agent::NoAnswerAction;
use crate::roles::node::t_controller::no_answer::{Options, Overflow};

const TIMEOUT: Duration = Duration::from_secs(12);
/// Every call is watched, for a short time.
pub(super) const ALL: Options = Options {
    timeout: Duration::from_secs(3),
    action: NoAnswerAction::NotReady,
    overflow: Overflow::Release,
    private: true,
};
/// What the call's node is told first; it gives the call up by itself a little later.
const SUPERVISED: Wish = Wish::Supervised(Some(Duration::from_secs(15)));
const RINGS: (u64, &str, &str, Step) = (5, "0123", "7001", Step::Alerting);

/// An agent who is ready at 7001, and who hears of it.
fn agent(options: Options) -> (World, ClientId) {
    let mut world = World::with(Settings { no_answer: options, ..settings() });
    let desktop = world.client(1, "desktop");
    world.phone("7001", "sip:1", 3_600);
    world.share(desktop, "7001");
    let login = Attributes { agent_id: Some("alice".to_owned()), ..dn("7001") };
    world.ask(desktop, RequestType::TAgentLogin, login);
    world.ask(desktop, RequestType::TAgentSetReady, dn("7001"));
    world.take(desktop);
    (world, desktop)
}

fn on(world: &mut World, (conn_id, caller, called, step): (u64, &str, &str, Step)) {
    world.on(fact(conn_id, caller, called, step));
}

fn wishes(world: &World) -> Vec<(u64, Wish)> {
    world.orders.iter().map(|order| (order.conn_id.0, order.wish)).collect()
}

const fn options(action: NoAnswerAction, overflow: Overflow) -> Options {
    Options { timeout: TIMEOUT, action, overflow, private: false }
}

#[test]
fn the_agent_goes_not_ready_and_the_call_is_given_up() {
    let (mut world, desktop) = agent(options(NoAnswerAction::NotReady, Overflow::Release));
    on(&mut world, RINGS);
    assert_eq!(wishes(&world), [(5, SUPERVISED)]);
    world.after(TIMEOUT - Duration::from_millis(1));
    assert_eq!(world.kinds(desktop), [EventType::EventRinging]);
    world.after(Duration::from_millis(1));
    assert_eq!(world.kinds(desktop), [EventType::EventAgentNotReady]);
    assert_eq!(wishes(&world), [(5, SUPERVISED), (5, Wish::NoAnswer)]);
    let over = Step::Ended { by: EndedBy::Cluster, code: 480, was_connected: false };
    on(&mut world, (5, "0123", "7001", over));
    let released = world.take(desktop).remove(0);
    assert_eq!(released.kind, EventType::EventReleased);
    assert_eq!(released.attributes.call_state(), tlib::CallState::NoAnswer);
    world.after(TIMEOUT);
    assert_eq!(world.orders.len(), 2, "once");
}

#[test]
fn the_agent_is_logged_out_and_the_call_rings_on() {
    let (mut world, desktop) = agent(options(NoAnswerAction::Logout, Overflow::None));
    on(&mut world, RINGS);
    world.after(TIMEOUT);
    assert_eq!(world.kinds(desktop), [EventType::EventRinging, EventType::EventAgentLogout]);
    assert_eq!(wishes(&world), [(5, Wish::Supervised(None))]);
    on(&mut world, (5, "0123", "7001", Step::Connected));
    assert_eq!(world.kinds(desktop), [EventType::EventEstablished]);
}

#[test]
fn who_answers_or_is_not_there_is_left_alone() {
    let all = options(NoAnswerAction::NotReady, Overflow::Release);
    let (mut world, desktop) = agent(all);
    on(&mut world, RINGS);
    on(&mut world, (5, "0123", "7001", Step::Connected));
    // One more call, which its caller gives up, and one from inside.
    on(&mut world, (6, "0124", "7001", Step::Alerting));
    let over = Step::Ended { by: EndedBy::Caller, code: 487, was_connected: false };
    on(&mut world, (6, "0124", "7001", over));
    on(&mut world, (7, "7002", "7001", Step::Alerting));
    world.take(desktop);
    world.after(TIMEOUT + TIMEOUT);
    assert!(world.take(desktop).is_empty());
    let asked = [(5, SUPERVISED), (6, SUPERVISED)];
    assert_eq!(wishes(&world), asked, "private calls are not watched");
    // By option they are; two that ring have each their time.
    let (mut world, desktop) = agent(Options { private: true, ..all });
    on(&mut world, (7, "7002", "7001", Step::Alerting));
    world.after(Duration::from_secs(5));
    on(&mut world, (8, "7003", "7001", Step::Alerting));
    world.after(Duration::from_secs(7));
    let first = [(7, SUPERVISED), (8, SUPERVISED), (7, Wish::NoAnswer)];
    assert_eq!(wishes(&world), first);
    world.after(Duration::from_secs(5));
    assert_eq!(world.orders.len(), 4);
    let kinds = world.kinds(desktop);
    assert_eq!(kinds.iter().filter(|kind| **kind == EventType::EventAgentNotReady).count(), 1);
    // Nobody is logged in.
    world.ask(desktop, RequestType::TAgentLogout, dn("7001"));
    on(&mut world, (9, "0125", "7001", Step::Alerting));
    world.after(TIMEOUT);
    assert_eq!(world.orders.len(), 4);
}
