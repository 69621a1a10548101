//! Call models, party by party.

use super::*;
use crate::base::id::{CallUuid, Ids, Shard, Slot};
use crate::cti::tlib::CallState as State;

fn uuid() -> CallUuid {
    Ids::new(1).call_uuid()
}

fn internal(step: Step) -> CallFact {
    CallFact {
        conn_id: ConnId(0x10),
        uuid: uuid(),
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
        caller: "0123456".into(),
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

/// What is told, shortly: event, CallState if there is one, other party.
fn shortly(meanings: Vec<Meaning>) -> Vec<String> {
    let tell = |meaning| match meaning {
        Meaning::Tell(kind, attributes) => {
            let state = attributes.call_state.map(|_| attributes.call_state().as_str_name());
            let other = attributes.other_dn.clone().unwrap_or_default();
            [kind.as_str_name(), &other, state.unwrap_or_default()].join(" ").trim_end().to_owned()
        }
        Meaning::Begun { is_business } => format!("begun {is_business}"),
        Meaning::Stopped { is_business } => format!("stopped {is_business}"),
        Meaning::Busy => "busy".to_owned(),
    };
    meanings.into_iter().map(tell).collect()
}

/// What caller and called hear of the steps, one after the other.
fn heard(make: fn(Step) -> CallFact, steps: &[Step]) -> (Vec<String>, Vec<String>) {
    let (mut caller, mut called) = (Calls::default(), Calls::default());
    let mut told = (Vec::new(), Vec::new());
    for step in steps {
        let fact = make(*step);
        told.0.extend(shortly(caller.on_fact(Side::Caller, &fact)));
        told.1.extend(shortly(called.on_fact(Side::Called, &fact)));
    }
    let is_over = matches!(steps.last(), Some(Step::Ended { .. }));
    assert_eq!((caller.is_empty(), called.is_empty()), (is_over, is_over), "nothing is left");
    told
}

#[test]
fn a_basic_call() {
    let steps = [Step::Dialing, Step::Alerting, Step::Connected, ended(EndedBy::Callee, 200, true)];
    let (caller, called) = heard(internal, &steps);
    assert_eq!(
        caller,
        [
            "EventDialing 7002",
            "begun false",
            "EventEstablished 7002",
            "stopped false",
            "EventReleased 7002 CallStateOk"
        ]
    );
    assert_eq!(
        called,
        [
            "EventRinging 7001 CallStateOk",
            "begun false",
            "EventEstablished 7001",
            "stopped false",
            "EventReleased 7001 CallStateOk"
        ]
    );
}

#[test]
fn interrupted_calls() {
    let busy = ended(EndedBy::Callee, 486, false);
    let (caller, called) = heard(internal, &[Step::Dialing, busy]);
    let dialling = "EventDialing 7002";
    let told = ["EventDestinationBusy 7002 CallStateBusy", "EventReleased 7002 CallStateBusy"];
    assert_eq!(caller, [&[dialling], &told[..]].concat());
    assert_eq!(called, ["busy"], "it has not rung");

    let given_up = ended(EndedBy::Caller, 487, false);
    let (caller, called) = heard(internal, &[Step::Dialing, given_up]);
    assert_eq!(caller, [dialling, "EventReleased 7002 CallStateOk"]);
    assert!(called.is_empty());

    let (caller, called) = heard(internal, &[Step::Dialing, Step::Alerting, given_up]);
    assert_eq!(caller, [dialling, "EventReleased 7002 CallStateOk"]);
    let ringing = "EventRinging 7001 CallStateOk";
    assert_eq!(called, [ringing, "EventAbandoned 7001 CallStateOk"]);

    let unanswered = ended(EndedBy::Cluster, 480, false);
    let (caller, called) = heard(internal, &[Step::Dialing, Step::Alerting, unanswered]);
    assert_eq!(caller, [dialling, "EventReleased 7002 CallStateNoAnswer"]);
    assert_eq!(called, [ringing, "EventReleased 7001 CallStateNoAnswer"]);

    let (caller, called) = heard(internal, &[Step::Dialing, Step::Alerting, busy]);
    assert_eq!(caller, [&[dialling], &told[..]].concat());
    assert_eq!(called, [ringing, "EventReleased 7001 CallStateBusy", "busy"], "declined");
}

#[test]
fn an_answer_without_ringing_rings_first() {
    let (_, called) = heard(inbound, &[Step::Dialing, Step::Connected]);
    assert_eq!(
        called,
        ["EventRinging 0123456 CallStateOk", "begun true", "EventEstablished 0123456"]
    );
}

#[test]
fn what_is_repeated_or_comes_late_is_told_once() {
    let steps = [Step::Dialing, Step::Dialing, Step::Connected, Step::Alerting, Step::Connected];
    let (caller, called) = heard(internal, &steps);
    assert_eq!(caller.len(), 3);
    assert_eq!(called.len(), 3);
    let mut calls = Calls::default();
    let over = internal(ended(EndedBy::Caller, 200, true));
    assert!(calls.on_fact(Side::Called, &over).is_empty(), "of a call that was never seen");
}

#[test]
fn kinds_of_calls_and_their_trunks() {
    let told = |side, fact: CallFact| match Calls::default().on_fact(side, &fact).remove(0) {
        Meaning::Tell(_, attributes) => *attributes,
        other @ (Meaning::Begun { .. } | Meaning::Stopped { .. } | Meaning::Busy) => {
            panic!("{other:?}")
        }
    };
    let out = told(Side::Caller, outbound(Step::Dialing));
    assert_eq!(
        (out.call_type(), out.other_trunk.as_deref()),
        (CallType::Outbound, Some("Trunk_SBC"))
    );
    assert_eq!((out.ani.as_deref(), out.dnis.as_deref()), (None, Some("90123")));
    assert_eq!(
        (out.this_dn_role(), out.other_dn_role()),
        (DnRole::Origination, DnRole::Destination)
    );
    let into = told(Side::Called, inbound(Step::Alerting));
    assert_eq!(
        (into.call_type(), into.other_trunk.as_deref()),
        (CallType::Inbound, Some("Trunk_SBC"))
    );
    assert_eq!((into.ani.as_deref(), into.dnis.as_deref()), (Some("0123456"), Some("7002")));
    assert_eq!(told(Side::Caller, internal(Step::Dialing)).call_type(), CallType::Internal);
    let nameless = CallFact { caller: "".into(), ..inbound(Step::Alerting) };
    let shown = told(Side::Called, nameless);
    assert_eq!((shown.other_dn, shown.other_dn_role, shown.ani), (None, None, None));
    assert_eq!(shown.call_state, Some(State::Ok.into()));
}

#[test]
fn a_dn_shows_its_calls() {
    let mut calls = Calls::default();
    assert_eq!(calls.status(), AddressStatus::Idle);
    calls.on_fact(Side::Called, &inbound(Step::Alerting));
    assert_eq!(calls.status(), AddressStatus::Ringing);
    let second = CallFact { conn_id: ConnId(0x11), ..internal(Step::Dialing) };
    calls.on_fact(Side::Caller, &second);
    assert_eq!(calls.status(), AddressStatus::Ringing, "the one that is furthest");
    calls.on_fact(Side::Called, &inbound(Step::Connected));
    assert_eq!(calls.status(), AddressStatus::Talking);
    let shown = calls.shown();
    assert_eq!(shown.pairs.len(), 2);
    let Some(kv_pair::Value::List(first)) = shown.find("0000000000000010") else {
        panic!("{shown:?}")
    };
    assert_eq!(first.number("PartyState"), Some(PartyState::Connected as i32));
    assert_eq!(first.number("ThisDNRole"), Some(DnRole::Destination.into()));
    assert_eq!(first.text("OtherDN"), Some("0123456"));
    assert_eq!(first.text("CallUUID"), Some(uuid().as_str()));
}

/// `tlib.md` 6.5: who holds is told, who is held is not.
#[test]
fn hold_and_retrieve() {
    let steps = [
        Step::Dialing,
        Step::Held(Party::Callee),
        Step::Connected,
        Step::Held(Party::Callee),
        Step::Held(Party::Callee),
        Step::Held(Party::Caller),
        Step::Retrieved(Party::Callee),
        Step::Retrieved(Party::Callee),
        ended(EndedBy::Callee, 200, true),
    ];
    let (caller, called) = heard(internal, &steps);
    assert_eq!(
        caller[3..],
        ["EventHeld 7002", "stopped false", "EventReleased 7002 CallStateOk"],
        "{caller:?}"
    );
    assert_eq!(
        called[3..],
        [
            "EventHeld 7001",
            "EventRetrieved 7001 CallStateOk",
            "stopped false",
            "EventReleased 7001 CallStateOk"
        ],
        "{called:?}"
    );
}

#[test]
fn a_dn_with_a_call_on_hold() {
    let mut calls = Calls::default();
    calls.on_fact(Side::Called, &inbound(Step::Connected));
    calls.on_fact(Side::Called, &inbound(Step::Held(Party::Callee)));
    assert_eq!(calls.status(), AddressStatus::Held);
    let shown = calls.shown();
    let Some(kv_pair::Value::List(held)) = shown.find("0000000000000010") else {
        panic!("{shown:?}")
    };
    assert_eq!(held.number("PartyState"), Some(PartyState::Held as i32));
    let second = CallFact { conn_id: ConnId(0x11), ..internal(Step::Dialing) };
    calls.on_fact(Side::Caller, &second);
    assert_eq!(calls.status(), AddressStatus::Dialing, "what goes on counts");
    let over = CallFact { step: ended(EndedBy::Callee, 486, false), ..second };
    calls.on_fact(Side::Caller, &over);
    assert_eq!(calls.status(), AddressStatus::Held);
    calls.on_fact(Side::Called, &inbound(Step::Retrieved(Party::Callee)));
    assert_eq!(calls.status(), AddressStatus::Talking);
}

/// Who comes while its node is out of reach does not hear of a call; it is there all the same.
#[test]
fn a_call_whose_node_is_out_of_reach() {
    let node = NodeId::new(1).expect("in range");
    let conn_id = ConnId::new(node, 1, Shard(0), 1);
    let at = |step| CallFact { conn_id, ..inbound(step) };
    let mut calls = Calls::default();
    calls.on_fact(Side::Called, &at(Step::Connected));
    calls.cut(NodeId::new(2).expect("in range"), true);
    assert_eq!((calls.is_idle(), calls.len()), (false, 1), "another node's");
    calls.cut(node, true);
    assert_eq!((calls.is_idle(), calls.is_empty(), calls.len()), (true, false, 0));
    assert_eq!((calls.status(), calls.shown().pairs.len()), (AddressStatus::Idle, 0));
    assert!(calls.find(conn_id).is_some_and(|(_, _, is_cut)| is_cut));
    calls.cut(node, false);
    assert_eq!(calls.status(), AddressStatus::Talking);
    calls.cut(node, true);
    let told = shortly(calls.on_fact(Side::Called, &at(Step::Held(Party::Callee))));
    assert_eq!((told.len(), calls.status()), (1, AddressStatus::Held), "heard of again");
}
