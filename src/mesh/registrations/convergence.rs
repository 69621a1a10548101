//! Verifies that all proxies come to hold the same, whatever was registered where,
//! whatever broke and in which order frames of different links came. Digests could
//! hide a fault of the other parts, so the first comparison is before any of them
//! can have had an effect. Only what a proxy told some but not all others before it
//! stopped is theirs to find.

use super::world::{SMALL, World, entry, node, removal};
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

const LIFETIME: Duration = Duration::from_secs(3600);

#[derive(Clone, Copy, Debug)]
enum Step {
    Register { proxy: usize, aor: usize, contact: usize, call: usize, cseq: u32, removes: bool },
    Deliver { link: usize, towards: usize, frames: usize },
    Dial { from: usize, to: usize },
    Break { link: usize },
    Restart { proxy: usize, with_file: bool },
    Pass { ms: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let register =
        (0..3_usize, 0..3_usize, 0..2_usize, 0..3_usize, 1..6_u32, prop::bool::weighted(0.3))
            .prop_map(|(proxy, aor, contact, call, cseq, removes)| Step::Register {
                proxy,
                aor,
                contact,
                call,
                cseq,
                removes,
            });
    prop_oneof![
        8 => register,
        8 => (0..8_usize, 0..2_usize, 1..6_usize)
            .prop_map(|(link, towards, frames)| Step::Deliver { link, towards, frames }),
        3 => (0..3_usize, 0..3_usize).prop_map(|(from, to)| Step::Dial { from, to }),
        2 => (0..8_usize).prop_map(|link| Step::Break { link }),
        1 => (0..3_usize, any::<bool>()).prop_map(|(proxy, with_file)| Step::Restart { proxy, with_file }),
        2 => (1..4_000_u64).prop_map(|ms| Step::Pass { ms }),
    ]
}

fn apply(world: &mut World, step: Step) {
    let len = world.proxies.len();
    match step {
        Step::Register { proxy, aor, contact, call, cseq, removes } => {
            let proxy = proxy % len;
            let (aor, contact, call) =
                (format!("700{aor}"), format!("sip:h{contact}"), format!("call-{call}"));
            let mut entry = entry(proxy, &aor, &contact, &call, cseq, world.now + LIFETIME);
            if removes {
                entry = removal(entry);
            }
            world.register(proxy, entry);
        }
        Step::Deliver { link, towards, frames } => {
            let links = world.links();
            if let Some(link) = links.get(link % links.len().max(1)) {
                for _ in 0..frames {
                    world.deliver(*link, towards);
                }
            }
        }
        // Also where there is a link already, and both at a time.
        Step::Dial { from, to } if from % len != to % len => drop(world.dial(from % len, to % len)),
        Step::Dial { .. } => {}
        Step::Break { link } => {
            let links = world.links();
            if let Some(link) = links.get(link % links.len().max(1)) {
                world.break_link(*link);
            }
        }
        Step::Restart { proxy, with_file } => world.restart(proxy % len, with_file),
        Step::Pass { ms } => world.pass(Duration::from_millis(ms)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 384, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn quiet_links_make_all_stores_equal(len in 2..4_usize, steps in vec(step(), 0..120), restarts: bool) {
        let mut world = World::new(len, SMALL);
        let is_left_out = |step: &Step| matches!(step, Step::Restart { .. }) && !restarts;
        for step in steps.into_iter().filter(|step| !is_left_out(step)) {
            apply(&mut world, step);
        }
        // Until connections that broke on one side only have been noticed.
        world.run(6);
        if !restarts {
            world.assert_equal();
        }
        world.run(30);
        let view = world.assert_equal();
        prop_assert_eq!(world.open_links(), len * (len - 1) / 2, "one link per pair");
        for proxy in &world.proxies {
            prop_assert!(proxy.machine.peers().all(|peer| peer.linked && peer.caught_up && peer.unconfirmed == 0));
            prop_assert!(proxy.machine.ready(world.now).ready);
            let faults = proxy.closed.iter().filter(|reason| !matches!(
                reason,
                CloseReason::Duplicate | CloseReason::Silent | CloseReason::NoHello
            ));
            prop_assert_eq!(faults.count(), 0, "{:?}", proxy.closed);
        }
        prop_assert!(view.len() <= 6);
        // Nothing stays for ever.
        world.run(1);
        world.pass(LIFETIME + LIFETIME);
        for index in 0..len {
            prop_assert!(world.view(index).is_empty());
            prop_assert_eq!(world.proxies[index].machine.contacts_len(), 0, "proxy {}", index);
        }
    }

    #[test]
    fn frames_of_any_bytes_close_the_link_or_are_ignored(frames in vec(vec(any::<u8>(), 0..60), 1..8), after_hello: bool) {
        let mut world = World::new(2, SMALL);
        let link = world.dial(0, 1);
        if after_hello {
            world.deliver_all();
        }
        for payload in frames {
            world.event(1, Event::Frame { link, payload: payload.into() });
        }
        world.run(30);
        prop_assert_eq!(world.open_links(), 1);
    }

    #[test]
    fn spoilt_frames_never_panic(flip in 0..400_usize, bit in 0..8_u8, cut in 0..400_usize) {
        let mut world = World::new(2, SMALL);
        let expires = world.now + LIFETIME;
        world.register(0, entry(0, "7001", "sip:a", "x", 1, expires));
        let link = world.dial(0, 1);
        for towards in [1, 0] {
            for body in world.under_way(link, towards) {
                let mut bytes = wire::encode(body).to_vec();
                if let Some(byte) = bytes.get_mut(flip) {
                    *byte ^= 1 << bit;
                }
                bytes.truncate(cut.max(1));
                let end = towards;
                world.event(end, Event::Frame { link, payload: bytes.into() });
            }
            world.deliver(link, towards);
        }
        prop_assert!(world.proxies[0].machine.contacts_len() <= 2);
        prop_assert_eq!(node(0).get(), 101);
    }
}
