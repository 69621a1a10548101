//! Messages with bytes changed, removed, repeated and swapped at random, from a seed: whatever
//! comes out of it, nothing here panics, what it says of a message fits together, and what is
//! written can be read again. `MUTATIONS` sets how many (20,000), `SEED` where they start.

use sipcluster::base::id::Ids;
use sipcluster::sip::auth::{issuing_node, parse_challenge, parse_credentials};
use sipcluster::sip::message::{
    Edits, HeaderId, Message, NameAddr, Uri, Via, Writer, response_to, scan,
};
use sipcluster::sip::registrar::contact_key;
use sipcluster::sip::transaction::TransactionKey;
use sipx_testkit::{rfc4475, rfc5118};

const MUTATIONS: u64 = 20_000;

const AUTHORIZED: &str = "REGISTER sip:cluster.example.com SIP/2.0\r\n\
    Via: SIP/2.0/UDP 127.0.0.50:5061;branch=z9hG4bK1;rport\r\n\
    Max-Forwards: 70\r\n\
    From: \"7001\" <sip:7001@cluster.example.com>;tag=a\r\n\
    To: <sip:7001@cluster.example.com>\r\n\
    Call-ID: c1\r\n\
    CSeq: 2 REGISTER\r\n\
    Contact: <sip:7001@127.0.0.50:5061;transport=udp>;q=0.5;+sip.instance=\"<urn:uuid:1>\"\r\n\
    Authorization: Digest username=\"7001\", realm=\"SIP_Cluster\", nonce=\"abc\",\r\n \
     uri=\"sip:cluster.example.com\", response=\"0123456789abcdef0123456789abcdef\",\r\n \
     algorithm=MD5, qop=auth, nc=00000001, cnonce=\"x\\\"y\"\r\n\
    Expires: 300\r\n\
    Content-Length: 0\r\n\r\n";

const CHALLENGED: &str = "SIP/2.0 401 Unauthorized\r\n\
    Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKx, SIP/2.0/TCP [::1]:5061;branch=z9hG4bKy;rport=9\r\n\
    f: <sip:7001@cluster.example.com>;tag=a\r\n\
    t: <sip:7001@cluster.example.com>;tag=b\r\n\
    i: c1\r\n\
    CSeq: 1 REGISTER\r\n\
    WWW-Authenticate: Digest realm=\"SIP_Cluster\", nonce=\"n\", qop=\"auth,auth-int\", stale=TRUE\r\n\
    Record-Route: <sip:one;lr;t=x>, <sip:two:5070;transport=tcp;lr>\r\n\
    l: 0\r\n\r\n";

fn corpus() -> Vec<Vec<u8>> {
    let mut corpus: Vec<Vec<u8>> = rfc4475::CASES.iter().map(|case| case.bytes.to_vec()).collect();
    corpus.extend(rfc5118::CASES.iter().map(|case| case.wire().to_vec()));
    corpus.push(AUTHORIZED.as_bytes().to_vec());
    corpus.push(CHALLENGED.as_bytes().to_vec());
    corpus
}

/// Bytes that a grammar turns on.
const SHARP: &[u8] = b"\r\n \t\0:;,<>\"\\@[]%=/?*09aZ\x7f\x80\xff";

fn below(ids: &mut Ids, bound: usize) -> usize {
    usize::try_from(ids.below(bound.max(1) as u64)).unwrap_or_default()
}

