//! The machines stepped by hand: what they send, count and remember, without a socket. Not tested here: pace, sockets.

use core::net::SocketAddr;
use core::time::Duration;

use super::super::plan::{Plan, Scenario, Side};
use super::Core;
use super::out::{End, Id, Out};
use super::read::{lines, param, read};
use super::setup::Setup;
use crate::base::flow::Protocol;
use crate::base::time::Instant;
use crate::sip::message::{HeaderId, Message, scan};

const CHALLENGE: &str = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n";

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn plan(scenario: Scenario) -> Plan {
    Plan {
        scenario,
        targets: vec![address(5060)],
        numbers: "7001-7099".parse().expect("good"),
        password: Some("secret-{dn}".parse().expect("good")),
        hold: Duration::from_millis(100),
        ..Plan::default()
    }
}

/// A core with what it sends and the wake-ups that it wants.
struct Bench {
    core: Core,
    out: Out,
    now: Instant,
    arms: Vec<(Instant, Id)>,
    sent: Vec<(End, SocketAddr, String)>,
}

impl Bench {
    fn new(plan: Plan) -> Self {
        let answering = plan.uas;
        let core = Core::new(Setup::new(plan, 7, address(5080), answering));
        let (arms, sent) = (Vec::new(), Vec::new());
        Self { core, out: Out::default(), now: Instant::ZERO, arms, sent }
    }

    fn collect(&mut self) {
        for send in &self.out.sends {
            let bytes = self.out.bytes[send.start..send.end].to_vec();
            let message = scan(bytes.clone()).expect("a message");
            assert_eq!(message.fault(), None, "{}", String::from_utf8_lossy(&bytes));
            let text = String::from_utf8(bytes).expect("text");
            self.sent.push((send.from, send.to, text));
        }
        self.arms.append(&mut self.out.arms);
        self.out.clear();
    }

    fn start(&mut self) -> String {
        self.core.start(self.now, &mut self.out);
        self.collect();
        self.one()
    }

    /// Lets time pass, with every wake-up at its time.
    fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        loop {
            self.arms.sort_by_key(|(at, _)| *at);
            match self.arms.first() {
                Some(&(at, id)) if at <= until => {
                    self.arms.remove(0);
                    self.now = self.now.max(at);
                    self.core.on_time(id, self.now, &mut self.out);
                    self.collect();
                }
                Some(_) | None => break,
            }
        }
        self.now = until;
    }

    fn hear(&mut self, end: End, text: &str) {
        self.core.on_message(end, address(5060), text.as_bytes(), self.now, &mut self.out);
        self.collect();
    }

    /// The one message that was sent.
    fn one(&mut self) -> String {
        assert_eq!(self.sent.len(), 1, "{:?}", self.sent);
        self.sent.remove(0).2
    }

    /// First lines of what was sent, without ` SIP/2.0`.
    fn starts(&mut self) -> Vec<String> {
        let first = |text: &str| text.lines().next().unwrap_or_default().replace(" SIP/2.0", "");
        self.sent.drain(..).map(|(_, _, text)| first(&text)).collect()
    }

    fn failures(&self) -> String {
        let failed = self.core.tally().units.failed.iter();
        failed.map(|(why, count)| format!("{why}: {count}")).collect::<Vec<_>>().join(", ")
    }

    fn succeeded(&self) -> u64 {
        self.core.tally().units.succeeded
    }
}

fn message(text: &str) -> Message {
    scan(text.as_bytes().to_vec()).expect("a message")
}

/// A response to a request of ours, with more header lines.
fn answer(request: &str, status: &str, more: &str) -> String {
    let mut text = format!("SIP/2.0 {status}\r\n");
    for line in lines(read(request.as_bytes()).expect("a request").head) {
        let whole = String::from_utf8_lossy(line.whole).into_owned();
        let repeats = [HeaderId::Via, HeaderId::From, HeaderId::CallId, HeaderId::CSeq];
        if line.id == HeaderId::To && !whole.contains(";tag=") && !status.starts_with("100") {
            text.push_str(&whole.replace("\r\n", ";tag=them\r\n"));
        } else if repeats.contains(&line.id) || line.id == HeaderId::To {
            text.push_str(&whole);
        }
    }
    format!("{text}{more}Content-Length: 0\r\n\r\n")
}

