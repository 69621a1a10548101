//! All registrations as bytes for the snapshot file: a header frame with the
//! number of entries, then frames of entries, each frame after its length.

use super::Registration;
use super::replica::{Replica, Walk};
use crate::base::frames::{FrameReader, length_prefix};
use crate::base::id::NodeId;
use crate::base::time::{Instant, WallTime};
use crate::mesh::wire::{self, Body, Timebase, WireError, proto};

/// Version of the file's format.
pub(crate) const FILE_FORMAT: u32 = 1;

/// A snapshot file that is made a part at a time, so that nobody waits for all of it.
/// What changes meanwhile is in it as it was or as it is; what comes behind the
/// walk is in the next one.
#[derive(Debug)]
pub struct SnapshotFile {
    walk: Walk,
    entries: u64,
    /// The header, whose count is known last, and what follows it.
    parts: Vec<Vec<u8>>,
}

impl Default for SnapshotFile {
    fn default() -> Self {
        Self { walk: Walk::full(), entries: 0, parts: vec![Vec::new()] }
    }
}

impl SnapshotFile {
    /// The next entries, at most as many as a frame has; gives whether these were the
    /// last.
    pub(super) fn write(
        &mut self,
        replica: &Replica,
        node: NodeId,
        now: Instant,
        wall: WallTime,
    ) -> bool {
        let (entries, last) = replica.walk(&mut self.walk, wire::ENTRIES_PER_FRAME_LEN_MAX);
        self.entries += entries.len() as u64;
        let timebase = Timebase::File { now, wall };
        let entries = entries.iter().map(|entry| wire::to_proto(entry, timebase)).collect();
        let mut part = Vec::new();
        push(&mut part, Body::FileChunk(proto::FileChunk { entries }));
        self.parts.push(part);
        if last && let Some(header) = self.parts.first_mut() {
            let node_id = u32::from(node.get());
            let of = proto::FileHeader { format: FILE_FORMAT, node_id, entries: self.entries };
            push(header, Body::FileHeader(of));
        }
        last
    }

    /// The parts in their order; whole once the last entries are in.
    #[must_use]
    pub fn into_parts(self) -> Vec<Vec<u8>> {
        self.parts
    }
}

fn push(file: &mut Vec<u8>, body: Body) {
    let payload = wire::encode(body);
    file.extend_from_slice(&length_prefix(payload.len()));
    file.extend_from_slice(&payload);
}

/// Reads a snapshot file that [`super::Registrations::snapshot_part`] wrote,
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
