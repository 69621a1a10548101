//! One client of a T-Library port, from its connection to its end: who it is, which events
//! it wants, whether it is still there. Pure: what it sends goes in, what is to be done
//! comes out.

use crate::base::id::CallUuid;
use crate::base::limits::{
    ADDP_TIME_MIN, CLIENT_GREETING_TIME, TLIB_LIST_LEN_MAX, TLIB_NAME_LEN_MAX, TLIB_PAIRS_MAX,
    TLIB_REQUEST_LEN_MAX,
};
use crate::base::time::{Duration, Instant, WallTime};
use crate::cti::refusal::Refusal;
use crate::cti::tlib::{
    self, Attributes, ClientRegistration, Cursor, ErrorCode, EventType, PROTOCOL_VERSION, Request,
    RequestType, ServerRole, frame, is_in_mask, mask_of,
};
use bytes::Bytes;
use core::net::SocketAddr;
use prost::Message as _;

/// A client of a port.
#[derive(Clone, Debug)]
pub struct Session {
    /// ApplicationName; `None` until it has registered.
    pub name: Option<Box<str>>,
    /// SessionID.
    pub id: CallUuid,
    /// Where it connects from; `None` for a client of this process.
    pub address: Option<SocketAddr>,
    /// When it connected, for people.
    pub connected_wall: WallTime,
    /// It is being closed: what else it sends is passed over.
    pub is_ending: bool,
    /// Events that it wants; `None` for all.
    mask: Option<Vec<u8>>,
    /// Silence after which it is polled.
    silence: Option<Duration>,
    /// When something was last heard of it.
    heard: Instant,
    /// When it was polled, since nothing was heard of it.
    polled: Option<Instant>,
    connected: Instant,
    /// When it is to be woken: a wake-up before that is none of its own any more.
    armed: Instant,
}

/// What a client's bytes are.
#[derive(Clone, Debug)]
pub enum Taken {
    /// A request.
    Request(Box<Request>),
    /// A poll: what answers it.
    Polled(Bytes),
    /// Everything up to an event has been stored.
    Acknowledged(Cursor),
    /// Nothing that asks for anything.
    Nothing,
}

/// What a client's silence asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Nothing yet.
    Nothing,
    /// It is polled.
    Poll(Bytes),
    /// It is ended.
    End,
}

impl Session {
    /// One that has just connected. Whoever does not say who he is is not kept:
    /// [`Session::arm`] says when it is to be looked at.
    #[must_use]
    pub const fn new(
        id: CallUuid,
        address: Option<SocketAddr>,
        now: Instant,
        wall: WallTime,
    ) -> Self {
        Self {
            name: None,
            id,
            address,
            connected_wall: wall,
            is_ending: false,
            mask: None,
            silence: None,
            heard: now,
            polled: None,
            connected: now,
            armed: Instant::NEVER,
        }
    }

    /// A client of this process, which never has to say who it is, and hears only what it
    /// has asked for.
    #[must_use]
    pub fn local(name: &str, id: CallUuid, now: Instant, wall: WallTime) -> Self {
        let mask = Some(Vec::new());
        Self { name: Some(name.into()), mask, ..Self::new(id, None, now, wall) }
    }

    /// Whether it has said who it is.
    #[must_use]
    pub const fn is_registered(&self) -> bool {
        self.name.is_some()
    }

    /// Whether it wants events of that type.
    #[must_use]
    pub fn wants(&self, kind: EventType) -> bool {
        self.mask.as_ref().is_none_or(|mask| is_in_mask(mask, kind.into()))
    }

