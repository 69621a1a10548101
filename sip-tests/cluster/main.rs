//! Whole clusters in virtual time: drawn worlds, audited packet by packet, and
//! named scenarios whose ladder is asserted.
//!
//! `SEED=7` replays one world and prints what is wrong with it; `SEEDS=1000` runs
//! that many; `LADDER=1` adds every packet of a bad world. What is not tested here: sockets, framing, names, the Service
//! Checker's own probes, which `sipp-scenarios/` has.

mod audit;
mod planted;
mod scenarios;
mod state;

use sipcluster::sim::behaviour::{BEHAVIOURS, Behaviour};
use sipcluster::sim::check::Finding;
use sipcluster::sim::coverage::Coverage;
use sipcluster::sim::ladder;
use sipcluster::sim::world::{Setup, World};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Ladders in one report; the first ones tell the story.
const LADDERS_MAX: usize = 3;

fn report(world: &World, findings: &[Finding]) -> String {
    let setup = world.setup();
    let mut text = format!(
        "seed {} ({:?}, kills {:?}, one turn in {} breaks, one in {} moves): {} findings\n",
        setup.seed,
        setup.profile,
        setup.kills,
        setup.breaks,
        setup.replaces,
        findings.len()
    );
    for finding in findings {
        let _ = writeln!(text, "  {finding}");
    }
    let calls: BTreeSet<u32> = findings.iter().filter_map(|finding| finding.call).collect();
    for call in calls.into_iter().take(LADDERS_MAX) {
        let plan = setup.plans.iter().find(|plan| plan.id == call);
        let _ = writeln!(text, "call {call}: {plan:?}\n{}", world.ladder(call));
    }
    if std::env::var_os("LADDER").is_some() {
        text.push_str(&ladder::all(world.trace(), world.names()));
    }
    text
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// `SEED` alone, or one in `part` of `SEEDS`.
fn chosen(part: u64) -> Vec<u64> {
    match number("SEED") {
        Some(seed) => vec![seed],
        None => (1..=number("SEEDS").unwrap_or(100) / part).collect(),
    }
}

/// Seeds beyond the usual hundred whose worlds were once bad.
///
/// - 3622: a turn broke between the ACKs of two phones that both had answered.
const ONCE_BAD: [u64; 1] = [3622];

/// Worlds from which on the table of coverage must have no hole.
const COVERED_FROM: u64 = 300;

#[test]
fn seeds() {
    let (mut reports, mut coverage) = (Vec::new(), Coverage::default());
    let mut seeds = chosen(1);
    if number("SEED").is_none() {
        seeds.extend(
            ONCE_BAD.iter().filter(|seed| !seeds.contains(seed)).copied().collect::<Vec<_>>(),
        );
    }
    for seed in seeds {
        let mut world = World::new(Setup::drawn(seed));
        let findings = world.run();
        coverage.add(&world);
        if !findings.is_empty() {
            reports.push(report(&world, &findings));
        }
    }
    print!("{coverage}");
    assert!(reports.is_empty(), "{} bad worlds\n{}", reports.len(), reports.join("\n"));
    let rows: Vec<String> = BEHAVIOURS.iter().map(|behaviour| format!("{behaviour:?}")).collect();
    let gaps = coverage.gaps(&rows);
    assert!(coverage.worlds() < COVERED_FROM || gaps.is_empty(), "never met: {gaps:?}");
}

/// Phones that call each other without a cluster accuse nobody: they are right by
/// themselves, in what the product does and in what it does not do.
#[test]
fn phones_agree_with_each_other() {
    let all = BEHAVIOURS.into_iter();
    let behaviours: Vec<Behaviour> = all.filter(|behaviour| !behaviour.needs_cluster()).collect();
    let mut reports = Vec::new();
    for seed in chosen(2) {
        let drawn = Setup::drawn_of(seed, behaviours.clone());
        let setup =
            Setup { direct: true, kills: Vec::new(), breaks: 0, streams: Vec::new(), ..drawn };
        let mut world = World::new(setup);
        let findings = world.run();
        if !findings.is_empty() {
            reports.push(report(&world, &findings));
        }
    }
    assert!(reports.is_empty(), "{} bad worlds\n{}", reports.len(), reports.join("\n"));
}

/// Turns panic in the middle of what they do (`decisions.md` 4): nothing is left
/// over, both sides are cleared, every record is given out.
#[test]
fn broken_turns_end_one_call() {
    let (mut reports, mut broken) = (Vec::new(), 0);
    for seed in chosen(4) {
        let mut world = World::new(Setup { breaks: 60, kills: Vec::new(), ..Setup::drawn(seed) });
        let findings = world.run();
        broken += world.broken();
        if !findings.is_empty() {
            reports.push(report(&world, &findings));
        }
    }
    assert!(broken > 0);
    assert!(reports.is_empty(), "{} bad worlds\n{}", reports.len(), reports.join("\n"));
}

#[test]
fn the_same_seed_gives_the_same_packets() {
    let run = || {
        let mut world = World::new(Setup::drawn(11));
        world.run();
        world.trace().packets.iter().map(|sent| (sent.at, sent.bytes.clone())).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}
