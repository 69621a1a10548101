//! A leg as bytes, and back in another process (`sip/state.proto`).

use super::description::Origin;
use super::dialog::Dialog;
use super::leg::{AwaitedAck, Leg, LegState, SentAck};
use super::reliable::{AwaitedPrack, Early, EarlyDialog, Queued, WantedPrack};
use super::session_timer::SessionTimer;
use crate::base::id::Slot;
use crate::base::state::{StateError, deadline, decode, encode, nanos, remaining};
use crate::base::time::Instant;
use crate::sip::state::{
    LEG_FIELDS, from_body, from_flow, interval, own_slot, proto, reference, sequence, to_body,
    to_flow, to_slot,
};
use proto::LegState as Stored;

/// A leg that was read: its slot, the leg without its transactions, and how many
/// those are.
pub(super) struct ReadLeg {
    pub(super) slot: Slot,
    pub(super) leg: Leg,
    pub(super) transactions: u32,
}

pub(super) fn to_bytes(slot: Slot, leg: &Leg, now: Instant) -> Vec<u8> {
    let (id, version) = leg.origin.numbers();
    let message = proto::Leg {
        slot: Some(to_slot(slot)),
        state: to_state(leg.state).into(),
        dialog: Some(to_dialog(&leg.dialog)),
        origin: Some(proto::Origin { id, version, last: leg.origin.last().as_ref().map(to_body) }),
        offered: leg.offered.map(to_slot),
        asked: leg.asked.map(to_slot),
        updating: leg.updating.map(to_slot),
        refreshing: leg.refreshing.map(to_slot),
        inviting: leg.inviting.map(to_slot),
        early: leg.early.as_ref().map(|early| to_early(early, now)),
        session: leg.session.map(|session| proto::Session {
            seconds: session.seconds,
            ours: session.ours,
            refresh_ns: remaining(session.refresh_at, now),
            expires_ns: remaining(session.expires_at, now),
        }),
        takes_update: leg.takes_update,
        reoffer: leg.reoffer.as_ref().map(to_body),
        awaited_ack: leg.awaited_ack.as_ref().map(|awaited| to_awaited(awaited, now)),
        sent_ack: to_sent_ack(&leg.sent_ack),
        asks_reliable: leg.asks_reliable,
        offer_sent: leg.offer_sent,
        infos: leg.infos.iter().copied().map(to_slot).collect(),
        transactions: u32::try_from(leg.transactions.len()).unwrap_or(u32::MAX),
        reported: leg.reported,
        past_acks: leg.past_acks.iter().map(|(cseq, ack)| to_acknowledged(*cseq, ack)).collect(),
        refused_forks: leg
            .refused_forks
            .iter()
            .map(|(tag, ack)| proto::RefusedFork { tag: tag.to_vec(), ack: ack.to_vec() })
            .collect(),
    };
    encode(&message, &leg.unknown)
}

pub(super) fn from_bytes(bytes: &[u8], now: Instant) -> Result<ReadLeg, StateError> {
    let (message, unknown) = decode::<proto::Leg>(bytes, LEG_FIELDS, "leg")?;
    let origin = message.origin.ok_or(StateError::Field("origin"))?;
    if origin.version >= u64::MAX / 2 {
        return Err(StateError::Field("version"));
    }
    let infos = message.infos.into_iter().map(|slot| own_slot(Some(slot)));
    let leg = Leg {
        dialog: from_dialog(message.dialog)?,
        state: from_state(message.state)?,
        origin: Origin::of_state(origin.id, origin.version, origin.last.map(from_body)),
        offered: reference(message.offered, "offered")?,
        asked: reference(message.asked, "asked")?,
        updating: reference(message.updating, "updating")?,
        refreshing: reference(message.refreshing, "refreshing")?,
        early: message.early.map(|early| from_early(early, now).map(Box::new)).transpose()?,
        session: message.session.map(|session| SessionTimer {
            seconds: session.seconds,
            ours: session.ours,
            refresh_at: deadline(session.refresh_ns, now),
            expires_at: deadline(session.expires_ns, now),
        }),
        takes_update: message.takes_update,
        reoffer: message.reoffer.map(from_body),
        armed: Instant::NEVER,
        inviting: reference(message.inviting, "inviting")?,
        awaited_ack: message.awaited_ack.map(|awaited| from_awaited(awaited, now)).transpose()?,
        sent_ack: from_sent_ack(message.sent_ack),
        past_acks: message.past_acks.into_iter().map(|past| (past.cseq, past.ack.into())).collect(),
        refused_forks: message
            .refused_forks
            .into_iter()
            .map(|fork| (fork.tag.into(), fork.ack.into()))
            .collect(),
        asks_reliable: message.asks_reliable,
        offer_sent: message.offer_sent,
        infos: infos.collect::<Result<_, _>>()?,
        transactions: Vec::new(),
        reported: message.reported,
        unknown,
    };
    Ok(ReadLeg { slot: own_slot(message.slot)?, leg, transactions: message.transactions })
}

