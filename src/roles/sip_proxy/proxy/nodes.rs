//! Which node a request goes to.

use super::settings::Settings;
use crate::base::id::NodeId;
use crate::base::limits::{NODE_REST_MAX, SWITCHOVER_TIME};
use crate::base::time::{Duration, Instant};
use core::hash::Hasher;
use core::net::SocketAddr;
use siphasher::sip::SipHasher13;

/// A node's state as this proxy sees it.
#[derive(Clone, Debug)]
struct NodeState {
    id: NodeId,
    is_local: bool,
    is_pair: bool,
    primary: Option<SocketAddr>,
    /// It keeps its calls and takes nothing new.
    is_draining: bool,
    /// Until when it asked to be left alone.
    rests_until: Instant,
    /// Until when the other member of a pair may be about to take over.
    switches_until: Instant,
}

impl NodeState {
    const fn is_in_service(&self) -> bool {
        self.primary.is_some() && !self.is_draining
    }

    /// Where it takes new requests, if it does now.
    fn taking(&self, now: Instant) -> Option<SocketAddr> {
        self.primary.filter(|_| !self.is_draining && self.rests_until <= now)
    }
}

/// The nodes with what the Service Checker says of them.
#[derive(Clone, Debug, Default)]
pub struct Nodes {
    states: Vec<NodeState>,
}

impl Nodes {
    /// All nodes, each out of service until it answers.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let states = settings
            .nodes
            .iter()
            .map(|node| NodeState {
                id: node.id,
                is_local: node.is_local,
                is_pair: node.addresses.len() > 1,
                primary: None,
                is_draining: false,
                rests_until: Instant::ZERO,
                switches_until: Instant::ZERO,
            })
            .collect();
        Self { states }
    }

    /// Takes the nodes of another configuration; those known keep their state.
    pub fn configure(&mut self, settings: &Settings) {
        let mut new = Self::new(settings);
        for state in &mut new.states {
            if let Some(known) = self.states.iter().find(|known| known.id == state.id) {
                (state.primary, state.is_draining) = (known.primary, known.is_draining);
                state.rests_until = known.rests_until;
                state.switches_until = known.switches_until;
            }
        }
        *self = new;
    }

    /// Notes the address of a node's primary, `None` when it has none in service.
    pub fn set(&mut self, id: NodeId, primary: Option<SocketAddr>, now: Instant) {
        let Some(state) = self.states.iter_mut().find(|state| state.id == id) else { return };
        if state.primary != primary {
            state.rests_until = Instant::ZERO;
        }
        if state.is_pair && state.primary.is_some() && primary.is_none() {
            state.switches_until = now + SWITCHOVER_TIME;
        }
        state.primary = primary;
    }

    /// Notes whether a node keeps its calls and takes nothing new.
    pub fn drain(&mut self, id: NodeId, is_draining: bool) {
        if let Some(state) = self.states.iter_mut().find(|state| state.id == id) {
            state.is_draining = is_draining;
        }
    }

    /// A node said 503 with Retry-After: no new request goes to it for so long,
    /// within a bound (RFC 3261 21.5.4).
    pub fn rest(&mut self, id: NodeId, span: Duration, now: Instant) {
        if let Some(state) = self.states.iter_mut().find(|state| state.id == id) {
            state.rests_until = now + span.min(NODE_REST_MAX);
        }
    }

    /// Whether a pair has lost its primary so lately that its other member may be
    /// about to take over.
    #[must_use]
    pub fn is_switching(&self, id: NodeId, now: Instant) -> bool {
        let state = self.states.iter().find(|state| state.id == id);
        state.is_some_and(|state| state.primary.is_none() && now < state.switches_until)
    }

    /// Address of the primary of a node that takes new requests.
    #[must_use]
    pub fn taking(&self, id: NodeId, now: Instant) -> Option<SocketAddr> {
        self.states.iter().find(|state| state.id == id)?.taking(now)
    }

    /// Address of the primary of a node, for what belongs to its calls.
    #[must_use]
    pub fn primary(&self, id: NodeId) -> Option<SocketAddr> {
        self.states.iter().find(|state| state.id == id)?.primary
    }

    /// Whether a node takes new work, now or when it has rested.
    #[must_use]
    pub fn is_in_service(&self, id: NodeId) -> bool {
        self.states.iter().any(|state| state.id == id && state.is_in_service())
    }

    /// How many nodes of the own data centre are in service.
    #[must_use]
    pub fn in_service(&self) -> usize {
        self.states.iter().filter(|state| state.is_local && state.is_in_service()).count()
    }

    /// The node of the own data centre for a Call-ID: the greatest of a hash over
    /// Call-ID and node-id, which every proxy computes alike and which moves only
    /// the calls of a node that went. Nodes already tried, and nodes that rest, are
    /// left out.
    #[must_use]
    pub fn choose(
        &self,
        call_id: &[u8],
        tried: &[NodeId],
        now: Instant,
    ) -> Option<(NodeId, SocketAddr)> {
        self.states
            .iter()
            .filter(|state| state.is_local && !tried.contains(&state.id))
            .filter_map(|state| Some((weight(call_id, state.id), state.id, state.taking(now)?)))
            .max()
            .map(|(_, id, address)| (id, address))
    }
}

