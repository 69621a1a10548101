"""Clients that are killed again and again while DNs change: with their cursors they miss nothing and hear nothing twice.

`KILLS=1000 NODE_KILLS=100 sip-tests/tlib/run mesh` kills clients and nodes so often; 100 and 3 times are usual.
"""

import os
import random
import socket
import struct
import time
from types import ModuleType

from client import Client, Event
from desk import Checks
from mesh import NODES, Mesh, at, client

KILLS = int(os.environ.get("KILLS", "100"))
NODE_KILLS = int(os.environ.get("NODE_KILLS", "3"))
#: Until the DNs of a node that was killed have another one.
REHOMED_S = 4.0
DNS = [str(number) for number in range(7040, 7060)]
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
    """Some DNs change; nobody waits for the answers."""
    for _ in range(CHANGES):
        dn = dice.choice(DNS)
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
        self.seen: set[tuple] = set()
        self.doubles: list[Event] = []
        self.gaps = 0
        for dn in DNS:
            self.take(self.client.ask("TRegisterAddress", ThisDN=dn))

    def take(self, event: Event) -> None:
        """One event."""
        dn = event.get("ThisDN")
        self.gaps += event.name == "EventGap"
        if event.name == "EventRegistered":
            self.dns[dn] = shown(event)
        if event.seq and event.name != "EventGap":
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

    def hear(self) -> None:
        """All that has come."""
        for event in self.client.drain(0.2):
            self.take(event)

    def wrong(self) -> dict:
        """DNs that are other than a fresh answer says."""
        fresh = {
            dn: shown(self.client.ask("TQueryAddress", ThisDN=dn, AddressInfoType="AddressInfoDNStatus")) for dn in DNS
        }
        return {dn: (self.dns[dn], fresh[dn]) for dn in DNS if self.dns[dn] != fresh[dn]}


def shown(event: Event) -> list:
    """In service, do-not-disturb, agent."""
    return [bool(event.get("IsInService")), dict(event.get("Extensions")).get("dnd"), event.get("AgentID")]


def nodes_killed(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """Nodes are killed while DNs change: who is connected elsewhere ends with what a fresh snapshot gives."""
    checks.title = "killed nodes"
    dice = random.Random(6)
    phones = [at(dn, dice.choice((11, 12))) for dn in DNS]
    for phone in phones:
        phone.register()
    time.sleep(1)
    states = dict.fromkeys(DNS, False)
    wrong, doubles, without = {}, [], 0
    for number in range(NODE_KILLS):
        dead = dice.choice(list(NODES))
        views = [View(node, language) for node in NODES if node != dead]
        worker = views[0].client
        agent = f"agent-{1 + number % 9}"
        worker.request("TAgentLogin", ThisDN=dice.choice(DNS), AgentID=agent)
        change(worker, states, dice)
        mesh.kill(dead)
        change(worker, states, dice)
        time.sleep(REHOMED_S)
        for view in views:
            view.hear()
            wrong.update({(number, view.node, dn): pair for dn, pair in view.wrong().items()})
            doubles += view.doubles
            without += not all(in_service for in_service, _, _ in view.dns.values())
        mesh.again(dead)
        for view in views:
            view.client.close()
        # what is set is known again
        reader = View(dead, language)
        states = {dn: bool(reader.dns[dn][1]) for dn in DNS}
        reader.client.close()
    checks.see(not wrong, f"{NODE_KILLS} kills: every view is that of a fresh answer", dict(list(wrong.items())[:5]))
    checks.see(not doubles, "no event came twice", doubles[:3])
    checks.see(without == 0, "every DN was in service again", without)
    for phone in phones:
        phone.close()


SCENES = (killed, nodes_killed)
