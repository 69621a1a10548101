"""Smart clients at the TCport, monitors at the SmartProxy port, and calls of the node at the default port."""

from calls import outside, pair, talking
from client import Client, Event, Silence, cursor, has_bit, of_key
from cluster import DEFAULT, IPPORT, LOCATION, OWNER, ROUTING_POINT, SMARTPROXY, TCPORT, TRUNK
from connections import number_of
from crowd import content
from desk import Checks, Desk, of_dn, register, story
from phone import Phone
from talk import Talking, connect, part

OF_ALL_PORTS = ("TRegisterClient", "TQueryServer", "TSetInputMask")
OF_AGENTS = ("TAgentLogin", "TAgentLogout", "TAgentSetReady", "TAgentSetNotReady")
OF_SUPERVISORS = ("TMonitorNextCall", "TCancelMonitoring")
OF_SMART_CLIENTS = ("TRegisterAll", "TUnregisterAll")
OF_STREAMS = ("TStartCallMonitoring", "TStopCallMonitoring")
OF_DNS = ("TRegisterAddress", "TUnregisterAddress")
#: What each port takes besides, and what it refuses.
PORTS = (
    ("TCport", TCPORT, (*OF_DNS, *OF_AGENTS, *OF_SMART_CLIENTS, "TReleaseCall", "TSendUserEvent"), OF_STREAMS),
    (
        "SmartProxy", SMARTPROXY, (*OF_DNS, "TQueryAddress", "TReleaseCall", "TSendUserEvent"),
        (*OF_AGENTS, *OF_SUPERVISORS, *OF_SMART_CLIENTS, *OF_STREAMS),
    ),
    (
        "default", DEFAULT, (*OF_DNS, "TReleaseCall", "TQueryCall"),
        (*OF_AGENTS, *OF_SUPERVISORS, *OF_SMART_CLIENTS, *OF_STREAMS),
    ),
    ("IPport", IPPORT, OF_STREAMS, (*OF_DNS, *OF_AGENTS, *OF_SUPERVISORS, *OF_SMART_CLIENTS, "TReleaseCall")),
)  # fmt: skip
CALLED = ["EventRinging", "EventEstablished", "EventReleased"]
TALKING, IDLE = "AddressStatusTalking", "AddressStatusIdle"
CONNECTED = 12


def what_ports_take(checks: Checks, desk: Desk) -> None:
    """ServerCapabilityMask has what a port takes, and what it has not is refused."""
    dn = desk.dn()
    for name, port, taken, refused in PORTS:
        client = desk.raw(port)
        event = client.introduce("watcher")
        checks.event(event, f"{name}: TRegisterClient is answered", "EventServerConnected")
        client.wait("EventLinkConnected")
        bits = event.get("ServerCapabilityMask") or b""
        missing = [kind for kind in (*OF_ALL_PORTS, *taken) if not has_bit(bits, number_of(desk, kind))]
        checks.see(not missing, f"{name}: ServerCapabilityMask has what it takes", missing)
        wrong = [kind for kind in refused if has_bit(bits, number_of(desk, kind))]
        checks.see(not wrong, f"{name}: ServerCapabilityMask has nothing else", wrong)
        for kind in refused:
            checks.error(client.ask(kind, ThisDN=dn), f"{name}: {kind}", "ErrorUnsupportedOperation")
        checks.event(client.ask("TQueryServer"), f"{name}: the connection stays", "EventServerInfo")


# ---- smart clients


def smart(desk: Desk, last: Event | None = None) -> Client:
    """A smart client, and where it left off if it comes back."""
    cursors = [cursor(desk.language, last)] if last else []
    return desk.client("feature-server", Capabilities=["CapabilitySmartClient"], Cursors=cursors)


def register_all(client: Client) -> tuple[list[Event], list[Event]]:
    """What comes before EventRegisteredAll, and what comes at once after it."""
    answer = client.ask("TRegisterAll")
    if answer.name != "EventRegisteredAll":
        raise Silence(f"no EventRegisteredAll but {answer}")
    before, client.events = client.events, []
    return before, client.drain()


def dns_of(events: list[Event]) -> list[str]:
    """Their DNs, in order."""
    return [str(event.get("ThisDN")) for event in events]


def names(events: list[Event]) -> list[str]:
    """What they are."""
    return [event.name for event in events]


def facts(event: Event) -> dict[str, object]:
    """What an EventRegistered tells of its DN."""
    return {name: value for name, value in event.attributes.items() if name != "LastSeq"}