    /// Takes a frame of it, without its length.
    ///
    /// # Errors
    /// When it is none: nobody knows what comes behind it.
    pub fn take(&mut self, bytes: Bytes, now: Instant) -> Result<Taken, tlib::Undecodable> {
        if self.is_ending {
            return Ok(Taken::Nothing);
        }
        self.heard = now;
        self.polled = None;
        Ok(match tlib::decode_frame(bytes)? {
            Some(frame::Body::Request(request)) => Taken::Request(Box::new(request)),
            Some(frame::Body::Poll(number)) if self.is_registered() => {
                Taken::Polled(tlib::encode_frame(frame::Body::PollAnswer(number)))
            }
            Some(frame::Body::Acknowledged(cursor)) if self.is_registered() => {
                Taken::Acknowledged(cursor)
            }
            // Events are for clients.
            Some(
                frame::Body::Poll(_)
                | frame::Body::PollAnswer(_)
                | frame::Body::Event(_)
                | frame::Body::Acknowledged(_),
            )
            | None => Taken::Nothing,
        })
    }

    /// Whether a request of it can be looked at at all.
    ///
    /// # Errors
    /// When it breaks a bound, is of no known type, or comes before TRegisterClient.
    pub fn check(&self, request: &Request) -> Result<RequestType, Refusal> {
        if request.reference_id == 0 {
            return Err(Refusal::attribute("ReferenceID"));
        }
        let registration = request.registration.as_ref().map_or(0, prost::Message::encoded_len);
        if request.encoded_len() > TLIB_REQUEST_LEN_MAX + registration {
            let text = format!("a request has at most {TLIB_REQUEST_LEN_MAX} bytes");
            return Err(Refusal::new(ErrorCode::ErrorInvalidAttribute, text));
        }
        if let Some(attributes) = &request.attributes {
            within_limits(attributes)?;
        }
        if request.r#type != i32::from(RequestType::TRegisterClient) && !self.is_registered() {
            let text = "the first request must be TRegisterClient";
            return Err(Refusal::new(ErrorCode::ErrorWrongState, text));
        }
        match RequestType::try_from(request.r#type) {
            Ok(kind) if kind != RequestType::None => Ok(kind),
            Ok(_) | Err(_) => {
                let text = format!("nobody knows a request of type {}", request.r#type);
                Err(Refusal::new(ErrorCode::ErrorUnknownOperation, text))
            }
        }
    }

    /// TRegisterClient.
    ///
    /// # Errors
    /// When it has registered already, or what it says makes no sense.
    pub fn register(&mut self, given: &ClientRegistration) -> Result<(), Refusal> {
        if self.is_registered() {
            let text = "the client has registered already";
            return Err(Refusal::new(ErrorCode::ErrorAlreadyRegistered, text));
        }
        if given.protocol_version != PROTOCOL_VERSION {
            let text = format!("ProtocolVersion must be {PROTOCOL_VERSION}");
            return Err(Refusal::new(ErrorCode::ErrorProtocolVersion, text));
        }
        if !is_name(&given.application_name) {
            return Err(Refusal::attribute("ApplicationName"));
        }
        self.name = Some(given.application_name.as_str().into());
        let silence = u64::from(given.addp_remote_timeout_ms);
        self.silence = (silence > 0).then(|| Duration::from_millis(silence).max(ADDP_TIME_MIN));
        Ok(())
    }

    /// TSetInputMask.
    ///
    /// # Errors
    /// When there is none.
    pub fn set_input_mask(&mut self, given: &Attributes) -> Result<(), Refusal> {
        let mask = given.input_mask.clone().ok_or_else(|| Refusal::attribute("InputMask"))?;
        self.mask = Some(mask);
        Ok(())
    }

    /// When [`Session::watch`] is to be asked next, where no wake-up is on its way that
    /// comes as early.
    pub fn arm(&mut self) -> Option<Instant> {
        let at = self.deadline()?;
        (at < self.armed).then(|| {
            self.armed = at;
            at
        })
    }

    fn deadline(&self) -> Option<Instant> {
        if self.is_ending {
            return None;
        }
        if !self.is_registered() {
            return Some(self.connected + CLIENT_GREETING_TIME);
        }
        Some(self.polled.unwrap_or(self.heard) + self.silence?)
    }

