//! Which behaviour has met which fault: a table over all worlds of a run, so that
//! a hole in the drawing of worlds shows.

use super::trace::{Sent, call_of};
use super::world::World;
use crate::base::time::{Duration, Instant};
use core::fmt;
use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet};

/// What can go wrong with a packet or an application of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Nothing went wrong.
    None,
    /// A packet was lost.
    Loss,
    /// A packet came twice.
    Twice,
    /// A packet was overtaken.
    Order,
    /// A packet was on its way for longer than [`DELAY_MIN`].
    Delay,
    /// A packet left while its way was cut.
    Cut,
    /// A node of the call died before its end.
    Node,
    /// A proxy of the call died before its end.
    Proxy,
    /// A turn of the call panicked.
    Broken,
    /// A node of the call became bytes, and another process went on with them.
    Moved,
}

impl Fault {
    /// Every fault, in the order of the table.
    pub const ALL: [Self; 10] = [
        Self::None,
        Self::Loss,
        Self::Twice,
        Self::Order,
        Self::Delay,
        Self::Cut,
        Self::Node,
        Self::Proxy,
        Self::Broken,
        Self::Moved,
    ];
}

/// What counts as a delay.
pub const DELAY_MIN: Duration = Duration::from_millis(100);

/// Calls by behaviour and fault.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    cells: BTreeMap<(String, Fault), u64>,
    worlds: u64,
}

impl Coverage {
    /// Adds the calls of a world that has run.
    pub fn add(&mut self, world: &World) {
        self.worlds += 1;
        let packets = packets_by_call(world);
        let overtaken = overtaken(&world.trace().packets);
        for plan in &world.setup().plans {
            let mut faults = BTreeSet::new();
            let places = packets.get(&plan.id).map(Vec::as_slice).unwrap_or_default();
            for &place in places {
                let Some(sent) = world.trace().packets.get(place) else { continue };
                faults.extend(sent.fault);
                if overtaken.contains(&place) {
                    faults.insert(Fault::Order);
                }
                if sent.arrived().is_some_and(|at| at.since(sent.at) >= DELAY_MIN) {
                    faults.insert(Fault::Delay);
                }
            }
            let sent = || places.iter().filter_map(|&place| world.trace().packets.get(place));
            for (&victim, &died) in world.dead() {
                let used = |sent: &Sent| sent.from == victim || sent.to == victim;
                let before = sent().any(|sent| used(sent) && sent.at <= died);
                let after = sent().any(|sent| sent.at > died);
                let asked = sent().any(|sent| sent.to == victim && sent.at > died);
                if (before && after) || asked {
                    let node = world.nodes().iter().any(|node| node.address == victim);
                    faults.insert(if node { Fault::Node } else { Fault::Proxy });
                }
            }
            for &(moved, node) in world.moves() {
                let used = |sent: &Sent| sent.from == node || sent.to == node;
                let before = sent().any(|sent| used(sent) && sent.at <= moved);
                if before && sent().any(|sent| used(sent) && sent.at > moved) {
                    faults.insert(Fault::Moved);
                    break;
                }
            }
            if world.broken_calls().contains(&plan.id) {
                faults.insert(Fault::Broken);
            }
            if faults.is_empty() {
                faults.insert(Fault::None);
            }
            for fault in faults {
                let row = format!("{:?}", plan.behaviour);
                *self.cells.entry((row, fault)).or_default() += 1;
            }
        }
    }

    /// Worlds that were added.
    #[must_use]
    pub const fn worlds(&self) -> u64 {
        self.worlds
    }

    /// Cells of the table without a call, for behaviours named by `rows`.
    #[must_use]
    pub fn gaps(&self, rows: &[String]) -> Vec<String> {
        let mut gaps = Vec::new();
        for row in rows {
            for fault in Fault::ALL {
                if !self.cells.contains_key(&(row.clone(), fault)) {
                    gaps.push(format!("{row} with {fault:?}"));
                }
            }
        }
        gaps
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<24}", format!("{} worlds", self.worlds))?;
        for fault in Fault::ALL {
            write!(f, "{:>8}", format!("{fault:?}"))?;
        }
        writeln!(f)?;
        let rows: BTreeSet<&String> = self.cells.keys().map(|(row, _)| row).collect();
        for row in rows {
            write!(f, "{row:<24}")?;
            for fault in Fault::ALL {
                let count = self.cells.get(&(row.clone(), fault)).copied().unwrap_or_default();
                write!(f, "{count:>8}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

fn packets_by_call(world: &World) -> BTreeMap<u32, Vec<usize>> {
    let mut found: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (place, _, message) in world.trace().messages() {
        if let Some(call) = call_of(message) {
            found.entry(call).or_default().push(place);
        }
    }
    found
}

/// Packets that arrive after one that left later for the same place.
fn overtaken(packets: &[Sent]) -> BTreeSet<usize> {
    let mut soonest: BTreeMap<(SocketAddr, SocketAddr), Instant> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for (place, sent) in packets.iter().enumerate().rev() {
        let Some(at) = sent.arrived() else { continue };
        let soonest = soonest.entry((sent.from, sent.to)).or_insert(at);
        if *soonest < at {
            found.insert(place);
        }
        *soonest = at.min(*soonest);
    }
    found
}
