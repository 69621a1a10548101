//! A Call Manager shard stepped by hand: who may call, where calls lead, what they
//! leave. Not verified here: the dialogs themselves (`sip-tests/conformance/agent`).

mod broken;
mod elsewhere;
mod told;
mod world;

use super::core::{Action, Core, Cx, Event, Parts, Wake};
use super::route::{Route, route};
use super::settings::{DnKind, Settings, Trunk};
use crate::base::flow::{ConnectionId, Flow, Protocol};
use crate::base::id::{Ids, NodeId, Shard};
use crate::base::leg::Cause;
use crate::base::limits::OUTBOX_LEN_MAX;
use crate::base::outbox::Outbox;
use crate::base::ownership::{DnIndex, DnWord};
use crate::base::seal::Sealer;
use crate::base::time::{Duration, Instant, WallTime};
use crate::call::facts::CallFact;
use crate::call::record::{CallRecord, CallResult};
use crate::roles::node::t_controller::inbox::Phone;
use crate::sip::auth::{Authenticator, NonceKeys, Policy};
use crate::sip::message::{HeaderId, Message, scan};
use crate::sip::packet::Packet;
use crate::sip::user_agent::Settings as StackSettings;
use core::net::SocketAddr;
use std::sync::Arc;

const PROXY: &str = "127.0.0.1:5060";
const SBC: &str = "127.0.0.80:5080";

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn node() -> NodeId {
    NodeId::new(1).expect("a node-id")
}

fn trunk(name: &str, prefix: &str, priority: u32, geo_location: &str) -> Trunk {
    Trunk {
        name: name.into(),
        uri: format!("sip:{SBC}").into(),
        ip: Some(address(SBC).ip()),
        host_port: SBC.into(),
        port: 5080,
        prefix: prefix.into(),
        replace_prefix: None,
        priority,
        geo_location: geo_location.into(),
        error_conversion: vec![(486, 603)],
    }
}

fn extension(strict_auth: bool) -> DnKind {
    DnKind::Extension {
        password: Some("secret".into()),
        strict_auth,
        contact: None,
        place: DnIndex::NONE,
    }
}

fn settings() -> Settings {
    let dns = [
        ("7001", extension(true)),
        ("7002", extension(false)),
        (
            "7003",
            DnKind::Extension {
                password: None,
                strict_auth: true,
                contact: None,
                place: DnIndex::NONE,
            },
        ),
        ("5000", DnKind::RoutingPoint { default_dn: Some("7002".into()) }),
        ("5001", DnKind::RoutingPoint { default_dn: None }),
        ("5002", DnKind::RoutingPoint { default_dn: Some("5003".into()) }),
        ("5003", DnKind::RoutingPoint { default_dn: Some("5002".into()) }),
    ];
    Settings {
        name: "SIPS_1".to_owned(),
        node: node(),
        geo_location: "dc1".into(),
        direct: false,
        realm: "SIP_Cluster".to_owned(),
        access: PROXY.to_owned(),
        dns: dns.into_iter().map(|(name, kind)| (name.into(), kind)).collect(),
        trunks: vec![trunk("Trunk", "9", 0, "dc1")],
        strict_by_default: true,
        proxies: vec![address(PROXY)],
        find_trunk_by_location: true,
        default_route_point: Err(404),
        shutdown_code: 503,
        unknown_gateway_code: 403,
        no_answer_timeout: Duration::from_secs(12),
        expires_max: Duration::from_secs(3600),
        tells_clients: true,
    }
}