/// One to eight changes of the bytes.
fn mutate(bytes: &mut Vec<u8>, other: &[u8], ids: &mut Ids) {
    for _ in 0..=below(ids, 8) {
        if bytes.is_empty() {
            bytes.push(b'S');
        }
        let at = below(ids, bytes.len());
        let length = below(ids, 24).min(bytes.len() - at);
        match below(ids, 8) {
            0 => bytes[at] = SHARP[below(ids, SHARP.len())],
            1 => bytes[at] ^= 1 << below(ids, 8),
            2 => bytes.insert(at, SHARP[below(ids, SHARP.len())]),
            3 => drop(bytes.drain(at..at + length)),
            4 => {
                let piece = bytes[at..at + length].to_vec();
                let to = below(ids, bytes.len());
                bytes.splice(to..to, piece);
            }
            5 => {
                let from = below(ids, other.len());
                let piece = &other[from..(from + length).min(other.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            6 => bytes.truncate(at),
            _ => {
                let piece = SHARP[below(ids, SHARP.len())];
                bytes.splice(at..at, core::iter::repeat_n(piece, 1 + below(ids, 70)));
            }
        }
    }
}

/// Every view of every header; what is read must fit together.
fn look(message: &Message) {
    for (id, name, value) in message.all_headers() {
        assert_eq!(HeaderId::from_name(name), id);
        assert!(!value.contains(&b'\n') && !value.contains(&b'\r'), "a line end in a value");
        if let Ok(parsed) = NameAddr::parse(value) {
            assert!(Uri::parse(parsed.uri).is_ok());
            let _ = (parsed.tag(), parsed.display_name(), parsed.param(b"expires"));
        }
        if let Ok(via) = Via::parse(value) {
            let _ = (via.branch(), via.rport(), via.received(), via.response_address());
        }
        if let Ok(credentials) = parse_credentials(value) {
            let _ = issuing_node(&credentials.nonce);
        }
        let _ = parse_challenge(value).is_ok();
        let _ = (message.values(id).count(), message.number(id), message.has_option_tag(id, b"x"));
    }
    if let Ok(uri) = Uri::parse(message.request_uri()) {
        let _ = (uri.user_name(), uri.host_ip(), uri.protocol(), uri.port_or_default());
        let _ = contact_key(&String::from_utf8_lossy(message.request_uri()));
    }
    let _ = (message.typed_body(), message.max_forwards(), message.reason());
    if message.fault().is_none() {
        assert!(message.top_via().is_some() && message.from().is_some() && message.to().is_some());
        assert!(!message.call_id().is_empty());
        let key = TransactionKey::of(message, message.method(), 7);
        assert!(key.is_some() && key == TransactionKey::of(message, message.method(), 7));
    }
}

/// What a proxy and a user agent write on account of the message can be read again.
fn write_back(message: &Message) -> Result<(), String> {
    let unchanged = Edits::new(message).write();
    if unchanged != message.bytes() {
        return Err("written without edits it is another".into());
    }
    let again = scan(unchanged.to_vec()).map_err(|error| format!("unchanged: {error}"))?;
    if again.fault() != message.fault() {
        return Err(format!("unchanged: {:?} became {:?}", message.fault(), again.fault()));
    }
    let mut edits = Edits::new(message);
    edits.prepend(HeaderId::Via, b"SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKown");
    edits.replace_first_value(HeaderId::Via, b"SIP/2.0/UDP h;branch=z9hG4bKtheirs");
    edits.set(HeaderId::MaxForwards, b"69").remove(HeaderId::XGenesysRoute);
    edits.remove_values(HeaderId::Route, 1).prepend(HeaderId::RecordRoute, b"<sip:us;lr>");
    let forwarded = scan(edits.write().to_vec()).map_err(|error| format!("edited: {error}"))?;
    if message.fault().is_none() {
        if let Some(fault) = forwarded.fault() {
            return Err(format!("edited: {fault}"));
        }
        if forwarded.body() != message.body() || forwarded.call_id() != message.call_id() {
            return Err("edited: body or Call-ID changed".into());
        }
    }
    if message.is_request() {
        let bytes = response_to(message, 400, b"", b"tag", None).body(None);
        let answer = scan(bytes.to_vec()).map_err(|error| format!("answer: {error}"))?;
        if let (None, Some(fault)) = (message.fault(), answer.fault()) {
            return Err(format!("answer: {fault}"));
        }
        let mut writer = Writer::request(b"ACK", message.request_uri());
        writer
            .copy(message, HeaderId::Via)
            .copy(message, HeaderId::From)
            .copy(message, HeaderId::To);
        writer.copy(message, HeaderId::CallId).header(HeaderId::CSeq, "1 ACK");
        if let (None, Err(error)) = (message.fault(), scan(writer.body(None).to_vec())) {
            return Err(format!("ACK: {error}"));
        }
    }
    Ok(())
}

fn number_of(variable: &str, default: u64) -> u64 {
    let text = std::env::var(variable).unwrap_or_default();
    if text.is_empty() {
        return default;
    }
    text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number"))
}

#[test]
fn no_mutation_breaks_the_message_layer() {
    let corpus = corpus();
    let seed = number_of("SEED", 1);
    let mut ids = Ids::new(seed);
    let (mut read, mut good) = (0, 0);
    let rounds = number_of("MUTATIONS", MUTATIONS);
    for round in 0..rounds {
        let mut bytes = corpus[below(&mut ids, corpus.len())].clone();
        let other = &corpus[below(&mut ids, corpus.len())];
        mutate(&mut bytes, other, &mut ids);
        let Ok(message) = scan(bytes.clone()) else { continue };
        read += 1;
        good += u64::from(message.fault().is_none());
        look(&message);
        if let Err(what) = write_back(&message) {
            let text = bytes.escape_ascii();
            panic!("seed {seed}, round {round}: {what}\n{text}");
        }
    }
    assert!(read * 4 > rounds, "only {read} of {rounds} were messages");
    assert!(good * 20 > rounds, "only {good} of {rounds} had no fault");
}

#[test]
fn each_message_of_the_corpus_is_written_back() {
    for bytes in corpus() {
        let Ok(message) = scan(bytes.clone()) else { continue };
        look(&message);
        assert_eq!(write_back(&message), Ok(()), "{}", bytes.escape_ascii());
    }
}

#[test]
fn the_same_seed_makes_the_same_mutations() {
    let make = |seed| {
        let mut bytes = AUTHORIZED.as_bytes().to_vec();
        mutate(&mut bytes, CHALLENGED.as_bytes(), &mut Ids::new(seed));
        bytes
    };
    assert_eq!(make(5), make(5));
    assert_ne!(make(5), make(6));
}
