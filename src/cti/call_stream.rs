//! A call as one stream: the events of the call, of its parties, and of the DNs among
//! them, in one order (`tlib.proto`, CALL STREAMS; `genesys/tlib.md` 3, 160 to 166).

use super::calls::{Calls, Meaning, Side, call_type, failure};
use super::tlib::{Attributes, CallState, CallType, EventType, KvList, KvPair, PartyState};
use crate::base::id::{CallUuid, Ids};
use crate::call::facts::{CallFact, EndedBy, Step};

#[cfg(test)]
mod tests;

/// Extension with the data centre of the node that has the call.
pub const GEO_LOCATION: &str = "geo-location";

/// PartyType of a DN of the switch.
const PARTY_DN: u32 = 1;
/// PartyType of somebody outside.
const PARTY_OUTSIDE: u32 = 2;

/// One event of a stream.
pub type Told = (EventType, Attributes);

/// Names of a call that runs.
#[derive(Clone, Debug)]
pub struct Running<'a, P> {
    /// ConnID.
    pub conn_id: u64,
    /// CallUUID.
    pub call_uuid: &'a str,
    /// Its parties: PartyUUID and ThisDN.
    pub parties: P,
}

#[derive(Clone, Debug)]
struct Party {
    uuid: CallUuid,
    state: i32,
    /// Which role it has, and where it is, as its last event said.
    shown: Attributes,
}

/// What has been told of a call.
#[derive(Clone, Debug, Default)]
pub struct CallStream {
    /// The attributes of EventCallCreated, once it was told.
    created: Option<Attributes>,
    calls: [Calls; 2],
    parties: [Option<Party>; 2],
    /// Whether a party is a DN that has T-events of its own.
    is_dn: [bool; 2],
}

impl CallStream {
    /// Takes a step of the call; `is_dn` says which names are DNs with T-events.
    pub fn on_fact(
        &mut self,
        fact: &CallFact,
        geo_location: &str,
        is_dn: impl Fn(&str) -> bool,
        ids: &mut Ids,
    ) -> Vec<Told> {
        let mut told = Vec::new();
        let is_first = self.created.is_none();
        if is_first {
            let created = created(fact, geo_location);
            told.push((EventType::EventCallCreated, created.clone()));
            self.created = Some(created);
        }
        let dns = [fact.caller_dn(), fact.called_dn()];
        for (index, side) in [Side::Caller, Side::Called].into_iter().enumerate() {
            let is_end = fact.is_end();
            // What a party was when the call began it is at its end.
            if self.parties[index].is_none() {
                self.is_dn[index] = dns[index].is_some_and(&is_dn);
            }
            if is_first && is_end && side == Side::Caller {
                // Nobody was called: who has called was there all the same.
                let shown = self.shown(index, fact);
                told.push(self.added(index, PartyState::Initiated.into(), shown, ids));
                told.push(self.deleted(index, ended(fact)));
                continue;
            }
            for meaning in self.calls[index].on_fact(side, fact) {
                if let Meaning::Tell(kind, attributes) = meaning {
                    self.tell(index, kind, *attributes, fact, ids, &mut told);
                }
            }
        }
        if fact.is_end() {
            let state = ended(fact);
            let attributes = Attributes { call_state: Some(state.into()), ..names(fact) };
            told.push((EventType::EventCallDeleted, attributes));
        }
        told
    }

    /// A T-event of a party: first how the party is.
    fn tell(
        &mut self,
        index: usize,
        kind: EventType,
        attributes: Attributes,
        fact: &CallFact,
        ids: &mut Ids,
        told: &mut Vec<Told>,
    ) {
        let uuid = self.parties[index].as_ref().map(|party| party.uuid);
        match state_after(kind) {
            Some(state) if uuid.is_none() => {
                let shown = self.shown(index, fact);
                told.push(self.added(index, state, shown, ids));
            }
            Some(state) => told.extend(self.moved(index, state)),
            None => {
                let state = attributes.call_state.and_then(|state| state.try_into().ok());
                told.push(self.deleted(index, state.unwrap_or(CallState::Ok)));
            }
        }
        if self.is_dn[index] {
            let party = self.parties[index].as_ref().map(|party| party.uuid).or(uuid);
            let attributes = Attributes {
                this_dn: self.name(index, fact),
                party_uuid: party.map(|uuid| uuid.to_string()),
                ..attributes
            };
            told.push((kind, attributes));
        }
    }

    fn name(&self, index: usize, fact: &CallFact) -> Option<String> {
        let name = match (index, fact.called_dn()) {
            (0, _) => &*fact.caller,
            (_, Some(dn)) => dn,
            (_, None) => &*fact.dialled,
        };
        (!name.is_empty()).then(|| name.to_owned())
    }

