"""Smart Proxies as bulk registrars: monitors hear what the TCport tells, whatever is changed, killed or cut."""

import secrets
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from client import LENGTH, Client, Event, Silence, has_bit, of_key
from cluster import ROUTING_POINT, SMARTPROXY, TCPORT
from crowd import content
from desk import QUIET_S, Checks, of_dn, register
from mesh import CALL, HELD, NODES, PROXIES, REHOMED_S, SILENCE_S, Mesh, at, client, operated, owner_of
from ports import close, phones_of
from smart import CALLED, OF_AGENTS, OF_SMART_CLIENTS, OF_STREAMS, OF_SUPERVISORS, facts, names
from talk import DESCRIPTION, Talking, connect, part

PORTS = {"SmartProxy": SMARTPROXY, "TCport": TCPORT}
OUT, BACK, GAP = "EventDNOutOfService", "EventDNBackInService", "EventGap"
#: Phones of all scenes; half of those of a scene are in each data centre.
FIRST, SECOND, THIRD, FOURTH, FIFTH, SIXTH = (str(number) for number in range(7034, 7040))
HERE, THERE, CALLER_HERE, CALLER_THERE = "7012", "7013", "7019", "7029"
DESK = "8007"
#: Nobody else's in these scenes, and logged out at their ends.
WHO, OTHER = "agent-6", "agent-7"
PRIVATE = {"RegisterMode": "RegisterModePrivate"}
SEIZED = {"ErrorCode": "ErrorResourceSeized"}
MONITOR = {"RegisterMode": "RegisterModeMonitor"}
#: Between two changes of a worker, which goes on meanwhile.
PACE_S = 0.002
#: Until a connection with a node that was killed is ended.
SOON_S = 2.0
#: More than what a Smart Proxy tells by itself has in Source.
OF_SMART_PROXY = 4096
#: Registrations and their ends that are under way at once.
MANY = 40

#: Registrations for a DN and their ends, in one write, and how each is answered.
STORM = [("TRegisterAddress", {"ThisDN": FIFTH}), ("TUnregisterAddress", {"ThisDN": FIFTH})] * MANY
STORM_ANSWERS = ("EventRegistered", "EventUnregistered")
#: From one data centre to the other and back.
MOVES = 40
#: Changes of the option that nobody waits for.
FLICKERS = 24

Who = tuple[str, int]
Heard = dict[Who, list[Event]]


@contextmanager
def bulk(mesh: Mesh, *numbers: int) -> Iterator[None]:
    """With the option on, for all or for some of the nodes alone."""
    try:
        mesh.write(smart_proxy=True)
        mesh.reload(*(numbers or mesh.processes))
        yield
    finally:
        mesh.configure()


@contextmanager
def phoned(language: ModuleType, *places: tuple[str, int]) -> Iterator[list[Talking]]:
    """Phones at proxies, in service; they are gone at the end, so that another scene may have their DNs."""
    watcher = client(language, 1, "watcher")
    phones = phones_of(watcher, *places)
    watcher.close()
    try:
        yield phones
    finally:
        watcher = client(language, 1, "watcher")
        for phone in phones:
            in_service = register(watcher, phone.dn, **MONITOR).get("IsInService")
            phone.unregister()
            if in_service:
                watcher.wait(OUT, ThisDN=phone.dn)
        close(watcher, *phones)


def hearers(language: ModuleType, *dns: str, ports: tuple[str, ...] = tuple(PORTS), nodes: object = NODES) -> dict:
    """A client at these ports of these nodes, each registered for these DNs."""
    many = {(port, node): client(language, node, "stat-server", PORTS[port]) for port in ports for node in nodes}
    for one in many.values():
        for dn in dns:
            register(one, dn)
    return many


def marked(sender: Client, clients: dict[Who, Client], *dns: str) -> Heard:
    """What each has heard up to a mark that is set at these DNs now; what comes behind that stays with it."""
    mark = [("mark", secrets.token_hex(8))]
    for dn in dns:
        sender.ask("TSendUserEvent", CommunicationDN=dn, UserData=mark)
    heard = {}
    for who, one in clients.items():
        marks = [one.wait("EventUserEvent", ThisDN=dn, UserData=mark) for dn in dns]
        heard[who] = [*one.events, *marks]
        one.events.clear()
    return heard


def plain(event: Event) -> object:
    """What an event tells, whoever tells it."""
    return event.name, repr(sorted(event.attributes.items()))


def told(event: Event) -> object:
    """What is the same for all who hear it; that a DN has an owner, or none, each node tells itself."""
    return plain(event) if event.name in (OUT, BACK) else content(event)


def hushed(checks: Checks, what: str, *clients: Client) -> None:
    """One observation: these clients hear nothing; they are listened to at the same time."""
    quiet = [one.quiet(0.001 if number else QUIET_S) for number, one in enumerate(clients)]
    checks.see(all(quiet), what, "; ".join(str(event) for one in clients for event in one.events))


def differ(mine: list, theirs: list) -> str:
    """Where two courses of events begin to differ; nothing where they do not."""
    for number, (one, other) in enumerate(zip(mine, theirs, strict=False)):
        if one != other:
            return f"number {number}: {one}, not {other}"
    if len(mine) != len(theirs):
        more = (mine if len(mine) > len(theirs) else theirs)[min(len(mine), len(theirs)) :]
        return f"{len(mine)} and not {len(theirs)}: {more[:3]} are {'too many' if len(mine) > len(theirs) else 'lost'}"
    return ""


def same(checks: Checks, what: str, heard: Heard, *dns: str, tells: object = told) -> None:
    """One observation: of each of these DNs all have heard the same, in the same order."""
    wrong = {}
    first = next(who for who in heard if who[0] == "TCport")
    for who, events in heard.items():
        for dn in dns:
            mine, theirs = of_dn(events, dn), of_dn(heard[first], dn)
            if difference := differ(list(map(tells, mine)), list(map(tells, theirs))):
                wrong[who, dn] = difference
    checks.see(not wrong, what, dict(list(wrong.items())[:3]))


