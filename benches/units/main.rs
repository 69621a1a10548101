//! What the hot units cost, each in nanoseconds, best of 5: messages read, one hop
//! of a proxy, transactions, bindings, timers, mailboxes, and the turns of a proxy
//! and of a node in a registration and a call. Not measured here: sockets, and waking
//! threads (`benches/peers/run`).
//!
//! With `--rounds` a unit runs that often and nothing is timed, so that
//! `benches/instructions` can count.

mod cluster;
mod cti;
mod parts;

use cluster::{Node, Play, Proxy, Round, Shard, WARM_UP, play, record};
use sipcluster::runtime::clock::Clock;
use std::io::{Error, ErrorKind, Write as _};

const USAGE: &str = "\
usage: units [--only NAME] [--rounds N [--room M]] | --list

  --only NAME   this unit alone
  --rounds N    run it N times and time nothing; needs --only
  --room M      make it ready for M rounds, so that runs with different N differ in nothing else
  --list        names, and the N that they are counted with
";

/// Something that is measured.
struct Unit {
    name: &'static str,
    /// What one operation is.
    is: &'static str,
    /// Operations of a timed pass.
    timed: usize,
    /// Operations of a counted one.
    counted: usize,
    /// Makes it ready for so many operations.
    make: fn(usize) -> Box<dyn FnMut()>,
}

const UNITS: [Unit; 13] = [
    unit("parse-invite", "an INVITE is scanned", 200_000, 2_000, parts::parse_invite),
    unit("parse-register", "a REGISTER is scanned", 200_000, 2_000, parts::parse_register),
    unit("hop", "scan, Via, Record-Route, Max-Forwards, write", 200_000, 2_000, parts::hop),
    unit("transactions", "four INVITE transactions", 200_000, 2_000, parts::transactions),
    unit("look-up", "a DN among 100,000 bindings", 200_000, 50_000, parts::look_up),
    unit("timers", "two armed, a millisecond; 32,500 stand", 200_000, 20_000, parts::timers),
    unit("mailbox", "64 messages in and out", 50_000, 1_000, parts::batch),
    unit("proxy-register", "REGISTER and its 200", 2_000, 200, proxy_register),
    unit("proxy-call", "both INVITEs of a call, to their end", 1_000, 100, proxy_call),
    unit("node-call", "a call from INVITE to BYE", 1_000, 100, node_call),
    unit("t-event-1", "a T-event for a client", 100_000, 2_000, cti::to_one),
    unit("t-event-10", "a T-event for ten clients", 100_000, 2_000, cti::to_ten),
    unit("t-event-100", "a T-event for a hundred clients", 20_000, 500, cti::to_hundred),
];

const fn unit(
    name: &'static str,
    is: &'static str,
    timed: usize,
    counted: usize,
    make: fn(usize) -> Box<dyn FnMut()>,
) -> Unit {
    Unit { name, is, timed, counted, make }
}

fn proxy_register(room: usize) -> Box<dyn FnMut()> {
    replay::<Proxy>(record(Play::Register, room + WARM_UP).0)
}

fn proxy_call(room: usize) -> Box<dyn FnMut()> {
    replay::<Proxy>(record(Play::Call, room + WARM_UP).0)
}

fn node_call(room: usize) -> Box<dyn FnMut()> {
    replay::<Node>(record(Play::Call, room + WARM_UP).1)
}

/// Plays a record to a fresh shard, round by round.
fn replay<S: Shard + 'static>(rounds: Vec<Round>) -> Box<dyn FnMut()> {
    let mut shard = S::fresh();
    let mut rounds = rounds.into_iter();
    let mut next = move || {
        let Some(round) = rounds.next() else { panic!("no room for so many rounds") };
        play(&mut shard, &round, |_, turn| turn());
    };
    (0..WARM_UP).for_each(|_| next());
    Box::new(next)
}

/// Nanoseconds of an operation, the best of five passes.
fn timed(unit: &Unit, clock: &Clock) -> u64 {
    let mut best_ns = u64::MAX;
    for _ in 0..5 {
        let mut operation = (unit.make)(unit.timed);
        let start = clock.now();
        (0..unit.timed).for_each(|_| operation());
        best_ns = best_ns.min(clock.now().0.saturating_sub(start.0) / unit.timed as u64);
    }
    best_ns
}

/// What the command line asks for.
#[derive(Default)]
struct Asked {
    only: Option<String>,
    rounds: Option<usize>,
    room: usize,
    list: bool,
}

fn asked() -> Option<Asked> {
    let mut asked = Asked::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--only" => asked.only = Some(words.next()?),
            "--rounds" => asked.rounds = Some(words.next()?.parse().ok()?),
            "--room" => asked.room = words.next()?.parse().ok()?,
            "--list" => asked.list = true,
            // What cargo says to every bench.
            "--bench" => {}
            _ => return None,
        }
    }
    (asked.rounds.is_none() || asked.only.is_some()).then_some(asked)
}

fn main() -> std::io::Result<()> {
    let Some(asked) = asked() else { return Err(Error::new(ErrorKind::InvalidInput, USAGE)) };
    let mut out = std::io::stdout();
    let wanted = |unit: &&Unit| asked.only.as_ref().is_none_or(|only| only == unit.name);
    let units: Vec<&Unit> = UNITS.iter().filter(wanted).collect();
    if units.is_empty() {
        return Err(Error::new(ErrorKind::NotFound, "no unit has that name: see --list"));
    }
    let clock = Clock::start();
    for unit in units {
        if asked.list {
            writeln!(out, "{} {}", unit.name, unit.counted)?;
        } else if let Some(rounds) = asked.rounds {
            let mut operation = (unit.make)(asked.room.max(rounds));
            (0..rounds).for_each(|_| operation());
        } else {
            writeln!(out, "{:15} {:7} ns  {}", unit.name, timed(unit, &clock), unit.is)?;
        }
    }
    Ok(())
}
