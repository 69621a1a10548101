//! Messages of others, read from the directory that `SIPCLUSTER_DATA` names: `expect.tsv` with
//! path, class and allowed codes of each file. Without the variable nothing is checked and one
//! line says so. Addresses inside are never targets: nothing is sent.

use super::exceptions::settle;
use super::outcome::{Wanted, departure};
use sipcluster::sip::auth::{parse_challenge, parse_credentials};
use sipcluster::sip::message::{HeaderId, Message, NameAddr, Uri, Via, scan};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// One row of `expect.tsv`.
struct Row {
    path: String,
    class: String,
    codes: String,
}

fn rows(folder: &Path) -> Vec<Row> {
    let list = std::fs::read_to_string(folder.join("expect.tsv"));
    let list = list.unwrap_or_else(|error| panic!("expect.tsv: {error}"));
    list.lines()
        .skip(1)
        .filter_map(|line| {
            let mut cells = line.split('\t').map(str::to_owned);
            Some(Row { path: cells.next()?, class: cells.next()?, codes: cells.next()? })
        })
        .collect()
}

/// Statuses that a row allows; words such as `forward` are no status.
fn statuses(codes: &str) -> Vec<u16> {
    codes.split(',').filter_map(|code| code.parse().ok()).collect()
}

fn judge(row: &Row, bytes: &[u8]) -> Option<String> {
    match row.class.as_str() {
        "accept" if row.codes == "parser" => judge_lines(&row.path, bytes),
        // A refusal of the syntax is one of the outcomes that the row itself allows.
        "accept" if statuses(&row.codes).contains(&400) || row.codes == "never-crash" => {
            departure(bytes, Wanted::Either)
        }
        "accept" => departure(bytes, Wanted::Good),
        "reject" => {
            let wanted = statuses(&row.codes);
            match scan(bytes.to_vec()) {
                Err(_) => None,
                Ok(message) => match message.fault() {
                    None => Some("taken without a word".into()),
                    Some(fault) if wanted.contains(&fault.status()) => None,
                    Some(fault) => Some(format!("{fault} instead of {wanted:?}")),
                },
            }
        }
        "strict" => departure(bytes, Wanted::Refused(&[400])),
        "lenient" => departure(bytes, Wanted::Either),
        "jain-ok" | "jain-error" | "survive" | "wire" | "drop" => {
            look_at_everything(bytes);
            None
        }
        "capture" | "oracle" => None,
        class => Some(format!("class {class} is not known")),
    }
}

/// Reads whatever can be read of any bytes; that it comes back is the test.
fn look_at_everything(bytes: &[u8]) {
    let _ = (Uri::parse(bytes), NameAddr::parse(bytes).map(|value| value.display_name()));
    let _ = (Via::parse(bytes).map(|via| via.response_address()), parse_credentials(bytes).is_ok());
    let Ok(message) = scan(bytes.to_vec()) else { return };
    let _ =
        (message.fault(), message.top_via(), message.from(), message.to(), message.typed_body());
    for (id, _, value) in message.all_headers() {
        let _ = (NameAddr::parse(value).is_ok(), Via::parse(value).is_ok());
        let _ = (message.values(id).count(), parse_challenge(value).is_ok());
    }
}

/// `abnf-lines`: one grammar-valid value a line.
fn judge_lines(path: &str, bytes: &[u8]) -> Option<String> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let lines =
        bytes.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let refused: Vec<&[u8]> =
        lines.filter(|line| !line.is_empty() && !line_is_read(name, line)).collect();
    let first = refused.first()?;
    Some(format!("{} lines refused, the first is {}", refused.len(), first.escape_ascii()))
}