def as_at_tcport(checks: Checks, what: str, heard: Heard, *dns: str) -> None:
    """Observations for each node: both ports tell the same, though what a Smart Proxy tells itself has its number."""
    for node in sorted({node for _, node in heard}):
        both = {who: heard[who] for who in (("TCport", node), ("SmartProxy", node))}
        wrong = [event for event in both["SmartProxy", node] if event.source > OF_SMART_PROXY + node]
        checks.see(not wrong, f"{what}: node {node}, no other node's Smart Proxy is a source", wrong)
        same(checks, f"{what}: node {node}, as its TCport tells it", both, *dns, tells=plain)


def logged_in(language: ModuleType, node: int, dn: str, agent: str) -> Client:
    """A desktop at which an agent is ready."""
    desktop = client(language, node)
    register(desktop, dn)
    desktop.ask("TAgentLogin", ThisDN=dn, AgentID=agent)
    desktop.ask("TAgentSetReady", ThisDN=dn)
    return desktop


def logged_out(checks: Checks, desktop: Client, dn: str) -> None:
    """He leaves."""
    checks.event(desktop.ask("TAgentLogout", ThisDN=dn), "the agent leaves", "EventAgentLogout", ThisDN=dn)


def calls_of(view: Event) -> list[int]:
    """ConnIDs of the calls that an EventRegistered has."""
    return [int(key, 16) for key, _ in of_key(view.get("Extensions"), "Calls") or []]


# ---- the option is on everywhere