def all_phones(checks: Checks, desk: Desk) -> None:
    """EventRegisteredAll, and EventRegistered for each phone that the node owns."""
    phone, absent, taken, free = desk.phone(), desk.dn(), desk.desk(), desk.desk()
    desktop = desk.registered(taken)
    desktop.wait("EventDNBackInService")
    plain = desk.client("feature-server")
    checks.error(plain.ask("TRegisterAll"), "TRegisterAll of who has not said that it is smart", "ErrorWrongState")
    client = smart(desk)
    checks.quiet("nothing comes before TRegisterAll", client, plain)
    before, views = register_all(client)
    checks.see(not before, "nothing comes before EventRegisteredAll", before)
    checks.see(set(names(views)) == {"EventRegistered"}, "EventRegistered follow it, and nothing else", names(views))
    dns = dns_of(views)
    checks.see(len(dns) == len(set(dns)), "one for each DN", dns)
    checks.see({phone.dn, taken} <= set(dns), "for a phone, and for a DN that a desktop has brought in service", dns)
    wrong = {absent, free, ROUTING_POINT} & set(dns)
    checks.see(not wrong, "for no DN that nobody owns, and none that is no phone", wrong)
    counted = [event for event in views if event.reference or event.seq]
    checks.see(not counted, "they have no ReferenceID and are not counted", counted)
    for dn in (phone.dn, taken):
        mine, view = of_dn(views, dn)[0], register(desktop, dn)
        checks.see(facts(mine) == facts(view), f"{dn} as who registers for it alone sees it", f"{mine} and {view}")
    checks.quiet("nothing more comes", client)


def ownership(checks: Checks, desk: Desk) -> None:
    """A phone that comes later is told by EventDNOwnershipTaken, one that goes by EventDNOwnershipLost."""
    client = smart(desk)
    register_all(client)
    phone = Phone(desk.dn())
    desk.phones.append(phone)
    watcher, sender = desk.registered(phone.dn, "watcher"), desk.client("sender")
    for what in ("a phone registers", "it registers again"):
        phone.register()
        events = of_dn(client.drain(), phone.dn)
        good = names(events) == ["EventDNOwnershipTaken", "EventDNBackInService"]
        checks.see(good, f"{what}: its DN is taken, and in service", names(events))
        seqs = [event.seq for event in events]
        good = seqs == sorted(set(seqs)) and seqs[0] > 0 and not any(event.reference for event in events)
        checks.see(good, f"{what}: both are counted, without a ReferenceID", seqs)
        told = set(events[0].attributes) >= {"AddressType", "AddressStatus", "IsInService", "Extensions"}
        checks.see(told, f"{what}: EventDNOwnershipTaken has what EventRegistered has", events[0])
        status = of_key(events[0].get("Extensions"), "AgentStatus")
        checks.see(status == 0, f"{what}: its AgentStatus too", status)
        phone.unregister()
        events = of_dn(client.drain(), phone.dn)
        good = names(events) == ["EventDNOutOfService", "EventDNOwnershipLost"]
        checks.see(good, f"{what} and goes: its DN is out of service, and lost", names(events))
        sender.ask("TSendUserEvent", CommunicationDN=phone.dn, UserData=[("after", "it")])
        checks.see(not of_dn(client.drain(), phone.dn), f"{what} and goes: nothing comes after that")
    heard = names(watcher.drain())
    once = ["EventDNBackInService", "EventDNOutOfService", "EventUserEvent"]
    checks.see(heard == once * 2, "who is registered for the DN alone hears nothing of owners", heard)


def all_events(checks: Checks, desk: Desk) -> None:
    """What happens to an owned DN, its agent and its calls comes to a smart client as to any other."""
    one, other, who = talking(desk), talking(desk), desk.agent()
    client, watcher = smart(desk), desk.client("watcher")
    register_all(client)
    for dn in (one.dn, other.dn):
        register(watcher, dn)
    desktop = desk.registered(other.dn)
    desktop.ask("TAgentLogin", ThisDN=other.dn, AgentID=who)
    desktop.ask("TAgentSetReady", ThisDN=other.dn)
    desktop.ask("TSetDNDOn", ThisDN=other.dn)
    desktop.ask("TSetDNDOff", ThisDN=other.dn)
    connect(one, other)
    part(one, other)
    desktop.wait("EventReleased")
    desktop.ask("TAgentLogout", ThisDN=other.dn)
    heard, theirs = client.drain(), watcher.drain()
    for dn in (one.dn, other.dn):
        mine, others = of_dn(heard, dn), of_dn(theirs, dn)
        same = list(map(content, mine)) == list(map(content, others))
        checks.see(same, f"{dn}: the same events with the same numbers", f"{names(mine)} and {names(others)}")
    wanted = {"EventAgentLogin", "EventAgentReady", "EventAgentLogout", "EventDNDOn", "EventDialing", *CALLED}
    checks.see(wanted <= set(names(heard)), "agents, states and calls are among them", wanted - set(names(heard)))


