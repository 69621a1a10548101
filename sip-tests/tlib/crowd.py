"""Two hundred clients at once: each DN has one course of events, and the node one numbering."""

import random
import threading
from collections import defaultdict

from client import Client, Closed, Event, Silence
from desk import Checks, Desk, register

CLIENTS, REQUESTS, SEED = 200, 50, 7011
#: Registered for by many from before the first request until after the last one; by each client, so many of them.
DNS, DNS_EACH = 8, 2
#: Registered for and given back in between.
COMING_AND_GOING = 2
AGENTS_THERE = 12
PATIENCE_S = 60.0
END = "end"
FAILURES = (Silence, Closed, OSError)


class Member:
    """One client of the crowd: its DNs, its dice, and what it has heard."""

    def __init__(self, client: Client, number: int, dns: list[str], passing: list[str], agents: list[str]):
        self.client = client
        self.client.patience = PATIENCE_S
        self.dice = random.Random(SEED * 1000 + number)
        self.dns = self.dice.sample(dns, DNS_EACH)
        self.passing = passing
        self.agents = agents
        self.answers: list[Event] = []
        self.heard: list[Event] = []
        self.failure = ""

    def register(self) -> None:
        """For its DNs."""
        for dn in self.dns:
            register(self.client, dn)

    def take_part(self, start: threading.Barrier, done: threading.Semaphore) -> None:
        """Asks, says that it has, and hears to the end."""
        try:
            self.play(start)
        finally:
            done.release()
        self.listen(self.dns)

    def play(self, start: threading.Barrier) -> None:
        """Its requests, when all are there."""
        try:
            start.wait(PATIENCE_S)
            for _ in range(REQUESTS):
                kind, attributes = self.next_request()
                answer = self.client.ask(kind, **attributes)
                self.answers.append(answer)
                # keeps its place among the others, which `ask` has left in order
                self.client.events.append(answer)
        except (*FAILURES, threading.BrokenBarrierError) as error:
            self.failure = f"{type(error).__name__}: {error}"

    def next_request(self) -> tuple[str, dict[str, object]]:
        """Any request that makes sense now or then."""
        dn, dice = self.dice.choice(self.dns), self.dice
        told = {"Reasons": [("mood", dice.randrange(4))]} if dice.randrange(2) else {}
        return dice.choice((
            ("TAgentLogin", {"ThisDN": dn, "AgentID": dice.choice(self.agents)}),
            ("TAgentLogout", {"ThisDN": dn}),
            ("TAgentSetReady", {"ThisDN": dn, "AgentWorkMode": dice.randrange(1, 3), **told}),
            ("TAgentSetNotReady", {"ThisDN": dn, "AgentWorkMode": dice.randrange(3, 6), **told}),
            ("TSetDNDOn", {"ThisDN": dn}),
            ("TSetDNDOff", {"ThisDN": dn}),
            ("TCallSetForward", {"ThisDN": dn, "OtherDN": str(dice.randrange(7080, 7090))}),
            ("TCallCancelForward", {"ThisDN": dn}),
            ("TSendUserEvent", {"CommunicationDN": dice.choice(self.passing), "UserData": [("n", dice.randrange(99))]}),
            ("TRegisterAddress", {"ThisDN": dice.choice(self.passing)}),
            ("TUnregisterAddress", {"ThisDN": dice.choice(self.passing)}),
            ("TQueryAddress", {"ThisDN": dn, "AddressInfoType": "AddressInfoAgentStatus"}),
        ))  # fmt: skip

    def listen(self, dns: list[str]) -> None:
        """Hears until the last word about each of these DNs has come; it comes once for each."""
        missing = set(dns)
        waiting, self.client.events = self.client.events, []
        try:
            while True:
                for event in waiting:
                    self.heard.append(event)
                    missing -= {value for key, value in event.get("UserData") or [] if key == END}
                if not missing:
                    return
                event = self.client.receive(PATIENCE_S)
                if event is None:
                    raise Silence(f"no last word about {sorted(missing)}")
                waiting = [event]
        except FAILURES as error:
            self.failure = self.failure or f"{type(error).__name__}: {error}"


def content(event: Event) -> tuple[object, ...]:
    """What is the same for all who hear it."""
    return event.source, event.epoch, event.seq, event.name, repr(sorted(event.attributes.items()))


