//! RFC 3261 16.7: responses, forking and the best of several answers.

use super::world::{NODES, PHONE, Sent, World};
use crate::draft::Draft;
use sipcluster::roles::sip_proxy::proxy::core::Counted;
use sipcluster::sip::message::HeaderId;

/// The phones that 7002 is forked to.
const PHONES: [&str; 3] = ["127.0.0.60:5060", "127.0.0.61:5060", "127.0.0.62:5060"];

/// An INVITE of node 1 to a DN with these preferences, and its first branches.
fn forked(preferences: &[u16]) -> (World, Vec<Sent>) {
    let mut world = World::new();
    for (remote, q) in PHONES.iter().zip(preferences) {
        world.bind("7002", &format!("sip:7002@{remote}"), *q);
    }
    let draft = world.invite_of_node("7002", "fork");
    world.request(NODES[0], &draft);
    let branches = world.take();
    (world, branches)
}

/// What went back to node 1.
fn back(world: &mut World) -> Vec<Sent> {
    world.take().into_iter().filter(|sent| sent.remote() == NODES[0]).collect()
}

/// Steps 3 and 9.
#[test]
fn our_via_is_taken_off_and_the_answer_goes_to_the_flow() {
    let mut world = World::new();
    let via =
        "SIP/2.0/UDP phone.example.com;branch=z9hG4bKx;rport, SIP/2.0/UDP far;branch=z9hG4bKy";
    world.request(PHONE, &Draft::invite("a").set("Via", via));
    let sent = world.only();
    world.answer(&sent, 180, "there");
    let answer = world.only();
    assert_eq!((answer.what(), answer.remote()), ("180".into(), PHONE.into()));
    let vias = answer.values(HeaderId::Via);
    assert_eq!(vias.len(), 2);
    assert!(vias[0].starts_with("SIP/2.0/UDP phone.example.com;branch=z9hG4bKx"), "{vias:?}");
    assert_eq!(answer.message.to_tag(), b"there");
    assert_eq!(answer.header(HeaderId::RecordRoute), sent.header(HeaderId::RecordRoute));
}

/// Step 3: a response whose only Via is ours is for us and goes nowhere.
#[test]
fn a_response_without_another_via_goes_nowhere() {
    let mut world = World::new();
    world.request(PHONE, &Draft::invite("a"));
    let sent = world.only();
    let ours = sent.values(HeaderId::Via).swap_remove(0);
    let answer = Draft::response(&sent.message, 180, "there").without("Via").set("Via", &ours);
    world.answer_with(&sent, answer);
    assert_eq!(world.take_words(), Vec::<String>::new());
}

/// Step 5.
#[test]
fn a_100_stays_here() {
    let mut world = World::new();
    world.request(PHONE, &Draft::invite("a"));
    let sent = world.only();
    world.answer(&sent, 100, "");
    assert_eq!(world.take_words(), Vec::<String>::new());
}

/// Step 1.
#[test]
fn a_response_that_belongs_to_nothing_is_counted_and_dropped() {
    let mut world = World::new();
    world.request(PHONE, &Draft::invite("a"));
    let sent = world.only();
    let stray = Draft::response(&sent.message, 200, "x");
    for via in ["SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK01aaaaaaaaaaaaaaaaaaaaaaaaaa", "junk"] {
        world.answer_with(&sent, stray.clone().set("Via", via));
    }
    assert_eq!(world.take_words(), Vec::<String>::new());
    let strays = world.counted.iter().filter(|counted| **counted == Counted::StrayResponse).count();
    assert_eq!(strays, 2);
}

/// Step 5: every 2xx of an INVITE goes back at once, also the second and also again.
#[test]
fn every_2xx_goes_back() {
    let (mut world, branches) = forked(&[500, 500]);
    assert_eq!(branches.len(), 2);
    for branch in &branches {
        world.answer(branch, 180, branch.remote().as_str());
    }
    back(&mut world);
    for (branch, tag) in [(0, "one"), (0, "one"), (1, "two"), (1, "two")] {
        world.answer(&branches[branch], 200, tag);
        let answers = back(&mut world);
        assert_eq!(answers.len(), 1, "branch {branch}");
        assert_eq!(answers[0].message.to_tag(), tag.as_bytes());
    }
}

/// Step 10: a 2xx cancels what is pending.
#[test]
fn a_2xx_cancels_the_others() {
    let (mut world, branches) = forked(&[500, 500]);
    world.answer(&branches[1], 180, "two");
    back(&mut world);
    world.answer(&branches[0], 200, "one");
    let sent = world.take();
    let words: Vec<_> =
        sent.iter().map(|sent| format!("{} {}", sent.what(), sent.remote())).collect();
    assert_eq!(words, [format!("200 {}", NODES[0]), format!("CANCEL {}", PHONES[1])]);
    world.answer(&sent[1], 200, "");
    world.answer(&branches[1], 487, "two");
    assert_eq!(world.take_words(), [format!("ACK {}", PHONES[1])]);
}

/// Equal preferences ring together, others one list after the other (16.6).
#[test]
fn preferences_are_tried_in_their_order() {
    let (mut world, first) = forked(&[100, 900, 900]);
    let remotes: Vec<_> = first.iter().map(Sent::remote).collect();
    assert_eq!(remotes, [PHONES[1], PHONES[2]]);
    world.answer(&first[0], 486, "a");
    assert_eq!(world.take_words(), [format!("ACK {}", PHONES[1])]);
    world.answer(&first[1], 480, "b");
    let sent = world.take();
    let words: Vec<_> =
        sent.iter().map(|sent| format!("{} {}", sent.what(), sent.remote())).collect();
    assert_eq!(words, [format!("ACK {}", PHONES[2]), format!("INVITE {}", PHONES[0])]);
    world.answer(&sent[1], 404, "c");
    let answers = back(&mut world);
    assert_eq!(answers.len(), 1);
}

