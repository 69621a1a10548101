//! SIP in a `WebSocket` (RFC 7118): the opening handshake, and one message per message. The frames
//! are tungstenite's; no socket is here, only the bytes that came and those that are to go.
//!
//! ```text
//!   GET / HTTP/1.1, Upgrade: websocket, Sec-WebSocket-Protocol: sip
//!   ------------------------------------------------------------------>
//!   101 Switching Protocols                      (or 400, 405, 426, 431)
//!   <------------------------------------------------------------------
//!   one SIP message per message, in fragments or whole; ping, close
//!   <----------------------------------------------------------------->
//! ```

use crate::base::limits::{MESSAGE_LEN_MAX, WEB_SOCKET_HEAD_LEN_MAX, WEB_SOCKET_HEADERS_MAX};
use bytes::Bytes;
use core::fmt;
use std::io::{ErrorKind, Read, Write};
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message};

/// The name by which SIP is asked for (RFC 7118 4.1).
const SUB_PROTOCOL: &str = "sip";
/// The version of the protocol (RFC 6455 4.1).
const VERSION: &str = "13";
/// Characters of a key: 16 bytes in base64 (RFC 6455 4.2.1).
const KEY_LEN: usize = 24;
/// Bytes that are read at a time.
const READ_LEN: usize = 4_096;

/// What came of bytes that were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// A SIP message.
    Message(Vec<u8>),
    /// Bytes that are to go to the other end: an answer to the handshake, a pong, a close.
    Reply(Bytes),
}

/// Why a connection is to be ended when what it was given has been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The request that opens it is none.
    #[error("no opening handshake of a WebSocket: {0}")]
    Refused(&'static str),
    /// The other end has said so.
    #[error("closed by the other end")]
    Closed,
    /// A frame that is none, or a message that is too long.
    #[error("a frame breaks the protocol")]
    Broken,
}

enum State {
    /// What has come of the request that opens it.
    Opening(Vec<u8>),
    /// With whether what was read last ended no frame.
    Open(Box<WebSocketContext>, bool),
    Over,
}

/// The server's end of a `WebSocket`.
pub struct Session(State);

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            State::Opening(_) => "WebSocket, opening",
            State::Open(..) => "WebSocket, open",
            State::Over => "WebSocket, over",
        })
    }
}

impl Default for Session {
    fn default() -> Self {
        Self(State::Opening(Vec::new()))
    }
}

/// The bytes that came, and where those go that are to be sent.
struct Pipe<'b> {
    input: &'b [u8],
    output: Vec<u8>,
}

impl Read for Pipe<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.input.is_empty() {
            Err(ErrorKind::WouldBlock.into())
        } else {
            self.input.read(buffer)
        }
    }
}

impl Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Session {
    /// Whether the handshake goes on.
    #[must_use]
    pub const fn is_opening(&self) -> bool {
        matches!(self.0, State::Opening(_))
    }

    /// Whether a frame has begun that is not there as a whole, as far as that is seen.
    #[must_use]
    pub const fn is_inside_message(&self) -> bool {
        matches!(self.0, State::Open(_, true))
    }

    /// Takes bytes that were read.
    ///
    /// # Errors
    /// When the connection is to be ended; what is `given` before that still holds.
    pub fn push(&mut self, bytes: &[u8], given: &mut Vec<Given>) -> Result<(), Ended> {
        match &mut self.0 {
            State::Opening(head) => {
                head.extend_from_slice(bytes);
                let read = read_request(head);
                let (answer, opened) = match read {
                    Ok(None) => return Ok(()),
                    Ok(Some((key, length))) => (accepted(&key), Ok(head.split_off(length))),
                    Err(refusal) => (refusal.answer(), Err(Ended::Refused(refusal.reason))),
                };
                given.push(Given::Reply(answer));
                match opened {
                    Ok(rest) => {
                        let context = WebSocketContext::new(Role::Server, Some(config()));
                        self.0 = State::Open(Box::new(context), false);
                        self.push(&rest, given)
                    }
                    Err(ended) => {
                        self.0 = State::Over;
                        Err(ended)
                    }
                }
            }
            State::Open(context, is_inside) => {
                let mut pipe = Pipe { input: bytes, output: Vec::new() };
                let mut frames = 0;
                let ended = read_frames(context, &mut pipe, given, &mut frames);
                *is_inside = frames == 0 && !bytes.is_empty();
                if !pipe.output.is_empty() {
                    given.push(Given::Reply(pipe.output.into()));
                }
                match ended {
                    Some(ended) => {
                        self.0 = State::Over;
                        Err(ended)
                    }
                    None => Ok(()),
                }
            }
            State::Over => Ok(()),
        }
    }

    /// A SIP message as it goes to the other end; `None` when none can.
    pub fn wrap(&mut self, message: &[u8]) -> Option<Bytes> {
        let State::Open(context, _) = &mut self.0 else { return None };
        let message = match core::str::from_utf8(message) {
            Ok(text) => Message::text(text),
            Err(_) => Message::binary(message.to_vec()),
        };
        let mut pipe = Pipe { input: &[], output: Vec::new() };
        context.write(&mut pipe, message).and_then(|()| context.flush(&mut pipe)).ok()?;
        Some(pipe.output.into())
    }

    /// Says goodbye.
    pub fn close(&mut self) -> Option<Bytes> {
        let State::Open(context, _) = &mut self.0 else { return None };
        let mut pipe = Pipe { input: &[], output: Vec::new() };
        let frame = CloseFrame { code: CloseCode::Away, reason: "".into() };
        let said = context.close(&mut pipe, Some(frame));
        self.0 = State::Over;
        said.ok().map(|()| pipe.output.into())
    }
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_LEN)
        .write_buffer_size(0)
        .max_message_size(Some(MESSAGE_LEN_MAX))
        .max_frame_size(Some(MESSAGE_LEN_MAX))
}

