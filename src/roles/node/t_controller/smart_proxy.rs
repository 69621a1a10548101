//! The Smart Proxy (the guide's thread 1792): a port of its own for monitors of many DNs and
//! for diallers, which see every DN, whoever owns it. Its clients are clients of the
//! T-Controller that ask for less: no agents, no supervision, and they own no DN.

use crate::cti::refusal::Refusal;
use crate::cti::tlib::RequestType;
use crate::modules::t_library::port::ClientId;
use crate::modules::t_library::session::unsupported;

/// The first number of its clients; those of the TCport are far below.
pub const FIRST: u64 = 1 << 48;

/// Requests that this port works on.
pub(super) const SUPPORTED: [RequestType; 8] = [
    RequestType::TRegisterClient,
    RequestType::TQueryServer,
    RequestType::TQueryAddress,
    RequestType::TRegisterAddress,
    RequestType::TUnregisterAddress,
    RequestType::TSetInputMask,
    RequestType::TSendUserEvent,
    RequestType::TReleaseCall,
];

/// Whether a client is connected to it.
pub(super) const fn is_client(id: ClientId) -> bool {
    // The client that operators are has the greatest number of all.
    FIRST <= id.0 && id.0 < u64::MAX
}

/// Whether a client may ask for that.
///
/// # Errors
/// When its port is not for it.
pub(super) fn check(id: ClientId, kind: RequestType) -> Result<(), Refusal> {
    if is_client(id) && !SUPPORTED.contains(&kind) {
        return Err(unsupported(kind));
    }
    Ok(())
}