/// Step 5: a 6xx ends the search at once; nothing with less preference is tried.
#[test]
fn a_6xx_cancels_the_others_and_goes_back() {
    let (mut world, branches) = forked(&[900, 900, 100]);
    world.answer(&branches[1], 180, "two");
    back(&mut world);
    world.answer(&branches[0], 603, "one");
    let words = world.take_words();
    assert!(words.contains(&format!("CANCEL {}", PHONES[1])), "{words:?}");
    world.answer(&branches[1], 487, "two");
    let answers = back(&mut world);
    assert_eq!(answers.iter().map(Sent::what).collect::<Vec<_>>(), ["603"]);
    world.pass_ms(100);
    assert!(!world.take_words().iter().any(|word| word.contains(PHONES[2])));
}

/// Step 6: 6xx, then the lowest class.
#[test]
fn the_best_answer_goes_back() {
    for (answers, best) in [
        ([486, 480], &["486", "480"][..]),
        ([404, 302], &["302"]),
        ([500, 404], &["404"]),
        ([404, 500], &["404"]),
        ([503, 486], &["486"]),
        ([408, 500], &["408"]),
        ([500, 408], &["408"]),
        ([603, 302], &["603"]),
        ([404, 401], &["401"]),
        ([407, 486], &["407"]),
        ([503, 500], &["500"]),
    ] {
        let (mut world, branches) = forked(&[500, 500]);
        for (branch, status) in branches.iter().zip(answers) {
            world.answer(branch, status, "x");
        }
        let sent: Vec<_> = back(&mut world).iter().map(Sent::what).collect();
        assert!(sent.len() == 1 && best.contains(&sent[0].as_str()), "{answers:?}: {sent:?}");
    }
}

/// Step 7: the challenges of all 401 and 407 go back with the chosen one.
#[test]
fn challenges_are_collected() {
    let (mut world, branches) = forked(&[500, 500]);
    for (branch, realm) in branches.iter().zip(["one", "two"]) {
        let challenge = format!("Digest realm=\"{realm}\", nonce=\"n\"");
        let answer =
            Draft::response(&branch.message, 401, realm).add("WWW-Authenticate", &challenge);
        world.answer_with(branch, answer);
    }
    let answers = back(&mut world);
    assert_eq!(answers.iter().map(Sent::what).collect::<Vec<_>>(), ["401"]);
    let lines = answers[0].message.header_lines(HeaderId::WwwAuthenticate).count();
    assert_eq!(lines, 2);
}

/// 17.1.1.3: the ACK for a refusal is made here, from the request of that hop.
#[test]
fn a_refusal_is_acknowledged_on_its_own_hop() {
    let mut world = World::new();
    world.request(PHONE, &Draft::invite("a"));
    let sent = world.only();
    world.answer(&sent, 486, "busy");
    let out = world.take();
    assert_eq!(out.len(), 2);
    let ack = out.iter().find(|sent| sent.what() == "ACK").expect("an ACK");
    assert_eq!(ack.remote(), sent.remote());
    assert_eq!(ack.values(HeaderId::Via), sent.values(HeaderId::Via)[..1]);
    assert_eq!(ack.message.request_uri(), sent.message.request_uri());
    assert_eq!(ack.header(HeaderId::CSeq), "1 ACK");
    assert_eq!(ack.message.to_tag(), b"busy");
    assert_eq!(ack.values(HeaderId::Route), sent.values(HeaderId::Route));
    world.answer(&sent, 486, "busy");
    assert_eq!(world.take_words(), [format!("ACK {}", sent.remote())]);
}

/// Internal headers of a node's answer stay inside.
#[test]
fn internal_headers_of_an_answer_stay_inside() {
    let mut world = World::new();
    world.request(PHONE, &Draft::invite("a"));
    let sent = world.only();
    let answer = Draft::response(&sent.message, 200, "x")
        .add("Contact", "<sip:01leg@cluster.example.com>")
        .add("X-Sipcluster-Role", "primary");
    world.answer_with(&sent, answer);
    let answer = world.only();
    assert_eq!(answer.header(HeaderId::Contact), "<sip:01leg@cluster.example.com>");
    assert!(answer.message.all_headers().all(|(id, _, _)| !id.is_internal()));
}

/// 16.7 step 9 and 17.2.1: an ACK for a 2xx has a branch of its own and goes end to end.
#[test]
fn the_ack_of_a_2xx_goes_to_the_node() {
    let mut world = World::new();
    world.request(PHONE, &Draft::invite("a"));
    let sent = world.only();
    world.answer(&sent, 200, "there");
    world.take();
    let ack = Draft::request("ACK", "sip:01leg@cluster.example.com", "a")
        .set("To", "<sip:7002@cluster.example.com>;tag=there")
        .add("Route", &sent.header(HeaderId::RecordRoute));
    world.request(PHONE, &ack);
    let ack = world.only();
    assert_eq!((ack.what(), ack.remote()), ("ACK".into(), sent.remote()));
    assert_eq!(ack.values(HeaderId::Via).len(), 2);
}
