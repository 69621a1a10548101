//! The checker stepped by hand. Not verified here: sockets.

use super::core::{Action, Core, Cx, DRAINING, Event, Standing, Target};
use crate::base::flow::{Destination, Protocol};
use crate::base::id::{Ids, NodeId};
use crate::base::outbox::Outbox;
use crate::base::seal::Sealer;
use crate::base::time::{Duration, Instant, WallTime};
use crate::sip::message::{HeaderId, response_to, scan};
use core::net::SocketAddr;
use std::sync::Arc;

const NODE: SocketAddr =
    SocketAddr::new(core::net::IpAddr::V4(core::net::Ipv4Addr::LOCALHOST), 5070);

fn target(name: &str, port: u16) -> Target {
    Target {
        name: name.into(),
        to: Destination::Address {
            protocol: Protocol::Udp,
            remote: SocketAddr::new(NODE.ip(), port),
        },
        uri: format!("sip:127.0.0.1:{port}"),
        hop: None,
        check: Duration::from_secs(5),
        force: Duration::from_secs(2),
        error_check: false,
        recovery: Duration::ZERO,
        max_forwards: 70,
        presumed: false,
        is_proxy: false,
    }
}

const WALL: WallTime = WallTime(1_795_209_494_000);

struct Bench {
    core: Core,
    ids: Ids,
    out: Outbox<Action>,
}

impl Bench {
    fn new(targets: Vec<Target>) -> Self {
        let sealer = Arc::new(Sealer::new(&[b"key"]).expect("a key"));
        Self {
            core: Core::new(targets, sealer, NODE, NodeId::new(1).expect("good")),
            ids: Ids::new(1),
            out: Outbox::new(64),
        }
    }

    fn step(&mut self, event: Event, at_ms: u64) -> Vec<Action> {
        let now = Instant(at_ms * 1_000_000);
        self.core.on(event, &mut Cx { now, wall: WALL, ids: &mut self.ids, out: &mut self.out });
        self.out.drain().collect()
    }

    fn answer(&mut self, sent: &[Action], status: u16, at_ms: u64) -> Vec<Action> {
        self.answer_as(sent, status, "", at_ms)
    }

    /// An answer in which somebody names its role.
    fn answer_as(&mut self, sent: &[Action], status: u16, role: &str, at_ms: u64) -> Vec<Action> {
        let bytes = sent
            .iter()
            .find_map(|action| match action {
                Action::Send(outbound) => Some(outbound.bytes.clone()),
                Action::Arm(..) | Action::State { .. } | Action::Gone(_) => None,
            })
            .expect("a probe");
        let request = scan(bytes.to_vec()).expect("a message");
        assert_eq!(request.fault(), None);
        let mut response = response_to(&request, status, b"", b"t", None);
        if !role.is_empty() {
            response.header(HeaderId::XSipclusterRole, role);
        }
        let response = response.body(None);
        let response = scan(response.to_vec()).expect("a message");
        self.step(Event::Response(Box::new(response)), at_ms)
    }
}

fn states(actions: &[Action]) -> Vec<(usize, bool)> {
    actions
        .iter()
        .filter_map(|action| match action {
            Action::State { target, standing, .. } => Some((*target, *standing == Standing::In)),
            Action::Send(_) | Action::Arm(..) | Action::Gone(_) => None,
        })
        .collect()
}

#[test]
fn a_target_that_answers_comes_in_and_goes_out_when_it_stops() {
    let mut bench = Bench::new(vec![target("node", 5070)]);
    let sent = bench.step(Event::Start, 0);
    assert_eq!(states(&bench.answer(&sent, 200, 10)), [(0, true)]);
    let sent = bench.step(Event::Wake(0), 5000);
    assert!(sent.iter().any(|action| matches!(action, Action::Send(_))));
    let resent = bench.step(Event::Wake(0), 5500);
    assert!(resent.iter().any(|action| matches!(action, Action::Send(_))));
    assert_eq!(states(&bench.step(Event::Wake(0), 6999)), []);
    assert_eq!(states(&bench.step(Event::Wake(0), 7000)), [(0, false)]);
    assert_eq!(states(&bench.answer(&sent, 200, 7100)), [], "a late answer is not believed");
}

/// A node that drains is there for its calls, until it says nothing any more; one that does not
/// is a backup, or refuses.
#[test]
fn a_node_that_drains_says_so() {
    let standing = |actions: &[Action]| {
        actions.iter().find_map(|action| match action {
            Action::State { standing, .. } => Some(*standing),
            Action::Send(_) | Action::Arm(..) | Action::Gone(_) => None,
        })
    };
    let mut bench = Bench::new(vec![target("node", 5070)]);
    let mut sent = bench.step(Event::Start, 0);
    for (at_ms, status, role, expected) in [
        (0, 200, "primary", Some(Standing::In)),
        (5_000, 503, DRAINING, Some(Standing::Draining)),
        (10_000, 503, DRAINING, None),
        (15_000, 200, "primary", Some(Standing::In)),
        (20_000, 503, "backup", Some(Standing::Out)),
        (25_000, 503, DRAINING, Some(Standing::Draining)),
        (30_000, 408, DRAINING, Some(Standing::Out)),
        (35_000, 503, DRAINING, Some(Standing::Draining)),
    ] {
        if at_ms > 0 {
            sent = bench.step(Event::Wake(0), at_ms);
        }
        let answered = bench.answer_as(&sent, status, role, at_ms + 10);
        assert_eq!(standing(&answered), expected, "{at_ms} {status} {role}");
    }
    let address = SocketAddr::from(([127, 0, 0, 1], 5070));
    let suspected = bench.step(Event::Suspect(address), 36_000);
    assert_eq!(standing(&suspected), Some(Standing::Out), "it stayed silent");
}

