//! The families of one application, as typed cells.
//!
//! Names follow what operators know from other SIP exporters; units are seconds, labels come from fixed sets. A
//! thread that counts has a [`Families`] of its own: the page sums those of one application.

use std::sync::{Arc, OnceLock};

use super::counter::{Counter, Gauge, Histogram};
use super::prometheus::{Collect, Registry, Sheet};
use crate::base::flow::Protocol;

/// Methods that are told apart; the last one stands for all others.
const METHODS: [&str; 15] = [
    "INVITE",
    "ACK",
    "CANCEL",
    "BYE",
    "REGISTER",
    "OPTIONS",
    "INFO",
    "MESSAGE",
    "UPDATE",
    "PRACK",
    "SUBSCRIBE",
    "NOTIFY",
    "REFER",
    "PUBLISH",
    "UNKNOWN",
];
/// Results of calls that are told apart; the last one stands for all others.
const RESULTS: [&str; 5] = ["answered", "busy", "no_answer", "failed", "other"];
/// Least status code that is counted as itself; anything outside counts as this one (RFC 3261 21).
const CODE_MIN: u16 = 100;
/// Status codes: 100 to 699.
const CODES: usize = 600;
/// From INVITE to 200, in seconds.
const CALL_SETUP_BOUNDS: &[f64] =
    &[0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0, 30.0, 60.0, 120.0];
/// From INVITE to the first answer above 100 (RFC 6076 4.3), in seconds.
const REQUEST_DELAY_BOUNDS: &[f64] =
    &[0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 32.0];

/// Which way a message goes, seen from the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Received.
    In,
    /// Sent.
    Out,
}

impl Direction {
    const ALL: [Self; 2] = [Self::In, Self::Out];

    const fn index(self) -> usize {
        match self {
            Self::In => 0,
            Self::Out => 1,
        }
    }

    /// As the label `direction`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// Counters per status code, taken from memory when the first one is counted.
#[derive(Debug, Default)]
struct Codes(OnceLock<Box<[Counter]>>);

impl Codes {
    fn count(&self, code: u16) {
        let row = self.0.get_or_init(|| (0..CODES).map(|_| Counter::new()).collect());
        let at = usize::from(code.saturating_sub(CODE_MIN));
        if let Some(cell) = row.get(at).or_else(|| row.first()) {
            cell.increment();
        }
    }

    /// Codes that were counted.
    fn counted(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let cells = self.0.get().into_iter().flat_map(|row| row.iter().enumerate());
        cells
            .map(|(at, cell)| (at + usize::from(CODE_MIN), cell.get()))
            .filter(|(_, count)| *count > 0)
    }
}

/// Cells of one thread of one application. The label `node` is the name of the application.
#[derive(Debug)]
pub struct Families {
    node: String,
    requests: [[[Counter; Protocol::ALL.len()]; 2]; METHODS.len()],
    responses: [[Codes; 2]; METHODS.len()],
    calls: [Counter; RESULTS.len()],
    /// `sip_retransmissions_total`: messages that came again and were answered from memory or absorbed.
    pub retransmissions: Counter,
    /// `sip_malformed_total`: what came and could not be read, or broke a rule of RFC 3261.
    pub malformed: Counter,
    /// `sip_stray_responses_total`: responses that belong to nothing.
    pub stray_responses: Counter,
    /// `foreign_route_total`: `X-Genesys-Route` headers that did not open or came from no node.
    pub foreign_routes: Counter,
    /// `bad_token_total`: sealed tokens in URIs that did not open.
    pub bad_tokens: Counter,
    /// `proxy_node_failovers_total`: requests that went on to the next node.
    pub node_failovers: Counter,
    /// `turn_panics_total`: turns that panicked and were caught.
    pub panics: Counter,
    /// `sip_handovers_total`: messages given to another application of the process without a socket.
    pub handovers: Counter,
    /// `sip_send_failures_total`: messages that could not be sent.
    pub send_failures: Counter,
    /// `sip_messages_refused_total`: messages that found no room in the mailbox that they are for.
    pub messages_refused: Counter,
    /// `sip_connections_open`: stream connections, accepted and made, those being set up included.
    pub connections: Gauge,
    /// `sip_connections_refused_total`: connections that were not accepted for lack of room.
    pub connections_refused: Counter,
    /// `call_setup_seconds`: from the INVITE to the answer.
    pub call_setup: Histogram,
    /// `sip_session_request_delay_seconds`: from the INVITE to the first ringing (RFC 6076 4.3).
    pub session_request_delay: Histogram,
}

impl Families {
    /// Cells for one thread of the application `node`, entered into the registry.
    pub fn register(registry: &mut Registry, node: &str) -> Arc<Self> {
        let families = Arc::new(Self::new(node));
        registry.add(Arc::<Self>::clone(&families));
        families
    }

    fn new(node: &str) -> Self {
        Self {
            node: node.to_owned(),
            requests: core::array::from_fn(|_| {
                core::array::from_fn(|_| core::array::from_fn(|_| Counter::new()))
            }),
            responses: core::array::from_fn(|_| core::array::from_fn(|_| Codes::default())),
            calls: core::array::from_fn(|_| Counter::new()),
            retransmissions: Counter::new(),
            malformed: Counter::new(),
            stray_responses: Counter::new(),
            foreign_routes: Counter::new(),
            bad_tokens: Counter::new(),
            node_failovers: Counter::new(),
            panics: Counter::new(),
            handovers: Counter::new(),
            send_failures: Counter::new(),
            messages_refused: Counter::new(),
            connections: Gauge::new(),
            connections_refused: Counter::new(),
            call_setup: Histogram::new(CALL_SETUP_BOUNDS),
            session_request_delay: Histogram::new(REQUEST_DELAY_BOUNDS),
        }
    }

