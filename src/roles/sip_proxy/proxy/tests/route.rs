//! Tokens, sealed hops and who may use them (`decisions.md` 5).

use super::super::core::Counted;
use super::world::{NODES, OTHER_PROXY, PHONE, Sent, Text, World, address};
use crate::base::seal::{Kind, Sealer};
use crate::sip::message::HeaderId;

fn within(method: &str, id: &str) -> Text {
    Text::request(method, "sip:01leg@example.com", id)
        .with("To", "<sip:7002@example.com>;tag=there")
}

#[test]
fn any_proxy_opens_the_token_of_another() {
    let mut one = World::new();
    let mut two = World::with(|settings| settings.address = address(OTHER_PROXY));
    let id = one.call_id_for(3, "c");
    let sent = one.one(PHONE, &Text::invite(&id));
    assert_eq!(sent.node(), 3);
    let route = sent.header(HeaderId::RecordRoute);
    for method in ["ACK", "BYE", "INFO", "INVITE"] {
        let text = within(method, &id)
            .with("Via", &format!("SIP/2.0/UDP {PHONE};branch=z9hG4bK{method}"))
            .with("Route", &route);
        let sent = two.one(PHONE, &text);
        assert_eq!(sent.words(), format!("{method} {}", NODES[2]));
        assert!(sent.header(HeaderId::Route).is_empty());
    }
}

#[test]
fn the_call_id_leads_to_the_same_node_by_any_proxy() {
    let mut one = World::new();
    let mut two = World::with(|settings| settings.address = address(OTHER_PROXY));
    for number in 0..20 {
        let id = format!("c{number}");
        let node = one.one(PHONE, &Text::invite(&id)).node();
        assert_eq!(two.one(PHONE, &Text::invite(&id)).node(), node, "a repeated INVITE");
        let via = format!("SIP/2.0/UDP {PHONE};branch=z9hG4bK{id};rport");
        let mut three = World::with(|settings| settings.address = address(OTHER_PROXY));
        let cancel = Text::request("CANCEL", "sip:7002@example.com", &id).with("Via", &via);
        let sent = three.one(PHONE, &cancel);
        assert_eq!((sent.node(), sent.message.method_token()), (node, &b"CANCEL"[..]));
        let ack = within("ACK", &id).with("Via", &via);
        let sent = three.one(PHONE, &ack);
        assert_eq!(sent.words(), format!("ACK {}", NODES[usize::from(node) - 1]));
        assert!(!three.counted.contains(&Counted::BadToken));
    }
}

/// Its INVITE came by a proxy that died: the node answers, and that goes back.
#[test]
fn a_cancel_without_an_invite_is_the_nodes_to_answer() {
    let mut world = World::new();
    let cancel = Text::request("CANCEL", "sip:7002@example.com", "c");
    let sent = world.one(PHONE, &cancel);
    assert!(world.exchange(PHONE, &cancel).is_empty(), "a repetition is absorbed");
    assert_eq!(world.answer(&sent, 481), [format!("481 {PHONE}")]);
    // From a node it leads nowhere.
    let cancel = Text::request("CANCEL", "sip:7002@example.com", "d");
    assert_eq!(world.one(NODES[0], &cancel).words(), format!("481 {}", NODES[0]));
    world.pass_ms(60_000);
    assert_eq!(world.core.transactions_len(), 0);
}

#[test]
fn a_token_that_does_not_open_is_481_and_counted() {
    let world = World::new();
    let good = world.route(2);
    let leg = world.leg(Kind::Leg, 2);
    let foreign = Sealer::of(b"other").seal(Kind::Route, 2);
    for route in [
        good.replace("t=", "t=a"),
        format!("<sip:example.com;lr;t={leg}>"),
        format!("<sip:example.com;lr;t={foreign}>"),
        "<sip:example.com;lr;t=>".to_owned(),
        "<sip:example.com;lr>".to_owned(),
    ] {
        let mut world = World::new();
        let answer = world.one(PHONE, &within("BYE", "b").with("Route", &route));
        assert_eq!(answer.words(), format!("481 {PHONE}"), "{route}");
        assert!(world.counted.contains(&Counted::BadToken));
        assert!(world.exchange(PHONE, &within("ACK", "a").with("Route", &route)).len() <= 1);
    }
}

#[test]
fn a_strict_router_is_undone() {
    let mut world = World::new();
    let route = world.route(2);
    let uri = route.trim_matches(['<', '>']).to_owned();
    let text = Text::request("BYE", &uri, "b")
        .with("To", "<sip:7002@example.com>;tag=there")
        .with("Route", "<sip:01leg@example.com>");
    let sent = world.one(PHONE, &text);
    assert_eq!(sent.node(), 2);
    assert_eq!(sent.message.request_uri(), b"sip:01leg@example.com");
    assert!(sent.header(HeaderId::Route).is_empty());
}

