"""Smart Proxies as bulk registrars: monitors hear what the TCport tells, whatever the option is set to meanwhile."""

import secrets
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from client import LENGTH, Client, Event, Silence, has_bit, of_key
from cluster import RELOADED, SMARTPROXY, TCPORT
from crowd import content
from desk import QUIET_S, Checks, of_dn, register
from mesh import CALL, HELD, NODES, Mesh, client
from ports import close, phones_of
from smart import OF_AGENTS, OF_SMART_CLIENTS, OF_STREAMS, OF_SUPERVISORS, facts, names
from talk import DESCRIPTION, Talking, connect, part

PORTS = {"SmartProxy": SMARTPROXY, "TCport": TCPORT}
OUT, BACK, GAP = "EventDNOutOfService", "EventDNBackInService", "EventGap"
#: Phones of all scenes; half of those of a scene are in each data centre.
FIRST, SECOND, THIRD, FOURTH, FIFTH, SIXTH = (str(number) for number in range(7034, 7040))
#: Nobody else's in these scenes, and logged out at their ends.
WHO, OTHER = "agent-6", "agent-7"
MONITOR = {"RegisterMode": "RegisterModeMonitor"}
#: Until the owner of a DN, which is in service by then, knows its clients at all nodes.
ATTACHED_S = 1.0
#: Between two changes of a worker, which goes on meanwhile.
PACE_S = 0.002
#: Registrations and their ends that are under way at once.
MANY = 40

#: Registrations for a DN and their ends, in one write, and how each is answered.
STORM = [("TRegisterAddress", {"ThisDN": FIFTH}), ("TUnregisterAddress", {"ThisDN": FIFTH})] * MANY
STORM_ANSWERS = ("EventRegistered", "EventUnregistered")
STORMS = 40
#: Changes of the option that nobody waits for.
FLICKERS = 24

Who = tuple[str, int]
Heard = dict[Who, list[Event]]


@contextmanager
def bulk(mesh: Mesh, *numbers: int, is_on: bool = True) -> Iterator[None]:
    """With the option on, for all or for some of the nodes alone, or off."""
    try:
        mesh.write(smart_proxy=is_on)
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


def call(desktop: Client, caller: Talking, called: Talking) -> None:
    """A call that is over, which the desktop has seen."""
    connect(caller, called)
    part(caller, called)
    desktop.wait("EventReleased", ThisDN=called.dn)


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
        # who comes to the owner after the login has no event of it
        time.sleep(ATTACHED_S)
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
            mesh.write(smart_proxy=is_on)
            mesh.reload(*nodes)
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


def flickers(mesh: Mesh) -> None:
    """The option changes faster than anybody looks."""
    for number in range(FLICKERS):
        mesh.write(smart_proxy=number % 2 == 0)
        for node in NODES if number % 3 else (1 + number % len(NODES),):
            mesh.processes[node].send_signal(signal.SIGHUP)


def option_in_storm(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """The option changes while registrations and their ends are under way: each is answered once, in order."""
    checks.title = "bulk registrar, option changes in a storm"
    with phoned(language, (FIFTH, 11)):
        hasty = {node: client(language, node, "hasty", SMARTPROXY) for node in NODES}
        wrong = []
        try:
            for number in range(STORMS):
                mesh.write(smart_proxy=number % 2 == 0)
                before = {node: mesh.log(node).count(RELOADED) for node in NODES}
                asked = {node: [] for node in NODES}
                for node in NODES:
                    mesh.processes[node].send_signal(signal.SIGHUP)
                while any(mesh.log(node).count(RELOADED) == count for node, count in before.items()):
                    for node, one in hasty.items():
                        asked[node] += at_once(one, *STORM)
                for node, one in hasty.items():
                    asked[node] += at_once(one, *STORM)
                wrong += [f"{node}: {fault}" for node, own in asked.items() for fault in faults_of(hasty[node], own)]
        finally:
            mesh.configure()
        checks.see(not wrong, "each is answered once, in order", f"{len(wrong)} times not: {wrong[:3]}")
        sender = client(language, 1, "sender")
        sender.ask("TSendUserEvent", CommunicationDN=FIFTH)
        hushed(checks, "nobody is registered then", *hasty.values())
        for one in hasty.values():
            register(one, FIFTH)
        heard = marked(sender, {("SmartProxy", node): one for node, one in hasty.items()}, FIFTH)
        good = all(len(events) == 1 for events in heard.values())
        checks.see(good, "who registers then hears once", heard)
        close(sender, *hasty.values())


def faults_of(one: Client, references: list[int]) -> list[str]:
    """What is wrong with the answers to requests that were sent at once."""
    answered: dict[int, list[str]] = {}
    order = []
    try:
        while len(answered) < len(references):
            event = one.next()
            if event.reference:
                order.append(event.reference)
                answered.setdefault(event.reference, []).append(event.get("ErrorCode") or event.name)
    except Silence:
        pass
    one.events.clear()
    wrong = {}
    for number, reference in enumerate(references):
        if answered.get(reference, []) != [STORM_ANSWERS[number % 2]]:
            wrong[number] = answered.get(reference, [])
    turned = [(first, second) for first, second in zip(order, order[1:]) if second < first]
    faults = [f"{len(wrong)} answered otherwise: {list(wrong.items())[:2]}"] if wrong else []
    return faults + ([f"{len(turned)} out of order: {turned[:2]}"] if turned else [])


SCENES = (bulk_tells, bulk_requests, bulk_pipelined, option_changes, option_in_storm)