    /// Counts a request. A method outside the list counts as `UNKNOWN`.
    pub fn request(&self, method: &str, direction: Direction, protocol: Protocol) {
        if let Some(cells) = self.requests.get(index_in(&METHODS, method)) {
            cells[direction.index()][protocol.index()].increment();
        }
    }

    /// Counts a response to a request of that method. A code outside 100 to 699 counts as 100.
    pub fn response(&self, method: &str, code: u16, direction: Direction) {
        if let Some(rows) = self.responses.get(index_in(&METHODS, method)) {
            rows[direction.index()].count(code);
        }
    }

    /// Counts a call that is over: `answered`, `busy`, `no_answer`, `failed`; any other word counts as `other`.
    pub fn call(&self, result: &str) {
        if let Some(cell) = self.calls.get(index_in(&RESULTS, result)) {
            cell.increment();
        }
    }

    fn collect_messages(&self, sheet: &mut Sheet) {
        let node = self.node.as_str();
        let rows = METHODS.iter().zip(self.requests.iter().zip(&self.responses));
        for (method, (requests, responses)) in rows {
            for direction in Direction::ALL {
                let way = direction.as_str();
                for protocol in Protocol::ALL {
                    let count = requests[direction.index()][protocol.index()].get();
                    if count > 0 {
                        let labels = [
                            ("node", node),
                            ("method", *method),
                            ("direction", way),
                            ("transport", protocol.uri_name()),
                        ];
                        sheet.counter("sip_requests", "SIP requests", &labels, count);
                    }
                }
                for (code, count) in responses[direction.index()].counted() {
                    let code = code.to_string();
                    let labels = [
                        ("node", node),
                        ("method", *method),
                        ("code", code.as_str()),
                        ("direction", way),
                    ];
                    sheet.counter("sip_responses", "SIP responses", &labels, count);
                }
            }
        }
    }
}

impl Collect for Families {
    fn collect(&self, sheet: &mut Sheet) {
        self.collect_messages(sheet);
        let node = [("node", self.node.as_str())];
        for (result, cell) in RESULTS.iter().zip(&self.calls) {
            let labels = [node[0], ("result", *result)];
            sheet.counter("calls", "Calls that are over, by result", &labels, cell.get());
        }
        for (name, help, cell) in [
            ("sip_retransmissions", "SIP messages that came again", &self.retransmissions),
            ("sip_malformed", "SIP messages that could not be read", &self.malformed),
            (
                "sip_stray_responses",
                "SIP responses that belong to no request",
                &self.stray_responses,
            ),
            ("foreign_route", "X-Genesys-Route headers that were not ours", &self.foreign_routes),
            ("bad_token", "Sealed tokens in URIs that did not open", &self.bad_tokens),
            (
                "proxy_node_failovers",
                "Requests that went on to the next node",
                &self.node_failovers,
            ),
            ("turn_panics", "Turns that panicked and were caught", &self.panics),
            ("sip_handovers", "SIP messages given over inside the process", &self.handovers),
            ("sip_send_failures", "SIP messages that could not be sent", &self.send_failures),
            ("sip_messages_refused", "SIP messages that found no room", &self.messages_refused),
            (
                "sip_connections_refused",
                "Stream connections not accepted for lack of room",
                &self.connections_refused,
            ),
        ] {
            sheet.counter(name, help, &node, cell.get());
        }
        let open = u32::try_from(self.connections.get()).unwrap_or(0);
        sheet.gauge("sip_connections_open", "Open stream connections", &node, f64::from(open));
        let help = "From INVITE to answer";
        sheet.histogram("call_setup_seconds", help, &node, self.call_setup.spread());
        let help = "From INVITE to the first response above 100, RFC 6076 4.3";
        sheet.histogram(
            "sip_session_request_delay_seconds",
            help,
            &node,
            self.session_request_delay.spread(),
        );
    }
}

fn index_in(words: &[&str], word: &str) -> usize {
    words.iter().position(|known| *known == word).unwrap_or(words.len().saturating_sub(1))
}

/// What holds for the whole process.
#[derive(Debug)]
pub struct Build {
    version: &'static str,
    /// `config_generation`: how often the configuration was swapped; 1 is the one of the start.
    pub config_generation: Gauge,
}

impl Build {
    /// Enters `build_info` and `config_generation`.
    pub fn register(registry: &mut Registry, version: &'static str) -> Arc<Self> {
        let build = Arc::new(Self { version, config_generation: Gauge::new() });
        build.config_generation.set(1);
        registry.add(Arc::<Self>::clone(&build));
        build
    }
}

impl Collect for Build {
    fn collect(&self, sheet: &mut Sheet) {
        sheet.gauge("build_info", "What runs; the value is 1", &[("version", self.version)], 1.0);
        let generation = u32::try_from(self.config_generation.get()).unwrap_or(u32::MAX);
        let help = "How often the configuration was swapped, the start included";
        sheet.gauge("config_generation", help, &[], f64::from(generation));
    }
}