/// Who may say where a request goes: only a node, from its own address, lately.
#[test]
fn a_hop_is_honoured_from_its_node_and_for_a_minute() {
    let cases: [(&str, &str, u16, i64, bool); 9] = [
        ("now", NODES[0], 1, 0, true),
        ("a clock behind", NODES[0], 1, -5, true),
        ("a clock ahead", NODES[0], 1, 5, true),
        ("at the bound", NODES[0], 1, -60, true),
        ("too old", NODES[0], 1, -61, false),
        ("from the future", NODES[0], 1, 61, false),
        ("another node's", NODES[0], 2, 0, false),
        ("from a phone", PHONE, 1, 0, false),
        ("from a stranger's port", "127.0.0.11:5071", 1, 0, false),
    ];
    for (what, from, node, offset_s, honoured) in cases {
        for hop in ["sip:9@10.0.0.9:5080", "registrar", "dialog"] {
            let mut world = World::new();
            world.register_by(1);
            world.counted.clear();
            let header = world.hop(node, hop, offset_s);
            let text = match hop {
                "dialog" => within("INFO", "i").with("Route", "<sip:10.0.0.9:5080;lr>"),
                _ => Text::request("INVITE", "sip:7001@example.com", "i"),
            };
            let sent = world.exchange(from, &text.with("X-Genesys-Route", &header));
            let expected = if hop == "registrar" { PHONE } else { "10.0.0.9:5080" };
            let went =
                sent.iter().any(|sent| sent.message.is_request() && sent.remote() == expected);
            assert_eq!(went, honoured, "{what}: {hop}");
            let foreign = world.counted.contains(&Counted::ForeignRoute);
            assert_eq!(foreign, !honoured, "{what}: {hop}");
            for sent in sent {
                assert!(sent.header(HeaderId::XGenesysRoute).is_empty(), "{what}: {hop}");
            }
        }
    }
}

/// The clock goes on between two words of it.
#[test]
fn a_hop_wears_off_by_the_proxys_own_clock() {
    let mut world = World::new();
    world.register_by(1);
    let header = world.hop(1, "registrar", 0);
    for (pass_ms, honoured) in [(0, true), (59_000, true), (2_000, false)] {
        world.pass_ms(pass_ms);
        world.take();
        let id = format!("at{}", world.now);
        let text =
            Text::request("INVITE", "sip:7001@example.com", &id).with("X-Genesys-Route", &header);
        let sent = world.exchange(NODES[0], &text);
        let went = sent.iter().any(|sent| sent.remote() == PHONE);
        assert_eq!(went, honoured, "at {}", world.now);
    }
}

#[test]
fn requests_of_one_host_are_told_apart_by_their_seal() {
    let mut world = World::with(|settings| {
        settings.nodes[1].addresses = settings.nodes[0].addresses.clone();
    });
    world.register_by(1);
    for node in [1, 2] {
        let text = Text::request("INVITE", "sip:7001@example.com", &format!("of{node}"));
        let text = text.with("X-Genesys-Route", &world.hop(node, "registrar", 0));
        let sent = world.one(NODES[0], &text);
        let record_route = sent.header(HeaderId::RecordRoute);
        let token = record_route.split("t=").nth(1).expect("a token").trim_end_matches('>');
        let opened = world.sealer.open(Kind::Route, token.as_bytes());
        assert_eq!(opened, Some(u64::from(node)));
    }
}

#[test]
fn a_mailbox_is_asked_at_the_feature_server_and_nothing_else_is() {
    let subscribe =
        |event: &str| Text::request("SUBSCRIBE", "sip:7001@example.com", "s").with("Event", event);
    for (event, server, expected) in [
        ("message-summary", Some("10.0.0.7:5160"), "SUBSCRIBE 10.0.0.7:5160"),
        ("Message-Summary;id=1", Some("10.0.0.7:5160"), "SUBSCRIBE 10.0.0.7:5160"),
        ("presence", Some("10.0.0.7:5160"), "489"),
        ("message-summary", None, "489"),
    ] {
        let mut world = World::with(|settings| settings.feature_server = server.map(address));
        let sent = world.one(PHONE, &subscribe(event));
        assert!(sent.words().starts_with(expected), "{event}: {}", sent.words());
    }
}

#[test]
fn what_an_outsider_writes_into_internal_headers_goes_nowhere() {
    let mut world = World::new();
    let text = Text::invite("i")
        .with("X-Genesys-Route", "node=1;hop=sip:10.9.9.9;seal=00")
        .with("X-Genesys-geo-location", "dc9")
        .with("X-Sipcluster-Role", "primary")
        .with("X-Sipcluster-Source", "udp:10.9.9.9:5060");
    let sent: Vec<Sent> = world.exchange(PHONE, &text);
    assert_eq!(sent.len(), 1);
    assert!(sent[0].node() > 0);
    for id in [HeaderId::XGenesysRoute, HeaderId::XGenesysGeoLocation, HeaderId::XSipclusterRole] {
        assert!(sent[0].header(id).is_empty());
    }
    assert_eq!(sent[0].header(HeaderId::XSipclusterSource), format!("udp:{PHONE}"));
    assert_eq!(world.counted, [Counted::ForeignRoute]);
}
