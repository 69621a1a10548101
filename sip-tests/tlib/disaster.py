"""The guide's "GWS Disaster Recovery Scenarios" and "DN Availability for Routing", each with its outcome."""

import time
from types import ModuleType

from client import Client
from desk import Checks, register
from mesh import CUSTOMER_PORT, LINES, MOVE_DELAY_S, NO_ANSWER_S, NODES, SILENCE_S, WRAP_UP_S, Mesh, at, client, owner_of
from talk import Talking

BEGUN = ("EventRinging", "EventEstablished")


def line(dn: str) -> Talking:
    """The line of an agent: it does not register."""
    return Talking(dn, LINES[int(dn)])


def customer(proxy: int) -> Talking:
    """Somebody outside, who calls by the trunk at the proxy of a data centre."""
    one = Talking("0123456", CUSTOMER_PORT)
    one.proxy = (f"127.0.0.{proxy}", 5060)
    return one


def talk(caller: Talking, phone: Talking) -> None:
    """The caller calls the phone, which answers."""
    caller.invite(phone.dn)
    phone.answer(phone.ring())
    caller.answered()


def shown_calls(view: object) -> list:
    """Calls that an EventRegistered tells of."""
    return dict(view.get("Extensions")).get("Calls") or []


def logged_in(language: ModuleType, node: int, dn: str, agent: str) -> Client:
    """A desktop at which the agent is ready."""
    desktop = client(language, node)
    register(desktop, dn)
    desktop.ask("TAgentLogin", ThisDN=dn, AgentID=agent)
    desktop.ask("TAgentSetReady", ThisDN=dn)
    desktop.drain()
    return desktop


def over(checks: Checks, desktop: Client) -> None:
    """The end of a business call: after-call work, told before the release, and its end."""
    event = desktop.wait("EventAgentNotReady")
    checks.event(event, "after-call work", "EventAgentNotReady", AgentWorkMode="AgentWorkModeAfterCallWork")
    desktop.wait("EventReleased")


