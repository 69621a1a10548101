//! Phones that are reached by their connection alone.

use super::world::*;
use crate::base::contact::{Bound, ContactBlock, Parts};
use crate::base::flow::{ConnectionId, Destination, Flow, Protocol};
use crate::base::seal::Kind;
use crate::roles::sip_proxy::proxy::core::Event;
use crate::sip::message::{HeaderId, NameAddr, scan};
use crate::sip::packet::Packet;
use crate::sip::registrar::{Binding, Entry};

/// What a browser has for a Contact.
const CONTACT: &str = "sip:k3j2@a7f.invalid;transport=ws";
const WS_ADDRESS: &str = "127.0.0.1:8060";

/// Proxy 101 with a port for `WebSocket`, which knows 102; or 102 with none, which knows 101.
fn proxy(number: u16) -> World {
    World::with(|settings| {
        if number == 101 {
            settings.ports = vec![(Protocol::Ws, address(WS_ADDRESS))];
            settings.holders = vec![(node_id(102), address(OTHER_PROXY))];
        } else {
            settings.id = node_id(102);
            settings.address = address(OTHER_PROXY);
            settings.holders = vec![(node_id(101), address(PROXY))];
        }
        settings.ports_of_all = vec![address(WS_ADDRESS)];
    })
}

fn flow(connection: u64) -> Flow {
    let (local, remote) = (address(WS_ADDRESS), address("127.0.0.60:40000"));
    Flow { protocol: Protocol::Ws, local, remote, connection: ConnectionId(connection) }
}

fn by_flow(world: &mut World, connection: u64, text: &Text) -> Vec<Sent> {
    world.on(Event::Packet(Packet { flow: flow(connection), message: text.message() }));
    world.take()
}

/// 7001 registers at proxy 101 by a connection, and 102 hears of it.
fn registered() -> (World, World) {
    let (mut holder, mut other) = (proxy(101), proxy(102));
    let text = Text::register(1)
        .with("Via", "SIP/2.0/WS a7f.invalid;branch=z9hG4bKw1")
        .with("Contact", &format!("<{CONTACT}>"));
    let sent = by_flow(&mut holder, 5, &text);
    holder.answer(&sent[0], 200);
    for entry in holder.shared.clone() {
        other.on(Event::Binding(entry));
    }
    (holder, other)
}

fn invite(world: &World, hop: &str) -> Text {
    let text =
        Text::request("INVITE", "sip:7001@example.com", "in").with("To", "<sip:7001@example.com>");
    world.of_node(1, hop, text)
}

/// The same request as the other proxy gets it.
fn passed_on(sent: &Sent) -> Text {
    let mut text = Text::request("INVITE", CONTACT, "in").without("Via");
    for (id, name) in [
        (HeaderId::Via, "Via"),
        (HeaderId::To, "To"),
        (HeaderId::XGenesysRoute, "X-Genesys-Route"),
        (HeaderId::MaxForwards, "Max-Forwards"),
    ] {
        text = text.without(name);
        for value in sent.message.header_lines(id) {
            text = text.add(name, &String::from_utf8_lossy(value));
        }
    }
    text
}

/// As it comes out of the file of a proxy.
fn without_connection(entry: Entry) -> Entry {
    match entry {
        Entry::Put(binding) => {
            let parts = binding.contact.parts();
            let bound = parts.bound.map(|bound| {
                let source = Flow { connection: ConnectionId::default(), ..bound.source };
                Bound { source, ..bound }
            });
            let contact = ContactBlock::new(&Parts { bound, ..parts });
            Entry::Put(Binding { contact, ..binding })
        }
        removed @ Entry::Remove { .. } => removed,
    }
}

fn is_by(sent: &Sent, connection: u64) -> bool {
    matches!(&sent.to, Destination::Flow(flow) if flow.connection == ConnectionId(connection))
}

