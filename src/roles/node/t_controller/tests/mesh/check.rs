//! What must hold when all is quiet.

use super::*;

impl Mesh {
    /// No two nodes in contact both act as owner for longer than messages take.
    pub(super) fn check_owners(&mut self) {
        let mut both = BTreeMap::new();
        for index in 0..PHONES.len() + OWNED.len() {
            let owners: Vec<NodeNumber> = self
                .nodes
                .iter()
                .filter(|(_, node)| node.core.is_own(index))
                .map(|(number, _)| *number)
                .collect();
            for (at, one) in owners.iter().enumerate() {
                for other in &owners[at + 1..] {
                    if self.in_contact(*one, *other) {
                        let key = (index, *one, *other);
                        let since = self.both.get(&key).copied().unwrap_or(self.now);
                        both.insert(key, since);
                    }
                }
            }
        }
        let bound = Duration::from_millis(3 * DELAY_MAX);
        let late: Vec<_> = both
            .iter()
            .filter(|(_, since)| self.now.since(**since) > bound)
            .map(|(key, _)| *key)
            .collect();
        for (index, one, other) in late {
            self.find(format!("DN {index} is owned by {one} and {other}, which are in contact"));
            both.remove(&(index, one, other));
        }
        self.both = both;
    }

    /// When all is quiet everybody agrees, and every client's view is what it would hear
    /// if it asked.
    pub(super) fn check_end(&mut self) {
        self.check_agreement();
        if !self.operators.is_empty() {
            self.find(format!("operators wait: {:?}", self.operators));
        }
        let desks: Vec<_> = self
            .nodes
            .iter()
            .flat_map(|(number, node)| node.desks.iter().map(|(id, desk)| (*number, *id, desk)))
            .map(|(number, id, desk)| (number, id, desk.views.clone(), desk.asked.clone()))
            .collect();
        for (number, id, _, asked) in &desks {
            if !asked.is_empty() {
                self.find(format!("client {} of node {number} waits for {asked:?}", id.0));
            }
        }
        for (number, id, views, _) in &desks {
            for name in views.keys() {
                let kind = tlib::AddressInfoType::AddressInfoDnStatus;
                let given = Attributes { address_info_type: Some(kind.into()), ..dn(name) };
                self.ask(*number, *id, RequestType::TQueryAddress, given);
            }
        }
        self.pass(Duration::from_secs(2));
        for (number, id, before, _) in desks {
            let after = self.nodes[&number].desks[&id].fresh.clone();
            for (name, view) in before {
                if after.get(&name) != Some(&view) {
                    let after = after.get(&name).cloned();
                    let client = id.0;
                    let text = format!(
                        "client {client} of node {number} saw {name} as {view:?}, and it is {after:?}"
                    );
                    self.find(text);
                }
            }
        }
        self.check_registrants();
        self.check_supervisors();
        self.check_standings();
        self.check_rest();
    }

    /// Calls that go on are known to the owners of their DNs, and to their clients, as they are.
    pub(super) fn check_calls(&mut self) {
        let mut problems = Vec::new();
        for (home, fact) in &self.calls {
            let dn = &*fact.destination;
            let owner = self
                .nodes
                .values()
                .find(|node| node.core.names.get(dn).is_some_and(|index| node.core.is_own(*index)));
            let Some(owner) = owner else { continue };
            let is_rung = fact.step != Step::Dialing;
            let is_held = self.held.contains(&fact.conn_id);
            let (conn_id, step) = (fact.conn_id, fact.step);
            let text = format!("call {conn_id} of node {home} at {dn}, {step:?}, held: {is_held}");
            let index = owner.core.names[dn];
            let wanted = is_rung.then_some((step == Step::Connected, is_held));
            let known = Shown::of_registered(&owner.core.known(index)).call(conn_id);
            if known != wanted {
                problems.push(format!("{text}: its owner knows {known:?}"));
            }
            for (number, node) in &self.nodes {
                for (id, desk) in &node.desks {
                    let Some(view) = desk.views.get(dn) else { continue };
                    if desk.late.contains(dn) {
                        continue;
                    }
                    if view.call(conn_id) != wanted {
                        let (id, shown) = (id.0, view.call(conn_id));
                        problems.push(format!("{text}: client {id} of {number} knows {shown:?}"));
                    }
                }
            }
        }
        for problem in problems {
            self.find(problem);
        }
    }

    fn check_agreement(&mut self) {
        for one in 1..=NODES {
            for other in members().filter(|other| *other > one) {
                if !self.in_contact(one, other) {
                    let links =
                        [one, other].map(|node| format!("{:?}", self.nodes[&node].core.links));
                    self.find(format!("no link between {one} and {other}: {links:#?}"));
                }
            }
        }
        for index in 0..PHONES.len() + OWNED.len() {
            let owners: Vec<(NodeNumber, Ownership)> = self
                .nodes
                .iter()
                .map(|(number, node)| (*number, node.core.dns[index].owner))
                .collect();
            let nodes: BTreeSet<Option<NodeId>> =
                owners.iter().map(|(_, owner)| owner.node).collect();
            let claims: BTreeSet<Ownership> = owners
                .iter()
                .map(|(_, owner)| *owner)
                .filter(|owner| owner.node.is_some())
                .collect();
            if nodes.len() > 1 || claims.len() > 1 {
                self.find(format!("no agreement about DN {index}: {owners:?}"));
            }
        }
    }

