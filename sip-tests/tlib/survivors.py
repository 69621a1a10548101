"""Clients that are killed again and again while DNs change: with their cursors they miss nothing and hear nothing twice.

`KILLS=1000 NODE_KILLS=100 sip-tests/tlib/run mesh` kills clients and nodes so often; 100 and 3 times are usual.
"""

import os
import random
import socket
import struct
import time
from types import ModuleType

from bulk import calls_of
from client import Client, Event, of_key
from desk import Checks, register
from mesh import NODES, Mesh, at, client
from talk import Talking, connect, part

KILLS = int(os.environ.get("KILLS", "100"))
NODE_KILLS = int(os.environ.get("NODE_KILLS", "3"))
#: Until the DNs of a node that was killed have another one.
REHOMED_S = 4.0
DNS = [str(number) for number in range(7040, 7060)]
#: Those of them that change while nodes are killed, that call, and that are called.
CHANGED, CALLING, CALLED = DNS[:14], DNS[14:17], DNS[17:]
#: The first bits of a ConnID are the node of the call (`decisions.md` 7).
NODE_SHIFT = 52
#: Kills between two REGISTERs of each phone, which hold for ten minutes.
KILLS_PER_REGISTER = 25
#: Until the end of a call is told everywhere.
ENDED_S = 0.3
#: Requests that change a DN, between two kills.
CHANGES = 10
#: Kills in which the client does not come to register for all of its DNs.
HASTY = 5
SETTLE_S = 2.0
#: With SO_LINGER: what was sent and not read is thrown away, as when a process is killed.
ABORT = struct.pack("ii", 1, 0)


class Table:
    """What a client keeps of events, and where it left off."""

    def __init__(self) -> None:
        self.events: dict[str, list[tuple]] = {dn: [] for dn in DNS}
        self.seen: set[tuple] = set()
        #: The last event of each source, and what it was when all DNs were registered last.
        self.last: dict[int, tuple[int, int]] = {}
        self.cursors: dict[int, tuple[int, int]] = {}
        self.gaps: list[Event] = []
        self.doubles = 0

    def take(self, event: Event) -> None:
        """One event, which it may have had before its last cursors."""
        if event.name == "EventGap":
            self.gaps.append(event)
        key = (event.source, event.epoch, event.seq)
        if event.name == "EventRegistered":
            told = (event.epoch, event.get("LastSeq"))
            self.last[event.source] = max(self.last.get(event.source, (0, 0)), told)
            return
        if event.seq == 0 or event.get("ThisDN") not in self.events:
            return
        if key in self.seen:
            self.doubles += 1
            return
        self.seen.add(key)
        self.last[event.source] = max(self.last.get(event.source, (0, 0)), key[1:])
        self.events[event.get("ThisDN")].append((*key, event.name))


class Victim:
    """A client with its table."""

    def __init__(self, language: ModuleType):
        self.language = language
        self.table = Table()
        self.client: Client | None = None
        #: Whether it is registered for all its DNs: until then its cursors stay.
        self.is_whole = True

    def begin(self, node: int, dns: list[str]) -> None:
        """Connects, and registers for DNs again."""
        cursors = [
            self.language.Cursor(Source=source, Epoch=epoch, Seq=seq)
            for source, (epoch, seq) in self.table.cursors.items()
        ]
        self.client = Client(self.language)
        self.client.connect(f"127.0.0.{node}", 7011, "victim", Cursors=cursors)
        for dn in dns:
            answer = self.client.ask("TRegisterAddress", ThisDN=dn)
            for event in (*self.client.drain(0), answer):
                self.table.take(event)
        self.is_whole = len(dns) == len(DNS)

    def hear(self, seconds: float) -> None:
        """Takes what comes in this time."""
        for event in self.client.drain(seconds):
            self.table.take(event)

    def kill(self) -> None:
        """What has come and was not taken is lost."""
        if self.is_whole:
            self.table.cursors = dict(self.table.last)
        self.client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        self.client.socket.close()


def change(worker: Client, states: dict[str, bool], dice: random.Random) -> None:
    """Some of these DNs change; nobody waits for the answers."""
    for _ in range(CHANGES):
        dn = dice.choice(list(states))
        states[dn] = not states[dn]
        worker.request("TSetDNDOn" if states[dn] else "TSetDNDOff", ThisDN=dn)


