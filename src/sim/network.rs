//! The network between all parties, with the faults of its profile.

use super::coverage::Fault;
use crate::base::flow::Protocol;
use crate::base::id::Ids;
use crate::base::time::{Duration, Instant};
use core::net::SocketAddr;
use std::collections::BTreeMap;

/// What is wrong with the network of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// A millisecond or two, in order.
    Clean,
    /// One datagram of twenty is lost.
    Lossy,
    /// One datagram of five arrives twice.
    Duplicating,
    /// One datagram of five is overtaken by later ones.
    Reordering,
    /// Up to 400 ms for each hop, drawn for each packet.
    Slow,
    /// Now and then two halves do not hear each other for up to 3 s.
    Parted,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 6] =
        [Self::Clean, Self::Lossy, Self::Duplicating, Self::Reordering, Self::Slow, Self::Parted];
}

/// A time in which two groups do not hear each other.
#[derive(Clone, Debug)]
struct Cut {
    start: Instant,
    end: Instant,
    group: Vec<SocketAddr>,
}

/// What becomes of a packet.
#[derive(Clone, Debug)]
pub struct Fate {
    /// When it arrives: never, once, or twice.
    pub arrivals: Vec<Instant>,
    /// What was done to it.
    pub fault: Option<Fault>,
}

/// The network.
#[derive(Debug)]
pub struct Network {
    profile: Profile,
    random: Ids,
    cuts: Vec<Cut>,
    /// Last arrival by pair, for what keeps its order.
    last: BTreeMap<(SocketAddr, SocketAddr), Instant>,
}

impl Network {
    /// A network; a parted one is parted ten times in the given span.
    #[must_use]
    pub fn new(profile: Profile, parties: &[SocketAddr], span: Duration, seed: u64) -> Self {
        let mut random = Ids::new(seed);
        let mut cuts = Vec::new();
        if profile == Profile::Parted {
            let span_ms = u64::try_from(span.as_millis()).unwrap_or(60_000).max(1);
            for _ in 0..10 {
                let start = Instant::ZERO + Duration::from_millis(random.below(span_ms));
                let end = start + Duration::from_millis(200 + random.below(2_800));
                let group =
                    parties.iter().filter(|_| random.below(2) == 0).copied().collect::<Vec<_>>();
                cuts.push(Cut { start, end, group });
            }
        }
        Self { profile, random, cuts, last: BTreeMap::new() }
    }

    /// What becomes of a packet that leaves now.
    pub fn fate(
        &mut self,
        now: Instant,
        from: SocketAddr,
        to: SocketAddr,
        protocol: Protocol,
    ) -> Fate {
        let cut = self.cut(now, from, to);
        let mut fault = cut.map(|_| Fault::Cut);
        if protocol.is_reliable() {
            let at = cut.unwrap_or(now) + self.delay();
            return Fate { arrivals: vec![self.in_order(at, from, to)], fault };
        }
        if cut.is_none() && self.profile == Profile::Lossy && self.random.below(20) == 0 {
            fault = Some(Fault::Loss);
        }
        if fault.is_some() {
            return Fate { arrivals: Vec::new(), fault };
        }
        let arrivals = self.datagram(now, from, to);
        let fault = (arrivals.len() > 1).then_some(Fault::Twice);
        Fate { arrivals, fault }
    }

    fn datagram(&mut self, now: Instant, from: SocketAddr, to: SocketAddr) -> Vec<Instant> {
        let at = now + self.delay();
        match self.profile {
            Profile::Clean | Profile::Lossy | Profile::Parted => vec![self.in_order(at, from, to)],
            Profile::Duplicating => {
                let mut arrivals = vec![self.in_order(at, from, to)];
                if self.random.below(5) == 0 {
                    arrivals.push(at + Duration::from_micros(self.random.below(30_000)));
                }
                arrivals
            }
            Profile::Reordering => {
                let late = self.random.below(5) == 0;
                let extra = if late { 5_000 + self.random.below(60_000) } else { 0 };
                vec![at + Duration::from_micros(extra)]
            }
            Profile::Slow => vec![at],
        }
    }

    fn delay(&mut self) -> Duration {
        let bound = if self.profile == Profile::Slow { 400_000 } else { 1_000 };
        Duration::from_micros(500 + self.random.below(bound))
    }

    fn in_order(&mut self, at: Instant, from: SocketAddr, to: SocketAddr) -> Instant {
        let last = self.last.entry((from, to)).or_default();
        let at = at.max(*last + Duration::from_micros(1));
        *last = at;
        at
    }

    /// The end of the cut that stands between the two.
    fn cut(&self, now: Instant, from: SocketAddr, to: SocketAddr) -> Option<Instant> {
        self.cuts
            .iter()
            .filter(|cut| cut.start <= now && now < cut.end)
            .filter(|cut| cut.group.contains(&from) != cut.group.contains(&to))
            .map(|cut| cut.end)
            .max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 1, last], 5060))
    }

    fn network(profile: Profile) -> Network {
        Network::new(profile, &[address(1), address(2)], Duration::from_secs(60), 7)
    }

    #[test]
    fn a_clean_network_keeps_everything_in_order() {
        let mut network = network(Profile::Clean);
        let mut last = Instant::ZERO;
        for step in 0..1000 {
            let now = Instant(step * 1_000);
            let arrivals = network.fate(now, address(1), address(2), Protocol::Udp).arrivals;
            assert_eq!(arrivals.len(), 1);
            assert!(arrivals[0] > last && arrivals[0] > now);
            last = arrivals[0];
        }
    }

    #[test]
    fn each_fault_shows_and_streams_suffer_none() {
        for profile in Profile::ALL {
            let mut network = network(profile);
            let (mut lost, mut twice, mut overtaken) = (0, 0, 0);
            let mut last = Instant::ZERO;
            let mut last_stream = Instant::ZERO;
            for step in 0..6000 {
                let now = Instant(step * 10_000_000);
                let arrivals = network.fate(now, address(1), address(2), Protocol::Udp).arrivals;
                lost += usize::from(arrivals.is_empty());
                twice += usize::from(arrivals.len() == 2);
                for at in arrivals {
                    overtaken += usize::from(at < last);
                    last = last.max(at);
                }
                let stream = network.fate(now, address(2), address(1), Protocol::Tcp).arrivals;
                assert_eq!(stream.len(), 1);
                assert!(stream[0] > last_stream);
                last_stream = stream[0];
            }
            let faults = (lost > 0, twice > 0, overtaken > 0);
            let expected = match profile {
                Profile::Clean => (false, false, false),
                Profile::Lossy | Profile::Parted => (true, false, false),
                Profile::Duplicating => (false, true, true),
                Profile::Reordering | Profile::Slow => (false, false, true),
            };
            assert_eq!(faults, expected, "{profile:?}: {lost} {twice} {overtaken}");
        }
    }
}
