"""Call streams at the IPport: every call with all that happens in it, at one ClusterNode of each ClusterName."""

import re
import time
from dataclasses import replace

from calls import DESTINATION, ORIGINATION, directed, outside, pair, talking
from client import Client, Event, Silence, cursor, mask, of_key
from cluster import IPPORT, LOCATION, NODE_ID, TCPORT, TRUNK
from desk import QUIET_S, Checks, Desk, of_dn, story
from smart import names, tells
from talk import DESCRIPTION, Talking, connect, part

CREATED, ADDED, STATE = "EventCallCreated", "EventCallPartyAdded", "EventCallPartyState"
PARTY_DELETED, DELETED = "EventCallPartyDeleted", "EventCallDeleted"
OF_PARTY = (ADDED, STATE, PARTY_DELETED)
OF_CALL = (CREATED, *OF_PARTY, DELETED)
#: The first nine values of PartyState, and the bits that they are in.
NULL, INITIATED, ALERTING, CONNECTED, HELD, VALUE = 0, 1, 10, 12, 14, 15
INSIDE, OUTSIDE = 1, 2
ID = re.compile(r"[0-9A-V]{32}")
#: Leads nowhere.
NOWHERE = "9999"
CALLS = 20
ENDS_S = 3.0
#: Until what another scene has left behind has come.
LEFT_S = 0.1


# ---- collectors


def introduced(desk: Desk, application: str = "icon", **registration: object) -> Client:
    """A client of the port that has not sent TStartCallMonitoring."""
    return desk.client(application, IPPORT, Capabilities=["CapabilityCallMonitoring"], **registration)


def collector(desk: Desk, name: str, node: str = "", last: Event | None = None) -> Client:
    """A ClusterNode of a ClusterName that has sent TStartCallMonitoring, and where it left off if it says so."""
    cursors = [cursor(desk.language, last)] if last else []
    client = introduced(desk, ClusterRole="I-Proxy", ClusterName=name, ClusterNode=node, Cursors=cursors)
    start(client)
    return client


def start(client: Client) -> None:
    """TStartCallMonitoring; raises Silence when it is refused."""
    answer = client.ask("TStartCallMonitoring")
    if answer.name != "EventACK":
        raise Silence(f"no EventACK but {answer}")


def fresh(desk: Desk, name: str, node: str = "") -> Client:
    """A ClusterNode that was never there, without calls that another scene has left behind."""
    client = collector(desk, name, node)
    client.drain(LEFT_S)
    return client


def phones(desk: Desk) -> tuple[Talking, Talking]:
    """Two phones."""
    return talking(desk), talking(desk)


def call(one: Talking, other: Talking) -> None:
    """A whole call."""
    connect(one, other)
    part(one, other)


def heard(client: Client, last: str = DELETED) -> list[Event]:
    """What comes up to the first event of this type; raises Silence."""
    events = [client.next()]
    while events[-1].name != last:
        events.append(client.next())
    return events


def calls_of(events: list[Event]) -> list[list[Event]]:
    """The same, call by call."""
    calls: dict[object, list[Event]] = {}
    for event in events:
        calls.setdefault(event.get("CallUUID"), []).append(event)
    return list(calls.values())


# ---- what has to be so in every stream


def is_numbered(events: list[Event]) -> bool:
    """Whether Seq rises by one from event to event."""
    marks = [(event.source, event.epoch, event.seq) for event in events]
    source, epoch, first = marks[0] if marks else (NODE_ID, 0, 1)
    return first > 0 and source == NODE_ID and marks == [(source, epoch, first + at) for at in range(len(marks))]


def faults(events: list[Event]) -> list[object]:
    """What is wrong with the events of a call that has ended, in any call."""
    found: list[object] = []
    ids = {(event.get("ConnID"), event.get("CallUUID")) for event in events}
    if len(ids) != 1 or None in next(iter(ids)):
        found.append(("ConnID and CallUUID", ids))
    course = names(events)
    if course[0] != CREATED or course[-1] != DELETED or course.count(CREATED) + course.count(DELETED) != 2:
        found.append(("a call is created and deleted", course))
    parties: dict[object, list[str]] = {}
    for event in events[1:-1]:
        parties.setdefault(event.get("PartyUUID"), []).append(event.name)
    for party, steps in parties.items():
        once = [name for name in steps if name in (ADDED, PARTY_DELETED)] == [ADDED, PARTY_DELETED]
        ended = [name for name in steps if name in OF_PARTY][-1:] == [PARTY_DELETED]
        if not (ID.fullmatch(str(party)) and steps[0] == ADDED and once and ended):
            found.append((f"party {party}", steps))
    return found