fn branch(text: &str) -> String {
    let read = read(text.as_bytes()).expect("a message");
    String::from_utf8_lossy(param(read.via, b";branch=").unwrap_or_default()).into_owned()
}

fn header(text: &str, id: HeaderId) -> Vec<String> {
    let message = message(text);
    message.values(id).map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

#[test]
fn a_register_answers_one_challenge() {
    let mut bench = Bench::new(plan(Scenario::Register));
    let first = bench.start();
    assert!(first.starts_with("REGISTER sip:127.0.0.1 SIP/2.0\r\n"), "{first}");
    assert_eq!(header(&first, HeaderId::Contact), ["<sip:7001@127.0.0.1:5080;transport=udp>"]);
    bench.hear(End::Calling, &answer(&first, "401 Unauthorized", CHALLENGE));
    let second = bench.one();
    assert_eq!(message(&second).cseq(), message(&first).cseq() + 1);
    assert_eq!(message(&second).call_id(), message(&first).call_id());
    assert_ne!(branch(&second), branch(&first));
    assert!(header(&second, HeaderId::Authorization)[0].starts_with("Digest username=\"7001\""));
    bench.hear(End::Calling, &answer(&first, "401 Unauthorized", CHALLENGE));
    assert_eq!(bench.core.tally().seen_again, 1);
    bench.hear(End::Calling, &answer(&second, "200 OK", ""));
    assert_eq!((bench.succeeded(), bench.core.tally().register.count()), (1, 1));
    bench.hear(End::Calling, &answer(&second, "200 OK", ""));
    assert_eq!((bench.succeeded(), bench.core.tally().strays), (1, 1));
}

#[test]
fn a_second_challenge_is_a_failure_unless_the_nonce_was_stale() {
    for (more, starts) in [(String::new(), 0), (CHALLENGE.replace("qop", "stale=true, qop"), 1)] {
        let mut bench = Bench::new(plan(Scenario::Register));
        let first = bench.start();
        bench.hear(End::Calling, &answer(&first, "401 Unauthorized", CHALLENGE));
        let second = bench.one();
        let more = if more.is_empty() { CHALLENGE } else { &more };
        bench.hear(End::Calling, &answer(&second, "401 Unauthorized", more));
        assert_eq!(bench.starts().len(), starts);
        assert_eq!(bench.failures(), if starts == 0 { "REGISTER 401: 1" } else { "" });
    }
}

#[test]
fn without_a_password_a_challenge_is_a_failure() {
    let mut bench = Bench::new(Plan { password: None, ..plan(Scenario::Register) });
    let first = bench.start();
    bench.hear(End::Calling, &answer(&first, "401 Unauthorized", CHALLENGE));
    assert_eq!((bench.starts().len(), bench.failures().as_str()), (0, "REGISTER 401: 1"));
}

#[test]
fn a_request_is_repeated_over_udp_and_given_up() {
    for (transport, repeated) in [(Protocol::Udp, 10), (Protocol::Tcp, 0)] {
        let mut bench = Bench::new(Plan { transport, ..plan(Scenario::Options) });
        let first = bench.start();
        bench.pass(Duration::from_millis(31_999));
        assert!(bench.sent.iter().all(|(_, _, text)| *text == first));
        assert_eq!((bench.sent.len(), bench.failures().as_str()), (repeated, ""));
        bench.pass(Duration::from_millis(1));
        assert_eq!(bench.failures(), "OPTIONS timeout: 1");
        assert_eq!(bench.core.tally().repeated, repeated as u64);
    }
}

#[test]
fn unregister_removes_everything() {
    let mut bench = Bench::new(plan(Scenario::Unregister));
    let first = bench.start();
    assert_eq!(header(&first, HeaderId::Contact), ["*"]);
    assert_eq!(message(&first).number(HeaderId::Expires), Some(0));
}

const ROUTES: &str = "Record-Route: <sip:10.0.0.3;lr>\r\nRecord-Route: <sip:10.0.0.2:5070;lr>, <sip:10.0.0.1:5061;lr>\r\n\
                      Contact: \"x\" <sip:them@10.0.0.9:5099>;q=1\r\n";

/// A call that was answered: INVITE, 200 and ACK.
fn answered(bench: &mut Bench) -> (String, String, String) {
    let invite = bench.start();
    bench.hear(End::Calling, &answer(&invite, "100 Trying", ""));
    bench.hear(End::Calling, &answer(&invite, "180 Ringing", ""));
    let ok = answer(&invite, "200 OK", ROUTES);
    bench.hear(End::Calling, &ok);
    let ack = bench.one();
    (invite, ok, ack)
}

#[test]
fn a_call_from_invite_to_bye() {
    let mut bench = Bench::new(plan(Scenario::Call));
    let (invite, ok, ack) = answered(&mut bench);
    assert!(ack.starts_with("ACK sip:them@10.0.0.9:5099 SIP/2.0\r\n"), "{ack}");
    assert_eq!(
        header(&ack, HeaderId::Route),
        ["<sip:10.0.0.1:5061;lr>", "<sip:10.0.0.2:5070;lr>", "<sip:10.0.0.3;lr>"]
    );
    assert_eq!(message(&ack).cseq(), message(&invite).cseq());
    assert_ne!(branch(&ack), branch(&invite));
    assert_eq!(
        (message(&ack).to_tag(), message(&ack).from_tag()),
        (&b"them"[..], message(&invite).from_tag())
    );
    bench.pass(Duration::from_millis(50));
    bench.hear(End::Calling, &ok);
    assert_eq!(bench.one(), ack, "a lost ACK is sent again");
    bench.pass(Duration::from_millis(50));
    let (_, to, bye) = bench.sent.remove(0);
    assert_eq!((to, message(&bye).cseq()), (first_route(), message(&invite).cseq() + 1));
    assert_eq!(header(&bye, HeaderId::Route), header(&ack, HeaderId::Route));
    bench.hear(End::Calling, &ok);
    assert_eq!(bench.one(), ack, "also behind BYE");
    bench.hear(End::Calling, &answer(&bye, "200 OK", ""));
    assert_eq!((bench.succeeded(), bench.core.tally().units.open()), (1, 0));
    assert_eq!(bench.core.tally().seen_again, 2);
    bench.pass(Duration::from_secs(60));
    assert!(bench.sent.is_empty(), "{:?}", bench.sent);
}

/// The first hop of the route sets here.
fn first_route() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 5061))
}

