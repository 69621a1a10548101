//! Which node a request goes to.

use super::settings::Settings;
use crate::base::id::NodeId;
use core::hash::Hasher;
use core::net::SocketAddr;
use siphasher::sip::SipHasher13;

/// A node's state as this proxy sees it.
#[derive(Clone, Debug)]
struct NodeState {
    id: NodeId,
    is_local: bool,
    primary: Option<SocketAddr>,
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
            .map(|node| NodeState { id: node.id, is_local: node.is_local, primary: None })
            .collect();
        Self { states }
    }

    /// Takes the nodes of another configuration; those known keep their state.
    pub fn configure(&mut self, settings: &Settings) {
        let mut new = Self::new(settings);
        for state in &mut new.states {
            let known = self.states.iter().find(|known| known.id == state.id);
            state.primary = known.and_then(|known| known.primary);
        }
        *self = new;
    }

    /// Notes the address of a node's primary, `None` when it has none in service.
    pub fn set(&mut self, id: NodeId, primary: Option<SocketAddr>) {
        if let Some(state) = self.states.iter_mut().find(|state| state.id == id) {
            state.primary = primary;
        }
    }

    /// Address of the primary of a node in service.
    #[must_use]
    pub fn primary(&self, id: NodeId) -> Option<SocketAddr> {
        self.states.iter().find(|state| state.id == id)?.primary
    }

    /// How many nodes of the own data centre are in service.
    #[must_use]
    pub fn in_service(&self) -> usize {
        self.states.iter().filter(|state| state.is_local && state.primary.is_some()).count()
    }

    /// The node of the own data centre for a Call-ID: the greatest of a hash over
    /// Call-ID and node-id, which every proxy computes alike and which moves only
    /// the calls of a node that went. Nodes already tried are left out.
    #[must_use]
    pub fn choose(&self, call_id: &[u8], tried: &[NodeId]) -> Option<(NodeId, SocketAddr)> {
        self.states
            .iter()
            .filter(|state| state.is_local && !tried.contains(&state.id))
            .filter_map(|state| Some((weight(call_id, state.id), state.id, state.primary?)))
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

    fn nodes(count: u16) -> Nodes {
        let states = (1..=count)
            .filter_map(NodeId::new)
            .map(|id| NodeState {
                id,
                is_local: true,
                primary: Some(SocketAddr::from(([127, 0, 0, 1], 5000 + id.get()))),
            })
            .collect();
        Nodes { states }
    }

    #[test]
    fn calls_spread_evenly_and_move_little() {
        let mut nodes = nodes(4);
        let chosen = |nodes: &Nodes, call: u32| {
            nodes.choose(format!("call-{call}").as_bytes(), &[]).map(|(id, _)| id.get())
        };
        let before: Vec<_> = (0..4000).map(|call| chosen(&nodes, call)).collect();
        for id in 1..=4 {
            let share = before.iter().filter(|&&found| found == Some(id)).count();
            assert!((800..1200).contains(&share), "node {id} has {share} of 4000");
        }
        nodes.set(NodeId::new(2).expect("good"), None);
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
        assert_eq!(nodes.choose(b"x", &[one]).map(|(id, _)| id), Some(two));
        assert_eq!(nodes.choose(b"x", &[one, two]), None);
        nodes.states[1].is_local = false;
        assert_eq!(nodes.choose(b"x", &[one]), None);
        assert_eq!(nodes.in_service(), 1);
    }
}
