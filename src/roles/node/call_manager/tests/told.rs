//! What others hear: phones that have registered, and how far calls are.

use super::*;
use crate::base::id::ConnId;
use crate::call::facts::{EndedBy, Order, Party, Step, Wish};
use crate::sip::message::Method;

const PHONE: &str = "127.0.0.50:5061";

fn registered(more: &str) -> Option<Phone> {
    let mut shard = Shard1::new();
    shard.request("REGISTER", "7002", "7002", PHONE, more);
    assert!(shard.phones.len() <= 1);
    shard.phones.pop()
}

#[test]
fn an_accepted_register_is_told_with_its_contacts() {
    let phone = registered("Expires: 60\r\n").expect("told");
    assert_eq!((&*phone.dn, phone.removes_all), ("7002", false));
    assert_eq!(phone.contacts, [("sip:7002@127.0.0.50:5060".into(), 60)]);
    let gone = registered("Expires: 0\r\n").expect("told");
    assert_eq!(gone.contacts[0].1, 0);
    let long = registered("Expires: 99999\r\n").expect("told");
    assert_eq!(long.contacts[0].1, 3_600, "no more than is granted");
    let own = registered("Contact: <sip:b@127.0.0.51>;expires=7\r\nExpires: 60\r\n").expect("told");
    let times: Vec<u64> = own.contacts.iter().map(|(_, seconds)| *seconds).collect();
    assert_eq!(times, [60, 7], "each its own time");
}

#[test]
fn a_refused_register_is_not_told() {
    let mut shard = Shard1::new();
    for dn in ["7001", "5000", "8888"] {
        shard.request("REGISTER", dn, dn, PHONE, "Expires: 60\r\n");
    }
    assert!(shard.phones.is_empty(), "{:?}", shard.phones);
}

fn steps(shard: &mut Shard1) -> Vec<Step> {
    core::mem::take(&mut shard.facts).into_iter().map(|fact| fact.step).collect()
}

#[test]
fn each_step_of_a_call_is_told_once() {
    let mut shard = Shard1::new();
    shard.request("INVITE", "15550100", "7002", SBC, "");
    let invite = shard.take().into_iter().find(Message::is_request).expect("an INVITE");
    let fact = &shard.facts[0];
    assert!(fact.is_inbound && fact.caller_dn().is_none());
    assert_eq!((fact.called_dn(), &*fact.dialled, &*fact.trunk), (Some("7002"), "7002", "Trunk"));
    assert_eq!(steps(&mut shard), [Step::Dialing]);
    shard.answer(&invite, 180);
    shard.answer(&invite, 180);
    assert_eq!(steps(&mut shard), [Step::Alerting]);
    shard.answer(&invite, 200);
    assert_eq!(steps(&mut shard), [Step::Connected]);
}

#[test]
fn a_call_that_fails_is_told_with_who_and_why() {
    let mut shard = Shard1::new();
    shard.request("INVITE", "7002", "9555", PHONE, "");
    let invite = shard.take().into_iter().find(Message::is_request).expect("an INVITE");
    let fact = &shard.facts[0];
    assert_eq!((fact.caller_dn(), fact.called_dn()), (Some("7002"), None));
    shard.answer(&invite, 503);
    let told = steps(&mut shard);
    let ended = Step::Ended { by: EndedBy::Callee, code: 503, was_connected: false };
    assert_eq!(told, [Step::Dialing, ended]);
}

#[test]
fn nobody_hears_of_a_call_that_got_nowhere_but_its_end() {
    let mut shard = Shard1::new();
    shard.request("INVITE", "7002", "8888", PHONE, "");
    let told = steps(&mut shard);
    assert!(matches!(told[..], [Step::Ended { by: EndedBy::Cluster, .. }]), "{told:?}");
}

#[test]
fn a_call_ends_when_a_desktop_asks() {
    let mut shard = Shard1::new();
    shard.request("INVITE", "15550100", "7002", SBC, "");
    let invite = shard.take().into_iter().find(Message::is_request).expect("an INVITE");
    shard.answer(&invite, 200);
    shard.take();
    let fact = shard.facts.last().expect("told").clone();
    let (call, conn_id, party) = (fact.slot, fact.conn_id, Party::Callee);
    let order = Order { call, conn_id, party, wish: Wish::Release };
    shard.on(Event::Order(Order { conn_id: ConnId(conn_id.0 + 1), ..order }));
    assert!(shard.take().is_empty(), "another call had that place");
    steps(&mut shard);
    shard.on(Event::Order(order));
    let sent: Vec<Method> = shard.take().iter().map(Message::method).collect();
    assert_eq!(sent.iter().filter(|method| **method == Method::Bye).count(), 2, "{sent:?}");
    let ended = Step::Ended { by: EndedBy::Callee, code: 200, was_connected: true };
    assert_eq!(steps(&mut shard), [ended]);
    assert_eq!(shard.records.len(), 1);
}

#[test]
fn an_agents_owner_says_how_long_a_phone_may_ring() {
    supervised(true);
    supervised(false);
}

fn supervised(is_watched: bool) {
    let mut shard = Shard1::new();
    shard.request("INVITE", "15550100", "7002", SBC, "");
    let invite = shard.take().into_iter().find(Message::is_request).expect("an INVITE");
    shard.answer(&invite, 180);
    shard.take();
    let fact = shard.facts.last().expect("told").clone();
    let (call, conn_id, party) = (fact.slot, fact.conn_id, Party::Callee);
    let order = |wish| Event::Order(Order { call, conn_id, party, wish });
    // The Extension's own time does not count any more.
    let (wake, at) = shard.no_answer.pop().expect("armed");
    shard.on(order(Wish::Supervised(None)));
    steps(&mut shard);
    shard.now = at;
    shard.on(Event::Wake(wake));
    assert!(steps(&mut shard).is_empty(), "it rings on");
    // Nothing more is heard of who watches it.
    shard.on(order(Wish::Supervised(Some(Duration::from_secs(15)))));
    shard.now = at + Duration::from_secs(14);
    shard.on(Event::Wake(wake));
    assert!(steps(&mut shard).is_empty(), "it rings on");
    if is_watched {
        shard.on(order(Wish::NoAnswer));
    } else {
        shard.now = at + Duration::from_secs(15);
        shard.on(Event::Wake(wake));
    }
    let over = Step::Ended { by: EndedBy::Cluster, code: 480, was_connected: false };
    assert_eq!(steps(&mut shard), [over]);
    let sent: Vec<Method> = shard.take().iter().map(Message::method).collect();
    assert!(sent.contains(&Method::Cancel), "{sent:?}");
}
