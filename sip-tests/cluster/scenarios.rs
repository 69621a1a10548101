//! Named scenarios on a clean network, each with its exact ladder or its outcome.

use sipcluster::base::time::{Duration, Instant};
use sipcluster::sim::behaviour::{BEHAVIOURS, Behaviour, Side};
use sipcluster::sim::cluster;
use sipcluster::sim::plan::Plan;
use sipcluster::sim::world::{Setup, World, numbers};

fn plan(behaviour: Behaviour) -> Plan {
    Plan::plain(behaviour)
}

fn run(setup: Setup) -> World {
    let mut world = World::new(setup);
    let findings = world.run();
    let text: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{}\n{}", text.join("\n"), world.ladder(1));
    world
}

fn quiet(plan: Plan) -> World {
    run(Setup::quiet(1, vec![plan]))
}

/// The ladder of call 1 with applications by their kind alone, because hashes
/// choose which of two takes a call, and without the proxies' 100s, which depend
/// on time.
fn ladder(world: &World) -> Vec<String> {
    world
        .steps(1)
        .into_iter()
        .filter(|step| !step.contains(" 100 "))
        .map(|step| {
            let mut step = step;
            for kind in ["proxy", "node"] {
                for number in ["1", "2"] {
                    step = step.replace(&format!("{kind}{number}"), kind);
                }
            }
            step
        })
        .collect()
}

/// Every hop of one message, in the order of the ladder.
fn hops(path: &[&str], what: &str) -> Vec<String> {
    path.windows(2).map(|pair| format!("{} > {} {what}", pair[0], pair[1])).collect()
}

/// A ladder may interleave what two parties send at the same time.
fn assert_same(mut found: Vec<String>, mut expected: Vec<String>, world: &World) {
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "\n{}", world.ladder(1));
}

fn status(world: &World) -> Option<u16> {
    world.outcome(1).map(|outcome| outcome.status)
}

/// The challenge and the INVITE on its way to the callee, with its ringing.
fn set_up() -> Vec<String> {
    [
        hops(&["7001", "proxy", "node"], "INVITE"),
        hops(&["node", "proxy", "7001"], "401 (INVITE)"),
        hops(&["proxy", "node"], "ACK"),
        hops(&["7001", "proxy"], "ACK"),
        hops(&["7001", "proxy", "node", "proxy", "7002"], "INVITE"),
        hops(&["7002", "proxy", "node", "proxy", "7001"], "180 (INVITE)"),
    ]
    .concat()
}

/// A final refusal, hop by hop, with the ACK of each hop.
fn refused(what: &str) -> Vec<String> {
    let mut steps = hops(&["7002", "proxy", "node", "proxy", "7001"], what);
    for pair in [["proxy", "7002"], ["node", "proxy"], ["proxy", "node"], ["7001", "proxy"]] {
        steps.extend(hops(&pair, "ACK"));
    }
    steps
}

#[test]
fn a_call_is_answered_and_ended_by_its_caller() {
    let world = quiet(plan(Behaviour::Talk(Side::Caller)));
    let expected = [
        set_up(),
        hops(&["7002", "proxy", "node", "proxy", "7001"], "200 (INVITE)"),
        hops(&["node", "proxy", "7002"], "ACK"),
        hops(&["7001", "proxy", "node"], "ACK"),
        hops(&["7001", "proxy", "node", "proxy", "7002"], "BYE"),
        hops(&["node", "proxy", "7001"], "200 (BYE)"),
        hops(&["7002", "proxy", "node"], "200 (BYE)"),
    ]
    .concat();
    assert_same(ladder(&world), expected, &world);
    assert_eq!(status(&world), Some(200));
}

#[test]
fn a_late_offer_is_answered_in_the_ack() {
    let world = quiet(Plan { late_offer: true, ..plan(Behaviour::Talk(Side::Callee)) });
    assert_eq!(status(&world), Some(200));
    let acks = world
        .trace()
        .of_call(1)
        .filter_map(|sent| sent.message.as_ref())
        .filter(|message| message.method().as_str() == "ACK" && !message.body().is_empty());
    assert_eq!(acks.count(), 4, "{}", world.ladder(1));
}

#[test]
fn a_busy_phone_refuses() {
    let world = quiet(plan(Behaviour::Busy));
    assert_same(ladder(&world), [set_up(), refused("486 (INVITE)")].concat(), &world);
    assert_eq!(status(&world), Some(486));
}

