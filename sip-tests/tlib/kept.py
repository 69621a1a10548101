"""What a node keeps for its collectors outlives its process: the IPport of a node that is killed and starts again."""

from types import ModuleType

from client import Client, Event, Silence, cursor
from cluster import IPPORT
from desk import Checks
from mesh import NODES, Mesh, at, client
from ports import close, phones_of
from smart import names
from streams import CREATED, DELETED, PARTY_DELETED, calls_of, faults
from talk import Talking, connect, part

#: Calls until one has to have come to a node again.
TRIES = 24
GAP = "EventGap"


def collector(language: ModuleType, node: int, name: str, last: Event | None = None) -> Client:
    """A collector of the calls of a node, and where it left off if it says so."""
    wanted = {"ClusterRole": "I-Proxy", "ClusterName": name, "Capabilities": ["CapabilityCallMonitoring"]}
    cursors = [cursor(language, last)] if last else []
    one = client(language, node, "icon", IPPORT, Cursors=cursors, **wanted)
    answer = one.ask("TStartCallMonitoring")
    if answer.name != "EventACK":
        raise Silence(f"no EventACK but {answer}")
    return one


def call_at(watcher: Client, caller: Talking, phone: Talking, node: int) -> int:
    """Calls that end, up to one that has run at that node; its ConnID."""
    for _ in range(TRIES):
        connect(caller, phone)
        conn_id = watcher.wait("EventEstablished", ThisDN=phone.dn).get("ConnID")
        part(caller, phone)
        watcher.wait("EventReleased", ThisDN=phone.dn)
        if conn_id >> 52 == node:
            return conn_id
    raise Silence(f"no call comes to node {node}")


def of_old(events: list[Event]) -> list[Event]:
    """Those up to the gap."""
    at_gap = names(events).index(GAP) if GAP in names(events) else len(events)
    return events[:at_gap]


def collected_behind_a_kill(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """A node is killed while its collector is away and a call runs: nothing of what was kept is lost."""
    checks.title = "collector, node killed"
    watcher = client(language, 3, "watcher")
    phone, other, caller, more = phones_of(watcher, *((dn, 11) for dn in ("7015", "7016", "7017", "7018")))
    collectors = {node: collector(language, node, "kept") for node in NODES}
    connect(caller, phone)
    running = watcher.wait("EventEstablished", ThisDN=phone.dn).get("ConnID")
    node = running >> 52
    had = collectors[node].until("EventEstablished")[-1]
    collectors[node].drain()
    close(*collectors.values())
    ended = call_at(watcher, more, other, node)
    watcher.drain()
    mesh.kill(node)
    mesh.again(node)
    one = collector(language, node, "kept", had)
    events = one.drain(2.0)
    missed, rest = of_old(events), events[len(of_old(events)) :]
    marks = [(event.epoch, event.seq) for event in missed]
    good = bool(marks) and marks == [(had.epoch, had.seq + 1 + number) for number in range(len(marks))]
    checks.see(good, "what it has missed comes under its old numbers, without a hole", marks or list(map(str, events)))
    whole = [story for story in calls_of(missed) if story[0].get("ConnID") == ended]
    wrong = faults(whole[0]) if whole else ["nothing of it"]
    checks.see(not wrong, "the call that has begun and ended since is whole", wrong)
    checks.see(names(rest)[:1] == [GAP], "then EventGap, for what the disk may not have", names(rest))
    ends = [event for event in rest if event.get("ConnID") == running]
    checks.see(
        names(ends) == [PARTY_DELETED, PARTY_DELETED, DELETED],
        "then the call that ran at the node is over",
        list(map(str, rest)),
    )
    states = {event.get("CallState") for event in ends}
    checks.see(states == {"CallStateUnknown"}, "nobody knows how", states)
    parties = {event.get("PartyUUID") for event in ends[:2]}
    checks.see(len(parties - {None}) == 2, "both its parties", parties)
    checks.see(all(event.epoch > had.epoch for event in ends), "as the new process says", [event.epoch for event in ends])
    later(checks, language, (watcher, more, other), (one, node, events))
    close(watcher, phone, other, caller, more)


def later(
    checks: Checks, language: ModuleType, talk: tuple[Client, Talking, Talking], seen: tuple[Client, int, list[Event]]
) -> None:
    """The collector goes on, acknowledges, and comes back."""
    watcher, caller, phone = talk
    one, node, events = seen
    again = call_at(watcher, caller, phone, node)
    story = [event for event in one.drain(1.0) if event.get("ConnID") == again]
    checks.see(names(story)[:1] == [CREATED] and not faults(story), "the next call comes", faults(story) if story else "")
    first, last = events[0], story[-1]
    close(one)
    one = collector(language, node, "kept", first)
    told = one.drain(1.0)
    wanted = [(event.epoch, event.seq) for event in events[1:] if event.name != GAP]
    marks = [(event.epoch, event.seq) for event in told if event.name != GAP][: len(wanted)]
    checks.see(marks == wanted and bool(wanted), "a cursor of before the kill is known", f"{marks} and {wanted}")
    one.send(language.Frame(Acknowledged=cursor(language, last)))
    one.request("TQueryServer")
    one.wait("EventServerInfo")
    close(one)
    one = collector(language, node, "kept", last)
    checks.quiet("from what it has acknowledged on there is nothing", one)
    close(one)
    one = collector(language, node, "kept", first)
    told = one.drain()
    checks.see(names(told) == [GAP], "what it has acknowledged is not kept", names(told))
    one.ask("TStopCallMonitoring")
    close(one)


def collected_in_many_lives(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """A node is killed again and again, each time in the middle of a call: every call has one beginning and one end."""
    checks.title = "collector, node killed often"
    watcher = client(language, 3, "watcher")
    node, lives = 2, 4
    one = collector(language, node, "lives")
    one.drain()
    last: Event | None = None
    stories: dict[int, list[str]] = {}
    marks: list[tuple[int, int]] = []
    for life in range(lives):
        phone, caller = phones_of(watcher, (str(7021 + life), 11), (str(7025 + life), 11))
        for _ in range(TRIES):
            connect(caller, phone)
            if watcher.wait("EventEstablished", ThisDN=phone.dn).get("ConnID") >> 52 == node:
                break
            part(caller, phone)
            watcher.wait("EventReleased", ThisDN=phone.dn)
        told = one.drain(0.5)
        mesh.kill(node)
        close(one, phone, caller)
        mesh.again(node)
        last = told[-1] if told else last
        one = collector(language, node, "lives", last)
        told += one.drain(1.0)
        last = [event for event in told if event.name != GAP][-1]
        for event in told:
            if event.name in (CREATED, DELETED):
                stories.setdefault(event.get("ConnID"), []).append(event.name)
        marks += [(event.epoch, event.seq) for event in told if event.name != GAP]
    wrong = {conn_id: story for conn_id, story in stories.items() if story != [CREATED, DELETED]}
    checks.see(len(stories) >= lives and not wrong, "every call has one beginning and one end", wrong or stories)
    checks.see(marks == sorted(set(marks)), "no event comes twice, and their numbers rise", marks)
    epochs = {epoch for epoch, _ in marks}
    checks.see(len(epochs) == lives + 1, "each process has its own epoch", epochs)
    one.ask("TStopCallMonitoring")
    close(watcher, one)


SCENES = (collected_behind_a_kill, collected_in_many_lives)