def by_desktop(checks: Checks, desk: Desk) -> None:
    """A DN without a phone is taken with the first desktop, and lost with the last one."""
    dn, client = desk.desk(), smart(desk)
    register_all(client)
    watcher = desk.registered(dn, "watcher")
    checks.see(not of_dn(client.drain(), dn), "a client that may own nothing takes no DN")
    desktop = desk.registered(dn)
    events = of_dn(client.drain(), dn)
    good = names(events) == ["EventDNOwnershipTaken", "EventDNBackInService"]
    checks.see(good, f"a {OWNER} takes it, and brings it in service", names(events))
    second = desk.registered(dn)
    desktop.ask("TUnregisterAddress", ThisDN=dn)
    checks.see(not of_dn(client.drain(), dn), f"it stays with the second {OWNER}")
    second.close()
    events = of_dn(client.drain(), dn)
    good = names(events) == ["EventDNOutOfService", "EventDNOwnershipLost"]
    checks.see(good, "it is out of service when the last one disconnects, and lost", names(events))
    heard = names(watcher.drain())
    checks.see(heard == ["EventDNBackInService", "EventDNOutOfService"], "others hear nothing of owners", heard)


def smart_no_more(checks: Checks, desk: Desk) -> None:
    """TUnregisterAll."""
    phone, client = desk.phone(), smart(desk)
    register_all(client)
    desktop = desk.registered(phone.dn)
    desktop.ask("TSetDNDOn", ThisDN=phone.dn)
    checks.event(client.wait("EventDNDOn", ThisDN=phone.dn), "before it, events come", "EventDNDOn")
    checks.event(client.ask("TUnregisterAll"), "TUnregisterAll is answered", "EventUnregisteredAll")
    client.events.clear()
    desktop.ask("TSetDNDOff", ThisDN=phone.dn)
    desk.phone()
    checks.quiet("no event comes after it, nor is a phone told that comes", client)
    _, views = register_all(client)
    checks.see(phone.dn in dns_of(views), "TRegisterAll begins again", dns_of(views))


def smart_again(checks: Checks, desk: Desk) -> None:
    """A smart client that comes back with a cursor gets what it has missed before EventRegisteredAll."""
    phone = desk.phone()
    desktop, witness, client = desk.registered(phone.dn), smart(desk), smart(desk)
    register_all(witness)
    register_all(client)
    desktop.ask("TSetDNDOn", ThisDN=phone.dn)
    last = client.wait("EventDNDOn", ThisDN=phone.dn)
    client.close()
    witness.drain()
    desktop.ask("TSetDNDOff", ThisDN=phone.dn)
    late = desk.phone()
    missed = witness.drain()
    again = smart(desk, last)
    before, views = register_all(again)
    same = list(map(content, before)) == list(map(content, missed))
    checks.see(same, "what was missed, with its numbers", f"{names(before)} and {names(missed)}")
    wanted = ["EventDNDOff", "EventDNOwnershipTaken", "EventDNBackInService"]
    checks.see(names(before) == wanted, "a phone that has come since is in it", names(before))
    checks.see({phone.dn, late.dn} <= set(dns_of(views)), "then EventRegistered of all", dns_of(views))

    again.close()
    late.unregister()
    missed = witness.drain()
    again = smart(desk, before[-1])
    before, views = register_all(again)
    same = list(map(content, before)) == list(map(content, missed))
    good = same or "EventGap" in names(before)
    checks.see(good, "a phone that has gone since: all of it, or EventGap", f"{names(before)} and {names(missed)}")
    checks.see(late.dn not in dns_of(views), "its EventRegistered does not come", dns_of(views))

    stale = desk.language.Cursor(Source=last.source, Epoch=last.epoch + 1, Seq=last.seq)
    lost = desk.client("feature-server", Capabilities=["CapabilitySmartClient"], Cursors=[stale])
    before, views = register_all(lost)
    checks.see(names(before) == ["EventGap"], "a cursor of another start: EventGap", before)
    checks.see(phone.dn in dns_of(views), "and EventRegistered, which are the truth", dns_of(views))