#[test]
fn header_lines_and_an_outbound_address_are_the_plans() {
    let lines = |text: &str| vec![text.parse().expect("good")];
    let (headers, dialog_headers) = (lines("X-A: 1"), lines("X-B: 2"));
    let plan = Plan { outbound: true, headers, dialog_headers, ..plan(Scenario::Call) };
    let mut bench = Bench::new(plan);
    let (invite, _, ack) = answered(&mut bench);
    assert!(invite.contains("\r\nX-A: 1\r\n") && !invite.contains("X-B"), "{invite}");
    assert!(ack.contains("\r\nX-B: 2\r\n") && !ack.contains("X-A"), "{ack}");
    bench.pass(Duration::from_millis(100));
    assert_eq!(bench.sent[0].1, address(5060), "outbound: where the INVITE went");
}

#[test]
fn an_invite_stops_repeating_when_something_comes() {
    let mut bench = Bench::new(plan(Scenario::Call));
    let invite = bench.start();
    bench.pass(Duration::from_millis(1500));
    assert_eq!(bench.sent.len(), 2);
    bench.hear(End::Calling, &answer(&invite, "100 Trying", ""));
    bench.pass(Duration::from_secs(100));
    assert_eq!((bench.sent.len(), bench.failures().as_str()), (2, ""));
    assert_eq!(bench.core.tally().ringing.count(), 0, "100 is no ringing");
}

#[test]
fn an_invite_that_nobody_answers_fails() {
    let mut bench = Bench::new(plan(Scenario::Call));
    bench.start();
    bench.pass(Duration::from_secs(32));
    assert_eq!((bench.sent.len(), bench.failures().as_str()), (6, "INVITE timeout: 1"));
}