def whole(checks: Checks, events: list[Event], what: str) -> None:
    """One observation: these are all events of one call, and there is no hole in them."""
    wrong = faults(events)
    if not is_numbered(events):
        wrong.append(("Seq", [(event.source, event.epoch, event.seq) for event in events]))
    checks.see(not wrong, f"{what}: a whole call, numbered without a hole", wrong)


def t_events(events: list[Event], dn: str) -> list[Event]:
    """T-events of a party."""
    return [event for event in of_dn(events, dn) if event.name not in OF_CALL]


def state_before(events: list[Event], dn: str, name: str) -> Event | None:
    """What was told of the party's state last before its T-event."""
    course = of_dn(events, dn)
    at = names(course).index(name) if name in names(course) else 0
    return next((event for event in reversed(course[:at]) if event.name in OF_PARTY), None)


def value(event: Event | None) -> int | None:
    """PartyState without the bits that may stand beside it."""
    state = event.get("PartyState") if event else None
    return None if state is None else state & VALUE


def stands(checks: Checks, events: list[Event], *rows: tuple[str, str, int]) -> None:
    """One observation for each DN and T-event: before it the party's state is told."""
    for dn, name, wanted in rows:
        told = state_before(events, dn, name)
        checks.see(value(told) == wanted, f"{dn}: PartyState {wanted}, then {name}", told)


def is_over(checks: Checks, events: list[Event], dn: str, name: str) -> None:
    """One observation: the party is told to be gone, then its last T-event."""
    told = state_before(events, dn, name)
    gone = told is not None and (told.name == PARTY_DELETED or value(told) == NULL)
    checks.see(gone, f"{dn}: the party has gone, then {name}", told)


def runs(checks: Checks, events: list[Event], *dns: str) -> None:
    """One observation: a call as it is told to who comes while they talk."""
    good = bool(events) and events[0].name == CREATED and PARTY_DELETED not in names(events)
    for dn in dns:
        course = [event for event in of_dn(events, dn) if event.name in OF_PARTY]
        good = good and names(course)[:1] == [ADDED] and value(course[-1]) == CONNECTED
    checks.see(good, "the call that runs, with its parties as they are", list(map(str, events)))


# ---- the door


def at_the_door(checks: Checks, desk: Desk) -> None:
    """ClusterRole, and what the port takes before TStartCallMonitoring."""
    for port, role in ((IPPORT, "T-Controller"), (IPPORT, "nobody"), (TCPORT, "I-Proxy")):
        client = desk.raw(port)
        checks.error(client.introduce("icon", ClusterRole=role), f"{role} at {port}", "ErrorInvalidAttribute")
        checks.see(client.is_ended(ENDS_S), f"{role} at {port}: the connection ends")
    for port, role in ((IPPORT, "I-Proxy"), (IPPORT, ""), (TCPORT, "T-Controller"), (TCPORT, "")):
        answer = desk.raw(port).introduce("icon", ClusterRole=role)
        checks.event(answer, f"ClusterRole `{role}` at {port}", "EventServerConnected")
    client = introduced(desk, ClusterName="stream-door")
    dn = desk.dn()
    for kind, attributes in (
        ("TRegisterAddress", {"ThisDN": dn}), ("TUnregisterAddress", {"ThisDN": dn}), ("TRegisterAll", {}),
        ("TAgentLogin", {"ThisDN": dn, "AgentID": desk.agent()}), ("TAgentSetReady", {"ThisDN": dn}),
        ("TReleaseCall", {"ThisDN": dn, "ConnID": 1}), ("TMakeCall", {"ThisDN": dn, "OtherDN": "7001"}),
    ):  # fmt: skip
        checks.error(client.ask(kind, **attributes), kind, "ErrorUnsupportedOperation")
    answer = client.ask("TStartCallMonitoring")
    checks.event(answer, "the connection stays, and monitoring starts", "EventACK")
    checks.see(answer.seq == 0, "its answer is not counted", answer)
    checks.event(client.ask("TStopCallMonitoring"), "and stops", "EventACK")