#[test]
fn numbers_lead_where_the_configuration_says() {
    let mut settings = settings();
    let mut far = trunk("Far", "9", 0, "dc2");
    far.replace_prefix = Some("".into());
    settings.trunks = vec![
        far,
        trunk("Second", "9", 2, "dc1"),
        trunk("First", "9", 1, "dc1"),
        trunk("Narrow", "99", 5, "dc1"),
    ];
    let led = |settings: &Settings, dialled: &str, down: &[&str]| match route(
        settings,
        dialled,
        &|trunk| down.contains(&trunk),
    ) {
        Route::Extension { dn } => format!("to {dn}"),
        Route::Trunk { index, number } => format!("{number} by {}", settings.trunks[index].name),
        Route::Refused(Cause { code, .. }) => code.to_string(),
    };
    for (dialled, down, wanted) in [
        ("7001", &[][..], "to 7001"),
        ("5000", &[], "to 7002"),
        ("5001", &[], "480"),
        ("5002", &[], "482"),
        ("91", &[], "91 by First"),
        ("991", &[], "991 by Narrow"),
        ("91", &["First"], "91 by Second"),
        // The other data centre is the way out, with its own digits.
        ("91", &["First", "Second"], "1 by Far"),
        ("91", &["First", "Second", "Far"], "503"),
        ("9", &[], "404"),
        ("8", &[], "404"),
        ("", &[], "404"),
    ] {
        assert_eq!(led(&settings, dialled, down), wanted, "{dialled} with {down:?} down");
    }
    settings.find_trunk_by_location = false;
    assert_eq!(led(&settings, "91", &[]), "1 by Far", "the first of the file by priority");
    settings.default_route_point = Ok("5000".into());
    assert_eq!(led(&settings, "8", &[]), "to 7002");
}

struct Shard1 {
    core: Core,
    now: Instant,
    ids: Ids,
    out: Outbox<Action>,
    sent: Vec<Message>,
    records: Vec<CallRecord>,
    phones: Vec<Phone>,
    facts: Vec<CallFact>,
    no_answer: Vec<(Wake, Instant)>,
    /// Who owns every DN.
    owner: Option<NodeId>,
}

impl Shard1 {
    fn new() -> Self {
        let sealer = Sealer::new(&[b"key"]).expect("a key");
        let key = sealer.nonce_keys().next().expect("a key");
        let (keys, wall) = (NonceKeys::new(key, None), WallTime(1_800_000_000_000));
        let parts = Parts {
            settings: Arc::new(settings()),
            stack: Arc::new(StackSettings {
                node: node(),
                shard: Shard(0),
                address: address("127.0.0.11:5070"),
                access: PROXY.to_owned(),
                origin_host: "127.0.0.11".to_owned(),
                proxies: vec![address(PROXY)],
                proxy_protocol: Protocol::Udp,
                direct: false,
                reliable: true,
                session_seconds: 1800,
            }),
            sealer: Arc::new(sealer),
            authenticator: Authenticator::new("SIP_Cluster", node(), keys, Policy::default(), wall),
            epoch: 1,
            seed: 1,
        };
        Self {
            core: Core::new(parts),
            now: Instant::ZERO + Duration::from_secs(1),
            ids: Ids::new(1),
            out: Outbox::new(OUTBOX_LEN_MAX),
            sent: Vec::new(),
            records: Vec::new(),
            phones: Vec::new(),
            facts: Vec::new(),
            no_answer: Vec::new(),
            owner: None,
        }
    }

    fn on(&mut self, event: Event) {
        let wall = WallTime(1_800_000_000_000);
        let owner = self.owner;
        let dns = |_| DnWord { owner, ..DnWord::default() };
        let mut cx = Cx { now: self.now, wall, ids: &mut self.ids, out: &mut self.out, dns: &dns };
        self.core.on(event, &mut cx);
        for action in self.out.drain() {
            match action {
                Action::Send(outbound) => {
                    self.sent.push(scan(outbound.bytes.to_vec()).expect("a message"));
                }
                Action::Record(record) => self.records.push(*record),
                Action::Arm(wake @ Wake::NoAnswer(_), at) => self.no_answer.push((wake, at)),
                Action::Phone(phone) => self.phones.push(*phone),
                Action::Fact(fact) => self.facts.push(*fact),
                Action::Arm(..) | Action::Suspect(_) | Action::Count(_) => {}
            }
        }
    }

