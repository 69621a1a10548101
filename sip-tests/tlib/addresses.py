"""DNs: registration and its modes, service, do-not-disturb and forwarding."""

import time

from client import Client, of_key
from cluster import OWNER, ROUTING_POINT
from desk import Checks, Desk

PRIVATE = {"RegisterMode": "RegisterModePrivate"}
MONITOR = {"RegisterMode": "RegisterModeMonitor"}
#: An expiry counts whole seconds, and the node looks for it from time to time.
EXPIRY_S = (0.5, 6.0)


def registration(checks: Checks, desk: Desk) -> None:
    """TRegisterAddress and TUnregisterAddress, and what needs them."""
    dn = desk.dn()
    client = desk.client()
    for kind, attributes in (
        ("TAgentLogin", {"AgentID": desk.agent()}), ("TAgentLogout", {}), ("TAgentSetReady", {}),
        ("TAgentSetNotReady", {}), ("TSetDNDOn", {}), ("TSetDNDOff", {}), ("TCallSetForward", {"OtherDN": "7099"}),
        ("TCallCancelForward", {}), ("TUnregisterAddress", {}),
    ):  # fmt: skip
        checks.error(client.ask(kind, ThisDN=dn, **attributes), f"{kind} without registration", "ErrorNotRegistered")
    event = client.ask("TRegisterAddress", ThisDN="nobody")
    checks.error(event, "TRegisterAddress for a DN that is not there", "ErrorNotConfigured")
    checks.see(event.get("ThisDN") == "nobody", "its EventError has the ThisDN", event)
    event = client.ask("TRegisterAddress", ThisDN=dn)
    wanted = {"ThisDN": dn, "IsInService": False, "AddressType": "AddressTypeDN"}
    checks.event(event, "a DN whose phone is not there", "EventRegistered", **wanted)
    checks.see(event.get("AddressStatus") is not None, "EventRegistered has AddressStatus", event)
    checks.see(of_key(event.get("Extensions"), "AgentStatus") == 0, "its AgentStatus is 0: logged out", event)
    checks.see(event.get("AgentID") is None, "it has no AgentID", event)
    checks.see(event.seq == 0, "it is not counted", event)
    event = client.ask("TRegisterAddress", ThisDN=ROUTING_POINT)
    wanted = {"ThisDN": ROUTING_POINT, "AddressType": "AddressTypeRouteDN"}
    checks.event(event, "a routing point", "EventRegistered", **wanted)
    checks.quiet("nothing else comes", client)
    watcher = desk.registered(dn)
    checks.quiet("a registration is nobody else's affair", client)
    for name in (dn, ROUTING_POINT):
        event = client.ask("TUnregisterAddress", ThisDN=name)
        checks.event(event, f"{name} is given back", "EventUnregistered", ThisDN=name)
        event = client.ask("TUnregisterAddress", ThisDN=name)
        checks.error(event, f"{name} is given back again", "ErrorNotRegistered")
    asker = desk.registered(dn)
    asker.ask("TSetDNDOn", ThisDN=dn)
    watcher.wait("EventDNDOn", ThisDN=dn)
    checks.quiet("who has given a DN back hears no more of it", client)