#[test]
fn a_refusal_is_acknowledged_each_time() {
    let mut bench = Bench::new(plan(Scenario::Call));
    let invite = bench.start();
    let busy = answer(&invite, "486 Busy Here", "");
    for turn in 0..2 {
        bench.hear(End::Calling, &busy);
        let ack = bench.one();
        assert_eq!(branch(&ack), branch(&invite));
        assert!(ack.starts_with("ACK sip:7001@127.0.0.1 SIP/2.0\r\n"), "{ack}");
        assert_eq!((message(&ack).to_tag(), message(&ack).cseq()), (&b"them"[..], 1));
        assert_eq!(bench.core.tally().seen_again, turn);
    }
    assert_eq!(bench.failures(), "INVITE 486: 1");
    bench.pass(Duration::from_secs(33));
    bench.hear(End::Calling, &busy);
    assert_eq!((bench.sent.len(), bench.core.tally().strays), (0, 1));
}

#[test]
fn a_challenged_invite_is_acknowledged_and_sent_again_once() {
    let mut bench = Bench::new(plan(Scenario::Call));
    let invite = bench.start();
    let challenge = CHALLENGE.replace("WWW-Auth", "Proxy-Auth");
    bench.hear(End::Calling, &answer(&invite, "407 Proxy", &challenge));
    let again = bench.sent.remove(1).2;
    assert_eq!(bench.starts(), ["ACK sip:7001@127.0.0.1"]);
    assert_eq!(message(&again).cseq(), 2);
    assert!(!header(&again, HeaderId::ProxyAuthorization).is_empty());
    bench.hear(End::Calling, &answer(&again, "407 Proxy", &challenge));
    assert_eq!(bench.starts(), ["ACK sip:7001@127.0.0.1"]);
    assert_eq!(bench.failures(), "INVITE 407: 1");
}

#[test]
fn a_bye_that_is_refused_is_a_failure() {
    let mut bench = Bench::new(plan(Scenario::Call));
    answered(&mut bench);
    bench.pass(Duration::from_millis(100));
    let bye = bench.one();
    bench.hear(End::Calling, &answer(&bye, "481 Gone", ""));
    assert_eq!((bench.failures().as_str(), bench.succeeded()), ("BYE 481: 1", 0));
}

#[test]
fn a_bye_of_the_other_side_is_due_or_early() {
    for (hang_up, failures) in [(Side::Callee, ""), (Side::Caller, "BYE too early: 1")] {
        let mut bench = Bench::new(Plan { hang_up, ..plan(Scenario::Call) });
        let (invite, _, _) = answered(&mut bench);
        let tag = String::from_utf8_lossy(message(&invite).from_tag()).into_owned();
        let bye = format!(
            "BYE sip:x@127.0.0.1:5080 SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKb\r\nTo: <sip:a@h>;tag={tag}\r\n\
             From: <sip:b@h>;tag=them\r\nCall-ID: c\r\nCSeq: 9 BYE\r\nContent-Length: 0\r\n\r\n"
        );
        for _ in 0..2 {
            bench.hear(End::Calling, &bye);
            assert!(bench.one().starts_with("SIP/2.0 200 OK\r\n"));
        }
        assert_eq!((bench.failures().as_str(), bench.core.tally().seen_again), (failures, 1));
        bench.pass(Duration::from_secs(33));
        bench.hear(End::Calling, &bye);
        assert!(bench.one().starts_with("SIP/2.0 481 "));
    }
}

#[test]
fn a_bye_that_never_comes_is_a_failure() {
    let mut bench = Bench::new(Plan { hang_up: Side::Callee, ..plan(Scenario::Call) });
    answered(&mut bench);
    bench.pass(Duration::from_secs(33));
    assert_eq!(bench.failures(), "BYE missing: 1");
}

#[test]
fn standing_calls_stand_until_they_are_ended() {
    let mut bench = Bench::new(Plan { standing: Some(1), ..plan(Scenario::Call) });
    answered(&mut bench);
    bench.pass(Duration::from_secs(3600));
    assert_eq!((bench.sent.len(), bench.core.standing()), (0, 1));
    assert!(bench.core.end_standing(bench.now, &mut bench.out));
    bench.collect();
    assert_eq!(bench.starts(), ["BYE sip:them@10.0.0.9:5099"]);
    assert!(!bench.core.end_standing(bench.now, &mut bench.out));
}