def reconnect_same(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """WWE reconnects to a new GWS API node, agent 1: in the same data centre."""
    checks.title = "WWE reconnects, agent 1"
    del mesh
    phone, caller = line("8011"), customer(11)
    first = logged_in(language, 1, "8011", "agent-1")
    talk(caller, phone)
    conn_id = [first.wait(name) for name in BEGUN][1].get("ConnID")
    second = client(language, 1)
    calls = shown_calls(register(second, "8011"))
    checks.see([int(key, 16) for key, _ in calls] == [conn_id], "the new desktop is told of the call", calls)
    event = second.ask("TAgentLogin", ThisDN="8011", AgentID="agent-1")
    checks.error(event, "login during the call", "ErrorWrongState")
    caller.bye()
    phone.hung_up()
    second.patience = WRAP_UP_S + 2
    over(checks, second)
    checks.event(second.wait("EventAgentReady"), "ready when it is over", "EventAgentReady", AgentID="agent-1")
    first.ask("TAgentLogout", ThisDN="8011")
    second.wait("EventAgentLogout")
    event = second.ask("TAgentLogin", ThisDN="8011", AgentID="agent-1")
    checks.event(event, "login", "EventAgentLogin", AgentID="agent-1")
    second.wait("EventAgentNotReady")
    first.ask("TUnregisterAddress", ThisDN="8011")
    checks.quiet("the first desktop's unregistering changes nothing", second)
    checks.see(owner_of(second, "8011") == 1, "the DN stays")
    for one in (first, second):
        one.close()
    phone.close()
    caller.close()


def reconnect_other(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """WWE reconnects to a new GWS API node, agent 2: in the other data centre."""
    checks.title = "WWE reconnects, agent 2"
    del mesh
    phone, caller = line("8012"), customer(11)
    first = logged_in(language, 1, "8012", "agent-2")
    talk(caller, phone)
    second = client(language, 3)
    checks.see(len(shown_calls(register(second, "8012"))) == 1, "the new desktop is told of the call")
    event = second.ask("TAgentLogin", ThisDN="8012", AgentID="agent-2")
    checks.error(event, "login during the call", "ErrorWrongState")
    first.ask("TUnregisterAddress", ThisDN="8012")
    checks.quiet("unregistering changes nothing during the call", second)
    caller.bye()
    phone.hung_up()
    over(checks, second)
    checks.see(owner_of(second, "8012") == 1, "nor during after-call work")
    second.patience = WRAP_UP_S + 2
    second.wait("EventAgentReady")
    checks.event(second.wait("EventAgentLogout"), "then the agent is logged out", "EventAgentLogout")
    event = second.ask("TAgentLogin", ThisDN="8012", AgentID="agent-2")
    checks.event(event, "and logs in again", "EventAgentLogin", AgentID="agent-2")
    checks.see(event.source == 3, "where the DN is now", event.source)
    for one in (first, second):
        one.close()
    phone.close()
    caller.close()


def gws_disconnects(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """GWS disconnects from SIP Server, and the agent comes back in the other data centre."""
    checks.title = "GWS disconnects"
    del mesh
    phone, caller = line("8013"), customer(11)
    watcher = client(language, 4, "watcher")
    register(watcher, "8013")
    first = logged_in(language, 1, "8013", "agent-3")
    watcher.drain()
    talk(caller, phone)
    for name in BEGUN:
        watcher.wait(name)
    second = client(language, 3)
    register(second, "8013")
    first.close()
    checks.event(watcher.wait("EventAgentLogout"), "logged out at once", "EventAgentLogout", AgentID="agent-3")
    second.wait("EventAgentLogout")
    checks.quiet("the call goes on, the DN is in service", watcher)
    event = second.ask("TAgentLogin", ThisDN="8013", AgentID="agent-3")
    checks.error(event, "login during the call", "ErrorWrongState")
    caller.bye()
    phone.hung_up()
    for one in (watcher, second):
        one.wait("EventReleased")
    time.sleep(1)
    checks.see(owner_of(second, "8013") == 1, "nothing moves before the agent logs in")
    event = second.ask("TAgentLogin", ThisDN="8013", AgentID="agent-3")
    checks.event(event, "login after it", "EventAgentLogin", AgentID="agent-3")
    checks.see(event.source == 1, "at the first owner", event.source)
    since = time.monotonic()
    second.wait("EventAgentNotReady")
    second.patience = MOVE_DELAY_S + 2
    checks.event(second.wait("EventAgentLogout"), "logged out after a while", "EventAgentLogout", AgentID="agent-3")
    took = time.monotonic() - since
    checks.see(took > MOVE_DELAY_S - 0.5, "dn-owner-move-delay", f"{took:.1f} s")
    event = second.ask("TAgentLogin", ThisDN="8013", AgentID="agent-3")
    checks.see(event.fits("EventAgentLogin", {}) and event.source == 3, "and logs in where the DN is now", event)
    watcher.drain()
    checks.quiet("it was in service all the time", watcher)
    for one in (watcher, second):
        one.close()
    phone.close()
    caller.close()


def tc_layer_fails(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """The links between the data centres fail, SIP does not: agents 1 and 2 of the guide, and the DNs of both sides."""
    checks.title = "TC layer fails"
    # agent 1: the call is in the other data centre
    line1, caller1 = line("8011"), customer(12)
    desktop1 = logged_in(language, 1, "8011", "agent-4")
    talk(caller1, line1)
    conn_id = [desktop1.wait(name) for name in BEGUN][1].get("ConnID")
    # agent 2: the DN is in the other data centre, the desktop and the call are here
    phone2, caller2 = at("7085", 12), at("7086", 11)
    phone2.register()
    caller2.register()
    desktop2 = logged_in(language, 1, "7085", "agent-5")
    owner = owner_of(desktop2, "7085")
    checks.see(NODES[owner] == "dc2", "agent 2's DN is over there", owner)
    talk(caller2, phone2)
    for name in BEGUN:
        desktop2.wait(name)
    # DNs of either side
    here, there = client(language, 2, "watcher"), client(language, 7 - owner, "watcher")
    for watcher in (here, there):
        for dn in ("7085", "7086"):
            register(watcher, dn)
    mesh.cut()
    for one in (desktop1, desktop2, here, there):
        one.patience = SILENCE_S
    checks.event(here.wait("EventDNOutOfService"), "their DN is out of service here", "EventDNOutOfService", ThisDN="7085")
    out = there.wait("EventDNOutOfService")
    checks.event(out, "ours is out of service there", "EventDNOutOfService", ThisDN="7086")
    desktop2.wait("EventDNOutOfService")
    event = desktop2.wait("EventAgentLogout")
    checks.event(event, "agent 2 is logged out at the desktop", "EventAgentLogout", AgentID="agent-5")
    event = desktop2.ask("TAgentLogin", ThisDN="7085", AgentID="agent-5")
    checks.error(event, "and cannot log in in this data centre", "ErrorOutOfService")
    moved = client(language, owner)
    view = register(moved, "7085")
    checks.see(view.get("AgentID") is None, "the owner has logged agent 2 out", view)
    checks.see(shown_calls(view) == [], "and shows no call to who comes", view)
    event = moved.ask("TAgentLogin", ThisDN="7085", AgentID="agent-5")
    checks.event(event, "agent 2 logs in over there, while talking", "EventAgentLogin", AgentID="agent-5")
    local_call(checks, here)
    caller1.bye()
    line1.hung_up()
    desktop1.drain()
    checks.quiet("agent 1's call is over, and the desktop does not hear of it", desktop1)
    event = desktop1.ask("TReleaseCall", ThisDN="8011", ConnID=conn_id)
    checks.event(event, "TReleaseCall clears what is shown", "EventReleased", ThisDN="8011", ConnID=conn_id)
    desktop1.wait("EventAgentReady")
    for one in (desktop1, desktop2, here, there, moved):
        one.drain()
    mesh.heal()
    event = desktop2.wait("EventDNBackInService")
    checks.event(event, "back in service with the link", "EventDNBackInService", ThisDN="7085")
    event = desktop2.wait("EventAgentLogin")
    checks.event(event, "with the agent as it is over there", "EventAgentLogin", AgentID="agent-5")
    there.until("EventDNBackInService")
    checks.quiet("agent 1 hears nothing", desktop1)
    caller2.bye()
    phone2.hung_up()
    checks.event(desktop2.until("EventReleased")[-1], "the call that went on is released", "EventReleased", ThisDN="7085")
    for one in (desktop1, desktop2, here, there, moved):
        one.close()
    for one in (line1, caller1, phone2, caller2):
        one.close()


def local_call(checks: Checks, watcher: Client) -> None:
    """Each side goes on with its own DNs."""
    one, other = at("7087", 11), at("7088", 11)
    one.register()
    other.register()
    register(watcher, "7088")
    talk(one, other)
    one.bye()
    other.hung_up()
    names = [event.name for event in watcher.until("EventReleased")]
    checks.see("EventEstablished" in names, "calls between DNs of one side go on", names)
    one.close()
    other.close()


def softphone_moves(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """Softphone disconnects from DC1: with no call and no after-call work its DN goes at once."""
    checks.title = "softphone disconnects"
    del mesh
    phone = at("7089", 11)
    phone.register()
    desktop = logged_in(language, 1, "7089", "agent-6")
    owner = owner_of(desktop, "7089")
    checks.see(NODES[owner] == "dc1", "its DN is in the first data centre", owner)
    phone.register()
    checks.quiet("a registration that comes back in time changes nothing", desktop)
    phone.proxy = ("127.0.0.12", 5060)
    phone.register()
    event = desktop.wait("EventAgentLogout")
    checks.event(event, "the agent is logged out at once", "EventAgentLogout", AgentID="agent-6")
    event = desktop.ask("TAgentLogin", ThisDN="7089", AgentID="agent-6")
    checks.event(event, "and logs in again in any data centre", "EventAgentLogin", AgentID="agent-6")
    checks.see(NODES[event.source] == "dc2", "while the DN is in the other", event.source)
    desktop.wait("EventAgentNotReady")
    checks.quiet("it was never out of service", desktop)
    desktop.close()
    phone.close()


def agent_goes_along(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """By agent-state-auto-restore the agent goes with the phone, and his desktop stays his desktop."""
    checks.title = "agent goes along"
    mesh.configure(auto_restore=True)
    try:
        phone = at("7049", 11)
        phone.register()
        desktop = logged_in(language, 1, "7049", "agent-9")
        before = owner_of(desktop, "7049")
        phone.proxy = ("127.0.0.12", 5060)
        phone.register()
        event = desktop.wait("EventAgentLogout")
        checks.event(event, "he is logged out where the DN was", "EventAgentLogout", AgentID="agent-9")
        checks.see(event.source == before, "by its owner", event.source)
        event = desktop.wait("EventAgentLogin")
        checks.event(event, "and logged in where it is", "EventAgentLogin", AgentID="agent-9")
        checks.event(desktop.wait("EventAgentReady"), "as he was", "EventAgentReady", AgentID="agent-9")
        owner = owner_of(desktop, "7049")
        checks.see(NODES[owner] == "dc2", "in the other data centre", owner)
        watcher = client(language, 2, "watcher")
        register(watcher, "7049")
        desktop.close()
        event = watcher.wait("EventAgentLogout")
        checks.event(event, "and out with his desktop", "EventAgentLogout", AgentID="agent-9")
        watcher.close()
        phone.close()
    finally:
        mesh.configure(auto_restore=False)


def not_answered(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """The owner of the agent's DN counts how long it rings, and the node of the call gives it up."""
    checks.title = "agent does not answer elsewhere"
    del mesh
    phone, caller = line("8011"), customer(12)
    desktop = logged_in(language, 1, "8011", "agent-5")
    caller.invite("8011")
    invite = phone.ring()
    event = desktop.wait("EventRinging")
    since = time.monotonic()
    checks.see(NODES[event.get("ConnID") >> 52] == "dc2", "the call is in the other data centre", event)
    checks.see(NODES[event.source] == "dc1", "the DN is in this one", event.source)
    event = desktop.wait("EventAgentNotReady")
    took = time.monotonic() - since
    checks.see(NO_ANSWER_S - 0.2 <= took <= NO_ANSWER_S + 1, "not ready after agent-no-answer-timeout", f"{took:.2f} s")
    phone.respond(phone.expect("CANCEL"), 200)
    phone.respond(invite, 487)
    phone.expect("ACK")
    caller.refused(480)
    event = desktop.wait("EventReleased")
    checks.event(event, "and the call is given up", "EventReleased", ThisDN="8011", CallState="CallStateNoAnswer")
    for one in (desktop, phone, caller):
        one.close()


def call_node_dies(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """The node of a call is killed: the call is over for the agent's desktop, who is told so by the DN's owner."""
    checks.title = "call's node dies"
    phone, caller = line("8012"), customer(12)
    desktop = logged_in(language, 1, "8012", "agent-7")
    talk(caller, phone)
    node = [desktop.wait(name) for name in BEGUN][1].get("ConnID") >> 52
    checks.see(NODES[node] == "dc2", "the call is in the other data centre", node)
    mesh.kill(node)
    since = time.monotonic()
    desktop.patience = WRAP_UP_S + 5
    over(checks, desktop)
    checks.see(time.monotonic() - since < 4, "soon", f"{time.monotonic() - since:.1f} s")
    desktop.wait("EventAgentReady")
    mesh.again(node)
    time.sleep(2)
    checks.quiet("nothing comes twice", desktop)
    for one in (desktop, phone, caller):
        one.close()


def released(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """TReleaseCall goes to the DN's owner and from there to the node of the call."""
    checks.title = "release elsewhere"
    del mesh
    phone, caller = line("8013"), customer(12)
    desktop, watcher = logged_in(language, 1, "8013", "agent-8"), client(language, 2, "watcher")
    register(watcher, "8013")
    talk(caller, phone)
    conn_id = [desktop.wait(name) for name in BEGUN][1].get("ConnID")
    event = desktop.ask("TReleaseCall", ThisDN="8013", ConnID=conn_id)
    checks.event(event, "answered by the release", "EventReleased", ThisDN="8013", ConnID=conn_id)
    phone.hung_up()
    caller.hung_up()
    desktop.wait("EventAgentNotReady")
    names = [event.name for event in watcher.until("EventReleased")]
    checks.see(names[-2:] == ["EventAgentNotReady", "EventReleased"], "others hear of it once", names)
    for one in (desktop, watcher, phone, caller):
        one.close()


SCENES = (agent_goes_along, not_answered, released, call_node_dies, reconnect_same, reconnect_other, gws_disconnects, tc_layer_fails, softphone_moves)