def killed(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """Four clients, one at each node, are killed in turns and come back at any node."""
    checks.title = "killed clients"
    del mesh
    dice = random.Random(5)
    phones = [at(dn, dice.choice((11, 12))) for dn in DNS]
    for phone in phones:
        phone.register()
    time.sleep(1)
    witness, worker = Victim(language), client(language, 2)
    for dn in DNS:
        worker.ask("TRegisterAddress", ThisDN=dn)
    witness.begin(1, DNS)
    victims = [Victim(language) for _ in NODES]
    for node, victim in zip(NODES, victims, strict=True):
        victim.begin(node, DNS)
    states = dict.fromkeys(DNS, False)
    since = time.monotonic()
    for number in range(KILLS):
        change(worker, states, dice)
        victim = dice.choice(victims)
        victim.hear(dice.choice((0.001, 0.01)))
        victim.kill()
        change(worker, states, dice)
        dns = DNS if number % HASTY else DNS[: len(DNS) // 2]
        victim.begin(dice.choice(list(NODES)), dns)
        witness.hear(0.001)
        worker.drain(0.001)
    took = time.monotonic() - since
    for victim in victims:
        if not victim.is_whole:
            victim.kill()
            victim.begin(1, DNS)
    time.sleep(SETTLE_S)
    witness.hear(0.5)
    count = sum(len(events) for events in witness.table.events.values())
    checks.see(count > KILLS * CHANGES, f"{count} events, {KILLS} kills in {took:.1f} s", count)
    for node, victim in zip(NODES, victims, strict=True):
        victim.hear(0.5)
        wrong = {
            dn: (len(events), len(witness.table.events[dn]))
            for dn, events in victim.table.events.items()
            if events != witness.table.events[dn]
        }
        checks.see(not wrong, f"the client that began at node {node} has what the undisturbed one has", wrong)
        checks.see(not victim.table.gaps, "and was told of no gap", victim.table.gaps[:3])
    for one in (worker, witness.client, *(victim.client for victim in victims), *phones):
        one.close()


class View:
    """How DNs are, by what a client was told."""

    def __init__(self, node: int, language: ModuleType):
        self.node = node
        self.client = client(language, node)
        self.dns: dict[str, list] = {}
        self.owners: dict[str, int] = {}
        self.seen: set[tuple] = set()
        self.doubles: list[Event] = []
        #: Sources of the gaps that it was told of.
        self.gaps: list[int] = []
        for dn in DNS:
            self.take(register(self.client, dn))

    def take(self, event: Event) -> None:
        """One event."""
        dn = event.get("ThisDN")
        if event.name == "EventGap":
            self.gaps.append(event.source)
            return
        if event.name == "EventRegistered":
            self.dns[dn], self.owners[dn] = shown(event), event.source
        if event.seq:
            key = (event.source, event.epoch, event.seq)
            if key in self.seen:
                self.doubles.append(event)
            self.seen.add(key)
        for name, place, value in (
            ("EventDNBackInService", 0, True), ("EventDNOutOfService", 0, False), ("EventDNDOn", 1, 1),
            ("EventDNDOff", 1, 0), ("EventAgentLogin", 2, event.get("AgentID")), ("EventAgentLogout", 2, None),
        ):  # fmt: skip
            if event.name == name:
                self.dns[dn][place] = value
        if event.name in ("EventDialing", "EventRinging", "EventEstablished"):
            self.dns[dn][3] |= {event.get("ConnID")}
        if event.name in ("EventReleased", "EventAbandoned"):
            self.dns[dn][3] -= {event.get("ConnID")}

    def hear(self) -> None:
        """All that has come."""
        for event in self.client.drain(0.2):
            self.take(event)

    def calls(self) -> set[int]:
        """ConnIDs of all calls."""
        return set().union(*(calls for *_, calls in self.dns.values()))

    def wrong(self, language: ModuleType) -> dict:
        """DNs that are other than who comes now is told."""
        fresh = View(self.node, language)
        fresh.client.close()
        return {dn: (self.dns[dn], fresh.dns[dn]) for dn in DNS if self.dns[dn] != fresh.dns[dn]}


def shown(event: Event) -> list:
    """In service, do-not-disturb, agent, calls."""
    dnd = of_key(event.get("Extensions"), "dnd")
    return [bool(event.get("IsInService")), dnd, event.get("AgentID"), set(calls_of(event))]


class Seen:
    """What there was to be seen in all kills."""

    def __init__(self) -> None:
        self.wrong: dict[tuple, object] = {}
        self.doubles: list[Event] = []
        #: Views in which a DN was not in service again, a call of the dead node stood, one of another did not, gaps were
        #: others than the loss of its DNs, a call was there that had been ended.
        self.without, self.standing, self.lost, self.gaps, self.left = [], [], [], [], []
        #: Calls of dead nodes, and of the others.
        self.dead, self.alive = 0, 0

    def take(self, number: int, dead: int, view: View, calls: dict, language: ModuleType) -> None:
        """A node is dead, and all that follows from it has happened."""
        view.hear()
        place = (number, dead, view.node)
        self.wrong.update({(*place, dn): pair for dn, pair in view.wrong(language).items()})
        self.doubles += view.doubles
        self.without += [(*place, dn) for dn, (in_service, *_) in view.dns.items() if not in_service]
        self.standing += [(*place, call) for call in view.calls() if call >> NODE_SHIFT == dead]
        for call, pair in calls.items():
            if call >> NODE_SHIFT != dead:
                self.lost += [(*place, call, one.dn) for one in pair if call not in view.dns[one.dn][3]]
        lost = [dead] if dead in view.owners.values() else []
        if view.gaps != lost:
            self.gaps.append((*place, view.gaps))

    def tell(self, checks: Checks) -> None:
        """Observations."""
        text = f"{NODE_KILLS} kills, {self.dead} calls of dead nodes, {self.alive} of others: each view is that of who comes then"
        checks.see(not self.wrong, text, dict(list(self.wrong.items())[:5]))
        checks.see(self.dead and self.alive, "there were calls of both kinds", (self.dead, self.alive))
        checks.see(not self.doubles, "no event came twice", self.doubles[:3])
        checks.see(not self.without, "every DN was in service again", self.without[:3])
        checks.see(not self.standing, "no call of a dead node was left", self.standing[:3])
        checks.see(not self.lost, "each call of another node is there at both of its DNs", self.lost[:3])
        checks.see(not self.gaps, "each loss was told as one gap, and nothing else", self.gaps[:3])
        checks.see(not self.left, "calls of other nodes went on, and none is left after its end", self.left[:3])


def nodes_killed(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """Nodes are killed while DNs change and call: who is connected elsewhere ends with what a fresh snapshot gives."""
    checks.title = "killed nodes"
    dice = random.Random(6)
    phones = {dn: at(dn, dice.choice((11, 12))) for dn in DNS}
    for phone in phones.values():
        phone.register()
    time.sleep(1)
    pairs = [(phones[one], phones[other]) for one, other in zip(CALLING, CALLED, strict=True)]
    states = dict.fromkeys(CHANGED, False)
    worker = client(language, 1)
    for dn in DNS:
        register(worker, dn)
        worker.ask("TSetDNDOff", ThisDN=dn)
    worker.close()
    seen = Seen()
    for number in range(NODE_KILLS):
        dead = dice.choice(list(NODES))
        if number % KILLS_PER_REGISTER == 0:
            for phone in phones.values():
                phone.register()
        views = [View(node, language) for node in NODES if node != dead]
        worker = views[0].client
        agent = f"agent-{1 + number % 9}"
        worker.request("TAgentLogin", ThisDN=dice.choice(CHANGED), AgentID=agent)
        change(worker, states, dice)
        calls = called(views[0], pairs)
        mesh.kill(dead)
        change(worker, states, dice)
        time.sleep(REHOMED_S)
        for view in views:
            seen.take(number, dead, view, calls, language)
        alive = [pair for call, pair in calls.items() if call >> NODE_SHIFT != dead]
        seen.alive += len(alive)
        seen.dead += len(calls) - len(alive)
        for pair in alive:
            part(*pair)
        time.sleep(ENDED_S)
        for view in views:
            view.hear()
            seen.left += [(number, dead, view.node, call) for call in view.calls()]
            view.client.close()
        mesh.again(dead)
        # what is set is known again
        reader = View(dead, language)
        states = {dn: bool(reader.dns[dn][1]) for dn in CHANGED}
        reader.client.close()
    seen.tell(checks)
    for phone in phones.values():
        phone.close()


def called(view: View, pairs: list[tuple[Talking, Talking]]) -> dict[int, tuple[Talking, Talking]]:
    """Phones call each other; the calls by their ConnIDs."""
    calls = {}
    for pair in pairs:
        before = view.calls()
        connect(*pair)
        until = time.monotonic() + SETTLE_S
        while view.calls() == before and time.monotonic() < until:
            view.hear()
        calls.update(dict.fromkeys(view.calls() - before, pair))
    return calls


SCENES = (killed, nodes_killed)
