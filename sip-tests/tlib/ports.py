"""Several nodes: smart clients at each, the SmartProxy port far from a DN's owner, and each node's own calls."""

from types import ModuleType

from client import Client, Event, Silence, of_key
from cluster import DEFAULT, IPPORT, SMARTPROXY
from desk import Checks, of_dn, register, story
from mesh import NODES, REHOMED_S, SETTLED_S, Mesh, at, client, owner_of
from smart import CALLED, dns_of, names, register_all
from streams import calls_of, faults
from talk import Talking, connect, part

#: Phones of one scene, half of them in each data centre.
MANY = [str(number) for number in range(7090, 7096)]
TAKEN, LOST = "EventDNOwnershipTaken", "EventDNOwnershipLost"
#: One for each scene, so that none is still logged in elsewhere.
MOVED, SEEN = "agent-8", "agent-9"
CALLS = 6


def smart_at_all(language: ModuleType) -> dict[int, Client]:
    """A smart client at each node, which has not registered yet."""
    return {node: client(language, node, "smart", Capabilities=["CapabilitySmartClient"]) for node in NODES}


def phones_of(watcher: Client, *places: tuple[str, int]) -> list[Talking]:
    """Phones at proxies, which the watcher sees in service."""
    phones = [at(dn, proxy) for dn, proxy in places]
    for phone in phones:
        register(watcher, phone.dn)
        phone.register()
        watcher.wait("EventDNBackInService", ThisDN=phone.dn)
    return phones


def heard_of(clients: dict[int, Client], dn: str) -> dict[int, list[str]]:
    """What each has heard of a DN, where it has heard anything."""
    heard = {node: names(of_dn(one.drain(), dn)) for node, one in clients.items()}
    return {node: events for node, events in heard.items() if events}


def close(*many: object) -> None:
    """Closes them."""
    for one in many:
        one.close()