def modes(checks: Checks, desk: Desk) -> None:
    """Private goes with monitors only."""
    dn = desk.dn()
    sharing = desk.registered(dn)
    private = desk.client("another")
    event = private.ask("TRegisterAddress", ThisDN=dn, **PRIVATE)
    checks.error(event, "private beside a share", "ErrorResourceSeized")
    checks.error(private.ask("TSetDNDOn", ThisDN=dn), "a request of who was refused", "ErrorNotRegistered")
    monitor = desk.client("monitor")
    event = monitor.ask("TRegisterAddress", ThisDN=dn, **MONITOR)
    checks.event(event, "monitor beside a share", "EventRegistered", ThisDN=dn)
    sharing.ask("TUnregisterAddress", ThisDN=dn)
    event = private.ask("TRegisterAddress", ThisDN=dn, **PRIVATE)
    checks.event(event, "private beside a monitor", "EventRegistered", ThisDN=dn)
    event = sharing.ask("TRegisterAddress", ThisDN=dn)
    checks.error(event, "share beside a private", "ErrorResourceSeized")
    event = sharing.ask("TRegisterAddress", ThisDN=dn, **PRIVATE)
    checks.error(event, "private beside a private", "ErrorResourceSeized")
    event = sharing.ask("TRegisterAddress", ThisDN=dn, **MONITOR)
    checks.event(event, "monitor beside a private", "EventRegistered", ThisDN=dn)
    for kind, attributes in (("TAgentLogin", {"AgentID": desk.agent()}), ("TAgentSetReady", {}), ("TSetDNDOn", {})):
        checks.error(monitor.ask(kind, ThisDN=dn, **attributes), f"{kind} of a monitor", "ErrorNotRegistered")
    private.ask("TSetDNDOn", ThisDN=dn)
    checks.event(monitor.wait("EventDNDOn"), "a monitor hears", "EventDNDOn", ThisDN=dn)
    private.close()
    late = desk.client("late")
    for _ in range(20):
        event = late.ask("TRegisterAddress", ThisDN=dn)
        if event.name == "EventRegistered":
            break
        time.sleep(0.1)
    checks.event(event, "share when the private has gone", "EventRegistered", ThisDN=dn)
    event = monitor.ask("TUnregisterAddress", ThisDN=dn)
    checks.event(event, "a monitor gives the DN back", "EventUnregistered", ThisDN=dn)


def phone_service(checks: Checks, desk: Desk) -> None:
    """A DN with contact `*` is in service as long as its phone is registered."""
    phone = desk.phone()
    client = desk.client("another")
    event = client.ask("TRegisterAddress", ThisDN=phone.dn)
    checks.event(event, "a DN whose phone is there", "EventRegistered", IsInService=True)
    monitor = desk.registered(phone.dn, "monitor", **MONITOR)
    phone.register()
    checks.quiet("a refreshed registration is no event", client, monitor)
    phone.unregister()
    for who, one in (("who shares", client), ("a monitor", monitor)):
        event = one.wait("EventDNOutOfService", ThisDN=phone.dn)
        good = event.reference == 0 and event.seq > 0
        checks.see(good, f"{who} hears that the phone has unregistered, counted", event)
    event = desk.client().ask("TRegisterAddress", ThisDN=phone.dn)
    checks.event(event, "a desktop does not bring it back", "EventRegistered", IsInService=False)
    checks.quiet("nor is there an event", client)
    phone.register()
    event = client.wait("EventDNBackInService", ThisDN=phone.dn)
    checks.see(event.reference == 0 and event.seq > 0, "the phone is back, counted", event)
    phone.unregister()
    client.wait("EventDNOutOfService", ThisDN=phone.dn)
    phone.register(expires=1)
    client.wait("EventDNBackInService", ThisDN=phone.dn)
    begin = time.monotonic()
    client.patience = EXPIRY_S[1]
    event = client.wait("EventDNOutOfService", ThisDN=phone.dn)
    after = time.monotonic() - begin
    checks.see(EXPIRY_S[0] < after, "the registration expires", f"after {after:.1f} s")
    checks.quiet("each of them comes once", client)


