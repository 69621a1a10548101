//! RFC 3261 16.4 and 16.5: what Route, tokens and `X-Genesys-Route` say about the way.

use super::world::{NODES, PHONE, World};
use crate::draft::Draft;
use sipcluster::roles::sip_proxy::proxy::core::Counted;
use sipcluster::sip::message::HeaderId;

const LEG: &str = "sip:01leg@cluster.example.com";

/// A BYE of the phone inside a dialog with a node.
fn bye(route: &str) -> Draft {
    Draft::request("BYE", LEG, "a")
        .set("To", "<sip:7002@cluster.example.com>;tag=there")
        .add("Route", route)
}

#[test]
fn the_token_names_the_node_and_the_route_is_taken_off() {
    for (id, remote) in [(1, NODES[0]), (2, NODES[1])] {
        let mut world = World::new();
        let route = world.dialog_route(id);
        world.request(PHONE, &bye(&route));
        let sent = world.only();
        assert_eq!((sent.what(), sent.remote()), ("BYE".into(), remote.into()));
        assert_eq!(sent.values(HeaderId::Route), Vec::<String>::new());
        assert_eq!(sent.message.request_uri(), LEG.as_bytes());
        assert_eq!(sent.values(HeaderId::RecordRoute), Vec::<String>::new());
    }
}

#[test]
fn both_routes_of_a_transport_change_are_taken_off() {
    let mut world = World::new();
    let route = world.dialog_route(1);
    world.request(PHONE, &bye(&format!("{route}, {route}")));
    assert_eq!(world.only().values(HeaderId::Route), Vec::<String>::new());
}

#[test]
fn a_forged_token_is_481_and_counted() {
    for route in [
        "<sip:cluster.example.com:5060;lr;t=aaaaaaaaaaaaaaaaaaaaaaaaaa>",
        "<sip:cluster.example.com:5060;lr;t=>",
        "<sip:cluster.example.com:5060;lr>",
    ] {
        let mut world = World::new();
        assert_eq!(world.answered(PHONE, &bye(route)).what(), "481", "{route}");
        assert!(world.counted.contains(&Counted::BadToken), "{route}");
    }
}

#[test]
fn a_token_of_another_kind_is_as_bad_as_a_forged_one() {
    let mut world = World::new();
    let token = world.sealer.seal(sipcluster::base::seal::Kind::Tag, 1);
    let route = format!("<sip:cluster.example.com:5060;lr;t={token}>");
    assert_eq!(world.answered(PHONE, &bye(&route)).what(), "481");
}

#[test]
fn a_dead_node_gives_481_so_that_the_other_party_clears() {
    let mut world = World::new();
    world.node(2, false);
    let route = world.dialog_route(2);
    assert_eq!(world.answered(PHONE, &bye(&route)).what(), "481");
}

#[test]
fn nobody_outside_sends_through_us_to_elsewhere() {
    let mut world = World::new();
    let draft = Draft::invite("a").add("Route", "<sip:192.0.2.9;lr>");
    assert_eq!(world.answered(PHONE, &draft).what(), "403");
    let ours = world.dialog_route(1);
    let draft = Draft::invite("b").add("Route", &format!("{ours}, <sip:192.0.2.9;lr>"));
    assert_eq!(world.answered(PHONE, &draft).what(), "403");
}

/// A pre-loaded Route of the own proxy on a new request (an outbound proxy setting).
#[test]
fn a_preloaded_route_of_ours_is_taken_off() {
    let mut world = World::new();
    world.request(PHONE, &Draft::invite("a").add("Route", "<sip:127.0.0.1:5060;lr>"));
    let sent = world.only();
    assert_eq!(sent.what(), "INVITE");
    assert_eq!(sent.values(HeaderId::Route), Vec::<String>::new());
}

