"""SmartProxy ports and other ports: who is registered alone, who reaches whom, and who comes back at another one."""

import secrets
from types import ModuleType

from bulk import (
    FIRST, MANY, MONITOR, PORTS, SECOND, WHO, Who, again, bulk, call, differ, hearers, hushed, last_of, logged_in,
    logged_out, marked, phoned, same,
)  # fmt: skip
from client import Client, Event
from cluster import ROUTING_POINT, SMARTPROXY
from crowd import content
from desk import QUIET_S, Checks, of_dn, register
from mesh import NODES, Mesh, client, owner_of
from ports import close
from smart import names
from talk import Talking

#: A phone that no scene has.
NOBODYS = "7098"
PRIVATE = {"RegisterMode": "RegisterModePrivate"}
SEIZED = {"ErrorCode": "ErrorResourceSeized"}


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
    others = tuple(node for node in NODES if node != owner)
    for what, nodes in (
        ("off", ()), ("on", tuple(NODES)), ("off at its owner", others), ("on at its owner alone", (owner,)),
    ):  # fmt: skip
        with bulk(mesh, *nodes, is_on=bool(nodes)):
            for who in (("SmartProxy", owner), ("SmartProxy", 4), ("TCport", 3)):
                alone(checks, language, f"{what}, {who[0]} {who[1]}", who, nodes)


def unowned(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """A DN that nobody owns is known to each port by itself: one that has it alone is alone at that port."""
    for what in ("off", "on"):
        with bulk(mesh, is_on=what == "on"):
            for port in PORTS:
                holder, others = client(language, 2, "dialler", PORTS[port]), hearers(language)
                register(holder, NOBODYS, **PRIVATE)
                told = {}
                for who, one in others.items():
                    event = one.ask("TRegisterAddress", ThisDN=NOBODYS)
                    told[who] = event.get("ErrorCode") or event.name
                text = f"{what}: a DN that nobody owns, private at {port} 2, is shared at all other ports"
                wanted = {who: "EventRegistered" for who in others} | {(port, 2): SEIZED["ErrorCode"]}
                checks.see(told == wanted, text, told)
                for one in (holder, *others.values()):
                    one.ask("TUnregisterAddress", ThisDN=NOBODYS)
                close(holder, *others.values())


def alone(checks: Checks, language: ModuleType, what: str, who: Who, nodes: tuple[int, ...]) -> None:
    """A private registration at this port, and all others, with the option on at these nodes."""
    dn = FIRST
    holder = client(language, who[1], "dialler", PORTS[who[0]])
    others = hearers(language)
    beside = set()
    for other, one in others.items():
        until_free(one, dn)
        event = holder.ask("TRegisterAddress", ThisDN=dn, **PRIVATE)
        if event.name == "EventRegistered":
            beside.add(other)
            holder.ask("TUnregisterAddress", ThisDN=dn)
        elif not event.fits("EventError", SEIZED):
            checks.error(event, f"{what}: beside a share at {other[0]} {other[1]}", SEIZED["ErrorCode"])
        one.ask("TUnregisterAddress", ThisDN=dn)
    # the owner does not know who shares there; among clients of one port either will do
    unknown = {("SmartProxy", node) for node in nodes}
    good = beside - {who} == unknown - {who} and beside <= unknown
    checks.see(good, f"{what}: beside a share where a Smart Proxy is a bulk registrar, and nowhere else", beside)
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


# ---- messages between clients


def messages(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """Clients of the SmartProxy port and of the TCport reach each other, by a routing point and by DNs."""
    checks.title = "messages between ports"
    for what in ("off", "on"):
        with phoned(language, (FIRST, 11), (SECOND, 12)), bulk(mesh, is_on=what == "on"):
            both = hearers(language, ROUTING_POINT, FIRST, SECOND, NOBODYS)
            for sender in both:
                for dn in (FIRST, SECOND):
                    reaches(checks, f"{what}: by {dn}", sender, dn, both)
                own = {who: one for who, one in both.items() if who[1] == sender[1]}
                reaches(checks, f"{what}: by a routing point", sender, ROUTING_POINT, own)
            for one in both.values():
                one.drain(0)
            for sender in (one for one in both if one[1] in (1, 4)):
                readers = reached(language, both, sender, NOBODYS)
                text = f"{what}: by a DN that nobody owns, at {sender[0]} {sender[1]}: clients of that port alone"
                checks.see(readers == [sender, ("second", 0)], text, readers)
            close(*both.values())


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


def reached(language: ModuleType, clients: dict[Who, Client], sender: Who, dn: str) -> list[Who]:
    """Those who hear what is sent at a port, once, with a second client of that port."""
    second = client(language, sender[1], "second", PORTS[sender[0]])
    register(second, dn)
    clients[sender].ask("TSendUserEvent", CommunicationDN=dn)
    heard = {}
    for who, one in {**clients, ("second", 0): second}.items():
        heard[who] = names(one.drain(0.01 if heard else QUIET_S))
    second.close()
    return [who for who, events in heard.items() if events == ["EventUserEvent"]]


# ---- cursors


def cursors_elsewhere(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """A monitor comes back at any TCport or SmartProxy port, the option changed meanwhile: exactly what it missed."""
    every = tuple(mesh.processes)
    for what, before, after_it in (
        ("set meanwhile", (False, every), (True, every)), ("taken back meanwhile", (True, every), (False, every)),
        ("on at some", (True, (1, 3)), (True, (4,))),
    ):  # fmt: skip
        checks.title = f"bulk registrar, cursors, {what}"
        is_on, numbers = before
        with phoned(language, (FIRST, 11), (SECOND, 12)) as phones, bulk(mesh, *numbers, is_on=is_on):
            came_back(checks, mesh, language, phones, after_it)


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
    is_on, numbers = after_it
    mesh.write(smart_proxy=is_on)
    mesh.reload(*numbers)
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


SCENES = (private, messages, cursors_elsewhere)
