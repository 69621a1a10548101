//! Every bound of the program, with its unit in its name (`decisions.md` 15).

use core::time::Duration;

/// RFC 3261 17.1.1.1: estimate of the round trip.
pub const TIMER_T1: Duration = Duration::from_millis(500);
/// RFC 3261 17.1.2.2: longest interval between retransmissions.
pub const TIMER_T2: Duration = Duration::from_secs(4);
/// RFC 3261 17.1.2.2: how long a message stays in the network.
pub const TIMER_T4: Duration = Duration::from_secs(5);
/// 64·T1: when an unanswered transaction is given up.
pub const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(32);
/// RFC 3261 16.6 step 11: a proxied INVITE without a final answer.
pub const TIMER_C: Duration = Duration::from_secs(181);
/// How long a node may stay silent before the next one is tried (`decisions.md` 9).
pub const NODE_SILENCE: Duration = Duration::from_secs(1);
/// How much longer the last node that can be tried may stay silent before the
/// caller hears 503 and turns to another data centre.
pub const LAST_NODE_SILENCE: Duration = Duration::from_secs(4);
/// How long the proxy that has a phone's connection may stay silent before the phone is not there:
/// it says 100 long before.
pub const HOLDER_SILENCE: Duration = Duration::from_secs(2);
/// Nodes that one request is tried on.
pub const NODE_TRIES_MAX: usize = 3;
/// Longest time for which a node that said 503 with Retry-After is not asked
/// again for new requests.
pub const NODE_REST_MAX: Duration = Duration::from_secs(60);
/// How long the other member of a pair may take to become primary: until then a
/// request of a dialog hears 503, from then on 481.
pub const SWITCHOVER_TIME: Duration = Duration::from_secs(10);
/// How far the time in an `X-Genesys-Route` may lie from the clock of who reads
/// it, either way: clocks of hosts differ, and a copied value wears off.
pub const HOP_AGE_MAX: Duration = Duration::from_secs(60);
/// DNs whose call's node a proxy shard remembers, 16 bytes each; the oldest of a
/// set of [`HINT_WAYS`] gives way.
pub const HINTS_MAX: usize = 1 << 18;
/// Places that one DN's hint may take.
pub const HINT_WAYS: usize = 16;
/// How long a hint counts after the last sight of the DN's call: longer than the
/// usual interval of session timers (RFC 4028).
pub const HINT_LIFETIME: Duration = Duration::from_secs(3600);
/// When a 100 is sent to an INVITE that nothing has answered (RFC 3261 17.2.1).
pub const TRYING_DELAY: Duration = Duration::from_millis(200);

/// RFC 3261 18.1.1: bytes of a request from which on it goes by a stream.
pub const DATAGRAM_REQUEST_LEN_MAX: usize = 1_300;
/// Bytes of one SIP message, start line to the end of the body.
pub const MESSAGE_LEN_MAX: usize = 65_535;
/// Header lines of one message.
pub const HEADER_COUNT_MAX: usize = 256;
/// Bytes of one header value, unfolded.
pub const HEADER_VALUE_LEN_MAX: usize = 8_192;
/// Values of one comma-separated header that are looked at.
pub const HEADER_VALUES_MAX: usize = 64;
/// RFC 3261 20.22: initial Max-Forwards.
pub const MAX_FORWARDS_INITIAL: u8 = 70;
/// Contacts that one REGISTER may carry.
pub const REGISTER_CONTACTS_MAX: usize = 10;
/// Branches that one request may be forked to at a time.
pub const FORK_WIDTH_MAX: usize = 10;

