//! Client and server transactions as bytes, and back in another process
//! (`sip/state.proto`).

use super::client::{Attempt, ClientTransaction, Draft};
use super::server::ServerTransaction;
use crate::base::id::Slot;
use crate::base::state::{StateError, deadline, decode, encode, remaining};
use crate::base::time::Instant;
use crate::sip::message::{Method, scan};
use crate::sip::state::{
    CLIENT_FIELDS, SERVER_FIELDS, from_address, from_flow, from_protocol, own_slot, proto,
    reference, sequence, to_address, to_flow, to_protocol, to_slot,
};
use crate::sip::transaction::{Client, ClientNonInvite, Server, TransactionKey};
use bytes::Bytes;

pub(super) fn client_to_bytes(
    slot: Slot,
    leg: Option<Slot>,
    client: &ClientTransaction,
    now: Instant,
) -> Vec<u8> {
    let draft = &client.draft;
    debug_assert!(client.bytes.ends_with(&draft.rest), "a request ends with what was drafted");
    let message = proto::ClientTransaction {
        slot: Some(to_slot(slot)),
        machine: Some(client.machine.to_state(now)),
        method: draft.method.as_str().to_owned(),
        uri: draft.uri.clone(),
        route: draft.route.as_ref().map(|route| route.to_vec()),
        cseq: draft.cseq,
        proxy: Some(to_address(client.proxy)),
        protocol: to_protocol(client.protocol).into(),
        tried: client.tried.iter().copied().map(to_address).collect(),
        given_up: client.given_up.iter().map(|attempt| to_attempt(attempt, now)).collect(),
        request: client.bytes.to_vec(),
        rest_len: u32::try_from(draft.rest.len()).unwrap_or(u32::MAX),
        patience_ns: remaining(client.patience, now),
        give_up_ns: remaining(client.give_up_at, now),
        leg: leg.map(to_slot),
        heard: client.heard,
        cancelled: client.cancelled,
        cancel_wanted: client.cancel_wanted,
        cancel: to_cancel(client.cancel.as_ref(), now),
        failed: client.failed,
    };
    encode(&message, &client.unknown)
}

pub(super) fn client_from_bytes(
    bytes: &[u8],
    now: Instant,
) -> Result<(Slot, ClientTransaction), StateError> {
    let (message, unknown) =
        decode::<proto::ClientTransaction>(bytes, CLIENT_FIELDS, "client transaction")?;
    let method = Method::from_token(message.method.as_bytes());
    let request = Bytes::from(message.request);
    let rest_at = usize::try_from(message.rest_len).ok();
    let rest_at = rest_at.and_then(|rest_len| request.len().checked_sub(rest_len));
    let rest = request.slice(rest_at.ok_or(StateError::Field("rest_len"))?..);
    let tried = message.tried.iter().map(|proxy| from_address(Some(proxy), "tried"));
    let given_up = message.given_up.into_iter().map(|attempt| from_attempt(attempt, now));
    let client = ClientTransaction {
        machine: Client::from_state(message.machine.as_ref(), method, now)?,
        draft: Draft {
            method,
            uri: message.uri,
            route: message.route.map(Into::into),
            cseq: sequence(message.cseq, "cseq")?,
            rest,
        },
        proxy: from_address(message.proxy.as_ref(), "proxy")?,
        protocol: from_protocol(message.protocol)?,
        tried: tried.collect::<Result<_, _>>()?,
        given_up: given_up.collect::<Result<_, _>>()?,
        bytes: request,
        patience: deadline(message.patience_ns, now),
        give_up_at: deadline(message.give_up_ns, now),
        leg: reference(message.leg, "leg")?,
        heard: message.heard,
        failed: message.failed,
        cancelled: message.cancelled,
        cancel_wanted: message.cancel_wanted,
        cancel: from_cancel(message.cancel, now)?,
        unknown,
    };
    if client.tried.len() != client.given_up.len() + 1 {
        return Err(StateError::Field("tried"));
    }
    Ok((own_slot(message.slot)?, client))
}

fn to_attempt(attempt: &Attempt, now: Instant) -> proto::Attempt {
    proto::Attempt {
        proxy: Some(to_address(attempt.proxy)),
        protocol: to_protocol(attempt.protocol).into(),
        request: attempt.bytes.to_vec(),
        cancel: to_cancel(attempt.cancel.as_ref(), now),
    }
}

fn from_attempt(attempt: proto::Attempt, now: Instant) -> Result<Attempt, StateError> {
    Ok(Attempt {
        proxy: from_address(attempt.proxy.as_ref(), "proxy")?,
        protocol: from_protocol(attempt.protocol)?,
        bytes: attempt.request.into(),
        cancel: from_cancel(attempt.cancel, now)?,
    })
}

fn to_cancel(cancel: Option<&(ClientNonInvite, Bytes)>, now: Instant) -> Option<proto::Cancel> {
    let (machine, request) = cancel?;
    Some(proto::Cancel { machine: Some(machine.to_state(now)), request: request.to_vec() })
}

fn from_cancel(
    cancel: Option<proto::Cancel>,
    now: Instant,
) -> Result<Option<(ClientNonInvite, Bytes)>, StateError> {
    let Some(cancel) = cancel else { return Ok(None) };
    let machine = cancel.machine.ok_or(StateError::Field("machine"))?;
    Ok(Some((ClientNonInvite::from_state(&machine, now)?, cancel.request.into())))
}

pub(super) fn server_to_bytes(
    slot: Slot,
    leg: Option<Slot>,
    server: &ServerTransaction,
    now: Instant,
) -> Vec<u8> {
    let message = proto::ServerTransaction {
        slot: Some(to_slot(slot)),
        machine: Some(server.machine.to_state(now)),
        request: server
            .request
            .as_ref()
            .map(|request| request.bytes().to_vec())
            .unwrap_or_default(),
        flow: Some(to_flow(server.flow)),
        response: server.response.as_ref().map(|response| response.to_vec()),
        leg: leg.map(to_slot),
    };
    encode(&message, &server.unknown)
}

/// The key is made anew, because it is hashed under the seed of the process.
pub(super) fn server_from_bytes(
    bytes: &[u8],
    seed: u64,
    now: Instant,
) -> Result<(Slot, ServerTransaction), StateError> {
    let (message, unknown) =
        decode::<proto::ServerTransaction>(bytes, SERVER_FIELDS, "server transaction")?;
    let error = StateError::Field("request");
    let has_request = !message.request.is_empty();
    // Without the request the answer tells what it was.
    let text = if has_request { message.request } else { message.response.clone().ok_or(error)? };
    let named = scan(text).map_err(|_| error)?;
    if named.is_request() != has_request || named.fault().is_some() {
        return Err(error);
    }
    let method = named.method();
    let machine = Server::from_state(message.machine.as_ref(), method, now)?;
    if !has_request && (machine.is_open() || method == Method::Invite || message.leg.is_some()) {
        return Err(error);
    }
    let server = ServerTransaction {
        key: TransactionKey::of(&named, method, seed).ok_or(error)?,
        merged: TransactionKey::of_first_invite(&named, seed),
        machine,
        request: has_request.then_some(named),
        flow: from_flow(message.flow.as_ref())?,
        response: message.response.map(Into::into),
        leg: reference(message.leg, "leg")?,
        unknown,
    };
    Ok((own_slot(message.slot)?, server))
}