    /// A wake-up has come: a client that is silent is polled once, and ended when it stays
    /// silent (`genesys/sip-server.md` 12). `number` is that of a poll. What comes next
    /// says [`Session::arm`].
    pub fn watch(&mut self, now: Instant, number: u64) -> Silence {
        if now < self.armed {
            return Silence::Nothing;
        }
        self.armed = Instant::NEVER;
        match self.deadline() {
            Some(at) if at <= now => {}
            Some(_) | None => return Silence::Nothing,
        }
        if !self.is_registered() || self.polled.is_some() {
            return Silence::End;
        }
        self.polled = Some(now);
        Silence::Poll(tlib::encode_frame(frame::Body::Poll(number)))
    }
}

/// Whether a client may say that it has this role at a port (`ClusterRole`; guide,
/// "Deploying Interaction Concentrator").
///
/// # Errors
/// When it takes the port for another.
pub fn check_role(given: &ClientRegistration, role: &'static str) -> Result<(), Refusal> {
    if given.cluster_role.is_empty() || given.cluster_role == role {
        return Ok(());
    }
    let text = format!("AttributeClusterRole of a client of this port is {role}, or empty");
    Err(Refusal::new(ErrorCode::ErrorInvalidAttribute, text))
}

/// Whether a text can be the name of a client, or of what it belongs to.
#[must_use]
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= TLIB_NAME_LEN_MAX && !name.chars().any(char::is_control)
}

/// What EventServerConnected and EventServerInfo say of a server that takes those requests.
#[must_use]
pub fn server(
    name: &str,
    started: WallTime,
    supported: impl IntoIterator<Item = RequestType>,
) -> Attributes {
    let supported = supported.into_iter().map(i32::from);
    Attributes {
        application_name: Some(name.to_owned()),
        server_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        server_role: Some(ServerRole::Primary.into()),
        server_capability_mask: Some(mask_of(supported)),
        server_start_time: Some(started.0.saturating_mul(1_000)),
        ..Attributes::default()
    }
}

/// A request that a port does not work on.
#[must_use]
pub fn unsupported(kind: RequestType) -> Refusal {
    let text = format!("{} is not supported on this port", kind.as_str_name());
    Refusal::new(ErrorCode::ErrorUnsupportedOperation, text)
}

/// What a refusal names besides its reason.
#[must_use]
pub fn subject(given: &Attributes) -> Attributes {
    let this_dn = given.this_dn.clone().filter(|name| name.len() <= TLIB_NAME_LEN_MAX);
    Attributes { this_dn, conn_id: given.conn_id, ..Attributes::default() }
}

/// The attributes of EventError.
#[must_use]
pub fn refused(refusal: &Refusal, subject: Attributes) -> Attributes {
    Attributes {
        error_code: Some(refusal.code.into()),
        error_message: Some(refusal.text.to_string()),
        ..subject
    }
}

/// What a request brings goes out again in events, to everybody, and is kept: it has
/// bounds far below those of a frame.
fn within_limits(given: &Attributes) -> Result<(), Refusal> {
    let texts = [
        ("ThisDN", &given.this_dn),
        ("OtherDN", &given.other_dn),
        ("AgentID", &given.agent_id),
        ("Password", &given.password),
        ("CommunicationDN", &given.communication_dn),
    ];
    for (name, value) in texts {
        if value.as_ref().is_some_and(|text| text.len() > TLIB_NAME_LEN_MAX) {
            return Err(Refusal::attribute(name));
        }
    }
    let lists = [
        ("UserData", &given.user_data),
        ("Extensions", &given.extensions),
        ("Reasons", &given.reasons),
    ];
    for (name, list) in lists {
        let is_long = |list: &tlib::KvList| {
            list.pairs.len() > TLIB_PAIRS_MAX || list.encoded_len() > TLIB_LIST_LEN_MAX
        };
        if list.as_ref().is_some_and(is_long) {
            return Err(Refusal::attribute(name));
        }
    }
    let mask_is_long = |mask: &Vec<u8>| mask.len() > TLIB_NAME_LEN_MAX;
    if given.input_mask.as_ref().is_some_and(mask_is_long) {
        return Err(Refusal::attribute("InputMask"));
    }
    Ok(())
}
