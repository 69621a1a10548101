//! Another process goes on with what a node has: everything becomes bytes, and a core
//! that was made anew, with another seed of hashes and other names for what it will
//! make, is made from them. Nobody outside can tell.

use super::check::Finding;
use super::cluster;
use super::world::{World, key_of};
use crate::base::id::Slot;
use crate::base::limits::OUTBOX_LEN_MAX;
use crate::base::outbox::Outbox;
use crate::base::time::Instant;
use crate::roles::node::call_manager::core as node;
use std::collections::BTreeSet;

impl World {
    /// Now and then, after an event.
    pub(super) fn maybe_replace(&mut self, index: usize) {
        let one_in = self.setup().replaces;
        if one_in > 0 && self.replacing.below(one_in) == 0 {
            self.replace(index);
        }
    }

    fn replace(&mut self, index: usize) {
        let (now, wall) = (self.now, self.wall());
        let seed = self.replacing.next_u64();
        let other_salt = self.replacing.next_u64() as u32;
        let keeps_names = self.setup().keeps_names;
        let Some(found) = self.nodes.get_mut(index) else { return };
        let salt = if keeps_names { found.salt } else { other_salt };
        let Some(mut core) = cluster::node_core(&self.sealer, index, salt, seed) else { return };
        let mut out = Outbox::new(OUTBOX_LEN_MAX);
        let mut cx =
            node::Cx { now, wall, ids: &mut found.ids, out: &mut out, dns: &cluster::unknown };
        for (&(_, proxy), &alive) in self.told.range((index, 0)..(index + 1, 0)) {
            if let Some(proxy) = self.proxies.get(proxy) {
                core.on(node::Event::Proxy(proxy.address, alive), &mut cx);
            }
        }
        let bundles = found.core.export(now);
        let refused = bundles.iter().find_map(|bundle| core.import(bundle, &mut cx).err());
        let mut wrong = refused.map(|error| format!("{error}"));
        if wrong.is_none() && core.export(now) != bundles {
            wrong = Some("what was made from bundles gives others".to_owned());
        }
        let mut arms = Vec::new();
        for action in out.drain() {
            match action {
                node::Action::Arm(wake, at) => arms.push((wake, at)),
                node::Action::Send(_)
                | node::Action::Record(_)
                | node::Action::Suspect(_)
                | node::Action::Count(_)
                | node::Action::Phone(_)
                | node::Action::Fact(_) => wrong = Some(format!("an import wants {action:?}")),
            }
        }
        (found.core, found.salt) = (core, salt);
        self.moves.push((now, found.address));
        if let Some(what) = wrong {
            self.findings.push(Finding::new("state", None, now, what));
        }
        self.rearm(index, arms);
    }

    /// The new process has no timers but those that it has armed itself.
    fn rearm(&mut self, index: usize, arms: Vec<(node::Wake, Instant)>) {
        let now = self.now;
        let key = |(wake, at): &(node::Wake, Instant)| {
            let (kind, slot): (u8, Slot) = key_of(*wake);
            (index, kind, slot, (*at).max(now))
        };
        let wanted: BTreeSet<_> = arms.iter().map(key).collect();
        self.armed.retain(|armed| armed.0 != index || armed.1 == 0 || wanted.contains(armed));
        for arm in arms {
            if self.armed.insert(key(&arm)) {
                self.wake_node(index, arm.0, arm.1);
            }
        }
    }
}