#[test]
fn the_holder_sends_by_the_connection_and_says_which_in_record_route() {
    let (mut holder, _) = registered();
    let text = invite(&holder, "registrar");
    let sent = holder.one(NODES[0], &text);
    assert!(is_by(&sent, 5), "{:?}", sent.to);
    assert_eq!(sent.message.request_uri(), CONTACT.as_bytes());
    assert!(sent.header(HeaderId::Via).starts_with(&format!("SIP/2.0/WS {WS_ADDRESS};")));
    assert_eq!(sent.header(HeaderId::XGenesysRoute), "", "it is nobody's outside");
    let routes: Vec<&[u8]> = sent.message.values(HeaderId::RecordRoute).collect();
    let shown: Vec<String> =
        routes.iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect();
    assert!(shown[0].starts_with("<sip:example.com:8060;transport=ws;lr;t="), "{shown:?}");
    assert!(!shown[0].contains(";f=") && shown[1].contains(";f="), "{shown:?}");
    assert!(shown[1].starts_with(&format!("<sip:{PROXY};transport=udp;lr;t=")), "{shown:?}");
    // Inside the dialog: by the node, whichever of the two values comes first.
    for routes in [vec![&shown[1], &shown[0]], vec![&shown[0], &shown[1]]] {
        let id = format!("bye{}", routes[0].len());
        let mut text =
            Text::request("BYE", CONTACT, &id).with("To", "<sip:7001@example.com>;tag=x");
        for route in routes {
            text = text.add("Route", route);
        }
        let text = holder.of_node(1, "dialog", text);
        let sent = holder.one(NODES[0], &text);
        assert!(is_by(&sent, 5), "{:?}", sent.to);
        assert_eq!(sent.header(HeaderId::Route), "");
    }
    // Whoever else says so does not get there.
    let text = Text::request("BYE", CONTACT, "stranger")
        .with("To", "<sip:7001@example.com>;tag=x")
        .add("Route", &shown[0]);
    let sent = holder.one(PHONE_2, &text);
    assert_eq!(sent.node(), 1, "to the node of the dialog, as ever");
}

/// RFC 3261 20.14: a message of a WebSocket need not say how long its body is, one on a stream
/// must, and where it goes next may be a stream.
#[test]
fn a_message_that_does_not_say_how_long_it_is_is_given_its_length() {
    let (mut holder, _) = registered();
    let text = "MESSAGE sip:7002@example.com SIP/2.0\r\nVia: SIP/2.0/WS a7f.invalid;branch=z9hG4bKm\r\n\
        From: <sip:7001@example.com>;tag=m\r\nTo: <sip:7002@example.com>\r\nCall-ID: m\r\n\
        CSeq: 1 MESSAGE\r\nMax-Forwards: 70\r\nContent-Type: text/plain\r\n\r\nhello";
    let message = scan(text.as_bytes().to_vec()).expect("a message");
    holder.on(Event::Packet(Packet { flow: flow(5), message }));
    let sent = holder.take();
    assert_eq!(sent[0].header(HeaderId::ContentLength), "5");
    let mut answer = Text::response(&sent[0].message, 200, "peer").bytes();
    answer.truncate(answer.len() - b"Content-Length: 0\r\n\r\n".len());
    answer.extend_from_slice(b"\r\n");
    let remote = sent[0].remote();
    holder.receive_bytes(&remote, answer);
    let back = holder.take();
    assert!(is_by(&back[0], 5));
    assert_eq!(back[0].header(HeaderId::ContentLength), "0");
}

/// The phone of a call has another connection since: its requests follow it there.
#[test]
fn a_call_follows_its_phone_to_another_connection() {
    let (mut holder, _) = registered();
    let text = invite(&holder, "registrar");
    let sent = holder.one(NODES[0], &text);
    let routes: Vec<String> = sent
        .message
        .values(HeaderId::RecordRoute)
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .collect();
    let bye = |world: &World, id: &str| {
        let text = Text::request("BYE", CONTACT, id).with("To", "<sip:7001@example.com>;tag=x");
        world.of_node(1, "dialog", text.add("Route", &routes[1]).add("Route", &routes[0]))
    };
    let text = Text::register(2)
        .with("Via", "SIP/2.0/WS a7f.invalid;branch=z9hG4bKw2")
        .with("Contact", &format!("<{CONTACT}>"));
    let asked = by_flow(&mut holder, 9, &text);
    holder.answer(&asked[0], 200);
    let text = bye(&holder, "one");
    let sent = holder.one(NODES[0], &text);
    assert!(is_by(&sent, 9), "{:?}", sent.to);
    assert_eq!(sent.header(HeaderId::Route), "");
    // It has gone to the other proxy.
    for entry in holder.shared.clone() {
        if let Entry::Put(binding) = entry {
            let binding = Binding { proxy: node_id(102), cseq: 3, ..binding };
            holder.on(Event::Binding(without_connection(Entry::Put(binding))));
        }
    }
    let text = bye(&holder, "two");
    let sent = holder.one(NODES[0], &text);
    assert_eq!(sent.remote(), OTHER_PROXY);
    assert_ne!(sent.header(HeaderId::XGenesysRoute), "");
}

