//! Frames of a byte stream: four bytes of length, big-endian, and so many bytes. Links
//! between applications and T-Library clients use them alike (`decisions.md` 10).

use bytes::{Buf as _, Bytes, BytesMut};

/// Bytes of one frame without its length.
pub const FRAME_BYTES_MAX: usize = 1 << 20;
/// Bytes of the length before a frame.
pub const LENGTH_BYTES: usize = 4;

/// A frame announces more bytes than [`FRAME_BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {0} bytes is too long")]
pub struct FrameTooLong(pub usize);

/// A frame with its length before it.
#[must_use]
pub fn framed(payload: &[u8]) -> Bytes {
    [&length_prefix(payload.len())[..], payload].concat().into()
}

/// Cuts the bytes of one connection into frames. After an error nothing more is
/// cut: the connection must be closed.
#[derive(Debug, Default)]
pub struct FrameReader {
    buffer: BytesMut,
    broken: Option<FrameTooLong>,
}

impl FrameReader {
    /// A reader at the start of a connection.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes as they arrive. Whoever reads takes all frames out before the
    /// next read, so that at most one frame and one read wait here.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.broken.is_none() {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next whole frame without its length, `None` while it is incomplete.
    ///
    /// # Errors
    /// [`FrameTooLong`], as soon as the length is read.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, FrameTooLong> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        let Some(length) = self.buffer.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length > FRAME_BYTES_MAX {
            let error = FrameTooLong(length);
            self.broken = Some(error);
            self.buffer.clear();
            return Err(error);
        }
        if self.buffer.len() < LENGTH_BYTES + length {
            return Ok(None);
        }
        self.buffer.advance(LENGTH_BYTES);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }

    /// Whether no byte of an unfinished frame waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}

/// The length that goes before a frame of `payload_len` bytes.
#[must_use]
pub fn length_prefix(payload_len: usize) -> [u8; LENGTH_BYTES] {
    debug_assert!(payload_len <= FRAME_BYTES_MAX, "no frame of ours is that long");
    u32::try_from(payload_len).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn frames_come_out_however_the_bytes_are_cut(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8),
            cuts in prop::collection::vec(1usize..30, 1..40),
        ) {
            let mut stream = Vec::new();
            for frame in &frames {
                stream.extend_from_slice(&length_prefix(frame.len()));
                stream.extend_from_slice(frame);
            }
            let (mut reader, mut seen, mut rest) = (FrameReader::new(), Vec::new(), &stream[..]);
            for cut in cuts.iter().cycle() {
                let (piece, more) = rest.split_at((*cut).min(rest.len()));
                reader.push(piece);
                rest = more;
                while let Some(frame) = reader.next_frame().expect("short frames") {
                    seen.push(frame.to_vec());
                }
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(seen, frames);
            prop_assert!(reader.is_empty());
        }
    }

    #[test]
    fn a_frame_that_is_too_long_ends_the_stream_at_its_length() {
        let mut reader = FrameReader::new();
        let len = FRAME_BYTES_MAX + 1;
        reader.push(&u32::try_from(len).expect("small").to_be_bytes());
        assert_eq!(reader.next_frame(), Err(FrameTooLong(len)));
        reader.push(&length_prefix(0));
        assert_eq!(reader.next_frame(), Err(FrameTooLong(len)), "nothing behind it is read");
    }
}
