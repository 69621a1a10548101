//! Stored state of each release is read by this one: legs and transactions in every
//! state, as they were written. `WRITE_STATE=1` writes the file of this release anew,
//! which is right only as long as it has not been released.

use super::world::{World, sdp};
use crate::draft::Draft;
use sipcluster::base::leg::{Cause, LegCommand};
use sipcluster::base::time::Duration;
use sipcluster::sip::message::HeaderId;
use sipcluster::sip::user_agent::state::Pieces;
use std::fmt::Write as _;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sip-tests/data/legs-v1.txt");

/// A shard in the middle of everything.
fn busy() -> World {
    let mut world = World::with_session(1800);
    // Standing, with a session timer.
    world.established("standing");
    // Waits for a PRACK, with two words of the call behind it.
    let waiting = world.incoming(&Draft::invite("waiting").add("Supported", "100rel"));
    let progress = |code, body| LegCommand::Progress { code, body, reliable: true };
    world.command(waiting, progress(183, Some(sdp(1))));
    world.command(waiting, progress(180, None));
    world.command(waiting, LegCommand::Answer { body: Some(sdp(2)) });
    // Two early dialogs; one has made an offer that the call has not answered.
    world.take();
    let (_, invite) = world.call_without_offer();
    for (tag, rseq) in [("one", "7"), ("two", "9")] {
        let ringing = Draft::response(&invite.message, 183, tag)
            .add("Contact", "<sip:7002@127.0.0.60:5060>")
            .add("Require", "100rel")
            .add("RSeq", rseq)
            .body("application/sdp", "v=0\r\no=x 1 1 IN IP4 127.0.0.60\r\n");
        world.receive(&ringing);
    }
    // Given up while it rings.
    world.take();
    let (leg, invite) = world.call();
    world.answer(&invite, 180, "ringing");
    world.command(leg, LegCommand::End(Cause::code(487)));
    // Answered, and the ACK does not come; then changed by the far end.
    let late = world.incoming(&Draft::invite("late"));
    world.command(late, LegCommand::Answer { body: Some(sdp(3)) });
    // Refused, and the ACK does not come.
    let refused = world.incoming(&Draft::invite("refused"));
    world.command(refused, LegCommand::End(Cause::code(486)));
    // A request outside a dialog that waits for its answer.
    world.receive(&Draft::request("OPTIONS", "sip:cluster.example.com", "options"));
    world.pass(Duration::from_millis(300));
    world.take();
    world
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn write(pieces: &Pieces) -> String {
    let mut text = "# Legs and transactions as release 0.1 stores them, one message of state.proto per line.\n".to_owned();
    let kinds = [("leg", &pieces.legs), ("client", &pieces.clients), ("server", &pieces.servers)];
    for (kind, list) in kinds {
        for bytes in list {
            let _ = writeln!(text, "{kind} {}", hex(bytes));
        }
    }
    text
}

fn read(text: &str) -> Pieces {
    let mut pieces = Pieces::default();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (kind, digits) = line.split_once(' ').expect("kind and digits");
        let bytes = (0..digits.len() / 2)
            .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("digits"))
            .collect();
        match kind {
            "leg" => pieces.legs.push(bytes),
            "client" => pieces.clients.push(bytes),
            "server" => pieces.servers.push(bytes),
            _ => panic!("what is a {kind}?"),
        }
    }
    pieces
}

#[test]
fn stored_legs_of_release_0_1_are_read() {
    if std::env::var_os("WRITE_STATE").is_some() {
        std::fs::write(FILE, write(&busy().pieces())).expect("writable");
    }
    let stored = read(&std::fs::read_to_string(FILE).expect("the file of this release"));
    let mut world = World::with_session(1800);
    world.go_on(&stored);
    let lens = (stored.legs.len(), stored.clients.len(), stored.servers.len());
    assert_eq!((world.lens(), lens.0), (lens, 6));
    assert_eq!(world.pieces(), stored, "nothing of it is lost");
    // It goes on where it stopped: 300 ms after the first time everything was sent.
    world.pass(Duration::from_millis(250));
    let mut words = world.take_words();
    words.sort();
    assert_eq!(words, ["183", "200", "486", "CANCEL", "PRACK"]);
    world.pass(Duration::from_secs(3600));
    assert_eq!(world.lens(), (0, 0, 1), "only the request that nobody answers is left");
}

/// Unknown fields of a leg and of both kinds of transactions pass through.
#[test]
fn fields_of_a_later_release_stay() {
    const LATER: &[u8] = b"\xa2\x06\x05later";
    let mut pieces = busy().pieces();
    for bytes in pieces.legs.iter_mut().chain(&mut pieces.clients).chain(&mut pieces.servers) {
        bytes.extend_from_slice(LATER);
    }
    let mut world = World::new();
    world.go_on(&pieces);
    assert_eq!(world.pieces(), pieces);
}

/// What is cut off, spoilt or given twice is refused, and nothing panics.
#[test]
fn spoilt_legs_are_refused_or_read() {
    let pieces = busy().pieces();
    let target = World::new();
    let changed = |spoil: &dyn Fn(&mut Pieces)| {
        let mut spoilt = pieces.clone();
        spoil(&mut spoilt);
        target.reads(&spoilt)
    };
    assert!(changed(&|_| {}));
    assert!(!changed(&|pieces| drop(pieces.clients.pop())), "a transaction is missing");
    assert!(!changed(&|pieces| drop(pieces.legs.remove(1))), "a leg is missing");
    assert!(!changed(&|pieces| pieces.legs.push(pieces.legs[0].clone())), "a leg comes twice");
    assert!(!changed(&|pieces| pieces.servers.push(pieces.servers[0].clone())));
    assert!(!changed(&|pieces| pieces.clients.push(pieces.clients[0].clone())));
    for (index, leg) in pieces.legs.iter().enumerate() {
        for at in 0..leg.len() {
            changed(&|pieces| pieces.legs[index].truncate(at));
            for bit in 0..8 {
                changed(&|pieces| pieces.legs[index][at] ^= 1 << bit);
            }
        }
    }
    assert_eq!(target.lens(), (0, 0, 0));
}

/// The header that names the leg opens in the process that goes on with it.
#[test]
fn a_request_finds_its_leg_after_the_move() {
    let mut world = World::new();
    let (_, ok) = world.established("a");
    let stored = world.pieces();
    let mut other = World::new();
    other.go_on(&stored);
    other.receive(&super::world::within(&ok, "BYE", 2, "a"));
    let answer = other.only();
    assert_eq!((answer.what().as_str(), answer.header(HeaderId::CSeq).as_str()), ("200", "2 BYE"));
}
