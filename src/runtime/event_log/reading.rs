//! What an earlier process has left.

use super::{
    BODY_LEN_MAX, ENTRY, ENTRY_HEAD_LEN, FIRST, GIVEN, GIVEN_LEN, HEAD, LAST, MAGIC,
    RECORD_HEAD_LEN, REST,
};
use crate::base::event_stream::{Entry, Stream};
use bytes::{Buf as _, Bytes};
use std::collections::VecDeque;
use std::io::Result;
use std::path::{Path, PathBuf};

/// Numbers of first entries with their files.
type Segments = VecDeque<(u64, PathBuf)>;

/// The streams of a folder. One whose head is not there is removed: nobody knows whose it is.
pub(super) fn streams(folder: &Path) -> Result<Vec<(Stream, Segments)>> {
    let mut found = Vec::new();
    for (number, path) in numbered(folder, "")? {
        let Ok(stream) = u32::try_from(number) else { continue };
        let segments: Segments = numbered(&path, ".log")?.into();
        let mut read = Stream { stream, ..Stream::default() };
        for (_, segment) in &segments {
            match std::fs::read(segment) {
                Ok(bytes) => take(&mut read, bytes.into(), segment),
                Err(error) => {
                    tracing::warn!(file = %segment.display(), %error, "events of before cannot be read");
                }
            }
        }
        if read.head.is_empty() {
            tracing::warn!(folder = %path.display(), "events of before are nobody's and were removed");
            std::fs::remove_dir_all(&path)?;
            continue;
        }
        found.push((read, segments));
    }
    Ok(found)
}

/// What is named by a number in a folder, in order.
fn numbered(folder: &Path, ending: &str) -> Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(number) = name.strip_suffix(ending).and_then(|text| text.parse().ok()) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found)
}

/// Takes the records of a segment, up to the first that is not whole.
fn take(stream: &mut Stream, mut bytes: Bytes, path: &Path) {
    if !bytes.starts_with(MAGIC) {
        tracing::warn!(file = %path.display(), "is no segment of events and is passed over");
        return;
    }
    bytes.advance(MAGIC.len());
    let mut rest = Vec::new();
    while !bytes.is_empty() {
        let Some(body) = record(&mut bytes) else {
            tracing::warn!(file = %path.display(), rest = bytes.len(), "a record of events is not whole: what follows it here is lost");
            return;
        };
        match body.first() {
            Some(&HEAD) => stream.head = body.slice(1..),
            Some(&ENTRY) if body.len() >= ENTRY_HEAD_LEN => entry(stream, body),
            Some(&GIVEN) if body.len() == GIVEN_LEN => {
                stream.given = (body[1] != 0).then(|| (&body[2..]).get_u64_le());
            }
            Some(&REST) if body.len() > 1 => {
                let flags = body[1];
                if flags & FIRST != 0 {
                    rest.clear();
                }
                rest.push(body.slice(2..));
                if flags & LAST != 0 {
                    stream.rest = core::mem::take(&mut rest);
                }
            }
            Some(_) | None => {}
        }
    }
}

fn record(bytes: &mut Bytes) -> Option<Bytes> {
    let (head, rest) = bytes.split_at_checked(RECORD_HEAD_LEN)?;
    let word = |place: usize| Some(u32::from_le_bytes(*head.get(place..)?.first_chunk()?));
    let (len, sum) = (usize::try_from(word(0)?).ok()?, word(4)?);
    let body = rest.get(..len).filter(|_| len <= BODY_LEN_MAX)?;
    if crc32fast::hash(body) != sum {
        return None;
    }
    bytes.advance(RECORD_HEAD_LEN);
    Some(bytes.split_to(len))
}

/// The entries before a hole are of no use: they would be taken for all that there was.
fn entry(stream: &mut Stream, mut body: Bytes) {
    body.advance(1);
    let (number, at_ms) = (body.get_u64_le(), body.get_u64_le());
    if stream.entries.last().is_some_and(|last| last.number + 1 != number) {
        stream.entries.clear();
    }
    stream.entries.push(Entry { number, at_ms, entry: body });
}