fn read_frames(
    context: &mut WebSocketContext,
    pipe: &mut Pipe<'_>,
    given: &mut Vec<Given>,
    frames: &mut usize,
) -> Option<Ended> {
    loop {
        let read = context.read(pipe);
        *frames += usize::from(read.is_ok());
        match read {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => {
                let bytes = message.into_data();
                if bytes.iter().any(|byte| !matches!(byte, b'\r' | b'\n')) {
                    given.push(Given::Message(bytes.to_vec()));
                } else if &bytes[..] == b"\r\n\r\n" {
                    // A sign of life that wants one (RFC 5626 4.4.1): some know no other.
                    let said = context.write(pipe, Message::text("\r\n"));
                    if said.and_then(|()| context.flush(pipe)).is_err() {
                        return Some(Ended::Broken);
                    }
                }
            }
            Ok(Message::Close(_)) => {
                // Its answer leaves with the flush.
                let _ = context.flush(pipe);
                return Some(Ended::Closed);
            }
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {
                if context.flush(pipe).is_err() {
                    return Some(Ended::Broken);
                }
            }
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(Error::ConnectionClosed | Error::AlreadyClosed) => return Some(Ended::Closed),
            Err(error) => {
                let code = match error {
                    Error::Capacity(_) => CloseCode::Size,
                    Error::Utf8(_) => CloseCode::Invalid,
                    Error::ConnectionClosed
                    | Error::AlreadyClosed
                    | Error::Io(_)
                    | Error::Tls(_)
                    | Error::Protocol(_)
                    | Error::WriteBufferFull(_)
                    | Error::AttackAttempt
                    | Error::Url(_)
                    | Error::Http(_)
                    | Error::HttpFormat(_) => CloseCode::Protocol,
                };
                let _ = context.close(pipe, Some(CloseFrame { code, reason: "".into() }));
                return Some(Ended::Broken);
            }
        }
    }
}

/// Why a handshake is refused.
struct Refusal {
    status: &'static str,
    reason: &'static str,
    header: &'static str,
}

impl Refusal {
    const fn new(status: &'static str, reason: &'static str) -> Self {
        Self { status, reason, header: "" }
    }

    fn answer(&self) -> Bytes {
        let Self { status, reason, header } = self;
        let length = reason.len() + 2;
        let text = format!(
            "HTTP/1.1 {status}\r\n{header}Connection: close\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{reason}\r\n"
        );
        text.into()
    }
}

fn accepted(key: &[u8]) -> Bytes {
    let accept = derive_accept_key(key);
    let text = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: {SUB_PROTOCOL}\r\n\r\n"
    );
    text.into()
}

/// The key and the length of the request that opens a `WebSocket`, when all of it is there
/// (RFC 6455 4.2.1, RFC 7118 4.1).
fn read_request(head: &[u8]) -> Result<Option<(Vec<u8>, usize)>, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; WEB_SOCKET_HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(head) {
        Ok(httparse::Status::Complete(length)) if length <= WEB_SOCKET_HEAD_LEN_MAX => length,
        Ok(httparse::Status::Partial) if head.len() <= WEB_SOCKET_HEAD_LEN_MAX => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => {
            let status = "431 Request Header Fields Too Large";
            return Err(Refusal::new(status, "the headers are too long"));
        }
        Err(_) => return Err(Refusal::new("400 Bad Request", "this is not HTTP")),
    };
    if request.method != Some("GET") {
        let header = "Allow: GET\r\n";
        let reason = "a WebSocket begins with GET";
        return Err(Refusal { header, ..Refusal::new("405 Method Not Allowed", reason) });
    }
    let values = |name: &'static str| {
        let own = request.headers.iter().filter(move |own| own.name.eq_ignore_ascii_case(name));
        own.map(|own| own.value.trim_ascii())
    };
    let lists = |name: &'static str, wanted: &str| {
        let parts = values(name).flat_map(|value| value.split(|byte| *byte == b','));
        parts.map(<[u8]>::trim_ascii).any(|part| part.eq_ignore_ascii_case(wanted.as_bytes()))
    };
    if !lists("Upgrade", "websocket") || !lists("Connection", "upgrade") {
        let header = "Upgrade: websocket\r\n";
        let reason = "SIP is spoken here in a WebSocket";
        return Err(Refusal { header, ..Refusal::new("426 Upgrade Required", reason) });
    }
    if !lists("Sec-WebSocket-Version", VERSION) {
        let header = "Sec-WebSocket-Version: 13\r\n";
        let reason = "another version of the protocol";
        return Err(Refusal { header, ..Refusal::new("426 Upgrade Required", reason) });
    }
    if request.version != Some(1) || values("Host").next().is_none() {
        return Err(Refusal::new("400 Bad Request", "no HTTP/1.1, or no Host"));
    }
    let mut keys = values("Sec-WebSocket-Key");
    let key = keys.next().filter(|key| key.len() == KEY_LEN && keys.next().is_none());
    let Some(key) = key else {
        return Err(Refusal::new("400 Bad Request", "no Sec-WebSocket-Key of 16 bytes"));
    };
    if !lists("Sec-WebSocket-Protocol", SUB_PROTOCOL) {
        return Err(Refusal::new("400 Bad Request", "Sec-WebSocket-Protocol does not offer sip"));
    }
    Ok(Some((key.to_vec(), length)))
}

#[cfg(test)]
mod tests;
