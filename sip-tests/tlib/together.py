"""Where calls go: to the node of the phone's other call, not to who is not to be disturbed, and not to a node that drains."""

import time
from types import ModuleType

from client import Client
from desk import Checks, register
from mesh import NODES, REHOMED_S, SETTLED_S, Mesh, at, client, is_ready, name_of, operated, owner_of
from phone import PhoneError
from talk import DESCRIPTION, Talking, connect, part

#: The phone of both scenes, who calls it, and whom it calls.
DN, CALLER, OTHER = "7037", "7038", "7039"
#: Calls that all come to one of two nodes by chance in one run of this power of two.
CALLS = 8
#: Until every node knows of a change: it is gathered for 20 ms, and crosses a link.
TOLD_S = 0.3
#: Until the proxies have asked a node how it is, and more than dn-rehoming-time.
PROBED_S = 8.0


def node_of(client: Client, kind: str) -> int:
    """The node of the next call of the DN (`decisions.md` 7: the first bits of a ConnID)."""
    return int(client.wait(kind, ThisDN=DN).get("ConnID")) >> 52


def phones(*placed: tuple[str, int]) -> list[Talking]:
    """These DNs at these proxies."""
    found = [at(dn, proxy) for dn, proxy in placed]
    for phone in found:
        phone.register()
    return found


def second_call(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """A phone in a call makes another: it runs on the node of the first, though the proxy knows of none."""
    checks.title = "second call"
    phone, caller, other = phones((DN, 11), (CALLER, 11), (OTHER, 11))
    watcher = client(language, 4, "watcher")
    register(watcher, DN)
    for turn in range(2):
        caller.invite(DN)
        phone.answer(phone.ring())
        caller.answered()
        first = node_of(watcher, "EventRinging")
        checks.see(NODES.get(first) == "dc1", f"{turn}: a call runs in the data centre that it came to", first)
        mesh.kill(11)
        mesh.begin(11)
        while not is_ready(11):
            time.sleep(0.05)
        time.sleep(SETTLED_S)
        nodes = []
        for _ in range(CALLS):
            second = at(DN, 11)
            connect(second, other)
            nodes.append(node_of(watcher, "EventDialing"))
            part(second, other)
            second.close()
        checks.see(set(nodes) == {first}, f"{turn}: all that the phone begins comes to that node", (first, nodes))
        part(caller, phone)
    for one in (watcher, phone, caller, other):
        one.close()


def refused(caller: Talking, phone: Talking) -> bool:
    """Whether a call to the DN is refused as busy, and its phone stays still."""
    caller.invite(DN)
    caller.refused(486)
    try:
        phone.expect("INVITE")
    except PhoneError:
        return True
    return False


def not_disturbed(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """Do-not-disturb is set in one data centre and holds at every node of both."""
    checks.title = "not disturbed"
    phone, near, far = phones((DN, 11), (CALLER, 11), (OTHER, 12))
    desktop = client(language, 4)
    register(desktop, DN)
    desktop.ask("TSetDNDOn", ThisDN=DN)
    time.sleep(TOLD_S)
    for name, caller in (("its", near), ("the other", far)):
        checks.see(refused(caller, phone), f"a call of {name} data centre hears busy", "it rang")
    phone.invite(CALLER)
    near.answer(near.ring())
    phone.answered()
    part(phone, near)
    checks.see(True, "the phone may call")
    desktop.ask("TSetDNDOff", ThisDN=DN)
    time.sleep(TOLD_S)
    for caller in (near, far):
        connect(caller, phone)
        part(caller, phone)
    checks.see(True, "afterwards it is called as before")
    for one in (desktop, phone, near, far):
        one.close()


def drained(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """A node that drains keeps its calls to their end; new ones go to the other node of its data centre."""
    checks.title = "drained"
    phone, caller, other = phones((DN, 11), (CALLER, 11), (OTHER, 11))
    watcher = client(language, 4, "watcher")
    register(watcher, DN)
    connect(caller, phone)
    node = node_of(watcher, "EventRinging")
    owner = owner_of(watcher, DN)
    code, told = operated(mesh, node, "drain", name_of(node))
    checks.see(code == 0, "an operator drains its node", told)
    time.sleep(PROBED_S)
    for line in ("a=sendonly\r\n", ""):
        caller.change(DESCRIPTION + line)
        phone.accept(DESCRIPTION)
        caller.changed()
    part(caller, phone)
    checks.see(True, "its call is held, taken back, and ended by who has made it")
    nodes = set()
    for _ in range(CALLS):
        connect(caller, phone)
        nodes.add(node_of(watcher, "EventRinging"))
        part(caller, phone)
    near = {one for one, location in NODES.items() if location == "dc1"}
    checks.see(nodes == near - {node}, "new calls go to the other node", (node, nodes))
    checks.see(owner_of(watcher, DN) == owner, "DNs stay where they are", owner)
    mesh.kill(node)
    mesh.again(node)
    time.sleep(SETTLED_S)
    for one in (watcher, phone, caller, other):
        one.close()


def drained_owner(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """While its owner drains a phone registers by another node: the proxies keep it for the owner, whose death it is then."""
    checks.title = "drained owner"
    (phone,) = phones((DN, 11))
    watcher = client(language, 4, "watcher")
    register(watcher, DN)
    owner = owner_of(watcher, DN)
    operated(mesh, owner, "drain", name_of(owner))
    time.sleep(PROBED_S)
    phone.register()
    checks.see(owner_of(watcher, DN) == owner, "it keeps the DN, by whom ever its phone registers", owner)
    watcher.events.clear()
    mesh.kill(owner)
    watcher.patience = REHOMED_S
    checks.event(watcher.wait("EventDNOutOfService"), "it is killed", "EventDNOutOfService", ThisDN=DN)
    checks.event(watcher.wait("EventDNBackInService"), "another node has the DN", "EventDNBackInService", ThisDN=DN)
    then = owner_of(watcher, DN)
    checks.see(then != owner and NODES.get(then) == "dc1", "one of its data centre", (owner, then))
    mesh.again(owner)
    time.sleep(SETTLED_S)
    for one in (watcher, phone):
        one.close()


SCENES = (second_call, not_disturbed, drained, drained_owner)