def crowd(checks: Checks, desk: Desk) -> None:
    """The whole course."""
    dns = [desk.phone().dn for _ in range(DNS)]
    passing = [desk.phone().dn for _ in range(COMING_AND_GOING)]
    agents = [desk.agent() for _ in range(AGENTS_THERE)]
    watcher = Member(desk.client("watcher"), CLIENTS, dns, passing, agents)
    for dn in (*dns, *passing):
        register(watcher.client, dn)
    members = [Member(desk.client(), number, dns, passing, agents) for number in range(CLIENTS)]
    for member in members:
        member.register()
    start, done = threading.Barrier(CLIENTS), threading.Semaphore(0)
    # everybody reads all the time, so that nothing waits for a slow reader
    works = [threading.Thread(target=member.take_part, args=(start, done)) for member in members]
    works.append(threading.Thread(target=watcher.listen, args=([*dns, *passing],)))
    for work in works:
        work.start()
    for _ in members:
        done.acquire()
    speaker = desk.client("speaker")
    for dn in (*dns, *passing):
        speaker.ask("TSendUserEvent", CommunicationDN=dn, UserData=[(END, dn)])
    for work in works:
        work.join()
    compare(checks, watcher, members)


def compare(checks: Checks, watcher: Member, members: list[Member]) -> None:
    """What the crowd has heard, beside what the watcher has heard."""
    failures = [member.failure for member in (watcher, *members) if member.failure]
    checks.see(not failures, f"{CLIENTS} clients ask {REQUESTS} times and hear to the end", failures[:3])
    kinds = {event.name for member in members for event in member.answers}
    wanted = {
        "EventAgentLogin", "EventAgentLogout", "EventAgentReady", "EventAgentNotReady", "EventDNDOn", "EventDNDOff",
        "EventForwardSet", "EventForwardCancel", "EventACK", "EventRegistered", "EventUnregistered", "EventAddressInfo",
        "EventError",
    }  # fmt: skip
    checks.see(kinds >= wanted, "every kind of answer is among the answers", wanted - kinds)

    every = [event.seq for event in watcher.heard if event.seq]
    checks.see(len(every) > CLIENTS, "there is enough to compare", f"{len(every)} events")
    origins = {(event.source, event.epoch) for event in watcher.heard if event.seq}
    checks.see(len(origins) == 1, "they have one source and one epoch", origins)
    gaps = [pair for pair in zip(every, every[1:]) if pair[1] != pair[0] + 1]
    checks.see(not gaps, "who is registered for every DN hears one numbering without a gap", gaps[:5])

    courses = defaultdict(list)
    by_seq = {event.seq: content(event) for event in watcher.heard if event.seq}
    for event in watcher.heard:
        if event.get("ThisDN") and event.seq:
            courses[event.get("ThisDN")].append(content(event))
    unlike, falling, twice = [], [], []
    for number, member in enumerate(members):
        counted = [event for event in member.heard if event.seq]
        seqs = [event.seq for event in counted]
        if any(later <= earlier for earlier, later in zip(seqs, seqs[1:])):
            falling.append(number)
        for dn in member.dns:
            # what the watcher has after its last word about the DN is later than what the member waits for
            last = seqs[-1] if seqs else 0
            mine = [content(event) for event in counted if event.get("ThisDN") == dn]
            theirs = [one for one in courses[dn] if one[2] <= last]
            if mine != theirs:
                unlike.append((number, dn, len(mine), len(theirs)))
        last = watcher.heard[-1].seq
        if any(by_seq.get(event.seq) != content(event) for event in counted if event.seq <= last):
            unlike.append((number, "another event under a number"))
        marks = [event.reference for event in member.heard if event.reference]
        if len(marks) != len(set(marks)):
            twice.append(number)
    checks.see(not unlike, "all hear the same events of a DN in the same order", unlike[:5])
    checks.see(not falling, "Seq rises for each of them", falling[:5])
    checks.see(not twice, "no request is answered twice", twice[:5])
    foreign = [event for event in watcher.heard if event.reference]
    checks.see(not foreign, "a ReferenceID travels to nobody else", foreign[:3])


#: After-call work ends by itself in between.
OPTIONS = {"wrap-up-time": "1"}
SCENES = (("crowd", crowd),)