    /// A request comes by the proxy, which tells its source.
    fn request(
        &mut self,
        method: &str,
        from: &str,
        to: &str,
        source: &str,
        more: &str,
    ) -> Vec<String> {
        let serial = self.ids.next_u64();
        let text = format!(
            "{method} sip:{to}@{PROXY} SIP/2.0\r\nVia: SIP/2.0/UDP {PROXY};branch=z9hG4bK{serial:x}\r\nMax-Forwards: \
             70\r\nFrom: <sip:{from}@x>;tag=f\r\nTo: <sip:{to}@x>\r\nCall-ID: c{serial}\r\nCSeq: 1 {method}\r\n\
             Contact: <sip:{from}@127.0.0.50>\r\nX-Sipcluster-Source: udp:{source}\r\n{more}Content-Length: 0\r\n\r\n"
        );
        self.receive(&text)
    }

    fn receive(&mut self, text: &str) -> Vec<String> {
        let flow = Flow {
            protocol: Protocol::Udp,
            local: address("127.0.0.11:5070"),
            remote: address(PROXY),
            connection: ConnectionId(0),
        };
        let message = scan(text.as_bytes().to_vec()).expect("a message");
        self.on(Event::Packet(Packet { flow, message }));
        self.words()
    }

    /// The far end answers the last request that was sent to it.
    fn answer(&mut self, request: &Message, status: u16) -> Vec<String> {
        let line = |id: HeaderId| {
            String::from_utf8_lossy(request.header(id).unwrap_or_default()).into_owned()
        };
        self.receive(&format!(
            "SIP/2.0 {status} X\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag=t\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: \
             <sip:7002@127.0.0.60>\r\nContent-Length: 0\r\n\r\n",
            line(HeaderId::Via), line(HeaderId::From), line(HeaderId::To), line(HeaderId::CallId),
            line(HeaderId::CSeq)
        ))
    }

    fn words(&self) -> Vec<String> {
        let word = |message: &Message| {
            if message.is_request() {
                message.method().to_string()
            } else {
                message.status().to_string()
            }
        };
        self.sent.iter().map(word).collect()
    }

    fn take(&mut self) -> Vec<Message> {
        core::mem::take(&mut self.sent)
    }
}

#[test]
fn callers_are_known_by_trunk_or_dn_and_challenged_where_they_must_be() {
    for (from, source, wanted) in [
        ("7001", "127.0.0.50:5061", &["401"][..]),
        ("7002", "127.0.0.50:5061", &["100", "INVITE"]),
        // Nobody can log in without a password.
        ("7003", "127.0.0.50:5061", &["401"]),
        // What comes from the trunk itself is the trunk's, whatever its From says.
        ("7001", SBC, &["100", "INVITE"]),
        ("15550100", SBC, &["100", "INVITE"]),
        ("15550100", "127.0.0.80:40000", &["100", "INVITE"]),
        ("7001", "127.0.0.80:40000", &["401"]),
        ("15550100", "127.0.0.50:5061", &["403"]),
    ] {
        let mut words = Shard1::new().request("INVITE", from, "7002", source, "");
        words.sort();
        assert_eq!(words, wanted, "{from} from {source}");
    }
}

#[test]
fn registers_are_answered_as_the_authority() {
    for (dn, wanted) in [("7001", 401), ("7002", 200), ("7003", 401), ("5000", 403), ("8888", 401)]
    {
        let words = Shard1::new().request("REGISTER", dn, dn, "127.0.0.50:5061", "");
        assert_eq!(words, [wanted.to_string()], "{dn}");
    }
}

/// The proxy keeps the phone for the node that owns its DN, not for the one that was there.
#[test]
fn an_accepted_register_says_whose_the_dn_is() {
    for (owner, wanted) in [(None, None), (Some(node()), None), (NodeId::new(9), Some("9"))] {
        let mut shard = Shard1::new();
        shard.owner = owner;
        shard.request("REGISTER", "7002", "7002", "127.0.0.50:5061", "");
        let accepted = shard.take();
        let said = accepted[0].header(HeaderId::XSipclusterOwner);
        assert_eq!(said, wanted.map(str::as_bytes), "{owner:?}");
    }
}