def smart_clients(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """Smart clients at all nodes: together they see each phone once, where it is owned."""
    checks.title = "smart clients"
    del mesh
    watcher = client(language, 1, "watcher")
    phones = phones_of(watcher, *((dn, 11 + number % 2) for number, dn in enumerate(MANY)))
    smarts = smart_at_all(language)
    views = {node: dns_of(register_all(one)[1]) for node, one in smarts.items()}
    every = [dn for dns in views.values() for dn in dns]
    doubles = sorted({dn for dn in every if every.count(dn) > 1})
    checks.see(not doubles, "no phone is seen twice", doubles)
    checks.see(set(MANY) <= set(every), "every phone is seen", sorted(set(MANY) - set(every)))
    seen = {dn: [node for node, dns in views.items() if dn in dns] for dn in MANY}
    owners = {dn: [owner_of(watcher, dn)] for dn in MANY}
    checks.see(seen == owners, "each where it is owned", f"{seen} and {owners}")
    late = phones_of(watcher, ("7096", 11))[0]
    heard, owner = heard_of(smarts, late.dn), owner_of(watcher, late.dn)
    checks.see(heard == {owner: [TAKEN, "EventDNBackInService"]}, "so is a phone that comes later", heard)
    connect(phones[0], late)
    part(phones[0], late)
    watcher.wait("EventReleased", ThisDN=late.dn)
    heard = heard_of(smarts, late.dn)
    checks.see(heard == {owner: CALLED}, "and its calls", heard)
    close(watcher, late, *phones, *smarts.values())


def smart_moves(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """A phone registers in the other data centre: one smart client loses its DN, another one takes it."""
    checks.title = "smart clients, a phone moves"
    del mesh
    desktop = client(language, 1)
    phone = phones_of(desktop, ("7097", 11))[0]
    dn, owner = phone.dn, owner_of(desktop, phone.dn)
    smarts = smart_at_all(language)
    for one in smarts.values():
        register_all(one)
    phone.proxy = ("127.0.0.12", 5060)
    phone.register()
    event = smarts[owner].wait(LOST, ThisDN=dn)
    good = event.seq > 0 and event.reference == 0 and event.source == owner
    checks.see(good, "the DN is lost where it was, counted", f"{event} of {event.source}")
    heard = heard_of(smarts, dn)
    takers = [node for node, events in heard.items() if TAKEN in events]
    good = len(takers) == 1 and NODES[takers[0]] == "dc2" and heard[takers[0]].count(TAKEN) == 1
    checks.see(good, "and taken once, over there", heard)
    checks.see(set(heard) == set(takers), "nobody else hears of it, and who has lost it nothing more", heard)
    event = desktop.ask("TAgentLogin", ThisDN=dn, AgentID=MOVED)
    checks.event(event, "an agent logs in", "EventAgentLogin", AgentID=MOVED)
    checks.see([event.source] == takers, "at the node that has taken it", event.source)
    heard = heard_of(smarts, dn)
    good = heard == {event.source: ["EventAgentLogin", "EventAgentNotReady"]}
    checks.see(good, "whose smart client alone sees it", heard)
    close(desktop, phone, *smarts.values())


def smart_dies(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """A node is killed: the smart client of the node that takes its DN hears so, and the SmartProxy ports go on."""
    checks.title = "smart clients, owner dies"
    watcher, monitor = client(language, 4, "watcher"), client(language, 4, "stat-server", SMARTPROXY)
    register(monitor, "7083")
    phone = phones_of(watcher, ("7083", 11))[0]
    monitor.wait("EventDNBackInService")
    dn, owner = phone.dn, owner_of(watcher, phone.dn)
    smarts = smart_at_all(language)
    for one in smarts.values():
        register_all(one)
    close(smarts.pop(owner))
    mesh.kill(owner)
    watcher.patience = monitor.patience = REHOMED_S
    for name in ("EventDNOutOfService", "EventDNBackInService"):
        checks.event(monitor.wait(name), f"the SmartProxy port: {name}", name, ThisDN=dn)
        watcher.wait(name)
    then = owner_of(watcher, dn)
    heard = heard_of(smarts, dn)
    checks.see(set(heard) == {then} and then != owner, "one smart client hears of the DN", f"{heard}, owner {then}")
    checks.see(heard.get(then, [])[:1] == [TAKEN], "that it is taken", heard)
    mesh.again(owner)
    events = of_dn(smarts[then].drain(SETTLED_S), dn)
    checks.see(not events, "it stays when the dead node is back", names(events))
    late = client(language, owner, "smart", Capabilities=["CapabilitySmartClient"])
    dns = dns_of(register_all(late)[1])
    checks.see(dn not in dns, "which does not have it", dns)
    close(watcher, monitor, phone, late, *smarts.values())


def smart_proxy(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """The SmartProxy port of any node: DNs, agents and calls, whoever owns them."""
    checks.title = "smart proxy"
    del mesh
    monitors = {node: client(language, node, "stat-server", SMARTPROXY) for node in NODES}
    for node, monitor in monitors.items():
        view = register(monitor, "7084")
        checks.event(view, f"node {node}: a DN that nobody owns", "EventRegistered", IsInService=False)
    desktop = client(language, 4)
    phone, caller = phones_of(desktop, ("7084", 11), ("7080", 12))
    for node, monitor in monitors.items():
        event = monitor.wait("EventDNBackInService")
        checks.event(event, f"node {node}: it comes into service", "EventDNBackInService", ThisDN=phone.dn)
    desktop.ask("TAgentLogin", ThisDN=phone.dn, AgentID=SEEN)
    desktop.ask("TAgentSetReady", ThisDN=phone.dn)
    connect(caller, phone)
    conn_id = desktop.wait("EventEstablished", ThisDN=phone.dn).get("ConnID")
    far = next(node for node in NODES if node != owner_of(desktop, phone.dn) and node != conn_id >> 52)
    begun = {node: monitor.until("EventEstablished") for node, monitor in monitors.items()}
    late = client(language, far, "late", SMARTPROXY)
    view = register(late, phone.dn)
    calls = of_key(view.get("Extensions"), "Calls") or []
    good = view.get("AgentID") == SEEN and [int(key, 16) for key, _ in calls] == [conn_id]
    checks.see(good, "who comes late, far from both nodes, sees the agent and the call", view)
    event = late.ask("TReleaseCall", ThisDN=phone.dn, ConnID=conn_id)
    checks.event(event, "TReleaseCall there", "EventReleased", ThisDN=phone.dn, ConnID=conn_id)
    phone.hung_up()
    caller.hung_up()
    stories = {node: [*begun[node], *monitor.until("EventReleased")] for node, monitor in monitors.items()}
    wanted = ["EventAgentLogin", "EventAgentNotReady", "EventAgentReady", *CALLED]
    for node, events in stories.items():
        checks.see(names(events) == wanted, f"node {node}: the agent and the call", names(events))
    same = all(story(events) == story(stories[1]) for events in stories.values())
    checks.see(same, "all tell the same")
    checks.quiet("nothing comes twice", *monitors.values())
    close(desktop, late, phone, caller, *monitors.values())


def collector_at(language: ModuleType, node: int) -> Client:
    """A collector of the calls of a node."""
    wanted = {"ClusterRole": "I-Proxy", "ClusterName": "mesh", "Capabilities": ["CapabilityCallMonitoring"]}
    one = client(language, node, "icon", IPPORT, **wanted)
    answer = one.ask("TStartCallMonitoring")
    if answer.name != "EventACK":
        raise Silence(f"no EventACK but {answer}")
    one.drain()
    return one


def queried(checks: Checks, routers: dict[int, Client], conn_id: int) -> None:
    """TQueryCall at the default port of the call's node, and elsewhere."""
    for node, one in routers.items():
        event = one.ask("TQueryCall", ConnID=conn_id)
        if node == conn_id >> 52:
            checks.event(event, f"TQueryCall at its node {node}", "EventPartyInfo", ConnID=conn_id)
        else:
            checks.error(event, f"TQueryCall at node {node}", "ErrorInvalidConnID")


def local_calls(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """The default port and the IPport of a node have the calls of that node, and no other."""
    checks.title = "calls of each node"
    del mesh
    watcher = client(language, 1, "watcher")
    phone, *callers = phones_of(watcher, ("7032", 11), ("7081", 11), ("7082", 12))
    routers = {node: client(language, node, "router", DEFAULT) for node in NODES}
    for one in routers.values():
        register(one, phone.dn)
    collectors = {node: collector_at(language, node) for node in NODES}
    wanted: dict[int, list[int]] = {node: [] for node in NODES}
    heard: dict[int, list[Event]] = {node: [] for node in NODES}
    for number in range(CALLS):
        connect(callers[number % 2], phone)
        conn_id = watcher.wait("EventEstablished", ThisDN=phone.dn).get("ConnID")
        node = conn_id >> 52
        wanted[node].append(conn_id)
        heard[node] += routers[node].until("EventEstablished")
        if number == 0:
            queried(checks, routers, conn_id)
        part(callers[number % 2], phone)
        watcher.wait("EventReleased", ThisDN=phone.dn)
    checks.see(sum(map(bool, wanted.values())) > 1, "calls run at several nodes", wanted)
    for node, ids in wanted.items():
        local_events(checks, node, ids, [*heard[node], *routers[node].drain()])
        streamed(checks, node, ids, collectors[node].drain())
    close(watcher, phone, *callers, *routers.values(), *collectors.values())


def local_events(checks: Checks, node: int, ids: list[int], events: list[Event]) -> None:
    """The default port of a node after all calls."""
    calls = {conn_id: names([event for event in events if event.get("ConnID") == conn_id]) for conn_id in ids}
    good = len(events) == len(CALLED) * len(ids) and all(course == CALLED for course in calls.values())
    checks.see(good, f"node {node}: the default port has its calls", list(map(str, events)))
    sites = {of_key(event.get("Extensions"), "geo-location") for event in events}
    checks.see(sites <= {NODES[node]}, f"node {node}: with its geo-location", sites)


def streamed(checks: Checks, node: int, ids: list[int], events: list[Event]) -> None:
    """The IPport of a node after all calls."""
    calls = calls_of(events)
    wrong = [fault for one_call in calls for fault in faults(one_call)]
    told = [one_call[0].get("ConnID") for one_call in calls]
    checks.see(told == ids and not wrong, f"node {node}: the IPport has its calls", wrong or f"{told} and {ids}")
    sources = {event.source for event in events}
    checks.see(sources <= {node}, f"node {node}: and is their source", sources)


SCENES = (smart_clients, smart_moves, smart_proxy, local_calls, smart_dies)
