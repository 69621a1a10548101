//! RFC 3261 16.6, 18.2.1 and RFC 3581: the copy of a request that goes on.

use super::world::{NODES, PHONE, World, address, udp};
use crate::draft::Draft;
use sipcluster::base::flow::{ConnectionId, Flow, Protocol};
use sipcluster::sip::message::{HeaderId, NameAddr, Via};
use std::collections::BTreeSet;

/// Step 8 and RFC 3581 4.
#[test]
fn our_via_is_on_top_and_theirs_is_amended() {
    let mut world = World::new();
    let draft =
        Draft::invite("a").set("Via", "SIP/2.0/UDP phone.example.com;branch=z9hG4bKx;rport");
    world.request("127.0.0.50:40000", &draft);
    let vias = world.only().values(HeaderId::Via);
    assert_eq!(vias.len(), 2);
    let ours = Via::parse(vias[0].as_bytes()).expect("a good Via");
    assert_eq!((ours.host, ours.port), (&b"127.0.0.1"[..], Some(5060)));
    assert!(ours.branch().starts_with(b"z9hG4bK") && ours.branch().len() > 20);
    let theirs = Via::parse(vias[1].as_bytes()).expect("a good Via");
    assert_eq!((theirs.host, theirs.branch()), (&b"phone.example.com"[..], &b"z9hG4bKx"[..]));
    assert_eq!(theirs.received(), "127.0.0.50".parse().ok());
    assert_eq!(theirs.rport(), Some(40000));
}

/// RFC 3261 18.2.1: `received` when the host of sent-by is another one, and `rport` only when
/// it was asked for; what the sender wrote into them is not believed.
#[test]
fn received_tells_the_truth() {
    let mut world = World::new();
    let via = "SIP/2.0/UDP 10.1.1.1:5061;branch=z9hG4bKx;received=192.0.2.66";
    world.request(PHONE, &Draft::invite("a").set("Via", via));
    let vias = world.only().values(HeaderId::Via);
    let theirs = Via::parse(vias[1].as_bytes()).expect("a good Via");
    assert_eq!(theirs.received(), "127.0.0.50".parse().ok());
    assert_eq!(theirs.rport(), None);
}

/// Other values on the same line are not touched.
#[test]
fn the_values_behind_the_top_via_stay() {
    let mut world = World::new();
    let via = "SIP/2.0/UDP 127.0.0.50:5061;branch=z9hG4bK2;rport, SIP/2.0/TCP far;branch=z9hG4bK1";
    world.request(PHONE, &Draft::invite("a").set("Via", via));
    let vias = world.only().values(HeaderId::Via);
    assert_eq!(vias.len(), 3);
    assert_eq!(vias[2], "SIP/2.0/TCP far;branch=z9hG4bK1");
}

/// Step 3.
#[test]
fn max_forwards_counts_down_or_starts_at_70() {
    for (draft, left) in [
        (Draft::invite("a"), "69"),
        (Draft::invite("b").set("Max-Forwards", "0042"), "41"),
        (Draft::invite("c").set("Max-Forwards", "255"), "254"),
        (Draft::invite("d").without("Max-Forwards"), "70"),
    ] {
        let mut world = World::new();
        world.request(PHONE, &draft);
        assert_eq!(world.only().values(HeaderId::MaxForwards), [left]);
    }
}

/// Step 4.
#[test]
fn record_route_keeps_the_dialog_with_us_and_hides_the_node() {
    let mut world = World::new();
    world.request(PHONE, &Draft::invite("a").add("Record-Route", "<sip:192.0.2.1;lr>"));
    let sent = world.only();
    let routes = sent.values(HeaderId::RecordRoute);
    assert_eq!(routes.len(), 2);
    assert_eq!(routes[1], "<sip:192.0.2.1;lr>");
    let ours = NameAddr::parse(routes[0].as_bytes()).expect("a good value");
    let uri = ours.parsed_uri().expect("a good URI");
    assert_eq!((uri.host, uri.port_or_default()), (&b"cluster.example.com"[..], 5060));
    assert_eq!(uri.param(b"lr"), Some(&b""[..]));
    assert!(!routes[0].contains("127.0.0.1"), "{}", routes[0]);
}

/// Step 4: the value leads back to the node that the request went to.
#[test]
fn record_route_leads_back_to_the_node() {
    let mut world = World::new();
    world.request(PHONE, &Draft::invite("a"));
    let sent = world.only();
    let route = sent.header(HeaderId::RecordRoute);
    let bye = Draft::request("BYE", "sip:01leg@cluster.example.com", "a")
        .set("To", "<sip:7002@cluster.example.com>;tag=there")
        .add("Route", &route);
    world.request(PHONE, &bye);
    assert_eq!(world.only().remote(), sent.remote());
}

