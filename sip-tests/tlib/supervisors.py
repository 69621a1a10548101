"""Supervisors: whom they want to watch is known to all nodes of the data centre that owns their DN, and to no other."""

import time
from types import ModuleType

from client import Client, Event
from cluster import ROUTING_POINT
from desk import Checks, register
from mesh import NODES, REHOMED_S, Mesh, at, client, operated, owner_of

#: A supervisor's phone in each scene, and an agent's.
DN, OTHER, WATCHED = "7034", "7036", "7035"
SUPERVISOR = "agent-6"
#: Until a node shows what another has told it: frames, and the page that lists are made for.
SHOWN_S = 5.0
SILENT = [("MonitorMode", "silent"), ("MonitorScope", "call")]


def waiting(mesh: Mesh, node: int, target: str) -> list[str] | None:
    """The supervisors who wait for calls of a DN, as a node shows them; nothing where it does not know the DN."""
    rows = operated(mesh, node, "dns")[1]["dns"]
    return next((row["supervisors"] for row in rows if row["dn"] == target), None)


def shown(checks: Checks, mesh: Mesh, what: str, wanted: dict[int, list[str]]) -> None:
    """Each of these nodes comes to show who waits for calls of the Routing Point."""
    until, seen = time.monotonic() + SHOWN_S, {}
    while time.monotonic() < until:
        seen = {node: waiting(mesh, node, ROUTING_POINT) for node in wanted}
        if seen == wanted:
            break
        time.sleep(0.2)
    checks.see(seen == wanted, what, f"{seen} and {wanted}")


def monitored(desktop: Client, target: str = ROUTING_POINT, dn: str = DN, **given: object) -> Event:
    """The answer to TMonitorNextCall."""
    given = {"MonitorNextCallType": "MonitorAllCalls", "Extensions": SILENT, **given}
    return desktop.ask("TMonitorNextCall", ThisDN=dn, OtherDN=target, **given)


def supervisors(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """A supervisor whose desktop is in the other data centre waits at all nodes of the phone's."""
    checks.title = "supervisors"
    phone = at(DN, 11)
    desktop, witness = client(language, 3), client(language, 2, "watcher")
    for one in (desktop, witness):
        register(one, DN)
    checks.error(monitored(desktop), "before the phone is there", "ErrorOutOfService")
    phone.register()
    for one in (desktop, witness):
        one.wait("EventDNBackInService")
    checks.error(monitored(desktop), "before anybody is logged in", "ErrorAgentLoggedOff")
    desktop.ask("TAgentLogin", ThisDN=DN, AgentID=SUPERVISOR)
    desktop.wait("EventAgentNotReady")
    for name in ("EventAgentLogin", "EventAgentNotReady"):
        witness.wait(name)
    coach = [("MonitorMode", "coach"), ("MonitorScope", "call")]
    checks.error(monitored(desktop, Extensions=coach), "coach at a Routing Point", "ErrorInvalidAttribute")
    checks.error(monitored(desktop, target="9999"), "a DN that is not there", "ErrorNotConfigured")
    said = {"ThisDN": DN, "OtherDN": ROUTING_POINT, "MonitorNextCallType": "MonitorAllCalls"}
    checks.event(monitored(desktop), "TMonitorNextCall", "EventMonitoringNextCall", **said)
    checks.event(witness.wait("EventMonitoringNextCall"), "who hears of the DN does", "EventMonitoringNextCall", **said)
    near = [node for node, location in NODES.items() if location == "dc1"]
    wanted = {node: [DN] if node in near else [] for node in NODES}
    shown(checks, mesh, "all nodes of its data centre know it, the others do not", wanted)
    checks.error(monitored(desktop, target=WATCHED), "one supervisor watches one DN", "ErrorWrongState")
    event = desktop.ask("TCancelMonitoring", ThisDN=DN, OtherDN=ROUTING_POINT)
    checks.event(event, "TCancelMonitoring", "EventMonitoringCancelled", ThisDN=DN, OtherDN=ROUTING_POINT)
    witness.wait("EventMonitoringCancelled")
    shown(checks, mesh, "it waits nowhere", {node: [] for node in NODES})
    coached = monitored(desktop, target=WATCHED, Extensions=[("MonitorMode", "coach")])
    checks.event(coached, "an agent can be coached", "EventMonitoringNextCall", OtherDN=WATCHED)
    event = desktop.ask("TAgentLogout", ThisDN=DN)
    checks.event(event, "logout", "EventAgentLogout", ThisDN=DN)
    checks.event(desktop.wait("EventMonitoringCancelled"), "ends it", "EventMonitoringCancelled", OtherDN=WATCHED)
    desktop.close()
    witness.close()
    phone.close()


def supervisor_dies(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """The node of a supervisor is killed: nobody waits any more, also when it is back, and another may."""
    checks.title = "supervisor's node dies"
    phone = at(OTHER, 11)
    watcher = client(language, 4)
    register(watcher, OTHER)
    phone.register()
    watcher.wait("EventDNBackInService")
    watcher.ask("TAgentLogin", ThisDN=OTHER, AgentID=SUPERVISOR)
    watcher.wait("EventAgentNotReady")
    owner = owner_of(watcher, OTHER)
    other = next(node for node, location in NODES.items() if location == NODES[owner] and node != owner)
    checks.event(monitored(watcher, dn=OTHER), "TMonitorNextCall", "EventMonitoringNextCall")
    shown(checks, mesh, "the other node of the data centre knows", {owner: [OTHER], other: [OTHER]})
    mesh.kill(owner)
    shown(checks, mesh, "and forgets", {other: []})
    watcher.wait("EventAgentLogout")
    watcher.patience = REHOMED_S
    watcher.wait("EventDNBackInService")
    mesh.again(owner)
    watcher.ask("TAgentLogin", ThisDN=OTHER, AgentID=SUPERVISOR)
    watcher.wait("EventAgentNotReady")
    checks.event(monitored(watcher, dn=OTHER), "TMonitorNextCall at the next owner", "EventMonitoringNextCall")
    shown(checks, mesh, "which tells the one that is back", {owner: [OTHER], other: [OTHER]})
    mesh.kill(owner)
    mesh.again(owner)
    shown(checks, mesh, "a link begins with it", {owner: [OTHER], other: [OTHER]})
    checks.event(watcher.ask("TAgentLogout", ThisDN=OTHER), "logout", "EventAgentLogout")
    shown(checks, mesh, "and it is over", {owner: [], other: []})
    watcher.close()
    phone.close()


SCENES = (supervisors, supervisor_dies)