def keep_alive(checks: Checks, desk: Desk) -> None:
    """Polls are answered, and whoever is silent is polled and its connection ended."""
    client = fresh(desk, "stream-poll")
    client.poll(77)
    client.quiet(QUIET_S)
    checks.see(client.poll_answers == [77], "a Poll is answered with its number", client.poll_answers)
    deaf = introduced(desk, ClusterName="stream-deaf", AddpRemoteTimeoutMs=300)
    deaf.answers_polls = False
    begin = time.monotonic()
    ended = deaf.is_ended(ENDS_S)
    took = time.monotonic() - begin
    checks.see(ended and 0.5 < took < 1.5, "who is silent is gone after two timeouts", f"{ended}, {took:.2f} s")
    checks.see(len(deaf.polls) == 1, "it was polled once", deaf.polls)


# ---- courses of calls


def whole_call(checks: Checks, desk: Desk) -> None:
    """A call of two phones, from its creation to its deletion."""
    one, other, caller, called = pair(desk)
    stream = fresh(desk, "stream-call")
    call(one, other)
    events = heard(stream)
    whole(checks, events, "two phones talk")
    created = {"CallType": "CallTypeInternal", "DNIS": other.dn, "DialedNumber": other.dn}
    checks.event(events[0], "it is created", CREATED, **created)
    site = of_key(events[0].get("Extensions"), "geo-location")
    checks.see(site == LOCATION, "with the geo-location", events[0])
    checks.see(bool(ID.fullmatch(str(events[0].get("CallUUID")))), "and a CallUUID", events[0])
    checks.see(events[1].fits(ADDED, {"ThisDN": one.dn}), "then it has its caller", events[1])
    for dn, role in ((one.dn, ORIGINATION), (other.dn, DESTINATION)):
        added = of_dn(events, dn)[0]
        checks.event(added, f"{dn}: a party of the switch", ADDED, PartyType=INSIDE, ThisDNRole=role)
        checks.see(added.get("ThisTrunk") is None, f"{dn}: by no trunk", added)
        parties = {event.get("PartyUUID") for event in of_dn(events, dn)}
        checks.see(len(parties) == 1, f"{dn}: one PartyUUID in all of it", parties)
    for dn, client, wanted in (
        (one.dn, caller, ["EventDialing", "EventEstablished", "EventReleased"]),
        (other.dn, called, ["EventRinging", "EventEstablished", "EventReleased"]),
    ):
        mine, theirs = t_events(events, dn), client.drain()
        checks.see(names(mine) == wanted, f"{dn}: its T-events", names(mine))
        good = len(mine) == len(theirs) and all(map(tells, mine, theirs))
        checks.see(good, f"{dn}: as at the TCport", f"{list(map(str, mine))} and {list(map(str, theirs))}")
        is_over(checks, events, dn, "EventReleased")
    stands(
        checks, events, (one.dn, "EventDialing", INITIATED), (other.dn, "EventRinging", ALERTING),
        (one.dn, "EventEstablished", CONNECTED), (other.dn, "EventEstablished", CONNECTED),
    )  # fmt: skip
    ends = {event.get("CallState") for event in events if event.name in (PARTY_DELETED, DELETED)}
    checks.see(ends == {"CallStateOk"}, "it ends as it should", ends)
    order = names(events)
    checks.see(order.index("EventDialing") < order.index("EventRinging"), "dialing comes before ringing", order)
    checks.quiet("nothing more comes", stream)


