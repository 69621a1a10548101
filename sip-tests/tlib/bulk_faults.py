"""Monitors of Smart Proxies while nodes are killed or hang, links are cut and DNs move; what operators see of it."""

import secrets
import time
from types import ModuleType

from bulk import (
    BACK, FIRST, GAP, OTHER, OUT, PORTS, SECOND, WHO, Heard, Who, again, bulk, call, calls_of, differ, hearers, hushed,
    last_of, logged_in, logged_out, marked, phoned, plain, same,
)  # fmt: skip
from client import Client, Event, Silence, of_key
from cluster import SMARTPROXY
from crowd import content
from desk import Checks, of_dn, register
from mesh import NODES, PROXIES, REHOMED_S, SILENCE_S, Mesh, client, operated, owner_of
from ports import close
from smart import CALLED, facts, names
from talk import Talking, connect, part

#: Phones whose owner is killed or cut off, and who calls them.
HERE, THERE, CALLER_HERE, CALLER_THERE = "7012", "7013", "7019", "7029"
DESK = "8007"
#: Until a connection with a node that was killed is ended.
SOON_S = 2.0
#: More than what a Smart Proxy tells by itself has in Source.
OF_SMART_PROXY = 4096
#: From one data centre to the other and back.
MOVES = 40


# ---- nodes are killed