#[test]
fn another_proxy_sends_it_to_the_holder() {
    let (mut holder, mut other) = registered();
    let text = invite(&other, "registrar");
    let sent = other.one(NODES[0], &text);
    assert_eq!(sent.remote(), PROXY);
    assert_eq!(sent.message.request_uri(), CONTACT.as_bytes());
    assert_eq!(sent.header(HeaderId::RecordRoute), "", "the holder alone stays in the way");
    let by_holder = holder.one(OTHER_PROXY, &passed_on(&sent));
    assert!(is_by(&by_holder, 5), "{:?}", by_holder.to);
    let route = by_holder.message.values(HeaderId::RecordRoute).next().expect("one");
    let uri = NameAddr::parse(route).expect("a value").parsed_uri().expect("a URI");
    let token = uri.param(b"t").expect("a token");
    assert_eq!(holder.sealer.open(Kind::Route, token), Some(1), "the node's own dialog");
    assert_eq!(holder.answer(&by_holder, 180), [format!("180 {OTHER_PROXY}")]);
    // Requests inside the dialog that come by the wrong one.
    let values: Vec<String> = by_holder
        .message
        .values(HeaderId::RecordRoute)
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .collect();
    let text = Text::request("BYE", CONTACT, "bye").with("To", "<sip:7001@example.com>;tag=x");
    let text = text.add("Route", &values[1]).add("Route", &values[0]);
    let text = other.of_node(1, "dialog", text);
    let sent = other.one(NODES[0], &text);
    assert_eq!(sent.remote(), PROXY);
    assert_eq!(sent.message.values(HeaderId::Route).count(), 2, "the holder takes its own off");
}

/// A proxy that is dead has no connections: a call does not wait for it.
#[test]
fn a_holder_that_stays_silent_is_given_up() {
    let (_, mut other) = registered();
    let text = invite(&other, "registrar");
    assert_eq!(other.one(NODES[0], &text).remote(), PROXY);
    other.pass_ms(1_900);
    assert!(
        other
            .words()
            .iter()
            .all(|word| *word == format!("INVITE {PROXY}") || word.starts_with("100 "))
    );
    other.pass_ms(200);
    assert_eq!(other.words().last(), Some(&format!("480 {}", NODES[0])));
    // One that has said 100 has time.
    let (_, mut other) = registered();
    let text = invite(&other, "registrar");
    let sent = other.one(NODES[0], &text);
    other.answer(&sent, 100);
    other.pass_ms(60_000);
    assert!(other.words().iter().all(|word| !word.starts_with("480 ")));
}

/// The hop of a proxy counts by its address and its seal, as that of a node does.
#[test]
fn nobody_else_says_whose_connection_it_is() {
    let (mut holder, mut other) = registered();
    let text = invite(&other, "registrar");
    let sent = other.one(NODES[0], &text);
    for (from, text) in [
        (PHONE, passed_on(&sent)),
        (NODES[1], passed_on(&sent)),
        (OTHER_PROXY, passed_on(&sent).with("X-Genesys-Route", "node=102;time=1;hop=flow:1:7001")),
        (
            OTHER_PROXY,
            passed_on(&sent).with("X-Genesys-Route", &holder.hop(102, "flow:1:7001", -90)),
        ),
    ] {
        let text = text.with("Call-ID", from).with("From", &format!("<sip:a@b>;tag={from}"));
        let found = holder.exchange(from, &text);
        assert!(found.iter().all(|sent| !is_by(sent, 5)), "{from}: {found:?}");
    }
}

#[test]
fn a_connection_that_is_gone_is_said_to_be() {
    let (mut holder, mut other) = registered();
    // Another phone's connection has its number after a restart.
    let stale = {
        let mut before = proxy(101);
        before.core.seed ^= 1;
        before.core.flow_token(&flow(5)).expect("a token").to_string()
    };
    let own = holder.core.flow_token(&flow(5)).expect("a token").to_string();
    for (token, words) in
        [(&own, "BYE 0.0.0.0:0".to_owned()), (&stale, format!("430 {}", NODES[0]))]
    {
        let contact = CONTACT.replace("k3j2", "other");
        let text = Text::request("BYE", &contact, token).with("To", "<sip:7001@example.com>;tag=x");
        let text = text.add("Route", &format!("<sip:{PROXY};lr;f={token}>"));
        let text = holder.of_node(1, "dialog", text);
        let sent = holder.one(NODES[0], &text);
        assert_eq!(sent.words(), words);
    }
    // A binding of before the restart of its proxy.
    let mut anew = proxy(101);
    for entry in holder.shared.clone() {
        anew.on(Event::Binding(without_connection(entry)));
    }
    let text = invite(&anew, "registrar");
    assert_eq!(anew.one(NODES[0], &text).words(), format!("480 {}", NODES[0]));
    let text = invite(&other, "registrar");
    let sent = other.one(NODES[0], &text);
    assert_eq!(anew.one(OTHER_PROXY, &passed_on(&sent)).words(), format!("480 {OTHER_PROXY}"));
    // The transport finds none.
    let text =
        invite(&holder, "registrar").with("Call-ID", "later").with("From", "<sip:a@b>;tag=9");
    holder.receive(NODES[0], &text);
    let sender = holder.senders.pop().expect("it was sent");
    holder.take();
    holder.on(Event::SendFailed(sender));
    assert_eq!(holder.words(), [format!("480 {}", NODES[0])]);
}