    fn shown(&self, index: usize, fact: &CallFact) -> Attributes {
        let role = super::calls::role(if index == 0 { Side::Caller } else { Side::Called });
        let is_by_trunk = (index == 0) == fact.is_inbound && !fact.trunk.is_empty();
        let is_outside = is_by_trunk && !self.is_dn[index];
        Attributes {
            party_type: Some(if self.is_dn[index] { PARTY_DN } else { PARTY_OUTSIDE }),
            this_dn: self.name(index, fact),
            this_dn_role: Some(role.into()),
            this_trunk: is_outside.then(|| fact.trunk.to_string()),
            ..names(fact)
        }
    }

    fn added(&mut self, index: usize, state: i32, shown: Attributes, ids: &mut Ids) -> Told {
        let party = Party { uuid: ids.call_uuid(), state, shown };
        let told = (EventType::EventCallPartyAdded, party.attributes());
        self.parties[index] = Some(party);
        told
    }

    fn moved(&mut self, index: usize, state: i32) -> Option<Told> {
        let party = self.parties[index].as_mut().filter(|party| party.state != state)?;
        party.state = state;
        Some((EventType::EventCallPartyState, party.brief()))
    }

    fn deleted(&mut self, index: usize, state: CallState) -> Told {
        let party = self.parties[index].take();
        let attributes =
            party.map(|party| Party { state: PartyState::Null.into(), ..party }.brief());
        let call_state = Some(state.into());
        let attributes = Attributes { call_state, ..attributes.unwrap_or_default() };
        (EventType::EventCallPartyDeleted, attributes)
    }

    /// The call as who knows it only from its events has to name it; `None` before the first
    /// one.
    #[must_use]
    pub fn running(&self) -> Option<Running<'_, impl Iterator<Item = (CallUuid, Option<&str>)>>> {
        let created = self.created.as_ref()?;
        Some(Running {
            conn_id: created.conn_id?,
            call_uuid: created.call_uuid.as_deref().unwrap_or_default(),
            parties: self
                .parties
                .iter()
                .flatten()
                .map(|party| (party.uuid, party.shown.this_dn.as_deref())),
        })
    }

    /// The call as it is, told anew.
    #[must_use]
    pub fn anew(&self) -> Vec<Told> {
        let created =
            self.created.iter().map(|created| (EventType::EventCallCreated, created.clone()));
        let parties = self.parties.iter().flatten();
        created
            .chain(parties.map(|party| (EventType::EventCallPartyAdded, party.attributes())))
            .collect()
    }
}

impl Party {
    fn attributes(&self) -> Attributes {
        Attributes {
            party_uuid: Some(self.uuid.to_string()),
            party_state: u32::try_from(self.state).ok(),
            ..self.shown.clone()
        }
    }

    fn brief(&self) -> Attributes {
        Attributes { party_type: None, this_dn_role: None, this_trunk: None, ..self.attributes() }
    }
}

/// How a party is when that was told of it; `None` when it has left the call.
#[expect(clippy::wildcard_enum_match_arm, reason = "a call's two parties have these alone")]
const fn state_after(kind: EventType) -> Option<i32> {
    match kind {
        EventType::EventDialing => Some(PartyState::Initiated as i32 | PartyState::Dialing as i32),
        EventType::EventRinging => Some(PartyState::Alerting as i32),
        EventType::EventEstablished | EventType::EventRetrieved => {
            Some(PartyState::Connected as i32)
        }
        EventType::EventHeld => Some(PartyState::Held as i32),
        EventType::EventDestinationBusy => Some(PartyState::Failed as i32),
        _ => None,
    }
}

fn names(fact: &CallFact) -> Attributes {
    Attributes {
        conn_id: Some(fact.conn_id.0),
        call_uuid: Some(fact.uuid.to_string()),
        ..Attributes::default()
    }
}

fn created(fact: &CallFact, geo_location: &str) -> Attributes {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let location = KvPair::text(GEO_LOCATION, geo_location);
    Attributes {
        call_type: Some(CallType::into(call_type(fact))),
        ani: text(&fact.caller),
        dnis: text(&fact.dialled),
        dialed_number: text(&fact.dialled),
        extensions: Some(KvList { pairs: vec![location] }),
        ..names(fact)
    }
}

/// What became of a call.
const fn ended(fact: &CallFact) -> CallState {
    match fact.step {
        Step::Ended { was_connected: true, .. } => CallState::Ok,
        Step::Ended { by: EndedBy::Caller, .. } => CallState::Abandoned,
        Step::Ended { code, .. } => failure(code),
        Step::Dialing | Step::Alerting | Step::Connected | Step::Held(_) | Step::Retrieved(_) => {
            CallState::Ok
        }
    }
}