fn weight(call_id: &[u8], id: NodeId) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(0x7369_7063, 0x6c75_7374);
    hasher.write(call_id);
    hasher.write_u16(id.get());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant(5_000_000_000);

    fn nodes(count: u16) -> Nodes {
        let states = (1..=count)
            .filter_map(NodeId::new)
            .map(|id| NodeState {
                id,
                is_local: true,
                is_pair: id.get() == 1,
                primary: Some(SocketAddr::from(([127, 0, 0, 1], 5000 + id.get()))),
                is_draining: false,
                rests_until: Instant::ZERO,
                switches_until: Instant::ZERO,
            })
            .collect();
        Nodes { states }
    }

    #[test]
    fn calls_spread_evenly_and_move_little() {
        let mut nodes = nodes(4);
        let chosen = |nodes: &Nodes, call: u32| {
            nodes.choose(format!("call-{call}").as_bytes(), &[], NOW).map(|(id, _)| id.get())
        };
        let before: Vec<_> = (0..4000).map(|call| chosen(&nodes, call)).collect();
        for id in 1..=4 {
            let share = before.iter().filter(|&&found| found == Some(id)).count();
            assert!((800..1200).contains(&share), "node {id} has {share} of 4000");
        }
        nodes.set(NodeId::new(2).expect("good"), None, NOW);
        let after: Vec<_> = (0..4000).map(|call| chosen(&nodes, call)).collect();
        for (was, is) in before.iter().zip(&after) {
            assert!(*was == Some(2) || was == is);
            assert_ne!(*is, Some(2));
        }
    }

    #[test]
    fn a_tried_or_foreign_node_is_not_chosen() {
        let mut nodes = nodes(2);
        let one = NodeId::new(1).expect("good");
        let two = NodeId::new(2).expect("good");
        assert_eq!(nodes.choose(b"x", &[one], NOW).map(|(id, _)| id), Some(two));
        assert_eq!(nodes.choose(b"x", &[one, two], NOW), None);
        nodes.states[1].is_local = false;
        assert_eq!(nodes.choose(b"x", &[one], NOW), None);
        assert_eq!(nodes.in_service(), 1);
    }

    #[test]
    fn a_node_that_drains_takes_nothing_new_and_keeps_its_dialogs() {
        let mut nodes = nodes(2);
        let one = NodeId::new(1).expect("good");
        let two = NodeId::new(2).expect("good");
        for (is_draining, in_service) in [(true, 1), (false, 2)] {
            nodes.drain(one, is_draining);
            assert_eq!(nodes.in_service(), in_service);
            assert_eq!(nodes.taking(one, NOW).is_none(), is_draining);
            assert_eq!(nodes.choose(b"x", &[two], NOW).is_none(), is_draining);
            assert!(nodes.primary(one).is_some());
        }
    }

    #[test]
    fn a_node_rests_for_as_long_as_it_said_and_no_longer_than_the_bound() {
        let mut nodes = nodes(2);
        let one = NodeId::new(1).expect("good");
        let two = NodeId::new(2).expect("good");
        for (said, rests) in [(5, 5), (100_000, NODE_REST_MAX.as_secs())] {
            nodes.rest(one, Duration::from_secs(said), NOW);
            let back = NOW + Duration::from_secs(rests);
            assert_eq!(nodes.choose(b"x", &[two], Instant(back.0 - 1)), None);
            assert_eq!(nodes.taking(one, Instant(back.0 - 1)), None);
            assert!(nodes.primary(one).is_some(), "its dialogs go on");
            assert_eq!(nodes.choose(b"x", &[two], back).map(|(id, _)| id), Some(one));
        }
        nodes.rest(one, Duration::from_secs(30), NOW);
        nodes.set(one, None, NOW);
        nodes.set(one, Some(SocketAddr::from(([127, 0, 0, 1], 1))), NOW);
        assert!(nodes.taking(one, NOW).is_some(), "one that came back is rested");
    }

    #[test]
    fn only_a_pair_switches_over_and_not_for_ever() {
        let mut nodes = nodes(2);
        let one = NodeId::new(1).expect("good");
        let two = NodeId::new(2).expect("good");
        assert!(!nodes.is_switching(one, NOW));
        nodes.set(one, None, NOW);
        nodes.set(two, None, NOW);
        assert!(nodes.is_switching(one, NOW) && !nodes.is_switching(two, NOW));
        assert!(!nodes.is_switching(one, NOW + SWITCHOVER_TIME));
        nodes.set(one, Some(SocketAddr::from(([127, 0, 0, 1], 1))), NOW);
        assert!(!nodes.is_switching(one, NOW));
    }
}
