//! RFC 4475 3.2 and 3.3: messages that a parser takes and the layer above must refuse.

use super::world::{PHONE, World, udp};
use sipcluster::sip::message::{HeaderId, scan};
use sipx_testkit::rfc4475::case;

fn receive(world: &mut World, name: &str) {
    let found = case(name).unwrap_or_else(|| panic!("{name} is not in the corpus"));
    let message = scan(found.bytes.to_vec()).unwrap_or_else(|error| panic!("{name}: {error}"));
    world.receive(udp(PHONE), message);
}

#[test]
fn each_request_is_refused_with_the_status_of_its_section() {
    for (section, name, statuses) in [
        ("3.3.1", "insuf", &[400][..]),
        ("3.3.2", "unkscm", &[416]),
        ("3.3.3", "novelsc", &[416]),
        ("3.3.4", "unksm2", &[400, 403, 404]),
        ("3.3.5", "bext01", &[420]),
        ("3.3.8", "multi01", &[400]),
        ("3.3.9", "mcl01", &[400]),
        ("3.1.2.16", "badvers", &[505]),
        ("3.1.2.17", "mismatch01", &[400]),
        ("3.1.2.2", "clerr", &[400]),
    ] {
        let mut world = World::new();
        receive(&mut world, name);
        let sent = world.only();
        assert!(statuses.contains(&sent.message.status()), "{section} {name}: {}", sent.what());
        // These two lack what a good response is made of.
        if !["insuf", "badvers"].contains(&name) {
            assert_eq!(sent.message.fault(), None, "{section} {name}");
        }
    }
}

/// 3.3.5: all option tags that the proxy does not know are listed.
#[test]
fn unsupported_lists_every_option_tag() {
    let mut world = World::new();
    receive(&mut world, "bext01");
    let tags = world.only().values(HeaderId::Unsupported);
    assert_eq!(tags, ["noProxiesSupportThis", "norDoAnyProxiesSupportThis"]);
}

/// 3.1.2.11: 400, or the headers of the Request-URI are left out of what goes on.
#[test]
fn headers_of_a_request_uri_go_nowhere() {
    let mut world = World::new();
    receive(&mut world, "escruri");
    let sent = world.only();
    let refused = sent.message.status() == 400;
    assert!(refused || sent.message.request_uri() == b"sip:user@example.com", "{}", sent.what());
}

/// 3.3.11: 483, or the proxy answers an OPTIONS as its last hop (RFC 3261 16.3 step 3).
#[test]
fn a_request_without_hops_left_goes_nowhere() {
    let mut world = World::new();
    receive(&mut world, "zeromf");
    let sent = world.only();
    assert!([200, 483].contains(&sent.message.status()), "{}", sent.what());
}

/// 3.3.10 and 3.1.2.19: responses that belong to nothing are not sent anywhere.
#[test]
fn foreign_responses_vanish() {
    for name in ["bcast", "bigcode", "scalarlg", "unreason", "noreason"] {
        let mut world = World::new();
        receive(&mut world, name);
        assert_eq!(world.take_words(), Vec::<String>::new(), "{name}");
    }
}

/// 3.2.1: two requests whose branch is nothing but the magic cookie are never taken for one.
#[test]
fn an_empty_branch_names_no_transaction() {
    let mut world = World::new();
    let found = case("badbranch").unwrap_or_else(|| panic!("badbranch is not in the corpus"));
    let text = String::from_utf8_lossy(found.bytes).into_owned();
    let second = text.replace("badbranch.sadonfo", "another.sadonfo");
    for bytes in [text, second] {
        let message = scan(bytes.into_bytes()).unwrap_or_else(|error| panic!("{error}"));
        world.receive(udp(PHONE), message);
        assert_eq!(world.take().len(), 1);
    }
}
