//! A small blocking HTTP/1.1 client: one request, one connection, one answer of bounded size.

use core::fmt::Write as _;
use core::net::SocketAddr;
use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::ToSocketAddrs;

/// Time for setting up the connection.
const CONNECT_TIME: Duration = Duration::from_secs(3);
/// Time without a byte after which the answer is given up.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// Bytes of an answer.
const ANSWER_LEN_MAX: u64 = 256 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    #[error("\"{0}\" is no HOST:PORT: write it as in --at 127.0.0.1:8080")]
    NoAddress(String),
    #[error(
        "nothing listens on {0}: start it with sipcluster run, or name another place with --at"
    )]
    Refused(String),
    #[error("{at} cannot be reached: {error}")]
    Failed { at: String, error: io::Error },
    #[error("{0} answers, but not as a sipcluster process does: check --at")]
    Strange(String),
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Status code.
    pub(super) code: u16,
    /// Body.
    pub(super) body: Vec<u8>,
}

/// One request. `path` is written as it stands, `body` is JSON or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// Place, such as `127.0.0.1:8080`.
    pub(super) at: String,
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) body: String,
}

/// Asks a process.
pub(super) fn ask(asked: &Asked) -> Result<Answer, HttpError> {
    let at = asked.at.as_str();
    let failed = |error: io::Error| {
        if error.kind() == io::ErrorKind::ConnectionRefused {
            HttpError::Refused(at.to_owned())
        } else {
            HttpError::Failed { at: at.to_owned(), error }
        }
    };
    let bytes = connect(asked, &failed)?;
    read_answer(&bytes).ok_or_else(|| HttpError::Strange(at.to_owned()))
}

#[expect(
    clippy::disallowed_types,
    reason = "an operator's command is a process of its own and may wait"
)]
fn connect(asked: &Asked, failed: &dyn Fn(io::Error) -> HttpError) -> Result<Vec<u8>, HttpError> {
    let at = asked.at.as_str();
    let is_written = at
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if !is_written || at.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        return Err(HttpError::NoAddress(at.to_owned()));
    }
    let addresses: Vec<SocketAddr> = at.to_socket_addrs().map_err(failed)?.collect();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match std::net::TcpStream::connect_timeout(&address, CONNECT_TIME) {
            Ok(mut stream) => {
                stream.set_read_timeout(Some(ANSWER_TIME)).map_err(failed)?;
                stream.set_write_timeout(Some(ANSWER_TIME)).map_err(failed)?;
                return exchange(&mut stream, asked).map_err(failed);
            }
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}

/// Writes the request and reads to the end of the connection.
pub(super) fn exchange(stream: &mut (impl Read + Write), asked: &Asked) -> io::Result<Vec<u8>> {
    let Asked { at, method, path, body } = asked;
    let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {at}\r\nAccept: application/json\r\n{kind}\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut bytes = Vec::new();
    stream.take(ANSWER_LEN_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads an HTTP/1.1 answer that ends with its connection (RFC 9112).
pub(super) fn read_answer(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = core::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let mut status = lines.next()?.splitn(3, ' ');
    if !status.next()?.starts_with("HTTP/1.") {
        return None;
    }
    let code: u16 = status.next()?.parse().ok()?;
    let headers: Vec<(String, &str)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim()))
        .collect();
    let value_of =
        |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value);
    let rest = &bytes[end + 4..];
    let body = if value_of("transfer-encoding")
        .is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    {
        dechunked(rest)?
    } else if let Some(length) = value_of("content-length") {
        rest.get(..length.parse().ok()?)?.to_vec()
    } else {
        rest.to_vec()
    };
    Some(Answer { code, body })
}

/// Chunks put together (RFC 9112 7.1); none where the last chunk is missing.
fn dechunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let line = core::str::from_utf8(&rest[..end]).ok()?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        rest = &rest[end + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

/// A text as one segment of a path (RFC 3986 3.3).
pub(super) fn segment(text: &str) -> String {
    text.bytes().fold(String::new(), |mut path, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "%{byte:02X}");
        }
        path
    })
}