#[test]
fn a_caller_gives_up_while_it_rings() {
    let world = quiet(plan(Behaviour::Cancel));
    let mut expected = [set_up(), refused("487 (INVITE)")].concat();
    // Each hop answers for itself: the node's 487 does not wait for the phone's.
    expected.extend(hops(&["7001", "proxy", "node", "proxy", "7002"], "CANCEL"));
    for pair in [["proxy", "7001"], ["node", "proxy"], ["proxy", "node"], ["7002", "proxy"]] {
        expected.extend(hops(&pair, "200 (CANCEL)"));
    }
    assert_same(ladder(&world), expected, &world);
    assert_eq!(status(&world), Some(487));
}

#[test]
fn every_behaviour_ends_as_planned() {
    for behaviour in BEHAVIOURS {
        let dialled = numbers().of(behaviour).unwrap_or_else(|| "7002".to_owned());
        let world = quiet(Plan { dialled, ..plan(behaviour) });
        let heard = status(&world).unwrap_or_default();
        assert!(behaviour.expected().contains(&heard), "{behaviour:?} ends with {heard}");
    }
}

#[test]
fn a_trunk_calls_and_is_called() {
    let trunk = numbers().trunk;
    let inward = quiet(Plan { caller: trunk, ..plan(Behaviour::Hold(Side::Callee)) });
    assert_eq!(status(&inward), Some(200));
    let outward =
        quiet(Plan { dialled: "91234".to_owned(), ..plan(Behaviour::Info(Side::Callee)) });
    assert_eq!(status(&outward), Some(200));
}

#[test]
fn phones_on_tcp_and_udp_call_each_other() {
    for streams in [vec![0], vec![1], vec![0, 1]] {
        let setup = Setup { streams, ..Setup::quiet(3, vec![plan(Behaviour::Hold(Side::Caller))]) };
        assert_eq!(status(&run(setup)), Some(200));
    }
}

/// A call after the death of a node or proxy goes by the other one.
#[test]
fn a_node_or_proxy_dies_between_calls() {
    let victims = [cluster::nodes(), cluster::proxies()].concat();
    for victim in victims {
        for refuses in [false, true] {
            let later = Instant::ZERO + Duration::from_secs(60);
            let plans = vec![
                plan(Behaviour::Talk(Side::Caller)),
                Plan { id: 2, at: later, ..plan(Behaviour::Talk(Side::Callee)) },
            ];
            let kills = vec![(Instant::ZERO + Duration::from_secs(30), victim)];
            let world = run(Setup { kills, refuses, ..Setup::quiet(5, plans) });
            let second = world.outcome(2).map(|outcome| outcome.status);
            // A phone whose proxy died hears nothing and calls by the other one the next time.
            let phone_lost_its_proxy = world.steps(2).iter().all(|step| !step.contains("node"));
            assert!(
                second == Some(200) || (phone_lost_its_proxy && second == Some(408)),
                "{victim} refuses={refuses}: {second:?}\n{}",
                world.ladder(2)
            );
        }
    }
}

/// A call on a node that dies is cleared on both sides: their next request hears 481.
#[test]
fn a_node_dies_during_a_call() {
    for victim in cluster::nodes() {
        let kills = vec![(Instant::ZERO + Duration::from_secs(8), victim)];
        let plans = vec![Plan { pause: Duration::from_secs(20), ..plan(Behaviour::CrossedByes) }];
        let world = run(Setup { kills, ..Setup::quiet(7, plans) });
        let through = world.steps(1).iter().any(|step| step.contains(&world.names().of(victim)));
        let cleared = world.steps(1).iter().filter(|step| step.ends_with("481 (BYE)")).count();
        assert_eq!(cleared, if through { 2 } else { 0 }, "{}", world.ladder(1));
    }
}

/// Runs one behaviour many times in drawn worlds of all profiles.
fn in_all_worlds(behaviour: Behaviour, breaks: u64) {
    for seed in 1..=60 {
        run(Setup { breaks, kills: Vec::new(), ..Setup::drawn_of(seed, vec![behaviour]) });
    }
}

/// The 2xx of a fork that lost is repeated until its ACK comes: it hears the ACK
/// again, and one BYE only.
#[test]
fn a_fork_that_answers_too_late_is_ended_once() {
    in_all_worlds(Behaviour::ForkBoth, 0);
}

/// A turn that panics while it gives a call up ends that call and no other.
#[test]
fn a_turn_that_breaks_over_an_unanswered_call_ends_it() {
    in_all_worlds(Behaviour::NoAnswer, 10);
}

/// The ACK of one change gets lost while the next one is under way: the repeated
/// answer is not taken for the answer to that.
#[test]
fn an_answer_that_is_repeated_during_the_next_change_gets_its_own_ack() {
    for side in [Side::Caller, Side::Callee] {
        in_all_worlds(Behaviour::LateHold(side), 0);
    }
}