fn line_is_read(name: &str, line: &[u8]) -> bool {
    match name {
        "contact.txt" | "pai.txt" | "refer-to.txt" | "from.txt" => {
            let id = match name {
                "contact.txt" => HeaderId::Contact,
                "pai.txt" => HeaderId::PAssertedIdentity,
                "from.txt" => HeaderId::From,
                _ => HeaderId::ReferTo,
            };
            carried(id, line).is_some_and(|message| {
                let read = |value: &[u8]| value == b"*" || NameAddr::parse(value).is_ok();
                if id == HeaderId::From {
                    message.from().is_some()
                } else {
                    message.values(id).all(read)
                }
            })
        }
        "via.txt" => carried(HeaderId::Via, line)
            .is_some_and(|message| message.values(HeaderId::Via).all(via_is_read)),
        "cseq.txt" => {
            let token = line.rsplit(u8::is_ascii_whitespace).next().unwrap_or_default();
            let rest = b" sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\
                From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: c\r\nCSeq: ";
            let whole = [token, rest, line, b"\r\n\r\n"].concat();
            scan(whole).is_ok_and(|message| message.fault().is_none())
        }
        // Nothing here reads these two.
        "rack.txt" | "replaces.txt" => true,
        "sip-uri.txt" => Uri::parse(line.trim_ascii()).is_ok(),
        "request-line.txt" => {
            let rest = b"\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
                To: <sip:a@b>\r\nCall-ID: c\r\n";
            let token = line.split(|&byte| byte == b' ').next().unwrap_or_default();
            let whole = [line, rest, b"CSeq: 1 ", token, b"\r\n\r\n"].concat();
            // The grammar has headers in every URI; RFC 3261 19.1.1 forbids them in this one.
            line.contains(&b'?') || scan(whole).is_ok_and(|message| message.fault().is_none())
        }
        _ => false,
    }
}

/// Any protocol and version are grammar; a Via that is not SIP/2.0 is refused by policy.
fn via_is_read(value: &[u8]) -> bool {
    let slashes: Vec<usize> =
        value.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at).collect();
    let Some(at) = slashes.get(1) else { return false };
    Via::parse(&[b"SIP/2.0", &value[*at..]].concat()).is_ok()
}

/// A message in which the line is the first header; a line may hold the header's name or not.
fn carried(id: HeaderId, line: &[u8]) -> Option<Message> {
    let colon = line.iter().position(|&byte| byte == b':').unwrap_or(0);
    let named = HeaderId::from_name(line[..colon].trim_ascii()) == id;
    let header = if named { line.to_vec() } else { [id.name().as_bytes(), b": ", line].concat() };
    scan([b"OPTIONS sip:a@b SIP/2.0\r\n", &header[..], b"\r\n\r\n"].concat()).ok()
}

#[test]
fn each_file_has_its_outcome() {
    let Some(folder) = std::env::var_os("SIPCLUSTER_DATA").map(PathBuf::from) else {
        let _ = writeln!(std::io::stderr(), "SIPCLUSTER_DATA is not set: skipped");
        return;
    };
    let rows = rows(&folder);
    assert!(!rows.is_empty(), "expect.tsv has no rows");
    let mut findings = Vec::new();
    for row in &rows {
        let bytes = std::fs::read(folder.join(&row.path));
        let bytes = bytes.unwrap_or_else(|error| panic!("{}: {error}", row.path));
        if let Some(what) = judge(row, &bytes) {
            findings.push((row.path.clone(), format!("{} {}: {what}", row.class, row.codes)));
        }
    }
    settle("data", &findings);
}

#[test]
fn a_row_is_judged_by_its_class() {
    let row = |class: &str, codes: &str| Row {
        path: "x/via.txt".into(),
        class: class.into(),
        codes: codes.into(),
    };
    let bad = b"OPTIONS sip:a@b SIP/7.0\r\n\r\n";
    assert!(judge(&row("accept", "never-400"), bad).is_some());
    assert!(judge(&row("reject", "505"), bad).is_none());
    assert!(judge(&row("reject", "400"), bad).is_some());
    assert!(judge(&row("survive", "any"), bad).is_none());
    assert!(judge(&row("unheard", "any"), bad).is_some());
    assert!(judge(&row("accept", "parser"), b"SIP/2.0/UDP h;branch=x\n").is_none());
    assert!(judge(&row("accept", "parser"), b"SIP/2.0/UDP h:0\n").is_some());
}
