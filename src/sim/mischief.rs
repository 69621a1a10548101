//! Bugs planted on purpose: what one application does is falsified on its way
//! out, so that the audit can show that it sees such a thing.

use super::cluster;
use crate::base::flow::Protocol;
use crate::base::id::Ids;
use crate::roles::node::call_manager::core::Wake;
use crate::sip::message::{HeaderId, Message, Method, scan};
use crate::sip::user_agent;
use bytes::Bytes;
use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet};

/// A bug of one application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mischief {
    /// A node sends no ACK for a 2xx.
    SuccessAckLost,
    /// A node or proxy sends no ACK for a refusal.
    RefusalAckLost,
    /// A node sends its BYE again under a new branch.
    ByeDoubled,
    /// A node leaves out a number before its BYE.
    NumberSkipped,
    /// A node gives its BYE the number of its last request.
    NumberRepeated,
    /// The timers of a node's client transactions do not fire.
    ClientTimerLost,
    /// The timers of a node's legs do not fire: no 2xx is repeated.
    LegTimerLost,
    /// A node does not give up a call that nobody answers.
    NoAnswerTimerLost,
    /// No timer of a proxy fires.
    ProxyTimerLost,
    /// The To tag of a node's 200 is not the one of its 180.
    TagChanged,
    /// A node or proxy sends no CANCEL.
    CancelLost,
    /// A node gives out no record.
    RecordLost,
    /// A node gives out each record twice.
    RecordDoubled,
    /// A node's BYE has the branch of its INVITE.
    BranchReused,
    /// A node's second description has the version of its first.
    VersionKept,
    /// A node raises the version of a description that is the same.
    VersionRaised,
    /// A node sends a 200 after its 487.
    AnswerAfterRefusal,
    /// A proxy does not write itself into Record-Route.
    RecordRouteLost,
    /// A node's answer lacks the Record-Route of the request.
    RouteNotCopied,
    /// A node or proxy sends its 180 to somebody else.
    ResponseAstray,
    /// A proxy does not lower Max-Forwards.
    HopsKept,
    /// A proxy lets a header of the cluster's inside out.
    SecretTold,
    /// A node changes what a description says.
    DescriptionChanged,
    /// A node's PRACK names a response that nobody sent.
    WrongRack,
    /// A node sends a reliable response again under a new number.
    RseqRaised,
    /// A node answers a session-timer request without the refresher.
    RefresherLost,
}

impl Mischief {
    /// Whether a proxy can have it; else a node has it.
    const fn is_of_proxy(self) -> bool {
        matches!(
            self,
            Self::ProxyTimerLost | Self::RecordRouteLost | Self::HopsKept | Self::SecretTold
        )
    }

    /// Whether it is a bug that either kind of application can have.
    const fn is_of_any(self) -> bool {
        matches!(self, Self::RefusalAckLost | Self::CancelLost | Self::ResponseAstray)
    }
}

/// A packet on its way out.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) to: (SocketAddr, Protocol),
    pub(super) bytes: Bytes,
}

/// What falsifies.
#[derive(Debug)]
pub(super) struct Meddler {
    mischief: Mischief,
    victim: SocketAddr,
    /// One call in this many suffers.
    sparing: u64,
    random: Ids,
    /// Branches of INVITEs that the victim sent.
    invites: BTreeSet<Vec<u8>>,
    /// The first branch by Call-ID.
    branches: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Calls in which a 180 or 183 left.
    rang: BTreeSet<Vec<u8>>,
    /// First version and last description by Call-ID, and how often it was raised.
    versions: BTreeMap<Vec<u8>, (u64, Vec<u8>, u64)>,
}

impl Meddler {
    /// A bug in an application drawn from the seed.
    pub(super) fn new(mischief: Mischief, seed: u64) -> Self {
        let mut random = Ids::new(seed ^ 0xbad);
        let mut victims = Vec::new();
        if !mischief.is_of_proxy() {
            victims.extend(cluster::nodes());
        }
        if mischief.is_of_proxy() || mischief.is_of_any() {
            victims.extend(cluster::proxies());
        }
        let choice = random.below(victims.len().max(1) as u64) as usize;
        let victim = victims.get(choice).copied().unwrap_or_else(cluster::trunk);
        let sparing = 1 + random.below(6);
        Self {
            mischief,
            victim,
            sparing,
            random,
            invites: BTreeSet::new(),
            branches: BTreeMap::new(),
            rang: BTreeSet::new(),
            versions: BTreeMap::new(),
        }
    }