    /// No call is left, and no agent is at two DNs.
    fn check_rest(&mut self) {
        let mut problems = Vec::new();
        let mut agents = BTreeMap::new();
        for (number, node) in &self.nodes {
            for entry in &node.core.dns {
                if !entry.calls.is_empty() {
                    problems.push(format!("a call is left at {} of node {number}", entry.name));
                }
                if let Some(status) = entry.agent.status() {
                    let at = agents.insert(status.agent_id.clone(), entry.name.clone());
                    if let Some(at) = at {
                        let id = status.agent_id;
                        problems.push(format!("{id} is at {at} and at {}", entry.name));
                    }
                }
            }
        }
        for problem in problems {
            self.find(problem);
        }
    }

    /// What a node's threads read of a DN is what its owner has: where its calls are, if the
    /// proxies of the data centre can bring another one there, and what is set.
    pub(super) fn check_standings(&mut self) {
        let mut problems = Vec::new();
        for (number, node) in self.nodes.iter().filter(|(number, _)| **number <= NODES) {
            let here = &node.core.settings.geo_location;
            let is_here = |at: &NodeId| self.nodes[&at.get()].core.settings.geo_location == *here;
            for (index, entry) in node.core.dns.iter().enumerate() {
                let owner = entry.owner.node;
                let there = owner.map(|owner| &self.nodes[&owner.get()].core.dns[index]);
                let wanted = DnWord {
                    owner,
                    epoch: entry.owner.epoch,
                    calls_at: there.and_then(|there| there.calls.node()).filter(is_here),
                    dnd: there.is_some_and(|there| there.dn.dnd),
                };
                let read = self.words.get(&(*number, index)).copied().unwrap_or_default();
                if read != wanted {
                    let name = &entry.name;
                    problems.push(format!(
                        "node {number} reads {read:?} of {name}, and it is {wanted:?}"
                    ));
                }
            }
        }
        for problem in problems {
            self.find(problem);
        }
    }

    /// All T-Controllers of a data centre know the same supervisors, who are those that the
    /// owners of their DNs have; their order may differ.
    fn check_supervisors(&mut self) {
        let mut problems = Vec::new();
        for (number, node) in self.nodes.iter().filter(|(number, _)| **number <= NODES) {
            let here = &node.core.settings.geo_location;
            let near = self.nodes.values().filter(|other| {
                !other.core.is_smart_proxy() && other.core.settings.geo_location == *here
            });
            for target in PHONES.iter().chain(&OWNED) {
                let wanted: BTreeSet<(String, String)> = near
                    .clone()
                    .flat_map(|other| &other.core.dns)
                    .filter(|entry| {
                        entry.supervision.as_ref().is_some_and(|own| &*own.target == *target)
                    })
                    .map(|entry| {
                        let agent = entry.agent.status().map(|status| status.agent_id);
                        (entry.name.to_string(), agent.unwrap_or_default().to_string())
                    })
                    .collect();
                let known: BTreeSet<(String, String)> = node
                    .core
                    .waiting
                    .of(target)
                    .iter()
                    .map(|one| (one.dn.to_string(), one.agent_id.to_string()))
                    .collect();
                if known != wanted {
                    problems.push(format!(
                        "node {number} knows {known:?} for {target}, and there are {wanted:?}"
                    ));
                }
            }
        }
        for problem in problems {
            self.find(problem);
        }
    }

    /// Who is registered at an owner is a client that is there, and the other way round.
    fn check_registrants(&mut self) {
        let mut problems = Vec::new();
        for (number, node) in &self.nodes {
            if !node.core.pending.is_empty() {
                problems.push(format!("node {number} waits for {:?}", node.core.pending));
            }
            for entry in node.core.dns.iter().filter(|entry| entry.owner.node.is_some()) {
                let owner = entry.owner.node.map(NodeId::get).filter(|owner| owner == number);
                let Some(owner) = owner else { continue };
                let at_owner: BTreeSet<Party> =
                    entry.registrants.iter().map(|(party, _)| *party).collect();
                let mut there = BTreeSet::new();
                let is_known = |number: &NodeNumber| !self.is_bulk || *number <= NODES;
                for (number, node) in self.nodes.iter().filter(|(number, _)| is_known(number)) {
                    for (id, desk) in &node.desks {
                        if desk.views.contains_key(&*entry.name) {
                            let node = NodeId::of_member(*number).expect("one");
                            there.insert(Party { node, client: *id });
                        }
                    }
                }
                if at_owner != there {
                    let name = &entry.name;
                    problems.push(format!(
                        "owner {owner} of {name} knows {at_owner:?}, and there are {there:?}"
                    ));
                }
            }
        }
        for problem in problems {
            self.find(problem);
        }
    }
}