/// Transactions of one shard.
pub const TRANSACTIONS_PER_SHARD_MAX: usize = 1 << 20;
/// Legs of one shard.
pub const LEGS_PER_SHARD_MAX: usize = 1 << 20;
/// Calls of one shard.
pub const CALLS_PER_SHARD_MAX: usize = 1 << 19;
/// Actions of one step of one machine.
pub const OUTBOX_LEN_MAX: usize = 65_536;
/// Requests that are moved to other nodes in one step when a node is lost; any
/// others are moved by their own timers.
pub const MOVED_PER_STEP_MAX: usize = 8_192;
/// Messages that a module takes out of its mailbox in one turn.
pub const TURN_BATCH_LEN: usize = 256;
/// Entries of a module's mailbox.
pub const MAILBOX_LEN_MAX: usize = 65_536;
/// Datagrams that one socket gives in one turn.
pub const SOCKET_BATCH_LEN: usize = 64;
/// T-Library clients of one port.
pub const CLIENTS_MAX: usize = 10_000;
/// Time in which a DN that was lost to a node out of reach is not claimed again for what
/// was known before: both would go on claiming it as fast as others tell them.
pub const CLAIM_PAUSE: Duration = Duration::from_secs(30);
/// Events that a T-Controller keeps for clients that come back.
pub const EVENTS_KEPT_MAX: usize = 100_000;
/// Bytes of those.
pub const EVENTS_KEPT_LEN_MAX: usize = 64 << 20;
/// Bytes of events that a client which comes back is told; what is more is a gap.
pub const REPLAY_LEN_MAX: usize = 16 << 20;
/// The same for a client of another node.
pub const REPLAY_REMOTE_LEN_MAX: usize = 4 << 20;
/// How long they are kept.
pub const EVENTS_KEPT_TIME: Duration = Duration::from_secs(600);
/// Requests of operators that one T-Controller works on at a time.
pub const OPERATORS_MAX: usize = 64;
/// Time in which a T-Library client must say who it is.
pub const CLIENT_GREETING_TIME: Duration = Duration::from_secs(10);
/// DNs that one event of a T-Controller looks at; the rest waits for the next turn.
pub const DNS_PER_EVENT_MAX: usize = 64;
/// Bytes of a name in a T-Library request.
pub const TLIB_NAME_LEN_MAX: usize = 255;
/// Bytes of a key-value list in a T-Library request.
pub const TLIB_LIST_LEN_MAX: usize = 64 << 10;
/// Bytes of a T-Library request: one that goes on to another node fits a frame there.
pub const TLIB_REQUEST_LEN_MAX: usize = 256 << 10;
/// Pairs of a key-value list in a T-Library request.
pub const TLIB_PAIRS_MAX: usize = 1_024;
/// Shortest silence after which a T-Library client is polled.
pub const ADDP_TIME_MIN: Duration = Duration::from_millis(100);
/// Between two looks at the links of a T-Controller.
pub const LINK_TICK: Duration = Duration::from_millis(500);
/// How often it is looked whether anybody listens who would have to dial.
pub const LINK_PROBE_TIME: Duration = Duration::from_secs(2);
/// Silence after which the other T-Controller of a link is asked whether it is there.
pub const LINK_PING_TIME: Duration = Duration::from_secs(3);
/// Silence after which a link between T-Controllers is lost.
pub const LINK_SILENCE_MAX: Duration = Duration::from_secs(6);
/// Time in which the other side of a link says who it is.
pub const LINK_HELLO_TIME: Duration = Duration::from_secs(5);
/// Longest time for which a contact of another node is believed, seconds: a week.
pub const CONTACT_SECONDS_MAX: u64 = 7 * 24 * 3_600;
/// Claims above this are refused, so that none can run over.
pub const CLAIM_EPOCH_MAX: u32 = u32::MAX / 2;
/// Time in which the hand-over of a DN arrives that others have heard of already.
pub const HAND_OVER_TIME: Duration = Duration::from_secs(2);
/// How often a request goes to another node before it is refused.
pub const FORWARDS_MAX: u8 = 4;
/// Requests of clients that other nodes work on, of one T-Controller.
pub const PENDING_REQUESTS_MAX: usize = 65_536;
/// Bytes that wait to be written to one T-Library client.
pub const CLIENT_BACKLOG_LEN_MAX: usize = 64 << 20;
/// Cursors that a client may name: one for each node that there can be.
pub const CURSORS_MAX: usize = 4_095;
/// Collectors of call streams that one node knows.
pub const RECIPIENTS_MAX: usize = 64;
/// Bytes of events that are kept for all of them.
pub const RECIPIENTS_KEPT_LEN_MAX: usize = 512 << 20;
/// Bytes of events that one of them has had, kept for a cursor that it may come back with.
pub const RECIPIENT_HAD_LEN_MAX: usize = 8 << 20;
/// Time for which a collector may take nothing of what waits for it.
pub const RECIPIENT_STALL_TIME: Duration = Duration::from_secs(30);
/// Bytes of events that are kept for one of them.
pub const RECIPIENT_KEPT_LEN_MAX: usize = 64 << 20;
/// How long they are kept, and how long one that is away is known.
pub const RECIPIENT_KEPT_TIME: Duration = Duration::from_secs(3_600);
/// Bytes of them that wait to be written at a time: the rest waits where it is kept.
pub const RECIPIENT_QUEUE_LEN_MAX: usize = 1 << 20;
/// When it is looked again whether a collector has taken what waits.
pub const RECIPIENT_QUEUE_TIME: Duration = Duration::from_millis(10);
/// Open stream connections of one transport.
pub const CONNECTIONS_MAX: usize = 20_000;
/// Bytes that wait to be written to one connection.
pub const CONNECTION_BACKLOG_LEN_MAX: usize = 1 << 20;
/// Time that a started message may take to arrive in full on a stream.
pub const STREAM_MESSAGE_TIME: Duration = Duration::from_secs(10);
/// Time after which a connection that nobody uses is closed.
pub const STREAM_IDLE_TIME: Duration = Duration::from_secs(600);
/// The same of a connection that is the only way to a phone: longer than any registration.
pub const FLOW_IDLE_TIME: Duration = Duration::from_secs(86_400);
/// Silence after which the kernel looks whether the phone of such a connection is there, the time
/// between two looks, and how many have no answer.
pub const FLOW_PROBE_TIME: Duration = Duration::from_secs(60);
/// See [`FLOW_PROBE_TIME`].
pub const FLOW_PROBE_INTERVAL: Duration = Duration::from_secs(15);
/// See [`FLOW_PROBE_TIME`].
pub const FLOW_PROBES: u32 = 4;
/// Time within which the first message comes by such a connection.
pub const FIRST_MESSAGE_TIME: Duration = Duration::from_secs(30);
/// Handshakes of TLS that one turn of a transport works on: each may take a millisecond, in which
/// nothing else is read.
pub const HANDSHAKES_PER_TURN: usize = 4;
/// Time for which a connection may take nothing of what waits for it.
pub const STREAM_WRITE_TIME: Duration = Duration::from_secs(10);
/// Time that the other end has to read the last answer before its connection is closed.
pub const STREAM_LINGER_TIME: Duration = Duration::from_secs(2);
/// Bytes of the request that opens a `WebSocket`; cookies of a web site may come with it.
pub const WEB_SOCKET_HEAD_LEN_MAX: usize = 16_384;
/// Header lines of that request.
pub const WEB_SOCKET_HEADERS_MAX: usize = 64;
/// Time that setting up a connection may take.
pub const CONNECT_TIME: Duration = Duration::from_secs(4);
/// Time that both ends of a connection may take to agree on TLS, or to say that there is none.
pub const TLS_HANDSHAKE_TIME: Duration = Duration::from_secs(5);
/// Time between two log lines about connections of a port that came to nothing.
pub const REFUSED_LOG_INTERVAL: Duration = Duration::from_secs(10);
/// Connections that one turn accepts.
pub const ACCEPT_BATCH_LEN: usize = 64;
/// Time for which nothing is accepted after the system had no room for a connection.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(250);
/// Datagrams that wait for a full socket buffer.
pub const DATAGRAM_BACKLOG_LEN_MAX: usize = 4_096;
/// Bytes of receive buffer that the datagram socket asks of the system.
pub const RECEIVE_BUFFER_LEN: usize = 4 << 20;
/// Time for which a resolved host name is used.
pub const NAME_TTL: Duration = Duration::from_secs(30);
/// Time for which a host name that did not resolve is not looked up again.
pub const NAME_FAILURE_TTL: Duration = Duration::from_secs(5);
/// Host names whose addresses one transport remembers.
pub const NAMES_MAX: usize = 4_096;
/// Host names that one transport looks up at a time.
pub const LOOKUPS_MAX: usize = 64;
/// Time after which a look-up counts as failed.
pub const LOOKUP_TIME: Duration = Duration::from_secs(5);
/// Messages that wait for one host name.
pub const NAME_WAITING_LEN_MAX: usize = 1_024;
/// How often a warning is written that the outside can cause at will.
pub const WARN_INTERVAL: Duration = Duration::from_secs(10);
/// Panics of one module within [`PANICS_WINDOW`] that stop the process.
pub const PANICS_MAX: usize = 3;
/// How long a panic is remembered.
pub const PANICS_WINDOW: Duration = Duration::from_secs(60);
/// RFC 4028 5: smallest session interval, in seconds.
pub const SESSION_INTERVAL_MIN_S: u32 = 90;
/// RFC 4028 10: how long before the end of a session the side that does not refresh
/// gives up, at most.
pub const SESSION_GRACE: Duration = Duration::from_secs(32);
/// When a session refresh is tried again that met another change.
pub const REFRESH_RETRY: Duration = Duration::from_secs(4);
/// Lifetime of a nonce.
pub const NONCE_LIFETIME: Duration = Duration::from_secs(300);

const _: () = assert!(TRANSACTION_TIMEOUT.as_millis() == 64 * TIMER_T1.as_millis());
const _: () = assert!(HINTS_MAX.is_power_of_two() && HINT_WAYS.is_power_of_two());
const _: () = assert!(TIMER_C.as_secs() > 180);
const _: () = assert!(OUTBOX_LEN_MAX >= 8 * MOVED_PER_STEP_MAX);