    /// Whether a wake of a node is swallowed.
    pub(super) fn swallows(&mut self, node: SocketAddr, wake: Wake) -> bool {
        let concerned = match wake {
            Wake::Stack(user_agent::Wake::Client(_)) => self.mischief == Mischief::ClientTimerLost,
            Wake::Stack(user_agent::Wake::Leg(_)) => self.mischief == Mischief::LegTimerLost,
            Wake::Stack(user_agent::Wake::Server(_)) => false,
            Wake::NoAnswer(_) => self.mischief == Mischief::NoAnswerTimerLost,
        };
        concerned && node == self.victim && self.random.below(self.sparing) == 0
    }

    /// Whether a wake of a proxy is swallowed.
    pub(super) fn swallows_of_proxy(&mut self, proxy: SocketAddr) -> bool {
        self.mischief == Mischief::ProxyTimerLost
            && proxy == self.victim
            && self.random.below(self.sparing) == 0
    }

    /// How many records leave in place of one.
    pub(super) fn records(&mut self, node: SocketAddr) -> usize {
        let struck = node == self.victim && self.random.below(self.sparing) == 0;
        match (self.mischief, struck) {
            (Mischief::RecordLost, true) => 0,
            (Mischief::RecordDoubled, true) => 2,
            _ => 1,
        }
    }

    /// What leaves in place of a packet.
    pub(super) fn packets(&mut self, from: SocketAddr, packet: Packet) -> Vec<Packet> {
        let Ok(message) = scan(packet.bytes.to_vec()) else { return vec![packet] };
        if from != self.victim {
            return vec![packet];
        }
        self.note(&message);
        if !self.is_struck(&message) {
            return vec![packet];
        }
        if message.is_request() {
            self.requests(packet, &message)
        } else {
            self.responses(packet, &message)
        }
    }

    /// The same choice for all packets of a dialog.
    fn is_struck(&self, message: &Message) -> bool {
        let sum = message.call_id().iter().fold(7_u64, |sum, &byte| {
            sum.wrapping_mul(31).wrapping_add(u64::from(byte)) & 0xffff_ffff
        });
        (sum >> 5).is_multiple_of(self.sparing)
    }

    fn note(&mut self, message: &Message) {
        let call_id = message.call_id().to_vec();
        if message.is_request() && message.method() == Method::Invite {
            let branch = super::trace::branch_of(message);
            self.invites.insert(branch.clone());
            self.branches.entry(call_id).or_insert(branch);
        } else if !message.is_request()
            && message.cseq_method() == Method::Invite
            && (101..200).contains(&message.status())
        {
            self.rang.insert(call_id);
        }
    }

    fn requests(&mut self, packet: Packet, message: &Message) -> Vec<Packet> {
        let method = message.method();
        let branch = super::trace::branch_of(message);
        let cseq = message.cseq();
        let new_dialog = method == Method::Invite && message.to_tag().is_empty();
        match (self.mischief, method) {
            (Mischief::SuccessAckLost, Method::Ack) if !self.invites.contains(&branch) => {
                Vec::new()
            }
            (Mischief::RefusalAckLost, Method::Ack) if self.invites.contains(&branch) => Vec::new(),
            (Mischief::CancelLost, Method::Cancel) => Vec::new(),
            (Mischief::ByeDoubled, Method::Bye) => {
                let mut other = branch.clone();
                other.extend_from_slice(b"x");
                let again = changed(&packet, &[(&branch, &other)]);
                vec![packet, again]
            }
            (Mischief::NumberSkipped, Method::Bye) => {
                vec![numbered(&packet, "BYE", cseq, cseq + 1)]
            }
            (Mischief::NumberRepeated, Method::Bye) if cseq > 1 => {
                vec![numbered(&packet, "BYE", cseq, cseq - 1)]
            }
            (Mischief::BranchReused, Method::Bye) => match self.branches.get(message.call_id()) {
                Some(known) => vec![changed(&packet, &[(&branch, known)])],
                None => vec![packet],
            },
            (Mischief::RecordRouteLost, _) if new_dialog => {
                vec![without(&packet, b"Record-Route")]
            }
            (Mischief::HopsKept, _) if method != Method::Cancel => {
                let hops = u64::from(message.max_forwards().unwrap_or_default());
                let (old, new) =
                    (format!("Max-Forwards: {hops}\r"), format!("Max-Forwards: {}\r", hops + 1));
                vec![changed(&packet, &[(old.as_bytes(), new.as_bytes())])]
            }
            (Mischief::SecretTold, _) if new_dialog && !cluster::nodes().contains(&packet.to.0) => {
                vec![changed(&packet, &[(b"\r\nMax-F", b"\r\nX-Genesys-Route: sip:x\r\nMax-F")])]
            }
            (Mischief::WrongRack, Method::Prack) => {
                let rack = message.header(HeaderId::RAck).unwrap_or_default();
                vec![changed(&packet, &[(rack, &[b"9", rack].concat())])]
            }
            _ => self.descriptions(packet, message),
        }
    }

