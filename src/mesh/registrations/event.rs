//! What the machine is told and what it wants done.

use super::entry::Registration;
use super::{HELLO_TIME_MAX_MS, LINKS_LEN_MAX, SILENCE_MAX_MS};
use crate::base::id::NodeId;
use crate::base::time::Instant;
use crate::mesh::wire::WireError;
use bytes::Bytes;

/// One connection between two proxies; the shell numbers them and uses no number
/// twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// What the machine is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// A connection is open.
    LinkUp {
        /// Which.
        link: LinkId,
        /// Whom this side dialled; `None` if the other side dialled.
        dialled: Option<NodeId>,
    },
    /// A connection is gone, for whatever reason.
    LinkDown {
        /// Which.
        link: LinkId,
    },
    /// A frame has arrived, its length taken off.
    Frame {
        /// On which connection.
        link: LinkId,
        /// Its bytes.
        payload: Bytes,
    },
    /// The local registrar has taken a change.
    LocalChange(Registration),
    /// An entry of the snapshot file, before the first link.
    Restored(Registration),
    /// The configuration names these other proxies, no longer others.
    Peers(Vec<NodeId>),
    /// The point of time that was armed last is reached.
    Timer,
}

/// What the machine wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a frame, its length before it.
    Send {
        /// On which connection.
        link: LinkId,
        /// Its bytes, without the length.
        payload: Bytes,
    },
    /// Let the local registrar take over what counts for a contact.
    Apply(Registration),
    /// Close a connection; the machine has forgotten it.
    CloseLink {
        /// Which.
        link: LinkId,
        /// Why, for the log.
        reason: CloseReason,
    },
    /// Give [`Event::Timer`] at this time; replaces what was armed before.
    Arm(Instant),
}

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// A frame cannot be used.
    #[error("{0}")]
    Unusable(#[from] WireError),
    /// A frame that does not belong there.
    #[error("a frame that is not expected here")]
    Unexpected,
    /// Numbers do not follow each other.
    #[error("sequence numbers do not follow each other")]
    Sequence,
    /// The peer speaks another version of the protocol.
    #[error("protocol version {0} is not ours")]
    Protocol(u32),
    /// The configuration names no such proxy, or the peer is this proxy itself.
    #[error("node-id {0} is not a peer")]
    NotAPeer(u32),
    /// Another application answered than was dialled.
    #[error("dialled node-id {dialled}, reached {reached}")]
    WrongPeer {
        /// Whom we wanted.
        dialled: NodeId,
        /// Who answered.
        reached: NodeId,
    },
    /// There is a better connection with the same peer.
    #[error("another connection with this peer is kept")]
    Duplicate,
    /// No Hello in time.
    #[error("no hello within {HELLO_TIME_MAX_MS} ms")]
    NoHello,
    /// Nothing arrived for too long.
    #[error("silent for {SILENCE_MAX_MS} ms")]
    Silent,
    /// More connections than there can be peers.
    #[error("more than {LINKS_LEN_MAX} connections")]
    TooManyLinks,
    /// The configuration no longer names the peer.
    #[error("the peer was taken out of the configuration")]
    Unconfigured,
}