def bulk_tells(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """Monitors at all nodes hear agents, states and calls as the TCport tells them, from the first event on."""
    checks.title = "bulk registrar"
    early = hearers(language, FIRST, SECOND)
    with bulk(mesh):
        later = hearers(language, FIRST, SECOND)
        all_of_them = {**early, **{(f"{port}, later", node): one for (port, node), one in later.items()}}
        desktop = client(language, 3)
        one, other = phones_of(desktop, (FIRST, 11), (SECOND, 12))
        desktop.ask("TAgentLogin", ThisDN=SECOND, AgentID=WHO, Reasons=[("why", "now")])
        desktop.ask("TAgentSetReady", ThisDN=SECOND)
        desktop.ask("TAgentSetNotReady", ThisDN=SECOND, AgentWorkMode="AgentWorkModeAuxWork")
        desktop.ask("TAgentSetReady", ThisDN=SECOND)
        connect(one, other)
        desktop.wait("EventEstablished", ThisDN=SECOND)
        lates_see(checks, language, "during a call", FIRST, SECOND)
        other.change(HELD)
        one.accept(DESCRIPTION + "a=recvonly\r\n")
        other.changed()
        other.change(DESCRIPTION)
        one.accept(DESCRIPTION)
        other.changed()
        part(one, other)
        desktop.wait("EventReleased", ThisDN=SECOND)
        desktop.ask("TSetDNDOn", ThisDN=FIRST)
        desktop.ask("TCallSetForward", ThisDN=FIRST, OtherDN="7099", ForwardMode="ForwardModeOnBusy")
        desktop.ask("TAgentSetReady", ThisDN=SECOND)
        lates_see(checks, language, "after it", FIRST, SECOND)
        desktop.ask("TCallCancelForward", ThisDN=FIRST)
        desktop.ask("TSetDNDOff", ThisDN=FIRST)
        logged_out(checks, desktop, SECOND)
        heard = marked(desktop, all_of_them, FIRST, SECOND)
        same(checks, "all hear the same events with the same numbers", heard, FIRST, SECOND)
        course = heard["SmartProxy", 1]
        wanted = [BACK, "EventAgentLogin", *CALL, "EventAgentLogout"]
        seen = [name for name in names(of_dn(course, SECOND)) if name in wanted]
        checks.see(seen == wanted, "the agent and the call are among them", names(of_dn(course, SECOND)))
        wanted = {BACK, "EventDialing", "EventReleased", "EventDNDOn", "EventForwardSet", "EventForwardCancel"}
        checks.see(wanted <= set(names(of_dn(course, FIRST))), "and what is set at a DN", names(of_dn(course, FIRST)))
        for phone in (one, other):
            phone.unregister()
        for port in all_of_them.values():
            for dn in (FIRST, SECOND):
                port.wait(OUT, ThisDN=dn)
        hushed(checks, "nothing comes twice", *all_of_them.values())
        lates_see(checks, language, "without phones", FIRST, SECOND)
    close(desktop, one, other, *all_of_them.values())


def lates_see(checks: Checks, language: ModuleType, when: str, *dns: str) -> None:
    """One observation for each DN: who comes late sees the same at each port of each node."""
    lates = hearers(language)
    for dn in dns:
        views = {who: register(one, dn) for who, one in lates.items()}
        told = {who: facts(view) for who, view in views.items()}
        wrong = {who: fact for who, fact in told.items() if fact != told["TCport", 1]}
        seen = f"{wrong}, not {told['TCport', 1]}"
        checks.see(not wrong, f"{dn} {when}: who comes late sees the same everywhere", seen)
        ends = {who: (view.source, view.epoch, view.get("LastSeq")) for who, view in views.items()}
        if told["TCport", 1].get("IsInService"):
            checks.see(len(set(ends.values())) == 1, f"{dn} {when}: as of the same event of its owner", ends)
        if when == "during a call":
            checks.see(len(calls_of(views["SmartProxy", 2])) == 1, f"{dn} {when}: and the call", views["SmartProxy", 2])
    hushed(checks, f"{when}: nothing comes after EventRegistered", *lates.values())
    close(*lates.values())


def bulk_requests(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """Calls are released and data are sent from the SmartProxy port of each node; what is refused, and why."""
    checks.title = "bulk registrar, requests"
    with phoned(language, (FIRST, 11), (SECOND, 12)) as (one, other), bulk(mesh):
        desktop = client(language, 1)
        register(desktop, SECOND)
        watchers = hearers(language, SECOND)
        for node in NODES:
            released_from(checks, language, node, desktop, one, other, watchers)
            refused_at(checks, language, node)
            given_back(checks, language, node, desktop)
        close(desktop, *watchers.values())


def released_from(
    checks: Checks, language: ModuleType, node: int, desktop: Client, one: Talking, other: Talking, watchers: dict
) -> None:  # fmt: skip
    """TReleaseCall and TSendUserEvent at the SmartProxy port of a node."""
    asker = client(language, node, "dialler", SMARTPROXY)
    marked(desktop, watchers, SECOND)
    connect(one, other)
    conn_id = desktop.wait("EventEstablished", ThisDN=SECOND).get("ConnID")
    event = asker.ask("TReleaseCall", ThisDN=SECOND, ConnID=conn_id)
    checks.error(event, f"node {node}: TReleaseCall of who is not registered", "ErrorNotRegistered")
    checks.see(event.get("ThisDN") == SECOND, f"node {node}: its EventError has the ThisDN", event)
    register(asker, SECOND, **MONITOR)
    event = asker.ask("TReleaseCall", ThisDN=SECOND, ConnID=conn_id)
    checks.error(event, f"node {node}: TReleaseCall of who only monitors", "ErrorNotRegistered")
    view = register(asker, SECOND)
    checks.see(calls_of(view) == [conn_id], f"node {node}: who registers finds the call", view)
    event = asker.ask("TReleaseCall", ThisDN=SECOND)
    checks.error(event, f"node {node}: TReleaseCall of no call", "ErrorInvalidAttribute")
    event = asker.ask("TReleaseCall", ThisDN=SECOND, ConnID=conn_id + 1)
    checks.error(event, f"node {node}: TReleaseCall of another call", "ErrorInvalidConnID")
    told = asker.ask("TReleaseCall", ThisDN=SECOND, ConnID=conn_id)
    checks.event(told, f"node {node}: TReleaseCall", "EventReleased", ThisDN=SECOND, ConnID=conn_id)
    one.hung_up()
    other.hung_up()
    desktop.wait("EventReleased", ThisDN=SECOND)
    event = asker.ask("TReleaseCall", ThisDN=SECOND, ConnID=conn_id)
    checks.error(event, f"node {node}: TReleaseCall of a call that is over", "ErrorInvalidConnID")
    data = [("from", node), ("list", [("deep", b"\0\xff"), ("empty", "")])]
    event = asker.ask("TSendUserEvent", CommunicationDN=SECOND, UserData=data)
    checks.event(event, f"node {node}: TSendUserEvent", "EventACK")
    event = asker.wait("EventUserEvent")
    good = event.get("UserData") == data and event.reference == 0 and event.seq > 0
    checks.see(good, f"node {node}: who has sent it hears it", event)
    hushed(checks, f"node {node}: the answers are all that comes to who has asked", asker)
    heard = marked(desktop, watchers, SECOND)
    same(checks, f"node {node}: all hear the same of it", heard, SECOND)
    events = heard["SmartProxy", 1]
    wanted = ["EventRinging", "EventEstablished", "EventReleased", "EventUserEvent", "EventUserEvent"]
    good = names(events) == wanted and (events[2].seq, plain(events[2])) == (told.seq, plain(told))
    checks.see(good and not any(event.reference for event in events), f"node {node}: others hear it once", events)
    asker.close()
    desktop.drain(0)


def refused_at(checks: Checks, language: ModuleType, node: int) -> None:
    """Requests of agents, supervisors, smart clients and collectors, and those for DNs that are not there."""
    one = Client(language)
    bits = one.connect(f"127.0.0.{node}", SMARTPROXY, "stat-server").get("ServerCapabilityMask")
    register(one, SECOND)
    kinds = language.DESCRIPTOR.enum_types_by_name["RequestType"].values_by_name
    refused = (*OF_AGENTS, *OF_SUPERVISORS, *OF_SMART_CLIENTS, *OF_STREAMS)
    wrong = [kind for kind in refused if has_bit(bits, kinds[kind].number)]
    checks.see(not wrong, f"node {node}: ServerCapabilityMask has nothing of agents", wrong)
    for kind, value in kinds.items():
        if value.number and not has_bit(bits, value.number):
            event = one.ask(kind, ThisDN=SECOND, AgentID=WHO, OtherDN=FIRST)
            if not event.fits("EventError", {"ErrorCode": "ErrorUnsupportedOperation"}):
                checks.error(event, f"node {node}: {kind}, which is not in the mask", "ErrorUnsupportedOperation")
    event = one.ask("TAgentLogin", ThisDN=SECOND, AgentID=WHO)
    checks.error(event, f"node {node}: TAgentLogin", "ErrorUnsupportedOperation")
    event = one.ask("TRegisterAddress", ThisDN="nobody")
    checks.error(event, f"node {node}: a DN that is not there", "ErrorNotConfigured")
    checks.error(one.ask("TRegisterAddress"), f"node {node}: no DN", "ErrorInvalidAttribute")
    checks.error(one.ask("TUnregisterAddress", ThisDN=FIRST), f"node {node}: a DN of others", "ErrorNotRegistered")
    hushed(checks, f"node {node}: what is refused changes nothing", one)
    one.close()


def given_back(checks: Checks, language: ModuleType, node: int, desktop: Client) -> None:
    """TUnregisterAddress, and what comes after it."""
    one, second = (client(language, node, "stat-server", SMARTPROXY) for _ in range(2))
    for monitor in (one, second):
        register(monitor, SECOND)
    desktop.ask("TSetDNDOn", ThisDN=SECOND)
    one.wait("EventDNDOn")
    event = one.ask("TUnregisterAddress", ThisDN=SECOND)
    checks.event(event, f"node {node}: TUnregisterAddress", "EventUnregistered", ThisDN=SECOND)
    event = one.ask("TUnregisterAddress", ThisDN=SECOND)
    checks.error(event, f"node {node}: TUnregisterAddress again", "ErrorNotRegistered")
    desktop.ask("TSetDNDOff", ThisDN=SECOND)
    second.wait("EventDNDOff")
    hushed(checks, f"node {node}: nothing comes after it", one)
    heard = names(second.drain(0))
    checks.see(heard == ["EventDNDOn"], f"node {node}: another one hears on", heard)
    view = register(one, SECOND)
    checks.see(of_key(view.get("Extensions"), "dnd") == 0, f"node {node}: who comes back sees how it is", view)
    desktop.ask("TSetDNDOn", ThisDN=SECOND)
    desktop.ask("TSetDNDOff", ThisDN=SECOND)
    heard = names([one.wait(name) for name in ("EventDNDOn", "EventDNDOff")])
    checks.see(len(heard) == 2, f"node {node}: and hears again")
    hushed(checks, f"node {node}: once", one)
    close(one, second)
    desktop.drain(0)


def at_once(one: Client, *requests: tuple[str, dict]) -> list[int]:
    """Requests in one write; their ReferenceIDs."""
    data, references = b"", []
    for kind, attributes in requests:
        request = one.next_request(kind, **attributes)
        body = one.language.Frame(Request=request).SerializeToString()
        data += LENGTH.pack(len(body)) + body
        references.append(request.ReferenceID)
    one.send_bytes(data)
    return references


def bulk_pipelined(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """Requests for a DN that are sent at once are worked on in order, each answered once."""
    checks.title = "bulk registrar, requests at once"
    for what, numbers in (("on", ()), ("on at nodes 1 and 3 alone", (1, 3))):
        with phoned(language, (FIRST, 11), (SECOND, 12)) as phones, bulk(mesh, *numbers):
            desktop = client(language, 4)
            register(desktop, SECOND)
            for node in NODES:
                together(checks, language, f"{what}, node {node}", node, desktop, *phones)
            desktop.close()


def together(
    checks: Checks, language: ModuleType, what: str, node: int, desktop: Client, one: Talking, other: Talking
) -> None:  # fmt: skip
    """What a monitor of a node sends at once."""
    monitor = client(language, node, "stat-server", SMARTPROXY)
    this = {"ThisDN": SECOND}
    begin, end = ("TRegisterAddress", this), ("TUnregisterAddress", this)
    send = ("TSendUserEvent", {"CommunicationDN": SECOND, "UserData": [("who", "myself")]})
    answers(checks, monitor, f"{what}: register, unregister", [begin, end], ["EventRegistered", "EventUnregistered"])
    desktop.ask("TSendUserEvent", CommunicationDN=SECOND)
    hushed(checks, f"{what}: it is registered no more", monitor)
    wanted = ["EventRegistered", "EventUnregistered"] * MANY
    answers(checks, monitor, f"{what}: the same {MANY} times", [begin, end] * MANY, wanted)
    wanted = ["ErrorNotRegistered", "EventRegistered", "EventRegistered", "EventACK"]
    wanted += ["EventUnregistered", "ErrorNotRegistered", "EventACK"]
    events = answers(checks, monitor, f"{what}: out of turn", [end, begin, begin, send, end, end, send], wanted)
    users = [number for number, event in enumerate(events) if event.name == "EventUserEvent"]
    unregistered = [number for number, event in enumerate(events) if event.name == "EventUnregistered"]
    good = len(users) == 1 and users[0] < unregistered[0]
    checks.see(good, f"{what}: what is sent while it is registered comes, before it is not", names(events))
    connect(one, other)
    conn_id = desktop.wait("EventEstablished", ThisDN=SECOND).get("ConnID")
    release = ("TReleaseCall", {**this, "ConnID": conn_id})
    wanted = ["EventRegistered", "EventReleased"]
    events = answers(checks, monitor, f"{what}: register, release", [begin, release], wanted)
    view = next(event for event in events if event.name == "EventRegistered")
    checks.see(calls_of(view) == [conn_id], f"{what}: EventRegistered has the call that is released then", view)
    one.hung_up()
    other.hung_up()
    dns = [str(number) for number in range(7001, 7100)]
    begun = [("TRegisterAddress", {"ThisDN": dn}) for dn in dns]
    answers(checks, monitor, f"{what}: all DNs", begun, ["EventRegistered"] * len(dns))
    ended = [("TUnregisterAddress", {"ThisDN": dn}) for dn in dns]
    answers(checks, monitor, f"{what}: and back", ended, ["EventUnregistered"] * len(dns))
    hushed(checks, f"{what}: nothing comes after it", monitor)
    hasty = client(language, node, "stat-server", SMARTPROXY)
    at_once(hasty, *begun, *ended, *begun)
    hasty.close()
    view = register(monitor, SECOND)
    checks.event(view, f"{what}: one that does not wait does no harm", "EventRegistered", IsInService=True)
    monitor.close()
    desktop.drain(0)


def answers(
    checks: Checks, one: Client, what: str, requests: list[tuple[str, dict]], wanted: list[str]
) -> list[Event]:  # fmt: skip
    """One observation: how requests that are sent at once are answered; all that has come, in order."""
    references = at_once(one, *requests)
    events = []
    while not set(references) <= {event.reference for event in events}:
        events.append(one.next())
    events += one.drain(0.1)
    answered = [[event for event in events if event.reference == number] for number in references]
    seen = [[event.get("ErrorCode") or event.name for event in mine] for mine in answered]
    checks.see(seen == [[name] for name in wanted], what, f"{seen}, not {wanted}")
    if len({attributes.get("ThisDN") for _, attributes in requests}) == 1:
        order = [event.reference for event in events if event.reference]
        checks.see(order == references, f"{what}: in order", order)
    return events


# ---- the option changes


class Worker(threading.Thread):
    """Changes DNs and an agent's state again and again until it is told to end."""

    def __init__(self, desktop: Client, agent: str, *dns: str):
        super().__init__(daemon=True)
        self.desktop = desktop
        self.agent = agent
        self.dns = dns
        self.over = threading.Event()
        self.changes = 0
        self.failed: object = None

    def run(self) -> None:
        """Until it is over, and until all is as it was."""
        try:
            while not self.over.is_set():
                self.change()
        except Exception as error:  # whatever it is, the scene tells it
            self.failed = error

    def change(self) -> None:
        """Each is changed there and back."""
        for state, ready in (("TSetDNDOn", "TAgentSetNotReady"), ("TSetDNDOff", "TAgentSetReady")):
            for kind, dn in (*((state, dn) for dn in self.dns), (ready, self.agent)):
                answer = self.desktop.ask(kind, ThisDN=dn)
                if answer.name == "EventError":
                    self.failed = answer
                self.desktop.events.clear()
                self.changes += 1
                self.over.wait(PACE_S)

    def end(self) -> int:
        """Ends it; how much it has changed."""
        self.over.set()
        self.join(timeout=10)
        return self.changes


class Coming:
    """A monitor that registers for a DN and gives it back again and again."""

    def __init__(self, language: ModuleType, node: int, dn: str):
        self.dn = dn
        self.client = client(language, node, "coming", SMARTPROXY)
        #: From an EventRegistered to what comes before EventUnregistered.
        self.times: list[tuple[Event, list[Event]]] = []
        self.view: Event | None = None

    def turn(self) -> None:
        """Comes, or goes."""
        if self.view is None:
            self.view = register(self.client, self.dn)
            return
        reference = self.client.request("TUnregisterAddress", ThisDN=self.dn)
        self.client.answer_of(reference)
        self.times.append((self.view, list(self.client.events)))
        self.client.events.clear()
        self.view = None

    def faults(self, course: list[Event]) -> list[str]:
        """Times in which it has not heard what the DN's course has behind its EventRegistered."""
        wrong = []
        for number, (view, events) in enumerate(self.times):
            behind = behind_view(course, view)[: len(events)]
            if difference := differ(list(map(content, events)), list(map(content, behind))):
                wrong.append(f"time {number}: {difference}")
        return wrong


def behind_view(course: list[Event], view: Event) -> list[Event]:
    """What a DN's course has behind an EventRegistered for it."""
    last = (view.source, view.epoch, view.get("LastSeq"))
    return [event for event in course if (event.source, event.epoch, event.seq) > last and event.source == view.source]


def option_changes(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """The option is set and taken back, at all nodes and at some, while calls and agents go on: nothing is missed."""
    checks.title = "bulk registrar, option changes"
    dns = (FIRST, SECOND, THIRD, FOURTH, FIFTH, SIXTH)
    with phoned(language, *((dn, 11 + number % 2) for number, dn in enumerate(dns))) as phones:
        changed_often(checks, mesh, language, phones, dns)


def changed_often(
    checks: Checks, mesh: Mesh, language: ModuleType, phones: list[Talking], dns: tuple[str, ...]
) -> None:  # fmt: skip
    """All that goes on, and what is heard of it."""
    desktop = client(language, 2)
    agent = logged_in(language, 3, SECOND, WHO)
    for dn in (FIFTH, SIXTH):
        register(agent, dn)
    agent.drain()
    there = hearers(language, *dns)
    comers = [Coming(language, node, FIFTH) for node in NODES]
    hasty, unanswered = [client(language, node, "hasty", SMARTPROXY) for node in NODES], []
    lates: list[tuple[Who, Client, dict[str, Event]]] = []
    calls = 0
    worker = Worker(agent, SECOND, FIFTH, SIXTH)
    worker.start()
    every = tuple(mesh.processes)
    try:
        for number, (is_on, nodes) in enumerate((
            (True, every), (False, every), (True, (1,)), (True, (3,)), (True, (2, 4)), (False, (1, 2)), (False, (3, 4)),
            (True, (2, 3)), (False, (3,)), (True, every), (False, every), (True, every), (True, every), (False, (4,)),
        )):  # fmt: skip
            caller, called = phones[number % 2], phones[2 + number % 2]
            if number % 3:
                connect(caller, called)
            asked = {one: at_once(one, *STORM) for one in hasty}
            mesh.write(smart_proxy=is_on)
            mesh.reload(*nodes)
            unanswered += [fault for one, references in asked.items() for fault in faults_of(one, references)]
            for comer in comers:
                comer.turn()
            node = 1 + number % 4
            for port in PORTS:
                late = client(language, node, "late", PORTS[port])
                lates.append(((port, node), late, {dn: register(late, dn) for dn in dns}))
            if not number % 3:
                connect(caller, called)
            part(caller, called)
            calls += 1
        flickers(mesh)
    finally:
        changes = worker.end()
        mesh.configure()
    checks.see(not unanswered, "requests that are under way then are answered once, in order", unanswered[:3])
    checks.see(not worker.failed, f"{changes} changes and {calls} calls meanwhile", worker.failed)
    logged_out(checks, agent, SECOND)
    for comer in comers:
        comer.turn() if comer.view else None
    heard = marked(desktop, {**there, **{("late", number): one for number, (_, one, _) in enumerate(lates)}}, *dns)
    late_heard = {number: heard.pop(("late", number)) for number in range(len(lates))}
    checks.see(all(len(of_dn(events, FIFTH)) > changes // 4 for events in heard.values()), "all hear much of it")
    gaps = {who: event for who, events in heard.items() for event in events if event.name == GAP}
    checks.see(not gaps, "nobody is told of a gap", gaps)
    same(checks, "all hear the same, whatever the option was", heard, *dns)
    courses = {dn: of_dn(heard["TCport", 1], dn) for dn in dns}
    mine = [event for dn in (THIRD, FOURTH) for event in courses[dn] if event.name == "EventReleased"]
    checks.see(len(mine) == calls, "each call is told once", len(mine))
    wrong = [fault for comer in comers for fault in comer.faults(courses[FIFTH])]
    checks.see(not wrong, "who comes and goes hears all of his time", wrong[:2])
    wrong = {}
    for number, (who, _, views) in enumerate(lates):
        for dn, course in courses.items():
            pair = (of_dn(late_heard[number], dn), behind_view(course, views[dn]))
            if difference := differ(*(list(map(content, events)) for events in pair)):
                wrong[number, who, dn] = difference
    checks.see(not wrong, "who comes late hears what is behind his EventRegistered", dict(list(wrong.items())[:3]))
    hushed(checks, "nothing comes twice", *there.values(), *(one for _, one, _ in lates))
    close(desktop, agent, *there.values(), *(comer.client for comer in comers), *(one for _, one, _ in lates))
    close(*hasty)


def flickers(mesh: Mesh) -> None:
    """The option changes faster than anybody looks."""
    for number in range(FLICKERS):
        mesh.write(smart_proxy=number % 2 == 0)
        for node in NODES if number % 3 else (1 + number % len(NODES),):
            mesh.processes[node].send_signal(signal.SIGHUP)


def faults_of(one: Client, references: list[int]) -> list[str]:
    """What is wrong with the answers to requests that were sent at once."""
    answered: dict[int, list[str]] = {}
    order = []
    try:
        while len(answered) < len(references):
            event = one.next()
            if event.reference:
                order.append(event.reference)
                answered.setdefault(event.reference, []).append(event.name)
    except Silence:
        pass
    one.events.clear()
    wrong = {}
    for number, reference in enumerate(references):
        if answered.get(reference, []) != [STORM_ANSWERS[number % 2]]:
            wrong[number] = answered.get(reference, [])
    turned = [(first, second) for first, second in zip(order, order[1:]) if second < first]
    faults = [f"answered otherwise: {wrong}"] if wrong else []
    return faults + ([f"out of order, {references[0]} to {references[-1]}: {turned}"] if turned else [])


# ---- nodes are killed


def last_of(language: ModuleType, *events: Event) -> list[object]:
    """The cursors of a client that has had these."""
    last: dict[int, tuple[int, int]] = {}
    for event in events:
        seq = event.get("LastSeq") if event.name == "EventRegistered" else event.seq
        if seq and event.name != GAP:
            last[event.source] = max(last.get(event.source, (0, 0)), (event.epoch, seq))
    return [language.Cursor(Source=source, Epoch=epoch, Seq=seq) for source, (epoch, seq) in last.items()]


def again(
    language: ModuleType, port: str, node: int, cursors: list, *dns: str
) -> tuple[Client, dict[str, list[Event]]]:  # fmt: skip
    """A client comes back with its cursors; for each DN what has come up to its EventRegistered, which is the last."""
    one = client(language, node, "stat-server", PORTS[port], Cursors=cursors)
    told = {}
    for dn in dns:
        answer = one.ask("TRegisterAddress", ThisDN=dn)
        told[dn] = [*one.events, answer]
        one.events.clear()
    return one, told


def cursors_elsewhere(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """A monitor comes back at any TCport or SmartProxy port, the option changed meanwhile: exactly what it missed."""
    every = tuple(mesh.processes)
    for what, before, after_it in (
        ("set meanwhile", (False, every), (True, every)), ("taken back meanwhile", (True, every), (False, every)),
        ("on at some", (True, (1, 3)), (True, (4,))),
    ):  # fmt: skip
        checks.title = f"bulk registrar, cursors, {what}"
        try:
            with phoned(language, (FIRST, 11), (SECOND, 12)) as phones:
                reload(mesh, *before)
                came_back(checks, mesh, language, phones, after_it)
        finally:
            mesh.configure()


def reload(mesh: Mesh, smart_proxy: bool, numbers: tuple[int, ...]) -> None:
    """These processes have the option on or off."""
    mesh.write(smart_proxy=smart_proxy)
    mesh.reload(*numbers)


def came_back(
    checks: Checks, mesh: Mesh, language: ModuleType, phones: list[Talking], after_it: tuple[bool, tuple[int, ...]]
) -> None:  # fmt: skip
    """Who leaves, what happens, and who comes back where."""
    dns = (FIRST, SECOND)
    witnesses = hearers(language, *dns)
    gone = hearers(language, *dns, nodes=(1, 4))
    desktop = logged_in(language, 2, SECOND, WHO)
    register(desktop, FIRST)
    both = marked(desktop, {**witnesses, **{("gone", *who): one for who, one in gone.items()}}, *dns)
    cursors = {who: last_of(language, *both["gone", *who]) for who in gone}
    close(*gone.values())
    for number in range(MANY):
        desktop.ask("TSetDNDOn", ThisDN=dns[number % 2])
        desktop.ask("TSetDNDOff", ThisDN=dns[number % 2])
    desktop.ask("TSetDNDOff", ThisDN=FIRST)
    reload(mesh, *after_it)
    call(desktop, *phones)
    logged_out(checks, desktop, SECOND)
    heard = marked(desktop, witnesses, *dns)
    same(checks, "who was there has heard all", heard, *dns)
    for left, own in cursors.items():
        wrong = {}
        for port, node in witnesses:
            for names_first in (dns, dns[::-1]):
                one, told_now = again(language, port, node, own, *names_first)
                for dn, events in told_now.items():
                    missed = of_dn(heard["TCport", 2], dn)
                    if difference := differ(list(map(content, events[:-1])), list(map(content, missed))):
                        wrong[port, node, dn] = difference
                    if events[-1].name != "EventRegistered":
                        wrong[port, node, dn] = str(events[-1])
                if more := one.drain(0.02):
                    wrong[port, node] = f"then {names(more)}"
                one.close()
        text = f"who was at {left[0]} {left[1]} comes back anywhere, and has exactly what it has missed"
        checks.see(not wrong, text, dict(list(wrong.items())[:3]))
    hushed(checks, "nothing comes twice", *witnesses.values())
    close(desktop, *witnesses.values())


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


def call(desktop: Client, caller: Talking, called: Talking) -> None:
    """A call that is over, which the desktop has seen."""
    connect(caller, called)
    part(caller, called)
    desktop.wait("EventReleased", ThisDN=called.dn)


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
    """A node is killed and back before anybody has taken its DN: a gap, out of service and back, and it goes on."""
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
        checks.see(owner_of(watcher, THERE) == dead, "with the node that it was with")
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
    desktops[HERE].ask("TSetDNDOn", ThisDN=HERE)
    desktops[THERE].ask("TAgentSetNotReady", ThisDN=THERE)
    part(caller_here, there)
    connect(caller_here, here)
    # a registration of meanwhile
    lates = hearers(language)
    late_tables = tables_of(lates, HERE, THERE)
    for (who, dn), table in late_tables.items():
        near = NODES[who[1]] == NODES[owners[dn]]
        text = f"{who[0]} {who[1]}: {dn} is {'in' if near else 'out of'} service for who comes now"
        checks.see(table.facts["in service"] == near, text, table.facts)
    event = client(language, 2, "dialler", SMARTPROXY).ask("TRegisterAddress", ThisDN=THERE)
    checks.event(event, "and once more", "EventRegistered", IsInService=False)
    for one in (*there_all.values(), *lates.values()):
        one.patience = SILENCE_S
    mesh.heal()
    for who, one in there_all.items():
        heard[who] += [event for event in one.until(BACK)]
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
    tells = {who: sorted(names(of_dn(events, HERE)) + names(of_dn(events, THERE))) for who, events in heard.items()}
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
            desktop.ask("TSetDNDOn", ThisDN=HERE)
            desktop.ask("TAgentSetNotReady", ThisDN=HERE)
            connect(caller, here)
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
        try:
            mesh.configure(smart_proxy=what == "on")
            with phoned(language, (FIRST, 11), (SECOND, 12)) as phones:
                often_behind_call(checks, language, *phones)
        finally:
            mesh.configure()


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


# ---- private registrations


def private(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """Who is registered privately is alone but for monitors, whichever port it is and however the option is."""
    checks.title = "private at SmartProxy ports"
    with phoned(language, (FIRST, 11)):
        watcher = client(language, 1, "watcher")
        owner = owner_of(watcher, FIRST)
        watcher.close()
        in_all_modes(checks, mesh, language, owner)
        changed_meanwhile(checks, mesh, language, owner)
    unowned(checks, mesh, language)


def in_all_modes(checks: Checks, mesh: Mesh, language: ModuleType, owner: int) -> None:
    """At the SmartProxy port of the owner, far from it, and at a TCport."""
    every = tuple(mesh.processes)
    for what, is_on, numbers in (
        ("off", False, every), ("on", True, every), ("off at its owner", False, (owner,)),
        ("on at its owner alone", True, ()),
    ):  # fmt: skip
        try:
            if what == "on at its owner alone":
                mesh.configure()
                numbers = (owner,)
            mesh.write(smart_proxy=is_on)
            mesh.reload(*numbers)
            for port, node in (("SmartProxy", owner), ("SmartProxy", 4), ("TCport", 3)):
                alone(checks, language, f"{what}, {port} {node}", (port, node), FIRST)
        finally:
            if what != "on":
                mesh.configure()


def unowned(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """A DN that nobody owns, at the two ports of a node."""
    for what in ("off", "on"):
        try:
            mesh.configure(smart_proxy=what == "on")
            for port, other in (("SmartProxy", "TCport"), ("TCport", "SmartProxy")):
                holder, one = client(language, 2, "dialler", PORTS[port]), client(language, 2, "other", PORTS[other])
                register(holder, SIXTH, **PRIVATE)
                event = one.ask("TRegisterAddress", ThisDN=SIXTH)
                text = f"{what}: a DN without a phone, private at {port}, share at {other}"
                checks.error(event, text, "ErrorResourceSeized")
                close(holder, one)
        finally:
            mesh.configure()


def alone(checks: Checks, language: ModuleType, what: str, who: Who, dn: str) -> None:
    """A private registration at this port, and all others."""
    holder = client(language, who[1], "dialler", PORTS[who[0]])
    others = hearers(language)
    beside = []
    for (port, node), one in others.items():
        until_free(one, dn)
        if not holder.ask("TRegisterAddress", ThisDN=dn, **PRIVATE).fits("EventError", SEIZED):
            beside.append(f"{port} {node}")
            holder.ask("TUnregisterAddress", ThisDN=dn)
        one.ask("TUnregisterAddress", ThisDN=dn)
    checks.see(not beside, f"{what}: not beside a share at any port", beside)
    event = until_free(holder, dn, **PRIVATE)
    checks.event(event, f"{what}: private where nobody is", "EventRegistered", ThisDN=dn)
    seized(checks, what, others, dn)
    for one in others.values():
        one.ask("TRegisterAddress", ThisDN=dn, **MONITOR)
    heard = marked(holder, {**others, ("holder", 0): holder}, dn)
    good = all(len(events) == 1 for events in heard.values())
    checks.see(good, f"{what}: what it sends is heard by it and by monitors at all ports", heard)
    for one in others.values():
        one.ask("TUnregisterAddress", ThisDN=dn)
    event = holder.ask("TRegisterAddress", ThisDN=dn)
    checks.event(event, f"{what}: it shares from now on", "EventRegistered", ThisDN=dn)
    wrong = [one for one, other in others.items() if other.ask("TRegisterAddress", ThisDN=dn).name != "EventRegistered"]
    checks.see(not wrong, f"{what}: all others do", wrong)
    for one in others.values():
        one.ask("TUnregisterAddress", ThisDN=dn)
    register(holder, dn, **PRIVATE)
    holder.close()
    port, node = next(one for one in others if one[1] != who[1])
    free = until_free(others[port, node], dn)
    checks.event(free, f"{what}: it has gone, and {port} {node} shares", "EventRegistered", ThisDN=dn)
    close(*others.values())


def seized(checks: Checks, what: str, others: dict[Who, Client], dn: str) -> None:
    """One observation: nobody else may share the DN or have it alone."""
    wrong = {}
    for who, one in others.items():
        for mode in ({}, PRIVATE):
            event = one.ask("TRegisterAddress", ThisDN=dn, **mode)
            if not event.fits("EventError", SEIZED):
                wrong[who] = event.name
                one.ask("TUnregisterAddress", ThisDN=dn)
    checks.see(not wrong, f"{what}: no other shares it or has it alone", wrong)


def until_free(one: Client, dn: str, **attributes: object) -> Event:
    """Registers for a DN that another one has just left, which its owner comes to know."""
    for _ in range(100):
        event = one.ask("TRegisterAddress", ThisDN=dn, **attributes)
        if event.name == "EventRegistered":
            break
        one.quiet(0.02)
    return event


def changed_meanwhile(checks: Checks, mesh: Mesh, language: ModuleType, owner: int) -> None:
    """The option changes while a DN is registered privately."""
    for node in (owner, 4):
        holder = client(language, node, "dialler", SMARTPROXY)
        others = hearers(language)
        event = holder.ask("TRegisterAddress", ThisDN=FIRST, **PRIVATE)
        checks.event(event, f"node {node}: before the option changes", "EventRegistered", ThisDN=FIRST)
        try:
            for is_on in (True, False, True):
                mesh.configure(smart_proxy=is_on)
                text = f"node {node}, the option is {'set' if is_on else 'taken back'} meanwhile"
                seized(checks, text, others, FIRST)
            for one in others.values():
                register(one, FIRST, **MONITOR)
            holder.ask("TUnregisterAddress", ThisDN=FIRST)
            shared = {who: one.ask("TRegisterAddress", ThisDN=FIRST).name for who, one in others.items()}
            wrong = [who for who, name in shared.items() if name != "EventRegistered"]
            checks.see(not wrong, f"node {node}: it is free when it is given back", wrong)
        finally:
            mesh.configure()
        event = holder.ask("TRegisterAddress", ThisDN=FIRST, **PRIVATE)
        checks.error(event, f"node {node}: private beside those, the option taken back", "ErrorResourceSeized")
        close(holder, *others.values())


# ---- messages between clients, and what operators see


def messages(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """Clients of the SmartProxy port and of the TCport reach each other, by a routing point and by DNs."""
    checks.title = "messages between ports"
    for what in ("off", "on"):
        with phoned(language, (FIRST, 11), (SECOND, 12)):
            try:
                mesh.configure(smart_proxy=what == "on")
                both = hearers(language, ROUTING_POINT, FIRST, SECOND, SIXTH)
                for sender in both:
                    for dn in (FIRST, SECOND):
                        reaches(checks, f"{what}: by {dn}", sender, dn, both)
                    own = {who: one for who, one in both.items() if who[1] == sender[1]}
                    reaches(checks, f"{what}: by a routing point", sender, ROUTING_POINT, own)
                lacks = {sender: lacking(both, sender, SIXTH) for sender in both if sender[1] in (1, 4)}
                wrong = {sender: readers for sender, readers in lacks.items() if readers}
                checks.see(not wrong, f"{what}: by a DN without a phone, both ports of a node", wrong)
                close(*both.values())
            finally:
                mesh.configure()


def reaches(checks: Checks, what: str, sender: Who, dn: str, clients: dict[Who, Client]) -> None:
    """One observation: what is sent at a port of a node is heard by these clients, once."""
    data = [("by", dn), ("number", secrets.token_hex(4))]
    event = clients[sender].ask("TSendUserEvent", CommunicationDN=dn, UserData=data)
    heard = {}
    for who, one in clients.items():
        one.wait("EventUserEvent", ThisDN=dn, UserData=data)
        # what came twice is there with the next one at the latest
        heard[who] = [*one.events]
        one.events.clear()
    good = event.name == "EventACK" and not any(heard.values())
    checks.see(good, f"{what}, sent at {sender[0]} {sender[1]}", f"{event}: {heard}")


def lacking(clients: dict[Who, Client], sender: Who, dn: str) -> list[Who]:
    """Those at the sender's node who do not hear what is sent."""
    clients[sender].ask("TSendUserEvent", CommunicationDN=dn)
    heard = {}
    for who in (one for one in clients if one[1] == sender[1]):
        heard[who] = names(clients[who].drain(0.01 if heard else QUIET_S))
    return [who for who, events in heard.items() if events != ["EventUserEvent"]]


def rows_of_nodes(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """`nodes` shows the Smart Proxies apart from the T-Controllers, and the clients of their ports."""
    checks.title = "bulk registrar, nodes"
    for what in ("off", "on"):
        try:
            mesh.configure(smart_proxy=what == "on")
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
        finally:
            mesh.configure()
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


SCENES = (
    bulk_tells, bulk_requests, bulk_pipelined, option_changes, private, messages, cursors_elsewhere, owner_killed,
    owner_anew, links_cut, node_hangs, dn_moves, moves_behind_call, rows_of_nodes,
)  # fmt: skip