    fn responses(&mut self, packet: Packet, message: &Message) -> Vec<Packet> {
        let status = message.status();
        let invite = message.cseq_method() == Method::Invite;
        match (self.mischief, status) {
            (Mischief::TagChanged, 200) if invite && self.rang.contains(message.call_id()) => {
                let tag = [b";tag=".as_slice(), message.to_tag()].concat();
                vec![changed(&packet, &[(&tag, &[&tag, b"x".as_slice()].concat())])]
            }
            (Mischief::AnswerAfterRefusal, 487) if invite => {
                let head = packet.bytes.split(|&byte| byte == b'\r').next().unwrap_or_default();
                let answer = changed(&packet, &[(head, b"SIP/2.0 200 OK")]);
                vec![packet, answer]
            }
            (Mischief::RouteNotCopied, 200) if invite => {
                vec![without(&packet, b"Record-Route")]
            }
            (Mischief::ResponseAstray, 180) => {
                let other = cluster::proxies().into_iter().find(|other| *other != packet.to.0);
                let to = (other.unwrap_or(packet.to.0), packet.to.1);
                vec![Packet { to, ..packet }]
            }
            (Mischief::RefresherLost, 200) => {
                vec![changed(&packet, &[(b";refresher=uac", b""), (b";refresher=uas", b"")])]
            }
            (Mischief::RseqRaised, _) => match message.number(HeaderId::RSeq) {
                Some(number) => {
                    let raised = number + 1 + self.random.below(3);
                    let (old, new) = (format!("RSeq: {number}\r"), format!("RSeq: {raised}\r"));
                    let again = changed(&packet, &[(old.as_bytes(), new.as_bytes())]);
                    vec![packet, again]
                }
                None => vec![packet],
            },
            _ => self.descriptions(packet, message),
        }
    }

    /// Bugs in descriptions, whatever carries them.
    fn descriptions(&mut self, packet: Packet, message: &Message) -> Vec<Packet> {
        if self.mischief == Mischief::DescriptionChanged {
            return vec![changed(&packet, &[(b"a=sendrecv", b"a=recvonly")])];
        }
        let raises = self.mischief == Mischief::VersionRaised;
        if !raises && self.mischief != Mischief::VersionKept {
            return vec![packet];
        }
        let body = message.body();
        let Some((version, rest)) = super::check::description_of(&body) else {
            return vec![packet];
        };
        let known = self.versions.entry(message.call_id().to_vec());
        let known = known.or_insert_with(|| (version, rest.clone(), 0));
        let again = known.1 == rest;
        known.1 = rest;
        let told = if raises {
            known.2 += u64::from(again && known.2 < 9);
            version + known.2.saturating_sub(1)
        } else {
            known.0
        };
        let (old, new) = (format!(" {version} IN IP4"), format!(" {told} IN IP4"));
        vec![changed(&packet, &[(old.as_bytes(), new.as_bytes())])]
    }
}

/// The packet with the first place of each text replaced.
fn changed(packet: &Packet, pairs: &[(&[u8], &[u8])]) -> Packet {
    let mut bytes = packet.bytes.to_vec();
    for (old, new) in pairs {
        if let Some(at) = memchr::memmem::find(&bytes, old).filter(|_| !old.is_empty()) {
            bytes.splice(at..at + old.len(), new.iter().copied());
        }
    }
    Packet { to: packet.to, bytes: bytes.into() }
}

/// The packet with another number in its CSeq.
fn numbered(packet: &Packet, method: &str, old: u32, new: u32) -> Packet {
    let (old, new) = (format!("CSeq: {old} {method}"), format!("CSeq: {new} {method}"));
    changed(packet, &[(old.as_bytes(), new.as_bytes())])
}

/// The packet without its header lines of a name.
fn without(packet: &Packet, name: &[u8]) -> Packet {
    let mut bytes = Vec::with_capacity(packet.bytes.len());
    for line in packet.bytes.split_inclusive(|&byte| byte == b'\n') {
        if !line.starts_with(name) {
            bytes.extend_from_slice(line);
        }
    }
    Packet { to: packet.to, bytes: bytes.into() }
}