# ---- the SmartProxy port


def proxy_events(checks: Checks, desk: Desk) -> None:
    """Every DN, its agent and its calls, as the TCport tells them."""
    phone, caller, free, who = Talking(desk.dn()), talking(desk), desk.desk(), desk.agent()
    desk.phones.append(phone)
    monitor, watcher = desk.client("stat-server", SMARTPROXY), desk.registered(phone.dn, "watcher")
    for dn in (phone.dn, free):
        checks.event(register(monitor, dn), f"{dn} is not in service", "EventRegistered", IsInService=False)
    view = register(monitor, ROUTING_POINT)
    checks.event(view, "a routing point", "EventRegistered", AddressType="AddressTypeRouteDN")
    event = monitor.ask("TRegisterAddress", ThisDN="nobody")
    checks.error(event, "TRegisterAddress for a DN that is not there", "ErrorNotConfigured")
    phone.register()
    checks.event(monitor.wait("EventDNBackInService"), "a phone comes", "EventDNBackInService", ThisDN=phone.dn)
    desktop = desk.registered(phone.dn)
    desktop.ask("TAgentLogin", ThisDN=phone.dn, AgentID=who)
    desktop.ask("TAgentSetReady", ThisDN=phone.dn)
    event = monitor.wait("EventAgentReady")
    checks.event(event, "an agent is ready", "EventAgentReady", AgentID=who, ThisDN=phone.dn)
    view = register(desk.client("late", SMARTPROXY), phone.dn)
    checks.event(view, "who comes later sees the agent", "EventRegistered", AgentID=who, IsInService=True)
    connect(caller, phone)
    part(caller, phone)
    desktop.wait("EventReleased")
    desktop.ask("TSetDNDOn", ThisDN=phone.dn)
    desktop.ask("TAgentLogout", ThisDN=phone.dn)
    last = monitor.until("EventAgentLogout")
    heard = names(of_dn(last, phone.dn))
    wanted = [*CALLED, "EventDNDOn", "EventAgentLogout"]
    checks.see([name for name in heard if name in wanted] == wanted, "calls, states and agents", heard)
    theirs = of_dn(watcher.drain(), phone.dn)[-len(wanted) :]
    same = story(of_dn(last, phone.dn)[-len(wanted) :]) == story(theirs)
    checks.see(same, "as the TCport tells them", f"{list(map(str, last))} and {list(map(str, theirs))}")
    checks.quiet("nothing comes twice", monitor)


def proxy_requests(checks: Checks, desk: Desk) -> None:
    """Running calls are shown, TReleaseCall and TSendUserEvent are served."""
    one, other = talking(desk), talking(desk)
    monitor = desk.registered(other.dn, "stat-server", SMARTPROXY)
    connect(one, other)
    conn_id = monitor.wait("EventEstablished").get("ConnID")
    late = desk.client("dialler", SMARTPROXY)
    event = late.ask("TReleaseCall", ThisDN=other.dn, ConnID=conn_id)
    checks.error(event, "TReleaseCall of who is not registered", "ErrorNotRegistered")
    view = register(late, other.dn)
    checks.event(view, "who comes later sees it talking", "EventRegistered", AddressStatus=TALKING)
    calls = of_key(view.get("Extensions"), "Calls") or []
    checks.see([int(key, 16) for key, _ in calls] == [conn_id], "and finds the call", calls)
    event = late.ask("TReleaseCall", ThisDN=other.dn, ConnID=conn_id + 1)
    checks.error(event, "another call", "ErrorInvalidConnID")
    event = late.ask("TReleaseCall", ThisDN=other.dn, ConnID=conn_id)
    checks.event(event, "TReleaseCall ends it", "EventReleased", ThisDN=other.dn, ConnID=conn_id)
    one.hung_up()
    other.hung_up()
    told = monitor.wait("EventReleased")
    good = told.reference == 0 and (told.seq, told.attributes) == (event.seq, event.attributes) and told.seq > 0
    checks.see(good, "others hear of it too", f"{event} and {told}")
    desktop, data = desk.registered(other.dn), [("campaign", "spring"), ("record", 7)]
    checks.event(late.ask("TSendUserEvent", CommunicationDN=other.dn, UserData=data), "TSendUserEvent", "EventACK")
    for who, reader in (("at the TCport", desktop), ("at this port", monitor), ("who has sent it", late)):
        event = reader.wait("EventUserEvent")
        checks.event(event, f"heard {who}", "EventUserEvent", ThisDN=other.dn, UserData=data)
        checks.see(event.reference == 0 and event.seq > 0, f"{who}: counted, without a ReferenceID", event)
    desktop.ask("TSendUserEvent", CommunicationDN=other.dn, UserData=[("from", "the TCport")])
    event = monitor.wait("EventUserEvent")
    checks.event(event, "one from the TCport is heard here", "EventUserEvent", UserData=[("from", "the TCport")])