const fn to_state(state: LegState) -> Stored {
    match state {
        LegState::Incoming => Stored::Incoming,
        LegState::Calling => Stored::Calling,
        LegState::Cancelling => Stored::Cancelling,
        LegState::Established => Stored::Established,
        LegState::Ending => Stored::Ending,
    }
}

fn from_state(number: i32) -> Result<LegState, StateError> {
    match Stored::try_from(number) {
        Ok(Stored::Incoming) => Ok(LegState::Incoming),
        Ok(Stored::Calling) => Ok(LegState::Calling),
        Ok(Stored::Cancelling) => Ok(LegState::Cancelling),
        Ok(Stored::Established) => Ok(LegState::Established),
        Ok(Stored::Ending) => Ok(LegState::Ending),
        Ok(Stored::Unspecified) | Err(_) => Err(StateError::Field("state")),
    }
}

fn to_dialog(dialog: &Dialog) -> proto::Dialog {
    proto::Dialog {
        call_id: dialog.call_id.to_string(),
        local_tag: dialog.local_tag.to_string(),
        remote_tag: dialog.remote_tag.to_vec(),
        local: dialog.local.to_vec(),
        remote: dialog.remote.to_vec(),
        target: dialog.target.to_vec(),
        routes: dialog.routes.iter().map(|route| route.to_vec()).collect(),
        local_cseq: dialog.local_cseq,
        remote_cseq: dialog.remote_cseq,
    }
}

fn from_dialog(dialog: Option<proto::Dialog>) -> Result<Dialog, StateError> {
    let dialog = dialog.ok_or(StateError::Field("dialog"))?;
    Ok(Dialog {
        call_id: dialog.call_id.into(),
        local_tag: dialog.local_tag.into(),
        remote_tag: dialog.remote_tag.into(),
        local: dialog.local.into(),
        remote: dialog.remote.into(),
        target: dialog.target.into(),
        routes: dialog.routes.into_iter().map(Into::into).collect(),
        local_cseq: sequence(dialog.local_cseq, "local_cseq")?,
        remote_cseq: dialog.remote_cseq,
    })
}

fn to_awaited(awaited: &AwaitedAck, now: Instant) -> proto::AwaitedAck {
    proto::AwaitedAck {
        cseq: awaited.cseq,
        offers: awaited.offers,
        response: awaited.bytes.to_vec(),
        flow: Some(to_flow(awaited.flow)),
        at_ns: remaining(awaited.at, now),
        interval_ns: nanos(awaited.interval),
        give_up_ns: remaining(awaited.give_up_at, now),
    }
}

fn from_awaited(awaited: proto::AwaitedAck, now: Instant) -> Result<AwaitedAck, StateError> {
    Ok(AwaitedAck {
        cseq: awaited.cseq,
        offers: awaited.offers,
        bytes: awaited.response.into(),
        flow: from_flow(awaited.flow.as_ref())?,
        at: deadline(awaited.at_ns, now),
        interval: interval(awaited.interval_ns),
        give_up_at: deadline(awaited.give_up_ns, now),
    })
}

fn to_sent_ack(sent_ack: &SentAck) -> Option<proto::SentAck> {
    let state = match sent_ack {
        SentAck::None => return None,
        SentAck::Wanted(cseq) => proto::sent_ack::State::Wanted(*cseq),
        SentAck::Sent(cseq, ack) => proto::sent_ack::State::Sent(to_acknowledged(*cseq, ack)),
    };
    Some(proto::SentAck { state: Some(state) })
}

