//! A turn that breaks ends the call that it was about, and no other.

use super::super::core::{Action, Event, Wake};
use super::world::{Node, TRUNK};
use crate::base::time::Instant;

/// A call from the trunk, and its own timer.
fn calling(node: &mut Node, caller: &str) -> (Wake, Instant) {
    let actions = node.on(Node::packet(caller, TRUNK, ""));
    let timer = actions.into_iter().find_map(|action| match action {
        Action::Arm(wake @ Wake::NoAnswer(_), at) => Some((wake, at)),
        Action::Arm(..)
        | Action::Send(_)
        | Action::Record(_)
        | Action::Suspect(_)
        | Action::Count(_)
        | Action::Phone(_)
        | Action::Fact(_) => None,
    });
    timer.expect("a call has a timer")
}

#[test]
fn the_call_whose_own_timer_broke_is_ended() {
    let mut node = Node::new();
    let (timer, at) = calling(&mut node, "111");
    calling(&mut node, "222");
    node.now = at;
    let actions = node.broken(Event::Wake(timer));
    let ended: Vec<_> = actions
        .iter()
        .filter_map(|action| match action {
            Action::Record(record) => Some(&*record.caller),
            Action::Arm(..)
            | Action::Send(_)
            | Action::Suspect(_)
            | Action::Count(_)
            | Action::Phone(_)
            | Action::Fact(_) => None,
        })
        .collect();
    assert_eq!(ended, ["111"]);
    let left: Vec<_> = node.core.calls().map(|call| &*call.caller).collect();
    assert_eq!(left, ["222"], "the call of the turn before goes on");
}