#[test]
fn phones_that_stumble_over_sha_256_hear_of_md5_only() {
    for (agent, wanted) in [
        ("", 2),
        ("User-Agent: baresip v3.1.0 (x86_64/linux)\r\n", 2),
        ("User-Agent: baresip v1.0.0 (x86_64/linux)\r\n", 1),
    ] {
        let mut shard = Shard1::new();
        shard.request("REGISTER", "7001", "7001", "127.0.0.50:5061", agent);
        let refused = shard.take();
        let values: Vec<_> = refused[0].header_lines(HeaderId::WwwAuthenticate).collect();
        assert_eq!(values.len(), wanted, "{agent}");
        assert!(values[0].windows(13).any(|part| part == b"algorithm=MD5"), "{agent}");
    }
}

#[test]
fn a_refusal_of_the_trunk_is_converted() {
    let mut shard = Shard1::new();
    shard.request("INVITE", "7002", "9555", "127.0.0.50:5061", "");
    let invite = shard.take().into_iter().find(Message::is_request).expect("an INVITE");
    assert!(invite.request_uri().starts_with(b"sip:9555@127.0.0.80:5080"));
    let words = shard.answer(&invite, 486);
    assert_eq!(words, ["ACK", "603"]);
    let record = &shard.records[0];
    assert_eq!(
        (&*record.trunk, record.cause.code, record.result),
        ("Trunk", 603, CallResult::Failed)
    );
    assert_eq!(shard.core.lens().0, 0);
}

#[test]
fn nobody_answers_in_time() {
    let mut shard = Shard1::new();
    shard.request("INVITE", "7002", "7001", "127.0.0.50:5061", "");
    let invite = shard.take().into_iter().find(Message::is_request).expect("an INVITE");
    shard.answer(&invite, 180);
    shard.take();
    let (wake, at) = shard.no_answer.pop().expect("armed");
    shard.on(Event::Wake(wake));
    assert!(shard.records.is_empty(), "an early wake-up does nothing");
    shard.now = at;
    shard.on(Event::Wake(wake));
    let mut words = shard.words();
    words.sort();
    assert_eq!(words, ["480", "CANCEL"]);
    assert_eq!(shard.records[0].result, CallResult::NoAnswer);
    // A wake-up that comes late finds no call.
    shard.take();
    shard.on(Event::Wake(wake));
    assert_eq!(shard.words(), Vec::<String>::new());
}

#[test]
fn a_node_that_drains_takes_nothing_new_and_says_so() {
    let mut shard = Shard1::new();
    shard.on(Event::Ready(false));
    assert_eq!(shard.request("INVITE", "7002", "7001", "127.0.0.50:5061", ""), ["503"]);
    let refused = shard.take();
    assert!(refused[0].header(HeaderId::RetryAfter).is_some());
    assert_eq!(shard.request("OPTIONS", "x", "x", PROXY, ""), ["503"]);
    assert_eq!(shard.take()[0].header(HeaderId::XSipclusterRole), Some(&b"draining"[..]));
    shard.on(Event::Ready(true));
    assert_eq!(shard.request("OPTIONS", "x", "x", PROXY, ""), ["200"]);
}

#[test]
fn a_trunk_out_of_service_is_passed_over() {
    let mut shard = Shard1::new();
    shard.on(Event::Trunk("Trunk".into(), false));
    assert_eq!(shard.request("INVITE", "7002", "9555", "127.0.0.50:5061", ""), ["503"]);
    shard.take();
    shard.on(Event::Trunk("Trunk".into(), true));
    assert!(
        shard
            .request("INVITE", "7002", "9555", "127.0.0.50:5061", "")
            .contains(&"INVITE".to_owned())
    );
}

#[test]
fn requests_outside_a_dialog_get_the_answers_of_the_rfcs() {
    for (method, wanted) in [
        ("SUBSCRIBE", "489"),
        ("PUBLISH", "405"),
        ("MESSAGE", "405"),
        ("BYE", "481"),
        ("UPDATE", "481"),
        ("FROBNICATE", "501"),
    ] {
        assert_eq!(Shard1::new().request(method, "7002", "7001", PROXY, ""), [wanted], "{method}");
    }
    let words = Shard1::new().request("INVITE", "7002", "7001", PROXY, "Require: precondition\r\n");
    assert_eq!(words, ["420"]);
    let words = Shard1::new().request("INVITE", "7002", "7001", PROXY, "Max-Forwards: 1\r\n");
    assert_eq!(words, ["400"], "a header that may stand once");
}
