//! Streams of whole calls.

use super::*;
use crate::base::id::{ConnId, Slot};
use crate::call::facts::Party as CallParty;

fn internal(step: Step) -> CallFact {
    CallFact {
        conn_id: ConnId(0x10),
        uuid: Ids::new(1).call_uuid(),
        caller: "7001".into(),
        dialled: "7002".into(),
        destination: "7002".into(),
        trunk: "".into(),
        is_inbound: false,
        slot: Slot { index: 0, generation: 0 },
        step,
    }
}

fn inbound(step: Step) -> CallFact {
    CallFact {
        caller: "0123".into(),
        trunk: "Trunk_SBC".into(),
        is_inbound: true,
        ..internal(step)
    }
}

fn outbound(step: Step) -> CallFact {
    CallFact {
        dialled: "90123".into(),
        destination: "Trunk_SBC".into(),
        trunk: "Trunk_SBC".into(),
        ..internal(step)
    }
}

const fn ended(by: EndedBy, code: u16, was_connected: bool) -> Step {
    Step::Ended { by, code, was_connected }
}

/// Event, DN, party state and call state, where it has them.
fn shortly((kind, given): &Told) -> String {
    let mut words = vec![kind.as_str_name().trim_start_matches("Event").to_owned()];
    words.extend(given.this_dn.clone());
    words.extend(given.this_trunk.clone());
    words.extend(given.party_state.map(|state| format!("{state:x}")));
    if given.call_state.is_some() {
        words.push(given.call_state().as_str_name().trim_start_matches("CallState").to_owned());
    }
    words.join(" ")
}

fn stream(facts: &[CallFact]) -> (CallStream, Vec<Told>) {
    let (mut stream, mut ids) = (CallStream::default(), Ids::new(7));
    let is_dn = |name: &str| name.starts_with('7');
    let told = facts.iter().flat_map(|fact| stream.on_fact(fact, "dc1", is_dn, &mut ids)).collect();
    (stream, told)
}

fn words(facts: &[CallFact]) -> Vec<String> {
    stream(facts).1.iter().map(shortly).collect()
}

#[test]
fn a_call_of_two_dns() {
    let steps = [
        Step::Dialing,
        Step::Alerting,
        Step::Connected,
        Step::Held(CallParty::Callee),
        Step::Retrieved(CallParty::Callee),
        ended(EndedBy::Caller, 200, true),
    ];
    assert_eq!(
        words(&steps.map(internal)),
        [
            "CallCreated",
            "CallPartyAdded 7001 10001",
            "Dialing 7001",
            "CallPartyAdded 7002 a",
            "Ringing 7002 Ok",
            "CallPartyState 7001 c",
            "Established 7001",
            "CallPartyState 7002 c",
            "Established 7002",
            "CallPartyState 7002 e",
            "Held 7002",
            "CallPartyState 7002 c",
            "Retrieved 7002 Ok",
            "CallPartyDeleted 7001 0 Ok",
            "Released 7001 Ok",
            "CallPartyDeleted 7002 0 Ok",
            "Released 7002 Ok",
            "CallDeleted Ok",
        ]
    );
}

#[test]
fn who_is_outside_is_a_party_without_t_events() {
    let end = ended(EndedBy::Callee, 200, true);
    // Answered without having rung.
    assert_eq!(
        words(&[Step::Dialing, Step::Connected, end].map(inbound)),
        [
            "CallCreated",
            "CallPartyAdded 0123 Trunk_SBC 10001",
            "CallPartyState 0123 c",
            "CallPartyAdded 7002 a",
            "Ringing 7002 Ok",
            "CallPartyState 7002 c",
            "Established 7002",
            "CallPartyDeleted 0123 0 Ok",
            "CallPartyDeleted 7002 0 Ok",
            "Released 7002 Ok",
            "CallDeleted Ok",
        ]
    );
    assert_eq!(
        words(&[Step::Dialing, Step::Alerting].map(outbound)),
        [
            "CallCreated",
            "CallPartyAdded 7001 10001",
            "Dialing 7001",
            "CallPartyAdded 90123 Trunk_SBC a",
        ]
    );
}

#[test]
fn calls_that_come_to_nothing() {
    let busy = [Step::Dialing, ended(EndedBy::Callee, 486, false)];
    assert_eq!(
        words(&busy.map(internal)),
        [
            "CallCreated",
            "CallPartyAdded 7001 10001",
            "Dialing 7001",
            "CallPartyState 7001 f Busy",
            "DestinationBusy 7001 Busy",
            "CallPartyDeleted 7001 0 Busy",
            "Released 7001 Busy",
            "CallDeleted Busy",
        ]
        .map(|words| words.replace("f Busy", "f"))
    );
    let given_up = [Step::Dialing, Step::Alerting, ended(EndedBy::Caller, 487, false)];
    assert_eq!(
        words(&given_up.map(internal))[5..],
        [
            "CallPartyDeleted 7001 0 Ok",
            "Released 7001 Ok",
            "CallPartyDeleted 7002 0 Ok",
            "Abandoned 7002 Ok",
            "CallDeleted Abandoned",
        ]
    );
    assert_eq!(
        words(&[internal(ended(EndedBy::Cluster, 404, false))]),
        [
            "CallCreated",
            "CallPartyAdded 7001 1",
            "CallPartyDeleted 7001 0 SitInvalidnum",
            "CallDeleted SitInvalidnum",
        ]
    );
}

#[test]
fn all_of_a_party_has_its_uuid_and_all_of_a_call_its_own() {
    let steps = [Step::Dialing, Step::Alerting, Step::Connected, ended(EndedBy::Caller, 200, true)];
    let (_, told) = stream(&steps.map(internal));
    let mut uuids = Vec::new();
    for (kind, given) in &told {
        assert_eq!(given.conn_id, Some(0x10), "{kind:?}");
        assert!(given.call_uuid.is_some(), "{kind:?}");
        let is_of_call = matches!(kind, EventType::EventCallCreated | EventType::EventCallDeleted);
        assert_eq!(given.party_uuid.is_none(), is_of_call, "{kind:?}");
        if let (Some(dn), Some(uuid)) = (&given.this_dn, &given.party_uuid) {
            uuids.push((dn.clone(), uuid.clone()));
        }
    }
    uuids.sort();
    uuids.dedup();
    assert_eq!(uuids.len(), 2, "{uuids:?}");
}

#[test]
fn a_running_call_is_told_anew_as_it_is() {
    let (stream, _) = stream(&[Step::Dialing, Step::Alerting, Step::Connected].map(internal));
    let anew: Vec<String> = stream.anew().iter().map(shortly).collect();
    assert_eq!(anew, ["CallCreated", "CallPartyAdded 7001 c", "CallPartyAdded 7002 c"]);
}