def proxy_owns_nothing(checks: Checks, desk: Desk) -> None:
    """An application that may own DNs does so at the TCport alone."""
    dn = desk.desk()
    watcher = desk.registered(dn, "watcher")
    client = desk.client(OWNER, SMARTPROXY)
    checks.event(register(client, dn), f"a {OWNER} at this port", "EventRegistered", IsInService=False)
    checks.quiet("does not bring the DN in service", client, watcher)
    desktop = desk.registered(dn)
    for one in (desktop, watcher, client):
        checks.event(one.wait("EventDNBackInService"), "one at the TCport does", "EventDNBackInService", ThisDN=dn)
    desktop.close()
    for one in (watcher, client):
        event = one.wait("EventDNOutOfService")
        checks.event(event, "it leaves: nobody keeps the DN", "EventDNOutOfService", ThisDN=dn)
    checks.quiet("each of them comes once", client, watcher)


def other_cursors(checks: Checks, desk: Desk) -> None:
    """A cursor of the SmartProxy or default port is of use there."""
    one, other = talking(desk), talking(desk)
    for name, port, application in (("SmartProxy", SMARTPROXY, "stat-server"), ("default", DEFAULT, "router")):
        client, witness = (desk.registered(other.dn, application, port) for _ in range(2))
        connect(one, other)
        part(one, other)
        last = client.wait("EventReleased")
        witness.wait("EventReleased")
        witness.events.clear()
        client.close()
        connect(one, other)
        part(one, other)
        missed = witness.until("EventReleased")
        again = desk.client(application, port, Cursors=[cursor(desk.language, last)])
        register(again, other.dn)
        same = list(map(content, again.events)) == list(map(content, missed))
        good = same or "EventGap" in names(again.events)
        checks.see(good, f"{name}: what was missed, or EventGap", f"{names(again.events)} and {names(missed)}")
        again.events.clear()
        checks.quiet(f"{name}: nothing comes after EventRegistered", again)


# ---- the default port


def tells(event: Event, other: Event) -> bool:
    """Whether an event has all that another tells."""
    return event.fits(other.name, other.attributes)


def local_calls(checks: Checks, desk: Desk) -> None:
    """What happens in calls at a DN, with the node's location, and nothing of its agent or state."""
    one, other, caller, called = pair(desk)
    local = desk.client("router", DEFAULT)
    for dn in (one.dn, other.dn):
        checks.event(register(local, dn), f"{dn} is idle", "EventRegistered", ThisDN=dn, AddressStatus=IDLE)
    view = register(local, ROUTING_POINT)
    checks.event(view, "a routing point", "EventRegistered", AddressType="AddressTypeRouteDN")
    event = local.ask("TRegisterAddress", ThisDN="nobody")
    checks.error(event, "TRegisterAddress for a DN that is not there", "ErrorNotConfigured")
    caller.ask("TAgentLogin", ThisDN=one.dn, AgentID=desk.agent())
    caller.ask("TSetDNDOn", ThisDN=one.dn)
    caller.ask("TSetDNDOff", ThisDN=one.dn)
    caller.drain()
    checks.quiet("nothing of an agent or a state", local)
    witness = desk.registered(other.dn, "router", DEFAULT)
    connect(one, other)
    witness.wait("EventEstablished")
    view = register(desk.client("late", DEFAULT), other.dn)
    checks.event(view, "who comes later sees it talking", "EventRegistered", AddressStatus=TALKING)
    calls = of_key(view.get("Extensions"), "Calls") or []
    part(one, other)
    heard = local.drain()
    ids = [event.get("ConnID") for event in heard]
    checks.see([int(key, 16) for key, _ in calls] == ids[:1], "and finds the call", calls)
    sites = {of_key(event.get("Extensions"), "geo-location") for event in heard}
    checks.see(sites == {LOCATION}, "all events have the geo-location", sites)
    seqs = [event.seq for event in heard]
    checks.see(seqs == sorted(set(seqs)) and min(seqs) > 0, "they are counted", seqs)
    for dn, client, wanted in (
        (one.dn, caller, ["EventDialing", "EventEstablished", "EventReleased"]), (other.dn, called, CALLED),
    ):  # fmt: skip
        mine, theirs = of_dn(heard, dn), client.drain()
        checks.see(names(mine) == wanted, f"{dn}: its part in the call", names(mine))
        good = len(mine) == len(theirs) and all(map(tells, mine, theirs))
        checks.see(good, f"{dn}: as the TCport tells it", f"{list(map(str, mine))} and {list(map(str, theirs))}")