fn to_acknowledged(cseq: u32, ack: &[u8]) -> proto::Acknowledged {
    proto::Acknowledged { cseq, ack: ack.to_vec() }
}

fn from_sent_ack(sent_ack: Option<proto::SentAck>) -> SentAck {
    match sent_ack.and_then(|sent_ack| sent_ack.state) {
        None => SentAck::None,
        Some(proto::sent_ack::State::Wanted(cseq)) => SentAck::Wanted(cseq),
        Some(proto::sent_ack::State::Sent(sent)) => SentAck::Sent(sent.cseq, sent.ack.into()),
    }
}

fn to_early(early: &Early, now: Instant) -> proto::Early {
    let dialogs = early.dialogs.iter().map(|early| proto::EarlyDialog {
        dialog: Some(to_dialog(&early.dialog)),
        rseq: early.rseq,
        answer: early.answer.as_ref().map(to_body),
        negotiated: early.negotiated,
        takes_update: early.takes_update,
        pracking: early.pracking.map(to_slot),
    });
    proto::Early {
        supported: early.supported,
        required: early.required,
        rseq: early.rseq,
        awaited: early.awaited.as_ref().map(|awaited| proto::AwaitedPrack {
            rseq: awaited.rseq,
            described: awaited.described,
            offers: awaited.offers,
            sent: Some(to_awaited(&awaited.sent, now)),
        }),
        queued: early.queued.iter().map(to_queued).collect(),
        described: early.described,
        dialogs: dialogs.collect(),
        wanted: early.wanted.as_ref().map(|wanted| proto::WantedPrack {
            tag: wanted.tag.to_vec(),
            rseq: wanted.rseq,
            cseq: wanted.cseq,
        }),
    }
}

fn from_early(early: proto::Early, now: Instant) -> Result<Early, StateError> {
    let dialogs = early.dialogs.into_iter().map(|early| {
        Ok(EarlyDialog {
            dialog: from_dialog(early.dialog)?,
            rseq: early.rseq,
            answer: early.answer.map(from_body),
            negotiated: early.negotiated,
            takes_update: early.takes_update,
            pracking: reference(early.pracking, "pracking")?,
        })
    });
    let awaited = early.awaited.map(|awaited| {
        let sent = awaited.sent.ok_or(StateError::Field("sent"))?;
        Ok(AwaitedPrack {
            rseq: awaited.rseq,
            described: awaited.described,
            offers: awaited.offers,
            sent: from_awaited(sent, now)?,
        })
    });
    Ok(Early {
        supported: early.supported,
        required: early.required,
        rseq: sequence(early.rseq, "rseq")?,
        awaited: awaited.transpose()?,
        queued: early.queued.into_iter().map(from_queued).collect::<Result<_, _>>()?,
        described: early.described,
        dialogs: dialogs.collect::<Result<_, StateError>>()?,
        wanted: early.wanted.map(|wanted| WantedPrack {
            tag: wanted.tag.into(),
            rseq: wanted.rseq,
            cseq: wanted.cseq,
        }),
    })
}

fn to_queued(queued: &Queued) -> proto::Queued {
    let said = match queued {
        Queued::Progress { code, body, reliable } => {
            proto::queued::Said::Progress(proto::QueuedProgress {
                code: u32::from(*code),
                body: body.as_ref().map(to_body),
                reliable: *reliable,
            })
        }
        Queued::Answer { body } => {
            proto::queued::Said::Answer(proto::QueuedAnswer { body: body.as_ref().map(to_body) })
        }
    };
    proto::Queued { said: Some(said) }
}

fn from_queued(queued: proto::Queued) -> Result<Queued, StateError> {
    match queued.said {
        Some(proto::queued::Said::Progress(progress)) => {
            let code = u16::try_from(progress.code).ok().filter(|code| (101..200).contains(code));
            Ok(Queued::Progress {
                code: code.ok_or(StateError::Field("code"))?,
                body: progress.body.map(from_body),
                reliable: progress.reliable,
            })
        }
        Some(proto::queued::Said::Answer(answer)) => {
            Ok(Queued::Answer { body: answer.body.map(from_body) })
        }
        None => Err(StateError::Field("said")),
    }
}
