//! State as bytes: a node's calls move to another process between any two events, and
//! nobody outside can tell. What is spoilt on the way is refused as a whole, and what
//! an earlier release has stored is read.

use crate::{chosen, report};
use sipcluster::base::id::Ids;
use sipcluster::base::limits::OUTBOX_LEN_MAX;
use sipcluster::base::outbox::Outbox;
use sipcluster::base::seal::Sealer;
use sipcluster::base::state::StateError;
use sipcluster::base::time::{Duration, Instant};
use sipcluster::roles::node::call_manager::bundle::{Bundle, ImportError};
use sipcluster::roles::node::call_manager::core as node;
use sipcluster::runtime::clock::Clock;
use sipcluster::sim::behaviour::{Behaviour, Side};
use sipcluster::sim::cluster::{self, WALL_START};
use sipcluster::sim::plan::Plan;
use sipcluster::sim::world::{Setup, World};
use std::fmt::Write as _;
use std::io::Write as _;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sip-tests/data/bundles-v1.txt");

/// Calls of every kind move all the time, on every network, with every fault.
#[test]
fn calls_move_between_processes() {
    let (mut reports, mut moves) = (Vec::new(), 0);
    for seed in chosen(4) {
        let mut world = World::new(Setup { replaces: 3, ..Setup::drawn(seed) });
        let findings = world.run();
        moves += world.moves().len();
        if !findings.is_empty() {
            reports.push(report(&world, &findings));
        }
    }
    assert!(moves > 0);
    assert!(reports.is_empty(), "{} bad worlds\n{}", reports.len(), reports.join("\n"));
}

/// The same seed with and without moves: the same packets at the same times, byte for
/// byte.
#[test]
fn a_move_changes_no_packet() {
    for seed in chosen(4) {
        let run = |replaces| {
            let setup = Setup { replaces, keeps_names: true, breaks: 0, ..Setup::drawn(seed) };
            let mut world = World::new(setup);
            world.run();
            world
        };
        let (still, moved) = (run(0), run(5));
        assert!(!moved.moves().is_empty());
        let (before, after) = (&still.trace().packets, &moved.trace().packets);
        for (one, other) in before.iter().zip(after) {
            assert!(
                (one.at, one.from, one.to, &one.bytes)
                    == (other.at, other.from, other.to, &other.bytes),
                "seed {seed}: {} {} > {}\n{}\nbecame {} {} > {}\n{}",
                one.at,
                one.from,
                one.to,
                String::from_utf8_lossy(&one.bytes),
                other.at,
                other.from,
                other.to,
                String::from_utf8_lossy(&other.bytes)
            );
        }
        assert_eq!(before.len(), after.len(), "seed {seed}");
    }
}

/// A node without calls, in a process of its own.
fn fresh(index: usize) -> node::Core {
    cluster::node_core(&Sealer::of(b"another key"), index, 9, 9).expect("a node")
}

/// Imports, and gives how many wake-ups that has armed.
fn import(core: &mut node::Core, bundle: &Bundle, now: Instant) -> Result<usize, ImportError> {
    let (mut ids, mut out) = (Ids::new(1), Outbox::new(OUTBOX_LEN_MAX));
    let mut cx =
        node::Cx { now, wall: WALL_START, ids: &mut ids, out: &mut out, dns: &cluster::unknown };
    let result = core.import(bundle, &mut cx);
    let armed = out.drain().filter(|action| matches!(action, node::Action::Arm(..))).count();
    result.map(|()| armed)
}

/// Bundles of both nodes of a world at a random moment, with the index of the node.
fn drawn_bundles(seed: u64) -> Vec<(usize, Instant, Bundle)> {
    let mut random = Ids::new(seed ^ 0xb0d1e);
    let mut world = World::new(Setup::drawn(seed));
    let mut bundles = Vec::new();
    for _ in 0..3 {
        world.run_until(world.now() + Duration::from_millis(8_000 + random.below(20_000)));
        for (index, node) in world.nodes().iter().enumerate() {
            let exported = node.core.export(world.now());
            bundles.extend(exported.into_iter().map(|bundle| (index, world.now(), bundle)));
        }
    }
    world.run();
    bundles
}