def owner_killed(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """A node is killed: monitors hear what becomes of its DN, and those of its own port come back elsewhere."""
    checks.title = "bulk registrar, owner killed"
    with phoned(language, (HERE, 11), (THERE, 12), (CALLER_THERE, 12)) as phones, bulk(mesh):
        watcher = client(language, 4, "watcher")
        dead, over_there = owner_of(watcher, HERE), owner_of(watcher, THERE)
        desktop = logged_in(language, 7 - over_there, HERE, WHO)
        register(desktop, THERE)
        there = hearers(language, HERE, THERE, nodes=[node for node in NODES if node != dead])
        own = client(language, dead, "stat-server", SMARTPROXY)
        views = [register(own, dn) for dn in (HERE, THERE)]
        call(desktop, phones[2], phones[0])
        had = [*views, *marked(watcher, {("SmartProxy", dead): own}, HERE, THERE)["SmartProxy", dead]]
        marked(watcher, there, HERE, THERE)
        mesh.kill(dead)
        checks.see(own.is_ended(SOON_S), "the dead node's own monitors are cut off")
        told_of_death(checks, there, dead, views[0].epoch)
        then = owner_of(watcher, HERE)
        checks.see(then != dead and NODES[then] == "dc1", "with the other node of its data centre", then)
        marked(watcher, there, HERE, THERE)
        goes_on(checks, desktop, *phones)
        heard = marked(watcher, there, HERE, THERE)
        same(checks, "then all hear what the next owner tells", heard, HERE, THERE)
        course = heard["TCport", then]
        checks.see("EventEstablished" in names(of_dn(course, HERE)), "calls there are among it", names(course))
        cursors, wanted = last_of(language, *had), of_dn(course, THERE)
        for who in (("SmartProxy", then), ("SmartProxy", over_there), ("SmartProxy", 7 - over_there), ("TCport", then)):
            comes_back(checks, language, who, cursors, wanted, dead)
        mesh.again(dead)
        for port in PORTS:
            comes_back(checks, language, (port, dead), cursors, wanted, dead)
        hushed(checks, "nothing comes twice", *there.values())
        back_at_work(checks, language, dead, there, desktop, watcher, *phones)
        logged_out(checks, desktop, HERE)
        close(own, watcher, desktop, *there.values())


def as_at_tcport(checks: Checks, what: str, heard: Heard, *dns: str) -> None:
    """Observations for each node: both ports tell the same, though what a Smart Proxy tells itself has its number."""
    for node in sorted({node for _, node in heard}):
        both = {who: heard[who] for who in (("TCport", node), ("SmartProxy", node))}
        wrong = [event for event in both["SmartProxy", node] if event.source > OF_SMART_PROXY + node]
        checks.see(not wrong, f"{what}: node {node}, no other node's Smart Proxy is a source", wrong)
        same(checks, f"{what}: node {node}, as its TCport tells it", both, *dns, tells=plain)


def told_of_death(checks: Checks, clients: dict[Who, Client], dead: int, epoch: int) -> None:
    """Observations at the other nodes when the owner of a DN has been killed."""
    heard = {}
    for (port, node), one in clients.items():
        one.patience = REHOMED_S
        events = heard[port, node] = one.until(BACK)
        kinds = [name for name in names(events) if name in (OUT, GAP, "EventAgentLogout", BACK)]
        good = kinds == [GAP, OUT, "EventAgentLogout", BACK]
        checks.see(good, f"{port} {node}: a gap, out of service, its agent gone, back in service", names(events))
        gaps = [(event.source, event.epoch) for event in events if event.name == GAP]
        checks.see(gaps == [(dead, epoch)], f"{port} {node}: EventGap is for the node's start", gaps)
    as_at_tcport(checks, "what becomes of the DN", heard, HERE, THERE)


def goes_on(checks: Checks, desktop: Client, phone: Talking, other: Talking, caller: Talking) -> None:
    """What happens at two DNs while nobody else is there."""
    event = desktop.ask("TAgentLogin", ThisDN=phone.dn, AgentID=WHO)
    checks.event(event, f"an agent logs in at {phone.dn}", "EventAgentLogin", ThisDN=phone.dn)
    desktop.ask("TAgentSetReady", ThisDN=phone.dn)
    desktop.ask("TSetDNDOn", ThisDN=other.dn)
    desktop.ask("TSetDNDOff", ThisDN=other.dn)
    for called in (phone, other):
        call(desktop, caller, called)


def comes_back(
    checks: Checks, language: ModuleType, who: Who, cursors: list, wanted: list[Event], dead: int
) -> None:  # fmt: skip
    """Observations of a monitor of a dead node that comes back at another one's port."""
    port, node = who
    what = f"a monitor of the dead node comes back at {port} {node}"
    one, told = again(language, port, node, cursors, THERE, HERE)
    marks = [event for event in told[THERE][:-1] if event.get("ThisDN") == THERE]
    missed = [event for event in marks if event.name != "EventUserEvent"]
    wanted = [event for event in wanted if event.name != "EventUserEvent"]
    difference = differ(list(map(content, missed)), list(map(content, wanted)))
    checks.see(not difference, f"{what}: exactly what it has missed of {THERE}", difference)
    gaps = [event for event in (*told[THERE], *told[HERE]) if event.name == GAP]
    good = any(event.source == dead for event in gaps)
    # the DN whose owner has changed has one of its own
    good = good and all(event.source == dead or event.get("ThisDN") == HERE for event in gaps)
    checks.see(good, f"{what}: EventGap for what the dead node has told", [f"{gap} of {gap.source}" for gap in gaps])
    late = client(language, node, "late", PORTS[port])
    for dn in (HERE, THERE):
        view = register(late, dn)
        good = told[dn][-1].name == "EventRegistered" and facts(told[dn][-1]) == facts(view)
        checks.see(good, f"{what}: then {dn} as it is", f"{told[dn][-1]}, not {view}")
    hushed(checks, f"{what}: and nothing else", one)
    close(one, late)


def back_at_work(
    checks: Checks, language: ModuleType, dead: int, there: dict, desktop: Client, watcher: Client, phone: Talking,
    other: Talking, caller: Talking,
) -> None:  # fmt: skip
    """The ports of a node that is back."""
    news = {**there, **hearers(language, HERE, THERE, nodes=(dead,))}
    for one in (*news.values(), desktop):
        one.drain(0)
    desktop.ask("TAgentSetNotReady", ThisDN=phone.dn)
    connect(caller, phone)
    conn_id = desktop.wait("EventEstablished", ThisDN=phone.dn).get("ConnID")
    event = news["SmartProxy", dead].ask("TReleaseCall", ThisDN=phone.dn, ConnID=conn_id)
    checks.event(event, "it is back: TReleaseCall at its SmartProxy port", "EventReleased", ConnID=conn_id)
    phone.hung_up()
    caller.hung_up()
    call(desktop, caller, other)
    heard = marked(watcher, news, HERE, THERE)
    # who has asked has had the answer in place of the event
    heard["SmartProxy", dead] = sorted([*heard["SmartProxy", dead], event], key=lambda one: (one.source, one.seq))
    same(checks, "it is back: monitors there hear what all hear", heard, HERE, THERE)
    close(*(one for (_, node), one in news.items() if node == dead))


def owner_anew(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """A node is killed and back at once: a gap, its DN out of service and back in its data centre, and it goes on."""
    checks.title = "bulk registrar, owner starts anew"
    with phoned(language, (THERE, 12), (CALLER_HERE, 11)) as (phone, caller), bulk(mesh):
        watcher = client(language, 1, "watcher")
        register(watcher, THERE)
        dead = owner_of(watcher, THERE)
        there = hearers(language, THERE, nodes=[node for node in NODES if node != dead])
        mesh.kill(dead)
        mesh.again(dead)
        for one in (*there.values(), watcher):
            one.patience = REHOMED_S
        watcher.until(BACK)
        told = {who: names([*one.until(BACK), *one.drain()]) for who, one in there.items()}
        for who, heard in told.items():
            good = sorted(heard) == sorted([OUT, GAP, BACK]) and heard.index(OUT) < heard.index(BACK)
            checks.see(good, f"{who[0]} {who[1]}: out of service, a gap, back in service", heard)
        owner = owner_of(watcher, THERE)
        checks.see(NODES.get(owner) == NODES[dead], "with a node of its data centre", owner)
        more = hearers(language, THERE, nodes=(dead,))
        there.update(more)
        connect(caller, phone)
        part(caller, phone)
        watcher.wait("EventReleased", ThisDN=THERE)
        same(checks, "then all hear its calls", marked(watcher, there, THERE), THERE)
        hushed(checks, "nothing comes twice", *there.values())
        close(watcher, *there.values())


# ---- links are cut, and nodes hang


class Table:
    """How a DN is, by what a client was told of it."""

    #: Event, what it changes, and to what.
    CHANGES = (
        (BACK, "in service", True), (OUT, "in service", False), ("EventDNDOn", "dnd", 1), ("EventDNDOff", "dnd", 0),
        ("EventAgentReady", "status", 2), ("EventAgentNotReady", "status", 3), ("EventAgentLogout", "status", 0),
    )  # fmt: skip

    def __init__(self, view: Event):
        self.facts: dict[str, object] = {}
        self.take(view)

    def take(self, event: Event) -> None:
        """One event of the DN."""
        if event.name == "EventRegistered":
            told = event.get("Extensions")
            self.facts = {
                "in service": event.get("IsInService"), "dnd": of_key(told, "dnd"), "agent": event.get("AgentID"),
                "status": of_key(told, "AgentStatus"), "calls": set(calls_of(event)),
            }  # fmt: skip
        for name, fact, value in self.CHANGES:
            if event.name == name:
                self.facts[fact] = value
        after_call = event.get("AgentWorkMode") == "AgentWorkModeAfterCallWork"
        if event.name == "EventAgentNotReady" and after_call:
            self.facts["status"] = 4
        if event.name == "EventAgentLogin":
            self.facts["agent"] = event.get("AgentID")
        if event.name == "EventAgentLogout":
            self.facts["agent"] = None
        if event.name in ("EventRinging", "EventDialing", "EventEstablished"):
            self.facts["calls"] = {*self.facts["calls"], event.get("ConnID")}
        if event.name in ("EventReleased", "EventAbandoned"):
            self.facts["calls"] = self.facts["calls"] - {event.get("ConnID")}


def tables_of(clients: dict[Who, Client], *dns: str) -> dict[tuple[Who, str], Table]:
    """What each knows now, told anew."""
    return {(who, dn): Table(register(one, dn)) for who, one in clients.items() for dn in dns}


def as_it_is(
    checks: Checks, what: str, language: ModuleType, tables: dict[tuple[Who, str], Table], heard: Heard
) -> None:  # fmt: skip
    """One observation: by what he has heard each knows what EventRegistered says, at his port and at the owner's."""
    wrong = {}
    fresh = {}
    asker = client(language, 1, "fresh")
    for (who, dn), table in tables.items():
        for event in of_dn(heard[who], dn):
            table.take(event)
        for place in (who, ("TCport", owner_of(asker, dn))):
            if (place, dn) not in fresh:
                late = client(language, place[1], "fresh", PORTS[place[0]])
                fresh[place, dn] = Table(register(late, dn)).facts
                late.close()
            if table.facts != fresh[place, dn]:
                wrong[who, dn] = f"{table.facts}, not {fresh[place, dn]}: {names(of_dn(heard[who], dn))}"
    asker.close()
    checks.see(not wrong, what, f"{list(wrong)}: {list(wrong.values())[:1]}")


def links_cut(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """The links between the data centres fail and are back: the option is on, or is set at some nodes meanwhile."""
    every = tuple(mesh.processes)
    for what, before, meanwhile in (("on", every, ()), ("on at one side, then set at one node", (1, 2), (3,))):
        checks.title = f"bulk registrar, links cut, {what}"
        try:
            mesh.write(smart_proxy=True)
            mesh.reload(*before)
            with phoned(language, (HERE, 11), (THERE, 12), (CALLER_HERE, 11), (CALLER_THERE, 12)) as phones:
                cut_and_healed(checks, mesh, language, meanwhile, *phones)
        finally:
            if not all_linked(mesh):
                mesh.heal()
            mesh.configure()


def all_linked(mesh: Mesh) -> bool:
    """Whether each node says that its links are up."""
    return all(link["up"] for node in NODES for link in operated(mesh, node, "nodes")[1]["links"])


def cut_and_healed(
    checks: Checks, mesh: Mesh, language: ModuleType, meanwhile: tuple[int, ...], here: Talking, there: Talking,
    caller_here: Talking, caller_there: Talking,
) -> None:  # fmt: skip
    """A cut, what happens at both sides, and the end of it."""
    watcher = client(language, 1, "watcher")
    owners = {dn: owner_of(watcher, dn) for dn in (HERE, THERE)}
    checks.see([NODES[owner] for owner in owners.values()] == ["dc1", "dc2"], "one DN in each data centre", owners)
    agents = {HERE: WHO, THERE: OTHER}
    desktops = {dn: logged_in(language, owner, dn, agents[dn]) for dn, owner in owners.items()}
    there_all = hearers(language)
    tables = tables_of(there_all, HERE, THERE)
    connect(caller_here, there)
    desktops[THERE].wait("EventEstablished")
    away = gone_away(language, watcher, 2, THERE)
    marked(watcher, {("desktop", 0): desktops[THERE]}, THERE)
    mesh.cut()
    heard: Heard = {}
    for who, one in there_all.items():
        far = THERE if NODES[who[1]] == "dc1" else HERE
        one.patience = SILENCE_S
        heard[who] = one.until(OUT)
        checks.event(heard[who][-1], f"{who[0]} {who[1]}: the DN over there is out of service", OUT, ThisDN=far)
    mesh.reload(*meanwhile)
    desktops[THERE].ask("TAgentSetNotReady", ThisDN=THERE)
    part(caller_here, there)
    connect(caller_here, here)
    desktops[HERE].ask("TSetDNDOn", ThisDN=HERE)
    # a registration of meanwhile
    lates = hearers(language)
    late_tables = tables_of(lates, HERE, THERE)
    for (who, dn), table in late_tables.items():
        near = NODES[who[1]] == NODES[owners[dn]]
        text = f"{who[0]} {who[1]}: {dn} is {'in' if near else 'out of'} service for who comes now"
        checks.see(table.facts["in service"] == near, text, table.facts)
    mesh.heal()
    for who, one in there_all.items():
        heard[who] += one.until(BACK)
    for one in lates.values():
        one.patience = SILENCE_S
        back = one.take(lambda event: event.name == BACK, BACK)
        one.events.append(back)
    part(caller_here, here)
    desktops[HERE].wait("EventReleased", ThisDN=HERE)
    agreed(there_all, HERE, THERE)
    desktops[HERE].ask("TSetDNDOff", ThisDN=HERE)
    desktops[HERE].ask("TAgentSetNotReady", ThisDN=HERE)
    all_of_them = {**there_all, **{(f"late {port}", node): one for (port, node), one in lates.items()}}
    more = marked(watcher, all_of_them, HERE, THERE)
    for who in there_all:
        heard[who] += more[who]
        far = THERE if NODES[who[1]] == "dc1" else HERE
        kinds = [name for name in names(of_dn(heard[who], far)) if name in (OUT, BACK)]
        checks.see(kinds == [OUT, BACK], f"{who[0]} {who[1]}: out of service once, back once", kinds)
        gaps = [event.source for event in heard[who] if event.name == GAP]
        good = len(gaps) == len(set(gaps)) and all(NODES.get(one) not in (None, NODES[who[1]]) for one in gaps)
        checks.see(good, f"{who[0]} {who[1]}: EventGap for nodes over there alone, once each", gaps)
    as_it_is(checks, "each knows what a fresh EventRegistered says", language, tables, heard)
    late_heard = {who: more[f"late {who[0]}", who[1]] for who in lates}
    as_it_is(checks, "so does who has come meanwhile", language, late_tables, late_heard)
    # whether all hear the ends of calls is seen above
    passed = (GAP, "EventReleased")
    tells = {who: sorted(name for name in names(events) if name not in passed) for who, events in heard.items()}
    pairs = {node: (tells["SmartProxy", node], tells["TCport", node]) for node in NODES}
    wrong = {node: pair for node, pair in pairs.items() if pair[0] != pair[1]}
    checks.see(not wrong, "both ports of a node tell the same", wrong)
    hushed(checks, "nothing comes twice", *there_all.values(), *lates.values())
    course = of_dn(heard["TCport", owners[THERE]], THERE)
    for (port, node), cursors in away.items():
        one, told_now = again(language, port, node, cursors, THERE)
        wanted = after(course, cursors, owners[THERE])
        difference = differ(list(map(content, told_now[THERE][:-1])), list(map(content, wanted)))
        checks.see(not difference, f"{port} {node}: who was away has exactly what it has missed", difference)
        one.close()
    for dn, desktop in desktops.items():
        logged_out(checks, desktop, dn)
    close(watcher, *desktops.values(), *there_all.values(), *lates.values())


def gone_away(language: ModuleType, sender: Client, node: int, dn: str) -> dict[Who, list[object]]:
    """Clients of both ports of a node that have disconnected, and their cursors."""
    clients = hearers(language, nodes=(node,))
    views = {who: register(one, dn) for who, one in clients.items()}
    mark = [("mark", secrets.token_hex(8))]
    sender.ask("TSendUserEvent", CommunicationDN=dn, UserData=mark)
    lasts = {who: one.wait("EventUserEvent", UserData=mark) for who, one in clients.items()}
    close(*clients.values())
    return {who: last_of(language, views[who], last) for who, last in lasts.items()}


def after(course: list[Event], cursors: list, source: int) -> list[Event]:
    """What a source has told of a DN behind cursors."""
    last = next((one.Epoch, one.Seq) for one in cursors if one.Source == source)
    return [event for event in course if event.source == source and (event.epoch, event.seq) > last]


def agreed(clients: dict[Who, Client], *dns: str) -> None:
    """Until all clients are answered by the same owner of each DN, in service."""
    until = time.monotonic() + REHOMED_S
    for dn in dns:
        owners: set[int] = set()
        while len(owners) != 1 or 0 in owners:
            if time.monotonic() > until:
                raise Silence(f"owners of {dn}: {owners}")
            asked = {"ThisDN": dn, "AddressInfoType": "AddressInfoDNStatus"}
            views = [one.ask("TQueryAddress", **asked) for one in clients.values()]
            owners = {view.source if view.get("IsInService") else 0 for view in views}


def node_hangs(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """A node says nothing for a while: its own monitors know afterwards what all know, and so do the others."""
    checks.title = "bulk registrar, node hangs"
    with phoned(language, (THERE, 12), (HERE, 11), (CALLER_HERE, 11)) as (_, here, caller), bulk(mesh):
        watcher = client(language, 1, "watcher")
        hung = owner_of(watcher, THERE)
        desktop = logged_in(language, owner_of(watcher, HERE), HERE, WHO)
        clients = hearers(language)
        tables = tables_of(clients, HERE, THERE)
        mesh.hang(hung, True)
        heard: Heard = {}
        try:
            for who, one in clients.items():
                one.patience = SILENCE_S
                if who[1] != hung:
                    heard[who] = one.until(OUT)
                    checks.event(heard[who][-1], f"{who[0]} {who[1]}: out of service", OUT, ThisDN=THERE)
            desktop.ask("TAgentSetNotReady", ThisDN=HERE)
            connect(caller, here)
            desktop.ask("TSetDNDOn", ThisDN=HERE)
        finally:
            mesh.hang(hung, False)
        for who, one in clients.items():
            if who[1] != hung:
                heard[who] += one.until(BACK)
        # its own clients see the others go and come back
        for port in PORTS:
            heard[port, hung] = clients[port, hung].until(BACK)
        part(caller, here)
        desktop.wait("EventReleased", ThisDN=HERE)
        agreed(clients, HERE, THERE)
        more = marked(watcher, clients, HERE, THERE)
        for who, events in more.items():
            heard[who] += events
        as_it_is(checks, "each knows what a fresh EventRegistered says", language, tables, heard)
        hushed(checks, "nothing comes twice", *clients.values())
        desktop.ask("TSetDNDOff", ThisDN=HERE)
        logged_out(checks, desktop, HERE)
        close(watcher, desktop, *clients.values())


# ---- DNs move


def dn_moves(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """A phone goes from one data centre to the other and back, an agent and calls with it; so does a desktop's DN."""
    for what, numbers in (("on", ()), ("on at nodes 1 and 3 alone", (1, 3)), ("on at nodes 2 and 4 alone", (2, 4))):
        checks.title = f"bulk registrar, DN moves, {what}"
        with phoned(language, (FIRST, 11), (SECOND, 12)) as (phone, caller), bulk(mesh, *numbers):
            there_and_back(checks, language, phone, caller)
            by_desktops(checks, language)


def there_and_back(checks: Checks, language: ModuleType, phone: Talking, caller: Talking) -> None:
    """A phone's DN."""
    clients = hearers(language)
    tables = tables_of(clients, FIRST)
    desktop = client(language, 2)
    register(desktop, FIRST)
    heard: Heard = {}
    for proxy in (12, 11, 12, 11):
        agreed(clients, FIRST)
        event = desktop.ask("TAgentLogin", ThisDN=FIRST, AgentID=WHO)
        checks.event(event, f"login before it goes to the proxy {proxy}", "EventAgentLogin", AgentID=WHO)
        desktop.ask("TAgentSetReady", ThisDN=FIRST)
        call(desktop, caller, phone)
        # each has heard of its end before it goes: what comes at once is a scene of its own
        for who, events in marked(desktop, clients, FIRST).items():
            heard.setdefault(who, []).extend(events)
        phone.proxy = (f"127.0.0.{proxy}", 5060)
        phone.register()
        desktop.wait("EventAgentLogout", ThisDN=FIRST)
        moved_to(desktop, FIRST, PROXIES[proxy])
        desktop.drain(0)
    agreed(clients, FIRST)
    call(desktop, caller, phone)
    for who, events in marked(desktop, clients, FIRST).items():
        heard[who] += events
    as_at_tcport(checks, "all of it", heard, FIRST)
    same(checks, "all nodes tell the same", heard, FIRST, tells=plain)
    calls = [event for event in heard["SmartProxy", 1] if event.name == "EventReleased"]
    checks.see(len(calls) == 5, "each call is told once", len(calls))
    as_it_is(checks, "each knows what a fresh EventRegistered says", language, tables, heard)
    hushed(checks, "nothing comes twice", *clients.values())
    close(desktop, *clients.values())


def moves_behind_call(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """A phone registers in the other data centre during its call: the DN goes with the end of it, which all hear."""
    for what in ("off", "on"):
        checks.title = f"bulk registrar, DN moves behind a call, {what}"
        with bulk(mesh, is_on=what == "on"), phoned(language, (FIRST, 11), (SECOND, 12)) as phones:
            often_behind_call(checks, language, *phones)


def often_behind_call(checks: Checks, language: ModuleType, phone: Talking, caller: Talking) -> None:
    """From one data centre to the other and back, a call each time."""
    clients = hearers(language, FIRST)
    desktop = client(language, 2)
    register(desktop, FIRST)
    ids = []
    for number in range(MOVES):
        agreed(clients, FIRST)
        connect(caller, phone)
        ids.append(desktop.wait("EventEstablished").get("ConnID"))
        phone.proxy = (f"127.0.0.{12 - number % 2}", 5060)
        phone.register()
        part(caller, phone)
        moved_to(desktop, FIRST, "dc1" if number % 2 else "dc2")
    agreed(clients, FIRST)
    heard = marked(desktop, clients, FIRST)
    wrong: dict[Who, list] = {}
    for who, events in heard.items():
        for number, conn_id in enumerate(ids):
            course = names([event for event in events if event.get("ConnID") == conn_id])
            if course != CALLED:
                wrong.setdefault(who, []).append((number, course))
    lost = {who: len(faults) for who, faults in wrong.items()}
    checks.see(not wrong, f"{MOVES} calls are told whole, once", f"not so many: {lost}; {list(wrong.values())[:1]}")
    hushed(checks, "nothing comes twice", *clients.values())
    close(desktop, *clients.values())


def moved_to(desktop: Client, dn: str, location: str) -> None:
    """Until a node of this data centre owns the DN."""
    until = time.monotonic() + REHOMED_S
    while NODES.get(owner_of(desktop, dn)) != location:
        if time.monotonic() > until:
            raise Silence(f"{dn} does not come to {location}")


def by_desktops(checks: Checks, language: ModuleType) -> None:
    """A DN that is owned where a desktop is."""
    clients = hearers(language, DESK)
    heard: Heard = {}
    for node in (1, 4, 2, 3):
        desktop = client(language, node)
        register(desktop, DESK)
        heard = {who: [*heard.get(who, []), *one.until(BACK)] for who, one in clients.items()}
        desktop.ask("TAgentLogin", ThisDN=DESK, AgentID=OTHER)
        desktop.ask("TSetDNDOn", ThisDN=DESK)
        desktop.ask("TSetDNDOff", ThisDN=DESK)
        desktop.ask("TAgentLogout", ThisDN=DESK)
        desktop.ask("TUnregisterAddress", ThisDN=DESK)
        desktop.close()
        heard = {who: [*heard[who], *one.until(OUT)] for who, one in clients.items()}
    wanted = [BACK, "EventAgentLogin", "EventAgentNotReady", "EventDNDOn", "EventDNDOff", "EventAgentLogout", OUT] * 4
    wrong = {who: names(events) for who, events in heard.items() if names(events) != wanted}
    checks.see(not wrong, "a DN without a phone: with each desktop it comes and goes", wrong)
    hushed(checks, "a DN without a phone: nothing comes twice", *clients.values())
    close(*clients.values())


# ---- what operators see


def rows_of_nodes(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """`nodes` shows the Smart Proxies apart from the T-Controllers, and the clients of their ports."""
    checks.title = "bulk registrar, nodes"
    for what in ("off", "on"):
        with bulk(mesh, is_on=what == "on"):
            watchers = hearers(language, FIRST, SECOND)
            for node in NODES:
                said = operated(mesh, node, "nodes")[1]
                links = sorted(link["node_id"] for link in said["links"])
                good = links == [one for one in NODES if one != node]
                checks.see(good, f"{what}, node {node}: links to T-Controllers", links)
                proxies = {row["node_id"]: row for row in said["smart_proxies"]}
                good = len(said["smart_proxies"]) == len(proxies) and sorted(proxies) == list(NODES)
                checks.see(good, f"{what}, node {node}: a row for each Smart Proxy", sorted(proxies))
                wrong = [one for one, row in proxies.items() if not row["up"] or row["geo_location"] != NODES[one]]
                checks.see(not wrong, f"{what}, node {node}: all are up, each in its data centre", wrong)
                clients = sorted((row["application"], row["port"], row["dns"]) for row in said["clients"])
                wanted = [("stat-server", port, 2) for port in PORTS]
                checks.see(clients == wanted, f"{what}, node {node}: its clients with their ports", clients)
            close(*watchers.values())
    mesh.kill(3)
    try:
        down = rows_down(mesh, [("links", 3), ("smart_proxies", 3)])
        checks.see(down == [("links", 3), ("smart_proxies", 3)], "a node that was killed is down in both", down)
    finally:
        mesh.again(3)
    down = rows_down(mesh, [])
    checks.see(not down, "and up in both when it is back", down)


def rows_down(mesh: Mesh, wanted: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Rows of the first node that are down, when they are those that are wanted or time is over."""
    until = time.monotonic() + REHOMED_S
    while True:
        said = operated(mesh, 1, "nodes")[1]
        down = [(kind, row["node_id"]) for kind in ("links", "smart_proxies") for row in said[kind] if not row["up"]]
        if down == wanted or time.monotonic() > until:
            return down


SCENES = (owner_killed, owner_anew, links_cut, node_hangs, dn_moves, moves_behind_call, rows_of_nodes)