/// RFC 5658 4: one value for each side when the protocols differ.
#[test]
fn two_record_routes_where_the_protocols_differ() {
    let mut world = World::new();
    let flow = Flow { protocol: Protocol::Tcp, connection: ConnectionId(4), ..udp(PHONE) };
    let draft = Draft::invite("a").set("Via", "SIP/2.0/TCP 127.0.0.50:5061;branch=z9hG4bKx");
    world.receive(flow, draft.message());
    let routes = world.only().values(HeaderId::RecordRoute);
    assert_eq!(routes.len(), 2, "{routes:?}");
    assert!(routes[0].contains("transport=udp"), "{routes:?}");
    assert!(routes[1].contains("transport=tcp"), "{routes:?}");
}

#[test]
fn requests_that_form_no_dialog_get_no_record_route() {
    for method in ["OPTIONS", "MESSAGE", "INFO"] {
        let mut world = World::new();
        world.request(PHONE, &Draft::request(method, "sip:7002@cluster.example.com", "a"));
        assert_eq!(world.only().values(HeaderId::RecordRoute), Vec::<String>::new(), "{method}");
    }
}

/// 16.6: everything else is as it came, unknown headers in their order and the body too.
#[test]
fn the_rest_goes_on_untouched() {
    let mut world = World::new();
    let draft = Draft::invite("a")
        .add("X-Odd", ";;,,;;,;")
        .add("P-Asserted-Identity", "<sip:7001@cluster.example.com>")
        .add("Authorization", "Digest username=\"7001\", realm=\"r\", nonce=\"n\", uri=\"sip:x\"")
        .add("X-Odd", "second");
    world.request(PHONE, &draft);
    let (came, sent) = (draft.message(), world.only().message);
    assert_eq!(sent.request_uri(), came.request_uri());
    assert_eq!(sent.body(), came.body());
    let changed =
        [HeaderId::Via, HeaderId::MaxForwards, HeaderId::RecordRoute, HeaderId::XSipclusterSource];
    let rest = |message: &sipcluster::sip::message::Message| {
        message
            .all_headers()
            .filter(|(id, _, _)| !changed.contains(id))
            .map(|(_, name, value)| [name, b": ", value].concat())
            .collect::<Vec<_>>()
    };
    assert_eq!(rest(&sent), rest(&came));
}

/// What belongs inside the cluster does not leave it.
#[test]
fn internal_headers_do_not_reach_a_phone() {
    let mut world = World::new();
    world.bind("7002", "sip:7002@127.0.0.60:5060", 1000);
    let draft = world
        .invite_of_node("7002", "a")
        .add("X-Genesys-geo-location", "dc1")
        .add("X-Sipcluster-Role", "primary")
        .add("X-Sipcluster-Source", "udp:127.0.0.50:5061");
    world.request(NODES[0], &draft);
    let sent = world.only();
    assert_eq!(sent.remote(), "127.0.0.60:5060");
    assert!(sent.message.all_headers().all(|(id, _, _)| !id.is_internal()));
}

/// What an outsider writes into them does not reach a node.
#[test]
fn internal_headers_of_outsiders_do_not_reach_a_node() {
    let mut world = World::new();
    let draft = Draft::invite("a")
        .add("X-Sipcluster-Source", "udp:127.0.0.99:1")
        .add("X-Genesys-geo-location", "dc9");
    world.request(PHONE, &draft);
    let sent = world.only();
    assert_eq!(sent.values(HeaderId::XSipclusterSource), [format!("udp:{PHONE}")]);
    assert_eq!(sent.header(HeaderId::XGenesysGeoLocation), "");
}

/// Step 8: a branch is unique over branches and requests.
#[test]
fn branches_are_unique() {
    let mut world = World::new();
    for (uri, q) in [("sip:7002@127.0.0.60:5060", 500), ("sip:7002@127.0.0.61:5060", 500)] {
        world.bind("7002", uri, q);
    }
    for id in ["a", "b", "c"] {
        let draft = world.invite_of_node("7002", id);
        world.request(NODES[0], &draft);
    }
    let branches: BTreeSet<String> = world
        .take()
        .iter()
        .map(|sent| String::from_utf8_lossy(sent.message.top_via().expect("ours").branch()).into())
        .collect();
    assert_eq!(branches.len(), 6);
}

/// Step 2: the contact becomes the Request-URI of the copy.
#[test]
fn a_phone_is_called_at_its_contact() {
    let mut world = World::new();
    world.bind("7002", "sip:7002@127.0.0.60:5060;line=1", 1000);
    let draft = world.invite_of_node("7002", "a");
    world.request(NODES[0], &draft);
    let sent = world.only();
    assert_eq!(sent.message.request_uri(), b"sip:7002@127.0.0.60:5060;line=1");
    assert_eq!(sent.remote(), "127.0.0.60:5060");
    assert_eq!(address(&sent.remote()), address("127.0.0.60:5060"));
}