def hold(checks: Checks, desk: Desk) -> None:
    """Hold and its end: the state and the event of who does it, and nothing of the other."""
    one, other = phones(desk)
    stream = fresh(desk, "stream-hold")
    connect(one, other)
    events = [*heard(stream, "EventEstablished"), *heard(stream, "EventEstablished")]
    for mine, theirs, name, state in (
        (directed("sendonly", 2), directed("recvonly", 2), "EventHeld", HELD),
        (DESCRIPTION, DESCRIPTION, "EventRetrieved", CONNECTED),
    ):
        other.change(mine)
        one.accept(theirs)
        other.changed()
        step = heard(stream, name)
        good = names(step) == [STATE, name] and len(of_dn(step, other.dn)) == 2
        checks.see(good, f"the party's state, then {name}", list(map(str, step)))
        checks.see(value(step[0]) == state, f"PartyState {state}", step[0])
        events += step
    part(one, other)
    whole(checks, [*events, *heard(stream)], "with hold in it")
    checks.quiet("nothing more comes", stream)


def refused_calls(checks: Checks, desk: Desk) -> None:
    """Busy, given up while it rings, and a number that leads nowhere."""
    one, other = phones(desk)
    stream = fresh(desk, "stream-refused")
    one.invite(other.dn)
    other.respond(other.expect("INVITE"), 486)
    other.expect("ACK")
    one.refused(486)
    events = heard(stream)
    whole(checks, events, "busy")
    course = names(t_events(events, one.dn))
    wanted = ["EventDialing", "EventDestinationBusy", "EventReleased"]
    checks.see(course == wanted, "busy: T-events of the caller", course)
    checks.see(not t_events(events, other.dn), "busy: none of who has not rung", names(t_events(events, other.dn)))
    is_over(checks, events, one.dn, "EventReleased")
    deleted = [event for event in of_dn(events, one.dn) if event.name == PARTY_DELETED]
    good = [event.get("CallState") for event in (*deleted, events[-1])] == ["CallStateBusy"] * 2
    checks.see(good, "busy: why the caller and the call are gone", list(map(str, (*deleted, events[-1]))))

    one.invite(other.dn)
    invite = other.ring()
    one.expect("180 INVITE")
    one.request("CANCEL")
    other.respond(other.expect("CANCEL"), 200)
    other.respond(invite, 487)
    other.expect("ACK")
    one.refused(487)
    events = heard(stream)
    whole(checks, events, "given up")
    for dn, wanted in ((one.dn, ["EventDialing", "EventReleased"]), (other.dn, ["EventRinging", "EventAbandoned"])):
        course = names(t_events(events, dn))
        checks.see(course == wanted, f"given up: T-events of {dn}", course)
        is_over(checks, events, dn, wanted[-1])
    checks.see(events[-1].get("CallState") is not None, "given up: the call is gone for a reason", events[-1])

    one.invite(NOWHERE)
    one.refused(404)
    events = heard(stream)
    whole(checks, events, "nowhere")
    good = names(events) == [CREATED, ADDED, PARTY_DELETED, DELETED]
    checks.see(good, "nowhere: nobody but its caller", names(events))
    checks.event(events[0], "nowhere: what was dialled", CREATED, DialedNumber=NOWHERE)
    checks.event(events[1], "nowhere: its caller", ADDED, ThisDN=one.dn, ThisDNRole=ORIGINATION, PartyType=INSIDE)
    checks.event(events[-1], "nowhere: why", DELETED, CallState="CallStateSitInvalidnum")
    checks.quiet("nothing more comes", stream)


def outside_calls(checks: Checks, desk: Desk) -> None:
    """Who is outside is a party too, by a trunk, and has no T-events."""
    phone, customer = talking(desk), outside(desk)
    stream = fresh(desk, "stream-trunk")
    for caller, called, kind, role in (
        (customer, phone, "CallTypeInbound", ORIGINATION), (phone, customer, "CallTypeOutbound", DESTINATION),
    ):  # fmt: skip
        call(caller, called)
        events = heard(stream)
        whole(checks, events, kind)
        checks.event(events[0], f"{kind}: it is created", CREATED, CallType=kind, DialedNumber=called.dn)
        added = {event.get("PartyType"): event for event in events if event.name == ADDED}
        checks.see(set(added) == {INSIDE, OUTSIDE}, f"{kind}: a DN and somebody outside", list(added))
        checks.event(added[INSIDE], f"{kind}: the DN", ADDED, ThisDN=phone.dn)
        checks.event(added[OUTSIDE], f"{kind}: who is outside", ADDED, ThisTrunk=TRUNK, ThisDNRole=role)
        checks.see(bool(added[OUTSIDE].get("ThisDN")), f"{kind}: by something that stands for it", added[OUTSIDE])
        others = {event.get("ThisDN") for event in events if event.name not in OF_CALL}
        checks.see(others == {phone.dn}, f"{kind}: T-events of the DN alone", others)
        if caller is customer:
            checks.event(events[0], f"{kind}: who calls", CREATED, ANI=customer.dn)