/// Written, read and written again, each bundle for itself is what it was.
#[test]
fn what_is_read_is_what_was_written() {
    let mut seen = 0;
    for seed in chosen(10) {
        for (index, now, bundle) in drawn_bundles(seed) {
            let mut core = fresh(index);
            import(&mut core, &bundle, now).expect("a bundle of this release");
            let again = core.export(now);
            // The last one says how far the shard has come.
            assert!(again.len() <= 2);
            if core.lens() != (0, 0, 0, 0) {
                assert_eq!(again[0], bundle, "seed {seed}");
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "{seen}");
}

/// A bundle that is cut off is always refused, one with other bits is refused or read;
/// nothing panics, and what is refused changes nothing.
#[test]
fn spoilt_bundles_change_nothing() {
    let mut random = Ids::new(3);
    let mut refused = 0;
    for seed in 1..=4 {
        for (index, now, bundle) in drawn_bundles(seed) {
            let nothing = fresh(index).export(now);
            let mut core = fresh(index);
            let len = bundle.0.len() as u64;
            for _ in 0..40 {
                let cut = Bundle(bundle.0.slice(..random.below(len) as usize));
                assert!(import(&mut core, &cut, now).is_err(), "seed {seed}");
            }
            assert_eq!(core.export(now), nothing);
            for _ in 0..120 {
                let mut bytes = bundle.0.to_vec();
                for _ in 0..=random.below(3) {
                    bytes[random.below(len) as usize] ^= 1 << random.below(8);
                }
                if import(&mut core, &Bundle(bytes.into()), now).is_err() {
                    refused += 1;
                    assert_eq!(core.export(now), nothing, "seed {seed}");
                } else {
                    core = fresh(index);
                }
            }
        }
    }
    assert!(refused > 1_000, "{refused}");
}

/// 7001 dials 7002 after five seconds and talks for five minutes.
fn talking() -> Plan {
    Plan { pause: Duration::from_secs(300), ..Plan::plain(Behaviour::Talk(Side::Caller)) }
}

/// The bundles of the node that has the call, so long after the start.
fn bundles_after(seconds: u64) -> (usize, Instant, Vec<Bundle>) {
    let mut world = World::new(Setup::quiet(1, vec![talking()]));
    world.run_until(Instant::ZERO + Duration::from_secs(seconds));
    let index = world.nodes().iter().position(|node| node.core.lens().0 == 1);
    let index = index.expect("a node has the call");
    let bundles = world.nodes()[index].core.export(world.now());
    let now = world.now();
    world.run();
    (index, now, bundles)
}

#[test]
fn a_bundle_is_taken_once_and_by_its_own_shard() {
    let (index, now, bundles) = bundles_after(60);
    let call = &bundles[0];
    let mut core = fresh(index);
    assert_eq!(import(&mut core, call, now), Ok(2), "both legs have a session timer");
    assert_eq!(core.lens(), (1, 2, 0, 0));
    let before = core.export(now);
    let again = import(&mut core, call, now);
    assert!(matches!(again, Err(ImportError::State(StateError::Taken(_)))), "{again:?}");
    assert_eq!(core.export(now), before);
    assert_eq!(import(&mut fresh(1 - index), call, now), Err(ImportError::Foreign));
    let mut later = call.0.to_vec();
    assert_eq!(later[..2], [8, 1], "the major version comes first");
    later[1] = 2;
    assert_eq!(import(&mut fresh(index), &Bundle(later.into()), now), Err(ImportError::Version(2)));
    let none = Bundle(Vec::new().into());
    assert_eq!(import(&mut fresh(index), &none, now), Err(ImportError::Version(0)));
}

/// Bytes of a call that stands and of one that is being set up, and what they cost.
#[test]
fn a_standing_call_is_small() {
    let (index, now, standing) = bundles_after(60);
    let (_, _, answered) = bundles_after(9);
    let (standing, answered) = (&standing[0], &answered[0]);
    let rounds = 200;
    let mut cores: Vec<node::Core> = (0..rounds).map(|_| fresh(index)).collect();
    let clock = Clock::start();
    let best = |turn: &mut dyn FnMut(usize)| {
        let spans = (0..rounds).map(|round| {
            let start = clock.now();
            turn(round);
            clock.now().0 - start.0
        });
        spans.min().unwrap_or_default()
    };
    let imported = best(&mut |round| {
        import(&mut cores[round], standing, now).expect("free");
    });
    let (slot, core) = (sipcluster::base::id::Slot { index: 0, generation: 1 }, &cores[0]);
    let exported = best(&mut |_| assert!(core.export_call(slot, now).is_some()));
    let _ = writeln!(
        std::io::stdout(),
        "a standing call: {} bytes, exported in {exported} ns, imported in {imported} ns; \
         one that was just answered: {} bytes",
        standing.0.len(),
        answered.0.len()
    );
    assert!(standing.0.len() < 4_096, "{} bytes", standing.0.len());
    assert!(answered.0.len() < 16_384, "{} bytes", answered.0.len());
}

/// A drawn world in full swing, as this release stores it.
fn sample() -> Vec<Bundle> {
    let mut world = World::new(Setup { kills: Vec::new(), breaks: 0, ..Setup::drawn(8) });
    while world.nodes()[0].core.lens().0 < 3 {
        world.run_until(world.now() + Duration::from_millis(10));
    }
    let bundles = world.nodes()[0].core.export(world.now());
    world.run();
    bundles
}

/// `WRITE_STATE=1` writes the file of this release anew, which is right only as long
/// as it has not been released.
#[test]
fn stored_bundles_of_release_0_1_are_read() {
    if std::env::var_os("WRITE_STATE").is_some() {
        let mut text = "# A node as release 0.1 stores it, one bundle per line.\n".to_owned();
        for bundle in sample() {
            let hex = |byte: &u8| format!("{byte:02x}");
            let _ = writeln!(text, "{}", bundle.0.iter().map(hex).collect::<String>());
        }
        std::fs::write(FILE, text).expect("writable");
    }
    let text = std::fs::read_to_string(FILE).expect("the file of this release");
    let mut core = fresh(0);
    let now = Instant::ZERO + Duration::from_secs(1);
    let mut stored = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let digits = |at| u8::from_str_radix(&line[at..at + 2], 16).expect("digits");
        let bundle = Bundle((0..line.len()).step_by(2).map(digits).collect());
        import(&mut core, &bundle, now).expect("every release reads what earlier ones wrote");
        stored.push(bundle);
    }
    let (calls, legs, clients, servers) = core.lens();
    assert!(calls > 2 && legs > 4 && clients > 2 && servers > 2, "{:?}", core.lens());
    assert_eq!(core.export(now), stored, "nothing of it is lost");
}
