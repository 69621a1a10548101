//! All registrations as bytes for the snapshot file: a header frame with the
//! number of entries, then frames of entries, each frame after its length.

use super::Registration;
use super::replica::{Replica, Walk};
use crate::base::id::NodeId;
use crate::base::time::{Instant, WallTime};
use crate::mesh::wire::{self, Body, FrameReader, Timebase, WireError, proto};

/// Version of the file's format.
pub(crate) const FILE_FORMAT: u32 = 1;

/// Bytes that an entry nearly always fits in.
const ENTRY_BYTES_USUAL: usize = 256;

pub(super) fn write(replica: &Replica, node: NodeId, now: Instant, wall: WallTime) -> Vec<u8> {
    let header = proto::FileHeader {
        format: FILE_FORMAT,
        node_id: u32::from(node.get()),
        entries: replica.records_len() as u64,
    };
    // Of a size that the allocator gives back, and nothing moved while it is written.
    let mut file = Vec::with_capacity(replica.records_len() * ENTRY_BYTES_USUAL);
    push(&mut file, Body::FileHeader(header));
    let mut walk = Walk::full();
    loop {
        let (entries, last) = replica.walk(&mut walk, wire::ENTRIES_PER_FRAME_LEN_MAX);
        let timebase = Timebase::File { now, wall };
        let entries = entries.iter().map(|entry| wire::to_proto(entry, timebase)).collect();
        push(&mut file, Body::FileChunk(proto::FileChunk { entries }));
        if last {
            return file;
        }
    }
}

fn push(file: &mut Vec<u8>, body: Body) {
    let payload = wire::encode(body);
    file.extend_from_slice(&wire::length_prefix(payload.len()));
    file.extend_from_slice(&payload);
}

/// Reads a snapshot file that [`super::Registrations::snapshot_file`] wrote,
/// perhaps in an earlier process. `wall` is the wall-clock time at `now`; entries
/// whose time ran out in between come with it run out, for they still outrank
/// others. Give each to [`super::Event::Restored`].
///
/// # Errors
/// [`WireError`] if the file is not whole; nothing of it should be used then.
pub fn read_snapshot_file(
    bytes: &[u8],
    now: Instant,
    wall: WallTime,
) -> Result<Vec<Registration>, WireError> {
    let mut reader = FrameReader::new();
    reader.push(bytes);
    let mut announced = None;
    let mut entries = Vec::new();
    while let Some(payload) = reader.next_frame()? {
        match (wire::decode(payload)?, announced) {
            (Some(Body::FileHeader(header)), None) if header.format == FILE_FORMAT => {
                announced = Some(header.entries)
            }
            (Some(Body::FileHeader(header)), None) => {
                return Err(WireError::FileFormat(header.format));
            }
            (Some(Body::FileChunk(chunk)), Some(_)) => {
                entries.extend(wire::entries(&chunk.entries, Timebase::File { now, wall })?);
            }
            (None | Some(_), _) => return Err(WireError::Field("body")),
        }
    }
    if announced == Some(entries.len() as u64) && reader.is_empty() {
        Ok(entries)
    } else {
        Err(WireError::FileLength)
    }
}
