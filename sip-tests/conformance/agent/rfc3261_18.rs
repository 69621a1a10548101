//! RFC 3261 18.1.1: what does not fit a datagram goes by a stream.

use super::world::World;
use sipcluster::base::flow::Protocol;
use sipcluster::base::leg::{Body, Cause, LegCommand};
use sipcluster::sip::message::HeaderId;

fn long() -> Body {
    let lines = "a=candidate:1 1 UDP 2130706431 127.0.0.50 50000 typ host\r\n".repeat(25);
    let text = format!("v=0\r\no=- 1 1 IN IP4 127.0.0.50\r\ns=-\r\n{lines}");
    Body { content_type: "application/sdp".into(), content: text.into_bytes().into() }
}

/// A long INVITE names TCP in its Via; what belongs to the same transaction does too,
/// and what comes later in the dialog is judged by its own length.
#[test]
fn a_long_request_goes_by_tcp_with_all_that_belongs_to_it() {
    let mut world = World::new();
    let (leg, invite) = world.call_with(Some(long()));
    assert_eq!(invite.protocol, Protocol::Tcp);
    assert!(invite.header(HeaderId::Via).starts_with("SIP/2.0/TCP "));
    world.answer(&invite, 180, "t");
    world.take();
    world.command(leg, LegCommand::End(Cause::code(487)));
    let cancel = world.only();
    assert_eq!((cancel.what().as_str(), cancel.protocol), ("CANCEL", Protocol::Tcp));
    world.answer(&cancel, 200, "t");
    world.answer(&invite, 487, "t");
    let ack = world.only();
    assert_eq!((ack.what().as_str(), ack.protocol), ("ACK", Protocol::Tcp));
    assert_eq!(ack.header(HeaderId::Via), invite.header(HeaderId::Via));

    let (leg, invite) = world.call_with(Some(long()));
    world.answer(&invite, 200, "t");
    world.take();
    world.command(leg, LegCommand::End(Cause::code(200)));
    let bye = world.only();
    assert_eq!((bye.what().as_str(), bye.protocol), ("BYE", Protocol::Udp));
    assert!(bye.header(HeaderId::Via).starts_with("SIP/2.0/UDP "));
}

/// On a stream nothing is sent again.
#[test]
fn nothing_is_repeated_on_a_stream() {
    let mut world = World::new();
    let (_, invite) = world.call_with(Some(long()));
    world.pass(core::time::Duration::from_millis(900));
    assert_eq!(world.take_words(), Vec::<String>::new());
    world.answer(&invite, 100, "");
}