fn request(method: &str, branch: &str, to: &str, more: &str) -> String {
    format!(
        "{method} sip:7001@127.0.0.1:5062 SIP/2.0\r\nVia: SIP/2.0/UDP h:5060;branch=z9hG4bK{branch};rport, \
         SIP/2.0/UDP g;branch=z9hG4bKq\r\nFrom: <sip:b@h>;tag=them\r\nTo: <sip:7001@h>{to}\r\nCall-ID: c\r\n\
         CSeq: 1 {method}\r\nContact: <sip:b@10.0.0.9:5099>\r\nRecord-Route: <sip:10.0.0.1:5061;lr>\r\n\
         Record-Route: <sip:10.0.0.2;lr>\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

fn answering(ring: u64, hang_up: Side) -> Bench {
    let ring = Duration::from_millis(ring);
    Bench::new(Plan { ring, hang_up, uas: Some(address(5062)), ..plan(Scenario::Answer) })
}

fn our_tag(text: &str) -> String {
    format!(";tag={}", String::from_utf8_lossy(message(text).to_tag()))
}

#[test]
fn a_call_to_this_side() {
    let mut bench = answering(10, Side::Caller);
    bench.hear(End::Answering, &request("INVITE", "1", "", ""));
    let ringing = bench.one();
    assert_eq!(
        header(&ringing, HeaderId::Via),
        [
            "SIP/2.0/UDP h:5060;branch=z9hG4bK1;rport=5060;received=127.0.0.1",
            "SIP/2.0/UDP g;branch=z9hG4bKq"
        ]
    );
    assert_eq!(
        header(&ringing, HeaderId::RecordRoute),
        ["<sip:10.0.0.1:5061;lr>", "<sip:10.0.0.2;lr>"]
    );
    bench.hear(End::Answering, &request("INVITE", "1", "", ""));
    assert_eq!(bench.one(), ringing, "a repeated INVITE gets the same");
    bench.pass(Duration::from_millis(10));
    let ok = bench.one();
    assert_eq!(our_tag(&ok), our_tag(&ringing));
    bench.pass(Duration::from_millis(3500));
    assert_eq!(bench.sent.len(), 3, "200 is repeated until ACK");
    assert!(bench.sent.drain(..).all(|(_, _, text)| text == ok));
    bench.hear(End::Answering, &request("ACK", "2", &our_tag(&ok), ""));
    bench.pass(Duration::from_secs(60));
    bench.hear(End::Answering, &request("INVITE", "1", "", ""));
    assert!(bench.sent.is_empty());
    for _ in 0..2 {
        bench.hear(End::Answering, &request("BYE", "3", &our_tag(&ok), ""));
        assert!(bench.one().starts_with("SIP/2.0 200 OK\r\n"));
    }
    assert_eq!((bench.core.tally().answered.succeeded, bench.core.tally().seen_again), (1, 3));
    bench.pass(Duration::from_secs(32));
    bench.hear(End::Answering, &request("BYE", "3", &our_tag(&ok), ""));
    assert!(bench.one().starts_with("SIP/2.0 481 "));
}

#[test]
fn this_side_hangs_up_by_its_route_set() {
    let mut bench = answering(0, Side::Callee);
    bench.hear(End::Answering, &request("INVITE", "1", "", ""));
    let ok = bench.sent.remove(1).2;
    bench.sent.clear();
    bench.hear(End::Answering, &request("ACK", "2", &our_tag(&ok), ""));
    bench.pass(Duration::from_millis(100));
    let (end, to, bye) = bench.sent.remove(0);
    assert_eq!((end, to), (End::Answering, first_route()));
    assert!(bye.starts_with("BYE sip:b@10.0.0.9:5099 SIP/2.0\r\n"), "{bye}");
    assert_eq!(header(&bye, HeaderId::Route), ["<sip:10.0.0.1:5061;lr>", "<sip:10.0.0.2;lr>"]);
    assert_eq!((message(&bye).to_tag(), message(&bye).call_id()), (&b"them"[..], &b"c"[..]));
    bench.pass(Duration::from_millis(500));
    assert_eq!(bench.one(), bye);
    bench.hear(End::Answering, &answer(&bye, "200 OK", ""));
    assert_eq!((bench.core.tally().answered.succeeded, bench.core.tally().bye.count()), (1, 1));
}

#[test]
fn a_call_whose_ack_never_comes_is_ended_and_counted() {
    let mut bench = answering(0, Side::Caller);
    bench.hear(End::Answering, &request("INVITE", "1", "", ""));
    bench.pass(Duration::from_secs(32));
    assert_eq!(bench.starts().last().map(String::as_str), Some("BYE sip:b@10.0.0.9:5099"));
    let failed = bench.core.tally().answered.failed.keys().map(ToString::to_string);
    assert_eq!(failed.collect::<Vec<_>>(), ["ACK missing"]);
}

#[test]
fn a_cancel_ends_what_rings() {
    let mut bench = answering(1000, Side::Caller);
    bench.hear(End::Answering, &request("INVITE", "1", "", ""));
    bench.hear(End::Answering, &request("CANCEL", "1", "", ""));
    assert_eq!(
        bench.starts(),
        ["SIP/2.0 180 Ringing", "SIP/2.0 200 OK", "SIP/2.0 487 Request Terminated"]
    );
    bench.hear(End::Answering, &request("INVITE", "1", "", ""));
    assert_eq!(bench.starts(), ["SIP/2.0 487 Request Terminated"]);
    bench.hear(End::Answering, &request("CANCEL", "2", "", ""));
    assert_eq!(bench.starts(), ["SIP/2.0 481 Call/Transaction Does Not Exist"]);
}

#[test]
fn what_belongs_to_nothing_is_answered_or_counted() {
    let mut bench = answering(0, Side::Caller);
    bench.hear(End::Answering, &request("OPTIONS", "1", "", ""));
    bench.hear(End::Answering, &request("BYE", "2", ";tag=c00000008000000000000001", ""));
    bench.hear(End::Answering, &request("SUBSCRIBE", "3", "", ""));
    bench.hear(End::Answering, &request("ACK", "4", ";tag=x", ""));
    bench.hear(
        End::Answering,
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKz\r\nCall-ID: c\r\nCSeq: 1 BYE\r\n\r\n",
    );
    bench.hear(End::Answering, "\r\n\r\n");
    assert_eq!(
        bench.starts(),
        [
            "SIP/2.0 200 OK",
            "SIP/2.0 481 Call/Transaction Does Not Exist",
            "SIP/2.0 405 Method Not Allowed"
        ]
    );
    assert_eq!(bench.core.tally().strays, 4);
}

#[test]
fn a_folded_message_is_understood() {
    let mut bench = Bench::new(plan(Scenario::Options));
    let first = bench.start();
    bench.hear(End::Calling, &answer(&first, "200 OK", "").replace(";rport", "\r\n ;rport"));
    assert_eq!(bench.succeeded(), 1);
}

/// Two generators with a network between them that loses what `loses` says.
fn converse(hang_up: Side, calls: usize, mut loses: impl FnMut() -> bool) -> [Bench; 2] {
    let caller = Bench::new(Plan { hang_up, ..plan(Scenario::Call) });
    let callee = answering(0, hang_up);
    let mut both = [caller, callee];
    for _ in 0..calls {
        let caller = &mut both[0];
        caller.core.start(caller.now, &mut caller.out);
    }
    // Each turn takes ten milliseconds, also for what is under way.
    for _ in 0..12_000 {
        for at in 0..2 {
            both[at].collect();
            both[at].pass(Duration::from_millis(10));
            let sent: Vec<_> = both[at].sent.drain(..).collect();
            let other = &mut both[1 - at];
            for (_, _, text) in sent {
                if !loses() {
                    let bytes = text.as_bytes();
                    other.core.on_message(
                        End::Calling,
                        address(5060),
                        bytes,
                        other.now,
                        &mut other.out,
                    );
                }
            }
        }
    }
    both
}

#[test]
fn calls_come_through_a_network_that_loses_a_tenth() {
    for hang_up in [Side::Caller, Side::Callee] {
        let mut state = 7_u64;
        let loses = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33).is_multiple_of(10)
        };
        let [mut caller, mut callee] = converse(hang_up, 200, loses);
        let (calls, answers) = (caller.core.take_tally(), callee.core.take_tally());
        assert_eq!((calls.units.succeeded, calls.units.attempted), (200, 200), "{:?}", calls.units);
        assert_eq!((answers.answered.succeeded, answers.answered.attempted), (200, 200));
        assert!(calls.repeated > 10 && answers.repeated > 10);
        assert!(calls.seen_again + answers.seen_again > 10);
        for core in [&caller.core, &callee.core] {
            assert!(core.is_empty(), "what has ended is forgotten");
        }
    }
}
