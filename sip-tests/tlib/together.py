"""What the owner of a DN tells every node of it: where its calls are, to which the next one belongs, and do-not-disturb."""

import time
from types import ModuleType

from client import Client
from desk import Checks, register
from mesh import NODES, SETTLED_S, Mesh, at, client, is_ready
from phone import PhoneError
from talk import Talking, connect, part

#: The phone of both scenes, who calls it, and whom it calls.
DN, CALLER, OTHER = "7037", "7038", "7039"
#: Calls that all come to one of two nodes by chance in one run of this power of two.
CALLS = 8
#: Until every node knows of a change: it is gathered for 20 ms, and crosses a link.
TOLD_S = 0.3


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


SCENES = (second_call, not_disturbed)