def local_requests(checks: Checks, desk: Desk) -> None:
    """TQueryCall and TReleaseCall are served, what is the T-Controllers' affair or ISCC's is refused."""
    one, other = talking(desk), talking(desk)
    local = desk.registered(other.dn, "router", DEFAULT)
    for kind in ("TGetAccessNumber", "TCancelReqGetAccessNumber"):
        checks.error(local.ask(kind, ThisDN=other.dn), kind, "ErrorNoLink")
    event = local.ask("TAgentLogin", ThisDN=other.dn, AgentID=desk.agent())
    checks.error(event, "TAgentLogin", "ErrorUnsupportedOperation")
    connect(one, other)
    conn_id = local.wait("EventEstablished").get("ConnID")
    event = local.ask("TQueryCall", ConnID=conn_id)
    checks.event(event, "TQueryCall", "EventPartyInfo", ConnID=conn_id)
    told = of_key(event.get("Extensions"), "Parties") or []
    parties = {dn: (of_key(party, "PartyState"), of_key(party, "ThisDNRole")) for dn, party in told}
    checks.see(parties == {one.dn: (CONNECTED, 1), other.dn: (CONNECTED, 2)}, "it tells both parties", told)
    checks.see(event.seq == 0, "it is not counted", event)
    checks.error(local.ask("TQueryCall", ConnID=conn_id + 1), "TQueryCall of another call", "ErrorInvalidConnID")
    checks.error(local.ask("TQueryCall"), "TQueryCall of no call", "ErrorInvalidAttribute")
    event = local.ask("TReleaseCall", ThisDN=one.dn, ConnID=conn_id)
    checks.error(event, "TReleaseCall at a DN without registration", "ErrorNotRegistered")
    event = local.ask("TReleaseCall", ThisDN=other.dn, ConnID=conn_id + 1)
    checks.error(event, "TReleaseCall of another call", "ErrorInvalidConnID")
    event = local.ask("TReleaseCall", ThisDN=other.dn, ConnID=conn_id)
    checks.event(event, "TReleaseCall", "EventReleased", ThisDN=other.dn, ConnID=conn_id)
    one.hung_up()
    other.hung_up()
    checks.error(local.ask("TQueryCall", ConnID=conn_id), "TQueryCall after it", "ErrorInvalidConnID")
    local.ask("TUnregisterAddress", ThisDN=other.dn)
    local.drain()
    connect(one, other)
    part(one, other)
    checks.quiet("who has given the DN back hears nothing", local)


def local_trunk(checks: Checks, desk: Desk) -> None:
    """A call from outside has the name of its trunk."""
    phone, customer = talking(desk), outside(desk)
    local = desk.registered(phone.dn, "router", DEFAULT)
    connect(customer, phone)
    part(customer, phone)
    for event in local.until("EventReleased"):
        told = [of_key(event.get("Extensions"), key) for key in ("geo-location", "OtherTrunkName")]
        checks.see(told == [LOCATION, TRUNK], f"{event.name} has OtherTrunkName", event)


SCENES = (
    ("what ports take", what_ports_take),
    ("smart client", all_phones),
    ("smart client, ownership", ownership),
    ("smart client, events", all_events),
    ("smart client, desktops", by_desktop),
    ("smart client, end", smart_no_more),
    ("smart client comes back", smart_again),
    ("smart proxy", proxy_events),
    ("smart proxy, requests", proxy_requests),
    ("smart proxy, ownership", proxy_owns_nothing),
    ("cursors of other ports", other_cursors),
    ("local calls", local_calls),
    ("local calls, requests", local_requests),
    ("local calls, trunk", local_trunk),
)