#[test]
fn a_backup_that_says_503_stays_out() {
    let mut bench = Bench::new(vec![target("node", 5070)]);
    let sent = bench.step(Event::Start, 0);
    assert_eq!(states(&bench.answer(&sent, 503, 10)), []);
}

#[test]
fn an_error_is_life_unless_told_otherwise() {
    let mut strict = target("b", 5081);
    strict.error_check = true;
    let mut bench = Bench::new(vec![target("a", 5080)]);
    let sent = bench.step(Event::Start, 0);
    assert_eq!(states(&bench.answer(&sent, 404, 10)), [(0, true)]);
    let mut bench = Bench::new(vec![strict]);
    let sent = bench.step(Event::Start, 0);
    assert_eq!(states(&bench.answer(&sent, 404, 10)), []);
}

#[test]
fn silence_elsewhere_puts_out_at_once_and_asks() {
    let mut bench = Bench::new(vec![target("node", 5070)]);
    let sent = bench.step(Event::Start, 0);
    bench.answer(&sent, 200, 10);
    let actions = bench.step(Event::Suspect(NODE), 100);
    assert_eq!(states(&actions), [(0, false)]);
    assert_eq!(states(&bench.answer(&actions, 200, 120)), [(0, true)]);
    assert!(bench.step(Event::Suspect("127.0.0.9:1".parse().expect("good")), 130).is_empty());
}

#[test]
fn what_lies_behind_the_proxies_is_not_blamed_for_them() {
    let mut proxy = target("proxy", 5060);
    proxy.is_proxy = true;
    let mut trunk = target("trunk", 5080);
    trunk.hop = Some("sip:127.0.0.1:5080".to_owned());
    trunk.presumed = true;
    let mut bench = Bench::new(vec![proxy, trunk]);
    let sent = bench.step(Event::Start, 0);
    assert_eq!(sent.iter().filter(|action| matches!(action, Action::Send(_))).count(), 1);
    bench.answer(&sent, 200, 10);
    let probe = bench.step(Event::Wake(1), 5000);
    assert_eq!(states(&bench.answer(&probe, 503, 5010)), [(1, false)]);
    let probe = bench.step(Event::Wake(1), 10_000);
    assert_eq!(states(&bench.answer(&probe, 200, 10_010)), [(1, true)]);
    bench.step(Event::Suspect("127.0.0.1:5060".parse().expect("good")), 11_000);
    assert_eq!(states(&bench.step(Event::Wake(1), 20_000)), []);
}

#[test]
fn other_targets_keep_the_state_of_those_that_stay() {
    let mut bench = Bench::new(vec![target("one", 5070), target("two", 5071)]);
    let sent = bench.step(Event::Start, 0);
    bench.answer(&sent, 200, 10);
    let stays = target("one", 5070);
    let actions = bench.step(Event::Targets(vec![target("three", 5072), stays]), 20);
    let gone: Vec<&str> = actions
        .iter()
        .filter_map(|action| match action {
            Action::Gone(target) => Some(&*target.name),
            Action::Send(_) | Action::Arm(..) | Action::State { .. } => None,
        })
        .collect();
    assert_eq!(gone, ["two"]);
    assert_eq!(states(&actions), [(0, false)]);
    let kept: Vec<(String, bool)> =
        bench.core.states().map(|(target, state)| (target.name.to_string(), state)).collect();
    assert_eq!(kept, [("three".to_owned(), false), ("one".to_owned(), true)]);
    // An answer to a probe of before the change is nobody's.
    assert_eq!(states(&bench.answer(&sent, 503, 30)), []);
    // Both are asked at once.
    let asked = actions.iter().filter(|action| matches!(action, Action::Send(_))).count();
    assert_eq!(asked, 2);
}

/// Probes of what lies behind a proxy carry the next hop, dated like any other.
#[test]
fn the_next_hop_of_a_probe_is_sealed_with_its_time() {
    let proxy = Target { is_proxy: true, ..target("proxy", 5060) };
    let hop = Some("sip:127.0.0.9:5080".to_owned());
    let mut bench = Bench::new(vec![proxy, Target { hop, ..target("trunk", 5080) }]);
    let sent = bench.step(Event::Start, 0);
    bench.answer(&sent, 200, 10);
    let sent = bench.step(Event::Wake(1), 5000);
    let bytes = sent.iter().find_map(|action| match action {
        Action::Send(outbound) => Some(outbound.bytes.clone()),
        Action::Arm(..) | Action::State { .. } | Action::Gone(_) => None,
    });
    let request = scan(bytes.expect("a probe").to_vec()).expect("a message");
    let value = request.header(HeaderId::XGenesysRoute).expect("a hop");
    let sealer = Sealer::new(&[b"key"]).expect("a key");
    let hop = sealer.open_hop(value).expect("ours");
    assert_eq!((hop.at_s, hop.hop), (WALL.as_secs(), &b"sip:127.0.0.9:5080"[..]));
}