def desktop_service(checks: Checks, desk: Desk) -> None:
    """A DN with another contact is in service as long as an application that may own DNs is registered for it."""
    dn = desk.desk()
    watcher = desk.client("watcher")
    event = watcher.ask("TRegisterAddress", ThisDN=dn)
    checks.event(event, "another application does not bring it in service", "EventRegistered", IsInService=False)
    monitor = desk.client()
    event = monitor.ask("TRegisterAddress", ThisDN=dn, **MONITOR)
    checks.event(event, f"nor does a {OWNER} that monitors", "EventRegistered", IsInService=False)
    checks.quiet("nor is there an event", watcher)
    first = desk.client()
    event = first.ask("TRegisterAddress", ThisDN=dn)
    checks.event(event, f"a {OWNER} finds it out of service", "EventRegistered", IsInService=False)
    event = first.wait("EventDNBackInService", ThisDN=dn)
    checks.see(event.reference == 0 and event.seq > 0, "and has brought it in", event)
    event = watcher.wait("EventDNBackInService", ThisDN=dn)
    checks.see(event.reference == 0 and event.seq > 0, "others hear it, counted", event)
    second = desk.client()
    event = second.ask("TRegisterAddress", ThisDN=dn)
    checks.event(event, f"a second {OWNER} finds it in service", "EventRegistered", IsInService=True)
    first.ask("TUnregisterAddress", ThisDN=dn)
    checks.quiet("it stays in service when the first one leaves", watcher)
    second.ask("TUnregisterAddress", ThisDN=dn)
    watcher.wait("EventDNOutOfService", ThisDN=dn)
    checks.quiet("it goes out of service once when the last one leaves", watcher)
    third = desk.registered(dn)
    watcher.wait("EventDNBackInService", ThisDN=dn)
    third.close()
    watcher.wait("EventDNOutOfService", ThisDN=dn)
    checks.quiet("and once when the last one disconnects", watcher)
    private = desk.desk()
    alone = desk.client()
    alone.ask("TRegisterAddress", ThisDN=private, **PRIVATE)
    event = alone.wait("EventDNBackInService", ThisDN=private)
    checks.see(event.seq > 0, f"a private {OWNER} does too", event)


def do_not_disturb(checks: Checks, desk: Desk) -> None:
    """TSetDNDOn and TSetDNDOff, told to all."""
    phone = desk.phone()
    asker, watcher = desk.registered(phone.dn), desk.registered(phone.dn, "watcher")
    for kind, name in (("TSetDNDOn", "EventDNDOn"), ("TSetDNDOff", "EventDNDOff")):
        told_to_both(checks, asker, watcher, kind, name, ThisDN=phone.dn)
        checks.error(asker.ask(kind, ThisDN=phone.dn), f"{kind} again", "ErrorAlreadyInState")
    checks.quiet("a refusal is nobody else's affair", asker, watcher)


def forwarding(checks: Checks, desk: Desk) -> None:
    """TCallSetForward and TCallCancelForward, told to all."""
    phone = desk.phone()
    asker, watcher = desk.registered(phone.dn), desk.registered(phone.dn, "watcher")
    mode = {"ForwardMode": "ForwardModeUnconditional"}
    event = asker.ask("TCallSetForward", ThisDN=phone.dn, **mode)
    checks.error(event, "TCallSetForward without OtherDN", "ErrorInvalidAttribute")
    told_to_both(
        checks, asker, watcher, "TCallSetForward", "EventForwardSet", ThisDN=phone.dn, OtherDN="7099", **mode
    )  # fmt: skip
    told_to_both(checks, asker, watcher, "TCallCancelForward", "EventForwardCancel", ThisDN=phone.dn, **mode)


def told_to_both(checks: Checks, asker: Client, watcher: Client, kind: str, name: str, **attributes: object) -> None:
    """A request whose event the asker gets with its ReferenceID and the watcher without, the same otherwise."""
    answer = asker.ask(kind, **attributes)
    checks.event(answer, f"{kind} is answered", name, **attributes)
    told = watcher.wait(name)
    same = (told.seq, told.attributes) == (answer.seq, answer.attributes)
    checks.see(same and told.seq > 0 and told.reference == 0, f"others hear {name} too", f"{answer} and {told}")
    checks.quiet(f"{name} comes once", asker, watcher)


SCENES = (
    ("registration", registration),
    ("register modes", modes),
    ("service by phone", phone_service),
    ("service by desktop", desktop_service),
    ("do not disturb", do_not_disturb),
    ("forwarding", forwarding),
)