# ---- who gets which call


def shared(checks: Checks, desk: Desk) -> None:
    """Two ClusterNodes of one ClusterName take turns, call by call."""
    one, other = phones(desk)
    witness = fresh(desk, "stream-shared-witness")
    nodes = [fresh(desk, "stream-shared", node) for node in ("1", "2")]
    every = []
    for _ in range(CALLS):
        call(one, other)
        every.append(story(heard(witness)))
    got = [node.drain() for node in nodes]
    counts = [len(calls_of(events)) for events in got]
    checks.see(counts == [CALLS // 2] * 2, f"{CALLS} calls are shared evenly", counts)
    told = [story(events) for events in map(calls_of, got) for events in events]
    checks.see(sorted(told) == sorted(every), "together they have each call once, each of them wholly", len(told))
    for number, events in enumerate(got, 1):
        wrong = [fault for one_call in calls_of(events) for fault in faults(one_call)]
        checks.see(not wrong and is_numbered(events), f"node {number}: its events have no hole", wrong)


def two_names(checks: Checks, desk: Desk) -> None:
    """Two ClusterNames have all calls, each of them; a ClusterName that is not given is that of the application."""
    one, other = phones(desk)
    first, second = fresh(desk, "stream-first"), fresh(desk, "stream-second")
    third = introduced(desk, "stream-third")
    start(third)
    third.drain(LEFT_S)
    for number in range(3):
        call(one, other)
        mine, *others = (heard(client) for client in (first, second, third))
        whole(checks, mine, f"call {number + 1}")
        same = all(story(theirs) == story(mine) for theirs in others)
        checks.see(same, f"call {number + 1} is the same for all three", [len(mine), *map(len, others)])
    checks.quiet("nothing comes twice", first, second, third)


def taken_over(checks: Checks, desk: Desk) -> None:
    """The second connection of a ClusterNode ends the first, and goes on."""
    one, other = phones(desk)
    beside, first = fresh(desk, "stream-over", "2"), fresh(desk, "stream-over", "1")
    second = collector(desk, "stream-over", "1")
    checks.see(first.is_ended(ENDS_S), "the first connection ends")
    third = introduced(desk, "stream-over", ClusterNode="1")
    event = third.ask("TStartCallMonitoring")
    checks.error(event, "another application, by its name the same ClusterName", "ErrorResourceSeized")
    checks.see(not second.is_ended(QUIET_S), "does not end the second")
    checks.see(not beside.is_ended(QUIET_S), "that of another ClusterNode stays")
    for _ in range(2):
        call(one, other)
    for node, client in (("1", second), ("2", beside)):
        whole(checks, heard(client), f"node {node}")
    checks.quiet("calls are shared by two", beside, second, third)


def not_yet(checks: Checks, desk: Desk) -> None:
    """Nothing comes before TStartCallMonitoring, and no call is kept for who has not sent it."""
    one, other = phones(desk)
    node = fresh(desk, "stream-early", "2")
    early = introduced(desk, ClusterName="stream-early", ClusterNode="1")
    for _ in range(2):
        call(one, other)
        whole(checks, heard(node), "who monitors has it")
    checks.quiet("who does not monitor yet hears nothing", early, node)
    start(early)
    checks.quiet("what is over is not told afterwards", early)
    for _ in range(2):
        call(one, other)
    for client in (early, node):
        whole(checks, heard(client), "now calls are shared")
    checks.quiet("nothing comes twice", early, node)


def input_mask(checks: Checks, desk: Desk) -> None:
    """Events whose bit is not set do not come, and are counted all the same."""
    one, other = phones(desk)
    stream = fresh(desk, "stream-mask")
    event = stream.ask("TSetInputMask", InputMask=mask(desk.language, "EventType", CREATED, DELETED))
    checks.event(event, "TSetInputMask is answered", "EventACK")
    call(one, other)
    events = heard(stream)
    checks.see(names(events) == [CREATED, DELETED], "what the mask has comes, the rest does not", names(events))
    checks.see(events[-1].seq > events[0].seq + 1, "what does not come is counted", [event.seq for event in events])
    stream.ask("TSetInputMask", InputMask=b"\xff" * 64)
    call(one, other)
    whole(checks, heard(stream), "a full mask")


# ---- away, and back


def back(checks: Checks, desk: Desk) -> None:
    """A ClusterNode that goes in the middle of a call and comes back without a cursor has all of it, once."""
    one, other = phones(desk)
    witness, first = fresh(desk, "stream-back-witness"), fresh(desk, "stream-back", "1")
    one.invite(other.dn)
    invite = other.ring()
    events, every = heard(first, "EventRinging"), heard(witness, "EventRinging")
    first.close()
    checks.quiet("others hear nothing of its end", witness)
    other.answer(invite)
    one.answered()
    part(one, other)
    every += heard(witness)
    again = collector(desk, "stream-back", "1")
    checks.see(not again.events, "nothing comes before EventACK", again.events)
    events += heard(again)
    whole(checks, events, "before and after")
    checks.see(story(events) == story(every), "what the other ClusterName has", names(events))
    call(one, other)
    more = heard(again)
    whole(checks, more, "the next call")
    checks.see(is_numbered([*events, *more]), "its numbers go on", [event.seq for event in (*events, *more)])
    checks.quiet("nothing comes twice", again)


def back_with_cursor(checks: Checks, desk: Desk) -> None:
    """With a cursor the stream goes on behind it, with what was sent before as well."""
    one, other = phones(desk)
    first = fresh(desk, "stream-cursor", "1")
    connect(one, other)
    events = [*heard(first, "EventEstablished"), *heard(first, "EventEstablished")]
    first.close()
    part(one, other)
    last, had = events[1], events[2:]
    again = collector(desk, "stream-cursor", "1", last)
    repeated = [again.next() for _ in had]
    checks.see(repeated == had, "events behind the cursor come again, each with its number", list(map(str, repeated)))
    rest = heard(again)
    whole(checks, [*events[:2], *repeated, *rest], "up to the cursor, and from there")
    again.close()
    third = collector(desk, "stream-cursor", "1", rest[-1])
    checks.quiet("behind the last event there is nothing", third)
    call(one, other)
    checks.see(is_numbered([rest[-1], *heard(third)]), "then the next call, numbered on")


def meanwhile(checks: Checks, desk: Desk) -> None:
    """New calls are for the ClusterNode that is there; the call of the one that is away stays its own."""
    one, other, *more = *phones(desk), *phones(desk)
    nodes = {node: fresh(desk, "stream-away", node) for node in ("1", "2")}
    connect(one, other)
    begun = {node: client.drain() for node, client in nodes.items()}
    mine, its = sorted(nodes, key=lambda node: not begun[node])
    checks.see(bool(begun[mine]) and not begun[its], "one of two has the call", names(begun[its]))
    nodes[mine].close()
    checks.quiet("the other one hears nothing of its end", nodes[its])
    for _ in range(2):
        call(*more)
        whole(checks, heard(nodes[its]), "a new call is for the other one")
    part(one, other)
    checks.quiet("the end of the first call is not", nodes[its])
    again = collector(desk, "stream-away", mine)
    whole(checks, [*begun[mine], *heard(again)], "the first call, when its node is back")
    checks.quiet("nothing else was kept for it", again, nodes[its])
    for _ in range(2):
        call(*more)
    for client in (again, nodes[its]):
        whole(checks, heard(client), "then they take turns again")


def all_away(checks: Checks, desk: Desk) -> None:
    """While nobody of a ClusterName is connected, calls are kept for its ClusterNodes."""
    one, other = phones(desk)
    witness = fresh(desk, "stream-kept-witness")
    for node in ("1", "2"):
        fresh(desk, "stream-kept", node).close()
    checks.quiet("others hear nothing of their ends", witness)
    every = []
    for _ in range(4):
        call(one, other)
        every.append(story(heard(witness)))
    nodes = [collector(desk, "stream-kept", node) for node in ("1", "2")]
    got = [node.drain() for node in nodes]
    told = [story(events) for events in map(calls_of, got) for events in events]
    checks.see(sorted(told) == sorted(every), "together they have each call once, each of them wholly", len(told))
    checks.see(all(map(is_numbered, got)), "their events have no hole", [len(events) for events in got])


def joined(checks: Checks, desk: Desk) -> None:
    """The first of a new ClusterName gets a call that runs, and no second one does."""
    one, other = phones(desk)
    witness = fresh(desk, "stream-joined-witness")
    connect(one, other)
    for _ in range(2):
        heard(witness, "EventEstablished")
    first = collector(desk, "stream-joined", "1")
    checks.see(not first.events, "nothing comes before EventACK", first.events)
    begun = [events for events in calls_of(first.drain()) if of_dn(events, one.dn)]
    checks.see(len(begun) == 1, "the call comes, and comes once", len(begun))
    runs(checks, begun[0], one.dn, other.dn)
    second = collector(desk, "stream-joined", "2")
    checks.quiet("who comes second does not get it", second)
    part(one, other)
    whole(checks, [*begun[0], *heard(first)], "as if it began now")
    checks.quiet("nothing more comes", first, second)


def gap(checks: Checks, desk: Desk) -> None:
    """A cursor of another start of the node: EventGap, then the calls that run, told anew."""
    one, other, *more = *phones(desk), *phones(desk)
    witness, first = fresh(desk, "stream-gap-witness"), fresh(desk, "stream-gap", "1")
    connect(one, other)
    events = [*heard(first, "EventEstablished"), *heard(first, "EventEstablished")]
    first.close()
    call(*more)
    heard(witness)
    last = replace(events[-1], epoch=events[-1].epoch + 1)
    again = collector(desk, "stream-gap", "1", last)
    told = again.next()
    checks.event(told, "EventGap comes first", "EventGap")
    marks = (told.source, told.epoch, told.seq)
    checks.see(marks == (last.source, last.epoch, last.seq), "it says from where on events are lost", marks)
    anew = again.drain()
    checks.see(len(calls_of(anew)) == 1, "what has ended meanwhile is not told", names(anew))
    runs(checks, anew, one.dn, other.dn)
    part(one, other)
    whole(checks, [*anew, *heard(again)], "told anew")
    checks.quiet("nothing more comes", again)


def stopped(checks: Checks, desk: Desk) -> None:
    """TStopCallMonitoring gives up the stream, its calls and what was kept."""
    one, other, *more = *phones(desk), *phones(desk)
    nodes = {node: fresh(desk, "stream-stop", node) for node in ("1", "2")}
    connect(one, other)
    begun = {node: client.drain() for node, client in nodes.items()}
    mine, its = sorted(nodes, key=lambda node: not begun[node])
    event = nodes[mine].ask("TStopCallMonitoring")
    checks.event(event, "TStopCallMonitoring is answered", "EventACK")
    part(one, other)
    checks.quiet("the end of its call is told to nobody", *nodes.values())
    for _ in range(2):
        call(*more)
        whole(checks, heard(nodes[its]), "new calls are for the other one")
    checks.quiet("who has stopped hears nothing", nodes[mine])
    start(nodes[mine])
    checks.quiet("nothing was kept for it", nodes[mine])
    for _ in range(2):
        call(*more)
    for client in nodes.values():
        whole(checks, heard(client), "then they take turns again")


SCENES = (
    ("streams, at the door", at_the_door),
    ("streams, keep-alive", keep_alive),
    ("streams, a call", whole_call),
    ("streams, hold", hold),
    ("streams, refused calls", refused_calls),
    ("streams, trunk", outside_calls),
    ("streams, shared calls", shared),
    ("streams, two names", two_names),
    ("streams, second connection", taken_over),
    ("streams, not yet", not_yet),
    ("streams, input mask", input_mask),
    ("streams, back", back),
    ("streams, back with a cursor", back_with_cursor),
    ("streams, meanwhile", meanwhile),
    ("streams, all away", all_away),
    ("streams, joined late", joined),
    ("streams, gap", gap),
    ("streams, stopped", stopped),
)