/// 16.4: a strict router puts our Record-Route value into the Request-URI and the target last
/// into Route.
#[test]
fn what_a_strict_router_did_is_undone() {
    let mut world = World::new();
    let route = world.dialog_route(1);
    let ours = route.trim_start_matches('<').trim_end_matches('>');
    let draft = bye(&format!("<{LEG}>")).uri(ours);
    world.request(PHONE, &draft);
    let sent = world.only();
    assert_eq!((sent.what(), sent.remote()), ("BYE".into(), NODES[0].into()));
    assert_eq!(sent.message.request_uri(), LEG.as_bytes());
}

#[test]
fn from_outside_the_header_of_a_node_means_nothing() {
    let mut world = World::new();
    world.bind("7002", "sip:7002@127.0.0.60:5060", 1000);
    let draft = Draft::invite("a").add("X-Genesys-Route", &world.route_header("registrar"));
    world.request(PHONE, &draft);
    let sent = world.only();
    assert!(NODES.contains(&sent.remote().as_str()), "went to {}", sent.remote());
    assert_eq!(sent.header(HeaderId::XGenesysRoute), "");
    assert!(world.counted.contains(&Counted::ForeignRoute));
}

#[test]
fn from_a_node_a_seal_that_does_not_open_means_nothing() {
    let mut world = World::new();
    let header = world.route_header("sip:192.0.2.77:5080").replace("node=1", "node=2");
    let draft = world.invite_of_node("7002", "a").set("X-Genesys-Route", &header);
    world.request(NODES[0], &draft);
    for sent in world.take() {
        assert_ne!(sent.remote(), "192.0.2.77:5080");
    }
    assert!(world.counted.contains(&Counted::ForeignRoute));
}

#[test]
fn the_sealed_hop_is_where_a_nodes_request_goes() {
    let mut world = World::new();
    let header = world.route_header("sip:127.0.0.77:5080");
    let draft = world.invite_of_node("15551000", "a").set("X-Genesys-Route", &header);
    world.request(NODES[0], &draft);
    let sent = world.only();
    assert_eq!(sent.remote(), "127.0.0.77:5080");
    assert_eq!(sent.header(HeaderId::XGenesysRoute), "");
    assert_eq!(sent.message.request_uri(), b"sip:15551000@cluster.example.com");
}

#[test]
fn inside_a_dialog_a_node_reaches_the_contact() {
    let mut world = World::new();
    let draft = Draft::request("BYE", "sip:7001@127.0.0.50:5061", "a")
        .set("To", "<sip:7001@cluster.example.com>;tag=from-a")
        .set("Via", "SIP/2.0/UDP 127.0.0.11:5070;branch=z9hG4bKnode")
        .add("X-Genesys-Route", &world.route_header("dialog"))
        .add("Route", &world.dialog_route(1));
    world.request(NODES[0], &draft);
    let sent = world.only();
    assert_eq!((sent.what(), sent.remote()), ("BYE".into(), PHONE.into()));
    assert_eq!(sent.values(HeaderId::Route), Vec::<String>::new());
}

#[test]
fn a_dn_without_phone_is_480() {
    let mut world = World::new();
    let draft = world.invite_of_node("7099", "a");
    assert_eq!(world.answered(NODES[0], &draft).what(), "480");
}

/// An address can be borrowed, a seal cannot.
#[test]
fn the_address_of_a_node_alone_opens_no_way_out() {
    for uri in ["sip:192.0.2.9:5060", "sip:7001@192.0.2.9"] {
        let mut world = World::new();
        let draft = Draft::invite("a").uri(uri);
        assert_eq!(world.answered(NODES[0], &draft).what(), "403", "{uri}");
    }
}

/// The seal of a node is worth nothing in the hands of others.
#[test]
fn a_seal_without_the_address_of_a_node_opens_no_way_out() {
    let mut world = World::new();
    let header = world.route_header("sip:192.0.2.77:5080");
    let draft = Draft::invite("a").add("X-Genesys-Route", &header);
    world.request(PHONE, &draft);
    assert!(world.take().iter().all(|sent| NODES.contains(&sent.remote().as_str())));
}
