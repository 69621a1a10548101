//! Loop detection (RFC 5393 4.2): the branch of our Via ends with a digest of what
//! a request is routed by. A request that comes back with a Via of ours and the
//! same digest would go round; with another one it spirals, which Max-Forwards
//! bounds.

use super::core::Core;
use crate::base::flow::Protocol;
use crate::base::seal::{Kind, TOKEN_LEN};
use crate::base::short::{self, Short};
use crate::sip::message::{HeaderId, Message, Via};
use core::hash::Hasher;
use siphasher::sip::SipHasher13;

/// Where the token of a branch starts, behind the magic cookie and the shard.
const TOKEN_AT: usize = 9;

/// The token in a branch of ours.
pub(super) fn token_of(branch: &[u8]) -> Option<&[u8]> {
    branch.get(TOKEN_AT..TOKEN_AT + TOKEN_LEN)
}

/// A digest of everything that a request is routed by.
fn loop_digest(request: &Message) -> u32 {
    let mut hasher = SipHasher13::new_with_keys(0x6c6f_6f70, 0x7369_7063);
    let parts = [request.request_uri(), request.from_tag(), request.to_tag(), request.call_id()];
    for part in parts.into_iter().chain(request.values(HeaderId::Route)) {
        hasher.write(part);
        hasher.write_u8(0);
    }
    hasher.write_u32(request.cseq());
    hasher.write(request.header(HeaderId::XGenesysRoute).unwrap_or_default());
    hasher.finish() as u32
}

/// The digest as it stands at the end of a branch.
pub(super) fn digest_text(request: &Message) -> Short {
    short::hex(&loop_digest(request).to_be_bytes())
}

impl Core {
    /// Whether a request has been here before and would take the same way again.
    pub(super) fn is_loop(&self, request: &Message) -> bool {
        let mut digest = None;
        request.values(HeaderId::Via).filter_map(|value| Via::parse(value).ok()).any(|via| {
            let address = self.settings.address_of(via.protocol().unwrap_or(Protocol::Udp));
            if via.host_ip() != Some(address.ip()) || via.port_or_default() != address.port() {
                return false;
            }
            let digest = digest.get_or_insert_with(|| digest_text(request));
            let branch = via.branch();
            branch.get(TOKEN_AT + TOKEN_LEN..) == Some(&digest[..])
                && token_of(branch)
                    .and_then(|token| self.sealer.open(Kind::Branch, token))
                    .is_some()
        })
    }
}
